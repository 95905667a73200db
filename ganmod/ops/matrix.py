"""Products of matrices: dot, batches of dots, Khatri-Rao products; and diagonals."""
from __future__ import annotations

from typing import Literal, Optional, Sequence

import torch
from torch import Tensor

from ..base import ShapeError, require
from .registry import operator

__all__: list[str] = []


@operator("dot", "_sparse_dot")
def dot(lhs: Tensor, rhs: Tensor, *, transpose_a: bool = False, transpose_b: bool = False,
        forward_stype: Optional[Literal["csr", "default", "row_sparse"]] = None) -> Tensor:
    """The sum of products over the last axis of `lhs` and the first of `rhs`: the product of matrices, and its kin.

    `transpose_a` takes the first axis of `lhs` instead, `transpose_b` the last of `rhs`; the other axes keep their
    order. `forward_stype` has no effect.

    Shapes: lhs (..., K), rhs (K, ...) -> (..., ...); two vectors (K,) -> (1,).

    >>> import ganmod as mx
    >>> mx.nd.dot(mx.nd.array([[1, 2]]), mx.nd.array([[3], [4]])).asnumpy().tolist()
    [[11.0]]
    """
    one, other = 0 if transpose_a else lhs.dim() - 1, rhs.dim() - 1 if transpose_b else 0
    if lhs.dim() == rhs.dim() == 2:
        return (lhs.t() if transpose_a else lhs) @ (rhs.t() if transpose_b else rhs)
    made = torch.tensordot(lhs, rhs, ([one], [other]))
    return made if made.dim() else made.reshape(1)


@dot.shapes
def _(p, s):
    if s.lhs is None or s.rhs is None:
        return
    one, other = 0 if p.transpose_a else len(s.lhs) - 1, len(s.rhs) - 1 if p.transpose_b else 0
    size = s.lhs[one] or s.rhs[other]
    s.lhs, s.rhs = _with(s.lhs, one, size), _with(s.rhs, other, size)
    s.output = (_drop(s.lhs, one) + _drop(s.rhs, other)) or (1,)
    if len(s.lhs) + len(s.rhs) > 2:
        left = len(s.lhs) - 1
        s.lhs = (*s.output[:left][:one], size, *s.output[:left][one:])
        s.rhs = (*s.output[left:][:other], size, *s.output[left:][other:])


def _with(shape: Sequence[int], axis: int, size: int) -> tuple[int, ...]:
    return (*shape[:axis], size, *shape[axis + 1:])


def _drop(shape: Sequence[int], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], *shape[axis + 1:])


@operator("batch_dot")
def batch_dot(lhs: Tensor, rhs: Tensor, *, transpose_a: bool = False, transpose_b: bool = False,
              forward_stype: Optional[Literal["csr", "default", "row_sparse"]] = None) -> Tensor:
    """One product of matrices for each place in the leading axes.

    Shapes: lhs (..., M, K), with `transpose_a` (..., K, M); rhs (..., K, N), with `transpose_b` (..., N, K), the
    leading axes (at least one) equal -> (..., M, N). `forward_stype` has no effect.

    >>> import ganmod as mx
    >>> mx.nd.batch_dot(mx.nd.ones((5, 2, 3)), mx.nd.ones((5, 3, 4))).shape
    (5, 2, 4)
    """
    return torch.matmul(lhs.mT if transpose_a else lhs, rhs.mT if transpose_b else rhs)


def _turned(shape: Sequence[int], turn: bool) -> tuple[int, ...]:
    return (*shape[:-2], shape[-1], shape[-2]) if turn else tuple(shape)


@batch_dot.shapes
def _(p, s):
    known = next((s[name] for name in ("lhs", "rhs", "output") if s[name] is not None), None)
    if known is None:
        return
    require(len(known) > 2, f"{s.node}: batch_dot needs at least 3 axes, got {known}", ShapeError)
    for name in s:                                              # now every rank is known
        s[name] = (0,) * len(known)
    for _ in range(2):
        for name in s:
            for other in s:
                s[other] = (*s[name][:-2], 0, 0)
        left, right = _turned(s.lhs, p.transpose_a), _turned(s.rhs, p.transpose_b)
        rows, inner, columns = left[-2] or s.output[-2], left[-1] or right[-2], right[-1] or s.output[-1]
        s.lhs = _turned((*left[:-2], rows, inner), p.transpose_a)
        s.rhs = _turned((*right[:-2], inner, columns), p.transpose_b)
        s.output = (*s.output[:-2], rows, columns)


@operator("khatri_rao", count="num_args")
def khatri_rao(*args: Tensor, num_args: int) -> Tensor:
    """The Khatri-Rao product: column k is the Kronecker product of the columns k of all inputs.

    Shapes: (M1, K), (M2, K), ... -> (M1 * M2 * ..., K).
    """
    made = args[0]
    for other in args[1:]:
        require(made.shape[1] == other.shape[1], "khatri_rao: all inputs must have as many columns, got "
                                                 f"{[tuple(a.shape) for a in args]}", ShapeError)
        made = (made.unsqueeze(1) * other.unsqueeze(0)).reshape(-1, made.shape[1])
    return made


@operator("diag")
def diag(data: Tensor, *, k: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """A square matrix with a vector on its diagonal, or the diagonal of a matrix, or of each matrix in a stack.

    `k` moves the diagonal: up for positive values, down for negative ones. `axis1` and `axis2` are the axes of the
    matrices.

    Shapes: data (N,) -> (N + |k|, N + |k|); data (..., M, ..., N, ...) -> without the two axes, the diagonal last.

    >>> import ganmod as mx
    >>> mx.nd.diag(mx.nd.array([[1, 2], [3, 4]])).asnumpy().tolist()
    [1.0, 4.0]
    """
    return torch.diag(data, k) if data.dim() == 1 else torch.diagonal(data, k, axis1, axis2)
