#!/usr/bin/env python3
"""What an operator costs beside the torch call under it: the 40 that programs use most, on small and on large arrays.

    python benchmarks/operators.py
    python benchmarks/operators.py --rounds 21 --only dot softmax --json result.json

For each operator ``mx.nd.X`` and the torch call that does its work, on the same tensors, take turns: a round times one
and then the other, in an order that alternates, each for about ``--turn`` milliseconds, so that whatever else the
machine does falls on both. The medians over the rounds are shown, and the median of the ratios within a round. On small
arrays the difference is what Python does around the call: the parsing of attributes, the checks of shapes and dtypes,
a result in memory of its own. On large ones nothing of it should be left, and the ratio is 1.

Where MXNet's operator copies (``Reshape``, ``transpose``, ``slice``), the torch call copies too.
"""
from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
import statistics
import sys
import time
from typing import Any, Callable, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import ganmod as mx  # noqa: E402


class Case(NamedTuple):
    """An operator: the shapes of its small and of its large inputs, the call, and torch's."""

    name: str
    small: tuple[tuple[int, ...], ...]
    large: tuple[tuple[int, ...], ...]
    attributes: dict[str, Any]
    direct: Callable[..., Any]


def fresh(tensor: Tensor) -> Tensor:
    """A copy in memory of its own."""
    return tensor.clone(memory_format=torch.contiguous_format)


TINY, WIDE = (4, 6), (512, 4096)
IMAGE, IMAGES = (2, 4, 8, 8), (32, 64, 56, 56)


def one(name: str, direct: Callable[..., Any], small: tuple[int, ...] = TINY, large: tuple[int, ...] = WIDE,
        **attributes: Any) -> Case:
    """A case of one input."""
    return Case(name, (small,), (large,), attributes, direct)


def two(name: str, direct: Callable[..., Any], *, second: Any = None, **attributes: Any) -> Case:
    """A case of two inputs of one shape, or with a second one of few elements."""
    few, many = second or (TINY, WIDE)
    return Case(name, (TINY, few), (WIDE, many), attributes, direct)


def norm(x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    """Batch normalisation by running statistics, with a gamma of 1, which is MXNet's default."""
    return F.batch_norm(x, mean, var, torch.ones_like(gamma), beta, False, 0.9, 1e-3)


CASES = [
    Case("FullyConnected", ((4, 6), (5, 6), (5,)), ((256, 1024), (1024, 1024), (1024,)), dict(num_hidden=0), F.linear),
    one("Activation", torch.relu, act_type="relu"),
    Case("SoftmaxOutput", (TINY, (4,)), ((512, 1000), (512,)), {}, lambda x, _: torch.softmax(x, 1)),
    Case("Convolution", (IMAGE, (3, 4, 3, 3), (3,)), ((8, 64, 56, 56), (64, 64, 3, 3), (64,)),
         dict(kernel=(3, 3), pad=(1, 1), num_filter=0), lambda x, w, b: F.conv2d(x, w, b, padding=1)),
    one("Pooling", lambda x: F.max_pool2d(x, 2, 2), IMAGE, IMAGES, kernel=(2, 2), stride=(2, 2), pool_type="max"),
    Case("BatchNorm", (IMAGE, *[(4,)] * 4), (IMAGES, *[(64,)] * 4), {}, norm),
    one("Flatten", lambda x: fresh(x.flatten(1)), IMAGE, IMAGES),
    two("Concat", lambda x, y: torch.cat([x, y], 1), dim=1),
    one("Dropout", fresh, p=0.5),
    Case("Embedding", ((4,), (10, 6)), ((4096,), (1000, 512)), dict(input_dim=0, output_dim=0),
         lambda x, w: F.embedding(x.long(), w)),
    one("Reshape", lambda x: fresh(x.reshape(-1)), shape=(-1,)),
    two("LinearRegressionOutput", lambda x, _: fresh(x)),
    one("sum", lambda x: x.sum(1), axis=1),
    one("MakeLoss", fresh),
    one("transpose", lambda x: fresh(x.t())),
    one("SliceChannel", lambda x: [fresh(part) for part in x.chunk(2, 1)], num_outputs=2),
    one("LeakyReLU", lambda x: F.leaky_relu(x, 0.25), act_type="leaky"),
    Case("Deconvolution", (IMAGE, (4, 3, 4, 4)), ((8, 64, 28, 28), (64, 32, 4, 4)),
         dict(kernel=(4, 4), stride=(2, 2), pad=(1, 1), num_filter=0),
         lambda x, w: F.conv_transpose2d(x, w, stride=2, padding=1)),
    one("Cast", lambda x: x.to(torch.float64), dtype="float64"),
    Case("dot", ((4, 6), (6, 5)), ((512, 512), (512, 512)), {}, torch.mm),
    one("square", torch.square),
    two("broadcast_mul", torch.mul, second=((1, 6), (1, 4096))),
    one("log", torch.log),
    two("LogisticRegressionOutput", lambda x, _: torch.sigmoid(x)),
    two("broadcast_add", torch.add, second=((1, 6), (1, 4096))),
    one("BlockGrad", fresh),
    two("elemwise_add", torch.add),
    one("softmax", lambda x: torch.softmax(x, -1)),
    one("exp", torch.exp),
    one("mean", lambda x: x.mean(1), axis=1),
    one("identity", fresh),
    one("expand_dims", lambda x: fresh(x.unsqueeze(1)), axis=1),
    one("smooth_l1", lambda x: F.smooth_l1_loss(x, torch.zeros_like(x), reduction="none"), scalar=1.0),
    one("slice", lambda x: fresh(x[1:, 2:-1]), begin=(1, 2), end=(None, -1)),
    one("abs", torch.abs),
    one("broadcast_to", lambda x: fresh(x.expand(8, -1)), (1, 6), (1, 262144), shape=(8, 0)),
    one("sin", torch.sin),
    one("clip", lambda x: x.clamp(-0.5, 0.5), a_min=-0.5, a_max=0.5),
    one("sqrt", torch.sqrt),
    Case("batch_dot", ((2, 4, 6), (2, 6, 5)), ((16, 256, 256), (16, 256, 256)), {}, torch.bmm),
]


def inputs(case: Case, shapes: tuple[tuple[int, ...], ...]) -> list[Tensor]:
    """Positive numbers in those shapes; for an embedding the first ones are whole."""
    generator = torch.Generator().manual_seed(0)
    made = [torch.rand(shape, generator=generator) + 0.1 for shape in shapes]
    if case.name == "Embedding":
        made[0] = ((made[0] - 0.1) * shapes[1][0]).floor()
    return made


def attributes_for(case: Case, shapes: tuple[tuple[int, ...], ...]) -> dict[str, Any]:
    """The attributes, those that are 0 read from the weight's shape."""
    weight = shapes[min(1, len(shapes) - 1)]
    sizes = {"num_hidden": weight[0], "num_filter": weight[1 if case.name == "Deconvolution" else 0],
             "input_dim": weight[0], "output_dim": weight[-1]}
    return {key: sizes[key] if key in sizes else value for key, value in case.attributes.items()}


def calls(case: Case, shapes: tuple[tuple[int, ...], ...]) -> list[Callable[[], Any]]:
    """The operator and the torch call, each without arguments."""
    tensors, attributes = inputs(case, shapes), attributes_for(case, shapes)
    arrays = [mx.nd.from_torch(t) for t in tensors]
    function = getattr(mx.nd, case.name)
    return [lambda: function(*arrays, **attributes), lambda: case.direct(*tensors)]


def seconds(call: Callable[[], Any], repeat: int) -> float:
    """How long a call takes, of `repeat` in a row."""
    start = time.perf_counter()
    for _ in range(repeat):
        call()
    return (time.perf_counter() - start) / repeat


def measure(case: Case, shapes: tuple[tuple[int, ...], ...], rounds: int, turn: float) -> dict[str, float]:
    """Medians of both calls in microseconds, and of the ratio."""
    both = calls(case, shapes)
    for ours, theirs in zip(flat(both[0]()), flat(both[1]())):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    repeat = max(1, int(turn / max(seconds(both[0], 3), 1e-7)))
    taken: list[list[float]] = [[], []]
    for number in range(rounds):
        for which in ((0, 1), (1, 0))[number % 2]:
            taken[which].append(seconds(both[which], repeat))
    return {"ganmod": statistics.median(taken[0]) * 1e6, "torch": statistics.median(taken[1]) * 1e6,
            "ratio": statistics.median(a / b for a, b in zip(*taken))}


def flat(result: Any) -> list[Tensor]:
    """The tensors of a result."""
    results = result if isinstance(result, (list, tuple)) else [result]
    return [r.as_torch() if isinstance(r, mx.nd.NDArray) else r for r in results]


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11, metavar="N", help="how many turns each (default 11)")
    parser.add_argument("--turn", type=float, default=5.0, metavar="MS", help="milliseconds of a turn (default 5)")
    parser.add_argument("--threads", type=int, default=1, help="torch's threads (default 1)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these operators alone")
    parser.add_argument("--json", type=pathlib.Path, help="where to write the numbers")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {platform.processor() or platform.machine()}, {os.cpu_count()} cores, load "
          f"{os.getloadavg()[0]:.1f}, {options.threads} thread(s); microseconds a call")
    print(f"{'':24} {'small':>8} {'torch':>8} {'more':>7}   {'large':>10} {'torch':>10} {'ratio':>6}")
    result = {}
    for case in CASES:
        if options.only and case.name not in options.only:
            continue
        small, large = (measure(case, shapes, options.rounds, options.turn / 1e3)
                        for shapes in (case.small, case.large))
        result[case.name] = {"small": small, "large": large}
        print(f"{case.name:24} {small['ganmod']:8.1f} {small['torch']:8.1f} {small['ganmod'] - small['torch']:7.1f}   "
              f"{large['ganmod']:10.1f} {large['torch']:10.1f} {large['ratio']:6.2f}", flush=True)
    more = [found["small"]["ganmod"] - found["small"]["torch"] for found in result.values()]
    ratios = [found["large"]["ratio"] for found in result.values()]
    print(f"\n{len(result)} operators: {statistics.median(more):.1f} microseconds more on small arrays (median; "
          f"{max(more):.1f} at most), {statistics.median(ratios):.2f} times torch's time on large ones (median; "
          f"{max(ratios):.2f} at most); load {os.getloadavg()[0]:.1f}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
