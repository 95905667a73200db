"""Samples out of files of records: where they begin, and their labels, ids and bytes."""
from __future__ import annotations

import os
import struct
from typing import Any, NamedTuple, Optional

import numpy as np

from .. import recordio
from ..base import FileFormatError, InputError, require
from ..files import reading_text

__all__ = ["Sample", "Source", "labels_of_list"]

_HEAD = struct.Struct("<4sIIfQQ")                          # of a record in one piece, and of the sample in it
_MAGIC = struct.pack("<I", 0xced7230a)
_LENGTH_BITS = 29
_MOST_AT_ONCE = 1 << 20                                    # bytes to read before a record's length is known


class Sample(NamedTuple):
    """One record's sample: its label, float32, its id, and the bytes of its image."""

    label: np.ndarray
    id: int
    content: np.ndarray


class _File(NamedTuple):
    file: recordio.RecordFile
    start: int                                             # where it lies, in bytes, if all files lie in a row


class Source:
    """The samples of one part of some files of records; any number of threads may read at once.

    Parameters
    ----------
    paths : str
        A file, several of them separated by ``;``, or a folder, whose files are taken in the order of their names.
    index : str
        The file's index, or nothing.
    num_parts, part_index : int
        Into how many parts of as many bytes the files are cut, and which one this is.

    Raises
    ------
    FileFormatError
        If there are no records.
    """

    def __init__(self, paths: str, index: str, num_parts: int, part_index: int) -> None:
        self.name = paths
        self.damage: list[FileFormatError] = []            # what was found between the records
        self._files: list[_File] = []
        try:
            for path in _files_of(paths):
                size = self._files[-1].start + self._files[-1].file.size if self._files else 0
                self._files.append(_File(recordio.RecordFile(path), size))
            require(not index or len(self._files) == 1, f"path_imgidx is the index of one file, and there are "
                    f"{len(self._files)} in {paths}", InputError)
            self._find(index, num_parts, part_index)
        except BaseException:
            self.close()
            raise

    def _find(self, index: str, num_parts: int, part_index: int) -> None:
        last = self._files[-1]
        size = last.start + last.file.size
        share = -(-size // num_parts)
        share += -share % 4
        found: list[tuple[int, int]] = []                  # number of the file, offset in it
        for number, (file, start) in enumerate(self._files):
            begin, end = (min(max(share * k - start, 0), file.size) for k in (part_index, part_index + 1))
            offsets = self._indexed(index, begin, end) if index else self._scanned(file, begin, end)
            found += [(number, offset) for offset in offsets]
        if not found:
            raise FileFormatError(f"{self.name}: there are no records in part {part_index} of {num_parts}")
        where, offsets = np.array(found, np.int64).T
        gaps = np.where(where[1:] == where[:-1], np.diff(offsets), _MOST_AT_ONCE)
        lengths = np.clip(np.append(gaps, _MOST_AT_ONCE), _HEAD.size, _MOST_AT_ONCE)
        self._where, self._offsets, self._lengths = where.tolist(), offsets.tolist(), lengths.tolist()

    def _indexed(self, index: str, begin: int, end: int) -> list[int]:
        with recordio.MXIndexedRecordIO(index, self._files[0].file.name, "r", key_type=str) as indexed:
            return sorted(offset for offset in indexed.idx.values() if begin <= offset < end)

    def _scanned(self, file: recordio.RecordFile, begin: int, end: int) -> list[int]:
        offsets = []
        for offset, wrong in file.scan(file.next_record(begin) if begin else 0, end):
            if wrong:
                self.damage.append(FileFormatError(wrong))
            else:
                offsets.append(offset)
        return offsets

    def __len__(self) -> int:
        return len(self._offsets)

    def close(self) -> None:
        """Close the files; once more does nothing."""
        for file, _ in self._files:
            file.close()

    def wrong(self, number: int, message: str) -> FileFormatError:
        """The error to raise for a sample: the file, where in it, and `message`."""
        return self._files[self._where[number]].file.wrong(self._offsets[number], message)

    def read(self, number: int) -> Sample:
        """A sample; by one call of the system where its record is in one piece, and the next one begins behind it.

        Raises
        ------
        FileFormatError
            If it is damaged.
        """
        file, offset = self._files[self._where[number]].file, self._offsets[number]
        found = file.bytes_at(offset, self._lengths[number])
        if len(found) >= _HEAD.size:
            magic, word, flag, label, sample_id, _ = _HEAD.unpack_from(found)
            begin, end = _HEAD.size + 4 * flag, 8 + (word & (1 << _LENGTH_BITS) - 1)
            if magic == _MAGIC and not word >> _LENGTH_BITS and begin <= end <= len(found):
                labels = np.frombuffer(found, "<f4", flag, _HEAD.size) if flag else np.array([label], np.float32)
                return Sample(labels, sample_id, np.frombuffer(found, np.uint8, end - begin, begin))
        payload, _ = file.read_at(offset)
        try:
            header, content = recordio.unpack(payload or b"")
        except FileFormatError as error:
            raise self.wrong(number, str(error)) from None
        return Sample(np.atleast_1d(np.float32(header.label)), header.id, np.frombuffer(content, np.uint8))

    def label_widths(self) -> list[int]:
        """How many numbers each label has; 0 for what is no sample."""
        widths = []
        for where, offset in zip(self._where, self._offsets):
            head = self._files[where].file.bytes_at(offset, _HEAD.size)
            flag = _HEAD.unpack(head)[2] if len(head) == _HEAD.size else 0
            widths.append(flag or 1 if 4 * flag <= self._files[where].file.size - offset else 0)
        return widths


def _files_of(paths: str) -> list[str]:
    if os.path.isdir(paths):
        entries = (os.path.join(paths, name) for name in sorted(os.listdir(paths)))
        files = [path for path in entries if os.path.isfile(path)]
        require(files, f"{paths}: there are no files in this folder", FileFormatError)
        return files
    return [path for path in paths.split(";") if path] if not os.path.exists(paths) else [paths]


def labels_of_list(path: str, width: Optional[int]) -> dict[int, np.ndarray]:
    """Labels by id, from lines ``id<tab>label<tab>…<tab>path``; of one width unless it is None.

    Raises
    ------
    FileFormatError
        For any other line.
    """
    labels: dict[int, Any] = {}
    with reading_text(path, errors="replace") as stream:
        for number, line in enumerate(stream, 1):
            cells = line.rstrip("\r\n").split("\t")
            if not line.strip():
                continue
            try:
                labels[int(cells[0])] = np.array([float(cell) for cell in cells[1:-1]], np.float32)
                require(width in (None, len(cells) - 2), f"{len(cells) - 2} labels, expected label_width={width}",
                        ValueError)
            except ValueError as error:
                raise FileFormatError(f"{path}: line {number}: expected an id, {'some' if width is None else width} "
                                      f"label(s) and a path, separated by tabs: {error}") from None
    return labels
