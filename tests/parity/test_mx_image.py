"""``mx.image`` against MXNet's: what functions and augmenters make of images.

Cubic interpolation of bytes differs by one level in a few pixels between versions of OpenCV.
"""
import random

import numpy as np
import pytest

import ganmod as mx

cv2 = pytest.importorskip("cv2", exc_type=ImportError)


def smooth(seed, height, width):
    """An image with edges and noise."""
    rng = np.random.default_rng(seed)
    image = cv2.GaussianBlur(rng.integers(0, 256, (height, width, 3)).astype("uint8"), (5, 5), 0)
    image[height // 3:height // 2, width // 4:] = (200, 30, 90)
    return np.clip(image.astype(int) * 2 - 128, 0, 255).astype("uint8")


IMAGE = smooth(0, 48, 64)
FLOATS = IMAGE.astype("float32")
LABEL = np.array([[0, 0.1, 0.2, 0.6, 0.7], [1, 0.3, 0.3, 0.9, 0.95], [2, 0, 0, 0.2, 0.1]])


def as_numbers(value):
    """An image as floats, with what it was; other values as they are."""
    if hasattr(value, "asnumpy"):
        return {"values": value.asnumpy().astype("float32"), "dtype": str(np.dtype(value.dtype)), "shape": value.shape}
    return [as_numbers(v) for v in value] if isinstance(value, (list, tuple)) else value


# --- reading ---------------------------------------------------------------------------------------------------------

def read(mx, np, path, settings):
    """The image of a file, of its bytes, and of an array of them."""
    with open(path, "rb") as stream:
        content = stream.read()
    array = np.frombuffer(content, "uint8")
    return {"made": as_numbers([mx.image.imread(path, **settings), mx.image.imdecode(content, **settings),
                                mx.image.imdecode(bytearray(content), **settings), mx.img.imdecode(array, **settings),
                                mx.image.imdecode(mx.nd.array(array, dtype="uint8"), **settings)])}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of images in several formats."""
    folder = tmp_path_factory.mktemp("pictures")
    for name in ("c.png", "c.jpg", "c.bmp", "c.tiff"):
        cv2.imwrite(str(folder / name), IMAGE)
    cv2.imwrite(str(folder / "gray.png"), IMAGE[:, :, 0])
    cv2.imwrite(str(folder / "alpha.png"), np.dstack([IMAGE, IMAGE[:, :, :1]]))
    cv2.imwrite(str(folder / "deep.png"), IMAGE.astype("uint16") * 200)
    return folder


@pytest.mark.parametrize("name", ["c.png", "c.jpg", "c.bmp", "c.tiff", "gray.png", "alpha.png", "deep.png"])
def test_reading(compare, pictures, name):
    for settings in ({}, {"flag": 0}, {"to_rgb": 0}, {"to_rgb": False, "flag": 0}, {"flag": 129}):
        compare(read, {"path": str(pictures / name), "settings": settings}, atol=1 if name == "c.jpg" else 0, rtol=0)


def not_read(mx, np, path, content, settings):
    """What is no image."""
    return mx.image.imdecode(content, **settings) if path is None else mx.image.imread(path, **settings)


@pytest.mark.parametrize("path, content, settings, kind", [
    ("none.png", None, {}, FileNotFoundError), ("empty.png", None, {}, mx.MXNetError),
    ("c.png", None, {"flag": -1}, ValueError), ("c.png", None, {"foo": 1}, TypeError), (None, b"", {}, mx.MXNetError),
    (None, b"garbage", {}, mx.MXNetError), (None, "c.png", {}, mx.MXNetError), (None, None, {}, mx.MXNetError),
    (None, np.ones(9, "float32"), {}, mx.MXNetError)])
def test_not_read(compare, pictures, path, content, settings, kind):
    (pictures / "empty.png").touch()
    path = path and str(pictures / path)
    _, ours = compare(not_read, {"path": path, "content": content, "settings": settings}, raises=True)
    assert isinstance(ours, kind)


# --- functions -------------------------------------------------------------------------------------------------------

def called(mx, np, name, image, args, settings):
    """What functions make of an image under several seeds, and what becomes of the image."""
    made = []
    for seed in range(6):
        random.seed(seed)
        np.random.seed(seed)
        src = mx.nd.array(image, dtype=image.dtype)
        found = getattr(mx.image, name)(src, *args, **settings)
        made.append([as_numbers([found, src]), found is src, random.random(), np.random.rand()])
    return {"made": made}


@pytest.mark.parametrize("interp", range(6))
def test_imresize(compare, interp):
    for size in ((33, 47), (16, 12), (128, 96), (16, 96), (65, 48)):
        compare(called, {"name": "imresize", "image": IMAGE, "args": [*size, interp], "settings": {}}, rtol=0,
                atol=1 if interp == 2 else 0)
        compare(called, {"name": "imresize", "image": FLOATS, "args": size, "settings": {"interp": interp}}, atol=1e-3)


CALLS = [
    ("imresize", (20, 10)), ("copyMakeBorder", (1, 2, 3, 4)), ("copyMakeBorder", (1, 2, 3, 4, 0, 7.5)),
    *(("copyMakeBorder", (5, 0, 0, 9, kind)) for kind in range(5)), ("resize_short", (20,)), ("resize_short", (100, 1)),
    *(("resize_short", (size, interp)) for size in (20, 60) for interp in (0, 1, 3, 4, 9, 10)),
    ("fixed_crop", (3, 4, 20, 15)), ("fixed_crop", (3, 4, 20, 15, (20, 15), 9)),
    ("fixed_crop", (3, 4, 20, 15, (30, 40), 9)), ("fixed_crop", (3, 4, 20, 15, (10, 40), 9)),
    ("fixed_crop", (50, 40, 30, 30)), ("random_crop", ((20, 30),)), ("random_crop", ((100, 30), 1)),
    ("random_crop", ((64, 48), 9)), ("random_crop", ((10, 100), 10)), ("center_crop", ((21, 30),)),
    ("center_crop", ((100, 31), 3)), ("random_size_crop", ((20, 30), (0.1, 0.5), (0.75, 1.33))),
    ("random_size_crop", ((20, 30), 0.5, (0.75, 1.33), 9)), ("random_size_crop", ((20, 30), (0.9, 1), (3, 4), 10)),
    ("random_size_crop", ((20, 30), (0.001, 0.01), [0.1, 9], 1))]


@pytest.mark.parametrize("name, args", CALLS, ids=str)
def test_functions(compare, name, args):
    compare(called, {"name": name, "image": IMAGE, "args": args, "settings": {}}, rtol=1e-12, atol=1)


def test_colours_of_a_border(compare):
    for values in ((1, 2, 3), [9, 0, 0], (300, -5, 2.5), (1, 2, 3, 4)):
        for image, kind in ((IMAGE, 0), (FLOATS, 16)):
            compare(called, {"name": "copyMakeBorder", "image": image, "args": (1, 2, 3, 4, kind),
                             "settings": {"values": values}})


def scaled(mx, np):
    """Sizes that fit, and the interpolations that fit them."""
    sizes = [(640, 480), (360, 1000), (10, 10), (7, 5), (3, 2), (10.5, 3)]
    choose = mx.image.image._get_interp_method
    shapes = [(), *((10, 10, h, w) for h in (5, 10, 20) for w in (5, 10, 20))]
    return {"sizes": [mx.image.scale_down(a, b) for a in sizes for b in sizes],
            "choices": [choose(code, shape) for code in (0, 1, 2, 3, 4, 9, 10) for shape in shapes]}


def test_sizes(compare):
    compare(scaled)


def normalised(mx, np, image, mean, std):
    """An image normalised by arrays or numbers, in place."""
    src = mx.nd.array(image)
    mean, std = (mx.nd.array(v) if isinstance(v, list) else v for v in (mean, std))
    return {"made": mx.image.color_normalize(src, mean, std), "src": src}


@pytest.mark.parametrize("mean, std", [([1, 2, 3], [4, 5, 6]), ([1, 2, 3], None), (3.0, 2.0), (None, 2.0),
                                       (None, None)])
def test_color_normalize(compare, mean, std):
    compare(normalised, {"image": FLOATS, "mean": mean, "std": std})


@pytest.mark.parametrize("zoom", [{}, {"zoom_in": True}, {"zoom_out": True}], ids=str)
def test_imrotate(compare, zoom):
    image = cv2.GaussianBlur(FLOATS, (9, 9), 0).transpose(2, 0, 1)        # smooth: rounding at an edge counts little
    for angle in (0, 10, 45.5, 90, -30, 370):
        for name, given in (("imrotate", angle), ("random_rotate", (-abs(angle), 20))):
            compare(called, {"name": name, "image": image, "args": [given], "settings": zoom}, atol=0.05)


def turned(mx, np, images, angles):
    """Several images, with an angle for each and with one for all."""
    images = mx.nd.array(images)
    made = [mx.image.imrotate(images, mx.nd.array(angles)), mx.image.imrotate(images, angles[0])]
    return {"made": [*made, mx.image.random_rotate(images, (-20, 30), zoom_in=True)]}


def test_many_rotated(compare, rng):
    images = rng.random((3, 2, 9, 12)).astype("float32")
    compare(turned, {"images": images, "angles": [10, 77, -45]}, atol=2e-4)


# --- augmenters ------------------------------------------------------------------------------------------------------

def made_of(mx, spec):
    """An augmenter of (name, arguments …), which may hold such tuples and lists of them."""
    if isinstance(spec, tuple) and spec and isinstance(spec[0], str) and hasattr(mx.image, spec[0]):
        settings = spec[-1] if isinstance(spec[-1], dict) else {}
        args = spec[1:-1] if isinstance(spec[-1], dict) else spec[1:]
        return getattr(mx.image, spec[0])(*(made_of(mx, arg) for arg in args), **settings)
    return [made_of(mx, item) for item in spec] if isinstance(spec, list) and spec and isinstance(spec[0], tuple) \
        else spec


def augmented(mx, np, image, spec, seeds):
    """What an augmenter makes of an image, time and again."""
    augmenter, made = made_of(mx, spec), []
    for seed in range(seeds):
        random.seed(seed)
        np.random.seed(seed)
        src = mx.nd.array(image, dtype=image.dtype)
        found = augmenter(src)
        made.append([as_numbers([found, src]), found is src, random.random(), np.random.rand()])
    return {"made": made, "dumps": augmenter.dumps()}


FLIP, CAST = ("HorizontalFlipAug", 0.5), ("CastAug",)
OF_BYTES = [
    ("ResizeAug", 20), ("ResizeAug", 60, 9), ("ForceResizeAug", (30, 20)), ("ForceResizeAug", (90, 60), 9),
    ("ForceResizeAug", (30, 90), 10), ("RandomCropAug", (20, 30)), ("RandomCropAug", (20, 30), 1),
    ("RandomSizedCropAug", (20, 30), 0.3, (0.7, 1.3)), ("RandomSizedCropAug", (20, 30), (0.2, 0.4), (0.7, 1.3), 9),
    ("CenterCropAug", (21, 31)), FLIP, ("HorizontalFlipAug", 0), ("HorizontalFlipAug", 1), CAST, ("CastAug", "int32"),
    ("SequentialAug", [FLIP, ("ResizeAug", 20, 0), CAST]), ("SequentialAug", []), ("BrightnessJitterAug", 0.4)]
OF_FLOATS = [
    ("BrightnessJitterAug", 0.3), ("ContrastJitterAug", 0.3), ("SaturationJitterAug", 0.3), ("HueJitterAug", 0.3),
    ("ColorJitterAug", 0.3, 0.2, 0.4), ("ColorJitterAug", 0, 0.2, 0), ("ColorJitterAug", 0, 0, 0),
    ("LightingAug", 0.3, np.array([3.0, 2.0, 1.0]), np.array([[0.5, 0.7, 0.4], [0.6, 0.1, -0.8], [0.6, -0.7, 0.4]])),
    ("LightingAug", 0.3, [1, 2, 3], np.eye(3)), ("ColorNormalizeAug", np.array([1.0, 2, 3]), np.array([4, 5, 6])),
    ("ColorNormalizeAug", [1, 2, 3], None), ("ColorNormalizeAug", None, None), ("RandomGrayAug", 0.5), CAST,
    ("RandomOrderAug", [FLIP, ("BrightnessJitterAug", 0.3), CAST]), ("CastAug", "float16")]


@pytest.mark.parametrize("spec", OF_BYTES, ids=lambda spec: spec[0])
def test_augmenters_of_bytes(compare, spec):
    compare(augmented, {"image": IMAGE, "spec": spec, "seeds": 6}, rtol=1e-12, atol=1)


@pytest.mark.parametrize("spec", OF_FLOATS, ids=lambda spec: spec[0])
def test_augmenters_of_floats(compare, spec):
    compare(augmented, {"image": FLOATS, "spec": spec, "seeds": 6}, rtol=1e-5, atol=1e-3)


def detected(mx, np, image, label, spec, seeds):
    """What an augmenter makes of an image and its label, time and again."""
    augmenter, made = made_of(mx, spec), []
    for seed in range(seeds):
        random.seed(seed)
        src, given = mx.nd.array(image, dtype=image.dtype), label.copy()
        found, boxes = augmenter(src, given)
        made.append([as_numbers(found), boxes, boxes is given, given, random.random()])
    return {"made": made, "dumps": augmenter.dumps()}


CROP, PAD = "DetRandomCropAug", "DetRandomPadAug"
OF_BOXES = [
    (CROP,), (CROP, 0.7, (0.5, 2), (0.3, 0.9)), (CROP, 0.9, 1.2, (0.01, 0.2), 0.9, 7), (CROP, 0, (0.2, 5), 0.5, 0, 3),
    (CROP, 0.5, (0.9, 1.1), (1.0, 1.0)), (CROP, 2.0), (CROP, 0.1, (0.75, 1.33), (0.05, 1.0), 0.3, 0), (PAD,),
    (PAD, (0.5, 2), (1, 2), 3, (1, 2, 3)), (PAD, 1.5, 2.5, 50, [7, 8, 9]), (PAD, (0.1, 9), (1.0, 1.2)),
    ("DetHorizontalFlipAug", 0.5), ("DetBorrowAug", ("ForceResizeAug", (20, 10), 1)), ("DetRandomSelectAug", []),
    ("DetRandomSelectAug", [("DetHorizontalFlipAug", 0.5), ("DetBorrowAug", CAST), (CROP,)], 0.3),
    ("DetRandomSelectAug", (PAD,), 0.5), ("CreateMultiRandCropAugmenter", [0.1, 0.5, 0.9]),
    ("CreateMultiRandCropAugmenter", {"area_range": [(0.1, 0.3), (0.5, 1)], "max_attempts": 20, "skip_prob": 0.4})]


@pytest.mark.parametrize("spec", OF_BOXES, ids=lambda spec: spec[0])
def test_augmenters_of_boxes(compare, spec):
    wider = np.hstack([LABEL, [[7], [8], [9]]]).astype("float32")
    hollow = np.array([[0, 0.1, 0.2, 0.6, 0.7], [-1, -1, -1, -1, -1], [1, 0.5, 0.5, 0.5, 0.9]])
    for label in (LABEL, wider, hollow):
        compare(detected, {"image": IMAGE, "label": label, "spec": spec, "seeds": 20}, rtol=1e-6, atol=2e-6)


# --- the usual rows --------------------------------------------------------------------------------------------------

def row(mx, np, name, shape, settings):
    """The kinds of augmenters, their settings, and the chances of those that choose."""
    made = getattr(mx.image, name)(shape, **settings)
    return {"kinds": [type(a).__name__ for a in made], "dumps": [a.dumps() for a in made],
            "chances": [(a.skip_prob, len(a.aug_list)) for a in made if hasattr(a, "skip_prob")]}


EVERYTHING = dict(inter_method=10, resize=5, brightness=0.1, contrast=0.2, saturation=0.3, hue=0.2, pca_noise=0.3,
                  rand_gray=0.2, rand_mirror=True, mean=True, std=True, rand_crop=True)
BOTH = [{}, {"resize": 10}, {"rand_mirror": True}, {"mean": True}, {"std": True}, {"mean": np.array([1, 2, 3])},
        {"mean": np.array([1, 2, 3.0]), "std": np.array([2.0])}, {"brightness": 0.1}, {"contrast": 0.1, "hue": 0.2},
        {"saturation": -0.1}, {"pca_noise": 0.1}, {"rand_gray": 0.5}, {"inter_method": 9}, EVERYTHING]


@pytest.mark.parametrize("settings", [*BOTH, {"rand_crop": True}, {"rand_crop": True, "rand_resize": True}], ids=str)
def test_create_augmenter(compare, settings):
    for shape in ((3, 20, 30), [1, 20, 30]):
        compare(row, {"name": "CreateAugmenter", "shape": shape, "settings": settings})


@pytest.mark.parametrize("settings", [
    *BOTH, {"rand_crop": 0.5}, {"rand_crop": -1}, {"rand_pad": 0.4}, {"rand_pad": 1, "pad_val": (1, 2, 3)},
    {"rand_crop": 0.3, "min_object_covered": [0.1, 0.2, 0.3], "area_range": (0.1, 2)},
    {"rand_crop": 0.3, "area_range": [(0.1, 0.3), (0.2, 0.5)]}, {"rand_crop": 0.5, "aspect_ratio_range": 2.0},
    {"rand_pad": 0.3, "rand_crop": 1, "max_attempts": 7, "aspect_ratio_range": (0.5, 3), "area_range": (0.2, 1.5)}],
    ids=str)
def test_create_det_augmenter(compare, settings):
    compare(row, {"name": "CreateDetAugmenter", "shape": (3, 20, 30), "settings": settings})


REFUSED = [
    ("CreateAugmenter", (3, 4, 5), {"rand_resize": True}), ("CreateAugmenter", (3, 4, 5), {"mean": np.array([1.0, 2])}),
    ("CreateAugmenter", (3, 4, 5), {"std": 2.0}), ("CreateAugmenter", (3, 4, 5), {"foo": 1}),
    ("CreateAugmenter", (4, 5), {}), ("CreateDetAugmenter", (3, 4, 5), {"mean": (1, 2, 3)}),
    ("CreateDetAugmenter", (3, 4, 5), {"rand_pad": 0.5, "area_range": (0.1, 0.9)}),
    ("CreateDetAugmenter", (3, 4, 5), {"rand_pad": 0.5, "area_range": 2}),
    ("CreateDetAugmenter", (3, 4, 5), {"rand_crop": 0.5, "max_attempts": [1, 2], "min_object_covered": [1, 2, 3]})]


@pytest.mark.parametrize("name, shape, settings", REFUSED, ids=str)
def test_refused_rows(compare, name, shape, settings):
    _, ours = compare(row, {"name": name, "shape": shape, "settings": settings}, raises=True)
    assert isinstance(ours, TypeError if "foo" in settings else mx.MXNetError)


def misused(mx, np, image, call):
    """Calls that are none, of a function or an augmenter."""
    images = {"u8": mx.nd.array(image, dtype="uint8"), "f32": mx.nd.array(image), "np": image}
    name, src, *args = call
    if src is None:
        return getattr(mx.image, name)(*args)
    if name.endswith("Aug"):
        return getattr(mx.image, name)(*args)(images[src])
    return getattr(mx.image, name)(images[src], *args)


@pytest.mark.parametrize("call", [
    ("imresize", "u8", 0, 5), ("imresize", "u8", 5, 5, 9), ("imresize", "u8", 5.5, 5), ("imresize", "np", 5, 5),
    ("copyMakeBorder", "u8", -1, 0, 0, 0), ("copyMakeBorder", "u8", 1, 1, 1, 1, 5),
    ("copyMakeBorder", "np", 1, 1, 1, 1), ("resize_short", "u8", 5, 11), ("resize_short", "u8", (5, 5)),
    ("random_crop", "u8", 5),
    ("fixed_crop", "u8", -5, 40, 20, 10), ("random_size_crop", "u8", (5, 5), (0.1, 0.2), 1.0),
    ("imrotate", "u8", 5), ("imrotate", "f32", 5, True, True), ("imrotate", "f32", "a"), ("imrotate", "f32", [1]),
    ("imrotate", "np", 5), ("random_rotate", "f32", 5), ("ContrastJitterAug", "u8", 0.1),
    ("SaturationJitterAug", "u8", 0.1), ("LightingAug", "u8", 0.1, [1, 2, 3], [[1, 0, 0]] * 3),
    ("HueJitterAug", "u8", 0.1), ("RandomGrayAug", "u8", 1), ("ColorNormalizeAug", "u8", [1, 2, 3], None),
    ("DetBorrowAug", None, 3), ("DetRandomSelectAug", None, 3), ("DetRandomCropAug", None, 0.1, (2, 1)),
    ("DetRandomCropAug", None, 0.1, (0, 1)), ("DetRandomCropAug", None, 0.1, None),
    ("DetRandomCropAug", None, 0.1, 1.0, (0.5, 0.2)), ("DetRandomPadAug", None, 1.0, (0.5, 1.0)),
    ("DetRandomPadAug", None, 1.0, 2.0, 5, "a")], ids=str)
def test_refused_calls(compare, call):
    _, ours = compare(misused, {"image": IMAGE, "call": call}, raises=True)
    assert isinstance(ours, mx.MXNetError)
