"""Measures of quality beside reference formulas and recorded values, features, and the classifier."""
import logging
import random

import numpy as np
import pytest

import ganmod as mx
from ganmod import gan
from ganmod.base import InputError, ShapeError
from ganmod.executor import kernels


def two_sets(n, m, width, seed=0):
    rng = np.random.RandomState(seed)
    mixing = rng.normal(size=(2, width, width)) / width ** 0.5
    return rng.normal(size=(n, width)) @ mixing[0], (rng.normal(size=(m, width)) + 0.2) @ mixing[1]


# --- distances --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("n, m, width", [(600, 500, 32), (300, 250, 64), (40, 60, 64)], ids=["a", "b", "no full rank"])
def test_frechet_distance(n, m, width):
    """The formula with scipy's general matrix root."""
    linalg = pytest.importorskip("scipy.linalg")
    a, b = two_sets(n, m, width)
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    root = linalg.sqrtm(cov_a @ cov_b)
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root.real)
    tight = 1e-9 if min(n, m) > width else 1e-5            # there, it is scipy's root that is inexact
    np.testing.assert_allclose(gan.frechet_distance(a, b), expected, rtol=tight)
    np.testing.assert_allclose(gan.frechet_distance(mx.nd.array(a), mx.nd.array(b)), expected, rtol=1e-5)
    np.testing.assert_allclose(gan.frechet_distance(b, a), gan.frechet_distance(a, b), rtol=1e-9)
    assert gan.frechet_distance(a, a) < 1e-9
    np.testing.assert_allclose(gan.frechet_distance(a, a + 0.5), width / 4, rtol=1e-9)


def test_frechet_distance_in_closed_form():
    """Independent features: the root of the product of the variances; large and small scales do not disturb it."""
    rng = np.random.RandomState(1)
    base = rng.normal(size=(200, 4))
    base = np.linalg.qr(base - base.mean(0))[0] * 199 ** 0.5               # mean 0, covariance exactly 1
    one, two = np.array([1e4, 1, 1e-4, 0]), np.array([2e4, 3, 5e-4, 1])
    np.testing.assert_allclose(gan.frechet_distance(base * one, base * two), ((one - two) ** 2).sum(), rtol=1e-9)


def test_kernel_distance():
    """The unbiased estimate by loops over pairs, on the whole sets; and its mean over subsets."""
    a, b = two_sets(30, 30, 5)

    def kernel(x, y):
        return (x @ y / 5 + 1) ** 3
    pairs = [(i, j) for i in range(30) for j in range(30) if i != j]
    within = [np.mean([kernel(s[i], s[j]) for i, j in pairs]) for s in (a, b)]
    expected = sum(within) - 2 * np.mean([kernel(x, y) for x in a for y in b])
    found = gan.kernel_distance(a, b, subsets=3)
    np.testing.assert_allclose(found.mean, expected, rtol=1e-9)
    assert found.deviation < 1e-12
    other = gan.kernel_distance(a, b, subsets=400, subset_size=20, degree=3, gamma=0.2, coef0=1)
    assert abs(other.mean - expected) < 4 * other.deviation / 20 and other.deviation > 0.01
    assert gan.kernel_distance(a, b, subsets=5, subset_size=9, seed=1) == \
        gan.kernel_distance(mx.nd.array(a, dtype="float64"), b, subsets=5, subset_size=9, seed=1)


@pytest.mark.parametrize("k", [1, 3])
def test_precision_and_recall(k):
    """By the definition, point by point."""
    a, b = two_sets(70, 50, 6)

    def share(samples, others):
        radii = [sorted(np.linalg.norm(o - p) for p in others)[k] for o in others]
        return np.mean([any(np.linalg.norm(s - o) <= r for o, r in zip(others, radii)) for s in samples])
    found = gan.precision_recall(a, b, k)
    assert found == (share(b, a), share(a, b)) and 0 < found.precision != found.recall < 1
    assert gan.precision_recall(a, a, k) == (1, 1) and gan.precision_recall(a, a + 100, k) == (0, 0)
    half = gan.precision_recall(np.concatenate([a, a + 100]), a, k)        # one of two modes is lost
    assert half == (1, 0.5)


@pytest.mark.parametrize("k", [1, 5])
def test_density_and_coverage(k):
    a, b = two_sets(70, 50, 6)
    radii = [sorted(np.linalg.norm(o - p) for p in a)[k] for o in a]
    within = np.array([[np.linalg.norm(s - o) <= r for s in b] for o, r in zip(a, radii)])
    found = gan.density_coverage(a, b, k)
    np.testing.assert_allclose(found, (within.sum() / (k * 50), within.any(1).mean()))
    assert 0 < found.coverage < 1
    assert gan.density_coverage(a, a, k).coverage == 1 and gan.density_coverage(a, a + 100, k) == (0, 0)
    assert gan.density_coverage(np.concatenate([a, a + 100]), a, k).coverage == 0.5


def test_many_samples():
    """More than fit one block of distances; the block's borders do not show."""
    a, b = two_sets(2500, 1100, 2)
    order = np.random.RandomState(0).permutation
    for measure in (gan.precision_recall, gan.density_coverage):
        np.testing.assert_allclose(measure(a, b), measure(order(a), order(b)))


def test_recorded_values():
    """What torch-fidelity 0.4.0 says of these features, with the seed of its subsets."""
    rng = np.random.RandomState(7)
    a = rng.normal(size=(120, 12)).astype("float32")
    b = (rng.normal(size=(90, 12)) * 0.9 + 0.3).astype("float32")
    np.testing.assert_allclose(gan.frechet_distance(a, b), 2.0616929691917, rtol=1e-5)
    np.testing.assert_allclose(gan.kernel_distance(a, b, 30, 40), (0.2699203888575236, 0.10368443628010679), rtol=1e-5)
    np.testing.assert_allclose(gan.precision_recall(a, b), (0.9, 0.7), rtol=1e-6)


def test_mode_coverage():
    found = gan.mode_coverage(mx.nd.array([0, 2, 2, 3]), 5, least=2)
    assert found.modes == 1 and found.share == 0.2 and found.shares.tolist() == [0.25, 0, 0.5, 0.25, 0]
    np.testing.assert_allclose(found.divergence, sum(s * np.log(s * 5) for s in (0.25, 0.5, 0.25)))
    scores = np.eye(3)[[0, 1, 2, 2]]
    assert gan.mode_coverage(scores, 3, expected=[10, 10, 20]).divergence == 0
    assert gan.mode_coverage(scores, 3, expected=[1, 1, 0]).divergence == np.inf
    assert gan.mode_coverage(scores, 3).modes == 3


# --- features ---------------------------------------------------------------------------------------------------------

def network():
    net = mx.sym.Convolution(mx.sym.Variable("picture"), kernel=(3, 3), num_filter=2, name="conv")
    net = mx.sym.Dropout(mx.sym.BatchNorm(net, name="bn", fix_gamma=False), p=0.5, name="drop")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=3, name="fc"), name="softmax")


def test_features(rng, ctx):
    """Those of a module, a symbol with parameters and a file are the same, and what the statistics say."""
    module = mx.mod.Module(network(), ["picture"], ["softmax_label"], context=ctx)
    module.bind([("picture", (4, 1, 4, 4))], [("softmax_label", (4,))])
    module.init_params(mx.init.Normal(1))
    arguments, states = module.get_params()
    states["bn_moving_mean"][:], states["bn_moving_var"][:] = mx.nd.array([1, -2]), mx.nd.array([4, 0.25])
    module.set_params(arguments, states)
    images = rng.normal(size=(7, 1, 4, 4)).astype("float32")
    found = gan.features(module, images, "drop_output", batch_size=3).asnumpy()

    values = {name: array.asnumpy() for name, array in {**arguments, **states}.items()}
    windows = np.lib.stride_tricks.sliding_window_view(images[:, 0], (3, 3), (1, 2))
    maps = np.einsum("nhwij,cij->nchw", windows, values["conv_weight"][:, 0]) + values["conv_bias"][:, None, None]
    scale = values["bn_gamma"] / np.sqrt(values["bn_moving_var"] + 1e-3)
    expected = (maps - values["bn_moving_mean"][:, None, None]) * scale[:, None, None] + \
        values["bn_beta"][:, None, None]
    np.testing.assert_allclose(found, expected.reshape(7, 8), rtol=1e-3, atol=1e-4)

    prefixed = {**{f"arg:{n}": a for n, a in arguments.items()}, **{f"aux:{n}": a for n, a in states.items()}}
    for again in (gan.features(network(), mx.nd.array(images), "drop", {**arguments, **states}, context=ctx),
                  gan.features(network(), images, "drop", prefixed, batch_size=7, context=ctx)):
        np.testing.assert_allclose(again.asnumpy(), found, rtol=1e-5, atol=1e-6)
    chances = gan.features(module, images, "softmax").asnumpy()            # of a loss layer, without its label
    scores = found @ values["fc_weight"].T + values["fc_bias"]
    np.testing.assert_allclose(chances, np.exp(scores) / np.exp(scores).sum(1, keepdims=True), rtol=1e-4, atol=1e-6)
    assert tuple(module.data_shapes[0].shape) == (4, 1, 4, 4)


@pytest.mark.parametrize("call, error, message", [
    (lambda a: gan.frechet_distance(a, a[:, :2]), ShapeError, r"got shapes \(9, 3\) and \(9, 2\)"),
    (lambda a: gan.frechet_distance(a, a[:1]), ShapeError, "of 2 samples or more"),
    (lambda a: gan.frechet_distance(a, a * np.nan), InputError, r"frechet_distance\(\): the features hold nan or inf"),
    (lambda a: gan.kernel_distance(a, a, subset_size=1), InputError, "100 subsets of 1 samples are not enough"),
    (lambda a: gan.precision_recall(a, a[:3]), ShapeError, "of 4 samples or more"),
    (lambda a: gan.precision_recall(a, a, 0), InputError, "k must be 1 or more, got 0"),
    (lambda a: gan.density_coverage(a, a, 0), InputError, "k must be 1 or more, got 0"),
    (lambda a: gan.features(mx.sym.square(mx.sym.Variable("x"), name="y"), "a", "y", {}), InputError, "an NDArray"),
    (lambda a: gan.mode_coverage([0, 3], 3), InputError, "whole numbers from 0 to 2"),
    (lambda a: gan.mode_coverage(a, 4), ShapeError, r"expected \(N,\) or \(N, 4\), got \(9, 3\)"),
    (lambda a: gan.mode_coverage([0], 2, [1, 2, 3]), InputError, "expected must be 2 shares"),
    (lambda a: gan.features(network(), a, "fc"), InputError, "a symbol needs params"),
    (lambda a: gan.features(network(), a, "bnn_output", {}), InputError, "no output 'bnn_output'; did you mean 'bn_"),
    (lambda a: gan.features(network(), a, "conv", {}), InputError, "no parameters for picture, conv_weight, conv_bias"),
    (lambda a: gan.features(mx.mod.Module(network(), ["picture"]), a, "fc"), AssertionError, "with parameters"),
    (lambda a: gan.train_classifier(a, a), ShapeError, "expected 64 images or more"),
    (lambda a: gan.train_classifier(np.ones((64, 1, 8, 8)), np.full(64, 2), 2), InputError, "numbers from 0 to 1")])
def test_mistakes(call, error, message):
    with pytest.raises(error, match=message):
        call(np.random.RandomState(0).normal(size=(9, 3)))


# --- the classifier ---------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def digits():
    """scikit-learn's digits: images and labels to train on, and others."""
    data = pytest.importorskip("sklearn.datasets").load_digits()
    order = np.random.RandomState(0).permutation(len(data.target))
    images, labels = data.images[order, None] / 8 - 1, data.target[order]
    return images[:1300], labels[:1300], images[1300:], labels[1300:]


@pytest.fixture(scope="module")
def classifier(digits):
    return gan.train_classifier(*digits[:2])


def test_it_learns_and_measures(digits, classifier):
    """Held-out digits are recognised; the measures see noise, and a generator that draws one digit only."""
    images, labels, others, expected = digits
    assert classifier.accuracy(others, expected) > 0.97
    assert classifier.predict(others).asnumpy().dtype == np.int64
    np.testing.assert_allclose(classifier.probabilities(others).asnumpy().sum(1), 1, rtol=1e-5)

    real = classifier.features(images[:500])
    noise = np.random.RandomState(0).uniform(-1, 1, others.shape)
    threes = images[500:][labels[500:] == 3]
    good, bad, lost = (classifier.features(x) for x in (others, noise, threes))
    assert real.shape == (500, 128)
    for distance in (gan.frechet_distance, lambda a, b: gan.kernel_distance(a, b, 20, 50).mean):
        assert distance(real, good) < 0.2 * min(distance(real, bad), distance(real, lost))
    assert min(gan.precision_recall(real, good)) > 0.8 and gan.precision_recall(real, bad).precision < 0.2
    found = gan.precision_recall(real, lost)
    assert found.precision > 0.8 and found.recall < 0.2
    assert gan.mode_coverage(classifier.predict(others), 10).modes == 10
    assert gan.mode_coverage(classifier.predict(threes), 10, least=5).modes == 1


def test_it_leaves_no_trace(digits, caplog, capsys):
    """The program's random numbers go on, nothing is said, and the seed alone decides."""
    images, labels = digits[0][:256], digits[1][:256]
    def numbers():
        return [*mx.nd.random.normal(shape=(2,)).asnumpy(), *np.random.rand(2), random.random()]

    def seeded(value):
        for start in (mx.random.seed, np.random.seed, random.seed):
            start(value)
    found = []
    with caplog.at_level(logging.INFO):
        for value in (1, 2):
            seeded(value)
            made = gan.train_classifier(images, labels, epochs=1)
            drawn = numbers()
            seeded(value)
            assert drawn == numbers()
            found.append({n: a.asnumpy() for n, a in made.module.get_params()[0].items()})
    assert not caplog.records and capsys.readouterr() == ("", "")
    for name in found[0]:
        np.testing.assert_array_equal(found[0][name], found[1][name])
    other = gan.train_classifier(images, labels, epochs=1, seed=5).module.get_params()[0]
    assert any((other[name].asnumpy() != found[0][name]).any() for name in found[0])


def test_no_timing_decides_on_it(digits, monkeypatch):
    """What it becomes does not depend on the machine's moment, as kernels that are timed would have it."""
    monkeypatch.setattr(kernels, "_FEWEST", dict.fromkeys(kernels._FEWEST, 0))
    monkeypatch.setattr(kernels, "_timings", {})
    gan.train_classifier(*digits[:2], epochs=1)
    assert not kernels.timings() and mx.engine.has_fast_kernels()


def test_all_measures_at_once(digits, classifier):
    """They are those of the functions; and in words, a line for each."""
    images, _, others, _ = digits
    found = classifier.quality(images[:400], others)
    real, generated = classifier.features(images[:400]), classifier.features(others)
    assert found.frechet == gan.frechet_distance(real, generated)
    assert found.kernel == gan.kernel_distance(real, generated).mean
    assert (found.precision, found.recall) == gan.precision_recall(real, generated)
    assert (found.density, found.coverage) == gan.density_coverage(real, generated)
    assert (found.modes, found.classes) == (10, 10)
    assert str(found).splitlines()[-1].split() == ["mode", "coverage", "10", "of", "10"] and "nan" not in str(found)


def test_without_labels_it_learns_how_images_are_turned(digits):
    """It tells so of held-out digits, far better than by chance; its classes are no modes."""
    images, _, others, _ = digits
    classifier = gan.train_classifier(images, epochs=8)
    turned = np.concatenate([np.rot90(others, k, (2, 3)) for k in range(4)])
    assert classifier.accuracy(turned, np.repeat(np.arange(4), len(others))) > 0.7
    quality = classifier.quality(images[:400], others)
    assert quality.modes is None and "mode" not in str(quality)
    assert quality.frechet < 0.2 * classifier.quality(images[:400], -others).frechet
    with pytest.raises(ShapeError, match="must be square"):
        gan.train_classifier(np.ones((64, 1, 8, 9)))
