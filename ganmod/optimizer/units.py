"""Units: Adam's means kept for gradients as they come, so that these need not be rescaled at every step.

With ``f = rescale_grad``, the means m and v of the rescaled gradients are f and f² times those of the gradients as they
come; and from these Adam makes the same step, to the bit where f is a power of two, with its epsilon, and its decay,
divided by f.
"""
from __future__ import annotations

import contextlib
import math
from typing import Any, Iterator, Sequence

import torch

from ..ndarray import NDArray
from .adaptive import Adam
from .optimizer import Optimizer

__all__ = ["unit_for", "change_unit", "taking"]

_SMALLEST = 2.0 ** -20                 # 1 / the largest batch; squares of gradients stay far from overflow


def unit_for(optimizer: Optimizer, weights: Sequence[NDArray]) -> float:
    """The f with which the states of these weights are best kept; 1 for means as the optimizer defines them."""
    if type(optimizer) is not Adam or optimizer._clips:
        return 1.0
    factor = optimizer.rescale_grad
    is_power = _SMALLEST <= factor < 1 and math.frexp(factor)[0] == 0.5
    return factor if is_power and all(w._tensor.dtype in (torch.float32, torch.float64) for w in weights) else 1.0


def change_unit(state: tuple[NDArray, NDArray], old: float, new: float) -> None:
    """Change the means of a parameter in place."""
    mean, square = (part.as_torch() for part in state)
    mean.mul_(old / new)
    square.mul_((old / new) ** 2)


@contextlib.contextmanager
def taking(optimizer: Any, unit: float) -> Iterator[None]:
    """For a while, have the optimizer take states that are kept with this f."""
    if unit == 1.0:
        yield
        return
    usual = {name: getattr(optimizer, name) for name in ("rescale_grad", "epsilon", "wd")}
    vars(optimizer).update(rescale_grad=1.0, epsilon=optimizer.epsilon / unit, wd=optimizer.wd / unit)
    try:
        yield
    finally:
        vars(optimizer).update(usual)
