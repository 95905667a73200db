"""Boxes: overlap, encoding, suppression and matching.

A box in the format ``'corner'`` is (left, top, right, bottom), in ``'center'`` (x, y, width, height). None of these
operators has a gradient, but for suppression, whose output rows are rows of its input.
"""
from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ..base import ShapeError, require
from .registry import operator
from .shapes import product

__all__ = ["overlaps", "kept", "pairs", "to_corners", "to_centers", "offsets"]

Format = Literal["center", "corner"]


# --- geometry --------------------------------------------------------------------------------------------------------

def to_corners(boxes: Tensor) -> Tensor:
    """Boxes (..., 4) in the format 'corner' from boxes in the format 'center'."""
    middle, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([middle - half, middle + half], -1)


def to_centers(boxes: Tensor) -> Tensor:
    """Boxes (..., 4) in the format 'center' from boxes in the format 'corner'."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(low + high) / 2, high - low], -1)


def overlaps(one: Tensor, other: Tensor) -> Tensor:
    """Intersection over union (..., M, N) of boxes (..., M, 4) and (..., N, 4), corners; 0 where the union is empty."""
    low = torch.maximum(one[..., :, None, :2], other[..., None, :, :2])
    high = torch.minimum(one[..., :, None, 2:], other[..., None, :, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    areas = [(b[..., 2:] - b[..., :2]).clamp(min=0).prod(-1) for b in (one, other)]
    union = areas[0][..., :, None] + areas[1][..., None, :] - shared
    return torch.where(union > 0, shared / torch.where(union > 0, union, 1), 0)


def offsets(anchors: Tensor, boxes: Tensor) -> Tensor:
    """What boxes are to anchors, both with corners: (dx / w, dy / h, log width ratio, log height ratio)."""
    from_, to = to_centers(anchors), to_centers(boxes)
    return torch.cat([(to[..., :2] - from_[..., :2]) / from_[..., 2:], (to[..., 2:] / from_[..., 2:]).log()], -1)


@operator("_contrib_box_iou")
def box_iou(lhs: Tensor, rhs: Tensor, *, format: Format = "corner") -> Tensor:
    """The area that two boxes share over the area that they cover, for each pair.

    Shapes: lhs (..., 4), rhs (..., 4) -> lhs.shape[:-1] + rhs.shape[:-1]. No gradient.

    >>> import ganmod as mx
    >>> mx.nd.contrib.box_iou(mx.nd.array([[0, 0, 2, 2]]), mx.nd.array([[0, 0, 1, 2], [5, 5, 6, 6]])).asnumpy().tolist()
    [[0.5, 0.0]]
    """
    boxes = [b.detach().reshape(-1, 4) for b in (lhs, rhs)]
    if format == "center":
        boxes = [to_corners(b) for b in boxes]
    return overlaps(*boxes).reshape(*lhs.shape[:-1], *rhs.shape[:-1])


@box_iou.shapes
def _(p, s):
    if s.lhs and s.rhs:
        s.output = (*s.lhs[:-1], *s.rhs[:-1])


# --- encoding --------------------------------------------------------------------------------------------------------

@operator("_contrib_box_encode", outputs=("output0", "output1"))
def box_encode(samples: Tensor, matches: Tensor, anchors: Tensor, refs: Tensor, means: Tensor, stds: Tensor) \
        -> tuple[Tensor, Tensor]:
    """The regression targets of anchors that were matched with boxes: (offset - mean) / std.

    Shapes: samples (B, N), above 0.5 where an anchor takes part; matches (B, N), the number of its box; anchors
    (B, N, 4) and refs (B, M, 4), corners; means and stds (4,) -> targets (B, N, 4) and masks (B, N, 4) of ones where
    the anchor takes part; both are 0 elsewhere. The offset of a box is (dx / w, dy / h, log width ratio, log height
    ratio).
    """
    samples, matches, anchors, refs, means, stds = (t.detach() for t in (samples, matches, anchors, refs, means, stds))
    mask = (samples > 0.5)[..., None].expand(*samples.shape, 4)
    chosen = refs.gather(1, matches.long().clamp(0, refs.shape[1] - 1)[..., None].expand(*matches.shape, 4))
    return torch.where(mask, (offsets(anchors, chosen) - means) / stds, 0), mask.to(anchors.dtype)


@box_encode.shapes
def _(p, s):
    s.same(("anchors", "output0", "output1"))
    s.means = s.stds = (4,)


@operator("_contrib_box_decode")
def box_decode(data: Tensor, anchors: Tensor, *, std0: float = 1.0, std1: float = 1.0, std2: float = 1.0,
               std3: float = 1.0, clip: float = -1.0, format: Format = "center") -> Tensor:
    """Boxes from anchors and predicted offsets; the inverse of :func:`box_encode` with means of 0.

    Shapes: data (B, N, 4), anchors (1, N, 4) in `format` -> corners (B, N, 4). std0, std1, std2, std3 scale the
    offsets; clip, if positive, bounds the logarithms of the size ratios. No gradient.
    """
    data, anchors = data.detach(), anchors.detach()
    base = to_centers(anchors) if format == "corner" else anchors
    offset = data * data.new_tensor([std0, std1, std2, std3])
    ratio = offset[..., 2:].clamp(max=clip) if clip > 0 else offset[..., 2:]
    return to_corners(torch.cat([offset[..., :2] * base[..., 2:] + base[..., :2], ratio.exp() * base[..., 2:]], -1))


@box_decode.shapes
def _(p, s):
    s.same(("data", "output"))


# --- suppression -----------------------------------------------------------------------------------------------------

@torch.library.custom_op("ganmod::kept_boxes", mutates_args=())
def kept(boxes: Tensor, kinds: Tensor, valid: Tensor, threshold: float, inclusive: bool) -> Tensor:
    """Which of the boxes (B, K, 4), best first, remain (B, K): those that overlap no better one that remains.

    Boxes suppress boxes of their kind (B, K) by an overlap above the threshold, or equal to it if `inclusive`; boxes
    that are not valid do nothing. One node of a program, as the number of its steps depends on the boxes.
    """
    result = torch.zeros_like(valid)
    for number in range(len(boxes)):
        for kind in kinds[number][valid[number]].unique():
            rows = (valid[number] & (kinds[number] == kind)).nonzero()[:, 0]
            chosen = boxes[number][rows]
            overlap = overlaps(chosen, chosen)
            near = (overlap >= threshold if inclusive else overlap > threshold).triu(1)
            result[number, rows] = _greedy(near)
    return result


def _greedy(near: Tensor) -> Tensor:
    """Which of K boxes remain, where near[i, j] says that the better i would suppress j."""
    remains = torch.ones(len(near), dtype=torch.bool, device=near.device)
    for _ in range(len(near)):                             # after k rounds the k best are settled, and mostly all
        after = ~(near & remains[:, None]).any(0)
        if torch.equal(after, remains):
            break
        remains = after
    return remains


@kept.register_fake
def _(boxes, kinds, valid, threshold, inclusive):
    return torch.empty_like(valid)


@operator("_contrib_box_nms", "_contrib_box_non_maximum_suppression", outputs=("output0",), hidden=1)
def box_nms(data: Tensor, *, overlap_thresh: float = 0.5, valid_thresh: float = 0.0, topk: int = -1,
            coord_start: int = 2, score_index: int = 1, id_index: int = -1, background_id: int = -1,
            force_suppress: bool = False, in_format: Format = "corner", out_format: Format = "corner") -> Tensor:
    """Non-maximum suppression: of boxes that overlap by more than overlap_thresh, the one with the best score.

    Shapes: data (..., N, K), rows that hold a box from coord_start on and a score at score_index -> the same, the rows
    that remain by falling score, then rows of -1. Only scores above valid_thresh count, and of them the topk best
    (-1: all). With id_index, a class is read there: boxes of different classes leave each other alone, unless
    force_suppress, and boxes of the class background_id go. in_format and out_format are the formats of the boxes.

    >>> import ganmod as mx
    >>> rows = mx.nd.array([[0, 0.5, 0, 0, 2, 2], [0, 0.75, 0, 0, 2, 2.1], [0, 0.25, 5, 5, 6, 6]])
    >>> mx.nd.contrib.box_nms(rows).asnumpy()[:, 1].tolist()
    [0.75, 0.25, -1.0]
    """
    rows = data.reshape(product(data.shape[:-2]), *data.shape[-2:])
    scores, boxes = rows[..., score_index].detach(), rows[..., coord_start:coord_start + 4].detach()
    valid = scores > valid_thresh
    kinds = rows[..., id_index].detach() if id_index >= 0 else torch.zeros_like(scores)
    if id_index >= 0 and background_id >= 0:
        valid = valid & (kinds != background_id)
    if force_suppress:
        kinds = torch.zeros_like(kinds)
    order = torch.where(valid, -scores, float("inf")).sort(dim=1, stable=True).indices
    if topk > 0:
        place = torch.arange(valid.shape[1], device=data.device)
        valid = valid & (place < topk).expand_as(valid).scatter(1, order, (place < topk).expand_as(valid))
    corners = boxes if in_format == "corner" else to_corners(boxes)
    remains = kept(corners.gather(1, order[..., None].expand_as(corners)), kinds.gather(1, order),
                   valid.gather(1, order), overlap_thresh, False)
    first = (~remains).to(torch.uint8).sort(dim=1, stable=True).indices            # those that remain move to the front
    source = order.gather(1, first)[..., None].expand_as(rows)
    chosen = rows.gather(1, source)
    if in_format != out_format:
        there = chosen[..., coord_start:coord_start + 4]
        other = (to_corners if out_format == "corner" else to_centers)(there.detach())
        there = there + (other - there.detach())           # MXNet's gradient knows nothing of formats
        chosen = torch.cat([chosen[..., :coord_start], there, chosen[..., coord_start + 4:]], -1)
    return torch.where(remains.gather(1, first)[..., None], chosen, -1).reshape(data.shape)


box_nms.shapes(lambda p, s: s.same(("data", "output0")))


# --- matching --------------------------------------------------------------------------------------------------------

@torch.library.custom_op("ganmod::greedy_pairs", mutates_args=())
def pairs(scores: Tensor, bound: float, most: int) -> Tensor:
    """The column (B, R) that each row of scores (B, R, C) is paired with, -1 for none: the best pair first.

    Each row and each column is in one pair at most; scores of `bound` or less are not paired, and no more than `most`
    pairs are made. One node of a program, as it has a step for each pair.
    """
    batch, _, columns = scores.shape
    left, everyone = scores.clone(), torch.arange(batch, device=scores.device)
    result = torch.full(scores.shape[:2], -1, device=scores.device)
    for _ in range(min(*scores.shape[1:], most) if scores.numel() else 0):
        best, place = left.reshape(batch, -1).max(1)
        row, column = place // columns, place % columns
        result[everyone, row] = torch.where(best > bound, column, result[everyone, row])
        left[everyone, row] = -torch.inf
        left[everyone, :, column] = -torch.inf
    return result


@pairs.register_fake
def _(scores, bound, most):
    return scores.new_empty(scores.shape[:2], dtype=torch.long)


@operator("_contrib_bipartite_matching", outputs=("output0", "output1"))
def bipartite_matching(data: Tensor, *, is_ascend: bool = False, threshold: float, topk: int = -1) \
        -> tuple[Tensor, Tensor]:
    """Pairs of rows and columns, the pair of the best score first, each in one pair at most.

    Shapes: data (..., R, C) of scores -> (..., R), the column of each row, and (..., C), the row of each column; -1
    for none. Scores have to be above threshold, or below it with is_ascend, where small scores are good.
    With topk > 0, topk + 1 pairs are made at most, as in MXNet. No gradient.
    """
    require(data.dim() >= 2, f"bipartite_matching: data {tuple(data.shape)} must have 2 axes or more", ShapeError)
    scores = data.detach().reshape(product(data.shape[:-2]), *data.shape[-2:])
    sign = -1 if is_ascend else 1
    found = pairs(scores * sign, threshold * sign, topk + 1 if topk > 0 else max(data.shape[-2:]))
    hit = found[..., None] == torch.arange(data.shape[-1], device=data.device)
    back = torch.where(hit.any(1), hit.to(torch.uint8).argmax(1), -1) if data.shape[-2] else found.new_full((0,), -1)
    return found.reshape(data.shape[:-1]).to(data.dtype), back.reshape(*data.shape[:-2], -1).to(data.dtype)


@bipartite_matching.shapes
def _(p, s):
    if s.data:
        s.output0, s.output1 = s.data[:-1], (*s.data[:-2], s.data[-1])
