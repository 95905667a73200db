"""Sampling where a grid says, correlation of two images, and windows as columns."""
from __future__ import annotations

from typing import Literal, Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..base import ShapeError, require
from .attributes import Shape
from .conv import spatial_defaults
from .registry import Params, operator
from .shapes import product, window

__all__ = ["sampled"]


# --- grids and sampling ----------------------------------------------------------------------------------------------

def _line(size: int, like: Tensor) -> Tensor:
    """`size` positions evenly spread from -1 to 1; nan if there is one alone, as MXNet has it."""
    step = 2.0 / (size - 1) if size > 1 else float("inf")
    return torch.arange(size, dtype=like.dtype, device=like.device) * step - 1


def _affine_grid(loc: Tensor, target: Sequence[int]) -> Tensor:
    """The points (N, 2, H, W) to which affine maps (N, 6) take a regular grid."""
    height, width = target
    x, y = _line(width, loc).expand(height, width), _line(height, loc)[:, None].expand(height, width)
    regular = torch.stack([x, y, torch.ones_like(x)]).reshape(3, -1)
    return (loc.reshape(-1, 2, 3) @ regular).reshape(-1, 2, height, width)


def _check_target(p: Params) -> None:
    if getattr(p, "transform_type", "") == "affine" and (len(p.target_shape) != 2 or min(p.target_shape) < 1):
        raise ValueError(f"target_shape {p.target_shape} must be a height and a width, each 1 or more")


@operator("GridGenerator", hidden=lambda p: 1, resolve=_check_target)
def grid_generator(data: Tensor, *, transform_type: Literal["affine", "warp"], target_shape: Shape = (0, 0)) -> Tensor:
    """The sampling points of an image transformation, for :func:`BilinearSampler`.

    transform_type ``'affine'``: data (N, 6) holds the rows of a 2 x 3 matrix -> (N, 2, H, W), the image of the regular
    grid of `target_shape` (H, W) over [-1, 1]; [1, 0, 0, 0, 1, 0] is the identity. ``'warp'``: data (N, 2, H, W) holds
    a displacement (x, y) in pixels -> (N, 2, H, W). Points are (x, y), -1 and 1 being the centres of the first and the
    last pixel.

    >>> import ganmod as mx
    >>> theta = mx.nd.array([[1, 0, 0, 0, 1, 0]])
    >>> mx.nd.GridGenerator(theta, transform_type='affine', target_shape=(2, 3)).asnumpy()[0, 0].tolist()
    [[-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0]]
    """
    if transform_type == "affine":
        return _affine_grid(data, target_shape)
    height, width = data.shape[2:]
    x = torch.arange(width, dtype=data.dtype, device=data.device).expand(height, width)
    y = torch.arange(height, dtype=data.dtype, device=data.device)[:, None].expand(height, width)
    half = data.new_tensor([(width - 1) / 2, (height - 1) / 2]).reshape(1, 2, 1, 1)
    return (data + torch.stack([x, y])) / half - 1


@grid_generator.shapes
def _(p, s):
    if p.transform_type == "affine":
        s.data = (0, 6)
        s.output = (s.data[0], 2, *p.target_shape)
    elif s.data:
        s.data = (0, 2, 0, 0)
        s.output = s.data


def sampled(data: Tensor, grid: Tensor) -> Tensor:
    """`data` (N, C, H, W) at the points `grid` (N, 2, H', W'), bilinearly, with zeros outside."""
    return F.grid_sample(data, grid.permute(0, 2, 3, 1), mode="bilinear", padding_mode="zeros", align_corners=True)


@operator("BilinearSampler", hidden=1)
def bilinear_sampler(data: Tensor, grid: Tensor, *, cudnn_off: Optional[bool] = None) -> Tensor:
    """The values of an image at the points of a grid, by bilinear interpolation, 0 outside [Jaderberg et al. 2015].

    Shapes: data (N, C, H, W), grid (N, 2, H', W') of points (x, y) -> (N, C, H', W'). -1 and 1 are the centres of the
    first and the last pixel of an axis.

    >>> import ganmod as mx
    >>> points = mx.nd.array([[[[-1, 0.5]], [[0, 0]]]])
    >>> mx.nd.BilinearSampler(mx.nd.arange(9).reshape((1, 1, 3, 3)), points).asnumpy().tolist()
    [[[[3.0, 4.5]]]]
    """
    return sampled(data, grid)


@bilinear_sampler.shapes
def _(p, s):
    if s.data and s.grid:
        s.grid = (s.data[0], 2, 0, 0)
        s.output = (s.grid[0], s.data[1], *s.grid[2:])


@operator("SpatialTransformer", hidden=2, resolve=_check_target)
def spatial_transformer(data: Tensor, loc: Tensor, *, target_shape: Shape = (0, 0), transform_type: Literal["affine"],
                        sampler_type: Literal["bilinear"], cudnn_off: Optional[bool] = None) -> Tensor:
    """An affine transformation of images, as a layer that learns its matrices [Jaderberg et al. 2015].

    Shapes: data (N, C, H, W), loc (N, 6), the rows of 2 x 3 matrices over coordinates in [-1, 1] -> (N, C, H', W') with
    `target_shape` (H', W'). Each point of the output takes the value at the point that the matrix makes of it, by
    bilinear interpolation, 0 outside.
    """
    return sampled(data, _affine_grid(loc, target_shape))


@spatial_transformer.shapes
def _(p, s):
    if s.data:
        s.loc = (s.data[0], 6)
        s.output = (s.data[0], s.data[1], *p.target_shape)


# --- correlation -----------------------------------------------------------------------------------------------------

def _check_correlation(p: Params) -> None:
    if p.kernel_size % 2 == 0:
        raise ValueError(f"kernel_size {p.kernel_size} must be odd")


def _border(p: Params) -> int:
    return p.max_displacement + p.kernel_size // 2


@operator("Correlation", hidden=2, resolve=_check_correlation)
def correlation(data1: Tensor, data2: Tensor, *, kernel_size: int = 1, max_displacement: int = 1, stride1: int = 1,
                stride2: int = 1, pad_size: int = 0, is_multiply: bool = True) -> Tensor:
    """The correlation of patches of one image with displaced patches of another [Dosovitskiy et al. 2015, FlowNet].

    ``out[n, d, y, x]`` is the mean over channels and a kernel_size x kernel_size patch of ``data1 * data2`` (or of
    ``|data1 - data2|`` unless is_multiply), data2 displaced by d: d counts the displacements (dy, dx) row by row, from
    -max_displacement to max_displacement in steps of stride2.

    Shapes: data1 and data2 (N, C, H, W) -> (N, D * D, H', W') with D = 2 floor(max_displacement / stride2) + 1 and
    H' = ceil((H + 2 pad_size - 2 (max_displacement + floor(kernel_size / 2))) / stride1). All lengths in pixels; both
    images are padded with zeros.
    """
    p = Params(kernel_size=kernel_size, max_displacement=max_displacement)
    one, other = (F.pad(x, [pad_size] * 4) for x in (data1, data2))
    height, width = one.shape[2:]
    rest, border = max_displacement, _border(p)
    require(min(height, width) > 2 * border, f"Correlation: the padded size {height} x {width} must exceed "
            f"{2 * border}, the displacements and the kernel on both sides", ShapeError)
    here = one[:, :, rest:height - rest, rest:width - rest]
    reach = max_displacement // stride2 * stride2
    steps = range(-reach, reach + 1, stride2)
    planes = []
    for dy in steps:
        for dx in steps:
            there = other[:, :, rest + dy:height - rest + dy, rest + dx:width - rest + dx]
            planes.append((here * there if is_multiply else (here - there).abs()).sum(1))
    volume = torch.stack(planes, 1)
    return F.avg_pool2d(volume, kernel_size, stride1) / data1.shape[1]


@correlation.shapes
def _(p, s):
    if s.data1 and s.data2:
        s.data2 = s.data1
        side = 2 * (p.max_displacement // p.stride2) + 1
        sizes = [size and -(-(size + 2 * p.pad_size - 2 * _border(p)) // p.stride1) for size in s.data2[2:]]
        s.output = (s.data1[0], side * side, *sizes)


# --- windows as columns ----------------------------------------------------------------------------------------------

@operator("im2col", resolve=spatial_defaults)
def im2col(data: Tensor, *, kernel: Shape, stride: Shape = (), dilate: Shape = (), pad: Shape = ()) -> Tensor:
    """Each window of an image as a column, so that a convolution is one matrix product.

    Shapes, for two axes: data (N, C, H, W) -> (N, C * kH * kW, H' * W'), the windows row by row, with
    H' = floor((H + 2 pad - dilate (kH - 1) - 1) / stride) + 1. kernel, stride (1), dilate (1) and pad (0) in pixels per
    axis, of which there may be one, two or three.
    """
    axes = len(kernel)
    windows = F.pad(data, [q for q in reversed(pad) for _ in range(2)])
    for axis, (k, t, d) in enumerate(zip(kernel, stride, dilate)):
        windows = windows.unfold(2 + axis, d * (k - 1) + 1, t)[..., ::d]
    positions = list(range(2, 2 + axes))
    columns = windows.permute(0, 1, *[a + axes for a in positions], *positions)
    return columns.reshape(data.shape[0], data.shape[1] * product(kernel), product(columns.shape[2 + axes:]))


def _folded(columns: Tensor, p: Params, axes: slice) -> Tensor:
    """Columns (B, C * kernel, positions) laid into an image of the one or two `axes`, added where they overlap."""
    settings = (p.output_size, p.kernel, p.dilate, p.pad, p.stride)
    size, kernel, dilate, pad, stride = (values[axes] for values in settings)
    if len(size) == 1:
        image = F.fold(columns, (1, *size), (1, *kernel), (1, *dilate), (0, *pad), (1, *stride))
    else:
        image = F.fold(columns, size, kernel, dilate, pad, stride)
    return image.reshape(*image.shape[:2], *size)


def _folded_volume(columns: Tensor, p: Params, counts: Sequence[int]) -> Tensor:
    """The same for three axes: each plane by itself, then the depth."""
    batch, (depth, *plane), (front, *_) = columns.shape[0], p.kernel, counts
    planes = columns.reshape(batch, -1, depth, product(plane), front, product(counts[1:]))
    folded = _folded(planes.transpose(3, 4).flatten(0, 3), p, slice(1, 3))
    lines = folded.reshape(batch, -1, depth, front, product(p.output_size[1:])).permute(0, 1, 4, 2, 3)
    image = _folded(lines.flatten(0, 2), p, slice(0, 1)).reshape(*lines.shape[:3], p.output_size[0])
    return image.transpose(2, 3).reshape(batch, -1, *p.output_size)


@operator("col2im", resolve=spatial_defaults)
def col2im(data: Tensor, *, output_size: Shape, kernel: Shape, stride: Shape = (), dilate: Shape = (),
           pad: Shape = ()) -> Tensor:
    """Columns back into an image, added where windows overlap; the gradient of :func:`im2col`.

    Shapes, for two axes: data (N, C * kH * kW, windows) -> (N, C, H, W) with `output_size` (H, W); the attributes
    are those of :func:`im2col`.
    """
    p = Params(output_size=output_size, kernel=kernel, stride=stride, dilate=dilate, pad=pad)
    counts = [window(*z) for z in zip(output_size, kernel, stride, pad, dilate)]
    require(data.shape[1] % product(kernel) == 0 and data.shape[2] == product(counts),
            f"col2im: data {tuple(data.shape)} must be (N, multiple of {product(kernel)}, {product(counts)})",
            ShapeError)
    return _folded(data, p, slice(0, 2)) if len(kernel) < 3 else _folded_volume(data, p, counts)
