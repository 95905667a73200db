"""A language model over sentences of several lengths: LSTM cells unrolled for each bucket, one set of parameters."""
import random
import zlib

import mxnet as mx
import numpy as np


class Repeatable(mx.init.Initializer):
    def _init_weight(self, name, arr):
        arr[:] = np.random.RandomState(zlib.crc32(str(name).encode()) % 2 ** 31).uniform(-0.2, 0.2, arr.shape)

    def _init_default(self, name, arr):
        self._init_weight(name, arr)


rng = np.random.RandomState(0)
sentences = []
for _ in range(160):                                    # each word follows from the one before, mostly
    words = [rng.randint(1, 12)]
    while len(words) < rng.choice([5, 8]):
        words.append((words[-1] * 3 + 1) % 11 + 1 if rng.rand() < 0.9 else rng.randint(1, 12))
    sentences.append(words)
mx.random.seed(1)
np.random.seed(1)
random.seed(1)
batches = mx.rnn.BucketSentenceIter(sentences, batch_size=16, buckets=[5, 8], invalid_label=0)

stack = mx.rnn.SequentialRNNCell()
stack.add(mx.rnn.LSTMCell(num_hidden=16, prefix="lstm_l0_"))
stack.add(mx.rnn.LSTMCell(num_hidden=16, prefix="lstm_l1_"))


def sym_gen(seq_len):
    data, label = mx.sym.Variable("data"), mx.sym.Variable("softmax_label")
    embed = mx.sym.Embedding(data=data, input_dim=12, output_dim=8, name="embed")
    stack.reset()
    outputs, _ = stack.unroll(seq_len, inputs=embed, merge_outputs=True)
    pred = mx.sym.FullyConnected(mx.sym.Reshape(outputs, shape=(-1, 16)), num_hidden=12, name="pred")
    return mx.sym.SoftmaxOutput(pred, mx.sym.Reshape(label, shape=(-1,)), name="softmax"), ("data",), ("softmax_label",)


model = mx.mod.BucketingModule(sym_gen=sym_gen, default_bucket_key=batches.default_bucket_key, context=mx.cpu())
perplexity, history = mx.metric.Perplexity(0), []
model.bind(batches.provide_data, batches.provide_label)
model.init_params(Repeatable())
model.init_optimizer(optimizer="sgd", optimizer_params={"learning_rate": 0.5, "momentum": 0.5})
for epoch in range(3):
    batches.reset()
    perplexity.reset()
    for batch in sorted(batches, key=lambda b: (b.bucket_key, b.data[0].asnumpy().tolist())):
        model.forward(batch, is_train=True)
        model.update_metric(perplexity, batch.label)
        model.backward()
        model.update()
    history.append(perplexity.get()[1])
result = {"history": history, "buckets": sorted(model._buckets)}
