"""``UpdatingModule``: how a module's parameters follow their gradients."""
from __future__ import annotations

import logging
import warnings
from typing import Any, Optional

from .. import kvstore as kv
from .. import optimizer as opt
from ..base import InputError, StateError
from ..context import Context
from ..files import write_atomically
from ..ndarray import NDArray
from ..optimizer.updater import read_states
from ..symbol import Symbol
from .base_module import BaseModule
from .executor_group import DataParallelExecutorGroup

__all__ = ["UpdatingModule"]

_MOST_ON_STORE = 16 << 20          # elements of a parameter


class UpdatingModule(BaseModule):
    """A module over an executor group, with an optimizer: on a kvstore, or an updater of its own.

    Gradients of several devices or workers meet in the kvstore, which updates its copy of the parameters and hands it
    out; a single device is updated in place.
    """

    _symbol: Symbol
    _context: list[Context]
    _exec_group: DataParallelExecutorGroup
    _arg_params: Optional[dict[str, NDArray]]
    _params_dirty: bool
    _compression_params: Optional[dict[str, Any]]

    def __init__(self, logger: Any = logging) -> None:
        super().__init__(logger)
        self._optimizer: Optional[opt.Optimizer] = None
        self._kvstore: Optional[kv.KVStoreBase] = None
        self._update_on_kvstore: Optional[bool] = None
        self._updater: Optional[opt.Updater] = None
        self._preload_opt_states: Optional[str] = None

    def _sync_params_from_devices(self) -> None:
        raise NotImplementedError(f"{type(self).__name__} does not define _sync_params_from_devices()")

    def init_optimizer(self, kvstore: Any = "local", optimizer: Any = "sgd",
                       optimizer_params: Any = (("learning_rate", 0.01),), force_init: bool = False) -> None:
        """Get ready to update.

        Parameters
        ----------
        kvstore : str or KVStore
            Where gradients of several devices meet; with ``'dist_sync'``, those of several workers, which begin with
            the parameters of worker 0.
        optimizer : str or Optimizer
            The rule, by name or as an instance.
        optimizer_params : dict or pairs
            Its settings, when it is given by name; ``rescale_grad`` defaults to 1 / batch size, that of all workers
            together with ``'dist_sync'``.
        force_init : bool
            Start anew although there is one.
        """
        self._require("init_optimizer", params=True)
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring...")
            return
        if self._params_dirty:
            self._sync_params_from_devices()
        store = self._created_store(kvstore)
        on_store = store is not None and self._is_updated_on(store)
        summed = store is not None and "dist" in store.type and "_sync" in store.type
        rescale = 1.0 / (self._exec_group.batch_size * (store.num_workers if store is not None and summed else 1))
        names = self._update_names(on_store)
        if isinstance(optimizer, str):
            optimizer = opt.create(optimizer, sym=self._symbol, param_idx2name=names,
                                   **{"rescale_grad": rescale, **dict(optimizer_params)})
        elif not isinstance(optimizer, opt.Optimizer):
            raise InputError(f"optimizer must be a name or an Optimizer, got {type(optimizer).__name__}")
        else:
            if optimizer.rescale_grad != rescale:
                warnings.warn(f"the optimizer has rescale_grad={optimizer.rescale_grad}, and gradients are sums over "
                              f"the batch: 1 / batch size is {rescale}. Is this intended?", stacklevel=2)
            if not optimizer.idx2name:
                optimizer.idx2name = names.copy()
        self._optimizer, self._kvstore, self._update_on_kvstore = optimizer, store, on_store
        self._updater = None if on_store else opt.get_updater(optimizer)
        if store is not None:
            self._fill_store(store, optimizer if on_store else None)
        self.optimizer_initialized = True
        if self._preload_opt_states is not None:
            self.load_optimizer_states(self._preload_opt_states)
            self._preload_opt_states = None

    def _created_store(self, kvstore: Any) -> Optional[kv.KVStoreBase]:
        """The store where gradients meet; none is needed for one device of one worker."""
        if kvstore is None or isinstance(kvstore, kv.KVStoreBase):
            return kvstore
        if not isinstance(kvstore, str):
            raise InputError(f"kvstore must be KVStore, str or None, got {type(kvstore).__name__}")
        return None if len(self._context) == 1 and "dist" not in kvstore.lower() else kv.create(kvstore)

    def _is_updated_on(self, store: kv.KVStoreBase) -> bool:
        """Whether the store runs the optimizer; as in MXNet, ``'local'`` leaves that of large parameters to devices."""
        largest = max((arrays[0].as_torch().numel() for arrays in self._exec_group.param_arrays), default=0)
        return store.is_capable("optimizer") and not (store.type == "local" and largest > _MOST_ON_STORE)

    def _update_names(self, on_store: bool) -> dict[Any, str]:
        """The index under which the optimizer knows each parameter, on each device where they update themselves."""
        devices = 1 if on_store else len(self._context)
        return {i * devices + k: name for k in range(devices) for i, name in enumerate(self._exec_group.param_names)}

    def _fill_store(self, store: kv.KVStoreBase, optimizer: Optional[opt.Optimizer]) -> None:
        """Put the parameters into the store, by name; its own go to every device."""
        if self._compression_params:
            if not isinstance(store, kv.KVStore):
                raise InputError(f"compression_params mean nothing to a {type(store).__name__}")
            store.set_gradient_compression(self._compression_params)
        names, arrays = list(self._exec_group.param_names), list(self._exec_group.param_arrays)
        store.broadcast(names, [group[0] for group in arrays], out=arrays)
        self._params_dirty = self._params_dirty or store.num_workers > 1
        if optimizer is not None:
            store.set_optimizer(optimizer)

    def refresh_store(self) -> None:
        """Have the kvstore take over the present parameters, where it runs the optimizer on its own copy of them.

        To be called after :meth:`set_params` in the middle of a run; without it, as in MXNet, the next update starts
        from the parameters that the store has.
        """
        if self._update_on_kvstore and isinstance(self._kvstore, kv.KVStore):
            group = self._exec_group
            self._kvstore.replace(list(group.param_names), [arrays[0] for arrays in group.param_arrays])

    def borrow_optimizer(self, shared_module: "UpdatingModule") -> None:
        """Use the optimizer and its states of another module with the same parameters."""
        if not shared_module.optimizer_initialized:
            raise StateError("borrow_optimizer(): the other module needs init_optimizer() first")
        self._optimizer, self._kvstore = shared_module._optimizer, shared_module._kvstore
        self._update_on_kvstore, self._updater = shared_module._update_on_kvstore, shared_module._updater
        self.optimizer_initialized = True

    def save_optimizer_states(self, fname: str) -> None:
        """Write the optimizer's states to a file."""
        self._require("save_optimizer_states", optimizer=True)
        if self._update_on_kvstore:
            assert self._kvstore is not None
            self._kvstore.save_optimizer_states(fname)
        else:
            assert self._updater is not None
            write_atomically(fname, self._updater.get_states())

    def load_optimizer_states(self, fname: str) -> None:
        """Read the optimizer's states from a file."""
        self._require("load_optimizer_states", optimizer=True)
        if self._update_on_kvstore:
            assert self._kvstore is not None
            self._kvstore.load_optimizer_states(fname)
        else:
            assert self._updater is not None
            read_states(self._updater, fname)

    def update(self) -> None:
        """Change the parameters by their gradients, as the optimizer says."""
        self._require("update", params=True, optimizer=True)
        self._params_dirty = True
        group = self._exec_group
        trained = [(i, weights, grads) for i, (weights, grads) in enumerate(zip(group.param_arrays, group.grad_arrays))
                   if grads[0] is not None]
        if not trained:
            return
        if self._kvstore is not None:
            keys = [group.param_names[i] for i, _, _ in trained]
            summed = [grads for _, _, grads in trained]
            self._kvstore.pushpull(keys, summed, [w for _, w, _ in trained] if self._update_on_kvstore else summed)
        if self._update_on_kvstore:
            return
        assert self._updater is not None
        devices = len(self._context)
        for k in range(devices):
            self._updater([i * devices + k for i, _, _ in trained], [grads[k] for _, _, grads in trained],
                          [weights[k] for _, weights, _ in trained])
