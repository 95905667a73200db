"""Operators on images as they are read: (height, width, channels), uint8 or float.

Colours are red, green, blue. A result for an integer image is cut off to whole numbers between 0 and 255. In MXNet the
gradient of a change of colours is handed through as it is, and so it is here.
"""
from __future__ import annotations

from typing import Any, Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..base import ShapeError, require
from .attributes import Floats, Shape
from .registry import Params, elementwise, operator

__all__: list[str] = []


# --- form ------------------------------------------------------------------------------------------------------------

def _check_rank(data: Any, ranks: Sequence[int], name: str) -> None:
    shape = tuple(data.shape if isinstance(data, Tensor) else data)
    require(len(shape) in ranks, f"{name}: an image {shape} must be (H, W, C){' or (N, H, W, C)' * (4 in ranks)}",
            ShapeError)


@operator("_image_to_tensor")
def to_tensor(data: Tensor) -> Tensor:
    """An image as the input of a network: channels first, float32, divided by 255.

    Shapes: data (H, W, C) or (N, H, W, C) -> (C, H, W) or (N, C, H, W).
    """
    _check_rank(data, (3, 4), "to_tensor")
    return data.movedim(-1, -3).to(torch.float32) / 255


@to_tensor.shapes
def _(p, s):
    if s.data:
        _check_rank(s.data, (3, 4), s.node)
        s.output = (*s.data[:-3], s.data[-1], *s.data[-3:-1])


@to_tensor.dtypes
def _(p, types):
    types["output"] = torch.float32


@operator("_image_normalize", shapes=elementwise)
def normalize(data: Tensor, *, mean: Floats = (0.0, 0.0, 0.0, 0.0), std: Floats = (1.0, 1.0, 1.0, 1.0)) -> Tensor:
    """(data - mean) / std per channel, channels first; of whole numbers truncated.

    Shapes: data (C, H, W) or (N, C, H, W), C 1 or 3 -> the same; mean and std hold one number or one per channel.
    """
    _check_rank(data, (3, 4), "normalize")
    channels = data.shape[-3]
    for name, values in (("mean", mean), ("std", std)):
        plain = values in ((0.0,) * 4, (1.0,) * 4)         # the defaults
        require(plain or len(values) in (1, channels), f"normalize: {name} {values} must have 1 or {channels} numbers")
    exact = data if data.is_floating_point() else data.double()
    shift, scale = (exact.new_tensor(v if len(v) == 1 else v[:channels]).reshape(-1, 1, 1) for v in (mean, std))
    return ((exact - shift) / scale).to(data.dtype)


def _target(size: Shape, keep_ratio: bool, height: int, width: int) -> tuple[int, int]:
    """The new (height, width)."""
    if len(size) == 2:
        return size[1], size[0]
    require(len(size) == 1, f"resize: size {size} must have one number, or the width and the height", ShapeError)
    if not keep_ratio:
        return size[0], size[0]
    return (size[0] * height // width, size[0]) if height > width else (size[0], size[0] * width // height)


def _area_weights(size: int, target: int, shrinks: bool, like: Tensor) -> Tensor:
    """How much each of `size` pixels counts in each of `target`: the share that it covers, or OpenCV's mixture."""
    scale = size / target
    pixel = torch.arange(size, dtype=torch.float64, device=like.device)
    at = torch.arange(target, dtype=torch.float64, device=like.device)[:, None]
    if shrinks:
        covered = torch.minimum((at + 1) * scale, pixel + 1) - torch.maximum(at * scale, pixel)
        return (covered.clamp(min=0) / scale).to(like.dtype)
    low = (at * scale).floor()
    share = ((at + 1) - (low + 1) / scale).clamp(min=0).frac()
    high = (low + 1).clamp(max=size - 1)
    return ((pixel == low) * (1 - share) + (pixel == high) * share).to(like.dtype)


def _area(image: Tensor, size: tuple[int, int]) -> Tensor:
    shrinks = image.shape[2] >= size[0] and image.shape[3] >= size[1]
    down, across = (_area_weights(old, new, shrinks, image) for old, new in zip(image.shape[2:], size))
    return torch.einsum("ih,nchw,jw->ncij", down, image, across)


_INTERPOLATIONS: dict[int, Callable[[Tensor, tuple[int, int]], Tensor]] = {
    0: lambda image, size: F.interpolate(image, size, mode="nearest"),
    1: lambda image, size: F.interpolate(image, size, mode="bilinear", align_corners=False),
    2: lambda image, size: F.interpolate(image, size, mode="bicubic", align_corners=False),
    3: _area,
}


def _check_interpolation(p: Params) -> None:
    if p.interp not in _INTERPOLATIONS:
        raise ValueError(f"interp {p.interp} must be 0 (nearest), 1 (bilinear), 2 (bicubic) or 3 (area)")


@operator("_image_resize", resolve=_check_interpolation)
def resize(data: Tensor, *, size: Shape = (), keep_ratio: bool = False, interp: int = 1) -> Tensor:
    """An image of another size, as OpenCV makes it.

    Shapes: data (H, W, C) or (N, H, W, C) -> the same with H' and W'. `size` is (W', H'), or one number for both; with
    keep_ratio and one number, the shorter side gets it. interp: 0 nearest pixel, 1 bilinear, 2 bicubic, 3 area.
    """
    _check_rank(data, (3, 4), "resize")
    target = _target(size, keep_ratio, data.shape[-3], data.shape[-2])
    image = data if data.is_floating_point() else data.to(torch.float32)
    image = image.movedim(-1, -3)
    made = _INTERPOLATIONS[interp](image if data.dim() == 4 else image[None], target)
    made = (made if data.dim() == 4 else made[0]).movedim(-3, -1)
    return made if data.is_floating_point() else made.round().clamp(0, 255).to(data.dtype)


@resize.shapes
def _(p, s):
    if s.data:
        _check_rank(s.data, (3, 4), s.node)
        if len(p.size) == 2 or not p.keep_ratio or all(s.data[-3:-1]):
            s.output = (*s.data[:-3], *_target(p.size, p.keep_ratio, *s.data[-3:-1]), s.data[-1])


@operator("_image_crop")
def crop(data: Tensor, *, x: int, y: int, width: int, height: int) -> Tensor:
    """The part of an image whose left upper corner is (x, y), in pixels.

    Shapes: data (H, W, C) or (N, H, W, C) -> the same with H' = height and W' = width.
    """
    _check_rank(data, (3, 4), "crop")
    require(min(x, y) >= 0 and min(width, height) > 0 and x + width <= data.shape[-2] and y + height <= data.shape[-3],
            f"crop: {width} x {height} pixels at ({x}, {y}) are not within an image {tuple(data.shape)}", ShapeError)
    return data[..., y:y + height, x:x + width, :]


@crop.shapes
def _(p, s):
    if s.data:
        s.output = (*s.data[:-3], p.height, p.width, s.data[-1])


def _flip(axis: int, doc: str) -> Callable[..., Tensor]:
    def flip(data: Tensor) -> Tensor:
        _check_rank(data, (3,), "flip")
        return data.flip(axis)
    flip.__doc__ = doc
    return flip


def _random_flip(axis: int, doc: str) -> Callable[..., Tensor]:
    def random_flip(data: Tensor) -> Tensor:
        _check_rank(data, (3,), "random_flip")
        return torch.where(torch.rand((), device=data.device) < 0.5, data.flip(axis), data)
    random_flip.__doc__ = doc
    return random_flip


for _name, _axis, _what in (("left_right", 1, "left for right"), ("top_bottom", 0, "top for bottom")):
    operator(f"_image_flip_{_name}", shapes=elementwise)(
        _flip(_axis, f"An image with {_what}.\n\nShapes: data (H, W, C) -> the same."))
    operator(f"_image_random_flip_{_name}", shapes=elementwise)(
        _random_flip(_axis, f"An image with {_what}, or in half of all cases as it is.\n\n"
                            "Shapes: data (H, W, C) -> the same."))


# --- colours ---------------------------------------------------------------------------------------------------------

_GRAY = (0.299, 0.587, 0.114)
#: Principal components of the colours of ImageNet, times their standard deviations [Krizhevsky et al. 2012].
_LIGHTING = ((55.46 * -0.5675, 4.794 * 0.7192, 1.148 * 0.4009),
             (55.46 * -0.5808, 4.794 * -0.0045, 1.148 * -0.8140),
             (55.46 * -0.5836, 4.794 * -0.6948, 1.148 * 0.4203))


def _gray(image: Tensor) -> Tensor:
    return image if image.shape[2] == 1 else (image * image.new_tensor(_GRAY)).sum(2, keepdim=True)


def _brightness(image: Tensor, factor: Tensor) -> Tensor:
    return image * factor


def _contrast(image: Tensor, factor: Tensor) -> Tensor:
    return image * factor + _gray(image).mean() * (1 - factor)


def _saturation(image: Tensor, factor: Tensor) -> Tensor:
    if image.shape[2] == 1:
        return image
    return image * factor + image[..., 2:] * _GRAY[2] * (1 - factor)   # MXNet's gray lacks red and green here


def _hue(image: Tensor, turns: Tensor) -> Tensor:
    """Turn the colour wheel; lightness and saturation, and so the extreme channels, stay."""
    if image.shape[2] == 1:
        return image
    high, low = image.amax(2), image.amin(2)
    red, green, blue = image.unbind(2)
    spread = torch.where(high > low, high - low, 1)
    sixth = torch.where(high == red, (green - blue) / spread,
                        torch.where(high == green, 2 + (blue - red) / spread, 4 + (red - green) / spread))
    sixth = sixth + turns * 6
    # A channel is at its highest where the wheel points to it, and falls to the lowest between two and four sixths off.
    distance = torch.stack([(sixth - where + 3).remainder(6) - 3 for where in (0, 2, 4)], 2).abs()
    return low[..., None] + (high - low)[..., None] * (2 - distance).clamp(0, 1)


def _lighting(image: Tensor, alpha: Tensor) -> Tensor:
    return image if image.shape[2] == 1 else image + image.new_tensor(_LIGHTING) @ alpha


def _changed(data: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """`data` with its colours changed, in its own dtype."""
    _check_rank(data, (3,), "image")
    if data.is_floating_point():
        return change(data)
    return change(data.to(torch.float32)).clamp(0, 255).to(data.dtype)


def _handed_through(_p: Params, _inputs: Sequence[Tensor], _outputs: Sequence[Tensor], out_grads: Sequence[Tensor]) \
        -> Sequence[Tensor]:
    return out_grads


def _uniform(low: float, high: float, like: Tensor) -> Tensor:
    return torch.rand((), device=like.device) * (high - low) + low


def _check_factors(p: Params) -> None:
    if not 0 <= p.min_factor <= p.max_factor:
        raise ValueError(f"the factors min_factor {p.min_factor} and max_factor {p.max_factor} must be 0 or more, "
                         f"the first the smaller one")


def _random_change(change: Callable[[Tensor, Tensor], Tensor], doc: str) -> Callable[..., Tensor]:
    def random_change(data: Tensor, *, min_factor: float, max_factor: float) -> Tensor:
        return _changed(data, lambda image: change(image, _uniform(min_factor, max_factor, data).to(image.dtype)))
    random_change.__doc__ = doc
    return random_change


_COLOURS: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], str]] = {
    "brightness": (_brightness, "``f data``"),
    "contrast": (_contrast, "``f data + (1 - f) m``, m the mean of 0.299 red + 0.587 green + 0.114 blue"),
    "saturation": (_saturation, "``f data + (1 - f) 0.114 blue``, where MXNet leaves red and green out of the gray"),
    "hue": (_hue, "the colour wheel turned by f turns"),
}

for _name, (_change, _formula) in _COLOURS.items():
    operator(f"_image_random_{_name}", shapes=elementwise, resolve=_check_factors)(_random_change(
        _change, f"Random {_name}: {_formula}, f uniform between min_factor and max_factor, both 0 or more.\n\n"
                 "Shapes: data (H, W, C), 1 or 3 channels -> the same.")).backward(_handed_through)


def _check_jitter(p: Params) -> None:
    if min(p.brightness, p.contrast, p.saturation, p.hue) < 0:
        raise ValueError("brightness, contrast, saturation and hue must be 0 or more")


@operator("_image_random_color_jitter", shapes=elementwise, resolve=_check_jitter)
def random_color_jitter(data: Tensor, *, brightness: float, contrast: float, saturation: float, hue: float) -> Tensor:
    """Brightness, contrast, saturation and hue changed at random, one after the other in a random order.

    The first three by factors uniform between 1 - a and 1 + a, a being `brightness`, `contrast` or `saturation`; the
    hue by -`hue` to `hue` turns.

    Shapes: data (H, W, C), 1 or 3 channels -> the same.
    """
    ranges = {"brightness": (1 - brightness, 1 + brightness), "contrast": (1 - contrast, 1 + contrast),
              "saturation": (1 - saturation, 1 + saturation), "hue": (-hue, hue)}
    wanted = [(_COLOURS[name][0], low, high) for name, (low, high) in ranges.items() if low < high]

    def jitter(image: Tensor) -> Tensor:
        factors = [_uniform(low, high, data).to(image.dtype) for _, low, high in wanted]
        for turn in torch.rand(len(wanted), device=data.device).argsort().split(1):
            made = [change(image, factor) for (change, _, _), factor in zip(wanted, factors)]
            image = torch.stack(made).index_select(0, turn)[0]      # no branching on values: programs are recorded
        return image
    return _changed(data, jitter) if wanted else data.view_as(data)


@operator("_image_adjust_lighting", shapes=elementwise)
def adjust_lighting(data: Tensor, *, alpha: Floats) -> Tensor:
    """An image plus `alpha` times the principal components of ImageNet's colours [Krizhevsky et al. 2012].

    Shapes: data (H, W, C), 1 (unchanged) or 3 channels -> the same; alpha holds three numbers.
    """
    require(len(alpha) == 3, f"adjust_lighting: alpha {alpha} must have 3 numbers")
    return _changed(data, lambda image: _lighting(image, image.new_tensor(alpha)))


@operator("_image_random_lighting", shapes=elementwise)
def random_lighting(data: Tensor, *, alpha_std: float = 0.05) -> Tensor:
    """:func:`adjust_lighting` by three numbers that are normally distributed with standard deviation alpha_std.

    Shapes: data (H, W, C), 1 (unchanged) or 3 channels -> the same.
    """
    alpha = torch.randn(3, device=data.device) * alpha_std
    return _changed(data, lambda image: _lighting(image, alpha.to(image.dtype)))


for _op in (random_color_jitter, adjust_lighting, random_lighting):
    _op.backward(_handed_through)
