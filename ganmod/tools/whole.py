"""Whether the file of an image is all there, as far as its format tells: decoders fill up with grey what is missing."""
from __future__ import annotations

import struct
import zlib
from typing import Callable, Optional

__all__ = ["what_is_missing"]


def what_is_missing(content: bytes) -> Optional[str]:
    """What shows that the bytes of an image are truncated or damaged; None if nothing does.

    >>> what_is_missing(b"")
    'the file is empty'
    >>> what_is_missing(bytes.fromhex("ffd8ffd9")) is None
    True
    """
    if not content:
        return "the file is empty"
    for beginning, check in _CHECKS.items():
        if content.startswith(beginning):
            try:
                return check(content)
            except (IndexError, struct.error):
                return "it ends within a header"
    return None


def _jpeg(content: bytes) -> Optional[str]:
    at = 2
    while True:
        at = content.find(b"\xff", at)
        if at < 0:
            return "it ends before the mark of its end"
        marker = content[at + 1]
        if marker == 0xD9:
            return None
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD8:     # within the image, or without a length
            at += 1 if marker == 0xFF else 2
            continue
        length, = struct.unpack_from(">H", content, at + 2)
        if at + 2 + length > len(content):
            return "it ends within a segment"
        at += 2 + max(length, 2)


def _png(content: bytes) -> Optional[str]:
    at = 8
    while True:
        length, kind = struct.unpack_from(">I4s", content, at)
        if at + 12 + length > len(content):
            return "it ends within a chunk"
        checksum, = struct.unpack_from(">I", content, at + 8 + length)
        if zlib.crc32(memoryview(content)[at + 4:at + 8 + length]) != checksum:
            return f"the checksum of the chunk at byte {at} is wrong"
        if kind == b"IEND":
            return None
        at += 12 + length


def _webp(content: bytes) -> Optional[str]:
    size, = struct.unpack_from("<I", content, 4)
    return f"it has {len(content)} of {size + 8} bytes" if size + 8 > len(content) else None


def _bmp(content: bytes) -> Optional[str]:
    size, = struct.unpack_from("<I", content, 2)
    return f"it has {len(content)} of {size} bytes" if size > len(content) else None


_CHECKS: dict[bytes, Callable[[bytes], Optional[str]]] = {
    b"\xff\xd8": _jpeg, b"\x89PNG\r\n\x1a\n": _png, b"RIFF": _webp, b"BM": _bmp}
