"""``mx.contrib.symbol``: the operators of ``mx.sym.contrib``."""
from typing import Any as _Any

from ..symbol import contrib as _operators


def __getattr__(name: str) -> _Any:
    """An operator."""
    return getattr(_operators, name)


def __dir__() -> list[str]:
    return dir(_operators)
