"""A caller's mistake raises a typed error that names what was given, what was expected and where."""
import numpy as np
import pytest
import torch

import ganmod as mx
from ganmod.base import AttributeValueError, FileFormatError, InputError, MXNetError, ShapeError, StateError


def fc(name="fc", **settings):
    return mx.sym.FullyConnected(mx.sym.Variable("data"), **{"num_hidden": 3, "name": name, **settings})


def module(symbol=None, **bind):
    made = mx.mod.Module(symbol or fc(), label_names=None)
    if bind:
        made.bind(**bind)
        made.init_params()
    return made


def batch(*shape):
    return mx.io.DataBatch([mx.nd.zeros(shape)])


BOUND = dict(data_shapes=[("data", (2, 4))])


def mismatch_deep_in_the_graph():
    net = fc("first", num_hidden=8)
    net = mx.sym.Activation(net, act_type="relu") + mx.sym.FullyConnected(net, num_hidden=7, name="second")
    return net.infer_shape(data=(2, 4))


def forwarded(then, symbol=None, **bind):
    made = module(symbol, **{**BOUND, **bind})
    made.forward(batch(2, 4), is_train=True)
    return then(made)


MISTAKES = {
    "misspelt attribute, symbol": (
        lambda: mx.sym.Convolution(mx.sym.Variable("x"), kernel=(3, 3), num_filtre=4, name="c1"),
        AttributeValueError, ["Convolution 'c1'", "num_filtre='4'", "did you mean 'num_filter'"]),
    "misspelt attribute, array": (
        lambda: mx.nd.FullyConnected(mx.nd.ones((2, 2)), mx.nd.ones((1, 2)), num_hiden=1, no_bias=True),
        AttributeValueError, ["FullyConnected", "num_hiden", "did you mean 'num_hidden'"]),
    "missing attribute": (
        lambda: mx.sym.Activation(mx.sym.Variable("x"), name="a1"), AttributeValueError,
        ["Activation 'a1'", "act_type"]),
    "lossy value": (
        lambda: fc(num_hidden="1.5"), AttributeValueError, ["FullyConnected 'fc'", "num_hidden='1.5'", "expected int"]),
    "unknown choice": (
        lambda: mx.sym.Activation(mx.sym.Variable("x"), act_type="rellu"), AttributeValueError,
        ["act_type='rellu'", "'relu'", "did you mean"]),
    "custom attribute without underscores": (
        lambda: fc(mood="angry"), AttributeValueError, ["mood"]),
    "misspelt operator": (lambda: mx.sym.load_json(fc().tojson().replace("FullyConnected", "FullyConected")),
                          FileFormatError, ["FullyConected", "did you mean 'FullyConnected'"]),
    "missing input": (lambda: mx.nd.FullyConnected(mx.nd.ones((2, 2)), num_hidden=1), InputError,
                      ["FullyConnected needs", "weight, bias", "given data"]),
    "doubled input": (lambda: mx.sym.FullyConnected(mx.sym.Variable("a"), data=mx.sym.Variable("b"), num_hidden=1),
                      InputError, ["'data' is given twice"]),
    "unknown input": (lambda: mx.sym.FullyConnected(mx.sym.Variable("a"), wait=mx.sym.Variable("b"), num_hidden=1,
                                                    name="fc7"), InputError, ["fc7", "'wait'", "weight"]),
    "input of another kind": (lambda: mx.nd.relu([1, 2]), InputError, ["'data' must be an NDArray", "list"]),
    "several outputs for one input": (
        lambda: mx.sym.relu(mx.sym.SliceChannel(mx.sym.Variable("x"), num_outputs=2, name="s")), InputError,
        ["s_output0, s_output1"]),
    "too many positional arguments": (lambda: mx.nd.relu(mx.nd.ones((1,)), 1, 2), InputError, ["at most 1", "got 3"]),
    "conflicting shapes": (mismatch_deep_in_the_graph, ShapeError, ["_plus0", "(2, 8)", "(2, 7)"]),
    "conflicting shapes at an argument": (
        lambda: fc().infer_shape(data=(2, 4), fc_weight=(3, 5)), ShapeError,
        ["FullyConnected 'fc'", "'weight'", "(3, 5)", "(3, 4)"]),
    "kernel beyond the image": (
        lambda: mx.sym.Convolution(mx.sym.Variable("x"), kernel=(9, 9), num_filter=1, name="c").infer_shape(
            x=(1, 1, 4, 4)), ShapeError, ["Convolution 'c'", "kernel 9", "(1, 1, 4, 4)"]),
    "two variables of one name": (
        lambda: (mx.sym.Variable("x") + mx.sym.Variable("x")).simple_bind(mx.cpu(), x=(2,)), InputError,
        ["several variables are called x"]),
    "unknown shape": (lambda: fc().simple_bind(mx.cpu()), ShapeError, ["data", "nothing known"]),
    "unknown argument": (lambda: fc().infer_shape(dato=(2, 4)), InputError, ["'dato'", "did you mean 'data'"]),
    "arrays of another shape, array": (lambda: mx.nd.ones((2, 3)) + mx.nd.ones((2, 4)), MXNetError,
                                       ["(2, 3)", "(2, 4)"]),
    "batch that cannot be bound": (
        lambda: module(**BOUND).forward(batch(2, 5)), ShapeError, ["(2, 5)", "(2, 4)", "fc"]),
    "batch with an array too many": (
        lambda: module(**BOUND).forward(mx.io.DataBatch([mx.nd.zeros((2, 4))] * 2)), InputError,
        ["2 data array(s)", "takes 1", "data"]),
    "label of another shape": (
        lambda: mx_labelled().forward(mx.io.DataBatch([mx.nd.zeros((4, 3))], [mx.nd.zeros((4, 1))])), ShapeError,
        ["label 'label'", "(4,)", "(4, 1)"]),
    "bind without a shape": (lambda: module(data_shapes=[("dada", (2, 4))]), InputError, ["dada", "data"]),
    "data name that is no argument": (
        lambda: mx.mod.Module(fc(), data_names=["image"], label_names=None), InputError, ["'image'", "data"]),
    "forward before bind": (lambda: module().forward(batch(2, 4)), StateError, ["forward() needs bind() first"]),
    "forward before init_params": (lambda: bound_only().forward(batch(2, 4)), StateError,
                                   ["forward() needs init_params() first"]),
    "init_params before bind": (lambda: module().init_params(), StateError, ["init_params() needs bind() first"]),
    "init_optimizer before init_params": (lambda: bound_only().init_optimizer(), StateError,
                                          ["init_optimizer() needs init_params() first"]),
    "update before init_optimizer": (lambda: module(**BOUND).update(), StateError,
                                     ["update() needs init_optimizer() first"]),
    "borrow_optimizer from a module without": (lambda: module(**BOUND).borrow_optimizer(module(**BOUND)), StateError,
                                               ["the other module needs init_optimizer() first"]),
    "backward before forward": (lambda: module(**BOUND).backward(), StateError, ["backward() needs forward() first"]),
    "executor's backward before forward": (lambda: fc().simple_bind(mx.cpu(), data=(2, 4)).backward(), StateError,
                                           ["backward() needs forward() first"]),
    "backward without head gradients": (lambda: forwarded(lambda m: m.backward()), MXNetError,
                                        ["head gradient", "'fc_output'", "MakeLoss"]),
    "head gradient of another shape": (lambda: forwarded(lambda m: m.backward([mx.nd.ones((3, 2))])), ShapeError,
                                       ["'fc_output'", "(3, 2)", "(2, 3)"]),
    "too many head gradients": (lambda: forwarded(lambda m: m.backward([mx.nd.ones((2, 3))] * 2)), InputError,
                                ["2 head gradients", "fc_output"]),
    "get_input_grads without asking": (lambda: forwarded(lambda m: m.get_input_grads()), StateError,
                                       ["inputs_need_grad=True"]),
    "an unknown wish": (lambda: forwarded(lambda m: m.backward([mx.nd.ones((2, 3))], wanted="input")), InputError,
                        ["wanted='input'", "inputs"]),
    "backward after the last": (
        lambda: forwarded(lambda m: [m.backward([mx.nd.ones((2, 3))], retain_graph=False) for _ in range(2)]),
        StateError, ["backward() needs forward() first", "retain_graph=False"]),
    "backward for inference": (lambda: forwarded(lambda m: m.backward(), for_training=False), StateError,
                               ["for_training=True"]),
    "set_params with a value missing": (lambda: module(**BOUND).set_params({"fc_weight": mx.nd.ones((3, 4))}, {}),
                                        MXNetError, ["'fc_bias'", "allow_missing=True"]),
    "set_params with another shape": (
        lambda: module(**BOUND).set_params({"fc_weight": mx.nd.ones((3, 5)), "fc_bias": mx.nd.ones((3,))}, {}),
        ShapeError, ["'fc_weight'", "(3, 4)", "(3, 5)"]),
    "set_params with a value too many": (
        lambda: module(**BOUND).set_params({"fc_weight": mx.nd.ones((3, 4)), "fc_bias": mx.nd.ones((3,)),
                                            "other": mx.nd.ones((1,))}, {}, allow_missing=True), InputError,
        ["other", "allow_extra=True"]),
    "unknown optimizer": (lambda: module(**BOUND).init_optimizer(optimizer="adamm"), ValueError,
                          ["adamm", "did you mean 'adam'"]),
    "unknown kvstore": (lambda: mx.kv.create("lokal"), MXNetError, ["'lokal'", "local"]),
    "unknown context": (lambda: mx.Context("tpu"), MXNetError, ["'tpu'", "gpu"]),
    "too many contexts": (
        lambda: mx.mod.Module(fc(), label_names=None, context=[mx.cpu(k) for k in range(3)]).bind(**BOUND), ValueError,
        ["batch of 2", "3 contexts"]),
    "unknown dtype": (lambda: mx.nd.zeros((2,), dtype="float33"), AttributeValueError, ["float33", "float32"]),
    "unknown grad_req": (lambda: fc().simple_bind(mx.cpu(), grad_req="wrte", data=(2, 4)), InputError,
                         ["'wrte'", "write"]),
    "a symbol as a condition": (lambda: bool(fc()), MXNetError, ["no truth value"]),
    "an output that is not there": (lambda: fc().get_internals()["fc_outptu"], ValueError,
                                    ["did you mean 'fc_output'"]),
    "bind without an array": (lambda: fc().bind(mx.cpu(), {"data": mx.nd.ones((2, 4))}), InputError,
                              ["fc_weight, fc_bias"]),
    "bind to arrays that do not fit": (
        lambda: fc().bind(mx.cpu(), [mx.nd.ones((2, 4)), mx.nd.ones((3, 5)), mx.nd.ones((3,))]), ShapeError,
        ["FullyConnected 'fc'", "(3, 5)", "(3, 4)"]),
    "a larger reshape": (lambda: fc().simple_bind(mx.cpu(), data=(2, 4)).reshape(data=(3, 4)), ShapeError,
                         ["'data' grows", "allow_up_sizing=True"]),
}


def mx_labelled():
    net = mx.sym.LogisticRegressionOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1),
                                          mx.sym.Variable("label"))
    made = mx.mod.Module(net, label_names=("label",))
    made.bind([("data", (4, 3))], [("label", (4,))])
    made.init_params()
    return made


def bound_only():
    made = module()
    made.bind(**BOUND)
    return made


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake(name):
    call, kind, fragments = MISTAKES[name]
    with mx.name.NameManager(), pytest.raises(kind) as caught:
        call()
    for fragment in fragments:
        assert fragment in str(caught.value), str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
@pytest.mark.parametrize("call", [
    lambda: mx.nd.zeros((2,), ctx=mx.gpu(0)), lambda: mx.nd.ones((2,)).as_in_context(mx.gpu(0)),
    lambda: fc().simple_bind(mx.gpu(0), data=(2, 4)),
    lambda: mx.mod.Module(fc(), label_names=None, context=mx.gpu(0)).bind(**BOUND)])
def test_a_gpu_that_is_not_there(call):
    with pytest.raises(MXNetError, match=r"gpu\(0\).*no CUDA device.*mx.cpu\(\)"):
        call()


def test_a_module_is_as_it_was_after_a_batch_that_does_not_fit():
    made = module(**BOUND)
    made.forward(mx.io.DataBatch([mx.nd.ones((2, 4))]))
    before = made.get_outputs()[0].asnumpy()
    with pytest.raises(ShapeError):
        made.forward(batch(2, 5))
    made.forward(mx.io.DataBatch([mx.nd.ones((2, 4))]))
    assert made.data_shapes[0].shape == (2, 4)
    np.testing.assert_array_equal(made.get_outputs()[0].asnumpy(), before)


@pytest.mark.parametrize("error", [StateError, ShapeError, InputError, AttributeValueError, FileFormatError])
def test_every_error_is_an_mxnet_error(error):
    assert issubclass(error, mx.MXNetError)


def test_nan_passes_through_an_iterator():
    data = np.full((2, 3), np.nan, np.float32)
    assert np.isnan(mx.io.NDArrayIter(data, batch_size=2).next().data[0].asnumpy()).all()


# --- files -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("text, fragment", [
    ("", "not JSON"), ("{", "not JSON"), ("[1, 2]", "expected an object"),
    ('{"nodes": [], "heads": []}', "not a symbol"),
    ('{"nodes": [{"op": "null", "name": "a", "inputs": []}], "heads": [[5, 0, 0]]}', "node 5"),
    ('{"nodes": [{"op": "null", "name": "a", "inputs": []}], "heads": [[0, 3, 0]]}', "outputs"),
    ('{"nodes": [{"op": "Nothing", "name": "a", "inputs": []}], "heads": [[0, 0, 0]]}', "Nothing"),
    ('{"nodes": [{"op": "relu", "name": "a", "inputs": [[0, 0, 0]]}], "heads": [[0, 0, 0]]}', "refers to node 0"),
    ('{"nodes": [{"op": "relu", "name": "a", "inputs": []}], "heads": [[0, 0, 0]]}', "0 inputs, expected 1"),
    ('{"nodes": [{"name": "a", "inputs": []}], "heads": [[0, 0, 0]]}', "malformed"),
    ('{"nodes": [7], "heads": [[0, 0, 0]]}', "malformed"), ("[" * 100000, "not JSON"),
    ('{"nodes": [{"op": "null", "name": "a", "inputs": []}], "heads": {"a": 1}}', "malformed")])
def test_symbol_files(tmp_path, text, fragment):
    path = tmp_path / "broken-symbol.json"
    path.write_text(text)
    with pytest.raises(FileFormatError) as caught:
        mx.sym.load(str(path))
    assert fragment in str(caught.value) and str(path) in str(caught.value)


def test_a_checkpoint_cut_short(tmp_path):
    prefix = str(tmp_path / "net")
    made = module(**BOUND)
    made.save_checkpoint(prefix, 1)
    whole = (tmp_path / "net-0001.params").read_bytes()
    for length in (0, 7, 20, len(whole) // 2, len(whole) - 1):
        (tmp_path / "net-0001.params").write_bytes(whole[:length])
        with pytest.raises(FileFormatError, match="net-0001.params"):
            mx.mod.Module.load(prefix, 1)


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "net-symbol.json"
    fc().save(str(path))
    before = path.read_bytes()

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        fc("other").save(str(path))
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["net-symbol.json"]
