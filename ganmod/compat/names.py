"""Names that old programs use: what ganmod knowingly lacks, and what NumPy has removed."""
from __future__ import annotations

import contextlib
from typing import Any, Iterator

import numpy as np

__all__ = ["LACKING", "removed_numpy_names"]

#: Parts of MXNet that ganmod does not have, and what a program can do about it.
LACKING = {
    "gluon": "ganmod is MXNet's symbolic side; for Gluon's style of programming use torch.nn itself",
    "np": "ganmod has no NumPy interface; use mx.nd, numpy or torch",
    "npx": "ganmod has no NumPy interface; use mx.nd, numpy or torch",
    "numpy": "ganmod has no NumPy interface; use mx.nd, numpy or torch",
    "numpy_extension": "ganmod has no NumPy interface; use mx.nd, numpy or torch",
    "onnx": "export a bound module through torch instead",
    "tensorrt": "compile a bound module through torch instead",
    "rtc": "write CUDA kernels for torch instead",
    "th": "Torch7 is no more; ganmod runs on PyTorch",
}

_REMOVED: dict[str, Any] = {"float": float, "int": int, "bool": bool, "object": object, "str": str, "complex": complex,
                            "long": int, "unicode": str, "float_": np.float64, "unicode_": np.str_, "Inf": np.inf,
                            "infty": np.inf, "NaN": np.nan, "product": np.prod, "cumproduct": np.cumprod,
                            "sometrue": np.any, "alltrue": np.all, "in1d": np.isin, "row_stack": np.vstack}


def _fromstring(string: Any, dtype: Any = float, count: int = -1, *, sep: str = "", **kwargs: Any) -> Any:
    """``numpy.fromstring`` with its binary mode, which NumPy has removed."""
    if sep:
        return np_fromstring(string, dtype=dtype, count=count, sep=sep, **kwargs)
    content = string.encode("latin-1") if isinstance(string, str) else string
    return np.frombuffer(content, dtype=dtype, count=count).copy()


np_fromstring = np.fromstring


@contextlib.contextmanager
def removed_numpy_names() -> Iterator[None]:
    """Give numpy back, for the time of a ``with`` block, the names that it has removed and old programs use.

    >>> with removed_numpy_names():
    ...     np.float(1)
    1.0
    """
    missing = [name for name in _REMOVED if name not in vars(np)]
    for name in missing:
        setattr(np, name, _REMOVED[name])
    setattr(np, "fromstring", _fromstring)  # noqa: B010  the stub's overloads leave the binary mode out
    try:
        yield
    finally:
        np.fromstring = np_fromstring
        for name in missing:
            delattr(np, name)
