"""LeNet with batch normalisation and dropout switched off, by fit over two contexts."""
import sys
import zlib

import mxnet as mx
import numpy as np


class Repeatable(mx.init.Xavier):
    def _init_weight(self, name, arr):
        rng = np.random.RandomState(zlib.crc32(str(name).encode()) % 2 ** 31)
        arr[:] = rng.normal(0, 0.1, arr.shape)


digits = np.load(sys.argv[1])
images = digits["x"].reshape(-1, 1, 8, 8)
train = mx.io.NDArrayIter({"data": images[:400]}, {"softmax_label": digits["y"][:400]}, batch_size=40)
test = mx.io.NDArrayIter(images[400:600], digits["y"][400:600], batch_size=40)

net = mx.sym.Variable("data")
for k, (filters, kernel) in enumerate([(8, (3, 3)), (16, (2, 2))]):
    net = mx.sym.Convolution(net, kernel=kernel, num_filter=filters, name="conv%d" % k)
    net = mx.sym.BatchNorm(net, fix_gamma=False, name="bn%d" % k)
    net = mx.sym.Activation(net, act_type="tanh")
    net = mx.sym.Pooling(net, pool_type="max", kernel=(2, 2), stride=(2, 2))
net = mx.sym.Dropout(mx.sym.Flatten(net), p=0.0)
net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=10, name="fc"), name="softmax")

model = mx.mod.Module(net, context=[mx.cpu(0), mx.cpu(1)])
model.fit(train, num_epoch=2, initializer=Repeatable(), optimizer="sgd",
          optimizer_params=(("learning_rate", 0.05), ("momentum", 0.9)), kvstore="device")
mx.nd.waitall()
result = {"score": model.score(test, "acc"), "weights": {k: v.asnumpy() for k, v in model.get_params()[0].items()}}
