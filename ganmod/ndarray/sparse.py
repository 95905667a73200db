"""``mx.nd.sparse``: arrays in compressed rows, arrays most of whose rows are zero, and their operators."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Optional, Sequence

import numpy as np
import torch

from ..base import InputError, MXNetError, numeric_types, require, to_torch_dtype
from ..context import Context
from ..ops import storage
from . import creation
from .arithmetic import add, divide, multiply, subtract
from .ndarray import _CLASSES, NDArray, array_of, as_tensor

__all__ = ["BaseSparseNDArray", "CSRNDArray", "RowSparseNDArray", "csr_matrix", "row_sparse_array", "zeros", "empty",
           "array", "add", "subtract", "multiply", "divide"]

if TYPE_CHECKING:
    def __getattr__(name: str) -> Any:
        """The operators, which are filled in by the package."""


class BaseSparseNDArray(NDArray):
    """What sparse arrays share: a handle on a sparse torch tensor, which changes as a whole."""

    __slots__ = ()

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.shape))
        return f"\n<{type(self).__name__} {shape} @{self.context}>"

    @property
    def size(self) -> int:
        """Not defined, as in MXNet: neither the number of elements nor that of stored ones is the size."""
        raise NotImplementedError(f"a {type(self).__name__} has no size; its shape is {self.shape}")

    @property
    def data(self) -> NDArray:
        """A copy of the stored values."""
        return NDArray(storage.values_of(self._tensor).clone(), self._ctx)

    def asnumpy(self) -> np.ndarray[Any, Any]:
        """A copy as a numpy array, zeros included."""
        return NDArray(self._tensor.to_dense()).asnumpy()

    def as_nd_ndarray(self) -> NDArray:
        """This array."""
        return self

    def copy(self) -> NDArray:
        """A copy on the same context."""
        return array_of(self._tensor.clone(), self._ctx)

    def reshape(self, *shape: Any, **kwargs: Any) -> NDArray:
        """Not defined, as in MXNet; ``tostype('default')`` gives an array that can be reshaped."""
        raise MXNetError(f"a {type(self).__name__} cannot be reshaped; use .tostype('default')")

    @property
    def T(self) -> NDArray:  # noqa: N802
        """A dense copy with the axes reversed."""
        return self.tostype("default").T

    def __bool__(self) -> bool:
        raise ValueError("The truth value of a sparse NDArray is ambiguous.")

    def __setitem__(self, key: Any, value: Any) -> None:
        """``a[:] = other`` with an array, cast to this one's storage and dtype; of rows, also with a number."""
        if not (isinstance(key, slice) and key == slice(None)):
            raise ValueError(f"a {type(self).__name__} is assigned as a whole, by a[:] = other; got the key {key!r}")
        if self.stype == "row_sparse" and isinstance(value, numeric_types):
            value = torch.full(self.shape, float(value), dtype=self._tensor.dtype)
        source = as_tensor(value, self._tensor)
        require(source.shape == self._tensor.shape, f"assignment: this array has shape {self.shape}, the other "
                f"{tuple(source.shape)}", InputError)
        storage.write(self._tensor, source)

    def check_format(self, full_check: bool = True) -> None:
        """Raise MXNetError where the parts of the array contradict each other."""
        try:
            _MAKERS[self.stype](*self._parts())
        except RuntimeError as error:
            raise MXNetError(f"{type(self).__name__}: {error}") from error

    def _parts(self) -> tuple[Any, ...]:
        raise NotImplementedError(f"{type(self).__name__} does not define _parts()")

    def __reduce__(self) -> Any:
        return _rebuilt, (self.stype, *(part.cpu() if isinstance(part, torch.Tensor) else part
                                        for part in self._parts()), self.context)


class CSRNDArray(BaseSparseNDArray):
    """A matrix in compressed rows: ``data[indptr[i]:indptr[i + 1]]`` is stored of row ``i``, in the columns `indices`.

    >>> import ganmod as mx
    >>> a = mx.nd.array([[0, 2], [3, 0]]).tostype('csr')
    >>> a.indptr.asnumpy().tolist(), a.indices.asnumpy().tolist(), a[1:2].asnumpy().tolist()
    ([0, 1, 2], [1, 0], [[3.0, 0.0]])
    """

    __slots__ = ()

    @property
    def indices(self) -> NDArray:
        """A copy of the columns of the stored values, int64."""
        return NDArray(self._tensor.col_indices().to(torch.int64, copy=True), self._ctx)

    @property
    def indptr(self) -> NDArray:
        """A copy of where each row begins, and the end, int64."""
        return NDArray(self._tensor.crow_indices().to(torch.int64, copy=True), self._ctx)

    def _parts(self) -> tuple[Any, ...]:
        t = self._tensor
        return t.crow_indices(), t.col_indices(), storage.values_of(t), self.shape

    def asscipy(self) -> Any:
        """A copy as ``scipy.sparse.csr_matrix``."""
        import scipy.sparse
        begins, columns, values, shape = self._parts()
        return scipy.sparse.csr_matrix((values.cpu().numpy(), columns.cpu().numpy(), begins.cpu().numpy()), shape,
                                       copy=True)

    def __getitem__(self, key: Any) -> NDArray:
        """A row, as an array of one row, or rows ``a[i:j]``: copies, compressed too."""
        rows = self.shape[0]
        if isinstance(key, (int, np.integer)):
            require(-rows <= key < rows, f"row {key} of an array of {rows} rows", IndexError)
            key = slice(key % rows, key % rows + 1)
        if not isinstance(key, slice) or key.step not in (None, 1):
            raise ValueError(f"a CSRNDArray takes a row number or a slice of rows, got {key!r}")
        return array_of(storage.lines(self._tensor, *key.indices(rows)[:2]), self._ctx)


class RowSparseNDArray(BaseSparseNDArray):
    """An array of which only some rows, those at `indices`, are stored; the others are zero.

    >>> import ganmod as mx
    >>> a = mx.nd.sparse.row_sparse_array(([[1, 2]], [1]), shape=(3, 2))
    >>> a.indices.asnumpy().tolist(), a.asnumpy().tolist()
    ([1], [[0.0, 0.0], [1.0, 2.0], [0.0, 0.0]])
    """

    __slots__ = ()

    @property
    def indices(self) -> NDArray:
        """A copy of the numbers of the stored rows, ascending, int64."""
        return NDArray(storage.rows_of(self._tensor).clone(), self._ctx)

    def _parts(self) -> tuple[Any, ...]:
        return storage.rows_of(self._tensor), storage.values_of(self._tensor), self.shape

    def retain(self, indices: NDArray) -> NDArray:
        """A copy with the named rows only."""
        return self._applied("_sparse_retain", [self, indices], {})

    def __getitem__(self, key: Any) -> NDArray:
        """``a[:]``, a copy; other parts only of ``a.tostype('default')``."""
        if not (isinstance(key, slice) and key == slice(None)):
            raise ValueError(f"a RowSparseNDArray supports a[:] only, got the key {key!r}; use .tostype('default')")
        return self.copy()


_MAKERS: dict[str, Callable[..., torch.Tensor]] = {"csr": storage.csr_tensor, "row_sparse": storage.rows_tensor}
_CLASSES.update({torch.sparse_csr: CSRNDArray, torch.sparse_coo: RowSparseNDArray})


def _rebuilt(stype: str, *parts: Any) -> NDArray:
    """What unpickling calls."""
    *tensors, ctx = parts
    return array_of(_MAKERS[stype](*tensors)).copyto(ctx)


# --- making them -------------------------------------------------------------------------------------------------

def csr_matrix(arg1: Any, shape: Optional[Sequence[int]] = None, ctx: Any = None, dtype: Any = None) -> NDArray:
    """A matrix in compressed rows.

    Parameters
    ----------
    arg1 : tuple, array or scipy.sparse matrix
        ``(data, indices, indptr)``; ``(data, (row, column))``, summed where a place is named twice; a shape ``(M, N)``,
        for zeros; or a matrix to compress.
    shape : tuple of int, optional
        By default what the parts need.
    ctx, dtype
        As in :func:`ganmod.nd.array`.

    Raises
    ------
    InputError
        For parts that do not fit together.

    >>> csr_matrix(([1, 2, 3], [0, 2, 1], [0, 2, 2, 3])).asnumpy().tolist()
    [[1.0, 0.0, 2.0], [0.0, 0.0, 0.0], [0.0, 3.0, 0.0]]
    """
    if not isinstance(arg1, tuple):
        return array(arg1, ctx, dtype).tostype("csr")
    if len(arg1) == 2 and not isinstance(arg1[1], (tuple, list)):
        return zeros("csr", arg1, ctx, dtype)
    context = creation.as_context(ctx)
    if len(arg1) == 2 and len(arg1[1]) == 2:
        values, (rows, columns) = _values(arg1[0], dtype), map(_whole, arg1[1])
        require(shape or len(rows) == len(columns) > 0, f"csr_matrix(): {len(rows)} rows and {len(columns)} columns "
                "tell no shape; expected one of each for every value, or a shape", InputError)
        size = tuple(shape or (int(rows.max()) + 1, int(columns.max()) + 1))
        make: Callable[..., torch.Tensor] = storage.csr_of_places
        parts = rows, columns, values
    elif len(arg1) == 3:
        values, columns, begins = _values(arg1[0], dtype), _whole(arg1[1]), _whole(arg1[2])
        size = tuple(shape or (len(begins) - 1, int(columns.max()) + 1 if len(columns) else 0))
        make, parts = storage.csr_tensor, (begins, columns, values)
    else:
        raise InputError(f"csr_matrix() takes (data, indices, indptr), (data, (row, column)) or (M, N), got a tuple of "
                         f"{len(arg1)}")
    first, second, third = (part.to(context.device) for part in parts)
    return _checked(lambda: make(first, second, third, size), context)


def row_sparse_array(arg1: Any, shape: Optional[Sequence[int]] = None, ctx: Any = None, dtype: Any = None) -> NDArray:
    """An array of which only some rows are stored.

    Parameters
    ----------
    arg1 : tuple or array
        ``(data, indices)``, rows and their numbers; a shape, for zeros; or an array whose zero rows are left out.
    shape : tuple of int, optional
        By default as many rows as the largest number needs.
    ctx, dtype
        As in :func:`ganmod.nd.array`.

    Raises
    ------
    InputError
        For parts that do not fit together.
    """
    if not isinstance(arg1, tuple):
        return array(arg1, ctx, dtype).tostype("row_sparse")
    if len(arg1) != 2 or isinstance(arg1[1], (int, np.integer)):
        return zeros("row_sparse", arg1, ctx, dtype)
    context = creation.as_context(ctx)
    values, rows = _values(arg1[0], dtype), _whole(arg1[1])
    size = tuple(shape or (int(rows.max()) + 1 if len(rows) else 0, *values.shape[1:]))
    rows, order = rows.sort(stable=True)
    doubled = bool((rows.diff() == 0).any())
    if len(rows) != len(values) or doubled or len(rows) and not 0 <= int(rows[0]) <= int(rows[-1]) < size[0]:
        raise InputError(f"row_sparse_array(): {len(values)} rows with the numbers {rows.tolist()[:9]} do not fit the "
                         f"shape {size}; expected as many different numbers below {size[0]}")
    return _checked(lambda: storage.rows_tensor(rows.to(context.device), values[order].to(context.device), size),
                    context)


def _checked(make: Any, ctx: Context) -> NDArray:
    try:
        return array_of(make(), ctx)
    except RuntimeError as error:
        raise InputError(f"the parts of a sparse array do not fit together: {error}") from error


def _whole(numbers: Any) -> torch.Tensor:
    return as_tensor(numbers, torch.empty(0)).to(torch.int64).reshape(-1)


def _values(values: Any, dtype: Any) -> torch.Tensor:
    given = values.as_torch() if isinstance(values, NDArray) else as_tensor(values, torch.empty(0))
    keep = dtype is None and isinstance(values, NDArray)
    return given.detach().to(given.dtype if keep else to_torch_dtype(dtype), copy=True)


def zeros(stype: str, shape: Any, ctx: Any = None, dtype: Any = None, **kwargs: Any) -> NDArray:
    """An array of zeros in a storage type; of a sparse one nothing is stored.

    >>> zeros('row_sparse', (3, 2)).data.shape
    (0, 2)
    """
    return creation.zeros(shape, ctx, dtype, stype, **kwargs)


def empty(stype: str, shape: Any, ctx: Any = None, dtype: Any = None) -> NDArray:
    """As :func:`zeros`: nothing is stored."""
    return zeros(stype, shape, ctx, dtype)


def array(source_array: Any, ctx: Any = None, dtype: Any = None) -> NDArray:
    """A new array in the storage of its source: a sparse NDArray or scipy matrix stays sparse.

    Parameters
    ----------
    source_array : NDArray, scipy.sparse matrix or array-like
    ctx, dtype
        As in :func:`ganmod.nd.array`; a numpy array keeps its dtype.
    """
    if dtype is None and isinstance(source_array, np.ndarray):
        dtype = source_array.dtype
    return creation.array(source_array, ctx, dtype)
