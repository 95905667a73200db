"""Penalties on gradients, beside the same penalties in plain torch."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F

import ganmod as mx
from ganmod import gan


def critic(loss=False):
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(4, 4), stride=(2, 2), pad=(1, 1), num_filter=6, name="c1")
    net = mx.sym.LeakyReLU(net, slope=0.2, name="a1")
    net = mx.sym.Convolution(net, kernel=(4, 4), stride=(2, 2), pad=(1, 1), num_filter=8, no_bias=True, name="c2")
    net = mx.sym.LayerNorm(net, axis=1, name="norm")
    net = mx.sym.FullyConnected(mx.sym.Activation(net, act_type="tanh", name="a2"), num_hidden=1, name="fc")
    return mx.sym.LogisticRegressionOutput(net, mx.sym.Variable("label"), name="out") if loss else net


def plain(params, x):
    """The same critic in torch, on a dict of tensors."""
    h = F.leaky_relu(F.conv2d(x, params["c1_weight"], params["c1_bias"], stride=2, padding=1), 0.2)
    h = F.conv2d(h, params["c2_weight"], stride=2, padding=1).permute(0, 2, 3, 1)
    h = F.layer_norm(h, (8,), params["norm_gamma"], params["norm_beta"], 1e-5).permute(0, 3, 1, 2)
    return torch.tanh(h).flatten(1) @ params["fc_weight"].T + params["fc_bias"]


def bound(ctx, loss=False, **settings):
    module = mx.mod.Module(critic(loss), label_names=["label"] if loss else None, context=ctx)
    module.bind([("data", (4, 3, 8, 8))], [("label", (4,))] if loss else None, **settings)
    module.init_params(mx.init.Normal(0.3))
    return module


def by_torch(module, images, penalty):
    """The gradients of a penalty on the input gradients, by name, and its value."""
    params = {n: a.as_torch().clone().requires_grad_() for n, a in module.get_params()[0].items()}
    x = torch.from_numpy(images).requires_grad_()
    gradient, = torch.autograd.grad(plain(params, x).sum(), x, create_graph=True)
    value = penalty(gradient.flatten(1))
    gradients = torch.autograd.grad(value, list(params.values()), allow_unused=True)
    return {n: g for n, g in zip(params, gradients) if g is not None}, value.item()


PENALTIES = {
    "gp": (lambda m, x: gan.gradient_penalty(m, x, weight=10), lambda g: 10 * (g.norm(dim=1) - 1).square().sum()),
    "r1": (lambda m, x: gan.r1_penalty(m, x, weight=3), lambda g: 1.5 * g.square().sum())}


@pytest.mark.parametrize("loss", [False, True])
@pytest.mark.parametrize("name", PENALTIES)
def test_gradients_are_added(ctx, rng, name, loss):
    ours, theirs = PENALTIES[name]
    module, images = bound(ctx, loss), rng.standard_normal((4, 3, 8, 8)).astype("float32")
    for arrays in module._exec_group.grad_arrays:
        arrays[0][:] = 0.5
    value = ours(module, mx.nd.array(images, ctx=ctx))
    expected, total = by_torch(module, images, theirs)
    np.testing.assert_allclose(value.asscalar(), total / 4, rtol=1e-5)
    for name, (array,) in zip(module._exec_group.param_names, module._exec_group.grad_arrays):
        change = np.broadcast_to(expected.get(name, torch.zeros(())).numpy(), array.shape)
        np.testing.assert_allclose(array.asnumpy() - 0.5, change, rtol=1e-5, atol=1e-5 * max(1, abs(change).max()))


def test_means_and_several_contexts(rng):
    images = rng.standard_normal((4, 3, 8, 8)).astype("float32")
    one, two = bound(mx.cpu()), bound([mx.cpu(0), mx.cpu(1)])
    two.set_params(*one.get_params())
    values = []
    for module in (one, two):
        for arrays in module._exec_group.grad_arrays:
            for array in arrays:
                array[:] = 0
        values.append(gan.gradient_penalty(module, [images], reduction="mean").asscalar())
    np.testing.assert_allclose(*values, rtol=1e-5)
    expected, _ = by_torch(one, images, lambda g: 10 * (g.norm(dim=1) - 1).square().mean())
    groups = one._exec_group, two._exec_group
    for name, (a,), (b, c) in zip(groups[0].param_names, groups[0].grad_arrays, groups[1].grad_arrays):
        np.testing.assert_allclose(a.asnumpy(), b.asnumpy() + c.asnumpy(), rtol=1e-4, atol=1e-6)
        if name in expected:
            np.testing.assert_allclose(a.asnumpy(), expected[name].numpy(), rtol=1e-4, atol=1e-6)


def test_everything_else_stays(rng):
    """The backward of an earlier forward is what it would have been; statistics do not move."""
    net = mx.sym.BatchNorm(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=5, name="fc"), name="bn")
    module = mx.mod.Module(mx.sym.MakeLoss(mx.sym.sum(mx.sym.square(net)), name="loss"), label_names=None)
    module.bind([("data", (6, 4))], inputs_need_grad=True)
    module.init_params(mx.init.Normal(1))
    data, other = (mx.nd.array(rng.standard_normal((6, 4))) for _ in range(2))
    found = []
    for penalise in (False, True):
        module.forward(mx.io.DataBatch([data]), is_train=True)
        states = {n: a.asnumpy() for n, a in module.get_params()[1].items()}
        if penalise:
            gan.r1_penalty(module, other, output="bn_output")
            for name, array in module.get_params()[1].items():
                np.testing.assert_array_equal(array.asnumpy(), states[name])
        module.backward()
        found.append([module.get_input_grads()[0].asnumpy(), module.get_outputs()[0].asnumpy()])
    for one, two in zip(*found):
        np.testing.assert_array_equal(one, two)


def test_points_between(rng):
    real, fake = mx.nd.ones((500, 2, 2)), mx.nd.zeros((500, 2, 2))
    mixed = gan.interpolate(real, fake).asnumpy()
    assert (mixed == mixed[:, :1, :1]).all() and abs(mixed.mean() - 0.5) < 0.05 and mixed.min() >= 0 > mixed.max() - 1


@pytest.mark.parametrize("call, error, message", [
    (lambda m, x: gan.r1_penalty(m, x, output="fc_ouput"), TypeError, "no output 'fc_ouput'; did you mean 'fc_output'"),
    (lambda m, x: gan.r1_penalty(m, [x, x]), TypeError, "a batch for each of data, got 2"),
    (lambda m, x: gan.r1_penalty(m, x[:2]), TypeError, r"bound with shape \(4, 3, 8, 8\), got \(2, 3, 8, 8\)"),
    (lambda m, x: gan.r1_penalty(m, x, reduction="max"), TypeError, "'sum' or 'mean', got 'max'"),
    (lambda m, x: gan.interpolate(x, x[:2]), TypeError, "real has shape"),
    (lambda m, x: gan.r1_penalty(mx.mod.Module(critic(), label_names=None), x), AssertionError, "bound for training")])
def test_mistakes(call, error, message):
    with pytest.raises(error, match=message):
        call(bound(mx.cpu()), mx.nd.ones((4, 3, 8, 8)))
