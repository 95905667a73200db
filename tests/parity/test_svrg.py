"""SVRGModule under both libraries: the same full gradients, parameters and metrics."""
import pytest


def module(mx, devices, freq=2):
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1, name="fc")
    net = mx.sym.LinearRegressionOutput(net, mx.sym.Variable("lin_label"), name="lin")
    if mx.__name__ == "mxnet":
        from mxnet.contrib.svrg_optimization.svrg_module import SVRGModule
    else:
        SVRGModule = mx.contrib.svrg_optimization.svrg_module.SVRGModule  # noqa: N806
    return SVRGModule(net, data_names=["data"], label_names=["lin_label"], update_freq=freq,
                      context=[mx.cpu(k) for k in range(devices)])


def data(mx, np, count):
    rng = np.random.RandomState(0)
    x = rng.randn(count, 5).astype("float32")
    return mx.io.NDArrayIter(x, (x @ rng.randn(5)).astype("float32"), batch_size=8, label_name="lin_label")


@pytest.mark.parametrize("count", [40, 44])
@pytest.mark.parametrize("kvstore, devices", [("local", 1), (None, 1), (None, 2)])
def test_fit(compare, kvstore, devices, count):
    def case(mx, np, kvstore, devices, count):
        mod, seen = module(mx, devices), []
        mod.fit(data(mx, np, count), eval_metric="mse", num_epoch=4, kvstore=kvstore, initializer=mx.init.One(),
                optimizer_params=(("learning_rate", 0.05), ("momentum", 0.5)),
                batch_end_callback=lambda p: seen.append([p.epoch, p.nbatch, p.eval_metric.get()[1]]))
        return {"seen": seen, "full": mod._param_dict, "params": mod.get_params()[0]}
    compare(case, {"kvstore": kvstore, "devices": devices, "count": count}, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("devices", [1, 2])
def test_by_hand(compare, devices):
    """MXNet's init_optimizer clears the devices' parameters where there are two: they are set again."""
    def case(mx, np, devices):
        mod, batches = module(mx, devices), data(mx, np, 40)
        mod.bind(batches.provide_data, batches.provide_label)
        mod.init_params(mx.init.One())
        mod.init_optimizer(optimizer_params=(("learning_rate", 0.05),))
        mod.set_params({"fc_weight": mx.nd.ones((1, 5)), "fc_bias": mx.nd.zeros((1,))}, {})
        mod.update_full_grads(batches)
        batches.reset()
        for batch in batches:
            mod.forward_backward(batch)
            mod.update()
        return {"grads": mod._exec_group.grad_arrays, "params": mod.get_params()[0]}
    compare(case, {"devices": devices}, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("freq", [None, 0, -1, 1.5])
def test_refusals(compare, freq):
    theirs, ours = compare(refused, {"freq": freq}, raises=True)
    assert theirs.type_name == type(ours).__name__


def refused(mx, np, freq):
    module(mx, 1, freq)
