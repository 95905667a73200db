"""``mx.contrib``: mixed precision, variance-reduced training, vocabularies and embeddings, and some old names."""
from . import amp, autograd, io, ndarray, svrg_optimization, symbol, tensorboard, text
from . import ndarray as nd
from . import symbol as sym

__all__ = ["amp", "autograd", "io", "nd", "ndarray", "svrg_optimization", "sym", "symbol", "tensorboard",
           "text"]
