"""Parts of images, images of other proportions, and rotated ones.

The random ones draw from Python's :mod:`random` (rotations from numpy's global generator), so that these repeat them
when they are seeded.
"""
from __future__ import annotations

import math
import numbers
import random
import warnings
from typing import Any, Optional, Sequence, Union

import numpy as np

from .. import ndarray as nd
from ..base import AttributeValueError, InputError, ShapeError, require
from ..ndarray import NDArray
from .reading import imresize, values_of

__all__ = ["scale_down", "resize_short", "fixed_crop", "random_crop", "center_crop", "color_normalize",
           "random_size_crop", "imrotate", "random_rotate"]

Size = tuple[int, int]
Crop = tuple[NDArray, tuple[int, int, int, int]]

_BY_SIZE, _AT_RANDOM = 9, 10
_LINEAR, _CUBIC, _AREA = 1, 2, 3
_ATTEMPTS = 10                                             # to find a part of the size that was drawn


def scale_down(src_size: Sequence[float], size: Sequence[float]) -> Size:
    """The largest size of the proportions of `size` that fits in an image, if `size` itself does not.

    Parameters
    ----------
    src_size, size : (width, height)
        Of the image; wanted.

    >>> scale_down((640, 480), (720, 120))
    (640, 106)
    """
    (width, height), (w, h) = src_size, size
    if h > height:
        w, h = w * height / h, height
    if w > width:
        w, h = width, h * width / w
    return int(w), int(h)


def _get_interp_method(interp: int, sizes: Sequence[float] = ()) -> int:
    """OpenCV's number of an interpolation, where 9 chooses by (height, width, new height, new width), 10 by chance."""
    if interp == _BY_SIZE:
        if not sizes:
            return _CUBIC
        require(len(sizes) == 4, f"interp 9: expected height, width, new height and new width, got {sizes!r}",
                InputError)
        height, width, new_height, new_width = sizes
        if new_height > height and new_width > width:
            return _CUBIC
        return _AREA if new_height < height and new_width < width else _LINEAR
    if interp == _AT_RANDOM:
        return random.randint(0, 4)
    require(interp in range(5), f"interp must be 0 to 4, 9 (by the size) or 10 (at random), got {interp!r}",
            AttributeValueError)
    return interp


def _sides(src: Any, call: str) -> Size:
    """The height and the width of an image."""
    shape: Any = getattr(src, "shape", ())
    require(len(shape) == 3, f"{call}: an image is an array (height, width, channels), got "
            + (f"shape {shape}" if shape else type(src).__name__), InputError)
    return shape[0], shape[1]


def _pair(size: Any, call: str) -> Size:
    """A width and a height."""
    if not isinstance(size, (tuple, list)) or len(size) != 2:
        raise InputError(f"{call}: size must be (width, height), got {size!r}")
    return size[0], size[1]


def resize_short(src: NDArray, size: int, interp: int = 2) -> NDArray:
    """An image whose shorter side is `size` pixels long.

    Parameters
    ----------
    src : NDArray
        Height × width × channels.
    size : int
    interp : int
        0 to 4 as in :func:`imresize`; 9 cubic to enlarge, area to shrink, and linear otherwise; 10 one of 0 to 4 at
        random.

    >>> import ganmod as mx
    >>> resize_short(mx.nd.zeros((20, 31, 3)), 10).shape
    (10, 15, 3)
    """
    height, width = _sides(src, "resize_short()")
    require(isinstance(size, (int, np.integer)), f"resize_short(): size must be an int, got {size!r}", InputError)
    h, w = (size * height // width, size) if height > width else (size, size * width // height)
    return imresize(src, w, h, interp=_get_interp_method(interp, (height, width, h, w)))


def fixed_crop(src: NDArray, x0: int, y0: int, w: int, h: int, size: Optional[Size] = None,
               interp: int = 2) -> NDArray:
    """A part of an image, a copy, which is then resized.

    Parameters
    ----------
    src : NDArray
        Height × width × channels.
    x0, y0, w, h : int
        The left upper corner, width and height of the part, in pixels; it ends where the image does.
    size : (width, height), optional
        Of the result.
    interp : int
        As in :func:`resize_short`.

    Raises
    ------
    AttributeValueError
        If the part does not begin in the image.
    """
    height, width = _sides(src, "fixed_crop()")
    require(0 <= x0 < width and 0 <= y0 < height and w > 0 and h > 0, f"fixed_crop(): {w} × {h} pixels at ({x0}, {y0}) "
            f"are not within an image of width {width} and height {height}", AttributeValueError)
    part = src[y0:y0 + h, x0:x0 + w].copy()
    if size is not None and tuple(_pair(size, "fixed_crop()")) != (w, h):
        part = imresize(part, *size, interp=_get_interp_method(interp, (h, w, size[1], size[0])))
    return part


def random_crop(src: NDArray, size: Size, interp: int = 2) -> Crop:
    """A part of an image at a random place.

    Parameters
    ----------
    src : NDArray
        Height × width × channels.
    size : (width, height)
        Of the result, in pixels. If the image is smaller, a part of these proportions is enlarged.
    interp : int
        As in :func:`resize_short`.

    Returns
    -------
    tuple
        The part, and (x, y, width, height) of it in `src`.
    """
    height, width = _sides(src, "random_crop()")
    w, h = scale_down((width, height), _pair(size, "random_crop()"))
    x, y = random.randint(0, width - w), random.randint(0, height - h)
    return fixed_crop(src, x, y, w, h, size, interp), (x, y, w, h)


def center_crop(src: NDArray, size: Size, interp: int = 2) -> Crop:
    """The middle of an image; otherwise as :func:`random_crop`.

    >>> import ganmod as mx
    >>> part, where = center_crop(mx.nd.zeros((20, 31, 3)), (10, 10))
    >>> part.shape, where
    ((10, 10, 3), (10, 5, 10, 10))
    """
    height, width = _sides(src, "center_crop()")
    w, h = scale_down((width, height), _pair(size, "center_crop()"))
    x, y = int((width - w) / 2), int((height - h) / 2)
    return fixed_crop(src, x, y, w, h, size, interp), (x, y, w, h)


def random_size_crop(src: NDArray, size: Size, area: Union[float, Sequence[float]], ratio: Sequence[float],
                     interp: int = 2, **kwargs: Any) -> Crop:
    """A part of an image of random size, proportions and place, made `size`.

    Parameters
    ----------
    src : NDArray
        Height × width × channels.
    size : (width, height)
        Of the result, in pixels.
    area : float or (float, float)
        The smallest and the largest share of the image's area; the largest is 1 by default.
    ratio : (float, float)
        The smallest and the largest width divided by the height; logarithms are drawn uniformly.
    interp : int
        As in :func:`resize_short`.
    min_area : float
        The old name of `area`.

    Returns
    -------
    tuple
        The part, and (x, y, width, height) of it in `src`. Where ten draws do not fit, :func:`center_crop`'s.
    """
    height, width = _sides(src, "random_size_crop()")
    area = _renamed_area("random_size_crop()", area, kwargs)
    shares: Any = (area, 1.0) if isinstance(area, numbers.Number) else area
    for name, given in (("area", shares), ("ratio", ratio)):
        require(isinstance(given, (tuple, list)) and len(given) == 2, f"random_size_crop(): {name} must be (smallest, "
                f"largest), got {given!r}", InputError)
    require(shares[0] >= 0 and ratio[0] > 0, f"random_size_crop(): area and ratio must be positive, got {area!r} and "
            f"{ratio!r}", AttributeValueError)
    for _ in range(_ATTEMPTS):
        wanted = random.uniform(*shares) * height * width
        drawn = math.exp(random.uniform(math.log(ratio[0]), math.log(ratio[1])))
        w, h = int(round(math.sqrt(wanted * drawn))), int(round(math.sqrt(wanted / drawn)))
        if 0 < w <= width and 0 < h <= height:
            x, y = random.randint(0, width - w), random.randint(0, height - h)
            return fixed_crop(src, x, y, w, h, size, interp), (x, y, w, h)
    return center_crop(src, size, interp)


def _renamed_area(call: str, area: Any, kwargs: dict[str, Any]) -> Any:
    """`area`, or what was given under its old name."""
    if "min_area" in kwargs:
        warnings.warn(f"{call}: min_area is now called area", DeprecationWarning, stacklevel=3)
        area = kwargs.pop("min_area")
    require(not kwargs, f"{call}: unexpected keyword argument(s) {', '.join(kwargs)}", InputError)
    return area


def color_normalize(src: NDArray, mean: Union[NDArray, float, None],
                    std: Union[NDArray, float, None] = None) -> NDArray:
    """``(src - mean) / std``, in place.

    Parameters
    ----------
    src : NDArray
        Height × width × channels, float32; it is changed, and returned.
    mean, std : NDArray or number, optional
        For each channel, or one for all.
    """
    if mean is not None:
        src -= mean
    if std is not None:
        src /= std
    return src


# --- rotation --------------------------------------------------------------------------------------------------------

def imrotate(src: NDArray, rotation_degrees: Any, zoom_in: bool = False, zoom_out: bool = False) -> NDArray:
    """Images turned about their middle, by bilinear interpolation; outside of an image there is 0.

    Parameters
    ----------
    src : NDArray
        Channels × height × width, or images × channels × height × width, float32.
    rotation_degrees : number, or NDArray (images,)
        Clockwise as images are shown; one for each image, or one for all.
    zoom_in, zoom_out : bool
        Whether the image is enlarged until its corners do not show, or made smaller until all of it is seen.

    Raises
    ------
    InputError
        If `src` is not float32, or the angles are not as many as the images.
    ShapeError
        If `src` has another number of axes.

    >>> import ganmod as mx
    >>> imrotate(mx.nd.array([[[1, 2, 3]] * 3]), 180).asnumpy().round(3).tolist()
    [[[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]]
    """
    require(not (zoom_in and zoom_out), "imrotate(): zoom_in and zoom_out exclude each other", AttributeValueError)
    require(isinstance(src, NDArray) and src.dtype is np.float32, "imrotate() takes an NDArray of float32, got "
            + (f"one of {np.dtype(src.dtype)}" if isinstance(src, NDArray) else type(src).__name__), InputError)
    require(src.ndim in (3, 4), "imrotate(): expected (channels, height, width) or (images, channels, height, width), "
            f"got {src.shape}", ShapeError)
    images = src if src.ndim == 4 else src.expand_dims(0)
    angles = _angles(rotation_degrees, len(images), src.ndim == 3)
    height, width = images.shape[2:]
    points = np.stack([_points(angle, height, width, zoom_in, zoom_out) for angle in angles])
    turned = nd.BilinearSampler(images, nd.array(points, src.context))
    return turned if src.ndim == 4 else turned[0]


def _angles(given: Any, images: int, single: bool) -> np.ndarray[Any, Any]:
    """An angle in radians for each image."""
    if isinstance(given, numbers.Number):
        return np.full(images, np.deg2rad(float(given)))   # type: ignore[arg-type]
    require(not single and not isinstance(given, str), f"imrotate(): the angle of a single image is a number, got "
            f"{given!r:.80}", InputError)
    angles = np.ravel(values_of(given)).astype(np.float64)
    require(len(angles) == images, f"imrotate(): {len(angles)} angles for {images} images", ShapeError)
    return np.deg2rad(angles)


def _points(angle: float, height: int, width: int, zoom_in: bool, zoom_out: bool) -> np.ndarray[Any, Any]:
    """Where each pixel of the turned image lies in the other one: (2, height, width), x and y from -1 to 1."""
    cos, sin = math.cos(angle), math.sin(angle)
    y, x = np.meshgrid(np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2, indexing="ij")
    spread = (abs(width * cos) + abs(height * sin)) / width, (abs(width * sin) + abs(height * cos)) / height
    zoom = max(spread) if zoom_out else 1 / max(spread) if zoom_in else 1.0
    half = np.array([(width - 1) / 2, (height - 1) / 2]).reshape(2, 1, 1)
    with np.errstate(divide="ignore", invalid="ignore"):   # an image of one row or column has no extent
        return np.stack([x * cos - y * sin, x * sin + y * cos]) * zoom / half


def random_rotate(src: NDArray, angle_limits: Sequence[float], zoom_in: bool = False,
                  zoom_out: bool = False) -> NDArray:
    """:func:`imrotate` by angles between two limits, in degrees; another one for each image."""
    if not isinstance(angle_limits, (tuple, list)) or len(angle_limits) != 2:
        raise InputError(f"random_rotate(): angle_limits must be (smallest, largest), got {angle_limits!r}")
    low, high = angle_limits
    angle = np.random.uniform(low, high) if src.ndim == 3 else np.random.uniform(low, high, size=len(src))
    return imrotate(src, angle, zoom_in, zoom_out)
