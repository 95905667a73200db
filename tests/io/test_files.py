"""Iterators over files, without MXNet: what is wrong with a file, and what MXNet does not offer."""
import gzip
import struct

import numpy as np
import pytest

import ganmod as mx
from ganmod.base import FileFormatError, InputError, StateError

# --- MNIST -----------------------------------------------------------------------------------------------------------

def mnist(folder, images=6, labels=6, cut=None, magic=0x803, packed=False):
    """An MNISTIter over files that are written for it."""
    contents = {"images": struct.pack(">4I", magic, images, 2, 3) + bytes(range(6)) * images,
                "labels": struct.pack(">2I", 0x801, labels) + bytes(range(labels))}
    contents["images"] = contents["images"][:cut]
    for name, content in contents.items():
        (folder / name).write_bytes(gzip.compress(content) if packed else content)
    return mx.io.MNISTIter(folder / "images", folder / "labels", batch_size=2, silent=True)


@pytest.mark.parametrize("settings, message", [
    ({"cut": 20}, "images: at byte 16: the file is truncated: an array of shape (6, 2, 3) takes 36 bytes, and 4 are"),
    ({"cut": 7}, "images: at byte 0: expected the header"),
    ({"magic": 0x801}, "images: at byte 0: expected the header"),
    ({"labels": 5}, "has 6 images"), ({"cut": 20, "packed": True}, "images: at byte 16: the file is truncated")])
def test_mnist_files_that_are_wrong(tmp_path, settings, message):
    with pytest.raises(FileFormatError) as caught:
        mnist(tmp_path, **settings)
    assert message in str(caught.value)


def test_mnist_sizes_are_not_believed(tmp_path):
    (tmp_path / "images").write_bytes(struct.pack(">4I", 0x803, 2**32 - 1, 2**32 - 1, 2**32 - 1))
    (tmp_path / "packed").write_bytes(gzip.compress((tmp_path / "images").read_bytes()))
    (tmp_path / "broken").write_bytes(gzip.compress(bytes(1000))[:20])
    for name in ("images", "packed", "broken"):
        with pytest.raises(FileFormatError, match=name):
            mx.io.MNISTIter(tmp_path / name, tmp_path / name)


def test_mnist_types_and_numbers(tmp_path):
    mnist(tmp_path)
    it = mx.io.MNISTIter(tmp_path / "images", tmp_path / "labels", 2, False, dtype="float16", num_parts=2, part_index=1)
    with pytest.raises(StateError, match="there is no current batch"):
        it.getdata()
    batch = it.next()
    assert batch.data[0].dtype == np.float16 and batch.label[0].dtype == np.float32 and batch.index.tolist() == [3, 4]
    with pytest.raises(InputError, match="there are 6 images, not one batch of 7"):
        mx.io.MNISTIter(tmp_path / "images", tmp_path / "labels", 7)


# --- text ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("text, message", [
    ("1,2\n1,2,3\n", "line 2: 3 numbers, expected 2"), ("1,2\n\na,b\n", "line 3: not numbers"), ("1,\n", "line 1: 1 n"),
    ("1,,2\n", "line 1: not numbers"), ("1 2\n", "line 1: not numbers"), ("\x00,\x01", "line 1: not numbers")])
def test_csv_files_that_are_wrong(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(FileFormatError, match=rf"a\.csv: {message}"):
        mx.io.CSVIter(tmp_path / "a.csv", (2,), 1)


@pytest.mark.parametrize("dtype", ["float64", "float16", "uint8", "int32"])
def test_csv_types(tmp_path, dtype):
    (tmp_path / "a.csv").write_text("1.5,2\n3,4\n")
    assert mx.io.CSVIter(tmp_path / "a.csv", (2,), 2, dtype=dtype).next().data[0].dtype == np.dtype(dtype)


def test_csv_batches_of_more_than_an_epoch(tmp_path):
    (tmp_path / "a.csv").write_text("1\n2\n3\n")
    it = mx.io.CSVIter(tmp_path / "a.csv", 1, 7)
    assert [(b.data[0].asnumpy().ravel().tolist(), b.pad) for b in it] == [([1, 2, 3, 1, 2, 3, 1], 4)]
    it.reset()
    assert it.next().data[0].asnumpy().ravel().tolist() == [2, 3, 1, 2, 3, 1, 2]


def test_csv_labels_must_be_as_many(tmp_path):
    (tmp_path / "a.csv").write_text("1\n2\n3\n")
    (tmp_path / "b.csv").write_text("1\n2\n")
    with pytest.raises(FileFormatError, match=r"3 samples, .*2 labels"):
        mx.io.CSVIter(tmp_path / "a.csv", (1,), 1, tmp_path / "b.csv")
    (tmp_path / "b.csv").write_text("")
    with pytest.raises(InputError, match="there are no samples"):
        mx.io.CSVIter(tmp_path / "b.csv", (1,), 1)


@pytest.mark.parametrize("text", ["1 3:1\n", "1 -1:1\n", "a b\n", "1 0:x\n", "1,2 0:3\n", "1 0:1:2\n"])
def test_libsvm_files_that_are_wrong(tmp_path, text):
    (tmp_path / "a.svm").write_text("# a comment\n" + text)
    with pytest.raises(FileFormatError, match=r"a\.svm: line 2: expected 'label index:value"):
        mx.io.LibSVMIter(tmp_path / "a.svm", (3,), 1)


@pytest.mark.parametrize("settings", [
    {"batch_size": 0}, {"num_parts": 0}, {"part_index": 1}, {"data_shape": (1, 3)}, {"data_shape": ()},
    {"data_shape": "3"}, {"label_shape": (2,)}, {"label_libsvm": "a.svm"}])
def test_libsvm_settings_that_are_wrong(tmp_path, settings):
    (tmp_path / "a.svm").write_text("1 0:1\n")
    with pytest.raises(InputError, match="LibSVMIter: "):
        mx.io.LibSVMIter(**{"data_libsvm": tmp_path / "a.svm", "data_shape": (3,), "batch_size": 1, **settings})
