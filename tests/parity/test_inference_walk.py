"""Inference over the rows of the operator tables: dtypes, and shapes of which all but some are known."""
from __future__ import annotations

import ganmod
from tests.parity.oracle import here
from tests.parity.rows import every_row

DTYPES = ("float16", "float32", "float64", "int32", "uint8", "bool")


def face(mx, op):
    """An operator's function in ``mx.sym``, in one of its parts, or in ``_internal``."""
    if hasattr(mx.sym, op):
        return getattr(mx.sym, op)
    for part in ("contrib", "linalg", "image", "sparse"):
        if op.startswith(f"_{part}_"):
            return getattr(getattr(mx.sym, part), op[len(part) + 2:])
    return getattr(mx.sym._internal, op)


def symbol_of(mx, op, number, attrs):
    """The operator on variables x0, x1, …"""
    return face(mx, op)(*[mx.sym.Variable(f"x{k}") for k in range(number)], name="node", **attrs)


def shapes_of(symbol, mx, known):
    """Shapes as far as they follow, or that they conflict."""
    import warnings
    warnings.simplefilter("ignore")
    names = symbol.list_inputs()
    try:
        arguments, outputs, states = symbol.infer_shape_partial(**{k: v for k, v in known.items() if k in names})
    except mx.base.MXNetError:
        return "conflict"
    return [[list(shape) for shape in part] for part in (arguments, outputs, states)]


def partial(mx, np, rows):
    """For each row: shapes without each input in turn, with one size unknown in each, and from the output alone."""
    results = []
    for op, shapes, attrs in rows:
        symbol = symbol_of(mx, op, len(shapes), attrs)
        known = {f"x{k}": shape for k, shape in enumerate(shapes)}
        found = {}
        for name, shape in known.items():
            found[f"without {name}"] = shapes_of(symbol, mx, {k: v for k, v in known.items() if k != name})
            for axis in range(len(shape)):
                open_shape = (*shape[:axis], 0, *shape[axis + 1:])
                found[f"{name} {open_shape}"] = shapes_of(symbol, mx, {**known, name: open_shape})
        whole = shapes_of(symbol, mx, known)
        if whole != "conflict" and whole[1] and all(whole[1][0]):
            summed = symbol[0] + mx.sym.Variable("out")
            found[f"output {whole[1][0]}"] = shapes_of(summed, mx, {"out": tuple(whole[1][0])})
        results.append(found)
    return results


def dtypes(mx, np, rows, kinds):
    """For each row and dtype of the first input: the dtypes of everything, or that it is refused."""
    import warnings
    warnings.simplefilter("ignore")
    results = []
    for op, number, attrs in rows:
        symbol = symbol_of(mx, op, number, attrs)
        found = {}
        for kind in kinds:
            try:
                made = symbol.infer_type_partial(x0=kind) if number else symbol.infer_type()
                found[kind] = [[None if t is None else np.dtype(t).name for t in part] for part in made]
            except (mx.base.MXNetError, TypeError, ValueError):
                found[kind] = "refused"
        results.append(found)
    return results


def fits(theirs, ours) -> bool:
    """Whether `ours` says all that `theirs` says; unknown is an empty shape or 0."""
    return theirs == [] or len(theirs) == len(ours) and all(a in (0, b) for a, b in zip(theirs, ours))


def asked(rows, with_shapes):
    """One row for each operator, attributes and numbers of axes; its inputs as shapes, or their number."""
    found = {}
    for row in rows:
        shapes = [tuple(map(int, value.shape)) for value in row.arrays(row.dtypes[0])]
        key = (row.op, *map(len, shapes), str(row.attrs) if with_shapes else "")
        found.setdefault(key, (row.op, shapes if with_shapes else len(shapes), row.attrs))
    return list(found.values())


SYMBOLIC = [row for row in every_row() if row.sym]
# MXNet computes with the 0 of an unknown size here: two joined sizes of which one is unknown, what is padded around it.
UNKNOWN_COUNTS_AS_0 = ("Concat", "concat", "_rnn_param_concat", "Pad", "pad", "diag", "linalg_makediag", "UpSampling")


def test_shapes_of_which_some_are_unknown(oracle):
    """Whatever MXNet infers follows here too."""
    rows, missing = [row for row in asked(SYMBOLIC, True) if row[0] not in UNKNOWN_COUNTS_AS_0], []
    for row, theirs, ours in zip(rows, oracle.run(partial, {"rows": rows}), here(partial, ganmod, {"rows": rows})):
        for what, found in theirs.items():
            if found == "conflict":                        # MXNet refuses many a shape because it is unknown
                continue
            mine = ours[what]
            if mine == "conflict" or not all(len(a) == len(b) and all(map(fits, a, b)) for a, b in zip(found, mine)):
                missing.append(f"{row} {what}: MXNet {found}, ganmod {mine}")
    assert not missing, "\n".join(missing)


# Dtypes that mean nothing: numbers that are quantized already, statistics of whole numbers.
MEANINGLESS = {("_contrib_quantize_v2", "uint8"), ("_contrib_SyncBatchNorm", "uint8"),
               ("_contrib_SyncBatchNorm", "bool")}
# What is the widest of several dtypes is not known from one.
OPEN = ("amp_multicast",)


def test_dtypes_from_that_of_the_first_input(oracle):
    """Whatever MXNet infers follows here too; where MXNet refuses a dtype, another is accepted here now and then."""
    rows, missing = [row for row in asked(SYMBOLIC, False) if row[0] not in OPEN], []
    inputs = {"rows": rows, "kinds": list(DTYPES)}
    for row, theirs, ours in zip(rows, oracle.run(dtypes, inputs), here(dtypes, ganmod, inputs)):
        for kind, found in theirs.items():
            mine = ours[kind]
            if found == "refused" or (row[0], kind) in MEANINGLESS:
                continue
            if mine == "refused" or not all(a in (None, b) for one, other in zip(found, mine)
                                            for a, b in zip(one, other)):
                missing.append(f"{row} {kind}: MXNet {found}, ganmod {mine}")
    assert not missing, "\n".join(missing)
