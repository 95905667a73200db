"""Runs one piece of code under the real MXNet and under ganmod, and holds the results against each other.

A *case* is a plain function that takes the library and NumPy, then its inputs, and returns a dict of results::

    def case(mx, np, x):
        a = mx.nd.array(x)
        return {"sum": a.sum(), "shape": a.shape}

    def test_sum(compare):
        compare(case, {"x": np.ones((2, 3), "float32")})

Its source is sent to a process that has MXNet; the functions, classes, modules and constants that it names in its
own file go along, and a module-level ``import ganmod as mx`` stands for MXNet there. On both sides Python's, NumPy's
and the library's generators are seeded, and automatic names count from 0.
"""
from __future__ import annotations

import ast
import importlib
import inspect
import os
import pathlib
import random
import select
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import types
from typing import Any, Callable

import numpy as np

from tests.parity import oracle_server
from tests.parity.agreement import describe, differences
from tests.parity.oracle_server import decode, encode, execute, read_frame, run_in_scope, write_frame

SERVER = pathlib.Path(oracle_server.__file__)
TIMEOUT = 120.0                    # seconds for one request; two workers may share a core
START_TIMEOUT = 120.0              # seconds for importing MXNet
# The naive engine carries out each call in turn. MXNet's own one lets a program read moving statistics before the
# backward that changes them has done so, now and then.
ENVIRONMENT = {"MXNET_ENGINE_TYPE": "NaiveEngine", "MXNET_SUBGRAPH_VERBOSE": "0",
               "OMP_NUM_THREADS": "1", "PYTHONNOUSERSITE": "1", "PYTHONDONTWRITEBYTECODE": "1"}


class OracleError(RuntimeError):
    """Something went wrong on MXNet's side of a comparison."""


class OracleCrashed(OracleError):
    """MXNet's process died, by a segmentation fault for instance; the next request gets a new one."""


class OracleTimeout(OracleError):
    """MXNet did not answer in time; its process was ended."""


class MXNetRaised(OracleError):
    """The case raised an exception under MXNet: its `type_name`, `message` and `traceback` are strings."""

    def __init__(self, name: str, reply: dict, remark: str = ""):
        self.type_name, self.message, self.traceback = reply["type"], reply["message"], reply["traceback"]
        super().__init__(f"{name} raises {self.type_name} under MXNet{remark}. MXNet's traceback:\n{self.traceback}")


# ------------------------------------------------------------------------------------------------------ programs

def program_of(case: Callable) -> tuple[dict, list[str]]:
    """Returns what `oracle_server.execute` needs to run `case`, and the global names that could not be sent."""
    if not inspect.isfunction(case) or case.__name__ == "<lambda>":
        raise TypeError(f"a parity case is a function made with def, not {case!r}")
    program: dict = {"units": [], "call": case.__name__, "modules": {}, "constants": {}}
    unsent: list[str] = []
    _add_unit(case, program, unsent, seen=set())
    return program, unsent


def _add_unit(item: Callable, program: dict, unsent: list[str], seen: set) -> None:
    """Adds the source of a function or class, after that of whatever it names in its own file."""
    seen.add(item.__name__)
    lines, first = inspect.getsourcelines(item)
    source = textwrap.dedent("".join(lines))
    node = ast.parse(source).body[0]
    skipped = node.lineno - 1                                    # decorators belong to the test run
    known = _names_seen_by(item)
    for name in sorted({n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}):
        if name in known and name not in seen:
            _add_name(name, known[name], program, unsent, seen)
    program["units"].append((inspect.getsourcefile(item), first + skipped, "".join(source.splitlines(True)[skipped:])))


def _names_seen_by(item: Callable) -> dict:
    """The global names of a function or class, and over them what it closes over."""
    if inspect.isclass(item):
        return vars(sys.modules[item.__module__])
    return {**item.__globals__, **inspect.getclosurevars(item).nonlocals}


def _add_name(name: str, value, program: dict, unsent: list[str], seen: set) -> None:
    """Sends along what a global name stands for: a module by name, code by source, data by value."""
    seen.add(name)
    if inspect.ismodule(value):
        top, _, rest = value.__name__.partition(".")
        program["modules"][name] = value.__name__ if top != "ganmod" else "*." + rest if rest else ""
        return
    own_name = getattr(value, "__name__", None)
    if own_name not in (None, "<lambda>") and (inspect.isfunction(value) or inspect.isclass(value)):
        try:
            if own_name == name or own_name not in seen:
                _add_unit(value, program, unsent, seen)
            if own_name != name:                                 # a function that goes by another name here
                program["units"].append(("<alias>", 1, f"{name} = {own_name}"))
            return
        except (OSError, TypeError):                             # no source: built in
            pass
    try:
        program["constants"][name] = encode(value, name)
    except TypeError:
        unsent.append(f"{name} ({type(value).__name__})")


def program_of_text(text: str) -> dict:
    """What `oracle_server.execute` needs to run a program given as text; its variable ``result`` counts."""
    return {"units": [("<program>", 1, textwrap.dedent(text))], "call": None, "modules": {}, "constants": {}}


# ------------------------------------------------------------------------------------------------- MXNet's process

class Server:
    """One process that has imported MXNet; ended by `close`."""

    def __init__(self, python: str, env: dict[str, str]):
        self.log = tempfile.TemporaryFile()
        self.folder = tempfile.TemporaryDirectory(prefix="oracle-")       # what a case writes carelessly lands here
        self.process = subprocess.Popen(
            [python, str(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
            cwd=self.folder.name, env={**_inherited(), **ENVIRONMENT, **env})
        try:
            self.versions = self._read(time.monotonic() + START_TIMEOUT, "import mxnet")
        except OracleError:
            self.close()
            raise

    def ask(self, name: str, request: dict, timeout: float) -> dict:
        """Returns the reply to `request`; raises OracleCrashed or OracleTimeout, naming the case."""
        deadline = time.monotonic() + timeout
        self.log.seek(0, os.SEEK_END)
        start = self.log.tell()
        try:
            write_frame(self.process.stdin, request)
        except BrokenPipeError:
            raise self._crashed(name, start) from None
        return self._read(deadline, name, start)

    def _read(self, deadline: float, name: str, log_start: int = 0) -> dict:
        # An answer comes all at once, so only its first byte is waited for.
        ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise OracleTimeout(f"MXNet did not finish {name} in time; its process was ended"
                                + self._tail(log_start))
        try:
            return read_frame(self.process.stdout)
        except EOFError:
            raise self._crashed(name, log_start) from None

    def _crashed(self, name: str, log_start: int) -> OracleCrashed:
        status = self.process.wait()
        cause = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return OracleCrashed(f"MXNet's process died ({cause}) in {name}" + self._tail(log_start))

    def _tail(self, start: int) -> str:
        """The last lines of what MXNet printed since `start`, a position in the log."""
        self.log.seek(start)
        lines = self.log.read().decode(errors="replace").splitlines()[-30:]
        return "; it printed:\n" + "\n".join(lines) if lines else "; it printed nothing"

    def close(self) -> None:
        """Ends the process and closes everything."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            try:
                stream.close()
            except BrokenPipeError:              # what was buffered for the dead process
                pass
        self.log.close()
        self.folder.cleanup()


def _inherited() -> dict[str, str]:
    """Our environment without what would change MXNet's Python."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "MXNET_"))}


# --------------------------------------------------------------------------------------------------- the two sides

class Oracle:
    """Runs cases under the real MXNet, and under `ours` to compare.

    Parameters
    ----------
    python : path of a Python that has MXNet 1.9.1
    ours : name of the library to compare with it, imported when it is first needed
    """

    def __init__(self, python: str, ours: str = "ganmod"):
        self.python, self.ours = python, ours
        self._servers: dict[tuple, Server] = {}

    def run(self, case: Callable, inputs: dict | None = None, /, *, env: dict[str, str] | None = None,
            timeout: float = TIMEOUT, seed: int = 0, **more) -> Any:
        """Returns what ``case(mxnet, numpy, **inputs)`` returns, with NDArrays as NumPy arrays.

        Parameters
        ----------
        inputs, more : arrays, numbers, strings, paths, types, None, and dicts, lists and tuples of them
        env : environment variables that MXNet must see from its start; each set has a process of its own
        timeout : seconds
        seed : for the generators

        Raises MXNetRaised, OracleCrashed or OracleTimeout.
        """
        program, unsent = program_of(case)
        return self._run(case.__qualname__, program, {**(inputs or {}), **more}, env, timeout, seed, unsent)

    def source(self, text: str, inputs: dict | None = None, /, *, env: dict[str, str] | None = None,
               timeout: float = TIMEOUT, seed: int = 0, **more) -> Any:
        """Runs a program given as text, which finds ``mx``, ``np`` and the inputs; returns its ``result``."""
        return self._run("the program", program_of_text(text), {**(inputs or {}), **more}, env, timeout, seed)

    def compare(self, case: Callable | str, inputs: dict | None = None, *, rtol: float = 1e-5, atol: float = 1e-6,
                tolerances: dict[str, tuple[float, float]] | None = None, relative_to: str = "element",
                check_dtype: bool = True, raises: bool = False, env: dict[str, str] | None = None,
                timeout: float = TIMEOUT, seed: int = 0, mx: Any = None) -> Any:
        """Runs `case`, a function or a text, under both libraries and asserts that they agree; returns MXNet's result.

        Numbers of floating kind agree when ``|ours - theirs| <= atol + rtol * |theirs|``; everything else, shapes
        and dtypes included, has to be equal. NaN equals NaN.

        Parameters
        ----------
        rtol, atol : tolerances wherever `tolerances` says nothing else
        tolerances : (rtol, atol) by pattern over the places in the result, such as ``{"grads/*": (1e-4, 1e-5)}``
        relative_to : 'element', or 'array' to take the array's largest magnitude for ``|theirs|``
        check_dtype : whether dtypes have to be equal
        raises : whether both sides have to raise; the result is then the pair (MXNetRaised, our exception)
        env, timeout, seed : as in `run`
        mx : the library to compare with; None means `ours`
        """
        mx = mx or importlib.import_module(self.ours)
        ask = self.source if isinstance(case, str) else self.run
        name = "the program" if isinstance(case, str) else case.__qualname__
        theirs = _caught(lambda: ask(case, inputs, env=env, timeout=timeout, seed=seed), MXNetRaised)
        ours = _caught(lambda: here(case, mx, inputs or {}, seed), Exception)
        label = getattr(mx, "__name__", "ours")
        if raises:
            return _both_raised(name, label, theirs, ours)
        if isinstance(theirs, _Caught):
            raise theirs.error from (ours.error if isinstance(ours, _Caught) else None)
        if isinstance(ours, _Caught):
            raise ours.error
        found = differences(theirs, ours, rtol=rtol, atol=atol, tolerances=tolerances or {}, label=label,
                            relative_to=relative_to, check_dtype=check_dtype)
        if found:
            raise AssertionError(f"{name}: {label} differs from MXNet in {len(found)} place(s):\n  "
                                 + "\n  ".join(found) + f"\ninputs: {describe(inputs or {})}")
        return theirs

    def _run(self, name, program, inputs, env, timeout, seed, unsent=()) -> Any:
        request = {"program": program, "inputs": encode(inputs, "inputs"), "seed": seed}
        key = tuple(sorted((env or {}).items()))
        reply = self._answer(key, name, request, timeout)
        if reply["ok"]:
            return decode(reply["value"])
        remark = f" (not sent to MXNet: {', '.join(unsent)})" if unsent and reply["type"] == "NameError" else ""
        raise MXNetRaised(name, reply, remark)

    def _answer(self, key: tuple, name: str, request: dict, timeout: float) -> dict:
        """The reply to a request. MXNet's process dies of its own accord now and then, so it is asked again twice."""
        for _ in range(2):
            try:
                return self._ask(key, name, request, timeout)
            except OracleCrashed:
                continue
        return self._ask(key, name, request, timeout)

    def _ask(self, key: tuple, name: str, request: dict, timeout: float) -> dict:
        """The reply to a request; a process that dies or hangs is given up, and the next request starts another."""
        try:
            return self._server(key).ask(name, request, timeout)
        except (OracleCrashed, OracleTimeout):
            if key in self._servers:
                self._servers.pop(key).close()
            raise

    def _server(self, key: tuple) -> Server:
        if key not in self._servers:
            self._servers[key] = Server(self.python, dict(key))
        return self._servers[key]

    def close(self) -> None:
        """Ends every process that was started."""
        while self._servers:
            self._servers.popitem()[1].close()


def here(case: Callable | str, mx: types.ModuleType | Any, inputs: dict | None = None, seed: int = 0) -> Any:
    """Runs `case`, a function or a text, in this process under the library `mx`; the result is as `Oracle.run`'s.

    The inputs are copied, and the states of Python's and NumPy's generators are restored.
    """
    inputs = decode(encode(inputs or {}, "inputs"))
    states = random.getstate(), np.random.get_state()
    try:
        if isinstance(case, str):
            return decode(run_in_scope(lambda: execute(program_of_text(case), mx, inputs), mx, seed))
        return decode(run_in_scope(lambda: case(mx, np, **inputs), mx, seed))
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


class _Caught:
    """An exception in the place of a result."""

    def __init__(self, error: Exception):
        self.error = error


def _caught(function: Callable, kind: type[Exception]) -> Any:
    try:
        return function()
    except kind as error:
        return _Caught(error)


def _both_raised(name: str, label: str, theirs, ours) -> tuple[MXNetRaised, Exception]:
    """Asserts that both sides raised, and returns what."""
    for side, outcome, other in (("MXNet", theirs, ours), (label, ours, theirs)):
        if not isinstance(outcome, _Caught):
            cause = other.error if isinstance(other, _Caught) else None
            raise AssertionError(f"{name}: {side} was expected to raise and returned {describe(outcome)}") from cause
    return theirs.error, ours.error
