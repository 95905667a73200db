"""``mx.gan``: what only loops with a generator and a discriminator need."""
from .averaging import MovingAverage
from .penalties import gradient_penalty, interpolate, r1_penalty
from .spectral import spectral_norm, with_spectral_norm

__all__ = ["MovingAverage", "gradient_penalty", "interpolate", "r1_penalty", "spectral_norm", "with_spectral_norm"]
