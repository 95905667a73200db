"""Initializers against MXNet's: the fixed ones number for number, the random ones by their distribution."""
import numpy as np
import pytest

NAMES = ["fc_weight", "fc_bias", "bn_gamma", "bn_beta", "x_min", "x_max", "weight", "gammax", "q_bias_quantize",
         "stn_loc_weight", "stn_loc_bias", "upsampling_weight", "bn_moving_mean", "bn_moving_var",
         "bn_moving_inv_var", "bn_moving_avg", "bn_running_mean", "foo", "X_WEIGHT", "rnn_parameters"]


def outcome(function):
    """A result, or the name of the exception."""
    try:
        return function()
    except Exception as error:  # noqa: BLE001  whatever it is, both sides have to agree on it
        return type(error).__name__


def filled(mx, init, name, shape=(2, 3), attrs=None, plain=False):
    """An array, filled by an initializer."""
    array = mx.nd.ones(shape) * 9
    init(name if plain else mx.init.InitDesc(name, attrs), array)
    return array.asnumpy()


def by_name(mx, np, name):
    """What becomes of a name, plain or as InitDesc, with several initializers."""
    shape = (6,) if "loc_bias" in name else (2, 1, 4, 4) if "upsampling" in name else (2, 3)
    made = {}
    for init in (mx.init.Zero(), mx.init.One(), mx.init.Constant(3)):
        for plain in (False, True):
            made[f"{type(init).__name__} {plain}"] = outcome(
                lambda i=init, p=plain: filled(mx, i, name, shape, plain=p))
    return made


@pytest.mark.parametrize("name", NAMES)
def test_names(compare, name):
    compare(by_name, {"name": name})


def fixed(mx, np):
    """Fixed initializers in all their forms, and their JSON."""
    init = mx.init
    inits = [init.Zero(), init.One(), init.Constant(3), init.Constant(2.5), init.Bilinear(), init.LSTMBias(2.0)]
    made = {"json": [i.dumps() for i in inits],
            "random json": [i.dumps() for i in (
                init.Normal(), init.Normal(0.5), init.Uniform(), init.Uniform(2), init.Xavier(),
                init.Xavier("gaussian", "in", 2.5), init.MSRAPrelu(), init.MSRAPrelu("out", 0), init.Orthogonal(),
                init.Orthogonal(2, "normal"), init.Initializer(a=1))],
            "kwargs": [init.Xavier()._kwargs, init.MSRAPrelu(slope=0.1)._kwargs, init.Zero()._kwargs],
            "arrays": [init.Constant(mx.nd.array([1, 2, 3])).dumps(), init.Constant(np.array([1, 2])).dumps()]}
    for i in inits:
        own = {"__init__": i.dumps()}
        shape = (8, 1, 4, 3) if "bilinear" in i.dumps() else (8,)
        made[i.dumps()] = [filled(mx, i, "x_weight", shape), filled(mx, init.One(), "x_bias", shape, own),
                           filled(mx, init.One(), "foo", shape, own)]
    made["list"] = filled(mx, init.Constant([1, 2, 3]), "x_weight")
    made["array"] = filled(mx, init.Constant(mx.nd.array([1, 2, 3])), "x_weight")
    made["named"] = [filled(mx, init.One(), "foo", attrs={"__init__": n}) for n in ("zeros", "zero", "Ones", "one")]
    made["none"] = filled(mx, init.Constant(4), "x_weight", attrs={"__init__": "", "lr_mult": "2"})
    return made


def test_fixed(compare):
    compare(fixed)


def kernels(mx, np):
    """Bilinear kernels of several sizes."""
    return {str(s): filled(mx, mx.init.Bilinear(), "x_weight", s)
            for s in ((1, 1, 2, 2), (2, 3, 3, 3), (1, 1, 4, 4), (1, 1, 3, 5), (1, 1, 5, 3), (1, 2, 16, 16))}


def test_bilinear(compare):
    compare(kernels)


RANDOM = {
    "normal": ("Normal", {"sigma": 0.3}, (60, 70)),
    "uniform": ("Uniform", {"scale": 0.2}, (60, 70)),
    "uniform default": ("Uniform", {}, (60, 70)),
    "normal default": ("Normal", {}, (60, 70)),
    "xavier": ("Xavier", {}, (40, 30, 4, 4)),
    "xavier in": ("Xavier", {"factor_type": "in", "magnitude": 2.5}, (40, 30, 3)),
    "xavier out gaussian": ("Xavier", {"rnd_type": "gaussian", "factor_type": "out"}, (90, 30)),
    "msraprelu": ("MSRAPrelu", {}, (40, 30, 4, 4)),
    "msraprelu in": ("MSRAPrelu", {"factor_type": "in", "slope": 0.1}, (90, 40)),
    "orthogonal": ("Orthogonal", {}, (90, 50)),
    "orthogonal normal": ("Orthogonal", {"scale": 2.0, "rand_type": "normal"}, (50, 90)),
    "orthogonal kernels": ("Orthogonal", {}, (40, 10, 4, 4)),
}


def drawn(mx, np, name, settings, shape):
    """Moments of a random initialization, and the products of its rows or columns."""
    values = filled(mx, getattr(mx.init, name)(**settings), "x_weight", shape)
    flat = values.reshape(len(values), -1)
    flat = flat if len(flat) <= flat.shape[1] else flat.T
    made = {"mean": float(values.mean()), "spread": float(values.std()), "fourth": float((values ** 4).mean() ** 0.25)}
    if name in ("Uniform", "Xavier") and settings.get("rnd_type") != "gaussian":
        made["largest"] = float(np.abs(values).max())
    if name == "Orthogonal":
        made["products"] = flat @ flat.T
    return made


@pytest.mark.parametrize("key", RANDOM)
def test_random(compare, key):
    name, settings, shape = RANDOM[key]
    # 4,000 numbers and more: three standard errors of a spread are 3.3 %; the mean is compared with the spread.
    compare(drawn, {"name": name, "settings": settings, "shape": shape},
            tolerances={"mean": (0, 0.02), "products": (1e-4, 1e-4)}, rtol=0.04, atol=0)


def refused(mx, np, name, settings, shape):
    """An initializer that is used wrongly."""
    return {"x": filled(mx, getattr(mx.init, name)(**settings), "x_weight", shape)}


@pytest.mark.parametrize("name, settings, shape", [
    ("Xavier", {}, (4,)), ("Xavier", {"factor_type": "both"}, (4, 3)), ("Xavier", {"rnd_type": "cauchy"}, (4, 3)),
    ("Orthogonal", {}, (4,)), ("Orthogonal", {"rand_type": "cauchy"}, (4, 3)), ("Initializer", {}, (4, 3))])
def test_refusals(compare, name, settings, shape):
    compare(refused, {"name": name, "settings": settings, "shape": shape}, raises=True)


def chosen(mx, np):
    """Mixed and Load."""
    mixed = mx.init.Mixed([".*bias", "x"], [mx.init.One(), mx.init.Constant(2)])
    params = {"arg:fc_weight": mx.nd.ones((2, 3)) * 7, "aux:m": mx.nd.ones((2, 3)) * 8, "z": mx.nd.ones((2, 2))}
    load = mx.init.Load(params, default_init=mx.init.One())
    made = {f"mixed {n} {p}": outcome(lambda n=n, p=p: filled(mx, mixed, n, plain=p))
            for n in ("fc_bias", "x_weight", "abc_x", "x_bias", "zz") for p in (False, True)}
    made.update({f"load {n}": outcome(lambda n=n: filled(mx, load, n))
                 for n in ("fc_weight", "m", "other_weight", "oo")})
    made["names"] = sorted(load.param)
    return made


def test_chosen(compare):
    compare(chosen)


def test_random_ones_are_repeatable():
    import ganmod as mx
    for name, settings, shape in RANDOM.values():
        runs = []
        for seed in (3, 3, 4):
            mx.random.seed(seed)
            runs.append(filled(mx, getattr(mx.init, name)(**settings), "x_weight", shape))
        assert (runs[0] == runs[1]).all() and not np.allclose(runs[0], runs[2])
