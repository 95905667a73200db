#!/usr/bin/env python3
"""How many images a second come out of a file of records: ganmod, Apache MXNet, plain decoding, torch's DataLoader.

    python benchmarks/record_iter.py
    python benchmarks/record_iter.py --rounds 9 --threads 4 --json result.json

Two files of JPEGs of quality 90 are made first: 256×256, of which 224×224 are cropped at random, and 128×128, which
stay whole; both are mirrored at random and come as float32 batches. The contenders:

ganmod, mxnet   ``mx.io.ImageRecordIter(..., rand_crop=True, rand_mirror=True, preprocess_threads=--threads)``
decode          ``cv2.imdecode`` alone in as many threads, of what lies in memory already, thrown away
torch           a ``DataLoader`` whose workers decode, crop and mirror alike, read the same file and hand over uint8,
                which becomes float32 afterwards; with the number of workers that turned out best in the warm-up

Each runs in a process of its own and times some whole epochs in a row, from the reset to the last batch; in a row, as
MXNet decodes much of an epoch ahead. They take turns, and MXNet is looked for, as contest.py says. Afterwards ganmod
runs ``--epochs`` epochs on its own, and tells its memory after each.

This file runs under MXNet's Python too, so it needs nothing newer than Python 3.8.
"""
from __future__ import annotations

import argparse
import importlib
import json
import os
import pathlib
import platform
import statistics
import sys
import tempfile
import threading
import time

import contest
import numpy as np

CONTENDERS = ("ganmod", "mxnet", "decode", "torch")
SIZES = {256: 224, 128: 128}                               # edge of the JPEGs, and of what comes out
GOALS = {256: {"mxnet": 4, "decode": 0.75, "torch": 1.3}, 128: {"mxnet": 3, "decode": 0.6, "torch": 1.3}}
BATCH, QUALITY = 64, 90
SETTLE = 0.5                                               # seconds before a turn, for what the last one left running


def make_records(path, size, count):
    """Write a file of JPEGs that look as rough as photographs do: noise of every scale, the coarser the stronger."""
    import cv2
    mx = importlib.import_module("ganmod")
    rng = np.random.default_rng(size)
    scales = [edge for edge in (4, 8, 16, 32, 64, 128) if edge <= size]
    with mx.recordio.MXIndexedRecordIO(path.with_suffix(".idx"), path, "w") as record:
        for number in range(count):
            image = np.full((size, size, 3), 128, "float32")
            for edge in scales:
                noise = rng.normal(0, 60 / edge ** 0.5, (edge, edge, 3)).astype("float32")
                image += cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
            record.write_idx(number, mx.recordio.pack_img((0, number % 10, number, 0),
                                                          np.clip(image, 0, 255).astype("uint8"), QUALITY))


# ------------------------------------------------------------------------------------------------ the contenders

def iterator_epochs(mx, path, size, threads):
    """A function that runs an epoch of ImageRecordIter of the library `mx` and returns the number of its images."""
    edge = SIZES[size]
    it = mx.io.ImageRecordIter(path_imgrec=path, data_shape=(3, edge, edge), batch_size=BATCH, rand_crop=True,
                               rand_mirror=True, preprocess_threads=threads, verbose=False)

    def epoch():
        count = 0
        it.reset()
        for batch in it:
            batch.data[0].wait_to_read()
            count += BATCH - batch.pad
        return count
    return epoch


def contents(path):
    """The bytes of the JPEGs of a file of records."""
    mx = importlib.import_module("ganmod")
    found = []
    with mx.recordio.MXRecordIO(path, "r") as record:
        payload = record.read()
        while payload is not None:
            found.append(np.frombuffer(mx.recordio.unpack(payload)[1], np.uint8))
            payload = record.read()
    return found


def decode_epochs(path, size, threads):
    """A function that decodes everything once."""
    import cv2
    images = contents(path)

    def part(first):
        for content in images[first::threads]:
            cv2.imdecode(content, cv2.IMREAD_COLOR)

    def epoch():
        working = [threading.Thread(target=part, args=(first,)) for first in range(threads)]
        for thread in working:
            thread.start()
        for thread in working:
            thread.join()
        return len(images)
    return epoch


class Records:
    """A torch dataset over a file of records; the file is opened anew in each worker."""

    def __init__(self, path, size):
        self.path, self.edge, self.record = path, SIZES[size], None
        mx = importlib.import_module("ganmod")
        with mx.recordio.MXIndexedRecordIO(os.path.splitext(path)[0] + ".idx", path, "r") as record:
            self.keys = record.keys

    def __len__(self):
        return len(self.keys)

    def __getitem__(self, number):
        import cv2
        mx, torch = importlib.import_module("ganmod"), importlib.import_module("torch")
        if self.record is None:
            cv2.setNumThreads(0)
            self.record = mx.recordio.MXIndexedRecordIO(os.path.splitext(self.path)[0] + ".idx", self.path, "r")
        header, content = mx.recordio.unpack(self.record.read_idx(self.keys[number]))
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
        chance = torch.rand(3).tolist()
        top, left = (int(chance[k] * (image.shape[k] - self.edge + 1)) for k in range(2))
        image = image[top:top + self.edge, left:left + self.edge]
        if chance[2] < 0.5:
            image = cv2.flip(image, 1)
        return torch.from_numpy(np.stack(cv2.split(image))), np.float32(header.label)


def torch_epochs(path, size, threads):
    """A function that runs an epoch of a DataLoader with the best number of workers."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)

    def epochs_of(workers):
        loader = torch.utils.data.DataLoader(Records(path, size), BATCH, num_workers=workers,
                                             persistent_workers=workers > 0)

        def epoch():
            count = 0
            for data, _ in loader:
                count += len(data.float())
            return count
        return epoch
    best, found = 0.0, None
    for workers in sorted({0, 1, 2, threads, threads + 1, 2 * threads}):
        epoch = epochs_of(workers)
        epoch()
        rate = timed(epoch, 2)["rate"]
        if rate > best:
            best, found = rate, (epoch, workers)
        del epoch
    epoch, workers = found
    epoch.remark = f"{workers} workers"
    return epoch


def timed(epoch, passes):
    """What some epochs take: images a second, and the process's own microseconds of processor time per image."""
    begin, used = time.perf_counter(), time.process_time()
    count = sum(epoch() for _ in range(passes))
    return {"rate": count / (time.perf_counter() - begin), "cpu": (time.process_time() - used) / count * 1e6}


def memory():
    """MiB that this process has in memory; nan where the system does not tell."""
    try:
        with open("/proc/self/statm") as stream:
            return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except FileNotFoundError:
        return float("nan")


def work(name, options):
    """Be one contender: for each line "go" measure, for "memory" tell the memory after each epoch, until the end."""
    path = str(options.folder / f"{options.size}.rec")
    library = importlib.import_module({"decode": "cv2"}.get(name, name))
    if name in ("decode", "torch"):
        epoch = {"decode": decode_epochs, "torch": torch_epochs}[name](path, options.size, options.threads)
    else:
        epoch = iterator_epochs(library, path, options.size, options.threads)
    epoch()
    print(json.dumps({"version": library.__version__, "remark": getattr(epoch, "remark", "")}), flush=True)
    for line in sys.stdin:
        if line.strip() == "go":
            print(json.dumps(timed(epoch, options.passes)), flush=True)
        else:
            found = []
            for _ in range(options.epochs):
                epoch()
                found.append(memory())
            print(json.dumps(found), flush=True)
    sys.stdout.flush()
    os._exit(0)                                            # MXNet's iterators may end a process that cleans up


# ------------------------------------------------------------------------------------------------------- turns

def contender(name, size, options):
    """The process of a contender."""
    python = contest.python_of("mxnet" if name == "mxnet" else "ganmod")
    return contest.Contender([python, __file__, "--worker", name, "--size", size, "--folder", options.folder,
                              "--threads", options.threads, "--epochs", options.epochs, "--passes", options.passes],
                             options.threads)


def settled(one):
    """A contender's turn, when what the last one left running has ended."""
    time.sleep(SETTLE)
    return one.ask("go")


def measure(size, options):
    """All contenders in turn, for one size."""
    makers = {name: lambda name=name: contender(name, size, options) for name in options.only}
    with contest.running(makers) as (there, absent):
        turns = contest.take_turns(there, absent, options.rounds, settled, f"{size}: ")
        return {"turns": turns, "about": {name: there[name].about for name in turns}, "absent": absent,
                "memory": there["ganmod"].ask("memory") if "ganmod" in turns else []}


def report(size, result, options):
    """Print what was measured for one size."""
    print(f"\n{size} -> {SIZES[size]}, {options.count} JPEGs, {options.threads} threads, {options.rounds} rounds of "
          f"{options.passes} epochs; load average {os.getloadavg()[0]:.2f}")
    row = "{:8} {:12} {:26} {:28} {}"
    print(row.format("", "version", "images/s, median [range]", "processor time in us/image", ""))
    for name, turns in result["turns"].items():
        about = result["about"][name]
        own = "in its workers" if name == "torch" else contest.spread([turn["cpu"] for turn in turns], "{:.0f}")
        rates = contest.spread([turn["rate"] for turn in turns], "{:.0f}")
        print(row.format(name, about["version"], rates, own, about["remark"]))
    for name, why in result["absent"].items():
        print(f"{name:8} absent: {why}")
    for name, goal in GOALS[size].items():
        if name in result["turns"] and "ganmod" in result["turns"]:
            ratios = [a["rate"] / b["rate"] for a, b in zip(result["turns"]["ganmod"], result["turns"][name])]
            verdict = "reached" if statistics.median(ratios) >= goal else "NOT reached"
            print(f"ganmod is {contest.spread(ratios, '{:.2f}')} times as fast as {name} (goal: {goal:g}, {verdict})")
    found = result["memory"]
    if found:
        print(f"ganmod's memory after each of {len(found)} epochs: {min(found):.0f} to {max(found):.0f} MiB, "
              f"{found[0]:.0f} after the first and {found[-1]:.0f} after the last")


def parse():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=2000, help="images (default 2000)")
    parser.add_argument("--threads", type=int, default=2, help="threads that decode (default 2)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender (default 5)")
    parser.add_argument("--passes", type=int, default=3, help="epochs in a turn (default 3)")
    parser.add_argument("--epochs", type=int, default=20, help="epochs to watch the memory (default 20)")
    parser.add_argument("--sizes", type=lambda text: [int(size) for size in text.split(",")], default=list(SIZES),
                        help="of the JPEGs, by default 256,128")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(CONTENDERS),
                        help="contenders, by default " + ",".join(CONTENDERS))
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write everything measured there")
    for name, kind in (("--worker", str), ("--size", int), ("--folder", pathlib.Path)):
        parser.add_argument(name, type=kind, help=argparse.SUPPRESS)
    options = parser.parse_args()
    for name in ("count", "threads", "rounds", "passes", "epochs"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be 1 or more")
    if not set(options.only) <= set(CONTENDERS) or not set(options.sizes) <= set(SIZES):
        parser.error(f"--only knows {', '.join(CONTENDERS)}, --sizes {', '.join(map(str, SIZES))}")
    return options


def main():
    """Measures and reports, or is one contender."""
    options = parse()
    if options.worker:
        return work(options.worker, options)
    sys.path.insert(0, str(contest.REPOSITORY))
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        options.folder = pathlib.Path(folder)
        print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores; load average "
              f"{os.getloadavg()[0]:.2f} before")
        for size in options.sizes:
            make_records(options.folder / f"{size}.rec", size, options.count)
            results[size] = measure(size, options)
            report(size, results[size], options)
    print(f"\nload average {os.getloadavg()[0]:.2f} after")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
