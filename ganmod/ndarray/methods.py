"""The methods of arrays that differ from the operators of the same name."""
from __future__ import annotations

from typing import Any, Sequence, Union

from ..base import ShapeError, require
from ..ops import registry as ops
from .ndarray import NDArray, invoke

__all__ = ["broadcast_to", "broadcast_like", "expand_dims", "flatten", "squeeze", "slice_assign", "slice_assign_scalar"]


def broadcast_to(self: NDArray, shape: Sequence[int]) -> NDArray:
    """A copy repeated along axes of size 1 up to `shape`, which may have more axes, as in numpy.

    >>> import ganmod as mx
    >>> mx.nd.ones((3,)).broadcast_to((2, 3)).shape
    (2, 3)
    """
    target = tuple(shape)
    require(self.ndim <= len(target), f"broadcast_to(): cannot bring the shape {self.shape} to {target}, which has "
                                      f"fewer axes", ShapeError)
    return invoke(ops.find("broadcast_to"), [self.reshape((1,) * (len(target) - self.ndim) + self.shape)],
                  {"shape": target})


def broadcast_like(self: NDArray, other: NDArray) -> NDArray:
    """A copy repeated along axes of size 1 up to the shape of `other`."""
    return broadcast_to(self, other.shape)


def expand_dims(self: NDArray, axis: int, inplace: bool = False) -> NDArray:
    """A copy (a view with `inplace`) with a new axis of size 1 at `axis`."""
    made = invoke(ops.find("expand_dims"), [self], {"axis": axis})
    return self.reshape(made.shape) if inplace else made


def flatten(self: NDArray, inplace: bool = False) -> NDArray:
    """A copy (a view with `inplace`) with all axes but the first joined."""
    return self.reshape((0, -1)) if inplace else invoke(ops.find("Flatten"), [self], {})


def squeeze(self: NDArray, axis: Union[int, Sequence[int], None] = None, inplace: bool = False) -> NDArray:
    """A copy (a view with `inplace`) without the axes of size 1, or those of them that `axis` names."""
    made = invoke(ops.find("squeeze"), [self], {} if axis is None else {"axis": axis})
    return self.reshape(made.shape) if inplace else made


def slice_assign(self: NDArray, rhs: NDArray, begin: Any, end: Any, step: Any = ()) -> NDArray:
    """Write `rhs` into the slice from `begin` to `end`, in place; returns this array."""
    return invoke(ops.find("_slice_assign"), [self, rhs], {"begin": begin, "end": end, "step": step}, out=self)


def slice_assign_scalar(self: NDArray, value: float, begin: Any, end: Any, step: Any = ()) -> NDArray:
    """Write a number into the slice from `begin` to `end`, in place; returns this array."""
    return invoke(ops.find("_slice_assign_scalar"), [self], {"scalar": value, "begin": begin, "end": end, "step": step},
                  out=self)


for _method in (broadcast_to, broadcast_like, expand_dims, flatten, squeeze, slice_assign, slice_assign_scalar):
    setattr(NDArray, _method.__name__, _method)
