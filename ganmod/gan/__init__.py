"""``mx.gan``: what only loops with a generator and a discriminator need."""
from . import datasets, latents, losses, pictures, quality, run
from .averaging import MovingAverage
from .classifier import Classifier, Quality, train_classifier
from .latents import lerp, one_hot, slerp, spherical, towards_mean, truncated_gaussian, with_classes
from .penalties import gradient_penalty, interpolate, r1_penalty
from .quality import (
    density_coverage,
    features,
    frechet_distance,
    kernel_distance,
    mode_coverage,
    precision_recall,
)
from .run import Run
from .sampling import sample
from .session import Restored, Session
from .spectral import spectral_norm, with_spectral_norm

__all__ = ["Classifier", "MovingAverage", "Quality", "Restored", "Run", "Session", "datasets", "density_coverage",
           "features", "frechet_distance", "gradient_penalty", "interpolate", "kernel_distance", "latents", "lerp",
           "losses", "mode_coverage", "one_hot", "pictures", "precision_recall", "quality", "r1_penalty", "run",
           "sample", "slerp", "spectral_norm", "spherical", "towards_mean", "train_classifier", "truncated_gaussian",
           "with_classes", "with_spectral_norm"]
