"""Reductions and normalisation."""
from tests.parity.rows import Row, apart, between, given, whole

AXES = ({}, dict(axis=1), dict(axis=-1, keepdims=True), dict(axis=(0, 2)), dict(axis=(0,), exclude=True),
        dict(keepdims=True), dict(axis=(0, 1, 2)), dict(axis=()), dict(axis=(0, 1, 2), exclude=True))
HOLES = given([[1.0, float("nan"), 3], [float("nan"), float("nan"), 2]])
TIES = given([[1.0, 3, 3], [0, 0, -1]])
SUMS = ("sum", "mean", "nansum")
INTEGERS = whole(-4, 5, 2, 3, 4)

ROWS = [Row(op, [(2, 3, 4)], axes, rtol=1e-5, atol=1e-6, why="the order of summation differs")
        for op in SUMS for axes in AXES] + [
    Row(op, [between(0.5, 1.5, 2, 3, 4)], axes) for op in ("prod", "nanprod") for axes in AXES] + [
    Row(op, [apart(2, 3, 4)], axes) for op in ("max", "min") for axes in AXES] + [
    Row(op, [TIES], dict(axis=1), derivative=False) for op in ("max", "min")] + [
    Row(op, [HOLES], dict(axis=1), derivative=False) for op in ("nansum", "nanprod")] + [
    Row(op, [INTEGERS], dict(axis=1), dtypes=("int32", "int64")) for op in ("sum", "nansum", "prod", "max", "min")] + [
    Row("mean", [whole(0, 5, 2, 3)], dict(axis=0), dtypes=("int32",)),
    Row("sum_axis", [(2, 3)], dict(axis=0)), Row("max_axis", [apart(2, 3)], dict(axis=0)),
    Row("min_axis", [apart(2, 3)], dict(axis=0)),
] + [Row("norm", [(2, 3, 4)], dict(**order, **axes))
     for order in ({}, dict(ord=1)) for axes in ({}, dict(axis=1), dict(axis=(0, 2), keepdims=True), dict(axis=-1))] + [
    Row("norm", [given([[0.0, 0], [3, 4]])], dict(axis=1), grad=False, derivative=False,
        why="MXNet's gradient of the norm of nothing is NaN, ours 0"),
    Row("moments", [(2, 3, 4)], dict(axes=(0, 2))), Row("moments", [(2, 3, 4)], dict(axes=(1,), keepdims=True)),
    Row("moments", [(2, 3)], dict(axes=(0, 1))),
    *[Row("moments", [whole(-5, 9, 3, 4)], attrs, dtypes=("int32", "int64")) for attrs in (
        dict(axes=(0, 1)), dict(axes=(1,), keepdims=True))],
] + [Row(op, [apart(2, 3, 4)], axes) for op in ("argmax", "argmin")
     for axes in ({}, dict(axis=1), dict(axis=-1, keepdims=True), dict(keepdims=True))] + [
    Row(op, [given([[1.0, 1, 0, 0], [0, 2, 2, 0]])], dict(axis=1)) for op in ("argmax", "argmin")] + [
    Row(op, [given([[1.0, 1, 0, 0], [0, 2, 2, 0]])], dict(axis=1), dtypes=("int32",))
    for op in ("argmax", "argmin")] + [
    Row("argmax_channel", [apart(3, 5)], grad=False), Row("argmax_channel", [apart(2, 3, 2)], grad=False),
    Row("cumsum", [(2, 3)]), Row("cumsum", [(2, 3)], dict(axis=0)), Row("cumsum", [(2, 3, 2)], dict(axis=1)),
    Row("cumsum", [whole(-3, 4, 2, 3)], dict(axis=1), dtypes=("int32",)),
    Row("cumsum", [(2, 3)], dict(axis=1, dtype="float64"), dtypes=("float32",), derivative=False),
] + [Row("L2Normalization", [(2, 3, 4)], dict(mode=mode)) for mode in ("instance", "channel", "spatial")] + [
    Row("L2Normalization", [(2, 3)]), Row("L2Normalization", [(2, 3, 2, 2)], dict(mode="channel", eps=0.1)),
]
