"""The methods of symbols beside the operators of the same name, and those that only arrays have."""
from __future__ import annotations

from typing import Any, Callable, NoReturn, Sequence, Union

from ..base import InputError, NotImplementedForSymbol
from ..ops import fluent
from .symbol import Symbol

__all__ = ["attach"]


def reshape(self: Symbol, *shape: Any, **kwargs: Any) -> Symbol:
    """The symbol in another shape, given as a tuple or as numbers, with the special codes 0, -1, -2, -3 and -4.

    >>> import ganmod as mx
    >>> x = mx.sym.Variable('x')
    >>> x.reshape((0, -1)).infer_shape(x=(2, 3, 4))[1], x.reshape(-1, 6).infer_shape(x=(2, 3, 4))[1]
    ([(2, 12)], [(4, 6)])
    """
    if shape and "shape" in kwargs:
        raise InputError(f"reshape(): the shape is given twice, as {shape} and as shape={kwargs['shape']!r}")
    if shape:
        kwargs["shape"] = shape[0] if len(shape) == 1 else shape
    return self._applied("reshape", (self,), kwargs)


def astype(self: Symbol, dtype: Any, **kwargs: Any) -> Symbol:
    """The symbol as another dtype."""
    return self._applied("cast", (self,), {"dtype": dtype, **kwargs})


def flatten(self: Symbol, inplace: bool = False, **kwargs: Any) -> Symbol:
    """The symbol with all axes but the first joined; `inplace` has no meaning here."""
    return self._applied("flatten", (self,), kwargs)


def expand_dims(self: Symbol, axis: int, inplace: bool = False, **kwargs: Any) -> Symbol:
    """The symbol with a new axis of size 1 at `axis`; `inplace` has no meaning here."""
    return self._applied("expand_dims", (self,), {"axis": axis, **kwargs})


def squeeze(self: Symbol, axis: Union[int, Sequence[int], None] = None, inplace: bool = False,
            **kwargs: Any) -> Symbol:
    """The symbol without its axes of size 1, or those of them that `axis` names; `inplace` has no meaning here."""
    return self._applied("squeeze", (self,), {"axis": axis, **kwargs})


def diag(self: Symbol, k: int = 0, **kwargs: Any) -> Symbol:
    """The `k`-th diagonal of a matrix, or a matrix with this diagonal."""
    return self._applied("diag", (self,), {"k": k, **kwargs})


def as_nd_ndarray(self: Symbol) -> Symbol:
    """The symbol itself."""
    return self


def _of_arrays_only(name: str) -> Callable[..., NoReturn]:
    def method(self: Symbol, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedForSymbol(
            f"{name}() is a method of arrays only: {self!r} describes a computation and holds no values; bind() or "
            f"eval() it, and use its outputs")

    method.__name__ = method.__qualname__ = name
    method.__doc__ = "Raises NotImplementedForSymbol: only arrays have this."
    return method


def gradient(self: Symbol, wrt: Sequence[str]) -> NoReturn:
    """Raises NotImplementedForSymbol: gradients come from :meth:`bind` and ``backward``, as in MXNet 1.x."""
    raise NotImplementedForSymbol("gradient() of a Symbol is not implemented; bind() it with args_grad, and call "
                                  "backward() of the executor")


def attach(get: Callable[[str], Any]) -> None:
    """Give :class:`Symbol` its methods: those of this module, and the functions that are methods too."""
    for method in (reshape, astype, flatten, expand_dims, squeeze, diag, as_nd_ndarray, gradient):
        setattr(Symbol, method.__name__, method)
    for name in ("asnumpy", "asscalar", "wait_to_read", "copy", "detach", "as_in_context", "backward"):
        setattr(Symbol, name, _of_arrays_only(name))
    fluent.attach(Symbol, get)
