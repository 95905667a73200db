"""A DCGAN whose losses are symbols: logits and cross-entropy, dense features with batch normalisation, dropout.

    python examples/dcgan_flux.py                     scikit-learn's handwritten digits, offline, on any machine
    python examples/dcgan_flux.py --data mnist        the 70,000 digits of MNIST, from OpenML
    python examples/dcgan_flux.py --data DIR          IDX files: MNIST, Fashion-MNIST
    python examples/dcgan_flux.py --full --ctx gpu    twice the number of filters, as the original
    python examples/dcgan_flux.py --resume            goes on where the last run ended or was stopped

Pictures, checkpoints and quality.json go to out/dcgan_flux, or where --out says. What stands around the loop, from the
command line to the checkpoints, is mx.gan.run; the loop itself is here, in train_on().
"""
import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")    # else threads that wait slow everything where cores are shared

import numpy as np

import ganmod as mx
from ganmod.gan import datasets, losses
from ganmod.gan.run import Run, context, endless, parse, parser, program

SIZE, Z = 28, 300                                      # pixels of an image's edge; random numbers that it is made from
SHOWN = 36                                             # images on a sheet
ADAM = {"learning_rate": 0.0005, "beta1": 0.5}


# --- The networks -----------------------------------------------------------------------------------------------------

def normed(net, name):
    """Batch normalisation and ReLU."""
    net = mx.sym.BatchNorm(net, fix_gamma=False, momentum=0.9, eps=1e-5, name=f"{name}_norm")
    return mx.sym.Activation(net, act_type="relu", name=f"{name}_relu")


def generator_symbol(width):
    """Noise (N, Z) -> images (N, 1, SIZE, SIZE), through 2, 1 and half of `width` features at 7x7, 7x7 and 14x14."""
    net = mx.sym.FullyConnected(mx.sym.Variable("rand"), num_hidden=7 * 7 * 2 * width, name="g1")
    net = mx.sym.reshape(normed(net, "g1"), shape=(-1, 2 * width, 7, 7))
    net = normed(mx.sym.Deconvolution(net, kernel=(5, 5), pad=(2, 2), num_filter=width, no_bias=False, name="g2"), "g2")
    doubling = dict(kernel=(4, 4), stride=(2, 2), pad=(1, 1), no_bias=False)
    net = normed(mx.sym.Deconvolution(net, num_filter=width // 2, name="g3", **doubling), "g3")
    return mx.sym.Activation(mx.sym.Deconvolution(net, num_filter=1, name="g4", **doubling), act_type="tanh",
                             name="gout")


def score_symbol(images, width):
    """Images -> a logit (N, 1), above 0 for what looks real. Dropout, and no batch normalisation."""
    net = images
    for k, num_filter in enumerate((width // 2, width), start=1):
        net = mx.sym.Convolution(net, kernel=(4, 4), stride=(2, 2), pad=(1, 1), num_filter=num_filter, name=f"d{k}")
        net = mx.sym.LeakyReLU(net, act_type="leaky", slope=0.2, name=f"dact{k}")
        net = mx.sym.Dropout(net, p=0.25, name=f"drop{k}")
    return mx.sym.FullyConnected(net, num_hidden=1, name="d3")


def discriminator_loss(real_score, fake_score):
    """Mean cross-entropy of real images plus that of generated ones, as one symbol."""
    return mx.sym.Group([losses.bce_with_logits(real_score, 1.0, reduction="mean", name="real"),
                         losses.bce_with_logits(fake_score, 0.0, reduction="mean", name="fake")])


def generator_loss(fake_score):
    """The same of generated images, with the target turned around."""
    return losses.bce_with_logits(fake_score, 1.0, reduction="mean", name="wish")


def make_modules(options, ctx):
    """The generator; the discriminator with its loss; and the same one, parameters shared, with the generator's."""
    width, images = network_width(options), (options.batch_size, 1, SIZE, SIZE)
    generator = mx.mod.Module(generator_symbol(width), ["rand"], None, context=ctx)
    generator.bind([("rand", (options.batch_size, Z))])

    # One pass over real and generated images together: their halves part only before the loss.
    both = mx.sym.concat(mx.sym.Variable("real"), mx.sym.Variable("fake"), dim=0)
    scores = mx.sym.split(score_symbol(both, width), num_outputs=2, axis=0)
    discriminator = mx.mod.Module(discriminator_loss(scores[0], scores[1]), ["real", "fake"], None, context=ctx)
    discriminator.bind([("real", images), ("fake", images)])
    critic = mx.mod.Module(generator_loss(score_symbol(mx.sym.Variable("data"), width)), ["data"], None, context=ctx)

    for module in (generator, discriminator):
        module.init_params(mx.init.Xavier())           # even, by fan in and fan out
        module.init_optimizer(optimizer="adam", optimizer_params={**ADAM, "rescale_grad": 1.0})
    critic.bind([("data", images)], inputs_need_grad=True, shared_module=discriminator)
    return generator, discriminator, critic


# --- Training ---------------------------------------------------------------------------------------------------------

def train_on(real, generator, discriminator, critic):
    """One step over a batch of real images; returns the losses of discriminator and generator."""
    noise = [mx.nd.random.normal(shape=(len(real), Z), ctx=real.context) for _ in range(2)]

    # Have the discriminator learn from real and generated images; the generator learns nothing from these.
    generator.forward(mx.io.DataBatch([noise[0]]), is_train=True)
    discriminator.forward(mx.io.DataBatch([real, generator.get_outputs()[0]]), is_train=True)
    loss_d = sum(float(output.mean().asscalar()) for output in discriminator.get_outputs())
    discriminator.backward()
    discriminator.update()

    # Have the generator learn what would pass for real, from other noise.
    generator.forward(mx.io.DataBatch([noise[1]]), is_train=True)
    critic.forward(mx.io.DataBatch(generator.get_outputs()), is_train=True)
    loss_g = float(critic.get_outputs()[0].mean().asscalar())
    critic.backward(wanted="inputs")
    generator.backward(critic.get_input_grads())
    generator.update()
    return loss_d, loss_g


def train(run, options, images):
    """Trains from where the run stands to its end, and leaves a sheet of the same 36 latents after every epoch."""
    ctx = context(options.ctx)
    generator, discriminator, critic = make_modules(options, ctx)
    image_iter = mx.io.NDArrayIter(images, batch_size=options.batch_size, shuffle=True, last_batch_handle="discard")
    run.attach(generator=generator, discriminator=discriminator, images=image_iter)
    batches, per_epoch = endless(image_iter), len(images) // options.batch_size
    fixed = mx.nd.array(np.random.RandomState(options.seed).normal(size=(SHOWN, Z)))

    for step in run.steps(options.epochs * per_epoch, images=options.batch_size, per_epoch=per_epoch):
        real = next(batches).data[0].as_in_context(ctx)
        loss_d, loss_g = train_on(real, generator, discriminator, critic)
        run.log(D=loss_d, G=loss_g)
        if step % per_epoch == 0:
            run.sheet(step, mx.gan.sample(generator, fixed))           # which evaluates, with the moving averages
    return generator


# --- The program ------------------------------------------------------------------------------------------------------

def network_width(options):
    """Filters of the layers at 7x7 pixels: the original's, or as many as a CPU can do."""
    return 8 if options.dry_run else 128 if options.full else 64


def options(arguments=None):
    """The command line; with --resume, the settings of the run that goes on."""
    known = parser(__doc__, out="out/dcgan_flux", batch_size=128, data="digits")
    known.add_argument("--full", action="store_true", help="128 filters at 7x7 pixels rather than 64")
    found = parse(known, arguments)
    found.epochs = found.epochs or (1 if found.dry_run else 200 if found.data == "digits" else 5)
    return found


def load(options):
    """Shuffled images, float32 (N, 1, SIZE, SIZE) from -1 to 1, and their classes (N,), or None."""
    pixels, labels = datasets.shuffled(datasets.load(options.data), options.seed, options.batch_size,
                                       2 * options.batch_size if options.dry_run else None)
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
               "binary cross-entropy", {"D": "discriminator, real + fake", "G": "generator"})


if __name__ == "__main__":
    main()
