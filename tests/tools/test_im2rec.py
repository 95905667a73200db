"""``im2rec`` without MXNet: what it leaves out and why, and that nothing half-written has a final name."""
import configparser
import importlib
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import ganmod as mx
from ganmod.recordio import MXIndexedRecordIO, RecordFile, unpack, unpack_img
from ganmod.tools import im2rec, lists, samples

cv2 = pytest.importorskip("cv2")

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def encoded(kind, rng, height=40, width=30):
    """A file of an image of noise."""
    return cv2.imencode(kind, rng.integers(0, 255, (height, width, 3), np.uint8))[1].tobytes()


@pytest.fixture
def root(tmp_path, rng):
    """Six good images, of three sizes."""
    root = tmp_path / "root"
    root.mkdir()
    for k, (kind, height, width) in enumerate([(".jpg", 40, 30), (".png", 30, 30), (".jpg", 20, 70)] * 2):
        (root / f"{k}{kind}").write_bytes(encoded(kind, rng, height, width))
    return root


def listed(tmp_path, names, labels="1"):
    """A list of these files, with ids from 10 on."""
    (tmp_path / "p.lst").write_text("".join(f"{10 + k}\t{labels}\t{name}\n" for k, name in enumerate(names)))
    return str(tmp_path / "p")


def records_of(prefix):
    """The payloads by id."""
    with MXIndexedRecordIO(prefix + ".idx", prefix + ".rec", "r") as record:
        return {key: record.read_idx(key) for key in record.keys}


DAMAGE = {"empty.jpg": (lambda jpg, png: b"", "empty"), "text.jpg": (lambda jpg, png: b"no image", "no image"),
          "half.jpg": (lambda jpg, png: jpg[:len(jpg) // 2], "ends before the mark"),
          "head.jpg": (lambda jpg, png: jpg[:20], "ends before the mark"),
          "two.jpg": (lambda jpg, png: jpg[:2], "ends before"),
          "cut.jpg": (lambda jpg, png: jpg[:-2], "ends before the mark"),
          "hollow.jpg": (lambda jpg, png: jpg[:20] + jpg[-2:], "no image"),
          "half.png": (lambda jpg, png: png[:999], "a chunk"),
          "bit.png": (lambda jpg, png: png[:99] + bytes([png[99] ^ 4]) + png[100:], "checksum"),
          "end.png": (lambda jpg, png: png[:-12], "ends before its last chunk"), "page.png": (
              lambda jpg, png: b"<html>404</html>", "no image")}


@pytest.mark.parametrize("flags", [["--pass-through"], ["--resize", "16"], ["--num-thread", "3", "--encoding", ".png"]])
def test_what_is_damaged_is_left_out(root, tmp_path, rng, capfd, flags):
    jpg, png = encoded(".jpg", rng), encoded(".png", rng)
    for name, (damage, _) in DAMAGE.items():
        (root / name).write_bytes(damage(jpg, png))
    good = ["0.jpg", "1.png", "2.jpg"]
    prefix = listed(tmp_path, [good[0], *DAMAGE, good[1], "nowhere.jpg", good[2]])
    assert im2rec.main([*flags, prefix, str(root)]) == 0
    out, err = capfd.readouterr()
    assert f"p.rec: 3 images, 12 left out (damaged: {len(DAMAGE)}, missing: 1)" in out
    for name, (_, reason) in DAMAGE.items():
        line, = (line for line in err.splitlines() if f"left out: {root / name}:" in line)
        assert reason in line
    found = records_of(prefix)
    assert [*found] == [10, 11 + len(DAMAGE), 13 + len(DAMAGE)]
    for name, payload in zip(good, found.values()):
        assert unpack_img(payload)[1].size
        if flags[0] == "--pass-through":
            assert unpack(payload)[1] == (root / name).read_bytes()


def test_what_follows_an_image_does_no_harm(root, tmp_path, rng):
    for kind in (".jpg", ".png", ".bmp", ".webp"):
        (root / f"x{kind}").write_bytes(encoded(kind, rng) + b"\0\0 and so on")
    names = [f"x{kind}" for kind in (".jpg", ".png", ".bmp", ".webp")]
    assert im2rec.main(["--pass-through", listed(tmp_path, names), str(root)]) == 0
    assert len(records_of(str(tmp_path / "p"))) == 4
    for kind in (".bmp", ".webp"):
        (root / f"x{kind}").write_bytes(encoded(kind, rng)[:-9])
    with pytest.raises(mx.MXNetError, match="none of 2 images could be packed; the first: .*x.bmp: it has"):
        im2rec.make_records(listed(tmp_path, names[2:]) + ".lst", str(root))


@pytest.mark.parametrize("flags, sizes", [
    ([], [(40, 30), (30, 30), (20, 70)]), (["--resize", "16"], [(21, 16), (16, 16), (16, 56)]),
    (["--center-crop"], [(30, 30), (30, 30), (20, 20)]), (["--center-crop", "--resize", "50"], [(50, 50)] * 3)])
def test_sizes(root, tmp_path, flags, sizes):
    prefix = listed(tmp_path, ["0.jpg", "1.png", "2.jpg"])
    assert im2rec.main([*flags, "--encoding", ".png", prefix, str(root)]) == 0
    images = [unpack_img(payload)[1] for payload in records_of(prefix).values()]
    assert [image.shape for image in images] == [(*size, 3) for size in sizes]
    if not flags:
        np.testing.assert_equal(images[1], cv2.imread(str(root / "1.png")))
    if flags == ["--center-crop"]:
        np.testing.assert_equal(images[0], cv2.imread(str(root / "0.jpg"))[5:35])
        np.testing.assert_equal(images[2], cv2.imread(str(root / "2.jpg"))[:, 25:45])


def test_color_quality_and_labels(root, tmp_path, rng):
    image = rng.integers(0, 255, (8, 8, 4), np.uint8)
    (root / "4.png").write_bytes(cv2.imencode(".png", image)[1].tobytes())
    prefix, lengths = listed(tmp_path, ["4.png"], "1.5\t-2"), []
    for color, shape in ((1, (8, 8, 3)), (0, (8, 8)), (-1, (8, 8, 4))):
        assert im2rec.main(["--color", str(color), "--encoding", ".png", "--pack-label", prefix, str(root)]) == 0
        header, found = unpack_img(records_of(prefix)[10])
        assert found.shape == shape and header.label.tolist() == [1.5, -2] and header.flag == 2
    np.testing.assert_equal(found, image)
    for quality in ("5", "95"):
        assert im2rec.main(["--quality", quality, prefix, str(root)]) == 0
        header, content = unpack(records_of(prefix)[10])
        lengths.append(len(content))
    assert lengths[0] < lengths[1] and header.label == 1.5 and header.flag == 0


def test_threads_make_the_same_file(root, tmp_path):
    made = []
    assert im2rec.main(["--list", str(tmp_path / "p"), str(root)]) == 0
    for threads in ("1", "4"):
        assert im2rec.main(["--num-thread", threads, "--resize", "8", str(tmp_path / "p"), str(root)]) == 0
        made.append(((tmp_path / "p.rec").read_bytes(), (tmp_path / "p.idx").read_bytes()))
    assert made[0] == made[1] and len(records_of(str(tmp_path / "p"))) == 6


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_run_leaves_what_was_there(root, tmp_path, monkeypatch, threads, error):
    prefix = listed(tmp_path, sorted(os.listdir(root)))
    assert im2rec.main(["--pass-through", prefix, str(root)]) == 0
    before = {name: (tmp_path / name).read_bytes() for name in ("p.rec", "p.idx")}
    monkeypatch.setattr(im2rec.recordio.files, "_BUFFER", 1)           # write at once what is written
    write = im2rec._Records.write_idx

    def interrupted(self, idx, content):
        if idx == 13:
            raise error
        write(self, idx, content)
    monkeypatch.setattr(im2rec._Records, "write_idx", interrupted)
    with pytest.raises((KeyboardInterrupt, OSError)):
        im2rec.make_records(prefix + ".lst", str(root), samples.Packing(resize=9), threads)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert sorted(os.listdir(tmp_path)) == ["p.idx", "p.lst", "p.rec", "root"]


def test_lines_and_names_that_are_none(root, tmp_path, capsys):
    (root / "a\tb.jpg").write_bytes((root / "0.jpg").read_bytes())
    (root / "inner").mkdir()
    (root / "inner" / "loop").symlink_to(root)
    (root / "inner" / "1.jpg").write_bytes((root / "0.jpg").read_bytes())
    assert im2rec.main(["--list", "--recursive", "--no-shuffle", str(tmp_path / "p"), str(root)]) == 0
    out, err = capsys.readouterr()
    assert ". 0\ninner 1\n" in out and "7 images, 2 left out (folder: 1, name: 1)" in out
    assert "a\\tb.jpg" in err and "a link to a folder that it lies in" in err
    text = (tmp_path / "p.lst").read_text()
    assert text.splitlines()[-1] == "6\t1.000000\tinner/1.jpg"
    (tmp_path / "p.lst").write_bytes(
        text.encode() + b"-1\t1\t0.jpg\n7\tone\t0.jpg\n7\t0.jpg\n\n8\t1\t\xff.jpg\n9\t1\t\0\n")
    summary = im2rec.make_records(str(tmp_path / "p.lst"), str(root))
    assert summary.packed == 7 and [s.kind for s in summary.skipped] == ["line", "line", "line", "missing", "line"]
    assert "line 8: expected an id from 0 to 2**64 - 1, label(s) and a path" in summary.skipped[0].name + ": " + \
        summary.skipped[0].detail


@pytest.mark.parametrize("arguments, message", [
    (["--list", "{out}/p", "{root}/nowhere"], "No such file or directory"),
    (["--list", "{out}/none/p", "{root}"], "No such file or directory"),
    (["--list", "--chunks", "0", "{out}/p", "{root}"], "--chunks must be above 0, got 0"),
    (["--list", "--train-ratio", "1.5", "{out}/p", "{root}"], "--train-ratio must be from 0 to 1, got 1.5"),
    (["--list", "{out}/p", "s3://bucket"], "--list looks through folders of this machine, got s3://bucket"),
    (["{out}/p", "{root}"], "there is no list that begins with {out}/p; --list makes one"),
    (["--resize", "-3", "{out}/p", "{root}"], "--resize must not be below 0, got -3")])
def test_calls_that_are_none(root, tmp_path, capsys, arguments, message):
    places = dict(out=tmp_path, root=root)
    assert im2rec.main([argument.format(**places) for argument in arguments]) == 1
    assert "im2rec: " in (err := capsys.readouterr().err) and message.format(**places) in err
    assert os.listdir(tmp_path) == ["root"]


def test_elsewhere(root, tmp_path):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/im2rec/p.lst", b"3\t1\t0.jpg\n4\t1\tmemory://im2rec/1.png\n")
    memory.pipe_file("/im2rec/1.png", (root / "1.png").read_bytes())
    try:
        assert im2rec.main(["--pass-through", "memory://im2rec/p", str(root)]) == 0
        assert unpack(records_of("memory://im2rec/p")[4])[1] == (root / "1.png").read_bytes()
        assert sorted(memory.ls("/im2rec", detail=False)) == [
            f"/im2rec/{name}" for name in ("1.png", "p.idx", "p.lst", "p.rec")]
    finally:
        memory.rm("/im2rec", recursive=True)


def test_the_commands(root, tmp_path):
    """They run as modules, and the installed commands are these functions."""
    prefix = listed(tmp_path, ["0.jpg"])
    for arguments in (["im2rec", prefix, str(root)], ["rec2idx", prefix + ".rec", prefix + ".other"]):
        done = subprocess.run([sys.executable, "-m", f"ganmod.tools.{arguments[0]}", *arguments[1:]], cwd=REPOSITORY,
                              capture_output=True, text=True)
        assert done.returncode == 0 and "1 images" in done.stdout or "1 records" in done.stdout, done.stderr
    assert (tmp_path / "p.other").read_text() == "0\t0\n"
    settings = configparser.ConfigParser()
    settings.read(REPOSITORY / "setup.cfg")
    for line in settings["options.entry_points"]["console_scripts"].split("\n"):
        if line:
            module, _, name = line.partition("=")[2].strip().partition(":")
            assert callable(getattr(importlib.import_module(module), name))


def test_rec2idx_numbers_what_is_whole(root, tmp_path, capsys):
    from ganmod.tools import rec2idx
    prefix = listed(tmp_path, ["0.jpg", "1.png", "2.jpg"])
    assert im2rec.main([prefix, str(root)]) == 0
    places = [int(line.split("\t")[1]) for line in (tmp_path / "p.idx").read_text().splitlines()]
    content = bytearray((tmp_path / "p.rec").read_bytes())
    content[places[1]] ^= 1
    (tmp_path / "p.rec").write_bytes(content)
    assert rec2idx.main([prefix + ".rec", prefix + ".idx"]) == 0
    assert (tmp_path / "p.idx").read_text() == f"0\t0\n1\t{places[2]}\n"
    assert f"at byte {places[1]}" in capsys.readouterr().err
    assert rec2idx.main([prefix + ".none", prefix + ".idx"]) == 1
    source = RecordFile(prefix + ".rec")
    assert source.read_at(places[2])[0]
    source.close()


def test_progress(monkeypatch):
    """A bar on a terminal where tqdm is there; it changes nothing else."""
    tqdm = pytest.importorskip("tqdm")
    shown = []

    class Bar(tqdm.tqdm):
        def __init__(self, *args, **settings):
            shown.append((args[1:], settings["disable"]))
            super().__init__(*args, **{**settings, "disable": True})
    monkeypatch.setattr(tqdm, "tqdm", Bar)
    assert list(im2rec._with_progress(iter("abc"), 3, "p")) == ["a", "b", "c"] and shown == [(("p", 3), None)]
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert list(im2rec._with_progress(iter("abc"), 3, "p")) == ["a", "b", "c"] and len(shown) == 1


def test_lists_are_read_as_they_are_written():
    images = [lists.Image(3, (1.0, 2.5), "a/b c.jpg"), lists.Image(4, (0.0,), "ü.png")]
    assert lists.text_of(images).decode() == "3\t1.000000\t2.500000\ta/b c.jpg\n4\t0.000000\tü.png\n"
