"""``mx.model.FeedForward`` under both libraries: training, asking, callbacks, messages."""
import logging
import warnings

import numpy as np
import pytest


def network(mx):
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="fc")
    return mx.sym.SoftmaxOutput(mx.sym.BatchNorm(net, fix_gamma=False, name="bn"), name="softmax")


def samples(np, count=50):
    rng = np.random.RandomState(0)
    return rng.randn(count, 6).astype("float32"), rng.randint(0, 4, count).astype("float32")


def model(mx, np, **settings):
    rng = np.random.RandomState(1)
    params = {"fc_weight": mx.nd.array(rng.randn(4, 6) * 0.3), "fc_bias": mx.nd.zeros((4,)),
              "bn_gamma": mx.nd.ones((4,)), "bn_beta": mx.nd.zeros((4,))}
    states = {"bn_moving_mean": mx.nd.zeros((4,)), "bn_moving_var": mx.nd.ones((4,))}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mx.model.FeedForward(network(mx), arg_params=params, aux_params=states, learning_rate=0.1, wd=0.01,
                                    numpy_batch_size=16, **settings)


@pytest.mark.parametrize("settings", [{}, {"epoch_size": 2}, {"epoch_size": 6}, {"begin_epoch": 1},
                                      {"optimizer": "nag"}])
@pytest.mark.parametrize("devices", [1, 2])
def test_fit(compare, settings, devices):
    def case(mx, np, settings, devices):
        x, y = samples(np)
        net = model(mx, np, num_epoch=3, ctx=[mx.cpu(k) for k in range(devices)], **settings)
        data, seen = mx.io.NDArrayIter(x, y, batch_size=16), []
        next(data)
        net.fit(data, eval_data=mx.io.NDArrayIter(x, y, batch_size=16),
                epoch_end_callback=lambda epoch, symbol, args, states: seen.append([epoch, sorted(args)]),
                batch_end_callback=lambda p: seen.append([p.epoch, p.nbatch, p.eval_metric.get()[1]]),
                eval_end_callback=lambda p: seen.append(["end", p.epoch, p.nbatch, p.eval_metric.get()[1]]),
                eval_batch_end_callback=lambda p: seen.append(["eval", p.epoch, p.nbatch]))
        return {"seen": seen, "args": net.arg_params, "states": net.aux_params, "predicted": net.predict(x),
                "score": net.score(mx.io.NDArrayIter(x, y, batch_size=16))}
    compare(case, {"settings": settings, "devices": devices}, rtol=2e-4, atol=2e-5)


def test_asking(compare):
    def case(mx, np):
        x, y = samples(np)
        net, data = model(mx, np), mx.io.NDArrayIter(x, y, batch_size=16)
        all_of_it = net.predict(data, return_data=True)
        first = net.predict(data, num_batch=2)
        rest = net.predict(data, reset=False)
        return {"all": all_of_it, "first": first, "rest": rest, "few": net.predict(x[:5]), "array": net.predict(
            mx.nd.array(x)), "score": net.score(data, "ce"), "two": net.score(data, num_batch=2)}
    compare(case, rtol=1e-4, atol=1e-5)


def test_several_outputs(compare):
    def case(mx, np):
        data = mx.sym.Variable("data")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            net = mx.model.FeedForward(mx.sym.Group([data * 2, data + 1]), arg_params={}, aux_params={})
        return net.predict(samples(np)[0])
    compare(case)


def test_files(compare, tmp_path):
    def case(mx, np, prefix):
        net = model(mx, np, num_epoch=3)
        net.save(prefix)
        net.save(prefix, 7)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            again = mx.model.FeedForward.load(prefix, 3, ctx=mx.cpu(0), num_epoch=5, momentum=0.5)
        return {"epochs": (again.begin_epoch, again.num_epoch), "settings": again.kwargs, "args": again.arg_params,
                "predicted": again.predict(samples(np)[0])}
    compare(case, {"prefix": str(tmp_path / "net")}, rtol=1e-4, atol=1e-5)


def messages(mx, np):
    texts = []

    class Notes(logging.Handler):
        def emit(self, record):
            texts.append(f"{record.name} " + record.getMessage().partition("cost=")[0].partition("=")[0])

    notes, root = Notes(), logging.getLogger()
    level = root.level
    root.addHandler(notes)
    root.setLevel(logging.INFO)
    try:
        x, y = samples(np)
        model(mx, np, num_epoch=2).fit(x, y, eval_data=(x.tolist(), y.tolist()), logger=logging.getLogger("mine"))
    finally:
        root.removeHandler(notes)
        root.setLevel(level)
    return texts


def test_messages(compare):
    compare(messages)


@pytest.mark.parametrize("wrong", ["x", "no y", "lengths", "wide y", "eval", "doubled"])
def test_refusals(compare, wrong):
    def case(mx, np, wrong):
        (x, y), net = samples(np), model(mx, np, num_epoch=1)
        if wrong == "doubled":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                mx.model.FeedForward(mx.sym.Variable("a") + mx.sym.Variable("a"))
        net.fit(*{"x": (x.tolist(), y), "no y": (x,), "lengths": (x, y[:3]), "wide y": (x, x), "eval": (x, y)}[wrong],
                eval_data=3 if wrong == "eval" else None)
    theirs, ours = compare(case, {"wrong": wrong}, raises=True)
    assert theirs.type_name in [kind.__name__ for kind in type(ours).__mro__]


def test_extra_parameters():
    import ganmod as mx
    with pytest.warns(DeprecationWarning, match="deprecated"):
        net = mx.model.FeedForward(network(mx), arg_params={"x": mx.nd.zeros((1,)), "fc_bias": mx.nd.ones((4,))},
                                   allow_extra_params=True)
    assert list(net.arg_params) == ["fc_bias"]
    with pytest.raises(mx.MXNetError, match="num_epoch"):
        net.fit(*samples(np))
    with pytest.raises(mx.MXNetError, match="epoch"):
        net.save("nowhere")


def manager_case(mx, np, devices):
    x, y = samples(np, 32)
    data = mx.io.NDArrayIter(x, y, batch_size=16)
    net = network(mx)
    names = [n for n in net.list_arguments() if n not in ("data", "softmax_label")]
    manager = mx.executor_manager.DataParallelExecutorManager(
        net, [mx.cpu(k) for k in range(devices)], data, net.list_arguments(), names, net.list_auxiliary_states())
    start = model(mx, np)
    manager.set_params(start.arg_params, start.aux_params)
    metric = mx.metric.create("ce")
    batch = next(data)
    manager.load_data_batch(batch)
    manager.forward(is_train=True)
    manager.backward()
    manager.update_metric(metric, batch.label)
    return {"grads": manager.grad_arrays, "params": manager.param_arrays, "metric": metric.get()[1]}


@pytest.mark.parametrize("devices", [1, 2])
def test_executor_manager(compare, devices):
    compare(manager_case, {"devices": devices}, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size, loads", [(10, [1, 1, 2]), (7, [1, 2]), (5, [1, 1])])
def test_slices(compare, size, loads):
    def case(mx, np, size, loads):
        return [(s.start, s.stop) for s in mx.executor_manager._split_input_slice(size, loads)]
    compare(case, {"size": size, "loads": loads})
