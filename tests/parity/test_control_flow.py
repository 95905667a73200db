"""Loops and branches under both libraries: values, gradients, names, shapes and JSON."""
from __future__ import annotations

import json

import numpy as np
import pytest

import ganmod as mx
from tests.parity.oracle import MXNetRaised, here

D, S, W = (np.array(v, "float32") for v in ([[1, 2], [3, 4], [5, -6]], [1, -2], [0.5, 2]))

# Each defines `make(F, d, s, w)`, which gives (outputs, states) for the face F = mx.nd or mx.sym.
FOREACH = {
    "sum": "lambda F, d, s, w: F.contrib.foreach(lambda x, a: (x + a, x + a), d, s)",
    "weighted": "lambda F, d, s, w: F.contrib.foreach(lambda x, a: (x * a * w, a + x * w), d, s)",
    "outer": "lambda F, d, s, w: (lambda v: F.contrib.foreach(lambda x, a: (x * v, a - v * x), d * 2, s + 1))(w * w)",
    "lists": "lambda F, d, s, w: F.contrib.foreach("
             "lambda x, a: ([x[0] + a[0], x[1] * a[1] * w], [a[0] + 1, a[1]]), [d, d * 3], [s, s + 2])",
    "nested": "lambda F, d, s, w: F.contrib.foreach(lambda x, a: ([x, [x * w]], [a[0], [a[1][0] + x]]), d, "
              "[s, [s + 1]])",
    "no states": "lambda F, d, s, w: F.contrib.foreach(lambda x, a: (F.sin(x) * w * s, a), d, [])",
    "twice": "lambda F, d, s, w: F.contrib.foreach(lambda x, a: (lambda y: (y, y))(x * a + w), d, s)",
    "inner": "lambda F, d, s, w: F.contrib.foreach(lambda x, a: F.contrib.foreach("
             "lambda y, b: (F.broadcast_mul(w, y), b + y), x, a), F.expand_dims(d, axis=2), F.slice_axis(s, axis=0, "
             "begin=0, end=1))",
    "sequence": "lambda F, d, s, w: F.contrib.foreach(lambda x, a: (F.reshape(F.sum(x * w * a), shape=(1,)), "
                "F.softmax(x) + a), d, s)",
}
WHILE = {
    "count": "lambda F, d, s, w: F.contrib.while_loop(lambda i, a: i <= 3, lambda i, a: ([a * i], [i + 1, a * 2]), "
             "[F.sum(w) * 0, F.reshape(F.slice_axis(s, axis=0, begin=0, end=1), shape=(1,))], max_iterations=4)",
    "early": "lambda F, d, s, w: F.contrib.while_loop(lambda a: F.sum(a) > -20, lambda a: (a * w, a - w), s, "
             "max_iterations=3)",
    "bounded": "lambda F, d, s, w: F.contrib.while_loop(lambda a, b: F.sum(a) < 100, lambda a, b: ([a * b, b], "
               "[a + F.sin(b), b * a]), [s, w], max_iterations=2)",
    "no outputs": "lambda F, d, s, w: F.contrib.while_loop(lambda a: F.sum(a * w) < 100, lambda a: ([], [a * a + w]), "
                  "[s], max_iterations=5)",
}
COND = {
    "then": "lambda F, d, s, w: (F.contrib.cond(F.sum(w) > 0, lambda: s * w, lambda: s - w), [])",
    "else": "lambda F, d, s, w: (F.contrib.cond(F.sum(w) < 0, lambda: s * w, lambda: F.sin(s) - w), [])",
    "several": "lambda F, d, s, w: (F.contrib.cond(F.sum(s * w), lambda: [s * w, s], lambda: [s - w, w]), [])",
}
# MXNet gives no gradient of these symbols, or, where a step has one output twice or a branch several, a wrong one.
FAILING = ("lists", "inner", "no outputs", "twice", "several")
ALL = {**FOREACH, **WHILE, **COND}


def flat(value):
    """The arrays or symbols in nested lists."""
    return [inner for item in value for inner in flat(item)] if isinstance(value, (list, tuple)) else [value]


def form(value):
    """Where things stand in nested lists."""
    return [form(item) for item in value] if isinstance(value, (list, tuple)) else None


def imperative(mx, np, make, d, s, w):
    """Outputs and gradients of arrays under ``autograd.record``."""
    arrays = [mx.nd.array(value) for value in (d, s, w)]
    for array in arrays:
        array.attach_grad()
    with mx.autograd.record():
        made = eval(make)(mx.nd, *arrays)
        total = sum((k + 1) * (array * array).sum() for k, array in enumerate(flat(made)))
    total.backward()
    return {"form": form(made), "values": flat(made), "gradients": [array.grad for array in arrays]}


def symbolic(mx, np, make, d, s, w, differentiate=True, text=None):
    """Names, JSON, outputs and gradients of the symbol, or of the one in a JSON text."""
    import json
    import re
    made = eval(make)(mx.sym, *[mx.sym.Variable(name) for name in "dsw"])
    symbol = mx.sym.Group(flat(made)) if text is None else mx.sym.load_json(text)
    values = {name: mx.nd.array(value) for name, value in zip("dsw", (d, s, w)) if name in symbol.list_arguments()}
    gradients = {name: mx.nd.zeros(value.shape) for name, value in values.items() if differentiate}
    executor = symbol.bind(mx.cpu(), dict(values), args_grad=dict(gradients),
                           grad_req="write" if differentiate else "null")
    outputs = [array.asnumpy() for array in executor.forward(is_train=True)]
    if differentiate:
        executor.backward([mx.nd.array(2 * (k + 1) * output) for k, output in enumerate(outputs)])
    unnumbered = re.sub(r'(subgraph_name__": ".*?)[0-9]+"', r'\1"', symbol.tojson())       # MXNet counts for ever
    unnumbered = re.sub(r'(subgraph_name__": ".*?)[0-9]+[$]', r'\1$', unnumbered)
    return {"form": form(made), "json": json.loads(unnumbered), "arguments": symbol.list_arguments(), "values": outputs,
            "names": symbol.list_outputs(), "gradients": gradients}


@pytest.mark.parametrize("name", ALL)
def test_arrays(compare, name):
    compare(imperative, dict(make=ALL[name], d=D, s=S, w=W))


@pytest.mark.parametrize("name", ALL)
def test_symbols(compare, name):
    inputs = dict(make=ALL[name], d=D, s=S, w=W)
    theirs = compare(symbolic, {**inputs, "differentiate": name not in FAILING}, rtol=1e-4)
    expected = dict(zip("dsw", here(imperative, mx, inputs)["gradients"]))
    for text in (None, json.dumps(theirs["json"])):                 # as it was made, and from MXNet's file
        ours = here(symbolic, mx, {**inputs, "text": text})
        assert ours["json"] == theirs["json"]
        for argument, gradient in ours["gradients"].items():
            np.testing.assert_allclose(gradient, expected[argument], rtol=1e-5)


@pytest.mark.parametrize("name", [name for name in FOREACH if name != "inner"])
def test_shapes(oracle, name):
    def shapes(mx, np, make, known):
        symbol = mx.sym.Group(flat(eval(make)(mx.sym, *[mx.sym.Variable(name) for name in "dsw"])))
        known = {k: v for k, v in known.items() if k in symbol.list_arguments()}
        return [list(part) for part in symbol.infer_shape(**known)], [
            [np.dtype(t).name for t in part] for part in symbol.infer_type(d="float64")]

    inputs = dict(make=FOREACH[name], known=dict(d=(3, 2), s=(2,), w=(2,)))
    assert here(shapes, mx, inputs) == oracle.run(shapes, inputs)


def test_shapes_are_inferred_backwards():
    d, s, w = (mx.sym.Variable(name) for name in "dsw")
    symbol = mx.sym.Group(flat(mx.sym.contrib.foreach(lambda x, a: (x + a, a * w), d, s)))
    assert symbol.infer_shape(d=(4, 0), w=(3,)) == ([(4, 3), (3,), (3,)], [(4, 3), (3,)], [])
    symbol = mx.sym.Group(flat(mx.sym.contrib.while_loop(lambda a: mx.sym.sum(a) < 3, lambda a: (a * w, a + w), s,
                                                         max_iterations=5)))
    assert symbol.infer_shape(w=(3,)) == ([(3,), (3,)], [(5, 3), (3,)], [])
    symbol = mx.sym.contrib.cond(mx.sym.sum(s) < 3, lambda: s + w, lambda: w)
    assert symbol.infer_shape(w=(3,)) == ([(3,), (3,)], [(3,)], [])
    weight = mx.sym.contrib.foreach(lambda x, a: (mx.sym.FullyConnected(x, num_hidden=5, name="fc"), a), d, [])[0]
    assert weight.infer_shape(d=(7, 2, 3)) == ([(7, 2, 3), (5, 3), (5,)], [(7, 2, 5)], [])


def test_a_recurrent_network_trains_as_the_unrolled_one():
    """The loop of a cell has the gradients of the cell unrolled, and a module trains it."""
    cell = mx.rnn.LSTMCell(4, prefix="cell_")
    data, states = mx.sym.Variable("data"), [mx.sym.zeros((2, 4)), mx.sym.zeros((2, 4))]
    loop, _ = mx.sym.contrib.foreach(lambda x, a: cell(x, a), data, states)
    cell.reset()
    unrolled, _ = cell.unroll(3, data, begin_state=states, layout="TNC", merge_outputs=True)
    rng, results = np.random.RandomState(0), []
    values = {"data": rng.randn(3, 2, 5), "cell_i2h_weight": rng.randn(16, 5), "cell_i2h_bias": rng.randn(16),
              "cell_h2h_weight": rng.randn(16, 4), "cell_h2h_bias": rng.randn(16)}
    for symbol in (loop, unrolled):
        executor = symbol.simple_bind(mx.cpu(), data=(3, 2, 5))
        output = executor.forward(is_train=True, **values)[0]
        executor.backward(mx.nd.ones(output.shape))
        results.append([output.asnumpy(), *(executor.grad_dict[name].asnumpy() for name in sorted(values))])
    for one, other in zip(*results):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_states_of_a_body_move_on():
    """Batch normalisation in a body, which MXNet cannot train, averages over the steps."""
    body = lambda x, a: (mx.sym.BatchNorm(x, name="bn", momentum=0.5, fix_gamma=False), a + 1)  # noqa: E731
    symbol = mx.sym.Group(flat(mx.sym.contrib.foreach(body, mx.sym.Variable("d"), mx.sym.Variable("s"))))
    assert symbol.list_auxiliary_states() == ["bn_moving_mean", "bn_moving_var"]
    executor = symbol.simple_bind(mx.cpu(), d=(2, 4, 3), s=(1,))
    data = np.random.RandomState(0).randn(2, 4, 3).astype("float32")
    executor.forward(is_train=True, d=data)
    mean = data.mean(axis=1)
    np.testing.assert_allclose(executor.aux_dict["bn_moving_mean"].asnumpy(), mean[0] / 4 + mean[1] / 2, rtol=1e-5)


def test_a_loop_without_a_step():
    x = mx.sym.Variable("x")
    outputs, last = mx.sym.contrib.while_loop(lambda a: a < 0, lambda a: (a * 2, a + 1), x, max_iterations=3)
    executor = mx.sym.Group([outputs, last]).simple_bind(mx.cpu(), x=(1,))
    executor.forward(is_train=True, x=[5])
    executor.backward([mx.nd.ones((3, 1)), mx.nd.ones((1,)) * 7])
    assert [o.asnumpy().tolist() for o in executor.outputs] == [[[0], [0], [0]], [5]]
    assert executor.grad_dict["x"].asnumpy().tolist() == [7]
    outputs, last = mx.nd.contrib.while_loop(lambda a: a < 0, lambda a: (a, a), mx.nd.array([5]), max_iterations=3)
    assert outputs == [] and last.asscalar() == 5
    sums = mx.sym.contrib.foreach(lambda x, a: (x + a, x + a), x, mx.sym.Variable("a"))[0]
    executor = sums.bind(mx.cpu(), {"x": mx.nd.zeros((0, 2)), "a": mx.nd.ones((2,))})
    assert executor.forward()[0].shape == (0, 2)


def test_noise_differs_from_step_to_step():
    noise = mx.sym.contrib.foreach(lambda x, a: (mx.sym.Dropout(x, p=0.5), a), mx.sym.Variable("d"), [])[0]
    executor = noise.simple_bind(mx.cpu(), d=(2, 64))
    one, other = executor.forward(is_train=True, d=np.ones((2, 64)))[0].asnumpy()
    assert not np.array_equal(one, other) and set(np.unique([one, other])) == {0, 2}


WRONG = {
    "F.contrib.foreach(lambda x, a: (3, a), d, s)": "outputs of body must be",
    "F.contrib.foreach(lambda x, a: (x, a), 3, s)": "data must be",
    "F.contrib.while_loop(lambda a: a < 3, lambda a: (a, a), s)": "max_iterations must be given",
    "F.contrib.while_loop(lambda: s, lambda: (s, []), [], max_iterations=2)": "at least one",
    "F.contrib.while_loop(lambda a: F.sum(a) < 30, lambda a: (a, [a, a]), s, max_iterations=2)": "returns 2 loop",
}
WRONG_SYMBOLS = {
    "F.contrib.foreach(lambda x, a: (x * 2, x), d, s)": "does not use the row or state number 1",
    "F.contrib.foreach(lambda x, a: (x * 2, [a, a]), d, s)": "returns 2 states and gets 1",
    "F.contrib.foreach(lambda x, a: x + a, d, s)": "must return a pair",
    "F.contrib.while_loop(lambda a, b: F.sum(a) < 3, lambda a, b: (a, [a, a]), [s, d], max_iterations=2)":
        "does not use the loop variable number 1",
    "F.contrib.cond(s, lambda: [s, s], lambda: s)": "they must be as many", "F.contrib.cond(3, lambda: s, lambda: s)":
        "must be a Symbol",
}


def attempt(mx, np, call, face, values):
    """Evaluate a call on one face."""
    F = getattr(mx, face)  # noqa: N806
    make = mx.nd.array if face == "nd" else mx.sym.Variable
    eval(call, {"F": F, **{name: make(value) for name, value in values.items()}})
    return {}


@pytest.mark.parametrize("face, call, sentence", [(face, call, sentence) for face, calls in (
    ("nd", WRONG), ("sym", {**WRONG, **WRONG_SYMBOLS})) for call, sentence in calls.items()])
def test_mistakes(oracle, face, call, sentence):
    inputs = dict(call=call, face=face, values=dict(d=D, s=S) if face == "nd" else dict(d="d", s="s"))
    with pytest.raises(MXNetRaised):
        oracle.run(attempt, inputs)
    with pytest.raises((mx.MXNetError, ValueError), match=sentence):
        here(attempt, mx, inputs)


@pytest.mark.parametrize("change, sentence", [
    (lambda node: node.pop("subgraphs"), "has 0 subgraphs, expected 1"),
    (lambda node: node["attrs"].update(in_data_locs="[5]"), "is not in"),
    (lambda node: node["attrs"].update(in_data_locs="[0, 2]", num_args="4"), "expected 3"),
    (lambda node: node["subgraphs"][0].update(nodes=[7]), "subgraph 0: node 0 is malformed")])
def test_damaged_files(change, sentence):
    symbol = mx.sym.contrib.foreach(lambda x, a: (x + a, a), mx.sym.Variable("d"), mx.sym.Variable("s"))[0]
    graph = json.loads(symbol.tojson())
    change(graph["nodes"][-1])
    with pytest.raises(mx.base.FileFormatError, match=sentence):
        mx.sym.load_json(json.dumps(graph))
