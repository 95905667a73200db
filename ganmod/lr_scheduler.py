"""Learning rates as functions of the number of updates. ``mx.lr_scheduler``."""
from __future__ import annotations

import logging
import math
from typing import Callable, Sequence

from .base import require

__all__ = ["LRScheduler", "FactorScheduler", "MultiFactorScheduler", "PolyScheduler", "CosineScheduler"]


class LRScheduler:
    """Base of the schedulers. A subclass defines ``__call__(num_update)``, which returns the learning rate.

    Parameters
    ----------
    base_lr : float
        The learning rate to begin with. An optimizer that is given its own learning rate sets it.
    warmup_steps : int
        Updates during which the rate rises to `base_lr`.
    warmup_begin_lr : float
        The rate at the first of them.
    warmup_mode : {'linear', 'constant'}
        Whether it rises evenly, or stays at `warmup_begin_lr` until the warmup is over.

    Raises
    ------
    ValueError
        For a warmup that is negative, of an unknown mode, or that begins above `base_lr`.
    """

    def __init__(self, base_lr: float = 0.01, warmup_steps: int = 0, warmup_begin_lr: float = 0,
                 warmup_mode: str = "linear") -> None:
        require(isinstance(warmup_steps, int), f"warmup_steps must be an int, got {warmup_steps!r}", ValueError)
        require(warmup_begin_lr <= base_lr, f"base_lr ({base_lr}) has to be at least warmup_begin_lr "
                f"({warmup_begin_lr})", ValueError)
        require(warmup_steps >= 0, f"warmup_steps has to be positive or 0, got {warmup_steps}", ValueError)
        require(warmup_mode in ("linear", "constant"), f"warmup_mode must be 'linear' or 'constant', got "
                f"{warmup_mode!r}", ValueError)
        self.base_lr, self.warmup_final_lr = base_lr, base_lr
        self.warmup_steps, self.warmup_begin_lr, self.warmup_mode = warmup_steps, warmup_begin_lr, warmup_mode

    def get_warmup_lr(self, num_update: int) -> float:
        """The learning rate at an update before `warmup_steps`."""
        require(num_update < self.warmup_steps, f"update {num_update} is not in the warmup of {self.warmup_steps} "
                "steps", ValueError)
        if self.warmup_mode == "constant":
            return self.warmup_begin_lr
        rise = (self.warmup_final_lr - self.warmup_begin_lr) * float(num_update) / float(self.warmup_steps)
        return self.warmup_begin_lr + rise

    def __call__(self, num_update: int) -> float:
        """The learning rate for the update of that number; the largest count among the parameters."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(num_update)")


class FactorScheduler(LRScheduler):
    """Multiplies the rate by `factor` every `step` updates, down to `stop_factor_lr`.

    Parameters
    ----------
    step : int
        Updates between two changes, at least 1.
    factor : float
        At most 1.
    stop_factor_lr : float
        The smallest rate.
    base_lr, warmup_steps, warmup_begin_lr, warmup_mode
        As in :class:`LRScheduler`.

    >>> schedule = FactorScheduler(step=2, factor=0.5, base_lr=1.0)
    >>> [schedule(n) for n in range(1, 6)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(self, step: int, factor: float = 1, stop_factor_lr: float = 1e-8, base_lr: float = 0.01,
                 warmup_steps: int = 0, warmup_begin_lr: float = 0, warmup_mode: str = "linear") -> None:
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        require(step >= 1, f"Schedule step must be greater or equal than 1 round, got {step}", ValueError)
        require(factor <= 1.0, f"Factor must be no more than 1 to make lr reduce, got {factor}", ValueError)
        self.step, self.factor, self.stop_factor_lr, self.count = step, factor, stop_factor_lr, 0

    def __call__(self, num_update: int) -> float:
        """The learning rate; calls must not go back in the number of updates."""
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        while num_update > self.count + self.step:
            self.count += self.step
            self.base_lr *= self.factor
            if self.base_lr < self.stop_factor_lr:
                self.base_lr = self.stop_factor_lr
                logging.info("Update[%d]: now learning rate arrived at %0.5e, will not change in the future",
                             num_update, self.base_lr)
            else:
                logging.info("Update[%d]: Change learning rate to %0.5e", num_update, self.base_lr)
        return self.base_lr


class MultiFactorScheduler(LRScheduler):
    """Multiplies the rate by `factor` after each of the given updates.

    Parameters
    ----------
    step : list of int
        Increasing numbers of updates, from 1.
    factor : float
        At most 1.
    base_lr, warmup_steps, warmup_begin_lr, warmup_mode
        As in :class:`LRScheduler`.

    >>> schedule = MultiFactorScheduler([2, 3], factor=0.5, base_lr=1.0)
    >>> [schedule(n) for n in range(1, 6)]
    [1.0, 1.0, 0.5, 0.25, 0.25]
    """

    def __init__(self, step: Sequence[int], factor: float = 1, base_lr: float = 0.01, warmup_steps: int = 0,
                 warmup_begin_lr: float = 0, warmup_mode: str = "linear") -> None:
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        require(len(step) >= 1, "Schedule step must be a list of at least one int", ValueError)
        require(all(s >= 1 for s in step), f"Schedule step must be greater or equal than 1 round, got {step}",
                ValueError)
        require(all(a < b for a, b in zip(step, step[1:])), f"Schedule step must be an increasing integer list, got "
                f"{step}", ValueError)
        require(factor <= 1.0, f"Factor must be no more than 1 to make lr reduce, got {factor}", ValueError)
        self.step, self.factor, self.cur_step_ind, self.count = list(step), factor, 0, 0

    def __call__(self, num_update: int) -> float:
        """The learning rate; calls must not go back in the number of updates."""
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        while self.cur_step_ind < len(self.step) and num_update > self.step[self.cur_step_ind]:
            self.count = self.step[self.cur_step_ind]
            self.cur_step_ind += 1
            self.base_lr *= self.factor
            logging.info("Update[%d]: Change learning rate to %0.5e", num_update, self.base_lr)
        return self.base_lr


class _Decay(LRScheduler):
    """From `base_lr` after the warmup to `final_lr` at `max_update`, along a curve from 1 to 0."""

    def __init__(self, max_update: int, base_lr: float, final_lr: float, warmup_steps: int, warmup_begin_lr: float,
                 warmup_mode: str) -> None:
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        require(isinstance(max_update, int) and max_update >= 1,
                f"maximum number of updates must be a strictly positive int, got {max_update!r}", ValueError)
        self.base_lr_orig, self.max_update, self.final_lr = base_lr, max_update, final_lr
        self.max_steps = max_update - warmup_steps

    def _at(self, num_update: int, curve: Callable[[float], float]) -> float:
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        if num_update <= self.max_update:
            done = float(num_update - self.warmup_steps) / self.max_steps if self.max_steps else 1.0
            self.base_lr = self.final_lr + (self.base_lr_orig - self.final_lr) * curve(done)
        return self.base_lr


class PolyScheduler(_Decay):
    """``final_lr + (base_lr - final_lr) * (1 - n / max_steps) ** pwr``, where n counts updates after the warmup.

    Parameters
    ----------
    max_update : int
        The update at which `final_lr` is reached; `max_steps` is that less the warmup.
    base_lr : float
        The rate after the warmup.
    pwr : float
        The power.
    final_lr : float
        The last rate.
    warmup_steps, warmup_begin_lr, warmup_mode
        As in :class:`LRScheduler`.

    >>> schedule = PolyScheduler(4, base_lr=1.0, pwr=1)
    >>> [schedule(n) for n in range(1, 6)]
    [0.75, 0.5, 0.25, 0.0, 0.0]
    """

    def __init__(self, max_update: int, base_lr: float = 0.01, pwr: float = 2, final_lr: float = 0,
                 warmup_steps: int = 0, warmup_begin_lr: float = 0, warmup_mode: str = "linear") -> None:
        super().__init__(max_update, base_lr, final_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        self.power = pwr

    def __call__(self, num_update: int) -> float:
        """The learning rate."""
        return self._at(num_update, lambda done: pow(1 - done, self.power))


class CosineScheduler(_Decay):
    """``final_lr + (base_lr - final_lr) * (1 + cos(pi * n / max_steps)) / 2``, where n counts updates after the warmup.

    Parameters
    ----------
    max_update : int
        The update at which `final_lr` is reached; `max_steps` is that less the warmup.
    base_lr, final_lr : float
        The rate after the warmup, and the last one.
    warmup_steps, warmup_begin_lr, warmup_mode
        As in :class:`LRScheduler`.

    >>> schedule = CosineScheduler(4, base_lr=1.0)
    >>> [round(schedule(n), 3) for n in range(1, 6)]
    [0.854, 0.5, 0.146, 0.0, 0.0]
    """

    def __init__(self, max_update: int, base_lr: float = 0.01, final_lr: float = 0, warmup_steps: int = 0,
                 warmup_begin_lr: float = 0, warmup_mode: str = "linear") -> None:
        super().__init__(max_update, base_lr, final_lr, warmup_steps, warmup_begin_lr, warmup_mode)

    def __call__(self, num_update: int) -> float:
        """The learning rate."""
        return self._at(num_update, lambda done: (1 + math.cos(math.pi * done)) / 2)
