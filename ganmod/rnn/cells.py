"""The plain recurrent cells: RNN, LSTM and GRU."""
from __future__ import annotations

from typing import Any, Optional, Sequence

from .. import initializer as init
from .. import symbol as sym
from ..ops.rnn import GATE_NAMES
from ..symbol import Symbol
from .base import BaseRNNCell, RNNParams, States

__all__ = ["RNNCell", "LSTMCell", "GRUCell", "lstm_step", "gru_step"]


class RNNCell(BaseRNNCell):
    """``h = activation(W x + b + U h + d)``.

    Parameters
    ----------
    num_hidden : int
        Number of units.
    activation : str or callable
        As ``act_type`` of ``mx.sym.Activation``, or a function over symbols.
    prefix : str
        What the names of its variables and nodes begin with.
    params : RNNParams, optional
        Variables to share with other cells.

    >>> import ganmod as mx
    >>> outputs, states = RNNCell(3).unroll(2, mx.sym.Variable('data'), merge_outputs=True)
    >>> outputs.infer_shape(data=(4, 2, 5))[1]
    [(4, 2, 3)]
    """

    def __init__(self, num_hidden: int, activation: Any = "tanh", prefix: str = "rnn_",
                 params: Optional[RNNParams] = None) -> None:
        super().__init__(prefix=prefix, params=params)
        self._num_hidden, self._activation = num_hidden, activation
        self._iW, self._iB = self.params.get("i2h_weight"), self.params.get("i2h_bias")
        self._hW, self._hB = self.params.get("h2h_weight"), self.params.get("h2h_bias")

    @property
    def state_info(self) -> list[dict[str, Any]]:
        """One state, (batch, num_hidden)."""
        return [{"shape": (0, self._num_hidden), "__layout__": "NC"}]

    @property
    def _gate_names(self) -> Sequence[str]:
        return ("",)

    def __call__(self, inputs: Symbol, states: States) -> tuple[Symbol, States]:
        """One step; see :class:`BaseRNNCell`."""
        name = self._step_name()
        i2h = sym.FullyConnected(inputs, self._iW, self._iB, num_hidden=self._num_hidden, name=f"{name}i2h")
        h2h = sym.FullyConnected(states[0], self._hW, self._hB, num_hidden=self._num_hidden, name=f"{name}h2h")
        output = self._get_activation(i2h + h2h, self._activation, name=f"{name}out")
        return output, [output]


class LSTMCell(BaseRNNCell):
    """Long short-term memory [Hochreiter & Schmidhuber 1997]: ``c = f c + i g``, ``h = o tanh(c)``.

    Parameters
    ----------
    num_hidden : int
        Number of units.
    prefix, params
        As in :class:`RNNCell`.
    forget_bias : float
        What the forget gate's bias starts from.
    """

    def __init__(self, num_hidden: int, prefix: str = "lstm_", params: Optional[RNNParams] = None,
                 forget_bias: float = 1.0) -> None:
        super().__init__(prefix=prefix, params=params)
        self._num_hidden = num_hidden
        self._iW, self._hW = self.params.get("i2h_weight"), self.params.get("h2h_weight")
        self._iB = self.params.get("i2h_bias", init=init.LSTMBias(forget_bias=forget_bias))
        self._hB = self.params.get("h2h_bias")

    @property
    def state_info(self) -> list[dict[str, Any]]:
        """Two states, output and memory, (batch, num_hidden) each."""
        return [{"shape": (0, self._num_hidden), "__layout__": "NC"} for _ in range(2)]

    @property
    def _gate_names(self) -> Sequence[str]:
        return list(GATE_NAMES["lstm"])

    def __call__(self, inputs: Symbol, states: States) -> tuple[Symbol, States]:
        """One step; see :class:`BaseRNNCell`."""
        name, size = self._step_name(), 4 * self._num_hidden
        i2h = sym.FullyConnected(data=inputs, weight=self._iW, bias=self._iB, num_hidden=size, name=f"{name}i2h")
        h2h = sym.FullyConnected(data=states[0], weight=self._hW, bias=self._hB, num_hidden=size, name=f"{name}h2h")
        parts = sym.SliceChannel(i2h + h2h, num_outputs=4, name=f"{name}slice")
        return lstm_step(self, parts, states[1], "tanh", name)


class GRUCell(BaseRNNCell):
    """Gated recurrent unit [Cho et al. 2014]: ``h = (1 - z) n + z h``.

    The reset gate acts on ``U h + d``, as in cuDNN.

    Parameters
    ----------
    num_hidden : int
        Number of units.
    prefix, params
        As in :class:`RNNCell`.
    """

    def __init__(self, num_hidden: int, prefix: str = "gru_", params: Optional[RNNParams] = None) -> None:
        super().__init__(prefix=prefix, params=params)
        self._num_hidden = num_hidden
        self._iW, self._iB = self.params.get("i2h_weight"), self.params.get("i2h_bias")
        self._hW, self._hB = self.params.get("h2h_weight"), self.params.get("h2h_bias")

    @property
    def state_info(self) -> list[dict[str, Any]]:
        """One state, (batch, num_hidden)."""
        return [{"shape": (0, self._num_hidden), "__layout__": "NC"}]

    @property
    def _gate_names(self) -> Sequence[str]:
        return list(GATE_NAMES["gru"])

    def __call__(self, inputs: Symbol, states: States) -> tuple[Symbol, States]:
        """One step; see :class:`BaseRNNCell`."""
        name, size = self._step_name(), 3 * self._num_hidden
        i2h = sym.FullyConnected(data=inputs, weight=self._iW, bias=self._iB, num_hidden=size, name=f"{name}_i2h")
        h2h = sym.FullyConnected(data=states[0], weight=self._hW, bias=self._hB, num_hidden=size, name=f"{name}_h2h")
        return gru_step(self, i2h, h2h, states[0], "tanh", name)


# --- the arithmetic of the gates, which convolutional cells share -----------------------------------------------------

def lstm_step(cell: BaseRNNCell, parts: Symbol, memory: Symbol, activation: Any, name: str) -> tuple[Symbol, States]:
    """An LSTM's output and states from its four parts (in, forget, new, out) and its memory."""
    into = sym.Activation(parts[0], act_type="sigmoid", name=f"{name}i")
    forget = sym.Activation(parts[1], act_type="sigmoid", name=f"{name}f")
    new = cell._get_activation(parts[2], activation, name=f"{name}c")
    out = sym.Activation(parts[3], act_type="sigmoid", name=f"{name}o")
    memory = sym._internal._plus(forget * memory, into * new, name=f"{name}state")
    output = sym._internal._mul(out, cell._get_activation(memory, activation), name=f"{name}out")
    return output, [output, memory]


def gru_step(cell: BaseRNNCell, i2h: Symbol, h2h: Symbol, state: Symbol, activation: Any, name: str) \
        -> tuple[Symbol, States]:
    """A GRU's output and state from what input and state contribute to its three parts (reset, update, new)."""
    i_reset, i_update, i_new = sym.SliceChannel(i2h, num_outputs=3, name=f"{name}_i2h_slice")
    h_reset, h_update, h_new = sym.SliceChannel(h2h, num_outputs=3, name=f"{name}_h2h_slice")
    reset = sym.Activation(i_reset + h_reset, act_type="sigmoid", name=f"{name}_r_act")
    update = sym.Activation(i_update + h_update, act_type="sigmoid", name=f"{name}_z_act")
    new = cell._get_activation(i_new + reset * h_new, activation, name=f"{name}_h_act")
    output = sym._internal._plus((1.0 - update) * new, update * state, name=f"{name}out")
    return output, [output]
