"""``mx.sym.contrib.foreach``, ``while_loop`` and ``cond``: functions of symbols become symbols inside a node."""
from __future__ import annotations

from typing import Any, Callable, Optional, Sequence

from .. import attribute
from .. import name as naming
from ..base import InputError
from ..ops import registry as ops
from ..ops.control_flow import Subgraph, flattened, nested
from .graph import Entry, Node
from .subgraphs import SymbolGraph
from .symbol import Symbol

__all__ = ["foreach", "while_loop", "cond"]

_SCOPE = "__subgraph_name__"
#: What an input of a subgraph is outside: the number of a loop variable, or an entry of the outer graph.
Source = Any


def foreach(body: Callable[[Any, Any], tuple[Any, Any]], data: Any, init_states: Any, name: str = "foreach") \
        -> tuple[Any, Any]:
    """Run `body` for each row of the data, handing states from one row to the next.

    Parameters
    ----------
    body : callable(row, states) -> (outputs, states)
        Is called once, with symbols, and describes one step. `row` and `states` have the structure of `data` and
        `init_states`: a symbol, or (nested) lists of them. It may use other symbols, which are inputs of every step.
    data : Symbol or list of Symbol
        Of one length T: shapes (T, ...).
    init_states : Symbol or list of Symbol
        The states before the first row.
    name : str
        What the symbol within is called.

    Returns
    -------
    outputs : Symbol or list of Symbol
        Those of all steps, stacked: (T, ...).
    states : Symbol or list of Symbol
        Those after the last step.

    Raises
    ------
    InputError
        For what is no symbol, states of another structure, or a row or state that `body` does not use.

    >>> import ganmod as mx
    >>> total = lambda row, state: (row + state, row + state)
    >>> sums, last = foreach(total, mx.sym.Variable('data'), mx.sym.Variable('start'))
    >>> sums.eval(data=mx.nd.array([[1], [2], [3]]), start=mx.nd.zeros((1,)))[0].asnumpy().tolist()
    [[1.0], [3.0], [6.0]]
    """
    rows, row_form = flattened(data, Symbol, "foreach(): data")
    states, state_form = flattened(init_states, Symbol, "foreach(): init_states")
    part = _Part(name)
    with part:
        variables = part.placeholders([*rows, *states])
        outputs, new = _pair(body(nested(variables[:len(rows)], row_form),
                                  nested(variables[len(rows):], state_form)), "foreach(): body")
        outputs, output_form = flattened(outputs, Symbol, "foreach(): the outputs of body")
        new, _ = flattened(new, Symbol, "foreach(): the states of body")
        if len(new) != len(states):
            raise InputError(f"foreach(): body returns {len(new)} states and gets {len(states)}; they must be as many")
        graph, sources = part.graph([*outputs, *new])
    _check_used(sources, len(rows) + len(states), "foreach(): body does not use the row or state number {}; it has to "
                                                  "use all of them")
    rest = [source for source in sources if isinstance(source, Entry)]
    inputs = [*(_entry(s) for s in (*rows, *states)), *rest]
    places = {source: k for k, source in enumerate(sources)}
    made = _node("_foreach", inputs, [graph], num_outputs=len(outputs) + len(new), num_out_data=len(outputs),
                 in_data_locs=[places[k] for k in range(len(rows))],
                 in_state_locs=[places[len(rows) + k] for k in range(len(states))],
                 remain_locs=[places[source] for source in rest])
    return nested(made[:len(outputs)], output_form), nested(made[len(outputs):], state_form)


def while_loop(cond: Callable[..., Symbol], func: Callable[..., tuple[Any, Any]], loop_vars: Any,
               max_iterations: Optional[int] = None, name: str = "while_loop") -> tuple[Any, Any]:
    """Run `func` on loop variables as long as `cond` of them is other than 0.

    Parameters
    ----------
    cond : callable(*loop_vars) -> Symbol
        Of one element. Is called once, with symbols.
    func : callable(*loop_vars) -> (outputs, new loop_vars)
        Describes one step; is called once, with symbols. The outputs may be ``None``.
    loop_vars : Symbol or list of Symbol
        The variables before the first step; their shapes do not change.
    max_iterations : int
        After how many steps it ends in any case.
    name : str
        What the symbols within are called.

    Returns
    -------
    outputs : Symbol or list of Symbol
        Those of all steps, stacked: (max_iterations, ...), with zeros for the steps that were not made.
    states : Symbol or list of Symbol
        The variables after the last step.

    Raises
    ------
    InputError
        For what is no symbol, another number of variables, or a variable that neither function uses.
    ValueError
        Without a number of iterations, or without a variable.

    >>> import ganmod as mx
    >>> powers, last = while_loop(lambda x: x < 50, lambda x: (x, x * 2), mx.sym.Variable('x'), max_iterations=4)
    >>> mx.sym.Group([powers, last]).eval(x=mx.nd.array([16]))[0].asnumpy().tolist()
    [[16.0], [32.0], [0.0], [0.0]]
    """
    if max_iterations is None:
        raise ValueError("while_loop(): max_iterations must be given")
    count = int(max_iterations)
    variables, form = flattened(loop_vars, Symbol, "while_loop(): loop_vars")
    if not variables:
        raise ValueError("while_loop(): loop_vars needs at least one symbol")
    test, step = _Part(f"{name}_cond"), _Part(f"{name}_func")
    with test:
        condition, condition_sources = test.graph(
            [_one(cond(*_arguments(test.placeholders(variables), form)), "while_loop(): cond")])
    with step:
        outputs, new = _pair(func(*_arguments(step.placeholders(variables), form)), "while_loop(): func")
        outputs, output_form = flattened([] if outputs is None else outputs, Symbol, "while_loop(): the outputs")
        new, _ = flattened(new, Symbol, "while_loop(): the new loop_vars")
        if len(new) != len(variables):
            raise InputError(f"while_loop(): func returns {len(new)} loop variables and gets {len(variables)}; they "
                             "must be as many")
        graph, sources = step.graph([*outputs, *new])
    _check_used(sources, len(variables), "while_loop(): func does not use the loop variable number {}; it has to use "
                                         "all of them")
    (condition_places, places), inputs = _merged([condition_sources, sources], variables)
    made = _node("_while_loop", inputs, [condition, graph], num_outputs=len(outputs) + len(new),
                 num_out_data=len(outputs), max_iterations=count,
                 cond_input_locs=condition_places, func_input_locs=places,
                 func_var_locs=[sources.index(k) for k in range(len(variables))])
    return nested(made[:len(outputs)], output_form), nested(made[len(outputs):], form)


def cond(pred: Any, then_func: Callable[[], Any], else_func: Callable[[], Any], name: str = "cond") -> Any:
    """What `then_func` describes if `pred` is other than 0, else what `else_func` does; only that one is computed.

    Parameters
    ----------
    pred : Symbol, or callable() -> Symbol
        Of one element.
    then_func, else_func : callable() -> Symbol or list of Symbol
        As many symbols each. Both are called once; what they use is an input of the result.
    name : str
        What the symbols within are called.

    Raises
    ------
    InputError
        For what is no symbol, or another number of symbols.

    >>> import ganmod as mx
    >>> x = mx.sym.Variable('x')
    >>> root = cond(x >= 0, lambda: mx.sym.sqrt(x), lambda: x * 0)
    >>> [root.eval(x=mx.nd.array([value]))[0].asscalar().item() for value in (9, -9)]
    [3.0, -0.0]
    """
    parts = [_Part(f"{name}_{which}") for which in ("pred", "then", "else")]
    graphs, sources, forms = [], [], []
    for part, function in zip(parts, (pred, then_func, else_func)):
        with part:
            made = function() if callable(function) and not isinstance(function, Symbol) else function
            symbols, form = flattened(made, Symbol, f"cond(): {part.name}")
            graph, source = part.graph([_one(made, "cond(): pred")] if part is parts[0] else symbols)
        graphs.append(graph)
        sources.append(source)
        forms.append(form)
    outputs = [len(graph.entries) for graph in graphs[1:]]
    if outputs[0] != outputs[1]:
        raise InputError(f"cond(): then_func returns {outputs[0]} symbols and else_func {outputs[1]}; they must be as "
                         "many")
    places, inputs = _merged(sources, [])
    made = _node("_cond", inputs, graphs, num_outputs=outputs[0], cond_input_locs=places[0], then_input_locs=places[1],
                 else_input_locs=places[2])
    return nested(made, forms[1])


# --- what they share -------------------------------------------------------------------------------------------------

class _Part:
    """A function of symbols while it is called: all that is made in the ``with`` block is the subgraph's."""

    def __init__(self, name: str) -> None:
        outer = attribute.current().get(None).get(_SCOPE)
        self.name = name
        full = naming.current().get(None, f"{outer}${name}" if outer else name)
        self._scope = attribute.AttrScope(**{_SCOPE: full})
        self._loop: dict[int, int] = {}
        self._cut: dict[tuple[int, int], Entry] = {}
        self._outside: dict[int, Entry] = {}

    def __enter__(self) -> "_Part":
        self._scope.__enter__()
        self._first = Node(None, "", {}).serial
        return self

    def __exit__(self, *_: object) -> None:
        self._scope.__exit__()

    def placeholders(self, symbols: Sequence[Symbol]) -> list[Symbol]:
        """A variable for each loop variable."""
        made = []
        for k, symbol in enumerate(symbols):
            entry = _entry(symbol)
            node = self._variable(f"{entry.node.name}-{entry.index}")
            node.set_user_attributes(attribute.current().get(None))
            self._loop[id(node)] = k
            made.append(Symbol([Entry(node)]))
        return made

    def graph(self, outputs: Sequence[Symbol]) -> tuple[SymbolGraph, list[Source]]:
        """The subgraph of these outputs, and what each of its inputs is outside."""
        heads: list[Entry] = []
        for symbol in outputs:
            entry = _entry(symbol)
            if not self._is_inside(entry.node) or any(entry.node is e.node for e in heads):
                entry = _entry(symbol._applied("identity", (symbol,), {}))
            heads.append(entry)
        todo, seen = [e.node for e in heads], set()
        while todo:
            node = todo.pop()
            if id(node) not in seen and self._is_inside(node):
                seen.add(id(node))
                node.inputs = [self._inside(e) for e in node.inputs]
                todo += [e.node for e in node.inputs]
        made = SymbolGraph(heads)
        return made, [self._loop.get(id(v), self._outside.get(id(v), Entry(v, 0, v.version))) for v in made.variables]

    def _is_inside(self, node: Node) -> bool:
        return node.op is not None and node.serial > self._first

    def _inside(self, entry: Entry) -> Entry:
        """An input of a node: as it is, or a variable in the place of what was made outside."""
        if entry.node.op is None or self._is_inside(entry.node):
            return entry
        key = id(entry.node), entry.index
        if key not in self._cut:
            self._cut[key] = Entry(self._variable(entry.name))
            self._outside[id(self._cut[key].node)] = entry
        return self._cut[key]

    @staticmethod
    def _variable(name: str) -> Node:
        return Node(None, name, {})


def _entry(symbol: Symbol) -> Entry:
    return symbol._one_entry("control flow")


def _one(value: Any, what: str) -> Symbol:
    if not isinstance(value, Symbol):
        raise InputError(f"{what} must be a Symbol, got {value!r:.80} of type {type(value).__name__}")
    return value


def _pair(value: Any, what: str) -> tuple[Any, Any]:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise InputError(f"{what} must return a pair of outputs and states, got {value!r:.80}")
    return value[0], value[1]


def _arguments(symbols: list[Symbol], form: Any) -> Sequence[Any]:
    return symbols if form is None else nested(symbols, form)


def _check_used(sources: Sequence[Source], count: int, sentence: str) -> None:
    unused = [k for k in range(count) if k not in sources]
    if unused:
        raise InputError(sentence.format(unused[0]))


def _merged(parts: Sequence[Sequence[Source]], variables: Sequence[Symbol]) -> tuple[list[list[int]], list[Entry]]:
    """For each part, the places of its sources among the inputs of the node; and those inputs, each once.

    As in MXNet, what both functions of a loop use besides its variables is there twice.
    """
    order: dict[Any, int] = {}
    places = [[order.setdefault((k if variables and isinstance(source, Entry) else 0, source), len(order))
               for source in sources] for k, sources in enumerate(parts)]
    return places, [_entry(variables[source]) if isinstance(source, int) else source for _, source in order]


def _node(op: str, inputs: Sequence[Entry], subgraphs: Sequence[Subgraph], **attributes: Any) -> list[Symbol]:
    found = ops.find(op)
    node = Node(found, naming.current().get(None, op), {}, inputs, subgraphs)
    node.set_user_attributes(attribute.current().get(None))
    node.attrs.update({key: str(value) for key, value in
                       {"num_args": len(inputs) + len(subgraphs), **attributes}.items()})
    node.count_versions()
    return [Symbol([entry]) for entry in node.outputs()]
