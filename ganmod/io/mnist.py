"""``MNISTIter``: images and labels from IDX files."""
from __future__ import annotations

import gzip
import logging
import os
import struct
from typing import Any, Union

import numpy as np
import torch

from ..base import FileFormatError, InputError, require
from ..files import reading
from .from_files import FileIter, check_settings
from .rounds import Shuffler

__all__ = ["MNISTIter"]

Path = Union[str, "os.PathLike[str]"]

_UINT8 = 8                                                 # IDX's number for the type
_MOST_DEFLATED = 1032                                      # bytes that one byte of a .gz can stand for


class MNISTIter(FileIter):
    """Batches of images from IDX files, plain or compressed by gzip; a last batch that is not full is left out.

    Parameters
    ----------
    image, label : path
        The file of images, uint8 [N × height × width], and that of their labels, uint8 [N].
    batch_size : int
        Samples per batch.
    shuffle : bool
        Whether to draw an order, which then holds for all epochs.
    flat : bool
        Whether an image is a vector; else it is 1 × height × width.
    seed : int
        Determines the order, which is MXNet's for the same seed.
    silent : bool
        Whether not to log what was loaded.
    num_parts, part_index : int
        Into how many parts the images are cut, and which one this is, from 0.
    dtype : dtype
        Of the images, whose values are divided by 256; labels are float32.
    data_name, label_name : str
        Names of the inputs.
    prefetch_buffer, ctx, input_shape :
        Mean nothing here.

    Raises
    ------
    FileFormatError
        If a file is truncated or no IDX file of uint8.
    InputError
        If there is not one full batch.
    """

    def __init__(self, image: Path = "./train-images-idx3-ubyte", label: Path = "./train-labels-idx1-ubyte",
                 batch_size: int = 128, shuffle: bool = True, flat: bool = False, seed: int = 0, silent: bool = False,
                 num_parts: int = 1, part_index: int = 0, prefetch_buffer: int = 4, ctx: Any = None,
                 dtype: Any = None, data_name: str = "data", label_name: str = "softmax_label",
                 input_shape: Any = None) -> None:
        check_settings("MNISTIter", batch_size, num_parts, part_index)
        images, labels = read_idx_file(image, 3), read_idx_file(label, 1)
        if len(images) != len(labels):
            raise FileFormatError(f"{os.fspath(image)} has {len(images)} images, {os.fspath(label)} {len(labels)} "
                                  "labels; there must be as many")
        share = slice(part_index * len(images) // num_parts, (part_index + 1) * len(images) // num_parts)
        numbers = np.arange(len(images))[share]
        require(len(numbers) >= batch_size, f"MNISTIter: there are {len(numbers)} images, not one batch of "
                f"{batch_size}", InputError)
        self._order = numbers[Shuffler(seed).order(len(numbers))] if shuffle else numbers
        self._images, self._labels = torch.from_numpy(images), torch.from_numpy(labels)
        shape = (images.shape[1] * images.shape[2],) if flat else (1, *images.shape[1:])
        super().__init__(batch_size, shape, (), dtype, None, data_name, label_name)
        self._at = 0
        if not silent:
            logging.getLogger(__name__).info("MNISTIter: %d images of shape %s, shuffle=%s", len(numbers), shape,
                                             bool(shuffle))

    def reset(self) -> None:
        """Begin anew, in the same order."""
        super().reset()
        self._at = 0

    def load(self) -> Any:
        """The next batch."""
        if self._at + self.batch_size > len(self._order):
            return None
        index = self._order[self._at:self._at + self.batch_size]
        self._at += self.batch_size
        chosen = torch.from_numpy(index)
        data = (self._images[chosen].to(torch.float32) / 256).reshape(self.provide_data[0].shape)
        return data.to(self._dtype), self._labels[chosen].to(torch.float32), 0, index


def read_idx_file(path: Path, axes: int) -> np.ndarray:
    """The array of an IDX file of uint8 with so many axes.

    Raises
    ------
    FileFormatError
        If it is truncated, damaged, or another file.
    """
    name = os.fspath(path)
    with reading(path) as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        size = raw.seek(0, os.SEEK_END) * (_MOST_DEFLATED if packed else 1)
        raw.seek(0)
        stream = gzip.GzipFile(fileobj=raw) if packed else raw
        try:
            header = stream.read(4 + 4 * axes)
            if len(header) < 4 + 4 * axes or header[:4] != bytes((0, 0, _UINT8, axes)):
                raise FileFormatError(f"{name}: at byte 0: expected the header of an IDX file of uint8 with {axes} "
                                      f"axes, got {header[:4].hex()!r}")
            shape = struct.unpack(f">{axes}I", header[4:])
            count = int(np.prod(shape, dtype=object))
            left = size - len(header)
            content = stream.read(count) if count <= left else b""
        except (EOFError, OSError, gzip.zlib.error) as error:  # type: ignore[attr-defined]
            raise FileFormatError(f"{name}: damaged gzip file: {error}") from error
    if len(content) < count:
        raise FileFormatError(f"{name}: at byte {len(header)}: the file is truncated: an array of shape {shape} takes "
                              f"{count} bytes, and {'at most ' * packed}{len(content) or max(left, 0)} are left")
    return np.frombuffer(content, np.uint8).reshape(shape).copy()
