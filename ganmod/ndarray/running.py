"""Running an operator at once: the checks around its forward that make it as strict as MXNet."""
from __future__ import annotations

from typing import Any, Sequence

import torch
from torch import Tensor

from ..base import MXNetError, ShapeError, dtype_name
from ..ops import registry as ops
from ..ops import storage
from ..ops.shapes import ShapeTable
from . import recording

__all__ = ["run"]


def run(op: ops.Operator, tensors: Sequence[Tensor], attributes: dict[str, Any]) -> list[Tensor]:
    """The outputs of an operator, each in memory of its own.

    Raises
    ------
    AttributeValueError
        For attributes that it does not take.
    ShapeError
        If the shapes or dtypes of the inputs do not fit together.
    MXNetError
        If it fails for another reason.
    """
    params = op.parse(attributes)
    if len(tensors) > 1:
        _check_once(op, params, tensors)
    try:
        results, replaced = op.run(tensors, params, training=recording.is_training())
    except (RuntimeError, IndexError) as error:
        if isinstance(error, MXNetError) or op.user_code:
            raise
        given = ", ".join(f"{tuple(t.shape)} {dtype_name(t.dtype)}" for t in tensors)
        raise _kind_of(op, params, tensors)(f"{op.name}({given}): {error}") from error
    if replaced:
        by_name = dict(zip(op.input_names(params, len(tensors)), tensors))
        for name, value in replaced.items():
            storage.write(by_name[name], value)
    return [_own(r, tensors) for r in results]


#: Inputs that were found to fit: their shapes and dtypes with the number of the parameters, which are kept alive here.
_checked: dict[Any, Any] = {}


def _check_once(op: ops.Operator, params: Any, tensors: Sequence[Tensor]) -> None:
    """Check the inputs, unless ones of these shapes and dtypes were with the same parameters."""
    key = (op.name, id(params), *[(t.shape, t.dtype) for t in tensors])
    if key not in _checked:
        _check_inputs(op, params, tensors)
        if not op.user_code:                               # whose rules may change
            if len(_checked) >= 4096:
                _checked.clear()
            _checked[key] = params


def _check_inputs(op: ops.Operator, params: Any, tensors: Sequence[Tensor]) -> None:
    """Hold the inputs against the operator's rules, which are stricter than torch's broadcasting and promotion."""
    names = op.input_names(params, len(tensors))
    if op.type_rule is None:
        types = {n: t.dtype for n, t in zip(names, tensors) if not op.is_index(n)}
        if len(set(types.values())) > 1:
            raise ShapeError(f"{op.name}: the inputs must have one dtype, got "
                             + ", ".join(f"{n} {dtype_name(t)}" for n, t in types.items()) + "; use .astype")
    if op.shape_rule is not None:
        outputs = op.output_names(params)
        known = {**dict.fromkeys(outputs), **{n: tuple(t.shape) for n, t in zip(names, tensors)}}
        table = ShapeTable(op.name, names, outputs, known)
        try:
            op.shape_rule(params, table)
        except ShapeError:
            raise
        except (ValueError, IndexError) as error:
            raise ShapeError(f"{op.name}: {error}") from error


def _kind_of(op: ops.Operator, params: Any, tensors: Sequence[Tensor]) -> type[MXNetError]:
    """Whether it was the shapes and dtypes, which fail without values too."""
    try:
        op.run([torch.empty_like(t, device="meta") for t in tensors], params)
    except (RuntimeError, IndexError, ValueError):
        return ShapeError
    return MXNetError


def _own(result: Tensor, inputs: Sequence[Tensor]) -> Tensor:
    """`result` in memory of its own: operators may return views of their inputs, MXNet's return copies."""
    if storage.is_sparse(result):
        return result.clone() if any(result is i for i in inputs) else result
    if not result.is_contiguous():
        return result.clone(memory_format=torch.contiguous_format)
    memory = result.untyped_storage().data_ptr()
    return result.clone() if any(memory == i.untyped_storage().data_ptr() for i in inputs
                                 if not storage.is_sparse(i)) else result
