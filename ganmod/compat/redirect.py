"""``import mxnet``, and any module below it, made to find ganmod."""
from __future__ import annotations

import functools
import importlib
import importlib.abc
import importlib.machinery
import sys
from types import ModuleType
from typing import Any, Optional, Sequence

from ..ops.namespaces import Space
from .names import LACKING

__all__ = ["install", "uninstall"]

_PACKAGE = __name__.partition(".")[0]


def install() -> None:
    """Have ``import mxnet`` find ganmod in this process, whether or not MXNet is installed; twice is once.

    Raises
    ------
    ImportError
        If another MXNet has been imported already.

    >>> install()
    >>> import mxnet.ndarray as nd
    >>> nd.__name__
    'ganmod.ndarray'
    >>> uninstall()
    """
    present = sys.modules.get("mxnet")
    if present is not None and present.__name__ != _PACKAGE:
        raise ImportError("install() comes too late: another mxnet has been imported already")
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)


def uninstall() -> None:
    """Undo :func:`install`; modules that hold on to what they imported keep it."""
    if _FINDER in sys.meta_path:
        sys.meta_path.remove(_FINDER)
    for name in [n for n in sys.modules if n == "mxnet" or n.startswith("mxnet.")]:
        del sys.modules[name]


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname: str, path: Optional[Sequence[str]], target: Any = None) \
            -> Optional[importlib.machinery.ModuleSpec]:
        top, _, rest = fullname.partition(".")
        lacking = rest.partition(".")[0]
        if top in ("mxnet", _PACKAGE) and lacking in LACKING:      # `from mxnet import gluon` asks for ganmod.gluon
            raise ModuleNotFoundError(f"mxnet.{lacking}: {LACKING[lacking]}", name=f"mxnet.{lacking}")
        if top != "mxnet":
            return None
        found = _counterpart(fullname)
        return importlib.machinery.ModuleSpec(fullname, _Loader(found), is_package=hasattr(found, "__path__"))


class _Loader(importlib.abc.Loader):
    """Hands out a module that exists already, and leaves it as it is."""

    def __init__(self, module: ModuleType) -> None:
        self._module, self._own = module, {k: vars(module).get(k) for k in ("__spec__", "__loader__", "__package__")}

    def create_module(self, spec: Any) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(self._own)


_FINDER = _Finder()


def _counterpart(fullname: str) -> ModuleType:
    """The part of ganmod that stands for a module of MXNet: an attribute (``mxnet.nd``), or a module of that name."""
    found: Any = importlib.import_module(_PACKAGE)
    for part in fullname.split(".")[1:]:
        child = getattr(found, part, None)
        if child is None:
            try:
                child = importlib.import_module(f"{found.__name__}.{part}")
            except (ModuleNotFoundError, AttributeError):
                raise ModuleNotFoundError(f"{fullname} has no counterpart in ganmod", name=fullname) from None
        found = child
    if isinstance(found, Space):                           # mx.nd.contrib and kin
        module = ModuleType(fullname)
        module.__getattr__ = functools.partial(getattr, found)  # type: ignore[method-assign]
        return module
    if not isinstance(found, ModuleType):
        raise ModuleNotFoundError(f"{fullname} is no module", name=fullname)
    return found
