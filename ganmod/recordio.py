"""``mx.recordio``: files of records, with and without an index, byte for byte those of MXNet.

A record is, little-endian: uint32 0xced7230a, uint32 ``part << 29 | length``, the payload, zeros up to the next multiple
of 4. Where the payload itself has the first word at a multiple of 4, it is cut there: the word is left out, and the
pieces become parts numbered 1 (the first), 2 (between) and 3 (the last); a record in one piece is part 0. So whoever
lost the thread in a damaged file finds the next record by its first word. An index is a text file of lines
``key<tab>offset``.
"""
from __future__ import annotations

import numbers
import os
import struct
from types import TracebackType
from typing import Any, BinaryIO, Callable, Iterator, NamedTuple, Optional, Union

import numpy as np

from .base import AttributeValueError, FileFormatError, InputError, MXNetError, StateError, require

__all__ = ["MXRecordIO", "MXIndexedRecordIO", "IRHeader", "RecordFile", "RecordKeyError", "pack", "unpack", "pack_img",
           "unpack_img", "opencv"]

Path = Union[str, "os.PathLike[str]"]

_MAGIC = struct.pack("<I", 0xced7230a)
_HEAD = struct.Struct("<4sI")
_LENGTH_BITS = 29
_MOST_BYTES = (1 << _LENGTH_BITS) - 1
_WHOLE, _FIRST, _BETWEEN, _LAST = range(4)
_BUFFER = 1 << 20                                          # bytes to gather before they are written


class RecordKeyError(MXNetError, KeyError):
    """A key that the index does not have."""

    __str__ = Exception.__str__                            # KeyError shows a repr


# --- the format --------------------------------------------------------------------------------------------------

def _encoded(payload: Any) -> list[Any]:
    """The pieces of bytes that a record consists of."""
    pieces, start, found = [], 0, payload.find(_MAGIC)
    while found >= 0:
        if found % 4:
            found = payload.find(_MAGIC, found + 1)
            continue
        pieces.append(payload[start:found])
        start = found + 4
        found = payload.find(_MAGIC, start)
    pieces.append(payload[start:])
    made: list[Any] = []
    for k, piece in enumerate(pieces):
        part = _WHOLE if len(pieces) == 1 else _FIRST if not k else _LAST if k == len(pieces) - 1 else _BETWEEN
        made += [_HEAD.pack(_MAGIC, part << _LENGTH_BITS | len(piece)), piece, bytes(-len(piece) % 4)]
    return made


class RecordFile:
    """A file of records to read at any place, from any number of threads at once.

    Parameters
    ----------
    path : path
    """

    def __init__(self, path: Path) -> None:
        self.name = os.fspath(path)
        self._stream: BinaryIO = open(path, "rb", buffering=0)
        self.size = os.fstat(self._stream.fileno()).st_size

    def close(self) -> None:
        """Close the file; once more does nothing."""
        self._stream.close()

    def bytes_at(self, offset: int, count: int) -> bytes:
        """`count` bytes from `offset` on; fewer only at the end of the file."""
        found = os.pread(self._stream.fileno(), count, offset)
        while found and len(found) < count:                # the system hands out 2 GiB at most
            more = os.pread(self._stream.fileno(), count - len(found), offset + len(found))
            if not more:
                break
            found += more
        return found

    def wrong(self, offset: int, message: str) -> FileFormatError:
        """The error to raise: the file, where in it, and `message`."""
        return FileFormatError(f"{self.name}: at byte {offset}: {message}")

    def read_at(self, offset: int) -> tuple[Optional[bytes], int]:
        """The payload of the record at `offset`, and where the next one begins; ``(None, offset)`` at the end.

        Raises
        ------
        FileFormatError
            If no whole record is there.
        """
        pieces = []
        for start, length in self._parts(offset):
            pieces.append(self.bytes_at(start, length))
            if len(pieces[-1]) < length:
                raise self.wrong(start, "the file became shorter while it was read")
            offset = start + length + -length % 4
        return (pieces[0] if len(pieces) == 1 else _MAGIC.join(pieces) if pieces else None), offset

    def _parts(self, offset: int) -> Iterator[tuple[int, int]]:
        """Where the pieces of the payload of a record are, and their lengths; nothing at the end of the file."""
        expected: tuple[int, ...] = (_WHOLE, _FIRST)
        while True:
            head = self.bytes_at(offset, _HEAD.size)
            if not head and _WHOLE in expected and offset == self.size:
                return
            if len(head) < _HEAD.size:
                raise self.wrong(offset, f"the file is truncated: a record begins with {_HEAD.size} bytes, and "
                                         f"{len(head)} are left")
            magic, word = _HEAD.unpack(head)
            part, length = word >> _LENGTH_BITS, word & _MOST_BYTES
            if magic != _MAGIC:
                raise self.wrong(offset, f"no record begins here: found {magic.hex()}, expected {_MAGIC.hex()}")
            if part not in expected:
                raise self.wrong(offset, f"found part {part} of a record, expected one of {expected}")
            start = offset + _HEAD.size
            if start + length + -length % 4 > self.size:
                raise self.wrong(offset, f"the file is truncated: the record takes {length} bytes, padded to a "
                                         f"multiple of 4, and {self.size - start} are left")
            yield start, length
            if part in (_WHOLE, _LAST):
                return
            offset, expected = start + length + -length % 4, (_BETWEEN, _LAST)

    def scan(self, begin: int = 0, end: Optional[int] = None) -> Iterator[tuple[int, Optional[str]]]:
        """The offsets of the records that begin in ``[begin, end)``, each with None, or with what is wrong there.

        After damage the scan goes on at the next word that begins a record.
        """
        offset, end = begin, self.size if end is None else end
        while offset < end:
            try:
                stop = self._skip(offset)
            except FileFormatError as error:
                yield offset, str(error)
                offset = self.next_record(offset + 4)
                continue
            wrong = None
            if stop < self.size and self.bytes_at(stop, 4) != _MAGIC:    # this one's length or the next one's head
                following = self.next_record(offset + 4)
                if following < stop:
                    wrong = str(self.wrong(offset, f"the record's length reaches beyond byte {following}, where the "
                                                   "next one begins"))
                    stop = following
            yield offset, wrong
            offset = stop

    def _skip(self, offset: int) -> int:
        for start, length in self._parts(offset):
            offset = start + length + -length % 4
        return offset

    def next_record(self, offset: int) -> int:
        """Where the first record at or after `offset` begins; the size of the file if there is none."""
        offset += -offset % 4
        size = 1 << 12
        while offset < self.size:
            chunk = self.bytes_at(offset, size)
            found = chunk.find(_MAGIC)
            while found >= 0 and not (found % 4 == 0 and self._begins_at(offset + found)):
                found = chunk.find(_MAGIC, found + 1)
            if found >= 0:
                return offset + found
            offset, size = offset + size, min(2 * size, _BUFFER)
        return self.size

    def _begins_at(self, offset: int) -> bool:
        head = self.bytes_at(offset, _HEAD.size)
        return len(head) == _HEAD.size and _HEAD.unpack(head)[1] >> _LENGTH_BITS in (_WHOLE, _FIRST)


# --- files as programs open them -----------------------------------------------------------------------------------

class MXRecordIO:
    """A file of records, to be read or written from the beginning to the end.

    Reading goes on undisturbed in a forked process and begins anew in an unpickled copy.

    Parameters
    ----------
    uri : path
    flag : {'r', 'w'}
        Whether to read or to write; writing begins with an empty file.

    Raises
    ------
    AttributeValueError
        If `flag` is neither.
    OSError
        If the file cannot be opened.

    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "some.rec")
    ...     with MXRecordIO(path, "w") as record:
    ...         record.write(b"one")
    ...         record.write(b"two")
    ...     with MXRecordIO(path, "r") as record:
    ...         record.read(), record.read(), record.read()
    (b'one', b'two', None)
    """

    is_open = False

    def __init__(self, uri: Path, flag: str) -> None:
        require(flag in ("r", "w"), f"{type(self).__name__}: flag must be 'r' or 'w', got {flag!r}",
                AttributeValueError)
        self.uri, self.flag, self.writable = os.fspath(uri), flag, flag == "w"
        self.open()

    def open(self) -> None:
        """Open the file again, at its beginning; a file for writing becomes empty."""
        if self.is_open:
            self.close()
        self.pid = os.getpid()
        self._position, self._written = 0, bytearray()
        if self.writable:
            self._target: BinaryIO = open(self.uri, "wb", buffering=0)
        else:
            self._source = RecordFile(self.uri)
        self.is_open = True

    def close(self) -> None:
        """Write what is still to be written and close the file; once more does nothing."""
        if not self.is_open:
            return
        self.is_open = False
        if not self.writable:
            self._source.close()
            return
        try:
            if self.pid == os.getpid():                    # what a forked process inherits is not its own to write
                self._flush()
        finally:
            self._target.close()

    def __del__(self) -> None:
        self.close()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        require(not self.writable, f"{self.uri} is open for writing and cannot be copied or pickled: the copy would "
                "overwrite it; close it and open it with 'r'", StateError)
        return {key: value for key, value in vars(self).items() if key not in ("_source", "_position", "_written")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        was_open, self.is_open = self.is_open, False
        if was_open:
            self.open()

    def reset(self) -> None:
        """Go back to the beginning; a file for writing becomes empty."""
        self.open()

    def _require(self, call: str, writing: bool) -> None:
        require(self.is_open, f"{call} needs an open file, and {self.uri} is closed; call open() first", StateError)
        require(self.writable == writing, f"{call}: {self.uri} is open for {'writing' if self.writable else 'reading'};"
                f" open it with {'w' if writing else 'r'!r}", StateError)
        require(not writing or self.pid == os.getpid(), f"{call}: {self.uri} was opened in another process (number "
                f"{self.pid}), and two cannot write it; open a file of its own in each", StateError)

    def write(self, buf: Union[bytes, bytearray, memoryview]) -> None:
        """Add a record.

        Parameters
        ----------
        buf : bytes
            The payload, less than 512 MiB.
        """
        self._require("write()", True)
        require(isinstance(buf, (bytes, bytearray, memoryview)),
                f"write() takes bytes, got {type(buf).__name__}; pack() makes bytes of a header and a payload", InputError)
        payload = buf if isinstance(buf, bytes) else bytes(buf)
        require(len(payload) <= _MOST_BYTES, f"write(): a record has {_MOST_BYTES} bytes at most, got {len(payload)}",
                InputError)
        for piece in _encoded(payload):
            self._written += piece
            self._position += len(piece)
        if len(self._written) >= _BUFFER:
            self._flush()

    def _flush(self) -> None:
        rest = memoryview(self._written)
        self._written = bytearray()
        while rest:
            rest = rest[self._target.write(rest):]

    def read(self) -> Optional[bytes]:
        """The next record's payload; None at the end.

        Raises
        ------
        FileFormatError
            If the file is truncated or damaged here.
        """
        self._require("read()", False)
        payload, self._position = self._source.read_at(self._position)
        return payload

    def tell(self) -> int:
        """Where the next record begins, in bytes from the beginning of the file."""
        return self._position


class MXIndexedRecordIO(MXRecordIO):
    """A file of records with an index, to be read in any order, from several threads too.

    Parameters
    ----------
    idx_path : path
        The index.
    uri : path
    flag : {'r', 'w'}
    key_type : callable
        Makes a key of its text in the index, or of what a caller gives.

    Raises
    ------
    FileFormatError
        If a line of the index is not a key and an offset.

    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = os.path.join(folder, "some.idx"), os.path.join(folder, "some.rec")
    ...     with MXIndexedRecordIO(*paths, "w") as record:
    ...         for key in range(3):
    ...             record.write_idx(key, b"record %d" % key)
    ...     with MXIndexedRecordIO(*paths, "r") as record:
    ...         record.keys, record.read_idx(2), record.read_idx(0)
    ([0, 1, 2], b'record 2', b'record 0')
    """

    def __init__(self, idx_path: Path, uri: Path, flag: str, key_type: Callable[[Any], Any] = int) -> None:
        self.idx_path, self.key_type = os.fspath(idx_path), key_type
        self.idx: dict[Any, int] = {}
        self.keys: list[Any] = []
        super().__init__(uri, flag)

    def open(self) -> None:
        """Open both files again, at the beginning; files for writing become empty."""
        super().open()
        self.idx, self.keys, self._lines = {}, [], []
        if self.writable:
            self._index: BinaryIO = open(self.idx_path, "wb", buffering=0)
            return
        try:
            self._read_index()
        except BaseException:
            self.close()
            raise

    def _read_index(self) -> None:
        with open(self.idx_path, "rb") as stream:
            for number, line in enumerate(stream, 1):
                if not line.strip():
                    continue
                try:
                    key, offset = line.decode().rstrip("\r\n").split("\t")[:2]
                    value = int(offset)
                    if value < 0:
                        raise ValueError(f"the offset {value} is negative")
                    self.keys.append(self.key_type(key))
                except (ValueError, TypeError) as error:
                    raise FileFormatError(f"{self.idx_path}: line {number}: expected a key, a tab and an offset, got "
                                          f"{line[:60]!r} ({error})") from None
                self.idx[self.keys[-1]] = value

    def close(self) -> None:
        """Write what is still to be written and close both files; once more does nothing."""
        try:
            super().close()
        finally:
            if self.writable and hasattr(self, "_index"):
                self._index.close()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in super().__getstate__().items() if key not in ("idx", "keys", "_lines")}

    def _flush(self) -> None:
        super()._flush()
        lines, self._lines = b"".join(self._lines), []
        while lines:
            lines = lines[self._index.write(lines):]

    def _offset(self, call: str, idx: Any) -> int:
        self._require(call, False)
        try:
            return self.idx[self.key_type(idx)]
        except KeyError:
            raise RecordKeyError(f"{call}: {self.idx_path} has no key {idx!r}; it has {len(self.idx)} keys") from None

    def seek(self, idx: Any) -> None:
        """Go to the record of a key, which :meth:`read` gives next.

        Raises
        ------
        RecordKeyError
            If there is none, a ``KeyError``.
        """
        self._position = self._offset("seek()", idx)

    def read_idx(self, idx: Any) -> Optional[bytes]:
        """The payload of the record of a key; :meth:`read` goes on behind it.

        Any number of threads may call this at once.

        Raises
        ------
        RecordKeyError
            If there is none, a ``KeyError``.
        FileFormatError
            If no whole record is where the index says.
        """
        payload, self._position = self._source.read_at(self._offset("read_idx()", idx))
        return payload

    def write_idx(self, idx: Any, buf: Union[bytes, bytearray, memoryview]) -> None:
        """Add a record and its key."""
        key, position = self.key_type(idx), self._position
        text = str(key)
        require("\t" not in text and "\n" not in text, f"write_idx(): a key has no tab and no line break, got {text!r}",
                InputError)
        self._lines.append(f"{text}\t{position}\n".encode())
        try:
            self.write(buf)
        except BaseException:
            if self._lines:
                self._lines.pop()
            raise
        self.idx[key] = position
        self.keys.append(key)
