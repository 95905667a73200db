"""``mx.gan``: what only loops with a generator and a discriminator need."""
from . import losses
from .averaging import MovingAverage
from .penalties import gradient_penalty, interpolate, r1_penalty
from .session import Restored, Session
from .spectral import spectral_norm, with_spectral_norm

__all__ = ["losses", "MovingAverage", "Restored", "Session", "gradient_penalty", "interpolate", "r1_penalty",
           "spectral_norm", "with_spectral_norm"]
