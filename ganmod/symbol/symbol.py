"""``Symbol``: a description of a network, to be bound into an executor."""
from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional, Sequence, Union

import numpy as np

from .. import attribute
from .. import name as naming
from ..base import (
    InputError,
    MXNetError,
    NotImplementedForSymbol,
    ShapeError,
    suggest,
    to_numpy_dtype,
    to_torch_dtype,
)
from ..files import reading, write_atomically
from ..ops import registry as ops
from ..ops.shapes import Known, complete
from . import composing, files, inference
from .arithmetic import Arithmetic
from .graph import (
    Entry,
    Node,
    attribute_text,
    auxiliary,
    is_custom_attribute,
    is_user_attribute,
    rewritten,
    topological,
    without_casts,
)

__all__ = ["Symbol", "Variable", "var", "Group", "load", "load_json", "apply"]

Shapes = Optional[list[Any]]


class Symbol(Arithmetic):
    """One or several outputs of a graph of operators. Made by :func:`Variable`, ``mx.sym.X(...)`` and arithmetic.

    A symbol describes and holds no arrays; :meth:`simple_bind` or a module gives it storage.

    >>> import ganmod as mx
    >>> fc = mx.sym.FullyConnected(mx.sym.Variable('data'), num_hidden=3, name='fc')
    >>> fc.list_arguments(), fc.list_outputs()
    (['data', 'fc_weight', 'fc_bias'], ['fc_output'])
    """

    __slots__ = ("_entries",)

    # Set by ganmod.executor, which knows more than this module may.
    bind: Callable[..., Any]
    simple_bind: Callable[..., Any]
    eval: Callable[..., Any]

    if TYPE_CHECKING:
        def __getattr__(self, name: str) -> Any:
            """The operators that :mod:`ganmod.symbol.methods` makes methods of: ``a.sum(axis=1)``."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = list(entries)

    # --- what it is ----------------------------------------------------------------------------------------------

    @property
    def entries(self) -> list[Entry]:
        """The outputs as graph entries."""
        return list(self._entries)

    @property
    def nodes(self) -> list[Node]:
        """Every node of the graph, inputs before their users."""
        return topological(self._entries)

    @property
    def name(self) -> Optional[str]:
        """The name of the node; ``None`` for a group of several."""
        nodes = {id(e.node): e.node.name for e in self._entries}
        return next(iter(nodes.values())) if len(nodes) == 1 else None

    def list_arguments(self) -> list[str]:
        """The names of the variables that are no auxiliary states, in the order that :meth:`bind` takes them."""
        return [n.name for n in self._variables() if id(n) not in self._auxiliary()]

    def list_auxiliary_states(self) -> list[str]:
        """The names of the states that no gradient reaches, such as moving averages."""
        aux = self._auxiliary()
        return [n.name for n in self._variables() if id(n) in aux]

    def list_inputs(self) -> list[str]:
        """The names of all variables, arguments and auxiliary states."""
        return [n.name for n in self._variables()]

    def list_outputs(self) -> list[str]:
        """The names of the outputs: ``<node>_output``, or the name itself for a variable."""
        return [e.name for e in self._entries]

    @property
    def num_outputs(self) -> int:
        """The number of outputs."""
        return len(self._entries)

    def _variables(self) -> list[Node]:
        return [n for n in self.nodes if n.op is None]

    def _auxiliary(self) -> set[int]:
        return auxiliary(self.nodes)

    def get_internals(self) -> "Symbol":
        """A group of the outputs of every node, to be picked from by name.

        >>> import ganmod as mx
        >>> net = mx.sym.Activation(mx.sym.Variable('x') * 2, act_type='relu', name='act')
        >>> net.get_internals()['x'].list_outputs()
        ['x']
        """
        return Symbol([e for n in self.nodes for e in n.outputs()])

    def get_children(self) -> Optional["Symbol"]:
        """A group of the inputs of the output nodes, each node once; ``None`` for a variable."""
        nodes = {id(e.node): e.node for e in self._entries}.values()
        inputs = [entry for node in nodes for entry in node.inputs]
        return Symbol(inputs) if inputs else None

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator["Symbol"]:
        return (self[k] for k in range(len(self)))

    def __getitem__(self, index: Union[int, str, slice]) -> "Symbol":
        if isinstance(index, str):
            return Symbol([self._entries[self._find_output(index)]])
        if isinstance(index, slice):
            return Symbol(self._entries[index])
        if not -len(self) <= index < len(self):
            raise IndexError(f"output {index} of a symbol with {len(self)} outputs ({', '.join(self.list_outputs())})")
        return Symbol([self._entries[index]])

    def _find_output(self, name: str) -> int:
        names = self.list_outputs()
        found = [k for k, n in enumerate(names) if n == name]
        if not found:
            raise ValueError(f"there is no output called {name!r}{suggest(name, names)}")
        if len(found) > 1:
            raise ValueError(f"{len(found)} outputs are called {name!r}; pick one by its index: {found}")
        return found[0]

    def __repr__(self) -> str:
        if self.name is None:
            return f"<{type(self).__name__} group [{', '.join(e.node.name for e in self._entries)}]>"
        return f"<{type(self).__name__} {self.name}>"

    def __copy__(self) -> "Symbol":
        return Symbol(self._entries)

    def __deepcopy__(self, _memo: Any) -> "Symbol":
        return load_json(self.tojson(remove_amp_cast=False))

    def __reduce__(self) -> Any:
        return load_json, (self.tojson(remove_amp_cast=False),)

    def __bool__(self) -> bool:
        raise NotImplementedForSymbol("a Symbol has no truth value: it describes a computation; bind and run it first")

    # --- attributes ------------------------------------------------------------------------------------------------

    def attr(self, key: str) -> Optional[str]:
        """The value of an attribute, ``None`` if it is not set; also ``name``. ``lr_mult`` finds ``__lr_mult__``."""
        return None if self.name is None else {"name": self.name, **self.list_attr()}.get(key)

    def list_attr(self, recursive: bool = False) -> dict[str, str]:
        """The attributes of this node, the operator's and the user's; for a group, of its first one."""
        if recursive:
            raise DeprecationWarning("Symbol.list_attr with recursive=True has been deprecated. "
                                     "Please use attr_dict instead.")
        return self._entries[0].node.spelled_attributes

    def attr_dict(self) -> dict[str, dict[str, str]]:
        """The attributes of every node that has some, by the node's name."""
        return {n.name: n.spelled_attributes for n in self.nodes if n.attrs}

    def _set_attr(self, **kwargs: str) -> None:
        """Set user attributes of this node; keys have double underscores, or are among the known ones."""
        self._single().set_user_attributes(kwargs)

    def _single(self) -> Node:
        if len({id(e.node) for e in self._entries}) != 1:
            raise MXNetError(f"a group of {len(self)} outputs has no attributes of its own; pick one by index or name")
        return self._entries[0].node

    # --- composition -------------------------------------------------------------------------------------------------

    def __call__(self, *args: "Symbol", name: Optional[str] = None, **kwargs: "Symbol") -> "Symbol":
        """A copy in which variables are replaced by other symbols, by position or by name.

        >>> import ganmod as mx
        >>> net = mx.sym.Variable('x') + 1
        >>> net(x=mx.sym.Variable('y')).list_arguments()
        ['y']
        """
        variables = {n.name: n for n in self._variables()}
        if args and kwargs:
            raise InputError("compose takes symbols by position or by name, not both")
        given = dict(zip(variables, args)) if args else kwargs
        if len(args) > len(variables):
            raise InputError(f"compose got {len(args)} symbols for {len(variables)} variables: {', '.join(variables)}")
        for key, value in given.items():
            if key not in variables:
                raise InputError(f"compose: there is no variable {key!r}{suggest(key, variables)}")
            if not isinstance(value, Symbol):
                raise InputError(f"compose: {key} must be a Symbol, got {type(value).__name__}")
        made = rewritten(self._entries, {id(variables[k]): v._one_entry(k) for k, v in given.items()})
        if name is not None:
            made[0].node.name = name
        return Symbol(made)

    def _one_entry(self, purpose: str) -> Entry:
        if len(self._entries) != 1:
            raise InputError(f"{purpose!r} must be a symbol with one output, got {self!r} with {len(self)}: "
                             f"{', '.join(self.list_outputs())}; pick one with [k] or by name")
        return self._entries[0]

    # --- inference ---------------------------------------------------------------------------------------------------

    def infer_shape(self, *args: Any, **kwargs: Any) -> tuple[Shapes, Shapes, Shapes]:
        """Shapes of (arguments, outputs, auxiliary states) from those of some of them.

        Shapes are given by position, in the order of :meth:`list_arguments`, or by name. Sizes of 0 are unknown.
        Where something stays open, a warning names it and the result is ``(None, None, None)``.

        Raises
        ------
        ShapeError
            Where shapes conflict, naming the node.

        >>> import ganmod as mx
        >>> fc = mx.sym.FullyConnected(mx.sym.Variable('data'), num_hidden=3)
        >>> fc.infer_shape(data=(2, 4))
        ([(2, 4), (3, 4), (3,)], [(2, 3)], [])
        """
        arguments, outputs, states = self._inferred_shapes(args, kwargs)
        names = self.list_arguments()
        missing = [f"{n}: {s or ()}" for n, s in zip(names, arguments) if not complete(s)]
        if missing or not all(map(complete, [*outputs, *states])):
            warnings.warn("Cannot decide shape for the following arguments (0s in shape means unknown dimensions). "
                          "Consider providing them as input:\n\t" + "\n\t".join(missing), stacklevel=2)
            return None, None, None
        return arguments, outputs, states

    def infer_shape_partial(self, *args: Any, **kwargs: Any) -> tuple[Shapes, Shapes, Shapes]:
        """As :meth:`infer_shape`, with 0 for unknown sizes and ``()`` for unknown shapes where something stays open."""
        arguments, outputs, states = self._inferred_shapes(args, kwargs)
        return [s or () for s in arguments], [s or () for s in outputs], [s or () for s in states]

    def _inferred_shapes(self, args: Sequence[Any], kwargs: dict[str, Any]) \
            -> tuple[list[Known], list[Known], list[Known]]:
        given = {k: _as_shape(k, v) for k, v in self._by_name("infer_shape", args, kwargs).items()}
        return self._sorted(inference.infer_shapes(self._entries, given))

    def infer_type(self, *args: Any, **kwargs: Any) -> tuple[Shapes, Shapes, Shapes]:
        """Numpy dtypes of (arguments, outputs, auxiliary states) from those of some arguments.

        >>> import ganmod as mx
        >>> (mx.sym.Variable('a') + 1).infer_type(a='float64')[1]
        [<class 'numpy.float64'>]
        """
        arguments, outputs, states = self.infer_type_partial(*args, **kwargs)
        found = [*(arguments or []), *(outputs or []), *(states or [])]
        if any(t is None for t in found):
            missing = [f"{n}: None" for n, t in zip(self.list_arguments(), arguments or []) if t is None]
            warnings.warn("Cannot decide type for the following arguments. Consider providing them as input:\n\t"
                          + "\n\t".join(missing), stacklevel=2)
            return None, None, None
        return arguments, outputs, states

    def infer_type_partial(self, *args: Any, **kwargs: Any) -> tuple[Shapes, Shapes, Shapes]:
        """As :meth:`infer_type`, with ``None`` where a dtype stays open."""
        given = {k: to_torch_dtype(v) for k, v in self._by_name("infer_type", args, kwargs).items() if v is not None}
        arguments, outputs, states = self._sorted(inference.infer_dtypes(self._entries, given))
        if any(t is not None for t in [*arguments, *outputs]):
            states = [t or to_torch_dtype(None) for t in states]
        return tuple([None if t is None else to_numpy_dtype(t) for t in group]  # type: ignore[return-value]
                     for group in (arguments, outputs, states))

    def _by_name(self, call: str, args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        if args and kwargs:
            raise ValueError(f"{call}() takes shapes or types by position or by name, not both")
        names = self.list_inputs()
        if len(args) > len(names):
            raise InputError(f"{call}() got {len(args)} positional values for {len(names)} arguments")
        for key in kwargs:
            if key not in names:
                raise InputError(f"{call}(): there is no argument {key!r}{suggest(key, names)} "
                                 f"(arguments: {', '.join(names)})")
        return dict(zip(self.list_arguments(), args)) if args else kwargs

    def _sorted(self, found: dict[tuple[int, int], Any]) -> tuple[list[Any], list[Any], list[Any]]:
        aux = self._auxiliary()
        variables = self._variables()
        return ([found.get((id(n), 0)) for n in variables if id(n) not in aux],
                [found.get((id(e.node), e.index)) for e in self._entries],
                [found.get((id(n), 0)) for n in variables if id(n) in aux])

    # --- files -------------------------------------------------------------------------------------------------------

    def tojson(self, remove_amp_cast: bool = True) -> str:
        """The graph as JSON, as MXNet 1.x writes it; `remove_amp_cast` leaves out the casts of mixed precision."""
        return files.dumps(without_casts(self._entries) if remove_amp_cast else self._entries)

    def save(self, fname: str, remove_amp_cast: bool = True) -> None:
        """Write :meth:`tojson` to a file, which is replaced in one step."""
        write_atomically(fname, self.tojson(remove_amp_cast).encode())

    def debug_str(self) -> str:
        """The graph in words, one paragraph per node."""
        return files.describe(self._entries)

    def _applied(self, name: str, inputs: Sequence[Any], attributes: dict[str, Any]) -> "Symbol":
        return apply(ops.find(name), name, inputs, attributes)


def _as_shape(name: str, value: Any) -> Known:
    try:
        shape = (int(value),) if isinstance(value, (int, np.integer)) else tuple(int(v) for v in value)
    except (TypeError, ValueError):
        raise ShapeError(f"the shape of {name!r} must be a tuple of ints, got {value!r}") from None
    if any(size < 0 for size in shape):
        raise ShapeError(f"the shape of {name!r} has a negative size: {shape} (0 is unknown)")
    return shape or None


# --- making symbols --------------------------------------------------------------------------------------------------

def Variable(name: str, attr: Optional[dict[str, str]] = None, shape: Optional[Sequence[int]] = None,  # noqa: N802
             lr_mult: Optional[float] = None, wd_mult: Optional[float] = None, dtype: Any = None,
             init: Any = None, stype: Optional[str] = None, profiler_scope: Optional[str] = None,
             **kwargs: str) -> Symbol:
    """A named input of a network: data, label or parameter.

    Parameters
    ----------
    name : str
        Its name, under which it is bound.
    attr : dict of str to str
        User attributes.
    shape : tuple of int
        Its shape as far as it is known; 0 is an unknown size.
    lr_mult, wd_mult : float
        Factors on the learning rate and on the weight decay of this parameter.
    dtype : numpy dtype or name
        Its dtype; by default it follows from the graph.
    init : Initializer or str
        The initializer of this parameter, in place of the one given to ``init_params``.

    >>> import ganmod as mx
    >>> mx.sym.Variable('w', shape=(2, 3), lr_mult=2).attr('lr_mult')
    '2'
    """
    if not isinstance(name, str):
        raise TypeError(f"a variable's name must be a string, got {name!r}")
    node = Node(None, name, {})
    for key in kwargs:
        if not is_user_attribute(key):
            raise node.unsupported(key)
    node.set_user_attributes({**attribute.current().get(attr), **{key: str(value) for key, value in kwargs.items()}})
    given = {"__shape__": None if shape is None else _as_shape(name, shape) or (), "__lr_mult__": lr_mult,
             "__wd_mult__": wd_mult, "__dtype__": None if dtype is None else files.DTYPE_NUMBERS[to_torch_dtype(dtype)],
             "__init__": init if init is None or isinstance(init, str) else init.dumps(),
             "__storage_type__": None if stype is None else files.STORAGE_NUMBERS.get(stype, stype)}
    node.attrs.update({key: str(value) for key, value in given.items() if value is not None})
    return Symbol([Entry(node)])


var = Variable


def Group(symbols: Sequence[Symbol]) -> Symbol:  # noqa: N802
    """One symbol with the outputs of several.

    >>> import ganmod as mx
    >>> mx.sym.Group([mx.sym.Variable('a'), mx.sym.Variable('b')]).list_outputs()
    ['a', 'b']
    """
    symbols = list(symbols)
    if not symbols or any(not isinstance(s, Symbol) for s in symbols):
        raise TypeError(f"Group takes a list of at least one Symbol, got {symbols!r}")
    return Symbol([e for s in symbols for e in s._entries])


def load(fname: str) -> Symbol:
    """Read a symbol from a JSON file of any generation of MXNet.

    Raises
    ------
    FileFormatError
        For a file that is no symbol JSON; the message names the file and what is wrong with it.
    """
    if not isinstance(fname, (str, os.PathLike)):
        raise TypeError(f"fname must be a path, got {fname!r}")
    with reading(fname) as stream:
        return Symbol(files.parse(stream.read(), str(fname)))


def load_json(json_str: str) -> Symbol:
    """A symbol from its JSON text; see :func:`load`."""
    if not isinstance(json_str, str):
        raise TypeError(f"expected JSON text, got {type(json_str).__name__}")
    return Symbol(files.parse(json_str.encode(), "symbol JSON"))


def apply(op: ops.Operator, called: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Symbol:
    """A node of `op` over symbols; ``mx.sym.X`` and the arithmetic of symbols come here.

    Inputs that are not given become variables called ``<node>_<input>``, which carry the operator's attributes.

    Raises
    ------
    InputError
        For an input that is given twice, has several outputs, or is no symbol.
    AttributeValueError
        For an attribute that is unknown (with a suggestion), missing, or of another type.
    """
    kwargs = dict(kwargs)
    explicit, attr = kwargs.pop("name", None), kwargs.pop("attr", None)
    inputs, attributes = op.split_arguments(args, kwargs, lambda value: isinstance(value, Symbol))
    user = {k: attributes.pop(k) for k in list(attributes) if is_custom_attribute(op, k)}
    node = Node(op, naming.current().get(explicit, called.lower()), {})
    node.set_user_attributes({**attribute.current().get(attr), **{k: str(v) for k, v in user.items()}})
    node.attrs.update({key: attribute_text(key, value) for key, value in attributes.items()})
    names = op.input_names(node.params, len(inputs))
    inputs = op.named(inputs, names)
    for key, value in inputs.items():
        if key not in names:
            raise InputError(f"{op.name} {node.name!r} has no input {key!r} with these attributes{suggest(key, names)} "
                             f"(inputs: {', '.join(names)})")
        if not isinstance(value, Symbol):
            raise InputError(f"{op.name} {node.name!r}: the input {key!r} must be a Symbol, got {value!r:.80}")
    node.inputs = [inputs[n]._one_entry(f"{node.name}: {n}") if n in inputs else node.automatic_input(n) for n in names]
    node.initialize_inputs()
    if composing.before is not None:
        composing.before(node)
    node.count_versions()
    return Symbol(node.outputs())
