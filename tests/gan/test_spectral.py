"""Spectral normalisation, beside torch's own."""
import numpy as np
import pytest
import torch
from torch.nn.utils.parametrizations import spectral_norm as torchs

import ganmod as mx
from ganmod import gan


@pytest.mark.parametrize("layer, shape, made", [
    ("Convolution", (2, 3, 8, 8), lambda: torch.nn.Conv2d(3, 5, 4, 2, 1)),
    ("Deconvolution", (2, 3, 4, 4), lambda: torch.nn.ConvTranspose2d(3, 5, 4, 2, 1)),
    ("FullyConnected", (2, 7), lambda: torch.nn.Linear(7, 5))])
def test_forward_and_gradients(ctx, rng, layer, shape, made):
    settings = dict(num_hidden=5) if layer == "FullyConnected" else dict(
        kernel=(4, 4), stride=(2, 2), pad=(1, 1), num_filter=5, no_bias=False)
    net = gan.with_spectral_norm(getattr(mx.sym, layer)(mx.sym.Variable("data"), name="layer", **settings))
    module = mx.mod.Module(net, label_names=None, context=ctx)
    module.bind([("data", shape)])
    module.init_params(mx.init.Normal(1))
    args, states = module.get_params()
    theirs = torchs(made())
    with torch.no_grad():
        theirs.parametrizations.weight.original.copy_(args["layer_weight"].as_torch())
        theirs.bias.copy_(args["layer_bias"].as_torch())
        matrix = theirs.parametrizations.weight.original
        matrix = matrix.transpose(0, 1).flatten(1) if layer == "Deconvolution" else matrix.flatten(1)
        start = torch.nn.functional.normalize(states["layer_weight_spectral_u"].as_torch(), dim=0)
        theirs.parametrizations.weight[0]._u.copy_(start)
        theirs.parametrizations.weight[0]._v.copy_(torch.nn.functional.normalize(matrix.T @ start, dim=0))
    images = rng.standard_normal(shape).astype("float32")
    for training in (True, True, False):
        module.forward(mx.io.DataBatch([mx.nd.array(images)]), is_train=training)
        expected = theirs.train(training)(torch.from_numpy(images))
        np.testing.assert_allclose(module.get_outputs()[0].asnumpy(), expected.detach().numpy(), rtol=1e-4, atol=1e-5)
        if training:
            module.backward([mx.nd.ones(expected.shape, ctx=ctx)])
            theirs.zero_grad()
            expected.sum().backward()
            for name, gradient in (("layer_weight", theirs.parametrizations.weight.original.grad),
                                   ("layer_bias", theirs.bias.grad)):
                ours = module._exec_group.execs[0].grad_dict[name].asnumpy()
                np.testing.assert_allclose(ours, gradient.numpy(), rtol=1e-4, atol=1e-4)


def test_the_norm_becomes_one():
    weight = gan.spectral_norm(mx.sym.Variable("w"), iterations=3)
    executor = weight.simple_bind(mx.cpu(), w=(6, 9))
    executor.arg_dict["w"][:] = np.random.default_rng(0).standard_normal((6, 9))
    executor.aux_dict["w_spectral_u"][:] = 1
    for _ in range(20):
        executor.forward(is_train=True)
    assert abs(np.linalg.norm(executor.outputs[0].asnumpy(), 2) - 1) < 1e-4
    again = mx.sym.load_json(weight.tojson())
    assert again.list_auxiliary_states() == ["w_spectral_u"] and again.infer_shape(w=(6, 9))[2] == [(6,)]


def test_which_weights():
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=5, name="fc1")
    net = mx.sym.FullyConnected(net, num_hidden=1, name="fc2")
    one = gan.with_spectral_norm(net, only=lambda name: name.startswith("fc2"))
    assert one.list_auxiliary_states() == ["fc2_weight_spectral_u"] and net.list_auxiliary_states() == []
    assert one.infer_shape(data=(3, 4))[0] == net.infer_shape(data=(3, 4))[0]
    with pytest.raises(TypeError, match="no weight that is meant"):
        gan.with_spectral_norm(net, only=lambda name: False)
