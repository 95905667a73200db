"""Files of records against MXNet's: the same bytes, read in both directions."""
import os
import struct

import numpy as np
import pytest

import ganmod as mx

MAGIC = struct.pack("<I", 0xced7230a)
PAYLOADS = [b"", b"a", b"abcd", MAGIC, 2 * MAGIC, b"ab" + MAGIC, b"abcd" + MAGIC, MAGIC + b"x", b"abcd" + MAGIC[:3],
            b"abcd" + MAGIC + b"e", 2 * MAGIC + b"abcd" + MAGIC, b"ab" + MAGIC + b"ab" + MAGIC,
            b"a" + MAGIC + b"bcd" + MAGIC + b"e", MAGIC[:2] + MAGIC + MAGIC[2:], bytes(1000)]


def bytes_of(path):
    """The content of a file."""
    with open(path, "rb") as stream:
        return stream.read()


def written(mx, np, folder, payloads):
    """The bytes of a file and its index, and what is read from them."""
    paths = folder + "/a.idx", folder + "/a.rec"
    record = mx.recordio.MXIndexedRecordIO(*paths, "w")
    places = []
    for key, payload in enumerate(payloads):
        places.append(record.tell())
        record.write_idx(3 * key, payload)
    record.close()
    made = {"rec": bytes_of(paths[1]), "idx": bytes_of(paths[0]), "places": places}
    record = mx.recordio.MXIndexedRecordIO(*paths, "r")
    made["keys"], made["by key"] = record.keys, [record.read_idx(key) for key in reversed(record.keys)]
    record.seek(6)
    made["on"] = [record.read() for _ in range(3)]
    record.reset()
    made["all"] = [record.read() for _ in range(len(payloads) + 2)]
    record.close()
    record = mx.recordio.MXRecordIO(paths[1], "r")
    made["plain"] = record.read()
    record.close()
    return made


def test_files(compare, tmp_path):
    compare(written, {"folder": str(tmp_path), "payloads": PAYLOADS})


def read_all(mx, np, path):
    """The records of a file."""
    record, found = mx.recordio.MXRecordIO(path, "r"), []
    while True:
        found.append(record.read())
        if found[-1] is None:
            record.close()
            return found[:-1]


def write_all(mx, np, path, payloads):
    """A file of records."""
    record = mx.recordio.MXRecordIO(path, "w")
    for payload in payloads:
        record.write(payload)
    record.close()


def test_across(oracle, tmp_path, rng):
    words = [MAGIC, b"a", b"bc", b"def", b"ghij"]
    payloads = [b"".join(words[i] for i in rng.integers(0, 5, 12)) for _ in range(200)]
    ours, theirs = str(tmp_path / "ours.rec"), str(tmp_path / "theirs.rec")
    write_all(mx, np, ours, payloads)
    oracle.run(write_all, path=theirs, payloads=payloads)
    assert (tmp_path / "ours.rec").read_bytes() == (tmp_path / "theirs.rec").read_bytes()
    assert oracle.run(read_all, path=ours) == read_all(mx, np, theirs) == payloads


def by_key(mx, np, paths, keys):
    """Records by key, and where they end."""
    record = mx.recordio.MXIndexedRecordIO(*paths, "r")
    found = [record.read_idx(key) for key in keys]
    record.close()
    return {"found": found}


def test_beyond_4_gib(compare, tmp_path):
    """A file with a hole, which takes no room."""
    paths = str(tmp_path / "a.idx"), str(tmp_path / "a.rec")
    write_all(mx, np, paths[1], [b"far away", MAGIC + b"in parts" + MAGIC])
    content, far = bytes_of(paths[1]), (5 << 30) + 4
    with open(paths[1], "r+b") as stream:
        stream.seek(far)
        stream.write(content)
    (tmp_path / "a.idx").write_text(f"0\t0\n1\t{far}\n2\t{far + 16}\n")
    theirs = compare(by_key, {"paths": paths, "keys": [2, 0, 1]})
    assert theirs["found"] == [MAGIC + b"in parts" + MAGIC, b"far away", b"far away"]


LABELS = {"int": 4, "float": 4.5, "list": [1, 2], "tuple": (1, 2, 3), "array": np.arange(3), "one": [7.0],
          "float64": np.float64(0.1), "float32": np.float32(0.1), "bool": True, "matrix": np.eye(2), "none": [],
          "huge": 1e39, "huge ones": [1e39, -1e39, 1e-50]}


def packed(mx, np, label, number, flag):
    """A header's bytes, and what is read from them."""
    content = mx.recordio.pack(mx.recordio.IRHeader(flag, label, number, 9), b"xyz")
    header, rest = mx.recordio.unpack(content)
    return {"content": content, "fields": mx.recordio.IRHeader._fields, "header": tuple(header), "rest": rest}


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("number, flag", [(0, 0), (2**63 + 5, 0), (7, 5)])
def test_headers(compare, label, number, flag):
    compare(packed, {"label": LABELS[label], "number": number, "flag": flag}, rtol=0, atol=0)


def keyed(mx, np, folder):
    """Keys of text, keys given twice, and what an index holds."""
    paths = folder + "/k.idx", folder + "/k.rec"
    record = mx.recordio.MXIndexedRecordIO(*paths, "w", key_type=str)
    for key in ("a b", 3, "a b"):
        record.write_idx(key, str(key).encode())
    made = [record.keys, record.idx, record.tell()]
    record.close()
    record = mx.recordio.MXIndexedRecordIO(*paths, "r", key_type=str)
    made += [bytes_of(paths[0]), record.keys, record.idx, record.read_idx("3"), record.is_open, record.writable]
    record.close()
    return {"made": [*made, record.is_open, record.flag]}


def test_keys(compare, tmp_path):
    compare(keyed, {"folder": str(tmp_path)})


def again(mx, np, folder):
    """A writer that is reset begins a new file."""
    record = mx.recordio.MXRecordIO(folder + "/b.rec", "w")
    record.write(b"lost")
    record.reset()
    record.write(b"kept")
    record.close()
    record.close()
    return {"content": bytes_of(folder + "/b.rec")}


def test_reset(compare, tmp_path):
    compare(again, {"folder": str(tmp_path)})


def refused(mx, np, what, folder):
    """Calls that are none."""
    record = mx.recordio.MXIndexedRecordIO(folder + "/c.idx", folder + "/c.rec", "w")
    if what == "reads a writer":
        return record.read()
    if what == "text":
        return record.write("text")
    record.write_idx(0, b"0")
    record.close()
    record = mx.recordio.MXIndexedRecordIO(folder + "/c.idx", folder + "/c.rec", "r" if what != "flag" else "a")
    if what == "writes a reader":
        return record.write(b"1")
    if what == "header":
        return mx.recordio.unpack(b"short")
    return record.read_idx(7)


@pytest.mark.parametrize("what, kind", [("reads a writer", AssertionError), ("text", TypeError), ("key", KeyError),
                                        ("writes a reader", AssertionError), ("flag", ValueError),
                                        ("header", ValueError)])
def test_refusals(compare, tmp_path, what, kind):
    _, ours = compare(refused, {"what": what, "folder": str(tmp_path)}, raises=True)
    assert isinstance(ours, kind) and isinstance(ours, mx.MXNetError)
    assert not os.path.exists("c.rec")
