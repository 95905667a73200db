"""Optimizers that scale each weight's step by the gradients it has had."""
from __future__ import annotations

import math
from typing import Any, Optional

import numpy as np
import torch
from torch import Tensor

from ..ndarray import NDArray
from ..ops import storage
from .fused import FusedOptimizer, Tensors, endless, zeros_like
from .optimizer import Index, register

__all__ = ["Adam", "Adamax", "Nadam", "AdaGrad", "RMSProp", "AdaDelta", "Ftrl", "FTML", "LAMB"]

State = tuple[Tensors, ...]


def _average_(mean: Tensors, values: Tensors, keep: float) -> None:
    """``mean = keep * mean + (1 - keep) * values``."""
    torch._foreach_mul_(mean, keep)
    torch._foreach_add_(mean, values, alpha=1 - keep)


def _average_square_(mean: Tensors, values: Tensors, keep: float) -> None:
    """``mean = keep * mean + (1 - keep) * values²``."""
    torch._foreach_mul_(mean, keep)
    torch._foreach_addcmul_(mean, values, values, 1 - keep)


# --- of the Adam family ------------------------------------------------------------------------------------------

class _Moments(FusedOptimizer):
    """What optimizers with means of the gradient and of its square share."""

    def __init__(self, learning_rate: float, beta1: float, beta2: float, epsilon: float, **kwargs: Any) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def create_state(self, index: Index, weight: NDArray) -> tuple[NDArray, ...]:
        """The means of the gradient and of its square."""
        return zeros_like(weight), zeros_like(weight)


@register
class Adam(_Moments):
    """Steps along the mean gradient over the root of the mean square [Kingma & Ba 2014].

    With ``g = clip(rescale_grad * grad + wd * w)``::

        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g²
        w -= lr * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon)

    Parameters
    ----------
    learning_rate : float
        About the size of a step.
    beta1, beta2 : float
        Weights of the past in the two means, in [0, 1).
    epsilon : float
        Keeps the denominator from zero.
    lazy_update : bool
        Whether a row_sparse gradient changes only the rows that it has, of the weight and of the means.
    **kwargs
        As in :class:`Optimizer`.

    >>> import ganmod as mx
    >>> weight, optimizer = mx.nd.ones((2,)), Adam(learning_rate=0.25)
    >>> optimizer.update(0, weight, mx.nd.ones((2,)), optimizer.create_state(0, weight))
    >>> weight.asnumpy().round(4).tolist()
    [0.75, 0.75]
    """

    per_element = True

    def __init__(self, learning_rate: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8,
                 lazy_update: bool = True, **kwargs: Any) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, **kwargs)
        self.lazy_update = lazy_update

    def _is_lazy(self, weight: Tensor) -> bool:
        return self.lazy_update

    def _step(self, weights: Tensors, grads: Tensors, state: State, lr: float, wd: float, count: int) -> None:
        lr *= math.sqrt(1.0 - self.beta2 ** count) / (1.0 - self.beta1 ** count)
        if self._clips:
            grads, wd = self._scaled_with_decay(grads, weights, wd), 0.0
        elif self.rescale_grad != 1.0:
            grads = self._scaled(grads)
        step = self._fused_step if weights[0].dtype in (torch.float32, torch.float64) else self._plain_step
        step(weights, grads, state, lr, wd)

    def _fused_step(self, weights: Tensors, grads: Tensors, state: State, lr: float, wd: float) -> None:
        """One pass over the memory."""
        counts = [endless(weights[0].device)] * len(weights)
        torch._fused_adam_(weights, grads, state[0], state[1], [], counts, lr=lr, beta1=_single(self.beta1),
                           beta2=_single(self.beta2), weight_decay=wd, eps=self.epsilon, amsgrad=False, maximize=False)

    def _plain_step(self, weights: Tensors, grads: Tensors, state: State, lr: float, wd: float) -> None:
        """The same, formula by formula."""
        mean, square = state
        if wd:
            grads = list(torch._foreach_add(grads, weights, alpha=wd))
        _average_(mean, grads, _single(self.beta1))
        _average_square_(square, grads, _single(self.beta2))
        torch._foreach_addcdiv_(weights, mean, self._roots(square, outside=self.epsilon), -lr)


def _single(value: float) -> float:
    """`value` rounded to float32, in which MXNet's operators take their settings.

    It shows: 1 - 0.999 changes by a hundred-thousandth, and a first step depends on little more than this.
    """
    return float(np.float32(value))


@register
class Adamax(FusedOptimizer):
    """Adam with the largest gradient in place of the mean square: ``u = max(beta2 * u, |g|)`` [Kingma & Ba 2014].

    ``w -= lr / (1 - beta1^t) * m / u``.

    Parameters
    ----------
    learning_rate : float
        About the size of a step.
    beta1, beta2 : float
        Weights of the past in the mean and in the maximum, in [0, 1).
    **kwargs
        As in :class:`Optimizer`.
    """

    def __init__(self, learning_rate: float = 0.002, beta1: float = 0.9, beta2: float = 0.999, **kwargs: Any) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1, self.beta2 = beta1, beta2

    def create_state(self, index: Index, weight: NDArray) -> tuple[NDArray, NDArray]:
        """The mean gradient and the largest."""
        return zeros_like(weight), zeros_like(weight)

    def _step(self, weights: Tensors, grads: Tensors, state: State, lr: float, wd: float, count: int) -> None:
        (mean, largest), grads = state, self._scaled_with_decay(grads, weights, wd)
        _average_(mean, grads, self.beta1)
        torch._foreach_mul_(largest, self.beta2)
        torch._foreach_abs_(grads)
        torch._foreach_maximum_(largest, grads)
        torch._foreach_addcdiv_(weights, mean, largest, -lr / (1.0 - self.beta1 ** count))


@register
class Nadam(_Moments):
    """Adam with Nesterov's momentum, on a schedule [Dozat 2015].

    As in MXNet, ``m_schedule`` is the product over the updates of all parameters, in their order.

    Parameters
    ----------
    learning_rate : float
        About the size of a step.
    beta1, beta2 : float
        Weights of the past in the two means, in [0, 1).
    epsilon : float
        Keeps the denominator from zero.
    schedule_decay : float
        How fast the momentum rises to `beta1`.
    **kwargs
        As in :class:`Optimizer`.
    """

    per_parameter = True

    def __init__(self, learning_rate: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8,
                 schedule_decay: float = 0.004, **kwargs: Any) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, **kwargs)
        self.schedule_decay, self.m_schedule = schedule_decay, 1.0

    def _step(self, weights: Tensors, grads: Tensors, state: State, lr: float, wd: float, count: int) -> None:
        (mean, square), grads = state, self._scaled_with_decay(grads, weights, wd)
        now, then = (self.beta1 * (1.0 - 0.5 * 0.96 ** (t * self.schedule_decay)) for t in (count, count + 1))
        self.m_schedule *= now
        _average_(mean, grads, self.beta1)
        _average_square_(square, grads, self.beta2)
        torch._foreach_mul_(grads, (1.0 - now) / (1.0 - self.m_schedule))
        torch._foreach_add_(grads, mean, alpha=then / (1.0 - self.m_schedule * then))
        correction = math.sqrt(1.0 - self.beta2 ** count)
        roots = self._roots(square, outside=self.epsilon * correction)
        torch._foreach_addcdiv_(weights, grads, roots, -lr * correction)


@register
class FTML(_Moments):
    """Follow the moving leader [Zheng & Kwok 2017].

    Parameters
    ----------
    beta1, beta2 : float
        Weights of the past, in [0, 1).
    epsilon : float
        Keeps the denominator from zero.
    **kwargs
        As in :class:`Optimizer`.
    """

    def __init__(self, beta1: float = 0.6, beta2: float = 0.999, epsilon: float = 1e-8, **kwargs: Any) -> None:
        FusedOptimizer.__init__(self, **kwargs)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def create_state(self, index: Index, weight: NDArray) -> tuple[NDArray, ...]:
        """The denominator d, the mean square v and the mean z."""
        return zeros_like(weight), zeros_like(weight), zeros_like(weight)

    def _step(self, weights: Tensors, grads: Tensors, state: State, lr: float, wd: float, count: int) -> None:
        (before, square, leader), grads = state, self._scaled_with_decay(grads, weights, wd)
        _average_square_(square, grads, self.beta2)
        correction = math.sqrt(1.0 - self.beta2 ** count)
        denominator = self._roots(square, outside=self.epsilon * correction)
        torch._foreach_mul_(denominator, (1.0 - self.beta1 ** count) / (lr * correction))
        _average_(leader, grads, self.beta1)
        torch._foreach_mul_(before, -self.beta1)
        torch._foreach_add_(before, denominator)
        torch._foreach_addcmul_(leader, before, weights, -1.0)
        torch._foreach_copy_(before, denominator)
        torch._foreach_copy_(weights, leader)
        torch._foreach_div_(weights, denominator)
        torch._foreach_neg_(weights)


@register
class LAMB(_Moments):
    """Adam whose step is scaled by layer to ``lr * |w|`` [You et al. 2019].

    Parameters
    ----------
    learning_rate : float
        How far a layer moves in one step, relative to its length.
    beta1, beta2 : float
        Weights of the past in the two means, in [0, 1).
    epsilon : float
        Keeps the denominator from zero.
    lower_bound, upper_bound : float, optional
        Limits of ``|w|``.
    bias_correction : bool
        Whether to make up for the means' beginning at zero.
    **kwargs
        As in :class:`Optimizer`.
    """

    def __init__(self, learning_rate: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-6,
                 lower_bound: Optional[float] = None, upper_bound: Optional[float] = None, bias_correction: bool = True,
                 **kwargs: Any) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, **kwargs)
        self.lower_bound, self.upper_bound, self.bias_correction = lower_bound, upper_bound, bias_correction

    def _step(self, weights: Tensors, grads: Tensors, state: State, lr: float, wd: float, count: int) -> None:
        (mean, square), grads = state, self._scaled(grads)
        _average_(mean, grads, self.beta1)
        _average_square_(square, grads, self.beta2)
        first, second = 1.0, 1.0
        if self.bias_correction:
            first, second = 1.0 - self.beta1 ** count, 1.0 - self.beta2 ** count
        roots = self._roots(square, outside=self.epsilon * math.sqrt(second))
        steps = list(torch._foreach_div(mean, roots))
        torch._foreach_mul_(steps, math.sqrt(second) / first)
        if wd:
            torch._foreach_add_(steps, weights, alpha=wd)
        torch._foreach_mul_(steps, self._ratios(weights, steps))
        torch._foreach_add_(weights, steps, alpha=-lr)

    def _ratios(self, weights: Tensors, steps: Tensors) -> Tensors:
        """The length of each layer over that of its step; 1 where either is zero."""
        lengths = list(torch._foreach_norm(weights))
        if self.lower_bound is not None:
            torch._foreach_clamp_min_(lengths, self.lower_bound)
        if self.upper_bound is not None:
            torch._foreach_clamp_max_(lengths, self.upper_bound)
        return [torch.where((length == 0) | (step == 0), torch.ones_like(length), length / step)
                for length, step in zip(lengths, torch._foreach_norm(steps))]


# --- of the AdaGrad family ---------------------------------------------------------------------------------------

@register
class AdaGrad(FusedOptimizer):
    """Steps along the gradient over the root of the sum of its squares [Duchi et al. 2011].

    ``h += g²; w -= lr * (g / sqrt(h + eps) + wd * w)``.

    Parameters
    ----------
    eps : float
        Keeps the denominator from zero.
    **kwargs
        As in :class:`Optimizer`.
    """

    def __init__(self, eps: float = 1e-7, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.float_stable_eps = eps

    def create_state(self, index: Index, weight: NDArray) -> NDArray:
        """The sum of squares."""
        return zeros_like(weight)

    def _is_lazy(self, weight: Tensor) -> bool:
        return not self.wd                                 # with decay, MXNet has no update by row_sparse gradients

    def _step(self, weights: Tensors, grads: Tensors, state: State, lr: float, wd: float, count: int) -> None:
        (history,), grads = state, self._scaled(grads)
        torch._foreach_addcmul_(history, grads, grads)
        if wd:
            torch._foreach_mul_(weights, 1 - lr * wd)
        torch._foreach_addcdiv_(weights, grads, self._roots(history, inside=self.float_stable_eps), -lr)


@register
class RMSProp(FusedOptimizer):
    """Steps along the gradient over the root of its mean square [Tieleman & Hinton 2012], or centered [Graves 2013].

    ``n = gamma1 * n + (1 - gamma1) * g²; w -= lr * g / sqrt(n + epsilon)``. Centered: with the mean gradient m,
    ``d = gamma2 * d - lr * g / sqrt(n - m² + epsilon); w += d``.

    Parameters
    ----------
    learning_rate : float
        About the size of a step.
    gamma1 : float
        Weight of the past in the means, in [0, 1).
    gamma2 : float
        Momentum of the centered form.
    epsilon : float
        Keeps the denominator from zero.
    centered : bool
        Which form.
    clip_weights : float, optional
        Largest magnitude of a weight; None for no limit.
    **kwargs
        As in :class:`Optimizer`.
    """

    def __init__(self, learning_rate: float = 0.001, gamma1: float = 0.9, gamma2: float = 0.9, epsilon: float = 1e-8,
                 centered: bool = False, clip_weights: Optional[float] = None, **kwargs: Any) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.gamma1, self.gamma2, self.epsilon = gamma1, gamma2, epsilon
        self.centered, self.clip_weights = centered, clip_weights

    def create_state(self, index: Index, weight: NDArray) -> tuple[NDArray, ...]:
        """The mean square n; centered also the mean m and the step d."""
        return tuple(zeros_like(weight) for _ in range(3 if self.centered else 1))

    def _step(self, weights: Tensors, grads: Tensors, state: State, lr: float, wd: float, count: int) -> None:
        grads = self._scaled_with_decay(grads, weights, wd)
        square, *centre = state
        _average_square_(square, grads, self.gamma1)
        if centre:
            mean, step = centre
            _average_(mean, grads, self.gamma1)
            variance = list(torch._foreach_addcmul(square, mean, mean, -1.0))
            torch._foreach_mul_(step, self.gamma2)
            torch._foreach_addcdiv_(step, grads, self._roots(variance, inside=self.epsilon), -lr)
            torch._foreach_add_(weights, step)
        else:
            torch._foreach_addcdiv_(weights, grads, self._roots(square, inside=self.epsilon), -lr)
        if self.clip_weights:
            torch._foreach_clamp_min_(weights, -self.clip_weights)
            torch._foreach_clamp_max_(weights, self.clip_weights)


@register
class AdaDelta(FusedOptimizer):
    """Steps of a size learnt from the steps before [Zeiler 2012]; the learning rate does not count.

    ``n = rho * n + (1 - rho) * g²; d = sqrt(s + eps) / sqrt(n + eps) * g; s = rho * s + (1 - rho) * d²;
    w -= d + wd * w``.

    Parameters
    ----------
    rho : float
        Weight of the past in the means, in [0, 1).
    epsilon : float
        Keeps the denominator from zero, and the first steps from being none.
    **kwargs
        As in :class:`Optimizer`.
    """

    def __init__(self, rho: float = 0.90, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rho, self.epsilon = rho, epsilon

    def create_state(self, index: Index, weight: NDArray) -> tuple[NDArray, NDArray]:
        """The mean squares of the gradient and of the step."""
        return zeros_like(weight), zeros_like(weight)

    def _step(self, weights: Tensors, grads: Tensors, state: State, lr: float, wd: float, count: int) -> None:
        (square, stepped), steps = state, self._scaled(grads)
        _average_square_(square, steps, self.rho)
        torch._foreach_mul_(steps, self._roots(stepped, inside=self.epsilon))
        torch._foreach_div_(steps, self._roots(square, inside=self.epsilon))
        _average_square_(stepped, steps, self.rho)
        if wd:
            torch._foreach_mul_(weights, 1 - wd)
        torch._foreach_sub_(weights, steps)


@register
class Ftrl(FusedOptimizer):
    """Follow the regularized leader, for sparse weights [McMahan et al. 2013].

    Parameters
    ----------
    lamda1 : float
        Weight of the L1 penalty.
    learning_rate : float
        About the size of the first step; as in MXNet, a scheduler's own goes before it.
    beta : float
        Added to the root of the sum of squares.
    **kwargs
        As in :class:`Optimizer`; `wd` is the weight of the L2 penalty.
    """

    def __init__(self, lamda1: float = 0.01, learning_rate: float = 0.1, beta: float = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lr, self.lamda1, self.beta = learning_rate, lamda1, beta

    def create_state(self, index: Index, weight: NDArray) -> tuple[NDArray, NDArray]:
        """The leader z and the sum of squares n."""
        return zeros_like(weight), zeros_like(weight)

    def _is_lazy(self, weight: Tensor) -> bool:
        return storage.is_sparse(weight)

    def _step(self, weights: Tensors, grads: Tensors, state: State, lr: float, wd: float, count: int) -> None:
        (leader, square), grads = state, self._scaled(grads)
        before = torch._foreach_sqrt(square)
        torch._foreach_addcmul_(square, grads, grads)
        roots = self._roots(square)
        torch._foreach_add_(leader, grads)
        torch._foreach_sub_(before, roots)                             # the change of the root, negated
        torch._foreach_addcmul_(leader, before, weights, 1 / lr)
        torch._foreach_add_(roots, self.beta)
        torch._foreach_mul_(roots, 1 / lr)
        torch._foreach_add_(roots, wd)
        # Shrunk towards zero by lamda1: z - clip(z, -lamda1, lamda1).
        inside = torch._foreach_clamp_max(leader, self.lamda1)
        torch._foreach_clamp_min_(inside, -self.lamda1)
        torch._foreach_sub_(inside, leader)
        torch._foreach_copy_(weights, inside)
        torch._foreach_div_(weights, roots)
