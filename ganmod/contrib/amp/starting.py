"""``amp.init``: from now on, symbols are composed in mixed precision."""
from __future__ import annotations

from typing import Any, NoReturn

from ... import name as naming
from ...base import AttributeValueError
from ...ops import registry as ops
from ...symbol import composing
from ...symbol.graph import Entry, Node
from .convert import Conditions, Names, Wishes, wishes_of

__all__ = ["init", "init_trainer", "scale_loss", "unscale", "convert_hybrid_block"]


def init(target_dtype: str = "float16", target_precision_ops: Names = None, conditional_fp32_ops: Conditions = None,
         fp32_ops: Names = None) -> None:
    """Cast the inputs of every operator that is composed from now on to 16 bits, or to 32, as the lists say.

    Symbols that exist already, and arrays, are not affected; a second call changes nothing.

    Parameters
    ----------
    target_dtype : {'float16', 'bfloat16'}
        The dtype of 16 bits.
    target_precision_ops, fp32_ops : list of str, optional
        Operators that run in 16 and in 32 bits; by default :func:`list_lp16_ops` and :func:`list_fp32_ops`.
    conditional_fp32_ops : list of (str, str, list of str), optional
        Operators that run in 32 bits where an attribute has one of the values.

    Raises
    ------
    AttributeValueError
        For another dtype, an unknown operator or one in two lists.
    """
    if composing.before is not None:
        return
    if str(target_dtype) not in ("float16", "bfloat16"):
        raise AttributeValueError(f"amp.init(): target_dtype must be 'float16' or 'bfloat16', got {target_dtype!r}")
    wishes = wishes_of(str(target_dtype), target_precision_ops, fp32_ops, conditional_fp32_ops, None)
    composing.before = lambda node: _cast_inputs(node, wishes)


def _cast_inputs(node: Node, wishes: Wishes) -> None:
    kind = id(node.op)
    if kind in wishes.full or wishes.is_conditional(node):
        node.inputs = [_cast(entry, "float32") for entry in node.inputs]
    elif kind in wishes.low:
        states = {id(variable) for _, variable in node.replaced_inputs()}
        low = str(wishes.low_dtype).removeprefix("torch.")
        node.inputs = [entry if id(entry.node) in states else _cast(entry, low) for entry in node.inputs]
    elif kind in wishes.widest:
        count = {"num_outputs": str(len(node.inputs))}
        node.inputs = Node(ops.find("amp_multicast"), naming.current().get(None, "amp_multicast"), count,
                           node.inputs).outputs()


def _cast(entry: Entry, dtype: str) -> Entry:
    return Entry(Node(ops.find("amp_cast"), naming.current().get(None, "amp_cast"), {"dtype": dtype}, [entry]))


def _gluon_only(call: str) -> NoReturn:
    raise TypeError(f"amp.{call}() is for Gluon, which ganmod does not have; a module's gradients are scaled by a loss "
                    "layer's grad_scale, and its optimizer divides by rescale_grad")


def init_trainer(optimizer_or_trainer: Any) -> NoReturn:
    """Gluon only: raises TypeError, as MXNet does for anything but a Gluon trainer."""
    _gluon_only("init_trainer")


def scale_loss(loss: Any, optimizer_or_trainer: Any) -> NoReturn:
    """Gluon only: raises TypeError."""
    _gluon_only("scale_loss")


def unscale(optimizer_or_trainer: Any) -> NoReturn:
    """Gluon only: raises TypeError, as MXNet does for anything but a Gluon trainer."""
    _gluon_only("unscale")


def convert_hybrid_block(block: Any, **_settings: Any) -> NoReturn:
    """Gluon only: raises TypeError; :func:`convert_model` converts symbols."""
    _gluon_only("convert_hybrid_block")
