"""Options of a bound symbol: in which precision its programs compute, and whether they are compiled."""
from __future__ import annotations

from typing import Any, NamedTuple, Optional, Union

import torch

from ..base import InputError

__all__ = ["Options", "USUAL", "options"]

_PRECISIONS = {"bfloat16": torch.bfloat16, "float16": torch.float16}
_MODES = (False, True, "auto", "reduce-overhead", "max-autotune")


class Options(NamedTuple):
    """How programs run, beyond what MXNet knows.

    Attributes
    ----------
    precision : torch.dtype, optional
        Of matrix products and convolutions, and of what lies between them; None for that of their inputs.
    compiled : bool or str
        Whether programs are compiled by ``torch.compile``, and in which of its modes; ``'auto'``: where that is
        measured to be faster.
    """

    precision: Optional[torch.dtype] = None
    compiled: Union[bool, str] = False


USUAL = Options()


def options(mixed_precision: Optional[str] = None, compile: Any = False) -> Options:
    """The options that the arguments of a ``bind`` describe.

    Raises
    ------
    InputError
        For another precision than ``'bfloat16'`` and ``'float16'``, or a `compile` that is neither a bool
        nor a mode.

    >>> options("bfloat16")
    Options(precision=torch.bfloat16, compiled=False)
    """
    if mixed_precision is not None and mixed_precision not in _PRECISIONS:
        raise InputError(f"bind(mixed_precision={mixed_precision!r}): expected {' or '.join(map(repr, _PRECISIONS))}, "
                         "or None")
    if not isinstance(compile, (bool, str)) or compile not in _MODES:
        raise InputError(f"bind(compile={compile!r}): expected one of {', '.join(map(repr, _MODES))}")
    return Options(None if mixed_precision is None else _PRECISIONS[mixed_precision], compile)
