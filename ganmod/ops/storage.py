"""Storage types: dense tensors, compressed rows (``csr``), and tensors most of whose rows are zero (``row_sparse``).

A csr tensor is torch's ``sparse_csr``; a row_sparse one is a coalesced ``sparse_coo`` with one sparse axis.
"""
from __future__ import annotations

import functools
import warnings
from typing import Any, Optional, Sequence

import torch
from torch import Tensor

from ..base import InputError, MXNetError, require

__all__ = ["storage_of", "is_sparse", "dense", "stored_as", "csr_tensor", "rows_tensor", "zeros", "write",
           "keep_private", "publish", "is_private", "places_of", "rows_of", "values_of", "with_values", "line_numbers",
           "joined", "lines", "part", "taken"]

_MARK = "ganmod_private"                # of a torch.UntypedStorage, which all views of its memory share
_NAMES = {torch.strided: "default", torch.sparse_csr: "csr", torch.sparse_coo: "row_sparse"}


def is_sparse(tensor: Tensor) -> bool:
    """Whether not every element is stored."""
    return tensor.layout is not torch.strided


def storage_of(tensor: Tensor) -> str:
    """``'default'``, ``'csr'`` or ``'row_sparse'``."""
    return _NAMES[tensor.layout]


def dense(tensor: Tensor) -> Tensor:
    """With every element stored; a dense tensor itself."""
    return tensor.to_dense() if is_sparse(tensor) else tensor


@functools.cache
def _accept_beta() -> None:
    """Torch warns once that its compressed rows are a beta; what is used of them here is tested here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        torch.zeros(1, 1).to_sparse_csr()


def csr_tensor(indptr: Tensor, indices: Tensor, values: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A csr tensor of its parts: where each row begins in the other two, columns, and values."""
    _accept_beta()
    indptr, indices, values = indptr.clone(), indices.clone(), values.clone()      # numpy's memory could not grow
    return torch.sparse_csr_tensor(indptr, indices, values, shape, check_invariants=True)


def csr_of_places(rows: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A csr tensor of values and their places, in any order; what falls on the same place is summed."""
    _accept_beta()
    places = torch.stack([rows, columns])
    return torch.sparse_coo_tensor(places, values, shape, check_invariants=True).coalesce().to_sparse_csr()


def rows_tensor(rows: Tensor, values: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A row_sparse tensor of its parts: ascending numbers of rows, and these rows."""
    return torch.sparse_coo_tensor(rows[None], values, shape, is_coalesced=True, check_invariants=True)


def zeros(stype: str, shape: tuple[int, ...], dtype: torch.dtype, device: Any) -> Tensor:
    """Zeros, none of which is stored but in the default storage.

    Raises
    ------
    InputError
        For an unknown storage type, or a csr tensor that has not two axes.
    """
    require(stype in _NAMES.values(), f"storage type {stype!r} is not known; expected one of "
            f"{', '.join(_NAMES.values())}", InputError)
    if stype == "default":
        return torch.zeros(shape, dtype=dtype, device=device)
    none = torch.zeros(0, dtype=torch.int64, device=device)
    if stype == "row_sparse":
        return rows_tensor(none, torch.zeros((0, *shape[1:]), dtype=dtype, device=device), shape)
    require(len(shape) == 2, f"a csr array has two axes, got the shape {shape}", InputError)
    begins = torch.zeros(shape[0] + 1, dtype=torch.int64, device=device)
    return csr_tensor(begins, none, torch.zeros(0, dtype=dtype, device=device), shape)


def stored_as(tensor: Tensor, stype: str) -> Tensor:
    """The tensor in another storage; in its own, itself.

    Raises
    ------
    MXNetError
        Between csr and row_sparse, as in MXNet.
    """
    present = storage_of(tensor)
    if present == stype:
        return tensor
    require("default" in (present, stype), f"cast_storage from {present} to {stype} is not supported; go through "
            "'default'")
    if stype == "default":
        return tensor.to_dense()
    if stype == "csr":
        require(tensor.dim() == 2, f"a csr array has two axes, got the shape {tuple(tensor.shape)}", MXNetError)
        _accept_beta()
        return tensor.to_sparse_csr()
    rows = tensor.reshape(len(tensor), -1).ne(0).any(1).nonzero()[:, 0]
    return rows_tensor(rows, tensor[rows], tuple(tensor.shape))


def write(target: Tensor, source: Tensor) -> None:
    """Write values, cast, into a tensor in place, whatever the storage of either."""
    stype = storage_of(target)
    if stype == "default":
        target.detach().copy_(dense(source))
        return
    source = stored_as(source if stype == storage_of(source) else dense(source), stype).to(target.device)
    if stype == "csr":
        target.resize_as_sparse_(source.to(target.dtype))
    target.copy_(source)


# --- who else has the memory -----------------------------------------------------------------------------------------

# Torch counts what is written to a tensor and its views, but not what numpy, other libraries and a few of its own
# functions write. Of memory that none of these has got from us, the count tells whether it has changed.

def keep_private(tensor: Tensor) -> Tensor:
    """Note that nobody else has a new dense tensor's memory, until :func:`publish`; returns the tensor."""
    if not is_sparse(tensor) and not tensor.is_inference():        # torch counts nothing there
        setattr(tensor.untyped_storage(), _MARK, True)
    return tensor


def publish(tensor: Tensor) -> Tensor:
    """Note that others have a tensor's memory from now on; returns the tensor."""
    if tensor.layout is torch.strided and getattr(memory := tensor.untyped_storage(), _MARK, False):
        setattr(memory, _MARK, False)
    return tensor


def is_private(tensor: Tensor) -> bool:
    """Whether a tensor's ``_version`` tells of everything that is written to it."""
    return tensor.layout is torch.strided and getattr(tensor.untyped_storage(), _MARK, False)


# --- the parts ---------------------------------------------------------------------------------------------------

def rows_of(tensor: Tensor) -> Tensor:
    """The numbers of the stored rows of a row_sparse tensor."""
    return tensor.indices()[0]


def places_of(tensor: Tensor) -> tuple[Tensor, ...]:
    """Where the stored values are: the numbers of rows, or the beginnings of rows and the columns."""
    return (rows_of(tensor),) if tensor.layout is torch.sparse_coo else (tensor.crow_indices(), tensor.col_indices())


def values_of(tensor: Tensor) -> Tensor:
    """What is stored."""
    return tensor.values()


def with_values(tensor: Tensor, values: Tensor) -> Tensor:
    """Other values in the same places."""
    if tensor.layout is torch.sparse_csr:
        return csr_tensor(tensor.crow_indices(), tensor.col_indices(), values, tuple(tensor.shape))
    return rows_tensor(rows_of(tensor), values, tuple(tensor.shape))


def line_numbers(tensor: Tensor) -> Tensor:
    """For each value of a csr tensor, its row."""
    begins = tensor.crow_indices()
    return torch.repeat_interleave(torch.arange(len(begins) - 1, device=begins.device), begins.diff())


def part(tensor: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """The elements from `start` to below `stop` along an axis: a view of a dense tensor, else a copy."""
    if tensor.layout is torch.sparse_csr and axis == 0:
        return lines(tensor, start, stop)
    return dense(tensor).narrow(axis, start, stop - start)


def joined(tensors: Sequence[Tensor]) -> Tensor:
    """Dense or csr tensors, one below the other."""
    if not is_sparse(tensors[0]):
        return torch.cat(list(tensors))
    counts = torch.cat([t.crow_indices().diff() for t in tensors])
    begins = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return csr_tensor(begins, torch.cat([t.col_indices() for t in tensors]), torch.cat([t.values() for t in tensors]),
                      (len(counts), tensors[0].shape[1]))


def taken(tensor: Tensor, rows: Tensor) -> Tensor:
    """The rows with these numbers, of a dense or csr tensor, as a copy in the same storage."""
    if not is_sparse(tensor):
        return tensor[rows]
    begins = tensor.crow_indices()
    counts = begins.diff()[rows]
    made = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    kept = torch.arange(int(made[-1])) + torch.repeat_interleave(begins[rows] - made[:-1], counts)
    return csr_tensor(made, tensor.col_indices()[kept], tensor.values()[kept], (len(rows), tensor.shape[1]))


def lines(tensor: Tensor, start: int, stop: Optional[int]) -> Tensor:
    """Rows from `start` to below `stop` of a csr tensor."""
    begin, end, _ = slice(start, stop).indices(tensor.shape[0])
    begins = tensor.crow_indices()[begin:max(end, begin) + 1]
    kept = slice(int(begins[0]), int(begins[-1]))
    return csr_tensor(begins - begins[0], tensor.col_indices()[kept].clone(), tensor.values()[kept].clone(),
                      (len(begins) - 1, tensor.shape[1]))
