"""``mx.io``: what feeds a module with batches."""
from .bridge import DataLoaderIter, as_torch_dataset
from .creating import create, register
from .data import DataBatch, DataDesc
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

__all__ = ["CSVIter", "DataBatch", "DataDesc", "DataIter", "DataLoaderIter", "ImageDetRecordIter",
           "ImageRecordInt8Iter", "ImageRecordIter", "ImageRecordIter_v1", "ImageRecordUInt8Iter",
           "ImageRecordUInt8Iter_v1", "LibSVMIter", "MNISTIter", "NDArrayIter", "PrefetchingIter", "RandIter",
           "ResizeIter", "as_torch_dataset", "create", "register"]
