"""Random operators: ``_random_X`` with numbers, ``_sample_X`` with an array of parameters, ``_random_X_like``.

Everything draws from torch's default generator of the device at hand. No gradient passes through a draw.
"""
from __future__ import annotations

import inspect
from typing import Any, Callable, NamedTuple, Optional

import torch
from torch import Tensor

from ..base import AttributeValueError, InputError, ShapeError, numeric_types, require
from .attributes import DType, Shape
from .registry import operator

__all__ = ["DISTRIBUTIONS", "Distribution", "chosen"]


class Distribution(NamedTuple):
    """A distribution: its formula, its parameters for both kinds of operator, how to draw, and what is allowed.

    ``draw(like, *parameters)`` gives a float tensor of the shape, dtype and device of `like`; the parameters are
    numbers, or tensors that broadcast to it. `allowed` are pairs of a condition in words and its test.
    """

    formula: str
    scalars: dict[str, float]
    arrays: tuple[str, ...]
    draw: Callable[..., Tensor]
    allowed: tuple[tuple[str, Callable[..., bool]], ...]


def _filled(like: Tensor, value: Any) -> Tensor:
    """A parameter as a tensor of the shape of `like`."""
    return value.expand_as(like) if isinstance(value, Tensor) else torch.full_like(like, value)


def _uniform(like, low, high):
    return torch.rand_like(like) * (high - low) + low


def _normal(like, mu, sigma):
    return torch.randn_like(like) * sigma + mu


def _exponential(like, lam):
    return torch.ops.aten.exponential.default(like, 1.0) / lam


def _gamma(like, alpha, beta):
    return torch._standard_gamma(_filled(like, alpha).contiguous()) * beta


def _poisson(like, lam):
    return torch.poisson(_filled(like, lam).clamp(min=0))


def _negative_binomial(like, k, p):
    return torch.poisson(_gamma(like, k, 1.0) * ((1 - p) / p))


def _generalized_negative_binomial(like, mu, alpha):
    alpha = _filled(like, alpha)
    spread = _gamma(like, 1 / torch.where(alpha > 0, alpha, 1.0), 1.0) * alpha
    return torch.poisson(torch.where(alpha > 0, spread, 1.0) * mu)


DISTRIBUTIONS = {
    "uniform": Distribution(
        "the uniform distribution on [low, high)", {"low": 0.0, "high": 1.0}, ("low", "high"), _uniform,
        (("low <= high", lambda low, high: low <= high),)),
    "normal": Distribution(
        "the normal distribution of mean loc (mu) and standard deviation scale (sigma)", {"loc": 0.0, "scale": 1.0},
        ("mu", "sigma"), _normal, (("scale > 0", lambda loc, scale: scale > 0),)),
    "exponential": Distribution(
        "the exponential distribution of rate lam, whose mean is 1 / lam", {"lam": 1.0}, ("lam",), _exponential,
        (("lam > 0", lambda lam: lam > 0),)),
    "gamma": Distribution(
        "the gamma distribution of shape alpha and scale beta, whose mean is alpha * beta",
        {"alpha": 1.0, "beta": 1.0}, ("alpha", "beta"), _gamma,
        (("alpha > 0", lambda alpha, beta: alpha > 0), ("beta > 0", lambda alpha, beta: beta > 0))),
    "poisson": Distribution(
        "the Poisson distribution of mean lam", {"lam": 1.0}, ("lam",), _poisson,
        (("lam >= 0", lambda lam: lam >= 0),)),
    "negative_binomial": Distribution(
        "the number of failures before the k-th success, each of probability p", {"k": 1, "p": 1.0}, ("k", "p"),
        _negative_binomial, (("k > 0", lambda k, p: k > 0), ("0 < p <= 1", lambda k, p: 0 < p <= 1))),
    "generalized_negative_binomial": Distribution(
        "the negative binomial distribution of mean mu and variance mu + alpha * mu ** 2", {"mu": 1.0, "alpha": 1.0},
        ("mu", "alpha"), _generalized_negative_binomial,
        (("mu >= 0", lambda mu, alpha: mu >= 0), ("alpha >= 0", lambda mu, alpha: alpha >= 0))),
}


def chosen(name: str, parameters: dict[str, Any], kind: type) -> str:
    """The operator that draws from a distribution: ``_random_<name>`` for numbers, ``_sample_<name>`` for `kind`.

    Raises
    ------
    InputError
        If the `parameters` are neither numbers alone nor all of `kind`.
    """
    for prefix, allowed in (("_sample", kind), ("_random", numeric_types)):
        if all(isinstance(value, allowed) for value in parameters.values()):
            return f"{prefix}_{name}"
    kinds = ", ".join(f"{key}: {type(value).__name__}" for key, value in parameters.items())
    raise InputError(f"random.{name}() takes numbers, or {kind.__name__}s, for all of its parameters alike; "
                     f"got {kinds}")


# --- the operators of each distribution --------------------------------------------------------------------------

def _signed(function: Callable[..., Tensor], inputs: tuple[str, ...], attributes: dict[str, tuple[Any, Any]],
            doc: str) -> Callable[..., Tensor]:
    """`function` under the signature that makes it an operator: inputs, and attributes as (annotation, default)."""
    kind = inspect.Parameter
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [kind(name, kind.POSITIONAL_OR_KEYWORD) for name in inputs]
        + [kind(name, kind.KEYWORD_ONLY, default=default) for name, (_, default) in attributes.items()])
    function.__annotations__ = {name: annotation for name, (annotation, _) in attributes.items()}
    function.__doc__ = doc
    return function


def _result_dtype(name: str, dtype: Optional[torch.dtype]) -> torch.dtype:
    require(dtype is None or dtype.is_floating_point, f"{name}: dtype must be of floats, got {dtype}",
            AttributeValueError)
    return dtype or torch.float32


def _float_dtype(dtype: Optional[torch.dtype]) -> torch.dtype:
    """The dtype to compute in: half precision and whole numbers are drawn as float32."""
    return torch.float64 if dtype is torch.float64 else torch.float32


def _parameters(one: Distribution) -> dict[str, tuple[Any, Any]]:
    return {name: (type(default), default) for name, default in one.scalars.items()}


def _check(name: str, one: Distribution, values: dict[str, float]) -> list[float]:
    for words, test in one.allowed:
        require(test(**values), f"{name}: {words} must hold, got "
                + ", ".join(f"{key}={value}" for key, value in values.items()), AttributeValueError)
    return list(values.values())


def _define_random(name: str, one: Distribution) -> None:
    full = f"_random_{name}"
    aliases = (f"random_{name}",) + ((name,) if name in ("uniform", "normal") else ())

    def draw(*, shape: Shape, ctx: str, dtype: Optional[torch.dtype], **values: float) -> Tensor:
        like = torch.empty(shape or (1,), dtype=_float_dtype(dtype))
        return one.draw(like, *_check(full, one, values)).to(_result_dtype(full, dtype))

    attributes = {**_parameters(one), "shape": (Shape, ()), "ctx": (str, ""), "dtype": (Optional[DType], None)}
    doc = f"""Numbers drawn from {one.formula}.

    Shapes: -> `shape`, (1,) if none is given. The dtype is float32 by default, or float16 or float64.
    """
    op = operator(full, *aliases, shapes=shape_if_given)(_signed(draw, (), attributes, doc))
    op.dtypes(_dtype_if_given)


def _define_sample(name: str, one: Distribution) -> None:
    full = f"_sample_{name}"

    def draw(*parameters: Tensor, shape: Shape, dtype: Optional[torch.dtype]) -> Tensor:
        require(len({p.shape for p in parameters}) == 1, f"{full}: the parameters must have one shape, got "
                + ", ".join(f"{n} {tuple(p.shape)}" for n, p in zip(one.arrays, parameters)), ShapeError)
        floats = [p.detach().to(_float_dtype(dtype)).reshape(*p.shape, *(1 for _ in shape)) for p in parameters]
        like = torch.empty((*parameters[0].shape, *shape), dtype=floats[0].dtype, device=floats[0].device)
        return one.draw(like, *floats).to(_result_dtype(full, dtype))

    def shapes(p, s):
        s.same(one.arrays)
        known = s[one.arrays[0]]
        if known is not None:
            s.output = (*known, *p.shape)

    doc = f"""Numbers drawn from {one.formula}, `shape` of them for each element of the parameters.

    Shapes: {', '.join(one.arrays)} all (...) -> (..., *shape). The dtype is float32 by default, or float16 or float64.
    """
    op = operator(full, f"sample_{name}", shapes=shapes)(
        _signed(draw, one.arrays, {"shape": (Shape, ()), "dtype": (Optional[DType], None)}, doc))
    op.dtypes(_sample_dtypes(one.arrays))


def _define_like(name: str, one: Distribution) -> None:
    full = f"_random_{name}_like"

    def draw(data: Tensor, **values: float) -> Tensor:
        require(data.is_floating_point(), f"{full}: data must be of floats, got {data.dtype}", InputError)
        like = torch.empty_like(data, dtype=_float_dtype(data.dtype), requires_grad=False)
        return one.draw(like, *_check(full, one, values)).to(data.dtype)

    def shapes(_p, s):
        s.same(s)

    operator(full, shapes=shapes)(_signed(draw, ("data",), _parameters(one), f"""Numbers drawn from {one.formula}.

    Shapes: data (...) -> the same shape and dtype; the values of data do not matter.
    """))


def shape_if_given(p: Any, s: Any) -> None:
    """The shape rule of operators without inputs; sizes of 0, or no shape at all, follow from the use."""
    if p.shape:
        s.output = p.shape


def _dtype_if_given(p, types):
    types["output"] = p.dtype or torch.float32


def _sample_dtypes(names: tuple[str, ...]) -> Callable[[Any, dict[str, Any]], None]:
    def rule(p, types):
        known = next((types[n] for n in names if types[n] is not None), None)
        for n in names:
            types[n] = types[n] or known
        types["output"] = p.dtype or torch.float32
    return rule


for _name, _one in DISTRIBUTIONS.items():
    _define_random(_name, _one)
    _define_sample(_name, _one)
    _define_like(_name, _one)


# --- what has no continuous parameters ---------------------------------------------------------------------------

@operator("_random_randint", "random_randint", shapes=shape_if_given)
def random_randint(*, low: int, high: int, shape: Shape = (), ctx: str = "", dtype: Optional[DType] = None) -> Tensor:
    """Whole numbers drawn uniformly from [low, high).

    Shapes: -> `shape`, (1,) if none is given. The dtype is int32 by default, or int64.
    """
    require(low < high, f"_random_randint: low < high must hold, got low={low}, high={high}", AttributeValueError)
    require(dtype in (None, torch.int32, torch.int64), f"_random_randint: dtype must be int32 or int64, got {dtype}",
            AttributeValueError)
    return torch.randint(low, high, shape or (1,), dtype=dtype or torch.int32)


@random_randint.dtypes
def _(p, types):
    types["output"] = p.dtype or torch.int32


@operator("_sample_multinomial", "sample_multinomial",
          outputs=lambda p: ("output0", "output1") if p.get_prob else ("output",))
def sample_multinomial(data: Tensor, *, shape: Shape = (), get_prob: bool = False, dtype: DType = torch.int32):
    """Indices drawn with the probabilities in the last axis of `data`, and with `get_prob` the logarithms of theirs.

    Shapes: data (..., k) -> (..., *shape), each; a single distribution (k,) gives (1,) where no shape is given.
    The gradient of the second output reaches `data`, as the REINFORCE rule wants it.
    """
    require(data.is_floating_point(), f"_sample_multinomial: data must be of floats, got {data.dtype}", InputError)
    rows = data.reshape(-1, data.shape[-1])
    number = 1
    for size in shape:
        number *= size
    drawn = torch.multinomial(rows.detach().clamp(min=0), number, replacement=True)
    target = (*data.shape[:-1], *shape) or (1,)
    if not get_prob:
        return drawn.reshape(target).to(dtype)
    return drawn.reshape(target).to(dtype), rows.gather(1, drawn).log().reshape(target)


@sample_multinomial.shapes
def _(p, s):
    if s.data is not None:
        for name in s.outputs:
            s[name] = (*s.data[:-1], *p.shape) or (1,)


@sample_multinomial.dtypes
def _(p, types):
    if p.get_prob:
        types["data"] = types["output1"] = types["data"] or types["output1"]
    types["output0" if p.get_prob else "output"] = p.dtype


@operator("_shuffle", "shuffle")
def shuffle(data: Tensor) -> Tensor:
    """The rows of `data` in a random order; each row stays as it is.

    Shapes: data (n, ...) -> (n, ...).
    """
    return data[torch.randperm(data.shape[0], device=data.device)]


@shuffle.shapes
def _(_p, s):
    s.same(s)
