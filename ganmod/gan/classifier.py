"""A small classifier of the data set at hand, whose features measure generated images without any download."""
from __future__ import annotations

import logging
from typing import Any, NamedTuple, Optional

import numpy as np
import torch

from .. import engine
from .. import symbol as sym
from ..base import InputError, ShapeError, require
from ..context import Context
from ..initializer import Xavier
from ..io import NDArrayIter
from ..module import Module
from ..ndarray import NDArray
from ..ndarray.ndarray import as_tensor
from ..symbol import Symbol
from . import quality
from .sampling import sample

__all__ = ["Classifier", "Quality", "train_classifier"]

_FEATURES = "features"
_TURNS = 4                                                 # classes, of images turned by quarters


class Quality(NamedTuple):
    """How close generated images come to real ones; :mod:`ganmod.gan.quality` says what the numbers are.

    Attributes
    ----------
    frechet, kernel : float
        Distances, 0 for images that do not differ.
    precision, recall, density, coverage : float
        Shares, 1 for images that do not differ.
    modes : int or None
        How many classes the generated images fall into, of `classes`; None where the classes are no modes.
    classes : int or None
    """

    frechet: float
    kernel: float
    precision: float
    recall: float
    density: float
    coverage: float
    modes: Optional[int]
    classes: Optional[int]

    def __str__(self) -> str:
        """One line for each number."""
        lines = [("Frechet distance", f"{self.frechet:.2f}"), ("kernel distance", f"{self.kernel:.4f}"),
                 ("precision", f"{self.precision:.3f}"), ("recall", f"{self.recall:.3f}"),
                 ("density", f"{self.density:.3f}"), ("coverage", f"{self.coverage:.3f}")]
        if self.modes is not None:
            lines.append(("mode coverage", f"{self.modes} of {self.classes}"))
        return "\n".join(f"{name:18} {value}" for name, value in lines)


class Classifier:
    """A trained classifier of images; made by :func:`train_classifier`, or of a module of one's own.

    Parameters
    ----------
    module : Module
        Bound, with parameters; its first output is the probability (N, classes) of each class.
    output : str
        The internal output that serves as features.
    classes : int, optional
        How many modes it tells apart, where its classes are modes of the data.
    """

    def __init__(self, module: Module, output: str = _FEATURES, classes: Optional[int] = None) -> None:
        self.module, self.output, self.classes = module, output, classes

    def features(self, images: Any) -> NDArray:
        """The features (N, D) of images (N, C, H, W)."""
        return quality.features(self.module, images, self.output)

    def probabilities(self, images: Any) -> NDArray:
        """The probability of each class, (N, classes)."""
        return sample(self.module, images)

    def predict(self, images: Any) -> NDArray:
        """The likeliest class of each image, int64 (N,)."""
        return NDArray(self.probabilities(images).as_torch().argmax(1))

    def accuracy(self, images: Any, labels: Any) -> float:
        """The share of images whose likeliest class is their label (N,)."""
        found = self.predict(images).as_torch()
        expected = as_tensor(labels, found)
        require(expected.shape == found.shape, f"accuracy(): {tuple(expected.shape)} labels for {len(found)} images",
                ShapeError)
        return (found == expected).double().mean().item()

    def quality(self, real: Any, generated: Any) -> Quality:
        """Measure generated images against real ones in the feature space.

        Parameters
        ----------
        real, generated : NDArray, tensor or array
            (N, C, H, W) and (M, C, H, W), of 6 images or more; distances of different numbers cannot be compared.
        """
        a, b = self.features(real), self.features(generated)
        near, well = quality.precision_recall(a, b), quality.density_coverage(a, b)
        modes = quality.mode_coverage(self.predict(generated), self.classes).modes if self.classes else None
        return Quality(quality.frechet_distance(a, b), quality.kernel_distance(a, b).mean, *near, *well, modes,
                       self.classes)


def train_classifier(images: Any, labels: Any = None, classes: Optional[int] = None, epochs: int = 15,
                     batch_size: int = 64, seed: int = 0, context: Optional[Context] = None,
                     width: int = 16) -> Classifier:
    """Train a small convolutional network to tell the classes of a data set.

    It knows images of 8x8 pixels or more of any range of values. The program's random numbers go on as if it had not
    been called, and nothing is logged. The result depends on `seed`, and not on which kernels are fast at the moment:
    rounding grows to a tenth of the distances that it measures.

    Parameters
    ----------
    images : NDArray, tensor or array
        (N, C, H, W), at least one batch.
    labels : NDArray, tensor or array, optional
        (N,), whole numbers from 0 on. Without them it learns by how many quarter turns an image is turned, for which
        images must be square: features of such classifiers tell much about images [Gidaris et al. 2018].
    classes : int, optional
        How many there are; by default one more than the largest label.
    epochs, batch_size : int
        How often to go through the images, and how many at once.
    seed : int
        Of the order of images and the initial weights.
    context : Context, optional
        Where to train; the current context by default.
    width : int
        Filters of the first layer; the features are 8 times as many.

    Returns
    -------
    Classifier

    Raises
    ------
    ShapeError, InputError
        For images and labels that do not fit.

    >>> images = np.random.RandomState(0).normal(size=(64, 1, 8, 8))
    >>> labels = np.arange(64) % 2
    >>> images[labels == 1, :, :4] += 3
    >>> train_classifier(images, labels, epochs=3, batch_size=16).accuracy(images, labels)
    1.0
    """
    pixels = as_tensor(images, torch.empty(0)).detach().float().numpy()
    if labels is None:
        made = train_classifier(*_turned(pixels, seed), _TURNS, epochs, batch_size, seed, context, width)
        return Classifier(made.module)
    targets = as_tensor(labels, torch.empty(0)).detach().numpy()
    require(pixels.ndim == 4 and targets.shape == pixels.shape[:1] and min(pixels.shape[2:]) >= 8 and
            len(pixels) >= batch_size, f"train_classifier(): expected {batch_size} images or more (N, C, H, W) of 8x8 "
            f"pixels or more with labels (N,), got shapes {pixels.shape} and {targets.shape}", ShapeError)
    count = int(targets.max()) + 1 if classes is None else classes
    require((targets == targets.astype(int)).all() and targets.min() >= 0 and targets.max() < count,
            f"train_classifier(): labels must be whole numbers from 0 to {count - 1}", InputError)
    order = np.random.RandomState(seed).permutation(len(pixels))
    batches = NDArrayIter(pixels[order], targets[order].astype("float32"), batch_size, last_batch_handle="discard")
    module = Module(_network(count, width), context=context, logger=_silent())
    cuda = list(range(torch.cuda.device_count()))
    numbers = np.random.get_state()
    with engine.fast_kernels(False), torch.random.fork_rng(cuda):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        module.fit(batches, num_epoch=epochs, optimizer="adam", optimizer_params={"learning_rate": 0.003},
                   initializer=Xavier())
    np.random.set_state(numbers)
    return Classifier(module, classes=count)


def _turned(pixels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Each image turned by a random number of quarter turns, and that number."""
    require(pixels.ndim == 4 and pixels.shape[2] == pixels.shape[3], "train_classifier(): without labels, images must "
            f"be square, got shape {pixels.shape}", ShapeError)
    turns = np.random.RandomState(seed).randint(0, _TURNS, len(pixels))
    return np.stack([np.rot90(image, k, (1, 2)) for image, k in zip(pixels, turns)]), turns


def _network(classes: int, width: int) -> Symbol:
    """Images (N, C, H, W) -> probabilities (N, classes)."""
    net = sym.BatchNorm(sym.Variable("data"), fix_gamma=True, name="scaled")       # whatever the range of values is
    for k in (1, 2):
        net = sym.Convolution(net, kernel=(3, 3), pad=(1, 1), num_filter=k * width, no_bias=True, name=f"conv{k}")
        net = sym.Activation(sym.BatchNorm(net, fix_gamma=False, name=f"norm{k}"), act_type="relu", name=f"relu{k}")
        net = sym.Pooling(net, kernel=(2, 2), stride=(2, 2), pool_type="max", name=f"pool{k}")
    net = sym.FullyConnected(sym.Flatten(net), num_hidden=8 * width, name="hidden")
    net = sym.Activation(net, act_type="relu", name=_FEATURES)
    net = sym.FullyConnected(sym.Dropout(net, p=0.3), num_hidden=classes, name="scores")
    made: Symbol = sym.SoftmaxOutput(net, name="softmax")
    return made


def _silent() -> logging.Logger:
    logger = logging.Logger("ganmod.gan.classifier", logging.CRITICAL)             # of no other logger's family
    logger.addHandler(logging.NullHandler())
    return logger
