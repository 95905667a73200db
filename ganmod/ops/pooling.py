"""Pooling in one, two and three dimensions."""
from __future__ import annotations

from typing import Callable, Literal, Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .attributes import Shape
from .conv import Layout, channels_last, from_channels_first, to_channels_first
from .registry import Params, operator
from .shapes import ShapeTable, window

__all__ = ["pooling", "pooling_v1"]

_MAXIMUM: dict[int, Callable[..., Tensor]] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVERAGE: dict[int, Callable[..., Tensor]] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def _defaults(p: Params) -> None:
    if p.global_pool:
        return
    axes = len(p.kernel)
    if not 1 <= axes <= 3:
        raise ValueError(f"kernel {p.kernel} must have 1, 2 or 3 sizes, unless global_pool=True")
    p.stride, p.pad = p.stride or (1,) * axes, p.pad or (0,) * axes
    if len(p.stride) != axes or len(p.pad) != axes:
        raise ValueError(f"stride {p.stride} and pad {p.pad} must have as many values as kernel {p.kernel}")
    if any(q >= k for q, k in zip(p.pad, p.kernel)):
        raise ValueError(f"pad {p.pad} must be smaller than kernel {p.kernel}")


def _positions(size: int, kernel: int, stride: int, pad: int, convention: str) -> int:
    """How many windows there are along one axis."""
    if convention == "same":
        return -(-size // stride)
    return window(size, kernel, stride, pad, ceil=convention == "full")


def _margins(size: int, kernel: int, stride: int, pad: int, convention: str) -> tuple[int, int]:
    """Padding before and after, so that the windows fit exactly."""
    needed = (_positions(size, kernel, stride, pad, convention) - 1) * stride + kernel
    before = pad if convention != "same" else max(0, needed - size) // 2
    return before, max(0, needed - size - before)


def _padded(data: Tensor, margins: Sequence[tuple[int, int]], value: float) -> Tensor:
    flat = [m for pair in reversed(margins) for m in pair]
    return F.pad(data, flat, value=value) if any(flat) else data


def _windowed_mean(data: Tensor, kernel: Shape, stride: Shape) -> Tensor:
    return _AVERAGE[len(kernel)](data, kernel, stride)


def _divisors(data: Tensor, margins: Sequence[tuple[int, int]], p: Params) -> Tensor:
    """The share of each window that counts: inside the image, or inside image and padding."""
    counted = torch.ones((1, 1, *data.shape[2:]), dtype=data.dtype, device=data.device)
    if p.count_include_pad is not False:
        inner = [(before, min(after, q)) for (before, after), q in zip(margins, p.pad)]
        counted = _padded(counted, inner, 1.0)
        margins = [(0, after - min(after, q)) for (_, after), q in zip(margins, p.pad)]
    return _windowed_mean(_padded(counted, margins, 0.0), p.kernel, p.stride)


def _pool(data: Tensor, p: Params) -> Tensor:
    """Pool a channels-first tensor over windows."""
    margins = [_margins(*z, p.pooling_convention) for z in zip(data.shape[2:], p.kernel, p.stride, p.pad)]
    if p.pool_type == "max":
        return _MAXIMUM[len(p.kernel)](_padded(data, margins, torch.finfo(data.dtype).min), p.kernel, p.stride)
    count = float(torch.Size(p.kernel).numel())
    if p.pool_type == "lp":
        sums = _windowed_mean(_padded(data.abs() ** p.p_value, margins, 0.0), p.kernel, p.stride) * count
        return sums ** (1.0 / p.p_value)
    means = _windowed_mean(_padded(data, margins, 0.0), p.kernel, p.stride)
    if p.pool_type == "sum":
        return means * count
    plain = all(before == after == q for (before, after), q in zip(margins, p.pad))
    if plain and (p.count_include_pad is not False or not any(p.pad)):
        return means
    # A window that lies outside altogether has nothing to count, and a sum of 0.
    return means / _divisors(data, margins, p).clamp(min=torch.finfo(data.dtype).tiny)


_GLOBAL: dict[str, Callable[[Tensor, list[int], Optional[int]], Tensor]] = {
    "max": lambda x, axes, _: x.amax(axes, keepdim=True),
    "avg": lambda x, axes, _: x.mean(axes, keepdim=True),
    "sum": lambda x, axes, _: x.sum(axes, keepdim=True),
    "lp": lambda x, axes, power: (x.abs() ** (power or 1)).sum(axes, keepdim=True) ** (1.0 / (power or 1)),
}


@operator("Pooling", resolve=_defaults, hidden=lambda p: int(p.pool_type == "max" and bool(p.kernel)))
def pooling(data: Tensor, *, kernel: Shape = (), pool_type: Literal["max", "avg", "sum", "lp"] = "max",
            global_pool: bool = False, cudnn_off: bool = False,
            pooling_convention: Literal["valid", "full", "same"] = "valid", stride: Shape = (), pad: Shape = (),
            p_value: Optional[int] = None, count_include_pad: Optional[bool] = None, layout: Layout = None) -> Tensor:
    """The maximum, mean, sum or p-norm of each window.

    Shapes, for two axes: (N, C, H, W) -> (N, C, H', W') with H' = floor((H + 2 pad - kernel) / stride) + 1 for the
    convention ``'valid'``, the same rounded up for ``'full'``, and ceil(H / stride) for ``'same'``. With global_pool
    the window is the whole image. A mean counts the padding unless count_include_pad is False.

    >>> import ganmod as mx
    >>> mx.nd.Pooling(mx.nd.arange(4).reshape((1, 1, 2, 2)), kernel=(2, 2), pool_type='avg').asscalar()
    np.float32(1.5)
    """
    given = to_channels_first(data, layout)
    if global_pool:
        out = _GLOBAL[pool_type](given, list(range(2, given.dim())), p_value)
    else:
        out = _pool(given, Params(kernel=kernel, pool_type=pool_type, pooling_convention=pooling_convention,
                                  stride=stride, pad=pad, p_value=p_value, count_include_pad=count_include_pad))
    return from_channels_first(out, layout)


@operator("Pooling_v1", resolve=_defaults)
def pooling_v1(data: Tensor, *, kernel: Shape = (), pool_type: Literal["max", "avg", "sum"] = "max",
               global_pool: bool = False, pooling_convention: Literal["valid", "full"] = "valid", stride: Shape = (),
               pad: Shape = ()) -> Tensor:
    """The first version of :func:`Pooling`, which old files name; shapes, windows and values are the same."""
    return pooling.function(data, kernel=kernel, pool_type=pool_type, global_pool=global_pool,
                            pooling_convention=pooling_convention, stride=stride, pad=pad)


def _shapes(p: Params, s: ShapeTable) -> None:
    if not s.data:
        return
    last = channels_last(getattr(p, "layout", None))
    spatial = s.data[1:-1] if last else s.data[2:]
    if p.global_pool:
        sizes = [1] * len(spatial)
    else:
        if len(spatial) != len(p.kernel):
            raise ValueError(f"data {s.data} must have {len(p.kernel) + 2} axes for a kernel of {len(p.kernel)}")
        sizes = [_positions(*z, p.pooling_convention) for z in zip(spatial, p.kernel, p.stride, p.pad)]
    s.output = (s.data[0], *sizes, s.data[-1]) if last else (*s.data[:2], *sizes)


pooling.shapes(_shapes)
pooling_v1.shapes(_shapes)
