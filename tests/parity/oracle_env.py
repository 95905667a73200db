"""Where the real MXNet is: finds the Python that has it, or makes an environment for it."""
from __future__ import annotations

import fcntl
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
ENVIRONMENT = REPOSITORY / ".venv-mxnet"
REQUIREMENTS = pathlib.Path(__file__).with_name("requirements.txt")
PYTHONS = (11, 10, 9, 8)                # minor versions of Python 3 that the pinned NumPy has wheels for
INSTALL_SECONDS = 1800                  # a slow line, and a wheel of 45 MB


class OracleUnavailable(RuntimeError):
    """The real MXNet cannot be had on this machine; the message is one sentence that says why."""


def in_ci() -> bool:
    """Whether this is a continuous-integration run, in which absence of the oracle is an error."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def find_oracle(environment: pathlib.Path = ENVIRONMENT) -> str:
    """Returns the path of a Python that can import MXNet, which on first use takes about a minute.

    It is the one that GANMOD_MXNET_PYTHON names, else that of `environment`, made where it does not exist.
    Raises OracleUnavailable.
    """
    named = os.environ.get("GANMOD_MXNET_PYTHON")
    if named:
        if not os.access(named, os.X_OK):
            raise OracleUnavailable(f"GANMOD_MXNET_PYTHON names {named}, which is not an executable file")
        return named
    python = environment / "bin" / "python"
    if _is_complete(environment):
        return str(python)
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise OracleUnavailable(f"MXNet 1.9.1 exists for Linux on x86-64 only, and this is {sys.platform} on "
                                f"{platform.machine()}")
    with _locked(environment.with_name(environment.name + ".lock")) as note:
        if not _is_complete(environment):        # another worker may have made it while we waited
            _create_once(environment, note)
    return str(python)


def _marker(environment: pathlib.Path) -> pathlib.Path:
    """The file written last: an environment without it, or with other versions in it, was never finished."""
    return environment / "complete"


def _is_complete(environment: pathlib.Path) -> bool:
    try:
        return _marker(environment).read_text() == REQUIREMENTS.read_text()
    except FileNotFoundError:
        return False


@contextmanager
def _locked(path: pathlib.Path):
    """Holds an exclusive lock between processes; gives the lock file, in which a failure can be noted."""
    with open(path, "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _create_once(environment: pathlib.Path, note) -> None:
    """Makes the environment, unless another worker of this very test run has just failed to."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", "")
    note.seek(0)
    failed_run, _, reason = note.read().partition("\n")
    if run and failed_run == run:
        raise OracleUnavailable(reason)
    try:
        _create(environment)
    except OracleUnavailable as error:
        _rewrite(note, f"{run}\n{error}")
        raise
    _rewrite(note, "")


def _rewrite(file, text: str) -> None:
    file.seek(0)
    file.truncate()
    file.write(text)
    file.flush()


def _create(environment: pathlib.Path) -> None:
    """Makes the environment anew and installs the pinned versions into it; the marker comes last."""
    if environment.exists() and not (environment / "pyvenv.cfg").exists():
        raise OracleUnavailable(f"{environment} exists and is no virtual environment; move it away")
    base = find_python()
    shutil.rmtree(environment, ignore_errors=True)
    print(f"making the MXNet environment {environment} with {base} (about a minute)", file=sys.stderr)
    python = environment / "bin" / "python"
    _check([base, "-m", "venv", str(environment)], "a virtual environment cannot be made")
    _check([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:",
            "-r", str(REQUIREMENTS)], "MXNet cannot be installed")
    _check([str(python), "-c", "import mxnet"], "MXNet is installed and cannot be imported")
    _marker(environment).write_text(REQUIREMENTS.read_text())


def _check(command: list[str], failure: str) -> None:
    """Runs `command`; raises OracleUnavailable with the last line that it printed."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, env=environment,
                              stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise OracleUnavailable(f"{failure}: no end within {INSTALL_SECONDS} s") from None
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines() or [f"exit status {done.returncode}"]
        errors = [line for line in lines if re.match(r"(ERROR|\w*Error)\b", line)]
        raise OracleUnavailable(f"{failure}: {(errors or lines)[-1]}")


def find_python() -> str:
    """Returns a Python 3.8 to 3.11 that can make virtual environments; raises OracleUnavailable without one.

    Being on PATH proves little: version managers put stubs there, and distributions ship Python without ensurepip.
    """
    candidates = [sys.executable, *(shutil.which(f"python3.{minor}") for minor in PYTHONS)]
    probe = f"import sys, venv, ensurepip; sys.exit(sys.version_info[:2] not in {[(3, m) for m in PYTHONS]})"
    for candidate in filter(None, candidates):
        if subprocess.run([candidate, "-c", probe], capture_output=True).returncode == 0:
            return candidate
    raise OracleUnavailable("MXNet 1.9.1 needs a Python 3.8 to 3.11 with venv, and there is none on PATH; "
                            "install one, or name a Python that has MXNet in GANMOD_MXNET_PYTHON")
