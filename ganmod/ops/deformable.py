"""Convolutions whose windows look where learned offsets say."""
from __future__ import annotations

from typing import Literal, Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from .attributes import Shape
from .conv import spatial_defaults
from .registry import Params, operator
from .shapes import ShapeTable, product, window

__all__: list[str] = []

Layout = Optional[Literal["NCDHW", "NCHW", "NCW"]]


def _defaults(p: Params) -> None:
    spatial_defaults(p)
    if len(p.kernel) != 2 or p.layout not in (None, "NCHW"):
        raise ValueError(f"kernel {p.kernel} must have two sizes, and layout {p.layout!r} be 'NCHW'")


def _points(offset: Tensor, p: Params) -> tuple[Tensor, Tensor]:
    """The rows and columns (N, groups, kernel, H', W'), in pixels, at which windows look."""
    batch, _, rows, columns = offset.shape
    moved = offset.reshape(batch, p.num_deformable_group, product(p.kernel), 2, rows, columns)

    def regular(axis: int, places: int) -> Tensor:
        steps = torch.arange(places, dtype=offset.dtype, device=offset.device) * p.stride[axis] - p.pad[axis]
        inner = torch.arange(p.kernel[axis], dtype=offset.dtype, device=offset.device) * p.dilate[axis]
        return inner[:, None] + steps
    y = regular(0, rows)[:, None, :, None].expand(*p.kernel, rows, 1).flatten(0, 1)
    x = regular(1, columns)[None, :, None, :].expand(*p.kernel, 1, columns).flatten(0, 1)
    return moved[:, :, :, 0] + y, moved[:, :, :, 1] + x


def _convolved(data: Tensor, offset: Tensor, mask: Optional[Tensor], weight: Tensor, bias: Optional[Tensor],
               p: Params) -> Tensor:
    batch, channels, height, width = data.shape
    groups, size = p.num_deformable_group, product(p.kernel)
    y, x = _points(offset, p)
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], -1).flatten(0, 1).flatten(1, 2)
    # The first version takes the edge's pixel in the outer half pixel, and nothing before the first pixel's centre.
    seen = F.grid_sample(data.reshape(batch * groups, -1, height, width), grid, mode="bilinear",
                         padding_mode="border" if mask is None else "zeros", align_corners=False)
    seen = seen.reshape(batch, groups, channels // groups, size, -1)
    factor = ((y >= 0) & (y < height) & (x >= 0) & (x < width)).to(data.dtype) if mask is None else mask
    columns = (seen * factor.reshape(batch, groups, 1, size, -1)).reshape(batch, p.num_group, -1, seen.shape[-1])
    out = weight.reshape(p.num_group, -1, columns.shape[2]) @ columns
    out = out.reshape(batch, p.num_filter, *y.shape[3:])
    return out if bias is None else out + bias[:, None, None]


@operator("_contrib_DeformableConvolution", present={"bias": lambda p: not p.no_bias}, resolve=_defaults)
def deformable_convolution(data: Tensor, offset: Tensor, weight: Tensor, bias: Optional[Tensor] = None, *,
                           kernel: Shape, stride: Shape = (), dilate: Shape = (), pad: Shape = (), num_filter: int,
                           num_group: int = 1, num_deformable_group: int = 1, workspace: int = 1024,
                           no_bias: bool = False, layout: Layout = None) -> Tensor:
    """A convolution whose windows' points are moved by offsets, between pixels bilinearly [Dai et al. 2017].

    Shapes: data (N, C, H, W), offset (N, 2 num_deformable_group kH kW, H', W') of (dy, dx) in pixels, weight
    (num_filter, C / num_group, kH, kW), bias (num_filter,) -> (N, num_filter, H', W') as of :func:`Convolution`.
    Points outside the image count 0.

    Attributes: as of :func:`Convolution`; num_deformable_group groups of channels have offsets of their own.
    """
    p = Params(kernel=kernel, stride=stride, dilate=dilate, pad=pad, num_filter=num_filter, num_group=num_group,
               num_deformable_group=num_deformable_group)
    return _convolved(data, offset, None, weight, bias, p)


@operator("_contrib_ModulatedDeformableConvolution", present={"bias": lambda p: not p.no_bias}, resolve=_defaults)
def modulated_deformable_convolution(data: Tensor, offset: Tensor, mask: Tensor, weight: Tensor,
                                     bias: Optional[Tensor] = None, *, kernel: Shape, stride: Shape = (),
                                     dilate: Shape = (), pad: Shape = (), num_filter: int, num_group: int = 1,
                                     num_deformable_group: int = 1, workspace: int = 1024, no_bias: bool = False,
                                     im2col_step: int = 64, layout: Layout = None) -> Tensor:
    """:func:`DeformableConvolution` with a factor for each point of each window [Zhu et al. 2019].

    Shapes: as there, and mask (N, num_deformable_group kH kW, H', W'). Outside the image are zeros, to which the edge
    is interpolated.
    """
    p = Params(kernel=kernel, stride=stride, dilate=dilate, pad=pad, num_filter=num_filter, num_group=num_group,
               num_deformable_group=num_deformable_group)
    return _convolved(data, offset, mask, weight, bias, p)


def _shapes(p: Params, s: ShapeTable) -> None:
    if s.data:
        sizes = [window(*z) for z in zip(s.data[2:], p.kernel, p.stride, p.pad, p.dilate)]
        points = p.num_deformable_group * product(p.kernel)
        s.offset = (s.data[0], 2 * points, *sizes)
        if "mask" in s:
            s.mask = (s.data[0], points, *sizes)
        s.weight = (p.num_filter, s.data[1] // p.num_group, *p.kernel)
        s.output = (s.data[0], p.num_filter, *sizes)
    if not p.no_bias:
        s.bias = (p.num_filter,)


deformable_convolution.shapes(_shapes)
modulated_deformable_convolution.shapes(_shapes)
