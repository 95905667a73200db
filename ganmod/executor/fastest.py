"""The faster of two programs: the recorded one, and what torch's compiler makes of it.

Which one that is depends on the machine: the compiler fuses what lies between convolutions and matrix products, but
does not know the ways of :mod:`ganmod.executor.kernels`. Both are run where ``compile='auto'`` asks for it.
"""
from __future__ import annotations

import hashlib
import logging
from typing import Callable, NamedTuple, Union

import torch

from .. import engine
from . import kernels
from .lower import Lowered
from .trace import Programs, Structure, record

__all__ = ["record_programs"]

_logger = logging.getLogger(__name__)


def record_programs(function: Lowered, structure: Structure, compiled: Union[bool, str]) -> Programs:
    """The programs of :func:`ganmod.executor.trace.record`, compiled as asked for: ``'auto'`` where that is faster.

    What has been measured is among :func:`ganmod.executor.kernels.timings`. With fast kernels switched off, or without
    a compiler that works, nothing is compiled.
    """
    if compiled != "auto":
        return record(function, structure, compiled)
    usual = record(function, structure)
    if not engine.has_fast_kernels():
        return usual
    contest = _Contest(usual, record(function, structure, True), structure)
    if not contest.compiled.is_compilable:
        return usual
    try:
        times = kernels.measured(contest)
    except RuntimeError as error:                          # of the compiler: the usual ones have been run already
        _logger.warning("programs are not compiled: %s", error)
        return usual
    chosen = kernels.chosen(times, "library")
    _logger.info("compiled, a program takes %.3g ms, and as it is %.3g ms: it is %s", times["compiled"] * 1e3,
                 times["library"] * 1e3, "compiled" if chosen == "compiled" else "left as it is")
    return contest.compiled if chosen == "compiled" else usual


class _Contest(NamedTuple):
    """A task for :mod:`ganmod.executor.kernels`: a forward of either of two programs, and its whole backward."""

    usual: Programs
    compiled: Programs
    structure: Structure

    def __str__(self) -> str:
        arrays = [*self.structure.arguments, *self.structure.states]
        described = f"{self.compiled.code()} {[(a.shape, a.dtype, a.device) for a in arrays]}"
        return f"program {hashlib.sha256(described.encode()).hexdigest()[:16]}"

    def names(self) -> list[str]:
        """The ways: ``library`` is the usual one."""
        return ["library", "compiled"]

    def ways(self) -> kernels.Ways:
        """Both programs, on the arrays that they were recorded with."""
        return {"library": self._turn(self.usual), "compiled": self._turn(self.compiled)}

    def _turn(self, programs: Programs) -> Callable[[], None]:
        arguments, states, wanted, heads = self.structure
        targets, adds = [torch.empty_like(arguments[k]) for k in wanted], (False,) * len(wanted)
        devices = {a.device.index for a in arguments if a.is_cuda}

        def turn() -> None:
            with torch.random.fork_rng(devices):
                saved = programs.forward(arguments, states).saved
                if wanted:
                    programs.backward(arguments, states, heads, saved, wanted, targets, adds)
            for device in devices:
                torch.cuda.synchronize(device)
        return turn
