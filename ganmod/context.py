"""Contexts: where an array lives. ``cpu(i)`` and ``gpu(i)`` map onto ``torch.device`` in one function."""
from __future__ import annotations

import threading
from typing import Any, ClassVar

import torch

from .base import MXNetError

__all__ = ["Context", "cpu", "gpu", "cpu_pinned", "current_context", "num_gpus", "gpu_memory_info"]

_DEVICE_TYPES = {1: "cpu", 2: "gpu", 3: "cpu_pinned", 5: "cpu_shared"}
_DEVICE_IDS = {name: number for number, name in _DEVICE_TYPES.items()}
_scopes = threading.local()


class Context:
    """A device: ``Context('gpu', 1)`` or ``Context(other)``. Usable as a ``with`` block that sets the default.

    Parameters
    ----------
    device_type : str or Context
        ``'cpu'``, ``'gpu'``, ``'cpu_pinned'`` or ``'cpu_shared'``.
    device_id : int
        Index among the devices of that type. Several CPU contexts share one processor and behave like several devices.

    >>> with Context('cpu', 1):
    ...     current_context()
    cpu(1)
    """

    devtype2str: ClassVar[dict[int, str]] = _DEVICE_TYPES
    devstr2type: ClassVar[dict[str, int]] = _DEVICE_IDS

    def __init__(self, device_type: "str | Context", device_id: int = 0) -> None:
        kind, number = (device_type.device_type, device_type.device_id) if isinstance(device_type, Context) \
            else (device_type, device_id)
        if kind not in _DEVICE_IDS:
            raise MXNetError(f"unknown device type {kind!r}; expected one of {', '.join(_DEVICE_IDS)}")
        self.device_type: str = kind
        self.device_id: int = int(number)

    @property
    def device_typeid(self) -> int:
        """The number that files use for the device type."""
        return _DEVICE_IDS[self.device_type]

    @property
    def device(self) -> torch.device:
        """The ``torch.device`` behind this context.

        Raises
        ------
        MXNetError
            For a GPU that is not there.
        """
        if self.device_type != "gpu":
            return torch.device("cpu")
        if self.device_id >= num_gpus():
            found = f"{num_gpus()} CUDA device(s)" if num_gpus() else "no CUDA device"
            raise MXNetError(f"{self} was asked for, but torch sees {found}; use mx.cpu(), "
                             "or install a torch build with CUDA and check the driver")
        return torch.device("cuda", self.device_id)

    def empty_cache(self) -> None:
        """Give cached, unused GPU memory back to the driver; nothing to do on a CPU."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def __eq__(self, other: Any) -> bool:
        return (isinstance(other, Context)
                and (self.device_type, self.device_id) == (other.device_type, other.device_id))

    def __hash__(self) -> int:
        return hash((self.device_type, self.device_id))

    def __repr__(self) -> str:
        return f"{self.device_type}({self.device_id})"

    def __enter__(self) -> "Context":
        _stack().append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _stack().pop()


def _stack() -> list[Context]:
    if not hasattr(_scopes, "stack"):
        _scopes.stack = []
    return _scopes.stack


def cpu(device_id: int = 0) -> Context:
    """The CPU as a context; several ids behave like several devices.

    >>> cpu(0) == cpu() != cpu(1)
    True
    """
    return Context("cpu", device_id)


def gpu(device_id: int = 0) -> Context:
    """A CUDA device as a context. Whether it is there is checked where it is first used."""
    return Context("gpu", device_id)


def cpu_pinned(device_id: int = 0) -> Context:
    """The CPU's memory as a source of copies to a GPU."""
    return Context("cpu_pinned", device_id)


def current_context() -> Context:
    """The context of the innermost ``with`` block, ``cpu(0)`` outside any."""
    return _stack()[-1] if _stack() else Context("cpu", 0)


def num_gpus() -> int:
    """How many CUDA devices torch sees."""
    return torch.cuda.device_count()


def gpu_memory_info(device_id: int = 0) -> tuple[int, int]:
    """(free, total) memory of a GPU in bytes."""
    return torch.cuda.mem_get_info(gpu(device_id).device)
