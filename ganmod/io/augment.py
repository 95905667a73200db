"""What may be done to the image of a record before it is normalised: size, shape, place, colour."""
from __future__ import annotations

import math
import random
from typing import Any, Callable, Sequence

import numpy as np

from ..base import InputError, require
from .record_options import ImageOptions

__all__ = ["Augmenter", "Image", "interpolation", "jittered", "levels", "shifted"]

Image = np.ndarray                                         # height × width × channels, or height × width; red first

_AUTO, _RANDOM = 9, 10                                     # inter_method beyond OpenCV's 0 to 4
_CUBIC, _AREA, _LINEAR = 2, 3, 1
_TRIALS = 10                                               # to find a crop that lies within the image
_HUES, _LEVELS = 180, 255
_COLOUR_OPTIONS = ("brightness", "contrast", "saturation", "pca_noise", "random_h", "random_s", "random_l")

# The directions, times their strengths, in which the colours of ImageNet's photographs vary (Krizhevsky et al., 2012).
_COLOURS = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]) * (
    55.46, 4.794, 1.148)


def interpolation(method: int, before: Sequence[int], after: Sequence[int], chance: random.Random) -> int:
    """OpenCV's number of the interpolation that `inter_method` means for two sizes.

    >>> [interpolation(9, (8, 8), size, random.Random(0)) for size in ((9, 9), (7, 7), (7, 9))]
    [2, 3, 1]
    """
    if method == _AUTO:
        larger, smaller = (all(sign * a > sign * b for a, b in zip(after, before)) for sign in (1, -1))
        return _CUBIC if larger else _AREA if smaller else _LINEAR
    return chance.randrange(5) if method == _RANDOM else method


class Augmenter:
    """Makes an image of the wanted shape.

    Parameters
    ----------
    call : str
        Who asks, for error messages.
    cv2 : module
    shape : tuple of int
        Channels, height, width.
    options : ImageOptions

    Raises
    ------
    InputError
        For options that contradict each other.
    """

    def __init__(self, call: str, cv2: Any, shape: tuple[int, ...], options: ImageOptions) -> None:
        self._cv2, self._shape, self._options, self._call = cv2, shape, options, call
        o = options
        _check(call, o, shape[0])
        steps: list[tuple[bool, Callable[[Image, random.Random], Image]]] = [
            (o.resize > 0, self._resized_by_edge),
            (_warps(o), self._warped),
            (o.pad > 0, self._padded),
            (True, self._resized_crop if o.random_resized_crop else self._sized_crop if o.max_crop_size > 0 else
             self._cropped),
            (any((o.brightness, o.contrast, o.saturation)), self._jittered),
            (any((o.random_h, o.random_s, o.random_l)), self._shifted),
            (o.pca_noise > 0, self._tinted)]
        self._steps = [step for wanted, step in steps if wanted]

    @property
    def draws(self) -> bool:
        """Whether chance has a part in it."""
        o = self._options
        least, most = self._aspects()
        return bool(
            o.rand_crop or o.random_resized_crop or o.inter_method == _RANDOM or o.max_rotate_angle > 0
            or o.max_shear_ratio > 0 or o.min_random_scale != o.max_random_scale or least != most
            or o.min_crop_size != o.max_crop_size or any(getattr(o, name) for name in _COLOUR_OPTIONS))

    def __call__(self, image: Image, chance: random.Random) -> Image:
        """The image, cut and changed; it may share memory with what was given."""
        for step in self._steps:
            image = step(image, chance)
        return image

    # --- size ------------------------------------------------------------------------------------------------------

    def _method(self, image: Image, size: Sequence[int], chance: random.Random) -> int:
        return interpolation(self._options.inter_method, image.shape[:2], size, chance)

    def _resize(self, image: Image, size: Sequence[int], chance: random.Random) -> Image:
        return self._resize_by(image, size, self._method(image, size, chance))

    def _resize_by(self, image: Image, size: Sequence[int], method: int) -> Image:
        height, width = max(size[0], 1), max(size[1], 1)
        same = (height, width) == image.shape[:2]
        return image if same else self._cv2.resize(image, (width, height), interpolation=method)

    def _resized_by_edge(self, image: Image, chance: random.Random) -> Image:
        height, width = image.shape[:2]
        short = self._options.resize
        size = (short, width * short // height) if height < width else (height * short // width, short)
        return self._resize(image, size, chance)

    def _aspects(self) -> tuple[float, float]:
        least, most = self._options.min_aspect_ratio, self._options.max_aspect_ratio
        return (1 - most, 1 + most) if least is None else (least, most)

    def _warped(self, image: Image, chance: random.Random) -> Image:
        """Turned, sheared, scaled and stretched about its centre."""
        o = self._options
        shear = chance.uniform(-o.max_shear_ratio, o.max_shear_ratio)
        turn = o.rotate if o.rotate > 0 else chance.randint(-o.max_rotate_angle, o.max_rotate_angle)
        scale = ratio = 1.0
        if not o.random_resized_crop:
            scale = chance.uniform(o.min_random_scale, o.max_random_scale)
            ratio = chance.uniform(*self._aspects())
        tall = 2 * scale / (1 + ratio)
        wide = ratio * tall
        cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        matrix = np.array([[tall * cos - shear * sin * wide, tall * sin + shear * cos * wide],
                           [-sin * wide, cos * wide]])
        before = np.array(image.shape[1::-1])
        wanted = np.array([max(o.min_img_size, min(o.max_img_size, scale * side)) for side in before])
        after = int(wanted[0]), int(wanted[1])
        shift = (wanted - matrix @ before) / 2
        return self._cv2.warpAffine(
            image, np.column_stack([matrix, shift]), after, borderMode=self._cv2.BORDER_CONSTANT,
            flags=self._method(image, after[::-1], chance), borderValue=(o.fill_value,) * 4)

    def _padded(self, image: Image, chance: random.Random) -> Image:
        o = self._options
        return self._cv2.copyMakeBorder(image, o.pad, o.pad, o.pad, o.pad, self._cv2.BORDER_CONSTANT,
                                        value=(o.fill_value,) * 4)

    # --- place -----------------------------------------------------------------------------------------------------

    def _cropped(self, image: Image, chance: random.Random) -> Image:
        """At least as large as wanted, by two resizes if need be, and then a part of it."""
        _, tall, wide = self._shape
        height, width = image.shape[:2]
        if height < tall or width < wide:
            method = self._method(image, (tall, wide), chance)
            if height < tall:
                image = self._resize_by(image, (tall, width * tall // height), method)
            height, width = image.shape[:2]
            if width < wide:
                image = self._resize_by(image, (height * wide // width, wide), method)
        return self._part(image, tall, wide, self._options.rand_crop, chance)

    def _sized_crop(self, image: Image, chance: random.Random) -> Image:
        """A square of a random size, resized."""
        least, most = self._options.min_crop_size, self._options.max_crop_size
        if min(image.shape[:2]) < most:
            raise InputError(f"{self._call}: max_crop_size={most} is more than an image of {image.shape[0]} × "
                             f"{image.shape[1]} has")
        side = chance.randint(least, most)
        part = self._part(image, side, side, self._options.rand_crop, chance)
        return self._resize(part, self._shape[1:], chance)

    def _resized_crop(self, image: Image, chance: random.Random) -> Image:
        """A part of a random area and shape, resized; where none is found, as without this option."""
        o = self._options
        height, width = image.shape[:2]
        for _ in range(_TRIALS):
            area = chance.uniform(o.min_random_area, o.max_random_area) * height * width
            ratio = chance.uniform(*self._aspects())
            wide, tall = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if chance.random() < 0.5:
                wide, tall = tall, wide
            if 0 < wide < width and 0 < tall < height:
                return self._resize(self._part(image, tall, wide, True, chance), self._shape[1:], chance)
        return self._cropped(image, chance)

    def _part(self, image: Image, height: int, width: int, anywhere: bool, chance: random.Random) -> Image:
        down, right = image.shape[0] - height, image.shape[1] - width
        top, left = (int(chance.random() * (down + 1)), int(chance.random() * (right + 1))) if anywhere else (
            down // 2, right // 2)
        return image[top:top + height, left:left + width]

    # --- colour ----------------------------------------------------------------------------------------------------

    def _jittered(self, image: Image, chance: random.Random) -> Image:
        o = self._options
        return jittered(self._cv2, image, o.brightness, o.contrast, o.saturation, chance)

    def _shifted(self, image: Image, chance: random.Random) -> Image:
        """Hue, lightness and saturation moved, each by one number for the whole image."""
        o = self._options
        return shifted(self._cv2, image, [int(0.75 * chance.uniform(-most, most) + 0.25 * chance.uniform(-most, most))
                                          for most in (o.random_h, o.random_l, o.random_s)])    # so MXNet draws them

    def _tinted(self, image: Image, chance: random.Random) -> Image:
        by = _COLOURS @ [chance.gauss(0, self._options.pca_noise) for _ in range(3)]
        return levels(image + by.astype(np.float32))


def jittered(cv2: Any, image: Image, brightness: float, contrast: float, saturation: float,
             chance: random.Random) -> Image:
    """Brightness, contrast and saturation changed by random factors, in a random order."""
    def grey(now: Image) -> Image:
        return cv2.cvtColor(now, cv2.COLOR_BGR2GRAY)       # MXNet takes red for blue here

    def times(most: float, middle: Callable[[Image], Any]) -> Callable[[Image], Image]:
        factor = 1 + chance.uniform(-most, most)
        return lambda now: levels(now * np.float32(factor) + np.float32(1 - factor) * middle(now))
    steps = [times(most, middle) for most, middle in (
        (brightness, lambda now: 0), (contrast, lambda now: grey(now).mean()),
        (saturation, lambda now: grey(now)[..., None])) if most > 0]
    chance.shuffle(steps)
    for step in steps:
        image = step(image)
    return image


def shifted(cv2: Any, image: Image, by: Sequence[int]) -> Image:
    """The image with numbers added to hue, lightness and saturation."""
    hls = cv2.cvtColor(image, cv2.COLOR_RGB2HLS).astype(np.int16) + np.array(by, np.int16)
    return cv2.cvtColor(np.clip(hls, 0, (_HUES, _LEVELS, _LEVELS)).astype(np.uint8), cv2.COLOR_HLS2RGB)


def levels(values: np.ndarray) -> Image:
    """The nearest levels of 8 bits.

    >>> levels(np.array([-1, 0.5, 1.5, 300])).tolist()
    [0, 0, 2, 255]
    """
    return np.clip(np.rint(values), 0, _LEVELS).astype(np.uint8)


def _warps(o: ImageOptions) -> bool:
    """Whether images are turned, sheared, scaled or stretched."""
    stretched = o.max_aspect_ratio != 0 or o.min_aspect_ratio is not None
    return bool(o.rotate > 0 or o.max_rotate_angle > 0 or o.max_shear_ratio > 0 or o.max_random_scale != 1
                or o.min_random_scale != 1 or (stretched and not o.random_resized_crop) or o.max_img_size < 1e10
                or o.min_img_size > 0)


def _check(call: str, o: ImageOptions, channels: int) -> None:
    """Raise InputError for options that cannot be, or not together."""
    def refuse_unless(good: Any, what: str) -> None:
        require(good, f"{call}: {what}", InputError)
    refuse_unless(o.aug_seq == "aug_default", f"aug_seq must be 'aug_default', got {o.aug_seq!r}")
    refuse_unless(o.inter_method in (0, 1, 2, 3, 4, _AUTO, _RANDOM),
                  f"inter_method must be 0 to 4, 9 (automatic) or 10 (random), got {o.inter_method}")
    refuse_unless(o.resize, f"resize must be a number of pixels, or -1, got {o.resize}")
    for name in _COLOUR_OPTIONS:
        value = getattr(o, name)
        refuse_unless(value >= 0, f"{name} must not be negative, got {value}")
        refuse_unless(channels == 3 or not value, f"{name}={value} needs images of 3 channels, data_shape says "
                                                  f"{channels}")
    for name in ("max_rotate_angle", "max_shear_ratio", "pad"):
        refuse_unless(getattr(o, name) >= 0, f"{name} must not be negative, got {getattr(o, name)}")
    for least, most in (("min_random_scale", "max_random_scale"), ("min_random_area", "max_random_area")):
        low, high = getattr(o, least), getattr(o, most)
        refuse_unless(0 < low <= high, f"{least} and {most} must be above 0 and in this order, got {low} and {high}")
    least_aspect, most_aspect = o.min_aspect_ratio, o.max_aspect_ratio
    refuse_unless(0 <= most_aspect < 1 if least_aspect is None else 0 < least_aspect <= most_aspect,
                  "max_aspect_ratio must be below 1 without min_aspect_ratio, and at least that otherwise, got "
                  f"{most_aspect} and {least_aspect}")
    sizes = o.min_crop_size, o.max_crop_size
    refuse_unless(sizes == (-1, -1) or 0 < sizes[0] <= sizes[1], "min_crop_size and max_crop_size must be given both, "
                  f"above 0 and in this order, got {sizes[0]} and {sizes[1]}")
    others = sizes != (-1, -1) or o.rand_crop or (o.min_random_scale, o.max_random_scale) != (1, 1)
    refuse_unless(not (o.random_resized_crop and others), "random_resized_crop does not go with rand_crop, "
                  "min_crop_size, max_crop_size, min_random_scale and max_random_scale")
