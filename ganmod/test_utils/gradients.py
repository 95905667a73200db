"""Gradients of a symbol beside differences of its values."""
from __future__ import annotations

from typing import Any, Optional

import numpy as np

from .. import symbol as sym
from ..context import Context
from ..ndarray import NDArray, array
from .comparing import Tolerance, assert_almost_equal, default_numeric_eps, get_tols
from .surroundings import default_context

Location = dict[str, NDArray]


def parsed_location(symbol: sym.Symbol, location: Any, ctx: Context, dtype: Any) -> Location:
    """The arguments of a symbol as NDArrays, given by name or in order.

    Raises
    ------
    ValueError
        If names and arguments do not match.
    """
    names = symbol.list_arguments()
    if isinstance(location, dict):
        if set(location) != set(names):
            raise ValueError("Symbol arguments and keys of the given location do not match.symbol "
                             f"args:{set(names)}, location.keys():{set(location)}")
    else:
        location = dict(zip(names, location))
    return {name: _array(value, ctx, dtype) for name, value in location.items()}


def parsed_states(symbol: sym.Symbol, states: Any, ctx: Context, dtype: Any) -> Optional[Location]:
    """The auxiliary states of a symbol as NDArrays, given by name or in order; None without."""
    if states is None:
        return None
    names = symbol.list_auxiliary_states()
    if isinstance(states, dict):
        if set(states) != set(names):
            raise ValueError("Symbol aux_states names and given aux_states do not match.symbol "
                             f"aux_names:{set(names)}, aux_states.keys:{set(states)}")
    else:
        states = dict(zip(names, states))
    return {name: _array(value, ctx, dtype) for name, value in states.items()}


def _array(value: Any, ctx: Context, dtype: Any) -> NDArray:
    if isinstance(value, NDArray):
        return value.copyto(ctx)
    given = np.asarray(value)
    return array(given, ctx=ctx, dtype=given.dtype if given.dtype.kind in "iub" or dtype is None else dtype)


def numeric_grad(executor: Any, location: dict[str, Any], aux_states: Optional[dict[str, Any]] = None,
                 eps: float = 1e-4, use_forward_train: bool = True, dtype: Any = np.float32) -> dict[str, np.ndarray]:
    """Gradients of the sum of an executor's first output, by central differences.

    Parameters
    ----------
    executor : Executor
        Bound; its arguments hold `location` afterwards.
    location : dict of str to array
        Where to take the gradients.
    aux_states : dict of str to array, optional
        Auxiliary states at the beginning of each forward.
    eps : float
        The step, from half of it below to half of it above.
    use_forward_train : bool
        Whether the forwards are in training mode.
    dtype : dtype
        Of the gradients.
    """
    def value() -> float:
        for name, state in (aux_states or {}).items():
            executor.aux_dict[name][:] = state
        return float(executor.forward(is_train=use_forward_train)[0].asnumpy().astype(np.float64).sum())

    values = {name: np.array(v.asnumpy() if isinstance(v, NDArray) else v) for name, v in location.items()}
    for name, start in values.items():
        executor.arg_dict[name][:] = start
    gradients = {}
    for name, start in values.items():
        if start.dtype.kind not in "f":
            continue
        moved, gradient = start.copy().reshape(-1), np.zeros(start.size, dtype)
        for i, middle in enumerate(start.reshape(-1)):
            found = []
            for step in (eps / 2, -eps / 2):
                moved[i] = middle + step
                executor.arg_dict[name][:] = moved.reshape(start.shape)
                found.append(value())
            moved[i] = middle
            gradient[i] = (found[0] - found[1]) / eps
        executor.arg_dict[name][:] = start
        gradients[name] = gradient.reshape(start.shape)
    return gradients


def check_numeric_gradient(sym: sym.Symbol, location: Any, aux_states: Any = None, numeric_eps: Optional[float] = None,
                           rtol: Tolerance = None, atol: Tolerance = None, grad_nodes: Any = None,
                           use_forward_train: bool = True, ctx: Optional[Context] = None, grad_stype_dict: Any = None,
                           dtype: Any = np.float32) -> None:
    """Raise an AssertionError unless a symbol's gradients are those of its values.

    The first output is multiplied by random numbers and summed; differences of that are compared.

    Parameters
    ----------
    sym : Symbol
        With one output.
    location : list or dict of array
        The values of the arguments.
    aux_states : list or dict of array, optional
        The auxiliary states.
    numeric_eps : float, optional
        The step; by default what the dtype allows.
    rtol, atol : float, optional
        Tolerances; by default what the dtype allows.
    grad_nodes : list of str, or dict of str to str, optional
        The arguments to check, or each with its ``grad_req``; by default all.
    use_forward_train : bool
        Whether the differences are those of training mode.
    ctx : Context, optional
        Where to run.
    grad_stype_dict : None
        Has no effect; gradients are dense.
    dtype : dtype
        Of the arguments.
    """
    ctx = ctx or default_context()
    values, states = parsed_location(sym, location, ctx, dtype), parsed_states(sym, aux_states, ctx, dtype)
    nodes = grad_nodes if isinstance(grad_nodes, dict) else dict.fromkeys(grad_nodes or sym.list_arguments(), "write")
    shape = (sym.infer_shape(**{name: v.shape for name, v in values.items()})[1] or [()])[0]
    factors = array(np.random.normal(size=shape) + 0.1, ctx=ctx, dtype=dtype)
    projected = _projected(sym)
    given = {**values, "__random_proj": factors}
    before = {name: array(np.random.normal(size=values[name].shape), ctx=ctx, dtype=dtype) for name in nodes}
    grads = {name: start.copy() for name, start in before.items()}
    requests = {name: nodes.get(name, "null") for name in given}
    executor = projected.bind(ctx, given, args_grad=grads, grad_req=requests, aux_states=states)
    executor.forward(is_train=True)
    executor.backward()
    found = {name: grads[name].asnumpy() for name in nodes}
    start_states = {name: v.asnumpy() for name, v in (parsed_states(sym, aux_states, ctx, dtype) or {}).items()}
    eps = numeric_eps or default_numeric_eps()[np.dtype(dtype)]
    expected = numeric_grad(executor, {name: values[name].asnumpy() for name in nodes}, start_states, eps,
                            use_forward_train, dtype)
    for name, request in nodes.items():
        start = before[name].asnumpy()
        wanted = {"write": expected[name], "add": expected[name] + start, "null": start}[request]
        assert_almost_equal(wanted, found[name], *get_tols(wanted, found[name], rtol, atol),
                            ("NUMERICAL_" + name, "BACKWARD_" + name))


def _projected(symbol: sym.Symbol) -> sym.Symbol:
    """The sum of the symbol times ``__random_proj``, as a loss."""
    return sym.MakeLoss(sym.sum(symbol * sym.Variable("__random_proj")))
