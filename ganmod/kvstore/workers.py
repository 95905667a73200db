"""The workers of a distributed run: their process group, and what happens when one of them is no more.

A worker whose process ends closes its connections, and gloo's collectives fail at once. A machine that is switched off
closes nothing; so each worker writes a sign of life into the group's store every few seconds, and reads the others'.
Waiting is not limited otherwise: a worker may take its time to write a checkpoint while the others wait.
"""
from __future__ import annotations

import atexit
import datetime
import logging
import os
import sys
import threading
import time
from typing import Any, Callable, Optional

import torch

from ..base import MXNetError

__all__ = ["Workers", "workers"]

BEAT = 3.0                         # seconds between signs of life
SILENCE = 40.0                     # seconds without one after which a worker counts as dead
_NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_present: list["Workers"] = []


def workers(kind: str) -> "Workers":
    """The workers of this run; the first call meets the others.

    Raises
    ------
    MXNetError
        If no ``torchrun`` started this process, or the others do not come.
    """
    if not _present:
        _present.append(Workers(kind))
    return _present[0]


class Workers:
    """This process's place among the workers, and collectives that end when one of the others is dead."""

    def __init__(self, kind: str) -> None:
        import torch.distributed as dist
        self._dist = dist
        self._own = not dist.is_initialized()
        if self._own:
            self._meet(kind)
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.failure: Optional[str] = None
        self._stop = threading.Event()
        self._heard = time.monotonic()
        self._store = dist.distributed_c10d._get_default_store().clone()  # type: ignore[attr-defined]
        self._store.set_timeout(datetime.timedelta(seconds=SILENCE / 2))
        self._store.set(_sign(self.rank), "0")
        atexit.register(self._leave)
        self.barrier()                                     # every worker's first sign is there
        if self.size > 1:
            threading.Thread(target=self._watch, name="ganmod-workers", daemon=True).start()

    def _meet(self, kind: str) -> None:
        missing = [name for name in _NEEDED if name not in os.environ]
        if missing:
            raise MXNetError(f"kvstore {kind!r} needs workers, and nothing started this process as one of them "
                             f"({', '.join(missing)} not in the environment); start the program by: torchrun "
                             "--nproc-per-node=N program.py")
        on_gpu = torch.cuda.is_available() and self._dist.is_nccl_available()
        if on_gpu:
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count())
        try:
            self._dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo")
        except (RuntimeError, ValueError) as error:
            raise MXNetError(f"kvstore {kind!r}: worker {os.environ['RANK']} of {os.environ['WORLD_SIZE']} did not "
                             f"meet the others at {os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}: {error}") \
                from error

    # --- collectives -------------------------------------------------------------------------------------------------

    def all_reduce(self, tensor: torch.Tensor) -> None:
        """Sum a tensor over the workers, in place."""
        self._run(lambda: self._dist.all_reduce(tensor, async_op=True), tensor)

    def broadcast(self, tensor: torch.Tensor) -> None:
        """Give every worker the tensor of worker 0, in place."""
        self._run(lambda: self._dist.broadcast(tensor, src=0, async_op=True), tensor)

    def all_gather(self, tensor: torch.Tensor) -> torch.Tensor:
        """The workers' tensors in the order of their ranks, of shape (workers, ...)."""
        parts = [torch.empty_like(tensor) for _ in range(self.size)]
        self._run(lambda: self._dist.all_gather(parts, tensor, async_op=True), tensor)
        return torch.stack(parts)

    def barrier(self) -> None:
        """Wait until every worker is here."""
        self.all_reduce(torch.zeros(1))

    def _run(self, start: Callable[[], Any], tensor: torch.Tensor) -> None:
        """Start a collective, and wait for it as long as the others live."""
        self._check()
        try:
            work = start()
            if not tensor.is_cuda:                         # NCCL's wait orders streams, and returns at once
                done = threading.Event()
                work.get_future().add_done_callback(lambda _: done.set())
                while not done.wait(1.0):
                    self._check()
            work.wait()
        except RuntimeError as error:
            if isinstance(error, MXNetError):
                raise
            self.failure = self.failure or f"another worker has died, or ended before its time ({_first(error)})"
            raise self._error() from error

    def _check(self) -> None:
        if self.failure is None and time.monotonic() - self._heard > SILENCE and self.size > 1 and not self.left():
            self.failure = f"the group's store has not answered for {SILENCE:.0f} s: its machine is gone"
        if self.failure is not None:
            raise self._error()

    def left(self) -> bool:
        """Whether this worker has ended its part."""
        return self._stop.is_set()

    def _error(self) -> MXNetError:
        return MXNetError(f"kvstore: worker {self.rank} of {self.size} cannot go on: {self.failure}. Checkpoints "
                          "written so far are whole; start all workers again from the last one")

    # --- signs of life -----------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Give signs of life and look for the others', until one is missing."""
        others = [rank for rank in range(self.size) if rank != self.rank]
        seen = {rank: ("", time.monotonic()) for rank in others}
        count = 0
        while not self._stop.wait(BEAT):
            count += 1
            try:
                self._store.set(_sign(self.rank), str(count))
                signs = [self._store.get(_sign(rank)).decode() for rank in others]
            except RuntimeError as error:
                self._fail(f"the group's store, on the machine of worker 0, is gone ({_first(error)})")
                return
            self._heard = now = time.monotonic()
            for rank, sign in zip(others, signs):
                if sign != seen[rank][0] or sign == "left":
                    seen[rank] = (sign, now)
                elif now - seen[rank][1] > SILENCE:
                    self._fail(f"worker {rank} has given no sign of life for {SILENCE:.0f} s: it is dead or stopped")
                    return

    def _fail(self, message: str) -> None:
        """Remember what happened, and free a GPU that waits for the dead worker."""
        if self._stop.is_set():
            return
        self.failure = self.failure or message
        if torch.cuda.is_available() and self._dist.is_initialized():
            self._dist.distributed_c10d._get_default_group().abort()

    def _leave(self) -> None:
        """At the end of the process: say good-bye, or end at once if a collective can never finish."""
        if self.failure is not None:
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(1)                                    # gloo's threads would be waited for
        self._stop.set()
        if self._own and self._dist.is_initialized():
            self._dist.destroy_process_group()


def _sign(rank: int) -> str:
    return f"ganmod/alive/{rank}"


def _first(error: Exception) -> str:
    """The first line of what torch says."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
