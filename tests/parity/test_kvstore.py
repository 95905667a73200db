"""Stores of one process beside MXNet's, and the optimizer states that MXNet writes."""
import numpy as np
import pytest

from .oracle import here


def new(mx, kind="local", keys=(3, 5)):
    """A store with two keys, of values 1 and 2."""
    kv = mx.kv.create(kind)
    kv.init(list(keys), [mx.nd.ones((2,)), mx.nd.ones((2,)) * 2])
    return kv


def pulled(mx, kv, key, count=1):
    arrays = [mx.nd.zeros((2,)) for _ in range(count)]
    kv.pull(key, out=arrays)
    return [a.asnumpy() for a in arrays]


@pytest.mark.parametrize("kind", ["local", "device", "local_allreduce_device"])
@pytest.mark.parametrize("keys", [[3, 5], ["a", "b"]])
def test_calls(compare, kind, keys):
    def case(mx, np, kind, keys):
        kv, one = new(mx, kind, keys), mx.nd.ones((2,))
        first, second = keys
        found = {"type": kv.type, "rank": [kv.rank, kv.num_workers], "able": kv.is_capable("Optimizer")}
        kv.push([first, first, second], [one, one * 10, one * 100])
        found["doubled key"] = [pulled(mx, kv, first), pulled(mx, kv, second)]
        kv.push(keys, [[one, one], [one * 4, one * 5]])
        found["several"] = [pulled(mx, kv, first, 2), pulled(mx, kv, second, 3)]
        out = [mx.nd.zeros((2,)), mx.nd.zeros((2,), dtype="float16")]
        kv.pull(keys, out=out)
        found["lists"] = [a.asnumpy() for a in out]
        grads = [one * 1, one * 2]
        kv.pushpull(first, grads)
        kv.pushpull(second, grads, out=out)
        found["pushpull"] = [a.asnumpy() for a in grads + out]
        kv.broadcast(99 if first == 3 else "z", one * 7, out=out)
        found["broadcast"] = [a.asnumpy() for a in out]
        one += 5
        found["own memory"] = pulled(mx, kv, first)
        return found
    compare(case, {"kind": kind, "keys": keys})


def test_updaters(compare):
    def case(mx, np):
        seen = []

        def update(key, total, value):
            seen.append([key, total.asnumpy(), value.asnumpy()])
            value += total * 2
        kv, one = new(mx), mx.nd.ones((2,))
        kv._set_updater(update)
        kv.push([3, 5], [[one, one], [one * 4, one * 5]])
        kv.push(3, one)
        found = {"values": [pulled(mx, kv, 3), pulled(mx, kv, 5)], "seen": seen}
        for keys in ((3, 5), ("a", "b_weight")):
            kv = new(mx, "device", keys)
            optimizer = mx.optimizer.Adam(learning_rate=0.1, param_idx2name={0: "a", 1: "b_weight"}, wd=0.1)
            kv.set_optimizer(optimizer)
            for _ in range(3):
                kv.pushpull(list(keys), [[one, one], [one * 2]], out=[mx.nd.zeros((2,))] * 2)
            found[str(keys[0])] = [pulled(mx, kv, keys[0]), pulled(mx, kv, keys[1]), optimizer._index_update_count,
                                   optimizer.num_update, list(kv._updater.states)]
        return found
    compare(case)


def test_two_bits(compare):
    def case(mx, np, devices):
        kv = mx.kv.create("device")
        kv.set_gradient_compression({"type": "2bit", "threshold": 0.5})
        kv.init(3, mx.nd.zeros((4,)))
        found = []
        for _ in range(4):
            kv.push(3, [mx.nd.array([0.3, 0.6, -1.3, 0.1 * k], ctx=mx.cpu(k)) for k in range(devices)])
            out = mx.nd.zeros((4,))
            kv.pull(3, out=out)
            found.append(out.asnumpy())
        return found
    for devices in (1, 2):
        compare(case, {"devices": devices})


def test_rows(compare):
    """Rows that were not asked for are zero, as in MXNet's sparse array made dense."""
    def case(mx, np):
        def sparse(array):
            return array.tostype("row_sparse") if mx.__name__ == "mxnet" else array
        kv = mx.kv.create()
        kv.init(1, sparse(mx.nd.arange(6).reshape((3, 2))))
        out = sparse(mx.nd.ones((3, 2)))
        kv.row_sparse_pull(1, out=out, row_ids=mx.nd.array([0, 2, 2]))
        return {"rows": out.asnumpy()}
    compare(case)


MISTAKES = {
    "uninitialised push": "kv.push(9, one)", "uninitialised pull": "kv.pull(9, out=one)", "twice": "kv.init(3, one)",
    "broadcast twice": "kv.broadcast(3, one, out=one)", "list for a key": "kv.init(1, [one, one])",
    "no out": "kv.pull(3)", "mixed keys": "kv.push('a', one)", "fewer values": "kv.push([3, 5], [one])",
    "float": "kv.init(1.0, one)", "numpy key": "kv.init(np.int64(1), one)", "numpy value": "kv.init(1, np.ones(2))",
    "shape": "kv.pull(3, out=mx.nd.ones((3,)))", "capability": "kv.is_capable('foo')", "type": "mx.kv.create(3)",
    "compression of local": "kv.set_gradient_compression({'type': '2bit'})",
    "compression": "mx.kv.create('device').set_gradient_compression({'type': 'none'})",
    "compression's settings": "mx.kv.create('device').set_gradient_compression(3)",
    "rows": "kv.row_sparse_pull(3, one)",
    "states to save": "kv.save_optimizer_states('x')", "states to load": "kv.load_optimizer_states('x')",
    "optimizer": "kv.set_optimizer('sgd')"}


@pytest.mark.parametrize("key", MISTAKES)
def test_mistakes(compare, key):
    compare(f"kv = mx.kv.create()\none = mx.nd.ones((2,))\nkv.init([3, 5], [one, one])\n{MISTAKES[key]}", raises=True)


# --- modules on stores -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", [None, "local", "device"])
@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("made", [False, True])
def test_modules(compare, kind, devices, made):
    def case(mx, np, kind, devices, made):
        net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc")
        module = mx.mod.Module(mx.sym.SoftmaxOutput(net, name="softmax"), context=[mx.cpu(k) for k in range(devices)])
        module.bind([("data", (4, 3))], [("softmax_label", (4,))])
        module.init_params(mx.init.One())
        module.init_optimizer(mx.kv.create(kind) if made and kind else kind,
                              optimizer_params={"momentum": 0.9, "wd": 0.1, "learning_rate": 0.5})
        for step in range(3):
            module.forward_backward(mx.io.DataBatch([mx.nd.arange(12).reshape((4, 3)) * 0.1 * step],
                                                    [mx.nd.array([0, 1, 0, 0])]))
            module.update()
        updater = module._updater or module._kvstore._updater
        return {"params": module.get_params()[0], "on": module._update_on_kvstore, "store": bool(module._kvstore),
                "states": updater.states, "counts": updater.optimizer._all_index_update_counts,
                "names": updater.optimizer.idx2name}
    compare(case, {"kind": kind, "devices": devices, "made": made})


# --- states that MXNet wrote -----------------------------------------------------------------------------------------

OPTIMIZERS = {
    "momentum": ("sgd", {"momentum": 0.9, "wd": 0.01}), "plain": ("sgd", {}), "adam": ("adam", {}),
    "half": ("sgd", {"momentum": 0.9, "multi_precision": True}), "nag": ("nag", {"momentum": 0.9}),
    "rmsprop": ("rmsprop", {}), "centered": ("rmsprop", {"centered": True}), "adagrad": ("adagrad", {}),
    "adadelta": ("adadelta", {}), "ftrl": ("ftrl", {}), "ftml": ("ftml", {}), "adamax": ("adamax", {}),
    "nadam": ("nadam", {}), "signum": ("signum", {}), "dcasgd": ("dcasgd", {}), "lamb": ("lamb", {}),
    "lars": ("lars", {"momentum": 0.9}), "scheduled": ("adam", {"scheduler": True})}


def steps(mx, np, name, settings, fname, dump, part):
    """Three steps and a file of the states, or from the file three steps more."""
    settings = dict(settings)
    if settings.pop("scheduler", None):
        settings["lr_scheduler"] = mx.lr_scheduler.MultiFactorScheduler([2, 4], 0.5, base_lr=0.1)
    dtype = "float16" if settings.get("multi_precision") else "float32"
    rng = np.random.RandomState(part)
    kv = mx.kv.create("device")
    kv.set_optimizer(mx.optimizer.create(name, param_idx2name={0: "a_weight", 1: "b"}, **settings))
    kv.init(["a_weight", "b"], [mx.nd.ones((2, 3), dtype=dtype), mx.nd.ones((4,), dtype=dtype)])
    if part == 2:
        kv.load_optimizer_states(fname)
    out = [mx.nd.zeros((2, 3), dtype=dtype), mx.nd.zeros((4,), dtype=dtype)]
    for _ in range(3):
        grads = [mx.nd.array(rng.standard_normal(a.shape), dtype=dtype) for a in out]
        kv.pushpull(["a_weight", "b"], grads, out=out)
    if part == 1:
        kv.save_optimizer_states(fname, dump_optimizer=dump)
    optimizer = kv._updater.optimizer
    return {"weights": [a.asnumpy() for a in out], "counts": optimizer._all_index_update_counts,
            "settings": [optimizer.lr, optimizer.wd, optimizer.num_update, optimizer.rescale_grad]}


@pytest.mark.parametrize("dump", [False, True])
@pytest.mark.parametrize("key", OPTIMIZERS)
def test_states_of_mxnet_are_read(compare, oracle, tmp_path, key, dump):
    name, settings = OPTIMIZERS[key]
    inputs = {"name": name, "settings": settings, "fname": str(tmp_path / "of_mxnet.states"), "dump": dump}
    oracle.run(steps, {**inputs, "part": 1})
    compare(steps, {**inputs, "part": 2}, rtol=2e-5 if key != "half" else 1e-3, atol=2e-6)


def test_settings_in_the_file_replace_the_present(oracle, tmp_path):
    """Another optimizer than the file's is exchanged, as in MXNet."""
    import ganmod
    fname = str(tmp_path / "adam.states")
    oracle.run(steps, {"name": "adam", "settings": {"wd": 0.25, "beta1": 0.5}, "fname": fname, "dump": True, "part": 1})
    updater = ganmod.optimizer.get_updater(ganmod.optimizer.SGD())
    with open(fname, "rb") as stream:
        updater.set_states(stream.read())
    assert type(updater.optimizer) is ganmod.optimizer.Adam
    assert (updater.optimizer.wd, updater.optimizer.beta1, updater.optimizer.num_update) == (0.25, 0.5, 3)


def _checkpoint(mx, np, prefix, load):
    """A module of two contexts that writes a checkpoint with states, or goes on from one."""
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc"), name="softmax")
    module = mx.mod.Module.load(prefix, 1, load_optimizer_states=True, context=[mx.cpu(0), mx.cpu(1)]) if load else \
        mx.mod.Module(net, context=[mx.cpu(0), mx.cpu(1)])
    module.bind([("data", (4, 3))], [("softmax_label", (4,))])
    module.init_params(mx.init.One())
    module.init_optimizer(optimizer_params={"momentum": 0.9, "learning_rate": 0.5})
    for step in range(3):
        module.forward_backward(mx.io.DataBatch([mx.nd.arange(12).reshape((4, 3)) * 0.1 * step],
                                                [mx.nd.array([0, 1, 0, 0])]))
        module.update()
    if not load:
        module.save_checkpoint(prefix, 1, save_optimizer_states=True)
    return {name: array.asnumpy() for name, array in module.get_params()[0].items()}


@pytest.mark.filterwarnings("ignore:Parameters already initialized")
def test_a_run_of_mxnet_goes_on_here(oracle, tmp_path):
    import ganmod
    prefix = str(tmp_path / "run")
    oracle.run(_checkpoint, prefix=prefix, load=False)
    theirs = oracle.run(_checkpoint, prefix=prefix, load=True)
    ours = here(_checkpoint, ganmod, {"prefix": prefix, "load": True})
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-5, atol=1e-6)
