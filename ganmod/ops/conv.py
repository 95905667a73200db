"""Convolution and transposed convolution, in one, two and three dimensions."""
from __future__ import annotations

from typing import Callable, Literal, Optional, Sequence

import torch.nn.functional as F
from torch import Tensor

from .attributes import Shape
from .registry import Params, operator
from .shapes import ShapeTable, transposed_window, window

__all__ = ["convolution", "deconvolution", "spatial_defaults", "to_channels_first", "from_channels_first"]

Layout = Optional[Literal["NCW", "NCHW", "NCDHW", "NWC", "NHWC", "NDHWC"]]
Tune = Optional[Literal["off", "limited_workspace", "fastest"]]

_CONVOLUTIONS: dict[int, Callable[..., Tensor]] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED: dict[int, Callable[..., Tensor]] = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def channels_last(layout: Optional[str]) -> bool:
    """Whether the layout has its channels in the last axis."""
    return layout is not None and layout.endswith("C")


def to_channels_first(data: Tensor, layout: Optional[str]) -> Tensor:
    """`data` with the channels in axis 1; a view."""
    return data.movedim(-1, 1) if channels_last(layout) else data


def from_channels_first(data: Tensor, layout: Optional[str]) -> Tensor:
    """The inverse of :func:`to_channels_first`."""
    return data.movedim(1, -1) if channels_last(layout) else data


def spatial_defaults(p: Params) -> None:
    """Fill the windows' settings that were not given: stride and dilation 1, padding and adjustment 0 per axis."""
    axes = len(p.kernel)
    if not 1 <= axes <= 3:
        raise ValueError(f"kernel {p.kernel} must have 1, 2 or 3 sizes")
    for name, filler in (("stride", 1), ("dilate", 1), ("pad", 0), ("adj", 0)):
        if hasattr(p, name):
            given = getattr(p, name)
            if given and len(given) != axes:
                raise ValueError(f"{name} {given} must have as many values as kernel {p.kernel}")
            setattr(p, name, given or (filler,) * axes)


def _spatial(shape: Sequence[int], layout: Optional[str]) -> tuple[int, ...]:
    return tuple(shape[1:-1] if channels_last(layout) else shape[2:])


def _channels(shape: Sequence[int], layout: Optional[str]) -> int:
    return shape[-1] if channels_last(layout) else shape[1]


def _shape(batch: int, channels: int, spatial: Sequence[int], layout: Optional[str]) -> tuple[int, ...]:
    return (batch, *spatial, channels) if channels_last(layout) else (batch, channels, *spatial)


def _check_axes(p: Params, s: ShapeTable) -> None:
    for name in ("data", "output"):
        shape = s[name]
        if shape and len(shape) != len(p.kernel) + 2:
            raise ValueError(f"{name} {shape} must have {len(p.kernel) + 2} axes for a kernel of {len(p.kernel)}")


def _share_of_groups(p: Params, channels: int, what: str) -> int:
    if channels % p.num_group:
        raise ValueError(f"{what} {channels} cannot be divided into num_group={p.num_group} groups")
    return channels // p.num_group


@operator("Convolution", present={"bias": lambda p: not p.no_bias}, resolve=spatial_defaults)
def convolution(data: Tensor, weight: Tensor, bias: Optional[Tensor] = None, *, kernel: Shape, stride: Shape = (),
                dilate: Shape = (), pad: Shape = (), num_filter: int, num_group: int = 1, workspace: int = 1024,
                no_bias: bool = False, cudnn_tune: Tune = None, cudnn_off: bool = False,
                layout: Layout = None) -> Tensor:
    """Convolution (cross-correlation) with a kernel of one, two or three axes.

    Shapes, for two axes: data (N, C, H, W), weight (num_filter, C / num_group, kH, kW), bias (num_filter,) ->
    (N, num_filter, H', W') with H' = floor((H + 2 pad - dilate (kH - 1) - 1) / stride) + 1. With a layout that ends in
    C the channels are the last axis of data, weight and output.

    Attributes: kernel, stride (1), dilate (1) and pad (0) in pixels per axis; num_group splits the channels. workspace,
    cudnn_tune and cudnn_off are accepted and have no effect.

    >>> import ganmod as mx
    >>> mx.nd.Convolution(mx.nd.ones((1, 1, 3, 3)), mx.nd.ones((1, 1, 3, 3)), kernel=(3, 3), num_filter=1,
    ...                   no_bias=True).asnumpy().tolist()
    [[[[9.0]]]]
    """
    out = _CONVOLUTIONS[len(kernel)](to_channels_first(data, layout), to_channels_first(weight, layout), bias, stride,
                                     pad, dilate, num_group)
    return from_channels_first(out, layout)


@convolution.shapes
def _(p, s):
    _check_axes(p, s)
    out_share = _share_of_groups(p, p.num_filter, "num_filter")
    assert out_share
    if s.data:
        share = _share_of_groups(p, _channels(s.data, p.layout), "the number of channels")
        s.weight = _shape(p.num_filter, share, p.kernel, p.layout)
        sizes = [window(*z) for z in zip(_spatial(s.data, p.layout), p.kernel, p.stride, p.pad, p.dilate)]
        s.output = _shape(s.data[0], p.num_filter, sizes, p.layout)
    if s.output and s.data:                                # with stride 1 the input's sizes follow from the output's
        sizes = [o + d * (k - 1) - 2 * q if o and t == 1 else 0 for o, k, t, q, d in
                 zip(_spatial(s.output, p.layout), p.kernel, p.stride, p.pad, p.dilate)]
        s.data = _shape(s.output[0], 0, sizes, p.layout)
    if not p.no_bias:
        s.bias = (p.num_filter,)


@operator("Convolution_v1", present={"bias": lambda p: not p.no_bias}, resolve=spatial_defaults)
def convolution_v1(data: Tensor, weight: Tensor, bias: Optional[Tensor] = None, *, kernel: Shape, stride: Shape = (),
                   dilate: Shape = (), pad: Shape = (), num_filter: int, num_group: int = 1, workspace: int = 1024,
                   no_bias: bool = False, cudnn_tune: Tune = None, cudnn_off: bool = False,
                   layout: Layout = None) -> Tensor:
    """The first version of :func:`Convolution`, which old files name; the shapes and numbers are the same."""
    return convolution.function(data, weight, bias, kernel=kernel, stride=stride, dilate=dilate, pad=pad,
                                num_filter=num_filter, num_group=num_group, layout=layout)


assert convolution.shape_rule is not None
convolution_v1.shapes(convolution.shape_rule)


def _adjusted(p: Params, sizes: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Padding and output adjustment per axis; with target_shape they are chosen to reach it."""
    if not any(p.target_shape):
        return p.pad, p.adj
    pads, adjustments = [], []
    for size, target, k, t, d in zip(sizes, p.target_shape, p.kernel, p.stride, p.dilate):
        surplus = transposed_window(size, k, t, 0, d) - target
        if surplus < 0:
            raise ValueError(f"target_shape {p.target_shape} is too large for an input of {tuple(sizes)}")
        pads.append((surplus + 1) // 2)
        adjustments.append(surplus % 2)
    return tuple(pads), tuple(adjustments)


@operator("Deconvolution", present={"bias": lambda p: not p.no_bias}, resolve=spatial_defaults)
def deconvolution(data: Tensor, weight: Tensor, bias: Optional[Tensor] = None, *, kernel: Shape, stride: Shape = (),
                  dilate: Shape = (), pad: Shape = (), adj: Shape = (), target_shape: Shape = (), num_filter: int,
                  num_group: int = 1, workspace: int = 512, no_bias: bool = True, cudnn_tune: Tune = None,
                  cudnn_off: bool = False, layout: Layout = None) -> Tensor:
    """Transposed convolution: the gradient of a convolution with respect to its input, as a layer.

    Shapes, for two axes: data (N, C, H, W), weight (C, num_filter / num_group, kH, kW), bias (num_filter,) ->
    (N, num_filter, H', W') with H' = (H - 1) stride + dilate (kH - 1) + 1 - 2 pad + adj. With target_shape, pad and adj
    are chosen so that (H', W') is the target. Mind that ``no_bias`` is True by default.

    >>> import ganmod as mx
    >>> mx.nd.Deconvolution(mx.nd.ones((1, 1, 1, 1)), mx.nd.ones((1, 1, 2, 2)), kernel=(2, 2),
    ...                     num_filter=1).asnumpy().tolist()
    [[[[1.0, 1.0], [1.0, 1.0]]]]
    """
    given = to_channels_first(data, layout)
    p = Params(kernel=kernel, stride=stride, dilate=dilate, pad=pad, adj=adj, target_shape=target_shape)
    pads, adjustments = _adjusted(p, given.shape[2:])
    out = _TRANSPOSED[len(kernel)](given, to_channels_first(weight, layout), bias, stride, pads, adjustments, num_group,
                                   dilate)
    return from_channels_first(out, layout)


@deconvolution.shapes
def _(p, s):
    _check_axes(p, s)
    share = _share_of_groups(p, p.num_filter, "num_filter")
    if s.data:
        s.weight = _shape(_channels(s.data, p.layout), share, p.kernel, p.layout)
        known = _spatial(s.data, p.layout)
        if any(p.target_shape) and not all(known):
            sizes = p.target_shape
        else:
            pads, adjustments = _adjusted(p, known)
            sizes = tuple(transposed_window(*z) for z in zip(known, p.kernel, p.stride, pads, p.dilate, adjustments))
        s.output = _shape(s.data[0], p.num_filter, sizes, p.layout)
        if s.output:
            s.data = _shape(s.output[0], 0, [0] * len(p.kernel), p.layout)
    if not p.no_bias:
        s.bias = (p.num_filter,)


