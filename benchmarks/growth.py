"""How the cost of the DCGAN loop grows with the batch, the number of filters and the size of the images.

A library that wastes nothing takes time in proportion to the arithmetic: on paper with two logarithmic axes, seconds
against GFLOP lie on a line whose slope, the exponent, is 1. Less than 1 means a cost that small work has as well.
"""
from __future__ import annotations

import math
import statistics
from typing import NamedTuple

import arithmetic
import contest


class Point(NamedTuple):
    """One piece of work: filters' factor, images in a batch, edge of an image."""

    width: float
    batch: int
    size: int

    @property
    def name(self):
        """What it is called in results and tables."""
        return f"width {self.width:g}, batch {self.batch}, {self.size}x{self.size}"

    @property
    def gflop(self):
        """The arithmetic of an iteration."""
        return arithmetic.dcgan(*self)


POINTS = sorted({*(Point(0.25, batch, 64) for batch in (16, 32, 64, 128, 256)),
                 *(Point(width, 64, 64) for width in (0.25, 0.5, 0.75, 1.0)),
                 *(Point(0.25, 64, size) for size in (32, 64, 128))}, key=lambda point: point.gflop)
QUICK = [Point(0.03125, 2, 16), Point(0.0625, 2, 16), Point(0.0625, 2, 32)]


def entries(points):
    """A contender for each point: the loop that computes no gradient in vain."""
    return [contest.Entry(point.name, "ganmod", "dcgan_step:wanted_loop", point._asdict()) for point in points]


def fit(gflop, seconds):
    """The line of least squares through the logarithms: seconds = factor * gflop ** exponent."""
    line = statistics.linear_regression([math.log(x) for x in gflop], [math.log(y) for y in seconds])
    return line.slope, math.exp(line.intercept)


def exponents(gflop, rounds):
    """The exponent of each round, from the seconds of each point by rounds."""
    return [fit(gflop, seconds)[0] for seconds in zip(*rounds)]
