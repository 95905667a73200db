"""Folding: convolutions that normalise and activate what they give, in programs without gradients."""
import numpy as np
import pytest

import ganmod as mx
from ganmod import engine
from ganmod.executor import ways

pytestmark = pytest.mark.skipif(not ways.has_linear(), reason="needs oneDNN's matrix product")
LAYERS = {"Convolution": mx.sym.Convolution, "Deconvolution": mx.sym.Deconvolution}
ACTIVATIONS = {
    "none": lambda net: net, "relu": lambda net: mx.sym.Activation(net, act_type="relu"),
    "leaky": lambda net: mx.sym.LeakyReLU(net, slope=0.2), "tanh": lambda net: mx.sym.Activation(net, act_type="tanh"),
}


def normalised(layer="Convolution", activation="relu", fix_gamma=False, no_bias=True, **settings):
    """A layer of 4x4 kernels, batch normalisation and an activation."""
    net = LAYERS[layer](mx.sym.Variable("data"), kernel=(4, 4), stride=(2, 2), pad=(1, 1), num_filter=3, name="c",
                        no_bias=no_bias)
    return ACTIVATIONS[activation](mx.sym.BatchNorm(net, fix_gamma=fix_gamma, name="norm", **settings))


def bound(rng, symbol, **types):
    """An executor of a symbol with random values."""
    executor = symbol.simple_bind(mx.cpu(), data=(2, 4, 8, 8), grad_req="null", type_dict=types)
    for array in executor.arg_arrays:
        array[:] = rng.standard_normal(array.shape)
    for array in executor.aux_arrays:
        array[:] = rng.uniform(0.5, 1.5, array.shape)
    return executor


def outputs(executor, **mode):
    """What an executor gives with the kernels that are preferred, and with torch's."""
    found = [array.asnumpy() for array in executor.forward(**mode)]
    with engine.fast_kernels(False):
        return found, [array.asnumpy() for array in executor.forward(**mode)]


def program(executor):
    """The first program that was made for an executor, in words."""
    return list(executor._programs.values())[0].code()


@pytest.mark.parametrize("way", ["channels last", "kept product", "packed", "kept winograd 2", "phases"])
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("fix_gamma, no_bias", [(True, True), (False, False)])
def test_it_gives_what_the_nodes_give(rng, prefer, way, layer, activation, fix_gamma, no_bias):
    """Also after any of the parameters has changed, without torch or with."""
    prefer(way)
    executor = bound(rng, normalised(layer, activation, fix_gamma, no_bias))
    changed = [*[a for n, a in executor.arg_dict.items() if n != "data"], *executor.aux_arrays]
    for write in (lambda array: array.__iadd__(0.5), lambda array: array.as_torch().numpy().__iadd__(0.5)):
        for array in changed:
            for found, plain in zip(*outputs(executor)):
                np.testing.assert_allclose(found, plain, rtol=1e-4, atol=1e-4)
            write(array)
    code = program(executor)
    assert "_normalised" in code and "batch_norm" not in code
    assert ("relu" not in code) == (way == "packed" or activation in ("none", "tanh"))


def test_an_activation_alone(rng, prefer):
    prefer("packed")
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=4, name="c")
    executor = bound(rng, mx.sym.LeakyReLU(net, slope=0.3))
    for found, plain in zip(*outputs(executor)):
        np.testing.assert_allclose(found, plain, rtol=1e-4, atol=1e-4)
    assert "packed" in program(executor) and "relu" not in program(executor)


def seen(symbol):
    """The same with the convolution's result as a second output."""
    return mx.sym.Group([symbol, symbol.get_internals()["c_output"]])


@pytest.mark.parametrize("symbol, mode, is_folded", [
    (normalised(), {"is_train": True}, False), (seen(normalised()), {}, False),
    (normalised(activation="none", output_mean_var=True), {}, True)],
    ids=["batch statistics", "a result that is looked at", "statistics that are looked at"])
def test_where_it_is_done(rng, prefer, symbol, mode, is_folded):
    prefer("packed")
    executor = bound(rng, symbol)
    states = [array.asnumpy() for array in executor.aux_arrays]
    found = [array.asnumpy() for array in executor.forward(**mode)]
    for array, state in zip(executor.aux_arrays, states):
        array[:] = state
    with engine.fast_kernels(False):
        for one, other in zip(found, executor.forward(**mode)):
            np.testing.assert_allclose(one, other.asnumpy(), rtol=1e-4, atol=1e-4)
    assert ("_normalised" in program(executor)) == is_folded


def test_half_precision_is_left_alone(rng, prefer):
    """Its statistics are float32, which would turn weights into what they are."""
    prefer("channels last")
    executor = bound(rng, normalised(), data="bfloat16")
    for found, plain in zip(*outputs(executor)):
        np.testing.assert_allclose(found, plain, rtol=0.05, atol=0.05)
    assert "memory_format" in program(executor) and "_normalised" not in program(executor)


def test_a_watched_program_shows_every_node(rng, prefer):
    prefer("packed")
    executor, names = bound(rng, normalised()), []
    executor.set_monitor_callback(lambda name, array: names.append(name))
    executor.forward()
    assert {"c_output", "norm_output"} <= set(names)
