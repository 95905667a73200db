"""What the rows of the operator tables do not reach: random slopes, methods, and what a caller's mistake says."""
from __future__ import annotations

import numpy as np
import pytest
import torch

import ganmod as mx
from ganmod.base import AttributeValueError, ShapeError
from ganmod.ops import find
from ganmod.ops.fluent import METHODS


def test_rrelu_draws_slopes_while_training_and_takes_their_mean_else(seed):
    op = find("LeakyReLU")
    params = op.parse(dict(act_type="rrelu", lower_bound=0.2, upper_bound=0.4))
    data = torch.tensor([-1.0, 2.0]).repeat(500).requires_grad_()
    (drawn,), _ = op.run([data], params, training=True)
    slopes = -drawn[::2]
    assert 0.2 <= slopes.min() < 0.22 and 0.38 < slopes.max() <= 0.4 and (drawn[1::2] == 2).all()
    drawn.sum().backward()
    torch.testing.assert_close(data.grad[::2], slopes)
    (plain,), _ = op.run([data], params)
    torch.testing.assert_close(plain[:2], torch.tensor([-0.3, 2.0]))


def test_gradients_where_mxnet_has_wrong_ones():
    data = torch.tensor([-0.5, 0.5], dtype=torch.float64, requires_grad=True)
    find("LeakyReLU").run([data], find("LeakyReLU").parse(dict(act_type="selu")))[0][0].sum().backward()
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    torch.testing.assert_close(data.grad, torch.tensor([scale * alpha * np.exp(-0.5), scale]).double())
    nothing = torch.zeros(2, requires_grad=True)
    find("norm").run([nothing], find("norm").parse({}))[0][0].backward()
    assert (nothing.grad == 0).all()


@pytest.mark.parametrize("call, error, message", [
    (lambda nd, x: nd.elemwise_add(x, nd.ones((3, 2))), ShapeError, r"elemwise_add.*\(3, 2\).*must be \(2, 3\)"),
    (lambda nd, x: x + nd.ones((3, 2)), ShapeError, r"broadcast_add.*\(2, 3\).*\(3, 2\)"),
    (lambda nd, x: nd.add_n(x, nd.ones((2, 1))), ShapeError, r"add_n.*\(2, 1\).*must be \(2, 3\)"),
    (lambda nd, x: nd.dot(x, x), ShapeError, r"dot: input 'rhs' has shape \(2, 3\).*must be \(3, 3\)"),
    (lambda nd, x: nd.where(nd.ones((3,)), x, x), ShapeError, r"where: input 'condition' has shape \(3,\).*\(2,\)"),
    (lambda nd, x: nd.batch_dot(x, x), ShapeError, "at least 3 axes"),
    (lambda nd, x: nd.concat(x, nd.ones((3, 3)), dim=1), ShapeError, r"Concat.*'arg1' has shape \(3, 3\).*\(2, 0\)"),
    (lambda nd, x: nd.split(x, num_outputs=2), ShapeError, r"axis 1 of the shape \(2, 3\).*num_outputs=2"),
    (lambda nd, x: nd.reshape(x, shape=(4, 2)), ShapeError, r"\(2, 3\) has 6 elements and cannot become \(4, 2\)"),
    (lambda nd, x: nd.transpose(x, axes=(0, 0)), ShapeError, r"the axes \(0, 0\) are no order of the 2 axes"),
    (lambda nd, x: nd.sum(x, axis=2), ShapeError, "sum: axis 2 does not exist in 2 dimensions"),
    (lambda nd, x: nd.sum(x, axis=(0, 0)), ShapeError, "repeat one"),
    (lambda nd, x: nd.slice_axis(x, axis=1, begin=0, end=7), ShapeError, "begin=0, end=7.*size 3"),
    (lambda nd, x: nd.squeeze(x, axis=0), ShapeError, "not all of size 1"),
    (lambda nd, x: nd.broadcast_to(x, shape=(4, 3)), ShapeError, r"axis 0 of the shape \(2, 3\) cannot become 4"),
    (lambda nd, x: nd.Pad(x, mode="edge", pad_width=(1, 1, 1, 1)), ShapeError, "4 or 5 axes"),
    (lambda nd, x: nd.norm(x, ord=3), AttributeValueError, "ord=3 is not supported; expected 1 or 2"),
    (lambda nd, x: nd.Activation(x, act_type="rleu"), AttributeValueError, "did you mean 'relu'"),
    (lambda nd, x: nd.clip(x, a_min=0), AttributeValueError, "needs the attribute 'a_max'"),
])
def test_mistakes_are_explained(call, error, message):
    with pytest.raises(error, match=message):
        call(mx.nd, mx.nd.ones((2, 3)))


def test_methods_are_the_operators():
    x = mx.nd.array([[1, 4], [9, 16]])
    assert all(hasattr(mx.nd.NDArray, name) for name in METHODS)
    assert x.sqrt().sum(axis=1).asnumpy().tolist() == [3, 7]
    assert x.transpose().reshape((-1,)).asnumpy().tolist() == [1, 9, 4, 16]
    assert x.flatten().shape == (2, 2) and x.expand_dims(0).shape == (1, 2, 2)
    assert [part.shape for part in x.split_v2((1,), axis=1)] == [(2, 1), (2, 1)]
    assert np.sum(x).asscalar() == 30
    assert mx.nd.ones((2,)).broadcast_to((3, 2)).shape == (3, 2)


def test_slice_assign_writes_in_place():
    x = mx.nd.zeros((2, 3))
    x.slice_assign_scalar(7, (0, 0), (1, 2), ())
    x.slice_assign(mx.nd.ones((1, 3)), (1, 0), (2, 3), ())
    assert x.asnumpy().tolist() == [[7, 7, 0], [1, 1, 1]]
