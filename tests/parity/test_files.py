"""``.params`` files both ways: what MXNet writes we read and write again byte for byte, and the reverse."""
import struct

import numpy as np
import pytest

import ganmod
from tests.parity.oracle import here

DTYPES = ("float32", "float64", "float16", "uint8", "int8", "int32", "int64", "bool")
ARRAY = np.arange(6, dtype="float32").reshape(2, 3)
WHOLE = np.arange(3, dtype="int32")


def write_file(mx, np, path, what):
    """Saves arrays of every dtype, under names, in a list or alone, and returns the bytes."""
    arrays = {f"arg:é{dtype}": mx.nd.array([[0, 1, 2]], dtype=dtype) for dtype in DTYPES}
    arrays["view"] = mx.nd.arange(12).reshape((4, 3))[1:3]
    arrays["transposed"] = mx.nd.arange(6).reshape((2, 3)).T
    arrays["empty"] = mx.nd.array(np.zeros((0, 3)))
    arrays["elsewhere"] = mx.nd.ones((2,), ctx=mx.cpu(1))
    arrays["4d"] = mx.nd.ones((2, 1, 2, 2))
    data = {"dict": arrays, "list": list(arrays.values()), "single": arrays["4d"], "nothing": [], "no names": {},
            "no name": {"": arrays["4d"]}}[what]
    mx.nd.save(path, data)
    with open(path, "rb") as stream:
        return stream.read()


def read_file(mx, np, path):
    """What a file holds, and the kind of container."""
    loaded = mx.nd.load(path)
    return {"kind": type(loaded).__name__, "arrays": loaded}


def read_bytes(mx, np, content):
    """As `read_file`, from memory."""
    loaded = mx.nd.load_frombuffer(content)
    return {"kind": type(loaded).__name__, "arrays": loaded}


@pytest.mark.parametrize("what", ["dict", "list", "single", "nothing", "no names", "no name"])
def test_both_write_the_same_bytes(oracle, tmp_path, what):
    theirs = oracle.run(write_file, path=str(tmp_path / "theirs.params"), what=what)
    ours = here(write_file, ganmod, {"path": str(tmp_path / "ours.params"), "what": what})
    assert ours == theirs


@pytest.mark.parametrize("what", ["dict", "list", "single", "nothing", "no names", "no name"])
def test_each_reads_the_others_file(oracle, compare, tmp_path, what):
    oracle.run(write_file, path=str(tmp_path / "theirs.params"), what=what)
    here(write_file, ganmod, {"path": str(tmp_path / "ours.params"), "what": what})
    for name in ("theirs", "ours"):
        path = str(tmp_path / f"{name}.params")
        compare(read_file, {"path": path}, rtol=0, atol=0)
        with open(path, "rb") as stream:
            compare(read_bytes, {"content": stream.read()}, rtol=0, atol=0)


# ---------------------------------------------------------------------------- older layouts, written by hand

def file_of(arrays, names=()):
    """A file of arrays that are packed already."""
    named = b"".join(struct.pack("<Q", len(name)) + name for name in names)
    return struct.pack("<QQQ", 0x112, 0, len(arrays)) + b"".join(arrays) + struct.pack("<Q", len(names)) + named


def version_1(array, flag, device=(1, 0)):
    return struct.pack(f"<II{array.ndim}qiii", 0xF993FAC8, array.ndim, *array.shape, *device, flag) + array.tobytes()


def before_1_0(array, flag, device=(1, 0)):
    return struct.pack(f"<I{array.ndim}Iiii", array.ndim, *array.shape, *device, flag) + array.tobytes()


def version_2(array, flag, device=(1, 0), magic=0xF993FAC9, storage=0, shape=None):
    shape = array.shape if shape is None else shape
    return struct.pack(f"<Iii{len(shape)}qiii", magic, storage, len(shape), *shape, *device, flag) + array.tobytes()


@pytest.mark.parametrize("content", [
    file_of([version_1(ARRAY, 0), version_1(WHOLE, 4)], [b"a", b"b"]), file_of([version_1(ARRAY, 0)]),
    file_of([before_1_0(ARRAY, 0), before_1_0(WHOLE, 4)], [b"a", b"b"]), file_of([before_1_0(ARRAY, 0)]),
    file_of([before_1_0(ARRAY, 0), version_1(ARRAY, 0), version_2(ARRAY, 0)]),
    file_of([version_2(ARRAY, 0, device=(2, 7))]), file_of([version_2(ARRAY, 0, device=(99, 0))]),
    file_of([version_2(ARRAY, 0), version_2(WHOLE, 4)], [b"a", b"a"]), file_of([version_2(ARRAY, 0)]) + b"more",
    file_of([version_2(np.array([0, 1, 2], "uint8"), 7)]), file_of([version_2(np.zeros((0, 3), "float32"), 0)])],
    ids=[
    "v1", "v1 list", "pre-1.0", "pre-1.0 list", "mixed", "gpu", "no device", "one name twice", "more behind", "bool",
    "empty"])
def test_hand_written_file(compare, content):
    compare(read_bytes, {"content": content}, rtol=0, atol=0)


GOOD = file_of([version_2(ARRAY, 0), version_2(WHOLE, 4)], [b"a", b"b"])


@pytest.mark.parametrize("content", [
    b"", b"\x12\x01", GOOD[:40], GOOD[:70], GOOD[:-5], GOOD[:-20], GOOD.replace(b"\x12", b"\x13", 1),
    file_of([version_2(ARRAY, 99)]), file_of([version_2(ARRAY, -1)]), file_of([version_2(ARRAY, 0, storage=3)]),
    file_of([version_2(ARRAY, 0)], [b"a", b"b"]), file_of([version_2(ARRAY, 0), version_2(WHOLE, 4)], [b"a"]),
    file_of([version_2(ARRAY, 0)], [b"\xff\xfe"])])
def test_damaged_file(compare, content):
    compare(read_bytes, {"content": content}, raises=True)


def write_numpy_shapes(mx, np, path):
    """A file under numpy's shape semantics, in which a single number has no axes."""
    with mx.util.np_shape(True):
        mx.nd.save(path, {"a": mx.nd.array([[1, 2]]), "number": mx.nd.array(np.float32(3)),
                          "empty": mx.nd.array(np.zeros((0, 2)))})


def test_numpy_shapes_are_read(oracle, tmp_path):
    path = str(tmp_path / "a.params")
    oracle.run(write_numpy_shapes, path=path)
    loaded = ganmod.nd.load(path)
    assert {name: array.asnumpy().tolist() for name, array in loaded.items()} == {
        "a": [[1, 2]], "number": [3], "empty": []}
    assert loaded["empty"].shape == (0, 2)


def sparse_arrays(mx, np):
    """In every storage, an empty one of each too."""
    values = np.array([[1, 0, 2], [0, 0, 0], [0, 3, 0]])
    return {"csr": mx.nd.array(values).tostype("csr"),
            "rows": mx.nd.array(values, dtype="float64").tostype("row_sparse"),
            "no": mx.nd.zeros((2, 3), stype="csr"), "none": mx.nd.zeros((2, 3, 4), stype="row_sparse"),
            "dense": mx.nd.array(values, dtype="int32")}


def write_sparse(mx, np, path):
    mx.nd.save(path, sparse_arrays(mx, np))


def read_sparse(mx, np, path):
    return {name: [array.stype, array.asnumpy()] for name, array in mx.nd.load(path).items()}


def test_sparse_arrays_both_ways(oracle, compare, tmp_path):
    theirs, ours = str(tmp_path / "theirs.params"), str(tmp_path / "ours.params")
    oracle.run(write_sparse, path=theirs)
    write_sparse(ganmod, np, ours)
    for path in (theirs, ours):
        found = compare(read_sparse, {"path": path})
        assert {name: stype for name, (stype, _) in found.items()} == {
            "csr": "csr", "rows": "row_sparse", "no": "csr", "none": "row_sparse", "dense": "default"}
