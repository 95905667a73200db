"""``mx.contrib.ndarray``: the operators of ``mx.nd.contrib``."""
import typing as _typing

from .. import ndarray as _ndarray

if _typing.TYPE_CHECKING:
    def __getattr__(name: str) -> _typing.Any:
        """The operators, which are filled in below."""

globals().update(vars(_ndarray.contrib))
