"""Several metrics as one, and metrics by name."""
from __future__ import annotations

from typing import Any, Callable, Optional, Sequence, Union

from .. import registry
from ..base import InputError
from .base import EvalMetric, Names, alias, register
from .custom import CustomMetric

__all__ = ["CompositeEvalMetric", "create"]

Metric = Union[str, EvalMetric, Callable[..., Any], list[Any], dict[str, Any]]


@register
@alias("composite")
class CompositeEvalMetric(EvalMetric):
    """Several metrics that see the same batches; names and values are lists.

    Parameters
    ----------
    metrics : list, optional
        Anything that :func:`create` takes.
    name, output_names, label_names
        As in :class:`EvalMetric`; the names choose before each metric's own do.

    >>> import ganmod as mx
    >>> metric = CompositeEvalMetric(['acc', 'mse'])
    >>> metric.update([mx.nd.array([0, 1])], [mx.nd.array([0, 0])])
    >>> metric.get()
    (['accuracy', 'mse'], [0.5, 0.5])
    """

    def __init__(self, metrics: Optional[Sequence[Metric]] = None, name: str = "composite",
                 output_names: Names = None, label_names: Names = None) -> None:
        self.metrics = [create(metric) for metric in metrics or []]
        super().__init__(name, output_names, label_names, has_global_stats=True)

    def add(self, metric: Metric) -> None:
        """Take in another one."""
        self.metrics.append(create(metric))

    def get_metric(self, index: int) -> Any:
        """The metric of this number; for one that does not exist the error itself is returned, as in MXNet."""
        try:
            return self.metrics[index]
        except IndexError:
            return ValueError(f"Metric index {index} is out of range 0 and {len(self.metrics)}")

    def update(self, labels: Any, preds: Any) -> None:
        """Show a batch to each."""
        for metric in self.metrics:
            metric.update(labels, preds)

    def update_dict(self, label: dict[str, Any], pred: dict[str, Any]) -> None:
        """Show a batch to each; names that a batch lacks are passed over here, and missed by those who need them."""
        if self.label_names is not None:
            label = {name: array for name, array in label.items() if name in self.label_names}
        if self.output_names is not None:
            pred = {name: array for name, array in pred.items() if name in self.output_names}
        for metric in self.metrics:
            metric.update_dict(label, pred)

    def reset(self) -> None:
        """Have each forget everything."""
        for metric in self.metrics:
            metric.reset()

    def reset_local(self) -> None:
        """Have each forget what :meth:`get` tells."""
        for metric in self.metrics:
            metric.reset_local()

    def get(self) -> tuple[Any, Any]:
        """(names, values)."""
        return _unzipped(metric.get() for metric in self.metrics)

    def get_global(self) -> tuple[Any, Any]:
        """(names, values) since :meth:`reset`."""
        return _unzipped(metric.get_global() for metric in self.metrics)

    def get_config(self) -> dict[str, Any]:
        """The config, with those of the metrics."""
        return {**super().get_config(), "metrics": [metric.get_config() for metric in self.metrics]}


def _unzipped(found: Any) -> tuple[list[Any], list[Any]]:
    names: list[Any] = []
    values: list[Any] = []
    for name, value in found:
        names += name if isinstance(name, list) else [name]
        values += value if isinstance(value, list) else [value]
    return names, values


_create = registry.get_create_func(EvalMetric, "metric")


def create(metric: Optional[Metric] = None, *args: Any, **kwargs: Any) -> EvalMetric:
    """A metric from its name, a function, a list of these, a config, or a metric.

    Parameters
    ----------
    metric : str, function, list, dict or EvalMetric
        A list becomes a :class:`CompositeEvalMetric`, a function a :class:`CustomMetric`.
    *args, **kwargs
        Arguments of the class, for each in a list.

    Raises
    ------
    ValueError
        For a name that is not registered.
    InputError
        For anything else.

    >>> create("top_k_acc", top_k=3).name, create(["acc", "ce"]).get()[0]
    ('top_k_accuracy_3', ['accuracy', 'cross-entropy'])
    """
    if isinstance(metric, type):
        raise InputError(f"metric.create() takes a name, a function or a metric, not a class; make a "
                         f"{metric.__name__}() of it")
    if isinstance(metric, list):
        return CompositeEvalMetric([create(child, *args, **kwargs) for child in metric])
    if isinstance(metric, (str, dict, EvalMetric)):
        return _create(metric, *args, **kwargs)
    if callable(metric):
        return CustomMetric(metric, *args, **kwargs)
    raise InputError(f"metric.create() takes a name, a function, a metric or a list of these, got {metric!r:.80}")
