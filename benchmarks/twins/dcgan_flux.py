"""examples/dcgan_flux.py in plain torch."""
import torch
import torch.nn.functional as F
from torch import nn

from .sampling import sampled

Z = 300


def networks(width):
    """Both networks; weights even by fan in and fan out, biases 0."""
    generator = nn.Sequential(
        nn.Linear(Z, 7 * 7 * 2 * width), nn.BatchNorm1d(7 * 7 * 2 * width), nn.ReLU(),
        nn.Unflatten(1, (2 * width, 7, 7)),
        nn.ConvTranspose2d(2 * width, width, 5, 1, 2), nn.BatchNorm2d(width), nn.ReLU(),
        nn.ConvTranspose2d(width, width // 2, 4, 2, 1), nn.BatchNorm2d(width // 2), nn.ReLU(),
        nn.ConvTranspose2d(width // 2, 1, 4, 2, 1), nn.Tanh())
    discriminator = nn.Sequential(
        nn.Conv2d(1, width // 2, 4, 2, 1), nn.LeakyReLU(0.2), nn.Dropout(0.25),
        nn.Conv2d(width // 2, width, 4, 2, 1), nn.LeakyReLU(0.2), nn.Dropout(0.25),
        nn.Flatten(), nn.Linear(7 * 7 * width, 1))
    for module in (m for net in (generator, discriminator) for m in net.modules()):
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    return generator, discriminator


def generate(options, images, count):
    """Train with the settings of the example on its images (N, 1, 28, 28); returns `count` generated ones."""
    torch.manual_seed(options.seed)
    data, size = torch.from_numpy(images), options.batch_size
    generator, discriminator = networks(8 if options.dry_run else 128 if options.full else 64)
    of_g, of_d = (torch.optim.Adam(net.parameters(), 0.0005, (0.5, 0.999)) for net in (generator, discriminator))
    ones, zeros = torch.ones(size, 1), torch.zeros(size, 1)
    for _ in range(options.epochs):
        for chosen in torch.randperm(len(data))[:len(data) // size * size].split(size):
            fake = generator(torch.randn(size, Z)).detach()
            of_d.zero_grad()
            loss = F.binary_cross_entropy_with_logits(discriminator(data[chosen]), ones) + \
                F.binary_cross_entropy_with_logits(discriminator(fake), zeros)
            loss.backward()
            of_d.step()
            of_g.zero_grad()
            judged = discriminator(generator(torch.randn(size, Z)))
            F.binary_cross_entropy_with_logits(judged, ones).backward()
            of_g.step()
    return sampled(generator, torch.randn(count, Z))
