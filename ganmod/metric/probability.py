"""How probable the labels are to the network: cross entropy, likelihood, perplexity."""
from __future__ import annotations

import math
from typing import Any, Optional

import torch

from ..base import ShapeError
from .base import EvalMetric, Names, alias, pairs, register

__all__ = ["CrossEntropy", "NegativeLogLikelihood", "Perplexity"]


class _LogLoss(EvalMetric):
    """The mean of ``-log(p(label) + eps)``."""

    def __init__(self, eps: float, name: str, output_names: Names, label_names: Names) -> None:
        super().__init__(name, output_names, label_names, eps=eps, has_global_stats=True)
        self.eps = eps

    def update(self, labels: Any, preds: Any) -> None:
        """Look up the probability of each label; labels (N,) or (N, 1), probabilities (N, C)."""
        for label, pred in pairs(labels, preds):
            index = label.flatten().long()
            if pred.dim() != 2 or len(index) != len(pred):
                raise ShapeError(f"{self.name}: expected labels (N,) and probabilities (N, C), got "
                                 f"{tuple(label.shape)} and {tuple(pred.shape)}")
            _check_classes(index, pred.shape[1], self.name)
            chosen = pred[torch.arange(len(pred), device=pred.device), index].float()
            self._add(-(chosen + self.eps).log().sum(), len(pred))


def _check_classes(index: torch.Tensor, count: int, name: str) -> None:
    """Raise for labels that are no class: on a GPU the look-up itself would end the process."""
    if bool(((index < -count) | (index >= count)).any()):
        raise IndexError(f"{name}: a label is out of range for {count} classes: the labels go from {int(index.min())} "
                         f"to {int(index.max())}")


@register
@alias("ce")
class CrossEntropy(_LogLoss):
    """The mean over samples of ``-log(p(label) + eps)``.

    Parameters
    ----------
    eps : float
        Keeps the logarithm finite.
    name, output_names, label_names
        As in :class:`EvalMetric`.

    Raises
    ------
    IndexError
        In :meth:`update`, for a label that is no class.

    >>> import ganmod as mx
    >>> metric = CrossEntropy()
    >>> metric.update([mx.nd.array([0, 1])], [mx.nd.array([[.5, .5], [0, 1.]])])
    >>> print("%s %.4f" % metric.get())
    cross-entropy 0.3466
    """

    def __init__(self, eps: float = 1e-12, name: str = "cross-entropy", output_names: Names = None,
                 label_names: Names = None) -> None:
        super().__init__(eps, name, output_names, label_names)


@register
@alias("nll_loss")
class NegativeLogLikelihood(_LogLoss):
    """:class:`CrossEntropy` by another name.

    Parameters
    ----------
    eps : float
        Keeps the logarithm finite.
    name, output_names, label_names
        As in :class:`EvalMetric`.
    """

    def __init__(self, eps: float = 1e-12, name: str = "nll-loss", output_names: Names = None,
                 label_names: Names = None) -> None:
        super().__init__(eps, name, output_names, label_names)


@register
class Perplexity(EvalMetric):
    """``exp`` of the mean of ``-log p(label)``: the number of equally likely choices it is as good as.

    Probabilities below 1e-10 count as 1e-10, labels beyond the classes as the nearest one.

    Parameters
    ----------
    ignore_label : int or None
        The label of samples that do not count, padding for instance.
    axis : int
        The axis of the classes.
    name, output_names, label_names
        As in :class:`EvalMetric`.

    >>> import ganmod as mx
    >>> metric = Perplexity(ignore_label=None)
    >>> metric.update([mx.nd.array([0, 1])], [mx.nd.array([[.25, .75], [.75, .25]])])
    >>> print("%s %.4f" % metric.get())
    perplexity 4.0000
    """

    def __init__(self, ignore_label: Optional[int], axis: int = -1, name: str = "perplexity",
                 output_names: Names = None, label_names: Names = None) -> None:
        super().__init__(name, output_names, label_names, ignore_label=ignore_label, has_global_stats=True)
        self.ignore_label, self.axis = ignore_label, axis

    def update(self, labels: Any, preds: Any) -> None:
        """Look up the probability of each label; labels (N, ...), probabilities (N, ..., C)."""
        for label, pred in pairs(labels, preds):
            classes = pred.shape[self.axis]
            index = label.flatten().long()
            if index.numel() * classes != pred.numel():
                raise ShapeError(f"{self.name}: expected one label for each of the distributions along axis "
                                 f"{self.axis}, got labels {tuple(label.shape)} for {tuple(pred.shape)}")
            rows = pred.movedim(self.axis, -1).reshape(-1, classes)
            chosen = rows.gather(1, index.clamp(0, classes - 1)[:, None])[:, 0].float()
            losses, count = -chosen.clamp(min=1e-10).log(), len(index)
            if self.ignore_label is None:
                self._add(losses.sum(), count)
            else:
                counted = index != self.ignore_label
                self._add(losses.where(counted, 0).sum(), counted.sum())

    def get(self) -> tuple[Any, Any]:
        """(name, perplexity) since the last reset of either kind."""
        name, mean = super().get()
        return name, _exp(mean)

    def get_global(self) -> tuple[Any, Any]:
        """(name, perplexity) since :meth:`reset`."""
        name, mean = super().get_global()
        return name, _exp(mean)


def _exp(value: float) -> float:
    return math.exp(value) if value < 709 else math.inf if value >= 709 else math.nan
