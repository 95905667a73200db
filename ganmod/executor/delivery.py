"""Delivery: gradients go to their arrays as soon as they are known, so that their own memory is free again."""
from __future__ import annotations

from typing import Any, Optional, Sequence

import torch
from torch import Tensor, fx

from ..ops import storage

__all__ = ["deliver", "write"]

aten = torch.ops.aten
#: Elements of a gradient from which on it does not wait for the end.
_LARGE = 1 << 15


def deliver(graph: fx.Graph, arrays: Sequence[fx.Node], like: Sequence[Tensor], adds: Sequence[bool]) -> None:
    """Have a part of a recorded graph write what it returns to `arrays`, and return nothing.

    Parameters
    ----------
    graph : torch.fx.Graph
        Whose result is a list of gradients, ``None`` for one that is zero everywhere.
    arrays : sequence of torch.fx.Node
        Its placeholders for as many arrays.
    like : sequence of Tensor
        Such arrays.
    adds : sequence of bool
        Whether a gradient is added to what its array holds.
    """
    end = next(n for n in graph.nodes if n.op == "output")
    last = []
    for array, example, gradient, is_added in zip(arrays, like, end.args[0], adds):
        if _is_product(gradient) and not is_added and _can_be(example, gradient):
            gradient.target, gradient.kwargs = aten.mm.out, {"out": array}
        elif not _is_large(gradient):
            last.append((array, gradient, is_added))
        else:
            with graph.inserting_after(gradient):
                graph.call_function(write, ([array], [gradient], [is_added]))
    with graph.inserting_before(end):
        if last:
            graph.call_function(write, tuple(map(list, zip(*last))))
    end.args = (None,)


def _is_product(gradient: Any) -> bool:
    return isinstance(gradient, fx.Node) and gradient.target is aten.mm.default


def _is_large(gradient: Any) -> bool:
    return isinstance(gradient, fx.Node) and gradient.op != "placeholder" and gradient.meta["val"].numel() >= _LARGE


def _can_be(array: Tensor, gradient: fx.Node) -> bool:
    """Whether such an array can take the place of a gradient that nothing else looks at."""
    value = gradient.meta["val"]
    return len(gradient.users) == 1 and array.layout is torch.strided and array.dtype is value.dtype \
        and array.shape == value.shape


def write(targets: Sequence[Tensor], gradients: Sequence[Optional[Tensor]], adds: Sequence[bool]) -> None:
    """Write or add gradients to their arrays; any may be sparse, and ``None`` is zero everywhere."""
    written: list[Tensor] = []
    sources: list[Tensor] = []
    for target, gradient, is_added in zip(targets, gradients, adds):
        if storage.is_sparse(target) or gradient is not None and storage.is_sparse(gradient):
            _write_sparse(target, gradient, is_added)
        elif is_added:
            if gradient is not None:
                target.add_(gradient)
        elif gradient is None:
            target.zero_()
        else:
            written.append(target)
            sources.append(gradient)
    if written:
        torch._foreach_copy_(written, sources)


def _write_sparse(target: Tensor, gradient: Optional[Tensor], is_added: bool) -> None:
    if gradient is None:
        if not is_added:
            storage.write(target, torch.zeros_like(target))
        return
    if gradient.layout is torch.sparse_coo:
        gradient = gradient.coalesce()                     # a row may have been reached several times
    storage.write(target, storage.dense(target) + storage.dense(gradient) if is_added else gradient)
