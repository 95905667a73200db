"""The three operators of single-shot detection: anchors, their targets, and detections [Liu et al. 2016, SSD].

Boxes are (left, top, right, bottom) in shares of the image. None of the three has a gradient.
"""
from __future__ import annotations

import torch
from torch import Tensor

from .attributes import Floats
from .boxes import kept, offsets, overlaps, pairs, to_centers, to_corners
from .registry import operator

__all__: list[str] = []


# --- anchors ---------------------------------------------------------------------------------------------------------

@operator("_contrib_MultiBoxPrior")
def multi_box_prior(data: Tensor, *, sizes: Floats = (1.0,), ratios: Floats = (1.0,), clip: bool = False,
                    steps: Floats = (-1.0, -1.0), offsets: Floats = (0.5, 0.5)) -> Tensor:
    """Anchor boxes around each pixel of a feature map.

    Shapes: data (N, C, H, W), of which only the size counts -> (1, H * W * A, 4), A = len(sizes) + len(ratios) - 1: all
    sizes with the first ratio, then the first size with the other ratios.

    Attributes: a size is the share of the image's height, a ratio width over height in pixels; steps is the
    distance (vertical, horizontal) between pixels, -1 for 1 / H and 1 / W; offsets is where in a pixel (vertical,
    horizontal) its anchors are centred; clip keeps them in the image.
    """
    height, width = data.shape[2:]
    step_y, step_x = (step if step > 0 else 1 / size for step, size in zip(steps, (height, width)))
    y = (torch.arange(height, dtype=data.dtype, device=data.device) + offsets[0]) * step_y
    x = (torch.arange(width, dtype=data.dtype, device=data.device) + offsets[1]) * step_x
    shapes = [(size, ratios[0]) for size in sizes] + [(sizes[0], ratio) for ratio in ratios[1:]]
    half = data.new_tensor([[size * height / width * ratio ** 0.5 / 2, size / ratio ** 0.5 / 2]
                            for size, ratio in shapes])
    centre = torch.stack([x.expand(height, width), y[:, None].expand(height, width)], -1)[:, :, None]
    boxes = torch.cat([centre - half, centre + half], -1).reshape(1, -1, 4)
    return boxes.clamp(0, 1) if clip else boxes


@multi_box_prior.shapes
def _(p, s):
    if s.data:
        s.output = (1, s.data[2] * s.data[3] * (len(p.sizes) + len(p.ratios) - 1), 4)


# --- targets ---------------------------------------------------------------------------------------------------------

@operator("_contrib_MultiBoxTarget", outputs=("loc_target", "loc_mask", "cls_target"))
def multi_box_target(anchor: Tensor, label: Tensor, cls_pred: Tensor, *, overlap_threshold: float = 0.5,
                     ignore_label: float = -1.0, negative_mining_ratio: float = -1.0,
                     negative_mining_thresh: float = 0.5, minimum_negative_samples: int = 0,
                     variances: Floats = (0.1, 0.1, 0.2, 0.2)) -> tuple[Tensor, Tensor, Tensor]:
    """What each anchor is to predict: the box that it is matched with, relative to itself, and the class.

    Shapes: anchor (1, K, 4), label (N, M, 5 or more) of rows (class, box), ended by a row of class -1, cls_pred
    (N, classes + 1, K) -> loc_target (N, 4 K), loc_mask (N, 4 K) and cls_target (N, K), in which 0 is the background
    and class c is c + 1.

    Each box is matched with the anchor that overlaps it most, the best pair first; then each anchor with the box that
    it overlaps by more than overlap_threshold. Other anchors are background. With negative_mining_ratio r > 0
    only r times as many of them as are matched count: those that overlap every box by less than
    negative_mining_thresh and of which `cls_pred` is least sure that they are background; the others get
    ignore_label. So do all anchors of an image without boxes. `variances` divide the four offsets.
    minimum_negative_samples is accepted and, as in MXNet, has no effect.
    """
    anchors, truth, scores = anchor.detach().reshape(-1, 4), label.detach(), cls_pred.detach()
    real = (truth[..., 0] != -1).long().cumprod(1).bool()                      # (N, M)
    overlap = torch.where(real[:, None], overlaps(anchors.expand(len(truth), -1, 4), truth[..., 1:5]), -1)
    best, nearest = overlap.max(2) if truth.shape[1] else (overlap.new_zeros(overlap.shape[:2]),) * 2
    match = pairs(overlap, 1e-6, truth.shape[1])
    if overlap_threshold > 0:
        match = torch.where((match < 0) & (best > overlap_threshold), nearest, match)
    positive = match >= 0
    chosen = truth.gather(1, match.clamp(min=0)[..., None].expand(*match.shape, truth.shape[2]))
    target = offsets(anchors, chosen[..., 1:5]) / anchors.new_tensor(variances)
    classes = torch.where(positive, chosen[..., 0] + 1, 0)
    if negative_mining_ratio > 0:
        sure = torch.softmax(scores, 1)[:, 0]
        wanted = (positive.sum(1) * negative_mining_ratio).long()
        candidate = ~positive & (best < negative_mining_thresh)
        rank = torch.where(candidate, sure, 2).argsort(dim=1, stable=True).argsort(dim=1)
        negative = candidate & (rank < wanted[:, None])
        classes = torch.where(positive | negative, classes, ignore_label)
    classes = torch.where(real.any(1, keepdim=True), classes, ignore_label)
    mask = positive[..., None].expand_as(target)
    return torch.where(mask, target, 0).flatten(1), mask.to(anchor.dtype).flatten(1), classes


@multi_box_target.shapes
def _(p, s):
    if s.anchor and s.label:
        number = s.anchor[1]
        s.loc_target = s.loc_mask = (s.label[0], 4 * number)
        s.cls_target = (s.label[0], number)


# --- detections ------------------------------------------------------------------------------------------------------

def _decoded(anchors: Tensor, offset: Tensor, variances: Floats, clip: bool) -> Tensor:
    base, scaled = to_centers(anchors), offset * offset.new_tensor(variances)
    boxes = to_corners(torch.cat([scaled[..., :2] * base[..., 2:] + base[..., :2],
                                  scaled[..., 2:].exp() * base[..., 2:]], -1))
    return boxes.clamp(0, 1) if clip else boxes


@operator("_contrib_MultiBoxDetection")
def multi_box_detection(cls_prob: Tensor, loc_pred: Tensor, anchor: Tensor, *, clip: bool = True,
                        threshold: float = 0.01, background_id: int = 0, nms_threshold: float = 0.5,
                        force_suppress: bool = False, variances: Floats = (0.1, 0.1, 0.2, 0.2),
                        nms_topk: int = -1) -> Tensor:
    """Detections from the predictions for each anchor, with non-maximum suppression.

    Shapes: cls_prob (N, classes + 1, K), the background first, loc_pred (N, 4 K), anchor (1, K, 4) -> (N, K, 6), rows
    of (class, score, box) by falling score; the class is -1 where the row is suppressed, and rows that are left are
    -1 altogether.

    Attributes: an anchor takes part if its best class has a score of `threshold` or more; boxes are suppressed by
    better ones of their class (of any class with force_suppress) that they overlap by nms_threshold or more,
    and only the nms_topk best come through (-1: all; the rows of the others keep the order of the anchors, as in
    MXNet). An nms_threshold outside (0, 1] turns suppression and sorting off. `variances` multiply the four offsets;
    clip keeps boxes in the image. background_id is accepted and, as in MXNet, has no effect.
    """
    scores, kinds = cls_prob.detach()[:, 1:].max(1)
    number = scores.shape[1]
    boxes = _decoded(anchor.detach(), loc_pred.detach().reshape(len(scores), number, 4), variances, clip)
    rows = torch.cat([kinds[..., None].to(boxes.dtype), scores[..., None], boxes], -1)
    valid = scores >= threshold
    front = (~valid).to(torch.uint8).sort(dim=1, stable=True).indices              # those that take part, in order
    rows, valid = rows.gather(1, front[..., None].expand_as(rows)), valid.gather(1, front)
    if 0 < nms_threshold <= 1:
        order = torch.where(valid, -rows[..., 1], float("inf")).sort(dim=1, stable=True).indices
        counted = valid
        if nms_topk > 0:
            place = torch.arange(number, device=order.device)
            counted, order = valid & (place < nms_topk), torch.where(place < nms_topk, order, place)
        rows = rows.gather(1, order[..., None].expand_as(rows))
        same = torch.zeros_like(rows[..., 0]) if force_suppress else rows[..., 0]
        remains = kept(rows[..., 2:], same, counted, nms_threshold, True)
        rows = torch.cat([torch.where(remains, rows[..., 0], -1)[..., None], rows[..., 1:]], -1)
    return torch.where(valid[..., None], rows, -1)


@multi_box_detection.shapes
def _(p, s):
    if s.cls_prob:
        s.output = (s.cls_prob[0], s.cls_prob[2], 6)
