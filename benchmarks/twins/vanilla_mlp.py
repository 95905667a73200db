"""examples/vanilla_mlp.py in plain torch."""
import torch
import torch.nn.functional as F
from torch import nn

from .sampling import sampled

Z, SIZE, DECAY = 100, 28, 8e-8


def networks(narrower):
    """Both dense networks; weights even by fan in and fan out, biases 0."""
    widths = [Z, *(w // narrower for w in (256, 512, 1024))]
    generator = []
    for before, after in zip(widths, widths[1:]):
        generator += [nn.Linear(before, after), nn.LeakyReLU(0.2), nn.BatchNorm1d(after, eps=1e-3, momentum=0.2)]
    generator += [nn.Linear(widths[-1], SIZE * SIZE), nn.Tanh(), nn.Unflatten(1, (1, SIZE, SIZE))]
    a, b = 784 // narrower, 392 // narrower
    discriminator = [nn.Flatten(), nn.Linear(SIZE * SIZE, a), nn.LeakyReLU(0.2), nn.Linear(a, b), nn.LeakyReLU(0.2),
                     nn.Linear(b, 1)]
    made = nn.Sequential(*generator), nn.Sequential(*discriminator)
    for module in (m for net in made for m in net.modules()):
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    return made


def generate(options, images, count):
    """Train with the settings of the example on its images (N, 1, 28, 28); returns `count` generated ones."""
    torch.manual_seed(options.seed)
    data, size = torch.from_numpy(images), options.batch_size
    generator, discriminator = networks(16 if options.dry_run else 1)
    optimizers = [torch.optim.Adam(net.parameters(), 0.0002, (0.5, 0.999)) for net in (generator, discriminator)]
    of_g, of_d = optimizers
    schedules = [torch.optim.lr_scheduler.LambdaLR(o, lambda t: 1 / (1 + DECAY * t)) for o in optimizers]
    label, order = torch.cat([torch.ones(size // 2, 1), torch.zeros(size // 2, 1)]), torch.empty(0, dtype=torch.long)
    for _ in range(options.steps):
        if len(order) < size // 2:
            order = torch.randperm(len(data))
        chosen, order = order[:size // 2], order[size // 2:]
        with torch.no_grad():
            fake = generator.eval()(torch.randn(size, Z))[:size // 2]
        of_d.zero_grad()
        F.binary_cross_entropy_with_logits(discriminator(torch.cat([data[chosen], fake])), label).backward()
        of_d.step()
        of_g.zero_grad()
        judged = discriminator(generator.train()(torch.randn(size, Z)))
        F.binary_cross_entropy_with_logits(judged, torch.ones(size, 1)).backward()
        of_g.step()
        for schedule in schedules:
            schedule.step()
    return sampled(generator, torch.randn(count, Z))
