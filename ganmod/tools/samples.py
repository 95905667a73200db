"""Images of a list become the payloads of records."""
from __future__ import annotations

import os
from typing import Any, NamedTuple, Union

import numpy as np

from .. import files, recordio
from ..base import FileFormatError, InputError
from ..recordio.pictures import implausible, what_is_missing
from .lists import Image, Skipped

__all__ = ["Packing", "Packer"]

_MOST_EFFORT = 9                                           # of compressing a PNG


class Packing(NamedTuple):
    """How images are packed: see ``python -m ganmod.tools.im2rec --help``."""

    resize: int = 0
    center_crop: bool = False
    quality: int = 95
    color: int = 1
    encoding: str = ".jpg"
    pass_through: bool = False
    pack_label: bool = False


class Packer:
    """Makes payloads of images; any number of threads may use it at once.

    Parameters
    ----------
    root : str
        The folder of the images.
    packing : Packing

    Raises
    ------
    MXNetError
        If OpenCV is not there.
    """

    def __init__(self, root: str, packing: Packing) -> None:
        self._cv2 = recordio.opencv("im2rec")
        self._root, self._packing = root, packing

    def __call__(self, image: Image) -> Union[bytes, Skipped]:
        """The payload of an image's record, or why there is none."""
        p = self._packing
        path = image.path if files.is_remote(image.path) else os.path.join(self._root, image.path)
        try:
            with files.reading(path) as stream:
                content = stream.read()
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            return Skipped(path, "missing" if missing else "unreadable", error.strerror or str(error))
        wrong = what_is_missing(content) or implausible(content)
        if wrong:
            return Skipped(path, "damaged", wrong)
        label = image.labels if p.pack_label and len(image.labels) > 1 else image.labels[0]
        header = recordio.IRHeader(0, label, image.id, 0)
        try:
            pixels = self._decoded(content)
            if p.pass_through:
                return recordio.pack(header, content)
            quality = min(p.quality, _MOST_EFFORT) if p.encoding == ".png" else p.quality
            return recordio.pack_img(header, self._changed(pixels), quality, p.encoding)
        except FileFormatError as error:
            return Skipped(path, "damaged", str(error))
        except InputError as error:
            return Skipped(path, "unpackable", str(error))

    def _decoded(self, content: bytes) -> Any:
        try:
            pixels = self._cv2.imdecode(np.frombuffer(content, np.uint8), self._packing.color)
        except self._cv2.error as error:
            raise FileFormatError(str(error).strip()) from None
        if pixels is None:
            raise FileFormatError("no image that OpenCV can decode")
        return pixels

    def _changed(self, pixels: Any) -> Any:
        """The middle of an image, and its size, as asked for."""
        height, width = pixels.shape[:2]
        if self._packing.center_crop and height != width:
            edge = min(height, width)
            top, left = (height - edge) // 2, (width - edge) // 2
            pixels, height, width = pixels[top:top + edge, left:left + edge], edge, edge
        edge = self._packing.resize
        if edge:
            size = (edge, height * edge // width) if height > width else (width * edge // height, edge)
            pixels = self._cv2.resize(pixels, size)
        return pixels
