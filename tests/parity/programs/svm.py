"""A linear support vector machine and one with a squared hinge, by fit."""
import sys

import mxnet as mx
import numpy as np

digits = np.load(sys.argv[1])
x, y = digits["x"].reshape(-1, 64), digits["y"]
result = {}
for use_linear in (True, False):
    train = mx.io.NDArrayIter(x[:600], y[:600], batch_size=30, label_name="svm_label")
    test = mx.io.NDArrayIter(x[600:900], y[600:900], batch_size=30, label_name="svm_label")
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=10, name="fc")
    net = mx.sym.SVMOutput(net, name="svm", use_linear=use_linear, regularization_coefficient=0.5)
    model = mx.mod.Module(net, label_names=["svm_label"])
    model.fit(train, num_epoch=3, initializer=mx.init.Constant(0.01), optimizer="adagrad",
              optimizer_params={"learning_rate": 0.1})
    result[str(use_linear)] = {"score": model.score(test, "acc"),
                               "weight": model.get_params()[0]["fc_weight"].asnumpy()}
