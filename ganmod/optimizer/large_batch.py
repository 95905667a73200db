"""``LBSGD``: gradient descent on sums over several batches, with a warm-up of the rate."""
from __future__ import annotations

import math
from typing import Any, Callable, Optional

import torch

from ..ndarray import NDArray
from .fused import zeros_like
from .optimizer import Index, Optimizer, register

__all__ = ["LBSGD"]

# How much of the warm-up's whole rise there is at a fraction of it.
_RISES: dict[str, Callable[[float], float]] = {
    "linear": lambda part: part,
    "power2": lambda part: part * part,
    "sqrt": math.sqrt,
}


@register
class LBSGD(Optimizer):
    """Large-batch SGD: one step for every `batch_scale` batches, along their mean gradient.

    ``m = momentum * m - lr * k * (g + wd * w); w += m``, where k rises from 1 to `batch_scale` while the rate warms
    up; with the strategy ``'lars'`` it is ``sqrt(|w|² / (|g|² + wd * |w|²))`` within [0.01, 100] at every step. The
    batches between leave the weights as they are.

    Parameters
    ----------
    momentum : float
        How much of the last step is added to the next, in [0, 1).
    multi_precision : bool
        As in :class:`Optimizer`.
    warmup_strategy : {'linear', 'power2', 'sqrt', 'lars'}
        How k rises; with any other text it stays 1 until the warm-up's end.
    warmup_epochs : int
        Length of the warm-up, in epochs.
    batch_scale : int
        How many batches make one step.
    updates_per_epoch : int
        Batches in an epoch.
    begin_epoch : int
        The epoch that training starts with.
    num_epochs : int
        Without meaning, as in MXNet.
    **kwargs
        As in :class:`Optimizer`.

    >>> import ganmod as mx
    >>> weight, update = mx.nd.ones((1,)), mx.optimizer.get_updater(LBSGD(learning_rate=0.5, batch_scale=2))
    >>> for _ in range(2):
    ...     update(0, mx.nd.ones((1,)), weight)
    ...     print(round(weight.asscalar().item(), 4))
    1.0
    0.4937
    """

    def __init__(self, momentum: float = 0.0, multi_precision: bool = False, warmup_strategy: str = "linear",
                 warmup_epochs: int = 5, batch_scale: int = 1, updates_per_epoch: int = 32, begin_epoch: int = 0,
                 num_epochs: int = 60, **kwargs: Any) -> None:
        super().__init__(multi_precision=multi_precision, **kwargs)
        self.momentum, self.warmup_strategy, self.warmup_epochs = momentum, warmup_strategy, warmup_epochs
        self.batch_scale, self.updates_per_epoch, self.num_epochs = batch_scale, updates_per_epoch, num_epochs
        self.init_updates = begin_epoch * updates_per_epoch
        self.cumgrads: dict[Index, dict[str, Any]] = {}

    def create_state(self, index: Index, weight: NDArray) -> Optional[NDArray]:
        """The momentum, or None without one."""
        return zeros_like(weight) if self.momentum != 0.0 else None

    @torch.no_grad()
    def update(self, index: Index, weight: NDArray, grad: NDArray, state: Any) -> None:
        """Add a batch's gradient; with the last one of a step, change the weight and its momentum in place."""
        lr, wd = self._get_lr(index), self._get_wd(index)
        self._update_count(index)
        cumulated = self._cumulate_gradient(grad, index)
        if cumulated["num_cums"] % self.batch_scale:
            return
        target, mean = weight.as_torch(), cumulated["cum_grad"].as_torch() / self.batch_scale
        cumulated["cum_grad"] = 0
        lr *= self._get_lars(target, mean, wd) if self.warmup_strategy == "lars" else \
            self._get_lbmult(cumulated["num_cums"])
        step = mean * self.rescale_grad
        if self.clip_gradient is not None and self.clip_gradient > 0:
            step.clamp_(-self.clip_gradient, self.clip_gradient)
        step.add_(target, alpha=wd).mul_(-lr)
        if state is not None:
            step = state.as_torch().mul_(self.momentum).add_(step)
        target.add_(step)

    def _cumulate_gradient(self, grad: NDArray, index: Index) -> dict[str, Any]:
        """The sum of a parameter's gradients since its last step, with this one, and how many batches it has seen."""
        known = self.cumgrads.setdefault(index, {"cum_grad": 0, "num_cums": self.init_updates})
        known["num_cums"] += 1
        before = known["cum_grad"]
        known["cum_grad"] = grad.copy() if isinstance(before, int) else \
            NDArray(before.as_torch() + grad.as_torch(), grad.context)
        return known

    def _get_lbmult(self, nup: int) -> float:
        """The factor of the rate after `nup` batches."""
        length = self.warmup_epochs * self.updates_per_epoch
        if nup >= length:
            return float(self.batch_scale)
        rise = _RISES.get(self.warmup_strategy)
        if rise is None or length <= 1:
            return 1.0
        return 1.0 + (self.batch_scale - 1) * rise(nup / length)

    @staticmethod
    def _get_lars(weight: Any, grad: Any, wd: float) -> float:
        """The factor of the rate by the lengths of a weight and its gradient."""
        squares = weight.double().square().sum().item(), grad.double().square().sum().item()
        return min(max(math.sqrt(squares[0] / (squares[1] + wd * squares[0] + 1e-18)), 0.01), 100.0)
