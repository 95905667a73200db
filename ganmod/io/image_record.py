"""``ImageRecordIter``: batches of images from a file of records, decoded by threads ahead of the program."""
from __future__ import annotations

import collections
import logging
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal, Optional, Sequence, Union

import numpy as np
import torch

from .. import recordio
from ..base import FileFormatError, InputError, MXNetError, require
from .from_files import FileIter, check_settings, shape_of
from .rounds import Rounds, Shuffler

__all__ = ["ImageRecordIter", "ImageRecordUInt8Iter"]

Path = Union[str, "os.PathLike[str]"]
Loaded = Optional[tuple[torch.Tensor, torch.Tensor, int, np.ndarray]]

_SHUFFLE_SEED = 111                                        # MXNet adds it to `seed`
_AUGMENT_SEED = 787                                        # apart from the numbers that shuffle


class ImageRecordIter(FileIter):
    """Batches of images from a file of records, as ``im2rec`` makes them.

    An image is decoded, resized so that its shorter edge is `resize`, enlarged if it is smaller than `data_shape`,
    cropped in the middle or at random, mirrored, and normalised: ``(value - mean) * scale / std``.

    Parameters
    ----------
    path_imgrec : path
        The file of records.
    data_shape : tuple of int
        ``(3, height, width)``, red first, or ``(1, height, width)``.
    batch_size : int
        Images per batch.
    path_imgidx : path, optional
        Its index; the file then need not be searched for its records.
    path_imglist : path, optional
        A ``.lst`` file whose labels replace those of the records, by id.
    label_width : int
        How many numbers a label has.
    mean_r, mean_g, mean_b : float
        To be subtracted, 0 to 255; of a single channel `mean_r`.
    std_r, std_g, std_b : float
        To divide by.
    scale : float
        To multiply by.
    resize : int
        The shorter edge in pixels; -1 leaves images as they are.
    rand_crop, rand_mirror, mirror : bool
        Whether to crop at random; to mirror half of the images, or all.
    inter_method : int
        OpenCV's number of the interpolation: 0 nearest, 1 linear, 2 cubic, 3 area, 4 Lanczos.
    shuffle : bool
        Whether to draw a new order for every pass; it is MXNet's for the same seed, for files below its chunk size.
    seed, seed_aug : int
        Determine the orders, and crops and mirroring (by default also `seed`).
    round_batch : bool
        Whether a last batch is filled up from the next pass, whose epoch then leaves these images out.
    num_parts, part_index : int
        Into how many parts the file is cut, and which one this is, from 0.
    preprocess_threads, prefetch_buffer : int
        Threads that decode, and batches to be prepared ahead.
    dtype : {'float32', 'uint8', ...}
        uint8 is not normalised.
    on_error : {'skip', 'raise'}
        A damaged record is left out, with one logged warning that names file and offset, or raises.
    data_name, label_name : str
        Names of the inputs.
    verbose, ctx :
        Mean nothing here.

    Raises
    ------
    FileFormatError
        If no record can be read, a label has another width, or for any damage with ``on_error='raise'``.
    """

    _closed = True                                         # until there is something to close

    def __init__(self, path_imgrec: Path, data_shape: Sequence[int], batch_size: int,
                 path_imgidx: Optional[Path] = None, path_imglist: Optional[Path] = None, label_width: int = 1,
                 mean_r: float = 0, mean_g: float = 0, mean_b: float = 0, std_r: float = 1, std_g: float = 1,
                 std_b: float = 1, scale: float = 1, resize: int = -1, rand_crop: bool = False,
                 rand_mirror: bool = False, mirror: bool = False, inter_method: int = 1, shuffle: bool = False,
                 seed: int = 0, seed_aug: Optional[int] = None, round_batch: bool = True, num_parts: int = 1,
                 part_index: int = 0, preprocess_threads: int = 4, prefetch_buffer: int = 4, dtype: Any = None,
                 on_error: Literal["skip", "raise"] = "skip", data_name: str = "data",
                 label_name: str = "softmax_label", verbose: bool = True, ctx: Any = None) -> None:
        call = type(self).__name__
        check_settings(call, batch_size, num_parts, part_index)
        shape = shape_of(call, "data_shape", data_shape)
        require(len(shape) == 3 and shape[0] in (1, 3), f"{call}: data_shape must be (3, height, width) or "
                f"(1, height, width), got {shape}", InputError)
        for name, value in (("label_width", label_width), ("preprocess_threads", preprocess_threads),
                            ("prefetch_buffer", prefetch_buffer)):
            require(isinstance(value, int) and value > 0, f"{call}: {name} must be a positive int, got {value!r}",
                    InputError)
        require(on_error in ("skip", "raise"), f"{call}: on_error must be 'skip' or 'raise', got {on_error!r}",
                InputError)
        super().__init__(batch_size, shape, () if label_width == 1 else (label_width,), dtype, None, data_name,
                         label_name)
        self._normal = _normalisation(call, shape[0], (mean_r, mean_g, mean_b), (std_r, std_g, std_b), scale,
                                      self._dtype)
        self._decode = _Decoder(call, shape, resize, inter_method)
        self._rand_crop, self._rand_mirror, self._mirror = bool(rand_crop), bool(rand_mirror), bool(mirror)
        self._label_width, self._on_error, self._ahead = label_width, on_error, prefetch_buffer
        self._listed = None if not path_imglist else _labels_of_list(path_imglist, label_width)
        self._bad: set[int] = set()
        self._file = recordio.RecordFile(path_imgrec)
        try:
            self._offsets = self._find_records(path_imgidx, num_parts, part_index)
        except BaseException:
            self._file.close()
            raise
        shuffler = Shuffler(seed + _SHUFFLE_SEED) if shuffle else None
        count = len(self._offsets)
        self._rounds = Rounds(lambda: shuffler.order(count) if shuffler else np.arange(count), batch_size,
                              bool(round_batch))
        self._seed_aug, self._epoch = seed if seed_aug is None else seed_aug, 0
        self._workers = ThreadPoolExecutor(preprocess_threads, thread_name_prefix="decode")
        self._producer = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._closed = False
        self._begin()

    # --- records ---------------------------------------------------------------------------------------------------

    def _find_records(self, index: Optional[Path], num_parts: int, part_index: int) -> np.ndarray:
        """Where the records of this part begin."""
        share = -(-self._file.size // num_parts)
        share += -share % 4
        begin, end = share * part_index, min(share * (part_index + 1), self._file.size)
        if index:
            with recordio.MXIndexedRecordIO(index, self._file.name, "r", key_type=str) as indexed:
                offsets = sorted(indexed.idx[key] for key in indexed.idx if begin <= indexed.idx[key] < end)
        else:
            offsets = []
            for offset, wrong in self._file.scan(self._file.next_record(begin) if begin else 0, end):
                if wrong:
                    self._damaged(FileFormatError(wrong))
                else:
                    offsets.append(offset)
        if not offsets:
            raise FileFormatError(f"{self._file.name}: there are no records in part {part_index} of {num_parts}")
        return np.array(offsets, np.int64)

    def _damaged(self, error: Exception) -> None:
        """Raise, or warn that a record is left out."""
        if self._on_error == "raise":
            raise error
        logging.getLogger(__name__).warning("%s; the record is left out", error)

    # --- epochs ----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._random = np.random.default_rng([_AUGMENT_SEED, self._seed_aug % 2**32, self._epoch])
        self._ended = False
        self._coming: collections.deque[Future[Loaded]] = collections.deque(
            self._producer.submit(self._prepare) for _ in range(self._ahead))

    def reset(self) -> None:
        """Begin the next epoch; in the middle of one, with a whole pass over the file."""
        require(not self._closed, f"{type(self).__name__}: the iterator is closed", MXNetError)
        super().reset()
        for future in self._coming:
            if not future.cancel():
                future.exception()                         # waits; an error belongs to the epoch that is given up
        self._epoch += 1
        (self._rounds.reset if self._ended else self._rounds.restart)()
        self._begin()

    def load(self) -> Loaded:
        """The next batch."""
        require(not self._closed, f"{type(self).__name__}: the iterator is closed", MXNetError)
        if self._ended:
            return None
        batch = self._coming.popleft().result()
        self._ended = batch is None
        self._coming.append(self._producer.submit(self._prepare))
        return batch

    def close(self) -> None:
        """End the threads and close the file; once more does nothing."""
        self._shut(wait=True)

    def _shut(self, wait: bool) -> None:
        if self._closed:
            return
        self._closed = True
        self._producer.shutdown(wait, cancel_futures=True)
        self._workers.shutdown(wait, cancel_futures=True)
        self._file.close()

    def __del__(self) -> None:
        self._shut(wait=not threading.current_thread().name.startswith(("decode", "batches")))

    # --- batches, in the producer's thread ---------------------------------------------------------------------------

    def _prepare(self) -> Loaded:
        """Decode a batch."""
        channels, height, width = self.provide_data[0].shape[1:]
        images = np.empty((self.batch_size, height, width, channels), np.uint8)
        labels = np.empty((self.batch_size, self._label_width), np.float32)
        ids = np.empty(self.batch_size, np.uint64)
        filled = 0

        def keep(samples: np.ndarray) -> np.ndarray:
            nonlocal filled
            asked = [int(sample) for sample in samples if int(sample) not in self._bad]
            chances = self._random.random((len(asked), 3))
            jobs = [self._workers.submit(self._read, int(self._offsets[sample]), images[filled + k], *chances[k])
                    for k, sample in enumerate(asked)]
            kept: list[tuple[int, int]] = []
            for k, (sample, job) in enumerate(zip(asked, jobs)):
                label, number, error = job.result()
                if error is not None:
                    self._bad.add(sample)
                    self._damaged(error)
                    continue
                at = filled + len(kept)
                labels[at], ids[at] = label, number
                kept.append((sample, filled + k))
            for k, (_, row) in enumerate(kept):            # closes the gaps that damaged records left
                if row != filled + k:
                    images[filled + k] = images[row]
            filled += len(kept)
            return np.array([sample for sample, _ in kept], np.int64)

        found = self._rounds.next(keep)
        if found is None:
            return None
        return self._converted(images), torch.from_numpy(labels).reshape(self.provide_label[0].shape), found[1], ids

    def _read(self, offset: int, row: np.ndarray, down: float, right: float, chance: float) -> tuple[Any, int, Any]:
        """Decode the record at `offset` into a row of the batch; its label, its id, and what is wrong with it."""
        try:
            payload, _ = self._file.read_at(offset)
            header, content = recordio.unpack(payload or b"")
            image = self._decode(content)
        except FileFormatError as error:
            known = error if str(error).startswith(self._file.name) else self._file.wrong(offset, str(error))
            return None, 0, known
        label = np.atleast_1d(header.label) if self._listed is None else self._listed.get(header.id)
        if label is None or len(label) != self._label_width:
            what = "is not in the list" if label is None else f"has a label of {len(label)} numbers"
            raise self._file.wrong(offset, f"the record with id {header.id} {what}, expected label_width="
                                           f"{self._label_width}")
        height, width = row.shape[:2]
        spare = image.shape[0] - height, image.shape[1] - width
        top, left = (int(down * (spare[0] + 1)), int(right * (spare[1] + 1))) if self._rand_crop else (
            spare[0] // 2, spare[1] // 2)
        image = image[top:top + height, left:left + width]
        if self._mirror != (self._rand_mirror and chance < 0.5):
            image = image[:, ::-1]
        row[...] = image[..., ::-1] if row.shape[2] == 3 else image[..., None]         # blue comes first in OpenCV
        return label, header.id, None

    def _converted(self, images: np.ndarray) -> torch.Tensor:
        """The layout, the dtype and the normalisation, of all images at once."""
        data = torch.from_numpy(images).permute(0, 3, 1, 2)
        if self._normal is None:
            return data.contiguous().to(self._dtype)
        mean, factor = self._normal
        return data.to(torch.float32, memory_format=torch.contiguous_format).sub_(mean).mul_(factor).to(self._dtype)


class ImageRecordUInt8Iter(ImageRecordIter):
    """:class:`ImageRecordIter` with ``dtype='uint8'``, and so without normalisation."""

    def __init__(self, path_imgrec: Path, data_shape: Sequence[int], batch_size: int, **settings: Any) -> None:
        super().__init__(path_imgrec, data_shape, batch_size, **{**settings, "dtype": "uint8"})


class _Decoder:
    """Makes an image of bytes: decoded, resized, and at least as large as wanted."""

    def __init__(self, call: str, shape: tuple[int, ...], resize: int, inter_method: int) -> None:
        self._cv2, self._shape, self._resize, self._inter = recordio.opencv(call), shape, resize, inter_method
        require(inter_method in range(5), f"{call}: inter_method must be 0 to 4, got {inter_method!r}", InputError)
        self._flag = self._cv2.IMREAD_COLOR if shape[0] == 3 else self._cv2.IMREAD_GRAYSCALE

    def __call__(self, content: bytes) -> np.ndarray:
        image: Any = None
        if content:
            try:
                image = self._cv2.imdecode(np.frombuffer(content, np.uint8), self._flag)
            except self._cv2.error as error:
                raise FileFormatError(f"a damaged image: {str(error).strip()}") from None
        if image is None:
            raise FileFormatError(f"the {len(content)} bytes of the record are no image that OpenCV can decode")
        height, width = image.shape[:2]
        short = self._resize
        if short > 0:
            image = self._resized(image, *((short, width * short // height) if height < width else
                                           (height * short // width, short)))
            height, width = image.shape[:2]
        if height < self._shape[1]:
            height, width = self._shape[1], width * self._shape[1] // height
        if width < self._shape[2]:
            height, width = height * self._shape[2] // width, self._shape[2]
        return self._resized(image, height, width)

    def _resized(self, image: np.ndarray, height: int, width: int) -> np.ndarray:
        size = max(width, 1), max(height, 1)
        return image if size == image.shape[1::-1] else self._cv2.resize(image, size, interpolation=self._inter)


def _normalisation(call: str, channels: int, mean: Sequence[float], std: Sequence[float], scale: float,
                   dtype: torch.dtype) -> Optional[tuple[torch.Tensor, torch.Tensor]]:
    """What to subtract and what to multiply by, for each channel; None for nothing."""
    require(all(value > 0 for value in std), f"{call}: std_r, std_g and std_b must be above 0, got {tuple(std)}",
            InputError)
    plain = not any(mean) and scale == 1 and all(value == 1 for value in std)
    require(plain or dtype.is_floating_point, f"{call}: mean, std and scale need a floating dtype", InputError)
    if plain:
        return None
    factor = np.array([scale / value for value in std[:channels]], np.float32)
    return (torch.tensor(mean[:channels], dtype=torch.float32).reshape(-1, 1, 1),
            torch.from_numpy(factor).reshape(-1, 1, 1))


def _labels_of_list(path: Path, width: int) -> dict[int, np.ndarray]:
    """Labels by id, from lines ``id<tab>label<tab>…<tab>path``."""
    labels = {}
    with open(path, encoding="utf-8", errors="replace") as stream:
        for number, line in enumerate(stream, 1):
            cells = line.rstrip("\r\n").split("\t")
            if not line.strip():
                continue
            try:
                labels[int(cells[0])] = np.array([float(cell) for cell in cells[1:-1]], np.float32)
                require(len(cells) - 2 == width, f"{len(cells) - 2} labels, expected label_width={width}", ValueError)
            except ValueError as error:
                raise FileFormatError(f"{os.fspath(path)}: line {number}: expected an id, {width} label(s) and a path, "
                                      f"separated by tabs: {error}") from None
    return labels
