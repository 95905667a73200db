"""Spectral normalisation of a network's weights."""
from __future__ import annotations

from typing import Callable, Optional

from ..base import InputError, require
from ..ops import registry as ops
from ..symbol import Symbol
from ..symbol.graph import Entry, rewritten, topological
from ..symbol.symbol import apply

__all__ = ["spectral_norm", "with_spectral_norm"]

_ROWS = {"Convolution": 0, "Deconvolution": 1, "FullyConnected": 0, "Embedding": 0}    # the axis of output channels


def spectral_norm(weight: Symbol, axis: int = 0, iterations: int = 1, name: Optional[str] = None) -> Symbol:
    """A weight over its largest singular value, to be given to a layer as its ``weight=``.

    Parameters
    ----------
    weight : Symbol
        A variable.
    axis : int
        The axis of the output channels: 0, but 1 of a Deconvolution's weight.
    iterations : int
        Steps of the power iteration at each training forward; their vector is the auxiliary state ``<name>_u``.
    name : str, optional
        By default ``<weight>_spectral``.

    >>> import ganmod as mx
    >>> weight = spectral_norm(mx.sym.Variable('fc_weight'))
    >>> net = mx.sym.FullyConnected(mx.sym.Variable('x'), weight=weight, num_hidden=3, name='fc')
    >>> net.list_arguments(), net.list_auxiliary_states()
    (['x', 'fc_weight', 'fc_bias'], ['fc_weight_spectral_u'])
    """
    return apply(ops.find("_gan_SpectralNorm"), "spectralnorm", [weight], {
        "axis": axis, "iterations": iterations, "name": name or f"{weight.name}_spectral"})


def with_spectral_norm(symbol: Symbol, iterations: int = 1, only: Callable[[str], bool] = lambda name: True) -> Symbol:
    """A copy of a network whose layers use their weights over their largest singular values.

    Parameters
    ----------
    symbol : Symbol
        A network, such as a discriminator.
    iterations : int
        As for :func:`spectral_norm`.
    only : callable
        Told the name of a weight of a convolution, deconvolution, fully connected or embedding layer, says whether it
        is meant; all are by default.

    Raises
    ------
    InputError
        If no weight is meant.
    """
    replacement: dict[int, Entry] = {}
    for node in topological(symbol.entries):
        if node.op is None or node.op.name not in _ROWS:
            continue
        variable = node.inputs[node.input_names.index("weight")].node
        if variable.op is None and only(variable.name) and id(variable) not in replacement:
            made = spectral_norm(Symbol([Entry(variable)]), _ROWS[node.op.name], iterations)
            replacement[id(variable)] = made.entries[0]
    require(replacement, "with_spectral_norm(): the network has no weight that is meant", InputError)
    return Symbol(rewritten(symbol.entries, replacement))
