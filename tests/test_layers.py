"""Layers where MXNet's CPU cannot be asked: against what they mean."""
import numpy as np
import pytest
import torch

import ganmod as mx

WINDOWS = {
    "one axis": (dict(kernel=(4,), stride=(2,), pad=(1,)), (8,)),
    "two axes, dilated": (dict(kernel=(3, 2), stride=(2, 1), dilate=(2, 2), pad=(1, 0)), (9, 6)),
    "three axes": (dict(kernel=(2, 3, 2), stride=(2, 1, 2), pad=(0, 1, 0)), (4, 5, 6)),
    "three axes, grouped": (dict(kernel=(2, 2, 2), num_group=2), (3, 4, 3)),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_deconvolution_is_the_adjoint_of_convolution(name):
    """``<conv(x, w), y> = <x, deconv(y, w)>`` for all x and y."""
    window, sizes = WINDOWS[name]
    rng = np.random.default_rng(0)
    groups = window.get("num_group", 1)
    weight = mx.nd.array(rng.standard_normal((6, 4 // groups, *window["kernel"])), dtype="float64")
    x = mx.nd.array(rng.standard_normal((2, 4, *sizes)), dtype="float64")
    image = mx.nd.Convolution(x, weight, num_filter=6, no_bias=True, **window)
    y = mx.nd.array(rng.standard_normal(image.shape), dtype="float64")
    back = mx.nd.Deconvolution(y, weight, num_filter=4, **window)
    assert back.shape == x.shape
    assert (image * y).sum().asscalar() == pytest.approx((x * back).sum().asscalar(), rel=1e-10)


@pytest.mark.parametrize("axes, layout", [(1, "NWC"), (2, "NHWC"), (3, "NDHWC")])
@pytest.mark.parametrize("op, weight", [("Convolution", (6, 4)), ("Deconvolution", (4, 6)), ("Pooling", None)])
def test_channels_last(op, weight, axes, layout):
    """The same numbers with the axes in another order, and shapes inferred alike."""
    rng = np.random.default_rng(1)
    settings = {"kernel": (3,) * axes, "stride": (2,) * axes}
    inputs = [mx.nd.array(rng.standard_normal((2, 4) + (7,) * axes))]
    if weight:
        inputs.append(mx.nd.array(rng.standard_normal(weight + (3,) * axes)))
        settings.update(num_filter=6, no_bias=True)
    expected = getattr(mx.nd, op)(*inputs, **settings).asnumpy()
    moved = [mx.nd.array(np.moveaxis(i.asnumpy(), 1, -1)) for i in inputs]
    actual = getattr(mx.nd, op)(*moved, layout=layout, **settings)
    np.testing.assert_allclose(np.moveaxis(actual.asnumpy(), -1, 1), expected, rtol=1e-5, atol=1e-5)
    symbol = getattr(mx.sym, op)(mx.sym.Variable("x"), layout=layout, **settings)
    shapes, outputs, _ = symbol.infer_shape(x=moved[0].shape)
    assert shapes == [m.shape for m in moved] and outputs == [actual.shape]


def test_pooling_with_as_many_windows_as_strides():
    x = mx.nd.array(np.arange(7.0).reshape(1, 1, 7))
    pooled = mx.nd.Pooling(x, kernel=(3,), stride=(2,), pooling_convention="same")
    assert pooled.asnumpy().tolist() == [[[1, 3, 5, 6]]]


def test_dropout_shared_along_axes():
    mx.random.seed(0)
    net = mx.sym.Dropout(mx.sym.Variable("x"), p=0.4, axes=(1,))
    executor = net.simple_bind(mx.cpu(), x=(200, 3, 5))
    out = executor.forward(is_train=True, x=mx.nd.ones((200, 3, 5)))[0].asnumpy()
    assert (out == out[:, :1]).all()
    assert np.isclose(np.unique(out), [0, 1 / 0.6]).all() and abs(out.mean() - 1) < 0.05


def test_dropout_always():
    executor = mx.sym.Dropout(mx.sym.Variable("x"), p=0.5, mode="always").simple_bind(mx.cpu(), x=(50, 50))
    assert 0 in executor.forward(is_train=False, x=mx.nd.ones((50, 50)))[0].asnumpy()


def test_softmax_output_multiplies_by_the_head_gradient_on_request():
    net = mx.sym.SoftmaxOutput(mx.sym.Variable("x"), name="s", out_grad=True)
    executor = net.simple_bind(mx.cpu(), x=(2, 3))
    executor.forward(is_train=True, x=mx.nd.zeros((2, 3)), s_label=mx.nd.array([0, 2]))
    executor.backward(mx.nd.array([[1, 2, 3], [4, 5, 6]]))
    expected = (np.full((2, 3), 1 / 3) - np.array([[1, 0, 0], [0, 0, 1]])) * np.array([[1, 2, 3], [4, 5, 6]])
    np.testing.assert_allclose(executor.grad_dict["x"].asnumpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_batch_norm_keeps_its_parameters_in_single_precision(dtype):
    net = mx.sym.BatchNorm(mx.sym.Variable("x"), fix_gamma=False, name="bn")
    executor = net.simple_bind(mx.cpu(), type_dict={"x": dtype}, x=(4, 3, 2, 2))
    kinds = {n: a.as_torch().dtype for n, a in {**executor.arg_dict, **executor.aux_dict}.items()}
    assert kinds.pop("x") is getattr(torch, dtype) and set(kinds.values()) == {torch.float32}
    executor.arg_dict["bn_gamma"][:] = 1
    out = executor.forward(is_train=True, x=mx.nd.random.normal(shape=(4, 3, 2, 2)))[0].astype("float32").asnumpy()
    assert abs(out.mean()) < 0.01 and abs(out.std() - 1) < 0.02
