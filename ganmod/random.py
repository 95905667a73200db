"""``mx.random``: the seed, and the random arrays of :mod:`ganmod.ndarray.random`."""
from __future__ import annotations

from typing import Union

import numpy as np
import torch

from .base import AttributeValueError
from .context import Context
from .ndarray import random as _arrays
from .ndarray.random import *  # noqa: F403

__all__ = ["seed", *_arrays.__all__]


def seed(seed_state: int, ctx: Union[str, Context] = "all") -> None:
    """Start the generators anew, so that what follows can be repeated.

    Parameters
    ----------
    seed_state : int
        Any whole number.
    ctx : Context or 'all'
        Whose generator: that of every device, or of one. All CPU contexts share one.

    >>> from ganmod.random import normal, seed
    >>> seed(7); first = normal(shape=3).asnumpy(); seed(7)
    >>> (normal(shape=3).asnumpy() == first).all()
    np.True_
    """
    if not isinstance(seed_state, (int, np.integer)):
        raise AttributeValueError(f"seed() takes an int, got {seed_state!r}")
    if ctx == "all":
        torch.manual_seed(int(seed_state))
        return
    device = Context(ctx).device
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(int(seed_state))
    else:
        torch.default_generator.manual_seed(int(seed_state))
