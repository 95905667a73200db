"""``mx.io``: what feeds a module with batches."""
from .data import DataBatch, DataDesc
from .iterators import DataIter, NDArrayIter
from .random_iter import RandIter
from .wrappers import PrefetchingIter, ResizeIter

__all__ = ["DataBatch", "DataDesc", "DataIter", "NDArrayIter", "PrefetchingIter", "RandIter", "ResizeIter"]
