"""Placement: on which context each node of a graph runs, from the groups that its ``AttrScope`` gave it."""
from __future__ import annotations

from typing import Mapping, Optional

from ..base import InputError, suggest
from ..context import Context
from ..symbol import Symbol
from ..symbol.graph import Entry, Node, topological

__all__ = ["Placement"]


class Placement:
    """Where the nodes of a symbol run and its variables live.

    A node with a ``ctx_group`` is on that group's context; an operator without one is where its first placed input is,
    and everything else on `ctx`.

    Parameters
    ----------
    symbol : Symbol
        The graph.
    ctx : Context
        Where nodes without a group are.
    groups : dict of str to Context, optional
        The context of each group; without it groups mean nothing.

    Raises
    ------
    InputError
        For a group that has no context.
    """

    def __init__(self, symbol: Symbol, ctx: Context, groups: Optional[Mapping[str, Context]] = None) -> None:
        self.ctx, self.groups = ctx, dict(groups or {})
        self._placed: dict[int, Context] = {}
        for node in topological(symbol.entries) if self.groups else ():
            group = node.attrs.get("__ctx_group__")
            if group is None:
                inherited = (self._placed[id(e.node)] for e in node.inputs if id(e.node) in self._placed)
                found = next(inherited, None)
            elif group in self.groups:
                found = self.groups[group]
            else:
                raise InputError(f"group2ctx has no context for the group {group!r} of {node.name!r}; it has "
                                 f"{', '.join(self.groups)}{suggest(group, self.groups)}")
            if found is not None:
                self._placed[id(node)] = found
        self.variables = {node.name: self.of(node) for node in topological(symbol.entries) if node.op is None}
        self.outputs = [self.of_entry(entry) for entry in symbol.entries]

    def of(self, node: Node) -> Context:
        """The context of a node."""
        return self._placed.get(id(node), self.ctx)

    def of_entry(self, entry: Entry) -> Context:
        """The context of one output of a node."""
        return self.of(entry.node)
