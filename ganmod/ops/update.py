"""The steps of optimizers that go down the gradient, as operators: one call per parameter.

As in MXNet the result is the new weight, usually written over the old one with ``out=weight``, while the other arrays
of the optimizer (momentum, a float32 copy of the weight) are changed in place by every call. Settings are float32.
"""
from __future__ import annotations

from typing import Any, Callable, Optional

import numpy as np
import torch
from torch import Tensor

from .registry import Operator, Params, elementwise, operator

__all__ = ["Types", "in_single", "update", "mixed", "scaled", "sgd_step", "momentum_step"]

Types = dict[str, Optional[torch.dtype]]


def in_single(p: Params) -> None:
    """Round the settings to float32, in which MXNet takes them: 1 - 0.999 changes by a hundred-thousandth."""
    for name, value in vars(p).items():
        if isinstance(value, float):
            setattr(p, name, float(np.float32(value)))
        elif isinstance(value, tuple) and any(isinstance(v, float) for v in value):
            setattr(p, name, tuple(float(np.float32(v)) for v in value))


def update(name: str, *aliases: str, **settings: Any) -> Callable[[Callable[..., Any]], Operator]:
    """`operator` for a step: all arrays have one shape, and what it `mutates` changes at every call."""
    return operator(name, *aliases, **{"shapes": elementwise, "resolve": in_single, "always": True, **settings})


def mixed(*low: str) -> Callable[[Params, Types], None]:
    """The dtype rule of the ``mp_`` forms: `low` arrays share a dtype, usually float16; the others are float32."""
    def rule(_p: Params, types: Types) -> None:
        found = next((types[name] for name in low if types[name] is not None), None)
        for name in types:
            types[name] = types[name] or (found if name in low else torch.float32)
    return rule


# --- the formulas ----------------------------------------------------------------------------------------------------

def scaled(grad: Tensor, rescale_grad: Any, clip_gradient: float) -> Tensor:
    """``clip(rescale_grad * grad)``; a negative limit is none."""
    grad = grad * rescale_grad
    return grad.clamp(-clip_gradient, clip_gradient) if clip_gradient >= 0 else grad


def sgd_step(weight: Tensor, grad: Tensor, lr: Any, wd: Any) -> Tensor:
    """The weight after a plain step."""
    return weight - lr * (grad + wd * weight)


def momentum_step(weight: Tensor, grad: Tensor, mom: Tensor, lr: Any, wd: Any, momentum: float) \
        -> tuple[Tensor, Tensor]:
    """The weight and the momentum after a step with momentum."""
    mom = momentum * mom - lr * (grad + wd * weight)
    return weight + mom, mom


def _nesterov_step(weight: Tensor, grad: Tensor, mom: Tensor, lr: float, wd: float, momentum: float) \
        -> tuple[Tensor, Tensor]:
    half = momentum * mom - lr * grad
    new = (1 - lr * wd * (1 + momentum)) * weight - lr * grad + momentum * half
    return new, half - lr * wd * new


# --- stochastic gradient descent -------------------------------------------------------------------------------------

@update("sgd_update", "_sparse_sgd_update")
def sgd_update(weight: Tensor, grad: Tensor, *, lr: float, wd: float = 0.0, rescale_grad: float = 1.0,
               clip_gradient: float = -1.0, lazy_update: bool = True) -> Tensor:
    """A plain step: ``weight - lr * (clip(rescale_grad * grad) + wd * weight)``.

    `lr` is the learning rate, `wd` the weight decay, `clip_gradient` the largest magnitude of a gradient (negative:
    no limit). `lazy_update` has no effect.

    Shapes: weight, grad (any shape) -> the same.

    >>> import ganmod as mx
    >>> weight = mx.nd.ones((2,))
    >>> mx.nd.sgd_update(weight, mx.nd.array([1, -1]), lr=0.5, out=weight).asnumpy().tolist()
    [0.5, 1.5]
    """
    return sgd_step(weight, scaled(grad, rescale_grad, clip_gradient), lr, wd)


@update("sgd_mom_update", "_sparse_sgd_mom_update", mutates=("mom",))
def sgd_mom_update(weight: Tensor, grad: Tensor, mom: Tensor, *, lr: float, momentum: float = 0.0, wd: float = 0.0,
                   rescale_grad: float = 1.0, clip_gradient: float = -1.0, lazy_update: bool = True) -> Any:
    """A step with momentum: ``mom = momentum * mom - lr * (g + wd * weight); weight + mom``.

    Here ``g = clip(rescale_grad * grad)``, to the magnitude `clip_gradient` (negative: no limit). `momentum`, in
    [0, 1), is how much of the last step is added to the next. `mom` is changed in place. `lazy_update` has no effect.

    Shapes: weight, grad, mom (any shape) -> the same.

    >>> import ganmod as mx
    >>> weight, mom = mx.nd.ones((1,)), mx.nd.ones((1,))
    >>> mx.nd.sgd_mom_update(weight, mx.nd.ones((1,)), mom, lr=0.25, momentum=0.5, out=weight).asnumpy().tolist()
    [1.25]
    >>> mom.asnumpy().tolist()
    [0.25]
    """
    return momentum_step(weight, scaled(grad, rescale_grad, clip_gradient), mom, lr, wd, momentum)


@update("mp_sgd_update", mutates=("weight32",))
def mp_sgd_update(weight: Tensor, grad: Tensor, weight32: Tensor, *, lr: float, wd: float = 0.0,
                  rescale_grad: float = 1.0, clip_gradient: float = -1.0, lazy_update: bool = True) -> Any:
    """`sgd_update` of the float32 copy `weight32`, which is changed in place; the result is it in the weight's dtype.

    Shapes: weight, grad (any shape, usually float16), weight32 (float32) -> the same, as `weight`.
    """
    new = sgd_step(weight32, scaled(grad.float(), rescale_grad, clip_gradient), lr, wd)
    return new.to(weight.dtype), new


@update("mp_sgd_mom_update", mutates=("mom", "weight32"))
def mp_sgd_mom_update(weight: Tensor, grad: Tensor, mom: Tensor, weight32: Tensor, *, lr: float, momentum: float = 0.0,
                      wd: float = 0.0, rescale_grad: float = 1.0, clip_gradient: float = -1.0,
                      lazy_update: bool = True) -> Any:
    """`sgd_mom_update` of the float32 copy `weight32`, which is changed in place as `mom` is.

    Shapes: weight, grad (any shape, usually float16), mom, weight32 (float32) -> the same, as `weight`.
    """
    new, mom = momentum_step(weight32, scaled(grad.float(), rescale_grad, clip_gradient), mom, lr, wd, momentum)
    return new.to(weight.dtype), mom, new


@update("nag_mom_update", mutates=("mom",))
def nag_mom_update(weight: Tensor, grad: Tensor, mom: Tensor, *, lr: float, momentum: float = 0.0, wd: float = 0.0,
                   rescale_grad: float = 1.0, clip_gradient: float = -1.0) -> Any:
    """A step with Nesterov's momentum: ``mom = momentum * mom - lr * (g + wd * weight)``, and half a step further.

    The result is ``weight + momentum * mom - lr * (g + wd * weight)``, where ``g = clip(rescale_grad * grad)``. `mom`
    is changed in place; as in MXNet, the decay in the one that is kept is that of the new weight.

    Shapes: weight, grad, mom (any shape) -> the same.
    """
    return _nesterov_step(weight, scaled(grad, rescale_grad, clip_gradient), mom, lr, wd, momentum)


@update("mp_nag_mom_update", mutates=("mom", "weight32"))
def mp_nag_mom_update(weight: Tensor, grad: Tensor, mom: Tensor, weight32: Tensor, *, lr: float, momentum: float = 0.0,
                      wd: float = 0.0, rescale_grad: float = 1.0, clip_gradient: float = -1.0) -> Any:
    """`nag_mom_update` of the float32 copy `weight32`, which is changed in place as `mom` is.

    Shapes: weight, grad (any shape, usually float16), mom, weight32 (float32) -> the same, as `weight`.
    """
    new, mom = _nesterov_step(weight32, scaled(grad.float(), rescale_grad, clip_gradient), mom, lr, wd, momentum)
    return new.to(weight.dtype), mom, new


for _op in (mp_sgd_update, mp_sgd_mom_update, mp_nag_mom_update):
    _op.dtypes(mixed("weight", "grad", "output"))


# --- by sign ---------------------------------------------------------------------------------------------------------

@update("signsgd_update")
def signsgd_update(weight: Tensor, grad: Tensor, *, lr: float, wd: float = 0.0, rescale_grad: float = 1.0,
                   clip_gradient: float = -1.0) -> Tensor:
    """A step of one size: ``(1 - lr * wd) * weight - lr * sign(grad)``.

    `rescale_grad` and `clip_gradient` have no effect.

    Shapes: weight, grad (any shape) -> the same.
    """
    return (1 - lr * wd) * weight - lr * grad.sign()


@update("signum_update", mutates=("mom",))
def signum_update(weight: Tensor, grad: Tensor, mom: Tensor, *, lr: float, momentum: float = 0.0, wd: float = 0.0,
                  rescale_grad: float = 1.0, clip_gradient: float = -1.0, wd_lh: float = 0.0) -> Any:
    """A step by the sign of the momentum: ``(1 - lr * wd_lh) * weight + lr * sign(mom)``.

    Before, in place, ``mom = momentum * mom - (1 - momentum) * (clip(rescale_grad * grad) + wd * weight)``. `wd_lh`
    is a decay of the weight itself.

    Shapes: weight, grad, mom (any shape) -> the same.
    """
    mom = momentum * mom - (1 - momentum) * (scaled(grad, rescale_grad, clip_gradient) + wd * weight)
    return (1 - lr * wd_lh) * weight + lr * mom.sign(), mom
