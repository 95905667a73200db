"""Fixtures for every test: the seed, the devices that are present, the kernels, and a fair share of the cores."""
from __future__ import annotations

import importlib
import os
import random

import numpy as np
import pytest


def pytest_configure(config):
    """Shares the cores among the workers of a parallel run, before torch and MXNet read the variable."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")     # threads that spin slow whatever shares their core


def pytest_generate_tests(metafunc):
    """Runs a test that asks for `device` or `ctx` once for each kind of device that this machine has."""
    if "device" in metafunc.fixturenames:
        torch = importlib.import_module("torch")     # late: a run without such tests need not wait for it
        kinds = ["cpu", "gpu"] if torch.cuda.is_available() else ["cpu"]
        metafunc.parametrize("device", kinds, indirect=True)


@pytest.fixture
def device(request) -> str:
    """'cpu' or 'gpu'."""
    return request.param


@pytest.fixture
def ctx(device):
    """The first context of the device: mx.cpu(0) or mx.gpu(0)."""
    return getattr(importlib.import_module("ganmod"), device)(0)


@pytest.fixture
def seed() -> int:
    """Seeds Python, NumPy and torch, and returns the seed; pytest shows it where the test fails.

    It is 0, or what GANMOD_TEST_SEED says: a number, or 'random' for another one in each test.
    """
    said = os.environ.get("GANMOD_TEST_SEED", "0")
    value = random.SystemRandom().randrange(2**31) if said == "random" else int(said)
    print(f"repeat with GANMOD_TEST_SEED={value}")
    random.seed(value)
    np.random.seed(value)
    importlib.import_module("torch").manual_seed(value)
    return value


@pytest.fixture
def rng(seed) -> np.random.Generator:
    """NumPy's generator, seeded."""
    return np.random.default_rng(seed)


@pytest.fixture
def unmeasured(monkeypatch):
    """No kernel has been measured, and everything is worth it."""
    kernels = importlib.import_module("ganmod.executor.kernels")
    monkeypatch.setattr(kernels, "_timings", {})
    monkeypatch.setattr(kernels, "_FEWEST", dict.fromkeys(kernels._FEWEST, 0))
    monkeypatch.setattr(kernels, "_FEWEST_CHANNELS", 0)
    return kernels


@pytest.fixture
def prefer(unmeasured, monkeypatch):
    """Have certain ways of computing win wherever they are possible."""
    def prefer(*names):
        order = [*names, "channels last", "library"]
        monkeypatch.setattr(unmeasured, "_measure", lambda calls: {
            name: 10.0 ** order.index(name) if name in order else 1e9 for name in calls})
    return prefer
