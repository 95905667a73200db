"""Programs that import mxnet run as they stand."""
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from ganmod import compat

PROGRAM = '''
    import sys
    import mxnet as mx
    import mxnet.ndarray as nd
    import mxnet.symbol
    from mxnet import sym, io
    from mxnet.module import Module
    from mxnet.io import DataBatch, NDArrayIter
    from mxnet.base import MXNetError
    import numpy as np
    import helper

    net = sym.FullyConnected(sym.Variable("data"), num_hidden=2, name="fc")
    module = Module(net, label_names=None)
    module.bind([("data", (4, 3))])
    module.init_params(mx.init.One())
    module.forward(DataBatch([nd.ones((4, 3))]), is_train=False)
    print(module.get_outputs()[0].asnumpy().astype(np.float)[0].tolist(), __name__, sys.argv[1:], helper.VALUE,
          np.fromstring(b"\\x01\\x02", dtype=np.uint8).tolist(), mx.symbol is mxnet.symbol)
'''


@pytest.fixture
def program(tmp_path):
    (tmp_path / "helper.py").write_text("VALUE = 7\n")
    path = tmp_path / "train.py"
    path.write_text(textwrap.dedent(PROGRAM))
    return path


def ganmod_run(*arguments):
    return subprocess.run([sys.executable, "-m", "ganmod", "run", *map(str, arguments)], capture_output=True, text=True)


def test_a_program_as_it_stands(program):
    done = ganmod_run(program, "--epochs", 3)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[3.0, 3.0] __main__ ['--epochs', '3'] 7 [1, 2] True\n"


def test_strict_leaves_numpy_alone(program):
    done = ganmod_run("--strict", program)
    assert done.returncode == 1 and "`np.float`" in done.stderr


def test_a_file_that_is_not_there():
    done = ganmod_run("nothing.py")
    assert done.returncode == 1 and done.stderr == "there is no file nothing.py\n"


@pytest.fixture
def installed():
    compat.install()
    compat.install()
    yield
    compat.uninstall()


@pytest.mark.parametrize("statement, name", [
    ("import mxnet as it", "ganmod"), ("import mxnet.nd as it", "ganmod.ndarray"), ("from mxnet import nd as it",
                                                                                      "ganmod.ndarray"),
    ("import mxnet.module.module as it", "ganmod.module.module"),
    ("import mxnet.initializer as it", "ganmod.initializer")])
def test_modules_are_ganmods_own(installed, statement, name):
    scope = {}
    exec(statement, scope)
    assert scope["it"].__name__ == name and scope["it"].__spec__.name == name


@pytest.mark.parametrize("statement", ["import mxnet.gluon", "from mxnet import gluon", "import mxnet.np"])
def test_what_ganmod_lacks_is_said_in_one_sentence(installed, statement):
    with pytest.raises(ImportError, match="torch"):
        exec(statement, {})


def test_what_ganmod_lacks_as_an_attribute():
    import ganmod
    with pytest.raises(AttributeError, match="torch.nn"):
        ganmod.gluon  # noqa: B018
    assert not hasattr(ganmod, "gluon")


def test_a_module_that_does_not_exist(installed):
    with pytest.raises(ModuleNotFoundError, match="mxnet.nothing has no counterpart"):
        exec("import mxnet.nothing", {})


def test_numpy_is_as_it_was_afterwards():
    before = {name: vars(np).get(name) for name in ("float", "int", "object", "bool", "fromstring")}
    with compat.names.removed_numpy_names():
        assert np.int is int and np.fromstring("1 2", sep=" ").tolist() == [1, 2]
    assert {name: vars(np).get(name) for name in before} == before


def test_another_mxnet_is_not_replaced(monkeypatch):
    import types
    monkeypatch.setitem(sys.modules, "mxnet", types.ModuleType("mxnet"))
    with pytest.raises(ImportError, match="too late"):
        compat.install()
