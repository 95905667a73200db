"""``Optimizer``: learning rates, weight decay and update counts by parameter; the base that programs extend."""
from __future__ import annotations

import logging
import warnings
from typing import Any, ClassVar, Optional, Sequence, TypeVar, Union

import torch

from ..base import InputError, require, suggest
from ..lr_scheduler import LRScheduler
from ..ndarray import NDArray

__all__ = ["Optimizer", "create", "register", "Index"]

Index = Union[int, str]
Class = TypeVar("Class", bound="type[Optimizer]")
_HALF = (torch.float16, torch.bfloat16)


class Optimizer:
    """Base of the optimizers. A subclass defines :meth:`create_state` and :meth:`update`, for one parameter.

    Parameters
    ----------
    rescale_grad : float
        Factor of every gradient; a module sets it to 1 / batch size.
    param_idx2name : dict of int to str, optional
        Names of the parameters by index. With names, parameters whose name ends neither with ``_weight`` nor with
        ``_gamma`` have no weight decay.
    wd : float
        Weight decay: this much of a weight is added to its gradient.
    clip_gradient : float, optional
        Largest magnitude of an element of the rescaled gradient; None for no limit.
    learning_rate : float, optional
        The learning rate; by default that of the scheduler, else 0.01.
    lr_scheduler : LRScheduler, optional
        The learning rate by number of updates; a `learning_rate` given too becomes its ``base_lr``.
    sym : Symbol, optional
        Whose variables' attributes ``__lr_mult__`` and ``__wd_mult__`` count, by name.
    begin_num_update : int
        The number of updates made before.
    multi_precision : bool
        Whether to keep a float32 copy of weights of 16 bits, and to update that.
    param_dict : dict, optional
        Parameters by index, objects with ``lr_mult`` and ``wd_mult``.

    >>> import ganmod as mx
    >>> class Descent(Optimizer):
    ...     def update(self, index, weight, grad, state):
    ...         self._update_count(index)
    ...         weight[:] = mx.nd.from_torch(weight.as_torch() - self._get_lr(index) * grad.as_torch())
    >>> weight = mx.nd.ones((2,))
    >>> mx.optimizer.get_updater(Descent(learning_rate=0.5))(0, mx.nd.ones((2,)), weight)
    >>> weight.asnumpy().tolist()
    [0.5, 0.5]
    """

    opt_registry: ClassVar[dict[str, "type[Optimizer]"]] = {}
    decayed: ClassVar[tuple[str, ...]] = ("_weight", "_gamma")     # endings of the names that weight decay applies to
    aggregate_num = 0                 # how many parameters an update takes at once; 0: one

    def __init__(self, rescale_grad: float = 1.0, param_idx2name: Optional[dict[Any, str]] = None, wd: float = 0.0,
                 clip_gradient: Optional[float] = None, learning_rate: Optional[float] = None,
                 lr_scheduler: Optional[LRScheduler] = None, sym: Any = None, begin_num_update: int = 0,
                 multi_precision: bool = False, param_dict: Optional[dict[Any, Any]] = None) -> None:
        require(param_idx2name is None or isinstance(param_idx2name, dict),
                f"param_idx2name should be a dict of param indexes to names, got {param_idx2name!r:.80}", InputError)
        self.rescale_grad, self.wd, self.clip_gradient = rescale_grad, wd, clip_gradient
        self.multi_precision, self.lr_scheduler = multi_precision, lr_scheduler
        self._take_learning_rate(learning_rate)
        self.begin_num_update = self.num_update = begin_num_update
        self._all_index_update_counts: dict[int, dict[Index, int]] = {0: {}}
        self._index_update_count = self._all_index_update_counts[0]
        self.idx2name = dict(param_idx2name or {})
        self.sym_info = (sym.attr_dict(), sym.list_arguments()) if sym is not None else ()
        self.param_dict = param_dict or {}
        self.lr_mult: dict[Any, float] = {}
        self.wd_mult: dict[Any, float] = {}
        self.set_lr_mult({})
        self.set_wd_mult({})

    def _take_learning_rate(self, given: Optional[float]) -> None:
        scheduler = self.lr_scheduler
        if scheduler is None:
            self.lr = 0.01 if given is None else given
            return
        if given is not None and scheduler.base_lr != given:
            logging.info("the learning rate %g of the lr_scheduler is replaced by learning_rate=%g of the optimizer",
                         scheduler.base_lr, given)
            scheduler.base_lr = given
        self.lr = scheduler.base_lr

    # --- creation by name ----------------------------------------------------------------------------------------

    @staticmethod
    def register(klass: Class) -> Class:
        """Decorator: file a subclass under its lower-cased name."""
        name = klass.__name__.lower()
        if Optimizer.opt_registry.get(name, klass) is not klass:
            warnings.warn(f"New optimizer {klass.__module__}.{klass.__name__} is overriding existing optimizer "
                          f"{Optimizer.opt_registry[name].__module__}.{name}", stacklevel=2)
        Optimizer.opt_registry[name] = klass
        return klass

    @staticmethod
    def create_optimizer(name: str, **kwargs: Any) -> "Optimizer":
        """The registered optimizer of that name, whatever the case of its letters.

        Raises
        ------
        ValueError
            If there is none.

        >>> Optimizer.create_optimizer("SGD", momentum=0.9).momentum
        0.9
        """
        known = Optimizer.opt_registry
        if not isinstance(name, str):
            raise InputError(f"create() takes the name of an optimizer, got {type(name).__name__}")
        if name.lower() not in known:
            raise ValueError(f"Cannot find optimizer {name}{suggest(name.lower(), known)} "
                             f"(known: {', '.join(sorted(known))})")
        return known[name.lower()](**kwargs)

    # --- what subclasses define ----------------------------------------------------------------------------------

    def create_state(self, index: Index, weight: NDArray) -> Any:
        """What has to be remembered about a parameter: None, an NDArray, or a tuple of them."""
        return None

    def update(self, index: Index, weight: NDArray, grad: NDArray, state: Any) -> None:
        """Change a weight, and its state, in place."""
        raise NotImplementedError(f"{type(self).__name__} must define update(index, weight, grad, state)")

    # --- 16-bit weights with a float32 copy ----------------------------------------------------------------------

    def create_state_multi_precision(self, index: Index, weight: NDArray) -> Any:
        """As :meth:`create_state`; with `multi_precision`, for a weight of 16 bits, joined by its float32 copy."""
        if self._keeps_copy(weight):
            copy = weight.astype("float32")
            return self._join_copy(copy, self.create_state(index, copy))
        if weight.as_torch().dtype is torch.float16:
            warnings.warn("Accumulating with float16 in optimizer can lead to poor accuracy or slow convergence. "
                          f"Consider using multi_precision=True option of {type(self).__name__}", stacklevel=2)
        return self.create_state(index, weight)

    def update_multi_precision(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """As :meth:`update`, through the float32 copy where there is one; also of lists of parameters."""
        if isinstance(index, (list, tuple)):
            for one in zip(index, weight, grad, state):
                self.update_multi_precision(*one)
        elif self._keeps_copy(weight):
            copy, inner = self._split_copy(state)
            self.update(index, copy, grad.astype("float32"), inner)
            weight[:] = copy
        else:
            self.update(index, weight, grad, state)

    def _keeps_copy(self, weight: NDArray) -> bool:
        return bool(self.multi_precision) and weight.as_torch().dtype in _HALF

    def _join_copy(self, copy: NDArray, state: Any) -> tuple[Any, Any]:
        return copy, state

    def _split_copy(self, state: tuple[Any, Any]) -> tuple[NDArray, Any]:
        return state[0], state[1]

    # --- learning rates and weight decay -------------------------------------------------------------------------

    @property
    def learning_rate(self) -> float:
        """The present learning rate, without the parameters' own factors."""
        return self.lr if self.lr_scheduler is None else self.lr_scheduler(self.num_update)

    def set_learning_rate(self, lr: float) -> None:
        """Set the learning rate.

        Raises
        ------
        UserWarning
            If a scheduler decides on it.
        """
        if self.lr_scheduler is not None:
            raise UserWarning("LRScheduler of the optimizer has already been defined. Note that set_learning_rate can "
                              "mutate the value of the learning rate of the optimizer only when the LRScheduler of "
                              "the optimizer is undefined.")
        self.lr = lr

    def set_lr_scale(self, args_lrscale: Any) -> None:
        """Raise a DeprecationWarning, as MXNet does: it is :meth:`set_lr_mult` now."""
        raise DeprecationWarning("set_lr_scale() is gone; set factors of the learning rate by set_lr_mult()")

    def set_lr_mult(self, args_lr_mult: dict[Any, float]) -> None:
        """Set factors of the learning rate, by name or index; those of the variables' attributes stay below them."""
        self.lr_mult = {**self._multipliers("__lr_mult__"), **args_lr_mult}

    def set_wd_mult(self, args_wd_mult: dict[Any, float]) -> None:
        """Set factors of the weight decay, by name or index, over the attributes' and the zeros of the biases."""
        undecayed = {name: 0.0 for name in self.idx2name.values() if not name.endswith(self.decayed)}
        self.wd_mult = {**undecayed, **self._multipliers("__wd_mult__"), **args_wd_mult}

    def _multipliers(self, attribute: str) -> dict[Any, float]:
        if not self.sym_info:
            return {}
        attributes, arguments = self.sym_info
        return {name: float(attributes[name][attribute]) for name in arguments
                if attribute in attributes.get(name, ())}

    def _get_lrs(self, indices: Sequence[Index]) -> list[float]:
        """The learning rates of parameters."""
        base = self.learning_rate
        return [base * self._multiplier(i, "lr_mult") for i in indices]

    def _get_wds(self, indices: Sequence[Index]) -> list[float]:
        """The weight decays of parameters."""
        return [self.wd * self._multiplier(i, "wd_mult") for i in indices]

    def _get_lr(self, index: Index) -> float:
        """The learning rate of a parameter."""
        return self._get_lrs([index])[0]

    def _get_wd(self, index: Index) -> float:
        """The weight decay of a parameter."""
        return self._get_wds([index])[0]

    def _multiplier(self, index: Index, kind: str) -> float:
        if index in self.param_dict:
            return getattr(self.param_dict[index], kind)
        factors = getattr(self, kind)
        return factors[index] if index in factors else factors.get(self.idx2name.get(index), 1.0)

    # --- counting ------------------------------------------------------------------------------------------------

    def _set_current_context(self, device_id: int) -> None:
        """Count the updates of another device from here on."""
        self._index_update_count = self._all_index_update_counts.setdefault(device_id, {})

    def _update_count(self, index: Any) -> None:
        """Count an update of a parameter, or of each in a list."""
        counts = self._index_update_count
        for i in index if isinstance(index, (list, tuple)) else (index,):
            counts[i] = counts.get(i, self.begin_num_update) + 1
            self.num_update = max(counts[i], self.num_update)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "param_dict"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, param_dict={})


register = Optimizer.register
create = Optimizer.create_optimizer
