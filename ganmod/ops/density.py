"""Densities: ``_random_pdf_X`` is the probability (density) of samples under the distribution that ``_sample_X`` draws.

MXNet's parameters are kept: ``beta`` of the gamma density is a rate, while ``beta`` of the draws is a scale.
"""
from __future__ import annotations

import inspect
import math
from typing import Any, Callable

import torch
from torch import Tensor

from .registry import operator

__all__: list[str] = []


def _uniform(x, low, high):
    return -torch.log(high - low).expand_as(x)


def _normal(x, mu, sigma):
    return -((x - mu) / sigma) ** 2 / 2 - torch.log(sigma) - math.log(2 * math.pi) / 2


def _exponential(x, lam):
    return torch.log(lam) - lam * x


def _gamma(x, alpha, beta):
    return alpha * torch.log(beta) + torch.xlogy(alpha - 1, x) - beta * x - torch.lgamma(alpha)


def _poisson(x, lam):
    return torch.xlogy(x, lam) - torch.lgamma(x + 1) - lam


def _negative_binomial(x, k, p):
    return torch.lgamma(x + k) - torch.lgamma(x + 1) - torch.lgamma(k) + k * torch.log(p) + x * torch.log1p(-p)


def _generalized_negative_binomial(x, mu, alpha):
    return _negative_binomial(x, 1 / alpha, 1 / (mu * alpha + 1))


_LOGARITHMS: dict[str, tuple[tuple[str, ...], Callable[..., Tensor], str]] = {
    "uniform": (("low", "high"), _uniform, "1 / (high - low)"),
    "normal": (("mu", "sigma"), _normal, "exp(-((x - mu) / sigma)**2 / 2) / (sigma * sqrt(2 pi))"),
    "exponential": (("lam",), _exponential, "lam * exp(-lam * x)"),
    "gamma": (("alpha", "beta"), _gamma, "beta**alpha * x**(alpha - 1) * exp(-beta * x) / Gamma(alpha)"),
    "poisson": (("lam",), _poisson, "lam**x * exp(-lam) / x!"),
    "negative_binomial": (("k", "p"), _negative_binomial, "Gamma(x + k) / (x! Gamma(k)) * p**k * (1 - p)**x"),
    "generalized_negative_binomial": (
        ("mu", "alpha"), _generalized_negative_binomial,
        "that of negative_binomial with k = 1 / alpha and p = 1 / (mu * alpha + 1)"),
}

_DISCRETE = ("poisson", "negative_binomial", "generalized_negative_binomial")      # no gradient for their samples


def _define(name: str, names: tuple[str, ...], logarithm: Callable[..., Tensor], formula: str) -> None:
    def density(sample: Tensor, *parameters: Tensor, is_log: bool) -> Tensor:
        x = sample.detach() if name in _DISCRETE else sample
        value = logarithm(x, *(p if p.dim() == sample.dim() else p.unsqueeze(-1) for p in parameters))
        return value if is_log else value.exp()

    def shapes(_p: Any, s: Any) -> None:
        s.output = s.sample
        s.sample = s.output
        for parameter in names if s.sample else ():
            one_each = len(s.sample) == 1 or (s[parameter] and len(s[parameter]) == len(s.sample))
            s[parameter] = s.sample if one_each else s.sample[:-1]

    kind = inspect.Parameter
    density.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [kind(n, kind.POSITIONAL_OR_KEYWORD) for n in ("sample", *names)]
        + [kind("is_log", kind.KEYWORD_ONLY, default=False)])
    density.__annotations__ = {"is_log": bool}
    density.__doc__ = f"""The density ``{formula}`` at x = sample, or its logarithm with `is_log`.

    Shapes: sample (..., n), {', '.join(names)} (...) or (..., n) -> (..., n).
    """
    operator(f"_random_pdf_{name}", f"random_pdf_{name}", shapes=shapes)(density)


for _name, (_names, _logarithm, _formula) in _LOGARITHMS.items():
    _define(_name, _names, _logarithm, _formula)


@operator("_random_pdf_dirichlet", "random_pdf_dirichlet")
def random_pdf_dirichlet(sample: Tensor, alpha: Tensor, *, is_log: bool = False) -> Tensor:
    """The Dirichlet density ``Gamma(sum(alpha)) * prod(x**(alpha - 1) / Gamma(alpha))`` at x = sample, or its
    logarithm with `is_log`.

    Shapes: sample (..., n, k) or (..., k), alpha (..., k) -> (..., n), or (...) where there is one sample for each.
    """
    if sample.dim() > alpha.dim():
        alpha = alpha.unsqueeze(-2)
    value = ((alpha - 1) * torch.log(sample)).sum(-1) + torch.lgamma(alpha.sum(-1)) - torch.lgamma(alpha).sum(-1)
    return value if is_log else value.exp()


@random_pdf_dirichlet.shapes
def _(p, s):
    if s.sample:
        s.output = s.sample[:-1] or (1,)
        if s.alpha and len(s.alpha) in (len(s.sample), len(s.sample) - 1):
            s.alpha = (*s.sample[:len(s.alpha) - 1], s.sample[-1])
