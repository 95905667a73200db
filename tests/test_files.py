"""Opening files here and elsewhere: in memory, and through a server of HTTP on this machine."""
import functools
import http.server
import os
import pickle
import re
import socketserver
import sys
import threading

import numpy as np
import pytest

import ganmod as mx
from ganmod import files
from ganmod.base import FileFormatError, InputError, MXNetError
from ganmod.recordio import MXIndexedRecordIO, MXRecordIO, RecordFile, pack, pack_img

RECORDS = 200


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; ranges too, unless the server is told otherwise. It notes how many bytes each request got."""

    def do_GET(self):
        path, asked = self.translate_path(self.path), re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not os.path.isfile(path) or not asked or not self.server.ranges:
            if os.path.isfile(path):
                self.server.served.append(os.path.getsize(path))
            return super().do_GET()
        with open(path, "rb") as stream:
            content = stream.read()
        first, last = int(asked[1]), int(asked[2])
        part = content[first:last + 1]
        self.server.served.append(len(part))
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *args):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


@pytest.fixture
def server(tmp_path):
    """A server of what lies under tmp_path; `url`, and `served`, the bytes of each answer."""
    pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp")
    server = Server(("127.0.0.1", 0), functools.partial(Handler, directory=str(tmp_path)))
    server.served, server.ranges, server.url = [], True, f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def memory():
    """fsspec's files in memory, which are gone afterwards."""
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def payload(key):
    return b"%04d" % key * 250


@pytest.fixture
def record(tmp_path):
    """A file of records of 1000 bytes each, and its index."""
    with MXIndexedRecordIO(tmp_path / "a.idx", tmp_path / "a.rec", "w") as made:
        for key in range(RECORDS):
            made.write_idx(key, payload(key))
    return tmp_path / "a.rec"


# --- records -------------------------------------------------------------------------------------------------------

def test_only_what_is_asked_for_is_fetched(server, record):
    index_size = os.path.getsize(record.with_suffix(".idx"))
    with MXIndexedRecordIO(server.url + "/a.idx", server.url + "/a.rec", "r") as reader:
        assert server.served == [index_size] and len(reader.keys) == RECORDS
        server.served.clear()
        for key in (150, 3, 151, 7, RECORDS - 1):
            assert reader.read_idx(key) == payload(key)
        assert server.served == [1008] * 5                 # one request each, of the record and nothing else
        reader.seek(20)
        assert [reader.read() for _ in range(3)] == [payload(20), payload(21), payload(22)]
        assert sum(server.served) < os.path.getsize(record) / 4
    with pytest.raises(mx.base.StateError, match="needs an open file"):
        reader.read_idx(1)


def test_reading_on_takes_few_requests(server, record):
    with MXRecordIO(server.url + "/a.rec", "r") as reader:
        assert [reader.read() for _ in range(RECORDS + 1)] == [*map(payload, range(RECORDS)), None]
    assert len(server.served) < 10 and sum(server.served) < 1.05 * os.path.getsize(record)
    source, near = RecordFile(server.url + "/a.rec"), RecordFile(record)
    assert list(source.scan()) == list(near.scan()) and len(server.served) < 20
    source.close()
    near.close()


def test_from_threads_after_a_fork_and_unpickled(server, record):
    wrong = []

    def work(seed):
        for key in np.random.default_rng(seed).integers(0, RECORDS, 20).tolist():
            if reader.read_idx(key) != payload(key):
                wrong.append(key)
    with MXIndexedRecordIO(server.url + "/a.idx", server.url + "/a.rec", "r") as reader:
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with pickle.loads(pickle.dumps(reader)) as other:
            assert not wrong and other.read_idx(9) == payload(9)
        child = os.fork()
        if not child:
            os._exit(0 if reader.read_idx(40) == payload(40) else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert reader.read_idx(41) == payload(41)


def test_a_server_without_ranges(server, record, caplog):
    server.ranges = False
    with MXIndexedRecordIO(server.url + "/a.idx", server.url + "/a.rec", "r") as reader:
        for key in (150, 3, RECORDS - 1):
            assert reader.read_idx(key) == payload(key)
    assert "gives no parts of a file; all of it is fetched once" in caplog.text
    assert server.served.count(os.path.getsize(record)) == 1


def test_records_in_memory(memory, record):
    uris = "memory://x/a.idx", "memory://x/a.rec"
    with MXIndexedRecordIO(*uris, "w") as writer:
        for key in range(RECORDS):
            writer.write_idx(key, payload(key))
        assert not memory.exists("/x/a.rec")               # it arrives as a whole
    assert memory.cat_file("/x/a.rec") == record.read_bytes()
    assert memory.cat_file("/x/a.idx") == record.with_suffix(".idx").read_bytes()
    with pytest.raises(KeyError, match="stop"), MXIndexedRecordIO(*uris, "w") as writer:
        writer.write_idx(0, b"half")
        raise KeyError("stop")
    with MXIndexedRecordIO(*uris, "r") as reader:
        assert [reader.read_idx(key) for key in (7, 199)] == [payload(7), payload(199)]
    memory.pipe_file("/x/a.rec", memory.cat_file("/x/a.rec")[:-6])
    with MXIndexedRecordIO(*uris, "r") as reader, pytest.raises(FileFormatError, match="memory://x/a.rec: at byte"):
        reader.read_idx(199)


def test_an_iterator_of_records(server, memory, tmp_path, rng):
    pytest.importorskip("cv2")
    images = rng.integers(0, 255, (12, 6, 5, 3), np.uint8)
    with MXIndexedRecordIO(tmp_path / "i.idx", tmp_path / "i.rec", "w") as writer:
        for key, image in enumerate(images):
            writer.write_idx(key, pack_img((0, key, key, 0), image, 9, ".png"))
    (tmp_path / "i.lst").write_text("".join(f"{key}\t{99 - key}\tno.png\n" for key in range(12)))
    for name in ("i.idx", "i.rec", "i.lst"):
        memory.pipe_file("/" + name, (tmp_path / name).read_bytes())
    expected = images[:, :, :, ::-1].transpose(0, 3, 1, 2)
    for place, settings in (("memory://", {}), (server.url + "/", {}), (server.url + "/", {"path_imgidx": "i.idx"})):
        settings = {name: place + value for name, value in settings.items()}
        it = mx.io.ImageRecordIter(path_imgrec=place + "i.rec", data_shape=(3, 6, 5), batch_size=4, **settings)
        np.testing.assert_equal(np.concatenate([batch.data[0].asnumpy() for batch in it]), expected)
        it.close()
    it = mx.io.ImageRecordIter(path_imgrec="memory://i.rec", path_imglist="memory://i.lst", data_shape=(3, 6, 5),
                               batch_size=12)
    assert it.next().label[0].asnumpy().tolist() == [*range(99, 87, -1)]
    it = mx.image.ImageIter(4, (3, 6, 5), path_imgrec="memory://i.rec", path_imgidx="memory://i.idx", shuffle=True)
    assert sorted(float(x) for batch in it for x in batch.label[0].asnumpy()) == [*range(12)]


# --- everything else -----------------------------------------------------------------------------------------------

def trained():
    """A module of one layer, with states of its optimizer."""
    net = mx.sym.LinearRegressionOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2), name="out")
    module = mx.mod.Module(net, label_names=["out_label"])
    module.bind([("data", (4, 3))], [("out_label", (4, 2))])
    module.init_params(mx.init.Normal(1))
    module.init_optimizer(optimizer="adam")
    module.forward_backward(mx.io.DataBatch([mx.nd.ones((4, 3))], [mx.nd.ones((4, 2))]))
    module.update()
    return module


def test_checkpoints(memory, server, tmp_path, seed):
    module = trained()
    module.save_checkpoint("memory://run/net", 3, save_optimizer_states=True)
    names = ["net-0003.params", "net-0003.states", "net-symbol.json"]
    assert sorted(memory.ls("/run", detail=False)) == ["/run/" + name for name in names]
    for name in names:
        (tmp_path / name).write_bytes(memory.cat_file("/run/" + name))
    for place in ("memory://run", server.url, str(tmp_path), f"file://{tmp_path}"):
        again = mx.mod.Module.load(f"{place}/net", 3, load_optimizer_states=True, label_names=["out_label"])
        again.bind([("data", (4, 3))], [("out_label", (4, 2))])
        again.init_optimizer(optimizer="adam")
        for name, value in module.get_params()[0].items():
            np.testing.assert_equal(again.get_params()[0][name].asnumpy(), value.asnumpy())
        mean, _ = again._updater.states[0]
        assert np.abs(mean.asnumpy()).max() > 0
        symbol, arg_params, _ = mx.model.load_checkpoint(f"{place}/net", 3)
        assert symbol.tojson() == module.symbol.tojson() and set(arg_params) == set(module.get_params()[0])
    with pytest.raises(FileNotFoundError, match=r"memory://run/net-0004\.params"):
        mx.model.load_params("memory://run/net", 4)


def test_arrays_lists_and_numbers(memory, server, tmp_path, rng):
    values = rng.normal(size=(5, 4)).astype("float32")
    mx.nd.save("memory://a.params", {"x": mx.nd.array(values)})
    (tmp_path / "a.params").write_bytes(memory.cat_file("/a.params"))
    (tmp_path / "a.csv").write_text("\n".join(",".join(map(str, row)) for row in values.tolist()))
    for uri in ("memory://a.params", server.url + "/a.params"):
        np.testing.assert_equal(mx.nd.load(uri)["x"].asnumpy(), values)
    rows = next(mx.io.CSVIter(data_csv=server.url + "/a.csv", data_shape=(4,), batch_size=5))
    np.testing.assert_equal(rows.data[0].asnumpy(), values)
    memory.pipe_file("/b.params", memory.cat_file("/a.params")[:50])
    with pytest.raises(FileFormatError, match="memory://b.params: at byte"):
        mx.nd.load("memory://b.params")


def test_names(memory, tmp_path):
    for name in ("p.lst", "p_val.lst", "q.lst", "pp/x.lst"):
        memory.pipe_file("/d/" + name, b"")
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    for place in ("memory://d", str(tmp_path)):
        assert sorted(files.names_beginning(place + "/p")) == [place + "/p.lst", place + "/p_val.lst"]
    for place in ("memory://none/p", str(tmp_path / "none" / "p")):
        with pytest.raises(FileNotFoundError):
            files.names_beginning(place)


@pytest.mark.parametrize("uri, error, message", [
    ("http://127.0.0.1:9/a", files.RemoteFileError, "http://127.0.0.1:9/a cannot be read: "),
    ("nonsense://a", InputError, "nonsense://a: fsspec opens no such URI"),
    ("memory://none", FileNotFoundError, "memory://none")])
def test_what_cannot_be_opened(uri, error, message):
    pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp")
    for call in (mx.nd.load, mx.sym.load, lambda place: MXRecordIO(place, "r"), files.open_ranges):
        with pytest.raises(error, match=message):
            call(uri)


def test_a_server_cannot_be_written(server):
    with pytest.raises(files.RemoteFileError, match="/a.params cannot be written: "):
        mx.nd.save(server.url + "/a.params", [mx.nd.ones((1,))])
    writer = MXRecordIO(server.url + "/a.rec", "w")
    writer.write(b"lost")
    with pytest.raises(files.RemoteFileError, match="/a.rec cannot be written"):
        writer.close()
    with pytest.raises(FileNotFoundError):
        mx.nd.load(server.url + "/none.params")


@pytest.mark.parametrize("missing, uri", [("fsspec", "memory://a"), ("s3fs", "s3://bucket/a")])
def test_what_is_missing_is_named(monkeypatch, missing, uri):
    if missing != "fsspec":
        pytest.importorskip("fsspec")
    monkeypatch.setitem(sys.modules, missing, None)
    for call in (mx.nd.load, mx.sym.load, lambda place: MXRecordIO(place, "w"),
                 lambda place: mx.nd.save(place, [mx.nd.ones((1,))])):
        with pytest.raises(MXNetError, match=rf"^{uri}: .*pip install ganmod\[remote\]$"):
            call(uri)


# --- writing -------------------------------------------------------------------------------------------------------

def test_written_at_once_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a"
    files.write_atomically(path, b"old")
    output = files.Output(path)
    output.write(b"new")
    assert path.read_bytes() == b"old" and len(os.listdir(tmp_path)) == 2
    child = os.fork()
    if not child:
        output.close()                                     # which is the other process's to do
        os._exit(0 if path.read_bytes() == b"old" and len(os.listdir(tmp_path)) == 2 else 1)
    assert os.waitpid(child, 0)[1] == 0
    output.discard()
    output.close()
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["a"]

    def fail(*args):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        files.write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["a"]


def test_paths_that_look_like_uris(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("c:a", "x:y.rec", "a:b::c", "model::first.params"):
        files.write_atomically(name, b"1")
        assert os.path.getsize(name) == 1 and not files.is_remote(name)
    assert files.is_remote("simplecache::s3://bucket/a") and files.is_remote("zip://a::memory://b.zip")
    files.write_atomically(f"file://{tmp_path}/here", pack((0, 1, 2, 3), b""))
    assert os.path.getsize(tmp_path / "here") == 24
    with files.reading_text("c:a", "latin-1") as stream:
        assert stream.read() == "1"
