"""Initializers, without MXNet."""
import logging

import numpy as np
import pytest

import ganmod as mx
from ganmod.initializer import InitDesc


class Sevens(mx.init.Initializer):
    """An initializer as programs write them."""

    def _init_weight(self, name, arr):
        arr[:] = 7

    def _init_default(self, name, arr):
        arr[:] = -7


def filled(init, name="x_weight", shape=(2, 3), dtype="float32", attrs=None):
    array = mx.nd.zeros(shape, dtype=dtype)
    init(InitDesc(name, attrs), array)
    return array.asnumpy()


def test_own_initializers():
    assert (filled(Sevens()) == 7).all() and (filled(Sevens(), "x_bias") == 0).all()
    assert (filled(Sevens(), "foo") == -7).all()
    mx.init.register(Sevens)
    assert isinstance(mx.init.create("sevens"), Sevens)
    assert (filled(mx.init.One(), "foo", attrs={"__init__": Sevens().dumps()}) == 7).all()


def test_equality_is_of_kind_and_settings():
    assert mx.init.Normal(1) == mx.init.Normal(1) != mx.init.Normal(2)
    assert mx.init.Zero() != mx.init.One() and mx.init.Zero() != 0
    assert len({mx.init.Normal(1), mx.init.Normal(1), mx.init.Normal(2)}) == 2


def test_json_goes_both_ways():
    for init in (mx.init.Xavier("gaussian", "in", 2), mx.init.MSRAPrelu(slope=0.1), mx.init.LSTMBias(2.0)):
        assert mx.init.create(init.dumps()) == init


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32", "uint8"])
@pytest.mark.parametrize("init", [mx.init.Normal(5), mx.init.Uniform(5), mx.init.Xavier(magnitude=900),
                                  mx.init.Orthogonal(9), mx.init.Constant(3)])
def test_types(seed, init, dtype):
    values = filled(init, shape=(6, 5), dtype=dtype)
    assert values.dtype == dtype and values.any()


def test_views_are_filled_in_place(seed):
    array = mx.nd.zeros((4, 3))
    mx.init.Orthogonal()("x_weight", array[1:3])
    mx.init.Normal(1)("x_weight", array[3])
    assert (array.asnumpy()[0] == 0).all() and array.asnumpy()[1:].all()


def test_verbosity(caplog):
    caplog.set_level(logging.INFO)
    init = mx.init.Constant(2).set_verbosity(True)
    filled(init)
    filled(init, "x_bias")
    filled(init.set_verbosity(True, lambda a: a.shape), "y", attrs={"__init__": "ones"})
    filled(init.set_verbosity(False))
    assert caplog.messages == ["Initialized x_weight as weight: 2.0", "Initialized x_bias as bias: 0.0",
                               "Initialized y as ones: (2, 3)"]


def test_load_from_a_file(tmp_path):
    path = str(tmp_path / "net.params")
    mx.nd.save(path, {"arg:fc_weight": mx.nd.ones((2, 3))})
    assert (filled(mx.init.Load(path), "fc_weight") == 1).all()


@pytest.mark.parametrize("call, error, message", [
    (lambda: filled(mx.init.One(), "foo"), ValueError, "Unknown initialization pattern for foo"),
    (lambda: filled(mx.init.Xavier(), shape=(3,)), ValueError, "cannot be applied to vector x_weight"),
    (lambda: filled(mx.init.Xavier(factor_type="both")), ValueError, "'both'; expected one of avg, in, out"),
    (lambda: filled(mx.init.Initializer()), NotImplementedError, "must define _init_weight"),
    (lambda: mx.init.One()("x_weight", np.ones(3)), TypeError, "fills an NDArray, got ndarray"),
    (lambda: mx.init.One()(3, mx.nd.ones((3,))), TypeError, "takes a name first, got 3"),
    (lambda: mx.init.create("norml"), ValueError, "did you mean 'normal'"),
    (lambda: mx.init.Mixed(["a"], []), ValueError, "1 patterns for 0"),
    (lambda: mx.init.Mixed(["a"], [mx.init.One()])("x", mx.nd.ones((1,))), ValueError, "x did not match any"),
    (lambda: mx.init.Load({})("x", mx.nd.ones((1,))), mx.MXNetError, "Cannot initialize x"),
    (lambda: mx.init.Load({"x": mx.nd.ones((2,))})("x", mx.nd.ones((1,))), mx.MXNetError, r"\(1,\), the loaded one's"),
    (lambda: mx.init.Load([mx.nd.ones((2,))]), TypeError, "got list"),
    (lambda: mx.init.Constant(object()).dumps(), TypeError, "cannot be written as JSON")])
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()
