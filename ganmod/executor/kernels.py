"""Kernels: the nodes of a recorded program exchanged for equivalent ones where those have been measured to be faster.

For float32 and bfloat16 on CPUs. A program's convolutions, and each of their gradients, have several ways to be
computed (see :mod:`ganmod.executor.ways`), all equal but for rounding: the library's, over maps that lie in memory as
NDArrays do or channels last, or over copies of the latter that lie as the former; one matrix product; phases; smaller
products, by :mod:`ganmod.executor.winograd`; and in programs without gradients, over weights that are kept ready. Each
way is timed when a program with such a node is recorded, once in a process, and :func:`report` shows it. Maps lie
channels last throughout a program, from the first convolution to the outputs, or not at all. A matrix product may be
oneDNN's in place of torch's, or that of its transposes.

:func:`ganmod.engine.set_fast_kernels` switches this off. What is chosen follows from :func:`timings` alone, so that a
process that is given those of another computes the same, to the bit.
"""
from __future__ import annotations

import itertools
import logging
import math
import time
from typing import Callable, NamedTuple, Protocol, Sequence

import torch
from torch import Tensor

from ..ops import storage
from . import ways, winograd
from .memory import give_back
from .ways import Kept

__all__ = ["Convolution", "Product", "Task", "measured", "all_measured", "chosen", "timings", "set_timings",
           "generation", "report"]

_logger = logging.getLogger(__name__)

#: What one way must win over the library's to be preferred: timings are not exact, and the same choice is to come out.
_GAIN = 0.9
#: Below these numbers of operations there is nothing to gain.
_FEWEST = {"convolution": 20e6, "fixed": 2e5, "product": 4e6, "copies": 5e8, "winograd": 5e8}
_SECONDS = 0.05                        # for measuring one task, unless that is less than the fewest turns
_FEWEST_TURNS, _MOST_TURNS = 3, 20     # of all its ways
_HOPELESS = 2                          # a way that takes so many times the best one's seconds is not tried again
_CACHED = 1 << 22                      # elements that a processor may keep from one run to the next
_MOST_PATCHES = 1 << 24                # elements
_MOST_VALUES = 1 << 24                 # of a weight that is kept ready
_FEWEST_CHANNELS = 32                  # of both maps, for what moves more memory to multiply sooner

Ways = dict[str, Callable[[], object]]
Functions = dict[str, Callable[..., Tensor]]

_WINOGRAD = {f"winograd {tile}": tile for tile in winograd.TILES}
_SMALL: Functions = {"product": ways.small_as_product, "copies": ways.small_of_copies,
                     **dict.fromkeys(_WINOGRAD, winograd.small_by_winograd)}
_BIG: Functions = {"product": ways.big_as_product, "phases": ways.big_in_phases, "copies": ways.big_of_copies,
                   **dict.fromkeys(_WINOGRAD, winograd.big_by_winograd)}
_WEIGHT: Functions = {"product": ways.weight_as_product, "copies": ways.weight_of_copies,
                      **dict.fromkeys(_WINOGRAD, winograd.weight_by_winograd)}
_PRODUCT: Functions = {"onednn": ways.linear, "swapped": ways.swapped}
_KEPT = {name: f"kept {name}" for name in ("product", *_WINOGRAD)}     # with weights that are kept ready

_timings: dict[str, dict[str, float]] = {}
_generation = 0


class Convolution(NamedTuple):
    """Computing one of a convolution's larger maps, its smaller ones and its weight from the other two.

    Attributes
    ----------
    wanted : {'small', 'big', 'weight'}
        ``small`` is what a Convolution gives, and the gradient of a Deconvolution's data; ``big`` the reverse.
    big, small : tuple of int
        Shapes (N, C, H, W).
    kernel, stride, pad : tuple of int
        Per axis.
    dtype : torch.dtype
        Of all three.
    fixed : bool
        Whether the weight is mostly the same from run to run, and may be kept ready for it.
    """

    wanted: str
    big: tuple[int, ...]
    small: tuple[int, ...]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int]
    dtype: torch.dtype = torch.float32
    fixed: bool = False

    def __str__(self) -> str:
        big, small, kernel, stride, pad = ("x".join(map(str, sizes)) for sizes in self[1:6])
        return f"{self.wanted} of big {big}, small {small}, {'fixed ' * self.fixed}kernel {kernel}, stride {stride}, " \
               f"pad {pad}, {self.dtype}"

    @property
    def is_worthwhile(self) -> bool:
        """Whether it is large enough to be measured."""
        return self._operations >= _FEWEST["fixed" if self.fixed else "convolution"]

    @property
    def _patches(self) -> tuple[int, int]:
        """How many there are of what a place of `small` sees, and elements of each."""
        return self.small[0] * self.small[2] * self.small[3], self.big[1] * self.kernel[0] * self.kernel[1]

    @property
    def _operations(self) -> int:
        return 2 * math.prod(self._patches) * self.small[1]

    @property
    def _has_many_channels(self) -> bool:
        return min(self.big[1], self.small[1]) >= _FEWEST_CHANNELS

    def names(self) -> list[str]:
        """The ways that are worth a try; ``library`` and ``channels last`` are the same call on other memory."""
        found = ["library", "channels last"]
        if ways.has_linear(self.dtype) and math.prod(self._patches) <= _MOST_PATCHES:
            found.append("product")
        if not self.fixed and self._operations >= _FEWEST["copies"] and self._has_many_channels:
            found.append("copies")
        fits = all(k % s == 0 and k > s for k, s in zip(self.kernel, self.stride)) and self.stride != (1, 1)
        if self.wanted == "big" and fits and self.big[1] * self.stride[0] * self.stride[1] <= 64:
            found.append("phases")
        found += [name for name, tile in _WINOGRAD.items() if self._is_good_for(tile)]
        if self.fixed:
            found = [_KEPT.get(name, name) for name in found]
        if self.fixed and ways.has_packed(self.dtype):
            found.append("packed")
        return found

    def _is_good_for(self, tile: int) -> bool:
        """Whether Winograd's tiles of so many places promise to be faster, for the memory that they take."""
        if self.fixed:
            is_worth_it = winograd.size_of_values(self.small[1] * self._patches[1], tile) <= _MOST_VALUES
        else:
            is_worth_it = self._operations >= _FEWEST["winograd"]
        return is_worth_it and self.dtype is torch.float32 and self._has_many_channels \
            and winograd.saves(self.small, self.kernel, self.stride, tile)

    def ways(self) -> Ways:
        """Each way over maps of its own."""
        shapes = self.big, self.small, (self.small[1], self.big[1], *self.kernel)
        big, small, weight = (storage.keep_private(torch.full(shape, 0.5, dtype=self.dtype)) for shape in shapes)
        last = ways.channels_last(big), ways.channels_last(small)
        usual: Ways = {"library": lambda: self._library(big, small, weight),
                       "channels last": lambda: self._library(*last, weight)}
        return {name: usual.get(name) or self._bound(name, *last, weight) for name in self.names()}

    def _bound(self, way: str, big: Tensor, small: Tensor, weight: Tensor) -> Callable[[], object]:
        """One of our own ways over these arrays."""
        function, inputs = self.call(way, big, small, weight, None)
        return lambda: function(*inputs)

    def _library(self, big: Tensor, small: Tensor, weight: Tensor) -> object:
        settings = (self.stride, self.pad, (1, 1), False, (0, 0), 1)
        if self.wanted == "small":
            return torch.ops.aten.convolution.default(big, weight, None, *settings)
        mask = [self.wanted == "big", self.wanted == "weight", False]
        return torch.ops.aten.convolution_backward.default(small, big, weight, None, *settings, mask)

    def call(self, way: str, big: object, small: object, weight: object, bias: object) \
            -> tuple[Callable[..., Tensor], tuple[object, ...]]:
        """The function of one of our own ways, and its arguments; the arrays may be nodes that stand for them."""
        settings: tuple[object, ...] = self.stride, self.pad
        if way in _WINOGRAD:
            settings = *settings, _WINOGRAD[way]
        if self.wanted == "weight":
            return _WEIGHT[way], (big, small, self.kernel, *settings)
        maps = small if self.wanted == "big" else big
        if self.fixed and way != "phases":
            return self.kept(way), (maps, weight, bias)
        functions, size = (_SMALL, ()) if self.wanted == "small" else (_BIG, (self.big[2:],))
        return functions[way], (maps, weight, bias, *size, *settings)

    def kept(self, way: str, activation: tuple[str, list[float]] = ("none", [])) -> Kept:
        """One of the ways whose weights are kept ready; the activation, by oneDNN's name, is for ``packed`` alone."""
        shape, size = (self.big, None) if self.wanted == "small" else (self.small, self.big[2:])
        if way == "packed":
            return ways.packed(shape, size, self.kernel, self.stride, self.pad, activation)
        if (name := way.removeprefix("kept ")) in _WINOGRAD:
            return winograd.kept_winograd(size, self.stride, self.pad, _WINOGRAD[name])
        return ways.kept_product(size, self.kernel, self.stride, self.pad)


class Product(NamedTuple):
    """``x @ w.T``: (rows, inner) and (columns, inner); `strided` where they do not lie so in memory."""

    rows: int
    inner: int
    columns: int
    strided: tuple[bool, bool]
    dtype: torch.dtype = torch.float32

    def __str__(self) -> str:
        x, w = ("transposed " * strided for strided in self.strided)
        return f"product of {x}{self.rows}x{self.inner}, {w}{self.columns}x{self.inner}, {self.dtype}"

    @property
    def is_worthwhile(self) -> bool:
        """Whether it is large enough to be measured."""
        return len(self.names()) > 1 and 2 * self.rows * self.inner * self.columns >= _FEWEST["product"]

    def names(self) -> list[str]:
        """The ways that are worth a try."""
        found = ["library"]
        if ways.has_linear(self.dtype):
            found.append("onednn")
        if self.rows < self.columns and not any(self.strided):
            found.append("swapped")
        return found

    def ways(self) -> Ways:
        """Each way over matrices of its own; a network has used others since it used a weight, so there are more."""
        def made(count: int, is_strided: bool) -> Tensor:
            shape = (self.inner, count) if is_strided else (count, self.inner)
            matrix = torch.full(shape, 0.5, dtype=self.dtype)
            return matrix.t() if is_strided else matrix

        x, copies = made(self.rows, self.strided[0]), max(1, _CACHED // (self.inner * self.columns))
        weights = itertools.cycle([made(self.columns, self.strided[1]) for _ in range(copies)])

        def call(function: Callable[..., object]) -> Callable[[], object]:
            return lambda: function(x, next(weights))
        return {"library": call(lambda x, w: torch.mm(x, w.t())),
                **{name: call(self.function(name)) for name in self.names()[1:]}}

    def function(self, way: str) -> Callable[..., Tensor]:
        """One of our own ways, a function of x, w and a bias."""
        return _PRODUCT[way]


class Task(Protocol):
    """What has several equivalent ways to be computed; as a string, what their times are kept by."""

    def names(self) -> list[str]:
        """The ways."""

    def ways(self) -> Ways:
        """Each of them, as a call that takes its time."""


def measured(task: Task) -> dict[str, float]:
    """The seconds that each way takes; measured at the first call in a process.

    Those that :func:`set_timings` gave hold if they are of the ways that there are here.
    """
    if not _is_measured(task):
        _timings[_key(task)] = _measure(task.ways())
        give_back()                                        # or the next one's would come on top
        _logger.debug("measured %s: %s", _key(task), _timings[_key(task)])
    return _timings[_key(task)]


def all_measured(tasks: Sequence[Task]) -> list[dict[str, float]]:
    """:func:`measured` of each; logs that it will take a while where it may."""
    new = {_key(task) for task in tasks if not _is_measured(task)}
    if new:
        _logger.info("measuring which way %d convolutions and gradients are fastest; large ones take seconds", len(new))
    return [measured(task) for task in tasks]


def _key(task: Task) -> str:
    return f"{task}; {torch.get_num_threads()} threads"


def _is_measured(task: Task) -> bool:
    return _timings.get(_key(task), {}).keys() == set(task.names())


def chosen(times: dict[str, float], usual: str) -> str:
    """The fastest way, or the usual one where that is about as fast."""
    best = min((name for name in times if name != "library" or usual == "library"), key=lambda name: times[name])
    return best if times[best] < _GAIN * times[usual] else usual


@torch.no_grad()
def _measure(calls: Ways) -> dict[str, float]:
    """The best of a few runs of each way, in turns, so that a slow moment of the machine is one for all of them."""
    best, spent = dict.fromkeys(calls, math.inf), dict.fromkeys(calls, 0.0)
    for turn in range(_MOST_TURNS):
        if turn >= _FEWEST_TURNS and sum(spent.values()) > _SECONDS:
            break
        for name, call in calls.items():                   # the first turn finds memory, and does not tell much
            is_cheap = turn < 2 or spent[name] < _SECONDS / len(calls)
            if is_cheap or best[name] < _HOPELESS * min(best.values()):
                seconds = _seconds(call)
                best[name], spent[name] = min(best[name], seconds), spent[name] + seconds
    return best


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def timings() -> dict[str, dict[str, float]]:
    """What has been measured in this process: seconds by way, by what is computed. It decides on everything chosen."""
    return {key: dict(times) for key, times in _timings.items()}


def set_timings(given: dict[str, dict[str, float]]) -> None:
    """Take over what :func:`timings` returned in another process, so that the same is chosen here.

    Programs that are recorded already are recorded again if they had been chosen by others.
    """
    global _generation
    _generation += any(_timings.get(key, times) != times for key, times in given.items())
    _timings.update({key: dict(times) for key, times in given.items()})


def generation() -> int:
    """How many times :func:`set_timings` has changed what was known."""
    return _generation


def report() -> str:
    """A table of what has been measured: milliseconds for each way, the fastest one in brackets.

    >>> print(report().splitlines()[0])
    milliseconds, the fastest in brackets
    """
    lines = ["milliseconds, the fastest in brackets"]
    for key, times in _timings.items():
        best = min(times.values())
        shown = [f"{name} [{t * 1e3:.3g}]" if t == best else f"{name} {t * 1e3:.3g}" for name, t in times.items()]
        lines.append(f"{key}: {', '.join(shown)}")
    return "\n".join(lines)
