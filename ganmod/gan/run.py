"""``mx.gan.run``: what surrounds a training loop. The loop itself, with every forward and backward, stays yours.

A program's ``main`` parses its command line with :func:`parser` and :func:`parse`, makes its modules and iterators, and
hands them to a :class:`Run`, over whose steps it loops.
"""
from __future__ import annotations

import argparse
import functools
import importlib
import json
import pathlib
import signal
import sys
from typing import Any, Callable, Iterator, Mapping, Optional, Sequence

import numpy as np

from ..base import InputError, MXNetError, StateError, require
from ..context import Context, cpu, gpu, num_gpus
from ..files import write_atomically
from ..io import DataBatch, DataIter
from . import datasets, pictures
from .classifier import Classifier, Quality, train_classifier
from .session import Session

__all__ = ["Run", "parser", "parse", "program", "context", "endless"]

_PRODUCTS = ("settings.json", "sheets", "checkpoints", "losses.png", "training.gif", "generated.png", "quality.json")
_NOT_SETTINGS = ("out", "resume", "keep", "ctx")           # options that a run may go on with others of


# --- a program's frame -------------------------------------------------------------------------------------------

def parser(description: str, out: str, length: str = "epochs", batch_size: int = 64,
           data: Optional[str] = None) -> argparse.ArgumentParser:
    """A command line with the options that all programs of this kind have; add to it what yours has besides.

    Parameters
    ----------
    description : str
        Of the program, such as its ``__doc__``.
    out : str
        The folder that results go to, by default.
    length : {'epochs', 'steps'}
        What the length of a run is counted in.
    batch_size : int
        By default.
    data : str, optional
        What :func:`ganmod.gan.datasets.load` is to load by default; without it there is no such option.
    """
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    if data is not None:
        made.add_argument("--data", type=datasets.source, default=data, metavar="digits|mnist|DIR",
                          help=f"digits of scikit-learn, of MNIST, or a folder of IDX files ({data})")
    made.add_argument(f"--{length}", type=positive, help="in all, with those done before")
    made.add_argument("--batch-size", type=positive, default=batch_size, help=f"images in a batch ({batch_size})")
    made.add_argument("--seed", type=int, default=1, help="of the order of images and all random numbers (1)")
    made.add_argument("--ctx", choices=("auto", "cpu", "gpu"), default="auto", help="auto: gpu where there is one")
    made.add_argument("--out", type=pathlib.Path, default=pathlib.Path(out), help=f"output folder ({out})")
    made.add_argument("--resume", action="store_true", help="continue the run in --out, with its own settings")
    made.add_argument("--keep", type=positive, default=3, help="checkpoints to keep (3)")
    made.add_argument("--dry-run", action="store_true", help="a few batches and a tiny network, to see it work")
    return made


def parse(options: argparse.ArgumentParser, arguments: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """The options of a command line; with ``--resume`` those of the run that goes on, but for a new length.

    Raises
    ------
    InputError
        Where there is nothing to resume.
    """
    found = options.parse_args(arguments)
    if found.resume:
        saved = _settings(found.out)
        lengths = {name: value for name, value in vars(found).items() if name in ("epochs", "steps") and value}
        vars(found).update({**saved, **lengths})
    return found


def positive(text: str) -> int:
    """A whole number of 1 or more, for argparse.

    >>> positive("3")
    3
    """
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def program(main: Callable[[], None]) -> Callable[[], None]:
    """Decorate a program's ``main``: errors of ganmod become one line and status 1, Ctrl-C status 130."""
    @functools.wraps(main)
    def framed() -> None:
        try:
            main()
        except MXNetError as error:
            sys.exit(str(error))
        except KeyboardInterrupt:
            sys.exit(130)
    return framed


def context(name: str) -> Context:
    """The context that ``--ctx`` means: 'auto' is a GPU where there is one.

    Raises
    ------
    InputError
        For 'gpu' where torch sees none.
    """
    require(name != "gpu" or num_gpus(), "--ctx gpu: torch sees no CUDA device; use --ctx cpu, or install a torch "
            "build with CUDA", InputError)
    return gpu(0) if num_gpus() and name != "cpu" else cpu()


def endless(batches: DataIter) -> Iterator[DataBatch]:
    """The batches of an iterator, which begins anew each time that it ends.

    >>> import ganmod as mx
    >>> batches = endless(mx.io.NDArrayIter(mx.nd.array([1, 2]), batch_size=1))
    >>> [int(next(batches).data[0].asscalar()) for _ in range(5)]
    [1, 2, 1, 2, 1]
    """
    empty = 0
    while empty < 2:                                       # once: it was restored at its end
        empty += 1
        for batch in batches:
            empty = 0
            yield batch
        batches.reset()
    raise InputError("endless(): the iterator has no batches")


def _settings(folder: pathlib.Path) -> dict[str, Any]:
    """The settings of the run in a folder that has a checkpoint."""
    path = folder / "settings.json"
    require(path.exists() and any((folder / "checkpoints").glob("step-*")),
            f"There is no checkpoint in {folder} to resume from", InputError)
    try:
        return dict(json.loads(path.read_text()))
    except (TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged: {error}") from error


# --- a run -------------------------------------------------------------------------------------------------------

class Run:
    """The folder of a run, and what a loop leaves there: settings, checkpoints, sheets, a film, losses, quality.

    Parameters
    ----------
    options : argparse.Namespace
        As :func:`parse` gives them: ``out``, ``resume``, ``keep``, and the settings of the run. An earlier run in the
        folder that is not resumed is set aside there, in ``earlier-1`` and so on.
    leaves : sequence of str
        Patterns of what else the program leaves in the folder, which is then set aside with the rest.

    Attributes
    ----------
    folder : pathlib.Path
    step : int
        How many steps are done.
    losses : dict of str to list of float
        The losses of every step, by name.
    finished : bool
        Whether all steps that were asked for are done.

    Raises
    ------
    MXNetError
        Without the packages that progress and pictures need: tqdm and matplotlib.
    """

    def __init__(self, options: argparse.Namespace, leaves: Sequence[str] = ()) -> None:
        for package in ("tqdm", "matplotlib.figure", "PIL"):
            _needed(package)                               # better to hear it now than after the training
        self.folder, self._keep, self._resume = pathlib.Path(options.out), options.keep, options.resume
        self._dry = getattr(options, "dry_run", False)
        self.step, self.finished = 0, False
        self.losses: dict[str, list[float]] = {}
        self._session: Optional[Session] = None
        self._per_epoch: Optional[int] = None
        if not self._resume:
            self._set_aside((*_PRODUCTS, *leaves))
        (self.folder / "sheets").mkdir(parents=True, exist_ok=True)
        settings = {k: str(v) if isinstance(v, pathlib.Path) else v for k, v in vars(options).items()
                    if k not in _NOT_SETTINGS}
        write_atomically(self.folder / "settings.json", json.dumps(settings, indent=1).encode())

    def _set_aside(self, products: Sequence[str]) -> None:
        there = sorted({path for pattern in products for path in self.folder.glob(pattern)})
        if there:
            aside = self.folder / f"earlier-{1 + len(list(self.folder.glob('earlier-*')))}"
            aside.mkdir()
            for path in there:
                path.rename(aside / path.name)
            print(f"The earlier run in {self.folder} is now in {aside}.")

    def attach(self, **parts: Any) -> None:
        """Say what belongs to the run: modules and iterators, as for :class:`Session`; if it resumes, restore them."""
        self._session = Session(self.folder / "checkpoints", self._keep, **parts)
        restored = self._session.restore() if self._resume else None
        if restored is not None:
            self.step, self.losses = restored.step, restored.values["losses"]

    def steps(self, total: int, images: int, per_epoch: Optional[int] = None,
              save_every: Optional[int] = None) -> Iterator[int]:
        """The numbers of the steps that are left, 1 to `total`, with a bar that shows progress.

        A checkpoint is saved after every `save_every` of them (by default an epoch, or a tenth of all), at the end, and
        when Ctrl-C is pressed, which ends the loop after the step; pressed again, it ends the program at once.

        Parameters
        ----------
        total : int
            How many there are in all.
        images : int
            How many real images a step takes.
        per_epoch : int, optional
            How many steps are an epoch, where that is of interest.
        """
        session = self._session
        if session is None:
            raise StateError("steps() needs attach() first")
        self._per_epoch, every = per_epoch, save_every or per_epoch or -(-total // 10)
        interrupted: list[bool] = []
        with _bar(total * images, self.step * images) as bar, _listening(interrupted):
            for step in range(self.step + 1, total + 1):
                yield step
                self.step = step
                bar.set_postfix_str(self._state(), refresh=False)
                bar.update(images)
                if step % every == 0 or step == total or interrupted:
                    session.save(step, losses=self.losses)
                if interrupted:
                    break
        self.finished = self.step >= total
        if not self.finished:
            print(f"Stopped; the checkpoint is in {self.folder / 'checkpoints'}, --resume goes on.", file=sys.stderr)

    def log(self, **losses: float) -> None:
        """Note the losses of a step, by name."""
        for name, loss in losses.items():
            self.losses.setdefault(name, []).append(float(loss))

    def _state(self) -> str:
        """Where it is and how it goes: the mean losses of this epoch, or of the last 100 steps."""
        size = self._per_epoch
        recent = (self.step - 1) % size + 1 if size else 100
        means = " ".join(f"{name} {np.mean(values[-recent:]):.3f}" for name, values in self.losses.items())
        return (f"epoch {(self.step - 1) // size + 1} " if size else "") + f"loss {means}"

    def finish(self, real: np.ndarray, labels: Optional[np.ndarray], generate: Callable[[int], Any],
               ylabel: str = "loss", names: Optional[Mapping[str, str]] = None, most: int = 2000) -> None:
        """Draw the run; and if all steps are done, judge what the generator makes, and say where to look.

        Parameters
        ----------
        real : numpy.ndarray
            (N, C, H, W), of which `most` are judged against as many generated ones.
        labels : numpy.ndarray or None
            (N,), their classes; without them, modes are not counted.
        generate : callable
            Makes that many images.
        ylabel, names
            As for :meth:`draw`.

        Raises
        ------
        KeyboardInterrupt
            After drawing, where Ctrl-C ended the loop.
        """
        self.draw(ylabel, names)
        if not self.finished:
            raise KeyboardInterrupt
        real, labels = real[:most], None if labels is None else labels[:most]
        classifier = train_classifier(real, labels, epochs=1 if self._dry else 15, batch_size=16)
        self.judge(classifier, real, generate(len(real)))
        print(f"See {self.folder}")

    # --- what can be looked at ------------------------------------------------------------------------------------

    def sheet(self, step: int, generated: Any, real: Any = None) -> None:
        """Draw a sheet of generated images, beside one of real ones if given, as ``sheets/step-000001.png``."""
        path = self.folder / "sheets" / f"step-{step:06d}.png"
        if real is None:
            pictures.save_sheet(path, generated, padding=1, scale=-(-64 // generated.shape[-1]))
        else:
            epoch = f"epoch {step // self._per_epoch}" if self._per_epoch else f"step {step}"
            pictures.save_comparison(path, real, generated, titles=("real", f"generated, {epoch}"))

    def draw(self, ylabel: str = "loss", names: Optional[Mapping[str, str]] = None) -> None:
        """Draw the losses as ``losses.png`` and the sheets as a film, ``training.gif``; of very many sheets, some.

        Parameters
        ----------
        ylabel : str
            What the losses are.
        names : dict of str to str, optional
            What to call a loss in the picture.
        """
        curves = {(names or {}).get(name, name): values for name, values in self.losses.items()}
        pictures.save_losses(self.folder / "losses.png", curves, per_epoch=self._per_epoch, ylabel=ylabel)
        sheets = sorted((self.folder / "sheets").glob("step-*.png"))
        if sheets:
            frames = sheets[::-1][::1 + len(sheets) // 80][::-1]
            pictures.save_gif(self.folder / "training.gif", frames, seconds=0.15, pause=1.85, colours=64)

    def judge(self, classifier: Classifier, real: Any, generated: Any, shown: int = 64) -> Quality:
        """Measure generated images against real ones, print the result, and write it as ``quality.json``.

        Parameters
        ----------
        classifier : Classifier
            Whose features to compare in.
        real, generated : NDArray, tensor or array
            (N, C, H, W) each, as :meth:`Classifier.quality` takes them.
        shown : int
            How many of each to draw as ``generated.png``.
        """
        quality = classifier.quality(real, generated)
        write_atomically(self.folder / "quality.json", json.dumps(quality._asdict(), indent=1).encode())
        pictures.save_comparison(self.folder / "generated.png", real[:shown], generated[:shown])
        print(quality)
        return quality


# --- details -----------------------------------------------------------------------------------------------------

def _needed(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        name = package.partition(".")[0]
        raise MXNetError(f"a run needs the package {name}, which could not be imported ({error}): pip install "
                         f"{'pillow' if name == 'PIL' else name}") from error


def _bar(total: int, done: int) -> Any:
    return _needed("tqdm").tqdm(total=total, initial=done, unit="images", dynamic_ncols=True)


class _listening:
    """While it lasts, Ctrl-C is noted in a list; only when it is pressed again does it interrupt."""

    def __init__(self, noted: list[bool]) -> None:
        self._noted = noted

    def __enter__(self) -> None:
        self._before = signal.getsignal(signal.SIGINT)
        try:
            signal.signal(signal.SIGINT, self._on_interrupt)
        except ValueError:                                 # not the main thread: there is nothing to listen to
            self._before = None

    def _on_interrupt(self, *_: Any) -> None:
        self._noted.append(True)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def __exit__(self, *_: Any) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
