"""A symbol inside a node, as loops and branches have them; and how any node runs."""
from __future__ import annotations

import functools
from typing import Any, Mapping, Sequence

import torch
from torch import Tensor

from ..base import MXNetError, ShapeError
from ..ops.control_flow import Dtype, Subgraph
from ..ops.shapes import Known, complete
from .graph import Entry, Node, auxiliary, topological, without_casts
from .inference import infer_dtypes, infer_shapes

__all__ = ["SymbolGraph", "run_node", "is_shapeless"]

Shapes = Mapping[tuple[int, int], Known]


# --- nodes -----------------------------------------------------------------------------------------------------------

def is_shapeless(node: Node) -> bool:
    """Whether it is an operator without inputs whose shape, or part of it, follows from where its output is used."""
    return node.op is not None and not node.inputs and node.op.is_open(node.params)


def run_node(node: Node, inputs: Sequence[Tensor], training: bool, shapes: Shapes) \
        -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    """The outputs of a node, and the new values of inputs that it replaces, by the operator's names for them.

    `shapes` are needed of nodes without inputs alone: what :func:`infer_shapes` says.
    """
    assert node.op is not None
    params = node.params
    if is_shapeless(node):
        shape = shapes[id(node), 0]
        if not complete(shape):
            raise ShapeError(f"operator {node.op.name} {node.name!r}: its shape {shape} does not follow from its use")
        assert shape is not None
        params = node.op.with_shape(params, shape)
    try:
        return node.op.run(inputs, params, training)
    except MXNetError:
        raise
    except (RuntimeError, IndexError, ValueError, TypeError) as error:
        if node.op.user_code:
            raise
        given = ", ".join(f"{n} {tuple(v.shape)}" for n, v in zip(node.input_names, inputs))
        raise MXNetError(f"operator {node.op.name} {node.name!r} failed on {given}: {error}") from error


# --- graphs ----------------------------------------------------------------------------------------------------------

class SymbolGraph(Subgraph):
    """The graph behind `entries` as a function of its variables, in the order of ``Symbol.list_inputs``."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = list(entries)
        nodes = topological(self.entries)
        self.variables = [n for n in nodes if n.op is None]
        self.operators = [n for n in nodes if n.op is not None]
        self.inputs = len(self.variables)

    @functools.cached_property
    def states(self) -> tuple[int, ...]:  # type: ignore[override]
        """The positions of the variables that are auxiliary states."""
        found = auxiliary(self.operators)
        return tuple(k for k, v in enumerate(self.variables) if id(v) in found)

    @property
    def traceable(self) -> bool:
        """Whether a program of it can be recorded."""
        return all(n.traceable for n in self.operators)

    @functools.cached_property
    def _shapeless(self) -> bool:
        return any(map(is_shapeless, self.operators))

    def run(self, inputs: Sequence[Tensor], training: bool) -> tuple[list[Tensor], dict[int, Tensor]]:
        """The outputs, and the new values of variables that are states, by position."""
        place = {id(v): k for k, v in enumerate(self.variables)}
        values = {(id(v), 0): value for v, value in zip(self.variables, inputs)}
        new: dict[int, Tensor] = {}
        shapes = infer_shapes(self.entries, {}, places={slot: tuple(t.shape) or (1,) for slot, t in values.items()}) \
            if self._shapeless else {}
        with torch.device(inputs[0].device if inputs else "cpu"):
            for node in self.operators:
                results, replaced = run_node(node, [values[id(e.node), e.index] for e in node.inputs], training, shapes)
                values.update({(id(node), k): result for k, result in enumerate(results)})
                for name, entry in zip(node.input_names, node.inputs):
                    if name in replaced and entry.node.op is None:
                        new[place[id(entry.node)]] = replaced[name]
        return [values[id(e.node), e.index] for e in self.entries], new

    def shapes(self, inputs: Sequence[Known], outputs: Sequence[Known]) -> tuple[list[Known], list[Known]]:
        """The shapes of variables and outputs as far as they follow from those known."""
        return self._sorted(infer_shapes(self.entries, {}, places=self._known(inputs, outputs)))

    def dtypes(self, inputs: Sequence[Dtype], outputs: Sequence[Dtype]) -> tuple[list[Dtype], list[Dtype]]:
        """The dtypes of variables and outputs as far as they follow from those known."""
        return self._sorted(infer_dtypes(self.entries, {}, places=self._known(inputs, outputs)))

    def _known(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> dict[tuple[int, int], Any]:
        """Values by their places, those of outputs first, which an input may be too."""
        return {(id(node), index): value for node, index, value in
                [*((e.node, e.index, value) for e, value in zip(self.entries, outputs)),
                 *((v, 0, value) for v, value in zip(self.variables, inputs))] if value is not None}

    def _sorted(self, found: Mapping[tuple[int, int], Any]) -> tuple[list[Any], list[Any]]:
        return ([found.get((id(v), 0)) for v in self.variables],
                [found.get((id(e.node), e.index)) for e in self.entries])

    def without_casts(self) -> "SymbolGraph":
        """A copy without the casts of mixed precision."""
        return SymbolGraph(without_casts(self.entries))
