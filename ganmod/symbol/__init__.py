"""``mx.sym``: describing networks."""
import typing as _typing

from ..ops import find as _find
from ..ops import fluent as _fluent
from ..ops import namespaces as _namespaces
from . import contributed as _contributed
from . import control_flow as _control_flow
from . import methods as _methods
from . import random
from .functions import *  # noqa: F403
from .operators import make_function as _make_function
from .symbol import Group, Symbol, Variable, apply, load, load_json, var

if _typing.TYPE_CHECKING:
    def __getattr__(name: str) -> _typing.Any:
        """The operators, which are filled in from the table below."""

_get = _namespaces.fill(globals(), _make_function)
split_v2 = _fluent.make_split_v2(_get("_internal")._split_v2)
_methods.attach(_get)
for _name in ("adamw_update", "mp_adamw_update"):
    setattr(_get("contrib"), _name, _make_function(_find(f"_{_name}"), _name))
for _module in (_control_flow, _contributed):
    for _name in _module.__all__:
        setattr(_get("contrib"), _name, getattr(_module, _name))
_get("contrib").uniform = random.uniform
