"""The moving average of a generator's parameters, as a module to sample from."""
from __future__ import annotations

from typing import Any, Optional, Sequence

import torch

from ..base import InputError, StateError, require
from ..module import Module

__all__ = ["MovingAverage"]


class MovingAverage:
    """Follows a module's parameters: ``average = decay * average + (1 - decay) * parameter``; states are copied.

    Images of the average are steadier than those of the latest parameters [Yazıcı et al. 2019].

    Parameters
    ----------
    module : Module
        Bound, with parameters, on one or several contexts; the first one's are followed, as all are equal.
    decay : float
        In [0, 1); the average is over about ``1 / (1 - decay)`` updates.
    data_shapes : list of DataDesc or (name, shape), optional
        What batches the average is to be sampled with; by default the module's own.

    Attributes
    ----------
    module : Module
        The average, bound for inference on the first context: ``forward``, ``get_outputs``, ``save_checkpoint``.

    Raises
    ------
    StateError
        Without bind and init_params.
    InputError
        For a decay that is not in [0, 1).

    >>> import ganmod as mx
    >>> net = mx.mod.Module(mx.sym.FullyConnected(mx.sym.Variable('rand'), num_hidden=1, name='fc'), ['rand'], None)
    >>> net.bind([('rand', (2, 3))])
    >>> net.init_params(mx.init.One())
    >>> average = MovingAverage(net, decay=0.75)
    >>> net.set_params({'fc_weight': mx.nd.ones((1, 3)) * 5, 'fc_bias': mx.nd.ones((1,))}, {})
    >>> average.update()
    >>> average.module.get_params()[0]['fc_weight'].asnumpy().tolist()
    [[2.0, 2.0, 2.0]]
    """

    def __init__(self, module: Module, decay: float = 0.999, data_shapes: Optional[Sequence[Any]] = None) -> None:
        require(module.binded and module.params_initialized, "MovingAverage needs a bound module with parameters",
                StateError)
        require(0 <= decay < 1, f"MovingAverage: decay must be in [0, 1), got {decay}", InputError)
        self._source, self.decay = module, decay
        self.module = Module(module._symbol, module.data_names, module.label_names or None,
                             context=module._exec_group.contexts[0])
        self.module.bind(data_shapes or module.data_shapes, for_training=False)
        self.module.init_params(None, *module.get_params())

    @torch.no_grad()
    def update(self) -> None:
        """Take in the module's present parameters; once after each of its updates."""
        source, target = self._source._exec_group, self.module._exec_group
        torch._foreach_lerp_(_first(target.param_arrays), _first(source.param_arrays), 1 - self.decay)
        if source.aux_arrays:
            torch._foreach_copy_(_first(target.aux_arrays), _first(source.aux_arrays))
        self.module._params_dirty = True


def _first(arrays: Any) -> list[torch.Tensor]:
    return [group[0].as_torch() for group in arrays]
