"""``KVStore``: the store of one process."""
from __future__ import annotations

from typing import Any, Callable, Optional, Sequence, Union

import torch

from .. import optimizer as opt
from ..base import InputError, MXNetError, StateError
from ..files import write_atomically
from ..ndarray.ndarray import NDArray, array_of
from ..ops import storage
from ..optimizer.updater import read_states
from .base import KVStoreBase
from .compression import TwoBit, checked_parameters

__all__ = ["KVStore", "Key", "LOCAL_TYPES"]

Key = Union[int, str]
Keys = Union[Key, Sequence[Key]]
Values = Union[NDArray, Sequence[Any]]
LOCAL_TYPES = ("local", "local_update_cpu", "local_allreduce_cpu", "local_allreduce_device", "device", "nccl")


class KVStore(KVStoreBase):
    """Values by key. What is pushed from several devices is summed, and handed to the updater if there is one.

    A store uses integers as keys or strings, not both.

    >>> import ganmod as mx
    >>> kv = mx.kv.create('local')
    >>> kv.init(3, mx.nd.ones((2,)))
    >>> kv.push(3, [mx.nd.ones((2,)), mx.nd.ones((2,))])
    >>> a = mx.nd.zeros((2,))
    >>> kv.pull(3, out=a)
    >>> a.asnumpy().tolist()
    [2.0, 2.0]
    """

    compressions: tuple[str, ...] = ("2bit",)

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._values: dict[Key, NDArray] = {}
        self._key_type: Optional[type] = None
        self._updater: Optional[Callable[[Any, Any, Any], None]] = None
        self._compression: Optional[str] = None
        self._two_bit: Optional[TwoBit] = None

    # --- what it is --------------------------------------------------------------------------------------------------

    @property
    def type(self) -> str:
        """The type it was created as."""
        return self._kind

    @property
    def rank(self) -> int:
        """The number of this worker, from 0."""
        return 0

    @property
    def num_workers(self) -> int:
        """How many workers share the store."""
        return 1

    @staticmethod
    def is_capable(capability: str) -> bool:
        """Whether the store can do something; the only capability is ``'optimizer'``, running one.

        Raises
        ------
        ValueError
            For another capability.
        """
        if capability.lower() != KVStore.OPTIMIZER:
            raise ValueError(f"Unknown capability: {capability}; expected 'optimizer'")
        return True

    # --- values ------------------------------------------------------------------------------------------------------

    def init(self, key: Keys, value: Values) -> None:
        """Set the first value of a key, or of several; a key can be set once."""
        pairs = self._pairs(key, value, "init")
        for k, group in pairs:
            if k in self._values or len(group) > 1:
                raise MXNetError(f"kvstore: duplicate init of key {k!r}; init() and broadcast() set a key once")
        arrays = self._agreed([group[0].copy() for _, group in pairs])
        self._values.update(zip((k for k, _ in pairs), arrays))

    def replace(self, key: Keys, value: Values) -> None:
        """Set the value of a key, or of several, that have been set before; no updater is asked."""
        for k, group in self._pairs(key, value, "replace"):
            group[0].copyto(self._stored(k))

    def push(self, key: Keys, value: Values, priority: int = 0) -> None:
        """Sum the arrays of each key; without an updater the sum is the new value, with one the updater gets it.

        Parameters
        ----------
        key : int or str, or a list
            A key that stands in the list several times gets the sum.
        value : NDArray, a list, or a list of lists
            For each key an array, or a list with one for each device.
        priority : int
            Has no effect.
        """
        pairs = self._pairs(key, value, "push")
        keys, stored = [k for k, _ in pairs], [self._stored(k) for k, _ in pairs]
        totals = self._reduced(keys, [self._summed(k, group, s) for (k, group), s in zip(pairs, stored)])
        if self._updater is None:
            self._values.update(zip(keys, totals))
        elif isinstance(self._updater, opt.Updater):        # takes all parameters in one call
            self._updater(keys, totals, stored)
        else:
            for k, total, s in zip(keys, totals, stored):
                self._updater(k, total, s)

    def pull(self, key: Keys, out: Optional[Values] = None, priority: int = 0, ignore_sparse: bool = True) -> None:
        """Copy the value of each key into the arrays of `out`; into sparse ones only without `ignore_sparse`."""
        for k, group in self._pairs(key, out, "pull"):
            stored = self._stored(k)
            for array in group:
                if array.stype == "default" or not ignore_sparse:
                    stored.copyto(array)

    def pushpull(self, key: Keys, value: Values, out: Optional[Values] = None, priority: int = 0) -> None:
        """:meth:`push`, then :meth:`pull` into `out`, or back into `value`."""
        self.push(key, value, priority)
        self.pull(key, value if out is None else out, priority, ignore_sparse=False)

    def broadcast(self, key: Keys, value: Values, out: Values, priority: int = 0) -> None:
        """:meth:`init`, then :meth:`pull`."""
        self.init(key, value)
        self.pull(key, out, priority, ignore_sparse=False)

    def row_sparse_pull(self, key: Keys, out: Optional[Values] = None, priority: int = 0, row_ids: Any = None) -> None:
        """Copy some rows of the value of each key into `out`; its other rows become 0.

        Parameters
        ----------
        key, out, priority
            As in :meth:`pull`; row_sparse arrays store these rows, also those that are zero.
        row_ids : NDArray or list of NDArray
            The numbers of the rows: the same for all of `out`, or one array for each.
        """
        if row_ids is None:
            raise InputError("kvstore: row_sparse_pull() needs row_ids=")
        pairs = self._pairs(key, out, "row_sparse_pull")
        targets = [(k, array) for k, group in pairs for array in group]
        wanted = [row_ids] * len(targets) if isinstance(row_ids, NDArray) else list(row_ids)
        if len(wanted) == 1:
            wanted *= len(targets)
        if len(wanted) != len(targets):
            raise InputError(f"kvstore: {len(wanted)} row_ids were given for {len(targets)} arrays")
        for (k, array), rows in zip(targets, wanted):
            stored = storage.dense(self._stored(k).as_torch())
            places = rows.as_torch().to(stored.device, torch.int64).unique()
            array_of(storage.rows_tensor(places, stored[places], tuple(stored.shape))).copyto(array)

    # --- updating ----------------------------------------------------------------------------------------------------

    def set_updater(self, updater: Callable[[Any, Any, Any], None]) -> None:
        """Have ``updater(key, sum, value)`` change the value of each key at each push."""
        self._updater = updater

    _set_updater = set_updater

    def set_optimizer(self, optimizer: opt.Optimizer) -> None:
        """Have an optimizer change the values at each push."""
        if not isinstance(optimizer, opt.Optimizer):
            raise InputError(f"set_optimizer() takes an Optimizer, got {type(optimizer).__name__}; make one by "
                             "mx.optimizer.create")
        self._optimizer = optimizer
        self.set_updater(opt.get_updater(optimizer))

    def set_gradient_compression(self, compression_params: dict[str, Any]) -> None:
        """Send fewer bits.

        Parameters
        ----------
        compression_params : dict
            ``{'type': '2bit', 'threshold': 0.5}``: an element becomes the threshold, its negative, or 0, and what that
            leaves out is added to the next gradient. A distributed store has ``'fp16'`` and ``'bf16'`` too.

        Raises
        ------
        MXNetError
            For the type ``'local'``, as in MXNet, and for a compression that is not there.
        """
        if not ("device" in self._kind or "dist" in self._kind):
            raise MXNetError(f"Gradient compression is not supported for this type of kvstore ({self._kind!r}); use "
                             "'device' or 'dist_sync'")
        self._compression, self._two_bit = checked_parameters(compression_params, self.compressions)

    def save_optimizer_states(self, fname: str, dump_optimizer: bool = False) -> None:
        """Write the states of the optimizer to a file."""
        write_atomically(fname, self._optimizer_updater("save").get_states(dump_optimizer))

    def load_optimizer_states(self, fname: str) -> None:
        """Read the states of the optimizer from a file."""
        read_states(self._optimizer_updater("load"), fname)

    def _optimizer_updater(self, what: str) -> opt.Updater:
        if not isinstance(self._updater, opt.Updater):
            raise StateError(f"kvstore: to {what} the states of an optimizer needs set_optimizer() first")
        return self._updater

    # --- workers -----------------------------------------------------------------------------------------------------

    def barrier(self) -> None:
        """Wait until every worker is here."""

    def _barrier(self) -> None:
        """MXNet's name of :meth:`barrier`."""
        self.barrier()

    def _send_command_to_servers(self, head: int, body: str) -> None:
        """There are no servers."""

    def _agreed(self, arrays: list[NDArray]) -> list[NDArray]:
        """First values, the same on every worker."""
        return arrays

    def _reduced(self, keys: list[Key], totals: list[NDArray]) -> list[NDArray]:
        """Sums over this worker's devices, summed over the workers."""
        return totals

    # --- arguments ---------------------------------------------------------------------------------------------------

    def _stored(self, key: Key) -> NDArray:
        if key not in self._values:
            raise MXNetError(f"kvstore: key {key!r} has not been inited; call init() first")
        return self._values[key]

    def _pairs(self, key: Any, value: Any, call: str) -> list[tuple[Key, list[NDArray]]]:
        """Each key once, with the list of its arrays, one for each device."""
        several = isinstance(key, (list, tuple))
        keys = list(key) if several else [key]
        values = value if several else [value]
        if values is None or not isinstance(values, (list, tuple)) or len(keys) != len(values):
            raise InputError(f"kvstore: {call}() got {len(keys)} keys and {_described(value)}; expected an array, or a "
                             "list with one for each device, for each key")
        groups: dict[Key, list[NDArray]] = {}
        for k, v in zip(keys, values):
            self._check_key(k, call)
            group = [v] if isinstance(v, NDArray) else v
            if not isinstance(group, (list, tuple)) or not group or not all(isinstance(a, NDArray) for a in group):
                raise InputError(f"kvstore: {call}() of key {k!r} got {_described(v)}; expected an NDArray or a list "
                                 "of them")
            groups.setdefault(k, []).extend(group)
        return list(groups.items())

    def _check_key(self, key: Any, call: str) -> None:
        kind = str if isinstance(key, str) else int
        if not isinstance(key, (int, str)):
            raise InputError(f"kvstore: {call}() got the key {key!r} of type {type(key).__name__}; expected int or str")
        if self._key_type not in (None, kind):
            raise MXNetError(f"kvstore: {call}() got the key {key!r}, and the store has keys of type "
                             f"{self._key_type.__name__}; mixed key types are not allowed")
        self._key_type = kind

    def _summed(self, key: Key, group: Sequence[NDArray], like: NDArray) -> NDArray:
        """The sum of the devices' arrays, in memory of its own, where the stored value lives."""
        device = like.as_torch().device
        parts = [array.as_torch().detach() for array in group]
        if self._two_bit is not None and self.num_workers == 1:
            parts = [self._two_bit.quantised((key, i), part) for i, part in enumerate(parts)]
        total = parts[0].to(device, copy=True)
        for part in parts[1:]:
            if storage.is_sparse(total) == storage.is_sparse(part):
                total += part.to(device)
            else:
                total = storage.dense(total) + storage.dense(part).to(device)
        return array_of(total.coalesce() if total.layout is torch.sparse_coo else total, like.context)


def _described(value: Any) -> str:
    return f"{len(value)} values" if isinstance(value, (list, tuple)) else type(value).__name__
