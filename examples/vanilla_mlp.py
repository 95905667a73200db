"""The simplest GAN, of dense layers only; its discriminator learns from batches that are half real, half generated.

    python examples/vanilla_mlp.py                    scikit-learn's handwritten digits, offline, on any machine
    python examples/vanilla_mlp.py --data mnist       the 70,000 digits of MNIST, from OpenML
    python examples/vanilla_mlp.py --data DIR         IDX files: MNIST, Fashion-MNIST
    python examples/vanilla_mlp.py --resume           goes on where the last run ended or was stopped

Pictures, checkpoints and quality.json go to out/vanilla_mlp, or where --out says. What stands around the loop, from the
command line to the checkpoints, is mx.gan.run; the loop itself is here, in train_on().
"""
import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")    # else threads that wait slow everything where cores are shared

import numpy as np

import ganmod as mx
from ganmod.gan import datasets
from ganmod.gan.run import Run, context, endless, parse, parser, program

SIZE, Z = 28, 100                                      # pixels of an image's edge; random numbers that it is made from
ADAM = {"learning_rate": 0.0002, "beta1": 0.5}
DECAY = 8e-8                                           # of the learning rate: after t updates it is lr / (1 + DECAY t)


class InverseTime(mx.lr_scheduler.LRScheduler):
    """The learning rate divided by ``1 + decay * updates``."""

    def __init__(self, decay, base_lr):
        super().__init__(base_lr=base_lr)
        self.decay = decay

    def __call__(self, num_update):
        return self.base_lr / (1 + self.decay * num_update)


# --- The networks -----------------------------------------------------------------------------------------------------

def generator_symbol(widths):
    """Noise (N, Z) -> images (N, 1, SIZE, SIZE), through hidden layers of the given widths."""
    net = mx.sym.Variable("rand")
    for k, width in enumerate(widths, start=1):
        net = mx.sym.FullyConnected(net, num_hidden=width, name=f"g{k}")
        net = mx.sym.LeakyReLU(net, act_type="leaky", slope=0.2, name=f"gact{k}")
        net = mx.sym.BatchNorm(net, fix_gamma=False, momentum=0.8, eps=1e-3, name=f"gbn{k}")
    net = mx.sym.FullyConnected(net, num_hidden=SIZE * SIZE, name=f"g{len(widths) + 1}")
    return mx.sym.reshape(mx.sym.Activation(net, act_type="tanh", name="gout"), shape=(-1, 1, SIZE, SIZE))


def discriminator_symbol(widths):
    """Images (N, 1, SIZE, SIZE) -> the probability (N, 1) that they are real, and its binary cross-entropy's layer."""
    net = mx.sym.Flatten(mx.sym.Variable("data"))
    for k, width in enumerate(widths, start=1):
        net = mx.sym.FullyConnected(net, num_hidden=width, name=f"d{k}")
        net = mx.sym.LeakyReLU(net, act_type="leaky", slope=0.2, name=f"dact{k}")
    net = mx.sym.FullyConnected(net, num_hidden=1, name=f"d{len(widths) + 1}")
    return mx.sym.LogisticRegressionOutput(net, mx.sym.Variable("label"), name="dloss")


def make_modules(options, ctx):
    """Generator and discriminator: bound, initialised, and ready to be updated."""
    narrower = 16 if options.dry_run else 1
    size = options.batch_size
    generator = mx.mod.Module(generator_symbol([w // narrower for w in (256, 512, 1024)]), ["rand"], None, context=ctx)
    generator.bind([("rand", (size, Z))])
    discriminator = mx.mod.Module(discriminator_symbol([w // narrower for w in (784, 392)]), ["data"], ["label"],
                                  context=ctx)
    discriminator.bind([("data", (size, 1, SIZE, SIZE))], [("label", (size, 1))], inputs_need_grad=True)
    for module in (generator, discriminator):
        module.init_params(mx.init.Xavier())           # even, by fan in and fan out
        module.init_optimizer(optimizer="adam", optimizer_params={
            **ADAM, "lr_scheduler": InverseTime(DECAY, ADAM["learning_rate"])})
    return generator, discriminator


# --- Training ---------------------------------------------------------------------------------------------------------

def train_on(real, generator, discriminator, accuracy):
    """One step with N / 2 real images; returns the losses of discriminator and generator."""
    half, size = len(real), 2 * len(real)
    ctx = real.context

    # Generate as many images, without learning from them, and put both kinds into one batch.
    generator.forward(mx.io.DataBatch([mx.nd.random.normal(shape=(size, Z), ctx=ctx)]), is_train=False)
    images = mx.nd.concat(real, generator.get_outputs()[0][:half], dim=0)
    label = mx.nd.concat(mx.nd.ones((half, 1), ctx=ctx), mx.nd.zeros((half, 1), ctx=ctx), dim=0)

    # Have the discriminator learn which are which.
    discriminator.forward(mx.io.DataBatch([images], [label]), is_train=True)
    judged = discriminator.get_outputs()[0]
    accuracy.update([label], [judged])
    loss_d = cross_entropy(judged, label)
    discriminator.backward(wanted="parameters")
    discriminator.update()

    # Have the generator learn what the discriminator would call real; that one stays as it is.
    generator.forward(mx.io.DataBatch([mx.nd.random.normal(shape=(size, Z), ctx=ctx)]), is_train=True)
    wish = mx.nd.ones((size, 1), ctx=ctx)
    discriminator.forward(mx.io.DataBatch(generator.get_outputs(), [wish]), is_train=True)
    loss_g = cross_entropy(discriminator.get_outputs()[0], wish)
    discriminator.backward(wanted="inputs")
    generator.backward(discriminator.get_input_grads())
    generator.update()
    return loss_d, loss_g


def cross_entropy(probability, label):
    """Mean binary cross-entropy."""
    p, y = np.clip(probability.asnumpy(), 1e-7, 1 - 1e-7), label.asnumpy()
    return float(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean())


def train(run, options, images):
    """Trains from where the run stands to its end; every so many steps, a sheet of 4x4 images."""
    ctx = context(options.ctx)
    generator, discriminator = make_modules(options, ctx)
    half = options.batch_size // 2
    image_iter = mx.io.NDArrayIter(images, batch_size=half, shuffle=True, last_batch_handle="discard")
    run.attach(generator=generator, discriminator=discriminator, images=image_iter)
    accuracy = mx.metric.CustomMetric(lambda label, judged: ((judged > 0.5) == label).mean(), name="accuracy")
    batches = endless(image_iter)
    fixed = mx.nd.array(np.random.RandomState(options.seed).normal(size=(16, Z)))

    for step in run.steps(options.steps, images=half, save_every=options.every * 5):
        accuracy.reset()
        real = next(batches).data[0].as_in_context(ctx)
        loss_d, loss_g = train_on(real, generator, discriminator, accuracy)
        run.log(D=loss_d, G=loss_g, accuracy=accuracy.get()[1])
        if step % options.every == 0 or step == options.steps:
            run.sheet(step, mx.gan.sample(generator, fixed))
    return generator


# --- The program ------------------------------------------------------------------------------------------------------

def options(arguments=None):
    """The command line; with --resume, the settings of the run that goes on."""
    known = parser(__doc__, out="out/vanilla_mlp", length="steps", batch_size=32, data="digits")
    known.add_argument("--every", type=int, default=100, help="steps from sheet to sheet (100)")
    found = parse(known, arguments)
    found.steps = found.steps or (4 if found.dry_run else 8000)
    found.every = 2 if found.dry_run else found.every
    return found


def load(options):
    """Shuffled images, float32 (N, 1, SIZE, SIZE) from -1 to 1, and their classes (N,), or None."""
    if options.batch_size % 2:
        raise mx.base.InputError(f"--batch-size must be even, as half of a batch is real; got {options.batch_size}")
    pixels, labels = datasets.shuffled(datasets.load(options.data), options.seed, options.batch_size // 2,
                                       64 if options.dry_run else None)
    return datasets.scaled(pixels, SIZE), labels


@program
def main():
    """Trains, draws, judges, and says where the results are."""
    chosen = options()
    context(chosen.ctx)
    images, labels = load(chosen)
    run = Run(chosen)
    mx.random.seed(chosen.seed)
    np.random.seed(chosen.seed)                        # the iterator's order
    generator = train(run, chosen, images)
    run.finish(images, labels, lambda count: mx.gan.sample(generator, mx.nd.random.normal(shape=(count, Z))),
               "binary cross-entropy, accuracy", {"D": "discriminator", "G": "generator"})


if __name__ == "__main__":
    main()
