"""Shapes and dtypes of a whole graph, inferred in both directions to a fixed point."""
from __future__ import annotations

from typing import Any, Callable, Mapping, Optional, Sequence

import torch

from ..base import ShapeError, dtype_name, to_torch_dtype
from ..ops.attributes import Shape, parser_for
from ..ops.shapes import Known, ShapeTable, complete, unify
from .graph import Entry, Node, topological

__all__ = ["infer_shapes", "infer_dtypes", "follow_dtypes"]

Slot = tuple[int, int]
Dtype = Optional[torch.dtype]


def infer_shapes(entries: Sequence[Entry], given: Mapping[str, Known], dtypes: Optional[dict[Slot, Dtype]] = None,
                 places: Optional[Mapping[Slot, Known]] = None) -> dict[Slot, Known]:
    """The shape of every output of every node, as far as it follows from the `given` shapes of variables.

    `places` are further known shapes, of variables and of outputs of nodes.

    Keys are ``(id(node), output index)``; 0 is an unknown size, ``None`` an unknown number of axes.

    Raises
    ------
    ShapeError
        Where two of them conflict; the message names the node, the argument, what it is and what it must be.
    """
    nodes = topological(entries)
    known: dict[Slot, Known] = {}
    for node in nodes:
        if node.op is None:
            known[id(node), 0] = _declared_shape(node, (places or {}).get((id(node), 0)) or given.get(node.name))
    known.update({slot: shape for slot, shape in (places or {}).items() if slot not in known})
    settled: set[int] = set()

    def visit(node: Node) -> bool:
        if id(node) in settled:
            return False
        changed = _visit_shapes(node, known, dtypes or {})
        if all(complete(known.get(slot)) for slot in _slots(node)):
            settled.add(id(node))
        return changed

    _to_fixed_point(nodes, visit)
    return known


def infer_dtypes(entries: Sequence[Entry], given: Mapping[str, Dtype],
                 places: Optional[Mapping[Slot, Dtype]] = None) -> dict[Slot, Dtype]:
    """The dtype of every output of every node, as far as it follows from the `given` dtypes of variables.

    `places` are further known dtypes, of variables and of outputs of nodes.
    """
    nodes = topological(entries)
    known: dict[Slot, Dtype] = {}
    for node in nodes:
        if node.op is None:
            declared = node.attrs.get("__dtype__")
            known[id(node), 0] = (places or {}).get((id(node), 0)) or given.get(node.name) \
                or (_dtype_from_file(declared) if declared else None)
    known.update({slot: dtype for slot, dtype in (places or {}).items() if slot not in known})
    _to_fixed_point(nodes, lambda node: _visit_dtypes(node, known))
    return known


def _to_fixed_point(nodes: list[Node], visit: Callable[[Node], bool]) -> None:
    operators = [n for n in nodes if n.op is not None]
    order = operators
    while sum(visit(node) for node in order):              # every node, whether or not an earlier one changed
        order = order[::-1]


def _slots(node: Node) -> list[Slot]:
    """The places of a node's inputs, then of its outputs."""
    return [(id(e.node), e.index) for e in node.inputs] + [(id(node), k) for k in range(len(node.short_output_names))]


def _names(node: Node) -> list[str]:
    return node.input_names + node.short_output_names


# --- shapes ----------------------------------------------------------------------------------------------------------

def _declared_shape(node: Node, given: Known) -> Known:
    """A variable's shape: the given one if it is whole, else the declared one, with what is given of its sizes."""
    declared = node.attrs.get("__shape__")
    if not declared or complete(given):
        return given
    try:
        shape = parser_for(Shape)(declared)
    except ValueError as error:
        raise ShapeError(f"variable {node.name!r}: __shape__ is {declared[:60]!r}; {error}") from None
    try:
        return unify(shape, given)
    except ValueError:
        return shape


def _visit_shapes(node: Node, known: dict[Slot, Known], dtypes: dict[Slot, Dtype]) -> bool:
    assert node.op is not None
    slots, names = _slots(node), _names(node)
    before = [known.get(slot) for slot in slots]
    table = ShapeTable(f"operator {node.op.name} {node.name!r}", node.input_names, node.short_output_names, {})
    table.known.update(dict.fromkeys(names))
    for name, shape in zip(names, before):
        table[name] = shape
    if node.op.shape_rule is not None:
        try:
            node.op.shape_rule(node.params, table)
        except ShapeError:
            raise
        except (ValueError, IndexError) as error:
            raise ShapeError(f"{table.node}: {error}; given {_listing(table)}") from error
    known_inputs = node.traceable and all(complete(table[n]) for n in table.inputs)
    from_use = not table.inputs and node.op.is_open(node.params)     # zeros((0, 3)) becomes what it is added to
    if known_inputs and not from_use and not all(complete(table[n]) for n in table.outputs):
        _run_on_meta(node, table, [dtypes.get(slot) for slot in slots])
    for slot, name in zip(slots, names):
        table[name] = known.get(slot)                      # a variable may stand in two places of one node
        known[slot] = table[name]
    return [known[slot] for slot in slots] != before


def _run_on_meta(node: Node, table: ShapeTable, dtypes: Sequence[Dtype]) -> None:
    assert node.op is not None
    inputs = [torch.empty(table[n] or (), dtype=t or torch.float32, device="meta")
              for n, t in zip(table.inputs, dtypes)]
    try:
        with torch.no_grad(), torch.device("meta"):
            results, _ = node.op.run(inputs, node.params, training=False)
    except NotImplementedError:                            # the shape depends on values
        return
    except (RuntimeError, IndexError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ShapeError(f"{table.node} cannot be applied to {_listing(table)}: {reason}") from error
    for name, result in zip(table.outputs, results):
        table[name] = tuple(result.shape) or (1,)


def _listing(table: ShapeTable) -> str:
    return ", ".join(f"{name} {table[name]}" for name in table.inputs) or "no inputs"


# --- dtypes ----------------------------------------------------------------------------------------------------------

_FILE_DTYPES = {"0": "float32", "1": "float64", "2": "float16", "3": "uint8", "4": "int32", "5": "int8", "6": "int64",
                "7": "bool", "12": "bfloat16"}


def _dtype_from_file(text: str) -> Dtype:
    """The dtype that a variable declares: a name, or MXNet's number."""
    return None if text == "-1" else to_torch_dtype(_FILE_DTYPES.get(text, text))


def follow_dtypes(node: Node, given: Sequence[Dtype]) -> list[Dtype]:
    """The dtypes of one node's outputs from those of its inputs, as far as they follow.

    Raises
    ------
    ShapeError
        Where the operator refuses the dtypes.
    """
    slots = _slots(node)
    known: dict[Slot, Dtype] = dict(zip(slots, given))
    _visit_dtypes(node, known)
    return [known.get(slot) for slot in slots[len(node.inputs):]]


def _visit_dtypes(node: Node, known: dict[Slot, Dtype]) -> bool:
    op = node.op
    assert op is not None
    slots, names = _slots(node), _names(node)
    before = [known.get(slot) for slot in slots]
    types: dict[str, Dtype] = dict(zip(names, before))
    if op.type_rule is not None:
        op.type_rule(node.params, types)
    else:
        _share(node, types)
    for slot, name, old in zip(slots, names, before):
        new = types.get(name)
        if old is not None and new is not None and old is not new:
            raise ShapeError(f"operator {op.name} {node.name!r}: {name!r} is {dtype_name(old)}, but must be "
                             f"{dtype_name(new)}")
        known[slot] = old or new
    return [known[slot] for slot in slots] != before


def _share(node: Node, types: dict[str, Any]) -> None:
    """All inputs and outputs have one dtype, but for indices and auxiliary states."""
    assert node.op is not None
    sharing = [n for n in _names(node) if not node.op.is_index(n) and not node.op.is_aux(n)]
    found = [types[n] for n in sharing if types[n] is not None]
    if found:
        for name in sharing:
            types[name] = types[name] or found[0]
        if any(t is not found[0] for t in found):
            one = next(t for t in found if t is not found[0])
            raise ShapeError(f"operator {node.op.name} {node.name!r} takes inputs of one dtype, got "
                             f"{dtype_name(found[0])} and {dtype_name(one)}")
