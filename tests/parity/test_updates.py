"""The steps of optimizers in MXNet and here: the new weights, and what they change in place, over two calls."""
from __future__ import annotations

import pytest

import ganmod
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


def listed(mx, np, low):
    """The functions of ``mx.nd.contrib`` that take lists of arrays, and a number for the scale of the gradients."""
    def arrays(dtype="float32", sizes=(3, 2)):
        return [mx.nd.array(np.arange(1, size + 1) / 4, dtype=dtype) for size in sizes]

    kind, copies, mp = ("float16", [arrays()], "mp_") if low else ("float32", [], "")
    weights, means, squares = arrays(kind), arrays(), arrays()
    state = [weights, arrays(kind), means, squares, *copies]
    numbers = {"lrs": [0.1, 0.2], "wds": [0.0, 0.1]}
    contrib = mx.nd.contrib
    getattr(contrib, f"multi_{mp}adamw_update")(*state, 0.5, etas=[1.0, 0.5], out=weights, **numbers)
    getattr(contrib, f"multi_{mp}lamb_update")(*state, step_count=[1, 2], out=weights, **numbers)
    return [array for part in state for array in part]


@pytest.mark.parametrize("low", [False, True])
def test_lists_of_arrays(compare, low):
    compare(listed, dict(low=low), rtol=1e-3 if low else 1e-5)


def counted(mx, np, data):
    """``histogram`` in its ways of calling."""
    data = mx.nd.array(data)
    return [mx.nd.histogram(data), mx.nd.histogram(data, bins=3), mx.nd.histogram(data, bins=4, range=(0, 2)),
            mx.nd.histogram(data, bins=mx.nd.array([0, 1, 3])),
            mx.sym.histogram(mx.sym.Variable("x"), bins=4, range=(0, 2)).list_outputs()]


def test_histogram(compare):
    def plain(mx, np, data):
        return [list(pair) for pair in counted(mx, np, data)]

    compare(plain, dict(data=[0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 0.2]))


@pytest.mark.parametrize("call, message", [
    (lambda nd, x: nd.multi_sgd_update(x, x, x, lrs=(1, 1), wds=(0, 0), num_weights=2), "weight, grad.*4 arrays.*3"),
    (lambda nd, x: nd.multi_sgd_update(x, x, lrs=(1, 1), wds=(0,)), r"lrs=\(1.0, 1.0\).*num_weights=1"),
    (lambda nd, x: nd.sgd_update(x, nd.ones((3,)), lr=1), r"'grad' has shape \(3,\)"),
    (lambda nd, x: nd.all_finite(x, init_output=False), "init_output=False.*not supported"),
    (lambda nd, x: nd.histogram(x, bins="auto"), "bins must be an int or an NDArray"),
    (lambda nd, x: nd.cast_storage(x, stype="csr"), "a csr array has two axes"),
    (lambda nd, x: nd.linalg.potrf(nd.ones((2, 3))), "square matrices"),
    (lambda nd, x: nd.linalg.potrf(nd.zeros((2, 2))), "potrf.*not positive-definite"),
    (lambda nd, x: nd.linalg.gemm2(x, x), "at least 2 axes"),
    (lambda nd, x: nd.contrib.boolean_mask(x, nd.ones((3,))), "one element per row"),
    (lambda nd, x: nd.contrib.interleaved_matmul_selfatt_qk(nd.ones((2, 2, 13)), heads=2), "heads=2, got"),
])
def test_mistakes_are_explained(call, message):
    with pytest.raises(ganmod.MXNetError, match=message):
        call(ganmod.nd, ganmod.nd.ones((2,)))
