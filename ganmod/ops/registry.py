"""What an operator is, and the table of all of them.

The Python signature is the specification: positional parameters are the tensor arguments in MXNet's order, keyword-only
parameters are the attributes, whose annotation is the parser. ``Aux`` marks an auxiliary state, ``Index`` an input
whose dtype is its own affair, ``Training`` the flag that is given by the caller of the program and never by a file.
"""
from __future__ import annotations

import dataclasses
import functools
import inspect
import types
import typing
from typing import TYPE_CHECKING, Annotated, Any, Callable, Optional, Sequence, Union

import torch
from torch import Tensor

from .. import base
from ..base import AttributeValueError, InputError
from .attributes import Parser, describe, parser_for
from .documentation import with_attributes
from .shapes import ShapeTable

__all__ = ["Aux", "Index", "Training", "Attribute", "Input", "Operator", "operator", "find", "lookup", "table",
           "elementwise"]


#: Annotation: an input that holds labels, indices or lengths; its dtype does not follow the other inputs'.
Index = Annotated[Tensor, "index"]
#: Annotation: an auxiliary state, which a training forward returns anew and no gradient reaches.
Aux = Annotated[Tensor, "state"]
#: Annotation: whether the forward is a training one. Not an attribute; the runner supplies it.
Training = Annotated[bool, "training"]


@dataclasses.dataclass(frozen=True)
class Input:
    """A tensor argument: its name, whether it is an auxiliary state, whether it has a dtype of its own."""

    name: str
    aux: bool = False
    index: bool = False


@dataclasses.dataclass(frozen=True)
class Attribute:
    """An attribute: its name, parser, annotation and default (``inspect.Parameter.empty`` when it is required)."""

    name: str
    parse: Parser
    annotation: Any
    default: Any

    @property
    def required(self) -> bool:
        """Whether it has to be given."""
        return self.default is inspect.Parameter.empty


def _numbered(_attributes: dict[str, Any], number: int) -> list[str]:
    return [f"arg{k}" for k in range(number)]


Params = types.SimpleNamespace
ShapeRule = Callable[[Params, ShapeTable], None]
BackwardRule = Callable[[Params, Sequence[Tensor], Sequence[Tensor], Sequence[Tensor]], Sequence[Optional[Tensor]]]
SparseRule = Callable[[Params, Sequence[Tensor]], Union[Tensor, tuple[Tensor, ...], None]]
TypeRule = Callable[[Params, dict[str, Optional[torch.dtype]]], None]


_READ_FROM_SIGNATURE = ("inputs", "attributes", "variadic", "takes_training", "_variadic_index", "_aux")


class Operator:
    """One operator, defined once; everything else about it is derived from this.

    Parameters
    ----------
    function : callable
        The torch forward. Takes the present inputs positionally and the attributes as keywords; returns a tensor, or a
        tuple of the outputs followed by the new values of the `mutates` inputs.
    name, aliases : str
        MXNet's canonical name, which files carry, and further names.
    present : dict of input name to predicate
        Inputs that are there only if ``predicate(params)`` holds.
    outputs : sequence of str, or callable(params) -> sequence of str
        Names of the visible outputs.
    hidden : int or callable(params) -> int
        How many outputs MXNet counts in files beyond the visible ones.
    mutates : sequence of str, or callable(params) -> sequence of str
        Inputs that a training forward replaces; auxiliary states always are.
    always : bool
        Whether every forward replaces them, not only a training one.
    loss : bool or callable(params) -> bool
        Whether the gradient ignores the head gradient, so that ``backward()`` needs none.
    count : str
        For variadic operators (``*data``): the attribute that counts the inputs.
    names : callable(attributes, number) -> list of str
        For variadic operators: the names of the inputs, where they are not ``arg0``, ``arg1``, ….
    initial : dict of input name to str, or callable(params) -> str
        The initializer, in its JSON form, of variables that are made for inputs that were not given.
    resolve : callable(params)
        Completes parameters whose default depends on others, after parsing.
    traceable : bool
        False where the result's shape depends on values, so that no program can be recorded.
    """

    #: Whether it runs code of a user's, whose exceptions pass as they are.
    user_code = False

    def __init__(self, function: Callable[..., Any], name: str, aliases: Sequence[str] = (), *,
                 present: Optional[dict[str, Callable[[Params], bool]]] = None,
                 outputs: Union[Sequence[str], Callable[[Params], Sequence[str]]] = ("output",),
                 hidden: Union[int, Callable[[Params], int]] = 0,
                 mutates: Union[Sequence[str], Callable[[Params], Sequence[str]]] = (), always: bool = False,
                 loss: Union[bool, Callable[[Params], bool]] = False, count: Optional[str] = None,
                 names: Callable[[dict[str, Any], int], list[str]] = _numbered,
                 shapes: Optional[ShapeRule] = None,
                 initial: Optional[dict[str, Union[str, Callable[[Params], str]]]] = None,
                 resolve: Optional[Callable[[Params], None]] = None,
                 traceable: bool = True) -> None:
        self.function, self.name, self.aliases = function, name, tuple(aliases)
        self.initial = initial or {}
        self.present, self.count, self.resolve, self.traceable = present or {}, count, resolve, traceable
        self._names = names
        self._outputs, self._hidden, self._loss = outputs, hidden, loss
        self.shape_rule, self.type_rule = shapes, None  # type: Optional[ShapeRule], Optional[TypeRule]
        self.sparse_rule: Optional[SparseRule] = None
        self.backward_rule: Optional[BackwardRule] = None
        self._mutates, self.always = mutates, always

    if TYPE_CHECKING:                                      # read from the signature when first asked for
        inputs: tuple[Input, ...]
        attributes: dict[str, Attribute]
        variadic: bool
        takes_training: bool
        _variadic_index: bool
        _aux: tuple[str, ...]
    else:
        def __getattr__(self, name: str) -> Any:
            if name not in _READ_FROM_SIGNATURE:
                raise AttributeError(name)
            self._read_signature(self.function)
            return self.__dict__[name]

    def _read_signature(self, function: Callable[..., Any]) -> None:
        hints = typing.get_type_hints(function, include_extras=True)
        self.inputs = ()
        self.attributes = {}
        self.variadic = self.takes_training = self._variadic_index = False
        for parameter in inspect.signature(function).parameters.values():
            hint = hints.get(parameter.name, Tensor)
            if hint == Training:
                self.takes_training = True
            elif parameter.kind is parameter.KEYWORD_ONLY:
                self.attributes[parameter.name] = Attribute(parameter.name, parser_for(hint), hint, parameter.default)
            elif parameter.kind is parameter.VAR_POSITIONAL:
                self.variadic, self._variadic_index = True, hint == Index
            else:
                kinds = (hint, *typing.get_args(hint))
                self.inputs += (Input(parameter.name, Aux in kinds, Index in kinds),)
        self._aux = tuple(i.name for i in self.inputs if i.aux)

    # --- the rules, as decorators --------------------------------------------------------------------------------

    def shapes(self, rule: ShapeRule) -> ShapeRule:
        """Decorator: ``rule(p, s)`` unifies the shapes in ``s`` as far as they are known."""
        self.shape_rule = rule
        return rule

    def dtypes(self, rule: TypeRule) -> TypeRule:
        """Decorator: ``rule(p, types)`` fills ``types`` (name to torch dtype or None) where "all the same" is wrong."""
        self.type_rule = rule
        return rule

    def backward(self, rule: BackwardRule) -> BackwardRule:
        """Decorator: ``rule(p, inputs, outputs, out_grads)`` is the gradient where it is not the derivative."""
        self.backward_rule = rule
        return rule

    # --- what depends on the attributes -------------------------------------------------------------------------

    def parse(self, attributes: dict[str, Any], node: str = "") -> Params:
        """The parsed attributes, defaults filled in, as a namespace.

        Raises
        ------
        AttributeValueError
            For an unknown attribute (with a suggestion), a missing one, or a value that its type refuses.
        """
        try:
            return self._parse_cached(tuple((k, v, type(v)) for k, v in attributes.items()), node)
        except TypeError:                                    # unhashable values, such as lists
            return self._parse(attributes, node)

    @functools.lru_cache(maxsize=4096)  # noqa: B019  operators live as long as the process
    def _parse_cached(self, items: tuple[tuple[str, Any, type], ...], node: str) -> Params:
        return self._parse({k: v for k, v, _ in items}, node)

    def _parse(self, attributes: dict[str, Any], node: str) -> Params:
        where = f"{self.name} {node!r}" if node else self.name
        values: dict[str, Any] = {}
        for key, value in attributes.items():
            known = self.attributes.get(key)
            if known is None:
                raise AttributeValueError(f"{where} has no attribute {key!r} (given {key}={value!r})"
                                          f"{base.suggest(key, self.attributes)} (attributes: "
                                          f"{', '.join(self.attributes) or 'none'})")
            try:
                values[key] = known.parse(value)
            except ValueError as error:
                raise AttributeValueError(f"{where}: attribute {key}={value!r}: "
                                          f"{_expectation(error, known.annotation)}") from None
        for key, known in self.attributes.items():
            if key not in values:
                if known.required:
                    raise AttributeValueError(f"{where} needs the attribute {key!r} ({describe(known.annotation)})")
                values[key] = known.default
        params = Params(**values)
        if self.resolve:
            self.resolve(params)
        return params

    def input_names(self, params: Params, given: int = 0) -> list[str]:
        """The names of the inputs present under these attributes; variadic ones are ``arg0``, ``arg1``, …."""
        if self.variadic:
            number = getattr(params, self.count) if self.count else given
            return [i.name for i in self.inputs] + self._names(vars(params), number)
        return [i.name for i in self.inputs if i.name not in self.present or self.present[i.name](params)]

    def output_names(self, params: Params) -> list[str]:
        """The names of the visible outputs under these attributes."""
        return list(self._outputs(params) if callable(self._outputs) else self._outputs)

    def hidden_outputs(self, params: Params) -> int:
        """How many outputs files count beyond the visible ones."""
        return self._hidden(params) if callable(self._hidden) else self._hidden

    def mutated(self, params: Params) -> tuple[str, ...]:
        """The inputs that a forward replaces, in the order in which their new values follow the outputs."""
        given = tuple(self._mutates(params) if callable(self._mutates) else self._mutates)
        return given + tuple(name for name in self._aux if name not in given)

    def ignores_head(self, params: Params) -> bool:
        """Whether the gradient does not depend on the head gradient."""
        return self._loss(params) if callable(self._loss) else bool(self._loss)

    def is_open(self, params: Params) -> bool:
        """Whether the shape of what it creates, or part of it, is left to follow from where that is used."""
        return not self.inputs and "shape" in self.attributes and (not params.shape or 0 in params.shape)

    def with_shape(self, params: Params, shape: tuple[int, ...]) -> Params:
        """The parameters for a shape that was left open and is known now."""
        return Params(**{**vars(params), "shape": shape})

    def is_aux(self, name: str, params: Optional[Params] = None) -> bool:
        """Whether the input `name` is an auxiliary state; a Python operator's `params` tell."""
        return any(i.aux for i in self.inputs if i.name == name)

    def is_index(self, name: str) -> bool:
        """Whether the dtype of the input `name` is its own affair."""
        return any(i.index for i in self.inputs if i.name == name) or (self.variadic and self._variadic_index)

    def sparse(self, rule: SparseRule) -> SparseRule:
        """Decorator: ``rule(p, inputs)`` does the function's work on sparse inputs; ``None`` asks for dense ones."""
        self.sparse_rule = rule
        return rule

    # --- running ---------------------------------------------------------------------------------------------------

    def run(self, inputs: Sequence[Tensor], params: Params, training: bool = False) \
            -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """The visible outputs, and the new values of the inputs that this forward replaces, by name."""
        if any(t.layout is not torch.strided for t in inputs):
            made = self.sparse_rule(params, inputs) if self.sparse_rule else None
            if made is None:
                return self.run([t.to_dense() for t in inputs], params, training)
            results = made if isinstance(made, tuple) else (made,)
        elif self.backward_rule is not None and torch.is_grad_enabled() and any(t.requires_grad for t in inputs):
            results = _CustomGradient.apply(self, params, training, *inputs)
        else:
            results = self._call(inputs, params, training)
        mutated = self.mutated(params)
        if not mutated:
            return results, {}
        number = len(results) - len(mutated)
        if not (training or self.always):
            return results[:number], {}
        old = dict(zip(self.input_names(params, len(inputs)), inputs))
        return results[:number], {name: new for name, new in zip(mutated, results[number:]) if new is not old[name]}

    def _call(self, inputs: Sequence[Tensor], params: Params, training: bool) -> tuple[Tensor, ...]:
        settings = dict(vars(params))
        if self.takes_training:
            settings["training"] = training
        if len(inputs) < len(self.inputs) and not self.variadic:      # optional inputs that are absent
            names = self.input_names(params)
            by_name = dict(zip(names, inputs))
            results = self.function(*(by_name.get(i.name) for i in self.inputs), **settings)
        else:
            results = self.function(*inputs, **settings)
        return tuple(results) if isinstance(results, (tuple, list)) else (results,)

    # --- calling -----------------------------------------------------------------------------------------------------

    @functools.cached_property
    def positional(self) -> tuple[str, ...]:
        """The order of positional arguments: the inputs, then the attributes."""
        return tuple(i.name for i in self.inputs) + tuple(self.attributes)

    @functools.cached_property
    def signature(self) -> inspect.Signature:
        """What ``help(mx.nd.X)`` shows: the inputs, then the attributes with their defaults."""
        kind = inspect.Parameter
        inputs = [kind("data", kind.VAR_POSITIONAL)] if self.variadic else \
            [kind(i.name, kind.POSITIONAL_OR_KEYWORD, default=None) for i in self.inputs]
        return inspect.Signature(inputs + [kind(a.name, kind.KEYWORD_ONLY, default=a.default, annotation=a.annotation)
                                           for a in self.attributes.values()])

    def split_arguments(self, args: Sequence[Any], kwargs: dict[str, Any], is_input: Callable[[Any], bool]) \
            -> tuple[dict[str, Any], dict[str, Any]]:
        """Sort a call's arguments into inputs and attributes, both by name; what is ``None`` counts as not given.

        Raises
        ------
        InputError
            For too many positional arguments, or an input that is given twice.
        """
        inputs: dict[str, Any] = {}
        rest = dict(kwargs)
        if self.variadic:
            fixed = [i.name for i in self.inputs]
            data = list(args)
            if len(data) == 1 and isinstance(data[0], (list, tuple)):
                data = list(data[0])
            if "data" in rest and not data:
                data = list(rest.pop("data"))
            inputs = dict(zip(fixed + self._names(rest, max(0, len(data) - len(fixed))), data))
            if self.count and self.count not in rest:
                rest[self.count] = max(0, len(data) - len(fixed)) or sum(k.startswith("arg") for k in rest)
        else:
            if len(args) > len(self.positional):
                raise InputError(f"{self.name} takes at most {len(self.positional)} positional arguments "
                                 f"({', '.join(self.positional)}), got {len(args)}")
            for name, value in zip(self.positional, args):
                if name in rest:
                    raise InputError(f"{self.name}: {name!r} is given twice, by position and by name")
                rest[name] = value
        names = {i.name for i in self.inputs} - set(inputs)
        for name in list(rest):
            if name in names or (is_input(rest[name]) and name not in self.attributes):
                value = rest.pop(name)
                if value is not None:
                    inputs[name] = value
        return inputs, rest

    def named(self, inputs: dict[str, Any], names: list[str]) -> dict[str, Any]:
        """The inputs of a call by name, as :meth:`split_arguments` left them, once all `names` are known."""
        return inputs

    @property
    def __doc__(self) -> Optional[str]:  # type: ignore[override]
        return with_attributes(self.function.__doc__, self.attributes)

    def __init_subclass__(cls) -> None:
        setattr(cls, "__doc__", Operator.__dict__["__doc__"])  # noqa: B010  a class's own would hide its operators'

    def __repr__(self) -> str:
        return f"<Operator {self.name}({', '.join(self.positional)})>"


def _expectation(error: ValueError, annotation: Any) -> str:
    return str(error) if str(error).startswith(("expected", "dtype")) else f"expected {describe(annotation)}"


class _CustomGradient(torch.autograd.Function):
    """An operator whose gradient is its own rule; the one bridge between those rules and autograd."""

    @staticmethod
    def forward(ctx: Any, op: Operator, params: Params, training: bool, *inputs: Tensor) -> tuple[Tensor, ...]:
        # A view of an input cannot be an output of a custom function.
        results = tuple(r.view_as(r) if any(r is i for i in inputs) else r for r in op._call(inputs, params, training))
        ctx.op, ctx.params, ctx.count = op, params, len(inputs)
        ctx.save_for_backward(*inputs, *results)
        return results

    @staticmethod
    def backward(ctx: Any, *out_grads: Tensor) -> Any:
        saved = ctx.saved_tensors
        gradients = ctx.op.backward_rule(ctx.params, saved[:ctx.count], saved[ctx.count:], out_grads)
        return (None, None, None, *gradients)


# --- the table -------------------------------------------------------------------------------------------------------

_TABLE: dict[str, Operator] = {}


def operator(name: str, *aliases: str, kind: type[Operator] = Operator, **settings: Any) \
        -> Callable[[Callable[..., Any]], Operator]:
    """Decorator that enters a torch function into the table under `name` and `aliases`; see :class:`Operator`."""
    def enter(function: Callable[..., Any]) -> Operator:
        made = kind(function, name, aliases, **settings)
        for key in (name, *aliases):
            if key in _TABLE:
                raise ValueError(f"operator {key!r} is defined twice: {_TABLE[key]} and {made}")
            _TABLE[key] = made
        return made
    return enter


def find(name: str) -> Operator:
    """The operator called `name`, by its canonical name or an alias.

    Raises
    ------
    MXNetError
        For a name that is in no file of ``ganmod/ops``, with the closest one there is.
    """
    try:
        return _TABLE[name]
    except KeyError:
        raise base.MXNetError(f"operator {name!r} is not known{base.suggest(name, _TABLE)}") from None


def lookup(name: str) -> Optional[Operator]:
    """The operator called `name`, if there is one."""
    return _TABLE.get(name)


def table() -> dict[str, Operator]:
    """Every name, aliases included, with its operator."""
    return dict(_TABLE)


def elementwise(_p: Params, s: ShapeTable) -> None:
    """The shape rule of elementwise operators: all inputs and outputs have one shape."""
    s.same(s)
