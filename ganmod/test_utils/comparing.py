"""Tolerances by dtype, and assertions about arrays."""
from __future__ import annotations

import functools
from typing import Any, Callable, Optional, Sequence, Union

import numpy as np

from ..ndarray import NDArray

Tolerance = Union[float, dict[Any, float], None]
_INTEGERS = {np.dtype(t): 0 for t in ("bool", "int8", "uint8", "int32", "uint32", "int64", "uint64")}
_DOUBLE = np.dtype("float64")
_RTOLS: dict[Any, float] = {np.dtype("float16"): 1e-2, np.dtype("float32"): 1e-4, _DOUBLE: 1e-5, **_INTEGERS}
_ATOLS: dict[Any, float] = {np.dtype("float16"): 1e-1, np.dtype("float32"): 1e-3, _DOUBLE: 1e-20, **_INTEGERS}


def default_dtype() -> type:
    """float32."""
    return np.float32


def default_rtols() -> dict[Any, float]:
    """The relative tolerance by dtype."""
    return dict(_RTOLS)


def default_atols() -> dict[Any, float]:
    """The absolute tolerance by dtype."""
    return dict(_ATOLS)


def default_numeric_eps() -> dict[Any, float]:
    """The step of a numeric gradient by dtype."""
    return {np.dtype("float16"): 1 / 2**6, np.dtype("float32"): 1 / 2**9, np.dtype("float64"): 1 / 2**14}


def effective_dtype(dat: Any) -> np.dtype:
    """The dtype that a value's precision is that of."""
    return np.dtype(dat.dtype) if hasattr(dat, "dtype") else np.asarray(dat).dtype


def get_tolerance(dat: Any, tol: Tolerance, default_tol: dict[Any, float]) -> float:
    """A tolerance: as given, from a dict by dtype, or from the defaults if None."""
    table = default_tol if tol is None else tol
    return table.get(effective_dtype(dat), 0) if isinstance(table, dict) else table


def get_tols(x: Any, y: Any, rtol: Tolerance, atol: Tolerance) -> tuple[float, float]:
    """Relative and absolute tolerance for comparing two values: those of the less precise."""
    return (max(get_tolerance(x, rtol, _RTOLS), get_tolerance(y, rtol, _RTOLS)),
            max(get_tolerance(x, atol, _ATOLS), get_tolerance(y, atol, _ATOLS)))


def get_rtol(rtol: Optional[float] = None, dtype: Any = _DOUBLE) -> float:
    """`rtol`, or the default of a dtype."""
    return _RTOLS[np.dtype(dtype)] if rtol is None else rtol


def get_atol(atol: Optional[float] = None, dtype: Any = _DOUBLE) -> float:
    """`atol`, or the default of a dtype."""
    return _ATOLS[np.dtype(dtype)] if atol is None else atol


def get_etol(etol: Optional[float] = None) -> float:
    """The share of elements that may differ: `etol`, or 0."""
    return 0 if etol is None else etol


def _numpy(value: Any) -> np.ndarray:
    return value.asnumpy() if isinstance(value, NDArray) else np.asarray(value)


# --- questions -----------------------------------------------------------------------------------------------------

def same(a: Any, b: Any) -> bool:
    """Whether two arrays are equal."""
    return np.array_equal(_numpy(a), _numpy(b))


def same_array(array1: NDArray, array2: NDArray) -> bool:
    """Whether two NDArrays share their memory."""
    if array1.shape != array2.shape:
        return False
    return array1.size > 0 and array1.as_torch().data_ptr() == array2.as_torch().data_ptr()


def almost_equal(a: Any, b: Any, rtol: Tolerance = None, atol: Tolerance = None, equal_nan: bool = False,
                 use_broadcast: bool = True) -> bool:
    """Whether ``|a - b| <= atol + rtol * |b|`` everywhere; shapes have to agree up to broadcasting, or exactly."""
    if not use_broadcast:
        checkShapes(a, b)
    a, b = _numpy(a), _numpy(b)
    relative, absolute = get_tols(a, b, rtol, atol)
    return np.allclose(a, b, rtol=relative, atol=absolute, equal_nan=equal_nan)


# --- assertions ----------------------------------------------------------------------------------------------------

def checkShapes(a: Any, b: Any) -> None:  # noqa: N802
    """Raise an AssertionError unless two arrays have one shape."""
    if a.shape != b.shape:
        raise AssertionError(f"\nItems are not equal: a.shape = {a.shape} and b.shape = {b.shape} are not equal\n"
                             f" ACTUAL: {_numpy(a)!r}\n DESIRED: {_numpy(b)!r}")


def _violations(a: np.ndarray, b: np.ndarray, rtol: float, atol: float, equal_nan: bool) -> np.ndarray:
    """By how much each element exceeds what it may: at most 1 is fine."""
    a, b = np.broadcast_arrays(a.astype(np.float64), b.astype(np.float64))
    with np.errstate(all="ignore"):
        found = np.abs(a - b) / (atol + rtol * np.abs(b) + 1e-300)
    found = np.where((a == b) | (equal_nan & np.isnan(a) & np.isnan(b)), 0.0, found)
    return np.where(np.isnan(found), np.inf, found)


def _complaint(a: np.ndarray, b: np.ndarray, found: np.ndarray, tolerances: tuple[float, float],
               names: Sequence[str]) -> str:
    place = tuple(map(int, np.unravel_index(np.argmax(found), found.shape)))
    wide_a, wide_b = np.broadcast_arrays(a, b)
    rtol, atol = tolerances
    where = (f" (mismatch {100 * np.mean(found > 1):f}%).\nLocation of maximum error: {place}, "
             f"{names[0]}={wide_a[place]:.8f}, {names[1]}={wide_b[place]:.8f}") if found.ndim else "."
    return (f"\nItems are not equal:\nError {found.max():f} exceeds tolerance rtol={rtol:e}, atol={atol:e}{where}\n"
            f" ACTUAL: {a!r}\n DESIRED: {b!r}")


def assert_almost_equal(a: Any, b: Any, rtol: Tolerance = None, atol: Tolerance = None,
                        names: Sequence[str] = ("a", "b"), equal_nan: bool = False, use_broadcast: bool = True,
                        mismatches: tuple[int, int] = (10, 10)) -> None:
    """Raise an AssertionError unless two arrays are equal up to rounding.

    Parameters
    ----------
    a, b : NDArray, numpy array or number
        What is and what should be.
    rtol, atol : float or dict of dtype to float
        ``|a - b| <= atol + rtol * |b|`` has to hold; by default what the dtypes allow (:func:`get_tols`).
    names : two str
        What the message calls them.
    equal_nan : bool
        Whether NaN equals NaN.
    use_broadcast : bool
        Whether shapes need to agree up to broadcasting only.
    mismatches : pair of int
        Has no effect; the message shows the worst element.
    """
    assert_almost_equal_with_err(a, b, rtol, atol, None, names, equal_nan, use_broadcast=use_broadcast)


def assert_almost_equal_with_err(a: Any, b: Any, rtol: Tolerance = None, atol: Tolerance = None,
                                 etol: Optional[float] = None, names: Sequence[str] = ("a", "b"),
                                 equal_nan: bool = False, mismatches: tuple[int, int] = (10, 10),
                                 use_broadcast: bool = True) -> None:
    """As :func:`assert_almost_equal`; a share of `etol` of the elements may differ."""
    if not use_broadcast:
        checkShapes(a, b)
    relative, absolute = get_tols(a, b, rtol, atol)
    a, b = _numpy(a), _numpy(b)
    found = _violations(a, b, relative, absolute, equal_nan)
    if found.size and np.mean(found > 1) > get_etol(etol):
        raise AssertionError(_complaint(a, b, found, (relative, absolute), names))


def assert_almost_equal_ignore_nan(a: Any, b: Any, rtol: Tolerance = None, atol: Tolerance = None,
                                   names: Sequence[str] = ("a", "b")) -> None:
    """As :func:`assert_almost_equal`, where neither is NaN."""
    a, b = np.copy(_numpy(a)), np.copy(_numpy(b))
    missing = np.isnan(a) | np.isnan(b)
    a[missing] = b[missing] = 0
    assert_almost_equal(a, b, rtol, atol, names)


def assert_allclose(a: Any, b: Any, rtol: float = 1e-07, atol: float = 0, equal_nan: bool = True) -> None:
    """numpy's assertion of that name, for NDArrays too."""
    np.testing.assert_allclose(_numpy(a), _numpy(b), rtol=rtol, atol=atol, equal_nan=equal_nan)


def compare_ndarray_tuple(t1: Any, t2: Any, rtol: Tolerance = None, atol: Tolerance = None) -> None:
    """:func:`assert_almost_equal` for arrays in nested tuples; None is passed over."""
    if t1 is None or t2 is None:
        return
    if isinstance(t1, tuple):
        for one, other in zip(t1, t2):
            compare_ndarray_tuple(one, other, rtol, atol)
    else:
        assert_almost_equal(t1, t2, rtol=rtol, atol=atol)


def assert_exception(f: Callable[..., Any], exception_type: type[BaseException], *args: Any, **kwargs: Any) -> None:
    """Raise an AssertionError unless a call raises an exception of a type."""
    try:
        f(*args, **kwargs)
    except exception_type:
        return
    raise AssertionError(f"{getattr(f, '__name__', f)} did not raise {exception_type.__name__}")


def retry(n: int) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """Decorator of a test that fails now and then: it is run up to `n` times, until no AssertionError is raised."""
    if n <= 0:
        raise AssertionError(f"retry() runs a test once at least, got {n}")

    def decorate(f: Callable[..., Any]) -> Callable[..., None]:
        @functools.wraps(f)
        def run(*args: Any, **kwargs: Any) -> None:
            for left in reversed(range(n)):
                try:
                    f(*args, **kwargs)
                    return
                except AssertionError:
                    if not left:
                        raise
        return run
    return decorate
