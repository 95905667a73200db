"""Region proposals: boxes that probably hold an object, from the scores of anchors [Ren et al. 2015, Faster R-CNN]."""
from __future__ import annotations

import math
from typing import Sequence

import torch
from torch import Tensor

from .attributes import Floats
from .boxes import kept
from .registry import Params, operator
from .shapes import ShapeTable

__all__: list[str] = []


def _base(p: Params) -> list[tuple[float, float]]:
    """The width and the height of each anchor, ratio by ratio; whole pixels before they are scaled."""
    sides = []
    for ratio in p.ratios:
        width = math.floor(math.sqrt(p.feature_stride ** 2 / ratio) + 0.5)
        sides += [(width * scale, math.floor(width * ratio + 0.5) * scale) for scale in p.scales]
    return sides


def _anchors(like: Tensor, p: Params) -> tuple[Tensor, Tensor]:
    """The centres and the sizes (H, W, A, 2) of all anchors, as (x, y)."""
    height, width = like.shape[2:]
    size = like.new_tensor(_base(p)).expand(height, width, -1, 2)
    x = torch.arange(width, dtype=like.dtype, device=like.device).expand(height, width)
    y = torch.arange(height, dtype=like.dtype, device=like.device)[:, None].expand(height, width)
    return (torch.stack([x, y], -1) * p.feature_stride + (p.feature_stride - 1) / 2)[:, :, None].expand_as(size), size


def _boxes(offset: Tensor, edge: Tensor, p: Params) -> Tensor:
    """Boxes (N, H, W, A, 4) in pixels, cut off at the image's `edge` (N, 1, 1, 1, 2); offset is (N, 4 A, H, W)."""
    centre, size = _anchors(offset, p)
    delta = offset.reshape(len(offset), -1, 4, *offset.shape[2:]).permute(0, 3, 4, 1, 2)
    half = (size - 1) / 2
    if p.iou_loss:
        corners = torch.cat([centre - half, centre + half], -1) + delta
    else:
        middle, half = delta[..., :2] * size + centre, (delta[..., 2:].exp() * size - 1) / 2
        corners = torch.cat([middle - half, middle + half], -1)
    return torch.minimum(corners.clamp(min=0), torch.cat([edge, edge], -1))


def _proposals(cls_prob: Tensor, bbox_pred: Tensor, im_info: Tensor, p: Params) -> tuple[Tensor, ...]:
    score, offset, info = cls_prob.detach(), bbox_pred.detach(), im_info.detach()
    images, channels, height, width = score.shape
    boxes = _boxes(offset, info[:, [1, 0]].reshape(-1, 1, 1, 1, 2) - 1, p)
    score = score[:, channels // 2:].permute(0, 2, 3, 1)
    least = (p.rpn_min_size * info[:, 2]).reshape(-1, 1, 1, 1)
    small = (boxes[..., 2:] - boxes[..., :2] + 1 < least[..., None]).any(-1)
    grown = torch.cat([boxes[..., :2] - least[..., None] / 2, boxes[..., 2:] + least[..., None] / 2], -1)
    boxes = torch.where(small[..., None], grown, boxes).reshape(images, -1, 4)
    real = (info[:, :2] / p.feature_stride).floor()                            # what lies behind is padding
    y, x = (torch.arange(n, device=score.device, dtype=score.dtype) for n in (height, width))
    padding = (y >= real[:, :1])[:, :, None, None] | (x >= real[:, 1:])[:, None, :, None]
    score = torch.where(small | padding, -1, score).reshape(images, -1)
    before = min(p.rpn_pre_nms_top_n if p.rpn_pre_nms_top_n > 0 else score.shape[1], score.shape[1])
    order = score.sort(dim=1, descending=True, stable=True).indices[:, :before]
    boxes, score = boxes.gather(1, order[..., None].expand(-1, -1, 4)), score.gather(1, order)
    whole = boxes + boxes.new_tensor([0, 0, 1, 1])         # the last pixel belongs to its box
    remains = kept(whole, torch.zeros_like(score), torch.ones_like(score, dtype=torch.bool), p.threshold, False)
    first = (~remains).to(torch.uint8).sort(dim=1, stable=True).indices
    number = remains.sum(1, keepdim=True)
    place = torch.arange(p.rpn_post_nms_top_n, device=score.device).expand(images, -1)
    chosen = first.gather(1, place % torch.clamp(number, max=before))          # from the beginning where they run out
    rows = boxes.gather(1, chosen[..., None].expand(-1, -1, 4))
    index = torch.arange(images, dtype=rows.dtype, device=rows.device).reshape(-1, 1, 1).expand(*chosen.shape, 1)
    found = torch.cat([index, rows], -1).reshape(-1, 5)
    return (found, score.gather(1, chosen).reshape(-1, 1)) if p.output_score else (found,)


def _proposal(cls_prob: Tensor, bbox_pred: Tensor, im_info: Tensor, *, rpn_pre_nms_top_n: int = 6000,
              rpn_post_nms_top_n: int = 300, threshold: float = 0.7, rpn_min_size: int = 16,
              scales: Floats = (4.0, 8.0, 16.0, 32.0), ratios: Floats = (0.5, 1.0, 2.0), feature_stride: int = 16,
              output_score: bool = False, iou_loss: bool = False) -> tuple[Tensor, ...]:
    """The best anchors, moved by their predicted offsets, after non-maximum suppression.

    Shapes: cls_prob (N, 2 A, H, W), the second half of the channels the probability of an object; bbox_pred
    (N, 4 A, H, W) of offsets (dx, dy, log width ratio, log height ratio); im_info (N, 3) of rows (height, width, scale)
    -> (N * rpn_post_nms_top_n, 5) of rows (image, x1, y1, x2, y2) in pixels; with output_score also the scores (N *
    rpn_post_nms_top_n, 1). Where fewer boxes remain, they are repeated. MXNet's Proposal takes one image, its
    MultiProposal several. No gradient.

    Attributes: A = len(scales) * len(ratios) anchors around each cell, which is feature_stride pixels wide, ratios
    being height over width. The rpn_pre_nms_top_n best are suppressed by better ones that they overlap by more
    than threshold. Boxes with a side below rpn_min_size times the image's scale come last. With iou_loss the offsets
    are added to the corners.
    """
    p = Params(rpn_pre_nms_top_n=rpn_pre_nms_top_n, rpn_post_nms_top_n=rpn_post_nms_top_n, threshold=threshold,
               rpn_min_size=rpn_min_size, scales=scales, ratios=ratios, feature_stride=feature_stride,
               output_score=output_score, iou_loss=iou_loss)
    return _proposals(cls_prob, bbox_pred, im_info, p)


def _outputs(p: Params) -> Sequence[str]:
    return ("output", "score") if p.output_score else ("output",)


def _shapes(p: Params, s: ShapeTable) -> None:
    if s.cls_prob:
        batch, channels, *sizes = s.cls_prob
        s.bbox_pred, s.im_info = (batch, 2 * channels, *sizes), (batch, 3)
        s.output = (batch * p.rpn_post_nms_top_n, 5)
        if p.output_score:
            s.score = (batch * p.rpn_post_nms_top_n, 1)


for _name in ("_contrib_Proposal", "_contrib_MultiProposal"):
    operator(_name, outputs=_outputs, hidden=lambda p: 0 if p.output_score else 1, shapes=_shapes)(_proposal)
