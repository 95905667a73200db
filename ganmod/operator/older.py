"""The older classes, which describe and run in one object: ``NumpyOp`` and ``NDArrayOp``."""
from __future__ import annotations

import itertools
import warnings
import weakref
from typing import Any, Sequence

import numpy as np

from ..base import MXNetError
from ..context import Context
from ..ndarray import NDArray
from ..ops import custom as _ops
from ..ops import find
from ..ops.registry import Params
from ..symbol import Symbol
from ..symbol.symbol import apply
from .custom import CustomOp, CustomOpProp
from .described import Described

__all__ = ["PythonOp", "NumpyOp", "NDArrayOp"]

_living: "weakref.WeakValueDictionary[str, PythonOp]" = weakref.WeakValueDictionary()
_numbers = itertools.count(1)


class PythonOp:
    """The base of the older operators, :class:`NumpyOp` and :class:`NDArrayOp`: describes and runs in one object.

    Parameters
    ----------
    need_top_grad : bool
        Whether backward uses the gradients of the outputs.
    """

    _operator = ""

    def __init__(self, need_top_grad: bool = True) -> None:
        warnings.warn(f"{type(self).__name__} is a PythonOp, which has been deprecated. Please use CustomOp",
                      stacklevel=2)
        self.need_top_grad_ = need_top_grad
        self.info_ = format(next(_numbers), "x")
        _living[self.info_] = self

    def __call__(self, *args: Symbol, **kwargs: Any) -> Symbol:
        return self.get_symbol(*args, **kwargs)

    def get_symbol(self, *args: Symbol, **kwargs: Any) -> Symbol:
        """A symbol that applies this operator to others, given by position or by name; ``name=`` names it.

        It works in this process only: a file cannot hold it.
        """
        if not self._operator:
            raise NotImplementedError("Must override this")
        attributes: dict[str, Any] = {"info": self.info_}
        if "need_top_grad" in find(self._operator).attributes:
            attributes["need_top_grad"] = self.need_top_grad()
        return apply(find(self._operator), self._operator, args, {**kwargs, **attributes})

    def list_arguments(self) -> list[str]:
        """The names of the inputs."""
        return ["data"]

    def list_outputs(self) -> list[str]:
        """The names of the outputs."""
        return ["output"]

    def infer_shape(self, in_shape: list[list[int]]) -> Sequence[Any]:
        """The shapes of (inputs, outputs)."""
        return in_shape, [in_shape[0]]

    def need_top_grad(self) -> bool:
        """Whether backward uses the gradients of the outputs."""
        return self.need_top_grad_

    def forward(self, in_data: list[Any], out_data: list[Any]) -> None:
        """Write the outputs; by default the first input."""
        out_data[0][:] = in_data[0]

    def backward(self, out_grad: list[Any], in_data: list[Any], out_data: list[Any], in_grad: list[Any]) -> None:
        """Write the gradients of the inputs; by default 1 for the first."""
        in_grad[0][:] = 1.0


class NumpyOp(PythonOp):
    """An operator over numpy arrays: a subclass defines ``forward(in_data, out_data)``, ``backward(out_grad, in_data,
    out_data, in_grad)`` and the lists and shapes of :class:`PythonOp`.
    """

    _operator = "_Native"


class NDArrayOp(PythonOp):
    """An operator over NDArrays, otherwise as :class:`NumpyOp`."""

    _operator = "_NDArray"

    def declare_backward_dependency(self, out_grad: list[int], in_data: list[int], out_data: list[int]) -> list[int]:
        """Which arrays backward uses, of the numbers given."""
        return [*(out_grad if self.need_top_grad() else ()), *in_data, *out_data]


class _OlderProp(CustomOpProp):
    """A :class:`PythonOp` as a :class:`CustomOpProp`."""

    def __init__(self, op: PythonOp) -> None:
        super().__init__(op.need_top_grad())
        self._op = op
        self.list_arguments, self.list_outputs = op.list_arguments, op.list_outputs  # type: ignore[method-assign]
        self.infer_shape = op.infer_shape  # type: ignore[method-assign]
        if isinstance(op, NDArrayOp):
            self.declare_backward_dependency = op.declare_backward_dependency  # type: ignore[method-assign]

    def infer_type(self, in_type: list[Any]) -> Sequence[Any]:
        found = next(t for t in in_type if t is not None)
        return [t or found for t in in_type], [found] * len(self.list_outputs()), []

    def create_operator(self, ctx: Context, in_shapes: list[list[int]], in_dtypes: list[int]) -> CustomOp:
        return _OverNumpy(self._op) if isinstance(self._op, NumpyOp) else _OverArrays(self._op)


class _OverArrays(CustomOp):
    """A :class:`NDArrayOp` as a :class:`CustomOp`."""

    def __init__(self, op: PythonOp) -> None:
        self._op = op

    def forward(self, is_train: bool, req: Any, in_data: Any, out_data: Any, aux: Any) -> None:
        self._op.forward(in_data=in_data, out_data=out_data)

    def backward(self, req: Any, out_grad: Any, in_data: Any, out_data: Any, in_grad: Any, aux: Any) -> None:
        self._op.backward(out_grad=out_grad, in_data=in_data, out_data=out_data, in_grad=in_grad)


class _OverNumpy(_OverArrays):
    """A :class:`NumpyOp` as a :class:`CustomOp`: its arrays are numpy's, and copied back."""

    def forward(self, is_train: bool, req: Any, in_data: Any, out_data: Any, aux: Any) -> None:
        made = _as_numpy(out_data)
        self._op.forward(in_data=_as_numpy(in_data), out_data=made)
        self._assign(out_data, made)

    def backward(self, req: Any, out_grad: Any, in_data: Any, out_data: Any, in_grad: Any, aux: Any) -> None:
        made = _as_numpy(in_grad)
        self._op.backward(out_grad=_as_numpy(out_grad), in_data=_as_numpy(in_data), out_data=_as_numpy(out_data),
                          in_grad=made)
        self._assign(in_grad, made)

    def _assign(self, targets: list[NDArray], values: list[Any]) -> None:
        for target, value in zip(targets, values):
            target[:] = value


def _as_numpy(arrays: list[NDArray]) -> list[np.ndarray[Any, Any]]:
    return [a.asnumpy() for a in arrays]


def _describe(params: Params, _attributes: dict[str, str], title: str) -> _ops.Description:
    op = _living.get(params.info)
    if op is None:
        raise MXNetError(f"{title}: the {'NumpyOp' if title.startswith('_Native') else 'NDArrayOp'} {params.info} does "
                         "not live in this process; such symbols cannot be kept in files. Use CustomOp")
    return Described(_OlderProp(op), f"{title} ({type(op).__name__})")


_ops.native.describe = _ops.ndarray_op.describe = _describe  # type: ignore[attr-defined]
