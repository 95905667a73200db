"""The parity kit itself: what it sends, what it compares, and how it fails.

`Same` stands in for ganmod here, so the kit is tested without the library that it is there to test.
"""
import os
import re
import subprocess
import sys
import types

import numpy as np
import pytest

from tests.parity import oracle_env
from tests.parity.agreement import differences
from tests.parity.oracle import MXNetRaised, OracleCrashed, OracleTimeout, here, program_of
from tests.parity.oracle_server import decode, encode

SCALE = 3
TABLE = {"shape": (2, 3), "type": np.float32}
UNSENDABLE = object()


class Array:
    """The least that a library's array must have for the kit: asnumpy()."""

    def __init__(self, values):
        self.values = np.asarray(values)

    def asnumpy(self):
        return self.values

    def __mul__(self, factor):
        return Array(self.values * np.float32(factor))


def stand_in(gain=1, dtype="float32"):
    """A library with ``nd.array`` alone; what it makes is multiplied by `gain`."""
    nd = types.SimpleNamespace(array=lambda x: Array((np.asarray(x) * gain).astype(dtype)))
    return types.SimpleNamespace(nd=nd, __name__="same")


def times(a, factor):
    """A helper that a case calls."""
    return a * factor


def decorated(function):
    """Stands for a pytest mark on a case."""
    return function


def scaled(mx, np, x):
    """Uses a function and a constant of this file."""
    return {"y": times(mx.nd.array(x), SCALE), "shape": x.shape, "nested": [{"a": None}, "text", 1.5, True]}


X = np.arange(6, dtype="float32").reshape(2, 3)


# ------------------------------------------------------------------------------------------------------ the wire

@pytest.mark.parametrize("value", [
    None, True, 3, 2.5, "text", b"bytes", [1, (2, 3)], {"a": {"b": ()}}, np.float32, float, np.dtype("float16"),
    np.float64(1.5), np.bool_(True), np.zeros((2, 0), "int8"), np.asarray(3.0), np.asarray([True, False]),
    np.asfortranarray(np.arange(6.0).reshape(2, 3))], ids=repr)
def test_values_survive_the_wire(value):
    received = decode(encode(value))
    assert type(received) is type(value)
    assert not differences(value, received)


def test_received_arrays_are_writable():
    received = decode(encode(np.zeros(3)))
    received += 1
    assert received.tolist() == [1, 1, 1]


def test_what_cannot_be_compared_is_named():
    with pytest.raises(TypeError, match=r"result\['a'\]\[1\] is a builtins.object, which cannot be compared"):
        encode({"a": [1, object()]})


# --------------------------------------------------------------------------------------------------- comparisons

@pytest.mark.parametrize("theirs, ours, message", [
    ({"a": 1}, {}, "a: missing from ours; MXNet has 1"),
    ({}, {"a": 1}, "a: not in MXNet; ours has 1"),
    ([1, 2], [1], r"result: 2 and 1 items: MXNet \[1, 2\], ours \[1\]"),
    ([1], (1,), r"result: MXNet \[1\], ours \(1,\)"),
    ({"a": {"b": "x"}}, {"a": {"b": "y"}}, "a/b: MXNet 'x', ours 'y'"),
    (1, 1.0, r"result: MXNet 1 \(int\), ours 1.0 \(float\)"),
    (True, 1, r"MXNet True \(bool\), ours 1 \(int\)"),
    (None, np.zeros(2), r"MXNet None, ours float64\(2,\)"),
    (np.zeros((2, 1)), np.zeros((2,)), r"shape: MXNet \(2, 1\), ours \(2,\)"),
    (np.zeros(2, "f4"), np.zeros(2), "dtype: MXNet float32, ours float64"),
    (np.arange(3), np.asarray([0, 5, 2]), r"1 of 3 elements differ; worst at \[1\]: MXNet 1, ours 5"),
    ([np.asarray([0.0, 1.0, 2.0])], [np.asarray([0.0, 1.5, 2.1])],
     r"0: 2 of 3 elements differ beyond rtol=1e-05, atol=1e-06; worst at \[1\]: MXNet 1.0, ours 1.5 "
     r"\(off by 0.5, relatively 0.5\)"),
    (np.asarray([1.0, np.nan]), np.asarray([np.nan, np.nan]), r"1 of 2 elements differ.*at \[0\]: MXNet 1.0, ours nan"),
    (np.asarray([np.inf]), np.asarray([-np.inf]), "MXNet inf, ours -inf"),
    (np.float32, np.float64, "MXNet <class 'numpy.float32'>, ours <class 'numpy.float64'>"),
])
def test_a_difference_is_named(theirs, ours, message):
    found = differences(theirs, ours)
    assert len(found) == 1
    assert re.search(message, found[0]), found[0]


@pytest.mark.parametrize("theirs, ours", [
    (np.asarray([np.nan, np.inf]), np.asarray([np.nan, np.inf])), (np.float64(2), 2.0), (1.0, 1.0 + 1e-9),
    (np.zeros((0, 3)), np.zeros((0, 3))), ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
])
def test_agreement(theirs, ours):
    assert not differences(theirs, ours)


def test_tolerances():
    theirs, ours = {"a": np.asarray([1.0, 1000.0])}, {"a": np.asarray([1.01, 1000.0])}
    assert differences(theirs, ours, rtol=1e-3)
    assert not differences(theirs, ours, rtol=1e-3, relative_to="array")
    assert not differences(theirs, ours, tolerances={"b": (0, 0), "a*": (0.1, 0)})
    assert not differences(theirs, {"a": theirs["a"].astype("f4")}, check_dtype=False)
    with pytest.raises(ValueError, match="relative_to must be"):
        differences(theirs, ours, relative_to="norm")


# ------------------------------------------------------------------------------------------------ what is sent

def test_a_case_is_a_named_function():
    with pytest.raises(TypeError, match="made with def"):
        program_of(lambda mx, np: {})


def test_names_of_a_case_go_along():
    program, unsent = program_of(scaled)
    assert [source.split("(")[0] for _, _, source in program["units"]] == ["def times", "def scaled"]
    assert decode(program["constants"]["SCALE"]) == 3 and not unsent


def test_here_copies_inputs_and_restores_generators():
    def case(mx, np, x):
        x[:] = 0
        return {"draw": np.random.rand()}

    np.random.seed(1)
    before, x = np.random.get_state()[1].copy(), np.ones(2)
    draws = [here(case, stand_in(), {"x": x}, seed)["draw"] for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    assert x.tolist() == [1, 1] and (np.random.get_state()[1] == before).all()


# ---------------------------------------------------------------------------------------------- with the real one

def test_run(oracle):
    result = oracle.run(scaled, x=X)
    np.testing.assert_array_equal(result["y"], 3 * X)
    assert result["shape"] == (2, 3) and result["nested"] == [{"a": None}, "text", 1.5, True]


def test_closures_decorators_and_paths_are_sent(oracle, tmp_path):
    power = 2

    @decorated
    def case(mx, np, folder, kind):
        array = mx.nd.array(np.full(TABLE["shape"], power), dtype=kind)
        mx.nd.save(folder + "/file", array)
        return mx.nd.load(folder + "/file")

    loaded = oracle.run(case, {"folder": tmp_path, "kind": np.float64})
    assert loaded[0].shape == (2, 3) and loaded[0].dtype == np.float64 and loaded[0].flat[0] == 2
    assert (tmp_path / "file").exists()


def test_source(oracle):
    text = """
        a = mx.nd.ones((2,)) * scale
        result = {"a": a}
    """
    assert oracle.source(text, scale=4)["a"].tolist() == [4, 4]
    assert here(text, stand_in_ones(), {"scale": 4})["a"].tolist() == [4, 4]
    oracle.compare(text, {"scale": 4}, mx=stand_in_ones())


def stand_in_ones():
    """A library with ``nd.ones`` alone."""
    nd = types.SimpleNamespace(ones=lambda shape: Array(np.ones(shape, "float32")))
    return types.SimpleNamespace(nd=nd, __name__="same")


def test_names_count_from_zero_in_every_request(oracle):
    def case(mx, np):
        return mx.sym.FullyConnected(num_hidden=1).list_arguments()

    first, second = oracle.run(case), oracle.run(case)
    assert first == second and first[0] == "fullyconnected0_data"


def test_generators_are_seeded_in_every_request(oracle):
    def case(mx, np):
        import random
        return [random.random(), np.random.rand(), mx.nd.random.uniform(shape=(3,))]

    first, again, other = oracle.run(case), oracle.run(case), oracle.run(case, seed=1)
    assert not differences(first, again)
    assert len(differences(first, other)) == 3


def test_what_mxnet_prints_does_not_reach_the_stream(oracle):
    def case(mx, np):
        import os
        print("from Python")
        os.write(1, b"from C\n")
        return 1

    assert oracle.run(case) == 1


def test_compare_agrees(oracle):
    theirs = oracle.compare(scaled, {"x": X}, mx=stand_in())
    assert theirs["y"].shape == (2, 3)


@pytest.mark.parametrize("mx, message", [
    (stand_in(gain=2), r"scaled: same differs from MXNet in 1 place\(s\):\n  y: 5 of 6 elements differ beyond "
                       r"rtol=1e-05, atol=1e-06; worst at .*\ninputs: \{x: float32\(2, 3\)\}"),
    (stand_in(dtype="float64"), "y: dtype: MXNet float32, same float64"),
])
def test_compare_reports(oracle, mx, message):
    with pytest.raises(AssertionError, match=message):
        oracle.compare(scaled, {"x": X}, mx=mx)


def test_an_exception_under_mxnet_comes_with_its_traceback(oracle):
    def case(mx, np):
        return mx.sym.FullyConnected(num_hiden=3)

    with pytest.raises(MXNetRaised, match="Cannot find argument 'num_hiden'") as caught:
        oracle.run(case)
    assert caught.value.type_name == "MXNetError"
    assert "return mx.sym.FullyConnected(num_hiden=3)" in caught.value.traceback
    assert f'File "{__file__}"' in caught.value.traceback


def test_a_late_exception_belongs_to_its_case(oracle):
    def case(mx, np):
        mx.nd.ones((2, 3)).reshape((2, 3)) + mx.nd.ones((4, 5))

    with pytest.raises(MXNetRaised):
        oracle.run(case)
    oracle.run(scaled, x=X)


def test_an_exception_here_comes_through(oracle):
    with pytest.raises(AttributeError, match="'types.SimpleNamespace' object has no attribute 'nd'"):
        oracle.compare(scaled, {"x": X}, mx=types.SimpleNamespace())


def test_both_raise(oracle):
    def case(mx, np):
        return mx.nd.array(np.ones(2)).nothing

    theirs, ours = oracle.compare(case, mx=stand_in(), raises=True)
    assert theirs.type_name == "AttributeError" and isinstance(ours, AttributeError)
    with pytest.raises(MXNetRaised):
        oracle.compare(case, mx=stand_in())


def test_raising_on_one_side_only_is_a_failure(oracle):
    with pytest.raises(AssertionError, match="MXNet was expected to raise and returned"):
        oracle.compare(scaled, {"x": X}, mx=types.SimpleNamespace(), raises=True)


def test_an_unsent_name_is_explained(oracle):
    def case(mx, np):
        return UNSENDABLE

    with pytest.raises(MXNetRaised, match=r"not sent to MXNet: UNSENDABLE \(object\)"):
        oracle.run(case)


def test_a_crash_names_the_case_and_the_next_request_works(oracle):
    def crash(mx, np):
        import ctypes
        ctypes.string_at(0)

    with pytest.raises(OracleCrashed, match=r"(?s)process died \([\w ]+\) in .*crash.*it printed:.*string_at"):
        oracle.run(crash)
    assert oracle.run(scaled, x=X)["shape"] == (2, 3)


def test_exit_is_the_case_s_not_the_server_s(oracle):
    def case(mx, np):
        raise SystemExit(3)

    with pytest.raises(MXNetRaised, match="SystemExit"):
        oracle.run(case)


def test_a_timeout_names_the_case_and_the_next_request_works(oracle):
    def sleeper(mx, np):
        import time
        time.sleep(60)

    with pytest.raises(OracleTimeout, match="sleeper in time"):
        oracle.run(sleeper, timeout=0.3)
    assert oracle.run(scaled, x=X)["shape"] == (2, 3)


def test_environment_variables_have_a_server_of_their_own(oracle):
    def case(mx, np):
        import os
        return [os.environ.get("MXNET_MKLDNN_ENABLED"), os.getpid()]

    plain, pid = oracle.run(case)
    other, other_pid = oracle.run(case, env={"MXNET_MKLDNN_ENABLED": "0"})
    assert (plain, other) == (None, "0") and pid != other_pid
    assert oracle.run(case, env={"MXNET_MKLDNN_ENABLED": "0"})[1] == other_pid


# ------------------------------------------------------------------------------------------- the environment

def test_a_wrong_python_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("GANMOD_MXNET_PYTHON", str(tmp_path / "python"))
    with pytest.raises(oracle_env.OracleUnavailable, match="GANMOD_MXNET_PYTHON names .* not an executable file"):
        oracle_env.find_oracle()


@pytest.fixture
def no_oracle(monkeypatch):
    """No environment is named, and making one is forbidden."""
    monkeypatch.delenv("GANMOD_MXNET_PYTHON", raising=False)
    monkeypatch.setattr(oracle_env.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(oracle_env.sys, "platform", "linux")


def test_other_machines_have_no_oracle(no_oracle, monkeypatch, tmp_path):
    monkeypatch.setattr(oracle_env.platform, "machine", lambda: "aarch64")
    with pytest.raises(oracle_env.OracleUnavailable, match="Linux on x86-64 only, and this is linux on aarch64"):
        oracle_env.find_oracle(tmp_path / "env")


def test_an_interrupted_creation_is_begun_anew(no_oracle, monkeypatch, tmp_path):
    environment = tmp_path / "env"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").touch()
    (environment / "pyvenv.cfg").touch()
    commands = []

    def check(command, failure):
        commands.append(command)
        environment.mkdir(exist_ok=True)

    monkeypatch.setattr(oracle_env, "_check", check)
    monkeypatch.setattr(oracle_env, "find_python", lambda: "python3.9")
    assert oracle_env.find_oracle(environment) == str(environment / "bin" / "python")
    assert [command[1:3] for command in commands] == [["-m", "venv"], ["-m", "pip"], ["-c", "import mxnet"]]
    oracle_env.find_oracle(environment)
    assert len(commands) == 3


def test_a_foreign_folder_is_left_alone(no_oracle, tmp_path):
    (tmp_path / "env").mkdir()
    with pytest.raises(oracle_env.OracleUnavailable, match="no virtual environment; move it away"):
        oracle_env.find_oracle(tmp_path / "env")


def test_workers_of_one_run_fail_once(no_oracle, monkeypatch, tmp_path):
    monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", "run")
    tries = []

    def create(environment):
        tries.append(environment)
        raise oracle_env.OracleUnavailable("no line")

    monkeypatch.setattr(oracle_env, "_create", create)
    for _ in range(2):
        with pytest.raises(oracle_env.OracleUnavailable, match="^no line$"):
            oracle_env.find_oracle(tmp_path / "env")
    assert len(tries) == 1


def test_no_suitable_python_is_one_sentence(monkeypatch):
    monkeypatch.setattr(oracle_env.sys, "executable", sys.executable)
    monkeypatch.setattr(oracle_env.shutil, "which", lambda name: None)
    failed = subprocess.CompletedProcess([], 1)
    monkeypatch.setattr(oracle_env.subprocess, "run", lambda *args, **kwargs: failed)
    with pytest.raises(oracle_env.OracleUnavailable, match="needs a Python 3.8 to 3.11"):
        oracle_env.find_python()


def test_a_failing_step_shows_its_error(tmp_path):
    command = [sys.executable, "-c", "print('noise'); raise ValueError('this is why')"]
    with pytest.raises(oracle_env.OracleUnavailable, match="^it failed: ValueError: this is why$"):
        oracle_env._check(command, "it failed")


ABSENT = """
import pytest
from tests.parity.conftest import oracle
def test_it(oracle):
    pass
"""


@pytest.mark.parametrize("ci, outcome", [("", "1 skipped"), ("true", "1 error")])
def test_absence_skips_except_in_ci(tmp_path, ci, outcome):
    (tmp_path / "test_absent.py").write_text(ABSENT)
    env = {**os.environ, "CI": ci, "GANMOD_MXNET_PYTHON": str(tmp_path / "python"),
           "PYTHONPATH": str(oracle_env.REPOSITORY)}
    done = subprocess.run([sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", "--rootdir", tmp_path, "-c",
                           os.devnull, tmp_path / "test_absent.py"], capture_output=True, text=True, env=env)
    assert outcome in done.stdout, done.stdout + done.stderr
    assert "GANMOD_MXNET_PYTHON names" in done.stdout
