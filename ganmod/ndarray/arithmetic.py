"""Arithmetic and comparison as functions: ``mx.nd.add(a, b)`` with an array or a number on either side."""
from __future__ import annotations

import functools
import math
import operator
from typing import Any, Callable

from ..ops import fluent
from ..ops import registry as ops
from .ndarray import NDArray, invoke

__all__ = ["add", "subtract", "multiply", "divide", "true_divide", "modulo", "power", "maximum", "minimum", "hypot",
           "equal", "not_equal", "greater", "greater_equal", "lesser", "lesser_equal", "logical_and", "logical_or",
           "logical_xor"]


def _compared(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], int]:
    """Comparison of two numbers, as a number."""
    return lambda lhs, rhs: 1 if test(lhs, rhs) else 0


def _invoke(name: str, inputs: list[NDArray], attributes: dict[str, Any]) -> Any:
    return invoke(ops.find(name), inputs, attributes)


_function = functools.partial(fluent.make_binary, NDArray, _invoke)

add = _function("add", "lhs + rhs", "broadcast_add", "_plus_scalar", None, operator.add)
subtract = _function("subtract", "lhs - rhs", "broadcast_sub", "_minus_scalar", "_rminus_scalar", operator.sub)
multiply = _function("multiply", "lhs * rhs", "broadcast_mul", "_mul_scalar", None, operator.mul)
divide = _function("divide", "lhs / rhs", "broadcast_div", "_div_scalar", "_rdiv_scalar", operator.truediv)
true_divide = divide
modulo = _function("modulo", "lhs % rhs", "broadcast_mod", "_mod_scalar", "_rmod_scalar", operator.mod)
power = _function("power", "lhs ** rhs", "broadcast_power", "_power_scalar", "_rpower_scalar", operator.pow)
maximum = _function("maximum", "max(lhs, rhs)", "broadcast_maximum", "_maximum_scalar", None, max)
minimum = _function("minimum", "min(lhs, rhs)", "broadcast_minimum", "_minimum_scalar", None, min)
hypot = _function("hypot", "sqrt(lhs**2 + rhs**2)", "broadcast_hypot", "_hypot_scalar", None, math.hypot)
equal = _function("equal", "lhs == rhs", "broadcast_equal", "_equal_scalar", None, _compared(operator.eq))
not_equal = _function("not_equal", "lhs != rhs", "broadcast_not_equal", "_not_equal_scalar", None,
                      _compared(operator.ne))
greater = _function("greater", "lhs > rhs", "broadcast_greater", "_greater_scalar", "_lesser_scalar",
                    _compared(operator.gt))
greater_equal = _function("greater_equal", "lhs >= rhs", "broadcast_greater_equal", "_greater_equal_scalar",
                          "_lesser_equal_scalar", _compared(operator.ge))
lesser = _function("lesser", "lhs < rhs", "broadcast_lesser", "_lesser_scalar", "_greater_scalar",
                   _compared(operator.lt))
lesser_equal = _function("lesser_equal", "lhs <= rhs", "broadcast_lesser_equal", "_lesser_equal_scalar",
                         "_greater_equal_scalar", _compared(operator.le))
logical_and = _function("logical_and", "lhs and rhs", "broadcast_logical_and", "_logical_and_scalar", None,
                        _compared(lambda lhs, rhs: bool(lhs) and bool(rhs)))
logical_or = _function("logical_or", "lhs or rhs", "broadcast_logical_or", "_logical_or_scalar", None,
                       _compared(lambda lhs, rhs: bool(lhs) or bool(rhs)))
logical_xor = _function("logical_xor", "lhs xor rhs", "broadcast_logical_xor", "_logical_xor_scalar", None,
                        _compared(lambda lhs, rhs: bool(lhs) != bool(rhs)))
