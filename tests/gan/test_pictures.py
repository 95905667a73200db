"""Sheets, comparisons, films and plots: what is in the files, and that no display is asked for."""
import sys

import numpy as np
import pytest
import torch

import ganmod as mx
from ganmod import gan
from ganmod.base import InputError, MXNetError, ShapeError
from ganmod.gan import pictures

Image = pytest.importorskip("PIL.Image")
figure = pytest.importorskip("matplotlib.figure")


@pytest.fixture(autouse=True)
def no_display(monkeypatch):
    """Whoever imports what opens windows fails."""
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    monkeypatch.delenv("DISPLAY", raising=False)


def read(path):
    with Image.open(path) as image:
        return np.asarray(image)


def levels(images, low=-1, high=1):
    """uint8 (N, H, W, C), counted by hand."""
    return np.floor((np.clip(images, low, high) - low) / (high - low) * 255 + 0.5).transpose(0, 2, 3, 1)


# --- sheets -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", [np.asarray, mx.nd.array, torch.from_numpy])
def test_a_sheet(channels, kind, rng, tmp_path):
    images = rng.uniform(-1.2, 1.2, (5, channels, 4, 6)).astype("float32")
    found = pictures.sheet(kind(images), columns=3, padding=2, scale=2)
    assert found.shape == (20, 44) + (3,) * (channels == 3) and found.dtype == np.uint8
    small = found[::2, ::2].reshape(10, 22, channels)
    np.testing.assert_array_equal(small, found[1::2, 1::2].reshape(10, 22, channels))
    expected = levels(images.astype("float64"))
    for k in range(6):
        row, column = divmod(k, 3)
        cell = small[row * 6:row * 6 + 4, column * 8:column * 8 + 6]
        np.testing.assert_array_equal(cell, expected[k] if k < 5 else 0)
    assert (small[4:6] == 255).all() and (small[:, [6, 7, 14, 15]] == 255).all()

    pictures.save_sheet(tmp_path / "sheet.png", kind(images), columns=3, padding=2, scale=2)
    np.testing.assert_array_equal(read(tmp_path / "sheet.png"), found)
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


def test_values():
    """The ends of the range, what lies beyond, bytes as they are, and a generator that has diverged."""
    def one(values, **settings):
        return pictures.sheet(np.array(values).reshape(1, 1, 1, -1), **settings).ravel().tolist()
    assert one([-1.0, 0, 1, 7, -7]) == [0, 128, 255, 255, 0]
    assert one([0.0, 0.5, 1], value_range=(0, 1)) == [0, 128, 255]
    assert one(np.array([0, 77, 255], "uint8")) == [0, 77, 255]
    assert one([np.nan, np.inf, -np.inf]) == [0, 255, 0]
    assert one(np.array([-1, 1], "float16")) == [0, 255]
    assert pictures.sheet(np.zeros((10, 1, 2, 2))).shape == (6, 8)


def test_real_beside_generated(tmp_path):
    """The left half is dark, the right one light; each picture has its size in the file."""
    path = tmp_path / "both.png"
    pictures.save_comparison(path, -np.ones((9, 1, 8, 8)), np.full((4, 3, 5, 5), 0.5), titles=("a", "b"))
    found = read(path)[..., :3]
    height, width = found.shape[:2]
    assert (width, height) == (640, 336)
    assert (found[height // 2, width // 4] == 0).all() and (found[height // 2, 3 * width // 4] == 191).all()


def test_a_latent_grid(tmp_path, rng):
    net = mx.sym.tanh(mx.sym.Reshape(mx.sym.FullyConnected(mx.sym.Variable("rand"), num_hidden=12, name="fc"),
                                     shape=(0, 3, 2, 2)))
    generator = mx.mod.Module(net, ["rand"], None)
    generator.bind([("rand", (5, 4, 1, 1))])
    generator.init_params(mx.init.Normal(1))
    corners = mx.nd.array(rng.normal(size=(4, 4, 1, 1)))
    pictures.save_latent_grid(tmp_path / "grid.png", generator, corners, rows=3, columns=4)
    weight, bias = (generator.get_params()[0][f"fc_{part}"].asnumpy() for part in ("weight", "bias"))
    points = gan.latents.grid(corners, 3, 4)
    images = np.tanh(points.asnumpy()[:, :, 0, 0] @ weight.T + bias).reshape(12, 3, 2, 2)
    expected = levels(images).reshape(3, 4, 2, 2, 3).transpose(0, 2, 1, 3, 4).reshape(6, 8, 3)
    assert abs(read(tmp_path / "grid.png") - expected).max() <= 1
    pictures.save_latent_grid(tmp_path / "same.png", lambda z: gan.sample(generator, z), corners, 3, 4)
    np.testing.assert_array_equal(read(tmp_path / "same.png"), read(tmp_path / "grid.png"))


# --- films ------------------------------------------------------------------------------------------------------------

def moving(count, channels, size=16):
    """Images (count, C, size, size): a white square walks over black."""
    images = -np.ones((count, channels, size, size), "float32")
    for k in range(count):
        images[k, :, 4:12, k:k + 8] = 1
    return images


@pytest.mark.parametrize("channels", [1, 3])
def test_a_gif(channels, tmp_path):
    path, images = tmp_path / "walk.gif", moving(6, channels)
    pictures.save_gif(path, images, seconds=0.2, pause=1.5, scale=2)
    with Image.open(path) as film:
        assert film.n_frames == 6 and film.size == (32, 32) and film.info["loop"] == 0
        for k in range(6):
            film.seek(k)
            expected = levels(images[k:k + 1])[0, :, :, 0].repeat(2, 0).repeat(2, 1)
            np.testing.assert_array_equal(np.asarray(film.convert("L")), expected)
            assert film.info["duration"] == (1700 if k == 5 else 200)


def test_frames_of_all_kinds(tmp_path):
    """Sheets, finished pictures and files."""
    images = moving(4, 1, 8)
    pictures.save_sheet(tmp_path / "file.png", images[:1], columns=2, scale=1)
    pictures.save_sheet(tmp_path / "wide.png", images, columns=2)
    pictures.save_gif(tmp_path / "all.gif", [images, pictures.sheet(images[::-1]), str(tmp_path / "wide.png")])
    with Image.open(tmp_path / "all.gif") as film:
        found = []
        for k in range(3):
            film.seek(k)
            found.append(np.asarray(film.convert("L")))
    np.testing.assert_array_equal(found[0], pictures.sheet(images))
    np.testing.assert_array_equal(found[1], pictures.sheet(images[::-1]))
    np.testing.assert_array_equal(found[2], found[0])


@pytest.mark.parametrize("channels, size", [(1, 32), (3, 33)])
def test_an_mp4(channels, size, tmp_path):
    cv2 = pytest.importorskip("cv2", exc_type=ImportError)
    path, images = tmp_path / "walk.mp4", moving(7, channels, size)
    images[:, 1:] = -1                                     # with three channels, the square is red
    pictures.save_mp4(path, (image for image in images), rate=10, scale=3)
    film, found = cv2.VideoCapture(str(path)), []
    assert film.get(cv2.CAP_PROP_FPS) == 10
    while (read := film.read())[0]:
        found.append(read[1])
    film.release()
    assert len(found) == 7 and found[0].shape == ((size * 3 + 1) // 2 * 2,) * 2 + (3,)
    for k, frame in enumerate(found):
        colour = frame[8 * 3, (k + 4) * 3, ::-1].astype(int)
        assert abs(colour - (255 if channels == 1 else [255, 0, 0])).max() < 30 and frame[-6:, -6:].max() < 30
    assert [p.name for p in tmp_path.iterdir()] == ["walk.mp4"]


# --- numbers ----------------------------------------------------------------------------------------------------------

def test_losses(tmp_path, monkeypatch):
    """The lines are the values and their means, over epochs."""
    lines, plot = [], None

    def note(figure, *_, **__):
        lines[:] = [line.get_xydata() for line in figure.axes[0].lines]
        return plot(figure, *_, **__)
    plot = figure.Figure.savefig
    monkeypatch.setattr(figure.Figure, "savefig", note)
    values = np.arange(12.0)
    pictures.save_losses(tmp_path / "losses.png", {"D": values, "G": mx.nd.array(values - 20)}, per_epoch=8)
    assert read(tmp_path / "losses.png").shape == (320, 640, 4)
    np.testing.assert_allclose(lines[0], np.stack([np.arange(1, 13) / 8, values], 1))
    np.testing.assert_allclose(lines[1], np.stack([np.arange(2, 13) / 8, np.arange(11) + 0.5], 1))
    np.testing.assert_allclose(lines[2][:, 1], values - 20)
    pictures.save_losses(tmp_path / "few.png", {"D": [], "G": [1.0, np.nan], "C": [np.inf]})
    pictures.save_losses(tmp_path / "none.png", {})


# --- what goes wrong --------------------------------------------------------------------------------------------------

FLAT = np.zeros((2, 1, 4, 4))


@pytest.mark.parametrize("call, error, message", [
    (lambda out: pictures.sheet(np.zeros((2, 4, 4, 1))), ShapeError, r"of 1 or 3 channels, got shape \(2, 4, 4, 1\)"),
    (lambda out: pictures.sheet(np.zeros((0, 1, 4, 4))), ShapeError, "got shape"),
    (lambda out: pictures.sheet(FLAT, value_range=(1, 1)), InputError, r"value_range must rise, got \(1, 1\)"),
    (lambda out: pictures.sheet(FLAT, columns=0), InputError, "columns must be 1 or more"),
    (lambda out: pictures.sheet(FLAT, scale=0.5), InputError, "scale must be a whole number above 0"),
    (lambda out: pictures.sheet("a.png"), InputError, "expected an NDArray"),
    (lambda out: pictures.save_sheet(out / "a.xyz", FLAT), InputError, "a.xyz' cannot be written"),
    (lambda out: pictures.save_sheet(out / "a", FLAT), InputError, "has no ending, such as .png"),
    (lambda out: pictures.save_losses(out / "a.xyz", {}), InputError, "a.xyz' cannot be written"),
    (lambda out: pictures.save_losses(out / "a.png", {"D": [[1]]}), InputError, "D must be a row of numbers"),
    (lambda out: pictures.save_gif(out / "a.gif", []), InputError, "there are no frames"),
    (lambda out: pictures.save_gif(out / "a.gif", [FLAT, FLAT[:, :, 1:]]), ShapeError, r"frame 1 has shape \(3, 8\)"),
    (lambda out: pictures.save_gif(out / "a.gif", FLAT, colours=1), InputError, "from 2 to 256, got 1"),
    (lambda out: pictures.save_gif(out / "a.gif", FLAT, seconds=0), InputError, "for 0 seconds"),
    (lambda out: pictures.save_gif(out / "no" / "a.gif", FLAT), FileNotFoundError, "no")])
def test_mistakes(call, error, message, tmp_path):
    with pytest.raises(error, match=message):
        call(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_film_without_frames(tmp_path):
    pytest.importorskip("cv2", exc_type=ImportError)
    with pytest.raises(InputError, match=r"save_mp4\(\): there are no frames"):
        pictures.save_mp4(tmp_path / "a.mp4", [])
    with pytest.raises(InputError, match="rate must be above 0"):
        pictures.save_mp4(tmp_path / "a.mp4", FLAT, rate=0)
    assert not list(tmp_path.iterdir())


def test_no_codec(tmp_path, monkeypatch):
    cv2 = pytest.importorskip("cv2", exc_type=ImportError)
    monkeypatch.setattr(cv2, "VideoWriter", lambda *_: cv2.VideoCapture())
    with pytest.raises(MXNetError, match="lacks the codec mp4v"):
        pictures.save_mp4(tmp_path / "a.mp4", FLAT)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("package, call, message", [
    ("PIL", lambda p: pictures.save_gif(p, FLAT), r"save_gif\(\) needs Pillow.*pip install pillow"),
    ("PIL", lambda p: pictures.save_sheet(p, FLAT), "needs Pillow"),
    ("matplotlib.figure", lambda p: pictures.save_losses(p, {}), "need matplotlib.*pip install matplotlib"),
    ("cv2", lambda p: pictures.save_mp4(p, FLAT), r"save_mp4\(\) needs OpenCV.*pip install")])
def test_what_is_missing_is_said(package, call, message, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MXNetError, match=message):
        call(tmp_path / "a.png")


def test_sampling_mistakes():
    module = mx.mod.Module(mx.sym.Variable("rand") * 2, ["rand"], None)
    with pytest.raises(AssertionError, match="needs a bound module"):
        gan.sample(module, np.ones((2, 1)))
    module.bind([("rand", (2, 1))], for_training=False)
    module.init_params()
    with pytest.raises(ValueError, match=r"'rand' is bound with shape \(2, 1\), got \(3, 2\)"):
        gan.sample(module, np.ones((3, 2)))
    with pytest.raises(TypeError, match="takes rand, got 2 arrays"):
        gan.sample(module, [np.ones((3, 1))] * 2)
