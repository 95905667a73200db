"""Spectral normalisation of weights."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .registry import Aux, Training, operator

__all__: list[str] = []


@operator("_gan_SpectralNorm", initial={"u": '["normal", {"sigma": 1.0}]'})
def spectral_norm(weight: Tensor, u: Aux, *, axis: int = 0, iterations: int = 1, eps: float = 1e-12,
                  training: Training = False) -> tuple[Tensor, Tensor]:
    """A weight over its largest singular value, which power iteration follows [Miyato et al. 2018].

    The weight counts as a matrix whose rows are along `axis`, the output channels. Each training forward makes
    `iterations` steps ``v = normal(W.T @ u); u = normal(W @ v)``, through which no gradient flows; the value is
    ``u @ W @ v``. `eps` keeps the norms from zero. MXNet has no such operator; ``mx.gan.spectral_norm`` makes symbols.

    Shapes: weight (any shape), u (weight.shape[axis],) -> as weight.
    """
    matrix = weight.movedim(axis, 0).flatten(1)
    with torch.no_grad():
        left = F.normalize(u, dim=0, eps=eps)
        right = F.normalize(matrix.t() @ left, dim=0, eps=eps)
        for _ in range(iterations if training else 0):
            left = F.normalize(matrix @ right, dim=0, eps=eps)
            right = F.normalize(matrix.t() @ left, dim=0, eps=eps)
    value = left.detach() @ (matrix @ right.detach())
    return weight / value, left.detach() if training else u


@spectral_norm.shapes
def _(p, s):
    s.weight = s.output
    s.output = s.weight
    if s.weight:
        s.u = (s.weight[p.axis],)
