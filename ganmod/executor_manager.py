"""``mx.executor_manager``: the executors of a network on several contexts, as programs before Module drove them."""
from __future__ import annotations

import logging
from typing import Any, Callable, Optional, Sequence

from .base import InputError, StateError
from .context import Context
from .module.executor_group import DataParallelExecutorGroup, split_batch
from .ndarray import NDArray
from .symbol import Symbol

__all__ = ["DataParallelExecutorGroup", "DataParallelExecutorManager"]

Arrays = dict[str, NDArray]

_split_input_slice = split_batch


def _check_arguments(symbol: Symbol) -> None:
    """Raise for a network in which two arguments, or two auxiliary states, have one name.

    Raises
    ------
    ValueError
        With the name.
    """
    for what, names in (("argument", symbol.list_arguments()), ("auxiliary param", symbol.list_auxiliary_states())):
        doubled = next((name for k, name in enumerate(names) if name in names[:k]), None)
        if doubled is not None:
            raise ValueError(f'Find duplicated {what} name "{doubled}", please make the weight name non-duplicated '
                             f"(using name arguments), {what}s are {names}")


class DataParallelExecutorManager:
    """Runs batches, each split over some contexts; parameters are ``[parameter][device]``.

    Parameters
    ----------
    symbol : Symbol
        The network.
    ctx : list of Context
        Where to run it.
    train_data : DataIter
        What a batch looks like: its ``provide_data`` and ``provide_label``.
    arg_names, param_names, aux_names : list of str, optional
        The network's arguments, those of them that are parameters, and its auxiliary states.
    work_load_list : list of float, optional
        The share of the batch that each context gets; equal ones by default.
    logger : Logger, optional
        Where to say what is going on.
    sym_gen : function, optional
        Gives the network for a batch's ``bucket_key``; `symbol` is then that of ``train_data.default_bucket_key``.

    >>> import ganmod as mx
    >>> net = mx.sym.FullyConnected(mx.sym.Variable('data'), num_hidden=1, no_bias=True, name='fc')
    >>> data = mx.io.NDArrayIter(mx.nd.ones((4, 3)), batch_size=4)
    >>> manager = DataParallelExecutorManager(net, [mx.cpu(0), mx.cpu(1)], data)
    >>> manager.set_params({'fc_weight': mx.nd.ones((1, 3))}, {})
    >>> manager.load_data_batch(next(data))
    >>> manager.forward()
    >>> manager.curr_execgrp.get_outputs()[0].shape, len(manager.param_arrays[0])
    ((4, 1), 2)
    """

    def __init__(self, symbol: Symbol, ctx: Sequence[Context], train_data: Any,
                 arg_names: Optional[Sequence[str]] = None, param_names: Optional[Sequence[str]] = None,
                 aux_names: Optional[Sequence[str]] = None, work_load_list: Optional[Sequence[float]] = None,
                 logger: Any = None, sym_gen: Optional[Callable[[Any], Symbol]] = None) -> None:
        _check_arguments(symbol)
        self.logger = logger or logging
        self.ctx, self.work_load_list = list(ctx), list(work_load_list or [1] * len(ctx))
        if len(self.work_load_list) != len(self.ctx):
            raise InputError(f"work_load_list has {len(self.work_load_list)} entries for {len(self.ctx)} contexts")
        inputs = {entry[0] for entry in [*train_data.provide_data, *train_data.provide_label]}
        self.symbol, self.sym_gen = symbol, sym_gen
        self.arg_names = list(arg_names or symbol.list_arguments())
        self.param_names = [n for n in self.arg_names if n not in inputs] if param_names is None else list(param_names)
        self.aux_names = list(aux_names or symbol.list_auxiliary_states())
        self.execgrp = self.curr_execgrp = self._group(symbol, train_data)
        self.execgrp_bucket = {train_data.default_bucket_key: self.execgrp} if sym_gen is not None else {}
        self._batch: Any = None

    def _group(self, symbol: Symbol, provider: Any, shared: Optional[DataParallelExecutorGroup] = None) \
            -> DataParallelExecutorGroup:
        labels = [entry for entry in provider.provide_label or [] if entry[0] in symbol.list_arguments()]
        return DataParallelExecutorGroup(symbol, self.ctx, self.work_load_list, provider.provide_data, labels,
                                         self.param_names, True, False, shared, self.logger)

    def install_monitor(self, monitor: Any) -> None:
        """Have a monitor watch the executors.

        Raises
        ------
        NotImplementedError
            With buckets.
        """
        if self.sym_gen is not None:
            raise NotImplementedError("Monitoring is not implemented for bucketing")
        self.execgrp.install_monitor(monitor)

    def set_params(self, arg_params: Arrays, aux_params: Arrays) -> None:
        """Copy values into every executor."""
        self.execgrp.set_params(arg_params, aux_params, allow_extra=True)

    def copy_to(self, arg_params: Arrays, aux_params: Arrays) -> None:
        """Copy the mean over the devices into the given arrays."""
        self.execgrp.get_params(arg_params, aux_params)

    @property
    def param_arrays(self) -> list[list[NDArray]]:
        """The parameters, ``[parameter][device]``."""
        return self.execgrp.param_arrays

    @property
    def grad_arrays(self) -> list[list[NDArray]]:
        """Their gradients, of the current bucket."""
        return self.curr_execgrp.grad_arrays  # type: ignore[return-value]

    @property
    def aux_arrays(self) -> list[list[NDArray]]:
        """The auxiliary states, ``[state][device]``."""
        return self.execgrp.aux_arrays

    def load_data_batch(self, data_batch: Any) -> None:
        """Take a batch, for :meth:`forward`; one of a new bucket has executors made."""
        if self.sym_gen is not None:
            key = data_batch.bucket_key
            if key not in self.execgrp_bucket:
                self.execgrp_bucket[key] = self._group(self.sym_gen(key), data_batch, self.execgrp)
            self.curr_execgrp = self.execgrp_bucket[key]
        self._batch = data_batch

    def forward(self, is_train: bool = False) -> None:
        """Compute the outputs of the batch.

        Raises
        ------
        StateError
            Before :meth:`load_data_batch`.
        """
        if self._batch is None:
            raise StateError("forward() needs load_data_batch() first")
        self.curr_execgrp.forward(self._batch, is_train)

    def backward(self) -> None:
        """Compute the gradients."""
        self.curr_execgrp.backward()

    def update_metric(self, metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Have a metric see the latest outputs and these labels."""
        self.curr_execgrp.update_metric(metric, labels, pre_sliced)
