"""``mx.gan.pictures``: images and numbers of a run as picture files.

Images are NDArrays, tensors or numpy arrays (N, C, H, W) of 1 or 3 channels, floats from -1 to 1 or uint8. What lies
outside of ``value_range`` becomes its nearest end, and what is no number becomes black. Nothing needs a display. Files
appear as a whole, and the ending of a picture's name chooses its format. Pictures and GIFs need matplotlib, or Pillow,
which comes with it; MP4 needs OpenCV.
"""
from __future__ import annotations

import io
import math
import os
import pathlib
import tempfile
from typing import Any, Callable, Iterable, Iterator, Mapping, Optional, Sequence, Union

import numpy as np
import torch

from ..base import InputError, MXNetError, ShapeError, require
from ..files import Path, as_path, write_atomically
from ..module import Module
from ..ndarray import NDArray
from ..ndarray.ndarray import as_tensor
from ..recordio import opencv
from . import latents
from .sampling import sample

__all__ = ["sheet", "save_sheet", "save_comparison", "save_latent_grid", "save_gif", "save_mp4", "save_losses"]

Range = Optional[Sequence[float]]
_DPI = 80


# --- sheets ------------------------------------------------------------------------------------------------------

def sheet(images: Any, columns: Optional[int] = None, padding: int = 0, value_range: Range = None,
          scale: int = 1) -> np.ndarray:
    """Images beside and below each other, as one picture.

    Parameters
    ----------
    images : NDArray, tensor or array
        (N, C, H, W), C of 1 or 3.
    columns : int, optional
        How many stand in a row; by default as many as make the sheet a square, or a little wider than high.
    padding : int
        White pixels between them.
    value_range : (float, float), optional
        The values of black and white; (-1, 1) by default, (0, 255) of uint8.
    scale : int
        Pixels of the picture for one of an image, in each direction.

    Returns
    -------
    numpy.ndarray
        uint8 (height, width), or (height, width, 3) of images with 3 channels.

    Raises
    ------
    ShapeError
        For arrays of another shape.
    InputError
        For another kind of input, or a range or number that is none.

    >>> sheet(np.array([-1, 0, 1, 1]).reshape(4, 1, 1, 1)).tolist()
    [[0, 128], [255, 255]]
    """
    pixels = _pixels("sheet", images, value_range)         # [NHWC]
    count, height, width, channels = pixels.shape
    require(columns is None or isinstance(columns, int) and columns > 0,
            f"sheet(): columns must be 1 or more, got {columns!r}", InputError)
    require(isinstance(padding, int) and padding >= 0, f"sheet(): padding must be 0 or more, got {padding!r}",
            InputError)
    across = columns or math.ceil(math.sqrt(count))
    down = -(-count // across)
    cells = np.full((down * across, height + padding, width + padding, channels), 255, np.uint8)
    cells[:count, :height, :width] = pixels
    cells[count:, :height, :width] = 0
    rows = cells.reshape(down, across, *cells.shape[1:]).transpose(0, 2, 1, 3, 4)
    picture = rows.reshape(down * (height + padding), across * (width + padding), channels)
    picture = picture[:len(picture) - padding, :picture.shape[1] - padding]
    return _enlarged(picture[:, :, 0] if channels == 1 else picture, scale)


def save_sheet(path: Path, images: Any, columns: Optional[int] = None, padding: int = 0, value_range: Range = None,
               scale: int = 1) -> None:
    """Write a :func:`sheet` to a file, such as ``sheet.png``."""
    _save_picture(path, sheet(images, columns, padding, value_range, scale))


def save_comparison(path: Path, real: Any, generated: Any, titles: Sequence[str] = ("real", "generated"),
                    columns: Optional[int] = None, value_range: Range = None) -> None:
    """Write a sheet of real images beside one of generated images.

    Parameters
    ----------
    path : path
        Such as ``epoch-0001.png``.
    real, generated : NDArray, tensor or array
        (N, C, H, W) each; of numbers and sizes of their own.
    titles : (str, str)
        What stands above them.
    columns, value_range
        As for :func:`sheet`.
    """
    pictures = [sheet(images, columns, 0, value_range) for images in (real, generated)]
    figure = _figure(8, 4.2)
    for axes, picture, title in zip(figure.subplots(1, 2), pictures, titles):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
        axes.set_title(title)
        axes.axis("off")
    _save_figure(path, figure)


def save_latent_grid(path: Path, generator: Union[Module, Callable[[NDArray], Any]], corners: NDArray, rows: int = 8,
                     columns: int = 8, way: latents.Way = latents.slerp, padding: int = 0, value_range: Range = None,
                     scale: int = 1) -> None:
    """Write what a generator makes of the points between four latents: how smoothly one image becomes another.

    Parameters
    ----------
    path : path
        Such as ``grid.png``.
    generator : Module or callable
        Bound, with parameters; or a function of latents (N, Z, ...) that gives images (N, C, H, W).
    corners, rows, columns, way
        As for :func:`ganmod.gan.latents.grid`.
    padding, value_range, scale
        As for :func:`sheet`.
    """
    points = latents.grid(corners, rows, columns, way)
    images = sample(generator, points) if isinstance(generator, Module) else generator(points)
    save_sheet(path, images, columns, padding, value_range, scale)


# --- films -------------------------------------------------------------------------------------------------------

def save_gif(path: Path, frames: Iterable[Any], seconds: float = 0.1, pause: float = 0.0, colours: int = 256,
             value_range: Range = None, scale: int = 1) -> None:
    """Write a GIF that is shown over and over.

    Parameters
    ----------
    path : path
    frames : iterable
        Images (C, H, W), arrays (N, C, H, W) that become sheets, pictures as :func:`sheet` makes them, or names of
        picture files. All have one size. Frames that equal their predecessor only prolong it.
    seconds : float
        How long to show each; a GIF knows hundredths.
    pause : float
        Seconds to show the last one besides.
    colours : int
        How many each frame has at most, 2 to 256.
    value_range, scale
        As for :func:`sheet`.

    Raises
    ------
    InputError, ShapeError
        For frames of different sizes, none at all, or what is no frame.
    MXNetError
        Without Pillow.
    """
    require(2 <= colours <= 256, f"save_gif(): colours must be from 2 to 256, got {colours}", InputError)
    require(seconds > 0 and pause >= 0, f"save_gif(): cannot show frames for {seconds} seconds and {pause} more",
            InputError)
    image, made = _pillow("save_gif"), []
    for picture in _pictures("save_gif", frames, value_range, scale):
        frame = image.fromarray(picture)
        made.append(frame if picture.ndim == 2 and colours == 256 else frame.quantize(colours))
    durations = [1000 * seconds] * (len(made) - 1) + [1000 * (seconds + pause)]
    content = io.BytesIO()
    made[0].save(content, "GIF", save_all=True, append_images=made[1:], duration=durations, loop=0)
    write_atomically(path, content.getbuffer())


def save_mp4(path: Path, frames: Iterable[Any], rate: float = 25.0, value_range: Range = None, scale: int = 1) -> None:
    """Write an MP4 film.

    Parameters
    ----------
    path : path
        Such as ``walk.mp4``.
    frames : iterable
        As for :func:`save_gif`; a last row or column is doubled where their number is odd.
    rate : float
        Frames per second.
    value_range, scale
        As for :func:`sheet`.

    Raises
    ------
    InputError, ShapeError
        As of :func:`save_gif`.
    MXNetError
        Without OpenCV, or if it cannot write such films.
    """
    require(rate > 0, f"save_mp4(): rate must be above 0, got {rate}", InputError)
    cv2 = opencv("save_mp4()")
    with tempfile.TemporaryDirectory() as folder:
        name, writer = os.path.join(folder, "film.mp4"), None
        try:
            for picture in _pictures("save_mp4", frames, value_range, scale):
                colour = picture if picture.ndim == 3 else np.repeat(picture[:, :, None], 3, axis=2)
                even = np.pad(colour, [(0, colour.shape[0] % 2), (0, colour.shape[1] % 2), (0, 0)], mode="edge")
                if writer is None:
                    writer = cv2.VideoWriter(name, cv2.VideoWriter_fourcc(*"mp4v"), rate, even.shape[1::-1])
                    require(writer.isOpened(), "save_mp4(): this OpenCV cannot write MP4 films, as it lacks the codec "
                            "mp4v; save_gif() needs none")
                writer.write(np.ascontiguousarray(even[:, :, ::-1]))
        finally:
            if writer is not None:
                writer.release()
        content = pathlib.Path(name).read_bytes()
    write_atomically(path, content)


# --- numbers -----------------------------------------------------------------------------------------------------

def save_losses(path: Path, losses: Mapping[str, Any], per_epoch: Optional[int] = None, window: Optional[int] = None,
                ylabel: str = "loss") -> None:
    """Plot losses: each value, pale, and the mean over a window.

    Parameters
    ----------
    path : path
        Such as ``losses.png``.
    losses : dict of str to sequence of float
        By name; one value for each iteration.
    per_epoch : int, optional
        How many iterations are an epoch; the axis then counts epochs.
    window : int, optional
        How many values to take the mean of; by default a quarter of an epoch, or a fiftieth of all.
    ylabel : str
        What stands beside the axis.

    Raises
    ------
    InputError
        For losses that are no rows of numbers.
    """
    figure = _figure(8, 4)
    axes, least = figure.subplots(), 0.0
    for k, (name, given) in enumerate(losses.items()):
        values = _row(name, given)
        x = np.arange(1, len(values) + 1) / (per_epoch or 1)
        width = max(1, min(len(values), window or (per_epoch // 4 if per_epoch else len(values) // 50)))
        axes.plot(x, values, f"C{k % 10}", alpha=0.2)
        if len(values):
            mean = np.convolve(values, np.ones(width) / width, "valid")
            axes.plot(x[width - 1:], mean, f"C{k % 10}", label=name)
        least = min(least, np.nanmin(np.append(values[np.isfinite(values)], 0)))
    axes.set(xlabel="epoch" if per_epoch else "iteration", ylabel=ylabel)
    if least == 0:
        axes.set_ylim(0, None)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
    _save_figure(path, figure)


def _row(name: str, given: Any) -> np.ndarray:
    values = as_tensor(given, torch.empty(0)).double().numpy()
    require(values.ndim == 1, f"save_losses(): {name} must be a row of numbers, got shape {values.shape}", InputError)
    return values


# --- pixels ------------------------------------------------------------------------------------------------------

def _pixels(call: str, images: Any, value_range: Range) -> np.ndarray:
    """Images as uint8. [NHWC]"""
    tensor = as_tensor(images, torch.empty(0)).detach()
    require(tensor.dim() == 4 and tensor.shape[1] in (1, 3) and tensor.numel(),
            f"{call}(): expected images (N, C, H, W) of 1 or 3 channels, got shape {tuple(tensor.shape)}", ShapeError)
    low, high = ((0, 255) if tensor.dtype == torch.uint8 else (-1, 1)) if value_range is None else value_range
    require(low < high, f"{call}(): value_range must rise, got ({low}, {high})", InputError)
    levels = (tensor.double() - low) / (high - low)
    levels = torch.nan_to_num(levels, nan=0.0, posinf=1.0, neginf=0.0).clamp(0, 1)
    return (levels * 255 + 0.5).to(torch.uint8).permute(0, 2, 3, 1).numpy()


def _enlarged(picture: np.ndarray, scale: int) -> np.ndarray:
    require(isinstance(scale, int) and scale > 0, f"scale must be a whole number above 0, got {scale!r}", InputError)
    return np.ascontiguousarray(picture if scale == 1 else picture.repeat(scale, 0).repeat(scale, 1))


def _pictures(call: str, frames: Iterable[Any], value_range: Range, scale: int) -> Iterator[np.ndarray]:
    """Frames of any kind as pictures, all of the first one's shape."""
    shape: Optional[tuple[int, ...]] = None
    for number, frame in enumerate(frames):
        picture = _enlarged(_picture(call, frame, value_range), scale)
        shape = shape or picture.shape
        require(picture.shape == shape, f"{call}(): frame {number} has shape {picture.shape}, the first has {shape}",
                ShapeError)
        yield picture
    require(shape is not None, f"{call}(): there are no frames", InputError)


def _picture(call: str, frame: Any, value_range: Range) -> np.ndarray:
    if isinstance(frame, (str, os.PathLike)):
        with _pillow(call).open(as_path(frame)) as opened:
            return np.asarray(opened.convert("L" if opened.mode in ("1", "L") else "RGB"))
    tensor = as_tensor(frame, torch.empty(0)).detach()
    if tensor.dim() == 3 and tensor.shape[0] in (1, 3):
        tensor = tensor[None]
    elif tensor.dtype == torch.uint8 and (tensor.dim() == 2 or tensor.dim() == 3 and tensor.shape[2] == 3):
        return tensor.numpy()
    return sheet(tensor, value_range=value_range)


# --- files -------------------------------------------------------------------------------------------------------

def _pillow(call: str) -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise MXNetError(f"{call}() needs Pillow, which could not be imported ({error}): pip install pillow") from error
    return Image


def _figure(width: float, height: float) -> Any:
    """A figure of that many inches, which belongs to no window."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MXNetError(f"pictures need matplotlib, which could not be imported ({error}): pip install matplotlib") \
            from error
    return Figure(figsize=(width, height), layout="constrained")


def _ending(path: Path) -> str:
    ending = os.path.splitext(os.fspath(as_path(path)))[1][1:].lower()
    require(ending, f"{os.fspath(path)!r} has no ending, such as .png, that says which format to write", InputError)
    return ending


def _save_figure(path: Path, figure: Any) -> None:
    content = io.BytesIO()
    try:
        figure.savefig(content, format=_ending(path), dpi=_DPI)
    except ValueError as error:
        raise InputError(f"{os.fspath(path)!r} cannot be written: {error}") from error
    write_atomically(path, content.getbuffer())


def _save_picture(path: Path, picture: np.ndarray) -> None:
    image, content = _pillow("save_sheet"), io.BytesIO()
    formats = image.registered_extensions()
    kind = formats.get(f".{_ending(path)}")
    require(kind in image.SAVE, f"{os.fspath(path)!r} cannot be written: Pillow writes no such files", InputError)
    image.fromarray(picture).save(content, kind)
    write_atomically(path, content.getbuffer())
