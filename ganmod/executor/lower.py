"""Lowering: a symbol becomes one function over torch tensors, the operators' forwards composed along the graph."""
from __future__ import annotations

from typing import Callable, Optional, Sequence

import torch
from torch import Tensor

from ..base import MXNetError, ShapeError
from ..context import Context
from ..ops.registry import Params
from ..ops.shapes import Known, complete
from ..symbol import Symbol
from ..symbol.graph import Entry, Node, topological
from ..symbol.inference import infer_shapes
from .placement import Placement

__all__ = ["lower", "heads_needed", "untraceable", "untraceable_errors", "Lowered"]

#: function(arguments, states) -> (outputs, {name of an argument or state: its new value})
Lowered = Callable[[Sequence[Tensor], Sequence[Tensor]], tuple[list[Tensor], dict[str, Tensor]]]


def lower(symbol: Symbol, training: bool, placement: Placement) -> Lowered:
    """The torch function that a symbol describes.

    Parameters
    ----------
    symbol : Symbol
        What to compute.
    training : bool
        Whether operators such as dropout and batch normalisation train.
    placement : Placement
        Where each node runs; what comes from elsewhere is copied there.
    """
    nodes = topological(symbol.entries)
    names = [*symbol.list_arguments(), *symbol.list_auxiliary_states()]
    variables = {n.name: n for n in nodes if n.op is None}
    operators = [n for n in nodes if n.op is not None]
    shapeless = [n for n in operators if _is_shapeless(n)]

    def run(arguments: Sequence[Tensor], states: Sequence[Tensor]) -> tuple[list[Tensor], dict[str, Tensor]]:
        values: dict[tuple[int, int], Tensor] = {
            (id(variables[name]), 0): value for name, value in zip(names, [*arguments, *states])}
        replaced: dict[str, Tensor] = {}
        shapes = infer_shapes(symbol.entries, {n: tuple(values[id(variables[n]), 0].shape) for n in names}) \
            if shapeless else {}
        for node in operators:
            with torch.device(placement.of(node).device):   # where operators without inputs create their results
                _run_node(node, values, replaced, training, shapes, placement)
        return [values[id(e.node), e.index] for e in symbol.entries], replaced

    return run


def _is_shapeless(node: Node) -> bool:
    """Whether it is an operator without inputs whose shape, or part of it, follows from where its output is used."""
    if node.inputs or node.op is None or "shape" not in node.op.attributes:
        return False
    return not node.params.shape or 0 in node.params.shape


def _run_node(node: Node, values: dict[tuple[int, int], Tensor], replaced: dict[str, Tensor], training: bool,
              shapes: dict[tuple[int, int], Known], placement: Placement) -> None:
    assert node.op is not None
    inputs = [_moved(values[id(e.node), e.index], placement.of_entry(e), placement.of(node)) for e in node.inputs]
    params = node.params
    if _is_shapeless(node):
        shape = shapes[id(node), 0]
        if not complete(shape):
            raise ShapeError(f"operator {node.op.name} {node.name!r}: its shape {shape} does not follow from its use")
        params = Params(**{**vars(params), "shape": shape})
    try:
        results, new = node.op.run(inputs, params, training)
    except MXNetError:
        raise
    except untraceable_errors():                           # the executor finds another way
        raise
    except (RuntimeError, IndexError, ValueError, TypeError) as error:
        if node.op.user_code:
            raise
        given = ", ".join(f"{n} {tuple(v.shape)}" for n, v in zip(node.input_names, inputs))
        raise MXNetError(f"operator {node.op.name} {node.name!r} failed on {given}: {error}") from error
    for k, result in enumerate(results):
        values[id(node), k] = result
    for name, entry in zip(node.input_names, node.inputs):
        if name in new and entry.node.op is None:
            replaced[entry.node.name] = new[name]


def _moved(value: Tensor, source: Context, target: Context) -> Tensor:
    """The value where it is needed; the program copies only between devices."""
    return value if source.device == target.device else value.to(target.device)


def untraceable_errors() -> tuple[type[Exception], ...]:
    """What tracing raises where a result depends on values in a way that cannot be recorded."""
    from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException
    from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode  # half a second to import
    return DataDependentOutputException, DynamicOutputShapeException, GuardOnDataDependentSymNode


def heads_needed(symbol: Symbol, wanted: set[str]) -> list[bool]:
    """For each output, whether some gradient of the `wanted` arguments depends on its head gradient.

    It does where a path leads from the output to such an argument without passing a loss layer.
    """
    return [_reaches(entry, wanted) for entry in symbol.entries]


def _reaches(entry: Entry, wanted: set[str]) -> bool:
    todo, seen = [entry.node], set()
    while todo:
        node = todo.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if node.op is None:
            if node.name in wanted:
                return True
        elif not node.op.ignores_head(node.params):
            todo += [e.node for e in node.inputs]
    return False


def untraceable(symbol: Symbol) -> Optional[str]:
    """The name of an operator whose results' shapes depend on values, if the symbol has one."""
    return next((n.op.name for n in topological(symbol.entries) if n.op is not None and not n.op.traceable), None)
