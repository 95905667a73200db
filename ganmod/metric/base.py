"""``EvalMetric``: a running mean over what it was shown; the base that programs extend."""
from __future__ import annotations

from typing import Any, Iterator, Optional, Sequence, Union

import numpy as np
import torch

from .. import registry
from ..base import ShapeError, suggest
from ..ndarray import NDArray

__all__ = ["EvalMetric", "alias", "check_label_shapes", "pairs", "register", "tensor_of"]

Names = Optional[Sequence[str]]
Number = Union[int, float, torch.Tensor]


class _Total:
    """A running number of a metric. A GPU's share of it stays there until somebody reads the number."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name, self._slot = name, "_" + name

    def __get__(self, metric: Any, owner: Optional[type] = None) -> Any:
        if metric is None:
            return self
        if self._slot not in vars(metric):
            raise AttributeError(f"{type(metric).__name__} keeps no {self._name}")
        value = vars(metric)[self._slot]
        if isinstance(value, torch.Tensor):
            value = vars(metric)[self._slot] = value.item()
        # Adding a float32 scalar of NumPy to a Python float would round the sum to float32.
        return np.float64(value) if isinstance(value, float) else value

    def __set__(self, metric: Any, value: Any) -> None:
        vars(metric)[self._slot] = value.item() if isinstance(value, np.generic) else value

    def add(self, metric: Any, value: Number) -> None:
        """Add a number, without waiting for the device if it is a tensor there."""
        before = vars(metric)[self._slot]
        if isinstance(value, torch.Tensor):
            value = value.item() if value.device.type == "cpu" else value.double()
        if isinstance(before, torch.Tensor) and isinstance(value, torch.Tensor):
            value = value.to(before.device)
        vars(metric)[self._slot] = before + value


class EvalMetric:
    """Base of the metrics: the mean ``sum_metric / num_inst`` over what :meth:`update` was shown.

    A subclass defines :meth:`update`, which adds to ``sum_metric`` and ``num_inst``. The metrics of this package
    count twice: since :meth:`reset_local`, and since :meth:`reset` (``global_sum_metric``, ``global_num_inst``).

    Parameters
    ----------
    name : str
        What it is called in logs.
    output_names, label_names : sequence of str, optional
        The outputs and labels that :meth:`update_dict` picks, by name; None for all.
    has_global_stats : bool
        Whether the subclass keeps the global numbers too; otherwise :meth:`get_global` is :meth:`get`.
    **kwargs
        What :meth:`get_config` has to tell of the subclass.

    >>> import ganmod as mx
    >>> class Largest(EvalMetric):
    ...     def update(self, labels, preds):
    ...         self.sum_metric += preds[0].max().asscalar()
    ...         self.num_inst += 1
    >>> metric = Largest("largest")
    >>> metric.update([], [mx.nd.array([1, 3])])
    >>> metric.update([], [mx.nd.array([5, 2])])
    >>> print(metric)
    EvalMetric: {'largest': 4.0}
    """

    sum_metric: Any = _Total()
    num_inst: Any = _Total()
    global_sum_metric: Any = _Total()
    global_num_inst: Any = _Total()

    def __init__(self, name: str, output_names: Names = None, label_names: Names = None, **kwargs: Any) -> None:
        self.name: Any = str(name)
        self.output_names, self.label_names = output_names, label_names
        self._has_global_stats = bool(kwargs.pop("has_global_stats", False))
        self._kwargs = kwargs
        self.reset()

    def __str__(self) -> str:
        return f"EvalMetric: {dict(self.get_name_value())}"

    def get_config(self) -> dict[str, Any]:
        """What ``create(**config)`` makes another one from.

        >>> import ganmod as mx
        >>> mx.metric.create(**mx.metric.Accuracy(axis=0).get_config()).axis
        0
        """
        return {**self._kwargs, "metric": type(self).__name__, "name": self.name, "output_names": self.output_names,
                "label_names": self.label_names}

    def update(self, labels: Any, preds: Any) -> None:
        """See the labels and the predictions of a batch: lists of arrays, or one array each."""
        raise NotImplementedError(f"{type(self).__name__} does not define update()")

    def update_dict(self, label: dict[str, Any], pred: dict[str, Any]) -> None:
        """See the labels and predictions of a batch, those of this metric's names if it has some.

        Raises
        ------
        KeyError
            For a name that the batch has not.
        """
        self.update(_chosen(label, self.label_names, "label"), _chosen(pred, self.output_names, "output"))

    def reset(self) -> None:
        """Forget everything."""
        self.num_inst, self.sum_metric = 0, 0.0
        self.global_num_inst, self.global_sum_metric = 0, 0.0

    def reset_local(self) -> None:
        """Forget what :meth:`get` tells; :meth:`get_global` goes on."""
        self.num_inst, self.sum_metric = 0, 0.0

    def get(self) -> tuple[Any, Any]:
        """(name, value) since the last reset of either kind; ``nan`` if there was nothing."""
        return self.name, _mean(self.sum_metric, self.num_inst)

    def get_global(self) -> tuple[Any, Any]:
        """(name, value) since :meth:`reset`."""
        if not self._has_global_stats:
            return self.get()
        return self.name, _mean(self.global_sum_metric, self.global_num_inst)

    def get_name_value(self) -> list[tuple[str, Any]]:
        """:meth:`get` as a list of pairs, whatever the kind of metric."""
        return _listed(*self.get())

    def get_global_name_value(self) -> list[tuple[str, Any]]:
        """:meth:`get_global` as a list of pairs, whatever the kind of metric."""
        return _listed(*self.get_global())

    def _add(self, total: Number, count: Number) -> None:
        """Add to the sums and to the numbers of instances; tensors need not be there yet."""
        for slot, value in (("sum_metric", total), ("global_sum_metric", total),
                            ("num_inst", count), ("global_num_inst", count)):
            getattr(EvalMetric, slot).add(self, value)


def _mean(total: Any, count: Any) -> Any:
    mean = total / count if count else float("nan")
    return mean.item() if isinstance(mean, np.generic) else mean


def _listed(names: Any, values: Any) -> list[tuple[str, Any]]:
    names = names if isinstance(names, list) else [names]
    return list(zip(names, values if isinstance(values, list) else [values]))


def _chosen(given: dict[str, Any], names: Names, kind: str) -> list[Any]:
    if names is None:
        return list(given.values())
    for name in names:
        if name not in given:
            raise KeyError(f"there is no {kind} {name!r} to measure{suggest(name, given)} (there are: "
                           f"{', '.join(given)})")
    return [given[name] for name in names]




register = registry.get_register_func(EvalMetric, "metric")
alias = registry.get_alias_func(EvalMetric, "metric")


def check_label_shapes(labels: Any, preds: Any, wrap: bool = False, shape: bool = False) -> tuple[Any, Any]:
    """Raise unless there are as many labels as predictions.

    Parameters
    ----------
    labels, preds : list of NDArray, or NDArray
        What to compare, by length.
    wrap : bool
        Whether single arrays are returned as lists of one.
    shape : bool
        Whether to compare shapes.

    Raises
    ------
    ShapeError
        With both lengths or shapes.
    """
    got, expected = (labels.shape, preds.shape) if shape else (len(labels), len(preds))
    if got != expected:
        raise ShapeError(f"Shape of labels {got} does not match shape of predictions {expected}")
    if wrap:
        labels = labels if isinstance(labels, (list, tuple)) else [labels]
        preds = preds if isinstance(preds, (list, tuple)) else [preds]
    return labels, preds


def tensor_of(value: Any) -> torch.Tensor:
    """The tensor of an NDArray, a tensor, or anything that NumPy takes."""
    if isinstance(value, NDArray):
        return value.as_torch()
    return value.detach() if isinstance(value, torch.Tensor) else torch.as_tensor(np.asarray(value))


def pairs(labels: Any, preds: Any) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """(label, prediction) as tensors, both on the prediction's device."""
    for label, pred in zip(*check_label_shapes(labels, preds, wrap=True)):
        tensor = tensor_of(pred)
        yield tensor_of(label).to(tensor.device), tensor
