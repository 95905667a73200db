"""Samples that stay where they are until a batch asks for them: in a file of h5py."""
from __future__ import annotations

import sys
from typing import Any, Optional, Union

import numpy as np
import torch

from ..base import InputError, StateError, require

__all__ = ["Rows", "rows_of"]


class Rows:
    """Samples along the first axis; an index gives a tensor of them, float32.

    It has the `shape`, `dtype` and ``len()`` of the tensor of all of them.
    """

    dtype = torch.float32

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def __len__(self) -> int:
        return self.shape[0]

    def dim(self) -> int:
        """How many axes there are."""
        return len(self.shape)

    def __getitem__(self, index: Union[slice, torch.Tensor]) -> torch.Tensor:
        values = self.values(index if isinstance(index, slice) else index.numpy())
        return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))

    def values(self, index: Union[slice, np.ndarray]) -> Any:
        """Some of the samples, as a numpy array of any type."""
        raise NotImplementedError(f"{type(self).__name__} must define values()")


class _Dataset(Rows):

    def __init__(self, dataset: Any) -> None:
        super().__init__(dataset.shape)
        self._dataset = dataset

    def values(self, index: Union[slice, np.ndarray]) -> Any:
        require(self._dataset, "NDArrayIter: the file of the h5py dataset was closed meanwhile", StateError)
        if isinstance(index, slice):
            return self._dataset[index]
        wanted, places = np.unique(index, return_inverse=True)  # it takes each index once, in rising order
        return self._dataset[wanted][places]


def rows_of(value: Any, where: str) -> Optional[Rows]:
    """The samples of an h5py dataset; None if it is something else.

    Raises
    ------
    InputError
        If what it holds are not real numbers.
    """
    h5py = sys.modules.get("h5py")                         # loaded by whoever made the value
    if h5py is None or not isinstance(value, h5py.Dataset):
        return None
    require(value.dtype.kind in "biuf", f"NDArrayIter: {where} must hold real numbers, got {value.dtype}", InputError)
    return _Dataset(value)
