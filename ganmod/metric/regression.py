"""How far predictions are from numbers: mean errors, and correlation."""
from __future__ import annotations

import math
from typing import Any

import torch

from ..base import InputError, ShapeError
from .base import EvalMetric, Names, alias, check_label_shapes, pairs, register

__all__ = ["MAE", "MSE", "RMSE", "PearsonCorrelation"]

Moments = tuple[float, torch.Tensor, torch.Tensor]         # how many, their mean, the sum of products of deviations


class _Error(EvalMetric):
    """The mean over updates of an error of a batch."""

    def __init__(self, name: str, output_names: Names, label_names: Names) -> None:
        super().__init__(name, output_names, label_names, has_global_stats=True)

    def update(self, labels: Any, preds: Any) -> None:
        """Compare numbers; a label or prediction of shape (N,) is seen as (N, 1), then shapes are broadcast."""
        for label, pred in pairs(labels, preds):
            label, pred = (t[:, None] if t.dim() == 1 else t for t in (label, pred))
            try:
                torch.broadcast_shapes(label.shape, pred.shape)
            except RuntimeError:
                raise ShapeError(f"{self.name}: labels of shape {tuple(label.shape)} cannot be compared with "
                                 f"predictions of shape {tuple(pred.shape)}") from None
            kind = torch.promote_types(torch.promote_types(label.dtype, pred.dtype), torch.float32)
            self._add(self._error(label.to(kind) - pred.to(kind)), 1)

    @staticmethod
    def _error(difference: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError("a metric of regression defines _error(), the mean error of a batch")


@register
class MAE(_Error):
    """The mean absolute error, averaged over updates.

    Parameters
    ----------
    name, output_names, label_names
        As in :class:`EvalMetric`.

    >>> import ganmod as mx
    >>> metric = MAE()
    >>> metric.update([mx.nd.array([1, 2])], [mx.nd.array([[1.5], [0]])])
    >>> metric.get()
    ('mae', 1.25)
    """

    def __init__(self, name: str = "mae", output_names: Names = None, label_names: Names = None) -> None:
        super().__init__(name, output_names, label_names)

    @staticmethod
    def _error(difference: torch.Tensor) -> torch.Tensor:
        return difference.abs().mean()


@register
class MSE(_Error):
    """The mean squared error, averaged over updates.

    Parameters
    ----------
    name, output_names, label_names
        As in :class:`EvalMetric`.

    >>> import ganmod as mx
    >>> metric = MSE()
    >>> metric.update([mx.nd.array([1, 2])], [mx.nd.array([[2], [0]])])
    >>> metric.get()
    ('mse', 2.5)
    """

    def __init__(self, name: str = "mse", output_names: Names = None, label_names: Names = None) -> None:
        super().__init__(name, output_names, label_names)

    @staticmethod
    def _error(difference: torch.Tensor) -> torch.Tensor:
        return difference.square().mean()


@register
class RMSE(_Error):
    """The root of the mean squared error of each update, averaged over updates.

    Parameters
    ----------
    name, output_names, label_names
        As in :class:`EvalMetric`.

    >>> import ganmod as mx
    >>> metric = RMSE()
    >>> metric.update([mx.nd.array([1, 2])], [mx.nd.array([[4], [5]])])
    >>> metric.get()
    ('rmse', 3.0)
    """

    def __init__(self, name: str = "rmse", output_names: Names = None, label_names: Names = None) -> None:
        super().__init__(name, output_names, label_names)

    @staticmethod
    def _error(difference: torch.Tensor) -> torch.Tensor:
        return difference.square().mean().sqrt()


@register
@alias("pearsonr")
class PearsonCorrelation(EvalMetric):
    """Pearson's correlation ``cov(label, pred) / (std(label) std(pred))``, from -1 to 1.

    Parameters
    ----------
    average : {'macro', 'micro'}
        The mean of the correlations of the updates, or the correlation of everything since :meth:`reset`.
    name, output_names, label_names
        As in :class:`EvalMetric`.

    >>> import ganmod as mx
    >>> metric = PearsonCorrelation()
    >>> metric.update([mx.nd.array([1, 2, 3])], [mx.nd.array([2, 4, 7])])
    >>> print("%s %.4f" % metric.get())
    pearsonr 0.9934
    """

    def __init__(self, name: str = "pearsonr", output_names: Names = None, label_names: Names = None,
                 average: str = "macro") -> None:
        if average not in ("macro", "micro"):
            raise InputError(f"PearsonCorrelation(average={average!r}): expected 'macro' or 'micro'")
        self.average = average
        self._seen: Moments
        super().__init__(name, output_names, label_names, has_global_stats=True)

    def update(self, labels: Any, preds: Any) -> None:
        """Correlate; labels and predictions of one shape, any.

        Raises
        ------
        ShapeError
            For different shapes.
        """
        for label, pred in pairs(labels, preds):
            check_label_shapes(label, pred, shape=True)
            seen = _moments(torch.stack([label.flatten().double(), pred.flatten().double()]))
            self._add(_correlation(seen) if self.average == "macro" else 0.0, 1)
            self._seen = _joined(self._seen, seen)

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self._seen = (0.0, torch.zeros(2, dtype=torch.float64), torch.zeros(2, 2, dtype=torch.float64))

    def get(self) -> tuple[Any, Any]:
        """(name, value); with 'micro' that of everything since :meth:`reset`."""
        if self.average == "macro" or not self.num_inst:
            return super().get()
        return self.name, _correlation(self._seen)

    def get_global(self) -> tuple[Any, Any]:
        """(name, value) since :meth:`reset`."""
        if self.average == "macro" or not self.global_num_inst:
            return super().get_global()
        return self.name, _correlation(self._seen)


def _moments(values: torch.Tensor) -> Moments:
    mean = values.mean(1)
    centred = values - mean[:, None]
    return float(values.shape[1]), mean.cpu(), (centred @ centred.T).cpu()


def _joined(a: Moments, b: Moments) -> Moments:
    count = a[0] + b[0]
    apart = b[1] - a[1]
    return count, a[1] + apart * b[0] / count, a[2] + b[2] + torch.outer(apart, apart) * a[0] * b[0] / count


def _correlation(moments: Moments) -> float:
    (xx, xy), (_, yy) = moments[2].tolist()
    return xy / math.sqrt(xx * yy) if xx * yy else math.nan
