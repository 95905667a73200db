"""``mx.nd.X``: one function for every entry of the operator table."""
from __future__ import annotations

from typing import Any, Callable, Optional

import torch

from ..base import InputError
from ..ops import registry as ops
from .creation import as_context
from .ndarray import NDArray, invoke

__all__ = ["make_function"]


def make_function(op: ops.Operator, name: str) -> Callable[..., Any]:
    """The function ``mx.nd.<name>``: inputs and attributes by position or name, and ``out=``."""
    def function(*args: Any, out: Any = None, name: Optional[str] = None, ctx: Any = None, **kwargs: Any) -> Any:
        inputs, attributes = op.split_arguments(args, kwargs, _is_array)
        if op.inputs or op.variadic:
            return invoke(op, _ordered(op, inputs, attributes), attributes, out)
        return _create(op, attributes, ctx, out)

    function.__name__, function.__qualname__, function.__module__ = name, name, __name__
    function.__doc__, function.__signature__ = op.__doc__, op.signature  # type: ignore[attr-defined]
    return function


def _is_array(value: Any) -> bool:
    return isinstance(value, NDArray)


def _ordered(op: ops.Operator, inputs: dict[str, Any], attributes: dict[str, Any]) -> list[NDArray]:
    wanted = op.input_names(op.parse(attributes), len(inputs))
    inputs = op.named(inputs, wanted)
    missing = [n for n in wanted if n not in inputs]
    if missing:
        raise InputError(f"{op.name} needs the input(s) {', '.join(missing)}: it takes {', '.join(wanted)}, "
                         f"given {', '.join(inputs) or 'none'}")
    unexpected = [n for n in inputs if n not in wanted]
    if unexpected:
        raise InputError(f"{op.name} does not take the input(s) {', '.join(unexpected)} with these attributes: "
                         f"it takes {', '.join(wanted)}")
    for n in wanted:
        if not isinstance(inputs[n], NDArray):
            raise InputError(f"{op.name}: the input {n!r} must be an NDArray, got {type(inputs[n]).__name__}")
    return [inputs[n] for n in wanted]


def _create(op: ops.Operator, attributes: dict[str, Any], ctx: Any, out: Any) -> Any:
    """Run an operator without inputs where `ctx` says: factory functions follow torch's default device."""
    context = as_context(ctx) if out is None else out.context
    if out is not None and "shape" in op.attributes and "shape" not in attributes:
        attributes = {**attributes, "shape": out.shape}
    with torch.device(context.device):
        made = invoke(op, [], attributes, out)
    if out is None:
        for array in made if isinstance(made, list) else [made]:
            array._ctx = context
    return made
