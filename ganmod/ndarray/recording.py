"""What imperative autograd remembers: whether calls are recorded, and each array's place in the record.

An array's own tensor never requires a gradient, so that it may be written to, bound and shared freely. While calls are
recorded, operators run on *tracked* tensors instead, which share its memory and carry torch's autograd graph.
"""
from __future__ import annotations

import contextlib
import threading
from typing import Any, Iterator, Optional, Sequence

import torch
from torch import Tensor

from ..base import InputError, MXNetError
from ..ops import storage

__all__ = ["is_recording", "is_training", "set_recording", "set_training", "scope", "Record", "backward", "heads_of"]


class _State(threading.local):
    recording = False
    training = False


_state = _State()


def is_recording() -> bool:
    """Whether calls are recorded, for gradients."""
    return _state.recording


def is_training() -> bool:
    """Whether operators such as dropout train."""
    return _state.training


def set_recording(value: bool) -> bool:
    """Set whether calls are recorded; returns what it was."""
    before, _state.recording = _state.recording, bool(value)
    return before


def set_training(value: bool) -> bool:
    """Set whether operators train; returns what it was."""
    before, _state.training = _state.training, bool(value)
    return before


@contextlib.contextmanager
def scope(recording: Optional[bool], training: Optional[bool]) -> Iterator[None]:
    """Set either for the time of a ``with`` block; ``None`` leaves it as it is."""
    before = _state.recording, _state.training
    if recording is not None:
        _state.recording = recording
    if training is not None:
        _state.training = training
    try:
        yield
    finally:
        _state.recording, _state.training = before


class Record:
    """An array's place in the record: the tracked tensor, and where its gradient goes.

    Parameters
    ----------
    tensor : Tensor
        Tracked; the result of a recorded call, or a leaf.
    gradient : NDArray, optional
        For an array with :meth:`attach_grad`: the array that backward writes to.
    request : {'write', 'add', 'null'}
        How it writes.
    """

    __slots__ = ("tensor", "gradient", "request")

    def __init__(self, tensor: Tensor, gradient: Any = None, request: str = "write") -> None:
        self.tensor, self.gradient, self.request = tensor, gradient, request
        if gradient is not None and request != "null":
            tensor.register_hook(self._keep) if tensor.grad_fn is not None else \
                tensor.register_post_accumulate_grad_hook(self._take)

    def _take(self, leaf: Tensor) -> None:
        """Move what torch accumulated in a leaf to the gradient array."""
        assert leaf.grad is not None
        self._keep(leaf.grad)
        leaf.grad = None

    def _keep(self, gradient: Tensor) -> None:
        target = self.gradient.as_torch()
        with torch.no_grad():
            if self.request == "add":
                gradient = storage.dense(target) + storage.dense(gradient)
            storage.write(target, gradient.coalesce() if gradient.layout is torch.sparse_coo else gradient)


def backward(heads: Sequence[Any], head_grads: Optional[Sequence[Any]], retain_graph: bool) -> None:
    """Compute the gradients of recorded arrays into the arrays that are attached to what they depend on."""
    tensors, gradients = heads_of(heads, head_grads)
    try:
        torch.autograd.backward(tensors, gradients, retain_graph=retain_graph)
    except RuntimeError as error:
        raise MXNetError(f"backward(): {error}") from error


def heads_of(arrays: Sequence[Any], given: Optional[Sequence[Any]]) -> tuple[list[Tensor], list[Tensor]]:
    """The tracked tensors of recorded arrays, and their head gradients, 1 where none is given."""
    given = list(given or [None] * len(arrays))
    if len(given) != len(arrays):
        raise InputError(f"{len(given)} head gradients for {len(arrays)} heads")
    for k, array in enumerate(arrays):
        if array._record is None or not array._record.tensor.requires_grad:
            raise MXNetError(f"head {k} was not computed in autograd.record() from an array with attach_grad()")
    tensors = [a._record.tensor for a in arrays]
    return tensors, [torch.ones_like(t) if g is None else g._tracked().to(t.dtype).reshape(t.shape)
                     for t, g in zip(tensors, given)]
