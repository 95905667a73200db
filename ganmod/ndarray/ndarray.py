"""``NDArray``: a numpy-like handle on exactly one torch tensor."""
from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional, Sequence, Union

import numpy as np
import torch

from ..base import InputError, ShapeError, numeric_types, to_numpy_dtype, to_torch_dtype
from ..context import Context, cpu, gpu, num_gpus
from ..ops import registry as ops
from ..ops import storage
from ..ops.shapes import reshape_target
from . import indexing, recording
from .dunders import ArrayArithmetic
from .running import run

__all__ = ["NDArray", "array_of", "from_torch", "context_of", "as_tensor", "invoke", "tracked_array"]

Number = Union[int, float, np.generic]


def context_of(tensor: torch.Tensor) -> Context:
    """The context that a tensor's device corresponds to."""
    return gpu(tensor.device.index or 0) if tensor.device.type == "cuda" else cpu(0)


# --- running operators -------------------------------------------------------------------------------------------

def invoke(op: ops.Operator, inputs: Sequence["NDArray"], attributes: dict[str, Any],
           out: "NDArray | Sequence[NDArray] | None" = None) -> Any:
    """Run an operator on arrays: one array, or a list where it has several outputs; written into `out` if given.

    Raises
    ------
    ShapeError
        If the shapes or dtypes of the inputs do not fit together.
    MXNetError
        If the operator fails for another reason.
    """
    tracked = recording.is_recording() and any(a._record is not None for a in inputs)
    results = run(op, [a._tracked() if tracked else a._tensor for a in inputs], attributes)
    if out is None:
        ctx = inputs[0]._ctx if inputs else None
        arrays = [tracked_array(r, ctx) if tracked else array_of(r, ctx) for r in results]
    else:
        arrays = [out] if isinstance(out, NDArray) else list(out)
        for array, result in zip(arrays, results):
            array_of(result).copyto(array)
    return arrays[0] if len(arrays) == 1 else arrays


_CLASSES: dict[torch.layout, Callable[..., "NDArray"]] = {}    # the sparse ones enter themselves


def array_of(tensor: torch.Tensor, ctx: Optional[Context] = None) -> "NDArray":
    """The array over a tensor, of the class that fits its storage."""
    return _CLASSES.get(tensor.layout, NDArray)(tensor, ctx)


def tracked_array(tensor: torch.Tensor, ctx: Optional[Context]) -> "NDArray":
    """The array of a recorded result, or of a plain one if no gradient reaches it."""
    made = array_of(tensor.detach(), ctx)
    if tensor.requires_grad:
        made._record = recording.Record(tensor if tensor.dim() else tensor.reshape(1))
    return made


class NDArray(ArrayArithmetic):
    """An array on a device: a handle on one ``torch.Tensor``.

    Slices and :meth:`reshape` are views that share memory; ``a[:] = x`` and ``a += b`` write in place. There are no
    0-dimensional arrays: an element has shape ``(1,)``. Usually made by :func:`ganmod.nd.array` and its kin.

    Parameters
    ----------
    data : torch.Tensor
        The tensor to hold; shared, not copied. A 0-dimensional one is seen as shape (1,).
    ctx : Context, optional
        The context to report; by default the one that fits the tensor's device.

    >>> import ganmod as mx
    >>> a = mx.nd.zeros((2, 3))
    >>> row = a[0]
    >>> row += 1
    >>> a.asnumpy().tolist()
    [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    """

    __array_priority__ = 1000.0
    __slots__ = ("_tensor", "_ctx", "_record", "__weakref__")

    if TYPE_CHECKING:
        def __getattr__(self, name: str) -> Any:
            """The operators that :mod:`ganmod.ops.fluent` makes methods of: ``a.sum(axis=1)``."""

    def __init__(self, data: torch.Tensor, ctx: Optional[Context] = None) -> None:
        if not isinstance(data, torch.Tensor):
            raise InputError(f"NDArray holds a torch.Tensor, got {type(data).__name__}; use mx.nd.array to convert")
        self._tensor = data if data.dim() else data.reshape(1)
        self._ctx = ctx
        self._record: Optional[recording.Record] = None

    # --- what it is ----------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the axes."""
        return tuple(self._tensor.shape)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._tensor.dim()

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._tensor.numel()

    @property
    def dtype(self) -> Any:
        """The numpy scalar type of the elements, such as ``numpy.float32``."""
        return to_numpy_dtype(self._tensor.dtype)

    @property
    def context(self) -> Context:
        """Where the array lives."""
        return self._ctx if self._ctx is not None else context_of(self._tensor)

    ctx = context

    @property
    def stype(self) -> str:
        """The storage type: ``'default'``, which is dense, ``'csr'`` or ``'row_sparse'``."""
        return storage.storage_of(self._tensor)

    @property
    def writable(self) -> bool:
        """Whether elements can be assigned."""
        return True

    @property
    def T(self) -> "NDArray":  # noqa: N802
        """A copy with the axes reversed."""
        return self._derived(lambda t: t.permute(*reversed(range(t.dim()))).clone(
            memory_format=torch.contiguous_format))

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.shape))
        return f"\n{self.asnumpy()}\n<NDArray {shape} @{self.context}>"

    def __len__(self) -> int:
        return self.shape[0]

    def __bool__(self) -> bool:
        if self.size > 1:
            raise ValueError("The truth value of an NDArray with multiple elements is ambiguous.")
        return self.size == 1 and bool(self._tensor.item())

    def __iter__(self) -> Iterator["NDArray"]:
        for k in range(len(self)):
            yield self[k]

    # --- in and out ----------------------------------------------------------------------------------------------

    def as_torch(self) -> torch.Tensor:
        """The tensor itself, shared; what is written to it is seen here."""
        return storage.publish(self._tensor)

    def asnumpy(self) -> np.ndarray[Any, Any]:
        """A copy as a numpy array (bfloat16, which numpy lacks, as float32)."""
        tensor = self._tensor.detach()
        if tensor.dtype is torch.bfloat16:
            tensor = tensor.float()
        return np.array(tensor.cpu().numpy(), order="C", copy=True)

    def asscalar(self) -> Any:
        """The only element, as a numpy scalar.

        Raises
        ------
        ValueError
            If there is more or less than one element.
        """
        if self.size != 1:
            raise ValueError(f"The current array is not a scalar: it has shape {self.shape}")
        return self.asnumpy().reshape(-1)[0]

    def item(self) -> Any:
        """The only element, as a Python number."""
        return self.asscalar().item()

    def __float__(self) -> float:
        return float(self.asscalar())

    def __int__(self) -> int:
        return int(self.asscalar())

    def __index__(self) -> int:
        return operator.index(self.item())

    def __array__(self, dtype: Any = None, copy: Optional[bool] = None) -> np.ndarray[Any, Any]:
        made = self.asnumpy()
        return made if dtype is None else made.astype(dtype)

    def to_dlpack_for_read(self) -> Any:
        """A DLPack capsule over the memory, once the values are computed."""
        self.wait_to_read()
        return torch.utils.dlpack.to_dlpack(self.as_torch())

    to_dlpack_for_write = to_dlpack_for_read

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.as_torch().__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return self._tensor.__dlpack_device__()

    def __reduce__(self) -> Any:
        return _rebuild, (self._tensor.detach().cpu().clone(), self.context)    # a view would take its base along

    def __deepcopy__(self, _memo: Any = None) -> "NDArray":
        return self.copy()

    __copy__ = __deepcopy__

    # --- copying -------------------------------------------------------------------------------------------------

    def copy(self) -> "NDArray":
        """A copy on the same context."""
        return self._derived(lambda t: t.clone(memory_format=torch.contiguous_format))

    def copyto(self, other: "NDArray | Context") -> "NDArray":
        """Copy into another array (cast to its dtype), or to a new array on a context; returns the target.

        Raises
        ------
        ShapeError
            If the other array has another shape.
        """
        if isinstance(other, Context):
            device = other.device
            return self._derived(lambda t: t.to(device, copy=True), other)
        if not isinstance(other, NDArray):
            raise InputError(f"copyto() takes an NDArray or a Context, got {type(other).__name__}")
        if other.shape != self.shape:
            raise ShapeError(f"copyto(): this array has shape {self.shape}, the target {other.shape}")
        other._check_writable("copyto()")
        storage.write(other._tensor, self._tensor)
        return other

    def as_in_context(self, context: Context) -> "NDArray":
        """This array if it lives on `context`, else a copy there."""
        return self if context == self.context else self.copyto(context)

    as_in_ctx = as_in_context

    def as_nd_ndarray(self) -> "NDArray":
        """This array; there is only one array type."""
        return self

    def astype(self, dtype: Any, copy: bool = True) -> "NDArray":
        """A copy with another dtype; without `copy`, this array where the dtype is already the one asked for."""
        wanted = to_torch_dtype(dtype)
        if not copy and wanted is self._tensor.dtype:
            return self
        return self._derived(lambda t: t.to(wanted, copy=True))

    def detach(self) -> "NDArray":
        """The same memory, without a history of operations."""
        return NDArray(self._tensor.detach(), self._ctx)

    # --- gradients -----------------------------------------------------------------------------------------------

    @property
    def grad(self) -> "NDArray | None":
        """The gradient array of :meth:`attach_grad`; None without."""
        return None if self._record is None else self._record.gradient

    def attach_grad(self, grad_req: str = "write", stype: Optional[str] = None) -> None:
        """Have backward write this array's gradient to :attr:`grad`; see :func:`ganmod.autograd.record`."""
        if grad_req not in ("write", "add", "null"):
            raise InputError(f"grad_req is {grad_req!r}; expected one of write, add, null")
        leaf = storage.dense(self._tensor.detach()).requires_grad_(grad_req != "null")
        kind = stype or ("default" if self.stype == "csr" else self.stype)
        gradient = storage.zeros(kind, self.shape, self._tensor.dtype, self._tensor.device)
        self._record = recording.Record(leaf, array_of(gradient, self._ctx), grad_req)

    def backward(self, out_grad: "NDArray | None" = None, retain_graph: bool = False, train_mode: bool = True) -> None:
        """Compute the gradients of what this array was recorded from, into the arrays attached there."""
        recording.backward([self], [out_grad], retain_graph)

    def tostype(self, stype: str) -> "NDArray":
        """A copy in another storage type: ``'default'``, ``'csr'`` or ``'row_sparse'``; in its own, this array.

        >>> import ganmod as mx
        >>> mx.nd.array([[0, 2], [0, 0]]).tostype('csr').data.asnumpy().tolist()
        [2.0]
        """
        return self if stype == self.stype else invoke(ops.find("cast_storage"), [self], {"stype": stype})

    def wait_to_read(self) -> None:
        """Return when the values are computed."""
        if self._tensor.is_cuda:
            torch.cuda.synchronize(self._tensor.device)

    wait_to_write = wait_to_read

    # --- shapes --------------------------------------------------------------------------------------------------

    def reshape(self, *shape: Any, **kwargs: Any) -> "NDArray":
        """A view of another shape, with MXNet's codes 0, -1, -2, -3 and -4 and its ``reverse``.

        >>> import ganmod as mx
        >>> mx.nd.zeros((2, 3, 4)).reshape((-3, 0)).shape
        (6, 4)
        """
        reverse = kwargs.pop("reverse", False)
        codes = kwargs.pop("shape", shape[0] if len(shape) == 1 and not isinstance(shape[0], (int, np.integer))
                           else shape)
        if kwargs:
            raise TypeError(f"reshape() takes a shape and reverse=, got {', '.join(kwargs)}")
        codes = (codes,) if isinstance(codes, (int, np.integer)) else tuple(map(int, codes))
        target = reshape_target(self.shape, codes, reverse)
        return self._derived(lambda t: t.reshape(target))

    # --- what arithmetic and autograd need ------------------------------------------------------------------------

    def _applied(self, name: str, inputs: Sequence["NDArray"], attributes: dict[str, Any]) -> Any:
        return invoke(ops.find(name), inputs, attributes)

    def _operand(self, other: Any) -> "NDArray | None":
        """The other side of an operator symbol as an array; numpy's take the dtype of this one."""
        if isinstance(other, np.ndarray):
            return NDArray(as_tensor(other, self._tensor).to(self._tensor.dtype))
        return other if isinstance(other, NDArray) else None

    def _tracked(self) -> torch.Tensor:
        """The tensor that recorded calls use in place of this array's own."""
        return self._tensor if self._record is None else self._record.tensor

    def _derived(self, function: Callable[[torch.Tensor], torch.Tensor], ctx: Optional[Context] = None) -> "NDArray":
        """An array made from this one by a torch function, recorded if calls are."""
        ctx = ctx or self._ctx
        if self._record is None or not recording.is_recording():
            return array_of(function(self._tensor), ctx)
        return tracked_array(function(self._record.tensor), ctx)

    # --- elements ------------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> "NDArray":
        """The part that a number, slices, arrays or a mask name: a view if it is one stretch of memory, else a copy."""
        return self._derived(lambda t: indexing.read(t, key, _unwrap))

    def __setitem__(self, key: Any, value: Any) -> None:
        """Write a number or an array, which broadcasts and is cast, into a part of this array."""
        self._check_writable("assignment")
        mine = self._tensor
        if isinstance(value, numeric_types):
            number = indexing.number_for(value, mine.dtype)
            if isinstance(key, slice) and key == _EVERYTHING:
                mine.fill_(number)
            else:
                indexing.write(mine, key, number, _unwrap)
            return
        source = storage.dense(as_tensor(value, mine))
        if isinstance(key, slice) and key == _EVERYTHING and source.shape == mine.shape:
            mine.copy_(source)
        else:
            indexing.write(mine, key, source, _unwrap)

    def _sync_copyfrom(self, source_array: Any) -> None:
        """Write an array-like of the same shape."""
        self[:] = source_array


_EVERYTHING = slice(None)


def _rebuild(tensor: torch.Tensor, ctx: Context) -> NDArray:
    """What unpickling calls; an array from a GPU that is not here comes to the CPU."""
    if ctx.device_type == "gpu" and ctx.device_id >= num_gpus():
        ctx = cpu()
    return NDArray(tensor.to(ctx.device), ctx)


def from_torch(tensor: torch.Tensor) -> NDArray:
    """An NDArray that shares a tensor's memory.

    >>> t = torch.zeros(2)
    >>> from_torch(t)[:] = 1
    >>> t
    tensor([1., 1.])
    """
    return NDArray(tensor)


def as_tensor(value: Any, like: torch.Tensor) -> torch.Tensor:
    """The tensor of an NDArray, tensor, numpy array or nested list, on the device of `like`."""
    if isinstance(value, NDArray):
        return value._tensor.to(like.device)
    if isinstance(value, torch.Tensor):
        return value.to(like.device)
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise TypeError
        return torch.as_tensor(np.require(np.ascontiguousarray(array), requirements="W"), device=like.device)
    except (TypeError, ValueError):
        raise InputError(f"expected an NDArray, a numpy array or nested lists of numbers, got {value!r:.80}") from None


def _unwrap(value: Any) -> Any:
    """What stands in a key, as a tensor where it is an array of ours."""
    return value._tensor if isinstance(value, NDArray) else value
