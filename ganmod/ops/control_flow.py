"""Loops and branches within a symbol: operators whose nodes hold symbols of their own, called their subgraphs.

What a subgraph can do stands in :class:`Subgraph`, in terms of torch tensors; `ganmod.symbol` makes them, and saves
and reads them with the node. An operator's attributes tell which of the node's inputs is which input of a subgraph.
"""
from __future__ import annotations

import abc
from typing import Any, Callable, Optional, Sequence

import torch
from torch import Tensor

from ..base import InputError, ShapeError, require
from .attributes import Shape
from .registry import Operator, Params, operator
from .shapes import Known, unify

__all__ = ["Subgraph", "ControlFlow", "Nested", "flattened", "nested"]

Dtype = Optional[torch.dtype]
#: Where things stand in nested lists: None for a single thing, else a list of these.
Nested = Optional[list[Any]]


class Subgraph(abc.ABC):
    """A symbol inside a node: a function of `inputs` tensors.

    Attributes
    ----------
    inputs : int
        How many inputs it has.
    states : tuple of int
        The positions of those that are auxiliary states of some operator in it.
    """

    inputs: int
    states: tuple[int, ...]

    @abc.abstractmethod
    def run(self, inputs: Sequence[Tensor], training: bool) -> tuple[list[Tensor], dict[int, Tensor]]:
        """The outputs, and the new values of inputs that are states, by position."""

    @abc.abstractmethod
    def shapes(self, inputs: Sequence[Known], outputs: Sequence[Known]) -> tuple[list[Known], list[Known]]:
        """The shapes of inputs and outputs as far as they follow from those known; a conflict is a ``ShapeError``."""

    @abc.abstractmethod
    def dtypes(self, inputs: Sequence[Dtype], outputs: Sequence[Dtype]) -> tuple[list[Dtype], list[Dtype]]:
        """The dtypes of inputs and outputs as far as they follow from those known."""

    @abc.abstractmethod
    def without_casts(self) -> "Subgraph":
        """A copy without the casts of mixed precision."""

    @property
    @abc.abstractmethod
    def traceable(self) -> bool:
        """Whether a program of it can be recorded."""

    def blank(self, inputs: Sequence[Tensor], count: int, length: int) -> list[Tensor]:
        """Zeros like the first `count` outputs, `length` of each along a new first axis; nothing is computed."""
        with torch.no_grad(), torch.device("meta"):
            outputs, _ = self.run([i.to("meta") for i in inputs], training=False)
        return [torch.zeros((length, *(o.shape or (1,))), dtype=o.dtype, device=inputs[0].device)
                for o in outputs[:count]]


Flow = Callable[[Params, list[Tensor], bool], tuple[list[Tensor], dict[int, Tensor]]]


class ControlFlow(Operator):
    """An operator over subgraphs, which a node's parameters carry as ``.subgraphs``.

    Parameters
    ----------
    parts : sequence of str
        For each subgraph, the attribute that says which of the node's inputs are its inputs, in order.
    flow : callable(params, inputs, training)
        What it does: the outputs, and the new values of inputs that are states, by position.
    """

    def __init__(self, function: Callable[..., Any], name: str, aliases: Sequence[str] = (), *, parts: Sequence[str],
                 flow: Flow, **settings: Any) -> None:
        super().__init__(function, name, aliases, count="num_args", **settings)
        self.parts, self._flow = tuple(parts), flow

    def input_names(self, params: Params, given: int = 0) -> list[str]:
        return [f"arg{k}" for k in range(params.num_args - len(self.parts))]

    def output_names(self, params: Params) -> list[str]:
        return ["output"] if params.num_outputs == 1 else [f"output{k}" for k in range(params.num_outputs)]

    def is_aux(self, name: str, params: Optional[Params] = None) -> bool:
        """Whether the input is an auxiliary state of an operator in a subgraph."""
        return params is not None and name in self.mutated(params)

    def mutated(self, params: Params) -> tuple[str, ...]:
        found = {self._places(params, part)[k] for part, graph in zip(self.parts, params.subgraphs)
                 for k in graph.states}
        return tuple(f"arg{k}" for k in sorted(found))

    def _places(self, params: Params, part: str) -> tuple[int, ...]:
        return places(params) if part == "remain_locs" else getattr(params, part)

    def run(self, inputs: Sequence[Tensor], params: Params, training: bool = False) \
            -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """The outputs, and after a training forward the new values of the states."""
        outputs, new = self._flow(params, list(inputs), training)
        return tuple(outputs), {f"arg{k}": value for k, value in new.items()} if training else {}

    def split_arguments(self, args: Sequence[Any], kwargs: dict[str, Any], is_input: Callable[[Any], bool]) \
            -> tuple[dict[str, Any], dict[str, Any]]:
        raise InputError(f"{self.name} is a node that mx.sym.contrib.{self.name[1:]} makes, with its subgraphs")

    def check(self, params: Params) -> None:
        """Raise unless a file's attributes fit its subgraphs and inputs."""
        graphs = getattr(params, "subgraphs", ())
        require(len(graphs) == len(self.parts), f"{self.name} has {len(graphs)} subgraphs, expected {len(self.parts)}")
        number = params.num_args - len(self.parts)
        for part, graph in zip(self.parts, graphs):
            found = self._places(params, part)
            require(len(found) == graph.inputs and all(0 <= k < number for k in found),
                    f"{self.name}: {part} {found} does not fit a subgraph of {graph.inputs} inputs and a node of "
                    f"{number}")


def places(p: Params) -> tuple[int, ...]:
    """For each input of the body of a ``_foreach``, which input of the node it is: data first, then states, the rest.

    >>> places(Params(in_data_locs=(1,), in_state_locs=(0,), remain_locs=(2,)))
    (1, 0, 2)
    """
    order = [*p.in_data_locs, *p.in_state_locs, *p.remain_locs]
    return tuple(order.index(k) for k in range(len(order)))


def _rows(tensor: Tensor) -> tuple[Tensor, ...]:
    """The parts along the first axis; a number has shape (1,)."""
    return (tensor if tensor.dim() > 1 else tensor[:, None]).unbind()


def _stacked(rows: list[Tensor], length: int) -> Tensor:
    """Rows as one tensor with zeros behind them up to `length`."""
    made = torch.stack([r if r.dim() else r.reshape(1) for r in rows])
    missing = length - len(rows)
    return torch.cat([made, made.new_zeros((missing, *made.shape[1:]))]) if missing else made


# --- foreach ---------------------------------------------------------------------------------------------------------

def _run_foreach(p: Params, inputs: list[Tensor], training: bool) -> tuple[list[Tensor], dict[int, Tensor]]:
    body, place = p.subgraphs[0], places(p)
    data, loop = len(p.in_data_locs), range(len(p.in_data_locs), len(p.in_data_locs) + len(p.in_state_locs))
    steps = {t.shape[0] for t in inputs[:data]}
    require(len(steps) == 1, f"_foreach: the data have different sizes along the first axis: {sorted(steps)}",
            ShapeError)
    current, length = list(inputs), steps.pop()
    rows: list[list[Tensor]] = [[] for _ in range(p.num_out_data)]
    replaced: dict[int, Tensor] = {}
    for row_of_each in zip(*map(_rows, inputs[:data])):
        current[:data] = row_of_each
        outputs, new = body.run([current[k] for k in place], training)
        for row, output in zip(rows, outputs):
            row.append(output)
        replaced.update({place[k]: value for k, value in new.items()})
        for k, value in [*zip(loop, outputs[p.num_out_data:]), *replaced.items()]:
            current[k] = value
    if not length:
        current[:data] = [t.new_zeros(t.shape[1:] or (1,)) for t in inputs[:data]]
        stacked = body.blank([current[k] for k in place], p.num_out_data, 0)
    else:
        stacked = [_stacked(row, length) for row in rows]
    return [*stacked, *(current[k] for k in loop)], replaced


@operator("_foreach", kind=ControlFlow, parts=("remain_locs",), flow=_run_foreach)
def foreach(*data: Tensor, num_args: int, num_outputs: int, num_out_data: int, in_state_locs: Shape,
            in_data_locs: Shape, remain_locs: Shape) -> Tensor:
    """A subgraph run for each row of the data, which hands states on; see ``mx.sym.contrib.foreach``.

    The node's inputs are the data, the first states and what else the subgraph uses; `in_data_locs`, `in_state_locs`
    and `remain_locs` say which inputs of the subgraph they are. `num_args` counts the inputs and the subgraph,
    `num_outputs` the outputs, of which the first `num_out_data` are stacked and the others are the last states.

    Shapes: data (T, ...), states (any shape) -> (T, ...) for each output of a step, and the states' shapes.
    """
    raise InputError("_foreach is run by its subgraph")


@foreach.shapes
def _(p, s):
    body, place, names = p.subgraphs[0], places(p), s.inputs
    data, states = len(p.in_data_locs), len(p.in_state_locs)
    for k in range(states):
        s.same((names[data + k], s.outputs[p.num_out_data + k]))
    inner = [s[n][1:] or (1,) if k < data and s[n] else None if k < data else s[n] for k, n in enumerate(names)]
    rows = [s[n][1:] if s[n] else None for n in s.outputs[:p.num_out_data]]
    found, outputs = body.shapes([inner[k] for k in place], [*rows, *(s[n] for n in s.outputs[p.num_out_data:])])
    lengths = [s[n][:1] for n in (*names[:data], *s.outputs[:p.num_out_data]) if s[n]]
    length = max(lengths, default=(0,))
    for k, shape in zip(place, found):
        if k >= data:
            s[names[k]] = shape
        elif shape is not None and (shape != (1,) or len(s[names[k]] or ()) > 1):
            s[names[k]] = (*length, *shape)              # a row of shape (1,) may be one of numbers
        elif s[names[k]]:
            s[names[k]] = (*length, *s[names[k]][1:])
    for n, shape in zip(s.outputs, outputs):
        if shape is not None:
            s[n] = shape if n in s.outputs[p.num_out_data:] else (*length, *shape)
    for k in range(states):
        s.same((names[data + k], s.outputs[p.num_out_data + k]))


@foreach.dtypes
def _(p, types):
    names = foreach.input_names(p)
    outputs = foreach.output_names(p)
    _share_dtypes(types, p.subgraphs[0], [names[k] for k in places(p)], outputs)
    for state, output in zip(names[len(p.in_data_locs):], outputs[p.num_out_data:]):
        types[state] = types[output] = types[state] or types[output]


def _share_dtypes(types: dict[str, Any], graph: Subgraph, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    found = graph.dtypes([types[n] for n in inputs], [types[n] for n in outputs])
    for names, dtypes in zip((inputs, outputs), found):
        for name, dtype in zip(names, dtypes):
            types[name] = types[name] or dtype


# --- while_loop ------------------------------------------------------------------------------------------------------

def _holds(graph: Subgraph, inputs: list[Tensor], what: str) -> bool:
    """Whether the one number that a subgraph computes is other than 0."""
    (value, *_), _ = graph.run(inputs, False)
    require(value.numel() == 1, f"{what} must be one number, got shape {tuple(value.shape)}", ShapeError)
    return bool(value.item())


def _run_while(p: Params, inputs: list[Tensor], training: bool) -> tuple[list[Tensor], dict[int, Tensor]]:
    cond, func = p.subgraphs
    loop = [p.func_input_locs[k] for k in p.func_var_locs]
    current, steps = list(inputs), 0
    rows: list[list[Tensor]] = [[] for _ in range(p.num_out_data)]
    replaced: dict[int, Tensor] = {}
    while steps < p.max_iterations and _holds(cond, [current[k] for k in p.cond_input_locs], "_while_loop: cond"):
        outputs, new = func.run([current[k] for k in p.func_input_locs], training)
        for row, output in zip(rows, outputs):
            row.append(output)
        replaced.update({p.func_input_locs[k]: value for k, value in new.items()})
        for k, value in [*zip(loop, outputs[p.num_out_data:]), *replaced.items()]:
            current[k] = value
        steps += 1
    stacked = [_stacked(row, p.max_iterations) for row in rows] if steps else \
        func.blank([current[k] for k in p.func_input_locs], p.num_out_data, p.max_iterations)
    return [*stacked, *(current[k] for k in loop)], replaced


@operator("_while_loop", kind=ControlFlow, parts=("cond_input_locs", "func_input_locs"), flow=_run_while,
          traceable=False)
def while_loop(*data: Tensor, num_args: int, num_outputs: int, num_out_data: int, max_iterations: int,
               cond_input_locs: Shape, func_input_locs: Shape, func_var_locs: Shape) -> Tensor:
    """A subgraph run as long as another one's number is not 0; see ``mx.sym.contrib.while_loop``.

    `cond_input_locs` and `func_input_locs` say which of the node's inputs the two subgraphs take, `func_var_locs` which
    of the second one's inputs are the loop variables. `num_args` counts the inputs and the two subgraphs,
    `num_outputs` the outputs, of which the first `num_out_data` are stacked, with zeros up to `max_iterations`.

    Shapes: loop variables (any shape) -> (max_iterations, ...) for each output of a step, and the variables' shapes.
    """
    raise InputError("_while_loop is run by its subgraphs")


@while_loop.shapes
def _(p, s):
    require(p.max_iterations > 0, f"_while_loop: max_iterations must be at least 1, got {p.max_iterations}", ValueError)
    cond, func = p.subgraphs
    finals = s.outputs[p.num_out_data:]
    loop = [s.inputs[p.func_input_locs[k]] for k in p.func_var_locs]
    for pair in zip(loop, finals):
        s.same(pair)
    rows = [s[n][1:] if s[n] else None for n in s.outputs[:p.num_out_data]]
    found, outputs = func.shapes([s[s.inputs[k]] for k in p.func_input_locs], [*rows, *(s[n] for n in finals)])
    for k, shape in zip(p.func_input_locs, found):
        s[s.inputs[k]] = shape
    for n, shape in zip(s.outputs, outputs):
        if shape is not None:
            s[n] = shape if n in finals else (p.max_iterations, *shape)
    for pair in zip(loop, finals):
        s.same(pair)
    for k, shape in zip(p.cond_input_locs, cond.shapes([s[s.inputs[k]] for k in p.cond_input_locs], [None])[0]):
        s[s.inputs[k]] = shape


@while_loop.dtypes
def _(p, types):
    names, outputs = while_loop.input_names(p), while_loop.output_names(p)
    for graph, part, made in zip(p.subgraphs, (p.cond_input_locs, p.func_input_locs), ([], outputs)):
        _share_dtypes(types, graph, [names[k] for k in part], made)
    for k, output in zip(p.func_var_locs, outputs[p.num_out_data:]):
        state = names[p.func_input_locs[k]]
        types[state] = types[output] = types[state] or types[output]


# --- cond ------------------------------------------------------------------------------------------------------------

def _run_cond(p: Params, inputs: list[Tensor], training: bool) -> tuple[list[Tensor], dict[int, Tensor]]:
    pred, then, otherwise = p.subgraphs
    holds = _holds(pred, [inputs[k] for k in p.cond_input_locs], "_cond: pred")
    graph, part = (then, p.then_input_locs) if holds else (otherwise, p.else_input_locs)
    outputs, new = graph.run([inputs[k] for k in part], training)
    return outputs, {part[k]: value for k, value in new.items()}


@operator("_cond", kind=ControlFlow, parts=("cond_input_locs", "then_input_locs", "else_input_locs"), flow=_run_cond,
          traceable=False)
def cond(*data: Tensor, num_args: int, num_outputs: int, cond_input_locs: Shape, then_input_locs: Shape,
         else_input_locs: Shape) -> Tensor:
    """One of two subgraphs, as a third one's number is 0 or not; see ``mx.sym.contrib.cond``.

    `cond_input_locs`, `then_input_locs` and `else_input_locs` say which of the node's inputs the subgraphs take.
    `num_args` counts the inputs and the three subgraphs, `num_outputs` the outputs.

    Shapes: data (any shapes) -> what the subgraph that is run makes of them.
    """
    raise InputError("_cond is run by its subgraphs")


@cond.shapes
def _(p, s):
    branches: list[list[Known]] = []
    for graph, part in zip(p.subgraphs, (p.cond_input_locs, p.then_input_locs, p.else_input_locs)):
        found, outputs = graph.shapes([s[s.inputs[k]] for k in part], [None] * (len(s.outputs) if branches else 1))
        for k, shape in zip(part, found):
            s[s.inputs[k]] = shape
        branches.append(outputs)
    for n, one, other in zip(s.outputs, *branches[1:]):
        try:
            s[n] = unify(one, other)
        except ValueError:                                 # the value of the number decides
            continue


@cond.dtypes
def _(p, types):
    names, outputs = cond.input_names(p), cond.output_names(p)
    parts = (p.cond_input_locs, p.then_input_locs, p.else_input_locs)
    for graph, part, made in zip(p.subgraphs, parts, ([], outputs, outputs)):
        _share_dtypes(types, graph, [names[k] for k in part], made)


# --- nested lists ----------------------------------------------------------------------------------------------------

def flattened(value: Any, kind: type, what: str) -> tuple[list[Any], Nested]:
    """The things of one kind in nested lists, and where they stand.

    Raises
    ------
    InputError
        For anything else, calling it `what`.

    >>> flattened([1, [2, 3]], int, 'x')
    ([1, 2, 3], [None, [None, None]])
    """
    if isinstance(value, kind):
        return [value], None
    if not isinstance(value, (list, tuple)):
        raise InputError(f"{what} must be a {kind.__name__} or (nested) lists of them, got {value!r:.80} of type "
                         f"{type(value).__name__}")
    parts = [flattened(item, kind, what) for item in value]
    return [item for items, _ in parts for item in items], [where for _, where in parts]


def nested(values: Sequence[Any], where: Nested) -> Any:
    """Things in their places: the inverse of :func:`flattened`.

    >>> nested([1, 2, 3], [None, [None, None]])
    [1, [2, 3]]
    """
    rest = iter(values)

    def place(pattern: Nested) -> Any:
        return next(rest) if pattern is None else [place(inner) for inner in pattern]

    return place(where)
