"""Names, aliases, inputs, attributes and defaults of every operator, as MXNet declares them."""
from __future__ import annotations

import math
import re
import typing
from typing import Any

import pytest
import torch

from ganmod.base import AttributeValueError
from ganmod.ops import table
from ganmod.ops.attributes import DType
from ganmod.ops.control_flow import ControlFlow
from ganmod.ops.registry import Operator

MISDECLARED = ("_linspace",)                                    # MXNet itself takes num= and endpoint=, and no repeat=
IGNORED = ("_np", "_backward", "_contrib_quant", "_sg_")           # families that are not ours to mirror
OPERATORS = sorted({id(op): op for op in table().values() if not op.name.startswith("_gan_")}.values(),
                   key=lambda op: op.name)                         # MXNet has none for GANs alone


def declared(mx, np):
    """Every operator that MXNet has: its canonical name, and its arguments with their types in words."""
    import ctypes

    from mxnet.base import _LIB, OpHandle, c_str, check_call, mx_uint, py_str
    texts, count = ctypes.POINTER(ctypes.c_char_p)(), ctypes.c_uint()
    check_call(_LIB.MXListAllOpNames(ctypes.byref(count), ctypes.byref(texts)))
    found = {}
    for name in [py_str(texts[k]) for k in range(count.value)]:
        handle = OpHandle()
        check_call(_LIB.NNGetOpHandle(c_str(name), ctypes.byref(handle)))
        real, words, counter, returned = (ctypes.c_char_p() for _ in range(4))
        number = mx_uint()
        names, types, remarks = (ctypes.POINTER(ctypes.c_char_p)() for _ in range(3))
        check_call(_LIB.MXSymbolGetAtomicSymbolInfo(handle, *map(ctypes.byref, (
            real, words, number, names, types, remarks, counter, returned))))
        found[name] = {"real": py_str(real.value), "count": py_str(counter.value),
                       "arguments": [(py_str(names[k]), py_str(types[k])) for k in range(number.value)]}
    return found


@pytest.fixture(scope="module")
def theirs(oracle):
    return oracle.run(declared)


def is_input(kind: str) -> bool:
    """Whether an argument is an array: ``NDArray-or-Symbol``, ``NDArray-or-Symbol[]``, ``Symbol or Symbol[]``, …."""
    return kind.split("[")[0].split(" or ")[0] in ("NDArray-or-Symbol", "NDArray", "Symbol")


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.name)
def test_names(theirs, op: Operator):
    assert op.name in theirs, f"MXNet has no operator {op.name}"
    names = {name for name, entry in theirs.items() if entry["real"] == op.name and not name.startswith(IGNORED)}
    assert names | {op.name} == {op.name, *op.aliases}


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.name)
def test_inputs(theirs, op: Operator):
    inputs = [(name, kind) for name, kind in theirs[op.name]["arguments"] if is_input(kind)
              and not (kind == "Symbol" and isinstance(op, ControlFlow))]          # a subgraph
    variadic = bool(inputs) and inputs[-1][1].endswith("[]")
    assert op.variadic == variadic
    states = [i.name for i in op.inputs if i.aux]
    assert [i.name for i in op.inputs] == [name for name, _ in inputs[:len(inputs) - variadic]] + \
        [name for name in states if name not in dict(inputs)]
    if theirs[op.name]["count"]:
        assert op.count == theirs[op.name]["count"]


@pytest.mark.parametrize("op", [op for op in OPERATORS if op.name not in MISDECLARED], ids=lambda op: op.name)
def test_attributes(theirs, op: Operator):
    expected = {name: kind for name, kind in theirs[op.name]["arguments"] if not is_input(kind)}
    ours = [name for name in op.attributes if name in expected or name != op.count]
    assert ours == list(expected)
    for name, kind in expected.items():
        attribute = op.attributes[name]
        assert attribute.required == ("optional" not in kind and ", required" in kind), name
        if default_of(kind) is not None:
            assert same(attribute.parse(default_of(kind)), attribute.default), f"{name}: {kind}"
        elif not attribute.required:            # what None stands for: nothing, an empty shape, or a dtype of its own
            assert attribute.default in (None, (), "") or isinstance(attribute.default, (torch.dtype, float)), name
        assert choices_fit(kind, attribute.annotation), f"{name}: {kind}"


def default_of(kind: str) -> Any:
    """The default in a type's words, ``float, optional, default=0.5``; None if there is none."""
    text = kind.partition("default=")[2].strip("'")
    return None if text in ("None", "") else text


def same(one: Any, other: Any) -> bool:
    """Equal, floats as far as float32 tells them apart."""
    if isinstance(one, float) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=1e-6)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def choices_fit(kind: str, annotation: Any) -> bool:
    """Whether an enumeration ``{'a', 'b'}`` has the values of our annotation."""
    given = re.match(r"\{(.*?)\}", kind)
    annotations = {annotation, *typing.get_args(annotation)}
    if not given or DType in annotations or torch.dtype in annotations:
        return True
    expected = {word.strip().strip("'") for word in given[1].split(",")}
    ours = {str(value) for a in annotations for value in (typing.get_args(a) or (a,))
            if value is None or isinstance(value, (str, type(None)))}
    ours |= {"None"} if type(None) in annotations else set()
    return expected <= ours                                # we may know more


def test_lossy_values_are_refused():
    with pytest.raises(AttributeValueError, match="num_hidden='1.5': expected int"):
        table()["FullyConnected"].parse({"num_hidden": "1.5"})
