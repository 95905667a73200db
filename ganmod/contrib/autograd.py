"""``mx.contrib.autograd``: the old names of :mod:`ganmod.autograd`."""
from __future__ import annotations

import functools
from typing import Any, Callable, Optional, Sequence, Union

from .. import autograd
from .. import ndarray as nd
from ..base import InputError
from ..ndarray import NDArray

__all__ = ["TrainingStateScope", "backward", "compute_gradient", "grad", "grad_and_loss", "mark_variables",
           "set_is_training", "test_section", "train_section"]

mark_variables = autograd.mark_variables


def set_is_training(is_train: bool) -> bool:
    """Set whether calls are recorded and operators train, both at once; returns whether they trained."""
    autograd.set_recording(is_train)
    return autograd.set_training(is_train)


class TrainingStateScope:
    """:func:`set_is_training` for the time of a ``with`` block."""

    def __init__(self, enter_state: bool) -> None:
        self._enter_state = enter_state
        self._before = (False, False)

    def __enter__(self) -> None:
        self._before = autograd.is_recording(), autograd.is_training()
        set_is_training(self._enter_state)

    def __exit__(self, *error: Any) -> None:
        autograd.set_recording(self._before[0])
        autograd.set_training(self._before[1])


def train_section() -> TrainingStateScope:
    """Record the calls in a ``with`` block, and train.

    >>> import ganmod as mx
    >>> x, slope = mx.nd.array([3.0]), mx.nd.zeros((1,))
    >>> mark_variables([x], [slope])
    >>> with train_section():
    ...     y = x * x
    >>> backward([y])
    >>> slope.asscalar().item()
    6.0
    """
    return TrainingStateScope(True)


def test_section() -> TrainingStateScope:
    """Record nothing in a ``with`` block, and predict."""
    return TrainingStateScope(False)


test_section.__test__ = False  # type: ignore[attr-defined]      # not a case for pytest


def backward(outputs: Sequence[NDArray], out_grads: Optional[Sequence[Any]] = None,
             retain_graph: bool = False) -> None:
    """Compute the gradients of recorded outputs into the marked arrays.

    Raises
    ------
    InputError
        If the outputs are no list.
    """
    if not isinstance(outputs, (list, tuple)):
        raise InputError(f"backward(): outputs must be a list or tuple of NDArrays, got {type(outputs).__name__}")
    autograd.backward(outputs, out_grads, retain_graph)


def compute_gradient(outputs: Sequence[NDArray]) -> None:
    """:func:`backward`."""
    backward(outputs)


def grad_and_loss(func: Callable[..., Any], argnum: Union[int, Sequence[int], None] = None) \
        -> Callable[..., tuple[list[NDArray], Any]]:
    """A function that returns the gradients of `func` along with its value.

    Parameters
    ----------
    func : function
        Of NDArrays.
    argnum : int or list of int, optional
        The arguments whose gradients are wanted; all by default.

    >>> import ganmod as mx
    >>> slopes, value = grad_and_loss(lambda x, y: x * y)(mx.nd.array([2.0]), mx.nd.array([5.0]))
    >>> [s.asscalar().item() for s in slopes], value.asscalar().item()
    ([5.0, 2.0], 10.0)
    """
    @functools.wraps(func)
    def wrapped(*args: NDArray) -> tuple[list[NDArray], Any]:
        numbers = range(len(args)) if argnum is None else [argnum] if isinstance(argnum, int) else argnum
        variables = [args[k] for k in numbers]
        for variable in variables:
            if not isinstance(variable, NDArray):
                raise InputError(f"type of autograd input should NDArray, got {type(variable).__name__}")
        gradients = [nd.zeros_like(variable) for variable in variables]
        mark_variables(variables, gradients)
        with train_section():
            outputs = func(*args)
        backward([outputs] if isinstance(outputs, NDArray) else outputs)
        return gradients, outputs

    return wrapped


def grad(func: Callable[..., Any], argnum: Union[int, Sequence[int], None] = None) -> Callable[..., list[NDArray]]:
    """A function that returns the gradients of `func`; as :func:`grad_and_loss`, without the value."""
    both = grad_and_loss(func, argnum)
    return functools.wraps(func)(lambda *args: both(*args)[0])
