"""The flan example: drawings, records, networks, what it leaves behind, stopping and going on, exploring."""
import json
import shutil
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import ganmod as mx
from benchmarks.twins import flan as twin
from tests.examples.programs import load

cv2 = pytest.importorskip("cv2", exc_type=ImportError)

BATCH = 8


@pytest.fixture(scope="module")
def example():
    """The example as a module."""
    return load("flan")


def run(example, out, *arguments):
    """Runs the example in this process with --dry-run on the CPU; returns its exit status or message."""
    given = ["--dry-run", "--ctx", "cpu", "--batch-size", BATCH, "--out", out, *arguments]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["flan.py", *map(str, given)])
        try:
            example.main()
        except SystemExit as leaving:
            return leaving.code
    return 0


@pytest.fixture(scope="module")
def once(example, tmp_path_factory):
    """The folder of a run of two epochs."""
    out = tmp_path_factory.mktemp("once")
    assert run(example, out, "--epochs", 2) == 0
    return out


def models_of(out, epoch):
    """Both networks and their optimizers' states after an epoch, as bytes by file name."""
    found = {path.name: path.read_bytes() for path in out.glob(f"model-[gd]-{epoch:04d}.*")}
    assert len(found) == 4
    return found


# --- What a run leaves behind -----------------------------------------------------------------------------------------

def test_a_run_leaves_pictures_and_models(once):
    sheets = [f"sheets/{what}-{step:06d}.png" for what in ("step", "gradient") for step in (2, 4)]
    for picture in (*sheets, "losses.png", "training.gif", "generated.png"):
        with Image.open(once / picture) as image:
            image.verify()
    with Image.open(once / "training.gif") as film:
        assert film.n_frames == 2
    assert models_of(once, 1).keys() != models_of(once, 2).keys()
    quality = json.loads((once / "quality.json").read_text())
    assert quality["classes"] == 4 and np.isfinite(quality["frechet"])


def test_old_models_are_deleted(example, tmp_path):
    assert run(example, tmp_path, "--epochs", 3, "--keep", 2) == 0
    assert example.epochs_saved(tmp_path) == [2, 3]
    assert run(example, tmp_path) == 0                         # a second run sets the first aside
    assert example.epochs_saved(tmp_path) == [1] and example.epochs_saved(tmp_path / "earlier-1") == [2, 3]


def test_the_picture_of_a_gradient(example, tmp_path, rng):
    gradient = (1e-4 * rng.normal(size=(3, 3, 64, 64)) + 1e-4).astype("float32")
    example.draw_gradient(tmp_path / "a.png", mx.nd.array(gradient))
    expected = 255 * ((gradient - gradient.mean()) / gradient.std() + 0.5).clip(0, 1)
    found = np.asarray(Image.open(tmp_path / "a.png"))[:64, :64].transpose(2, 0, 1)
    np.testing.assert_allclose(found, expected[0], atol=0.6)


# --- Stopping and going on --------------------------------------------------------------------------------------------

def test_going_on_equals_not_having_stopped(example, once, tmp_path):
    """To the bit: both networks, the optimizers' states, the losses, and the pictures."""
    assert run(example, tmp_path) == run(example, tmp_path, "--resume", "--epochs", 2) == 0
    assert models_of(tmp_path, 2) == models_of(once, 2)
    for file in ("sheets/step-000004.png", "losses.png", "training.gif", "quality.json"):
        assert (tmp_path / file).read_bytes() == (once / file).read_bytes()


def test_killed_within_an_epoch(example, once, tmp_path, monkeypatch):
    train_on, calls = example.train_on, []

    def killed_at_the_fourth(*given):
        calls.append(given)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return train_on(*given)
    monkeypatch.setattr(example, "train_on", killed_at_the_fourth)
    assert run(example, tmp_path, "--epochs", 2) == 130
    monkeypatch.undo()
    assert example.epochs_saved(tmp_path) == [1]
    assert run(example, tmp_path, "--resume") == 0
    assert models_of(tmp_path, 2) == models_of(once, 2)


def test_going_on_from_the_models_alone(example, once, tmp_path):
    """Where the run's own checkpoint is lost, from the last epoch that is whole."""
    shutil.copytree(once, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "checkpoints")
    (tmp_path / "model-d-0002.states").unlink()
    assert run(example, tmp_path, "--resume", "--epochs", 2) == 0
    first, second, again = models_of(tmp_path, 1), models_of(once, 2), models_of(tmp_path, 2)
    assert first == models_of(once, 1) and again != second
    before, after = (mx.nd.load(str(tmp_path / f"model-g-000{k}.params"))["arg:g1_weight"].asnumpy() for k in (1, 2))
    assert 0 < np.abs(before - after).max() < 0.01             # two small steps from there


# --- Exploring --------------------------------------------------------------------------------------------------------

def test_exploring_a_run(example, once, tmp_path, capsys):
    example.explore([str(once / "model-g"), "2", "5", "--out", str(tmp_path / "a.png")])
    assert "5 new pictures" in capsys.readouterr().out
    with Image.open(tmp_path / "a.png") as sheet:
        assert sheet.size == (3 * 3 * 29 - 3, 2 * 3 * 29 - 3)


def test_exploring_a_generator_of_another_kind(example, tmp_path):
    """Dense, with noise (N, Z)."""
    net = mx.sym.FullyConnected(mx.sym.Variable("rand"), num_hidden=3 * 16 * 16, name="fc")
    net = mx.sym.reshape(mx.sym.tanh(net), (-1, 3, 16, 16))
    module = mx.mod.Module(net, ["rand"], None)
    module.bind([("rand", (4, 20))])
    module.init_params(mx.init.Normal(1))
    module.save_checkpoint(str(tmp_path / "dense"), 195)
    assert example.noise_shape(net, module.get_params()[0]) == (20,)
    example.explore([str(tmp_path / "dense"), "195", "9"])
    with Image.open(tmp_path / "dense-0195-explored.png") as sheet:
        assert sheet.size == (3 * 4 * 17 - 4, 3 * 4 * 17 - 4)


def test_exploring_what_takes_no_such_noise(example):
    net = mx.sym.FullyConnected(mx.sym.Variable("rand"), num_hidden=3, name="fc")
    with pytest.raises(mx.base.InputError, match="no shape"):
        example.noise_shape(net, {"fc_weight": mx.nd.ones((4, 5))})


# --- The data ---------------------------------------------------------------------------------------------------------

def test_kinds_of_flans_can_be_told_apart(example, tmp_path):
    chosen = example.options(["--pictures", "160", "--out", str(tmp_path), "--batch-size", "32"])
    images, kinds = example.load(chosen)
    assert images.shape == (160, 3, 28, 28) and images.dtype == np.float32 and np.bincount(kinds).tolist() == [40] * 4
    assert -1 <= images.min() < -0.6 and 0.6 < images.max() < 1
    assert mx.gan.train_classifier(images[:128], kinds[:128], batch_size=32).accuracy(images[128:], kinds[128:]) > 0.8
    sizes = {cv2.imread(str(path)).shape for path in tmp_path.glob("flans-160/*/*.jpg")}
    assert len(sizes) > 20
    np.testing.assert_array_equal(images, example.load(chosen)[0])


def test_pictures_of_ones_own(example, tmp_path, rng):
    """A folder without kinds, of which squares are cut, and one file that is damaged."""
    (tmp_path / "mine").mkdir()
    pictures = rng.integers(0, 256, (17, 40, 60, 3), dtype=np.uint8)
    for k, picture in enumerate(pictures):
        cv2.imwrite(str(tmp_path / "mine" / f"{k}.png"), picture)
    (tmp_path / "mine" / "x.jpg").write_bytes(b"<html>")
    out = tmp_path / "out"
    chosen = example.options(["--data", str(tmp_path / "mine"), "--out", str(out), "--batch-size", "8"])
    images, kinds = example.load(chosen)
    expected = [(cv2.resize(p[:, 10:50], (28, 28))[..., ::-1].transpose(2, 0, 1) - np.float32(128)) / 128
                for p in pictures]
    assert kinds is None and images.shape == (17, 3, 28, 28)
    assert all(any(np.allclose(image, other, atol=1e-6) for other in expected) for image in images)
    assert run(example, out, "--data", tmp_path / "mine") == 0
    assert json.loads((out / "quality.json").read_text())["classes"] is None


def test_too_few_pictures(example, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    assert "There are 7 pictures" in run(example, tmp_path / "out", "--pictures", 7)
    for k in range(BATCH):
        (tmp_path / "mine" / f"{k}.jpg").write_bytes(b"<html>")
    assert "No records" in run(example, tmp_path / "out", "--data", tmp_path / "mine")
    assert "none of 8 images could be packed" in capsys.readouterr().err
    assert not (tmp_path / "out" / "settings.json").exists()


# --- The networks -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("size, layers", [(28, 4), (128, 6)])
def test_sizes_of_the_layers(example, size, layers):
    generator, discriminator = example.generator_symbol(size, 28), example.discriminator_symbol(size, 28)
    assert generator.infer_shape(rand=(2, 100, 1, 1))[1] == [(2, 3, size, size)]
    inner = discriminator.get_internals()
    found = dict(zip(inner.list_outputs(), inner.infer_shape(data=(2, 3, size, size))[1]))
    shapes = [found[f"d{k}_output"] for k in range(1, layers + 1)]
    assert found["dloss_output"] == (2, 1)
    assert shapes == ([(2, 28, 16, 16), (2, 56, 8, 8), (2, 112, 4, 4), (2, 1, 1, 1)] if size == 28 else
                      [(2, 28 * k, 2 ** (7 - k), 2 ** (7 - k)) for k in range(1, 7)])


def test_training_at_128(example, tmp_path):
    assert run(example, tmp_path, "--size", 128) == 0
    assert mx.nd.load(str(tmp_path / "model-g-0001.params"))["arg:g6_weight"].shape == (2, 3, 4, 4)


@pytest.mark.parametrize("size", [28, 128])
def test_the_twin_in_plain_torch(example, tmp_path, rng, size):
    for network, symbol, shapes in (
            (twin.generator_of(size, 3), example.generator_symbol(size, 3), {"rand": (2, 100, 1, 1)}),
            (twin.discriminator_of(size, 3), example.discriminator_symbol(size, 3), {"data": (2, 3, size, size)})):
        theirs = [tuple(p.shape) for p in network.parameters()]
        names, found, _ = symbol.list_arguments(), *symbol.infer_shape(**shapes)[:2]
        assert theirs == [shape for name, shape in zip(names, found) if name not in ("rand", "data", "label")]
    chosen = example.options(["--dry-run", "--batch-size", "4", "--size", str(size), "--out", str(tmp_path)])
    before = torch.get_rng_state()
    images = twin.generate(chosen, rng.uniform(-1, 1, (10, 3, size, size)).astype("float32"), 5)
    torch.set_rng_state(before)
    assert images.shape == (5, 3, size, size) and images.dtype == np.float32 and np.abs(images).max() <= 1
