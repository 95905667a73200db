"""Groups of nodes on contexts of their own: where things live, and the copies between devices."""
import numpy as np
import pytest
import torch

import ganmod as mx
from ganmod.base import InputError


def two_parts():
    """Two layers, each with its variables in a group; what follows them is in none."""
    with mx.AttrScope(ctx_group="first"):
        net = mx.sym.FullyConnected(mx.sym.Variable("x"), num_hidden=3, name="fc1")
    with mx.AttrScope(ctx_group="second"):
        net = mx.sym.BatchNorm(mx.sym.FullyConnected(net, num_hidden=2, name="fc2"), name="bn")
    return mx.sym.tanh(net, name="out")


def test_values_do_not_depend_on_the_placement(ctx, rng):
    """On a GPU, where there is one, with the other half on the CPU."""
    net, found = two_parts(), []
    values = {n: rng.standard_normal(s).astype("float32") for n, s in zip(
        net.list_arguments(), net.infer_shape(x=(4, 5))[0])}
    for groups in (None, {"first": mx.cpu(1), "second": ctx}):
        executor = net.simple_bind(mx.cpu(), group2ctx=groups, x=(4, 5), grad_req="write")
        for name, value in values.items():
            executor.arg_dict[name][:] = value
        executor.forward(is_train=True)
        executor.backward(mx.nd.ones((4, 2)))
        found.append([a.asnumpy() for a in [*executor.outputs, *executor.grad_arrays, *executor.aux_arrays]])
    for one, other in zip(*found):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_arrays_live_with_their_group():
    executor = two_parts().simple_bind(mx.cpu(), group2ctx={"first": mx.cpu(1), "second": mx.cpu(2)}, x=(4, 5))
    again = executor.reshape(x=(6, 5), partial_shaping=True, allow_up_sizing=True)
    for bound in (executor, again):
        assert {n: a.context.device_id for n, a in {**bound.arg_dict, **bound.aux_dict, **bound.output_dict}.items()} \
            == {"x": 1, "fc1_weight": 1, "fc1_bias": 1, "fc2_weight": 2, "fc2_bias": 2, "bn_gamma": 2, "bn_beta": 2,
                "bn_moving_mean": 2, "bn_moving_var": 2, "out_output": 2}


def test_the_program_copies_between_devices(monkeypatch):
    """The device without memory stands for a second one: what is computed there stays there."""
    device = mx.Context.device
    monkeypatch.setattr(mx.Context, "device", property(
        lambda self: torch.device("meta") if self == mx.cpu(7) else device.fget(self)))
    executor = two_parts().simple_bind(mx.cpu(), group2ctx={"first": mx.cpu(0), "second": mx.cpu(7)}, x=(4, 5))
    output, = executor.forward()
    assert output.as_torch().device.type == executor.arg_dict["fc2_weight"].as_torch().device.type == "meta"
    assert executor.arg_dict["fc1_weight"].as_torch().device.type == "cpu"
    with pytest.raises(InputError, match=r"'x' is on cpu\(7\), and is used on cpu\(0\)"):
        mx.sym.Variable("x").bind(mx.cpu(0), {"x": mx.nd.NDArray(torch.empty(2, device="meta"), mx.cpu(7))})


def test_a_group_without_context():
    with pytest.raises(InputError, match="no context for the group 'second' of 'fc2_weight'; it has first"):
        two_parts().simple_bind(mx.cpu(), group2ctx={"first": mx.cpu(1)}, x=(4, 5))
