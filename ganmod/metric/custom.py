"""Metrics of what a network or a function says: losses as outputs, functions over NumPy arrays."""
from __future__ import annotations

from typing import Any, Callable, Optional, Union

import numpy

from .base import EvalMetric, Names, check_label_shapes, register, tensor_of

__all__ = ["Loss", "Torch", "Caffe", "CustomMetric", "np"]

Evaluation = Callable[[numpy.ndarray, numpy.ndarray], Union[float, tuple[float, int]]]


@register
class Loss(EvalMetric):
    """The mean of all elements of the outputs, which are losses; labels are not looked at.

    Parameters
    ----------
    name, output_names, label_names
        As in :class:`EvalMetric`.

    >>> import ganmod as mx
    >>> metric = Loss()
    >>> metric.update(None, [mx.nd.array([1, 2, 6])])
    >>> metric.get()
    ('loss', 3.0)
    """

    def __init__(self, name: str = "loss", output_names: Names = None, label_names: Names = None) -> None:
        super().__init__(name, output_names, label_names, has_global_stats=True)

    def update(self, labels: Any, preds: Any) -> None:
        """Add up the outputs."""
        for pred in preds if isinstance(preds, (list, tuple)) else [preds]:
            loss = tensor_of(pred)
            self._add(loss.double().sum(), loss.numel())


@register
class Torch(Loss):
    """:class:`Loss` by another name.

    Parameters
    ----------
    name, output_names, label_names
        As in :class:`EvalMetric`.
    """

    def __init__(self, name: str = "torch", output_names: Names = None, label_names: Names = None) -> None:
        super().__init__(name, output_names, label_names)


@register
class Caffe(Loss):
    """:class:`Loss` by another name.

    Parameters
    ----------
    name, output_names, label_names
        As in :class:`EvalMetric`.
    """

    def __init__(self, name: str = "caffe", output_names: Names = None, label_names: Names = None) -> None:
        super().__init__(name, output_names, label_names)


@register
class CustomMetric(EvalMetric):
    """A function of a label and a prediction as a metric.

    Parameters
    ----------
    feval : function of (label, prediction), two numpy arrays
        Returns the value of a batch, or its sum and the number of instances in it.
    name : str, optional
        By default the function's name; that of a lambda is ``custom(<lambda>)``.
    allow_extra_outputs : bool
        Whether there may be more outputs than labels.
    output_names, label_names
        As in :class:`EvalMetric`.

    >>> import ganmod as mx
    >>> metric = CustomMetric(lambda label, pred: abs(label - pred).max())
    >>> metric.update([mx.nd.array([1, 2])], [mx.nd.array([1, 5])])
    >>> print("%s %.1f" % metric.get())
    custom(<lambda>) 3.0
    """

    def __init__(self, feval: Evaluation, name: Optional[str] = None, allow_extra_outputs: bool = False,
                 output_names: Names = None, label_names: Names = None) -> None:
        if name is None:
            name = getattr(feval, "__name__", type(feval).__name__)
            name = f"custom({name})" if "<" in name else name
        super().__init__(name, output_names, label_names, feval=feval, allow_extra_outputs=allow_extra_outputs,
                         has_global_stats=True)
        self._feval, self._allow_extra_outputs = feval, allow_extra_outputs

    def update(self, labels: Any, preds: Any) -> None:
        """Call the function for each label and its prediction."""
        if not self._allow_extra_outputs:
            check_label_shapes(labels, preds)
        labels, preds = (given if isinstance(given, (list, tuple)) else [given] for given in (labels, preds))
        for label, pred in zip(labels, preds):
            value = self._feval(tensor_of(label).cpu().numpy(), tensor_of(pred).cpu().numpy())
            total, count = value if isinstance(value, tuple) else (value, 1)
            self._add(total, count)

    def get_config(self) -> dict[str, Any]:
        """Not to be had: a function is not data."""
        raise NotImplementedError("CustomMetric cannot be serialized: its function is not data")


def np(numpy_feval: Evaluation, name: Optional[str] = None, allow_extra_outputs: bool = False) -> CustomMetric:
    """:class:`CustomMetric` of a function of two numpy arrays.

    >>> np(lambda label, pred: 1.0, name="one").get()
    ('one', nan)
    """
    return CustomMetric(numpy_feval, name, allow_extra_outputs)
