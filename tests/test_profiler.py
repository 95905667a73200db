"""``mx.profiler``, and the small modules ``util``, ``log`` and ``runtime``."""
import json
import logging

import pytest

import ganmod as mx


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "trace.json"
    mx.profiler.set_config(filename=str(path), profile_all=True, aggregate_stats=True)
    yield path
    mx.profiler.set_state("stop")
    mx.profiler.dumps(reset=True)
    mx.profiler.set_config(filename="profile.json")


def test_profile(trace):
    domain = mx.profiler.Domain("loading")
    task, counter = domain.new_task("images"), domain.new_counter("seen", 1)
    mx.profiler.set_state("run")
    task.start()
    mx.nd.dot(mx.nd.ones((3, 3)), mx.nd.ones((3, 3)))
    task.stop()
    mx.profiler.pause()
    mx.nd.ones((2,)) * 7
    mx.profiler.resume()
    counter += 4
    domain.new_marker("here").mark()
    mx.profiler.dump()
    table, values = mx.profiler.dumps(), json.loads(mx.profiler.dumps(format="json"))["Time"]
    assert "Profile Statistics" in table and "images" in table and counter.value == 5
    assert values["loading"]["images"]["Count"] == 1
    assert "aten::mm" in values["operator"] and "aten::mul" not in values["operator"]
    names = {event.get("name") for event in json.loads(trace.read_text())["traceEvents"]}
    assert {"images", "seen", "here", "aten::mm"} <= names
    assert "images" in mx.profiler.dumps(reset=True) and "images" not in mx.profiler.dumps()


def test_old_names(trace):
    with pytest.warns(UserWarning, match="deprecated"):
        mx.profiler.profiler_set_config("symbolic", str(trace))
        mx.profiler.profiler_set_state("run")
        mx.profiler.dump_profile()
    assert trace.exists()


@pytest.mark.parametrize("call, text", [
    (lambda: mx.profiler.set_config(filname="x"), "did you mean 'filename'"),
    (lambda: mx.profiler.set_state("go"), "'run' or 'stop'"), (lambda: mx.profiler.dumps(format="x"), "table, json"),
    (lambda: mx.profiler.Event("e").stop(), "start"), (lambda: mx.profiler.dumps(sort_by="x"), "total"),
    (lambda: mx.profiler.Domain("d").new_marker("m").mark("x"), "global"),
    (lambda: mx.util.set_np(), "no NumPy"), (lambda: mx.util.use_np(len), "no NumPy"),
    (lambda: mx.runtime.Features().is_enabled("x"), "unknown")])
def test_refusals(call, text):
    with pytest.raises(mx.MXNetError, match=text):
        call()


def test_util(tmp_path, monkeypatch):
    mx.util.makedirs(str(tmp_path / "a" / "b"))
    mx.util.makedirs(str(tmp_path / "a" / "b"))
    assert (tmp_path / "a" / "b").is_dir()
    monkeypatch.delenv("GANMOD_PROBE", raising=False)
    mx.util.setenv("GANMOD_PROBE", "1")
    assert mx.util.getenv("GANMOD_PROBE") == "1"
    mx.util.setenv("GANMOD_PROBE", None)
    assert mx.util.getenv("GANMOD_PROBE") is None
    assert not mx.util.is_np_array() and not mx.util.is_np_shape() and mx.util.set_np_shape(False) is False
    assert mx.util.get_gpu_count() == mx.num_gpus()


def test_log(tmp_path):
    logger = mx.log.get_logger("ganmod.test_log", str(tmp_path / "log"), level=mx.log.INFO)
    logger.info("said %d", 3)
    logger.debug("unsaid")
    assert (tmp_path / "log").read_text() == "said 3\n"
    assert mx.log.get_logger("ganmod.test_log") is logger and mx.log.get_logger() is logging.getLogger()
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()


def test_set_lr_scale():
    with pytest.raises(DeprecationWarning, match="set_lr_mult"):
        mx.optimizer.SGD().set_lr_scale({})
