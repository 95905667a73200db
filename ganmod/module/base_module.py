"""``BaseModule``: the states a module goes through, and what follows from the intermediate calls."""
from __future__ import annotations

import logging
from typing import Any, Iterator, Optional, Sequence, Union

import torch

from .. import initializer as init
from ..base import InputError, MXNetError, ShapeError, StateError, suggest
from ..io import DataBatch, DataIter
from ..model import read_params
from ..ndarray import NDArray
from ..ndarray import save as save_arrays
from ..symbol import Symbol
from . import fitting

__all__ = ["BaseModule", "DEFAULT_INITIALIZER"]

DEFAULT_INITIALIZER = init.Uniform(0.01)

Params = Optional[dict[str, NDArray]]


class BaseModule:
    """A network that is driven by explicit calls.

    It goes through four states: *initial*; *bound* (:meth:`bind`: storage exists); *parameters initialised*
    (:meth:`init_params`); *optimizer initialised* (:meth:`init_optimizer`). Then every step is :meth:`forward`,
    :meth:`backward`, :meth:`update`. A subclass that implements these calls gets :meth:`predict` and the rest from
    here. A call that comes too early raises :class:`ganmod.base.StateError` and says what has to come first.
    """

    def __init__(self, logger: Any = logging) -> None:
        self.logger = logger
        self.binded = False
        self.for_training = False
        self.inputs_need_grad = False
        self.params_initialized = False
        self.optimizer_initialized = False
        self._symbol: Optional[Symbol] = None
        self._total_exec_bytes = 0

    def _require(self, call: str, *, bound: bool = True, params: bool = False, optimizer: bool = False) -> None:
        """Raise unless the module has reached the states that `call` needs."""
        for needed, reached, first in ((bound, self.binded, "bind()"),
                                       (params, self.params_initialized, "init_params()"),
                                       (optimizer, self.optimizer_initialized, "init_optimizer()")):
            if needed and not reached:
                raise StateError(f"{call}() needs {first} first")

    # --- what a subclass implements ----------------------------------------------------------------------------------

    @property
    def data_names(self) -> list[str]:
        """The names of the data inputs."""
        raise NotImplementedError(f"{type(self).__name__} does not define data_names")

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs."""
        raise NotImplementedError(f"{type(self).__name__} does not define output_names")

    @property
    def data_shapes(self) -> list[Any]:
        """The bound data inputs as DataDesc."""
        raise NotImplementedError(f"{type(self).__name__} does not define data_shapes")

    @property
    def label_shapes(self) -> Optional[list[Any]]:
        """The bound labels as DataDesc, ``None`` without labels."""
        raise NotImplementedError(f"{type(self).__name__} does not define label_shapes")

    @property
    def output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """The name and shape of each output."""
        raise NotImplementedError(f"{type(self).__name__} does not define output_shapes")

    def bind(self, data_shapes: Sequence[Any], label_shapes: Optional[Sequence[Any]] = None, for_training: bool = True,
             inputs_need_grad: bool = False, force_rebind: bool = False, shared_module: Optional["BaseModule"] = None,
             grad_req: Any = "write") -> None:
        """Make the storage and get ready to run batches of these shapes."""
        raise NotImplementedError(f"{type(self).__name__} does not define bind()")

    def init_params(self, initializer: Any = DEFAULT_INITIALIZER, arg_params: Params = None, aux_params: Params = None,
                    allow_missing: bool = False, force_init: bool = False, allow_extra: bool = False) -> None:
        """Set the parameters and auxiliary states."""
        raise NotImplementedError(f"{type(self).__name__} does not define init_params()")

    def init_optimizer(self, kvstore: Any = "local", optimizer: Any = "sgd",
                       optimizer_params: Any = (("learning_rate", 0.01),), force_init: bool = False) -> None:
        """Get ready to update."""
        raise NotImplementedError(f"{type(self).__name__} does not define init_optimizer()")

    def forward(self, data_batch: Any, is_train: Optional[bool] = None) -> None:
        """Compute the outputs of a batch."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward()")

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradients."""
        raise NotImplementedError(f"{type(self).__name__} does not define backward()")

    def update(self) -> None:
        """Change the parameters by their gradients."""
        raise NotImplementedError(f"{type(self).__name__} does not define update()")

    def get_outputs(self, merge_multi_context: bool = True) -> list[Any]:
        """The outputs of the latest forward."""
        raise NotImplementedError(f"{type(self).__name__} does not define get_outputs()")

    def get_input_grads(self, merge_multi_context: bool = True) -> list[Any]:
        """The gradients of the data of the latest backward."""
        raise NotImplementedError(f"{type(self).__name__} does not define get_input_grads()")

    def get_params(self) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
        """The parameters and the auxiliary states, by name."""
        raise NotImplementedError(f"{type(self).__name__} does not define get_params()")

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Have a metric see the latest outputs and these labels."""
        raise NotImplementedError(f"{type(self).__name__} does not define update_metric()")

    def install_monitor(self, mon: Any) -> None:
        """Have a monitor watch the executors."""
        raise NotImplementedError(f"{type(self).__name__} does not define install_monitor()")

    def get_states(self, merge_multi_context: bool = True) -> list[Any]:
        """The inputs that carry state from batch to batch; none here."""
        self._require("get_states", params=True)
        return []

    def set_states(self, states: Optional[Sequence[Any]] = None, value: Optional[float] = None) -> None:
        """Set the inputs that carry state; there are none here."""
        self._require("set_states", params=True)
        if states or value:
            raise InputError(f"{type(self).__name__} has no states to set")

    def prepare(self, data_batch: Any, sparse_row_id_fn: Any = None) -> None:
        """Get ready for the next batch; nothing to do unless a subclass says so."""

    # --- what follows ------------------------------------------------------------------------------------------------

    @property
    def symbol(self) -> Optional[Symbol]:
        """The network."""
        return self._symbol

    def forward_backward(self, data_batch: Any) -> None:
        """:meth:`forward` in training mode, then :meth:`backward`."""
        self.forward(data_batch, is_train=True)
        self.backward()

    def set_params(self, arg_params: Params, aux_params: Params, allow_missing: bool = False, force_init: bool = True,
                   allow_extra: bool = False) -> None:
        """Set the parameters from given values; with allow_missing, those that are not given get initial values."""
        self.init_params(initializer=None, arg_params=arg_params, aux_params=aux_params, allow_missing=allow_missing,
                         force_init=force_init, allow_extra=allow_extra)

    def save_params(self, fname: str) -> None:
        """Write parameters and auxiliary states to a ``.params`` file."""
        arg_params, aux_params = self.get_params()
        save_arrays(fname, {**{f"arg:{k}": v for k, v in arg_params.items()},
                            **{f"aux:{k}": v for k, v in aux_params.items()}})

    def load_params(self, fname: str) -> None:
        """Read parameters and auxiliary states from a ``.params`` file."""
        arg_params, aux_params = read_params(fname)
        self.set_params(arg_params, aux_params)

    def fit(self, train_data: Any, eval_data: Any = None, eval_metric: Any = "acc", epoch_end_callback: Any = None,
            batch_end_callback: Any = None, kvstore: Any = "local", optimizer: Any = "sgd",
            optimizer_params: Any = (("learning_rate", 0.01),), eval_end_callback: Any = None,
            eval_batch_end_callback: Any = None, initializer: Any = DEFAULT_INITIALIZER, arg_params: Params = None,
            aux_params: Params = None, allow_missing: bool = False, force_rebind: bool = False,
            force_init: bool = False, begin_epoch: int = 0, num_epoch: Optional[int] = None,
            validation_metric: Any = None, monitor: Any = None, sparse_row_id_fn: Any = None, *,
            progress: bool = False) -> None:
        """Train: bind, initialise what is not, then epochs of forward, backward and update; results are logged.

        Parameters
        ----------
        train_data, eval_data : DataIter
            What to train on, and what to measure after each epoch.
        eval_metric, validation_metric : str, EvalMetric, function or list
            What to measure in training and on `eval_data` (by default the same), as :func:`ganmod.metric.create`
            takes it.
        epoch_end_callback : function or list
            Called with (epoch, symbol, arg_params, aux_params).
        batch_end_callback, eval_batch_end_callback, eval_end_callback : function or list
            Called with a :class:`ganmod.model.BatchEndParam`.
        kvstore, optimizer, optimizer_params
            As in :meth:`init_optimizer`.
        initializer, arg_params, aux_params, allow_missing, force_init
            As in :meth:`init_params`.
        force_rebind : bool
            Whether to bind anew if bound.
        begin_epoch, num_epoch : int
            The first epoch, and the one to end before; num_epoch is required.
        monitor : Monitor
            Looks at the executors.
        sparse_row_id_fn : function
            Handed to :meth:`prepare`.
        progress : bool
            Whether to show a progress bar for each epoch; needs tqdm. (Not in MXNet.)

        Raises
        ------
        InputError
            Without num_epoch.
        MXNetError
            If an epoch has no batches.

        >>> import ganmod as mx
        >>> net = mx.sym.FullyConnected(mx.sym.Variable('data'), num_hidden=1, no_bias=True, name='fc')
        >>> mod = mx.mod.Module(mx.sym.LinearRegressionOutput(net, name='out'), label_names=['out_label'])
        >>> inputs, labels = mx.nd.array([[1], [2]]), mx.nd.array([2, 4])
        >>> data = mx.io.NDArrayIter(inputs, labels, batch_size=2, label_name='out_label')
        >>> mod.fit(data, eval_metric='mse', optimizer_params={'learning_rate': 0.1}, num_epoch=30)
        >>> print('%.2f' % mod.get_params()[0]['fc_weight'].asscalar())
        2.00
        """
        given = dict(locals())
        fitting.fit(given.pop("self"), given)

    def score(self, eval_data: Any, eval_metric: Any, num_batch: Optional[int] = None, batch_end_callback: Any = None,
              score_end_callback: Any = None, reset: bool = True, epoch: int = 0,
              sparse_row_id_fn: Any = None) -> list[tuple[str, Any]]:
        """Measure the outputs for all batches of an iterator.

        Parameters
        ----------
        eval_data : DataIter
            What to measure on.
        eval_metric : str, EvalMetric, function or list
            What to measure, as :func:`ganmod.metric.create` takes it; an EvalMetric is reset.
        num_batch : int, optional
            How many batches at most.
        batch_end_callback, score_end_callback : function or list
            Called with a :class:`ganmod.model.BatchEndParam`.
        reset : bool
            Whether to reset the iterator first.
        epoch : int
            What callbacks are told.

        Returns
        -------
        list of (str, float)
            The metric's names and values.
        """
        given = dict(locals())
        self._require("score", params=True)
        return fitting.score(given.pop("self"), given)

    def iter_predict(self, eval_data: DataIter, num_batch: Optional[int] = None, reset: bool = True,
                     sparse_row_id_fn: Any = None) -> Iterator[tuple[list[NDArray], int, DataBatch]]:
        """(outputs, number, batch) for each batch of an iterator; samples that only fill up a batch are left out."""
        self._require("iter_predict", params=True)
        if reset:
            eval_data.reset()
        for number, batch in enumerate(eval_data):
            if number == num_batch:
                break
            self.prepare(batch, sparse_row_id_fn)
            self.forward(batch, is_train=False)
            pad = batch.pad or 0
            yield [out[0:out.shape[0] - pad] for out in self.get_outputs()], number, batch

    def predict(self, eval_data: Any, num_batch: Optional[int] = None, merge_batches: bool = True, reset: bool = True,
                always_output_list: bool = False, sparse_row_id_fn: Any = None) \
            -> Union[NDArray, list[NDArray], list[list[NDArray]]]:
        """The outputs for all batches of an iterator, or for one array.

        Parameters
        ----------
        eval_data : DataIter, NDArray or numpy array
            What to predict.
        num_batch : int, optional
            How many batches at most.
        merge_batches : bool
            Whether to join the batches; one array, or a list where there are several outputs or always_output_list.
            Otherwise a list over batches of lists of outputs.
        """
        self._require("predict", params=True)
        if not hasattr(eval_data, "reset"):
            array = eval_data if isinstance(eval_data, NDArray) else NDArray(torch.as_tensor(eval_data))
            self.forward(DataBatch([array]), is_train=False)
            outputs = self.get_outputs()
            return outputs[0] if len(outputs) == 1 and not always_output_list else outputs
        batches = [[o.copy() for o in outputs]
                   for outputs, _, _ in self.iter_predict(eval_data, num_batch, reset, sparse_row_id_fn)]
        if not batches or not merge_batches:
            return batches
        if len({len(outputs) for outputs in batches}) > 1:
            raise MXNetError("predict(): batches with different numbers of outputs cannot be merged")
        merged = [NDArray(torch.cat([o.as_torch() for o in group]), group[0].context) for group in zip(*batches)]
        return merged[0] if len(merged) == 1 and not always_output_list else merged


def check_names(symbol: Symbol, names: Sequence[str], kind: str, required: bool, logger: Any) -> None:
    """Raise, or warn unless `required`, for names that are no arguments of the symbol."""
    known = symbol.list_arguments()
    for name in names:
        if name not in known:
            candidates = [n for n in known if not n.endswith(("_weight", "_bias", "_gamma", "_beta"))]
            message = (f"Module(..., {kind}_names={list(names)}): there is no argument {name!r} in the symbol"
                       f"{suggest(name, known)} (inputs: {', '.join(candidates)})")
            if required:
                raise InputError(message)
            logger.warning(message)


def check_given(own: dict[str, NDArray], given: Params, allow_missing: bool) -> None:
    """Raise for values that are missing or have the wrong shape, before any is set."""
    if given is None:
        if not allow_missing and own:
            raise MXNetError(f"no values were given for {', '.join(own)}, and there is no initializer")
        return
    for name, array in own.items():
        if name not in given:
            if not allow_missing:
                raise MXNetError(f"{name!r} is not among the given values; pass allow_missing=True to have it "
                                 "initialised")
        elif given[name].shape != array.shape:
            raise ShapeError(f"{name!r} has shape {array.shape} in the network, and {given[name].shape} was given")
