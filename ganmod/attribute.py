"""``AttrScope``: attributes for every symbol created inside it."""
from __future__ import annotations

import threading
from typing import Any, Optional

__all__ = ["AttrScope", "current"]

_scopes = threading.local()


class AttrScope:
    """Attributes, given as strings, that every symbol created inside the ``with`` block carries.

    Inner scopes add to outer ones. A symbol stores a key such as ``ctx_group`` as ``__ctx_group__``.

    >>> with AttrScope(ctx_group="dev1"):
    ...     current().get(None)
    {'ctx_group': 'dev1'}
    """

    def __init__(self, **kwargs: str) -> None:
        for key, value in kwargs.items():
            if not isinstance(value, str):
                raise ValueError(f"AttrScope({key}={value!r}): attributes are strings, got {type(value).__name__}")
        self._attr = dict(kwargs)

    def get(self, attr: Optional[dict[str, Any]]) -> dict[str, Any]:
        """`attr` over the attributes of this scope, as a new dict."""
        return {**self._attr, **(attr or {})}

    def __enter__(self) -> "AttrScope":
        self._own = self._attr
        self._attr = {**current()._attr, **self._attr}
        _stack().append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _stack().pop()
        self._attr = self._own


def _stack() -> list[AttrScope]:
    if not hasattr(_scopes, "stack"):
        _scopes.stack = [AttrScope()]
    return _scopes.stack


def current() -> AttrScope:
    """The innermost scope of this thread."""
    return _stack()[-1]
