"""``mx.contrib.tensorboard``: metrics as scalars in TensorBoard, through torch's writer."""
from __future__ import annotations

import importlib
from typing import Any, Optional

from ..base import MXNetError

__all__ = ["LogMetricsCallback"]


class LogMetricsCallback:
    """A callback that writes the values of the metric, at the end of a batch or an epoch, as TensorBoard's scalars.

    Parameters
    ----------
    logging_dir : path
        Where the event files go.
    prefix : str, optional
        Put before the name of each metric, with a hyphen.

    Raises
    ------
    MXNetError
        Without the package tensorboard.
    """

    def __init__(self, logging_dir: str, prefix: Optional[str] = None) -> None:
        self.prefix = prefix
        try:
            writer = importlib.import_module("torch.utils.tensorboard").SummaryWriter
        except ImportError as error:
            raise MXNetError(f"LogMetricsCallback needs the package tensorboard: pip install tensorboard ({error})") \
                from None
        self.summary_writer = writer(logging_dir)

    def __call__(self, param: Any) -> None:
        """Write the metric of a ``BatchEndParam``, under the number of its epoch."""
        if param.eval_metric is None:
            return
        for name, value in param.eval_metric.get_name_value():
            name = name if self.prefix is None else f"{self.prefix}-{name}"
            self.summary_writer.add_scalar(name, value, global_step=param.epoch)
