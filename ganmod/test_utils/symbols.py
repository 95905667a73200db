"""A symbol's values and gradients beside what they should be, and beside those of other contexts and dtypes."""
from __future__ import annotations

import json
import time
from typing import Any, Optional, Sequence, Union

import numpy as np

from .. import optimizer as opt
from ..base import InputError
from ..context import Context
from ..ndarray import NDArray, array, ones
from ..symbol import Symbol
from .comparing import Tolerance, assert_almost_equal, compare_ndarray_tuple, get_tols
from .data import rand_ndarray
from .gradients import parsed_location, parsed_states
from .surroundings import default_context


def simple_forward(sym: Symbol, ctx: Optional[Context] = None, is_train: bool = False, **inputs: Any) -> Any:
    """The outputs of a symbol as numpy arrays: a list, or the array if there is one.

    >>> import ganmod as mx
    >>> simple_forward(mx.sym.Variable('a') * 2, a=np.ones(2)).tolist()
    [2.0, 2.0]
    """
    ctx = ctx or default_context()
    executor = sym.bind(ctx, {name: array(value, ctx=ctx) for name, value in inputs.items()})
    outputs = [out.asnumpy() for out in executor.forward(is_train=is_train)]
    return outputs[0] if len(outputs) == 1 else outputs


def check_symbolic_forward(sym: Symbol, location: Any, expected: Any, rtol: Tolerance = None, atol: Tolerance = None,
                           aux_states: Any = None, ctx: Optional[Context] = None, equal_nan: bool = False,
                           dtype: Any = np.float32) -> list[NDArray]:
    """Raise an AssertionError unless a symbol's outputs are as expected; returns them.

    Parameters
    ----------
    sym : Symbol
        What to run.
    location, expected : list or dict of array
        The arguments, and the outputs, by name or in order.
    rtol, atol, equal_nan
        As in :func:`assert_almost_equal`.
    aux_states : list or dict of array, optional
        The auxiliary states.
    ctx : Context, optional
        Where to run.
    dtype : dtype
        Of the arguments.
    """
    ctx = ctx or default_context()
    names = sym.list_outputs()
    wanted = [expected[name] for name in names] if isinstance(expected, dict) else expected
    executor = sym.bind(ctx, parsed_location(sym, location, ctx, dtype),
                        aux_states=parsed_states(sym, aux_states, ctx, dtype))
    executor.forward(is_train=False)
    for name, value, output in zip(names, wanted, executor.outputs):
        assert_almost_equal(value, output, rtol, atol, (f"EXPECTED_{name}", f"FORWARD_{name}"), equal_nan)
    return executor.outputs


def check_symbolic_backward(sym: Symbol, location: Any, out_grads: Any, expected: Any, rtol: Tolerance = None,
                            atol: Tolerance = None, aux_states: Any = None, grad_req: Any = "write",
                            ctx: Optional[Context] = None, grad_stypes: Any = None, equal_nan: bool = False,
                            dtype: Any = np.float32) -> dict[str, NDArray]:
    """Raise an AssertionError unless a symbol's gradients are as expected; returns them by name.

    Parameters
    ----------
    sym, location, rtol, atol, aux_states, ctx, equal_nan, dtype
        As in :func:`check_symbolic_forward`.
    out_grads : list or dict of array, or None
        Gradients of the outputs; None where all outputs are losses.
    expected : list or dict of array
        Gradients of the arguments, or of some.
    grad_req : str, list or dict
        ``'write'``, ``'add'`` (to random numbers) or ``'null'``, for all arguments or for each.
    grad_stypes : None
        Has no effect; gradients are dense.
    """
    ctx, names = ctx or default_context(), sym.list_arguments()
    values = parsed_location(sym, location, ctx, dtype)
    wanted = expected if isinstance(expected, dict) else dict(zip(names, expected))
    before = {name: np.random.normal(size=np.shape(value)) for name, value in wanted.items()}
    grads = {name: array(start, ctx=ctx, dtype=dtype) for name, start in before.items()}
    requests = dict.fromkeys(names, grad_req) if isinstance(grad_req, str) else \
        grad_req if isinstance(grad_req, dict) else dict(zip(names, grad_req))
    executor = sym.bind(ctx, values, args_grad=grads, aux_states=parsed_states(sym, aux_states, ctx, dtype),
                        grad_req={name: requests.get(name, "null") if name in grads else "null" for name in names})
    executor.forward(is_train=True)
    heads = [out_grads[name] for name in sym.list_outputs()] if isinstance(out_grads, dict) else out_grads
    executor.backward(heads if heads is None else
                      [h if isinstance(h, NDArray) else array(h, ctx=ctx, dtype=dtype) for h in heads])
    for name, value in wanted.items():
        value = value.asnumpy() if isinstance(value, NDArray) else value
        should = {"write": value, "add": value + before[name], "null": before[name]}[requests.get(name, "null")]
        assert_almost_equal(should, grads[name], *get_tols(np.asarray(value), grads[name], rtol, atol),
                            (f"EXPECTED_{name}", f"BACKWARD_{name}"), equal_nan)
    return grads


# --- several contexts and dtypes -------------------------------------------------------------------------------------

def check_consistency(sym: Union[Symbol, Sequence[Symbol]], ctx_list: Sequence[dict[str, Any]], scale: float = 1.0,
                      grad_req: Any = "write", arg_params: Optional[dict[str, Any]] = None,
                      aux_params: Optional[dict[str, Any]] = None, rtol: Tolerance = None, atol: Tolerance = None,
                      raise_on_err: bool = True, ground_truth: Optional[dict[str, Any]] = None,
                      equal_nan: bool = False, use_uniform: bool = False, rand_type: Any = np.float64) \
        -> dict[str, NDArray]:
    """Raise an AssertionError unless a symbol does the same in several settings; returns outputs and gradients.

    Parameters
    ----------
    sym : Symbol or list of Symbol
        What to run; a symbol for each setting, or one for all.
    ctx_list : list of dict
        The settings: the arguments of ``simple_bind``, such as
        ``{'ctx': mx.cpu(), 'data': (2, 3), 'type_dict': {'data': np.float64}}``.
    scale : float
        The standard deviation, or bound, of the random arguments.
    grad_req : str, list or dict
        As in ``bind``; ``'null'`` compares outputs only.
    arg_params, aux_params : dict of str to array, optional
        Values of arguments and auxiliary states that are not random.
    rtol, atol : float or dict of dtype to float, optional
        Tolerances; by default what the less precise dtype allows.
    raise_on_err : bool
        Whether a difference raises; otherwise it is printed.
    ground_truth : dict, optional
        Outputs and gradients that are right; by default those of the most precise setting.
    use_uniform : bool
        Whether random numbers are distributed evenly.
    """
    symbols = [sym] * len(ctx_list) if isinstance(sym, Symbol) else list(sym)
    if len(ctx_list) < 2 or len(symbols) != len(ctx_list):
        raise InputError(f"check_consistency() got {len(symbols)} symbols and {len(ctx_list)} settings; expected two "
                         "or more")
    executors = [s.simple_bind(grad_req=grad_req, **setting) for s, setting in zip(symbols, ctx_list)]
    _fill(executors, arg_params, aux_params, scale, use_uniform)
    found = [_ran(executor, s, grad_req) for executor, s in zip(executors, symbols)]
    precision = [min((np.finfo(a.dtype).precision for a in f.values() if np.dtype(a.dtype).kind == "f"), default=0)
                 for f in found]
    best = int(np.argmax(precision))
    truth = ground_truth or found[best]
    for k, results in enumerate(found):
        for name, value in results.items():
            if name not in truth or k == best and ground_truth is None:
                continue
            try:
                assert_almost_equal(value, truth[name], rtol, atol, (f"ctx_list[{k}]_{name}", "truth"), equal_nan)
            except AssertionError as error:
                if raise_on_err:
                    raise
                print(f"ctx_list[{k}], {name}: {error}")
    return truth


def _fill(executors: Sequence[Any], arg_params: Any, aux_params: Any, scale: float, even: bool) -> None:
    """The same values for all executors: given or random arguments, given or zero states."""
    given, first = dict(arg_params or {}), executors[0]
    for name, value in first.arg_dict.items():
        if name not in given:
            given[name] = np.random.uniform(-scale, scale, value.shape) if even else \
                np.random.normal(size=value.shape, scale=scale)
    states = {name: (aux_params or {}).get(name, 0) for name in first.aux_dict}
    for executor in executors:
        for name, value in given.items():
            executor.arg_dict[name][:] = value
        for name, value in states.items():
            executor.aux_dict[name][:] = value


def _ran(executor: Any, symbol: Symbol, grad_req: Any) -> dict[str, NDArray]:
    """Outputs and gradients by name; gradients of the outputs as heads."""
    executor.forward(is_train=grad_req != "null")
    found = {name: out.copy() for name, out in zip(symbol.list_outputs(), executor.outputs)}
    if grad_req != "null":
        executor.backward([out.copy() for out in executor.outputs])
        found.update({name: grad.copy() for name, grad in executor.grad_dict.items() if grad is not None})
    return found


def check_speed(sym: Symbol, location: Optional[dict[str, Any]] = None, ctx: Optional[Context] = None, N: int = 20,
                grad_req: Any = None, typ: str = "whole", **kwargs: Any) -> float:
    """Seconds for a forward (``typ='forward'``), or for a forward and a backward (``'whole'``); the mean of N runs.

    Parameters
    ----------
    location : dict of str to array, optional
        The arguments; random ones of the shapes in `kwargs` by default.
    """
    if typ not in ("whole", "forward"):
        raise ValueError('typ can only be "whole" or "forward".')
    ctx = ctx or default_context()
    shapes = {name: np.shape(value) for name, value in location.items()} if location is not None else kwargs
    executor = sym.simple_bind(ctx, grad_req=grad_req or "write", **shapes)
    for name, target in executor.arg_dict.items():
        target[:] = np.random.normal(size=target.shape) if location is None else location.get(name, 0)

    def run() -> None:
        executor.forward(is_train=typ == "whole")
        if typ == "whole":
            executor.backward([ones(out.shape, ctx=ctx, dtype=out.dtype) for out in executor.outputs])
        for out in executor.outputs:
            out.wait_to_read()

    run()
    start = time.perf_counter()
    for _ in range(N):
        run()
    return (time.perf_counter() - start) / N


def same_symbol_structure(sym1: Symbol, sym2: Symbol) -> bool:
    """Whether two symbols apply the same operators in the same order; names do not count."""
    one, other = (_structure(s) for s in (sym1, sym2))
    return one == other


def _structure(symbol: Symbol) -> list[Any]:
    """Each node's operator, and where its inputs come from."""
    nodes = json.loads(symbol.tojson())["nodes"]
    return [(node["op"], [source[:2] for source in node["inputs"]]) for node in nodes]


def compare_optimizer(opt1: opt.Optimizer, opt2: opt.Optimizer, shape: Any, dtype: Any, w_stype: str = "default",
                      g_stype: str = "default", rtol: float = 1e-4, atol: float = 1e-5, compare_states: bool = True,
                      ntensors: int = 1) -> None:
    """Raise an AssertionError unless two optimizers change random weights and states alike, in one step."""
    shapes = [shape] * ntensors if not isinstance(shape, list) else shape
    first = [rand_ndarray(s, w_stype, dtype=dtype) for s in shapes]
    second = [w.copy() for w in first]
    grads = [rand_ndarray(s, g_stype, dtype=dtype) for s in shapes]
    for i, grad in enumerate(grads):
        states = []
        for made, weight in ((opt1, first[i]), (opt2, second[i])):
            states.append(made.create_state_multi_precision(i, weight))
            made.update_multi_precision(i, weight, grad.copy(), states[-1])
        if compare_states:
            compare_ndarray_tuple(states[0], states[1], rtol, atol)
        assert_almost_equal(first[i], second[i], rtol=rtol, atol=atol)
