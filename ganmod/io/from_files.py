"""What the iterators over files share: the current batch, and the checks of their settings."""
from __future__ import annotations

from typing import Any, Optional, Sequence, Union

import numpy as np
import torch

from ..base import InputError, StateError, require, to_numpy_dtype, to_torch_dtype
from ..ndarray import NDArray
from ..ndarray.ndarray import array_of
from .data import DataDesc
from .iterators import DataIter

__all__ = ["FileIter", "shape_of", "check_settings"]


class FileIter(DataIter):
    """Base of the iterators over files: one array of data and one of labels.

    A subclass defines :meth:`load`, which gives both and the pad and the sample numbers, or None at the end.
    """

    def __init__(self, batch_size: int, data_shape: Sequence[int], label_shape: Sequence[int], dtype: Any = None,
                 label_dtype: Any = None, data_name: str = "data", label_name: str = "softmax_label") -> None:
        check_settings(type(self).__name__, batch_size)
        super().__init__(batch_size)
        self._dtype, self._label_dtype = to_torch_dtype(dtype), to_torch_dtype(label_dtype)
        self.provide_data = [DataDesc(data_name, (batch_size, *data_shape), to_numpy_dtype(self._dtype))]
        self.provide_label = [DataDesc(label_name, (batch_size, *label_shape), to_numpy_dtype(self._label_dtype))]
        self._batch: Optional[tuple[torch.Tensor, torch.Tensor, int, np.ndarray]] = None

    def load(self) -> Optional[tuple[torch.Tensor, torch.Tensor, int, np.ndarray]]:
        """Data, labels, pad and sample numbers of the next batch; None at the end."""
        raise NotImplementedError(f"{type(self).__name__} must define load()")

    def reset(self) -> None:
        """Begin the next epoch."""
        self._batch = None

    def iter_next(self) -> bool:
        """Move to the next batch; False at the end."""
        self._batch = self.load()
        return self._batch is not None

    def _current(self) -> tuple[torch.Tensor, torch.Tensor, int, np.ndarray]:
        if self._batch is None:
            raise StateError(f"{type(self).__name__}: there is no current batch; call next() or iter_next() first")
        return self._batch

    def getdata(self) -> list[NDArray]:
        """The inputs of the current batch."""
        return [array_of(self._current()[0])]

    def getlabel(self) -> list[NDArray]:
        """The labels of the current batch."""
        return [array_of(self._current()[1])]

    def getpad(self) -> int:
        """How many samples at the end of the current batch only fill it up."""
        return self._current()[2]

    def getindex(self) -> np.ndarray:
        """The numbers of the current batch's samples in the file, uint64."""
        return self._current()[3].astype(np.uint64)


def shape_of(call: str, name: str, value: Union[int, Sequence[int]]) -> tuple[int, ...]:
    """A shape of one sample: positive sizes, or one of them.

    Raises
    ------
    InputError
        For anything else.
    """
    shape = (value,) if isinstance(value, (int, np.integer)) else value
    good = isinstance(shape, (tuple, list)) and shape and all(isinstance(s, (int, np.integer)) and s > 0 for s in shape)
    require(good, f"{call}: {name} must be the shape of one sample, sizes above 0, got {value!r}", InputError)
    return tuple(int(size) for size in shape)


def check_settings(call: str, batch_size: int = 1, num_parts: int = 1, part_index: int = 0) -> None:
    """Raise InputError for a batch size or a part that cannot be."""
    for name, value, least in (("batch_size", batch_size, 1), ("num_parts", num_parts, 1),
                               ("part_index", part_index, 0)):
        require(isinstance(value, (int, np.integer)) and value >= least,
                f"{call}: {name} must be an int, {least} or more, got {value!r}", InputError)
    require(part_index < num_parts, f"{call}: part_index must be below num_parts, {num_parts}, got {part_index}",
            InputError)
