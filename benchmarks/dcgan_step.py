#!/usr/bin/env python3
"""How many iterations of the DCGAN loop a second: ganmod, Apache MXNet, and the same loop in plain and in tuned torch.

    python benchmarks/dcgan_step.py --width 0.25
    python benchmarks/dcgan_step.py --width 1.0 --rounds 7 --json result.json

The networks are the tutorial's: 64x64 images, 100 random numbers each, and 1024 to 128 filters times ``--width``; for
images of another ``--size`` there are more layers or fewer. All contenders start from the same parameters, on the same
images and noise, and take turns as contest.py says. An iteration ends when everything that it computes is there.
Before the clock starts, each runs ``--warmup`` iterations, in which programs are recorded and memory is found.

ganmod, mxnet    one and the same source, `module_loop`, which is the tutorial's loop: all gradients, in each backward
mxnet-default    it again, with as many threads as MXNet takes where nobody tells it: half as many as there are cores
ganmod-wanted    the same loop, but ``backward(wanted=...)`` computes only the gradients that are used
torch            the loop of torch's own DCGAN tutorial
torch-tuned      channels last, fused Adam, losses of logits, a discriminator that is frozen in the generator's turn
torch-compiled   the same through torch.compile; only where ``--only`` names it, as its warm-up takes minutes

This file runs under MXNet's Python too, so it needs nothing newer than Python 3.8 at its top.
"""
from __future__ import annotations

import argparse
import functools
import json
import pathlib
import types
from typing import NamedTuple

import contest
import numpy as np

LEARNING_RATE, BETA1, SIGMA, EPSILON, NOISE, COLOURS = 0.0002, 0.5, 0.02, 1e-5 + 1e-12, 100, 3
POOL = 4                               # batches of images and of noise, used in turn
LOOPS = {"ganmod-wanted": "wanted_loop", "ganmod": "module_loop", "mxnet": "module_loop",
         "mxnet-default": "module_loop", "torch": "torch_loop", "torch-tuned": "tuned_loop",
         "torch-compiled": "compiled_loop"}


# ---------------------------------------------------------------------------------------------- what all share

class Layer(NamedTuple):
    """A convolution or deconvolution with a kernel of 4x4."""

    name: str
    channels: int
    filters: int
    stride: int
    pad: int


def layers(width, size):
    """The layers of the generator and of the discriminator; colours and the one output do not scale."""
    counts = [max(1, round((128 << k) * width)) for k in range(size.bit_length() - 3)]
    up, down = [NOISE, *reversed(counts), COLOURS], [COLOURS, *counts, 1]
    last = len(counts) + 1
    return ([Layer(f"g{k}", up[k - 1], up[k], *((1, 0) if k == 1 else (2, 1))) for k in range(1, last + 1)],
            [Layer(f"d{k}", down[k - 1], down[k], *((1, 0) if k == last else (2, 1))) for k in range(1, last + 1)])


def initial_weights(width, size):
    """The layers' weights by layer name, drawn as the tutorial draws them: (in, out, 4, 4) and (out, in, 4, 4)."""
    rng = np.random.RandomState(0)
    return {layer.name: rng.normal(0, SIGMA, (*shape, 4, 4)).astype("float32")
            for network, order in zip(layers(width, size), (1, -1)) for layer in network
            for shape in [(layer.channels, layer.filters)[::order]]}


def inputs(batch, size):
    """Images (POOL * batch, 3, size, size) in -1..1 and noise (POOL, batch, 100, 1, 1), float32."""
    rng = np.random.RandomState(1)
    images = rng.uniform(-1, 1, (POOL * batch, COLOURS, size, size)).astype("float32")
    return images, rng.normal(0, 1, (POOL, batch, NOISE, 1, 1)).astype("float32")


def mark(fake, judged):
    """What an iteration is recognised by: mean magnitude of the images, and the mean verdict on them."""
    return [float(np.abs(fake).mean()), float(judged.mean())]


# ------------------------------------------------------------------------------------- the loop on the Module API

def module_symbols(mx, width, size):
    """The tutorial's generator and discriminator."""
    generator, discriminator = layers(width, size)
    g = mx.sym.Variable("rand")
    for i, layer in enumerate(generator, 1):
        g = mx.sym.Deconvolution(g, name=layer.name, kernel=(4, 4), stride=(layer.stride, layer.stride),
                                 pad=(layer.pad, layer.pad), num_filter=layer.filters, no_bias=True)
        if layer is not generator[-1]:
            g = mx.sym.BatchNorm(g, name=f"gbn{i}", fix_gamma=True, eps=EPSILON)
        g = mx.sym.Activation(g, name=f"gact{i}", act_type="tanh" if layer is generator[-1] else "relu")
    d = mx.sym.Variable("data")
    for i, layer in enumerate(discriminator, 1):
        d = mx.sym.Convolution(d, name=layer.name, kernel=(4, 4), stride=(layer.stride, layer.stride),
                               pad=(layer.pad, layer.pad), num_filter=layer.filters, no_bias=True)
        if layer not in (discriminator[0], discriminator[-1]):
            d = mx.sym.BatchNorm(d, name=f"dbn{i}", fix_gamma=True, eps=EPSILON)
        if layer is not discriminator[-1]:
            d = mx.sym.LeakyReLU(d, name=f"dact{i}", act_type="leaky", slope=0.2)
    d = mx.sym.Flatten(d)
    return g, mx.sym.LogisticRegressionOutput(data=d, label=mx.sym.Variable("label"), name="dloss")


def noise_iter(mx, noise, ctx):
    """The tutorial's RandIter, but drawing from a pool, so that all contenders see the same noise."""

    class RandIter(mx.io.DataIter):
        """Gives the batches of the pool in turn, for ever."""

        def __init__(self):
            self.batch_size = noise.shape[1]
            self.provide_data = [("rand", noise.shape[1:])]
            self.provide_label = []
            self.pool, self.drawn = [mx.nd.array(batch, ctx=ctx) for batch in noise], 0

        def iter_next(self):
            """There is always another one."""
            return True

        def getdata(self):
            """The next batch of noise, (batch, 100, 1, 1)."""
            self.drawn += 1
            return [self.pool[(self.drawn - 1) % len(self.pool)]]

    return RandIter()


def bound(mx, symbol, weights, ctx, **shapes):
    """A Module with the given weights; `shapes` are bind's arguments."""
    names = {"data_names": ("rand",), "label_names": None} if "label_shapes" not in shapes else {
        "data_names": ("data",), "label_names": ("label",)}
    module = mx.mod.Module(symbol=symbol, context=ctx, **names)
    module.bind(**shapes)
    given = {name + "_weight": mx.nd.array(value) for name, value in weights.items()
             if name + "_weight" in symbol.list_arguments()}
    module.init_params(initializer=mx.init.Normal(SIGMA), arg_params=given, allow_missing=True)
    return module


def next_of(iterator):
    """The next batch, of the next pass where this one has ended."""
    try:
        return iterator.next()
    except StopIteration:
        iterator.reset()
        return iterator.next()


def set_up(mx, width, batch, size, ctx):
    """Iterators over images and noise, and both modules with the tutorial's optimizer, as attributes."""
    images, noise = inputs(batch, size)
    image_iter, rand_iter = mx.io.NDArrayIter(images, batch_size=batch), noise_iter(mx, noise, ctx)
    (g, d), weights = module_symbols(mx, width, size), initial_weights(width, size)
    generator = bound(mx, g, weights, ctx, data_shapes=rand_iter.provide_data)
    discriminator = bound(mx, d, weights, ctx, data_shapes=image_iter.provide_data,
                          label_shapes=[("label", (batch,))], inputs_need_grad=True)
    for module in (generator, discriminator):
        module.init_optimizer(optimizer="adam", optimizer_params={"learning_rate": LEARNING_RATE, "beta1": BETA1})
    return types.SimpleNamespace(image_iter=image_iter, rand_iter=rand_iter, generator=generator,
                                 discriminator=discriminator)


def wishes(spare):
    """The keywords of backwards for the parameters' gradients, for the inputs', and for all. MXNet knows none.

    Each is the last one of its forward.
    """
    last = {"retain_graph": False}
    return ({"wanted": "parameters", **last}, {"wanted": "inputs", **last}, last) if spare else ({}, {}, {})


def module_loop(mx, width, batch, size=64, ctx="cpu", spare=False):
    """Returns a function that carries out one iteration and returns its mark, as a function of the library `mx`."""
    ctx, batch_size = getattr(mx, ctx)(0), batch
    made = set_up(mx, width, batch_size, size, ctx)
    generator, discriminator = made.generator, made.discriminator
    parameters, inputs, everything = wishes(spare)

    def step():
        batch, rbatch = next_of(made.image_iter), made.rand_iter.next()

        # Generate, and learn that this is fake.
        generator.forward(rbatch, is_train=True)
        outG = generator.get_outputs()
        label = mx.nd.zeros((batch_size,), ctx=ctx)
        discriminator.forward(mx.io.DataBatch(outG, [label]), is_train=True)
        discriminator.backward(**parameters)
        gradD = [[grad.copyto(grad.context) for grad in grads] for grads in discriminator._exec_group.grad_arrays]

        # Learn that the images are real.
        label[:] = 1
        batch.label = [label]
        discriminator.forward(batch, is_train=True)
        discriminator.backward(**parameters)
        for gradsr, gradsf in zip(discriminator._exec_group.grad_arrays, gradD):
            for gradr, gradf in zip(gradsr, gradsf):
                gradr += gradf
        discriminator.update()

        # Learn to pass for real.
        discriminator.forward(mx.io.DataBatch(outG, [label]), is_train=True)
        discriminator.backward(**inputs)
        diffD = discriminator.get_input_grads()
        generator.backward(diffD, **everything)
        generator.update()

        mx.nd.waitall()
        return lambda: mark(outG[0].asnumpy(), discriminator.get_outputs()[0].asnumpy())

    return step


wanted_loop = functools.partial(module_loop, spare=True)


# ---------------------------------------------------------------------------------------------- the loop in torch

def torch_networks(torch, width, size):
    """The same two networks as nn.Sequential, gammas fixed at 1; the discriminator gives logits."""
    nn, weights = torch.nn, initial_weights(width, size)

    def layer(kind, shape):
        made = kind(shape.channels, shape.filters, 4, shape.stride, shape.pad, bias=False)
        made.weight.data.copy_(torch.from_numpy(weights[shape.name]))
        return made

    def norm(count):
        made = nn.BatchNorm2d(count, eps=EPSILON)
        made.weight.requires_grad_(False)
        return made

    g, d = [], []
    generator, discriminator = layers(width, size)
    for shape in generator:
        g.append(layer(nn.ConvTranspose2d, shape))
        g += [nn.Tanh()] if shape is generator[-1] else [norm(shape.filters), nn.ReLU(True)]
    for shape in discriminator:
        d.append(layer(nn.Conv2d, shape))
        d += [norm(shape.filters)] if shape not in (discriminator[0], discriminator[-1]) else []
        d += [nn.LeakyReLU(0.2, inplace=True)] if shape is not discriminator[-1] else []
    return nn.Sequential(*g), nn.Sequential(*d)


def adam(torch, network, **more):
    """The tutorial's optimizer of what a network learns."""
    return torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=LEARNING_RATE,
                            betas=(BETA1, 0.999), **more)


def torch_device(torch, ctx):
    """MXNet's word for a device in torch's terms."""
    return torch.device("cuda" if ctx == "gpu" else "cpu")


def torch_loop(torch, width, batch, size=64, ctx="cpu"):
    """Returns a function that carries out one iteration the way that torch's own DCGAN tutorial does."""
    device = torch_device(torch, ctx)
    images, noise = inputs(batch, size)
    images, noise = torch.from_numpy(images), torch.from_numpy(noise).to(device)
    netG, netD = torch_networks(torch, width, size)
    netG, netD = netG.to(device), netD.append(torch.nn.Sigmoid()).to(device)
    criterion = torch.nn.BCELoss()
    optimizerG, optimizerD = adam(torch, netG), adam(torch, netD)
    done = 0

    def step():
        nonlocal done
        turn, done = done % POOL, done + 1

        # Learn that the images are real.
        netD.zero_grad()
        real = images[turn * batch:(turn + 1) * batch].to(device)
        label = torch.full((batch,), 1.0, device=device)
        criterion(netD(real).view(-1), label).backward()

        # Generate, and learn that this is fake.
        fake = netG(noise[turn])
        label.fill_(0.0)
        criterion(netD(fake.detach()).view(-1), label).backward()
        optimizerD.step()

        # Learn to pass for real.
        netG.zero_grad()
        label.fill_(1.0)
        judged = netD(fake).view(-1)
        criterion(judged, label).backward()
        optimizerG.step()

        if device.type == "cuda":
            torch.cuda.synchronize()
        return lambda: mark(fake.detach().cpu().numpy(), judged.detach().cpu().numpy())

    return step


def tuned_loop(torch, width, batch, size=64, ctx="cpu", compiled=False):
    """The same iteration as someone writes it who knows what costs time in torch."""
    device = torch_device(torch, ctx)
    images, noise = inputs(batch, size)
    layout = {"memory_format": torch.channels_last}
    images = torch.from_numpy(images).contiguous(**layout)
    noise = [torch.from_numpy(part).to(device).contiguous(**layout) for part in noise]
    netG, netD = (net.to(device, **layout) for net in torch_networks(torch, width, size))
    optimizerG, optimizerD = adam(torch, netG, fused=True), adam(torch, netD, fused=True)
    learned = [p for p in netD.parameters() if p.requires_grad]
    runG, runD = (torch.compile(net) if compiled else net for net in (netG, netD))
    criterion = torch.nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(batch, device=device), torch.zeros(batch, device=device)
    done = 0

    def step():
        nonlocal done
        turn, done = done % POOL, done + 1

        # Learn what is real and what is fake.
        for parameter in learned:
            parameter.requires_grad_(True)
        optimizerD.zero_grad()
        real = images[turn * batch:(turn + 1) * batch].to(device, non_blocking=True)
        criterion(runD(real).view(-1), ones).backward()
        fake = runG(noise[turn])
        criterion(runD(fake.detach()).view(-1), zeros).backward()
        optimizerD.step()

        # Learn to pass for real, by a discriminator that learns nothing from it.
        for parameter in learned:
            parameter.requires_grad_(False)
        optimizerG.zero_grad()
        judged = runD(fake).view(-1)
        criterion(judged, ones).backward()
        optimizerG.step()

        if device.type == "cuda":
            torch.cuda.synchronize()
        return lambda: mark(fake.detach().cpu().numpy(), judged.detach().sigmoid().cpu().numpy())

    return step


compiled_loop = functools.partial(tuned_loop, compiled=True)


# ---------------------------------------------------------------------------------------------------- measuring

def entries(names=tuple(LOOPS), **settings):
    """The contenders of these names, with the loops' arguments."""
    return contest.entries(LOOPS, names, "dcgan_step", **settings)


def measure(options):
    """Runs everything; returns the result as one dict, which is also what --json writes."""
    taking_part = entries(options.only, width=options.width, batch=options.batch, size=options.size, ctx=options.ctx)
    result = {"settings": {key: value for key, value in vars(options).items() if key != "json"},
              "machine": contest.machine(),
              **contest.hold(taking_part, rounds=options.rounds, iterations=options.iterations,
                             warmup=options.warmup, threads=options.threads)}
    result["machine"]["load_after"] = contest.load()
    return result


def report(result):
    """Prints the result as a table."""
    settings, where = result["settings"], result["machine"]
    print("DCGAN {size}x{size}, width {width:g}, batch {batch}, {ctx}, {threads} threads; {rounds} rounds of "
          "{iterations} iteration(s) after {warmup}".format(**settings))
    print(f"{where['cpu']}, {where['cores']} cores; load average {where['load_before'][0]:.2f} before, "
          f"{where['load_after'][0]:.2f} after\n")
    contest.report(result)


def parse():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--width", type=float, default=0.25, help="factor on the numbers of filters (default 0.25)")
    parser.add_argument("--batch", type=int, default=64, help="images in a batch (default 64)")
    parser.add_argument("--size", type=int, choices=(16, 32, 64, 128, 256), default=64,
                        help="edge of an image (default 64)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender (default 5)")
    parser.add_argument("--iterations", type=int, default=2, help="iterations in a turn (default 2)")
    parser.add_argument("--warmup", type=int, default=2, help="iterations before the clock starts (default 2)")
    parser.add_argument("--threads", type=int, default=contest.cores(), help="threads (default: cores)")
    parser.add_argument("--ctx", choices=("cpu", "gpu"), default="cpu")
    usual = [name for name in LOOPS if name != "torch-compiled"]
    parser.add_argument("--only", type=lambda text: text.split(","), default=usual,
                        help="contenders, by default " + ",".join(usual))
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write everything measured there")
    options = parser.parse_args()
    for name in ("batch", "rounds", "iterations", "warmup", "threads"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be 1 or more")
    if not set(options.only) <= set(LOOPS):
        parser.error(f"--only knows {', '.join(LOOPS)}")
    return options


def main():
    """Measures and reports."""
    options = parse()
    result = measure(options)
    report(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1, default=str))


if __name__ == "__main__":
    main()
