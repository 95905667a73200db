"""Convolutions whose kernel is twice their stride, with fewer multiplications, for float32 on CPUs.

Winograd's minimal filtering F(m x m, 2 x 2) [Lavin & Gray 2016, sec. 4]. A cell is what lies between two places of
`small` in `big`, all its pixels and channels; a place looks at 2x2 cells, and a tile of m x m places at (m + 1) x
(m + 1). Halves of kernels, places and cells are taken as polynomials along both axes, which are multiplied by their
values in (m + 1) x (m + 1) points [Toom 1963; Cook 1966]: so many products do in place of 4 m². To come to these values
and back is a product with a small matrix, for each tile or channel by itself: so what is multiplied is in caches.

As in :mod:`ganmod.executor.ways`, maps are (N, C, H, W), channels last in memory, and weights (channels of small,
channels of big, kH, kW). A few images at a time are computed, and of large weights a few channels of `small`, as many
as caches hold.
"""
from __future__ import annotations

import functools
import math
from typing import Callable, Generic, Iterable, Iterator, NamedTuple, Optional, Sequence, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .ways import Kept, Pair, kept

__all__ = ["TILES", "saves", "size_of_values", "small_by_winograd", "big_by_winograd", "weight_by_winograd",
           "kept_winograd"]

#: By m, the points, besides infinity: among those of four, the ones that keep the most of float32's digits.
_POINTS = {2: (0.0, 1.0), 4: (1.25, -1.25, 0.4, -0.4)}
TILES = tuple(_POINTS)
_MAPS_AT_ONCE, _WEIGHTS_AT_ONCE = 1 << 21, 1 << 22         # values


def saves(small: tuple[int, ...], kernel: Pair, stride: Pair, tile: int) -> bool:
    """Whether a convolution to maps of this shape is one of these, and takes a fifth of the operations less."""
    products, usual = _points(tile) * math.prod(_tiles(small[2:], tile)), 4 * math.prod(small[2:])
    return kernel == (2 * stride[0], 2 * stride[1]) and products <= 0.8 * usual


def size_of_values(weight: int, tile: int) -> int:
    """How many values a weight of so many elements has."""
    return _points(tile) * weight // 4


def small_by_winograd(big: Tensor, weight: Tensor, bias: Optional[Tensor], stride: Pair, pad: Pair, tile: int) \
        -> Tensor:
    """`small`, which a Convolution gives."""
    return _small(big, _taps(weight, stride, tile), len(weight), bias, stride, pad, tile)


def _small(big: Tensor, taps: Taps, channels: int, bias: Optional[Tensor], stride: Pair, pad: Pair, tile: int) \
        -> Tensor:
    h, w = ((size + 2 * p) // s - 1 for size, p, s in zip(big.shape[2:], pad, stride))
    tiles = _tiles((h, w), tile)
    small = big.new_empty(len(big), tiles[0], tile, tiles[1], tile, channels)
    for images in _images(len(big), tiles, math.prod(stride) * big.shape[1], channels, tile):
        cells = _cells(big[images], tiles, stride, pad, tile)
        for some, values in taps:
            made = torch.bmm(cells, values.transpose(1, 2))
            places = small[images, ..., some].transpose(2, 3)
            found = _from_points(made, _matrices(tile).places).view(places.shape)
            places.copy_(found) if bias is None else torch.add(found, bias[some], out=places)
    return small.view(len(big), tile * tiles[0], tile * tiles[1], channels)[:, :h, :w].permute(0, 3, 1, 2)


def big_by_winograd(small: Tensor, weight: Tensor, bias: Optional[Tensor], size: Pair, stride: Pair, pad: Pair,
                    tile: int) -> Tensor:
    """`big`, of the given size, which a Deconvolution gives."""
    return _big(small, _taps(weight, stride, tile), weight.shape[1], bias, size, stride, pad, tile)


def _big(small: Tensor, taps: Taps, channels: int, bias: Optional[Tensor], size: tuple[int, ...], stride: Pair,
         pad: Pair, tile: int) -> Tensor:
    tiles = _tiles(small.shape[2:], tile)
    big = small.new_empty(len(small), *size, channels)
    for images in _images(len(small), tiles, math.prod(stride) * channels, small.shape[1], tile):
        places = _places(small[images], tiles, tile)
        made = _products((places[..., some], values) for some, values in taps)
        cells = _from_points(made, _matrices(tile).cells).view(-1, *tiles, tile + 1, tile + 1, *stride, channels)
        maps = _to_size(_joined(cells), pad, size)
        big[images].copy_(maps) if bias is None else torch.add(maps, bias, out=big[images])
    return big.permute(0, 3, 1, 2)


def weight_by_winograd(big: Tensor, small: Tensor, kernel: Pair, stride: Pair, pad: Pair, tile: int) -> Tensor:
    """The gradient of the weight, from `big` and `small` of which one is a gradient."""
    channels, tiles = small.shape[1], _tiles(small.shape[2:], tile)
    cell = math.prod(stride) * big.shape[1]
    pairs = _Parts(_images(len(big), tiles, cell, channels, tile), lambda images: (
        _places(small[images], tiles, tile), _cells(big[images], tiles, stride, pad, tile)))
    weight = big.new_empty(channels, 2, stride[0], 2, stride[1], big.shape[1])
    for some in _channels(channels, cell, tile):
        made = _products((places[..., some].transpose(1, 2), cells) for _, (places, cells) in pairs)
        halves = weight[some].transpose(2, 3)
        halves.copy_(_from_points(made, _matrices(tile).taps).view(halves.shape))
    return weight.view(channels, *kernel, -1).permute(0, 3, 1, 2)


def kept_winograd(big: Optional[tuple[int, ...]], stride: Pair, pad: Pair, tile: int) -> Kept:
    """:func:`big_by_winograd` to a size `big`, or :func:`small_by_winograd`, with the weight kept ready."""
    def compute(maps: Tensor, values: Tensor, bias: Optional[Tensor]) -> Tensor:
        taps, (_, channels, cell) = [(slice(None), values)], values.shape
        if big is None:
            return _small(maps, taps, channels, bias, stride, pad, tile)
        return _big(maps, taps, cell // math.prod(stride), bias, big, stride, pad, tile)
    return kept("kept_winograd", compute, lambda weight: _values(weight, stride, tile))


# --- values in points -------------------------------------------------------------------------------------------------

class _Matrices(NamedTuple):
    """What values are found by, (points, elements) each: of the halves of kernels, of tiles of places and of cells."""

    taps: Tensor
    places: Tensor
    cells: Tensor


@functools.cache
def _matrices(tile: int) -> _Matrices:
    """Both axes at once: Kronecker products of the matrices for one."""
    def powers(count: int) -> np.ndarray:
        rows = [[point ** k for k in range(count)] for point in _POINTS[tile]]
        return np.array([*rows, [0.0] * (count - 1) + [1.0]])     # at infinity the highest power alone counts

    cells = np.linalg.inv(powers(tile + 1)).T
    scale = abs(cells).max(1, keepdims=True)               # what one factor gains, another loses
    return _Matrices(*(torch.from_numpy(np.kron(m, m).astype(np.float32))
                       for m in (powers(2) * scale, powers(tile), cells / scale)))


def _at_points(elements: Tensor, matrix: Tensor) -> Tensor:
    """(rows, elements, values of each) -> (points, rows, values of each)."""
    return torch.bmm(matrix.expand(len(elements), *matrix.shape), elements).transpose(0, 1)


def _from_points(made: Tensor, matrix: Tensor) -> Tensor:
    """The way back: (points, rows, values of each) -> (rows, elements, values of each)."""
    back = matrix.t()
    return torch.bmm(back.expand(made.shape[1], *back.shape), made.transpose(0, 1))


def _products(pairs: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """The sum of products of values, (points, rows, inner) and (points, inner, columns)."""
    sums = None
    for one, other in pairs:
        sums = torch.bmm(one, other) if sums is None else sums.baddbmm_(one, other)
    assert sums is not None
    return sums


def _points(tile: int) -> int:
    return (tile + 1) ** 2


def _values(weight: Tensor, stride: Pair, tile: int) -> Tensor:
    """Of a weight: (points, channels of small, elements of a cell)."""
    (a, b), (channels, maps) = stride, weight.shape[:2]
    halves = weight.reshape(channels, maps, 2, a, 2, b).permute(0, 2, 4, 3, 5, 1).reshape(channels, 4, -1)
    return _at_points(halves, _matrices(tile).taps)


def _places(small: Tensor, tiles: Pair, tile: int) -> Tensor:
    """Of the places of tiles: (points, tiles of all images, channels)."""
    maps = _to_size(small.permute(0, 2, 3, 1), (0, 0), (tile * tiles[0], tile * tiles[1]))
    found = _windows(maps, tiles, (1, 1), tile, tile).reshape(-1, tile ** 2, small.shape[1])
    return _at_points(found, _matrices(tile).places)


def _cells(big: Tensor, tiles: Pair, stride: Pair, pad: Pair, tile: int) -> Tensor:
    """Of the cells that tiles look at: (points, tiles of all images, elements of a cell)."""
    size = (tile * tiles[0] + 1) * stride[0], (tile * tiles[1] + 1) * stride[1]
    maps = _to_size(big.permute(0, 2, 3, 1), (-pad[0], -pad[1]), size)
    found = _windows(maps, tiles, stride, tile, tile + 1).reshape(-1, _points(tile), math.prod(stride) * big.shape[1])
    del maps                                               # found is half as large again
    return _at_points(found, _matrices(tile).cells)


def _windows(maps: Tensor, tiles: Pair, stride: Pair, tile: int, count: int) -> Tensor:
    """A view of maps (N, height, width, C): (N, rows, columns, count, count, kH / 2, kW / 2, C), for each tile so many
    cells along both axes from its own on; those of neighbours may be the same."""
    (a, b), (image, row, column, element) = stride, maps.stride()
    return maps.as_strided((len(maps), *tiles, count, count, a, b, maps.shape[3]), (
        image, tile * a * row, tile * b * column, a * row, b * column, row, column, element))


def _joined(cells: Tensor) -> Tensor:
    """The reverse: maps in which each pixel is the sum of what the tiles give that look at it."""
    n, rows, columns, count, _, a, b, channels = cells.shape
    tile = count - 1
    maps = cells.new_empty(n, (tile * rows + 1) * a, (tile * columns + 1) * b, channels)
    maps[:, -a:] = 0
    maps[:, :, -b:] = 0
    windows, cells = (found.movedim((3, 4), (0, 1)) for found in (
        _windows(maps, (rows, columns), (a, b), tile, count), cells))
    windows[:tile, :tile] = cells[:tile, :tile]
    windows[tile, :tile] += cells[tile, :tile]             # the edges, which belong to two tiles, and then the corners
    windows[:tile, tile] += cells[:tile, tile]
    windows[tile, tile] += cells[tile, tile]
    return maps


# --- some at a time ---------------------------------------------------------------------------------------------------

Made = TypeVar("Made")
Taps = Iterable[tuple[slice, Tensor]]


class _Parts(Generic[Made]):
    """Slices, each with what is made of it: once if there is one, and otherwise anew whenever they are gone through."""

    def __init__(self, slices: list[slice], make: Callable[[slice], Made]) -> None:
        self._slices, self._make = slices, make
        self._only = make(slices[0]) if len(slices) == 1 else None

    def __iter__(self) -> Iterator[tuple[slice, Made]]:
        for part in self._slices:
            yield part, self._make(part) if self._only is None else self._only


def _taps(weight: Tensor, stride: Pair, tile: int) -> Taps:
    """Slices of the channels of `small`, and the weight's values for these."""
    slices = _channels(len(weight), math.prod(stride) * weight.shape[1], tile)
    return _Parts(slices, lambda some: _values(weight[some], stride, tile))


def _channels(channels: int, cell: int, tile: int) -> list[slice]:
    return _slices(channels, _points(tile) * cell, _WEIGHTS_AT_ONCE)


def _images(count: int, tiles: Pair, cell: int, channels: int, tile: int) -> list[slice]:
    """Many at a time where it takes long to find the weight's values, which may have to be found anew for each."""
    at_once = max(_MAPS_AT_ONCE, _points(tile) * channels * cell)
    return _slices(count, _points(tile) * math.prod(tiles) * cell, at_once)


def _slices(count: int, each: int, at_once: int) -> list[slice]:
    """Slices of about the same length that together are `count` long, and less than `at_once` large."""
    parts = -(-count // max(1, at_once // each))
    return [slice(k * count // parts, (k + 1) * count // parts) for k in range(parts)]


# --- maps -------------------------------------------------------------------------------------------------------------

def _tiles(places: Sequence[int], tile: int) -> Pair:
    """How many tiles cover so many places along each axis."""
    rows, columns = (-(-count // tile) for count in places)
    return rows, columns


def _to_size(maps: Tensor, start: Pair, size: tuple[int, ...]) -> Tensor:
    """The part of maps (N, height, width, C) that starts there and has this size, 0 beyond their edges."""
    ends = [(-first, first + count - there) for first, count, there in zip(start, size, maps.shape[1:])]
    return F.pad(maps, (0, 0, *ends[1], *ends[0])) if any(map(any, ends)) else maps
