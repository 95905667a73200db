"""What surrounds a loop: the command line, settings, steps and checkpoints, and what goes wrong."""
import json

import numpy as np
import pytest
from PIL import Image

import ganmod as mx
from ganmod.base import InputError, StateError
from ganmod.gan import run as runs
from ganmod.gan.run import Run


def options(out, *arguments, **more):
    known = runs.parser("a program", out=str(out), **more)
    known.add_argument("--width", type=int, default=3)
    return runs.parse(known, ["--out", str(out), *map(str, arguments)])


class Counter:
    """A part of a run that has a state."""

    def __init__(self):
        self.count = 0

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]


def loop(chosen, total, **settings):
    """A loop that counts its steps; returns the run, the counter and the numbers of the steps."""
    run, counter, done = Run(chosen), Counter(), []
    run.attach(counter=counter)
    for step in run.steps(total, images=4, **settings):
        counter.count += step
        run.log(D=step, G=step / 2)
        done.append(step)
    return run, counter, done


def test_going_on(tmp_path):
    """With the settings of the run, but for the length, what to keep, and where."""
    loop(options(tmp_path, "--width", 5, "--epochs", 2), 6, per_epoch=3)
    kept = json.loads((tmp_path / "settings.json").read_text())
    assert kept == {"epochs": 2, "batch_size": 64, "seed": 1, "dry_run": False, "width": 5}
    chosen = options(tmp_path, "--resume", "--width", 7, "--epochs", 3)
    assert (chosen.width, chosen.epochs) == (5, 3)
    run, counter, done = loop(chosen, 9, per_epoch=3)
    assert done == [7, 8, 9] and counter.count == 45 and run.finished and run.step == 9
    assert run.losses == {"D": list(map(float, range(1, 10))), "G": [k / 2 for k in range(1, 10)]}


@pytest.mark.parametrize("settings, saved", [({"per_epoch": 4}, [4, 8, 10]), ({"save_every": 5}, [5, 10]),
                                             ({}, list(range(1, 11)))])
def test_when_checkpoints_are_saved(tmp_path, settings, saved):
    loop(options(tmp_path, "--keep", 20), 10, **settings)
    folders = mx.gan.Session(tmp_path / "checkpoints").checkpoints()
    assert [int(path.name.split("-")[1]) for path in folders] == saved


def test_progress(tmp_path, capsys):
    """The losses of the last epoch, or of the last 100 steps, and the images that were seen."""
    loop(options(tmp_path), 5, per_epoch=3)
    assert "epoch 2 loss D 4.500 G 2.250" in capsys.readouterr().err
    loop(options(tmp_path), 200)
    printed = capsys.readouterr().err
    assert "loss D 150.500 G 75.250" in printed and "800/800" in printed


def test_sheets_and_their_film(tmp_path):
    run, *_ = loop(options(tmp_path), 3)
    images = np.linspace(-1, 1, 4 * 8 * 8).reshape(4, 1, 8, 8)
    for step in (1, 2, 3):
        run.sheet(step, images * step / 3)
    run.draw("likeness", names={"D": "critic"})
    with Image.open(tmp_path / "sheets" / "step-000002.png") as sheet:
        assert sheet.size == (17 * 8, 17 * 8)
    with Image.open(tmp_path / "training.gif") as film:
        assert film.n_frames == 3
    assert (tmp_path / "losses.png").stat().st_size > 1000


def test_a_run_that_was_stopped_is_drawn_and_not_judged(tmp_path):
    run, *_ = loop(options(tmp_path), 3)
    run.finished = False
    with pytest.raises(KeyboardInterrupt):
        run.finish(np.zeros((64, 1, 8, 8)), None, lambda count: pytest.fail("nothing is to be generated"))
    assert (tmp_path / "losses.png").exists()


def test_lengths_in_steps(tmp_path):
    assert options(tmp_path, "--steps", 7, length="steps").steps == 7
    for wrong in ("0", "-1", "x"):
        with pytest.raises(SystemExit):
            options(tmp_path, "--epochs", wrong)


def test_what_goes_wrong(tmp_path):
    with pytest.raises(InputError, match="no checkpoint in"):
        options(tmp_path, "--resume")
    with pytest.raises(StateError, match="needs attach"):
        next(Run(options(tmp_path)).steps(1, images=1))
    loop(options(tmp_path), 1)
    for content in ("{", "[1]"):
        (tmp_path / "settings.json").write_text(content)
        with pytest.raises(InputError, match="settings.json is damaged"):
            options(tmp_path, "--resume")
    with pytest.raises(InputError, match="has no batches"):
        next(runs.endless(mx.io.ResizeIter(mx.io.NDArrayIter(np.zeros((4, 1)), batch_size=4), 0)))


@pytest.mark.parametrize("error, status", [(InputError("one line"), "one line"), (KeyboardInterrupt(), 130)])
def test_a_program_ends_in_a_line(error, status):
    @runs.program
    def main():
        raise error
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == status
