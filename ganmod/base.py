"""Error classes and the small checks that every other module raises them with."""
from __future__ import annotations

import difflib
from typing import Any, Iterable

import numpy as np
import torch

__all__ = ["MXNetError", "StateError", "ShapeError", "AttributeValueError", "InputError", "FileFormatError",
           "NotImplementedForSymbol", "Untraceable", "require", "suggest", "string_types", "numeric_types",
           "integer_types", "mx_real_t", "to_torch_dtype", "to_numpy_dtype"]

string_types = (str,)
numeric_types = (float, int, np.generic)
integer_types = (int, np.integer)
mx_real_t = np.float32


class MXNetError(RuntimeError):
    """Base of every error that ganmod raises on its own account; the name programs catch."""


class StateError(MXNetError, AssertionError):
    """A call came out of order. MXNet asserts here, so programs may catch ``AssertionError``."""


class ShapeError(MXNetError, ValueError):
    """Shapes or dtypes that cannot be reconciled."""


class AttributeValueError(MXNetError, ValueError):
    """An operator attribute that is unknown, missing, or has a value its type refuses."""


class InputError(MXNetError, TypeError, ValueError):
    """An argument that is missing, given twice, or of the wrong kind; MXNet raises one or the other of its bases."""


class NotImplementedForSymbol(MXNetError, NotImplementedError):
    """A method that arrays have and symbols, which hold no values, do not."""


class Untraceable(Exception):
    """Calls that depend on values were to be recorded; what asked for the recording finds another way."""


class FileFormatError(MXNetError, ValueError):
    """A file that is truncated, damaged, or of a foreign format."""


def require(condition: Any, message: str, error: type[Exception] = MXNetError) -> None:
    """Raise ``error(message)`` unless `condition` holds."""
    if not condition:
        raise error(message)


def suggest(name: str, known: Iterable[str]) -> str:
    """A ``; did you mean 'x'?`` for the closest of the `known` names, or nothing.

    >>> suggest("num_filtre", ["num_filter", "kernel"])
    "; did you mean 'num_filter'?"
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


_TORCH_DTYPES = {name: getattr(torch, name) for name in (
    "float32", "float64", "float16", "bfloat16", "uint8", "int8", "int32", "int64", "bool", "int16")}
_NAMES = {dtype: name for name, dtype in _TORCH_DTYPES.items()}


def to_torch_dtype(dtype: Any) -> torch.dtype:
    """The torch dtype of a name, numpy dtype or type, or torch dtype; ``None`` is float32.

    >>> to_torch_dtype("float16"), to_torch_dtype(np.int32), to_torch_dtype(None)
    (torch.float16, torch.int32, torch.float32)
    """
    if dtype is None:
        return torch.float32
    if isinstance(dtype, torch.dtype):
        name = _NAMES.get(dtype)
    else:
        name = dtype if isinstance(dtype, str) else getattr(dtype, "name", None) or np.dtype(dtype).name
    try:
        return _TORCH_DTYPES[name]  # type: ignore[index]
    except KeyError:
        raise AttributeValueError(f"dtype {dtype!r} is not supported; expected one of {', '.join(_TORCH_DTYPES)}") \
            from None


def dtype_name(dtype: torch.dtype) -> str:
    """The short name of a torch dtype: ``'float32'``."""
    return _NAMES[dtype]


def to_numpy_dtype(dtype: torch.dtype) -> Any:
    """The numpy scalar type of a torch dtype (``torch.bfloat16``, which numpy lacks, is returned as it is)."""
    return dtype if dtype is torch.bfloat16 else np.dtype(_NAMES[dtype]).type
