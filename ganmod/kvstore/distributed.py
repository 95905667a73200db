"""``DistributedKVStore``: the store of several processes, on ``torch.distributed``."""
from __future__ import annotations

from typing import Callable, Iterator, Sequence

import torch
from torch import Tensor

from ..ndarray.ndarray import NDArray
from .compression import HALVES, pack, unpack
from .local import Key, KVStore
from .workers import workers

__all__ = ["DistributedKVStore", "DIST_TYPES"]

DIST_TYPES = ("dist", "dist_sync", "dist_device_sync", "dist_sync_device", "dist_async", "dist_device_async",
              "dist_async_device")
_FLAT_BYTES = 64 << 20             # gradients are put together up to this size, and sent at once


class DistributedKVStore(KVStore):
    """A store whose values are the same on every worker: what the workers push is summed, and each updates its copy.

    The workers are processes started by ``torchrun`` (``RANK``, ``WORLD_SIZE``, ``MASTER_ADDR`` and ``MASTER_PORT`` in
    the environment), or whose program has called ``torch.distributed.init_process_group``. Arrays on the CPU go
    through gloo, those on GPUs through NCCL, one GPU for each worker: ``mx.gpu(int(os.environ["LOCAL_RANK"]))``.

    Every worker has to make the same calls with the same keys in the same order. ``init`` takes the value of worker 0.
    There are no servers: the optimizer runs on every worker, on equal gradients. For the same reason ``dist_async``
    is synchronous.

    Raises
    ------
    MXNetError
        From any call that needs the others, if one of them has died or ended; within a minute of that.
    """

    compressions = ("2bit", *HALVES)

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self._workers = workers(kind)

    @property
    def rank(self) -> int:
        """The number of this worker, from 0."""
        return self._workers.rank

    @property
    def num_workers(self) -> int:
        """How many workers share the store."""
        return self._workers.size

    def barrier(self) -> None:
        """Wait until every worker is here."""
        self._workers.barrier()

    def _agreed(self, arrays: list[NDArray]) -> list[NDArray]:
        self._in_flat_calls([array.as_torch() for array in arrays], self._workers.broadcast)
        return arrays

    def _reduced(self, keys: list[Key], totals: list[NDArray]) -> list[NDArray]:
        tensors = [total.as_torch() for total in totals]
        if self.num_workers == 1:
            pass
        elif self._two_bit is not None:
            for k, tensor in zip(keys, tensors):
                self._sum_signs(k, tensor)
        elif self._compression in HALVES:
            self._in_flat_calls(tensors, self._sum_halves)
        else:
            self._in_flat_calls(tensors, self._workers.all_reduce)
        return totals

    def _sum_halves(self, flat: Tensor) -> None:
        half = flat.to(HALVES[self._compression])  # type: ignore[index]
        self._workers.all_reduce(half)
        flat.copy_(half)

    def _sum_signs(self, key: Key, tensor: Tensor) -> None:
        """Replace a gradient by the sum of what all workers' quantised ones say; 2 bits an element travel."""
        assert self._two_bit is not None
        gathered = self._workers.all_gather(pack(self._two_bit.signs(key, tensor)))
        total = sum((unpack(part, tensor.numel()).to(tensor.dtype) for part in gathered),
                    start=torch.zeros(tensor.numel(), dtype=tensor.dtype, device=tensor.device))
        tensor.copy_((total * self._two_bit.threshold).reshape(tensor.shape))

    def _in_flat_calls(self, tensors: Sequence[Tensor], collective: Callable[[Tensor], None]) -> None:
        """Run a collective that works in place on all tensors, in as few calls as their types and sizes allow."""
        for group in _groups(tensors):
            if len(group) == 1 and group[0].is_contiguous():
                collective(group[0])
                continue
            flat = torch.cat([tensor.reshape(-1) for tensor in group])
            collective(flat)
            parts = flat.split([tensor.numel() for tensor in group])
            torch._foreach_copy_(group, [part.view_as(tensor) for part, tensor in zip(parts, group)])


def _groups(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Tensors that travel together: of one dtype and device, and not too many bytes."""
    kinds: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
    for tensor in tensors:
        kinds.setdefault((tensor.dtype, tensor.device), []).append(tensor)
    for members in kinds.values():
        group: list[Tensor] = []
        size = 0
        for tensor in members:
            if group and size + tensor.nbytes > _FLAT_BYTES:
                yield group
                group, size = [], 0
            group.append(tensor)
            size += tensor.nbytes
        yield group
