"""Recurrent layers against their time steps written out, and the cells beside them, without MXNet."""
import numpy as np
import pytest
import torch

import ganmod as mx
from ganmod.ops import find
from ganmod.ops.registry import Params
from ganmod.ops.rnn import GATE_NAMES, unrolled

HIDDEN, INPUT, BATCH, STEPS = 3, 4, 3, 5
layer = torch.ops.ganmod.rnn_layer


def layer_inputs(mode, ways=1, projection=None, steps=STEPS, requires_grad=False):
    """Data, states and weights of one layer, float64."""
    gates, out = len(GATE_NAMES[mode]) * HIDDEN, projection or HIDDEN
    each = [(gates, INPUT), (gates, out), (gates,), (gates,)] + ([(out, HIDDEN)] if projection else [])
    states = [(ways, BATCH, out)] + ([(ways, BATCH, HIDDEN)] if mode == "lstm" else [])
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_(requires_grad)
            for shape in [(steps, BATCH, INPUT), *states, *each * ways]]


@pytest.mark.parametrize("lengths", [None, [5, 2, 4], [1, 5, 3]], ids=str)
@pytest.mark.parametrize("ways", [1, 2])
@pytest.mark.parametrize("mode", GATE_NAMES)
def test_fused_kernels_are_the_steps(mode, ways, lengths):
    inputs = layer_inputs(mode, ways, requires_grad=True)
    lengths = None if lengths is None else torch.tensor(lengths)
    results = [f(inputs, lengths, mode, ways == 2, None) for f in (layer, unrolled)]
    heads = [torch.randn_like(output) for output in results[0]]
    torch.testing.assert_close(list(results[0]), results[1])
    gradients = [torch.autograd.grad(outputs, inputs, heads) for outputs in results]
    torch.testing.assert_close(*gradients)


def test_projection_is_that_of_torch():
    inputs = layer_inputs("lstm", 2, projection=2)
    net = torch.nn.LSTM(INPUT, HIDDEN, proj_size=2, bidirectional=True, dtype=torch.float64)
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), inputs[3:]):
            parameter.copy_(value)
        output, states = net(inputs[0], tuple(inputs[1:3]))
    torch.testing.assert_close(list(layer(inputs, None, "lstm", True, None)), [output, *states])
    torch.testing.assert_close(unrolled(inputs, None, "lstm", True, None), [output, *states])


def test_the_cell_state_is_clipped():
    inputs = layer_inputs("lstm", requires_grad=True)
    _, _, free = layer(inputs, None, "lstm", False, None)
    _, _, cell = layer(inputs, None, "lstm", False, [-0.25, 0.5, 0.0])
    assert free.abs().max() > 0.25 and cell.min() >= -0.25 and cell.max() <= 0.5
    assert torch.autograd.gradcheck(lambda *own: layer(own, None, "lstm", False, [-0.25, 0.5, 0.0]), inputs)
    inputs[2].data[0, 0, 0] = torch.nan
    assert layer(inputs, None, "lstm", False, [-0.25, 0.5, 0.0])[2].isnan().any()
    assert not layer(inputs, None, "lstm", False, [-0.25, 0.5, 1.0])[2].isnan().any()


@pytest.mark.parametrize("mode", GATE_NAMES)
def test_second_order(mode):
    inputs = layer_inputs(mode, steps=2, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda *own: layer(own, None, mode, False, None), inputs)


def vector_of(net, **known):
    """An executor of a symbol with drawn arguments."""
    executor = net.simple_bind(mx.cpu(), **known)
    random = np.random.RandomState(0)
    for array in executor.arg_arrays:
        array[:] = random.uniform(-0.7, 0.7, array.shape)
    return executor


def test_a_layer_is_one_node_however_long_the_sequence():
    net = mx.sym.RNN(mx.sym.Variable("data"), state_size=3, num_layers=2, mode="gru", name="rnn")
    counts = []
    for steps in (3, 40):
        executor = vector_of(net, data=(steps, 2, 4))
        executor.forward(is_train=True)
        executor.backward(mx.nd.ones((steps, 2, 3)))
        counts.append(executor.debug_str().count("torch.ops.ganmod.rnn_layer"))
    assert counts == [4, 4]


def test_dropout_between_layers_in_training_only():
    net = mx.sym.RNN(mx.sym.Variable("data"), state_size=3, num_layers=2, mode="lstm", p=0.5, name="rnn")
    executor = vector_of(net, data=(5, 2, 4))
    mx.random.seed(1)
    still = [executor.forward(is_train=False)[0].asnumpy() for _ in range(2)]
    drawn = [executor.forward(is_train=True)[0].asnumpy() for _ in range(2)]
    np.testing.assert_array_equal(*still)
    assert np.abs(drawn[0] - drawn[1]).max() > 1e-3 and np.abs(drawn[0] - still[0]).max() > 1e-3


def test_sequence_lengths_of_the_operator():
    """With lengths, a sequence in a batch gives what it gives alone."""
    op = find("RNN")
    params = op.parse(dict(mode="lstm", state_size=3, num_layers=2, bidirectional=True, state_outputs=True,
                           use_sequence_length=True))
    rng = torch.Generator().manual_seed(0)
    data, states = torch.randn(5, 2, 4, generator=rng), torch.randn(2, 4, 2, 3, generator=rng)
    weights = torch.randn(480, generator=rng) / 2
    (output, state, cell), _ = op.run([data, weights, *states, torch.tensor([3.0, 5.0])], params)
    alone, _ = op.run([data[:3, :1], weights, *states[:, :, :1], torch.tensor([3.0])], params)
    torch.testing.assert_close([output[:3, :1], state[:, :1], cell[:, :1]], list(alone))
    assert (output[3:, 0] == 0).all()


@pytest.mark.parametrize("mode", GATE_NAMES)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_fused_equals_unfused(mode, bidirectional):
    fused = mx.rnn.FusedRNNCell(3, num_layers=2, mode=mode, bidirectional=bidirectional, prefix="f_")
    nets = [cell.unroll(4, mx.sym.Variable("data"), layout="TNC", merge_outputs=True)[0]
            for cell in (fused, fused.unfuse())]
    one = vector_of(nets[0], data=(4, 2, 5))
    other = nets[1].simple_bind(mx.cpu(), data=(4, 2, 5))
    arrays = {name: array for name, array in one.arg_dict.items() if name != "data"}
    other.copy_params_from({"data": one.arg_dict["data"], **fused.unfuse().pack_weights(fused.unpack_weights(arrays))})
    head = mx.nd.random.normal(shape=one.forward(is_train=True)[0].shape)
    other.forward(is_train=True)
    np.testing.assert_allclose(other.outputs[0].asnumpy(), one.outputs[0].asnumpy(), rtol=1e-4, atol=1e-6)
    for executor in (one, other):
        executor.backward(head)
    np.testing.assert_allclose(other.grad_dict["data"].asnumpy(), one.grad_dict["data"].asnumpy(), rtol=1e-4, atol=1e-5)


def test_zoneout_keeps_some_of_the_step_before():
    cell = mx.rnn.ZoneoutCell(mx.rnn.RNNCell(50), zoneout_outputs=0.5)
    outputs, _ = cell.unroll(2, mx.sym.Variable("data"))
    executor = vector_of(mx.sym.Group(outputs), data=(4, 2, 5))
    first, second = (output.asnumpy() for output in executor.forward(is_train=True))
    assert 0.3 < np.mean(first == 0) < 0.7 and 0.3 < np.mean(second == first) < 0.7


@pytest.mark.parametrize("attrs, message", [
    (dict(mode="gru", projection_size=2), "projection_size is for mode 'lstm' only"),
    (dict(mode="lstm", state_size=0), "state_size and num_layers must be positive, got 0 and 1"),
    (dict(mode="lstm", p=2), "p must be a probability, from 0 to 1, got 2.0"),
    (dict(mode="foo"), "expected one of 'gru', 'lstm'")])
def test_attributes_that_mean_nothing(attrs, message):
    with pytest.raises(mx.base.AttributeValueError, match=message):
        mx.sym.RNN(mx.sym.Variable("data"), **{"state_size": 3, "num_layers": 1, **attrs})


def test_the_number_of_parameters_tells_the_input_size():
    net = mx.sym.RNN(mx.sym.Variable("data"), mode="lstm", state_size=3, num_layers=2, name="r")
    assert net.infer_shape_partial(r_parameters=(204,))[0][0] == (0, 0, 4)
    with pytest.raises(mx.base.ShapeError, match="parameters of length 205 fit no input size; the length must be 156"):
        net.infer_shape_partial(r_parameters=(205,))


def test_layout_of_the_parameters():
    settings = Params(mode="lstm", state_size=2, num_layers=1, bidirectional=True, projection_size=None)
    slices = list(mx.ops.rnn.parameter_slices(settings, 3))
    ends = [place.stop for _, place, _ in slices]
    assert ends == sorted(ends) and slices[0][1].start == 0 and len(slices) == 32
    assert all(one.stop == other.start for (_, one, _), (_, other, _) in zip(slices, slices[1:]))
