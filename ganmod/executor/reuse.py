"""Reusing memory: activations and their gradients written over what nothing else needs.

New memory costs a CPU more than the arithmetic of such a node, and so does a second place in its caches.
"""
from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx

from . import ways, winograd

__all__ = ["save_results", "reuse"]

aten = torch.ops.aten
#: Element by element, over its first argument.
_OVER_FIRST = {
    aten.relu.default: aten.relu_.default, aten.leaky_relu.default: aten.leaky_relu_.default,
    aten.tanh.default: aten.tanh_.default, aten.sigmoid.default: aten.sigmoid_.default,
    aten.add.Tensor: aten.add_.Tensor, aten.mul.Tensor: aten.mul_.Tensor,
}
#: The same, by a variant that takes the place of its result.
_INTO_FIRST = {
    aten.threshold_backward.default: aten.threshold_backward.grad_input,
    aten.leaky_relu_backward.default: aten.leaky_relu_backward.grad_input,
    aten.tanh_backward.default: aten.tanh_backward.grad_input,
    aten.sigmoid_backward.default: aten.sigmoid_backward.grad_input,
}


def save_results(graph: fx.Graph) -> None:
    """Have the gradient of each leaky ReLU look at its result, which the next layer saves anyhow, not at its input."""
    for node in graph.nodes:
        if node.target is not aten.leaky_relu_backward.default:
            continue
        gradient, data, slope, is_result = node.args
        same = [u for u in data.users if u.target is aten.leaky_relu.default and u.args == (data, slope)]
        if same and not is_result and slope > 0:           # then both have the same sign
            node.args = (gradient, same[0], slope, True)


def reuse(graph: fx.Graph) -> None:
    """Have nodes of a part of a recorded graph write over their first argument, where this is its last use."""
    rewritten: set[fx.Node] = set()
    for node in graph.nodes:
        first: Any = node.args[0] if node.args else None
        if not (node.target in _OVER_FIRST or node.target in _INTO_FIRST) or not _is_only_used(first, node):
            continue
        if first in rewritten or _makes_memory(first):
            rewritten.add(node)
            if node.target in _OVER_FIRST:
                node.target = _OVER_FIRST[node.target]
            else:
                node.target, node.kwargs = _INTO_FIRST[node.target], {"grad_input": first}


def _is_only_used(argument: Any, user: fx.Node) -> bool:
    """Whether an argument has no other user, and the user's shape and dtype."""
    if not isinstance(argument, fx.Node) or len(argument.users) > 1 or user.args.count(argument) > 1:
        return False
    old, new = argument.meta.get("val"), user.meta.get("val")
    return isinstance(old, torch.Tensor) and isinstance(new, torch.Tensor) and old.shape == new.shape \
        and old.dtype is new.dtype and argument.meta["device"] == user.meta["device"]


def _makes_memory(node: fx.Node) -> bool:
    """Whether what a node gives is no view of what it was given."""
    if node.target is operator.getitem:
        return isinstance(node.args[0], fx.Node) and _makes_memory(node.args[0])
    if isinstance(node.target, torch._ops.OpOverload):
        name, returns = node.target.name(), node.target._schema.returns
        return name.startswith("aten::") and "unsafe" not in name and not any(r.alias_info for r in returns)
    return isinstance(node.target, ways.Kept) or node.target in (
        ways.linear, ways.swapped, ways.small_of_copies, ways.big_of_copies, ways.small_as_product, ways.big_as_product,
        ways.big_in_phases, winograd.small_by_winograd, winograd.big_by_winograd)
