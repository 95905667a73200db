"""The page on adding an operator: its code runs, and the operator that it defines passes what all operators pass."""
import doctest
import pathlib
import re

import pytest
import torch

import ganmod
from ganmod.ops import registry

PAGE = pathlib.Path(__file__).resolve().parents[1] / "docs" / "adding_an_operator.md"
NAMES = ("channel_swish", "ChannelSwish")


@pytest.fixture
def program(capsys):
    """What the page's blocks define and print, run one after the other; the table is as it was afterwards."""
    text, made = PAGE.read_text(), {}
    for block in re.finditer(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL):
        code = "\n" * text.count("\n", 0, block.start(1)) + block[1]
        exec(compile(code, str(PAGE), "exec"), made)
    yield {**made, "printed": capsys.readouterr().out}
    for name in NAMES:
        del registry._TABLE[name]
        for face in (ganmod.nd, ganmod.sym):
            vars(face).pop(name, None)


def test_the_page_runs(program):
    op, printed = program["channel_swish"], program["printed"]
    assert "'slope' has shape (5,), but must be (1,)" in printed and "did you mean 'beta'?" in printed
    for line in ("Shapes: data (N, C, ...), slope (C,) -> as data.", "beta : float, default 1.0"):
        assert line in ganmod.nd.channel_swish.__doc__ and line in ganmod.sym.ChannelSwish.__doc__
    example = doctest.DocTestParser().get_doctest(op.__doc__, {}, op.name, None, 0)
    assert doctest.DocTestRunner().run(example).failed == 0
    torch.manual_seed(0)
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in ((2, 3, 4), (3,))]
    params = op.parse({"beta": "0.5"})
    assert torch.autograd.gradcheck(lambda *given: op.run(given, params)[0], inputs)
    symbol = ganmod.sym.channel_swish(ganmod.sym.Variable("data"), name="channel_swish0")
    module = ganmod.mod.Module(symbol, label_names=None)
    module.bind([("data", (2, 3))])
    module.init_params(ganmod.init.Normal(0.1))
    assert module.get_params()[0]["channel_swish0_slope"].asnumpy().tolist() == [1, 1, 1]
    module.forward(ganmod.io.DataBatch([ganmod.nd.zeros((2, 3))]), is_train=True)
    assert module.get_outputs()[0].asnumpy().tolist() == [[0] * 3] * 2
