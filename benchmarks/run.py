#!/usr/bin/env python3
"""Every comparison of ganmod's performance in one run: prints the table, and writes it as JSON and as a picture.

    python benchmarks/run.py                          a quarter of an hour on two cores
    python benchmarks/run.py --only dense import      these alone
    python benchmarks/run.py --write-docs             also docs/performance.md and its picture
    python benchmarks/run.py --from out/benchmarks/performance.json --write-docs       measures nothing

Contenders take turns, each in a process of its own, as contest.py says; what is absent is said to be absent. The
machine should have nothing else to do: whether that was so is measured too, and a warning is given. With ``--quick``
everything is tiny, and almost everything in one process: that shows that the programs work, and no more.
"""
from __future__ import annotations

import argparse
import json
import pathlib
import platform
import sys
import time

import arithmetic
import contest
import dcgan_step
import dense_gan
import footprint
import growth
import inference
import page
from rows import rows, table, warnings

SOFTWARE = ("import ganmod, json, numpy, torch; "
            "print(json.dumps([{m.__name__: m.__version__ for m in (ganmod, torch, numpy)}, "
            "torch.cuda.get_device_name() if torch.cuda.is_available() else None]))")
NO_GPU = "torch sees no GPU"


# -------------------------------------------------------------------------------------------------- the contests

def held(options, name, entries, iterations, warmup):
    """A contest's result by its name; so many iterations are a turn, and so many come before the clock starts."""
    if options.quick:
        iterations = warmup = 1
    return {name: contest.hold(entries, rounds=options.rounds, iterations=iterations, warmup=warmup,
                               threads=options.threads, local=options.quick, title=f"{name}: ")}


def networks(options, width, batch=64):
    """The settings of a DCGAN, which --quick shrinks."""
    return ({"width": width / 16, "batch": min(batch, 2), "size": 16} if options.quick else
            {"width": width, "batch": batch, "size": 64})


def dcgan(options):
    """The DCGAN loop at both widths, with what shows the machine's rate, and on a GPU where there is one."""
    names = [name for name in dcgan_step.LOOPS if name != "torch-compiled" or options.compile]
    edge, filters = (256, 16) if options.quick else (arithmetic.EDGE, arithmetic.FILTERS)
    limits = [contest.Entry("product", "torch", "arithmetic:product_loop", {"edge": edge}),
              contest.Entry("convolution", "torch", "arithmetic:convolution_loop", {"filters": filters})]
    found = {}
    for width, iterations, warmup in (("0.25", 4, 3), ("1", 1, 2)):
        settings = networks(options, float(width))
        found.update(held(options, f"dcgan-{width}", [*dcgan_step.entries(names, **settings), *limits],
                          iterations, warmup))
        found[f"dcgan-{width}"]["gflop"] = {
            "ganmod-wanted": arithmetic.dcgan(**settings), "ganmod": arithmetic.dcgan(**settings, spare=False),
            "product": arithmetic.product(edge), "convolution": arithmetic.convolution(filters)}
    names = [name for name in names if not name.startswith("mxnet")]
    if options.gpu:
        found.update(held(options, "dcgan-gpu", dcgan_step.entries(names, **networks(options, 1.0), ctx="gpu"), 20, 5))
    else:
        found["dcgan-gpu"] = {"seconds": {}, "marks": {}, "versions": {}, "absent": dict.fromkeys(names, NO_GPU)}
    return found


def dense(options):
    """The dense GAN."""
    return held(options, "dense", dense_gan.entries(), 100, 20)


def generation(options):
    """The DCGAN's generator alone."""
    found = {}
    for width, batch, iterations in ((0.25, 1, 200), (0.25, 64, 10), (1, 1, 40), (1, 64, 4)):
        found.update(held(options, f"inference-{width:g}-{batch}",
                          inference.entries(**networks(options, width, batch)), iterations, max(3, iterations // 5)))
    return found


def memory(options):
    """The DCGAN loop's memory; --quick leaves the classic loop out, as every figure needs a process."""
    found = {}
    for width, iterations in (("0.25", 3), ("1", 2)):
        names = footprint.LOOPS[::2] if options.quick else footprint.LOOPS
        found[f"memory-{width}"] = footprint.peaks(names, rounds=options.rounds, iterations=iterations,
                                                   threads=options.threads, title=f"memory-{width}: ",
                                                   **networks(options, float(width)))
    return found


def imports(options):
    """The time of an import."""
    return {"import": footprint.imports(rounds=options.rounds, threads=options.threads, title="import: ")}


def growing(options):
    """How the cost grows; all points are in memory at once, which takes 8 GB."""
    points = growth.QUICK if options.quick else growth.POINTS
    found = held(options, "growth", growth.entries(points), 1, 2)
    found["growth"]["gflop"] = {point.name: point.gflop for point in points}
    found["growth"]["marks"] = {}                          # different work, so nothing to agree on
    return found


SERIES = {"dcgan": dcgan, "dense": dense, "inference": generation, "memory": memory, "import": imports,
          "growth": growing}


# ---------------------------------------------------------------------------------------------------- measuring

def versions(contests, here):
    """The libraries' versions by name: those that this Python has, MXNet's where it took part, and Python's."""
    told = {name: about["version"] for result in contests.values()
            for name, about in result.get("versions", {}).items() if name == "mxnet"}
    return {**here, **told, "Python": platform.python_version()}


def measure(options):
    """Holds the contests; returns everything as one dict, which is also what is written as JSON."""
    machine, watch = contest.machine(), contest.Watch()
    here, options.gpu = contest.told(SOFTWARE, options.threads)
    contests = {}
    for name in options.only:
        contests.update(SERIES[name](options))
    machine.update(load_after=contest.load(), others=watch.others(), threads=options.threads,
                   date=time.strftime("%Y-%m-%d"), gpu=options.gpu, versions=versions(contests, here))
    found = rows(contests)
    return {"settings": {"rounds": options.rounds, "quick": options.quick, "only": options.only}, "machine": machine,
            "contests": contests, "warnings": list(warnings(contests, machine, options.quick)),
            "rows": [{**row._asdict(), "target": str(row.target), "verdict": row.verdict} for row in found]}


def write(results, options):
    """The JSON and the picture, and the page where it is asked for; returns the paths."""
    options.out.mkdir(parents=True, exist_ok=True)
    paths = [options.out / "performance.json", options.out / "performance.png"]
    paths[0].write_text(json.dumps(results, indent=1))
    page.draw(results, paths[1])
    if options.write_docs:
        images = options.write_docs / "images"
        images.mkdir(parents=True, exist_ok=True)
        paths += [options.write_docs / "performance.md", images / "performance.png"]
        paths[2].write_text(page.text(results, "images/performance.png"))
        paths[3].write_bytes(paths[1].read_bytes())
    return paths


def parse(arguments=None):
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=tuple(SERIES), default=list(SERIES), metavar="SERIES",
                        help=f"of {', '.join(SERIES)}; by default all")
    parser.add_argument("--rounds", type=int, metavar="N", help="turns of each contender (default 5; 1 if --quick)")
    parser.add_argument("--threads", type=int, default=contest.cores(), metavar="N", help="threads (default: cores)")
    parser.add_argument("--compile", action="store_true", help="race torch.compile too, which takes minutes more")
    parser.add_argument("--quick", action="store_true", help="see whether everything works; measures nothing")
    parser.add_argument("--from", dest="given", type=pathlib.Path, metavar="FILE",
                        help="results as JSON, in place of measuring")
    parser.add_argument("--out", type=pathlib.Path, default=contest.REPOSITORY / "out" / "benchmarks", metavar="DIR",
                        help="where performance.json and performance.png go (default out/benchmarks)")
    parser.add_argument("--write-docs", type=pathlib.Path, nargs="?", const=contest.REPOSITORY / "docs",
                        metavar="DIR", help="write the page performance.md and its picture too (default docs)")
    options = parser.parse_args(arguments)
    if options.rounds is None:
        options.rounds = 1 if options.quick else 5
    for name in ("rounds", "threads"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be 1 or more")
    return options


def main():
    """Measures, prints and writes."""
    options = parse()
    results = json.loads(options.given.read_text()) if options.given else measure(options)
    paths = write(results, options)
    print(page.described(results["machine"]))
    print(f"\n{table(rows(results['contests']))}\n")
    for line in (*page.absences(results), *(f"WARNING: {warning}" for warning in results["warnings"])):
        print(line)
    print("written:", *paths, file=sys.stderr)


if __name__ == "__main__":
    main()
