"""Exchanged kernels: each computes what its plain twin does; the choice can be seen, kept and switched off."""
import itertools

import numpy as np
import pytest
import torch

import ganmod as mx
from ganmod import engine
from ganmod.executor import kernels, ways, winograd
from ganmod.executor.kernels import Convolution, Product
from ganmod.executor.memory import same_bytes
from ganmod.executor.options import USUAL, options

aten = torch.ops.aten
needs_linear = pytest.mark.skipif(not ways.has_linear(), reason="needs oneDNN's matrix product")


# --- the ways --------------------------------------------------------------------------------------------------------

KERNELS = [((4, 4), (2, 2), (1, 1)), ((4, 4), (1, 1), (0, 0)), ((3, 3), (1, 1), (1, 1)), ((3, 3), (2, 2), (1, 1)),
           ((5, 5), (2, 2), (2, 2)), ((2, 4), (2, 2), (0, 1)), ((6, 6), (3, 3), (2, 1)), ((2, 2), (1, 1), (0, 0)),
           ((1, 1), (1, 1), (0, 0))]


@needs_linear
@pytest.mark.parametrize("kernel, stride, pad", KERNELS)
@pytest.mark.parametrize("size", [(6, 6), (7, 9)])
@pytest.mark.parametrize("at_once", [1, 1 << 22], ids=["one image", "all"])
@pytest.mark.parametrize("weights_at_once", [1, 1 << 22], ids=["one channel", "all channels"])
def test_each_way_is_the_library_s(rng, monkeypatch, kernel, stride, pad, size, at_once, weights_at_once):
    monkeypatch.setattr(winograd, "_MAPS_AT_ONCE", at_once)
    monkeypatch.setattr(winograd, "_WEIGHTS_AT_ONCE", weights_at_once)

    def maps(*shape):
        return torch.from_numpy(rng.standard_normal(shape).astype("float32")).contiguous(
            memory_format=torch.channels_last)

    big, weight = maps(3, 5, *size), maps(7, 5, *kernel)
    below, beside = maps(7, 1, 1, 1).flatten(), maps(5, 1, 1, 1).flatten()
    settings = stride, pad, (1, 1), False, (0, 0), 1
    small = aten.convolution.default(big, weight, below, *settings)
    head = ways.channels_last(maps(*small.shape))
    to_big, to_weight, _ = aten.convolution_backward.default(head, big, weight, None, *settings, [True, True, False])
    to_big = to_big + beside[:, None, None]
    close = {"rtol": 1e-4, "atol": 1e-4}
    whole = [ways.big_as_product(head, weight, None, size, stride, pad)]
    if all(k % s == 0 for k, s in zip(kernel, stride)):
        torch.testing.assert_close(ways.big_in_phases(head, weight, beside, size, stride, pad), to_big, **close)
        whole.append(ways.big_in_phases(head, weight, None, size, stride, pad))
    assert all(maps.is_contiguous(memory_format=torch.channels_last) for maps in whole)      # no gaps in memory
    made = [(ways.small_as_product, ways.big_as_product, ways.weight_as_product, ()),
            (ways.small_of_copies, ways.big_of_copies, ways.weight_of_copies, ())]
    if kernel == (2 * stride[0], 2 * stride[1]):
        made += [(winograd.small_by_winograd, winograd.big_by_winograd, winograd.weight_by_winograd, (tile,))
                 for tile in winograd.TILES]
    for to_small, back, learn, last in made:
        torch.testing.assert_close(to_small(big, weight, below, stride, pad, *last), small, **close)
        torch.testing.assert_close(back(head, weight, beside, size, stride, pad, *last), to_big, **close)
        torch.testing.assert_close(learn(big, head, kernel, stride, pad, *last), to_weight, **close)


@needs_linear
@torch.no_grad()
@pytest.mark.parametrize("kernel, stride, pad", KERNELS)
@pytest.mark.parametrize("size", [(6, 6), (7, 9)])
def test_kept_weights_follow_what_is_written(rng, kernel, stride, pad, size):
    """Also what numpy writes, of which torch knows nothing; in between, a weight is prepared once."""
    def maps(*shape):
        return torch.from_numpy(rng.standard_normal(shape).astype("float32"))
    settings = stride, pad, (1, 1), False, (0, 0), 1
    weight, below, beside = maps(7, 5, *kernel), maps(7), maps(5)
    big = ways.channels_last(maps(3, 5, *size))
    small = ways.channels_last(aten.convolution.default(big, weight, None, *settings))
    made = [ways.kept_product, lambda *args: ways.packed(big.shape if args[0] is None else small.shape, *args)]
    if kernel == (2 * stride[0], 2 * stride[1]):
        made += [lambda size, _, *settings, tile=tile: winograd.kept_winograd(size, *settings, tile)
                 for tile in winograd.TILES]
    for make in made:
        to_small, to_big = make(None, kernel, stride, pad), make(size, kernel, stride, pad)
        for change in (0, 1, 1):
            weight.numpy()[-1, -1, -1, -1] += change
            expected = aten.convolution_backward.default(small, big, weight, None, *settings, [True, False, False])[0]
            torch.testing.assert_close(to_small(big, weight, below), aten.convolution.default(
                big, weight, below, *settings), rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(to_big(small, weight, beside), expected + beside[:, None, None], rtol=1e-4,
                                       atol=1e-4)
            kept = to_small._kept
            to_small(big, weight, below)
            assert to_small._kept is kept


# --- programs --------------------------------------------------------------------------------------------------------

def chain(layer, layers, no_bias):
    """Convolutions of both kinds with all that may stand between them; the end takes them out of the layout."""
    net = mx.sym.Variable("data")
    for k, settings in enumerate(layers):
        net = layer(net, name=f"c{k}", num_filter=3 + k, no_bias=no_bias, **settings)
        net = mx.sym.BatchNorm(net, name=f"bn{k}", fix_gamma=False)
        net = mx.sym.LeakyReLU(net, slope=0.2) if k % 2 else mx.sym.Activation(net, act_type="relu")
    net = mx.sym.Activation(net, act_type="tanh", name="maps")
    judged = mx.sym.FullyConnected(mx.sym.Flatten(net), num_hidden=6, name="fc")
    return mx.sym.Group([net, mx.sym.LogisticRegressionOutput(judged, mx.sym.Variable("label"), name="out")])


def results(symbol, fast, options=USUAL, **shapes):
    """Outputs, gradients and states of a forward and two backwards; and the executor."""
    executor = symbol.simple_bind(mx.cpu(), grad_req={n: "null" if n == "label" else "write"
                                                      for n in symbol.list_arguments()}, options=options, **shapes)
    rng = np.random.default_rng(0)
    for array in executor.arg_arrays:
        array[:] = rng.standard_normal(array.shape)
    with engine.fast_kernels(fast):
        outputs = executor.forward(is_train=True)
        head = mx.nd.array(rng.standard_normal(outputs[0].shape))
        executor.backward([head, None])
        first = executor.grad_dict["data"].asnumpy()
        executor.backward([head, None])                    # saved values are as they were
    np.testing.assert_array_equal(executor.grad_dict["data"].asnumpy(), first)
    assert all(o.as_torch().is_contiguous() for o in outputs)
    found = {**executor.output_dict, **executor.grad_dict, **{f"{n} state": a for n, a in executor.aux_dict.items()}}
    return {n: a.asnumpy() for n, a in found.items() if a is not None}, executor


CHAINS = [[dict(kernel=(4, 4), stride=(2, 2), pad=(1, 1))] * 2, [dict(kernel=(3, 3), pad=(1, 1)), dict(kernel=(5, 5))],
          [dict(kernel=(3, 3), stride=(2, 2)), dict(kernel=(1, 1))]]


@needs_linear
@pytest.mark.parametrize("preferred", [("channels last",), ("copies",), ("product", "onednn"), ("phases", "product"),
                                       ("winograd 2", "product"), ("winograd 4", "product")], ids=" ".join)
@pytest.mark.parametrize("layer", [mx.sym.Convolution, mx.sym.Deconvolution], ids=["Convolution", "Deconvolution"])
@pytest.mark.parametrize("layers", CHAINS)
@pytest.mark.parametrize("no_bias", [True, False])
def test_programs_compute_the_same(prefer, preferred, layer, layers, no_bias):
    prefer(*preferred)
    symbol = chain(layer, layers, no_bias)
    size = 17 if layers is CHAINS[0] and layer is mx.sym.Convolution else 11     # where Winograd's tiles fit in
    shapes = dict(data=(4, 2, size, size))
    plain, fast = results(symbol, False, **shapes)[0], results(symbol, True, **shapes)[0]
    assert plain.keys() == fast.keys()
    for name, array in plain.items():
        np.testing.assert_allclose(fast[name], array, rtol=1e-3, atol=1e-3 * max(1, np.abs(array).max()), err_msg=name)
    taken = {kernels.chosen(times, "channels last") for times in kernels.timings().values() if "channels last" in times}
    assert preferred[0] in taken or layers is not CHAINS[0]


@pytest.mark.parametrize("no_bias", [True, False])
@pytest.mark.parametrize("way", ["swapped", pytest.param("onednn", marks=needs_linear)])
def test_products_compute_the_same(prefer, way, no_bias):
    """Where x has fewer rows than w; where it has more, their transposes are of no use."""
    prefer(way)
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=7, no_bias=no_bias, name="a")
    net = mx.sym.FullyConnected(mx.sym.Activation(net, act_type="tanh"), num_hidden=3, no_bias=no_bias, name="b")
    net = mx.sym.Group([net, mx.sym.LogisticRegressionOutput(net, mx.sym.Variable("label"))])
    (plain, _), (fast, executor) = (results(net, fast, data=(5, 4)) for fast in (False, True))
    for name, array in plain.items():
        np.testing.assert_allclose(fast[name], array, rtol=1e-5, atol=1e-6, err_msg=name)
    code = list(executor._programs.values())[0].code()
    assert code.count(" = ganmod_executor_ways_swapped(") == (way == "swapped")
    assert (" = ganmod_executor_ways_linear(" in code) == (way == "onednn")


@needs_linear
@pytest.mark.parametrize("way", ["kept product", "packed", "kept winograd 2", "kept winograd 4"])
@pytest.mark.parametrize("layer", [mx.sym.Convolution, mx.sym.Deconvolution], ids=["Convolution", "Deconvolution"])
@pytest.mark.parametrize("layers", CHAINS)
@pytest.mark.parametrize("no_bias", [True, False])
def test_programs_without_gradients_keep_weights(rng, prefer, way, layer, layers, no_bias):
    """They give what others do, for the weights of the moment."""
    prefer(way)
    executor = chain(layer, layers, no_bias)[0].simple_bind(mx.cpu(), data=(4, 2, 17, 17))
    for _ in range(2):
        for array in executor.arg_arrays:
            array[:] = rng.standard_normal(array.shape)
        for array in executor.aux_arrays:                  # without a variance of about 1, rounding would grow
            array[:] = rng.uniform(0.5, 1.5, array.shape)
        found = []
        for fast in (True, False):
            with engine.fast_kernels(fast):
                found.append(executor.forward()[0].asnumpy())
        np.testing.assert_allclose(*found, rtol=1e-3, atol=1e-3)
    programs = [program.code() for program in executor._programs.values()]
    possible = "winograd" not in way or layers is CHAINS[0]
    assert [way.rstrip(" 24").replace(" ", "_") in code for code in programs] == [possible, False]


WRITERS = {
    "assignment": lambda w: w.__setitem__(slice(None), 2), "of a part": lambda w: w[1:2].__setitem__(slice(None), 2),
    "in place": lambda w: w.__iadd__(1), "copyto": lambda w: (w + 1).copyto(w), "out": lambda w: mx.nd.exp(w, out=w),
    "through a view": lambda w: w.reshape((-1,)).detach().__iadd__(1), "random": lambda w: mx.nd.random.normal(out=w),
    "optimizer": lambda w: mx.optimizer.get_updater(mx.optimizer.Adam(0.1))(0, mx.nd.ones(w.shape), w),
    "optimizer's operator": lambda w: mx.nd.sgd_update(w, mx.nd.ones(w.shape), lr=0.1, out=w),
    "torch": lambda w: w.as_torch().mul_(2), "torch, in secret": lambda w: w.as_torch().data.mul_(2),
    "torch, by a view": lambda w: w[0:2].as_torch().data.mul_(2),
    "numpy": lambda w: w.as_torch().numpy().__iadd__(1), "DLPack": lambda w: torch.from_dlpack(w).numpy().__iadd__(1),
    "a capsule": lambda w: torch.from_dlpack(w.to_dlpack_for_write()).numpy().__iadd__(1),
    "in inference mode": torch.inference_mode()(lambda w: w.__iadd__(1)),
}


@needs_linear
@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("shown", [False, True], ids=["private", "shown before"])
def test_kept_weights_follow_every_writer(prefer, writer, shown):
    """Weights that nobody else has seen are not compared, but nothing that is written to them goes unnoticed."""
    prefer("packed")
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=4, no_bias=True, name="c")
    module = mx.mod.Module(net, label_names=None)
    module.bind([("data", (2, 3, 9, 9))], for_training=False)
    module.init_params(mx.init.Normal(0.5))
    weight, batch = module._exec_group.execs[0].arg_dict["c_weight"], mx.io.DataBatch([mx.nd.ones((2, 3, 9, 9))])
    if shown:
        weight.as_torch()
    for _ in range(3):
        module.forward(batch)
        kept, = _kept(module)
        (seen, version), _ = kept._kept[0]                  # of the weight, and of the bias that is not there
        assert (seen is weight._tensor) == (version is not None) == (not shown)
    before = weight.asnumpy()
    WRITERS[writer](weight)
    assert (weight.asnumpy() != before).any()
    module.forward(batch)
    found = module.get_outputs()[0].asnumpy()
    with engine.fast_kernels(False):
        module.forward(batch)
    np.testing.assert_allclose(found, module.get_outputs()[0].asnumpy(), rtol=1e-4, atol=1e-4)


def _kept(module):
    """The convolutions of a module's programs whose weights are kept."""
    programs = module._exec_group.execs[0]._programs.values()
    return [n.target for p in programs for n in p._forward.graph.nodes if isinstance(n.target, ways.Kept)]


@pytest.mark.parametrize("preferred", [("channels last",), ("copies",), ("product", "onednn"), ("phases", "product")],
                         ids=" ".join)
@pytest.mark.parametrize("layer", [mx.sym.Convolution, mx.sym.Deconvolution], ids=["Convolution", "Deconvolution"])
def test_programs_in_bfloat16_compute_the_same(prefer, preferred, layer):
    """Up to the roundings, which differ: both are as far from float32."""
    prefer(*preferred)
    symbol, shapes = chain(layer, CHAINS[0], True), dict(data=(4, 2, 11, 11))
    expected = results(symbol, False, **shapes)[0]
    errors = [{n: np.linalg.norm(array - expected[n]) / np.linalg.norm(expected[n]) for n, array in found.items()}
              for found in (results(symbol, fast, options("bfloat16"), **shapes)[0] for fast in (False, True))]
    for name in (*symbol.list_outputs(), "fc_weight", "c1_weight"):
        assert errors[1][name] < max(3 * errors[0][name], 0.02), name


@needs_linear
def test_the_recorded_program_tells(prefer):
    prefer("phases", "product", "onednn")
    executor = results(chain(mx.sym.Deconvolution, CHAINS[0], True), True, data=(2, 2, 5, 5))[1]
    for name in ("big_in_phases", "weight_as_product", "ways_linear", "memory_format"):
        assert name in executor.debug_str()


def test_measuring_is_announced_once(unmeasured, caplog):
    with caplog.at_level("INFO", "ganmod"):
        for _ in range(2):
            results(chain(mx.sym.Deconvolution, CHAINS[0], True), True, data=(2, 2, 5, 5))
    assert caplog.text.count("measuring which way") == 1


@pytest.mark.parametrize("layer, settings", [
    (mx.sym.Convolution, dict(kernel=(3, 3), num_group=2)), (mx.sym.Convolution, dict(kernel=(3, 3), dilate=(2, 2))),
    (mx.sym.Convolution, dict(kernel=(3, 3), stride=(2, 1))), (mx.sym.Deconvolution, dict(kernel=(3, 3), num_group=2))])
def test_what_is_left_to_the_library(prefer, layer, settings):
    """Beside an ordinary convolution, whose maps it shares."""
    prefer("product")
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=4, name="ordinary")
    net = mx.sym.MakeLoss(mx.sym.sum(layer(net, num_filter=4, name="other", **settings) ** 2))
    net = mx.sym.Group([mx.sym.BlockGrad(net), net])
    executors = []
    for fast in (False, True):
        executor = net.simple_bind(mx.cpu(), data=(2, 3, 9, 9), grad_req="write")
        for array in executor.arg_arrays:
            array[:] = np.random.default_rng(0).standard_normal(array.shape)
        with engine.fast_kernels(fast):
            executor.forward(is_train=True)
            executor.backward()
        executors.append(executor)
    for name, array in executors[0].grad_dict.items():
        np.testing.assert_allclose(executors[1].grad_dict[name].asnumpy(), array.asnumpy(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("axes", [(0, 1, 2, 3), (0, 1, 3, 2)])
def test_random_numbers_do_not_depend_on_the_layout(prefer, axes):
    prefer()
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=4)
    net = mx.sym.Dropout(mx.sym.transpose(net, axes=axes), p=0.5)
    found = []
    for fast in (False, True):
        executor = net.simple_bind(mx.cpu(), data=(2, 3, 9, 9))
        executor.arg_dict["data"][:] = 1
        executor.arg_dict[net.list_arguments()[1]][:] = 1
        mx.random.seed(3)
        with engine.fast_kernels(fast):
            found.append(executor.forward(is_train=True)[0].asnumpy())
    np.testing.assert_array_equal(found[0] == 0, found[1] == 0)


def test_other_dtypes_are_left_alone(unmeasured):
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=4)
    net.simple_bind(mx.cpu(), type_dict={"data": "float64"}, data=(2, 3, 9, 9)).forward(is_train=True)
    assert not kernels.timings()


# --- choosing --------------------------------------------------------------------------------------------------------

CONVOLUTION = Convolution("small", (4, 3, 9, 9), (4, 5, 4, 4), (3, 3), (2, 2), (0, 0))


def test_measuring(unmeasured):
    for task in (CONVOLUTION, CONVOLUTION._replace(wanted="big"), CONVOLUTION._replace(wanted="weight"),
                 Product(8, 16, 32, (False, True))):
        times = kernels.measured(task)
        assert set(times) == set(task.names()) == set(task.ways()) and all(t > 0 for t in times.values())
        assert kernels.measured(task) is times
    assert len(kernels.timings()) == 4


def test_what_measuring_took_is_given_back(prefer, monkeypatch):
    """After each task, so that memory is what the largest takes, and not all."""
    given = []
    monkeypatch.setattr(kernels, "give_back", lambda: given.append(len(kernels.timings())))
    prefer("product")
    for task in (CONVOLUTION, CONVOLUTION, CONVOLUTION._replace(wanted="big")):
        kernels.measured(task)
    assert given == [1, 2]


@pytest.mark.parametrize("seconds, far", [(0.0, 9), (1e3, 1)])
def test_a_slow_moment_does_not_decide(monkeypatch, seconds, far):
    """Each way is run in at least three turns, unless two have shown that it is far from the best, and take long."""
    monkeypatch.setattr(kernels, "_SECONDS", seconds)
    monkeypatch.setattr(kernels, "_MOST_TURNS", 3)
    monkeypatch.setattr(kernels, "_seconds", next)
    found = kernels._measure({"quick": iter([9, 7, 3]), "even": iter([9, 4, 4]), "far": iter([99, 9, 1])})
    assert found == {"quick": 3, "even": 4, "far": far}


def test_a_way_has_to_be_clearly_faster():
    assert kernels.chosen({"library": 1.0, "onednn": 0.95}, "library") == "library"
    assert kernels.chosen({"library": 1.0, "onednn": 0.5}, "library") == "onednn"
    assert kernels.chosen({"library": 0.1, "channels last": 1.0, "product": 0.95}, "channels last") == "channels last"


def test_small_ones_are_not_measured(monkeypatch):
    monkeypatch.setattr(kernels, "_timings", {})
    results(chain(mx.sym.Convolution, CHAINS[0], True), True, data=(2, 2, 11, 11))
    assert not kernels.timings()


def test_the_report(prefer):
    prefer("product")
    kernels.measured(CONVOLUTION)
    title, line = kernels.report().splitlines()
    assert line.startswith("small of big 4x3x9x9, small 4x5x4x4, kernel 3x3, stride 2x2, pad 0x0, torch.float32; ")
    assert ("product [" in line) == ways.has_linear() and "library 1e+0" in line


def test_the_switch():
    assert engine.has_fast_kernels()
    with engine.fast_kernels(False):
        assert not engine.has_fast_kernels() and engine.set_fast_kernels(True) is False
    assert engine.has_fast_kernels()


def test_a_backward_fits_its_forward(prefer):
    """Though the switch is turned between them."""
    prefer("product")
    symbol = chain(mx.sym.Convolution, CHAINS[0], True)
    executor = results(symbol, True, data=(2, 2, 11, 11))[1]
    head, found = [mx.nd.ones(executor.outputs[0].shape), None], []
    for forward, backward in itertools.product((True, False), repeat=2):
        with engine.fast_kernels(forward):
            executor.forward(is_train=True)
        with engine.fast_kernels(backward):
            executor.backward(head)
        found.append(executor.grad_dict["c0_weight"].asnumpy())
    assert np.abs(found[0]).max() > 0
    for one, other, same in ((0, 1, True), (2, 3, True), (0, 2, False)):
        np.testing.assert_allclose(found[one], found[other], rtol=1e-3, atol=1e-3 * np.abs(found[0]).max())
        assert not same or (found[one] == found[other]).all()


def test_timings_of_another_process_decide(unmeasured):
    """Also on programs that are there already."""
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=4, no_bias=True, name="c")
    executor = net.simple_bind(mx.cpu(), data=(2, 3, 9, 9))
    executor.forward(is_train=True)
    known = kernels.timings()
    for preferred, expected in (("channels last", True), ("library", False)):
        before = kernels.generation()
        kernels.set_timings({key: {name: 0.1 if name == preferred else 1.0 for name in times}
                             for key, times in known.items()})
        executor.forward(is_train=True)
        assert kernels.generation() == before + 1
        program = list(executor._programs.values())[-1]
        assert ("memory_format" in program.code()) == expected
    kernels.set_timings(kernels.timings())
    assert kernels.generation() == before + 1


# --- memory ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("lay", [torch.clone, torch.t, ways.channels_last], ids=["in order", "transposed", "last"])
def test_the_same_bytes_are_told(lay):
    one = lay(torch.arange(48.).reshape((2, 4, 2, 3) if lay is ways.channels_last else (6, 8)))
    other = one.clone()
    assert same_bytes(one, other)
    other[-1, -1] += 1e-3
    assert not same_bytes(one, other)


def test_activations_write_over_what_nothing_needs():
    executor = results(chain(mx.sym.Convolution, CHAINS[0], True), True, data=(2, 2, 11, 11))[1]
    programs, = executor._programs.values()
    forward = {n.target for n in programs._forward.graph.nodes}
    backward = {n.target for program in programs._backward.values() for n in program.graph.nodes}
    assert {aten.relu_.default, aten.leaky_relu_.default} <= forward
    assert {aten.leaky_relu_backward.grad_input, aten.threshold_backward.grad_input} <= backward


@pytest.mark.parametrize("expression", [
    lambda x: mx.sym.Activation(x, act_type="relu"),       # of an argument
    lambda x: mx.sym.Activation(mx.sym.Reshape(x, shape=(-1,)), act_type="relu"),   # of a view of one
    lambda x: mx.sym.Group([x * 2, mx.sym.Activation(x * 2, act_type="tanh")]),
    lambda x: (lambda y: mx.sym.Group([mx.sym.Activation(y, act_type="tanh"), y]))(x * 2),   # of an output
    lambda x: (lambda y: mx.sym.Activation(y, act_type="tanh") + y)(x * 2),
])
def test_nothing_else_is_written_over(expression):
    executor = expression(mx.sym.Variable("x")).bind(mx.cpu(), {"x": mx.nd.array([[-1.0, 2], [3, -4]])},
                                                     {"x": mx.nd.zeros((2, 2))})
    first = [o.asnumpy() for o in executor.forward(is_train=True)]
    executor.backward([mx.nd.ones(o.shape) for o in executor.outputs])
    gradient = executor.grad_dict["x"].asnumpy()
    np.testing.assert_array_equal(executor.arg_dict["x"].asnumpy(), [[-1, 2], [3, -4]])
    for before, after in itertools.zip_longest(first, executor.forward(is_train=True)):
        np.testing.assert_array_equal(after.asnumpy(), before)
    executor.backward([mx.nd.ones(o.shape) for o in executor.outputs])
    np.testing.assert_array_equal(executor.grad_dict["x"].asnumpy(), gradient)
