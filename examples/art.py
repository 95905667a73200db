"""A GAN that paints, after Ritchie Vink's "The distribution of art?": pictures of 64x64 or 256x256, and walks.

    python examples/art.py                            paintings that it first paints itself, offline, on any machine
    python examples/art.py --data DIR                 any folder of pictures, of any size
    python examples/art.py --full --size 256 --batch-size 64 --data DIR --ctx gpu    the original's large network
    python examples/art.py --resume                   goes on where the last run ended or was stopped
    python examples/art.py walk PREFIX EPOCH --film walk.mp4         a film from any checkpoint of a generator, such as
                                                      out/art/checkpoints/step-00001440-0/average and 0

Pictures, checkpoints and quality.json go to out/art, or where --out says. What stands around the loop, from the command
line to the checkpoints, is mx.gan.run; the loop itself is here, in train_on(). Without --full the networks have a
quarter of the original's filters; two cores of a slow CPU trained them in twelve minutes.
"""
import argparse
import os
import pathlib
import sys

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")    # else threads that wait slow everything where cores are shared

import numpy as np

import ganmod as mx
from ganmod.base import InputError, require
from ganmod.gan import datasets, latents, losses, pictures
from ganmod.gan.run import Run, context, endless, parse, parser, positive, program
from ganmod.recordio import opencv

Z = 200                                                # random numbers that a picture is made from
FILTERS = {64: (1024, 512, 256, 128), 256: (1024, 512, 512, 512, 256, 128)}      # by size of the pictures, from 4x4 on
NARROWER = 4                                           # by which they are divided, for CPUs, unless --full is given
RATES = {True: 0.0002, False: 0.0005}                  # of learning, by --full: fewer filters take larger steps
ADAM = {"beta1": 0.5, "beta2": 0.999}
DECAY = 0.995                                          # of the moving average that pictures are drawn with
SWAPPED = 0.03                                         # of the discriminator's labels
SHOWN = 36                                             # pictures on a sheet


# --- The paintings ----------------------------------------------------------------------------------------------------

PAINTINGS = {64: 1536, 256: 512}                       # by size: a picture of 256x256 is as large as 16 of 64x64
PALETTES = ("7f1d1d fde68a c2410c f59e0b", "f9f3e5 0b1d51 f4a259 5aa9e6", "1b4332 fefae0 40916c 95d5b2",
            "ffd6e0 2d1e4f ff6f91 c77dff")             # a ground, and what lies on it
LIGHTS = ("2a4d8f f7b267 2c2348", "5fa8d3 e8f4f8 1f4d3a", "3d1e6d ff6f61 3b1029")    # sky above and below, and hills
PRIMARIES = ("c81d25", "1d3f94")
LINES = ((5, 11), (4, 10))                             # where they lie, in sixteenths


def rgb(colour):
    """'ff8000' as an array (255, 128, 0)."""
    return np.array(tuple(bytes.fromhex(colour)), float)


def palette(rng, palettes):
    """One of several groups of colours that go together."""
    return [rgb(colour) for colour in palettes[rng.randint(len(palettes))].split()]


def blend(picture, mask, colour):
    """Lays a colour over a picture (H, W, 3), as thickly as a mask (H, W) from 0 to 1 says."""
    picture += mask[:, :, None] * (colour - picture)


def colour_field(cv2, rng, height, width):
    """Two bands, one above the other, with soft edges."""
    ground, *colours = palette(rng, PALETTES)
    picture, edges = np.full((height, width, 3), ground), (0.06, rng.uniform(0.4, 0.65), 0.94)
    side = min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    for colour, above, below in zip(colours, edges, edges[1:]):
        mask = np.zeros((height, width), np.float32)
        corners = [(left + 0.09 * side, top + (above + 0.02) * side),
                   (left + 0.91 * side, top + (below - 0.02) * side)]
        cv2.rectangle(mask, *np.int32(corners).tolist(), 1.0, -1)
        blend(picture, cv2.GaussianBlur(mask, (0, 0), 0.02 * side), colour)
    return picture


def grid(cv2, rng, height, width):
    """Black lines on white; two of the nine fields between them are coloured, one of them red."""
    picture, side = np.full((height, width, 3), rgb("f5f1e6")), min(height, width)
    corner = (height - side) // 2, (width - side) // 2
    ys, xs = (start + (np.array(LINES[rng.randint(len(LINES))]) * side / 16).astype(int) for start in corner)
    for colour, (row, column) in zip(PRIMARIES, ((0, 0), (2, 2)) if rng.randint(2) else ((0, 2), (2, 0))):
        picture[(0, *ys)[row]:(*ys, height)[row], (0, *xs)[column]:(*xs, width)[column]] = rgb(colour)
    thick = max(2, round(0.05 * side))
    for x in xs:
        picture[:, x - thick // 2:x - thick // 2 + thick] = rgb("161616")
    for y in ys:
        picture[y - thick // 2:y - thick // 2 + thick] = rgb("161616")
    return picture


def landscape(cv2, rng, height, width):
    """A sun that shines above two rows of hills, the nearest of which is the darkest."""
    above, below, hill = palette(rng, LIGHTS)
    down = np.linspace(0, 1, height)[:, None, None]
    picture = np.repeat(above + np.minimum(down * 1.6, 1) * (below - above), width, axis=1)
    side, sun = min(height, width), np.zeros((height, width), np.float32)
    at = np.int32([width / 2 + rng.uniform(-0.25, 0.25) * side, 0.3 * height]).tolist()
    cv2.circle(sun, at, int(0.13 * side), 1.0, -1, cv2.LINE_8)
    blend(picture, 0.6 * cv2.GaussianBlur(sun, (0, 0), 0.12 * side), rgb("fff3c4"))
    blend(picture, cv2.GaussianBlur(sun, (0, 0), 0.008 * side), rgb("fff0b3"))
    x = np.arange(width) / side
    for k in range(2):
        waves = sum(rng.uniform(0.02, 0.06) / n * np.sin(n * rng.uniform(3, 5) * x + rng.uniform(0, 7)) for n in (1, 2))
        ridge = (0.6 + 0.18 * k + rng.uniform(-0.03, 0.03) + waves) * height
        blend(picture, np.clip(np.arange(height)[:, None] - ridge, 0, 1), hill + (1 - k) * 0.4 * (below - hill))
    return picture


def discs(cv2, rng, height, width):
    """Discs within discs, from the middle of the picture."""
    (ground, *colours), side = palette(rng, PALETTES), min(height, width)
    picture, largest = np.full((height, width, 3), ground), rng.uniform(0.4, 0.46) * side
    for share, colour in zip((1, 0.66, 0.33), colours):
        mask = np.zeros((height, width), np.float32)
        cv2.circle(mask, (width // 2, height // 2), round(largest * share), 1.0, -1)
        blend(picture, cv2.GaussianBlur(mask, (0, 0), 0.006 * side), colour)
    return picture


def paint(folder, count, size):
    """Paints pictures of mixed sizes into a folder for each kind; always the same ones."""
    cv2, kinds = opencv("painting"), (colour_field, discs, grid, landscape)
    for number in range(count):
        rng, kind = np.random.RandomState(number), kinds[number % len(kinds)]
        height, width = rng.randint(int(1.1 * size), int(1.8 * size), 2)
        path = folder / kind.__name__ / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = kind(cv2, rng, height, width).clip(0, 255).astype(np.uint8)
        mx.files.write_atomically(path, cv2.imencode(".png", picture[:, :, ::-1])[1].tobytes())


def load(options):
    """Shuffled pictures, float32 (N, 3, size, size) from -1 to 1, and what they show (N,), or None."""
    folder, size, most = options.data, options.size, 2 * options.batch_size if options.dry_run else None
    if folder is None:
        folder = options.out / f"paintings-{size}"
        paint(folder, most or PAINTINGS[size], size)
    images = datasets.picture_folder(folder, size)
    images = datasets.shuffled(images, options.seed, options.batch_size, most)
    return datasets.scaled(images.pixels), images.labels


# --- The networks -----------------------------------------------------------------------------------------------------

WINDOW = dict(kernel=(4, 4), stride=(2, 2), pad=(1, 1), no_bias=False)           # which doubles a size, or halves it


def activated(net, name, normed=True):
    """Batch normalisation, but not everywhere, and leaky ReLU."""
    if normed:
        net = mx.sym.BatchNorm(net, fix_gamma=False, momentum=0.9, eps=1e-5, name=f"{name}_norm")
    return mx.sym.LeakyReLU(net, act_type="leaky", slope=0.2, name=f"{name}_act")


def generator_symbol(filters):
    """Latents (N, Z) -> pictures (N, 3, S, S), from 4x4 on, each deconvolution doubling the size."""
    net = mx.sym.FullyConnected(mx.sym.Variable("rand"), num_hidden=4 * 4 * filters[0], name="g0")
    net = mx.sym.reshape(net, shape=(-1, filters[0], 4, 4))
    for k, num_filter in enumerate((*filters[1:], 3), start=1):
        net = mx.sym.Deconvolution(activated(net, f"g{k - 1}"), num_filter=num_filter, name=f"g{k}", **WINDOW)
    return mx.sym.Activation(net, act_type="tanh", name="gout")


def discriminator_symbol(filters):
    """Pictures -> a logit (N, 1), above 0 for what looks real; each convolution halves the size, down to 4x4."""
    net = mx.sym.Variable("data")
    for k, num_filter in enumerate(reversed(filters), start=1):
        net = mx.sym.Convolution(net, num_filter=num_filter, name=f"d{k}", **WINDOW)
        net = activated(net, f"d{k}", normed=k > 1)
    return mx.sym.FullyConnected(net, num_hidden=1, name="dout")


def make_modules(options, ctx):
    """Generator and discriminator: bound, initialised, and ready to be updated."""
    filters, size = network_filters(options), options.size
    generator = mx.mod.Module(generator_symbol(filters), ["rand"], None, context=ctx)
    generator.bind([("rand", (options.batch_size, Z))])
    discriminator = mx.mod.Module(discriminator_symbol(filters), ["data"], None, context=ctx)
    discriminator.bind([("data", (options.batch_size, 3, size, size))], inputs_need_grad=True)
    for module in (generator, discriminator):
        module.init_params(mx.init.Normal(0.02))
        module.init_optimizer(optimizer="adam", optimizer_params={"learning_rate": RATES[options.full], **ADAM})
    return generator, discriminator


# --- Training ---------------------------------------------------------------------------------------------------------

def draw_labels(count, ctx=None):
    """What the discriminator is to say of a batch of real pictures and one of generated ones, (N, 1) each.

    Labels are shifted, a whole batch by one number, and some are swapped, so that it is never too sure of itself.
    """
    swapped = mx.nd.random.uniform(0, 1, shape=(count, 1), ctx=ctx) < SWAPPED
    real = 1 + mx.nd.random.uniform(-0.1, 0.1, shape=(1, 1), ctx=ctx)
    fake = mx.nd.random.uniform(0, 0.2, shape=(1, 1), ctx=ctx)
    return mx.nd.broadcast_mul(1 - swapped, real), mx.nd.broadcast_mul(1 - swapped, fake) + swapped


def generate(generator, count, ctx):
    """A batch of pictures of new latents, from a forward that can be followed by a backward."""
    generator.forward(mx.io.DataBatch([latents.gaussian((count, Z), ctx)]), is_train=True)
    return generator.get_outputs()


def judge(discriminator, images, label, wanted):
    """Has the discriminator judge a batch; leaves the gradients that are wanted, and returns the loss."""
    discriminator.forward(mx.io.DataBatch(images), is_train=True)
    loss, gradient = losses.bce_with_logits(discriminator.get_outputs()[0], label)
    discriminator.backward([gradient], wanted=wanted)
    return float(loss.asscalar())


def train_on(real, generator, discriminator):
    """One step over a batch of real pictures; returns the losses of discriminator and generator."""
    ctx, count = real.context, len(real)
    real_label, fake_label = draw_labels(count, ctx)

    # Have the discriminator learn that the pictures of the batch are real, and keep the gradients.
    loss_real = judge(discriminator, [real], real_label, wanted="parameters")
    kept = [[grad.copy() for grad in grads] for grads in discriminator._exec_group.grad_arrays]

    # Have it learn that others are generated, from which the generator learns nothing; follow both gradients at once.
    loss_fake = judge(discriminator, generate(generator, count, ctx), fake_label, wanted="parameters")
    for grads, others in zip(discriminator._exec_group.grad_arrays, kept):
        for grad, other in zip(grads, others):
            grad += other
    discriminator.update()

    # Have the generator learn, with new latents, what would make its pictures pass for real.
    loss_g = judge(discriminator, generate(generator, count, ctx), 1.0, wanted="inputs")
    generator.backward(discriminator.get_input_grads())
    generator.update()
    return loss_real + loss_fake, loss_g


def train(run, options, images):
    """Trains from where the run stands to its end, and leaves a sheet of the same latents after every epoch.

    Returns the generator with the average of its latest parameters, whose pictures are steadier, and less grainy.
    """
    ctx = context(options.ctx)
    generator, discriminator = make_modules(options, ctx)
    image_iter = mx.io.NDArrayIter(images, batch_size=options.batch_size, shuffle=True, last_batch_handle="discard")
    average = mx.gan.MovingAverage(generator, DECAY)
    run.attach(generator=generator, discriminator=discriminator, average=average, images=image_iter)
    batches, per_epoch = endless(image_iter), len(images) // options.batch_size
    fixed = mx.nd.array(np.random.RandomState(options.seed).normal(size=(SHOWN, Z)))

    for step in run.steps(options.epochs * per_epoch, images=options.batch_size, per_epoch=per_epoch):
        real = next(batches).data[0].as_in_context(ctx)
        loss_d, loss_g = train_on(real, generator, discriminator)
        average.update()
        run.log(D=loss_d, G=loss_g)
        if step % per_epoch == 0:
            run.sheet(step, mx.gan.sample(average.module, fixed))
    return average.module


# --- Walks ------------------------------------------------------------------------------------------------------------

def walk_latents(seed, frames, points=6):
    """A closed walk over the sphere that latents lie on, (frames, Z): after the last frame comes the first again."""
    return latents.loop(mx.nd.array(np.random.RandomState(seed).normal(size=(points, Z))), frames)


def save_walk(path, generator, seed, frames, walks=6):
    """Films six walks beside each other, as the name of the file says: a GIF, or else MP4."""
    require(path.suffix in (".gif", ".mp4"), f"--film {path}: expected a name that ends in .gif or .mp4", InputError)
    films = [mx.gan.sample(generator, walk_latents(seed + k, frames)).asnumpy() for k in range(walks)]
    sheets = [pictures.sheet(together, columns=3, padding=2) for together in zip(*films)]
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gif":
        pictures.save_gif(path, sheets, seconds=0.08, colours=128)
    else:
        pictures.save_mp4(path, sheets, rate=12.5)


def save_interpolation(path, generator, seed, rows=6, columns=9):
    """A sheet with a row for each pair of latents: how the picture of one becomes that of the other."""
    pairs = mx.nd.array(np.random.RandomState(seed).normal(size=(rows, 2, Z)))
    ways = mx.nd.concat(*(latents.path(pair, columns) for pair in pairs), dim=0)
    pictures.save_sheet(path, mx.gan.sample(generator, ways), columns, padding=1)


def walk(arguments):
    """The program's second part: a film from a checkpoint."""
    known = argparse.ArgumentParser(prog="art.py walk", description="A film of closed walks, from a checkpoint.")
    known.add_argument("prefix", metavar="PREFIX", help="of PREFIX-symbol.json and PREFIX-0000.params")
    known.add_argument("epoch", metavar="EPOCH", type=int, help="0 of PREFIX-0000.params")
    known.add_argument("--film", type=pathlib.Path, default=pathlib.Path("walk.mp4"), help="a .gif or .mp4 (walk.mp4)")
    known.add_argument("--frames", type=positive, default=240, help="in all (240)")
    known.add_argument("--seed", type=int, default=1, help="of where it goes (1)")
    known.add_argument("--ctx", choices=("auto", "cpu", "gpu"), default="auto", help="auto: gpu where there is one")
    chosen = known.parse_args(arguments)
    try:
        generator = mx.mod.Module.load(chosen.prefix, chosen.epoch, data_names=["rand"], label_names=None,
                                       context=context(chosen.ctx))
    except OSError as error:
        raise InputError(f"There is no such checkpoint: {error}") from error
    generator.bind([("rand", (16, Z))], for_training=False)
    save_walk(chosen.film, generator, chosen.seed, chosen.frames)
    print(f"See {chosen.film}")


# --- The program ------------------------------------------------------------------------------------------------------

def network_filters(options):
    """Filters of the layers from 4x4 on: the original's, or as many as a CPU can do."""
    narrower = 64 if options.dry_run else 1 if options.full else NARROWER
    return tuple(count // narrower for count in FILTERS[options.size])


def options(arguments=None):
    """The command line; with --resume, the settings of the run that goes on."""
    known = parser(__doc__, out="out/art", batch_size=16)
    known.add_argument("--data", type=lambda text: str(pathlib.Path(text).resolve()), metavar="DIR",
                       help="a folder of pictures; without it, paintings of its own")
    known.add_argument("--size", type=int, choices=tuple(FILTERS), default=64, help="of the pictures (64)")
    known.add_argument("--full", action="store_true", help="up to 1024 filters, as the original")
    found = parse(known, arguments)
    found.epochs = found.epochs or (1 if found.dry_run else 30 if found.data is None else 20)
    return found


@program
def main():
    """Trains, draws, judges, walks, and says where the results are; or, with the word walk, films a checkpoint."""
    if sys.argv[1:2] == ["walk"]:
        return walk(sys.argv[2:])
    chosen = options()
    context(chosen.ctx)
    images, labels = load(chosen)
    run = Run(chosen, leaves=("walk.gif", "interpolation.png"))
    mx.random.seed(chosen.seed)
    np.random.seed(chosen.seed)                        # the iterator's order
    generator = train(run, chosen, images)
    run.finish(images, labels, lambda count: mx.gan.sample(generator, latents.gaussian((count, Z))),
               "binary cross-entropy", {"D": "discriminator, real + fake", "G": "generator"})
    save_interpolation(run.folder / "interpolation.png", generator, chosen.seed)
    save_walk(run.folder / "walk.gif", generator, chosen.seed, frames=8 if chosen.dry_run else 96)
    return None


if __name__ == "__main__":
    main()
