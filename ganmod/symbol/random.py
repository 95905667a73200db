"""``mx.sym.random``: random symbols. With numbers for parameters every forward draws one array; with symbols, one draw
for each element of theirs (or `shape` draws)."""
from __future__ import annotations

from typing import Any, Sequence, Union

from ..base import InputError, numeric_types
from ..ops import registry as ops
from ..ops.random import DISTRIBUTIONS, chosen
from .operators import make_function
from .symbol import Symbol, apply

__all__ = ["uniform", "normal", "randn", "poisson", "exponential", "gamma", "multinomial", "negative_binomial",
           "generalized_negative_binomial", "shuffle", "randint"] + [f"{name}_like" for name in DISTRIBUTIONS]

Parameter = Union[float, Symbol]
Shape = Union[int, Sequence[int], None]


def _draw(name: str, parameters: dict[str, Any], shape: Shape, dtype: Any, kwargs: dict[str, Any]) -> Symbol:
    """``_random_<name>`` of numbers, or ``_sample_<name>`` of symbols."""
    called = chosen(name, parameters, Symbol)
    if called.startswith("_sample"):
        return _node(called, tuple(parameters.values()), {}, shape, dtype, kwargs)
    return _node(called, (), parameters, shape, dtype, kwargs)


def _node(called: str, inputs: Sequence[Symbol], attributes: dict[str, Any], shape: Shape, dtype: Any,
          kwargs: dict[str, Any]) -> Symbol:
    given = {"shape": shape, "dtype": dtype, "out": kwargs.pop("out", None)}
    return apply(ops.find(called), called, inputs,
                 {**attributes, **{key: value for key, value in given.items() if value is not None}, **kwargs})


def uniform(low: Parameter = 0, high: Parameter = 1, shape: Shape = None, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Draws from the uniform distribution on [low, high).

    Parameters
    ----------
    low, high : float or Symbol
        The ends. Symbols of one shape draw once for each pair of their elements.
    shape : int or tuple of int, optional
        Of the result, by default as it is used, or else (1,); with symbols, of the draws for each pair, which are the
        last axes.
    dtype : str or type, optional
        float32 by default, or float16 or float64.
    name, attr : optional
        As for every operator.

    >>> uniform(2, 3, shape=(2, 3), name='noise').infer_shape()[1]
    [(2, 3)]
    """
    return _draw("uniform", {"low": low, "high": high}, shape, dtype, kwargs)


def normal(loc: Parameter = 0, scale: Parameter = 1, shape: Shape = None, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Draws from the normal distribution of mean `loc` and standard deviation `scale`; see :func:`uniform`.

    >>> import ganmod as mx
    >>> mean, deviation = mx.sym.Variable('mean'), mx.sym.Variable('deviation')
    >>> normal(mean, deviation).infer_shape(mean=(2, 3))[1]
    [(2, 3)]
    """
    return _draw("normal", {"loc": loc, "scale": scale}, shape, dtype, kwargs)


def randn(*shape: int, loc: Parameter = 0, scale: Parameter = 1, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Draws from the normal distribution, with the shape as positional arguments.

    >>> randn(2, 3).infer_shape()[1]
    [(2, 3)]
    """
    return _draw("normal", {"loc": loc, "scale": scale}, shape, dtype, kwargs)


def poisson(lam: Parameter = 1, shape: Shape = None, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Draws from the Poisson distribution of mean `lam`, as floats; see :func:`uniform`."""
    return _draw("poisson", {"lam": lam}, shape, dtype, kwargs)


def exponential(scale: Parameter = 1, shape: Shape = None, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Draws from the exponential distribution of mean `scale`; see :func:`uniform`."""
    if isinstance(scale, numeric_types) and not scale > 0:
        raise InputError(f"random.exponential(): scale > 0 must hold, got {scale}")
    return _draw("exponential", {"lam": 1.0 / scale}, shape, dtype, kwargs)


def gamma(alpha: Parameter = 1, beta: Parameter = 1, shape: Shape = None, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Draws from the gamma distribution of shape `alpha` and scale `beta`; see :func:`uniform`."""
    return _draw("gamma", {"alpha": alpha, "beta": beta}, shape, dtype, kwargs)


def negative_binomial(k: Parameter = 1, p: Parameter = 1, shape: Shape = None, dtype: Any = None,
                      **kwargs: Any) -> Symbol:
    """Draws how many failures come before the `k`-th success of probability `p`; see :func:`uniform`."""
    return _draw("negative_binomial", {"k": k, "p": p}, shape, dtype, kwargs)


def generalized_negative_binomial(mu: Parameter = 1, alpha: Parameter = 1, shape: Shape = None, dtype: Any = None,
                                  **kwargs: Any) -> Symbol:
    """Draws from the negative binomial distribution of mean `mu` and variance ``mu + alpha * mu ** 2``."""
    return _draw("generalized_negative_binomial", {"mu": mu, "alpha": alpha}, shape, dtype, kwargs)


def multinomial(data: Symbol, shape: Shape = None, get_prob: bool = True, dtype: Any = "int32",
                **kwargs: Any) -> Symbol:
    """Draws indices with the probabilities in the last axis of `data` (..., k).

    Parameters
    ----------
    shape : int or tuple of int, optional
        How many indices for each distribution; the result has shape (..., *shape).
    get_prob : bool
        Whether there is a second output with the logarithms of the probabilities of what was drawn. It is by default,
        unlike that of ``mx.nd.random``.

    >>> import ganmod as mx
    >>> multinomial(mx.sym.Variable('p'), get_prob=False).eval(p=mx.nd.array([0, 1]))[0].asnumpy().tolist()
    [1]
    """
    return _node("_sample_multinomial", (data,), {"get_prob": get_prob}, shape, dtype, kwargs)


def randint(low: int, high: int, shape: Shape = None, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Draws whole numbers from [low, high): int32 by default, or int64."""
    return _node("_random_randint", (), {"low": low, "high": high}, shape, dtype, kwargs)


def shuffle(data: Symbol, **kwargs: Any) -> Symbol:
    """The rows of `data` in a random order."""
    return _node("_shuffle", (data,), {}, None, None, kwargs)


globals().update({f"{name}_like": make_function(ops.find(f"_random_{name}_like"), f"{name}_like")
                  for name in DISTRIBUTIONS})
