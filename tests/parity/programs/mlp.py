"""A multi-layer perceptron by Module.fit, with a schedule, a metric of several parts, and callbacks."""
import logging
import sys
import zlib

import mxnet as mx
import numpy as np


class Repeatable(mx.init.Initializer):
    """The same weights in every run: numbers from a generator that is seeded by the name."""

    def _init_weight(self, name, arr):
        rng = np.random.RandomState(zlib.crc32(str(name).encode()) % 2 ** 31)
        arr[:] = rng.uniform(-0.1, 0.1, arr.shape)


digits = np.load(sys.argv[1])
train = mx.io.NDArrayIter(digits["x"][:800], digits["y"][:800], batch_size=50)
test = mx.io.NDArrayIter(digits["x"][800:1000], digits["y"][800:1000], batch_size=50)

data = mx.sym.var("data")
fc1 = mx.sym.FullyConnected(data=mx.sym.flatten(data), num_hidden=64, name="fc1")
act1 = mx.sym.Activation(data=fc1, act_type="relu", name="relu1")
fc2 = mx.sym.FullyConnected(data=act1, num_hidden=32, name="fc2")
act2 = mx.sym.Activation(data=fc2, act_type="relu", name="relu2")
fc3 = mx.sym.FullyConnected(data=act2, num_hidden=10, name="fc3")
mlp = mx.sym.SoftmaxOutput(data=fc3, name="softmax")

seen = []
logging.getLogger().setLevel(logging.WARNING)
model = mx.mod.Module(symbol=mlp, context=mx.cpu())
model.fit(train, eval_data=test, optimizer="sgd", initializer=Repeatable(),
          optimizer_params={"learning_rate": 0.1, "momentum": 0.9, "wd": 1e-4,
                            "lr_scheduler": mx.lr_scheduler.FactorScheduler(step=20, factor=0.9)},
          eval_metric=["acc", "ce", mx.metric.TopKAccuracy(top_k=3)], num_epoch=3,
          batch_end_callback=lambda param: seen.append(param.eval_metric.get_name_value()[1]),
          eval_end_callback=lambda param: seen.append(param.eval_metric.get_name_value()))
result = {"score": model.score(test, ["acc", "ce"]), "seen": seen, "predicted": model.predict(test).asnumpy()}
