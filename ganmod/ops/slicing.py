"""Parts of an array: slices, crops, and arrays with a part replaced."""
from __future__ import annotations

from typing import Optional, Sequence

import torch
from torch import Tensor

from ..base import ShapeError, require
from .attributes import Shape
from .elemwise import number_for
from .registry import Index, Params, operator
from .shapes import ShapeTable
from .shaping import axis_of

__all__: list[str] = []

Bounds = tuple[Optional[int], ...]


# --- slice -----------------------------------------------------------------------------------------------------------

def _ranges(shape: Sequence[int], begin: Bounds, end: Bounds, step: Bounds) -> list[range]:
    """Which indices each sliced axis keeps; axes that are not mentioned are not in the list."""
    require(len(begin) == len(end) <= len(shape) and len(step) in (0, len(begin)),
            f"slice: begin={begin}, end={end} and step={step} do not fit the shape {tuple(shape)}", ShapeError)
    steps = step or (None,) * len(begin)
    require(0 not in steps, f"slice: a step is 0 in {steps}", ShapeError)
    return [range(*slice(b, e, s).indices(size)) for size, b, e, s in zip(shape, begin, end, steps)]


def _take(data: Tensor, axis: int, kept: range) -> Tensor:
    if kept.step > 0:
        return data[(slice(None),) * axis + (slice(kept.start, kept.stop, kept.step),)]
    return _take(data, axis, kept[::-1]).flip(axis)


@operator("slice", "crop", "_sparse_slice")
def slice_(data: Tensor, *, begin: Bounds, end: Bounds, step: Bounds = ()) -> Tensor:
    """``data[begin[0]:end[0]:step[0], ...]``: None and negative values mean what they mean in Python.

    Shapes: data (any shape) -> the kept sizes; axes beyond ``len(begin)`` are kept whole.

    >>> import ganmod as mx
    >>> mx.nd.slice(mx.nd.array([[1, 2, 3], [4, 5, 6]]), begin=(0, 1), end=(1, None)).asnumpy().tolist()
    [[2.0, 3.0]]
    """
    for axis, kept in enumerate(_ranges(data.shape, begin, end, step)):
        data = _take(data, axis, kept)
    return data


@slice_.shapes
def _(p, s):
    if s.data is not None:
        s.output = _slice_sizes(s.data, p)


def _slice_sizes(shape: Sequence[int], p: Params) -> tuple[int, ...]:
    steps = p.step or (None,) * len(p.begin)
    require(len(p.begin) <= len(shape), f"slice: begin={p.begin} has more axes than the shape {tuple(shape)}",
            ShapeError)
    return tuple(_slice_size(size, b, e, s) for size, b, e, s in zip(shape, p.begin, p.end, steps)) \
        + tuple(shape[len(p.begin):])


def _slice_size(size: int, begin: Optional[int], end: Optional[int], step: Optional[int]) -> int:
    if size:
        return len(range(*slice(begin, end, step).indices(size)))
    if end is not None and end >= 0 and (begin or 0) >= 0 and (step or 1) > 0:
        return len(range(begin or 0, end, step or 1))           # of an unknown size, as far as it is long enough
    return 0


def _axis_bounds(size: int, axis: int, begin: int, end: Optional[int]) -> tuple[int, int]:
    first = begin + size if begin < 0 else begin
    last = size if end is None else end + size if end < 0 else end
    require(0 <= first < last <= size, f"slice_axis: begin={begin}, end={end} is no part of axis {axis}, which has "
                                       f"size {size}", ShapeError)
    return first, last


@operator("slice_axis")
def slice_axis(data: Tensor, *, axis: int, begin: int, end: Optional[int]) -> Tensor:
    """A part of one axis: ``begin`` up to ``end`` (None: to the last), negative values count from the end.

    Shapes: data (..., K, ...) -> (..., end - begin, ...).
    """
    axis = axis_of(axis, data.dim(), "slice_axis")
    first, last = _axis_bounds(data.shape[axis], axis, begin, end)
    return data.narrow(axis, first, last - first)


@slice_axis.shapes
def _(p, s):
    known = s.data if s.data is not None else s.output
    if known is None:
        return
    axis = axis_of(p.axis, len(known), s.node)
    size = s.data[axis] if s.data is not None else 0
    if size:
        first, last = _axis_bounds(size, axis, p.begin, p.end)
        kept = last - first
    else:
        kept = p.end - p.begin if p.end is not None and p.begin * p.end >= 0 and p.end > p.begin else 0
    s.output = (*known[:axis], kept, *known[axis + 1:])
    s.data = (*s.output[:axis], 0, *s.output[axis + 1:])


@operator("slice_like")
def slice_like(data: Tensor, shape_like: Index, *, axes: Shape = ()) -> Tensor:
    """The beginning of `data`, as long as `shape_like` along `axes` (default: all axes of `shape_like`).

    Shapes: data, shape_like (any shapes) -> data's shape with the sizes of shape_like in `axes`. `shape_like` may have
    any dtype and gets no gradient.
    """
    for axis in _like_axes(data.shape, shape_like.shape, axes):
        require(shape_like.shape[axis] <= data.shape[axis], f"slice_like: axis {axis} of data {tuple(data.shape)} is "
                f"shorter than that of shape_like {tuple(shape_like.shape)}", ShapeError)
        data = data.narrow(axis, 0, shape_like.shape[axis])
    return data


def _like_axes(shape: Sequence[int], like: Sequence[int], axes: Sequence[int]) -> list[int]:
    require(axes or len(shape) == len(like), f"slice_like: data {tuple(shape)} and shape_like {tuple(like)} differ in "
                                             f"their number of axes; give axes=", ShapeError)
    return [axis_of(a, len(shape), "slice_like") for a in axes] or list(range(len(shape)))


@slice_like.shapes
def _(p, s):
    if s.data is not None and s.shape_like is not None:
        sizes = list(s.data)
        for axis in _like_axes(s.data, s.shape_like, p.axes):
            sizes[axis] = s.shape_like[axis]
        s.output = sizes


# --- crop ------------------------------------------------------------------------------------------------------------

def _crop_size(p: Params, shapes: list[Sequence[int]]) -> Sequence[int]:
    return shapes[1][2:] if p.num_args == 2 else p.h_w


@operator("Crop", count="num_args")
def crop(*data: Tensor, num_args: int, offset: Shape = (0, 0), h_w: Shape = (0, 0),
         center_crop: bool = False) -> Tensor:
    """A window of each image: as large as the second input, or of height and width `h_w`.

    The window lies in the centre with `center_crop`, else it begins at `offset` (y, x), in pixels.

    Shapes: data (N, C, H, W), optionally a second input (any, any, h, w) -> (N, C, h, w). The second gets no gradient.
    """
    image = data[0]
    height, width = _crop_size(Params(num_args=num_args, h_w=h_w), [d.shape for d in data])
    top, left = ((image.shape[2] - height) // 2, (image.shape[3] - width) // 2) if center_crop else offset
    require(0 <= top <= image.shape[2] - height and 0 <= left <= image.shape[3] - width,
            f"Crop: a window of {height} x {width} at {(top, left)} does not lie within data of shape "
            f"{tuple(image.shape)}", ShapeError)
    return image[:, :, top:top + height, left:left + width]


@crop.shapes
def _(p, s):
    if s.arg0 is not None and (p.num_args == 1 or s.arg1 is not None):
        s.output = (*s.arg0[:2], *_crop_size(p, [s[name] for name in s.inputs]))


# --- replacing a part ------------------------------------------------------------------------------------------------

def _replaced(data: Tensor, kept: Sequence[range], part: Tensor, axis: int = 0) -> Tensor:
    """`data` with the places in `kept` exchanged for `part`, axis by axis from the innermost."""
    if axis == len(kept):
        return part
    places = kept[axis]
    if places.step < 0:
        places, part = places[::-1], part.flip(axis)
    inner = _replaced(_take(data, axis, places), kept, part, axis + 1)
    return torch.slice_scatter(data, inner, axis, places.start, places.stop, places.step)


@operator("_slice_assign", "_crop_assign")
def _slice_assign(lhs: Tensor, rhs: Tensor, *, begin: Bounds, end: Bounds, step: Bounds = ()) -> Tensor:
    """`lhs` with the slice from `begin` to `end` replaced by `rhs`.

    Shapes: lhs (any shape), rhs (the shape of the slice) -> the shape of lhs.
    """
    return _replaced(lhs, _ranges(lhs.shape, begin, end, step), rhs)


@_slice_assign.shapes
def _(p, s):
    s.same(("lhs", "output"))
    if s.lhs is not None:
        s.rhs = _slice_sizes(s.lhs, p)


@operator("_slice_assign_scalar", "_crop_assign_scalar")
def _slice_assign_scalar(data: Tensor, *, scalar: float = 0.0, begin: Bounds, end: Bounds, step: Bounds = ()) -> Tensor:
    """`data` with every element of the slice from `begin` to `end` replaced by `scalar`.

    Shapes: data (any shape) -> the same.
    """
    kept = _ranges(data.shape, begin, end, step)
    sizes = (*map(len, kept), *data.shape[len(kept):])
    return _replaced(data, kept, data.new_full(sizes, number_for(data, scalar)))


@_slice_assign_scalar.shapes
def _(_p, s: ShapeTable):
    s.same(("data", "output"))
