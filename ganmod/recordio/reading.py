"""Records as they lie in a file: made of payloads, read at any place, found again behind damage."""
from __future__ import annotations

import struct
from typing import Iterator, Optional

from .. import files
from ..base import FileFormatError

__all__ = ["RecordFile", "encoded"]

_MAGIC = struct.pack("<I", 0xced7230a)
_HEAD = struct.Struct("<4sI")
_LENGTH_BITS = 29
MOST_BYTES = (1 << _LENGTH_BITS) - 1
_WHOLE, _FIRST, _BETWEEN, _LAST = range(4)
_MOST_AT_ONCE = 1 << 20                                    # bytes to search at a time


def encoded(payload: bytes) -> list[bytes]:
    """The pieces of bytes that a record consists of.

    >>> encoded(b"abcde")
    [b'\\n#\\xd7\\xce\\x05\\x00\\x00\\x00', b'abcde', b'\\x00\\x00\\x00']
    """
    pieces, start, found = [], 0, payload.find(_MAGIC)
    while found >= 0:
        if found % 4:
            found = payload.find(_MAGIC, found + 1)
            continue
        pieces.append(payload[start:found])
        start = found + 4
        found = payload.find(_MAGIC, start)
    pieces.append(payload[start:])
    made: list[bytes] = []
    for k, piece in enumerate(pieces):
        part = _WHOLE if len(pieces) == 1 else _FIRST if not k else _LAST if k == len(pieces) - 1 else _BETWEEN
        made += [_HEAD.pack(_MAGIC, part << _LENGTH_BITS | len(piece)), piece, bytes(-len(piece) % 4)]
    return made


class RecordFile:
    """A file of records to read at any place, from any number of threads at once.

    Parameters
    ----------
    path : path
        Or a URI, of which only what is asked for is fetched.
    """

    def __init__(self, path: files.Path) -> None:
        self._ranges = files.open_ranges(path)
        self.name, self.size = self._ranges.name, self._ranges.size

    def close(self) -> None:
        """Close the file; once more does nothing."""
        self._ranges.close()

    def bytes_at(self, offset: int, count: int) -> bytes:
        """`count` bytes from `offset` on; fewer only at the end of the file."""
        return self._ranges.read(offset, count)

    def expect(self, offset: int, count: int) -> None:
        """Say that these bytes will be read next, so that they are fetched at once from elsewhere."""
        self._ranges.expect(offset, count)

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
            part, length = word >> _LENGTH_BITS, word & MOST_BYTES
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
            offset, size = offset + size, min(2 * size, _MOST_AT_ONCE)
        return self.size

    def _begins_at(self, offset: int) -> bool:
        head = self.bytes_at(offset, _HEAD.size)
        return len(head) == _HEAD.size and _HEAD.unpack(head)[1] >> _LENGTH_BITS in (_WHOLE, _FIRST)
