"""Penalties on a discriminator's gradient with respect to its inputs, as calls on a bound module.

An explicit loop cannot express them by forward and backward: their gradients are derivatives of derivatives.
"""
from __future__ import annotations

from functools import partial
from typing import Any, Optional, Sequence, Union

import torch
from torch import Tensor

from ..base import InputError, StateError, require, suggest
from ..executor.penalty import Penalty, add_penalty
from ..module import Module
from ..ndarray import NDArray
from ..ndarray.ndarray import as_tensor
from ..ops import storage
from ..symbol import Symbol

__all__ = ["gradient_penalty", "r1_penalty", "interpolate"]

Data = Union[NDArray, Sequence[Any]]


def gradient_penalty(module: Module, data: Data, weight: float = 10.0, target: float = 1.0,
                     output: Optional[str] = None, reduction: str = "sum") -> NDArray:
    """Add the gradients of ``weight * (|d score / d data| - target)²`` to a module's gradient arrays.

    The penalty of WGAN-GP [Gulrajani et al. 2017], whose `data` are mixtures of real and generated images:
    :func:`interpolate`. Call it after a backward pass of the discriminator and before ``update()``; it leaves the bound
    inputs, the outputs and the moving statistics alone.

    Parameters
    ----------
    module : Module
        Bound for training, with parameters.
    data : NDArray, tensor or array, or a list of them
        A batch for each of the module's data inputs, of the bound shapes.
    weight : float
        Weight of the penalty.
    target : float
        The norm that the gradient of one sample's score should have, over all its elements.
    output : str, optional
        The name of the score's output in the network, such as ``'fc_output'``. By default the first output, or what
        enters it where that is a loss layer, whose gradient is no derivative.
    reduction : {'sum', 'mean'}
        Over the samples. The gradients of loss layers are sums, and the optimizer's ``rescale_grad`` makes means of
        both.

    Returns
    -------
    NDArray
        The mean penalty of a sample, of shape (1,).

    Raises
    ------
    StateError
        Before bind and init_params, or without training.
    InputError
        For an unknown output, or another number of inputs.

    >>> import ganmod as mx
    >>> critic = mx.mod.Module(mx.sym.FullyConnected(mx.sym.Variable('x'), num_hidden=1, name='fc'), ['x'], None)
    >>> critic.bind([('x', (4, 2))])
    >>> critic.init_params(mx.init.One())
    >>> gradient_penalty(critic, mx.nd.ones((4, 2)), weight=1).asnumpy().round(4)     # (sqrt(2) - 1) ** 2
    array([0.1716], dtype=float32)
    """
    return _add(module, data, partial(_distance, weight=weight, target=target), ("distance", weight, target), output,
                reduction)


def r1_penalty(module: Module, data: Data, weight: float = 10.0, output: Optional[str] = None,
               reduction: str = "sum") -> NDArray:
    """Add the gradients of ``weight / 2 * |d score / d data|²`` to a module's gradient arrays.

    The penalty R1 [Mescheder et al. 2018] when `data` are real images, R2 when they are generated.

    Parameters
    ----------
    module, data, output, reduction
        As for :func:`gradient_penalty`.
    weight : float
        Weight of the penalty, often called gamma.

    Returns
    -------
    NDArray
        The mean penalty of a sample, of shape (1,).
    """
    return _add(module, data, partial(_square, weight=weight), ("square", weight), output, reduction)


def interpolate(real: NDArray, fake: NDArray) -> NDArray:
    """Points on the lines between samples: ``a * real + (1 - a) * fake``, with an even `a` in [0, 1) for each sample.

    Shapes: real, fake (N, ...) -> (N, ...), of the dtype and on the context of `real`.
    """
    one, other = real.as_torch(), as_tensor(fake, real.as_torch())
    require(one.shape == other.shape, f"interpolate(): real has shape {real.shape}, fake {tuple(other.shape)}",
            InputError)
    share = torch.rand((len(one), *[1] * (one.dim() - 1)), dtype=one.dtype, device=one.device)
    return NDArray(torch.lerp(other, one, share), real.context)


def _squares(gradients: Sequence[Tensor]) -> Tensor:
    """The squared norm of the gradient of each sample, over all inputs. [N]"""
    return torch.stack([g.flatten(1).square().sum(1) for g in gradients]).sum(0)


def _distance(gradients: Sequence[Tensor], weight: float, target: float) -> Tensor:
    norms = torch.linalg.vector_norm(torch.cat([g.flatten(1) for g in gradients], 1), dim=1)
    return weight * (norms - target).square().sum()


def _square(gradients: Sequence[Tensor], weight: float) -> Tensor:
    return weight / 2 * _squares(gradients).sum()


def _add(module: Module, data: Data, penalty: Penalty, key: Any, output: Optional[str], reduction: str) -> NDArray:
    require(module.binded and module.params_initialized and module.for_training,
            "a penalty needs a module with parameters that is bound for training", StateError)
    require(reduction in ("sum", "mean"), f"reduction must be 'sum' or 'mean', got {reduction!r}", InputError)
    group, score = module._exec_group, _score(module._symbol, output)
    arrays = list(data) if isinstance(data, (list, tuple)) else [data]
    names = [d.name for d in module.data_shapes]
    require(len(arrays) == len(names), f"a penalty takes a batch for each of {', '.join(names)}, got {len(arrays)}",
            InputError)
    share = 1 if reduction == "sum" else 1 / group.batch_size
    total = torch.zeros(1)
    for part, executor in zip(group.slices, group.execs):
        inputs = {}
        for name, array, axis in zip(names, arrays, group.data_layouts):
            bound = executor.arg_dict[name].as_torch()
            given = as_tensor(array, bound).to(bound.dtype)
            given = storage.part(given, axis, part.start, part.stop) if len(group.execs) > 1 and axis >= 0 else given
            require(given.shape == bound.shape, f"a penalty: {name!r} is bound with shape {tuple(bound.shape)}, got "
                    f"{tuple(given.shape)}", InputError)
            inputs[name] = given
        found = add_penalty(executor, score, inputs, lambda g: penalty(g) * share, (*key, reduction, group.batch_size))
        total = total + found.cpu() / (group.batch_size * share)
    return NDArray(total)


def _score(symbol: Symbol, output: Optional[str]) -> Symbol:
    """The output whose gradient counts."""
    if output is not None:
        internals = symbol.get_internals()
        names = internals.list_outputs()
        require(output in names, f"the network has no output {output!r}{suggest(output, names)}", InputError)
        return internals[output]
    entry = symbol.entries[0]
    while entry.node.op is not None and entry.node.op.ignores_head(entry.node.params):
        entry = entry.node.inputs[0]
    return Symbol([entry])
