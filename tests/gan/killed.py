"""A small GAN that trains in a process of its own, is killed again and again, and goes on: run by test_session.py.

    killed.py FOLDER KILLS SEED CONTEXTS

Trains once without interruption, then in processes that are killed at random moments; prints in JSON whether both came
to the same parameters, and how often a checkpoint was found.
"""
import json
import os
import pathlib
import random
import signal
import sys
import time

import numpy as np
import torch

import ganmod as mx

STEPS = 24


def parts(contexts):
    generator = mx.sym.FullyConnected(mx.sym.Variable("rand"), num_hidden=6, name="g1")
    generator = mx.sym.Activation(mx.sym.BatchNorm(generator, fix_gamma=False, name="gbn"), act_type="relu", name="ga")
    generator = mx.mod.Module(mx.sym.FullyConnected(generator, num_hidden=2, name="g2"), ["rand"], None,
                              context=contexts)
    critic = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=6, name="d1")
    critic = mx.sym.Dropout(mx.sym.LeakyReLU(critic, name="da"), p=0.3, name="dd")
    critic = mx.sym.LogisticRegressionOutput(mx.sym.FullyConnected(critic, num_hidden=1, name="d2"),
                                             mx.sym.Variable("label"), name="out")
    critic = mx.mod.Module(critic, ["data"], ["label"], context=contexts)
    generator.bind([("rand", (4, 3))])
    critic.bind([("data", (4, 2))], [("label", (4,))], inputs_need_grad=True)
    for module in (generator, critic):
        module.init_params(mx.init.Normal(0.5))
        module.init_optimizer(optimizer="adam", optimizer_params={
            "learning_rate": 0.05, "lr_scheduler": mx.lr_scheduler.FactorScheduler(step=5, factor=0.9)})
    images = mx.io.NDArrayIter(np.random.standard_normal((22, 2)), batch_size=4, shuffle=True,
                               last_batch_handle="roll_over")
    return dict(generator=generator, critic=critic, images=images, average=mx.gan.MovingAverage(generator, 0.9))


def train(folder, contexts):
    """To the last step, from where the folder stands; returns all parameters, as bytes."""
    mx.random.seed(1)
    np.random.seed(1)
    run = parts(contexts)
    session = mx.gan.Session(folder, keep=2, **run)
    restored = session.restore()
    step, noise = restored.step if restored else 0, mx.io.RandIter((4, 3))
    generator, critic, images, average = run.values()
    while step < STEPS:
        try:
            batch = images.next()
        except StopIteration:
            images.reset()
            continue
        generator.forward(noise.next(), is_train=True)
        fake = generator.get_outputs()
        for data, label in ((fake, 0), (batch.data, 1)):
            critic.forward(mx.io.DataBatch(data, [mx.nd.full((4,), label)]), is_train=True)
            critic.backward()
            critic.update()
        critic.forward(mx.io.DataBatch(fake, [mx.nd.ones((4,))]), is_train=True)
        critic.backward()
        generator.backward(critic.get_input_grads())
        generator.update()
        average.update()
        step += 1
        if step % 2 == 0:
            session.save(step, loss=random.random())
    modules = (generator, critic, average.module)
    return b"".join(a.asnumpy().tobytes() for m in modules for g in m.get_params() for _, a in sorted(g.items()))


def main():
    folder, kills, seed, contexts = pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:])
    contexts = [mx.cpu(k) for k in range(contexts)]
    start = time.monotonic()
    expected = train(folder / "whole", contexts)
    took, chance, found = time.monotonic() - start, random.Random(seed), []
    result = folder / "result"
    while not result.exists():
        child = os.fork()
        if child == 0:
            made = train(folder / "killed", contexts)
            result.with_suffix(".new").write_bytes(made)
            os.rename(result.with_suffix(".new"), result)
            os._exit(0)
        if len(found) < kills:
            time.sleep(chance.uniform(0.3, 1) * took / 4)
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found.append(len(mx.gan.Session(folder / "killed").checkpoints()))
        if len(found) < kills:
            result.unlink(missing_ok=True)
    print(json.dumps({"same": result.read_bytes() == expected, "found": found}))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
