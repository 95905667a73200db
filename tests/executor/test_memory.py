"""What freed memory does."""
import pathlib

import pytest
import torch

from ganmod.executor.memory import give_back, keep_freed

STATUS = pathlib.Path("/proc/self/statm")


def held():
    """The MiB that the process has in memory; pages are 4 KiB or more."""
    return int(STATUS.read_text().split()[1]) / 256


@pytest.mark.skipif(not STATUS.exists(), reason="needs Linux's /proc")
def test_freed_memory_is_kept_until_it_is_given_back():
    if not keep_freed():
        pytest.skip("needs glibc")
    taken = [torch.ones(1 << 18) for _ in range(100)]      # of a MiB each
    full = held()
    taken.clear()
    kept = held()
    give_back()
    assert kept > full - 20 and held() < full - 60
