"""Lists of images: made of a folder, read line by line.

A line is ``id<tab>label<tab>…<tab>path``: an integer, one or more numbers, and a path within the folder of the images.
"""
from __future__ import annotations

import math
import os
import random
from typing import Iterator, NamedTuple, Sequence, Union

from .. import files
from ..base import InputError, require

__all__ = ["Image", "Skipped", "images_in", "names_and_parts", "text_of", "lines_of"]

_SEED = 100                                                # of the order of a list, as MXNet's tool has it


class Image(NamedTuple):
    """An image of a list: its id, its labels, its path in the folder, and which line it stands in."""

    id: int
    labels: tuple[float, ...]
    path: str
    line: int = 0


class Skipped(NamedTuple):
    """What is left out: its name, which kind of reason there is, and the reason in detail."""

    name: str
    kind: str
    detail: str


# --- making ------------------------------------------------------------------------------------------------------

def images_in(root: str, extensions: Sequence[str], recursive: bool,
              skipped: list[Skipped]) -> tuple[list[Image], dict[str, int]]:
    """The images of a folder in the order of their names, and the label of each folder.

    Parameters
    ----------
    root : str
    extensions : sequence of str
        Such as ``'.jpg'``; capitals do not matter.
    recursive : bool
        Whether to look into folders within `root`, links to folders included; each that has images gets a label, from
        0. Otherwise all images have the label 0.
    skipped : list of Skipped
        What is left out is added here: names that a list cannot hold, folders that contain themselves.

    Raises
    ------
    OSError
        If there is no such folder.
    """
    wanted = {extension.lower() for extension in extensions}
    images: list[Image] = []
    labels: dict[str, int] = {}
    for folder, names in _folders(root, skipped) if recursive else [(root, os.listdir(root))]:
        for name in sorted(names):
            path = os.path.join(folder, name)
            if os.path.splitext(name)[1].lower() not in wanted or not os.path.isfile(path):
                continue
            relative = os.path.relpath(path, root)
            if relative != relative.strip() or {"\t", "\n", "\r"} & {*relative}:
                skipped.append(Skipped(repr(relative), "name", "a list cannot hold tabs and line breaks in a name, nor "
                                                               "blanks at its ends"))
                continue
            label = labels.setdefault(os.path.relpath(folder, root), len(labels)) if recursive else 0
            images.append(Image(len(images), (float(label),), relative))
    return images, labels


def _folders(root: str, skipped: list[Skipped]) -> Iterator[tuple[str, list[str]]]:
    def refuse(error: OSError) -> None:
        if error.filename == root:
            raise error
        skipped.append(Skipped(str(error.filename), "folder", str(error)))
    for folder, inner, names in os.walk(root, onerror=refuse, followlinks=True):
        here = os.path.realpath(folder)
        for name in sorted(inner):
            real = os.path.realpath(os.path.join(folder, name))
            if os.path.commonpath([real, here]) == real:
                skipped.append(Skipped(os.path.join(folder, name), "folder", "a link to a folder that it lies in"))
                inner.remove(name)
        inner.sort()
        yield folder, names


def names_and_parts(images: list[Image], shuffle: bool, chunks: int, train_ratio: float,
                    test_ratio: float) -> Iterator[tuple[str, list[Image]]]:
    """What is to be appended to the prefix for each list, and the images in it.

    Parameters
    ----------
    shuffle : bool
        Whether to put them in a random order, the same one for as many images.
    chunks : int
        Into how many pieces of as many images to cut them, ``_0``, ``_1``, …
    train_ratio, test_ratio : float
        What part of each piece becomes ``_train`` and, before it, ``_test``; the rest is ``_val``. 1 for training
        means one list.

    Raises
    ------
    InputError
        For numbers that cannot be.
    """
    require(chunks > 0, f"im2rec: --chunks must be above 0, got {chunks}", InputError)
    for name, ratio in (("train", train_ratio), ("test", test_ratio)):
        require(0 <= ratio <= 1, f"im2rec: --{name}-ratio must be from 0 to 1, got {ratio}", InputError)
    images = list(images)
    if shuffle:
        random.Random(_SEED).shuffle(images)
    size = math.ceil(len(images) / chunks)
    for k in range(chunks):
        chunk, name = images[k * size:(k + 1) * size], f"_{k}" if chunks > 1 else ""
        if train_ratio == 1:
            yield name, chunk
            continue
        test = int(size * test_ratio)
        train = test + int(size * train_ratio)
        if test_ratio:
            yield name + "_test", chunk[:test]
        if train_ratio + test_ratio < 1:
            yield name + "_val", chunk[train:]
        yield name + "_train", chunk[test:train]


def text_of(images: Sequence[Image]) -> bytes:
    """The content of a list."""
    lines = (f"{image.id}\t" + "".join(f"{label:f}\t" for label in image.labels) + f"{image.path}\n"
             for image in images)
    return "".join(lines).encode("utf-8", "surrogateescape")


# --- reading -----------------------------------------------------------------------------------------------------

def lines_of(path: str) -> Iterator[Union[Image, Skipped]]:
    """The images of a list, and its lines that are none; empty lines are passed over.

    Raises
    ------
    OSError
        If it cannot be opened.
    """
    with files.reading_text(path, errors="surrogateescape") as stream:
        for number, line in enumerate(stream, 1):
            cells = [cell.strip() for cell in line.strip().split("\t")]
            if cells == [""]:
                continue
            try:
                require(len(cells) > 2, f"{len(cells)} of at least 3 cells", ValueError)
                image = Image(int(cells[0]), tuple(map(float, cells[1:-1])), cells[-1], number)
                require(0 <= image.id < 1 << 64, f"the id is {image.id}", ValueError)
                require("\0" not in image.path, "a path has no zero in it", ValueError)
            except ValueError as error:
                yield Skipped(f"{path}: line {number}", "line", f"expected an id from 0 to 2**64 - 1, label(s) and a "
                              f"path, separated by tabs, got {line.rstrip()[:60]!r} ({error})")
            else:
                yield image
