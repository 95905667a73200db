"""``DataDesc`` and ``DataBatch``: what an iterator promises, and what it gives."""
from __future__ import annotations

from typing import Any, NamedTuple, Optional, Sequence

import numpy as np

from ..base import InputError, require
from ..ndarray import NDArray

__all__ = ["DataDesc", "DataBatch"]


class _NameAndShape(NamedTuple):
    name: str
    shape: tuple[int, ...]


class DataDesc(_NameAndShape):
    """Name, shape, dtype and layout of one input; as a tuple it is ``(name, shape)`` and equal to one.

    Parameters
    ----------
    name : str
        The argument of the symbol that takes this input.
    shape : tuple of int
        Its shape, the batch axis included.
    dtype : numpy dtype or str
        The type of its elements.
    layout : str
        One letter for each axis; ``N`` marks the batch axis. None and ``'NCHW'`` both mean the first axis.

    >>> DataDesc("data", (8, 3)) == ("data", (8, 3))
    True
    """

    dtype: Any
    layout: Optional[str]

    def __new__(cls, name: str, shape: Sequence[int], dtype: Any = np.float32,
                layout: Optional[str] = "NCHW") -> "DataDesc":
        desc = super().__new__(cls, name, shape)  # type: ignore[arg-type]
        desc.dtype, desc.layout = dtype, layout
        return desc

    def __repr__(self) -> str:
        return f"DataDesc[{self.name},{self.shape},{self.dtype},{self.layout}]"

    @staticmethod
    def get_batch_axis(layout: Optional[str]) -> int:
        """The axis that counts samples: 0 for None, -1 where the layout has no ``N``.

        >>> DataDesc.get_batch_axis("TNC")
        1
        """
        return 0 if layout is None else layout.find("N")

    @staticmethod
    def get_list(shapes: Sequence[tuple[str, Sequence[int]]],
                 types: Optional[Sequence[tuple[str, Any]]]) -> list["DataDesc"]:
        """Descriptions from ``(name, shape)`` pairs and, unless `types` is None, ``(name, dtype)`` pairs.

        >>> DataDesc.get_list([("data", (8, 3))], [("data", "float16")])
        [DataDesc[data,(8, 3),float16,NCHW]]
        """
        if types is None:
            return [DataDesc(name, tuple(shape)) for name, shape in shapes]
        known = dict(types)
        return [DataDesc(name, tuple(shape), known[name]) for name, shape in shapes]


class DataBatch:
    """One batch.

    Parameters
    ----------
    data : list of NDArray
        One array for each entry of the iterator's ``provide_data``.
    label : list of NDArray, optional
        One array for each entry of ``provide_label``.
    pad : int, optional
        How many samples at the end only fill the batch up.
    index : array, optional
        The numbers of the samples in their source.
    bucket_key : optional
        Which network of a :class:`BucketingModule` this batch is for.
    provide_data, provide_label : list of DataDesc, optional
        Given where they differ from batch to batch.

    Raises
    ------
    InputError
        Where data or label is a single array in place of a list.

    >>> import ganmod as mx
    >>> print(DataBatch([mx.nd.ones((8, 3))], [mx.nd.ones((8,))]))
    DataBatch: data shapes: [(8, 3)] label shapes: [(8,)]
    """

    def __init__(self, data: Optional[Sequence[NDArray]], label: Optional[Sequence[NDArray]] = None,
                 pad: Optional[int] = None, index: Any = None, bucket_key: Any = None,
                 provide_data: Optional[Sequence[Any]] = None, provide_label: Optional[Sequence[Any]] = None) -> None:
        for part, value in (("data", data), ("label", label)):
            require(value is None or isinstance(value, (list, tuple)),
                    f"DataBatch: {part} must be a list of NDArrays, got {type(value).__name__}", InputError)
        self.data, self.label, self.pad, self.index = data, label, pad, index
        self.bucket_key, self.provide_data, self.provide_label = bucket_key, provide_data, provide_label

    def __str__(self) -> str:
        shapes = [[a.shape for a in arrays] if arrays else None for arrays in (self.data, self.label)]
        return f"{type(self).__name__}: data shapes: {shapes[0]} label shapes: {shapes[1]}"

    __repr__ = __str__
