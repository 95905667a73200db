"""``PythonModule`` and ``PythonLossModule``: modules that are functions over arrays, written by the user."""
from __future__ import annotations

import logging
from typing import Any, Callable, Optional, Sequence

import torch

from .. import ndarray as nd
from ..base import InputError, MXNetError, StateError
from ..ndarray import NDArray
from .base_module import DEFAULT_INITIALIZER, BaseModule, Params
from .executor_group import as_descriptions

__all__ = ["PythonModule", "PythonLossModule"]

Gradient = Callable[[NDArray, NDArray], Any]


class PythonModule(BaseModule):
    """A module without parameters. A subclass defines ``forward``, ``backward``, ``get_outputs``, ``get_input_grads``
    and ``_compute_output_shapes``.

    Parameters
    ----------
    data_names, label_names : sequence of str
        What a batch brings.
    output_names : sequence of str
        What comes out.
    logger : logging.Logger
        Where messages go.
    """

    def __init__(self, data_names: Sequence[str], label_names: Optional[Sequence[str]], output_names: Sequence[str],
                 logger: Any = logging) -> None:
        super().__init__(logger)
        self._data_names, self._label_names = list(data_names), list(label_names or [])
        self._output_names = list(output_names)
        self._data_shapes: Any = None
        self._label_shapes: Any = None
        self._output_shapes: Any = None

    @property
    def data_names(self) -> list[str]:
        """The names of the data inputs."""
        return self._data_names

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs."""
        return self._output_names

    @property
    def data_shapes(self) -> list[Any]:
        """The bound data inputs."""
        return self._data_shapes

    @property
    def label_shapes(self) -> Optional[list[Any]]:
        """The bound labels; ``None`` without."""
        return self._label_shapes

    @property
    def output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """The name and shape of each output."""
        return self._output_shapes

    def get_params(self) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
        """Two empty dicts: there are no parameters."""
        return {}, {}

    def init_params(self, initializer: Any = DEFAULT_INITIALIZER, arg_params: Params = None, aux_params: Params = None,
                    allow_missing: bool = False, force_init: bool = False, allow_extra: bool = False) -> None:
        """Nothing to do: there are no parameters."""
        self.params_initialized = True

    def init_optimizer(self, kvstore: Any = "local", optimizer: Any = "sgd",
                       optimizer_params: Any = (("learning_rate", 0.01),), force_init: bool = False) -> None:
        """Nothing to do: there are no parameters."""
        self.optimizer_initialized = True

    def update(self) -> None:
        """Nothing to do: there are no parameters."""

    def install_monitor(self, mon: Any) -> None:
        """Nothing to do: there are no executors to watch."""

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Have a metric see the latest outputs, if the module has labels."""
        if self._label_shapes is None:
            return
        if pre_sliced:
            raise MXNetError(f"{type(self).__name__} runs in one place, and takes no labels by device")
        eval_metric.update(labels, self.get_outputs())

    def bind(self, data_shapes: Sequence[Any], label_shapes: Optional[Sequence[Any]] = None, for_training: bool = True,
             inputs_need_grad: bool = False, force_rebind: bool = False, shared_module: Optional[BaseModule] = None,
             grad_req: Any = "write") -> None:
        """Note the shapes; they have to come under the names that the module was made with.

        Raises
        ------
        InputError
            For other names, or another grad_req than ``'write'``.
        """
        if self.binded and not force_rebind:
            self.logger.warning("Already bound, ignoring bind()")
            return
        if grad_req != "write":
            raise InputError(f"{type(self).__name__}.bind(grad_req={grad_req!r}): only 'write' has a meaning here")
        data, labels = as_descriptions(data_shapes), as_descriptions(label_shapes)
        for given, expected, kind in ((data, self._data_names, "data"), (labels, self._label_names, "label")):
            if [d.name for d in given] != expected and (given or kind == "data"):
                raise InputError(f"{type(self).__name__}.bind(): {kind}_shapes are for {[d.name for d in given]}, the "
                                 f"module takes {expected}")
        self.for_training, self.inputs_need_grad = for_training, inputs_need_grad
        self._data_shapes, self._label_shapes = data, labels or None
        self._output_shapes = self._compute_output_shapes()
        self.binded = True

    def _compute_output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """The (name, shape) of each output, from the bound data and labels."""
        raise NotImplementedError(f"{type(self).__name__} does not define _compute_output_shapes()")


class PythonLossModule(PythonModule):
    """A loss at the end of a :class:`SequentialModule`: hands its data on, and its gradient is a function of yours.

    Parameters
    ----------
    name : str
        The output is called ``name_output``.
    data_names, label_names : sequence of str
        One of each.
    logger : logging.Logger
        Where messages go.
    grad_func : function of (scores, labels), two NDArrays
        Returns the gradient of the scores, as an NDArray or a numpy array. Or override ``_backward_impl``, which
        sets ``self._scores_grad`` from ``self._scores`` and ``self._labels``.

    Raises
    ------
    InputError
        For more than one data or label name, or a grad_func that is no function.

    >>> import ganmod as mx
    >>> loss = PythonLossModule(grad_func=lambda scores, labels: scores - labels)
    >>> loss.bind([('data', (1, 2))], [('softmax_label', (1, 2))])
    >>> loss.forward(mx.io.DataBatch([mx.nd.array([[3, 4]])], [mx.nd.array([[1, 1]])]))
    >>> loss.backward()
    >>> loss.get_input_grads()[0].asnumpy().tolist()
    [[2.0, 3.0]]
    """

    def __init__(self, name: str = "pyloss", data_names: Sequence[str] = ("data",),
                 label_names: Sequence[str] = ("softmax_label",), logger: Any = logging,
                 grad_func: Optional[Gradient] = None) -> None:
        super().__init__(data_names, label_names, [f"{name}_output"], logger)
        if len(self._data_names) != 1 or len(self._label_names) != 1:
            raise InputError(f"PythonLossModule takes one data name and one label name, got {self._data_names} and "
                             f"{self._label_names}")
        if grad_func is not None and not callable(grad_func):
            raise InputError(f"PythonLossModule(grad_func=...) must be a function, got {grad_func!r}")
        self._name, self._grad_func = name, grad_func
        self._scores: Any = None
        self._labels: Any = None
        self._scores_grad: Any = None

    def _compute_output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        return [(self._output_names[0], tuple(self._data_shapes[0][1]))]

    def forward(self, data_batch: Any, is_train: Optional[bool] = None) -> None:
        """Keep the scores, and in training the labels."""
        self._scores = data_batch.data[0]
        if self.for_training if is_train is None else is_train:
            self._labels = data_batch.label[0]

    def get_outputs(self, merge_multi_context: bool = True) -> list[Any]:
        """The scores; with ``merge_multi_context=False`` in a list over the only device."""
        return [self._scores] if merge_multi_context else [[self._scores]]

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradient of the scores.

        Raises
        ------
        InputError
            With out_grads: this is a loss.
        StateError
            After ``bind(for_training=False)``.
        """
        if out_grads is not None:
            raise InputError("PythonLossModule.backward(): for a loss module, out_grads should be None")
        if not self.for_training:
            raise StateError("backward() needs bind(for_training=True)")
        self._backward_impl()

    def _backward_impl(self) -> None:
        if self._grad_func is None:
            raise NotImplementedError("PythonLossModule needs a grad_func, or a subclass that defines _backward_impl()")
        gradient = self._grad_func(self._scores, self._labels)
        if isinstance(gradient, torch.Tensor):
            gradient = NDArray(gradient)
        self._scores_grad = gradient if isinstance(gradient, NDArray) else nd.array(gradient)

    def get_input_grads(self, merge_multi_context: bool = True) -> list[Any]:
        """The gradient of the scores; with ``merge_multi_context=False`` in a list over the only device."""
        return [self._scores_grad] if merge_multi_context else [[self._scores_grad]]
