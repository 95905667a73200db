"""What a recurrent cell is: parameters, states, one step, and its unrolling over a sequence."""
from __future__ import annotations

from typing import Any, Callable, Optional, Sequence, Union

from .. import ndarray as nd
from .. import symbol as sym
from ..base import InputError, StateError, require
from ..ndarray import NDArray
from ..symbol import Symbol

__all__ = ["RNNParams", "BaseRNNCell", "sequence"]

Steps = Union[Symbol, Sequence[Symbol]]
Arrays = dict[str, NDArray]
States = list[Any]


class RNNParams:
    """The variables of a cell, made when they are first asked for; cells that share them share weights.

    Parameters
    ----------
    prefix : str
        What their names begin with.

    >>> RNNParams('rnn_').get('i2h_weight').name
    'rnn_i2h_weight'
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._params: dict[str, Symbol] = {}

    def get(self, name: str, **kwargs: Any) -> Symbol:
        """The variable ``<prefix><name>``; a new one is made with `kwargs`, as by ``mx.sym.Variable``."""
        name = self._prefix + name
        if name not in self._params:
            self._params[name] = sym.Variable(name, **kwargs)
        return self._params[name]


class BaseRNNCell:
    """One step of a recurrent network. A subclass defines :attr:`state_info` and ``__call__``.

    Parameters
    ----------
    prefix : str
        What the names of its variables and nodes begin with.
    params : RNNParams, optional
        Variables to share with other cells; by default it has its own.
    """

    def __init__(self, prefix: str = "", params: Optional[RNNParams] = None) -> None:
        self._own_params = params is None
        self._prefix = prefix
        self._params = RNNParams(prefix) if params is None else params
        self._modified = False
        self.reset()

    def reset(self) -> None:
        """Count steps and states from 0 again, before the cell is used in another graph."""
        self._init_counter = -1
        self._counter = -1

    def __call__(self, inputs: Symbol, states: States) -> tuple[Symbol, States]:
        """One step.

        Parameters
        ----------
        inputs : Symbol
            The step's input, (batch, size).
        states : list of Symbol
            :meth:`begin_state`, or what the step before returned.

        Returns
        -------
        output : Symbol
            (batch, num_hidden).
        states : list of Symbol
            The states for the next step.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define __call__")

    # --- what it has -----------------------------------------------------------------------------------------------

    @property
    def params(self) -> RNNParams:
        """The variables; from now on they count as shared."""
        self._own_params = False
        return self._params

    @property
    def state_info(self) -> list[dict[str, Any]]:
        """Shape (0 for the batch size) and layout of each state."""
        raise NotImplementedError(f"{type(self).__name__} does not define state_info")

    @property
    def state_shape(self) -> list[tuple[int, ...]]:
        """The shape of each state, 0 for the batch size."""
        return [info["shape"] for info in self.state_info]

    @property
    def _gate_names(self) -> Sequence[str]:
        """What the rows of its weights are called, in order."""
        return ()

    def _step_name(self) -> str:
        """What the names of the next step's nodes begin with."""
        self._counter += 1
        return f"{self._prefix}t{self._counter}_"

    def begin_state(self, func: Callable[..., Symbol] = sym.zeros, **kwargs: Any) -> States:
        """The states before the first step.

        Parameters
        ----------
        func : callable
            Makes each from its name, shape and layout: ``mx.sym.zeros``, ``mx.sym.Variable``, …. The batch size follows
            from the graph.
        **kwargs
            More for `func`, such as ``low`` and ``high`` for ``mx.sym.random.uniform``.
        """
        self._refuse_if_modified()
        made = []
        for info in self.state_info:
            self._init_counter += 1
            made.append(func(name=f"{self._prefix}begin_state_{self._init_counter}", **{**kwargs, **info}))
        return made

    def _refuse_if_modified(self) -> None:
        require(not self._modified, "After applying modifier cells (e.g. DropoutCell) the base cell cannot be called "
                "directly. Call the modifier cell instead.", StateError)

    # --- weights in files --------------------------------------------------------------------------------------------

    def unpack_weights(self, args: Arrays) -> Arrays:
        """The arrays with this cell's divided by gate, as files carry them: ``lstm_i2h_f_weight``, …."""
        args = dict(args)
        if not self._gate_names:
            return args
        height = self._num_hidden  # type: ignore[attr-defined]
        for group in ("i2h", "h2h"):
            whole = {kind: args.pop(f"{self._prefix}{group}_{kind}") for kind in ("weight", "bias")}
            for k, gate in enumerate(self._gate_names):
                for kind, array in whole.items():
                    args[f"{self._prefix}{group}{gate}_{kind}"] = array[k * height:(k + 1) * height].copy()
        return args

    def pack_weights(self, args: Arrays) -> Arrays:
        """The opposite of :meth:`unpack_weights`."""
        args = dict(args)
        if not self._gate_names:
            return args
        for group in ("i2h", "h2h"):
            for kind in ("weight", "bias"):
                parts = [args.pop(f"{self._prefix}{group}{gate}_{kind}") for gate in self._gate_names]
                args[f"{self._prefix}{group}_{kind}"] = nd.concatenate(parts)
        return args

    # --- unrolling ---------------------------------------------------------------------------------------------------

    def unroll(self, length: int, inputs: Steps, begin_state: Optional[States] = None, layout: str = "NTC",
               merge_outputs: Optional[bool] = None) -> tuple[Steps, States]:
        """The cell applied to every step of a sequence.

        Parameters
        ----------
        length : int
            Number of steps.
        inputs : Symbol or list of Symbol
            The whole sequence in `layout`, or one symbol (batch, size) for each step.
        begin_state : list of Symbol, optional
            The states to begin with; by default :meth:`begin_state`.
        layout : str
            Of merged inputs and outputs: ``'NTC'`` for (batch, time, size), or ``'TNC'``.
        merge_outputs : bool, optional
            Whether the outputs are one symbol in `layout` or a list; None leaves them as they come.

        Returns
        -------
        outputs : Symbol or list of Symbol
        states : list of Symbol
            The states after the last step.
        """
        self.reset()
        steps, _ = sequence(length, inputs, layout, merge=False)
        states = self.begin_state() if begin_state is None else begin_state
        outputs = []
        for step in steps:
            output, states = self(step, states)
            outputs.append(output)
        return sequence(length, outputs, layout, merge_outputs)[0], states

    def _get_activation(self, inputs: Symbol, activation: Any, **kwargs: Any) -> Symbol:
        """An activation function by its name, or as a callable over symbols."""
        if isinstance(activation, str):
            return sym.Activation(inputs, act_type=activation, **kwargs)
        return activation(inputs, **kwargs)


def sequence(length: Optional[int], inputs: Steps, layout: str, merge: Optional[bool],
             in_layout: Optional[str] = None) -> tuple[Any, int]:
    """A sequence as one symbol (`merge`), as a list of steps (False), or as it comes (None); and the time axis."""
    require(inputs is not None, "unroll(inputs=None) has been deprecated. Please create input variables outside "
            "unroll.", InputError)
    axis = layout.find("T")
    in_axis = axis if in_layout is None else in_layout.find("T")
    if isinstance(inputs, Symbol):
        if merge is False:
            require(len(inputs.list_outputs()) == 1, "unroll doesn't allow grouped symbol as input. Please convert to "
                    "list with list(inputs) first or let unroll handle splitting.", InputError)
            return list(sym.split(inputs, axis=in_axis, num_outputs=length, squeeze_axis=1)), axis
    else:
        require(length is None or len(inputs) == length, f"unroll: {length} steps were asked for, and there are "
                f"{len(inputs)} inputs", InputError)
        if merge is not True:
            return list(inputs), axis
        inputs = sym.Concat(*[sym.expand_dims(step, axis=axis) for step in inputs], dim=axis)
        in_axis = axis
    if axis != in_axis:
        inputs = sym.swapaxes(inputs, dim1=axis, dim2=in_axis)
    return inputs, axis
