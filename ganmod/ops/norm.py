"""Normalisation layers, and dropout."""
from __future__ import annotations

from typing import Literal, Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .attributes import Shape
from .registry import Aux, Params, Training, elementwise, operator
from .shapes import ShapeTable

__all__ = ["batch_norm", "dropout", "group_norm", "instance_norm", "layer_norm", "lrn"]


def _mean_and_variance(p: Params) -> Sequence[str]:
    return ("output", "mean", "var") if p.output_mean_var else ("output",)


def _mean_and_deviation(p: Params) -> Sequence[str]:
    return ("output", "mean", "std") if p.output_mean_var else ("output",)


def _hidden_statistics(p: Params) -> int:
    return 0 if getattr(p, "output_mean_var", False) else 2


def _per_channel_dtypes(p: Params, types: dict[str, Optional[torch.dtype]]) -> None:
    """Scale, shift and statistics stay float32 where the data has half precision."""
    found = types["data"] or types["output"]
    if found is not None:
        types["data"] = types["output"] = found
        for name in types.keys() - {"data", "output"}:
            types[name] = types[name] or (torch.float32 if found.itemsize < 4 else found)


_INITIAL_STATISTICS = {"moving_mean": '["zero", {}]', "moving_var": '["one", {}]'}


# --- batch normalisation ---------------------------------------------------------------------------------------------

def _batch_norm(data: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, var: Tensor, p: Params, training: bool) \
        -> tuple[Tensor, ...]:
    x = data if p.axis == 1 else data.movedim(p.axis, 1)
    scale = torch.ones_like(gamma) if p.fix_gamma else gamma
    batch = training and not p.use_global_stats
    out, batch_mean, rstd = torch.native_batch_norm(x, scale, beta, None if batch else mean, None if batch else var,
                                                    batch, 0.0, p.eps)
    out = out if p.axis == 1 else out.movedim(1, p.axis)
    if batch:
        new = (torch.lerp(mean, batch_mean.detach().to(mean.dtype), 1 - p.momentum),
               torch.lerp(var, rstd.detach().to(var.dtype).pow(-2) - p.eps, 1 - p.momentum))
    else:
        batch_mean, rstd, new = mean, (var + p.eps).rsqrt(), (mean, var)
    outputs = (out, batch_mean, rstd) if p.output_mean_var else (out,)
    return (*outputs, scale if p.fix_gamma else gamma, *new)


@operator("BatchNorm", mutates=("gamma",), outputs=_mean_and_variance, hidden=_hidden_statistics,
          initial=_INITIAL_STATISTICS)
def batch_norm(data: Tensor, gamma: Tensor, beta: Tensor, moving_mean: Aux, moving_var: Aux, *, eps: float = 1e-3,
               momentum: float = 0.9, fix_gamma: bool = True, use_global_stats: bool = False,
               output_mean_var: bool = False, axis: int = 1, cudnn_off: bool = False,
               min_calib_range: Optional[float] = None, max_calib_range: Optional[float] = None,
               training: Training = False) -> tuple[Tensor, ...]:
    """Batch normalisation: ``gamma (x - mean) / sqrt(var + eps) + beta`` per channel [Ioffe & Szegedy 2015, alg. 1].

    A training forward uses the batch's mean and biased variance and moves the states towards them,
    ``moving = momentum moving + (1 - momentum) batch``; otherwise, and with use_global_stats, the states are used. With
    fix_gamma, the default, gamma is set to 1 and has no gradient.

    Shapes: data (N, C, ...) with the channels at `axis`; gamma, beta, moving_mean, moving_var (C,) -> as data. With
    output_mean_var, the mean and 1 / sqrt(var + eps) that were used are outputs too, (C,) each.
    """
    p = Params(eps=eps, momentum=momentum, fix_gamma=fix_gamma, use_global_stats=use_global_stats,
               output_mean_var=output_mean_var, axis=axis % data.dim())
    return _batch_norm(data, gamma, beta, moving_mean, moving_var, p, bool(training))


@operator("BatchNorm_v1", mutates=("gamma",), outputs=_mean_and_variance, hidden=_hidden_statistics,
          initial=_INITIAL_STATISTICS)
def batch_norm_v1(data: Tensor, gamma: Tensor, beta: Tensor, moving_mean: Aux, moving_var: Aux, *, eps: float = 1e-3,
                  momentum: float = 0.9, fix_gamma: bool = True, use_global_stats: bool = False,
                  output_mean_var: bool = False, training: Training = False) -> tuple[Tensor, ...]:
    """The first version of :func:`BatchNorm`, which old files name: shapes and all are the same, channels at axis 1."""
    p = Params(eps=eps, momentum=momentum, fix_gamma=fix_gamma, use_global_stats=use_global_stats,
               output_mean_var=output_mean_var, axis=1)
    return _batch_norm(data, gamma, beta, moving_mean, moving_var, p, bool(training))


def _batch_norm_shapes(p: Params, s: ShapeTable) -> None:
    s.same(("data", "output"))
    channels = s.data and (s.data[getattr(p, "axis", 1)],)
    for name in s:
        if name not in ("data", "output"):
            s[name] = channels


for _op in (batch_norm, batch_norm_v1):
    _op.shapes(_batch_norm_shapes)
    _op.dtypes(_per_channel_dtypes)


# --- the other normalisations ----------------------------------------------------------------------------------------

def _standardised(x: Tensor, axes: Sequence[int], eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """(x - mean) / std over `axes`, the mean and the std; std = sqrt(biased variance + eps)."""
    var, mean = torch.var_mean(x, list(axes), correction=0, keepdim=True)
    std = (var + eps).sqrt()
    return (x - mean) / std, mean, std


@operator("LayerNorm", outputs=_mean_and_deviation, hidden=_hidden_statistics)
def layer_norm(data: Tensor, gamma: Tensor, beta: Tensor, *, axis: int = -1, eps: float = 1e-5,
               output_mean_var: bool = False) -> tuple[Tensor, ...]:
    """Layer normalisation over one axis: ``gamma (x - mean) / sqrt(var + eps) + beta`` (Ba et al. 2016).

    Shapes: data (...), gamma and beta (size of `axis`,) -> as data; with output_mean_var also mean and standard
    deviation, of the data's shape with that axis of size 1.
    """
    if axis in (-1, data.dim() - 1) and not output_mean_var:
        return (F.layer_norm(data, data.shape[-1:], gamma, beta, eps),)
    axis = axis % data.dim()
    normal, mean, std = _standardised(data, [axis], eps)
    shape = [-1 if k == axis else 1 for k in range(data.dim())]
    out = normal * gamma.reshape(shape) + beta.reshape(shape)
    return (out, mean, std) if output_mean_var else (out,)


@layer_norm.shapes
def _(p, s):
    s.same(("data", "output"))
    if s.data:
        s.gamma = s.beta = (s.data[p.axis],)
        for name in s.outputs[1:]:
            s[name] = (*s.data[:p.axis], 1, *s.data[p.axis:][1:])


@operator("InstanceNorm", hidden=2)
def instance_norm(data: Tensor, gamma: Tensor, beta: Tensor, *, eps: float = 1e-3) -> Tensor:
    """Instance normalisation: each image's channel by its own mean and variance [Ulyanov et al. 2016].

    Shapes: data (N, C, ...), gamma and beta (C,) -> as data.
    """
    normal, _, _ = _standardised(data, range(2, data.dim()), eps)
    shape = [1, -1] + [1] * (data.dim() - 2)
    return normal * gamma.reshape(shape) + beta.reshape(shape)


@instance_norm.shapes
def _(p, s):
    s.same(("data", "output"))
    if s.data:
        s.gamma = s.beta = (s.data[1],)


@operator("GroupNorm", outputs=_mean_and_deviation, hidden=_hidden_statistics)
def group_norm(data: Tensor, gamma: Tensor, beta: Tensor, *, num_groups: int = 1, eps: float = 1e-5,
               output_mean_var: bool = False) -> tuple[Tensor, ...]:
    """Group normalisation: groups of channels by their mean and variance (Wu & He 2018).

    Shapes: data (N, C, ...), gamma and beta (num_groups,), as MXNet has them -> as data; with output_mean_var also mean
    and standard deviation (N, num_groups).
    """
    grouped = data.flatten(1).unflatten(1, (num_groups, -1))
    normal, mean, std = _standardised(grouped, [2], eps)
    out = (normal * gamma.reshape(1, -1, 1) + beta.reshape(1, -1, 1)).reshape(data.shape)
    return (out, mean.squeeze(2), std.squeeze(2)) if output_mean_var else (out,)


@group_norm.shapes
def _(p, s):
    s.same(("data", "output"))
    s.gamma = s.beta = (p.num_groups,)


@operator("LRN", hidden=1, shapes=elementwise)
def lrn(data: Tensor, *, alpha: float = 1e-4, beta: float = 0.75, knorm: float = 2.0, nsize: int) -> Tensor:
    """Local response normalisation across channels: ``x / (knorm + alpha / nsize sum x^2)^beta`` [Krizhevsky 2012].

    Shapes: (N, C, ...) -> the same; the sum is over nsize channels around each.
    """
    return F.local_response_norm(data, nsize, alpha, beta, knorm)


# --- dropout ---------------------------------------------------------------------------------------------------------

@operator("Dropout", hidden=1, shapes=elementwise)
def dropout(data: Tensor, *, p: float = 0.5, mode: Literal["training", "always"] = "training", axes: Shape = (),
            cudnn_off: Optional[bool] = False, training: Training = False) -> Tensor:
    """Set a random share `p` of the elements to 0 and scale the others by 1 / (1 - p) (Srivastava et al. 2014).

    Only in a training forward, unless mode is ``'always'``. Along `axes` one draw is shared. Shapes: any -> the same.
    """
    if p == 0 or not (training or mode == "always"):
        return data
    if not axes:
        return torch.native_dropout(data, p, True)[0]
    shape = [1 if k in axes else size for k, size in enumerate(data.shape)]
    kept = torch.rand(shape, device=data.device) >= p
    return data * kept.to(data.dtype) / (1 - p)

