"""Arrays in another shape with the same elements: reshape, flatten, transpose, axes added, dropped and swapped."""
from __future__ import annotations

import math
from typing import Optional, Sequence

import torch
from torch import Tensor

from ..base import ShapeError, require
from .attributes import Shape
from .registry import Params, operator
from .shapes import Known, ShapeTable, complete, product, reshape_target

__all__ = ["axis_of", "solve_size"]


def axis_of(axis: int, rank: int, what: str) -> int:
    """A possibly negative axis as one that counts from 0.

    >>> axis_of(-1, 3, "sum")
    2
    """
    require(-rank <= axis < rank, f"{what}: axis {axis} does not exist in {rank} dimensions", ShapeError)
    return axis % rank


def solve_size(known: Sequence[int], total: int, what: str) -> tuple[int, ...]:
    """`known` with its only unknown size filled in so that the product is `total`; unchanged if more are unknown.

    >>> solve_size((0, 3, 4), 60, "Reshape")
    (5, 3, 4)
    """
    if list(known).count(0) != 1:
        return tuple(known)
    rest = math.prod(size for size in known if size)
    require(total % rest == 0, f"{what}: {total} elements do not fill the shape {tuple(known)} (0 is any size)",
            ShapeError)
    return tuple(size or total // rest for size in known)


# --- reshape ---------------------------------------------------------------------------------------------------------

def _target(shape: Sequence[int], p: Params) -> tuple[int, ...]:
    """The shape to reshape to; by `shape` and its codes, or by the older `target_shape` and `keep_highest`."""
    if p.shape:
        return reshape_target(shape, p.shape, p.reverse)
    require(p.target_shape, "Reshape needs the attribute 'shape' (tuple of int)", ShapeError)
    codes = [size or -1 for size in p.target_shape]
    if p.keep_highest:
        codes[0] = 0
    return reshape_target(shape, codes)


@operator("Reshape", "reshape")
def reshape(data: Tensor, *, shape: Shape = (), reverse: bool = False, target_shape: Shape = (),
            keep_highest: bool = False) -> Tensor:
    """The same elements in another shape.

    `shape` may hold codes: 0 keeps an axis, -1 takes what is left, -2 keeps all remaining axes, -3 joins two axes, -4
    splits one into the two sizes that follow. With `reverse` they are read from the right. `target_shape` (in which 0
    takes what is left) and `keep_highest` (the first axis stays) are the older way to say it.

    Shapes: data (any shape) -> as told.

    >>> import ganmod as mx
    >>> mx.nd.Reshape(mx.nd.zeros((2, 3, 4)), shape=(0, -1)).shape
    (2, 12)
    """
    settings = Params(shape=shape, reverse=reverse, target_shape=target_shape, keep_highest=keep_highest)
    return data.reshape(_target(data.shape, settings))


@reshape.shapes
def _(p, s):
    if s.data is not None:
        s.output = tuple(max(size, 0) for size in _target(s.data, p))
        if complete(s.output):
            s.data = solve_size(s.data, product(s.output), s.node)


@operator("Flatten", "flatten")
def flatten(data: Tensor) -> Tensor:
    """All axes but the first joined into one.

    Shapes: data (N, ...) -> (N, K); a vector (N,) -> (N, 1).

    >>> import ganmod as mx
    >>> mx.nd.Flatten(mx.nd.zeros((2, 3, 4))).shape
    (2, 12)
    """
    return data.reshape(data.shape[0], product(data.shape[1:]))


@flatten.shapes
def _(p, s):
    if s.data is not None:
        s.output = (s.data[0], product(s.data[1:]))
    if s.data is not None and s.output is not None:
        rest = solve_size(s.data[1:], s.output[1], s.node) if s.output[1] else s.data[1:]
        s.data = (s.output[0], *rest)


@operator("reshape_like")
def reshape_like(lhs: Tensor, rhs: Tensor, *, lhs_begin: Optional[int] = None, lhs_end: Optional[int] = None,
                 rhs_begin: Optional[int] = None, rhs_end: Optional[int] = None) -> Tensor:
    """`lhs` in the shape of `rhs`; with begin and end, only those axes are exchanged for those of `rhs`.

    Shapes: lhs, rhs with as many elements -> lhs.shape[:lhs_begin] + rhs.shape[rhs_begin:rhs_end] +
    lhs.shape[lhs_end:]. `rhs` gets no gradient.
    """
    return lhs.reshape(_like(lhs.shape, rhs.shape, Params(lhs_begin=lhs_begin, lhs_end=lhs_end, rhs_begin=rhs_begin,
                                                          rhs_end=rhs_end)))


def _like(lhs: Sequence[int], rhs: Sequence[int], p: Params) -> tuple[int, ...]:
    exchanged = slice(p.lhs_begin, len(lhs) if p.lhs_end is None else p.lhs_end).indices(len(lhs))
    return (*lhs[:exchanged[0]], *rhs[slice(p.rhs_begin, p.rhs_end)], *lhs[exchanged[1]:])


@reshape_like.shapes
def _(p, s):
    if s.lhs is not None and s.rhs is not None:
        s.output = _like(s.lhs, s.rhs, p)
        if complete(s.output):
            s.lhs = solve_size(s.lhs, product(s.output), s.node)


# --- axes ------------------------------------------------------------------------------------------------------------

def _permute_both(s: ShapeTable, order: Sequence[int]) -> None:
    if s.data is not None:
        s.output = tuple(s.data[k] for k in order)
    if s.output is not None:
        s.data = tuple(s.output[order.index(k)] for k in range(len(order)))


def _rank(s: ShapeTable) -> Optional[int]:
    known = s.data if s.data is not None else s.output
    return None if known is None else len(known)


def _order(axes: Sequence[int], rank: int) -> tuple[int, ...]:
    if not axes:
        return tuple(reversed(range(rank)))
    order = tuple(a % rank for a in axes)
    require(sorted(order) == list(range(rank)), f"transpose: the axes {tuple(axes)} are no order of the {rank} axes",
            ShapeError)
    return order


@operator("transpose")
def transpose(data: Tensor, *, axes: Shape = ()) -> Tensor:
    """The axes in another order, by default reversed.

    Shapes: data (any shape) -> axis k of the output is axis ``axes[k]`` of data.

    >>> import ganmod as mx
    >>> mx.nd.transpose(mx.nd.zeros((2, 3, 4)), axes=(1, 0, 2)).shape
    (3, 2, 4)
    """
    return data.permute(_order(axes, data.dim()))


@transpose.shapes
def _(p, s):
    rank = _rank(s)
    if rank is not None:
        _permute_both(s, _order(p.axes, rank))


@operator("SwapAxis", "swapaxes")
def swap_axis(data: Tensor, *, dim1: int = 0, dim2: int = 0) -> Tensor:
    """Two axes exchanged.

    Shapes: data (any shape) -> the same with the sizes of axes `dim1` and `dim2` exchanged.
    """
    return data.transpose(axis_of(dim1, data.dim(), "SwapAxis"), axis_of(dim2, data.dim(), "SwapAxis"))


@swap_axis.shapes
def _(p, s):
    rank = _rank(s)
    if rank is not None:
        order = list(range(rank))
        one, other = axis_of(p.dim1, rank, s.node), axis_of(p.dim2, rank, s.node)
        order[one], order[other] = other, one
        _permute_both(s, order)


@operator("expand_dims")
def expand_dims(data: Tensor, *, axis: int) -> Tensor:
    """A new axis of size 1 at place `axis` (negative: from the end).

    Shapes: data (any shape) -> the same with a 1 inserted.

    >>> import ganmod as mx
    >>> mx.nd.expand_dims(mx.nd.zeros((2, 3)), axis=1).shape
    (2, 1, 3)
    """
    return data.unsqueeze(axis_of(axis, data.dim() + 1, "expand_dims"))


@expand_dims.shapes
def _(p, s):
    if s.data is not None:
        axis = axis_of(p.axis, len(s.data) + 1, s.node)
        s.output = (*s.data[:axis], 1, *s.data[axis:])
    if s.output is not None:
        axis = axis_of(p.axis, len(s.output), s.node)
        s.output = tuple(1 if k == axis else 0 for k in range(len(s.output)))
        s.data = s.output[:axis] + s.output[axis + 1:]


def _squeezed(shape: Sequence[int], axes: Optional[Sequence[int]]) -> Known:
    if axes is None:
        return None if 0 in shape else tuple(size for size in shape if size != 1) or (1,)
    dropped = {axis_of(a, len(shape), "squeeze") for a in axes}
    require(all(shape[a] in (0, 1) for a in dropped), f"squeeze: the axes {tuple(axes)} of the shape {tuple(shape)} "
                                                      f"are not all of size 1", ShapeError)
    return tuple(size for k, size in enumerate(shape) if k not in dropped) or (1,)


@operator("squeeze")
def squeeze(data: Tensor, *, axis: Optional[Shape] = None) -> Tensor:
    """Without the axes of size 1: all of them, or only those given.

    Shapes: data (any shape) -> the same without those axes; (1,) if none is left.
    """
    kept = _squeezed(data.shape, axis)
    return data.squeeze() if kept is None else data.reshape(kept)


@squeeze.shapes
def _(p, s):
    if s.data is not None:
        s.output = _squeezed(s.data, p.axis)


@operator("shape_array")
def shape_array(data: Tensor) -> Tensor:
    """The sizes of the axes of `data`.

    Shapes: data (any shape) -> (number of axes,), int64.
    """
    return torch.tensor(data.shape, dtype=torch.int64, device=data.device)


@shape_array.shapes
def _(p, s):
    s.output = (0,) if s.data is None else (len(s.data),)


@operator("size_array")
def size_array(data: Tensor) -> Tensor:
    """The number of elements of `data`.

    Shapes: data (any shape) -> (1,), int64.
    """
    return torch.tensor([data.numel()], dtype=torch.int64, device=data.device)


@size_array.shapes
def _(p, s):
    s.output = (1,)


@shape_array.dtypes
@size_array.dtypes
def _(p, types):
    types["output"] = torch.int64


# --- blocks ----------------------------------------------------------------------------------------------------------

def _check_blocks(shape: Sequence[int], block: int, name: str) -> None:
    require(len(shape) == 4, f"{name}: expected data of shape (N, C, H, W), got {tuple(shape)}", ShapeError)
    sizes = shape[1:2] if name == "depth_to_space" else shape[2:]
    whole = block * block if name == "depth_to_space" else block
    require(block > 0 and all(size % whole == 0 for size in sizes), f"{name}: the sizes {tuple(sizes)} are not "
                                                                    f"multiples of {whole}", ShapeError)


@operator("depth_to_space")
def depth_to_space(data: Tensor, *, block_size: int) -> Tensor:
    """Channels rearranged into blocks of ``block_size * block_size`` pixels.

    Shapes: data (N, C * block_size ** 2, H, W) -> (N, C, H * block_size, W * block_size).
    """
    _check_blocks(data.shape, block_size, "depth_to_space")
    n, c, h, w = data.shape
    b = block_size
    blocks = data.reshape(n, b, b, c // (b * b), h, w).permute(0, 3, 4, 1, 5, 2)
    return blocks.reshape(n, c // (b * b), h * b, w * b)


@depth_to_space.shapes
def _(p, s):
    if s.data is not None:
        _check_blocks(s.data, p.block_size, "depth_to_space")
        n, c, h, w = s.data
        s.output = (n, c // p.block_size ** 2, h * p.block_size, w * p.block_size)


@operator("space_to_depth")
def space_to_depth(data: Tensor, *, block_size: int) -> Tensor:
    """Blocks of ``block_size * block_size`` pixels rearranged into channels; the inverse of depth_to_space.

    Shapes: data (N, C, H * block_size, W * block_size) -> (N, C * block_size ** 2, H, W).
    """
    _check_blocks(data.shape, block_size, "space_to_depth")
    n, c, h, w = data.shape
    b = block_size
    blocks = data.reshape(n, c, h // b, b, w // b, b).permute(0, 3, 5, 1, 2, 4)
    return blocks.reshape(n, c * b * b, h // b, w // b)


@space_to_depth.shapes
def _(p, s):
    if s.data is not None:
        _check_blocks(s.data, p.block_size, "space_to_depth")
        n, c, h, w = s.data
        s.output = (n, c * p.block_size ** 2, h // p.block_size, w // p.block_size)
