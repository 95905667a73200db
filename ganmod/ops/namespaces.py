"""Where the names of the operator table appear in ``mx.nd`` and ``mx.sym``: one rule for both.

Functions are made when they are first asked for, so that importing the package does not make a thousand of them.
"""
from __future__ import annotations

from typing import Any, Callable, Optional

from ..base import suggest
from .registry import Operator, lookup, table

__all__ = ["Space", "fill"]

_PREFIXES = {"contrib": ("_contrib_",), "linalg": ("_linalg_", "linalg_"), "sparse": ("_sparse_",),
             "image": ("_image_",), "_internal": ("",)}

Make = Callable[[Operator, str], Any]


class Space:
    """A namespace of operators, such as ``mx.nd.contrib``: ``contrib.x`` is the operator ``_contrib_x``."""

    def __init__(self, name: str, prefixes: tuple[str, ...], make: Make) -> None:
        self.__name__, self._prefixes, self._make = name, prefixes, make

    def _operator(self, name: str) -> Optional[Operator]:
        if self._prefixes == ("",) and not name.startswith("_"):
            return None
        return next(filter(None, (lookup(prefix + name) for prefix in self._prefixes)), None)

    def __getattr__(self, name: str) -> Any:
        found = None if name.startswith("__") else self._operator(name)
        if found is None:
            raise AttributeError(f"{self.__name__} has no operator {name!r}{suggest(name, dir(self))}")
        made = self._make(found, name)
        setattr(self, name, made)
        return made

    def __dir__(self) -> list[str]:
        return sorted({name for name in vars(self) if not name.startswith("_")} | {
            full[len(prefix):] for prefix in self._prefixes for full in table() if full.startswith(prefix or "_")})


class Public(Space):
    """The operators of public names alone: ``mx.sym.op.FullyConnected``."""

    def _operator(self, name: str) -> Optional[Operator]:
        return None if name.startswith("_") else lookup(name)

    def __dir__(self) -> list[str]:
        return sorted(name for name in table() if not name.startswith("_"))


def fill(target: dict[str, Any], make: Make) -> Callable[[str], Any]:
    """Have a module's namespace `target` find ``make(op, name)`` for every public name of the table.

    ``_contrib_x`` becomes ``contrib.x``, ``linalg_x`` also ``linalg.x``; names that start with an underscore live in
    ``_internal``. A name the module has already is left alone. Returns a function that gets any of its names.
    """
    def get(name: str) -> Any:
        if name in target:
            return target[name]
        found = None if name.startswith("_") else lookup(name)
        if found is None:
            raise AttributeError(f"module {target['__name__']!r} has no attribute {name!r}"
                                 f"{'' if name.startswith('_') else suggest(name, names())}")
        target[name] = made = make(found, name)
        return made

    def names() -> list[str]:
        return sorted({*target, *(name for name in table() if not name.startswith("_"))})

    for space, prefixes in _PREFIXES.items():
        made = Space(f"{target['__name__']}.{space}", prefixes, make)
        present = target.setdefault(space, made)
        if present is not made:                            # a module that has more than operators
            vars(present).update(__getattr__=made.__getattr__, __dir__=made.__dir__)
    target.setdefault("op", Public(f"{target['__name__']}.op", (), make))
    target["__getattr__"], target["__dir__"] = get, names
    return get
