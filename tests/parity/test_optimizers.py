"""Each optimizer against MXNet's: 20 steps on the same gradients; weights and states equal."""
import zlib

import numpy as np
import pytest

STEPS = 20
SHAPES = {"fc_weight": (4, 3), "fc_bias": (4,), "bn_gamma": (3,), "conv_weight": (2, 3, 2, 2)}
COMMON = {"plain": {}, "wd": {"wd": 0.03}, "clip": {"clip_gradient": 0.4}, "rescale": {"rescale_grad": 0.25},
          "all": {"wd": 0.03, "clip_gradient": 0.3, "rescale_grad": 0.5}}
OPTIMIZERS = {
    "sgd": ("sgd", {"learning_rate": 0.1}),
    "sgd momentum": ("sgd", {"learning_rate": 0.1, "momentum": 0.9}),
    "ccsgd": ("ccsgd", {"learning_rate": 0.1, "momentum": 0.5}),
    "nag": ("nag", {"learning_rate": 0.1}),
    "nag momentum": ("nag", {"learning_rate": 0.1, "momentum": 0.9}),
    "signum": ("signum", {"learning_rate": 0.05}),
    "signum wd_lh": ("signum", {"learning_rate": 0.05, "momentum": 0.7, "wd_lh": 0.1}),
    "signsgd": ("signum", {"learning_rate": 0.05, "momentum": 0.0}),
    "dcasgd": ("dcasgd", {"learning_rate": 0.1}),
    "dcasgd lamda": ("dcasgd", {"learning_rate": 0.1, "lamda": 0.5}),     # with momentum MXNet's fails
    "lars": ("lars", {"learning_rate": 0.5, "eta": 0.1}),
    "lars momentum": ("lars", {"learning_rate": 0.5, "momentum": 0.9, "eta": 0.1, "eps": 1e-3}),
    "lbsgd": ("lbsgd", {"learning_rate": 0.1}),
    "lbsgd linear": ("lbsgd", {"learning_rate": 0.1, "batch_scale": 3, "updates_per_epoch": 4, "warmup_epochs": 2}),
    "lbsgd power2": ("lbsgd", {"learning_rate": 0.1, "momentum": 0.9, "batch_scale": 2, "updates_per_epoch": 5,
                               "warmup_epochs": 3, "warmup_strategy": "power2", "begin_epoch": 1}),
    "lbsgd sqrt": ("lbsgd", {"learning_rate": 0.1, "momentum": 0.5, "batch_scale": 2, "updates_per_epoch": 5,
                             "warmup_epochs": 2, "warmup_strategy": "sqrt"}),
    "lbsgd lars": ("lbsgd", {"learning_rate": 0.02, "batch_scale": 2, "updates_per_epoch": 4, "warmup_epochs": 2,
                             "warmup_strategy": "lars"}),
    "test": ("test", {}),
    "adam": ("adam", {}),
    "adam beta1": ("adam", {"learning_rate": 0.02, "beta1": 0.5, "beta2": 0.9, "epsilon": 1e-4}),
    "adamax": ("adamax", {}),
    "nadam": ("nadam", {"schedule_decay": 0.05}),
    "ftml": ("ftml", {"learning_rate": 0.01}),
    "lamb": ("lamb", {"learning_rate": 0.02}),
    "lamb bounds": ("lamb", {"learning_rate": 0.02, "lower_bound": 1.0, "upper_bound": 1.5, "bias_correction": False}),
    "adagrad": ("adagrad", {"learning_rate": 0.1}),
    "adagrad eps": ("adagrad", {"learning_rate": 0.1, "eps": 0.01}),
    "rmsprop": ("rmsprop", {"learning_rate": 0.01}),
    "rmsprop clip_weights": ("rmsprop", {"learning_rate": 0.05, "gamma1": 0.7, "clip_weights": 0.8}),
    "rmsprop centered": ("rmsprop", {"learning_rate": 0.01, "centered": True, "gamma2": 0.8}),
    "adadelta": ("adadelta", {}),
    "adadelta rho": ("adadelta", {"rho": 0.7, "epsilon": 1e-3}),
    "ftrl": ("ftrl", {}),
    "ftrl lamda1": ("ftrl", {"lamda1": 0.3, "learning_rate": 0.5, "beta": 0.2}),
}


def values(key):
    """Weights by name, and gradients by step and name; of several sizes."""
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    weights = {n: rng.normal(size=s).astype("float32") for n, s in SHAPES.items()}
    return weights, [{n: rng.normal(scale=0.5, size=s).astype("float32") for n, s in SHAPES.items()}
                     for _ in range(STEPS)]


def flat(state):
    """A state as a list of arrays and None."""
    if isinstance(state, (list, tuple)):
        return [part for item in state for part in flat(item)]
    return [state]


def train(mx, np, weights, grads, optimizer, settings, mults=None, together=False, dtype="float32"):
    """Weights after each of some steps, and the states at the end."""
    names = sorted(weights)
    made = mx.optimizer.create(optimizer, param_idx2name=dict(enumerate(names)), **settings)
    if mults:
        made.set_lr_mult(mults["lr"])
        made.set_wd_mult(mults["wd"])
    updater = mx.optimizer.get_updater(made)
    arrays = [mx.nd.array(weights[n], dtype=dtype) for n in names]
    seen = []
    for step in grads:
        given = [mx.nd.array(step[n], dtype=dtype) for n in names]
        if together:
            updater(list(range(len(names))), given, arrays)
        else:
            for k in range(len(names)):
                updater(k, given[k], arrays[k])
        seen.append([a.asnumpy() for a in arrays])
    return {"weights": [seen[0], seen[1], seen[-1]], "count": optimizer != "test" and made.num_update,
            "states": {names[k]: flat(s) for k, s in updater.states.items()}}


@pytest.mark.parametrize("common", COMMON)
@pytest.mark.parametrize("key", OPTIMIZERS)
def test_twenty_steps(compare, key, common):
    optimizer, settings = OPTIMIZERS[key]
    weights, grads = values(key)
    compare(train, {"weights": weights, "grads": grads, "optimizer": optimizer,
                    "settings": {**settings, **COMMON[common]}}, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("key", OPTIMIZERS)
def test_factors_of_rate_and_decay(compare, key):
    optimizer, settings = OPTIMIZERS[key]
    weights, grads = values(key)
    mults = {"lr": {"fc_weight": 0.5, 2: 2.0}, "wd": {"fc_bias": 1.5, "conv_weight": 0.0}}
    compare(train, {"weights": weights, "grads": grads, "optimizer": optimizer, "mults": mults,
                    "settings": {**settings, "wd": 0.02}}, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("key", OPTIMIZERS)
def test_lists_at_once(compare, key):
    optimizer, settings = OPTIMIZERS[key]
    weights, grads = values(key)
    compare(train, {"weights": weights, "grads": grads, "optimizer": optimizer, "together": True,
                    "settings": {**settings, "wd": 0.02, "rescale_grad": 0.5}}, rtol=1e-5, atol=2e-6)


def scheduled(mx, np, weights, grads, optimizer, settings):
    """As `train`, with a learning rate that falls every third update."""
    scheduler = mx.lr_scheduler.FactorScheduler(3, 0.7, base_lr=0.05)
    return train(mx, np, weights, grads, optimizer, {**settings, "lr_scheduler": scheduler, "begin_num_update": 4})


@pytest.mark.parametrize("key", OPTIMIZERS)
def test_scheduled_rate(compare, key):
    optimizer, settings = OPTIMIZERS[key]
    weights, grads = values(key)
    compare(scheduled, {"weights": weights, "grads": grads, "optimizer": optimizer, "settings": settings},
            rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("key", ["sgd", "sgd momentum", "nag momentum", "adam", "rmsprop", "adagrad", "signum"])
@pytest.mark.parametrize("together", [False, True])
def test_16_bits_with_a_copy_of_32(compare, key, together):
    optimizer, settings = OPTIMIZERS[key]
    weights, grads = values(key)
    settings = {**settings, "multi_precision": True, "wd": 0.02}
    # Where a sum lies between two numbers of 16 bits, the last bit of its 32 decides.
    compare(train, {"weights": weights, "grads": grads, "optimizer": optimizer, "settings": settings,
                    "together": together, "dtype": "float16"}, rtol=2e-5, atol=2e-6, tolerances={"weights*": (1e-3, 0)})


def factors(mx, np):
    """Learning rates and weight decays of parameters: by name, index, attribute and default."""
    weight = mx.sym.Variable("w", lr_mult=2.0, wd_mult=3.0)
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), weight=weight, num_hidden=3, name="fc")
    names = ["w", "fc_bias", "bn_gamma", "bn_beta", "x_weight", "weight", "gamma", "weight_x", "moving_var"]
    made = {}
    for label, sym in (("sym", net), ("none", None)):
        for kind in ("sgd", "adam", "lars", "lamb"):
            optimizer = mx.optimizer.create(kind, sym=sym, param_idx2name=dict(enumerate(names)), wd=0.1,
                                            learning_rate=0.5)
            seen = [[optimizer._get_lrs(range(10)), optimizer._get_wds(range(10))]]
            optimizer.set_lr_mult({"fc_bias": 5.0, 4: 7.0})
            optimizer.set_wd_mult({"fc_bias": 5.0, 3: 7.0, "bn_gamma": 0.5})
            seen.append([[optimizer._get_lr(i) for i in range(10)], [optimizer._get_wd(i) for i in range(10)]])
            made[f"{label} {kind}"] = [seen, optimizer.lr_mult, optimizer.wd_mult]
    return made


def test_factors(compare):
    compare(factors, check_dtype=False)


def counted(mx, np):
    """Update counts on several devices, and learning rates that follow them."""
    scheduler = mx.lr_scheduler.FactorScheduler(2, 0.5, base_lr=1.0)
    optimizer = mx.optimizer.SGD(lr_scheduler=scheduler, begin_num_update=1)
    seen = []
    for device, index in ((0, [0, 1, 2]), (0, 1), (2, 0), (2, [0, 3]), (0, 1), (0, 1)):
        optimizer._set_current_context(device)
        optimizer._update_count(index)
        seen.append([optimizer.num_update, optimizer._get_lr(0), optimizer.learning_rate,
                     dict(optimizer._index_update_count)])
    return {"seen": seen, "all": optimizer._all_index_update_counts}


def test_counts(compare):
    compare(counted, check_dtype=False)


def registered(mx, np):
    """Names, defaults and attributes of what can be created."""
    names = ["sgd", "ccsgd", "nag", "signum", "sgld", "dcasgd", "lars", "test", "adam", "adamax", "nadam", "ftml",
             "lamb", "adagrad", "rmsprop", "adadelta", "ftrl", "groupadagrad"]
    left_out = {"idx2name", "sym_info", "param_dict", "allow_np_array", "aggregate_num", "skip",
                "_all_index_update_counts", "_index_update_count"}
    return {name: {k: v for k, v in vars(mx.optimizer.create(name.upper())).items() if k not in left_out}
            for name in names}


def test_defaults(compare):
    compare(registered, check_dtype=False)


def langevin(mx, np):
    """Mean and spread of the noise of SGLD."""
    optimizer = mx.optimizer.SGLD(learning_rate=0.04, wd=0.5)
    weight = mx.nd.ones((200, 300))
    mx.optimizer.get_updater(optimizer)(0, mx.nd.ones((200, 300)), weight)
    moved = weight.asnumpy()
    return {"mean": float(moved.mean()), "spread": float(moved.std())}


def test_langevin_noise(compare):
    compare(langevin, rtol=0.02)


def rows(mx, np, weight, grad):
    """GroupAdaGrad."""
    updater = mx.optimizer.get_updater(mx.optimizer.contrib.GroupAdaGrad(learning_rate=0.3, rescale_grad=0.5,
                                                                         clip_gradient=0.4))
    array = mx.nd.array(weight)
    for k in range(5):
        updater(0, mx.nd.array(grad * (k - 2)), array)
    return {"weight": array, "state": updater.states[0]}


def test_group_adagrad(compare, rng):
    compare(rows, {"weight": rng.normal(size=(4, 3)).astype("float32"),
                   "grad": rng.normal(size=(4, 3)).astype("float32")})
