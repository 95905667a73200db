"""What is true of every example: what a run leaves behind, stopping and going on, its complaints."""
import json
import math
import signal
import subprocess
import sys
import time

import pytest
import torch
from PIL import Image

import ganmod as mx
from tests.examples.programs import FOLDER, arrays_of, interrupt, runner

NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
LENGTH = {"vanilla_mlp": "--steps"}                        # the others count epochs


@pytest.fixture(params=NAMES)
def run(request, monkeypatch):
    """Runs the example in this process with --dry-run."""
    run = runner(request.param, monkeypatch)
    run.length = LENGTH.get(request.param, "--epochs")
    return run


def test_a_run_leaves_pictures_and_figures(run, tmp_path, capsys):
    out = tmp_path / "new" / "folder"
    assert run(out, run.length, 2) == 0
    printed = capsys.readouterr()
    assert str(out) in printed.out.splitlines()[-1] and "Frechet distance" in printed.out
    assert "loss D" in printed.err and "images/s" in printed.err
    sheets = sorted((out / "sheets").glob("step-*.png"))
    assert sheets
    for picture in (*sheets, out / "losses.png", out / "generated.png", out / "training.gif"):
        with Image.open(picture) as image:
            image.verify()
    quality = json.loads((out / "quality.json").read_text())
    assert quality["frechet"] > 0 and math.isfinite(quality["frechet"]) and 0 <= quality["precision"] <= 1


def test_going_on_equals_not_having_stopped(run, tmp_path):
    """To the bit: the networks, the optimizers' states, and the pictures; so random numbers and losses, too."""
    once, twice = tmp_path / "once", tmp_path / "twice"
    assert run(once, run.length, 4) == 0
    assert run(twice, run.length, 2) == run(twice, "--resume", run.length, 4) == 0
    assert arrays_of(once) == arrays_of(twice) and len(arrays_of(once)) >= 6
    for picture in ("losses.png", "generated.png", "quality.json"):
        assert (once / picture).read_bytes() == (twice / picture).read_bytes()


def test_stopping_in_the_middle(run, tmp_path, monkeypatch, capsys):
    once, twice = tmp_path / "once", tmp_path / "twice"
    assert run(once, run.length, 3) == 0
    with monkeypatch.context() as patch:
        interrupt(patch, steps=1)
        assert run(twice, run.length, 3) == 130
    assert "Stopped; the checkpoint is in" in capsys.readouterr().err
    assert (twice / "losses.png").exists() and not (twice / "quality.json").exists()
    assert run(twice, "--resume") == 0                     # how long it is to be is a setting of the run
    assert arrays_of(once) == arrays_of(twice)


def test_a_second_run_sets_the_first_aside(run, tmp_path):
    assert run(tmp_path) == run(tmp_path) == 0
    assert arrays_of(tmp_path / "earlier-1") == arrays_of(tmp_path)


def test_nothing_to_go_on_from(run, tmp_path):
    assert "no checkpoint" in run(tmp_path, "--resume")


def test_missing_data(run, tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "absent"):
        assert str(tmp_path / folder) in run(tmp_path / "out", "--data", tmp_path / folder)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_missing_gpu(run, tmp_path):
    assert "no CUDA device" in run(tmp_path, "--ctx", "gpu")


def test_control_c(tmp_path):
    """The program ends with status 130 and one line, and what it leaves can be continued."""
    arguments = [sys.executable, str(FOLDER / "vanilla_mlp.py"), "--dry-run", "--out", str(tmp_path)]
    process = subprocess.Popen([*arguments, "--steps", "1000000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, preexec_fn=_hear_interrupts)
    try:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("checkpoints/step-*")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, printed = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in printed and printed.splitlines()[-1].startswith("Stopped;")
    step = int(mx.gan.Session(tmp_path / "checkpoints").checkpoints()[-1].name.split("-")[1])
    done = subprocess.run([*arguments, "--resume", "--steps", str(step + 1)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _hear_interrupts():
    signal.signal(signal.SIGINT, signal.default_int_handler)               # a background job would ignore them
