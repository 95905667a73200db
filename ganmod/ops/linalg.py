"""Linear algebra on matrices, or on stacks of them: the last two axes are rows and columns, those before are batches.

As in MXNet, all of it is for float32 and float64, and no batch axis broadcasts.
"""
from __future__ import annotations

from typing import Optional

import torch
from torch import Tensor

from ..base import ShapeError, require
from .attributes import Shape
from .registry import Params, elementwise, operator
from .shapes import ShapeTable
from .shaping import axis_of

__all__: list[str] = []


# --- shapes ----------------------------------------------------------------------------------------------------------

def _matrices(s: ShapeTable, name: str = "A") -> Optional[Shape]:
    """The shape of an input that must hold matrices, once its rank is known."""
    shape = s[name]
    require(shape is None or len(shape) >= 2, f"{s.node}: {name} must have at least 2 axes, got {shape}", ShapeError)
    return shape


def _square(s: ShapeTable, name: str = "A") -> Optional[Shape]:
    """The shape of an input that must hold square matrices, both sizes the same, once its rank is known."""
    shape = _matrices(s, name)
    if shape is None:
        return None
    size = shape[-1] or shape[-2]
    s[name] = (*shape[:-2], size, size)
    return s[name]


def _square_to_square(_p: Params, s: ShapeTable) -> None:
    elementwise(_p, s)
    if _square(s) is not None:
        elementwise(_p, s)


def _square_to_number(_p: Params, s: ShapeTable) -> None:
    shape = _square(s)
    if shape is not None:
        for name in s.outputs:
            s[name] = shape[:-2] or (1,)


def _numbers(made: Tensor) -> Tensor:
    """One number per matrix; (1,) for a single matrix."""
    return made if made.dim() else made.reshape(1)


# --- products --------------------------------------------------------------------------------------------------------

def _turned(matrices: Tensor, turn: bool) -> Tensor:
    return matrices.mT if turn else matrices


def _product(A: Tensor, B: Tensor, p_axis: int, turn_a: bool, turn_b: bool, alpha: float) -> Tensor:
    """``alpha * A @ B``, the rows along `p_axis`."""
    left, right = (_turned(x.movedim(p_axis, -2), turn) for x, turn in ((A, turn_a), (B, turn_b)))
    made = (left @ right).movedim(-2, p_axis)
    return made if alpha == 1 else alpha * made


@operator("_linalg_gemm", "linalg_gemm")
def gemm(A: Tensor, B: Tensor, C: Tensor, *, transpose_a: bool = False, transpose_b: bool = False, alpha: float = 1.0,
         beta: float = 1.0, axis: int = -2) -> Tensor:
    """``alpha * A @ B + beta * C`` for matrices; `transpose_a` and `transpose_b` turn A and B first.

    `axis` is the one that holds the rows, for all three; the columns are always in the last.

    Shapes: A (..., M, K), B (..., K, N), C (..., M, N) -> (..., M, N).

    >>> import ganmod as mx
    >>> mx.nd.linalg.gemm(mx.nd.ones((2, 3)), mx.nd.ones((3, 2)), mx.nd.ones((2, 2)), beta=0.5).asnumpy().tolist()
    [[3.5, 3.5], [3.5, 3.5]]
    """
    return _product(A, B, axis, transpose_a, transpose_b, alpha) + beta * C


@operator("_linalg_gemm2", "linalg_gemm2")
def gemm2(A: Tensor, B: Tensor, *, transpose_a: bool = False, transpose_b: bool = False, alpha: float = 1.0,
          axis: int = -2) -> Tensor:
    """``alpha * A @ B`` for matrices; `transpose_a` and `transpose_b` turn A and B first.

    `axis` is the one that holds the rows, for both; the columns are always in the last.

    Shapes: A (..., M, K), B (..., K, N) -> (..., M, N).

    >>> import ganmod as mx
    >>> mx.nd.linalg.gemm2(mx.nd.ones((2, 3)), mx.nd.ones((2, 3)), transpose_b=True, alpha=2).asnumpy().tolist()
    [[6.0, 6.0], [6.0, 6.0]]
    """
    return _product(A, B, axis, transpose_a, transpose_b, alpha)


def _rows_moved(shape: Shape, axis: int, turn: bool) -> Shape:
    rest = [size for k, size in enumerate(shape) if k != axis]
    rest.insert(len(shape) - 2, shape[axis])
    return (*rest[:-2], rest[-1], rest[-2]) if turn else tuple(rest)


def _rows_back(shape: Shape, axis: int, turn: bool) -> Shape:
    sizes = list((*shape[:-2], shape[-1], shape[-2]) if turn else shape)
    sizes.insert(axis, sizes.pop(len(shape) - 2))
    return tuple(sizes)


@gemm.shapes
@gemm2.shapes
def _(p, s):
    one, other = _matrices(s, "A"), _matrices(s, "B")
    if one is None or other is None:
        return
    require(len(one) == len(other), f"{s.node}: A {one} and B {other} must have as many axes", ShapeError)
    axis = axis_of(p.axis, len(one), s.node)
    require(axis < len(one) - 1, f"{s.node}: axis={p.axis} is the last, which holds the columns", ShapeError)
    left, right = _rows_moved(one, axis, p.transpose_a), _rows_moved(other, axis, p.transpose_b)
    inner, batch = left[-1] or right[-2], tuple(a or b for a, b in zip(left[:-2], right[:-2]))
    s.A = _rows_back((*batch, left[-2], inner), axis, p.transpose_a)
    s.B = _rows_back((*batch, inner, right[-1]), axis, p.transpose_b)
    s.output = _rows_back((*batch, left[-2], right[-1]), axis, False)
    if "C" in s:
        s.same(("C", "output"))


def _triangle(A: Tensor, lower: bool, turn: bool) -> Tensor:
    return _turned(A.tril() if lower else A.triu(), turn)


@operator("_linalg_trmm", "linalg_trmm")
def trmm(A: Tensor, B: Tensor, *, transpose: bool = False, rightside: bool = False, lower: bool = True,
         alpha: float = 1.0) -> Tensor:
    """``alpha * A @ B`` with a triangular A, or ``alpha * B @ A`` if `rightside`; `transpose` turns A first.

    Of A only the `lower` triangle counts (the upper one if it is False), and only there it has a gradient.

    Shapes: A (..., M, M), B (..., M, N), with `rightside` (..., N, M) -> as B.
    """
    A = _triangle(A, lower, transpose)
    return alpha * (B @ A if rightside else A @ B)


@operator("_linalg_trsm", "linalg_trsm")
def trsm(A: Tensor, B: Tensor, *, transpose: bool = False, rightside: bool = False, lower: bool = True,
         alpha: float = 1.0) -> Tensor:
    """The X that solves ``A @ X = alpha * B`` with a triangular A, or ``X @ A = alpha * B`` if `rightside`.

    `transpose` turns A first. Of A only the `lower` triangle counts (the upper one if it is False), and only there it
    has a gradient.

    Shapes: A (..., M, M), B (..., M, N), with `rightside` (..., N, M) -> as B.

    >>> import ganmod as mx
    >>> mx.nd.linalg.trsm(mx.nd.array([[2, 9], [2, 4]]), mx.nd.array([[2], [6]])).asnumpy().tolist()
    [[1.0], [1.0]]
    """
    upper = lower if transpose else not lower
    return torch.linalg.solve_triangular(_triangle(A, lower, transpose), alpha * B, upper=upper, left=not rightside)


@trmm.shapes
@trsm.shapes
def _(p, s):
    s.same(("B", "output"))
    one, other = _square(s, "A"), _matrices(s, "B")
    if other is None:
        return
    size = other[-1 if p.rightside else -2]
    s.A = (*other[:-2], size, size)
    one = _square(s, "A")
    assert one is not None
    size = one[-1]
    s.B = (*one[:-2], 0, size) if p.rightside else (*one[:-2], size, 0)
    s.same(("B", "output"))


@operator("_linalg_syrk", "linalg_syrk")
def syrk(A: Tensor, *, transpose: bool = False, alpha: float = 1.0) -> Tensor:
    """``alpha * A @ A.T``, or ``alpha * A.T @ A`` if `transpose`.

    Shapes: A (..., M, N) -> (..., M, M), or (..., N, N) if `transpose`.
    """
    return alpha * (A.mT @ A if transpose else A @ A.mT)


@syrk.shapes
def _(p, s):
    shape = _matrices(s)
    if shape is not None:
        size = shape[-1 if p.transpose else -2]
        s.output = (*shape[:-2], size, size)


# --- factorisations --------------------------------------------------------------------------------------------------

@operator("_linalg_potrf", "linalg_potrf", shapes=_square_to_square)
def potrf(A: Tensor) -> Tensor:
    """The Cholesky factor: the lower triangular L with ``L @ L.T = A``, of a symmetric positive definite A.

    Only the lower triangle of A is read; the gradient is shared by both, as one is the mirror of the other.

    Shapes: A (..., N, N) -> the same.

    >>> import ganmod as mx
    >>> mx.nd.linalg.potrf(mx.nd.array([[4, 2], [2, 5]])).asnumpy().tolist()
    [[2.0, 0.0], [1.0, 2.0]]
    """
    return torch.linalg.cholesky(A)


@operator("_linalg_potri", "linalg_potri", shapes=_square_to_square)
def potri(A: Tensor) -> Tensor:
    """The inverse of ``A @ A.T``, where A is a lower triangular factor as `potrf` returns it.

    Shapes: A (..., N, N), of which the lower triangle is read -> the same.
    """
    return torch.cholesky_inverse(A.tril())


@operator("_linalg_gelqf", "linalg_gelqf", outputs=("output0", "output1"))
def gelqf(A: Tensor) -> tuple[Tensor, Tensor]:
    """The factors Q, with orthonormal rows, and L, lower triangular, of ``A = L @ Q``.

    Shapes: A (..., M, N) with M <= N -> Q (..., M, N), L (..., M, M).
    """
    Q, R = torch.linalg.qr(A.mT)
    return Q.mT, R.mT


@gelqf.shapes
def _(p, s):
    shape = _matrices(s)
    if shape is not None:
        require(not shape[-1] or shape[-2] <= shape[-1],
                f"{s.node}: A must not have more rows than columns, got {shape}", ShapeError)
        s.output0, s.output1 = shape, (*shape[:-2], shape[-2], shape[-2])


@operator("_linalg_syevd", outputs=("output0", "output1"))
def syevd(A: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvectors U, one per row, and eigenvalues L, ascending, of a symmetric A: ``A = U.T @ diag(L) @ U``.

    Only the lower triangle of A is read; the gradient is shared by both. The largest component of an eigenvector is
    positive. The gradient exists where no two eigenvalues are equal.

    Shapes: A (..., N, N) -> U (..., N, N), L (..., N).
    """
    values, vectors = torch.linalg.eigh(A)
    rows = vectors.mT
    largest = rows.gather(-1, rows.abs().argmax(-1, keepdim=True))
    return rows * largest.sign(), values


@syevd.shapes
def _(p, s):
    shape = _square(s)
    if shape is not None:
        s.output0, s.output1 = shape, shape[:-1]


@syevd.backward
def _(p, inputs, outputs, out_grads):
    (U, L), (of_U, of_L) = outputs, out_grads
    gaps = L.unsqueeze(-2) - L.unsqueeze(-1)
    same = torch.eye(L.shape[-1], dtype=torch.bool, device=L.device)
    turning = (U @ of_U.mT) / gaps.masked_fill(same, 1)
    inner = turning.masked_fill(same, 0) + torch.diag_embed(of_L)
    gradient = U.mT @ inner @ U
    return [(gradient + gradient.mT) / 2]


# --- inverses and determinants ---------------------------------------------------------------------------------------

@operator("_linalg_inverse", "linalg_inverse", shapes=_square_to_square)
def inverse(A: Tensor) -> Tensor:
    """The inverse matrix.

    Shapes: A (..., N, N) -> the same.
    """
    return torch.linalg.inv(A)


@operator("_linalg_det", "linalg_det", outputs=("output0",), hidden=2, shapes=_square_to_number)
def det(A: Tensor) -> Tensor:
    """The determinant; its gradient is 0 where the matrix is singular.

    Shapes: A (..., N, N) -> (...), (1,) for a single matrix.

    >>> import ganmod as mx
    >>> mx.nd.linalg.det(mx.nd.array([[2, 0], [0, 3]])).asnumpy().tolist()
    [6.0]
    """
    return _numbers(torch.linalg.det(A))


def _inverse_transposed(A: Tensor, factor: Tensor, singular: Tensor) -> Tensor:
    """``factor * inverse(A).T``, 0 where `singular`."""
    batch = A.shape[:-2]
    singular, factor = (x.reshape(*batch, 1, 1) for x in (singular, factor))
    regular = torch.where(singular, torch.eye(A.shape[-1], dtype=A.dtype, device=A.device), A)
    return torch.where(singular, 0, factor * torch.linalg.inv_ex(regular).inverse.mT)


@det.backward
def _(p, inputs, outputs, out_grads):
    return [_inverse_transposed(inputs[0], out_grads[0] * outputs[0], outputs[0] == 0)]


@operator("_linalg_slogdet", "linalg_slogdet", outputs=("output0", "output1"), hidden=2, shapes=_square_to_number)
def slogdet(A: Tensor) -> tuple[Tensor, Tensor]:
    """The sign of the determinant, and the logarithm of its magnitude: 0 and -inf where the matrix is singular.

    The sign has no gradient; that of the logarithm is 0 where the matrix is singular.

    Shapes: A (..., N, N) -> two of (...), (1,) for a single matrix.
    """
    sign, magnitude = torch.linalg.slogdet(A)
    return _numbers(sign), _numbers(magnitude)


@slogdet.backward
def _(p, inputs, outputs, out_grads):
    return [_inverse_transposed(inputs[0], out_grads[1], outputs[0] == 0)]


# --- diagonals and triangles -----------------------------------------------------------------------------------------

@operator("_linalg_sumlogdiag", "linalg_sumlogdiag", shapes=_square_to_number)
def sumlogdiag(A: Tensor) -> Tensor:
    """The sum of the logarithms of the diagonal; of a Cholesky factor it is half the logarithm of the determinant.

    Shapes: A (..., N, N) -> (...), (1,) for a single matrix.
    """
    return _numbers(A.diagonal(dim1=-2, dim2=-1).log().sum(-1))


@operator("_linalg_extractdiag", "linalg_extractdiag")
def extractdiag(A: Tensor, *, offset: int = 0) -> Tensor:
    """The diagonal, or one that lies `offset` above it (below it for negative values).

    Shapes: A (..., N, N) -> (..., N - abs(offset)).
    """
    return A.diagonal(offset, -2, -1)


@extractdiag.shapes
def _(p, s):
    shape = _square(s)
    if shape is not None and shape[-1]:
        _check_offset(p, s, shape)
        s.output = (*shape[:-2], shape[-1] - abs(p.offset))


def _check_offset(p: Params, s: ShapeTable, shape: Shape) -> None:
    require(abs(p.offset) < shape[-1], f"{s.node}: offset={p.offset} lies outside the matrix {shape}", ShapeError)


@operator("_linalg_makediag", "linalg_makediag")
def makediag(A: Tensor, *, offset: int = 0) -> Tensor:
    """Matrices with these diagonals, `offset` above the main one (below it for negative values), and 0 elsewhere.

    Shapes: A (..., N) -> (..., N + abs(offset), N + abs(offset)).
    """
    return torch.diag_embed(A, offset)


@makediag.shapes
def _(p, s):
    if s.A is not None:
        size = s.A[-1] + abs(p.offset) if s.A[-1] else 0
        s.output = (*s.A[:-1], size, size)


def _places(size: int, offset: int, lower: bool, device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows and columns of the triangle that begins `offset` off the diagonal and runs away from it."""
    rows, columns = torch.tril_indices(size, size, -abs(offset), device=device)
    return (rows, columns) if offset < 0 or (offset == 0 and lower) else (columns, rows)


@operator("_linalg_extracttrian", "linalg_extracttrian")
def extracttrian(A: Tensor, *, offset: int = 0, lower: bool = True) -> Tensor:
    """The elements of a triangle: the lower one row by row, or the upper one column by column if `lower` is False.

    An `offset` moves its edge: above the diagonal it is an upper triangle, below it a lower one, whatever `lower` is.

    Shapes: A (..., N, N) -> (..., K * (K + 1) / 2), where K = N - abs(offset).
    """
    rows, columns = _places(A.shape[-1], offset, lower, A.device)
    return A[..., rows, columns]


@extracttrian.shapes
def _(p, s):
    shape = _square(s)
    if shape is not None and shape[-1]:
        _check_offset(p, s, shape)
        size = shape[-1] - abs(p.offset)
        s.output = (*shape[:-2], size * (size + 1) // 2)


@operator("_linalg_maketrian", "linalg_maketrian")
def maketrian(A: Tensor, *, offset: int = 0, lower: bool = True) -> Tensor:
    """Triangular matrices, with offset 0 `lower` ones or not, from their elements; the inverse of `extracttrian`.

    Shapes: A (..., K * (K + 1) / 2) -> (..., N, N), where N = K + abs(offset).

    >>> import ganmod as mx
    >>> mx.nd.linalg.maketrian(mx.nd.array([1, 2, 3])).asnumpy().tolist()
    [[1.0, 0.0], [2.0, 3.0]]
    """
    size = _side(A.shape[-1]) + abs(offset)
    rows, columns = _places(size, offset, lower, A.device)
    flat = A.new_zeros(*A.shape[:-1], size * size).index_copy(-1, rows * size + columns, A)
    return flat.reshape(*A.shape[:-1], size, size)


def _side(number: int) -> int:
    """The K for which a triangle has `number` elements: K * (K + 1) / 2."""
    side = int(((8 * number + 1) ** 0.5 - 1) / 2)
    require(side * (side + 1) // 2 == number, f"{number} elements make no triangle; 1, 3, 6, 10, … do", ShapeError)
    return side


@maketrian.shapes
def _(p, s):
    if s.A is not None and s.A[-1]:
        size = _side(s.A[-1]) + abs(p.offset)
        s.output = (*s.A[:-1], size, size)
