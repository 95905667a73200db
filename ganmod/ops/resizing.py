"""Images of another size: by interpolation, and by averaging."""
from __future__ import annotations

from typing import Callable, Literal, Optional

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from ..base import ShapeError, require
from .attributes import Shape
from .registry import Params, operator

__all__: list[str] = []


def _scaled(size: int, scale: float) -> int:
    return int(np.float32(size) * np.float32(scale))


#: mode -> (size, scale) -> new size
_MODES: dict[str, Callable[[int, float], int]] = {
    "size": _scaled,
    "odd_scale": lambda size, scale: _scaled(size, scale) if size % 2 == 0 else _scaled(size - 1, scale) + 1,
    "to_even_down": lambda size, _: size - size % 2,
    "to_even_up": lambda size, _: size + size % 2,
    "to_odd_down": lambda size, _: size - 1 + size % 2,
    "to_odd_up": lambda size, _: size + 1 - size % 2,
}


def _check_scales(p: Params) -> None:
    if (p.scale_height is None) != (p.scale_width is None):
        raise ValueError("scale_height and scale_width must be given together")
    if p.mode == "odd_scale" and p.scale_height is None:
        raise ValueError("mode 'odd_scale' needs scale_height and scale_width")


@operator("_contrib_BilinearResize2D", present={"like": lambda p: p.mode == "like"}, resolve=_check_scales)
def bilinear_resize_2d(data: Tensor, like: Optional[Tensor] = None, *, height: int = 1, width: int = 1,
                       scale_height: Optional[float] = None, scale_width: Optional[float] = None,
                       mode: Literal["like", "odd_scale", "size", "to_even_down", "to_even_up", "to_odd_down",
                                     "to_odd_up"] = "size", align_corners: bool = True) -> Tensor:
    """Bilinear interpolation of an image to another size.

    Shapes: data (N, C, H, W) -> (N, C, H', W'). The mode says which: ``'size'``: height and width, or, if they are
    given, floor(H scale_height) and floor(W scale_width); ``'like'``: those of the input `like`; ``'odd_scale'``: as by
    scales, an odd size staying odd (it scales what is between the corners); ``'to_even_down'``, ``'to_even_up'``,
    ``'to_odd_down'``, ``'to_odd_up'``: the next even or odd size. With align_corners the centres of the
    corner pixels stay where they are, else their outer edges.
    """
    if like is not None:
        size = tuple(like.shape[2:])
    elif mode == "size" and scale_height is None:
        size = (height, width)
    else:
        tall, wide = data.shape[2:]
        size = (_MODES[mode](tall, scale_height or 1.0), _MODES[mode](wide, scale_width or 1.0))
    require(min(size) > 0, f"BilinearResize2D: the size {size} must be positive", ShapeError)
    return F.interpolate(data, size, mode="bilinear", align_corners=align_corners)


@bilinear_resize_2d.shapes
def _(p, s):
    if p.mode == "like" and s.data and s.like:
        s.output = (*s.data[:2], *s.like[2:])


@operator("_contrib_AdaptiveAvgPooling2D")
def adaptive_avg_pooling_2d(data: Tensor, *, output_size: Shape = ()) -> Tensor:
    """The means of a grid of cells of nearly equal size, that cover the image and may overlap by a pixel.

    Shapes: data (N, C, H, W) -> (N, C, *output_size); one number stands for both sizes, and none for (1, 1). Cell i of
    n begins at floor(i H / n) and ends before ceil((i + 1) H / n).

    >>> import ganmod as mx
    >>> mx.nd.contrib.AdaptiveAvgPooling2D(mx.nd.arange(9).reshape((1, 1, 3, 3)), output_size=2).asnumpy().tolist()
    [[[[2.0, 3.0], [5.0, 6.0]]]]
    """
    rows, columns = output_size * 2 if len(output_size) == 1 else output_size or (1, 1)
    return F.adaptive_avg_pool2d(data, (rows, columns))
