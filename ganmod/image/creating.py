"""The usual row of augmenters for a network that learns to tell images apart."""
from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from .. import ndarray as nd
from ..base import AttributeValueError, InputError, ShapeError, require
from ..ndarray import NDArray
from .augmenters import (
    Augmenter,
    CastAug,
    CenterCropAug,
    ColorJitterAug,
    ColorNormalizeAug,
    HorizontalFlipAug,
    HueJitterAug,
    LightingAug,
    RandomCropAug,
    RandomGrayAug,
    RandomSizedCropAug,
    ResizeAug,
)

__all__ = ["CreateAugmenter"]

# Mean and deviation of the colours of ImageNet, their principal components and what these vary by.
MEAN, STD = (123.68, 116.28, 103.53), (58.395, 57.12, 57.375)
_EIGENVALUES = (55.46, 4.794, 1.148)
_EIGENVECTORS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))


def CreateAugmenter(data_shape: Sequence[int], resize: int = 0, rand_crop: bool = False, rand_resize: bool = False,
                    rand_mirror: bool = False, mean: Any = None, std: Any = None, brightness: float = 0,
                    contrast: float = 0, saturation: float = 0, hue: float = 0, pca_noise: float = 0,
                    rand_gray: float = 0, inter_method: int = 2) -> list[Augmenter]:
    """The augmenters that make images for a network that learns to tell them apart.

    Parameters
    ----------
    data_shape : (channels, height, width)
        Of the network's input.
    resize : int
        What the shorter side is made first, in pixels; 0 leaves images as they are.
    rand_crop : bool
        Whether the part of `data_shape` is taken at a random place; it is the middle by default.
    rand_resize : bool
        Whether that part is of random size and proportions, too: an eighth of the area or more.
    rand_mirror : bool
        Whether half of the images are mirrored.
    mean, std : array, True or None
        To normalise by, for each channel or one for all; True is what is usual for ImageNet.
    brightness, contrast, saturation, hue, pca_noise : float
        The ranges of :class:`ColorJitterAug`, :class:`HueJitterAug` and :class:`LightingAug`.
    rand_gray : float
        The probability of gray.
    inter_method : int
        The interpolation, as in :func:`resize_short`.

    >>> [type(augmenter).__name__ for augmenter in CreateAugmenter((3, 24, 24), resize=30, rand_mirror=True)]
    ['ResizeAug', 'CenterCropAug', 'HorizontalFlipAug', 'CastAug']
    """
    require(len(data_shape) >= 3, "CreateAugmenter(): data_shape must be (channels, height, width), got "
            f"{data_shape!r}", ShapeError)
    require(rand_crop or not rand_resize, "CreateAugmenter(): rand_resize needs rand_crop=True", AttributeValueError)
    size = (data_shape[2], data_shape[1])
    augmenters: list[Augmenter] = [ResizeAug(resize, inter_method)] if resize > 0 else []
    if rand_resize:
        augmenters.append(RandomSizedCropAug(size, 0.08, (3.0 / 4.0, 4.0 / 3.0), inter_method))
    else:
        augmenters.append((RandomCropAug if rand_crop else CenterCropAug)(size, inter_method))
    if rand_mirror:
        augmenters.append(HorizontalFlipAug(0.5))
    mean, std = (nd.array(usual) if given is True else given for given, usual in ((mean, MEAN), (std, STD)))
    return augmenters + of_colours("CreateAugmenter()", (brightness, contrast, saturation), hue, pca_noise, rand_gray,
                                   mean, std)


def of_colours(call: str, jitter: tuple[float, float, float], hue: float, pca_noise: float, rand_gray: float,
               mean: Any, std: Any) -> list[Augmenter]:
    """The second half of the row: numbers, their colours, and normalising."""
    augmenters: list[Augmenter] = [CastAug()]
    if any(jitter):
        augmenters.append(ColorJitterAug(*jitter))
    if hue:
        augmenters.append(HueJitterAug(hue))
    if pca_noise > 0:
        augmenters.append(LightingAug(pca_noise, np.array(_EIGENVALUES), np.array(_EIGENVECTORS)))
    if rand_gray > 0:
        augmenters.append(RandomGrayAug(rand_gray))
    for name, value in (("mean", mean), ("std", std)):
        require(value is None or (isinstance(value, (np.ndarray, NDArray)) and value.shape[:1] in ((1,), (3,))),
                f"{call}: {name} must be None, True or an array of one or three numbers, got {value!r:.80}", InputError)
    if mean is not None or std is not None:
        augmenters.append(ColorNormalizeAug(mean, std))
    return augmenters
