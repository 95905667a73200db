"""Recording: a lowered symbol becomes a forward and a backward program, straight lines of torch calls.

Outputs and gradients are recorded together, as one graph. It is split into a forward program, which also returns the
values worth saving, and one backward program per wish (which gradients are asked for). A backward program takes the
current arrays and the saved values, so it may run any number of times; nothing in it refers to an autograd graph.
"""
from __future__ import annotations

import logging
import operator
from typing import Any, Callable, Iterable, NamedTuple, Optional, Sequence, Union

import torch
from torch import Tensor, fx

from .. import engine
from ..ops import custom, storage
from .delivery import deliver, write
from .exchange import exchange
from .interpreter import Interpreter
from .lower import Lowered
from .memory import keep_freed
from .recorder import recorded
from .reuse import reuse, save_results

__all__ = ["Programs", "Forward", "EagerPrograms", "record", "Structure"]

_logger = logging.getLogger(__name__)

aten = torch.ops.aten


class Structure(NamedTuple):
    """What a program is recorded for: the arrays it runs on, and which of them gradients are wanted of."""

    arguments: list[Tensor]
    states: list[Tensor]
    wanted: tuple[int, ...]
    heads: list[Tensor]


class Forward(NamedTuple):
    """What a forward program returns: outputs, new values of arguments and states, values saved for backward."""

    outputs: list[Tensor]
    replaced: dict[str, Tensor]
    saved: list[Any]


class Programs:
    """The programs of one symbol, mode and set of shapes, split from one recorded graph.

    Parameters
    ----------
    graph : torch.fx.Graph
        Outputs, replaced values and gradients of (arguments, states, heads).
    outputs : int
        How many of its results are outputs.
    replaced : list of str
        The names of the replaced arguments and states, which follow the outputs.
    wanted : tuple of int
        Positions of the arguments whose gradients it computes, in order.
    compiled : bool or str
        Whether torch's compiler makes functions of the parts, and in which mode.
    """

    def __init__(self, graph: fx.Graph, outputs: int, replaced: list[str], wanted: tuple[int, ...],
                 compiled: Union[bool, str] = False) -> None:
        self._graph, self._outputs, self._replaced, self._wanted = graph, outputs, replaced, wanted
        self._compiled = compiled
        self._results, self._gradients = next(n for n in graph.nodes if n.op == "output").args[0]
        self._in_forward = _ancestors(self._results)
        for node in graph.nodes:                           # take tuples apart, so that single tensors are saved
            if node.target is operator.getitem and node.args[0] in self._in_forward:
                self._in_forward.add(node)
        needed = _ancestors(self._gradients) - self._in_forward
        inputs = {i for n in needed for i in n.all_input_nodes} | set(self._gradients)
        self._saved = [n for n in graph.nodes if n.op != "placeholder" and n in self._in_forward and n in inputs]
        self._inputs = [n for n in graph.nodes if n.op == "placeholder"]
        self._forward = self._compile(self._in_forward, [list(self._results), self._saved], self._inputs)
        self._backward: dict[Any, Callable[..., Any]] = {}

    def forward(self, arguments: Sequence[Tensor], states: Sequence[Tensor]) -> Forward:
        """Compute the outputs and what a backward will need."""
        absent = [None] * (len(self._inputs) - len(arguments) - len(states))
        with torch.no_grad():
            results, saved = self._forward(*arguments, *states, *absent)
        return Forward(results[:self._outputs], dict(zip(self._replaced, results[self._outputs:])), saved)

    def backward(self, arguments: Sequence[Tensor], states: Sequence[Tensor], heads: Sequence[Tensor],
                 saved: list[Any], wish: tuple[int, ...], targets: Sequence[Tensor], adds: tuple[bool, ...],
                 retain: bool = True) -> None:
        """Write the gradients of the arguments at the positions `wish` to `targets`, or add them to these.

        Unless they are to be retained, the saved values are let go, each after its last use.
        """
        key = wish, adds, tuple((t.dtype, t.layout) for t in targets)
        if key not in self._backward:
            picks = [self._gradients[self._wanted.index(position)] for position in wish]
            nodes = _ancestors(picks) - self._in_forward
            self._backward[key] = self._compile(nodes, picks, [*self._inputs, *self._saved], targets, adds)
        run, inputs = self._backward[key], [*arguments, *states, *heads, *saved]
        if not retain:
            saved.clear()
        with torch.no_grad():
            if self._compiled:                             # its program knows torch's operators alone
                write(targets, run(*inputs), adds)
            else:
                assert isinstance(run, Interpreter)
                inputs += targets
                run.consume(inputs)

    def _compile(self, nodes: set[fx.Node], results: list[Any], inputs: list[fx.Node],
                 targets: Sequence[Tensor] = (), adds: Sequence[bool] = ()) -> Callable[..., Any]:
        """A callable for the part of the graph that computes `results` from `inputs`.

        If it is not to be compiled, and there are `targets`, it takes them too, and delivers the results there.
        """
        part, copies = fx.Graph(self._graph.owning_module), {}
        for node in inputs:
            copies[node] = part.placeholder(node.name)
        arrays = [part.placeholder(f"target_{k}") for k in range(0 if self._compiled else len(targets))]
        for node in self._graph.nodes:
            if node in nodes and node.op != "placeholder":
                copies[node] = part.node_copy(node, lambda n: copies[n])
        part.output(fx.node.map_arg(results, lambda n: copies[n]))
        _narrow(part)
        if not self._compiled:
            if arrays:
                deliver(part, arrays, targets, adds)
            reuse(part)
        custom.call_directly(part)
        return _compiled(part, self._compiled) if self._compiled else Interpreter(part)

    @property
    def is_compilable(self) -> bool:
        """Whether torch's compiler knows all of the calls."""
        return _is_compilable(self._graph)

    def code(self) -> str:
        """The recorded line of torch calls, outputs and gradients together, as Python."""
        return self._graph.python_code("self").src


class EagerPrograms:
    """The same interface without a recording: every backward runs the forward again, under autograd.

    For graphs that cannot be traced. Random nodes repeat the draw of the forward.
    """

    def __init__(self, function: Lowered, wanted: tuple[int, ...]) -> None:
        self._function, self._wanted = function, wanted

    def forward(self, arguments: Sequence[Tensor], states: Sequence[Tensor]) -> Forward:
        """Compute the outputs; what is saved is the state of the random generators and of the auxiliary states."""
        saved = [torch.random.get_rng_state(), _cuda_rng_states(arguments), [s.clone() for s in states]]
        own = [_entering(a, False) for a in arguments]
        with torch.no_grad():
            outputs, replaced = self._function(own, states)
        return Forward([_apart(storage.dense(o), [*own, *states]) for o in outputs], replaced, saved)

    def backward(self, arguments: Sequence[Tensor], states: Sequence[Tensor], heads: Sequence[Tensor],
                 saved: list[Any], wish: tuple[int, ...], targets: Sequence[Tensor], adds: tuple[bool, ...],
                 retain: bool = True) -> None:
        """Write the gradients of the arguments at the positions `wish` to `targets`, or add them to these."""
        cpu_state, cuda_states, states = saved
        with torch.random.fork_rng(devices=list(cuda_states)), torch.inference_mode(False), torch.enable_grad():
            own = [_entering(a, k in wish) for k, a in enumerate(arguments)]
            torch.random.set_rng_state(cpu_state)
            for index, state in cuda_states.items():
                torch.cuda.set_rng_state(state, index)
            outputs, _ = self._function(own, states)
            outputs = [storage.dense(o) for o in outputs]
            gradients = _gradients(outputs, [own[k] for k in wish], heads)
        write(targets, gradients, adds)

    def code(self) -> str:
        """A sentence: there is no recording."""
        return "# not recorded: run node by node through autograd\n"


def _entering(argument: Tensor, wanted: bool) -> Tensor:
    """An argument as operators get it: compressed rows as they are, unless a gradient of them is wanted, else dense."""
    kept = argument.layout is torch.sparse_csr and not wanted
    return argument.detach() if kept else storage.dense(argument.detach()).requires_grad_(wanted)


def _compiled(graph: fx.Graph, mode: Union[bool, str]) -> Callable[..., Any]:
    """What torch's compiler makes of a program; as it is where that has Python operators."""
    if not _is_compilable(graph):
        return Interpreter(graph)
    _logger.info("compiling a program of %d nodes at its first run, which takes a while", len(graph.nodes))
    module = fx.GraphModule(graph.owning_module or {}, graph)
    if not isinstance(mode, str):
        return torch.compile(module, dynamic=False)
    function = torch.compile(module, dynamic=False, mode=mode)

    def run(*inputs: Any) -> Any:
        torch.compiler.cudagraph_mark_step_begin()         # CUDA graphs write to the same memory at every run
        return fx.node.map_aggregate(function(*inputs), lambda r: r.clone() if isinstance(r, Tensor) else r)
    return run


def _is_compilable(graph: fx.Graph) -> bool:
    """Whether a graph calls torch's operators alone."""
    return all(isinstance(n.target, torch._ops.OpOverload) or n.target is operator.getitem
               for n in graph.nodes if n.op == "call_function")


def record(function: Lowered, structure: Structure, compiled: Union[bool, str] = False) -> Programs:
    """Record a lowered symbol's outputs and the gradients of the wanted arguments; `compiled` by torch's compiler.

    Raises
    ------
    Untraceable
        For a function that depends on the values of its inputs.
    """
    arguments, states, wanted, heads = structure
    names: list[str] = []
    count = 0
    number = len(arguments) + len(states)

    def joint(*flat: Tensor) -> tuple[list[Tensor], list[Optional[Tensor]]]:
        nonlocal count
        own = [a.detach().requires_grad_(k in wanted) for k, a in enumerate(flat[:len(arguments)])]
        with torch.enable_grad():
            outputs, replaced = function(own, flat[len(arguments):number])
            gradients = _gradients(outputs, [own[k] for k in wanted], flat[number:]) if wanted else []
        names[:], count = replaced, len(outputs)
        return [*(_apart(o, flat) for o in outputs), *(r.detach() for r in replaced.values())], gradients

    inputs = [*arguments, *states, *heads]
    with torch.inference_mode(False), torch.no_grad():     # in inference mode, autograd would give nothing
        graph = recorded(joint, inputs)
        if any(_mutates(n) for n in graph.nodes):          # autograd does not run inside what makes it pure
            graph = recorded(torch.func.functionalize(Interpreter(graph), remove="mutations"), inputs)
    _drop_detachments(graph)
    _cancel_transpositions(graph)
    _loosen_views(graph)
    save_results(graph)
    graph.eliminate_dead_code()
    if engine.has_fast_kernels() and not compiled:         # the compiler chooses for itself
        keep_freed()
        exchange(graph, count)
    return Programs(graph, count, names, wanted, compiled)


def _gradients(outputs: Sequence[Tensor], wanted: Sequence[Tensor], heads: Sequence[Tensor]) -> list[Optional[Tensor]]:
    differentiable = [(o, h) for o, h in zip(outputs, heads) if o.requires_grad]
    if not differentiable or not wanted:
        return [None] * len(wanted)
    chosen, given = zip(*differentiable)
    return list(torch.autograd.grad(_Seed.apply(given, *chosen), wanted, allow_unused=True))


class _Seed(torch.autograd.Function):
    """A number whose gradients are the heads; for heads that it is given itself, torch imports sympy."""

    @staticmethod
    def forward(ctx: Any, heads: Sequence[Tensor], *outputs: Tensor) -> Tensor:
        ctx.heads = heads
        return outputs[0].new_zeros(())

    @staticmethod
    def backward(ctx: Any, _: Any) -> Any:
        return (None, *ctx.heads)


def _apart(output: Tensor, inputs: Sequence[Tensor]) -> Tensor:
    """An output in memory of its own: programs write to outputs, and arguments must not change with them."""
    output = output.detach()
    memory = output.untyped_storage()._cdata
    if not output.is_contiguous() or any(memory == i.untyped_storage()._cdata for i in inputs
                                         if not storage.is_sparse(i)):
        return output.clone(memory_format=torch.contiguous_format)
    return output


def _mutates(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.is_mutable


def _drop_detachments(graph: fx.Graph) -> None:
    """A detached tensor matters to autograd alone, and programs run without it."""
    for node in graph.nodes:
        if node.target is aten.detach.default:
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)


def _cancel_transpositions(graph: fx.Graph) -> None:
    """The transpose of a transpose is what there was, and a product by itself can go straight to its array."""
    for node in graph.nodes:
        first: Any = node.args[0] if node.target is aten.t.default else None
        if isinstance(first, fx.Node) and first.target is aten.t.default:
            node.replace_all_uses_with(first.args[0])


def _loosen_views(graph: fx.Graph) -> None:
    """A view becomes a copy where the memory is not as it was recorded: libraries choose layouts as they run."""
    for node in graph.nodes:
        if node.target in (aten.view.default, aten._unsafe_view.default):
            node.target = aten.reshape.default


def _ancestors(roots: Iterable[Any]) -> set[fx.Node]:
    """The nodes that `roots` are computed from, themselves included."""
    seen: set[fx.Node] = set()
    todo = [r for r in roots if isinstance(r, fx.Node)]
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            todo.extend(node.all_input_nodes)
    return seen


def _narrow(graph: fx.Graph) -> None:
    """Have the backward of each convolution and Python operator compute only those of its gradients that are used."""
    for node in graph.nodes:
        if node.target in (aten.convolution_backward.default, custom.BACKWARD):
            used = {u.args[1] for u in node.users if u.target is operator.getitem}
            *rest, mask = node.args
            node.args = (*rest, [k in used and asked for k, asked in enumerate(mask)])


def _cuda_rng_states(tensors: Sequence[Tensor]) -> dict[int, Tensor]:
    devices = {t.device.index for t in tensors if t.is_cuda}
    return {index: torch.cuda.get_rng_state(index) for index in devices}
