"""The DCGAN of MXNet's tutorial: a generator and a discriminator, trained against each other by explicit calls.

    python examples/dcgan_mnist.py                    scikit-learn's handwritten digits, offline, on any machine
    python examples/dcgan_mnist.py --data mnist       the 70,000 digits of MNIST, from OpenML
    python examples/dcgan_mnist.py --data DIR         IDX files: MNIST, Fashion-MNIST
    python examples/dcgan_mnist.py --full --ctx gpu   the tutorial's network at its full size
    python examples/dcgan_mnist.py --resume           goes on where the last run ended or was stopped

Pictures and checkpoints go to out/dcgan_mnist, or where --out says.
"""
import argparse
import gzip
import json
import pathlib
import signal
import sys
import time
import zlib

try:
    import numpy as np
    import torch
    from matplotlib.figure import Figure
    from PIL import Image
    from tqdm import tqdm

    import ganmod as mx
except ImportError as error:
    sys.exit(f"This example needs the package {error.name}; in the repository's root, pip install -e '.[examples]'")

Z = 100                                                # random numbers that an image is made from
LEARNING_RATE, BETA1, SIGMA = 0.0002, 0.5, 0.02        # of Adam, and of the initial weights
FRAMES = 60                                            # of the GIF, at most


# --- The images -------------------------------------------------------------------------------------------------------

def load_images(data):
    """Gray images as uint8 (N, height, width): 'digits', 'mnist', or the name of a folder of IDX files."""
    if data == "digits":
        from sklearn.datasets import load_digits
        images = np.pad(load_digits().images, ((0, 0), (1, 1), (1, 1)))    # a margin, as MNIST has one
        return (images * (255 / 16)).astype(np.uint8)
    if data == "mnist":
        return fetch_mnist()
    return read_folder(pathlib.Path(data))


def fetch_mnist():
    """MNIST's training and test images; scikit-learn keeps them in ~/scikit_learn_data."""
    from sklearn.datasets import fetch_openml
    try:
        pixels = fetch_openml("mnist_784", version=1, as_frame=False, parser="liac-arff").data
    except (OSError, ValueError) as error:
        sys.exit(f"MNIST could not be fetched from OpenML ({error}); --data DIR reads it from a folder of IDX files")
    return np.asarray(pixels).reshape(-1, 28, 28).astype(np.uint8)


def read_folder(folder):
    """The images of train-images-idx3-ubyte and, if it is there, t10k-images-idx3-ubyte, each plain or as .gz."""
    found = [path for part in ("train", "t10k") for path in sorted(folder.glob(f"{part}-images[-.]idx3-ubyte*"))[:1]]
    if not found or not found[0].name.startswith("train"):
        sys.exit(f"There is no train-images-idx3-ubyte or train-images-idx3-ubyte.gz in the folder {folder}")
    images = [read_idx(path) for path in found]
    if len({part.shape[1:] for part in images}) > 1:
        sys.exit(f"The images of {found[0]} and {found[1]} differ in size")
    return np.concatenate(images)


def read_idx(path):
    """The images of one IDX file: two zeros, a type (8: bytes), a number of axes, their sizes, the pixels."""
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        sys.exit(f"{path} cannot be read: {error}")
    shape = np.frombuffer(content[4:16], ">u4").astype(int) if len(content) >= 16 else ()
    if content[:4] != b"\0\0\x08\x03" or len(content) != 16 + np.prod(shape) or not np.prod(shape):
        sys.exit(f"{path} is damaged, or no IDX file of images")
    return np.frombuffer(content, np.uint8, offset=16).reshape(shape)


def prepare(images, size, seed, full):
    """Shuffles, resizes and scales images: uint8 (N, h, w) -> float32 (N, 1, size, size), from -1 to 1."""
    images = images[np.random.RandomState(seed).permutation(len(images))]
    if full:
        images = resize_like_the_tutorial(images, size)
    else:
        pixels = torch.from_numpy(images)[:, None].float()
        images = torch.nn.functional.interpolate(pixels, (size, size), mode="bilinear").numpy()
    images = images.reshape(-1, 1, size, size).astype(np.float32)
    images /= 255.0 / 2
    images -= 1.0
    return images


def resize_like_the_tutorial(images, size):
    """What OpenML's resize makes of them; torch's differs from it by a gray level here and there."""
    try:
        import cv2
    except ImportError as error:
        sys.exit(f"--full resizes with OpenCV, which cannot be imported ({error}); pip install opencv-python-headless")
    return np.asarray([cv2.resize(image, (size, size)) for image in images])


class RandIter(mx.io.DataIter):
    """Endless batches of noise (N, Z, 1, 1), from a normal distribution."""

    def __init__(self, batch_size, ndim):
        self.batch_size = batch_size
        self.ndim = ndim
        self.provide_data = [("rand", (batch_size, ndim, 1, 1))]
        self.provide_label = []

    def iter_next(self):
        return True

    def getdata(self):
        return [mx.random.normal(0, 1.0, shape=(self.batch_size, self.ndim, 1, 1))]


# --- The networks -----------------------------------------------------------------------------------------------------

def filters(size, width):
    """Filters of the layers between 4x4 and size/2: 8, 4, 2 and 1 times the width for images of 64x64."""
    return [width * factor for factor in (8, 4, 2, 1) if 8 * factor <= size]


def generator_symbol(size, width, channels):
    """Noise (N, Z, 1, 1) -> images (N, channels, size, size); each layer but the first doubles their size."""
    settings = dict(fix_gamma=True, eps=1e-5 + 1e-12)
    window = dict(kernel=(4, 4), no_bias=True)
    net = mx.sym.Variable("rand")
    for k, num_filter in enumerate(filters(size, width), start=1):
        net = mx.sym.Deconvolution(net, name=f"g{k}", num_filter=num_filter, **window)
        net = mx.sym.BatchNorm(net, name=f"gbn{k}", **settings)
        net = mx.sym.Activation(net, name=f"gact{k}", act_type="relu")
        window = dict(kernel=(4, 4), stride=(2, 2), pad=(1, 1), no_bias=True)
    net = mx.sym.Deconvolution(net, name=f"g{k + 1}", num_filter=channels, **window)
    return mx.sym.Activation(net, name=f"gact{k + 1}", act_type="tanh")


def discriminator_symbol(size, width):
    """Images -> the probability (N, 1) that they are real; each layer but the last halves their size."""
    settings = dict(fix_gamma=True, eps=1e-5 + 1e-12)
    net = mx.sym.Variable("data")
    for k, num_filter in enumerate(reversed(filters(size, width)), start=1):
        net = mx.sym.Convolution(net, name=f"d{k}", kernel=(4, 4), stride=(2, 2), pad=(1, 1), num_filter=num_filter,
                                 no_bias=True)
        if k > 1:
            net = mx.sym.BatchNorm(net, name=f"dbn{k}", **settings)
        net = mx.sym.LeakyReLU(net, name=f"dact{k}", act_type="leaky", slope=0.2)
    net = mx.sym.Convolution(net, name=f"d{k + 1}", kernel=(4, 4), num_filter=1, no_bias=True)
    net = mx.sym.Flatten(net)
    return mx.sym.LogisticRegressionOutput(data=net, label=mx.sym.Variable("label"), name="dloss")


def make_modules(options, ctx, checkpoint=None):
    """Generator and discriminator, ready to be trained: new ones, or those of a checkpoint."""
    size, width, channels = network_size(options)
    shape = (options.batch_size, channels, size, size)
    modules = []
    for name, symbol, data_names, label_names, shapes in (
            ("generator", generator_symbol(size, width, channels), ("rand",), None,
             dict(data_shapes=[("rand", (options.batch_size, Z, 1, 1))])),
            ("discriminator", discriminator_symbol(size, width), ("data",), ("label",),
             dict(data_shapes=[("data", shape)], label_shapes=[("label", shape[:1])], inputs_need_grad=True))):
        settings = dict(data_names=data_names, label_names=label_names, context=ctx)
        if checkpoint:
            folder, number = checkpoint
            module = mx.mod.Module.load(str(folder / name), number, load_optimizer_states=True, **settings)
        else:
            module = mx.mod.Module(symbol=symbol, **settings)
        module.bind(**shapes)
        if not checkpoint:
            module.init_params(initializer=mx.init.Normal(SIGMA))
        module.init_optimizer(optimizer="adam", optimizer_params={"learning_rate": LEARNING_RATE, "beta1": BETA1})
        modules.append(module)
    return modules
