"""The loss of connectionist temporal classification."""
from __future__ import annotations

from typing import Literal, Optional

import torch
from torch import Tensor

from ..base import ShapeError, require
from .registry import Index, operator

__all__ = ["ctc_loss"]


@torch.library.custom_op("ganmod::ctc", mutates_args=())
def _ctc(scores: Tensor, targets: Tensor, steps: Tensor, lengths: Tensor, blank: int) -> tuple[Tensor, Tensor]:
    """The loss (N,) of log probabilities (T, N, C), and its gradient; one node of a program, as torch has it."""
    loss, alpha = torch.ops.aten._ctc_loss.Tensor(scores, targets, steps, lengths, blank, True)
    gradient = torch.ops.aten._ctc_loss_backward.Tensor(torch.ones_like(loss), scores, targets, steps, lengths, loss,
                                                        alpha, blank, True)
    return torch.where(loss.isinf(), 0, loss), gradient


@_ctc.register_fake
def _(scores, targets, steps, lengths, blank):
    return scores.new_empty(scores.shape[1]), torch.empty_like(scores)


@operator("CTCLoss", "ctc_loss", "_contrib_CTCLoss", "_contrib_ctc_loss", outputs=("output0",), hidden=1,
          present={"data_lengths": lambda p: p.use_data_lengths, "label_lengths": lambda p: p.use_label_lengths})
def ctc_loss(data: Tensor, label: Index, data_lengths: Optional[Index] = None, label_lengths: Optional[Index] = None,
             *, use_data_lengths: bool = False, use_label_lengths: bool = False,
             blank_label: Literal["first", "last"] = "first") -> Tensor:
    """Minus the log probability of a label sequence, summed over all its alignments [Graves et al. 2006].

    Shapes: data (T, N, C), scores of the C classes, the blank among them, before the softmax; label (N, L), L <= T;
    data_lengths and label_lengths (N,), present with use_data_lengths and use_label_lengths -> (N,).

    blank_label ``'first'``: class 0 is the blank, and labels end at the first 0; ``'last'``: class C - 1 is the blank,
    and labels end at the first -1; with label_lengths, they end there. A label that does not fit in its data has loss
    0 and no gradient.

    >>> import ganmod as mx
    >>> loss = mx.nd.ctc_loss(mx.nd.zeros((2, 1, 3)), mx.nd.array([[1, 0]]))
    >>> round(float(mx.nd.exp(-loss).asscalar()), 4)          # of 9 pairs of classes, 3 say "1": 01, 10, 11
    0.3333
    """
    steps, batch, classes = data.shape
    require(label.dim() == 2 and label.shape[0] == batch and label.shape[1] <= steps,
            f"CTCLoss: label {tuple(label.shape)} must be ({batch}, at most {steps})", ShapeError)
    blank, padding = (0, 0) if blank_label == "first" else (classes - 1, -1)
    targets = label.long()
    if label_lengths is None:
        label_lengths = (targets != padding).long().cumprod(1).sum(1)
    if data_lengths is None:
        data_lengths = torch.full((batch,), steps, device=data.device)
    scores = torch.log_softmax(data, 2)
    # What lies behind a label's end is not looked at, but has to be a class.
    loss, gradient = _ctc(scores.detach(), targets.clamp(0, classes - 1), data_lengths.long(), label_lengths.long(),
                          blank)
    linear = (scores * gradient).sum((0, 2))               # has the loss's gradient, and lends it to its value
    return loss + (linear - linear.detach())


@ctc_loss.shapes
def _(p, s):
    if s.data:
        s.label = (s.data[1], 0)
        s.output0 = (s.data[1],)
        for name in ("data_lengths", "label_lengths"):
            if name in s:
                s[name] = (s.data[1],)
