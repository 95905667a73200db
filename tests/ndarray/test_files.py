"""Files of arrays: damaged and hostile ones, and writing that leaves nothing half done."""
import os
import struct

import numpy as np
import pytest

import ganmod as mx
from ganmod.base import FileFormatError, InputError

nd = mx.nd


@pytest.fixture
def good(tmp_path):
    """The bytes of a file with named arrays, in every storage."""
    path = tmp_path / "good.params"
    nd.save(path, {"a": nd.arange(6).reshape((2, 3)), "b": nd.array([1, 2, 3], dtype="int32"),
                   "c": nd.array([[0, 1], [2, 0]]).tostype("csr"), "r": nd.array([[0], [2]]).tostype("row_sparse")})
    return path.read_bytes()


def load(tmp_path, content):
    path = tmp_path / "bad.params"
    path.write_bytes(content)
    return nd.load(str(path))


def test_every_truncation_is_an_error(tmp_path, good):
    for length in range(len(good)):
        with pytest.raises(FileFormatError, match=r"bad\.params: at byte \d+, in .*: the file is truncated: .* left"):
            load(tmp_path, good[:length])


def test_random_damage_is_an_error_or_other_numbers(tmp_path, good, rng):
    for _ in range(300):
        damaged = bytearray(good)
        for place in rng.integers(0, len(good), 3):
            damaged[place] = rng.integers(256)
        try:
            nd.load_frombuffer(damaged)
        except FileFormatError:
            pass


HEAD = struct.pack("<QQ", 0x112, 0)
ONE = HEAD + struct.pack("<Q", 1)


def sparse_file(rows, count=None):
    """A file with one row_sparse array of shape (3, 2), which says that it stores `count` rows."""
    count = len(rows) if count is None else count
    sizes = struct.pack("<iqq", 2, count, 2) + struct.pack("<iqq", 2, 3, 2)
    return ONE + struct.pack("<Ii", 0xF993FAC9, 1) + sizes + struct.pack("<iiiiiq", 1, 0, 0, 6, 1, count) + \
        struct.pack(f"<4f{len(rows)}q", 1, 2, 3, 4, *rows) + bytes(8)


def array_bytes(shape, flag=0, storage=0, magic=0xF993FAC9):
    return struct.pack(f"<Iii{len(shape)}qiii", magic, storage, len(shape), *shape, 1, 0, flag)


@pytest.mark.parametrize("content, message", [
    (b"PK\x03\x04" * 8, r"in the header: not an MXNet file .*: it begins with 0x4034b5004034b50, expected 0x112"),
    (HEAD + struct.pack("<Q", 2**60), "array 0 of 1152921504606846976: the file is truncated"),
    (ONE + array_bytes((2**40, 2**20)), "takes 4611686018427387904 bytes, and 0 are left"),
    (ONE + array_bytes((0, 2**62, 2**62)), "expected sizes that fit in memory"),
    (ONE + array_bytes((-2, -3)) + bytes(24), r"the shape is \(-2, -3\); expected no negative sizes"),
    (ONE + array_bytes((1,), flag=99) + bytes(4), r"the dtype flag is 99; expected one of 0 \(float32\), 1"),
    (ONE + array_bytes((1,), storage=3), r"the storage type is 3; expected one of 0 \(default\), 1 \(row_sparse\), 2"),
    (sparse_file(rows=(0, 5)), r"the parts of a row_sparse array do not fit together: .*5"),
    (sparse_file(rows=(2, 0)), "do not fit together"),
    (sparse_file(rows=(0, 1), count=2**60), "takes 9223372036854775808 bytes"),
    (ONE + struct.pack("<Iii", 0xF993FAC9, 0, 33), "found 33 .* expected a known array header, or 0 to 32 axes"),
    (ONE + struct.pack("<Iii", 0xF993FAC9, 0, -2), "found -2 .* 0 to 32 axes"),
    (ONE + b"\xde\xad\xbe\xef", r"hexadecimal 0xefbeadde"),
    (HEAD + struct.pack("<QQ", 0, 5), "5 names for 0 arrays; expected none, or as many"),
    (ONE + array_bytes((1,)) + bytes(4) + struct.pack("<QQ", 1, 2**62), "a name takes 4611686018427387904 bytes"),
    (ONE + array_bytes((1,)) + bytes(4) + struct.pack("<QQ", 1, 2) + b"\xff\xfe", "a name is not UTF-8")])
def test_hostile_files(tmp_path, content, message):
    with pytest.raises(FileFormatError, match=message):
        load(tmp_path, content)


def test_empty_handles_and_bfloat16_come_back(tmp_path):
    content = HEAD + struct.pack("<Q", 2) + struct.pack("<Iii", 0xF993FAC9, 0, 0) + struct.pack("<I", 0) + bytes(8)
    assert [array.shape for array in load(tmp_path, content)] == [(0,), (0,)]
    path = tmp_path / "b.params"
    nd.save(path, nd.array([1.5, -2], dtype="bfloat16"))
    assert nd.load(path)[0].asnumpy().tolist() == [1.5, -2] and nd.load(path)[0].as_torch().element_size() == 2


def test_gpu_arrays_are_saved_and_come_back(tmp_path, ctx):
    path = tmp_path / "a.params"
    nd.save(path, {"a": nd.ones((2, 3), ctx)})
    loaded = nd.load(path)["a"]
    assert loaded.context == ctx and loaded.asnumpy().tolist() == [[1, 1, 1], [1, 1, 1]]


def test_a_failing_write_leaves_the_old_file(tmp_path, good, monkeypatch):
    path = tmp_path / "good.params"
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        nd.save(path, [nd.ones((1000,))])
    assert path.read_bytes() == good and os.listdir(tmp_path) == ["good.params"]


@pytest.mark.parametrize("data, message", [
    (3, "got int"), ([1], "got 0: int"), ({"a": 1}, "got 'a': int"), ({1: nd.ones(1)}, "got 1: NDArray"),
    ([np.ones(3)], "got 0: ndarray"),
    (nd.ones(2).astype("int16"), "MXNet's format has no int16; cast to one of float32")])
def test_what_cannot_be_saved(tmp_path, data, message):
    with pytest.raises(InputError, match=message):
        nd.save(tmp_path / "a.params", data)
    assert not os.listdir(tmp_path)


def test_what_cannot_be_opened(tmp_path):
    with pytest.raises(FileNotFoundError):
        nd.load(tmp_path / "nowhere.params")
    with pytest.raises(FileNotFoundError):
        nd.save(tmp_path / "nowhere" / "a.params", nd.ones(1))
    with pytest.raises(InputError, match="load_frombuffer.. takes bytes, got str"):
        nd.load_frombuffer("abc")
