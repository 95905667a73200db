"""Scopes that name symbols: ``NameManager`` and ``Prefix``."""
from __future__ import annotations

import threading
from typing import Optional

__all__ = ["NameManager", "Prefix", "current"]

_scopes = threading.local()


class NameManager:
    """Gives unnamed nodes a name: the lower-cased operator and a counter of its own.

    >>> with NameManager() as names:
    ...     names.get(None, "conv"), names.get(None, "conv"), names.get("mine", "conv")
    ('conv0', 'conv1', 'mine')
    """

    def __init__(self) -> None:
        self._counter: dict[str, int] = {}

    def get(self, name: Optional[str], hint: str) -> str:
        """`name` itself, or the next free name for `hint`."""
        if name:
            return name
        number = self._counter.get(hint, 0)
        self._counter[hint] = number + 1
        return f"{hint}{number}"

    def __enter__(self) -> "NameManager":
        _stack().append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _stack().pop()


class Prefix(NameManager):
    """Puts a prefix before the name of every operator created inside, explicit names included.

    >>> with Prefix("net_") as names:
    ...     names.get("fc", "fullyconnected"), names.get(None, "fullyconnected")
    ('net_fc', 'net_fullyconnected0')
    """

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix

    def get(self, name: Optional[str], hint: str) -> str:
        """The name with the prefix before it."""
        return self._prefix + super().get(name, hint)


def _stack() -> list[NameManager]:
    if not hasattr(_scopes, "stack"):
        _scopes.stack = [NameManager()]
    return _scopes.stack


def current() -> NameManager:
    """The innermost scope of this thread."""
    return _stack()[-1]
