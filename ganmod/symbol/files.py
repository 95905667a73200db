"""Symbol JSON: MXNet's format, read in its three generations and written as 1.x writes it."""
from __future__ import annotations

import json
from typing import Any, Optional, Sequence

import torch

from ..base import FileFormatError, MXNetError
from ..ops import registry as ops
from ..ops.control_flow import ControlFlow
from .graph import HIDDEN_KEYS, Entry, Node, topological
from .subgraphs import SymbolGraph

__all__ = ["dumps", "parse", "describe", "DTYPE_NUMBERS"]

#: The numbers that files use for dtypes.
DTYPE_NUMBERS = {torch.float32: 0, torch.float64: 1, torch.float16: 2, torch.uint8: 3, torch.int32: 4, torch.int8: 5,
                 torch.int64: 6, torch.bool: 7, torch.bfloat16: 12}
#: The numbers that files use for storage types.
STORAGE_NUMBERS = {"default": 0, "row_sparse": 1, "csr": 2}
_VERSION = ["int", 10901]
_COUNTS = ("num_args", "num_outputs", "num_weights", "num_tensors", "num_arrays", "sections")
_MOST_COUNTED = 1 << 16                                    # by the attributes of all nodes of a small file
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


# --- writing ---------------------------------------------------------------------------------------------------------

def dumps(entries: Sequence[Entry]) -> str:
    """The JSON text of the graph behind `entries`, laid out as MXNet lays it out."""
    return _graph_text(entries, [f'"attrs": {{"mxnet_version": {json.dumps(_VERSION)}}}'])


def _graph_text(entries: Sequence[Entry], more: Sequence[str] = ()) -> str:
    nodes = topological(entries)
    number = {id(n): k for k, n in enumerate(nodes)}
    rows, row_starts = [], [0]
    for node in nodes:
        rows.append(_node_text(node, [[number[id(e.node)], e.index, e.version] for e in node.inputs]))
        row_starts.append(row_starts[-1] + _total_outputs(node))
    heads = [[number[id(e.node)], e.index, e.version] for e in entries]
    fields = [f'"nodes": [\n    {(", " + chr(10) + "    ").join(rows)}\n  ]',
              f'"arg_nodes": {_list_text([number[id(n)] for n in nodes if n.op is None], 2)}',
              f'"node_row_ptr": {_list_text(row_starts, 2)}',
              f'"heads": {_list_text(heads, 2)}', *more]
    return "{\n  " + ", \n  ".join(fields) + "\n}"


def _total_outputs(node: Node) -> int:
    return len(node.output_names) + (node.op.hidden_outputs(node.params) if node.op else 0)


def _node_text(node: Node, inputs: list[list[int]]) -> str:
    fields = [f'"op": {_quoted(node.op.name if node.op else "null")}', f'"name": {_quoted(node.name)}']
    if node.attrs:
        pairs = [f"{_quoted(k)}: {_quoted(v)}" for k, v in sorted(node.attrs.items())]
        fields.append(f'"attrs": {{{pairs[0]}}}' if len(pairs) == 1 else
                      '"attrs": {\n        ' + ", \n        ".join(pairs) + "\n      }")
    fields.append(f'"inputs": {_list_text(inputs, 6)}')
    if node.subgraphs:
        graphs = [_graph_text(g.entries) for g in node.subgraphs if isinstance(g, SymbolGraph)]
        texts = ["        " + text.replace("\n", "\n        ") for text in graphs]
        fields.append('"subgraphs": [\n' + ", \n".join(texts) + "\n      ]")
    return "{\n      " + ", \n      ".join(fields) + "\n    }"


def _quoted(text: str) -> str:
    """A JSON string as MXNet writes it and, unlike other escapes, reads it."""
    return '"' + text.translate(_ESCAPES) + '"'


def _list_text(values: Sequence[Any], indent: int) -> str:
    """Up to ten values on one line, more of them one per line."""
    texts = [json.dumps(v) for v in values]
    if len(texts) <= 10:
        return f"[{', '.join(texts)}]"
    line = "\n" + " " * indent
    return f"[{line}  " + f", {line}  ".join(texts) + f"{line}]"


# --- reading ---------------------------------------------------------------------------------------------------------

def parse(text: bytes, where: str) -> list[Entry]:
    """The outputs of the graph in a JSON text of any generation of MXNet; errors call it `where`.

    Raises
    ------
    FileFormatError
        For a text that is no symbol JSON; the message says what is wrong with it.
    """
    try:
        graph = json.loads(text, strict=False)              # with control characters in strings
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{where}: not JSON: {error}") from None
    if not isinstance(graph, dict) or not isinstance(graph.get("nodes"), list) or not graph.get("heads"):
        raise FileFormatError(f"{where}: not a symbol: expected an object with 'nodes' and 'heads'")
    return _read_graph(graph, None, where, _Budget(max(_MOST_COUNTED, len(text))))


def _read_graph(graph: dict[str, Any], version: Optional[int], where: str, budget: "_Budget") -> list[Entry]:
    """The outputs of a graph, whole or, with the whole one's `version`, inside a node; errors name the node."""
    nodes: list[Node] = []
    try:
        version = _version(graph) if version is None else version
        for row in graph["nodes"]:
            nodes.append(_read_node(row, nodes, version, budget))
        return [_entry(e, nodes) for e in graph["heads"]]
    except MXNetError as error:
        raise FileFormatError(f"{where}: node {len(nodes)}: {error}") from None
    except (KeyError, TypeError, IndexError, ValueError, AttributeError, RecursionError) as error:
        raise FileFormatError(f"{where}: node {len(nodes)} is malformed: {type(error).__name__}: {error}") from None


def _version(graph: dict[str, Any]) -> int:
    """The version of MXNet that wrote a file, such as 10901; the first one that says so is 0.9."""
    stated = (graph.get("attrs") or {}).get("mxnet_version")
    return int(stated[1]) if stated else 800


class _Budget:
    """How many inputs and outputs attributes may still count: a few digits must not fill the memory with names."""

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self, node: Node) -> None:
        """Take off what the attributes of a node count.

        Raises
        ------
        FileFormatError
            If that is more than the whole file may.
        """
        for key in _COUNTS:
            count = getattr(node.params, key, 0)
            self.left -= count if isinstance(count, int) else 0
            if self.left < 0:
                raise FileFormatError(f"{node.name!r}: {key}={count} is more than a file of this size may count")


def _read_node(row: dict[str, Any], earlier: list[Node], version: int, budget: _Budget) -> Node:
    """A node from its JSON object; ``param``, ``attr`` and ``attrs`` are the generations of one field."""
    attrs = {k: str(v) for field in ("param", "attr", "attrs") for k, v in (row.get(field) or {}).items()}
    op = None if row["op"] == "null" else ops.find(row["op"])
    inner = row.get("subgraphs") or () if isinstance(op, ControlFlow) else ()
    graphs = [SymbolGraph(_read_graph(g, version, f"subgraph {k}", budget)) for k, g in enumerate(inner)]
    node = Node(op, str(row["name"]), {}, [_entry(e, earlier) for e in row["inputs"]], graphs)
    for_inputs = _upgrade(node, attrs, version)
    if op is None:
        return node
    budget.spend(node)
    if version < 900 and node.inputs:                      # which listed no states, and not every argument
        node.inputs += [node.automatic_input(name) for name in node.input_names[len(node.inputs):]]
        node.initialize_inputs()
    if len(node.inputs) != len(node.input_names):
        raise FileFormatError(f"{op.name} {node.name!r} has {len(node.inputs)} inputs, expected "
                              f"{len(node.input_names)}: {', '.join(node.input_names)}")
    if isinstance(op, ControlFlow):
        op.check(node.params)
    for name, entry in zip(node.input_names, node.inputs):
        entry.node.attrs.update(for_inputs.get(name, {}) if entry.node.op is None else {})
    return node


def _upgrade(node: Node, attrs: dict[str, str], version: int) -> dict[str, dict[str, str]]:
    """Give a node its attributes in today's spelling; returns those that were meant for the variables of its inputs.

    Older files spell ``lr_mult`` without underscores, and ``weight_lr_mult`` on the operator for its weight.
    """
    hidden: dict[str, str] = {}
    for_inputs: dict[str, dict[str, str]] = {}
    for key, value in attrs.items():
        meant = _hidden_key(node.op, key)
        if meant is None:
            node.attrs[key] = value
        elif meant == key:
            hidden[f"__{key}__"] = value
        else:
            for_inputs.setdefault(key[:-len(meant) - 1], {})[f"__{meant}__"] = value
    node.attrs.update(hidden)
    if version < 905 and node.op is not None and node.op.name in ("argmax", "argmin") \
            and node.attrs.get("axis") == "-1":            # it meant "of the flattened array"
        del node.attrs["axis"]
    return for_inputs


def _hidden_key(op: Optional[ops.Operator], key: str) -> Optional[str]:
    """The hidden key that an attribute of an older file spells, on its own or behind the name of an input."""
    if op is not None and key in op.attributes:
        return None
    inputs = [] if op is None else [f"{i.name}_" for i in op.inputs]
    return next((h for h in HIDDEN_KEYS if key.endswith(h) and key[:-len(h)] in ("", *inputs)), None)


def _entry(row: list[int], nodes: list[Node]) -> Entry:
    number, index = int(row[0]), int(row[1])
    if not 0 <= number < len(nodes):
        raise IndexError(f"input {row} refers to node {number}, and there are {len(nodes)} before it")
    outputs = len(nodes[number].short_output_names)
    if not 0 <= index < max(1, outputs):
        raise IndexError(f"input {row}: node {nodes[number].name!r} has {outputs} outputs")
    return Entry(nodes[number], index, int(row[2]) if len(row) > 2 else 0)


# --- for people ------------------------------------------------------------------------------------------------------

def describe(entries: Sequence[Entry]) -> str:
    """The graph in words: outputs, then every node with its inputs and attributes."""
    lines = ["Symbol Outputs:"]
    lines += [f"\toutput[{k}]={e.node.name}({e.index})" for k, e in enumerate(entries)]
    for node in topological(entries):
        if node.op is None:
            lines.append(f"Variable:{node.name}")
            continue
        lines += ["-" * 20, f"Op:{node.op.name}, Name={node.name}", "Inputs:"]
        lines += [f"\targ[{k}]={e.node.name}({e.index})" + (" version=0" if e.node.op is None else "")
                  for k, e in enumerate(node.inputs)]
        if node.attrs:
            lines += ["Attrs:", *(f"\t{k}={v}" for k, v in sorted(node.attrs.items()))]
    return "\n".join(lines) + "\n"
