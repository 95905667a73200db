"""Operators that pick, gather and scatter by index, sort, and translate indices.

Indices come as whole numbers of any dtype, floats included, which are rounded towards zero.
"""
from __future__ import annotations

from typing import Any, Literal, Optional

import torch
from torch import Tensor

from ..base import ShapeError, require
from .attributes import DType, Shape
from .registry import Index, operator
from .shapes import complete, product
from .shaping import axis_of

__all__: list[str] = []


def _within(indices: Tensor, size: int, mode: str) -> Tensor:
    """Indices as int64, those out of range clipped or wrapped around (or left, to fail)."""
    where = indices.long()
    if mode == "clip":
        return where.clamp(0, size - 1)
    return where.remainder(size) if mode == "wrap" else where


# --- take and pick -----------------------------------------------------------------------------------------------

@operator("take")
def take(a: Tensor, indices: Index, *, axis: int = 0, mode: Literal["clip", "raise", "wrap"] = "clip") -> Tensor:
    """Slices of `a` along an axis: ``a[indices]`` for axis 0.

    Shapes: a (..., n, ...), indices (any shape) -> (..., *indices.shape, ...). An index out of range is clipped to the
    first or last one, wrapped around (`mode` ``'wrap'``), or an error (``'raise'``, which refuses negative ones too).

    >>> import ganmod as mx
    >>> mx.nd.take(mx.nd.array([[1, 2], [3, 4]]), mx.nd.array([1, 0, 5])).asnumpy().tolist()
    [[3.0, 4.0], [1.0, 2.0], [3.0, 4.0]]
    """
    axis = axis_of(axis, a.dim(), "take")
    where = _within(indices, a.shape[axis], mode)
    taken = a.index_select(axis, where.reshape(-1))
    return taken.reshape(*a.shape[:axis], *indices.shape, *a.shape[axis + 1:])


@take.shapes
def _(p, s):
    if s.a and s.indices:
        axis = axis_of(p.axis, len(s.a), s.node)
        s.output = (*s.a[:axis], *s.indices, *s.a[axis + 1:])


@operator("batch_take")
def batch_take(a: Tensor, indices: Index) -> Tensor:
    """One element of each row: ``out[i] = a[i, indices[i]]``; an index out of range is clipped.

    Shapes: a (..., n), indices (...) -> (...).
    """
    return a.gather(-1, _within(indices, a.shape[-1], "clip").unsqueeze(-1)).squeeze(-1)


@batch_take.shapes
def _(_p, s):
    if s.a:
        s.indices = s.a[:-1]
    s.output = s.indices
    s.indices = s.output


@batch_take.dtypes
def _(_p, types):
    types["a"] = types["output"] = types["a"] or types["output"]
    types["indices"] = types["indices"] or torch.int32


@operator("pick", "choose_element_0index")
def pick(data: Tensor, index: Index, *, axis: Optional[int] = -1, keepdims: bool = False,
         mode: Literal["clip", "wrap"] = "clip") -> Tensor:
    """One element along an axis for each place of the others: ``out[i] = data[i, index[i]]`` for two axes.

    Shapes: data (..., n, ...), index the same without the axis, or with 1 in its place -> the same as index, with 1 in
    the place of the axis only with `keepdims`. An index out of range is clipped, or wrapped around.

    >>> import ganmod as mx
    >>> mx.nd.pick(mx.nd.array([[1, 2], [3, 4]]), mx.nd.array([1, 0])).asnumpy().tolist()
    [2.0, 3.0]
    """
    where = _pick_axis(axis, data.dim())
    places = _within(index, data.shape[where], mode)
    picked = data.gather(where, places if index.dim() == data.dim() else places.unsqueeze(where))
    return picked if keepdims else picked.squeeze(where)


def _pick_axis(axis: Optional[int], ndim: int) -> int:
    require(axis is not None, "pick: axis=None is not supported; give the axis to pick along", ShapeError)
    return axis_of(axis or 0, ndim, "pick")


@pick.shapes
def _(p, s):
    if s.data:
        axis = _pick_axis(p.axis, len(s.data))
        kept, reduced = (*s.data[:axis], 1, *s.data[axis + 1:]), (*s.data[:axis], *s.data[axis + 1:])
        s.index = kept if s.index and len(s.index) == len(s.data) else reduced
        s.output = kept if p.keepdims else reduced


@operator("fill_element_0index")
def fill_element_0index(lhs: Tensor, mhs: Tensor, rhs: Index) -> Tensor:
    """A copy of `lhs` in which ``out[i, rhs[i]] = mhs[i]``; an index out of range changes nothing.

    Shapes: lhs (n, k), mhs (n,), rhs (n,) -> (n, k).
    """
    hit = rhs.long()[:, None] == torch.arange(lhs.shape[1], device=lhs.device)
    return torch.where(hit, mhs[:, None], lhs)


@fill_element_0index.shapes
def _(_p, s):
    s.output = s.lhs
    if s.lhs:
        s.mhs = s.rhs = s.lhs[:1]


@operator("one_hot")
def one_hot(indices: Index, *, depth: int, on_value: float = 1.0, off_value: float = 0.0,
            dtype: DType = torch.float32) -> Tensor:
    """`on_value` at the place that an index names along a new last axis, `off_value` elsewhere.

    Shapes: indices (...) -> (..., depth). An index out of range names no place.

    >>> import ganmod as mx
    >>> mx.nd.one_hot(mx.nd.array([0, 2]), 3).asnumpy().tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    hit = indices.long().unsqueeze(-1) == torch.arange(depth, device=indices.device)
    on, off = (hit.new_full((), value, dtype=torch.float64) for value in (on_value, off_value))
    return torch.where(hit, on, off).to(dtype)


@one_hot.shapes
def _(p, s):
    if s.indices:
        s.output = (*s.indices, p.depth)
    if s.output:
        s.indices = s.output[:-1]


@one_hot.dtypes
def _(p, types):
    types["output"] = p.dtype


# --- gather and scatter ------------------------------------------------------------------------------------------

def _places(indices: Tensor, ndim: int, name: str) -> tuple[Tensor, ...]:
    """The rows of an index array (M, ...), as a key for the first M of `ndim` axes."""
    require(indices.dim() > 1, f"{name}: indices must have at least 2 axes, (M, ...), got {tuple(indices.shape)}",
            ShapeError)
    require(indices.shape[0] <= ndim, f"{name}: {indices.shape[0]} rows of indices for an array of {ndim} axes",
            ShapeError)
    return tuple(indices.long().unbind(0))


@operator("gather_nd")
def gather_nd(data: Tensor, indices: Index) -> Tensor:
    """Elements or slices of `data`: ``out[...] = data[indices[0, ...], indices[1, ...], ...]``.

    Shapes: data (x1, ..., xN), indices (M, y1, ..., yK), M <= N -> (y1, ..., yK, xM+1, ..., xN). Negative indices
    count from the end.

    >>> import ganmod as mx
    >>> mx.nd.gather_nd(mx.nd.array([[1, 2], [3, 4]]), mx.nd.array([[0, 1], [1, 0]])).asnumpy().tolist()
    [2.0, 3.0]
    """
    return data[_places(indices, data.dim(), "gather_nd")]


@gather_nd.shapes
def _(_p, s):
    if s.data and s.indices and s.indices[0]:
        s.output = (*s.indices[1:], *s.data[s.indices[0]:])


@operator("scatter_nd")
def scatter_nd(data: Tensor, indices: Index, *, shape: Shape) -> Tensor:
    """Zeros of `shape` with ``out[indices[0, ...], indices[1, ...], ...] = data[...]``; of doubled places one wins.

    Shapes: data (y1, ..., yK, xM+1, ..., xN), indices (M, y1, ..., yK) -> shape (x1, ..., xN).
    """
    return data.new_zeros(shape).index_put(_places(indices, len(shape), "scatter_nd"), data)


@scatter_nd.shapes
def _(p, s):
    s.output = p.shape


@operator("_scatter_set_nd")
def scatter_set_nd(lhs: Tensor, rhs: Tensor, indices: Index, *, shape: Shape) -> Tensor:
    """`lhs` with ``out[indices[0, ...], indices[1, ...], ...] = rhs[...]``.

    Shapes: lhs and the output `shape`; rhs and indices as data and indices of ``scatter_nd``.
    """
    return lhs.index_put(_places(indices, lhs.dim(), "_scatter_set_nd"), rhs)


@scatter_set_nd.shapes
def _(p, s):
    s.lhs = s.output = p.shape


# --- sorting -----------------------------------------------------------------------------------------------------

def _sorted(data: Tensor, axis: Optional[int], ascending: bool, name: str) -> tuple[Tensor, Tensor, int]:
    """The sorted values, their indices and the axis; for ``axis=None`` of the flattened data. Equal values keep their
    order."""
    flat = data.reshape(-1) if axis is None else data
    where = 0 if axis is None else axis_of(axis, data.dim(), name)
    values, indices = torch.sort(flat, dim=where, descending=not ascending, stable=True)
    return values, indices, where


def _flat_or_same(p: Any, s: Any, output: str) -> None:
    if p.axis is None:
        if complete(s.data):
            s[output] = (product(s.data),)
    else:
        s.same(["data", output])


@operator("sort", outputs=("output0",), hidden=1)
def sort(data: Tensor, *, axis: Optional[int] = -1, is_ascend: bool = True) -> Tensor:
    """The values in order along an axis, or all of them flattened (``axis=None``).

    Shapes: data (...) -> (...), or (n,) where flattened.

    >>> import ganmod as mx
    >>> mx.nd.sort(mx.nd.array([3, 1, 2]), is_ascend=False).asnumpy().tolist()
    [3.0, 2.0, 1.0]
    """
    return _sorted(data, axis, is_ascend, "sort")[0]


@sort.shapes
def _(p, s):
    _flat_or_same(p, s, "output0")


@operator("argsort")
def argsort(data: Tensor, *, axis: Optional[int] = -1, is_ascend: bool = True, dtype: DType = torch.float32) -> Tensor:
    """The indices that put the values in rising order (falling unless is_ascend) along an axis, or in all
    (``axis=None``); equal values keep theirs.

    Shapes: data (...) -> (...), or (n,) where flattened; of `dtype`, float32 by default.
    """
    return _sorted(data, axis, is_ascend, "argsort")[1].to(dtype)


@argsort.shapes
def _(p, s):
    _flat_or_same(p, s, "output")


@argsort.dtypes
def _(p, types):
    types["output"] = p.dtype


def _topk_outputs(p: Any) -> tuple[str, ...]:
    return {"both": ("output0", "output1"), "value": ("output0",)}.get(p.ret_typ, ("output",))


@operator("topk", outputs=_topk_outputs, hidden=lambda p: int(p.ret_typ == "value"))
def topk(data: Tensor, *, axis: Optional[int] = -1, k: int = 1,
         ret_typ: Literal["both", "indices", "mask", "value"] = "indices", is_ascend: bool = False,
         dtype: DType = torch.float32):
    """The `k` largest elements along an axis (all of them for k < 1; the smallest with `is_ascend`).

    Shapes: data (..., n, ...) -> (..., k, ...), of the flattened data (k,) for ``axis=None``. `ret_typ` chooses the
    indices (of `dtype`, float32 by default), the values, both (values first), or a mask of the shape of data with
    ones at their places.

    >>> import ganmod as mx
    >>> [a.asnumpy().tolist() for a in mx.nd.topk(mx.nd.array([3, 1, 2]), k=2, ret_typ="both")]
    [[3.0, 2.0], [0.0, 2.0]]
    """
    values, indices, where = _sorted(data, axis, is_ascend, "topk")
    size = values.shape[where]
    require(k <= size, f"topk: k={k} exceeds the {size} elements along axis {axis}", ShapeError)
    values, indices = (t.narrow(where, 0, k if k > 0 else size) for t in (values, indices))
    if ret_typ == "value":
        return values
    if ret_typ == "both":
        return values, indices.to(dtype)
    if ret_typ == "indices":
        return indices.to(dtype)
    blank = data.reshape(-1) if axis is None else data
    return torch.zeros_like(blank).scatter(where, indices, 1).reshape(data.shape)


@topk.shapes
def _(p, s):
    if p.ret_typ == "mask":
        s.same(["data", "output"])
    elif s.data and (p.axis is not None or complete(s.data)):
        shape = list(s.data) if p.axis is not None else [product(s.data)]
        axis = 0 if p.axis is None else axis_of(p.axis, len(shape), s.node)
        shape[axis] = p.k if p.k > 0 else shape[axis]
        for name in s.outputs:
            s[name] = shape


@topk.dtypes
def _(p, types):
    values = "output" if p.ret_typ == "mask" else "output0"
    if p.ret_typ != "indices":
        types["data"] = types[values] = types["data"] or types[values]
    if p.ret_typ in ("indices", "both"):
        types["output" if p.ret_typ == "indices" else "output1"] = p.dtype


# --- indices as one number ---------------------------------------------------------------------------------------

def _strides(shape: Shape) -> list[int]:
    return [product(shape[k + 1:]) for k in range(len(shape))]


@operator("_ravel_multi_index", "ravel_multi_index")
def ravel_multi_index(data: Tensor, *, shape: Shape = ()) -> Tensor:
    """The places in an array of `shape`, counted through row by row, of index tuples (the columns of `data`).

    Shapes: data (d, n), where d is the number of axes in `shape` -> (n,). The first size of the shape may be -1.
    """
    require(data.dim() == 2 and data.shape[0] == len(shape), f"_ravel_multi_index: data must have shape "
            f"({len(shape)}, n), got {tuple(data.shape)}", ShapeError)
    total = torch.zeros_like(data[0], dtype=torch.int64)
    for row, stride in zip(data.long().unbind(0), _strides(shape)):
        total = total + row * stride
    return total.to(data.dtype)


@ravel_multi_index.shapes
def _(p, s):
    if s.output:
        s.data = (len(p.shape), s.output[0])
    if s.data:
        s.data = (len(p.shape), 0)
        s.output = s.data[1:]


@operator("_unravel_index", "unravel_index")
def unravel_index(data: Tensor, *, shape: Shape = ()) -> Tensor:
    """The index tuples, one column each, of places in an array of `shape` that are counted through row by row.

    Shapes: data (...) -> (d, ...), where d is the number of axes in `shape`. The first size of the shape may be -1.
    """
    rows, left = [], data.long()
    for stride in _strides(shape):
        row = torch.div(left, stride, rounding_mode="trunc")
        rows.append(row)
        left = left - row * stride
    return torch.stack(rows).to(data.dtype)


@unravel_index.shapes
def _(p, s):
    if s.data:
        s.output = (len(p.shape), *s.data)
    if s.output:
        s.data = s.output[1:]
