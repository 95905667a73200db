"""``mx.sym.contrib`` beyond the operators: classes drawn by their rank."""
from __future__ import annotations

import math
from typing import Any

from . import random
from .symbol import Symbol

__all__ = ["rand_zipfian"]


def rand_zipfian(true_classes: Symbol, num_sampled: int, range_max: int) -> tuple[Symbol, Symbol, Symbol]:
    """Draws classes from 0 to ``range_max - 1``, with replacement, the lower ones more often.

    A class k has the probability ``log((k + 2) / (k + 1)) / log(range_max + 1)``, about that of the k-th most frequent
    word of a text.

    Parameters
    ----------
    true_classes : Symbol
        Classes whose expected counts are wanted, of any shape.
    num_sampled : int
        How many to draw.
    range_max : int
        How many classes there are.

    Returns
    -------
    samples, expected_count_true, expected_count_sampled : Symbol
        The draws (num_sampled,), int64, and how often each of the `true_classes`, and of the draws, is expected among
        them, float64.

    >>> import ganmod as mx
    >>> samples, expected, _ = rand_zipfian(mx.sym.Variable('classes'), 1000, 10)
    >>> mx.sym.Group([samples, expected]).infer_shape(classes=(2,))[1]
    [(1000,), (2,)]
    """
    span = math.log(range_max + 1)
    drawn: Any = random.uniform(0, span, shape=(num_sampled,), dtype="float64")
    samples = (drawn.exp() - 1).astype("int64") % range_max

    def expected(classes: Symbol) -> Any:
        k: Any = classes.astype("float64")
        return ((k + 2.0) / (k + 1.0)).log() / span * num_sampled

    true_count = expected(true_classes)
    return samples, true_count, expected(samples)
