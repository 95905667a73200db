"""Fourier transforms and count sketches against their definitions; MXNet has no CPU operators to compare with."""
import numpy as np
import pytest
import torch

import ganmod as mx


def complex_of(pairs):
    return pairs[..., ::2] + 1j * pairs[..., 1::2]


@pytest.mark.parametrize("shape", [(3, 8), (2, 1, 3, 5), (4, 1)])
def test_fourier_transform(rng, shape):
    data = rng.normal(size=shape).astype("float32")
    found = mx.nd.contrib.fft(mx.nd.array(data))
    np.testing.assert_allclose(complex_of(found.asnumpy()), np.fft.fft(data), rtol=1e-4, atol=1e-5)
    back = mx.nd.contrib.ifft(found)
    assert back.shape == shape
    np.testing.assert_allclose(back.asnumpy() / shape[-1], data, rtol=1e-4, atol=1e-5)


def test_gradients_of_transforms(rng):
    x = torch.from_numpy(rng.normal(size=(2, 6))).requires_grad_()
    for name in ("_contrib_fft", "_contrib_ifft"):
        op = mx.ndarray.operators.ops.find(name)
        assert torch.autograd.gradcheck(lambda x, op=op: op.run([x], op.parse({}))[0], [x])


def test_count_sketch(rng):
    data, place, sign = rng.normal(size=(4, 7)), rng.integers(0, 3, (1, 7)), rng.choice([-1.0, 1.0], (1, 7))
    expected = np.zeros((4, 3))
    for k in range(7):
        expected[:, place[0, k]] += sign[0, k] * data[:, k]
    x, h, s = (mx.sym.Variable(name) for name in "xhs")
    symbol = mx.sym.contrib.count_sketch(x, h, s, out_dim=3)
    assert symbol.infer_shape(x=(4, 7)) == ([(4, 7), (1, 7), (1, 7)], [(4, 3)], [])
    executor = symbol.simple_bind(mx.cpu(), x=(4, 7), grad_req={"x": "write", "h": "null", "s": "null"})
    np.testing.assert_allclose(executor.forward(is_train=True, x=data, h=place, s=sign)[0].asnumpy(), expected,
                               rtol=1e-5)
    executor.backward([mx.nd.array(expected)])
    np.testing.assert_allclose(executor.grad_dict["x"].asnumpy(), (expected[:, place[0]] * sign), rtol=1e-5)


@pytest.mark.parametrize("name, known, shape", [("fft", dict(out=(2, 6)), (2, 3)), ("ifft", dict(out=(2, 6)), (2, 12))])
def test_shapes_backwards(name, known, shape):
    symbol = getattr(mx.sym.contrib, name)(mx.sym.Variable("x")) + mx.sym.Variable("out")
    assert symbol.infer_shape(**known)[0][0] == shape


def test_transform_of_an_odd_length_is_refused():
    with pytest.raises(mx.base.ShapeError, match="an even number"):
        mx.sym.contrib.ifft(mx.sym.Variable("x")).infer_shape(x=(2, 3))
