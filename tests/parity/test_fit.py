"""``fit`` and ``score`` under both libraries: the same metrics, messages, callbacks, in the same order."""
import logging
import re
import warnings

import pytest


def mlp(mx):
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=16, name="fc1")
    net = mx.sym.Activation(net, act_type="relu", name="act")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=4, name="fc2"), name="softmax")


def lenet(mx):
    net = mx.sym.Variable("data")
    for k, filters in enumerate((4, 8)):
        net = mx.sym.Convolution(net, kernel=(3, 3), num_filter=filters, name=f"conv{k}")
        net = mx.sym.BatchNorm(net, fix_gamma=False, name=f"bn{k}")
        net = mx.sym.Activation(net, act_type="tanh", name=f"tanh{k}")
        net = mx.sym.Pooling(net, pool_type="max", kernel=(2, 2), stride=(2, 2), name=f"pool{k}")
    net = mx.sym.FullyConnected(mx.sym.Flatten(net), num_hidden=10, name="fc1")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=4, name="fc2"), name="softmax")


def data(mx, np, shape, seed, count=90, size=16):
    """Samples around four centres; the last batch is a short one, filled up."""
    rng = np.random.RandomState(7)
    centres = rng.standard_normal((4, *shape))
    rng = np.random.RandomState(seed)
    labels = rng.randint(0, 4, count)
    samples = centres[labels] + rng.standard_normal((count, *shape))
    return mx.io.NDArrayIter(samples.astype("float32"), labels.astype("float32"), batch_size=size)


def parameters(mx, np, net, shape):
    """The same initial values in both libraries."""
    rng = np.random.RandomState(3)
    shapes, _, _ = net.infer_shape(data=(16, *shape))
    return {name: mx.nd.array(rng.uniform(-0.3, 0.3, size)) for name, size in zip(net.list_arguments(), shapes)
            if name not in ("data", "softmax_label")}


class Notes(logging.Handler):
    """Messages, with times and speeds left out."""

    def __init__(self):
        super().__init__()
        self.messages = []

    def emit(self, record):
        text = re.sub(r"(Time cost=|Speed: )[0-9.]+", r"\1", record.getMessage())
        self.messages.append(f"{record.name} {record.levelname} {text}")


def logged(function):
    """What is logged while the function runs, by anybody."""
    notes, root = Notes(), logging.getLogger()
    level = root.level
    root.addHandler(notes)
    root.setLevel(logging.INFO)
    try:
        function()
    finally:
        root.removeHandler(notes)
        root.setLevel(level)
    return notes.messages


def numbers(messages):
    """Messages as [text, numbers after equals signs], so that numbers are compared as such."""
    number = re.compile(r"(?<==)(nan|[0-9.]+)(?=\s|$)")
    return [[number.sub("", message), [float(value) for value in number.findall(message)]] for message in messages]


@pytest.mark.parametrize("devices", [1, 2, 3])
@pytest.mark.parametrize("name", ["mlp", "lenet"])
def test_two_epochs(compare, name, devices):
    def case(mx, np, name, devices):
        net, shape = (mlp(mx), (10,)) if name == "mlp" else (lenet(mx), (1, 14, 14))
        settings = {"learning_rate": 0.05, "momentum": 0.9, "wd": 0.001}
        module = mx.mod.Module(net, context=[mx.cpu(k) for k in range(devices)])
        messages = logged(lambda: module.fit(
            data(mx, np, shape, 0), data(mx, np, shape, 1), eval_metric=["acc", "ce", mx.metric.TopKAccuracy(2)],
            validation_metric=["acc", "nll_loss"], optimizer_params=settings, num_epoch=2,
            arg_params=parameters(mx, np, net, shape), aux_params={}, allow_missing=True,
            batch_end_callback=mx.callback.Speedometer(16, 2)))
        return {"log": numbers(messages), "score": module.score(data(mx, np, shape, 2), "acc")}
    compare(case, {"name": name, "devices": devices}, rtol=1e-3, atol=1e-4)


def test_a_metric_over_devices(compare):
    """Each device counts on its own: means of means, as in MXNet."""
    def case(mx, np):
        net = mlp(mx)
        module = mx.mod.Module(net, context=[mx.cpu(0), mx.cpu(1)], work_load_list=[1, 3])
        return numbers(logged(lambda: module.fit(
            data(mx, np, (10,), 0), eval_metric=["f1", "rmse"][1:], num_epoch=2,
            arg_params=parameters(mx, np, net, (10,)), aux_params={})))
    compare(case, rtol=1e-4)


def test_callbacks(compare):
    """Who is called when, with what."""
    def case(mx, np):
        calls = []

        def note(what):
            def callback(*arguments):
                told = []
                for argument in arguments:
                    if hasattr(argument, "_fields"):
                        names = {"self", "epoch", "nbatch", "eval_metric"} & set(argument.locals)
                        told.append([argument.epoch, argument.nbatch, argument.eval_metric.get_name_value(),
                                     sorted(names)])
                    elif isinstance(argument, dict):
                        told.append(sorted(argument))
                    else:
                        told.append(argument if isinstance(argument, int) else argument.list_outputs())
                calls.append([what, told])
            return callback
        net = mlp(mx)
        module = mx.mod.Module(net)
        messages = logged(lambda: module.fit(
            data(mx, np, (10,), 0, 40), data(mx, np, (10,), 1, 20), begin_epoch=3, num_epoch=5,
            arg_params=parameters(mx, np, net, (10,)), aux_params={}, batch_end_callback=[note("batch"), note("b2")],
            epoch_end_callback=[note("epoch"), note("again")], eval_end_callback=note("end of validation"),
            eval_batch_end_callback=note("batch of validation")))
        scored = module.score(data(mx, np, (10,), 1, 40), ["acc", "mse"], num_batch=2, epoch=7,
                              batch_end_callback=note("score"), score_end_callback=[note("scored")])
        nothing = module.score(data(mx, np, (10,), 1, 40), mx.metric.Accuracy(), num_batch=0)
        going = data(mx, np, (10,), 1, 40)
        next(going)
        return {"calls": calls, "log": numbers(messages), "score": [scored, nothing],
                "rest": module.score(going, "acc", reset=False, batch_end_callback=note("rest"))}
    compare(case, rtol=1e-4, atol=1e-5)


def test_order(compare):
    """The calls a subclass of Module sees."""
    def case(mx, np):
        calls = []

        class Watched(mx.mod.Module):
            def prepare(self, data_batch, sparse_row_id_fn=None):
                calls.append("prepare")
                super().prepare(data_batch, sparse_row_id_fn)

            def forward_backward(self, data_batch):
                calls.append("forward_backward")
                super().forward_backward(data_batch)

            def forward(self, data_batch, is_train=None):
                calls.append(f"forward {is_train}")
                super().forward(data_batch, is_train)

            def update(self):
                calls.append("update")
                super().update()

            def update_metric(self, eval_metric, labels, pre_sliced=False):
                calls.append("update_metric")
                super().update_metric(eval_metric, labels, pre_sliced)

            def set_params(self, *args, **kwargs):
                calls.append("set_params")
                super().set_params(*args, **kwargs)
        module = Watched(mlp(mx))
        module.fit(data(mx, np, (10,), 0, 40), data(mx, np, (10,), 1, 20), num_epoch=2,
                   batch_end_callback=lambda param: calls.append("batch"),
                   epoch_end_callback=lambda *rest: calls.append("epoch"))
        return calls
    compare(case)


def test_going_on(compare):
    """A second fit goes on with the same parameters and optimizer, and says so."""
    def case(mx, np):
        net = mlp(mx)
        module = mx.mod.Module(net)
        given = dict(arg_params=parameters(mx, np, net, (10,)), aux_params={}, optimizer="adam")
        first = logged(lambda: module.fit(data(mx, np, (10,), 0), num_epoch=1, **given))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")                # the parameters are initialised already
            second = logged(lambda: module.fit(data(mx, np, (10,), 0), begin_epoch=1, num_epoch=3))
        anew = logged(lambda: module.fit(data(mx, np, (10,), 0), num_epoch=1, force_rebind=True, force_init=True,
                                         **given))
        return [numbers(messages) for messages in (first, second, anew)]
    compare(case, rtol=1e-3, atol=1e-4)


def test_checkpoints_and_messages(compare, tmp_path):
    def case(mx, np, folder):
        import os
        module = mx.mod.Module(mlp(mx))
        folder = os.path.join(folder, mx.__name__)
        os.makedirs(folder, exist_ok=True)
        messages = logged(lambda: module.fit(
            data(mx, np, (10,), 0, 48), num_epoch=4, initializer=mx.init.One(),
            epoch_end_callback=[mx.callback.do_checkpoint(folder + "/a", 2),
                                mx.callback.module_checkpoint(module, folder + "/b", 3, True)],
            batch_end_callback=[mx.callback.log_train_metric(2), mx.callback.ProgressBar(3, 12)]))
        files = sorted(name for name in os.listdir(folder))
        return {"files": files, "log": numbers([text.replace(folder, "") for text in messages])}
    compare(case, {"folder": str(tmp_path)}, rtol=1e-4)


@pytest.mark.parametrize("auto_reset", [False, True])
def test_callbacks_alone(compare, auto_reset):
    """Messages over two epochs of five batches, with one metric, two, and none."""
    def case(mx, np, auto_reset):
        found = []
        for names in ("acc", ["acc", "mse"], None):
            metric = names and mx.metric.create(names)
            callbacks = [mx.callback.Speedometer(10, 2, auto_reset), mx.callback.log_train_metric(3, auto_reset),
                         mx.callback.ProgressBar(4, length=10), mx.callback.LogValidationMetricsCallback()]

            def run(metric=metric, callbacks=callbacks):
                for epoch, number in ((epoch, number) for epoch in range(2) for number in range(5)):
                    if metric:
                        metric.update([mx.nd.array([1, 0])], [mx.nd.array([1, number % 2])])
                    for callback in callbacks:
                        callback(mx.model.BatchEndParam(epoch, number, metric, None))
            found.append(numbers(logged(run)))
        return found
    compare(case, {"auto_reset": auto_reset})


WRONG = {"no epochs": {}, "unknown metric": dict(num_epoch=1, eval_metric="nope")}


@pytest.mark.parametrize("key", WRONG)
def test_wrong(compare, key):
    def case(mx, np, settings):
        mx.mod.Module(mlp(mx)).fit(data(mx, np, (10,), 0), **settings)
    compare(case, {"settings": WRONG[key]}, raises=True)


def test_score_comes_after_bind(compare):
    def case(mx, np):
        mx.mod.Module(mlp(mx)).score(data(mx, np, (10,), 0), "acc")
    theirs, ours = compare(case, raises=True)
    assert theirs.type_name == "AssertionError" and isinstance(ours, AssertionError) and "bind()" in str(ours)


def test_something_is_learned(compare):
    """The data of these tests can be learned."""
    def case(mx, np):
        module = mx.mod.Module(mlp(mx))
        module.fit(data(mx, np, (10,), 0), num_epoch=8, optimizer_params={"learning_rate": 0.3},
                   initializer=mx.init.Xavier())
        return bool(module.score(data(mx, np, (10,), 5), "acc")[0][1] > 0.8)
    assert compare(case)
