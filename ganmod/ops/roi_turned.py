"""Features of regions of interest that are turned, or whose cells move."""
from __future__ import annotations

import math
from typing import Optional

import torch
from torch import Tensor

from .attributes import Shape
from .registry import Params, operator
from .roi import image_of
from .shapes import ShapeTable

__all__: list[str] = []


def _bilinear(data: Tensor, image: Tensor, channel: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Values of `data` (N, C, H, W) between four pixels at positions within the image; all indices broadcast."""
    top, left = y.floor().clamp(max=data.shape[2] - 1), x.floor().clamp(max=data.shape[3] - 1)
    down, right = y - top, x - left
    rows = top.long(), (top.long() + 1).clamp(max=data.shape[2] - 1)
    columns = left.long(), (left.long() + 1).clamp(max=data.shape[3] - 1)
    corners = [[data[image, channel, row, column] for column in columns] for row in rows]
    upper = corners[0][0] * (1 - right) + corners[0][1] * right
    return upper * (1 - down) + (corners[1][0] * (1 - right) + corners[1][1] * right) * down


# --- turned boxes ----------------------------------------------------------------------------------------------------

def _check_pooled(p: Params) -> None:
    if len(p.pooled_size) != 2 or min(p.pooled_size) < 1:
        raise ValueError(f"pooled_size {p.pooled_size} must be a height and a width, each 1 or more")


def _steps(length: Tensor, parts: int, ratio: int) -> tuple[Tensor, Tensor]:
    """Where the samples (R, parts, samples) of a side lie, from its middle; and whether each is one of the part's."""
    part = (length / parts)[:, None, None]
    count = torch.full_like(part, ratio) if ratio > 0 else part.ceil()
    most = ratio if ratio > 0 else int(count.max().item()) if count.numel() else 1
    number = torch.arange(most, dtype=length.dtype, device=length.device)
    begin = torch.arange(parts, dtype=length.dtype, device=length.device)[:, None] * part - length[:, None, None] / 2
    return begin + (number + 0.5) * part / count, (number < count).expand(-1, parts, -1)


@operator("_contrib_RROIAlign", resolve=_check_pooled, traceable=False)
def rotated_roi_align(data: Tensor, rois: Tensor, *, pooled_size: Shape, spatial_scale: float,
                      sampling_ratio: int = -1) -> Tensor:
    """The mean of bilinear samples in each cell of a grid laid over each turned box [Ma et al. 2018].

    Shapes: data (N, C, H, W), rois (R, 6): the number of the image, the middle's x and y, width and height in pixels of
    the input, and the angle in degrees, counter-clockwise -> (R, C, *pooled_size).

    Attributes: spatial_scale, the size of `data` over that of the input; sampling_ratio, the number of samples along
    each side of a cell (-1: one per pixel). Boxes have no gradient, and are at least one pixel wide and high; samples
    more than a pixel outside of the image are 0.
    """
    image, known = image_of(rois, data.shape[0])
    middle_x, middle_y, width, height = (rois.detach()[:, 1:5] * spatial_scale).unbind(1)
    (y, in_y), (x, in_x) = (_steps(side.clamp(min=1), parts, sampling_ratio)
                            for side, parts in zip((height, width), pooled_size))
    y, x = y[:, None, :, None, :, None], x[:, None, None, :, None, :]
    turn = (rois.detach()[:, 5] * (math.pi / 180)).reshape(-1, 1, 1, 1, 1, 1)
    at_y = y * turn.cos() - x * turn.sin() + middle_y.reshape(turn.shape)
    at_x = x * turn.cos() + y * turn.sin() + middle_x.reshape(turn.shape)
    rows, columns = data.shape[2:]
    counted = in_y[:, None, :, None, :, None] & in_x[:, None, None, :, None, :]
    inside = (at_y >= -1) & (at_y <= rows) & (at_x >= -1) & (at_x <= columns) & counted & known.reshape(turn.shape)
    channel = torch.arange(data.shape[1], device=data.device).reshape(1, -1, 1, 1, 1, 1)
    seen = _bilinear(data, image.reshape(turn.shape), channel, at_y.clamp(0, rows - 1), at_x.clamp(0, columns - 1))
    return (seen * inside).sum((-2, -1)) / counted.sum((-2, -1)).clamp(min=1)


@rotated_roi_align.shapes
def _(p: Params, s: ShapeTable) -> None:
    if s.rois:
        s.rois = (0, 6)
    if s.data and s.rois:
        s.output = (s.rois[0], s.data[1], *p.pooled_size)


# --- cells that move -------------------------------------------------------------------------------------------------

def _check_parts(p: Params) -> None:
    p.part_size = p.part_size or p.pooled_size


@operator("_contrib_DeformablePSROIPooling", present={"trans": lambda p: not p.no_trans}, hidden=1,
          resolve=_check_parts)
def deformable_ps_roi_pooling(data: Tensor, rois: Tensor, trans: Optional[Tensor] = None, *, spatial_scale: float,
                              output_dim: int, group_size: int, pooled_size: int, part_size: int = 0,
                              sample_per_part: int = 1, trans_std: float = 0.0, no_trans: bool = False) -> Tensor:
    """The mean of bilinear samples in each cell of a grid over each box, each cell moved by learned offsets, and with
    channels of its own [Dai et al. 2017, Deformable Convolutional Networks].

    Shapes: data (N, output_dim * group_size^2, H, W), rois (R, 5): the number of the image, then x1, y1, x2, y2 in
    pixels of the input, trans (R, 2 * classes, part_size, part_size): how far to move in x and in y, as a fraction of
    the box's size -> (R, output_dim, pooled_size, pooled_size).

    Attributes: spatial_scale, the size of `data` over that of the input; part_size 0 is pooled_size; sample_per_part,
    the number of samples along each side of a cell; trans_std is multiplied with the offsets; no_trans leaves them out.
    Samples more than half a pixel outside of the image do not count. Boxes have no gradient.
    """
    image, known = image_of(rois, data.shape[0])
    corner = rois.detach()[:, 1:5]
    whole = corner.sign() * (corner.abs() + 0.5).floor()
    start, end = whole[:, :2] * spatial_scale - 0.5, (whole[:, 2:] + 1) * spatial_scale - 0.5
    size = (end - start).clamp(min=0.1)                                    # (R, 2), x before y
    cell = torch.arange(pooled_size, device=data.device)
    moved = [torch.zeros((len(rois), 1, 1, 1), dtype=data.dtype, device=data.device)] * 2
    if trans is not None:
        part = cell * part_size // pooled_size
        moved = [_by_output(trans[:, k::2][:, :, part][..., part], output_dim) * trans_std for k in (0, 1)]
    steps = torch.arange(sample_per_part, dtype=data.dtype, device=data.device) / sample_per_part
    places = (cell[:, None] + steps) / pooled_size                          # (pooled, samples), of the whole side
    at_x = (places[:, None, :] + moved[0][..., None, None]) * _tail(size[:, 0]) + _tail(start[:, 0])
    at_y = (places[:, None, :, None] + moved[1][..., None, None]) * _tail(size[:, 1]) + _tail(start[:, 1])
    rows, columns = data.shape[2:]
    counted = (at_x >= -0.5) & (at_x <= columns - 0.5) & (at_y >= -0.5) & (at_y <= rows - 0.5)
    group = cell * group_size // pooled_size
    channel = torch.arange(output_dim, device=data.device)[:, None, None] * group_size ** 2 \
        + group[:, None] * group_size + group
    seen = _bilinear(data, _tail(image), channel[..., None, None], at_y.clamp(0, rows - 1), at_x.clamp(0, columns - 1))
    total = (seen * counted * _tail(known)).sum((-2, -1))
    return total / counted.sum((-2, -1)).clamp(min=1)


def _tail(values: Tensor) -> Tensor:
    """Values (R,) that broadcast to (R, C, PH, PW, samples, samples)."""
    return values.reshape(-1, 1, 1, 1, 1, 1)


def _by_output(trans: Tensor, outputs: int) -> Tensor:
    """The offsets (R, outputs, PH, PW) of each output channel; neighbouring channels share a class."""
    each = max(outputs // trans.shape[1], 1)
    return trans[:, torch.arange(outputs, device=trans.device) // each]


@deformable_ps_roi_pooling.shapes
def _(p: Params, s: ShapeTable) -> None:
    if s.rois:
        s.rois = (0, 5)
        s.output = (s.rois[0], p.output_dim, p.pooled_size, p.pooled_size)
