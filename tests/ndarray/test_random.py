"""Random arrays: each distribution against scipy's, the seed, and draws inside recorded programs."""
import numpy as np
import pytest
import torch
from scipy import stats
from torch.fx.experimental.proxy_tensor import make_fx

import ganmod as mx
from ganmod.base import AttributeValueError, InputError, ShapeError
from ganmod.ops import registry

COUNT = 20000
DISTRIBUTIONS = [
    ("uniform", (-1.0, 3.0), stats.uniform(-1, 4)), ("normal", (1.0, 2.0), stats.norm(1, 2)),
    ("exponential", (3.0,), stats.expon(scale=3)), ("gamma", (2.0, 3.0), stats.gamma(2, scale=3)),
    ("gamma", (0.5, 1.0), stats.gamma(0.5)), ("poisson", (3.5,), stats.poisson(3.5)),
    ("poisson", (200.0,), stats.poisson(200)), ("negative_binomial", (3, 0.4), stats.nbinom(3, 0.4)),
    ("generalized_negative_binomial", (2.0, 0.5), stats.nbinom(2, 0.5)),
    ("generalized_negative_binomial", (2.0, 0.0), stats.poisson(2))]


def check(drawn, expected):
    """Moments within five standard errors, and the whole distribution by its distance from the true one."""
    drawn = drawn.astype("float64")
    error = 5 * expected.std() / np.sqrt(drawn.size)
    assert abs(drawn.mean() - expected.mean()) < error
    assert np.isclose(drawn.var(), expected.var(), rtol=0.1)
    if isinstance(expected.dist, stats.rv_continuous):
        assert stats.kstest(drawn, expected.cdf).pvalue > 1e-3
    else:
        values = np.arange(expected.ppf(1e-6), expected.ppf(1 - 1e-6))
        found = np.searchsorted(np.sort(drawn), values, side="right") / drawn.size
        assert np.abs(found - expected.cdf(values)).max() < 2 / np.sqrt(drawn.size)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name, parameters, expected", DISTRIBUTIONS)
def test_distribution_of_numbers(ctx, seed, name, parameters, expected, dtype):
    mx.random.seed(seed)
    drawn = getattr(mx.random, name)(*parameters, shape=COUNT, ctx=ctx, dtype=dtype)
    assert drawn.context == ctx and np.dtype(drawn.dtype).name == dtype
    check(drawn.asnumpy(), expected)


@pytest.mark.parametrize("name, parameters, expected", DISTRIBUTIONS)
def test_distribution_of_arrays(ctx, seed, name, parameters, expected):
    mx.random.seed(seed)
    others = [mx.nd.array([[1.0, p]], ctx) for p in parameters]           # the column beside must not matter
    check(getattr(mx.nd.random, name)(*others, shape=(COUNT,))[0, 1].asnumpy(), expected)


@pytest.mark.parametrize("name, parameters, expected", DISTRIBUTIONS)
def test_distribution_like(seed, name, parameters, expected):
    mx.random.seed(seed)
    if name == "exponential":
        parameters = (1 / parameters[0],)                                 # the operator takes the rate
    check(getattr(mx.nd.random, f"{name}_like")(mx.nd.zeros(COUNT), *parameters).asnumpy(), expected)


def test_whole_numbers_and_shuffles(seed, ctx):
    mx.random.seed(seed)
    drawn = mx.random.randint(-2, 5, shape=COUNT, ctx=ctx).asnumpy()
    assert set(drawn) == set(range(-2, 5)) and np.all(np.abs(np.bincount(drawn + 2) * 7 / COUNT - 1) < 0.1)
    rows = mx.random.shuffle(mx.nd.arange(300, ctx=ctx).reshape((100, 3))).asnumpy()
    assert np.array_equal(np.sort(rows[:, 0]), np.arange(0, 300, 3)) and np.all(rows[:, 1] - rows[:, 0] == 1)
    assert not np.array_equal(rows[:, 0], np.arange(0, 300, 3))


def test_multinomial(seed, ctx):
    mx.random.seed(seed)
    data = mx.nd.array([[0.1, 0.2, 0.7], [3, 1, 0]], ctx)                # the second one is scaled to sum to 1
    index, logarithm = mx.random.multinomial(data, shape=COUNT, get_prob=True)
    for row, expected in zip(index.asnumpy(), ([0.1, 0.2, 0.7], [0.75, 0.25, 0])):
        assert np.allclose(np.bincount(row, minlength=3) / COUNT, expected, atol=0.02)
    assert np.allclose(logarithm.asnumpy()[0], np.log([0.1, 0.2, 0.7])[index.asnumpy()[0]])


def test_the_seed_repeats_everything(ctx):
    def draw():
        return [getattr(mx.random, name)(*parameters, shape=(5,), ctx=ctx).asnumpy()
                for name, parameters, _ in DISTRIBUTIONS]

    for target in ("all", ctx):
        mx.random.seed(3, ctx=target)
        first, second = draw(), draw()
        mx.random.seed(3, ctx=target)
        again = draw()
        assert all(np.array_equal(a, b) for a, b in zip(first, again))
        assert not all(np.array_equal(a, b) for a, b in zip(first, second))


def test_errors():
    with pytest.raises(AttributeValueError, match="_random_normal: scale > 0 must hold, got loc=0.0, scale=-1.0"):
        mx.random.normal(0, -1)
    with pytest.raises(InputError, match="for all of its parameters alike; got loc: NDArray, scale: int"):
        mx.random.normal(mx.nd.zeros(1), 1)
    with pytest.raises(ShapeError, match="sigma"):
        mx.random.normal(mx.nd.zeros(2), mx.nd.ones((1, 2)))
    with pytest.raises(AttributeValueError, match="_random_normal has no attribute 'mu'"):
        mx.random.normal(mu=0)
    with pytest.raises(AttributeValueError, match="seed.. takes an int, got 'a'"):
        mx.random.seed("a")
    with pytest.raises(AttributeValueError, match="_random_randint: low < high must hold, got low=1, high=1"):
        mx.random.randint(1, 1)


@pytest.mark.parametrize("name", sorted(n for n, op in registry.table().items() if op.name == n
                                        and n.startswith(("_random", "_sample", "_shuffle")) and "_pdf_" not in n))
def test_recorded_draws_differ_and_repeat_under_a_seed(name):
    op = registry.find(name)
    if not op.traceable:
        pytest.skip("not recorded")
    given = {"k": 3, "p": 0.4, "low": -1, "high": 4, "shape": (50,)}
    params = op.parse({key: value for key, value in given.items() if key in op.attributes})
    inputs = [torch.full((50, 3) if name == "_sample_multinomial" else (50,), 0.4) for _ in op.inputs]
    if name == "_sample_uniform":
        inputs[0] = inputs[0] - 1
    if name == "_shuffle":
        inputs = [torch.arange(50.0)]
    program = make_fx(lambda *tensors: op.run(tensors, params)[0], tracing_mode="fake")(*inputs)
    mx.random.seed(1)
    first, second = program(*inputs)[0], program(*inputs)[0]
    mx.random.seed(1)
    assert torch.equal(program(*inputs)[0], first) and not torch.equal(second, first)
