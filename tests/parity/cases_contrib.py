"""Smaller operators of ``contrib``, products for attention, histograms."""
from tests.parity.rows import Row, between, given, whole

PLAIN = dict(grad=False, derivative=False)
STRAIGHT = dict(derivative=False, why="the gradient is not the derivative")
SINGLE = dict(dtypes=("float32",), why="MXNet's CPU has it for float32 only", rtol=1e-4)
UNKNOWN = dict(sym=False, why="the shape depends on values: MXNet says (), here it is unknown")
HALVES = given(-2.5, -0.5, -0.4, 0.0, 0.5, 1.5, 2.5, 3.2)
PLACES = given(3, 0, dtype="int64")
NUMBERS = given(-1.0, 0.0, 0.5, 0.7, 1.0, 2.0, 3.0, 3.5, float("nan"))

ELEMENTS = [
    Row("_contrib_quadratic", [(2, 3)], dict(a=1.5, b=-2.0, c=0.5)), Row("_contrib_quadratic", [(2, 3)]),
    Row("_contrib_quadratic", [whole(-5, 5, 2, 3)], dict(a=1.5, b=2.0, c=0.5), dtypes=("int32",)),
    Row("_contrib_div_sqrt_dim", [(2, 3, 5)]), Row("_contrib_div_sqrt_dim", [(4,)]),
    Row("_contrib_div_sqrt_dim", [whole(-9, 10, 3, 5)], dtypes=("int32", "int8")),
    Row("_contrib_gradientmultiplier", [(2, 3)], dict(scalar=-0.5), **STRAIGHT),
    Row("_contrib_gradientmultiplier", [(2, 3)]),
    Row("_contrib_sign_ste", [HALVES], **STRAIGHT), Row("_contrib_round_ste", [HALVES], **STRAIGHT),
    Row("_contrib_allclose", [(2, 3), (2, 3)], nd=False, sym=False, **PLAIN,
        why="MXNet's result has no axes, here it has one"),
]

INDICES = [
    *[Row("_contrib_arange_like", [(2, 4)], attrs, **PLAIN) for attrs in (
        {}, dict(start=2.0, step=0.5), dict(repeat=2), dict(axis=1), dict(axis=-2), dict(axis=0, repeat=2, start=1.0))],
    Row("_contrib_arange_like", [whole(0, 9, 2, 3)], dict(step=2.0), dtypes=("int32",)),
    *[Row("_contrib_index_array", [(2, 3, 2)], attrs, **PLAIN) for attrs in (
        {}, dict(axes=(1,)), dict(axes=(2, 0)), dict(axes=(-1, 0)))],
    Row("_contrib_index_copy", [(4, 2), PLACES, (2, 2)], grad=False), Row("_contrib_index_copy", [(4,), PLACES, (2,)]),
    Row("_contrib_index_copy", [(4, 2, 3), given(1.0, 2.0), (2, 2, 3)]),
    Row("_contrib_boolean_mask", [(4, 3), given(1.0, 0.0, 2.0, -1.0)], **UNKNOWN),
    Row("_contrib_boolean_mask", [(3,), given(0, 0, 1, dtype="int32")], **UNKNOWN),
    Row("_contrib_boolean_mask", [(3, 2), given(0.0, 0.0, 0.0)], derivative=False, **UNKNOWN),
]

ATTENTION = [
    Row("_contrib_interleaved_matmul_selfatt_qk", [(3, 2, 24)], dict(heads=2), **SINGLE),
    Row("_contrib_interleaved_matmul_selfatt_qk", [(4, 1, 9)], dict(heads=1), **SINGLE),
    Row("_contrib_interleaved_matmul_selfatt_valatt", [(3, 2, 24), (4, 3, 3)], dict(heads=2), **SINGLE),
    Row("_contrib_interleaved_matmul_encdec_qk", [(3, 2, 8), (5, 2, 16)], dict(heads=2), **SINGLE),
    Row("_contrib_interleaved_matmul_encdec_valatt", [(5, 2, 16), (4, 3, 5)], dict(heads=2), **SINGLE),
]

REST = [
    Row("_histogram", [NUMBERS], dict(bin_cnt=4, range=(0, 3)), **PLAIN),
    Row("_histogram", [(20,)], dict(bin_cnt=7, range=(-1.3, 1.1)), **PLAIN),
    Row("_histogram", [whole(-3, 9, 4, 5)], dict(bin_cnt=5, range=(0, 5)), dtypes=("int32", "int64"), **PLAIN),
    Row("_histogram", [NUMBERS, given(0.0, 0.6, 1.0, 3.0)], **PLAIN),
    Row("_histogram", [(4, 5), given(-1.5, -0.2, 0.1, 0.7, 1.0)], **PLAIN),
    Row("cast_storage", [(2, 3)], dict(stype="default")),
    Row("_contrib_SparseEmbedding", [given([0, 2, 2]), (4, 3)], dict(input_dim=4, output_dim=3), **PLAIN,
        why="MXNet's gradient is row_sparse: test_sparse.py"),
    Row("_contrib_getnnz", [whole(0, 3, 4, 3)], nd=False, sym=False, **PLAIN,
        why="MXNet takes csr arrays only, as test_sparse.py does"),
    Row("_contrib_getnnz", [whole(0, 3, 4, 3)], dict(axis=0), nd=False, sym=False, **PLAIN,
        why="MXNet does not count in columns"),
    Row("_sparse_retain", [(4, 3), given([0, 2])], nd=False, sym=False, **PLAIN,
        why="MXNet takes row_sparse arrays only, as test_sparse.py does"),
]

EVENTS = [
    Row("_contrib_hawkesll", [between(0.2, 1, 2, 3), between(0.1, 0.9, 3), between(0.5, 2, 3), between(0.1, 1, 2, 3),
                              between(0.1, 1, 2, 4), whole(0, 3, 2, 4, dtype="int32"), given([4.0, 3.0]),
                              given([5.0, 6.0])], derivative=False, dtypes=("float32",), rtol=1e-4,
        atol=1e-5, grad=False, why="sums over the events; gradients, of the rates alone, in test_contrib.py"),
]
ROWS = ELEMENTS + INDICES + ATTENTION + REST + EVENTS
