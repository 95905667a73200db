"""Batch normalisation under its other names: across devices, and with a ReLU."""
from __future__ import annotations

from typing import Optional, Sequence

import torch
from torch import Tensor

from .norm import batch_norm
from .registry import Aux, Operator, Params, Training, operator

__all__: list[str] = []


def _outputs(p: Params) -> Sequence[str]:
    return ("output", "mean", "var") if p.output_mean_var else ("output",)


@operator("_contrib_SyncBatchNorm", mutates=("gamma",), outputs=_outputs,
          hidden=lambda p: 0 if p.output_mean_var else 2, initial=batch_norm.initial)
def sync_batch_norm(data: Tensor, gamma: Tensor, beta: Tensor, moving_mean: Aux, moving_var: Aux, *, eps: float = 1e-3,
                    momentum: float = 0.9, fix_gamma: bool = True, use_global_stats: bool = False,
                    output_mean_var: bool = False, ndev: int = 1, key: str, training: Training = False) \
        -> tuple[Tensor, ...]:
    """Batch normalisation whose statistics MXNet takes over several GPUs; here, over the batch of its device.

    The same as :func:`BatchNorm` with the channels at axis 1. `ndev` and `key`, which tell MXNet what to synchronise,
    are accepted and have no effect: with several contexts each normalises its own part of the batch.

    Shapes: data (N, C, ...); gamma, beta, moving_mean, moving_var (C,) -> as data.
    """
    return batch_norm.function(data, gamma, beta, moving_mean, moving_var, eps=eps, momentum=momentum,
                               fix_gamma=fix_gamma, use_global_stats=use_global_stats, output_mean_var=output_mean_var,
                               training=training)


@operator("_contrib_BatchNormWithReLU", mutates=("gamma",), outputs=_outputs,
          hidden=lambda p: 1 if p.output_mean_var else 3, initial=batch_norm.initial)
def batch_norm_with_relu(data: Tensor, gamma: Tensor, beta: Tensor, moving_mean: Aux, moving_var: Aux, *,
                         eps: float = 1e-3, momentum: float = 0.9, fix_gamma: bool = True,
                         use_global_stats: bool = False, output_mean_var: bool = False, axis: int = 1,
                         cudnn_off: bool = False, min_calib_range: Optional[float] = None,
                         max_calib_range: Optional[float] = None, training: Training = False) -> tuple[Tensor, ...]:
    """``max(BatchNorm(data), 0)``, in one operator; attributes, shapes and states are those of :func:`BatchNorm`."""
    normal, *rest = batch_norm.function(data, gamma, beta, moving_mean, moving_var, eps=eps, momentum=momentum,
                                        fix_gamma=fix_gamma, use_global_stats=use_global_stats,
                                        output_mean_var=output_mean_var, axis=axis, training=training)
    return (torch.relu(normal), *rest)


def _as_batch_norm(op: Operator) -> None:
    assert batch_norm.shape_rule is not None and batch_norm.type_rule is not None
    op.shapes(batch_norm.shape_rule)
    op.dtypes(batch_norm.type_rule)


_as_batch_norm(sync_batch_norm)
_as_batch_norm(batch_norm_with_relu)
