"""Whether random numbers have the distribution they should have."""
from __future__ import annotations

import math
from typing import Any, Callable, Sequence

import numpy as np

from ..base import InputError
from ..ndarray import NDArray

Generator = Callable[[int], Any]


def _drawn(generator: Generator, count: int) -> np.ndarray:
    found = generator(count)
    return found.asnumpy() if isinstance(found, NDArray) else np.asarray(found)


def mean_check(generator: Generator, mu: float, sigma: float, nsamples: int = 1000000) -> bool:
    """Whether the mean of samples is within three standard errors of `mu`."""
    return abs(_drawn(generator, nsamples).mean() - mu) < 3 * sigma / math.sqrt(nsamples)


def var_check(generator: Generator, sigma: float, nsamples: int = 1000000) -> bool:
    """Whether the variance of samples is within three standard errors of ``sigma ** 2``."""
    return abs(_drawn(generator, nsamples).var(ddof=1) - sigma**2) < 3 * math.sqrt(2 * sigma**4 / (nsamples - 1))


def gen_buckets_probs_with_ppf(ppf: Callable[[float], float], nbuckets: int) -> tuple[list[Any], list[float]]:
    """Intervals of equal probability from a quantile function, and their probabilities."""
    edges = [ppf(k / nbuckets) for k in range(nbuckets + 1)]
    return list(zip(edges, edges[1:])), [1.0 / nbuckets] * nbuckets


def chi_square_check(generator: Generator, buckets: Sequence[Any], probs: Sequence[float], nsamples: int = 1000000) \
        -> tuple[float, list[int], np.ndarray]:
    """The p-value of a chi-square test, the counts of the buckets, and the expected ones.

    Parameters
    ----------
    generator : function of a number of samples
        Gives the samples.
    buckets : list of (low, high) pairs, or of values
        Intervals, their upper ends left out, for a continuous distribution; values for a discrete one.
    probs : list of float
        The probability of each bucket.
    """
    if not buckets or len(buckets) != len(probs):
        raise InputError(f"chi_square_check() got {len(buckets)} buckets and {len(probs)} probabilities")
    samples = _drawn(generator, nsamples).reshape(-1)
    if isinstance(buckets[0], (tuple, list)):
        counts = [int(((samples >= low) & (samples < high)).sum()) for low, high in buckets]
    else:
        counts = [int((samples == value).sum()) for value in buckets]
    expected = len(samples) * np.asarray(probs, np.float64)
    statistic = float(((np.array(counts) - expected)**2 / expected).sum())
    return _chi_square_tail(statistic, len(buckets) - 1), counts, expected


def _chi_square_tail(statistic: float, freedom: int) -> float:
    """The probability that a chi-square variable is larger, by the recurrence from two degrees of freedom to the next.

    >>> round(_chi_square_tail(3.84, 1), 2), round(_chi_square_tail(9.49, 4), 2)
    (0.05, 0.05)
    """
    half = statistic / 2
    if freedom < 1 or half <= 0:
        return 1.0
    k = freedom % 2 or 2
    tail = math.erfc(math.sqrt(half)) if k == 1 else math.exp(-half)
    while k < freedom:
        tail += math.exp(k / 2 * math.log(half) - half - math.lgamma(k / 2 + 1))
        k += 2
    return tail


def verify_generator(generator: Generator, buckets: Sequence[Any], probs: Sequence[float], nsamples: int = 1000000,
                     nrepeat: int = 5, success_rate: float = 0.2, alpha: float = 0.05) -> list[float]:
    """The p-values of `nrepeat` chi-square tests.

    Raises
    ------
    AssertionError
        If fewer than `success_rate` of them exceed `alpha`.
    """
    found = [chi_square_check(generator, buckets, probs, nsamples) for _ in range(nrepeat)]
    values = [p for p, _, _ in found]
    if sum(p > alpha for p in values) < nrepeat * success_rate:
        raise AssertionError(f"Generator test fails, Chi-square p={values}, obs_freq={[c for _, c, _ in found]}, "
                             f"expected_freq={found[0][2]}.\nbuckets={buckets}, probs={probs}")
    return values
