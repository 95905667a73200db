"""``mx.nd``: arrays and the imperative face of every operator."""
from ..ops import namespaces as _namespaces
from .ndarray import NDArray, from_torch
from .operators import make_function as _make_function

_namespaces.fill(globals(), _make_function)
