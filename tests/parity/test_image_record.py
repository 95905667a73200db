"""Images out of records against MXNet's: to the number where chance has no part, else by ranges and moments."""
import numpy as np
import pytest

import ganmod as mx
from tests.parity.test_file_iterators import walked

cv2 = pytest.importorskip("cv2")

SIZES = [(8, 10), (12, 9), (20, 20), (8, 8), (9, 30), (5, 6), (4, 12), (7, 5)]


def picture(rng, *size):
    """A smooth one of strong contrast."""
    noise = cv2.GaussianBlur(rng.integers(0, 256, size).astype("uint8"), (5, 5), 0)
    return np.clip((noise.astype("float32") - 128) * 2 + 128, 0, 255).astype("uint8")


def written(path, images, labels=None, form=".png"):
    """The path of a file of records, with an index beside it; PNG keeps images as they are."""
    with mx.recordio.MXIndexedRecordIO(f"{path}.idx", path, "w") as record:
        for k, image in enumerate(images):
            label = k if labels is None else labels[k]
            record.write_idx(k, mx.recordio.pack_img((0, label, 100 + k, 0), image, 3 if form == ".png" else 90, form))
    return str(path)


@pytest.fixture
def images(tmp_path, rng):
    """Settings for images of several sizes."""
    path = written(tmp_path / "images.rec", [picture(rng, *size, 3) for size in SIZES])
    return {"path_imgrec": path, "data_shape": (3, 8, 8), "batch_size": 3, "verbose": False}


@pytest.fixture
def large(tmp_path, rng):
    """Settings for images that are larger than what is wanted of them."""
    path = written(tmp_path / "large.rec", [picture(rng, 40, 48, 3) for _ in range(4)])
    return {"path_imgrec": path, "data_shape": (3, 32, 32), "batch_size": 4, "verbose": False}


@pytest.mark.parametrize("kind", ["ImageRecordIter", "ImageRecordIter_v1"])
@pytest.mark.parametrize("settings", [
    {}, {"batch_size": 8}, {"shuffle": True}, {"shuffle": True, "seed": 5, "batch_size": 5}, {"resize": 6},
    {"resize": 12}, {"mirror": True}, {"data_shape": (3, 7, 6)}, {"resize": 9, "inter_method": 0},
    {"mirror": True, "rand_mirror": True}, {"data_shape": (1, 8, 8), "mean_r": 5, "mean_g": 7, "std_r": 2},
    {"mean_r": 10, "mean_g": 20, "mean_b": 30, "std_r": 2, "std_g": 3, "std_b": 4, "scale": 0.5}, {"dtype": "float32"},
    {"num_parts": 2, "batch_size": 1}, {"num_parts": 2, "part_index": 1, "batch_size": 2, "shuffle": True},
    {"data_name": "x", "label_name": "y"}, {"data_shape": "(3,8,8)", "batch_size": "2"}], ids=str)
def test_images(compare, images, kind, settings):
    compare(walked, {"kind": kind, "settings": {**images, **settings}, "count": 2}, rtol=1e-6, atol=2e-5)


@pytest.mark.parametrize("kind, settings", [
    ("ImageRecordUInt8Iter", {}), ("ImageRecordInt8Iter", {}), ("ImageRecordUInt8Iter_v1", {}),
    ("ImageRecordIter", {"dtype": "uint8", "mirror": True}), ("ImageRecordIter", {"dtype": "int8", "pad": 2})])
def test_images_of_bytes(compare, images, kind, settings):
    compare(walked, {"kind": kind, "settings": {**images, **settings}, "count": 2})


def test_bytes_are_not_normalised(compare, images, caplog):
    settings = {**images, "dtype": "uint8", "mean_r": 9, "scale": 0.5}
    compare(walked, {"kind": "ImageRecordIter", "settings": settings, "count": 2})
    assert "mean nothing" in caplog.text


def test_jpeg(compare, tmp_path, rng):
    path = written(tmp_path / "a.rec", [picture(rng, 61, 75, 3) for _ in range(5)], form=".jpg")
    settings = {"path_imgrec": path, "data_shape": (3, 48, 48), "batch_size": 5, "verbose": False}
    compare(walked, {"kind": "ImageRecordIter", "settings": settings, "count": 1}, atol=1.01)


def test_opacity(compare, tmp_path, rng):
    path = written(tmp_path / "a.rec", [picture(rng, 10, 12, 4) for _ in range(3)])
    settings = {"path_imgrec": path, "data_shape": (4, 8, 8), "batch_size": 3, "mean_a": 5, "std_a": 2, "pad": 1}
    compare(walked, {"kind": "ImageRecordIter", "settings": settings}, rtol=1e-6, atol=2e-5)


@pytest.mark.parametrize("settings", [{"path_imgidx": "a.rec.idx", "shuffle": True, "seed": 3}, {"label_width": 3},
                                      {"path_imglist": "a.lst", "label_width": 2}], ids=str)
def test_labels(compare, tmp_path, rng, settings):
    labels = [[k, k + 0.5, k + 0.25] for k in range(5)] if settings.get("label_width") == 3 else None
    path = written(tmp_path / "a.rec", [picture(rng, 8, 8, 3) for _ in range(5)], labels)
    (tmp_path / "a.lst").write_text("".join(f"{100 + k}\t{k * 2}\t{k * 3}\tx.png\n" for k in range(5)))
    settings = {key: str(tmp_path / value) if "path" in key else value for key, value in settings.items()}
    compare(walked, {"kind": "ImageRecordIter", "settings": {
        "path_imgrec": path, "data_shape": (3, 8, 8), "batch_size": 2, **settings}, "count": 2})


# --- what is done to images -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("settings", [
    {"pad": 4}, {"pad": 4, "fill_value": 0}, {"pad": 3, "fill_value": 300, "resize": 20}, {"rotate": 90}, {"rotate": 0},
    {"rotate": -5}, {"rotate": 30, "inter_method": 4}, {"min_crop_size": 36, "max_crop_size": 36},
    {"min_crop_size": 20, "max_crop_size": 20, "inter_method": 3}, {"random_resized_crop": True},
    {"max_img_size": 36}, {"min_img_size": 60}, {"min_random_scale": 0.5, "max_random_scale": 0.5},
    {"min_random_scale": 0.9, "max_random_scale": 0.9, "inter_method": 4, "fill_value": 7}], ids=str)
def test_changes(compare, large, settings):
    compare(walked, {"kind": "ImageRecordIter", "settings": {**large, **settings}, "count": 1}, rtol=0, atol=0.01)


@pytest.mark.parametrize("settings", [
    {"rotate": 30}, {"rotate": 10, "max_rotate_angle": 50, "fill_value": 9}, {"resize": 36, "rotate": 15, "pad": 3},
    {"min_aspect_ratio": 1.3, "max_aspect_ratio": 1.3}, {"min_random_scale": 1.5, "max_random_scale": 1.5},
    {"min_aspect_ratio": 0.7, "max_aspect_ratio": 0.7, "min_random_scale": 1.2, "max_random_scale": 1.2, "rotate": 20},
    {"max_img_size": 20.5}, {"min_img_size": 51.7, "inter_method": 9}], ids=str)
def test_changes_between_pixels(compare, oracle, large, settings):
    """OpenCV places what lies between two pixels more exactly now than the one that MXNet is built with."""
    inputs = {"kind": "ImageRecordIter", "settings": {**large, **settings}, "count": 1}
    compare(walked, inputs, atol=5)
    theirs, ours = (found["epochs"][0][0][0][0] for found in (oracle.run(walked, **inputs), walked(mx, np, **inputs)))
    assert np.abs(theirs - ours).mean() < 0.3


@pytest.mark.parametrize("method", [0, 1, 2, 3, 4, 9])
@pytest.mark.parametrize("resize", [-1, 6, 11])
def test_interpolations(compare, images, method, resize):
    compare(walked, {"kind": "ImageRecordIter", "count": 1, "settings": {
        **images, "batch_size": 8, "inter_method": method, "resize": resize}}, rtol=0, atol=3 * (method in (2, 9)))


@pytest.mark.parametrize("settings", [
    {}, {"mirror": True}, {"scale": 0.5, "std_r": 2}, {"mean_r": 5}, {"max_random_contrast": 1e-9}], ids=str)
def test_mean_image(compare, large, tmp_path, rng, settings):
    mx.nd.save(tmp_path / "mean", {"mean_img": mx.nd.array(rng.uniform(0, 255, (3, 32, 32)))})
    compare(walked, {"kind": "ImageRecordIter", "settings": {
        **large, "mean_img": str(tmp_path / "mean"), **settings}}, rtol=1e-5, atol=1e-4)


def with_mean_image(mx, np, settings):
    """The mean image that is written, and what is read with it."""
    found = walked(mx, np, "ImageRecordIter", settings, 1)
    return {"found": found, "mean": mx.nd.load(settings["mean_img"])}


def test_mean_image_is_made(oracle, large, tmp_path):
    made = []
    for run, name in ((oracle.run, "theirs"), (lambda case, **inputs: case(mx, np, **inputs), "ours")):
        path = tmp_path / name
        made.append(run(with_mean_image, settings={**large, "batch_size": 3, "mean_img": str(path)}))
        made[-1]["bytes"] = path.read_bytes()
    assert made[0]["bytes"] == made[1]["bytes"]
    for theirs, ours in zip(made[0]["found"]["epochs"][0], made[1]["found"]["epochs"][0]):
        np.testing.assert_allclose(theirs[0][0], ours[0][0], atol=1e-4)


# --- chance ----------------------------------------------------------------------------------------------------------

COUNT = 400


def features(mx, np, kind, settings):
    """Of each image: means of its colours, the spread, some pixels; and of each label its numbers."""
    it = getattr(mx.io, kind)(**settings)
    mx.__dict__.setdefault("never deleted", []).append(it)
    batch = it.next()
    data = batch.data[0].asnumpy().astype("float64")
    some = data[:, :, [0, 7, 12, -1], [0, 12, 20, -1]].reshape(len(data), -1)
    return {"images": np.concatenate([data.mean((2, 3)), data.std((1, 2, 3))[:, None], some], axis=1),
            "labels": batch.label[0].asnumpy().astype("float64").reshape(len(data), -1)}


def agree(theirs, ours):
    """Each feature has the same mean, deviation and range, as far as so many samples tell: to a level, in images."""
    for part, least in (("images", 1), ("labels", 0.02)):
        for column, (a, b) in enumerate(zip(theirs[part].T, ours[part].T)):
            spread = max(a.std(), b.std(), least)
            assert abs(a.mean() - b.mean()) < 5 * spread * np.sqrt(2 / COUNT), (part, column)
            assert abs(a.std() - b.std()) < 0.25 * spread, (part, column)
            for edge in (5, 95):
                assert abs(np.percentile(a, edge) - np.percentile(b, edge)) < 1.2 * spread, (part, column, edge)


@pytest.fixture(scope="module")
def same(tmp_path_factory):
    """Settings for one image many times, of levels that no change drives to the ends."""
    image = picture(np.random.default_rng(3), 36, 44, 3) // 2 + 64
    path = written(tmp_path_factory.mktemp("same") / "same.rec", [image] * COUNT)
    return {"path_imgrec": path, "data_shape": (3, 24, 24), "batch_size": COUNT, "verbose": False}


@pytest.mark.parametrize("settings", [
    {"rand_crop": True}, {"rand_mirror": True}, {"min_crop_size": 26, "max_crop_size": 34},
    {"min_crop_size": 26, "max_crop_size": 34, "rand_crop": True}, {"max_rotate_angle": 40}, {"max_shear_ratio": 0.3},
    {"random_resized_crop": True, "min_random_area": 0.2, "max_random_area": 0.8},
    {"random_resized_crop": True, "min_random_area": 0.3, "max_random_area": 0.9, "max_aspect_ratio": 0.25},
    {"min_random_scale": 0.7, "max_random_scale": 1.4}, {"max_aspect_ratio": 0.3},
    {"min_aspect_ratio": 0.7, "max_aspect_ratio": 1.2}, {"brightness": 0.3}, {"contrast": 0.4}, {"saturation": 0.5},
    {"brightness": 0.2, "contrast": 0.3, "saturation": 0.4}, {"pca_noise": 0.2}, {"random_h": 30}, {"random_s": 40},
    {"random_l": 40}, {"random_h": 20, "random_s": 30, "random_l": 20}, {"inter_method": 10, "resize": 30},
    {"max_random_contrast": 0.3, "mean_r": 30, "mean_b": 70}, {"max_random_illumination": 30, "scale": 0.5}], ids=str)
def test_chance(oracle, same, settings):
    inputs = {"kind": "ImageRecordIter", "settings": {**same, **settings}}
    agree(oracle.run(features, **inputs), features(mx, np, **inputs))


# --- objects ----------------------------------------------------------------------------------------------------------

OBJECTS = [[2, 5, 0, .1, .2, .5, .6], [2, 5, 1, .2, .2, .8, .9, 0, .1, .1, .3, .3], [4, 5, 9, 9, 1, .3, .3, .8, .9],
           [2, 6, 0, .1, .2, .5, .6, 1, 2, .5, .5, .7, .7, 0]]


@pytest.mark.parametrize("settings", [
    {}, {"rand_mirror_prob": 1}, {"label_pad_width": 20, "label_pad_value": 7}, {"resize": 18}, {"batch_size": 3},
    {"mean_r": 10, "std_g": 3, "scale": 0.5}, {"shuffle": True, "seed": 4}, {"batch_size": 3, "round_batch": False},
    {"mean_img": "mean", "rand_mirror_prob": 1}, {"data_shape": (1, 16, 16)},
    *({"resize_mode": mode, "data_shape": shape} for mode in ("fit", "shrink", "force")
      for shape in ((3, 30, 30), (3, 16, 40), (3, 33, 17)))], ids=str)
def test_objects(compare, tmp_path, rng, settings):
    path = written(tmp_path / "a.rec", [picture(rng, 20, 24, 3) for _ in OBJECTS], OBJECTS)
    if "mean_img" in settings:
        mx.nd.save(tmp_path / "mean", {"mean_img": mx.nd.array(rng.uniform(0, 255, (3, 16, 16)))})
        settings = {**settings, "mean_img": str(tmp_path / "mean")}
    settings = {"path_imgrec": path, "data_shape": (3, 16, 16), "batch_size": 4, "verbose": False, **settings}
    compare(walked, {"kind": "ImageDetRecordIter", "settings": settings, "count": 2}, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("settings", [
    {"rand_mirror_prob": 0.4}, {"rand_pad_prob": 0.7, "max_pad_scale": 3},
    {"max_random_hue": 30, "random_hue_prob": 1}, {"max_random_saturation": 30, "random_saturation_prob": 0.5},
    {"max_random_contrast": .4, "random_contrast_prob": 1},
    {"max_random_illumination": 30, "random_illumination_prob": 0.8},
    {"rand_crop_prob": 0.8, "min_crop_scales": 0.4, "max_crop_scales": 0.9},
    {"rand_crop_prob": 1, "min_crop_scales": 0.4, "max_crop_scales": 0.9, "min_crop_aspect_ratios": 0.5,
     "max_crop_aspect_ratios": 2, "crop_emit_mode": "overlap"},
    {"rand_crop_prob": 1, "num_crop_sampler": 2, "min_crop_scales": (0.3, 0.7), "max_crop_scales": (0.4, 0.9),
     "min_crop_object_coverages": (0.9, 0), "max_crop_sample_coverages": (0.6, 1), "max_crop_trials": (10, 30)},
    {"rand_crop_prob": 1, "min_crop_scales": 0.4, "max_crop_scales": 0.8, "min_crop_overlaps": 0.3},
    {"rand_crop_prob": 1, "min_crop_scales": 0.4, "max_crop_scales": 0.9, "rand_pad_prob": 1, "max_pad_scale": 2}
], ids=str)
def test_chance_with_objects(oracle, tmp_path, settings):
    image = picture(np.random.default_rng(3), 36, 44, 3) // 2 + 64
    path = written(tmp_path / "same.rec", [image] * COUNT, [[2, 5, 0, .1, .2, .5, .6, 7, .5, .4, .9, .95]] * COUNT)
    settings = {"path_imgrec": path, "data_shape": (3, 24, 24), "batch_size": COUNT, "verbose": False, **settings}
    inputs = {"kind": "ImageDetRecordIter", "settings": settings}
    agree(oracle.run(features, **inputs), features(mx, np, **inputs))
