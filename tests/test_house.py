"""The house rules, read off the source: which way imports point, how long things are, what has to be documented.

Each rule is a generator over one parsed file (or all of them) that yields "file:line: what is wrong".
"""
from __future__ import annotations

import ast
import configparser
import pathlib
import subprocess
import sys
from functools import cache
from typing import Iterator, NamedTuple

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = "ganmod"
FILE_LINES, FUNCTION_LINES = 450, 50

# Imports point down: a part may import its own layer and those above it in this list.
LAYERS = [
    "base context name attribute registry files engine libinfo log runtime util",
    "ops lr_scheduler",
    "ndarray random autograd recordio",
    "nd symbol sym initializer operator",
    "executor",
    "optimizer io image metric kvstore model callback monitor visualization profiler rnn tools",
    "module",
    "executor_manager feedforward",
    "contrib gan compat test_utils __main__",
]
LAYER = {part: depth for depth, parts in enumerate(LAYERS) for part in parts.split()}

# Walls besides: the part on the left never imports those on the right.
WALLS = {"ops": {"ndarray", "symbol", "nd", "sym"}, "io": {"symbol", "sym"}, "optimizer": {"symbol", "sym"}}

# What a function may import: optional dependencies, and corners of torch that cost seconds to import.
OPTIONAL = {"cv2", "matplotlib", "sklearn", "tqdm", "h5py", "scipy", "graphviz", "PIL", "fsspec"}
SLOW = ("torch.fx.experimental", "torch._functorch", "torch._subclasses", "torch._dynamo", "torch._inductor",
        "torch.distributed", "torch.onnx")


class Source(NamedTuple):
    """A parsed file: its path in the repository, its dotted module name, its text and its tree."""

    path: str
    module: str
    text: str
    tree: ast.Module

    @property
    def part(self) -> str:
        """Which part of the package it belongs to: 'ops' for ganmod/ops/conv.py, '' for ganmod/__init__.py."""
        return self.module.partition(".")[2].partition(".")[0]

    def at(self, node: ast.AST, what: str) -> str:
        return f"{self.path}:{node.lineno}: {what}"


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    """Every Python file under the folders; none where a folder does not exist."""
    paths = [path for folder in folders for path in sorted((REPOSITORY / folder).rglob("*.py"))]
    return tuple(read(path) for path in paths)


def read(path: pathlib.Path) -> Source:
    name = path.relative_to(REPOSITORY)
    parts = name.with_suffix("").parts
    text = path.read_text()
    return Source(str(name), ".".join(parts[:-1] if parts[-1] == "__init__" else parts), text, ast.parse(text))


def parsed(text: str, path: str = f"{PACKAGE}/module/sample.py") -> Source:
    """A file that is not on disk, for the tests of the rules themselves."""
    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return Source(path, module, text, ast.parse(text))


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, FUNCTIONS))


# --------------------------------------------------------------------------------------------------- imports

def imported(source: Source, node: ast.AST) -> list[str]:
    """The full dotted names that an import statement may bring in, relative ones resolved."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        package = source.module.split(".")
        package = package if source.path.endswith("__init__.py") else package[:-1]
        base = ".".join(package[:len(package) - node.level + 1] + base.split(".") * bool(base))
    return [f"{base}.{alias.name}" for alias in node.names]


def imports(tree: ast.AST) -> Iterator[ast.AST]:
    """The import statements of a file that are carried out: not those for the type checker alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            yield from (found for other in node.orelse for found in imports(other))
        else:
            yield from imports(node)


def upward_imports(source: Source) -> Iterator[str]:
    """Imports that point up the layers, or through a wall."""
    here = source.part
    if here == "":                                  # the package's face sees everything
        return
    if here not in LAYER:
        yield f"{source.path}:1: {here} has no place in LAYERS (tests/test_house.py): say where it belongs"
        return
    for node in imports(source.tree):
        for name in imported(source, node):
            top, _, rest = name.partition(".")
            part = rest.partition(".")[0]
            if top != PACKAGE or part == here:
                continue
            if part not in LAYER:
                yield source.at(node, f"{here} imports {name}: name a part of {PACKAGE}, not its face")
            elif LAYER[part] > LAYER[here]:
                yield source.at(node, f"{here} imports {part}, which is above it")
            elif part in WALLS.get(here, ()):
                yield source.at(node, f"{here} must never import {part}")


def hidden_imports(source: Source) -> Iterator[str]:
    """Imports inside functions, but for optional dependencies and slow corners of torch."""
    for node in {inner for function in functions(source.tree) for inner in imports(function)}:
        for name in imported(source, node):
            if name.partition(".")[0] not in OPTIONAL and not name.startswith(SLOW):
                yield source.at(node, f"{name} is imported inside a function; import it at the top")


# ----------------------------------------------------------------------------------------------------- habits

MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)


def mutable_defaults(source: Source) -> Iterator[str]:
    """Default arguments that all calls would share."""
    for function in [node for node in ast.walk(source.tree) if isinstance(node, (*FUNCTIONS, ast.Lambda))]:
        for default in filter(None, [*function.args.defaults, *function.args.kw_defaults]):
            call = isinstance(default, ast.Call) and ast.unparse(default.func) in ("list", "dict", "set", "bytearray")
            if call or isinstance(default, MUTABLE):
                yield source.at(default, f"mutable default {ast.unparse(default)}; use None or a tuple")


def swallowed_exceptions(source: Source) -> Iterator[str]:
    """Handlers that catch everything, or everything silently."""
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        silent = all(isinstance(statement, (ast.Pass, ast.Continue)) for statement in node.body)
        if node.type is None:
            yield source.at(node, "bare except; name what is expected")
        elif silent and ast.unparse(node.type) in ("Exception", "BaseException"):
            yield source.at(node, f"{ast.unparse(node.type)} is swallowed; name what is expected")


def executed_text(source: Source) -> Iterator[str]:
    """exec and eval, anywhere but where legacy scripts are run."""
    for node in ast.walk(source.tree):
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id
        if called in ("exec", "eval") and source.part != "compat":
            yield source.at(node, f"{called} of a text; make a closure")


# -------------------------------------------------------------------------------------------------- documentation

def is_public(node: ast.AST) -> bool:
    return not node.name.startswith("_")


def is_variant(function: ast.FunctionDef) -> bool:
    """Whether it adds to another function of its name: a setter, a deleter, an overload."""
    names = [ast.unparse(decorator) for decorator in function.decorator_list]
    return any(name.endswith((".setter", ".deleter", "overload")) for name in names)


def public_functions(source: Source) -> Iterator[tuple[ast.ClassDef | None, ast.FunctionDef]]:
    """Public functions of a file, and public methods of its public classes with their class."""
    for node in source.tree.body:
        if isinstance(node, FUNCTIONS) and is_public(node) and not is_variant(node):
            yield None, node
        elif isinstance(node, ast.ClassDef) and is_public(node):
            for method in node.body:
                if isinstance(method, FUNCTIONS) and is_public(method) and not is_variant(method):
                    yield node, method


def base_names(node: ast.ClassDef) -> set[str]:
    return {ast.unparse(base).rpartition(".")[2] for base in node.bases} - {"object"}


def inherits_documentation(method: str, node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> bool:
    """Whether a base class documents the method, as far as the source tells; bases from elsewhere are trusted."""
    for base in base_names(node):
        known = classes.get(base)
        if known is None or known is node:
            return True
        own = [item for item in known.body if isinstance(item, FUNCTIONS) and item.name == method]
        if any(map(ast.get_docstring, own)) or inherits_documentation(method, known, classes):
            return True
    return False


def undocumented(source: Source) -> Iterator[str]:
    """Modules, public classes and public functions without a docstring."""
    if source.text.strip() and not ast.get_docstring(source.tree):
        yield f"{source.path}:1: the module has no docstring"
    for node in source.tree.body:
        if isinstance(node, ast.ClassDef) and is_public(node) and not ast.get_docstring(node):
            yield source.at(node, f"class {node.name} has no docstring")
    classes = {node.name: node for other in (*sources(PACKAGE), source) for node in other.tree.body
               if isinstance(node, ast.ClassDef)}
    for owner, function in public_functions(source):
        if not ast.get_docstring(function) and not (owner and inherits_documentation(function.name, owner, classes)):
            yield source.at(function, f"{owner.name + '.' if owner else ''}{function.name} has no docstring")


def unannotated(source: Source) -> Iterator[str]:
    """Public functions with a parameter or a result of no stated type; operators' tensors go without saying."""
    if source.part == "ops":
        return
    for owner, function in public_functions(source):
        arguments = function.args
        named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        static = any(ast.unparse(decorator) == "staticmethod" for decorator in function.decorator_list)
        missing = [argument.arg for argument in named[1 if owner and not static else 0:] if not argument.annotation]
        if missing or function.returns is None:
            what = ", ".join(missing + ["the result"] * (function.returns is None))
            yield source.at(function, f"{owner.name + '.' if owner else ''}{function.name}: no type for {what}")


# -------------------------------------------------------------------------------------------------------- size

def long_files(source: Source) -> Iterator[str]:
    """Files that should be two."""
    lines = source.text.count("\n")
    if lines > FILE_LINES:
        yield f"{source.path}:{lines}: {lines} lines, {FILE_LINES} at most; split it"


def long_functions(source: Source) -> Iterator[str]:
    """Functions that do not fit on a screen, not counting their docstrings."""
    for function in functions(source.tree):
        body = function.body[1:] if ast.get_docstring(function) else function.body
        lines = function.end_lineno - body[0].lineno + 1 if body else 0
        if lines > FUNCTION_LINES:
            yield source.at(function, f"{function.name} has {lines} lines, {FUNCTION_LINES} at most")


# ------------------------------------------------------------------------------------------------------- tests

PROGRAMS = (PACKAGE, "examples", "benchmarks")
RULES = [
    (upward_imports, (PACKAGE,)), (hidden_imports, (PACKAGE, "benchmarks")), (mutable_defaults, (*PROGRAMS, "tests")),
    (swallowed_exceptions, (*PROGRAMS, "tests")), (executed_text, PROGRAMS), (undocumented, PROGRAMS),
    (unannotated, (PACKAGE,)), (long_files, (*PROGRAMS, "tests")), (long_functions, PROGRAMS),
]


@pytest.mark.parametrize("rule, folders", RULES, ids=[rule.__name__ for rule, _ in RULES])
def test_rule(rule, folders):
    """The whole repository keeps the rule."""
    broken = [line for source in sources(*folders) for line in rule(source)]
    assert not broken, f"{rule.__doc__}\n" + "\n".join(broken)


@pytest.mark.parametrize("rule, text, path", [
    (upward_imports, "from ..module import Module", "ganmod/io/x.py"),
    (upward_imports, "from .. import symbol as sym", "ganmod/optimizer/x.py"),
    (upward_imports, "import ganmod.ndarray", "ganmod/ops/x.py"),
    (upward_imports, "from .. import nothing", "ganmod/module/x.py"),
    (upward_imports, "import ganmod", "ganmod/module/x.py"),
    (upward_imports, "from ..symbol import Symbol", "ganmod/ops/__init__.py"),
    (upward_imports, "", "ganmod/novelty.py"),
    (hidden_imports, "def f():\n    from os import path", "ganmod/io/x.py"),
    (mutable_defaults, "def f(a, *, b=[]): pass", "ganmod/io/x.py"),
    (mutable_defaults, "f = lambda a=dict(): a", "ganmod/io/x.py"),
    (swallowed_exceptions, "try: f()\nexcept: raise", "ganmod/io/x.py"),
    (swallowed_exceptions, "try: f()\nexcept Exception: pass", "ganmod/io/x.py"),
    (executed_text, "exec('1')", "ganmod/symbol/x.py"),
    (executed_text, "eval('1')", "ganmod/executor/x.py"),
    (undocumented, '"""M."""\nclass A: pass', "ganmod/io/x.py"),
    (undocumented, '"""M."""\nclass A:\n    """A."""\n    def f(self): pass', "ganmod/io/x.py"),
    (undocumented, '"""M."""\nclass A:\n    "A."\nclass B(A):\n    "B."\n    def f(self): pass', "ganmod/io/x.py"),
    (undocumented, "a = 1", "ganmod/io/x.py"),
    (unannotated, "def f(a): pass", "ganmod/io/x.py"),
    (unannotated, "class A:\n    def f(self, a: int): pass", "ganmod/io/x.py"),
    (long_files, "\n" * 451, "ganmod/io/x.py"),
    (long_functions, "def f():\n" + "    g()\n" * 51, "ganmod/io/x.py"),
])
def test_a_broken_rule_is_found(rule, text, path):
    found = list(rule(parsed(text, path)))
    assert len(found) == 1 and found[0].startswith(path + ":"), found


@pytest.mark.parametrize("rule, text, path", [
    (upward_imports, "from . import b\nfrom ..base import x\nfrom .. import symbol", "ganmod/module/a.py"),
    (upward_imports, "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..gan import x", "ganmod/io/a.py"),
    (upward_imports, "from . import module", "ganmod/__init__.py"),
    (hidden_imports, "def f():\n    import cv2\n    from torch.fx.experimental.proxy_tensor import make_fx",
     "ganmod/io/x.py"),
    (swallowed_exceptions, "try: f()\nexcept KeyError: pass", "ganmod/io/x.py"),
    (executed_text, "symbol.eval()", "ganmod/io/x.py"),
    (undocumented, '"""M."""\nclass A:\n    """A."""\n    def f(self): "F."\nclass B(A):\n    """B."""\n'
                   "    def f(self): pass\n    def _g(self): pass", "ganmod/io/x.py"),
    (undocumented, "", "ganmod/io/__init__.py"),
    (unannotated, "def f(a: int, *b) -> None: pass\ndef _g(a): pass", "ganmod/io/x.py"),
    (long_functions, 'def f():\n    """' + "line\n" * 60 + '"""\n' + "    g()\n" * 50, "ganmod/io/x.py"),
])
def test_a_kept_rule_is_not_reported(rule, text, path):
    assert not list(rule(parsed(text, path)))


def test_type_checkers_are_told():
    settings = configparser.ConfigParser()
    settings.read(REPOSITORY / "setup.cfg")
    assert "py.typed" in settings["options.package_data"][PACKAGE].split()
    assert (REPOSITORY / PACKAGE / "py.typed").is_file()


def test_importing_is_light():
    """After ``import numpy, torch``, ``import ganmod`` brings in nothing but itself and Python's own library.

    How long it takes is measured by benchmarks/run.py.
    """
    program = ("import sys, numpy, torch; before = set(sys.modules); import ganmod; "
               "print(*{name for name in set(sys.modules) - before "
               "if name.partition('.')[0] not in {'ganmod', *sys.stdlib_module_names}})")
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
