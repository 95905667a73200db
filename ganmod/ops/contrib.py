"""Smaller operators of ``mx.nd.contrib`` and ``mx.sym.contrib``, products for attention, and histograms."""
from __future__ import annotations

from typing import Optional

import torch
from torch import Tensor

from ..base import AttributeValueError, ShapeError, require
from .attributes import Floats, Shape
from .elemwise import real
from .registry import Index, Params, elementwise, find, operator
from .shapes import ShapeTable
from .shaping import axis_of
from .update import in_single

__all__: list[str] = []


# --- functions of an element -----------------------------------------------------------------------------------------

@operator("_contrib_quadratic", shapes=elementwise, resolve=in_single)
def quadratic(data: Tensor, *, a: float = 0.0, b: float = 0.0, c: float = 0.0) -> Tensor:
    """``a * data² + b * data + c``, for integers truncated.

    Shapes: data (any shape) -> the same.

    >>> import ganmod as mx
    >>> mx.nd.contrib.quadratic(mx.nd.array([1, 2]), a=1, b=2, c=3).asnumpy().tolist()
    [6.0, 11.0]
    """
    return real(lambda x: a * x * x + b * x + c)(data)


@operator("_contrib_div_sqrt_dim", shapes=elementwise)
def div_sqrt_dim(data: Tensor) -> Tensor:
    """``data`` divided by the root of the size of its last axis, as attention scales its products.

    Shapes: data (..., N) -> the same. Whole numbers are divided by the whole part of the root, and truncated.
    """
    root = data.shape[-1] ** 0.5
    return data / root if data.is_floating_point() else torch.div(data, int(root), rounding_mode="trunc").to(data.dtype)


@operator("_contrib_gradientmultiplier", shapes=elementwise)
def gradientmultiplier(data: Tensor, *, scalar: float = 1.0, is_int: bool = True) -> Tensor:
    """``data`` itself, but `scalar` times its gradient; a negative `scalar` reverses it. `is_int` has no effect.

    Shapes: data (any shape) -> the same.
    """
    return data


@gradientmultiplier.backward
def _(p, inputs, outputs, out_grads):
    return [p.scalar * out_grads[0]]


@operator("_contrib_sign_ste", "_sparse__contrib_sign_ste", shapes=elementwise)
def sign_ste(data: Tensor) -> Tensor:
    """The sign, with the gradient of the identity (a "straight-through estimator").

    Shapes: data (any shape) -> the same.
    """
    return torch.sign(data)


@operator("_contrib_round_ste", "_sparse__contrib_round_ste", shapes=elementwise)
def round_ste(data: Tensor) -> Tensor:
    """The nearest whole number, halves away from 0, with the gradient of the identity.

    Shapes: data (any shape) -> the same.
    """
    return find("round").function(data)


@sign_ste.backward
@round_ste.backward
def _(p, inputs, outputs, out_grads):
    return [out_grads[0]]


@operator("_contrib_allclose", resolve=in_single)
def allclose(a: Tensor, b: Tensor, *, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = True) -> Tensor:
    """1 if ``|a - b| <= atol + rtol * |b|`` everywhere, else 0, as uint8. `equal_nan`: whether NaN equals NaN.

    Shapes: a, b (one shape) -> (1,).

    >>> import ganmod as mx
    >>> mx.nd.contrib.allclose(mx.nd.array([1]), mx.nd.array([1.1])).asnumpy().tolist()
    [0]
    """
    return torch.isclose(a, b, rtol, atol, equal_nan).all().to(torch.uint8).reshape(1)


@allclose.shapes
def _(p, s):
    s.same(("a", "b"))
    s.output = (1,)


@allclose.dtypes
def _(p, types):
    types["a"] = types["b"] = types["a"] or types["b"]
    types["output"] = torch.uint8


# --- indices ---------------------------------------------------------------------------------------------------------

@operator("_contrib_arange_like")
def arange_like(data: Tensor, *, start: float = 0.0, step: float = 1.0, repeat: int = 1, ctx: str = "",
                axis: Optional[int] = None) -> Tensor:
    """``start, start + step, …``, each `repeat` times, as many as ``data`` has elements, or as its `axis` is long.

    `ctx` has no effect. The dtype is that of ``data``.

    Shapes: data (any shape) -> the same, or (N,) if its `axis` has the size N.

    >>> import ganmod as mx
    >>> mx.nd.contrib.arange_like(mx.nd.zeros((2, 3)), axis=-1).asnumpy().tolist()
    [0.0, 1.0, 2.0]
    """
    shape = tuple(data.shape) if axis is None else (data.shape[axis_of(axis, data.dim(), "arange_like")],)
    number = torch.Size(shape).numel()
    places = torch.arange(number, device=data.device).div(repeat, rounding_mode="floor")
    return (start + step * places.double()).to(data.dtype).reshape(shape)


@arange_like.shapes
def _(p, s):
    if p.axis is None:
        elementwise(p, s)
    elif s.data is not None:
        s.output = (s.data[axis_of(p.axis, len(s.data), s.node)],)


@operator("_contrib_index_array")
def index_array(data: Tensor, *, axes: Optional[Shape] = None) -> Tensor:
    """The position of each element, as int64: along all axes, or along `axes` in their order.

    Shapes: data (A, B, …) -> (A, B, …, number of axes).

    >>> import ganmod as mx
    >>> mx.nd.contrib.index_array(mx.nd.zeros((1, 2))).asnumpy().tolist()
    [[[0, 0], [0, 1]]]
    """
    chosen = range(data.dim()) if axes is None else [axis_of(a, data.dim(), "index_array") for a in axes]
    lines = [torch.arange(data.shape[a], device=data.device).reshape([-1 if k == a else 1 for k in range(data.dim())])
             for a in chosen]
    return torch.stack([line.expand(data.shape) for line in lines], -1)


@index_array.shapes
def _(p, s):
    if s.data is not None:
        s.output = (*s.data, len(s.data) if p.axes is None else len(p.axes))


@index_array.dtypes
def _(p, types):
    types["output"] = torch.int64


@operator("_contrib_index_copy")
def index_copy(old_tensor: Tensor, index_vector: Index, new_tensor: Tensor) -> Tensor:
    """``old_tensor`` with the rows at ``index_vector`` replaced by those of ``new_tensor``.

    Shapes: old_tensor (N, ...), index_vector (K,), new_tensor (K, ...) -> as old_tensor.

    >>> import ganmod as mx
    >>> mx.nd.contrib.index_copy(mx.nd.zeros((3, 1)), mx.nd.array([2]), mx.nd.ones((1, 1))).asnumpy().tolist()
    [[0.0], [0.0], [1.0]]
    """
    return old_tensor.index_copy(0, index_vector.long(), new_tensor)


@index_copy.shapes
def _(p, s):
    s.same(("old_tensor", "output"))
    if s.index_vector is not None and s.old_tensor is not None:
        s.new_tensor = (s.index_vector[0], *s.old_tensor[1:])


@operator("_contrib_boolean_mask", traceable=False)
def boolean_mask(data: Tensor, index: Index, *, axis: int = 0) -> Tensor:
    """The rows of ``data`` where ``index`` is not 0; `axis` must be 0.

    How many there are depends on values, so that a symbol with this operator runs node by node.

    Shapes: data (N, ...), index (N,) -> (K, ...).

    >>> import ganmod as mx
    >>> mx.nd.contrib.boolean_mask(mx.nd.array([[1], [2], [3]]), mx.nd.array([1, 0, 1])).asnumpy().tolist()
    [[1.0], [3.0]]
    """
    require(axis == 0, f"boolean_mask: axis={axis} is not supported; expected 0", AttributeValueError)
    require(index.dim() == 1 and len(index) == len(data), f"boolean_mask: index {tuple(index.shape)} must have one "
                                                          f"element per row of data {tuple(data.shape)}", ShapeError)
    return data[index != 0]


# --- products for attention ------------------------------------------------------------------------------------------

def _check_width(where: str, name: str, shape: Shape, heads: int, number: int) -> None:
    require(len(shape) == 3 and shape[2] % (heads * number) == 0,
            f"{where}: {name} must be (length, batch, heads * {number} * size) with heads={heads}, got {shape}",
            ShapeError)


def _parts(data: Tensor, heads: int, number: int) -> list[Tensor]:
    """The `number` interleaved parts (L, B, heads * number * D) -> each (B * heads, L, D)."""
    _check_width("interleaved_matmul", "input", tuple(data.shape), heads, number)
    length, batch, width = data.shape
    split = data.reshape(length, batch, heads, number, width // (heads * number))
    return [split[:, :, :, k].permute(1, 2, 0, 3).flatten(0, 1) for k in range(number)]


def _joined(parts: Tensor, heads: int) -> Tensor:
    """The heads side by side again: (B * heads, L, D) -> (L, B, heads * D)."""
    return parts.unflatten(0, (-1, heads)).permute(2, 0, 1, 3).flatten(2)


def _divisible(s: ShapeTable, name: str, p: Params, number: int) -> Shape:
    """The shape (L, B, width) of an input of `number` interleaved parts; unknown sizes if it is not known."""
    shape = s[name] or (0, 0, 0)
    _check_width(s.node, name, shape, p.heads, number)
    return shape


@operator("_contrib_interleaved_matmul_selfatt_qk")
def selfatt_qk(queries_keys_values: Tensor, *, heads: int) -> Tensor:
    """The products of queries and keys in self-attention, divided by the root of a head's size D.

    Along the last axis the query, key and value of the first head come first, then those of the second, ….

    Shapes: queries_keys_values (L, B, heads * 3 * D) -> (B * heads, L, L).
    """
    queries, keys, _ = _parts(queries_keys_values, heads, 3)
    return (queries / queries.shape[-1] ** 0.5) @ keys.mT


@selfatt_qk.shapes
def _(p, s):
    length, batch, _ = _divisible(s, "queries_keys_values", p, 3)
    s.output = (p.heads * batch, length, length)


@operator("_contrib_interleaved_matmul_selfatt_valatt")
def selfatt_valatt(queries_keys_values: Tensor, attention: Tensor, *, heads: int) -> Tensor:
    """The values weighed by the attention, in self-attention; the layout is that of `interleaved_matmul_selfatt_qk`.

    Shapes: queries_keys_values (L, B, heads * 3 * D), attention (B * heads, L, L) -> (L, B, heads * D).
    """
    return _joined(attention @ _parts(queries_keys_values, heads, 3)[2], heads)


@selfatt_valatt.shapes
def _(p, s):
    length, batch, width = _divisible(s, "queries_keys_values", p, 3)
    s.attention = (p.heads * batch, length, length)
    s.output = (length, batch, width // 3)


@operator("_contrib_interleaved_matmul_encdec_qk")
def encdec_qk(queries: Tensor, keys_values: Tensor, *, heads: int) -> Tensor:
    """The products of a decoder's queries and an encoder's keys, divided by the root of a head's size D.

    Along the last axis of ``keys_values`` the key and value of the first head come first, then those of the second, ….

    Shapes: queries (L, B, heads * D), keys_values (M, B, heads * 2 * D) -> (B * heads, L, M).
    """
    query, = _parts(queries, heads, 1)
    return (query / query.shape[-1] ** 0.5) @ _parts(keys_values, heads, 2)[0].mT


@encdec_qk.shapes
def _(p, s):
    (length, batch, width), (other, also, double) = _divisible(s, "queries", p, 1), _divisible(s, "keys_values", p, 2)
    s.queries, s.keys_values = (length, also, double // 2), (other, batch, 2 * width)
    s.output = (p.heads * (batch or also), length, other)


@operator("_contrib_interleaved_matmul_encdec_valatt")
def encdec_valatt(keys_values: Tensor, attention: Tensor, *, heads: int) -> Tensor:
    """An encoder's values weighed by the attention; the layout is that of `interleaved_matmul_encdec_qk`.

    Shapes: keys_values (M, B, heads * 2 * D), attention (B * heads, L, M) -> (L, B, heads * D).
    """
    return _joined(attention @ _parts(keys_values, heads, 2)[1], heads)


@encdec_valatt.shapes
def _(p, s):
    other, batch, width = _divisible(s, "keys_values", p, 2)
    s.attention = (p.heads * batch, 0, other)
    s.output = (s.attention[1], batch, width // 2)


# --- histograms and storage ------------------------------------------------------------------------------------------

@operator("_histogram", present=dict(bins=lambda p: p.bin_cnt is None), outputs=("output0", "output1"))
def histogram(data: Tensor, bins: Optional[Tensor] = None, *, bin_cnt: Optional[int] = None,
              range: Optional[Floats] = None) -> tuple[Tensor, Tensor]:  # noqa: A002  MXNet's name
    """How many elements fall between each two edges, and the edges.

    The edges are those in `bins`, or those of `bin_cnt` equal parts of ``range = (lowest, highest)``. A bin includes
    its left edge; the last one also its right. What lies outside is not counted.

    Shapes: data (any shape), bins (N + 1,), ascending -> counts (N,), int64, and edges (N + 1,).

    >>> import ganmod as mx
    >>> counts, edges = mx.nd.histogram(mx.nd.array([0, 1, 1, 4]), bins=2, range=(0, 4))
    >>> counts.asnumpy().tolist(), edges.asnumpy().tolist()
    ([3, 1], [0.0, 2.0, 4.0])
    """
    edges, values = bins, data.flatten()
    if edges is None:
        edges = _equal_parts(data, bin_cnt or 0, range)
    number = edges.shape[0] - 1
    place = torch.searchsorted(edges.contiguous(), values.contiguous(), right=True) - 1
    place = torch.where(values == edges[-1], number - 1, place)
    place = torch.where((values >= edges[0]) & (values <= edges[-1]), place, number)
    counts = torch.zeros(number + 1, dtype=torch.int64, device=data.device)
    return counts.scatter_add(0, place, torch.ones_like(place))[:number], edges


def _equal_parts(data: Tensor, number: int, ends: Optional[Floats]) -> Tensor:
    require(ends is not None and len(ends) == 2 and number > 0,
            f"_histogram: bin_cnt={number} needs range=(lowest, highest), got {ends}", AttributeValueError)
    low, high = ends  # type: ignore[misc]
    line = torch.arange(number + 1, device=data.device, dtype=torch.float64)
    return (low + line * (high - low) / number).to(data.dtype)


@histogram.shapes
def _(p, s):
    if p.bin_cnt is not None:
        s.output0, s.output1 = (p.bin_cnt,), (p.bin_cnt + 1,)
    elif s.bins is not None:
        s.output0, s.output1 = (s.bins[0] - 1 if s.bins[0] else 0,), s.bins


@histogram.dtypes
def _(p, types):
    types["data"] = types["output1"] = types["data"] or types["output1"]
    if "bins" in types:
        types["bins"] = types["bins"] or types["data"]
    types["output0"] = torch.int64
