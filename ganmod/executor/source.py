"""Recorded graphs written out as Python functions, one call to a line.

torch.fx writes functions too. Theirs find each operator by five names and call it by way of Python and of torch's
dispatcher; where tensors are small, that takes longer than the arithmetic.
"""
from __future__ import annotations

import operator
import types
from typing import Any, Callable

import torch
from torch import fx

__all__ = ["function_of"]

aten = torch.ops.aten
#: Operators which torch's Python also has as functions, of the same arguments in the same order; these are faster.
_BINDINGS = {getattr(getattr(aten, name), overload): getattr(torch, name) for name, overload in (
    ("add", "Tensor"), ("sub", "Tensor"), ("mul", "Tensor"), ("mm", "default"), ("mm", "out"), ("addmm", "default"),
    ("t", "default"), ("reshape", "default"), ("sum", "dim_IntList"), ("lerp", "Scalar"), ("tanh_", "default"),
    ("sigmoid_", "default"), ("relu_", "default"), ("convolution", "default"), ("native_batch_norm", "default"),
    ("_native_batch_norm_legit", "no_stats"))}


def function_of(graph: fx.Graph) -> Callable[..., Any]:
    """A function of a graph's placeholders that runs its calls and returns its output; its ``__self__`` is the graph.

    Values are let go after their last use. Constants are looked up in the graph's owning module.
    """
    writer = _Writer(graph)
    exec(compile(writer.source(), "<program>", "exec"), writer.known)
    return types.MethodType(writer.known["program"], graph)


class _Writer:
    """Writes the source. All names are its own: v0, v1, ... for values, k0, k1, ... for what it refers to."""

    def __init__(self, graph: fx.Graph) -> None:
        self._graph = graph
        self._names: dict[fx.Node, str] = {}
        self.known: dict[str, Any] = {}

    def source(self) -> str:
        """The function ``program``."""
        lines, parameters, ending = [], ["graph"], self._ending()
        for k, node in enumerate(self._graph.nodes):
            name = self._names[node] = f"v{k}"
            if node.op == "placeholder":
                parameters.append(name)
            elif node.op == "get_attr":
                self._names[node] = self._refer(getattr(self._graph.owning_module, node.target))
            elif node.op == "output":
                lines.append(f"return {self._text(node.args[0])}")
            else:
                ended = ", ".join(self._names[n] for n in ending.get(node, ()))
                lines.append(f"{name} = {self._call(node)}" + (f"; del {ended}" if ended else ""))
        return "\n    ".join([f"def program({', '.join(parameters)}):", *lines])

    def _ending(self) -> dict[fx.Node, list[fx.Node]]:
        """The values that each node is the last to look at, itself where nobody does."""
        ending: dict[fx.Node, list[fx.Node]] = {}
        seen: set[fx.Node] = set()
        for user in reversed(self._graph.nodes):
            for node in {user: None, **dict.fromkeys(user.all_input_nodes)}:
                if node not in seen and node.op == "call_function":
                    ending.setdefault(user, []).append(node)
                seen.add(node)
        return ending

    def _call(self, node: fx.Node) -> str:
        if node.target is operator.getitem:
            value, place = map(self._text, node.args)
            return f"{value}[{place}]"
        target: Any = node.target
        function = _BINDINGS.get(target, target._op if isinstance(target, torch._ops.OpOverload) else target)
        given = [*map(self._text, node.args), *(f"{name}={self._text(value)}" for name, value in node.kwargs.items())]
        return f"{self._refer(function)}({', '.join(given)})"

    def _text(self, value: Any) -> str:
        if isinstance(value, fx.Node):
            return self._names[value]
        if isinstance(value, (list, tuple)):
            inner = "".join(f"{self._text(part)}, " for part in value)
            return f"[{inner}]" if isinstance(value, list) else f"({inner})"
        return repr(value) if value is None or type(value) in (bool, int, str) else self._refer(value)

    def _refer(self, value: Any) -> str:
        name = f"k{len(self.known)}"
        self.known[name] = value
        return name
