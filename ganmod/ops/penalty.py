"""Penalties that ride on a layer: the identity forward, and a gradient of their own besides."""
from __future__ import annotations

from torch import Tensor

from .registry import Aux, Training, operator

__all__: list[str] = []


@operator("IdentityAttachKLSparseReg", initial={"moving_avg": '["zero", {}]'})
def identity_attach_kl_sparse_reg(data: Tensor, moving_avg: Aux, *, sparseness_target: float = 0.1,
                                  penalty: float = 1e-3, momentum: float = 0.9,
                                  training: Training = False) -> tuple[Tensor, Tensor]:
    """The identity, whose gradient also asks for sparse activity: each unit is to be active a given share of the time.

    To the gradient it adds that of ``penalty KL(sparseness_target || r)``, r being the unit's moving average activity:
    ``penalty (-target / r + (1 - target) / (1 - r))``. A training forward moves it first,
    ``r = momentum r + (1 - momentum) mean(data)``. Meant for activations between 0 and 1, as of a sigmoid.

    Shapes: data (N, C, ...) -> the same; moving_avg (C,).
    """
    if not training:
        return data.view_as(data), moving_avg
    mean = data.detach().transpose(0, 1).flatten(1).mean(1)
    return data.view_as(data), moving_avg * momentum + mean * (1 - momentum)


@identity_attach_kl_sparse_reg.shapes
def _(p, s):
    s.same(("data", "output"))
    if s.data:
        s.moving_avg = (s.data[1],)


@identity_attach_kl_sparse_reg.backward
def _(p, inputs, outputs, out_grads):
    data, average = inputs[0], outputs[1]
    target = p.sparseness_target
    push = p.penalty * (-target / average + (1 - target) / (1 - average))
    return [out_grads[0] + push.reshape(1, -1, *[1] * (data.dim() - 2)), None]
