"""``mx.contrib.io``: batches of a loader as an iterator; see :mod:`ganmod.io`."""
from ..io import DataBatch, DataDesc, DataIter, DataLoaderIter

__all__ = ["DataBatch", "DataDesc", "DataIter", "DataLoaderIter"]
