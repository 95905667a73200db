"""``mx.image``, also ``mx.img``: reading images, changing them by chance, and batches of them.

An image is an NDArray (height, width, channels); as it is read, uint8, and red, green, blue. What decodes and resizes
is OpenCV, an optional dependency; what is drawn at random follows ``random.seed`` and ``numpy.random.seed``.
"""
from . import detection, image
from . import detection as det
from .detection import *  # noqa: F403
from .image import *  # noqa: F403

__all__ = ["det", "detection", "image",
           *(name for part in (image, detection) for name in part.__all__ if not name.startswith("_"))]
