"""How to GAN a flan: from a folder of pictures to pictures that nobody has seen before.

    python examples/flan.py                           draws flans, packs them as records, learns from them at 28x28
    python examples/flan.py --data DIR                pictures of yours; folders within DIR are kinds of them
    python examples/flan.py --size 128 --ctx gpu      the larger networks
    python examples/flan.py --resume                  goes on where the last run ended or was stopped
    python examples/flan.py explore PREFIX EPOCH N    N new pictures by a generator that was saved, by MXNet too

Pictures and checkpoints go to out/flan, or where --out says. Of model-g-0007.params there, `explore out/flan/model-g
7 9` makes nine pictures.
"""
import argparse
import os
import pathlib
import sys

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")    # else threads that wait slow everything where cores are shared

import numpy as np

import ganmod as mx
from ganmod.base import InputError, MXNetError, require
from ganmod.gan.run import Run, context, endless, parse, parser, positive, program
from ganmod.tools import im2rec

try:
    import cv2
except ImportError as error:
    sys.exit(f"This example needs OpenCV, which could not be imported ({error}): pip install opencv-python")

Z = 100                                                # random numbers that a picture is made from
LEARNING_RATE, BETA1, SIGMA = 0.0002, 0.5, 0.02        # of Adam, and of the initial weights
SHEETS = 40                                            # and frames of the film, at most


# --- Flans to begin with ----------------------------------------------------------------------------------------------

KINDS = ("cherry", "chocolate", "cream", "plain")
TABLES = ((78, 104, 148), (148, 122, 84), (104, 136, 98), (92, 82, 146), (150, 150, 134))      # blue, green, red
TOPPINGS = {                                           # ovals: x, y, radius, flatness, colour, blur, opacity
    "cherry": [(0, -0.01, 0.1, 0.4, (10, 20, 40), 0.015, 0.6), (0.015, -0.2, 0.009, 8, (40, 90, 70), 0, 1),
               (0, -0.085, 0.095, 0.95, (28, 16, 150), 0, 1), (-0.012, -0.1, 0.06, 1, (60, 40, 226), 0.02, 1),
               (-0.035, -0.12, 0.018, 1, (255, 255, 255), 0.006, 0.9)],
    "cream": [(0, 0, 0.15, 0.4, (10, 20, 40), 0.015, 0.5),
              (0, -0.02, 0.145, 0.55, (196, 212, 226), 0, 1), (-0.01, -0.03, 0.13, 0.5, (244, 250, 254), 0.01, 1),
              (0, -0.075, 0.105, 0.55, (196, 212, 226), 0, 1), (-0.01, -0.085, 0.095, 0.5, (244, 250, 254), 0.01, 1),
              (0, -0.125, 0.062, 0.55, (196, 212, 226), 0, 1), (-0.01, -0.135, 0.055, 0.5, (244, 250, 254), 0.01, 1),
              (-0.005, -0.165, 0.022, 1.1, (244, 250, 254), 0, 1)],
}
TURN = np.linspace(0, 2 * np.pi, 48, endpoint=False)   # once around, from the right by the front


def draw_flans(folder, count, size, seed):
    """Writes JPEGs of mixed sizes, none smaller than size x size pixels, in a folder per kind."""
    for k in range(count):
        rng = np.random.default_rng((seed, k))
        height, width = rng.integers(size + 36, size + 92, 2)
        path = folder / KINDS[k % len(KINDS)] / f"{k:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = draw_flan(KINDS[k % len(KINDS)], int(height), int(width), rng)
        path.write_bytes(cv2.imencode(".jpg", picture)[1].tobytes())


def draw_flan(kind, height, width, rng):
    """A flan on a plate on a table: uint8 (height, width, 3), blue first, as OpenCV has it."""
    # Decide on the shape and the colours.
    unit, vary = min(height, width), rng.uniform
    x, base = width / 2 + unit * vary(-0.03, 0.03), height / 2 + unit * vary(0.12, 0.17)
    radius, tall, flat = unit * vary(0.25, 0.32), unit * vary(0.17, 0.26), vary(0.36, 0.46)
    top, brim = radius * vary(0.70, 0.84), base - tall
    dark = kind == "chocolate"
    custard = np.array([38, 58, 96] if dark else [vary(95, 140), vary(190, 212), vary(236, 250)]) * vary(0.95, 1.05)
    caramel = np.array([20, 26, 48] if dark else [vary(16, 34), vary(66, 96), vary(150, 186)])
    china = np.array([vary(226, 250), vary(232, 250), vary(236, 250)])

    # Lay the table, with its grain and more light in front, and the plate with its shadow.
    grain = cv2.resize(rng.normal(0, 0.03, (16, 4)), (width, height), interpolation=cv2.INTER_CUBIC)
    light = np.linspace(0.72, 1.15, height)[:, None] + grain
    picture = (light[..., None] * TABLES[rng.integers(len(TABLES))]).astype(np.float32)
    fill(picture, oval(x + 0.03 * unit, base + 0.06 * unit, 1.48 * radius, flat), 10, 0.03 * unit, 0.55)
    fill(picture, oval(x, base + 0.02 * unit, 1.5 * radius, flat), china)
    fill(picture, oval(x, base + 0.02 * unit, 1.22 * radius, flat), 0.84 * china, 0.012 * unit)
    fill(picture, oval(x, base + 0.03 * unit, 1.18 * radius, flat), 0.96 * china, 0.012 * unit)
    fill(picture, oval(x, base + 0.015 * unit, vary(1.08, 1.16) * radius, flat), 0.9 * caramel, 0.004 * unit, 0.92)

    # Set the custard on it, round in the light from the left.
    across = (np.arange(width) - x) / radius
    shade = np.clip(1.06 - 0.42 * (across + 0.25) ** 2, 0.45, 1.06)[None, :, None]
    front, back = TURN[:25], TURN[24:]
    fill(picture, np.concatenate([oval(x, base, radius, flat, front), oval(x, brim, top, flat, back)]), shade * custard)
    fill(picture, oval(x - 0.5 * radius, base - 0.35 * tall, 0.09 * radius, 3), 255, 0.025 * unit, 0.5)

    # Pour caramel over it, which runs down in front, and let it shine.
    drops = np.maximum(np.sin(TURN), 0) ** 0.5 * np.sin(TURN * rng.integers(4, 7) + vary(0, 6)).clip(0) ** 0.8
    poured = oval(x, brim, 1.02 * top, flat)
    poured[:, 1] += tall * (0.10 * np.maximum(np.sin(TURN), 0) + vary(0.3, 0.55) * drops)
    fill(picture, poured, shade * caramel)
    fill(picture, oval(x, brim - 0.005 * unit, 0.93 * top, flat), 1.25 * caramel + 8, 0.012 * unit)
    fill(picture, oval(x - 0.42 * top, brim - 0.1 * top, 0.24 * top, 0.45), 255, 0.014 * unit, 0.85)
    for right, down, size, flatness, colour, blur, opacity in TOPPINGS.get(kind, ()):
        fill(picture, oval(x + unit * right, brim + unit * (down - 0.01), unit * size, flatness), colour, unit * blur,
             opacity)
    return picture.clip(0, 255).astype(np.uint8)


def oval(x, y, radius, flat, angles=TURN):
    """Points [N, 2] of a circle that is seen aslant."""
    return np.stack([x + radius * np.cos(angles), y + flat * radius * np.sin(angles)], 1)


def fill(picture, outline, colour, blur=0.0, opacity=1.0):
    """Paints what an outline [N, 2] encloses; its edge is as soft as the pixels of `blur` say."""
    cover = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(cover, [np.int32(outline * 16)], 255, cv2.LINE_AA, shift=4)
    if blur:
        cover = cv2.GaussianBlur(cover, (0, 0), blur)
    picture += cover[..., None] * np.float32(opacity / 255) * (np.float32(colour) - picture)


# --- From pictures to batches -----------------------------------------------------------------------------------------

def make_records(options):
    """Packs the pictures as a file of records, with ``python -m ganmod.tools.im2rec``; returns how many they are."""
    prefix, folder = options.out / "records" / "flan", options.data
    if not (options.resume and prefix.with_suffix(".idx").exists()):
        if folder is None:
            folder = options.out / f"flans-{options.pictures}"
            draw_flans(folder, options.pictures, options.size, options.seed)
        there = sum(path.suffix.lower() in (".jpg", ".jpeg", ".png") for path in pathlib.Path(folder).rglob("*"))
        require(there >= options.batch_size, f"There are {there} pictures in {folder}, fewer than the "
                f"{options.batch_size} of a batch", InputError)
        prefix.parent.mkdir(parents=True, exist_ok=True)
        squares = ["--resize", str(options.size), "--center-crop", "--encoding", ".png"]   # JPEG blurs small pictures
        for task in (["--list", "--recursive"], squares):
            failed = im2rec.main([*task, str(prefix), str(folder)])
            require(not failed, f"No records could be made of the pictures in {folder}", InputError)
    count = len(prefix.with_suffix(".idx").read_text().splitlines())
    require(count >= options.batch_size, f"{count} pictures could be read, fewer than the {options.batch_size} of a "
            "batch", InputError)
    return count


def read_records(options, shuffle):
    """Batches (N, 3, size, size) of them, from -1 to 1."""
    prefix = str(options.out / "records" / "flan")
    return mx.io.ImageRecordIter(path_imgrec=prefix + ".rec", path_imgidx=prefix + ".idx",
                                 data_shape=(3, options.size, options.size), batch_size=options.batch_size,
                                 mean_r=128, mean_g=128, mean_b=128, scale=1 / 128,
                                 shuffle=shuffle, seed=options.seed, round_batch=False)


def load(options):
    """All pictures at once, as they are learned from: float32 (N, 3, size, size), and their kinds (N,) or None."""
    count = make_records(options)
    batches = read_records(options, shuffle=False)
    found = [(batch.data[0].asnumpy().copy(), batch.label[0].asnumpy().copy()) for batch in batches]
    batches.close()
    images, kinds = (np.concatenate(arrays)[:count] for arrays in zip(*found))
    return images, kinds.astype(np.int64) if kinds.any() else None


# --- The networks -----------------------------------------------------------------------------------------------------

def generator_symbol(size, ndf):
    """Noise (N, Z, 1, 1) -> pictures (N, 3, size, size); each layer but the first doubles their size."""
    small = size == 28
    net = mx.sym.Variable("rand")
    for k, factor in enumerate((4, 2, 1) if small else (5, 4, 3, 2, 1), start=1):
        window = dict(stride=(1, 1), pad=(0, 0)) if k == 1 else dict(stride=(2, 2), pad=(1, 1))
        net = mx.sym.Deconvolution(net, name=f"g{k}", kernel=(4, 4), num_filter=factor * ndf, no_bias=True, **window)
        net = mx.sym.BatchNorm(net, name=f"gbn{k}", fix_gamma=True, eps=1e-5 + 1e-12)
        net = mx.sym.Activation(net, name=f"gact{k}", act_type="relu")
    pad = (3, 3) if small else (1, 1)                  # 16x16 become 28x28, or 64x64 128x128
    net = mx.sym.Deconvolution(net, name=f"g{k + 1}", kernel=(4, 4), stride=(2, 2), pad=pad, num_filter=3, no_bias=True)
    return mx.sym.Activation(net, name=f"gact{k + 1}", act_type="tanh")


def discriminator_symbol(size, ndf):
    """Pictures -> the probability (N, 1) that they are real; each layer but the last halves their size."""
    small = size == 28
    net = mx.sym.Variable("data")
    for k, factor in enumerate((1, 2, 4) if small else (1, 2, 3, 4, 5, 6), start=1):
        pad = (3, 3) if small and k == 1 else (1, 1)
        net = mx.sym.Convolution(net, name=f"d{k}", kernel=(4, 4), stride=(2, 2), pad=pad, num_filter=factor * ndf,
                                 no_bias=True)
        net = mx.sym.BatchNorm(net, name=f"dbn{k}", fix_gamma=True, eps=1e-5 + 1e-12)
        net = mx.sym.LeakyReLU(net, name=f"dact{k}", act_type="leaky", slope=0.2)
    if small:
        net = mx.sym.Convolution(net, name=f"d{k + 1}", kernel=(4, 4), pad=(0, 0), num_filter=1, no_bias=True)
        net = mx.sym.Flatten(net, name="dflat")
    else:
        net = mx.sym.FullyConnected(net, name=f"d{k + 1}", num_hidden=1)
    return mx.sym.LogisticRegressionOutput(data=net, label=mx.sym.Variable("label"), name="dloss")


def make_modules(options, ctx):
    """Generator and discriminator: bound, initialised, and ready to be updated."""
    size, batch_size = options.size, options.batch_size
    generator = mx.mod.Module(generator_symbol(size, options.ndf), data_names=("rand",), label_names=None, context=ctx)
    generator.bind(data_shapes=[("rand", (batch_size, Z, 1, 1))])

    discriminator = mx.mod.Module(discriminator_symbol(size, options.ndf), data_names=("data",), label_names=("label",),
                                  context=ctx)
    discriminator.bind(data_shapes=[("data", (batch_size, 3, size, size))], label_shapes=[("label", (batch_size,))],
                       inputs_need_grad=True)

    for module in (generator, discriminator):
        module.init_params(initializer=mx.init.Normal(SIGMA))
        module.init_optimizer(optimizer="adam", optimizer_params={"learning_rate": LEARNING_RATE, "beta1": BETA1})
    return generator, discriminator


# --- Training ---------------------------------------------------------------------------------------------------------

def train_on(batch, noise, generator, discriminator, label):
    """One iteration over a batch of pictures and one of noise; returns the losses of discriminator and generator."""
    # Generate pictures.
    generator.forward(mx.io.DataBatch([noise]), is_train=True)
    fake = generator.get_outputs()

    # Have the discriminator learn that they are fake, and keep the gradients.
    label[:] = 0
    discriminator.forward(mx.io.DataBatch(fake, [label]), is_train=True)
    judged_fake = discriminator.get_outputs()[0].asnumpy()
    discriminator.backward(wanted="parameters")
    kept = [[grad.copyto(grad.context) for grad in grads] for grads in discriminator._exec_group.grad_arrays]

    # Have it learn that the pictures of the batch are real, and update it by the sum of both gradients.
    label[:] = 1
    discriminator.forward(mx.io.DataBatch(batch.data, [label]), is_train=True)
    judged_real = discriminator.get_outputs()[0].asnumpy()
    discriminator.backward(wanted="parameters")
    for on_real, on_fake in zip(discriminator._exec_group.grad_arrays, kept):
        for gradient, other in zip(on_real, on_fake):
            gradient += other
    discriminator.update()

    # Ask it again about the generated pictures, and have the generator learn what would make them pass for real.
    discriminator.forward(mx.io.DataBatch(fake, [label]), is_train=True)
    judged_again = discriminator.get_outputs()[0].asnumpy()
    discriminator.backward(wanted="inputs")
    generator.backward(discriminator.get_input_grads())
    generator.update()

    return cross_entropy(1 - judged_fake) + cross_entropy(judged_real), cross_entropy(judged_again)


def cross_entropy(probability):
    """Mean binary cross-entropy, given the probability of what is true."""
    return float(-np.log(np.maximum(probability, 1e-7)).mean())


def train(run, options, images):
    """Trains from where the run stands to its end, and leaves models after every epoch; returns the generator."""
    ctx = context(options.ctx)
    generator, discriminator = modules = make_modules(options, ctx)
    image_iter = read_records(options, shuffle=True)
    per_epoch = -(-len(images) // options.batch_size)
    run.attach(generator=generator, discriminator=discriminator, images=image_iter)
    if options.resume and run.step == 0:
        run.step = per_epoch * restore_models(options, modules)
    label = mx.nd.zeros((options.batch_size,), ctx=ctx)
    fixed = np.random.RandomState(options.seed).normal(size=(64, Z, 1, 1))
    batches = endless(image_iter)

    for step in run.steps(options.epochs * per_epoch, images=options.batch_size, per_epoch=per_epoch):
        noise = mx.gan.latents.gaussian((options.batch_size, Z, 1, 1), ctx=ctx)
        loss_d, loss_g = train_on(next(batches), noise, generator, discriminator, label)
        run.log(D=loss_d, G=loss_g)

        # Leave the models after every epoch, and now and then what the same noise has become.
        epoch, rest = divmod(step, per_epoch)
        if rest == 0:
            if epoch % -(-options.epochs // SHEETS) == 0 or epoch == options.epochs:
                draw_gradient(options.out / "sheets" / f"gradient-{step:06d}.png", discriminator.get_input_grads()[0])
                run.sheet(step, mx.gan.sample(generator, fixed), images[:64])
            save_models(options, epoch, modules)
    image_iter.close()
    return generator


def draw_gradient(path, gradient):
    """What would make generated pictures pass for real: difference from the mean in standard deviations."""
    values = gradient.asnumpy()
    values = (values - values.mean()) / max(values.std(), 1e-12) + 0.5
    mx.gan.pictures.save_sheet(path, values[:64], padding=1, value_range=(0, 1), scale=-(-64 // values.shape[-1]))


# --- Models -----------------------------------------------------------------------------------------------------------

def epochs_saved(folder):
    """The epochs of which both networks are there with their optimizers' states, the last one last."""
    epochs = sorted(int(path.stem.rpartition("-")[2]) for path in folder.glob("model-g-*.params"))
    return [epoch for epoch in epochs if all((folder / f"model-{which}-{epoch:04d}.{kind}").exists()
                                             for which in "gd" for kind in ("params", "states"))]


def save_models(options, epoch, modules):
    """Writes model-g and model-d as MXNet does, and deletes those of long ago."""
    for which, module in zip("gd", modules):
        module.save_checkpoint(str(options.out / f"model-{which}"), epoch, save_optimizer_states=True)
    for old in epochs_saved(options.out)[:-options.keep]:
        for path in options.out.glob(f"model-[gd]-{old:04d}.*"):
            path.unlink()


def restore_models(options, modules):
    """Goes on from the last models, where the run's own checkpoint is lost: with other random numbers than it had."""
    epoch = epochs_saved(options.out)[-1]
    for which, module in zip("gd", modules):
        prefix = str(options.out / f"model-{which}")
        module.set_params(*mx.model.load_params(prefix, epoch))
        module.load_optimizer_states(f"{prefix}-{epoch:04d}.states")
    mx.random.seed(options.seed + epoch)
    return epoch


def explore(arguments=None):
    """Draws new pictures by any generator that takes noise as its input `rand`."""
    known = argparse.ArgumentParser("flan.py explore", description=explore.__doc__)
    known.add_argument("prefix", help="path and beginning of the files' names, such as out/flan/model-g")
    known.add_argument("epoch", type=int, help="of the checkpoint")
    known.add_argument("count", type=positive, metavar="N", help="how many pictures")
    known.add_argument("--seed", type=int, default=1, help="of the noise (1)")
    known.add_argument("--out", type=pathlib.Path, help="the sheet; by default beside the checkpoint")
    chosen = known.parse_args(arguments)
    path = chosen.out or pathlib.Path(f"{chosen.prefix}-{chosen.epoch:04d}-explored.png")
    module = mx.mod.Module.load(chosen.prefix, chosen.epoch, data_names=("rand",), label_names=None)
    shape = (min(chosen.count, 64), *noise_shape(module.symbol, mx.model.load_params(chosen.prefix, chosen.epoch)[0]))
    module.bind(data_shapes=[("rand", shape)], for_training=False)
    mx.random.seed(chosen.seed)
    images = mx.gan.sample(module, mx.gan.latents.gaussian((chosen.count, *shape[1:])))
    mx.gan.pictures.save_sheet(path, images, padding=1, scale=-(-64 // images.shape[-1]))
    print(f"{chosen.count} new pictures are in {path}")


def noise_shape(symbol, params):
    """The shape of `rand` after N, found by inference: the one for which the parameters have the shapes they have."""
    sizes = sorted({size for array in params.values() for size in array.shape})
    for shape in [(z, *rest) for rest in ((), (1, 1)) for z in sizes]:
        try:
            found = dict(zip(symbol.list_arguments(), symbol.infer_shape(rand=(1, *shape))[0]))
        except MXNetError:
            continue
        if all(found[name] == array.shape for name, array in params.items() if name in found):
            return shape
    raise InputError("There is no shape (N, Z) or (N, Z, 1, 1) of an input `rand` that goes with the parameters")


# --- The program ------------------------------------------------------------------------------------------------------

def options(arguments=None):
    """The command line, with all that it leaves open filled in; with --resume, the settings of the run that goes on."""
    known = parser(__doc__, out="out/flan", batch_size=16)      # many small steps: with 64, flans stay gray
    known.add_argument("--data", type=lambda text: str(pathlib.Path(text).resolve()), metavar="DIR",
                       help="a folder of pictures (drawn ones)")
    known.add_argument("--size", type=int, choices=(28, 128), default=28, help="of the pictures (28)")
    known.add_argument("--ndf", type=positive, help="filters of the layers at the pictures (32; 28 for 128x128)")
    known.add_argument("--pictures", type=positive, help="how many to draw without --data (2048)")
    found = known.parse_args(arguments)
    if not found.resume or any((found.out / "checkpoints").glob("step-*")) or not epochs_saved(found.out):
        found = parse(known, arguments)                # else there are models alone, and no settings of theirs
    small = found.size == 28
    found.epochs = found.epochs or (1 if found.dry_run else 60 if small else 200)
    found.ndf = found.ndf or (2 if found.dry_run else 32 if small else 28)
    found.pictures = found.pictures or (2 * found.batch_size if found.dry_run else 2048)
    return found


@program
def main():
    """Trains, draws, judges, and says where the results are; or explores."""
    if sys.argv[1:2] == ["explore"]:
        return explore(sys.argv[2:])
    chosen = options()
    context(chosen.ctx)
    images, kinds = load(chosen)
    run = Run(chosen, leaves=("model-[gd]-*",))
    mx.random.seed(chosen.seed)
    generator = train(run, chosen, images)
    run.finish(images, kinds, lambda count: mx.gan.sample(generator, mx.gan.latents.gaussian((count, Z, 1, 1))),
               "binary cross-entropy", {"D": "discriminator, real + fake", "G": "generator"})


if __name__ == "__main__":
    main()
