"""``mx.nd.contrib`` beyond the operators: what is finite, and classes drawn by their rank."""
from __future__ import annotations

import math
from typing import Any, Optional

import numpy as np

from ..context import Context, current_context
from . import random
from .ndarray import NDArray

__all__ = ["current_context", "isfinite", "isinf", "isnan", "rand_zipfian"]


def isnan(data: NDArray) -> NDArray:
    """1 where an element is NaN, else 0, in the dtype of `data`.

    >>> import ganmod as mx
    >>> isnan(mx.nd.array([1, float('nan')])).asnumpy().tolist()
    [0.0, 1.0]
    """
    return data != data


def isinf(data: NDArray) -> NDArray:
    """1 where an element is infinite, else 0, in the dtype of `data`.

    >>> import ganmod as mx
    >>> isinf(mx.nd.array([1, float('nan'), -float('inf')])).asnumpy().tolist()
    [0.0, 0.0, 1.0]
    """
    return data.abs() == np.inf


def isfinite(data: NDArray) -> NDArray:
    """1 where an element is neither infinite nor NaN, else 0, in the dtype of `data`.

    >>> import ganmod as mx
    >>> isfinite(mx.nd.array([1, float('nan'), -float('inf')])).asnumpy().tolist()
    [1.0, 0.0, 0.0]
    """
    return (data == data) * (data.abs() != np.inf)


def rand_zipfian(true_classes: NDArray, num_sampled: int, range_max: int, ctx: Optional[Context] = None) \
        -> tuple[NDArray, NDArray, NDArray]:
    """Draws classes from 0 to ``range_max - 1``, with replacement, the lower ones more often.

    A class k has the probability ``log((k + 2) / (k + 1)) / log(range_max + 1)``, about that of the k-th most frequent
    word of a text.

    Parameters
    ----------
    true_classes : NDArray
        Classes whose expected counts are wanted, of any shape.
    num_sampled : int
        How many to draw.
    range_max : int
        How many classes there are.
    ctx : Context, optional
        Where; by default the current context.

    Returns
    -------
    samples : NDArray (num_sampled,), int64
    expected_count_true : NDArray, float64
        How often each of the `true_classes` is expected among the samples.
    expected_count_sampled : NDArray (num_sampled,), float64
        The same for the samples.

    >>> import ganmod as mx
    >>> samples, expected, _ = rand_zipfian(mx.nd.array([0, 9]), 1000, 10)
    >>> samples.shape, [round(count, 1) for count in expected.asnumpy().tolist()]
    ((1000,), [289.1, 39.7])
    """
    span = math.log(range_max + 1)
    drawn = random.uniform(0, span, shape=(num_sampled,), dtype="float64", ctx=ctx)
    samples = (drawn.exp() - 1).astype("int64") % range_max

    def expected(classes: NDArray) -> Any:
        k = classes.astype("float64").as_in_context(samples.context)
        return ((k + 2.0) / (k + 1.0)).log() / span * num_sampled

    return samples, expected(true_classes), expected(samples)
