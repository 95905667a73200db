"""Winograd's algorithm: where it is tried, and how it rounds; what it computes is compared in test_kernels.py."""
import pytest
import torch

from ganmod.executor import kernels, ways, winograd
from ganmod.executor.kernels import Convolution

aten = torch.ops.aten


@pytest.mark.parametrize("small, kernel, stride, tiles", [
    ((16, 16), (4, 4), (2, 2), "24"), ((5, 5), (4, 4), (2, 2), ""), ((2, 2), (4, 4), (2, 2), "2"),
    ((7, 7), (4, 4), (2, 2), "24"), ((1, 16), (4, 4), (2, 2), ""), ((16, 16), (5, 5), (2, 2), ""),
    ((16, 16), (3, 3), (1, 1), "")])
def test_where_winograd_multiplies_less(monkeypatch, small, kernel, stride, tiles):
    """Where most of a tile lies beyond the maps, nothing is saved; and small tasks cannot make up for the memory."""
    monkeypatch.setitem(kernels._FEWEST, "winograd", 0)

    def found(task):
        return "".join(name[-1] for name in task.names() if "winograd" in name)
    assert "".join(str(t) for t in winograd.TILES if winograd.saves((2, 64, *small), kernel, stride, t)) == tiles
    task = Convolution("big", (2, 64, 32, 32), (2, 64, *small), kernel, stride, (1, 1))
    assert found(task) == found(task._replace(fixed=True)) == tiles
    assert not found(task._replace(big=(2, 3, 32, 32))) and not found(task._replace(dtype=torch.bfloat16))
    monkeypatch.setitem(kernels._FEWEST, "winograd", 1e9)
    assert not found(task)
    monkeypatch.setattr(kernels, "_MOST_VALUES", 9 * 64 * 4 * 64)
    assert found(task._replace(fixed=True)) == tiles.replace("4", "")


@pytest.mark.parametrize("tile", winograd.TILES)
def test_winograd_keeps_float32_s_digits(rng, tile):
    """It rounds no more than twice as much as the library, over hundreds of channels."""
    big, small, weight = (torch.from_numpy(rng.standard_normal(shape))
                          for shape in ((4, 64, 16, 16), (4, 128, 8, 8), (128, 64, 4, 4)))
    to_big, to_weight, _ = aten.convolution_backward.default(small, big, weight, None, (2, 2), (1, 1), (1, 1), False,
                                                             (0, 0), 1, [True, True, False])
    exact = torch.conv2d(big, weight, None, 2, 1), to_big, to_weight
    big, small, weight = (ways.channels_last(array.float()) for array in (big, small, weight))
    found = (winograd.small_by_winograd(big, weight, None, (2, 2), (1, 1), tile),
             winograd.big_by_winograd(small, weight, None, (16, 16), (2, 2), (1, 1), tile),
             winograd.weight_by_winograd(big, small, (4, 4), (2, 2), (1, 1), tile))
    for one, right in zip(found, exact):
        assert (one - right).square().mean().sqrt() < 1.2e-6 * right.square().mean().sqrt()
