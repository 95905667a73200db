"""``mx.gan.datasets``: images to train on, as arrays: from scikit-learn, OpenML, IDX files, or folders of pictures."""
from __future__ import annotations

import gzip
import logging
import pathlib
import zlib
from typing import Any, NamedTuple, Optional, Union

import numpy as np
import torch

from ..base import FileFormatError, InputError, MXNetError, require
from ..recordio import opencv

__all__ = ["Images", "load", "source", "digits", "mnist", "idx_folder", "picture_folder", "scaled", "shuffled"]

_NAMES = ("digits", "mnist")
_ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}


class Images(NamedTuple):
    """Images and what they show.

    Attributes
    ----------
    pixels : numpy.ndarray
        uint8 (N, C, H, W), C of 1 or 3, in the order red, green, blue.
    labels : numpy.ndarray or None
        int64 (N,), the class of each, from 0 on; None where nothing tells.
    """

    pixels: np.ndarray
    labels: Optional[np.ndarray]


def load(data: Union[str, pathlib.Path]) -> Images:
    """Gray images by name: 'digits', 'mnist', or a folder of IDX files; see the functions of these names.

    >>> load('digits').pixels.shape
    (1797, 1, 10, 10)
    """
    named = dict(zip(_NAMES, (digits, mnist))).get(str(data))
    return named() if named else idx_folder(data)


def source(text: str) -> str:
    """What :func:`load` takes, for argparse: a name, or the whole path of a folder.

    >>> source('digits')
    'digits'
    """
    return text if text in _NAMES else str(pathlib.Path(text).resolve())


def digits() -> Images:
    """The 1,797 handwritten digits that come with scikit-learn, 8x8 pixels with a margin as MNIST has one.

    Raises
    ------
    MXNetError
        Without scikit-learn.
    """
    found = _sklearn().load_digits()
    pixels = np.pad(found.images, ((0, 0), (1, 1), (1, 1)))[:, None] * (255 / 16)
    return Images(pixels.astype(np.uint8), found.target.astype(np.int64))


def mnist() -> Images:
    """MNIST's 70,000 handwritten digits of 28x28 pixels, from OpenML; scikit-learn keeps them in ~/scikit_learn_data.

    Raises
    ------
    MXNetError
        Without scikit-learn, or if they cannot be fetched.
    """
    try:
        found = _sklearn().fetch_openml("mnist_784", version=1, as_frame=False, parser="liac-arff")
    except (OSError, ValueError) as error:
        raise MXNetError(f"MNIST could not be fetched from OpenML ({error}); --data DIR, or idx_folder(), reads it "
                         "from a folder of IDX files") from error
    pixels = np.asarray(found.data).reshape(-1, 1, 28, 28).astype(np.uint8)
    return Images(pixels, np.asarray(found.target).astype(np.int64))


def _sklearn() -> Any:
    try:
        from sklearn import datasets
    except ImportError as error:
        raise MXNetError(f"this data set needs scikit-learn, which could not be imported ({error}): pip install "
                         "scikit-learn") from error
    return datasets


# --- IDX files ---------------------------------------------------------------------------------------------------

def idx_folder(folder: Union[str, pathlib.Path]) -> Images:
    """The images of MNIST's files, or those of Fashion-MNIST and others of the kind.

    Parameters
    ----------
    folder : path
        With train-images-idx3-ubyte and, if they are there, t10k-images-idx3-ubyte and the labels of both
        (train-labels-idx1-ubyte and so on), each plain or as .gz.

    Raises
    ------
    InputError
        Where there are no such files, or they do not go together.
    FileFormatError
        For a damaged file.
    """
    folder = pathlib.Path(folder)
    parts = [part for part in ("train", "t10k") if _idx_path(folder, part, "images", 3)]
    require("train" in parts, f"There is no train-images-idx3-ubyte or train-images-idx3-ubyte.gz in the folder "
            f"{folder}", InputError)
    pixels = [_read_idx(_idx_path(folder, part, "images", 3), 3) for part in parts]
    require(len({part.shape[1:] for part in pixels}) == 1, f"The images of the files in {folder} differ in size",
            InputError)
    paths = [_idx_path(folder, part, "labels", 1) for part in parts]
    labels = np.concatenate([_read_idx(path, 1) for path in paths]).astype(np.int64) if all(paths) else None
    images = np.concatenate(pixels)[:, None]
    require(labels is None or len(labels) == len(images),
            f"{folder} has {len(images)} images and {0 if labels is None else len(labels)} labels", InputError)
    return Images(images, labels)


def _idx_path(folder: pathlib.Path, part: str, what: str, axes: int) -> Optional[pathlib.Path]:
    return next(iter(sorted(folder.glob(f"{part}-{what}[-.]idx{axes}-ubyte*"))), None)


def _read_idx(path: Optional[pathlib.Path], axes: int) -> np.ndarray:
    """The array of one IDX file: two zeros, a type (8: bytes), a number of axes, their sizes, the bytes."""
    assert path is not None
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise FileFormatError(f"{path} cannot be read: {error}") from error
    start = 4 + 4 * axes
    shape = np.frombuffer(content[4:start], ">u4").astype(int) if len(content) >= start else np.zeros(1, int)
    whole = content[:4] == bytes([0, 0, 8, axes]) and np.prod(shape) and len(content) == start + np.prod(shape)
    require(whole, f"{path} is damaged, or no IDX file with {axes} axes of bytes", FileFormatError)
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


# --- pictures ----------------------------------------------------------------------------------------------------

def picture_folder(folder: Union[str, pathlib.Path], size: int) -> Images:
    """The pictures of a folder and those below it, of any size, cut to the square in their middle and resized.

    Files that are no pictures, or damaged, are passed over with a warning in the log that names them.

    Parameters
    ----------
    folder : path
        Pictures anywhere below it. If every one lies in a folder of its own below `folder`, the names of these
        folders, in their order, are the classes.
    size : int
        Width and height of the images.

    Returns
    -------
    Images
        uint8 (N, 3, size, size), in the order of their paths.

    Raises
    ------
    InputError
        Where there is no readable picture.
    MXNetError
        Without OpenCV.
    """
    cv2, folder = opencv("picture_folder()"), pathlib.Path(folder)
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _ENDINGS and path.is_file())
    found, broken = [], []
    for path in paths:
        picture = _decoded(cv2, path)
        if picture is None:
            broken.append(path.relative_to(folder))
            continue
        found.append((path.relative_to(folder).parts, _square(cv2, picture, size)))
    if broken:
        logging.getLogger(__name__).warning("%s: passed over %d unreadable files: %s%s", folder, len(broken),
                                            ", ".join(map(str, broken[:5])), ", …" if len(broken) > 5 else "")
    require(found, f"There is no picture in the folder {folder} that could be read", InputError)
    pixels = np.stack([picture for _, picture in found])[..., ::-1].transpose(0, 3, 1, 2)
    names = sorted({parts[0] for parts, _ in found})
    classed = len(names) > 1 and all(len(parts) > 1 for parts, _ in found)
    labels = np.array([names.index(parts[0]) for parts, _ in found]) if classed else None
    return Images(np.ascontiguousarray(pixels), labels)


def _decoded(cv2: Any, path: pathlib.Path) -> Optional[np.ndarray]:
    """The picture of a file, (height, width, 3) in OpenCV's order; None if it cannot be read."""
    try:
        content = np.frombuffer(path.read_bytes(), np.uint8)
        return cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
    except (OSError, cv2.error):                           # no permission; more pixels than OpenCV accepts
        return None


def _square(cv2: Any, picture: np.ndarray, size: int) -> np.ndarray:
    """The square in a picture's middle, in another size."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    piece = picture[top:top + side, left:left + side]
    return cv2.resize(piece, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_LINEAR)


# --- as networks want them ---------------------------------------------------------------------------------------

def scaled(pixels: Any, size: Optional[int] = None) -> np.ndarray:
    """Images as float32 from -1 to 1, resized bilinearly if asked.

    Parameters
    ----------
    pixels : array
        uint8 (N, C, H, W)
    size : int, optional
        Width and height wanted.

    >>> scaled(np.array([0, 255], np.uint8).reshape(2, 1, 1, 1)).ravel().tolist()
    [-1.0, 1.0]
    """
    images = torch.from_numpy(np.ascontiguousarray(pixels)).float()
    if size is not None and images.shape[2:] != (size, size):
        images = torch.nn.functional.interpolate(images, (size, size), mode="bilinear")
    values: np.ndarray = images.div_(127.5).sub_(1).numpy()
    return values


def shuffled(images: Images, seed: int, least: int, most: Optional[int] = None) -> Images:
    """The same images in a random order, or some of them.

    Parameters
    ----------
    images : Images
    seed : int
        Of the order.
    least : int
        How many there must be, such as those of a batch.
    most : int, optional
        How many to take.

    Raises
    ------
    InputError
        Where there are fewer.

    >>> shuffled(Images(np.zeros((3, 1, 2, 2), np.uint8), np.arange(3)), seed=1, least=2).labels.tolist()
    [0, 2, 1]
    """
    order = np.random.RandomState(seed).permutation(len(images.pixels))[:most]
    require(len(order) >= least, f"There are {len(order)} images, fewer than the {least} of a batch", InputError)
    return Images(images.pixels[order], None if images.labels is None else images.labels[order])
