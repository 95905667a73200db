"""The DCGAN example: its checkpoints, its data, and that --full is the tutorial."""
import sys
import types

import numpy as np
import pytest

import ganmod as mx
from tests.examples.programs import load, runner
from tests.gan.test_datasets import IMAGES, write
from tests.parity.test_dcgan import networks


@pytest.fixture
def run(monkeypatch):
    return runner("dcgan_mnist", monkeypatch)


@pytest.fixture(scope="module")
def example():
    return load("dcgan_mnist")


def draw(out):
    """Images from the generator of the latest checkpoint, loaded as any program would."""
    prefix = str(mx.gan.Session(out / "checkpoints").checkpoints()[-1] / "generator")
    module = mx.mod.Module.load(prefix, 0, data_names=("rand",), label_names=None)
    module.bind(data_shapes=[("rand", (3, 100, 1, 1))], for_training=False)
    module.forward(mx.io.DataBatch([mx.nd.ones((3, 100, 1, 1))]), is_train=False)
    return module.get_outputs()[0].asnumpy()


def test_checkpoints_are_modules_of_anyone(run, tmp_path):
    assert run(tmp_path, "--epochs", 4, "--keep", 2) == 0
    images = draw(tmp_path)
    assert images.shape == (3, 1, 32, 32) and 0 < np.abs(images).max() <= 1
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2
    assert len(list((tmp_path / "sheets").iterdir())) == 4


def test_training_on_a_folder(run, tmp_path):
    write(tmp_path / "train-images-idx3-ubyte", IMAGES)
    assert run(tmp_path / "out", "--data", tmp_path, "--batch-size", 16) == 0
    assert "fewer than the 41 of a batch" in run(tmp_path / "out", "--data", tmp_path, "--batch-size", 41)


def test_a_missing_package(run, tmp_path, monkeypatch):
    for package in ("tqdm", "sklearn", "PIL"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            assert "pip install" in run(tmp_path)
    assert not list(tmp_path.iterdir())


def test_full_is_the_tutorial(example):
    size, width, channels = example.network_size(types.SimpleNamespace(full=True, dry_run=False))
    generator, discriminator = networks(mx, 128)
    assert example.generator_symbol(size, width, channels).infer_shape(rand=(64, 100, 1, 1)) \
        == generator.infer_shape(rand=(64, 100, 1, 1))
    assert example.discriminator_symbol(size, width).infer_shape(data=(64, 3, 64, 64)) \
        == discriminator.infer_shape(data=(64, 3, 64, 64))
    for own, tutorial in ((example.generator_symbol(size, width, channels), generator),
                          (example.discriminator_symbol(size, width), discriminator)):
        own, tutorial = own.attr_dict(), tutorial.attr_dict()
        assert own == tutorial and len(own) > 10


def test_full_prepares_as_the_tutorial(example, tmp_path, monkeypatch):
    cv2 = pytest.importorskip("cv2", exc_type=ImportError)
    write(tmp_path / "train-images-idx3-ubyte", IMAGES)
    options = example.options(["--full", "--data", str(tmp_path), "--batch-size", "16"])
    order = np.random.RandomState(options.seed).permutation(40)
    tutorial = np.asarray([cv2.resize(image, (64, 64)) for image in IMAGES[order]]).astype(np.float32) / 127.5 - 1.0
    np.testing.assert_allclose(example.load(options)[0][:, 0], tutorial, atol=1e-6)
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(mx.base.MXNetError, match="OpenCV.*pip install opencv-python-headless"):
        example.load(options)


def test_training_at_full_size(run, tmp_path):
    pytest.importorskip("cv2", exc_type=ImportError)
    assert run(tmp_path, "--full", "--batch-size", 8) == 0
    assert draw(tmp_path).shape == (3, 3, 64, 64)
