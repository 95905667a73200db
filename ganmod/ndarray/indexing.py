"""Reading and writing parts of a tensor by numpy's rules: numbers, slices of any step, None, ``...``, arrays, masks.

Only the values of a `key` are looked at here, so that the functions work on plain tensors; a caller whose own array
type may stand in a key says how to unwrap it.
"""
from __future__ import annotations

from typing import Any, Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ..base import InputError, ShapeError, integer_types

__all__ = ["read", "write", "number_for"]

Unwrap = Callable[[Any], Any]


def read(tensor: Tensor, key: Any, unwrap: Unwrap) -> Tensor:
    """``tensor[key]``: a view where the part is one stretch of memory, a copy elsewhere (as in MXNet).

    Raises
    ------
    IndexError
        For a number out of bounds, or more indices than axes.
    InputError
        For a key that is none of the kinds above.
    """
    if type(key) is int:
        return tensor[_in_bounds(key, 0, tensor.shape)]
    steps = _per_axis(key, tensor.shape, unwrap)
    part = _take(*_turned(tensor, steps))
    return part if part.is_contiguous() else part.clone(memory_format=torch.contiguous_format)


def write(tensor: Tensor, key: Any, value: Any, unwrap: Unwrap) -> None:
    """``tensor[key] = value``: `value` is a number for the tensor's dtype, or a tensor that broadcasts.

    Raises
    ------
    ShapeError
        If it does not.
    IndexError, InputError
        As :func:`read`.
    """
    steps = _per_axis(key, tensor.shape, unwrap)
    if any(isinstance(s, slice) and s.step is not None and s.step < 0 for s in steps):
        return _write_by_place(tensor, steps, value)
    if isinstance(value, Tensor):
        part = _take(tensor, steps)
        value = fitted(value, part.shape, tensor, f"[{_shown(key)}]")
    tensor[_with_arrays(steps)] = value


def _write_by_place(tensor: Tensor, steps: list[Any], value: Any) -> None:
    """Write where slices run backwards, which torch has no views for: by the places of the elements."""
    places = torch.arange(tensor.numel(), device=tensor.device).reshape(tensor.shape)
    where = _take(*_turned(places, steps))
    if isinstance(value, Tensor):
        value = fitted(value, where.shape, tensor, "the slice").expand(where.shape).reshape(-1)
    flat = tensor.reshape(-1)
    flat[where.reshape(-1)] = value
    if flat.untyped_storage().data_ptr() != tensor.untyped_storage().data_ptr():
        tensor.copy_(flat.reshape(tensor.shape))           # it was not one stretch of memory


def fitted(value: Tensor, shape: Sequence[int], target: Tensor, where: str) -> Tensor:
    """`value` ready to be written into a part of `target` of this shape: leading axes of size 1 may be too many.

    Raises
    ------
    ShapeError
        If it does not broadcast to the shape.
    """
    given = value
    while value.dim() > len(shape) and value.shape[0] == 1:
        value = value[0]
    sizes = zip(reversed(value.shape), reversed(shape))
    if value.dim() > len(shape) or not all(size in (1, wanted) for size, wanted in sizes):
        raise ShapeError(f"cannot write an array of shape {tuple(given.shape)} into {where} of an array of shape "
                         f"{tuple(target.shape)}: that part has shape {tuple(shape)}")
    if value.untyped_storage().data_ptr() == target.untyped_storage().data_ptr():
        value = value.clone()                              # the parts may overlap
    return value.to(target.dtype)


def number_for(value: Any, dtype: torch.dtype) -> Any:
    """A number as an array of `dtype` holds it: rounded towards zero and wrapped around for whole numbers.

    >>> number_for(300, torch.uint8), number_for(-1.7, torch.int32), number_for(2, torch.bool)
    (44, -1, True)
    """
    if isinstance(value, np.generic):
        value = value.item()
    if dtype is torch.bool:
        return bool(value)
    if dtype.is_floating_point:
        return torch.tensor(value, dtype=torch.float64).to(dtype).item() if dtype.itemsize == 2 else value
    if value != value or value in (float("inf"), float("-inf")):
        raise InputError(f"{value} is not a number that an array of {dtype} can hold")
    limits = torch.iinfo(dtype)
    return (int(value) - limits.min) % (limits.max - limits.min + 1) + limits.min


# --- keys --------------------------------------------------------------------------------------------------------

def _per_axis(key: Any, shape: Sequence[int], unwrap: Unwrap) -> list[Any]:
    """The key as a list: None, or for each axis in turn a number, a slice or a tensor of numbers."""
    keys = [_recognised(k, unwrap) for k in (key if isinstance(key, tuple) else (key,))]
    dots = [n for n, k in enumerate(keys) if k is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index has at most one ellipsis (`...`)")
    used = sum(_axes_of(k) for k in keys)
    if used > len(shape):
        raise IndexError(f"too many indices: {used} for an array of shape {tuple(shape)}")
    at = dots[0] if dots else len(keys)
    keys[at:at + 1] = [slice(None)] * (len(shape) - used)
    steps: list[Any] = []
    axis = 0
    for k in keys:
        if isinstance(k, int):
            k = _in_bounds(k, axis, shape)
        if isinstance(k, Tensor):
            steps += _indices(k, axis, shape)
        else:
            steps.append(k)
        axis += _axes_of(k)
    return steps


def _axes_of(key: Any) -> int:
    """How many axes a part of a key stands for."""
    if key is None or key is Ellipsis:
        return 0
    return key.dim() if isinstance(key, Tensor) and key.dtype is torch.bool else 1


def _recognised(key: Any, unwrap: Unwrap) -> Any:
    """A part of a key as None, Ellipsis, a number, a slice or a tensor."""
    if key is None or key is Ellipsis:
        return key
    if isinstance(key, slice):
        if key.step == 0:
            raise ValueError("slice step cannot be zero")
        return key
    if isinstance(key, (bool, *integer_types)):
        return int(key)
    made = unwrap(key)
    if not isinstance(made, Tensor) and isinstance(made, (list, tuple, range, np.ndarray)):
        array = np.asarray(made)
        if array.dtype.kind in "biuf":
            made = torch.from_numpy(np.array(array if array.size else array.astype(np.int64)))
    if not isinstance(made, Tensor):
        raise InputError(f"an array is indexed by ints, slices, None, ..., and arrays or lists of ints or booleans; "
                         f"got {key!r:.80} of type {type(key).__name__}")
    if not made.dim():
        return int(made)
    return made if made.dtype is torch.bool else made.long()


def _indices(key: Tensor, axis: int, shape: Sequence[int]) -> list[Tensor]:
    """An index tensor, checked; a mask becomes one for each of its axes."""
    if key.dtype is torch.bool:
        if tuple(key.shape) != tuple(shape[axis:axis + key.dim()]):
            raise IndexError(f"a mask of shape {tuple(key.shape)} does not fit the axes from {axis} on of an array of "
                             f"shape {tuple(shape)}")
        return list(key.nonzero(as_tuple=True))
    if key.numel():
        for end in (int(key.min()), int(key.max())):
            _in_bounds(end, axis, shape)
    return [key]


def _in_bounds(index: int, axis: int, shape: Sequence[int]) -> int:
    size = shape[axis] if axis < len(shape) else 0
    if not -size <= index < size:
        raise IndexError(f"index {index} is out of bounds for axis {axis} with size {size} "
                         f"(the array has shape {tuple(shape)})")
    return index


# --- taking ------------------------------------------------------------------------------------------------------

def _turned(tensor: Tensor, steps: list[Any]) -> tuple[Tensor, list[Any]]:
    """The tensor with each axis that a slice runs through backwards already taken so, and what is left to take."""
    steps, axis = list(steps), 0
    for n, k in enumerate(steps):
        if isinstance(k, slice) and k.step is not None and k.step < 0:
            places = range(*k.indices(tensor.shape[axis]))
            forwards = slice(places[-1], places[0] + 1, -k.step) if places else slice(0, 0)
            tensor = tensor[(slice(None),) * axis + (forwards,)].flip(axis)
            steps[n] = slice(None)
        axis += k is not None
    return tensor, steps


def _with_arrays(steps: list[Any]) -> tuple[Any, ...]:
    """The key for torch: beside arrays, numbers count as arrays, by numpy's rules."""
    if any(isinstance(k, Tensor) for k in steps):
        return tuple(torch.tensor([k]) if isinstance(k, int) else k for k in steps)
    return tuple(steps)


def _take(tensor: Tensor, steps: list[Any]) -> Tensor:
    return tensor[_with_arrays(steps)]


def _shown(key: Any) -> str:
    """A key as it is written."""
    if isinstance(key, tuple):
        return ", ".join(map(_shown, key))
    if isinstance(key, slice):
        return ":".join("" if k is None else str(k) for k in ((key.start, key.stop) if key.step is None
                                                              else (key.start, key.stop, key.step)))
    return "..." if key is Ellipsis else f"{key!r:.60}"
