"""Imperative gradients under both libraries."""
import numpy as np
import pytest


def attached(mx, *arrays, **settings):
    made = [mx.nd.array(a) for a in arrays]
    for array in made:
        array.attach_grad(**settings)
    return made


def polynomial(mx, np):
    x, w = attached(mx, [1, 2, 3], [0.5, -1, 2])
    with mx.autograd.record():
        y = (x * x * w + 3 / x - w[1:2]).sum()
    y.backward()
    return {"y": y, "x": x.grad, "w": w.grad}


def heads_given(mx, np):
    x, = attached(mx, [[1, 2], [3, 4]])
    with mx.autograd.record():
        y = mx.nd.dot(x, x).reshape((-1,)).exp()
    y.backward(mx.nd.array([0.1, 0.2, 0.3, 0.4]))
    return {"y": y, "x": x.grad}


def accumulated(mx, np):
    x, = attached(mx, [1, 2], grad_req="add")
    for _ in range(3):
        with mx.autograd.record():
            y = x * 2
        y.backward()
    return {"x": x.grad}


def written(mx, np):
    x, = attached(mx, [1, 2])
    found = []
    for factor in (2, 3):
        with mx.autograd.record():
            y = x * factor
        y.backward()
        found.append(x.grad.asnumpy())
    return {"x": found}


def paused(mx, np):
    x, = attached(mx, [1, 2])
    with mx.autograd.record():
        y = x * 2
        with mx.autograd.pause():
            inside = [mx.autograd.is_recording(), mx.autograd.is_training()]
            z = x * 3
        y = y * z
        modes = [mx.autograd.is_recording(), mx.autograd.is_training()]
    y.backward()
    return {"x": x.grad, "inside": inside, "modes": modes,
            "after": [mx.autograd.is_recording(), mx.autograd.is_training()]}


def modes(mx, np):
    found = []
    with mx.autograd.train_mode():
        found.append([mx.autograd.is_recording(), mx.autograd.is_training()])
    with mx.autograd.record(train_mode=False):
        found.append([mx.autograd.is_recording(), mx.autograd.is_training()])
        with mx.autograd.predict_mode():
            found.append([mx.autograd.is_recording(), mx.autograd.is_training()])
    return {"modes": found}


def functional(mx, np):
    x, = attached(mx, [1, 2, 3])
    with mx.autograd.record():
        y = x * x * x
    found = mx.autograd.grad(y, [x], head_grads=mx.nd.array([1, 10, 100]), retain_graph=True)
    return {"found": found, "attached": x.grad}


def second_order(mx, np):
    x, = attached(mx, [1, 2, 3])
    with mx.autograd.record():
        y = mx.nd.sin(x)
        first = mx.autograd.grad(y, x, create_graph=True, retain_graph=True)[0]
    first.backward()
    return {"x": x.grad}


def marked(mx, np):
    x, gradient = mx.nd.array([1, 2]), mx.nd.zeros((2,))
    mx.autograd.mark_variables([x], [gradient])
    with mx.autograd.record():
        y = mx.nd.square(x)
    mx.autograd.backward([y])
    return {"gradient": gradient}


def of_ones_own(mx, np):
    class Sigmoid(mx.autograd.Function):
        def forward(self, x):
            y = 1 / (1 + mx.nd.exp(-x))
            self.save_for_backward(y)
            return y

        def backward(self, dy):
            y, = self.saved_tensors
            return dy * y * (1 - y) * 2

    x, = attached(mx, [-1, 0, 1])
    with mx.autograd.record():
        y = Sigmoid()(x) * 3
    y.backward()
    return {"y": y, "x": x.grad}


def updated_in_place(mx, np):
    w, = attached(mx, [1.0, -2.0])
    losses = []
    for _ in range(5):
        with mx.autograd.record():
            loss = (w * w).sum()
        loss.backward()
        losses.append(loss.asscalar())
        w -= 0.1 * w.grad
    return {"losses": [float(v) for v in losses], "w": w}


def loss_layer(mx, np):
    x, = attached(mx, [[1, 2, 3], [1, 0, 1]])
    with mx.autograd.record():
        y = mx.nd.SoftmaxOutput(x, mx.nd.array([0, 2]))
    y.backward()
    return {"y": y, "x": x.grad}


def detached(mx, np):
    x, = attached(mx, [1, 2])
    with mx.autograd.record():
        y = x * 2
        z = y.detach() * x + mx.nd.BlockGrad(x) * x
    z.backward()
    return {"x": x.grad}


CASES = [polynomial, heads_given, accumulated, written, paused, modes, functional, second_order, marked, of_ones_own,
         updated_in_place, loss_layer, detached]


@pytest.mark.parametrize("case", CASES, ids=lambda f: f.__name__)
def test_case(compare, case):
    compare(case)


def test_what_was_not_recorded_has_no_gradient(compare):
    def case(mx, np):
        (mx.nd.array([1]) * 2).backward()
    compare(case, raises=True)


def test_writing_to_a_recorded_array(compare):
    def case(mx, np):
        x, = attached(mx, [1, 2])
        with mx.autograd.record():
            y = x * 2
            y += 1
    compare(case, raises=True)


def test_batch_norm_trains_and_dropout_drops():
    import ganmod as mx
    x = mx.nd.array(np.random.RandomState(0).standard_normal((8, 3)))
    gamma, beta, mean, var = mx.nd.ones((3,)), mx.nd.zeros((3,)), mx.nd.zeros((3,)), mx.nd.ones((3,))
    x.attach_grad()
    with mx.autograd.record():
        y = mx.nd.BatchNorm(x, gamma, beta, mean, var, fix_gamma=False, momentum=0.5)
        dropped = mx.nd.Dropout(x, p=0.5)
    np.testing.assert_allclose(mean.asnumpy(), x.asnumpy().mean(0) / 2, rtol=1e-5)
    assert abs(y.asnumpy().mean()) < 1e-6 and (dropped.asnumpy() == 0).any()
    np.testing.assert_array_equal(mx.nd.Dropout(x, p=0.5).asnumpy(), x.asnumpy())


def test_a_recorded_array_feeds_a_module():
    """What is recorded stays outside of executors, whose arrays require no gradient."""
    import ganmod as mx
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc")
    executor = net.simple_bind(mx.cpu(), data=(1, 2))
    x = mx.nd.ones((1, 2))
    x.attach_grad()
    with mx.autograd.record():
        executor.forward(is_train=True, data=x * 2)
    assert not executor.arg_dict["data"].as_torch().requires_grad
    executor.backward(mx.nd.ones((1, 2)))
