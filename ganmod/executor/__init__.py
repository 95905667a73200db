"""Running: symbols lowered, recorded and bound."""
from ..symbol import Symbol
from . import binding
from .executor import Executor

__all__ = ["Executor"]

# Symbols describe and executors run; these methods are where the one hands over to the other.
Symbol.bind = binding.bind
Symbol.simple_bind = binding.simple_bind
Symbol.eval = binding.evaluate
Executor.reshape = binding.reshape
