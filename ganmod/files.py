"""Writing files so that a reader never sees half of one."""
from __future__ import annotations

import contextlib
import os
import tempfile
from typing import Union

__all__ = ["write_atomically"]


def write_atomically(path: Union[str, "os.PathLike[str]"], content: Union[bytes, bytearray, memoryview]) -> None:
    """Write `content` to `path` in one step: the old file stays whole until the new one is complete.

    The bytes go to a temporary file in the same folder, which is flushed to disk and then takes the name.

    Raises
    ------
    OSError
        As ``open`` does; no temporary file is left behind.
    """
    path = os.fspath(path)
    folder = os.path.dirname(path) or "."
    handle, temporary = tempfile.mkstemp(prefix=os.path.basename(path) + ".", suffix=".tmp", dir=folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
