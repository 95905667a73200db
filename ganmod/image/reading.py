"""Images from files and from memory, in other sizes and with borders: what OpenCV does.

An image is an NDArray (height, width, channels); as it is read, uint8, and red, green, blue. All of this runs on the
processor.
"""
from __future__ import annotations

import os
from typing import Any, Callable, Optional, Sequence, Union

import numpy as np
import torch

from ..base import AttributeValueError, FileFormatError, InputError, require
from ..files import reading
from ..ndarray import NDArray
from ..recordio import opencv
from ..recordio.pictures import implausible

__all__ = ["imread", "imdecode", "imresize", "copyMakeBorder"]

Path = Union[str, "os.PathLike[str]"]

_DTYPES = ("uint8", "float32", "float64")                  # of images that OpenCV resizes and frames
_INTERPOLATIONS = range(6)                                 # nearest, linear, cubic, area, Lanczos, exact linear
_ISOLATED = 16                                             # may be added to a kind of border, and changes nothing here
_BORDERS = range(5)                                        # constant, replicated, reflected, wrapped, reflected at 101


def imread(filename: Path, flag: int = 1, to_rgb: Union[bool, int] = True, out: Optional[NDArray] = None) -> NDArray:
    """The image in a file.

    Parameters
    ----------
    filename : path
    flag : int
        1 for three channels, 0 for one of gray; OpenCV's further flags are passed on, such as 128 to be added, which
        ignores the orientation that a camera has noted.
    to_rgb : bool
        Whether the channels are red, green, blue, or the other way round, as OpenCV has them.
    out : NDArray, optional
        An array of the image's shape to write to.

    Returns
    -------
    NDArray
        Height × width × channels, uint8.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If it holds no image that OpenCV can decode.
    """
    require(isinstance(filename, (str, os.PathLike)), f"imread() takes a path, got {type(filename).__name__}",
            InputError)
    with reading(filename) as stream:
        content = stream.read()
    return _decoded(np.frombuffer(content, np.uint8), flag, to_rgb, out, f"imread(): {os.fspath(filename)!r}")


def imdecode(buf: Any, flag: int = 1, to_rgb: Union[bool, int] = True, out: Optional[NDArray] = None) -> NDArray:
    """The image that was read from a file as bytes.

    Parameters
    ----------
    buf : bytes, bytearray, memoryview, numpy array or NDArray
        The content of the file; arrays of uint8.
    flag, to_rgb, out
        As in :func:`imread`.

    Returns
    -------
    NDArray
        Height × width × channels, uint8.

    Raises
    ------
    InputError
        If `buf` is something else.
    FileFormatError
        If it is no image that OpenCV can decode.

    >>> from ganmod.recordio import IRHeader, pack_img, unpack
    >>> _, content = unpack(pack_img(IRHeader(0, 1, 0, 0), np.full((2, 3, 3), [9, 8, 7], "uint8"), 9, ".png"))
    >>> imdecode(content).asnumpy()[0, 0].tolist(), imdecode(content, flag=0).shape
    ([7, 8, 9], (2, 3, 1))
    """
    if isinstance(buf, (bytes, bytearray, memoryview)):
        content = np.frombuffer(buf, np.uint8)
    elif isinstance(buf, (np.ndarray, NDArray)):
        content = np.ascontiguousarray(values_of(buf))
        require(content.dtype == np.uint8, "imdecode(): the bytes of a file are uint8, got an array of "
                f"{content.dtype}", InputError)
    else:
        raise InputError(f"imdecode() takes bytes or an array of uint8, got {type(buf).__name__}"
                         + (": of a file's name imread() makes an image" if isinstance(buf, str) else ""))
    return _decoded(content.reshape(-1), flag, to_rgb, out, "imdecode(): the buffer")


def _decoded(content: np.ndarray[Any, Any], flag: int, to_rgb: Union[bool, int], out: Optional[NDArray],
             what: str) -> NDArray:
    """The image in the bytes of a file; `what` names it in errors."""
    cv2 = opencv(what.partition(":")[0])
    require(isinstance(flag, (int, np.integer)) and flag >= 0, f"{what}: flag must be 1 for colours or 0 for gray, got "
            f"{flag!r}", AttributeValueError)
    require(content.size, f"{what} is empty", FileFormatError)
    wrong = implausible(content.tobytes())
    require(not wrong, f"{what} cannot be decoded: {wrong}", FileFormatError)
    try:
        image = cv2.imdecode(content, int(flag))
    except cv2.error as error:
        raise FileFormatError(f"{what} cannot be decoded: {str(error).strip()}") from None
    if image is None:
        raise FileFormatError(f"{what} of {content.size} bytes is no image that OpenCV can decode, or a damaged one")
    channels = 3 if flag else 1
    image = image[:, :, None] if image.ndim == 2 else image
    require(image.dtype == np.uint8 and image.shape[2] == channels, f"{what}: flag {flag} makes it {image.shape[2]} "
            f"channel(s) of {image.dtype}, and images have {channels} of uint8 with it", AttributeValueError)
    return result(image[:, :, ::-1] if channels == 3 and to_rgb else image, out, what)


def imresize(src: NDArray, w: int, h: int, interp: int = 1, out: Optional[NDArray] = None) -> NDArray:
    """An image of another size.

    Parameters
    ----------
    src : NDArray
        Height × width × channels; uint8, float32 or float64.
    w, h : int
        The new width and height in pixels.
    interp : int
        0 nearest pixel, 1 linear, 2 cubic, 3 area, 4 Lanczos, 5 linear without rounding in between. (9 and 10, which
        choose by the size and at random, are for the functions that crop.)
    out : NDArray, optional
        An array of shape (h, w, channels) to write to.

    Raises
    ------
    AttributeValueError
        If a size is not positive, or there is no such interpolation.
    InputError
        If `src` is no image.

    >>> import ganmod as mx
    >>> imresize(mx.nd.array([[0, 100]]).reshape((1, 2, 1)), 4, 1).asnumpy().ravel().tolist()
    [0.0, 25.0, 75.0, 100.0]
    """
    for name, size in (("w", w), ("h", h)):
        require(isinstance(size, (int, np.integer)) and size > 0, f"imresize(): {name} must be a positive number of "
                f"pixels, got {size!r}", AttributeValueError)
    require(interp in _INTERPOLATIONS, f"imresize(): interp must be one of {', '.join(map(str, _INTERPOLATIONS))}, got "
            f"{interp!r}", AttributeValueError)
    cv2 = opencv("imresize()")
    return _through("imresize()", src, out,
                    lambda image: cv2.resize(image, (int(w), int(h)), interpolation=int(interp)))


def copyMakeBorder(src: NDArray, top: int, bot: int, left: int, right: int, type: int = 0, value: float = 0.0,
                   values: Optional[Sequence[float]] = (), out: Optional[NDArray] = None) -> NDArray:
    """An image with a border.

    Parameters
    ----------
    src : NDArray
        Height × width × channels; uint8, float32 or float64.
    top, bot, left, right : int
        How wide the border is, in pixels.
    type : int
        What it is made of: 0 `value`, 1 the outermost pixels, 2 a reflection, 3 the other side of the image, 4 a
        reflection that leaves out the outermost pixels. 16 may be added and means nothing here.
    value : float
        The colour of a border of type 0, in all channels.
    values : sequence of float
        The same, a number for each channel; 0 for those that are missing. It takes precedence over `value`.
    out : NDArray, optional
        An array to write to.

    >>> import ganmod as mx
    >>> copyMakeBorder(mx.nd.ones((1, 1, 1)), 0, 0, 1, 2, value=5).asnumpy().ravel().tolist()
    [5.0, 1.0, 5.0, 5.0]
    """
    widths = dict(top=top, bot=bot, left=left, right=right)
    for name, width in widths.items():
        require(isinstance(width, (int, np.integer)) and width >= 0, f"copyMakeBorder(): {name} must be a number of "
                f"pixels, 0 or more, got {width!r}", AttributeValueError)
    require(isinstance(type, (int, np.integer)) and type & ~_ISOLATED in _BORDERS, "copyMakeBorder(): type must be one "
            f"of {', '.join(map(str, _BORDERS))}, got {type!r}", AttributeValueError)
    colours = tuple(values) if values is not None and len(values) else (value,) * 4
    cv2 = opencv("copyMakeBorder()")
    return _through("copyMakeBorder()", src, out,
                    lambda image: cv2.copyMakeBorder(image, *map(int, widths.values()), int(type), value=colours))


# --- arrays and what OpenCV takes ------------------------------------------------------------------------------------

def values_of(array: Any) -> np.ndarray[Any, Any]:
    """An array as a numpy array, sharing memory where that is possible."""
    return array.as_torch().detach().cpu().numpy() if isinstance(array, NDArray) else np.asarray(array)


def result(values: np.ndarray[Any, Any], out: Optional[NDArray], what: str) -> NDArray:
    """Numbers as a new array, or written to `out`."""
    made = NDArray(torch.from_numpy(np.ascontiguousarray(values)))
    if out is None:
        return made
    require(isinstance(out, NDArray) and out.shape == made.shape, f"{what}: out must be an NDArray of shape "
            f"{made.shape}, got {getattr(out, 'shape', out)!r}", InputError)
    return made.copyto(out)


def _through(call: str, src: Any, out: Optional[NDArray], function: Callable[[Any], Any]) -> NDArray:
    """What a function of OpenCV makes of an image."""
    require(isinstance(src, NDArray), f"{call} takes an NDArray, got {type(src).__name__}", InputError)
    image = values_of(src)
    require(image.ndim == 3 and image.size and image.dtype.name in _DTYPES, f"{call}: an image is (height, width, "
            f"channels) of {', '.join(_DTYPES)}, got {src.shape} of {image.dtype}", InputError)
    try:
        made = function(np.ascontiguousarray(image))
    except opencv(call).error as error:
        raise InputError(f"{call}: an image {src.shape} of {image.dtype}: {str(error).strip()}") from None
    return result(made.reshape(*made.shape[:2], image.shape[2]), out, call)
