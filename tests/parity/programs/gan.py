"""The adversarial loop over points of a circle, both networks on two contexts."""
import zlib

import mxnet as mx
import numpy as np

batch_size, ctx = 32, [mx.cpu(0), mx.cpu(1)]


class Repeatable(mx.init.Initializer):
    def _init_weight(self, name, arr):
        arr[:] = np.random.RandomState(zlib.crc32(str(name).encode()) % 2 ** 31).normal(0, 0.3, arr.shape)


def network(inputs, sizes, prefix):
    net = mx.sym.Variable(inputs)
    for k, size in enumerate(sizes):
        net = mx.sym.FullyConnected(net, num_hidden=size, name="%sfc%d" % (prefix, k))
        if k + 1 < len(sizes):
            net = mx.sym.LeakyReLU(net, act_type="leaky", slope=0.2)
    return net


generator = mx.mod.Module(network("rand", [24, 24, 2], "g"), data_names=("rand",), label_names=None, context=ctx)
generator.bind(data_shapes=[("rand", (batch_size, 6))])
loss = mx.sym.LogisticRegressionOutput(network("data", [24, 24, 1], "d"), mx.sym.Variable("label"), name="dloss")
discriminator = mx.mod.Module(loss, data_names=("data",), label_names=("label",), context=ctx)
discriminator.bind(data_shapes=[("data", (batch_size, 2))], label_shapes=[("label", (batch_size,))],
                   inputs_need_grad=True)
for module in (generator, discriminator):
    module.init_params(initializer=Repeatable())
    module.init_optimizer(optimizer="sgd", optimizer_params={"learning_rate": 0.2})

rng, accuracies = np.random.RandomState(7), []


def facc(label, pred):
    return ((pred.ravel() > 0.5) == label.ravel()).mean()


metric = mx.metric.CustomMetric(facc)
for step in range(25):
    angle = rng.uniform(0, 2 * np.pi, batch_size)
    real = mx.io.DataBatch([mx.nd.array(np.stack([np.cos(angle), np.sin(angle)], 1))], None)
    generator.forward(mx.io.DataBatch([mx.nd.array(rng.normal(size=(batch_size, 6)))], None), is_train=True)
    fake = generator.get_outputs()
    label = mx.nd.zeros((batch_size,))
    discriminator.forward(mx.io.DataBatch(fake, [label]), is_train=True)
    discriminator.backward()
    kept = [[g.copyto(g.context) for g in grads] for grads in discriminator._exec_group.grad_arrays]
    discriminator.update_metric(metric, [label])
    label[:] = 1
    real.label = [label]
    discriminator.forward(real, is_train=True)
    discriminator.backward()
    discriminator.update_metric(metric, [label])
    for grads, others in zip(discriminator._exec_group.grad_arrays, kept):
        for grad, other in zip(grads, others):
            grad += other
    discriminator.update()
    discriminator.forward(mx.io.DataBatch(fake, [label]), is_train=True)
    discriminator.backward()
    generator.backward(discriminator.get_input_grads())
    generator.update()
    accuracies.append(metric.get()[1])
result = {"accuracies": accuracies, "fake": fake[0].asnumpy(),
          "weights": {k: v.asnumpy() for m in (generator, discriminator) for k, v in m.get_params()[0].items()}}
