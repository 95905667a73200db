"""Lowering: a symbol becomes one function over torch tensors, the operators' forwards composed along the graph."""
from __future__ import annotations

from contextlib import nullcontext
from typing import Any, Callable, ContextManager, Optional, Sequence

import torch
from torch import Tensor

from ..context import Context
from ..symbol import Symbol
from ..symbol.graph import Entry, topological
from ..symbol.inference import infer_shapes
from ..symbol.subgraphs import is_shapeless, run_node
from .placement import Placement

__all__ = ["lower", "heads_needed", "untraceable", "Lowered"]

#: function(arguments, states) -> (outputs, {name of an argument or state: its new value})
Lowered = Callable[[Sequence[Tensor], Sequence[Tensor]], tuple[list[Tensor], dict[str, Tensor]]]


def lower(symbol: Symbol, training: bool, placement: Placement, precision: Optional[torch.dtype] = None) -> Lowered:
    """The torch function that a symbol describes.

    Parameters
    ----------
    symbol : Symbol
        What to compute.
    training : bool
        Whether operators such as dropout and batch normalisation train.
    placement : Placement
        Where each node runs; what comes from elsewhere is copied there.
    precision : torch.dtype, optional
        Of what torch's autocasting computes in 16 bits. Losses, and the outputs, are computed in float32.
    """
    nodes = topological(symbol.entries)
    names = [*symbol.list_arguments(), *symbol.list_auxiliary_states()]
    variables = {n.name: n for n in nodes if n.op is None}
    operators = [n for n in nodes if n.op is not None]
    shapeless = any(map(is_shapeless, operators))

    def run(arguments: Sequence[Tensor], states: Sequence[Tensor]) -> tuple[list[Tensor], dict[str, Tensor]]:
        values: dict[tuple[int, int], Tensor] = {
            (id(variables[name]), 0): value for name, value in zip(names, [*arguments, *states])}
        replaced: dict[str, Tensor] = {}
        shapes = infer_shapes(symbol.entries, {n: tuple(values[id(variables[n]), 0].shape) for n in names}) \
            if shapeless else {}
        for node in operators:
            assert node.op is not None
            device = placement.of(node).device
            # Operators without inputs create their results on the device.
            with torch.device(device), _casting(device, precision):
                inputs = [_moved(values[id(e.node), e.index], placement.of_entry(e), placement.of(node))
                          for e in node.inputs]
                if node.op.ignores_head(node.params):
                    inputs = [_widened(i, precision) for i in inputs]
                results, new = run_node(node, inputs, training, shapes)
            values.update({(id(node), k): result for k, result in enumerate(results)})
            for name, entry in zip(node.input_names, node.inputs):
                if name in new and entry.node.op is None:
                    replaced[entry.node.name] = new[name]
        return [_widened(values[id(e.node), e.index], precision) for e in symbol.entries], replaced

    return run


def _casting(device: torch.device, precision: Optional[torch.dtype]) -> ContextManager[Any]:
    """Where torch casts the inputs of matrix products and convolutions to a precision."""
    return nullcontext() if precision is None else torch.autocast(device.type, precision, cache_enabled=False)


def _widened(value: Tensor, precision: Optional[torch.dtype]) -> Tensor:
    """In float32 what autocasting has made narrower."""
    return value.float() if precision is not None and value.dtype is precision else value


def _moved(value: Tensor, source: Context, target: Context) -> Tensor:
    """The value where it is needed; the program copies only between devices."""
    return value if source.device == target.device else value.to(target.device)


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
    return next((n.op.name for n in topological(symbol.entries) if n.op is not None and not n.traceable), None)
