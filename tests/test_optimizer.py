"""Optimizers and their files, without MXNet."""
import copy
import json
import pickle

import numpy as np
import pytest
import torch

import ganmod as mx
from ganmod.base import FileFormatError, InputError
from ganmod.optimizer import Adam, FusedOptimizer, Optimizer, get_updater

SETTINGS = {"dcasgd": {"momentum": 0.5}, "sgd": {"momentum": 0.9}, "nag": {"momentum": 0.9}, "lars": {"momentum": 0.9}}
NAMES = sorted(set(Optimizer.opt_registry) - {"test"})


def arrays(*shapes, seed=0, dtype="float32"):
    rng = np.random.default_rng(seed)
    return [mx.nd.array(rng.normal(size=s), dtype=dtype) for s in shapes]


def values(items):
    return [a.asnumpy() for a in items]


def flat(state):
    if isinstance(state, (list, tuple)):
        return [part for item in state for part in flat(item)]
    return [] if state is None else [state.asnumpy()]


def equal(left, right):
    return len(left) == len(right) and all((a == b).all() and a.dtype == b.dtype for a, b in zip(left, right))


@pytest.mark.parametrize("clip", [None, 0.1])
@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_left_alone(seed, name, clip):
    wd = 0.0 if name == "groupadagrad" else 0.1
    updater = get_updater(mx.optimizer.create(name, wd=wd, rescale_grad=0.5, clip_gradient=clip))
    weights, grads = arrays((4, 3), (2, 2)), arrays((4, 3), (2, 2), seed=1)
    before, started = values(grads), values(weights)
    for _ in range(2):
        updater([0, 1], grads, weights)
    assert equal(values(grads), before) and not equal(values(weights), started)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"sgld", "nadam"}))
def test_lists_equal_single_calls(name):
    shapes = [(4, 3), (2, 2), (5, 1)]
    made = []
    for together in (False, True):
        updater = get_updater(mx.optimizer.create(name, learning_rate=0.1, **SETTINGS.get(name, {})))
        weights = arrays(*shapes)
        for step in range(3):
            grads = arrays(*shapes, seed=step + 1)
            if together:
                updater([0, 1, 2], grads, weights)
            else:
                for k in range(3):
                    updater(k, grads[k], weights[k])
        made.append(values(weights) + [p for k in range(3) for p in flat(updater.states[k])])
    assert equal(*made)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"sgld"}))
def test_large_parameters_are_updated_in_pieces(monkeypatch, name):
    made = []
    for piece in (1000, 7):
        monkeypatch.setattr("ganmod.optimizer.fused._PIECE", piece)
        wd = 0.0 if name == "groupadagrad" else 0.1
        updater = get_updater(mx.optimizer.create(name, wd=wd, rescale_grad=0.5, **SETTINGS.get(name, {})))
        weights = arrays((4, 5), (2, 3))
        for step in range(3):
            updater([0, 1], arrays((4, 5), (2, 3), seed=step + 1), weights)
        made.append(values(weights) + [p for k in range(2) for p in flat(updater.states[k])])
    for whole, pieces in zip(*made):
        np.testing.assert_allclose(pieces, whole, rtol=1e-5, atol=1e-7)


def test_memory_for_a_large_gradient_is_that_of_a_piece(monkeypatch):
    monkeypatch.setattr("ganmod.optimizer.fused._PIECE", 10)
    updater = get_updater(Adam(rescale_grad=0.3))
    updater([0, 1], arrays((10, 10), (30,)), arrays((10, 10), (30,)))
    assert [[t.shape for t in kept] for kept in updater.optimizer._memory.values()] == [[(10,)]]


# --- the units of states ---------------------------------------------------------------------------------------------

def adam_by_hand(shapes, rescale, steps, **settings):
    """Weights and states after some steps of an optimizer whose states are its caller's."""
    optimizer, weights = Adam(learning_rate=0.1, rescale_grad=rescale, **settings), arrays(*shapes)
    states = [optimizer.create_state(k, w) for k, w in enumerate(weights)]
    for step in range(steps):
        optimizer.update(list(range(len(shapes))), weights, arrays(*shapes, seed=step + 1), states)
    return weights, states


SHAPES = [(4, 3), (5,)]


@pytest.mark.parametrize("rescale", [1.0, 0.5, 1 / 64, 0.3, 4.0])
@pytest.mark.parametrize("settings", [{}, dict(wd=0.1), dict(clip_gradient=0.01), dict(epsilon=0.3)], ids=str)
def test_states_kept_in_another_unit_make_the_same_steps(rescale, settings):
    """To the bit; and whoever looks at a state, at any time, sees it as the optimizer defines it."""
    weights, states = adam_by_hand(SHAPES, rescale, 4, **settings)
    updater, found = get_updater(Adam(learning_rate=0.1, rescale_grad=rescale, **settings)), arrays(*SHAPES)
    for step in range(4):
        updater([0, 1], arrays(*SHAPES, seed=step + 1), found)
        if step == 1:
            updater.get_states()
    assert equal(values(found), values(weights))
    held = updater.states[0]
    assert equal([p for k in range(2) for p in flat(updater.states[k])], [p for s in states for p in flat(s)])
    weights, states = adam_by_hand(SHAPES, rescale, 5, **settings)
    updater([0, 1], arrays(*SHAPES, seed=5), found)
    assert equal(values(found), values(weights)) and equal(flat(held), flat(states[0]))


def test_the_unit_follows_the_optimizer(monkeypatch):
    """Gradients are not rescaled where that can be left to the states; a new factor is theirs from the next step on."""
    rescaled = []
    monkeypatch.setattr(Adam, "_scaled", lambda self, grads: (
        rescaled.append(self.rescale_grad), [g * self.rescale_grad for g in grads])[1])
    factors = [0.5, 0.25, 0.3, 0.25]
    optimizer, found = Adam(learning_rate=0.1), arrays(*SHAPES)
    updater, plain, weights = get_updater(optimizer), Adam(learning_rate=0.1), arrays(*SHAPES)
    states = [plain.create_state(k, w) for k, w in enumerate(weights)]
    for step, factor in enumerate(factors):
        optimizer.rescale_grad = factor
        updater([0, 1], arrays(*SHAPES, seed=step + 1), found)
        assert (optimizer.rescale_grad, optimizer.epsilon, optimizer.wd) == (factor, 1e-8, 0.0)
    assert rescaled == [0.3]
    for step, factor in enumerate(factors):
        plain.rescale_grad = factor
        plain.update([0, 1], weights, arrays(*SHAPES, seed=step + 1), states)
    assert equal(values(found), values(weights))
    assert equal([p for k in range(2) for p in flat(updater.states[k])], [p for s in states for p in flat(s)])
    updater([0, 1], arrays(*SHAPES, seed=9), found)         # the states have been shown
    assert rescaled[-1] == 0.25


@pytest.mark.parametrize("first, then", [(True, False), (False, True)])
@pytest.mark.parametrize("rescale", [0.5, 0.3])
def test_states_belong_to_no_mode_of_torch_s(first, then, rescale):
    """What was begun in inference mode goes on outside, and the reverse; and it can be saved."""
    (weights, states), found = adam_by_hand(SHAPES, rescale, 2), arrays(*SHAPES)
    updater = get_updater(Adam(learning_rate=0.1, rescale_grad=rescale))
    for step, mode in enumerate((first, then)):
        with torch.inference_mode(mode):
            updater([0, 1], arrays(*SHAPES, seed=step + 1), found)
        with torch.inference_mode(then):
            updater.get_states()
    assert equal(values(found), values(weights))
    assert equal([p for k in range(2) for p in flat(updater.states[k])], [p for s in states for p in flat(s)])


def test_no_unit_for_what_others_define():
    """Subclasses see states as they made them, and 16 bits have no room for other units."""
    class Mine(Adam):
        def update(self, index, weight, grad, state):
            seen.append(self.rescale_grad)
            super().update(index, weight, grad, state)

    seen = []
    updater = get_updater(Mine(rescale_grad=0.5))
    updater(0, mx.nd.ones((2,)), mx.nd.ones((2,)))
    halves, whole = (get_updater(Adam(rescale_grad=0.5, multi_precision=True)) for _ in range(2))
    halves(0, mx.nd.ones((2,), dtype="float16"), mx.nd.ones((2,), dtype="float16"))
    whole(0, mx.nd.ones((2,)), mx.nd.ones((2,)))
    assert seen == [0.5] and not halves._units and not updater._units and whole._units == {0: 0.5}


def test_one_fused_call_for_all(monkeypatch):
    calls = []
    step = Adam._step
    monkeypatch.setattr(Adam, "_step", lambda self, w, *rest: (calls.append(len(w)), step(self, w, *rest)))
    shapes = [(2, 2)] * 5
    updater = get_updater(Adam(param_idx2name={k: f"{k}_{'weight' if k < 3 else 'bias'}" for k in range(5)}))
    updater(list(range(5)), arrays(*shapes), arrays(*shapes))
    updater.optimizer.wd = 0.1
    updater(list(range(5)), arrays(*shapes), arrays(*shapes))
    assert calls == [5, 3, 2]


@pytest.mark.parametrize("wd", [0.0, 0.1])
def test_adam_fused_equals_the_formula(wd):
    weights = [torch.randn(7, 3), torch.randn(5)]
    grads = [torch.randn(7, 3), torch.randn(5)]
    made = []
    for kind in ("_fused_step", "_plain_step"):
        w, state = [x.clone() for x in weights], tuple([torch.zeros_like(x) for x in weights] for _ in range(2))
        for _ in range(3):
            getattr(Adam(epsilon=1e-3), kind)(w, grads, state, 0.1, wd)
        made.append([*w, *state[0], *state[1]])
    for fused, plain in zip(*made):
        torch.testing.assert_close(fused, plain, rtol=1e-5, atol=1e-6)


def test_types_share_a_call():
    updater = get_updater(mx.optimizer.SGD(learning_rate=0.5))
    weights = [mx.nd.ones((2,)), mx.nd.ones((2,), dtype="float64")]
    updater([0, 1], [mx.nd.ones((2,)), mx.nd.ones((2,), dtype="float64")], weights)
    assert [w.asnumpy().tolist() for w in weights] == [[0.5, 0.5]] * 2


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop"])
def test_bfloat16_with_a_copy(name):
    weight = mx.nd.from_torch(torch.ones(3, dtype=torch.bfloat16))
    grad = mx.nd.from_torch(torch.ones(3, dtype=torch.bfloat16))
    updater = get_updater(mx.optimizer.create(name, multi_precision=True, learning_rate=1e-3))
    for _ in range(50):                                   # each step alone is less than a bfloat16 can tell
        updater([0], [grad], [weight])
    assert (weight.asnumpy() < 0.96).all()


def test_16_bits_alone_are_warned_of():
    with pytest.warns(UserWarning, match="multi_precision=True option of SGD"):
        mx.optimizer.SGD().create_state_multi_precision(0, mx.nd.ones((2,), dtype="float16"))


# --- programs' own -------------------------------------------------------------------------------------------------

class Halving(Optimizer):
    """An optimizer as programs write them, for one parameter."""

    def create_state(self, index, weight):
        return mx.nd.zeros(weight.shape)

    def update(self, index, weight, grad, state):
        assert isinstance(index, int) and self._get_lr(index) == 0.01 and self._get_wd(index) == 0.0
        self._update_count(index)
        weight[:] = weight.asnumpy() / 2
        state[:] = weight


class Watched(Adam):
    """A built-in one whose update is replaced."""

    seen = ()

    def update(self, index, weight, grad, state):
        self.seen += (index,)
        super().update(index, weight, grad, state)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_own_optimizers(dtype):
    updater, weights = get_updater(Halving(multi_precision=True)), [mx.nd.ones((2,), dtype=dtype) for _ in range(2)]
    updater([0, 1], weights, weights)
    assert [w.asnumpy().tolist() for w in weights] == [[0.5, 0.5]] * 2 and updater.optimizer.num_update == 1


def test_built_in_ones_with_an_update_of_their_own():
    optimizer, weights, others = Watched(), arrays((2,), (3,)), arrays((2,), (3,))
    get_updater(optimizer)([0, 1], arrays((2,), (3,), seed=1), weights)
    get_updater(Adam())([0, 1], arrays((2,), (3,), seed=1), others)
    assert optimizer.seen == (0, 1) and equal(values(weights), values(others))


def test_registering():
    Optimizer.register(Halving)
    try:
        assert isinstance(mx.optimizer.create("halving"), Halving)
        with pytest.warns(UserWarning, match="overriding existing optimizer"):
            mx.optimizer.register(type("Halving", (FusedOptimizer,), {}))
    finally:
        del Optimizer.opt_registry["halving"]


# --- files ---------------------------------------------------------------------------------------------------------

def trained(name, steps=3, **settings):
    updater = get_updater(mx.optimizer.create(name, **SETTINGS.get(name, {}), **settings))
    weights = arrays((4, 3), (2, 2))
    for step in range(steps):
        updater([0, "b"], arrays((4, 3), (2, 2), seed=step + 1), weights)
    return updater, weights


@pytest.mark.parametrize("dump_optimizer", [False, True])
@pytest.mark.parametrize("name", sorted(set(NAMES) - {"sgld"}))
def test_going_on_after_a_pause(name, dump_optimizer):
    settings = {"lr_scheduler": mx.lr_scheduler.FactorScheduler(2, 0.5, base_lr=0.01)} if dump_optimizer else {}
    updater, weights = trained(name, **settings)
    resumed = get_updater(mx.optimizer.create(name, **SETTINGS.get(name, {})))
    resumed.set_states(updater.get_states(dump_optimizer))
    if name == "nadam" and not dump_optimizer:
        resumed.optimizer.m_schedule = updater.optimizer.m_schedule
    copies = [w.copy() for w in weights]
    for one, into in ((updater, weights), (resumed, copies)):
        one([0, "b"], arrays((4, 3), (2, 2), seed=9), into)
    assert equal(values(weights), values(copies)) and resumed.optimizer.num_update == 4
    for i in (0, "b"):
        assert type(updater.states[i]) is type(resumed.states[i])
        assert equal(flat(updater.states[i]), flat(resumed.states[i]))


def test_another_kind_of_optimizer_comes_with_its_file():
    updater, _ = trained("adam", beta1=0.3, wd=0.5, lr_scheduler=mx.lr_scheduler.PolyScheduler(9, base_lr=0.4))
    other = get_updater(mx.optimizer.SGD())
    other.set_states(updater.get_states(dump_optimizer=True))
    assert type(other.optimizer) is Adam and other.optimizer.beta1 == 0.3
    assert other.optimizer.learning_rate == updater.optimizer.learning_rate


def test_copies_and_pickles_go_on():
    updater, weights = trained("adam", rescale_grad=0.5)
    for again in (copy.deepcopy(updater), pickle.loads(pickle.dumps(updater))):
        assert again.optimizer.num_update == 3 and equal(flat(again.states[0]), flat(updater.states[0]))
        again([0], arrays((4, 3)), [weights[0].copy()])


class Bomb:
    """Would leave a mark if it were unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was read",))


GOOD = trained("sgd")[0].get_states(dump_optimizer=True)
START = GOOD.index(b"{")


def with_header(change):
    """A good file with another header."""
    length = int.from_bytes(GOOD[START - 8:START], "little")
    header = json.loads(GOOD[START:START + length])
    change(header)
    text = json.dumps(header).encode()
    return GOOD[:START - 8] + len(text).to_bytes(8, "little") + text + GOOD[START + length:]


@pytest.mark.parametrize("content, message", [
    (pickle.dumps(Bomb()), "the pickle asks for .*Fail, which is none of the classes"),
    (b"", "the content is of another kind"),
    (b"abc", "the content is of another kind"),
    (GOOD[:START - 3], "header cannot be read"),
    (GOOD[:START + 9], "it is truncated"),
    (GOOD[:-5], "<buffer>"),
    (with_header(lambda h: h.pop("states")), "damaged"),
    (with_header(lambda h: h.update(states=[])), "damaged"),
    (with_header(lambda h: h.update(states={"dict": [[0, {"array": 99}]]})), "damaged"),
    (with_header(lambda h: h.update(states={"eval": "1"})), "'eval' is unknown"),
    (with_header(lambda h: h.update(counts={"dict": []})), "damaged"),
    (with_header(lambda h: h.update(optimizer=["gone", {"dict": []}])), "'gone', which is not registered"),
    (with_header(lambda h: h["optimizer"][1]["dict"].append(["lr_scheduler", {"scheduler": ["Mine", {"dict": []}]}])),
     "the scheduler 'Mine'")])
def test_foreign_files(content, message):
    updater, _ = trained("sgd", steps=1)
    with pytest.raises(FileFormatError, match=message):
        updater.set_states(content)
    assert set(updater.states) == {0, "b"} and updater.optimizer.num_update == 1


def test_settings_that_cannot_be_written():
    updater, _ = trained("sgd")
    updater.optimizer.callback = print
    with pytest.raises(InputError, match="SGD hold.*print.*cannot be written"):
        updater.get_states(dump_optimizer=True)


# --- mistakes ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("call, error, message", [
    (lambda: mx.optimizer.create("adagrat"), ValueError, "optimizer adagrat; did you mean 'adagrad'"),
    (lambda: mx.optimizer.create(Adam()), InputError, "the name of an optimizer, got Adam"),
    (lambda: mx.optimizer.create("sgd", momentun=1), TypeError, "momentun"),
    (lambda: mx.optimizer.SGD(param_idx2name=["a"]), InputError, "should be a dict"),
    (lambda: Optimizer().update(0, None, None, None), NotImplementedError, "Optimizer must define update"),
    (lambda: mx.optimizer.SGD(lr_scheduler=mx.lr_scheduler.FactorScheduler(1)).set_learning_rate(1), UserWarning,
     "already been defined"),
    (lambda: mx.optimizer.contrib.GroupAdaGrad().create_state(0, mx.nd.ones((3,))), InputError, "takes matrices")])
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()
