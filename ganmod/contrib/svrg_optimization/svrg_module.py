"""``SVRGModule``: a module whose gradients vary less from batch to batch [Johnson & Zhang 2013]."""
from __future__ import annotations

import logging
from typing import Any, Iterator, Optional, Sequence, Union

import torch

from ...base import StateError
from ...context import Context, cpu
from ...module import Module
from ...ndarray import NDArray

__all__ = ["SVRGModule"]


class SVRGModule(Module):
    """A :class:`Module` that trains by ``g - g_then + mean(g_then)`` in place of the gradient g of a batch.

    g_then is the gradient of the same batch with the parameters of some epochs ago, and its mean is over all batches:
    :meth:`update_full_grads` takes both anew, in :meth:`fit` every `update_freq` epochs.

    Parameters
    ----------
    update_freq : int
        After how many epochs the full gradient is taken again.
    **others
        As in :class:`Module`.

    Raises
    ------
    TypeError, ValueError
        If update_freq is not a positive int.

    >>> import ganmod as mx
    >>> net = mx.sym.FullyConnected(mx.sym.Variable('data'), num_hidden=1, no_bias=True, name='fc')
    >>> mod = SVRGModule(mx.sym.LinearRegressionOutput(net, name='out'), label_names=['out_label'], update_freq=2)
    >>> data = mx.io.NDArrayIter(mx.nd.ones((8, 1)), mx.nd.ones((8,)) * 3, batch_size=4, label_name='out_label')
    >>> mod.fit(data, eval_metric='mse', num_epoch=8, optimizer_params={'learning_rate': 0.5})
    >>> bool(2.5 < mod.get_params()[0]['fc_weight'].asscalar() < 3.5)
    True
    """

    def __init__(self, symbol: Any, data_names: Sequence[str] = ("data",),
                 label_names: Optional[Sequence[str]] = ("softmax_label",), logger: Any = logging,
                 context: Any = None, work_load_list: Optional[Sequence[float]] = None,
                 fixed_param_names: Optional[Sequence[str]] = None, state_names: Optional[Sequence[str]] = None,
                 group2ctxs: Any = None, compression_params: Any = None, update_freq: Any = None) -> None:
        if not isinstance(update_freq, int):
            raise TypeError("update_freq in SVRGModule must be an integer to represent the frequency for calculating "
                            f"full gradients, got {update_freq!r}")
        if update_freq <= 0:
            raise ValueError("update_freq in SVRGModule must be a positive integer to represent the frequency for "
                             f"calculating full gradients, got {update_freq}")
        context = cpu() if context is None else context
        self.update_freq = update_freq
        settings = (data_names, label_names, logger, context, work_load_list, fixed_param_names, state_names,
                    group2ctxs, compression_params)
        super().__init__(symbol, *settings)
        self._mod_aux = Module(symbol, *settings)
        self._param_dict: list[dict[str, NDArray]] = []

    def bind(self, data_shapes: Sequence[Any], label_shapes: Optional[Sequence[Any]] = None, for_training: bool = True,
             inputs_need_grad: bool = False, force_rebind: bool = False, shared_module: Any = None,
             grad_req: Any = "write", mixed_precision: Optional[str] = None, compile: Union[bool, str] = False) -> None:
        """As :meth:`Module.bind`; for training also what holds the parameters of some epochs ago."""
        super().bind(data_shapes, label_shapes, for_training, inputs_need_grad, force_rebind, shared_module, grad_req,
                     mixed_precision, compile)
        if for_training and (force_rebind or not self._mod_aux.binded):
            self._mod_aux.bind(data_shapes, label_shapes, for_training, inputs_need_grad, force_rebind, None, grad_req,
                               mixed_precision, compile)
            self._param_dict = [{} for _ in self._context]

    def reshape(self, data_shapes: Sequence[Any], label_shapes: Optional[Sequence[Any]] = None) -> None:
        """As :meth:`Module.reshape`."""
        super().reshape(data_shapes, label_shapes)
        if self._mod_aux.binded:
            self._mod_aux.reshape(data_shapes, label_shapes)

    def forward(self, data_batch: Any, is_train: Optional[bool] = None) -> None:
        """As :meth:`Module.forward`; in training also with the parameters of some epochs ago."""
        super().forward(data_batch, is_train)
        if (self.for_training if is_train is None else is_train) and self._mod_aux.params_initialized:
            self._mod_aux.forward(data_batch, is_train)

    def backward(self, out_grads: Any = None, wanted: str = "all", retain_graph: bool = True) -> None:
        """As :meth:`Module.backward`."""
        super().backward(out_grads, wanted, retain_graph)
        if self._mod_aux.params_initialized:
            self._mod_aux.backward(out_grads, wanted, retain_graph)

    def update_full_grads(self, train_data: Any) -> None:
        """Keep the present parameters, and the mean gradient that all batches of an iterator have with them.

        Raises
        ------
        StateError
            Before :meth:`bind` for training and :meth:`init_params`.
        """
        self._require("update_full_grads", params=True)
        if not self._mod_aux.binded:
            raise StateError("update_full_grads() needs bind(for_training=True)")
        self._mod_aux.set_params(*self.get_params())
        train_data.reset()
        sums = self._first_sums()
        batches = 0.0
        for batch in train_data:
            self._mod_aux.forward(batch, is_train=True)
            self._mod_aux.backward()
            for totals, grads in zip(sums, self._mod_aux._exec_group.grad_arrays):
                for total, grad in zip(totals, grads):
                    if total is not None and grad is not None:
                        total += grad.as_torch()
            batches += 1 - (batch.pad or 0) / train_data.batch_size
        self._keep_full_grads(sums, batches)

    def _first_sums(self) -> list[list[Optional[torch.Tensor]]]:
        """What the sums over the batches begin with: the last mean, as MXNet never clears it."""
        group, kept = self._mod_aux._exec_group, self._param_dict
        return [[None if g is None else kept[k][name].as_torch().clone() if name in kept[k]
                 else torch.zeros_like(g.as_torch()) for k, g in enumerate(grads)]
                for name, grads in zip(group.param_names, group.grad_arrays)]

    def _keep_full_grads(self, sums: list[list[Optional[torch.Tensor]]], batches: float) -> None:
        """The mean over the batches; over the devices too where they share a kvstore."""
        names = self._exec_group.param_names
        for name, totals in zip(names, sums):
            if any(total is None for total in totals):
                continue
            means = [total / batches for total in totals if total is not None]
            if self._update_on_kvstore and len(means) > 1:
                shared = sum(m.to(means[0].device) for m in means) / len(means)
                means = [shared.to(m.device) for m in means]          # type: ignore[union-attr]
            for k, (mean, context) in enumerate(zip(means, self._context)):
                self._param_dict[k][name] = NDArray(mean, Context(context.device_type, context.device_id))

    def update(self) -> None:
        """As :meth:`Module.update`, with the gradients corrected."""
        if self._param_dict and self._param_dict[0]:
            self._update_svrg_gradients()
        super().update()

    def _update_svrg_gradients(self) -> None:
        group, then = self._exec_group, self._mod_aux._exec_group
        for name, grads, old in zip(group.param_names, group.grad_arrays, then.grad_arrays):
            for k, (grad, before) in enumerate(zip(grads, old)):
                if grad is not None and before is not None:
                    grad.as_torch().sub_(before.as_torch()).add_(self._param_dict[k][name].as_torch())

    def prepare(self, data_batch: Any, sparse_row_id_fn: Any = None) -> None:
        """As :meth:`Module.prepare`."""
        super().prepare(data_batch, sparse_row_id_fn)
        self._mod_aux.prepare(data_batch, sparse_row_id_fn)

    def fit(self, train_data: Any, *args: Any, **kwargs: Any) -> None:
        """As :meth:`Module.fit`; every `update_freq` epochs the full gradient is taken first."""
        super().fit(_Epochs(self, train_data, kwargs.get("begin_epoch", 0)), *args, **kwargs)


class _Epochs:
    """An iterator over training data that has the full gradient taken when an epoch that is due for it begins."""

    def __init__(self, module: SVRGModule, data: Any, epoch: int) -> None:
        self._module, self._data, self._epoch = module, data, epoch

    def __iter__(self) -> Iterator[Any]:
        if self._epoch % self._module.update_freq == 0:
            self._module.update_full_grads(self._data)
            self._data.reset()
        self._epoch += 1
        return iter(self._data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._data, name)
