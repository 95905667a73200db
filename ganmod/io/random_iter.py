"""``RandIter``: endless batches of noise, the input of a generator."""
from __future__ import annotations

from typing import Literal, Optional, Sequence, Union

import torch

from ..base import InputError, require, to_torch_dtype
from ..context import Context, current_context
from ..ndarray import NDArray
from .data import DataDesc
from .iterators import DataIter

__all__ = ["RandIter"]


class RandIter(DataIter):
    """Endless batches of random numbers, drawn from the generator that ``mx.random.seed`` seeds.

    Parameters
    ----------
    shape : tuple of int, or int
        The shape of a batch; or the batch size alone, together with `ndim`.
    ndim : int, optional
        Numbers per sample; the shape of a batch is then ``(batch_size, ndim, 1, 1)``, as deconvolutions take it.
    name : str
        Name of the input.
    distribution : {'normal', 'uniform'}
        Standard normal, or uniform over [-1, 1).
    ctx : Context, optional
        Where to draw; by default the current context.
    dtype : dtype
        A floating type.

    >>> RandIter(64, 100).next().data[0].shape
    (64, 100, 1, 1)
    >>> RandIter((8, 16), name="z").provide_data
    [DataDesc[z,(8, 16),float32,NCHW]]
    """

    def __init__(self, shape: Union[int, Sequence[int]], ndim: Optional[int] = None, name: str = "rand",
                 distribution: Literal["normal", "uniform"] = "normal", ctx: Optional[Context] = None,
                 dtype: str = "float32") -> None:
        if ndim is not None:
            require(isinstance(shape, int), f"RandIter: with ndim, shape is the batch size, got {shape!r}", InputError)
            shape = (shape, ndim, 1, 1)  # type: ignore[assignment]
        require(isinstance(shape, (tuple, list)), f"RandIter: shape must be a tuple, or a batch size given together "
                f"with ndim, got {shape!r}", InputError)
        require(distribution in ("normal", "uniform"),
                f"RandIter: distribution must be 'normal' or 'uniform', got {distribution!r}", InputError)
        self.shape = tuple(shape)  # type: ignore[arg-type]
        super().__init__(self.shape[0])
        self.distribution, self._ctx, self._dtype = distribution, ctx, to_torch_dtype(dtype)
        self.provide_data, self.provide_label = [DataDesc(name, self.shape, dtype)], []

    def iter_next(self) -> bool:
        """There is always another batch."""
        return True

    def getdata(self) -> list[NDArray]:
        """New noise."""
        ctx = self._ctx or current_context()
        noise = torch.empty(self.shape, dtype=self._dtype, device=ctx.device)
        return [NDArray(noise.normal_() if self.distribution == "normal" else noise.uniform_(-1, 1), ctx)]

    def getpad(self) -> int:
        """No sample is a filler."""
        return 0
