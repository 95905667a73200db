"""The far end of the parity kit: runs cases under the real MXNet and sends back what they return.

It is started by `oracle.py` as ``python oracle_server.py`` with MXNet's own Python, which may be as old as 3.8 and
has another NumPy. So nothing here imports from the package, and arrays travel as bytes, not as pickled objects.

The stream is a sequence of frames, each an 8-byte big-endian length and a pickle of plain Python data: requests on
standard input, answers on what was standard output. Whatever MXNet prints goes to standard error.
"""
from __future__ import annotations

import ast
import builtins
import faulthandler
import importlib
import os
import pathlib
import pickle
import random
import struct
import sys
import traceback

import numpy as np

PLAIN = (type(None), bool, int, float, complex, str, bytes)


# ---------------------------------------------------------------------------------------------------- the stream

def write_frame(stream, message):
    """Sends `message`, plain Python data, as one frame."""
    payload = pickle.dumps(message, protocol=4)
    stream.write(struct.pack(">Q", len(payload)) + payload)
    stream.flush()


def read_frame(stream):
    """Returns the next frame's message; raises EOFError where the other side is gone."""
    header = stream.read(8)
    if len(header) < 8:
        raise EOFError("the other side closed the stream")
    length, = struct.unpack(">Q", header)
    payload = stream.read(length)
    if len(payload) < length:
        raise EOFError("the other side closed the stream within a message")
    return pickle.loads(payload)


# ---------------------------------------------------------------------------------------------------- the values

def encode(value, where="result"):
    """Turns `value` into tagged tuples of plain data, which any Python and any NumPy can read.

    NDArrays and tensors become NumPy arrays. Dicts, lists and tuples may be nested; `where` names the place in
    them for the error message. Raises TypeError for anything else.
    """
    if type(value) in PLAIN:
        return ("plain", value)
    if isinstance(value, dict):
        return ("dict", [(key, encode(item, f"{where}[{key!r}]")) for key, item in value.items()])
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return (kind, [encode(item, f"{where}[{i}]") for i, item in enumerate(value)])
    if isinstance(value, type):
        return _encode_type(value, where)
    if isinstance(value, np.dtype):
        return ("dtype", value.str)
    if isinstance(value, (np.ndarray, np.generic)) or hasattr(value, "asnumpy") or hasattr(value, "detach"):
        return _encode_array(value, where)
    if isinstance(value, (pathlib.PurePath, str)):
        return ("plain", str(value))
    raise TypeError(f"{where} is a {type(value).__module__}.{type(value).__qualname__}, which cannot be compared: "
                    "return arrays, numbers, strings, None, or dicts and lists of them (for a Symbol its tojson(), "
                    "for a Context its str())")


def _encode_type(value, where):
    """float32 and its like go by NumPy's name, Python's own types by theirs."""
    if issubclass(value, np.generic):
        return ("scalar type", np.dtype(value).str)
    if getattr(builtins, value.__name__, None) is value:
        return ("builtin", value.__name__)
    raise TypeError(f"{where} is the class {value.__qualname__}, which cannot be sent")


def _encode_array(value, where):
    """An array, or one number of a NumPy type, as its dtype, its shape and its bytes in C order."""
    kind = "scalar" if isinstance(value, np.generic) else "array"
    if hasattr(value, "asnumpy"):
        value = value.asnumpy()
    elif hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    value = np.asarray(value)
    if value.dtype.hasobject:
        raise TypeError(f"{where} is an array of Python objects, which cannot be sent")
    return (kind, value.dtype.str, value.shape, value.tobytes())


def decode(message):
    """The inverse of `encode`; arrays are fresh and writable."""
    kind, payload = message[0], message[1]
    if kind == "plain":
        return payload
    if kind == "dict":
        return {key: decode(item) for key, item in payload}
    if kind in ("list", "tuple"):
        return (list if kind == "list" else tuple)(decode(item) for item in payload)
    if kind == "builtin":
        return getattr(builtins, payload)
    if kind in ("dtype", "scalar type"):
        return np.dtype(payload) if kind == "dtype" else np.dtype(payload).type
    array = np.frombuffer(message[3], dtype=payload).reshape(message[2]).copy()
    return array if kind == "array" else array[()]


# ------------------------------------------------------------------------------------------------------- running

def seeded(mx, seed):
    """Seeds Python, NumPy and, where it has a generator, the library `mx`."""
    random.seed(seed)
    np.random.seed(seed)
    if hasattr(getattr(mx, "random", None), "seed"):
        mx.random.seed(seed)


def fresh_names(mx):
    """A scope in which automatic names count from 0, however many symbols were made before; None without one."""
    manager = getattr(getattr(mx, "name", None), "NameManager", None)
    return manager() if manager else None


def execute(program, mx, inputs):
    """Runs `program` under the library `mx` and returns what it leaves.

    `program` is a dict: `units`, a list of (file, line, source) to execute in turn; `call`, the name of the
    function to call with the inputs, or None for a text, whose variable ``result`` counts; `modules` and
    `constants`, what its global names stand for.
    """
    namespace = {"__name__": "parity_case", "mx": mx, "np": np}
    for name, module in program["modules"].items():
        try:
            namespace[name] = mx if module == "" else importlib.import_module(module.replace("*", mx.__name__, 1))
        except ImportError:
            pass                                 # a NameError follows if it is really used, and says which
    namespace.update((name, decode(value)) for name, value in program["constants"].items())
    if program["call"] is None:
        namespace.update(inputs)
    for filename, line, source in program["units"]:
        tree = ast.increment_lineno(ast.parse(source), line - 1)     # so that tracebacks show the real lines
        exec(compile(tree, filename, "exec"), namespace)
    return namespace.get("result") if program["call"] is None else namespace[program["call"]](mx, np, **inputs)


def run_in_scope(function, mx, seed):
    """Returns ``encode(function())``, run with generators seeded and automatic names counting from 0."""
    seeded(mx, seed)
    scope = fresh_names(mx)
    if scope is None:
        return encode(function())
    with scope:
        return encode(function())


def answer(request, mx):
    """The reply to one request: its encoded result, or the exception that it raised."""
    try:
        inputs = decode(request["inputs"])
        value = run_in_scope(lambda: execute(request["program"], mx, inputs), mx, request["seed"])
        mx.nd.waitall()                          # what fails late fails here, not in the next case
        return {"ok": True, "value": value}
    except BaseException as error:               # also SystemExit: the case's, not the server's
        return {"ok": False, "type": type(error).__name__, "message": str(error),
                "traceback": traceback.format_exc()}


def serve():
    """Answers requests until the other side closes the stream."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)                                # MXNet's C++ prints to descriptor 1
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    mx = importlib.import_module("mxnet")        # late: its import prints, and takes seconds
    faulthandler.enable()                        # after MXNet's own handlers: a crash shows the Python lines too
    write_frame(answers, {"mxnet": mx.__version__, "numpy": np.__version__, "python": sys.version.split()[0]})
    while True:
        try:
            request = read_frame(requests)
        except EOFError:
            return
        write_frame(answers, answer(request, mx))
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
