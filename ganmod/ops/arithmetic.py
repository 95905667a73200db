"""Arithmetic, comparisons and logic of two arrays, or of an array and a number on either side of it.

Each row of the table below is one function of two values; it appears as up to four operators: between arrays of one
shape, between arrays that broadcast, with a scalar on the right and with a scalar on the left.
"""
from __future__ import annotations

from typing import Any, Callable, Optional

import torch
from torch import Tensor

from ..base import ShapeError, require
from .elemwise import number_for
from .registry import Params, elementwise, operator
from .shapes import Known, ShapeTable

__all__ = ["broadcast_shape"]

Value = Any                                                  # of a pair, at least one is a tensor
Function = Callable[[Any, Any], Tensor]


# --- the functions ---------------------------------------------------------------------------------------------------

def _tensors(lhs: Value, rhs: Value) -> tuple[Tensor, Tensor]:
    if not isinstance(lhs, Tensor):
        return rhs.new_full((), lhs), rhs
    return lhs, rhs if isinstance(rhs, Tensor) else lhs.new_full((), rhs)


def _in_floats(function: Callable[[Tensor, Tensor], Tensor]) -> Function:
    """`function` between tensors, for integers computed in float64 and truncated back."""
    def apply(lhs: Value, rhs: Value) -> Tensor:
        one, other = _tensors(lhs, rhs)
        if one.is_floating_point():
            return function(one, other)
        return function(one.double(), other.double()).to(one.dtype)
    return apply


def _divide(lhs: Value, rhs: Value) -> Tensor:
    one, other = _tensors(lhs, rhs)
    return one / other if one.is_floating_point() else torch.div(one, other, rounding_mode="trunc")


def _modulo(lhs: Value, rhs: Value) -> Tensor:
    one, other = _tensors(lhs, rhs)
    nothing = other == 0
    return torch.where(nothing, 0, torch.remainder(one, torch.where(nothing, 1, other)))


def _power(lhs: Value, rhs: Value) -> Tensor:
    tensor = lhs if isinstance(lhs, Tensor) else rhs
    return torch.pow(lhs, rhs) if tensor.is_floating_point() else _integer_power(lhs, rhs)


def _maximum(lhs: Value, rhs: Value) -> Tensor:
    return torch.where((lhs < rhs) | (rhs != rhs), rhs, lhs)  # the gradient of a tie belongs to lhs, NaN wins


def _minimum(lhs: Value, rhs: Value) -> Tensor:
    return torch.where((lhs > rhs) | (rhs != rhs), rhs, lhs)


def _truth(relation: Callable[[Any, Any], Any]) -> Function:
    """A relation as 0 and 1 in the dtype of its operands, which carry no gradient."""
    def apply(lhs: Value, rhs: Value) -> Tensor:
        return relation(lhs, rhs).to((lhs if isinstance(lhs, Tensor) else rhs).dtype)
    return apply


_integer_power = _in_floats(torch.pow)

# formula, function, names between equal shapes, broadcasting, with a scalar on the right, with a scalar on the left
_TABLE: tuple[tuple[str, Function, str, str, str, str], ...] = (
    ("lhs + rhs", lambda a, b: a + b, "elemwise_add _Plus _add _plus _sparse_elemwise_add",
     "broadcast_add broadcast_plus _sparse_broadcast_add _sparse_broadcast_plus", "_plus_scalar _PlusScalar", ""),
    ("lhs - rhs", lambda a, b: a - b, "elemwise_sub _Minus _minus _sub _sparse_elemwise_sub",
     "broadcast_sub broadcast_minus _sparse_broadcast_sub _sparse_broadcast_minus", "_minus_scalar _MinusScalar",
     "_rminus_scalar _RMinusScalar"),
    ("lhs * rhs", lambda a, b: a * b, "elemwise_mul _Mul _mul _sparse_elemwise_mul",
     "broadcast_mul _sparse_broadcast_mul", "_mul_scalar _MulScalar", ""),
    ("lhs / rhs", _divide, "elemwise_div _Div _div _sparse_elemwise_div", "broadcast_div _sparse_broadcast_div",
     "_div_scalar _DivScalar", "_rdiv_scalar _RDivScalar"),
    ("lhs % rhs", _modulo, "_mod _Mod", "broadcast_mod", "_mod_scalar _ModScalar", "_rmod_scalar _RModScalar"),
    ("lhs ** rhs", _power, "_power _Power", "broadcast_power", "_power_scalar _PowerScalar",
     "_rpower_scalar _RPowerScalar"),
    ("max(lhs, rhs)", _maximum, "_maximum _Maximum", "broadcast_maximum", "_maximum_scalar _MaximumScalar", ""),
    ("min(lhs, rhs)", _minimum, "_minimum _Minimum", "broadcast_minimum", "_minimum_scalar _MinimumScalar", ""),
    ("sqrt(lhs ** 2 + rhs ** 2)", _in_floats(torch.hypot), "_hypot _Hypot", "broadcast_hypot",
     "_hypot_scalar _HypotScalar", ""),
    ("lhs == rhs", _truth(lambda a, b: a == b), "_equal _Equal", "broadcast_equal", "_equal_scalar _EqualScalar", ""),
    ("lhs != rhs", _truth(lambda a, b: a != b), "_not_equal _Not_Equal", "broadcast_not_equal",
     "_not_equal_scalar _NotEqualScalar", ""),
    ("lhs > rhs", _truth(lambda a, b: a > b), "_greater _Greater", "broadcast_greater",
     "_greater_scalar _GreaterScalar", ""),
    ("lhs >= rhs", _truth(lambda a, b: a >= b), "_greater_equal _Greater_Equal", "broadcast_greater_equal",
     "_greater_equal_scalar _GreaterEqualScalar", ""),
    ("lhs < rhs", _truth(lambda a, b: a < b), "_lesser _Lesser", "broadcast_lesser",
     "_lesser_scalar _LesserScalar", ""),
    ("lhs <= rhs", _truth(lambda a, b: a <= b), "_lesser_equal _Lesser_Equal", "broadcast_lesser_equal",
     "_lesser_equal_scalar _LesserEqualScalar", ""),
    ("lhs and rhs", _truth(lambda a, b: (a != 0) & (b != 0)), "_logical_and _Logical_And", "broadcast_logical_and",
     "_logical_and_scalar _LogicalAndScalar", ""),
    ("lhs or rhs", _truth(lambda a, b: (a != 0) | (b != 0)), "_logical_or _Logical_Or", "broadcast_logical_or",
     "_logical_or_scalar _LogicalOrScalar", ""),
    ("lhs xor rhs", _truth(lambda a, b: (a != 0) ^ (b != 0)), "_logical_xor _Logical_Xor", "broadcast_logical_xor",
     "_logical_xor_scalar _LogicalXorScalar", ""),
    ("lhs + rhs", lambda a, b: a + b, "_grad_add", "", "_scatter_plus_scalar", ""),
    ("lhs - rhs", lambda a, b: a - b, "", "", "_scatter_minus_scalar", ""),
    ("lhs / rhs", _divide, "_scatter_elemwise_div", "", "", ""),
)

_REMARKS = {
    "lhs / rhs": " Integers divide towards 0.",
    "lhs % rhs": " The result has the sign of the divisor, and is 0 where the divisor is 0.",
    "max(lhs, rhs)": " Where both are equal the gradient goes to the first.",
    "min(lhs, rhs)": " Where both are equal the gradient goes to the first.",
}
_REMARKS.update({row[0]: " 1 where it holds and else 0, in the dtype of the inputs; no gradient flows."
                 for row in _TABLE if any(w in row[0].split() for w in "== != > >= < <= and or xor".split())})


# --- shapes and dtypes -----------------------------------------------------------------------------------------------

def broadcast_shape(one: Known, other: Known) -> Known:
    """The shape that two arrays broadcast to, aligned at the last axis; 0 is an unknown size.

    Raises
    ------
    ValueError
        If two sizes differ and neither is 1.

    >>> broadcast_shape((2, 1, 3), (4, 1)), broadcast_shape((0, 3), (2, 1))
    ((2, 4, 3), (2, 3))
    """
    if one is None or other is None:
        return None
    length = max(len(one), len(other))
    pairs = zip((1,) * (length - len(one)) + one, (1,) * (length - len(other)) + other)
    return tuple(_broadcast_size(a, b) for a, b in pairs)


def _broadcast_size(a: int, b: int) -> int:
    if a == b or b == 1:
        return a
    if a == 1 or not a:
        return b
    require(not b, f"{a} != {b}", ValueError)
    return a


def _broadcast_rule(_p: Params, s: ShapeTable) -> None:
    try:
        s.output = broadcast_shape(s.lhs, s.rhs)
    except ValueError:
        raise ShapeError(f"{s.node}: lhs of shape {s.lhs} and rhs of shape {s.rhs} do not broadcast; each pair of "
                         f"sizes, from the last axis on, must be equal or contain a 1") from None


def _scalar_types(p: Params, types: dict[str, Optional[torch.dtype]]) -> None:
    if types["data"] is torch.bool:
        types["output"] = torch.int64 if p.is_int else torch.float64
    else:
        types["output"] = types["data"] = types["data"] or types["output"]


# --- the four kinds of operators -------------------------------------------------------------------------------------

def _define(names: str, forward: Callable[..., Tensor], doc: str, rule: Any) -> Any:
    name, *aliases = names.split()
    forward.__name__ = forward.__qualname__ = name
    forward.__doc__ = doc + "\n    "
    return operator(name, *aliases, shapes=rule)(forward)


def _define_pair(names: str, function: Function, formula: str, broadcast: bool) -> None:
    def forward(lhs: Tensor, rhs: Tensor) -> Tensor:
        return function(lhs, rhs)

    which = "that broadcast" if broadcast else "of one shape"
    shapes = "lhs, rhs (sizes equal or 1, aligned at the last axis) -> the larger size of each axis" if broadcast \
        else "lhs, rhs (any shape) -> the same"
    _define(names, forward, f"``{formula}`` of two arrays {which}.{_REMARKS.get(formula, '')}\n\n    Shapes: {shapes}.",
            _broadcast_rule if broadcast else elementwise)


def _define_scalar(names: str, function: Function, formula: str, reverse: bool) -> None:
    def forward(data: Tensor, *, scalar: float = 1.0, is_int: bool = True) -> Tensor:
        if data.dtype is torch.bool:
            data = data.to(torch.int64 if is_int else torch.float64)
        number = number_for(data, scalar)
        return function(number, data) if reverse else function(data, number)

    sides = ("scalar", "data") if reverse else ("data", "scalar")
    formula_here = formula.replace("lhs", sides[0]).replace("rhs", sides[1])
    made = _define(names, forward, f"``{formula_here}``.{_REMARKS.get(formula, '')}\n\n"
                   f"    Shapes: data (any shape) -> the same. For integers the scalar is truncated to one; booleans "
                   f"count\n    as int64, or as float64 unless `is_int`.", elementwise)
    made.dtypes(_scalar_types)


for _formula, _function, _same, _broadcast, _right, _left in _TABLE:
    if _same:
        _define_pair(_same, _function, _formula, broadcast=False)
    if _broadcast:
        _define_pair(_broadcast, _function, _formula, broadcast=True)
    if _right:
        _define_scalar(_right, _function, _formula, reverse=False)
    if _left:
        _define_scalar(_left, _function, _formula, reverse=True)
