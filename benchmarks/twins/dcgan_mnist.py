"""examples/dcgan_mnist.py in plain torch."""
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .sampling import sampled

Z = 100


def networks(size, width):
    """The DCGAN for images of size x size, gammas fixed at 1, weights drawn from a normal distribution."""
    filters = [width * factor for factor in (8, 4, 2, 1) if 8 * factor <= size]
    generator, before = [], Z
    for k, count in enumerate(filters):
        layer = nn.ConvTranspose2d(before, count, 4, 2 if k else 1, 1 if k else 0, bias=False)
        generator += [layer, nn.BatchNorm2d(count), nn.ReLU()]
        before = count
    generator += [nn.ConvTranspose2d(before, 1, 4, 2, 1, bias=False), nn.Tanh()]
    discriminator, before = [], 1
    for k, count in enumerate(reversed(filters)):
        discriminator.append(nn.Conv2d(before, count, 4, 2, 1, bias=False))
        discriminator += [nn.BatchNorm2d(count)] if k else []
        discriminator.append(nn.LeakyReLU(0.2))
        before = count
    discriminator += [nn.Conv2d(before, 1, 4, bias=False), nn.Flatten()]
    made = nn.Sequential(*generator), nn.Sequential(*discriminator)
    for module in (m for net in made for m in net.modules()):
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            module.weight.requires_grad_(False)
    return made


def generate(options, images, count):
    """Train with the settings of the example on its images (N, 1, S, S); returns `count` generated ones."""
    torch.manual_seed(options.seed)
    data, size = torch.from_numpy(images), options.batch_size
    generator, discriminator = networks(data.shape[-1], 4 if options.dry_run else 32)
    of_g, of_d = (torch.optim.Adam([p for p in net.parameters() if p.requires_grad], 0.0002, (0.5, 0.999))
                  for net in (generator, discriminator))
    average = AveragedModel(generator, multi_avg_fn=get_ema_multi_avg_fn(0.99))
    average.update_parameters(generator)                   # the first is a copy
    ones, zeros = torch.ones(size, 1), torch.zeros(size, 1)
    for _ in range(options.epochs):
        for start in range(0, len(data), size):
            real = data[torch.arange(start, start + size) % len(data)]
            fake = generator(torch.randn(size, Z, 1, 1))
            of_d.zero_grad()
            loss = F.binary_cross_entropy_with_logits(discriminator(fake.detach()), zeros) + \
                F.binary_cross_entropy_with_logits(discriminator(real), ones)
            loss.backward()
            of_d.step()
            of_g.zero_grad()
            F.binary_cross_entropy_with_logits(discriminator(fake), ones).backward()
            of_g.step()
            average.update_parameters(generator)
    return sampled(average, torch.randn(count, Z, 1, 1))
