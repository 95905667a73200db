"""What a program pays besides time in its loop: memory, and the wait for an import. Each sample is a fresh process."""
from __future__ import annotations

import contest
import dcgan_step

LOOPS = ("ganmod-wanted", "ganmod", "torch")
LIBRARIES = ("ganmod", "torch")
PROGRAM = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"


def imports(*, rounds, threads, title=""):
    """Import times by library, one of a round."""
    there, absent = {name: name for name in LIBRARIES}, {}
    contest.told(PROGRAM.format(LIBRARIES[0]), threads)    # what is compiled, and the system's cache of files, is there
    found = contest.take_turns(there, absent, rounds, lambda name: contest.told(PROGRAM.format(name), threads), title)
    return {"seconds": found, "absent": absent}


def peak(entry, iterations, threads):
    """The MiB that a loop takes at most, above what its library's import took."""
    process = contest.contender(entry, threads)
    try:
        return process.ask(iterations)["peak"] - process.about["imported"]
    finally:
        process.close()


def peaks(names=LOOPS, *, rounds, iterations, threads, title="", **settings):
    """The DCGAN loop's memory by contender, one of a round."""
    there, absent = {entry.name: entry for entry in dcgan_step.entries(names, **settings)}, {}
    found = contest.take_turns(there, absent, rounds, lambda entry: peak(entry, iterations, threads), title)
    return {"mebibytes": found, "absent": absent}
