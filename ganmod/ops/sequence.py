"""Operators on batches of sequences of different lengths: mask, take the last step, reverse."""
from __future__ import annotations

from typing import Any, Optional

import torch
from torch import Tensor

from ..base import AttributeValueError, ShapeError, require
from .registry import Index, operator

__all__: list[str] = []

_LENGTHS = {"sequence_length": lambda p: p.use_sequence_length}


def _time_axis(p: Any) -> None:
    """After parsing: time is the first axis or the second."""
    require(p.axis in (0, 1), f"axis must be 0, for (time, batch, ...), or 1, for (batch, time, ...), got {p.axis}",
            AttributeValueError)


def _shapes(s: Any, axis: int) -> Optional[tuple[int, ...]]:
    """Unify the lengths with the batch; the shape of one step, if it is known."""
    if s.data is None:
        return None
    require(len(s.data) > 1, f"{s.node}: data needs the axes time and batch, got the shape {s.data}", ShapeError)
    if "sequence_length" in s:
        s.sequence_length = (s.data[1 - axis],)
        batch, = s.sequence_length
        s.data = (0, batch, *s.data[2:]) if axis == 0 else (batch, *s.data[1:])
    return (*s.data[:axis], *s.data[axis + 1:])


def _dtypes(_p: Any, types: dict[str, Any]) -> None:
    types["data"] = types["output"] = types["data"] or types["output"]
    if "sequence_length" in types:
        types["sequence_length"] = types["sequence_length"] or types["data"]


def _steps_and_lengths(data: Tensor, lengths: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """The number of each step and the length of each sequence, shaped to broadcast with data (time, batch, ...)."""
    steps = torch.arange(data.shape[axis], device=data.device)
    per_step, per_sequence = [1] * data.dim(), [1] * data.dim()
    per_step[axis], per_sequence[1 - axis] = -1, -1
    return steps.reshape(per_step), lengths.long().reshape(per_sequence)


@operator("SequenceMask", present=_LENGTHS, resolve=_time_axis)
def sequence_mask(data: Tensor, sequence_length: Optional[Index] = None, *, use_sequence_length: bool = False,
                  value: float = 0.0, axis: int = 0) -> Tensor:
    """`data` with `value` in the place of all steps from each sequence's length on.

    Shapes: data (time, batch, ...), or (batch, time, ...) with ``axis=1``; sequence_length (batch,) -> as data. Without
    ``use_sequence_length=True`` nothing is masked.

    >>> import ganmod as mx
    >>> mx.nd.SequenceMask(mx.nd.ones((3, 2)), mx.nd.array([1, 2]), use_sequence_length=True).asnumpy().tolist()
    [[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]
    """
    if sequence_length is None:
        return data
    steps, lengths = _steps_and_lengths(data, sequence_length, axis)
    fill = value if data.is_floating_point() else int(value)
    return data.masked_fill(steps >= lengths, fill)


@sequence_mask.shapes
def _(p, s):
    s.same(["data", "output"])
    _shapes(s, p.axis)
    s.same(["data", "output"])


@operator("SequenceLast", present=_LENGTHS, resolve=_time_axis)
def sequence_last(data: Tensor, sequence_length: Optional[Index] = None, *, use_sequence_length: bool = False,
                  axis: int = 0) -> Tensor:
    """The last step of each sequence.

    Shapes: data (time, batch, ...), or (batch, time, ...) with ``axis=1``; sequence_length (batch,) -> (batch, ...).
    Without ``use_sequence_length=True`` every sequence has full length; lengths are clipped to [1, time].
    """
    if sequence_length is None:
        return data.select(axis, -1)
    last = sequence_length.long().clamp(1, data.shape[axis]) - 1
    batch = torch.arange(data.shape[1 - axis], device=data.device)
    return data[last, batch] if axis == 0 else data[batch, last]


@sequence_last.shapes
def _(p, s):
    s.output = _shapes(s, p.axis)


@operator("SequenceReverse", present=_LENGTHS)
def sequence_reverse(data: Tensor, sequence_length: Optional[Index] = None, *, use_sequence_length: bool = False,
                     axis: int = 0) -> Tensor:
    """Each sequence backwards, up to its length; the steps beyond it stay.

    Shapes: data (time, batch, ...), sequence_length (batch,) -> as data. `axis` must be 0. Without
    ``use_sequence_length=True`` every sequence has full length.
    """
    require(axis == 0, f"SequenceReverse: axis must be 0, for (time, batch, ...), got {axis}", AttributeValueError)
    if sequence_length is None:
        return data.flip(0)
    steps, lengths = _steps_and_lengths(data, sequence_length.clamp(max=data.shape[0]), 0)
    source = torch.where(steps < lengths, lengths - 1 - steps, steps)
    return data.gather(0, source.expand(data.shape))


@sequence_reverse.shapes
def _(_p, s):
    s.same(["data", "output"])
    _shapes(s, 0)
    s.same(["data", "output"])


for _op in (sequence_mask, sequence_last, sequence_reverse):
    _op.dtypes(_dtypes)
