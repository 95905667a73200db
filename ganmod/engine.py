"""``mx.engine``: how bound programs are run.

How many operations MXNet's engine carries out in one go means nothing here, where a bound program is one already.
Whether a program may use other kernels than torch's usual ones is an extension.
"""
from __future__ import annotations

import contextlib
from typing import Iterator

__all__ = ["bulk", "set_bulk_size", "fast_kernels", "set_fast_kernels", "has_fast_kernels"]

_size = 15                                                 # MXNet's default while it trains
_fast = True


def set_bulk_size(size: int) -> int:
    """Keep a number that has no effect; returns the one before it."""
    global _size
    before, _size = _size, int(size)
    return before


@contextlib.contextmanager
def bulk(size: int) -> Iterator[None]:
    """:func:`set_bulk_size` for a ``with`` block.

    >>> with bulk(7):
    ...     set_bulk_size(7)
    7
    """
    before = set_bulk_size(size)
    try:
        yield
    finally:
        set_bulk_size(before)


def set_fast_kernels(enabled: bool) -> bool:
    """Whether bound programs are rewritten to the kernels that are measured to be the fastest; returns what was so far.

    They give the same but for rounding, on a CPU. It is on at first; :mod:`ganmod.executor.kernels` tells what it does.
    Without it programs are what was recorded, and results those of torch's operators to the bit. While it is on, the
    first program also has the process keep up to a gibibyte of freed memory (:mod:`ganmod.executor.memory`).
    """
    global _fast
    before, _fast = _fast, bool(enabled)
    return before


def has_fast_kernels() -> bool:
    """Whether :func:`set_fast_kernels` is on."""
    return _fast


@contextlib.contextmanager
def fast_kernels(enabled: bool) -> Iterator[None]:
    """:func:`set_fast_kernels` for a ``with`` block.

    >>> with fast_kernels(False):
    ...     has_fast_kernels()
    False
    """
    before = set_fast_kernels(enabled)
    try:
        yield
    finally:
        set_fast_kernels(before)
