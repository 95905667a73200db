"""Operators on images (height, width, channels). The random ones run with an empty range; see also test_image.py."""
from tests.parity.rows import Row, between, given, whole

COLOUR, EXACT = (4, 6, 3), dict(dtypes=("float32",))
BYTES = whole(0, 256, *COLOUR, dtype="uint8")
PASSED = dict(derivative=False, why="the gradient is handed through")
LINEAR = dict(dtypes=("float32",), rtol=1e-4, atol=1e-3, grad=False, why="MXNet has no gradient for it")


def colours(name, *factors):
    return [Row(f"_image_random_{name}", [between(0, 255, *shape)], dict(min_factor=f, max_factor=f), rtol=1e-4,
                atol=2e-2 if name == "hue" else 1e-3, **EXACT, **PASSED) for f in factors
            for shape in ([COLOUR] if name in ("hue", "saturation") else [COLOUR, (4, 6, 1)])]


ROWS = [
    Row("_image_normalize", [whole(0, 60, 1, 3, 4)], dict(mean=(3,), std=(2,)), dtypes=("int32", "int64")),
    Row("_image_to_tensor", [BYTES], **EXACT), Row("_image_to_tensor", [between(0, 255, 2, *COLOUR)], **LINEAR),
    *[Row("_image_normalize", [shape], dict(mean=mean, std=std)) for shape, mean, std in (
        ((3, 4, 5), (0.25,), (2,)),
        ((3, 4, 5), (0.125, 0.25, 0.5), (1, 2, 3)), ((2, 3, 4, 5), (0.125, 0.25, 0.5), (0.5,)),
        ((1, 4, 5), (0.5,), (0.25,)))],
    *[Row("_image_resize", [image], dict(size=size, interp=interp), **LINEAR)
      for image in (between(0, 255, *COLOUR), between(0, 255, 2, *COLOUR)) for interp in (0, 1, 2, 3)
      for size in ((3, 2), (9, 8))],
    *[Row("_image_resize", [BYTES], dict(attrs), **EXACT) for attrs in (
        dict(size=(3, 2), interp=0), dict(size=(9, 8), interp=0), dict(size=3, interp=0),
        dict(size=3, keep_ratio=True, interp=0))],
    *[Row("_image_crop", [shape], dict(x=1, y=2, width=3, height=2), **EXACT) for shape in (COLOUR, (2, *COLOUR))],
    Row("_image_crop", [BYTES], dict(x=0, y=0, width=6, height=4), **EXACT),
    *[Row(f"_image_flip_{way}", [image], **EXACT, grad=False, why="MXNet's gradient is not flipped")
      for way in ("left_right", "top_bottom") for image in (COLOUR, BYTES)],
    *[Row(f"_image_random_flip_{way}", [given([[[1.0] * 3] * 4] * 2)], **EXACT)
      for way in ("left_right", "top_bottom")],
    *colours("brightness", 0.5, 1.5), *colours("contrast", 0.5, 1.5), *colours("saturation", 0.5, 1.5),
    *colours("hue", 0.1, 0.3, 0.7, 1.2),
    Row("_image_random_brightness", [BYTES], dict(min_factor=1.5, max_factor=1.5), **EXACT),
    Row("_image_random_color_jitter", [COLOUR], dict(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1), nd=False,
        sym=False, **EXACT, **PASSED),
    Row("_image_adjust_lighting", [between(0, 255, *COLOUR)], dict(alpha=(0.1, 0.2, 0.3)), rtol=1e-4, atol=1e-3,
        **EXACT, **PASSED),
    Row("_image_adjust_lighting", [BYTES], dict(alpha=(0.1, -0.2, 0.3)), **EXACT),
    Row("_image_random_lighting", [between(0, 255, *COLOUR)], dict(alpha_std=0), **EXACT, **PASSED),
]
