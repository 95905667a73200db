"""The DCGAN of MXNet's tutorial: a generator and a discriminator, trained against each other by explicit calls.

    python examples/dcgan_mnist.py                    scikit-learn's handwritten digits, offline, on any machine
    python examples/dcgan_mnist.py --data mnist       the 70,000 digits of MNIST, from OpenML
    python examples/dcgan_mnist.py --data DIR         IDX files: MNIST, Fashion-MNIST
    python examples/dcgan_mnist.py --full --ctx gpu   the tutorial's network at its full size
    python examples/dcgan_mnist.py --resume           goes on where the last run ended or was stopped

Pictures and checkpoints go to out/dcgan_mnist, or where --out says.
"""
import argparse
import gzip
import json
import os
import pathlib
import signal
import sys
import time
import zlib

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")    # else threads that wait slow everything where cores are shared

try:
    import matplotlib.figure  # noqa: F401  (ganmod's pictures need it: better to hear it now)
    import numpy as np
    import torch
    from sklearn import datasets
    from tqdm import tqdm

    import ganmod as mx
except ImportError as error:
    sys.exit(f"This example needs the package {error.name}; in the repository's root, pip install -e '.[examples]'")

Z = 100                                                # random numbers that an image is made from
LEARNING_RATE, BETA1, SIGMA = 0.0002, 0.5, 0.02        # of Adam, and of the initial weights


# --- The images -------------------------------------------------------------------------------------------------------

def load_images(data):
    """Gray images as uint8 (N, height, width): 'digits', 'mnist', or the name of a folder of IDX files."""
    if data == "digits":
        images = np.pad(datasets.load_digits().images, ((0, 0), (1, 1), (1, 1)))    # a margin, as MNIST has one
        return (images * (255 / 16)).astype(np.uint8)
    if data == "mnist":
        return fetch_mnist()
    return read_folder(pathlib.Path(data))


def fetch_mnist():
    """MNIST's training and test images; scikit-learn keeps them in ~/scikit_learn_data."""
    try:
        pixels = datasets.fetch_openml("mnist_784", version=1, as_frame=False, parser="liac-arff").data
    except (OSError, ValueError) as error:
        sys.exit(f"MNIST could not be fetched from OpenML ({error}); --data DIR reads it from a folder of IDX files")
    return np.asarray(pixels).reshape(-1, 28, 28).astype(np.uint8)


def read_folder(folder):
    """The images of train-images-idx3-ubyte and, if it is there, t10k-images-idx3-ubyte, each plain or as .gz."""
    found = [path for part in ("train", "t10k") for path in sorted(folder.glob(f"{part}-images[-.]idx3-ubyte*"))[:1]]
    if not found or not found[0].name.startswith("train"):
        sys.exit(f"There is no train-images-idx3-ubyte or train-images-idx3-ubyte.gz in the folder {folder}")
    images = [read_idx(path) for path in found]
    if len({part.shape[1:] for part in images}) > 1:
        sys.exit(f"The images of {found[0]} and {found[1]} differ in size")
    return np.concatenate(images)


def read_idx(path):
    """The images of one IDX file: two zeros, a type (8: bytes), a number of axes, their sizes, the pixels."""
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        sys.exit(f"{path} cannot be read: {error}")
    shape = np.frombuffer(content[4:16], ">u4").astype(int) if len(content) >= 16 else ()
    if content[:4] != b"\0\0\x08\x03" or len(content) != 16 + np.prod(shape) or not np.prod(shape):
        sys.exit(f"{path} is damaged, or no IDX file of images")
    return np.frombuffer(content, np.uint8, offset=16).reshape(shape)


def prepare(images, size, seed, full):
    """Shuffles, resizes and scales images: uint8 (N, h, w) -> float32 (N, 1, size, size), from -1 to 1."""
    images = images[np.random.RandomState(seed).permutation(len(images))]
    if full:
        images = resize_like_the_tutorial(images, size)
    else:
        pixels = torch.from_numpy(images)[:, None].float()
        images = torch.nn.functional.interpolate(pixels, (size, size), mode="bilinear").numpy()
    images = images.reshape(-1, 1, size, size).astype(np.float32)
    images /= 255.0 / 2
    images -= 1.0
    return images


def resize_like_the_tutorial(images, size):
    """What OpenCV's resize makes of them; torch's differs from it by a gray level here and there."""
    try:
        import cv2
    except ImportError as error:
        sys.exit(f"--full resizes with OpenCV, which cannot be imported ({error}); pip install opencv-python-headless")
    return np.asarray([cv2.resize(image, (size, size)) for image in images])


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


def train(options, ctx, images):
    """Trains from where the output folder stands to the last epoch; returns whether it came that far."""
    interrupted = catch_interrupts()
    generator, discriminator = modules = make_modules(options, ctx)
    losses = restore(options.out / "checkpoints", modules) if options.resume else []
    image_iter = mx.io.NDArrayIter(mx.nd.from_numpy(images), batch_size=options.batch_size)
    rand_iter = RandIter(options.batch_size, Z)
    label = mx.nd.zeros((options.batch_size,), ctx=ctx)
    channels = network_size(options)[2]
    batches = -(-len(images) // options.batch_size)
    fixed = np.random.RandomState(options.seed).normal(size=(options.batch_size, Z, 1, 1))

    for epoch in range(len(losses) // batches + 1, options.epochs + 1):
        # Pass over what a stopped run has done of this epoch.
        image_iter.reset()
        done = len(losses) % batches
        for _ in range(done):
            image_iter.next()

        # Train on the others.
        with tqdm(total=len(images), initial=done * options.batch_size, unit="images", dynamic_ncols=True,
                  desc=f"epoch {epoch}/{options.epochs}") as bar:
            for batch in image_iter:
                batch.data = [mx.nd.tile(batch.data[0], reps=(1, channels, 1, 1))]
                losses.append(train_on(batch, rand_iter.next(), generator, discriminator, label))
                loss_d, loss_g = np.mean(losses[(epoch - 1) * batches:], axis=0)
                bar.set_postfix_str(f"loss D {loss_d:.3f} G {loss_g:.3f}", refresh=False)
                bar.update(options.batch_size - batch.pad)
                if interrupted:
                    break

        # Leave a sheet, which shows the same noise after every epoch, and a checkpoint.
        if len(losses) == epoch * batches:
            generator.forward(mx.io.DataBatch([mx.nd.array(fixed)], []), is_train=False)
            fake = generator.get_outputs()[0]
            mx.gan.pictures.save_comparison(options.out / "sheets" / f"epoch-{epoch:04d}.png", images[:len(fake)], fake,
                                            titles=("real", f"generated, epoch {epoch}"))
        save(options.out / "checkpoints", epoch, modules, losses, options.keep)
        if interrupted:
            break

    draw_run(options.out, losses, batches)
    return len(losses) >= options.epochs * batches


def catch_interrupts():
    """A list that is empty until Ctrl-C is pressed; pressed again, it ends the program at once."""
    interrupted = []

    def on_interrupt(*_):
        interrupted.append(True)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, on_interrupt)
    return interrupted


# --- Checkpoints ------------------------------------------------------------------------------------------------------

def number_of(path):
    """12 for epoch-0012.png and progress-0012.params."""
    return int(path.stem.rpartition("-")[2])


def save(folder, epoch, modules, losses, keep):
    """Writes a checkpoint, and deletes older ones; what is written last, the progress, marks it as whole."""
    progress = folder / f"progress-{epoch:04d}.params"
    progress.unlink(missing_ok=True)
    for name, module in zip(("generator", "discriminator"), modules):
        module.save_checkpoint(str(folder / name), epoch, save_optimizer_states=True)
    mx.nd.save(str(progress), {"losses": mx.nd.array(losses, dtype="float64"),
                               "random": mx.nd.array(torch.get_rng_state(), dtype="uint8")})
    for old in sorted(folder.glob("progress-*.params"), key=number_of)[:-keep]:
        for path in (old, *folder.glob(f"*-{number_of(old):04d}.*")):
            path.unlink(missing_ok=True)


def restore(folder, modules):
    """Goes back to the last whole checkpoint, the random numbers included; returns the losses up to there."""
    progress = max(folder.glob("progress-*.params"), key=number_of)
    epoch = number_of(progress)
    for name, module in zip(("generator", "discriminator"), modules):
        _, arg_params, aux_params = mx.model.load_checkpoint(str(folder / name), epoch)
        module.set_params(arg_params, aux_params)
        module.load_optimizer_states(str(folder / f"{name}-{epoch:04d}.states"))
    saved = mx.nd.load(str(progress))
    torch.set_rng_state(saved["random"].as_torch())
    return saved["losses"].asnumpy().tolist()


# --- Pictures ---------------------------------------------------------------------------------------------------------

def draw_run(out, losses, batches):
    """The losses of all iterations, and a film of the sheets; of very many, some."""
    curves = dict(zip(("discriminator, real + fake", "generator"), np.transpose(losses)))
    mx.gan.pictures.save_losses(out / "losses.png", curves, per_epoch=batches, ylabel="binary cross-entropy")
    sheets = sorted((out / "sheets").glob("epoch-*.png"), key=number_of)
    if sheets:
        frames = sheets[::-1][::1 + len(sheets) // 80][::-1]
        mx.gan.pictures.save_gif(out / "training.gif", frames, seconds=0.15, pause=1.85, colours=32)


# --- The program ------------------------------------------------------------------------------------------------------

def network_size(options):
    """Size of the images, filters of the widest images, channels: the tutorial's, or some that a CPU can do."""
    size, width, channels = (64, 128, 3) if options.full else (32, 32, 1)
    return size, 4 if options.dry_run else width, channels


def positive(text):
    """A whole number of 1 or more, for argparse."""
    if int(text) < 1:
        raise ValueError
    return int(text)


def data_name(text):
    """'digits', 'mnist', or the whole path of a folder, for argparse."""
    return text if text in ("digits", "mnist") else str(pathlib.Path(text).resolve())


def parse():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=data_name, default="digits", metavar="digits|mnist|DIR", help="default: digits")
    parser.add_argument("--full", action="store_true", help="64x64, 3 channels, up to 1024 filters, as the tutorial")
    parser.add_argument("--epochs", type=positive, help="in all, with those done before (digits: 80, others: 5)")
    parser.add_argument("--batch-size", type=positive, default=64, help="images in a batch (64)")
    parser.add_argument("--seed", type=int, default=1, help="of the order of images and all random numbers (1)")
    parser.add_argument("--ctx", choices=("auto", "cpu", "gpu"), default="auto", help="auto: gpu where there is one")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("out/dcgan_mnist"), help="output folder")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out, with its own settings")
    parser.add_argument("--keep", type=positive, default=3, help="checkpoints to keep (3)")
    parser.add_argument("--dry-run", action="store_true", help="two batches and a tiny network, to see it work")
    return parser.parse_args()


def take_over_settings(options):
    """Replaces options by those of the run in the output folder, which is to be resumed."""
    settings = options.out / "settings.json"
    if not settings.exists() or not any((options.out / "checkpoints").glob("progress-*.params")):
        sys.exit(f"There is no checkpoint in {options.out} to resume from")
    saved = json.loads(settings.read_text())
    vars(options).update(saved, epochs=options.epochs or saved["epochs"])


def begin_run(options):
    """Makes the output folder; an earlier run there is set aside."""
    if (options.out / "settings.json").exists():
        aside = options.out / f"earlier-{1 + len(list(options.out.glob('earlier-*')))}"
        aside.mkdir()
        for part in ("settings.json", "sheets", "checkpoints", "losses.png", "training.gif"):
            if (options.out / part).exists():
                (options.out / part).rename(aside / part)
        print(f"The earlier run in {options.out} is now in {aside}.")
    for part in ("sheets", "checkpoints"):
        (options.out / part).mkdir(parents=True, exist_ok=True)


def main():
    """Trains, and says where the results are."""
    options = parse()
    if options.ctx == "gpu" and not mx.num_gpus():
        sys.exit("--ctx gpu: torch sees no CUDA device; use --ctx cpu, or install a torch build with CUDA")
    ctx = mx.gpu(0) if mx.num_gpus() and options.ctx != "cpu" else mx.cpu()
    if options.resume:
        take_over_settings(options)
    options.epochs = options.epochs or (1 if options.dry_run else 80 if options.data == "digits" else 5)

    # Load the images.
    images = load_images(options.data)
    if options.dry_run:
        images = images[:2 * options.batch_size]
    if len(images) < options.batch_size:
        sys.exit(f"--batch-size {options.batch_size} is more than there are images: {len(images)}")
    images = prepare(images, network_size(options)[0], options.seed, options.full)

    # Note the settings, for --resume.
    if not options.resume:
        begin_run(options)
    kept = {name: getattr(options, name) for name in ("data", "full", "epochs", "batch_size", "seed", "dry_run")}
    (options.out / "settings.json").write_text(json.dumps(kept, indent=1))

    # Train.
    mx.random.seed(options.seed)
    start = time.monotonic()
    if not train(options, ctx, images):
        print(f"Stopped; the checkpoint is in {options.out / 'checkpoints'}, --resume goes on.", file=sys.stderr)
        sys.exit(130)
    print(f"Epoch {options.epochs} is done, after {time.monotonic() - start:.0f} s; see {options.out}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
