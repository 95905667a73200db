"""Augmenters of images whose labels say where objects are.

They take an image, an NDArray (height, width, channels), and its label, a numpy array (objects, 5 or more) of rows
``[class, left, top, right, bottom, …]`` with places between 0 and 1, and return both. Chances come from Python's
:mod:`random`.
"""
from __future__ import annotations

import json
import math
import numbers
import random
from typing import Any, Iterator, Sequence, Union

import numpy as np

from ..base import AttributeValueError, InputError, ShapeError, require
from ..ndarray import NDArray
from .augmenters import Augmenter, ForceResizeAug, ResizeAug, plain
from .creating import MEAN, STD, of_colours
from .cropping import fixed_crop
from .reading import copyMakeBorder

__all__ = ["DetAugmenter", "DetBorrowAug", "DetRandomSelectAug", "DetHorizontalFlipAug", "DetRandomCropAug",
           "DetRandomPadAug", "CreateMultiRandCropAugmenter", "CreateDetAugmenter"]

Boxes = np.ndarray[Any, Any]
Labelled = tuple[NDArray, Boxes]
Range = Union[float, Sequence[float]]
Place = tuple[int, int, int, int]

_ISOLATED = 16                                             # a border that looks at nothing beyond the image
_LEAST_BORDER = 2                                          # pixels, below which padding is not worth while
_LEAST_AREA = 2                                            # pixels of a part or of an object that count


class DetAugmenter:
    """Base of these augmenters: a subclass defines ``__call__``.

    Parameters
    ----------
    **kwargs
        Its settings, for :meth:`dumps`.
    """

    def __init__(self, **kwargs: Any) -> None:
        self._kwargs = {name: plain(value) for name, value in kwargs.items()}

    def dumps(self) -> Any:
        """The class's name in lower case and the settings, as JSON."""
        return json.dumps([type(self).__name__.lower(), self._kwargs])

    def __call__(self, src: NDArray, label: Boxes) -> Labelled:
        raise NotImplementedError(f"{type(self).__name__} must define __call__()")


class DetBorrowAug(DetAugmenter):
    """An augmenter of images without labels, which leaves objects where they are.

    Parameters
    ----------
    augmenter : Augmenter
    """

    def __init__(self, augmenter: Augmenter) -> None:
        require(isinstance(augmenter, Augmenter), f"DetBorrowAug takes an Augmenter, got {type(augmenter).__name__}",
                InputError)
        super().__init__(augmenter=augmenter.dumps())
        self.augmenter = augmenter

    def dumps(self) -> list[Any]:
        """The class's name in lower case, and what the augmenter says."""
        return [type(self).__name__.lower(), self.augmenter.dumps()]

    def __call__(self, src: NDArray, label: Boxes) -> Labelled:
        return self.augmenter(src), label


class DetRandomSelectAug(DetAugmenter):
    """One of several augmenters, or none.

    Parameters
    ----------
    aug_list : DetAugmenter or list of DetAugmenter
    skip_prob : float
        The probability of none; 1 where there is nothing to choose from.
    """

    def __init__(self, aug_list: Union[DetAugmenter, Sequence[DetAugmenter]], skip_prob: float = 0) -> None:
        super().__init__(skip_prob=skip_prob)
        self.aug_list: list[Any] = list(aug_list) if isinstance(aug_list, (list, tuple)) else [aug_list]
        for augmenter in self.aug_list:
            require(isinstance(augmenter, DetAugmenter), "DetRandomSelectAug takes DetAugmenters, got "
                    f"{type(augmenter).__name__}; wrap an Augmenter in DetBorrowAug", AttributeValueError)
        self.skip_prob = skip_prob if self.aug_list else 1

    def dumps(self) -> list[Any]:
        """The class's name in lower case, and what the augmenters say."""
        return [type(self).__name__.lower(), [augmenter.dumps() for augmenter in self.aug_list]]

    def __call__(self, src: NDArray, label: Boxes) -> Labelled:
        if random.random() < self.skip_prob:
            return src, label
        random.shuffle(self.aug_list)
        return self.aug_list[0](src, label)


class DetHorizontalFlipAug(DetAugmenter):
    """Left for right; the label is changed in place.

    Parameters
    ----------
    p : float
        The probability, 0 to 1.
    """

    def __init__(self, p: float) -> None:
        super().__init__(p=p)
        self.p = p

    def __call__(self, src: NDArray, label: Boxes) -> Labelled:
        if random.random() < self.p:
            src = src.flip(axis=1)
            label[:, [1, 3]] = 1.0 - label[:, [3, 1]]
        return src, label


# --- other sizes -----------------------------------------------------------------------------------------------------

def _range(call: str, name: str, value: Any, above: float) -> tuple[float, float]:
    """The (smallest, largest) of a number or of two; the largest is more than `above`."""
    if isinstance(value, numbers.Number):
        value = (value, value)
    require(isinstance(value, (tuple, list)) and len(value) == 2 and all(isinstance(v, numbers.Number) for v in value),
            f"{call}: {name} must be a number or (smallest, largest), got {value!r}", InputError)
    require(value[0] <= value[1] and value[1] > above, f"{call}: {name} must be (smallest, largest), the largest more "
            f"than {above:g}, got {value!r}", AttributeValueError)
    return value


class _Resized(DetAugmenter):
    """What crop and pad share: sizes of a random area and random proportions."""

    aspect_ratio_range: tuple[float, float]
    area_range: tuple[float, float]
    max_attempts: int
    enabled = True

    def _set(self, aspect_ratio_range: Range, area_range: Range, max_attempts: int, above: float) -> None:
        name = type(self).__name__
        self.aspect_ratio_range = _range(name, "aspect_ratio_range", aspect_ratio_range, 0)
        require(self.aspect_ratio_range[0] > 0, f"{name}: aspect_ratio_range must be positive, got "
                f"{aspect_ratio_range!r}", AttributeValueError)
        self.area_range = _range(name, "area_range", area_range, above)
        self.max_attempts = max_attempts

    def _heights(self, height: int, width: int) -> Iterator[tuple[float, int, int]]:
        """Again and again: proportions, and the heights at which they have the smallest and the largest area."""
        least, most = (max(share, 0) * height * width for share in self.area_range)
        for _ in range(self.max_attempts):
            ratio = random.uniform(*self.aspect_ratio_range)
            yield ratio, int(round(math.sqrt(least / ratio))), int(round(math.sqrt(most / ratio)))


def _drawn(low: int, high: int) -> int:
    return random.randint(low, high) if low < high else high


def _moved(label: Boxes, place: Place, height: int, width: int) -> Boxes:
    """The label where the image is replaced by what lies at a place (x, y, width, height) of it, in pixels."""
    x, y, w, h = place
    moved = label.copy()
    moved[:, [1, 3]] = (label[:, [1, 3]] * width - x) / w
    moved[:, [2, 4]] = (label[:, [2, 4]] * height - y) / h
    return moved


def _areas(boxes: Boxes) -> Boxes:
    """The areas of rows ``[left, top, right, bottom, …]``."""
    return np.maximum(0, boxes[:, 2] - boxes[:, 0]) * np.maximum(0, boxes[:, 3] - boxes[:, 1])


class DetRandomCropAug(_Resized):
    """A random part of the image that shows enough of its objects; the whole image where none is found.

    Parameters
    ----------
    min_object_covered : float
        The share of each object in the part that has to be in it, unless nothing of the object is, 0 to 1.
    aspect_ratio_range : float or (float, float)
        The width divided by the height, smallest and largest.
    area_range : float or (float, float)
        The share of the image's area, smallest and largest.
    min_eject_coverage : float
        Objects of which no larger share than this is left are dropped from the label.
    max_attempts : int
        How many parts to try.

    Raises
    ------
    InputError, AttributeValueError
        For a range that is none.
    """

    def __init__(self, min_object_covered: float = 0.1, aspect_ratio_range: Range = (0.75, 1.33),
                 area_range: Range = (0.05, 1.0), min_eject_coverage: float = 0.3, max_attempts: int = 50) -> None:
        self._set(aspect_ratio_range, area_range, max_attempts, 0)
        super().__init__(min_object_covered=min_object_covered, aspect_ratio_range=self.aspect_ratio_range,
                         area_range=self.area_range, min_eject_coverage=min_eject_coverage, max_attempts=max_attempts)
        self.min_object_covered, self.min_eject_coverage = min_object_covered, min_eject_coverage

    def __call__(self, src: NDArray, label: Boxes) -> Labelled:
        for place in self._places(*src.shape[:2]):
            if self._shows_enough(label, place, *src.shape[:2]):
                left = self._left(label, place, *src.shape[:2])
                if len(left):
                    return fixed_crop(src, *place), left
        return src, label

    def _places(self, height: int, width: int) -> Iterator[Place]:
        """Places (x, y, width, height) in an image, of the wanted proportions and area, in pixels."""
        least, most = (share * height * width for share in self.area_range)
        for ratio, low, high in self._heights(height, width):
            if round(high * ratio) > width:
                high = int((width + 0.4999999) / ratio)    # the most whose width is rounded to the image's
            high = min(high, height)
            h = _drawn(min(low, high), high)
            w = int(round(h * ratio))
            for change, misses in ((1, w * h < least), (-1, w * h > most)):
                if misses:                                 # by rounding
                    h, w = h + change, int(round((h + change) * ratio))
            if 0 < w <= width and 0 < h <= height and least <= w * h <= most:
                y = random.randint(0, height - h)
                yield random.randint(0, width - w), y, w, h

    def _shows_enough(self, label: Boxes, place: Place, height: int, width: int) -> bool:
        x, y, w, h = place
        boxes = label[:, 1:5]
        boxes = boxes[_areas(boxes) * width * height > _LEAST_AREA]
        if w * h < _LEAST_AREA or not len(boxes):
            return False
        corners = np.array([x / width, y / height, (x + w) / width, (y + h) / height])
        shown = np.hstack([np.maximum(boxes[:, :2], corners[:2]), np.minimum(boxes[:, 2:], corners[2:])])
        shares = _areas(shown) / _areas(boxes)
        shares = shares[shares > 0]
        return bool(len(shares) and shares.min() > self.min_object_covered)

    def _left(self, label: Boxes, place: Place, height: int, width: int) -> Boxes:
        """The label of the objects that are left in a part."""
        moved = _moved(label, place, height, width)
        moved[:, 1:5] = moved[:, 1:5].clip(0, 1)
        before = _areas(label[:, 1:]) * (height * width) / (place[2] * place[3])
        enough = _areas(moved[:, 1:]) > self.min_eject_coverage * before
        return moved[enough & (moved[:, 3] > moved[:, 1]) & (moved[:, 4] > moved[:, 2])]


class DetRandomPadAug(_Resized):
    """The image somewhere in a larger one.

    Parameters
    ----------
    aspect_ratio_range : float or (float, float)
        The width of the larger one divided by its height, smallest and largest.
    area_range : float or (float, float)
        Its area divided by the image's, smallest and largest.
    max_attempts : int
        How many sizes to try; the image is left as it is where none has a border of two pixels.
    pad_val : number or sequence of them
        The colour of the border, for each channel or one for all.

    Raises
    ------
    InputError, AttributeValueError
        For a range or a colour that is none.
    """

    def __init__(self, aspect_ratio_range: Range = (0.75, 1.33), area_range: Range = (1.0, 3.0),
                 max_attempts: int = 50, pad_val: Any = (128, 128, 128)) -> None:
        self._set(aspect_ratio_range, area_range, max_attempts, 1)
        require(isinstance(pad_val, (numbers.Number, tuple, list)), "DetRandomPadAug: pad_val must be a number or a "
                f"sequence of them, got {pad_val!r}", InputError)
        super().__init__(aspect_ratio_range=self.aspect_ratio_range, area_range=self.area_range,
                         max_attempts=max_attempts, pad_val=pad_val)
        self.pad_val = pad_val

    def __call__(self, src: NDArray, label: Boxes) -> Labelled:
        height, width = src.shape[:2]
        for x, y, w, h in self._places(height, width):
            colours: Any = [self.pad_val] * 4 if isinstance(self.pad_val, numbers.Number) else self.pad_val
            framed = copyMakeBorder(src, y, h - y - height, x, w - x - width, type=_ISOLATED, values=colours)
            return framed, _moved(label, (-x, -y, w, h), height, width)
        return src, label

    def _places(self, height: int, width: int) -> Iterator[Place]:
        """Where in a larger image this one lies, and the larger one's width and height, in pixels."""
        for ratio, low, high in self._heights(height, width):
            if round(low * ratio) < width:
                low = int((width + 0.499999) / ratio)
            h = _drawn(min(max(low, height), high), high)
            w = int(round(h * ratio))
            if min(h - height, w - width) >= _LEAST_BORDER:
                y = random.randint(0, h - height)
                yield random.randint(0, w - width), y, w, h


# --- rows of them ----------------------------------------------------------------------------------------------------

def CreateMultiRandCropAugmenter(min_object_covered: Any = 0.1, aspect_ratio_range: Any = (0.75, 1.33),
                                 area_range: Any = (0.05, 1.0), min_eject_coverage: Any = 0.3, max_attempts: Any = 50,
                                 skip_prob: float = 0) -> DetRandomSelectAug:
    """One of several :class:`DetRandomCropAug`, whose parameters are given as lists of equal length.

    What is not a list is the same for all.

    Parameters
    ----------
    skip_prob : float
        The probability that the image is left as it is.

    Raises
    ------
    AttributeValueError
        If lists are not equally long.

    >>> len(CreateMultiRandCropAugmenter(min_object_covered=[0.1, 0.5, 0.9], max_attempts=20).aug_list)
    3
    """
    given = [value if isinstance(value, list) else [value] for value in
             (min_object_covered, aspect_ratio_range, area_range, min_eject_coverage, max_attempts)]
    count = max(map(len, given))
    require(all(len(values) in (1, count) for values in given), "CreateMultiRandCropAugmenter(): lists must be equally "
            f"long, got lengths {', '.join(str(len(values)) for values in given)}", AttributeValueError)
    rows = zip(*(values * count if len(values) == 1 else values for values in given))
    return DetRandomSelectAug([DetRandomCropAug(*row) for row in rows], skip_prob)


def CreateDetAugmenter(data_shape: Sequence[int], resize: int = 0, rand_crop: float = 0, rand_pad: float = 0,
                       rand_gray: float = 0, rand_mirror: bool = False, mean: Any = None, std: Any = None,
                       brightness: float = 0, contrast: float = 0, saturation: float = 0, pca_noise: float = 0,
                       hue: float = 0, inter_method: int = 2, min_object_covered: Any = 0.1,
                       aspect_ratio_range: Any = (0.75, 1.33), area_range: Any = (0.05, 3.0),
                       min_eject_coverage: Any = 0.3, max_attempts: Any = 50, pad_val: Any = (127, 127, 127)) \
        -> list[DetAugmenter]:
    """The augmenters that make images for a network that learns to find objects.

    Parameters
    ----------
    data_shape : (channels, height, width)
        Of the network's input; images are stretched to it.
    resize : int
        What the shorter side is made first, in pixels; 0 leaves images as they are.
    rand_crop, rand_pad, rand_gray : float
        The probabilities of a random part, of a border, and of gray, 0 to 1.
    rand_mirror : bool
        Whether half of the images are mirrored.
    mean, std, brightness, contrast, saturation, hue, pca_noise, inter_method
        As of :func:`CreateAugmenter`.
    min_object_covered, aspect_ratio_range, area_range, min_eject_coverage, max_attempts
        As of :func:`CreateMultiRandCropAugmenter`; `aspect_ratio_range`, the largest of `area_range` and `max_attempts`
        are the border's, too.
    pad_val : number or sequence of them
        The colour of the border.

    >>> [type(augmenter).__name__ for augmenter in CreateDetAugmenter((3, 24, 24), rand_crop=0.5)]
    ['DetRandomSelectAug', 'DetBorrowAug', 'DetBorrowAug']
    """
    require(len(data_shape) >= 3, f"CreateDetAugmenter(): data_shape must be (channels, height, width), got "
            f"{data_shape!r}", ShapeError)
    augmenters: list[DetAugmenter] = [DetBorrowAug(ResizeAug(resize, inter_method))] if resize > 0 else []
    if rand_crop > 0:
        augmenters.append(CreateMultiRandCropAugmenter(min_object_covered, aspect_ratio_range, area_range,
                                                       min_eject_coverage, max_attempts, skip_prob=1 - rand_crop))
    if rand_mirror > 0:
        augmenters.append(DetHorizontalFlipAug(0.5))
    if rand_pad > 0:
        require(isinstance(area_range, (tuple, list)) and len(area_range) == 2, "CreateDetAugmenter(): with rand_pad, "
                f"area_range must be (smallest, largest), got {area_range!r}", InputError)
        framed = DetRandomPadAug(aspect_ratio_range, (1.0, area_range[1]), max_attempts, pad_val)
        augmenters.append(DetRandomSelectAug([framed], 1 - rand_pad))
    mean, std = (np.array(usual) if given is True else given for given, usual in ((mean, MEAN), (std, STD)))
    jitter = (brightness, contrast, saturation)
    row = [ForceResizeAug((data_shape[2], data_shape[1]), inter_method),
           *of_colours("CreateDetAugmenter()", jitter, hue, pca_noise, rand_gray, mean, std)]
    return augmenters + [DetBorrowAug(augmenter) for augmenter in row]
