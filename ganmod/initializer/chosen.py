"""Initializers that leave the work to others, or to a file, by the parameter's name."""
from __future__ import annotations

import logging
import re
from typing import Any, Mapping, Sequence, Union

from .. import ndarray as nd
from ..base import MXNetError, require
from ..ndarray import NDArray

__all__ = ["Mixed", "Load"]


class Mixed:
    """Several initializers, chosen by what the parameter's name begins with.

    Parameters
    ----------
    patterns : list of str
        Regular expressions, matched at the beginning of names; the first that fits counts.
    initializers : list of Initializer
        One for each pattern.

    >>> import ganmod as mx
    >>> Mixed([".*bias", ".*"], [mx.init.Zero(), mx.init.Uniform(0.1)])("fc_bias", mx.nd.ones((3,)))
    """

    def __init__(self, patterns: Sequence[str], initializers: Sequence[Any]) -> None:
        require(len(patterns) == len(initializers), f"Mixed: {len(patterns)} patterns for {len(initializers)} "
                "initializers; there must be as many", ValueError)
        self.map = list(zip([re.compile(p) for p in patterns], initializers))

    def __call__(self, name: str, arr: NDArray) -> None:
        """Fill an array with the first initializer whose pattern fits."""
        for pattern, init in self.map:
            if pattern.match(name):
                init(name, arr)
                return
        raise ValueError(f"Parameter name {name} did not match any pattern. Consider adding a \".*\" pattern at the "
                         "end with a default Initializer.")


class Load:
    """Parameters from a file or dict.

    Parameters
    ----------
    param : str or dict of NDArray
        A ``.params`` file, or arrays by name; ``arg:`` and ``aux:`` before a name are dropped.
    default_init : Initializer, optional
        For names that are not there.
    verbose : bool
        Whether to log where each array comes from.
    """

    def __init__(self, param: Union[str, Mapping[str, NDArray]], default_init: Any = None,
                 verbose: bool = False) -> None:
        loaded = nd.load(param) if isinstance(param, str) else param
        if not isinstance(loaded, Mapping):
            raise TypeError(f"Load: arrays by name are needed, got {type(loaded).__name__}")
        self.param = {re.sub("^(arg|aux):", "", name): array for name, array in loaded.items()}
        self.default_init, self.verbose = default_init, verbose

    def __call__(self, name: str, arr: NDArray) -> None:
        """Fill an array with the loaded one of that name.

        Raises
        ------
        MXNetError
            If the shapes differ, or it is neither there nor is there a default.
        """
        if name in self.param:
            loaded = self.param[name]
            require(loaded.shape == arr.shape, f"Parameter {name} cannot be initialized from loading: its shape is "
                    f"{arr.shape}, the loaded one's {loaded.shape}")
            arr[:] = loaded
        else:
            if self.default_init is None:
                raise MXNetError(f"Cannot initialize {name}: it is not among the loaded parameters, and there is no "
                                 "default_init")
            self.default_init(name, arr)
        if self.verbose:
            logging.info("Initialized %s by %s", name, "loading" if name in self.param else "default")
