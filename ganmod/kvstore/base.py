"""``KVStoreBase``: what a store can do, and stores of one's own by name."""
from __future__ import annotations

from typing import Any, ClassVar, TypeVar

__all__ = ["KVStoreBase"]

Class = TypeVar("Class", bound=type)


class KVStoreBase:
    """Base of every store; a subclass that is registered can be created by its name.

    >>> import ganmod as mx
    >>> @KVStoreBase.register
    ... class Mine(KVStoreBase):
    ...     rank = 0
    >>> mx.kv.create('mine').rank, KVStoreBase.kv_registry.pop('mine') is Mine
    (0, True)
    """

    OPTIMIZER: ClassVar[str] = "optimizer"
    kv_registry: ClassVar[dict[str, type]] = {}

    @staticmethod
    def register(klass: Class) -> Class:
        """Decorator: file a class under its name in lower case, for :func:`ganmod.kvstore.create`."""
        KVStoreBase.kv_registry[klass.__name__.lower()] = klass
        return klass

    @staticmethod
    def is_capable(capability: str) -> bool:
        """Whether the store can do something; ``'optimizer'`` is to run one."""
        raise NotImplementedError("a kvstore has to define is_capable()")

    @property
    def type(self) -> str:
        """The name it is created by."""
        raise NotImplementedError(f"{self.__class__.__name__} has to define type")

    @property
    def rank(self) -> int:
        """The number of this worker, from 0."""
        raise NotImplementedError(f"{self.__class__.__name__} has to define rank")

    @property
    def num_workers(self) -> int:
        """How many workers share the store."""
        raise NotImplementedError(f"{self.__class__.__name__} has to define num_workers")

    def broadcast(self, key: Any, value: Any, out: Any, priority: int = 0) -> None:
        """Set the first values of keys, and copy them into `out` on every device and worker."""
        raise NotImplementedError(f"{self.__class__.__name__} has to define broadcast()")

    def pushpull(self, key: Any, value: Any, out: Any = None, priority: int = 0) -> None:
        """Sum values over devices and workers, into `out` or back into `value`."""
        raise NotImplementedError(f"{self.__class__.__name__} has to define pushpull()")

    def set_optimizer(self, optimizer: Any) -> None:
        """Have an optimizer change the values at each push, where :meth:`is_capable` says so."""
        raise NotImplementedError(f"{self.__class__.__name__} has to define set_optimizer()")

    def save_optimizer_states(self, fname: str, dump_optimizer: bool = False) -> None:
        """Write the states of the optimizer to a file."""
        raise NotImplementedError(f"{self.__class__.__name__} has to define save_optimizer_states()")

    def load_optimizer_states(self, fname: str) -> None:
        """Read the states of the optimizer from a file."""
        raise NotImplementedError(f"{self.__class__.__name__} has to define load_optimizer_states()")
