"""Reductions: sums, means, products, extremes, norms and where the extremes are; and normalisation by a norm."""
from __future__ import annotations

from typing import Callable, Literal, Optional, Sequence, Union

import torch
from torch import Tensor

from ..base import AttributeValueError, ShapeError, require
from .attributes import DType, Shape
from .elemwise import real
from .registry import Operator, elementwise, operator
from .shapes import product
from .shaping import axis_of

__all__ = ["reduced_axes", "reduced_shape"]

Axes = tuple[int, ...]
Reduction = Callable[[Tensor, Axes], Tensor]


def reduced_axes(axis: Union[None, int, Sequence[int]], exclude: bool, rank: int, what: str) -> Axes:
    """The axes to reduce, counted from 0 and in order; none given means all.

    >>> reduced_axes(None, False, 3, "sum"), reduced_axes((0,), True, 3, "sum")
    ((0, 1, 2), (1, 2))
    """
    given = (axis,) if isinstance(axis, int) else tuple(axis or ())
    chosen = sorted(axis_of(a, rank, what) for a in given)
    require(len(set(chosen)) == len(chosen), f"{what}: the axes {given} repeat one", ShapeError)
    if exclude and chosen:
        return tuple(k for k in range(rank) if k not in chosen)
    return tuple(chosen) if chosen else tuple(range(rank))


def reduced_shape(shape: Sequence[int], axes: Axes, keepdims: bool) -> tuple[int, ...]:
    """The shape that is left: at least (1,), there are no 0-dimensional arrays.

    >>> reduced_shape((2, 3, 4), (0, 2), False), reduced_shape((2, 3), (0, 1), False)
    ((3,), (1,))
    """
    if keepdims:
        return tuple(1 if k in axes else size for k, size in enumerate(shape))
    return tuple(size for k, size in enumerate(shape) if k not in axes) or (1,)


def _reduction_shapes(p, s):
    if s.data is not None:
        axes = reduced_axes(p.axis, getattr(p, "exclude", False), len(s.data), s.node)
        s.output = reduced_shape(s.data, axes, p.keepdims)


# --- sums, means, products -------------------------------------------------------------------------------------------

def _product(x: Tensor, axes: Axes) -> Tensor:
    kept = [k for k in range(x.dim()) if k not in axes]
    line = x.permute(*kept, *axes).flatten(len(kept)) if axes else x.unsqueeze(-1)
    return line.prod(-1, dtype=x.dtype)


_TABLE: tuple[tuple[str, Reduction, str], ...] = (
    ("sum sum_axis _sparse_sum", lambda x, axes: x.sum(axes, keepdim=True, dtype=x.dtype), "The sum"),
    ("mean _sparse_mean", lambda x, axes: real(lambda y: y.mean(axes, keepdim=True))(x), "The mean"),
    ("prod", _product, "The product"),
    ("nansum", lambda x, axes: x.nansum(axes, keepdim=True, dtype=x.dtype), "The sum, NaN counted as 0,"),
    ("nanprod", lambda x, axes: _product(x.masked_fill(x != x, 1), axes), "The product, NaN counted as 1,"),
    ("max max_axis", lambda x, axes: x.amax(axes, keepdim=True), "The largest element"),
    ("min min_axis", lambda x, axes: x.amin(axes, keepdim=True), "The smallest element"),
    ("_square_sum", lambda x, axes: (x * x).sum(axes, keepdim=True, dtype=x.dtype), "The sum of the squares"),
)

_EXAMPLE = """

    >>> import ganmod as mx
    >>> mx.nd.{0}(mx.nd.array([[1, 2], [3, 4]]), axis=0).asnumpy().tolist()
    {1}"""
_EXAMPLES = {"sum": "[4.0, 6.0]", "mean": "[2.0, 3.0]", "max": "[3.0, 4.0]"}


def _define(names: str, reduction: Reduction, what: str) -> Operator:
    name, *aliases = names.split()

    def forward(data: Tensor, *, axis: Optional[Shape] = None, keepdims: bool = False, exclude: bool = False) -> Tensor:
        axes = reduced_axes(axis, exclude, data.dim(), name)
        made = reduction(data, axes) if axes else reduction(data.unsqueeze(-1), (data.dim(),))     # torch: all of them
        return made.reshape(reduced_shape(data.shape, axes, keepdims))

    forward.__name__ = forward.__qualname__ = name
    forward.__doc__ = (f"{what} over the axes in `axis` (None: all), or over all others if `exclude`.\n\n"
                       f"    Shapes: data (any shape) -> without those axes, or with size 1 there if `keepdims`; "
                       f"(1,) if none is left."
                       + (_EXAMPLE.format(name, _EXAMPLES[name]) if name in _EXAMPLES else "") + "\n    ")
    return operator(name, *aliases, shapes=_reduction_shapes)(forward)


def _extreme_gradient(p, inputs, outputs, out_grads):
    """All elements that equal the extreme get its gradient (torch would share it out among them)."""
    data, = inputs
    axes = reduced_axes(p.axis, p.exclude, data.dim(), "max")
    kept = reduced_shape(data.shape, axes, True)
    return [(data == outputs[0].reshape(kept)) * out_grads[0].reshape(kept)]


for _names, _reduction, _what in _TABLE:
    _made = _define(_names, _reduction, _what)
    if _made.name in ("max", "min"):
        _made.backward(_extreme_gradient)


@operator("norm", "_sparse_norm", shapes=_reduction_shapes)
def norm(data: Tensor, *, ord: int = 2, axis: Optional[Shape] = None, out_dtype: Optional[DType] = None,  # noqa: A002
         keepdims: bool = False) -> Tensor:
    """The sum of magnitudes (``ord=1``) or the root of the sum of squares (``ord=2``); its gradient at 0 is 0.

    Shapes: data (any shape) -> without the axes in `axis` (None: all), or with size 1 there if `keepdims`; (1,) if
    none is left. `out_dtype` is the output's dtype (None: data's).

    >>> import ganmod as mx
    >>> mx.nd.norm(mx.nd.array([3, 4])).asscalar()
    np.float32(5.0)
    """
    require(ord in (1, 2), f"norm: ord={ord} is not supported; expected 1 or 2", AttributeValueError)
    axes = reduced_axes(axis, False, data.dim(), "norm")
    result = real(lambda x: torch.linalg.vector_norm(x, ord, axes, keepdim=True))(data)
    return result.reshape(reduced_shape(data.shape, axes, keepdims)).to(out_dtype or data.dtype)


@norm.dtypes
def _(p, types):
    if p.out_dtype is None:
        types["output"] = types["data"] = types["data"] or types["output"]
    else:
        types["output"] = p.out_dtype


@operator("moments", outputs=("output0", "output1"))
def moments(data: Tensor, *, axes: Optional[Shape] = None, keepdims: bool = False) -> tuple[Tensor, Tensor]:
    """Mean and variance (the mean square distance from the mean) over `axes`; of whole numbers both are truncated.

    Shapes: data (any shape) -> twice without those axes, or with size 1 there if `keepdims`; (1,) if none is left.
    """
    chosen = reduced_axes(axes, False, data.dim(), "moments")
    kept = reduced_shape(data.shape, chosen, keepdims)
    if not data.is_floating_point():
        exact = data.double()
        mean = exact.mean(chosen, keepdim=True).trunc()
        spread = (exact - mean).square().mean(chosen, keepdim=True)
        return mean.reshape(kept).to(data.dtype), spread.reshape(kept).to(data.dtype)
    mean = data.mean(chosen, keepdim=True)
    return mean.reshape(kept), (data - mean).square().mean(chosen, keepdim=True).reshape(kept)


@moments.shapes
def _(p, s):
    if s.data is not None:
        s.output0 = reduced_shape(s.data, reduced_axes(p.axes, False, len(s.data), s.node), p.keepdims)
    s.same(s.outputs)


# --- where the extremes are ------------------------------------------------------------------------------------------

def _position_shapes(p, s):
    if s.data is not None:
        axes = tuple(range(len(s.data))) if p.axis is None else (axis_of(p.axis, len(s.data), s.node),)
        s.output = reduced_shape(s.data, axes, p.keepdims)


def _define_position(name: str, function: Callable[..., Tensor], what: str) -> Operator:
    def forward(data: Tensor, *, axis: Optional[int] = None, keepdims: bool = False) -> Tensor:
        axes = tuple(range(data.dim())) if axis is None else (axis_of(axis, data.dim(), name),)
        return function(data, dim=axis).reshape(reduced_shape(data.shape, axes, keepdims)).to(data.dtype)

    forward.__name__ = forward.__qualname__ = name
    forward.__doc__ = (f"Where the {what} element is along `axis` (None: in the flattened array), the first of equals."
                       f"\n\n    Shapes: data (any shape) -> without that axis, or with size 1 there if `keepdims`; in "
                       f"data's dtype.\n    No gradient flows.\n    ")
    return operator(name, shapes=_position_shapes)(forward)


_define_position("argmax", torch.argmax, "largest")
_define_position("argmin", torch.argmin, "smallest")


@operator("argmax_channel")
def argmax_channel(data: Tensor) -> Tensor:
    """Where the largest element is along axis 1, in data's dtype; no gradient flows.

    Shapes: data (N, C, ...) -> (N, ...).
    """
    return data.argmax(1).to(data.dtype)


@argmax_channel.shapes
def _(p, s):
    if s.data is not None:
        s.output = (s.data[0], *s.data[2:])


# --- sums along the way, normalisation -------------------------------------------------------------------------------

def _summed(dtype: torch.dtype) -> torch.dtype:
    return torch.int64 if dtype is torch.bool else dtype


@operator("_np_cumsum", "cumsum")
def cumsum(a: Tensor, *, axis: Optional[int] = None, dtype: Optional[DType] = None) -> Tensor:
    """At each place the sum of the elements up to it along `axis` (None: of the flattened array).

    Shapes: a (any shape) -> the same, or one axis of all elements where `axis` is None. `dtype` is the output's
    (None: a's, and int64 for bool).

    >>> import ganmod as mx
    >>> mx.nd.cumsum(mx.nd.array([1, 2, 3]), axis=0).asnumpy().tolist()
    [1.0, 3.0, 6.0]
    """
    line = a.reshape(-1) if axis is None else a
    return line.cumsum(0 if axis is None else axis_of(axis, a.dim(), "cumsum"), dtype=dtype or _summed(a.dtype))


@cumsum.shapes
def _(p, s):
    if p.axis is not None:
        s.same(("a", "output"))
    elif s.a is not None:
        s.output = (product(s.a),)


@cumsum.dtypes
def _(p, types):
    if p.dtype is None:
        types["a"] = types["a"] or types["output"]
        types["output"] = types["a"] and _summed(types["a"])
    else:
        types["output"] = p.dtype


_NORMALISED: dict[str, Callable[[int], Axes]] = {
    "instance": lambda rank: tuple(range(1, rank)),
    "channel": lambda rank: (1,),
    "spatial": lambda rank: tuple(range(2, rank)),
}


@operator("L2Normalization", shapes=elementwise, hidden=1)
def l2_normalization(data: Tensor, *, eps: float = 1e-10,
                     mode: Literal["channel", "instance", "spatial"] = "instance") -> Tensor:
    """``x / sqrt(sum(x ** 2) + eps)``.

    The sum runs over each sample (``instance``), over axis 1 at each position (``channel``), or over the positions of
    each channel (``spatial``).

    Shapes: data (N, ...), or (N, C, ...) for channel and spatial -> the same.
    """
    require(mode == "instance" or data.dim() >= 3, f"L2Normalization: mode {mode!r} needs at least 3 dimensions, data "
                                                   f"has shape {tuple(data.shape)}", ShapeError)
    axes = _NORMALISED[mode](data.dim())
    return data / torch.sqrt(data.square().sum(axes, keepdim=True) + eps)
