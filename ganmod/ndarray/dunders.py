"""The operator symbols of arrays: ``a + b``, ``2 - a``, ``a += b``."""
from __future__ import annotations

import operator
from typing import Any, Callable, Optional, TypeVar

import numpy as np
from torch import Tensor

from ..base import InputError, MXNetError, ShapeError, dtype_name, numeric_types
from . import indexing, recording

__all__ = ["ArrayArithmetic", "plain"]

A = TypeVar("A", bound="ArrayArithmetic")


def plain(value: Any) -> Any:
    """A number without numpy's type."""
    return value.item() if isinstance(value, np.generic) else value


def _binary(array_op: str, scalar_op: str, refuse: bool = False) -> Callable[[A, Any], Any]:
    """A method for an operator symbol: broadcasting between arrays, or with a number on the other side."""
    def apply(self: A, other: Any) -> Any:
        if isinstance(other, numeric_types):
            return self._applied(scalar_op, [self], {"scalar": plain(other)})
        operand = self._operand(other)
        if operand is not None:
            return self._applied(array_op, [self, operand], {})
        if refuse:                                         # == and != would quietly compare identities
            raise InputError(f"an NDArray compares with arrays and numbers, not with {type(other).__name__}")
        return NotImplemented
    return apply


def _reflected(array_op: str, scalar_op: str) -> Callable[[A, Any], Any]:
    """A method for ``number <op> array``, or a numpy array on the left."""
    def apply(self: A, other: Any) -> Any:
        if isinstance(other, numeric_types):
            return self._applied(scalar_op, [self], {"scalar": plain(other)})
        operand = self._operand(other)
        return NotImplemented if operand is None else self._applied(array_op, [operand, self], {})
    return apply


def _in_place(method: str, symbol: str) -> Callable[[A, Any], A]:
    """A method that writes into the array's own memory."""
    def apply(self: A, other: Any) -> A:
        self._check_writable(symbol)
        mine = self._tensor
        if isinstance(other, numeric_types):
            operand: Any = indexing.number_for(other, mine.dtype)
        else:
            array = self._operand(other)
            if array is None:
                return NotImplemented
            operand = array._tensor
            if operand.dtype is not mine.dtype:
                raise ShapeError(f"{symbol} needs arrays of one dtype, got {dtype_name(mine.dtype)} and "
                                 f"{dtype_name(operand.dtype)}; use .astype")
        try:
            getattr(mine, method)(operand)
        except RuntimeError as error:
            raise ShapeError(f"{symbol}: shapes {tuple(mine.shape)} and {getattr(other, 'shape', ())} do not fit: "
                             f"{error}") from error
        return self
    return apply


def _in_place_through(operation: Callable[[Any, Any], Any], symbol: str) -> Callable[[A, Any], A]:
    """A method that computes anew and writes the result into the array's own memory."""
    def apply(self: A, other: Any) -> A:
        self._check_writable(symbol)
        indexing.write(self._tensor, Ellipsis, operation(self, other)._tensor, lambda key: key)
        return self
    return apply


class ArrayArithmetic:
    """The operator symbols; what has them says how an operator is run and what counts as an operand."""

    __slots__ = ()
    _tensor: Tensor
    _record: Optional[recording.Record]

    def _applied(self, name: str, inputs: Any, attributes: dict[str, Any]) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define _applied()")

    def _operand(self: A, other: Any) -> Optional[A]:
        raise NotImplementedError(f"{type(self).__name__} does not define _operand()")

    def _check_writable(self, call: str) -> None:
        """Raise for an array whose values a recorded computation still needs."""
        if recording.is_recording() and self._record is not None and self._record.tensor.grad_fn is not None:
            raise MXNetError(f"{call}: this array is part of the computation being recorded, and its gradient needs "
                             "the values it has; write to it outside of autograd.record(), or compute a new array")

    def __hash__(self) -> int:
        return id(self) // 16

    __add__ = __radd__ = _binary("broadcast_add", "_plus_scalar")
    __sub__ = _binary("broadcast_sub", "_minus_scalar")
    __rsub__ = _reflected("broadcast_sub", "_rminus_scalar")
    __mul__ = __rmul__ = _binary("broadcast_mul", "_mul_scalar")
    __truediv__ = _binary("broadcast_div", "_div_scalar")
    __rtruediv__ = _reflected("broadcast_div", "_rdiv_scalar")
    __mod__ = _binary("broadcast_mod", "_mod_scalar")
    __rmod__ = _reflected("broadcast_mod", "_rmod_scalar")
    __pow__ = _binary("broadcast_power", "_power_scalar")
    __rpow__ = _reflected("broadcast_power", "_rpower_scalar")
    __eq__ = _binary("broadcast_equal", "_equal_scalar", refuse=True)
    __ne__ = _binary("broadcast_not_equal", "_not_equal_scalar", refuse=True)
    __gt__ = _binary("broadcast_greater", "_greater_scalar")
    __ge__ = _binary("broadcast_greater_equal", "_greater_equal_scalar")
    __lt__ = _binary("broadcast_lesser", "_lesser_scalar")
    __le__ = _binary("broadcast_lesser_equal", "_lesser_equal_scalar")
    __iadd__ = _in_place("add_", "+=")
    __isub__ = _in_place("sub_", "-=")
    __imul__ = _in_place("mul_", "*=")
    __itruediv__ = _in_place_through(operator.truediv, "/=")
    __imod__ = _in_place_through(operator.mod, "%=")

    def __neg__(self) -> Any:
        return self._applied("negative", [self], {})

    def __abs__(self) -> Any:
        return self._applied("abs", [self], {})
