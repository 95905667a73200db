"""The steps of optimizers in MXNet and here: the new weights, and what they change in place, over two calls."""
from __future__ import annotations

import pytest

from ganmod.ops import find
from tests.parity.cases_update import ADAPTIVE, MANY, PLAIN, TESTS
from tests.parity.rows import Row
from tests.parity.test_operators import face

CASES = [(row, dtype) for row in PLAIN + ADAPTIVE + MANY + TESTS for dtype in row.dtypes
         if "adagrad" not in row.op]


# What MXNet does and we do not: it scales the gradient of AdamW in place, and keeps an old copy of the weight.
APART = {"_adamw_update": 1, "mp_lamb_update_phase2": 4}


def stepped(mx, np, op, inputs, attrs, targets, apart):
    """All arrays after two steps, the results written over the arrays at the positions `targets`."""
    arrays = [mx.nd.array(value, dtype=value.dtype) for value in inputs]
    out = {"out": [arrays[k] for k in targets] if len(targets) > 1 else arrays[targets[0]]} if targets else {}
    for _ in range(2 if apart is None else 1):
        made = face(mx.nd, op)(*arrays, **out, **attrs)
    return {"arrays": [array for k, array in enumerate(arrays) if k != apart],
            "results": made if isinstance(made, list) else [made]}


def weights_of(row: Row) -> list[int]:
    """The positions of the weights, over which the results are written."""
    op = find(row.op)
    names = op.input_names(op.parse(row.attrs), len(row.inputs))
    return [] if "phase1" in row.op else [k for k, name in enumerate(names)
                                          if name == "weight" or name.startswith("weight_")]


@pytest.mark.parametrize("row, dtype", CASES, ids=[f"{row}-{dtype}" for row, dtype in CASES])
def test_steps(compare, row: Row, dtype: str):
    compare(stepped, dict(op=row.op, inputs=row.arrays(dtype), attrs=row.attrs, targets=weights_of(row),
                          apart=APART.get(row.op)), rtol=row.rtol, atol=1e-3 if dtype == "float16" else row.atol)


def scaled_steps(mx, np, scale):
    """A step of AdamW under a scale of the gradients that may be useless."""
    arrays = [mx.nd.array([1.0, 2.0]) for _ in range(4)]
    mx.nd._internal._adamw_update(*arrays, mx.nd.array([scale]), lr=0.1, eta=1.0, wd=0.1, out=arrays[0])
    return arrays


@pytest.mark.parametrize("scale", [1.0, 0.0, float("inf"), float("nan")])
def test_a_useless_scale_leaves_everything_as_it_is(compare, scale):
    compare(scaled_steps, dict(scale=scale))


def test_close_is_close(compare):
    def close(mx, np, shift, **attrs):
        a = mx.nd.array([1.0, 2.0, np.nan])
        return mx.nd.contrib.allclose(a, a + shift, **attrs).asnumpy().reshape(1)

    for attrs in ({}, {"equal_nan": False}, {"rtol": 0.1}, {"atol": 0.5}):
        for shift in (0.0, 0.1, 1.0):
            compare(close, dict(shift=shift, **attrs))




def masked(mx, np, index):
    """Rows chosen by value in a symbol, and their gradient."""
    symbol = mx.sym.contrib.boolean_mask(mx.sym.Variable("x"), mx.sym.Variable("i"))
    gradient = mx.nd.zeros((3, 2))
    executor = symbol.bind(mx.cpu(), {"x": mx.nd.array([[1, 2], [3, 4], [5, 6]]), "i": mx.nd.array(index)},
                           args_grad={"x": gradient}, grad_req={"x": "write", "i": "null"})
    output, = executor.forward(is_train=True)
    executor.backward([output * 2])
    return output, gradient


def test_rows_chosen_by_value(compare):
    compare(masked, dict(index=[1.0, 0.0, 1.0]))
