"""Symbols under both libraries: names, lists, attributes, inference and files."""
import warnings

import pytest

import ganmod
from ganmod.ops.shapes import unify

from .oracle import here


def _all(mx, symbol):
    """Everything a symbol says about itself."""
    return {"arguments": symbol.list_arguments(), "outputs": symbol.list_outputs(),
            "states": symbol.list_auxiliary_states(), "inputs": symbol.list_inputs(),
            "internals": symbol.get_internals().list_outputs(), "attributes": symbol.attr_dict(),
            "json": symbol.tojson(), "name": symbol.name, "repr": repr(symbol)}


def lenet(mx):
    net = mx.sym.Variable("data")
    net = mx.sym.Convolution(net, kernel=(5, 5), num_filter=20)
    net = mx.sym.Activation(data=net, act_type="tanh")
    net = mx.sym.Pooling(data=net, pool_type="max", kernel=(2, 2), stride=(2, 2))
    net = mx.sym.BatchNorm(net, fix_gamma=False)
    net = mx.sym.Flatten(net)
    net = mx.sym.FullyConnected(net, num_hidden=10, name="fc")
    return mx.sym.SoftmaxOutput(net, name="softmax")


def arithmetic(mx):
    a, b = mx.sym.Variable("a"), mx.sym.Variable("b")
    return mx.sym.Group([a + b, a - b, a * b, a / b, a ** b, a + 1, 1 + a, a - 1, 1 - a, a * 2.5, 2 * a, a / 2, 2 / a,
                         a ** 2, 2 ** a, -a, a % 3, 3 % a, a % b, abs(a)])


def comparisons(mx):
    a, b = mx.sym.Variable("a"), mx.sym.Variable("b")
    return mx.sym.Group([a == b, a != b, a > b, a >= b, a < b, a <= b, a == 1, a != 1, a > 1, a >= 1, a < 1, a <= 1])


def automatic_names(mx):
    x = mx.sym.Variable("x")
    nets = [mx.sym.FullyConnected(x, num_hidden=3) for _ in range(2)]
    nets += [mx.sym.Concat(*nets, dim=1), mx.sym.concat(*nets), mx.sym.flatten(x), mx.sym.Flatten(x), mx.sym.sum(x)]
    return mx.sym.Group(nets)


def prefixed(mx):
    x = mx.sym.Variable("x")
    with mx.name.Prefix("net_"):
        named = mx.sym.FullyConnected(x, num_hidden=3, name="fc")
        unnamed = mx.sym.FullyConnected(named, num_hidden=3)
        variable = mx.sym.Variable("v")
    return mx.sym.Group([named, unnamed, variable + 1])


def name_managed(mx):
    with mx.name.NameManager():
        inner = mx.sym.FullyConnected(mx.sym.Variable("x"), num_hidden=3)
    return mx.sym.FullyConnected(inner, num_hidden=2, name="outer")


def attributed(mx):
    with mx.AttrScope(ctx_group="stage1", lr_mult="0.5"):
        x = mx.sym.Variable("x", attr={"__mood__": "angry"}, lr_mult=2)
        with mx.AttrScope(ctx_group="stage2"):
            net = mx.sym.FullyConnected(x, num_hidden=3, name="fc", attr={"__data__": "great"})
    return mx.sym.Activation(net, act_type="relu", name="act", wd_mult="0.5")


def attributes_of_any_name(mx):
    with mx.AttrScope(num_hidden="3", __layout__="NC"):
        net = mx.sym.FullyConnected(mx.sym.Variable("x", attr={"mood": "angry"}), name="fc")
    net.get_internals()["x"]._set_attr(weather="fine", lr_mult="2")
    return net


def declared(mx):
    w = mx.sym.Variable("w", shape=(3, 4), lr_mult=0.1, wd_mult=0, dtype="float64", init=mx.init.Constant(2.5))
    v = mx.sym.Variable("v", init="zeros", __layout__="NCHW")
    return mx.sym.FullyConnected(mx.sym.Variable("x"), weight=w, bias=v, num_hidden=3, name="fc")


def several_outputs(mx):
    parts = mx.sym.SliceChannel(mx.sym.Variable("x"), num_outputs=3, name="parts")
    return mx.sym.Group([parts[2], parts[0] + parts[1], mx.sym.BatchNorm(parts[1], output_mean_var=True, name="bn")])


def composed(mx):
    inner = mx.sym.FullyConnected(mx.sym.Variable("x"), num_hidden=3, name="inner")
    outer = mx.sym.Activation(mx.sym.Variable("y"), act_type="relu", name="outer")
    return outer(y=inner, name="both")


def inputs_by_keyword(mx):
    shared = mx.sym.Variable("shared_weight")
    one = mx.sym.FullyConnected(data=mx.sym.Variable("a"), weight=shared, num_hidden=4, name="one")
    two = mx.sym.FullyConnected(data=mx.sym.Variable("b"), weight=shared, no_bias=True, num_hidden=4, name="two")
    return mx.sym.Group([one, two])


def nothing_given(mx):
    return mx.sym.LeakyReLU(mx.sym.Deconvolution(num_filter=2, kernel=(3, 3)), act_type="prelu")


def picked(mx):
    return lenet(mx).get_internals()["fc_output"]


def children(mx):
    return lenet(mx).get_children()


def reloaded(mx):
    return mx.sym.load_json(lenet(mx).tojson())


SYMBOLS = [lenet, arithmetic, comparisons, automatic_names, prefixed, name_managed, attributed,
           attributes_of_any_name, declared, several_outputs, composed, inputs_by_keyword, nothing_given, picked,
           children, reloaded]


@pytest.mark.parametrize("text", ["V('x', mood='angry')", "V('x', attr={'__mood__': 1})", "V(3)",
                                  "sym.Activation(V('x'), act_type='relu', attr={'mood': 'angry'})",
                                  "sym.Activation(V('x'), act_type='relu', mood='angry')"])
def test_wrong_attributes(compare, text):
    def case(mx, np):
        described(mx, text)
    compare(case, raises=True)


@pytest.mark.parametrize("build", SYMBOLS, ids=lambda f: f.__name__)
def test_symbol(compare, build):
    def case(mx, np):
        return _all(mx, build(mx))
    compare(case)


def described(mx, text):
    """The symbol that a line of Python describes; ``V`` makes a variable."""
    return eval(text, {"mx": mx, "sym": mx.sym, "V": mx.sym.Variable, "lenet": lambda: lenet(mx)})


SHAPES = {
    "lenet": ("lenet()", dict(data=(2, 1, 28, 28))),
    "batch unknown": ("lenet()", dict(data=(0, 1, 28, 28))),
    "nothing known": ("lenet()", {}),
    "label decides the batch": ("lenet()", dict(data=(0, 1, 28, 28), softmax_label=(6,))),
    "elementwise, backwards": ("V('a') + sym.FullyConnected(V('x'), num_hidden=3, name='fc')", dict(a=(5, 3))),
    "weight alone": ("sym.FullyConnected(V('x', shape=(0, 0)), num_hidden=3, name='fc')", dict(x=(4, 7))),
    "concat": ("sym.Concat(V('a'), V('b'), dim=1)", dict(a=(2, 3), b=(0, 4))),
    "reshape": ("sym.Reshape(V('a'), shape=(0, -1))", dict(a=(0, 3, 4))),
    "deconvolution": ("sym.Deconvolution(V('a'), kernel=(4, 4), stride=(2, 2), pad=(1, 1), num_filter=5)",
                      dict(a=(2, 3, 8, 8))),
    "deconvolution to a target": ("sym.Deconvolution(V('a'), kernel=(4, 4), stride=(2, 2), target_shape=(15, 16), "
                                  "num_filter=5)", dict(a=(2, 3, 8, 8))),
    "convolution, stride 1, backwards": ("sym.elemwise_add(sym.Convolution(V('a'), kernel=(3, 3), num_filter=2, "
                                         "no_bias=True), V('b'))", dict(a=(0, 3, 0, 0), b=(2, 2, 6, 6))),
    "pooling, full": ("sym.Pooling(V('a'), kernel=(3, 3), stride=(2, 2), pooling_convention='full')",
                      dict(a=(2, 3, 8, 8))),
    "logistic regression": ("sym.LogisticRegressionOutput(V('a'), name='l')", dict(a=(4, 1))),
    "linear regression": ("sym.LinearRegressionOutput(V('a'), name='l')", dict(a=(4, 2))),
    "softmax, several": ("sym.SoftmaxOutput(V('a'), multi_output=True, name='l')", dict(a=(4, 2, 5, 5))),
    "softmax, preserved": ("sym.SoftmaxOutput(V('a'), preserve_shape=True, name='l')", dict(a=(4, 2, 5))),
    "embedding": ("sym.Embedding(V('a'), input_dim=9, output_dim=3, name='e')", dict(a=(4, 2))),
    "prelu": ("sym.LeakyReLU(V('a'), act_type='prelu', name='p')", dict(a=(4, 2, 5))),
}


@pytest.mark.parametrize("name", SHAPES)
def test_infer_shape(oracle, name):
    """What MXNet infers, ganmod infers too; where MXNet gives up, ganmod may know more."""
    text, shapes = SHAPES[name]

    def case(mx, np):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            symbol = described(mx, text)
            whole, partial = symbol.infer_shape(**shapes), symbol.infer_shape_partial(**shapes)
        return {"whole": whole, "partial": partial}

    theirs, ours = oracle.run(case), here(case, ganmod)
    assert ours["whole"] == theirs["whole"]
    for their_group, our_group in zip(theirs["partial"], ours["partial"]):
        assert [unify(t or None, o or None) for t, o in zip(their_group, our_group)] == [o or None for o in our_group]


CONFLICTS = {
    "weight": ("sym.FullyConnected(V('x'), num_hidden=3, name='fc')", dict(x=(2, 4), fc_weight=(3, 5))),
    "sum": ("V('a') + V('b')", dict(a=(2, 3), b=(2, 4))),
    "kernel too large": ("sym.Convolution(V('a'), kernel=(5, 5), num_filter=1)", dict(a=(1, 1, 4, 4))),
    "concat": ("sym.Concat(V('a'), V('b'))", dict(a=(2, 3), b=(3, 3))),
    "axes": ("sym.Convolution(V('a'), kernel=(3, 3), num_filter=1)", dict(a=(2, 3, 4))),
    "unknown name": ("V('a') + 1", dict(b=(2, 3))),
    "broadcast": ("sym.broadcast_add(V('a'), V('b'))", dict(a=(2, 3), b=(2, 4))),
    "split": ("sym.SliceChannel(V('a'), num_outputs=2)", dict(a=(2, 3))),
    "dot": ("sym.dot(V('a'), V('b'))", dict(a=(2, 3), b=(2, 4))),
}


@pytest.mark.parametrize("name", CONFLICTS)
def test_conflicting_shapes(compare, name):
    text, shapes = CONFLICTS[name]

    def case(mx, np):
        described(mx, text).infer_shape(**shapes)
    compare(case, raises=True)


def test_infer_type(compare):
    def case(mx, np):
        net = lenet(mx)
        cast = mx.sym.Cast(mx.sym.FullyConnected(mx.sym.Variable("x"), num_hidden=2, name="fc"), dtype="float16")
        found = {"single": net.infer_type(data="float32"), "double": net.infer_type(data=np.float64),
                 "cast": cast.infer_type(x="float32"),
                 "embedding": described(mx, "sym.Embedding(V('i'), input_dim=3, output_dim=2)").infer_type(i="int32"),
                 "comparison": (mx.sym.Variable("a") > 1).infer_type(a="int32"),
                 "argmax": mx.sym.argmax(mx.sym.Variable("a"), axis=1).infer_type(a="float64")}
        return {key: [[str(np.dtype(t)) for t in group] for group in value] for key, value in found.items()}
    compare(case)


def test_debug_str(compare):
    def case(mx, np):
        text = lenet(mx).debug_str()
        return {"text": [line for line in text.splitlines() if "version" not in line]}
    compare(case)


def test_a_given_shape_outweighs_a_declared_one(compare):
    def case(mx, np):
        net = mx.sym.elemwise_add(mx.sym.Variable("a", shape=(2, 3)), mx.sym.Variable("b"))
        shapes = [(2, 3), (5, 3), (0, 3), (0, 4), ()]
        return {"inferred": [net.infer_shape(a=shape) for shape in shapes],
                "bound": net.simple_bind(mx.cpu(), a=(5, 3)).arg_dict["b"].shape}
    compare(case)


def test_children(compare):
    def case(mx, np):
        fc = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="fc")
        parts = mx.sym.SliceChannel(fc, num_outputs=2, name="parts")
        nets = [fc, parts, mx.sym.Group([parts, fc, parts[1]]), mx.sym.Concat(*parts, name="both")]
        return {"children": [net.get_children().list_outputs() for net in nets],
                "none": mx.sym.Variable("data").get_children()}
    compare(case)


def test_attributes_of_a_variable_and_names(compare):
    def case(mx, np):
        x = mx.sym.Variable("x", __depth__=3, __deep__=True)
        net = mx.sym.FullyConnected(x, num_hidden=4, name="fc")
        return x.list_attr(), [s.attr("name") for s in (x, net, mx.sym.Group([net, x]))]
    compare(case)
