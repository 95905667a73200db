"""Optimizers that go down the gradient: plain, with momentum, by its sign, with noise, by layer."""
from __future__ import annotations

import math
from typing import Any, Optional, Sequence

import torch
from torch import Tensor

from ..ndarray import NDArray
from .fused import FusedOptimizer, Tensors, zeros_like
from .optimizer import Index, register

__all__ = ["SGD", "ccSGD", "NAG", "Signum", "SGLD", "DCASGD", "LARS", "Test"]

State = tuple[Tensors, ...]


class _Momentum(FusedOptimizer):
    """What optimizers with an optional momentum share; a float32 copy comes after the state."""

    def __init__(self, momentum: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.momentum = momentum

    def create_state(self, index: Index, weight: NDArray) -> Optional[NDArray]:
        """The momentum, or None without one."""
        return zeros_like(weight) if self.momentum != 0.0 else None

    def _join_copy(self, copy: NDArray, state: Any) -> tuple[Any, Any]:
        return state, copy

    def _split_copy(self, state: tuple[Any, Any]) -> tuple[NDArray, Any]:
        return state[1], state[0]

    def _unscaled(self, grads: Tensors) -> tuple[Tensors, float]:
        """Gradients and the factor they still need; without clipping they need not be copied."""
        return (self._scaled(grads), 1.0) if self._clips else (grads, self.rescale_grad)


@register
class SGD(_Momentum):
    """Stochastic gradient descent: ``m = momentum * m - lr * (g + wd * w); w += m``.

    Parameters
    ----------
    momentum : float
        How much of the last step is added to the next, in [0, 1).
    lazy_update : bool
        Whether a row_sparse gradient changes only the rows that it has: the others neither decay nor move on.
    **kwargs
        As in :class:`Optimizer`.

    >>> import ganmod as mx
    >>> weight = mx.nd.ones((2,))
    >>> SGD(learning_rate=0.5).update(0, weight, mx.nd.ones((2,)), None)
    >>> weight.asnumpy().tolist()
    [0.5, 0.5]
    """

    per_element = True

    def __init__(self, momentum: float = 0.0, lazy_update: bool = True, **kwargs: Any) -> None:
        super().__init__(momentum, **kwargs)
        self.lazy_update = lazy_update

    def _is_lazy(self, weight: Tensor) -> bool:
        return self.lazy_update

    def _step(self, weights: Tensors, grads: Tensors, state: State, lr: float, wd: float, count: int) -> None:
        grads, factor = self._unscaled(grads)
        if not state:
            if wd:
                torch._foreach_mul_(weights, 1 - lr * wd)
            torch._foreach_add_(weights, grads, alpha=-lr * factor)
            return
        momentum, = state
        torch._foreach_mul_(momentum, self.momentum)
        torch._foreach_add_(momentum, grads, alpha=-lr * factor)
        if wd:
            torch._foreach_add_(momentum, weights, alpha=-lr * wd)
        torch._foreach_add_(weights, momentum)


@register
class ccSGD(SGD):  # noqa: N801
    """SGD under its old name."""


@register
class NAG(_Momentum):
    """Nesterov's accelerated gradient: ``m = momentum * m - lr * (g + wd * w); w += momentum * m - lr * (g + wd * w)``.

    As in MXNet, the decay in the momentum that is kept is that of the new weight.

    Parameters
    ----------
    momentum : float
        How much of the last step is added to the next, in [0, 1).
    **kwargs
        As in :class:`Optimizer`.
    """

    per_element = True

    def _is_lazy(self, weight: Tensor) -> bool:
        return self.momentum == 0.0

    def _step(self, weights: Tensors, grads: Tensors, state: State, lr: float, wd: float, count: int) -> None:
        grads, factor = self._unscaled(grads)
        if wd:
            torch._foreach_mul_(weights, 1 - lr * wd * (1 + self.momentum if state else 1))
        torch._foreach_add_(weights, grads, alpha=-lr * factor)
        if state:
            momentum, = state
            torch._foreach_mul_(momentum, self.momentum)
            torch._foreach_add_(momentum, grads, alpha=-lr * factor)
            torch._foreach_add_(weights, momentum, alpha=self.momentum)
            if wd:
                torch._foreach_add_(momentum, weights, alpha=-lr * wd)


@register
class Signum(FusedOptimizer):
    """Steps of one size, by the sign of the gradient or of its momentum [Bernstein et al. 2018].

    ``m = momentum * m - (1 - momentum) * (g + wd * w); w = (1 - lr * wd_lh) * w + lr * sign(m)``; without momentum
    ``w = (1 - lr * wd) * w - lr * sign(g)``.

    Parameters
    ----------
    learning_rate : float
        The size of a step.
    momentum : float
        Weight of the past in the mean of the gradients, in [0, 1).
    wd_lh : float
        Decay of the weights themselves, as in [Loshchilov & Hutter 2017].
    **kwargs
        As in :class:`Optimizer`.
    """

    per_element = True

    def __init__(self, learning_rate: float = 0.01, momentum: float = 0.9, wd_lh: float = 0.0, **kwargs: Any) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.momentum, self.wd_lh = momentum, wd_lh

    def create_state(self, index: Index, weight: NDArray) -> Optional[NDArray]:
        """The momentum, or None without one."""
        return zeros_like(weight) if self.momentum != 0.0 else None

    def _step(self, weights: Tensors, grads: Tensors, state: State, lr: float, wd: float, count: int) -> None:
        if not state:
            if wd:
                torch._foreach_mul_(weights, 1 - lr * wd)
            torch._foreach_add_(weights, list(torch._foreach_sign(grads)), alpha=-lr * _sign(self.rescale_grad))
            return
        momentum, = state
        torch._foreach_mul_(momentum, self.momentum)
        torch._foreach_add_(momentum, self._scaled(grads), alpha=self.momentum - 1)
        if wd:
            torch._foreach_add_(momentum, weights, alpha=(self.momentum - 1) * wd)
        if self.wd_lh:
            torch._foreach_mul_(weights, 1 - lr * self.wd_lh)
        torch._foreach_add_(weights, list(torch._foreach_sign(momentum)), alpha=lr)


def _sign(number: float) -> float:
    return math.copysign(1.0, number) if number else 0.0


@register
class SGLD(FusedOptimizer):
    """Stochastic gradient Langevin dynamics: ``w -= lr / 2 * (g + wd * w)``, plus normal noise of variance lr.

    Parameters
    ----------
    **kwargs
        As in :class:`Optimizer`.
    """

    def _step(self, weights: Tensors, grads: Tensors, state: State, lr: float, wd: float, count: int) -> None:
        grads = self._scaled(grads)
        if wd:
            torch._foreach_add_(grads, weights, alpha=wd)
        torch._foreach_add_(weights, grads, alpha=-lr / 2)
        torch._foreach_add_(weights, [torch.randn_like(w) for w in weights], alpha=math.sqrt(lr))


@register
class DCASGD(_Momentum):
    """SGD that makes up for late gradients: adds ``lamda * g² * (w - w_before)`` to them [Zheng et al. 2017].

    Parameters
    ----------
    momentum : float
        How much of the last step is added to the next, in [0, 1).
    lamda : float
        Weight of the correction.
    **kwargs
        As in :class:`Optimizer`.
    """

    def __init__(self, momentum: float = 0.0, lamda: float = 0.04, **kwargs: Any) -> None:
        super().__init__(momentum, **kwargs)
        self.weight_previous: dict[Index, NDArray] = {}
        self.lamda = lamda

    def create_state(self, index: Index, weight: NDArray) -> Any:
        """The momentum (or None) and the weight before."""
        return super().create_state(index, weight), weight.copy()

    def _join_copy(self, copy: NDArray, state: Any) -> tuple[Any, Any]:
        return copy, state

    def _split_copy(self, state: tuple[Any, Any]) -> tuple[NDArray, Any]:
        return state[0], state[1]

    def _step(self, weights: Tensors, grads: Tensors, state: State, lr: float, wd: float, count: int) -> None:
        *momentum, before = state
        scaled = self._scaled(grads)
        moved = torch._foreach_sub(weights, before)
        torch._foreach_mul_(moved, scaled)
        torch._foreach_mul_(moved, scaled)
        torch._foreach_add_(scaled, moved, alpha=self.lamda)
        if wd:
            torch._foreach_add_(scaled, weights, alpha=wd)
        torch._foreach_copy_(before, weights)
        if momentum:
            torch._foreach_mul_(momentum[0], self.momentum)
            torch._foreach_add_(momentum[0], scaled, alpha=-lr)
            torch._foreach_add_(weights, momentum[0])
        else:
            torch._foreach_add_(weights, scaled, alpha=-lr)


@register
class LARS(SGD):
    """SGD whose rate is scaled by layer: ``lr * eta * |w| / (|g| + wd * |w| + eps)`` [You et al. 2017].

    Parameters whose name ends with ``gamma``, ``beta`` or ``bias`` keep their rate; only those whose name ends with
    ``_weight`` decay.

    Parameters
    ----------
    momentum : float
        How much of the last step is added to the next, in [0, 1).
    lazy_update : bool
        Without meaning here.
    eta : float
        How far a layer may move in one step, relative to its length.
    eps : float
        Added to the denominator.
    momentum_correction : bool
        Whether the momentum is scaled with the rate where that changes.
    **kwargs
        As in :class:`Optimizer`.
    """

    decayed = ("_weight",)

    per_element = False

    def __init__(self, momentum: float = 0.0, lazy_update: bool = True, eta: float = 0.001, eps: float = 0,
                 momentum_correction: bool = True, **kwargs: Any) -> None:
        super().__init__(momentum, lazy_update, **kwargs)
        self.eta, self.eps, self.momentum_correction = eta, eps, momentum_correction
        self.last_lr: Optional[float] = None
        self.cur_lr: Optional[float] = None

    def _update_tensors(self, index: Sequence[Index], weights: Tensors, grads: Tensors,
                        states: list[tuple[Tensor, ...]]) -> None:
        """One call is one update of the rate, whose change the momentum follows."""
        self._update_count(index)
        self.last_lr, self.cur_lr = self.cur_lr, self.learning_rate
        for members, (lr, wd, _) in self._groups(index, weights):
            own = [weights[k] for k in members], [grads[k] for k in members]
            steps = self._scaled(own[1])
            if wd:
                torch._foreach_add_(steps, own[0], alpha=wd)
            torch._foreach_mul_(steps, self._ratios([index[k] for k in members], *own, wd))
            torch._foreach_mul_(steps, -lr)
            momentum = [states[k][0] for k in members if states[k]]
            if momentum:
                torch._foreach_mul_(momentum, self._corrected_momentum())
                torch._foreach_add_(momentum, steps)
            torch._foreach_add_(own[0], momentum or steps)

    def _corrected_momentum(self) -> float:
        if not self.momentum_correction or not self.last_lr or self.cur_lr is None:
            return self.momentum
        return self.momentum * self.cur_lr / self.last_lr

    def _ratios(self, index: Sequence[Index], weights: Tensors, grads: Tensors, wd: float) -> Tensors:
        """The factor of each layer's rate; 1 where its weights or gradients are zero, or its name says so."""
        lengths, slopes = torch._foreach_norm(weights), list(torch._foreach_norm(grads))
        torch._foreach_mul_(slopes, abs(self.rescale_grad))
        return [torch.where((w > 0) & (g > 0), self.eta * w / (g + wd * w + self.eps), torch.ones_like(w))
                if self._is_scaled(i) else torch.ones_like(w) for i, w, g in zip(index, lengths, slopes)]

    def _is_scaled(self, index: Index) -> bool:
        return not self.idx2name.get(index, "").endswith(("gamma", "beta", "bias"))


@register
class Test(FusedOptimizer):
    """``w += rescale_grad * g``; the state is the weight. For tests.

    Parameters
    ----------
    **kwargs
        As in :class:`Optimizer`.
    """

    __test__ = False                  # not a case for pytest

    def create_state(self, index: Index, weight: NDArray) -> NDArray:
        """Room for a copy of the weight."""
        return zeros_like(weight)

    def _step(self, weights: Tensors, grads: Tensors, state: State, lr: float, wd: float, count: int) -> None:
        torch._foreach_add_(weights, grads, alpha=self.rescale_grad)
        torch._foreach_copy_(state[0], weights)
