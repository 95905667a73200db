"""The moving average of a generator."""
import numpy as np
import pytest

import ganmod as mx
from ganmod import gan


def generator(context):
    net = mx.sym.BatchNorm(mx.sym.FullyConnected(mx.sym.Variable("rand"), num_hidden=3, name="fc"), name="bn")
    module = mx.mod.Module(net, ["rand"], None, context=context)
    module.bind([("rand", (4, 2))])
    module.init_params(mx.init.Normal(1))
    module.init_optimizer(optimizer_params={"learning_rate": 0.5})
    return module


@pytest.mark.parametrize("contexts", [1, 2])
def test_it_follows(rng, contexts):
    module = generator([mx.cpu(k) for k in range(contexts)])
    average = gan.MovingAverage(module, decay=0.75, data_shapes=[("rand", (9, 2))])
    expected = {n: a.asnumpy() for n, a in module.get_params()[0].items()}
    for _ in range(3):
        module.forward(mx.io.DataBatch([mx.nd.array(rng.standard_normal((4, 2)))]), is_train=True)
        module.backward([mx.nd.array(rng.standard_normal((4, 3)))])
        module.update()
        average.update()
        for name, array in module.get_params()[0].items():
            expected[name] = 0.75 * expected[name] + 0.25 * array.asnumpy()
    found, states = average.module.get_params()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name].asnumpy(), values, rtol=1e-5, atol=1e-6)
    first = module._exec_group.execs[0].aux_dict["bn_moving_mean"]
    np.testing.assert_array_equal(states["bn_moving_mean"].asnumpy(), first.asnumpy())
    average.module.forward(mx.io.DataBatch([mx.nd.ones((9, 2))]), is_train=False)
    assert average.module.get_outputs()[0].shape == (9, 3)


def test_mistakes():
    with pytest.raises(AssertionError, match="needs a bound module"):
        gan.MovingAverage(mx.mod.Module(mx.sym.Variable("x"), ["x"], None))
    with pytest.raises(TypeError, match=r"decay must be in \[0, 1\), got 1"):
        gan.MovingAverage(generator(mx.cpu()), decay=1)
