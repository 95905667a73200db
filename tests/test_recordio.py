"""Files of records, without MXNet."""
import builtins
import os
import pickle
import struct
import threading

import numpy as np
import pytest

import ganmod as mx
from ganmod.base import FileFormatError, InputError, StateError
from ganmod.recordio import MXIndexedRecordIO, MXRecordIO, RecordFile

MAGIC = struct.pack("<I", 0xced7230a)


@pytest.fixture
def paths(tmp_path, rng):
    """An index and a file of 50 records, some in parts."""
    made = str(tmp_path / "a.idx"), str(tmp_path / "a.rec")
    with MXIndexedRecordIO(*made, "w") as record:
        for key in range(50):
            record.write_idx(key, payload(key))
    return made


def payload(key):
    return b"%d" % key * key + MAGIC * (key % 3 == 0) + b"end" * (key % 2)


def test_parts_are_whole_again(paths):
    with MXRecordIO(paths[1], "r") as record:
        assert [record.read() for _ in range(51)] == [payload(key) for key in range(50)] + [None]


def test_from_threads(paths):
    wrong = []

    def work(seed):
        for key in np.random.default_rng(seed).integers(0, 50, 400).tolist():
            if record.read_idx(key) != payload(key):
                wrong.append(key)
    with MXIndexedRecordIO(*paths, "r") as record:
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_after_a_fork(paths, tmp_path):
    with MXIndexedRecordIO(*paths, "r") as record, MXRecordIO(tmp_path / "b.rec", "w") as writer:
        writer.write(b"once")
        assert record.read_idx(3) == payload(3)
        child = os.fork()
        if not child:
            good = record.read_idx(40) == payload(40) and record.read() == payload(41)
            try:
                writer.write(b"twice")
                good = False
            except StateError:
                writer.close()
            os._exit(0 if good else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert record.read() == payload(4)
    with MXRecordIO(tmp_path / "b.rec", "r") as record:
        assert [record.read(), record.read()] == [b"once", None]


def test_pickled(paths):
    with MXIndexedRecordIO(*paths, "r") as record:
        record.read_idx(5)
        with pickle.loads(pickle.dumps(record)) as other:
            assert other.read() == payload(0) and other.read_idx(49) == payload(49) and other.keys == record.keys
        assert record.read() == payload(6)
    assert not pickle.loads(pickle.dumps(record)).is_open
    with MXRecordIO(paths[1], "w") as writer, pytest.raises(StateError, match="open for writing"):
        pickle.dumps(writer)


def test_beyond_4_gib(tmp_path):
    paths = str(tmp_path / "a.idx"), str(tmp_path / "a.rec")
    with MXRecordIO(paths[1], "w") as record:
        record.write(b"far away")
    content, far = (tmp_path / "a.rec").read_bytes(), 5 << 30
    with open(paths[1], "r+b") as stream:                  # takes no room: nothing is written between
        stream.seek(far)
        stream.write(content)
    (tmp_path / "a.idx").write_text(f"0\t0\n1\t{far}\n")
    with MXIndexedRecordIO(*paths, "r") as record:
        assert record.read_idx(1) == b"far away" and record.tell() == far + len(content) and record.read() is None


def test_written_beyond_4_gib(tmp_path):
    paths, far = (str(tmp_path / "a.idx"), str(tmp_path / "a.rec")), 5 << 30
    with MXIndexedRecordIO(*paths, "w") as record:
        record._target._stream.seek(far)                   # as if so much had been written before
        record._position = far
        record.write_idx(7, b"far away")
        assert record.tell() == far + 16
    assert (tmp_path / "a.idx").read_text() == f"7\t{far}\n"
    with MXIndexedRecordIO(*paths, "r") as record:
        assert record.read_idx(7) == b"far away"


def test_closed(paths):
    record = MXRecordIO(paths[1], "r")
    record.close()
    with pytest.raises(StateError, match=r"read\(\) needs an open file"):
        record.read()
    record.open()
    assert record.read() == payload(0)
    record.close()


@pytest.mark.parametrize("text", ["1 2\n", "a\t2\n", "1\tx\n", "1\t-4\n", "1\n", "\xff\t\x00\n"])
def test_damaged_index(paths, text):
    with open(paths[0], "w") as stream:
        stream.write("0\t0\n" + text)
    with pytest.raises(FileFormatError, match=r"a\.idx: line 2: expected a key, a tab and an offset"):
        MXIndexedRecordIO(*paths, "r")


def test_damage_names_file_and_place(paths):
    with open(paths[1], "rb") as stream:
        content = stream.read()
    for damaged, message in [(content[:6], "at byte 0: the file is truncated"),
                             (b"xxxx" + content[4:], "at byte 0: no record begins here"),
                             (MAGIC + struct.pack("<I", (1 << 29) - 1) + b"few", "at byte 0: the file is truncated"),
                             (MAGIC + struct.pack("<I", 2 << 29), "at byte 0: found part 2")]:
        with open(paths[1], "wb") as stream:
            stream.write(damaged)
        with MXRecordIO(paths[1], "r") as record, pytest.raises(FileFormatError, match=message) as caught:
            record.read()
        assert paths[1] in str(caught.value)


def test_scan_goes_on_behind_damage(paths):
    with MXIndexedRecordIO(*paths, "r") as record:
        places = list(record.idx.values())
    with open(paths[1], "r+b") as stream:
        stream.seek(places[20])
        stream.write(b"????")                              # the head of 20
        stream.seek(places[30] + 4)
        stream.write(struct.pack("<I", 400))               # the length of 30
    source = RecordFile(paths[1])
    found = list(source.scan())
    source.close()
    assert [at for at, wrong in found if not wrong] == [p for k, p in enumerate(places) if k not in (20, 30)]
    assert [at for at, wrong in found if wrong] == [places[20], places[30]]


def corrupted(content, rng):
    """The content with a few bits flipped, bytes missing or doubled, or its end cut off."""
    content, at = bytearray(content), int(rng.integers(0, len(content)))
    kind, count = rng.integers(0, 4), int(rng.integers(1, 20))
    if kind == 0:
        for place in rng.integers(0, len(content), count):
            content[place] ^= 1 << int(rng.integers(0, 8))
    elif kind == 1:
        del content[at:]
    elif kind == 2:
        del content[at:at + count]
    else:
        content[at:at] = content[at:at + count]
    return bytes(content)


def test_corruptions_end_cleanly(paths, tmp_path, rng):
    contents = [open_and_read(path) for path in paths]
    outcomes = {"read": 0, "refused": 0}
    for round_ in range(200):
        for k, path in enumerate(paths):
            with open(path, "wb") as stream:
                stream.write(corrupted(contents[k], rng) if round_ % 2 == k or round_ % 5 == 0 else contents[k])
        try:
            with MXIndexedRecordIO(*paths, "r") as record:
                size = os.path.getsize(paths[1])
                for key in record.keys:
                    assert len(record.read_idx(key) or b"") <= size
                outcomes["read"] += 1
        except FileFormatError as error:
            assert str(tmp_path) in str(error)
            outcomes["refused"] += 1
        source = RecordFile(paths[1])
        assert len(list(source.scan())) <= os.path.getsize(paths[1]) / 4 + 1
        source.close()
    assert min(outcomes.values()) > 5


def open_and_read(path):
    with open(path, "rb") as stream:
        return stream.read()


# --- samples and images --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("header", [(0, "a", 1, 0), (0, 1, -1, 0), (0, 1, 1.5, 0), (0, [1, "b"], 1, 0),
                                    (0, 10**400, 1, 0), (0, [10**400], 1, 0), (0, 1j, 1, 0), (0, 1, 1 << 64, 0)])
def test_headers_that_are_none(header):
    with pytest.raises(InputError, match=r"pack\(\): IRHeader.* is no header"):
        mx.recordio.pack(header, b"")


def test_labels_that_are_cut_off():
    content = mx.recordio.pack((0, [1, 2, 3], 7, 0), b"")
    for end in (10, -1, -4):
        with pytest.raises(FileFormatError, match=r"unpack\(\): "):
            mx.recordio.unpack(content[:end])


def test_arrays_are_labels():
    header, _ = mx.recordio.unpack(mx.recordio.pack((0, mx.nd.array([1, 2]), 7, 0), bytearray(b"x")))
    assert header.flag == 2 and header.label.tolist() == [1, 2]


@pytest.mark.parametrize("kind", [".png", ".jpg", ".JPEG"])
def test_images(kind):
    pytest.importorskip("cv2")
    image = np.full((6, 8, 3), 77, "uint8")
    for source in (image, mx.nd.array(image, dtype="uint8")):
        content = mx.recordio.pack_img((0, 1, 7, 0), source, 9 if kind == ".png" else 95, kind)
        header, back = mx.recordio.unpack_img(content)
        assert header.id == 7 and back.dtype == np.uint8 and np.abs(back.astype(int) - image).max() <= 1
    assert mx.recordio.unpack_img(content, 0)[1].shape == (6, 8)


def test_images_that_are_none():
    pytest.importorskip("cv2")
    for content in (b"", b"no image", b"\xff\xd8\xff"):
        with pytest.raises(FileFormatError, match=f"the {len(content)} bytes of record 7 are no image"):
            mx.recordio.unpack_img(mx.recordio.pack((0, 1, 7, 0), content))
    for image, kind in ((np.zeros((0, 0, 3), "uint8"), ".jpg"), (np.zeros((4, 4), "uint8"), ".none")):
        with pytest.raises(InputError, match=r"pack_img\(\): an image of shape"):
            mx.recordio.pack_img((0, 1, 7, 0), image, 95, kind)


@pytest.mark.parametrize("reason", ["No module named 'cv2'", "libGL.so.1: cannot open shared object file"])
def test_without_opencv(monkeypatch, reason):
    original = builtins.__import__

    def refuse(name, *args, **settings):
        if name == "cv2":
            raise ImportError(reason)
        return original(name, *args, **settings)
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(mx.MXNetError, match=r"unpack_img\(\) needs OpenCV.*pip install opencv-python-headless"):
        mx.recordio.unpack_img(b"")
