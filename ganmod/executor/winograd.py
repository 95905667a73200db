"""Convolutions whose kernel is twice their stride, with 9 multiplications in place of 16, for float32 on CPUs.

Winograd's minimal filtering F(2x2, 2x2) [Lavin & Gray 2016, sec. 4]. A cell is what lies between two places of `small`
in `big`, all its pixels and channels; a place looks at 2x2 cells, and a tile of 2x2 places at 3x3. Along an axis, with
cells a, b, c and a kernel's halves g, h, its places are ``a g + b h = (a - b) g + b (g + h)`` and ``b g + c h = (c - b)
h + b (g + h)``: three products instead of four. The gradients are the same three products, turned round.

As in :mod:`ganmod.executor.ways`, maps are (N, C, H, W), channels last in memory, and weights (channels of small,
channels of big, kH, kW). A few images at a time are computed, as many as caches hold.
"""
from __future__ import annotations

from typing import Iterator, Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from .ways import Kept, Pair, channels_last, kept, linear

__all__ = ["saves", "small_by_winograd", "big_by_winograd", "weight_by_winograd", "kept_winograd"]

Parts = list[list[Tensor]]                                 # 2x2 or 3x3 of them, by row and column
_AT_ONCE = 1 << 22                                         # elements of the differences of cells


def saves(small: tuple[int, ...], kernel: Pair, stride: Pair) -> bool:
    """Whether a convolution to maps of this shape is one of these, and takes a fifth of the operations less."""
    h, w = small[2:]
    rows, columns = _tiles(h, w)
    return kernel == (2 * stride[0], 2 * stride[1]) and 9 * rows * columns <= 0.8 * 4 * h * w


def small_by_winograd(big: Tensor, weight: Tensor, bias: Optional[Tensor], stride: Pair, pad: Pair) -> Tensor:
    """`small`, which a Convolution gives."""
    return _small(big, _prepared(weight, stride), bias, stride, pad)


def _small(big: Tensor, taps: Parts, bias: Optional[Tensor], stride: Pair, pad: Pair) -> Tensor:
    h, w = ((size + 2 * p) // s - 1 for size, p, s in zip(big.shape[2:], pad, stride))
    tiles = _tiles(h, w)
    small = big.new_empty(len(big), tiles[0], 2, tiles[1], 2, len(taps[0][0]))
    for images in _chunks(big, stride, tiles):
        cells = _differences(_cells(big[images], tiles, stride, pad))
        made = [[linear(cells[i][j].flatten(0, 2), taps[i][j], bias if i == j == 1 else None)
                 for j in range(3)] for i in range(3)]     # the product in the middle is part of every place
        places = small[images]
        _fold_columns(_fold_rows(made), [[places[:, :, i, :, j] for j in range(2)] for i in range(2)])
    return small.view(len(big), 2 * tiles[0], 2 * tiles[1], -1)[:, :h, :w].permute(0, 3, 1, 2)


def big_by_winograd(small: Tensor, weight: Tensor, bias: Optional[Tensor], size: Pair, stride: Pair, pad: Pair) \
        -> Tensor:
    """`big`, of the given size, which a Deconvolution gives."""
    return _big(small, _prepared(weight, stride), bias, size, stride, pad)


def _big(small: Tensor, taps: Parts, bias: Optional[Tensor], size: tuple[int, ...], stride: Pair, pad: Pair) -> Tensor:
    tiles = _tiles(*small.shape[2:])
    big = small.new_empty(len(small), *size, taps[0][0].shape[1] // (stride[0] * stride[1]))
    for images in _chunks(big.permute(0, 3, 1, 2), stride, tiles):
        places = _sums(_places(small[images], tiles))
        made = [[linear(places[i][j].flatten(0, 2), taps[i][j].t()).view(*places[i][j].shape[:3], -1)
                 for j in range(3)] for i in range(3)]
        maps = _to_size(_joined(_overlaid(made), stride), pad, size)
        if bias is None:
            big[images] = maps
        else:
            torch.add(maps, bias, out=big[images])
    return big.permute(0, 3, 1, 2)


def weight_by_winograd(big: Tensor, small: Tensor, kernel: Pair, stride: Pair, pad: Pair) -> Tensor:
    """The gradient of the weight, from `big` and `small` of which one is a gradient."""
    tiles, made = _tiles(*small.shape[2:]), None
    for images in _chunks(big, stride, tiles):
        cells, places = _differences(_cells(big[images], tiles, stride, pad)), _sums(_places(small[images], tiles))
        pairs = [[(places[i][j].flatten(0, 2).t(), cells[i][j].flatten(0, 2)) for j in range(3)] for i in range(3)]
        if made is None:
            made = [[torch.mm(*pair) for pair in row] for row in pairs]
        else:
            for sums, row in zip(made, pairs):
                for total, pair in zip(sums, row):
                    total.addmm_(*pair)
    assert made is not None
    made, (a, b), channels = _fold_rows(made), stride, big.shape[1]      # whose middle ones make room for the result
    weight = big.new_empty(small.shape[1], 2, a, 2, b, channels)
    _fold_columns(made, [[weight[:, i, :, j] for j in range(2)] for i in range(2)])
    return weight.view(-1, *kernel, channels).permute(0, 3, 1, 2)


def kept_winograd(big: Optional[tuple[int, ...]], stride: Pair, pad: Pair) -> Kept:
    """:func:`big_by_winograd` to a size `big`, or :func:`small_by_winograd`, with the weight kept ready."""
    def compute(maps: Tensor, taps: Parts, bias: Optional[Tensor]) -> Tensor:
        return _small(maps, taps, bias, stride, pad) if big is None else _big(maps, taps, bias, big, stride, pad)
    return kept("kept_winograd", compute, lambda weight: _prepared(weight, stride))


# --- the algorithm along both axes ------------------------------------------------------------------------------------

def _sums(parts: Parts) -> Parts:
    """2x2 -> 3x3: along each axis, both parts and between them their sum."""
    rows = [[left, left + right, right] for left, right in parts]
    return [rows[0], [above + below for above, below in zip(*rows)], rows[1]]


def _fold_rows(parts: Parts) -> Parts:
    """3x3 -> 3x2, the reverse along rows: the part in the middle goes to both sides. It overwrites the parts."""
    for left, middle, right in parts:
        left += middle
        right += middle
    return [[left, right] for left, _, right in parts]


def _fold_columns(parts: Parts, results: Parts) -> None:
    """3x2 -> 2x2, the reverse along columns, into the results."""
    for first, middle, last, above, below in zip(*parts, *results):
        shape = above.shape
        torch.add(first.view(shape), middle.view(shape), out=above)
        torch.add(last.view(shape), middle.view(shape), out=below)


def _differences(cells: Parts) -> Parts:
    """Of the 2x2 parts of :func:`_cells`, those that each tile takes products of, 3x3."""
    rows = [[even[:, :, :-1] - odd, odd, even[:, :, 1:] - odd] for even, odd in cells]
    return [[even[:, :-1] - odd for even, odd in zip(*rows)], rows[1],
            [even[:, 1:] - odd for even, odd in zip(*rows)]]


def _overlaid(parts: Parts) -> Parts:
    """3x3 -> 2x2, the reverse: each product goes to the cells that it was of. It overwrites the parts."""
    for row in parts:
        row[1] -= row[0]
        row[1] -= row[2]
    for above, middle, below in zip(*parts):
        middle -= above
        middle -= below
    columns = [[_overlapping(left, right, 2), middle] for left, middle, right in parts]
    above, middle, below = columns
    return [[_overlapping(first, last, 1) for first, last in zip(above, below)], middle]


def _overlapping(first: Tensor, last: Tensor, axis: int) -> Tensor:
    """What lies at the edges of tiles along an axis: the first cell of each one, and the last one of the one before."""
    made = F.pad(first, (0, 0) * (first.dim() - axis - 1) + (0, 1))
    made.narrow(axis, 1, last.shape[axis]).add_(last)
    return made


# --- cells and places -------------------------------------------------------------------------------------------------

def _tiles(height: int, width: int) -> Pair:
    """How many tiles cover so many places."""
    return -(-height // 2), -(-width // 2)


def _chunks(big: Tensor, stride: Pair, tiles: Pair) -> Iterator[slice]:
    """Images that are computed at once, about as many each time."""
    each = 9 * tiles[0] * tiles[1] * stride[0] * stride[1] * big.shape[1]
    times = -(-len(big) // max(1, _AT_ONCE // each))
    for k in range(times):
        yield slice(k * len(big) // times, (k + 1) * len(big) // times)


def _prepared(weight: Tensor, stride: Pair) -> Parts:
    """What products are taken with, 3x3: the halves of a kernel and their sums, (channels of small, cell) each."""
    return _sums(_halves(weight, stride))


def _halves(weight: Tensor, stride: Pair) -> Parts:
    a, b = stride
    taps = channels_last(weight).permute(0, 2, 3, 1).view(len(weight), 2, a, 2, b, -1)
    return [[taps[:, i, :, j].flatten(1) for j in range(2)] for i in range(2)]


def _places(small: Tensor, tiles: Pair) -> Parts:
    """The 2x2 places of each tile: (N, rows, columns, channels) each."""
    n, channels = small.shape[:2]
    maps = _to_size(small.permute(0, 2, 3, 1), (0, 0), (2 * tiles[0], 2 * tiles[1]))
    maps = maps.reshape(n, tiles[0], 2, tiles[1], 2, channels)
    return [[maps[:, :, i, :, j].contiguous() for j in range(2)] for i in range(2)]


def _cells(big: Tensor, tiles: Pair, stride: Pair, pad: Pair) -> Parts:
    """The cells of all tiles, by even and odd rows and columns: (N, rows, columns, elements of a cell) each.

    The even ones lie at the edges of tiles, and are one more than these.
    """
    (rows, columns), (a, b) = [2 * count + 1 for count in tiles], stride
    n, channels = big.shape[:2]
    maps = _to_size(big.permute(0, 2, 3, 1), (-pad[0], -pad[1]), (rows * a, columns * b))
    cells = maps.reshape(n, rows, a, columns, b, channels).transpose(2, 3)
    return [[cells[:, i::2, j::2].flatten(3) for j in range(2)] for i in range(2)]


def _to_size(maps: Tensor, start: Pair, size: tuple[int, ...]) -> Tensor:
    """The part of maps (N, height, width, C) that starts there and has this size, 0 beyond their edges."""
    ends = [(-first, first + count - there) for first, count, there in zip(start, size, maps.shape[1:])]
    return F.pad(maps, (0, 0, *ends[1], *ends[0])) if any(map(any, ends)) else maps


def _joined(cells: Parts, stride: Pair) -> Tensor:
    """The maps that consist of such cells: (N, height, width, channels)."""
    (a, b), odd = stride, cells[1][1]
    n, rows, columns, _ = odd.shape
    maps = odd.new_empty(n, 2 * rows + 1, a, 2 * columns + 1, b, odd.shape[3] // (a * b))
    for i in range(2):
        for j in range(2):
            part = maps[:, i::2, :, j::2].transpose(2, 3)
            part.copy_(cells[i][j].view(part.shape))
    return maps.flatten(3, 4).flatten(1, 2)
