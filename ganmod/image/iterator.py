"""``ImageIter``: batches of images from a file of records or from files, in steps that a program can replace."""
from __future__ import annotations

import logging
import numbers
import os
import random
from typing import Any, Callable, Optional, Sequence, Union

import numpy as np
import torch

from .. import ndarray as nd
from .. import recordio
from ..base import AttributeValueError, FileFormatError, InputError, ShapeError, require
from ..files import reading, reading_text
from ..io import DataBatch, DataDesc, DataIter
from ..ndarray import NDArray
from .creating import CreateAugmenter
from .reading import Path, imdecode, values_of

__all__ = ["ImageIter"]

Label = Union[float, NDArray, np.ndarray[Any, Any]]

_LABEL_DTYPES = ("float32", "float64", "int32", "int64")
_LAST_BATCH = ("pad", "discard", "roll_over")


class ImageIter(DataIter):
    """Batches of images and their labels; a subclass may replace any step on the way from a sample to a batch.

    These are :meth:`next_sample`, :meth:`imdecode`, :meth:`check_valid_image`, :meth:`augmentation_transform` and
    :meth:`postprocess_data`.

    Parameters
    ----------
    batch_size : int
        Images per batch.
    data_shape : (3, height, width)
        Of one image after the augmenters.
    label_width : int
        How many numbers a label has.
    path_imgrec : path, optional
        A file of records; one of `path_imgrec`, `path_imglist` and `imglist` is needed.
    path_imglist : path, optional
        A ``.lst`` file: lines ``id<tab>label<tab>…<tab>path``. Beside a file of records with an index, its labels
        replace those of the records, by id.
    path_root : path, optional
        The folder that the paths of a list begin in.
    path_imgidx : path, optional
        The index of `path_imgrec`, which shuffling and parts need.
    shuffle : bool
        Whether each epoch has another order, drawn from Python's :mod:`random`.
    part_index, num_parts : int
        Which of how many equal parts to read, 0 to num_parts - 1; what is left of an uneven division belongs to none.
    aug_list : list of Augmenter, optional
        What becomes of an image; :func:`CreateAugmenter`'s by default.
    imglist : list, optional
        In place of a file: ``[label, path]``, a label being a number or several.
    data_name, label_name : str
    dtype : str
        Of the labels of a list, as :meth:`next_sample` gives them; batches are float32.
    last_batch_handle : {'pad', 'discard', 'roll_over'}
        What becomes of images that do not fill a batch: filled up from the beginning (``pad`` of the batch says by how
        many), left out, or kept for the beginning of the next epoch.
    **kwargs
        For :func:`CreateAugmenter`.

    Raises
    ------
    InputError
        If there is nothing to read.
    AttributeValueError
        For a setting that is none.
    ShapeError
        If `data_shape` is not that of an image.
    FileFormatError
        If a line of the list is none; while iterating, if an image is damaged.
    """

    def __init__(self, batch_size: int, data_shape: Sequence[int], label_width: int = 1,
                 path_imgrec: Optional[Path] = None, path_imglist: Optional[Path] = None,
                 path_root: Optional[Path] = None, path_imgidx: Optional[Path] = None, shuffle: bool = False,
                 part_index: int = 0, num_parts: int = 1, aug_list: Optional[Sequence[Callable[..., Any]]] = None,
                 imglist: Optional[Sequence[Sequence[Any]]] = None, data_name: str = "data",
                 label_name: str = "softmax_label", dtype: Any = "float32", last_batch_handle: str = "pad",
                 **kwargs: Any) -> None:
        super().__init__(batch_size)
        name = type(self).__name__
        require(path_imgrec or path_imglist or imglist is not None,
                f"{name} needs path_imgrec, path_imglist or imglist, and was given none of them", InputError)
        require(isinstance(batch_size, (int, np.integer)) and batch_size > 0, f"{name}: batch_size must be a positive "
                f"int, got {batch_size!r}", AttributeValueError)
        require(last_batch_handle in _LAST_BATCH, f"{name}: last_batch_handle must be one of {', '.join(_LAST_BATCH)}, "
                f"got {last_batch_handle!r}", AttributeValueError)
        self.check_data_shape(data_shape)
        self.data_shape, self.label_width = tuple(data_shape), label_width
        self.provide_data = [DataDesc(data_name, (batch_size, *self.data_shape))]
        self.provide_label = [DataDesc(label_name, (batch_size, label_width) if label_width > 1 else (batch_size,))]
        self.path_root, self.shuffle, self.last_batch_handle = path_root, shuffle, last_batch_handle
        self.imgrec, self.imgidx = _records(path_imgrec, path_imgidx)
        self.imglist = _labels(path_imglist, imglist, _label_dtype(dtype, name), self.imgrec is None)
        self.seq = self._sequence(part_index, num_parts)
        self.num_image = None if self.seq is None else len(self.seq)
        self.auglist: Sequence[Any] = CreateAugmenter(self.data_shape, **kwargs) if aug_list is None else aug_list
        self.cur, self._allow_read = 0, True
        self._forget()
        self.reset()

    def _sequence(self, part_index: int, num_parts: int) -> Optional[list[Any]]:
        """The keys of the samples of this part, in order; None where a file of records has no index."""
        name = type(self).__name__
        require(num_parts >= 1 and 0 <= part_index < num_parts, f"{name}: part_index must be 0 to num_parts - 1, got "
                f"{part_index!r} of {num_parts!r}", AttributeValueError)
        if self.imgrec is not None and self.imgidx is None:
            require(not self.shuffle and num_parts == 1, f"{name}: to shuffle a file of records, or to read a part of "
                    "it, takes its index: give path_imgidx", AttributeValueError)
            return None
        keys = list(self.imgidx if self.imgidx is not None else self.imglist or ())
        length = len(keys) // num_parts
        return keys[part_index * length:(part_index + 1) * length] if num_parts > 1 else keys

    # --- moving ----------------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Begin the next epoch, in another order if shuffling; images left over for it are kept."""
        if self.seq is not None and self.shuffle:
            random.shuffle(self.seq)
        self._rewind()
        self._allow_read = True

    def hard_reset(self) -> None:
        """Begin an epoch, leaving behind what the last one left over."""
        self._forget()
        ImageIter.reset(self)

    def _rewind(self) -> None:
        self.cur = 0
        if self.seq is None:
            self.imgrec.reset()  # type: ignore[union-attr]

    def _forget(self) -> None:
        self._cache_data: Optional[NDArray] = None         # what an epoch left over (roll_over)
        self._cache_label: Optional[NDArray] = None
        self._cache_idx: Optional[int] = None

    def next_sample(self) -> tuple[Label, bytes]:
        """The label and the file of the next image.

        Raises
        ------
        StopIteration
            At the end; another call begins anew, unless the last batch is discarded.
        """
        if not self._allow_read:
            raise StopIteration
        if self.seq is None:
            content = self.imgrec.read()  # type: ignore[union-attr]
            if content is None:
                self._end()
            self.cur += 1
            header, image = recordio.unpack(content)  # type: ignore[arg-type]
            return header.label, image
        if self.cur >= len(self.seq):
            self._end()
        key = self.seq[self.cur]
        self.cur += 1
        return self._sample(key)

    def _end(self) -> None:
        if self.last_batch_handle != "discard":
            self._rewind()
        raise StopIteration

    def _sample(self, key: Any) -> tuple[Label, bytes]:
        label, name = self.imglist.get(key, (None, None)) if self.imglist is not None else (None, None)
        if self.imgrec is None:
            return label, self.read_image(name)  # type: ignore[return-value, arg-type]
        header, image = recordio.unpack(self.imgrec.read_idx(key))  # type: ignore[attr-defined]
        if self.imglist is None:
            return header.label, image
        require(label is not None, f"{self.imgrec.uri}: the list has no label for the record {key}",
                recordio.RecordKeyError)
        return label, image  # type: ignore[return-value]

    # --- one batch -------------------------------------------------------------------------------------------------

    def next(self) -> DataBatch:
        """The next batch.

        Raises
        ------
        StopIteration
            At the end.
        """
        if self._cache_data is None:
            data, label = (nd.zeros(desc.shape) for desc in (self.provide_data[0], self.provide_label[0]))
            filled = self._batchify(data, label)
        else:
            data, label, filled = self._cache_data, self._cache_label, self._cache_idx  # type: ignore[assignment]
        pad = self.batch_size - filled
        if pad and self.last_batch_handle == "discard":
            raise StopIteration
        if pad and self.last_batch_handle == "roll_over" and self._cache_data is None:
            self._cache_data, self._cache_label, self._cache_idx = data, label, filled
            raise StopIteration
        if pad:
            self._fill(data, label, filled)
            self._forget()
            self._allow_read = self.last_batch_handle != "pad"
        return DataBatch([data], [label], pad=pad)

    def _fill(self, data: NDArray, label: NDArray, filled: int) -> None:
        """Fill a batch up from the beginning, again and again where there are few images."""
        while filled < self.batch_size:
            try:
                filled = self._batchify(data, label, filled)
            except StopIteration:                          # of a subclass that does not begin anew
                return

    def _batchify(self, batch_data: NDArray, batch_label: NDArray, start: int = 0) -> int:
        """Put samples into a batch from place `start` on; how many it then has."""
        filled = start
        try:
            while filled < self.batch_size:
                if self._put(batch_data, batch_label, filled):
                    filled += 1
        except StopIteration:
            if filled == start:
                raise
        return filled

    def _put(self, batch_data: NDArray, batch_label: NDArray, place: int) -> bool:
        """Put the next sample into a batch; False where it was no valid image."""
        label, content = self.next_sample()
        image = self.imdecode(content)
        try:
            self.check_valid_image(image)
        except RuntimeError as error:
            logging.warning("%s leaves out %s: %s", type(self).__name__, self._where(), error)
            return False
        self._write(batch_data, place, self.postprocess_data(self.augmentation_transform(image)))
        numbers_ = np.ravel(values_of(label)).astype(np.float32)
        wanted = batch_label.as_torch()[place]
        require(numbers_.size in (1, wanted.numel()), f"{type(self).__name__}: {self._where()}: a label of "
                f"{numbers_.size} numbers, expected label_width={self.label_width}", ShapeError)
        wanted.copy_(torch.from_numpy(numbers_).reshape(wanted.shape if numbers_.size == wanted.numel() else 1))
        return True

    def _write(self, batch_data: NDArray, place: int, image: Any) -> None:
        wanted = batch_data.as_torch()[place]
        require(isinstance(image, (NDArray, np.ndarray)), f"{type(self).__name__}: postprocess_data() must give an "
                f"NDArray, got {type(image).__name__}", InputError)
        found = image.as_torch() if isinstance(image, NDArray) else torch.from_numpy(np.ascontiguousarray(image))
        require(found.shape == wanted.shape, f"{type(self).__name__}: {self._where()}: the augmenters make an image "
                f"{tuple(found.shape)}, expected data_shape {tuple(wanted.shape)}", ShapeError)
        wanted.copy_(found.detach())

    def _where(self) -> str:
        """The sample that was read last, for messages."""
        if self.cur < 1:
            return "a sample"
        if self.seq is None:
            return f"{self.imgrec.uri}, record {self.cur - 1}"  # type: ignore[union-attr]
        key = self.seq[min(self.cur, len(self.seq)) - 1]
        if self.imgrec is None:
            return os.path.join(self.path_root or "", self.imglist[key][1])  # type: ignore[index]
        return f"{self.imgrec.uri}, record {key}"

    # --- the steps -------------------------------------------------------------------------------------------------

    def check_data_shape(self, data_shape: Sequence[int]) -> None:
        """Raise a ``ShapeError``, which is a ValueError, unless a shape is (3, height, width)."""
        require(len(data_shape) == 3, f"{type(self).__name__}: data_shape must be (3, height, width), got "
                f"{data_shape!r}", ShapeError)
        require(data_shape[0] == 3, f"{type(self).__name__}: images have 3 channels, got data_shape {data_shape!r}",
                ShapeError)

    def check_valid_image(self, data: Any) -> None:
        """Raise a RuntimeError if an image is to be left out: here, if it has no axes.

        Parameters
        ----------
        data : NDArray, or list of NDArray
        """
        require(len(data[0].shape), f"{type(self).__name__}: an image has axes, got {data!r:.80}", ShapeError)

    def imdecode(self, s: bytes) -> NDArray:
        """The image in a file's content.

        Raises
        ------
        FileFormatError
            If it is damaged; the error names the file.
        """
        try:
            return imdecode(s)
        except FileFormatError as error:
            raise FileFormatError(f"{type(self).__name__}: {self._where()}: {error}") from None

    def read_image(self, fname: str) -> bytes:
        """The content of a file under `path_root`."""
        with reading(os.path.join(self.path_root or "", fname)) as stream:
            return stream.read()

    def augmentation_transform(self, data: NDArray) -> NDArray:
        """The image after all augmenters: height × width × channels."""
        for augmenter in self.auglist:
            data = augmenter(data)
        return data

    def postprocess_data(self, datum: NDArray) -> NDArray:
        """The image as it stands in a batch: channels × height × width."""
        return nd.transpose(datum, axes=(2, 0, 1))


# --- what there is to read -------------------------------------------------------------------------------------------

def _records(path: Optional[Path], index: Optional[Path]) -> tuple[Optional[recordio.MXRecordIO], Optional[list[Any]]]:
    """A file of records, and the keys of its index."""
    if not path:
        return None, None
    if not index:
        return recordio.MXRecordIO(path, "r"), None
    records = recordio.MXIndexedRecordIO(index, path, "r")
    return records, list(records.keys)


def _label_dtype(dtype: Any, name: str) -> Any:
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found is None or found.name not in _LABEL_DTYPES:
        raise AttributeValueError(f"{name}: dtype of labels must be one of {', '.join(_LABEL_DTYPES)}, got {dtype!r}")
    return found


def _labels(path: Optional[Path], given: Optional[Sequence[Sequence[Any]]], dtype: Any, needed: bool) \
        -> Optional[dict[Any, tuple[NDArray, str]]]:
    """Labels and file names by key, of a file or of a list; None where there is neither."""
    if path:
        return _labels_of_file(path, dtype)
    if given is None or not needed:
        return None
    found = {}
    for number, entry in enumerate(given, 1):
        try:
            *label, name = entry
            several: Any = label[0] if len(label) == 1 and not isinstance(label[0], numbers.Number) else label
            values = np.array(values_of(several), dtype)
            require(values.size, "there is no label", ValueError)
        except (TypeError, ValueError) as error:
            raise InputError(f"imglist: entry {number} must be [label, path], a label being a number or several, got "
                             f"{entry!r:.80} ({error})") from None
        found[str(number)] = (NDArray(torch.from_numpy(values)), os.fspath(name))
    return found


def _labels_of_file(path: Path, dtype: Any) -> dict[Any, tuple[NDArray, str]]:
    number = float if dtype.kind == "f" else int
    found = {}
    with reading_text(path, errors="surrogateescape") as stream:
        for row, line in enumerate(stream, 1):
            if not line.strip():
                continue
            cells = line.strip().split("\t")
            try:
                require(len(cells) > 2, f"{len(cells)} cells", ValueError)
                values = np.array([number(cell) for cell in cells[1:-1]], dtype)
                found[int(cells[0])] = (NDArray(torch.from_numpy(values)), cells[-1])
            except (ValueError, OverflowError) as error:
                raise FileFormatError(f"{os.fspath(path)}: line {row}: expected an id, one or more labels of {dtype} "
                                      f"and a path, separated by tabs: {error}") from None
    return found
