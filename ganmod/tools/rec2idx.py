"""``python -m ganmod.tools.rec2idx a.rec a.idx``: the index of a file of records, numbered from 0."""
from __future__ import annotations

import argparse
import sys
from typing import Optional, Sequence

from .. import files, recordio
from ..base import MXNetError

__all__ = ["main", "make_index"]


def make_index(record: files.Path, index: files.Path) -> tuple[int, list[str]]:
    """Write the index of a file of records.

    Returns
    -------
    int
        How many records are in it.
    list of str
        What is wrong in the file, and where; damaged records are not in the index, and have no number.

    Raises
    ------
    OSError
        If a file cannot be read or written.
    """
    source = recordio.RecordFile(record)
    try:
        found = list(source.scan())
    finally:
        source.close()
    offsets = [offset for offset, wrong in found if wrong is None]
    files.write_atomically(index, "".join(f"{key}\t{offset}\n" for key, offset in enumerate(offsets)).encode())
    return len(offsets), [wrong for _, wrong in found if wrong is not None]


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run with the arguments of the command line; the status to exit with is 0 if all went well."""
    p = argparse.ArgumentParser("rec2idx", description=(__doc__ or "").partition(": ")[2])
    p.add_argument("record", help="file of records to read")
    p.add_argument("index", help="index to write")
    options = p.parse_args(arguments)
    try:
        count, damage = make_index(options.record, options.index)
    except (MXNetError, OSError) as error:
        print(f"rec2idx: {error}", file=sys.stderr)
        return 1
    for wrong in damage:
        print(f"left out: {wrong}", file=sys.stderr)
    print(f"{options.index}: {count} records, {len(damage)} left out")
    return 0


if __name__ == "__main__":
    sys.exit(main())
