"""Operators without inputs, which make an array out of numbers."""
from __future__ import annotations

import math
from typing import Optional, Sequence

import torch
from torch import Tensor

from ..base import AttributeValueError, require
from .attributes import DType, Shape
from .registry import Operator, Params, operator
from .shapes import product

__all__ = ["arange_length"]


def _has_shape(p, s):
    if p.shape:
        s.output = p.shape


def _has_dtype(p, types):
    types["output"] = p.dtype


@operator("_zeros", shapes=_has_shape)
def zeros(*, shape: Shape = (), ctx: str = "", dtype: DType = torch.float32) -> Tensor:
    """Zeros; in a symbol, a size of 0 is unknown and follows from where the zeros are used.

    Shapes: nothing -> `shape`.
    """
    return torch.zeros(shape, dtype=dtype)


@operator("_ones", shapes=_has_shape)
def ones(*, shape: Shape = (), ctx: str = "", dtype: DType = torch.float32) -> Tensor:
    """Ones; in a symbol, a size of 0 is unknown and follows from where the ones are used.

    Shapes: nothing -> `shape`.
    """
    return torch.ones(shape, dtype=dtype)


@operator("_full", shapes=_has_shape)
def full(*, shape: Shape = (), ctx: str = "", dtype: DType = torch.float32, value: float) -> Tensor:
    """The number `value` everywhere; it is rounded towards zero for whole-number dtypes.

    Shapes: nothing -> `shape`.
    """
    return torch.full(shape, value, dtype=torch.float64).to(dtype)


def arange_length(start: float, stop: float, step: float) -> int:
    """How many numbers ``start, start + step, …`` lie before `stop`.

    >>> arange_length(0, 1, 0.3), arange_length(5, 1, -1)
    (4, 4)
    """
    require(step != 0 and (stop - start) / step > 0,
            f"arange: from {start} to {stop} in steps of {step} there is no number", AttributeValueError)
    return math.ceil((stop - start) / step)


class _Range(Operator):
    """``_arange``, which with `infer_range` and without a stop is as long as its use wants it."""

    def is_open(self, params: Params) -> bool:
        return params.infer_range and params.stop is None

    def with_shape(self, params: Params, shape: tuple[int, ...]) -> Params:
        made = Params(**vars(params))
        made.stop, made.used = params.start + params.step * (-(-product(shape) // params.repeat) - 0.5), shape
        return made

    def run(self, inputs: Sequence[Tensor], params: Params, training: bool = False) \
            -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        settings = dict(vars(params))
        shape = settings.pop("used", None)
        made = self.function(**settings)
        return (made if shape is None else made[:product(shape)].reshape(shape),), {}


@operator("_arange", kind=_Range)
def arange(*, start: float, stop: Optional[float] = None, step: float = 1.0, repeat: int = 1,
           infer_range: bool = False, ctx: str = "", dtype: DType = torch.float32) -> Tensor:
    """``start, start + step, …`` before `stop`, each `repeat` times; a single number is the stop, and 0 the start.

    With `infer_range` and without a stop, a symbol begins at `start` and is as long as where it is used says.

    Shapes: nothing -> (N,).
    For whole-number dtypes, start and step are rounded towards zero first.
    """
    require(dtype is not torch.bool, "_arange: dtype must be of numbers, got bool", AttributeValueError)
    first, last = (0.0, start) if stop is None else (start, stop)
    length = arange_length(first, last, step)
    if not dtype.is_floating_point:
        first, step = int(first), int(step)
    exact = torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype
    values = (torch.arange(length, dtype=exact) * step + first).to(dtype)
    return values.repeat_interleave(repeat) if repeat > 1 else values


@arange.shapes
def _(p, s):
    if arange.is_open(p):
        return
    start, stop = (0.0, p.start) if p.stop is None else (p.start, p.stop)
    s.output = (arange_length(start, stop, p.step) * p.repeat,)


@operator("_linspace")
def linspace(*, start: float, stop: Optional[float] = None, num: int = 50, endpoint: bool = True, ctx: str = "",
             dtype: DType = torch.float32) -> Tensor:
    """`num` numbers at equal distances from `start` to `stop`, which is the last one unless ``endpoint=False``.

    Shapes: nothing -> (num,).
    """
    first, last = (0.0, start) if stop is None else (start, stop)
    require(num >= 0, f"linspace: num={num} must not be negative", AttributeValueError)
    steps = max(num - 1 if endpoint else num, 1)
    made = torch.arange(num, dtype=torch.float64) * ((last - first) / steps) + first
    return (torch.where(torch.arange(num) == steps, last, made) if endpoint and num > 1 else made).to(dtype)


@linspace.shapes
def _(p, s):
    s.output = (p.num,)


@operator("_eye")
def eye(*, N: int, M: int = 0, k: int = 0, ctx: str = "", dtype: DType = torch.float32) -> Tensor:  # noqa: N803
    """A matrix with ones on its `k`-th diagonal, counted to the right from the main one.

    Shapes: nothing -> (N, M), or (N, N) where M is 0.
    """
    rows, columns = torch.arange(N)[:, None], torch.arange(M or N)
    return (columns - rows == k).to(dtype)


@eye.shapes
def _(p, s):
    s.output = (p.N, p.M or p.N)


for _op in (zeros, ones, full, arange, linspace, eye):
    _op.dtypes(_has_dtype)
