"""``mx.util``: what programs use of it, and sentences in place of MXNet's NumPy mode."""
from __future__ import annotations

import os
from typing import Any, Callable, NoReturn, Optional

import torch

from .base import MXNetError
from .context import Context, gpu_memory_info, num_gpus

__all__ = ["get_gpu_count", "get_gpu_memory", "getenv", "is_np_array", "is_np_shape", "makedirs", "np_array",
           "np_shape", "reset_np", "set_np", "set_np_shape", "setenv", "use_np", "use_np_array", "use_np_shape"]


def makedirs(d: str) -> None:
    """Make a folder and those above it, unless they exist.

    >>> makedirs("/tmp")
    """
    os.makedirs(os.path.expanduser(d), exist_ok=True)


def get_gpu_count() -> int:
    """How many GPUs there are."""
    return num_gpus()


def get_gpu_memory(gpu_dev_id: int) -> tuple[int, int]:
    """The free and the total memory of a GPU, in bytes.

    Raises
    ------
    MXNetError
        If there is no such GPU.
    """
    return gpu_memory_info(gpu_dev_id)


def get_cuda_compute_capability(ctx: Context) -> Optional[int]:
    """The compute capability of a GPU as a number of two digits, ``None`` for another context."""
    if ctx.device_type != "gpu":
        return None
    major, minor = torch.cuda.get_device_capability(ctx.device)
    return major * 10 + minor


def getenv(name: str) -> Optional[str]:
    """The value of an environment variable, None if it is not set."""
    return os.environ.get(name)


def setenv(name: str, value: Optional[str]) -> None:
    """Set an environment variable of this process; None removes it."""
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def is_np_array() -> bool:
    """Whether arrays are those of ``mx.np``: never here."""
    return False


def is_np_shape() -> bool:
    """Whether shapes are NumPy's, with sizes of 0 and no sizes at all: never here."""
    return False


def _refuse(what: str) -> NoReturn:
    raise MXNetError(f"{what}(): ganmod has no NumPy interface; use mx.nd, numpy or torch")


def use_np(func: Callable[..., Any]) -> Callable[..., Any]:
    """Raise: there is no NumPy mode."""
    _refuse("use_np")


def use_np_array(func: Callable[..., Any]) -> Callable[..., Any]:
    """Raise: there is no NumPy mode."""
    _refuse("use_np_array")


def use_np_shape(func: Callable[..., Any]) -> Callable[..., Any]:
    """Raise: there is no NumPy mode."""
    _refuse("use_np_shape")


def set_np(shape: bool = True, array: bool = True) -> None:
    """Raise: there is no NumPy mode; ``set_np(False, False)`` passes."""
    if shape or array:
        _refuse("set_np")


def set_np_shape(active: bool) -> bool:
    """Raise unless `active` is false; returns what it was, False."""
    return _refuse("set_np_shape") if active else False


def np_array(active: bool = True) -> None:
    """Raise: there is no NumPy mode."""
    _refuse("np_array")


def np_shape(active: bool = True) -> None:
    """Raise: there is no NumPy mode."""
    _refuse("np_shape")


def reset_np() -> None:
    """Leave the NumPy mode, in which ganmod never is."""
