#!/usr/bin/env python3
"""How many iterations of the DCGAN loop a second: ganmod, Apache MXNet, and the same loop in plain torch.

    python benchmarks/dcgan_step.py --width 0.25
    python benchmarks/dcgan_step.py --width 1.0 --rounds 7 --json result.json

The networks are the tutorial's: 64x64 images, 100 random numbers each, and 1024 to 128 filters times ``--width``.
Every contender runs in a process of its own, which stays alive and times itself, from the same initial parameters
and on the same images and noise. They take turns, a few iterations each, in an order that rotates, so that whatever
else the machine does falls on all of them; a ratio is taken within a round, and its median over the rounds is shown
with its range. An iteration ends when everything that it computes is there. Before the clock starts, each contender
runs ``--warmup`` iterations, in which programs are recorded and memory is found.

The ganmod and MXNet contenders run one and the same source, `module_loop`, which is the tutorial's loop.
MXNet is looked for where the tests look: the Python that GANMOD_MXNET_PYTHON names, else ``.venv-mxnet``, which
``python -m pytest tests/parity`` makes. What is absent is said to be absent.

This file runs under MXNet's Python too, so it needs nothing newer than Python 3.8 at its top.
"""
from __future__ import annotations

import argparse
import importlib
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
CONTENDERS = ("ganmod", "mxnet", "torch")
LEARNING_RATE, BETA1, SIGMA, EPSILON, NOISE = 0.0002, 0.5, 0.02, 1e-5 + 1e-12, 100
POOL = 4                               # batches of images and of noise, used in turn

# Layers as (name, filters at width 1, stride, pad); all kernels are 4x4.
GENERATOR = (("g1", 1024, 1, 0), ("g2", 512, 2, 1), ("g3", 256, 2, 1), ("g4", 128, 2, 1), ("g5", 3, 2, 1))
DISCRIMINATOR = (("d1", 128, 2, 1), ("d2", 256, 2, 1), ("d3", 512, 2, 1), ("d4", 1024, 2, 1), ("d5", 1, 1, 0))


# ---------------------------------------------------------------------------------------------- what all share

def filters(name, count, width):
    """The number of filters of a layer; colours and the one output do not scale."""
    return count if name in ("g5", "d5") else max(1, round(count * width))


def initial_weights(width):
    """The layers' weights by layer name, drawn as the tutorial draws them: (in, out, 4, 4) and (out, in, 4, 4)."""
    rng, weights = np.random.RandomState(0), {}
    for layers, channels in ((GENERATOR, NOISE), (DISCRIMINATOR, 3)):
        for name, count, _, _ in layers:
            count = filters(name, count, width)
            shape = (channels, count, 4, 4) if layers is GENERATOR else (count, channels, 4, 4)
            weights[name] = rng.normal(0, SIGMA, shape).astype("float32")
            channels = count
    return weights


def inputs(batch):
    """Images (POOL * batch, 3, 64, 64) in -1..1 and noise (POOL, batch, 100, 1, 1), float32."""
    rng = np.random.RandomState(1)
    images = rng.uniform(-1, 1, (POOL * batch, 3, 64, 64)).astype("float32")
    return images, rng.normal(0, 1, (POOL, batch, NOISE, 1, 1)).astype("float32")


# ------------------------------------------------------------------------------------- the loop on the Module API

def module_symbols(mx, width):
    """The tutorial's generator and discriminator."""
    g = mx.sym.Variable("rand")
    for i, (name, count, stride, pad) in enumerate(GENERATOR, 1):
        g = mx.sym.Deconvolution(g, name=name, kernel=(4, 4), stride=(stride, stride), pad=(pad, pad),
                                 num_filter=filters(name, count, width), no_bias=True)
        if name != "g5":
            g = mx.sym.BatchNorm(g, name=f"gbn{i}", fix_gamma=True, eps=EPSILON)
        g = mx.sym.Activation(g, name=f"gact{i}", act_type="tanh" if name == "g5" else "relu")
    d = mx.sym.Variable("data")
    for i, (name, count, stride, pad) in enumerate(DISCRIMINATOR, 1):
        d = mx.sym.Convolution(d, name=name, kernel=(4, 4), stride=(stride, stride), pad=(pad, pad),
                               num_filter=filters(name, count, width), no_bias=True)
        if name not in ("d1", "d5"):
            d = mx.sym.BatchNorm(d, name=f"dbn{i}", fix_gamma=True, eps=EPSILON)
        if name != "d5":
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


def module_of(mx, symbol, weights, ctx, **shapes):
    """A Module with the tutorial's optimizer and the given weights; `shapes` are bind's arguments."""
    names = {"data_names": ("rand",), "label_names": None} if "label_shapes" not in shapes else {
        "data_names": ("data",), "label_names": ("label",)}
    module = mx.mod.Module(symbol=symbol, context=ctx, **names)
    module.bind(**shapes)
    given = {name + "_weight": mx.nd.array(value) for name, value in weights.items()
             if name + "_weight" in symbol.list_arguments()}
    module.init_params(initializer=mx.init.Normal(SIGMA), arg_params=given, allow_missing=True)
    module.init_optimizer(optimizer="adam", optimizer_params={"learning_rate": LEARNING_RATE, "beta1": BETA1})
    return module


def module_loop(mx, width, batch_size, device):
    """Returns a function that carries out one iteration and returns its mark, as a function of the library `mx`."""
    ctx = getattr(mx, device)(0)
    images, noise = inputs(batch_size)
    image_iter, rand_iter = mx.io.NDArrayIter(images, batch_size=batch_size), noise_iter(mx, noise, ctx)
    (g, d), weights = module_symbols(mx, width), initial_weights(width)
    generator = module_of(mx, g, weights, ctx, data_shapes=rand_iter.provide_data)
    discriminator = module_of(mx, d, weights, ctx, data_shapes=image_iter.provide_data,
                              label_shapes=[("label", (batch_size,))], inputs_need_grad=True)

    def next_batch():
        try:
            return image_iter.next()
        except StopIteration:
            image_iter.reset()
            return image_iter.next()

    def step():
        batch, rbatch = next_batch(), rand_iter.next()

        # Generate, and learn that this is fake.
        generator.forward(rbatch, is_train=True)
        outG = generator.get_outputs()
        label = mx.nd.zeros((batch_size,), ctx=ctx)
        discriminator.forward(mx.io.DataBatch(outG, [label]), is_train=True)
        discriminator.backward()
        gradD = [[grad.copyto(grad.context) for grad in grads] for grads in discriminator._exec_group.grad_arrays]

        # Learn that the images are real.
        label[:] = 1
        batch.label = [label]
        discriminator.forward(batch, is_train=True)
        discriminator.backward()
        for gradsr, gradsf in zip(discriminator._exec_group.grad_arrays, gradD):
            for gradr, gradf in zip(gradsr, gradsf):
                gradr += gradf
        discriminator.update()

        # Learn to pass for real.
        discriminator.forward(mx.io.DataBatch(outG, [label]), is_train=True)
        discriminator.backward()
        diffD = discriminator.get_input_grads()
        generator.backward(diffD)
        generator.update()

        mx.nd.waitall()
        return lambda: mark(outG[0].asnumpy(), discriminator.get_outputs()[0].asnumpy())

    return step


def mark(fake, judged):
    """What an iteration is recognised by: mean magnitude of the images, and the mean verdict on them."""
    return [float(np.abs(fake).mean()), float(judged.mean())]


# ------------------------------------------------------------------------------------------ the loop in plain torch

def torch_networks(torch, width):
    """The same two networks as nn.Sequential, gammas fixed at 1."""
    nn, weights = torch.nn, initial_weights(width)

    def layer(kind, name, channels, count, stride, pad):
        made = kind(channels, count, 4, stride, pad, bias=False)
        made.weight.data.copy_(torch.from_numpy(weights[name]))
        return made

    def norm(count):
        made = nn.BatchNorm2d(count, eps=EPSILON)
        made.weight.requires_grad_(False)
        return made

    g, channels = [], NOISE
    for name, count, stride, pad in GENERATOR:
        count = filters(name, count, width)
        g.append(layer(nn.ConvTranspose2d, name, channels, count, stride, pad))
        g += [nn.Tanh()] if name == "g5" else [norm(count), nn.ReLU(True)]
        channels = count
    d, channels = [], 3
    for name, count, stride, pad in DISCRIMINATOR:
        count = filters(name, count, width)
        d.append(layer(nn.Conv2d, name, channels, count, stride, pad))
        d += [norm(count)] if name not in ("d1", "d5") else []
        d.append(nn.Sigmoid() if name == "d5" else nn.LeakyReLU(0.2, inplace=True))
        channels = count
    return nn.Sequential(*g), nn.Sequential(*d)


def torch_loop(torch, width, batch_size, device):
    """Returns a function that carries out one iteration the way that torch's own DCGAN tutorial does."""
    device = torch.device("cuda" if device == "gpu" else "cpu")
    images, noise = inputs(batch_size)
    images, noise = torch.from_numpy(images), torch.from_numpy(noise).to(device)
    netG, netD = (net.to(device) for net in torch_networks(torch, width))
    criterion = torch.nn.BCELoss()
    optimizers = [torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=LEARNING_RATE,
                                   betas=(BETA1, 0.999)) for net in (netG, netD)]
    optimizerG, optimizerD = optimizers
    done = 0

    def step():
        nonlocal done
        turn, done = done % POOL, done + 1

        # Learn that the images are real.
        netD.zero_grad()
        real = images[turn * batch_size:(turn + 1) * batch_size].to(device)
        label = torch.full((batch_size,), 1.0, device=device)
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


# ------------------------------------------------------------------------------------------------ one contender

def work(name, options):
    """The life of a contender: makes its loop, then answers each count on standard input with a line of JSON."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)                                      # what libraries print must not reach the answers
    sys.path.insert(0, str(REPOSITORY))
    library = importlib.import_module(name)
    if name != "mxnet":
        importlib.import_module("torch").set_num_threads(options.threads)
    loop = torch_loop if name == "torch" else module_loop
    step = loop(library, options.width, options.batch, options.ctx)
    print(json.dumps({"version": library.__version__, "python": platform.python_version()}), file=answers)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            latest = step()
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "mark": latest()}), file=answers)


class Contender:
    """A contender's process, as seen from the one that measures."""

    def __init__(self, name, python, options):
        self.name = name
        environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads), "MXNET_SUBGRAPH_VERBOSE": "0"}
        arguments = [python, __file__, "--worker", name, "--width", options.width, "--batch", options.batch,
                     "--threads", options.threads, "--ctx", options.ctx]
        self.printed = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([str(argument) for argument in arguments], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.printed, text=True, env=environment)
        self.about = self.answer()

    def run(self, iterations):
        """Returns seconds per iteration, and the mark of the last one."""
        print(iterations, file=self.process.stdin, flush=True)
        answer = self.answer()
        return answer["seconds"] / iterations, answer["mark"]

    def answer(self):
        """The next line of the process; raises Absent, with the last thing that it printed, where it has died."""
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        self.printed.seek(0)
        printed = self.printed.read().strip().splitlines()
        self.close()
        raise Absent(printed[-1] if printed else "its process ended")

    def close(self):
        """Ends the process."""
        self.process.kill()
        self.process.communicate()
        self.printed.close()


class Absent(Exception):
    """A contender that cannot take part, and why."""


def python_of(name):
    """The Python that has the library; raises Absent."""
    if name != "mxnet":
        return sys.executable
    python = os.environ.get("GANMOD_MXNET_PYTHON") or REPOSITORY / ".venv-mxnet" / "bin" / "python"
    if not os.access(python, os.X_OK):
        raise Absent("no environment with MXNet (name its Python in GANMOD_MXNET_PYTHON)")
    return python


# ---------------------------------------------------------------------------------------------------- measuring

def measure(options):
    """Runs everything; returns the result as one dict, which is also what --json writes."""
    result = {"settings": {key: value for key, value in vars(options).items() if key not in ("json", "worker")},
              "machine": machine(), "absent": {}, "versions": {}, "marks": {}, "warmup_seconds": {}, "seconds": {}}
    contenders = []
    try:
        for name in options.only:
            try:
                contender = Contender(name, python_of(name), options)
                contenders.append(contender)
                result["warmup_seconds"][name], result["marks"][name] = contender.run(options.warmup)
                result["versions"][name] = contender.about
            except Absent as why:
                result["absent"][name] = str(why)
        contenders = [contender for contender in contenders if contender.name in result["versions"]]
        result["seconds"] = {contender.name: [] for contender in contenders}
        for turn in range(options.rounds if contenders else 0):
            shift = turn % len(contenders)
            for contender in contenders[shift:] + contenders[:shift]:
                result["seconds"][contender.name].append(contender.run(options.iterations)[0])
            print(f"round {turn + 1} of {options.rounds}", file=sys.stderr, flush=True)
    finally:
        for contender in contenders:
            contender.close()
    result["machine"]["load_after"] = os.getloadavg()
    return result


def machine():
    """What was measured on."""
    info = pathlib.Path("/proc/cpuinfo")
    models = [line.partition(":")[2].strip() for line in (info.read_text().splitlines() if info.exists() else [])
              if line.startswith("model name")]
    return {"cpu": models[0] if models else platform.processor(), "cores": cores(),
            "load_before": os.getloadavg()}


def cores():
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def spread(values):
    """Median and range as text."""
    return f"{statistics.median(values):.3g} [{min(values):.3g}..{max(values):.3g}]"


def report(result):
    """Prints the result as a table."""
    settings, where = result["settings"], result["machine"]
    print("DCGAN 64x64, width {width:g}, batch {batch}, {ctx}, {threads} threads; {rounds} rounds of {iterations} "
          "iteration(s) after {warmup}".format(**settings))
    print(f"{where['cpu']}, {where['cores']} cores; load average {where['load_before'][0]:.2f} before, "
          f"{where['load_after'][0]:.2f} after\n")
    row = "{:8} {:14} {:28} {:>7} {:>8}   {}"
    print(row.format("", "version", "s/iteration, median [range]", "it/s", "images/s",
                     "mean |image| and verdict after warm-up"))
    for name, seconds in result["seconds"].items():
        rate, marks = 1 / statistics.median(seconds), result["marks"][name]
        print(row.format(name, result["versions"][name]["version"], spread(seconds), f"{rate:.3g}",
                         f"{rate * settings['batch']:.4g}", f"{marks[0]:.6f} {marks[1]:.6f}"))
    for name, why in result["absent"].items():
        print(f"{name:8} absent: {why}")
    print()
    names = list(result["seconds"])
    for fast, slow in [(a, b) for i, a in enumerate(names) for b in names[i + 1:]]:
        ratios = [s / f for f, s in zip(result["seconds"][fast], result["seconds"][slow])]
        print(f"{fast} does {spread(ratios)} times as many iterations a second as {slow}")
    if disagreement(result["marks"]) > 1e-2:
        print("WARNING: the contenders' images or verdicts differ by more than 1 %: they do not compute the same")


def disagreement(marks):
    """The largest difference between contenders' marks, relative to the mark or to 0.1: a verdict may be near 0."""
    columns = zip(*marks.values())
    return max(((max(column) - min(column)) / max(0.1, *column) for column in columns), default=0)


def parse():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--width", type=float, default=0.25, help="factor on the numbers of filters (default 0.25)")
    parser.add_argument("--batch", type=int, default=64, help="images in a batch (default 64)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender (default 5)")
    parser.add_argument("--iterations", type=int, default=2, help="iterations in a turn (default 2)")
    parser.add_argument("--warmup", type=int, default=2, help="iterations before the clock starts (default 2)")
    parser.add_argument("--threads", type=int, default=cores(), help="threads (default: cores)")
    parser.add_argument("--ctx", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(CONTENDERS),
                        help="contenders, by default ganmod,mxnet,torch")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write everything measured there")
    parser.add_argument("--worker", choices=CONTENDERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    for name in ("batch", "rounds", "iterations", "warmup", "threads"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be 1 or more")
    if not set(options.only) <= set(CONTENDERS):
        parser.error(f"--only knows {', '.join(CONTENDERS)}")
    return options


def main():
    """Measures and reports, or is one contender."""
    options = parse()
    if options.worker:
        return work(options.worker, options)
    result = measure(options)
    report(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1, default=str))


if __name__ == "__main__":
    main()
