"""Running a bound module over any number of samples."""
from __future__ import annotations

from typing import Any, Sequence, Union

import torch

from ..base import InputError, ShapeError, StateError, require
from ..io import DataBatch
from ..module import Module
from ..ndarray import NDArray
from ..ndarray.ndarray import as_tensor

__all__ = ["sample"]


def sample(module: Module, data: Union[Any, Sequence[Any]]) -> NDArray:
    """A module's first output for any number of samples, in inference mode, by batches of its bound size.

    Parameters
    ----------
    module : Module
        Bound, with parameters; such as a generator, or a moving average's module. It stays bound as it is.
    data : NDArray, tensor or array, or a list of them
        (N, ...) for each of the module's data inputs.

    Returns
    -------
    NDArray
        (N, ...)

    Raises
    ------
    StateError
        Before bind and init_params.
    InputError, ShapeError
        For another number of inputs, or samples of another shape than is bound.

    >>> import ganmod as mx
    >>> net = mx.mod.Module(mx.sym.Variable('rand') * 2, ['rand'], None)
    >>> net.bind([('rand', (2, 1))], for_training=False)
    >>> net.init_params()
    >>> sample(net, mx.nd.array([[1], [2], [3]])).asnumpy().ravel().tolist()
    [2.0, 4.0, 6.0]
    """
    require(module.binded and module.params_initialized, "sample() needs a bound module with parameters", StateError)
    arrays = list(data) if isinstance(data, (list, tuple)) else [data]
    shapes = module.data_shapes
    require(len(arrays) == len(shapes), f"sample(): the module takes {', '.join(d.name for d in shapes)}, got "
            f"{len(arrays)} arrays", InputError)
    like = torch.empty(0, device=module._exec_group.contexts[0].device)
    tensors = [as_tensor(array, like).detach() for array in arrays]
    for shape, tensor in zip(shapes, tensors):
        require(tuple(tensor.shape[1:]) == tuple(shape.shape[1:]) and len(tensor) == len(tensors[0]) > 0,
                f"sample(): {shape.name!r} is bound with shape {tuple(shape.shape)}, got {tuple(tensor.shape)}",
                ShapeError)
    count, size, found = len(tensors[0]), shapes[0].shape[0], []
    for start in range(0, count, size):
        rows = torch.arange(start, start + size, device=like.device) % count
        module.forward(DataBatch([NDArray(tensor[rows]) for tensor in tensors]), is_train=False)
        found.append(module.get_outputs()[0].as_torch()[:count - start].clone())
    return NDArray(torch.cat(found))
