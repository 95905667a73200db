"""Recurrent cells whose states are images: convolutions in the place of full connections."""
from __future__ import annotations

import functools
from typing import Any, Callable, Optional, Sequence

from .. import symbol as sym
from ..base import InputError, require
from ..ops.rnn import GATE_NAMES
from ..symbol import Symbol
from .base import BaseRNNCell, RNNParams, States
from .cells import gru_step, lstm_step

__all__ = ["BaseConvRNNCell", "ConvRNNCell", "ConvLSTMCell", "ConvGRUCell"]

Pair = tuple[int, ...]
_leaky_relu: Callable[..., Symbol] = sym.LeakyReLU
_LEAKY = functools.partial(_leaky_relu, act_type="leaky", slope=0.2)


class BaseConvRNNCell(BaseRNNCell):
    """What the convolutional cells share.

    Parameters
    ----------
    input_shape : tuple of int
        The shape of one step's input in `conv_layout`, with any batch size.
    num_hidden : int
        Number of channels of the states.
    h2h_kernel, h2h_dilate : tuple of int
        The convolution from state to state; its kernel is odd, and it is padded to keep the size.
    i2h_kernel, i2h_stride, i2h_pad, i2h_dilate : tuple of int
        The convolution from input to state.
    i2h_weight_initializer, h2h_weight_initializer, i2h_bias_initializer, h2h_bias_initializer : Initializer or str
        What its variables start from; None leaves it to the network's initializer.
    activation : str or callable
        As ``act_type`` of ``mx.sym.Activation``, or a function over symbols.
    prefix, params
        As in other cells.
    conv_layout : str
        ``'NCHW'`` or ``'NHWC'``.
    """

    def __init__(self, input_shape: Sequence[int], num_hidden: int, h2h_kernel: Pair, h2h_dilate: Pair,
                 i2h_kernel: Pair, i2h_stride: Pair, i2h_pad: Pair, i2h_dilate: Pair, i2h_weight_initializer: Any,
                 h2h_weight_initializer: Any, i2h_bias_initializer: Any, h2h_bias_initializer: Any, activation: Any,
                 prefix: str = "", params: Optional[RNNParams] = None, conv_layout: str = "NCHW") -> None:
        super().__init__(prefix=prefix, params=params)
        require(all(size % 2 for size in h2h_kernel), f"Only support odd number, get h2h_kernel= {h2h_kernel}",
                InputError)
        self._h2h_kernel, self._h2h_dilate = h2h_kernel, h2h_dilate
        self._h2h_pad = tuple((size - 1) * dilate // 2 for size, dilate in zip(h2h_kernel, h2h_dilate))
        self._i2h_kernel, self._i2h_stride = i2h_kernel, i2h_stride
        self._i2h_pad, self._i2h_dilate = i2h_pad, i2h_dilate
        self._num_hidden, self._input_shape, self._conv_layout = num_hidden, input_shape, conv_layout
        self._activation = activation
        self._state_shape = self._infer_state_shape()
        self._iW = self.params.get("i2h_weight", init=i2h_weight_initializer)
        self._hW = self.params.get("h2h_weight", init=h2h_weight_initializer)
        self._iB = self.params.get("i2h_bias", init=i2h_bias_initializer)
        self._hB = self.params.get("h2h_bias", init=h2h_bias_initializer)

    def _infer_state_shape(self) -> tuple[int, ...]:
        """The shape of the states, 0 for the batch size."""
        image = sym.Convolution(data=sym.Variable("data"), num_filter=self._num_hidden, kernel=self._i2h_kernel,
                                stride=self._i2h_stride, pad=self._i2h_pad, dilate=self._i2h_dilate,
                                layout=self._conv_layout)
        _, (shape,), _ = image.infer_shape_partial(data=(1, *self._input_shape[1:]))
        return (0, *shape[1:])

    @property
    def _num_gates(self) -> int:
        return len(self._gate_names)

    @property
    def state_info(self) -> list[dict[str, Any]]:
        """One state, an image."""
        return [{"shape": self._state_shape, "__layout__": self._conv_layout}]

    def _conv_forward(self, inputs: Symbol, states: States, name: str) -> tuple[Symbol, Symbol]:
        """What input and state contribute."""
        channels = self._num_hidden * self._num_gates
        i2h = sym.Convolution(name=f"{name}i2h", data=inputs, num_filter=channels, kernel=self._i2h_kernel,
                              stride=self._i2h_stride, pad=self._i2h_pad, dilate=self._i2h_dilate, weight=self._iW,
                              bias=self._iB, layout=self._conv_layout)
        h2h = sym.Convolution(name=f"{name}h2h", data=states[0], num_filter=channels, kernel=self._h2h_kernel,
                              dilate=self._h2h_dilate, pad=self._h2h_pad, stride=(1, 1), weight=self._hW,
                              bias=self._hB, layout=self._conv_layout)
        return i2h, h2h

    def __call__(self, inputs: Symbol, states: States) -> tuple[Symbol, States]:
        """One step; see :class:`BaseRNNCell`."""
        raise NotImplementedError("BaseConvRNNCell is abstract class for convolutional RNN")


class ConvRNNCell(BaseConvRNNCell):
    """:class:`RNNCell` with convolutions; the parameters are those of :class:`BaseConvRNNCell`."""

    def __init__(self, input_shape: Sequence[int], num_hidden: int, h2h_kernel: Pair = (3, 3),
                 h2h_dilate: Pair = (1, 1), i2h_kernel: Pair = (3, 3), i2h_stride: Pair = (1, 1),
                 i2h_pad: Pair = (1, 1), i2h_dilate: Pair = (1, 1), i2h_weight_initializer: Any = None,
                 h2h_weight_initializer: Any = None, i2h_bias_initializer: Any = "zeros",
                 h2h_bias_initializer: Any = "zeros", activation: Any = _LEAKY, prefix: str = "ConvRNN_",
                 params: Optional[RNNParams] = None, conv_layout: str = "NCHW") -> None:
        super().__init__(input_shape, num_hidden, h2h_kernel, h2h_dilate, i2h_kernel, i2h_stride, i2h_pad, i2h_dilate,
                         i2h_weight_initializer, h2h_weight_initializer, i2h_bias_initializer, h2h_bias_initializer,
                         activation, prefix, params, conv_layout)

    @property
    def _gate_names(self) -> Sequence[str]:
        return ("",)

    def __call__(self, inputs: Symbol, states: States) -> tuple[Symbol, States]:
        """One step; see :class:`BaseRNNCell`."""
        name = self._step_name()
        i2h, h2h = self._conv_forward(inputs, states, name)
        output = self._get_activation(i2h + h2h, self._activation, name=f"{name}out")
        return output, [output]


class ConvLSTMCell(BaseConvRNNCell):
    """:class:`LSTMCell` with convolutions [Shi et al. 2015]; the parameters are those of :class:`BaseConvRNNCell`."""

    def __init__(self, input_shape: Sequence[int], num_hidden: int, h2h_kernel: Pair = (3, 3),
                 h2h_dilate: Pair = (1, 1), i2h_kernel: Pair = (3, 3), i2h_stride: Pair = (1, 1),
                 i2h_pad: Pair = (1, 1), i2h_dilate: Pair = (1, 1), i2h_weight_initializer: Any = None,
                 h2h_weight_initializer: Any = None, i2h_bias_initializer: Any = "zeros",
                 h2h_bias_initializer: Any = "zeros", activation: Any = _LEAKY, prefix: str = "ConvLSTM_",
                 params: Optional[RNNParams] = None, conv_layout: str = "NCHW") -> None:
        super().__init__(input_shape, num_hidden, h2h_kernel, h2h_dilate, i2h_kernel, i2h_stride, i2h_pad, i2h_dilate,
                         i2h_weight_initializer, h2h_weight_initializer, i2h_bias_initializer, h2h_bias_initializer,
                         activation, prefix, params, conv_layout)

    @property
    def _gate_names(self) -> Sequence[str]:
        return list(GATE_NAMES["lstm"])

    @property
    def state_info(self) -> list[dict[str, Any]]:
        """Two states, output and memory, an image each."""
        return super().state_info * 2

    def __call__(self, inputs: Symbol, states: States) -> tuple[Symbol, States]:
        """One step; see :class:`BaseRNNCell`."""
        name = self._step_name()
        i2h, h2h = self._conv_forward(inputs, states, name)
        parts = sym.SliceChannel(i2h + h2h, num_outputs=4, axis=self._conv_layout.find("C"), name=f"{name}slice")
        return lstm_step(self, parts, states[1], self._activation, name)


class ConvGRUCell(BaseConvRNNCell):
    """:class:`GRUCell` with convolutions; the parameters are those of :class:`BaseConvRNNCell`."""

    def __init__(self, input_shape: Sequence[int], num_hidden: int, h2h_kernel: Pair = (3, 3),
                 h2h_dilate: Pair = (1, 1), i2h_kernel: Pair = (3, 3), i2h_stride: Pair = (1, 1),
                 i2h_pad: Pair = (1, 1), i2h_dilate: Pair = (1, 1), i2h_weight_initializer: Any = None,
                 h2h_weight_initializer: Any = None, i2h_bias_initializer: Any = "zeros",
                 h2h_bias_initializer: Any = "zeros", activation: Any = _LEAKY, prefix: str = "ConvGRU_",
                 params: Optional[RNNParams] = None, conv_layout: str = "NCHW") -> None:
        super().__init__(input_shape, num_hidden, h2h_kernel, h2h_dilate, i2h_kernel, i2h_stride, i2h_pad, i2h_dilate,
                         i2h_weight_initializer, h2h_weight_initializer, i2h_bias_initializer, h2h_bias_initializer,
                         activation, prefix, params, conv_layout)

    @property
    def _gate_names(self) -> Sequence[str]:
        return list(GATE_NAMES["gru"])

    def __call__(self, inputs: Symbol, states: States) -> tuple[Symbol, States]:
        """One step; see :class:`BaseRNNCell`."""
        name = self._step_name()
        i2h, h2h = self._conv_forward(inputs, states, name)
        return gru_step(self, i2h, h2h, states[0], self._activation, name)
