"""``mx.callback``: functions for :meth:`Module.fit` to call at the ends of batches and epochs."""
from __future__ import annotations

import logging
import math
import time
from typing import Any, Callable, Optional

from .model import save_checkpoint

__all__ = ["Speedometer", "ProgressBar", "LogValidationMetricsCallback", "do_checkpoint", "module_checkpoint",
           "log_train_metric"]


def module_checkpoint(mod: Any, prefix: str, period: int = 1, save_optimizer_states: bool = False) \
        -> Callable[..., None]:
    """An ``epoch_end_callback`` that saves a module as :meth:`Module.save_checkpoint` does.

    Parameters
    ----------
    mod : Module
        What to save.
    prefix : str
        Path and beginning of the names of the files.
    period : int
        Save after every so many epochs.
    save_optimizer_states : bool
        Whether to save the states of the optimizer too.
    """
    every = int(max(1, period))

    def _callback(iter_no: int, sym: Any = None, arg: Any = None, aux: Any = None) -> None:
        if (iter_no + 1) % every == 0:
            mod.save_checkpoint(prefix, iter_no + 1, save_optimizer_states)

    return _callback


def do_checkpoint(prefix: str, period: int = 1) -> Callable[..., None]:
    """An ``epoch_end_callback`` that saves the network and its parameters: ``mx.model.save_checkpoint``.

    Parameters
    ----------
    prefix : str
        Path and beginning of the names of the files.
    period : int
        Save after every so many epochs.

    >>> import os, tempfile
    >>> import ganmod as mx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save = do_checkpoint(folder + "/net", period=2)
    ...     for epoch in range(3):
    ...         save(epoch, mx.sym.Variable("data"), {}, {})
    ...     sorted(os.listdir(folder))
    ['net-0002.params', 'net-symbol.json']
    """
    every = int(max(1, period))

    def _callback(iter_no: int, sym: Any, arg: Any, aux: Any) -> None:
        if (iter_no + 1) % every == 0:
            save_checkpoint(prefix, iter_no + 1, sym, arg, aux)

    return _callback


def log_train_metric(period: int, auto_reset: bool = False) -> Callable[[Any], None]:
    """A ``batch_end_callback`` that logs the metric every so many batches.

    Parameters
    ----------
    period : int
        Number of batches between two messages.
    auto_reset : bool
        Whether the next message is about the batches since this one only.
    """
    def _callback(param: Any) -> None:
        if param.nbatch % period == 0 and param.eval_metric is not None:
            for name, value in param.eval_metric.get_name_value():
                logging.info("Iter[%d] Batch[%d] Train-%s=%f", param.epoch, param.nbatch, name, value)
            if auto_reset:
                param.eval_metric.reset_local()

    return _callback


class Speedometer:
    """A ``batch_end_callback`` that logs samples per second, and the metric, every `frequent` batches.

    Parameters
    ----------
    batch_size : int
        Samples in a batch.
    frequent : int
        Number of batches between two messages.
    auto_reset : bool
        Whether each message is about the batches since the last one only.
    """

    def __init__(self, batch_size: int, frequent: int = 50, auto_reset: bool = True) -> None:
        self.batch_size, self.frequent, self.auto_reset = batch_size, frequent, auto_reset
        self.init = False
        self.tic = 0.0
        self.last_count = 0

    def __call__(self, param: Any) -> None:
        """Log, if it is time."""
        count = param.nbatch
        if self.last_count > count:                         # a new epoch
            self.init = False
        self.last_count = count
        if not self.init:
            self.init, self.tic = True, time.time()
        elif count % self.frequent == 0:
            self._log(param.epoch, count, param.eval_metric)
            self.tic = time.time()

    def _log(self, epoch: int, count: int, metric: Optional[Any]) -> None:
        # Reading the metric waits for the device, so the time is taken after it: what was counted has been done.
        values = metric.get_name_value() if metric is not None else []
        seconds = time.time() - self.tic
        speed = self.frequent * self.batch_size / seconds if seconds else math.inf
        if metric is None:
            logging.info("Iter[%d] Batch [%d]\tSpeed: %.2f samples/sec", epoch, count, speed)
            return
        first = count - self.frequent if self.auto_reset else 0
        if self.auto_reset:
            metric.reset_local()
        logging.info("Epoch[%d] Batch [%d-%d]\tSpeed: %.2f samples/sec" + "\t%s=%f" * len(values), epoch, first,
                     count, speed, *(part for pair in values for part in pair))


class ProgressBar:
    """A ``batch_end_callback`` that logs a bar.

    Parameters
    ----------
    total : int
        Number of batches of an epoch.
    length : int
        Characters in a full bar.
    """

    def __init__(self, total: int, length: int = 80) -> None:
        self.bar_len, self.total = length, total

    def __call__(self, param: Any) -> None:
        """Log the bar."""
        done = param.nbatch / float(self.total)
        filled = int(round(self.bar_len * done))
        bar = "=" * filled + "-" * (self.bar_len - filled)
        logging.info("[%s] %s%s\r", bar, math.ceil(100.0 * done), "%")


class LogValidationMetricsCallback:
    """An ``eval_end_callback`` that logs the metrics of the validation."""

    def __call__(self, param: Any) -> None:
        """Log them."""
        if param.eval_metric is not None:
            for name, value in param.eval_metric.get_name_value():
                logging.info("Epoch[%d] Validation-%s=%f", param.epoch, name, value)
