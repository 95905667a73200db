"""What the threads do: a record becomes a row of a batch."""
from __future__ import annotations

import random
from typing import Any, Callable, NamedTuple, Optional

import numpy as np
import torch

from .. import recordio
from ..base import FileFormatError, to_numpy_dtype
from ..recordio.pictures import implausible
from .augment import Image
from .pipeline import Buffers, Order
from .pixels import Finish, Normalisation, PlaneWriter
from .record_source import Sample, Source

__all__ = ["Batch", "Chance", "Change", "Decoder", "Maker"]

Change = Callable[[Sample, Image, random.Random], tuple[Image, Any, Finish]]

_AUGMENT_SEED = 787                                        # apart from the numbers that shuffle
_WORD = (1 << 64) - 1
_FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


class Batch(NamedTuple):
    """A batch in the making: its arrays, the records' ids, and what the end of each image is."""

    data: torch.Tensor
    rows: np.ndarray
    labels: np.ndarray
    ids: np.ndarray
    finishes: list[Finish]


class Decoder:
    """Makes an image, height × width × channels with red first, or height × width, of bytes.

    Parameters
    ----------
    call : str
        Who asks, for error messages.
    channels : int
        1, 3, or 4: the last is opacity.

    Raises
    ------
    MXNetError
        If OpenCV is not there.
    """

    def __init__(self, call: str, channels: int) -> None:
        cv2 = self.cv2 = recordio.opencv(call)
        self._channels = channels
        red_first = getattr(cv2, "IMREAD_COLOR_RGB", None)         # OpenCV has it from 4.10 on
        self._flag = {1: cv2.IMREAD_GRAYSCALE, 3: cv2.IMREAD_COLOR if red_first is None else red_first,
                      4: cv2.IMREAD_UNCHANGED}[channels]
        self._swap = cv2.COLOR_BGRA2RGBA if channels == 4 else cv2.COLOR_BGR2RGB if self._flag == cv2.IMREAD_COLOR \
            else None

    def __call__(self, content: np.ndarray) -> Image:
        """The image.

        Raises
        ------
        FileFormatError
            If there is none, or with fewer channels than 4 if that is what is wanted.
        """
        wrong = implausible(content.tobytes())
        if wrong:
            raise FileFormatError(f"a damaged image: {wrong}")
        image: Any = None
        if len(content):
            try:
                image = self.cv2.imdecode(content, self._flag)
            except self.cv2.error as error:
                raise FileFormatError(f"a damaged image: {str(error).strip()}") from None
        if image is None:
            raise FileFormatError(f"the {len(content)} bytes of the record are no image that OpenCV can decode")
        if self._channels == 4:
            if image.ndim != 3 or image.shape[2] != 4 or image.dtype != np.uint8:
                raise FileFormatError(f"expected an image of 4 channels of 8 bits, got shape {image.shape} and dtype "
                                      f"{image.dtype}")
        return image if self._swap is None else self.cv2.cvtColor(image, self._swap)


class Chance(random.Random):
    """Random numbers whose seed, a tuple of ints, costs next to nothing, as every image has one of its own.

    It is Steele, Lea and Flood's SplitMix64.

    >>> chance = Chance()
    >>> chance.seed((1, 2)); first = chance.random(); chance.seed((1, 3)); other = chance.random()
    >>> chance.seed((1, 2)); 0 <= first < 1 and first == chance.random() != other
    True
    """

    _state = 0

    def seed(self, a: Any = 0, version: int = 2) -> None:
        """Begin where this seed begins."""
        self.gauss_next = None
        self._state = _AUGMENT_SEED
        for part in a if isinstance(a, tuple) else ():
            self._state = self._next() ^ part & _WORD

    def _next(self) -> int:
        self._state = x = (self._state + 0x9e3779b97f4a7c15) & _WORD
        x = ((x ^ x >> 30) * 0xbf58476d1ce4e5b9) & _WORD
        x = ((x ^ x >> 27) * 0x94d049bb133111eb) & _WORD
        return x ^ x >> 31

    def random(self) -> float:
        """The next number, 0 <= x < 1."""
        return (self._next() >> 11) * 2.0 ** -53


class Maker:
    """Makes batches of records, row by row; threads know it and not the iterator, which may go while they work.

    Parameters
    ----------
    source : Source
    decode : Decoder
    change : callable
        ``change(sample, image, chance)`` gives the image in its final size, its label's row, and its :class:`Finish`.
    shape, label_shape : tuple of int
        Of one image, channels first, and of one label.
    batch_size : int
    dtype : torch.dtype
        Floating types are normalised.
    normal : Normalisation
    device : torch.device, optional
        Where to normalise, if not in the threads.
    pinned : bool
        Whether batches are to lie where a GPU can fetch them by itself.
    keep : int
        How many batches' memory to keep for later ones.
    seed : int, optional
        Determines what chance does; None where it does nothing.
    """

    def __init__(self, source: Source, decode: Decoder, change: Change, shape: tuple[int, ...],
                 label_shape: tuple[int, ...], batch_size: int, dtype: torch.dtype, normal: Normalisation,
                 device: Optional[torch.device], pinned: bool, keep: int, seed: Optional[int]) -> None:
        self._source, self._decode, self._change, self._seed = source, decode, change, seed
        self._dtype, self._label_shape, self._batch_size = dtype, label_shape, batch_size
        wanted = dtype in _FLOATS and not normal.plain
        self._normal = normal if wanted and device is None else None
        self._normal_there, self._device = normal if wanted else None, device
        made = torch.uint8 if device is not None else torch.float32 if dtype is torch.bfloat16 else dtype
        self._row_dtype = to_numpy_dtype(made)
        self._planes = PlaneWriter(decode.cv2, shape)
        self._buffers = Buffers((batch_size, *shape), made, keep, pinned)

    def begin(self, order: Order) -> Batch:
        """An empty batch."""
        data = self._buffers.take()
        return Batch(data, data.numpy(), np.empty((self._batch_size, *self._label_shape), np.float32),
                     np.empty(self._batch_size, np.uint64), [Finish()] * self._batch_size)

    def fill(self, order: Order, batch: Batch, first: int, last: int) -> list[tuple[int, FileFormatError]]:
        """Make some rows of a batch; the samples that are damaged, each with its error."""
        failed = []
        chance = Chance()
        for k in range(first, last):
            number = int(order.samples[k])
            try:
                sample = self._source.read(number)
                try:
                    image = self._decode(sample.content)
                except FileFormatError as error:
                    raise self._source.wrong(number, str(error)) from None
            except FileFormatError as error:
                failed.append((number, error))
                continue
            if self._seed is not None:
                chance.seed((self._seed, order.epoch, order.number, k))
            try:
                image, batch.labels[k], finish = self._change(sample, image, chance)
            except FileFormatError as error:               # not damage: what was asked for does not fit the file
                raise self._source.wrong(number, f"the record with id {sample.id} {error}") from None
            batch.ids[k], batch.finishes[k] = sample.id, finish
            self._write(batch.rows[k], image, finish)
        return failed

    def _write(self, row: np.ndarray, image: Image, finish: Finish) -> None:
        if self._normal is None or row.dtype == np.float32:
            self._planes.write(row, image, finish.mirrored)
            if self._normal is not None:
                self._normal.in_place(row, finish)
            return
        exact = np.empty(row.shape, np.float32)
        self._planes.write(exact, image, finish.mirrored)
        self._normal.in_place(exact, finish)
        row[...] = exact

    def end(self, batch: Batch) -> torch.Tensor:
        """The data of a complete batch."""
        if self._device is None:
            return batch.data if batch.data.dtype is self._dtype else batch.data.to(self._dtype)
        data = batch.data.to(self._device, non_blocking=True)
        return (self._normal_there.of_batch(data, batch.finishes) if self._normal_there else data).to(self._dtype)
