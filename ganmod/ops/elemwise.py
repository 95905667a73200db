"""Functions of one array, element by element, and what goes with them: casts, clipping, sums of many, choices."""
from __future__ import annotations

import math
from typing import Any, Callable, Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from ..base import AttributeValueError, require
from .attributes import DType
from .registry import Index, Operator, elementwise, operator

__all__ = ["real", "unary"]

Function = Callable[[Tensor], Tensor]


def real(function: Function) -> Function:
    """`function` for every dtype: integers are computed in float64 and truncated back, as MXNet does.

    >>> real(torch.sqrt)(torch.tensor([5], dtype=torch.int32))
    tensor([2], dtype=torch.int32)
    """
    def apply(data: Tensor) -> Tensor:
        return function(data) if data.is_floating_point() else function(data.double()).to(data.dtype)
    return apply


def unary(names: str, function: Function, formula: str, remark: str = "",
          slope: Optional[Callable[[Tensor, Tensor], Tensor]] = None) -> Operator:
    """Define an elementwise operator of one input; ``slope(x, y)`` is its derivative where autograd's is not MXNet's.
    """
    def forward(data: Tensor) -> Tensor:
        return function(data)

    name, *aliases = names.split()
    forward.__name__ = forward.__qualname__ = name
    forward.__doc__ = (f"``{formula}``, element by element{remark}.\n\n"
                       "    Shapes: data (any shape) -> the same shape and dtype.\n    ")
    made = operator(name, *aliases, loss=function is torch.detach, shapes=elementwise)(forward)
    if slope is not None:
        made.backward(lambda _p, inputs, outputs, grads: [grads[0] * slope(inputs[0], outputs[0])])
    return made


# --- the functions ---------------------------------------------------------------------------------------------------

def _round_half_away(x: Tensor) -> Tensor:
    whole = torch.trunc(x)
    return whole + torch.sign(x) * ((x - whole).abs() >= 0.5).to(x.dtype)


def _round_half_down(x: Tensor) -> Tensor:
    whole = torch.floor(x)
    return whole + (x - whole > 0.5).to(x.dtype)


def _cbrt(x: Tensor) -> Tensor:
    root = torch.sign(x) * x.abs().pow(1 / 3)
    return torch.where(torch.isfinite(root) & (root != 0), root - (root ** 3 - x) / (3 * root * root), root)


def _gamma(x: Tensor) -> Tensor:
    negative = (x < 0) & (torch.floor(x) % 2 != 0)
    size = torch.exp(torch.lgamma(x))
    return torch.where((x < 0) & (x == torch.floor(x)), math.nan, torch.where(negative, -size, size))


_EXACT: tuple[tuple[str, Function, str, str], ...] = (
    ("abs _sparse_abs", torch.abs, "|x|", "; its gradient at 0 is 0"),
    ("sign _sparse_sign", torch.sign, "-1, 0 or 1", "; its gradient is 0"),
    ("round _sparse_round", _round_half_away, "round(x)", ", halves away from 0"),
    ("rint _sparse_rint", _round_half_down, "rint(x)", ", halves down"),
    ("ceil _sparse_ceil", torch.ceil, "ceil(x)", ": the least whole number not below x"),
    ("floor _sparse_floor", torch.floor, "floor(x)", ": the greatest whole number not above x"),
    ("trunc _sparse_trunc", torch.trunc, "trunc(x)", ": towards 0"),
    ("fix _sparse_fix", torch.trunc, "fix(x)", ": towards 0, like trunc"),
    ("square _sparse_square", torch.square, "x * x", ""),
    ("negative _sparse_negative", torch.neg, "-x", ""),
    ("_copy identity", lambda x: x, "x", ""),
    ("BlockGrad stop_gradient _sparse_stop_gradient", torch.detach, "x", ", through which no gradient flows"),
    ("zeros_like _sparse_zeros_like", torch.zeros_like, "0", ""),
    ("ones_like", torch.ones_like, "1", ""),
    ("logical_not", lambda x: (x == 0).to(x.dtype), "1 if x == 0 else 0", ""),
)

_REAL: tuple[tuple[str, Function, str, str], ...] = (
    ("sqrt _sparse_sqrt", torch.sqrt, "sqrt(x)", ""),
    ("rsqrt _sparse_rsqrt", torch.rsqrt, "1 / sqrt(x)", ""),
    ("exp _sparse_exp", torch.exp, "e ** x", ""),
    ("expm1 _sparse_expm1", torch.expm1, "e ** x - 1", ", exact near 0"),
    ("log _sparse_log", torch.log, "ln(x)", ""),
    ("log10 _sparse_log10", torch.log10, "log10(x)", ""),
    ("log2 _sparse_log2", torch.log2, "log2(x)", ""),
    ("log1p _sparse_log1p", torch.log1p, "ln(1 + x)", ", exact near 0"),
    ("sin _sparse_sin", torch.sin, "sin(x)", ", x in radians"),
    ("cos _sparse_cos", torch.cos, "cos(x)", ", x in radians"),
    ("tan _sparse_tan", torch.tan, "tan(x)", ", x in radians"),
    ("arcsin _sparse_arcsin", torch.arcsin, "arcsin(x)", ", in radians"),
    ("arccos _sparse_arccos", torch.arccos, "arccos(x)", ", in radians"),
    ("arctan _sparse_arctan", torch.arctan, "arctan(x)", ", in radians"),
    ("sinh _sparse_sinh", torch.sinh, "sinh(x)", ""),
    ("cosh _sparse_cosh", torch.cosh, "cosh(x)", ""),
    ("tanh _sparse_tanh", torch.tanh, "tanh(x)", ""),
    ("arcsinh _sparse_arcsinh", torch.arcsinh, "arcsinh(x)", ""),
    ("arccosh _sparse_arccosh", torch.arccosh, "arccosh(x)", ""),
    ("arctanh _sparse_arctanh", torch.arctanh, "arctanh(x)", ""),
    ("degrees _sparse_degrees", torch.rad2deg, "x * 180 / pi", ""),
    ("radians _sparse_radians", torch.deg2rad, "x * pi / 180", ""),
    ("reciprocal", torch.reciprocal, "1 / x", ""),
    ("erf", torch.erf, "erf(x)", ", the Gauss error function"),
    ("erfinv", torch.erfinv, "erfinv(x)", ", the inverse of erf"),
    ("gamma _sparse_gamma", _gamma, "gamma(x)", ""),
    ("gammaln _sparse_gammaln", torch.lgamma, "ln |gamma(x)|", ""),
)

for _names, _function, _formula, _remark in _EXACT:
    unary(_names, _function, _formula, _remark)
for _names, _function, _formula, _remark in _REAL:
    unary(_names, real(_function), _formula, _remark)
unary("cbrt _sparse_cbrt", real(_cbrt), "x ** (1/3)", ", also of negative numbers",
      slope=lambda x, y: 1 / (3 * y * y))
unary("rcbrt", real(lambda x: 1 / _cbrt(x)), "x ** (-1/3)", ", also of negative numbers",
      slope=lambda x, y: -y / (3 * x))


# --- with attributes -------------------------------------------------------------------------------------------------

def number_for(data: Tensor, value: float) -> Any:
    """A scalar attribute in the kind of number that `data` holds: for integers it is truncated, as in MXNet."""
    if data.is_floating_point():
        return value
    return int(value) % 256 if data.dtype is torch.uint8 else int(value)


@operator("clip", "_sparse_clip", shapes=elementwise)
def clip(data: Tensor, *, a_min: float, a_max: float) -> Tensor:
    """Values limited to ``[a_min, a_max]``; the gradient is 1 inside and at both ends, else 0.

    Shapes: data (any shape) -> the same.

    >>> import ganmod as mx
    >>> mx.nd.clip(mx.nd.array([-2, 0.5, 3]), -1, 1).asnumpy().tolist()
    [-1.0, 0.5, 1.0]
    """
    return data.clamp(number_for(data, a_min), number_for(data, a_max))


@operator("smooth_l1", shapes=elementwise)
def smooth_l1(data: Tensor, *, scalar: float = 1.0) -> Tensor:
    """``0.5 * (s * x) ** 2`` where ``|x| < 1 / s ** 2``, else ``|x| - 0.5 / s ** 2``, with ``s = scalar``.

    Shapes: data (any shape) -> the same.
    """
    require(scalar != 0, "smooth_l1: scalar must not be 0", AttributeValueError)
    return real(lambda x: F.smooth_l1_loss(x, torch.zeros_like(x), reduction="none", beta=scalar ** -2))(data)


@operator("Cast", "cast", shapes=elementwise)
def cast(data: Tensor, *, dtype: DType) -> Tensor:
    """The values in another dtype; floats become whole numbers by truncation.

    Shapes: data (any shape) -> the same. `dtype` is a name such as ``'float16'`` or a numpy type.

    >>> import ganmod as mx
    >>> mx.nd.Cast(mx.nd.array([-1.7, 1.7]), dtype="int32").asnumpy().tolist()
    [-1, 1]
    """
    return data.to(dtype)


@cast.dtypes
def _(p, types):
    types["output"] = p.dtype


#: The dtypes that mixed precision casts.
_MIXED = (torch.float16, torch.bfloat16, torch.float32)


@operator("amp_cast", shapes=elementwise)
def amp_cast(data: Tensor, *, dtype: DType) -> Tensor:
    """Cast floats of 16 and 32 bits to `dtype`; other arrays pass unchanged (mixed precision puts these in).

    Shapes: data (any shape) -> the same.
    """
    return data.to(dtype) if data.dtype in _MIXED else data


@amp_cast.dtypes
def _(p, types):
    known = types["data"]
    if known is not None:
        types["output"] = p.dtype if known in _MIXED else known


def _multicast_dtype(present: list[torch.dtype], narrow: bool) -> Optional[torch.dtype]:
    order = [d for d in _MIXED if d in present]
    return (order[0] if narrow else order[-1]) if order else None


def _numbered(p: Any) -> list[str]:
    return [f"output{k}" for k in range(p.num_outputs)]


@operator("amp_multicast", count="num_outputs", names=lambda _attributes, number: [f"data_{k}" for k in range(number)],
          outputs=_numbered)
def amp_multicast(*data: Tensor, num_outputs: int, cast_narrow: bool = False) -> tuple[Tensor, ...]:
    """Bring arrays of 16 and 32 bit floats to one dtype: the widest among them, or with `cast_narrow` the narrowest.

    Shapes: `num_outputs` arrays of any shapes -> the same shapes. Arrays of other dtypes pass unchanged.
    """
    target = _multicast_dtype([d.dtype for d in data], cast_narrow)
    return tuple(d.to(target) if d.dtype in _MIXED else d for d in data)


@amp_multicast.shapes
def _(p, s):
    for one, other in zip(s.inputs, s.outputs):
        s.same((one, other))


@amp_multicast.dtypes
def _(p, types):
    given = [types[f"data_{k}"] for k in range(p.num_outputs)]
    if None in given:
        return
    target = _multicast_dtype(given, p.cast_narrow)
    for k, known in enumerate(given):
        types[f"output{k}"] = target if known in (torch.float16, torch.bfloat16, torch.float32) else known


@operator("_identity_with_attr_like_rhs", shapes=elementwise)
def _identity_with_attr_like_rhs(lhs: Tensor, rhs: Tensor) -> Tensor:
    """`lhs`; `rhs` only tells its shape and dtype.

    Shapes: lhs and rhs of one shape -> the same.
    """
    return lhs


@operator("add_n", "ElementWiseSum", "_sparse_ElementWiseSum", "_sparse_add_n", count="num_args", shapes=elementwise)
def add_n(*args: Tensor, num_args: int) -> Tensor:
    """The sum of `num_args` arrays.

    Shapes: all of one shape -> the same.

    >>> import ganmod as mx
    >>> mx.nd.add_n(mx.nd.ones((2,)), mx.nd.ones((2,)), mx.nd.ones((2,))).asnumpy().tolist()
    [3.0, 3.0]
    """
    return sum(args[1:], args[0])


@operator("where", "_sparse_where")
def where(condition: Index, x: Tensor, y: Tensor) -> Tensor:
    """``x`` where the condition is not 0, else ``y``.

    Shapes: condition, x, y (any shape) -> the same; or condition (N,) for x, y (N, ...), to choose whole rows. The
    condition may have any dtype; it gets no gradient.

    >>> import ganmod as mx
    >>> mx.nd.where(mx.nd.array([1, 0]), mx.nd.array([1, 2]), mx.nd.array([3, 4])).asnumpy().tolist()
    [1.0, 4.0]
    """
    return torch.where(condition.reshape(*condition.shape, *[1] * (x.dim() - condition.dim())) != 0, x, y)


@where.shapes
def _(p, s):
    s.same(("x", "y", "output"))
    if s.x is not None and s.condition is not None:
        s.condition = s.x if len(s.condition) == len(s.x) else (s.x[0],)
