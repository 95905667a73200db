"""Initializers of weights: constants, random numbers, and those for particular layers."""
from __future__ import annotations

import math
from typing import Any, Callable, Optional, Union

import torch

from ..base import require
from ..ndarray import NDArray
from ..ops.registry import Params
from ..ops.rnn import input_size, parameter_slices
from .base import InitDesc, Initializer, alias, create, register

__all__ = ["Zero", "One", "Constant", "Uniform", "Normal", "Xavier", "MSRAPrelu", "Orthogonal", "Bilinear", "LSTMBias",
           "FusedRNN"]


def _draw(arr: NDArray, fill: Callable[[torch.Tensor], Any]) -> None:
    """Let `fill` write random numbers into the array's tensor, through float32 where that is not a floating one."""
    tensor = arr.as_torch().detach()
    if tensor.is_floating_point():
        fill(tensor)
    else:
        drawn = torch.empty(tensor.shape, device=tensor.device)
        fill(drawn)
        tensor.copy_(drawn)


# --- the same number everywhere ---------------------------------------------------------------------------------------

@alias("zeros")
@register
class Zero(Initializer):
    """Weights of 0."""

    def __init__(self) -> None:
        super().__init__()

    def _init_weight(self, _: str, arr: NDArray) -> None:
        arr[:] = 0.0


@alias("ones")
@register
class One(Initializer):
    """Weights of 1."""

    def __init__(self) -> None:
        super().__init__()

    def _init_weight(self, _: str, arr: NDArray) -> None:
        arr[:] = 1.0


@register
class Constant(Initializer):
    """Weights of one value.

    Parameters
    ----------
    value : float, list or array
        The value, or what broadcasts to each array's shape.

    >>> Constant(3).dumps()
    '["constant", {"value": 3}]'
    """

    def __init__(self, value: Any) -> None:
        super().__init__(value=value)
        self.value = value

    def _init_weight(self, _: str, arr: NDArray) -> None:
        arr[:] = self.value


# --- random numbers ---------------------------------------------------------------------------------------------------

@register
class Uniform(Initializer):
    """Weights drawn uniformly from [-scale, scale).

    Parameters
    ----------
    scale : float
        Half the width of the range.
    """

    def __init__(self, scale: float = 0.07) -> None:
        super().__init__(scale=scale)
        self.scale = scale

    def _init_weight(self, _: str, arr: NDArray) -> None:
        _draw(arr, lambda t: t.uniform_(-self.scale, self.scale))


@register
class Normal(Initializer):
    """Weights drawn from a normal distribution with mean 0.

    Parameters
    ----------
    sigma : float
        Standard deviation.
    """

    def __init__(self, sigma: float = 0.01) -> None:
        super().__init__(sigma=sigma)
        self.sigma = sigma

    def _init_weight(self, _: str, arr: NDArray) -> None:
        _draw(arr, lambda t: t.normal_(0.0, self.sigma))


@register
class Xavier(Initializer):
    """Weights whose size keeps the scale of gradients alike in all layers [Glorot & Bengio 2010].

    With ``scale = sqrt(magnitude / fan)``, uniform over [-scale, scale) or normal with that standard deviation. For a
    weight of shape (out, in, *kernel), ``fan_in = in * prod(kernel)`` and ``fan_out = out * prod(kernel)``.

    Parameters
    ----------
    rnd_type : {'uniform', 'gaussian'}
        The distribution.
    factor_type : {'avg', 'in', 'out'}
        Which fan: the mean of both, or one of them.
    magnitude : float
        Factor of the variance.

    Raises
    ------
    ValueError
        When called, for an unknown type or a weight of one axis.
    """

    def __init__(self, rnd_type: str = "uniform", factor_type: str = "avg", magnitude: float = 3) -> None:
        super().__init__(rnd_type=rnd_type, factor_type=factor_type, magnitude=magnitude)
        self.rnd_type, self.factor_type, self.magnitude = rnd_type, factor_type, float(magnitude)

    def _init_weight(self, name: str, arr: NDArray) -> None:
        if len(arr.shape) < 2:
            raise ValueError(f"Xavier initializer cannot be applied to vector {name}. It requires at least 2D.")
        area = math.prod(arr.shape[2:])
        fan_in, fan_out = arr.shape[1] * area, arr.shape[0] * area
        fans = {"avg": (fan_in + fan_out) / 2.0, "in": fan_in, "out": fan_out}
        require(self.factor_type in fans, f"Incorrect factor type {self.factor_type!r}; expected one of "
                f"{', '.join(fans)}", ValueError)
        scale = math.sqrt(self.magnitude / fans[self.factor_type])
        require(self.rnd_type in ("uniform", "gaussian"), f"Unknown random type {self.rnd_type!r}; expected uniform "
                "or gaussian", ValueError)
        if self.rnd_type == "uniform":
            _draw(arr, lambda t: t.uniform_(-scale, scale))
        else:
            _draw(arr, lambda t: t.normal_(0.0, scale))


@register
class MSRAPrelu(Xavier):
    """Normal weights for layers followed by (leaky) rectifiers: magnitude ``2 / (1 + slope²)`` [He et al. 2015].

    Parameters
    ----------
    factor_type : {'avg', 'in', 'out'}
        As in :class:`Xavier`.
    slope : float
        The rectifier's slope on the negative side.
    """

    def __init__(self, factor_type: str = "avg", slope: float = 0.25) -> None:
        super().__init__("gaussian", factor_type, 2.0 / (1 + slope ** 2))
        self._kwargs = {"factor_type": factor_type, "slope": slope}


@register
class Orthogonal(Initializer):
    """Weights whose rows (or columns, where these are fewer) are orthogonal [Saxe et al. 2013].

    Parameters
    ----------
    scale : float
        Length of those rows or columns.
    rand_type : {'uniform', 'normal'}
        The distribution of the matrix that is made orthogonal; kernels count as columns.
    """

    def __init__(self, scale: float = 1.414, rand_type: str = "uniform") -> None:
        super().__init__(scale=scale, rand_type=rand_type)
        self.scale, self.rand_type = scale, rand_type

    def _init_weight(self, name: str, arr: NDArray) -> None:
        require(len(arr.shape) >= 2, f"Orthogonal cannot be applied to the vector {name}; it needs two axes or more",
                ValueError)
        require(self.rand_type in ("uniform", "normal"), f"Unknown random type {self.rand_type!r}; expected uniform "
                "or normal", ValueError)
        drawn = torch.empty(arr.shape[0], math.prod(arr.shape[1:]), device=arr.as_torch().device)
        drawn = drawn.uniform_(-1.0, 1.0) if self.rand_type == "uniform" else drawn.normal_()
        left, _, right = torch.linalg.svd(drawn, full_matrices=False)
        basis = left if left.shape == drawn.shape else right
        arr[:] = NDArray((self.scale * basis).reshape(arr.shape))


# --- for particular layers --------------------------------------------------------------------------------------------

@register
class Bilinear(Initializer):
    """Weights of a deconvolution that enlarges by bilinear interpolation."""

    def __init__(self) -> None:
        super().__init__()

    def _init_weight(self, name: str, arr: NDArray) -> None:
        self._init_bilinear(name, arr)


@register
class LSTMBias(Initializer):
    """Biases of an LSTM: 0, but for the forget gate.

    Parameters
    ----------
    forget_bias : float
        The forget gate's bias; the gates are in the order in, forget, new, out.
    """

    def __init__(self, forget_bias: float = 1.0) -> None:
        super().__init__(forget_bias=forget_bias)
        self.forget_bias = forget_bias

    def _init_weight(self, _: str, arr: NDArray) -> None:
        hidden = arr.shape[0] // 4
        arr[:] = 0.0
        arr[hidden:2 * hidden] = self.forget_bias


@register
class FusedRNN(Initializer):
    """The vector of all parameters of ``mx.sym.RNN``, each gate's weights and biases as if they were arrays.

    Parameters
    ----------
    init : Initializer or str, optional
        For weights and biases; None means the initializer of the whole network.
    num_hidden, num_layers, mode, bidirectional
        As in :class:`ganmod.rnn.FusedRNNCell`.
    forget_bias : float
        The biases of an LSTM's forget gates.
    """

    def __init__(self, init: Optional[Union[Initializer, str]], num_hidden: int, num_layers: int, mode: str,
                 bidirectional: bool = False, forget_bias: float = 1.0) -> None:
        init = create(init) if isinstance(init, str) else init
        super().__init__(init=None if init is None else init.dumps(), num_hidden=num_hidden, num_layers=num_layers,
                         mode=mode, bidirectional=bidirectional, forget_bias=forget_bias)
        self._init, self._num_hidden, self._num_layers = init, num_hidden, num_layers
        self._mode, self._bidirectional, self._forget_bias = mode, bidirectional, forget_bias

    def _init_weight(self, name: str, arr: NDArray) -> None:
        whole = getattr(name, "global_init", None)
        settings = Params(mode=self._mode, state_size=self._num_hidden, num_layers=self._num_layers,
                          bidirectional=self._bidirectional, projection_size=None)
        for part, place, shape in parameter_slices(settings, input_size(settings, arr.size)):
            view = arr[place].reshape(shape)
            if self._mode == "lstm" and part.endswith("_f_bias"):
                view[:] = self._forget_bias
            else:
                init: Any = self._init or whole
                require(init is not None, f"FusedRNN: {name!r} needs an initializer of its own, or one for the whole "
                        "network", ValueError)
                init(InitDesc(part, global_init=whole), view)
