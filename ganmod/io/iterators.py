"""Iterators over batches: the base class that programs extend, and the one over arrays."""
from __future__ import annotations

from typing import Any, Iterator, Optional, Union

import numpy as np
import torch

from ..base import InputError, ShapeError, StateError, require, to_numpy_dtype
from ..ndarray import NDArray, array
from ..ndarray.ndarray import array_of
from ..ops import storage
from .data import DataBatch, DataDesc
from .rows import Rows, rows_of

__all__ = ["DataIter", "NDArrayIter"]


class DataIter:
    """Base of all iterators. A subclass defines :meth:`iter_next` and :meth:`getdata`, or :meth:`next` itself.

    It also has ``provide_data`` and ``provide_label``, as properties or attributes: lists of :class:`DataDesc` or of
    ``(name, shape)``. Nothing here needs ``super().__init__()`` to have been called.

    Parameters
    ----------
    batch_size : int
        Samples per batch.

    >>> import ganmod as mx
    >>> class Counter(DataIter):
    ...     count = 0
    ...     def iter_next(self):
    ...         self.count += 1
    ...         return self.count <= 2
    ...     def getdata(self):
    ...         return [mx.nd.full((8, 3), self.count)]
    >>> [batch.data[0].shape for batch in Counter()]
    [(8, 3), (8, 3)]
    """

    batch_size: int = 0
    provide_data: Any
    provide_label: Any

    def __init__(self, batch_size: int = 0) -> None:
        self.batch_size = batch_size

    def __iter__(self) -> Iterator[DataBatch]:
        return self

    def __next__(self) -> DataBatch:
        return self.next()

    def reset(self) -> None:
        """Go back to the first batch; nothing to do unless a subclass says so."""

    def next(self) -> DataBatch:
        """The next batch.

        Raises
        ------
        StopIteration
            At the end.
        """
        if not self.iter_next():
            raise StopIteration
        return DataBatch(data=self.getdata(), label=self.getlabel(), pad=self.getpad(), index=self.getindex())

    def iter_next(self) -> bool:
        """Move to the next batch; False at the end."""
        raise NotImplementedError(f"{type(self).__name__} must define iter_next(), or next()")

    def getdata(self) -> Any:
        """The inputs of the current batch, a list of NDArrays."""
        raise NotImplementedError(f"{type(self).__name__} must define getdata(), or next()")

    def getlabel(self) -> Any:
        """The labels of the current batch; None where there are none."""
        return None

    def getpad(self) -> Optional[int]:
        """How many samples of the current batch only fill it up; None where that is not known."""
        return None

    def getindex(self) -> Any:
        """The numbers of the current batch's samples in the source; None where they are not known."""
        return None


# --- arrays -----------------------------------------------------------------------------------------------------------

Samples = Union[torch.Tensor, Rows]
Source = list[tuple[str, Samples]]


class NDArrayIter(DataIter):
    """Batches of arrays in memory.

    Parameters
    ----------
    data, label : array, list of arrays, dict of arrays, or None (label only)
        NDArrays, numpy arrays or tensors with samples along the first axis. Numpy arrays are copied, as float32. CSR
        arrays, and matrices of ``scipy.sparse``, give CSR batches; of an h5py dataset only a batch is read at a time,
        as float32. A dict is taken in the order of its keys; the arrays of a longer list are named ``_0_data``,
        ``_1_data``, … NaN is let through.
    batch_size : int
        Samples per batch.
    shuffle : bool
        Whether to draw a new order at the start and at every :meth:`reset`, from numpy's global generator.
    last_batch_handle : {'pad', 'discard', 'roll_over'}
        What becomes of samples that do not fill a batch: filled up from the beginning (``pad`` of the batch says by
        how many), left out, or kept for the beginning of the next epoch.
    data_name, label_name : str
        Names for arrays that come without one.
    layout : str
        Layout of data and labels.

    Raises
    ------
    InputError
        For something that is not an array, or no data.
    ShapeError
        If a source has fewer samples than the first one.

    >>> it = NDArrayIter(np.arange(5), batch_size=2)
    >>> [(batch.data[0].asnumpy().tolist(), batch.pad) for batch in it]
    [([0.0, 1.0], 0), ([2.0, 3.0], 0), ([4.0, 0.0], 1)]
    """

    def __init__(self, data: Any, label: Any = None, batch_size: int = 1, shuffle: bool = False,
                 last_batch_handle: str = "pad", data_name: str = "data", label_name: str = "softmax_label",
                 layout: Optional[str] = "NCHW") -> None:
        super().__init__(batch_size)
        require(isinstance(batch_size, (int, np.integer)) and batch_size > 0,
                f"NDArrayIter: batch_size must be a positive int, got {batch_size!r}", InputError)
        require(last_batch_handle in _LAST_BATCH,
                f"NDArrayIter: last_batch_handle must be one of {', '.join(_LAST_BATCH)}, got {last_batch_handle!r}",
                InputError)
        self._data, self._label = _named(data, data_name, "data"), _named(label, label_name, "label")
        require(self._data, "NDArrayIter: there must be at least one array of data", InputError)
        self.num_data, self.num_source = self._count_samples(), len(self._data) + len(self._label)
        self.shuffle, self.last_batch_handle, self.layout = bool(shuffle), last_batch_handle, layout
        self.idx = np.arange(self.num_data)                # numpy's generator permutes it in place, again and again
        self._order: Optional[torch.Tensor] = torch.arange(self.num_data) if shuffle else None
        self._rest: Optional[list[torch.Tensor]] = None    # what the last epoch left over (roll_over)
        self.cursor = -batch_size                          # where the current batch begins
        self._shuffle()

    def _count_samples(self) -> int:
        (first, tensor), *others = self._data + self._label
        for name, other in others:
            require(len(other) >= len(tensor), f"NDArrayIter: {name!r} has {len(other)} samples, {first!r} has "
                    f"{len(tensor)}; there must be as many", ShapeError)
        return len(tensor)

    # --- what there is ---------------------------------------------------------------------------------------------

    @property
    def data(self) -> list[tuple[str, NDArray]]:
        """The data in the present order, by name."""
        return [(name, array_of(self._ordered(tensor))) for name, tensor in self._data]

    @property
    def label(self) -> list[tuple[str, NDArray]]:
        """The labels in the present order, by name."""
        return [(name, NDArray(self._ordered(tensor))) for name, tensor in self._label]

    @property
    def provide_data(self) -> list[DataDesc]:
        """Name and shape of each array of a batch."""
        return self._describe(self._data)

    @property
    def provide_label(self) -> list[DataDesc]:
        """Name and shape of each label of a batch."""
        return self._describe(self._label)

    def _describe(self, source: Source) -> list[DataDesc]:
        return [DataDesc(name, (self.batch_size, *tensor.shape[1:]), to_numpy_dtype(tensor.dtype), self.layout)
                for name, tensor in source]

    # --- moving ----------------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Begin the next epoch, in a new order if shuffling, and with what the last one left over if rolling over."""
        left = self.num_data - self.cursor
        if self.last_batch_handle == "roll_over" and 0 < left < self.batch_size:
            self._rest = [self._rows(tensor, self.cursor, self.num_data) for _, tensor in self._data + self._label]
            self.cursor = -left - self.batch_size
            self._shuffle()
        else:
            self.hard_reset()

    def hard_reset(self) -> None:
        """Begin an epoch, leaving behind what the last one left over."""
        self.cursor, self._rest = -self.batch_size, None
        self._shuffle()

    def _shuffle(self) -> None:
        if self._order is not None:
            np.random.shuffle(self.idx)
            self._order = self._order[torch.from_numpy(self.idx)]

    def iter_next(self) -> bool:
        """Move to the next batch; False at the end."""
        self.cursor += self.batch_size
        return self.cursor < self.num_data

    def next(self) -> DataBatch:
        """The next batch; its arrays are copies, free to be changed."""
        full = self.num_data - self.batch_size             # where the last full batch begins
        if not self.iter_next() or (self.last_batch_handle != "pad" and self.cursor > max(full, -1)):
            raise StopIteration
        return DataBatch(data=self.getdata(), label=self.getlabel(), pad=self.getpad(), index=self.getindex())

    def state_dict(self) -> dict[str, Any]:
        """Where the iterator is and in what order, for :meth:`load_state_dict` of one over the same arrays."""
        return {"cursor": self.cursor, "idx": self.idx.copy(), "order": self._order, "rest": self._rest}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to where :meth:`state_dict` was asked: the next batch is the one that came next there."""
        require(len(state["idx"]) == self.num_data and (state["order"] is None) == (self._order is None),
                f"NDArrayIter: the state is of another iterator: it has {len(state['idx'])} samples, this one "
                f"{self.num_data}, or one of the two shuffles", InputError)
        self.cursor, self.idx = int(state["cursor"]), np.array(state["idx"])
        self._order, self._rest = state["order"], state["rest"]

    # --- the current batch -----------------------------------------------------------------------------------------

    def getdata(self) -> list[NDArray]:
        """The inputs of the current batch."""
        return self._batch(self._data, 0)

    def getlabel(self) -> list[NDArray]:
        """The labels of the current batch; an empty list where there are none."""
        return self._batch(self._label, len(self._data))

    def getpad(self) -> int:
        """How many samples at the end of the batch (with roll_over: at its beginning) are not of this epoch."""
        if self.last_batch_handle == "pad" and self.cursor + self.batch_size > self.num_data:
            return self.cursor + self.batch_size - self.num_data
        if self.last_batch_handle == "roll_over" and -self.batch_size < self.cursor < 0:
            return -self.cursor
        return 0

    def _batch(self, source: Source, first: int) -> list[NDArray]:
        started = self.cursor > -self.batch_size and self.cursor < self.num_data
        require(started, "NDArrayIter: there is no current batch; call next() or iter_next() first", StateError)
        start, stop = self.cursor, self.cursor + self.batch_size
        if start >= 0:
            return [array_of(self._rows(tensor, start, stop)) for _, tensor in source]
        require(self._rest is not None, "NDArrayIter: the rest of the last epoch is gone; call reset()", StateError)
        kept = self._rest[first:]  # type: ignore[index]
        return [array_of(storage.joined([rest, self._rows(tensor, 0, stop)]))
                for rest, (_, tensor) in zip(kept, source)]

    def _rows(self, tensor: Samples, start: int, stop: int) -> torch.Tensor:
        """A copy of the samples from `start` to `stop` in the present order, begun anew at the end."""
        if stop > self.num_data:
            wanted = torch.arange(start, stop) % self.num_data
            return _taken(tensor, wanted if self._order is None else self._order[wanted])
        if self._order is not None:
            return _taken(tensor, self._order[start:stop])
        return tensor[start:stop] if isinstance(tensor, Rows) else storage.part(tensor, 0, start, stop).clone()

    def _ordered(self, samples: Samples) -> torch.Tensor:
        if self._order is not None:
            return _taken(samples, self._order)
        return samples[:] if isinstance(samples, Rows) else samples


def _taken(samples: Samples, index: torch.Tensor) -> torch.Tensor:
    return samples[index] if isinstance(samples, Rows) else storage.taken(samples, index)


_LAST_BATCH = ("pad", "discard", "roll_over")


def _named(source: Any, default_name: str, part: str) -> Source:
    """(name, tensor) for each array of a source; NDArrays and tensors are shared, others copied."""
    if source is None:
        return []
    if isinstance(source, dict):
        pairs = sorted(source.items())
    elif isinstance(source, (list, tuple)):
        pairs = [(default_name if len(source) == 1 else f"_{i}_{default_name}", a) for i, a in enumerate(source)]
    else:
        pairs = [(default_name, source)]
    return [(name, _contiguous(value, f"{part} {name!r}")) for name, value in pairs]


def _contiguous(value: Any, where: str) -> Samples:
    rows = rows_of(value, where)
    if rows is not None:
        require(rows.dim(), f"NDArrayIter: {where} must have an axis of samples, got {value!r:.80}", InputError)
        return rows
    if isinstance(value, NDArray):
        require(value.stype != "row_sparse", f"NDArrayIter: {where} is row_sparse; use .tostype('default') or 'csr'",
                InputError)
        return value.as_torch().detach() if value.stype == "csr" else value.as_torch().detach().contiguous()
    if type(value).__module__.startswith("scipy.sparse"):
        require(len(value.shape) == 2, f"NDArrayIter: {where}: a sparse array must have two axes, got shape "
                f"{value.shape}", InputError)
        require(value.dtype.kind in "biuf", f"NDArrayIter: {where} must hold real numbers, got {value.dtype}",
                InputError)
        return array(value.astype(np.float32)).as_torch()
    if isinstance(value, torch.Tensor):
        tensor = value.detach().contiguous()
    else:
        try:
            tensor = torch.from_numpy(np.array(value, dtype=np.float32, order="C"))
        except (TypeError, ValueError):
            raise InputError(f"NDArrayIter: {where} must be an NDArray, a numpy array or a tensor, or a list or dict "
                             f"of them, got {value!r:.80}") from None
    require(tensor.dim(), f"NDArrayIter: {where} must have an axis of samples, got {value!r:.80}", InputError)
    return tensor
