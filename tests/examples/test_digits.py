"""The two other GANs of digits: their networks and losses in closed form, what a step does, odd settings."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F

import ganmod as mx
from tests.examples.programs import load, runner


def softplus(x):
    return np.logaddexp(0, x)


def test_the_learning_rate_of_the_dense_gan():
    schedule = load("vanilla_mlp").InverseTime(0.5, 0.1)
    assert [schedule(t) for t in (0, 2, 18)] == pytest.approx([0.1, 0.05, 0.01])


def test_shapes_of_the_dense_gan():
    example = load("vanilla_mlp")
    shapes, outputs, _ = example.generator_symbol([256, 512, 1024]).infer_shape(rand=(32, 100))
    assert [s for s in shapes if len(s) == 2][1:] == [(256, 100), (512, 256), (1024, 512), (784, 1024)]
    assert outputs == [(32, 1, 28, 28)]
    shapes, outputs, _ = example.discriminator_symbol([784, 392]).infer_shape(data=(32, 1, 28, 28))
    assert [s for s in shapes if len(s) == 2 and s[0] != 32] == [(784, 784), (392, 784), (1, 392)]
    assert outputs == [(32, 1)]


def test_a_step_of_the_dense_gan():
    """The discriminator's update is that of torch on the batch of both kinds; the generator's leaves it alone."""
    example = load("vanilla_mlp")
    options = example.options(["--dry-run", "--batch-size", "8"])
    mx.random.seed(3)
    generator, discriminator = example.make_modules(options, mx.cpu())
    real = mx.nd.array(np.random.RandomState(0).uniform(-1, 1, (4, 1, 28, 28)))
    before = {n: torch.tensor(a.asnumpy(), requires_grad=True) for n, a in discriminator.get_params()[0].items()}
    drawn_by = {n: a.asnumpy() for n, a in generator.get_params()[0].items()}
    mx.random.seed(4)
    generator.forward(mx.io.DataBatch([mx.nd.random.normal(shape=(8, 100))]), is_train=False)
    images = torch.cat([real.as_torch(), generator.get_outputs()[0].as_torch()[:4].clone()]).flatten(1)
    net = images
    for k in (1, 2):
        net = F.leaky_relu(F.linear(net, before[f"d{k}_weight"], before[f"d{k}_bias"]), 0.2)
    logits = F.linear(net, before["d3_weight"], before["d3_bias"])
    loss = F.binary_cross_entropy_with_logits(logits, torch.tensor([[1.0]] * 4 + [[0.0]] * 4))
    loss.backward()
    mx.random.seed(4)
    accuracy = mx.metric.create("acc")
    accuracy.update = lambda labels, preds: None
    loss_d, loss_g = example.train_on(real, generator, discriminator, accuracy)
    assert loss_d == pytest.approx(loss.item(), rel=1e-5) and loss_g > 0
    for name, array in discriminator.get_params()[0].items():          # Adam's first step, in closed form
        gradient = before[name].grad.numpy()
        step = 0.0002 * gradient / (np.abs(gradient) + 1e-8 / np.sqrt(1 - 0.999))
        clear = np.abs(gradient) > 1e-6
        np.testing.assert_allclose((before[name].detach().numpy() - array.asnumpy())[clear], step[clear], atol=2e-6)
    assert any((drawn_by[n] != a.asnumpy()).any() for n, a in generator.get_params()[0].items())


@pytest.mark.parametrize("size", ["7", "128"])
def test_odd_batches_of_the_dense_gan(monkeypatch, tmp_path, size):
    said = runner("vanilla_mlp", monkeypatch)(tmp_path, "--batch-size", size)
    assert ("must be even" in said) if size == "7" else said == 0


def test_losses_of_flux():
    """As symbols: values and gradients are those of the mean cross-entropy of logits."""
    example, rng = load("dcgan_flux"), np.random.RandomState(0)
    real, fake = rng.normal(size=(2, 5, 1)).astype("float32")
    symbol = example.discriminator_loss(mx.sym.Variable("real"), mx.sym.Variable("fake"))
    executor = symbol.simple_bind(mx.cpu(), real=(5, 1), fake=(5, 1))
    outputs = executor.forward(True, real=real, fake=fake)
    np.testing.assert_allclose(outputs[0].asnumpy(), softplus(-real), rtol=1e-5)
    np.testing.assert_allclose(outputs[1].asnumpy(), softplus(fake), rtol=1e-5)
    executor.backward()
    np.testing.assert_allclose(executor.grad_dict["real"].asnumpy(), -1 / (1 + np.exp(real)) / 5, rtol=1e-5)
    np.testing.assert_allclose(executor.grad_dict["fake"].asnumpy(), 1 / (1 + np.exp(-fake)) / 5, rtol=1e-5)
    wish = example.generator_loss(mx.sym.Variable("fake")).simple_bind(mx.cpu(), fake=(5, 1))
    np.testing.assert_allclose(wish.forward(True, fake=fake)[0].asnumpy(), softplus(-fake), rtol=1e-5)
    wish.backward()
    np.testing.assert_allclose(wish.grad_dict["fake"].asnumpy(), -1 / (1 + np.exp(fake)) / 5, rtol=1e-5)


def test_networks_of_flux():
    example = load("dcgan_flux")
    options = example.options(["--full"])
    generator = example.generator_symbol(example.network_width(options))
    shapes = dict(zip(generator.list_arguments(), generator.infer_shape(rand=(128, 300))[0]))
    assert shapes["g1_weight"] == (7 * 7 * 256, 300) and shapes["g1_norm_gamma"] == (7 * 7 * 256,)
    assert [shapes[f"g{k}_weight"] for k in (2, 3, 4)] == [(256, 128, 5, 5), (128, 64, 4, 4), (64, 1, 4, 4)]
    assert generator.infer_shape(rand=(128, 300))[1] == [(128, 1, 28, 28)]
    score = example.score_symbol(mx.sym.Variable("data"), 128)
    assert not score.list_auxiliary_states() and score.infer_shape(data=(128, 1, 28, 28))[1] == [(128, 1)]
    drops = [a["p"] for n, a in score.attr_dict().items() if n.startswith("drop")]
    assert drops == ["0.25", "0.25"]


def test_the_generator_of_flux_learns_from_the_discriminator_as_it_is():
    """The critic computes with the discriminator's own arrays, and its turn leaves them alone."""
    example = load("dcgan_flux")
    options = example.options(["--dry-run", "--batch-size", "4"])
    generator, discriminator, critic = example.make_modules(options, mx.cpu())
    example.train_on(mx.nd.ones((4, 1, 28, 28)), generator, discriminator, critic)
    held, shared = discriminator._exec_group.execs[0].arg_dict, critic._exec_group.execs[0].arg_dict
    for name in discriminator.get_params()[0]:
        assert held[name].as_torch().data_ptr() == shared[name].as_torch().data_ptr()
    before = {n: a.asnumpy() for n, a in discriminator.get_params()[0].items()}
    critic.forward(mx.io.DataBatch([mx.nd.ones((4, 1, 28, 28))]), is_train=True)
    critic.backward(wanted="inputs")
    assert np.abs(critic.get_input_grads()[0].asnumpy()).max() > 0
    for name, array in discriminator.get_params()[0].items():
        np.testing.assert_array_equal(array.asnumpy(), before[name])
