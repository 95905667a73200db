"""Iterators over files against MXNet's: the same batches, pads, indices, names and shapes."""
import gzip
import struct

import numpy as np
import pytest

import ganmod as mx


def batches(it, count=4):
    """All batches of some epochs; sparse ones as what they stand for."""
    made = []
    for _ in range(count):
        made.append([([a.asnumpy() for a in b.data], [a.asnumpy() for a in b.label], b.pad, b.index.dtype.name)
                     for b in it])
        it.reset()
    return made


def described(it):
    """What an iterator promises."""
    return [[(d.name, tuple(d.shape), np.dtype(d.dtype).name, d.layout) for d in part]
            for part in (it.provide_data, it.provide_label)]


def walked(mx, np, kind, settings, count=4):
    """Everything an iterator gives in some epochs."""
    it = getattr(mx.io, kind)(**settings)
    if type(it).__name__ == "MXDataIter":                  # MXNet's, whose destructor may end the process
        mx.__dict__.setdefault("never deleted", []).append(it)
    return {"described": described(it), "batch_size": it.batch_size, "epochs": batches(it, count)}


# --- MNIST -----------------------------------------------------------------------------------------------------------

@pytest.fixture
def mnist(tmp_path):
    """The paths of 23 images of 2 x 3 and their labels."""
    images, labels = np.arange(23 * 6, dtype="uint8").reshape(23, 2, 3), np.arange(23, dtype="uint8")
    (tmp_path / "images").write_bytes(struct.pack(">4I", 0x803, 23, 2, 3) + images.tobytes())
    (tmp_path / "labels").write_bytes(struct.pack(">2I", 0x801, 23) + labels.tobytes())
    return {"image": str(tmp_path / "images"), "label": str(tmp_path / "labels"), "silent": True, "batch_size": 4}


@pytest.mark.parametrize("settings", [
    {}, {"shuffle": False}, {"seed": 3}, {"flat": True}, {"batch_size": 23}, {"data_name": "x", "label_name": "y"},
    {"shuffle": False, "num_parts": 2}, {"shuffle": False, "num_parts": 2, "part_index": 1},
    {"num_parts": 3, "part_index": 1, "seed": 9}, {"num_parts": 3, "part_index": 2, "batch_size": 1}], ids=str)
def test_mnist(compare, mnist, settings):
    compare(walked, {"kind": "MNISTIter", "settings": {**mnist, **settings}}, rtol=0, atol=0)


def test_mnist_order_of_many(compare, tmp_path):
    count = 20000
    (tmp_path / "images").write_bytes(struct.pack(">4I", 0x803, count, 1, 2) + np.arange(count, dtype="u2").tobytes())
    (tmp_path / "labels").write_bytes(struct.pack(">2I", 0x801, count) + bytes(count))
    compare(walked, {"kind": "MNISTIter", "count": 1, "settings": {
        "image": str(tmp_path / "images"), "label": str(tmp_path / "labels"), "silent": True, "batch_size": count}})


def test_mnist_compressed(mnist):
    """MXNet's build here reads no .gz: against the plain files."""
    plain = batches(mx.io.MNISTIter(**mnist), 1)
    for key in ("image", "label"):
        with open(mnist[key], "rb") as stream, gzip.open(mnist[key] + ".gz", "wb") as packed:
            packed.write(stream.read())
        mnist[key] += ".gz"
    np.testing.assert_equal(batches(mx.io.MNISTIter(**mnist), 1), plain)


# --- CSV -------------------------------------------------------------------------------------------------------------

@pytest.fixture
def csv(tmp_path):
    """The paths of files of 7 rows."""
    rows = {"data": np.arange(21).reshape(7, 3), "label": np.arange(7)[:, None] * 10,
            "pair": np.arange(14).reshape(7, 2)}
    for name, values in rows.items():
        np.savetxt(tmp_path / name, values, fmt="%g", delimiter=",")
    return lambda **settings: {key: str(tmp_path / value) if key.endswith("csv") else value
                               for key, value in {"data_csv": "data", "data_shape": (3,), **settings}.items()}


@pytest.mark.parametrize("round_batch", [True, False])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 5, 7])
def test_csv(compare, csv, batch_size, round_batch):
    settings = csv(label_csv="label", batch_size=batch_size, round_batch=round_batch)
    compare(walked, {"kind": "CSVIter", "settings": settings}, rtol=0, atol=0)


@pytest.mark.parametrize("settings", [
    {}, {"data_shape": (1, 3)}, {"label_csv": "pair", "label_shape": (2,)}, {"dtype": "int32", "label_csv": "label"},
    {"dtype": "int64"}, {"data_name": "x", "label_name": "y"}], ids=str)
def test_csv_settings(compare, csv, settings):
    compare(walked, {"kind": "CSVIter", "settings": csv(batch_size=3, **settings)}, rtol=0, atol=0)


@pytest.mark.parametrize("text", [
    "1.5,2e3,-3\n.5,0,1\n", "1, 2 ,3\n4,5,6\n", "1,2,3\n\n4,5,6\n\n", "1,2,3\r\n4,5,6\r\n", "1,2,3\n4,5,6",
    "nan,inf,1\n1,2,-inf\n", "1,2,3,\n4,5,6,\n", "\ufeff1,2,3\n4,5,6\n", "+1,1e-3,0.1\n16777217,123456789,3\n"])
def test_csv_texts(compare, tmp_path, text):
    (tmp_path / "text").write_bytes(text.encode())
    settings = {"data_csv": str(tmp_path / "text"), "data_shape": (3,), "batch_size": 1}
    compare(walked, {"kind": "CSVIter", "settings": settings, "count": 1}, rtol=2e-7, atol=0)


# --- LibSVM ----------------------------------------------------------------------------------------------------------

SVM = "1.0 0:0.5 2:1.2\n-2.0\n-3.0 0:0.6 1:2.4 2:1.2\n4 2:-1.2\n5 1:1 \n6 0:1\n7 1:2 # why\n\n8 qid:3 2:0.5\n"


@pytest.mark.parametrize("settings", [
    {"batch_size": 3}, {"batch_size": 2}, {"batch_size": 8}, {"batch_size": 11},
    {"batch_size": 2, "label_libsvm": "labels", "label_shape": (3,)},
    *({"batch_size": 1, "num_parts": 3, "part_index": part} for part in range(3))], ids=str)
def test_libsvm(compare, tmp_path, settings):
    (tmp_path / "data").write_text(SVM)
    (tmp_path / "labels").write_text("".join(f"0 {i % 3}:{i}\n" for i in range(8)))
    if "label_libsvm" in settings:
        settings = {**settings, "label_libsvm": str(tmp_path / "labels")}
    settings = {"data_libsvm": str(tmp_path / "data"), "data_shape": (3,), **settings}
    compare(walked, {"kind": "LibSVMIter", "settings": settings, "count": 1}, rtol=2e-7)
