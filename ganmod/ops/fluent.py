"""The operators that are methods too: ``x.sum(axis=1)`` is ``sum(x, axis=1)``, of arrays and of symbols alike."""
from __future__ import annotations

import functools
from typing import Any, Callable, Sequence, Union

__all__ = ["METHODS", "attach", "make_split_v2"]

METHODS = tuple("""
    abs arccos arccosh arcsin arcsinh arctan arctanh argmax argmax_channel argmin argsort broadcast_axes broadcast_like
    broadcast_to cbrt ceil clip cos cosh degrees depth_to_space diag exp expand_dims expm1 fix flatten flip floor log
    log10 log1p log2 log_softmax max mean min nanprod nansum norm one_hot ones_like pad pick prod radians rcbrt
    reciprocal relu repeat reshape_like rint round rsqrt shape_array sigmoid sign sin sinh size_array slice slice_axis
    slice_like softmax softmin sort space_to_depth split split_v2 sqrt square squeeze sum swapaxes take tan tanh tile
    topk transpose trunc zeros_like
""".split())


def attach(cls: type, functions: dict[str, Any]) -> None:
    """Give `cls` a method for each of METHODS that is in `functions` and that it does not define itself."""
    for name in METHODS:
        if name in functions and name not in vars(cls):
            setattr(cls, name, _method(functions[name]))


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def method(self: Any, *args: Any, inplace: bool = False, **kwargs: Any) -> Any:
        # `inplace` (of flatten and kin) asks for a view; the result is a new array either way. And numpy's functions,
        # given an array, call its method with every argument they have: axis=None, dtype=None, out=None.
        return function(self, *args, **{key: value for key, value in kwargs.items() if value is not None})
    return method


def make_split_v2(split: Callable[..., Any]) -> Callable[..., Any]:
    """The function ``split_v2`` of a namespace, over its operator ``_split_v2``."""
    def split_v2(ary: Any, indices_or_sections: Union[int, Sequence[int]], axis: int = 0, squeeze_axis: bool = False,
                 **kwargs: Any) -> Any:
        """Divide along `axis` into a number of equal parts, or before each of the given indices.

        Shapes: ary (..., K, ...) -> parts whose sizes along `axis` add up to K; with `squeeze_axis` parts of size 1
        lose that axis.
        """
        if isinstance(indices_or_sections, int):
            indices: Sequence[int] = ()
            sections = indices_or_sections
        else:
            indices, sections = (0, *indices_or_sections), 0
        return split(ary, indices=indices, axis=axis, squeeze_axis=squeeze_axis, sections=sections, **kwargs)
    return split_v2
