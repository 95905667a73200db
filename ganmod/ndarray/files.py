"""``mx.nd.save`` and ``load``: MXNet's ``.params`` files, byte for byte.

A file is, little-endian: uint64 0x112, uint64 0, uint64 number of arrays, the arrays, uint64 number of names (0 or that
of the arrays), the names (uint64 length, UTF-8). An array exists in four layouts; this module writes the second
version and reads all of them::

    version 2    uint32 0xF993FAC9, int32 storage type, int32 axes, int64 sizes, int32 device type, int32 device id,
                 int32 dtype, values
    of a sparse array the axes and sizes of the stored values come before its own; after its dtype come the dtype, axes
    and sizes of each array of places (row_sparse: row numbers; csr: beginnings of rows, columns), after the values
    these arrays
    version 3    uint32 0xF993FACA, as version 2; 0 axes mean a single number
    version 1    uint32 0xF993FAC8, uint32 axes, int64 sizes, device, dtype and values as above
    before 1.0   uint32 axes, uint32 sizes, device, dtype and values as above

Nothing is allocated before the file is known to hold that much, and nothing read is executed.
"""
from __future__ import annotations

import io
import os
import struct
from typing import Any, BinaryIO, Iterable, Union

import torch

from .. import files
from ..base import FileFormatError, InputError, dtype_name
from ..context import Context, cpu, num_gpus
from ..ops import storage
from .ndarray import NDArray, array_of

__all__ = ["save", "to_bytes", "load", "load_frombuffer", "array_from_bytes"]

Path = Union[str, "os.PathLike[str]"]
Saved = Union[NDArray, list[NDArray], tuple[NDArray, ...], dict[str, NDArray]]
Loaded = Union[list[NDArray], dict[str, NDArray]]

_LIST_MAGIC = 0x112
_V1, _V2, _V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_MOST_AXES = 32
_STORAGE = ["default", "row_sparse", "csr"]
_DTYPES = {0: torch.float32, 1: torch.float64, 2: torch.float16, 3: torch.uint8, 4: torch.int32, 5: torch.int8,
           6: torch.int64, 7: torch.bool, 12: torch.bfloat16}
_FLAGS = {dtype: flag for flag, dtype in _DTYPES.items()}


# --- writing -----------------------------------------------------------------------------------------------------

def save(fname: Path, data: Saved) -> None:
    """Write arrays to a file in MXNet's format; the old file stays until the new one is complete.

    Parameters
    ----------
    fname : path
    data : NDArray, list of NDArray, or dict of str to NDArray
        A single array is written as a list of one.

    Raises
    ------
    InputError
        For anything else.
    OSError
        If the file cannot be written.
    """
    files.write_atomically(fname, to_bytes(data))


def to_bytes(data: Saved) -> bytes:
    """The content of a file of arrays; :func:`load_frombuffer` reads it."""
    arrays, names = _arrays_and_names(data)
    parts: list[Any] = [struct.pack("<QQQ", _LIST_MAGIC, 0, len(arrays))]
    for array in arrays:
        parts += _packed(array)
    parts.append(struct.pack("<Q", len(names)))
    for name in names:
        encoded = name.encode()
        parts += [struct.pack("<Q", len(encoded)), encoded]
    return b"".join(parts)


def _arrays_and_names(data: Any) -> tuple[list[NDArray], list[str]]:
    if isinstance(data, NDArray):
        return [data], []
    if isinstance(data, dict):
        arrays, names = list(data.values()), list(data)
    elif isinstance(data, (list, tuple)):
        arrays, names = list(data), []
    else:
        raise InputError(f"save() takes an NDArray, a list of them or a dict of str to NDArray, "
                         f"got {type(data).__name__}")
    for key, value in zip(names or range(len(arrays)), arrays):
        if not isinstance(value, NDArray) or (names and not isinstance(key, str)):
            raise InputError(f"save() takes NDArrays, named by str in a dict; got {key!r}: {type(value).__name__}")
    return arrays, names


def _packed(array: NDArray) -> list[Any]:
    """The header of an array and its values, both as bytes."""
    tensor, ctx = array.as_torch().detach(), array.context
    if tensor.dtype not in _FLAGS:
        raise InputError(f"save(): MXNet's format has no {dtype_name(tensor.dtype)}; cast to one of "
                         f"{', '.join(map(dtype_name, _FLAGS))}")
    kind, where = _STORAGE.index(storage.storage_of(tensor)), (ctx.device_typeid, ctx.device_id, _FLAGS[tensor.dtype])
    if not kind:
        return [struct.pack("<Ii", _V2, kind), _sizes(array.shape), struct.pack("<iii", *where), _values(tensor)]
    values, places = storage.values_of(tensor), storage.places_of(tensor)
    described = [part for t in places for part in (struct.pack("<i", _FLAGS[t.dtype]), _sizes(t.shape))]
    return [struct.pack("<Ii", _V2, kind), _sizes(values.shape), _sizes(array.shape), struct.pack("<iii", *where),
            *described, *map(_values, (values, *places))]


def _sizes(shape: Iterable[int]) -> bytes:
    sizes = tuple(shape)
    return struct.pack(f"<i{len(sizes)}q", len(sizes), *sizes)


def _values(tensor: torch.Tensor) -> Any:
    return tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy()


# --- reading -----------------------------------------------------------------------------------------------------

def load(fname: Path) -> Loaded:
    """The arrays of a file: a dict if they have names, else a list.

    Raises
    ------
    FileFormatError
        If the file is truncated, damaged, or no such file at all.
    OSError
        If it cannot be opened.
    """
    with files.reading(fname) as stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        return _Reader(stream, size, os.fspath(fname)).read_file()


def load_frombuffer(buf: Union[bytes, bytearray, memoryview]) -> Loaded:
    """As :func:`load`, from the content of a file.

    Raises
    ------
    FileFormatError
        If it is truncated, damaged or foreign.
    """
    if not isinstance(buf, (bytes, bytearray, memoryview)):
        raise InputError(f"load_frombuffer() takes bytes, got {type(buf).__name__}")
    content = bytes(buf)
    return _Reader(io.BytesIO(content), len(content), "<buffer>").read_file()


def array_from_bytes(content: bytes) -> NDArray:
    """One array, as it stands in a file: without the file's header.

    Raises
    ------
    FileFormatError
        If it is truncated or damaged, or something follows it.
    """
    reader = _Reader(io.BytesIO(content), len(content), "<array>")
    reader.what = "an array"
    array = reader.read_array()
    if reader.left:
        raise reader.wrong(f"{reader.left} bytes follow")
    return array


class _Reader:
    """Reads one file, and knows how many bytes are left in it."""

    def __init__(self, stream: BinaryIO, size: int, name: str) -> None:
        self.stream, self.left, self.size, self.name = stream, size, size, name
        self.what = "the header"

    def wrong(self, message: str) -> FileFormatError:
        """The error to raise: the file, where in it, and `message`."""
        return FileFormatError(f"{self.name}: at byte {self.size - self.left}, in {self.what}: {message}")

    def require_left(self, size: int, what: str) -> None:
        """Raise unless `size` more bytes are there."""
        if size > self.left:
            raise self.wrong(f"the file is truncated: {what} takes {size} bytes, and {self.left} are left")

    def numbers(self, layout: str, what: str) -> tuple[Any, ...]:
        """The numbers of a struct layout."""
        size = struct.calcsize("<" + layout)
        self.require_left(size, what)
        self.left -= size
        return struct.unpack("<" + layout, self.stream.read(size))

    def read_file(self) -> Loaded:
        """Everything."""
        magic, _ = self.numbers("QQ", "a file header")
        if magic != _LIST_MAGIC:
            raise self.wrong(f"not an MXNet file of arrays: it begins with {magic:#x}, expected {_LIST_MAGIC:#x}")
        count, = self.numbers("Q", "the number of arrays")
        arrays = list(self.read_arrays(count))
        self.what = "the names"
        named, = self.numbers("Q", "the number of names")
        if named not in (0, count):
            raise self.wrong(f"{named} names for {count} arrays; expected none, or as many")
        names = [self.read_name() for _ in range(named)]
        return dict(zip(names, arrays)) if names else arrays

    def read_arrays(self, count: int) -> Iterable[NDArray]:
        """The arrays, one by one; each takes some bytes, so a false count ends with the file."""
        for k in range(count):
            self.what = f"array {k} of {count}"
            yield self.read_array()

    def read_name(self) -> str:
        """One name."""
        length, = self.numbers("Q", "the length of a name")
        self.require_left(length, "a name")
        self.left -= length
        try:
            return self.stream.read(length).decode()
        except UnicodeDecodeError as error:
            raise self.wrong(f"a name is not UTF-8: {error}") from None

    def read_array(self) -> NDArray:
        """One array, in any of the layouts."""
        magic, = self.numbers("I", "an array's header")
        if magic in (_V2, _V3):
            kind, axes = self.numbers("ii", "an array's storage type and number of axes")
            if kind not in range(len(_STORAGE)):
                raise self.wrong(f"the storage type is {kind}; expected one of "
                                 + ", ".join(f"{k} ({name})" for k, name in enumerate(_STORAGE)))
            if kind:
                self.read_sizes(axes, "q")                 # of the values: MXNet writes 0 rows where there are more
                return self.read_sparse(_STORAGE[kind])
            sizes = "q"
        elif magic == _V1:
            axes, = self.numbers("I", "the number of axes")
            sizes = "q"
        else:
            axes, sizes = magic, "I"
        shape = self.read_sizes(axes, sizes)
        if not axes and magic != _V3:                      # MXNet's empty handle: nothing follows
            return NDArray(torch.empty(0))
        return self.read_values(shape)

    def read_sizes(self, axes: int, layout: str) -> tuple[int, ...]:
        """The sizes of a number of axes."""
        if not 0 <= axes <= _MOST_AXES:
            raise self.wrong(f"found {axes} (hexadecimal {axes & 0xffffffff:#x}) where an array begins or its number "
                             f"of axes stands; expected a known array header, or 0 to {_MOST_AXES} axes")
        return self.numbers(f"{axes}{layout}", "a shape")

    def read_values(self, shape: tuple[int, ...]) -> NDArray:
        """The device, the dtype and the values of an array."""
        device_type, device_id, flag = self.numbers("iii", "a device and a dtype")
        return self.place(self.read_tensor(shape or (1,), self.dtype_of(flag)), device_type, device_id)

    def read_sparse(self, stype: str) -> NDArray:
        """The rest of a sparse array, which has as many values, or rows of them, as there are places."""
        shape = self.read_sizes(self.numbers("i", "the number of axes")[0], "q")
        device_type, device_id, flag = self.numbers("iii", "a device and a dtype")
        described = []
        for _ in range(1 if stype == "row_sparse" else 2):
            kind, axes = self.numbers("ii", "the dtype and number of axes of places")
            described.append((self.read_sizes(axes, "q"), self.dtype_of(kind)))
        stored = described[-1][0][:1] + (shape[1:] if stype == "row_sparse" else ())
        values = self.read_tensor(stored, self.dtype_of(flag))
        places = [self.read_tensor(*one).to(torch.int64) for one in described]
        try:
            tensor = storage.rows_tensor(places[0], values, shape) if stype == "row_sparse" else \
                storage.csr_tensor(places[0], places[1], values, shape)
        except RuntimeError as error:
            raise self.wrong(f"the parts of a {stype} array do not fit together: {error}") from None
        return self.place(tensor, device_type, device_id)

    def dtype_of(self, flag: int) -> torch.dtype:
        """The dtype of a flag."""
        if flag not in _DTYPES:
            raise self.wrong(f"the dtype flag is {flag}; expected one of " + ", ".join(
                f"{known} ({dtype_name(dtype)})" for known, dtype in _DTYPES.items()))
        return _DTYPES[flag]

    def read_tensor(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """Values, if they are there."""
        count = 1
        for size in shape:
            count *= size
        if min(shape, default=0) < 0:
            raise self.wrong(f"the shape is {shape}; expected no negative sizes")
        self.require_left(count * dtype.itemsize, f"an array of shape {shape} and dtype {dtype_name(dtype)}")
        try:
            tensor = torch.empty(shape, dtype=dtype)
        except RuntimeError:                               # sizes beside a 0 that no address can count
            raise self.wrong(f"the shape is {shape}; expected sizes that fit in memory") from None
        target = tensor.reshape(-1).view(torch.uint8).numpy()
        if self.stream.readinto(target) != len(target):  # type: ignore[attr-defined]
            raise self.wrong("the file became shorter while it was read")
        self.left -= len(target)
        return tensor.view(torch.uint8) != 0 if dtype is torch.bool else tensor     # any other byte means true

    def place(self, tensor: torch.Tensor, device_type: int, device_id: int) -> NDArray:
        """The array on the GPU it was saved from, if that is here, else on the CPU."""
        on_gpu = device_type == Context.devstr2type["gpu"] and 0 <= device_id < num_gpus()
        ctx = Context("gpu", device_id) if on_gpu else cpu()
        return array_of(tensor.to(ctx.device), ctx)
