"""``mx.nd.contrib.foreach``, ``while_loop`` and ``cond``: loops and branches over arrays, which autograd records."""
from __future__ import annotations

from typing import Any, Callable, Optional, Sequence

from ..base import InputError, ShapeError
from ..ops import registry as ops
from ..ops.control_flow import flattened, nested
from .creation import zeros
from .ndarray import NDArray, invoke

__all__ = ["foreach", "while_loop", "cond"]


def foreach(body: Callable[[Any, Any], tuple[Any, Any]], data: Any, init_states: Any) -> tuple[Any, Any]:
    """Run `body` for each row of the data, handing states from one row to the next.

    Parameters
    ----------
    body : callable(row, states) -> (outputs, states)
        `row` and `states` have the structure of `data` and `init_states`: an array, or (nested) lists of them.
    data : NDArray or list of NDArray
        Of one length T, at least 1: shapes (T, ...).
    init_states : NDArray or list of NDArray
        The states before the first row.

    Returns
    -------
    outputs : NDArray or list of NDArray
        Those of all steps, stacked: (T, ...).
    states : NDArray or list of NDArray
        Those after the last step.

    Raises
    ------
    InputError
        For what is no array.
    ShapeError
        For data of several lengths, or without a row.

    >>> import ganmod as mx
    >>> sums, last = foreach(lambda row, state: (row + state, row + state), mx.nd.array([1, 2, 3]), mx.nd.zeros((1,)))
    >>> sums.asnumpy().tolist(), last.asnumpy().tolist()
    ([[1.0], [3.0], [6.0]], [6.0])
    """
    rows, form = flattened(data, NDArray, "foreach(): data")
    flattened(init_states, NDArray, "foreach(): init_states")
    lengths = sorted({len(row) for row in rows})
    if len(lengths) != 1 or not lengths[0]:
        raise ShapeError(f"foreach(): the data must have one length of at least 1, got {lengths or 'no data'}")
    states, steps, where = init_states, [], None
    for k in range(lengths[0]):
        outputs, states = body(nested([row[k] for row in rows], form), states)
        step, where = flattened(outputs, NDArray, "foreach(): the outputs of body")
        flattened(states, NDArray, "foreach(): the states of body")
        steps.append(step)
    return nested(_stacked(steps), where), states


def while_loop(cond: Callable[..., Any], func: Callable[..., tuple[Any, Any]], loop_vars: Any,
               max_iterations: Optional[int] = None) -> tuple[Any, Any]:
    """Run `func` on loop variables as long as `cond` of them is true.

    Parameters
    ----------
    cond : callable(*loop_vars) -> NDArray of one element, or bool
    func : callable(*loop_vars) -> (outputs, new loop_vars)
        The outputs may be ``None``.
    loop_vars : NDArray or list of NDArray
        The variables before the first step.
    max_iterations : int
        After how many steps it ends in any case.

    Returns
    -------
    outputs : NDArray or list of NDArray
        Those of all steps, stacked: (max_iterations, ...), with zeros for the steps that were not made. An empty list
        if there was no step.
    states : NDArray or list of NDArray
        The variables after the last step.

    Raises
    ------
    InputError
        For what is no array, or another number of variables.
    ValueError
        Without a number of iterations or a variable, or for a `cond` of several elements.

    >>> import ganmod as mx
    >>> powers, last = while_loop(lambda x: x < 50, lambda x: (x, x * 2), mx.nd.array([16]), max_iterations=3)
    >>> powers.asnumpy().tolist(), last.asnumpy().tolist()
    ([[16.0], [32.0], [0.0]], [64.0])
    """
    if max_iterations is None:
        raise ValueError("while_loop(): max_iterations must be given")
    variables, form = flattened(loop_vars, NDArray, "while_loop(): loop_vars")
    if not variables:
        raise ValueError("while_loop(): loop_vars needs at least one array")
    steps: list[list[NDArray]] = []
    where: Any = []
    while len(steps) < int(max_iterations) and _holds(cond(*_arguments(variables, form)), "while_loop(): cond"):
        outputs, new = func(*_arguments(variables, form))
        step, where = flattened([] if outputs is None else outputs, NDArray, "while_loop(): the outputs of func")
        new, _ = flattened(new, NDArray, "while_loop(): the new loop_vars")
        if len(new) != len(variables):
            raise InputError(f"while_loop(): func returns {len(new)} loop variables and gets {len(variables)}; they "
                             "must be as many")
        variables = new
        steps.append(step)
    return nested(_stacked(steps, int(max_iterations)), where), nested(variables, form)


def cond(pred: Any, then_func: Callable[[], Any], else_func: Callable[[], Any]) -> Any:
    """What `then_func` returns if `pred` is true, else what `else_func` does; only that one is called.

    Parameters
    ----------
    pred : NDArray of one element, bool, or callable() -> either
    then_func, else_func : callable() -> NDArray or list of NDArray

    >>> import ganmod as mx
    >>> cond(mx.nd.array([0]), lambda: mx.nd.array([1]), lambda: mx.nd.array([2])).asscalar().item()
    2.0
    """
    chosen = then_func if _holds(pred() if callable(pred) else pred, "cond(): pred") else else_func
    return chosen()


def _holds(value: Any, what: str) -> bool:
    if isinstance(value, NDArray) and value.size != 1:
        raise ShapeError(f"{what} must be one number, got shape {value.shape}")
    return bool(value)


def _arguments(variables: list[NDArray], form: Any) -> Sequence[Any]:
    return variables if form is None else nested(variables, form)


def _stacked(steps: list[list[NDArray]], length: int = 0) -> list[NDArray]:
    """The outputs of all steps along a new first axis, with zeros up to `length`."""
    made = []
    for outputs in zip(*steps):
        stacked = invoke(ops.find("stack"), outputs, {"axis": 0, "num_args": len(outputs)})
        missing = length - len(outputs)
        if missing > 0:
            rest = zeros((missing, *stacked.shape[1:]), ctx=stacked.context, dtype=stacked.dtype)
            stacked = invoke(ops.find("Concat"), [stacked, rest], {"dim": 0, "num_args": 2})
        made.append(stacked)
    return made
