"""The GAN that paints: its paintings and folders of others, its networks and labels, and its walks."""
import json

import numpy as np
import pytest
from PIL import Image

import ganmod as mx
from ganmod.ndarray import trees
from tests.examples.programs import arrays_of, load, runner

cv2 = pytest.importorskip("cv2", exc_type=ImportError)


@pytest.fixture
def run(monkeypatch):
    return runner("art", monkeypatch)


@pytest.fixture(scope="module")
def example():
    return load("art")


@pytest.fixture
def folder(tmp_path):
    """Forty pictures of mixed sizes and kinds, in folders of two kinds."""
    folder, rng = tmp_path / "data", np.random.RandomState(0)
    for k in range(40):
        path = folder / ("night", "day")[k % 2] / f"{k}.{('jpg', 'png')[k % 3 == 0]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        low, shape = 128 * (k % 2), (*rng.randint(20, 100, 2), 3)
        cv2.imwrite(str(path), rng.randint(low, low + 128, shape).astype(np.uint8))
    return folder


def checkpoint(out):
    """The prefix of the generator's latest checkpoint."""
    return mx.gan.Session(out / "checkpoints").checkpoints()[-1] / "generator"


def session_of(out):
    """The states of the random numbers, and the losses, of the latest checkpoint."""
    path = checkpoint(out).with_name("session")
    content = trees.unpack(*trees.split(b"ganmod session 1\n", path.read_bytes(), str(path)))
    numpy, torch = content["random"]["numpy"], content["random"]["torch"]
    return (np.asarray(numpy[1]).tolist(), numpy[2:], torch.tolist()), content["values"]["losses"]


def milliseconds(film):
    """How long a GIF lasts; frames that look the same are one frame in it, which is shown for longer."""
    return sum(film.seek(k) or film.info["duration"] for k in range(film.n_frames))


# --- What a run leaves ------------------------------------------------------------------------------------------------

def test_a_run_leaves_a_walk_and_interpolations(run, tmp_path):
    assert run(tmp_path, "--batch-size", 16, "--epochs", 2) == 0
    with Image.open(tmp_path / "walk.gif") as film:
        assert film.size == (3 * 66 - 2, 2 * 66 - 2) and milliseconds(film) == 8 * 80
    with Image.open(tmp_path / "training.gif") as film:
        assert milliseconds(film) == 2 * 150 + 1850
    with Image.open(tmp_path / "interpolation.png") as sheet:
        assert sheet.size == (9 * 65 - 1, 6 * 65 - 1)
    assert json.loads((tmp_path / "quality.json").read_text())["classes"] == 4
    assert run(tmp_path, "--batch-size", 16) == 0
    assert (tmp_path / "earlier-1" / "walk.gif").exists()


def test_going_on_equals_not_having_stopped(run, tmp_path, folder):
    """To the bit: the checkpoint with random numbers and losses, too, and the walk."""
    small = ("--data", folder, "--batch-size", 16)
    once, twice = tmp_path / "once", tmp_path / "twice"
    assert run(once, *small, "--epochs", 2) == 0
    assert run(twice, *small) == run(twice, "--resume", "--epochs", 2) == 0
    assert arrays_of(once) == arrays_of(twice) and len(arrays_of(once)) == 8
    random, losses = session_of(once)
    assert repr(session_of(twice)) == repr((random, losses)) and len(losses["D"]) == 4
    for picture in ("walk.gif", "interpolation.png"):
        assert (once / picture).read_bytes() == (twice / picture).read_bytes()


def test_large_pictures(example, tmp_path):
    options = example.options(["--dry-run", "--size", "256", "--batch-size", "2", "--out", str(tmp_path)])
    images, labels = example.load(options)
    assert images.shape == (4, 3, 256, 256) and labels is not None
    generator, discriminator = example.make_modules(options, mx.cpu())
    assert np.isfinite(example.train_on(mx.nd.array(images[:2]), generator, discriminator)).all()
    assert mx.gan.sample(generator, mx.nd.ones((3, 200))).shape == (3, 3, 256, 256)


# --- Walks ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("points, frames", [(6, 96), (6, 97), (3, 12)])
def test_a_walk_ends_where_it_began(example, points, frames):
    """The step from the last frame to the first is like the others, and no frame leaves the sphere."""
    walk = example.walk_latents(1, frames, points).asnumpy()
    steps = np.linalg.norm(np.roll(walk, -1, axis=0) - walk, axis=1)
    assert walk.shape == (frames, 200)
    assert steps[-1] <= 1.1 * steps[:-1].max() and steps.min() > 0.6 * steps.max()
    np.testing.assert_allclose(np.linalg.norm(walk, axis=1), 200 ** 0.5, rtol=0.2)


@pytest.fixture
def prefix(example, tmp_path):
    """That of a generator's checkpoint."""
    generator, _ = example.make_modules(example.options(["--dry-run"]), mx.cpu())
    generator.init_params(mx.init.Normal(0.2), force_init=True)            # pictures that differ
    generator.save_checkpoint(str(tmp_path / "painter"), 0)
    return str(tmp_path / "painter")


@pytest.mark.parametrize("film", ["walk.mp4", "walk.gif"])
def test_filming_a_checkpoint(example, prefix, tmp_path, monkeypatch, capsys, film):
    monkeypatch.setattr("sys.argv", ["art.py", "walk", prefix, "0", "--frames", "10", "--ctx",
                                     "cpu", "--film", str(tmp_path / "films" / film)])
    example.main()
    assert f"See {tmp_path / 'films' / film}" in capsys.readouterr().out
    video = cv2.VideoCapture(str(tmp_path / "films" / film))
    frames = [frame for _ in range(11) for read, frame in [video.read()] if read]
    assert len(frames) == 10 and frames[0].shape == (130, 196, 3)
    assert frames[0].std() > 1


@pytest.mark.parametrize("arguments, complaint", [
    (("nowhere", "0"), "nowhere"), (("PREFIX", "0", "--film", "walk.avi"), "ends in .gif or .mp4"),
])
def test_films_that_cannot_be(example, prefix, monkeypatch, arguments, complaint):
    monkeypatch.setattr("sys.argv", ["art.py", "walk", *(prefix if a == "PREFIX" else a for a in arguments)])
    with pytest.raises(SystemExit) as leaving:
        example.main()
    assert complaint in leaving.value.code and "\n" not in leaving.value.code


# --- The data ---------------------------------------------------------------------------------------------------------

def test_unreadable_files_are_named_and_passed_over(run, tmp_path, folder, caplog):
    (folder / "day" / "broken.png").write_bytes(b"\x89PNG but no more")
    (folder / "night" / "empty.jpg").write_bytes(b"")
    (folder / "notes.txt").write_text("not a picture")
    assert run(tmp_path / "out", "--data", folder, "--batch-size", 16) == 0
    assert "2 unreadable files" in caplog.text and "broken.png" in caplog.text and "empty.jpg" in caplog.text
    assert json.loads((tmp_path / "out" / "quality.json").read_text())["classes"] == 2


def test_a_folder_without_pictures(run, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "broken.png").write_bytes(b"?")
    message = run(tmp_path / "out", "--data", tmp_path / "data")
    assert message == f"There is no picture in the folder {tmp_path / 'data'} that could be read"


def test_too_few_pictures(run, tmp_path, folder):
    assert "fewer than the 41 of a batch" in run(tmp_path / "out", "--data", folder, "--batch-size", 41)


def test_pictures_without_kinds(example, tmp_path, folder):
    for path in sorted(folder.rglob("*.*g")):
        path.rename(folder / path.name)
    pixels, labels = example.load(example.options(["--data", str(folder), "--batch-size", "16"]))
    assert pixels.shape == (40, 3, 64, 64) and pixels.dtype == np.float32 and labels is None
    assert -1 <= pixels.min() < -0.5 and 0.5 < pixels.max() <= 1


def test_paintings(example, tmp_path):
    """They are of four kinds and many sizes, no two are the same, and they are painted alike again."""
    for folder in ("once", "twice"):
        example.paint(tmp_path / folder, 24, 64)
    once, twice = ([path.read_bytes() for path in sorted((tmp_path / folder).rglob("*.png"))]
                   for folder in ("once", "twice"))
    assert once == twice and len(set(once)) == 24
    images = mx.gan.datasets.picture_folder(tmp_path / "once", 64)
    assert np.bincount(images.labels).tolist() == [6] * 4
    sizes = {cv2.imread(str(path)).shape[:2] for path in (tmp_path / "once").rglob("*.png")}
    assert len(sizes) > 20 and min(map(min, sizes)) >= 64


def test_missing_opencv(run, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    assert "pip install opencv-python-headless" in run(tmp_path)


# --- The recipe -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("size, filters", [(64, (1024, 512, 256, 128)), (256, (1024, 512, 512, 512, 256, 128))])
def test_networks_at_full_size(example, size, filters):
    options = example.options(["--full", "--size", str(size)])
    assert example.network_filters(options) == filters
    generator = example.generator_symbol(filters)
    weights = dict(zip(generator.list_arguments(), generator.infer_shape(rand=(2, 200))[0]))
    assert weights["g0_weight"] == (16 * 1024, 200) and weights["g0_norm_gamma"] == (1024,)
    for k, (before, after) in enumerate(zip(filters, (*filters[1:], 3)), start=1):
        assert weights[f"g{k}_weight"] == (before, after, 4, 4) and weights[f"g{k}_bias"] == (after,)
    assert generator.infer_shape(rand=(2, 200))[1] == [(2, 3, size, size)]

    discriminator = example.discriminator_symbol(filters)
    shapes, (out,), _ = discriminator.infer_shape(data=(2, 3, size, size))
    weights = dict(zip(discriminator.list_arguments(), shapes))
    widths = (3, *reversed(filters))
    for k, (before, after) in enumerate(zip(widths, widths[1:]), start=1):
        assert weights[f"d{k}_weight"] == (after, before, 4, 4) and weights[f"d{k}_bias"] == (after,)
        assert (f"d{k}_norm_gamma" in weights) == (k > 1)
    assert weights["dout_weight"] == (1, 16 * 1024) and out == (2, 1)


def test_labels(example):
    """One shift for a batch, even in its range; 3% are swapped, the same of both batches, to 0 and 1."""
    mx.random.seed(3)
    drawn = [[label.asnumpy() for label in example.draw_labels(64)] for _ in range(1000)]
    swapped = 0
    shifts = []
    for real, fake in drawn:
        assert real.shape == fake.shape == (64, 1)
        turned = real == 0
        assert ((fake == 1) == turned).all()
        assert len(np.unique(real[~turned])) == len(np.unique(fake[~turned])) == 1
        swapped += turned.sum()
        shifts.append((real[~turned][0] - 1, fake[~turned][0]))
    assert abs(swapped / 64000 - 0.03) < 3 * (0.03 * 0.97 / 64000) ** 0.5
    of_real, of_fake = np.sort(shifts, axis=0).T           # whose quantiles are those of even distributions
    np.testing.assert_allclose(of_real, np.linspace(-0.1, 0.1, 1000), atol=0.01)
    np.testing.assert_allclose(of_fake, np.linspace(0, 0.2, 1000), atol=0.01)


def test_gradients_are_those_of_the_sum(example):
    """The discriminator follows the gradient of its loss on both batches at once."""
    options = example.options(["--dry-run", "--batch-size", "4"])
    mx.random.seed(1)
    generator, discriminator = example.make_modules(options, mx.cpu())
    followed = []
    discriminator.update = lambda: followed.append([g[0].asnumpy() for g in discriminator._exec_group.grad_arrays])
    real, fakes = mx.nd.random.normal(shape=(4, 3, 64, 64)), []
    forward = discriminator.forward
    discriminator.forward = lambda batch, **_: (fakes.append(batch.data[0].copy()), forward(batch, is_train=True))
    state = mx.nd.random.uniform(shape=(1,)).asscalar()
    mx.random.seed(int(state * 1e6))
    example.train_on(real, generator, discriminator)
    mx.random.seed(int(state * 1e6))
    labels = example.draw_labels(4)
    expected = 0
    for images, label in zip(fakes, labels):
        example.judge(discriminator, [images], label, wanted="parameters")
        expected = expected + np.concatenate([g[0].asnumpy().ravel() for g in discriminator._exec_group.grad_arrays])
    np.testing.assert_allclose(np.concatenate([g.ravel() for g in followed[0]]), expected, rtol=1e-4, atol=1e-6)
