"""The recorder: what it notes of a function, what it refuses, and what it leaves as it was."""
import subprocess
import sys

import numpy as np
import pytest
import torch

import ganmod as mx
from ganmod.base import Untraceable
from ganmod.executor.interpreter import Interpreter
from ganmod.executor.recorder import recorded

OFFSET = torch.tensor([1., 2., 3.])


def gradient(x, w):
    """A product and its gradient with respect to `w`."""
    own = w.detach().requires_grad_()
    with torch.enable_grad():
        y = torch.tanh(torch.nn.functional.linear(x, own))
        return [y.detach(), torch.autograd.grad(y.sum(), own)[0]]


def halves(x):
    return [[part * k] for k, part in enumerate(x.chunk(2))]


FUNCTIONS = {
    "a gradient": (gradient, (2, 3), (4, 3)),
    "several results": (halves, (4, 3)),
    "a constant from outside": (lambda x: x * OFFSET, (2, 3)),
    "a constant from inside": (lambda x: x * torch.tensor([3., 2., 1.]), (2, 3)),
    "operators made of others": (lambda x, y: torch.matmul(x, y).flatten(1).softmax(1), (2, 3, 4), (2, 4, 3)),
    "views and what is written to them": (lambda x: x.clone().view(-1).mul_(2).view(3, 2), (2, 3)),
}


@torch.no_grad()
@pytest.mark.parametrize("case", FUNCTIONS)
def test_a_program_gives_what_the_function_gives(case):
    function, *shapes = FUNCTIONS[case]
    generator = torch.Generator().manual_seed(3)
    first, second = ([torch.randn(s, generator=generator) for s in shapes] for _ in range(2))
    program = Interpreter(recorded(function, first))
    torch.testing.assert_close(program(*second), function(*second), rtol=0, atol=0)


def test_one_tensor_given_twice_is_two_inputs():
    x = torch.ones(2)
    assert Interpreter(recorded(torch.sub, [x, x]))(torch.tensor([5., 6.]), x).tolist() == [4, 5]


def test_values_without_memory_tell_shapes_strides_and_devices():
    graph = recorded(lambda x: x.t() + 1, [torch.zeros(2, 3)])
    found = next(n for n in graph.nodes if "add" in str(n.target))
    value = found.meta["val"]
    assert (value.shape, value.stride(), value.dtype, value.is_meta) == ((3, 2), (1, 3), torch.float32, True)
    assert found.meta["device"] == torch.device("cpu")


@pytest.mark.parametrize("function", [
    lambda x: x * x.sum().item(), lambda x: x if (x > 0).all() else -x, torch.nonzero, lambda x: x[x > 0],
    lambda x: x * torch.equal(x, x)], ids=["item", "truth", "nonzero", "mask", "equal"])
def test_what_depends_on_values_is_refused(function):
    with pytest.raises(Untraceable):
        recorded(function, [torch.ones(3)])


def test_recording_draws_no_random_numbers():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    program = Interpreter(recorded(lambda x: x + torch.rand(3), [torch.zeros(3)]))
    assert torch.equal(program(torch.zeros(3)), expected)


def test_recording_runs_no_code_of_a_users():
    calls = []

    @mx.operator.register("counts_its_calls")
    class CountsProp(mx.operator.CustomOpProp):
        def create_operator(self, ctx, shapes, dtypes):
            return Counts()

    class Counts(mx.operator.CustomOp):
        def forward(self, is_train, req, in_data, out_data, aux):
            calls.append("forward")
            self.assign(out_data[0], req[0], in_data[0] * 2)

        def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
            calls.append("backward")
            self.assign(in_grad[0], req[0], out_grad[0] * 2)

    executor = mx.sym.Custom(mx.sym.Variable("x"), op_type="counts_its_calls").simple_bind(mx.cpu(), x=(2,))
    executor.forward(is_train=True, x=mx.nd.ones(2))
    executor.backward(mx.nd.ones(2))
    assert calls == ["forward", "backward"]
    np.testing.assert_array_equal(executor.grad_dict["x"].asnumpy(), [2, 2])


def test_neither_a_forward_nor_a_backward_imports_the_compiler():
    """It would take a second, and 80 MiB."""
    program = ("import sys, ganmod as mx; x = mx.sym.FullyConnected(mx.sym.Variable('x'), num_hidden=3, name='fc'); "
               "e = mx.sym.Dropout(x).simple_bind(mx.cpu(), x=(2, 4)); e.forward(is_train=True); "
               "e.backward(mx.nd.ones((2, 3))); print([n for n in ('torch._dynamo', 'sympy') if n in sys.modules])")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
