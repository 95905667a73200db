"""Taking, gathering, sorting, sequences, and arrays made of nothing."""
from tests.parity.rows import Row, apart, given, whole

ANY = (2, 3, 4)
NO_GRADIENT = dict(grad=False, derivative=False)

TAKE = [Row("take", [(4, 3), indices], attrs, derivative=False) for indices, attrs in (
    (whole(0, 4, 5), {}), (whole(0, 3, 2, 2), dict(axis=1)), (whole(0, 3, 2), dict(axis=-1)),
    (given(-1, 9, 0), {}), (given(-1, 9, -5, 3), dict(mode="wrap")), (given(-7, 8), dict(axis=1, mode="wrap")),
    (given(3, 3, 0), dict(mode="raise")), (given(1.7, -0.7), {}), (whole(0, 4, 2, 1, 3), {}))] + [
    Row("take", [(4, 3), whole(0, 4, 5, dtype=kind)], derivative=False, dtypes=("float32",))
    for kind in ("int32", "int64", "uint8")] + [
    Row("take", [ANY, whole(0, 3, 2, 2)], dict(axis=1), derivative=False),
    Row("take", [whole(0, 9, 4, 3), given(3, 0, dtype="int32")], dtypes=("int32", "float16"), **NO_GRADIENT),
    Row("batch_take", [(4, 3), given(0, 2, 1, 9, dtype="int32")], grad=False, derivative=False, why="MXNet has none"),
    Row("batch_take", [(2, 3), given(-4, 2, dtype="int32")], grad=False, derivative=False, why="MXNet has none"),
]

PICK = [Row(name, [data, index], attrs, derivative=False) for name, data, index, attrs in (
    ("pick", (4, 3), whole(0, 3, 4), {}), ("pick", (4, 3), whole(0, 3, 4), dict(keepdims=True)),
    ("pick", (4, 3), whole(0, 4, 3), dict(axis=0)), ("pick", (4, 3), whole(0, 4, 1, 3), dict(axis=0)),
    ("pick", (4, 3), whole(0, 4, 1, 3), dict(axis=-2, keepdims=True)), ("pick", (2, 3), given(-1, 5), {}),
    ("pick", (2, 3), given(-1, 7), dict(mode="wrap")), ("pick", ANY, whole(0, 4, 2, 3), {}),
    ("pick", ANY, whole(0, 3, 2, 4), dict(axis=1)), ("pick", ANY, whole(0, 3, 2, 1, 4), dict(axis=1, keepdims=True)),
    ("pick", ANY, whole(0, 2, 3, 4, dtype="int32"), dict(axis=0)),
    ("choose_element_0index", (4, 3), whole(0, 3, 4), {}))] + [
    Row("fill_element_0index", [(3, 4), (3,), given(0, 3, 9)], sym=False, dtypes=("float32",), **NO_GRADIENT),
]

ONE_HOT = [Row("one_hot", [indices], attrs, **NO_GRADIENT) for indices, attrs in (
    (given(0, 2, 1), dict(depth=3)), (given(-1, 3, 1), dict(depth=3)), (given([[0, 1], [2, 2]]), dict(depth=4)),
    (given(0, 1), dict(depth=2, on_value=2.5, off_value=-0.5)), (given(0, 1), dict(depth=2, dtype="int32")),
    (given(1.7, -0.7), dict(depth=3)), (given(0, 1, dtype="int32"), dict(depth=3, dtype="float64", on_value=0.1)))]

GATHER = [Row(name, inputs, attrs, derivative=False) for name, inputs, attrs in (
    ("gather_nd", [(3, 4), whole(0, 3, 2, 5)], {}), ("gather_nd", [(3, 4), whole(0, 3, 1, 2)], {}),
    ("gather_nd", [ANY, whole(0, 2, 2, 2, 2)], {}), ("gather_nd", [ANY, whole(0, 2, 3, 4, dtype="int32")], {}),
    ("scatter_nd", [(3,), given([[1, 1, 0], [0, 1, 0]])], dict(shape=(2, 2))),
    ("scatter_nd", [(2, 3), given([[3, 0]])], dict(shape=(4, 3))),
    ("scatter_nd", [(2, 2), given([[[0, 1], [2, 3]]], dtype="int32")], dict(shape=(4,))))] + [
    Row("gather_nd", [(3, 4), given([[-1, 2], [0, -4]])], grad=False, derivative=False,
        why="MXNet writes the gradient of a negative index outside the array")]

SORT = [Row("sort", [apart(3, 4)], grad=False, why="MXNet's gradient needs the axis to be given")] + [
    Row("sort", [apart(*shape)], attrs) for shape, attrs in (
    ((3, 4), dict(axis=-1)), ((3, 4), dict(axis=0)), ((3, 4), dict(axis=None)),
    (ANY, dict(axis=1, is_ascend=False)))] + [
    Row("sort", [whole(0, 3, 8)], dtypes=("int32", "uint8", "int64"), **NO_GRADIENT)] + [
    Row("argsort", [values], attrs, **NO_GRADIENT) for values, attrs in (
        (apart(3, 4), {}), (apart(3, 4), dict(axis=0, dtype="int32")), (apart(3, 4), dict(axis=None)),
        (apart(*ANY), dict(axis=1, is_ascend=False)), (given(1, 2, 2, 1, 1), {}),
        (given(1, 2, 2, 1, 1), dict(is_ascend=False)))] + [
    Row("topk", [apart(3, 4)], dict(ret_typ=kind, **attrs), grad=kind != "mask", derivative=False)
    for kind in ("indices", "value", "both", "mask")
    for attrs in (dict(k=2), dict(k=3, axis=0, is_ascend=True), dict(k=5, axis=None), dict(k=0), {})] + [
    Row("topk", [given(1, 2, 2, 1)], dict(k=3), **NO_GRADIENT), Row("topk", [given(1, 2, 2, 1)], dict(
        k=3, is_ascend=True), **NO_GRADIENT),
    Row("topk", [apart(3, 4)], dict(k=2, ret_typ="both", dtype="int64"), **NO_GRADIENT),
    Row("topk", [apart(*ANY)], dict(k=2, axis=1, ret_typ="value"), derivative=False),
]

RAVEL = [Row("ravel_multi_index", [given([[0, 1, 2], [2, 1, 0]])], dict(shape=shape), dtypes=("float32", "int64"),
             **NO_GRADIENT) for shape in ((3, 4), (-1, 3))] + [
    Row("unravel_index", [given(0, 5, 11)], dict(shape=shape), dtypes=("float32", "int32"), **NO_GRADIENT)
    for shape in ((3, 4), (-1, 3), (2, 3, 2))]

STEPS = (4, 3, 2)
LENGTHS = dict(use_sequence_length=True)

SEQUENCE = [Row(name, inputs, attrs, derivative=False) for name, inputs, attrs in (
    ("SequenceMask", [STEPS], {}), ("SequenceMask", [STEPS, given(1, 4, 2)], LENGTHS),
    ("SequenceMask", [STEPS, given(0, 9, 2)], dict(value=-1.5, **LENGTHS)),
    ("SequenceMask", [STEPS, given(1, 3, 2, 0)], dict(axis=1, **LENGTHS)),
    ("SequenceMask", [(4, 3), given(1, 3, 2, dtype="int32")], LENGTHS),
    ("SequenceMask", [(2, 3, 2, 2), given(1.5, 2.9, 0.5)], LENGTHS),
    ("SequenceLast", [STEPS], {}), ("SequenceLast", [STEPS], dict(axis=1)), ("SequenceLast", [(4, 3)], {}),
    ("SequenceLast", [STEPS, given(1, 4, 2)], LENGTHS),
    ("SequenceLast", [STEPS, given(1, 3, 2, 2, dtype="int32")], dict(axis=1, **LENGTHS)),
    ("SequenceReverse", [STEPS], {}), ("SequenceReverse", [STEPS, given(1, 4, 2)], LENGTHS),
    ("SequenceReverse", [(4, 3), given(0, 3, 2, dtype="int32")], LENGTHS))]

EMBEDDING = [Row("Embedding", [indices, (4, 3)], dict(input_dim=4, output_dim=3, **attrs), dtypes=dtypes, **gradient)
             for indices, attrs, dtypes, gradient in (
    # MXNet refuses a gradient for the indices, which floating ones would ask for here.
    (whole(0, 4, 5), {}, ("float32",), NO_GRADIENT), (given(1.7, -0.5), {}, ("float32",), NO_GRADIENT),
    (whole(0, 4, 5), dict(dtype="float64"), ("float64",), NO_GRADIENT),
    (whole(0, 4, 2, 3, dtype="int32"), {}, ("float32",), {}), (given(1, 1, 1, 0, dtype="int32"), {}, ("float32",), {}),
    (given(-1, 9, 2, dtype="int32"), {}, ("float32",), {}),
    (whole(0, 4, 5, dtype="int64"), dict(dtype="float64"), ("float64",), {}))]

CREATION = [Row(name, [], attrs, dtypes=("float32",), **NO_GRADIENT) for name, attrs in (
    ("_zeros", dict(shape=(2, 3))), ("_zeros", dict(shape=(2,), dtype="int32")), ("_ones", dict(shape=(2, 3))),
    ("_full", dict(shape=(2,), value=2.5)), ("_full", dict(shape=(2,), value=-2.5, dtype="int32")),
    ("_arange", dict(start=3)), ("_arange", dict(start=1, stop=7, step=2.5)),
    ("_arange", dict(start=5, stop=1, step=-1)),
    ("_arange", dict(start=0, stop=3, repeat=2)), ("_arange", dict(start=0.5, stop=5, dtype="int32")),
    ("_linspace", dict(start=0, stop=1, num=5)), ("_linspace", dict(start=0, stop=1, num=4, endpoint=False)),
    ("_linspace", dict(start=0.1, stop=1.1, num=11)), ("_linspace", dict(start=0, stop=7, num=4, dtype="int32")),
    ("_linspace", dict(start=2, stop=3, num=1)),
    ("_eye", dict(N=3)), ("_eye", dict(N=2, M=4, k=1)), ("_eye", dict(N=3, M=2, k=-1, dtype="int32")))]

ROWS = TAKE + PICK + ONE_HOT + GATHER + SORT + RAVEL + SEQUENCE + EMBEDDING + CREATION
