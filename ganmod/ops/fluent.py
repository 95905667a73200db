"""What arrays and symbols share beside the operators: which of them are methods, and functions that choose one."""
from __future__ import annotations

import functools
from typing import Any, Callable, Optional, Sequence, Union

from ..base import AttributeValueError, InputError, numeric_types

__all__ = ["METHODS", "attach", "make_binary", "make_method", "make_split_v2"]

#: The operators that are methods too: ``x.sum(axis=1)`` is ``sum(x, axis=1)``.
METHODS = tuple("""
    abs arccos arccosh arcsin arcsinh arctan arctanh argmax argmax_channel argmin argsort broadcast_axes broadcast_like
    broadcast_to cbrt ceil clip cos cosh degrees depth_to_space diag exp expand_dims expm1 fix flatten flip floor log
    log10 log1p log2 log_softmax max mean min nanprod nansum norm one_hot ones_like pad pick prod radians rcbrt
    reciprocal relu repeat reshape_like rint round rsqrt shape_array sigmoid sign sin sinh size_array slice slice_axis
    slice_like softmax softmin sort space_to_depth split split_v2 sqrt square squeeze sum swapaxes take tan tanh tile
    topk transpose trunc zeros_like
""".split())


def attach(cls: type, get: Callable[[str], Any]) -> None:
    """Give `cls` a method for each of METHODS that it does not define itself: ``get(name)``, once it is asked for."""
    for name in METHODS:
        if name not in vars(cls):
            setattr(cls, name, _Unmade(cls, name, get))


class _Unmade:
    """In the place of a method until it is asked for: to make all of them is a fifth of the time of an import."""

    def __init__(self, cls: type, name: str, get: Callable[[str], Any]) -> None:
        self._cls, self._name, self._get = cls, name, get

    def __get__(self, instance: Any, owner: type) -> Any:
        made = self._get(self._name)
        setattr(self._cls, self._name, made)
        return made.__get__(instance, owner)


def make_method(function: Callable[..., Any]) -> Callable[..., Any]:
    """The method of arrays that a function of a namespace is."""
    @functools.wraps(function)
    def method(self: Any, *args: Any, inplace: bool = False, **kwargs: Any) -> Any:
        # `inplace` (of flatten and kin) asks for a view; the result is a new array either way. And numpy's functions,
        # given an array, call its method with every argument they have: axis=None, dtype=None, out=None. None of these
        # is called `end`, which slice_axis has to be given.
        return function(self, *args, **{k: value for k, value in kwargs.items() if value is not None or k == "end"})
    return method


def make_binary(kind: type, call: Callable[[str, list[Any], dict[str, Any]], Any], name: str, formula: str, both: str,
                right: str, left: Optional[str], numbers: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A function of two operands, each of class `kind` or a number.

    Parameters
    ----------
    call : callable(operator, inputs, attributes)
        How an operator is applied.
    both, right, left : str
        The operators for no number, for a number on the right, and for one on the left (None: the same as `right`).
    numbers : callable(lhs, rhs)
        What it does to two numbers.
    """
    def function(lhs: Any, rhs: Any) -> Any:
        if isinstance(lhs, kind):
            if isinstance(rhs, kind):
                return call(both, [lhs, rhs], {})
            if isinstance(rhs, numeric_types):
                return call(right, [lhs], {"scalar": rhs})
        elif isinstance(lhs, numeric_types):
            if isinstance(rhs, kind):
                return call(left or right, [rhs], {"scalar": lhs})
            if isinstance(rhs, numeric_types):
                return numbers(lhs, rhs)
        raise InputError(f"{name}() takes {kind.__name__}s and numbers, got {type(lhs).__name__} and "
                         f"{type(rhs).__name__}")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""``{formula}``, elementwise.

    Parameters
    ----------
    lhs, rhs : {kind.__name__} or float
        With a number on both sides, the result is one.
    """
    return function


def make_split_v2(split: Callable[..., Any]) -> Callable[..., Any]:
    """The function ``split_v2`` of a namespace, over its operator ``_split_v2``."""
    def split_v2(ary: Any, indices_or_sections: Union[int, Sequence[int]], axis: int = 0, squeeze_axis: bool = False,
                 **kwargs: Any) -> Any:
        """Divide along `axis` into a number of equal parts, or before each of the given indices.

        Shapes: ary (..., K, ...) -> parts whose sizes along `axis` add up to K; with `squeeze_axis` parts of size 1
        lose that axis.
        """
        if isinstance(indices_or_sections, int):
            if indices_or_sections < 1:
                raise AttributeValueError(f"split_v2(): cannot divide into {indices_or_sections} parts")
            indices, sections = [], indices_or_sections
        elif isinstance(indices_or_sections, (tuple, list)):
            indices, sections = [0, *indices_or_sections], 0
        else:
            raise InputError(f"split_v2(): indices_or_sections must be an int or a tuple of ints, got "
                             f"{indices_or_sections!r:.80}")
        return split(ary, indices=indices, axis=axis, squeeze_axis=squeeze_axis, sections=sections, **kwargs)
    return split_v2
