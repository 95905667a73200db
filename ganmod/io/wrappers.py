"""Iterators over iterators: of another length, or prepared in advance."""
from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Optional, Sequence

from ..base import InputError, StateError, require
from .data import DataBatch, DataDesc
from .iterators import DataIter

__all__ = ["ResizeIter", "PrefetchingIter"]


class _Wrapper(DataIter):
    """What an iterator over others shares: the current batch answers for it."""

    current_batch: Optional[DataBatch] = None

    def next(self) -> DataBatch:
        """The next batch."""
        if not self.iter_next():
            raise StopIteration
        return self._current()

    def _current(self) -> DataBatch:
        if self.current_batch is None:
            raise StateError(f"{type(self).__name__}: there is no current batch; call next() or iter_next() first")
        return self.current_batch

    def getdata(self) -> Any:
        """The inputs of the current batch."""
        return self._current().data

    def getlabel(self) -> Any:
        """The labels of the current batch."""
        return self._current().label

    def getindex(self) -> Any:
        """The sample numbers of the current batch, if known."""
        return self._current().index

    def getpad(self) -> Optional[int]:
        """How many samples of the current batch only fill it up."""
        return self._current().pad


class ResizeIter(_Wrapper):
    """Another iterator, with epochs of a given number of batches.

    Parameters
    ----------
    data_iter : DataIter
        Where the batches come from; it begins anew when it ends.
    size : int
        Batches per epoch.
    reset_internal : bool
        Whether :meth:`reset` also begins `data_iter` anew.

    >>> import ganmod as mx
    >>> len(list(ResizeIter(mx.io.NDArrayIter(mx.nd.zeros((4, 1)), batch_size=2), 5)))
    5
    """

    def __init__(self, data_iter: DataIter, size: int, reset_internal: bool = True) -> None:
        super().__init__(data_iter.batch_size)
        self.data_iter, self.size, self.reset_internal, self.cur = data_iter, size, reset_internal, 0
        self.provide_data, self.provide_label = data_iter.provide_data, data_iter.provide_label

    def reset(self) -> None:
        """Begin an epoch."""
        self.cur = 0
        if self.reset_internal:
            self.data_iter.reset()

    def iter_next(self) -> bool:
        """Move to the next batch; False after `size` of them."""
        if self.cur == self.size:
            return False
        try:
            self.current_batch = self.data_iter.next()
        except StopIteration:
            self.data_iter.reset()
            self.current_batch = self.data_iter.next()
        self.cur += 1
        return True


class PrefetchingIter(_Wrapper):
    """One or several iterators, whose next batches are prepared in threads while the current one is in use.

    Parameters
    ----------
    iters : DataIter or list of DataIter
        Batches are joined: all data, all labels. They must have epochs of one length.
    rename_data, rename_label : list of dict, optional
        For each iterator, the new name by the old.

    Raises
    ------
    StateError
        If one iterator ends before another.

    >>> import ganmod as mx
    >>> len(list(PrefetchingIter(mx.io.NDArrayIter(mx.nd.zeros((4, 1)), batch_size=2))))
    2
    """

    def __init__(self, iters: "DataIter | Sequence[DataIter]", rename_data: Optional[Sequence[dict[str, str]]] = None,
                 rename_label: Optional[Sequence[dict[str, str]]] = None) -> None:
        self.iters: list[DataIter] = list(iters) if isinstance(iters, Sequence) else [iters]
        require(self.iters, "PrefetchingIter: there must be at least one iterator", InputError)
        self.n_iter, self.rename_data, self.rename_label = len(self.iters), rename_data, rename_label
        super().__init__(self.provide_data[0][1][0])
        self._pool = ThreadPoolExecutor(self.n_iter, thread_name_prefix="prefetch")
        self._coming: list[Future[Optional[DataBatch]]] = []
        self._fetch()

    @property
    def provide_data(self) -> list[DataDesc]:
        """The data of all iterators, renamed."""
        return _renamed([i.provide_data for i in self.iters], self.rename_data)

    @property
    def provide_label(self) -> list[DataDesc]:
        """The labels of all iterators, renamed."""
        return _renamed([i.provide_label for i in self.iters], self.rename_label)

    def _fetch(self) -> None:
        self._coming = [self._pool.submit(_next_or_none, i) for i in self.iters]

    def reset(self) -> None:
        """Begin all iterators anew."""
        for future in self._coming:
            future.exception()                             # waits; an error belongs to the epoch that is given up
        for i in self.iters:
            i.reset()
        self._fetch()

    def iter_next(self) -> bool:
        """Move to the next batch; False at the end."""
        found = [future.result() for future in self._coming]
        ended = [b is None for b in found]
        if all(ended):
            return False
        if any(ended):
            raise StateError(f"PrefetchingIter: of {self.n_iter} iterators, number {ended.index(True)} ended before "
                             "the others; their epochs must have as many batches")
        batches = [b for b in found if b is not None]
        self.current_batch = DataBatch(
            [a for b in batches for a in b.data or ()], [a for b in batches for a in b.label or ()],
            batches[0].pad, batches[0].index, provide_data=self.provide_data, provide_label=self.provide_label)
        self._fetch()
        return True


def _next_or_none(source: DataIter) -> Optional[DataBatch]:
    try:
        return source.next()
    except StopIteration:
        return None


def _renamed(descriptions: Sequence[Sequence[Any]], names: Optional[Sequence[dict[str, str]]]) -> list[DataDesc]:
    made = []
    for i, group in enumerate(descriptions):
        for desc in group or ():
            full = desc if isinstance(desc, DataDesc) else DataDesc(*desc)
            name = names[i].get(full.name, full.name) if names is not None else full.name
            made.append(DataDesc(name, full.shape, full.dtype, full.layout))
    return made
