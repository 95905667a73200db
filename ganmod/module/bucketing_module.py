"""``BucketingModule``: one network for inputs of several lengths, a module for each, with shared parameters."""
from __future__ import annotations

import logging
from typing import Any, Callable, Optional, Sequence, Union

from .. import ndarray as nd
from .. import symbol as sym
from ..base import FileFormatError, InputError
from ..context import Context
from ..model import load_params, save_checkpoint
from ..name import NameManager
from ..ndarray import NDArray
from ..symbol import Symbol
from .base_module import DEFAULT_INITIALIZER, BaseModule, Params
from .module import Module

__all__ = ["BucketingModule"]

Generator = Callable[[Any], tuple[Symbol, Sequence[str], Sequence[str]]]


class BucketingModule(BaseModule):
    """A module for each length of input, over the same parameters, made when a batch of its length comes first.

    Parameters
    ----------
    sym_gen : function of a bucket key
        Returns (symbol, data_names, label_names).
    default_bucket_key : int, or anything hashable
        The key to bind with; that of the largest input.
    logger, context, work_load_list, fixed_param_names, state_names, group2ctxs, compression_params
        As in :class:`Module`.

    Raises
    ------
    InputError
        Without default_bucket_key, or if sym_gen returns something else.

    >>> import ganmod as mx
    >>> def network(length):
    ...     net = mx.sym.sum(mx.sym.Variable('data'), axis=1, keepdims=True)
    ...     return mx.sym.FullyConnected(net, num_hidden=1, name='fc'), ['data'], None
    >>> mod = BucketingModule(network, default_bucket_key=5)
    >>> mod.bind([('data', (2, 5))])
    >>> mod.init_params(mx.init.One())
    >>> mod.forward(mx.io.DataBatch([mx.nd.ones((2, 3))], bucket_key=3, provide_data=[('data', (2, 3))]))
    >>> mod.get_outputs()[0].asnumpy().tolist()
    [[3.0], [3.0]]
    """

    def __init__(self, sym_gen: Generator, default_bucket_key: Any = None, logger: Any = logging,
                 context: Union[Context, Sequence[Context], None] = None,
                 work_load_list: Optional[Sequence[float]] = None, fixed_param_names: Optional[Sequence[str]] = None,
                 state_names: Optional[Sequence[str]] = None, group2ctxs: Any = None,
                 compression_params: Optional[dict[str, Any]] = None) -> None:
        super().__init__(logger)
        if default_bucket_key is None:
            raise InputError("BucketingModule needs a default_bucket_key")
        self._sym_gen, self._default_bucket_key = sym_gen, default_bucket_key
        self._fixed_param_names, self._state_names = list(fixed_param_names or []), list(state_names or [])
        self._context, self._work_load_list = context, work_load_list
        self._group2ctxs, self._compression_params = group2ctxs, compression_params
        self._params_dirty = False
        self._monitor: Any = None
        self._bind_settings: dict[str, Any] = {}           # the same for every bucket
        self._make(default_bucket_key)                     # reports what is wrong with sym_gen, or with the names
        self._reset_bind()

    def _reset_bind(self) -> None:
        self.binded = False
        self._buckets: dict[Any, Module] = {}
        self._curr_module: Module = None  # type: ignore[assignment]
        self._curr_bucket_key: Any = None

    def _call_sym_gen(self, key: Any) -> tuple[Symbol, list[str], list[str]]:
        with NameManager():                                # so layers without a name have the same ones in all buckets
            made = self._sym_gen(key)
        if not isinstance(made, (tuple, list)) or len(made) != 3:
            raise InputError(f"sym_gen({key!r}) must return (symbol, data_names, label_names), got {made!r:.80}")
        return made[0], list(made[1] or []), list(made[2] or [])

    def _make(self, key: Any, symbol: Optional[Symbol] = None) -> Module:
        """An unbound module for a bucket; its network may come from a file instead of sym_gen."""
        generated, data_names, label_names = self._call_sym_gen(key)
        return Module(generated if symbol is None else symbol, data_names, label_names, logger=self.logger,
                      context=self._context, work_load_list=self._work_load_list,
                      fixed_param_names=self._fixed_param_names, state_names=self._state_names,
                      group2ctxs=self._group2ctxs, compression_params=self._compression_params)

    # --- what it is --------------------------------------------------------------------------------------------------

    @property
    def data_names(self) -> list[str]:
        """The names of the data inputs, of the current bucket."""
        return self._curr_module.data_names if self.binded else self._call_sym_gen(self._default_bucket_key)[1]

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs, of the current bucket."""
        if self.binded:
            return self._curr_module.output_names
        return self._call_sym_gen(self._default_bucket_key)[0].list_outputs()

    @property
    def data_shapes(self) -> list[Any]:
        """The bound data inputs of the current bucket."""
        self._require("data_shapes")
        return self._curr_module.data_shapes

    @property
    def label_shapes(self) -> Optional[list[Any]]:
        """The bound labels of the current bucket."""
        self._require("label_shapes")
        return self._curr_module.label_shapes

    @property
    def output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """The name and shape of each output of the current bucket."""
        self._require("output_shapes")
        return self._curr_module.output_shapes

    @property
    def symbol(self) -> Symbol:
        """The network of the current bucket."""
        self._require("symbol")
        return self._curr_module._symbol

    # --- binding -----------------------------------------------------------------------------------------------------

    def bind(self, data_shapes: Sequence[Any], label_shapes: Optional[Sequence[Any]] = None, for_training: bool = True,
             inputs_need_grad: bool = False, force_rebind: bool = False, shared_module: Optional[BaseModule] = None,
             grad_req: Any = "write", mixed_precision: Optional[str] = None, compile: Union[bool, str] = False) -> None:
        """Bind the default bucket; the others follow when they are needed.

        Parameters are as in :meth:`Module.bind`; shared_module is not supported.
        """
        if shared_module is not None:
            raise InputError("BucketingModule.bind(): shared_module is not supported")
        params = self.get_params() if force_rebind and self.binded and self.params_initialized else None
        if force_rebind:
            self._reset_bind()
        if self.binded:
            self.logger.warning("Already bound, ignoring bind()")
            return
        self.for_training, self.inputs_need_grad = for_training, inputs_need_grad
        self._bind_settings = dict(for_training=for_training, inputs_need_grad=inputs_need_grad, grad_req=grad_req,
                                   mixed_precision=mixed_precision, compile=compile)
        key = self._default_bucket_key
        module = self._buckets.get(key) or self._make(key)
        module.bind(data_shapes, label_shapes, **self._bind_settings)
        self._curr_module, self._curr_bucket_key, self._buckets[key], self.binded = module, key, module, True
        if params is not None:
            self.set_params(*params)

    def switch_bucket(self, bucket_key: Any, data_shapes: Sequence[Any],
                      label_shapes: Optional[Sequence[Any]] = None) -> None:
        """Make the module of a bucket the current one; one that is new is bound to these shapes.

        Raises
        ------
        StateError
            Before :meth:`bind`.
        """
        self._require("switch_bucket")
        module = self._buckets.get(bucket_key) or self._make(bucket_key)
        if not module.binded:
            module.bind(data_shapes, label_shapes, shared_module=self._buckets[self._default_bucket_key],
                        **self._bind_settings)
            if self._monitor is not None:
                module.install_monitor(self._monitor)
            self._buckets[bucket_key] = module
        self._curr_module, self._curr_bucket_key = module, bucket_key

    # --- parameters --------------------------------------------------------------------------------------------------

    def init_params(self, initializer: Any = DEFAULT_INITIALIZER, arg_params: Params = None, aux_params: Params = None,
                    allow_missing: bool = False, force_init: bool = False, allow_extra: bool = False) -> None:
        """Set the parameters of all buckets; parameters are as in :meth:`Module.init_params`."""
        if self.params_initialized and not force_init:
            return
        self._require("init_params")
        self._curr_module.init_params(initializer=initializer, arg_params=arg_params, aux_params=aux_params,
                                      allow_missing=allow_missing, force_init=force_init, allow_extra=allow_extra)
        self._params_dirty, self.params_initialized = False, True

    def set_params(self, arg_params: Params, aux_params: Params, allow_missing: bool = False, force_init: bool = True,
                   allow_extra: bool = False) -> None:
        """Set the parameters of all buckets from given values; parameters are as in :meth:`Module.set_params`."""
        self._require("set_params")
        if self.params_initialized and not force_init:
            return
        self._curr_module.set_params(arg_params, aux_params, allow_missing, True, allow_extra)
        self._params_dirty, self.params_initialized = False, True

    def get_params(self) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
        """Parameters and auxiliary states as they are now, by name."""
        self._require("get_params", params=True)
        if self.binded:
            self._curr_module._params_dirty = self._params_dirty
        params = (self._curr_module if self.binded else self._buckets[self._default_bucket_key]).get_params()
        self._params_dirty = False
        return params

    def init_optimizer(self, kvstore: Any = "local", optimizer: Any = "sgd",
                       optimizer_params: Any = (("learning_rate", 0.01),), force_init: bool = False) -> None:
        """One optimizer for all buckets; parameters are as in :meth:`Module.init_optimizer`."""
        self._require("init_optimizer", params=True)
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring.")
            return
        owner = self._buckets[self._default_bucket_key]
        owner._params_dirty = self._params_dirty
        owner.init_optimizer(kvstore, optimizer, optimizer_params, force_init=force_init)
        for module in self._buckets.values():
            if module is not owner and module.binded:
                module.borrow_optimizer(owner)
        self.optimizer_initialized = True

    # --- running -----------------------------------------------------------------------------------------------------

    def prepare(self, data_batch: Any, sparse_row_id_fn: Any = None) -> None:
        """Bind the bucket of the next batch, if it is new; the current one stays current."""
        self._require("prepare", params=True)
        module, key = self._curr_module, self._curr_bucket_key
        self.switch_bucket(data_batch.bucket_key, data_batch.provide_data, data_batch.provide_label)
        self._curr_module.prepare(data_batch, sparse_row_id_fn=sparse_row_id_fn)
        self._curr_module, self._curr_bucket_key = module, key

    def forward(self, data_batch: Any, is_train: Optional[bool] = None) -> None:
        """Compute the outputs of a batch, in the bucket that its ``bucket_key`` names."""
        self._require("forward", params=True)
        self.switch_bucket(data_batch.bucket_key, data_batch.provide_data, data_batch.provide_label)
        self._curr_module.forward(data_batch, is_train=is_train)

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradients of the latest forward."""
        self._require("backward", params=True)
        self._curr_module.backward(out_grads=out_grads)

    def update(self) -> None:
        """Change the parameters, which all buckets share, by the gradients of the current one."""
        self._require("update", params=True, optimizer=True)
        self._params_dirty = True
        self._curr_module.update()

    def get_outputs(self, merge_multi_context: bool = True) -> list[Any]:
        """The outputs of the latest forward."""
        self._require("get_outputs", params=True)
        return self._curr_module.get_outputs(merge_multi_context=merge_multi_context)

    def get_input_grads(self, merge_multi_context: bool = True) -> list[Any]:
        """The gradients of the data of the latest backward."""
        self._require("get_input_grads", params=True)
        return self._curr_module.get_input_grads(merge_multi_context=merge_multi_context)

    def get_states(self, merge_multi_context: bool = True) -> list[Any]:
        """The values of the state inputs of the current bucket."""
        self._require("get_states", params=True)
        return self._curr_module.get_states(merge_multi_context=merge_multi_context)

    def set_states(self, states: Optional[Sequence[Any]] = None, value: Optional[float] = None) -> None:
        """Set the state inputs of the current bucket."""
        self._require("set_states", params=True)
        self._curr_module.set_states(states, value)

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Have a metric see the latest outputs and these labels."""
        self._require("update_metric", params=True)
        self._curr_module.update_metric(eval_metric, labels, pre_sliced)

    def install_monitor(self, mon: Any) -> None:
        """Have a monitor watch the executors of all buckets, those to come included."""
        self._require("install_monitor")
        self._monitor = mon
        for module in self._buckets.values():
            if module.binded:
                module.install_monitor(mon)

    # --- files -------------------------------------------------------------------------------------------------------

    def save_checkpoint(self, prefix: str, epoch: int, remove_amp_cast: bool = False) -> None:
        """Write ``prefix-EPOCH.params``, ``prefix-KEY-symbol.json`` for each bucket, and the keys, ``prefix.buckets``.

        Raises
        ------
        InputError
            For bucket keys that are neither integers nor tuples of as many integers each.
        """
        self._require("save_checkpoint", params=True)
        keys = list(self._buckets)
        tuples = {len(key) if isinstance(key, tuple) else 0 for key in keys}
        parts = [part for key in keys for part in (key if isinstance(key, tuple) else (key,))]
        if len(tuples) > 1 or not all(isinstance(part, int) for part in parts):
            raise InputError(f"save_checkpoint(): bucket keys must be integers, or tuples of one length, got {keys}")
        save_checkpoint(prefix, epoch, None, *self.get_params())
        for key, module in self._buckets.items():
            module._symbol.save(f"{prefix}-{key}-symbol.json", remove_amp_cast=remove_amp_cast)
        nd.save(f"{prefix}.buckets", [nd.array(keys, dtype="int32")])

    @staticmethod
    def load(prefix: str, epoch: int, sym_gen: Optional[Generator] = None, default_bucket_key: Any = None,
             **kwargs: Any) -> "BucketingModule":
        """A module from the files of :meth:`save_checkpoint`; `kwargs` are those of :class:`BucketingModule`.

        The parameters are there after :meth:`bind`.
        """
        loaded = nd.load(f"{prefix}.buckets")
        if not isinstance(loaded, list) or len(loaded) != 1:
            raise FileFormatError(f"{prefix}.buckets: expected one array of bucket keys")
        keys = [tuple(key) if isinstance(key, list) else key for key in loaded[0].asnumpy().tolist()]
        return BucketingModule.load_dict({key: sym.load(f"{prefix}-{key}-symbol.json") for key in keys}, sym_gen,
                                         default_bucket_key, *load_params(prefix, epoch), **kwargs)

    @staticmethod
    def load_dict(sym_dict: Optional[dict[Any, Symbol]] = None, sym_gen: Optional[Generator] = None,
                  default_bucket_key: Any = None, arg_params: Params = None, aux_params: Params = None,
                  **kwargs: Any) -> "BucketingModule":
        """A module from networks by bucket key and from parameters; `kwargs` are those of :class:`BucketingModule`.

        Raises
        ------
        InputError
            If one of the arguments is missing.
        """
        for name, given in (("sym_dict", sym_dict), ("sym_gen", sym_gen), ("default_bucket_key", default_bucket_key)):
            if given is None:
                raise InputError(f"{name} is required for loading a BucketingModule")
        assert sym_dict is not None and sym_gen is not None
        made = BucketingModule(sym_gen, default_bucket_key, **kwargs)
        for key in {default_bucket_key: None, **sym_dict}:
            module = made._buckets[key] = made._make(key, sym_dict.get(key))
            module._arg_params, module._aux_params, module.params_initialized = arg_params, aux_params, True
        made.params_initialized = True
        return made
