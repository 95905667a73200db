"""``mx.sym``: describing networks."""
from ..ops import namespaces as _namespaces
from .operators import make_function as _make_function
from .symbol import Group, Symbol, Variable, apply, load, load_json, var

_namespaces.fill(globals(), _make_function)
