"""An autoencoder, its hidden layer read through get_internals and a second module that shares the parameters."""
import sys
import zlib

import mxnet as mx
import numpy as np

digits = np.load(sys.argv[1])
x = digits["x"][:300].reshape(-1, 64)
batches = mx.io.NDArrayIter({"data": x}, {"target": x}, batch_size=30)

data, target = mx.sym.Variable("data"), mx.sym.Variable("target")
code = mx.sym.Activation(mx.sym.FullyConnected(data, num_hidden=12, name="encode"), act_type="sigmoid", name="code")
out = mx.sym.FullyConnected(code, num_hidden=64, name="decode")
net = mx.sym.LinearRegressionOutput(out, target, name="loss")

model = mx.mod.Module(net, data_names=["data"], label_names=["target"])
model.bind(batches.provide_data, batches.provide_label)
shapes = dict(zip(net.list_arguments(), net.infer_shape(data=(30, 64))[0]))
start = {name: mx.nd.array(np.random.RandomState(zlib.crc32(name.encode()) % 2 ** 31).normal(0, 0.1, shapes[name]))
         for name in model._param_names}
model.init_params(mx.init.Zero(), arg_params=start, aux_params={}, allow_missing=True)
model.init_optimizer(optimizer="adam", optimizer_params={"learning_rate": 0.01})
metric = mx.metric.create("rmse")
history = []
for epoch in range(4):
    batches.reset()
    metric.reset()
    for batch in batches:
        model.forward(batch)
        model.update_metric(metric, batch.label)
        model.backward()
        model.update()
    history.append(metric.get()[1])

encoder = mx.mod.Module(net.get_internals()["code_output"], label_names=None)
encoder.bind([("data", (30, 64))], for_training=False)
encoder.set_params(model.get_params()[0], model.get_params()[1], allow_extra=True)
batches.reset()
result = {"history": history, "codes": encoder.predict(batches).asnumpy()}
