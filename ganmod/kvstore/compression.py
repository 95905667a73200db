"""Gradient compression: fewer bits on the way, and what they leave out is added to the next gradient.

==========  ===================================================================================================
``2bit``    MXNet's: an element becomes ``threshold``, ``-threshold`` or 0; the rest waits for the next push
``fp16``    16 bits on the way between workers, as torch's ``fp16_compress_hook``
``bf16``    as torch's ``bf16_compress_hook``
==========  ===================================================================================================
"""
from __future__ import annotations

from typing import Any, Hashable, Optional

import torch
from torch import Tensor

from ..base import InputError, MXNetError

__all__ = ["TwoBit", "checked_parameters", "HALVES"]

HALVES = {"fp16": torch.float16, "bf16": torch.bfloat16}


def checked_parameters(given: Any, kinds: tuple[str, ...]) -> tuple[str, Optional["TwoBit"]]:
    """The type, and the quantiser if it is ``2bit``.

    Raises
    ------
    InputError
        If it is no dict.
    MXNetError
        For a type that is not there, another key than ``type`` and ``threshold``, and a threshold of 0 or less.
    """
    if not isinstance(given, dict):
        raise InputError(f"set_gradient_compression() takes a dict such as {{'type': '2bit'}}, got {given!r:.80}")
    kind = str(given.get("type"))
    if kind not in kinds:
        raise MXNetError(f"gradient compression of type {kind!r} is not supported; expected one of {', '.join(kinds)}")
    unknown = set(given) - {"type", "threshold"}
    if unknown:
        raise MXNetError(f"gradient compression has no setting {', '.join(sorted(map(str, unknown)))}; expected type "
                         "and threshold")
    if kind != "2bit":
        return kind, None
    threshold = float(given.get("threshold", 0.5))
    if threshold <= 0:
        raise MXNetError(f"gradient compression: the threshold is {threshold}; expected a positive number")
    return kind, TwoBit(threshold)


class TwoBit:
    """Quantises to ``-threshold``, 0 and ``threshold``, and keeps what that leaves out.

    Parameters
    ----------
    threshold : float
        The magnitude sent, and the smallest that is.

    >>> half = TwoBit(0.5)
    >>> half.quantised("w", torch.tensor([0.3, 0.6, -1.3])).tolist(), half.quantised("w", torch.zeros(3)).tolist()
    ([0.0, 0.5, -0.5], [0.0, 0.0, -0.5])
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._residuals: dict[Hashable, Tensor] = {}

    def signs(self, source: Hashable, gradient: Tensor) -> Tensor:
        """What to send of a gradient, as int8 of -1, 0 and 1; `source` says whose residual it goes with."""
        residual = self._residuals.get(source)
        total = gradient.float() if residual is None else gradient + residual
        signs = (total >= self.threshold).to(torch.int8) - (total <= -self.threshold).to(torch.int8)
        self._residuals[source] = total - signs * self.threshold
        return signs

    def quantised(self, source: Hashable, gradient: Tensor) -> Tensor:
        """What arrives of a gradient."""
        return (self.signs(source, gradient) * self.threshold).to(gradient.dtype)


def pack(signs: Tensor) -> Tensor:
    """Four of -1, 0, 1 to a byte.

    >>> unpack(pack(torch.tensor([1, 0, -1, -1, 1], dtype=torch.int8)), 5).tolist()
    [1, 0, -1, -1, 1]
    """
    codes = torch.nn.functional.pad((signs.reshape(-1) + 1).to(torch.uint8), (0, -signs.numel() % 4)).reshape(-1, 4)
    return codes[:, 0] | codes[:, 1] << 2 | codes[:, 2] << 4 | codes[:, 3] << 6


def unpack(packed: Tensor, count: int) -> Tensor:
    """The first `count` numbers that :func:`pack` put together, as int8."""
    codes = torch.stack([packed >> shift & 3 for shift in (0, 2, 4, 6)], dim=-1)
    return codes.reshape(-1)[:count].to(torch.int8) - 1
