"""Writes docs/operators.md: every operator, what it was tried on, and how far it is from MXNet.

    python -m tests.parity.report [--out docs/operators.md]

It runs the rows of the operator tables under both libraries, as `test_operators.py` does, and keeps the worst error of
each operator. An error is ``|ours - theirs| / max(1, |theirs|)``, the largest over all elements.
"""
from __future__ import annotations

import argparse
import pathlib
import sys
from dataclasses import dataclass, field

import numpy as np

import ganmod
from ganmod.ops import find, table
from ganmod.ops.registry import Operator
from tests.parity.oracle import Oracle, here
from tests.parity.oracle_env import find_oracle
from tests.parity.rows import Row, every_row
from tests.parity.test_operators import operator_case

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "operators.md"
HEAD = """# The operators
{summary}

How each is held against MXNet 1.9.1 on the CPU: on how many cases, and the worst error there in outputs and gradients,
the largest `|ours - MXNet's| / max(1, |MXNet's|)` of all elements in float32 and float64 together. A case is one set
of attributes, inputs and dtype, run through `mx.nd` and through a bound `mx.sym`; names, shapes, dtypes and JSON are
compared too, and have to be equal. `help(mx.nd.X)` says what an operator computes.

`python -m tests.parity.report` writes this page. The tests of the same cases are `tests/parity/test_operators.py`; what
holds without MXNet (numerical gradients in float64, strides, empty batches, attributes as text) is in
`tests/test_ops_table.py`.
"""
#: Where operators are tested that the tables cannot hold.
ELSEWHERE = (("_random_", "distributions compared with MXNet's: `tests/parity/test_random.py`"),
             ("_sample_", "distributions compared with MXNet's: `tests/parity/test_random.py`"),
             ("_shuffle", "`tests/parity/test_random.py`"), ("_scatter_set_nd", "written to by `x[i] = y` alone"),
             ("_square_sum", "for sparse arrays in MXNet"), ("Custom", "`tests/parity/test_custom.py`"),
             ("_Native", "`tests/parity/test_custom.py`"), ("_NDArray", "`tests/parity/test_custom.py`"),
             ("_foreach", "`tests/parity/test_control_flow.py`"), ("_cond", "`tests/parity/test_control_flow.py`"),
             ("_while_loop", "`tests/parity/test_control_flow.py`"),
             ("_contrib_fft", "MXNet has it on GPUs only: `tests/test_fourier.py`"),
             ("_contrib_ifft", "MXNet has it on GPUs only: `tests/test_fourier.py`"),
             ("_contrib_count_sketch", "MXNet has it on GPUs only: `tests/test_fourier.py`"),
             ("_gan_", "MXNet does not have it: `tests/gan/test_spectral.py`, beside torch's"))


@dataclass
class Line:
    """What is known of one operator."""

    cases: int = 0
    outputs: float = 0.0
    gradients: float = 0.0
    differentiated: bool = False
    remarks: dict[str, None] = field(default_factory=dict)


def error(theirs, ours) -> float:
    """The largest error in two results of one structure, over floating arrays."""
    if isinstance(theirs, dict):
        return max((error(value, ours[key]) for key, value in theirs.items()), default=0.0)
    if isinstance(theirs, (list, tuple)):
        return max((error(a, b) for a, b in zip(theirs, ours)), default=0.0)
    if not isinstance(theirs, np.ndarray) or theirs.dtype.kind not in "fiub" or not theirs.size:
        return 0.0
    one, other = theirs.astype("float64"), np.asarray(ours).astype("float64")
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(invalid="ignore"):
        found = np.where(same, 0.0, np.abs(other - one) / np.maximum(1.0, np.abs(one)))
    return float(np.max(found))


def parts(result: dict, kind: str) -> list:
    """The outputs, or the gradients and states, in the result of a case."""
    keys = ("outputs",) if kind == "outputs" else ("gradients", "states")
    return [face[key] for face in result.values() for key in keys if key in face]


def reasons(rows: list[Row]) -> dict[int, str]:
    """Each row's remark; "as above" is the one before it."""
    made, last = {}, ""
    for row in rows:
        if row.why and not row.why.startswith("as above"):
            last = row.why
        made[id(row)] = last if row.why else ""
    return made


def measured(rows: list[Row]) -> dict[str, Line]:
    """Run the rows; what was found by the canonical name of the operator."""
    oracle, lines, why = Oracle(find_oracle()), {}, reasons(rows)
    try:
        for k, row in enumerate(rows):
            line = lines.setdefault(find(row.op).name, Line())
            if why[id(row)]:
                line.remarks[why[id(row)]] = None
            for dtype in row.dtypes:
                differentiate = row.grad and dtype.startswith("float")
                inputs = dict(op=row.op, inputs=row.arrays(dtype), attrs=row.attrs, nd=row.nd, sym=row.sym,
                              differentiate=differentiate, train=row.train)
                theirs = oracle.run(operator_case, inputs, env=row.env)
                ours = here(operator_case, ganmod, inputs)
                line.cases += 1
                line.outputs = max(line.outputs, error(parts(theirs, "outputs"), parts(ours, "outputs")))
                line.gradients = max(line.gradients, error(parts(theirs, "gradients"), parts(ours, "gradients")))
                line.differentiated |= bool(parts(theirs, "gradients"))
            if sys.stderr.isatty():
                print(f"\r{k + 1} of {len(rows)} rows", end="", file=sys.stderr)
    finally:
        oracle.close()
    return lines


def operators() -> dict[str, list[Operator]]:
    """The operators by the family that they are defined in, both in alphabetical order."""
    found: dict[str, dict[str, Operator]] = {}
    for op in table().values():
        found.setdefault(op.function.__module__.rpartition(".")[2], {})[op.name] = op
    return {family: [found[family][name] for name in sorted(found[family], key=str.lower)] for family in sorted(found)}


def number(value: float) -> str:
    """An error in two digits."""
    return "0" if value == 0 else f"{value:.1e}".replace("e-0", "e-")


def text(lines: dict[str, Line]) -> str:
    """The page."""
    families = operators()
    count = sum(map(len, families.values()))
    cases = sum(line.cases for line in lines.values())
    worst = max(lines.values(), key=lambda line: max(line.outputs, line.gradients))
    page = [HEAD.format(summary=f"{count} operators under {len(table())} names; {cases} cases; the worst error is "
                                f"{number(max(worst.outputs, worst.gradients))}.")]
    for family, ops in families.items():
        page.append(f"\n## {family}\n| operator | other names | cases | outputs | gradients | remarks |\n"
                    "| --- | --- | ---: | ---: | ---: | --- |\n")
        for op in ops:
            line = lines.get(op.name, Line())
            remarks = list(line.remarks) or [where for name, where in ELSEWHERE if op.name.startswith(name)][:1] * (
                not line.cases)
            cells = [f"`{op.name}`", ", ".join(f"`{alias}`" for alias in op.aliases), str(line.cases or ""),
                     number(line.outputs) if line.cases else "",
                     number(line.gradients) if line.differentiated else "", "; ".join(remarks)]
            page.append("| " + " | ".join(cells) + " |\n")
    return "".join(page)


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=PAGE)
    options = parser.parse_args()
    options.out.write_text(text(measured(every_row())))
    print(f"{options.out} is written")


if __name__ == "__main__":
    main()
