#!/usr/bin/env python3
"""The process that one contender lives in: it makes what its job names, and times itself as often as it is asked.

    python benchmarks/worker.py '{"library": "torch", "loop": "dcgan_step:torch_loop", "threads": 1, "settings": {}}'

It prints what it is as a line of JSON; then, for each number on its standard input, it runs as many iterations and
prints how long one took, what the last one is recognised by, and how much memory it has needed at most.

This file runs under MXNet's Python too, so it needs nothing newer than Python 3.8.
"""
from __future__ import annotations

import importlib
import json
import os
import platform
import sys
import time


def peak():
    """The most memory that this process has held so far, in MiB.

    Linux is asked for that of the program: ru_maxrss there also has what the process held before it became this one.
    """
    try:
        with open("/proc/self/status") as stream:
            return next(int(line.split()[1]) for line in stream if line.startswith("VmHWM")) / 2**10
    except (OSError, StopIteration):
        size = importlib.import_module("resource").getrusage(0).ru_maxrss
        return size / 2**20                                # of macOS, which counts bytes


class Runner:
    """A contender, in the process that makes this object.

    The loop is a function of the library and of the settings. It returns a function that carries out one iteration,
    which returns a function that gives the mark of that iteration, or None where nothing is to be compared.
    """

    def __init__(self, job):
        module, _, loop = job["loop"].partition(":")
        loop = getattr(importlib.import_module(module), loop)
        library = importlib.import_module(job["library"])
        if job["library"] != "mxnet":
            importlib.import_module("torch").set_num_threads(job["threads"])
        self.about = {"version": library.__version__, "python": platform.python_version(), "imported": peak()}
        self.step = loop(library, **job["settings"])

    def ask(self, count):
        """Run `count` iterations; seconds are those of one."""
        start = time.perf_counter()
        for _ in range(int(count)):
            mark = self.step()
        seconds = (time.perf_counter() - start) / int(count)
        return {"seconds": seconds, "mark": mark and mark(), "peak": peak()}

    def close(self):
        """Nothing has to be ended."""


def main():
    """Answers until the questions end."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)                                          # what libraries print must not reach the answers
    runner = Runner(json.loads(sys.argv[1]))
    print(json.dumps(runner.about), file=answers)
    for line in sys.stdin:
        print(json.dumps(runner.ask(line)), file=answers)
    os._exit(0)                                            # MXNet may hang, or fall, while it cleans up


if __name__ == "__main__":
    main()
