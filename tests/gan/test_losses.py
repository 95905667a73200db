"""Losses as symbols and as pairs, beside torch's autograd on the published formulas."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F

import ganmod as mx
from ganmod import gan
from ganmod.base import InputError, ShapeError

LARGE = [0, 1, -1, 0.3, 15, -15, 40, -40, 1e4, -1e4, 3e5, -3e5]


def half_square(x, label):
    return (x - label) ** 2 / 2


# name: (arguments after the scores, the loss of one score)
LOSSES = {
    "logistic_discriminator": [({"real": True}, lambda x: -F.logsigmoid(x)),
                               ({"real": False}, lambda x: -F.logsigmoid(-x))],
    "least_squares_discriminator": [({"real": True}, lambda x: half_square(x, 1)),
                                    ({"real": False}, lambda x: half_square(x, 0))],
    "hinge_discriminator": [({"real": True}, lambda x: F.relu(1 - x)),
                            ({"real": False}, lambda x: F.relu(1 + x))],
    "wasserstein_discriminator": [({"real": True}, lambda x: -x), ({"real": False}, lambda x: x)],
    "saturating_generator": [({}, lambda x: F.logsigmoid(-x))],
    "nonsaturating_generator": [({}, lambda x: -F.logsigmoid(x))],
    "least_squares_generator": [({}, lambda x: half_square(x, 1))],
    "hinge_generator": [({}, lambda x: -x)],
    "wasserstein_generator": [({}, lambda x: -x)],
    "bce_with_logits": [({"label": 0.9}, lambda x: -0.9 * F.logsigmoid(x) - 0.1 * F.logsigmoid(-x))],
    "least_squares": [({"label": -1}, lambda x: half_square(x, -1))],
}
CASES = [(name, *case) for name, cases in LOSSES.items() for case in cases]


def by_torch(scores, loss, reduction):
    """The mean loss of a sample in float64, and the gradient of the sum or mean over the samples."""
    x = torch.from_numpy(scores).double().requires_grad_()
    of_samples = loss(x).flatten(1).mean(1) if x.dim() > 1 else loss(x)
    getattr(of_samples, reduction)().backward()
    return of_samples.detach().numpy(), x.grad.numpy()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name, arguments, loss", CASES, ids=[f"{c[0]}-{list(c[1].values())}" for c in CASES])
def test_pairs_and_layers(name, arguments, loss, dtype, rng):
    """Both forms, for one or several scores of a sample, both reductions, and scores of any size."""
    tight = dict(rtol=1e-5, atol=1e-7) if dtype == "float32" else dict(rtol=1e-12, atol=1e-15)
    for scores, reduction in [(np.array(LARGE), "sum"), (rng.normal(size=(5, 1)) * 3, "mean"),
                              (rng.normal(size=(4, 1, 2, 3)) * 3, "sum"), (rng.normal(size=(4, 1, 2, 3)), "mean")]:
        scores = scores.astype(dtype)
        values, gradients = by_torch(scores, loss, reduction)

        pair = getattr(gan.losses, name)(mx.nd.array(scores, dtype=dtype), **arguments, reduction=reduction)
        assert pair.value.shape == (1,) and pair.value.dtype == pair.gradient.dtype == np.dtype(dtype)
        np.testing.assert_allclose(pair.value.asscalar(), values.mean(), rtol=tight["rtol"], atol=tight["atol"] * 10)
        np.testing.assert_allclose(pair.gradient.asnumpy(), gradients, **tight)

        layer = getattr(gan.losses, name)(mx.sym.Variable("score"), **arguments, reduction=reduction, name="loss")
        assert layer.list_outputs() == ["loss_output"] and layer.list_arguments() == ["score"]
        executor = layer.simple_bind(mx.cpu(), score=scores.shape, type_dict={"score": dtype})
        output, = executor.forward(is_train=True, score=mx.nd.array(scores, dtype=dtype))
        executor.backward()
        loose = dict(rtol=1e-5, atol=1e-6) if dtype == "float32" else dict(rtol=1e-7, atol=3e-9)
        # In float64, torch's softplus is a line from 20 on.
        np.testing.assert_allclose(output.asnumpy()[:, 0], values, **loose)
        np.testing.assert_allclose(executor.grad_dict["score"].asnumpy(), gradients, **loose)


@pytest.mark.parametrize("name, loss", [
    ("bce_with_logits", lambda x, y: F.binary_cross_entropy_with_logits(x, y, reduction="none")),
    ("least_squares", half_square)])
@pytest.mark.parametrize("shape, label_shape", [((6,), (6,)), ((6, 1), (6,)), ((6, 1, 2, 2), (6,)),
                                                ((6, 1, 2, 2), (6, 1, 2, 2)), ((6, 1, 2, 2), (6, 1))])
def test_labels_are_arrays(name, loss, shape, label_shape, rng):
    scores, labels = rng.normal(size=shape).astype("float32"), rng.uniform(size=label_shape).astype("float32")
    y = torch.from_numpy(labels).double()
    y = y.reshape(shape) if y.numel() == scores.size else y.reshape(6, 1, 1, 1).expand(shape)
    values, gradients = by_torch(scores, lambda x: loss(x, y), "sum")
    value, gradient = getattr(gan.losses, name)(mx.nd.array(scores), mx.nd.array(labels))
    np.testing.assert_allclose(value.asscalar(), values.mean(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient.asnumpy(), gradients, rtol=1e-5, atol=1e-7)

    layer = getattr(gan.losses, name)(mx.sym.Variable("score"), mx.sym.Variable("label"))
    executor = layer.simple_bind(mx.cpu(), score=shape, label=label_shape)
    output, = executor.forward(is_train=True, score=mx.nd.array(scores), label=mx.nd.array(labels))
    executor.backward()
    np.testing.assert_allclose(output.asnumpy()[:, 0], values, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(executor.grad_dict["score"].asnumpy(), gradients, rtol=1e-5, atol=1e-7)
    assert not executor.grad_dict["label"].asnumpy().any()


def test_gradients_for_good_labels_do_not_cancel():
    """What a float32 sigmoid minus 1 would say of a score of 20 is 0."""
    scores = np.array([20, 60, -60], "float32")
    gradient = gan.losses.bce_with_logits(mx.nd.array(scores), mx.nd.array([1, 1, 0])).gradient.asnumpy()
    np.testing.assert_allclose(gradient, np.array([-1, -1, 1]) * np.exp(-np.float64([20, 60, 60])), rtol=1e-6)


def test_both_forms_train_alike(rng):
    """A loop with a pair's gradient is the loop with a loss layer, but for rounding."""
    data = rng.normal(size=(8, 3)).astype("float32")
    found = []
    for as_layer in (False, True):
        net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1, name="fc")
        module = mx.mod.Module(gan.losses.hinge_discriminator(net, real=True) if as_layer else net, label_names=None)
        module.bind([("data", (8, 3))])
        module.init_params(mx.init.One())
        module.init_optimizer(optimizer_params={"learning_rate": 0.5})
        for _ in range(3):
            module.forward(mx.io.DataBatch([mx.nd.array(data)]), is_train=True)
            if as_layer:
                module.backward()
            else:
                module.backward([gan.losses.hinge_discriminator(module.get_outputs()[0], real=True).gradient])
            module.update()
        found.append(module.get_params()[0]["fc_weight"].asnumpy())
    np.testing.assert_allclose(*found, rtol=1e-6)
    assert abs(found[0] - 1).max() > 0.1


def test_half_precision():
    value, gradient = gan.losses.nonsaturating_generator(mx.nd.array([0, -9, 9], dtype="float16"))
    assert gradient.dtype == np.float16 and value.dtype == np.float32
    np.testing.assert_allclose(gradient.asnumpy(), [-0.5, -0.99988, -0.00012338], rtol=1e-3)


# --- labels -----------------------------------------------------------------------------------------------------------

def test_smoothing():
    labels = mx.nd.array([0, 1] * 4000).reshape((4000, 2))
    np.testing.assert_allclose(gan.losses.smooth(labels).asnumpy(), labels.asnumpy() * 0.9, rtol=1e-6)
    mx.random.seed(3)
    drawn = gan.losses.smooth(labels, low=(0, 0.3), high=(0.7, 1.2)).asnumpy()
    assert 0 <= drawn[:, 0].min() < 0.01 and 0.29 < drawn[:, 0].max() < 0.3 and abs(drawn[:, 0].mean() - 0.15) < 0.01
    assert 0.7 <= drawn[:, 1].min() < 0.71 and 1.19 < drawn[:, 1].max() < 1.2 and abs(drawn[:, 1].mean() - 0.95) < 0.01
    mx.random.seed(3)
    np.testing.assert_array_equal(gan.losses.smooth(labels, (0, 0.3), (0.7, 1.2)).asnumpy(), drawn)
    assert labels.asnumpy().sum() == 4000


def test_swapping():
    labels = mx.nd.zeros((20000,))
    mx.random.seed(4)
    turned = gan.losses.swap(labels, 0.05).asnumpy()
    assert set(turned) == {0, 1} and abs(turned.mean() - 0.05) < 0.006 and not labels.asnumpy().any()
    mx.random.seed(4)
    np.testing.assert_array_equal(gan.losses.swap(labels, 0.05).asnumpy(), turned)
    np.testing.assert_array_equal(gan.losses.swap(labels, 0).asnumpy(), 0)


@pytest.mark.parametrize("call, error, message", [
    (lambda m, x: m.hinge_generator(x.asnumpy()), InputError, r"hinge_generator\(\) takes a Symbol or an NDArray, got"),
    (lambda m, x: m.hinge_generator(x, reduction="none"), InputError, "'sum' or 'mean', got 'none'"),
    (lambda m, x: m.hinge_generator(mx.nd.array([1], dtype="int32")), InputError, "scores must be floats"),
    (lambda m, x: m.hinge_generator(mx.nd.zeros((0, 1))), ShapeError, "there are no scores"),
    (lambda m, x: m.bce_with_logits(x, mx.nd.ones((3,))), ShapeError, r"labels of shape \(3,\) for scores of"),
    (lambda m, x: m.bce_with_logits(mx.sym.Variable("s"), x), InputError, "takes a Symbol or a number as label"),
    (lambda m, x: m.bce_with_logits(x, mx.sym.Variable("s")), InputError, "takes labels, not a Symbol"),
    (lambda m, x: m.smooth(x, low=(1, 2, 3)), InputError, "low must be a number or a pair"),
    (lambda m, x: m.swap(x, 1.5), InputError, r"share must be in \[0, 1\], got 1.5"),
    (lambda m, x: m.swap([0, 1], 0.5), InputError, r"swap\(\) takes an NDArray, got list")])
def test_mistakes(call, error, message):
    with pytest.raises(error, match=message):
        call(gan.losses, mx.nd.ones((4, 1)))
