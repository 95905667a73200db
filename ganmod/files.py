"""Where files are opened: paths of this machine, and URIs that ``fsspec`` knows; none is ever seen half written.

A URI is ``s3://bucket/name``, ``gs://…``, ``https://…``, ``memory://…`` and so on; what opens it comes with
``pip install ganmod[remote]``. Pieces of a large file are fetched as they are needed, by :class:`Ranges`.
"""
from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import tempfile
import threading
from typing import Any, BinaryIO, Iterator, Optional, TextIO, Union

from .base import InputError, MXNetError

__all__ = ["Path", "RemoteFileError", "Output", "Ranges", "as_path", "is_remote", "open_ranges", "reading",
           "reading_text", "names_beginning", "write_atomically"]

Path = Union[str, "os.PathLike[str]"]
Content = Union[bytes, bytearray, memoryview]

_URI = re.compile(r"[A-Za-z][\w+.-]+(::[\w+.-]+)*://")     # two letters at least: one may be a drive's
_LOCAL = "file://"
_LEAST_AT_ONCE, _MOST_AT_ONCE = 1 << 12, 1 << 20           # bytes to fetch with one request


class RemoteFileError(MXNetError, OSError):
    """A file elsewhere that cannot be reached, read or written."""


def is_remote(path: Path) -> bool:
    """Whether a path is a URI of a file elsewhere.

    >>> is_remote("s3://bucket/a.rec"), is_remote("a.rec"), is_remote("file:///a.rec")
    (True, False, False)
    """
    text = os.fspath(path)
    return isinstance(text, str) and bool(_URI.match(text)) and not text.startswith(_LOCAL)


def as_path(path: Path) -> str:
    """A path as a text; that of a ``file://`` URI without its beginning."""
    return os.fspath(path).removeprefix(_LOCAL) if isinstance(os.fspath(path), str) else os.fspath(path)


@contextlib.contextmanager
def _remote(uri: str, what: str) -> Iterator[tuple[Any, str]]:
    """The file system that a URI names, and the name there; whatever goes wrong with it is one of our errors."""
    try:
        import fsspec
    except ImportError as error:
        raise MXNetError(f"{uri}: files elsewhere need fsspec: pip install ganmod[remote]") from error
    try:
        system, name = fsspec.core.url_to_fs(uri)
    except ImportError as error:
        raise MXNetError(f"{uri}: files there need another package ({error}): pip install ganmod[remote]") from error
    except ValueError as error:
        raise InputError(f"{uri}: fsspec opens no such URI ({error})") from None
    try:
        yield system, name
    except (MXNetError, PermissionError):
        raise
    except Exception as error:                             # each kind of file system has its own
        reason = error.__cause__ or error
        if isinstance(error, FileNotFoundError) and isinstance(reason, (FileNotFoundError, LookupError)):
            raise FileNotFoundError(2, "No such file", uri) from error
        raise RemoteFileError(f"{uri} cannot be {what}: {type(reason).__name__}: {reason}") from error


# --- reading -----------------------------------------------------------------------------------------------------

def reading(path: Path) -> BinaryIO:
    """A file, open for reading from its beginning, which can seek; one from elsewhere is fetched whole.

    Raises
    ------
    OSError
        If it cannot be opened, :class:`RemoteFileError` among them.
    MXNetError
        If a package is missing that such a URI needs.
    """
    if not is_remote(path):
        return open(as_path(path), "rb")
    with _remote(os.fspath(path), "read") as (system, name):
        return io.BytesIO(system.cat_file(name))


def reading_text(path: Path, encoding: str = "utf-8", errors: str = "strict") -> TextIO:
    """As :func:`reading`, as text."""
    return io.TextIOWrapper(reading(path), encoding=encoding, errors=errors)


def names_beginning(prefix: Path) -> list[str]:
    """The paths of the files that begin with `prefix` and have no further folder in it, in no order.

    Raises
    ------
    OSError
        If there is no such folder.
    """
    folder, begin = os.path.split(as_path(prefix))
    if not is_remote(prefix):
        found = os.scandir(folder or ".")
        return [os.path.join(folder, f.name) for f in found if f.name.startswith(begin) and f.is_file()]
    with _remote(folder + "/", "listed") as (system, name):
        names = [str(f["name"]).rpartition("/")[2] for f in system.ls(name, detail=True) if f["type"] == "file"]
    return [f"{folder}/{name}" for name in names if name.startswith(begin)]


class Ranges:
    """A file to read at any place, from any number of threads, and after a fork."""

    name: str
    size: int

    def read(self, offset: int, count: int) -> bytes:
        """`count` bytes from `offset` on; fewer only at the end of the file."""
        raise NotImplementedError(f"{type(self).__name__} must define read()")

    def expect(self, offset: int, count: int) -> None:
        """Say that these bytes will be read next, in pieces; they may then be fetched at once."""

    def close(self) -> None:
        """Close it; once more does nothing."""
        raise NotImplementedError(f"{type(self).__name__} must define close()")


def open_ranges(path: Path) -> Ranges:
    """A file to read at any place; from elsewhere only what is asked for is fetched.

    Raises
    ------
    OSError, MXNetError
        As :func:`reading`.
    """
    return _RemoteRanges(os.fspath(path)) if is_remote(path) else _LocalRanges(as_path(path))


class _LocalRanges(Ranges):

    def __init__(self, path: str, stream: Optional[BinaryIO] = None) -> None:
        self.name = path
        self._stream: BinaryIO = open(path, "rb", buffering=0) if stream is None else stream
        self.size = os.fstat(self._stream.fileno()).st_size

    def read(self, offset: int, count: int) -> bytes:
        if offset > self.size:                             # farther than the system can count, perhaps
            return b""
        found = os.pread(self._stream.fileno(), count, offset)
        while found and len(found) < count:                # the system hands out 2 GiB at most
            more = os.pread(self._stream.fileno(), count - len(found), offset + len(found))
            if not more:
                break
            found += more
        return found

    def close(self) -> None:
        self._stream.close()


class _Window(threading.local):
    """What a thread has fetched last: where it begins, the bytes, and how many more to fetch behind them."""

    start, content, ahead = 0, b"", _LEAST_AT_ONCE


class _RemoteRanges(Ranges):
    """What was fetched last is kept; who reads on behind it is given more at once, up to a MiB."""

    def __init__(self, uri: str) -> None:
        self.name, self._window = uri, _Window()
        self._whole: Optional[_LocalRanges] = None         # of a server that has no ranges
        self._closed = False
        with _remote(uri, "read") as (system, name):
            size = system.size(name)
            self.size = self._kept(system.cat_file(name)).size if size is None else int(size)

    def read(self, offset: int, count: int) -> bytes:
        if self._closed:
            raise ValueError(f"{self.name} is closed")
        if self._whole is not None:
            return self._whole.read(offset, count)
        count = min(count, self.size - offset)
        if count <= 0:
            return b""
        window = self._window
        stop = window.start + len(window.content)
        if window.start <= offset and offset + count <= stop:
            return window.content[offset - window.start:offset - window.start + count]
        follows = bool(window.content) and window.start <= offset <= stop + window.ahead
        window.ahead = min(2 * window.ahead, _MOST_AT_ONCE) if follows else _LEAST_AT_ONCE
        window.start, window.content = offset, self._fetched(offset, min(max(count, window.ahead), self.size - offset))
        return window.content[:count]

    def expect(self, offset: int, count: int) -> None:
        window, count = self._window, min(count, self.size - offset)
        if 0 < count <= _MOST_AT_ONCE and not window.start <= offset <= offset + count <= (
                window.start + len(window.content)) and self._whole is None:
            window.start, window.content = offset, self._fetched(offset, count)

    def _fetched(self, offset: int, count: int) -> bytes:
        with _remote(self.name, "read") as (system, name):     # anew each time: no connection survives a fork
            found: bytes = system.cat_file(name, start=offset, end=offset + count)
        return found if len(found) <= count else self._kept(found).read(offset, count)

    def _kept(self, content: bytes) -> _LocalRanges:
        """The whole file on this machine."""
        logging.getLogger(__name__).warning("%s: the server gives no parts of a file; all of it is fetched once",
                                            self.name)
        stream = tempfile.TemporaryFile(buffering=0)
        rest = memoryview(content)
        while rest:
            rest = rest[stream.write(rest):]
        self._whole = _LocalRanges(self.name, stream)
        return self._whole

    def close(self) -> None:
        self._closed, self._window = True, _Window()
        if self._whole is not None:
            self._whole.close()


# --- writing -----------------------------------------------------------------------------------------------------

class Output:
    """A file to write piece by piece, which takes its name when it is complete.

    Until :meth:`close` it lies under a temporary name: in the same folder, or on this machine if it goes elsewhere. A
    process that was forked meanwhile has no part in it.

    Parameters
    ----------
    path : path
    at_once : bool
        Whether a file of this machine is to have its name, and be empty, from the beginning on.

    Raises
    ------
    OSError
        As ``open`` does.
    """

    def __init__(self, path: Path, at_once: bool = False) -> None:
        self.path, self._temporary, self._remote, self._process = as_path(path), "", is_remote(path), os.getpid()
        if at_once and not self._remote:
            self._stream: BinaryIO = open(self.path, "wb", buffering=0)
            return
        folder, name = os.path.split(self.path)
        if self._remote:
            with _remote(self.path, "written"):            # what is missing is said before anything is written
                folder = tempfile.gettempdir()
        handle, self._temporary = tempfile.mkstemp(prefix=name + ".", suffix=".tmp", dir=folder or ".")
        self._stream = os.fdopen(handle, "wb", buffering=0)

    def write(self, content: Content) -> None:
        """Add all of it."""
        rest = memoryview(content).cast("B")
        while rest:
            rest = rest[self._stream.write(rest):]

    def close(self) -> None:
        """Give the file its name; once more does nothing."""
        if self._stream.closed or self._process != os.getpid():
            self.discard()
            return
        try:
            if self._remote:
                with _remote(self.path, "written") as (system, name):
                    system.put_file(self._temporary, name)
            elif self._temporary:
                os.fsync(self._stream.fileno())
                os.chmod(self._temporary, 0o666 & ~_umask())
                os.replace(self._temporary, self.path)
                self._temporary = ""
        finally:
            self.discard()

    def discard(self) -> None:
        """Leave what had the name before; after :meth:`close` this does nothing."""
        self._stream.close()
        if self._temporary and self._process == os.getpid():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._temporary)
            self._temporary = ""


def write_atomically(path: Path, content: Content) -> None:
    """Write `content` to `path` in one step: the old file stays whole until the new one is complete.

    The bytes go to a temporary file in the same folder, which is flushed to disk and then takes the name; elsewhere,
    to the URI in one request.

    Raises
    ------
    OSError
        As ``open`` does; no temporary file is left behind.
    """
    if is_remote(path):
        with _remote(os.fspath(path), "written") as (system, name):
            system.pipe_file(name, bytes(content))
        return
    output = Output(path)
    try:
        output.write(content)
        output.close()
    except BaseException:
        output.discard()
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
