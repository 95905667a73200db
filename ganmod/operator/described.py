"""A ``CustomOpProp`` and its ``CustomOp`` as the operator table sees them: in terms of tensors."""
from __future__ import annotations

import inspect
from typing import Any, Callable, Optional, Sequence

import torch
from torch import Tensor

from ..base import AttributeValueError, MXNetError, suggest, to_numpy_dtype, to_torch_dtype
from ..context import Context, current_context
from ..ndarray import NDArray
from ..ndarray import recording as _recording
from ..ndarray.ndarray import context_of
from ..ops import custom as _ops
from ..ops.registry import Params
from ..ops.shapes import Known, complete
from ..symbol.files import DTYPE_NUMBERS
from .custom import CustomOpProp, registered

__all__ = ["Described"]


class Described(_ops.Description):
    """A :class:`CustomOpProp` in terms of tensors."""

    def __init__(self, prop: Any, title: str) -> None:
        arguments, outputs = list(prop.list_arguments()), list(prop.list_outputs())
        numbers = iter(range(len(arguments) + 2 * len(outputs)))
        heads, inputs, results = ([next(numbers) for _ in group] for group in (outputs, arguments, outputs))
        used = prop.declare_backward_dependency(heads, inputs, results)
        super().__init__(title, arguments, list(prop.list_auxiliary_states()), outputs,
                         needs_head=bool({*heads} & {*used}))
        self.prop = prop
        self._latest: dict[str, Any] = {}

    def shapes(self, given: list[Known]) -> tuple[list[Known], list[Known], list[Known]]:
        return self._remembered(self._asked_shapes, given)

    def dtypes(self, given: list[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        return self._remembered(self._asked_dtypes, given)

    def _remembered(self, rule: Callable[[list[Any]], Any], given: list[Any]) -> Any:
        """What a rule says, which is not asked twice in a row about the same."""
        if self._latest.get(rule.__name__, (None,))[0] != given:
            self._latest[rule.__name__] = list(given), rule(given)
        return self._latest[rule.__name__][1]

    def _asked_shapes(self, given: list[Known]) -> tuple[list[Known], ...]:
        if given and not any(given):
            return self._nothing()
        asked = [[size or -1 for size in shape or ()] for shape in given]
        found = self._asked("infer_shape", asked, sure=not given or complete(given[0]))
        return self._nothing() if found is None else tuple([_as_known(s) for s in group] for group in found)

    def _asked_dtypes(self, given: list[Any]) -> tuple[list[Any], ...]:
        if getattr(type(self.prop), "infer_type", None) is CustomOpProp.infer_type:
            first = given[0] if given else None            # the inputs' dtypes are independent of one another
            return given, [first] * len(self.outputs), [first] * len(self.states)
        if given and not any(given):
            return self._nothing()
        found = self._asked("infer_type", [None if t is None else to_numpy_dtype(t) for t in given],
                            sure=None not in given)
        return self._nothing() if found is None else \
            tuple([None if t is None else to_torch_dtype(t) for t in group] for group in found)

    def _nothing(self) -> Any:
        return tuple([None] * len(names) for names in (self.arguments, self.outputs, self.states))

    def _asked(self, method: str, given: list[Any], sure: bool) -> Optional[list[Any]]:
        """What the user's rule says: three lists of the right lengths. ``None`` where it fails for want of knowledge.
        """
        try:
            with _ops.user_code(self, method):
                found = list(getattr(self.prop, method)(given))
        except (IndexError, TypeError, ValueError, AssertionError, ZeroDivisionError):
            if sure:
                raise
            return None
        if len(found) == 2:
            found.append([])
        if len(found) != 3:
            raise MXNetError(f"{self.title}: {method} must return 2 or 3 lists, got {len(found)}")
        for what, names, group in zip(("inputs", "outputs", "states"), (self.arguments, self.outputs, self.states),
                                      found):
            if len(group) != len(names):
                raise MXNetError(f"{self.title}: {method} must return {len(names)} entries for the {what} "
                                 f"({', '.join(names) or 'none'}), got {len(group)}: {group}")
        return found

    def create(self, place: Any, tensors: Sequence[Tensor]) -> _ops.Instance:
        ctx = place or (context_of(tensors[0]) if tensors else current_context())
        made = self.prop.create_operator(ctx, [list(t.shape) for t in tensors],
                                         [DTYPE_NUMBERS.get(t.dtype, -1) for t in tensors])
        if not callable(getattr(made, "forward", None)):
            raise MXNetError(f"{self.title}: create_operator must return a CustomOp, got {made!r:.80}")
        return _Running(made, ctx, len(self.outputs))


def _as_known(shape: Any) -> Known:
    """A shape as users give it: empty is unknown, sizes below 1 are unknown."""
    return tuple(max(0, int(size)) for size in shape) or None


class _Running(_ops.Instance):
    """A :class:`CustomOp` in terms of tensors."""

    def __init__(self, op: Any, ctx: Context, outputs: int) -> None:
        self._op, self._ctx, self._outputs = op, ctx, outputs

    def _arrays(self, tensors: Sequence[Tensor]) -> list[NDArray]:
        return [NDArray(t.detach(), self._ctx) for t in tensors]

    def forward(self, training: bool, inputs: Sequence[Tensor], outputs: Sequence[Tensor], states: Sequence[Tensor]) \
            -> None:
        with _recording.scope(False, training), torch.enable_grad():     # which operators inside may need
            self._op.forward(is_train=training, req=["write"] * len(outputs), in_data=self._arrays(inputs),
                             out_data=self._arrays(outputs), aux=self._arrays(states))

    def backward(self, wanted: Sequence[bool], heads: Sequence[Tensor], inputs: Sequence[Tensor],
                 outputs: Sequence[Tensor], gradients: Sequence[Tensor], states: Sequence[Tensor]) -> None:
        tops = heads or [torch.empty(0)] * self._outputs
        with _recording.scope(False, True), torch.enable_grad():
            self._op.backward(req=["write" if w else "null" for w in wanted], out_grad=self._arrays(tops),
                              in_data=self._arrays(inputs), out_data=self._arrays(outputs),
                              in_grad=self._arrays(gradients), aux=self._arrays(states))


def _describe(params: Params, attributes: dict[str, str], title: str) -> _ops.Description:
    name = params.op_type
    if not name:
        raise AttributeValueError(f"{title} needs the attribute 'op_type': the name under which its CustomOpProp was "
                                  "registered")
    title = f"{title} (op_type={name!r})"
    if name not in registered:
        raise MXNetError(f"{title}: no operator is registered under that name{suggest(name, registered)}; "
                         f"@mx.operator.register({name!r}) has to come first")
    try:
        inspect.signature(registered[name]).bind(**attributes)
    except TypeError as error:
        raise AttributeValueError(f"{title}: {registered[name].__name__} does not take these attributes: {error} "
                                  f"(given: {', '.join(attributes) or 'none'})") from None
    return Described(registered[name](**attributes), title)


_ops.custom.describe = _describe  # type: ignore[attr-defined]
