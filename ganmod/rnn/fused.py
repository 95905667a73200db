"""``FusedRNNCell``: layers of recurrent cells as one ``RNN`` operator."""
from __future__ import annotations

import warnings
from typing import Any, Iterator, Optional, Sequence

from .. import initializer as init
from .. import ndarray as nd
from .. import symbol as sym
from ..base import AttributeValueError, require
from ..ndarray import NDArray
from ..ops.registry import Params
from ..ops.rnn import GATE_NAMES, input_size, parameter_slices
from ..symbol import Symbol
from .base import Arrays, BaseRNNCell, RNNParams, States, Steps, sequence
from .cells import GRUCell, LSTMCell, RNNCell
from .containers import BidirectionalCell, SequentialRNNCell
from .modifiers import DropoutCell

__all__ = ["FusedRNNCell"]


class FusedRNNCell(BaseRNNCell):
    """All layers and steps in one operator, ``mx.sym.RNN``; faster than cells, and unrolled only as a whole.

    Parameters
    ----------
    num_hidden : int
        Number of units per layer and direction.
    num_layers : int
        Number of layers.
    mode : {'lstm', 'gru', 'rnn_tanh', 'rnn_relu'}
        The kind of cell.
    bidirectional : bool
        Whether each layer also runs backwards.
    dropout : float
        Share of the values between layers that a training forward sets to 0.
    get_next_state : bool
        Whether :meth:`unroll` returns the states after the last step.
    forget_bias : float
        What an LSTM's forget gates' biases start from.
    prefix : str, optional
        What names begin with; by default the mode and an underscore.
    params : RNNParams, optional
        Variables to share with other cells.

    >>> import ganmod as mx
    >>> outputs, _ = FusedRNNCell(3, num_layers=2, mode='gru').unroll(5, mx.sym.Variable('data'), layout='TNC')
    >>> outputs.list_arguments()
    ['data', 'gru_parameters']
    """

    def __init__(self, num_hidden: int, num_layers: int = 1, mode: str = "lstm", bidirectional: bool = False,
                 dropout: float = 0.0, get_next_state: bool = False, forget_bias: float = 1.0,
                 prefix: Optional[str] = None, params: Optional[RNNParams] = None) -> None:
        require(mode in GATE_NAMES, f"FusedRNNCell: mode must be one of {', '.join(GATE_NAMES)}, got {mode!r}",
                AttributeValueError)
        super().__init__(prefix=f"{mode}_" if prefix is None else prefix, params=params)
        self._num_hidden, self._num_layers, self._mode = num_hidden, num_layers, mode
        self._bidirectional, self._dropout, self._get_next_state = bidirectional, dropout, get_next_state
        self._directions = ["l", "r"] if bidirectional else ["l"]
        self._forget_bias = forget_bias
        starts = init.FusedRNN(None, num_hidden, num_layers, mode, bidirectional, forget_bias)
        self._parameter = self.params.get("parameters", init=starts)
        self._vector_name = self._parameter.list_outputs()[0]

    @property
    def state_info(self) -> list[dict[str, Any]]:
        """The state, and for an LSTM the memory: (layers * directions, batch, num_hidden) each."""
        shape = (len(self._directions) * self._num_layers, 0, self._num_hidden)
        return [{"shape": shape, "__layout__": "LNC"} for _ in range(2 if self._mode == "lstm" else 1)]

    @property
    def _gate_names(self) -> Sequence[str]:
        return list(GATE_NAMES[self._mode])

    @property
    def _num_gates(self) -> int:
        return len(self._gate_names)

    def __call__(self, inputs: Symbol, states: States) -> tuple[Symbol, States]:
        """Not to be had: the operator takes whole sequences."""
        raise NotImplementedError("FusedRNNCell cannot be stepped. Please use unroll")

    # --- weights -----------------------------------------------------------------------------------------------------

    @property
    def _settings(self) -> Params:
        return Params(mode=self._mode, state_size=self._num_hidden, num_layers=self._num_layers,
                      bidirectional=self._bidirectional, projection_size=None)

    def _slices(self, vector: NDArray, size: int) -> Iterator[tuple[str, NDArray]]:
        """Views of the parameters by the names that unfused cells have for them; `size` is that of the input."""
        for name, place, shape in parameter_slices(self._settings, size):
            yield self._prefix + name, vector[place].reshape(shape)

    def unpack_weights(self, args: Arrays) -> Arrays:
        """The arrays with the vector of parameters divided by layer, direction and gate."""
        args = dict(args)
        vector = args.pop(self._vector_name)
        args.update((name, view.copy()) for name, view in self._slices(vector, input_size(self._settings, vector.size)))
        return args

    def pack_weights(self, args: Arrays) -> Arrays:
        """The opposite of :meth:`unpack_weights`."""
        args = dict(args)
        first = args[f"{self._prefix}l0_i2h{self._gate_names[0]}_weight"]
        size = first.shape[1]
        length = max(place.stop for _, place, _ in parameter_slices(self._settings, size))
        vector = nd.zeros((length,), ctx=first.context, dtype=first.dtype)
        for name, view in self._slices(vector, size):
            view[:] = args.pop(name)
        args[self._vector_name] = vector
        return args

    # --- use ---------------------------------------------------------------------------------------------------------

    def unroll(self, length: int, inputs: Steps, begin_state: Optional[States] = None, layout: str = "NTC",
               merge_outputs: Optional[bool] = None) -> tuple[Steps, States]:
        """As :meth:`BaseRNNCell.unroll`; the outputs are one symbol unless `merge_outputs` is False."""
        self.reset()
        inputs, axis = sequence(length, inputs, layout, merge=True)
        require(axis in (0, 1), f"Unsupported layout {layout}", AttributeValueError)
        if axis == 1:
            warnings.warn("NTC layout detected. Consider using TNC for FusedRNNCell for faster speed", stacklevel=2)
            inputs = sym.swapaxes(inputs, dim1=0, dim2=1)
        begin = self.begin_state() if begin_state is None else begin_state
        net = sym.RNN(data=inputs, parameters=self._parameter, state_size=self._num_hidden,
                      num_layers=self._num_layers, bidirectional=self._bidirectional, p=self._dropout,
                      state_outputs=self._get_next_state, mode=self._mode, name=f"{self._prefix}rnn",
                      **dict(zip(("state", "state_cell"), begin)))
        states: States = []
        outputs = net
        if self._get_next_state:
            outputs, *states = net
            for state in states:
                state._set_attr(__layout__="LNC")
        if axis == 1:
            outputs = sym.swapaxes(outputs, dim1=0, dim2=1)
        return sequence(length, outputs, layout, merge_outputs)[0], states

    def unfuse(self) -> SequentialRNNCell:
        """The same network out of cells, whose weights :meth:`unpack_weights` makes."""
        make = {"rnn_relu": lambda prefix: RNNCell(self._num_hidden, activation="relu", prefix=prefix),
                "rnn_tanh": lambda prefix: RNNCell(self._num_hidden, activation="tanh", prefix=prefix),
                "lstm": lambda prefix: LSTMCell(self._num_hidden, prefix=prefix),
                "gru": lambda prefix: GRUCell(self._num_hidden, prefix=prefix)}[self._mode]
        stack = SequentialRNNCell()
        for k in range(self._num_layers):
            cell: BaseRNNCell = make(f"{self._prefix}l{k}_")
            if self._bidirectional:
                cell = BidirectionalCell(cell, make(f"{self._prefix}r{k}_"), output_prefix=f"{self._prefix}bi_l{k}_")
            stack.add(cell)
            if self._dropout > 0 and k != self._num_layers - 1:
                stack.add(DropoutCell(self._dropout, prefix=f"{self._prefix}_dropout{k}_"))
        return stack
