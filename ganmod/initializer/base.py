"""What an initializer is: a dispatch by the parameter's name."""
from __future__ import annotations

import json
import logging
import math
import re
from typing import Any, Callable, Optional

import numpy as np
import torch

from .. import registry
from ..base import require
from ..ndarray import NDArray

__all__ = ["InitDesc", "Initializer", "register", "alias", "create"]


class InitDesc(str):
    """The name of a parameter, with what its variable says about it.

    Parameters
    ----------
    name : str
        The parameter's name.
    attrs : dict of str, optional
        Attributes of its variable. ``__init__`` holds the name or JSON form of an initializer of its own.
    global_init : Initializer, optional
        What the whole network is initialized with.
    """

    attrs: dict[str, str]
    global_init: "Optional[Initializer]"

    def __new__(cls, name: str, attrs: Optional[dict[str, str]] = None,
                global_init: "Optional[Initializer]" = None) -> "InitDesc":
        desc = super().__new__(cls, name)
        desc.attrs, desc.global_init = attrs or {}, global_init
        return desc


class Initializer:
    """Base of the initializers: fills an array by what its name ends with.

    ``…weight`` goes to :meth:`_init_weight`, which subclasses define; ``…bias``, ``…beta`` and ``…min`` become 0,
    ``…gamma`` and ``…max`` 1. A variable's own initializer (its ``__init__`` attribute) goes before all that.

    Parameters
    ----------
    **kwargs
        What :meth:`dumps` writes, so that a saved symbol can carry the initializer.

    >>> import ganmod as mx
    >>> a = mx.nd.zeros((2, 2))
    >>> mx.init.One()(mx.init.InitDesc("fc_weight"), a)
    >>> a.asnumpy().tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """

    def __init__(self, **kwargs: Any) -> None:
        self._kwargs = kwargs
        self._verbose = False
        self._print_func: Callable[[NDArray], Any] = _rms

    def set_verbosity(self, verbose: bool = False, print_func: Optional[Callable[[NDArray], Any]] = None) \
            -> "Initializer":
        """Whether to log each array, with `print_func` of it (by default its root mean square); returns self."""
        self._verbose, self._print_func = verbose, print_func or _rms
        return self

    def _verbose_print(self, desc: InitDesc, init: str, arr: NDArray) -> None:
        if self._verbose:
            logging.info("Initialized %s as %s: %s", desc, init, self._print_func(arr))

    def dumps(self) -> str:
        """The JSON form, for an attribute of a symbol.

        >>> import ganmod as mx
        >>> mx.init.Normal(0.02).dumps()
        '["normal", {"sigma": 0.02}]'
        """
        return json.dumps([type(self).__name__.lower(), self._kwargs], default=_plain)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.dumps() == self.dumps()

    def __hash__(self) -> int:
        return hash(self.dumps())

    def __call__(self, desc: str, arr: NDArray) -> None:
        """Fill an array in place.

        Parameters
        ----------
        desc : InitDesc or str
            The parameter. A plain name follows MXNet's older rules, which know batch-norm statistics too.
        arr : NDArray
            The array to fill.

        Raises
        ------
        ValueError
            If the name's ending is not known.
        """
        require(isinstance(desc, str), f"an initializer takes a name first, got {desc!r:.80}", TypeError)
        require(isinstance(arr, NDArray), f"an initializer fills an NDArray, got {type(arr).__name__}", TypeError)
        if arr.stype != "default":
            dense = arr.tostype("default")
            self(desc, dense)
            dense.copyto(arr)
            return
        if not isinstance(desc, InitDesc):
            self._legacy_init(desc, arr)
            return
        if desc.global_init is None:
            desc.global_init = self
        own = desc.attrs.get("__init__", "")
        if own:
            create(own)._init_weight(desc, arr)
            self._verbose_print(desc, own, arr)
            return
        suffix = next((s for s in _BY_SUFFIX if desc.endswith(s)), "")
        getattr(self, _BY_SUFFIX.get(suffix, "_init_default"))(desc, arr)
        self._verbose_print(desc, suffix, arr)

    def _legacy_init(self, name: str, arr: NDArray) -> None:
        method = next((m for pattern, m in _BY_NAME.items() if re.search(pattern, name)), "_init_default")
        getattr(self, method)(name, arr)

    # --- one method per kind of parameter, for subclasses to replace ------------------------------------------------

    def _init_weight(self, name: str, arr: NDArray) -> None:
        raise NotImplementedError(f"{type(self).__name__} must define _init_weight(name, arr)")

    def _init_zero(self, _: str, arr: NDArray) -> None:
        arr[:] = 0.0

    def _init_one(self, _: str, arr: NDArray) -> None:
        arr[:] = 1.0

    def _init_bias(self, _: str, arr: NDArray) -> None:
        arr[:] = 0.0

    def _init_beta(self, _: str, arr: NDArray) -> None:
        arr[:] = 0.0

    def _init_gamma(self, _: str, arr: NDArray) -> None:
        arr[:] = 1.0

    def _init_quantized_bias(self, _: str, arr: NDArray) -> None:
        arr[:] = 0

    def _init_quantized_weight(self, _: str, arr: NDArray) -> None:
        arr[:] = NDArray(torch.randint(-127, 127, arr.shape))

    def _init_bilinear(self, _: str, arr: NDArray) -> None:
        height, width = arr.shape[2:]
        arr[:] = np.outer(_tent(height, width), _tent(width, width))

    def _init_loc_bias(self, name: str, arr: NDArray) -> None:
        require(arr.shape == (6,), f"{name!r} must have shape (6,), an affine map, got {arr.shape}", ValueError)
        arr[:] = np.array([1.0, 0, 0, 0, 1.0, 0])

    def _init_default(self, name: str, _: NDArray) -> None:
        raise ValueError(f"Unknown initialization pattern for {name}: a name ends with weight, bias, gamma, beta, min "
                         "or max. Give the variable an initializer of its own with mx.sym.Variable(init=mx.init.…), "
                         "or use mx.init.Mixed")


_BY_SUFFIX = {"weight": "_init_weight", "bias": "_init_bias", "gamma": "_init_gamma", "beta": "_init_beta",
              "min": "_init_zero", "max": "_init_one", "weight_quantize": "_init_quantized_weight",
              "bias_quantize": "_init_quantized_bias"}
_BY_NAME = {"^upsampling": "_init_bilinear", "^stn_loc.*weight$": "_init_zero", "^stn_loc.*bias$": "_init_loc_bias",
            "bias$": "_init_bias", "gamma$": "_init_gamma", "beta$": "_init_beta", "weight$": "_init_weight",
            "moving_mean$": "_init_zero", "moving_var$": "_init_one", "moving_inv_var$": "_init_zero",
            "moving_avg$": "_init_zero", "min$": "_init_zero", "max$": "_init_one"}

register = registry.get_register_func(Initializer, "initializer")
alias = registry.get_alias_func(Initializer, "initializer")
create = registry.get_create_func(Initializer, "initializer")


def _rms(arr: NDArray) -> float:
    return float(arr.as_torch().detach().double().square().mean().sqrt())


def _plain(value: Any) -> Any:
    """An array or numpy number as what JSON knows."""
    if isinstance(value, (NDArray, np.ndarray, np.generic)):
        return np.asarray(value).tolist()
    raise TypeError(f"an initializer's argument {value!r:.80} cannot be written as JSON")


def _tent(size: int, width: int) -> np.ndarray[Any, Any]:
    """The interpolation kernel along an axis of `size` places, for kernels `width` wide."""
    reach = math.ceil(width / 2)
    centre = (2 * reach - 1 - reach % 2) / (2.0 * reach)
    return 1 - np.abs(np.arange(size) / reach - centre)
