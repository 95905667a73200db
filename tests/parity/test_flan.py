"""The flan example explores generators that the real MXNet saved."""
import numpy as np
import pytest

from tests.examples.programs import load

pytest.importorskip("cv2", exc_type=ImportError)


def save_generator(mx, np, prefix, dense):
    """A generator of 8x8 pixels with parameters that are no initial ones, saved as epoch 195."""
    net = mx.sym.Variable("rand")
    if dense:
        net = mx.sym.FullyConnected(net, num_hidden=3 * 64, name="g1")
        net = mx.sym.reshape(net, shape=(-1, 3, 8, 8))
    else:
        net = mx.sym.Deconvolution(net, name="g1", kernel=(4, 4), num_filter=6, no_bias=True)
        net = mx.sym.BatchNorm(net, name="gbn1", fix_gamma=True, eps=1e-5 + 1e-12)
        net = mx.sym.Activation(net, name="gact1", act_type="relu")
        net = mx.sym.Deconvolution(net, name="g2", kernel=(4, 4), stride=(2, 2), pad=(1, 1), num_filter=3)
    net = mx.sym.Activation(net, act_type="tanh", name="out")
    module = mx.mod.Module(net, data_names=("rand",), label_names=None)
    noise = np.random.RandomState(0).normal(size=(5, 20) if dense else (5, 20, 1, 1))
    module.bind(data_shapes=[("rand", noise.shape)])
    module.init_params(mx.init.Normal(0.5))
    module.save_checkpoint(prefix, 195)
    module.forward(mx.io.DataBatch([mx.nd.array(noise)], []), is_train=False)
    return noise, module.get_outputs()[0].asnumpy()


@pytest.mark.parametrize("dense", [False, True])
def test_exploring_what_mxnet_saved(oracle, tmp_path, dense, monkeypatch):
    example = load("flan")
    prefix = str(tmp_path / "theirs")
    noise, images = oracle.run(save_generator, prefix=prefix, dense=dense)
    drawn = {}
    monkeypatch.setattr(example.mx.gan.latents, "gaussian", lambda shape: example.mx.nd.array(noise.reshape(shape)))
    monkeypatch.setattr(example.mx.gan.pictures, "save_sheet", lambda path, made, **_: drawn.update({path: made}))
    example.explore([prefix, "195", "5"])
    (path, made), = drawn.items()
    assert path.name == "theirs-0195-explored.png"
    np.testing.assert_allclose(made.asnumpy(), images, atol=1e-5)
