"""Whole numbers of few bits in the place of real ones: a number q stands for ``q * range / levels``.

The range is the largest absolute value; the levels are 127.5 for int8 and 255.5 for uint8, as MXNet counts them on a
CPU, and 127 and 255 where it requantizes.
Every operator passes the ends of the range on beside the numbers, as arrays of one element. Nothing has a gradient.
"""
from __future__ import annotations

from typing import Any, Literal, Optional

import torch
from torch import Tensor

from ..base import ShapeError, dtype_name, require
from .registry import Params, operator
from .shapes import ShapeTable

__all__: list[str] = []

_LEVELS = {torch.int8: 127.5, torch.uint8: 255.5, torch.int32: 2147483647.0}
_TYPES = {"int8": torch.int8, "uint8": torch.uint8}
OutType = Literal["auto", "int8", "uint8"]


def _chosen(p: Params) -> torch.dtype:
    """The dtype of the results: `auto` is uint8 if the calibrated range has no negative number."""
    if p.out_type != "auto":
        return _TYPES[p.out_type]
    return torch.uint8 if p.min_calib_range is not None and p.min_calib_range >= 0 else torch.int8


def _quantized(data: Tensor, low: Tensor, high: Tensor, dtype: torch.dtype, levels: float) \
        -> tuple[Tensor, Tensor, Tensor]:
    require(data.is_floating_point(), f"quantize: data must be float32, got {dtype_name(data.dtype)}", ShapeError)
    data, low, high = data.detach(), low.detach().reshape(1), high.detach().reshape(1)
    largest = torch.maximum(low.abs(), high.abs())
    ends = torch.iinfo(dtype)
    made = (data * (levels / largest)).round().clamp(ends.min, ends.max).to(dtype)
    return (made, low, high) if dtype is torch.uint8 else (made, -largest, largest)


def _real(data: Tensor, low: Tensor, high: Tensor) -> Tensor:
    largest = torch.maximum(low.detach().abs(), high.detach().abs()).reshape(1)
    return data.float() * (largest / _LEVELS[data.dtype])


def _ends(data: Tensor, p: Params) -> tuple[Tensor, Tensor]:
    """The calibrated range, or that of the values."""
    if p.min_calib_range is None or p.max_calib_range is None:
        return data.detach().min(), data.detach().max()
    return data.new_tensor(p.min_calib_range), data.new_tensor(p.max_calib_range)


def _shapes(p: Params, s: ShapeTable) -> None:
    first = s.outputs[0]
    s.same(("data", first))
    for name in s:
        if name not in ("data", first):
            s[name] = (1,)


def _types(p: Params, types: dict[str, Any]) -> None:
    for name in types:
        if name not in ("data", "output0"):
            types[name] = torch.float32


@operator("_contrib_quantize", outputs=("output0", "output1", "output2"), shapes=_shapes)
def quantize(data: Tensor, min_range: Tensor, max_range: Tensor, *, out_type: Literal["int8", "uint8"] = "uint8") \
        -> tuple[Tensor, Tensor, Tensor]:
    """Real numbers as whole ones of the dtype out_type, with the range ``[min_range, max_range]``.

    Shapes: data (any shape), float32, min_range and max_range (1,) -> data's, and the range's ends (1,) and (1,).

    >>> import ganmod as mx
    >>> numbers, low, high = mx.nd.contrib.quantize(mx.nd.array([-1, 0, 2]), mx.nd.array([-2]), mx.nd.array([2]),
    ...                                             out_type='int8')
    >>> numbers.asnumpy().tolist(), low.asnumpy().tolist(), high.asnumpy().tolist()
    ([-64, 0, 127], [-2.0], [2.0])
    """
    return _quantized(data, min_range, max_range, _TYPES[out_type], _LEVELS[_TYPES[out_type]])


@operator("_contrib_quantize_v2", outputs=("output0", "output1", "output2"), shapes=_shapes)
def quantize_v2(data: Tensor, *, out_type: OutType = "int8", min_calib_range: Optional[float] = None,
                max_calib_range: Optional[float] = None) -> tuple[Tensor, Tensor, Tensor]:
    """Real numbers as whole ones; the range is ``[min_calib_range, max_calib_range]``, or that of the values.

    out_type is their dtype; ``'auto'`` means uint8 if min_calib_range is given and not negative, else int8.

    Shapes: data (any shape), float32 -> the same, and the range's ends (1,) and (1,).
    """
    p = Params(out_type=out_type, min_calib_range=min_calib_range, max_calib_range=max_calib_range)
    return _quantized(data, *_ends(data, p), _chosen(p), _LEVELS[_chosen(p)])


@operator("_contrib_dequantize", shapes=_shapes)
def dequantize(data: Tensor, min_range: Tensor, max_range: Tensor, *, out_type: Literal["float32"] = "float32") \
        -> Tensor:
    """The real numbers, of the dtype out_type, that whole ones of the range ``[min_range, max_range]`` stand for.

    Shapes: data (any shape), int8 or uint8, min_range and max_range (1,) -> data's.

    >>> import ganmod as mx
    >>> mx.nd.contrib.dequantize(mx.nd.array([51], dtype='int8'), mx.nd.array([-5]), mx.nd.array([5])).asscalar().item()
    2.0
    """
    return _real(data, min_range, max_range)


@operator("_contrib_requantize", outputs=("output0", "output1", "output2"), shapes=_shapes)
def requantize(data: Tensor, min_range: Tensor, max_range: Tensor, *, out_type: OutType = "int8",
               min_calib_range: Optional[float] = None, max_calib_range: Optional[float] = None) \
        -> tuple[Tensor, Tensor, Tensor]:
    """Whole numbers of 32 bits, of the range ``[min_range, max_range]``, as ones of 8.

    The new range is ``[min_calib_range, max_calib_range]``, or that of the values; out_type is the new dtype, as in
    :func:`quantize_v2`.

    Shapes: data (any shape), int32, min_range and max_range (1,) -> data's, and the new range's ends (1,) and (1,).
    """
    p = Params(out_type=out_type, min_calib_range=min_calib_range, max_calib_range=max_calib_range)
    values = _real(data, min_range, max_range)
    return _quantized(values, *_ends(values, p), _chosen(p), torch.iinfo(_chosen(p)).max)


@quantize.dtypes
def _(p, types):
    types["data"] = torch.float32
    _types(p, types)
    types["output0"] = _TYPES[p.out_type]


@quantize_v2.dtypes
def _(p, types):
    types["data"] = torch.float32
    _types(p, types)
    types["output0"] = _chosen(p)


@requantize.dtypes
def _(p, types):
    types["data"] = torch.int32
    _types(p, types)
    types["output0"] = _chosen(p)


@dequantize.dtypes
def _(p, types):
    if types["data"] not in (None, torch.int8, torch.uint8):
        raise ShapeError(f"_contrib_dequantize: 'data' is {dtype_name(types['data'])}, but must be int8 or uint8")
    types["min_range"] = types["max_range"] = types["output"] = torch.float32
