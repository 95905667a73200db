"""Images of a trained generator."""
import torch


@torch.no_grad()
def sampled(generator, noise):
    """What a generator makes of noise (N, ...) in evaluation mode, as numpy float32 (N, C, H, W)."""
    generator.eval()
    return torch.cat([generator(part) for part in noise.split(64)]).numpy()
