"""Random shapes and arrays, and the data sets that old programs ask for."""
from __future__ import annotations

import gzip
import os
import struct
import urllib.request
from typing import Any, Callable, Optional, Sequence

import numpy as np

from ..base import InputError, MXNetError
from ..context import Context
from ..io import DataBatch, DataIter, NDArrayIter
from ..ndarray import NDArray, array
from .comparing import default_dtype
from .sparse import rand_sparse_ndarray

Shape = tuple[int, ...]
_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_MNIST_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                "t10k-labels-idx1-ubyte")


# --- shapes and arrays ---------------------------------------------------------------------------------------------

def rand_shape_2d(dim0: int = 10, dim1: int = 10, allow_zero_size: bool = False) -> Shape:
    """Two sizes from 1, or 0, up to the given ones."""
    low = 0 if allow_zero_size else 1
    return int(np.random.randint(low, dim0 + 1)), int(np.random.randint(low, dim1 + 1))


def rand_shape_3d(dim0: int = 10, dim1: int = 10, dim2: int = 10, allow_zero_size: bool = False) -> Shape:
    """Three sizes from 1, or 0, up to the given ones."""
    low = 0 if allow_zero_size else 1
    return tuple(int(np.random.randint(low, dim + 1)) for dim in (dim0, dim1, dim2))


def rand_shape_nd(num_dim: int, dim: int = 10, allow_zero_size: bool = False) -> Shape:
    """`num_dim` sizes from 1, or 0, up to `dim`."""
    return tuple(int(n) for n in np.random.randint(0 if allow_zero_size else 1, dim + 1, size=num_dim))


def rand_coord_2d(x_low: int, x_high: int, y_low: int, y_high: int) -> tuple[int, int]:
    """A point; the upper bounds do not belong to the range."""
    return np.random.randint(x_low, x_high), np.random.randint(y_low, y_high)


def random_arrays(*shapes: Shape) -> Any:
    """Normally distributed numpy arrays, float32: a list, or the array if there is one shape."""
    arrays: list[np.ndarray] = [np.array(np.random.randn(*shape), dtype=default_dtype()) for shape in shapes]
    return arrays[0] if len(arrays) == 1 else arrays


def random_uniform_arrays(*shapes: Shape, **kwargs: float) -> list[np.ndarray]:
    """Arrays distributed evenly from `low` (0) to `high` (1)."""
    low, high = kwargs.get("low", 0.0), kwargs.get("high", 1.0)
    return [np.random.uniform(low, high, size=shape).astype(default_dtype()) for shape in shapes]


def rand_ndarray(shape: Shape, stype: str = "default", density: Optional[float] = None, dtype: Any = None,
                 modifier_func: Any = None, shuffle_csr_indices: bool = False, distribution: Optional[str] = None,
                 ctx: Optional[Context] = None) -> NDArray:
    """A normally distributed NDArray; for another `stype` than ``'default'``, that of :func:`rand_sparse_ndarray`."""
    if stype != "default":
        return rand_sparse_ndarray(shape, stype, density, dtype, distribution, modifier_func=modifier_func, ctx=ctx)[0]
    return array(random_arrays(tuple(shape)), ctx=ctx, dtype=dtype)


def random_sample(population: Sequence[Any], k: int) -> list[Any]:
    """`k` different elements, in any order."""
    shuffled = list(population)
    np.random.shuffle(shuffled)
    return shuffled[:k]


def assign_each(the_input: np.ndarray, function: Optional[Callable[[Any], Any]]) -> np.ndarray:
    """The array of ``function(element)``."""
    return np.array(the_input) if function is None else np.vectorize(function)(the_input)


def assign_each2(input1: np.ndarray, input2: np.ndarray, function: Optional[Callable[[Any, Any], Any]]) -> np.ndarray:
    """The array of ``function(element1, element2)``."""
    return np.array(input1) if function is None else np.vectorize(function)(input1, input2)


def np_reduce(dat: np.ndarray, axis: Any, keepdims: bool, numpy_reduce_func: Callable[..., Any]) -> Any:
    """Reduce over some axes by a function that takes one."""
    axes = range(dat.ndim) if axis is None else [axis] if isinstance(axis, int) else list(axis)
    found: Any = dat
    for i in sorted(axes, reverse=True):
        found = numpy_reduce_func(found, axis=i)
    if not keepdims:
        return found
    return np.reshape(found, [1 if i in axes else n for i, n in enumerate(dat.shape)])


def collapse_sum_like(a: np.ndarray, shape: Shape) -> np.ndarray:
    """Sum an array to a shape that broadcasts to it."""
    lead = a.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(i + lead for i, n in enumerate(shape) if n != a.shape[i + lead])
    return a.sum(axis=axes, keepdims=True).reshape(shape)


def create_vector(size: int, dtype: Any = np.int64) -> NDArray:
    """0, 1, 2, …"""
    return array(np.arange(size), dtype=dtype)


def create_2d_tensor(rows: int, columns: int, dtype: Any = np.int64) -> NDArray:
    """Row i holds i."""
    return array(np.arange(rows).reshape(rows, 1).repeat(columns, axis=1), dtype=dtype)


def get_identity_mat(size: int) -> NDArray:
    """The identity matrix."""
    return array(np.eye(size))


def get_identity_mat_batch(size: int) -> NDArray:
    """Two identity matrices, (2, size, size)."""
    return array(np.stack([np.eye(size)] * 2))


class DummyIter(DataIter):
    """Gives the first batch of an iterator for ever, to time a program without its input."""

    def __init__(self, real_iter: DataIter) -> None:
        super().__init__()
        self.real_iter = real_iter
        self.provide_data, self.provide_label = real_iter.provide_data, real_iter.provide_label
        self.batch_size = real_iter.batch_size
        self.the_batch: DataBatch = next(real_iter)

    def next(self) -> DataBatch:
        """The batch."""
        return self.the_batch


# --- data sets -----------------------------------------------------------------------------------------------------

def download(url: str, fname: Optional[str] = None, dirname: Optional[str] = None, overwrite: bool = False,
             retries: int = 5) -> str:
    """Fetch a file unless it is there; returns its path.

    Raises
    ------
    MXNetError
        If it cannot be had, without a network for instance.
    """
    path = fname or url.split("/")[-1]
    if dirname is not None:
        os.makedirs(dirname, exist_ok=True)
        path = os.path.join(dirname, path)
    if os.path.exists(path) and not overwrite:
        return path
    error: Optional[Exception] = None
    for _ in range(max(1, retries)):
        try:
            with urllib.request.urlopen(url, timeout=30) as reply, open(path + ".part", "wb") as stream:
                while chunk := reply.read(1 << 20):
                    stream.write(chunk)
            os.replace(path + ".part", path)
            return path
        except OSError as failure:
            error = failure
    raise MXNetError(f"download(): {url} cannot be had ({error}); put the file at {os.path.abspath(path)} by hand")


def _idx(path: str) -> np.ndarray:
    """The numbers of one of MNIST's files, packed or not."""
    opener: Any = gzip.open if path.endswith(".gz") else open
    with opener(path, "rb") as stream:
        content = stream.read()
    axes = content[3]
    shape = struct.unpack(f">{axes}I", content[4:4 + 4 * axes])
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def get_mnist_ubyte() -> None:
    """Put MNIST's four files into ``data/``, unpacked."""
    for name in _MNIST_FILES:
        path = os.path.join("data", name)
        if not os.path.exists(path):
            packed = download(_MNIST + name + ".gz", dirname="data")
            with gzip.open(packed, "rb") as stream, open(path, "wb") as target:
                target.write(stream.read())


def get_mnist() -> dict[str, np.ndarray]:
    """MNIST as arrays: images (n, 1, 28, 28), float32 from 0 to 1, and labels; fetched to ``data/`` if need be."""
    get_mnist_ubyte()
    names = ("train_data", "train_label", "test_data", "test_label")
    parts = [_idx(os.path.join("data", name)) for name in _MNIST_FILES]
    return {name: part.reshape(-1, 1, 28, 28).astype(np.float32) / 255 if name.endswith("data") else part
            for name, part in zip(names, parts)}


def get_mnist_iterator(batch_size: int, input_shape: Shape, num_parts: int = 1, part_index: int = 0) \
        -> tuple[NDArrayIter, NDArrayIter]:
    """Iterators of MNIST, for training and for testing; the first gives part `part_index` of `num_parts`.

    Parameters
    ----------
    input_shape : tuple of int
        The shape of an image: ``(784,)`` or ``(1, 28, 28)``.
    """
    found = get_mnist()
    made = []
    for part in ("train", "test"):
        chosen = slice(part_index, None, num_parts) if part == "train" else slice(None)
        images, labels = found[f"{part}_data"][chosen], found[f"{part}_label"][chosen].astype(np.float32)
        made.append(NDArrayIter(images.reshape(len(images), *input_shape), labels, batch_size, shuffle=part == "train"))
    return made[0], made[1]


def get_mnist_pkl() -> None:
    """Not there: the file is a pickle, and a pickle runs code when it is read."""
    raise InputError("get_mnist_pkl(): mnist.pkl.gz is a pickle, which is not read; use get_mnist() for the same "
                     "images")


def get_cifar10() -> None:
    """Put the packed CIFAR-10 records into ``data/``; unpack them there."""
    download("https://repo.mxnet.io/gluon/dataset/cifar10/cifar10-b9ac2870.zip", dirname="data")
