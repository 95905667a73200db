"""A softmax with its loss, written in numpy as a CustomOp."""
import sys
import zlib

import mxnet as mx
import numpy as np


class Softmax(mx.operator.CustomOp):
    def forward(self, is_train, req, in_data, out_data, aux):
        x = in_data[0].asnumpy()
        y = np.exp(x - x.max(axis=1).reshape((x.shape[0], 1)))
        y /= y.sum(axis=1).reshape((x.shape[0], 1))
        self.assign(out_data[0], req[0], mx.nd.array(y))

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        label = in_data[1].asnumpy().ravel().astype(int)
        y = out_data[0].asnumpy()
        y[np.arange(label.shape[0]), label] -= 1.0
        self.assign(in_grad[0], req[0], mx.nd.array(y))


@mx.operator.register("program_softmax")
class SoftmaxProp(mx.operator.CustomOpProp):
    def __init__(self):
        super(SoftmaxProp, self).__init__(need_top_grad=False)

    def list_arguments(self):
        return ["data", "label"]

    def list_outputs(self):
        return ["output"]

    def infer_shape(self, in_shape):
        return [in_shape[0], (in_shape[0][0],)], [in_shape[0]], []

    def create_operator(self, ctx, shapes, dtypes):
        return Softmax()


class Repeatable(mx.init.Initializer):
    def _init_weight(self, name, arr):
        arr[:] = np.random.RandomState(zlib.crc32(str(name).encode()) % 2 ** 31).uniform(-0.1, 0.1, arr.shape)


digits = np.load(sys.argv[1])
train = mx.io.NDArrayIter(digits["x"][:400].reshape(-1, 64), digits["y"][:400], batch_size=40)
net = mx.sym.FullyConnected(mx.sym.Variable("data"), name="fc1", num_hidden=32)
net = mx.sym.FullyConnected(mx.sym.Activation(net, act_type="relu"), name="fc2", num_hidden=10)
net = mx.sym.Custom(data=net, name="softmax", op_type="program_softmax")
model = mx.mod.Module(net, context=mx.cpu(0))
model.fit(train, num_epoch=3, initializer=Repeatable(), optimizer="sgd",
          optimizer_params={"learning_rate": 0.1, "momentum": 0.9})
train.reset()
result = {"score": model.score(train, ["acc", "ce"]), "arguments": net.list_arguments()}
