"""Sessions: what they restore, and that a run that is killed and goes on is the run that was not."""
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import ganmod as mx
from ganmod import gan
from ganmod.base import FileFormatError, InputError
from ganmod.executor import kernels

PROGRAM = pathlib.Path(__file__).with_name("killed.py")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("kills, contexts", [(20, 1), (3, 2)])
def test_killed_and_gone_on(tmp_path, kills, contexts):
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROGRAM.parents[2])}
    done = subprocess.run([sys.executable, str(PROGRAM), str(tmp_path), str(kills), "0", str(contexts)],
                          capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["same"] and len(found["found"]) >= kills and max(found["found"]) == 2


def module(context=None, value=1.0):
    made = mx.mod.Module(mx.sym.FullyConnected(mx.sym.Variable("x"), num_hidden=2, name="fc"), ["x"], None,
                         context=context or mx.cpu())
    made.bind([("x", (4, 3))])
    made.init_params(mx.init.Constant(value))
    made.init_optimizer("local", "adam", {"learning_rate": 0.1})
    return made


def step(made):
    made.forward(mx.io.DataBatch([mx.nd.ones((4, 3))]), is_train=True)
    made.backward([mx.nd.ones((4, 2))])
    made.update()
    return {n: a.asnumpy() for n, a in made.get_params()[0].items()}


@pytest.mark.parametrize("context", [None, [mx.cpu(0), mx.cpu(1)]], ids=["one", "two"])
def test_values_and_updates(tmp_path, context):
    """Two contexts: the store that runs the optimizer has its own copy of the parameters."""
    one = module(context)
    step(one)
    values = {"losses": np.arange(3.0), "note": ("a", None, {1: True}), "array": mx.nd.ones((2,))}
    gan.Session(tmp_path, net=one).save(5, **values)
    expected, numbers = step(one), np.random.rand(3)
    other = module(context, value=9)
    step(other)
    restored = gan.Session(tmp_path, net=other).restore()
    assert restored.step == 5 and restored.values["note"] == values["note"]
    np.testing.assert_array_equal(restored.values["losses"], values["losses"])
    np.testing.assert_array_equal(restored.values["array"].asnumpy(), [1, 1])
    np.testing.assert_array_equal(np.random.rand(3), numbers)
    for name, array in step(other).items():
        np.testing.assert_array_equal(array, expected[name])


def test_the_same_kernels_are_chosen(tmp_path, monkeypatch):
    """As in the process that saved: their timings are kept, and with them how results are rounded."""
    known = {"small of ...; 1 threads": {"library": 0.5, "channels last": 0.25}}
    monkeypatch.setattr(kernels, "_timings", dict(known))
    session = gan.Session(tmp_path, net=module())
    session.save(1)
    monkeypatch.setattr(kernels, "_timings", {})
    session.restore()
    assert kernels.timings() == known


def test_old_and_unfinished_ones_go(tmp_path):
    session = gan.Session(tmp_path, keep=2, net=module())
    (tmp_path / ".saving-killed").mkdir()
    (tmp_path / "mine.txt").touch()
    for number in (1, 2, 2, 3):
        session.save(number)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.txt", "step-00000002-1", "step-00000003-0"]
    files = sorted(p.name for p in session.checkpoints()[-1].iterdir())
    assert files == ["net-0000.params", "net-0000.states", "net-symbol.json", "session"]
    mx.mod.Module.load(str(session.checkpoints()[-1] / "net"), 0, data_names=["x"], label_names=None)


def test_nothing_is_left_of_a_save_that_fails(tmp_path):
    session = gan.Session(tmp_path, net=module())
    session.save(1)
    with pytest.raises(InputError, match="the session hold.*which cannot be written"):
        session.save(2, values=object())
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000001-0"]


@pytest.mark.parametrize("content, message", [
    (b"", "another kind; expected 'ganmod session 1'"), (b"ganmod session 1\n\xff\xff", "the header cannot be read"),
    (b'ganmod session 1\n\x02\0\0\0\0\0\0\0{}', "truncated")])
def test_damage_is_named(tmp_path, content, message):
    session = gan.Session(tmp_path, net=module())
    path = session.save(1) / "session"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=message):
        session.restore()


@pytest.mark.parametrize("timings", [[1], {"a": 1}, {"a": {"library": "soon"}}])
def test_timings_that_are_none_change_nothing(tmp_path, monkeypatch, timings):
    session = gan.Session(tmp_path, net=module())
    with monkeypatch.context() as patch:
        patch.setattr(mx.executor.kernels, "timings", lambda: timings)
        session.save(1)
    other, known = module(value=7), mx.executor.kernels.timings()
    with pytest.raises(FileFormatError, match="cannot be restored"):
        gan.Session(tmp_path, net=other).restore()
    assert (other.get_params()[0]["fc_weight"].asnumpy() == 7).all() and mx.executor.kernels.timings() == known


def test_other_parts(tmp_path):
    gan.Session(tmp_path, net=module()).save(1)
    with pytest.raises(FileFormatError, match="it is of net, the session of critic"):
        gan.Session(tmp_path, critic=module()).restore()
    with pytest.raises(InputError, match="noise is a RandIter; expected a Module"):
        gan.Session(tmp_path, noise=mx.io.RandIter((2, 2)))
