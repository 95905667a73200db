"""``mx.autograd``: gradients of imperative code."""
from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Optional, Sequence, Union

import torch

from .base import InputError, MXNetError
from .ndarray import NDArray
from .ndarray import recording as _recording
from .ndarray.ndarray import tracked_array
from .ndarray.recording import Record, is_recording, is_training, set_recording, set_training

__all__ = ["Function", "backward", "grad", "is_recording", "is_training", "mark_variables", "pause", "predict_mode",
           "record", "set_recording", "set_training", "train_mode"]

Arrays = Union[NDArray, Sequence[NDArray]]


def record(train_mode: bool = True) -> "AbstractContextManager[None]":
    """Record the calls in a ``with`` block, for :func:`backward`; in training mode unless told otherwise.

    >>> import ganmod as mx
    >>> x = mx.nd.array([1, 2])
    >>> x.attach_grad()
    >>> with mx.autograd.record():
    ...     y = (x * x).sum()
    >>> y.backward()
    >>> x.grad.asnumpy().tolist()
    [2.0, 4.0]
    """
    return _recording.scope(True, train_mode)


def pause(train_mode: bool = False) -> "AbstractContextManager[None]":
    """Record nothing in a ``with`` block."""
    return _recording.scope(False, train_mode)


def train_mode() -> "AbstractContextManager[None]":
    """Have dropout and its like train in a ``with`` block."""
    return _recording.scope(None, True)


def predict_mode() -> "AbstractContextManager[None]":
    """Have dropout and its like predict in a ``with`` block."""
    return _recording.scope(None, False)


def mark_variables(variables: Arrays, gradients: Arrays, grad_reqs: Union[str, Sequence[str]] = "write") -> None:
    """Have backward write the gradients of `variables` to `gradients`.

    Parameters
    ----------
    variables, gradients : NDArray or list of NDArray
        Of the same shapes.
    grad_reqs : str or list of str
        ``'write'``, ``'add'`` or ``'null'``.
    """
    variables, gradients = _as_list(variables), _as_list(gradients)
    requests = [grad_reqs] * len(variables) if isinstance(grad_reqs, str) else list(grad_reqs)
    for variable, gradient, request in zip(variables, gradients, requests):
        if request not in ("write", "add", "null"):
            raise InputError(f"grad_req is {request!r}; expected one of write, add, null")
        leaf = variable.as_torch().detach().requires_grad_(request != "null")
        variable._record = Record(leaf, gradient, request)


def backward(heads: Arrays, head_grads: Optional[Any] = None, retain_graph: bool = False,
             train_mode: bool = True) -> None:
    """Compute the gradients of recorded `heads` into the arrays that were attached to what they depend on.

    Parameters
    ----------
    heads : NDArray or list of NDArray
        Results of recorded calls.
    head_grads : NDArray or list of NDArray or None
        Their gradients, 1 by default.
    retain_graph : bool
        Whether the record stays, for another backward.

    Raises
    ------
    MXNetError
        If a head was not recorded.
    """
    _recording.backward(_as_list(heads), _grads_list(head_grads), retain_graph)


def grad(heads: Arrays, variables: Arrays, head_grads: Optional[Any] = None, retain_graph: Optional[bool] = None,
         create_graph: bool = False, train_mode: bool = True) -> list[NDArray]:
    """The gradients of recorded `heads` with respect to each of `variables`, as new arrays.

    With `create_graph` they are recorded too, for gradients of gradients.
    """
    tensors, gradients = _recording.heads_of(_as_list(heads), _grads_list(head_grads))
    wanted = _as_list(variables)
    for k, variable in enumerate(wanted):
        if variable._record is None:
            raise MXNetError(f"grad(): variable {k} was not recorded; call attach_grad() on it before recording")
    try:
        found = torch.autograd.grad(tensors, [v._tracked() for v in wanted], gradients,
                                    retain_graph=create_graph if retain_graph is None else retain_graph,
                                    create_graph=create_graph, allow_unused=True)
    except RuntimeError as error:
        raise MXNetError(f"grad(): {error}") from error
    arrays = [NDArray(torch.zeros_like(v.as_torch()), v.context) if g is None else tracked_array(g, v.context)
              for g, v in zip(found, wanted)]
    return arrays


def _as_list(arrays: Any) -> list[NDArray]:
    return [arrays] if isinstance(arrays, NDArray) else list(arrays)


def _grads_list(head_grads: Any) -> Optional[list[Any]]:
    return [head_grads] if isinstance(head_grads, NDArray) else head_grads


class Function:
    """A differentiable function of one's own: a subclass defines :meth:`forward` and :meth:`backward` over NDArrays.

    One instance is good for one call.

    >>> import ganmod as mx
    >>> class Double(mx.autograd.Function):
    ...     def forward(self, x):
    ...         return x * 2
    ...     def backward(self, dy):
    ...         return dy * 2
    >>> x = mx.nd.array([1.0])
    >>> x.attach_grad()
    >>> with mx.autograd.record():
    ...     y = Double()(x)
    >>> y.backward()
    >>> x.grad.asscalar()
    np.float32(2.0)
    """

    def __init__(self) -> None:
        self.saved_tensors: tuple[NDArray, ...] = ()

    def save_for_backward(self, *args: NDArray) -> None:
        """Keep arrays for :meth:`backward`, as ``self.saved_tensors``."""
        self.saved_tensors = args

    def forward(self, *inputs: Any) -> Any:
        """The outputs: an array or several."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward()")

    def backward(self, *output_grads: Any) -> Any:
        """The gradients of the inputs from those of the outputs: an array or several."""
        raise NotImplementedError(f"{type(self).__name__} does not define backward()")

    def __call__(self, *inputs: NDArray) -> Any:
        if not (is_recording() and any(a._record is not None for a in inputs)):
            with pause(is_training()):
                return self.forward(*inputs)
        results = _Bridge.apply(self, *[a._tracked() for a in inputs])
        arrays = [tracked_array(r, inputs[0].context) for r in results]
        return arrays[0] if len(arrays) == 1 else arrays


class _Bridge(torch.autograd.Function):
    """A :class:`Function` as torch sees it."""

    @staticmethod
    def forward(ctx: Any, function: Function, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        ctx.function = function
        with pause(is_training()):
            made = function.forward(*[NDArray(t.detach()) for t in tensors])
        return tuple(a.as_torch().clone() for a in _as_list(made))

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        with pause(is_training()):
            made = ctx.function.backward(*[NDArray(g) for g in gradients])
        return (None, *(None if g is None else g.as_torch() for g in _as_list(made)))
