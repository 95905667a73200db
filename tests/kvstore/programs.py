"""What the workers of the distributed tests do: ``python -m tests.kvstore.programs NAME FOLDER``.

Each writes what it found to ``FOLDER/RANK.npz``.
"""
import os
import pathlib
import signal
import sys
import time

import numpy as np

import ganmod as mx
from ganmod.kvstore import workers

BATCH, STEPS = 4, 5                                # samples of one worker, updates
RANK, WORKERS = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def network():
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=6, name="fc1")
    net = mx.sym.Activation(net, act_type="tanh")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=3, name="fc2"), name="softmax")


def batches(workers, steps=STEPS):
    """The batches of all workers together."""
    rng = np.random.RandomState(3)
    return [(rng.standard_normal((workers * BATCH, 5)).astype("float32"),
             rng.randint(0, 3, workers * BATCH).astype("float32")) for _ in range(steps)]


def started(samples, kvstore, seed, optimizer="sgd", context=None, **settings):
    module = mx.mod.Module(network(), context=context or mx.cpu())
    module.bind([("data", (samples, 5))], [("softmax_label", (samples,))])
    mx.random.seed(seed)
    module.init_params(mx.init.Normal(0.5))
    module.init_optimizer(kvstore=kvstore, optimizer=optimizer, optimizer_params={"learning_rate": 0.2, **settings})
    return module


def trained(module, steps):
    for data, label in steps:
        module.forward_backward(mx.io.DataBatch([mx.nd.array(data)], [mx.nd.array(label)]))
        module.update()
    return {name: array.asnumpy() for name, array in module.get_params()[0].items()}


def train(kvstore="dist_sync", **settings):
    """Each worker on its part of each batch; the workers' first parameters differ."""
    module = started(BATCH, kvstore, seed=RANK, **settings)
    part = slice(RANK * BATCH, (RANK + 1) * BATCH)
    found = trained(module, [(data[part], label[part]) for data, label in batches(WORKERS)])
    return {**found, "rescale": module._optimizer.rescale_grad, "type": module._kvstore.type}


TRAININGS = {                                      # the kvstore's type, and settings
    "momentum": ("dist_sync", {"momentum": 0.9, "wd": 0.01}),
    "adam": ("dist_device_sync", {"optimizer": "adam"}),
    "devices": ("dist_sync", {"context": [mx.cpu(0), mx.cpu(1)]}),
    "async": ("dist_async", {}),
}


def training(folder):
    return {f"{name} {key}": value for name, (kvstore, settings) in TRAININGS.items()
            for key, value in train(kvstore, **settings).items()}


def store(folder):
    """The calls of a store, one after another."""
    kv = mx.kv.create("dist_sync")
    found = {"rank": kv.rank, "workers": kv.num_workers}
    mine = mx.nd.ones((2, 3)) * (kv.rank + 1)
    kv.init(["a", "b", "c"], [mine, mine * 10, mx.nd.zeros((4,), dtype="float64")])
    values = [mx.nd.zeros((2, 3)), mx.nd.zeros((2, 3)), mx.nd.zeros((4,), dtype="float64")]
    kv.pull(["a", "b", "c"], out=values)
    found.update(a=values[0].asnumpy(), b=values[1].asnumpy(), c=values[2].asnumpy())
    calls = []
    original = kv._workers.all_reduce
    kv._workers.all_reduce = lambda tensor: (calls.append(tensor.numel()), original(tensor))
    kv.pushpull(["a", "b", "c"], [[mine, mine], [mine], mx.nd.ones((4,), dtype="float64")], out=values)
    found.update(pushed_a=values[0].asnumpy(), pushed_b=values[1].asnumpy(), pushed_c=values[2].asnumpy(),
                 calls=list(calls))
    kv.set_updater(lambda key, total, value: value.__iadd__(total * 2))
    kv.pushpull("a", mine, out=values[0])
    kv.barrier()
    return {**found, "updated_a": values[0].asnumpy()}


def compression(folder):
    found = {}
    for kind in ("2bit", "fp16", "bf16"):
        kv = mx.kv.create("dist_sync")
        kv.set_gradient_compression({"type": kind})
        kv.init(0, mx.nd.zeros((5,)))
        out = mx.nd.zeros((5,))
        for step in range(3):
            kv.pushpull(0, mx.nd.array([0.3, 0.6, -1.3, 0.1, 0.26 * kv.rank]), out=out)
            found[f"{kind}{step}"] = out.asnumpy()
    return found


def checkpoints(module, folder, steps=1_000_000):
    """Train, and let worker 0 write a checkpoint after every update."""
    for step in range(steps):
        trained(module, batches(1, 1))
        if RANK == 0:
            module.save_checkpoint(str(folder / "run"), 0, save_optimizer_states=True)
        yield step


def dies(folder):
    """The last worker is killed in its third step."""
    for step in checkpoints(started(BATCH, "dist_sync", seed=0, momentum=0.9), folder):
        if step == 2 and RANK == WORKERS - 1:
            os.kill(os.getpid(), signal.SIGKILL)


def stops(folder):
    """The last worker stands still, as one whose machine is switched off."""
    workers.BEAT, workers.SILENCE = 0.5, 5.0               # 3 and 40, not to wait that long here
    for step in checkpoints(started(BATCH, "dist_sync", seed=0, momentum=0.9), folder):
        if step == 2 and RANK == WORKERS - 1:
            os.kill(os.getpid(), signal.SIGSTOP)


def slow(folder):
    """Worker 0 is busy for longer than workers may be silent."""
    workers.BEAT, workers.SILENCE = 0.2, 2.0
    kv = mx.kv.create("dist_sync")
    if RANK == 0:
        time.sleep(5)
    kv.barrier()
    return {"done": 1}


if __name__ == "__main__":
    place = pathlib.Path(sys.argv[2])
    result = globals()[sys.argv[1]](place)
    np.savez(place / f"{RANK}.npz", **result)
