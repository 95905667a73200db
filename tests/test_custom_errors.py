"""Operators of one's own: what goes wrong, and how it is said."""
from __future__ import annotations

import gc
import traceback

import numpy as np
import pytest

import ganmod as mx
from ganmod.base import AttributeValueError, FileFormatError, InputError, MXNetError, ShapeError
from ganmod.ops import custom
from tests.test_custom import bound, scaled


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_the_users_exceptions_arrive(where):
    executor = bound(scaled(fail=where) * 2)
    with pytest.raises(RuntimeError, match="the user's own mistake") as caught:
        executor.forward(is_train=True)
        executor.backward(mx.nd.ones((2, 3)))
    check_traceback(caught, f"in {where}() of Custom 'scale' (op_type='scale')")


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_the_users_exceptions_arrive_in_imperative_code(where):
    x = mx.nd.ones((2,))
    x.attach_grad()
    with pytest.raises(RuntimeError, match="the user's own mistake") as caught:
        with mx.autograd.record():
            y = mx.nd.Custom(x, op_type="scale", fail=where)
        y.backward()
    if where == "forward":
        check_traceback(caught, "in forward() of Custom (op_type='scale')")


def check_traceback(caught, note):
    assert str(caught.value) == "the user's own mistake"
    assert "broken" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert not hasattr(caught.value, "add_note") or caught.value.__notes__ == [note]


def test_it_works_again_after_an_exception():
    with pytest.raises(RuntimeError):
        bound(scaled(fail="forward")).forward()
    assert custom._current() is None
    bound(scaled()).forward()


@pytest.mark.parametrize("call, error, message", [
    (lambda f, x: f(x, op_type="scael"), MXNetError, "'scael'.*no operator is registered.*did you mean 'scale'"),
    (lambda f, x: f(x), AttributeValueError, "needs the attribute 'op_type'"),
    (lambda f, x: f(x, op_type="scale", fcator=2), AttributeValueError, "ScaleProp does not take.*'fcator'"),
    (lambda f, x: f(x, x, op_type="scale"), InputError, r"takes 1 inputs \(data\), got 2"),
    (lambda f, x: f(x, data=x, op_type="scale"), InputError, "'data' is given twice"),
    (lambda f, x: f(dta=x, op_type="scale"), InputError, "dta|needs the input"),
])
@pytest.mark.parametrize("face", ["sym", "nd"])
def test_wrong_calls(face, call, error, message):
    if face == "sym":
        function, x = mx.sym.Custom, mx.sym.Variable("x")
    else:
        function, x = mx.nd.Custom, mx.nd.ones((2, 3))
    with pytest.raises(error, match=message):
        call(function, x)


def test_missing_inputs_of_arrays():
    with pytest.raises(InputError, match="needs the input.* label"):
        mx.nd.Custom(mx.nd.ones((2, 3)), op_type="two")


def test_files_that_name_an_unknown_operator(tmp_path):
    path = tmp_path / "net-symbol.json"
    net = mx.sym.load_json(scaled(factor=2).tojson())
    net.save(str(path))
    assert bound(mx.sym.load(str(path))).forward()[0].asnumpy().tolist() == [[2.0] * 3] * 2
    path.write_text(path.read_text().replace('"op_type": "scale"', '"op_type": "elsewhere"'))
    with pytest.raises(FileFormatError, match="net-symbol.json: node 1: Custom 'scale' .op_type='elsewhere'.: no o"):
        mx.sym.load(str(path))


def test_files_cannot_hold_the_older_operators():
    with pytest.warns(UserWarning, match="deprecated"):
        net = mx.operator.NDArrayOp()(mx.sym.Variable("x"), name="old")
    text = net.tojson()
    assert mx.sym.load_json(text).list_outputs() == ["old_output"]
    del net
    gc.collect()
    with pytest.raises(FileFormatError, match="NDArrayOp .* does not live in this process"):
        mx.sym.load_json(text)


@pytest.mark.parametrize("rule, error, message", [
    (lambda s: ([s[0]],), MXNetError, "infer_shape must return 2 or 3 lists, got 1"),
    (lambda s: ([], [s[0]]), MXNetError, r"infer_shape must return 1 entries for the inputs \(data\), got 0"),
    (lambda s: ([s[0]], [s[0]], [s[0]]), MXNetError, r"0 entries for the states \(none\), got 1"),
    (lambda s: ([[7, 3]], [s[0]]), ShapeError, r"Custom 'c'.*'data' has shape \(2, 3\), but must be \(7, 3\)"),
    (lambda s: s["x"], TypeError, "list indices"),
    (lambda s: ([s[0]], [[0]]), ShapeError, "infer_shape leaves the shape of the output 'output' open"),
])
def test_wrong_shape_rules(rule, error, message):
    class Prop(mx.operator.CustomOpProp):
        def infer_shape(self, in_shape):
            return rule(in_shape)

    mx.operator.register("wrong")(Prop)
    with pytest.raises(error, match=message):
        mx.sym.Custom(mx.sym.Variable("x"), op_type="wrong", name="c").infer_shape(x=(2, 3))


def test_dtypes_of_its_own():
    @mx.operator.register("halves")
    class Halves(mx.operator.CustomOpProp):
        def infer_type(self, in_type):
            return in_type, [np.float16], []

        def create_operator(self, ctx, in_shapes, in_dtypes):
            class Copy(mx.operator.CustomOp):
                def forward(self, is_train, req, in_data, out_data, aux):
                    self.assign(out_data[0], req[0], in_data[0])

                def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
                    self.assign(in_grad[0], req[0], out_grad[0])
            return Copy()

    executor = bound(mx.sym.Custom(mx.sym.Variable("x"), op_type="halves"))
    assert executor.outputs[0].dtype == np.float16
    executor.forward(is_train=True)
    executor.backward(mx.nd.ones((2, 3), dtype="float16"))
    assert executor.outputs[0].dtype == np.float16 and executor.grad_dict["x"].dtype == np.float32


def test_nothing_created():
    @mx.operator.register("not created")
    class Prop(mx.operator.CustomOpProp):
        def create_operator(self, ctx, in_shapes, in_dtypes):
            pass

    with pytest.raises(MXNetError, match="op_type='not created'.*create_operator must return a CustomOp, got None"):
        mx.nd.Custom(mx.nd.ones((1,)), op_type="not created")


def test_without_forward():
    mx.operator.register("nothing")(mx.operator.CustomOpProp)
    with pytest.raises(NotImplementedError, match="CustomOp does not define forward"):
        mx.nd.Custom(mx.nd.ones((1,)), op_type="nothing")
