"""How contenders are compared: each lives in a process of its own, and they take turns.

A process stays alive and times itself. The turns are short and their order rotates, so that whatever else the machine
does falls on all contenders; ratios are taken within a round, and shown as their median with their range. What cannot
take part is absent, and it is said why.

MXNet is looked for where the tests look: the Python that GANMOD_MXNET_PYTHON names, else ``.venv-mxnet``, which
``python -m pytest tests/parity`` makes. This file is read by MXNet's Python too, which may be 3.8.
"""
from __future__ import annotations

import contextlib
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any, NamedTuple

from worker import Runner

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
WORKER = pathlib.Path(__file__).resolve().with_name("worker.py")
PATIENCE = 10                          # seconds that a process gets to end by itself


class Absent(Exception):
    """A contender that cannot take part, and why."""


class Entry(NamedTuple):
    """Who takes part: a name, the library that it imports, its loop as "module:function", and the loop's arguments.

    Who has `free_threads` is not told how many to use, as in a program that nobody has tuned.
    """

    name: str
    library: str
    loop: str
    settings: dict[str, Any]
    free_threads: bool = False


def entries(loops, names, module, **settings):
    """The contenders of these names, whose loops are functions of a module; what a name begins with is the library."""
    return [Entry(name, name.partition("-")[0], f"{module}:{loops[name]}", settings, name.endswith("-default"))
            for name in names]


def python_of(library):
    """The Python that has the library; raises Absent."""
    if library != "mxnet":
        return sys.executable
    python = os.environ.get("GANMOD_MXNET_PYTHON") or REPOSITORY / ".venv-mxnet" / "bin" / "python"
    if not os.access(python, os.X_OK):
        raise Absent("no environment with MXNet (name its Python in GANMOD_MXNET_PYTHON)")
    return python


# ---------------------------------------------------------------------------------------------- the contenders

class Contender:
    """A contender's process, as seen from the one that measures: it answers lines by lines of JSON."""

    def __init__(self, command, threads):
        environment = {**os.environ, "MXNET_SUBGRAPH_VERBOSE": "0", "PYTHONPATH": str(REPOSITORY),
                       "PYTHONDONTWRITEBYTECODE": ""}
        environment.pop("OMP_NUM_THREADS", None)
        if threads is not None:
            environment["OMP_NUM_THREADS"] = str(threads)
        self.printed = tempfile.TemporaryFile("w+", errors="replace")
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.printed, text=True, env=environment)
        self.about = self.answer()

    def ask(self, question):
        """The answer to a line; raises Absent, with the last thing that it printed, where the process has died."""
        with contextlib.suppress(BrokenPipeError):         # answer() says why
            print(question, file=self.process.stdin, flush=True)
        return self.answer()

    def answer(self):
        """The next line of the process."""
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        self.printed.seek(0)
        printed = self.printed.read().strip().splitlines()
        self.close()
        raise Absent(printed[-1] if printed else "its process ended")

    def close(self):
        """Ends the process."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.printed.close()


def contender(entry, threads, local=False):
    """The entry as a process or, of no worth as a measurement but quickly there, in this process; raises Absent."""
    job = {**entry._asdict(), "threads": threads}
    if not local:
        return Contender([python_of(entry.library), WORKER, json.dumps(job)], None if entry.free_threads else threads)
    if entry.library == "mxnet":
        raise Absent("it needs a process of its own")
    if str(REPOSITORY) not in sys.path:
        sys.path.insert(0, str(REPOSITORY))
    return Runner(job)


def told(program, threads):
    """What a line of Python in a fresh process prints, as JSON."""
    process = Contender([sys.executable, "-c", program], threads)
    process.close()
    return process.about


@contextlib.contextmanager
def running(makers):
    """Makes contenders and ends them; gives those that are there by name, and why the others are absent."""
    there, absent = {}, {}
    try:
        for name, make in makers.items():
            try:
                there[name] = make()
            except Absent as why:
                absent[name] = str(why)
        yield there, absent
    finally:
        for one in there.values():
            one.close()


def take_turns(there, absent, rounds, ask, title=""):
    """Each contender's answers, one of a round; who dies on the way becomes absent."""
    answers = {name: [] for name in there}
    for turn in range(rounds):
        names = list(answers)
        shift = turn % max(1, len(names))
        for name in names[shift:] + names[:shift]:
            try:
                answers[name].append(ask(there[name]))
            except Absent as why:
                absent[name] = str(why)
                del answers[name]
        print(f"{title}round {turn + 1} of {rounds}", file=sys.stderr, flush=True)
    return answers


def hold(entries, *, rounds, iterations, warmup, threads, local=False, title=""):
    """A contest of entries; returns versions, marks after the warm-up, and seconds per iteration by name."""
    makers = {entry.name: lambda entry=entry: contender(entry, threads, local) for entry in entries}
    with running(makers) as (there, absent):
        first = take_turns(there, absent, 1, lambda one: one.ask(warmup), f"{title}warm-up, ")
        turns = take_turns({name: there[name] for name in first}, absent, rounds, lambda one: one.ask(iterations),
                           title)
        return {"versions": {name: there[name].about for name in turns}, "absent": absent,
                "marks": {name: first[name][0]["mark"] for name in turns if first[name][0]["mark"]},
                "warmup_seconds": {name: first[name][0]["seconds"] * warmup for name in turns},
                "seconds": {name: [answer["seconds"] for answer in found] for name, found in turns.items()}}


# ------------------------------------------------------------------------------------------------- the figures

def ratios(slow, fast):
    """How many times as long the one took as the other, in each round."""
    return [a / b for a, b in zip(slow, fast)]


def spread(values, form="{:.3g}"):
    """Median and range as text."""
    return "{} [{}..{}]".format(*(form.format(f(values)) for f in (statistics.median, min, max)))


def disagreement(marks, floor=0.1):
    """The largest difference between contenders' marks, relative to the mark or to `floor`: a verdict may be near 0."""
    columns = zip(*marks.values())
    return max(((max(column) - min(column)) / max(floor, *map(abs, column)) for column in columns), default=0)


def agree(marks, floor=0.1):
    """Whether the contenders compute the same, within 1 %."""
    return disagreement(marks, floor) <= 1e-2


def report(result, floor=0.1):
    """Prints a contest: what each took, who is absent, all ratios, and whether the contenders computed the same."""
    row = "{:14} {:14} {:30} {}"
    print(row.format("", "version", "ms/iteration, median [range]", "marks after warm-up"))
    for name, seconds in result["seconds"].items():
        marks = " ".join(f"{value:.6f}" for value in result["marks"].get(name, ()))
        print(row.format(name, result["versions"][name]["version"], spread([1e3 * s for s in seconds]), marks))
    for name, why in result["absent"].items():
        print(f"{name:14} absent: {why}")
    print()
    names = list(result["seconds"])
    for fast, slow in [(a, b) for i, a in enumerate(names) for b in names[i + 1:]]:
        found = ratios(result["seconds"][slow], result["seconds"][fast])
        print(f"{fast} does {spread(found)} times as many iterations a second as {slow}")
    if not agree(result["marks"], floor):
        print("WARNING: the contenders' results differ by more than 1 %: they do not compute the same")


# ------------------------------------------------------------------------------------------------- the machine

def machine():
    """What is measured on, and how busy it is now."""
    info = pathlib.Path("/proc/cpuinfo")
    models = [line.partition(":")[2].strip() for line in (info.read_text().splitlines() if info.exists() else [])
              if line.startswith("model name")]
    return {"cpu": models[0] if models else platform.processor() or platform.machine(), "cores": cores(),
            "load_before": load()}


def cores():
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def load():
    """The load average of the last 1, 5 and 15 minutes."""
    return list(os.getloadavg())


class Watch:
    """How many cores are kept busy, from the making of this object on, by what is not measured here.

    Unlike the load average, this leaves out the measured processes themselves. It is nan where /proc/stat is missing.
    """

    def __init__(self):
        self.began = self.now()

    @staticmethod
    def now():
        """Seconds by the clock, and processor seconds of the machine and of this process with its ended children."""
        machine = float("nan")
        with contextlib.suppress(FileNotFoundError), open("/proc/stat") as stream:
            user, nice, system, _, _, *rest = map(int, stream.readline().split()[1:9])     # idle and waiting left out
            machine = (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")
        return time.monotonic(), machine, sum(os.times()[:4])

    def others(self):
        """Their number of cores."""
        wall, machine, own = (now - began for now, began in zip(self.now(), self.began))
        return max(machine - own, 0.0) / max(wall, 1e-9)
