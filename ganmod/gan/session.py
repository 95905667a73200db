"""``Session``: a training run that survives: checkpoints of all that decides how it goes on."""
from __future__ import annotations

import os
import pathlib
import random
import re
import shutil
import tempfile
from typing import Any, NamedTuple, Optional, Union

import numpy as np
import torch

from ..base import FileFormatError, InputError, StateError, require
from ..executor import kernels
from ..files import write_atomically
from ..model import load_params
from ..module import Module
from ..ndarray import NDArray, trees
from .averaging import MovingAverage

__all__ = ["Session", "Restored"]

_MAGIC = b"ganmod session 1\n"
_NAME = re.compile(r"step-(\d{8,})-(\d+)")


class Restored(NamedTuple):
    """What a checkpoint says: the step it was saved at, and the values that were saved with it."""

    step: int
    values: dict[str, Any]


class Session:
    """Checkpoints of modules, their optimizers, moving averages, iterators and random numbers, in a folder.

    They keep the timings of kernels too, on which it depends how results are rounded.

    A run that is killed and restored gives the same parameters as one that is not, to the bit on a CPU. A checkpoint is
    a folder ``step-<number>-<serial>`` that appears as a whole, with MXNet's files for each module, the optimizers'
    states and a file for the rest; whatever else is in the folder does not count.

    Parameters
    ----------
    folder : path
        Where the checkpoints are; made if it does not exist.
    keep : int
        How many to keep; older ones are deleted once a new one is whole.
    **parts : Module, MovingAverage, or an object with state_dict() and load_state_dict()
        What belongs to the run, by names for the files. Modules are bound, and have parameters, before a checkpoint is
        saved or restored; NDArrayIter and the iterators over records have states, and so have torch's stateful loaders.

    Raises
    ------
    InputError
        For a part of another kind, or a name that is no file name.

    >>> import tempfile
    >>> import ganmod as mx
    >>> net = mx.mod.Module(mx.sym.FullyConnected(mx.sym.Variable('x'), num_hidden=1, name='fc'), ['x'], None)
    >>> net.bind([('x', (2, 3))])
    >>> net.init_params(mx.init.One())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     session = Session(folder, critic=net)
    ...     session.restore() is None, session.save(7, losses=[0.5]).name, session.restore()
    (True, 'step-00000007-0', Restored(step=7, values={'losses': [0.5]}))
    """

    def __init__(self, folder: Union[str, "os.PathLike[str]"], keep: int = 2, **parts: Any) -> None:
        require(isinstance(keep, int) and keep > 0, f"Session: keep must be a positive int, got {keep!r}", InputError)
        for name, part in parts.items():
            known = isinstance(part, (Module, MovingAverage)) or hasattr(part, "state_dict") and \
                hasattr(part, "load_state_dict")
            require(known, f"Session: {name} is a {type(part).__name__}; expected a Module, a MovingAverage, or an "
                           "object with state_dict() and load_state_dict()", InputError)
        self.folder, self.keep, self._parts = pathlib.Path(folder), keep, parts
        self.folder.mkdir(parents=True, exist_ok=True)

    # --- what there is ---------------------------------------------------------------------------------------------

    def checkpoints(self) -> list[pathlib.Path]:
        """The folders of the checkpoints, the latest last."""
        found = [(tuple(map(int, match.groups())), path) for path in self.folder.iterdir()
                 if (match := _NAME.fullmatch(path.name))]
        return [path for _, path in sorted(found)]

    # --- saving ----------------------------------------------------------------------------------------------------

    def save(self, step: int, **values: Any) -> pathlib.Path:
        """Write a checkpoint; returns its folder.

        Parameters
        ----------
        step : int
            How far the run has come, 0 or more.
        **values
            What else to remember: None, numbers, strings, arrays, and lists, tuples and dicts of them.

        Raises
        ------
        InputError
            For values that cannot be written; nothing is left behind.
        """
        require(isinstance(step, (int, np.integer)) and step >= 0, f"Session.save(): step must be 0 or more, "
                f"got {step!r}", InputError)
        temporary = pathlib.Path(tempfile.mkdtemp(prefix=".saving-", dir=self.folder))
        try:
            states = {name: self._write_part(temporary, name, part) for name, part in self._parts.items()}
            arrays: list[NDArray] = []
            tree = trees.pack({"step": int(step), "values": values, "states": states, "random": _random_states(),
                               "timings": kernels.timings()}, arrays, "the session")
            write_atomically(temporary / "session", trees.join(_MAGIC, tree, arrays))
            target = self._free_name(int(step))
            os.rename(temporary, target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        self._clean(target)
        return target

    @staticmethod
    def _write_part(folder: pathlib.Path, name: str, part: Any) -> Any:
        """Write a module's files; give the state of anything else, or what contexts have beyond the files' means."""
        if isinstance(part, MovingAverage):
            part = part.module
        if not isinstance(part, Module):
            return part.state_dict()
        part.save_checkpoint(str(folder / name), 0, save_optimizer_states=part.optimizer_initialized)
        group = part._exec_group
        return None if len(group.execs) == 1 else {
            "contexts": len(group.execs), "parameters": [arrays[0] for arrays in group.param_arrays],
            "states": group.aux_arrays}

    def _free_name(self, step: int) -> pathlib.Path:
        serial = 0
        while (path := self.folder / f"step-{step:08d}-{serial}").exists():
            serial += 1
        return path

    def _clean(self, newest: pathlib.Path) -> None:
        """Delete what is too old, and what killed runs left unfinished."""
        others = [path for path in self.checkpoints() if path != newest]
        outdated = others[:len(others) + 1 - self.keep] if self.keep > 1 else others
        for k, path in enumerate([*outdated, *self.folder.glob(".saving-*"), *self.folder.glob(".old-*")]):
            hidden = path.with_name(f".old-{os.getpid()}-{k}-{path.name.lstrip('.')}"[:200])
            os.rename(path, hidden)                        # half deleted, it must not look whole
            shutil.rmtree(hidden, ignore_errors=True)

    # --- restoring -------------------------------------------------------------------------------------------------

    def restore(self) -> Optional[Restored]:
        """Go back to the latest checkpoint; None if there is none yet.

        Raises
        ------
        FileFormatError
            If its files are damaged, or of other parts than this session's.
        StateError
            For a module that is not bound.
        """
        found = self.checkpoints()
        if not found:
            return None
        path = found[-1] / "session"
        header, arrays = trees.split(_MAGIC, path.read_bytes(), str(path))
        try:
            content = trees.unpack(header, arrays)
            step, values, states, generators = (content[k] for k in ("step", "values", "states", "random"))
            timings = {str(task): {str(way): float(seconds) for way, seconds in times.items()}
                       for task, times in content.get("timings", {}).items()}      # earlier versions kept none
            if set(states) != set(self._parts):
                raise ValueError(f"it is of {', '.join(sorted(states))}, the session of "
                                 f"{', '.join(sorted(self._parts))}")
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise FileFormatError(f"{path}: the checkpoint cannot be restored: {error}") from error
        for name, part in self._parts.items():
            self._read_part(found[-1], name, part, states[name])
        _set_random_states(generators)
        kernels.set_timings(timings)
        return Restored(step, values)

    @staticmethod
    def _read_part(folder: pathlib.Path, name: str, part: Any, state: Any) -> None:
        if isinstance(part, MovingAverage):
            part = part.module
        if not isinstance(part, Module):
            part.load_state_dict(state)
            return
        require(part.binded, f"Session.restore(): the module {name!r} needs bind() first", StateError)
        part.set_params(*load_params(str(folder / name), 0))
        if state is not None and state["contexts"] == len(part._exec_group.execs):
            _set_arrays(part, state)
        if part.optimizer_initialized:
            part.load_optimizer_states(str(folder / f"{name}-0000.states"))
            part.refresh_store()


def _set_arrays(module: Module, state: dict[str, Any]) -> None:
    """Give every context the parameters, which are the same for all, and the statistics, which each has of its own."""
    group = module._exec_group
    for arrays, value in zip(group.param_arrays, state["parameters"]):
        for array in arrays:
            value.copyto(array)
    for arrays, values in zip(group.aux_arrays, state["states"]):
        for array, value in zip(arrays, values):
            value.copyto(array)


def _random_states() -> dict[str, Any]:
    """The states of Python's, numpy's and torch's generators."""
    kind, words, *rest = np.random.get_state()
    return {"python": random.getstate(), "numpy": (kind, words, *rest), "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []}


def _set_random_states(states: dict[str, Any]) -> None:
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
