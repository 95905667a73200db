"""Boxes, anchors and detections. None has a derivative to check by differences."""
from tests.parity.rows import Row, Values, apart, between, given


def boxes(*shape, scale=1.0):
    """Boxes (..., 4) of corners in [0, scale]."""
    def make(rng):
        import numpy as np
        low, size = rng.uniform(0, 0.7, (*shape, 2)), rng.uniform(0.1, 0.5, (*shape, 2))
        return np.concatenate([low, low + size], -1) * scale
    return Values(make)


def scored(*shape, classes=3):
    """Rows (class, score, box); some scores are equal."""
    def make(rng):
        import numpy as np
        score = rng.randint(0, 20, (*shape, 1)) / 20
        return np.concatenate([rng.randint(0, classes, (*shape, 1)), score, boxes(*shape).make(rng)], -1)
    return Values(make)


def labels(images, rows):
    """Rows (class, box), ended by -1 except in the last image."""
    def make(rng):
        import numpy as np
        made = np.concatenate([rng.randint(0, 3, (images, rows, 1)), boxes(images, rows).make(rng)], -1)
        for k in range(images - 1):
            made[k, 1 + k:] = -1
        return made
    return Values(make)


def row(op, inputs, dtypes=("float32", "float64"), **attrs):
    return Row(op, inputs, attrs, dtypes=dtypes, derivative=False, rtol=1e-5, atol=1e-6)


HALF = given([[0, 0.9, 0, 0, 1, 1], [0, 0.8, 0, 0, 1, 0.5], [0, 0.7, 0, 0, 0.5, 1]])    # overlaps of exactly a half
SINGLE = ("float32",)

ROWS = [
    row("_contrib_box_iou", [boxes(3), boxes(4)]), row("_contrib_box_iou", [boxes(2, 3), boxes(4)]),
    row("_contrib_box_iou", [(3, 4), (4, 4)]), row("_contrib_box_iou", [boxes(3), boxes(4)], format="center"),
    row("_contrib_box_encode", [given([[1, 0, 1], [0.3, -1, 0.7]]), given([[0, 1, 1], [1, 0, 0]]), boxes(2, 3),
                                boxes(2, 2), (4,), between(0.5, 2, 4)]),
    *[row("_contrib_box_decode", [(2, 3, 4), boxes(1, 3)], **attrs) for attrs in (
        {}, dict(format="corner"), dict(std0=0.1, std1=0.2, std2=0.3, std3=0.4), dict(clip=0.2, format="corner"))],

    *[row("_contrib_box_nms", [scored(2, 12)], **attrs) for attrs in (
        {}, dict(overlap_thresh=0.1), dict(overlap_thresh=0.1, id_index=0), dict(overlap_thresh=0.3, topk=4),
        dict(overlap_thresh=0.1, id_index=0, force_suppress=True, valid_thresh=0.3),
        dict(overlap_thresh=0.2, id_index=0, background_id=1), dict(topk=3, valid_thresh=0.875),
        dict(in_format="center", overlap_thresh=0.2), dict(out_format="center", overlap_thresh=0.2),
        dict(in_format="center", out_format="center", overlap_thresh=0.2), dict(valid_thresh=2))],
    row("_contrib_box_nms", [HALF]), row("_contrib_box_nms", [scored(8)], overlap_thresh=0),
    row("_contrib_box_nms", [scored(2, 2, 5)]),
    *[row("_contrib_bipartite_matching", [scores], **attrs) for scores in (apart(4, 6), apart(2, 6, 4)) for attrs in (
        dict(threshold=0.1), dict(threshold=1e-12, is_ascend=True), dict(threshold=-9), dict(threshold=0.5))],
    *[row("_contrib_bipartite_matching", [given([[0.5, 0.6], [0.1, 0.2], [0.3, 0.4]])], SINGLE, threshold=0.05, topk=k)
      for k in (1, 2, 3)],

    *[row("_contrib_MultiBoxPrior", [(1, 2, *size)], SINGLE, **attrs) for size in ((2, 3), (3, 2)) for attrs in (
        {}, dict(sizes=(0.5, 0.25), ratios=(1, 2, 0.5)), dict(sizes=(0.9,), ratios=(2,), clip=True),
        dict(sizes=(0.3, 0.4), steps=(0.3, 0.4), offsets=(0.2, 0.3)))],
    *[row("_contrib_MultiBoxTarget", [boxes(1, 12), labels(3, 3), (3, 4, 12)], SINGLE, **attrs) for attrs in (
        {}, dict(overlap_threshold=0.2), dict(overlap_threshold=0.1, variances=(1, 1, 0.5, 0.5)),
        dict(negative_mining_ratio=1), dict(negative_mining_ratio=2, overlap_threshold=0.3, ignore_label=-5),
        dict(negative_mining_ratio=1, minimum_negative_samples=4), dict(overlap_threshold=-1),
        dict(negative_mining_ratio=0.5, negative_mining_thresh=0.9))],
    row("_contrib_MultiBoxTarget", [boxes(1, 4), given([[[-1.0] * 5] * 2]), (1, 3, 4)], SINGLE),
    *[row("_contrib_MultiBoxDetection", [between(0, 1, 2, 4, 9), (2, 36), boxes(1, 9)], SINGLE, **attrs) for attrs in (
        {}, dict(force_suppress=True, nms_threshold=0.2), dict(nms_threshold=0.1), dict(threshold=0.8),
        dict(threshold=0.8, nms_threshold=0), dict(nms_topk=3), dict(nms_topk=3, threshold=0.8, force_suppress=True),
        dict(clip=False, variances=(1, 1, 1, 1)), dict(background_id=2), dict(threshold=2))],

    *[row(op, [between(0, 1, 1, 6, 4, 5), between(-0.3, 0.3, 1, 12, 4, 5), given([[64.0, 80.0, 1.0]])], SINGLE,
          scales=(2,), **attrs) for op in ("_contrib_Proposal", "_contrib_MultiProposal") for attrs in (
              dict(rpn_post_nms_top_n=5, output_score=True), dict(rpn_pre_nms_top_n=12, rpn_post_nms_top_n=8),
              dict(rpn_post_nms_top_n=40, threshold=0.3),
              dict(rpn_post_nms_top_n=9, rpn_min_size=30, output_score=True),
              dict(rpn_post_nms_top_n=6, feature_stride=20, rpn_min_size=4),
              dict(rpn_post_nms_top_n=6, iou_loss=True))],
    row("_contrib_MultiProposal", [between(0, 1, 2, 4, 4, 5), between(-0.3, 0.3, 2, 8, 4, 5),
                                   given([[64.0, 80.0, 1.0], [50.0, 60.0, 0.5]])], SINGLE, scales=(2, 3), ratios=(1.5,),
        rpn_post_nms_top_n=7, output_score=True),
]
