"""What a test runs in: the context, the GPUs, the environment."""
from __future__ import annotations

import contextlib
import os
from typing import Any, Iterator, Optional

import torch

from ..context import Context, _stack, current_context, num_gpus

_chosen: list[Context] = []        # what set_default_context() put below the scopes


def default_context() -> Context:
    """The context that arrays are made on."""
    return current_context()


def set_default_context(ctx: Context) -> None:
    """Make arrays on a context from here on, outside of ``with`` blocks of other contexts."""
    scopes = _stack()
    if _chosen and scopes and scopes[0] is _chosen[0]:
        scopes[0] = ctx
    else:
        scopes.insert(0, ctx)
    _chosen[:] = [ctx]


def list_gpus() -> range:
    """The numbers of the GPUs."""
    return range(num_gpus())


def get_cuda_compute_capability(ctx: Context) -> int:
    """A GPU's compute capability: 90 for 9.0.

    Raises
    ------
    ValueError
        For another context.
    """
    if ctx.device_type != "gpu":
        raise ValueError(f"Expecting a gpu context to get cuda compute capability, while received ctx {ctx}")
    major, minor = torch.cuda.get_device_capability(ctx.device_id)
    return 10 * major + minor


def is_op_runnable() -> bool:
    """Whether the tests' operators run on the present context: always."""
    return True


def getenv(name: str) -> Optional[str]:
    """An environment variable; None if it is not there."""
    return os.environ.get(name)


def setenv(name: str, value: Optional[str]) -> None:
    """Set an environment variable, or remove it if `value` is None."""
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


@contextlib.contextmanager
def environment(*args: Any) -> Iterator[None]:
    """Environment variables for the time of a ``with``: a name and a value, or a dict; None removes one.

    >>> with environment({"GANMOD_SAMPLE": "1"}):
    ...     print(getenv("GANMOD_SAMPLE"))
    1
    >>> getenv("GANMOD_SAMPLE") is None
    True
    """
    wanted = dict(args[0]) if len(args) == 1 else {args[0]: args[1]}
    before = {name: os.environ.get(name) for name in wanted}
    try:
        for name, value in wanted.items():
            setenv(name, value)
        yield
    finally:
        for name, value in before.items():
            setenv(name, value)


@contextlib.contextmanager
def discard_stderr() -> Iterator[None]:
    """Throw away what the process writes to its standard error, for the time of a ``with``."""
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
