"""``mx.nd.random``: random arrays. With numbers for parameters one call draws one array; with arrays, one draw for
each element of theirs (or `shape` draws)."""
from __future__ import annotations

import functools
from typing import Any, Callable, Optional, Sequence, Union

from ..base import InputError, numeric_types
from ..context import current_context
from ..ops import registry as ops
from ..ops.random import DISTRIBUTIONS, chosen
from .creation import AnyContext, as_context
from .ndarray import NDArray, invoke
from .operators import make_function

__all__ = ["current_context", "uniform", "normal", "randn", "poisson", "exponential", "gamma", "multinomial",
           "negative_binomial", "generalized_negative_binomial", "shuffle", "randint"] \
    + [f"{name}_like" for name in DISTRIBUTIONS]

Parameter = Union[float, NDArray]
Shape = Union[int, Sequence[int], None]


def _draw(name: str, parameters: dict[str, Any], shape: Shape, dtype: Any, ctx: AnyContext,
          out: Optional[NDArray], kwargs: dict[str, Any]) -> Any:
    """Run ``_random_<name>`` on numbers, or ``_sample_<name>`` on arrays."""
    called, attributes = chosen(name, parameters, NDArray), {"dtype": dtype, **kwargs}
    if called.startswith("_sample"):
        return invoke(ops.find(called), list(parameters.values()),
                      {**attributes, "shape": () if shape is None else shape}, out)
    return _create(called, {**parameters, **attributes}, shape, ctx, out)


def _create(name: str, attributes: dict[str, Any], shape: Shape, ctx: AnyContext, out: Optional[NDArray]) -> Any:
    if shape is None:
        shape = (1,) if out is None else out.shape
    return _function(name)(shape=shape, ctx=as_context(ctx) if out is None else None, out=out, **attributes)


@functools.cache
def _function(name: str) -> Callable[..., Any]:
    """The ``mx.nd`` function of an operator, made when it is first asked for."""
    return make_function(ops.find(name), name)


def uniform(low: Parameter = 0, high: Parameter = 1, shape: Shape = None, dtype: Any = None, ctx: AnyContext = None,
            out: Optional[NDArray] = None, **kwargs: Any) -> NDArray:
    """Draws from the uniform distribution on [low, high).

    Parameters
    ----------
    low, high : float or NDArray
        The ends. NDArrays of one shape draw once for each pair of their elements.
    shape : int or tuple of int, optional
        Of the result, (1,) by default; with NDArrays, of the draws for each pair, which are the last axes.
    dtype : str or type, optional
        float32 by default, or float16 or float64.
    ctx : Context, optional
        Where to draw: the current context by default, that of the NDArrays otherwise.
    out : NDArray, optional
        Where to write; gives the shape where none is given.

    >>> uniform(2, 3, shape=(2, 3)).shape
    (2, 3)
    """
    return _draw("uniform", {"low": low, "high": high}, shape, dtype, ctx, out, kwargs)


def normal(loc: Parameter = 0, scale: Parameter = 1, shape: Shape = None, dtype: Any = None, ctx: AnyContext = None,
           out: Optional[NDArray] = None, **kwargs: Any) -> NDArray:
    """Draws from the normal distribution of mean `loc` and standard deviation `scale`; see :func:`uniform`.

    >>> from ganmod import nd
    >>> normal(nd.zeros(2), nd.ones(2), shape=3).shape
    (2, 3)
    """
    return _draw("normal", {"loc": loc, "scale": scale}, shape, dtype, ctx, out, kwargs)


def randn(*shape: int, loc: Parameter = 0, scale: Parameter = 1, dtype: Any = None, ctx: AnyContext = None,
          out: Optional[NDArray] = None, **kwargs: Any) -> NDArray:
    """Draws from the normal distribution, with the shape as positional arguments.

    >>> randn(2, 3).shape
    (2, 3)
    """
    return _draw("normal", {"loc": loc, "scale": scale}, shape or None, dtype, ctx, out, kwargs)


def poisson(lam: Parameter = 1, shape: Shape = None, dtype: Any = None, ctx: AnyContext = None,
            out: Optional[NDArray] = None, **kwargs: Any) -> NDArray:
    """Draws from the Poisson distribution of mean `lam`, as floats; see :func:`uniform`.

    >>> poisson(0, shape=2).asnumpy().tolist()
    [0.0, 0.0]
    """
    return _draw("poisson", {"lam": lam}, shape, dtype, ctx, out, kwargs)


def exponential(scale: Parameter = 1, shape: Shape = None, dtype: Any = None, ctx: AnyContext = None,
                out: Optional[NDArray] = None, **kwargs: Any) -> NDArray:
    """Draws from the exponential distribution of mean `scale`; see :func:`uniform`.

    >>> exponential(2.0, shape=3).shape
    (3,)
    """
    if isinstance(scale, numeric_types) and not scale > 0:
        raise InputError(f"random.exponential(): scale > 0 must hold, got {scale}")
    return _draw("exponential", {"lam": 1.0 / scale}, shape, dtype, ctx, out, kwargs)


def gamma(alpha: Parameter = 1, beta: Parameter = 1, shape: Shape = None, dtype: Any = None, ctx: AnyContext = None,
          out: Optional[NDArray] = None, **kwargs: Any) -> NDArray:
    """Draws from the gamma distribution of shape `alpha` and scale `beta`; see :func:`uniform`.

    >>> gamma(2.0, 3.0, shape=3).shape
    (3,)
    """
    return _draw("gamma", {"alpha": alpha, "beta": beta}, shape, dtype, ctx, out, kwargs)


def negative_binomial(k: Parameter = 1, p: Parameter = 1, shape: Shape = None, dtype: Any = None,
                      ctx: AnyContext = None, out: Optional[NDArray] = None, **kwargs: Any) -> NDArray:
    """Draws how many failures come before the `k`-th success of probability `p`; see :func:`uniform`.

    >>> negative_binomial(3, 0.5, shape=2).shape
    (2,)
    """
    return _draw("negative_binomial", {"k": k, "p": p}, shape, dtype, ctx, out, kwargs)


def generalized_negative_binomial(mu: Parameter = 1, alpha: Parameter = 1, shape: Shape = None, dtype: Any = None,
                                  ctx: AnyContext = None, out: Optional[NDArray] = None, **kwargs: Any) -> NDArray:
    """Draws from the negative binomial distribution of mean `mu` and variance ``mu + alpha * mu ** 2``.

    >>> generalized_negative_binomial(2.0, 0.5, shape=2).shape
    (2,)
    """
    return _draw("generalized_negative_binomial", {"mu": mu, "alpha": alpha}, shape, dtype, ctx, out, kwargs)


def multinomial(data: NDArray, shape: Shape = None, get_prob: bool = False, out: Any = None, dtype: Any = "int32",
                **kwargs: Any) -> Any:
    """Draws indices with the probabilities in the last axis of `data` (..., k).

    Parameters
    ----------
    data : NDArray
        One or several distributions; each is scaled to sum to 1.
    shape : int or tuple of int, optional
        How many indices for each distribution; the result has shape (..., *shape).
    get_prob : bool
        Whether to return the logarithms of the probabilities of what was drawn, too.

    >>> from ganmod import nd
    >>> multinomial(nd.array([[0, 1], [1, 0]])).asnumpy().tolist()
    [1, 0]
    """
    attributes = {"shape": () if shape is None else shape, "get_prob": get_prob, "dtype": dtype, **kwargs}
    return invoke(ops.find("_sample_multinomial"), [data], attributes, out)


def randint(low: int, high: int, shape: Shape = None, dtype: Any = None, ctx: AnyContext = None,
            out: Optional[NDArray] = None, **kwargs: Any) -> NDArray:
    """Draws whole numbers from [low, high): int32 by default, or int64.

    >>> randint(3, 4, shape=2).asnumpy().tolist()
    [3, 3]
    """
    return _create("_random_randint", {"low": low, "high": high, "dtype": dtype, **kwargs}, shape, ctx, out)


def shuffle(data: NDArray, out: Optional[NDArray] = None, **kwargs: Any) -> NDArray:
    """A copy whose rows are in a random order.

    >>> from ganmod import nd
    >>> sorted(shuffle(nd.arange(3)).asnumpy().tolist())
    [0.0, 1.0, 2.0]
    """
    return invoke(ops.find("_shuffle"), [data], kwargs, out)


globals().update({f"{name}_like": make_function(ops.find(f"_random_{name}_like"), f"{name}_like")
                  for name in DISTRIBUTIONS})
