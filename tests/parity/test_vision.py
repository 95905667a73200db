"""Layers whose states MXNet makes itself, and other calls that the rows of the tables cannot say."""
import numpy as np
import pytest

import ganmod
from tests.parity.oracle import here


def trained(mx, np, op, attrs, values, states):
    """Two training steps of a layer whose states are given by name, and a prediction."""
    symbol = getattr(mx.sym, op)(mx.sym.Variable("data"), name="node", **attrs)
    executor = symbol.simple_bind(mx.cpu(), data=values["data"].shape, grad_req="write")
    executor.copy_params_from({k: mx.nd.array(v) for k, v in values.items()},
                              {k: mx.nd.array(v) for k, v in states.items()})
    steps = []
    for _ in range(2):
        executor.forward(is_train=True)
        executor.backward([mx.nd.ones(executor.outputs[0].shape)])
        steps.append([executor.outputs[0].asnumpy(), {k: v.asnumpy() for k, v in executor.grad_dict.items()},
                      {k: v.asnumpy() for k, v in executor.aux_dict.items()}])
    return {"steps": steps, "prediction": executor.forward(is_train=False),
            "names": [symbol.list_arguments(), symbol.list_auxiliary_states(), symbol.list_outputs()],
            "states": symbol.attr_dict(), "json": symbol.tojson().split("\n")}


def uniform(*shape):
    return np.random.RandomState(1).uniform(0.1, 0.9, shape).astype("float32")


@pytest.mark.parametrize("attrs", [{}, {"sparseness_target": 0.2, "penalty": 0.5, "momentum": 0.5}], ids=str)
def test_sparse_activity(compare, attrs):
    compare(trained, dict(op="IdentityAttachKLSparseReg", attrs=attrs, values={"data": uniform(4, 3)},
                          states={"node_moving_avg": uniform(3)}))


@pytest.mark.parametrize("attrs", [{}, {"fix_gamma": False}, {"fix_gamma": False, "eps": 0.1, "momentum": 0.5},
                                   {"fix_gamma": False, "use_global_stats": True}], ids=str)
def test_batch_norm_v1(compare, attrs):
    compare(trained, dict(op="BatchNorm_v1", attrs=attrs,
                          values={"data": uniform(4, 3, 2, 2), "node_gamma": uniform(3), "node_beta": uniform(3)},
                          states={"node_moving_mean": uniform(3), "node_moving_var": uniform(3)}), rtol=1e-4, atol=1e-5)


def test_ctc_with_label_lengths_alone(compare):
    def case(mx, np, data, label):
        lengths = mx.nd.array([2, 1])
        symbol = mx.sym.ctc_loss(mx.sym.Variable("d"), mx.sym.Variable("l"), use_label_lengths=True, name="ctc")
        return {"by name": mx.nd.ctc_loss(mx.nd.array(data), mx.nd.array(label), label_lengths=lengths,
                                          use_label_lengths=True), "arguments": symbol.list_arguments()}
    compare(case, dict(data=uniform(5, 2, 4), label=np.array([[1, 2, 3], [3, 1, 2]], "float32")))


@pytest.mark.parametrize("sizes, settings", [
    ((7,), dict(kernel=(2,), dilate=(2,))), ((7,), dict(kernel=(3,), stride=(2,), pad=(1,))),
    ((3, 4, 5), dict(kernel=(2, 2, 2))),
    ((3, 4, 5), dict(kernel=(2, 3, 2), stride=(2, 1, 1), pad=(1, 2, 0), dilate=(2, 1, 2)))], ids=str)
def test_columns_of_lines_and_volumes(sizes, settings):
    """col2im is the adjoint of im2col: <im2col(x), y> = <x, col2im(y)>. MXNet has them for images only."""
    x = ganmod.nd.random.normal(shape=(2, 3, *sizes))
    columns = ganmod.nd.im2col(x, **settings)
    y = ganmod.nd.random.normal(shape=columns.shape)
    image = ganmod.nd.col2im(y, output_size=sizes, **settings)
    np.testing.assert_allclose((columns * y).sum().asscalar(), (x * image).sum().asscalar(), rtol=1e-4)


@pytest.mark.parametrize("settings", [dict(size=(3, 2)), dict(size=(9, 8)), dict(size=(9, 8), interp=2),
                                      dict(size=(4, 3), interp=3)], ids=str)
def test_resized_bytes(oracle, settings):
    """OpenCV computes with 11 bits: the bytes differ by 1 at most."""
    def case(mx, np, image, settings):
        return {"made": mx.nd.image.resize(mx.nd.array(image, dtype="uint8"), **settings)}
    request = dict(image=np.random.RandomState(0).randint(0, 256, (4, 6, 3)).astype("uint8"), settings=settings)
    theirs, ours = oracle.run(case, request)["made"], here(case, ganmod, request)["made"]
    assert theirs.dtype == ours.dtype and np.abs(theirs.astype(int) - ours.astype(int)).max() <= 1
