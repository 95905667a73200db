"""Several arrays joined into one, and one divided into several."""
from __future__ import annotations

from typing import Any, Optional, Sequence

import torch
from torch import Tensor

from ..base import ShapeError, require
from .attributes import Shape
from .registry import Params, operator
from .shapes import ShapeTable, complete
from .shaping import axis_of

__all__: list[str] = []


def _without(shape: Sequence[int], axis: int) -> tuple[int, ...]:
    """`shape` with the size of `axis` unknown."""
    return (*shape[:axis], 0, *shape[axis + 1:])


# --- joining ---------------------------------------------------------------------------------------------------------

def _joined_shapes(s: ShapeTable, dim: int) -> None:
    """All sizes but that of `dim` agree; along `dim` they add up, which also tells the only unknown one."""
    known = next((s[name] for name in s if s[name] is not None), None)
    if known is None:
        return
    axis = axis_of(dim, len(known), s.node)
    known = _without(known, axis)
    for name in (*s, *s):                                       # once to collect, once to hand out
        s[name] = known
        known = _without(s[name] or known, axis)
    sizes = {name: (s[name] or known)[axis] for name in s.inputs}
    open_ones = [name for name, size in sizes.items() if not size]
    if not open_ones:
        s.output = (*known[:axis], sum(sizes.values()), *known[axis + 1:])
    elif len(open_ones) == 1 and s.output[axis]:
        left = s.output[axis] - sum(sizes.values())
        require(left > 0, f"{s.node}: the sizes {tuple(sizes.values())} along axis {axis} do not add up to "
                          f"{s.output[axis]}", ShapeError)
        s[open_ones[0]] = (*known[:axis], left, *known[axis + 1:])


@operator("Concat", "concat", "_sparse_concat", count="num_args")
def concat(*data: Tensor, num_args: int, dim: int = 1) -> Tensor:
    """`num_args` arrays joined along the axis `dim`.

    Shapes: equal in all axes but `dim`, whose sizes add up.

    >>> import ganmod as mx
    >>> mx.nd.concat(mx.nd.zeros((2, 1)), mx.nd.ones((2, 2)), dim=1).asnumpy().tolist()
    [[0.0, 1.0, 1.0], [0.0, 1.0, 1.0]]
    """
    return torch.cat(data, dim)


@concat.shapes
def _(p, s):
    _joined_shapes(s, p.dim)


@operator("_rnn_param_concat", count="num_args")
def _rnn_param_concat(*data: Tensor, num_args: int, dim: int = 1) -> Tensor:
    """Concat for the parameters of a recurrent layer.

    Shapes: equal in all axes but `dim`, whose sizes add up.
    """
    return torch.cat(data, dim)


@_rnn_param_concat.shapes
def _(p, s):
    _joined_shapes(s, p.dim)


@operator("stack", count="num_args")
def stack(*data: Tensor, axis: int = 0, num_args: int) -> Tensor:
    """`num_args` arrays of one shape joined along a new axis.

    Shapes: num_args times (any shape) -> the same with `num_args` inserted at `axis`.
    """
    return torch.stack(data, axis_of(axis, data[0].dim() + 1, "stack"))


@stack.shapes
def _(p, s):
    s.same(s.inputs)
    if s.output is not None:
        axis = axis_of(p.axis, len(s.output), s.node)
        s.same(s.inputs)
        for name in s.inputs:
            s[name] = s.output[:axis] + s.output[axis + 1:]
    one = s[s.inputs[0]]
    if one is not None:
        axis = axis_of(p.axis, len(one) + 1, s.node)
        s.output = (*one[:axis], len(s.inputs), *one[axis:])


# --- dividing --------------------------------------------------------------------------------------------------------

def _numbered(number: int) -> list[str]:
    return [f"output{k}" for k in range(number)]


@operator("SliceChannel", "split", outputs=lambda p: _numbered(p.num_outputs))
def slice_channel(data: Tensor, *, num_outputs: int, axis: int = 1, squeeze_axis: bool = False) -> tuple[Tensor, ...]:
    """`data` divided along `axis` into `num_outputs` equal parts.

    Shapes: data (..., K, ...) -> num_outputs times (..., K / num_outputs, ...); with `squeeze_axis`, which needs
    K == num_outputs, the parts lose that axis.

    >>> import ganmod as mx
    >>> [part.shape for part in mx.nd.SliceChannel(mx.nd.zeros((2, 6)), num_outputs=3)]
    [(2, 2), (2, 2), (2, 2)]
    """
    axis = axis_of(axis, data.dim(), "SliceChannel")
    _check_division(data.shape, axis, num_outputs, squeeze_axis, "SliceChannel")
    return data.unbind(axis) if squeeze_axis else data.split(data.shape[axis] // num_outputs, axis)


def _check_division(shape: Sequence[int], axis: int, parts: int, squeeze: bool, node: str) -> None:
    size = shape[axis]
    require(size % parts == 0, f"{node}: axis {axis} of the shape {tuple(shape)} cannot be divided into "
                               f"num_outputs={parts} equal parts", ShapeError)
    require(not squeeze or size in (0, parts), f"{node}: squeeze_axis needs axis {axis} of the shape {tuple(shape)} to "
                                               f"have size num_outputs={parts}", ShapeError)


@slice_channel.shapes
def _(p, s):
    s.same(s.outputs)
    part = s[s.outputs[0]]
    if s.data is None and part is not None:
        _divided_from(p, s, part)
    if s.data is not None:
        axis = axis_of(p.axis, len(s.data), s.node)
        _check_division(s.data, axis, p.num_outputs, p.squeeze_axis, s.node)
        middle = () if p.squeeze_axis else (s.data[axis] // p.num_outputs,)
        for name in s.outputs:
            s[name] = (*s.data[:axis], *middle, *s.data[axis + 1:])
        _divided_from(p, s, s[s.outputs[0]])


def _divided_from(p: Params, s: ShapeTable, part: Sequence[int]) -> None:
    """What one part tells about the whole."""
    axis = axis_of(p.axis, len(part) + p.squeeze_axis, s.node)
    rest = part[axis:] if p.squeeze_axis else part[axis + 1:]
    whole = p.num_outputs if p.squeeze_axis else p.num_outputs * part[axis]
    s.data = (*part[:axis], whole, *rest)


def _borders(p: Params, size: Optional[int]) -> list[tuple[int, Optional[int]]]:
    """Begin and end of each part that split_v2 makes of an axis of `size`."""
    if p.sections:
        width = (size or 0) // p.sections
        return [(k * width, (k + 1) * width) for k in range(p.sections)]
    begins = list(p.indices)
    return list(zip(begins, [*begins[1:], size]))


def _part_names(p: Params) -> list[str]:
    number = p.sections or len(p.indices)
    return ["output"] if number == 1 else _numbered(number)


@operator("_split_v2", outputs=_part_names)
def _split_v2(data: Tensor, *, indices: Shape, axis: int = 1, squeeze_axis: bool = False,
              sections: int = 0) -> tuple[Tensor, ...]:
    """`data` divided along `axis` into `sections` equal parts, or into parts that begin at `indices` (the first is 0).

    Shapes: data (..., K, ...) -> parts whose sizes along `axis` add up to K; with `squeeze_axis` parts of size 1 lose
    that axis.
    """
    axis = axis_of(axis, data.dim(), "split_v2")
    size = data.shape[axis]
    require(not sections or size % sections == 0, f"split_v2: axis {axis} of the shape {tuple(data.shape)} cannot be "
                                                  f"divided into {sections} equal parts", ShapeError)
    borders: list[Any] = _borders(Params(indices=indices, sections=sections), size)
    require(all(0 <= begin <= end <= size for begin, end in borders),
            f"split_v2: the indices {tuple(indices)} do not rise within axis {axis} of size {size}", ShapeError)
    parts = tuple(data.narrow(axis, begin, end - begin) for begin, end in borders)
    return tuple(part.squeeze(axis) for part in parts) if squeeze_axis else parts


@_split_v2.shapes
def _(p, s):
    if s.data is None or complete(s.data):                      # complete shapes are left to the forward itself
        return
    axis = axis_of(p.axis, len(s.data), s.node)
    if s.data[axis]:
        borders: list[Any] = _borders(p, s.data[axis])
        for name, (begin, end) in zip(s.outputs, borders):
            middle = () if p.squeeze_axis else (end - begin,)
            s[name] = (*s.data[:axis], *middle, *s.data[axis + 1:])
