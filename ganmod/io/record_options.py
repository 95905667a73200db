"""The options of the iterators over records: names, types and defaults, declared once."""
from __future__ import annotations

import dataclasses
import inspect
import os
import typing
from typing import Any, Literal, Optional, TypeVar

import torch

from ..base import AttributeValueError, InputError, require, suggest
from ..ops.attributes import DType, Floats, Shape, parser_for

__all__ = ["RecordOptions", "ImageOptions", "DetectionOptions", "parsed", "signature_of"]

_Options = TypeVar("_Options")


@dataclasses.dataclass
class RecordOptions:
    """What iterators over images in records have in common; their docstrings say what each option means."""

    path_imgrec: str = ""
    path_imglist: str = ""
    path_imgidx: str = ""
    data_shape: Shape = ()
    batch_size: int = 0
    label_width: int = 1
    preprocess_threads: int = 4
    verbose: bool = True
    num_parts: int = 1
    part_index: int = 0
    device_id: int = 0
    shuffle_chunk_size: int = 0
    shuffle_chunk_seed: int = 0
    seed_aug: Optional[int] = None
    shuffle: bool = False
    seed: int = 0
    round_batch: bool = True
    prefetch_buffer: int = 4
    ctx: Any = "gpu"
    dtype: Optional[DType] = None
    resize: int = -1
    fill_value: int = 255
    inter_method: int = 1
    mean_img: str = ""
    mean_r: float = 0.0
    mean_g: float = 0.0
    mean_b: float = 0.0
    mean_a: float = 0.0
    std_r: float = 1.0
    std_g: float = 1.0
    std_b: float = 1.0
    std_a: float = 1.0
    scale: float = 1.0
    data_name: str = "data"
    label_name: str = "softmax_label"
    on_error: Literal["skip", "raise"] = "skip"
    normalize_on_device: bool = False


@dataclasses.dataclass
class ImageOptions(RecordOptions):
    """The options of :class:`ImageRecordIter`."""

    aug_seq: str = "aug_default"
    rand_crop: bool = False
    random_resized_crop: bool = False
    max_rotate_angle: int = 0
    max_aspect_ratio: float = 0.0
    min_aspect_ratio: Optional[float] = None
    max_shear_ratio: float = 0.0
    max_crop_size: int = -1
    min_crop_size: int = -1
    max_random_scale: float = 1.0
    min_random_scale: float = 1.0
    max_random_area: float = 1.0
    min_random_area: float = 1.0
    max_img_size: float = 1e10
    min_img_size: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    pca_noise: float = 0.0
    random_h: int = 0
    random_s: int = 0
    random_l: int = 0
    rotate: int = -1
    pad: int = 0
    mirror: bool = False
    rand_mirror: bool = False
    max_random_contrast: float = 0.0
    max_random_illumination: float = 0.0


@dataclasses.dataclass
class DetectionOptions(RecordOptions):
    """The options of :class:`ImageDetRecordIter`."""

    path_imgrec: str = "./data/imgrec.rec"
    label_width: int = -1
    fill_value: int = 127
    std_r: float = 0.0
    std_g: float = 0.0
    std_b: float = 0.0
    std_a: float = 0.0
    aug_seq: str = "det_aug_default"
    label_pad_width: int = 0
    label_pad_value: float = -1.0
    rand_crop_prob: float = 0.0
    min_crop_scales: Floats = (0.0,)
    max_crop_scales: Floats = (1.0,)
    min_crop_aspect_ratios: Floats = (1.0,)
    max_crop_aspect_ratios: Floats = (1.0,)
    min_crop_overlaps: Floats = (0.0,)
    max_crop_overlaps: Floats = (1.0,)
    min_crop_sample_coverages: Floats = (0.0,)
    max_crop_sample_coverages: Floats = (1.0,)
    min_crop_object_coverages: Floats = (0.0,)
    max_crop_object_coverages: Floats = (1.0,)
    num_crop_sampler: int = 1
    crop_emit_mode: Literal["center", "overlap"] = "center"
    emit_overlap_thresh: float = 0.3
    max_crop_trials: Shape = (25,)
    rand_pad_prob: float = 0.0
    max_pad_scale: float = 1.0
    max_random_hue: int = 0
    random_hue_prob: float = 0.0
    max_random_saturation: int = 0
    random_saturation_prob: float = 0.0
    max_random_illumination: int = 0
    random_illumination_prob: float = 0.0
    max_random_contrast: float = 0.0
    random_contrast_prob: float = 0.0
    rand_mirror_prob: float = 0.0
    resize_mode: Literal["force", "shrink", "fit"] = "force"


def parsed(call: str, kind: type[_Options], given: dict[str, Any]) -> _Options:
    """The options that a program gave, as Python values or as MXNet's strings; None stands for the default.

    Raises
    ------
    AttributeValueError
        For a name that is none, with a suggestion, and for a value of another type.
    InputError
        If path_imgrec, data_shape or batch_size is missing.

    >>> parsed("ImageRecordIter", ImageOptions,
    ...        {"path_imgrec": "a.rec", "data_shape": "(3, 8, 8)", "batch_size": "4"}).data_shape
    (3, 8, 8)
    """
    types = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in types:
            raise AttributeValueError(f"{call}: there is no option {name!r}{suggest(name, types)}")
        if value is None:
            continue
        if types[name] is Any:
            values[name] = value
            continue
        try:
            values[name] = parser_for(types[name])(os.fspath(value) if isinstance(value, os.PathLike) else value)
        except ValueError as error:
            raise AttributeValueError(f"{call}: {name}={value!r}: {error}") from None
    options = kind(**values)
    for name in ("path_imgrec", "data_shape", "batch_size"):
        given_at_all = getattr(options, name) or (name == "batch_size" and name in values)
        require(given_at_all, f"{call}: {name} must be given", InputError)
    return options


def signature_of(kind: type) -> inspect.Signature:
    """The signature of a constructor that takes the options by name."""
    types = typing.get_type_hints(kind)
    return inspect.Signature([
        inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default,
                          annotation=torch.dtype if types[field.name] is DType else types[field.name])
        for field in dataclasses.fields(kind)])
