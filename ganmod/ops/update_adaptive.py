"""The steps of optimizers that learn the size of their steps, as operators: Adam and its kin, LAMB, RMSProp, AdaGrad.

The result is the new weight; the other arrays of the optimizer are changed in place by every call, as in
:mod:`ganmod.ops.update`.
"""
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .registry import Index, Params
from .shapes import ShapeTable
from .update import mixed, scaled, update

__all__ = ["means", "adamw_step", "lamb_direction", "lamb_step", "usable"]


def means(grad: Tensor, mean: Tensor, var: Tensor, beta1: float, beta2: float) -> tuple[Tensor, Tensor]:
    """The running means of the gradient and of its square after one more."""
    return beta1 * mean + (1 - beta1) * grad, beta2 * var + (1 - beta2) * grad * grad


# --- Adam ------------------------------------------------------------------------------------------------------------

@update("adam_update", "_sparse_adam_update", mutates=("mean", "var"))
def adam_update(weight: Tensor, grad: Tensor, mean: Tensor, var: Tensor, *, lr: float, beta1: float = 0.9,
                beta2: float = 0.999, epsilon: float = 1e-8, wd: float = 0.0, rescale_grad: float = 1.0,
                clip_gradient: float = -1.0, lazy_update: bool = True) -> Any:
    """Adam: ``weight - lr * mean / (sqrt(var) + epsilon)``, without correction for the means' beginning at zero.

    Before, in place, with ``g = clip(rescale_grad * grad + wd * weight)``:
    ``mean = beta1 * mean + (1 - beta1) * g`` and ``var = beta2 * var + (1 - beta2) * g²``. A negative
    `clip_gradient` is no limit. `lazy_update` has no effect.

    Shapes: weight, grad, mean, var (any shape) -> the same.

    >>> import ganmod as mx
    >>> weight, mean, var = mx.nd.ones((1,)), mx.nd.zeros((1,)), mx.nd.zeros((1,))
    >>> mx.nd.adam_update(weight, mx.nd.ones((1,)), mean, var, lr=0.5, beta1=0.5, beta2=0.75, out=weight)
    <BLANKLINE>
    [0.5]
    <NDArray 1 @cpu(0)>
    >>> mean.asnumpy().tolist(), var.asnumpy().tolist()
    ([0.5], [0.25])
    """
    mean, var = means(scaled(grad * rescale_grad + wd * weight, 1, clip_gradient), mean, var, beta1, beta2)
    return weight - lr * mean / (var.sqrt() + epsilon), mean, var


def usable(scale: Tensor) -> Tensor:
    """Whether a scale of the gradient is neither 0 nor infinite nor NaN: a step with such a one is left out."""
    return torch.isfinite(scale) & (scale != 0)


def adamw_step(weight: Tensor, grad: Tensor, mean: Tensor, var: Tensor, scale: Tensor, p: Params, lr: float, eta: float,
               wd: float) -> tuple[Tensor, Tensor, Tensor]:
    """The weight and both means after a step of AdamW; as they were if the scale is not usable."""
    scale = scale.reshape(()).to(weight.dtype)
    new_mean, new_var = means(scaled(grad, scale, p.clip_gradient), mean, var, p.beta1, p.beta2)
    new = weight - eta * (lr * new_mean / (new_var.sqrt() + p.epsilon) + wd * weight)
    go = usable(scale)
    return torch.where(go, new, weight), torch.where(go, new_mean, mean), torch.where(go, new_var, var)


def _but_scale(_p: Params, s: ShapeTable) -> None:
    s.same([name for name in s if name != "rescale_grad"])


@update("_adamw_update", mutates=("mean", "var"), shapes=_but_scale)
def adamw_update(weight: Tensor, grad: Tensor, mean: Tensor, var: Tensor, rescale_grad: Index, *, lr: float,
                 beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8, wd: float = 0.0, eta: float,
                 clip_gradient: float = -1.0) -> Any:
    """Adam with a decay of its own: ``weight - eta * (lr * mean / (sqrt(var) + epsilon) + wd * weight)``.

    Before, in place, `mean` and `var` take in ``clip(rescale_grad * grad)``, as in `adam_update`. If `rescale_grad`
    is 0, infinite or NaN, as a loss scale may become, nothing changes. `eta` multiplies the whole step.

    Shapes: weight, grad, mean, var (any shape), rescale_grad (1,) -> as weight.
    """
    p = Params(beta1=beta1, beta2=beta2, epsilon=epsilon, clip_gradient=clip_gradient)
    return adamw_step(weight, grad, mean, var, rescale_grad, p, lr, eta, wd)


@update("_mp_adamw_update", mutates=("mean", "var", "weight32"), shapes=_but_scale)
def mp_adamw_update(weight: Tensor, grad: Tensor, mean: Tensor, var: Tensor, weight32: Tensor, rescale_grad: Index, *,
                    lr: float, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8, wd: float = 0.0,
                    eta: float, clip_gradient: float = -1.0) -> Any:
    """`_adamw_update` of the float32 copy `weight32`, which is changed in place as `mean` and `var` are.

    Shapes: weight, grad (any shape, usually float16), mean, var, weight32 (float32), rescale_grad (1,) -> as weight.
    """
    p = Params(beta1=beta1, beta2=beta2, epsilon=epsilon, clip_gradient=clip_gradient)
    new, mean, var = adamw_step(weight32, grad.float(), mean, var, rescale_grad, p, lr, eta, wd)
    return new.to(weight.dtype), mean, var, new


mp_adamw_update.dtypes(mixed("weight", "grad", "output"))


@update("ftml_update", mutates=("d", "v", "z"))
def ftml_update(weight: Tensor, grad: Tensor, d: Tensor, v: Tensor, z: Tensor, *, lr: float, beta1: float = 0.6,
                beta2: float = 0.999, epsilon: float = 1e-8, t: int, wd: float = 0.0, rescale_grad: float = 1.0,
                clip_grad: float = -1.0) -> Any:
    """Follow the moving leader [Zheng & Kwok 2017]; `t` is the number of this step, from 1.

    With ``g = clip(rescale_grad * grad + wd * weight)``, in place::

        v = beta2 * v + (1 - beta2) * g²
        d' = (1 - beta1^t) / lr * (sqrt(v / (1 - beta2^t)) + epsilon)
        z = beta1 * z + (1 - beta1) * g - (d' - beta1 * d) * weight
        d = d'

    and the result is ``-z / d``. A negative `clip_grad` is no limit.

    Shapes: weight, grad, d, v, z (any shape) -> the same.
    """
    g = scaled(grad * rescale_grad + wd * weight, 1, clip_grad)
    v = beta2 * v + (1 - beta2) * g * g
    new = (1 - beta1 ** t) / lr * ((v / (1 - beta2 ** t)).sqrt() + epsilon)
    z = beta1 * z + (1 - beta1) * g - (new - beta1 * d) * weight
    return -z / new, new, v, z


# --- LAMB ------------------------------------------------------------------------------------------------------------

def lamb_direction(weight: Tensor, grad: Tensor, mean: Tensor, var: Tensor, p: Params, t: int, wd: float) \
        -> tuple[Tensor, Tensor, Tensor]:
    """The direction of a step of LAMB, and both means after it."""
    mean, var = means(scaled(grad, p.rescale_grad, p.clip_gradient), mean, var, p.beta1, p.beta2)
    first, second = (1 - p.beta1 ** t, 1 - p.beta2 ** t) if p.bias_correction else (1.0, 1.0)
    return mean / first / ((var / second).sqrt() + p.epsilon) + wd * weight, mean, var


def lamb_step(weight: Tensor, g: Tensor, r1: Tensor, r2: Tensor, lr: float, lower: float, upper: float) -> Tensor:
    """The weight after a step along `g`, whose length `r2` is made that of the weight, `r1`, within its bounds."""
    r1, r2 = r1.reshape(()), r2.reshape(())
    if lower >= 0:
        r1 = r1.clamp_min(lower)
    if upper >= 0:
        r1 = r1.clamp_max(upper)
    return weight - lr * torch.where((r1 == 0) | (r2 == 0), torch.ones_like(r1), r1 / r2) * g


@update("lamb_update_phase1", mutates=("mean", "var"))
def lamb_update_phase1(weight: Tensor, grad: Tensor, mean: Tensor, var: Tensor, *, beta1: float = 0.9,
                       beta2: float = 0.999, epsilon: float = 1e-6, t: int, bias_correction: bool = True, wd: float,
                       rescale_grad: float = 1.0, clip_gradient: float = -1.0) -> Any:
    """The direction of a step of LAMB [You et al. 2019]: ``mean' / (sqrt(var') + epsilon) + wd * weight``.

    Before, in place, `mean` and `var` take in ``clip(rescale_grad * grad)``, as in `adam_update`; with
    `bias_correction` ``mean' = mean / (1 - beta1^t)`` and ``var' = var / (1 - beta2^t)``, where `t` is the number of
    this step, from 1. `lamb_update_phase2` makes the step.

    Shapes: weight, grad, mean, var (any shape) -> the same.
    """
    p = Params(beta1=beta1, beta2=beta2, epsilon=epsilon, rescale_grad=rescale_grad, clip_gradient=clip_gradient,
               bias_correction=bias_correction)
    return lamb_direction(weight, grad, mean, var, p, t, wd)


@update("mp_lamb_update_phase1", mutates=("mean", "var"))
def mp_lamb_update_phase1(weight: Tensor, grad: Tensor, mean: Tensor, var: Tensor, weight32: Tensor, *,
                          beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-6, t: int,
                          bias_correction: bool = True, wd: float, rescale_grad: float = 1.0,
                          clip_gradient: float = -1.0) -> Any:
    """`lamb_update_phase1` for the float32 copy `weight32` of a weight; the direction is float32.

    Shapes: weight, grad (any shape, usually float16), mean, var, weight32 (float32) -> the same.
    """
    p = Params(beta1=beta1, beta2=beta2, epsilon=epsilon, rescale_grad=rescale_grad, clip_gradient=clip_gradient,
               bias_correction=bias_correction)
    return lamb_direction(weight32, grad.float(), mean, var, p, t, wd)


def _but_lengths(_p: Params, s: ShapeTable) -> None:
    s.same([name for name in s if name not in ("r1", "r2")])
    s.r1 = s.r2 = (1,)


@update("lamb_update_phase2", shapes=_but_lengths)
def lamb_update_phase2(weight: Tensor, g: Tensor, r1: Tensor, r2: Tensor, *, lr: float, lower_bound: float = -1.0,
                       upper_bound: float = -1.0) -> Tensor:
    """The step of LAMB along the direction `g`: ``weight - lr * r1 / r2 * g``.

    `r1` is the length of the weight, kept within the bounds (a negative one is none), `r2` that of `g`; where one is
    0, their ratio counts as 1.

    Shapes: weight, g (any shape), r1, r2 (1,) -> as weight.
    """
    return lamb_step(weight, g, r1, r2, lr, lower_bound, upper_bound)


@update("mp_lamb_update_phase2", mutates=("weight32",), shapes=_but_lengths)
def mp_lamb_update_phase2(weight: Tensor, g: Tensor, r1: Tensor, r2: Tensor, weight32: Tensor, *, lr: float,
                          lower_bound: float = -1.0, upper_bound: float = -1.0) -> Any:
    """`lamb_update_phase2` of the float32 copy `weight32`, which is changed in place.

    Shapes: weight (any shape, usually float16), g, weight32 (float32), r1, r2 (1,) -> as weight.
    """
    new = lamb_step(weight32, g, r1, r2, lr, lower_bound, upper_bound)
    return new.to(weight.dtype), new


mp_lamb_update_phase1.dtypes(mixed("weight", "grad"))
mp_lamb_update_phase2.dtypes(mixed("weight", "output"))


# --- RMSProp, FTRL, AdaGrad ------------------------------------------------------------------------------------------

def _limited(weight: Tensor, limit: float) -> Tensor:
    return weight.clamp(-limit, limit) if limit >= 0 else weight


@update("rmsprop_update", mutates=("n",))
def rmsprop_update(weight: Tensor, grad: Tensor, n: Tensor, *, lr: float, gamma1: float = 0.95, epsilon: float = 1e-8,
                   wd: float = 0.0, rescale_grad: float = 1.0, clip_gradient: float = -1.0,
                   clip_weights: float = -1.0) -> Any:
    """RMSProp [Tieleman & Hinton 2012]: ``n = gamma1 * n + (1 - gamma1) * g²; weight - lr * g / sqrt(n + epsilon)``.

    Here ``g = clip(rescale_grad * grad + wd * weight)``. `n` is changed in place. The weight is kept within
    ``±clip_weights``; a negative limit is none.

    Shapes: weight, grad, n (any shape) -> the same.
    """
    g = scaled(grad * rescale_grad + wd * weight, 1, clip_gradient)
    n = gamma1 * n + (1 - gamma1) * g * g
    return _limited(weight - lr * g / (n + epsilon).sqrt(), clip_weights), n


@update("rmspropalex_update", mutates=("n", "g", "delta"))
def rmspropalex_update(weight: Tensor, grad: Tensor, n: Tensor, g: Tensor, delta: Tensor, *, lr: float,
                       gamma1: float = 0.95, gamma2: float = 0.9, epsilon: float = 1e-8, wd: float = 0.0,
                       rescale_grad: float = 1.0, clip_gradient: float = -1.0, clip_weights: float = -1.0) -> Any:
    """Centered RMSProp with momentum [Graves 2013].

    With ``x = clip(rescale_grad * grad + wd * weight)``, in place::

        n = gamma1 * n + (1 - gamma1) * x²
        g = gamma1 * g + (1 - gamma1) * x
        delta = gamma2 * delta - lr * x / sqrt(n - g² + epsilon)

    and the result is ``weight + delta``, kept within ``±clip_weights``; a negative limit is none.

    Shapes: weight, grad, n, g, delta (any shape) -> the same.
    """
    x = scaled(grad * rescale_grad + wd * weight, 1, clip_gradient)
    g, n = means(x, g, n, gamma1, gamma1)
    delta = gamma2 * delta - lr * x / (n - g * g + epsilon).sqrt()
    return _limited(weight + delta, clip_weights), n, g, delta


@update("ftrl_update", "_sparse_ftrl_update", mutates=("z", "n"))
def ftrl_update(weight: Tensor, grad: Tensor, z: Tensor, n: Tensor, *, lr: float, lamda1: float = 0.01,
                beta: float = 1.0, wd: float = 0.0, rescale_grad: float = 1.0, clip_gradient: float = -1.0) -> Any:
    """Follow the regularized leader [McMahan et al. 2013], for sparse weights.

    With ``g = clip(rescale_grad * grad)``, in place ``z += g - (sqrt(n + g²) - sqrt(n)) * weight / lr`` and
    ``n += g²``; the result is ``(sign(z) * lamda1 - z) / ((beta + sqrt(n)) / lr + wd)`` where ``|z| > lamda1``, and 0
    elsewhere.

    Shapes: weight, grad, z, n (any shape) -> the same.
    """
    g = scaled(grad, rescale_grad, clip_gradient)
    z = z + g - ((n + g * g).sqrt() - n.sqrt()) * weight / lr
    n = n + g * g
    new = (z.sign() * lamda1 - z) / ((beta + n.sqrt()) / lr + wd)
    return torch.where(z.abs() > lamda1, new, torch.zeros_like(new)), z, n


@update("_sparse_adagrad_update", mutates=("history",))
def adagrad_update(weight: Tensor, grad: Tensor, history: Tensor, *, lr: float, epsilon: float = 1e-7, wd: float = 0.0,
                   rescale_grad: float = 1.0, clip_gradient: float = -1.0) -> Any:
    """AdaGrad [Duchi et al. 2011]: ``history += g²; weight - lr * (g / sqrt(history + epsilon) + wd * weight)``.

    Here ``g = clip(rescale_grad * grad)``. `history` is changed in place.

    Shapes: weight, grad, history (any shape) -> the same.
    """
    g = scaled(grad, rescale_grad, clip_gradient)
    history = history + g * g
    return weight - lr * (g / (history + epsilon).sqrt() + wd * weight), history


def _one_per_row(_p: Params, s: ShapeTable) -> None:
    s.same(("weight", "grad", "output"))
    if s.weight is not None:
        s.history = (s.weight[0], *(1 for _ in s.weight[1:]))


@update("_contrib_group_adagrad_update", mutates=("history",), shapes=_one_per_row)
def group_adagrad_update(weight: Tensor, grad: Tensor, history: Tensor, *, lr: float, rescale_grad: float = 1.0,
                         clip_gradient: float = -1.0, epsilon: float = 1e-5) -> Any:
    """AdaGrad with one rate per row: ``history += mean(g²); weight - lr * g / sqrt(history + epsilon)``.

    Here ``g = clip(rescale_grad * grad)``, and the mean is over all axes but the first. `history` is changed in place.

    Shapes: weight, grad (N, ...), history (N, 1, ...) -> as weight.
    """
    g = scaled(grad, rescale_grad, clip_gradient)
    history = history + (g * g).flatten(1).mean(1).reshape(history.shape)
    return weight - lr * g / (history + epsilon).sqrt(), history
