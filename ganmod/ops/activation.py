"""Activation functions, and the softmax family."""
from __future__ import annotations

from typing import Any, Callable, Literal, Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from .attributes import DType
from .elemwise import real, unary
from .registry import Index, Params, Training, elementwise, operator

__all__: list[str] = []

unary("relu _sparse_relu", torch.relu, "max(x, 0)", "; its gradient at 0 is 0")
unary("sigmoid _sparse_sigmoid", real(torch.sigmoid), "1 / (1 + e ** -x)")
unary("softsign", real(F.softsign), "x / (1 + |x|)")

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "softrelu": F.softplus,
    "softsign": F.softsign,
    "tanh": torch.tanh,
}


@operator("Activation", shapes=elementwise)
def activation(data: Tensor, *, act_type: Literal["relu", "sigmoid", "softrelu", "softsign", "tanh"]) -> Tensor:
    """An activation function, element by element.

    ``relu``: max(x, 0); ``sigmoid``: 1 / (1 + e ** -x); ``tanh``; ``softrelu``: ln(1 + e ** x); ``softsign``:
    x / (1 + |x|).

    Shapes: data (any shape) -> the same.

    >>> import ganmod as mx
    >>> mx.nd.Activation(mx.nd.array([-1, 0, 2]), act_type="relu").asnumpy().tolist()
    [0.0, 0.0, 2.0]
    """
    return _ACTIVATIONS[act_type](data)


def _rrelu(x: Tensor, p: Params) -> Tensor:
    if not p.training:
        return F.leaky_relu(x, (p.lower_bound + p.upper_bound) / 2)
    slopes = p.lower_bound + (p.upper_bound - p.lower_bound) * torch.rand_like(x)
    return torch.where(x > 0, x, x * slopes)


_LEAKY: dict[str, Callable[[Tensor, Any, Params], Tensor]] = {
    "leaky": lambda x, _gamma, p: F.leaky_relu(x, p.slope),
    "elu": lambda x, _gamma, p: F.elu(x, p.slope),
    "selu": lambda x, _gamma, _p: F.selu(x),
    "gelu": lambda x, _gamma, _p: F.gelu(x),
    "prelu": lambda x, gamma, _p: F.prelu(x, gamma),
    "rrelu": lambda x, _gamma, p: _rrelu(x, p),
}


@operator("LeakyReLU", present={"gamma": lambda p: p.act_type == "prelu"},
          initial={"gamma": lambda p: f'["Constant", {{"value": {p.slope:g}}}]'},
          hidden=lambda p: 1 if p.act_type == "rrelu" else 0)
def leaky_relu(data: Tensor, gamma: Optional[Tensor] = None, *,
               act_type: Literal["elu", "gelu", "leaky", "prelu", "rrelu", "selu"] = "leaky", slope: float = 0.25,
               lower_bound: float = 0.125, upper_bound: float = 0.334, training: Training = False) -> Tensor:
    """Activations that let negative values through in part; positive values (times 1.0507 for selu) pass.

    For x <= 0, ``leaky``: slope * x; ``prelu``: gamma * x, learned per channel; ``rrelu``: a slope drawn from
    [lower_bound, upper_bound] for each element while training, else their mean; ``elu``: slope * (e ** x - 1);
    ``selu``: 1.7581 * (e ** x - 1). ``gelu`` is x times the normal distribution function of x.

    Shapes: data (N, C, ...) -> the same; gamma, for prelu only, (C,) or (1,).

    >>> import ganmod as mx
    >>> mx.nd.LeakyReLU(mx.nd.array([-1, 2]), slope=0.5).asnumpy().tolist()
    [-0.5, 2.0]
    """
    settings = Params(slope=slope, lower_bound=lower_bound, upper_bound=upper_bound, training=training)
    return _LEAKY[act_type](data, gamma, settings)


@leaky_relu.shapes
def _(p, s):
    s.same(("data", "output"))
    if p.act_type == "prelu" and s.gamma is None and s.data is not None:
        s.gamma = (s.data[1],) if len(s.data) > 1 else (1,)


@operator("hard_sigmoid", shapes=elementwise)
def hard_sigmoid(data: Tensor, *, alpha: float = 0.2, beta: float = 0.5) -> Tensor:
    """``alpha * x + beta`` limited to [0, 1]; the gradient is 0 at both ends.

    Shapes: data (any shape) -> the same.
    """
    return (alpha * data + beta).clamp(0, 1)


@hard_sigmoid.backward
def _(p, inputs, outputs, out_grads):
    inside = (outputs[0] > 0) & (outputs[0] < 1)
    return [p.alpha * out_grads[0] * inside]


# --- softmax ---------------------------------------------------------------------------------------------------------

def _scaled(data: Tensor, temperature: Optional[float], dtype: Any) -> Tensor:
    data = data if dtype is None else data.to(dtype)
    return data if temperature is None else data / temperature


def _output_dtype(p: Params, types: dict[str, Optional[torch.dtype]]) -> None:
    if p.dtype is None:
        types["output"] = types["data"] = types["data"] or types["output"]
    else:
        types["output"] = p.dtype


@operator("softmax", present={"length": lambda p: p.use_length})
def softmax(data: Tensor, length: Optional[Index] = None, *, axis: int = -1, temperature: Optional[float] = None,
            dtype: Optional[DType] = None, use_length: Optional[bool] = False) -> Tensor:
    """``e ** (x / temperature)``, divided by its sum along `axis`.

    Shapes: data (any shape) -> the same; length, with ``use_length=True`` only, is data's shape without `axis`: how
    many elements count, the others being 0. `dtype` is the output's (None: data's).

    >>> import ganmod as mx
    >>> mx.nd.softmax(mx.nd.array([[0, 0, 9]]), mx.nd.array([2], dtype="int32"), use_length=True).asnumpy().tolist()
    [[0.5, 0.5, 0.0]]
    """
    scaled = _scaled(data, temperature, dtype)
    if length is None:
        return torch.softmax(scaled, axis)
    places = torch.arange(data.shape[axis], device=data.device)
    places = places.reshape(-1, *[1] * (data.dim() - 1 - axis % data.dim()))
    beyond = places >= length.reshape(scaled.select(axis, 0).shape).unsqueeze(axis)
    return torch.softmax(scaled.masked_fill(beyond, -torch.inf), axis).masked_fill(beyond, 0)


@softmax.shapes
def _(p, s):
    s.same(("data", "output"))
    if p.use_length and s.data is not None:
        axis = p.axis % len(s.data)
        s.length = s.data[:axis] + s.data[axis + 1:]


softmax.dtypes(_output_dtype)


@operator("log_softmax", shapes=elementwise)
def log_softmax(data: Tensor, *, axis: int = -1, temperature: Optional[float] = None, dtype: Optional[DType] = None,
                use_length: Optional[bool] = False) -> Tensor:
    """``ln(softmax(x / temperature))`` along `axis`. `use_length` exists for symmetry with softmax; it has no effect.

    Shapes: data (any shape) -> the same. `dtype` is the output's (None: data's).
    """
    return torch.log_softmax(_scaled(data, temperature, dtype), axis)


@operator("softmin", shapes=elementwise)
def softmin(data: Tensor, *, axis: int = -1, temperature: Optional[float] = None, dtype: Optional[DType] = None,
            use_length: Optional[bool] = False) -> Tensor:
    """``softmax(-x / temperature)`` along `axis`. `use_length` exists for symmetry with softmax; it has no effect.

    Shapes: data (any shape) -> the same. `dtype` is the output's (None: data's).
    """
    return torch.softmax(-_scaled(data, temperature, dtype), axis)


log_softmax.dtypes(_output_dtype)
softmin.dtypes(_output_dtype)


@operator("SoftmaxActivation", shapes=elementwise)
def softmax_activation(data: Tensor, *, mode: Literal["channel", "instance"] = "instance") -> Tensor:
    """Softmax of each sample: over all its elements (``instance``), or over axis 1 at each position (``channel``).

    Shapes: data (N, ...) or (N, C, ...) -> the same.
    """
    if mode == "channel":
        return torch.softmax(data, 1)
    return torch.softmax(data.flatten(1), 1).reshape(data.shape)
