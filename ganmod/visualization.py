"""``mx.visualization``: a network as a table, and as a drawing."""
from __future__ import annotations

import ast
import json
import math
from typing import Any, Optional, Sequence

from .base import InputError, MXNetError, ShapeError
from .symbol import Symbol

__all__ = ["print_summary", "plot_network"]

Shapes = Optional[dict[str, Sequence[int]]]

_WEIGHTS = ("_weight", "_bias", "_beta", "_gamma", "_moving_mean", "_moving_var", "_moving_inv_var", "_running_mean",
            "_running_var")
_VARIABLE, _OTHER = "#8dd3c7", "#fccde5"
_COLORS = {"Convolution": "#fb8072", "FullyConnected": "#fb8072", "BatchNorm": "#bebada", "Activation": "#ffffb3",
           "LeakyReLU": "#ffffb3", "Pooling": "#80b1d3", "Concat": "#fdb462", "Flatten": "#fdb462",
           "Reshape": "#fdb462", "Softmax": "#b3de69"}


class _Graph:
    """The nodes of a symbol as its JSON tells them, with the shapes of what they give where these are known."""

    def __init__(self, symbol: Any, shape: Shapes, dtype: Optional[dict[str, Any]] = None) -> None:
        if not isinstance(symbol, Symbol):
            raise InputError(f"symbol must be a Symbol, got {type(symbol).__name__}")
        self.nodes = json.loads(symbol.tojson())["nodes"]
        self.given = shape
        self.shapes: dict[str, tuple[int, ...]] = {}       # by the names of outputs
        if shape is not None:
            internals = symbol.get_internals()
            _, found, _ = internals.infer_shape(**shape)
            if found is None:
                raise ShapeError("Input shape is incomplete")
            self.shapes = dict(zip(internals.list_outputs(), found))
            self.auxiliary = set(symbol.list_auxiliary_states())
        if dtype is not None:
            symbol.get_internals().infer_type(**dtype)

    def shape(self, index: int, output: int = 0) -> Optional[tuple[int, ...]]:
        """What a node gives, without knowing how many outputs it has."""
        name = self.nodes[index]["name"]
        for key in (name,) if self.nodes[index]["op"] == "null" else (f"{name}_output", f"{name}_output{output}"):
            if key in self.shapes:
                return self.shapes[key]
        return None

    def parameters(self, node: dict[str, Any], counted: set[str]) -> int:
        """How many numbers a node learns that are not `counted` already; its variables are added to these."""
        total = 0
        for index, *_ in node["inputs"]:
            name = self.nodes[index]["name"]
            if self.nodes[index]["op"] == "null" and name not in counted | self.auxiliary | set(self.given or ()) \
                    and not name.endswith("label"):
                counted.add(name)
                total += math.prod(self.shapes[name])
        return total


def print_summary(symbol: Symbol, shape: Shapes = None, line_length: int = 120,
                  positions: Sequence[float] = (.44, .64, .74, 1.)) -> None:
    """Print a table of a network: layers, their output shapes without the batch, numbers of parameters, inputs.

    Parameters
    ----------
    symbol : Symbol
        The network.
    shape : dict of str to tuple
        The shapes of the inputs, by name; without, neither shapes nor parameters are known.
    line_length : int
        Characters in a line.
    positions : sequence of float
        Where the four columns end, as shares of a line or in characters.

    Raises
    ------
    InputError
        If `symbol` is none.
    ShapeError
        If the shapes do not suffice.

    >>> import ganmod as mx
    >>> net = mx.sym.FullyConnected(mx.sym.Variable('data'), num_hidden=3, name='fc')
    >>> print_summary(net, {'data': (8, 4)}, line_length=72)    # doctest: +NORMALIZE_WHITESPACE
    ________________________________________________________________________
    Layer (type)                   Output Shape  Param #Previous Layer
    ========================================================================
    data(null)                     4             0
    ________________________________________________________________________
    fc(FullyConnected)             3             15     data
    ========================================================================
    Total params: 15
    ________________________________________________________________________
    """
    graph = _Graph(symbol, shape)
    ends = [int(line_length * p) if positions[-1] <= 1 else int(p) for p in positions]
    print("_" * line_length)
    _print_row(["Layer (type)", "Output Shape", "Param #", "Previous Layer"], ends)
    print("=" * line_length)
    counted: set[str] = set()
    total = 0
    for number, node in enumerate(graph.nodes):
        if node["op"] == "null" and number:
            continue
        if number:
            print("_" * line_length)
        count = graph.parameters(node, counted) if shape is not None else 0
        total += count
        gives = graph.shape(number) if "SliceChannel" != node["op"] else None
        before = [graph.nodes[i]["name"] for i, *_ in node["inputs"] if graph.nodes[i]["op"] != "null" or i == 0]
        _print_row([f"{node['name']}({node['op']})", "x".join(map(str, (gives or ())[1:])),
                    count if shape is not None or not number else "", *before[:1]], ends)
        for name in before[1:]:
            _print_row(["", "", "", name], ends)
    print("=" * line_length)
    print("Total params:", total if shape is not None else "not known without shapes")
    print("_" * line_length)


def _print_row(fields: Sequence[Any], ends: Sequence[int]) -> None:
    line = ""
    for k, end in enumerate(ends):
        line = (line + str(fields[k] if k < len(fields) else ""))[:end].ljust(end)
    print(line)


def plot_network(symbol: Symbol, title: str = "plot", save_format: str = "pdf", shape: Shapes = None,
                 dtype: Optional[dict[str, Any]] = None, node_attrs: Optional[dict[str, str]] = None,
                 hide_weights: bool = True) -> Any:
    """A drawing of a network: a ``graphviz.Digraph``, which shows itself in notebooks and has ``render()``.

    Parameters
    ----------
    symbol : Symbol
        The network.
    title : str
        Name of the drawing and of the file.
    save_format : str
        Of the file, ``'pdf'`` or ``'png'`` for instance.
    shape : dict of str to tuple
        The shapes of the inputs by name, to have shapes written on the arrows.
    dtype : dict of str to type
        The types of the inputs by name; only checked.
    node_attrs : dict of str to str
        Attributes of graphviz for all nodes.
    hide_weights : bool
        Whether to leave out variables that are named like parameters.

    Raises
    ------
    MXNetError
        If graphviz is not installed.
    InputError, ShapeError
        As in :func:`print_summary`.
    """
    try:
        from graphviz import Digraph
    except ImportError:
        raise MXNetError("plot_network() draws with graphviz, which is not installed: pip install graphviz") from None
    graph = _Graph(symbol, shape, dtype)
    style = {"shape": "box", "fixedsize": "true", "width": "1.3", "height": "0.8034", "style": "filled",
             **(node_attrs or {})}
    drawing = Digraph(name=title, format=save_format)
    hidden = {number for number, node in enumerate(graph.nodes)
              if hide_weights and node["op"] == "null" and node["name"].endswith(_WEIGHTS)}
    for number, node in enumerate(graph.nodes):
        if number not in hidden:
            own = {"shape": "oval"} if node["op"] == "null" else {}
            color = _VARIABLE if node["op"] == "null" else _COLORS.get(node["op"], _OTHER)
            drawing.node(name=node["name"], label=_label(node), **{**style, **own, "fillcolor": color})
    for node in graph.nodes:
        for index, output, *_ in node["inputs"]:
            if index not in hidden:
                label = "x".join(map(str, (graph.shape(index, output) or ())[1:]))
                drawing.edge(tail_name=node["name"], head_name=graph.nodes[index]["name"], label=label, dir="back",
                             arrowtail="open")
    return drawing


def _label(node: dict[str, Any]) -> str:
    """What is written on a node."""
    op, attrs = node["op"], node.get("attrs", {})
    if op == "Convolution":
        return f"Convolution\n{_by(attrs['kernel'])}/{_by(attrs.get('stride', '1'))}, {attrs['num_filter']}"
    if op == "Pooling":
        return f"Pooling\n{attrs.get('pool_type', 'max')}, {_by(attrs.get('kernel', ''))}/" \
               f"{_by(attrs.get('stride', '1'))}"
    if op == "FullyConnected":
        return f"FullyConnected\n{attrs['num_hidden']}"
    if op in ("Activation", "LeakyReLU"):
        return f"{op}\n{attrs.get('act_type', 'leaky')}"
    return node["name"]


def _by(text: str) -> str:
    """``'(3, 3)'`` as ``'3x3'``."""
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)
