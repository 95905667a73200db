"""``mx.gan.quality``: how close generated samples come to real ones, in the feature space of any network.

Features are arrays (N, D): of :func:`features`, or NDArrays, tensors and numpy arrays from elsewhere. Distances are
calculated in float64. Numbers of different networks, or of different numbers of samples, cannot be compared.
"""
from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Optional, Sequence, Union

import numpy as np
import torch
from torch import Tensor

from ..base import InputError, ShapeError, StateError, require, suggest
from ..context import Context
from ..module import Module
from ..ndarray import NDArray
from ..ndarray.ndarray import as_tensor
from ..symbol import Symbol
from .sampling import sample

__all__ = ["features", "frechet_distance", "kernel_distance", "precision_recall", "density_coverage",
           "mode_coverage", "KernelDistance", "PrecisionRecall", "DensityCoverage", "Coverage"]

_BLOCK = 1024                                              # rows of a matrix of distances at once


# --- features ----------------------------------------------------------------------------------------------------

def features(network: Union[Module, Symbol], images: Any, output: str, params: Optional[Mapping[str, Any]] = None,
             batch_size: int = 128, context: Optional[Context] = None) -> NDArray:
    """An internal output of a network for every image, in inference mode.

    Parameters
    ----------
    network : Module or Symbol
        A module with parameters, which is left as it is; or a symbol.
    images : NDArray, tensor or array
        (N, ...), for the network's one data input.
    output : str
        A name of ``symbol.get_internals().list_outputs()``, with or without its ``_output``.
    params : dict of str to NDArray, optional
        Arguments and auxiliary states by name, or as the files of parameters have them, with ``arg:`` and ``aux:``; by
        default the module's.
    batch_size : int
        How many images to run at once.
    context : Context, optional
        Where to run it; by default the module's first context, or the current one.

    Returns
    -------
    NDArray
        (N, D), the output of each image as a row.

    Raises
    ------
    InputError
        For an output that is not there, a symbol without parameters, or a network with several data inputs.
    StateError
        For a module without parameters.

    >>> import ganmod as mx
    >>> net = mx.sym.FullyConnected(mx.sym.Variable('data'), num_hidden=2, no_bias=True, name='fc')
    >>> net = mx.sym.SoftmaxOutput(net, name='softmax')
    >>> features(net, mx.nd.array([[1, 2]]), 'fc', {'fc_weight': mx.nd.ones((2, 2))}).asnumpy().tolist()
    [[3.0, 3.0]]
    """
    symbol, given = _network(network, params)
    internals = symbol.get_internals()
    names = internals.list_outputs()
    wanted = output if output in names else f"{output}_output"
    require(wanted in names, f"features(): the network has no output {output!r}{suggest(output, names)}", InputError)
    part = internals[wanted]
    labels = network.label_names if isinstance(network, Module) else ()
    free = [name for name in part.list_arguments() if name not in given]
    inputs = [name for name in free if name not in labels and not name.endswith("label")]
    require(len(inputs) == 1, f"features(): {output!r} needs one data input, but there are no parameters for "
            f"{', '.join(inputs) or 'any'}", InputError)
    if context is None and isinstance(network, Module) and network.binded:
        context = network._exec_group.contexts[0]
    module = Module(part, inputs, [name for name in free if name not in inputs] or None, context=context)
    data = as_tensor(images, torch.empty(0)) if not isinstance(images, NDArray) else images.as_torch()
    module.bind([(inputs[0], (batch_size, *data.shape[1:]))], for_training=False)
    module.init_params(None, {n: a for n, a in given.items() if n in part.list_arguments()},
                       {n: a for n, a in given.items() if n in part.list_auxiliary_states()})
    found = sample(module, data)
    return NDArray(found.as_torch().flatten(1), found.context)


def _network(network: Union[Module, Symbol], params: Optional[Mapping[str, Any]]) -> tuple[Symbol, dict[str, Any]]:
    """The symbol, and its parameters and states by name."""
    if isinstance(network, Module):
        if params is None:
            require(network.params_initialized, "features() needs a module with parameters", StateError)
            arguments, states = network.get_params()
            params = {**arguments, **states}
        network = network._symbol
    require(isinstance(network, Symbol), f"features() takes a Module or a Symbol, got {type(network).__name__}",
            InputError)
    require(params is not None, "features(): a symbol needs params", InputError)
    return network, {name.removeprefix("arg:").removeprefix("aux:"): array
                     for name, array in params.items()}  # type: ignore[union-attr]


# --- distances ---------------------------------------------------------------------------------------------------

def frechet_distance(features_a: Any, features_b: Any) -> float:
    """The Fréchet distance of two sets of features, seen as normal distributions [Heusel et al. 2017].

    ``|mean_a - mean_b|² + tr(cov_a + cov_b - 2 (cov_a cov_b)^½)``, with unbiased covariances; of Inception's features
    it is called FID. The root's trace is the sum of the singular values of ``cov_a^½ cov_b^½``, which is exact for
    covariances without full rank too.

    Parameters
    ----------
    features_a, features_b : NDArray, tensor or array
        (N, D) and (M, D), of 2 or more samples.

    Returns
    -------
    float
        0 or more.

    Raises
    ------
    ShapeError
        For features of another shape.
    InputError
        For features that are no finite numbers.

    >>> a = np.array([[0., 0], [2, 0], [0, 2], [2, 2]])
    >>> round(frechet_distance(a, a), 6), round(frechet_distance(a, a + 3), 6)
    (0.0, 18.0)
    """
    a, b = _pair("frechet_distance", features_a, features_b, 2)
    (mean_a, cov_a), (mean_b, cov_b) = _statistics(a), _statistics(b)
    root = torch.linalg.svdvals(_root(cov_a) @ _root(cov_b)).sum()
    distance = (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * root
    return max(0.0, distance.item())


def _statistics(values: Tensor) -> tuple[Tensor, Tensor]:
    mean = values.mean(0)
    centred = values - mean
    return mean, centred.T @ centred / (len(values) - 1)


def _root(covariance: Tensor) -> Tensor:
    """The symmetric square root of a covariance."""
    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp(min=0).sqrt() @ vectors.T


class KernelDistance(NamedTuple):
    """The mean of a distance over subsets, and its standard deviation."""

    mean: float
    deviation: float


def kernel_distance(features_a: Any, features_b: Any, subsets: int = 100, subset_size: int = 1000, degree: int = 3,
                    gamma: Optional[float] = None, coef0: float = 1.0, seed: int = 2020) -> KernelDistance:
    """The squared maximum mean discrepancy by a polynomial kernel, without bias [Bińkowski et al. 2018].

    The kernel is ``(gamma * x · y + coef0) ** degree``; of Inception's features the mean is called KID.

    Parameters
    ----------
    features_a, features_b : NDArray, tensor or array
        (N, D) and (M, D).
    subsets : int
        How many pairs of subsets to take the mean over.
    subset_size : int
        How many samples of each set; as many as there are, if those are fewer.
    degree, gamma, coef0
        Of the kernel; gamma is ``1 / D`` by default.
    seed : int
        Of numpy's generator that chooses the subsets, without replacement.

    Returns
    -------
    KernelDistance
        Mean and standard deviation over the subsets; it may be a little below 0.

    Raises
    ------
    ShapeError, InputError
        As of :func:`frechet_distance`; for subsets of less than 2, too.
    """
    a, b = _pair("kernel_distance", features_a, features_b, 2)
    size = min(subset_size, len(a), len(b))
    require(subsets > 0 and size > 1, f"kernel_distance(): {subsets} subsets of {size} samples are not enough",
            InputError)
    scale, draw, found = 1 / a.shape[1] if gamma is None else gamma, np.random.RandomState(seed), []
    for _ in range(subsets):
        x, y = (of[torch.from_numpy(draw.choice(len(of), size, replace=False)).to(of.device)] for of in (a, b))
        within = [(k.sum() - k.trace()).item() for k in ((scale * s @ s.T + coef0) ** degree for s in (x, y))]
        between = ((scale * x @ y.T + coef0) ** degree).mean().item()
        found.append(sum(within) / (size * (size - 1)) - 2 * between)
    return KernelDistance(float(np.mean(found)), float(np.std(found)))


# --- neighbours and modes ----------------------------------------------------------------------------------------

class PrecisionRecall(NamedTuple):
    """The share of generated samples that are like real ones, and of real ones that are like generated ones."""

    precision: float
    recall: float


def precision_recall(real: Any, generated: Any, k: int = 3) -> PrecisionRecall:
    """Improved precision and recall [Kynkäänniemi et al. 2019].

    A sample is like those of a set if it lies within the distance of one of them to its `k`-th nearest neighbour in
    that set. Precision falls with bad samples, recall where kinds of real samples are missing.

    Parameters
    ----------
    real, generated : NDArray, tensor or array
        Features (N, D) and (M, D), of more than `k` samples.
    k : int
        Which neighbour, not counting the sample itself.

    Returns
    -------
    PrecisionRecall
        Shares from 0 to 1.

    Raises
    ------
    ShapeError, InputError
        As of :func:`frechet_distance`.

    >>> grid = np.stack(np.meshgrid(range(5), range(5)), -1).reshape(-1, 2)
    >>> precision_recall(grid, grid[:10])
    PrecisionRecall(precision=1.0, recall=0.6)
    """
    require(isinstance(k, int) and k > 0, f"precision_recall(): k must be 1 or more, got {k!r}", InputError)
    a, b = _pair("precision_recall", real, generated, k + 1)
    return PrecisionRecall(_share_within(b, a, k), _share_within(a, b, k))


def _distances(rows: Tensor, others: Tensor) -> Tensor:
    return torch.cdist(rows, others, compute_mode="donot_use_mm_for_euclid_dist")


def _radii(samples: Tensor, k: int) -> Tensor:
    """The distance of each sample to its k-th nearest neighbour."""
    return torch.cat([_distances(rows, samples).kthvalue(k + 1).values for rows in samples.split(_BLOCK)])


def _share_within(samples: Tensor, others: Tensor, k: int) -> float:
    """The share of samples that lie in the neighbourhood of one of the others."""
    radii = _radii(others, k)
    within = [(_distances(rows, others) <= radii).any(1) for rows in samples.split(_BLOCK)]
    return torch.cat(within).double().mean().item()


class DensityCoverage(NamedTuple):
    """In how many neighbourhoods of real samples generated ones lie, and the share of them with at least one."""

    density: float
    coverage: float


def density_coverage(real: Any, generated: Any, k: int = 5) -> DensityCoverage:
    """Density and coverage [Naeem et al. 2020]: as precision and recall, but real neighbourhoods count alone.

    Single bad samples, real or generated, disturb them less. Coverage falls where a part of the real samples has no
    generated ones near it.

    Parameters
    ----------
    real, generated, k
        As for :func:`precision_recall`.

    Returns
    -------
    DensityCoverage
        The density, about 1 for samples like the real ones and more where they crowd; the coverage from 0 to 1.

    >>> grid = np.stack(np.meshgrid(range(5), range(5)), -1).reshape(-1, 2)
    >>> density_coverage(grid, grid[:10], k=3).coverage
    0.6
    """
    require(isinstance(k, int) and k > 0, f"density_coverage(): k must be 1 or more, got {k!r}", InputError)
    a, b = _pair("density_coverage", real, generated, k + 1)
    counts = torch.cat([(_distances(rows, b) <= radii[:, None]).sum(1)
                        for rows, radii in zip(a.split(_BLOCK), _radii(a, k).split(_BLOCK))])
    return DensityCoverage(counts.sum().item() / (k * len(b)), (counts > 0).double().mean().item())


class Coverage(NamedTuple):
    """What modes samples fall into.

    Attributes
    ----------
    modes : int
        How many modes have a sample.
    share : float
        Of all modes, from 0 to 1.
    divergence : float
        The Kullback-Leibler divergence of the samples' shares from the expected ones, in nats; 0 where they agree.
    shares : numpy.ndarray
        Of the samples, those in each mode. float64 (classes,)
    """

    modes: int
    share: float
    divergence: float
    shares: np.ndarray


def mode_coverage(predictions: Any, classes: int, expected: Optional[Sequence[float]] = None,
                  least: int = 1) -> Coverage:
    """Which classes generated samples belong to: a generator that makes only some has lost modes.

    Parameters
    ----------
    predictions : NDArray, tensor or array
        What a classifier says of the samples: numbers of classes (N,), or scores (N, classes), of which the largest
        counts.
    classes : int
        How many there are.
    expected : sequence of float, optional
        The share, or number, of real samples in each class; by default all classes are expected alike.
    least : int
        How many samples make a mode count.

    Returns
    -------
    Coverage

    Raises
    ------
    ShapeError, InputError
        For predictions that are no such classes.

    >>> found = mode_coverage([0, 0, 1, 1], 4)
    >>> found.modes, found.share, round(found.divergence, 4), found.shares.tolist()
    (2, 0.5, 0.6931, [0.5, 0.5, 0.0, 0.0])
    """
    tensor = as_tensor(predictions, torch.empty(0)).detach()
    require(tensor.dim() == 1 or tensor.dim() == 2 and tensor.shape[1] == classes and tensor.numel(),
            f"mode_coverage(): expected (N,) or (N, {classes}), got {tuple(tensor.shape)}", ShapeError)
    require(len(tensor), "mode_coverage(): there are no predictions", ShapeError)
    numbers = tensor.argmax(1) if tensor.dim() == 2 else tensor
    require(((numbers == numbers.long()) & (numbers >= 0) & (numbers < classes)).all(),
            f"mode_coverage(): predictions must be whole numbers from 0 to {classes - 1}", InputError)
    counts = torch.bincount(numbers.long(), minlength=classes).double().numpy()
    target = np.ones(classes) if expected is None else np.asarray(as_tensor(expected, torch.empty(0)).double())
    require(target.shape == (classes,) and (target >= 0).all() and target.sum() > 0,
            f"mode_coverage(): expected must be {classes} shares, got {expected!r:.60}", InputError)
    shares, target = counts / counts.sum(), target / target.sum()
    found = shares > 0
    with np.errstate(divide="ignore"):                     # a class that was not expected at all: infinitely far
        divergence = float((shares[found] * np.log(shares[found] / target[found])).sum())
    modes = int((counts >= least).sum())
    return Coverage(modes, modes / classes, max(0.0, divergence), shares)


def _pair(call: str, a: Any, b: Any, least: int) -> tuple[Tensor, Tensor]:
    """Two sets of features in float64, on the device of the first."""
    first = as_tensor(a, a.as_torch() if isinstance(a, NDArray) else torch.empty(0)).detach().double()
    second = as_tensor(b, first).detach().double()
    for tensor in (first, second):
        require(tensor.dim() == 2 and tensor.shape[1] == first.shape[1] > 0 and len(tensor) >= least,
                f"{call}(): expected features (N, D) and (M, D) of {least} samples or more, got shapes "
                f"{tuple(first.shape)} and {tuple(second.shape)}", ShapeError)
        require(tensor.isfinite().all(), f"{call}(): the features hold nan or inf", InputError)
    return first, second
