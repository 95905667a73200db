#!/usr/bin/env python3
"""How long the DCGAN's generator takes for a batch, from noise to images as a numpy array: ganmod, MXNet, torch.

    python benchmarks/inference.py --width 0.25 --batch 1

The generator is that of dcgan_step.py. ganmod and mxnet bind it with ``for_training=False``, and the result is
``get_outputs()[0].asnumpy()``; torch runs it in ``inference_mode`` as ``eval()``, channels last where that is faster
here. They take turns as contest.py says.

This file runs under MXNet's Python too, so it needs nothing newer than Python 3.8 at its top.
"""
from __future__ import annotations

import argparse
import time

import contest
import numpy as np
from dcgan_step import POOL, bound, initial_weights, inputs, module_symbols, torch_networks

LOOPS = {"ganmod": "module_loop", "mxnet": "module_loop", "torch-tuned": "torch_loop"}
FLOOR = 1e-6                           # marks are compared relative to themselves: none is near 0
TRIALS = 5                             # passes in either layout before the faster one is chosen


def mark(images):
    """What a batch is recognised by: the magnitude of its numbers, and how they scatter."""
    return [float(np.abs(images).mean()), float(images.std())]


def module_loop(mx, width, batch, size=64):
    """Returns a function that generates one batch and returns its mark, as a function of the library `mx`."""
    noise = [mx.io.DataBatch([mx.nd.array(part)]) for part in inputs(batch, size)[1]]
    generator = bound(mx, module_symbols(mx, width, size)[0], initial_weights(width, size), mx.cpu(),
                      data_shapes=[("rand", noise[0].data[0].shape)], for_training=False)
    done = 0

    def step():
        nonlocal done
        turn, done = done % POOL, done + 1
        generator.forward(noise[turn], is_train=False)
        images = generator.get_outputs()[0].asnumpy()
        return lambda: mark(images)

    return step


def torch_loop(torch, width, batch, size=64):
    """The same in torch, in the faster of both layouts."""
    noise = torch.from_numpy(inputs(batch, size)[1])
    generator = torch_networks(torch, width, size)[0].eval()

    def in_layout(layout):
        network, done = generator.to(memory_format=layout), 0
        batches = [part.contiguous(memory_format=layout) for part in noise]

        def step():
            nonlocal done
            turn, done = done % POOL, done + 1
            with torch.inference_mode():
                images = network(batches[turn]).numpy()
            return lambda: mark(images)

        return step

    # A network's layout is that of its weights, so the one chosen is entered once more.
    best = min((torch.contiguous_format, torch.channels_last), key=lambda layout: fastest(in_layout(layout)))
    return in_layout(best)


def fastest(step):
    """The seconds of the fastest of some iterations, after one that warms up."""
    step()
    taken = []
    for _ in range(TRIALS):
        start = time.perf_counter()
        step()
        taken.append(time.perf_counter() - start)
    return min(taken)


def entries(names=tuple(LOOPS), **settings):
    """The contenders of these names, with the loops' arguments."""
    return contest.entries(LOOPS, names, "inference", **settings)


def main():
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--width", type=float, default=0.25, help="factor on the numbers of filters (default 0.25)")
    parser.add_argument("--batch", type=int, default=64, help="images in a batch (default 64)")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each contender (default 7)")
    parser.add_argument("--iterations", type=int, default=10, help="iterations in a turn (default 10)")
    parser.add_argument("--threads", type=int, default=contest.cores(), help="threads (default: cores)")
    options = parser.parse_args()
    contest.report(contest.hold(entries(width=options.width, batch=options.batch), rounds=options.rounds,
                                iterations=options.iterations, warmup=5, threads=options.threads), FLOOR)


if __name__ == "__main__":
    main()
