"""Batches that threads make ahead of the program that takes them."""
from __future__ import annotations

import collections
import threading
import weakref
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, NamedTuple, Optional

import numpy as np
import torch

from ..base import FileFormatError, to_numpy_dtype
from .rounds import Rounds

__all__ = ["Buffers", "Order", "Pipeline"]

_THREADS = "decode"                                        # what their names begin with
_SLICE = 16                                                # images per job, at most: so that the threads end together


class Order(NamedTuple):
    """What a batch shall hold: the numbers of its samples, how many only fill it up, its epoch and number in it."""

    samples: np.ndarray
    pad: int
    epoch: int
    number: int


class _Coming(NamedTuple):
    """A batch in the making, the threads' jobs for it, and what the rounds were before it."""

    order: Order
    batch: Any
    jobs: "list[Future[list[tuple[int, FileFormatError]]]]"
    before: Any


class Pipeline:
    """Plans batches, has them filled by threads, and hands them out in turn.

    Where a sample turns out to be damaged, its batch and those after it are planned anew without it.

    Parameters
    ----------
    rounds : Rounds
    threads, ahead : int
        Threads, and batches to be prepared in advance.
    begin : callable
        Makes an empty batch for an :class:`Order`.
    fill : callable
        ``fill(order, batch, first, last)`` makes these rows, in a thread; it returns the samples that are damaged, each
        with its error.
    damaged : callable
        Is told of each such error, once, in the caller's thread, and may raise.
    """

    def __init__(self, rounds: Rounds, threads: int, ahead: int, begin: Callable[[Order], Any],
                 fill: Callable[[Order, Any, int, int], "list[tuple[int, FileFormatError]]"],
                 damaged: Callable[[FileFormatError], None]) -> None:
        self._rounds, self._threads, self._ahead = rounds, threads, ahead
        self._begin, self._fill, self._damaged = begin, fill, damaged
        self._bad: set[int] = set()
        self._epoch = self._number = 0
        self._planned_all = self._ended = False
        self._coming: collections.deque[_Coming] = collections.deque()
        self._workers = ThreadPoolExecutor(threads, thread_name_prefix=_THREADS)
        self._plan()

    def _usable(self, samples: np.ndarray) -> np.ndarray:
        return samples[[int(s) not in self._bad for s in samples]] if self._bad else samples

    def _plan(self) -> None:
        """Begin as many batches as shall be under way."""
        while len(self._coming) < self._ahead and not self._planned_all:
            before = self._rounds.state()
            found = self._rounds.next(self._usable)
            if found is None:
                self._planned_all = True
                return
            order = Order(found[0], found[1], self._epoch, self._number)
            batch, count = self._begin(order), len(found[0])
            step = max(1, min(_SLICE, -(-count // self._threads)))
            jobs = [self._workers.submit(self._fill, order, batch, first, min(first + step, count))
                    for first in range(0, count, step)]
            self._coming.append(_Coming(order, batch, jobs, before))
            self._number += 1

    def next(self) -> Optional[tuple[Order, Any]]:
        """The next batch, once it is complete; None at the end of the epoch.

        Raises
        ------
        Exception
            Whatever a thread raised, with its traceback.
        """
        while self._coming:
            first = self._coming[0]
            first.jobs[-1].exception()                     # waits, for what is likely to be the last: few awakenings
            try:
                failed = [failure for job in first.jobs for failure in job.result()]
            except Exception:
                self._coming.popleft()
                self._plan()
                raise
            if not failed:
                self._coming.popleft()
                self._rounds.forget(first.before)
                self._plan()
                return first.order, first.batch
            self._plan_without(first, failed)
        self._ended = True
        return None

    def _plan_without(self, first: _Coming, failed: "list[tuple[int, FileFormatError]]") -> None:
        self._give_up()
        self._rounds.restore(first.before)
        self._number, self._planned_all = first.order.number, False
        told: set[int] = set()
        try:
            for sample, error in failed:
                if sample not in self._bad | told:
                    told.add(sample)
                    self._damaged(error)
        finally:
            self._bad |= told
            self._plan()

    def _give_up(self) -> None:
        for coming in self._coming:
            for job in coming.jobs:
                job.cancel()
        self._coming.clear()

    def reset(self) -> None:
        """Begin the next epoch; in the middle of one, with a whole pass over the samples."""
        if self._coming:
            self._rounds.restore(self._coming[0].before)
        self._give_up()
        (self._rounds.reset if self._ended else self._rounds.restart)()
        self._epoch, self._number, self._planned_all, self._ended = self._epoch + 1, 0, False, False
        self._plan()

    def state_dict(self) -> dict[str, Any]:
        """Where the pipeline is: before the batch that comes next."""
        first = self._coming[0] if self._coming else None
        return {"epoch": self._epoch, "number": first.order.number if first else self._number, "ended": self._ended,
                "bad": sorted(self._bad), "rounds": self._rounds.state_dict(
                    first.before if first else self._rounds.state())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to where :meth:`state_dict` was asked."""
        self._give_up()
        self._rounds.load_state_dict(state["rounds"])
        self._epoch, self._number, self._ended = state["epoch"], state["number"], state["ended"]
        self._planned_all, self._bad = state["ended"], set(state["bad"])
        self._plan()

    def close(self) -> None:
        """End the threads, which finish at most the images they have begun; once more does nothing."""
        self._give_up()
        own = threading.current_thread().name.startswith(_THREADS)
        self._workers.shutdown(wait=not own, cancel_futures=True)


class Buffers:
    """Arrays of one shape for batches in turn, which take the memory of those that nobody holds any more.

    Fresh memory costs the system as much time as the pixels that are written to it.

    Parameters
    ----------
    shape : tuple of int
    dtype : torch.dtype
    most : int
        How many to keep.
    pinned : bool
        Whether a GPU shall be able to fetch them by itself; torch then keeps the memory.

    >>> buffers = Buffers((2, 3), torch.uint8, most=2)
    >>> first = buffers.take()
    >>> where = first.data_ptr()
    >>> del first
    >>> buffers.take().data_ptr() == where
    True
    """

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype, most: int, pinned: bool = False) -> None:
        self._shape, self._dtype, self._most, self._pinned = shape, dtype, most, pinned
        self._lent: list[tuple[weakref.ref[np.ndarray], np.ndarray]] = []

    def take(self) -> torch.Tensor:
        """An array whose elements may be anything."""
        if self._pinned:
            return torch.empty(self._shape, dtype=self._dtype, pin_memory=True)
        free = next((k for k, (holder, _) in enumerate(self._lent) if holder() is None), None)
        memory = np.empty(self._shape, to_numpy_dtype(self._dtype)) if free is None else self._lent.pop(free)[1]
        view = memory[:]                                   # torch holds it for as long as any tensor shows its memory
        if len(self._lent) < self._most:
            self._lent.append((weakref.ref(view), memory))
        return torch.from_numpy(view)
