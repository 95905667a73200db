"""Latents: their distributions, the ways between them, and classes beside them."""
import numpy as np
import pytest

import ganmod as mx
from ganmod import gan
from ganmod.base import InputError, ShapeError
from ganmod.gan import latents

DRAWS = {
    "gaussian": (latents.gaussian, "norm", ()),
    "uniform": (latents.uniform, "uniform", (-1, 2)),
    "uniform to 5": (lambda shape, **kwargs: latents.uniform(shape, 2, 5, **kwargs), "uniform", (2, 3)),
    "truncated": (latents.truncated_gaussian, "truncnorm", (-2, 2)),
    "truncated to 0.1": (lambda shape, **kw: latents.truncated_gaussian(shape, 0.1, **kw), "truncnorm", (-0.1, 0.1)),
    "hardly truncated": (lambda shape, **kw: latents.truncated_gaussian(shape, 9, **kw), "norm", ()),
    # Each coordinate of a point on the sphere in three dimensions is even [Archimedes].
    "spherical": (lambda shape, **kw: latents.spherical((2 * shape[0], 3, *shape[2:]), **kw), "uniform", (-1, 2)),
}


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("tail", [(), (1, 1)])
def test_distributions(name, tail, ctx):
    stats = pytest.importorskip("scipy.stats")
    draw, distribution, parameters = DRAWS[name]
    mx.random.seed(11)
    drawn = draw((4000, 5, *tail), ctx=ctx)
    assert drawn.shape[2:] == tail and drawn.dtype == np.float32 and drawn.context == ctx
    values = drawn.asnumpy().reshape(len(drawn), -1)
    for values_of_one_axis in values.T:
        assert stats.kstest(values_of_one_axis, distribution, parameters).pvalue > 1e-3
    assert abs(np.corrcoef(values.T) - np.eye(values.shape[1])).max() < 0.07
    mx.random.seed(11)
    np.testing.assert_array_equal(draw((4000, 5, *tail), ctx=ctx).asnumpy(), drawn.asnumpy())
    double = draw((4000, 5), dtype="float64").asnumpy()
    assert double.dtype == np.float64 and np.isfinite(double).all()


def test_limits_and_lengths():
    mx.random.seed(1)
    assert 1.99 < abs(latents.truncated_gaussian((20000, 2)).asnumpy()).max() <= 2
    lengths = np.linalg.norm(latents.spherical((50, 64, 1, 1), radius=8, dtype="float64").asnumpy(), axis=1)
    np.testing.assert_allclose(lengths, 8, rtol=1e-12)


def test_towards_mean(rng):
    points = rng.normal(size=(6, 4, 1, 1)).astype("float32")
    mean = rng.normal(size=4).astype("float32")
    moved = latents.towards_mean(mx.nd.array(points), 0.3, mx.nd.array(mean))
    np.testing.assert_allclose(moved.asnumpy(), mean[:, None, None] * 0.7 + points * 0.3, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(latents.towards_mean(mx.nd.array(points), 0.3).asnumpy(), points * 0.3, rtol=1e-6)


# --- between ----------------------------------------------------------------------------------------------------------

def by_hand(a, b, t):
    """Shoemake's formula, for vectors of one length."""
    angle = np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    return (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)


@pytest.mark.parametrize("tail", [(), (1, 1)])
def test_slerp(rng, tail):
    a, b = rng.normal(size=(2, 7, 16))
    b *= np.linalg.norm(a, axis=1, keepdims=True) / np.linalg.norm(b, axis=1, keepdims=True)
    start, end = (mx.nd.array(x.reshape(7, 16, *tail), dtype="float64") for x in (a, b))
    shares = rng.uniform(size=7)
    found = latents.slerp(start, end, shares).asnumpy()
    assert found.shape == (7, 16, *tail)
    np.testing.assert_allclose(found.reshape(7, 16), [by_hand(*x) for x in zip(a, b, shares)], rtol=1e-9, atol=1e-12)
    for share, expected in ((0, a), (1, b)):
        np.testing.assert_allclose(latents.slerp(start, end, share).asnumpy().reshape(7, 16), expected, atol=1e-12)
    line = latents.lerp(start, end, mx.nd.array(shares, dtype="float64")).asnumpy().reshape(7, 16)
    np.testing.assert_allclose(line, a + shares[:, None] * (b - a), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("a, b", [
    ([3, 4], [3, 4]), ([3, 4], [6, 8]), ([3, 4], [-3, -4]), ([3, 4], [-6, -8]), ([0, 0, 2], [0, 0, -2]),
    ([1, 1e-7], [-1, 1e-7]), ([1, 0], [1, 1e-12]), ([1, 0], [-1, 1e-12]), ([1e-30, 0], [-1e-30, 0]), ([2], [-3])])
def test_slerp_where_there_is_no_angle(a, b):
    """Parallel and opposite ends: lengths change evenly, steps are equal, and the ends are hit."""
    a, b = np.float64([a]), np.float64([b])
    way = latents.slerp(mx.nd.array(a, dtype="float64"), mx.nd.array(b, dtype="float64"), np.linspace(0, 1, 21))
    way = way.asnumpy()
    size = max(np.linalg.norm(a), np.linalg.norm(b))
    np.testing.assert_allclose(way[[0, -1]], [a[0], b[0]], atol=1e-8 * size)
    if a.shape[1] > 1:
        lengths = np.linalg.norm(way, axis=1)
        np.testing.assert_allclose(lengths, np.linspace(np.linalg.norm(a), np.linalg.norm(b), 21), rtol=1e-6)
        unit = way / lengths[:, None]
        steps = 2 * np.arcsin(np.linalg.norm(np.diff(unit, axis=0), axis=1) / 2)
        np.testing.assert_allclose(steps, steps.mean(), atol=1e-7)
        assert np.isclose(steps.sum(), np.pi if a[0] @ b[0] < 0 else 0, atol=1e-6)


def test_slerp_from_nothing():
    way = latents.slerp(mx.nd.zeros((1, 3)), mx.nd.array([[2, 0, 4]]), [0, 0.5, 1]).asnumpy()
    np.testing.assert_allclose(way, [[0, 0, 0], [1, 0, 2], [2, 0, 4]])


# --- along ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("way", [latents.slerp, latents.lerp])
@pytest.mark.parametrize("tail", [(), (1, 1)])
def test_paths_and_loops(rng, way, tail):
    points = mx.nd.array(rng.normal(size=(3, 8, *tail)))
    found = latents.path(points, 9, way).asnumpy()
    np.testing.assert_allclose(found[::4], points.asnumpy(), atol=1e-6)
    np.testing.assert_allclose(found[3], way(points[0:1], points[1:2], 0.75).asnumpy()[0], atol=1e-6)

    frames = latents.loop(points, 12, way).asnumpy()
    assert frames.shape == (12, 8, *tail)
    np.testing.assert_allclose(frames[::4], points.asnumpy(), atol=1e-6)
    np.testing.assert_allclose(frames[11], way(points[2:3], points[0:1], 0.75).asnumpy()[0], atol=1e-6)
    twice = latents.loop(mx.nd.concat(points, points, dim=0), 24, way).asnumpy()
    np.testing.assert_allclose(twice[12:], frames, atol=1e-6)              # frame 12 is frame 0 again
    np.testing.assert_allclose(twice[:12], frames, atol=1e-6)


def test_grid(rng):
    corners = mx.nd.array(rng.normal(size=(4, 6, 1, 1)))
    found = latents.grid(corners, 3, 5).asnumpy().reshape(3, 5, 6)
    np.testing.assert_allclose(found[[0, 0, 2, 2], [0, 4, 0, 4]], corners.asnumpy().reshape(4, 6), atol=1e-6)
    for place, ends, share in (((1, 0), (0, 2), 0.5), ((2, 1), (2, 3), 0.25)):
        between = latents.slerp(*(corners[k:k + 1] for k in ends), share).asnumpy().ravel()
        np.testing.assert_allclose(found[place], between, atol=1e-6)


# --- classes ----------------------------------------------------------------------------------------------------------

def test_classes(ctx):
    labels = mx.nd.array([2, 0, 1], ctx=ctx)
    hot = latents.one_hot(labels, 4)
    assert hot.context == ctx and hot.dtype == np.float32
    np.testing.assert_array_equal(hot.asnumpy(), np.eye(4)[[2, 0, 1]])
    planes = latents.one_hot(labels, 4, size=(2, 3)).asnumpy()
    np.testing.assert_array_equal(planes, np.broadcast_to(np.eye(4)[[2, 0, 1]][..., None, None], (3, 4, 2, 3)))

    noise = latents.gaussian((3, 5, 1, 1), ctx=ctx)
    both = latents.with_classes(noise, labels, 4).asnumpy()
    np.testing.assert_array_equal(both[:, :5], noise.asnumpy())
    np.testing.assert_array_equal(both[:, 5:, 0, 0], np.eye(4)[[2, 0, 1]])
    images = latents.with_classes(mx.nd.ones((3, 1, 2, 3), ctx=ctx), labels, 4).asnumpy()
    np.testing.assert_array_equal(images[:, 1:], planes)


@pytest.mark.parametrize("call, error, message", [
    (lambda z: latents.truncated_gaussian((2, 2), 0), InputError, "limit > 0 must hold, got 0"),
    (lambda z: latents.uniform((2, 2), 1, 1), InputError, "low < high must hold, got 1 and 1"),
    (lambda z: latents.spherical((2, 2), dtype="int32"), InputError, "dtype must be one of floats"),
    (lambda z: latents.slerp(z, mx.nd.ones((3, 3)), 0.5), ShapeError, r"from shape \(3, 2\) to \(3, 3\)"),
    (lambda z: latents.lerp(z, z, [0, 1]), ShapeError, "with 2 shares"),
    (lambda z: latents.lerp(z.asnumpy(), z, 1), InputError, r"lerp\(\) takes NDArrays, got ndarray"),
    (lambda z: latents.towards_mean(z, 1, mx.nd.ones((3,))), ShapeError, r"a mean of shape \(3,\) for latents"),
    (lambda z: latents.path(z, 1), InputError, "frames must be 2 or more"),
    (lambda z: latents.loop(z[:1], 5), ShapeError, "2 points or more, got 1"),
    (lambda z: latents.grid(z, 2, 2), ShapeError, "4 corners, got 3"),
    (lambda z: latents.one_hot([3], 3), InputError, "whole numbers from 0 to 2, got"),
    (lambda z: latents.one_hot([0.5], 3), InputError, "whole numbers from 0 to 2, got"),
    (lambda z: latents.with_classes(z, [1], 2), ShapeError, "1 labels for 3 samples")])
def test_mistakes(call, error, message):
    with pytest.raises(error, match=message):
        call(mx.nd.ones((3, 2)))


def test_the_kit_has_them():
    assert gan.slerp is latents.slerp and gan.truncated_gaussian is latents.truncated_gaussian
