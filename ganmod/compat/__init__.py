"""Running programs that were written for MXNet: ``import mxnet`` finds ganmod.

From a shell, ``python -m ganmod run train.py --epochs 3``; from code, :func:`install`.
"""
from .names import LACKING
from .redirect import install, uninstall
from .run import run_script

__all__ = ["LACKING", "install", "run_script", "uninstall"]
