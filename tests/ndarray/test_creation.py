"""Making arrays: what goes beyond MXNet, and errors."""
import numpy as np
import pytest
import torch

import ganmod as mx
from ganmod.base import AttributeValueError, InputError, ShapeError

nd = mx.nd


def test_contexts(ctx):
    for array in (nd.zeros((2,), ctx), nd.ones((2,), ctx), nd.full((2,), 3, ctx), nd.empty((2,), ctx),
                  nd.arange(2, ctx=ctx), nd.linspace(0, 1, 2, ctx=ctx), nd.eye(2, ctx=ctx), nd.array([1, 2], ctx)):
        assert array.context == ctx and array.as_torch().device == ctx.device
    with ctx:
        assert nd.array([1]).context == nd.zeros(1).context == nd.arange(1).context == ctx


def test_array_takes_tensors_and_lists_of_arrays():
    assert nd.array(torch.ones(2, dtype=torch.int64)).dtype is np.float32
    assert nd.array([nd.ones((2,)), nd.zeros((2,))]).asnumpy().tolist() == [[1, 1], [0, 0]]
    assert nd.array(3).shape == (1,)
    source = np.arange(4, dtype=">f4")
    assert nd.array(source).asnumpy().tolist() == [0, 1, 2, 3]


def test_array_copies():
    source = np.zeros(2, "float32")
    nd.array(source)[:] = 1
    assert not source.any()


def test_half_precision_arange():
    assert nd.arange(0, 1, 0.25, dtype="float16").asnumpy().tolist() == [0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize("source, message", [
    ([[1, 2], [3]], "numbers in equally long rows"), ("abc", "an array is made of numbers, got str 'abc'"),
    (None, "an array is made of numbers, got NoneType None"), ([1 + 2j], "an array is made of numbers, got list")])
def test_sources_that_are_no_numbers(source, message):
    with pytest.raises(InputError, match=message):
        nd.array(source)


def test_errors():
    with pytest.raises(InputError, match="expected a shape .an int or a tuple of ints., got 2.0"):
        nd.zeros(2.0)
    with pytest.raises(ShapeError, match="a shape has no negative sizes, got .-1, 2."):
        nd.zeros((-1, 2))
    with pytest.raises(InputError, match="expected a context such as mx.cpu.. or mx.gpu.0., got 3"):
        nd.zeros(2, 3)
    with pytest.raises(InputError, match="unexpected argument.s. foo"):
        nd.ones(2, foo=1)
    with pytest.raises(AttributeValueError, match="arange: from 3.0 to 1.0 in steps of 1.0 there is no number"):
        nd.arange(3, 1)
    with pytest.raises(AttributeValueError, match="dtype 'complex64' is not supported; expected one of float32"):
        nd.zeros(2, dtype="complex64")
    with pytest.raises(ShapeError, match="shares C-contiguous memory only; use zero_copy=False"):
        nd.from_numpy(np.zeros((2, 3)).T)
    with pytest.raises(InputError, match="from_numpy.. takes a numpy array, got list"):
        nd.from_numpy([1])
    with pytest.raises(ShapeError, match=r"concatenate\(\) along axis 0: the shapes \(1, 2\), \(1, 3\) do not fit"):
        nd.concatenate([nd.ones((1, 2)), nd.ones((1, 3))])
    with pytest.raises(InputError, match="one dtype, got float32, int32"):
        nd.concatenate([nd.ones((1, 2)), nd.ones((1, 2), dtype="int32")])


def test_one_array_is_not_copied_if_not_asked_for():
    array = nd.ones((2,))
    assert nd.concatenate([array], always_copy=False) is array
    assert nd.concatenate([array]) is not array
