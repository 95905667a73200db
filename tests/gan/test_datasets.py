"""Data sets: IDX files whole and damaged, folders of pictures, MNIST, scaling."""
import gzip
import itertools
import types

import numpy as np
import pytest

from ganmod.base import FileFormatError, InputError, MXNetError
from ganmod.gan import datasets

IMAGES = np.random.RandomState(0).randint(0, 256, (40, 28, 28)).astype(np.uint8)
LABELS = np.arange(40).astype(np.uint8) % 10


def idx(array):
    """The content of an IDX file."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def write(path, array):
    path.write_bytes(gzip.compress(idx(array)) if path.suffix == ".gz" else idx(array))


@pytest.mark.parametrize("names", [
    ("train-images-idx3-ubyte",), ("train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz"),
    ("train-images.idx3-ubyte", "t10k-images.idx3-ubyte"),
])
@pytest.mark.parametrize("labelled", [True, False])
def test_idx_files(tmp_path, names, labelled):
    for name in names:
        write(tmp_path / name, IMAGES)
        if labelled:
            write(tmp_path / name.replace("images", "labels").replace("idx3", "idx1"), LABELS)
    found = datasets.load(tmp_path)
    np.testing.assert_array_equal(found.pixels[:, 0], np.concatenate([IMAGES] * len(names)))
    if labelled:
        np.testing.assert_array_equal(found.labels, np.concatenate([LABELS] * len(names)))
    else:
        assert found.labels is None


@pytest.mark.parametrize("name, content", [
    ("train-images-idx3-ubyte", b""), ("train-images-idx3-ubyte", idx(IMAGES)[:-1]),
    ("train-images-idx3-ubyte", idx(IMAGES) + b"x"), ("train-images-idx3-ubyte", b"\x89PNG" + idx(IMAGES)[4:]),
    ("train-images-idx3-ubyte", idx(IMAGES[:0])), ("train-images-idx3-ubyte", idx(IMAGES)[:10]),
    ("train-images-idx3-ubyte", b"\0\0\x08\x03" + b"\xff" * 12),
    ("train-images-idx3-ubyte.gz", gzip.compress(idx(IMAGES), mtime=0)[:-100]),
    ("train-images-idx3-ubyte.gz", idx(IMAGES)),
    ("train-images-idx3-ubyte.gz", gzip.compress(idx(IMAGES), mtime=0)[:20] + b"\xff" * 50),
    ("train-labels-idx1-ubyte", idx(LABELS)[:-1]),
], ids=itertools.count())
def test_damaged_idx_files(tmp_path, name, content):
    write(tmp_path / "train-images-idx3-ubyte", IMAGES)
    if name.endswith(".gz"):
        (tmp_path / "train-images-idx3-ubyte").unlink()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileFormatError, match=name):
        datasets.load(tmp_path)


def test_files_that_do_not_go_together(tmp_path):
    with pytest.raises(InputError, match="no train-images-idx3-ubyte"):
        datasets.load(tmp_path)
    write(tmp_path / "train-images-idx3-ubyte", IMAGES)
    write(tmp_path / "train-labels-idx1-ubyte", LABELS[1:])
    with pytest.raises(InputError, match="40 images and 39 labels"):
        datasets.load(tmp_path)
    write(tmp_path / "t10k-images-idx3-ubyte", IMAGES[:, 1:])
    with pytest.raises(InputError, match="differ in size"):
        datasets.load(tmp_path)


def test_mnist(monkeypatch):
    """OpenML's MNIST comes as rows of numbers, and labels that are texts."""
    sklearn, asked = pytest.importorskip("sklearn.datasets"), {}

    def fetch_openml(name, **settings):
        asked.update(settings, name=name)
        return types.SimpleNamespace(data=IMAGES.reshape(40, 784).astype(np.float64), target=LABELS.astype(str))
    monkeypatch.setattr(sklearn, "fetch_openml", fetch_openml)
    found = datasets.load("mnist")
    np.testing.assert_array_equal(found.pixels[:, 0], IMAGES)
    np.testing.assert_array_equal(found.labels, LABELS)
    assert asked["name"] == "mnist_784" and asked["as_frame"] is False

    def out_of_reach(*_, **__):
        raise OSError("no network")
    monkeypatch.setattr(sklearn, "fetch_openml", out_of_reach)
    with pytest.raises(MXNetError, match="no network.*--data DIR"):
        datasets.mnist()


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn", None)
    with pytest.raises(MXNetError, match="scikit-learn"):
        datasets.digits()


def test_a_folder_of_pictures(tmp_path, caplog):
    """The square in the middle, red first; the folders' names are the classes; what cannot be read is named."""
    cv2 = pytest.importorskip("cv2")
    for name, colour, shape in (("b", (0, 0, 255), (8, 8)), ("a", (255, 0, 0), (20, 12))):
        (tmp_path / name).mkdir()
        picture = np.full((*shape, 3), 9, np.uint8)
        top, left = (shape[0] - min(shape)) // 2, (shape[1] - min(shape)) // 2
        picture[top:top + min(shape), left:left + min(shape)] = colour             # blue first, as OpenCV has it
        cv2.imwrite(str(tmp_path / name / "x.png"), picture)
    for name, content in (("empty.jpg", b""), ("page.png", b"<html>"), ("notes.txt", b"x")):
        (tmp_path / "a" / name).write_bytes(content)
    found = datasets.picture_folder(tmp_path, 4)
    assert found.pixels.shape == (2, 3, 4, 4) and found.labels.tolist() == [0, 1]
    assert found.pixels[:, :, 0, 0].tolist() == [[0, 0, 255], [255, 0, 0]]
    assert (found.pixels == found.pixels[:, :, :1, :1]).all()
    assert "2 unreadable files: a/empty.jpg, a/page.png" in caplog.text and "notes" not in caplog.text
    (tmp_path / "loose.png").write_bytes((tmp_path / "b" / "x.png").read_bytes())
    assert datasets.picture_folder(tmp_path, 4).labels is None
    for broken in tmp_path.rglob("x.png"):
        broken.write_bytes(b"x")
    (tmp_path / "loose.png").unlink()
    with pytest.raises(InputError, match="no picture in the folder"):
        datasets.picture_folder(tmp_path, 4)


def test_scaling_and_shuffling():
    found = datasets.scaled(IMAGES[:, None], 32)
    assert found.shape == (40, 1, 32, 32) and found.dtype == np.float32
    assert -1 <= found.min() < -0.9 and 0.9 < found.max() <= 1
    np.testing.assert_allclose(datasets.scaled(IMAGES[:, None])[:, 0], IMAGES / 127.5 - 1, atol=1e-6)
    images = datasets.Images(IMAGES[:, None], LABELS)
    once, other = (datasets.shuffled(images, seed, 10) for seed in (1, 2))
    assert (once.pixels != other.pixels).any() and sorted(once.labels) == sorted(LABELS)
    for pixels, label in zip(once.pixels, once.labels):
        assert (pixels == IMAGES[LABELS == label][:, None]).all((1, 2, 3)).any()
    with pytest.raises(InputError, match="fewer than the 41 of a batch"):
        datasets.shuffled(images, 1, 41)
