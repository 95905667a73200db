"""From the pixels of images to one row of a batch, and the normalisation: here, or on a device."""
from __future__ import annotations

import os
import random
import threading
from typing import Any, NamedTuple, Optional

import numpy as np
import torch

from .. import ndarray
from ..base import FileFormatError, InputError, require
from .augment import Image
from .record_options import RecordOptions

__all__ = ["Finish", "Normalisation", "PlaneWriter", "draw_finish", "read_mean_image", "write_mean_image"]

_MEAN = "mean_img"                                         # the array's name in a file of the mean image


class Finish(NamedTuple):
    """What is done to one image at the end: whether it is mirrored, what it is multiplied by, what is added."""

    mirrored: bool = False
    contrast: float = 1.0
    illumination: float = 0.0


class Normalisation:
    """``((value - mean) * contrast + illumination) * scale / std``, of rows in place or of a batch on a device.

    Parameters
    ----------
    call : str
        Who asks, for error messages.
    shape : tuple of int
        Channels, height, width.
    options : RecordOptions, optional
        Of which mean, std and scale are taken.
    mean : array, optional
        A mean image of that shape, which counts in place of the means of the channels.
    changes : bool
        Whether images get a contrast or an illumination of their own.
    """

    def __init__(self, call: str, shape: tuple[int, ...], options: Optional[RecordOptions] = None,
                 mean: Optional[np.ndarray] = None, changes: bool = False) -> None:
        o, channels = options or RecordOptions(), shape[0]
        std = np.array([o.std_r, o.std_g, o.std_b, o.std_a][:channels])
        require((std > 0).all(), f"{call}: std_r, std_g, std_b and std_a must be above 0, got {std.tolist()}",
                InputError)
        levels = np.array([o.mean_r, o.mean_g, o.mean_b, o.mean_a][:channels], np.float32).reshape(-1, 1, 1)
        self._means = (levels, levels) if mean is None else (mean, np.ascontiguousarray(mean[..., ::-1]))
        self._factor = (o.scale / std).astype(np.float32).reshape(-1, 1, 1)
        self._shifts, self._scales, self._changes = bool(self._means[0].any()), bool((self._factor != 1).any()), changes

    @property
    def plain(self) -> bool:
        """Whether it changes nothing."""
        return not (self._shifts or self._scales or self._changes)

    def in_place(self, row: np.ndarray, finish: Finish) -> None:
        """Normalise one image, channels × height × width, float32."""
        if self._shifts:
            np.subtract(row, self._means[finish.mirrored], out=row)
        if self._changes:
            np.multiply(row, np.float32(finish.contrast), out=row)
            np.add(row, np.float32(finish.illumination), out=row)
        if self._scales:
            np.multiply(row, self._factor, out=row)

    def of_batch(self, images: torch.Tensor, finishes: list[Finish]) -> torch.Tensor:
        """The images of a batch, normalised where they are: uint8 on any device, to float32 on the same."""
        def there(values: Any) -> torch.Tensor:
            return torch.as_tensor(np.asarray(values, np.float32)).to(images.device)
        data = images.float()
        if self._shifts:
            picked = torch.tensor([finish.mirrored for finish in finishes], dtype=torch.int64, device=images.device)
            data.sub_(there(np.stack(self._means))[picked])
        if self._changes:
            data.mul_(there([finish.contrast for finish in finishes]).reshape(-1, 1, 1, 1))
            data.add_(there([finish.illumination for finish in finishes]).reshape(-1, 1, 1, 1))
        return data.mul_(there(self._factor)) if self._scales else data


class PlaneWriter:
    """Copies images to rows of a batch: from colours in turn to one plane for each.

    The planes are parted in memory of the thread's own, which stays in the processor's cache. They begin at different
    distances from multiples of 32 bytes, since OpenCV, where all are the same, writes past the cache, ten times slower.

    Parameters
    ----------
    cv2 : module
    shape : tuple of int
        Channels, height, width.
    """

    def __init__(self, cv2: Any, shape: tuple[int, ...]) -> None:
        self._cv2, self._shape, self._own = cv2, shape, threading.local()

    def _planes(self) -> np.ndarray:
        if not hasattr(self._own, "planes"):
            channels, height, width = self._shape
            stride = height * width + (16 - height * width) % 32
            memory = np.empty(channels * stride, np.uint8)
            self._own.planes = np.ndarray(self._shape, np.uint8, memory, strides=(stride, width, 1))
        return self._own.planes

    def write(self, row: np.ndarray, image: Image, mirrored: bool) -> None:
        """Copy an image, height × width × channels uint8, to a row, channels × height × width of any dtype."""
        if mirrored:
            image = self._cv2.flip(image, 1)
        planes = image[None]
        if image.ndim == 3:
            planes = self._planes()
            self._cv2.split(image, list(planes))
        if row.dtype == np.int8:
            planes = np.minimum(planes, 127)
        np.copyto(row, planes, casting="unsafe")


def draw_finish(options: Any, chance: random.Random) -> Finish:
    """By chance: whether an image is mirrored, and its contrast and illumination."""
    o = options
    mirrored = o.mirror or (o.rand_mirror and chance.random() < 0.5)
    if not (o.max_random_contrast or o.max_random_illumination):
        return Finish(mirrored)
    return Finish(mirrored, 1 + chance.uniform(-o.max_random_contrast, o.max_random_contrast),
                  chance.uniform(-o.max_random_illumination, o.max_random_illumination))


def read_mean_image(path: str, shape: tuple[int, ...]) -> np.ndarray:
    """The mean image of a file, float32.

    Raises
    ------
    FileFormatError
        If the file has no array of that shape.
    """
    found = ndarray.load(path)
    arrays = list(found.values()) if isinstance(found, dict) else found
    if not arrays or arrays[0].shape != shape:
        has = f"an array of shape {arrays[0].shape}" if arrays else "no array"
        raise FileFormatError(f"{os.fspath(path)}: expected a mean image of shape {shape}, and there is {has}")
    return arrays[0].asnumpy().astype(np.float32)


def write_mean_image(path: str, mean: np.ndarray) -> None:
    """Write a mean image, as MXNet reads and writes it."""
    ndarray.save(path, {_MEAN: ndarray.array(mean.astype(np.float32))})
