"""The functions of ``mx.sym`` that are more than an operator: they choose one, or fill in its attributes."""
from __future__ import annotations

import math
import operator
from typing import Any, Optional, Sequence, Union

from ..base import InputError, require
from ..ops import fluent
from ..ops import registry as ops
from .symbol import Symbol, apply

__all__ = ["zeros", "ones", "full", "arange", "linspace", "eye", "power", "pow", "maximum", "minimum",
           "hypot", "histogram"]

Shape = Union[int, Sequence[int]]


def _apply(called: str, inputs: Sequence[Any], attributes: dict[str, Any]) -> Symbol:
    return apply(ops.find(called), called, inputs, attributes)


# --- symbols without inputs ------------------------------------------------------------------------------------------

def zeros(shape: Shape, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Zeros, float32 unless `dtype` says otherwise; a size of 0 follows from where the symbol is used.

    >>> zeros((2, 3), name='z').infer_shape()[1]
    [(2, 3)]
    """
    return _apply("_zeros", (), {"shape": shape, "dtype": dtype or "float32", **kwargs})


def ones(shape: Shape, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Ones, float32 unless `dtype` says otherwise; a size of 0 follows from where the symbol is used.

    >>> import ganmod as mx
    >>> (mx.sym.Variable('x') + ones((0, 3))).infer_shape(x=(2, 3))[1]
    [(2, 3)]
    """
    return _apply("_ones", (), {"shape": shape, "dtype": dtype or "float32", **kwargs})


def full(shape: Shape, val: float, dtype: Any = None, **kwargs: Any) -> Symbol:
    """The number `val` everywhere, as float32 unless `dtype` says otherwise.

    >>> full(2, 7).eval()[0].asnumpy().tolist()
    [7.0, 7.0]
    """
    return _apply("_full", (), {"shape": shape, "value": float(val), "dtype": dtype or "float32", **kwargs})


def arange(start: float, stop: Optional[float] = None, step: float = 1.0, repeat: int = 1, infer_range: bool = False,
           name: Optional[str] = None, dtype: Any = None) -> Symbol:
    """``start, start + step, …`` before `stop`, each `repeat` times; a single number is the stop.

    With `infer_range` and without a stop, it begins at `start` and is as long as where it is used says.

    >>> arange(1, 3, repeat=2).eval()[0].asnumpy().tolist()
    [1.0, 1.0, 2.0, 2.0]
    """
    return _apply("_arange", (), {"start": start, "stop": stop, "step": step, "repeat": repeat,
                                  "infer_range": infer_range, "name": name, "dtype": dtype or "float32"})


def linspace(start: float, stop: float, num: int, endpoint: bool = True, name: Optional[str] = None,
             dtype: Any = None) -> Symbol:
    """`num` numbers at equal distances from `start` to `stop`, which is the last one if `endpoint`.

    >>> linspace(0, 1, 5).eval()[0].asnumpy().tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    return _apply("_linspace", (), {"start": start, "stop": stop, "num": num, "endpoint": endpoint, "name": name,
                                    "dtype": dtype or "float32"})


def eye(N: int, M: int = 0, k: int = 0, dtype: Any = None, **kwargs: Any) -> Symbol:  # noqa: N803
    """A matrix (N, M or else N) with ones on its `k`-th diagonal.

    >>> eye(2, 3, 1).eval()[0].asnumpy().tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    return _apply("_eye", (), {"N": N, "M": M, "k": k, "dtype": dtype or "float32", **kwargs})


# --- choosing an operator --------------------------------------------------------------------------------------------

power = fluent.make_binary(Symbol, _apply, "power", "lhs ** rhs", "_Power", "_PowerScalar", "_RPowerScalar",
                           operator.pow)
pow = power  # noqa: A001
maximum = fluent.make_binary(Symbol, _apply, "maximum", "max(lhs, rhs)", "_Maximum", "_MaximumScalar", None, max)
minimum = fluent.make_binary(Symbol, _apply, "minimum", "min(lhs, rhs)", "_Minimum", "_MinimumScalar", None, min)
hypot = fluent.make_binary(Symbol, _apply, "hypot", "sqrt(lhs ** 2 + rhs ** 2)", "_Hypot", "_HypotScalar", None,
                           math.hypot)


def histogram(a: Symbol, bins: Union[int, Symbol] = 10, range: Optional[tuple[float, float]] = None,
              **kwargs: Any) -> Symbol:
    """How many elements fall in each bin, and the edges of the bins: two outputs.

    `bins` is their number, with the lowest and highest edge in `range`, or a symbol with all edges, ascending.

    >>> import ganmod as mx
    >>> histogram(mx.sym.Variable('x'), bins=4, range=(0, 1)).infer_shape(x=(9,))[1]
    [(4,), (5,)]
    """
    if isinstance(bins, Symbol):
        return _apply("_histogram", (a, bins), kwargs)
    require(isinstance(bins, int), f"histogram(): bins must be an int or a Symbol, got {bins!r:.60}", InputError)
    require(range is not None, "histogram() needs range=(lowest, highest) for a number of bins", InputError)
    return _apply("_histogram", (a,), {"bin_cnt": bins, "range": range, **kwargs})
