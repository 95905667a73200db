"""``mx.monitor``: a look at every node's outputs, and at the parameters, every so many batches."""
from __future__ import annotations

import logging
import re
from typing import Any, Callable, Optional, Union

from .base import InputError
from .ndarray import NDArray

__all__ = ["Monitor"]

Statistic = Callable[[NDArray], Union[NDArray, list[NDArray]]]


class Monitor:
    """Collects statistics of what an executor computes.

    Use it as ``fit(monitor=...)``, or call :meth:`install`, then :meth:`tic` before a batch and :meth:`toc_print`
    after it.

    Parameters
    ----------
    interval : int
        Number of batches from one look to the next.
    stat_func : function of NDArray, optional
        Returns an NDArray or a list of them; by default the root of the mean square.
    pattern : str
        A regular expression; names that match it from their beginning are looked at.
    sort : bool
        Whether to sort by name.
    monitor_all : bool
        Whether to look at the inputs of nodes too.

    >>> import ganmod as mx
    >>> exe = (mx.sym.Variable('x') * 2).simple_bind(mx.cpu(), x=(2,))
    >>> monitor = Monitor(1, pattern='.*output')
    >>> monitor.install(exe)
    >>> monitor.tic()
    >>> _ = exe.forward(x=mx.nd.array([3, 4]))
    >>> [(step, value) for step, name, value in monitor.toc()]
    [(1, '7.071068\\t')]
    """

    def __init__(self, interval: int, stat_func: Optional[Statistic] = None, pattern: str = ".*", sort: bool = False,
                 monitor_all: bool = False) -> None:
        self.interval, self.sort, self.monitor_all = interval, sort, monitor_all
        self.stat_func: Statistic = stat_func or _root_mean_square
        self.activated = False
        self.queue: list[tuple[int, str, Any]] = []
        self.step = 0
        self.exes: list[Any] = []
        self.re_prog = re.compile(pattern)

    def stat_helper(self, name: str, array: NDArray) -> None:
        """What executors call: note the statistic of an array, if it is time and the name matches."""
        if self.activated and self.re_prog.match(name):
            self.queue.append((self.step, name, self.stat_func(array)))

    def install(self, exe: Any) -> None:
        """Watch an executor."""
        exe.set_monitor_callback(self.stat_helper, self.monitor_all)
        self.exes.append(exe)

    def tic(self) -> None:
        """A batch begins; every `interval`-th one is looked at."""
        if self.step % self.interval == 0:
            self.queue = []
            self.activated = True
        self.step += 1

    def toc(self) -> list[tuple[int, str, str]]:
        """(number of the batch, name, statistic) of all that was seen since :meth:`tic`, and of the parameters.

        Raises
        ------
        InputError
            If the statistic function returned something else than arrays.
        """
        if not self.activated:
            return []
        for exe in self.exes:
            for name, array in {**exe.arg_dict, **exe.aux_dict}.items():
                self.stat_helper(name, array)
        self.activated = False
        queue = sorted(self.queue, key=lambda entry: entry[1]) if self.sort else self.queue
        self.queue = []
        return [(step, name, _text(statistic)) for step, name, statistic in queue]

    def toc_print(self) -> None:
        """:meth:`toc`, logged."""
        for step, name, text in self.toc():
            logging.info("Batch: %7d %-30s %s", step, name, text)


def _root_mean_square(array: NDArray) -> NDArray:
    return NDArray(array.as_torch().float().square().mean().sqrt().reshape(1), array.context)


def _text(statistic: Any) -> str:
    """The numbers, each followed by a tab; arrays of one element as that."""
    arrays = statistic if isinstance(statistic, list) else [statistic]
    for array in arrays:
        if not isinstance(array, NDArray):
            raise InputError(f"Monitor(stat_func=...) must return an NDArray or a list of them, got "
                             f"{type(array).__name__}")
    return "".join(str(array.asscalar() if array.size == 1 else array.asnumpy()) + "\t" for array in arrays)
