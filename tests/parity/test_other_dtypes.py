"""Every operator on half precision and on whole numbers: where MXNet takes them ganmod does, with the same results."""
from __future__ import annotations

import numpy as np
import pytest

import ganmod
from tests.parity.agreement import differences
from tests.parity.oracle import MXNetRaised, here
from tests.parity.rows import Row, every_row
from tests.parity.test_operators import operator_case

#: Attributes or lengths that do not fit these numbers, where MXNet reads beyond its arrays; sums it gets wrong; a
#: likelihood in whole numbers.
UNFIT = {("scatter_nd", "int32"), ("SequenceLast", "int32"), ("SequenceReverse", "int32"), ("Embedding", "float16"),
         ("norm", "int32"), ("_image_random_hue", "int32"), ("_contrib_index_copy", "int32"),
         ("_contrib_hawkesll", "int32")}


def first_rows(dtype: str) -> list[Row]:
    """The first row of each operator and number of inputs that does not try the dtype itself."""
    found: dict[tuple[str, int], Row] = {}
    for row in every_row():
        if row.nd and "float32" in row.dtypes and (row.op, dtype) not in UNFIT:
            found.setdefault((row.op, len(row.inputs)), row)
    return list(found.values())


def small(row: Row, dtype: str) -> list[np.ndarray]:
    """The row's inputs in the dtype; whole numbers from 1 to 5, which suit most of the operators."""
    with np.errstate(invalid="ignore"):
        made = row.arrays(dtype)
    return [np.clip(np.abs(value) + 1, 1, 5).astype(dtype) if value.dtype == dtype == "int32" else value
            for value in made]


@pytest.mark.parametrize("dtype, rtol, atol", [("float16", 2e-2, 1e-2), ("int32", 1e-5, 1e-6)])
def test_operators(oracle, dtype, rtol, atol):
    wrong, tried = [], 0
    for row in first_rows(dtype):
        request = dict(op=row.op, inputs=small(row, dtype), attrs=row.attrs, nd=True, sym=False, differentiate=False,
                       train=row.train)
        try:
            theirs = oracle.run(operator_case, request, env=row.env)
        except MXNetRaised:                                # a dtype that MXNet refuses may do here
            continue
        tried += 1
        try:
            ours = here(operator_case, ganmod, request)
        except (ganmod.MXNetError, ValueError, TypeError) as error:
            wrong.append(f"{row}: refused: {error}")
            continue
        wrong += [f"{row}: {line}" for line in differences(theirs, ours, rtol=rtol, atol=atol)]
    assert not wrong, "\n".join(wrong)
    assert tried > 150
