"""Attribute types: how the annotation of an operator's keyword parses a Python value or the string of a symbol file.

Each type is one function ``parse(value) -> value`` that raises ``ValueError`` with what it expected. Values come as
Python objects from a program, or as strings from JSON, in the spellings that MXNet's several front ends have used:
``'(4, 4)'``, ``'(4,4)'``, ``'[4,4]'``, ``'(4L, 4L)'``, ``'True'``, ``'true'``, ``'1'``, ``'1.0000001E-5'``, ``'None'``.
"""
from __future__ import annotations

import re
import types
import typing
from typing import Any, Callable, Literal, Optional, Union

import numpy as np
import torch

from .. import base

__all__ = ["Shape", "Floats", "DType", "parser_for", "describe"]

Parser = Callable[[Any], Any]

Shape = tuple[int, ...]
Floats = tuple[float, ...]


if typing.TYPE_CHECKING:
    DType = torch.dtype
else:
    class DType:
        """Annotation of a dtype attribute; the parsed value is a ``torch.dtype``."""


_LONG = re.compile(r"(?<=\d)L\b")


def _integer(value: Any) -> int:
    if isinstance(value, str):
        return int(_LONG.sub("", value.strip()))
    if isinstance(value, (bool, int, np.integer, np.bool_)):
        return int(value)
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return int(value)
    raise ValueError("expected an int")


def _float(value: Any) -> float:
    if isinstance(value, (str, bool, int, float, np.generic)):
        return float(value)
    raise ValueError("expected a float")


def _boolean(value: Any) -> bool:
    spelled = str(value).strip().lower()
    if spelled in ("true", "1", "1.0"):
        return True
    if spelled in ("false", "0", "0.0"):
        return False
    raise ValueError("expected True or False")


def _string(value: Any) -> str:
    return str(value)


def _dtype(value: Any) -> torch.dtype:
    return base.to_torch_dtype(value.strip() if isinstance(value, str) else value)


def _sequence_of(element: Parser, expected: str) -> Parser:
    def parse(value: Any) -> tuple[Any, ...]:
        if isinstance(value, str):
            inner = value.strip()
            if inner[:1] in "([" and inner[-1:] in ")]":
                inner = inner[1:-1]
            value = [part for part in inner.split(",") if part.strip()]
        elif isinstance(value, (int, float, np.generic)):
            value = [value]
        try:
            return tuple(element(v) for v in value)
        except (TypeError, ValueError):
            raise ValueError(f"expected {expected}") from None
    return parse


def _one_of(choices: tuple[Any, ...]) -> Parser:
    def parse(value: Any) -> Any:
        for choice in choices:
            if value == choice or str(value) == str(choice):
                return choice
        closest = base.suggest(str(value), map(str, choices))
        raise ValueError(f"expected one of {', '.join(map(repr, choices))}{closest}")
    return parse


def _optional(parse_given: Parser) -> Parser:
    def parse(value: Any) -> Any:
        absent = value is None or (isinstance(value, str) and value.strip() == "None")
        return None if absent else parse_given(value)
    return parse


def _shape_with_unknowns(value: Any) -> tuple[Optional[int], ...]:
    return _sequence_of(_optional(_integer), "a tuple of ints and None")(value)


_SIMPLE: dict[Any, Parser] = {
    int: _integer, float: _float, bool: _boolean, str: _string, DType: _dtype,
    Shape: _sequence_of(_integer, "a tuple of ints"),
    Floats: _sequence_of(_float, "a tuple of floats"),
    tuple[Optional[int], ...]: _shape_with_unknowns,
}


def parser_for(annotation: Any) -> Parser:
    """The parser of an annotation: int, float, bool, str, Shape, Floats, DType, Literal[...] or Optional of these."""
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    origin = typing.get_origin(annotation)
    if origin is Literal:
        return _one_of(typing.get_args(annotation))
    if origin in (Union, types.UnionType):
        inner, = [a for a in typing.get_args(annotation) if a is not type(None)]
        return _optional(parser_for(inner))
    raise TypeError(f"no parser for the annotation {annotation!r}")


def describe(annotation: Any) -> str:
    """The annotation in the words of a docstring.

    >>> describe(Optional[Shape]), describe(Literal["max", "avg"])
    ('tuple of int or None', "{'max', 'avg'}")
    """
    names = {int: "int", float: "float", bool: "bool", str: "str", DType: "dtype", Shape: "tuple of int",
             Floats: "tuple of float", tuple[Optional[int], ...]: "tuple of int or None"}
    if annotation in names:
        return names[annotation]
    if typing.get_origin(annotation) is Literal:
        return "{" + ", ".join(repr(a) for a in typing.get_args(annotation)) + "}"
    inner, = [a for a in typing.get_args(annotation) if a is not type(None)]
    return describe(inner) + " or None"
