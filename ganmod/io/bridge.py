"""Between torch's loaders and ours: either feeds what expects the other."""
from __future__ import annotations

from typing import Any, Iterable, Iterator, Optional, Sequence, Union

import numpy as np
import torch

from ..base import InputError, ShapeError, StateError, require, to_numpy_dtype, to_torch_dtype
from ..ndarray import NDArray
from .data import DataBatch, DataDesc
from .iterators import DataIter

__all__ = ["DataLoaderIter", "as_torch_dataset"]

Names = Union[str, Sequence[str]]
Parts = list[tuple[str, torch.Tensor]]                     # the arrays of a batch, by name

_LAST_BATCH = ("pad", "keep", "discard")


class DataLoaderIter(DataIter):
    """Batches of a ``torch.utils.data.DataLoader``, or of anything else that can be gone through again and again.

    The first batch is fetched at once, for the shapes; it is the first one that is given out.

    Parameters
    ----------
    loader : iterable
        Its batches are tuples or lists, data first and then labels; tensors, of data alone; or dicts. What it gives in
        place of a tensor may be a numpy array, an NDArray, a sequence of numbers, or again a tuple, list or dict of
        such. The first axis counts samples.
    data_name, label_name : str or sequence of str
        The names of the inputs. Of a tuple, as many as there are names of data are data, and the rest are labels; where
        there are more arrays than one name, they are called ``_0_label``, ``_1_label``, … Of a dict, what has one of
        these names is taken; where none has a name of data, all that is no label is data, under the names in the dict.
    dtype : dtype or str, optional
        Of all arrays; None leaves the loader's. An array that has it already shares memory with the loader's.
    last_batch_handle : {'pad', 'keep', 'discard'}
        What becomes of a batch that is smaller than the first: filled up from the beginning of the epoch (`pad` of the
        batch says by how many), kept as it is, or left out.

    Raises
    ------
    InputError
        If the loader gives no batch, or one of another kind.
    ShapeError
        If a batch is larger than the first one, or its arrays differ in how many samples they have.

    >>> data = torch.utils.data.TensorDataset(torch.arange(5.0), torch.arange(5))
    >>> it = DataLoaderIter(torch.utils.data.DataLoader(data, batch_size=2))
    >>> it.provide_data
    [DataDesc[data,(2,),<class 'numpy.float32'>,NCHW]]
    >>> [(batch.label[0].asnumpy().tolist(), batch.pad) for batch in it]
    [([0.0, 1.0], 0), ([2.0, 3.0], 0), ([4.0, 0.0], 1)]
    """

    def __init__(self, loader: Iterable[Any], data_name: Names = "data", label_name: Names = "softmax_label",
                 dtype: Any = "float32", last_batch_handle: str = "pad") -> None:
        require(last_batch_handle in _LAST_BATCH, f"DataLoaderIter: last_batch_handle must be one of "
                f"{', '.join(_LAST_BATCH)}, got {last_batch_handle!r}", InputError)
        self._loader, self._data_name, self._label_name = loader, data_name, label_name
        self._dtype = None if dtype is None else to_torch_dtype(dtype)
        self.last_batch_handle = last_batch_handle
        self._coming = iter(loader)
        first = next(self._coming, None)
        require(first is not None, "DataLoaderIter: the loader gives no batch", InputError)
        self._waiting: Optional[tuple[Parts, Parts]] = self._taken_apart(first)
        self._begin = self._waiting                        # what fills up the last batch of the epoch
        self._batch: Optional[DataBatch] = None
        super().__init__(len(self._begin[0][0][1]))
        self.provide_data, self.provide_label = map(_described, self._begin)

    def reset(self) -> None:
        """Begin the next epoch; nothing to do before the first batch was taken."""
        self._batch = None
        if self._waiting is not None:
            return
        self._coming = iter(self._loader)
        first = next(self._coming, None)
        require(first is not None, "DataLoaderIter: the loader gives no batch in a second epoch; it must be something "
                "that can be gone through again, such as a DataLoader", StateError)
        self._begin = self._waiting = self._taken_apart(first)

    def iter_next(self) -> bool:
        """Move to the next batch; False at the end."""
        found, self._waiting, self._batch = self._waiting, None, None
        while found is None:
            batch = next(self._coming, None)
            if batch is None:
                return False
            found = self._taken_apart(batch)
            if len(found[0][0][1]) < self.batch_size and self.last_batch_handle == "discard":
                found = None
        self._batch = self._made(*found)
        if found is self._begin and self.last_batch_handle == "pad":   # a program may change what it was given
            self._begin = tuple([(n, t.clone()) for n, t in parts] for parts in found)  # type: ignore[assignment]
        return True

    def _made(self, data: Parts, labels: Parts) -> DataBatch:
        """The batch of its parts, all of which must fit the first batch."""
        size = len(data[0][1])
        pad = self.batch_size - size
        require(pad >= 0, f"DataLoaderIter: a batch of {size} samples is larger than the first one, of "
                f"{self.batch_size}", ShapeError)
        arrays = []
        for parts, first, provided in zip((data, labels), self._begin, (self.provide_data, self.provide_label)):
            expected, got = [(d.name, d.shape[1:]) for d in provided], [(n, tuple(t.shape[1:])) for n, t in parts]
            require(expected == got, f"DataLoaderIter: a batch has samples {got}, the first one had {expected}",
                    ShapeError)
            fill = pad and self.last_batch_handle == "pad"
            arrays.append([NDArray(torch.cat([tensor, begin[:pad]]) if fill else tensor)
                           for (_, tensor), (_, begin) in zip(parts, first)])
        if pad and self.last_batch_handle == "keep":
            return DataBatch(arrays[0], arrays[1], 0, provide_data=_described(data), provide_label=_described(labels))
        return DataBatch(arrays[0], arrays[1], pad)

    def next(self) -> DataBatch:
        """The next batch."""
        if not self.iter_next():
            raise StopIteration
        return self._current()

    def _current(self) -> DataBatch:
        require(self._batch is not None, "DataLoaderIter: there is no current batch; call next() or iter_next() first",
                StateError)
        return self._batch  # type: ignore[return-value]

    def getdata(self) -> Any:
        """The inputs of the current batch."""
        return self._current().data

    def getlabel(self) -> Any:
        """The labels of the current batch; an empty list where there are none."""
        return self._current().label

    def getpad(self) -> Optional[int]:
        """How many samples at the end of the current batch only fill it up."""
        return self._current().pad

    # --- a batch of the loader ---------------------------------------------------------------------------------------

    def _taken_apart(self, batch: Any) -> tuple[Parts, Parts]:
        """Data and labels by name."""
        if isinstance(batch, dict):
            labels = {name: batch[name] for name in _names(self._label_name) if name in batch}
            data = ({name: batch[name] for name in _names(self._data_name) if name in batch}
                    or {name: value for name, value in batch.items() if name not in labels})
            parts = self._parts(data, "data"), self._parts(labels, "label")
        elif isinstance(batch, (tuple, list)):
            count = 1 if isinstance(self._data_name, str) else len(self._data_name)
            parts = self._parts(batch[:count], self._data_name), self._parts(batch[count:], self._label_name)
        else:
            parts = self._parts([batch], self._data_name), []
        require(parts[0], f"DataLoaderIter: a batch has no data: {type(batch).__name__}", InputError)
        sizes = {name: len(tensor) for name, tensor in parts[0] + parts[1]}
        require(len(set(sizes.values())) == 1 and 0 not in sizes.values(), "DataLoaderIter: the arrays of a batch must "
                f"have as many samples each, one at least, got {sizes}", ShapeError)
        return parts

    def _parts(self, value: Any, names: Names) -> Parts:
        leaves = list(_leaves(value, ""))
        wanted = _names(names)
        if isinstance(names, str) and len(leaves) > 1:
            wanted = [f"_{k}_{names}" for k in range(len(leaves))]
        elif len(leaves) != len(wanted) and not isinstance(value, dict) and leaves:
            raise InputError(f"DataLoaderIter: there are {len(leaves)} arrays for the names {', '.join(wanted)}")
        given = [own or name for (own, _), name in zip(leaves, wanted + [""] * len(leaves))]
        return [(name, self._tensor(leaf, name)) for name, (_, leaf) in zip(given, leaves)]

    def _tensor(self, value: Any, name: str) -> torch.Tensor:
        try:
            tensor = value.as_torch() if isinstance(value, NDArray) else torch.as_tensor(
                value if isinstance(value, torch.Tensor) else np.asarray(value)).detach()
            require(tensor.dim(), "it has no axis of samples", TypeError)
            return tensor.to(self._dtype or to_torch_dtype(tensor.dtype))
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(f"DataLoaderIter: {name!r} of a batch must be a tensor or an array of numbers, got "
                             f"{type(value).__name__} ({error})") from None


def _names(names: Names) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The arrays of nested tuples, lists and dicts, with the name that a dict gives."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, str(key))
    elif isinstance(value, (tuple, list)) and not all(isinstance(item, (int, float, bool)) for item in value):
        for item in value:
            yield from _leaves(item, name)
    elif not isinstance(value, (tuple, list)) or value:
        yield name, value


def _described(parts: Parts) -> list[DataDesc]:
    return [DataDesc(name, tuple(tensor.shape), to_numpy_dtype(tensor.dtype)) for name, tensor in parts]


# --- the other way -----------------------------------------------------------------------------------------------

class _Batches(torch.utils.data.IterableDataset):

    def __init__(self, it: DataIter, samples: bool) -> None:
        self._it, self._samples = it, samples

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:
        require(torch.utils.data.get_worker_info() is None, "as_torch_dataset(): an iterator does not work in several "
                "processes, each of which would give all of it; use num_workers=0: it may well have threads of its "
                "own", StateError)
        self._it.reset()
        for batch in self._it:
            tensors = tuple(self._tensors(batch))
            if self._samples:
                yield from zip(*tensors)
            else:
                yield tensors

    def _tensors(self, batch: DataBatch) -> Iterator[torch.Tensor]:
        rolls = getattr(self._it, "last_batch_handle", None) == "roll_over"
        pad = 0 if rolls else batch.pad or 0               # there it counts samples left over from the epoch before
        for arrays, provided in ((batch.data, self._it.provide_data), (batch.label, self._it.provide_label)):
            for array, described in zip(arrays or (), provided or ()):
                tensor = array.as_torch()
                axis = max(0, DataDesc.get_batch_axis(getattr(described, "layout", None)))
                tensor = tensor.narrow(axis, 0, max(0, tensor.shape[axis] - pad)) if pad else tensor
                yield tensor.movedim(axis, 0) if self._samples else tensor


def as_torch_dataset(it: DataIter, samples: bool = False) -> "torch.utils.data.IterableDataset[Any]":
    """The batches of an iterator as an iterable data set of torch: tuples of tensors, data first and then labels.

    What only fills the last batch up is cut off. Each pass begins with ``it.reset()``.

    Parameters
    ----------
    it : DataIter
    samples : bool
        Whether to give single samples, for a ``DataLoader`` to put together; otherwise the batches as they are, which
        a ``DataLoader`` with ``batch_size=None`` passes on.

    Raises
    ------
    InputError
        If `it` is no DataIter.
    StateError
        When it is used in the worker processes of a ``DataLoader``.

    >>> import ganmod as mx
    >>> it = mx.io.NDArrayIter(mx.nd.arange(5), mx.nd.ones((5,)), batch_size=2)
    >>> [data.tolist() for data, label in as_torch_dataset(it)]
    [[0.0, 1.0], [2.0, 3.0], [4.0]]
    """
    require(isinstance(it, DataIter), f"as_torch_dataset() takes a DataIter, got {type(it).__name__}", InputError)
    return _Batches(it, samples)
