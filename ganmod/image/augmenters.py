"""Augmenters: what changes an image by chance before it is learnt from, as objects that can be put in a row.

An augmenter takes an image, an NDArray (height, width, channels), and returns one; those of colours want float32 and
change the image in place. Chances come from Python's :mod:`random`, that of :class:`LightingAug` from numpy's global
generator.
"""
from __future__ import annotations

import json
import math
import random
from typing import Any, Sequence, Union

import numpy as np

from .. import ndarray as nd
from ..ndarray import NDArray
from .cropping import (
    Size,
    _get_interp_method,
    _renamed_area,
    center_crop,
    color_normalize,
    random_crop,
    random_size_crop,
    resize_short,
)
from .reading import imresize

__all__ = ["Augmenter", "SequentialAug", "RandomOrderAug", "ResizeAug", "ForceResizeAug", "RandomCropAug",
           "RandomSizedCropAug", "CenterCropAug", "BrightnessJitterAug", "ContrastJitterAug", "SaturationJitterAug",
           "HueJitterAug", "ColorJitterAug", "LightingAug", "ColorNormalizeAug", "RandomGrayAug", "HorizontalFlipAug",
           "CastAug"]

_GRAY = (0.299, 0.587, 0.114)


def plain(value: Any) -> Any:
    """Arrays as lists, for JSON."""
    return value.asnumpy().tolist() if isinstance(value, NDArray) else \
        value.tolist() if isinstance(value, np.ndarray) else value


class Augmenter:
    """Base of all augmenters: a subclass defines ``__call__``.

    Parameters
    ----------
    **kwargs
        Its settings, for :meth:`dumps`.

    >>> class Darker(Augmenter):
    ...     def __init__(self, factor):
    ...         super().__init__(factor=factor)
    ...         self.factor = factor
    ...     def __call__(self, src):
    ...         return src * self.factor
    >>> Darker(0.5).dumps()
    '["darker", {"factor": 0.5}]'
    """

    def __init__(self, **kwargs: Any) -> None:
        self._kwargs = {name: plain(value) for name, value in kwargs.items()}

    def dumps(self) -> Any:
        """The class's name in lower case and the settings, as JSON."""
        return json.dumps([type(self).__name__.lower(), self._kwargs])

    def __call__(self, src: NDArray) -> NDArray:
        raise NotImplementedError(f"{type(self).__name__} must define __call__()")


class _Row(Augmenter):
    """Augmenters one after the other."""

    def __init__(self, ts: list[Any]) -> None:
        super().__init__()
        self.ts = ts

    def dumps(self) -> list[Any]:
        """The class's name in lower case, and what those in the row say."""
        return [type(self).__name__.lower(), [t.dumps() for t in self.ts]]

    def __call__(self, src: NDArray) -> NDArray:
        for t in self.ts:
            src = t(src)
        return src


class SequentialAug(_Row):
    """Augmenters one after the other.

    Parameters
    ----------
    ts : list of Augmenter
    """


class RandomOrderAug(_Row):
    """Augmenters one after the other, in another order each time.

    Parameters
    ----------
    ts : list of Augmenter
        It is shuffled in place.
    """

    def __call__(self, src: NDArray) -> NDArray:
        random.shuffle(self.ts)
        return super().__call__(src)


# --- sizes and parts -------------------------------------------------------------------------------------------------

class _Sized(Augmenter):
    """What has a size and an interpolation."""

    def __init__(self, size: Any, interp: int = 2) -> None:
        super().__init__(size=size, interp=interp)
        self.size, self.interp = size, interp


class ResizeAug(_Sized):
    """:func:`resize_short`.

    Parameters
    ----------
    size : int
        Of the shorter side, in pixels.
    interp : int
    """

    def __call__(self, src: NDArray) -> NDArray:
        return resize_short(src, self.size, self.interp)


class ForceResizeAug(_Sized):
    """:func:`imresize`, whatever becomes of the proportions.

    Parameters
    ----------
    size : (width, height)
        In pixels.
    interp : int
        As in :func:`resize_short`.
    """

    def __call__(self, src: NDArray) -> NDArray:
        width, height = self.size
        return imresize(src, width, height, interp=_get_interp_method(self.interp, (*src.shape[:2], height, width)))


class RandomCropAug(_Sized):
    """The part of :func:`random_crop`.

    Parameters
    ----------
    size : (width, height)
        In pixels.
    interp : int
        As in :func:`resize_short`.
    """

    def __call__(self, src: NDArray) -> NDArray:
        return random_crop(src, self.size, self.interp)[0]


class CenterCropAug(_Sized):
    """The part of :func:`center_crop`.

    Parameters
    ----------
    size : (width, height)
        In pixels.
    interp : int
        As in :func:`resize_short`.
    """

    def __call__(self, src: NDArray) -> NDArray:
        return center_crop(src, self.size, self.interp)[0]


class RandomSizedCropAug(Augmenter):
    """The part of :func:`random_size_crop`, whose parameters it takes."""

    def __init__(self, size: Size, area: Union[float, Sequence[float]], ratio: Sequence[float], interp: int = 2,
                 **kwargs: Any) -> None:
        super().__init__(size=size, area=area, ratio=ratio, interp=interp)
        self.size, self.ratio, self.interp = size, ratio, interp
        self.area = _renamed_area("RandomSizedCropAug", area, kwargs)

    def __call__(self, src: NDArray) -> NDArray:
        return random_size_crop(src, self.size, self.area, self.ratio, self.interp)[0]


class HorizontalFlipAug(Augmenter):
    """Left for right.

    Parameters
    ----------
    p : float
        The probability, 0 to 1.
    """

    def __init__(self, p: float) -> None:
        super().__init__(p=p)
        self.p = p

    def __call__(self, src: NDArray) -> NDArray:
        return src.flip(axis=1) if random.random() < self.p else src


# --- colours ---------------------------------------------------------------------------------------------------------

class BrightnessJitterAug(Augmenter):
    """Times a factor.

    Parameters
    ----------
    brightness : float
        The factor is uniform between 1 - brightness and 1 + brightness.
    """

    def __init__(self, brightness: float) -> None:
        super().__init__(brightness=brightness)
        self.brightness = brightness

    def __call__(self, src: NDArray) -> NDArray:
        src *= 1.0 + random.uniform(-self.brightness, self.brightness)
        return src


class ContrastJitterAug(Augmenter):
    """Mixed with the image's mean gray.

    Parameters
    ----------
    contrast : float
        The image's share is uniform between 1 - contrast and 1 + contrast.
    """

    def __init__(self, contrast: float) -> None:
        super().__init__(contrast=contrast)
        self.contrast, self.coef = contrast, nd.array([[_GRAY]])

    def __call__(self, src: NDArray) -> NDArray:
        share = 1.0 + random.uniform(-self.contrast, self.contrast)
        gray = (src * self.coef).mean() * (3.0 * (1.0 - share))
        src *= share
        src += gray
        return src


class SaturationJitterAug(Augmenter):
    """Each pixel mixed with its own gray.

    Parameters
    ----------
    saturation : float
        The pixel's share is uniform between 1 - saturation and 1 + saturation.
    """

    def __init__(self, saturation: float) -> None:
        super().__init__(saturation=saturation)
        self.saturation, self.coef = saturation, nd.array([[_GRAY]])

    def __call__(self, src: NDArray) -> NDArray:
        share = 1.0 + random.uniform(-self.saturation, self.saturation)
        gray = (src * self.coef).sum(axis=2, keepdims=True) * (1.0 - share)
        src *= share
        src += gray
        return src


class HueJitterAug(Augmenter):
    """Colours turned about the axis of grays.

    Parameters
    ----------
    hue : float
        The turn is uniform between -hue and hue half turns; the colours are those of the YIQ space.
    """

    def __init__(self, hue: float) -> None:
        super().__init__(hue=hue)
        self.hue = hue
        self.tyiq = np.array([_GRAY, (0.596, -0.274, -0.321), (0.211, -0.523, 0.311)])
        self.ityiq = np.array([(1.0, 0.956, 0.621), (1.0, -0.272, -0.647), (1.0, -1.107, 1.705)])

    def __call__(self, src: NDArray) -> NDArray:
        angle = random.uniform(-self.hue, self.hue) * math.pi
        cos, sin = math.cos(angle), math.sin(angle)
        turn = np.array([(1.0, 0.0, 0.0), (0.0, cos, -sin), (0.0, sin, cos)])
        return nd.dot(src, nd.array((self.ityiq @ turn @ self.tyiq).T))


class ColorJitterAug(RandomOrderAug):
    """Brightness, contrast and saturation, in another order each time; those given as 0 or less are left out.

    Parameters
    ----------
    brightness, contrast, saturation : float
        As of :class:`BrightnessJitterAug`, :class:`ContrastJitterAug` and :class:`SaturationJitterAug`.

    >>> [type(t).__name__ for t in ColorJitterAug(0.1, 0, 0.2).ts]
    ['BrightnessJitterAug', 'SaturationJitterAug']
    """

    def __init__(self, brightness: float, contrast: float, saturation: float) -> None:
        kinds = ((BrightnessJitterAug, brightness), (ContrastJitterAug, contrast), (SaturationJitterAug, saturation))
        super().__init__([kind(range_) for kind, range_ in kinds if range_ > 0])


class LightingAug(Augmenter):
    """Plus a random mixture of the principal components of colours [Krizhevsky et al. 2012].

    Parameters
    ----------
    alphastd : float
        The standard deviation of the mixture's three numbers.
    eigval : array (3,)
        What the components vary by.
    eigvec : array (3, 3)
        The components, as columns.
    """

    def __init__(self, alphastd: float, eigval: Any, eigvec: Any) -> None:
        super().__init__(alphastd=alphastd, eigval=eigval, eigvec=eigvec)
        self.alphastd, self.eigval, self.eigvec = alphastd, np.asarray(eigval), np.asarray(eigvec)

    def __call__(self, src: NDArray) -> NDArray:
        alpha = np.random.normal(0, self.alphastd, size=(3,))
        src += nd.array(np.dot(self.eigvec * alpha, self.eigval))
        return src


class ColorNormalizeAug(Augmenter):
    """:func:`color_normalize`.

    Parameters
    ----------
    mean, std : array, or None
        For each channel, or one for all.
    """

    def __init__(self, mean: Any, std: Any) -> None:
        super().__init__(mean=mean, std=std)
        self.mean, self.std = (v if v is None or isinstance(v, NDArray) else nd.array(v) for v in (mean, std))

    def __call__(self, src: NDArray) -> NDArray:
        return color_normalize(src, self.mean, self.std)


class RandomGrayAug(Augmenter):
    """Gray in three equal channels.

    Parameters
    ----------
    p : float
        The probability, 0 to 1.
    """

    def __init__(self, p: float) -> None:
        super().__init__(p=p)
        self.p, self.mat = p, nd.array([[0.21] * 3, [0.72] * 3, [0.07] * 3])

    def __call__(self, src: NDArray) -> NDArray:
        return nd.dot(src, self.mat) if random.random() < self.p else src


class CastAug(Augmenter):
    """Another dtype.

    Parameters
    ----------
    typ : str
    """

    def __init__(self, typ: str = "float32") -> None:
        super().__init__(type=typ)
        self.typ = typ

    def __call__(self, src: NDArray) -> NDArray:
        return src.astype(self.typ)
