"""The loops of ``fit`` and ``score``, over the intermediate calls of any module."""
from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Callable, Optional

from .. import metric
from ..base import InputError, MXNetError
from ..model import BatchEndParam

if TYPE_CHECKING:
    from .base_module import BaseModule

__all__ = ["fit", "score"]

Settings = dict[str, Any]


def fit(module: BaseModule, given: Settings) -> None:
    """Train a module; `given` are the arguments of :meth:`BaseModule.fit` by name."""
    if given["num_epoch"] is None:
        raise InputError("fit() needs num_epoch: please specify number of epochs")
    train_data, monitor = given["train_data"], given["monitor"]
    module.bind(data_shapes=train_data.provide_data, label_shapes=train_data.provide_label, for_training=True,
                force_rebind=given["force_rebind"])
    if monitor is not None:
        module.install_monitor(monitor)
    module.init_params(initializer=given["initializer"], arg_params=given["arg_params"],
                       aux_params=given["aux_params"], allow_missing=given["allow_missing"],
                       force_init=given["force_init"])
    module.init_optimizer(kvstore=given["kvstore"], optimizer=given["optimizer"],
                          optimizer_params=given["optimizer_params"])
    if given["validation_metric"] is None:
        given["validation_metric"] = given["eval_metric"]
    given["eval_metric"] = metric.create(given["eval_metric"])
    for epoch in range(given["begin_epoch"], given["num_epoch"]):
        _epoch(module, epoch, given)


def _epoch(module: BaseModule, epoch: int, given: Settings) -> None:
    """One pass over the training data, then callbacks and validation."""
    start = time.time()
    for name, value in _train(module, epoch, given):
        module.logger.info("Epoch[%d] Train-%s=%f", epoch, name, value)
    module.logger.info("Epoch[%d] Time cost=%.3f", epoch, time.time() - start)

    # All devices go on from the same values, moving statistics included.
    arg_params, aux_params = module.get_params()
    module.set_params(arg_params, aux_params)
    for callback in _listed(given["epoch_end_callback"]):
        callback(epoch, module.symbol, arg_params, aux_params)

    if given["eval_data"] is not None:
        found = module.score(given["eval_data"], given["validation_metric"], epoch=epoch,
                             score_end_callback=given["eval_end_callback"],
                             batch_end_callback=given["eval_batch_end_callback"],
                             sparse_row_id_fn=given["sparse_row_id_fn"])
        for name, value in found:
            module.logger.info("Epoch[%d] Validation-%s=%f", epoch, name, value)
    given["train_data"].reset()


def _train(module: BaseModule, epoch: int, given: Settings) -> list[tuple[str, Any]]:
    """Train on every batch; the metric over all of them, by name."""
    eval_metric, monitor = given["eval_metric"], given["monitor"]
    eval_metric.reset()
    batches = iter(given["train_data"])
    batch = next(batches, None)
    if batch is None:
        raise MXNetError(f"fit(): train_data gave no batch in epoch {epoch}; is it empty, or has it to be reset()?")
    found: list[tuple[str, Any]] = []
    number = 0
    with _Bar(given, epoch) as advance:
        while batch is not None:
            if monitor is not None:
                monitor.tic()
            module.forward_backward(batch)
            module.update()
            _update_metric(module, eval_metric, batch)

            # Only now, as some iterators use the memory of a batch again for the next one.
            following = next(batches, None)
            if following is not None:
                module.prepare(following, sparse_row_id_fn=given["sparse_row_id_fn"])
            if monitor is not None:
                monitor.toc_print()
            if following is None:                          # before callbacks, which may reset the metric
                found = eval_metric.get_global_name_value()
            _call(given["batch_end_callback"], epoch, number, eval_metric,
                  {**given, "self": module, "epoch": epoch, "nbatch": number, "data_batch": batch,
                   "next_data_batch": batch if following is None else following,
                   "end_of_batch": following is None})
            advance(found)
            batch, number = following, number + 1
    return found


def score(module: BaseModule, given: Settings) -> list[tuple[str, Any]]:
    """Measure a module; `given` are the arguments of :meth:`BaseModule.score` by name."""
    eval_data, epoch = given["eval_data"], given["epoch"]
    if given["reset"]:
        eval_data.reset()
    eval_metric = given["eval_metric"] = metric.create(given["eval_metric"])
    eval_metric.reset()
    seen = 0
    scope = {**given, "self": module}
    for number, batch in enumerate(eval_data):
        if number == given["num_batch"]:
            break
        module.prepare(batch, sparse_row_id_fn=given["sparse_row_id_fn"])
        module.forward(batch, is_train=False)
        _update_metric(module, eval_metric, batch)
        seen += 1
        scope.update(nbatch=number, eval_batch=batch, actual_num_batch=seen)
        _call(given["batch_end_callback"], epoch, number, eval_metric, dict(scope))
    _call(given["score_end_callback"], epoch, seen, eval_metric, scope)
    return eval_metric.get_name_value()


def _update_metric(module: BaseModule, eval_metric: Any, batch: Any) -> None:
    if isinstance(batch, list):                            # one batch for each device
        module.update_metric(eval_metric, [part.label for part in batch], pre_sliced=True)
    else:
        module.update_metric(eval_metric, batch.label)


def _call(callbacks: Any, epoch: int, number: int, eval_metric: Any, scope: Settings) -> None:
    param = BatchEndParam(epoch=epoch, nbatch=number, eval_metric=eval_metric, locals=scope)
    for callback in _listed(callbacks):
        callback(param)


def _listed(callbacks: Any) -> list[Callable[..., Any]]:
    if callbacks is None:
        return []
    return list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]


class _Bar:
    """A progress bar over the batches of an epoch, if one is wanted."""

    def __init__(self, given: Settings, epoch: int) -> None:
        self._bar = _bar(given["train_data"], epoch) if given["progress"] else None

    def __enter__(self) -> Callable[[list[tuple[str, Any]]], None]:
        return self._advance

    def _advance(self, found: list[tuple[str, Any]]) -> None:
        """One batch more; the metric is shown when it is known, as asking for it would wait for the device."""
        if self._bar is not None:
            self._bar.update()
            if found:
                self._bar.set_postfix(dict(found))

    def __exit__(self, *error: Any) -> None:
        if self._bar is not None:
            self._bar.close()


def _bar(train_data: Any, epoch: int) -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        raise MXNetError("fit(progress=True) shows its bar with tqdm, which is not installed: pip install tqdm") \
            from None
    return tqdm(total=_batches(train_data), desc=f"Epoch[{epoch}]", unit="batch")


def _batches(train_data: Any) -> Optional[int]:
    """How many batches an iterator gives, where it tells."""
    count, size = getattr(train_data, "num_data", None), getattr(train_data, "batch_size", 0)
    return -(-count // size) if count and size else None
