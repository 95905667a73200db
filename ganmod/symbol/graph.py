"""The graph behind a symbol: nodes, entries, order."""
from __future__ import annotations

import dataclasses
import functools
import itertools
from typing import Any, Iterable, Optional, Sequence

import numpy as np

from ..base import AttributeValueError, suggest, to_numpy_dtype, to_torch_dtype
from ..ops import registry as ops
from ..ops.control_flow import Subgraph

__all__ = ["Node", "Entry", "HIDDEN_KEYS", "attribute_text", "topological", "auxiliary", "rewritten",
           "without_casts"]

#: User attributes that may be given without the double underscores around them, and are stored with.
HIDDEN_KEYS = ("ctx_group", "lr_mult", "wd_mult", "force_mirroring", "mirror_stage", "profiler_scope")


@dataclasses.dataclass(frozen=True)
class Entry:
    """One output of one node.

    ``version`` counts, for a variable, the operators that had replaced it as their auxiliary state when this entry was
    made. Files carry the number; nothing else depends on it.
    """

    node: "Node"
    index: int = 0
    version: int = 0

    @property
    def name(self) -> str:
        """What the output is called: the variable's name, or ``<node>_<output>``."""
        return self.node.output_names[self.index]


class Node:
    """A variable (``op is None``) or one application of an operator.

    ``attrs`` holds strings: the operator's attributes as they were given, and user attributes, whose names start and
    end with double underscores. ``subgraphs`` are those of a loop or a branch. ``serial`` grows from each node that is
    made to the next.
    """

    _serials = itertools.count()

    def __init__(self, op: Optional[ops.Operator], name: str, attrs: dict[str, str],
                 inputs: Sequence[Entry] = (), subgraphs: Sequence[Subgraph] = ()) -> None:
        self.op, self.name, self.attrs, self.inputs = op, name, attrs, list(inputs)
        self.subgraphs = tuple(subgraphs)
        self.version = 0
        self.serial = next(self._serials)

    @functools.cached_property
    def params(self) -> ops.Params:
        """The operator's attributes, parsed."""
        assert self.op is not None
        params = self.op.parse({k: v for k, v in self.attrs.items() if not is_user_attribute(k)}, self.name)
        return ops.Params(**vars(params), subgraphs=self.subgraphs) if self.subgraphs else params

    @property
    def traceable(self) -> bool:
        """Whether a program can be recorded: not where the shapes of results depend on values."""
        return self.op is None or self.op.traceable and all(g.traceable for g in self.subgraphs)

    @functools.cached_property
    def input_names(self) -> list[str]:
        """The operator's names for this node's inputs."""
        return self.op.input_names(self.params, len(self.inputs)) if self.op else []

    @functools.cached_property
    def short_output_names(self) -> list[str]:
        """The operator's names for this node's outputs."""
        return self.op.output_names(self.params) if self.op else [""]

    @property
    def output_names(self) -> list[str]:
        """The full names of the outputs."""
        return [f"{self.name}_{short}" for short in self.short_output_names] if self.op else [self.name]

    def replaced_inputs(self) -> list[tuple[str, "Node"]]:
        """The auxiliary states of this node: their names in the operator, and their variables."""
        if self.op is None:
            return []
        return [(name, entry.node) for name, entry in zip(self.input_names, self.inputs)
                if self.op.is_aux(name, self.params)]

    def outputs(self) -> list[Entry]:
        """An entry for every output."""
        return [Entry(self, k, self.version) for k in range(len(self.output_names))]

    @property
    def spelled_attributes(self) -> dict[str, str]:
        """The attributes, hidden ones under both of their names."""
        return {**self.attrs, **{key: self.attrs[f"__{key}__"] for key in HIDDEN_KEYS if f"__{key}__" in self.attrs}}

    def automatic_input(self, name: str) -> Entry:
        """The variable for an input that was not given; it carries the operator's attributes."""
        return Entry(Node(None, f"{self.name}_{name}", dict(self.attrs)))

    def initialize_inputs(self) -> None:
        """Note on the variables that are inputs how the operator wants them to start, unless they say it themselves."""
        if self.op is None or not self.op.initial:
            return
        for name, entry in zip(self.input_names, self.inputs):
            initial = self.op.initial.get(name)
            if initial is not None and entry.node.op is None:
                entry.node.attrs.setdefault("__init__", initial(self.params) if callable(initial) else initial)

    def count_versions(self) -> None:
        """Count this new node's auxiliary states as replaced once more."""
        for _, variable in self.replaced_inputs():
            variable.version += 1
        self.inputs = [Entry(e.node, e.index, e.node.version) if e.node.op is None else e for e in self.inputs]

    def set_user_attributes(self, attributes: dict[str, Any]) -> None:
        """Store user attributes, hidden keys with their double underscores.

        Raises
        ------
        AttributeValueError
            For a name that is neither an operator's own nor has double underscores, or a value that is no string.
        """
        for key, value in attributes.items():
            full = f"__{key}__" if key in HIDDEN_KEYS else key
            if self.op is not None and not is_user_attribute(full) and full not in self.op.attributes:
                raise self.unsupported(key)
            if not isinstance(value, str):
                raise AttributeValueError(f"{self.name!r}: the custom attribute {key}={value!r} must be a string")
            self.attrs[full] = value

    def unsupported(self, key: str) -> AttributeValueError:
        """The error for a user attribute of that name."""
        known = [*HIDDEN_KEYS, *(self.op.attributes if self.op else ())]
        return AttributeValueError(
            f"{self.name!r}: attribute {key!r} is not supported: names of custom attributes start and end with "
            f"double underscores, e.g. __{key}__{suggest(key, known)}")

    def __repr__(self) -> str:
        return f"<Node {self.op.name if self.op else 'variable'} {self.name!r}>"


def is_user_attribute(key: str) -> bool:
    """Whether a key is a user's attribute rather than the operator's."""
    return key.startswith("__") and key.endswith("__")


def is_custom_attribute(op: ops.Operator, key: str) -> bool:
    """Whether a key of a call is a user's attribute, also one that is spelled without its double underscores."""
    return is_user_attribute(key) or key in HIDDEN_KEYS and key not in op.attributes


def attribute_text(key: str, value: Any) -> str:
    """An attribute as the text that a node keeps.

    Raises
    ------
    AttributeValueError
        For a value whose text says nothing, such as an array or a function.

    >>> attribute_text("dtype", np.float16), attribute_text("kernel", (3, 3))
    ('float16', '(3, 3)')
    """
    if key == "dtype" and value is not None and not isinstance(value, str):
        return str(np.dtype(to_numpy_dtype(to_torch_dtype(value))).name)
    if isinstance(value, (bytes, bytearray)) or callable(value):
        raise AttributeValueError(f"attribute {key}={value!r} cannot be kept in a symbol")
    return str(value)


def topological(entries: Iterable[Entry]) -> list[Node]:
    """Every node that `entries` depend on, inputs before their users, in depth-first order."""
    order: list[Node] = []
    seen: set[int] = set()
    for head in entries:
        todo = [(head.node, 0)]
        while todo:
            node, k = todo.pop()
            if id(node) in seen:
                continue
            if k < len(node.inputs):
                todo.append((node, k + 1))
                if id(node.inputs[k].node) not in seen:
                    todo.append((node.inputs[k].node, 0))
            else:
                seen.add(id(node))
                order.append(node)
    return order


def auxiliary(nodes: Iterable[Node]) -> set[int]:
    """The ids of the variables that are auxiliary states of some node."""
    return {id(variable) for node in nodes for _, variable in node.replaced_inputs()}


def rewritten(entries: Sequence[Entry], replacement: dict[int, Entry]) -> list[Entry]:
    """A copy of the graph behind `entries` in which the variables with the given ids are replaced."""
    copies: dict[int, Node] = {}

    def copied(entry: Entry) -> Entry:
        return replacement.get(id(entry.node)) or Entry(copies[id(entry.node)], entry.index, entry.version)

    for node in topological(entries):
        if node.op is None:
            copies[id(node)] = node
        else:
            copies[id(node)] = Node(node.op, node.name, dict(node.attrs), [copied(e) for e in node.inputs],
                                      node.subgraphs)
            copies[id(node)].count_versions()
    return [copied(e) for e in entries]


def without_casts(entries: Sequence[Entry]) -> list[Entry]:
    """A copy of the graph behind `entries` whose operators take what mixed precision would cast; outputs stay cast."""
    copies: dict[int, Node] = {}

    def before(entry: Entry) -> Entry:
        while entry.node.op is not None and entry.node.op.name in ("amp_cast", "amp_multicast"):
            entry = entry.node.inputs[entry.index]
        return Entry(copies[id(entry.node)], entry.index, entry.version)

    for node in topological(entries):
        copies[id(node)] = node if node.op is None else \
            Node(node.op, node.name, dict(node.attrs), [before(e) for e in node.inputs],
                 [graph.without_casts() for graph in node.subgraphs])
    return [Entry(copies[id(e.node)], e.index, e.version) for e in entries]
