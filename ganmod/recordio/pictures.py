"""What the file of an image says of itself, before a decoder believes it.

Decoders fill up with grey what is missing, and make room for as many pixels as a damaged header says.
"""
from __future__ import annotations

import struct
import zlib
from typing import Callable, Iterator, Optional

__all__ = ["implausible", "what_is_missing"]

_MOST_PIXELS = 1024                                        # of a JPEG, for each byte: a block of 64 takes a bit
_MOST_DEFLATED = 1032                                      # bytes of a PNG, for each byte
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}                 # of a PNG, by its kind of colour
_SIZES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7}        # marks of JPEG's sizes, where codes have a bit at least


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


def implausible(content: bytes) -> Optional[str]:
    """What a JPEG or a PNG says of itself that its bytes cannot hold, for which a decoder would take memory; or None.

    >>> implausible(b"no image") is None
    True
    """
    try:
        if content.startswith(b"\xff\xd8"):
            height, width = _size_of_jpeg(content)
            most = _MOST_PIXELS * len(content)
        elif content.startswith(b"\x89PNG\r\n\x1a\n"):
            ends = [end for _, _, end in _chunks(content)]
            if ends and ends[-1] > len(content):
                return f"a chunk of it ends at byte {ends[-1]} of {len(content)}"
            width, height, depth, colour = struct.unpack_from(">IIBB", content, 16)
            most = 8 * _MOST_DEFLATED * len(content) // max(1, depth * _CHANNELS.get(colour, 1))
        else:
            return None
    except (IndexError, struct.error):                     # which the decoder refuses
        return None
    return f"{width} × {height} pixels do not fit into {len(content)} bytes" if width * height > most else None


def _segments(content: bytes) -> Iterator[tuple[int, int]]:
    """The marks of a JPEG and where they are; none where it ends before its end."""
    at = content.find(b"\xff", 2)
    while at >= 0:
        marker = content[at + 1]
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD8:     # within the image, or without a length
            at += 1 if marker == 0xFF else 2
        else:
            yield marker, at
            if marker == 0xD9:
                return
            at += 2 + max(struct.unpack_from(">H", content, at + 2)[0], 2)
        at = content.find(b"\xff", at)


def _size_of_jpeg(content: bytes) -> tuple[int, int]:
    for marker, at in _segments(content):
        if marker in _SIZES:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return height, width
        if marker == 0xDA:                                 # the image begins
            break
    return 0, 0


def _jpeg(content: bytes) -> Optional[str]:
    marker = at = 0
    for marker, at in _segments(content):
        if marker != 0xD9 and at + 2 + struct.unpack_from(">H", content, at + 2)[0] > len(content):
            return "it ends within a segment"
    return None if marker == 0xD9 else "it ends before the mark of its end"


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, beginning and end of the chunks of a PNG; the last one is its end, or reaches beyond the content."""
    at, kind = 8, b""
    while at < len(content) and kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", content, at)
        yield kind, at, at + 12 + length
        at += 12 + length


def _png(content: bytes) -> Optional[str]:
    last = b""
    for kind, at, end in _chunks(content):
        last = kind
        if end > len(content):
            return "it ends within a chunk"
        if zlib.crc32(memoryview(content)[at + 4:end - 4]) != struct.unpack_from(">I", content, end - 4)[0]:
            return f"the checksum of the chunk at byte {at} is wrong"
    return None if last == b"IEND" else "it ends before its last chunk"


def _webp(content: bytes) -> Optional[str]:
    size, = struct.unpack_from("<I", content, 4)
    return f"it has {len(content)} of {size + 8} bytes" if size + 8 > len(content) else None


def _bmp(content: bytes) -> Optional[str]:
    size, = struct.unpack_from("<I", content, 2)
    return f"it has {len(content)} of {size} bytes" if size > len(content) else None


_CHECKS: dict[bytes, Callable[[bytes], Optional[str]]] = {
    b"\xff\xd8": _jpeg, b"\x89PNG\r\n\x1a\n": _png, b"RIFF": _webp, b"BM": _bmp}
