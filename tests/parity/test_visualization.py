"""``print_summary`` and ``plot_network`` under both libraries."""
import pytest

import ganmod as mx
from ganmod.base import MXNetError


def lenet(mx):
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(5, 5), num_filter=20, name="conv1")
    net = mx.sym.Activation(net, act_type="tanh", name="t1")
    net = mx.sym.Pooling(net, pool_type="max", kernel=(2, 2), stride=(2, 2), name="p1")
    net = mx.sym.LeakyReLU(mx.sym.BatchNorm(net, name="bn1"), act_type="leaky", name="lr")
    net = mx.sym.Dropout(mx.sym.Flatten(net, name="fl"), name="drop")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=10, name="fc1"), name="softmax")


def branches(mx):
    data = mx.sym.Variable("data")
    one = mx.sym.Convolution(data, kernel=(3, 3), pad=(1, 1), num_filter=8, num_group=2, no_bias=True, name="c1")
    two = mx.sym.Convolution(data, kernel=(1, 1), num_filter=8, name="c2")
    return mx.sym.Concat(one, two, one + two, name="cat") * 2


def sliced(mx):
    parts = mx.sym.SliceChannel(mx.sym.Variable("data"), num_outputs=2, name="sp")
    return mx.sym.Embedding(parts[1] + 1, input_dim=10, output_dim=4, name="emb")


def rows(mx):
    return mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="a_long_name" * 8)


SUMMARIES = [
    ("lenet", {"data": (1, 1, 28, 28)}, {}), ("lenet", {"data": (2, 1, 28, 28), "softmax_label": (2,)},
                                              {"line_length": 80, "positions": [.3, .6, .8, 1.]}),
    ("lenet", {"data": (2, 1, 28, 28)}, {"line_length": 100, "positions": [40, 60, 80, 100]}),
    ("branches", {"data": (2, 4, 8, 8)}, {}), ("sliced", {"data": (2, 4)}, {}), ("rows", {"data": (2, 3)}, {}),
]


def summary(mx, np, network, shape, settings):
    import contextlib
    import io
    net = {"lenet": lenet, "branches": branches, "sliced": sliced, "rows": rows}[network](mx)
    with contextlib.redirect_stdout(io.StringIO()) as stream:
        mx.viz.print_summary(net, shape, **settings)
    return stream.getvalue()


@pytest.mark.parametrize("network, shape, settings", SUMMARIES, ids=str)
def test_summary(compare, network, shape, settings):
    compare(summary, {"network": network, "shape": shape, "settings": settings})


def test_summary_without_shapes(oracle, capsys):
    """The same table, but that what is not known is not told."""
    theirs = oracle.run(summary, network="lenet", shape=None, settings={}).splitlines()
    mx.viz.print_summary(lenet(mx))
    ours = capsys.readouterr().out.splitlines()
    assert len(ours) == len(theirs)
    assert [line[:76] + line[88:] for line in ours[:-2]] == [line[:76] + line[88:] for line in theirs[:-2]]
    assert ours[-2] == "Total params: not known without shapes"


def test_all_parameters_count(capsys):
    """Those of layers that MXNet's table forgets, too."""
    net = mx.sym.Deconvolution(mx.sym.Variable("data"), kernel=(4, 4), num_filter=3, no_bias=False, name="dc")
    net = mx.sym.InstanceNorm(mx.sym.LeakyReLU(net, act_type="prelu", name="prelu"), name="norm")
    mx.viz.print_summary(net, {"data": (1, 2, 8, 8)})
    assert "Total params: 108\n" in capsys.readouterr().out          # 2 * 3 * 16 + 3, 3, 3 + 3


def drawn(mx, np, network, settings):
    """What graphviz is told, by a stand-in for it."""
    import sys
    import types

    class Digraph:
        def __init__(self, name=None, format=None):
            self.told = [["drawing", name, format]]

        def node(self, name, label=None, **attrs):
            self.told.append(["node", name, label, dict(sorted(attrs.items()))])

        def edge(self, tail_name, head_name, label=None, **attrs):
            self.told.append(["edge", tail_name, head_name, label or "", dict(sorted(attrs.items()))])
    before = sys.modules.get("graphviz")
    sys.modules["graphviz"] = types.SimpleNamespace(Digraph=Digraph)
    try:
        return mx.viz.plot_network({"lenet": lenet, "branches": branches, "sliced": sliced}[network](mx),
                                   **settings).told
    finally:
        if before is None:
            del sys.modules["graphviz"]
        else:
            sys.modules["graphviz"] = before


@pytest.mark.parametrize("network, settings", [
    ("lenet", {}), ("lenet", {"shape": {"data": (2, 1, 28, 28)}, "title": "t", "save_format": "png",
                              "node_attrs": {"fixedsize": "false", "color": "red"}}),
    ("branches", {"shape": {"data": (2, 4, 8, 8)}}), ("sliced", {"shape": {"data": (2, 4)}}),
], ids=str)
def test_drawing(compare, network, settings):
    compare(drawn, {"network": network, "settings": settings})


def test_drawing_with_weights():
    """MXNet draws their arrows only."""
    told = drawn(mx, None, "lenet", {"hide_weights": False})
    assert "conv1_weight" in [entry[1] for entry in told if entry[0] == "node"]


@pytest.mark.parametrize("call", ["print_summary", "plot_network"])
@pytest.mark.parametrize("given", ["no symbol", "too few shapes"])
def test_wrong(compare, call, given):
    def case(mx, np, call, given):
        import sys
        import types
        import warnings
        sys.modules.setdefault("graphviz", types.SimpleNamespace(Digraph=None))
        warnings.simplefilter("ignore")
        getattr(mx.viz, call)("x" if given == "no symbol" else lenet(mx), shape={"softmax_label": (2,)})
    import sys
    try:
        theirs, ours = compare(case, {"call": call, "given": given}, raises=True)
    finally:
        if not hasattr(sys.modules.get("graphviz"), "__file__"):
            sys.modules.pop("graphviz", None)
    assert isinstance(ours, MXNetError) and theirs.type_name in [k.__name__ for k in type(ours).__mro__]


def test_graphviz_is_optional(monkeypatch):
    import sys
    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.raises(MXNetError, match="pip install graphviz"):
        mx.viz.plot_network(lenet(mx))
