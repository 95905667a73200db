"""What operators do with sparse tensors without making them dense; everything else is computed from dense copies."""
from __future__ import annotations

from typing import Any, Literal, Optional, Sequence

import torch
from torch import Tensor

from . import activation, arithmetic, contrib, elemwise, joining, matrix, reduce, slicing, update, update_adaptive  # noqa: F401  fill the table
from .registry import Params, elementwise, find, operator
from .storage import (
    csr_tensor,
    dense,
    is_sparse,
    joined,
    line_numbers,
    lines,
    rows_of,
    rows_tensor,
    storage_of,
    stored_as,
    values_of,
    with_values,
)

__all__ = ["VALUEWISE"]

Inputs = Sequence[Tensor]

#: Operators that look at one element at a time; where they take 0 to 0, only what is stored is computed.
VALUEWISE = (
    "abs sign round rint ceil floor trunc fix square negative BlockGrad zeros_like sqrt cbrt expm1 log1p sin tan "
    "arcsin arctan sinh tanh arcsinh arctanh degrees radians relu clip _copy _mul_scalar _div_scalar _greater_scalar "
    "_lesser_scalar _not_equal_scalar _contrib_sign_ste _contrib_round_ste").split()


def _valuewise(name: str) -> None:
    op = find(name)

    @op.sparse
    def _(p: Params, inputs: Inputs) -> Optional[Tensor]:
        data, = inputs
        if op.run([data.new_zeros(1, layout=torch.strided)], p)[0][0].item() != 0:
            return None
        return with_values(data, op.run([values_of(data)], p)[0][0])


for _name in VALUEWISE:
    _valuewise(_name)


# --- two arrays --------------------------------------------------------------------------------------------------

def _summed(sign: int) -> Any:
    def rule(_p: Params, inputs: Inputs) -> Optional[Tensor]:
        one, other = inputs
        if storage_of(one) != storage_of(other) or one.shape != other.shape:
            return None
        if storage_of(one) == "row_sparse":
            return (one + sign * other).coalesce()
        both = torch.cat([_places(one), _places(other)], dim=1)
        values = torch.cat([values_of(one), sign * values_of(other)])
        return torch.sparse_coo_tensor(both, values, tuple(one.shape), check_invariants=True).coalesce().to_sparse_csr()
    return rule


def _places(tensor: Tensor) -> Tensor:
    return torch.stack([line_numbers(tensor), tensor.col_indices()])


def _scaled(by: Any) -> Any:
    """A rule for products and quotients: a 0 stays one whatever the dense side has."""
    def rule(_p: Params, inputs: Inputs) -> Optional[Tensor]:
        one, other = inputs
        if not is_sparse(one):
            if by is torch.div:
                return None
            one, other = other, one
        if is_sparse(other):
            other = dense(other)
        if other.dim() != one.dim() or any(o not in (1, s) for o, s in zip(other.shape, one.shape)):
            return None
        other = other.expand(one.shape)
        if storage_of(one) == "csr":
            return with_values(one, by(values_of(one), other[line_numbers(one), one.col_indices()]))
        return with_values(one, by(values_of(one), other[rows_of(one)]))
    return rule


for _name in ("elemwise_add", "broadcast_add"):
    find(_name).sparse(_summed(1))
for _name in ("elemwise_sub", "broadcast_sub"):
    find(_name).sparse(_summed(-1))
for _name in ("elemwise_mul", "broadcast_mul"):
    find(_name).sparse(_scaled(torch.mul))


@find("broadcast_div").sparse
def _(p: Params, inputs: Inputs) -> Optional[Tensor]:
    return None if is_sparse(inputs[1]) else _scaled(torch.div)(p, inputs)


@find("add_n").sparse
def _(_p: Params, inputs: Inputs) -> Optional[Tensor]:
    if any(storage_of(t) != "row_sparse" for t in inputs):
        return None
    total = inputs[0]
    for other in inputs[1:]:
        total = total + other
    return total.coalesce()


# --- products of matrices ----------------------------------------------------------------------------------------

def _product(csr: Tensor, other: Tensor, transposed: bool) -> Tensor:
    """``csr @ other``, or ``csr.T @ other``, as a dense matrix."""
    if not transposed and csr.dtype in (torch.float32, torch.float64):
        return torch.sparse.mm(csr, other)
    rows, columns = line_numbers(csr), csr.col_indices()
    if transposed:
        rows, columns = columns, rows
    made = other.new_zeros(csr.shape[1 if transposed else 0], other.shape[1])
    return made.index_add_(0, rows, values_of(csr)[:, None] * other[columns])


def _columns_as_rows(csr: Tensor, values: Tensor) -> Tensor:
    """The rows of `values` that a product with ``csr.T`` can reach, the others not stored."""
    rows = csr.col_indices().unique()
    return rows_tensor(rows, values[rows], tuple(values.shape))


class _Product(torch.autograd.Function):
    """The product of a csr matrix and a dense one, to which alone a gradient flows.

    To an argument of the network, and to sums of the squares of its rows, only the rows flow that the csr matrix has;
    torch's own operators take dense gradients.
    """

    @staticmethod
    def forward(ctx: Any, csr: Tensor, other: Tensor, transposed: bool, rows: bool) -> Tensor:
        ctx.csr, ctx.transposed, ctx.rows = csr, transposed, rows and not transposed
        return _product(csr, other, transposed)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        made = _product(ctx.csr, gradient, not ctx.transposed)
        return None, _columns_as_rows(ctx.csr, made) if ctx.rows else made, None, None


@find("dot").sparse
def _(p: Params, inputs: Inputs) -> Optional[Tensor]:
    lhs, rhs = inputs
    if storage_of(lhs) == "csr" and storage_of(rhs) != "csr":
        other = dense(rhs)
        if p.transpose_b:
            other = other.t()
        matrix = other if other.dim() == 2 else other.reshape(len(other), -1)
        squares = getattr(matrix.grad_fn, "op", None) is find("_square_sum") and matrix.shape[1:] == (1,)
        made = _Product.apply(lhs, matrix, p.transpose_a, matrix.is_leaf or squares)
        if p.transpose_a and other.dim() == 2 and not made.requires_grad:
            return _columns_as_rows(lhs, made)
        return made if other.dim() == 2 else made.reshape(-1, *other.shape[1:])
    if storage_of(lhs) == "default" and storage_of(rhs) == "csr":
        return stored_as(find("dot").run([lhs, dense(rhs)], p)[0][0], p.forward_stype or "csr")
    return None


# --- embeddings, rows and parts ----------------------------------------------------------------------------------

@find("Concat").sparse
def _(p: Params, inputs: Inputs) -> Optional[Tensor]:
    if p.dim != 0 or any(storage_of(t) != "csr" for t in inputs):
        return None
    return joined(inputs)


@find("slice").sparse
def _(p: Params, inputs: Inputs) -> Optional[Tensor]:
    data, = inputs
    steps = [1 if s is None else s for s in (*p.step, 1, 1)][:2]
    if storage_of(data) != "csr" or steps != [1, 1]:
        return None
    (top, bottom), (left, right) = (
        slice(begin, end).indices(size)[:2] for begin, end, size in
        zip((*p.begin, None, None), (*p.end, None, None), data.shape))
    part = lines(data, top, bottom)
    columns, rows = part.col_indices(), line_numbers(part)
    kept = (columns >= left) & (columns < right)
    counts = torch.bincount(rows[kept], minlength=part.shape[0])
    return csr_tensor(torch.cat([counts.new_zeros(1), counts.cumsum(0)]), columns[kept] - left,
                      values_of(part)[kept], (part.shape[0], max(right - left, 0)))


@operator("cast_storage", "_sparse_cast_storage", shapes=elementwise, traceable=False)
def cast_storage(data: Tensor, *, stype: Literal["csr", "default", "row_sparse"]) -> Tensor:
    """The same array in another storage, from or to ``'default'``, which is dense.

    Shapes: data (any shape; two axes for ``'csr'``) -> the same.

    >>> import ganmod as mx
    >>> mx.nd.cast_storage(mx.nd.array([[0, 2], [0, 0]]), stype='row_sparse').indices.asnumpy().tolist()
    [0]
    """
    return stored_as(data, stype)


@cast_storage.sparse
def _(p: Params, inputs: Inputs) -> Tensor:
    return stored_as(inputs[0], p.stype)


@operator("_sparse_retain")
def retain(data: Tensor, indices: Tensor) -> Tensor:
    """The rows of a row_sparse array that are named, the others zero; it then stores the named ones.

    Shapes: data (N, ...), indices (K,), whole numbers -> (N, ...).

    >>> import ganmod as mx
    >>> rows = mx.nd.array([[1], [2], [3]]).tostype('row_sparse')
    >>> mx.nd.sparse.retain(rows, mx.nd.array([0, 2])).asnumpy().tolist()
    [[1.0], [0.0], [3.0]]
    """
    kept = torch.isin(torch.arange(len(data), device=data.device), indices.long())
    return torch.where(kept.reshape(len(data), *[1] * (data.dim() - 1)), data, 0)


@retain.sparse
def _(_p: Params, inputs: Inputs) -> Optional[Tensor]:
    data, indices = inputs
    if storage_of(data) != "row_sparse":
        return None
    rows = indices.long().unique()
    return rows_tensor(rows, dense(data)[rows], tuple(data.shape))


@find("_square_sum").backward
def _(p: Params, inputs: Inputs, _outputs: Inputs, out_grads: Inputs) -> list[Tensor]:
    (data,), (gradient,) = inputs, out_grads
    if is_sparse(gradient):                                # from a product: the rows that its csr matrix has
        gradient = gradient.coalesce()
        rows = rows_of(gradient)
        return [rows_tensor(rows, 2 * data[rows] * values_of(gradient), tuple(data.shape))]
    axes = reduce.reduced_axes(p.axis, p.exclude, data.dim(), "_square_sum")
    return [2 * data * gradient.reshape(reduce.reduced_shape(data.shape, axes, True))]


@find("_square_sum").sparse
def _(p: Params, inputs: Inputs) -> Optional[Tensor]:
    data, = inputs
    if storage_of(data) != "row_sparse" or p.axis not in ((1,), (-1,)) or data.dim() != 2 or not p.keepdims:
        return None
    return rows_tensor(rows_of(data), values_of(data).square().sum(1, keepdim=True), (len(data), 1))


@operator("_contrib_getnnz")
def getnnz(data: Tensor, *, axis: Optional[int] = None) -> Tensor:
    """How many values of a csr matrix are stored: in all, or with `axis` 0 in each column, with 1 in each row; int64.

    Of a dense matrix, how many are not 0.

    Shapes: data (M, N) -> (1,), (N,) or (M,).

    >>> import ganmod as mx
    >>> mx.nd.contrib.getnnz(mx.nd.array([[0, 2], [3, 1]]).tostype('csr'), axis=1).asnumpy().tolist()
    [1, 2]
    """
    stored = data.ne(0)
    return stored.sum().reshape(1) if axis is None else stored.sum(axis)


@getnnz.shapes
def _(p, s):
    if s.data:
        s.output = (1,) if p.axis is None else (s.data[1 - p.axis],)


@getnnz.dtypes
def _(p, types):
    types["output"] = torch.int64


@getnnz.sparse
def _(p: Params, inputs: Inputs) -> Optional[Tensor]:
    data, = inputs
    if storage_of(data) != "csr":
        return None
    if p.axis is None:
        return torch.tensor([len(values_of(data))], device=data.device)
    return data.crow_indices().diff() if p.axis else torch.bincount(data.col_indices(), minlength=data.shape[1])


# --- updates of the rows that a gradient has ---------------------------------------------------------------------

def _lazy(name: str) -> None:
    op = find(name)

    @op.sparse
    def _(p: Params, inputs: Inputs) -> Optional[tuple[Tensor, ...]]:
        weight, grad, *states = inputs
        if storage_of(grad) != "row_sparse" or not getattr(p, "lazy_update", True):
            return None
        rows, whole = rows_of(grad), [dense(t) for t in (weight, *states)]
        new, *rest = op._call([whole[0][rows], values_of(grad), *(t[rows] for t in whole[1:])], p, False)
        return tuple(t.index_copy(0, rows, part) for t, part in zip(whole, (new, *rest)))


for _name in ("sgd_update", "sgd_mom_update", "adam_update", "ftrl_update", "_sparse_adagrad_update"):
    _lazy(_name)
