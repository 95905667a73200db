"""Random sparse arrays."""
from __future__ import annotations

from typing import Any, Callable, Optional

import numpy as np

from ..base import InputError
from ..context import Context
from ..ndarray import NDArray, array
from .comparing import default_dtype

Shape = tuple[int, ...]


def rand_sparse_ndarray(shape: Shape, stype: str, density: Optional[float] = None, dtype: Any = None,
                        distribution: Optional[str] = None, data_init: Optional[float] = None, rsp_indices: Any = None,
                        modifier_func: Optional[Callable[[Any], Any]] = None, shuffle_csr_indices: bool = False,
                        ctx: Optional[Context] = None) -> tuple[NDArray, tuple[Any, ...]]:
    """A sparse array, and its parts.

    Parameters
    ----------
    shape : tuple of int
        Two axes for ``'csr'``.
    stype : str
        ``'row_sparse'``: whole rows are zero; the parts are the other rows and their numbers. ``'csr'``: elements are;
        the parts are where the rows begin, the columns and the values.
    density : float, optional
        The share of the rows or elements that are not zero, on average; a random one by default.
    dtype : dtype
        Of the values; float32 by default.
    distribution : str
        ``'uniform'``, from 0 to 1, the default and the only one.
    data_init : float, optional
        The value of all that is not zero, in place of random ones.
    rsp_indices : array of int, optional
        The rows that are not zero.
    modifier_func : function, optional
        Applied to each value.
    shuffle_csr_indices : bool
        Has no effect: the columns of a row are in ascending order.
    ctx : Context, optional
        Where the array lives.
    """
    if stype not in ("row_sparse", "csr") or stype == "csr" and len(shape) != 2:
        raise InputError(f"rand_sparse_ndarray() got stype {stype!r} and the shape {shape}; expected 'row_sparse', or "
                         "'csr' and two axes")
    if distribution not in (None, "uniform"):
        raise InputError(f"rand_sparse_ndarray() got the distribution {distribution!r}; expected 'uniform'")
    kept = _chosen(shape, stype, np.random.rand() if density is None else density, rsp_indices)
    dtype = default_dtype() if dtype is None else dtype
    values = np.random.rand(*shape) if data_init is None else np.full(shape, data_init)
    if modifier_func is not None:
        values = np.vectorize(modifier_func, otypes=[np.float64])(values)
    dense = np.where(kept.reshape(kept.shape + (1,) * (len(shape) - kept.ndim)), values, 0).astype(dtype)
    made = array(dense, ctx=ctx, dtype=dtype).tostype(stype)
    if stype == "row_sparse":
        return made, (dense[kept], np.flatnonzero(kept))
    starts = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
    return made, (array(starts, dtype="int64"), array(np.nonzero(kept)[1], dtype="int64"),
                  array(dense[kept], ctx=ctx, dtype=dtype))


def _chosen(shape: Shape, stype: str, density: float, rows: Any) -> np.ndarray:
    """Which rows, or elements, are not zero."""
    if not 0 <= density <= 1:
        raise InputError(f"the density is {density}; expected 0 to 1")
    if stype == "csr":
        return np.random.rand(*shape) < density
    if rows is None:
        return np.random.rand(shape[0]) < density
    kept = np.zeros(shape[0], bool)
    kept[np.asarray(rows, np.int64)] = True
    return kept


def create_sparse_array(shape: Shape, stype: str, data_init: Optional[float] = None, rsp_indices: Any = None,
                        dtype: Any = None, modifier_func: Optional[Callable[[Any], Any]] = None, density: float = 0.5,
                        shuffle_csr_indices: bool = False) -> NDArray:
    """The array of :func:`rand_sparse_ndarray`.

    >>> create_sparse_array((3, 2), "row_sparse", data_init=2.0, rsp_indices=[1]).asnumpy().tolist()
    [[0.0, 0.0], [2.0, 2.0], [0.0, 0.0]]
    """
    return rand_sparse_ndarray(shape, stype, density, dtype, None, data_init, rsp_indices, modifier_func)[0]


def create_sparse_array_zd(shape: Shape, stype: str, density: float, data_init: Optional[float] = None,
                           rsp_indices: Any = None, dtype: Any = None,
                           modifier_func: Optional[Callable[[Any], Any]] = None,
                           shuffle_csr_indices: bool = False) -> NDArray:
    """:func:`create_sparse_array`; with the density 0, `rsp_indices` do not count."""
    return create_sparse_array(shape, stype, data_init, rsp_indices if density else None, dtype, modifier_func, density)


def shuffle_csr_column_indices(csr: Any) -> None:
    """Put the columns of each row of a scipy csr matrix in a random order, in place; the matrix stays the same."""
    for start, stop in zip(csr.indptr, csr.indptr[1:]):
        order = start + np.random.permutation(int(stop - start))
        csr.indices[start:stop], csr.data[start:stop] = csr.indices[order], csr.data[order]
