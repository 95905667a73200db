"""Cells that change what other cells do: dropout, zoneout, residual connections."""
from __future__ import annotations

from typing import Any, Callable, Optional

from .. import symbol as sym
from ..base import InputError, require
from ..symbol import Symbol
from .base import Arrays, BaseRNNCell, RNNParams, States, Steps, sequence
from .containers import BidirectionalCell, SequentialRNNCell

__all__ = ["DropoutCell", "ModifierCell", "ZoneoutCell", "ResidualCell"]


class DropoutCell(BaseRNNCell):
    """Dropout between cells; it has no states.

    Parameters
    ----------
    dropout : float
        Share of the values that a training forward sets to 0.
    prefix, params
        As in other cells.
    """

    def __init__(self, dropout: float, prefix: str = "dropout_", params: Optional[RNNParams] = None) -> None:
        super().__init__(prefix, params)
        require(isinstance(dropout, (int, float)), "dropout probability must be a number", InputError)
        self.dropout = dropout

    @property
    def state_info(self) -> list[dict[str, Any]]:
        """No states."""
        return []

    def __call__(self, inputs: Symbol, states: States) -> tuple[Symbol, States]:
        """One step; see :class:`BaseRNNCell`."""
        return (sym.Dropout(data=inputs, p=self.dropout) if self.dropout > 0 else inputs), states

    def unroll(self, length: int, inputs: Steps, begin_state: Optional[States] = None, layout: str = "NTC",
               merge_outputs: Optional[bool] = None) -> tuple[Steps, States]:
        """As :meth:`BaseRNNCell.unroll`; a sequence that comes as one symbol stays one."""
        self.reset()
        steps, _ = sequence(length, inputs, layout, merge_outputs)
        if isinstance(steps, Symbol):
            return self(steps, [])
        return [self(step, [])[0] for step in steps], []


class ModifierCell(BaseRNNCell):
    """Base of the cells that wrap another one, whose variables and states they have; it is then not used on its own.

    Parameters
    ----------
    base_cell : BaseRNNCell
        The cell to wrap.
    """

    def __init__(self, base_cell: BaseRNNCell) -> None:
        super().__init__()
        base_cell._modified = True
        self.base_cell = base_cell

    @property
    def params(self) -> RNNParams:
        """The variables of the cell inside."""
        self._own_params = False
        return self.base_cell.params

    @property
    def state_info(self) -> list[dict[str, Any]]:
        """The states of the cell inside."""
        return self.base_cell.state_info

    def begin_state(self, init_sym: Callable[..., Symbol] = sym.zeros,  # type: ignore[override]
                    func: Optional[Callable[..., Symbol]] = None, **kwargs: Any) -> States:
        """The states before the first step, made by `init_sym`, or `func` as other cells call it."""
        self._refuse_if_modified()
        self.base_cell._modified = False
        try:
            return self.base_cell.begin_state(func=func or init_sym, **kwargs)
        finally:
            self.base_cell._modified = True

    def unpack_weights(self, args: Arrays) -> Arrays:
        """As the cell inside does it."""
        return self.base_cell.unpack_weights(args)

    def pack_weights(self, args: Arrays) -> Arrays:
        """As the cell inside does it."""
        return self.base_cell.pack_weights(args)


class ZoneoutCell(ModifierCell):
    """Zoneout [Krueger et al. 2016]: a random share of the values stays as in the step before, when training.

    Parameters
    ----------
    base_cell : BaseRNNCell
        A cell that can be stepped.
    zoneout_outputs, zoneout_states : float
        The share of the outputs, and of the states.
    """

    def __init__(self, base_cell: BaseRNNCell, zoneout_outputs: float = 0.0, zoneout_states: float = 0.0) -> None:
        require(not hasattr(base_cell, "unfuse"), "FusedRNNCell doesn't support zoneout. Please unfuse first.",
                InputError)
        require(not _runs_backwards(base_cell), "BidirectionalCell doesn't support zoneout since it doesn't support "
                "step. Please add ZoneoutCell to the cells underneath instead.", InputError)
        self.prev_output: Optional[Symbol] = None
        super().__init__(base_cell)
        self.zoneout_outputs, self.zoneout_states = zoneout_outputs, zoneout_states

    def reset(self) -> None:
        """Forget the output of the step before. The cell inside goes on counting."""
        super().reset()
        self.prev_output = None

    def __call__(self, inputs: Symbol, states: States) -> tuple[Symbol, States]:
        """One step; see :class:`BaseRNNCell`."""
        output, following = self.base_cell(inputs, states)
        before = self.prev_output if self.prev_output is not None else sym.zeros((0, 0))
        if self.zoneout_outputs != 0:
            output = _some_of(output, before, self.zoneout_outputs)
        if self.zoneout_states != 0:
            following = [_some_of(new, old, self.zoneout_states) for new, old in zip(following, states)]
        self.prev_output = output
        return output, following


def _some_of(new: Symbol, old: Symbol, share: float) -> Symbol:
    """`new`, but a random share of it from `old`."""
    return sym.where(sym.Dropout(sym.ones_like(new), p=share), new, old)


def _runs_backwards(cell: BaseRNNCell) -> bool:
    if isinstance(cell, SequentialRNNCell):
        return any(map(_runs_backwards, cell._cells))
    return isinstance(cell, BidirectionalCell)


class ResidualCell(ModifierCell):
    """Adds the input to the output [Wu et al. 2016]; both have the same size.

    Parameters
    ----------
    base_cell : BaseRNNCell
        The cell to wrap.
    """

    def __call__(self, inputs: Symbol, states: States) -> tuple[Symbol, States]:
        """One step; see :class:`BaseRNNCell`."""
        output, states = self.base_cell(inputs, states)
        return _plus_residual(output, inputs), states

    def unroll(self, length: int, inputs: Steps, begin_state: Optional[States] = None, layout: str = "NTC",
               merge_outputs: Optional[bool] = None) -> tuple[Steps, States]:
        """As :meth:`BaseRNNCell.unroll`, by the cell inside."""
        self.reset()
        self.base_cell._modified = False
        try:
            outputs, states = self.base_cell.unroll(length, inputs=inputs, begin_state=begin_state, layout=layout,
                                                    merge_outputs=merge_outputs)
        finally:
            self.base_cell._modified = True
        merged = isinstance(outputs, Symbol) if merge_outputs is None else merge_outputs
        steps, _ = sequence(length, inputs, layout, merged)
        if isinstance(outputs, Symbol):
            return _plus_residual(outputs, steps), states
        return [_plus_residual(output, step) for output, step in zip(outputs, steps)], states


def _plus_residual(output: Symbol, inputs: Symbol) -> Symbol:
    return sym.elemwise_add(output, inputs, name=f"{output.name}_plus_residual")
