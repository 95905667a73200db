"""The files that programs open: records in turn, or by a key."""
from __future__ import annotations

import os
from types import TracebackType
from typing import Any, Callable, Optional, Union

from .. import files
from ..base import AttributeValueError, FileFormatError, InputError, MXNetError, StateError, require
from ..files import Path
from .reading import MOST_BYTES, RecordFile, encoded

__all__ = ["MXRecordIO", "MXIndexedRecordIO", "RecordKeyError"]

_BUFFER = 1 << 20                                          # bytes to gather before they are written
_STAYS_BEHIND = ("_source", "_position", "_written")       # when a reader is pickled
_READ_AGAIN = ("idx", "keys", "_lines", "_ends")           # by a copy


class RecordKeyError(MXNetError, KeyError):
    """A key that the index does not have."""

    __str__ = Exception.__str__                            # KeyError shows a repr


class MXRecordIO:
    """A file of records, to be read or written from the beginning to the end.

    Reading goes on undisturbed in a forked process and begins anew in an unpickled copy.

    Parameters
    ----------
    uri : path
        Or a URI: what is written there arrives when the file is closed, unless an error ends its ``with`` block.
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

    is_open = writable = False
    _at_once = True                                        # whether a file has its name before it is complete

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
            self._target = files.Output(self.uri, self._at_once)
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
                self._target.close()
        finally:
            self._target.discard()

    def __del__(self) -> None:
        self.close()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        if error is not None and self.writable and self.is_open and (not self._at_once or files.is_remote(self.uri)):
            self._give_up()
        self.close()

    def _give_up(self) -> None:
        """Leave what had the name before."""
        self.is_open = False
        self._target.discard()

    def __getstate__(self) -> dict[str, Any]:
        require(not self.writable, f"{self.uri} is open for writing and cannot be copied or pickled: the copy would "
                "overwrite it; close it and open it with 'r'", StateError)
        return {key: value for key, value in vars(self).items() if key not in _STAYS_BEHIND}

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
                f"write() takes bytes, got {type(buf).__name__}; pack() makes them of a header and a sample",
                InputError)
        payload = buf if isinstance(buf, bytes) else bytes(buf)
        require(len(payload) <= MOST_BYTES, f"write(): a record has {MOST_BYTES} bytes at most, got {len(payload)}",
                InputError)
        for piece in encoded(payload):
            self._written += piece
            self._position += len(piece)
        if len(self._written) >= _BUFFER:
            self._flush()

    def _flush(self) -> None:
        written, self._written = self._written, bytearray()
        self._target.write(written)

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
        Makes a key of its text in the index, or of what is given to :meth:`write_idx`.

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
        self.idx, self.keys = {}, []
        self._lines: list[bytes] = []
        if self.writable:
            self._index = files.Output(self.idx_path, self._at_once)
            return
        try:
            self._read_index()
        except BaseException:
            self.close()
            raise

    def _read_index(self) -> None:
        with files.reading(self.idx_path) as stream:
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
        self._ends: Optional[dict[int, int]] = None        # where a record ends, so that it is fetched at once
        if files.is_remote(self.uri):
            places = sorted({*self.idx.values()})
            self._ends = dict(zip(places, places[1:]))

    def close(self) -> None:
        """Write what is still to be written and close both files; once more does nothing."""
        try:
            super().close()
            if self.writable and hasattr(self, "_index"):
                self._index.close()
        finally:
            if self.writable and hasattr(self, "_index"):
                self._index.discard()

    def _give_up(self) -> None:
        super()._give_up()
        self._index.discard()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in super().__getstate__().items() if key not in _READ_AGAIN}

    def _flush(self) -> None:
        super()._flush()
        lines, self._lines = b"".join(self._lines), []
        self._index.write(lines)

    def _offset(self, call: str, idx: Any) -> int:
        self._require(call, False)
        try:
            return self.idx[idx]
        except (KeyError, TypeError):                      # a TypeError: what cannot be a key
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
        offset = self._offset("read_idx()", idx)
        if self._ends is not None:
            self._source.expect(offset, self._ends.get(offset, self._source.size) - offset)
        payload, self._position = self._source.read_at(offset)
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
