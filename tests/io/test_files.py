"""Iterators over files, without MXNet: what is wrong with a file, threads, and what MXNet does not offer."""
import gc
import gzip
import logging
import struct
import threading
import time

import numpy as np
import pytest

import ganmod as mx
from ganmod.base import FileFormatError, InputError, StateError

cv2 = pytest.importorskip("cv2")


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


# --- images ----------------------------------------------------------------------------------------------------------

@pytest.fixture
def images(tmp_path):
    """Settings for 20 images of one grey level each, which is their label."""
    paths = tmp_path / "a.idx", tmp_path / "a.rec"
    with mx.recordio.MXIndexedRecordIO(*paths, "w") as record:
        for k in range(20):
            image = np.full((8, 10, 3), k, "uint8") + np.arange(10, dtype="uint8")[:, None] * 20
            record.write_idx(k, mx.recordio.pack_img((0, k, k, 0), image, 3, ".png"))
    return {"path_imgrec": paths[1], "data_shape": (3, 6, 6), "batch_size": 4, "preprocess_threads": 2}


def labels(it):
    return [batch.label[0].asnumpy().tolist() for batch in it]


def damage(settings, number):
    """Overwrite the image of a record; where the record begins."""
    path = settings["path_imgrec"]
    with mx.recordio.MXIndexedRecordIO(path.with_suffix(".idx"), path, "r") as record:
        place = record.idx[number]
    with open(settings["path_imgrec"], "r+b") as stream:
        stream.seek(place + 8 + 24)
        stream.write(b"no image at all")
    return place


def test_damaged_records_are_left_out(images, caplog):
    places = [damage(images, k) for k in (2, 3, 17)]
    with caplog.at_level(logging.WARNING):
        it = mx.io.ImageRecordIter(**images)
        found = labels(it)
        it.reset()
        again = labels(it)
        it.close()
    assert found[0] == [0, 1, 4, 5] and found[-1] == [19, 0, 1, 4] and again[0] == [5, 6, 7, 8]
    assert [r.message.split(": at byte ")[1].split(":")[0] for r in caplog.records] == [str(p) for p in places]
    assert str(images["path_imgrec"]) in caplog.text


def test_damaged_records_raise_on_request(images):
    place = damage(images, 5)
    it = mx.io.ImageRecordIter(**images, on_error="raise")
    with pytest.raises(FileFormatError, match=f"a.rec: at byte {place}: .* are no image"):
        labels(it)
    it.close()


def test_nothing_but_damage(images, caplog):
    for k in range(20):
        damage(images, k)
    it = mx.io.ImageRecordIter(**images)
    assert labels(it) == [] and len(caplog.records) == 20
    it.close()
    images["path_imgrec"].write_bytes(b"nothing here")
    with pytest.raises(FileFormatError, match="there are no records"):
        mx.io.ImageRecordIter(**images)


def test_index_and_list(images, tmp_path):
    (tmp_path / "a.lst").write_text("".join(f"{k}\t{k * 2}\t{k * 3}\tx.png\n" for k in range(20)))
    it = mx.io.ImageRecordIter(**images, path_imgidx=tmp_path / "a.idx", path_imglist=tmp_path / "a.lst", label_width=2)
    batch = it.next()
    assert batch.label[0].asnumpy().tolist() == [[0, 0], [2, 3], [4, 6], [6, 9]]
    assert batch.index.tolist() == [0, 1, 2, 3]
    it.close()


def test_random_crops_repeat_with_the_seed(images):
    made = []
    for seed in (1, 1, 2):
        it = mx.io.ImageRecordIter(**images, rand_crop=True, rand_mirror=True, seed=seed)
        made.append(np.stack([batch.data[0].asnumpy() for batch in it]))
        it.close()
    assert (made[0] == made[1]).all() and (made[0] != made[2]).any()
    steps = made[0][:, :, 0, 0, 1] - made[0][:, :, 0, 0, 0]
    assert set(np.unique(steps)) == {-20, 20}


def test_reset_in_the_middle(images):
    it = mx.io.ImageRecordIter(**{**images, "batch_size": 6}, prefetch_buffer=8)
    first = it.next().label[0].asnumpy()
    it.reset()
    assert (it.next().label[0].asnumpy() == first).all()
    it.close()


def test_threads_end(images):
    before = threading.active_count()
    it = mx.io.ImageRecordIter(**images)
    it.next()
    it.close()
    it.close()
    assert threading.active_count() == before
    with pytest.raises(mx.MXNetError, match="closed"):
        it.next()
    it = mx.io.ImageRecordIter(**images)
    it.next()
    del it
    for _ in range(100):
        gc.collect()
        if threading.active_count() == before:
            break
        time.sleep(0.02)
    assert threading.active_count() == before


@pytest.mark.parametrize("settings", [
    {"data_shape": (2, 6, 6)}, {"data_shape": (6, 6)}, {"on_error": "x"}, {"preprocess_threads": 0}, {"std_r": 0},
    {"dtype": "uint8", "mean_r": 3}, {"inter_method": 9}, {"batch_size": 0}])
def test_image_settings_that_are_wrong(images, settings):
    with pytest.raises(InputError, match="ImageRecordIter: "):
        mx.io.ImageRecordIter(**{**images, **settings})


def test_labels_of_another_width(images):
    it = mx.io.ImageRecordIter(**images, label_width=2)
    with pytest.raises(FileFormatError, match="a.rec: at byte 0: the record with id 0 has a label of 1 numbers"):
        it.next()
    it.close()


def test_corruptions_end_cleanly(images, rng):
    content = images["path_imgrec"].read_bytes()
    for _ in range(40):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 30):
            damaged[place] ^= 1 << int(rng.integers(0, 8))
        images["path_imgrec"].write_bytes(damaged[:int(rng.integers(100, len(content)))])
        try:
            it = mx.io.ImageRecordIter(**images)
        except FileFormatError:
            continue
        try:
            assert len(labels(it)) <= 6
        except FileFormatError as error:
            assert "a.rec: at byte" in str(error)
        it.close()
