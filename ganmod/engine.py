"""``mx.engine``: how many operations MXNet's engine carries out in one go. Here a bound program is one already."""
from __future__ import annotations

import contextlib
from typing import Iterator

__all__ = ["bulk", "set_bulk_size"]

_size = 15                                                 # MXNet's default while it trains


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
