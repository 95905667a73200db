"""Larger arrays from smaller ones: repeating, tiling, broadcasting, padding, upsampling; and reversing."""
from __future__ import annotations

import math
from typing import Any, Literal, Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..base import ShapeError, require
from .attributes import Shape
from .registry import Index, elementwise, operator
from .shapes import product
from .shaping import axis_of

__all__: list[str] = []


# --- repeating -------------------------------------------------------------------------------------------------------

@operator("tile")
def tile(data: Tensor, *, reps: Shape) -> Tensor:
    """`data` laid side by side ``reps[k]`` times along axis k; the shorter of shape and `reps` gets leading ones.

    Shapes: data (any shape) -> each size times its number of repetitions.

    >>> import ganmod as mx
    >>> mx.nd.tile(mx.nd.array([1, 2]), reps=(2, 2)).asnumpy().tolist()
    [[1.0, 2.0, 1.0, 2.0], [1.0, 2.0, 1.0, 2.0]]
    """
    return torch.tile(data, reps)


@tile.shapes
def _(p, s):
    if s.data is not None:
        length = max(len(s.data), len(p.reps))
        sizes, reps = ((1,) * (length - len(x)) + tuple(x) for x in (s.data, p.reps))
        s.output = tuple(a * b for a, b in zip(sizes, reps))


@operator("repeat")
def repeat(data: Tensor, *, repeats: int, axis: Optional[int] = None) -> Tensor:
    """Each element `repeats` times in a row along `axis` (None: of the flattened array).

    Shapes: data (..., K, ...) -> (..., K * repeats, ...), or (size * repeats,) where `axis` is None.

    >>> import ganmod as mx
    >>> mx.nd.repeat(mx.nd.array([1, 2]), repeats=2).asnumpy().tolist()
    [1.0, 1.0, 2.0, 2.0]
    """
    line = data.reshape(-1) if axis is None else data
    along = 0 if axis is None else axis_of(axis, data.dim(), "repeat")
    wide = line.unsqueeze(along + 1)
    sizes = list(wide.shape)
    sizes[along + 1] = repeats
    return wide.expand(sizes).flatten(along, along + 1)


@repeat.shapes
def _(p, s):
    if s.data is not None:
        axis = 0 if p.axis is None else axis_of(p.axis, len(s.data), s.node)
        sizes = (product(s.data),) if p.axis is None else s.data
        s.output = (*sizes[:axis], sizes[axis] * p.repeats, *sizes[axis + 1:])


@operator("reverse", "flip", shapes=elementwise)
def reverse(data: Tensor, *, axis: Shape) -> Tensor:
    """The elements in reverse order along `axis`, one or several.

    Shapes: data (any shape) -> the same.

    >>> import ganmod as mx
    >>> mx.nd.reverse(mx.nd.array([1, 2, 3]), axis=0).asnumpy().tolist()
    [3.0, 2.0, 1.0]
    """
    return data.flip([axis_of(a, data.dim(), "reverse") for a in axis])


# --- broadcasting ----------------------------------------------------------------------------------------------------

def _expanded(shape: Sequence[int], sizes: dict[int, int], what: str) -> tuple[int, ...]:
    """`shape` with the axes in `sizes`, which must have size 1 (or unknown, 0), brought to new sizes."""
    for axis, size in sizes.items():
        require(shape[axis] in (0, 1, size), f"{what}: axis {axis} of the shape {tuple(shape)} cannot become {size}; "
                                             f"its size must be 1", ShapeError)
    return tuple(sizes.get(axis, size) for axis, size in enumerate(shape))


def _to(shape: Sequence[int], target: Sequence[int]) -> dict[int, int]:
    require(len(shape) == len(target), f"broadcast_to: the shape {tuple(shape)} has another number of axes than "
                                       f"{tuple(target)}", ShapeError)
    return {axis: size for axis, size in enumerate(target) if size}


@operator("broadcast_to")
def broadcast_to(data: Tensor, *, shape: Shape = ()) -> Tensor:
    """`data` repeated along axes of size 1 up to `shape`, in which 0 keeps an axis.

    Shapes: data (sizes equal to those of `shape`, or 1) -> shape.
    """
    return data.expand(_expanded(data.shape, _to(data.shape, shape), "broadcast_to"))


@broadcast_to.shapes
def _(p, s):
    if s.data is not None:
        s.output = _expanded(s.data, _to(s.data, p.shape), s.node)


def _given(axis: Sequence[int], size: Sequence[int], rank: int, what: str) -> dict[int, int]:
    require(len(axis) == len(size), f"{what}: {len(axis)} axes and {len(size)} sizes were given", ShapeError)
    return {axis_of(a, rank, what): n for a, n in zip(axis, size)}


@operator("broadcast_axis", "broadcast_axes")
def broadcast_axis(data: Tensor, *, axis: Shape = (), size: Shape = ()) -> Tensor:
    """`data` repeated ``size[k]`` times along ``axis[k]``, which must have size 1.

    Shapes: data (any shape) -> the same with the new sizes.
    """
    return data.expand(_expanded(data.shape, _given(axis, size, data.dim(), "broadcast_axis"), "broadcast_axis"))


@broadcast_axis.shapes
def _(p, s):
    if s.data is not None:
        s.output = _expanded(s.data, _given(p.axis, p.size, len(s.data), s.node), s.node)


def _like(lhs: Sequence[int], rhs: Sequence[int], lhs_axes: Any, rhs_axes: Any) -> dict[int, int]:
    require((lhs_axes is None) == (rhs_axes is None), "broadcast_like: give both lhs_axes and rhs_axes, or neither",
            ShapeError)
    if lhs_axes is None:
        require(len(lhs) == len(rhs), f"broadcast_like: lhs {tuple(lhs)} and rhs {tuple(rhs)} differ in their number "
                                      f"of axes; give lhs_axes and rhs_axes", ShapeError)
        return dict(enumerate(rhs))
    return {axis_of(a, len(lhs), "broadcast_like"): rhs[axis_of(b, len(rhs), "broadcast_like")]
            for a, b in zip(lhs_axes, rhs_axes)}


@operator("broadcast_like")
def broadcast_like(lhs: Tensor, rhs: Index, *, lhs_axes: Optional[Shape] = None,
                   rhs_axes: Optional[Shape] = None) -> Tensor:
    """`lhs` repeated along axes of size 1 up to the shape of `rhs`, or only `lhs_axes` up to `rhs_axes`.

    Shapes: lhs (sizes equal to those of rhs, or 1), rhs (any dtype, gets no gradient) -> the sizes of rhs.
    """
    return lhs.expand(_expanded(lhs.shape, _like(lhs.shape, rhs.shape, lhs_axes, rhs_axes), "broadcast_like"))


@broadcast_like.shapes
def _(p, s):
    if s.lhs is not None and s.rhs is not None:
        sizes = {axis: size for axis, size in _like(s.lhs, s.rhs, p.lhs_axes, p.rhs_axes).items() if size}
        s.output = tuple(0 if axis not in sizes and not size else size
                         for axis, size in enumerate(_expanded(s.lhs, sizes, s.node)))


# --- padding ---------------------------------------------------------------------------------------------------------

_PADDING = {"constant": "constant", "edge": "replicate", "reflect": "reflect"}


def _check_padding(shape: Sequence[int], width: Sequence[int]) -> None:
    require(len(shape) in (4, 5) and len(width) == 2 * len(shape) and not any(width[:4]),
            f"Pad: expected data of 4 or 5 axes and pad_width with a pair of numbers for each, 0 for the first two "
            f"axes; got data of shape {tuple(shape)} and pad_width={tuple(width)}", ShapeError)


@operator("Pad", "pad")
def pad(data: Tensor, *, mode: Literal["constant", "edge", "reflect"], pad_width: Shape,
        constant_value: float = 0.0) -> Tensor:
    """A border around each image: of `constant_value`, of the edge repeated, or of the image mirrored at its edge.

    `pad_width` is (0, 0, 0, 0, before, after, ...): elements before and after for each axis, none for the first two.

    Shapes: data (N, C, H, W) or (N, C, D, H, W) -> each size plus its two widths.
    """
    _check_padding(data.shape, pad_width)
    pairs = [pad_width[k:k + 2] for k in range(4, len(pad_width), 2)]
    require(mode != "reflect" or all(max(pair) < size for pair, size in zip(pairs, data.shape[2:])),
            f"Pad: mode 'reflect' needs widths below the sizes, got data of shape {tuple(data.shape)} and "
            f"pad_width={tuple(pad_width)}", ShapeError)
    widths = [w for pair in reversed(pairs) for w in pair]
    return F.pad(data, widths, _PADDING[mode], constant_value if mode == "constant" else None)


@pad.shapes
def _(p, s):
    if s.data is not None:
        _check_padding(s.data, p.pad_width)
        s.output = tuple(size and size + p.pad_width[2 * k] + p.pad_width[2 * k + 1] for k, size in enumerate(s.data))


# --- upsampling ------------------------------------------------------------------------------------------------------

def _nearest(images: Sequence[Tensor], scale: int, join: str) -> Tensor:
    height, width = images[0].shape[2] * scale, images[0].shape[3] * scale
    scaled = []
    for image in images:
        require(height % image.shape[2] == 0 == width % image.shape[3], f"UpSampling: inputs of shapes "
                f"{', '.join(str(tuple(i.shape)) for i in images)} cannot all become {height} x {width}", ShapeError)
        tall = image.repeat_interleave(height // image.shape[2], 2)
        scaled.append(tall.repeat_interleave(width // image.shape[3], 3))
    return torch.cat(scaled, 1) if join == "concat" else sum(scaled[1:], scaled[0])


def _kernel(scale: int) -> tuple[int, int]:
    """Kernel size and padding of the transposed convolution that scales linearly."""
    return 2 * scale - scale % 2, math.ceil((scale - 1) / 2)


def _upsampled_names(attributes: dict[str, Any], number: int) -> list[str]:
    bilinear = attributes.get("sample_type") == "bilinear"
    return ["data", "weight"] if bilinear else [f"arg{k}" for k in range(number)]


@operator("UpSampling", count="num_args", names=_upsampled_names,
          initial={"weight": '["bilinear", {}]'})
def up_sampling(*data: Tensor, scale: int, num_filter: int = 0, sample_type: Literal["bilinear", "nearest"],
                multi_input_mode: Literal["concat", "sum"] = "concat", num_args: int, workspace: int = 512) -> Tensor:
    """Images `scale` times as large.

    ``nearest`` repeats pixels; it takes `num_args` images, brings all to the size of the first times `scale`, and joins
    their channels or sums them. ``bilinear`` is a transposed convolution of each channel with a weight, which the
    initializer fills for linear interpolation; `num_filter` is the number of channels.

    Shapes: data (N, C, H, W) -> (N, C, H * scale, W * scale), C being the sum over the inputs for ``concat``; weight
    (num_filter, 1, K, K) with K = 2 * scale - scale % 2. `workspace` has no effect.

    >>> import ganmod as mx
    >>> mx.nd.UpSampling(mx.nd.ones((1, 2, 3, 3)), scale=2, sample_type="nearest").shape
    (1, 2, 6, 6)
    """
    if sample_type == "nearest":
        return _nearest(data, scale, multi_input_mode)
    image, weight = data
    return F.conv_transpose2d(image, weight, stride=scale, padding=_kernel(scale)[1], groups=num_filter)


@up_sampling.shapes
def _(p, s):
    first = s[s.inputs[0]]
    if p.sample_type == "bilinear":
        size = _kernel(p.scale)[0]
        s.weight = (p.num_filter, 1, size, size)
    if first is None:
        return
    require(len(first) == 4, f"UpSampling: expected data of shape (N, C, H, W), got {first}", ShapeError)
    channels = [0 if s[name] is None else s[name][1] for name in s.inputs]
    joined = p.sample_type == "nearest" and p.multi_input_mode == "concat"
    total = first[1] if not joined else sum(channels) if all(channels) else 0
    s.output = (first[0], total, first[2] * p.scale, first[3] * p.scale)
