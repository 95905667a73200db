"""Making arrays: from Python and numpy data, from numbers, and from other libraries' memory."""
from __future__ import annotations

import re
from typing import Any, Optional, Sequence, Union

import numpy as np
import torch

from ..base import InputError, ShapeError, require, to_torch_dtype
from ..context import Context, current_context
from ..ops import registry as ops
from ..ops import storage
from .ndarray import NDArray, array_of, invoke

__all__ = ["array", "empty", "zeros", "ones", "full", "arange", "linspace", "eye",
           "waitall", "from_numpy", "from_dlpack", "to_dlpack_for_read", "to_dlpack_for_write"]

Shape = Union[int, Sequence[int]]
AnyContext = Union[Context, str, None]


def as_context(ctx: AnyContext) -> Context:
    """A context from a context, its name such as ``'gpu(0)'``, or None for the current one.

    >>> as_context("cpu(1)")
    cpu(1)
    """
    if isinstance(ctx, Context):
        return ctx
    if ctx is None:
        return current_context()
    named = re.fullmatch(r"(\w+?)(?:\((\d+)\))?", ctx) if isinstance(ctx, str) else None
    if not named:
        raise InputError(f"expected a context such as mx.cpu() or mx.gpu(0), got {ctx!r}")
    return Context(named[1], int(named[2] or 0))


def _shape(shape: Any) -> tuple[int, ...]:
    """A shape from a number or a sequence of them."""
    try:
        sizes = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
        if not all(isinstance(size, (int, np.integer)) for size in sizes):
            raise TypeError
    except TypeError:
        raise InputError(f"expected a shape (an int or a tuple of ints), got {shape!r}") from None
    require(all(size >= 0 for size in sizes), f"a shape has no negative sizes, got {sizes}", ShapeError)
    return tuple(map(int, sizes)) or (1,)


def array(source_array: Any, ctx: AnyContext = None, dtype: Any = None) -> NDArray:
    """A new array with the values of nested lists, a numpy array, a tensor or another NDArray.

    A sparse NDArray, or a matrix of ``scipy.sparse``, makes a sparse array.

    Parameters
    ----------
    source_array : array-like
        The values, copied. A single number makes an array of shape (1,).
    ctx : Context, optional
        Where to make it; the current context by default.
    dtype : str, type or None
        None is the dtype of an NDArray, and float32 for everything else, whatever numpy's dtype was.

    Raises
    ------
    InputError
        If the values are not numbers in equally long rows.

    >>> array([[1, 2], [3, 4]]).shape, array(np.arange(3)).dtype.__name__
    ((2, 2), 'float32')
    """
    context = as_context(ctx)
    if isinstance(source_array, NDArray):
        source = source_array.as_torch().detach()
        return array_of(source.to(context.device, to_torch_dtype(dtype) if dtype else source.dtype, copy=True), context)
    if type(source_array).__module__.startswith("scipy.sparse"):
        return _compressed(source_array.tocsr(), context, dtype)
    wanted = to_torch_dtype(dtype)
    if isinstance(source_array, torch.Tensor):
        return NDArray(source_array.detach().to(context.device, wanted, copy=True), context)
    values = _numbers(source_array)
    tensor = torch.from_numpy(np.array(values, order="C", copy=True)).to(context.device, wanted)
    return NDArray(tensor, context)


def _compressed(matrix: Any, ctx: Context, dtype: Any) -> NDArray:
    """The array of a ``scipy.sparse.csr_matrix``."""
    matrix.sort_indices()
    parts = (torch.from_numpy(np.array(part, copy=True)).to(ctx.device) for part in (
        matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64), matrix.data))
    begins, columns, values = parts
    return array_of(storage.csr_tensor(begins, columns, values.to(to_torch_dtype(dtype or matrix.dtype)),
                                       tuple(map(int, matrix.shape))), ctx)


def _numbers(values: Any) -> np.ndarray[Any, Any]:
    """`values` as a numpy array of a dtype that torch has."""
    try:
        made = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise InputError(f"an array is made of numbers in equally long rows, got {values!r:.80}: {error}") from None
    if made.dtype.kind not in "biuf":
        raise InputError(f"an array is made of numbers, got {type(values).__name__} {values!r:.80} "
                         f"(numpy dtype {made.dtype})")
    if made.dtype.kind == "u" and made.dtype.itemsize > 1:          # torch lacks most operations on these
        made = made.astype(np.int64)
    return made.astype(made.dtype.newbyteorder("="), copy=False)


def _make(maker: Any, shape: Any, ctx: AnyContext, dtype: Any, out: Optional[NDArray] = None, **kwargs: Any) -> NDArray:
    kwargs.pop("name", None)
    require(not kwargs, f"unexpected argument(s) {', '.join(kwargs)}; expected shape, ctx, dtype and out", InputError)
    context = as_context(ctx) if out is None else out.context
    made = NDArray(maker(_shape(shape), dtype=to_torch_dtype(dtype), device=context.device), context)
    return made if out is None else made.copyto(out)


def empty(shape: Shape, ctx: AnyContext = None, dtype: Any = None, stype: Optional[str] = None) -> NDArray:
    """An array whose values are whatever the memory held.

    >>> empty((2, 3)).shape
    (2, 3)
    """
    return zeros(shape, ctx, dtype, stype) if stype not in (None, "default") else _make(torch.empty, shape, ctx, dtype)


def zeros(shape: Shape, ctx: AnyContext = None, dtype: Any = None, stype: Optional[str] = None,
          **kwargs: Any) -> NDArray:
    """An array of zeros, float32 unless `dtype` says otherwise; with a sparse `stype` none is stored.

    >>> zeros(2).asnumpy().tolist()
    [0.0, 0.0]
    """
    if stype not in (None, "default"):
        context = as_context(ctx)
        return array_of(storage.zeros(stype, _shape(shape), to_torch_dtype(dtype), context.device), context)
    return _make(torch.zeros, shape, ctx, dtype, **kwargs)


def ones(shape: Shape, ctx: AnyContext = None, dtype: Any = None, **kwargs: Any) -> NDArray:
    """An array of ones, float32 unless `dtype` says otherwise.

    >>> ones((1, 2), dtype="int32").asnumpy().tolist()
    [[1, 1]]
    """
    return _make(torch.ones, shape, ctx, dtype, **kwargs)


def full(shape: Shape, val: Any, ctx: AnyContext = None, dtype: Any = np.float32,
         out: Optional[NDArray] = None) -> NDArray:
    """An array that holds the number `val` everywhere, in `out` if given.

    >>> full((2,), 7).asnumpy().tolist()
    [7.0, 7.0]
    """
    made = empty(shape, ctx, dtype) if out is None else out
    made[:] = val
    return made


def _factory(name: str, ctx: AnyContext, **attributes: Any) -> NDArray:
    """Run an operator without inputs on a context."""
    context = as_context(ctx)
    with torch.device(context.device):
        return NDArray(invoke(ops.find(name), [], attributes).as_torch(), context)


def arange(start: float, stop: Optional[float] = None, step: float = 1.0, repeat: int = 1,
           infer_range: Optional[bool] = None, ctx: AnyContext = None, dtype: Any = np.float32) -> NDArray:
    """``start, start + step, …`` before `stop`, each `repeat` times; a single number is the stop.

    Raises
    ------
    AttributeValueError
        If there is no such number.

    >>> arange(3).asnumpy().tolist(), arange(1, 3, repeat=2).asnumpy().tolist()
    ([0.0, 1.0, 2.0], [1.0, 1.0, 2.0, 2.0])
    """
    return _factory("_arange", ctx, start=start, stop=stop, step=step, repeat=repeat, dtype=dtype)


def linspace(start: float, stop: float, num: int, endpoint: bool = True, ctx: AnyContext = None,
             dtype: Any = np.float32) -> NDArray:
    """`num` numbers at equal distances from `start` to `stop`, which is the last one if `endpoint`.

    >>> linspace(0, 1, 5).asnumpy().tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    return _factory("_linspace", ctx, start=start, stop=stop, num=num, endpoint=endpoint, dtype=dtype)


def eye(N: int, M: int = 0, k: int = 0, ctx: AnyContext = None, dtype: Any = None,  # noqa: N803
        **kwargs: Any) -> NDArray:
    """A matrix (N, M or else N) with ones on its `k`-th diagonal.

    >>> eye(2, 3, 1).asnumpy().tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    return _factory("_eye", ctx, N=N, M=M, k=k, dtype=dtype)


def waitall() -> None:
    """Return when every computation that was started is done.

    >>> waitall()
    """
    if torch.cuda.is_initialized():
        for k in range(torch.cuda.device_count()):
            torch.cuda.synchronize(k)


def from_numpy(ndarray: np.ndarray[Any, Any], zero_copy: bool = True) -> NDArray:
    """An array of a numpy array's dtype, which shares its memory if `zero_copy`.

    Raises
    ------
    ShapeError
        If memory is to be shared and is not contiguous in C order.

    >>> shared = np.zeros(2, "float32")
    >>> from_numpy(shared)[:] = 1
    >>> shared
    array([1., 1.], dtype=float32)
    """
    if not isinstance(ndarray, np.ndarray):
        raise InputError(f"from_numpy() takes a numpy array, got {type(ndarray).__name__}")
    if not zero_copy:
        return array(ndarray, dtype=ndarray.dtype)
    require(ndarray.flags["C_CONTIGUOUS"], "from_numpy() shares C-contiguous memory only; use zero_copy=False or "
            "numpy.ascontiguousarray", ShapeError)
    to_torch_dtype(ndarray.dtype)
    return NDArray(torch.from_numpy(ndarray))


def from_dlpack(dlpack: Any) -> NDArray:
    """An array that shares the memory behind a DLPack capsule, or behind any array that offers one.

    >>> from_dlpack(torch.ones(2)).asnumpy().tolist()
    [1.0, 1.0]
    """
    return NDArray(torch.from_dlpack(dlpack))


def to_dlpack_for_read(data: NDArray) -> Any:
    """A DLPack capsule over an array's memory, once its values are computed.

    >>> from_dlpack(to_dlpack_for_read(ones((2,)))).shape
    (2,)
    """
    return data.to_dlpack_for_read()


def to_dlpack_for_write(data: NDArray) -> Any:
    """A DLPack capsule over an array's memory, to be written through."""
    return data.to_dlpack_for_write()
