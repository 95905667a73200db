"""What may be done to an image with boxes around the objects in it."""
from __future__ import annotations

import math
import random
from typing import Any, NamedTuple, Optional

import numpy as np

from ..base import FileFormatError, InputError, require
from .augment import Image, interpolation, levels, shifted
from .record_options import DetectionOptions

__all__ = ["BoxAugmenter", "Objects", "objects_of"]

_LEAST_PAD = 1.05                                          # a smaller factor is none
_RANGES = ("scales", "aspect_ratios", "overlaps", "sample_coverages", "object_coverages")


class Objects(NamedTuple):
    """A label taken apart: its first numbers, and a row for each object: class, left, top, right, bottom, others.

    Places are fractions of width and height.
    """

    header: np.ndarray
    rows: np.ndarray

    @property
    def boxes(self) -> np.ndarray:
        """Left, top, right and bottom of each object."""
        return self.rows[:, 1:5]

    def joined(self) -> np.ndarray:
        """The label."""
        return np.concatenate([self.header, self.rows.ravel()])

    def placed(self, left: float, top: float, width: float, height: float) -> "Objects":
        """The objects as they lie in another rectangle, cut at its edges."""
        rows = self.rows.copy()
        rows[:, 1:5] = np.clip((self.boxes - (left, top, left, top)) / (width, height, width, height), 0, 1)
        return Objects(self.header, rows)

    def mirrored(self) -> "Objects":
        """Left and right exchanged."""
        rows = self.rows.copy()
        rows[:, 1], rows[:, 3] = 1 - self.rows[:, 3], 1 - self.rows[:, 1]
        return Objects(self.header, rows)


def objects_of(label: np.ndarray) -> Objects:
    """A label taken apart: how many numbers come before the objects, how many an object has, others, the objects.

    Raises
    ------
    FileFormatError
        If that is not how it is made.

    >>> objects_of(np.array([2, 5, 7, 0, 0, 0.5, 1], np.float32)).boxes.tolist()
    [[0.0, 0.0, 0.5, 1.0]]
    """
    before, each = (int(label[0]), int(label[1])) if len(label) > 1 and np.isfinite(label[:2]).all() else (0, 0)
    if before < 2 or each < 5 or len(label) <= before or (len(label) - before) % each:
        raise FileFormatError(f"has a label of {len(label)} numbers that begins with {label[:2].tolist()}; expected "
                              "the length of the header, 2 or more, that of an object, 5 or more, and objects")
    return Objects(label[:before], label[before:].reshape(-1, each))


class _Sampler(NamedTuple):
    """Ranges that a crop has to keep."""

    scale: tuple[float, float]
    aspect: tuple[float, float]
    overlap: tuple[float, float]
    sample: tuple[float, float]
    object: tuple[float, float]
    trials: int

    def draw(self, objects: Objects, aspect: float, chance: random.Random) -> Optional[tuple[float, ...]]:
        """Left, top, width and height of a crop, as fractions; None if it does not show an object as wanted."""
        scale = chance.uniform(*self.scale) + 1e-12
        low, high = max(self.aspect[0] / aspect, scale ** 2), min(self.aspect[1] / aspect, scale ** -2)
        ratio = math.sqrt(chance.uniform(low, high))       # between the two where a crop that large has no such aspect
        width, height = min(scale * ratio, 1.0), min(scale / ratio, 1.0)
        left, top = chance.uniform(0, 1 - width), chance.uniform(0, 1 - height)
        return (left, top, width, height) if self._shows(objects.boxes, left, top, width, height) else None

    def _shows(self, boxes: np.ndarray, left: float, top: float, width: float, height: float) -> bool:
        if all(tuple(range_) == (0, 1) for range_ in (self.overlap, self.sample, self.object)):
            return True
        common, own, crop = shared_area(boxes, left, top, width, height), areas(boxes), width * height
        measured = ((common / (own + crop - common), self.overlap), (common / crop, self.sample),
                    (common / np.maximum(own, 1e-12), self.object))
        good = common > 0
        for value, (least, most) in measured:
            good &= (value >= least) & (value <= most)
        return bool(good.any())


def areas(boxes: np.ndarray) -> np.ndarray:
    """The areas of boxes."""
    return np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)


def shared_area(boxes: np.ndarray, left: float, top: float, width: float, height: float) -> np.ndarray:
    """How much of each box lies in a rectangle."""
    across = np.minimum(boxes[:, 2], left + width) - np.maximum(boxes[:, 0], left)
    down = np.minimum(boxes[:, 3], top + height) - np.maximum(boxes[:, 1], top)
    return np.maximum(across, 0) * np.maximum(down, 0)


class BoxAugmenter:
    """Changes an image and the boxes in it alike.

    Parameters
    ----------
    call : str
        Who asks, for error messages.
    cv2 : module
    shape : tuple of int
        Channels, height, width.
    options : DetectionOptions

    Raises
    ------
    InputError
        For options that contradict each other.
    """

    def __init__(self, call: str, cv2: Any, shape: tuple[int, ...], options: DetectionOptions) -> None:
        self._cv2, self._shape, self._options = cv2, shape, options
        o = options
        require(o.aug_seq == "det_aug_default", f"{call}: aug_seq must be 'det_aug_default', got {o.aug_seq!r}",
                InputError)
        require(o.inter_method in (0, 1, 2, 3, 4, 9, 10), f"{call}: inter_method must be 0 to 4, 9 (automatic) or 10 "
                f"(random), got {o.inter_method}", InputError)
        for name in ("random_hue", "random_saturation", "random_illumination", "random_contrast"):
            require(shape[0] == 3 or not getattr(o, f"{name}_prob"), f"{call}: {name}_prob needs images of 3 channels",
                    InputError)
        self._samplers = _samplers(call, o) if o.rand_crop_prob > 0 else []

    @property
    def draws(self) -> bool:
        """Whether chance has a part in it."""
        o = self._options
        return o.inter_method == 10 or any(value > 0 for name, value in vars(o).items() if name.endswith("_prob"))

    def __call__(self, image: Image, objects: Objects, chance: random.Random) -> tuple[Image, Objects, tuple[int, int]]:
        """The image in its final size, the objects that are left, and the height and width that the picture fills."""
        o = self._options
        if o.resize > 0:
            height, width = image.shape[:2]
            short = o.resize
            size = (short, width * short // height) if height < width else (height * short // width, short)
            image = self._resized(image, size, chance)
        image = self._coloured(image, chance)
        if chance.random() < o.rand_mirror_prob:
            image, objects = self._cv2.flip(image, 1), objects.mirrored()
        if chance.random() < o.rand_pad_prob:
            image, objects = self._padded(image, objects, chance)
        if chance.random() < o.rand_crop_prob:
            image, objects = self._cropped(image, objects, chance)
        return self._fitted(image, objects, chance)

    def _coloured(self, image: Image, chance: random.Random) -> Image:
        o = self._options
        by = [int(chance.uniform(-most, most)) if chance.random() < probability else 0 for most, probability in (
            (o.max_random_hue, o.random_hue_prob), (o.max_random_illumination, o.random_illumination_prob),
            (o.max_random_saturation, o.random_saturation_prob))]
        if any(by):
            image = shifted(self._cv2, image, by)
        if o.max_random_contrast > 0 and chance.random() < o.random_contrast_prob:
            image = levels(image * np.float32(1 + chance.uniform(-o.max_random_contrast, o.max_random_contrast)))
        return image

    def _padded(self, image: Image, objects: Objects, chance: random.Random) -> tuple[Image, Objects]:
        scale = chance.uniform(1, max(self._options.max_pad_scale, 1))
        if scale < _LEAST_PAD:
            return image, objects
        height, width = image.shape[:2]
        x, y = chance.uniform(0, scale - 1), chance.uniform(0, scale - 1)
        down, right, top, left = (int(share * side) for share, side in (
            (scale - 1, height), (scale - 1, width), (y, height), (x, width)))
        padded = self._cv2.copyMakeBorder(image, top, down - top, left, right - left, self._cv2.BORDER_CONSTANT,
                                          value=(self._options.fill_value,) * 4)
        return padded, objects.placed(-x, -y, scale, scale)

    def _cropped(self, image: Image, objects: Objects, chance: random.Random) -> tuple[Image, Objects]:
        """A crop of a sampler, of those in a random order, that finds one with an object left in it."""
        height, width = image.shape[:2]
        for sampler in chance.sample(self._samplers, len(self._samplers)):
            for _ in range(sampler.trials):
                crop = sampler.draw(objects, width / height, chance)
                left = None if crop is None else self._left_in(objects, crop)
                if crop is None or left is None:
                    continue
                x, y = int(crop[0] * width), int(crop[1] * height)
                across, down = max(int(crop[2] * width), 1), max(int(crop[3] * height), 1)
                return image[y:y + down, x:x + across], left
        return image, objects

    def _left_in(self, objects: Objects, crop: tuple[float, ...]) -> Optional[Objects]:
        boxes, (left, top, width, height) = objects.boxes, crop
        if self._options.crop_emit_mode == "center":
            x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
            kept = (x >= left) & (x <= left + width) & (y >= top) & (y <= top + height)
        else:
            kept = shared_area(boxes, *crop) > self._options.emit_overlap_thresh * areas(boxes)
        return Objects(objects.header, objects.rows[kept]).placed(*crop) if kept.any() else None

    def _resized(self, image: Image, size: tuple[int, int], chance: random.Random) -> Image:
        if size == image.shape[:2]:
            return image
        method = interpolation(self._options.inter_method, image.shape[:2], size, chance)
        return self._cv2.resize(image, size[::-1], interpolation=method)

    def _fitted(self, image: Image, objects: Objects, chance: random.Random) -> tuple[Image, Objects, tuple[int, int]]:
        """Stretched; or, keeping the ratio of its edges, made to fit, with black to the right of it or below."""
        _, tall, wide = self._shape
        if self._options.resize_mode == "force":
            return self._resized(image, (tall, wide), chance), objects, (tall, wide)
        height, width = image.shape[:2]
        factor = min(tall / height, wide / width)
        if self._options.resize_mode == "shrink":
            factor = min(factor, 1.0)
        size = (min(max(int(height * factor + 1e-6), 1), tall), min(max(int(width * factor + 1e-6), 1), wide))
        image = self._resized(image, size, chance)
        fitted = np.zeros((tall, wide, *image.shape[2:]), np.uint8)
        fitted[:size[0], :size[1]] = image
        return fitted, objects, size


def _samplers(call: str, o: DetectionOptions) -> list[_Sampler]:
    def several(name: str) -> tuple[Any, ...]:
        values = getattr(o, name)
        require(len(values) in (1, o.num_crop_sampler) and values, f"{call}: {name} must have 1 or num_crop_sampler="
                f"{o.num_crop_sampler} numbers, got {len(values)}", InputError)
        return values if len(values) == o.num_crop_sampler else values * o.num_crop_sampler
    require(o.num_crop_sampler > 0, f"{call}: num_crop_sampler must be above 0, got {o.num_crop_sampler}", InputError)
    given = {name: several(name) for what in _RANGES for name in (f"min_crop_{what}", f"max_crop_{what}")}
    for what in _RANGES:
        for least, most in zip(given[f"min_crop_{what}"], given[f"max_crop_{what}"]):
            require(0 <= least <= most, f"{call}: min_crop_{what} and max_crop_{what} must not be negative, and be in "
                    f"this order, got {least} and {most}", InputError)
    def pair(what: str, k: int) -> tuple[float, float]:
        return given[f"min_crop_{what}"][k], given[f"max_crop_{what}"][k]
    trials = several("max_crop_trials")
    return [_Sampler(pair("scales", k), pair("aspect_ratios", k), pair("overlaps", k), pair("sample_coverages", k),
                     pair("object_coverages", k), trials[k]) for k in range(o.num_crop_sampler)]
