"""``mx.image`` where MXNet cannot be asked, or answers otherwise."""
import builtins
import logging
import random

import numpy as np
import pytest

import ganmod as mx
from ganmod.base import AttributeValueError, FileFormatError, InputError, ShapeError

cv2 = pytest.importorskip("cv2", exc_type=ImportError)

BOX = [1, 0.25, 0.25, 0.75, 0.75]


@pytest.fixture
def folder(tmp_path):
    """A folder of three images of one colour each, and records of them."""
    with mx.recordio.MXIndexedRecordIO(tmp_path / "a.idx", tmp_path / "a.rec", "w") as record:
        for i in range(3):
            image = np.full((8, 10, 3), 10 * (i + 1), "uint8")
            cv2.imwrite(str(tmp_path / f"{i}.png"), image)
            record.write_idx(i, mx.recordio.pack_img((0, i, i, 0), image, 3, ".png"))
    return tmp_path


def iterator(folder, labels=(0, 1, 2), kind=mx.image.ImageIter, **settings):
    """An iterator over the files."""
    imglist = [[label, f"{i}.png"] for i, label in enumerate(labels)]
    return kind(**{"batch_size": 2, "data_shape": (3, 8, 8), "imglist": imglist, "path_root": folder, **settings})


# --- functions and augmenters ----------------------------------------------------------------------------------------

def test_damaged_files_are_named(folder):
    for name, content in (("empty", b""), ("text", b"no image" * 9), ("cut", (folder / "0.png").read_bytes()[:40])):
        (folder / f"{name}.png").write_bytes(content)
        with pytest.raises(FileFormatError, match=rf"imread\(\): '.*{name}.png'"):
            mx.image.imread(folder / f"{name}.png")
        with pytest.raises(FileFormatError, match=f"ImageIter: .*{name}.png"):
            iterator(folder, imglist=[[0, f"{name}.png"]]).next()
    with mx.recordio.MXRecordIO(folder / "b.rec", "w") as record:
        record.write(mx.recordio.pack((0, 1, 0, 0), b"no image"))
    with pytest.raises(FileFormatError, match="b.rec, record 0: imdecode"):
        mx.image.ImageIter(1, (3, 8, 8), path_imgrec=folder / "b.rec").next()


def test_results_are_written_to_an_array(folder):
    out = mx.nd.zeros((8, 10, 3))
    assert mx.image.imread(folder / "1.png", out=out) is out
    assert (out.asnumpy() == 20).all()
    with pytest.raises(InputError, match=r"out must be an NDArray of shape \(4, 5, 3\), got \(8, 10, 3\)"):
        mx.image.imresize(out, 5, 4, out=out)
    with pytest.raises(InputError, match="takes a path, got int"):
        mx.image.imread(0)


def test_a_crop_is_a_copy():
    image = mx.nd.ones((4, 4, 3))
    part = mx.image.fixed_crop(image, 1, 1, 2, 2)
    part[:] = 7
    assert (image.asnumpy() == 1).all()


def test_missing_colours_of_a_border_are_0():
    """MXNet takes what happens to lie in memory."""
    image = mx.nd.ones((1, 1, 3))
    assert mx.image.copyMakeBorder(image, 1, 0, 0, 0, values=(5,)).asnumpy()[0, 0].tolist() == [5, 0, 0]
    found, boxes = mx.image.DetRandomPadAug(1.0, 9.0, pad_val=7)(image, np.array([[0, 0, 0, 1, 1.0]]))
    assert found.shape == (3, 3, 3) and found.asnumpy().sum() == 8 * 3 * 7 + 3
    assert np.isclose(boxes[0, 3] - boxes[0, 1], 1 / 3)


def test_the_old_name_of_area():
    image, settings = mx.nd.zeros((20, 20, 3)), ((5, 5), None, (1, 1))
    with pytest.warns(DeprecationWarning, match="now called area"):
        _, (_, _, w, h) = mx.image.random_size_crop(image, *settings, min_area=1.0)
    assert (w, h) == (20, 20)
    with pytest.warns(DeprecationWarning, match="now called area"):
        assert mx.image.RandomSizedCropAug(*settings, min_area=0.3).area == 0.3
    with pytest.raises(InputError, match="unexpected keyword argument.* largest"):
        mx.image.RandomSizedCropAug(*settings, largest=0.3)


@pytest.mark.parametrize("call, error, message", [
    (lambda: mx.image.fixed_crop(mx.nd.zeros((4, 4, 3)), 4, 0, 1, 1), AttributeValueError, "width 4 and height 4"),
    (lambda: mx.image.resize_short(mx.nd.zeros((4, 4)), 2), InputError, r"got shape \(4, 4\)"),
    (lambda: mx.image.imdecode("a.png"), InputError, "imread"),
    (lambda: mx.image.imresize(mx.nd.zeros((4, 4, 3), dtype="int32"), 2, 2), InputError, "uint8, float32, float64"),
    (lambda: mx.image.random_size_crop(mx.nd.zeros((4, 4, 3)), (2, 2), 0.5, (0, 1)), AttributeValueError, "positive"),
    (lambda: mx.image.imrotate(mx.nd.zeros((2, 1, 4, 4)), [1, 2, 3]), ShapeError, "3 angles for 2 images"),
    (lambda: mx.image.DetRandomSelectAug([mx.image.CastAug()]), AttributeValueError, "DetBorrowAug"),
    (lambda: mx.image.CreateAugmenter((3, 4, 4), mean=(1, 2, 3)), InputError, r"mean .* got \(1, 2, 3\)"),
    (lambda: mx.image.DetRandomCropAug(area_range=(0.5, 0.2)), AttributeValueError, r"area_range .* got \(0.5, 0.2\)"),
    (lambda: mx.image.Augmenter()(None), NotImplementedError, "Augmenter must define __call__")])
def test_messages(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("reason", ["No module named 'cv2'", "libGL.so.1: cannot open shared object file"])
def test_without_opencv(folder, monkeypatch, reason):
    real = builtins.__import__

    def fake(name, *args, **kwargs):
        if name == "cv2":
            raise ImportError(reason)
        return real(name, *args, **kwargs)
    monkeypatch.setattr(builtins, "__import__", fake)
    for call in (lambda: mx.image.imread(folder / "0.png"), lambda: mx.image.imresize(mx.nd.zeros((4, 4, 3)), 2, 2),
                 lambda: iterator(folder).next()):
        with pytest.raises(mx.MXNetError, match="needs OpenCV.*pip install opencv-python-headless"):
            call()


# --- iterators -------------------------------------------------------------------------------------------------------

def test_a_batch_of_many_rounds(folder):
    """MXNet leaves what happens to lie in memory after the second round."""
    batch = iterator(folder, batch_size=8).next()
    assert batch.label[0].asnumpy().tolist() == [0, 1, 2, 0, 1, 2, 0, 1] and batch.pad == 5
    assert batch.data[0].asnumpy()[:, 0, 0, 0].tolist() == [10, 20, 30, 10, 20, 30, 10, 20]


def test_samples_that_end_for_good(folder):
    class Ending(mx.image.ImageIter):
        left = 3

        def next_sample(self):
            if not self.left:
                raise StopIteration
            self.left -= 1
            return super().next_sample()
    found = [(b.pad, b.label[0].asnumpy().tolist()) for b in iterator(folder, kind=Ending)]
    assert found == [(0, [0, 1]), (1, [2, 0])]


def test_lists(folder):
    (folder / "a.lst").write_text("0\t5\t0.png\n\n7\t6\t2.png\n")
    it = mx.image.ImageIter(2, [3, 8, 8], path_imglist=folder / "a.lst", path_root=folder, dtype=np.int64)
    assert it.next().label[0].asnumpy().tolist() == [5, 6] and it.imglist[7][0].dtype is np.int64
    it = mx.image.ImageIter(1, (3, 8, 8), imglist=[[4, str(folder / "1.png")]])
    assert it.next().data[0].asnumpy().max() == 20
    for line in ("0 5 0.png", "0\t0.png", "x\t5\t0.png", "0\tx\t0.png", "0\t1.5\t0.png"):
        (folder / "b.lst").write_text(f"1\t2\t1.png\n{line}\n")
        with pytest.raises(FileFormatError, match="b.lst: line 2: expected an id"):
            mx.image.ImageIter(1, (3, 8, 8), path_imglist=folder / "b.lst", dtype="int32")
    (folder / "c.lst").write_text("1\t2\tx.png\n")
    it = mx.image.ImageIter(1, (3, 8, 8), path_imgrec=folder / "a.rec", path_imgidx=folder / "a.idx",
                            path_imglist=folder / "c.lst")
    with pytest.raises(KeyError, match="no label for the record 0"):
        it.next()


def test_what_is_left_out_is_logged(folder, caplog):
    class Dark(mx.image.ImageIter):
        def check_valid_image(self, data):
            if data.asnumpy().max() > 15:
                raise RuntimeError("too bright")
    with caplog.at_level(logging.WARNING):
        assert [b.pad for b in iterator(folder, kind=Dark)] == [1]
    assert "Dark leaves out" in caplog.text and "1.png: too bright" in caplog.text


@pytest.mark.parametrize("settings, error, message", [
    ({"last_batch_handle": "keep"}, AttributeValueError, "pad, discard, roll_over, got 'keep'"),
    ({"num_parts": 0}, AttributeValueError, "part_index must be 0 to num_parts - 1, got 0 of 0"),
    ({"imglist": [["0.png"]]}, InputError, r"entry 1 must be \[label, path\]"),
    ({"imglist": None}, InputError, "needs path_imgrec, path_imglist or imglist"),
    ({"dtype": "bytes"}, AttributeValueError, "dtype of labels")])
def test_settings_that_are_none(folder, settings, error, message):
    with pytest.raises(error, match=message):
        iterator(folder, **settings)


def test_a_network_learns_from_files(folder):
    """Images of three colours are told apart, through a prefetching iterator."""
    random.seed(0)
    np.random.seed(0)
    mx.random.seed(0)
    settings = dict(batch_size=3, mean=np.array([20.0] * 3), std=np.array([10.0] * 3))
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3)
    module = mx.mod.Module(mx.sym.SoftmaxOutput(net, name="softmax"))
    train = mx.io.PrefetchingIter(iterator(folder, shuffle=True, **settings))
    module.fit(train, num_epoch=60, optimizer_params={"learning_rate": 0.2})
    assert module.score(iterator(folder, **settings), "acc")[0][1] == 1.0


# --- objects ---------------------------------------------------------------------------------------------------------

def detection(folder, labels, **settings):
    """An iterator over the files with boxes."""
    return iterator(folder, [[2, 5, *label] for label in labels], mx.image.ImageDetIter, **settings)


def test_another_size_for_the_next_batch(folder):
    """MXNet's augmenters keep the old size, and the next batch fails."""
    it = detection(folder, [BOX, BOX * 2, BOX], rand_mirror=True)
    assert it.next().data[0].shape == (2, 3, 8, 8)
    it.reshape((3, 12, 16), (4, 5))
    batch = it.next()
    assert batch.data[0].shape == it.provide_data[0].shape == (2, 3, 12, 16)
    assert batch.label[0].shape == it.provide_label[0].shape == (2, 4, 5)
    assert (batch.label[0].asnumpy()[:, 1:] == -1).all()
    with pytest.raises(ShapeError, match="no room for the 4 objects"):
        it.reshape(label_shape=(3, 5))


def test_objects_out_of_room(folder):
    class Doubling(mx.image.DetAugmenter):
        def __call__(self, src, label):
            return mx.image.imresize(src, 8, 8), np.vstack([label, label])
    it = detection(folder, [BOX] * 3, aug_list=[Doubling()])
    with pytest.raises(ShapeError, match=r"0.png: a label \(2, 5\), expected label_shape \(1, 5\).*reshape"):
        it.next()
    it.reshape(label_shape=(2, 5))
    assert (it.next().label[0].asnumpy() == np.float32(BOX)).all()


@pytest.mark.parametrize("label, message", [
    ([2, 5, 1], "got 3 numbers"), ([2, 4, *BOX], "5 or more, got 2 and 4"), ([2, float("nan"), *BOX], "got 2 and nan"),
    ([2, 5, *BOX, 7], "of 8 numbers is no header of 2"), ([2, 5, 1, 0.5, 0.5, 0.5, 0.6], "wider and higher than 0"),
    ([1e9, 5, *BOX], "no header of 1000000000")])
def test_labels_that_are_none(folder, label, message):
    with pytest.raises(FileFormatError, match=f"1.png: a label.*{message}"):
        iterator(folder, [[2, 5, *BOX], label], mx.image.ImageDetIter)


def test_iterators_that_do_not_agree(folder):
    it = detection(folder, [BOX])
    with pytest.raises(ShapeError, match="objects of 5 and of 6 numbers"):
        it.sync_label_shape(iterator(folder, [[2, 6, *BOX, 0]], mx.image.ImageDetIter))
    with pytest.raises(InputError, match="takes an ImageDetIter, got ImageIter"):
        it.sync_label_shape(iterator(folder))
    with pytest.raises(FileFormatError, match="1.png: an object has 6 numbers, those before have 5"):
        iterator(folder, [[2, 5, *BOX], [2, 6, *BOX, 0]], mx.image.ImageDetIter)


def test_drawing(folder):
    it = detection(folder, [BOX, BOX * 2, BOX], data_shape=(3, 40, 40), mean=True, std=True)
    plain = list(it.draw_next(color=(250, 120, 60), thickness=1, mean=True, std=True))
    assert [image.shape for image in plain] == [(40, 40, 3)] * 3
    frame = np.zeros((40, 40), bool)
    frame[10:31, 10:31] = True
    frame[11:30, 11:30] = False
    assert (plain[0][frame] == (60, 120, 250)).all()
    assert np.abs(plain[1][~frame].astype(int) - 20).max() <= 1
    it.reset()
    named = next(it.draw_next(color=(250, 120, 60), thickness=1, mean=True, std=True, id2labels={1: "cat"}))
    changed = (named != plain[0]).any(2)
    assert changed.any() and not changed[:10].any() and not changed[:, :10].any()
    np.random.seed(5)
    colour = np.rint(np.random.rand(3) * 255)
    np.random.seed(5)
    it.reset()
    assert np.abs(next(it.draw_next())[10, 15] - colour).max() <= 1
    with pytest.raises(InputError, match="mean must be None, True or a numpy array"):
        next(it.draw_next(mean=3))
