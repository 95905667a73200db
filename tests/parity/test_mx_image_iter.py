"""The iterators of ``mx.image`` against MXNet's: the same batches, labels, pads, orders and chances."""
import os
import random

import numpy as np
import pytest

import ganmod as mx
from tests.parity.test_mx_image import as_numbers, smooth

cv2 = pytest.importorskip("cv2", exc_type=ImportError)


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """A folder of 7 images of several sizes, as files, records and lists, with labels of three kinds."""
    folder, names = tmp_path_factory.mktemp("samples"), []
    (folder / "sub").mkdir()
    labels = {"one": lambda i: [i * 1.5], "two": lambda i: [i, i * 10.0],
              "det": lambda i: [2, 5] + [v for k in range(i % 3 + 1)
                                         for v in (k, 0.1 * k + 0.05, 0.2, 0.5 + 0.1 * k, 0.8)]}
    images = [smooth(10 + i, 20 + i, 24 + 2 * i) for i in range(7)]
    for i, image in enumerate(images):
        names.append(f"sub/{i}.png")
        cv2.imwrite(str(folder / names[-1]), image)
    for kind, label in labels.items():
        lines = ["\t".join([str(2 * i), *(f"{v:g}" for v in label(i)), names[i]]) for i in range(7)]
        (folder / f"{kind}.lst").write_text("\n".join(lines) + "\n")
        with mx.recordio.MXIndexedRecordIO(folder / f"{kind}.idx", folder / f"{kind}.rec", "w") as record:
            for i, image in enumerate(images):
                header = (0, label(i)[0] if kind == "one" else label(i), 2 * i, 0)
                record.write_idx(2 * i, mx.recordio.pack_img(header, image, 3, ".png"))
    return folder


def settings_of(samples, kind, source, settings):
    """The settings of an iterator over files of a kind: by their record, its index, or a list."""
    paths = {"rec": ("path_imgrec",), "idx": ("path_imgrec", "path_imgidx"), "lst": ("path_imglist",),
             "both": ("path_imgrec", "path_imgidx", "path_imglist")}
    endings = {"path_imgrec": "rec", "path_imgidx": "idx", "path_imglist": "lst"}
    made = {path: str(samples / f"{kind}.{endings[path]}") for path in paths.get(source, ())}
    if source in ("lst", "imglist"):
        made["path_root"] = str(samples)
    return {"batch_size": 3, "data_shape": (3, 16, 18), **made, **settings}


def walked(mx, np, kind, settings, epochs, hard):
    """Everything an iterator gives in some epochs."""
    it = getattr(mx.image, kind)(**settings)
    made = []
    for epoch in range(epochs):
        made.append([([as_numbers(a) for a in b.data], b.label, b.pad, b.index) for b in it])
        if hard and epoch == 1:
            it.hard_reset()
        else:
            it.reset()
    return {"provide": [tuple(d) for d in it.provide_data + it.provide_label], "made": made, "next": random.random()}


def checked(compare, kind, settings, epochs=3, hard=False, atol=0.0):
    """Whether an iterator gives what MXNet's gives."""
    compare(walked, {"kind": kind, "settings": settings, "epochs": epochs, "hard": hard}, rtol=1e-5, atol=atol)


@pytest.mark.parametrize("handle", ["pad", "discard", "roll_over"])
@pytest.mark.parametrize("source", ["rec", "idx", "lst"])
def test_epochs(compare, samples, source, handle):
    for batch_size in (1, 2, 3, 5, 7, 10):
        settings = {"batch_size": batch_size, "last_batch_handle": handle, "shuffle": source != "rec"}
        checked(compare, "ImageIter", settings_of(samples, "one", source, settings), 4, hard=True)


LIST = [[1, "sub/0.png"], [2.5, "sub/1.png"], [[3], "sub/2.png"], ((4,), "sub/3.png"), (np.float32(5), "sub/4.png")]


@pytest.mark.parametrize("kind, source, settings", [
    ("one", "both", {}), ("two", "rec", {"label_width": 2}), ("two", "lst", {"label_width": 2}),
    ("two", "both", {"label_width": 2, "shuffle": True}), ("one", "rec", {"label_width": 2}),
    ("one", "imglist", {"imglist": LIST}), ("one", "imglist", {"imglist": LIST, "dtype": "int32", "shuffle": True}),
    ("one", "imglist", {"imglist": [(1, 2, "sub/0.png"), (3, 4, "sub/1.png")], "label_width": 2, "batch_size": 2}),
    *(("one", "idx", {"num_parts": parts, "part_index": part}) for parts, part in ((2, 0), (2, 1), (3, 2), (9, 1))),
    ("one", "lst", {"num_parts": 2, "part_index": 1, "shuffle": True}), ("one", "rec", {"dtype": "float64"}),
    ("one", "rec", {"data_name": "x", "label_name": "y"}),
    ("one", "rec", {"batch_size": 2, "data_shape": (3, 30, 10)}),
    ("one", "rec", {"rand_mirror": True, "rand_crop": True, "inter_method": 1}),
    ("one", "idx", {"shuffle": True, "rand_crop": True, "rand_resize": True, "inter_method": 3, "mean": True,
                    "std": True, "brightness": 0.1, "contrast": 0.1, "saturation": 0.1, "hue": 0.1, "pca_noise": 0.1}),
    ("one", "rec", {"resize": 40, "inter_method": 10})], ids=str)
def test_image_iter(compare, samples, kind, source, settings):
    blurred = settings.get("inter_method", 2) in (2, 10)
    checked(compare, "ImageIter", settings_of(samples, kind, source, settings), atol=1.0 if blurred else 1e-3)


@pytest.mark.parametrize("source, settings", [
    ("rec", {}), ("idx", {"shuffle": True}), ("lst", {"last_batch_handle": "discard"}),
    ("idx", {"last_batch_handle": "roll_over"}), ("rec", {"batch_size": 10}),
    ("both", {"data_name": "x", "label_name": "y"}),
    ("idx", {"num_parts": 2, "part_index": 1}), ("rec", {"rand_crop": 0.5, "rand_pad": 0.5, "rand_mirror": True}),
    ("idx", {"shuffle": True, "rand_crop": 0.9, "min_object_covered": [0.1, 0.5], "mean": True, "std": True}),
    ("imglist", {"imglist": [[[3, 6, 0, 1, 0.1, 0.2, 0.3, 0.4, 9], "sub/0.png"],
                             [[2, 6, 1, 0.5, 0.2, 0.3, 0.4, 9, 2, 0.1, 0.2, 0.3, 0.4, 7], "sub/1.png"]]})], ids=str)
def test_image_det_iter(compare, samples, source, settings):
    settings = settings_of(samples, "det", source, {"inter_method": 1, **settings})
    checked(compare, "ImageDetIter", settings, atol=1e-3)


def replaced(mx, np, settings):
    """Iterators with steps of a program's own."""
    class Odd(mx.image.ImageIter):
        def check_valid_image(self, data):
            if data.shape[0] % 2:
                raise RuntimeError("odd")

    class Own(mx.image.ImageIter):
        def augmentation_transform(self, data):
            return mx.image.imresize(data, 18, 16, 0).astype("float32")

        def postprocess_data(self, datum):
            return mx.nd.transpose(datum, axes=(2, 0, 1)) / 255

        def imdecode(self, s):
            return 255 - super().imdecode(s)

        def next_sample(self):
            label, image = super().next_sample()
            return label + 100, image

    class Checked(mx.image.ImageIter):
        def check_valid_image(self, data):
            raise ValueError("no")

    made = [[(as_numbers(b.data), b.label, b.pad) for b in kind(**settings)] for kind in (Odd, Own)]
    it, seen = mx.image.ImageIter(**settings), []
    for _ in range(16):
        try:
            seen.append(it.next_sample()[0])
        except StopIteration:
            seen.append("end")
    try:
        Checked(**settings).next()
    except ValueError as error:
        made.append(str(error))
    return {"made": made, "seen": seen}


@pytest.mark.parametrize("handle", ["pad", "discard", "roll_over"])
def test_replaced_steps(compare, samples, handle):
    compare(replaced, {"settings": settings_of(samples, "one", "idx", {"last_batch_handle": handle})})


def reshaped(mx, np, settings, others):
    """Label shapes that are changed, and agreed upon with another iterator."""
    it, other = mx.image.ImageDetIter(**settings), mx.image.ImageDetIter(**{**settings, **others})
    before = [it.label_shape, other.label_shape]
    same = it.sync_label_shape(other) is other
    made = [it.provide_label[0][1], other.provide_label[0][1], it.next().label[0], other.next().label[0]]
    it.reshape(label_shape=(9, 5))
    it.reset()
    return {"before": before, "same": same, "made": made, "after": [it.label_shape, it.next().label[0]]}


def test_label_shapes(compare, samples):
    given = [[[2, 5, 1, 0.1, 0.2, 0.3, 0.4] + [0, 0.1, 0.1, 0.2, 0.2] * 4, "sub/0.png"]]
    others = {"path_imgrec": None, "path_root": str(samples), "imglist": given, "batch_size": 1}
    compare(reshaped, {"settings": settings_of(samples, "det", "rec", {}), "others": others})


BOX = [1, 0.1, 0.2, 0.3, 0.4]


@pytest.mark.parametrize("kind, source, settings", [
    ("ImageIter", "", {}), ("ImageIter", "rec", {"shuffle": True}), ("ImageIter", "rec", {"num_parts": 2}),
    ("ImageIter", "idx", {"num_parts": 2, "part_index": 2}), ("ImageIter", "rec", {"dtype": "uint8"}),
    ("ImageIter", "rec", {"data_shape": (1, 16, 18)}), ("ImageIter", "rec", {"data_shape": (16, 18)}),
    ("ImageIter", "rec", {"aug_list": []}), ("ImageIter", "two", {}), ("ImageIter", "rec", {"foo": 1}),
    ("ImageIter", "rec", {"batch_size": 0}), ("ImageIter", "imglist", {"imglist": [["a", "sub/0.png"]]}),
    ("ImageIter", "imglist", {"imglist": [[1, "none.png"]]}), ("ImageDetIter", "rec", {}),
    *(("ImageDetIter", "imglist", {"imglist": [[label, "sub/0.png"]]}) for label in (
        [2, 5, 1], [2, 5, *BOX, 7], [1, 5, *BOX], [2, 4, 1, 0.1, 0.2, 0.3, 1, 0.1, 0.2, 0.3], [2, 0, *BOX],
        [2, 5, 1, 0.5, 0.2, 0.3, 0.4], [9, 5, *BOX], 1)),
    ("ImageDetIter", "imglist", {"imglist": []}),
    ("ImageDetIter", "imglist", {"imglist": [[[2, 5, *BOX], "sub/0.png"], [[2, 6, *BOX, 7], "sub/1.png"]]})], ids=str)
def test_refused_iterators(compare, samples, kind, source, settings):
    settings = settings_of(samples, "two" if source == "two" else "one", "rec" if source == "two" else source, settings)
    _, ours = compare(walked, {"kind": kind, "settings": settings, "epochs": 1, "hard": False}, raises=True)
    assert isinstance(ours, (mx.MXNetError, FileNotFoundError) if "foo" not in settings else TypeError)
    assert os.path.exists(samples / "one.rec")
