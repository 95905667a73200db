"""``mx.contrib.symbol``: the operators of ``mx.sym.contrib``."""
import typing as _typing

from .. import symbol as _symbol

if _typing.TYPE_CHECKING:
    def __getattr__(name: str) -> _typing.Any:
        """The operators, which are filled in below."""

globals().update(vars(_symbol.contrib))
