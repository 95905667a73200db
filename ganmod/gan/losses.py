"""``mx.gan.losses``: what generators and discriminators minimise, as symbols and as values with gradients.

Every loss takes a discriminator's scores, which are logits: no sigmoid comes before. Of a Symbol it makes another, a
loss layer to bind; of an NDArray it makes a :class:`Pair` of value and gradient, to be handed on by
``module.backward([gradient])``. A sample's loss is the mean over its scores, if it has several. As in MXNet's loss
layers, gradients are sums over the batch, of which the optimizer's ``rescale_grad`` makes means; ``reduction='mean'``
divides by the batch size.
"""
from __future__ import annotations

import numbers
from typing import Any, Callable, NamedTuple, Optional, Sequence, Union

import torch
import torch.nn.functional as F
from torch import Tensor

from .. import symbol as sym
from ..base import InputError, ShapeError, require
from ..ndarray import NDArray
from ..ndarray.ndarray import as_tensor
from ..symbol import Symbol

__all__ = ["Pair", "bce_with_logits", "least_squares", "logistic_discriminator", "nonsaturating_generator",
           "saturating_generator", "least_squares_discriminator", "least_squares_generator", "hinge_discriminator",
           "hinge_generator", "wasserstein_discriminator", "wasserstein_generator", "smooth", "swap"]

Scores = Union[Symbol, NDArray]
Ends = Union[float, Sequence[float]]


class Pair(NamedTuple):
    """The value of a loss and its gradient.

    Attributes
    ----------
    value : NDArray
        The mean loss of a sample, of shape (1,).
    gradient : NDArray
        With respect to the scores, of their shape and dtype.
    """

    value: NDArray
    gradient: NDArray


# --- with labels -------------------------------------------------------------------------------------------------

def bce_with_logits(logits: Scores, label: Any, reduction: str = "sum", name: Optional[str] = None) -> Any:
    """The binary cross-entropy of ``sigmoid(logits)`` and labels from 0 to 1; exact for large logits.

    Parameters
    ----------
    logits : Symbol or NDArray
        A discriminator's scores (N, ...), (N,) too.
    label : float, Symbol or NDArray
        What they should be: one for all, one for each sample (N,), or one for each score. It has no gradient.
    reduction : {'sum', 'mean'}
        Over the samples, of the gradients; what they are is in this module's description.
    name : str, optional
        Of the symbol; by default ``makeloss0`` and so on.

    Returns
    -------
    Symbol or Pair
        A loss layer whose output is the loss of each sample (N, 1); or the mean loss and the gradients.

    Raises
    ------
    ShapeError
        For arrays of scores and labels that do not go together.
    InputError
        For what is neither Symbol nor NDArray, or another reduction.

    >>> import ganmod as mx
    >>> value, gradient = bce_with_logits(mx.nd.array([0, 1000]), 1)
    >>> value.asnumpy().round(4), gradient.asnumpy().tolist()
    (array([0.3466], dtype=float32), [-0.5, 0.0])
    >>> bce_with_logits(mx.sym.Variable('score'), mx.sym.Variable('label'), name='loss').list_outputs()
    ['loss_output']
    """
    return _loss("bce_with_logits", logits, label, reduction, name,
                 lambda x, y: _times(y, _softplus(-x)) + _times(1 - y, _softplus(x)),
                 lambda x, y: (1 - y) * torch.sigmoid(x) - y * torch.sigmoid(-x))


def least_squares(scores: Scores, label: Any, reduction: str = "sum", name: Optional[str] = None) -> Any:
    """Half the squared distance of scores and labels [Mao et al. 2017]; see :func:`bce_with_logits`.

    >>> from ganmod import nd
    >>> [a.asnumpy().tolist() for a in least_squares(nd.array([[3], [1]]), 1)]
    [[1.0], [[2.0], [0.0]]]
    """
    return _loss("least_squares", scores, label, reduction, name,
                 lambda x, y: _minus(x, y) * _minus(x, y) * 0.5, lambda x, y: x - y)


# --- of discriminators -------------------------------------------------------------------------------------------

def logistic_discriminator(scores: Scores, real: bool, reduction: str = "sum", name: Optional[str] = None) -> Any:
    """``-log(sigmoid(score))`` for real samples, ``-log(1 - sigmoid(score))`` for others [Goodfellow et al. 2014].

    Parameters
    ----------
    scores, reduction, name
        As for :func:`bce_with_logits`.
    real : bool
        Whether the samples are real.

    Returns
    -------
    Symbol or Pair
        As of :func:`bce_with_logits`.
    """
    sign = _sign(real)
    return _loss("logistic_discriminator", scores, None, reduction, name, lambda x, _: _softplus(x * -sign),
                 lambda x, _: -sign * torch.sigmoid(-sign * x))


def least_squares_discriminator(scores: Scores, real: bool, reduction: str = "sum",
                                name: Optional[str] = None) -> Any:
    """``(score - 1)² / 2`` for real samples, ``score² / 2`` for others; see :func:`logistic_discriminator`."""
    return least_squares(scores, float(_sign(real) > 0), reduction, name)


def hinge_discriminator(scores: Scores, real: bool, reduction: str = "sum", name: Optional[str] = None) -> Any:
    """``max(0, 1 - score)`` for real samples, ``max(0, 1 + score)`` for others; see :func:`logistic_discriminator`.

    >>> from ganmod import nd
    >>> value, gradient = hinge_discriminator(nd.array([-1, 0.5, 3]), real=True)
    >>> value.asscalar().round(3), gradient.asnumpy().tolist()
    (np.float32(0.833), [-1.0, -1.0, 0.0])
    """
    sign = _sign(real)
    return _loss("hinge_discriminator", scores, None, reduction, name, lambda x, _: _relu(1 - x * sign),
                 lambda x, _: torch.where(1 - x * sign > 0, -sign, 0.0).to(x.dtype))


def wasserstein_discriminator(scores: Scores, real: bool, reduction: str = "sum", name: Optional[str] = None) -> Any:
    """``-score`` for real samples, ``score`` for others [Arjovsky et al. 2017]; see :func:`logistic_discriminator`.

    The discriminator, called a critic then, needs a :func:`ganmod.gan.gradient_penalty` or
    :func:`ganmod.gan.spectral_norm`.
    """
    return _linear("wasserstein_discriminator", scores, -_sign(real), reduction, name)


# --- of generators -----------------------------------------------------------------------------------------------

def saturating_generator(scores: Scores, reduction: str = "sum", name: Optional[str] = None) -> Any:
    """``log(1 - sigmoid(score))`` of generated samples: the minimax game, whose gradients vanish for bad samples.

    Parameters, results and errors are those of :func:`bce_with_logits`.
    """
    return _loss("saturating_generator", scores, None, reduction, name, lambda x, _: _softplus(x) * -1.0,
                 lambda x, _: -torch.sigmoid(x))


def nonsaturating_generator(scores: Scores, reduction: str = "sum", name: Optional[str] = None) -> Any:
    """``-log(sigmoid(score))`` of generated samples; see :func:`saturating_generator`."""
    return _loss("nonsaturating_generator", scores, None, reduction, name, lambda x, _: _softplus(-x),
                 lambda x, _: -torch.sigmoid(-x))


def least_squares_generator(scores: Scores, reduction: str = "sum", name: Optional[str] = None) -> Any:
    """``(score - 1)² / 2`` of generated samples; see :func:`saturating_generator`."""
    return least_squares(scores, 1.0, reduction, name)


def hinge_generator(scores: Scores, reduction: str = "sum", name: Optional[str] = None) -> Any:
    """``-score`` of generated samples; see :func:`saturating_generator`."""
    return _linear("hinge_generator", scores, -1.0, reduction, name)


def wasserstein_generator(scores: Scores, reduction: str = "sum", name: Optional[str] = None) -> Any:
    """``-score`` of generated samples; see :func:`saturating_generator`."""
    return _linear("wasserstein_generator", scores, -1.0, reduction, name)


# --- labels ------------------------------------------------------------------------------------------------------

def smooth(labels: NDArray, low: Ends = 0.0, high: Ends = 0.9) -> NDArray:
    """Labels of 0 and 1 as `low` and `high`, and those between in proportion.

    Parameters
    ----------
    labels : NDArray
        From 0 to 1, of any shape.
    low, high : float or (float, float)
        A number, or the ends of a range that a number for each label is drawn from, evenly. The defaults are one-sided
        smoothing [Salimans et al. 2016]; others use (0, 0.3) and (0.7, 1.2).

    Returns
    -------
    NDArray
        New labels, of the same shape, dtype and context.

    Raises
    ------
    InputError
        For what is neither a number nor two.

    >>> from ganmod import nd
    >>> smooth(nd.array([0, 1]), 0.25, 0.75).asnumpy().tolist()
    [0.25, 0.75]
    """
    values = _array("smooth", labels).as_torch()
    zero, one = _drawn(low, "low", values), _drawn(high, "high", values)
    return NDArray(zero + values * (one - zero), labels.context)


def swap(labels: NDArray, share: float) -> NDArray:
    """Labels of which some are turned around, 0 to 1 and 1 to 0: each one with probability `share`.

    Raises
    ------
    InputError
        For a share that is not in [0, 1].

    >>> from ganmod import nd
    >>> swap(nd.array([0, 1, 0.25]), 1).asnumpy().tolist()
    [1.0, 0.0, 0.75]
    """
    values = _array("swap", labels).as_torch()
    require(0 <= share <= 1, f"swap(): share must be in [0, 1], got {share}", InputError)
    turned = torch.rand(values.shape, dtype=torch.float64, device=values.device) < share
    return NDArray(torch.where(turned, 1 - values, values), labels.context)


def _drawn(ends: Ends, name: str, like: Tensor) -> Any:
    if isinstance(ends, numbers.Real):
        return float(ends)
    require(isinstance(ends, (tuple, list)) and len(ends) == 2,
            f"smooth(): {name} must be a number or a pair of them, got {ends!r}", InputError)
    begin, end = ends  # type: ignore[misc]
    return begin + (end - begin) * torch.rand_like(like)


# --- what both kinds have in common ------------------------------------------------------------------------------

def _sign(real: bool) -> float:
    return 1.0 if real else -1.0


def _softplus(x: Any) -> Any:
    """``log(1 + exp(x))``."""
    return sym.Activation(x, act_type="softrelu") if isinstance(x, Symbol) else -F.logsigmoid(-x)


def _relu(x: Any) -> Any:
    return sym.relu(x) if isinstance(x, Symbol) else x.relu()


def _times(a: Any, b: Any) -> Any:
    return sym.broadcast_mul(a, b) if isinstance(a, Symbol) else b * a


def _minus(a: Any, b: Any) -> Any:
    return sym.broadcast_sub(a, b) if isinstance(b, Symbol) else a - b


def _linear(call: str, scores: Scores, factor: float, reduction: str, name: Optional[str]) -> Any:
    return _loss(call, scores, None, reduction, name, lambda x, _: x * factor,
                 lambda x, _: torch.full_like(x, factor))


def _array(call: str, value: Any) -> NDArray:
    require(isinstance(value, NDArray), f"{call}() takes an NDArray, got {type(value).__name__}", InputError)
    return value


def _loss(call: str, scores: Scores, label: Any, reduction: str, name: Optional[str],
          value: Callable[[Any, Any], Any], slope: Callable[[Tensor, Any], Tensor]) -> Any:
    """The loss that `value` gives of each score and label, and whose derivative by the score is `slope`."""
    require(reduction in ("sum", "mean"), f"{call}(): reduction must be 'sum' or 'mean', got {reduction!r}", InputError)
    if isinstance(scores, Symbol):
        return _layer(call, scores, label, reduction, name, value)
    require(isinstance(scores, NDArray), f"{call}() takes a Symbol or an NDArray, got {type(scores).__name__}",
            InputError)
    given = scores.as_torch().detach()
    require(given.is_floating_point(), f"{call}(): scores must be floats, got {given.dtype}", InputError)
    require(given.numel(), f"{call}(): there are no scores in shape {scores.shape}", ShapeError)
    x = given.flatten(1) if given.dim() > 1 else given[:, None]
    x = x.float() if x.itemsize < 4 else x
    y = _labels(call, label, x, given)
    scale = 1 / x.shape[1] / (len(x) if reduction == "mean" else 1)
    gradient = (slope(x, y) * scale).to(given.dtype).reshape(given.shape)
    return Pair(NDArray(value(x, y).mean().reshape(1), scores.context), NDArray(gradient, scores.context))


def _labels(call: str, label: Any, x: Tensor, given: Tensor) -> Any:
    """Labels of shape (N, 1) or as the scores `x` (N, K); a number as it is."""
    require(not isinstance(label, Symbol), f"{call}() of an NDArray takes labels, not a Symbol", InputError)
    if label is None or isinstance(label, numbers.Real):
        return label
    y = as_tensor(label, x).detach().to(x.dtype)
    require(y.numel() in (len(x), x.numel()) and y.shape[:1] == x.shape[:1],
            f"{call}(): labels of shape {tuple(y.shape)} for scores of shape {tuple(given.shape)}; expected one for "
            "each sample or for each score", ShapeError)
    return y.reshape(len(x), -1)


def _layer(call: str, scores: Symbol, label: Any, reduction: str, name: Optional[str],
           value: Callable[[Any, Any], Any]) -> Symbol:
    require(label is None or isinstance(label, (Symbol, numbers.Real)),
            f"{call}() of a Symbol takes a Symbol or a number as label, got {type(label).__name__}", InputError)
    x, y = sym.reshape(scores, shape=(0, -1)), label
    if isinstance(label, Symbol):
        y = sym.reshape(sym.BlockGrad(label), shape=(0, -1))
    loss = sym.mean(value(x, y), axis=1, keepdims=True)
    made: Symbol = sym.MakeLoss(loss, normalization="batch" if reduction == "mean" else "null", name=name)
    return made
