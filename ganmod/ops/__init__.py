"""The operator table: importing this package fills it."""
from . import (
               activation,
               arithmetic,
               conv,
               creation,
               ctc,
               custom,
               dense,
               density,
               elemwise,
               expanding,
               indexing,
               joining,
               linalg,
               loss,
               matrix,
               norm,
               penalty,
               pooling,
               random,
               reduce,
               rnn,
               roi,
               sequence,
               shaping,
               slicing,
               spatial,
)
from .registry import Operator, find, operator, table

__all__ = ["Operator", "find", "operator", "table", "activation", "arithmetic", "conv", "creation", "ctc", "custom",
           "dense", "density", "elemwise", "expanding", "indexing", "joining", "linalg", "loss", "matrix", "norm",
           "penalty", "pooling", "random", "reduce", "rnn", "roi", "sequence", "shaping", "slicing", "spatial"]
