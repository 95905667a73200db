"""``FusedOptimizer``: all parameters of a device in one call."""
from __future__ import annotations

import functools
import sys
from typing import Any, Iterator, Optional, Sequence

import torch
from torch import Tensor

from ..ndarray import NDArray
from ..ops import storage
from .optimizer import Index, Optimizer

__all__ = ["FusedOptimizer", "zeros_like", "endless"]

#: Elements of a piece of a large parameter: few enough that its gradient is still in a CPU's cache once it is rescaled.
_PIECE = 1 << 20

Tensors = list[Tensor]
Settings = tuple[float, float, int]


class FusedOptimizer(Optimizer):
    """Base of the built-in optimizers: :meth:`update` takes one parameter or lists of them, and calls :meth:`_step`.

    A subclass defines :meth:`create_state` and :meth:`_step`. One that defines :meth:`update` itself is called with
    one parameter at a time, as any optimizer.
    """

    aggregate_num = sys.maxsize
    per_parameter = False             # whether _step takes one parameter at a time, in the order of the list
    per_element = False               # whether each element's step depends on that element alone

    def _step(self, weights: Tensors, grads: Tensors, state: tuple[Tensors, ...], lr: float, wd: float,
              count: int) -> None:
        """Change weights and states in place, and leave the gradients alone.

        Parameters
        ----------
        weights, grads : list of Tensor
            Of one dtype and device.
        state : tuple of lists
            The parts of the parameters' states; empty where the state is None, and without the parts that are None.
        lr, wd : float
            Learning rate and weight decay, the same for all of these parameters.
        count : int
            The number of this update, from 1.
        """
        raise NotImplementedError(f"{type(self).__name__} must define _step()")

    # --- from NDArrays to groups of tensors ----------------------------------------------------------------------

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """Change one parameter and its state in place; or several, given as lists."""
        if not isinstance(index, (list, tuple)):
            index, weight, grad, state = [index], [weight], [grad], [state]
        self._update_any(index, [w.as_torch() for w in weight], [g._tensor for g in grad], [_parts(s) for s in state])

    def update_multi_precision(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """As :meth:`update`, through float32 copies where there are any."""
        if type(self).update is not FusedOptimizer.update:
            super().update_multi_precision(index, weight, grad, state)
            return
        if not isinstance(index, (list, tuple)):
            index, weight, grad, state = [index], [weight], [grad], [state]
        if not self.multi_precision:
            self.update(index, weight, grad, state)
            return
        weights, grads, states, pairs = [], [], [], []
        for w, g, s in zip(weight, grad, state):
            target, source = w.as_torch(), g.as_torch()
            if self._keeps_copy(w):
                copy, s = self._split_copy(s)
                pairs.append((target, copy.as_torch()))
                target, source = copy.as_torch(), source.float()
            weights.append(target)
            grads.append(source)
            states.append(_parts(s))
        self._update_any(index, weights, grads, states)
        if pairs:
            torch._foreach_copy_([low for low, _ in pairs], [copy for _, copy in pairs])

    def _is_lazy(self, weight: Tensor) -> bool:
        """Whether a row_sparse gradient changes only the rows that it has, of weight and states."""
        return False

    @torch.no_grad()
    def _update_any(self, index: Sequence[Index], weights: Tensors, grads: Tensors,
                    states: list[tuple[Tensor, ...]]) -> None:
        """:meth:`_update_tensors`, where weights and gradients may be sparse."""
        if not any(map(storage.is_sparse, (*weights, *grads))):
            self._update_tensors(index, weights, grads, states)
            return
        loans = [_Loan(w, g, s, self._is_lazy(w)) for w, g, s in zip(weights, grads, states)]
        self._update_tensors(index, [a.weight for a in loans], [a.grad for a in loans], [a.state for a in loans])
        for loan in loans:
            loan.end()
        vars(self).pop("_memory", None)                    # the next gradient has another number of rows

    def _update_tensors(self, index: Sequence[Index], weights: Tensors, grads: Tensors,
                        states: list[tuple[Tensor, ...]]) -> None:
        self._update_count(index)
        for members, settings in self._groups(index, weights):
            parameters = [(weights[m], grads[m], *states[m]) for m in members]
            for w, g, *state in self._pieces(parameters):
                self._step(w, g, tuple(state), *settings)

    def _pieces(self, parameters: list[tuple[Tensor, ...]]) -> Iterator[list[Tensors]]:
        """Lists of weights, gradients and parts of states: all the small parameters, then pieces of the large ones."""
        large = [self.per_element and _is_large(p) for p in parameters]
        if not all(large):
            yield list(map(list, zip(*(p for p, is_large in zip(parameters, large) if not is_large))))
        for parameter in (p for p, is_large in zip(parameters, large) if is_large):
            yield from ([[t] for t in piece] for piece in zip(*(t.view(-1).split(_PIECE) for t in parameter)))

    def _groups(self, index: Sequence[Index], weights: Tensors) -> Iterator[tuple[list[int], Settings]]:
        """Positions of the parameters that one step can take together, with rate, decay and count."""
        groups: dict[Any, list[int]] = {}
        settings = list(zip(self._get_lrs(index), self._get_wds(index), (self._index_update_count[i] for i in index)))
        for k, w in enumerate(weights):
            key = k if self.per_parameter else (settings[k], w.dtype, w.device)
            groups.setdefault(key, []).append(k)
        for members in groups.values():
            yield members, settings[members[0]]

    @property
    def _clips(self) -> bool:
        return self.clip_gradient is not None and self.clip_gradient > 0

    # --- what steps begin with -----------------------------------------------------------------------------------

    def _scaled(self, grads: Tensors) -> Tensors:
        """The rescaled and clipped gradients, in memory of their own that holds until the next such call."""
        scaled = self._computed("scaled", torch.mul, torch._foreach_mul, grads, self.rescale_grad)
        self._clip_(scaled)
        return scaled

    def _scaled_with_decay(self, grads: Tensors, weights: Tensors, wd: float) -> Tensors:
        """``clip(rescale_grad * grad + wd * weight)``, in memory of its own."""
        scaled = self._computed("scaled", torch.mul, torch._foreach_mul, grads, self.rescale_grad)
        if wd:
            torch._foreach_add_(scaled, weights, alpha=wd)
        self._clip_(scaled)
        return scaled

    def _clip_(self, grads: Tensors) -> None:
        if self._clips:
            torch._foreach_clamp_min_(grads, -self.clip_gradient)  # type: ignore[operator]
            torch._foreach_clamp_max_(grads, self.clip_gradient)  # type: ignore[arg-type]

    def _roots(self, values: Tensors, inside: float = 0.0, outside: float = 0.0) -> Tensors:
        """``sqrt(values + inside) + outside``, in memory that holds until the next such call."""
        if inside:
            roots = self._computed("roots", torch.add, torch._foreach_add, values, inside)
            torch._foreach_sqrt_(roots)
        else:
            roots = self._computed("roots", torch.sqrt, torch._foreach_sqrt, values)
        if outside:
            torch._foreach_add_(roots, outside)
        return roots

    def _computed(self, use: str, each: Any, together: Any, tensors: Tensors, *args: float) -> Tensors:
        """``together(tensors, *args)``; on the CPU in memory kept from step to step.

        New memory costs a CPU more than the arithmetic, as every page of it is cleared first. CUDA's is kept by torch.
        """
        if tensors[0].is_cuda:
            return list(together(tensors, *args))
        kept = vars(self).setdefault("_memory", {})
        key = (use, tensors[0].dtype, *(t.shape for t in tensors))
        if key not in kept:
            with _kept_for_any_mode():
                kept[key] = [torch.empty(t.shape, dtype=t.dtype) for t in tensors]
        for t, out in zip(tensors, kept[key]):
            each(t, *args, out=out)
        return kept[key]

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in super().__getstate__().items() if key != "_memory"}


class _Loan:
    """Dense tensors in place of sparse ones for the time of a step: all of them, or the rows that a gradient has."""

    def __init__(self, weight: Tensor, grad: Tensor, state: tuple[Tensor, ...], lazy: bool) -> None:
        self._given, self._whole = weight, (storage.dense(weight), *state)
        self._rows = storage.rows_of(grad) if lazy and storage.is_sparse(grad) else None
        self.grad = storage.dense(grad) if self._rows is None else storage.values_of(grad)
        self.weight, *rest = self._whole if self._rows is None else (t[self._rows] for t in self._whole)
        self.state = tuple(rest)

    def end(self) -> None:
        """Write back what has changed."""
        if self._rows is not None:
            for whole, part in zip(self._whole, (self.weight, *self.state)):
                whole[self._rows] = part
        if storage.is_sparse(self._given):
            storage.write(self._given, self._whole[0])


def _is_large(parameter: Sequence[Tensor]) -> bool:
    """Whether a weight, its gradient and its states are better updated piece by piece."""
    return parameter[0].numel() > _PIECE and not any(t.is_cuda or not t.is_contiguous() for t in parameter)


def _parts(state: Any) -> tuple[Tensor, ...]:
    """The tensors of a state."""
    if state is None:
        return ()
    if isinstance(state, NDArray):
        return (state.as_torch(),)
    return tuple(part.as_torch() for part in state if part is not None)


def zeros_like(weight: NDArray, shape: Optional[tuple[int, ...]] = None) -> NDArray:
    """Zeros of a weight's shape (or another), dtype and context; dense."""
    like = weight.as_torch()
    with _kept_for_any_mode():
        made = torch.zeros(weight.shape if shape is None else shape, dtype=like.dtype, device=like.device)
    return NDArray(made, weight.context)


def _kept_for_any_mode() -> Any:
    """What is made in torch's inference mode cannot be written to outside of it, where the next step may be made."""
    return torch.inference_mode(False)


@functools.cache
def endless(device: torch.device) -> Tensor:
    """A count of updates after which torch's own steps correct nothing, where the learning rate does that."""
    return torch.full((), 1e9, device=device)
