"""``python -m ganmod run script.py``: an MXNet program, as it stands."""
from __future__ import annotations

import argparse
import contextlib
import os
import runpy
import sys
from typing import Optional, Sequence

from .names import removed_numpy_names
from .redirect import install, uninstall

__all__ = ["main", "run_script"]


def run_script(path: str, arguments: Sequence[str] = (), strict: bool = False) -> None:
    """Run a Python file as ``__main__``, with ``import mxnet`` finding ganmod.

    Parameters
    ----------
    path : str
        The program.
    arguments : sequence of str
        Its command line.
    strict : bool
        Leave numpy as it is; otherwise the names that it has removed are back while the program runs.
    """
    before = sys.argv, sys.path[:]
    sys.argv, sys.path[:0] = [path, *arguments], [os.path.dirname(os.path.abspath(path))]
    install()
    try:
        with contextlib.nullcontext() if strict else removed_numpy_names():
            runpy.run_path(path, run_name="__main__")
    finally:
        uninstall()
        sys.argv, sys.path[:] = before


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """The command line of ``python -m ganmod``."""
    parser = argparse.ArgumentParser(prog="python -m ganmod", description="MXNet's Module API, running on PyTorch.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run a program that imports mxnet, as it stands")
    run.add_argument("--strict", action="store_true", help="leave out the names that numpy has removed (np.float, …)")
    run.add_argument("script", help="the program")
    run.add_argument("arguments", nargs=argparse.REMAINDER, help="its command line")
    options = parser.parse_args(arguments)
    if not os.path.isfile(options.script):
        sys.exit(f"there is no file {options.script}")
    run_script(options.script, options.arguments, options.strict)
