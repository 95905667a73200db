"""``Updater``: an optimizer together with the states of its parameters."""
from __future__ import annotations

import os
from typing import Any, Sequence, Union

from ..base import FileFormatError
from ..context import Context
from ..files import reading
from ..ndarray import NDArray
from . import states as files
from . import units
from .optimizer import Index, Optimizer

__all__ = ["Updater", "get_updater", "read_states"]


class Updater:
    """Applies an optimizer, and keeps the parameters' states.

    Parameters
    ----------
    optimizer : Optimizer
        The optimizer.

    >>> import ganmod as mx
    >>> weights, updater = [mx.nd.ones((2,)), mx.nd.ones((3,))], Updater(mx.optimizer.SGD(learning_rate=0.5))
    >>> updater([0, 1], [mx.nd.ones((2,)), mx.nd.ones((3,))], weights)
    >>> [w.asnumpy().tolist() for w in weights]
    [[0.5, 0.5], [0.5, 0.5, 0.5]]
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self._states: dict[Index, Any] = {}
        self._units: dict[Index, float] = {}               # of states; 1 where there is none
        self._are_shown = False
        self.states_synced: dict[Index, bool] = {}
        self.aggregate_updates = optimizer.aggregate_num > 0

    @property
    def states(self) -> dict[Index, Any]:
        """The states by index, as :meth:`Optimizer.create_state` made them."""
        self._are_shown = True                             # whoever has them may look at any time from now on
        self._settle()
        return self._states

    @states.setter
    def states(self, states: dict[Index, Any]) -> None:
        self._states, self._units, self._are_shown = states, {}, True

    def _settle(self) -> None:
        """Give all states back the unit 1."""
        self._keep_in(1.0, list(self._units))

    def _keep_in(self, unit: float, indices: Sequence[Index]) -> None:
        for i in indices:
            if (present := self._units.get(i, 1.0)) != unit:
                units.change_unit(self._states[i], present, unit)
                self._units[i] = unit

    def __call__(self, index: Any, grad: Any, weight: Any) -> None:
        """Update a parameter in place; or several of one device in one call, given as lists.

        Parameters
        ----------
        index : int or str, or a list
            What the states are kept by.
        grad, weight : NDArray, or lists
            Gradients and weights; gradients are left alone.
        """
        indices, grads, weights = (index, grad, weight) if isinstance(index, (list, tuple)) else \
            ([index], [grad], [weight])
        if not indices:
            return
        self.optimizer._set_current_context(weights[0].context.device_id)
        for i, w in zip(indices, weights):
            if i not in self._states:
                self._states[i] = self.optimizer.create_state_multi_precision(i, w)
            elif not self.states_synced[i]:
                self._states[i] = self.sync_state_context(self._states[i], w.context)
            self.states_synced[i] = True
        unit = 1.0 if self._are_shown else units.unit_for(self.optimizer, weights)
        self._keep_in(unit, indices)
        states = [self._states[i] for i in indices]
        with units.taking(self.optimizer, unit):
            if isinstance(index, (list, tuple)):
                self.optimizer.update_multi_precision(list(indices), list(weights), list(grads), states)
            else:
                self.optimizer.update_multi_precision(index, weight, grad, states[0])

    def sync_state_context(self, state: Any, context: Context) -> Any:
        """A state, its arrays on `context`."""
        if isinstance(state, NDArray):
            return state.as_in_context(context)
        if isinstance(state, (list, tuple)):
            return type(state)(self.sync_state_context(part, context) for part in state)
        return state

    def get_states(self, dump_optimizer: bool = False) -> bytes:
        """States and update counts as the content of a file, with the optimizer's settings if `dump_optimizer`."""
        self._settle()
        return files.dump(self._states, self.optimizer, dump_optimizer)

    def set_states(self, states: bytes) -> None:
        """Take over what :meth:`get_states` returned, ours or MXNet's.

        MXNet's are pickled programs; they are read without running them.

        Raises
        ------
        FileFormatError
            If it is damaged, foreign, or a pickle of anything else.
        """
        self._states, self.optimizer = files.load(states, self.optimizer)
        self._units, self._are_shown = {}, False
        self.states_synced = dict.fromkeys(self._states, False)


def read_states(updater: Updater, fname: Union[str, "os.PathLike[str]"]) -> None:
    """Give an updater the states of a file; a :class:`FileFormatError` names the file."""
    with reading(fname) as stream:
        content = stream.read()
    try:
        updater.set_states(content)
    except FileFormatError as error:
        raise FileFormatError(f"{os.fspath(fname)}: {error}") from error


def get_updater(optimizer: Optimizer) -> Updater:
    """An :class:`Updater` of that optimizer, which a kvstore can take."""
    return Updater(optimizer)
