"""Key-value stores: where the gradients of several devices meet and the parameters are updated."""
from __future__ import annotations

from typing import Any, Callable, Optional, Sequence, Union

from . import optimizer as opt
from .base import MXNetError, StateError
from .files import write_atomically
from .ndarray.ndarray import NDArray

__all__ = ["KVStore", "create"]

Key = Union[int, str]
Values = Union[NDArray, Sequence[Any]]

_LOCAL = ("local", "local_update_cpu", "local_allreduce_cpu", "local_allreduce_device", "device", "nccl")


def create(name: str = "local") -> "KVStore":
    """A store of the given type: ``'local'`` or ``'device'``, which sum over the devices of this process.

    Raises
    ------
    MXNetError
        For a type that is not there.
    """
    if not isinstance(name, str):
        raise TypeError(f"the type of a kvstore is a string, got {name!r}")
    if name.lower() not in _LOCAL:
        raise MXNetError(f"kvstore {name!r} is not supported; expected one of {', '.join(_LOCAL)}")
    return KVStore(name.lower())


class KVStore:
    """Values by key. What is pushed from several devices is summed, and handed to the updater if there is one.

    >>> import ganmod as mx
    >>> kv = mx.kv.create('local')
    >>> kv.init(3, mx.nd.ones((2,)))
    >>> kv.push(3, [mx.nd.ones((2,)), mx.nd.ones((2,))])
    >>> a = mx.nd.zeros((2,))
    >>> kv.pull(3, out=a)
    >>> a.asnumpy().tolist()
    [2.0, 2.0]
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._values: dict[Key, NDArray] = {}
        self._updater: Optional[Callable[[Any, Any, Any], None]] = None

    @property
    def type(self) -> str:
        """The type it was created as."""
        return self._kind

    @property
    def rank(self) -> int:
        """The number of this worker."""
        return 0

    @property
    def num_workers(self) -> int:
        """How many workers share the store."""
        return 1

    def init(self, key: Union[Key, Sequence[Key]], value: Values) -> None:
        """Set the first value of a key, or of several; a key can be set once."""
        for k, group in self._pairs(key, value):
            if k in self._values:
                raise MXNetError(f"kvstore: key {k!r} is already initialised")
            self._values[k] = group[0].copy()

    def push(self, key: Union[Key, Sequence[Key]], value: Values, priority: int = 0) -> None:
        """Sum the arrays of each key; without an updater the sum is the new value, with one the updater gets it."""
        keys, sums, values = [], [], []
        for k, group in self._pairs(key, value):
            stored = self._stored(k)
            keys.append(k)
            sums.append(_summed(group, stored))
            values.append(stored)
        if self._updater is None:
            for stored, total in zip(values, sums):
                total.copyto(stored)
        else:
            self._updater(keys, sums, values)

    def pull(self, key: Union[Key, Sequence[Key]], out: Optional[Values] = None, priority: int = 0,
             ignore_sparse: bool = True) -> None:
        """Copy the value of each key into the arrays of `out`."""
        if out is None:
            raise MXNetError("kvstore: pull() needs out=")
        for k, group in self._pairs(key, out):
            stored = self._stored(k)
            for array in group:
                stored.copyto(array)

    def pushpull(self, key: Union[Key, Sequence[Key]], value: Values, out: Optional[Values] = None,
                 priority: int = 0) -> None:
        """:meth:`push`, then :meth:`pull` into `out`, or back into `value`."""
        self.push(key, value, priority)
        self.pull(key, value if out is None else out, priority)

    def broadcast(self, key: Union[Key, Sequence[Key]], value: Values, out: Values, priority: int = 0) -> None:
        """:meth:`init`, then :meth:`pull`."""
        self.init(key, value)
        self.pull(key, out, priority)

    def row_sparse_pull(self, key: Union[Key, Sequence[Key]], out: Optional[Values] = None, priority: int = 0,
                        row_ids: Any = None) -> None:
        """:meth:`pull`; all arrays are dense."""
        self.pull(key, out, priority)

    def set_updater(self, updater: Callable[[Any, Any, Any], None]) -> None:
        """Have ``updater(keys, sums, values)`` change the values at each push."""
        self._updater = updater

    _set_updater = set_updater

    def set_optimizer(self, optimizer: opt.Optimizer) -> None:
        """Have an optimizer change the values at each push."""
        self.set_updater(opt.get_updater(optimizer))

    def is_capable(self, capability: str) -> bool:
        """Whether the store can do something; the capability ``'optimizer'`` is running one."""
        return capability.lower() == "optimizer"

    def barrier(self) -> None:
        """Wait for the other workers; there are none."""

    def save_optimizer_states(self, fname: str, dump_optimizer: bool = False) -> None:
        """Write the states of the optimizer to a file."""
        write_atomically(fname, self._optimizer_updater().get_states(dump_optimizer))

    def load_optimizer_states(self, fname: str) -> None:
        """Read the states of the optimizer from a file."""
        with open(fname, "rb") as stream:
            self._optimizer_updater().set_states(stream.read())

    def _optimizer_updater(self) -> opt.Updater:
        if not isinstance(self._updater, opt.Updater):
            raise StateError("kvstore: the states of an optimizer need set_optimizer() first")
        return self._updater

    def _stored(self, key: Key) -> NDArray:
        if key not in self._values:
            raise MXNetError(f"kvstore: key {key!r} needs init() first")
        return self._values[key]

    @staticmethod
    def _pairs(key: Union[Key, Sequence[Key]], value: Any) -> list[tuple[Key, list[NDArray]]]:
        """Each key with its list of arrays, one for each device."""
        if isinstance(key, (int, str)):
            return [(key, [value] if isinstance(value, NDArray) else list(value))]
        if len(key) != len(value):
            raise MXNetError(f"kvstore: {len(key)} keys were given for {len(value)} values")
        return [(k, [v] if isinstance(v, NDArray) else list(v)) for k, v in zip(key, value)]


def _summed(group: Sequence[NDArray], like: NDArray) -> NDArray:
    """The sum of the devices' arrays, where the stored value lives."""
    device = like.as_torch().device
    total = group[0].as_torch().to(device, copy=True)
    for array in group[1:]:
        total += array.as_torch().to(device)
    return NDArray(total, like.context)


