"""``mx.io``: what feeds a module with batches."""
from .data import DataBatch, DataDesc
from .image_record import ImageRecordIter, ImageRecordUInt8Iter
from .iterators import DataIter, NDArrayIter
from .mnist import MNISTIter
from .random_iter import RandIter
from .text import CSVIter, LibSVMIter
from .wrappers import PrefetchingIter, ResizeIter

__all__ = ["CSVIter", "DataBatch", "DataDesc", "DataIter", "ImageRecordIter", "ImageRecordUInt8Iter", "LibSVMIter",
           "MNISTIter", "NDArrayIter", "PrefetchingIter", "RandIter", "ResizeIter"]
