"""Functions of ``mx.nd`` beside the operators: joining, moving axes, counting."""
from __future__ import annotations

from typing import Optional, Sequence, Union

import torch

from ..base import InputError, ShapeError, dtype_name, require
from ..ops import registry as ops
from .ndarray import NDArray, invoke

__all__ = ["concatenate", "histogram", "moveaxis", "onehot_encode"]

Axes = Union[int, Sequence[int]]


def concatenate(arrays: Sequence[NDArray], axis: int = 0, always_copy: bool = True) -> NDArray:
    """The arrays joined along an axis; without `always_copy`, a single one is returned as it is.

    >>> import ganmod as mx
    >>> concatenate([mx.nd.ones((1, 2)), mx.nd.zeros((2, 2))]).shape
    (3, 2)
    """
    if not arrays or not all(isinstance(a, NDArray) for a in arrays):
        raise InputError(f"concatenate() needs a list of NDArrays, got {arrays!r:.80}")
    first = arrays[0]
    if len(arrays) == 1 and not always_copy:
        return first
    kinds = {dtype_name(a.as_torch().dtype) for a in arrays}
    require(len(kinds) == 1, f"concatenate() needs arrays of one dtype, got {', '.join(sorted(kinds))}", InputError)
    try:
        joined = torch.cat([a.as_torch().to(first.as_torch().device) for a in arrays], axis)
    except (RuntimeError, IndexError) as error:
        raise ShapeError(f"concatenate() along axis {axis}: the shapes {', '.join(str(a.shape) for a in arrays)} "
                         f"do not fit: {error}") from None
    return NDArray(joined.contiguous(), first.context)


def moveaxis(tensor: NDArray, source: Axes, destination: Axes) -> NDArray:
    """A copy whose axes `source` are now at `destination`; the others keep their order.

    >>> import ganmod as mx
    >>> moveaxis(mx.nd.zeros((2, 3, 4)), 0, 2).shape
    (3, 4, 2)
    """
    try:
        moved = torch.movedim(tensor.as_torch(), source, destination)  # type: ignore[arg-type]
    except (RuntimeError, IndexError) as error:
        raise ShapeError(f"moveaxis(): from {source} to {destination} with shape {tensor.shape}: {error}") from None
    return NDArray(moved.clone(memory_format=torch.contiguous_format), tensor.context)


def onehot_encode(indices: NDArray, out: NDArray) -> NDArray:
    """Write into the rows of `out` (n, k) a one at the place that `indices` (n,) names, and zeros elsewhere.

    >>> import ganmod as mx
    >>> onehot_encode(mx.nd.array([0, 2]), mx.nd.zeros((2, 3))).asnumpy().tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    where = indices.as_torch().long()
    if out.ndim != 2 or where.shape != (out.shape[0],):
        raise ShapeError(f"onehot_encode() takes indices (n,) and out (n, k), got {indices.shape} and {out.shape}")
    places = torch.arange(out.shape[1], device=where.device)
    out.as_torch().copy_(where[:, None] == places)
    return out


def histogram(a: NDArray, bins: Union[int, NDArray] = 10,
              range: Optional[tuple[float, float]] = None) -> list[NDArray]:
    """How many elements fall in each bin, and the edges of the bins.

    Parameters
    ----------
    a : NDArray
        The elements, of any shape.
    bins : int or NDArray
        How many bins of one width, or the edges of all, ascending. The last bin includes its right edge.
    range : (float, float), optional
        The lowest and highest edge for a number of bins; those of the elements by default, and the counts are then
        float32 as in MXNet, else int64.

    >>> import ganmod as mx
    >>> counts, edges = histogram(mx.nd.array([1, 2, 2, 5]), bins=2, range=(1, 5))
    >>> counts.asnumpy().tolist(), edges.asnumpy().tolist()
    ([3, 1], [1.0, 3.0, 5.0])
    """
    if isinstance(bins, NDArray):
        return invoke(ops.find("_histogram"), [a, bins], {})
    require(isinstance(bins, int), f"histogram(): bins must be an int or an NDArray, got {bins!r:.60}", InputError)
    ends = range or (float(a.min().asscalar()), float(a.max().asscalar()))
    counts, edges = invoke(ops.find("_histogram"), [a], {"bin_cnt": bins, "range": ends})
    return [counts, edges] if range else [counts.astype("float32"), edges.astype("float32")]
