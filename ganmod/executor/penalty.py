"""Penalties on the gradient of a network with respect to its inputs: a program with a derivative inside it."""
from __future__ import annotations

from typing import Any, Callable, Sequence

import torch
from torch import Tensor

from ..base import Untraceable
from ..symbol import Symbol
from .executor import Executor
from .fastest import record_programs
from .lower import Lowered, lower, untraceable
from .trace import EagerPrograms, Programs, Structure

__all__ = ["add_penalty", "Penalty"]

#: From the input gradients of a batch to a number, which is to be small.
Penalty = Callable[[Sequence[Tensor]], Tensor]


def add_penalty(executor: Executor, score: Symbol, inputs: dict[str, Tensor], penalty: Penalty, key: Any) -> Tensor:
    """Add the gradients of a penalty on ``d score / d inputs`` to the executor's gradient arrays.

    Parameters
    ----------
    executor : Executor
        Whose arguments and states are used, as they are; states are not updated.
    score : Symbol
        One output, a part of the executor's graph; it is summed over.
    inputs : dict of str to Tensor
        Values of the arguments whose gradients count, in place of the bound ones.
    penalty : callable
    key : hashable
        Names the penalty, whose program is recorded at first use and kept.

    Returns
    -------
    Tensor
        The penalty, of shape (1,).
    """
    names, states = score.list_arguments(), [executor.aux_dict[n].as_torch() for n in score.list_auxiliary_states()]
    arguments = [inputs[n] if n in inputs else executor.arg_dict[n].as_torch() for n in names]
    trained = [n for n in executor._gradient_names if n in names and n not in inputs]
    wish = tuple(names.index(n) for n in trained)
    heads = [torch.ones(1, dtype=arguments[0].dtype, device=arguments[0].device)]
    structure = Structure(arguments, states, wish, heads)
    cached = ("penalty", key, tuple(score.list_outputs()), tuple((a.shape, a.dtype, a.device) for a in arguments), wish,
              executor._choice())
    options = executor._options
    if cached not in executor._programs:
        network = lower(score, True, executor._placement, options.precision)
        function = _penalised(network, [names.index(n) for n in inputs], penalty)
        executor._programs[cached] = _recorded(score, function, structure, options.compiled)
    programs = executor._programs[cached]
    with executor._instances:
        forward = programs.forward(arguments, states)
        targets = [a.as_torch() for n in trained if (a := executor.grad_dict[n]) is not None]
        programs.backward(arguments, states, heads, forward.saved, wish, targets, (True,) * len(targets))
    return forward.outputs[0]


def _penalised(network: Lowered, positions: Sequence[int], penalty: Penalty) -> Lowered:
    """The function that computes the penalty, and can itself be differentiated."""
    def run(arguments: Sequence[Tensor], states: Sequence[Tensor]) -> tuple[list[Tensor], dict[str, Tensor]]:
        own = list(arguments)
        with torch.enable_grad():
            for k in positions:
                own[k] = own[k].detach().requires_grad_()
            outputs, _ = network(own, states)
            gradients = torch.autograd.grad(outputs[0].sum(), [own[k] for k in positions], create_graph=True)
            return [penalty(gradients).reshape(1)], {}
    return run


def _recorded(score: Symbol, function: Lowered, structure: Structure, compiled: Any) -> "Programs | EagerPrograms":
    if untraceable(score):
        return EagerPrograms(function, structure.wanted)
    try:
        return record_programs(function, structure, compiled)
    except Untraceable:
        return EagerPrograms(function, structure.wanted)
