"""``mx.gan.latents``: what a generator makes samples of: noise, ways between its points, and classes beside it.

Latents have shape (N, Z), or (N, Z, 1, 1) for networks that begin with a convolution. They are drawn with the generator
of ``mx.random``, so that its seed repeats them.
"""
from __future__ import annotations

import math
from typing import Any, Callable, Optional, Sequence, Union

import torch
from torch import Tensor

from ..base import InputError, ShapeError, require, to_torch_dtype
from ..context import Context
from ..ndarray import NDArray
from ..ndarray import random as draws
from ..ndarray.creation import as_context
from ..ndarray.ndarray import as_tensor

__all__ = ["gaussian", "uniform", "spherical", "truncated_gaussian", "towards_mean", "lerp", "slerp", "path", "loop",
           "grid", "one_hot", "with_classes"]

Way = Callable[[NDArray, NDArray, Any], NDArray]
AnyContext = Union[Context, str, None]


# --- noise -------------------------------------------------------------------------------------------------------

def gaussian(shape: Sequence[int], ctx: AnyContext = None, dtype: Any = None) -> NDArray:
    """Independent numbers of mean 0 and standard deviation 1.

    Parameters
    ----------
    shape : tuple of int
        Such as (N, Z) or (N, Z, 1, 1).
    ctx : Context, optional
        Where to draw; the current context by default.
    dtype : str or type, optional
        float32 by default.

    >>> gaussian((2, 100, 1, 1)).shape
    (2, 100, 1, 1)
    """
    return draws.normal(0, 1, shape=shape, dtype=dtype, ctx=ctx)


def uniform(shape: Sequence[int], low: float = -1.0, high: float = 1.0, ctx: AnyContext = None,
            dtype: Any = None) -> NDArray:
    """Independent numbers, even in [low, high); see :func:`gaussian`."""
    require(low < high, f"uniform(): low < high must hold, got {low} and {high}", InputError)
    return draws.uniform(low, high, shape=shape, dtype=dtype, ctx=ctx)


def spherical(shape: Sequence[int], radius: float = 1.0, ctx: AnyContext = None, dtype: Any = None) -> NDArray:
    """Points of a sphere in Z dimensions, none likelier than another; see :func:`gaussian`.

    Parameters
    ----------
    shape, ctx, dtype
        As for :func:`gaussian`; the axes after the first are the Z dimensions.
    radius : float
        Its radius. Gaussian points lie close to a radius of ``Z ** 0.5``.

    >>> round(float(spherical((1, 50), radius=3).norm().asscalar()), 5)
    3.0
    """
    require(radius > 0, f"spherical(): radius > 0 must hold, got {radius}", InputError)
    wanted, context = _floating("spherical", dtype), as_context(ctx)
    points = draws.normal(0, 1, shape=shape, dtype="float64", ctx=context).as_torch()
    return NDArray((points * (radius / _lengths(points))).to(wanted), context)


def truncated_gaussian(shape: Sequence[int], limit: float = 2.0, ctx: AnyContext = None, dtype: Any = None) -> NDArray:
    """Gaussian numbers, of which those beyond ``±limit`` are drawn again: samples are better and vary less.

    This is the truncation of BigGAN [Brock et al. 2019]; StyleGAN's is :func:`towards_mean`.

    Parameters
    ----------
    shape, ctx, dtype
        As for :func:`gaussian`.
    limit : float
        The largest magnitude, above 0. However small it is, this takes no longer: the numbers come from the inverse of
        the truncated distribution.

    >>> abs(truncated_gaussian((100, 10), limit=0.5).asnumpy()).max() <= 0.5
    np.True_
    """
    require(limit > 0, f"truncated_gaussian(): limit > 0 must hold, got {limit}", InputError)
    wanted, context = _floating("truncated_gaussian", dtype), as_context(ctx)
    share = math.erf(limit / math.sqrt(2))                 # of the distribution that lies within the limit
    even = draws.uniform(-1, 1, shape=shape, dtype="float64", ctx=context).as_torch()
    numbers = torch.erfinv(even * share) * math.sqrt(2)
    return NDArray(numbers.clamp(-limit, limit).to(wanted), context)


def towards_mean(latents: NDArray, psi: float, mean: Optional[NDArray] = None) -> NDArray:
    """Latents moved towards their mean: ``mean + psi * (latents - mean)`` [Karras et al. 2019].

    Parameters
    ----------
    latents : NDArray
        (N, Z, ...), of any distribution.
    psi : float
        What remains of the distance: 1 is as they were, 0 the mean for all.
    mean : NDArray, optional
        (Z, ...) or (1, Z, ...), such as the mean of many mapped latents; 0 by default.

    >>> from ganmod import nd
    >>> towards_mean(nd.array([[4, 8]]), 0.5, nd.array([2, 2])).asnumpy().tolist()
    [[3.0, 5.0]]
    """
    points = _points("towards_mean", latents)
    centre = torch.zeros_like(points[:1]) if mean is None else as_tensor(mean, points).to(points.dtype)
    require(centre.numel() == points[0].numel(), f"towards_mean(): a mean of shape {tuple(centre.shape)} for latents "
            f"of shape {latents.shape}", ShapeError)
    return NDArray(torch.lerp(centre.reshape(points[:1].shape).expand_as(points), points, psi), latents.context)


# --- between two points ------------------------------------------------------------------------------------------

def lerp(start: NDArray, end: NDArray, share: Any) -> NDArray:
    """Points on the straight line from `start` to `end`.

    Parameters
    ----------
    start, end : NDArray
        (N, Z, ...); one of them may have N = 1 and then serves for all.
    share : float or array
        How far to go, 0 at the start and 1 at the end: one for all, or one for each point (N,); with N = 1, any number
        of points is made of the two.

    Returns
    -------
    NDArray
        (N, Z, ...), of the dtype and on the context of `start`.

    >>> from ganmod import nd
    >>> lerp(nd.array([[0, 0]]), nd.array([[2, 4]]), [0, 0.5, 1]).asnumpy().tolist()
    [[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]]
    """
    a, b, t = _ends("lerp", start, end, share)
    return NDArray(torch.lerp(a, b, t).to(start.as_torch().dtype), start.context)


def slerp(start: NDArray, end: NDArray, share: Any) -> NDArray:
    """Points on the way from `start` to `end` that turns evenly about 0, and whose length changes evenly.

    For ends of equal lengths this is spherical interpolation [Shoemake 1985], on which Gaussian and spherical latents
    keep their lengths. Between opposite ends one of the many ways is taken, always the same; where an end is 0, the
    straight line.

    Parameters
    ----------
    start, end, share
        As for :func:`lerp`.

    >>> from ganmod import nd
    >>> slerp(nd.array([[1, 0]]), nd.array([[0, 1]]), 0.5).asnumpy().round(3)
    array([[0.707, 0.707]], dtype=float32)
    """
    a, b, t = _ends("slerp", start, end, share)
    length_a, length_b = _lengths(a), _lengths(b)
    straight = (length_a == 0) | (length_b == 0)
    u, v = a / length_a.where(~straight, 1), b / length_b.where(~straight, 1)
    cosine = (u * v).flatten(1).sum(1).reshape(length_a.shape)
    across = v - cosine * u                                # what of the end's direction is at right angles to the start
    sine = _lengths(across)
    angle = torch.atan2(sine, cosine)
    aside = torch.where(sine > 1e-9, across / sine.clamp(min=1e-9), _perpendicular(u))
    turned = torch.cos(angle * t) * u + torch.sin(angle * t) * aside
    points = torch.where(straight, torch.lerp(a, b, t), torch.lerp(length_a, length_b, t) * turned)
    return NDArray(points.to(start.as_torch().dtype), start.context)


# --- along several points ----------------------------------------------------------------------------------------

def path(points: NDArray, frames: int, way: Way = slerp) -> NDArray:
    """A way along points, from the first to the last.

    Parameters
    ----------
    points : NDArray
        (K, Z, ...) with K of 2 or more.
    frames : int
        How many latents to give, 2 or more; they are evenly spaced, each way between two points taking the same time.
    way : callable
        :func:`slerp`, :func:`lerp` or another function of two points and shares.

    Returns
    -------
    NDArray
        (frames, Z, ...)

    >>> from ganmod import nd
    >>> path(nd.array([[0], [2], [6]]), 5, lerp).asnumpy().ravel().tolist()
    [0.0, 1.0, 2.0, 4.0, 6.0]
    """
    count = len(_points("path", points))
    require(count >= 2, f"path(): it takes 2 points or more, got {count}", ShapeError)
    require(isinstance(frames, int) and frames >= 2, f"path(): frames must be 2 or more, got {frames!r}", InputError)
    at = torch.linspace(0, count - 1, frames, dtype=torch.float64)
    return _along(points, at, way)


def loop(points: NDArray, frames: int, way: Way = slerp) -> NDArray:
    """A closed way along points, whose next frame would be its first again: it can be shown over and over.

    Parameters
    ----------
    points, way
        As for :func:`path`.
    frames : int
        How many latents to give, 1 or more; the first is the first point.

    >>> from ganmod import nd
    >>> loop(nd.array([[0], [2]]), 4, lerp).asnumpy().ravel().tolist()
    [0.0, 1.0, 2.0, 1.0]
    """
    count = len(_points("loop", points))
    require(count >= 2, f"loop(): it takes 2 points or more, got {count}", ShapeError)
    require(isinstance(frames, int) and frames >= 1, f"loop(): frames must be 1 or more, got {frames!r}", InputError)
    return _along(points, torch.arange(frames, dtype=torch.float64) * count / frames, way)


def grid(corners: NDArray, rows: int, columns: int, way: Way = slerp) -> NDArray:
    """Points of the surface between four corners, row by row.

    Parameters
    ----------
    corners : NDArray
        (4, Z, ...): top left, top right, bottom left, bottom right.
    rows, columns : int
        2 or more.
    way : callable
        As for :func:`path`.

    Returns
    -------
    NDArray
        (rows * columns, Z, ...)

    >>> from ganmod import nd
    >>> grid(nd.array([[0], [2], [4], [6]]), 3, 2, lerp).asnumpy().ravel().tolist()
    [0.0, 2.0, 2.0, 4.0, 4.0, 6.0]
    """
    count = len(_points("grid", corners))
    require(count == 4, f"grid(): it takes 4 corners, got {count}", ShapeError)
    tensor = corners.as_torch()
    left = path(NDArray(tensor[0::2], corners.context), rows, way)
    right = path(NDArray(tensor[1::2], corners.context), rows, way)
    made = [path(NDArray(torch.stack(pair), corners.context), columns, way).as_torch()
            for pair in zip(left.as_torch(), right.as_torch())]
    return NDArray(torch.cat(made), corners.context)


# --- classes beside the noise ------------------------------------------------------------------------------------

def one_hot(labels: Any, classes: int, size: Optional[Sequence[int]] = None, ctx: AnyContext = None,
            dtype: Any = None) -> NDArray:
    """Numbers of classes as vectors of 0 with a single 1, or as planes for convolutions.

    Parameters
    ----------
    labels : NDArray or array
        (N,) of whole numbers from 0 to ``classes - 1``.
    classes : int
        K, how many there are.
    size : (int, int), optional
        Height and width of planes.
    ctx, dtype
        As for :func:`gaussian`; the context is that of `labels` where they are an NDArray.

    Returns
    -------
    NDArray
        (N, K), or (N, K, height, width).

    Raises
    ------
    InputError
        For a label that is no class.

    >>> one_hot([1, 0], 3).asnumpy().tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """
    context = labels.context if ctx is None and isinstance(labels, NDArray) else as_context(ctx)
    numbers = as_tensor(labels, torch.empty(0, device=context.device)).reshape(-1)
    fits = ((numbers == numbers.long()) & (numbers >= 0) & (numbers < classes)).all()
    require(fits, f"one_hot(): labels must be whole numbers from 0 to {classes - 1}, got {numbers.tolist()!r:.60}",
            InputError)
    vectors = torch.nn.functional.one_hot(numbers.long(), classes).to(to_torch_dtype(dtype))
    if size is not None:
        vectors = vectors[:, :, None, None].expand(-1, -1, *size).contiguous()
    return NDArray(vectors, context)


def with_classes(data: NDArray, labels: Any, classes: int) -> NDArray:
    """Latents, or images, with their classes in further channels: for the two networks of a conditional GAN.

    Shapes: data (N, Z), labels (N,) -> (N, Z + classes); data (N, C, h, w) -> (N, C + classes, h, w), with planes.

    >>> from ganmod import nd
    >>> with_classes(nd.array([[7, 8]]), [1], 2).asnumpy().tolist()
    [[7.0, 8.0, 0.0, 1.0]]
    """
    tensor = _points("with_classes", data)
    require(tensor.dim() in (2, 4), f"with_classes(): expected (N, Z) or (N, C, h, w), got {data.shape}", ShapeError)
    vectors = one_hot(labels, classes, tensor.shape[2:] or None, data.context, tensor.dtype).as_torch()
    require(len(vectors) == len(tensor), f"with_classes(): {len(vectors)} labels for {len(tensor)} samples", ShapeError)
    return NDArray(torch.cat([tensor, vectors], 1), data.context)


# --- details -----------------------------------------------------------------------------------------------------

def _points(call: str, array: Any) -> Tensor:
    require(isinstance(array, NDArray), f"{call}() takes NDArrays, got {type(array).__name__}", InputError)
    tensor: Tensor = array.as_torch()
    require(tensor.dim() >= 2 and tensor.is_floating_point(),
            f"{call}(): expected floats of shape (N, Z, ...), got {tensor.dtype} of shape {array.shape}", ShapeError)
    return tensor


def _floating(call: str, dtype: Any) -> torch.dtype:
    wanted = to_torch_dtype(dtype)
    require(wanted.is_floating_point, f"{call}(): dtype must be one of floats, got {dtype!r}", InputError)
    return wanted


def _lengths(points: Tensor) -> Tensor:
    """The norm of each point, of a shape to multiply it with. [N, 1, ...]"""
    return torch.linalg.vector_norm(points.flatten(1), dim=1).reshape(-1, *[1] * (points.dim() - 1))


def _ends(call: str, start: NDArray, end: NDArray, share: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Both ends and the shares in float64, of equal numbers of points."""
    a, b = _points(call, start).double(), _points(call, end).to(start.as_torch().device).double()
    t = as_tensor(share, a).double().reshape(-1, *[1] * (a.dim() - 1))
    counts = {len(x) for x in (a, b, t)} - {1}
    require(a.shape[1:] == b.shape[1:] and len(counts) <= 1,
            f"{call}(): from shape {start.shape} to {end.shape} with {len(t)} shares", ShapeError)
    count = max(counts, default=1)
    return a.expand(count, *a.shape[1:]), b.expand(count, *b.shape[1:]), t.expand(count, *t.shape[1:])


def _perpendicular(unit: Tensor) -> Tensor:
    """A direction at right angles to each one: that of the axis it has least of. In one dimension there is none: 0."""
    flat = unit.flatten(1)
    axis = torch.nn.functional.one_hot(flat.abs().argmin(1), flat.shape[1]).to(flat.dtype)
    across = axis - (axis * flat).sum(1, keepdim=True) * flat
    length = torch.linalg.vector_norm(across, dim=1, keepdim=True)
    return (across / length.clamp(min=1e-9)).reshape(unit.shape)


def _along(points: NDArray, at: Tensor, way: Way) -> NDArray:
    """The latents at places 0 to K of a closed way along K points."""
    tensor = points.as_torch()
    before = at.long()
    start, end = (NDArray(tensor[place % len(tensor)], points.context) for place in (before, before + 1))
    return way(start, end, NDArray((at - before).to(tensor.device)))
