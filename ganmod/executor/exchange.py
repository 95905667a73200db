"""Exchanging: a recorded graph rewritten to the kernels that are faster for its shapes."""
from __future__ import annotations

import functools
import operator
from typing import Any, Optional

import torch
from torch import fx

from . import ways
from .folding import folded
from .kernels import Convolution, Product, all_measured, chosen, measured

__all__ = ["exchange"]

aten = torch.ops.aten
_CONVOLUTION, _GRADIENTS = aten.convolution.default, aten.convolution_backward.default
#: These speak of memory, and would mean something else where maps lie channels last.
_OF_MEMORY = {aten.as_strided.default, aten._reshape_alias.default}
_DTYPES = (torch.float32, torch.bfloat16)


def exchange(graph: fx.Graph, outputs: int) -> None:
    """Rewrite a graph in place: (outputs and replaced values), gradients.

    Parameters
    ----------
    graph : torch.fx.Graph
        As recorded, with the shapes of its values.
    outputs : int
        How many of the results are handed out, and have to lie in memory in the order of their axes.
    """
    for node in list(graph.nodes):
        if node.target in (aten.mm.default, aten.addmm.default):
            _exchange_product(graph, node)
    end: Any = next(n for n in graph.nodes if n.op == "output")
    _, gradients = end.args[0]
    found = [(node, tasks) for node in graph.nodes if (tasks := _convolutions(node, fixed=not gradients))]
    times = all_measured([task for _, tasks in found for task in tasks.values() if task.is_worthwhile])
    if not times or any(map(_depends_on_memory, graph.nodes)):
        return
    best = sum(t[chosen(t, "channels last")] for t in times)
    if chosen({"library": sum(t["library"] for t in times), "channels last": best}, "library") == "library":
        return
    ordinary = {node for node, _ in found}
    _lay_channels_last(graph, ordinary, outputs)
    for node, tasks in found:
        _exchange_convolution(graph, node, tasks)
    graph.eliminate_dead_code()


def _depends_on_memory(node: fx.Node) -> bool:
    """Whether a node would give something else for tensors that lie otherwise in memory than they were recorded."""
    if node.target in _OF_MEMORY:
        return True
    values = [_value(n) for n in node.all_input_nodes] if _is_random(node) else []
    return not all(v is None or v.is_contiguous() for v in values)


def _is_random(node: fx.Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and torch.Tag.nondeterministic_seeded in node.target.tags


def _value(node: Any) -> Optional[torch.Tensor]:
    found = node.meta.get("val") if isinstance(node, fx.Node) else None
    return found if isinstance(found, torch.Tensor) else None


def _is_plain(node: Any, axes: int) -> bool:
    """Whether a node's value is a dense tensor on a CPU, of a dtype that has several ways, with so many axes."""
    value = _value(node)
    return value is not None and value.dtype in _DTYPES and node.meta["device"].type == "cpu" and value.dim() == axes \
        and value.layout is torch.strided and value.numel() > 0


# --- matrix products -------------------------------------------------------------------------------------------------

def _exchange_product(graph: fx.Graph, node: fx.Node) -> None:
    """Compute ``x @ w`` or ``bias + x @ w`` in the way that is faster."""
    args: Any = node.args
    *bias, x, w = args
    if node.kwargs or not (_is_plain(x, 2) and _is_plain(w, 2)) or bias and not _is_plain(bias[0], 1):
        return
    left, right = x.meta["val"], w.meta["val"]
    strided = left.stride(1) != 1, right.stride(0) != 1
    task = Product(left.shape[0], left.shape[1], right.shape[1], strided, left.dtype)
    way = chosen(measured(task), "library") if task.is_worthwhile else "library"
    if way == "library":
        return
    with graph.inserting_before(node):
        weight = w.args[0] if w.target is aten.t.default else graph.call_function(aten.t.default, (w,))
    _replace(graph, node, task.function(way), (x, weight, *bias))


# --- convolutions ----------------------------------------------------------------------------------------------------

def _convolutions(node: fx.Node, fixed: bool) -> dict[int, Convolution]:
    """What a convolution computes, or those of its gradients that are used, by position."""
    args: Any = node.args
    if node.target is _CONVOLUTION:
        x, weight, _, stride, pad, dilation, transposed, _, groups = args
        output, used = node, [0]
    elif node.target is _GRADIENTS:
        output, x, weight, _, stride, pad, dilation, transposed, _, groups, mask = args
        used = [k for k in (0, 1) if mask[k] and _result(node, k) is not None]
    else:
        return {}
    if not (_is_plain(x, 4) and _is_plain(weight, 4) and _is_plain(output, 4) and groups == 1):
        return {}
    if set(dilation) != {1} or len(pad) != 2 or len(stride) != 2 or stride[0] != stride[1]:
        return {}                                          # channels last, oneDNN crashes for some unequal strides
    big, small, kernel = (tuple(n.meta["val"].shape) for n in ((output, x, weight) if transposed else
                                                               (x, output, weight)))
    wanted = ["small", "weight"] if transposed == (node.target is _GRADIENTS) else ["big", "weight"]
    return {k: Convolution(wanted[k], big, small, kernel[2:], tuple(stride), tuple(pad), weight.meta["val"].dtype,
                           fixed and weight.op == "placeholder") for k in used}


def _result(node: fx.Node, position: int) -> Optional[fx.Node]:
    """The node that takes one of another's results, if there is one."""
    return next((user for user in node.users if user.args[1] == position), None)


def _exchange_convolution(graph: fx.Graph, node: fx.Node, tasks: dict[int, Convolution]) -> None:
    """Compute a convolution, or each of its gradients, in the way that is faster over maps that lie channels last."""
    args: Any = node.args
    for k, task in tasks.items():
        way = chosen(measured(task), "channels last") if task.is_worthwhile else "channels last"
        whole = folded(node, task, way) if task.fixed else None
        if whole is not None:
            _replace(graph, *whole)
            continue
        if way == "channels last":
            continue
        replaced: Any
        if node.target is _CONVOLUTION:
            x, weight, bias, *_, transposed, _, _ = args
            big, small, replaced = (None, x, node) if transposed else (x, None, node)
        else:
            head, x, weight, *_, transposed, _, _, _ = args
            big, small = (head, x) if transposed else (x, head)
            bias, replaced = None, _result(node, k)
        function, arguments = task.call(way, big, small, weight, bias)
        _replace(graph, replaced, function, arguments)


def _replace(graph: fx.Graph, node: fx.Node, function: Any, arguments: Any) -> None:
    with graph.inserting_before(node):
        made = graph.call_function(function, arguments)
    made.meta = dict(node.meta)
    node.replace_all_uses_with(made)
    graph.erase_node(node)


# --- layout ----------------------------------------------------------------------------------------------------------

def _lay_channels_last(graph: fx.Graph, ordinary: set[fx.Node], outputs: int) -> None:
    """Have the maps that go into the `ordinary` convolutions lie channels last, and so all that follows from them.

    Operators of torch take any layout, and mostly keep it. Random ones fill memory in its order, so they and the
    operators of others get what they are used to; and so does whoever asks for the outputs.
    """
    last: dict[fx.Node, fx.Node] = {}
    for node in list(graph.nodes):
        if node in ordinary:
            count = 2 if node.target is _GRADIENTS else 1
            maps = [_laid(graph, m, node, torch.channels_last, last) for m in node.args[:count]]
            node.args = (*maps, *node.args[count:])
        elif node.op == "call_function" and _is_particular(node):
            usual = functools.partial(_laid, graph, user=node, layout=torch.contiguous_format, made={})
            node.args = fx.node.map_arg(node.args, usual)
    end = next(n for n in graph.nodes if n.op == "output")
    ended: Any = end.args[0]
    results, gradients = ended
    made = [_laid(graph, r, end, torch.contiguous_format, {}) for r in results[:outputs]]
    end.args = (([*made, *results[outputs:]], gradients),)


def _is_particular(node: fx.Node) -> bool:
    """Whether a node has to be given tensors whose elements lie in the order of the axes."""
    if node.target in (operator.getitem, ways.linear, ways.swapped):
        return False
    if not isinstance(node.target, torch._ops.OpOverload) or node.target.namespace not in ("aten", "prims"):
        return True
    return node.target in (_CONVOLUTION, _GRADIENTS) or _is_random(node)


def _laid(graph: fx.Graph, maps: Any, user: fx.Node, layout: torch.memory_format, made: dict[fx.Node, fx.Node]) -> Any:
    """A node that gives the same maps in a layout, before their user; those that have it already are not copied."""
    value = _value(maps)
    if value is None or value.dim() != 4:
        return maps
    if maps not in made:
        with graph.inserting_before(user):
            made[maps] = graph.call_function(aten.contiguous.default, (maps,), {"memory_format": layout})
        made[maps].meta = dict(maps.meta)
    return made[maps]
