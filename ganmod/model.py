"""Checkpoints: a network and its parameters as files. ``mx.model``."""
from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from . import ndarray as nd
from . import symbol as sym
from .base import FileFormatError
from .ndarray import NDArray

if TYPE_CHECKING:
    from .feedforward import FeedForward as FeedForward  # put here by the package: it is above module/

__all__ = ["BatchEndParam", "save_checkpoint", "load_checkpoint", "load_params", "read_params"]

Arrays = dict[str, NDArray]


class BatchEndParam(NamedTuple):
    """What callbacks at the end of a batch are given."""

    epoch: int
    nbatch: int
    eval_metric: Any
    locals: Optional[dict[str, Any]]


def save_checkpoint(prefix: str, epoch: int, symbol: Optional[sym.Symbol], arg_params: Arrays, aux_params: Arrays,
                    remove_amp_cast: bool = True) -> None:
    """Write ``prefix-symbol.json`` and ``prefix-0007.params`` (for epoch 7), in MXNet's formats; each in one step.

    Parameters
    ----------
    prefix : str
        Path and beginning of the names of the files.
    epoch : int
        Number of the epoch.
    symbol : Symbol or None
        The network; None writes no JSON.
    arg_params, aux_params : dict of str to NDArray
        Parameters and auxiliary states by name.
    remove_amp_cast : bool
        As in :meth:`Symbol.save`.

    >>> import os, tempfile
    >>> import ganmod as mx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_checkpoint(folder + "/net", 7, None, {"fc_weight": mx.nd.ones((2,))}, {})
    ...     sorted(os.listdir(folder)), load_params(folder + "/net", 7)[0]["fc_weight"].shape
    (['net-0007.params'], (2,))
    """
    if symbol is not None:
        symbol.save(f"{prefix}-symbol.json", remove_amp_cast=remove_amp_cast)
    arrays = {f"{kind}:{name}": array for kind, arrays in (("arg", arg_params), ("aux", aux_params))
              for name, array in arrays.items()}
    nd.save(_params_file(prefix, epoch), arrays)
    logging.info('Saved checkpoint to "%s"', _params_file(prefix, epoch))


def load_params(prefix: str, epoch: int) -> tuple[Arrays, Arrays]:
    """(arg_params, aux_params) of ``prefix-0007.params``; see :func:`read_params`."""
    return read_params(_params_file(prefix, epoch))


def read_params(path: str) -> tuple[Arrays, Arrays]:
    """(arg_params, aux_params) of a ``.params`` file.

    Raises
    ------
    FileFormatError
        If the file is damaged or foreign, or holds arrays that are neither parameters nor auxiliary states.
    """
    loaded = nd.load(path)
    if not isinstance(loaded, dict):
        if loaded:
            raise FileFormatError(f"{path}: the arrays have no names; expected names that begin with arg: or aux:")
        loaded = {}
    params: dict[str, Arrays] = {"arg": {}, "aux": {}}
    for key, array in loaded.items():
        kind, _, name = key.partition(":")
        if kind not in params or not name:
            raise FileFormatError(f"{path}: the array {key!r} is neither arg:… nor aux:…; "
                                  "load other files with mx.nd.load")
        params[kind][name] = array
    return params["arg"], params["aux"]


def load_checkpoint(prefix: str, epoch: int) -> tuple[sym.Symbol, Arrays, Arrays]:
    """(symbol, arg_params, aux_params) of what :func:`save_checkpoint` wrote, here or in MXNet."""
    return (sym.load(f"{prefix}-symbol.json"), *load_params(prefix, epoch))


def _params_file(prefix: str, epoch: int) -> str:
    return f"{prefix}-{epoch:04d}.params"
