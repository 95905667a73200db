"""How much arithmetic the DCGAN loop asks for, and how fast this machine can be at most.

A layer's forward, its weights' gradient and its input's gradient are one product of matrices each, of the same number
of multiplications and additions. So an iteration is counted from the layers' shapes and from which gradients the loop
asks for; normalisation, activations and updates are too little beside it to be counted.
"""
from __future__ import annotations

from dcgan_step import layers

EDGE, FILTERS = 2048, 256              # of the matrices and of the convolution that show the machine's rate
IMAGES, OUTER, KERNEL = 8, 34, 4       # of that convolution


def products(width, batch, size=64):
    """The GFLOP of each layer's forward: those of the generator, and those of the discriminator."""
    generator, discriminator = layers(width, size)
    found, edge = ([], []), 1
    for layer in generator:                                # a deconvolution's product is as large as its input
        found[0].append(2e-9 * batch * layer.channels * layer.filters * 16 * edge**2)
        edge = 4 if edge == 1 else 2 * edge
    for layer in discriminator:                            # a convolution's is as large as its output
        edge = edge // 2 if layer.pad else 1
        found[1].append(2e-9 * batch * layer.channels * layer.filters * 16 * edge**2)
    return found


def dcgan(width, batch, size=64, spare=True):
    """The GFLOP of one iteration of the DCGAN loop; with `spare`, of that which computes no gradient in vain."""
    generator, discriminator = products(width, batch, size)
    made = 3 * sum(generator) - generator[0]               # nobody asks for the noise's gradient
    if not spare:
        return made + 3 * 3 * sum(discriminator)
    learned = 3 * sum(discriminator) - discriminator[0]    # nor here for the images'
    return made + 2 * learned + 2 * sum(discriminator)     # in the generator's turn, not for the weights'


def product(edge=EDGE):
    """The GFLOP of a product of two square matrices."""
    return 2e-9 * edge**3


def product_loop(torch, edge=EDGE):
    """Returns a function that multiplies two matrices of float32; there is nothing to compare."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(edge, edge, generator=generator) for _ in range(2))
    out = torch.empty(edge, edge)

    def step():
        torch.mm(a, b, out=out)

    return step


def convolution(filters=FILTERS):
    """The GFLOP of a convolution of as many channels as filters, without padding."""
    return 2e-9 * IMAGES * filters**2 * (KERNEL * (OUTER - KERNEL + 1))**2


def convolution_loop(torch, filters=FILTERS):
    """Returns a function that convolves images of float32, channels last."""
    generator = torch.Generator().manual_seed(0)
    images, weights = (torch.rand(shape, generator=generator).contiguous(memory_format=torch.channels_last)
                       for shape in ((IMAGES, filters, OUTER, OUTER), (filters, filters, KERNEL, KERNEL)))

    def step():
        torch.conv2d(images, weights)

    return step


def shares(seconds, product_seconds, gflop, product_gflop):
    """The share of a product's or convolution's rate that a loop reaches in each round."""
    return [gflop / ours / (product_gflop / theirs) for ours, theirs in zip(seconds, product_seconds)]
