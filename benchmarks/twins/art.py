"""examples/art.py in plain torch."""
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .sampling import sampled

Z = 200
FILTERS = {64: (1024, 512, 256, 128), 256: (1024, 512, 512, 512, 256, 128)}


def networks(filters):
    """Both networks; weights drawn from a normal distribution, biases 0."""
    generator = [nn.Linear(Z, 4 * 4 * filters[0]), nn.Unflatten(1, (filters[0], 4, 4))]
    for before, after in zip(filters, (*filters[1:], 3)):
        generator += [nn.BatchNorm2d(before), nn.LeakyReLU(0.2), nn.ConvTranspose2d(before, after, 4, 2, 1)]
    widths, discriminator = (3, *reversed(filters)), []
    for k, (before, after) in enumerate(zip(widths, widths[1:])):
        discriminator.append(nn.Conv2d(before, after, 4, 2, 1))
        discriminator += [nn.BatchNorm2d(after)] if k else []
        discriminator.append(nn.LeakyReLU(0.2))
    discriminator += [nn.Flatten(), nn.Linear(4 * 4 * filters[0], 1)]
    made = nn.Sequential(*generator, nn.Tanh()), nn.Sequential(*discriminator)
    for module in (m for net in made for m in net.modules()):
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0, 0.02)
            nn.init.zeros_(module.bias)
    return made


def labels(size):
    """Shifted by one number for the batch, 3% of them swapped."""
    swapped = torch.rand(size, 1) < 0.03
    real = torch.ones(size, 1) + torch.empty(1).uniform_(-0.1, 0.1)
    fake = torch.zeros(size, 1) + torch.empty(1).uniform_(0, 0.2)
    real[swapped], fake[swapped] = 0, 1
    return real, fake


def generate(options, images, count):
    """Train with the settings of the example on its images (N, 3, S, S); returns `count` generated ones."""
    torch.manual_seed(options.seed)
    data, size = torch.from_numpy(images), options.batch_size
    rate, narrower = 0.0002 if options.full else 0.0005, 64 if options.dry_run else 1 if options.full else 4
    generator, discriminator = networks([filters // narrower for filters in FILTERS[options.size]])
    average = AveragedModel(generator, multi_avg_fn=get_ema_multi_avg_fn(0.995))
    average.update_parameters(generator)                   # the first is a copy
    of_g, of_d = (torch.optim.Adam(net.parameters(), rate, (0.5, 0.999)) for net in (generator, discriminator))
    for _ in range(options.epochs):
        for chosen in torch.randperm(len(data))[:len(data) // size * size].split(size):
            real, fake = labels(size)
            of_d.zero_grad()
            loss = F.binary_cross_entropy_with_logits(discriminator(data[chosen]), real) + \
                F.binary_cross_entropy_with_logits(discriminator(generator(torch.randn(size, Z)).detach()), fake)
            loss.backward()
            of_d.step()
            of_g.zero_grad()
            judged = discriminator(generator(torch.randn(size, Z)))
            F.binary_cross_entropy_with_logits(judged, torch.ones(size, 1)).backward()
            of_g.step()
            average.update_parameters(generator)
    return sampled(average, torch.randn(count, Z))
