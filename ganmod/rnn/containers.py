"""Cells made of cells: one above the other, or one in each direction."""
from __future__ import annotations

from typing import Any, Optional

from .. import symbol as sym
from ..base import StateError, require
from ..symbol import Symbol
from .base import Arrays, BaseRNNCell, RNNParams, States, Steps, sequence

__all__ = ["SequentialRNNCell", "BidirectionalCell"]


class _CellOfCells(BaseRNNCell):
    """What both kinds share: states and weights are those of their cells, in order."""

    def __init__(self, prefix: str = "", params: Optional[RNNParams] = None) -> None:
        self._cells: list[BaseRNNCell] = []
        super().__init__(prefix=prefix, params=params)
        self._override_cell_params = params is not None

    def _adopt(self, cell: BaseRNNCell) -> None:
        self._cells.append(cell)
        if self._override_cell_params:
            require(cell._own_params, f"Either specify params for {type(self).__name__} or child cells, not both.",
                    StateError)
            cell.params._params.update(self.params._params)
        self.params._params.update(cell.params._params)

    def reset(self) -> None:
        """Count from 0 again, in all cells."""
        super().reset()
        for cell in self._cells:
            cell.reset()

    @property
    def state_info(self) -> list[dict[str, Any]]:
        """The states of all cells."""
        return [info for cell in self._cells for info in cell.state_info]

    def begin_state(self, **kwargs: Any) -> States:  # type: ignore[override]
        """The states of all cells before the first step; see :meth:`BaseRNNCell.begin_state`."""
        self._refuse_if_modified()
        return [state for cell in self._cells for state in cell.begin_state(**kwargs)]

    def unpack_weights(self, args: Arrays) -> Arrays:
        """The arrays with those of all cells divided by gate."""
        for cell in self._cells:
            args = cell.unpack_weights(args)
        return args

    def pack_weights(self, args: Arrays) -> Arrays:
        """The opposite of :meth:`unpack_weights`."""
        for cell in self._cells:
            args = cell.pack_weights(args)
        return args

    def _parts(self, states: States) -> list[States]:
        """The states divided among the cells."""
        parts, at = [], 0
        for cell in self._cells:
            number = len(cell.state_info)
            parts.append(states[at:at + number])
            at += number
        return parts


class SequentialRNNCell(_CellOfCells):
    """Cells one above the other: each takes the outputs of the one before.

    Parameters
    ----------
    params : RNNParams, optional
        Variables for all cells that have none of their own.

    >>> import ganmod as mx
    >>> stack = SequentialRNNCell()
    >>> for k in range(2):
    ...     stack.add(mx.rnn.LSTMCell(3, prefix=f'l{k}_'))
    >>> [state.name for state in stack.unroll(1, mx.sym.Variable('data'))[1]]
    ['l0_t0_out', 'l0_t0_state', 'l1_t0_out', 'l1_t0_state']
    """

    def __init__(self, params: Optional[RNNParams] = None) -> None:
        super().__init__(prefix="", params=params)

    def add(self, cell: BaseRNNCell) -> None:
        """Put a cell on top."""
        self._adopt(cell)

    def __call__(self, inputs: Symbol, states: States) -> tuple[Symbol, States]:
        """One step through all cells."""
        self._counter += 1
        following: States = []
        for cell, own in zip(self._cells, self._parts(states)):
            require(not isinstance(cell, BidirectionalCell), "BidirectionalCell cannot be stepped inside a "
                    "SequentialRNNCell. Please use unroll", StateError)
            inputs, own = cell(inputs, own)
            following += own
        return inputs, following

    def unroll(self, length: int, inputs: Steps, begin_state: Optional[States] = None, layout: str = "NTC",
               merge_outputs: Optional[bool] = None) -> tuple[Steps, States]:
        """As :meth:`BaseRNNCell.unroll`, cell after cell."""
        self.reset()
        begin = self.begin_state() if begin_state is None else begin_state
        following: States = []
        for k, (cell, own) in enumerate(zip(self._cells, self._parts(begin))):
            merge = merge_outputs if k == len(self._cells) - 1 else None
            inputs, own = cell.unroll(length, inputs=inputs, begin_state=own, layout=layout, merge_outputs=merge)
            following += own
        return inputs, following


class BidirectionalCell(_CellOfCells):
    """A cell that runs forwards and one that runs backwards; their outputs side by side.

    Parameters
    ----------
    l_cell, r_cell : BaseRNNCell
        The cells for the way forwards and backwards.
    params : RNNParams, optional
        Variables for both, if they have none of their own.
    output_prefix : str
        What the names of the outputs begin with.
    """

    def __init__(self, l_cell: BaseRNNCell, r_cell: BaseRNNCell, params: Optional[RNNParams] = None,
                 output_prefix: str = "bi_") -> None:
        super().__init__(prefix="", params=params)
        self._output_prefix = output_prefix
        for cell in (l_cell, r_cell):
            self._adopt(cell)

    def __call__(self, inputs: Symbol, states: States) -> tuple[Symbol, States]:
        """Not to be had: the way back begins at the end."""
        raise NotImplementedError("Bidirectional cannot be stepped. Please use unroll")

    def unroll(self, length: int, inputs: Steps, begin_state: Optional[States] = None, layout: str = "NTC",
               merge_outputs: Optional[bool] = None) -> tuple[Steps, States]:
        """As :meth:`BaseRNNCell.unroll`; the states are a list for each direction."""
        self.reset()
        steps, axis = sequence(length, inputs, layout, merge=False)
        parts = self._parts(self.begin_state() if begin_state is None else begin_state)
        forwards, backwards = self._cells
        there, there_states = forwards.unroll(length, inputs=steps, begin_state=parts[0], layout=layout,
                                              merge_outputs=merge_outputs)
        back, back_states = backwards.unroll(length, inputs=list(reversed(steps)), begin_state=parts[1], layout=layout,
                                             merge_outputs=merge_outputs)
        merged = isinstance(there, Symbol) and isinstance(back, Symbol) if merge_outputs is None else merge_outputs
        there, back = (sequence(length, o, layout, merged)[0] for o in (there, back))
        if merged:
            outputs: Steps = sym.Concat(there, sym.reverse(back, axis=axis), dim=2, name=f"{self._output_prefix}out")
        else:
            outputs = [sym.Concat(one, other, dim=1, name=f"{self._output_prefix}t{k}")
                       for k, (one, other) in enumerate(zip(there, reversed(back)))]
        return outputs, [there_states, back_states]
