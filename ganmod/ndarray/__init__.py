"""``mx.nd``: arrays and the imperative face of every operator."""
import typing as _typing

from ..ops import fluent as _fluent
from ..ops import namespaces as _namespaces
from . import contributed as _contributed
from . import control_flow as _control_flow
from . import methods as _methods
from . import random, sparse
from . import updates as _updates
from .arithmetic import *  # noqa: F403
from .creation import *  # noqa: F403
from .files import load, load_frombuffer, save
from .manipulation import *  # noqa: F403
from .ndarray import NDArray, from_torch
from .operators import make_function as _make_function

if _typing.TYPE_CHECKING:
    def __getattr__(name: str) -> _typing.Any:
        """The operators, which are filled in from the table below."""

_get = _namespaces.fill(globals(), _make_function)
split_v2 = _fluent.make_split_v2(_get("_internal")._split_v2)
_fluent.attach(NDArray, lambda name: _fluent.make_method(_get(name)))
for _module in (_updates, _control_flow, _contributed):
    for _name in _module.__all__:
        setattr(_get("contrib"), _name, getattr(_module, _name))
_get("contrib").uniform = random.uniform
