"""Other ways to compute what convolutions and matrix products compute, for float32 and bfloat16 on CPUs.

A convolution relates two sets of maps: the larger ones, `big`, which a Convolution takes and a Deconvolution gives, and
the smaller ones, `small`; its weight is (channels of small, channels of big, kH, kW) for both. Each function computes
one of the three from the other two. Maps are (N, C, H, W) and lie in memory channels last; pairs are (rows, columns).
"""
from __future__ import annotations

from typing import Any, Callable, Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from ..ops import storage
from .memory import same_bytes

__all__ = ["linear", "has_linear", "swapped", "channels_last", "small_of_copies", "big_of_copies", "weight_of_copies",
           "small_as_product", "big_as_product", "big_in_phases", "weight_as_product", "Kept", "kept", "kept_product",
           "has_packed", "packed"]

aten = torch.ops.aten

Pair = tuple[int, int]
_SETTINGS = (1, 1), False, (0, 0), 1   # the rest of a convolution's
_found = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None
_pointwise: Any = _found and _found.default


def has_linear(dtype: torch.dtype = torch.float32) -> bool:
    """Whether oneDNN's matrix product, which :func:`linear` calls, is there for a dtype."""
    if _pointwise is None:
        return False
    return dtype is not torch.bfloat16 or torch.ops.mkldnn._is_mkldnn_bf16_supported()


def linear(x: Tensor, weight: Tensor, bias: Optional[Tensor] = None) -> Tensor:
    """``x @ weight.T + bias`` by oneDNN: (m, k), (n, k), (n,) -> (m, n).

    Torch's own product calls MKL, which is half as fast on some processors.
    """
    return _pointwise(x, weight, bias, "none", [], "")


def swapped(x: Tensor, weight: Tensor, bias: Optional[Tensor] = None) -> Tensor:
    """The same as ``(weight @ x.T).T + bias``, which MKL computes sooner where there are few rows."""
    rows = torch.mm(weight, x.t()).t().contiguous()
    return rows if bias is None else rows.add_(bias)


def channels_last(maps: Tensor) -> Tensor:
    """The same maps, channels last in memory."""
    return maps.contiguous(memory_format=torch.channels_last)


def small_of_copies(big: Tensor, weight: Tensor, bias: Optional[Tensor], stride: Pair, pad: Pair) -> Tensor:
    """`small` by the library, over a copy that lies in memory as NDArrays do: oneDNN has other code for it."""
    return channels_last(aten.convolution.default(big.contiguous(), weight, bias, stride, pad, *_SETTINGS))


def big_of_copies(small: Tensor, weight: Tensor, bias: Optional[Tensor], size: Pair, stride: Pair, pad: Pair) -> Tensor:
    """`big`, of the given size, in the same way."""
    big = small.new_empty(len(small), weight.shape[1], *size)          # of which only the shape matters
    made, _, _ = aten.convolution_backward.default(small.contiguous(), big, weight, None, stride, pad, *_SETTINGS,
                                                   [True, False, False])
    return channels_last(made if bias is None else made.add_(bias.view(-1, 1, 1)))


def weight_of_copies(big: Tensor, small: Tensor, kernel: Pair, stride: Pair, pad: Pair) -> Tensor:
    """The gradient of the weight, from `big` and `small` of which one is a gradient, in the same way."""
    weight = big.new_empty(small.shape[1], big.shape[1], *kernel)      # of which only the shape matters
    return aten.convolution_backward.default(small.contiguous(), big.contiguous(), weight, None, stride, pad,
                                             *_SETTINGS, [False, True, False])[1]


def _rows(maps: Tensor) -> Tensor:
    """(N, C, H, W) -> (N H W, C), a view of what lies channels last."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])


def _patches(big: Tensor, kernel: Pair, stride: Pair, pad: Pair) -> Tensor:
    """What each place of `small` sees: (N h w, kH kW C)."""
    maps = F.pad(big.permute(0, 2, 3, 1), (0, 0, pad[1], pad[1], pad[0], pad[0])).contiguous()
    n, height, width, channels = maps.shape
    h, w = (height - kernel[0]) // stride[0] + 1, (width - kernel[1]) // stride[1] + 1
    a, b, c, d = maps.stride()
    patches = maps.as_strided((n, h, w, *kernel, channels), (a, b * stride[0], c * stride[1], b, c, d))
    return patches.reshape(n * h * w, -1)


def _small_matrix(weight: Tensor) -> Tensor:
    return weight.permute(0, 2, 3, 1).flatten(1)


def _big_matrix(weight: Tensor) -> Tensor:
    return weight.permute(2, 3, 1, 0).flatten(0, 2)


def small_as_product(big: Tensor, weight: Tensor, bias: Optional[Tensor], stride: Pair, pad: Pair) -> Tensor:
    """`small` as one matrix product over the patches of `big`."""
    return _small_by(big, _small_matrix(weight), bias, (weight.shape[2], weight.shape[3]), stride, pad)


def _small_by(big: Tensor, matrix: Tensor, bias: Optional[Tensor], kernel: Pair, stride: Pair, pad: Pair) -> Tensor:
    h, w = ((size + 2 * p - k) // s + 1 for size, p, k, s in zip(big.shape[2:], pad, kernel, stride))
    rows = linear(_patches(big, kernel, stride, pad), matrix, bias)
    return rows.view(big.shape[0], h, w, -1).permute(0, 3, 1, 2)


def big_as_product(small: Tensor, weight: Tensor, bias: Optional[Tensor], size: Pair, stride: Pair, pad: Pair) \
        -> Tensor:
    """`big`, of the given size, as one matrix product whose patches are added where they overlap."""
    return _big_by(small, _big_matrix(weight), bias, (weight.shape[2], weight.shape[3]), size, stride, pad)


def _big_by(small: Tensor, matrix: Tensor, bias: Optional[Tensor], kernel: Pair, size: tuple[int, ...], stride: Pair,
            pad: Pair) -> Tensor:
    (n, _, h, w), (kh, kw) = small.shape, kernel
    patches = linear(_rows(small), matrix).view(n, h, w, kh, kw, -1)
    channels = patches.shape[-1]
    if h == w == 1 and (kh, kw) == size and pad == (0, 0):
        big = patches.view(n, kh, kw, channels)
    else:
        padded = patches.new_zeros(n, size[0] + 2 * pad[0], size[1] + 2 * pad[1], channels)
        for i in range(kh):
            for j in range(kw):
                padded[:, i:i + stride[0] * h:stride[0], j:j + stride[1] * w:stride[1]] += patches[:, :, :, i, j]
        big = padded[:, pad[0]:pad[0] + size[0], pad[1]:pad[1] + size[1]]
    return _dense(big, bias)


def big_in_phases(small: Tensor, weight: Tensor, bias: Optional[Tensor], size: Pair, stride: Pair, pad: Pair) -> Tensor:
    """`big` by a convolution of stride 1 that gives all that lies between two places of `small` as channels.

    For a kernel that is a multiple of the stride. It fills a processor's vectors where `big` has few channels.
    """
    (a, b), channels = stride, weight.shape[1]
    (r, t) = taps = weight.shape[2] // a, weight.shape[3] // b
    phases = weight.reshape(-1, channels, r, a, t, b).permute(3, 5, 1, 0, 2, 4).flip(-1, -2)
    maps = F.conv2d(small, phases.reshape(a * b * channels, -1, *taps), padding=(r - 1, t - 1)).permute(0, 2, 3, 1)
    n, h, w, _ = maps.shape
    big = maps.reshape(n, h, w, a, b, channels).transpose(2, 3).reshape(n, h * a, w * b, channels)
    below, beside = max(0, pad[0] + size[0] - h * a), max(0, pad[1] + size[1] - w * b)
    if below or beside:                                    # beyond the last place there is nothing
        big = F.pad(big, (0, 0, 0, beside, 0, below))
    return _dense(big[:, pad[0]:pad[0] + size[0], pad[1]:pad[1] + size[1]], bias)


def _dense(maps: Tensor, bias: Optional[Tensor]) -> Tensor:
    """(N, H, W, C) -> (N, C, H, W), with a bias; what follows is much slower over maps with gaps in memory."""
    return (maps.contiguous() if bias is None else maps + bias).permute(0, 3, 1, 2)


def weight_as_product(big: Tensor, small: Tensor, kernel: Pair, stride: Pair, pad: Pair) -> Tensor:
    """The gradient of the weight, from `big` and `small` of which one is a gradient, as one matrix product."""
    rows = linear(_rows(small).t(), _patches(big, kernel, stride, pad).t())
    return rows.view(small.shape[1], *kernel, -1).permute(0, 3, 1, 2)


# --- weights that are kept ready --------------------------------------------------------------------------------------

#: A parameter, or a copy of it; and its version, or None for a copy.
_Sight = tuple[Optional[Tensor], Optional[int]]


class Kept:
    """A way whose parameters are prepared once, for programs without gradients, and again when one has changed.

    That is seen by its version while its memory is private, and otherwise by its bytes, so that it does not matter who
    has written them, and how.

    Parameters
    ----------
    name : str
        What programs that are printed call it.
    prepare : callable
        Makes of a weight and a bias, or ``None``, what `compute` takes in their place.
    compute : callable
        Computes maps of others and what has been prepared.
    """

    def __init__(self, name: str, prepare: Callable[..., tuple[Any, ...]], compute: Callable[..., Tensor]) -> None:
        self.__name__, self._prepare, self._compute = name, prepare, compute
        self._kept: tuple[list[_Sight], tuple[Any, ...]] = [], ()      # exchanged as one: threads may share programs

    def __call__(self, maps: Tensor, *parameters: Optional[Tensor]) -> Tensor:
        """The maps that they give."""
        seen, ready = self._kept
        if not (seen and all(map(_is_seen, parameters, seen))):
            seen = [_sight(parameter) for parameter in parameters]
            ready = self._prepare(*parameters)
            self._kept = seen, ready
        return self._compute(maps, *ready)

    def normalised(self, axis: int, eps: float) -> "Kept":
        """The same with batch normalisation after it, by gamma, beta, mean and variance, which are parameters too.

        Parameters
        ----------
        axis : int
            That of the weight along which the channels of the result lie.
        eps : float
            Is added to the variance.
        """
        def prepare(weight: Tensor, bias: Optional[Tensor], gamma: Optional[Tensor], beta: Tensor, mean: Tensor,
                    var: Tensor) -> tuple[Any, ...]:
            scale = (var + eps).rsqrt() * (1 if gamma is None else gamma)
            shape = [-1 if k == axis else 1 for k in range(4)]
            return self._prepare(weight * scale.view(shape), beta + ((0 if bias is None else bias) - mean) * scale)
        return Kept(f"{self.__name__}_normalised", prepare, self._compute)


def _sight(parameter: Optional[Tensor]) -> _Sight:
    """What a parameter is recognised by: itself and its version while it is private, else a copy."""
    if parameter is None or not storage.is_private(parameter):
        return parameter if parameter is None else parameter.clone(), None
    return parameter, parameter._version


def _is_seen(parameter: Optional[Tensor], seen: _Sight) -> bool:
    """Whether a parameter is what it was."""
    before, version = seen
    if parameter is None or before is None:
        return parameter is before
    if version is None or not storage.is_private(parameter):
        return version is None and same_bytes(before, parameter)
    return before is parameter and version == parameter._version


def kept(name: str, compute: Callable[..., Tensor], prepare: Callable[[Tensor], Any] = lambda weight: weight) -> Kept:
    """A way over (maps, what `prepare` makes of the weight, bias)."""
    return Kept(name, lambda weight, bias: (prepare(weight), None if bias is None else bias.clone()), compute)


def kept_product(big: Optional[tuple[int, ...]], kernel: Pair, stride: Pair, pad: Pair) -> Kept:
    """:func:`big_as_product` to a size `big`, or :func:`small_as_product`."""
    if big is None:
        return kept("kept_product", lambda maps, matrix, bias: _small_by(maps, matrix, bias, kernel, stride, pad),
                    _small_matrix)
    return kept("kept_product", lambda maps, matrix, bias: _big_by(maps, matrix, bias, kernel, big, stride, pad),
                _big_matrix)


def has_packed(dtype: torch.dtype) -> bool:
    """Whether :func:`packed` is there for a dtype."""
    needed = "_reorder_convolution_weight", "_reorder_convolution_transpose_weight", "_convolution_pointwise", \
        "_convolution_transpose_pointwise"
    return dtype is torch.float32 and _pointwise is not None and all(hasattr(torch.ops.mkldnn, n) for n in needed)


def packed(shape: tuple[int, ...], big: Optional[tuple[int, ...]], kernel: Pair, stride: Pair, pad: Pair,
           activation: tuple[str, list[float]] = ("none", [])) -> Kept:
    """oneDNN's convolution of maps of this shape, to `small` or to a size `big`, and an activation in the same pass.

    Its weight is in oneDNN's own layout, which takes as long as small convolutions where it is made at every call. The
    activation is by oneDNN's name, and its constants.
    """
    mkldnn, settings = torch.ops.mkldnn, (stride, (1, 1), 1)
    after = *activation, ""
    if big is None:
        return kept("packed", lambda maps, ready, bias: mkldnn._convolution_pointwise(maps, ready, bias, pad, *settings,
                                                                                      *after),
                    lambda weight: mkldnn._reorder_convolution_weight(weight, pad, *settings, shape))
    more = pad, [b - (s - 1) * t + 2 * p - k for b, s, t, p, k in zip(big, shape[2:], stride, pad, kernel)], *settings
    return kept("packed", lambda maps, ready, bias: mkldnn._convolution_transpose_pointwise(maps, ready, bias, *more,
                                                                                            *after),
                lambda weight: mkldnn._reorder_convolution_transpose_weight(weight, *more, shape))
