"""Binding: from a symbol, shapes and arrays to an executor."""
from __future__ import annotations

from collections import Counter
from typing import Any, Optional, Sequence, Union

import torch

from ..base import InputError, ShapeError, suggest, to_torch_dtype
from ..context import Context, current_context
from ..ndarray.ndarray import NDArray, array_of
from ..ops import storage
from ..ops.shapes import Known, complete
from ..symbol import Symbol
from ..symbol.inference import infer_dtypes, infer_shapes
from .executor import Executor, ProgramCache
from .options import USUAL, Options
from .placement import Placement
from .sparsity import argument_storage, gradient_storage

__all__ = ["bind", "simple_bind", "evaluate", "reshape"]

Arrays = Union[Sequence[Optional[NDArray]], dict[str, NDArray]]
GradReq = Union[str, Sequence[str], dict[str, str]]
_REQUESTS = ("write", "add", "null")


def bind(self: Symbol, ctx: Context, args: Arrays, args_grad: Optional[Arrays] = None, grad_req: GradReq = "write",
         aux_states: Optional[Arrays] = None, group2ctx: Optional[dict[str, Context]] = None,
         shared_exec: Optional[Executor] = None, options: Options = USUAL) -> Executor:
    """An executor over arrays that the caller owns.

    Parameters
    ----------
    ctx : Context
        Where to compute.
    group2ctx : dict of str to Context
        Where the nodes of each ``AttrScope(ctx_group=...)`` run, and the variables made there live.
    args, args_grad, aux_states : list or dict of NDArray
        Arguments, gradient arrays (those that are left out or ``None`` are not computed), and auxiliary states; lists
        follow ``list_arguments()`` and ``list_auxiliary_states()``.
    grad_req : str, list or dict
        ``'write'``, ``'add'`` or ``'null'``, for all arguments or for each.
    options : Options
        In which precision programs compute, and whether they are compiled.

    Raises
    ------
    InputError
        For a missing or unknown array, one on another device, or a group without a context.
    ShapeError
        For arrays that do not fit the graph.
    """
    names, states = _distinct_names(self)
    placement = Placement(self, ctx, group2ctx)
    arg_dict = _by_name("args", names, args, required=True)
    grads = _by_name("args_grad", names, args_grad or {}, required=False)
    aux_dict = _by_name("aux_states", states, aux_states or [], required=True)
    for arrays in (arg_dict, grads, aux_dict):
        _check_devices(placement, arrays)
    requests = _requests(names, grad_req, default="write")
    outputs = _outputs(self, placement, {**arg_dict, **aux_dict})
    return Executor(self, placement, arg_dict, grads, requests, aux_dict, outputs,
                    _shared_programs(self, placement, shared_exec), options)


def simple_bind(self: Symbol, ctx: Optional[Context] = None, grad_req: GradReq = "write",
                type_dict: Optional[dict[str, Any]] = None, stype_dict: Optional[dict[str, str]] = None,
                group2ctx: Optional[dict[str, Context]] = None, shared_arg_names: Optional[Sequence[str]] = None,
                shared_exec: Optional[Executor] = None, shared_buffer: Optional[dict[str, NDArray]] = None,
                options: Options = USUAL, **kwargs: Any) -> Executor:
    """An executor with arrays of its own, zeros at first, from the shapes of the inputs.

    Parameters
    ----------
    group2ctx : dict of str to Context
        Where the nodes of each ``AttrScope(ctx_group=...)`` run, and the variables made there live.
    type_dict : dict of str to dtype
        Dtypes of arguments; the others follow, and are float32 where nothing says otherwise.
    stype_dict : dict of str to str
        Storage types of arguments; the others are what ``Variable(stype=...)`` said, or dense.
    shared_exec : Executor
        Arguments, gradients and states of the same name, shape and dtype are taken from it rather than made.
    shared_buffer : dict of str to NDArray
        The same, by name, for arguments; arrays that are made are entered.
    options : Options
        In which precision programs compute, and whether they are compiled.
    **kwargs : tuple of int
        Shapes of inputs by name; those of others are ignored, as a label's in a network without its loss.

    Raises
    ------
    ShapeError
        Where shapes conflict or something stays unknown; the message names it.
    """
    placement = Placement(self, ctx or current_context(), group2ctx)
    names, states = _distinct_names(self)
    shapes, dtypes = _complete_structure(self, {n: s for n, s in kwargs.items() if n in {*names, *states}},
                                         type_dict or {})
    requests = _requests(names, grad_req, default="null")
    pool = _Pool(placement, shapes, dtypes, argument_storage(self, stype_dict), shared_exec, shared_buffer,
                 shrink=shared_exec is not None and shared_exec._symbol is self)
    args = {n: pool.argument(n) for n in names}
    rows = gradient_storage(self, {n: a.stype for n, a in args.items()})
    grads = {n: pool.gradient(n, rows[n]) for n in names if requests[n] != "null"}
    aux = {n: pool.state(n) for n in states}
    outputs = _outputs(self, placement, {**args, **aux})
    return Executor(self, placement, args, grads, requests, aux, outputs,
                    _shared_programs(self, placement, shared_exec), options)


def evaluate(self: Symbol, ctx: Optional[Context] = None, **kwargs: NDArray) -> list[NDArray]:
    """The outputs for the given arrays, by name, without training.

    >>> import ganmod as mx
    >>> (mx.sym.Variable('a') + 1).eval(a=mx.nd.array([1, 2]))[0].asnumpy().tolist()
    [2.0, 3.0]
    """
    states = self.list_auxiliary_states()
    executor = bind(self, ctx or current_context(), {k: v for k, v in kwargs.items() if k not in states},
                    grad_req="null", aux_states={k: v for k, v in kwargs.items() if k in states})
    return executor.forward()


def reshape(self: Executor, partial_shaping: bool = False, allow_up_sizing: bool = False, **kwargs: Any) -> Executor:
    """An executor for other input shapes that shares every array whose shape stays the same.

    An array that shrinks becomes a view of the beginning of the old one's memory.

    Parameters
    ----------
    partial_shaping : bool
        Whether arguments that are not named may change their shape.
    allow_up_sizing : bool
        Whether arrays may grow; without it a larger one is an error, as in MXNet.
    **kwargs : tuple of int
        New shapes of inputs by name.
    """
    dtypes = {n: a.dtype for n, a in self.arg_dict.items()}
    shapes, _ = _complete_structure(self._symbol, kwargs, dtypes)
    for name, array in self.arg_dict.items():
        if shapes[name] != array.shape and name not in kwargs and not partial_shaping:
            raise ShapeError(f"reshape(): the shape of {name!r} changes from {array.shape} to {shapes[name]}, and it "
                             "was not given; pass partial_shaping=True if that is meant")
        if torch.Size(shapes[name]).numel() > array._tensor.numel() and not allow_up_sizing:
            raise ShapeError(f"reshape(): {name!r} grows from {array.shape} to {shapes[name]}; pass "
                             "allow_up_sizing=True if that is meant")
    wanted: dict[str, Any] = {n: shapes[n] for n in self.arg_dict}
    placement = self._placement
    stypes = {n: a.stype for n, a in self.arg_dict.items()}
    return simple_bind(self._symbol, placement.ctx, self._grad_req, dtypes, stypes, placement.groups,
                       shared_exec=self, options=self._options, **wanted)


def _shared_programs(symbol: Symbol, placement: Placement, shared: Optional[Executor]) -> Optional[ProgramCache]:
    """The programs of another executor, if they are for the same graph in the same places."""
    same = shared is not None and shared._symbol is symbol and shared._placement.groups == placement.groups
    return shared._all_programs if shared is not None and same else None


class _Pool:
    """Where the arrays of a simple_bind come from: another executor's, all or (`shrink`) part; a buffer's; new."""

    def __init__(self, placement: Placement, shapes: dict[str, tuple[int, ...]], dtypes: dict[str, torch.dtype],
                 stypes: dict[str, str], shared_exec: Optional[Executor], buffer: Optional[dict[str, NDArray]],
                 shrink: bool) -> None:
        self._contexts, self._shapes, self._dtypes, self._stypes = placement.variables, shapes, dtypes, stypes
        self._exec, self._buffer, self._shrink = shared_exec, buffer, shrink

    def argument(self, name: str) -> NDArray:
        buffer = {} if self._buffer is None else self._buffer
        buffer[name] = found = self._taken(name, self._stypes[name], self._exec.arg_dict if self._exec else {}, buffer)
        return found

    def gradient(self, name: str, stype: str) -> NDArray:
        return self._taken(name, stype, self._exec.grad_dict if self._exec else {})

    def state(self, name: str) -> NDArray:
        return self._taken(name, "default", self._exec.aux_dict if self._exec else {})

    def _taken(self, name: str, stype: str, *sources: Any) -> NDArray:
        """The array of this name in the first source where it has the right shape, dtype and storage, or a new one."""
        for arrays in sources:
            array: Optional[NDArray] = arrays.get(name)
            if array is None or array._tensor.dtype is not self._dtypes[name] or array.stype != stype:
                continue
            if array.shape == self._shapes[name]:
                return array
            size = torch.Size(self._shapes[name]).numel()
            if self._shrink and stype == "default" and size <= array.size:
                return NDArray(array._tensor.view(-1)[:size].view(self._shapes[name]), array.context)
        ctx = self._contexts[name]
        made = storage.zeros(stype, self._shapes[name], self._dtypes[name], ctx.device)
        return array_of(storage.keep_private(made), ctx)


def _distinct_names(symbol: Symbol) -> tuple[list[str], list[str]]:
    """The names of arguments and states; two variables of one name could not be told apart."""
    names, states = symbol.list_arguments(), symbol.list_auxiliary_states()
    doubled = {n for n, count in Counter([*names, *states]).items() if count > 1}
    if doubled:
        raise InputError(f"several variables are called {', '.join(sorted(doubled))}; make one Variable and use it in "
                         "both places, or give them names of their own")
    return names, states


def _complete_structure(symbol: Symbol, given: dict[str, Any], types: dict[str, Any]) \
        -> tuple[dict[str, tuple[int, ...]], dict[str, torch.dtype]]:
    """Shapes and dtypes of every argument and state, or an error that names what is missing."""
    arguments, _, states = symbol._inferred_shapes((), given)
    names, aux = symbol.list_arguments(), symbol.list_auxiliary_states()
    shapes: dict[str, Known] = dict(zip([*names, *aux], [*arguments, *states]))
    missing = [f"{n}: {s or 'nothing known'}" for n, s in shapes.items() if not complete(s)]
    if missing:
        raise ShapeError(f"simple_bind(): the shapes of some inputs do not follow from {given} (0 is unknown): "
                         + "; ".join(missing))
    wanted = {n: to_torch_dtype(t) for n, t in types.items() if t is not None}
    found = infer_dtypes(symbol.entries, {**wanted})
    if any(t is None for t in symbol._sorted(found)[0]):
        found = infer_dtypes(symbol.entries, _with_defaults(symbol, wanted, found))
    kinds = symbol._sorted(found)
    dtypes = {n: t or torch.float32 for n, t in zip([*names, *aux], [*kinds[0], *kinds[2]])}
    return {n: s for n, s in shapes.items() if s is not None}, dtypes


def _with_defaults(symbol: Symbol, wanted: dict[str, torch.dtype], found: dict[Any, Any]) -> dict[str, Any]:
    """The given dtypes, and float32 for the first variable that nothing decides, as often as it takes."""
    given = dict(wanted)
    while True:
        arguments = symbol._sorted(found)[0]
        open_names = [n for n, t in zip(symbol.list_arguments(), arguments) if t is None]
        if not open_names:
            return given
        given[open_names[0]] = torch.float32
        found = infer_dtypes(symbol.entries, given)


def _outputs(symbol: Symbol, placement: Placement, arrays: dict[str, NDArray]) -> list[torch.Tensor]:
    """Output tensors of the inferred shapes, whose values mean nothing yet; raises where arrays do not fit."""
    given = {n: a._tensor.dtype for n, a in arrays.items()}
    dtypes = infer_dtypes(symbol.entries, given)
    shapes = infer_shapes(symbol.entries, {n: a.shape for n, a in arrays.items()}, dtypes)
    made = []
    for entry, ctx in zip(symbol.entries, placement.outputs):
        shape = shapes.get((id(entry.node), entry.index))
        if shape is None or not complete(shape):
            shape = (1,)                                   # depends on values; the first forward will tell
        made.append(torch.zeros(shape, dtype=dtypes.get((id(entry.node), entry.index)) or torch.float32,
                                device=ctx.device))
    return made


def _by_name(what: str, names: list[str], given: Arrays, required: bool) -> dict[str, NDArray]:
    if isinstance(given, dict):
        for name in given:
            if required and name not in names and suggest(name, names):
                raise InputError(f"{what}: there is no {name!r}{suggest(name, names)}")
        found = {n: given[n] for n in names if given.get(n) is not None}
    else:
        if len(given) != len(names) and (required or given):
            raise InputError(f"{what} has {len(given)} arrays, expected {len(names)}: {', '.join(names) or 'none'}")
        found = {n: a for n, a in zip(names, given) if a is not None}
    missing = [n for n in names if n not in found]
    if required and missing:
        raise InputError(f"{what} lacks {', '.join(missing)}")
    for name, array in found.items():
        if not isinstance(array, NDArray):
            raise InputError(f"{what}: {name!r} must be an NDArray, got {type(array).__name__}")
    return found


def _requests(names: list[str], grad_req: GradReq, default: str) -> dict[str, str]:
    if isinstance(grad_req, str):
        made = dict.fromkeys(names, grad_req)
    elif isinstance(grad_req, dict):
        made = {n: grad_req.get(n, default) for n in names}
    else:
        if len(grad_req) != len(names):
            raise InputError(f"grad_req has {len(grad_req)} entries, expected {len(names)}")
        made = dict(zip(names, grad_req))
    for name, request in made.items():
        if request not in _REQUESTS:
            raise InputError(f"grad_req of {name!r} is {request!r}; expected one of {', '.join(_REQUESTS)}")
    return made


def _check_devices(placement: Placement, arrays: dict[str, NDArray]) -> None:
    """Raise for an array that is not on the device where its variable is used."""
    for name, array in arrays.items():
        if array.context.device != placement.variables[name].device:
            raise InputError(f"bind(): the array for {name!r} is on {array.context}, and is used on "
                             f"{placement.variables[name]}; move it with as_in_context(), or name a group's context "
                             "in group2ctx")
