"""``mx.nd.contrib``'s functions over the steps of AdamW and LAMB: a scale that may be a number, arrays in lists."""
from __future__ import annotations

from typing import Any, Optional, Sequence, Union

import torch

from ..ops import registry as ops
from .ndarray import NDArray, invoke

__all__ = ["adamw_update", "mp_adamw_update", "multi_adamw_update", "multi_mp_adamw_update", "multi_lamb_update",
           "multi_mp_lamb_update"]

Arrays = Sequence[NDArray]
Scale = Union[NDArray, float]


def _scale(given: Scale, like: NDArray) -> NDArray:
    """The scale of the gradients as an array beside `like`."""
    if isinstance(given, NDArray):
        return given
    return NDArray(torch.full((1,), float(given), device=like.as_torch().device), like.context)


def _run(op: str, arrays: Arrays, attributes: dict[str, Any], out: Any) -> Any:
    attributes.pop("name", None)
    return invoke(ops.find(op), list(arrays), attributes, out)


def _interleaved(*lists: Arrays) -> list[NDArray]:
    return [array for arrays in zip(*lists) for array in arrays]


def _run_many(op: str, arrays: Arrays, attributes: dict[str, Any], out: Any) -> list[NDArray]:
    made = _run(op, arrays, attributes, out)
    return made if isinstance(made, list) else [made]


def adamw_update(weight: NDArray, grad: NDArray, mean: NDArray, var: NDArray, rescale_grad: Scale, lr: float,
                 eta: float, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8, wd: float = 0,
                 clip_gradient: float = -1, out: Optional[NDArray] = None, name: Optional[str] = None,
                 **kwargs: Any) -> NDArray:
    """A step of AdamW, as in the operator ``_adamw_update``; `rescale_grad` may be a number.

    >>> import ganmod as mx
    >>> weight, mean, var = mx.nd.ones((1,)), mx.nd.zeros((1,)), mx.nd.zeros((1,))
    >>> mx.nd.contrib.adamw_update(weight, mx.nd.ones((1,)), mean, var, float("inf"), lr=0.1, eta=1).asnumpy().tolist()
    [1.0]
    """
    attributes = dict(lr=lr, eta=eta, beta1=beta1, beta2=beta2, epsilon=epsilon, wd=wd, clip_gradient=clip_gradient)
    return _run("_adamw_update", [weight, grad, mean, var, _scale(rescale_grad, weight)], {**attributes, **kwargs}, out)


def mp_adamw_update(weight: NDArray, grad: NDArray, mean: NDArray, var: NDArray, weight32: NDArray, rescale_grad: Scale,
                    lr: float, eta: float, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8,
                    wd: float = 0, clip_gradient: float = -1, out: Optional[NDArray] = None,
                    name: Optional[str] = None, **kwargs: Any) -> NDArray:
    """A step of AdamW on the float32 copy `weight32`, as in the operator ``_mp_adamw_update``."""
    attributes = dict(lr=lr, eta=eta, beta1=beta1, beta2=beta2, epsilon=epsilon, wd=wd, clip_gradient=clip_gradient)
    arrays = [weight, grad, mean, var, weight32, _scale(rescale_grad, weight)]
    return _run("_mp_adamw_update", arrays, {**attributes, **kwargs}, out)


def multi_adamw_update(weights: Arrays, grads: Arrays, mean: Arrays, var: Arrays, rescale_grad: Scale,
                       lrs: Sequence[float], wds: Sequence[float], etas: Sequence[float], out: Any = None,
                       name: Optional[str] = None, size: int = 0, **kwargs: Any) -> list[NDArray]:
    """A step of AdamW for each of several parameters, whose arrays are in lists."""
    arrays = [*_interleaved(weights, grads, mean, var), _scale(rescale_grad, weights[0])]
    attributes = dict(kwargs, lrs=lrs, wds=wds, etas=etas, num_weights=size or len(weights))
    return _run_many("_multi_adamw_update", arrays, attributes, out)


def multi_mp_adamw_update(weights: Arrays, grads: Arrays, mean: Arrays, var: Arrays, weights32: Arrays,
                          rescale_grad: Scale, lrs: Sequence[float], wds: Sequence[float], etas: Sequence[float],
                          out: Any = None, name: Optional[str] = None, size: int = 0, **kwargs: Any) -> list[NDArray]:
    """A step of AdamW for each of several parameters with float32 copies, whose arrays are in lists."""
    arrays = [*_interleaved(weights, grads, mean, var, weights32), _scale(rescale_grad, weights[0])]
    attributes = dict(kwargs, lrs=lrs, wds=wds, etas=etas, num_weights=size or len(weights))
    return _run_many("_multi_mp_adamw_update", arrays, attributes, out)


def multi_lamb_update(weights: Arrays, grads: Arrays, mean: Arrays, var: Arrays, step_count: Sequence[int],
                      lrs: Sequence[float], wds: Sequence[float], out: Any = None, num_tensors: int = 0,
                      **kwargs: Any) -> list[NDArray]:
    """A step of LAMB for each of several parameters, whose arrays are in lists."""
    attributes = dict(kwargs, learning_rates=lrs, wds=wds, step_count=step_count,
                      num_tensors=num_tensors or len(weights))
    return _run_many("_multi_lamb_update", _interleaved(weights, grads, mean, var), attributes, out)


def multi_mp_lamb_update(weights: Arrays, grads: Arrays, mean: Arrays, var: Arrays, weights32: Arrays,
                         step_count: Sequence[int], lrs: Sequence[float], wds: Sequence[float], out: Any = None,
                         num_tensors: int = 0, **kwargs: Any) -> list[NDArray]:
    """A step of LAMB for each of several parameters with float32 copies, whose arrays are in lists."""
    attributes = dict(kwargs, learning_rates=lrs, wds=wds, step_count=step_count,
                      num_tensors=num_tensors or len(weights))
    arrays = _interleaved(weights, grads, mean, var, weights32)
    return _run_many("_multi_mp_lamb_update", arrays, attributes, out)
