"""Folding: batch normalisation and an activation done by the convolution before them, in programs without gradients.

Statistics that do not depend on the maps scale and shift each channel, which the weight and the bias can do; see
:meth:`ganmod.executor.ways.Kept.normalised`. oneDNN applies activations to what it has just computed.
"""
from __future__ import annotations

from typing import Any, Callable, Optional, cast

import torch
from torch import fx

from . import ways
from .kernels import Convolution

__all__ = ["folded"]

aten = torch.ops.aten
#: oneDNN's names of activations that it computes as torch does, and the constants that a call leaves out.
_ACTIVATIONS: dict[Any, tuple[str, list[float]]] = {
    aten.relu.default: ("relu", []), aten.leaky_relu.default: ("leaky_relu", [0.01])}


def folded(node: fx.Node, task: Convolution, way: str) -> Optional[tuple[fx.Node, ways.Kept, tuple[Any, ...]]]:
    """The last of the nodes that a convolution can stand for, and what is to be called in its place; None for itself.

    Parameters
    ----------
    node : torch.fx.Node
        The convolution, of a fixed weight.
    task : Convolution
        What it computes.
    way : str
        In which way.
    """
    args: Any = node.args
    x, weight, bias, *settings = args
    last, parameters, eps = _normalisation(node) if task.dtype is torch.float32 else (node, [], 0.0)
    user = _only_user(last)
    if way == "packed" and user is not None and user.target in _ACTIVATIONS:
        name, constants = _ACTIVATIONS[user.target]
        _, *given = cast(Any, user.args)
        last, kept = user, task.kept(way, (name, given or constants))
    elif last is node:
        return None
    elif way in ("channels last", "phases"):
        function: Callable[..., Any] = aten.convolution.default
        if way == "phases":
            function, (_, _, _, *settings) = task.call(way, None, x, weight, bias)
        kept = ways.kept("kept_convolution", lambda *arrays: function(*arrays, *settings))
    else:
        kept = task.kept(way)
    if parameters:
        kept = kept.normalised(0 if task.wanted == "small" else 1, eps)
    return last, kept, (x, weight, bias, *parameters)


def _normalisation(node: fx.Node) -> tuple[fx.Node, list[Any], float]:
    """The node that gives a convolution's normalised result; gamma or None, beta, mean and variance; and eps.

    Where there is none, the convolution itself, and no parameters.
    """
    norm = _only_user(node)
    result = None if norm is None else _only_user(norm)
    if norm is None or result is None or norm.target is not aten._native_batch_norm_legit_no_training.default or \
            result.args[1] != 0:
        return node, [], 0.0
    args: Any = norm.args
    _, gamma, *others, _, eps = args
    parameters = [None if gamma.target is aten.ones_like.default else gamma, *others]
    if not all(p is None or p.op == "placeholder" and p.meta["val"].dtype is torch.float32 for p in parameters):
        return node, [], 0.0
    return result, parameters, eps


def _only_user(node: fx.Node) -> Optional[fx.Node]:
    return next(iter(node.users)) if len(node.users) == 1 else None
