"""Key-value stores: where the gradients of several devices, and of several workers, meet.

``mx.kv.create('local')`` and ``'device'`` sum over the devices of this process; ``'dist_sync'`` and its kin sum over
the processes that ``torchrun`` started as well.
"""
from __future__ import annotations

from ..base import InputError, MXNetError, suggest
from .base import KVStoreBase
from .distributed import DIST_TYPES, DistributedKVStore
from .local import LOCAL_TYPES, KVStore

__all__ = ["KVStore", "KVStoreBase", "DistributedKVStore", "create"]


def create(name: str = "local") -> KVStoreBase:
    """A store of the given type.

    Parameters
    ----------
    name : str
        ``'local'`` or ``'device'``, for the devices of this process; ``'dist_sync'``, ``'dist_device_sync'`` or
        ``'dist_async'``, for the processes that ``torchrun`` started; or what :meth:`KVStoreBase.register` filed.
        Upper and lower case are the same.

    Raises
    ------
    InputError
        If `name` is no string.
    MXNetError
        For a type that is not there, and for a distributed one in a process that ``torchrun`` did not start.
    """
    if not isinstance(name, str):
        raise InputError(f"the type of a kvstore is a string, got {name!r}")
    kind = name.lower()
    if kind in LOCAL_TYPES:
        return KVStore(kind)
    if kind in DIST_TYPES:
        return DistributedKVStore(kind)
    if kind in KVStoreBase.kv_registry:
        return KVStoreBase.kv_registry[kind]()
    known = (*LOCAL_TYPES, *DIST_TYPES, *KVStoreBase.kv_registry)
    raise MXNetError(f"kvstore {name!r} is not supported; expected one of {', '.join(known)}{suggest(kind, known)}")
