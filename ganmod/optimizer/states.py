"""The content of a ``.states`` file: trees of plain values and arrays, as :mod:`..ndarray.trees` writes them.

Beside those, ``{"scheduler": [class, settings]}`` stands for a learning rate scheduler. There are no pickles; those
that MXNet wrote are, and :mod:`.legacy_states` reads them without running them.
"""
from __future__ import annotations

from functools import partial
from typing import Any, Optional

from .. import lr_scheduler
from ..base import FileFormatError
from ..ndarray import NDArray, trees
from . import legacy_states
from .optimizer import Index, Optimizer

__all__ = ["dump", "load"]

_MAGIC = b"ganmod optimizer states 1\n"
_COUNTS = ("num_update", "_all_index_update_counts")
_LEFT_OUT = {"param_dict", "_index_update_count", "_memory"}


def dump(states: dict[Index, Any], optimizer: Optimizer, with_optimizer: bool) -> bytes:
    """States and update counts, and the optimizer's settings if asked for, as bytes."""
    arrays: list[NDArray] = []
    counts = {name: getattr(optimizer, name) for name in _COUNTS}
    header = {"states": _pack(states, arrays, "the states"), "counts": _pack(counts, arrays, "the update counts")}
    if with_optimizer:
        settings = {k: v for k, v in vars(optimizer).items() if k not in _LEFT_OUT}
        header["optimizer"] = [type(optimizer).__name__.lower(), _pack(settings, arrays, type(optimizer).__name__)]
    return trees.join(_MAGIC, header, arrays)


def load(content: bytes, optimizer: Optimizer) -> tuple[dict[Index, Any], Optimizer]:
    """The states, and the optimizer with the counts (and settings) of the file."""
    content = bytes(content)
    if legacy_states.is_pickle(content):
        return legacy_states.load(content, optimizer)
    header, arrays = trees.split(_MAGIC, content, "optimizer states")
    try:
        states = _unpack(header["states"], arrays, optimizer)
        counts = _unpack(header["counts"], arrays, optimizer)
        settings = None
        if "optimizer" in header:
            name, tree = header["optimizer"]
            optimizer = _made(name, optimizer)
            settings = _unpack(tree, arrays, optimizer)
        if not isinstance(states, dict) or set(counts) != set(_COUNTS):
            raise ValueError("states and counts are not what they should be")
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(f"optimizer states: the header is damaged ({error})") from error
    vars(optimizer).update({**(settings or {}), **counts})
    optimizer._all_index_update_counts.setdefault(0, {})
    optimizer._set_current_context(0)
    return states, optimizer


def _made(name: str, present: Optimizer) -> Optimizer:
    """The present optimizer if it is of that class, else a new one of it."""
    if type(present).__name__.lower() == name:
        return present
    if name not in Optimizer.opt_registry:
        raise FileFormatError(f"optimizer states: they were written by the optimizer {name!r}, which is not "
                              "registered; register it with mx.optimizer.register before")
    made = Optimizer.opt_registry[name]
    return made.__new__(made)


# --- schedulers in trees -----------------------------------------------------------------------------------------

def _pack(value: Any, arrays: list[NDArray], where: str) -> Any:
    return trees.pack(value, arrays, f"get_states(): {where}", _encode)


def _encode(value: Any) -> Optional[tuple[str, Any]]:
    known = isinstance(value, lr_scheduler.LRScheduler)
    return ("scheduler", [type(value).__name__, vars(value)]) if known else None


def _unpack(tree: Any, arrays: list[NDArray], optimizer: Optimizer) -> Any:
    return trees.unpack(tree, arrays, partial(_decode, optimizer))


def _decode(optimizer: Optimizer, kind: str, content: Any) -> lr_scheduler.LRScheduler:
    if kind != "scheduler":
        raise ValueError(f"{kind!r} is unknown")
    name, settings = content
    scheduler = _scheduler(name, optimizer)
    vars(scheduler).update(settings)
    return scheduler


def _scheduler(name: str, optimizer: Optimizer) -> lr_scheduler.LRScheduler:
    """The optimizer's present scheduler if it is of that class, else a new one of ours."""
    present = getattr(optimizer, "lr_scheduler", None)
    if type(present).__name__ == name:
        return present  # type: ignore[return-value]
    if name not in lr_scheduler.__all__:
        raise FileFormatError(f"optimizer states: they were written with the scheduler {name!r}, which is not one of "
                              "ours; give the optimizer a scheduler of that class before")
    made = getattr(lr_scheduler, name)
    return made.__new__(made)
