"""The operator table: importing this package fills it."""
from . import dense
from .registry import Operator, find, operator, table

__all__ = ["Operator", "dense", "find", "operator", "table"]
