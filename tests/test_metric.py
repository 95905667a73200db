"""Metrics where there is nothing to compare with: devices, precision, messages."""
import copy
import math
import pickle

import numpy as np
import pytest
import torch

import ganmod as mx
from ganmod.base import InputError, ShapeError


class Device(torch.Tensor):
    """A tensor that counts how often it is waited for, and says that it lives elsewhere."""

    waits = 0

    @property
    def device(self):
        return torch.device("cuda", 0)

    def to(self, *args):
        return self

    def item(self):
        Device.waits += 1
        return self.as_subclass(torch.Tensor).item()


def test_a_device_is_not_waited_for():
    metric = mx.metric.Loss()
    Device.waits = 0
    for value in (1.0, 2.0, 3.0):
        metric._add(torch.tensor(value, dtype=torch.float64).as_subclass(Device), 1)
    assert Device.waits == 0
    assert metric.get() == ("loss", 2.0) and Device.waits == 1
    assert metric.get() == ("loss", 2.0) and Device.waits == 1
    assert metric.get_global() == ("loss", 2.0) and Device.waits == 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", ["acc", "ce", "mse", "mae", "rmse", "f1", "mcc", "pcc", "pearsonr", "loss"])
def test_on_a_gpu(name):
    """Labels may stay in the CPU's memory."""
    rng = np.random.RandomState(0)
    labels = rng.randint(0, 2, 20)
    preds = rng.uniform(0, 1, (20, 2)) if name not in ("mse", "mae", "rmse", "pearsonr") else rng.uniform(0, 1, 20)
    found = []
    for context in (mx.cpu(), mx.gpu()):
        metric = mx.metric.create(name)
        for _ in range(2):
            metric.update([mx.nd.array(labels)], [mx.nd.array(preds, ctx=context)])
        found.append(metric.get()[1])
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_numpy_and_torch_are_taken():
    for wrap in (np.asarray, torch.tensor, mx.nd.array):
        metric = mx.metric.Accuracy()
        metric.update([wrap([0, 1])], [wrap([[0.3, 0.7], [0.2, 0.8]])])
        assert metric.get() == ("accuracy", 0.5)


def test_sums_are_kept_in_double_precision():
    class Mine(mx.metric.EvalMetric):
        def update(self, labels, preds):
            self.sum_metric += np.float32(preds)
            self.num_inst += 1
    metric = Mine("mine")
    for value in (1e8, 1, 1, 1, 1):
        metric.update(None, value)
    assert metric.sum_metric == 1e8 + 4


@pytest.mark.parametrize("name", ["acc", "f1", "pcc", "pearsonr", "loss", "composite"])
def test_copies(name):
    metric = mx.metric.create(name)
    for made in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        assert made.get_name_value() == [(key, pytest.approx(math.nan, nan_ok=True))
                                         for key, _ in metric.get_name_value()]


def test_micro_pearson_counts_globally():
    """MXNet's fit logs 0 for it."""
    metric, rng = mx.metric.PearsonCorrelation(average="micro"), np.random.RandomState(0)
    labels, preds = rng.standard_normal((2, 30))
    for part in (slice(0, 7), slice(7, 30)):
        metric.update([mx.nd.array(labels[part])], [mx.nd.array(preds[part])])
    assert metric.get_global()[1] == metric.get()[1] == pytest.approx(np.corrcoef(labels, preds)[0, 1], rel=1e-5)


def test_perplexity_of_sequences():
    """Of scores with more axes than two, and along any; MXNet wants them flat."""
    rng = np.random.RandomState(0)
    preds, labels = rng.dirichlet(np.ones(4), (2, 3)), rng.randint(0, 4, (2, 3))
    found = []
    for settings, scores, expected in (({}, preds, labels), ({"axis": 1}, preds.transpose(0, 2, 1), labels),
                                       ({}, preds.reshape(6, 4), labels.reshape(6))):
        metric = mx.metric.Perplexity(ignore_label=1, **settings)
        metric.update([mx.nd.array(expected)], [mx.nd.array(scores)])
        found.append(metric.get()[1])
    assert found[0] == pytest.approx(found[2]) and found[1] == pytest.approx(found[2])


def test_columns_of_labels():
    """Labels (N, 1) mean what (N,) means; MXNet's F1 and MCC count every pair."""
    labels, preds = mx.nd.array([0, 1, 1, 0]), mx.nd.array([[1, 0], [0, 1], [1, 0], [0, 1]])
    for name in ("f1", "mcc"):
        flat, column = mx.metric.create(name), mx.metric.create(name)
        flat.update([labels], [preds])
        column.update([labels.reshape((4, 1))], [preds])
        assert flat.get() == column.get()


def test_callables_without_a_name():
    class Zero:
        def __call__(self, label, pred):
            return 0.0
    assert mx.metric.create(Zero()).name == "Zero"


@pytest.mark.parametrize("make, message", [
    (lambda: mx.metric.create(mx.metric.Accuracy), "not a class"),
    (lambda: mx.metric.create(None), "takes a name"),
    (lambda: mx.metric.F1(average="mikro"), "'macro' or 'micro'"),
    (lambda: mx.metric.PearsonCorrelation(average=None), "'macro' or 'micro'"),
    (lambda: mx.metric.TopKAccuracy(), "2 or more"),
])
def test_wrong_settings(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_unknown_name():
    with pytest.raises(ValueError, match="did you mean 'accuracy'"):
        mx.metric.create("acuracy")


def test_unknown_output():
    metric = mx.metric.Accuracy(output_names=["softmax_outptu"])
    with pytest.raises(KeyError, match="did you mean 'softmax_output'"):
        metric.update_dict({"label": mx.nd.ones((2,))}, {"softmax_output": mx.nd.ones((2,))})


def test_metric_without_update():
    with pytest.raises(NotImplementedError, match="EvalMetric does not define update"):
        mx.metric.EvalMetric("x").update([], [])


def test_flat_scores_have_no_best_classes():
    """Where MXNet compares labels with an order of samples."""
    with pytest.raises(ShapeError, match=r"scores of shape \(N, C\)"):
        mx.metric.TopKAccuracy(2).update([mx.nd.ones((3,))], [mx.nd.ones((3,))])
