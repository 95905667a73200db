"""``ImageRecordIter``: batches of images from files of records, decoded by threads ahead of the program."""
from __future__ import annotations

import logging
import os
import weakref
from functools import partial
from typing import Any, ClassVar, Optional

import numpy as np
import torch

from ..base import FileFormatError, InputError, MXNetError, require, to_torch_dtype
from ..context import Context
from .augment import Augmenter, Image
from .decoding import Change, Decoder, Maker
from .from_files import FileIter, check_settings, shape_of
from .pipeline import Pipeline
from .pixels import Finish, Normalisation, draw_finish, read_mean_image, write_mean_image
from .record_options import ImageOptions, RecordOptions, parsed, signature_of
from .record_source import Sample, Source, labels_of_list
from .rounds import Rounds, Shuffler

__all__ = ["ImageRecordIter", "ImageRecordUInt8Iter", "ImageRecordInt8Iter", "ImageRecordIter_v1",
           "ImageRecordUInt8Iter_v1", "RecordIter"]

Loaded = Optional[tuple[torch.Tensor, torch.Tensor, int, np.ndarray]]

_HELD = 3                                                  # batches that a program holds at once, as a rule
_DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int32, torch.int64, torch.int8,
           torch.uint8)


class RecordIter(FileIter):
    """Base of the iterators over images in records: a subclass says what becomes of an image and its label."""

    options_class: ClassVar[type[RecordOptions]] = RecordOptions
    channels: ClassVar[tuple[int, ...]] = (1, 3, 4)
    changes_levels: ClassVar[bool] = False
    shuffle_seed: ClassVar[int] = 111                      # MXNet adds it to `seed`

    _change: Change                                        # set by _prepare(): what becomes of images and labels
    _draws: bool                                           # and whether chance has a part in it
    _pipeline: Optional[Pipeline] = None
    _shuffler: Optional[Shuffler] = None

    def __init__(self, **options: Any) -> None:
        call = type(self).__name__
        o = self._options = parsed(call, self.options_class, options)
        shape = self._shape = self._checked(call, o)
        self._decode = Decoder(call, shape[0])
        self._source = Source(o.path_imgrec, o.path_imgidx, o.num_parts, o.part_index)
        self._closer = weakref.finalize(self, _close, self._source, None)
        try:
            for error in self._source.damage:
                _damaged(o.on_error, error)
            self._prepare(call)
            super().__init__(o.batch_size, shape, self._label_shape(), o.dtype, None, o.data_name, o.label_name)
            self._start(call, self._mean_image(call))
        except BaseException:
            self.close()
            raise

    def _prepare(self, call: str) -> None:
        """Set `_change` and `_draws`; `_change` must not know the iterator."""
        raise NotImplementedError(f"{call} must define _prepare()")

    def _label_shape(self) -> tuple[int, ...]:
        """The shape of one label in a batch."""
        raise NotImplementedError(f"{type(self).__name__} must define _label_shape()")

    def _checked(self, call: str, o: RecordOptions) -> tuple[int, ...]:
        check_settings(call, o.batch_size, o.num_parts, o.part_index)
        shape = shape_of(call, "data_shape", o.data_shape)
        require(len(shape) == 3 and shape[0] in self.channels, f"{call}: data_shape must be (channels, height, width), "
                f"with {' or '.join(map(str, self.channels))} channels, got {shape}", InputError)
        for name in ("preprocess_threads", "prefetch_buffer"):
            require(getattr(o, name) > 0, f"{call}: {name} must be above 0, got {getattr(o, name)}", InputError)
        require(to_torch_dtype(o.dtype) in _DTYPES, f"{call}: dtype must be one of "
                f"{', '.join(str(t).partition('.')[2] for t in _DTYPES)}, got {o.dtype}", InputError)
        known = isinstance(o.ctx, Context) or o.ctx in ("cpu", "gpu")
        require(known, f"{call}: ctx must be 'cpu', 'gpu' or a context, got {o.ctx!r}", InputError)
        require(isinstance(o.ctx, Context) or not o.normalize_on_device, f"{call}: normalize_on_device needs a context "
                f"such as ctx=mx.gpu(0), got ctx={o.ctx!r}", InputError)
        return shape

    def _mean_image(self, call: str) -> Optional[np.ndarray]:
        """The mean image, which is computed where its file does not exist yet."""
        path = self._options.mean_img
        if not path or not self._dtype.is_floating_point:
            return None
        if not os.path.exists(path):
            logging.getLogger(__name__).info("%s: computing the mean image, to be written to %s", call, path)
            rounds = Rounds(partial(np.arange, len(self._source)), self.batch_size)
            maker = self._maker(Normalisation(call, self._shape), torch.uint8, None, False)
            pipeline = Pipeline(rounds, self._options.preprocess_threads, self._options.prefetch_buffer, maker.begin,
                                maker.fill, partial(_damaged, self._options.on_error))
            try:
                write_mean_image(path, _mean_of(pipeline, self._shape))
            finally:
                pipeline.close()
        return read_mean_image(path, self._shape)

    def _maker(self, normal: Normalisation, dtype: torch.dtype, device: Optional[torch.device],
               pinned: bool) -> Maker:
        o = self._options
        seed = (o.seed if o.seed_aug is None else o.seed_aug) if self._draws else None
        return Maker(self._source, self._decode, self._change, self._shape, self.provide_label[0].shape[1:],
                     o.batch_size, dtype, normal, device, pinned, o.prefetch_buffer + _HELD, seed)

    def _start(self, call: str, mean: Optional[np.ndarray]) -> None:
        o, count = self._options, len(self._source)
        normal = Normalisation(call, self._shape, o, mean, self.changes_levels and bool(
            o.max_random_contrast or o.max_random_illumination))  # type: ignore[attr-defined]
        if not self._dtype.is_floating_point and not normal.plain:
            logging.getLogger(__name__).warning("%s: mean, std, scale, contrast and illumination mean nothing with "
                                                "dtype %s", call, self._dtype)
        context = o.ctx if isinstance(o.ctx, Context) else None
        maker = self._maker(normal, self._dtype, context.device if context and o.normalize_on_device else None,
                            context is not None and context.device.type == "cuda")
        shuffler = self._shuffler = Shuffler(o.seed + self.shuffle_seed) if o.shuffle else None
        rounds = Rounds(partial(shuffler.order if shuffler else np.arange, count), o.batch_size, o.round_batch)
        self._end = maker.end
        self._pipeline = Pipeline(rounds, o.preprocess_threads, o.prefetch_buffer, maker.begin, maker.fill,
                                  partial(_damaged, o.on_error))
        self._closer.detach()
        self._closer = weakref.finalize(self, _close, self._source, self._pipeline)

    def _open(self) -> Pipeline:
        require(self._pipeline, f"{type(self).__name__}: the iterator is closed", MXNetError)
        assert self._pipeline is not None
        return self._pipeline

    def reset(self) -> None:
        """Begin the next epoch; in the middle of one, with a whole pass over the file."""
        self._open().reset()
        super().reset()

    def load(self) -> Loaded:
        """The next batch."""
        self._batch = None                                 # whose memory may serve again
        found = self._open().next()
        if found is None:
            return None
        order, batch = found
        return self._end(batch), torch.from_numpy(batch.labels), order.pad, batch.ids

    def state_dict(self) -> dict[str, Any]:
        """Where the iterator is and in what order, for :meth:`load_state_dict` of one over the same file."""
        return {"count": len(self._source), "pipeline": self._open().state_dict(),
                "shuffler": self._shuffler.state_dict() if self._shuffler else None}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to where :meth:`state_dict` was asked: the next batch is the one that came next there."""
        call, pipeline = type(self).__name__, self._open()
        require(state["count"] == len(self._source) and (state["shuffler"] is None) == (self._shuffler is None),
                f"{call}: the state is of another iterator: of {state['count']} records, here are "
                f"{len(self._source)}, or one of the two shuffles", InputError)
        if self._shuffler:
            self._shuffler.load_state_dict(state["shuffler"])
        pipeline.load_state_dict(state["pipeline"])
        self._batch = None

    def close(self) -> None:
        """End the threads and close the files; once more does nothing."""
        self._pipeline = None
        self._closer()


def _close(source: Source, pipeline: Optional[Pipeline]) -> None:
    if pipeline is not None:
        pipeline.close()
    source.close()


def _damaged(on_error: str, error: FileFormatError) -> None:
    """Raise, or warn that a record is left out."""
    if on_error == "raise":
        raise error
    logging.getLogger(__name__).warning("%s; the record is left out", error)


def _mean_of(pipeline: Pipeline, shape: tuple[int, ...]) -> np.ndarray:
    total, count = np.zeros(shape), 0
    while (found := pipeline.next()) is not None:
        order, batch = found
        used = len(order.samples) - order.pad
        total += batch.rows[:used].sum(0, dtype=np.float64)
        count += used
    require(count, "there is no image to compute the mean image of", FileFormatError)
    return total / count


class ImageRecordIter(RecordIter):
    """Batches of images from a file of records, as ``im2rec`` makes them.

    An image is decoded, changed as the options below say, in their order, mirrored, and normalised:
    ``((value - mean) * contrast + illumination) * scale / std``. Options are given by name, as Python values or as
    MXNet's strings; random numbers are drawn for each image anew, evenly from the range where nothing else is said.

    Parameters
    ----------
    path_imgrec : path
        The file of records, several separated by ``;``, or a folder of them.
    data_shape : tuple of int
        ``(3, height, width)``, red first; ``(1, height, width)``; or ``(4, height, width)`` with opacity.
    batch_size : int
        Images per batch.
    path_imgidx : path, optional
        The file's index; the file then need not be searched for its records.
    path_imglist : path, optional
        A ``.lst`` file whose labels replace those of the records, by id.
    label_width : int
        How many numbers a label has.
    shuffle, seed : bool, int
        Whether to draw a new order for every pass, and what determines it; the order is MXNet's for the same seed, for
        files below its chunk size.
    num_parts, part_index : int
        Into how many parts the file is cut, for as many workers, and which one this is, from 0.
    round_batch : bool
        Whether a last batch is filled up from the next pass, whose epoch then leaves these images out. Otherwise the
        batch before it has the images that fill it up. `pad` counts them.
    preprocess_threads, prefetch_buffer : int
        Threads that decode, and batches to be prepared ahead.
    dtype : {'float32', 'float64', 'float16', 'bfloat16', 'uint8', 'int8', 'int32', 'int64'}
        Integers are not normalised; int8 ends at 127.
    data_name, label_name : str
        Names of the inputs.
    on_error : {'skip', 'raise'}
        A damaged record is left out, with one logged warning that names file and offset, or raises.
    ctx : Context or {'cpu', 'gpu'}
        With a context of a GPU, such as ``mx.gpu(0)``, batches are made in pinned memory, from which the GPU fetches
        them by itself. The names mean nothing here.
    normalize_on_device : bool
        Whether batches go to the context `ctx` as bytes, and are mirrored images there already, but normalised there;
        they stay there.
    seed_aug : int, optional
        Determines everything random but the order; by default `seed` does.
    resize : int
        The shorter edge in pixels; -1 leaves images as they are.
    rotate, max_rotate_angle : int
        An angle in degrees; or the largest one, to either side.
    max_shear_ratio : float
        The largest shear, to either side.
    min_random_scale, max_random_scale : float
        Factors on both edges.
    min_aspect_ratio, max_aspect_ratio : float
        Factors on width by height; from 1 - max to 1 + max without min.
    min_img_size, max_img_size : float
        Bounds of both edges after these four.
    pad, fill_value : int
        Pixels to be added on every edge; their level, and of what a rotation lays open.
    rand_crop : bool
        Whether to crop at random, not in the middle; smaller images are enlarged first.
    min_crop_size, max_crop_size : int
        Edges of a square to crop, which is then resized.
    random_resized_crop, min_random_area, max_random_area : bool, float
        Whether to crop a random part of the area, of a random aspect ratio, which is then resized.
    brightness, contrast, saturation : float
        Factors from 1 - x to 1 + x; in a random order.
    random_h, random_s, random_l : int
        What is added to hue (0 to 180), saturation and lightness (0 to 255), to either side.
    pca_noise : float
        The deviation of noise along the principal colours of photographs.
    inter_method : int
        The interpolation: 0 nearest, 1 linear, 2 cubic, 3 area, 4 Lanczos, 9 what suits the sizes, 10 one at random.
    mirror, rand_mirror : bool
        Whether to mirror all images, or every second one at random.
    mean_img : path
        A file of the mean image, to be subtracted; it is computed and written if it does not exist.
    mean_r, mean_g, mean_b, mean_a : float
        To be subtracted where there is no mean image, 0 to 255; of a single channel `mean_r`.
    max_random_contrast, max_random_illumination : float
        Contrast is from 1 - x to 1 + x, illumination from -x to x.
    std_r, std_g, std_b, std_a : float
        To divide by.
    scale : float
        To multiply by.
    aug_seq : {'aug_default'}
        The above.
    verbose, device_id, shuffle_chunk_size, shuffle_chunk_seed :
        Mean nothing here.

    Raises
    ------
    AttributeValueError
        For an option that is none, or has a value of another type.
    InputError
        For values that cannot be, or not together.
    FileFormatError
        If no record can be read, a label has another width, or for any damage with ``on_error='raise'``.
    """

    options_class = ImageOptions
    changes_levels = True

    def _prepare(self, call: str) -> None:
        o = self._options
        assert isinstance(o, ImageOptions)
        require(o.label_width > 0, f"{call}: label_width must be above 0, got {o.label_width}", InputError)
        augment = Augmenter(call, self._decode.cv2, self._shape, o)
        listed = labels_of_list(o.path_imglist, o.label_width) if o.path_imglist else None
        self._draws = augment.draws or o.rand_mirror or bool(o.max_random_contrast or o.max_random_illumination)

        def change(sample: Sample, image: Image, chance: Any) -> tuple[Image, Any, Finish]:
            label = sample.label if listed is None else listed.get(sample.id)
            if label is None:
                raise FileFormatError(f"is not in {o.path_imglist}")
            if len(label) != o.label_width:
                raise FileFormatError(f"has a label of {len(label)} numbers, expected label_width={o.label_width}")
            return augment(image, chance), label if o.label_width > 1 else label[0], draw_finish(o, chance)
        self._change = change

    def _label_shape(self) -> tuple[int, ...]:
        return () if self._options.label_width == 1 else (self._options.label_width,)


class ImageRecordUInt8Iter(ImageRecordIter):
    """:class:`ImageRecordIter` with ``dtype='uint8'``, and so without normalisation."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "dtype": "uint8"})


class ImageRecordInt8Iter(ImageRecordIter):
    """:class:`ImageRecordIter` with ``dtype='int8'``: without normalisation, and 127 at most."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "dtype": "int8"})


class ImageRecordIter_v1(ImageRecordIter):
    """:class:`ImageRecordIter` under an older name."""


class ImageRecordUInt8Iter_v1(ImageRecordUInt8Iter):
    """:class:`ImageRecordUInt8Iter` under an older name."""


for _kind in (ImageRecordIter, ImageRecordUInt8Iter, ImageRecordInt8Iter, ImageRecordIter_v1, ImageRecordUInt8Iter_v1):
    _kind.__signature__ = signature_of(_kind.options_class)  # type: ignore[attr-defined]
