"""Iterators by name."""
from __future__ import annotations

from .. import registry
from .bridge import DataLoaderIter
from .image_det_record import ImageDetRecordIter
from .image_record import (
    ImageRecordInt8Iter,
    ImageRecordIter,
    ImageRecordIter_v1,
    ImageRecordUInt8Iter,
    ImageRecordUInt8Iter_v1,
)
from .iterators import DataIter, NDArrayIter
from .mnist import MNISTIter
from .random_iter import RandIter
from .text import CSVIter, LibSVMIter
from .wrappers import PrefetchingIter, ResizeIter

__all__ = ["create", "register"]

register = registry.get_register_func(DataIter, "iterator")
create = registry.get_create_func(DataIter, "iterator")

for _kind in (CSVIter, DataLoaderIter, ImageDetRecordIter, ImageRecordInt8Iter, ImageRecordIter, ImageRecordIter_v1,
              ImageRecordUInt8Iter, ImageRecordUInt8Iter_v1, LibSVMIter, MNISTIter, NDArrayIter, PrefetchingIter,
              RandIter, ResizeIter):
    register(_kind)
