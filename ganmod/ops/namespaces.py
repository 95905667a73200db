"""Where the names of the operator table appear in ``mx.nd`` and ``mx.sym``: one rule for both."""
from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Callable

from .registry import Operator, table

__all__ = ["fill"]

_PREFIXES = {"_contrib_": "contrib", "_linalg_": "linalg", "linalg_": "linalg", "_sparse_": "sparse",
             "_image_": "image"}


def fill(target: dict[str, Any], make: Callable[[Operator, str], Any]) -> None:
    """Put ``make(op, name)`` for every name of the table into a module's namespace `target`.

    ``_contrib_x`` becomes ``contrib.x``, ``linalg_x`` also ``linalg.x``; names that start with an underscore live in
    ``_internal``. A name the module has already is left alone.
    """
    spaces = {space: target.setdefault(space, SimpleNamespace()) for space in {*_PREFIXES.values(), "_internal"}}
    for full, op in table().items():
        for prefix, space in _PREFIXES.items():
            if full.startswith(prefix):
                name = full[len(prefix):]
                if not hasattr(spaces[space], name):
                    setattr(spaces[space], name, make(op, name))
        if full.startswith("_"):
            setattr(spaces["_internal"], full, make(op, full))
        elif full not in target:
            target[full] = make(op, full)
