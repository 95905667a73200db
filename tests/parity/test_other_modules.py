"""SequentialModule, PythonModule, PythonLossModule and BucketingModule under both libraries."""
import warnings

import pytest

import ganmod
from ganmod.base import InputError, StateError
from tests.parity.oracle import here
from tests.parity.test_fit import data, logged, numbers


def parts(mx):
    """Two networks that fit together."""
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=6, name="fc1")
    body = mx.sym.Activation(mx.sym.BatchNorm(net, name="bn"), act_type="tanh", name="act")
    head = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="fc2")
    return body, mx.sym.SoftmaxOutput(head, name="softmax")


def chain(mx, **contexts):
    body, head = parts(mx)
    net = mx.mod.SequentialModule()
    return net.add(mx.mod.Module(body, label_names=None, **contexts)).add(
        mx.mod.Module(head, **contexts), take_labels=True, auto_wiring=True)


def given(np, mx, module):
    """The same values for a bound module's parameters in both libraries."""
    rng = np.random.RandomState(0)
    args, states = module.get_params()
    return {name: mx.nd.array(rng.uniform(-0.5, 0.5, args[name].shape)) for name in sorted(args)}, states


def values(mx, module):
    mx.nd.waitall()
    return {name: array.asnumpy() for group in module.get_params() for name, array in group.items()}


# --- sequential ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("devices", [1, 2])
def test_sequential_fit(compare, devices):
    def case(mx, np, devices):
        net = chain(mx, context=[mx.cpu(k) for k in range(devices)])
        train, test = data(mx, np, (10,), 0), data(mx, np, (10,), 1)
        net.bind(train.provide_data, train.provide_label)
        net.init_params(mx.init.One())
        net.set_params(*given(np, mx, net))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            messages = logged(lambda: net.fit(train, test, num_epoch=2, eval_metric=["acc", "ce"],
                                              optimizer_params={"learning_rate": 0.1, "momentum": 0.9}))
        return {"log": numbers(messages), "score": net.score(test, "acc"), "predict": net.predict(test).asnumpy(),
                "parameters": values(mx, net)}
    compare(case, {"devices": devices}, rtol=1e-3, atol=1e-5)


def test_sequential_says_what_it_is(compare):
    def case(mx, np):
        net = chain(mx)
        before = [net.data_names, net.output_names, net.binded, net.META_TAKE_LABELS, net.META_AUTO_WIRING]
        net.bind([("data", (8, 10))], [("softmax_label", (8,))], inputs_need_grad=False)
        net.init_params()
        found = [str(net.data_shapes), str(net.label_shapes), [list(s) for s in net.output_shapes],
                 sorted(net.get_params()[0]), sorted(net.get_params()[1]), net.symbol,
                 [module.inputs_need_grad for module in net._modules], net._metas]
        net.add(mx.mod.Module(parts(mx)[1]), take_labels=True)
        return [before, found, [net.binded, net.params_initialized, net.optimizer_initialized]]
    compare(case)


def test_sequential_gradients(compare):
    """Of the data; MXNet's own SequentialModule does not give them out."""
    def case(mx, np):
        net = chain(mx)
        net.bind([("data", (8, 10))], [("softmax_label", (8,))], inputs_need_grad=True)
        net.init_params(mx.init.One())
        net.set_params(*given(np, mx, net))
        net.init_optimizer(optimizer="nag", optimizer_params={"learning_rate": 0.1, "momentum": 0.9})
        rng, found = np.random.RandomState(0), []
        for size in (8, 8, 8):
            net.forward(mx.io.DataBatch([mx.nd.array(rng.standard_normal((size, 10)))],
                                        [mx.nd.array(rng.randint(0, 4, size))]), is_train=True)
            net.backward()
            found.append([net.get_outputs()[0].asnumpy(), net._modules[0].get_input_grads()[0].asnumpy()])
            net.update()
        return [found, values(mx, net)]
    compare(case, rtol=1e-3, atol=1e-5)


def test_sequential_batches_of_another_size():
    """Where MXNet fails at the module without labels."""
    net = chain(ganmod)
    net.bind([("data", (8, 10))], [("softmax_label", (8,))], inputs_need_grad=True)
    net.init_params()
    for size in (8, 3, 8):
        net.forward(ganmod.io.DataBatch([ganmod.nd.ones((size, 10))], [ganmod.nd.ones((size,))]), is_train=True)
        net.backward()
        assert net.get_outputs()[0].shape == (size, 4) and net.get_input_grads()[0].shape == (size, 10)


def _empty(mx, np):
    mx.mod.SequentialModule().bind([("data", (8, 10))])


def _unknown_meta(mx, np):
    mx.mod.SequentialModule().add(mx.mod.Module(parts(mx)[1]), takes_labels=True)


def _same_names(mx, np):
    net = mx.mod.SequentialModule()
    for _ in range(2):
        net.add(mx.mod.Module(parts(mx)[0], label_names=None), auto_wiring=True)
    net.bind([("data", (8, 6))])
    net.init_params()


def _other_names(mx, np):
    body, head = parts(mx)
    net = mx.mod.SequentialModule().add(mx.mod.Module(body, label_names=None))
    net.add(mx.mod.Module(head), take_labels=True)
    net.bind([("data", (8, 10))], [("softmax_label", (8,))])


def _shared(mx, np):
    chain(mx).bind([("data", (8, 10))], shared_module=chain(mx))


def _no_input_gradients(mx, np):
    net = chain(mx)
    net.bind([("data", (8, 10))], [("softmax_label", (8,))])
    net.init_params()
    net.get_input_grads()


def _loss_with_heads(mx, np):
    loss = mx.mod.PythonLossModule(grad_func=lambda scores, labels: scores)
    loss.bind([mx.io.DataDesc("data", (2, 3))])
    loss.backward([mx.nd.ones((2, 3))])


def _loss_without_training(mx, np):
    loss = mx.mod.PythonLossModule(grad_func=lambda scores, labels: scores)
    loss.bind([mx.io.DataDesc("data", (2, 3))], for_training=False)
    loss.backward()


def _loss_of_two(mx, np):
    mx.mod.PythonLossModule(data_names=["a", "b"])


def _no_function(mx, np):
    mx.mod.PythonLossModule(grad_func=3)


def _no_gradient(mx, np):
    loss = mx.mod.PythonLossModule()
    loss.bind([mx.io.DataDesc("data", (2, 3))])
    loss.backward()


def _other_request(mx, np):
    mx.mod.PythonLossModule().bind([mx.io.DataDesc("data", (2, 3))], grad_req="add")


def _wrong_name(mx, np):
    mx.mod.PythonLossModule().bind([mx.io.DataDesc("dta", (2, 3))])


def _no_key(mx, np):
    mx.mod.BucketingModule(network)


def _bad_generator(mx, np):
    mx.mod.BucketingModule(lambda key: network(mx, key)[0], default_bucket_key=5)


def _unbound_switch(mx, np):
    mx.mod.BucketingModule(lambda key: network(mx, key), default_bucket_key=5).switch_bucket(3, [("data", (8, 3))])


def _loading_without_generator(mx, np):
    mx.mod.BucketingModule.load_dict(sym_dict={5: network(mx, 5)[0]}, default_bucket_key=5)


WRONG = [_empty, _unknown_meta, _same_names, _other_names, _shared, _no_input_gradients, _loss_with_heads,
         _loss_without_training, _loss_of_two, _no_function, _no_gradient, _other_request, _wrong_name, _no_key,
         _bad_generator, _unbound_switch, _loading_without_generator]


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.__name__[1:])
def test_wrong(compare, case):
    _, ours = compare(case, raises=True)
    assert isinstance(ours, (InputError, StateError, NotImplementedError)) and str(ours)


# --- python ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["function", "numpy function", "subclass"])
def test_python_loss(compare, kind):
    """A multi-class hinge loss behind a network."""
    def case(mx, np, kind):
        def hinge(scores, labels):
            scores, labels = scores.asnumpy(), labels.asnumpy().astype(int)
            rows = np.arange(len(labels))
            worst = (1 + scores - scores[rows, labels][:, None] - (np.arange(4) == labels[:, None])).argmax(1)
            gradient = np.zeros_like(scores)
            gradient[rows, labels] -= 1
            gradient[rows, worst] += 1
            return gradient if kind == "numpy function" else mx.nd.array(gradient)

        class Hinge(mx.mod.PythonLossModule):
            def _backward_impl(self):
                self._scores_grad = hinge(self._scores, self._labels)
        net = mx.mod.SequentialModule()
        net.add(mx.mod.Module(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="fc"),
                              label_names=None))
        net.add(Hinge() if kind == "subclass" else mx.mod.PythonLossModule(grad_func=hinge), take_labels=True,
                auto_wiring=True)
        messages = logged(lambda: net.fit(data(mx, np, (10,), 0), data(mx, np, (10,), 1), num_epoch=2,
                                          initializer=mx.init.Constant(0.01)))
        loss = net._modules[1]
        return {"log": numbers(messages), "parameters": values(mx, net), "names": [loss.data_names, loss.output_names],
                "shapes": [list(shape) for shape in loss.output_shapes], "label": str(loss.label_shapes)}
    compare(case, {"kind": kind}, rtol=1e-3, atol=1e-5)


def test_python_module(compare):
    """A module that centres its data, before a network."""
    def case(mx, np):
        class Centre(mx.mod.PythonModule):
            def _compute_output_shapes(self):
                return [(self._output_names[0], self._data_shapes[0][1])]

            def forward(self, data_batch, is_train=None):
                self.result = data_batch.data[0] - data_batch.data[0].mean(axis=0, keepdims=True)

            def get_outputs(self, merge_multi_context=True):
                return [self.result]

            def backward(self, out_grads=None):
                self.heads = out_grads[0]
        head = parts(mx)[1]
        net = mx.mod.SequentialModule().add(Centre(["data"], None, ["centred"]))
        net.add(mx.mod.Module(head), take_labels=True, auto_wiring=True)
        messages = logged(lambda: net.fit(data(mx, np, (10,), 0), num_epoch=2, initializer=mx.init.Constant(0.01)))
        return {"log": numbers(messages), "heads": net._modules[0].heads.asnumpy()}
    compare(case, rtol=1e-3, atol=1e-5)


# --- buckets ---------------------------------------------------------------------------------------------------------

def network(mx, length):
    net = mx.sym.Embedding(mx.sym.Variable("data"), input_dim=10, output_dim=4, name="emb")
    net = mx.sym.FullyConnected(mx.sym.sum(net, axis=1), num_hidden=6, name="fc")
    net = mx.sym.Activation(mx.sym.BatchNorm(net, name="bn", fix_gamma=False), act_type="relu")
    net = mx.sym.FullyConnected(net, num_hidden=3, name="out")
    return mx.sym.SoftmaxOutput(net, name="softmax"), ("data",), ("softmax_label",)


def bucket(mx, np, length, seed=0, size=8):
    rng = np.random.RandomState(seed)
    return mx.io.DataBatch(
        [mx.nd.array(rng.randint(0, 10, (size, length)))], [mx.nd.array(rng.randint(0, 3, size))], pad=0,
        bucket_key=length, provide_data=[mx.io.DataDesc("data", (size, length))],
        provide_label=[mx.io.DataDesc("softmax_label", (size,))])


def buckets(mx, np, **settings):
    """Bound, with the same parameters in both libraries and an optimizer."""
    module = mx.mod.BucketingModule(lambda key: network(mx, key), default_bucket_key=7, **settings)
    module.bind([("data", (8, 7))], [("softmax_label", (8,))])
    module.init_params(mx.init.One())
    module.set_params(*given(np, mx, module))
    module.init_optimizer(optimizer="sgd", optimizer_params={"learning_rate": 0.1, "momentum": 0.9})
    return module


@pytest.mark.parametrize("devices", [1, 2])
def test_buckets(compare, devices):
    """Buckets come and go, prepared and not; parameters, momentum and statistics are common to all."""
    def case(mx, np, devices):
        module = buckets(mx, np, context=[mx.cpu(k) for k in range(devices)])
        found = []
        for step, length in enumerate((7, 3, 4, 3, 7, 4)):
            batch = bucket(mx, np, length, step)
            if step % 2:
                module.prepare(batch)
            found.append([module._curr_bucket_key, sorted(module._buckets)])
            module.forward(batch, is_train=True)
            module.backward()
            module.update()
            mx.nd.waitall()
            found.append([module._curr_bucket_key, module.get_outputs()[0].asnumpy(), str(module.data_shapes),
                          [list(shape) for shape in module.output_shapes], module.symbol.list_arguments(),
                          module._curr_module._optimizer is module._buckets[7]._optimizer])
        return [found, values(mx, module), str(module.data_names), str(module.output_names), str(module.label_shapes)]
    compare(case, {"devices": devices}, rtol=1e-3, atol=1e-5)


def test_buckets_of_another_batch_size(compare):
    def case(mx, np):
        module, found = buckets(mx, np), []
        for length, size in ((3, 8), (3, 5), (7, 2), (3, 8)):
            module.forward(bucket(mx, np, length, 1, size), is_train=False)
            found.append(module.get_outputs()[0].asnumpy())
        return found
    compare(case, rtol=1e-4)


def test_buckets_fit(compare):
    def case(mx, np):
        class Lengths(mx.io.DataIter):
            def __init__(self):
                super().__init__(8)
                self.step, self.default_bucket_key = 0, 7
                self.provide_data = [mx.io.DataDesc("data", (8, 7))]
                self.provide_label = [mx.io.DataDesc("softmax_label", (8,))]

            def reset(self):
                self.step = 0

            def next(self):
                if self.step == 5:
                    raise StopIteration
                self.step += 1
                return bucket(mx, np, [3, 7, 4, 3, 5][self.step - 1], self.step)
        module = buckets(mx, np)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            messages = logged(lambda: module.fit(Lengths(), Lengths(), num_epoch=2, eval_metric=["acc", "ce"],
                                                 monitor=mx.mon.Monitor(4, pattern="nothing")))
        apart = module.predict(Lengths(), merge_batches=False)
        return {"log": numbers(messages), "parameters": values(mx, module),
                "predict": [[o.asnumpy() for o in outputs] for outputs in apart]}
    compare(case, rtol=1e-3, atol=1e-5)


def _write(mx, np, prefix):
    module = buckets(mx, np)
    for step, length in enumerate((7, 3, 4)):
        module.forward(bucket(mx, np, length, step), is_train=True)
        module.backward()
        module.update()
    module.save_checkpoint(prefix, 3)
    module.forward(bucket(mx, np, 3, 9), is_train=False)
    return module.get_outputs()[0].asnumpy()


def _read(mx, np, prefix):
    module = mx.mod.BucketingModule.load(prefix, 3, sym_gen=lambda key: network(mx, key), default_bucket_key=7)
    before = [module.params_initialized, module.binded]
    module.bind([("data", (8, 7))], [("softmax_label", (8,))], for_training=False)
    module.forward(bucket(mx, np, 3, 9), is_train=False)
    return [before, module.get_outputs()[0].asnumpy()]


def test_files_of_each_are_read_by_the_other(oracle, tmp_path):
    theirs, ours = str(tmp_path / "theirs"), str(tmp_path / "ours")
    written = {"there": oracle.run(_write, prefix=theirs), "here": here(_write, ganmod, {"prefix": ours})}
    for read, expected in ((here(_read, ganmod, {"prefix": theirs}), written["there"]),
                           (oracle.run(_read, prefix=ours), written["here"])):
        assert read[0] == [True, False]
        assert abs(read[1] - expected).max() < 1e-5
    names = [sorted(path.name.replace(side, "") for path in tmp_path.glob(side + "*")) for side in ("theirs", "ours")]
    assert names[0] == names[1] and len(names[0]) == 5
    assert (tmp_path / "theirs.buckets").read_bytes() == (tmp_path / "ours.buckets").read_bytes()


def test_keys_that_are_pairs(tmp_path):
    """Where MXNet writes files that it cannot read."""
    def generate(key):
        return network(ganmod, key[0])
    module = ganmod.mod.BucketingModule(generate, default_bucket_key=(7, 2))
    module.bind([("data", (8, 7))], [("softmax_label", (8,))])
    module.init_params()
    module.save_checkpoint(str(tmp_path / "net"), 1)
    loaded = ganmod.mod.BucketingModule.load(str(tmp_path / "net"), 1, sym_gen=generate, default_bucket_key=(7, 2))
    assert list(loaded._buckets) == [(7, 2)]


def test_keys_that_are_words(tmp_path):
    module = ganmod.mod.BucketingModule(lambda key: network(ganmod, 7), default_bucket_key="long")
    module.bind([("data", (8, 7))], [("softmax_label", (8,))])
    module.init_params()
    with pytest.raises(InputError, match="bucket keys"):
        module.save_checkpoint(str(tmp_path / "net"), 1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("scope", ["NameManager()", "Prefix('net_')"])
def test_layers_without_names_are_the_same_in_all_buckets(compare, scope):
    """Whatever has been made before, and in whatever scope the module is used."""
    def case(mx, np, scope):
        def generate(key):
            net = mx.sym.mean(mx.sym.Embedding(mx.sym.Variable("data"), input_dim=10, output_dim=4), axis=1)
            net = mx.sym.FullyConnected(net, num_hidden=3)
            return mx.sym.SoftmaxOutput(net, name="softmax"), ["data"], ["softmax_label"]

        with eval(f"mx.name.{scope}"):
            module = mx.mod.BucketingModule(generate, 8)
            module.bind([("data", (2, 8))], [("softmax_label", (2,))])
            module.init_params(mx.init.One())
            label = [mx.nd.array([0, 1])]
            module.forward(mx.io.DataBatch([mx.nd.zeros((2, 3))], label, bucket_key=3, provide_data=[("data", (2, 3))],
                                           provide_label=[("softmax_label", (2,))]))
        return sorted(module.get_params()[0]), module.get_outputs()[0].asnumpy()
    compare(case, {"scope": scope})


@pytest.mark.parametrize("missing", [False, True])
def test_buckets_and_values_without_a_parameter(compare, missing):
    def case(mx, np, missing):
        module = mx.mod.BucketingModule(lambda key: network(mx, key), default_bucket_key=7)
        module.bind([("data", (8, 7))], [("softmax_label", (8,))])
        module.init_params(mx.init.One())
        args, states = module.get_params()
        try:
            module.set_params({**{name: array * 2 for name, array in args.items()}, "other": mx.nd.ones((1,))}, states,
                              allow_missing=missing)
        except ValueError:
            return "refused"
        return {name: array.asnumpy() for name, array in module.get_params()[0].items()}
    compare(case, {"missing": missing})
