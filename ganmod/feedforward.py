"""``mx.model.FeedForward``: networks over numpy arrays, as programs before Module trained them."""
from __future__ import annotations

import itertools
import logging
import time
import warnings
from typing import Any, Callable, Optional, Sequence, Union

import numpy as np

from . import callback, io, metric
from . import initializer as init
from .base import InputError, StateError
from .context import Context, current_context
from .executor_manager import _check_arguments
from .model import BatchEndParam, load_checkpoint, save_checkpoint
from .module import BucketingModule, Module
from .ndarray import NDArray
from .symbol import Symbol

__all__ = ["FeedForward"]

Params = Optional[dict[str, NDArray]]
Arrays = Union[np.ndarray, list[np.ndarray]]
_INITIALIZER = init.Uniform(0.01)
_LOG_VALIDATION = callback.LogValidationMetricsCallback()


class FeedForward:
    """A network with its parameters, trained and asked in one call each. New programs use a Module.

    Parameters
    ----------
    symbol : Symbol or function
        The network; a function gives it by a batch's ``bucket_key``.
    ctx : Context or list of Context, optional
        Where to run it; by default the current context.
    num_epoch : int, optional
        The epoch to end before; :meth:`fit` needs it.
    epoch_size : int, optional
        Batches in an epoch; by default as many as the iterator gives.
    optimizer : str or Optimizer
        How to train; `kwargs` are its settings.
    initializer : Initializer
        Sets the parameters that are not given.
    numpy_batch_size : int
        Batch size for data that comes as arrays.
    arg_params, aux_params : dict of str to NDArray, optional
        Parameters and auxiliary states.
    allow_extra_params : bool
        Whether given values of other names are dropped.
    begin_epoch : int
        The first epoch's number.

    >>> import warnings
    >>> warnings.simplefilter("ignore", DeprecationWarning)
    >>> import ganmod as mx
    >>> net = mx.sym.FullyConnected(mx.sym.Variable('data'), num_hidden=2, name='fc')
    >>> model = mx.model.FeedForward(mx.sym.SoftmaxOutput(net, name='softmax'), num_epoch=5, learning_rate=0.5)
    >>> x = np.array([[1, 0], [0, 1]] * 8, dtype='float32')
    >>> model.fit(x, np.array([0, 1] * 8))
    >>> model.predict(x[:2]).argmax(1).tolist()
    [0, 1]
    """

    def __init__(self, symbol: Union[Symbol, Callable[[Any], Symbol]], ctx: Any = None,
                 num_epoch: Optional[int] = None, epoch_size: Optional[int] = None, optimizer: Any = "sgd",
                 initializer: Any = _INITIALIZER, numpy_batch_size: int = 128, arg_params: Params = None,
                 aux_params: Params = None, allow_extra_params: bool = False, begin_epoch: int = 0,
                 **kwargs: Any) -> None:
        warnings.warn("mxnet.model.FeedForward has been deprecated. Please use mxnet.mod.Module instead.",
                      DeprecationWarning, stacklevel=2)
        self.sym_gen = None if isinstance(symbol, Symbol) else symbol
        self.symbol: Optional[Symbol] = symbol if isinstance(symbol, Symbol) else None
        self.arg_params, self.aux_params, self.allow_extra_params = arg_params, aux_params, allow_extra_params
        self.ctx = [ctx] if isinstance(ctx, Context) else list(ctx or [current_context()])
        self.num_epoch, self.epoch_size, self.begin_epoch = num_epoch, epoch_size, begin_epoch
        self.optimizer, self.initializer, self.kwargs = optimizer, initializer, kwargs
        self.numpy_batch_size = numpy_batch_size
        self._pred_exec: Any = None
        if self.symbol is not None:
            self._check_arguments(self.symbol)

    def _check_arguments(self, symbol: Symbol) -> None:
        """Raise for doubled names; drop given values that the network has no place for, if that is allowed."""
        _check_arguments(symbol)
        if self.allow_extra_params:
            known, states = set(symbol.list_arguments()), set(symbol.list_auxiliary_states())
            self.arg_params = _only(self.arg_params, known)
            self.aux_params = _only(self.aux_params, states)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_pred_exec": None}

    # --- what comes in -----------------------------------------------------------------------------------------------

    def _init_iter(self, X: Any, y: Any, is_train: bool) -> Any:  # noqa: N803
        """An iterator over what may be arrays; those for training are shuffled."""
        if not isinstance(X, (np.ndarray, NDArray)):
            if not isinstance(X, io.DataIter) and not hasattr(X, "provide_data"):
                raise InputError(f"X must be DataIter, NDArray or numpy.ndarray, got {type(X).__name__}")
            return X
        if y is None:
            if is_train:
                raise ValueError("y must be specified when X is numpy.ndarray")
            y = np.zeros(X.shape[0])
        if not isinstance(y, (np.ndarray, NDArray)):
            raise InputError(f"y must be ndarray when X is numpy.ndarray, got {type(y).__name__}")
        if X.shape[0] != y.shape[0]:
            raise ValueError(f"The numbers of data points and labels not equal: {X.shape[0]} and {y.shape[0]}")
        if y.ndim == 2 and y.shape[1] == 1:
            y = y.reshape((-1,))
        if y.ndim != 1:
            raise ValueError(f"Label must be 1D or 2D (with 2nd dimension being 1), got the shape {y.shape}")
        size = min(X.shape[0], self.numpy_batch_size)
        return io.NDArrayIter(X, y, size, shuffle=is_train, last_batch_handle="roll_over" if is_train else "pad")

    def _init_eval_iter(self, eval_data: Any) -> Any:
        """An iterator over what to validate on: one, or a pair of arrays or lists."""
        if isinstance(eval_data, (tuple, list)) and len(eval_data) == 2:
            data, labels = (np.array(part) if isinstance(part, list) else part for part in eval_data)
            return data if labels is None and hasattr(data, "provide_data") else self._init_iter(data, labels, True)
        if eval_data is not None and not hasattr(eval_data, "provide_data"):
            raise InputError("Eval data must be DataIter, or NDArray/numpy.ndarray/list pair "
                             f"(i.e. tuple/list of length 2), got {type(eval_data).__name__}")
        return eval_data

    # --- training ----------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, eval_data: Any = None, eval_metric: Any = "acc",  # noqa: N803
            epoch_end_callback: Any = None, batch_end_callback: Any = None, kvstore: Any = "local",
            logger: Any = None, work_load_list: Optional[Sequence[float]] = None, monitor: Any = None,
            eval_end_callback: Any = _LOG_VALIDATION,
            eval_batch_end_callback: Any = None) -> None:
        """Train, from the parameters there are.

        Parameters
        ----------
        X, y : DataIter, or arrays
            What to train on; `y` holds the labels if `X` is an array.
        eval_data : DataIter or pair of arrays, optional
            What to measure after each epoch.
        eval_metric : str, EvalMetric or function
            What to measure.
        epoch_end_callback, batch_end_callback, eval_end_callback, eval_batch_end_callback : function or list
            As for :meth:`Module.fit`; batches of the training count from 1.
        kvstore, work_load_list, monitor, logger
            As for a Module.

        Raises
        ------
        InputError
            Without num_epoch, or for data of another kind.
        """
        if self.num_epoch is None:
            raise InputError("fit() needs num_epoch: FeedForward(..., num_epoch=n)")
        data, eval_data, logger = self._init_iter(X, y, True), self._init_eval_iter(eval_data), logger or logging
        module = self._training_module(data, logger, work_load_list, kvstore, monitor)
        eval_metric = metric.create(eval_metric)
        logger.info("Start training with %s", str(self.ctx))
        data.reset()
        for epoch in range(self.begin_epoch, self.num_epoch):
            start = time.time()
            self._train_epoch(module, data, epoch, eval_metric, batch_end_callback, logger, monitor)
            logger.info("Epoch[%d] Time cost=%.3f", epoch, time.time() - start)
            self.arg_params, self.aux_params = module.get_params()
            for function in _listed(epoch_end_callback):
                function(epoch, self.symbol, self.arg_params, self.aux_params)
            if eval_data is not None:
                self._validate(module, eval_data, epoch, eval_metric, eval_end_callback, eval_batch_end_callback)

    def _training_module(self, data: Any, logger: Any, loads: Any, kvstore: Any, monitor: Any) -> Any:
        settings = {"logger": logger, "context": self.ctx, "work_load_list": loads}
        names = [entry[0] for entry in data.provide_data]
        if self.sym_gen is not None:
            self.symbol = self.sym_gen(data.default_bucket_key)
            self._check_arguments(self.symbol)
            module: Any = BucketingModule(self._bucket(names, [entry[0] for entry in data.provide_label]),
                                          data.default_bucket_key, **settings)
        else:
            assert self.symbol is not None
            labels = [entry[0] for entry in data.provide_label if entry[0] in self.symbol.list_arguments()]
            module = Module(self.symbol, names, labels, **settings)
        module.bind(data.provide_data, [entry for entry in data.provide_label if entry[0] in
                                        self.symbol.list_arguments()] or None)
        if monitor is not None:
            module.install_monitor(monitor)
        module.init_params(self.initializer, self.arg_params, self.aux_params, allow_missing=True, allow_extra=True)
        with warnings.catch_warnings():                    # an optimizer of one's own keeps its rescale_grad
            warnings.filterwarnings("ignore", "the optimizer has rescale_grad")
            module.init_optimizer(kvstore, self.optimizer, tuple(self.kwargs.items()))
        return module

    def _bucket(self, data_names: list[str], label_names: list[str]) -> Callable[[Any], Any]:
        assert self.sym_gen is not None
        generate = self.sym_gen
        return lambda key: (generate(key), data_names, label_names)

    def _train_epoch(self, module: Any, data: Any, epoch: int, eval_metric: Any, batch_end_callback: Any, logger: Any,
                     monitor: Any) -> None:
        """As many batches as an epoch has, from where the iterator stands."""
        eval_metric.reset()
        seen = 0
        while True:
            finished = True
            for batch in data:
                if monitor is not None:
                    monitor.tic()
                module.forward_backward(batch)
                module.update()
                if monitor is not None:
                    monitor.toc_print()
                module.update_metric(eval_metric, batch.label)
                seen += 1
                _call(batch_end_callback, epoch, seen, eval_metric,
                      {"self": self, "epoch": epoch, "nbatch": seen, "data_batch": batch, "eval_metric": eval_metric,
                       "symbol": self.symbol, "ctx": self.ctx, "train_data": data, "logger": logger})
                if self.epoch_size is not None and seen >= self.epoch_size:
                    finished = False
                    break
            if finished:
                logger.info("Epoch[%d] Resetting Data Iterator", epoch)
                data.reset()
            if self.epoch_size is None or seen >= self.epoch_size:
                return

    @staticmethod
    def _validate(module: Any, data: Any, epoch: int, eval_metric: Any, end_callback: Any, batch_callback: Any) -> None:
        eval_metric.reset()
        data.reset()
        seen = 0
        for batch in data:
            module.forward(batch, is_train=False)
            module.update_metric(eval_metric, batch.label)
            _call(batch_callback, epoch, seen, eval_metric, {"epoch": epoch, "eval_batch": batch, "nbatch": seen})
            seen += 1
        _call(end_callback, epoch, seen, eval_metric, {"epoch": epoch, "total_num_batch": seen})
        data.reset()

    # --- asking ------------------------------------------------------------------------------------------------------

    def _predictor(self, data: Any) -> Module:
        """The network bound for batches like the iterator's, on the first context."""
        if self.symbol is None or self.arg_params is None:
            raise StateError("the model has no parameters yet: fit() or load() it, or give arg_params")
        names = [entry[0] for entry in data.provide_data]
        shapes = [(entry[0], tuple(entry[1])) for entry in data.provide_data]
        if self._pred_exec is None or self._pred_exec.data_names != names:
            inputs = set(names) | set(self.arg_params)
            module = Module(self.symbol, names, [n for n in self.symbol.list_arguments() if n not in inputs],
                            context=self.ctx[0])
            module.bind(data.provide_data, for_training=False)
            self._pred_exec = module
        elif [(entry[0], tuple(entry[1])) for entry in self._pred_exec.data_shapes] != shapes:
            self._pred_exec.reshape(data.provide_data)
        self._pred_exec.init_params(None, self.arg_params, self.aux_params or {}, force_init=True, allow_extra=True)
        return self._pred_exec

    def predict(self, X: Any, num_batch: Optional[int] = None, return_data: bool = False,  # noqa: N803
                reset: bool = True) -> Any:
        """The outputs for all samples, those that fill up a batch left out.

        Parameters
        ----------
        X : DataIter, NDArray or numpy.ndarray
            The samples.
        num_batch : int, optional
            How many batches to take; all by default.
        return_data : bool
            Whether to return data and labels too.
        reset : bool
            Whether to begin with ``X.reset()``.

        Returns
        -------
        numpy.ndarray or list of them, for a network of several outputs; with `return_data` (outputs, data, labels).
        """
        data = self._init_iter(X, None, is_train=False)
        if reset:
            data.reset()
        module = self._predictor(data)
        outputs: list[list[np.ndarray]] = [[] for _ in module.output_names]
        inputs: list[list[np.ndarray]] = [[] for _ in data.provide_data]
        labels: list[list[np.ndarray]] = [[] for _ in data.provide_label]
        for batch in itertools.islice(data, num_batch):
            module.forward(io.DataBatch(batch.data), is_train=False)
            real = batch.data[0].shape[0] - (batch.pad or 0)
            groups = [(outputs, module.get_outputs())]
            if return_data:
                groups += [(inputs, batch.data), (labels, batch.label)]
            for kept, arrays in groups:
                for part, array in zip(kept, arrays):
                    part.append(array[0:real].asnumpy())
        return tuple(map(_joined, (outputs, inputs, labels))) if return_data else _joined(outputs)

    def score(self, X: Any, eval_metric: Any = "acc", num_batch: Optional[int] = None,  # noqa: N803
              batch_end_callback: Any = None, reset: bool = True) -> Any:
        """The value of a metric over whole batches of an iterator with labels; samples that fill up count too."""
        data = self._init_iter(X, None, is_train=False)
        if reset:
            data.reset()
        module, eval_metric = self._predictor(data), metric.create(eval_metric)
        for number, batch in enumerate(data):
            if number == num_batch:
                break
            module.forward(io.DataBatch(batch.data), is_train=False)
            eval_metric.update(batch.label, module.get_outputs())
            _call(batch_end_callback, 0, number, eval_metric, {"self": self, "batch": batch, "nbatch": number})
        return eval_metric.get()[1]

    # --- files -------------------------------------------------------------------------------------------------------

    def save(self, prefix: str, epoch: Optional[int] = None, remove_amp_cast: bool = True) -> None:
        """Write a checkpoint, by default of the epoch `num_epoch`; see :func:`ganmod.model.save_checkpoint`."""
        epoch = self.num_epoch if epoch is None else epoch
        if epoch is None:
            raise StateError("save() needs an epoch: it has none to name the file by")
        save_checkpoint(prefix, epoch, self.symbol, self.arg_params or {}, self.aux_params or {}, remove_amp_cast)

    @staticmethod
    def load(prefix: str, epoch: int, ctx: Any = None, **kwargs: Any) -> "FeedForward":
        """A model from a checkpoint; `kwargs` are those of the class."""
        symbol, arg_params, aux_params = load_checkpoint(prefix, epoch)
        return FeedForward(symbol, ctx=ctx, arg_params=arg_params, aux_params=aux_params, begin_epoch=epoch, **kwargs)

    @staticmethod
    def create(symbol: Any, X: Any, y: Any = None, ctx: Any = None, num_epoch: Optional[int] = None,  # noqa: N803
               epoch_size: Optional[int] = None, optimizer: Any = "sgd", initializer: Any = _INITIALIZER,
               eval_data: Any = None, eval_metric: Any = "acc", epoch_end_callback: Any = None,
               batch_end_callback: Any = None, kvstore: Any = "local", logger: Any = None, work_load_list: Any = None,
               eval_end_callback: Any = _LOG_VALIDATION, eval_batch_end_callback: Any = None,
               **kwargs: Any) -> "FeedForward":
        """A model made and trained in one call, with the arguments of the class and of :meth:`fit`."""
        model = FeedForward(symbol, ctx=ctx, num_epoch=num_epoch, epoch_size=epoch_size, optimizer=optimizer,
                            initializer=initializer, **kwargs)
        model.fit(X, y, eval_data, eval_metric, epoch_end_callback, batch_end_callback, kvstore, logger,
                  work_load_list, None, eval_end_callback, eval_batch_end_callback)
        return model


def _only(params: Params, names: set[str]) -> Params:
    return None if params is None else {k: v for k, v in params.items() if k in names}


def _joined(parts: list[list[np.ndarray]]) -> Any:
    arrays = [np.concatenate(part) for part in parts if part]
    return arrays[0] if len(arrays) == 1 else arrays


def _listed(callbacks: Any) -> list[Callable[..., Any]]:
    return [] if callbacks is None else list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]


def _call(callbacks: Any, epoch: int, number: int, eval_metric: Any, scope: dict[str, Any]) -> None:
    param = BatchEndParam(epoch=epoch, nbatch=number, eval_metric=eval_metric, locals=scope)
    for function in _listed(callbacks):
        function(param)
