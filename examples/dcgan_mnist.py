"""The DCGAN of MXNet's tutorial: a generator and a discriminator, trained against each other by explicit calls.

    python examples/dcgan_mnist.py                    scikit-learn's handwritten digits, offline, on any machine
    python examples/dcgan_mnist.py --data mnist       the 70,000 digits of MNIST, from OpenML
    python examples/dcgan_mnist.py --data DIR         IDX files: MNIST, Fashion-MNIST
    python examples/dcgan_mnist.py --full --ctx gpu   the tutorial's network at its full size
    python examples/dcgan_mnist.py --resume           goes on where the last run ended or was stopped

Pictures, checkpoints and quality.json go to out/dcgan_mnist, or where --out says. What stands around the loop, from
the command line to the checkpoints, is mx.gan.run; the loop itself is here, in train_on().
"""
import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")    # else threads that wait slow everything where cores are shared

import numpy as np

import ganmod as mx
from ganmod.gan import datasets
from ganmod.gan.run import Run, context, endless, parse, parser, program

Z = 100                                                # random numbers that an image is made from
LEARNING_RATE, BETA1, SIGMA = 0.0002, 0.5, 0.02        # of Adam, and of the initial weights
DECAY = 0.99                                           # of the moving average that pictures are drawn with


# --- The images -------------------------------------------------------------------------------------------------------

def load(options):
    """Shuffled images, float32 (N, 1, size, size) from -1 to 1, and their classes (N,), or None."""
    pixels, labels = datasets.shuffled(datasets.load(options.data), options.seed, options.batch_size,
                                       2 * options.batch_size if options.dry_run else None)
    size = network_size(options)[0]
    return datasets.scaled(resized_like_the_tutorial(pixels, size) if options.full else pixels, size), labels


def resized_like_the_tutorial(images, size):
    """What OpenCV's resize makes of them; a bilinear one in floats differs from it by a gray level here and there."""
    try:
        import cv2
    except ImportError as error:
        raise mx.base.MXNetError(f"--full resizes with OpenCV, which cannot be imported ({error}); pip install "
                                 "opencv-python-headless") from error
    return np.asarray([cv2.resize(image[0], (size, size)) for image in images])[:, None]


class RandIter(mx.io.DataIter):
    """Endless batches of noise (N, Z, 1, 1), from a normal distribution."""

    def __init__(self, batch_size, ndim):
        self.batch_size = batch_size
        self.ndim = ndim
        self.provide_data = [("rand", (batch_size, ndim, 1, 1))]
        self.provide_label = []

    def iter_next(self):
        return True

    def getdata(self):
        return [mx.random.normal(0, 1.0, shape=(self.batch_size, self.ndim, 1, 1))]


# --- The networks -----------------------------------------------------------------------------------------------------

def filters(size, width):
    """Filters of the layers between 4x4 and size/2: 8, 4, 2 and 1 times the width for images of 64x64."""
    return [width * factor for factor in (8, 4, 2, 1) if 8 * factor <= size]


def generator_symbol(size, width, channels):
    """Noise (N, Z, 1, 1) -> images (N, channels, size, size); each layer but the first doubles their size."""
    settings = dict(fix_gamma=True, eps=1e-5 + 1e-12)
    window = dict(kernel=(4, 4), no_bias=True)
    net = mx.sym.Variable("rand")
    for k, num_filter in enumerate(filters(size, width), start=1):
        net = mx.sym.Deconvolution(net, name=f"g{k}", num_filter=num_filter, **window)
        net = mx.sym.BatchNorm(net, name=f"gbn{k}", **settings)
        net = mx.sym.Activation(net, name=f"gact{k}", act_type="relu")
        window = dict(kernel=(4, 4), stride=(2, 2), pad=(1, 1), no_bias=True)
    net = mx.sym.Deconvolution(net, name=f"g{k + 1}", num_filter=channels, **window)
    return mx.sym.Activation(net, name=f"gact{k + 1}", act_type="tanh")


def discriminator_symbol(size, width):
    """Images -> the probability (N, 1) that they are real; each layer but the last halves their size."""
    settings = dict(fix_gamma=True, eps=1e-5 + 1e-12)
    net = mx.sym.Variable("data")
    for k, num_filter in enumerate(reversed(filters(size, width)), start=1):
        net = mx.sym.Convolution(net, name=f"d{k}", kernel=(4, 4), stride=(2, 2), pad=(1, 1), num_filter=num_filter,
                                 no_bias=True)
        if k > 1:
            net = mx.sym.BatchNorm(net, name=f"dbn{k}", **settings)
        net = mx.sym.LeakyReLU(net, name=f"dact{k}", act_type="leaky", slope=0.2)
    net = mx.sym.Convolution(net, name=f"d{k + 1}", kernel=(4, 4), num_filter=1, no_bias=True)
    net = mx.sym.Flatten(net)
    return mx.sym.LogisticRegressionOutput(data=net, label=mx.sym.Variable("label"), name="dloss")


def make_modules(options, ctx):
    """Generator and discriminator: bound, initialised, and ready to be updated."""
    size, width, channels = network_size(options)
    batch_size = options.batch_size

    generator = mx.mod.Module(symbol=generator_symbol(size, width, channels), data_names=("rand",), label_names=None,
                              context=ctx)
    generator.bind(data_shapes=[("rand", (batch_size, Z, 1, 1))])

    discriminator = mx.mod.Module(symbol=discriminator_symbol(size, width), data_names=("data",),
                                  label_names=("label",), context=ctx)
    discriminator.bind(data_shapes=[("data", (batch_size, channels, size, size))],
                       label_shapes=[("label", (batch_size,))], inputs_need_grad=True)

    for module in (generator, discriminator):
        module.init_params(initializer=mx.init.Normal(SIGMA))
        module.init_optimizer(optimizer="adam", optimizer_params={"learning_rate": LEARNING_RATE, "beta1": BETA1})
    return generator, discriminator


# --- Training ---------------------------------------------------------------------------------------------------------

def train_on(batch, rbatch, generator, discriminator, label):
    """One iteration over a batch of images and a batch of noise; returns the losses of discriminator and generator."""
    # Generate images.
    generator.forward(rbatch, is_train=True)
    outG = generator.get_outputs()

    # Have the discriminator learn that they are fake, and keep the gradients.
    label[:] = 0
    discriminator.forward(mx.io.DataBatch(outG, [label]), is_train=True)
    judged_fake = discriminator.get_outputs()[0].asnumpy()
    discriminator.backward()
    gradD = [[grad.copyto(grad.context) for grad in grads] for grads in discriminator._exec_group.grad_arrays]

    # Have it learn that the images of the batch are real, and update it by the sum of both gradients.
    label[:] = 1
    batch.label = [label]
    discriminator.forward(batch, is_train=True)
    judged_real = discriminator.get_outputs()[0].asnumpy()
    discriminator.backward()
    for gradsr, gradsf in zip(discriminator._exec_group.grad_arrays, gradD):
        for gradr, gradf in zip(gradsr, gradsf):
            gradr += gradf
    discriminator.update()

    # Ask it again about the generated images, and have the generator learn what would make them pass for real.
    discriminator.forward(mx.io.DataBatch(outG, [label]), is_train=True)
    judged_again = discriminator.get_outputs()[0].asnumpy()
    discriminator.backward()
    diffD = discriminator.get_input_grads()
    generator.backward(diffD)
    generator.update()

    return cross_entropy(1 - judged_fake) + cross_entropy(judged_real), cross_entropy(judged_again)


def cross_entropy(probability):
    """Mean binary cross-entropy, given the probability of what is true."""
    return float(-np.log(np.maximum(probability, 1e-7)).mean())


def train(run, options, images):
    """Trains from where the run stands to its end, and leaves a sheet after every epoch.

    Returns the generator with the average of its latest parameters, whose pictures are steadier.
    """
    ctx = context(options.ctx)
    generator, discriminator = make_modules(options, ctx)
    image_iter = mx.io.NDArrayIter(mx.nd.from_numpy(images), batch_size=options.batch_size)
    rand_iter = RandIter(options.batch_size, Z)
    average = mx.gan.MovingAverage(generator, DECAY)
    run.attach(generator=generator, discriminator=discriminator, average=average, images=image_iter)
    label = mx.nd.zeros((options.batch_size,), ctx=ctx)
    fixed = mx.nd.array(np.random.RandomState(options.seed).normal(size=(options.batch_size, Z, 1, 1)))
    channels, batches, per_epoch = network_size(options)[2], endless(image_iter), -(-len(images) // options.batch_size)

    for step in run.steps(options.epochs * per_epoch, images=options.batch_size, per_epoch=per_epoch):
        batch = next(batches)
        batch.data = [mx.nd.tile(batch.data[0], reps=(1, channels, 1, 1))]
        loss_d, loss_g = train_on(batch, rand_iter.next(), generator, discriminator, label)
        average.update()
        run.log(D=loss_d, G=loss_g)

        if step % per_epoch == 0:                      # the same noise after every epoch
            fake = mx.gan.sample(average.module, fixed)
            run.sheet(step, fake, real=images[:len(fake)])
    return average.module


# --- The program ------------------------------------------------------------------------------------------------------

def network_size(options):
    """Size of the images, filters of the widest images, channels: the tutorial's, or some that a CPU can do."""
    size, width, channels = (64, 128, 3) if options.full else (32, 32, 1)
    return size, 4 if options.dry_run else width, channels


def options(arguments=None):
    """The command line; with --resume, the settings of the run that goes on."""
    known = parser(__doc__, out="out/dcgan_mnist", data="digits")
    known.add_argument("--full", action="store_true", help="64x64, 3 channels, up to 1024 filters, as the tutorial")
    found = parse(known, arguments)
    found.epochs = found.epochs or (1 if found.dry_run else 80 if found.data == "digits" else 5)
    return found


@program
def main():
    """Trains, draws, judges, and says where the results are."""
    chosen = options()
    context(chosen.ctx)
    images, labels = load(chosen)
    run = Run(chosen)
    mx.random.seed(chosen.seed)
    generator = train(run, chosen, images)
    run.finish(np.repeat(images, network_size(chosen)[2], axis=1), labels,
               lambda count: mx.gan.sample(generator, mx.gan.latents.gaussian((count, Z, 1, 1))),
               "binary cross-entropy", {"D": "discriminator, real + fake", "G": "generator"})


if __name__ == "__main__":
    main()
