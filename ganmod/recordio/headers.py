"""What a record of a labelled sample or image begins with, and how it is put together and taken apart."""
from __future__ import annotations

import numbers
import struct
from typing import Any, NamedTuple, Union

import numpy as np

from ..base import AttributeValueError, FileFormatError, InputError, MXNetError, require
from .pictures import implausible

__all__ = ["IRHeader", "pack", "unpack", "pack_img", "unpack_img", "opencv"]

_LAYOUT = struct.Struct("<IfQQ")


class IRHeader(NamedTuple):
    """The header of a sample.

    Parameters
    ----------
    flag : int
        How many numbers the label has if it is an array, else 0; :func:`pack` sets it.
    label : float or array
        Kept as float32.
    id : int
        Number of the sample, 0 to 2**64 - 1.
    id2 : int
        A second number; mostly 0.
    """

    flag: int
    label: Any
    id: int
    id2: int


def pack(header: Union[IRHeader, tuple[int, Any, int, int]], s: Union[bytes, bytearray, memoryview]) -> bytes:
    """The payload of a record: a header and the bytes of a sample.

    Parameters
    ----------
    header : IRHeader
        Its label is a number or an array of numbers, which is flattened.
    s : bytes

    Raises
    ------
    InputError
        If `s` is not bytes, or the header is none.

    >>> unpack(pack(IRHeader(0, [1, 2], 7, 0), b"sample"))
    (IRHeader(flag=2, label=array([1., 2.], dtype=float32), id=7, id2=0), b'sample')
    """
    require(isinstance(s, (bytes, bytearray, memoryview)), f"pack() takes bytes, got {type(s).__name__}", InputError)
    header = IRHeader(*header)
    label = header.label.asnumpy() if hasattr(header.label, "asnumpy") else header.label
    try:
        with np.errstate(over="ignore"):                   # what float32 cannot hold is infinite
            if isinstance(label, numbers.Number):
                return _LAYOUT.pack(0, np.float32(label), header.id, header.id2) + bytes(s)  # type: ignore[arg-type]
            label = np.asarray(label, dtype="<f4")
        return _LAYOUT.pack(label.size, 0, header.id, header.id2) + label.tobytes() + bytes(s)
    except (struct.error, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"pack(): {header} is no header: expected a number or an array of numbers as label, and ids "
                         f"from 0 to 2**64 - 1 ({error})") from None


def unpack(s: Union[bytes, bytearray, memoryview]) -> tuple[IRHeader, Any]:
    """The header and the bytes of a sample, from the payload of a record.

    Raises
    ------
    FileFormatError
        If the payload is too short for its header and label.

    >>> unpack(pack(IRHeader(0, 0.5, 7, 0), b"sample"))
    (IRHeader(flag=0, label=0.5, id=7, id2=0), b'sample')
    """
    require(isinstance(s, (bytes, bytearray, memoryview)), f"unpack() takes bytes, got {type(s).__name__}", InputError)
    if len(s) < _LAYOUT.size:
        raise FileFormatError(f"unpack(): a header takes {_LAYOUT.size} bytes, got {len(s)}")
    header, s = IRHeader(*_LAYOUT.unpack_from(s)), s[_LAYOUT.size:]
    if header.flag > 0:
        if 4 * header.flag > len(s):
            raise FileFormatError(f"unpack(): the header says that the label has {header.flag} numbers of 4 bytes, and "
                                  f"{len(s)} bytes are left")
        header = header._replace(label=np.frombuffer(s, "<f4", header.flag).astype(np.float32))
        s = s[4 * header.flag:]
    return header, s


# --- images --------------------------------------------------------------------------------------------------------

def opencv(call: str) -> Any:
    """OpenCV's module, imported when it is first needed.

    Parameters
    ----------
    call : str
        What needs it, for the error message.

    Raises
    ------
    MXNetError
        If it is not there, or cannot be loaded.
    """
    try:
        import cv2
    except ImportError as error:
        raise MXNetError(f"{call} needs OpenCV, which could not be imported ({error}): pip install "
                         "opencv-python-headless, which also does without libGL") from error
    return cv2


def pack_img(header: Union[IRHeader, tuple[int, Any, int, int]], img: Any, quality: int = 95,
             img_fmt: str = ".jpg") -> bytes:
    """The payload of a record: a header and an image, compressed.

    Parameters
    ----------
    header : IRHeader
    img : array
        Height × width × 3 in the order blue, green, red, or height × width; uint8.
    quality : int
        For JPEG 0 to 100, for PNG the effort, 0 to 9.
    img_fmt : str
        ``'.jpg'``, ``'.png'`` or another extension that OpenCV knows.

    Raises
    ------
    InputError
        If OpenCV cannot compress it.

    >>> header, image = unpack_img(pack_img(IRHeader(0, 1, 7, 0), np.zeros((4, 6, 3), "uint8"), 9, ".png"))
    >>> image.shape, header.id
    ((4, 6, 3), 7)
    """
    cv2 = opencv("pack_img()")
    flags = {".JPG": cv2.IMWRITE_JPEG_QUALITY, ".JPEG": cv2.IMWRITE_JPEG_QUALITY, ".PNG": cv2.IMWRITE_PNG_COMPRESSION}
    flag = flags.get(img_fmt.upper())
    image = np.ascontiguousarray(img.asnumpy() if hasattr(img, "asnumpy") else img)
    try:
        done, encoded = cv2.imencode(img_fmt, image, [] if flag is None else [flag, quality])
    except cv2.error as error:
        done, reason = False, str(error).strip()
    else:
        reason = "OpenCV gives no reason"
    require(done, f"pack_img(): an image of shape {image.shape} and dtype {image.dtype} cannot be made {img_fmt!r} "
            f"({reason})", InputError)
    return pack(header, encoded.tobytes())


def unpack_img(s: Union[bytes, bytearray, memoryview], iscolor: int = -1) -> tuple[IRHeader, np.ndarray]:
    """The header and the image, from the payload of a record.

    Parameters
    ----------
    s : bytes
    iscolor : {-1, 0, 1}
        As it is, grey, or in colour: blue, green, red.

    Raises
    ------
    FileFormatError
        If it is no image, or a damaged one.
    """
    require(iscolor in (-1, 0, 1), f"unpack_img(): iscolor must be -1, 0 or 1, got {iscolor!r}", AttributeValueError)
    cv2 = opencv("unpack_img()")
    header, content = unpack(s)
    image, wrong = None, implausible(bytes(content))
    if wrong:
        raise FileFormatError(f"unpack_img(): record {header.id}: {wrong}")
    if len(content):
        try:
            image = cv2.imdecode(np.frombuffer(content, np.uint8), iscolor)
        except cv2.error as error:
            raise FileFormatError(f"unpack_img(): record {header.id}: {str(error).strip()}") from None
    if image is None:
        raise FileFormatError(f"unpack_img(): the {len(content)} bytes of record {header.id} are no image that OpenCV "
                              "can decode")
    return header, image
