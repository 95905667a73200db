"""Which of a graph's arrays are sparse: arguments as they declare it, gradients where MXNet stores rows only."""
from __future__ import annotations

from typing import Mapping, Optional

from ..ops.sparse import VALUEWISE
from ..symbol import Symbol
from ..symbol.files import STORAGE_NUMBERS
from ..symbol.graph import Node, topological

__all__ = ["argument_storage", "gradient_storage", "needs_sparse_gradients"]

_NAMES = {str(number): name for name, number in STORAGE_NUMBERS.items()}
_VALUEWISE = {*VALUEWISE, "_square_sum"}


def argument_storage(symbol: Symbol, given: Optional[Mapping[str, str]] = None) -> dict[str, str]:
    """The storage type of each variable: the given one, else what it declares, else ``'default'``."""
    return {n.name: (given or {}).get(n.name) or _NAMES.get(n.attrs.get("__storage_type__", "0"), "default")
            for n in topological(symbol.entries) if n.op is None}


def gradient_storage(symbol: Symbol, stypes: Mapping[str, str]) -> dict[str, str]:
    """The storage type of each variable's gradient: ``'row_sparse'`` if every use of it gives rows only."""
    uses: dict[str, list[bool]] = {}
    for node in topological(symbol.entries):
        for k, entry in enumerate(node.inputs):
            if entry.node.op is None:
                uses.setdefault(entry.node.name, []).append(_gives_rows(node, k, stypes))
    heads = {e.node.name for e in symbol.entries if e.node.op is None}
    return {name: "row_sparse" if name not in heads and all(uses.get(name, [False])) else "default" for name in stypes}


def _gives_rows(node: Node, position: int, stypes: Mapping[str, str]) -> bool:
    assert node.op is not None
    if node.op.name == "dot":
        return position == 1 and not node.params.transpose_a and _is_compressed(node.inputs[0].node, stypes)
    if _is_sparse_embedding(node):
        return position == 1
    return node.op.name in _VALUEWISE and stypes.get(node.inputs[position].node.name) == "row_sparse"


def _is_compressed(node: Node, stypes: Mapping[str, str]) -> bool:
    """Whether a node's output is csr: a variable that is, or values of one, one by one."""
    while node.op is not None and node.op.name in _VALUEWISE:
        node = node.inputs[0].node
    return node.op is None and stypes.get(node.name) == "csr"


def needs_sparse_gradients(symbol: Symbol) -> bool:
    """Whether an operator gives a sparse gradient whatever its inputs are, which no recorded program holds."""
    return any(n.op is not None and _is_sparse_embedding(n) for n in topological(symbol.entries))


def _is_sparse_embedding(node: Node) -> bool:
    assert node.op is not None
    return node.op.name == "_contrib_SparseEmbedding" or node.op.name == "Embedding" and node.params.sparse_grad
