"""Features of regions of interest: a grid of a fixed size from each of many boxes."""
from __future__ import annotations

import torch
from torch import Tensor

from .attributes import Shape
from .registry import Params, operator
from .shapes import ShapeTable

__all__ = ["image_of"]


def _check_pooled(p: Params) -> None:
    if len(p.pooled_size) != 2 or min(p.pooled_size) < 1:
        raise ValueError(f"pooled_size {p.pooled_size} must be a height and a width, each 1 or more")


def _shapes(p: Params, s: ShapeTable) -> None:
    if s.rois:
        s.rois = (0, 5)
    if s.data and s.rois:
        parts = p.pooled_size[0] * p.pooled_size[1] if getattr(p, "position_sensitive", False) else 1
        s.output = (s.rois[0], s.data[1] // parts, *p.pooled_size)


def image_of(rois: Tensor, images: int) -> tuple[Tensor, Tensor]:
    """The image number of each box (R,), and whether it names an image."""
    number = rois[:, 0].detach().long()
    return number.clamp(0, max(images - 1, 0)), (number >= 0) & (number < images)


# --- maxima ----------------------------------------------------------------------------------------------------------

def _levels(data: Tensor) -> list[list[tuple[Tensor, Tensor]]]:
    """Maxima over windows of 2^a x 2^b pixels beginning at each pixel, with their positions; by a and b.

    The largest value in any box is then the largest of four such windows, that overlap. Where a window sticks out, it
    is never asked for. Of equal values the first in reading order counts, as in MXNet.
    """
    height, width = data.shape[2:]
    position = torch.arange(height * width, device=data.device).reshape(height, width).expand(data.shape)
    rows = [(data, position)]
    while 2 ** len(rows) <= height:
        rows.append(_wider(rows[-1], 2, 2 ** (len(rows) - 1)))
    table = [[row] for row in rows]
    for line in table:
        while 2 ** len(line) <= width:
            line.append(_wider(line[-1], 3, 2 ** (len(line) - 1)))
    return table


def _wider(level: tuple[Tensor, Tensor], axis: int, step: int) -> tuple[Tensor, Tensor]:
    value, position = level
    return _larger(level, (value.roll(-step, axis), position.roll(-step, axis)))


def _larger(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    keep = (one[0] > other[0]) | ((one[0] == other[0]) & (one[1] <= other[1]))
    return torch.where(keep, one[0], other[0]), torch.where(keep, one[1], other[1])


def _edges(start: Tensor, end: Tensor, parts: int, size: int) -> tuple[Tensor, Tensor]:
    """First and last-but-one pixel (R, parts) of each part of the boxes' sides, within the image."""
    length = (end - start + 1).clamp(min=1)[:, None] / parts
    number = torch.arange(parts, dtype=start.dtype, device=start.device)
    low, high = (number * length).floor() + start[:, None], ((number + 1) * length).ceil() + start[:, None]
    return low.clamp(0, size).long(), high.clamp(0, size).long()


def _power(length: Tensor) -> Tensor:
    """The largest k with 2^k <= length, 0 for an empty length."""
    bits = torch.arange(1, 31, device=length.device)
    return (length[..., None] >= 2 ** bits).sum(-1)


@torch.no_grad()
def _positions(data: Tensor, image: Tensor, rows: tuple[Tensor, Tensor], columns: tuple[Tensor, Tensor]) -> Tensor:
    """The position (R, C, PH, PW) in its image of the largest value of each bin; bins that are empty have any."""
    table = _levels(data.detach())
    deep, wide = len(table), len(table[0])
    values = torch.stack([v for line in table for v, _ in line]).permute(0, 1, 3, 4, 2)     # (levels, N, H, W, C)
    places = torch.stack([q for line in table for _, q in line]).permute(0, 1, 3, 4, 2)
    power_y, power_x = _power(rows[1] - rows[0])[:, :, None], _power(columns[1] - columns[0])[:, None, :]
    level = power_y.clamp(max=deep - 1) * wide + power_x.clamp(max=wide - 1)
    corners_y = [rows[0][:, :, None], rows[1][:, :, None] - 2 ** power_y]
    corners_x = [columns[0][:, None, :], columns[1][:, None, :] - 2 ** power_x]
    best = None
    for y in corners_y:
        for x in corners_x:
            at = (level, image[:, None, None], y.clamp(0, data.shape[2] - 1), x.clamp(0, data.shape[3] - 1))
            found = values[at], places[at]
            best = found if best is None else _larger(best, found)
    assert best is not None
    return best[1].permute(0, 3, 1, 2)


@operator("ROIPooling", hidden=1, resolve=_check_pooled, shapes=_shapes)
def roi_pooling(data: Tensor, rois: Tensor, *, pooled_size: Shape, spatial_scale: float) -> Tensor:
    """The maximum in each cell of a grid laid over each box [Girshick 2015, Fast R-CNN].

    Shapes: data (N, C, H, W), rois (R, 5): the number of the image, then x1, y1, x2, y2 in pixels of the input
    -> (R, C, *pooled_size). spatial_scale, the size of `data` over that of the input, is multiplied with the
    boxes, whose corners are then rounded and belong to them. Cells outside the image are 0, and so are boxes of image
    -1. Boxes have no gradient.

    >>> import ganmod as mx
    >>> mx.nd.ROIPooling(mx.nd.arange(16).reshape((1, 1, 4, 4)), mx.nd.array([[0, 0, 0, 3, 3]]), pooled_size=(2, 2),
    ...                  spatial_scale=1).asnumpy().tolist()
    [[[[5.0, 7.0], [13.0, 15.0]]]]
    """
    image, known = image_of(rois, data.shape[0])
    scaled = rois.detach()[:, 1:5] * spatial_scale
    left, top, right, bottom = (scaled.sign() * (scaled.abs() + 0.5).floor()).unbind(1)     # halves away from 0
    rows = _edges(top, bottom, pooled_size[0], data.shape[2])
    columns = _edges(left, right, pooled_size[1], data.shape[3])
    place = _positions(data, image, rows, columns)
    channels = torch.arange(data.shape[1], device=data.device)[None, :, None, None]
    values = data.flatten(2)[image[:, None, None, None], channels, place]
    filled = (rows[1] > rows[0])[:, :, None] & (columns[1] > columns[0])[:, None, :] & known[:, None, None]
    return torch.where(filled[:, None], values, 0)


# --- bilinear means --------------------------------------------------------------------------------------------------

def _weights(start: Tensor, length: Tensor, parts: int, size: int, ratio: int) -> Tensor:
    """How much each pixel of a side counts in each part of each box: (R, parts, size).

    A part is the mean of some points, `ratio` of them or as many as it is pixels long, and a point counts the two
    pixels around it, or none where it lies more than a pixel outside.
    """
    part = (length / parts)[:, None, None]                           # (R, parts, points) from here on
    count = torch.full_like(part, ratio) if ratio > 0 else part.ceil().clamp(min=1)
    number = torch.arange(parts, dtype=start.dtype, device=start.device)[:, None]
    begin, step = start[:, None, None] + number * part, part / count
    # Of a box much larger than the image, only the points around the image are looked at.
    first = torch.zeros_like(begin) if ratio > 0 else ((-1 - begin) / step).floor().sub(1).clamp(min=0)
    most = ratio if ratio > 0 else 2 * size + 6            # points are more than half a pixel apart
    point = first + torch.arange(most, dtype=start.dtype, device=start.device)
    at = begin + (point + 0.5) * step
    inside = (point < count) & (at >= -1) & (at <= size)
    at = at.clamp(0, size - 1)
    low = at.floor().clamp(max=size - 1)
    share = at - low
    each = inside.to(start.dtype) / count
    made = torch.zeros((*low.shape[:2], size), dtype=start.dtype, device=start.device)
    made = made.scatter_add(2, low.long(), each * (1 - share))
    return made.scatter_add(2, (low.long() + 1).clamp(max=size - 1), each * share)


@operator("_contrib_ROIAlign", resolve=_check_pooled, shapes=_shapes)
def roi_align(data: Tensor, rois: Tensor, *, pooled_size: Shape, spatial_scale: float, sample_ratio: int = -1,
              position_sensitive: bool = False, aligned: bool = False) -> Tensor:
    """The mean of bilinear samples in each cell of a grid laid over each box [He et al. 2017, Mask R-CNN].

    Shapes: data (N, C, H, W), rois (R, 5): the number of the image, then x1, y1, x2, y2 in pixels of the input
    -> (R, C, *pooled_size). With position_sensitive, C is a multiple of the number of cells, each cell looks at
    channels of its own, and C divided by it remains [Dai et al. 2016].

    Attributes: spatial_scale, the size of `data` over that of the input; sample_ratio, the number of samples along each
    side of a cell (-1: one per pixel); aligned shifts the boxes by half a pixel and lets them be smaller than
    one. Boxes of image -1 are 0, and boxes have no gradient.
    """
    height, width = data.shape[2:]
    images = data.shape[0]
    left, top, right, bottom = (rois.detach()[:, 1:5] * spatial_scale - (0.5 if aligned else 0.0)).unbind(1)
    lengths = [bottom - top, right - left] if aligned else [(bottom - top).clamp(min=1), (right - left).clamp(min=1)]
    down = _weights(top, lengths[0], pooled_size[0], height, sample_ratio)
    across = _weights(left, lengths[1], pooled_size[1], width, sample_ratio)
    if not position_sensitive:
        across = _by_image(across, rois, images)
        return torch.einsum("rqch,rph->rcpq", torch.einsum("rqnw,nchw->rqch", across, data), down)
    return _position_sensitive(data.reshape(images, -1, *pooled_size, height, width), rois, down, across)


def _by_image(across: Tensor, rois: Tensor, images: int) -> Tensor:
    """Weights (R, parts, N, W) over the columns of all images: the image's number is one more axis to sum over."""
    number, known = image_of(rois, images)
    chosen = torch.nn.functional.one_hot(number, images).to(across.dtype) * known[:, None]
    return torch.einsum("rn,rqw->rqnw", chosen, across)


def _position_sensitive(cells: Tensor, rois: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """Weighted sums (R, C, PH, PW) over cells (N, C, PH, PW, H, W), each part of a box in channels of its own."""
    across = _by_image(across, rois, len(cells))
    return torch.einsum("rqcph,rph->rcpq", torch.einsum("rqnw,ncpqhw->rqcph", across, cells), down)


def _check_groups(p: Params) -> None:
    p.group_size = p.group_size or p.pooled_size
    if p.group_size > p.pooled_size:
        raise ValueError(f"group_size {p.group_size} must not exceed pooled_size {p.pooled_size}")


def _covered(start: Tensor, length: Tensor, parts: int, size: int) -> Tensor:
    """The weights (R, parts, size) of a mean over the pixels that each part touches."""
    number = torch.arange(parts, dtype=start.dtype, device=start.device)
    part = length[:, None] / parts
    low, high = (number * part + start[:, None]).floor(), ((number + 1) * part + start[:, None]).ceil()
    pixel = torch.arange(size, dtype=start.dtype, device=start.device)
    inside = (pixel >= low[..., None]) & (pixel < high[..., None])
    return inside.to(start.dtype) / inside.sum(-1, keepdim=True).clamp(min=1)


@operator("_contrib_PSROIPooling", resolve=_check_groups)
def ps_roi_pooling(data: Tensor, rois: Tensor, *, spatial_scale: float, output_dim: int, pooled_size: int,
                   group_size: int = 0) -> Tensor:
    """The mean in each cell of a grid laid over each box, each cell in channels of its own [Dai et al. 2016, R-FCN].

    Shapes: data (N, output_dim * group_size^2, H, W), rois (R, 5): the number of the image, then x1, y1, x2, y2 in
    pixels of the input -> (R, output_dim, pooled_size, pooled_size). spatial_scale is the size of `data` over that of
    the input; group_size 0 is pooled_size. Boxes have no gradient.
    """
    images, _, height, width = data.shape
    corner = rois.detach()[:, 1:5]
    whole = corner.sign() * (corner.abs() + 0.5).floor()
    left, top = (whole[:, :2] * spatial_scale).unbind(1)
    right, bottom = ((whole[:, 2:] + 1) * spatial_scale).unbind(1)
    down = _covered(top, (bottom - top).clamp(min=0.1), pooled_size, height)
    across = _covered(left, (right - left).clamp(min=0.1), pooled_size, width)
    group = torch.arange(pooled_size, device=data.device) * group_size // pooled_size
    cells = data.reshape(images, output_dim, group_size, group_size, height, width)
    return _position_sensitive(cells[:, :, group][:, :, :, group], rois, down, across)


@ps_roi_pooling.shapes
def _(p, s):
    if s.rois:
        s.rois = (0, 5)
        s.output = (s.rois[0], p.output_dim, p.pooled_size, p.pooled_size)
