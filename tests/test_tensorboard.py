"""``mx.contrib.tensorboard``: what reaches the writer, and what is said where there is none."""
import sys
import types

import pytest

import ganmod as mx


def test_metrics_become_scalars(monkeypatch, tmp_path):
    written = []
    writer = types.SimpleNamespace(SummaryWriter=lambda folder: types.SimpleNamespace(
        add_scalar=lambda *args, **kwargs: written.append((folder, *args, kwargs))))
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", writer)
    metric = mx.metric.create("acc")
    metric.update([mx.nd.array([1, 0])], [mx.nd.array([[0, 1], [0, 1]])])
    callback = mx.contrib.tensorboard.LogMetricsCallback(str(tmp_path), prefix="train")
    callback(mx.model.BatchEndParam(3, 0, metric, None))
    callback(mx.model.BatchEndParam(3, 0, None, None))
    assert written == [(str(tmp_path), "train-accuracy", 0.5, {"global_step": 3})]


def test_without_the_package(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(mx.MXNetError, match="pip install tensorboard"):
        mx.contrib.tensorboard.LogMetricsCallback(str(tmp_path))
