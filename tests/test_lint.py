"""The linter and the type checker as tests, so that one command holds everything."""
import pathlib
import subprocess
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
COMMANDS = [["ruff", "check", "--output-format", "concise", "."], ["mypy"]]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_clean(command, tmp_path):
    """`command` finds nothing; what it finds is printed."""
    cache = {"ruff": ["--no-cache"], "mypy": ["--cache-dir", str(tmp_path)]}[command[0]]
    done = subprocess.run([sys.executable, "-m", *command, *cache], cwd=REPOSITORY, capture_output=True, text=True)
    print(done.stdout + done.stderr)
    assert done.returncode == 0, f"{command[0]} found what is printed here"
