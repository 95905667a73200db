"""The recipe of examples/flan.py in plain PyTorch: what the quality of its pictures is held against."""
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from .sampling import sampled

Z = 100


def generator_of(size, ndf):
    """Noise (N, Z, 1, 1) -> pictures (N, 3, size, size)."""
    factors = (4, 2, 1) if size == 28 else (5, 4, 3, 2, 1)
    layers, before = [], Z
    for k, factor in enumerate(factors):
        stride, pad = (2, 1) if k else (1, 0)
        layers += [nn.ConvTranspose2d(before, factor * ndf, 4, stride, pad, bias=False),
                   nn.BatchNorm2d(factor * ndf, eps=1e-5 + 1e-12), nn.ReLU(inplace=True)]
        before = factor * ndf
    return nn.Sequential(*layers, nn.ConvTranspose2d(before, 3, 4, 2, 3 if size == 28 else 1, bias=False), nn.Tanh())


def discriminator_of(size, ndf):
    """Pictures -> logits (N, 1)."""
    factors = (1, 2, 4) if size == 28 else (1, 2, 3, 4, 5, 6)
    layers, before = [], 3
    for k, factor in enumerate(factors):
        pad = 3 if size == 28 and k == 0 else 1
        layers += [nn.Conv2d(before, factor * ndf, 4, 2, pad, bias=False),
                   nn.BatchNorm2d(factor * ndf, eps=1e-5 + 1e-12), nn.LeakyReLU(0.2, inplace=True)]
        before = factor * ndf
    if size == 28:
        return nn.Sequential(*layers, nn.Conv2d(before, 1, 4, bias=False), nn.Flatten())
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * before, 1))


def initialise(module):
    """Weights from a normal distribution; the scale of a normalisation stays at 1."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(module.weight, 0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        module.weight.requires_grad_(False)


def batches_of(images, batch_size, epochs, seed):
    """The images in a new order for every epoch; the last batch is filled up."""
    rng = np.random.RandomState(seed)
    for _ in range(epochs):
        order = rng.permutation(len(images))
        order = np.resize(order, -(-len(images) // batch_size) * batch_size)
        for start in range(0, len(order), batch_size):
            yield images[order[start:start + batch_size]]


def generate(options, images, count):
    """Train on images, float32 (N, 3, size, size), as options of the example say; generate `count` of their kind."""
    torch.manual_seed(options.seed)
    generator = generator_of(options.size, options.ndf).apply(initialise)
    discriminator = discriminator_of(options.size, options.ndf).apply(initialise)
    optimizer_g, optimizer_d = (torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=0.0002,
                                                 betas=(0.5, 0.999)) for network in (generator, discriminator))
    ones, zeros = (torch.full((options.batch_size, 1), value) for value in (1.0, 0.0))
    loss = functional.binary_cross_entropy_with_logits

    for real in batches_of(torch.from_numpy(images), options.batch_size, options.epochs, options.seed):
        # Update the discriminator.
        fake = generator(torch.randn(options.batch_size, Z, 1, 1))
        optimizer_d.zero_grad()
        loss(discriminator(fake.detach()), zeros).backward()
        loss(discriminator(real), ones).backward()
        optimizer_d.step()

        # Update the generator.
        optimizer_g.zero_grad()
        loss(discriminator(fake), ones).backward()
        optimizer_g.step()

    return sampled(generator, torch.randn(count, Z, 1, 1))
