"""``mx.contrib.ndarray``: the operators of ``mx.nd.contrib``."""
from typing import Any as _Any

from ..ndarray import contrib as _operators


def __getattr__(name: str) -> _Any:
    """An operator."""
    return getattr(_operators, name)


def __dir__() -> list[str]:
    return dir(_operators)
