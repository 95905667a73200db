#!/usr/bin/env python3
"""How many iterations of a small dense GAN a second: ganmod, Apache MXNet, and the same loop in plain and tuned torch.

    python benchmarks/dense_gan.py
    python benchmarks/dense_gan.py --rounds 9 --iterations 200

Here the matrices are so small that what is around them counts. The generator makes 784 numbers out of 100 by layers of
256, 512 and 1024, each followed by LeakyReLU and BatchNorm; the discriminator judges them by layers of 784 and 392. It
learns from a batch of which one half is real and the other generated; then the generator learns from a batch of its
own. The contenders are named as in dcgan_step.py, and take turns as contest.py says.

This file runs under MXNet's Python too, so it needs nothing newer than Python 3.8 at its top.
"""
from __future__ import annotations

import argparse
import functools
import types

import contest
import numpy as np
from dcgan_step import BETA1, LEARNING_RATE, POOL, adam, mark, next_of, wishes

GENERATOR, DISCRIMINATOR = (100, 256, 512, 1024, 784), (784, 784, 392, 1)
SLOPE, MOMENTUM, EPSILON = 0.2, 0.8, 1e-3
LOOPS = {"ganmod-wanted": "wanted_loop", "ganmod": "module_loop", "mxnet": "module_loop",
         "mxnet-default": "module_loop", "torch": "torch_loop", "torch-tuned": "tuned_loop"}


def initial_weights():
    """The layers' weights (out, in) by layer name; the biases are 0."""
    rng = np.random.RandomState(0)
    return {f"{letter}{k}": rng.normal(0, sizes[k - 1] ** -0.5, (sizes[k], sizes[k - 1])).astype("float32")
            for letter, sizes in (("g", GENERATOR), ("d", DISCRIMINATOR)) for k in range(1, len(sizes))}


def inputs(batch):
    """What is real (POOL * batch / 2, 784), noise for the halves (POOL, batch / 2, 100) and for the whole batches."""
    rng = np.random.RandomState(1)
    return (rng.uniform(-1, 1, (POOL * batch // 2, DISCRIMINATOR[0])).astype("float32"),
            *(rng.normal(0, 1, (POOL, count, GENERATOR[0])).astype("float32") for count in (batch // 2, batch)))


# ------------------------------------------------------------------------------------- the loop on the Module API

def module_symbols(mx):
    """Generator and discriminator."""
    g = mx.sym.Variable("rand")
    for k, count in enumerate(GENERATOR[1:-1], 1):
        g = mx.sym.FullyConnected(g, num_hidden=count, name=f"g{k}")
        g = mx.sym.LeakyReLU(g, act_type="leaky", slope=SLOPE, name=f"gact{k}")
        g = mx.sym.BatchNorm(g, momentum=MOMENTUM, eps=EPSILON, fix_gamma=False, name=f"gbn{k}")
    g = mx.sym.FullyConnected(g, num_hidden=GENERATOR[-1], name=f"g{len(GENERATOR) - 1}")
    g = mx.sym.Activation(g, act_type="tanh", name="gout")
    d = mx.sym.Variable("data")
    for k, count in enumerate(DISCRIMINATOR[1:], 1):
        d = mx.sym.FullyConnected(d, num_hidden=count, name=f"d{k}")
        d = mx.sym.LeakyReLU(d, act_type="leaky", slope=SLOPE, name=f"dact{k}") if count > 1 else d
    return g, mx.sym.LogisticRegressionOutput(data=d, label=mx.sym.Variable("label"), name="dloss")


def set_up(mx, batch):
    """Iterators and modules as attributes; the sampler is the generator, bound to half a batch."""
    real, *noises = inputs(batch)
    weights = {f"{name}_weight": mx.nd.array(value) for name, value in initial_weights().items()}
    g, d = module_symbols(mx)
    generator, sampler = (mx.mod.Module(g, data_names=("rand",), label_names=None) for _ in range(2))
    generator.bind([("rand", (batch, GENERATOR[0]))])
    discriminator = mx.mod.Module(d, data_names=("data",), label_names=("label",))
    discriminator.bind([("data", (batch, DISCRIMINATOR[0]))], [("label", (batch, 1))], inputs_need_grad=True)
    for module, symbol in ((generator, g), (discriminator, d)):
        given = {name: value for name, value in weights.items() if name in symbol.list_arguments()}
        module.init_params(mx.init.Xavier(), arg_params=given, allow_missing=True)
        module.init_optimizer(optimizer="adam", optimizer_params={"learning_rate": LEARNING_RATE, "beta1": BETA1})
    sampler.bind([("rand", (batch // 2, GENERATOR[0]))], shared_module=generator)
    iterators = [mx.io.NDArrayIter(part.reshape(-1, part.shape[-1]), batch_size=count)
                 for part, count in zip((real, *noises), (batch // 2, batch // 2, batch))]
    return types.SimpleNamespace(iterators=iterators, generator=generator, sampler=sampler,
                                 discriminator=discriminator)


def module_loop(mx, batch, spare=False):
    """Returns a function that carries out one iteration and returns its mark, as a function of the library `mx`."""
    made = set_up(mx, batch)
    generator, discriminator = made.generator, made.discriminator
    parameters, inputs, everything = wishes(spare)
    ones = mx.nd.ones((batch, 1))
    halves = mx.nd.concat(mx.nd.ones((batch // 2, 1)), mx.nd.zeros((batch // 2, 1)), dim=0)

    def step():
        real, half_noise, noise = map(next_of, made.iterators)

        # Learn what is real and what is fake.
        made.sampler.forward(half_noise, is_train=True)
        both = mx.nd.concat(real.data[0], made.sampler.get_outputs()[0], dim=0)
        discriminator.forward(mx.io.DataBatch([both], [halves]), is_train=True)
        discriminator.backward(**parameters)
        discriminator.update()

        # Learn to pass for real.
        generator.forward(noise, is_train=True)
        fake = generator.get_outputs()
        discriminator.forward(mx.io.DataBatch(fake, [ones]), is_train=True)
        discriminator.backward(**inputs)
        generator.backward(discriminator.get_input_grads(), **everything)
        generator.update()

        mx.nd.waitall()
        return lambda: mark(fake[0].asnumpy(), discriminator.get_outputs()[0].asnumpy())

    return step


wanted_loop = functools.partial(module_loop, spare=True)


# ---------------------------------------------------------------------------------------------- the loop in torch

def torch_networks(torch):
    """The same two networks as nn.Sequential; the discriminator gives logits."""
    nn, weights = torch.nn, initial_weights()

    def dense(name):
        made = nn.Linear(*weights[name].shape[::-1])
        made.weight.data.copy_(torch.from_numpy(weights[name]))
        made.bias.data.zero_()
        return made

    g, d = [], []
    for k, count in enumerate(GENERATOR[1:-1], 1):
        g += [dense(f"g{k}"), nn.LeakyReLU(SLOPE, inplace=True),
              nn.BatchNorm1d(count, eps=EPSILON, momentum=1 - MOMENTUM)]
    g += [dense(f"g{len(GENERATOR) - 1}"), nn.Tanh()]
    for k, count in enumerate(DISCRIMINATOR[1:], 1):
        d += [dense(f"d{k}"), nn.LeakyReLU(SLOPE, inplace=True)] if count > 1 else [dense(f"d{k}")]
    return nn.Sequential(*g), nn.Sequential(*d)


def torch_loop(torch, batch):
    """Returns a function that carries out one iteration as most people would write it."""
    real, half_noise, noise = map(torch.from_numpy, inputs(batch))
    netG, netD = torch_networks(torch)
    netD.append(torch.nn.Sigmoid())
    criterion = torch.nn.BCELoss()
    optimizerG, optimizerD = adam(torch, netG), adam(torch, netD)
    ones = torch.ones(batch, 1)
    halves = torch.cat([torch.ones(batch // 2, 1), torch.zeros(batch // 2, 1)])
    done = 0

    def step():
        nonlocal done
        turn, done = done % POOL, done + 1

        # Learn what is real and what is fake.
        optimizerD.zero_grad()
        both = torch.cat([real[turn * batch // 2:(turn + 1) * batch // 2], netG(half_noise[turn]).detach()])
        criterion(netD(both), halves).backward()
        optimizerD.step()

        # Learn to pass for real.
        optimizerG.zero_grad()
        fake = netG(noise[turn])
        judged = netD(fake)
        criterion(judged, ones).backward()
        optimizerG.step()
        return lambda: mark(fake.detach().numpy(), judged.detach().numpy())

    return step


def tuned_loop(torch, batch):
    """The same iteration as someone writes it who knows what costs time in torch."""
    real, half_noise, noise = map(torch.from_numpy, inputs(batch))
    netG, netD = torch_networks(torch)
    criterion = torch.nn.BCEWithLogitsLoss()
    optimizerG, optimizerD = adam(torch, netG, fused=True), adam(torch, netD, fused=True)
    ones = torch.ones(batch, 1)
    halves = torch.cat([torch.ones(batch // 2, 1), torch.zeros(batch // 2, 1)])
    learned = list(netD.parameters())
    done = 0

    def step():
        nonlocal done
        turn, done = done % POOL, done + 1

        # Learn what is real and what is fake.
        for parameter in learned:
            parameter.requires_grad_(True)
        optimizerD.zero_grad()
        with torch.no_grad():
            drawn = netG(half_noise[turn])
        both = torch.cat([real[turn * batch // 2:(turn + 1) * batch // 2], drawn])
        criterion(netD(both), halves).backward()
        optimizerD.step()

        # Learn to pass for real, by a discriminator that learns nothing from it.
        for parameter in learned:
            parameter.requires_grad_(False)
        optimizerG.zero_grad()
        fake = netG(noise[turn])
        judged = netD(fake)
        criterion(judged, ones).backward()
        optimizerG.step()
        return lambda: mark(fake.detach().numpy(), judged.detach().sigmoid().numpy())

    return step


# ---------------------------------------------------------------------------------------------------- measuring

def entries(names=tuple(LOOPS), batch=32):
    """The contenders of these names."""
    return contest.entries(LOOPS, names, "dense_gan", batch=batch)


def main():
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="turns of each contender (default 7)")
    parser.add_argument("--iterations", type=int, default=100, help="iterations in a turn (default 100)")
    parser.add_argument("--threads", type=int, default=contest.cores(), help="threads (default: cores)")
    options = parser.parse_args()
    contest.report(contest.hold(entries(), rounds=options.rounds, iterations=options.iterations, warmup=20,
                                threads=options.threads))


if __name__ == "__main__":
    main()
