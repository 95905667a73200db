"""``mx.image.detection``: images whose labels say where objects are."""
from __future__ import annotations

import logging
from typing import Any, Callable, Iterator, Optional, Sequence

import numpy as np

from ..base import FileFormatError, InputError, ShapeError, require
from ..io import DataDesc
from ..ndarray import NDArray
from ..recordio import opencv
from .boxes import (
    Boxes,
    CreateDetAugmenter,
    CreateMultiRandCropAugmenter,
    DetAugmenter,
    DetBorrowAug,
    DetHorizontalFlipAug,
    DetRandomCropAug,
    DetRandomPadAug,
    DetRandomSelectAug,
    Labelled,
)
from .creating import MEAN, STD
from .iterator import ImageIter
from .reading import Path, values_of

__all__ = ["CreateDetAugmenter", "CreateMultiRandCropAugmenter", "DetAugmenter", "DetBorrowAug", "DetHorizontalFlipAug",
           "DetRandomCropAug", "DetRandomPadAug", "DetRandomSelectAug", "ImageDetIter"]

_LEAST_NUMBERS = 7                                         # of a label: a header of two and one object
_LEAST_WIDTH = 5                                           # of an object


class ImageDetIter(ImageIter):
    """Batches of images and of the objects in them.

    In a file, a label is ``[A, B, …, class, left, top, right, bottom, …, class, …]``: A numbers of header, the first
    two of which are A and B, then B numbers, 5 or more, for each object, places being between 0 and 1. In a batch,
    labels are (batch_size, most objects of an image, B), filled up with -1.

    Parameters
    ----------
    batch_size : int
        Images per batch.
    data_shape : (3, height, width)
        Of one image after the augmenters.
    path_imgrec, path_imglist, path_root, path_imgidx, shuffle, part_index, num_parts, imglist, data_name, label_name,
    last_batch_handle
        As of :class:`ImageIter`.
    aug_list : list of DetAugmenter, optional
        What becomes of an image and its label; :func:`CreateDetAugmenter`'s by default.
    **kwargs
        For :func:`CreateDetAugmenter`.

    Raises
    ------
    FileFormatError
        If a label is none, or images have objects of different widths.
    """

    def __init__(self, batch_size: int, data_shape: Sequence[int], path_imgrec: Optional[Path] = None,
                 path_imglist: Optional[Path] = None, path_root: Optional[Path] = None,
                 path_imgidx: Optional[Path] = None, shuffle: bool = False, part_index: int = 0, num_parts: int = 1,
                 aug_list: Optional[Sequence[Callable[..., Any]]] = None,
                 imglist: Optional[Sequence[Sequence[Any]]] = None, data_name: str = "data", label_name: str = "label",
                 last_batch_handle: str = "pad", **kwargs: Any) -> None:
        super().__init__(batch_size, data_shape, path_imgrec=path_imgrec, path_imglist=path_imglist,
                         path_root=path_root, path_imgidx=path_imgidx, shuffle=shuffle, part_index=part_index,
                         num_parts=num_parts, aug_list=[], imglist=imglist, data_name=data_name, label_name=label_name,
                         last_batch_handle=last_batch_handle)
        self._settings = kwargs if aug_list is None else None
        self.auglist = CreateDetAugmenter(self.data_shape, **kwargs) if aug_list is None else aug_list
        self.label_shape = self._estimate_label_shape()
        self._describe_label()

    def _describe_label(self) -> None:
        self.provide_label = [DataDesc(self.provide_label[0][0], (self.batch_size, *self.label_shape))]

    def _estimate_label_shape(self) -> tuple[int, int]:
        """The most objects of an image, and the width of an object; it takes a look at every label."""
        self.reset()
        most, width = 0, 0
        try:
            while True:
                found = self._parse_label(self.next_sample()[0])
                require(width in (0, found.shape[1]), f"{self._where()}: an object has {found.shape[1]} numbers, those "
                        f"before have {width}", FileFormatError)
                most, width = max(most, found.shape[0]), found.shape[1]
        except StopIteration:
            require(width, f"{type(self).__name__}: there is no image", InputError)
        self.reset()
        return most, width

    def _parse_label(self, label: Any) -> Boxes:
        """The objects of a label as it stands in a file, those without extent left out."""
        raw = np.ravel(values_of(label)).astype(np.float32)
        where = f"{type(self).__name__}: {self._where()}: a label"
        require(raw.size >= _LEAST_NUMBERS, f"{where} has a header of two numbers or more, and objects of five or "
                f"more, got {raw.size} numbers", FileFormatError)
        require(np.isfinite(raw[:2]).all() and raw[0] >= 0 and raw[1] >= _LEAST_WIDTH, f"{where} begins with the "
                f"lengths of its header and of an object, which is 5 or more, got {raw[0]:g} and {raw[1]:g}",
                FileFormatError)
        header, width = int(raw[0]), int(raw[1])
        require(raw.size >= header and (raw.size - header) % width == 0, f"{where} of {raw.size} numbers is no header "
                f"of {header} and objects of {width}", FileFormatError)
        found = raw[header:].reshape(-1, width)
        found = found[(found[:, 3] > found[:, 1]) & (found[:, 4] > found[:, 2])]
        require(len(found), f"{where} has no object that is wider and higher than 0", FileFormatError)
        return found

    def _check_valid_label(self, label: Boxes) -> None:
        """Raise a RuntimeError unless a label has an object."""
        require(label.ndim == 2 and label.shape[1] >= _LEAST_WIDTH, "a label is (objects, 5 or more), got "
                f"{label.shape}", ShapeError)
        require(((label[:, 0] >= 0) & (label[:, 3] > label[:, 1])).any(), "the label has no object", FileFormatError)

    # --- one batch -------------------------------------------------------------------------------------------------

    def _labelled(self, raw: Any, content: bytes, check: bool = True) -> Optional[Labelled]:
        """An image and its label after the augmenters; None where it is left out."""
        image = self.imdecode(content)
        try:
            self.check_valid_image([image])
            data, found = self.augmentation_transform(image, self._parse_label(raw))
            found = np.asarray(found)
            if check:
                self._check_valid_label(found)
        except RuntimeError as error:
            logging.warning("%s leaves out %s: %s", type(self).__name__, self._where(), error)
            return None
        return data, found

    def _put(self, batch_data: NDArray, batch_label: NDArray, place: int) -> bool:
        labelled = self._labelled(*self.next_sample())
        if labelled is None:
            return False
        data, found = labelled
        self._write(batch_data, place, self.postprocess_data(data))
        wanted = batch_label.as_torch()[place]
        require(len(found) <= wanted.shape[0] and found.shape[1] == wanted.shape[1], f"{type(self).__name__}: "
                f"{self._where()}: a label {found.shape}, expected label_shape {tuple(wanted.shape)} or fewer objects; "
                "reshape() makes room for more", ShapeError)
        filled = np.full(tuple(wanted.shape), -1, np.float32)
        filled[:len(found)] = found
        batch_label[place] = filled
        return True

    def augmentation_transform(self, data: NDArray, label: Boxes) -> Labelled:  # type: ignore[override]
        """The image and its label after all augmenters."""
        for augmenter in self.auglist:
            data, label = augmenter(data, label)
        return data, label

    # --- other shapes ----------------------------------------------------------------------------------------------

    def reshape(self, data_shape: Optional[Sequence[int]] = None, label_shape: Optional[Sequence[int]] = None) -> None:
        """Give batches another shape from the next one on.

        Parameters
        ----------
        data_shape : (3, height, width), optional
            Augmenters that were made by :func:`CreateDetAugmenter` are made anew for it.
        label_shape : (objects, width), optional
            Room for more objects.

        Raises
        ------
        ShapeError
            If the shapes are none, or there would be room for fewer objects.
        """
        if data_shape is not None:
            self.check_data_shape(data_shape)
        if label_shape is not None:
            self.check_label_shape(label_shape)
            self.label_shape = (label_shape[0], label_shape[1])
            self._describe_label()
        if data_shape is not None:
            self.data_shape = tuple(data_shape)
            self.provide_data = [DataDesc(self.provide_data[0][0], (self.batch_size, *self.data_shape))]
            if self._settings is not None:
                self.auglist = CreateDetAugmenter(self.data_shape, **self._settings)
        self._forget()                                     # what is kept for the next epoch has the old shape

    def check_label_shape(self, label_shape: Sequence[int]) -> None:
        """Raise a ``ShapeError``, which is a ValueError, unless labels can be given a shape (objects, width)."""
        require(isinstance(label_shape, (tuple, list)) and len(label_shape) == 2, f"label_shape must be (objects, "
                f"width), got {label_shape!r}", ShapeError)
        require(label_shape[0] >= self.label_shape[0], f"label_shape {tuple(label_shape)} has no room for the "
                f"{self.label_shape[0]} objects of an image", ShapeError)
        require(label_shape[1] == self.label_shape[1], f"label_shape {tuple(label_shape)}: an object has "
                f"{self.label_shape[1]} numbers", ShapeError)

    def sync_label_shape(self, it: "ImageDetIter", verbose: bool = False) -> "ImageDetIter":
        """Give two iterators, for training and validation, the same label shape: that with room for both.

        Parameters
        ----------
        it : ImageDetIter
        verbose : bool
            Whether to log what changes.

        Returns
        -------
        ImageDetIter
            `it`.

        Raises
        ------
        InputError
            If `it` is something else.
        ShapeError
            If their objects have different widths.
        """
        require(isinstance(it, ImageDetIter), f"sync_label_shape() takes an ImageDetIter, got {type(it).__name__}",
                InputError)
        require(self.label_shape[1] == it.label_shape[1], "sync_label_shape(): objects of "
                f"{self.label_shape[1]} and of {it.label_shape[1]} numbers", ShapeError)
        common = (max(self.label_shape[0], it.label_shape[0]), self.label_shape[1])
        for iterator in (self, it):
            if iterator.label_shape != common:
                if verbose:
                    logging.info("Resized label_shape from %s to %s.", iterator.label_shape, common)
                iterator.reshape(None, common)
        return it

    # --- looking at it -----------------------------------------------------------------------------------------------

    def draw_next(self, color: Optional[Sequence[float]] = None, thickness: int = 2, mean: Any = None, std: Any = None,
                  clip: bool = True, waitKey: Optional[int] = None, window_name: str = "draw_next",
                  id2labels: Optional[dict[Any, str]] = None) -> Iterator[np.ndarray[Any, Any]]:
        """The images of an epoch with frames around their objects, one after the other.

        Parameters
        ----------
        color : (red, green, blue), optional
            Of the frames, 0 to 255; random by default.
        thickness : int
            Of the frames, in pixels.
        mean, std : array, True or None
            What the augmenters normalised by; True is what is usual for ImageNet.
        clip : bool
            Whether to cut colours off at 0 and 255.
        waitKey : int, optional
            Show each image for so many milliseconds, or at 0 until a key is pressed.
        window_name : str
            Of the window it is shown in.
        id2labels : dict, optional
            The name of each class, to be written beside its objects.

        Yields
        ------
        numpy.ndarray
            Height × width × 3, uint8, blue first, as OpenCV shows it.
        """
        cv2 = opencv("draw_next()")
        mean, std = (np.array(usual) if given is True else given for given, usual in ((mean, MEAN), (std, STD)))
        for name, value in (("mean", mean), ("std", std)):
            require(value is None or isinstance(value, np.ndarray), f"draw_next(): {name} must be None, True or a "
                    f"numpy array, got {value!r:.80}", InputError)
        while True:
            try:
                labelled = self._labelled(*self.next_sample(), check=False)
            except StopIteration:
                return
            if labelled is None:
                continue
            image = _shown(labelled[0], mean, std, clip)
            _frame(cv2, image, labelled[1], color, thickness, id2labels or {})
            if waitKey is not None:
                cv2.imshow(window_name, image)
                cv2.waitKey(waitKey)
            yield image


def _shown(data: NDArray, mean: Any, std: Any, clip: bool) -> np.ndarray[Any, Any]:
    """An image as OpenCV shows it, what normalised it undone."""
    image = data.asnumpy().astype(np.float32)
    image = image * (1 if std is None else std) + (0 if mean is None else mean)
    if clip:
        image = image.clip(0, 255)
    return np.ascontiguousarray(image[:, :, ::-1].astype(np.uint8))


def _frame(cv2: Any, image: np.ndarray[Any, Any], label: Boxes, color: Optional[Sequence[float]], thickness: int,
           names: dict[Any, str]) -> None:
    height, width = image.shape[:2]
    for row in label:
        if row[0] < 0 or not np.isfinite(row[:5]).all():
            continue
        left, top, right, bottom = (int(part) for part in row[1:5] * (width, height, width, height))
        drawn = (np.random.rand(3) * 255).tolist() if color is None else list(color)[::-1]
        cv2.rectangle(image, (left, top), (right, bottom), drawn, thickness)
        name = names.get(int(row[0]))
        if name is not None:
            cv2.putText(image, name, (left + 5, top + 19), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 2)
