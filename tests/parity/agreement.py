"""Says where two results differ: place by place, with the worst element and both values."""
from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import numpy as np


def differences(theirs: Any, ours: Any, *, rtol: float = 1e-5, atol: float = 1e-6,
                tolerances: dict[str, tuple[float, float]] | None = None, relative_to: str = "element",
                check_dtype: bool = True, label: str = "ours") -> list[str]:
    """Returns one line for each place in which `ours` differs from `theirs`, two results without NDArrays.

    The parameters are those of `Oracle.compare`; `label` is what our side is called in the lines. A place is
    written ``grads/data`` for ``result["grads"]["data"]`` and ``outputs/0`` for ``result["outputs"][0]``.
    """
    if relative_to not in ("element", "array"):
        raise ValueError(f"relative_to must be 'element' or 'array', not {relative_to!r}")
    comparison = _Comparison(rtol, atol, tolerances or {}, relative_to == "array", check_dtype, label)
    comparison.visit("", theirs, ours)
    return comparison.found


class _Comparison:
    """Walks two results side by side and collects what differs in `found`."""

    def __init__(self, rtol, atol, tolerances, to_array, check_dtype, label):
        self.rtol, self.atol, self.tolerances = rtol, atol, tolerances
        self.to_array, self.check_dtype, self.label = to_array, check_dtype, label
        self.found: list[str] = []

    def report(self, place: str, what: str) -> None:
        self.found.append(f"{place or 'result'}: {what}")

    def report_both(self, place: str, theirs: Any, ours: Any, what: str = "") -> None:
        self.report(place, f"{what}MXNet {theirs}, {self.label} {ours}")

    def visit(self, place: str, theirs: Any, ours: Any) -> None:
        """Compares what is at one place."""
        if isinstance(theirs, np.ndarray) and isinstance(ours, np.ndarray):
            self.visit_arrays(place, theirs, ours)
        elif _is_number(theirs) and _is_number(ours):
            self.visit_numbers(place, theirs, ours)
        elif type(theirs) is not type(ours):
            self.report_both(place, describe(theirs), describe(ours))
        elif isinstance(theirs, dict):
            self.visit_dicts(place, theirs, ours)
        elif isinstance(theirs, (list, tuple)):
            self.visit_sequences(place, theirs, ours)
        elif theirs != ours:
            self.report_both(place, repr(theirs), repr(ours))

    def visit_dicts(self, place: str, theirs: dict, ours: dict) -> None:
        for key in theirs.keys() - ours.keys():
            self.report(_join(place, key), f"missing from {self.label}; MXNet has {describe(theirs[key])}")
        for key in ours.keys() - theirs.keys():
            self.report(_join(place, key), f"not in MXNet; {self.label} has {describe(ours[key])}")
        for key in theirs:
            if key in ours:
                self.visit(_join(place, key), theirs[key], ours[key])

    def visit_sequences(self, place: str, theirs: list | tuple, ours: list | tuple) -> None:
        if len(theirs) != len(ours):
            return self.report_both(place, describe(theirs), describe(ours), f"{len(theirs)} and {len(ours)} items: ")
        for i, (their, our) in enumerate(zip(theirs, ours)):
            self.visit(_join(place, i), their, our)

    def visit_numbers(self, place: str, theirs, ours) -> None:
        """A NumPy number and a Python number of the same kind and value agree; two dtypes do not."""
        if np.asarray(theirs).dtype.kind != np.asarray(ours).dtype.kind:
            return self.report_both(place, f"{theirs!r} ({type(theirs).__name__})", f"{ours!r} ({type(ours).__name__})")
        if isinstance(theirs, np.generic) and isinstance(ours, np.generic):
            return self.visit_arrays(place, np.asarray(theirs), np.asarray(ours))
        self.visit_values(place, np.asarray(theirs), np.asarray(ours))

    def visit_arrays(self, place: str, theirs: np.ndarray, ours: np.ndarray) -> None:
        if theirs.shape != ours.shape:
            return self.report_both(place, theirs.shape, ours.shape, "shape: ")
        if self.check_dtype and theirs.dtype != ours.dtype:
            return self.report_both(place, theirs.dtype, ours.dtype, "dtype: ")
        self.visit_values(place, theirs, ours)

    def visit_values(self, place: str, theirs: np.ndarray, ours: np.ndarray) -> None:
        """Compares the elements of two arrays of one shape."""
        if theirs.dtype.kind not in "fc" or ours.dtype.kind not in "fc":
            wrong, rule, excess = theirs != ours, "", (theirs != ours).astype(float)
        else:
            rtol, atol = next((t for pattern, t in self.tolerances.items() if fnmatchcase(place, pattern)),
                              (self.rtol, self.atol))
            wrong, excess = _beyond(theirs, ours, rtol, atol, self.to_array)
            rule = f" beyond rtol={rtol:g}{' of the largest' if self.to_array else ''}, atol={atol:g}"
        if wrong.any():
            self.report(place, self.worst(theirs, ours, wrong, excess, rule))

    def worst(self, theirs, ours, wrong, excess, rule: str) -> str:
        """A line about the element that is furthest beyond its tolerance."""
        index = np.unravel_index(np.argmax(np.where(wrong, excess, -1.0)), wrong.shape)
        their, our = theirs[index], ours[index]
        where = f" worst at {[int(i) for i in index]}:" if index else ""
        off = ""
        if theirs.dtype.kind in "fc" and np.isfinite(their) and np.isfinite(our):
            gap = abs(complex(our) - complex(their))
            off = f" (off by {gap:.3g}" + (f", relatively {gap / abs(their):.3g})" if their else ")")
        return (f"{int(wrong.sum())} of {wrong.size} elements differ{rule};{where} "
                f"MXNet {their.item()!r}, {self.label} {our.item()!r}{off}")


def _beyond(theirs, ours, rtol: float, atol: float, to_array: bool):
    """Returns which elements differ too much, and by how many times their tolerance (inf for NaN and infinities)."""
    wide = np.complex128 if theirs.dtype.kind == "c" or ours.dtype.kind == "c" else np.float64
    theirs, ours = theirs.astype(wide), ours.astype(wide)
    both_finite = np.isfinite(theirs) & np.isfinite(ours)
    same = (theirs == ours) | (np.isnan(theirs) & np.isnan(ours))
    size = np.abs(np.where(np.isfinite(theirs), theirs, 0))
    tolerance = atol + rtol * (size.max(initial=0) if to_array else size)
    gap = np.abs(np.where(both_finite, theirs, 0) - np.where(both_finite, ours, 0))
    wrong = ~same & (~both_finite | (gap > tolerance))
    return wrong, np.where(both_finite, gap / np.maximum(tolerance, np.finfo(float).tiny), np.inf)


def _is_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float, complex, np.generic)) and not isinstance(value, (np.str_, np.bytes_))


def _join(place: str, key: Any) -> str:
    return f"{place}/{key}" if place else str(key)


def describe(value: Any) -> str:
    """A short text about a value: shape and dtype of an array, a few items of a container."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {describe(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        inner = ", ".join(describe(item) for item in value[:8]) + (", ..." if len(value) > 8 else "")
        comma = "," if len(value) == 1 else ""
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{comma})"
    text = repr(value)
    return text if len(text) < 200 else text[:190] + "..."
