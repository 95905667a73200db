"""What chance does to images, and resized bytes."""
import numpy as np
import pytest

import ganmod as mx

ONES = np.ones((2, 2, 3), "float32")


def draws(function, number=400):
    """What becomes of a pixel of 1, many times."""
    mx.random.seed(3)
    return np.array([function(mx.nd.array(ONES)).asnumpy()[0, 0] for _ in range(number)])


def farthest(values, distribution):
    """The Kolmogorov-Smirnov distance of values from a cumulative distribution."""
    values = np.sort(values)
    steps = np.arange(len(values) + 1) / len(values)
    expected = distribution(values)
    return max(np.max(expected - steps[:-1]), np.max(steps[1:] - expected))


def test_brightness_is_uniform():
    values = draws(lambda x: mx.nd.image.random_brightness(x, min_factor=0.5, max_factor=2))[:, 0]
    assert farthest(values, lambda v: np.clip((v - 0.5) / 1.5, 0, 1)) < 1.63 / 20          # 1 % of draws are farther


def test_jitter_is_around_one():
    values = draws(lambda x: mx.nd.image.random_color_jitter(x, brightness=0.3, contrast=0, saturation=0, hue=0))[:, 0]
    assert farthest(values, lambda v: np.clip((v - 0.7) / 0.6, 0, 1)) < 1.63 / 20


def test_jitter_tries_every_order():
    """Brightness and contrast of one pixel do not commute with saturation: all six orders give other colours."""
    settings = dict(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
    image = mx.nd.array(np.random.RandomState(0).uniform(0, 255, (4, 4, 3)))
    mx.random.seed(0)
    made = [mx.nd.image.random_color_jitter(image, **settings).asnumpy() for _ in range(20)]
    assert all(np.isfinite(m).all() for m in made)
    assert len({m.tobytes() for m in made}) == 20


def test_lighting_is_normal_along_the_components():
    values = draws(lambda x: mx.nd.image.random_lighting(x, alpha_std=0.1)) - 1
    components = np.array([[31.47, 3.448, 0.46], [32.21, 0.0216, 0.934], [32.37, 3.331, 0.4825]])
    np.testing.assert_allclose(values.std(0), 0.1 * np.linalg.norm(components, axis=1), rtol=0.12)
    np.testing.assert_allclose(values.mean(0), 0, atol=0.6)


@pytest.mark.parametrize("way, axis", [("left_right", 1), ("top_bottom", 0)])
def test_half_of_all_images_are_flipped(way, axis):
    image = np.arange(12, dtype="float32").reshape(2, 2, 3)
    mx.random.seed(0)
    found = [getattr(mx.nd.image, f"random_flip_{way}")(mx.nd.array(image)).asnumpy() for _ in range(200)]
    flipped = [np.array_equal(f, np.flip(image, axis)) for f in found]
    assert all(f or np.array_equal(m, image) for f, m in zip(flipped, found))
    assert 70 < sum(flipped) < 130


def test_programs_draw_anew():
    symbol = mx.sym.image.random_color_jitter(mx.sym.Variable("x"), brightness=0.4, contrast=0.4, saturation=0.4,
                                              hue=0.1)
    executor = symbol.bind(mx.cpu(), {"x": mx.nd.array(np.random.RandomState(0).uniform(0, 255, (4, 4, 3)))})
    one, other = (executor.forward()[0].asnumpy() for _ in range(2))
    assert not np.array_equal(one, other)
