"""What happens to every node while it is composed: a hook for mixed precision, which casts its inputs."""
from __future__ import annotations

from typing import Callable, Optional

from .graph import Node

__all__ = ["before"]

#: Called with a node that has all its inputs, before anything depends on it; None does nothing.
before: Optional[Callable[[Node], None]] = None
