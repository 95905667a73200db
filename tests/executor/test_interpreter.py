"""Recorded graphs as callables: what they call, with what, and how long they hold on to values."""
import gc
import math
import weakref

import pytest
import torch
from torch import fx

from ganmod.executor import interpreter
from ganmod.executor.interpreter import Interpreter

aten = torch.ops.aten
X, Y = torch.arange(6.).reshape(2, 3) - 2, torch.linspace(0.5, 1.5, 6).reshape(2, 3)
MAPS, ONES = torch.arange(16.).reshape(1, 1, 4, 4), torch.ones(1)
#: For each operator that is called by another name: its arguments. Those that write, write over the first.
CASES = {
    aten.add.Tensor: (X, Y), aten.sub.Tensor: (X, Y), aten.mul.Tensor: (X, 0.25), aten.mm.default: (X, Y.t()),
    aten.mm.out: (X, Y.t()), aten.addmm.default: (torch.ones(2), X, Y.t()), aten.t.default: (X,),
    aten.reshape.default: (X, [3, -1]), aten.sum.dim_IntList: (X, [0], True), aten.lerp.Scalar: (X, Y, 0.1),
    aten.tanh_.default: (X,), aten.sigmoid_.default: (X,), aten.relu_.default: (X,),
    aten.convolution.default: (MAPS, torch.ones(1, 1, 2, 2), ONES, [2, 2], [1, 0], [1, 1], False, [0, 0], 1),
    aten.native_batch_norm.default: (MAPS, ONES, ONES, ONES, 2 * ONES, False, 0.0, 1e-3),
    aten._native_batch_norm_legit.no_stats: (MAPS, ONES, ONES, True, 0.0, 1e-3),
}


def graph_of(call, *inputs):
    """A graph of so many placeholders, of which `call(graph, *placeholders)` makes the result."""
    graph = fx.Graph()
    graph.output(call(graph, *(graph.placeholder(f"p{k}") for k in range(inputs[0] if inputs else 1))))
    return graph


def test_every_other_name_is_tested():
    assert CASES.keys() == interpreter._BINDINGS.keys()


@torch.no_grad()
@pytest.mark.parametrize("target", CASES, ids=str)
def test_another_name_gives_the_same(target):
    def arguments():
        return [a.clone() if isinstance(a, torch.Tensor) else a for a in CASES[target]]
    kwargs = {"out": torch.zeros(2, 2)} if target is aten.mm.out else {}
    tensors = [a for a in arguments() if isinstance(a, torch.Tensor)]

    def call(graph, *places):
        left = list(places)
        return graph.call_function(target, tuple(left.pop(0) if isinstance(a, torch.Tensor) else a
                                                 for a in CASES[target]), {name: left.pop(0) for name in kwargs})
    expected = target(*arguments(), **{name: value.clone() for name, value in kwargs.items()})
    got = Interpreter(graph_of(call, len(tensors) + len(kwargs)))(*tensors, *kwargs.values())
    torch.testing.assert_close(got, expected, rtol=0, atol=0)


def test_arguments_arrive_as_they_are():
    given = ([1, (2.5, None), ()], "it's", torch.float64, True, -math.inf, (torch.device("cpu"),), [])

    def call(graph, place):
        return graph.call_function(lambda *args, **kwargs: (args, kwargs), (place, *given), {"like": [place, slice(2)]})
    args, kwargs = Interpreter(graph_of(call))(X)
    assert args[0] is X and args[1:] == given and [type(a) for a in args[1:]] == [type(a) for a in given]
    assert kwargs["like"][0] is X and kwargs["like"][1] == slice(2)


def test_values_are_let_go_after_their_last_use():
    alive = []

    def watched(value):
        alive.append(weakref.ref(value))
        return value + 1

    def count(value):
        gc.collect()
        return [value, sum(made() is not None for made in alive)]

    def call(graph, place):
        first = graph.call_function(watched, (graph.call_function(aten.mul.Tensor, (place, 2)),))
        graph.call_function(watched, (graph.call_function(aten.mul.Tensor, (place, 3)),))      # which nobody looks at
        return graph.call_function(count, (first,))
    result, living = Interpreter(graph_of(call))(X)
    assert torch.equal(result, 2 * X + 1) and len(alive) == 2 and living == 0


def test_a_list_of_values_is_used_up():
    """What only the list has is let go after its last use, and at once where there is none."""
    graph, living = fx.Graph(), []
    used, _ = graph.placeholder("used"), graph.placeholder("unused")
    first = graph.call_function(lambda value: (living.append([made() is not None for made in refs]), value + 1)[1],
                                (used,))
    graph.output(graph.call_function(lambda value: (living.append([made() is not None for made in refs]), value)[1],
                                     (first,)))
    given = [torch.ones(3), torch.ones(3)]
    refs = [weakref.ref(value) for value in given]
    assert torch.equal(Interpreter(graph).consume(given), torch.full((3,), 2.0))
    assert living == [[True, False], [False, False]] and given == []
