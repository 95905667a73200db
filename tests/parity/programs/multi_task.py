"""Two tasks on one body: which digit, and whether it is odd; two labels, a metric of one's own for each."""
import sys
import zlib

import mxnet as mx
import numpy as np


class TaskAccuracy(mx.metric.EvalMetric):
    def __init__(self):
        super(TaskAccuracy, self).__init__("task-accuracy")

    def reset(self):
        self.hits, self.count = np.zeros(2), 0

    def update(self, labels, preds):
        for k in range(2):
            self.hits[k] += (preds[k].asnumpy().argmax(1) == labels[k].asnumpy()).sum()
        self.count += labels[0].shape[0]

    def get(self):
        return ["digit", "odd"], list(self.hits / max(self.count, 1))


class Repeatable(mx.init.Initializer):
    def _init_weight(self, name, arr):
        arr[:] = np.random.RandomState(zlib.crc32(str(name).encode()) % 2 ** 31).uniform(-0.2, 0.2, arr.shape)


digits = np.load(sys.argv[1])
labels = {"digit_label": digits["y"][:500], "odd_label": digits["y"][:500] % 2}
batches = mx.io.NDArrayIter({"data": digits["x"][:500].reshape(-1, 64)}, labels, batch_size=25)

body = mx.sym.Activation(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=40, name="body"), act_type="tanh")
digit = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(body, num_hidden=10), name="digit")
odd = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(body, num_hidden=2), name="odd", grad_scale=0.5)
net = mx.sym.Group([digit, odd])

model = mx.mod.Module(net, label_names=["digit_label", "odd_label"])
model.bind(batches.provide_data, batches.provide_label)
model.init_params(Repeatable())
model.init_optimizer(optimizer="nag", optimizer_params={"learning_rate": 0.2, "momentum": 0.8})
metric, history = TaskAccuracy(), []
for epoch in range(3):
    batches.reset()
    metric.reset()
    for batch in batches:
        model.forward_backward(batch)
        model.update()
        model.update_metric(metric, batch.label)
    history.append(metric.get()[1])
result = {"history": history, "names": metric.get()[0], "outputs": [o.asnumpy() for o in model.get_outputs()]}
