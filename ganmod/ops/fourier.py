"""Fourier transforms and count sketches, of the last axis; MXNet has them on GPUs only."""
from __future__ import annotations

import torch
from torch import Tensor

from .registry import Index, operator

__all__: list[str] = []


@operator("_contrib_fft")
def fft(data: Tensor, *, compute_size: int = 128) -> Tensor:
    """The Fourier transform of the last axis: ``sum_k data_k exp(-2 pi i j k / D)``, real and imaginary parts in turn.

    compute_size, how many transforms MXNet makes at once, has no effect.

    Shapes: data (..., D) -> (..., 2 D).

    >>> import ganmod as mx
    >>> mx.nd.contrib.fft(mx.nd.array([[1, 2]])).asnumpy().tolist()
    [[3.0, 0.0, -1.0, 0.0]]
    """
    return torch.view_as_real(torch.fft.fft(data)).flatten(-2)


@fft.shapes
def _(p, s):
    if s.data:
        s.output = (*s.data[:-1], 2 * s.data[-1])
    if s.output:
        s.data = (*s.output[:-1], s.output[-1] // 2)


@operator("_contrib_ifft")
def ifft(data: Tensor, *, compute_size: int = 128) -> Tensor:
    """The real part of ``sum_k data_k exp(2 pi i j k / D)``, not divided by D, of complex numbers as :func:`fft` makes
    them.

    compute_size, how many transforms MXNet makes at once, has no effect.

    Shapes: data (..., 2 D) -> (..., D).

    >>> import ganmod as mx
    >>> mx.nd.contrib.ifft(mx.nd.array([[3, 0, -1, 0]])).asnumpy().tolist()
    [[2.0, 4.0]]
    """
    pairs = data.unflatten(-1, (-1, 2)).contiguous()
    return torch.fft.ifft(torch.view_as_complex(pairs), norm="forward").real.contiguous()


@ifft.shapes
def _(p, s):
    if s.data:
        if s.data[-1] % 2:
            raise ValueError(f"the last axis of {s.data} must hold real and imaginary parts, an even number")
        s.output = (*s.data[:-1], s.data[-1] // 2)
    if s.output:
        s.data = (*s.output[:-1], 2 * s.output[-1])


@operator("_contrib_count_sketch")
def count_sketch(data: Tensor, h: Index, s: Tensor, *, out_dim: int, processing_batch_size: int = 32) -> Tensor:
    """Each element of the last axis, times its sign `s`, added up at its place `h` [Charikar et al. 2002].

    Shapes: data (..., D), h (1, D) or (D,), whole numbers from 0 to out_dim - 1, s as h, of 1 and -1 -> (..., out_dim).

    out_dim is the number of places; processing_batch_size, how much MXNet works on at once, has no effect. `h` and `s`
    have no gradient.

    >>> import ganmod as mx
    >>> mx.nd.contrib.count_sketch(mx.nd.array([[1, 2, 4]]), mx.nd.array([[0, 1, 0]]), mx.nd.array([[1, -1, -1]]),
    ...                            out_dim=2).asnumpy().tolist()
    [[-3.0, -2.0]]
    """
    made = data.new_zeros((*data.shape[:-1], out_dim))
    return made.index_add(-1, h.detach().reshape(-1).long(), data * s.detach().reshape(-1))


@count_sketch.shapes
def _(p, s):
    if s.data:
        if s.h is None:
            s.h = (1, s.data[-1])
        if s.s is None:
            s.s = s.h
        s.output = (*s.data[:-1], p.out_dim)
    if s.output:
        s.data = (*s.output[:-1], 0)


@count_sketch.dtypes
def _(p, types):
    types["data"] = types["s"] = types["output"] = types["data"] or types["s"] or types["output"]
    types["h"] = types["h"] or types["data"]
