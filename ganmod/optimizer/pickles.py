"""Reads the data of a pickle without Python's ``pickle``: nothing is imported, called or executed.

A pickle is a program for a small stack machine. This one knows the instructions that build numbers, strings, lists,
tuples and dicts. Where the program names a class or function, the machine looks in a table of stand-ins; what is not
in the table is refused. The stand-ins are those for the files that MXNet's ``Updater.get_states`` wrote.
"""
from __future__ import annotations

import pickletools
import re
from typing import Any, Callable, Optional

import numpy as np

from ..base import FileFormatError

__all__ = ["Instance", "NumpyArray", "SavedArray", "read"]

_MARK = object()
_DTYPE = re.compile(r"[biuf][1248]|b1")


class Instance:
    """An object of one of MXNet's classes: its name, and its attributes once they are read."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name
        self.attributes: dict[str, Any] = {}

    def set_state(self, state: Any) -> None:
        """Take the attributes, a dict by name."""
        if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
            raise ValueError(f"the attributes of {self.name} are no dict")
        self.attributes.update(state)


class SavedArray(Instance):
    """An NDArray: ``content`` has the layout of an array in a ``.params`` file, or is None."""

    @property
    def content(self) -> Optional[bytes]:
        """The bytes."""
        handle = self.attributes.get("handle")
        if handle is not None and not isinstance(handle, bytes):
            raise ValueError("the handle of an NDArray is not bytes")
        return handle


class _NumpyType(Instance):
    """A numpy dtype; `set_state` gives the byte order."""

    def __init__(self, code: str) -> None:
        super().__init__("numpy", "dtype")
        if not isinstance(code, str) or not _DTYPE.fullmatch(code):
            raise ValueError(f"the numpy dtype {code!r} is no number")
        self.dtype = np.dtype(code)

    def set_state(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("<", ">", "|", "="):
            raise ValueError("a numpy dtype is damaged")
        self.dtype = self.dtype.newbyteorder(state[1])


class NumpyArray(Instance):
    """A numpy array; `set_state` gives version, shape, dtype, order and values."""

    def __init__(self) -> None:
        super().__init__("numpy", "ndarray")
        self.array: Optional[np.ndarray] = None

    def set_state(self, state: Any) -> None:
        _, shape, kind, fortran, content = state
        if not isinstance(kind, _NumpyType) or not isinstance(content, bytes):
            raise ValueError("a numpy array is damaged")
        self.array = np.frombuffer(content, kind.dtype).reshape(shape, order="F" if fortran else "C")


# --- what a pickle may name --------------------------------------------------------------------------------------

class _Class:
    """A name in the pickle that stands for a class: what makes an instance of it."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self.make = make


def _bytes(content: Any = b"", encoding: str = "latin-1") -> bytes:
    """What ``bytearray`` and ``_codecs.encode`` are called for: a text that stands for bytes."""
    if isinstance(content, str) and encoding in ("latin-1", "latin1"):
        return content.encode("latin-1")
    if not isinstance(content, bytes):
        raise ValueError(f"bytearray of a {type(content).__name__}")
    return content


def _scalar(kind: Any, content: Any) -> Any:
    if isinstance(content, str):
        content = content.encode("latin-1")
    if not isinstance(kind, _NumpyType) or not isinstance(content, bytes) or len(content) != kind.dtype.itemsize:
        raise ValueError("a numpy number is damaged")
    return np.frombuffer(content, kind.dtype)[0].item()


def _rebuilt(made: Any, base: Any = None, state: Any = None) -> Any:
    """``copyreg._reconstructor``, by which old protocols begin an object."""
    if not isinstance(made, _Class):
        raise ValueError("an object has no class")
    return made.make()


_ARRAYS = {"NDArray", "RowSparseNDArray", "CSRNDArray", "ndarray", "_Symbol"}
_BUILTINS = ("builtins", "__builtin__")
_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")


def _named(module: str, name: str) -> Any:
    """The stand-in for a name in the pickle.

    Raises
    ------
    FileFormatError
        If there is none.
    """
    if module.startswith("mxnet.") and name.isidentifier():
        if module.startswith(("mxnet.ndarray", "mxnet.numpy")) and name in _ARRAYS:
            return _Class(lambda handle=None: SavedArray(module, name))
        if module.startswith("mxnet.optimizer") or module == "mxnet.lr_scheduler":
            return _Class(lambda: Instance(module, name))
    known: dict[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): lambda items=(): _dict([part for pair in items for part in pair]),
        ("_codecs", "encode"): _bytes, ("numpy", "ndarray"): None,
        ("numpy", "dtype"): _Class(lambda code, *flags: _NumpyType(code)),
        **{(m, "scalar"): _scalar for m in _MULTIARRAY},
        **{(m, "_reconstruct"): lambda kind, shape, code: NumpyArray() for m in _MULTIARRAY},
        **{(m, "_reconstructor"): _rebuilt for m in ("copyreg", "copy_reg")},
        **{(m, "bytearray"): _bytes for m in _BUILTINS}, **{(m, "object"): None for m in _BUILTINS}}
    if (module, name) not in known:
        raise FileFormatError(f"optimizer states: the pickle asks for {module}.{name}, which is none of the classes of "
                              "MXNet's optimizers, schedulers and arrays; it was refused, and nothing was executed")
    return known[module, name]


# --- the machine ---------------------------------------------------------------------------------------------------

def read(content: bytes) -> Any:
    """What a pickle of MXNet's holds: plain values, :class:`Instance` and :class:`SavedArray`.

    Raises
    ------
    FileFormatError
        If the pickle names anything but MXNet's classes, or is damaged.

    >>> import pickle
    >>> read(pickle.dumps({"a": (1, None, [2.5])}))
    {'a': (1, None, [2.5])}
    """
    machine = _Machine(content)
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name == "STOP":
                return machine.result()
            machine.step(opcode.name, argument)
        raise ValueError("it has no end")
    except FileFormatError:
        raise
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, RecursionError,
            UnicodeError) as error:
        raise FileFormatError(f"optimizer states: the pickle is damaged ({error})") from error


class _Machine:
    """The stack, the marks and the memo."""

    def __init__(self, content: bytes) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.left = 2 * len(content)                       # bytes that calls may still make of texts

    def result(self) -> Any:
        if len(self.stack) != 1:
            raise ValueError(f"{len(self.stack)} values are left at its end")
        return self.stack[0]

    def step(self, name: str, argument: Any) -> None:
        """Carry out an instruction."""
        if name in _PUSHES:
            self.push(argument)
        elif name in _CONSTANTS:
            self.push(_CONSTANTS[name]())
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            raise FileFormatError(f"optimizer states: the pickle uses {name}, which MXNet's never do; it was refused, "
                                  "and nothing was executed")

    def push(self, value: Any) -> None:
        self.stack.append(bytes(value) if isinstance(value, bytearray) else value)

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise ValueError("a value is missing")
        return value

    def pop_to_mark(self) -> list[Any]:
        for k in range(len(self.stack) - 1, -1, -1):
            if self.stack[k] is _MARK:
                values = self.stack[k + 1:]
                del self.stack[k:]
                return values
        raise ValueError("a mark is missing")

    def push_tuple(self, values: list[Any]) -> None:
        self.push(tuple(values))

    def extend(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise ValueError("a list is missing")
        target.extend(values)

    def update(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise ValueError("a dict is missing")
        target.update(_dict(values))

    def remember(self, place: Optional[int]) -> None:
        self.memo[len(self.memo) if place is None else place] = self.stack[-1]

    def name(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("a name is no text")
        self.push(_named(module, name))

    def call(self, function: Any, arguments: Any) -> None:
        """The stand-in for a call: what the table has for it, on plain values."""
        make = function.make if isinstance(function, _Class) else function
        if not callable(make) or isinstance(make, Instance) or not isinstance(arguments, tuple):
            raise ValueError("a call of what cannot be called")
        made = make(*arguments)
        self.left -= len(made) if isinstance(made, bytes) else 0
        if self.left < 0:
            raise ValueError("it unfolds to far more than its size")
        self.push(made)

    def build(self, state: Any) -> None:
        target = self.stack[-1]
        if not isinstance(target, Instance):
            raise ValueError(f"attributes for a {type(target).__name__}")
        target.set_state(state)


def _dict(values: Any) -> dict[Any, Any]:
    keys = [key.decode() if isinstance(key, bytes) else key for key in values[::2]]
    if len(values) % 2 or not all(isinstance(key, (int, str, float, type(None))) for key in keys):
        raise ValueError("a key of a dict is missing, or is neither text nor number")
    return dict(zip(keys, values[1::2]))


_PUSHES = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
           "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE", "BINUNICODE",
           "SHORT_BINUNICODE", "BINUNICODE8"}
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "MARK": lambda: _MARK,
    "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_DICT": dict}


def _call(machine: _Machine, argument: Any) -> None:
    arguments = machine.pop()
    machine.call(machine.pop(), arguments)


def _stack_name(machine: _Machine, argument: Any) -> None:
    name = machine.pop()
    machine.name(machine.pop(), name)


def _tuple_of(count: int) -> Callable[[_Machine, Any], None]:
    return lambda machine, argument: machine.push_tuple([machine.pop() for _ in range(count)][::-1])


_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "TUPLE": lambda m, a: m.push_tuple(m.pop_to_mark()),
    "TUPLE1": _tuple_of(1), "TUPLE2": _tuple_of(2), "TUPLE3": _tuple_of(3),
    "LIST": lambda m, a: m.push(m.pop_to_mark()), "DICT": lambda m, a: m.push(_dict(m.pop_to_mark())),
    "APPEND": lambda m, a: m.extend([m.pop()]), "APPENDS": lambda m, a: m.extend(m.pop_to_mark()),
    "SETITEM": lambda m, a: m.update([m.pop(), m.pop()][::-1]), "SETITEMS": lambda m, a: m.update(m.pop_to_mark()),
    "PUT": lambda m, a: m.remember(a), "BINPUT": lambda m, a: m.remember(a),
    "LONG_BINPUT": lambda m, a: m.remember(a), "MEMOIZE": lambda m, a: m.remember(None),
    "GET": lambda m, a: m.push(m.memo[a]), "BINGET": lambda m, a: m.push(m.memo[a]),
    "LONG_BINGET": lambda m, a: m.push(m.memo[a]),
    "GLOBAL": lambda m, a: m.name(*a.split(" ", 1)), "STACK_GLOBAL": _stack_name,
    "REDUCE": _call, "NEWOBJ": _call, "BUILD": lambda m, a: m.build(m.pop()), "POP": lambda m, a: m.pop() and None,
}
