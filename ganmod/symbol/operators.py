"""``mx.sym.X``: one function for every entry of the operator table."""
from __future__ import annotations

from typing import Any, Callable

from ..ops import registry as ops
from .symbol import Symbol, apply

__all__ = ["make_function"]


def make_function(op: ops.Operator, name: str) -> Callable[..., Symbol]:
    """The function ``mx.sym.<name>``: inputs and attributes by position or name, ``name=`` and ``attr=``."""
    def function(*args: Any, **kwargs: Any) -> Symbol:
        return apply(op, name, args, kwargs)

    function.__name__, function.__qualname__, function.__module__ = name, name, __name__
    function.__doc__, function.__signature__ = op.__doc__, op.signature  # type: ignore[attr-defined]
    return function
