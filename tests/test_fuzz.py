"""Damaged files end in a clean error or a left-out record: none crashes, hangs, or asks for memory it cannot fill.

Each test reads a seeded sample of random damage; ``GANMOD_FUZZ_ROUNDS=2000`` makes it as many for each format.
"""
import itertools
import json
import logging
import os
import resource
import signal
import time

import numpy as np
import pytest

import ganmod as mx
from ganmod.recordio import MXIndexedRecordIO, MXRecordIO, RecordFile, pack, pack_img, unpack, unpack_img
from ganmod.tools import im2rec, lists, rec2idx

cv2 = pytest.importorskip("cv2")

ROUNDS = int(os.environ.get("GANMOD_FUZZ_ROUNDS", "60"))
SECONDS = 20                                               # for one damaged file of a few KB, on a busy machine
GROWTH = 48 << 20                                          # bytes of memory beyond what was ever used before
COUNT = 12                                                 # samples


def flipped(content, rng):
    for place in rng.integers(0, len(content), int(rng.integers(1, 20))):
        content[place] ^= 1 << int(rng.integers(0, 8))


def truncated(content, rng):
    del content[int(rng.integers(0, len(content))):]


def missing(content, rng):
    at = int(rng.integers(0, len(content)))
    del content[at:at + int(rng.integers(1, 20))]


def doubled(content, rng):
    at, count = int(rng.integers(0, len(content))), int(rng.integers(1, 200))
    content[at:at] = content[at:at + count]


def huge(content, rng):
    """Sizes and counts that are near the ends of their types."""
    at, width = int(rng.integers(0, len(content) // 4)) * 4, int(rng.choice([4, 8]))
    value = (1 << 8 * width - 1, (1 << 8 * width) - 1, 1 << 31, 1 << 30, (1 << 31) - 1)[int(rng.integers(0, 5))]
    content[at:at + width] = value.to_bytes(8, "little")[:width]


def longer(content, rng):
    """A number in a text with many more digits."""
    digits = [k for k, c in enumerate(content) if chr(c).isdigit()]
    if digits:
        at = int(rng.choice(digits))
        content[at:at] = b"9" * int(rng.choice([1, 5, 12, 25, 400, 5000]))


BINARY, TEXT = (flipped, truncated, missing, doubled, huge), (flipped, truncated, missing, doubled, longer)


def damaged(path, rng, kinds):
    """The files that a test has to read: `path` is damaged in one way after another, then it is as before."""
    with open(path, "rb") as stream:
        content = stream.read()
    for _, kind in zip(range(ROUNDS), itertools.cycle(kinds)):
        changed = bytearray(content)
        kind(changed, rng)
        with open(path, "wb") as stream:
            stream.write(changed)
        yield kind.__name__
    with open(path, "wb") as stream:
        stream.write(content)


def outcomes(path, rng, kinds, *readers):
    """How often reading a damaged file was refused, and how often it worked; each reader in time and memory."""
    found = {"refused": 0, "read": 0}

    def too_late(*_):
        raise TimeoutError(f"no end after {SECONDS} seconds")
    before = signal.signal(signal.SIGALRM, too_late)
    try:
        for kind in damaged(path, rng, kinds):
            for reader in readers:
                memory, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
                signal.alarm(SECONDS)
                try:
                    reader()
                    found["read"] += 1
                except (mx.MXNetError, OSError) as error:       # a list may name any file
                    assert str(error), "an error without a message"
                    found["refused"] += 1
                except BaseException as error:
                    with open(path, "rb") as stream:
                        error.add_note(f"{kind}: {stream.read()[:4000]!r}") if hasattr(error, "add_note") else None
                    raise
                finally:
                    signal.alarm(0)
                grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) << 10
                assert grown < GROWTH, f"{kind}: {reader.__name__} took {grown} bytes"
                assert time.monotonic() - start < SECONDS
    finally:
        signal.signal(signal.SIGALRM, before)
    assert found["read"] and found["refused"], found
    return found


@pytest.fixture
def quiet():
    """What is left out is logged, thousands of times here."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def images(tmp_path, rng, quiet):
    """A file of records of images, some in parts and with several labels, its index and its list, and the images."""
    pixels = rng.integers(0, 255, (COUNT, 8, 8, 3), np.uint8)
    (tmp_path / "root").mkdir()
    with MXIndexedRecordIO(tmp_path / "a.idx", tmp_path / "a.rec", "w") as record:
        for k, image in enumerate(pixels):
            content = cv2.imencode(".png" if k % 2 else ".jpg", image)[1].tobytes()
            (tmp_path / "root" / f"{k}.png").write_bytes(content)
            trailer = b"\0" * (-len(content) % 4) + b"\x0a\x23\xd7\xce" * (k % 3 == 0)
            record.write_idx(k, pack((0, k if k % 4 else [k], k, 0), content + trailer))
    (tmp_path / "a.lst").write_text("".join(f"{k}\t{k % 3}.000000\t{k}.png\n" for k in range(COUNT)))
    return tmp_path


def all_of(iterator):
    """Goes through an epoch; the damaged records are left out."""
    try:
        for batch in iterator:
            assert np.isfinite(batch.data[0].asnumpy()).all()
    finally:
        if hasattr(iterator, "close"):
            iterator.close()


def record_iter(images, **settings):
    return mx.io.ImageRecordIter(path_imgrec=str(images / "a.rec"), data_shape=(3, 8, 8), batch_size=4,
                                 preprocess_threads=1, **settings)


def test_records(images, rng):
    size = os.path.getsize(images / "a.rec")

    def in_turn():
        with MXRecordIO(images / "a.rec", "r") as record:
            while (payload := record.read()) is not None:
                assert len(payload) <= 2 * size
                header, content = unpack(payload)
                assert np.size(header.label) * 4 + len(content) <= len(payload)

    def by_key():
        with MXIndexedRecordIO(images / "a.idx", images / "a.rec", "r") as record:
            for key in record.keys:
                unpack_img(record.read_idx(key) or b"")

    def scanned():
        source = RecordFile(images / "a.rec")
        try:
            assert len(list(source.scan())) <= 2 * size / 4 + 1
        finally:
            source.close()

    def indexed():
        count, _ = rec2idx.make_index(images / "a.rec", images / "b.idx")
        with MXIndexedRecordIO(images / "b.idx", images / "a.rec", "r") as record:
            assert len(record.keys) == count and all(record.read_idx(key) is not None for key in record.keys)

    outcomes(images / "a.rec", rng, BINARY, in_turn, by_key, scanned, indexed, lambda: all_of(record_iter(images)),
             lambda: all_of(record_iter(images, path_imgidx=str(images / "a.idx"), shuffle=True)))


def test_indices(images, rng):
    def by_key():
        with MXIndexedRecordIO(images / "a.idx", images / "a.rec", "r") as record:
            for key in record.keys:
                assert record.read_idx(key) is None or len(record.read_idx(key)) < 2000

    outcomes(images / "a.idx", rng, TEXT, by_key,
             lambda: all_of(record_iter(images, path_imgidx=str(images / "a.idx"))),
             lambda: all_of(mx.image.ImageIter(4, (3, 8, 8), path_imgrec=str(images / "a.rec"),
                                               path_imgidx=str(images / "a.idx"), shuffle=True)))


def test_lists(images, rng):
    def packed():
        summary = im2rec.make_records(str(images / "a.lst"), str(images / "root"))
        with MXIndexedRecordIO(images / "a.idx", images / "a.rec", "r") as record:
            assert all(len(unpack(record.read_idx(key))[1]) > 50 for key in record.keys)
            assert summary.packed >= len(record.idx)

    def read():
        assert all(isinstance(entry, (lists.Image, lists.Skipped)) for entry in lists.lines_of(str(images / "a.lst")))

    outcomes(images / "a.lst", rng, TEXT, read, packed,
             lambda: all_of(record_iter(images, path_imglist=str(images / "a.lst"))),
             lambda: all_of(mx.image.ImageIter(4, (3, 8, 8), path_imglist=str(images / "a.lst"),
                                               path_root=str(images / "root"))))


def test_arrays(tmp_path, rng, quiet):
    arrays = {f"{kind}:{dtype}": mx.nd.array(rng.integers(0, 9, shape), dtype=dtype)
              for (kind, shape), dtype in zip(itertools.cycle([("arg", (3, 4)), ("aux", (7,)), ("arg", (2, 0, 3)),
                                                               ("arg", (1, 2, 1, 2))]),
                                              ("float32", "float64", "float16", "uint8", "int32", "int8", "int64",
                                               "bool", "bfloat16"))}
    path = str(tmp_path / "a-0001.params")
    mx.nd.save(path, arrays)
    size = os.path.getsize(path)

    def whole():
        loaded = mx.nd.load(path)
        kept = loaded.values() if isinstance(loaded, dict) else loaded
        assert sum(a.size * a.as_torch().element_size() for a in kept) <= 2 * size

    def from_memory():
        with open(path, "rb") as stream:
            mx.nd.load_frombuffer(stream.read())

    outcomes(path, rng, BINARY, whole, from_memory, lambda: mx.model.load_params(str(tmp_path / "a"), 1))


def network():
    """A symbol with attributes of many kinds."""
    x = mx.sym.Variable("data", shape=(2, 3, 8, 8), lr_mult=2)
    x = mx.sym.Convolution(x, kernel=(3, 3), num_filter=4, pad=(1, 1), name="conv")
    x = mx.sym.LeakyReLU(mx.sym.BatchNorm(x, fix_gamma=False, name="bn"), act_type="leaky", slope=0.2)
    x = mx.sym.Pooling(x, kernel=(2, 2), stride=(2, 2), pool_type="max")
    left, right = mx.sym.SliceChannel(x, num_outputs=2, name="cut")
    x = mx.sym.Concat(left, right * 2 + 1, dim=1)
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Flatten(x), num_hidden=5), name="softmax")


def test_symbols(tmp_path, rng, quiet):
    path = str(tmp_path / "a-symbol.json")
    network().save(path)

    def loaded():
        symbol = mx.sym.load(path)
        again = mx.sym.load_json(symbol.tojson())
        assert again.list_arguments() == symbol.list_arguments()

    def inferred():
        mx.sym.load(path).infer_shape_partial()
    outcomes(path, rng, TEXT, loaded, inferred)


@pytest.mark.parametrize("op, attrs", [("SliceChannel", {"num_outputs": "{}"}), ("Concat", {"num_args": "{}"}),
                                       ("_split_v2", {"indices": "()", "sections": "{}"})])
@pytest.mark.parametrize("counts", [[99999999], [40000, 40000]])
def test_symbols_that_count_too_much(op, attrs, counts):
    """The names of what attributes count would fill the memory; the whole file has one allowance."""
    nodes = [{"op": "null", "name": "x", "inputs": []}]
    for k, count in enumerate(counts, 1):
        last = k == len(counts)
        nodes.append({"op": op if last else "SliceChannel", "name": f"n{k}", "inputs": [[0, 0, 0]], "attrs": {
            key: value.format(count) for key, value in (attrs if last else {"num_outputs": "{}"}).items()}})
    text = json.dumps({"nodes": nodes, "heads": [[1, 0, 0]], "attrs": {"mxnet_version": ["int", 10901]}})
    with pytest.raises(mx.MXNetError, match=f"node {k}: 'n{k}': [a-z_]*={count} is more than a file of this size may"):
        mx.sym.load_json(text)


def test_images_that_claim_too_much(rng):
    """They are refused before anything is decoded; what they claim would take gigabytes."""
    image = rng.integers(0, 255, (16, 16, 3), np.uint8)
    jpg, png = (bytearray(cv2.imencode(kind, image)[1].tobytes()) for kind in (".jpg", ".png"))
    at = jpg.find(b"\xff\xc0") + 5
    jpg[at:at + 4] = b"\x7f\xff\x7f\xff"
    chunk = png.find(b"IDAT") - 4
    long, wide = png.copy(), png.copy()
    long[chunk:chunk + 4] = b"\x7f\xff\xff\xff"
    wide[16:24] = b"\x00\x00\x7f\xff\x00\x00\x7f\xff"
    for content, message in ((jpg, "32767 × 32767 pixels do not fit"), (wide, "32767 × 32767 pixels do not fit"),
                             (long, "a chunk of it ends at byte 21474")):
        with pytest.raises(mx.MXNetError, match=f"record 7: {message}"):
            unpack_img(pack((0, 1, 7, 0), bytes(content)))
        with pytest.raises(mx.MXNetError, match=message):
            mx.image.imdecode(bytes(content))


def test_images(images, rng):
    """The image in a record: damage is an error or another picture."""
    path = images / "one"
    path.write_bytes(pack_img((0, 1, 7, 0), rng.integers(0, 255, (16, 16, 3), np.uint8), 90, ".jpg"))

    def decoded():
        assert unpack_img(path.read_bytes())[1].size < 1 << 24
    outcomes(path, rng, BINARY, decoded)
