"""``mx.optimizer.contrib``: GroupAdaGrad."""
from __future__ import annotations

from typing import Any

import torch

from ..base import InputError, require
from ..ndarray import NDArray
from .fused import FusedOptimizer, Tensors, zeros_like
from .optimizer import Index, register

__all__ = ["GroupAdaGrad"]


@register
class GroupAdaGrad(FusedOptimizer):
    """AdaGrad with one rate per row: ``h += mean(g², axis 1); w -= lr * g / sqrt(h + eps)``.

    Parameters
    ----------
    eps : float
        Keeps the denominator from zero.
    **kwargs
        As in :class:`Optimizer`; weight decay is not supported.
    """

    def __init__(self, eps: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.float_stable_eps = eps

    def create_state(self, index: Index, weight: NDArray) -> NDArray:
        """The history, of shape (rows, 1)."""
        require(len(weight.shape) == 2, f"GroupAdaGrad takes matrices, got the shape {weight.shape}", InputError)
        return zeros_like(weight, (weight.shape[0], 1))

    def _step(self, weights: Tensors, grads: Tensors, state: tuple[Tensors, ...], lr: float, wd: float,
              count: int) -> None:
        require(wd == 0, "Weight decay is not supported for GroupAdaGrad", InputError)
        grads, (history,) = self._scaled(grads), state
        torch._foreach_add_(history, [g.square().mean(1, keepdim=True) for g in grads])
        roots = torch._foreach_add(history, self.float_stable_eps)
        torch._foreach_sqrt_(roots)
        torch._foreach_add_(weights, [g / r for g, r in zip(grads, roots)], alpha=-lr)
