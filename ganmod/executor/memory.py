"""Memory that a program has freed stays with the process, for the program's next run."""
from __future__ import annotations

import ctypes
import functools
import sys

__all__ = ["keep_freed", "give_back"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3      # glibc's numbers of what mallopt() sets
_MOST_KEPT, _LARGEST_KEPT = 1 << 30, 32 << 20  # bytes: in all, and of one tensor, which is what glibc allows


@functools.cache
def keep_freed() -> bool:
    """Have glibc keep up to a gibibyte of freed memory, once for the process; returns whether there is a glibc.

    By itself it gives back to the system what a run of a program has freed, and gets it again for the next, page by
    page, each of which is cleared first. For a small network that takes longer than half of its arithmetic.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    return mallopt is not None and bool(mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)) \
        and bool(mallopt(_TRIM_THRESHOLD, _MOST_KEPT))


def give_back() -> None:
    """Give all memory that is free back to the system: that which measuring kernels took would stay for good."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
