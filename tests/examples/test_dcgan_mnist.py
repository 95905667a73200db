"""The DCGAN example: what it leaves behind, stopping and going on, its data, its networks, its complaints."""
import gzip
import importlib.util
import itertools
import pathlib
import signal
import subprocess
import sys
import time
import types

import numpy as np
import pytest
import torch
from PIL import Image

import ganmod as mx
from tests.parity.test_dcgan import networks

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "examples" / "dcgan_mnist.py"


def load_program():
    spec = importlib.util.spec_from_file_location("dcgan_mnist", PROGRAM)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    return program


@pytest.fixture(scope="module")
def example():
    """The example as a module."""
    return load_program()


class After:
    """In place of the list of interrupts: Ctrl-C is seen when it is looked at for the n-th time."""

    def __init__(self, looks):
        self.looks = looks

    def __bool__(self):
        self.looks -= 1
        return self.looks <= 0


@pytest.fixture
def run(example, monkeypatch):
    """Runs the example in this process with --dry-run on the CPU; returns its exit status or message."""
    def run(out, *arguments, interrupted=None):
        monkeypatch.setattr(sys, "argv", ["dcgan_mnist.py", "--dry-run", "--ctx", "cpu", "--batch-size", "16",
                                          "--out", str(out), *map(str, arguments)])
        monkeypatch.setattr(example, "catch_interrupts", lambda: [] if interrupted is None else After(interrupted))
        try:
            example.main()
        except SystemExit as leaving:
            return leaving.code
        return 0
    return run


def arrays_of(out, epoch):
    """Everything in the checkpoint of an epoch, the optimizers' states included, as bytes by file name."""
    paths = (out / "checkpoints").glob(f"*-{epoch:04d}.*")
    return {path.name: path.read_bytes() for path in paths}


def draw(out, epoch):
    """Images from the generator of a checkpoint, loaded as any program would."""
    prefix = str(out / "checkpoints" / "generator")
    module = mx.mod.Module.load(prefix, epoch, data_names=("rand",), label_names=None)
    module.bind(data_shapes=[("rand", (3, 100, 1, 1))], for_training=False)
    module.forward(mx.io.DataBatch([mx.nd.ones((3, 100, 1, 1))]), is_train=False)
    return module.get_outputs()[0].asnumpy()


# --- What a run leaves behind -----------------------------------------------------------------------------------------

def test_a_run_leaves_pictures_and_checkpoints(tmp_path):
    out = tmp_path / "new" / "folder"
    done = subprocess.run([sys.executable, PROGRAM, "--dry-run", "--epochs", "2", "--out", out], cwd=tmp_path,
                          capture_output=True, text=True, env={"PATH": "", "HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert str(out) in done.stdout.splitlines()[-1]
    assert "loss D" in done.stderr and "images/s" in done.stderr
    for picture in ("sheets/epoch-0001.png", "sheets/epoch-0002.png", "losses.png", "training.gif"):
        with Image.open(out / picture) as image:
            image.verify()
    with Image.open(out / "training.gif") as film:
        assert film.n_frames == 2
    images = draw(out, 2)
    assert images.shape == (3, 1, 32, 32) and np.abs(images).max() <= 1
    assert {path.name for path in tmp_path.iterdir()} <= {"new", ".cache", ".config"}     # matplotlib keeps its fonts


def test_old_checkpoints_are_deleted(run, tmp_path):
    assert run(tmp_path, "--epochs", 4, "--keep", 2) == 0
    kept = sorted(path.name for path in (tmp_path / "checkpoints").glob("generator-*.params"))
    assert kept == ["generator-0003.params", "generator-0004.params"]
    assert len(list((tmp_path / "sheets").iterdir())) == 4


def test_a_second_run_sets_the_first_aside(run, tmp_path):
    assert run(tmp_path, "--epochs", 2) == run(tmp_path) == 0
    assert draw(tmp_path / "earlier-1", 2).shape == draw(tmp_path, 1).shape
    assert not (tmp_path / "checkpoints" / "generator-0002.params").exists()


# --- Stopping and going on --------------------------------------------------------------------------------------------

def test_going_on_equals_not_having_stopped(run, tmp_path):
    """To the bit: both networks, the optimizers' states, the random numbers and the losses, and the pictures."""
    once, twice = tmp_path / "once", tmp_path / "twice"
    assert run(once, "--epochs", 2) == 0
    assert run(twice, "--epochs", 1) == run(twice, "--resume", "--epochs", 2) == 0
    assert arrays_of(once, 2) == arrays_of(twice, 2) and len(arrays_of(once, 2)) == 5
    assert arrays_of(once, 1)["generator-0001.params"] != arrays_of(once, 2)["generator-0002.params"]
    for picture in ("sheets/epoch-0002.png", "losses.png", "training.gif"):
        assert (once / picture).read_bytes() == (twice / picture).read_bytes()


@pytest.mark.parametrize("batches", [1, 3])
def test_stopping_in_the_middle_of_an_epoch(run, tmp_path, batches):
    once, twice = tmp_path / "once", tmp_path / "twice"
    assert run(once, "--epochs", 2) == 0
    looks = batches + (batches - 1) // 2                       # it looks after each batch and after each epoch
    assert run(twice, "--epochs", 2, interrupted=looks) == 130
    assert draw(twice, (batches + 1) // 2).shape == (3, 1, 32, 32)
    assert run(twice, "--resume") == 0                         # the number of epochs is that of the run
    assert arrays_of(once, 2) == arrays_of(twice, 2)


def test_going_on_from_the_last_whole_checkpoint(run, tmp_path):
    assert run(tmp_path, "--epochs", 2) == 0
    whole = arrays_of(tmp_path, 2)
    (tmp_path / "checkpoints" / "progress-0002.params").unlink()          # the computer stopped while it was written
    (tmp_path / "checkpoints" / "generator-0002.states").write_bytes(b"half")
    assert run(tmp_path, "--resume") == 0
    assert arrays_of(tmp_path, 2) == whole


def test_nothing_is_left_to_do(run, tmp_path):
    assert run(tmp_path) == 0
    before = arrays_of(tmp_path, 1)
    assert run(tmp_path, "--resume") == 0
    assert arrays_of(tmp_path, 1) == before


def test_nothing_to_go_on_from(run, tmp_path):
    assert "no checkpoint" in run(tmp_path, "--resume")


def test_control_c(run, tmp_path):
    """The program ends with status 130 and one line, and what it leaves can be loaded and continued."""
    process = subprocess.Popen([sys.executable, PROGRAM, "--dry-run", "--epochs", "100000", "--out", tmp_path],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 120
        while not (tmp_path / "checkpoints" / "progress-0002.params").exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, printed = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in printed and printed.splitlines()[-1].startswith("Stopped;")
    newest = max(int(path.stem[-4:]) for path in (tmp_path / "checkpoints").glob("progress-*"))
    assert draw(tmp_path, newest).shape == (3, 1, 32, 32)
    assert run(tmp_path, "--resume", "--epochs", newest + 1) == 0
    assert draw(tmp_path, newest + 1).shape == (3, 1, 32, 32)


# --- The data ---------------------------------------------------------------------------------------------------------

IMAGES = np.random.RandomState(0).randint(0, 256, (40, 28, 28)).astype(np.uint8)


def idx(images):
    """The content of an IDX file."""
    return b"\0\0\x08\x03" + np.array(images.shape, ">u4").tobytes() + images.tobytes()


def write_idx(path, images):
    path.write_bytes(gzip.compress(idx(images)) if path.suffix == ".gz" else idx(images))


@pytest.mark.parametrize("names", [
    ("train-images-idx3-ubyte",), ("train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz"),
    ("train-images.idx3-ubyte", "t10k-images.idx3-ubyte"),
])
def test_idx_files(example, tmp_path, names):
    for name in names:
        write_idx(tmp_path / name, IMAGES)
    np.testing.assert_array_equal(example.load_images(str(tmp_path)), np.concatenate([IMAGES] * len(names)))


@pytest.mark.parametrize("name, content", [
    ("train-images-idx3-ubyte", b""), ("train-images-idx3-ubyte", idx(IMAGES)[:-1]),
    ("train-images-idx3-ubyte", idx(IMAGES) + b"x"), ("train-images-idx3-ubyte", b"\x89PNG" + idx(IMAGES)[4:]),
    ("train-images-idx3-ubyte", idx(IMAGES[:0])), ("train-images-idx3-ubyte", idx(IMAGES)[:10]),
    ("train-images-idx3-ubyte", b"\0\0\x08\x03" + b"\xff" * 12),
    ("train-images-idx3-ubyte.gz", gzip.compress(idx(IMAGES), mtime=0)[:-100]),
    ("train-images-idx3-ubyte.gz", idx(IMAGES)),
    ("train-images-idx3-ubyte.gz", gzip.compress(idx(IMAGES), mtime=0)[:20] + b"\xff" * 50),
], ids=itertools.count())
def test_damaged_idx_files(example, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SystemExit, match=name):
        example.load_images(str(tmp_path))


def test_files_of_different_sizes(example, tmp_path):
    write_idx(tmp_path / "train-images-idx3-ubyte", IMAGES)
    write_idx(tmp_path / "t10k-images-idx3-ubyte", IMAGES[:, 1:])
    with pytest.raises(SystemExit, match="differ in size"):
        example.load_images(str(tmp_path))


def test_missing_data(run, tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "absent"):
        assert "no train-images-idx3-ubyte" in run(tmp_path / "out", "--data", tmp_path / folder)
    assert not (tmp_path / "out").exists()


def test_training_on_a_folder(run, tmp_path):
    write_idx(tmp_path / "train-images-idx3-ubyte", IMAGES)
    assert run(tmp_path / "out", "--data", tmp_path) == 0
    assert "--batch-size" in run(tmp_path / "out", "--data", tmp_path, "--batch-size", 41)


def test_mnist(example, monkeypatch):
    """OpenML's MNIST comes as rows of numbers."""
    asked = {}

    def fetch_openml(name, **settings):
        asked.update(settings, name=name)
        return types.SimpleNamespace(data=IMAGES.reshape(40, 784).astype(np.float64))
    monkeypatch.setattr(example.datasets, "fetch_openml", fetch_openml)
    np.testing.assert_array_equal(example.load_images("mnist"), IMAGES)
    assert asked["name"] == "mnist_784" and asked["as_frame"] is False


def test_mnist_that_cannot_be_fetched(example, monkeypatch):
    def fetch_openml(*_, **__):
        raise OSError("no network")
    monkeypatch.setattr(example.datasets, "fetch_openml", fetch_openml)
    with pytest.raises(SystemExit, match="no network.*--data DIR"):
        example.load_images("mnist")


def test_images_are_scaled_and_shuffled(example):
    images = example.prepare(IMAGES, 32, 1, False)
    assert images.shape == (40, 1, 32, 32) and images.dtype == np.float32
    assert -1 <= images.min() < -0.9 and 0.9 < images.max() <= 1
    np.testing.assert_array_equal(images, example.prepare(IMAGES, 32, 1, False))
    assert (images != example.prepare(IMAGES, 32, 2, False)).any()


# --- The tutorial's network -------------------------------------------------------------------------------------------

def test_full_is_the_tutorial(example):
    options = types.SimpleNamespace(full=True, dry_run=False)
    size, width, channels = example.network_size(options)
    generator, discriminator = networks(mx, 128)
    assert example.generator_symbol(size, width, channels).infer_shape(rand=(64, 100, 1, 1)) \
        == generator.infer_shape(rand=(64, 100, 1, 1))
    assert example.discriminator_symbol(size, width).infer_shape(data=(64, 3, 64, 64)) \
        == discriminator.infer_shape(data=(64, 3, 64, 64))
    for own, tutorial in ((example.generator_symbol(size, width, channels), generator),
                          (example.discriminator_symbol(size, width), discriminator)):
        own, tutorial = own.attr_dict(), tutorial.attr_dict()
        assert own == tutorial and len(own) > 10


def test_full_prepares_as_the_tutorial(example):
    cv2 = pytest.importorskip("cv2", exc_type=ImportError)
    order = np.random.RandomState(1).permutation(40)
    tutorial = np.asarray([cv2.resize(image, (64, 64)) for image in IMAGES[order]])
    tutorial = tutorial.astype(np.float32) / (255.0 / 2) - 1.0
    np.testing.assert_array_equal(example.prepare(IMAGES, 64, 1, True), tutorial.reshape(40, 1, 64, 64))


def test_training_at_full_size(run, tmp_path):
    pytest.importorskip("cv2", exc_type=ImportError)
    assert run(tmp_path, "--full") == 0
    assert draw(tmp_path, 1).shape == (3, 3, 64, 64)


# --- What is missing --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("package", ["tqdm", "sklearn", "matplotlib.figure"])
def test_a_missing_package(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SystemExit, match=f"{package}.*pip install"):
        load_program()


def test_missing_opencv(example, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(SystemExit, match="OpenCV.*pip install opencv-python-headless"):
        example.prepare(IMAGES, 64, 1, True)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_missing_gpu(run, tmp_path):
    assert "no CUDA device" in run(tmp_path, "--ctx", "gpu")
