"""``Module``: one symbol, bound and driven by explicit calls."""
from __future__ import annotations

import logging
import warnings
from typing import Any, Optional, Sequence, Union

from ..base import InputError, ShapeError, StateError
from ..context import Context, current_context
from ..executor.options import options
from ..initializer import InitDesc
from ..io import DataDesc
from ..model import load_checkpoint, save_checkpoint
from ..ndarray.ndarray import NDArray
from ..symbol import Symbol
from .base_module import DEFAULT_INITIALIZER, BaseModule, Params, check_given, check_names
from .executor_group import DataParallelExecutorGroup, as_descriptions, as_one_batch, with_batch_size, with_shapes
from .updating import UpdatingModule

__all__ = ["Module"]

_WANTED = ("all", "inputs", "parameters")


class Module(UpdatingModule):
    """A symbol with storage, parameters and an optimizer.

    Parameters
    ----------
    symbol : Symbol
        The network.
    data_names, label_names : sequence of str
        The arguments of the symbol that a batch brings; all others are parameters. ``label_names=None`` for none.
    logger : logging.Logger
        Where messages go.
    context : Context or list of Context
        Where to run; a batch is split over several. Default: the current context.
    work_load_list : list of float
        The share of the batch for each context; equal by default.
    fixed_param_names : sequence of str
        Parameters that are not trained.
    state_names : sequence of str
        Inputs that carry state from batch to batch and come from no batch.
    group2ctxs : dict or list of dict
        Contexts for ``ctx_group`` attributes.

    Raises
    ------
    InputError
        For a data or state name that is no argument of the symbol.

    >>> import ganmod as mx
    >>> net = mx.sym.FullyConnected(mx.sym.Variable('data'), num_hidden=1, no_bias=True, name='fc')
    >>> mod = mx.mod.Module(net, label_names=None)
    >>> mod.bind(data_shapes=[('data', (2, 3))], inputs_need_grad=True)
    >>> mod.init_params(mx.init.One())
    >>> mod.forward(mx.io.DataBatch([mx.nd.ones((2, 3))]))
    >>> mod.get_outputs()[0].asnumpy().tolist()
    [[3.0], [3.0]]
    >>> mod.backward([mx.nd.ones((2, 1))])
    >>> mod.get_input_grads()[0].asnumpy().tolist()
    [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """

    def __init__(self, symbol: Symbol, data_names: Optional[Sequence[str]] = ("data",),
                 label_names: Optional[Sequence[str]] = ("softmax_label",), logger: Any = logging,
                 context: Union[Context, Sequence[Context], None] = None,
                 work_load_list: Optional[Sequence[float]] = None, fixed_param_names: Optional[Sequence[str]] = None,
                 state_names: Optional[Sequence[str]] = None, group2ctxs: Any = None,
                 compression_params: Optional[dict[str, Any]] = None) -> None:
        super().__init__(logger)
        if not isinstance(symbol, Symbol):
            raise InputError(f"Module(symbol=...) takes a Symbol, got {type(symbol).__name__}")
        self._context = [context or current_context()] if context is None or isinstance(context, Context) \
            else list(context)
        self._work_load_list = list(work_load_list) if work_load_list is not None else [1] * len(self._context)
        if len(self._work_load_list) != len(self._context) or not self._context:
            raise InputError(f"work_load_list {self._work_load_list} must have one entry for each context "
                             f"{self._context}")
        self._symbol: Symbol = symbol
        self._group2ctxs, self._compression_params = group2ctxs, compression_params
        self._data_names, self._label_names = list(data_names or []), list(label_names or [])
        self._state_names, self._fixed_param_names = list(state_names or []), list(fixed_param_names or [])
        for names, kind, required in ((self._data_names, "data", True), (self._label_names, "label", False),
                                      (self._state_names, "state", True),
                                      (self._fixed_param_names, "fixed_param", True)):
            check_names(symbol, names, kind, required, self.logger)
        inputs = {*self._data_names, *self._label_names, *self._state_names}
        self._param_names = [n for n in symbol.list_arguments() if n not in inputs]
        self._aux_names, self._output_names = symbol.list_auxiliary_states(), symbol.list_outputs()
        self._reset_bind()
        self._arg_params: Params = None                    # copies for the program, made when it asks for them
        self._aux_params: Params = None
        self._params_dirty = False
        self._grad_req: Any = None

    def _reset_bind(self) -> None:
        self.binded = False
        self._exec_group: DataParallelExecutorGroup = None  # type: ignore[assignment]
        self._data_shapes: Optional[list[DataDesc]] = None
        self._label_shapes: Optional[list[DataDesc]] = None

    # --- checkpoints -------------------------------------------------------------------------------------------------

    @staticmethod
    def load(prefix: str, epoch: int, load_optimizer_states: bool = False, **kwargs: Any) -> "Module":
        """A module from the files of :meth:`save_checkpoint`; `kwargs` are those of :class:`Module`.

        The parameters are there after :meth:`bind`, the optimizer's states after :meth:`init_optimizer`.
        """
        symbol, arg_params, aux_params = load_checkpoint(prefix, epoch)
        module = Module(symbol=symbol, **kwargs)
        module._arg_params, module._aux_params, module.params_initialized = arg_params, aux_params, True
        if load_optimizer_states:
            module._preload_opt_states = f"{prefix}-{epoch:04d}.states"
        return module

    def save_checkpoint(self, prefix: str, epoch: int, save_optimizer_states: bool = False,
                        remove_amp_cast: bool = True) -> None:
        """Write ``prefix-symbol.json``, ``prefix-EPOCH.params`` and, if asked for, ``prefix-EPOCH.states``."""
        self._require("save_checkpoint", params=True, optimizer=save_optimizer_states)
        save_checkpoint(prefix, epoch, self._symbol, *self.get_params())
        if save_optimizer_states:
            self.save_optimizer_states(f"{prefix}-{epoch:04d}.states")
            logging.info('Saved optimizer state to "%s-%04d.states"', prefix, epoch)

    # --- what it is --------------------------------------------------------------------------------------------------

    @property
    def data_names(self) -> list[str]:
        """The names of the data inputs."""
        return self._data_names

    @property
    def label_names(self) -> list[str]:
        """The names of the labels."""
        return self._label_names

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs."""
        return self._output_names

    @property
    def data_shapes(self) -> list[DataDesc]:
        """The bound data inputs."""
        self._require("data_shapes")
        assert self._data_shapes is not None
        return self._data_shapes

    @property
    def label_shapes(self) -> Optional[list[DataDesc]]:
        """The bound labels; ``None`` without."""
        self._require("label_shapes")
        return self._label_shapes

    @property
    def output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """The name and shape of each output."""
        self._require("output_shapes")
        return self._exec_group.get_output_shapes()

    # --- binding -----------------------------------------------------------------------------------------------------

    def bind(self, data_shapes: Sequence[Any], label_shapes: Optional[Sequence[Any]] = None, for_training: bool = True,
             inputs_need_grad: bool = False, force_rebind: bool = False, shared_module: Optional[BaseModule] = None,
             grad_req: Any = "write", mixed_precision: Optional[str] = None, compile: Union[bool, str] = False) -> None:
        """Make the storage for batches of these shapes.

        Parameters
        ----------
        data_shapes, label_shapes : list of DataDesc or (name, shape)
            What a batch looks like; an iterator's ``provide_data`` and ``provide_label``.
        for_training : bool
            Whether gradients are computed at all.
        inputs_need_grad : bool
            Whether gradients of the data are computed, for :meth:`get_input_grads`.
        force_rebind : bool
            Bind anew although bound; without it a second bind is ignored with a warning.
        shared_module : Module
            A bound module to share parameters with.
        grad_req : str, list or dict
            ``'write'``, ``'add'`` or ``'null'``, for all arguments or for each.
        mixed_precision : {'bfloat16', 'float16'}, optional
            In which matrix products and convolutions are computed; parameters, gradients, losses and outputs stay
            float32. Nothing scales the loss for float16, whose gradients below 6e-8 are 0.
        compile : bool or {'auto', 'reduce-overhead', 'max-autotune'}
            Whether ``torch.compile`` makes the programs, at their first run, and in which of its modes; the last two
            run them as CUDA graphs on a GPU. On a CPU it needs a C++ compiler, and is faster only where most of the
            work lies between convolutions and products. ``'auto'`` compiles each program for a try, and has the faster
            one run: that takes a quarter of a minute or more, which the log announces.

        Raises
        ------
        ShapeError
            For shapes that do not fit the network; the message names the node.
        """
        if force_rebind:
            if self.binded and self.params_initialized:
                self.get_params()                          # which are set again below
            self._reset_bind()
        if self.binded:
            self.logger.warning("Already bound, ignoring bind()")
            return
        if inputs_need_grad and not for_training:
            raise StateError("bind(inputs_need_grad=True) needs for_training=True")
        data, labels = self._checked_descriptions(data_shapes, label_shapes)
        shared = None
        if shared_module is not None:
            if not (isinstance(shared_module, Module) and shared_module.binded and shared_module.params_initialized):
                raise StateError("bind(): shared_module must be a bound Module with parameters")
            shared = shared_module._exec_group
        self._exec_group = DataParallelExecutorGroup(
            self._symbol, self._context, self._work_load_list, data, labels, self._param_names, for_training,
            inputs_need_grad, shared, self.logger, self._fixed_param_names, grad_req, self._state_names,
            self._group2ctxs, options(mixed_precision, compile))
        if shared_module is None and self.params_initialized:          # by load(), or before this binds anew
            self._exec_group.set_params(*self._host_params())
        self.for_training, self.inputs_need_grad, self._grad_req = for_training, inputs_need_grad, grad_req
        self._data_shapes, self._label_shapes, self.binded = data, labels, True
        if shared_module is not None:
            self._arg_params, self._aux_params = shared_module.get_params()
            self.params_initialized = True
            if shared_module.optimizer_initialized:
                self.borrow_optimizer(shared_module)

    def _checked_descriptions(self, data_shapes: Sequence[Any], label_shapes: Optional[Sequence[Any]]) \
            -> tuple[list[DataDesc], Optional[list[DataDesc]]]:
        data, labels = as_descriptions(data_shapes), as_descriptions(label_shapes)
        if sorted(d.name for d in data) != sorted(self._data_names):
            raise InputError(f"data_shapes {[tuple(d) for d in data]} do not match data_names {self._data_names}")
        if labels and sorted(d.name for d in labels) != sorted(self._label_names):
            warnings.warn(f"label_shapes {[tuple(d) for d in labels]} do not match label_names {self._label_names}",
                          stacklevel=3)
        return data, labels or None

    def reshape(self, data_shapes: Sequence[Any], label_shapes: Optional[Sequence[Any]] = None) -> None:
        """Bind other input shapes; parameters, gradients and the optimizer stay."""
        self._require("reshape")
        data, labels = self._checked_descriptions(data_shapes, label_shapes)
        self._exec_group.reshape(data, labels)
        self._data_shapes, self._label_shapes = data, labels

    # --- parameters --------------------------------------------------------------------------------------------------

    def init_params(self, initializer: Any = DEFAULT_INITIALIZER, arg_params: Params = None, aux_params: Params = None,
                    allow_missing: bool = False, force_init: bool = False, allow_extra: bool = False) -> None:
        """Set parameters and auxiliary states: from the given values, the others by the initializer.

        Parameters
        ----------
        initializer : Initializer
            Sets what is not given; a variable's own ``init=`` comes before it.
        arg_params, aux_params : dict of str to NDArray
            Values by name.
        allow_missing : bool
            Whether given values may leave some to the initializer.
        force_init : bool
            Set them although they are set; without it a second call is ignored with a warning.
        allow_extra : bool
            For :meth:`set_params`; here, values for names that do not exist are ignored in any case.

        Raises
        ------
        MXNetError
            For a value that is missing or has another shape.
        """
        if self.params_initialized and not force_init:
            warnings.warn("Parameters already initialized and force_init=False. init_params call ignored.",
                          stacklevel=2)
            return
        self._require("init_params")
        if self._params_dirty:                             # else what is not given would be as it once was
            self._sync_params_from_devices()
        attributes, params = self._symbol.attr_dict(), self._host_params()
        for own, given in zip(params, (arg_params, aux_params)):
            check_given(own, given, allow_missing or initializer is not None and given is None)
            for name in sorted(own):
                if given is not None and name in given:
                    if given[name] is not own[name]:
                        given[name].copyto(own[name])
                elif initializer is not None:
                    initializer(InitDesc(name, attributes.get(name)), own[name])
        self.params_initialized, self._params_dirty = True, False
        self._exec_group.set_params(*params)

    def set_params(self, arg_params: Params, aux_params: Params, allow_missing: bool = False, force_init: bool = True,
                   allow_extra: bool = False) -> None:
        """Set parameters from given values; all of them, unless allow_missing.

        Values for names that do not exist are ignored, but with ``allow_missing=True, allow_extra=False``: then names
        have to be right, and others are an :class:`InputError`.
        """
        if allow_missing and not allow_extra:
            known = {*self._param_names, *self._aux_names}
            extra = [name for given in (arg_params, aux_params) for name in given or {} if name not in known]
            if extra:
                raise InputError(f"there is no parameter called {', '.join(extra)} in the network; pass "
                                 "allow_extra=True to ignore them")
        super().set_params(arg_params, aux_params, allow_missing, force_init)

    def get_params(self) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
        """Parameters and auxiliary states as they are now, by name, in the CPU's memory.

        The dicts belong to the module; a later call changes their arrays.
        """
        self._require("get_params", params=True)
        if self._params_dirty or self._arg_params is None:
            self._sync_params_from_devices()
        return self._host_params()

    def _sync_params_from_devices(self) -> None:
        self._arg_params, self._aux_params = self._host_params()
        self._exec_group.get_params(self._arg_params, self._aux_params)
        self._params_dirty = False

    def _host_params(self) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
        """The copies that the program knows; without any, new ones."""
        if self._arg_params is not None and self._aux_params is not None:
            return self._arg_params, self._aux_params
        group = self._exec_group
        return _host_copies(group.param_names, group.param_arrays), _host_copies(self._aux_names, group.aux_arrays)

    # --- running -----------------------------------------------------------------------------------------------------

    def forward(self, data_batch: Any, is_train: Optional[bool] = None) -> None:
        """Compute the outputs of a batch; one of other shapes than the bound ones rebinds first.

        Parameters
        ----------
        data_batch : DataBatch or list of DataBatch
            Anything with lists ``data`` and ``label``; the label may be ``None`` or ``[]``. Several become one.
        is_train : bool, optional
            Whether this is training; by default what :meth:`bind` was told.

        Raises
        ------
        StateError
            Before :meth:`bind` and :meth:`init_params`.
        ShapeError
            For a batch that does not fit the network; the module stays as it was.
        """
        self._require("forward", params=True)
        if isinstance(data_batch, list):
            data_batch = as_one_batch(data_batch)
        self._rebind_if_needed(data_batch)
        self._exec_group.forward(data_batch, is_train)

    def _rebind_if_needed(self, batch: Any) -> None:
        assert self._data_shapes is not None
        bound, given = [d.shape for d in self._data_shapes], [tuple(a.shape) for a in batch.data]
        if bound == given or len(bound) != len(given):     # a wrong number of arrays is reported by the group
            return
        provided = getattr(batch, "provide_data", None)
        data = as_descriptions(provided) if provided else with_shapes(self._data_shapes, given)
        labels = self._label_shapes
        if getattr(batch, "provide_label", None):
            labels = as_descriptions(batch.provide_label)
        elif labels and getattr(batch, "label", None):
            labels = with_shapes(labels, [tuple(a.shape) for a in batch.label])
        elif labels:
            labels = with_batch_size(labels, data)
        try:
            self.reshape(data, labels)
        except ShapeError as error:
            raise ShapeError(f"forward(): the batch has data of shape {given}, bound was {bound}, and the network "
                             f"cannot be bound to it: {error}") from error

    def backward(self, out_grads: Any = None, wanted: str = "all", retain_graph: bool = True) -> None:
        """Compute the gradients of the latest forward.

        Parameters
        ----------
        out_grads : list of NDArray, optional
            The gradient of each output, of the whole batch; outputs of loss layers need none.
        wanted : {'all', 'inputs', 'parameters'}
            Which gradients to compute; what only the others need is not computed, and their arrays stay as they are.
        retain_graph : bool
            Whether there may be another backward of this forward, as in MXNet; if not, what the forward has saved for
            it is let go on the way, which takes less memory.

        Raises
        ------
        StateError
            Without a forward, or after one of whose backwards has not retained what it saved.
        """
        self._require("backward", params=True)
        if wanted not in _WANTED:
            raise InputError(f"backward(): wanted={wanted!r}; expected one of {', '.join(_WANTED)}")
        group = self._exec_group
        names = {"all": None, "inputs": [n for n in group.data_names if group.grad_req.get(n, "null") != "null"],
                 "parameters": [n for n in group.param_names if group.grad_req[n] != "null"]}[wanted]
        if wanted == "inputs" and not self.inputs_need_grad:
            raise StateError("backward(wanted='inputs') needs bind(inputs_need_grad=True)")
        group.backward(out_grads, names, retain_graph)

    def get_outputs(self, merge_multi_context: bool = True) -> list[Any]:
        """The outputs of the latest forward.

        Returns
        -------
        list of NDArray
            One for each output; on one context the bound handles themselves, which show every later forward too. With
            ``merge_multi_context=False`` a list for each output, over the contexts.
        """
        self._require("get_outputs", params=True)
        return self._exec_group.get_outputs(merge_multi_context)

    def get_input_grads(self, merge_multi_context: bool = True) -> list[Any]:
        """The gradients of the data of the latest backward, one for each data input.

        Raises
        ------
        StateError
            Without ``bind(inputs_need_grad=True)``.
        """
        self._require("get_input_grads", params=True)
        if not self.inputs_need_grad:
            raise StateError("get_input_grads() needs bind(inputs_need_grad=True)")
        return self._exec_group.get_input_grads(merge_multi_context)

    def get_states(self, merge_multi_context: bool = True) -> list[Any]:
        """The values of the state inputs."""
        self._require("get_states", params=True)
        return self._exec_group.get_states(merge_multi_context)

    def set_states(self, states: Optional[Sequence[Any]] = None, value: Optional[float] = None) -> None:
        """Set the state inputs, from arrays or all of them to one number."""
        self._require("set_states", params=True)
        self._exec_group.set_states(states, value)

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Have a metric see the latest outputs and these labels."""
        self._require("update_metric", params=True)
        self._exec_group.update_metric(eval_metric, labels, pre_sliced)

    def install_monitor(self, mon: Any) -> None:
        """Have a monitor watch the executors."""
        self._require("install_monitor")
        self._exec_group.install_monitor(mon)


def _host_copies(names: Sequence[str], arrays: Sequence[Sequence[NDArray]]) -> dict[str, NDArray]:
    return {name: group[0].copyto(Context("cpu", 0)) for name, group in zip(names, arrays)}
