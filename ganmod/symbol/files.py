"""Symbol JSON: MXNet's format, read in its three generations and written as 1.x writes it."""
from __future__ import annotations

import json
from typing import Any, Optional, Sequence

import torch

from ..base import FileFormatError, MXNetError
from ..ops import registry as ops
from .graph import HIDDEN_KEYS, Entry, Node, is_user_attribute, topological

__all__ = ["dumps", "parse", "describe", "DTYPE_NUMBERS"]

#: The numbers that files use for dtypes.
DTYPE_NUMBERS = {torch.float32: 0, torch.float64: 1, torch.float16: 2, torch.uint8: 3, torch.int32: 4, torch.int8: 5,
                 torch.int64: 6, torch.bool: 7, torch.bfloat16: 12}
_VERSION = ["int", 10901]


# --- writing ---------------------------------------------------------------------------------------------------------

def dumps(entries: Sequence[Entry]) -> str:
    """The JSON text of the graph behind `entries`, laid out as MXNet lays it out."""
    nodes = topological(entries)
    number = {id(n): k for k, n in enumerate(nodes)}
    rows, row_starts, versions = [], [0], dict.fromkeys(number, 0)
    for node in nodes:
        states = {id(variable) for _, variable in node.replaced_inputs()}
        for key in states:
            versions[key] += 1
        rows.append(_node_text(node, [[number[id(e.node)], e.index, versions[id(e.node)]] for e in node.inputs]))
        row_starts.append(row_starts[-1] + _total_outputs(node))
    heads = [[number[id(e.node)], e.index, versions[id(e.node)]] for e in entries]
    fields = [f'"nodes": [\n    {(", " + chr(10) + "    ").join(rows)}\n  ]',
              f'"arg_nodes": {_list_text([number[id(n)] for n in nodes if n.op is None], 2)}',
              f'"node_row_ptr": {_list_text(row_starts, 2)}',
              f'"heads": {_list_text(heads, 2)}',
              f'"attrs": {{"mxnet_version": {json.dumps(_VERSION)}}}']
    return "{\n  " + ", \n  ".join(fields) + "\n}"


def _total_outputs(node: Node) -> int:
    return len(node.output_names) + (node.op.hidden_outputs(node.params) if node.op else 0)


def _node_text(node: Node, inputs: list[list[int]]) -> str:
    fields = [f'"op": {json.dumps(node.op.name if node.op else "null")}', f'"name": {json.dumps(node.name)}']
    if node.attrs:
        pairs = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(node.attrs.items())]
        fields.append(f'"attrs": {{{pairs[0]}}}' if len(pairs) == 1 else
                      '"attrs": {\n        ' + ", \n        ".join(pairs) + "\n      }")
    fields.append(f'"inputs": {_list_text(inputs, 6)}')
    return "{\n      " + ", \n      ".join(fields) + "\n    }"


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
        graph = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{where}: not JSON: {error}") from None
    if not isinstance(graph, dict) or not isinstance(graph.get("nodes"), list) or not graph.get("heads"):
        raise FileFormatError(f"{where}: not a symbol: expected an object with 'nodes' and 'heads'")
    nodes: list[Node] = []
    try:
        for row in graph["nodes"]:
            nodes.append(_read_node(row, nodes))
        return [_entry(e, nodes) for e in graph["heads"]]
    except MXNetError as error:
        raise FileFormatError(f"{where}: node {len(nodes)}: {error}") from None
    except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
        raise FileFormatError(f"{where}: node {len(nodes)} is malformed: {type(error).__name__}: {error}") from None


def _read_node(row: dict[str, Any], earlier: list[Node]) -> Node:
    """A node from its JSON object; ``param``, ``attr`` and ``attrs`` are the generations of one field."""
    attrs = {k: str(v) for field in ("param", "attr", "attrs") for k, v in (row.get(field) or {}).items()}
    op = None if row["op"] == "null" else ops.find(row["op"])
    inputs = [_entry(e, earlier) for e in row["inputs"]]
    node = Node(op, str(row["name"]), _upgraded(op, attrs, inputs), inputs)
    if op is not None:
        node.inputs += [Entry(Node(None, f"{node.name}_{name}", {})) for name in _missing_states(node)]
        if len(node.inputs) != len(node.input_names):
            raise FileFormatError(f"{op.name} {node.name!r} has {len(node.inputs)} inputs, expected "
                                  f"{len(node.input_names)}: {', '.join(node.input_names)}")
    return node


def _missing_states(node: Node) -> list[str]:
    """Auxiliary states were not written as nodes before version 0.9."""
    assert node.op is not None
    absent = node.input_names[len(node.inputs):]
    return absent if all(node.op.is_aux(name) for name in absent) else []


def _upgraded(op: Optional[ops.Operator], attrs: dict[str, str], inputs: list[Entry]) -> dict[str, str]:
    """Older files spell ``lr_mult`` without underscores, and ``weight_lr_mult`` on the operator for its weight."""
    made = {}
    for key, value in attrs.items():
        hidden = next((h for h in HIDDEN_KEYS if key == h or key.endswith("_" + h)), None)
        if hidden is None or is_user_attribute(key) or (op is not None and key in op.attributes):
            made[key] = value
        elif key == hidden:
            made[f"__{key}__"] = value
        else:
            for entry in inputs:
                if entry.node.op is None and entry.node.name.endswith(key[:-len(hidden) - 1]):
                    entry.node.attrs[f"__{hidden}__"] = value
    return made


def _entry(row: list[int], nodes: list[Node]) -> Entry:
    number, index = int(row[0]), int(row[1])
    if not 0 <= number < len(nodes):
        raise IndexError(f"input {row} refers to node {number}, and there are {len(nodes)} before it")
    if not 0 <= index < max(1, len(nodes[number].output_names)):
        raise IndexError(f"input {row}: node {nodes[number].name!r} has {len(nodes[number].output_names)} outputs")
    return Entry(nodes[number], index)


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
