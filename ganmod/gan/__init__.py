"""``mx.gan``: what only loops with a generator and a discriminator need."""
from . import latents, losses, pictures
from .averaging import MovingAverage
from .latents import lerp, one_hot, slerp, spherical, towards_mean, truncated_gaussian, with_classes
from .penalties import gradient_penalty, interpolate, r1_penalty
from .sampling import sample
from .session import Restored, Session
from .spectral import spectral_norm, with_spectral_norm

__all__ = ["MovingAverage", "Restored", "Session", "gradient_penalty", "interpolate", "latents", "lerp", "losses",
           "one_hot", "pictures", "r1_penalty", "sample", "slerp", "spectral_norm", "spherical", "towards_mean",
           "truncated_gaussian", "with_classes", "with_spectral_norm"]
