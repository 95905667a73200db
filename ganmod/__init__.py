"""ganmod: MXNet's Module API, running on PyTorch. ``import ganmod as mx``."""
from typing import Any as _Any

from . import (
    attribute,
    autograd,
    base,
    callback,
    context,
    contrib,
    engine,
    executor,
    executor_manager,
    feedforward,
    gan,
    image,
    initializer,
    io,
    kvstore,
    log,
    lr_scheduler,
    metric,
    model,
    module,
    monitor,
    name,
    ndarray,
    operator,
    optimizer,
    profiler,
    random,
    recordio,
    registry,
    rnn,
    runtime,
    symbol,
    test_utils,
    util,
    visualization,
)
from . import image as img
from . import initializer as init
from . import kvstore as kv
from . import module as mod
from . import monitor as mon
from . import ndarray as nd
from . import optimizer as opt
from . import random as rnd
from . import symbol as sym
from . import visualization as viz
from .attribute import AttrScope
from .base import MXNetError
from .compat.names import LACKING as _LACKING
from .context import Context, cpu, cpu_pinned, current_context, gpu, gpu_memory_info, num_gpus

__version__ = "0.1.0"

setattr(model, "FeedForward", feedforward.FeedForward)  # noqa: B010  (above module/, which model is below)


def __getattr__(wanted: str) -> _Any:
    """What ganmod knowingly lacks is said in a sentence."""
    reason = f": {_LACKING[wanted]}" if wanted in _LACKING else ""
    raise AttributeError(f"ganmod has no {wanted!r}{reason}")
