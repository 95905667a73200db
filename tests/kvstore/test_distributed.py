"""Stores of several processes: gloo on this machine."""
from __future__ import annotations

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

import ganmod as mx
from tests.kvstore import programs

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
WITHIN = 150.0                                     # seconds for a run: two workers may share a core


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(name, workers, folder):
    """The processes of a run."""
    common = {**os.environ, "WORLD_SIZE": str(workers), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()),
              "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    return [subprocess.Popen([sys.executable, "-m", "tests.kvstore.programs", name, str(folder)], cwd=REPOSITORY,
                             env={**common, "RANK": str(rank)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True) for rank in range(workers)]


def finish(processes, within=WITHIN):
    """What each printed; those that are not done in time are killed."""
    deadline, said = time.monotonic() + within, []
    try:
        for process in processes:
            said.append(process.communicate(timeout=max(0.1, deadline - time.monotonic()))[0])
        return said
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
            process.stdout.close()


def run(name, workers, folder):
    """What each worker found."""
    processes = start(name, workers, folder)
    said = finish(processes)
    for process, text in zip(processes, said):
        assert process.returncode == 0, text
    found = []
    for rank in range(workers):
        with np.load(folder / f"{rank}.npz") as file:
            found.append(dict(file))
    return found


def alone(workers, **settings):
    """The parameters of one module trained on the batches of all workers."""
    module = programs.started(workers * programs.BATCH, "local", seed=0, **settings)
    return programs.trained(module, programs.batches(workers))


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_learn_as_one_does_on_all_their_batches(tmp_path, workers):
    """With ``dist_async``, which is synchronous, each gradient counts as if it came alone."""
    found = run("training", workers, tmp_path)
    for name, (kvstore, settings) in programs.TRAININGS.items():
        batch = programs.BATCH * (1 if kvstore == "dist_async" else workers)
        expected = alone(workers, rescale_grad=1 / batch, **settings)
        for worker in found:
            assert worker[f"{name} type"] == kvstore and worker[f"{name} rescale"] == pytest.approx(1 / batch)
            for key, value in expected.items():
                np.testing.assert_allclose(worker[f"{name} {key}"], value, rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("workers", [2, 3])
def test_calls(tmp_path, workers):
    total = sum(range(1, workers + 1))
    for rank, found in enumerate(run("store", workers, tmp_path)):
        assert (found["rank"], found["workers"]) == (rank, workers)
        for key, value in {"a": 1, "b": 10, "c": 0, "pushed_a": 2 * total, "pushed_b": total, "pushed_c": workers,
                           "updated_a": 4 * total}.items():
            assert (found[key] == value).all(), (key, found[key])
        assert found["calls"].tolist() == [12, 4]          # one for each dtype


def test_compression(tmp_path):
    for found in run("compression", 2, tmp_path):
        np.testing.assert_array_equal([found[f"2bit{k}"] for k in range(3)],
                                      [[0, 1, -1, 0, 0], [1, 1, -1, 0, 0.5], [0, 1, -1, 0, 0]])
        for step in range(3):
            np.testing.assert_allclose(found[f"fp16{step}"], [0.6, 1.2, -2.6, 0.2, 0.26], rtol=1e-3)
            np.testing.assert_allclose(found[f"bf16{step}"], [0.6, 1.2, -2.6, 0.2, 0.26], rtol=1e-2)


def check_checkpoint(folder):
    """The last checkpoint is whole, and training goes on from it."""
    module = mx.mod.Module.load(str(folder / "run"), 0, load_optimizer_states=True)
    module.bind([("data", (programs.BATCH, 5))], [("softmax_label", (programs.BATCH,))])
    module.init_optimizer(optimizer_params={"momentum": 0.9})
    programs.trained(module, programs.batches(1, 1))
    assert not list(folder.glob("*.tmp"))


@pytest.mark.parametrize("workers", [2, 3])
def test_the_others_end_when_a_worker_is_killed(tmp_path, workers):
    processes = start("dies", workers, tmp_path)
    processes[-1].wait(WITHIN)
    died = time.monotonic()
    said = finish(processes, within=60)
    assert time.monotonic() - died < 60 and processes[-1].returncode == -signal.SIGKILL
    for rank, (process, text) in enumerate(zip(processes[:-1], said)):
        assert process.returncode == 1 and f"MXNetError: kvstore: worker {rank} of {workers} cannot go on: " in text
        assert "another worker has died" in text and "start all workers again" in text, text
    check_checkpoint(tmp_path)


def test_the_others_end_when_a_worker_is_heard_of_no_more(tmp_path):
    processes = start("stops", 2, tmp_path)
    try:
        said = finish(processes[:1], within=WITHIN)[0]
    finally:
        finish(processes[1:], within=0.1) if processes[1].poll() is not None else processes[1].kill()
        processes[1].wait()
        processes[1].stdout.close()
    assert processes[0].returncode == 1 and "worker 1 has given no sign of life for 5 s" in said, said
    check_checkpoint(tmp_path)


def test_a_busy_worker_is_waited_for(tmp_path):
    assert [found["done"] for found in run("slow", 2, tmp_path)] == [1, 1]


def test_started_by_torchrun(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-addr=127.0.0.1",
         f"--master-port={free_port()}", "-m", "tests.kvstore.programs", "store", str(tmp_path)], cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = finish([process])[0]
    assert process.returncode == 0, said
    assert all((tmp_path / f"{rank}.npz").exists() for rank in range(2))


def test_without_torchrun(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(mx.MXNetError, match="torchrun"):
        mx.kv.create("dist_sync")
