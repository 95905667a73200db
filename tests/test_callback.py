"""Callbacks and fit where there is nothing to compare with: the progress bar, exact texts, empty data."""
import logging
import sys
import types

import pytest

import ganmod as mx
from ganmod.base import MXNetError


def module():
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc")
    return mx.mod.Module(mx.sym.SoftmaxOutput(net, name="softmax"))


def batches(count=10, size=4):
    return mx.io.NDArrayIter(mx.nd.ones((count, 3)), mx.nd.zeros((count,)), batch_size=size)


class Bar:
    """A stand-in for tqdm."""

    made: list = []

    def __init__(self, **settings):
        self.settings, self.steps, self.shown, self.closed = settings, 0, None, False
        Bar.made.append(self)

    def update(self):
        self.steps += 1

    def set_postfix(self, shown):
        self.shown = shown

    def close(self):
        self.closed = True


@pytest.fixture
def recorded():
    """Has torch import what it needs for recording a program, which is a tqdm where there is one."""
    module().fit(batches(), num_epoch=1)


def test_progress(monkeypatch, recorded):
    monkeypatch.setitem(sys.modules, "tqdm", types.SimpleNamespace(tqdm=Bar))
    Bar.made = []
    module().fit(batches(), num_epoch=2, progress=True)
    assert [(bar.steps, bar.settings["total"], bar.settings["desc"], bar.closed) for bar in Bar.made] == [
        (3, 3, "Epoch[0]", True), (3, 3, "Epoch[1]", True)]
    assert list(Bar.made[0].shown) == ["accuracy"]


def test_progress_is_optional(monkeypatch, recorded):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    module().fit(batches(), num_epoch=1)
    with pytest.raises(MXNetError, match="pip install tqdm"):
        module().fit(batches(), num_epoch=1, progress=True)


def test_no_batches():
    class Empty(mx.io.DataIter):
        provide_data = [("data", (4, 3))]
        provide_label = [("softmax_label", (4,))]

        def next(self):
            raise StopIteration
    with pytest.raises(MXNetError, match="no batch in epoch 0"):
        module().fit(Empty(), num_epoch=1)


def test_iterators_that_use_their_memory_again():
    """The metric sees a batch before the next one takes its place."""
    class Reusing(mx.io.DataIter):
        def __init__(self):
            super().__init__(4)
            self.step, self.label = 0, mx.nd.zeros((4,))
            self.provide_data, self.provide_label = [("data", (4, 3))], [("softmax_label", (4,))]

        def reset(self):
            self.step = 0

        def next(self):
            if self.step == 2:
                raise StopIteration
            self.step += 1
            self.label[:] = self.step
            return mx.io.DataBatch([mx.nd.ones((4, 3))], [self.label], 0)
    seen = []
    metric = mx.metric.np(lambda label, pred: seen.append(float(label[0])) or 0.0, name="seen")
    module().fit(Reusing(), num_epoch=1, eval_metric=metric)
    assert seen == [1.0, 2.0]


def test_locals_of_a_batch():
    """What programs reach for in a callback."""
    told = []
    made = module()
    made.fit(batches(), num_epoch=1, batch_end_callback=lambda param: told.append(param.locals))
    assert told[0]["self"] is made and told[0]["nbatch"] == 0 and told[0]["epoch"] == 0
    assert told[0]["data_batch"].data[0].shape == (4, 3) and told[0]["train_data"].batch_size == 4
    assert [scope["end_of_batch"] for scope in told] == [False, False, True]


def test_callbacks_may_end_the_training():
    class Enough(Exception):
        pass

    def stop(param):
        raise Enough
    with pytest.raises(Enough):
        module().fit(batches(), num_epoch=1, batch_end_callback=stop)


def test_messages_go_to_the_modules_logger(caplog):
    made = module()
    made.logger = logging.getLogger("mine")
    with caplog.at_level(logging.INFO):
        made.fit(batches(), batches(), num_epoch=1)
    assert [(record.name, record.getMessage().partition("=")[0]) for record in caplog.records] == [
        ("mine", "Epoch[0] Train-accuracy"), ("mine", "Epoch[0] Time cost"), ("mine", "Epoch[0] Validation-accuracy")]


def test_speed(monkeypatch, caplog):
    """Samples of `frequent` batches, over the time since the last message."""
    now = iter([10.0, 12.0, 12.0, 12.0, 12.0])
    monkeypatch.setattr(mx.callback, "time", types.SimpleNamespace(time=lambda: next(now)))
    meter = mx.callback.Speedometer(batch_size=8, frequent=3)
    with caplog.at_level(logging.INFO):
        for number in range(4):
            if number in (0, 3):
                meter(mx.model.BatchEndParam(0, number, None, None))
        meter._log(0, 6, None)
    texts = [record.getMessage() for record in caplog.records if "Speed" in record.getMessage()]
    assert texts[0] == "Iter[0] Batch [3]\tSpeed: 12.00 samples/sec"
    assert texts[1] == "Iter[0] Batch [6]\tSpeed: inf samples/sec"
