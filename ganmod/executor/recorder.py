"""The recorder: runs a function of tensors once, and notes each call of torch's that it comes down to.

It runs on the real tensors. Stand-ins without values would save that one run, but the parts of torch that make them
take longer to import than most networks take to run, and 80 MiB.
"""
from __future__ import annotations

import operator
from typing import Any, Callable, Sequence

import torch
from torch import Tensor, fx
from torch.fx.node import map_aggregate
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from ..base import Untraceable
from ..ops import custom

__all__ = ["recorded"]

aten = torch.ops.aten
_OF_VALUES = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}


def recorded(function: Callable[..., Any], inputs: Sequence[Tensor]) -> fx.Graph:
    """The calls that a function of tensors makes, as a graph whose owning module has the constants.

    Every node that gives a tensor has one without values, of the same shape and strides, as ``meta["val"]``, and its
    device as ``meta["device"]``. Python operators are noted, but not run. Generators of random numbers are left as they
    were.

    Parameters
    ----------
    function : callable
        Returns tensors, in nested tuples and lists, and ``None``.
    inputs : sequence of Tensor
        What it is called with.

    Raises
    ------
    Untraceable
        If it looks at the values of a tensor, so that other values could lead to other calls.
    """
    own = [i.detach() for i in inputs]                     # one tensor given twice is two inputs
    recorder = _Recorder(own)
    with torch.random.fork_rng(devices={i.device.index for i in own if i.is_cuda}), recorder:
        results = function(*own)
    recorder.graph.output(map_aggregate(results, recorder.node_of))
    return recorder.graph


class _Recorder(TorchDispatchMode):
    """Notes what runs beneath autograd, which is also what autograd runs when it computes gradients."""

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        super().__init__()
        self.constants = fx.GraphModule({}, fx.Graph())
        self.graph = fx.Graph(self.constants)
        self._nodes: Any = WeakTensorKeyDictionary()
        self._count = 0
        for k, tensor in enumerate(inputs):
            self._note(self.graph.placeholder(f"input_{k}"), tensor)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False: the wrapper that keeps torch's compiler out of the next method imports that compiler."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        with self:                                         # an operator that is made of others comes apart
            parts = func.decompose(*args, **kwargs)
        if parts is not NotImplemented:
            return parts
        if not _OF_VALUES.isdisjoint(func.tags):
            raise Untraceable(f"{func} depends on values")
        function = aten.lift_fresh_copy.default if func is aten.lift_fresh.default else func
        node = self.graph.call_function(function, *(map_aggregate(given, self.node_of) for given in (args, kwargs)))
        results = custom.BLANK.get(func, func)(*args, **kwargs)
        self._note(node, results)
        return results

    def node_of(self, value: Any) -> Any:
        """The node that gave a tensor, or a new one for a constant; anything else as it is."""
        if not isinstance(value, Tensor):
            return value
        if value not in self._nodes:
            name = f"constant_{self._count}"
            self._count += 1
            self.constants.register_buffer(name, value.detach())
            self._note(self.graph.get_attr(name), value)
        return self._nodes[value]

    def _note(self, node: fx.Node, results: Any) -> None:
        if isinstance(results, (tuple, list)):
            for k, result in enumerate(results):
                if isinstance(result, Tensor):
                    self._note(self.graph.call_function(operator.getitem, (node, k)), result)
        elif isinstance(results, Tensor):
            self._nodes[results] = node
            node.meta["device"] = results.device
            if results.layout is torch.strided:
                node.meta["val"] = torch.empty_strided(results.shape, results.stride(), dtype=results.dtype,
                                                       device="meta")
