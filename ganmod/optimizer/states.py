"""The content of a ``.states`` file: a header in JSON, then arrays in MXNet's ``.params`` layout. No pickles.

Those that MXNet wrote are pickles; :mod:`.legacy_states` reads them without running them.

The file is ``ganmod optimizer states 1\\n``, the length of the header as a little-endian uint64, the header, the
arrays. The header holds trees of plain values, in which ``{"tuple": [...]}``, ``{"dict": [[key, value], ...]}``,
``{"array": number}`` and ``{"scheduler": [class, settings]}`` stand for what JSON lacks.
"""
from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from .. import lr_scheduler
from ..base import FileFormatError, InputError
from ..ndarray import NDArray
from ..ndarray import files as arrays_files
from . import legacy_states
from .optimizer import Index, Optimizer

__all__ = ["dump", "load"]

_MAGIC = b"ganmod optimizer states 1\n"
_COUNTS = ("num_update", "_all_index_update_counts")
_LEFT_OUT = {"param_dict", "_index_update_count", "_memory"}


def dump(states: dict[Index, Any], optimizer: Optimizer, with_optimizer: bool) -> bytes:
    """States and update counts, and the optimizer's settings if asked for, as bytes."""
    arrays: list[NDArray] = []
    header = {"states": _pack(states, arrays, "the states"),
              "counts": _pack({name: getattr(optimizer, name) for name in _COUNTS}, arrays, "the update counts")}
    if with_optimizer:
        settings = {k: v for k, v in vars(optimizer).items() if k not in _LEFT_OUT}
        header["optimizer"] = [type(optimizer).__name__.lower(), _pack(settings, arrays, type(optimizer).__name__)]
    text = json.dumps(header).encode()
    return b"".join([_MAGIC, struct.pack("<Q", len(text)), text, arrays_files.to_bytes(arrays)])


def load(content: bytes, optimizer: Optimizer) -> tuple[dict[Index, Any], Optimizer]:
    """The states, and the optimizer with the counts (and settings) of the file."""
    content = bytes(content)
    if legacy_states.is_pickle(content):
        return legacy_states.load(content, optimizer)
    header, arrays = _parts(content)
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


def _parts(content: bytes) -> tuple[dict[str, Any], list[NDArray]]:
    if not content.startswith(_MAGIC):
        raise FileFormatError("optimizer states: this is nothing that get_states() writes")
    start = len(_MAGIC) + 8
    try:
        length, = struct.unpack_from("<Q", content, len(_MAGIC))
        if start + length > len(content):
            raise ValueError("it is truncated")
        header = json.loads(content[start:start + length])
    except (struct.error, ValueError) as error:
        raise FileFormatError(f"optimizer states: the header cannot be read ({error})") from error
    arrays = arrays_files.load_frombuffer(content[start + length:])
    if not isinstance(header, dict) or not isinstance(arrays, list):
        raise FileFormatError("optimizer states: the header is damaged")
    return header, arrays


def _made(name: str, present: Optimizer) -> Optimizer:
    """The present optimizer if it is of that class, else a new one of it."""
    if type(present).__name__.lower() == name:
        return present
    if name not in Optimizer.opt_registry:
        raise FileFormatError(f"optimizer states: they were written by the optimizer {name!r}, which is not "
                              "registered; register it with mx.optimizer.register before")
    made = Optimizer.opt_registry[name]
    return made.__new__(made)


# --- trees of plain values ---------------------------------------------------------------------------------------

def _pack(value: Any, arrays: list[NDArray], where: str) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, NDArray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, list):
        return [_pack(v, arrays, where) for v in value]
    if isinstance(value, tuple):
        return {"tuple": [_pack(v, arrays, where) for v in value]}
    if isinstance(value, dict):
        return {"dict": [[_pack(k, arrays, where), _pack(v, arrays, where)] for k, v in value.items()]}
    if isinstance(value, lr_scheduler.LRScheduler):
        return {"scheduler": [type(value).__name__, _pack(vars(value), arrays, where)]}
    raise InputError(f"get_states(): {where} hold(s) {value!r:.80}, which cannot be written; what can are None, "
                     "numbers, strings, NDArrays, learning rate schedulers, and lists, tuples and dicts of them")


def _unpack(tree: Any, arrays: list[NDArray], optimizer: Optimizer) -> Any:
    if isinstance(tree, list):
        return [_unpack(t, arrays, optimizer) for t in tree]
    if not isinstance(tree, dict):
        return tree
    (kind, content), = tree.items()
    if kind == "array":
        return arrays[content]
    if kind == "tuple":
        return tuple(_unpack(t, arrays, optimizer) for t in content)
    if kind == "dict":
        return {_unpack(k, arrays, optimizer): _unpack(v, arrays, optimizer) for k, v in content}
    if kind == "scheduler":
        name, settings = content
        scheduler = _scheduler(name, optimizer)
        vars(scheduler).update(_unpack(settings, arrays, optimizer))
        return scheduler
    raise ValueError(f"{kind!r} is unknown")


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
