"""Operators of one's own: how often they are called, what they may do, what stays behind."""
from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import torch

import ganmod as mx
from ganmod.ops import custom, table
from ganmod.ops.registry import Operator
from ganmod.symbol.symbol import apply


class Scale(mx.operator.CustomOp):
    """``factor x``, and a count of its calls."""

    def __init__(self, prop, ctx, shapes, dtypes):
        self.prop, self.ctx = prop, ctx
        self.calls = prop.calls
        self.calls.append(("create", ctx, shapes, dtypes))

    def forward(self, is_train, req, in_data, out_data, aux):
        self.calls.append(("forward", is_train, list(req)))
        if self.prop.fail == "forward":
            self.broken()
        self.assign(out_data[0], req[0], in_data[0] * self.prop.factor)
        if aux:
            aux[0][:] += 1

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        self.calls.append(("backward", list(req)))
        if self.prop.fail == "backward":
            self.broken()
        self.assign(in_grad[0], req[0], out_grad[0] * self.prop.factor)
        if aux:
            aux[0][:] += 10

    def broken(self):
        raise RuntimeError("the user's own mistake")


CALLS: list[tuple] = []


@mx.operator.register("scale")
class ScaleProp(mx.operator.CustomOpProp):
    """With `state`, one auxiliary state counts the calls."""

    def __init__(self, factor="3", state="no", fail=""):
        super().__init__()
        self.factor, self.state, self.fail, self.calls = float(factor), state == "yes", fail, CALLS

    def list_auxiliary_states(self):
        return ["count"] if self.state else []

    def infer_shape(self, in_shape):
        return in_shape, [in_shape[0]], [[1]] * self.state

    def create_operator(self, ctx, in_shapes, in_dtypes):
        return Scale(self, ctx, in_shapes, in_dtypes)


class Two(mx.operator.CustomOp):
    """A loss over two inputs whose backward ignores the head gradient, as in a discriminator's hinge."""

    def forward(self, is_train, req, in_data, out_data, aux):
        self.assign(out_data[0], req[0], in_data[0] - in_data[1])

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        CALLS.append(("two", list(req), [g.shape for g in out_grad]))
        out_data[0][:] *= 2                              # which nobody else should see
        self.assign(in_grad[0], req[0], out_data[0])
        self.assign(in_grad[1], req[1], -out_data[0])


@mx.operator.register("two")
class TwoProp(mx.operator.CustomOpProp):
    """Needs no head gradient."""

    def __init__(self):
        super().__init__(need_top_grad=False)

    def list_arguments(self):
        return ["data", "label"]

    def create_operator(self, ctx, in_shapes, in_dtypes):
        return Two()

    def infer_shape(self, in_shape):
        return [in_shape[0], in_shape[0]], [in_shape[0]]


@pytest.fixture(autouse=True)
def calls():
    """The calls that the operators of this file recorded."""
    CALLS.clear()
    return CALLS


def scaled(**attributes):
    return mx.sym.Custom(mx.sym.Variable("x"), op_type="scale", name="scale", **attributes)


def bound(symbol, ctx=None, **settings):
    executor = symbol.simple_bind(ctx or mx.cpu(), x=(2, 3), **settings)
    executor.arg_dict["x"][:] = 1
    return executor


# --- calls ------------------------------------------------------------------------------------------------------------

def test_each_call_is_made_once(calls):
    executor = bound(mx.sym.Activation(scaled() + 1, act_type="tanh"))
    for _ in range(2):
        executor.forward(is_train=True)
        executor.backward(mx.nd.ones((2, 3)))
    executor.backward(mx.nd.ones((2, 3)))
    executor.forward(is_train=False)
    assert [c[0] for c in calls] == ["create", "forward", "backward", "forward", "backward", "backward", "forward"]
    assert calls[0] == ("create", mx.cpu(), [[2, 3]], [0])
    assert [c[1] for c in calls if c[0] == "forward"] == [True, True, False]


def test_the_rest_of_the_graph_is_recorded():
    executor = bound(mx.sym.Activation(scaled() + 1, act_type="tanh"))
    executor.forward(is_train=True)
    code = executor.debug_str()
    for called in ("python_forward", "python_backward"):
        assert code.count(f"ganmod.{called}") == 1
    assert "aten.tanh" in code and "not recorded" not in code


def test_only_wanted_gradients_are_asked_for(calls):
    net = mx.sym.Custom(mx.sym.Variable("x") * 2, mx.sym.Variable("y") * 2, op_type="two", name="two")
    executor = bound(net)
    executor.forward(is_train=True)
    executor.backward()
    executor.backward(wanted=["y"])
    executor = bound(net, grad_req={"x": "write", "y": "null"})
    executor.forward(is_train=True)
    executor.backward()
    assert [c[1] for c in calls if c[0] == "two"] == [["write", "write"], ["null", "write"], ["write", "null"]]


def test_gradients_are_added_outside():
    executor = bound(scaled(), grad_req="add")
    executor.forward(is_train=True)
    for _ in range(3):
        executor.backward(mx.nd.ones((2, 3)))
    assert executor.grad_dict["x"].asnumpy().tolist() == [[9.0] * 3] * 2


def test_a_backward_that_writes_to_outputs_leaves_the_executors_alone():
    executor = bound(mx.sym.Custom(mx.sym.Variable("x"), op_type="two", name="two"))
    executor.forward(is_train=True)
    for _ in range(2):
        executor.backward()
    assert executor.outputs[0].asnumpy().tolist() == [[1.0] * 3] * 2
    assert executor.grad_dict["x"].asnumpy().tolist() == [[2.0] * 3] * 2


def test_reshaping_makes_another_instance(calls):
    executor = bound(scaled())
    executor.forward()
    other = executor.reshape(x=(1, 3))
    other.forward()
    executor.forward()
    assert [c[2] for c in calls if c[0] == "create"] == [[[2, 3]], [[1, 3]]]


def test_executors_of_one_symbol_have_instances_of_their_own(calls):
    net = scaled()
    for ctx in (mx.cpu(0), mx.cpu(1)):
        assert bound(net, ctx).forward()[0].context == ctx
    assert [c[1] for c in calls if c[0] == "create"] == [mx.cpu(0), mx.cpu(1)]


# --- states -----------------------------------------------------------------------------------------------------------

def test_states_change_in_place_and_stay():
    executor = bound(scaled(state="yes"))
    state = executor.aux_dict["scale_count"]
    seen = []
    for training in (True, False):
        executor.forward(is_train=training)
        seen.append(state.asscalar())
    executor.forward(is_train=True)
    executor.backward(mx.nd.ones((2, 3)))
    executor.backward(mx.nd.ones((2, 3)))
    assert seen + [state.asscalar()] == [1, 2, 23]
    executor.forward(is_train=False)
    executor.backward(mx.nd.ones((2, 3)))                 # runs the forward again, whose changes do not count
    assert state.asscalar() == 34


# --- with the rest of the library -------------------------------------------------------------------------------------

@pytest.mark.parametrize("contexts", [1, 3])
def test_in_a_module(contexts):
    data = np.random.RandomState(0).standard_normal((24, 5)).astype(np.float32)
    label = data[:, :2] * 2
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc")
    net = mx.sym.Custom(net, mx.sym.Variable("label"), op_type="two", name="loss")
    module = mx.mod.Module(net, label_names=["label"], context=[mx.cpu(k) for k in range(contexts)])
    batches = mx.io.NDArrayIter(data, label, batch_size=12, label_name="label")
    module.bind(batches.provide_data, batches.provide_label)
    module.init_params(mx.init.Normal(0.1))
    module.init_optimizer(optimizer_params={"learning_rate": 0.1})
    for _ in range(60):
        batches.reset()
        for batch in batches:
            module.forward_backward(batch)
            module.update()
    weight = module.get_params()[0]["fc_weight"].asnumpy()
    np.testing.assert_allclose(weight, 2 * np.eye(2, 5), atol=1e-3)


def test_monitors_see_it_and_change_nothing(calls):
    executor, seen = bound(scaled() * 2), []
    executor.set_monitor_callback(lambda name, array: seen.append(name), monitor_all=True)
    executor.forward(is_train=True)
    executor.backward(mx.nd.ones((2, 3)))
    assert "scale_output" in seen and "scale_data" in seen
    assert [c[0] for c in calls] == ["create", "forward", "backward"]
    assert executor.grad_dict["x"].asnumpy().tolist() == [[6.0] * 3] * 2


def test_where_nothing_can_be_recorded():
    positive = Operator(lambda data: data[data > 0], "positive", traceable=False)
    net = apply(positive, "positive", [scaled(state="yes")], {})
    executor = bound(mx.sym.sum(net))
    executor.arg_dict["x"][:] = mx.nd.array([[1, -1, 2], [-3, 4, 5]])
    executor.forward(is_train=True)
    executor.backward(mx.nd.ones((1,)))
    assert "not recorded" in executor.debug_str()
    assert executor.outputs[0].asscalar() == 36
    assert executor.grad_dict["x"].asnumpy().tolist() == [[3, 0, 3], [0, 3, 3]]
    assert executor.aux_dict["scale_count"].asscalar() == 1


def test_its_code_may_bind_and_record():
    @mx.operator.register("nested")
    class Nested(mx.operator.CustomOpProp):
        def create_operator(self, ctx, in_shapes, in_dtypes):
            class Cube(mx.operator.CustomOp):
                inner = (mx.sym.Variable("a") ** 3).simple_bind(ctx, a=tuple(in_shapes[0]))

                def forward(self, is_train, req, in_data, out_data, aux):
                    self.assign(out_data[0], req[0], self.inner.forward(is_train=True, a=in_data[0])[0])

                def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
                    x = in_data[0].copy()
                    x.attach_grad()
                    with mx.autograd.record():
                        y = mx.nd.Custom(x, op_type="scale", factor=1) ** 3
                    y.backward(out_grad[0])
                    self.inner.backward(out_grad[0])
                    self.assign(in_grad[0], req[0], (self.inner.grad_dict["a"] + x.grad) / 2)
            return Cube()

    executor = bound(mx.sym.Custom(mx.sym.Variable("x"), op_type="nested") * 2)
    executor.arg_dict["x"][:] = 2
    executor.forward(is_train=True)
    executor.backward(mx.nd.ones((2, 3)))
    assert executor.outputs[0].asnumpy().tolist() == [[16.0] * 3] * 2
    assert executor.grad_dict["x"].asnumpy().tolist() == [[24.0] * 3] * 2


def test_in_imperative_code(calls):
    x, count = mx.nd.array([[1, 2]]), mx.nd.zeros((1,))
    x.attach_grad()
    with mx.autograd.record():
        y = mx.nd.Custom(x, count, op_type="scale", factor=4, state="yes")
        z = (y * y).sum()
    z.backward()
    assert x.grad.asnumpy().tolist() == [[32, 64]] and count.asscalar() == 11
    assert [c[0] for c in calls] == ["create", "forward", "backward"]
    with mx.autograd.record(train_mode=False):
        mx.nd.Custom(data=x, count=count, op_type="scale", state="yes")
    mx.nd.Custom(x, op_type="scale")
    assert [c[1] for c in calls if c[0] == "forward"] == [True, False, False]


def test_numpy_arrays_on_any_layout():
    class Rows(mx.operator.NumpyOp):
        def forward(self, in_data, out_data):
            out_data[0][:] = in_data[0] * 2

        def backward(self, out_grad, in_data, out_data, in_grad):
            in_grad[0][:] = out_grad[0] * 2

    with pytest.warns(UserWarning, match="deprecated"):
        net = mx.sym.transpose(Rows()(mx.sym.transpose(mx.sym.Variable("x")), name="rows"))
    executor = bound(mx.sym.broadcast_mul(net, mx.sym.Variable("w", shape=(1, 3))))
    executor.arg_dict["w"][:] = mx.nd.array([[1, 2, 3]])
    executor.forward(is_train=True)
    executor.backward(mx.nd.ones((2, 3)))
    assert executor.grad_dict["x"].asnumpy().tolist() == [[2, 4, 6]] * 2


# --- what is left -----------------------------------------------------------------------------------------------------

def test_nothing_is_left_of_executors():
    executor = bound(scaled())
    executor.forward(is_train=True)
    executor.backward(mx.nd.ones((2, 3)))
    left = [weakref.ref(executor), weakref.ref(executor._symbol.entries[0].node),
            weakref.ref(next(iter(executor._instances._made.values()))[1]._op)]
    CALLS.clear()
    del executor
    gc.collect()
    assert [ref() for ref in left] == [None] * 3


def test_a_thousand_binds_leave_nothing():
    def once():
        net = scaled()
        executor = net.simple_bind(mx.cpu(), x=(1,), grad_req="null")
        executor.forward()
        CALLS.clear()

    once()
    gc.collect()
    before = len(custom._numbered), count_tensors()
    for _ in range(1000):
        once()
    gc.collect()
    assert (len(custom._numbered), count_tensors()) == before


def count_tensors():
    return sum(issubclass(type(o), torch.Tensor) for o in gc.get_objects())


def test_the_table_lists_them():
    assert {"Custom", "_Native", "_NDArray"} <= table().keys()
    assert mx.operator.get_all_registered_operators() == sorted(table())
    assert mx.operator.get_operator_arguments("Activation") == (
        2, ["data", "act_type"], ["NDArray-or-Symbol", "{'relu', 'sigmoid', 'softrelu', 'softsign', 'tanh'}, required"])
