"""How often a predicted class is the right one: accuracies, and the scores of a confusion matrix."""
from __future__ import annotations

import math
from typing import Any, Callable, ClassVar

import torch

from ..base import InputError, ShapeError
from .base import EvalMetric, Names, alias, check_label_shapes, pairs, register

__all__ = ["Accuracy", "TopKAccuracy", "F1", "MCC", "PCC"]


@register
@alias("acc")
class Accuracy(EvalMetric):
    """The share of predictions that hit their label.

    A prediction of the label's shape holds classes; any other holds scores, the largest along `axis` counts.

    Parameters
    ----------
    axis : int
        The axis of the classes.
    name, output_names, label_names
        As in :class:`EvalMetric`.

    >>> import ganmod as mx
    >>> metric = Accuracy()
    >>> metric.update([mx.nd.array([0, 1, 1])], [mx.nd.array([[.3, .7], [0, 1.], [.4, .6]])])
    >>> metric.get()
    ('accuracy', 0.6666666666666666)
    """

    def __init__(self, axis: int = 1, name: str = "accuracy", output_names: Names = None,
                 label_names: Names = None) -> None:
        super().__init__(name, output_names, label_names, axis=axis, has_global_stats=True)
        self.axis = axis

    def update(self, labels: Any, preds: Any) -> None:
        """Compare classes; labels (N, ...), predictions (N, ...) or (N, C, ...)."""
        for label, pred in pairs(labels, preds):
            chosen = pred if pred.shape == label.shape else pred.argmax(self.axis)
            got, expected = chosen.flatten().int(), label.flatten().int()
            check_label_shapes(expected, got)
            self._add((got == expected).sum(), len(got))


@register
@alias("top_k_accuracy", "top_k_acc")
class TopKAccuracy(EvalMetric):
    """The share of labels that are among the `top_k` classes of the highest scores.

    Parameters
    ----------
    top_k : int
        How many classes count, two at least; it is added to the name.
    name, output_names, label_names
        As in :class:`EvalMetric`.

    Raises
    ------
    InputError
        For a top_k below 2.

    >>> import ganmod as mx
    >>> metric = TopKAccuracy(top_k=2)
    >>> metric.update([mx.nd.array([0, 2])], [mx.nd.array([[.3, .6, .1], [.2, .7, .1]])])
    >>> metric.get()
    ('top_k_accuracy_2', 0.5)
    """

    def __init__(self, top_k: int = 1, name: str = "top_k_accuracy", output_names: Names = None,
                 label_names: Names = None) -> None:
        if top_k <= 1:
            raise InputError(f"TopKAccuracy(top_k={top_k}): expected 2 or more; Accuracy is that of the best class")
        super().__init__(f"{name}_{top_k}", output_names, label_names, top_k=top_k, has_global_stats=True)
        self.top_k = top_k

    def update(self, labels: Any, preds: Any) -> None:
        """Look for the labels (N,) among the best classes of the scores (N, C)."""
        for label, pred in pairs(labels, preds):
            if pred.dim() != 2 or pred.shape[1] < self.top_k:
                raise ShapeError(f"{self.name}: expected scores of shape (N, C) with C at least {self.top_k}, got "
                                 f"{tuple(pred.shape)}")
            expected = label.flatten().int()
            check_label_shapes(expected, pred)
            best = pred.topk(self.top_k, dim=1).indices
            self._add((best == expected[:, None]).sum(), len(expected))


class _Counts:
    """A binary confusion matrix: true and false, positives and negatives."""

    def __init__(self, tp: float = 0, fp: float = 0, fn: float = 0, tn: float = 0) -> None:
        self.tp, self.fp, self.fn, self.tn = tp, fp, fn, tn

    def __add__(self, other: _Counts) -> _Counts:
        return _Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)

    @property
    def total(self) -> float:
        return self.tp + self.fp + self.fn + self.tn

    def f1(self) -> float:
        precision = self.tp / (self.tp + self.fp) if self.tp + self.fp else 0.0
        recall = self.tp / (self.tp + self.fn) if self.tp + self.fn else 0.0
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0

    def mcc(self) -> float:
        margins = (self.tp + self.fp, self.tp + self.fn, self.tn + self.fp, self.tn + self.fn)
        return (self.tp * self.tn - self.fp * self.fn) / math.sqrt(math.prod(m for m in margins if m))


def _count(label: torch.Tensor, pred: torch.Tensor, name: str) -> _Counts:
    """The counts of one batch, brought over from the device at once."""
    if pred.dim() < 2:
        raise ShapeError(f"{name}: expected scores of shape (N, 2), got {tuple(pred.shape)}")
    expected, got = label.flatten().int(), pred.argmax(1).flatten()
    check_label_shapes(expected, got)
    third = ((expected != expected.min()) & (expected != expected.max())).sum() if len(expected) else 0 * got.sum()
    hit, positive = got == 1, expected == 1
    tp, fp, fn, tn, others = torch.stack([(hit & positive).sum(), (hit & ~positive).sum(), (~hit & positive).sum(),
                                          (~hit & ~positive).sum(), third]).tolist()
    if others:
        raise ShapeError(f"{name} is a metric of binary classification; the labels have more than two values")
    return _Counts(tp, fp, fn, tn)


class _Binary(EvalMetric):
    """A score of the binary confusion matrix: the mean over updates ('macro') or that of all samples ('micro')."""

    _score: ClassVar[Callable[[_Counts], float]]

    def __init__(self, name: str, output_names: Names, label_names: Names, average: str) -> None:
        if average not in ("macro", "micro"):
            raise InputError(f"{type(self).__name__}(average={average!r}): expected 'macro' or 'micro'")
        self.average = average
        self._local: _Counts
        self._global: _Counts
        super().__init__(name, output_names, label_names, has_global_stats=True)

    def update(self, labels: Any, preds: Any) -> None:
        """Count; labels (N,) of 0 and 1, scores (N, 2)."""
        seen = sum((_count(label, pred, self.name) for label, pred in pairs(labels, preds)), _Counts())
        score = type(self)._score
        if self.average == "macro":
            self._add(score(seen), 1)
            return
        self._local, self._global = self._local + seen, self._global + seen
        self.num_inst, self.sum_metric = self._local.total, score(self._local) * self._local.total
        self.global_num_inst = self._global.total
        self.global_sum_metric = score(self._global) * self._global.total

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self._local = self._global = _Counts()

    def reset_local(self) -> None:
        """Forget what :meth:`get` tells."""
        super().reset_local()
        self._local = _Counts()


@register
class F1(_Binary):
    """The F1 score of a binary classification: ``2 precision recall / (precision + recall)``.

    Parameters
    ----------
    average : {'macro', 'micro'}
        The mean of the scores of the updates, or the score of all samples together.
    name, output_names, label_names
        As in :class:`EvalMetric`.

    >>> import ganmod as mx
    >>> metric = F1()
    >>> metric.update([mx.nd.array([0, 1, 1])], [mx.nd.array([[.3, .7], [0, 1.], [.4, .6]])])
    >>> metric.get()
    ('f1', 0.8)
    """

    _score = _Counts.f1

    def __init__(self, name: str = "f1", output_names: Names = None, label_names: Names = None,
                 average: str = "macro") -> None:
        super().__init__(name, output_names, label_names, average)


@register
class MCC(_Binary):
    """Matthews' correlation of a binary classification, from -1 to 1.

    ``(tp tn - fp fn) / sqrt((tp + fp) (tp + fn) (tn + fp) (tn + fn))``, without the factors that are 0.

    Parameters
    ----------
    average : {'macro', 'micro'}
        The mean of the scores of the updates, or the score of all samples together.
    name, output_names, label_names
        As in :class:`EvalMetric`.

    >>> import ganmod as mx
    >>> metric = MCC()
    >>> metric.update([mx.nd.array([0, 1, 1])], [mx.nd.array([[.7, .3], [0, 1.], [.6, .4]])])
    >>> metric.get()
    ('mcc', 0.5)
    """

    _score = _Counts.mcc

    def __init__(self, name: str = "mcc", output_names: Names = None, label_names: Names = None,
                 average: str = "macro") -> None:
        super().__init__(name, output_names, label_names, average)


@register
class PCC(EvalMetric):
    """The correlation of the classes of a confusion matrix: Matthews' for any number of classes.

    Over all samples since the reset; ``nan`` while all of them are, or are taken for, one class.

    Parameters
    ----------
    name, output_names, label_names, has_global_stats
        As in :class:`EvalMetric`.

    >>> import ganmod as mx
    >>> metric = PCC()
    >>> metric.update([mx.nd.array([0, 1, 2])], [mx.nd.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]])])
    >>> metric.get()
    ('pcc', 1.0)
    """

    def __init__(self, name: str = "pcc", output_names: Names = None, label_names: Names = None,
                 has_global_stats: bool = True) -> None:
        self.lcm: torch.Tensor
        self.gcm: torch.Tensor
        super().__init__(name, output_names, label_names, has_global_stats=has_global_stats)

    def update(self, labels: Any, preds: Any) -> None:
        """Count; labels (N, ...), predictions (N, ...) of classes or (N, C, ...) of scores."""
        for label, pred in pairs(labels, preds):
            chosen = pred if pred.shape == label.shape else pred.argmax(1)
            got, expected = chosen.flatten().long(), label.flatten().long()
            check_label_shapes(expected, got)
            if not len(got):
                continue
            k = max(int(torch.maximum(got, expected).max()) + 1, len(self.lcm))
            counts = torch.bincount(got * k + expected, minlength=k * k).reshape(k, k).cpu().double()
            self.lcm, self.gcm = _grown(self.lcm, k) + counts, _grown(self.gcm, k) + counts
        self.num_inst += 1
        self.global_num_inst += 1

    @property
    def k(self) -> int:
        """The number of classes seen, two at least."""
        return max(2, len(self.lcm))

    @property
    def sum_metric(self) -> float:
        """The value times the number of updates."""
        return _correlation(self.lcm) * self.num_inst

    @property
    def global_sum_metric(self) -> float:
        """The value since :meth:`reset` times the number of updates."""
        return _correlation(self.gcm) * self.global_num_inst

    def reset(self) -> None:
        """Forget everything."""
        self.gcm = torch.zeros(0, 0, dtype=torch.float64)
        self.global_num_inst = 0
        self.reset_local()

    def reset_local(self) -> None:
        """Forget what :meth:`get` tells."""
        self.lcm = torch.zeros_like(self.gcm)
        self.num_inst = 0


def _grown(matrix: torch.Tensor, size: int) -> torch.Tensor:
    missing = size - len(matrix)
    return torch.nn.functional.pad(matrix, (0, missing, 0, missing))


def _correlation(matrix: torch.Tensor) -> float:
    n, got, expected = matrix.sum(), matrix.sum(1), matrix.sum(0)
    within = ((got * (n - got)).sum(), (expected * (n - expected)).sum())
    between = (matrix.diag() * n - got * expected).sum()
    return float(between / (within[0] * within[1]).sqrt()) if within[0] and within[1] else float("nan")
