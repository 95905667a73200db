"""What a bind may ask for beyond MXNet: computing in 16 bits, and torch's compiler."""
import shutil

import numpy as np
import pytest
import torch

import ganmod as mx
from ganmod import engine
from ganmod.base import InputError
from ganmod.executor import kernels, trace

needs_compiler = pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="needs a C++ compiler")


def network():
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(4, 4), stride=(2, 2), pad=(1, 1), num_filter=6, name="c")
    net = mx.sym.LeakyReLU(mx.sym.BatchNorm(net, fix_gamma=False, name="bn"), slope=0.2)
    net = mx.sym.FullyConnected(mx.sym.Flatten(net), num_hidden=5, name="fc")
    return mx.sym.LogisticRegressionOutput(net, mx.sym.Variable("label"), name="out")


def trained(contexts=None, **settings):
    """A module after a step, and what it computes then."""
    module = mx.mod.Module(network(), label_names=["label"], context=contexts)
    module.bind([("data", (4, 3, 8, 8))], [("label", (4, 5))], inputs_need_grad=True, **settings)
    rng = np.random.default_rng(0)
    start = {n: mx.nd.array(0.3 * rng.standard_normal(shape)) for n, shape in
             zip(network().list_arguments(), network().infer_shape(data=(4, 3, 8, 8))[0]) if n not in ("data", "label")}
    module.init_params(arg_params=start, aux_params=None)
    module.init_optimizer(optimizer="sgd", optimizer_params={"learning_rate": 0.1})
    batch = mx.io.DataBatch([mx.nd.array(rng.standard_normal((4, 3, 8, 8)))], [mx.nd.array(rng.random((4, 5)))])
    for _ in range(2):
        module.forward(batch, is_train=True)
        module.backward()
        module.update()
    group = module._exec_group
    found = {"output": module.get_outputs()[0], "to data": module.get_input_grads()[0],
             **{f"to {n}": a[0] for n, a in zip(group.param_names, group.grad_arrays)}, **module.get_params()[0],
             **module.get_params()[1]}
    return module, {n: a.asnumpy() for n, a in found.items()}


def error(found, expected):
    """The largest relative error of an array."""
    return max(np.abs(found[n] - e).max() / np.abs(e).max() for n, e in expected.items() if np.abs(e).max() > 1e-3)


@pytest.mark.parametrize("contexts", [None, [mx.cpu(0), mx.cpu(1)]], ids=["one", "two"])
def test_bfloat16(contexts):
    expected = trained(contexts)[1]
    module, found = trained(contexts, mixed_precision="bfloat16")
    assert all(a.dtype == np.float32 for a in found.values())
    assert 0 < error(found, expected) < 0.05
    program = module._exec_group.execs[0].debug_str()
    assert "torch.bfloat16" in program and "torch.bfloat16" not in trained(contexts)[0]._exec_group.execs[0].debug_str()


def test_precision_outlives_a_reshape():
    module, _ = trained(mixed_precision="bfloat16")
    module.reshape([("data", (2, 3, 8, 8))], [("label", (2, 5))])
    module.forward(mx.io.DataBatch([mx.nd.ones((2, 3, 8, 8))], [mx.nd.ones((2, 5))]), is_train=True)
    assert module._exec_group.execs[0]._options.precision is torch.bfloat16


def test_buckets_have_the_same():
    def bucket(length):
        net = mx.sym.FullyConnected(mx.sym.sum(mx.sym.Variable("data"), axis=1), num_hidden=2, name="fc")
        return mx.sym.MakeLoss(net), ["data"], None

    module = mx.mod.BucketingModule(bucket, default_bucket_key=4)
    module.bind([("data", (2, 4, 3))], mixed_precision="bfloat16")
    module.init_params()
    batch = mx.io.DataBatch([mx.nd.ones((2, 2, 3))], [], bucket_key=2, provide_data=[("data", (2, 2, 3))],
                            provide_label=[])
    module.forward(batch, is_train=True)
    assert {m._exec_group.execs[0]._options.precision for m in module._buckets.values()} == {torch.bfloat16}
    assert len(module._buckets) == 2


def test_modules_in_a_row_have_the_same():
    module = mx.mod.SequentialModule()
    for name in ("one", "two"):
        layer = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name=name)
        module.add(mx.mod.Module(layer, label_names=None), auto_wiring=True)
    module.add(mx.mod.PythonLossModule(grad_func=lambda scores, labels: scores.asnumpy()), auto_wiring=True,
               take_labels=True)
    module.bind([("data", (2, 3))], [("softmax_label", (2,))], mixed_precision="bfloat16")
    module.init_params()
    module.forward(mx.io.DataBatch([mx.nd.ones((2, 3))], [mx.nd.zeros((2,))]), is_train=True)
    module.backward()
    executors = [m._exec_group.execs[0] for m in module._modules[:2]]
    assert [e._options.precision for e in executors] == [torch.bfloat16] * 2
    assert all((e.grad_dict["one_weight" if k == 0 else "two_weight"].asnumpy() != 0).any()
               for k, e in enumerate(executors))


@needs_compiler
@pytest.mark.parametrize("contexts", [[mx.cpu()], *([[mx.gpu()]] if torch.cuda.is_available() else [])])
@pytest.mark.parametrize("mode", [True, "reduce-overhead"])
def test_compiled(mode, contexts, caplog):
    expected = trained(contexts)[1]
    with caplog.at_level("INFO"):
        found = trained(contexts, compile=mode)[1]
    assert error(found, expected) < 1e-4
    assert "compiling a program of" in caplog.text


@needs_compiler
@pytest.mark.parametrize("contexts", [[mx.cpu()], *([[mx.gpu()]] if torch.cuda.is_available() else [])])
@pytest.mark.parametrize("faster", [True, False])
def test_compiled_where_that_is_faster(monkeypatch, contexts, caplog, faster):
    """Both are run; what was measured decides, also in a process that is given it."""
    calls = []

    def measure(ways):
        calls.extend(way() for way in ways.values() if "compiled" in ways)
        return {name: 0.5 if (name == "compiled") == faster else 1.0 for name in ways}
    monkeypatch.setattr(kernels, "_timings", {})
    monkeypatch.setattr(kernels, "_measure", measure)
    expected = trained(contexts)[1]
    assert not calls
    for _ in range(2):
        with caplog.at_level("INFO"):
            module, found = trained(contexts, compile="auto")
        assert error(found, expected) < 1e-4 and len(calls) == 2
        programs = list(module._exec_group.execs[0]._programs.values())
        assert [program._compiled for program in programs] == [faster]
        assert ("it is compiled" in caplog.text) == faster and ("left as it is" in caplog.text) != faster
        monkeypatch.setattr(kernels, "_timings", kernels.timings())


def test_without_a_compiler_nothing_is_compiled(monkeypatch, caplog):
    def broken(_graph, _mode):
        def run(*_arrays):
            raise RuntimeError("there is no compiler")
        return run
    monkeypatch.setattr(trace, "_compiled", broken)
    found = trained(compile="auto")[1]
    assert "not compiled: there is no compiler" in caplog.text and error(found, trained()[1]) == 0
    with engine.fast_kernels(False):
        programs = list(trained(compile="auto")[0]._exec_group.execs[0]._programs.values())
    assert [program._compiled for program in programs] == [False]


@pytest.mark.parametrize("mode", [True, "auto"])
def test_python_operators_are_not_compiled(define_doubled, mode):
    executor = mx.mod.Module(mx.sym.Custom(mx.sym.Variable("data"), op_type=define_doubled), label_names=None)
    executor.bind([("data", (2, 2))], compile=mode)
    executor.init_params()
    executor.forward(mx.io.DataBatch([mx.nd.ones((2, 2))]), is_train=True)
    np.testing.assert_array_equal(executor.get_outputs()[0].asnumpy(), np.full((2, 2), 2))


@pytest.fixture
def define_doubled():
    class Doubled(mx.operator.CustomOp):
        def forward(self, is_train, req, in_data, out_data, aux):
            self.assign(out_data[0], req[0], in_data[0] * 2)

        def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
            self.assign(in_grad[0], req[0], out_grad[0] * 2)

    @mx.operator.register("doubled_for_options")
    class DoubledProp(mx.operator.CustomOpProp):
        def create_operator(self, ctx, shapes, dtypes):
            return Doubled()

    return "doubled_for_options"


@pytest.mark.parametrize("settings, message", [
    ({"mixed_precision": "int8"}, "'bfloat16' or 'float16'"),
    ({"compile": "fast"}, "expected one of False, True, 'auto', 'reduce-overhead'")])
def test_other_options_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        trained(**settings)
