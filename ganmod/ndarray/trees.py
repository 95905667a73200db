"""Trees of plain values and arrays as bytes that cannot execute: what ``.states`` files and sessions are made of.

The bytes are a line that names the kind of file, the length of the header as a little-endian uint64, the header in
JSON, and the arrays in MXNet's ``.params`` layout. In the header ``{"tuple": [...]}``, ``{"dict": [[key, value],
...]}``, ``{"array": number}``, ``{"tensor": number}`` and ``{"numpy": [number, dtype, shape]}`` stand for what JSON
lacks.
"""
from __future__ import annotations

import json
import struct
from typing import Any, Callable, Optional

import numpy as np
import torch

from ..base import FileFormatError, InputError
from .files import load_frombuffer, to_bytes
from .ndarray import NDArray

__all__ = ["pack", "unpack", "join", "split"]

#: Gives (kind, plain value) for a value that trees lack, or None.
Encode = Callable[[Any], Optional[tuple[str, Any]]]
#: The value that ``encode`` gave (kind, plain value) for; ValueError for an unknown kind.
Decode = Callable[[str, Any], Any]


def pack(value: Any, arrays: list[NDArray], where: str, encode: Encode = lambda value: None) -> Any:
    """A value as what JSON can hold; its arrays are appended to `arrays`.

    Raises
    ------
    InputError
        For what is no None, number, string, array, or list, tuple or dict of them; `where` says what was packed.
    """
    def inner(part: Any) -> Any:
        return pack(part, arrays, where, encode)

    def numbered(array: NDArray) -> int:
        arrays.append(array)
        return len(arrays) - 1

    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, NDArray):
        return {"array": numbered(value)}
    if isinstance(value, torch.Tensor):
        return {"tensor": numbered(NDArray(value.detach()))}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        content = np.frombuffer(np.ascontiguousarray(value).tobytes(), np.uint8)
        return {"numpy": [numbered(NDArray(torch.from_numpy(content.copy()))), value.dtype.str, list(value.shape)]}
    if isinstance(value, list):
        return [inner(v) for v in value]
    if isinstance(value, tuple):
        return {"tuple": [inner(v) for v in value]}
    if isinstance(value, dict):
        return {"dict": [[inner(k), inner(v)] for k, v in value.items()]}
    special = encode(value)
    if special is not None:
        return {special[0]: inner(special[1])}
    raise InputError(f"{where} hold(s) {value!r:.80}, which cannot be written; what can are None, numbers, strings, "
                     "arrays, learning rate schedulers of optimizers, and lists, tuples and dicts of them")


def _unknown(kind: str, _content: Any) -> Any:
    raise ValueError(f"{kind!r} is unknown")


def unpack(tree: Any, arrays: list[NDArray], decode: Decode = _unknown) -> Any:
    """The value that :meth:`pack` packed; KeyError, IndexError, TypeError or ValueError for a damaged tree."""
    def inner(part: Any) -> Any:
        return unpack(part, arrays, decode)

    if isinstance(tree, list):
        return [inner(t) for t in tree]
    if not isinstance(tree, dict):
        return tree
    (kind, content), = tree.items()
    if kind == "array":
        return arrays[content]
    if kind == "tensor":
        return arrays[content].as_torch()
    if kind == "numpy":
        number, dtype, shape = content
        if np.dtype(dtype).kind not in "biuf":
            raise ValueError(f"the dtype {dtype!r} is not one of numbers")
        return np.frombuffer(arrays[number].asnumpy().tobytes(), np.dtype(dtype)).reshape(shape).copy()
    if kind == "tuple":
        return tuple(inner(t) for t in content)
    if kind == "dict":
        return {inner(k): inner(v) for k, v in content}
    return decode(kind, inner(content))


def join(magic: bytes, header: Any, arrays: list[NDArray]) -> bytes:
    """The bytes of a file: the line `magic`, the header, the arrays."""
    text = json.dumps(header).encode()
    return b"".join([magic, struct.pack("<Q", len(text)), text, to_bytes(arrays)])


def split(magic: bytes, content: bytes, what: str) -> tuple[dict[str, Any], list[NDArray]]:
    """Header and arrays of what :func:`join` made.

    Raises
    ------
    FileFormatError
        For anything else; `what` says what was to be read.
    """
    if not content.startswith(magic):
        raise FileFormatError(f"{what}: the content is of another kind; expected {magic.decode().strip()!r} first")
    start = len(magic) + 8
    try:
        length, = struct.unpack_from("<Q", content, len(magic))
        if start + length > len(content):
            raise ValueError("it is truncated")
        header = json.loads(content[start:start + length])
    except (struct.error, ValueError, RecursionError) as error:
        raise FileFormatError(f"{what}: the header cannot be read ({error})") from error
    arrays = load_frombuffer(content[start + length:])
    if not isinstance(header, dict) or not isinstance(arrays, list):
        raise FileFormatError(f"{what}: the header is damaged")
    return header, arrays
