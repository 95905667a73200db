"""``mx.optimizer``: how parameters follow their gradients."""
from . import contrib
from .adaptive import FTML, LAMB, AdaDelta, AdaGrad, Adam, Adamax, Ftrl, Nadam, RMSProp
from .fused import FusedOptimizer
from .gradient_descent import DCASGD, LARS, NAG, SGD, SGLD, Signum, Test, ccSGD
from .large_batch import LBSGD
from .optimizer import Optimizer, create, register
from .updater import Updater, get_updater

__all__ = ["AdaDelta", "AdaGrad", "Adam", "Adamax", "DCASGD", "FTML", "Ftrl", "FusedOptimizer", "LAMB", "LARS", "LBSGD",
           "NAG", "Nadam", "Optimizer", "RMSProp", "SGD", "SGLD", "Signum", "Test", "Updater", "ccSGD", "contrib",
           "create", "get_updater", "register"]
