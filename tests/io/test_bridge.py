"""torch's loaders as iterators, iterators as torch's data sets, iterators by name, arrays on disk and sparse ones."""
import sys

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import ganmod as mx
from ganmod.base import InputError, ShapeError, StateError


def loader(count=10, batch_size=4, **settings):
    """Samples k, k + 0.5 with the labels k."""
    data = torch.arange(count, dtype=torch.float64)[:, None] + torch.tensor([0, 0.5])
    return DataLoader(TensorDataset(data, torch.arange(count)), batch_size, **settings)


def labels_of(it):
    """Label, pad and the first column of the data of each batch of an epoch."""
    return [(b.label[0].asnumpy().tolist(), b.pad, b.data[0].asnumpy()[:, 0].tolist()) for b in it]


FULL = [([0, 1, 2, 3], 0), ([4, 5, 6, 7], 0)]


@pytest.mark.parametrize("handle, last", [("pad", [([8, 9, 0, 1], 2)]), ("keep", [([8, 9], 0)]), ("discard", [])])
def test_epochs(handle, last):
    it = mx.io.DataLoaderIter(loader(), last_batch_handle=handle)
    assert it.batch_size == 4
    assert it.provide_data == [("data", (4, 2))] and it.provide_label == [("softmax_label", (4,))]
    assert it.provide_data[0].dtype is np.float32 and it.provide_label[0].dtype is np.float32
    it.reset()                                             # before the first batch: nothing is lost
    for _ in range(2):
        assert labels_of(it) == [(labels, pad, labels) for labels, pad in FULL + last]
        with pytest.raises(StopIteration):
            it.next()
        with pytest.raises(StateError, match="there is no current batch"):
            it.getdata()
        it.reset()
    it.next()
    it.reset()                                             # in the middle
    assert labels_of(it)[0][0] == [0, 1, 2, 3]


def test_what_a_program_changes_does_not_come_again():
    batches, found = [(torch.arange(3.0), torch.zeros(3)), (torch.ones(1), torch.zeros(1))], []
    for batch in mx.io.DataLoaderIter(batches):
        found.append(batch.data[0].asnumpy().tolist())
        batch.data[0][:] = 7
    assert found == [[0, 1, 2], [1, 0, 1]]


def test_the_first_batch_is_fetched_once():
    fetched = []

    class Counted(IterableDataset):
        def __iter__(self):
            for k in range(6):
                fetched.append(k)
                yield torch.tensor([k]), k
    it = mx.contrib.io.DataLoaderIter(DataLoader(Counted(), batch_size=2))
    assert len(labels_of(it)) == 3 and fetched == [*range(6)]
    assert mx.contrib.io.DataLoaderIter is mx.io.DataLoaderIter


@pytest.mark.parametrize("batch, settings, data, label", [
    (torch.ones(2, 3), {}, {"data": (2, 3)}, {}), ([torch.ones(2, 3)], {}, {"data": (2, 3)}, {}),
    ((np.ones((2, 3)), [1, 2]), {}, {"data": (2, 3)}, {"softmax_label": (2,)}),
    ((mx.nd.ones((2, 3)), mx.nd.ones((2,))), {"label_name": "y"}, {"data": (2, 3)}, {"y": (2,)}),
    ((torch.ones(2), torch.ones(2, 1), torch.ones(2, 2)), {}, {"data": (2,)},
     {"_0_softmax_label": (2, 1), "_1_softmax_label": (2, 2)}),
    ((torch.ones(2), torch.ones(2, 1), torch.ones(2, 2)), {"data_name": ["a", "b"], "label_name": "c"},
     {"a": (2,), "b": (2, 1)}, {"c": (2, 2)}),
    (((torch.ones(2), torch.ones(2, 1)), torch.ones(2)), {}, {"_0_data": (2,), "_1_data": (2, 1)},
     {"softmax_label": (2,)}),
    ((torch.ones(2), {"u": torch.ones(2), "v": torch.ones(2, 5)}), {}, {"data": (2,)}, {"u": (2,), "v": (2, 5)}),
    ({"a": torch.ones(2), "y": torch.ones(2, 1), "b": torch.ones(2, 2)}, {"label_name": "y"},
     {"a": (2,), "b": (2, 2)}, {"y": (2, 1)}),
    ({"data": torch.ones(2), "softmax_label": torch.ones(2), "__key__": ["x", "y"]}, {}, {"data": (2,)},
     {"softmax_label": (2,)}),
    ({"a": torch.ones(2), "b": torch.ones(2, 1), "c": ["x", "y"]}, {"data_name": ["b", "a"]}, {"b": (2, 1), "a": (2,)},
     {})])
def test_kinds_of_batches(batch, settings, data, label):
    it = mx.io.DataLoaderIter([batch, batch], **settings)
    assert dict(it.provide_data) == data and dict(it.provide_label) == label
    made = it.next()
    assert [a.shape for a in made.data] == [*data.values()] and [a.shape for a in made.label] == [*label.values()]
    assert all(a.dtype is np.float32 for a in made.data + made.label)


def test_types_are_kept_on_request():
    it = mx.io.DataLoaderIter(loader(), dtype=None)
    batch = it.next()
    assert batch.data[0].dtype is np.float64 and batch.label[0].dtype is np.int64
    assert it.provide_label[0].dtype is np.int64
    assert mx.io.DataLoaderIter(loader(), dtype="float16").next().data[0].dtype is np.float16


@pytest.mark.parametrize("batches, settings, error, message", [
    ([], {}, InputError, "the loader gives no batch"),
    ([(torch.ones(2),)], {"last_batch_handle": "roll"}, InputError, "last_batch_handle must be one of pad, keep"),
    ([("text", 1)], {}, InputError, "'data' of a batch must be a tensor or an array of numbers, got str"),
    ([{}], {}, InputError, "a batch has no data: dict"),
    ([(torch.ones(2), torch.ones(3))], {}, ShapeError, "as many samples each, one at least, got .*'softmax_label': 3"),
    ([(torch.ones(0, 2),)], {}, ShapeError, "one at least, got {'data': 0}"),
    ([(torch.ones(2), torch.ones(2))], {"label_name": ["a", "b"]}, InputError, "there are 1 arrays for the names a, b"),
    ([torch.ones(2), torch.ones(3)], {}, ShapeError, "a batch of 3 samples is larger than the first one, of 2"),
    ([torch.ones(2, 2), torch.ones(2, 3)], {}, ShapeError, r"samples \[\('data', \(3,\)\)\], the first one had"),
    ([torch.ones(2, dtype=torch.complex64)], {"dtype": None}, InputError, "must be a tensor or an array of numbers"),
    (torch.utils.data.DataLoader([torch.tensor(1.0)], batch_size=None), {}, InputError, "no axis of samples")])
def test_loaders_that_are_none(batches, settings, error, message):
    with pytest.raises(error, match=f"DataLoaderIter: .*{message}"):
        list(mx.io.DataLoaderIter(batches, **settings))


def test_what_can_be_gone_through_once():
    it = mx.io.DataLoaderIter(iter([torch.ones(2)]))
    assert len(list(it)) == 1
    with pytest.raises(StateError, match="gives no batch in a second epoch; it must be something"):
        it.reset()


def test_a_module_trains_from_a_loader(seed):
    data = torch.randn(64, 5)
    dataset = TensorDataset(data, (data.sum(1) > 0).float())
    it = mx.io.DataLoaderIter(DataLoader(dataset, 16, shuffle=True))
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2), name="softmax")
    module = mx.mod.Module(net)
    module.fit(it, num_epoch=30, optimizer_params={"learning_rate": 0.5}, initializer=mx.init.Zero())
    assert dict(module.score(it, "acc"))["accuracy"] > 0.9


# --- the other way -------------------------------------------------------------------------------------------------

def test_iterators_as_data_sets():
    it = mx.io.NDArrayIter(np.arange(20).reshape(10, 2), np.arange(10), batch_size=4)
    dataset = mx.io.as_torch_dataset(it)
    assert isinstance(dataset, IterableDataset)
    for _ in range(2):
        assert [label.tolist() for _, label in dataset] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
        assert [data.shape for data, _ in DataLoader(dataset, batch_size=None)] == [(4, 2), (4, 2), (2, 2)]
        samples = DataLoader(mx.io.as_torch_dataset(it, samples=True), batch_size=5)
        it.reset()
        assert [(data[:, 1].tolist(), label.tolist()) for data, label in samples] == [
            ([1, 3, 5, 7, 9], [0, 1, 2, 3, 4]), ([11, 13, 15, 17, 19], [5, 6, 7, 8, 9])]
    assert next(iter(mx.io.as_torch_dataset(mx.io.NDArrayIter({"a": np.ones(3), "b": np.zeros(3)}, batch_size=3))))[
        1].tolist() == [0, 0, 0]
    (only,), = mx.io.as_torch_dataset(mx.io.NDArrayIter(np.arange(3), batch_size=3))
    assert only.tolist() == [0, 1, 2]


def test_what_was_left_over_is_given_once():
    it = mx.io.NDArrayIter(np.arange(10), batch_size=4, last_batch_handle="roll_over")
    dataset = mx.io.as_torch_dataset(it, samples=True)
    assert [float(x) for x, in dataset] == [*range(8)]
    assert [float(x) for x, in dataset] == [8, 9, *range(10)]


def test_padding_along_the_batch_axis():
    class Columns(mx.io.DataIter):
        provide_data, provide_label = [mx.io.DataDesc("x", (2, 3), layout="TN")], []
        left = 1

        def next(self):
            if not self.left:
                raise StopIteration
            self.left -= 1
            return mx.io.DataBatch([mx.nd.arange(6).reshape((2, 3))], None, pad=1)
    (data,), = mx.io.as_torch_dataset(Columns())
    assert data.tolist() == [[0, 1], [3, 4]]


def test_data_sets_that_are_none(monkeypatch):
    with pytest.raises(InputError, match="takes a DataIter, got list"):
        mx.io.as_torch_dataset([1])
    dataset = mx.io.as_torch_dataset(mx.io.NDArrayIter(np.arange(3)))
    monkeypatch.setattr(torch.utils.data, "get_worker_info", lambda: "as in a worker process")
    with pytest.raises(StateError, match="use num_workers=0"):
        next(iter(dataset))


def test_there_and_back():
    source = mx.io.NDArrayIter(np.arange(10), np.arange(10), batch_size=4)
    it = mx.io.DataLoaderIter(mx.io.as_torch_dataset(source))
    for _ in range(2):
        assert [labels for labels, _, _ in ((b.label[0].asnumpy().tolist(), 0, 0) for b in it)] == [
            [0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]
        it.reset()


# --- by name -------------------------------------------------------------------------------------------------------

def test_iterators_by_name():
    it = mx.io.create("NDArrayIter", np.arange(4), batch_size=2)
    assert type(it) is mx.io.NDArrayIter and mx.io.create(it) is it
    assert type(mx.io.create("randiter", 2, 3)) is mx.io.RandIter
    assert type(mx.io.create("DataLoaderIter", loader())) is mx.io.DataLoaderIter
    with pytest.raises(ValueError, match="'ndarayiter' is not a registered iterator; did you mean 'ndarrayiter'?"):
        mx.io.create("ndarayiter")

    @mx.io.register
    class CountingForThisTest(mx.io.DataIter):
        pass
    try:
        assert mx.io.create("countingforthistest", batch_size=3).batch_size == 3
    finally:
        mx.registry._REGISTRIES[mx.io.DataIter].pop("countingforthistest")
    with pytest.raises(TypeError, match="only subclasses of DataIter can be registered as iterator"):
        mx.io.register(int)


# --- arrays that stay where they are -------------------------------------------------------------------------------

@pytest.fixture(params=["h5py", "csr", "coo", "csc_array"])
def stored(request, tmp_path, rng):
    """Makes what a library keeps of an array, for the time of a test."""
    if request.param == "h5py":
        h5py = pytest.importorskip("h5py")
        with h5py.File(tmp_path / "a.h5", "w") as file:
            yield lambda array: file.create_dataset(f"d{len(file)}", data=array)
        return
    sparse = pytest.importorskip("scipy.sparse")
    name = request.param if request.param.endswith("array") else request.param + "_matrix"
    yield getattr(sparse, name)


@pytest.mark.parametrize("settings", [{}, {"shuffle": True}, {"last_batch_handle": "roll_over"},
                                      {"last_batch_handle": "discard", "shuffle": True}])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int64", "bool"])
def test_stored_samples_are_as_arrays(stored, rng, settings, dtype):
    values = (rng.integers(-3, 4, (11, 3)) * rng.integers(0, 2, (11, 3))).astype(dtype)
    found = []
    for data in (values, stored(values)):
        np.random.seed(3)
        it = mx.io.NDArrayIter({"a": data, "b": values}, np.arange(11), batch_size=4, **settings)
        found.append([(it.provide_data, it.provide_data[0].dtype, it.data[0][1].asnumpy())])
        for _ in range(3):
            found[-1] += [(b.data[0].asnumpy(), b.data[1].asnumpy(), b.label[0].asnumpy(), b.pad) for b in it]
            it.reset()
    np.testing.assert_equal(found[1], found[0])
    np.testing.assert_equal(found[1][1][0], found[1][1][1])


def test_only_a_batch_is_read(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:        # 8 TB, of which nothing is stored
        data = file.create_dataset("x", (1 << 20, 1 << 20), "float64", chunks=(1, 1 << 10), fillvalue=2)
        it = mx.io.NDArrayIter(data, batch_size=2)
        assert it.provide_data == [("data", (2, 1 << 20))] and float(it.next().data[0].sum().asscalar()) == 1 << 22
    with pytest.raises(StateError, match="the file of the h5py dataset was closed meanwhile"):
        it.next()


def test_stored_samples_that_are_none(tmp_path):
    h5py, sparse = pytest.importorskip("h5py"), pytest.importorskip("scipy.sparse")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for value, message in ((file.create_dataset("s", data=[b"text"]), "must hold real numbers, got"),
                               (file.create_dataset("0", data=1.0), "must have an axis of samples"),
                               (sparse.csr_matrix(np.ones((2, 2), complex)), "must hold real numbers, got complex128"),
                               (sparse.coo_array(np.ones(3)), r"a sparse array must have two axes, got shape \(3,\)")):
            with pytest.raises(InputError, match=f"NDArrayIter: data 'data':? {message}"):
                mx.io.NDArrayIter(value)


def test_the_libraries_are_optional(monkeypatch):
    for name in ("h5py", "scipy.sparse"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert mx.io.NDArrayIter(np.arange(3)).next().data[0].asnumpy().tolist() == [0]
