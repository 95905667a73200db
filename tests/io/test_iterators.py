"""Iterators, without MXNet."""
import numpy as np
import pytest
import torch

import ganmod as mx
from ganmod.base import InputError, ShapeError, StateError

X = np.arange(14, dtype="float32").reshape(7, 2)


class Endless(mx.io.DataIter):
    """A program's own iterator: no super().__init__(), tuples for descriptions."""

    def __init__(self):
        self.batch_size, self.provide_data, self.provide_label = 2, [("rand", (2, 3))], []

    def iter_next(self):
        return True

    def getdata(self):
        return [mx.random.normal(0, 1.0, shape=(2, 3))]


def test_own_iterators():
    batch = Endless().next()
    assert batch.data[0].shape == (2, 3) and batch.label is batch.pad is batch.index is None
    assert [b.data[0].shape for b, _ in zip(Endless(), range(2))] == [(2, 3)] * 2
    Endless().reset()


def test_batches_are_free_to_be_changed():
    source = mx.nd.array(X)
    for settings in ({}, {"shuffle": True}, {"last_batch_handle": "roll_over"}):
        it = mx.io.NDArrayIter(source, batch_size=3, **settings)
        for batch in it:
            batch.data[0][:] = -1
    assert (source.asnumpy() == X).all()


def test_tensors_are_sources_and_shared():
    tensor = torch.arange(4.0, dtype=torch.float64)
    it = mx.io.NDArrayIter(tensor, batch_size=4)
    tensor += 1
    assert it.next().data[0].asnumpy().tolist() == [1, 2, 3, 4] and it.provide_data[0].dtype is np.float64


def test_numpy_is_copied():
    source = X.copy()
    it = mx.io.NDArrayIter(source, batch_size=7)
    source[:] = 0
    assert (it.next().data[0].asnumpy() == X).all()


def test_longer_labels_are_cut():
    it = mx.io.NDArrayIter(X[:5], np.arange(7), batch_size=3)
    assert [b.label[0].asnumpy().tolist() for b in it] == [[0, 1, 2], [3, 4, 0]]


def test_batches_of_more_than_two_epochs():
    it = mx.io.NDArrayIter(np.arange(3), batch_size=8, last_batch_handle="roll_over")
    assert list(it) == []
    it.reset()
    assert it.next().data[0].asnumpy().tolist() == [0, 1, 2, 0, 1, 2, 0, 1]


def test_shuffling_follows_numpy_and_keeps_pairs(seed):
    it = mx.io.NDArrayIter(X, np.arange(7), batch_size=7, shuffle=True)
    for _ in range(3):
        batch = it.next()
        assert (batch.data[0].asnumpy()[:, 0] == 2 * batch.label[0].asnumpy()).all()
        it.reset()


def test_prefetching_passes_errors_on():
    class Broken(Endless):
        def getdata(self):
            raise OSError("no disk")
    with pytest.raises(OSError, match="no disk"):
        mx.io.PrefetchingIter(Broken()).next()


def test_random_iter(seed):
    it = mx.io.RandIter(4, 5)
    assert it.provide_data == [("rand", (4, 5, 1, 1))] and it.provide_label == [] and it.batch_size == 4
    mx.random.seed(3)
    first, second = it.next().data[0].asnumpy(), it.next().data[0].asnumpy()
    mx.random.seed(3)
    assert (it.next().data[0].asnumpy() == first).all() and (first != second).any()
    uniform = mx.io.RandIter((1000, 3), name="z", distribution="uniform").next()
    assert -1 <= uniform.data[0].asnumpy().min() < -0.9 and uniform.label is None and uniform.pad == 0


@pytest.mark.parametrize("make, error, message", [
    (lambda io: io.NDArrayIter(None), InputError, "at least one array"),
    (lambda io: io.NDArrayIter("abc"), InputError, "data 'data' must be an NDArray, .* got 'abc'"),
    (lambda io: io.NDArrayIter({"a": X, "b": object()}), InputError, "data 'b' must be"),
    (lambda io: io.NDArrayIter(np.float32(3)), InputError, "axis of samples"),
    (lambda io: io.NDArrayIter(X, X[:5]), ShapeError, "'softmax_label' has 5 samples, 'data' has 7"),
    (lambda io: io.NDArrayIter(X, batch_size=0), InputError, "positive int, got 0"),
    (lambda io: io.NDArrayIter(X, last_batch_handle="keep"), InputError, "pad, discard, roll_over, got 'keep'"),
    (lambda io: io.NDArrayIter(X).getdata(), StateError, "no current batch"),
    (lambda io: io.ResizeIter(io.NDArrayIter(X), 2).getdata(), StateError, "no current batch"),
    (lambda io: list(io.PrefetchingIter([io.NDArrayIter(X), io.NDArrayIter(X[:3])])), StateError, "number 1 ended"),
    (lambda io: io.PrefetchingIter([]), InputError, "at least one iterator"),
    (lambda io: io.DataIter().next(), NotImplementedError, r"DataIter must define iter_next\(\)"),
    (lambda io: io.DataBatch(mx.nd.ones((2,))), InputError, "data must be a list of NDArrays, got NDArray"),
    (lambda io: io.DataBatch([], mx.nd.ones((2,))), InputError, "label must be a list"),
    (lambda io: io.RandIter(4), InputError, "must be a tuple, or a batch size given together with ndim"),
    (lambda io: io.RandIter((4, 5), 3), InputError, "with ndim, shape is the batch size"),
    (lambda io: io.RandIter((4, 5), distribution="cauchy"), InputError, "got 'cauchy'")])
def test_refusals(make, error, message):
    with pytest.raises(error, match=message):
        make(mx.io)
