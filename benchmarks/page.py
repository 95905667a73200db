"""The results of run.py as a page and as a picture."""
from __future__ import annotations

import statistics

import contest
import growth
from rows import RACES, TITLES, rows

PAGE = """\
# How fast it is
`python benchmarks/run.py --write-docs` measured what this page says, and wrote it. {machine}

{warnings}{table}

{absent}![Ratios with their targets, and seconds against arithmetic]({picture})

**How to read it.** Each contender runs in a process of its own, which times itself after a warm-up; they take turns,
in an order that rotates. A figure is taken within each round, against the peer in the same round; shown are the median
of {rounds} and, in brackets, the least and the greatest. "x" is how many times as long the peer takes; of memory, how
many times as much ganmod takes as the peer. From the same weights and inputs, the contenders' images and verdicts
after the warm-up have to agree within 1 %.

- *ganmod* computes the gradients that are used: `backward(wanted="parameters")` where the discriminator learns,
`backward(wanted="inputs")` where the generator does; and each is its forward's last, with `retain_graph=False`. *Its
classic loop* is the one that MXNet runs, line by line.
- *MXNet as it comes* takes half as many threads as there are cores, as if each counted twice: so a program runs whose
author has set nothing. *MXNet on all cores* has been told to, by OMP_NUM_THREADS. The others take all cores anyhow.
- *Plain torch* is the loop of torch's DCGAN tutorial. *Torch tuned by hand* has channels-last images and weights,
fused Adam, a loss of logits, and a discriminator that is frozen while the generator learns; in inference it is in
`inference_mode`, in the layout that is faster here.
- *DCGAN*: 64x64 images in batches of 64, 1024 to 128 filters times the width. *Dense GAN*: a generator
100-256-512-1024-784 with LeakyReLU and BatchNorm, a discriminator 784-784-392-1; it learns from half a batch of each
kind. *Generator alone*: from noise to a numpy array, `is_train=False`.
- *Memory* is the highest that the process reached, above what it held when its library was imported.
- *Share of the rate*: the multiplications and additions that the loop asks for, counted from the layers' shapes with
their padding, over its seconds; divided by the rate of a product of large float32 matrices in the same round. Where
torch convolves faster than it multiplies matrices, more than 100 % is possible, so the rate of a large convolution
without padding stands there too; and where a convolution is computed with fewer multiplications than it has.
- *Growth*: the slope of seconds against GFLOP, both as logarithms.

{growth}"""


def markdown(titles, lines):
    """A table; a bar would end a cell."""
    lines = [[str(cell).replace("|", "/") for cell in line] for line in (titles, ["---"] * len(titles), *lines)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def described(machine):
    """What was measured on, in a few sentences."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (f"{machine['date']}: {machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads, "
            f"{machine['gpu'] or 'no GPU'}; {versions}. Load average {machine['load_before'][0]:.2f} before and "
            f"{machine['load_after'][0]:.2f} after; other programs kept {machine['others']:.2f} cores busy meanwhile.")


def absences(results):
    """Who could not take part in what, a line for each reason."""
    reasons = {}
    for name, result in results["contests"].items():
        for who, why in result["absent"].items():
            places, names = reasons.setdefault(why, ({}, {}))
            places[RACES[name][0] if name in RACES else name], names[who] = True, True
    return [f"Absent: {', '.join(names)}, from {'; '.join(places)} ({why})" for why, (places, names) in reasons.items()]


def growth_table(result):
    """What was measured of the growth, a line for each point."""
    lines = [[name, f"{result['gflop'][name]:.3g}", contest.spread(seconds)]
             for name, seconds in result["seconds"].items()]
    return markdown(["work", "GFLOP", "seconds: median [range]"], lines)


def text(results, picture):
    """The page; `picture` is where its picture lies, as seen from it."""
    contests = results["contests"]
    found = rows(contests)
    written = PAGE.format(
        machine=described(results["machine"]), table=markdown(TITLES, [row.cells() for row in found]),
        warnings="".join(f"**Warning:** {warning}.\n\n" for warning in results["warnings"]),
        absent="".join(f"- {line}\n" for line in absences(results)) + "\n" * bool(absences(results)),
        rounds=results["settings"]["rounds"], picture=picture,
        growth=growth_table(contests["growth"]) if "growth" in contests else "")
    return "\n".join(unwrapped(written.strip().splitlines())) + "\n"


def unwrapped(lines):
    """Paragraphs and items of a list on one line each, as in all pages here."""
    found = [""]
    for line in lines:
        if line[:2].strip() and line[0] not in "-|!#" and found[-1] and found[-1][0] not in "|#":
            found[-1] += " " + line
        else:
            found.append(line)
    return found[1:]


# -------------------------------------------------------------------------------------------------- the picture

def draw(results, path):
    """Write the picture, a PNG: ratios as bars with their targets, and the growth with its fitted line."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(14, 7), width_ratios=[3, 2], layout="constrained")
    draw_ratios(left, [row for row in rows(results["contests"]) if row.values and row.target.sign == "≥"
                       and row.target.unit == "x"])
    if len(results["contests"].get("growth", {}).get("seconds", ())) > 1:
        draw_growth(right, results["contests"]["growth"])
    else:
        right.set_axis_off()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def draw_ratios(axes, found):
    """How many times as fast as its peers ganmod is: bars with the range of the rounds, and marks for the targets."""
    axes.set_title("times as fast as …")
    for place, row in enumerate(reversed(found)):
        middle = statistics.median(row.values)
        axes.barh(place, middle, color="C0", height=0.7,
                  xerr=[[middle - min(row.values)], [max(row.values) - middle]], capsize=3)
        if row.beside:
            axes.plot(statistics.median(row.beside), place, "o", color="black", markersize=4)
        if row.target.number is not None:
            axes.plot([row.target.number] * 2, [place - 0.45, place + 0.45], color="C3", linewidth=2)
    axes.set_yticks(range(len(found)), [f"{row.work}\n{row.against}" for row in reversed(found)], fontsize=7)
    axes.axvline(1, color="gray", linewidth=0.8)
    axes.set_xlabel("bars: ganmod, with the range of the rounds; dots: its classic loop; red: the target")


def draw_growth(axes, result):
    """Seconds of an iteration against its GFLOP, and the line through them."""
    gflop = [result["gflop"][name] for name in result["seconds"]]
    seconds = [statistics.median(found) for found in result["seconds"].values()]
    ranges = [[middle - min(found) for middle, found in zip(seconds, result["seconds"].values())],
              [max(found) - middle for middle, found in zip(seconds, result["seconds"].values())]]
    exponent, factor = growth.fit(gflop, seconds)
    axes.errorbar(gflop, seconds, ranges, fmt="o", capsize=3)
    ends = [min(gflop), max(gflop)]
    axes.plot(ends, [factor * x**exponent for x in ends], color="C3",
              label=f"{factor:.2g} s · GFLOP^{exponent:.3f}")
    axes.set(xscale="log", yscale="log", xlabel="GFLOP of an iteration", ylabel="seconds",
             title="growth of the DCGAN loop's cost")
    axes.legend()
