"""``ImageDetRecordIter``: batches of images and of boxes around the objects in them."""
from __future__ import annotations

from typing import Any

import numpy as np

from ..base import FileFormatError, InputError, require
from .augment import Image
from .detection import BoxAugmenter, objects_of
from .image_record import RecordIter
from .pixels import Finish
from .record_options import DetectionOptions, RecordOptions, signature_of
from .record_source import Sample, labels_of_list

__all__ = ["ImageDetRecordIter"]

_BEFORE = 4                                                # numbers of a batch's label before that of the record


class ImageDetRecordIter(RecordIter):
    """Batches of images from a file of records, with the objects in them.

    A record's label is: the length of its header, 2 or more; the length of an object, 5 or more; the rest of the
    header; and for each object its class, left, top, right and bottom as fractions of width and height, and others. A
    batch's is: channels; height and width that the picture fills; the length of what follows; the record's label with
    the objects that are left; and filling up to the longest label of the file, or to `label_pad_width`.

    Image and boxes are changed in this order: `resize`, colour, mirroring, padding, cropping, `resize_mode`. Options
    are given by name; each ``…_prob`` is the probability that an image undergoes it.

    Parameters
    ----------
    path_imgrec, path_imglist, data_shape, batch_size, preprocess_threads, prefetch_buffer, num_parts, part_index :
        As those of :class:`ImageRecordIter`, and so are shuffle, seed, round_batch, dtype, on_error, ctx,
        normalize_on_device, resize, inter_method, mean_img, the means and deviations (of which 0 is none) and scale.
    label_width : int
        How many numbers every record's label has; -1 where they differ.
    label_pad_width, label_pad_value : int, float
        The numbers that a label is filled up to, at least those of the longest, which 0 and -1 stand for; with what.
    max_random_hue, max_random_saturation, max_random_illumination, max_random_contrast : int, float
        What is added to hue (0 to 180), saturation and lightness (0 to 255), to either side; and a factor from 1 - x to
        1 + x. Each happens with its ``…_prob``.
    rand_mirror_prob : float
    rand_pad_prob, max_pad_scale, fill_value : float, float, int
        Padding makes both edges up to `max_pad_scale` times as long, with pixels of `fill_value`.
    rand_crop_prob, num_crop_sampler, max_crop_trials : float, int, tuple of int
        Cropping asks the samplers in a random order, each for as many crops, until one keeps an object as wanted.
    min_crop_scales, max_crop_scales, min_crop_aspect_ratios, max_crop_aspect_ratios : tuple of float
        For each sampler, or for all: the edges of the crop, as the root of its share of the area; width by height.
    min_crop_overlaps, max_crop_overlaps, min_crop_sample_coverages, max_crop_sample_coverages, \
min_crop_object_coverages, max_crop_object_coverages : tuple of float
        What an object and the crop have in common, as a share of what both cover, of the crop, and of the object: some
        object has to be within all these bounds.
    crop_emit_mode, emit_overlap_thresh : {'center', 'overlap'}, float
        An object stays if its centre is in the crop, or if a larger share of it than this is.
    resize_mode : {'force', 'shrink', 'fit'}
        Stretch to `data_shape`; or keep width by height and make smaller, or also larger, until it fits, and leave the
        rest black.
    verbose, path_imgidx, device_id, shuffle_chunk_size, shuffle_chunk_seed :
        Of no influence on the batches.

    Raises
    ------
    AttributeValueError
        For an option that is none, or has a value of another type.
    InputError
        For values that cannot be, or not together.
    FileFormatError
        If no record can be read, a label is not made as above, or for any damage with ``on_error='raise'``.
    """

    options_class = DetectionOptions
    shuffle_seed = 233

    def _checked(self, call: str, o: RecordOptions) -> tuple[int, ...]:
        for name in ("std_r", "std_g", "std_b", "std_a"):
            setattr(o, name, getattr(o, name) or 1.0)
        return super()._checked(call, o)

    def _prepare(self, call: str) -> None:
        o = self._options
        assert isinstance(o, DetectionOptions)
        augment = BoxAugmenter(call, self._decode.cv2, self._shape, o)
        listed = labels_of_list(o.path_imglist, None) if o.path_imglist else None
        longest = max(self._source.label_widths()) if listed is None else max(map(len, listed.values()), default=0)
        require(o.label_pad_width <= 0 or o.label_pad_width >= longest, f"{call}: label_pad_width={o.label_pad_width} "
                f"is less than the longest label has, {longest}", InputError)
        width = self._width = max(longest, o.label_pad_width) + _BEFORE
        self._draws = augment.draws
        channels = self._shape[0]

        def change(sample: Sample, image: Image, chance: Any) -> tuple[Image, Any, Finish]:
            label = sample.label if listed is None else listed.get(sample.id)
            if label is None:
                raise FileFormatError(f"is not in {o.path_imglist}")
            if o.label_width not in (-1, len(label)):
                raise FileFormatError(f"has a label of {len(label)} numbers, expected label_width={o.label_width}")
            image, objects, size = augment(image, objects_of(label), chance)
            numbers = objects.joined()
            row = np.full(width, o.label_pad_value, np.float32)
            row[:_BEFORE] = channels, *size, len(numbers)
            row[_BEFORE:_BEFORE + len(numbers)] = numbers
            return image, row, Finish()
        self._change = change

    def _label_shape(self) -> tuple[int, ...]:
        return (self._width,)


ImageDetRecordIter.__signature__ = signature_of(DetectionOptions)  # type: ignore[attr-defined]
