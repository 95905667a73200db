"""From a folder of photographs of any size to one pass of a small adversarial training, by way of a file of records."""
import itertools
import logging

import numpy as np
import pytest

import ganmod as mx
from ganmod.tools import im2rec

cv2 = pytest.importorskip("cv2")

COUNT, SIDE, BATCH = 24, 128, 6


@pytest.fixture
def photographs(tmp_path, rng):
    """Pieces of two photographs as JPEGs of mixed sizes, upright and lying, and four files that are damaged or none."""
    sources = pytest.importorskip("sklearn.datasets").load_sample_images().images
    folder = tmp_path / "flan"
    folder.mkdir()
    for k, source in zip(range(COUNT), itertools.cycle(sources)):
        height, width = (int(size) for size in rng.integers(90, 300, 2))
        top, left = int(rng.integers(0, source.shape[0] - height)), int(rng.integers(0, source.shape[1] - width))
        piece = np.ascontiguousarray(source[top:top + height, left:left + width, ::-1])
        (folder / f"{k:02}.jpg").write_bytes(cv2.imencode(".jpg", piece)[1].tobytes())
    whole = (folder / "00.jpg").read_bytes()
    for name, content in (("cut", whole[:len(whole) // 2]), ("empty", b""), ("page", b"<html>"), ("top", whole[:30])):
        (folder / f"x_{name}.jpg").write_bytes(content)
    return folder


def networks():
    """A generator of 128 × 128 pixels and a discriminator, both small."""
    net = mx.sym.Variable("rand")
    net = mx.sym.Activation(mx.sym.FullyConnected(net, num_hidden=8 * 16, name="g1"), act_type="relu")
    net = mx.sym.reshape(net, (-1, 8, 4, 4))
    for k, (channels, stride) in enumerate([(8, 4), (3, 8)], 2):
        net = mx.sym.Deconvolution(net, kernel=(stride, stride), stride=(stride, stride), num_filter=channels,
                                   name=f"g{k}")
        net = mx.sym.Activation(net, act_type="relu" if channels == 8 else "tanh")
    judged = mx.sym.Variable("data")
    for k in range(2):
        judged = mx.sym.Convolution(judged, kernel=(8, 8), stride=(8, 8), num_filter=8, name=f"d{k}")
        judged = mx.sym.LeakyReLU(judged, act_type="leaky", slope=0.2)
    judged = mx.sym.FullyConnected(mx.sym.Flatten(judged), num_hidden=1, name="d3")
    return net, mx.sym.LogisticRegressionOutput(judged, mx.sym.Variable("label"), name="loss")


def modules():
    generator = mx.mod.Module(networks()[0], data_names=("rand",), label_names=None)
    generator.bind([("rand", (BATCH, 4))])
    discriminator = mx.mod.Module(networks()[1], label_names=("label",))
    discriminator.bind([("data", (BATCH, 3, SIDE, SIDE))], [("label", (BATCH, 1))], inputs_need_grad=True)
    for module in (generator, discriminator):
        module.init_params(mx.init.Xavier())
        module.init_optimizer(optimizer="adam", optimizer_params={"learning_rate": 0.002, "beta1": 0.5})
    return generator, discriminator


def step(generator, discriminator, real):
    """One step of both, which gives what the discriminator thinks of the real images."""
    ones, zeros = mx.nd.ones((BATCH, 1)), mx.nd.zeros((BATCH, 1))
    generator.forward(mx.io.DataBatch([mx.nd.random.normal(shape=(BATCH, 4))]), is_train=True)
    fake = generator.get_outputs()
    for data, label in ((fake, zeros), ([real], ones)):
        discriminator.forward(mx.io.DataBatch(data, [label]), is_train=True)
        found = discriminator.get_outputs()[0].asnumpy()
        discriminator.backward()
        discriminator.update()
    discriminator.forward(mx.io.DataBatch(fake, [ones]), is_train=True)
    discriminator.backward()
    generator.backward(discriminator.get_input_grads())
    generator.update()
    return found


def test_from_a_folder_to_a_trained_pair(photographs, tmp_path, seed, capsys, caplog):
    prefix = str(tmp_path / "flan_data")
    assert im2rec.main(["--list", prefix, str(photographs)]) == 0
    assert im2rec.main(["--resize", str(SIDE), "--num-thread", "2", prefix, str(photographs)]) == 0
    out, err = capsys.readouterr()
    assert f"flan_data.rec: {COUNT} images, 4 left out (damaged: 4)" in out and err.count("left out: ") == 4

    it = mx.io.ImageRecordIter(path_imgrec=prefix + ".rec", path_imgidx=prefix + ".idx", data_shape=(3, SIDE, SIDE),
                               batch_size=BATCH, shuffle=True, seed=1, mean_r=127.5, mean_g=127.5, mean_b=127.5,
                               scale=1 / 127.5, preprocess_threads=2)
    generator, discriminator = modules()
    before = {name: array.asnumpy() for name, array in generator.get_params()[0].items()}
    seen, thought = [], []
    with caplog.at_level(logging.WARNING):
        for batch in it:
            assert batch.data[0].shape == (BATCH, 3, SIDE, SIDE) and batch.pad == 0
            pixels = batch.data[0].asnumpy()
            assert -1 <= pixels.min() < -0.3 and 0.3 < pixels.max() <= 1
            seen += batch.index.tolist()
            thought.append(step(generator, discriminator, batch.data[0]))
    it.close()
    assert not caplog.records                              # what is damaged never came into the file
    assert len(set(seen)) == COUNT and seen != sorted(seen)
    after = generator.get_params()[0]
    assert all((before[name] != after[name].asnumpy()).any() for name in before)
    assert np.isfinite(thought).all() and thought[-1].mean() > thought[0].mean()
