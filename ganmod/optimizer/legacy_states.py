"""``.states`` files that MXNet's Python wrote: pickles, read without executing anything in them."""
from __future__ import annotations

from typing import Any

from .. import lr_scheduler
from ..base import FileFormatError
from ..ndarray import files as arrays_files
from .optimizer import Index, Optimizer
from .pickles import Instance, NumpyArray, SavedArray, read

__all__ = ["load", "is_pickle"]

_OWN = {"param_dict", "_index_update_count", "aggregate_num"}          # not taken from the file


def is_pickle(content: bytes) -> bool:
    """Whether it begins as pickles do: with a protocol number, old ones with a bracket or a name."""
    return content[:1] in (b"\x80", b"(", b"}", b"c")


def load(content: bytes, optimizer: Optimizer) -> tuple[dict[Index, Any], Optimizer]:
    """The states in MXNet's file, and the optimizer, with the settings of the file if it holds any.

    Raises
    ------
    FileFormatError
        If it is damaged, or names a class that is none of MXNet's optimizers, schedulers and arrays.
    """
    tree = read(content)
    saved = None
    if isinstance(tree, tuple) and len(tree) == 2:
        tree, saved = tree
    if not isinstance(tree, dict) or not (saved is None or isinstance(saved, Instance)):
        raise FileFormatError("optimizer states: the pickle holds no dict of states")
    budget = [2 * len(content) + 1000]                         # a small file can name one value very often
    try:
        states = {key: _plain(state, budget) for key, state in tree.items()}
        if saved is not None:
            optimizer = _restored(saved, optimizer, budget)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(f"optimizer states: the pickle is damaged ({error})") from error
    return states, optimizer


def _plain(value: Any, budget: list[int]) -> Any:
    """A value of the pickle with our arrays and schedulers for MXNet's."""
    budget[0] -= 1
    if budget[0] < 0:
        raise FileFormatError("optimizer states: the pickle unfolds to far more than its size; it was refused")
    if isinstance(value, SavedArray):
        budget[0] -= len(value.content or b"")             # as large as the array will be
        return _array(value)
    if isinstance(value, NumpyArray):
        if value.array is None:
            raise ValueError("a numpy array has no values")
        budget[0] -= value.array.nbytes
        return value.array.copy()
    if isinstance(value, Instance):
        return _scheduler(value, budget)
    if isinstance(value, dict):
        return {key: _plain(v, budget) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(v, budget) for v in value)
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return value
    raise ValueError(f"a {type(value).__name__} stands where a value should be")


def _array(saved: SavedArray) -> Any:
    return None if saved.content is None else arrays_files.array_from_bytes(saved.content)


def _scheduler(saved: Instance, budget: list[int]) -> lr_scheduler.LRScheduler:
    if saved.module != "mxnet.lr_scheduler" or saved.name not in lr_scheduler.__all__:
        raise FileFormatError(f"optimizer states: {saved.module}.{saved.name} is no scheduler of ours")
    made = getattr(lr_scheduler, saved.name)
    scheduler = made.__new__(made)
    vars(scheduler).update(_plain(saved.attributes, budget))
    return scheduler


def _restored(saved: Instance, present: Optimizer, budget: list[int]) -> Optimizer:
    """The present optimizer if it is of the file's class, else a new one, with the settings in the file."""
    name = saved.name.lower()
    if not saved.module.startswith("mxnet.optimizer") or name not in Optimizer.opt_registry:
        raise FileFormatError(f"optimizer states: {saved.module}.{saved.name} is no optimizer of ours; register one of "
                              "that name with mx.optimizer.register before")
    optimizer = present if type(present).__name__.lower() == name else Optimizer.opt_registry[name]()
    settings = _plain(saved.attributes, budget)
    known = vars(optimizer)
    known.update({key: value for key, value in settings.items() if key in known and key not in _OWN})
    optimizer._all_index_update_counts.setdefault(0, {})
    optimizer._set_current_context(0)
    return optimizer
