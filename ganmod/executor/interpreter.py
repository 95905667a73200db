"""Recorded graphs as callables: their calls, one after the other, over numbered registers.

torch.fx writes functions. Theirs find each operator by five names and call it by way of Python and of torch's
dispatcher; where tensors are small, that takes longer than the arithmetic.
"""
from __future__ import annotations

import operator
from typing import Any, Callable, NamedTuple, Sequence

import torch
from torch import fx

__all__ = ["Interpreter"]

aten = torch.ops.aten
#: Operators which torch's Python also has as functions, of the same arguments in the same order; these are faster.
_BINDINGS = {getattr(getattr(aten, name), overload): getattr(torch, name) for name, overload in (
    ("add", "Tensor"), ("sub", "Tensor"), ("mul", "Tensor"), ("mm", "default"), ("mm", "out"), ("addmm", "default"),
    ("t", "default"), ("reshape", "default"), ("sum", "dim_IntList"), ("lerp", "Scalar"), ("tanh_", "default"),
    ("sigmoid_", "default"), ("relu_", "default"), ("convolution", "default"), ("native_batch_norm", "default"),
    ("_native_batch_norm_legit", "no_stats"))}

Registers = list[Any]
Read = Callable[[Registers], Any]


class _Step(NamedTuple):
    """A call: the function, its arguments, the register of its result, and those that nobody looks at afterwards."""

    function: Callable[..., Any]
    arguments: Read
    place: int
    ended: tuple[int, ...]


class Interpreter:
    """A function of a graph's placeholders that runs its calls and returns its output.

    Values are let go after their last use. Constants are those of the graph's owning module.

    Parameters
    ----------
    graph : torch.fx.Graph
        Of placeholders, constants and calls of functions; it stays as it is.
    """

    def __init__(self, graph: fx.Graph) -> None:
        self.graph = graph
        nodes, ending = list(graph.nodes), _ending(graph)
        inputs = [n for n in nodes if n.op == "placeholder"]
        self._places = {node: k for k, node in enumerate(inputs)}
        self._unused = [k for k, node in enumerate(inputs) if not node.users]
        self._registers: Registers = [None] * len(inputs)
        self._steps: list[_Step] = []
        for node in nodes:
            if node.op == "get_attr":
                self._places[node] = self._constant(getattr(graph.owning_module, node.target))
            elif node.op == "call_function":
                place = self._places[node] = self._constant(None)
                ended = tuple(self._places[n] for n in ending.get(node, ()))
                self._steps.append(_Step(*self._call(node), place, ended))
        self._output = self._reader(nodes[-1].args)

    def __call__(self, *inputs: Any) -> Any:
        """The output for these values of the placeholders."""
        return self.consume(list(inputs))

    def consume(self, inputs: list[Any]) -> Any:
        """The same; the list is emptied, and values that nobody else has are let go after their last use."""
        values = self._registers.copy()
        values[:len(inputs)] = inputs
        inputs.clear()
        for k in self._unused:
            values[k] = None
        for function, arguments, place, ended in self._steps:
            values[place] = function(*arguments(values))
            for k in ended:
                values[k] = None
        return self._output(values)[0]

    def _constant(self, value: Any) -> int:
        """The place of a register that holds this at the beginning of each run."""
        self._registers.append(value)
        return len(self._registers) - 1

    def _call(self, node: fx.Node) -> tuple[Callable[..., Any], Read]:
        """What a node calls, and the arguments, all by position."""
        target: Any = node.target
        function = _BINDINGS.get(target, target._op if isinstance(target, torch._ops.OpOverload) else target)
        if node.kwargs:
            function = _by_position(function, len(node.args), tuple(node.kwargs))
        return function, self._reader([*node.args, *node.kwargs.values()])

    def _reader(self, wanted: Sequence[Any]) -> Read:
        """What looks up a sequence of values, each a node's, a constant, or a list or tuple of such."""
        if any(_holds_nodes(value) for value in wanted):
            readers = [self._gatherer(value) if _holds_nodes(value) else operator.itemgetter(self._place(value))
                       for value in wanted]
            return lambda values: [read(values) for read in readers]
        places = [self._place(value) for value in wanted]
        if len(places) > 1:
            return operator.itemgetter(*places)
        return operator.itemgetter(slice(places[0], places[0] + 1) if places else slice(0))

    def _gatherer(self, value: Any) -> Read:
        """What makes a list or a tuple anew, of the present values."""
        read, kind = self._reader(value), list if isinstance(value, list) else tuple
        return lambda values: kind(read(values))

    def _place(self, value: Any) -> int:
        return self._places[value] if isinstance(value, fx.Node) else self._constant(_plain(value))


def _ending(graph: fx.Graph) -> dict[fx.Node, list[fx.Node]]:
    """The values that each node is the last to look at, itself where nobody does."""
    ending: dict[fx.Node, list[fx.Node]] = {}
    seen: set[fx.Node] = set()
    for user in reversed(graph.nodes):
        for node in {user: None, **dict.fromkeys(user.all_input_nodes)}:
            if node not in seen and node.op != "get_attr":
                ending.setdefault(user, []).append(node)
            seen.add(node)
    return ending


def _by_position(function: Callable[..., Any], count: int, names: tuple[str, ...]) -> Callable[..., Any]:
    """The function with so many arguments by position, and then those of these names by position too."""
    return lambda *given: function(*given[:count], **dict(zip(names, given[count:])))


def _holds_nodes(value: Any) -> bool:
    """Whether it is a list or tuple with a node in it, at any depth."""
    return isinstance(value, (list, tuple)) and any(isinstance(v, fx.Node) or _holds_nodes(v) for v in value)


def _plain(value: Any) -> Any:
    """A constant argument, its lists and tuples those of Python and not the graph's own kinds."""
    if isinstance(value, (list, tuple)):
        return (list if isinstance(value, list) else tuple)(map(_plain, value))
    return value
