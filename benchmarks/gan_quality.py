"""The examples against the same recipes in plain torch, with the same budget: how good are the images?

    python benchmarks/gan_quality.py                         every example, three seeds; hours on two cores
    python benchmarks/gan_quality.py vanilla_mlp --seeds 1   one of them, once
    python benchmarks/gan_quality.py --page                  writes the table into docs/gallery.md

An example's own run, with its default settings, leaves its quality; the recipe's twin in benchmarks/twins trains on the
same images for as many steps, and is judged with the same classifier. The figures go to out/gan_quality/results.json,
which a later call adds to: what is there is not run again.
"""
import argparse
import importlib
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
EXAMPLES = ("dcgan_mnist", "flan", "dcgan_flux", "art", "vanilla_mlp")
TABLE = re.compile(r"(?<=<!-- quality -->\n).*?(?=<!-- end -->)", re.S)


def example_quality(name, seed, out, extra):
    """Run an example in a process of its own; returns what it says of its images."""
    subprocess.run([sys.executable, REPOSITORY / "examples" / f"{name}.py", "--out", out, "--seed", str(seed), *extra],
                   check=True, stdout=subprocess.DEVNULL)
    return json.loads((out / "quality.json").read_text())


def twin_quality(name, seed, out, extra):
    """Train an example's twin on the same images, and judge it in the same way."""
    mx, example, twin = (importlib.import_module(module) for module in ("ganmod", name, f"benchmarks.twins.{name}"))
    options = example.options(["--out", str(out), "--seed", str(seed), *extra])
    images, labels = example.load(options)
    real, labels = images[:2000], None if labels is None else labels[:2000]
    classifier = mx.gan.train_classifier(real, labels, epochs=1 if options.dry_run else 15, batch_size=16)
    generated = twin.generate(options, images, len(real))
    mx.gan.pictures.save_comparison(out / "twin.png", real[:64], generated[:64])
    return classifier.quality(real, generated)._asdict()


def medians(results):
    """The median Fréchet distance of each example and of its twin, over the seeds that both have."""
    found = {}
    for name in EXAMPLES:
        pairs = [both for both in results.get(name, {}).values() if {"ganmod", "torch"} <= both.keys()]
        if pairs:
            found[name] = [statistics.median(both[which]["frechet"] for both in pairs) for which in ("ganmod", "torch")]
    return found


def table(results):
    """The figures as Markdown."""
    lines = ["| example | seeds | Fréchet distance | plain torch | ratio | modes |", "|---|---|---|---|---|---|"]
    for name, (ours, theirs) in medians(results).items():
        seeds = results[name]
        modes = [f"{both['ganmod']['modes']} of {both['ganmod']['classes']}" for both in seeds.values()
                 if "ganmod" in both and both["ganmod"]["modes"] is not None]
        each = [" / ".join(f"{both[which]['frechet']:.1f}" for both in seeds.values() if which in both)
                for which in ("ganmod", "torch")]
        lines.append(f"| {name} | {len(seeds)} | {ours:.1f} ({each[0]}) | {theirs:.1f} ({each[1]}) | "
                     f"{ours / theirs:.2f} | {', '.join(modes) or '–'} |")
    return "\n".join(lines) + "\n"


def main():
    """Runs what is missing, and prints the table."""
    known = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known.add_argument("examples", nargs="*", metavar="EXAMPLE", help=f"of {', '.join(EXAMPLES)}; default: all")
    known.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    known.add_argument("--out", type=pathlib.Path, default=REPOSITORY / "out" / "gan_quality")
    known.add_argument("--page", action="store_true", help="write the table into docs/gallery.md")
    known.add_argument("--dry-run", action="store_true", help="tiny networks, to see it work")
    given = known.parse_args()
    sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "examples")]
    extra, path = ["--dry-run"] if given.dry_run else [], given.out / "results.json"
    for name in given.examples or EXAMPLES:
        for seed in map(str, given.seeds):
            for which, quality in (("ganmod", example_quality), ("torch", twin_quality)):
                results = json.loads(path.read_text()) if path.exists() else {}
                if which in results.get(name, {}).get(seed, {}):
                    continue
                print(f"{name}, seed {seed}: {which}", file=sys.stderr, flush=True)
                out = given.out / f"{name}-{seed}"
                out.mkdir(parents=True, exist_ok=True)
                found = quality(name, seed, out, extra)
                results = json.loads(path.read_text()) if path.exists() else {}   # of a process beside this one, too
                results.setdefault(name, {}).setdefault(seed, {})[which] = found
                path.write_text(json.dumps(results, indent=1))
    results = json.loads(path.read_text())
    print(table(results))
    if given.page:
        page = REPOSITORY / "docs" / "gallery.md"
        page.write_text(TABLE.sub(lambda _: table(results), page.read_text()))


if __name__ == "__main__":
    main()
