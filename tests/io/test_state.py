"""Iterators that are left and taken up again: another one over the same source goes on as the first did."""
import numpy as np
import pytest

import ganmod as mx

cv2 = pytest.importorskip("cv2", exc_type=ImportError)


@pytest.fixture
def records(tmp_path):
    """A file of eleven small pictures, labelled by their number."""
    path = str(tmp_path / "few.rec")
    with mx.recordio.MXRecordIO(path, "w") as record:
        for k in range(11):
            picture = np.random.default_rng(k).integers(0, 256, (12, 12, 3), dtype=np.uint8)
            record.write(mx.recordio.pack_img(mx.recordio.IRHeader(0, k, k, 0), picture, img_fmt=".png"))
    return path


def of_arrays(_path, **settings):
    return mx.io.NDArrayIter(np.arange(22).reshape(11, 2), np.arange(11), batch_size=4, **settings)


def of_records(path, **settings):
    return mx.io.ImageRecordIter(path_imgrec=path, data_shape=(3, 8, 8), batch_size=4, rand_crop=True,
                                 rand_mirror=True, **settings)


def batches(iterator, count):
    """The next batches, over the ends of epochs."""
    found = []
    while len(found) < count:
        try:
            batch = iterator.next()
            found.append((batch.data[0].asnumpy(), batch.label[0].asnumpy(), batch.pad))
        except StopIteration:
            iterator.reset()
    return found


@pytest.mark.parametrize("make, settings", [
    (of_arrays, {}), (of_arrays, {"shuffle": True}), (of_arrays, {"shuffle": True, "last_batch_handle": "roll_over"}),
    (of_records, {}), (of_records, {"shuffle": True}), (of_records, {"shuffle": True, "round_batch": False}),
    (of_records, {"shuffle": True, "prefetch_buffer": 1, "preprocess_threads": 1})],
    ids=lambda value: getattr(value, "__name__", str(value)))
@pytest.mark.parametrize("taken", [0, 1, 2, 3, 5, 7])
def test_another_goes_on(records, make, settings, taken):
    np.random.seed(3)
    one = make(records, **settings)
    batches(one, taken)
    state, numbers = one.state_dict(), np.random.get_state()
    expected = batches(one, 8)
    other = make(records, **settings)
    batches(other, 2)
    np.random.set_state(numbers)
    other.load_state_dict(state)
    for (data, label, pad), (data2, label2, pad2) in zip(expected, batches(other, 8)):
        np.testing.assert_array_equal(data, data2)
        np.testing.assert_array_equal(label, label2)
        assert pad == pad2


@pytest.mark.parametrize("make", [of_arrays, of_records])
def test_the_state_of_another_kind(records, make):
    with pytest.raises(TypeError, match="the state is of another iterator"):
        make(records).load_state_dict(make(records, shuffle=True).state_dict())
