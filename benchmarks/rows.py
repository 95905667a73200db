"""The table of performance: what is compared with what, which figures that gives, and what they should be.

All figures are lists, one of a round; a row shows their median and range. Where a contest has them, the loop that
computes no gradient in vain is judged, and the classic loop of MXNet's tutorial stands beside it.
"""
from __future__ import annotations

import statistics
from typing import NamedTuple, Optional

import arithmetic
import contest
import growth
import inference

PEERS = {"mxnet": "MXNet on all cores", "mxnet-default": "MXNet as it comes", "torch": "plain torch",
         "torch-tuned": "torch tuned by hand", "torch-compiled": "torch tuned and compiled"}

# What each contest races, and how many times as fast as each peer ganmod should be; None: it is not judged.
RACES = {
    "dcgan-0.25": ("DCGAN loop, width 0.25", {"mxnet": 2.2, "mxnet-default": 2.2, "torch": 1.4, "torch-tuned": 1.1,
                                              "torch-compiled": None}),
    "dcgan-1": ("DCGAN loop, width 1", {"mxnet": 2.8, "mxnet-default": 2.8, "torch": 1.45, "torch-tuned": 1.3,
                                        "torch-compiled": None}),
    "dcgan-gpu": ("DCGAN loop, width 1, on the GPU", {"torch": None, "torch-tuned": None}),
    "dense": ("dense GAN, batch 32", {"mxnet": 2.0, "mxnet-default": 2.0, "torch": 1.5, "torch-tuned": 1.0}),
    **{f"inference-{width:g}-{batch}": (f"generator alone, width {width:g}, batch {batch}",
                                        {"mxnet": None, "torch-tuned": 1.0})
       for width in (0.25, 1) for batch in (1, 64)},
}
WIDTHS = {"0.25": 0.75, "1": 0.85}     # of the DCGAN loop, and the share of the machine's rate that it should reach
MEMORY, IMPORT, EXPONENT = 1.0, 0.3, 1.05
IDLE_LOAD, IDLE_OTHERS = 0.5, 0.1      # above these, figures of a machine are not to be trusted


class Target(NamedTuple):
    """What a figure should be, at least or at most, and how such figures are shown; None: nothing is asked of it."""

    sign: str
    number: Optional[float]
    form: str
    unit: str = ""

    def __str__(self):
        return "" if self.number is None else f"{self.sign} {self.form.format(self.number)}{self.unit}"

    def met(self, values):
        """Whether the median keeps to it."""
        middle = statistics.median(values)
        return middle >= self.number if self.sign == "≥" else middle <= self.number

    def shown(self, values):
        """Median and range of figures."""
        middle, _, ends = contest.spread(values, self.form).partition(" ")
        return f"{middle}{self.unit} {ends}"


class Row(NamedTuple):
    """A line of the table; `values` are empty where a contender is absent, and `absent` says why."""

    work: str
    against: str
    target: Target
    values: list
    beside: list
    absent: str

    @property
    def verdict(self):
        """Whether the target is reached, or that there is nothing to judge."""
        if not self.values:
            return "absent"
        if self.target.number is None:
            return "not judged"
        return "reached" if self.target.met(self.values) else "NOT reached"

    def cells(self):
        """The line as texts, under TITLES."""
        figures = [self.target.shown(found) if found else "" for found in (self.values, self.beside)]
        return [self.work, self.against, str(self.target), *figures, self.verdict]


TITLES = ["work", "against", "target", "ganmod: median [range]", "its classic loop", ""]


def compared(result, figures, work, against, target, ours, theirs):
    """A row of `figures(ours, theirs)`, and of the classic loop's where ours is another."""
    measured = result.get("seconds", result.get("mebibytes", {}))
    absent = next((f"{name}: {result['absent'][name]}" for name in (ours, theirs) if name not in measured), "")
    beside = "ganmod" if ours != "ganmod" else None
    found, classic = (figures(measured[name], measured[theirs]) if name in measured and theirs in measured else []
                      for name in (ours, beside))
    return Row(work, against, target, found, classic, absent)


def race_rows(name, result):
    """The rows of a contest of loops."""
    work, peers = RACES[name]
    ours = "ganmod" if name.startswith("inference") else "ganmod-wanted"
    for peer, number in peers.items():
        if peer in result["seconds"] or peer in result["absent"]:
            yield compared(result, lambda fast, slow: contest.ratios(slow, fast), work, PEERS[peer],
                           Target("≥", number, "{:.2f}", "x"), ours, peer)


def memory_rows(width, result):
    """The row of the memory at a width."""
    yield compared(result, contest.ratios, f"peak memory of the DCGAN loop, width {width}", "plain torch",
                   Target("≤", MEMORY, "{:.2f}", "x"), "ganmod-wanted", "torch")


def import_rows(result):
    """The row of the imports."""
    yield compared(result, lambda ours, theirs: [a - b for a, b in zip(ours, theirs)], "import ganmod",
                   "import torch", Target("≤", IMPORT, "{:+.2f}", " s"), "ganmod", "torch")


def share_rows(width, result):
    """The rows of the shares of the machine's rate; each loop is credited for all gradients that it computes.

    Where torch multiplies matrices more slowly than it convolves, the product is no limit; the convolution shows that.
    """
    gflop, seconds = result["gflop"], result["seconds"]
    for limit, against, number in (("product", "a large torch.mm", WIDTHS[width]),
                                   ("convolution", "a large convolution", None)):
        found, classic = (arithmetic.shares(seconds[name], seconds[limit], gflop[name], gflop[limit])
                          if name in seconds and limit in seconds else [] for name in ("ganmod-wanted", "ganmod"))
        rate = f" ({gflop[limit] / statistics.median(seconds[limit]):.0f} GFLOP/s)" if limit in seconds else ""
        absent = "; ".join(f"{name}: {why}" for name, why in result["absent"].items()
                           if name in ("ganmod-wanted", limit))
        yield Row(f"DCGAN loop, width {width}: share of the rate", against + rate, Target("≥", number, "{:.0%}"),
                  found, classic, absent)


def growth_rows(result):
    """The row of the exponent of the growth."""
    names = list(result["seconds"])
    found = growth.exponents([result["gflop"][name] for name in names],
                             [result["seconds"][name] for name in names]) if len(names) > 1 else []
    yield Row("growth of the DCGAN loop's cost: exponent", "linear in the arithmetic",
              Target("≤", EXPONENT, "{:.3f}"), found, [], "; ".join(result["absent"].values()))


def rows(contests):
    """All rows of the contests that were held, races first."""
    found = [row for name, result in contests.items() if name in RACES for row in race_rows(name, result)]
    for width in WIDTHS:
        if f"memory-{width}" in contests:
            found += memory_rows(width, contests[f"memory-{width}"])
    if "import" in contests:
        found += import_rows(contests["import"])
    for width in WIDTHS:
        if f"dcgan-{width}" in contests:
            found += share_rows(width, contests[f"dcgan-{width}"])
    if "growth" in contests:
        found += growth_rows(contests["growth"])
    return found


def warnings(contests, machine, quick=False):
    """What a reader of the figures has to know: contenders that disagree, and a machine that was not idle."""
    if quick:
        yield "this was --quick, which shows that the programs work; the figures mean nothing"
    for name, result in contests.items():
        if not contest.agree(result.get("marks", {}), inference.FLOOR if name.startswith("inference") else 0.1):
            yield f"{name}: the contenders' results differ by more than 1 %, so they do not compute the same"
    if machine["load_before"][0] > IDLE_LOAD or machine["others"] > IDLE_OTHERS:
        yield (f"the machine was not idle: load average {machine['load_before'][0]:.2f} before, and other programs "
               f"kept {machine['others']:.2f} cores busy meanwhile; the figures are not to be trusted")


def table(found):
    """The rows as text, in aligned columns."""
    lines = [TITLES, *(row.cells() for row in found)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(TITLES))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)
