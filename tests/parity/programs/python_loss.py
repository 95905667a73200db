"""A loss in numpy behind a network, through SequentialModule and PythonLossModule: a multi-class hinge loss."""
import sys
import zlib

import mxnet as mx
import numpy as np


class Repeatable(mx.init.Initializer):
    def _init_weight(self, name, arr):
        arr[:] = np.random.RandomState(zlib.crc32(str(name).encode()) % 2 ** 31).uniform(-0.1, 0.1, arr.shape)


def hinge_gradient(scores, labels):
    scores, labels = scores.asnumpy(), labels.asnumpy().astype(int)
    n = len(labels)
    violated = 1 + scores - scores[np.arange(n), labels][:, None] > 0
    gradient = violated.astype("float32")
    gradient[np.arange(n), labels] = 0
    gradient[np.arange(n), labels] = -gradient.sum(1)
    return mx.nd.array(gradient)


digits = np.load(sys.argv[1])
batches = mx.io.NDArrayIter(digits["x"][:400].reshape(-1, 64), digits["y"][:400], batch_size=40)

net = mx.sym.FullyConnected(mx.sym.Variable("data"), name="fc1", num_hidden=32)
net = mx.sym.Activation(net, name="relu1", act_type="relu")
net = mx.sym.FullyConnected(net, name="fc2", num_hidden=10)
model = mx.mod.SequentialModule()
model.add(mx.mod.Module(net, label_names=[]))
model.add(mx.mod.PythonLossModule(grad_func=hinge_gradient), take_labels=True, auto_wiring=True)
model.bind(batches.provide_data, batches.provide_label)
model.init_params(Repeatable())
model.init_optimizer(optimizer="sgd", optimizer_params={"learning_rate": 0.05})
history = []
for epoch in range(3):
    batches.reset()
    right = 0
    for batch in batches:
        model.forward(batch, is_train=True)
        right += int((model.get_outputs()[0].asnumpy().argmax(1) == batch.label[0].asnumpy()).sum())
        model.backward()
        model.update()
    history.append(right)
result = {"history": history, "weights": {k: v.asnumpy() for k, v in model.get_params()[0].items()}}
