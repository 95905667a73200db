"""``convert_symbol``: a network with casts to 16 bits and back where MXNet puts them."""
from __future__ import annotations

from typing import Iterable, NamedTuple, Optional, Sequence

import torch

from ...base import AttributeValueError, InputError, ShapeError, suggest, to_torch_dtype
from ...ndarray import NDArray
from ...ops import registry as ops
from ...symbol import Symbol
from ...symbol.files import DTYPE_NUMBERS
from ...symbol.graph import Entry, Node, topological
from ...symbol.inference import follow_dtypes
from . import lists

__all__ = ["Conditions", "Names", "Wishes", "convert_model", "convert_symbol", "wishes_of"]

Names = Optional[Sequence[str]]
Conditions = Optional[Sequence[tuple[str, str, Sequence[str]]]]
Params = dict[str, NDArray]

# Operators whose outputs MXNet knows by name; those of others are numbered in the names of casts.
_NAMED_LOWER = {"softmax", "log_softmax", "softmin", "elemwise_add"}
_NUMBERED_UPPER = {"Embedding", "Reshape", "Flatten", "Cast", "BlockGrad"}


def convert_symbol(sym: Symbol, target_dtype: str = "float16", target_dtype_ops: Names = None, fp32_ops: Names = None,
                   conditional_fp32_ops: Conditions = None, excluded_sym_names: Names = None,
                   data_names: Names = None, cast_optional_params: bool = False) -> Symbol:
    """A copy of a network that runs convolutions and their like in 16 bits; its inputs and outputs have 32.

    Parameters
    ----------
    sym : Symbol
        The network.
    target_dtype : {'float16', 'bfloat16'}
        The dtype of 16 bits.
    target_dtype_ops, fp32_ops : list of str, optional
        Operators that run in 16 and in 32 bits; by default :func:`list_lp16_ops` and :func:`list_fp32_ops`.
    conditional_fp32_ops : list of (str, str, list of str), optional
        Operators that run in 32 bits where an attribute has one of the values.
    excluded_sym_names : list of str, optional
        Names of nodes that run in 32 bits whatever they are.
    data_names : list of str, optional
        The inputs that are no parameters; if given, the others declare their dtype.
    cast_optional_params : bool
        Whether parameters that are used in 16 bits only are kept in 16 bits, instead of cast each time; needs
        `data_names`.

    Raises
    ------
    InputError, AttributeValueError
        For what is no Symbol, another dtype, an unknown operator or one in two lists.

    >>> import ganmod as mx
    >>> net = convert_symbol(mx.sym.FullyConnected(mx.sym.Variable('x'), num_hidden=2, name='fc'))
    >>> [n.name for n in net.nodes if n.op and n.op.name == 'amp_cast']  # doctest: +NORMALIZE_WHITESPACE
    ['x_amp_cast_float16', 'fc_weight_amp_cast_float16', 'fc_bias_amp_cast_float16', 'fc_output_amp_cast_float32']
    """
    if not isinstance(sym, Symbol):
        raise InputError(f"First argument to convert_symbol should be Symbol, got {type(sym).__name__}")
    wishes = wishes_of(target_dtype, target_dtype_ops, fp32_ops, conditional_fp32_ops, excluded_sym_names)
    unknown = set(data_names or ()) - set(sym.list_inputs())
    if unknown:
        raise InputError(f"data_names {sorted(unknown)} are no inputs of the network")
    entries = _Converter(wishes).converted(sym.entries)
    if data_names is not None:
        entries = _with_dtypes(entries, target_dtype, set(data_names), cast_optional_params)
    return Symbol(entries)


def convert_model(sym: Symbol, arg_params: Params, aux_params: Params, target_dtype: str = "float16",
                  target_dtype_ops: Names = None, fp32_ops: Names = None, conditional_fp32_ops: Conditions = None,
                  excluded_sym_names: Names = None, cast_optional_params: bool = False) \
        -> tuple[Symbol, Params, Params]:
    """(symbol, arg_params, aux_params) in mixed precision; see :func:`convert_symbol`."""
    data_names = [name for name in sym.list_arguments() if name not in arg_params]
    made = convert_symbol(sym, target_dtype, target_dtype_ops, fp32_ops, conditional_fp32_ops, excluded_sym_names,
                          data_names, cast_optional_params)
    number = str(DTYPE_NUMBERS[to_torch_dtype(target_dtype)])
    low = {node.name for node in made.nodes if node.op is None and node.attrs.get("__dtype__") == number}
    arrays = [{name: array.astype(target_dtype) if name in low else array for name, array in params.items()}
              for params in (arg_params, aux_params)]
    return made, arrays[0], arrays[1]


class Wishes(NamedTuple):
    """What is to run in which dtype."""

    low_dtype: torch.dtype
    low: set[int]                     # ids of operators
    full: set[int]
    widest: set[int]
    conditions: list[tuple[int, str, Sequence[str]]]
    excluded: set[str]                # names of nodes

    def is_conditional(self, node: Node) -> bool:
        """Whether one of the node's attributes has it run in 32 bits."""
        return any(kind == id(node.op) and str(getattr(node.params, key)) in values
                   for kind, key, values in self.conditions)


def wishes_of(target_dtype: str, low: Names, full: Names, conditions: Conditions, excluded: Names) -> Wishes:
    """What is to run in which dtype, from the arguments of the public functions; None means MXNet's lists."""
    conditions = lists.list_conditional_fp32_ops(target_dtype) if conditions is None else conditions
    for what, given in (("target_dtype_ops", low), ("fp32_ops", full), ("excluded_sym_names", excluded)):
        if given is not None and (isinstance(given, str) or not all(isinstance(name, str) for name in given)):
            raise InputError(f"{what} should be a list of strs, got {given!r}")
    for name in [*(low or ()), *(full or ()), *(op for op, _, _ in conditions)]:
        if ops.lookup(name) is None:
            raise AttributeValueError(f"there is no operator {name!r}{suggest(name, ops.table())}")
    low_ids = _ids(lists.list_lp16_ops(target_dtype) if low is None else low)
    full_ids = _ids(lists.list_fp32_ops(target_dtype) if full is None else full)
    if low is not None and full is not None and low_ids & full_ids:
        raise AttributeValueError(f"Ops cannot be in two or more lists: {sorted(set(low) & set(full))} are in "
                                  "target_dtype_ops and fp32_ops")
    if low is None:                                        # a given list outweighs MXNet's
        low_ids -= full_ids
    else:
        full_ids -= low_ids
    return Wishes(to_torch_dtype(target_dtype), low_ids, full_ids,
                  _ids(lists.list_widest_type_cast(target_dtype)) - low_ids - full_ids,
                  [(id(ops.lookup(op)), key, values) for op, key, values in conditions], set(excluded or ()))


def _ids(names: Iterable[str]) -> set[int]:
    return {id(op) for op in map(ops.lookup, names) if op is not None}


class _Converter:
    """Copies a graph, and knows of every new entry whether it has 16 bits, 32, or whatever it is given (None)."""

    def __init__(self, wishes: Wishes) -> None:
        self.wishes = wishes
        self.copies: dict[int, Node] = {}
        self.found: dict[tuple[int, int], Optional[torch.dtype]] = {}
        self.casts: dict[tuple[int, int, torch.dtype], Entry] = {}

    def converted(self, entries: Sequence[Entry]) -> list[Entry]:
        """The new outputs, all in 32 bits."""
        for node in topological(entries):
            if node.op is None:
                self.copies[id(node)] = Node(None, node.name, dict(node.attrs))
            else:
                self._copy(node)
        heads = [self._copied(e) for e in entries]
        return [e if self._dtype(e) is torch.float32 else self._cast(e, torch.float32) for e in heads]

    def _copied(self, entry: Entry) -> Entry:
        return Entry(self.copies[id(entry.node)], entry.index, entry.version)

    def _dtype(self, entry: Entry) -> Optional[torch.dtype]:
        return self.found.get((id(entry.node), entry.index))

    def _copy(self, node: Node) -> None:
        assert node.op is not None
        inputs, dtype = self._inputs(node, [self._copied(e) for e in node.inputs])
        copy = self.copies[id(node)] = Node(node.op, node.name, dict(node.attrs), inputs, node.subgraphs)
        copy.count_versions()
        known = [dtype] * len(copy.output_names) if dtype is not None or not self._follows(node) else \
            self._followed(copy)
        self.found.update({(id(copy), k): one for k, one in enumerate(known)})

    def _inputs(self, node: Node, inputs: list[Entry]) -> tuple[list[Entry], Optional[torch.dtype]]:
        """The inputs with their casts, and the dtype of the outputs where that settles it."""
        wishes, kind = self.wishes, id(node.op)
        if node.name in wishes.excluded or kind in wishes.full or wishes.is_conditional(node):
            return [self._full(e) for e in inputs], torch.float32
        if kind in wishes.low:
            return [e if self._dtype(e) is wishes.low_dtype or self._is_state(node, k) else
                    self._cast(e, wishes.low_dtype) for k, e in enumerate(inputs)], wishes.low_dtype
        present = {self._dtype(e) for e in inputs}
        if kind in wishes.widest and None in present and len(inputs) > 1:
            return self._multicast(inputs), None
        if kind in wishes.widest and present:
            return ([self._full(e) for e in inputs], torch.float32) if len(present) > 1 else (inputs, present.pop())
        return inputs, None

    def _follows(self, node: Node) -> bool:
        return id(node.op) not in self.wishes.widest

    def _followed(self, copy: Node) -> list[Optional[torch.dtype]]:
        """The dtypes of the outputs of an operator that takes what it gets; mixed inputs it refuses become 32 bits."""
        given = [self._dtype(e) for e in copy.inputs]
        if not given or given[0] is None:
            return [None] * len(copy.output_names)
        try:
            return follow_dtypes(copy, given)
        except ShapeError:
            copy.inputs = [self._full(e) for e in copy.inputs]
            return [torch.float32] * len(copy.output_names)

    @staticmethod
    def _is_state(node: Node, k: int) -> bool:
        assert node.op is not None
        return node.op.is_aux(node.input_names[k], node.params)

    def _full(self, entry: Entry) -> Entry:
        """In 32 bits; variables are."""
        known = entry.node.op is None or self._dtype(entry) is torch.float32
        return entry if known else self._cast(entry, torch.float32)

    def _cast(self, entry: Entry, dtype: torch.dtype) -> Entry:
        key = (id(entry.node), entry.index, dtype)
        if key not in self.casts:
            name = str(dtype).removeprefix("torch.")
            node = Node(ops.find("amp_cast"), f"{_name(entry)}_amp_cast_{name}", {"dtype": name}, [entry])
            self.casts[key] = Entry(node)
            self.found[id(node), 0] = dtype
        return self.casts[key]

    @staticmethod
    def _multicast(inputs: list[Entry]) -> list[Entry]:
        node = Node(ops.find("amp_multicast"), f"{_name(inputs[0])}_amp_multicast", {"num_outputs": str(len(inputs))},
                    inputs)
        return node.outputs()


def _name(entry: Entry) -> str:
    """What MXNet calls an entry in the names of casts."""
    op = entry.node.op
    if op is None:
        return entry.node.name
    named = op.name in _NAMED_LOWER or op.name[0].isupper() and op.name not in _NUMBERED_UPPER
    return entry.name if named else f"{entry.node.name}_{entry.index}"


def _with_dtypes(entries: list[Entry], target_dtype: str, data_names: set[str], optional: bool) -> list[Entry]:
    """Have the parameters declare their dtypes; with `optional`, 16 bits where nothing else is wanted of them."""
    nodes = topological(entries)
    uses: dict[int, list[Node]] = {}
    for node in nodes:
        for entry in node.inputs:
            uses.setdefault(id(entry.node), []).append(node)
    heads = {id(e.node) for e in entries}
    low_only = set()
    for node in nodes:
        if node.op is not None or node.name in data_names:
            continue
        casts = uses.get(id(node), [])
        low = optional and id(node) not in heads and bool(casts) and all(
            user.op is not None and user.op.name == "amp_cast" and user.attrs["dtype"] == target_dtype
            for user in casts)
        node.attrs["__dtype__"] = str(DTYPE_NUMBERS[to_torch_dtype(target_dtype if low else "float32")])
        low_only |= {id(user) for user in casts} if low else set()
    for node in nodes:
        node.inputs = [e.node.inputs[0] if id(e.node) in low_only else e for e in node.inputs]
    return entries
