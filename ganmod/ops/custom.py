"""Operators that are written in Python: a user's own, and what makes each of them one node of a recorded program.

What such an operator is, its inputs, outputs, states and shapes, stands in a :class:`Description`, which every node has
of its own; what runs is an :class:`Instance`. Both are in terms of torch tensors. :mod:`ganmod.operator` adapts
MXNet's classes, which speak NDArrays, to them.
"""
from __future__ import annotations

import abc
import contextlib
import itertools
import threading
import weakref
from typing import Any, Callable, Iterator, Optional, Sequence

import torch
from torch import Tensor, fx

from ..base import AttributeValueError, InputError, ShapeError
from .registry import Operator, Params, operator
from .shapes import Known, ShapeTable, complete

__all__ = ["Description", "Instance", "Instances", "PythonOperator", "custom", "native", "ndarray_op", "BACKWARD",
           "BLANK", "call_directly"]

Dtype = Optional[torch.dtype]
_numbers = itertools.count()
_numbered: "weakref.WeakValueDictionary[int, Description]" = weakref.WeakValueDictionary()


class Instance(abc.ABC):
    """A Python operator for certain shapes: what runs, and may keep things from a forward to its backward."""

    @abc.abstractmethod
    def forward(self, training: bool, inputs: Sequence[Tensor], outputs: Sequence[Tensor], states: Sequence[Tensor]) \
            -> None:
        """Write the `outputs`, zeros at first, and change the `states` in place."""

    @abc.abstractmethod
    def backward(self, wanted: Sequence[bool], heads: Sequence[Tensor], inputs: Sequence[Tensor],
                 outputs: Sequence[Tensor], gradients: Sequence[Tensor], states: Sequence[Tensor]) -> None:
        """Write the `gradients`, zeros at first, of those inputs that are `wanted`; may change the `states` in place.

        `heads` is empty for an operator that needs no head gradients.
        """


class Description(abc.ABC):
    """What a Python operator says of itself.

    Parameters
    ----------
    title : str
        What errors call it.
    arguments, states, outputs : list of str
        The names of its inputs, auxiliary states and outputs.
    needs_head : bool
        Whether its backward uses head gradients.
    """

    def __init__(self, title: str, arguments: list[str], states: list[str], outputs: list[str],
                 needs_head: bool) -> None:
        self.title, self.arguments, self.states, self.outputs = title, arguments, states, outputs
        self.needs_head = needs_head
        self.number = next(_numbers)
        _numbered[self.number] = self

    @abc.abstractmethod
    def shapes(self, given: list[Known]) -> tuple[list[Known], list[Known], list[Known]]:
        """The shapes of inputs, outputs and states that follow from those `given` of the inputs."""

    @abc.abstractmethod
    def dtypes(self, given: list[Dtype]) -> tuple[list[Dtype], list[Dtype], list[Dtype]]:
        """The dtypes of inputs, outputs and states that follow from those `given` of the inputs."""

    @abc.abstractmethod
    def create(self, place: Any, tensors: Sequence[Tensor]) -> Instance:
        """An instance for inputs and states like `tensors`; `place` is what the runner calls where it runs."""

    def blank(self, inputs: Sequence[Tensor], states: Sequence[Tensor]) -> list[Tensor]:
        """Outputs full of zeros, for inputs of these shapes and dtypes."""
        _, shapes, _ = self.shapes([tuple(t.shape) for t in inputs])
        _, dtypes, _ = self.dtypes([t.dtype for t in inputs])
        device = next((t.device for t in (*inputs, *states)), None)
        made = []
        for name, shape, dtype in zip(self.outputs, shapes, dtypes):
            if shape is None or not complete(shape):
                raise ShapeError(f"{self.title}: infer_shape leaves the shape of the output {name!r} open: {shape}")
            made.append(torch.zeros(shape, dtype=dtype or torch.float32, device=device))
        return made


# --- where instances live --------------------------------------------------------------------------------------------

class _Active(threading.local):
    def __init__(self) -> None:
        self.stack: list[Optional[Instances]] = []


_active = _Active()


class Instances:
    """The instances of one executor, each made when its node first runs; active in a ``with`` block.

    Parameters
    ----------
    place : object
        Handed to :meth:`Description.create`.
    """

    def __init__(self, place: Any = None) -> None:
        self._place = place
        self._made: dict[int, tuple[Any, Instance]] = {}

    def of(self, description: Description, tensors: Sequence[Tensor]) -> Instance:
        """The instance for a node, a new one if its shapes or dtypes have changed."""
        key = [(t.shape, t.dtype) for t in tensors]
        found = self._made.get(description.number)
        if found is None or found[0] != key:
            with user_code(description, "create_operator"):
                found = key, description.create(self._place, tensors)
            self._made[description.number] = found
        return found[1]

    def __enter__(self) -> "Instances":
        _active.stack.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _active.stack.pop()


def _current() -> Optional[Instances]:
    return _active.stack[-1] if _active.stack else None


@contextlib.contextmanager
def user_code(description: Description, method: str) -> Iterator[None]:
    """Around a call of the user's: its exceptions pass, with a note; operators inside it have instances of their own.
    """
    _active.stack.append(None)
    try:
        yield
    except Exception as error:
        if hasattr(error, "add_note"):                     # Python 3.11 and later
            error.add_note(f"in {method}() of {description.title}")
        raise
    finally:
        _active.stack.pop()


# --- the two opaque calls --------------------------------------------------------------------------------------------

def forward(number: int, training: bool, inputs: list[Tensor], states: list[Tensor]) -> list[Tensor]:
    """Run the Python operator of that number: its outputs, then the new values of its states."""
    description, instances = _numbered[number], _current() or Instances()
    outputs, new = description.blank(inputs, states), [s.clone() for s in states]
    instance = instances.of(description, [*inputs, *states])
    with user_code(description, "forward"):
        instance.forward(training, inputs, outputs, new)
    return [*outputs, *new]


def backward(number: int, heads: list[Tensor], inputs: list[Tensor], outputs: list[Tensor], states: list[Tensor],
             wanted: list[bool]) -> list[Tensor]:
    """Run its backward: the gradient of every input, zeros for those that are not wanted."""
    description, instances = _numbered[number], _current() or Instances()
    instance = instances.of(description, [*inputs, *states])
    gradients = [torch.zeros_like(i, memory_format=torch.contiguous_format) for i in inputs]
    with user_code(description, "backward"):              # which may write to its outputs; the bound ones stay
        instance.backward(wanted, [h.contiguous() for h in heads], inputs, [o.clone() for o in outputs], gradients,
                          states)
    return gradients


def _fake_forward(number: int, training: bool, inputs: list[Tensor], states: list[Tensor]) -> list[Tensor]:
    return [*_numbered[number].blank(inputs, states), *(torch.empty_like(s) for s in states)]


def _fake_backward(number: int, heads: list[Tensor], inputs: list[Tensor], outputs: list[Tensor],
                   states: list[Tensor], wanted: list[bool]) -> list[Tensor]:
    return [torch.empty_like(i, memory_format=torch.contiguous_format) for i in inputs]


_library = torch.library.Library("ganmod", "FRAGMENT")
_library.define("python_forward(int number, bool training, Tensor[] inputs, Tensor[] states) -> Tensor[]")
_library.define("python_backward(int number, Tensor[] heads, Tensor[] inputs, Tensor[] outputs, Tensor[] states, "
                "bool[] wanted) -> Tensor[]")
for _name, _real, _fake in (("python_forward", forward, _fake_forward), ("python_backward", backward, _fake_backward)):
    _library.impl(_name, _real, "CompositeExplicitAutograd")
    torch.library.register_fake(f"ganmod::{_name}", _fake, lib=_library)

FORWARD, BACKWARD = torch.ops.ganmod.python_forward.default, torch.ops.ganmod.python_backward.default
_DIRECT: dict[Any, Callable[..., list[Tensor]]] = {FORWARD: forward, BACKWARD: backward}
#: What gives results of the right shapes without running the user's code.
BLANK: dict[Any, Callable[..., list[Tensor]]] = {FORWARD: _fake_forward, BACKWARD: _fake_backward}


def call_directly(graph: fx.Graph) -> None:
    """Have a recorded graph call Python operators without torch's dispatcher, under which autograd is off.

    Their code may then bind executors and record gradients of its own.
    """
    for node in graph.nodes:
        if node.target in _DIRECT:
            node.target = _DIRECT[node.target]


def _how(opaque: Any, fake: Callable[..., Any], tensors: Sequence[Tensor]) -> Callable[..., list[Tensor]]:
    """How to call: as one opaque call where something looks on, such as the recording of a program."""
    if any(t.is_meta for t in tensors):
        return fake
    direct = _DIRECT[opaque]
    return opaque if torch._C._len_torch_dispatch_stack() else direct


class _Bridge(torch.autograd.Function):
    """A Python operator as autograd sees it."""

    @staticmethod
    def forward(ctx: Any, instances: Instances, description: Description, training: bool, *tensors: Tensor) \
            -> tuple[Tensor, ...]:
        number = len(description.arguments)
        inputs, states = list(tensors[:number]), list(tensors[number:])
        with instances:
            results = _how(FORWARD, _fake_forward, tensors)(description.number, training, inputs, states)
        outputs = results[:len(description.outputs)]
        ctx.mark_non_differentiable(*results[len(outputs):])
        ctx.instances, ctx.description, ctx.states = instances, description, states
        ctx.save_for_backward(*inputs, *outputs)
        return tuple(results)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        description, saved = ctx.description, ctx.saved_tensors
        number = len(description.arguments)
        heads = list(gradients[:len(description.outputs)]) if description.needs_head else []
        wanted = list(ctx.needs_input_grad[3:3 + number])
        with ctx.instances:
            made = _how(BACKWARD, _fake_backward, saved)(
                description.number, heads, list(saved[:number]), list(saved[number:]), ctx.states, wanted)
        return (None, None, None, *(g if w else None for g, w in zip(made, wanted)), *(None for _ in ctx.states))


# --- the operators ---------------------------------------------------------------------------------------------------

def _shape_rule(p: Params, s: ShapeTable) -> None:
    names = p.description.arguments, p.description.outputs, p.description.states
    for group, shapes in zip(names, p.description.shapes([s[n] for n in p.description.arguments])):
        for name, shape in zip(group, shapes):
            s[name] = shape


def _type_rule(p: Params, types: dict[str, Dtype]) -> None:
    names = p.description.arguments, p.description.outputs, p.description.states
    for group, dtypes in zip(names, p.description.dtypes([types[n] for n in p.description.arguments])):
        for name, dtype in zip(group, dtypes):
            types[name] = dtype or types[name]


class PythonOperator(Operator):
    """An operator whose inputs, outputs and rules are those of a description, made anew from each node's attributes.

    Parameters
    ----------
    free : bool
        Whether attributes that are not declared are the description's own.
    """

    user_code = True
    #: (declared attributes, the others as text, what errors call the node) -> Description
    describe: Callable[[Params, dict[str, str], str], Description]      # set by ganmod.operator

    def __init__(self, *args: Any, free: bool = False, **settings: Any) -> None:
        super().__init__(*args, shapes=_shape_rule, **settings)
        self.type_rule = _type_rule
        self._free = free

    def parse(self, attributes: dict[str, Any], node: str = "") -> Params:
        """The declared attributes, and the description that all of them make, as ``.description``."""
        if isinstance(attributes, _Arguments) and attributes.params is not None:
            return attributes.params
        own = {k: v for k, v in attributes.items() if k in self.attributes or not self._free}
        params = self._parse(own, node)
        others = {k: str(v) for k, v in attributes.items() if k not in own}
        params.description = self.describe(params, others, f"{self.name} {node!r}" if node else self.name)
        if isinstance(attributes, _Arguments):
            attributes.params = params
        return params

    def input_names(self, params: Params, given: int = 0) -> list[str]:
        return params.description.arguments + params.description.states

    def output_names(self, params: Params) -> list[str]:
        return list(params.description.outputs)

    def ignores_head(self, params: Params) -> bool:
        return not params.description.needs_head

    def is_aux(self, name: str, params: Optional[Params] = None) -> bool:
        return params is not None and name in params.description.states

    def run(self, inputs: Sequence[Tensor], params: Params, training: bool = False) \
            -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """The outputs, and the new values of the states, which a Python operator may change whenever it runs."""
        description = params.description
        results = _Bridge.apply(_current() or Instances(), description, bool(training), *inputs)
        number = len(description.outputs)
        return tuple(results[:number]), dict(zip(description.states, results[number:]))

    def split_arguments(self, args: Sequence[Any], kwargs: dict[str, Any], is_input: Callable[[Any], bool]) \
            -> tuple[dict[str, Any], dict[str, Any]]:
        """Sort a call's arguments into inputs and attributes; positional inputs wait for their names as ``#0``, …."""
        inputs = {f"#{k}": value for k, value in enumerate(args)}
        inputs.update({k: v for k, v in kwargs.items() if is_input(v)})
        return inputs, _Arguments({k: v for k, v in kwargs.items() if k not in inputs})

    def named(self, inputs: dict[str, Any], names: list[str]) -> dict[str, Any]:
        """The inputs of a call with positional ones under the operator's names."""
        made = {k: v for k, v in inputs.items() if not k.startswith("#")}
        given = [v for k, v in inputs.items() if k.startswith("#")]
        if len(given) > len(names):
            raise InputError(f"{self.name} takes {len(names)} inputs ({', '.join(names)}), got {len(given)}")
        for name, value in zip(names, given):
            if name in made:
                raise InputError(f"{self.name}: {name!r} is given twice, by position and by name")
            made[name] = value
        return made


class _Arguments(dict[str, Any]):
    """The attributes of one call, and once they are parsed, what came of it: one description for one call."""

    params: Optional[Params] = None


@operator("Custom", kind=PythonOperator, free=True)
def custom(*data: Tensor, op_type: str = "") -> Tensor:
    """An operator of one's own: the ``CustomOpProp`` that was registered under the name `op_type`.

    Inputs, outputs, states and shapes are the ones that it lists and infers. All further attributes go to its
    constructor, as text. See :func:`ganmod.operator.register`.
    """
    raise AttributeValueError("Custom is run by its description")


@operator("_Native", kind=PythonOperator)
def native(*data: Tensor, info: str, need_top_grad: bool = True) -> Tensor:
    """The operator of a :class:`ganmod.operator.NumpyOp`; `info` tells which, within one process.

    Shapes: as its ``infer_shape`` says. With `need_top_grad`, its gradient uses the head gradient.
    """
    raise AttributeValueError("_Native is run by its description")


@operator("_NDArray", kind=PythonOperator)
def ndarray_op(*data: Tensor, info: str) -> Tensor:
    """The operator of a :class:`ganmod.operator.NDArrayOp`; `info` tells which, within one process.

    Shapes: as its ``infer_shape`` says.
    """
    raise AttributeValueError("_NDArray is run by its description")
