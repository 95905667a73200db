"""What a row of the operator tables is: one operator, one set of attributes, and inputs to try them on.

The tables are the files ``cases_*.py`` beside this one, a list ROWS in each; `every_row` gathers them. The tests walk
over all of them: `test_operators.py` holds each row against MXNet, `tests/test_ops_table.py` checks it alone.
"""
from __future__ import annotations

import importlib
import pathlib
import zlib
from dataclasses import dataclass, field
from typing import Any, Callable, Optional, Sequence, Union

import numpy as np

Make = Callable[[np.random.RandomState], np.ndarray]
Input = Union[tuple, np.ndarray, "Values"]


@dataclass(frozen=True)
class Values:
    """An input that is not simply normally distributed: how to draw it, and its dtype if it is not the row's."""

    make: Make
    dtype: Optional[str] = None


def between(low: float, high: float, *shape: int) -> Values:
    """Uniform between two numbers."""
    return Values(lambda rng: rng.uniform(low, high, shape))


def whole(low: int, high: int, *shape: int, dtype: Optional[str] = None) -> Values:
    """Whole numbers from `low` to below `high`, in the row's dtype or in one of their own."""
    return Values(lambda rng: rng.randint(low, high, shape), dtype)


def apart(*shape: int) -> Values:
    """Numbers of which no two are equal or nearly so, in random order; for what depends on order."""
    return Values(lambda rng: rng.permutation(int(np.prod(shape))).reshape(shape) / 4 - 2)


def given(*numbers: Any, dtype: Optional[str] = None) -> Values:
    """These numbers (nested lists give more axes)."""
    return Values(lambda rng: np.array(numbers if len(numbers) > 1 or np.ndim(numbers[0]) == 0 else numbers[0]), dtype)


@dataclass(frozen=True)
class Row:
    """One operator under one set of attributes.

    Parameters
    ----------
    op : its name in ``mx.nd`` and ``mx.sym``, or in their ``_internal``
    inputs : a shape (normally distributed), or what `between`, `whole`, `apart` and `given` return
    attrs : the attributes
    dtypes : the dtypes to run it in; gradients are compared in floating ones
    rtol, atol : tolerances; None is 1e-5 and 1e-6 in float32, 1e-7 and 1e-9 in float64
    why : the reason of a tolerance, or of what is left out
    train : whether the forward is a training one
    grad : whether gradients are compared with MXNet's; False where MXNet has none or a wrong one
    derivative : whether the gradient is the derivative, as float64 finite differences show
    nd, sym : whether the imperative and the symbolic face are compared
    env : environment variables for MXNet
    """

    op: str
    inputs: Sequence[Input]
    attrs: dict[str, Any] = field(default_factory=dict)
    dtypes: tuple[str, ...] = ("float32", "float64")
    rtol: Optional[float] = None
    atol: Optional[float] = None
    why: str = ""
    train: bool = True
    grad: bool = True
    derivative: bool = True
    nd: bool = True
    sym: bool = True
    env: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        attrs = ",".join(f"{key}={value}" for key, value in self.attrs.items()).replace(" ", "")
        shapes = "x".join(str(len(i)) + "d" if isinstance(i, tuple) else "v" for i in self.inputs)
        return f"{self.op}({attrs}){shapes}"

    def arrays(self, dtype: str) -> list[np.ndarray]:
        """The inputs in `dtype`, the same numbers at each call."""
        rng = np.random.RandomState(zlib.crc32(str(self).encode()))
        made = []
        for spec in self.inputs:
            values = spec if isinstance(spec, Values) else Values(lambda r, shape=spec: r.standard_normal(shape))
            made.append(np.ascontiguousarray(np.asarray(values.make(rng)).astype(values.dtype or dtype)))
        return made


def every_row() -> list[Row]:
    """The rows of all tables."""
    names = sorted(path.stem for path in pathlib.Path(__file__).parent.glob("cases_*.py"))
    return [row for name in names for row in importlib.import_module(f"tests.parity.{name}").ROWS]
