"""Recorded programs: what they compute, what they leave out, what they keep."""
import gc
import weakref

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import fx

import ganmod as mx
from ganmod.executor import delivery, trace
from ganmod.executor.lower import lower
from ganmod.executor.options import USUAL, Options
from ganmod.executor.placement import Placement
from ganmod.ops import registry


def convolutional():
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=4, name="c1")
    net = mx.sym.BatchNorm(net, fix_gamma=False, name="bn")
    net = mx.sym.LeakyReLU(net, slope=0.2, name="act")
    net = mx.sym.Convolution(net, kernel=(3, 3), num_filter=2, no_bias=True, name="c2")
    return mx.sym.LogisticRegressionOutput(mx.sym.FullyConnected(net, num_hidden=1, name="fc"), name="out")


def filled(symbol, ctx=None, **shapes):
    executor = symbol.simple_bind(ctx or mx.cpu(), **shapes)
    mx.random.seed(7)
    for array in executor.arg_arrays:
        array[:] = mx.nd.random.normal(0, 1, shape=array.shape, ctx=array.context)
    return executor


def recorded(executor):
    """The targets of each recorded backward program's nodes, by wish."""
    return {wish: [node.target for node in program.graph.nodes]
            for programs in executor._programs.values() for wish, program in programs._backward.items()}


def test_gradients_equal_autograd_to_the_bit(ctx):
    executor = filled(convolutional(), ctx, data=(3, 2, 8, 8))
    executor.forward(is_train=True)
    executor.backward()
    args = {k: v.as_torch().clone().requires_grad_(k != "out_label") for k, v in executor.arg_dict.items()}
    x = F.conv2d(args["data"], args["c1_weight"], args["c1_bias"])
    x = torch.native_batch_norm(x, args["bn_gamma"], args["bn_beta"], None, None, True, 0.0, 1e-3)[0]
    x = F.conv2d(F.leaky_relu(x, 0.2), args["c2_weight"])
    x = F.linear(x.flatten(1), args["fc_weight"], args["fc_bias"])
    (torch.sigmoid(x).detach() - args["out_label"][:, None]).mul(x).sum().backward()
    assert torch.equal(executor.outputs[0].as_torch(), torch.sigmoid(x))
    for name, array in executor.grad_dict.items():
        if name != "out_label":
            assert torch.equal(array.as_torch(), args[name].grad), name


def test_only_wanted_gradients_are_computed_and_written():
    executor = filled(convolutional(), data=(3, 2, 8, 8))
    executor.forward(is_train=True)
    executor.backward()
    everything = {k: v.asnumpy() for k, v in executor.grad_dict.items()}
    for array in executor.grad_arrays:
        array[:] = -1
    executor.backward(wanted=["data"])
    for name, array in executor.grad_dict.items():
        expected = everything[name] if name == "data" else np.full(array.shape, -1, np.float32)
        np.testing.assert_array_equal(array.asnumpy(), expected)
    only_data = next(p for w, p in next(iter(executor._programs.values()))._backward.items() if len(w[0]) == 1)
    masks = [n.args[-1] for n in only_data.graph.nodes if n.target is trace.aten.convolution_backward.default]
    assert masks == [[True, False, False]] * 2
    targets = recorded(executor)
    assert min(map(len, targets.values())) < max(map(len, targets.values()))


def test_parameters_alone_leave_out_the_first_input_gradient():
    executor = filled(convolutional(), data=(3, 2, 8, 8))
    executor.forward(is_train=True)
    executor.backward(wanted=[n for n in executor.arg_dict if n not in ("data", "out_label")])
    program = next(iter(next(iter(executor._programs.values()))._backward.values())).graph
    masks = [n.args[-1] for n in program.nodes if n.target is trace.aten.convolution_backward.default]
    assert masks == [[True, True, False], [False, True, True]]


@pytest.mark.parametrize("options", [USUAL, Options(None, True)], ids=["interpreted", "compiled"])
def test_the_last_backward_lets_go_what_was_saved(monkeypatch, options):
    """It gives the same gradients, and needs another forward after it."""
    monkeypatch.setattr(trace, "_compiled", lambda part, mode: fx.GraphModule({}, part))
    executor = filled(convolutional(), data=(3, 2, 8, 8), options=options)
    executor.forward(is_train=True)
    executor.backward()
    everything = {k: v.asnumpy() for k, v in executor.grad_dict.items()}
    for is_train in (True, False):
        executor.forward(is_train=is_train)
        shown = {id(handle.as_torch()) for handle in executor.outputs}
        saved = [weakref.ref(value) for value in executor._last.saved if id(value) not in shown]
        assert bool(saved) == is_train
        executor.backward(retain_graph=False)
        assert not any(value() is not None for value in saved)
        with pytest.raises(mx.base.StateError, match="retain_graph=False"):
            executor.backward()
    executor.forward(is_train=True)
    executor.backward(retain_graph=False)
    for name, array in executor.grad_dict.items():
        np.testing.assert_array_equal(array.asnumpy(), everything[name])


def test_inference_keeps_nothing():
    executor = filled(convolutional(), data=(3, 2, 8, 8))
    executor.forward(is_train=False)
    assert executor._last.saved == []
    executor.forward(is_train=True)
    assert executor._last.saved


def test_programs_are_recorded_once_for_each_mode_and_shape(monkeypatch):
    made = []
    monkeypatch.setattr("ganmod.executor.fastest.record", lambda *a: made.append(a) or trace.record(*a))
    executor = filled(convolutional(), data=(4, 2, 8, 8))
    for _ in range(3):
        executor.forward(is_train=True)
        executor.backward()
        executor.forward(is_train=False)
    assert len(made) == 2
    smaller = executor.reshape(data=(2, 2, 8, 8), out_label=(2,), partial_shaping=True)
    smaller.forward(is_train=True)
    back = smaller.reshape(data=(4, 2, 8, 8), out_label=(4,), partial_shaping=True, allow_up_sizing=True)
    back.forward(is_train=True)
    assert len(made) == 3


def test_dropout_draws_anew_repeats_under_a_seed_and_is_the_same_backwards():
    executor = mx.sym.Dropout(mx.sym.Variable("x"), p=0.5).simple_bind(mx.cpu(), x=(50, 50))
    executor.arg_dict["x"][:] = 1
    mx.random.seed(3)
    first = executor.forward(is_train=True)[0].asnumpy()
    executor.backward(mx.nd.ones((50, 50)))
    np.testing.assert_array_equal(executor.grad_dict["x"].asnumpy(), first)
    second = executor.forward(is_train=True)[0].asnumpy()
    mx.random.seed(3)
    again = executor.forward(is_train=True)[0].asnumpy()
    assert (first != second).any() and (first == again).all()
    assert set(np.unique(first)) == {0, 2} and abs(first.mean() - 1) < 0.1
    np.testing.assert_array_equal(executor.forward(is_train=False)[0].asnumpy(), np.ones((50, 50)))


def test_views_of_what_lies_otherwise_than_recorded():
    """The gradient of a dropout lies as the head gradient does, here transposed, and not as torch foretells."""
    net = mx.sym.Dropout(mx.sym.Reshape(mx.sym.Variable("x"), shape=(2, 4, 5)), p=0.5)
    executor = mx.sym.SwapAxis(net, dim1=1, dim2=2).simple_bind(mx.cpu(), x=(2, 20))
    executor.arg_dict["x"][:] = 1
    kept = executor.forward(is_train=True)[0].asnumpy()
    executor.backward(mx.nd.ones((2, 5, 4)))
    np.testing.assert_array_equal(executor.grad_dict["x"].asnumpy(), kept.transpose(0, 2, 1).reshape(2, 20))


@pytest.fixture
def define():
    """Define an operator for the time of a test."""
    names = []

    def define(name, function, **settings):
        names.append(name)
        return registry.operator(name, **settings)(function)

    yield define
    for name in names:
        del registry._TABLE[name]


def test_what_says_it_cannot_be_recorded_runs_node_by_node(define):
    """An operator whose output's shape depends on values."""
    positive = define("_test_positive_part", lambda data: data[data > 0], traceable=False)
    net = mx.sym.apply(positive, "positive", (mx.sym.Dropout(mx.sym.Variable("x") * 2, p=0.5),), {})
    executor = net.bind(mx.cpu(), {"x": mx.nd.array([-1.0, 1, 2, 3, 4, 5, 6, 7])}, {"x": mx.nd.zeros((8,))})
    mx.random.seed(1)
    kept = executor.forward(is_train=True)[0].asnumpy()
    executor.backward(mx.nd.ones(kept.shape))
    np.testing.assert_array_equal(executor.grad_dict["x"].asnumpy() > 0, np.isin(np.arange(8) * 4.0, kept))
    assert 0 < len(kept) < 7 and "node by node" in executor.debug_str()
    executor.backward(mx.nd.ones(kept.shape), retain_graph=False)
    with pytest.raises(mx.base.StateError):
        executor.backward(mx.nd.ones(kept.shape))


def test_what_turns_out_not_to_be_recordable_runs_node_by_node(define):
    """An operator that branches on a value."""
    doubled = define("_test_doubled", lambda data: data * 2 if bool(data.max() > 0) else data,
                     shapes=registry.elementwise)
    executor = mx.sym.apply(doubled, "doubled", (mx.sym.Variable("x"),), {}).simple_bind(mx.cpu(), x=(2,))
    for value, slope in ((3, 2), (-3, 1)):
        out = executor.forward(is_train=True, x=[value, -4])[0].asnumpy()
        executor.backward(mx.nd.ones((2,)))
        assert out.tolist() == [slope * value, slope * -4]
        assert executor.grad_dict["x"].asnumpy().tolist() == [slope, slope]


@pytest.mark.parametrize("branches", [False, True], ids=["recorded", "node by node"])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_gradients_do_not_depend_on_torch_s_modes(define, mode, branches):
    cubed = define("_test_cubed", lambda data: data ** 3 if not branches or bool(data.max() > 0) else data,
                   shapes=registry.elementwise)
    executor = mx.sym.apply(cubed, "cubed", (mx.sym.Variable("x"),), {}).simple_bind(mx.cpu(), x=(2,))
    with mode():
        executor.forward(is_train=True, x=[1, -2])
        executor.backward(mx.nd.ones((2,)))
    assert executor.grad_dict["x"].asnumpy().tolist() == [3, 12]


def test_both_kinds_of_programs_agree():
    symbol = convolutional()
    recorded_, eager = filled(symbol, data=(3, 2, 8, 8)), filled(symbol, data=(3, 2, 8, 8))
    eager._made = lambda symbol, training, structure: trace.EagerPrograms(
        lower(symbol, training, Placement(symbol, mx.cpu())), structure.wanted)
    for executor in (recorded_, eager):
        executor.forward(is_train=True)
        executor.backward()
    for one, other in zip(recorded_.grad_arrays + recorded_.aux_arrays, eager.grad_arrays + eager.aux_arrays):
        np.testing.assert_array_equal(one.asnumpy(), other.asnumpy())


def test_a_forward_that_writes_in_place_is_recorded_without_writing():
    def write(arguments, states):
        x, = arguments
        y = x * 2
        y[0] = 0
        return [y], {}

    x = torch.arange(3.0)
    programs = trace.record(write, trace.Structure([x], [], (0,), [torch.ones(3)]))
    result = programs.forward([x], [])
    assert result.outputs[0].tolist() == [0, 2, 4]
    target = torch.ones(3)
    programs.backward([x], [], [torch.ones(3)], result.saved, (0,), [target], (False,))
    assert target.tolist() == [0, 2, 2]


@pytest.mark.parametrize("backward", [True, False])
def test_memory_stays_flat(backward):
    executor = filled(convolutional(), data=(3, 2, 8, 8))

    def tensors():
        gc.collect()
        return sum(issubclass(type(o), torch.Tensor) for o in gc.get_objects())

    counts = []
    for calls in (10, 490, 500):
        for _ in range(calls):
            executor.forward(is_train=True)
            if backward:
                executor.backward()
        counts.append(tensors())
    assert counts[1] == counts[2] <= counts[0]


def test_a_result_that_is_an_argument_may_be_written_to():
    x = mx.sym.Variable("x")
    executor = mx.sym.Group([x, mx.sym.BlockGrad(x)]).simple_bind(mx.cpu(), x=(2,))
    for output in executor.forward(is_train=True, x=[1, 2]):
        output += 5
    assert executor.arg_dict["x"].asnumpy().tolist() == [1, 2]


def test_fix_gamma_sets_gamma_to_one():
    executor = mx.sym.BatchNorm(mx.sym.Variable("x"), name="bn").simple_bind(mx.cpu(), x=(4, 2))
    executor.arg_dict["bn_gamma"][:] = 3
    executor.forward(is_train=True, x=mx.nd.random.normal(shape=(4, 2)))
    executor.backward(mx.nd.ones((4, 2)))
    assert executor.arg_dict["bn_gamma"].asnumpy().tolist() == [1, 1]
    assert executor.grad_dict["bn_gamma"].asnumpy().tolist() == [0, 0]


def test_the_program_can_be_read():
    executor = filled(convolutional(), data=(3, 2, 8, 8))
    executor.forward(is_train=True)
    text = executor.debug_str()
    assert "Op:Convolution, Name=c1" in text and "aten.convolution_backward" in text


@pytest.mark.parametrize("grad_req", ["write", "add"])
def test_large_gradients_do_not_wait_for_the_end(monkeypatch, grad_req):
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="a")
    net = mx.sym.FullyConnected(mx.sym.Activation(net, act_type="tanh"), num_hidden=2, name="b")
    net = mx.sym.Group([net, mx.sym.BlockGrad(mx.sym.Variable("blocked"))])
    made = []
    for large in (1, 10**9):
        monkeypatch.setattr(delivery, "_LARGE", large)
        executor = net.simple_bind(mx.cpu(), grad_req=grad_req, data=(3, 5), blocked=(2,))
        for k, array in enumerate(executor.arg_arrays):
            array[:] = mx.nd.array(np.random.RandomState(k).randn(*array.shape))
        for array in executor.grad_arrays:
            array[:] = 7
        executor.forward(is_train=True)
        executor.backward([mx.nd.ones((3, 2)), mx.nd.ones((2,))])
        made.append({name: array.asnumpy() for name, array in executor.grad_dict.items()})
        program = next(iter(next(iter(executor._programs.values()))._backward.values())).graph
        delivered = [n for n in program.nodes if n.target in (delivery.write, trace.aten.mm.out)]
        in_place = [n for n in delivered if n.target is trace.aten.mm.out]
        assert len(in_place) == (3 if grad_req == "write" else 0)     # both weights' and the data's
        assert len(delivered) - len(in_place) == (1 if large > 1 else 6 - len(in_place))     # biases' too, and zeros
    for name, array in made[0].items():
        np.testing.assert_array_equal(array, made[1][name])
    np.testing.assert_array_equal(made[0]["blocked"], 7 if grad_req == "add" else 0)


def test_a_head_that_is_itself_to_be_written():
    x = mx.sym.Variable("x")
    executor = mx.sym.FullyConnected(x * x, mx.sym.Variable("w"), no_bias=True, num_hidden=2).simple_bind(
        mx.cpu(), x=(2, 2), w=(2, 2))
    executor.arg_dict["x"][:], executor.arg_dict["w"][:] = mx.nd.array([[1, 2], [3, 4]]), mx.nd.array([[1, 0], [2, 1]])
    executor.forward(is_train=True)
    found = []
    for head in (mx.nd.array([[1, 2], [3, 4]]), executor.grad_dict["x"]):
        head[:] = mx.nd.array([[1, 2], [3, 4]])
        executor.backward([head])
        found.append([executor.grad_dict[n].asnumpy() for n in ("x", "w")])
    np.testing.assert_array_equal(found[0], found[1])
