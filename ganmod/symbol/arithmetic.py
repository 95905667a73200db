"""The arithmetic of symbols: ``a + b``, ``2 * a``, ``a > 0`` as nodes of a graph."""
from __future__ import annotations

from typing import Any, Callable, Sequence, TypeVar

from ..base import InputError, numeric_types

__all__ = ["Arithmetic"]

S = TypeVar("S", bound="Arithmetic")


def _binary(array_op: str, scalar_op: str, refuse: bool = False) -> Callable[[S, Any], S]:
    """A method for an operator symbol between two symbols, or a symbol and a number on its right."""
    def method(self: S, other: Any) -> S:
        if isinstance(other, Arithmetic):
            return self._applied(array_op, (self, other), {})
        if isinstance(other, numeric_types):
            return self._applied(scalar_op, (self,), {"scalar": other})
        if refuse:                                         # == and != would quietly compare identities
            raise InputError(f"a Symbol compares with symbols and numbers, not with {type(other).__name__}")
        return NotImplemented
    return method


def _reflected(scalar_op: str) -> Callable[[S, Any], S]:
    """A method for a number on the left of a symbol."""
    def method(self: S, other: Any) -> S:
        if isinstance(other, numeric_types):
            return self._applied(scalar_op, (self,), {"scalar": other})
        return NotImplemented
    return method


class Arithmetic:
    """The operators of symbols; what has them says how a node of an operator is made."""

    __slots__ = ()
    __array_ufunc__ = None                                 # numpy numbers on the left leave the operation to us

    def _applied(self: S, name: str, inputs: Sequence[Any], attributes: dict[str, Any]) -> S:
        """A node of the operator `name`."""
        raise NotImplementedError(f"{type(self).__name__} does not define _applied()")

    def __hash__(self) -> int:
        return id(self)

    __add__ = __radd__ = _binary("_Plus", "_PlusScalar")
    __sub__ = _binary("_Minus", "_MinusScalar")
    __rsub__ = _reflected("_RMinusScalar")
    __mul__ = __rmul__ = _binary("_Mul", "_MulScalar")
    __truediv__ = _binary("_Div", "_DivScalar")
    __rtruediv__ = _reflected("_RDivScalar")
    __mod__ = _binary("_Mod", "_ModScalar")
    __rmod__ = _reflected("_RModScalar")
    __pow__ = _binary("_Power", "_PowerScalar")
    __rpow__ = _reflected("_rpower_scalar")
    __eq__ = _binary("_equal", "_equal_scalar", refuse=True)  # type: ignore[assignment]
    __ne__ = _binary("_not_equal", "_not_equal_scalar", refuse=True)  # type: ignore[assignment]
    __gt__ = _binary("_greater", "_greater_scalar")
    __ge__ = _binary("_greater_equal", "_greater_equal_scalar")
    __lt__ = _binary("_lesser", "_lesser_scalar")
    __le__ = _binary("_lesser_equal", "_lesser_equal_scalar")

    def __neg__(self: S) -> S:
        return self._applied("_MulScalar", (self,), {"scalar": -1.0})

    def __abs__(self: S) -> S:
        return self._applied("abs", (self,), {})
