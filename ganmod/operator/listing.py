"""What operators there are, and what they take."""
from __future__ import annotations

from typing import NamedTuple

from ..ops import find, table
from ..ops.attributes import describe

__all__ = ["OperatorArguments", "get_all_registered_operators", "get_operator_arguments"]


class OperatorArguments(NamedTuple):
    """What :func:`get_operator_arguments` returns: how many arguments, their names, their types in words."""

    narg: int
    names: list[str]
    types: list[str]


def get_all_registered_operators() -> list[str]:
    """The names of all operators, aliases included."""
    return sorted(table())


def get_operator_arguments(op_name: str) -> OperatorArguments:
    """The inputs and attributes of an operator.

    >>> get_operator_arguments('Flatten')
    OperatorArguments(narg=1, names=['data'], types=['NDArray-or-Symbol'])
    """
    op = find(op_name)
    inputs = [*(i.name for i in op.inputs if not i.aux), *(["data"] if op.variadic else ())]
    words = ["NDArray-or-Symbol[]" if op.variadic and k == len(inputs) - 1 else "NDArray-or-Symbol"
             for k in range(len(inputs))]
    words += [f"{describe(a.annotation)}, " + ("required" if a.required else f"optional, default={a.default!r}")
              for a in op.attributes.values()]
    names = [*inputs, *op.attributes]
    return OperatorArguments(len(names), names, words)
