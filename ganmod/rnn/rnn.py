"""Checkpoints of recurrent networks, in which the weights of cells are divided by gate."""
from __future__ import annotations

import warnings
from typing import Any, Callable, Optional, Sequence, Union

from ..model import load_checkpoint, save_checkpoint
from ..symbol import Symbol
from .base import Arrays, BaseRNNCell, States, Steps

__all__ = ["rnn_unroll", "save_rnn_checkpoint", "load_rnn_checkpoint", "do_rnn_checkpoint"]

Cells = Union[BaseRNNCell, Sequence[BaseRNNCell]]


def _listed(cells: Cells) -> list[BaseRNNCell]:
    return [cells] if isinstance(cells, BaseRNNCell) else list(cells)


def rnn_unroll(cell: BaseRNNCell, length: int, inputs: Optional[Steps] = None, begin_state: Optional[States] = None,
               input_prefix: str = "", layout: str = "NTC") -> tuple[Steps, States]:
    """Deprecated: ``cell.unroll(...)``."""
    warnings.warn("rnn_unroll is deprecated. Please call cell.unroll directly.", stacklevel=2)
    return cell.unroll(length, inputs=inputs, begin_state=begin_state, layout=layout)  # type: ignore[arg-type]


def save_rnn_checkpoint(cells: Cells, prefix: str, epoch: int, symbol: Symbol, arg_params: Arrays,
                        aux_params: Arrays) -> None:
    """As :func:`ganmod.model.save_checkpoint`, with the cells' weights unpacked, so that fused and plain cells can
    read one another's files.

    Parameters
    ----------
    cells : BaseRNNCell or list of BaseRNNCell
        The cells of the network.
    prefix, epoch, symbol, arg_params, aux_params
        As in :func:`ganmod.model.save_checkpoint`.
    """
    for cell in _listed(cells):
        arg_params = cell.unpack_weights(arg_params)
    save_checkpoint(prefix, epoch, symbol, arg_params, aux_params)


def load_rnn_checkpoint(cells: Cells, prefix: str, epoch: int) -> tuple[Symbol, Arrays, Arrays]:
    """(symbol, arg_params, aux_params) of what :func:`save_rnn_checkpoint` wrote, the cells' weights packed."""
    symbol, arg_params, aux_params = load_checkpoint(prefix, epoch)
    for cell in _listed(cells):
        arg_params = cell.pack_weights(arg_params)
    return symbol, arg_params, aux_params


def do_rnn_checkpoint(cells: Cells, prefix: str, period: int = 1) -> Callable[..., None]:
    """A callback for the end of an epoch that calls :func:`save_rnn_checkpoint`.

    Parameters
    ----------
    cells, prefix
        As in :func:`save_rnn_checkpoint`.
    period : int
        Epochs between checkpoints.
    """
    period = int(max(1, period))

    def _callback(iter_no: int, sym: Any = None, arg: Optional[Arrays] = None, aux: Optional[Arrays] = None) -> None:
        if (iter_no + 1) % period == 0:
            save_rnn_checkpoint(cells, prefix, iter_no + 1, sym, arg or {}, aux or {})

    return _callback
