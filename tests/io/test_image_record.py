"""Images out of records, without MXNet: damage, threads, options, and what MXNet does not offer."""
import gc
import inspect
import logging
import os
import pathlib
import subprocess
import sys
import threading
import time
import traceback
import weakref

import numpy as np
import pytest

import ganmod as mx
from ganmod.base import AttributeValueError, FileFormatError, InputError
from ganmod.io.rounds import Rounds, Shuffler

cv2 = pytest.importorskip("cv2")

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def images(tmp_path):
    """Settings for 20 images of one grey level each, which is their label."""
    paths = tmp_path / "a.idx", tmp_path / "a.rec"
    with mx.recordio.MXIndexedRecordIO(*paths, "w") as record:
        for k in range(20):
            image = np.full((8, 10, 3), k, "uint8") + np.arange(10, dtype="uint8")[:, None] * 20
            record.write_idx(k, mx.recordio.pack_img((0, k, k, 0), image, 3, ".png"))
    return {"path_imgrec": paths[1], "data_shape": (3, 6, 6), "batch_size": 4, "preprocess_threads": 2}


def labels(it):
    return [batch.label[0].asnumpy().tolist() for batch in it]


def all_data(settings, kind="ImageRecordIter", **more):
    """Data and labels of an epoch."""
    it = getattr(mx.io, kind)(**{**settings, **more})
    made = [(batch.data[0].asnumpy(), batch.label[0].asnumpy()) for batch in it]
    it.close()
    return np.concatenate([data for data, _ in made]), np.concatenate([label for _, label in made])


# --- damage ----------------------------------------------------------------------------------------------------------

def damage(settings, number):
    """Overwrite the image of a record; where the record begins."""
    path = settings["path_imgrec"]
    with mx.recordio.MXIndexedRecordIO(path.with_suffix(".idx"), path, "r") as record:
        place = record.idx[number]
    with open(settings["path_imgrec"], "r+b") as stream:
        stream.seek(place + 8 + 24)
        stream.write(b"no image at all")
    return place


@pytest.mark.parametrize("ahead", [1, 4])
def test_damaged_records_are_left_out(images, caplog, ahead):
    places = [damage(images, k) for k in (2, 3, 17)]
    with caplog.at_level(logging.WARNING):
        it = mx.io.ImageRecordIter(**images, prefetch_buffer=ahead)
        found = labels(it)
        it.reset()
        again = labels(it)
        it.close()
    assert found[0] == [0, 1, 4, 5] and found[-1] == [19, 0, 1, 4] and again[0] == [5, 6, 7, 8]
    assert [r.message.split(": at byte ")[1].split(":")[0] for r in caplog.records] == [str(p) for p in places]
    assert str(images["path_imgrec"]) in caplog.text


def test_damage_does_not_change_the_orders(images, caplog):
    """Those of a shuffled pass are drawn once, however often batches are planned anew."""
    def epochs():
        it = mx.io.ImageRecordIter(**{**images, "batch_size": 5}, shuffle=True, seed=3)
        found = []
        for _ in range(3):
            found.append(sum(labels(it), []))
            it.reset()
        it.close()
        return found
    whole = epochs()
    for number in (4, 11):
        damage(images, number)
    with caplog.at_level(logging.CRITICAL):
        found = epochs()
    passes, order = [], sum(whole, [])
    for begin in range(0, 60, 20):
        passes += [label for label in order[begin:begin + 20] if label not in (4, 11)]
    assert sum(found, [])[:len(passes)] == passes


def test_damaged_records_raise_on_request(images):
    place = damage(images, 5)
    it = mx.io.ImageRecordIter(**images, on_error="raise")
    with pytest.raises(FileFormatError, match=f"a.rec: at byte {place}: .* are no image"):
        labels(it)
    assert it.next().label[0].asnumpy().tolist() == [4, 6, 7, 8]
    it.close()


def test_nothing_but_damage(images, caplog):
    for k in range(20):
        damage(images, k)
    it = mx.io.ImageRecordIter(**images)
    assert labels(it) == [] and len(caplog.records) == 20
    it.close()
    images["path_imgrec"].write_bytes(b"nothing here")
    with pytest.raises(FileFormatError, match="there are no records"):
        mx.io.ImageRecordIter(**images)


def test_corruptions_end_cleanly(images, rng):
    content = images["path_imgrec"].read_bytes()
    for _ in range(40):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 30):
            damaged[place] ^= 1 << int(rng.integers(0, 8))
        images["path_imgrec"].write_bytes(damaged[:int(rng.integers(100, len(content)))])
        try:
            it = mx.io.ImageRecordIter(**images)
        except FileFormatError:
            continue
        try:
            assert len(labels(it)) <= 6
        except FileFormatError as error:
            assert "a.rec: at byte" in str(error)
        it.close()


def test_rounds_go_back():
    shuffler = Shuffler(5)
    rounds = Rounds(lambda: shuffler.order(5), 3)
    states, made = [], []
    for _ in range(7):
        states.append(rounds.state())
        made.append(rounds.next())
        if made[-1] is None:
            rounds.reset()
    rounds.restore(states[0])
    for before in made:
        np.testing.assert_equal(rounds.next(), before)
        if before is None:
            rounds.reset()
    rounds.forget(rounds.state())
    with pytest.raises(KeyError):
        rounds.restore(states[0])


# --- threads ----------------------------------------------------------------------------------------------------------

def decoding():
    """Threads that decode."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def open_files(path):
    """How many descriptors of this process show a file."""
    found = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
    return found.count(os.path.realpath(path))


@pytest.mark.parametrize("way", ["close", "del", "error in a loop", "bad option"])
def test_nothing_is_left(images, way):
    before = len(decoding())
    if way == "bad option":
        with pytest.raises(InputError):
            mx.io.ImageRecordIter(**images, std_g=0)
    else:
        it = mx.io.ImageRecordIter(**images)
        it.next()
        assert len(decoding()) > before
        if way == "close":
            it.close()
            it.close()
            with pytest.raises(mx.MXNetError, match="closed"):
                it.next()
            with pytest.raises(mx.MXNetError, match="closed"):
                it.reset()
        elif way == "error in a loop":
            with pytest.raises(KeyboardInterrupt):
                for _ in it:
                    raise KeyboardInterrupt
        gone = weakref.ref(it)
        del it
        gc.collect()
        assert gone() is None
    assert len(decoding()) == before
    if os.path.isdir("/proc/self/fd"):
        assert open_files(images["path_imgrec"]) == 0


def test_a_program_that_is_interrupted_ends(images, tmp_path):
    program = ("import signal, ganmod as mx\n"
               "signal.signal(signal.SIGINT, signal.default_int_handler)\n"    # a job in the background ignores it
               f"it = mx.io.ImageRecordIter(path_imgrec={str(images['path_imgrec'])!r}, data_shape=(3, 6, 6),"
               " batch_size=4)\n"
               "while True:\n    print('on', flush=True)\n    for _ in it: pass\n    it.reset()\n")
    with subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "on\n"
            time.sleep(0.1)
            process.send_signal(2)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode != 0 and errors.rstrip().endswith("KeyboardInterrupt"), errors
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.idx", "a.rec"]


def test_errors_of_threads_arrive_with_their_traceback(images):
    it = mx.io.ImageRecordIter(**images, label_width=2)
    with pytest.raises(FileFormatError, match="a.rec: at byte 0: the record with id 0 has a label of 1 num") as caught:
        it.next()
    assert "in fill" in "".join(traceback.format_tb(caught.value.__traceback__))
    it.close()


def test_batches_keep_their_values(images):
    """Their memory is used again only when nobody looks at it any more."""
    it = mx.io.ImageRecordIter(**images)
    kept, views = [], []
    for _ in range(4):
        for batch in it:
            kept.append((batch.data[0], batch.data[0].asnumpy(), batch.label[0], batch.label[0].asnumpy()))
            views.append((batch.data[0][1:2].as_torch()[0], kept[-1][1][1]))
        it.reset()
    it.close()
    for data, values, label, numbers in kept:
        assert (data.asnumpy() == values).all() and (label.asnumpy() == numbers).all()
    del kept
    assert all((view.numpy() == values).all() for view, values in views)


def test_memory_is_used_again(images):
    it = mx.io.ImageRecordIter(**images, prefetch_buffer=2)
    places = set()
    for _ in range(10):
        places |= {batch.data[0].as_torch().data_ptr() for batch in it}
        it.reset()
    it.close()
    assert len(places) <= 6


def test_reset_in_the_middle(images):
    it = mx.io.ImageRecordIter(**{**images, "batch_size": 6}, prefetch_buffer=8)
    first = it.next().label[0].asnumpy()
    it.reset()
    assert (it.next().label[0].asnumpy() == first).all()
    it.close()


# --- options ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("settings", [
    {"data_shape": (2, 6, 6)}, {"data_shape": (6, 6)}, {"preprocess_threads": 0}, {"prefetch_buffer": 0}, {"std_r": 0},
    {"inter_method": 7}, {"batch_size": 0}, {"batch_size": None}, {"path_imgrec": ""}, {"resize": 0}, {"pad": -1},
    {"brightness": -0.1}, {"data_shape": (1, 6, 6), "random_h": 3}, {"min_crop_size": 4}, {"max_crop_size": 4},
    {"min_crop_size": 5, "max_crop_size": 4}, {"min_crop_size": 9, "max_crop_size": 9},
    {"random_resized_crop": True, "rand_crop": True}, {"min_random_scale": 2}, {"min_aspect_ratio": 1.2},
    {"max_aspect_ratio": 1}, {"aug_seq": "other"}, {"dtype": "bool"}, {"ctx": "tpu"}, {"normalize_on_device": True},
    {"num_parts": 2, "part_index": 2}, {"label_width": 0}])
def test_image_settings_that_are_wrong(images, settings):
    with pytest.raises(InputError, match="ImageRecordIter: "):
        it = mx.io.ImageRecordIter(**{**images, **settings})
        try:
            it.next()                                      # what depends on the images
        finally:
            it.close()


@pytest.mark.parametrize("settings, message", [
    ({"rand_miror": True}, "no option 'rand_miror'; did you mean 'rand_mirror'"), ({"resize": "x"}, "resize='x'"),
    ({"on_error": "x"}, "on_error='x': expected one of"), ({"resize": 20.5}, "resize=20.5: expected an int"),
    ({"rand_crop": "yes"}, "rand_crop='yes': expected True or False"), ({"dtype": "float31"}, "float31")])
def test_options_that_are_none(images, settings, message):
    with pytest.raises(AttributeValueError, match=message):
        mx.io.ImageRecordIter(**images, **settings)


def test_options_as_text_and_by_default(images):
    plain = all_data(images)
    spelled = {key: str(value) for key, value in images.items()}
    np.testing.assert_equal(all_data(spelled, path_imgidx=None, rand_crop="False", scale="1.0"), plain)
    signature = inspect.signature(mx.io.ImageRecordIter)
    assert signature.parameters["fill_value"].default == 255
    assert inspect.signature(mx.io.ImageDetRecordIter).parameters["fill_value"].default == 127
    with pytest.raises(TypeError):
        mx.io.ImageRecordIter(images["path_imgrec"], (3, 6, 6), 4)


def test_index_and_list(images, tmp_path):
    (tmp_path / "a.lst").write_text("".join(f"{k}\t{k * 2}\t{k * 3}\tx.png\n" for k in range(20)))
    it = mx.io.ImageRecordIter(**images, path_imgidx=tmp_path / "a.idx", path_imglist=tmp_path / "a.lst", label_width=2)
    batch = it.next()
    assert batch.label[0].asnumpy().tolist() == [[0, 0], [2, 3], [4, 6], [6, 9]]
    assert batch.index.tolist() == [0, 1, 2, 3]
    it.close()
    (tmp_path / "a.lst").write_text("0\t1\tx.png\n")
    it = mx.io.ImageRecordIter(**images, path_imglist=tmp_path / "a.lst")
    with pytest.raises(FileFormatError, match="the record with id 1 is not in"):
        it.next()
    it.close()
    (tmp_path / "a.lst").write_text("0\tx.png\n")
    with pytest.raises(FileFormatError, match="line 1: expected an id, 1 label"):
        mx.io.ImageRecordIter(**images, path_imglist=tmp_path / "a.lst")


@pytest.mark.parametrize("parts", [1, 3])
def test_several_files(images, tmp_path, parts):
    folder = tmp_path / "parts"
    folder.mkdir()
    for name, numbers in (("b", range(7)), ("a", range(20, 23)), ("c", range(30, 35))):
        with mx.recordio.MXRecordIO(folder / name, "w") as record:
            for k in numbers:
                record.write(mx.recordio.pack_img((0, k, k, 0), np.full((6, 6, 3), k, "uint8"), 3, ".png"))
    for paths, order in ((folder, "abc"), (";".join(str(folder / name) for name in "cab"), "cab")):
        found = []
        for part in range(parts):
            data, label = all_data(images, path_imgrec=paths, batch_size=1, num_parts=parts, part_index=part)
            assert (data == label.reshape(-1, 1, 1, 1)).all()
            found += label.tolist()
        numbers = {"a": [20, 21, 22], "b": list(range(7)), "c": list(range(30, 35))}
        assert found == sum((numbers[name] for name in order), [])
    with pytest.raises(InputError, match="path_imgidx"):
        mx.io.ImageRecordIter(**{**images, "path_imgrec": folder}, path_imgidx=tmp_path / "a.idx")


@pytest.mark.parametrize("threads", [1, 3])
def test_random_crops_repeat_with_the_seed(images, threads):
    options = {"rand_crop": True, "rand_mirror": True, "preprocess_threads": threads}
    made = [all_data(images, seed=seed, **options)[0] for seed in (1, 1, 2)]
    assert (made[0] == made[1]).all() and (made[0] != made[2]).any()
    assert (made[0] == all_data(images, seed=9, seed_aug=1, **{**options, "preprocess_threads": 2})[0]).all()
    steps = made[0][:, 0, 0, 1] - made[0][:, 0, 0, 0]
    assert set(np.unique(steps)) == {-20, 20}


def test_every_epoch_is_augmented_anew(images):
    it = mx.io.ImageRecordIter(**{**images, "batch_size": 20}, rand_crop=True)
    first = it.next().data[0].asnumpy()
    it.reset()
    assert (it.next().data[0].asnumpy() != first).any()
    it.close()


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "int32", "int64", "int8", "uint8"])
def test_types(images, dtype, caplog):
    plain, _ = all_data(images, mean_r=3, std_g=2, mirror=True, dtype="float32" if "float" in dtype else "int32")
    it = mx.io.ImageRecordIter(**images, mean_r=3, std_g=2, mirror=True, dtype=dtype)
    batch = it.next().data[0]
    assert str(batch.as_torch().dtype) == f"torch.{dtype}"
    wanted = np.minimum(plain[:4], 127) if dtype == "int8" else plain[:4]
    np.testing.assert_allclose(batch.astype("float32").asnumpy(), wanted, rtol=4e-3 if dtype == "bfloat16" else 1e-3)
    assert ("mean nothing" in caplog.text) == ("float" not in dtype)
    it.close()


@pytest.mark.parametrize("options", [
    {}, {"mean_r": 10, "mean_b": 20, "std_g": 3, "scale": 0.5}, {"mean_img": True, "rand_mirror": True, "std_r": 2},
    {"max_random_contrast": 0.3, "max_random_illumination": 20, "mean_g": 5}, {"dtype": "float16", "mean_r": 4},
    {"dtype": "uint8", "rand_mirror": True}], ids=str)
def test_normalising_on_a_device(images, tmp_path, rng, options):
    """On a device, here the processor itself, or on a GPU where there is one, as in the threads."""
    if "mean_img" in options:
        mx.nd.save(tmp_path / "mean", {"mean_img": mx.nd.array(rng.uniform(0, 255, (3, 6, 6)))})
        options = {**options, "mean_img": tmp_path / "mean"}
    plain, _ = all_data(images, seed=5, **options)
    for ctx in [mx.cpu(), *[mx.gpu(0)] * bool(mx.num_gpus())]:
        for there in (False, True):
            it = mx.io.ImageRecordIter(**images, seed=5, ctx=ctx, normalize_on_device=there, **options)
            batches = [batch.data[0] for batch in it]
            assert all(batch.context == (ctx if there else mx.cpu()) for batch in batches)
            if ctx.device_type == "gpu" and not there:
                assert all(batch.as_torch().is_pinned() for batch in batches)
            made = np.concatenate([batch.asnumpy() for batch in batches])
            assert made.dtype == plain.dtype
            np.testing.assert_allclose(made, plain, rtol=1e-5, atol=1e-4)
            it.close()


def test_a_mean_image_of_another_shape(images, tmp_path):
    mx.nd.save(tmp_path / "mean", {"mean_img": mx.nd.zeros((3, 5, 6))})
    with pytest.raises(FileFormatError, match=r"mean: expected a mean image of shape \(3, 6, 6\)"):
        mx.io.ImageRecordIter(**images, mean_img=tmp_path / "mean")
    (tmp_path / "mean").write_bytes(b"nothing of the kind")
    with pytest.raises(FileFormatError):
        mx.io.ImageRecordIter(**images, mean_img=tmp_path / "mean")
    assert not decoding()


def test_an_older_opencv(images, monkeypatch):
    """Without a flag for red first."""
    plain, _ = all_data(images, path_imgrec=coloured(images["path_imgrec"].with_name("b.rec")))
    monkeypatch.delattr(cv2, "IMREAD_COLOR_RGB")
    older, _ = all_data(images, path_imgrec=images["path_imgrec"].with_name("b.rec"))
    assert (older == plain).all() and (plain[:, 0] == 9).all() and (plain[:, 2] == 50).all()


def coloured(path):
    """The path of a file of images of one colour."""
    with mx.recordio.MXRecordIO(path, "w") as record:
        for k in range(4):
            image = np.full((6, 6, 3), (50, 30, 9), "uint8")
            record.write(mx.recordio.pack_img((0, k, k, 0), image, 3, ".png"))
    return path


def test_opacity_is_asked_for_in_vain(images, caplog):
    it = mx.io.ImageRecordIter(**{**images, "data_shape": (4, 6, 6)}, on_error="raise")
    with pytest.raises(FileFormatError, match="expected an image of 4 channels"):
        it.next()
    it.close()


def test_a_record_in_several_pieces(images):
    """An image that has the records' first word in it is cut there in the file."""
    magic = b"\n#\xd7\xce"
    picture = cv2.imencode(".png", np.full((6, 6, 3), 9, "uint8"))[1].tobytes()
    header = mx.recordio.pack((0, 5, 0, 0), b"")
    for ahead in range(4):
        content = picture + bytes(ahead) + 3 * magic
        with mx.recordio.MXRecordIO(images["path_imgrec"], "w") as record:
            record.write(header + content)
            record.write(header + picture)
        data, label = all_data(images, batch_size=2)
        assert (data == 9).all() and label.tolist() == [5, 5]
