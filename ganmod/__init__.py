"""ganmod: MXNet's Module API, running on PyTorch. ``import ganmod as mx``."""
from . import attribute, base, context, name, ndarray, registry
from . import ndarray as nd
from .attribute import AttrScope
from .base import MXNetError
from .context import Context, cpu, cpu_pinned, current_context, gpu, gpu_memory_info, num_gpus

__version__ = "0.1.0"
