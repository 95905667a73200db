"""``python -m ganmod.tools.im2rec prefix root``: lists of images, and files of records made of them.

With ``--list`` the images in the folder `root` are listed in ``prefix.lst``. Without it, every list that begins with
`prefix` becomes a file of records and its index, ``.rec`` and ``.idx``, which have their names once they are complete.
An image that is missing, truncated, damaged or none at all is reported and left out.
"""
from __future__ import annotations

import argparse
import os
import sys
from collections import Counter, deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, Iterable, Iterator, NamedTuple, Optional, Sequence, Union

from .. import files, recordio
from ..base import InputError, MXNetError, require
from .lists import Image, Skipped, images_in, lines_of, names_and_parts, text_of
from .samples import Packer, Packing

__all__ = ["Summary", "main", "make_lists", "make_records"]

_AS_IT_IS = Packing()
_AHEAD = 8                                                 # images in work for each thread


class Summary(NamedTuple):
    """What became of a list or a folder: how many images were taken, and what was left out, with the reasons."""

    name: str
    packed: int
    skipped: list[Skipped]

    def __str__(self) -> str:
        kinds = Counter(skipped.kind for skipped in self.skipped)
        left_out = f", {len(self.skipped)} left out" + (
            f" ({', '.join(f'{kind}: {count}' for kind, count in sorted(kinds.items()))})" if kinds else "")
        return f"{self.name}: {self.packed} images{left_out}"


# --- lists -------------------------------------------------------------------------------------------------------

def make_lists(prefix: str, root: str, recursive: bool = False, shuffle: bool = True, chunks: int = 1,
               train_ratio: float = 1.0, test_ratio: float = 0.0,
               exts: Sequence[str] = (".jpeg", ".jpg", ".png")) -> tuple[Summary, dict[str, int]]:
    """List the images of a folder; see ``--help`` for the parameters.

    Returns
    -------
    Summary
    dict of str to int
        The label of each folder; empty if not `recursive`.

    Raises
    ------
    InputError
        For numbers that cannot be, or a `root` elsewhere.
    OSError
        If there is no such folder, or a list cannot be written.
    """
    require(not files.is_remote(root), f"im2rec: --list looks through folders of this machine, got {root}", InputError)
    skipped: list[Skipped] = []
    images, labels = images_in(root, exts, recursive, skipped)
    for name, part in names_and_parts(images, shuffle, chunks, train_ratio, test_ratio):
        files.write_atomically(f"{prefix}{name}.lst", text_of(part))
    return Summary(f"{prefix}*.lst", len(images), skipped), labels


# --- records -----------------------------------------------------------------------------------------------------

class _Records(recordio.MXIndexedRecordIO):
    """Files that have their names once they are complete."""

    _at_once = False


def make_records(list_path: str, root: str, packing: Packing = _AS_IT_IS, threads: int = 1,
                 report: Optional[Callable[[Skipped], None]] = None) -> Summary:
    """Make ``a.rec`` and ``a.idx`` of the list ``a.lst``; the records have the order of the list.

    Parameters
    ----------
    list_path : path
    root : path
        The folder of the images.
    packing : Packing
    threads : int
        How many images to work on at the same time.
    report : callable, optional
        Called with each :class:`Skipped` at once.

    Raises
    ------
    MXNetError
        If there are images in the list, and none could be packed; or OpenCV is missing.
    OSError
        If a file cannot be read or written; no half-written file is left.
    """
    name, skipped, count = os.path.splitext(list_path)[0], [], 0
    entries = list(lines_of(list_path))
    with _Records(f"{name}.idx", f"{name}.rec", "w") as records:
        found = _packed(entries, Packer(root, packing), max(1, threads))
        for entry, payload in zip(entries, _with_progress(found, len(entries), os.path.basename(name))):
            if isinstance(payload, bytes):
                try:
                    records.write_idx(entry.id, payload)  # type: ignore[union-attr]
                    count += 1
                    continue
                except InputError as error:
                    payload = Skipped(entry.path, "unpackable", str(error))  # type: ignore[union-attr]
            skipped.append(payload)
            if report is not None:
                report(payload)
        require(count or not entries, f"{list_path}: none of {len(entries)} images could be packed; the first: "
                f"{skipped[0].name}: {skipped[0].detail}" if skipped else "")
    return Summary(f"{name}.rec", count, skipped)


def _packed(entries: Iterable[Union[Image, Skipped]], pack: Packer, threads: int) -> Iterator[Union[bytes, Skipped]]:
    """What becomes of each entry, in their order."""
    def work(entry: Union[Image, Skipped]) -> Union[bytes, Skipped]:
        return pack(entry) if isinstance(entry, Image) else entry
    if threads == 1:
        yield from map(work, entries)
        return
    coming: deque[Future[Union[bytes, Skipped]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="im2rec") as pool:
        try:
            for entry in entries:
                coming.append(pool.submit(work, entry))
                if len(coming) >= _AHEAD * threads:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _with_progress(found: Iterable[Any], count: int, name: str) -> Iterable[Any]:
    """The same, with a bar where a person looks on and tqdm is installed."""
    try:
        import tqdm
    except ImportError:
        return found
    return tqdm.tqdm(found, name, count, unit=" images", disable=None)


# --- the command line --------------------------------------------------------------------------------------------

def parser() -> argparse.ArgumentParser:
    """The options, which are those of MXNet's tool."""
    p = argparse.ArgumentParser("im2rec", description=(__doc__ or "").partition("\n\n")[2], allow_abbrev=True,
                                formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    p.add_argument("prefix", help="path and beginning of the names of the lists and files of records")
    p.add_argument("root", help="folder of the images")
    g = p.add_argument_group("lists")
    g.add_argument("--list", action="store_true", help="list the images of the folder")
    g.add_argument("--exts", nargs="+", default=[".jpeg", ".jpg", ".png"], help="extensions of images")
    g.add_argument("--chunks", type=int, default=1, help="into how many lists to cut")
    g.add_argument("--train-ratio", type=float, default=1.0, help="the part that is for training, _train")
    g.add_argument("--test-ratio", type=float, default=0.0, help="the part that is for testing, _test; the rest is "
                                                                 "_val")
    g.add_argument("--recursive", action="store_true", help="look into folders, and give each that has images a label "
                                                            "from 0; otherwise all labels are 0")
    g.add_argument("--shuffle", dest="shuffle", action="store_true", default=True, help="list in a random order")
    g.add_argument("--no-shuffle", dest="shuffle", action="store_false", help="list in the order of the names")
    g = p.add_argument_group("records")
    g.add_argument("--pass-through", action="store_true", help="pack the files as they are")
    g.add_argument("--resize", type=int, default=0, help="the length of the shorter edge in pixels; 0 leaves it")
    g.add_argument("--center-crop", action="store_true", help="cut out the square in the middle first")
    g.add_argument("--quality", type=int, default=95, help="1 to 100 for JPEG; the effort, 1 to 9, for PNG")
    g.add_argument("--num-thread", type=int, default=1, help="how many images to work on at the same time")
    g.add_argument("--color", type=int, default=1, choices=[-1, 0, 1], help="1 in colour, 0 grey, -1 as it is, with "
                                                                            "opacity")
    g.add_argument("--encoding", default=".jpg", choices=[".jpg", ".png"], help="the format to pack")
    g.add_argument("--pack-label", action="store_true", help="pack all labels of a line, not the first one only")
    return p


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run with the arguments of the command line; the status to exit with is 0 if all went well."""
    options = parser().parse_args(arguments)
    prefix, root = (path if files.is_remote(path) else os.path.abspath(path)
                    for path in (options.prefix, options.root))
    try:
        if options.list:
            summary, labels = make_lists(prefix, root, options.recursive, options.shuffle, options.chunks,
                                         options.train_ratio, options.test_ratio, options.exts)
            for name, label in labels.items():
                print(name, label)
            for skipped in summary.skipped:
                _report(skipped)
            print(summary)
            return 0
        return _make_all(prefix, root, options)
    except (MXNetError, OSError) as error:
        print(f"im2rec: {error}", file=sys.stderr)
        return 1


def _make_all(prefix: str, root: str, options: argparse.Namespace) -> int:
    for name in ("resize", "quality"):
        require(getattr(options, name) >= 0, f"--{name} must not be below 0, got {getattr(options, name)}", InputError)
    within = os.path.join(prefix, "") if os.path.isdir(prefix) else prefix
    lists = sorted(path for path in files.names_beginning(within) if path.endswith(".lst"))
    require(lists, f"there is no list that begins with {prefix}; --list makes one")
    packing = Packing(options.resize, options.center_crop, options.quality, options.color, options.encoding,
                      options.pass_through, options.pack_label)
    for path in lists:
        print(make_records(path, root, packing, options.num_thread, _report))
    return 0


def _report(skipped: Skipped) -> None:
    print(f"left out: {skipped.name}: {skipped.detail}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
