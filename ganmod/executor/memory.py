"""What torch does not do with memory: keep what a program has freed for its next run, and compare quickly."""
from __future__ import annotations

import ctypes
import functools
import os
import sys
from typing import Any

import torch
from torch import Tensor

__all__ = ["keep_freed", "give_back", "same_bytes"]

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


@functools.cache
def _memcmp() -> Any:
    """The C library's comparison, which takes a quarter of the time of torch's; None where there is none."""
    found = getattr(ctypes.CDLL(None), "memcmp", None) if os.name == "posix" else None
    if found is not None:
        found.argtypes = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t
    return found


def same_bytes(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors of a CPU, of the same shape and dtype, hold the same."""
    if _memcmp() is None or not (one.is_contiguous() and other.is_contiguous()):
        return torch.equal(one, other)
    return not _memcmp()(one.data_ptr(), other.data_ptr(), one.nbytes)
