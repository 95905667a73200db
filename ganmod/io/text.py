"""``CSVIter`` and ``LibSVMIter``: batches from text files of numbers."""
from __future__ import annotations

import dataclasses
import os
from typing import Any, Iterator, Optional, Sequence, Union

import numpy as np
import torch

from ..base import FileFormatError, InputError, require, to_torch_dtype
from ..files import reading, reading_text
from ..ops import storage
from .from_files import FileIter, check_settings, shape_of
from .rounds import Rounds, part_of_lines

__all__ = ["CSVIter", "LibSVMIter"]

Path = Union[str, "os.PathLike[str]"]
Shape = Union[int, Sequence[int]]


class _TextIter(FileIter):
    """What both share: samples in the order of the file, a last batch that is filled up."""

    _rounds: Rounds

    def _begin(self, count: int, source: Path, round_batch: bool) -> None:
        require(count, f"{type(self).__name__}: there are no samples in {os.fspath(source)}", InputError)
        self._rounds = Rounds(lambda: np.arange(count), self.batch_size, round_batch)

    def reset(self) -> None:
        """Begin the next epoch, with the first sample that the last one has not used."""
        super().reset()
        self._rounds.reset()

    def load(self) -> Any:
        """The next batch."""
        found = self._rounds.next()
        if found is None:
            return None
        index, pad = found
        return self._take(self._data, index, 0), self._take(self._label, index, 1), pad, index

    _data: Any
    _label: Any

    def _take(self, source: Any, index: np.ndarray, part: int) -> torch.Tensor:
        desc, dtype = ((self.provide_data[0], self._dtype), (self.provide_label[0], self._label_dtype))[part]
        if source is None:
            return torch.zeros(desc.shape, dtype=dtype)
        if isinstance(source, _Sparse) and len(desc.shape) == 2:
            return source.compressed(index).to(dtype)
        return torch.from_numpy(source[index]).reshape(desc.shape).to(dtype)


class CSVIter(_TextIter):
    """Batches of the rows of a text file, whose numbers are separated by commas.

    Parameters
    ----------
    data_csv : path
        One sample per line.
    data_shape : tuple of int
        The shape of a sample.
    batch_size : int
        Samples per batch.
    label_csv : path, optional
        One label per line; without it labels are 0.
    label_shape : tuple of int
        The shape of a label.
    round_batch : bool
        Whether a last batch is filled up with the first samples, which the next epoch then leaves out; otherwise
        samples of the batch before stay in it. ``pad`` of the batch says how many.
    dtype : dtype
        Of data and labels; by default float32.
    data_name, label_name : str
        Names of the inputs.
    prefetch_buffer, ctx :
        Mean nothing here.

    Raises
    ------
    FileFormatError
        If a line is not so many numbers, or there are not as many labels as samples.
    """

    def __init__(self, data_csv: Path, data_shape: Shape, batch_size: int, label_csv: Optional[Path] = None,
                 label_shape: Shape = (1,), round_batch: bool = True, prefetch_buffer: int = 4, ctx: Any = None,
                 dtype: Any = None, data_name: str = "data", label_name: str = "softmax_label") -> None:
        shape, labels = shape_of("CSVIter", "data_shape", data_shape), shape_of("CSVIter", "label_shape", label_shape)
        super().__init__(batch_size, shape, () if labels == (1,) else labels, dtype, dtype, data_name, label_name)
        self._data = _csv(data_csv, int(np.prod(shape)), self._dtype)
        self._label = None if label_csv in (None, "NULL") else _csv(label_csv, int(np.prod(labels)), self._dtype)
        _same_count(data_csv, self._data, label_csv, self._label)
        self._begin(len(self._data), data_csv, round_batch)


def _csv(path: Any, columns: int, dtype: torch.dtype) -> np.ndarray:
    """The numbers of a file, a row per line."""
    kind = np.dtype(np.int64) if not dtype.is_floating_point else np.dtype(
        np.float64 if dtype is torch.float64 else np.float32)
    rows = []
    for number, line in _lines(path):
        cells = line.rstrip(",").split(",")
        try:
            rows.append(np.array(cells, dtype=kind) if kind.kind == "f" else _integers(cells))
        except (ValueError, OverflowError) as error:
            raise FileFormatError(f"{os.fspath(path)}: line {number}: not numbers separated by commas: {error}") \
                from None
        if len(rows[-1]) != columns:
            raise FileFormatError(f"{os.fspath(path)}: line {number}: {len(rows[-1])} numbers, expected {columns}")
    return np.stack(rows) if rows else np.empty((0, columns), kind)


def _integers(cells: list[str]) -> np.ndarray:
    """Integers; fractions are cut off."""
    try:
        return np.array([int(cell) for cell in cells], dtype=np.int64)
    except ValueError:
        return np.array([int(float(cell)) for cell in cells], dtype=np.int64)


def _lines(path: Any) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, numbered from 1."""
    with reading_text(path, "utf-8-sig", "replace") as stream:
        for number, line in enumerate(stream, 1):
            if line.strip():
                yield number, line.strip()


def _same_count(data_path: Path, data: Any, label_path: Optional[Path], label: Any) -> None:
    if label is not None and len(data) != len(label):
        raise FileFormatError(f"{os.fspath(data_path)} has {len(data)} samples, {os.fspath(label_path)} "  # type: ignore[arg-type]
                              f"{len(label)} labels; there must be as many")


# --- LibSVM ----------------------------------------------------------------------------------------------------------

class LibSVMIter(_TextIter):
    """CSR batches of a text file of lines ``label index:value index:value …``; indices count from 0.

    Parameters
    ----------
    data_libsvm : path
        One sample per line; what is not mentioned is 0. ``# …`` is a comment.
    data_shape : int or tuple of one int
        How many numbers a sample has.
    batch_size : int
        Samples per batch.
    label_libsvm : path, optional
        A file of the same kind whose lines are the labels; without it the label is the first number of a line.
    label_shape : int or tuple of int
        The shape of a label; more than one number with `label_libsvm`, else one.
    num_parts, part_index : int
        Into how many parts the file is cut, and which one this is, from 0.
    round_batch, dtype, data_name, label_name, prefetch_buffer, ctx :
        As for :class:`CSVIter`.

    Raises
    ------
    FileFormatError
        If a line is of another form, or has an index beyond the shape.
    InputError
        For a shape that cannot be.
    """

    def __init__(self, data_libsvm: Path, data_shape: Shape, batch_size: int, label_libsvm: Optional[Path] = None,
                 label_shape: Shape = (1,), num_parts: int = 1, part_index: int = 0, round_batch: bool = True,
                 prefetch_buffer: int = 4, ctx: Any = None, dtype: Any = None, data_name: str = "data",
                 label_name: str = "softmax_label") -> None:
        check_settings("LibSVMIter", batch_size, num_parts, part_index)
        shape = shape_of("LibSVMIter", "data_shape", data_shape)
        labels = shape_of("LibSVMIter", "label_shape", label_shape)
        require(len(shape) == 1, f"LibSVMIter: data_shape must have one axis, got {shape}", InputError)
        own = label_libsvm in (None, "NULL")
        wanted = "(1,) without" if own else "more than one number with"
        require((labels == (1,)) == own, f"LibSVMIter: label_shape must be {wanted} label_libsvm, got {labels}",
                InputError)
        super().__init__(batch_size, shape, () if own else labels, dtype, dtype, data_name, label_name)
        kind = np.float64 if to_torch_dtype(dtype) is torch.float64 else np.float32
        data, first = _libsvm(data_libsvm, shape[0], kind)
        label: Any = first if own else _libsvm(label_libsvm, int(np.prod(labels)), kind)[0]
        _same_count(data_libsvm, data, label_libsvm, label)
        part = part_of_lines(data.starts, os.path.getsize(data_libsvm), num_parts, part_index)
        self._data, self._label = data[part], label[part]
        self._begin(len(self._data), data_libsvm, round_batch)


@dataclasses.dataclass
class _Sparse:
    """Rows of which only some numbers are kept; indexed by an array of row numbers they become dense."""

    starts: np.ndarray                                     # where the lines begin in the file, in bytes
    bounds: np.ndarray                                     # where in `columns` and `values` the rows begin, and the end
    columns: np.ndarray
    values: np.ndarray
    width: int

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, slice):
            first, last, _ = rows.indices(len(self))
            return dataclasses.replace(self, starts=self.starts[rows], bounds=self.bounds[first:max(last, first) + 1])
        dense = np.zeros((len(rows), self.width), self.values.dtype)
        for line, row in zip(dense, rows):
            kept = slice(self.bounds[row], self.bounds[row + 1])
            line[self.columns[kept]] = self.values[kept]
        return dense

    def compressed(self, rows: np.ndarray) -> torch.Tensor:
        """The rows as a csr tensor, the columns of each in ascending order."""
        parts = [slice(self.bounds[row], self.bounds[row + 1]) for row in rows]
        begins = np.cumsum([0, *(part.stop - part.start for part in parts)])
        orders = [part.start + np.argsort(self.columns[part], kind="stable") for part in parts]
        kept = np.concatenate([*orders, np.empty(0, np.int64)]).astype(np.int64)
        return storage.csr_tensor(torch.from_numpy(begins), torch.from_numpy(self.columns[kept]),
                                  torch.from_numpy(self.values[kept]), (len(rows), self.width))


def _libsvm(path: Any, width: int, kind: Any) -> tuple[_Sparse, np.ndarray]:
    """The rows of a file, and the numbers that their lines begin with."""
    name, starts, bounds, columns, values, first = os.fspath(path), [], [0], [], [], []
    offset = 0
    with reading(path) as stream:
        for number, raw in enumerate(stream, 1):
            start, offset = offset, offset + len(raw)
            words = raw.partition(b"#")[0].split()
            if not words:
                continue
            try:
                first.append(float(words[0].partition(b":")[0]))               # a weight may follow the colon
                pairs = [word.partition(b":") for word in words[1:] if not word.startswith(b"qid:")]
                found = [int(index) for index, _, _ in pairs]
                values += [float(value) if colon else 1.0 for _, colon, value in pairs]
                if found and not 0 <= min(found) <= max(found) < width:
                    raise ValueError(f"the indices are {min(found)} to {max(found)}, expected 0 to {width - 1}")
            except ValueError as error:
                raise FileFormatError(f"{name}: line {number}: expected 'label index:value index:value …': {error}") \
                    from None
            columns += found
            starts.append(start)
            bounds.append(len(columns))
    rows = _Sparse(np.array(starts, np.int64), np.array(bounds, np.int64), np.array(columns, np.int64),
                   np.array(values, kind), width)
    return rows, np.array(first, kind)
