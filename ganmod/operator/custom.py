"""What users subclass and register: ``CustomOp``, which runs, and ``CustomOpProp``, which describes it."""
from __future__ import annotations

from typing import Any, Callable, Sequence

from ..context import Context
from ..ndarray import NDArray

__all__ = ["CustomOp", "CustomOpProp", "register", "registered"]

#: The classes by the names they were registered under.
registered: dict[str, Any] = {}


class CustomOp:
    """What runs: a subclass defines :meth:`forward`, and :meth:`backward` if a gradient is wanted."""

    def forward(self, is_train: bool, req: list[str], in_data: list[NDArray], out_data: list[NDArray],
                aux: list[NDArray]) -> None:
        """Compute the outputs.

        Parameters
        ----------
        is_train : bool
            Whether this forward is a training one.
        req : list of str
            For each output how it is to be assigned: ``'write'``.
        in_data, out_data : list of NDArray
            The inputs, and the outputs to be assigned, which are zeros before.
        aux : list of NDArray
            The auxiliary states. What is written to them stays.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define forward()")

    def backward(self, req: list[str], out_grad: list[NDArray], in_data: list[NDArray], out_data: list[NDArray],
                 in_grad: list[NDArray], aux: list[NDArray]) -> None:
        """Compute the gradients of the inputs; without a definition they are 0.

        Parameters
        ----------
        req : list of str
            For each input ``'write'``, or ``'null'`` where no gradient is wanted.
        out_grad : list of NDArray
            The gradients of the outputs; empty arrays where ``need_top_grad`` is False.
        in_data, out_data : list of NDArray
            The inputs, and the outputs of the latest forward.
        in_grad : list of NDArray
            The gradients to be assigned, which are zeros before.
        aux : list of NDArray
            The auxiliary states. What is written to them stays.
        """

    def assign(self, dst: NDArray, req: str, src: Any) -> None:
        """Assign `src` to `dst` as `req` says: ``'write'``, ``'inplace'``, ``'add'`` or ``'null'``.

        >>> import ganmod as mx
        >>> a = mx.nd.array([1, 2])
        >>> mx.operator.CustomOp().assign(a, 'add', mx.nd.array([10, 20]))
        >>> a.asnumpy().tolist()
        [11.0, 22.0]
        """
        if req in ("write", "inplace"):
            dst[:] = src
        elif req == "add":
            dst[:] += src


class CustomOpProp:
    """What an operator says of itself, and what makes it. A subclass is registered with :func:`register`.

    Its constructor takes the attributes that ``Custom`` was given, as text.

    Parameters
    ----------
    need_top_grad : bool
        Whether backward uses the gradients of the outputs. A loss does not, and ``backward()`` then needs none.
    """

    need_top_grad_ = True

    def __init__(self, need_top_grad: bool = True) -> None:
        self.need_top_grad_ = need_top_grad

    def list_arguments(self) -> list[str]:
        """The names of the inputs."""
        return ["data"]

    def list_outputs(self) -> list[str]:
        """The names of the outputs."""
        return ["output"]

    def list_auxiliary_states(self) -> list[str]:
        """The names of the auxiliary states."""
        return []

    def infer_shape(self, in_shape: list[list[int]]) -> Sequence[Any]:
        """The shapes of (inputs, outputs) or of (inputs, outputs, states); by default all outputs are as the first
        input.

        Parameters
        ----------
        in_shape : list of list of int
            The shapes of the inputs; empty for one that is unknown, -1 for an unknown size.
        """
        return in_shape, (in_shape[0],) * len(self.list_outputs()), ()

    def infer_type(self, in_type: list[Any]) -> Sequence[Any]:
        """The dtypes of (inputs, outputs) or of (inputs, outputs, states); by default that of the first input."""
        return in_type, [in_type[0]] * len(self.list_outputs()), [in_type[0]] * len(self.list_auxiliary_states())

    def infer_storage_type(self, in_stype: list[str]) -> Sequence[Any]:
        """The storage types of (inputs, outputs, states). All arrays are dense here, so nothing asks for them."""
        return (in_stype, ["default"] * len(self.list_outputs()), ["default"] * len(self.list_auxiliary_states()))

    def infer_storage_type_backward(self, ograd_stype: list[str], in_stype: list[str], out_stype: list[str],
                                    igrad_stype: list[str], aux_stype: list[str]) -> Sequence[Any]:
        """The storage types of a backward's arrays. All arrays are dense here, so nothing asks for them."""
        return tuple(["default"] * len(g) for g in (ograd_stype, in_stype, out_stype, igrad_stype, aux_stype))

    def declare_backward_dependency(self, out_grad: list[int], in_data: list[int], out_data: list[int]) -> list[int]:
        """Which arrays backward uses, of the numbers given. Only whether `out_grad` is among them matters here."""
        return [*(out_grad if self.need_top_grad_ else ()), *in_data, *out_data]

    def create_operator(self, ctx: Context, in_shapes: list[list[int]], in_dtypes: list[int]) -> Any:
        """The :class:`CustomOp` that runs on `ctx` with inputs and states of these shapes and dtypes.

        Dtypes are the numbers that MXNet's files use: 0 is float32, 1 float64, 2 float16, 4 int32.
        """
        return CustomOp()


def register(reg_name: str) -> Callable[[Any], Any]:
    """Decorator that registers a :class:`CustomOpProp` under the name by which ``op_type`` calls it.

    >>> import ganmod as mx
    >>> class Double(mx.operator.CustomOp):
    ...     def forward(self, is_train, req, in_data, out_data, aux):
    ...         self.assign(out_data[0], req[0], in_data[0] * 2)
    ...     def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
    ...         self.assign(in_grad[0], req[0], out_grad[0] * 2)
    >>> @mx.operator.register('double')
    ... class DoubleProp(mx.operator.CustomOpProp):
    ...     def create_operator(self, ctx, in_shapes, in_dtypes):
    ...         return Double()
    >>> mx.nd.Custom(mx.nd.array([1, 2]), op_type='double').asnumpy().tolist()
    [2.0, 4.0]
    """
    def enter(prop_cls: Any) -> Any:
        registered[reg_name] = prop_cls
        return prop_cls
    return enter
