"""``im2rec`` against MXNet's tool: the same lists, files of records and indices, byte for byte."""
import itertools
import pathlib

import numpy as np
import pytest

from ganmod.recordio import MXIndexedRecordIO
from ganmod.tools import im2rec, rec2idx

cv2 = pytest.importorskip("cv2")

FLAGS = {"plain": [], "recursive": ["--recursive"], "in order": ["--recursive", "--no-shuffle"],
         "chunks": ["--chunks", "3"], "a chunk for each": ["--recursive", "--chunks", "40"],
         "training": ["--recursive", "--train-ratio", "0.7"],
         "all three": ["--recursive", "--chunks", "2", "--train-ratio", "0.55", "--test-ratio", "0.2"],
         "no rest": ["--train-ratio", "0.7", "--test-ratio", "0.3"], "no training": ["--train-ratio", "0"],
         "test only": ["--recursive", "--train-ratio", "0", "--test-ratio", "1"], "ignored": ["--test-ratio", "0.3"],
         "extensions": ["--recursive", "--exts", ".png", ".gif"]}
LISTS = {"plain": "{id}\t1.5\t{path}\n", "spaced": "  {id} \t 2 \t  {path}  \r\n",
         "after a blank": "\n\n{id}\t1\t{path}\n",
         "several": "{id}\t{id}.25\t-3\t1e39\t{path}\n", "not numbers": "{id}\tnan\t{path}\n{id}x\t1\t{path}\n",
         "too short": "{id}\t{path}\n{id}\t7\t{path}\n{id} 1 {path}\n", "underscores": "1_{id}\t1_0\t{path}\n"}


def theirs(mx, np, commands):
    """Runs MXNet's tool, which needs no OpenCV for these commands but imports it."""
    import contextlib
    import gc
    import io
    import os
    import runpy
    import sys
    import types
    sys.modules.setdefault("cv2", types.ModuleType("cv2"))
    before = sys.argv
    for command in commands:
        sys.argv = ["im2rec.py", *command]
        with contextlib.redirect_stdout(io.StringIO()):
            runpy.run_path(os.path.join(os.path.dirname(mx.__file__), "tools", "im2rec.py"), run_name="__main__")
        gc.collect()                                       # it closes no file
    sys.argv = before


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder of folders of small images, and of files that are none."""
    root, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    names = itertools.cycle(["im {}.jpg", "im {}.JPEG", "B{}.png", "ü{}.jpeg", "{}.PNG", "note{}.txt"])
    for folder, count in {"": 3, "b cat": 5, "a_dog": 6, "a_dog/sub": 2, "B2": 2, "empty": 0, "z/y/x": 1}.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for k in range(count):
            path = root / folder / next(names).format(k)
            image = rng.integers(0, 255, (int(rng.integers(4, 30)), 9, 3), np.uint8)
            kind = path.suffix.lower().replace(".txt", ".png")
            path.write_bytes(cv2.imencode(kind, image)[1].tobytes())
    (root / "link").symlink_to(root / "b cat")
    (root / "nowhere.jpg").symlink_to(root / "no such file")
    (root / "folder.jpg").mkdir()
    return root


def files_of(folder: pathlib.Path):
    """The files of a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_lists(oracle, root, tmp_path):
    folders = [tmp_path / side / name for side in ("theirs", "ours") for name in FLAGS]
    for folder in folders:
        folder.mkdir(parents=True)
    # exts takes all that follows it, so the flags go last
    oracle.run(theirs, commands=[["--list", str(tmp_path / "theirs" / name / "p"), str(root), *flags]
                                 for name, flags in FLAGS.items()])
    for name, flags in FLAGS.items():
        assert im2rec.main(["--list", str(tmp_path / "ours" / name / "p"), str(root), *flags]) == 0
        ours, expected = files_of(tmp_path / "ours" / name), files_of(tmp_path / "theirs" / name)
        assert ours == expected, name
    assert len(files_of(tmp_path / "ours" / "all three")) == 6 and len(expected) == 1


def test_records(oracle, root, tmp_path, capsys):
    paths = sorted(str(path.relative_to(root)) for path in root.glob("**/*.[jp][pn]g") if path.is_file())
    commands = []
    for side, (name, line), several in itertools.product(("theirs", "ours"), LISTS.items(), (False, True)):
        folder = tmp_path / side / f"{name} {several}"
        folder.mkdir(parents=True)
        content = "".join(line.format(id=7 * k, path=path) for k, path in enumerate(paths))
        (folder / "p.lst").write_text(content, newline="")
        (folder / "p_val.lst").write_text("")
        commands.append(["--pass-through", *["--pack-label"] * several, str(folder / "p"), str(root)])
    half = len(commands) // 2
    oracle.run(theirs, commands=commands[:half])
    for command in commands[half:]:
        assert im2rec.main([*command, "--num-thread", "3"]) == 0
        folder = pathlib.Path(command[-2]).parent
        ours, expected = files_of(folder), files_of(tmp_path / "theirs" / folder.name)
        assert ours == expected and len(ours) == 6, command
        assert len(ours["p.rec"]) > 1000 and ours["p_val.rec"] == b""
    assert "left out" in capsys.readouterr().err


def test_index(oracle, root, tmp_path):
    """MXNet reads through the index that is made again of a file of records."""
    assert im2rec.main(["--list", str(tmp_path / "p"), str(root)]) == 0
    assert im2rec.main(["--pass-through", "--resize", "3", str(tmp_path / "p"), str(root)]) == 0
    assert rec2idx.main([str(tmp_path / "p.rec"), str(tmp_path / "q.idx")]) == 0

    def reads(mx, np, index, records):
        record = mx.recordio.MXIndexedRecordIO(index, records, "r")
        return {"found": [mx.recordio.unpack(record.read_idx(key))[0].id for key in record.keys]}
    with MXIndexedRecordIO(tmp_path / "p.idx", tmp_path / "p.rec", "r") as record:
        keys = record.keys
    found = oracle.run(reads, index=str(tmp_path / "q.idx"), records=str(tmp_path / "p.rec"))["found"]
    assert found == keys and len(keys) == len(set(keys)) == 3
