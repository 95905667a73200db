"""The steps of optimizers. What they change in place is held against MXNet in `test_updates.py`."""
from tests.parity.rows import Row, between, given

WHY = dict(grad=False, derivative=False, sym=False, rtol=1e-5, atol=1e-6,
           why="MXNet has no gradient of a step and no symbol of it; settings are float32 in another order")
SHAPE = (3, 4)
SQUARES = between(0.1, 1, *SHAPE)
ONE = between(0.5, 1.5, 1)
ONE32 = given([0.5], dtype="float32")
COMMON = (dict(lr=0.1), dict(lr=0.1, wd=0.05, rescale_grad=0.5, clip_gradient=0.3), dict(lr=0.2, clip_gradient=0))
BETAS = dict(beta1=0.8, beta2=0.99, epsilon=1e-3)


def single(shape=SHAPE):
    """An array that is float32 whatever the row's dtype."""
    made = between(0.1, 1, *shape)
    return type(made)(made.make, "float32")


def steps(op, states, *attrs, **settings):
    """Rows for one parameter: `states` follow the weight and the gradient."""
    return [Row(op, [SHAPE, SHAPE, *states], dict(a), **{**WHY, **settings}) for a in attrs]


def low(op, states, *attrs, dtypes=("float16", "float32")):
    """Rows with a float16 weight and gradient, and float32 states."""
    return steps(op, states, *attrs, dtypes=dtypes, rtol=1e-3, atol=1e-6)


def momenta(*more):
    return [dict(a, momentum=m) for a in COMMON for m in (0.9,)] + [COMMON[0], *more]


PLAIN = [
    *steps("sgd_update", [], *COMMON), *steps("sgd_mom_update", [SHAPE], *momenta()),
    *low("mp_sgd_update", [single()], *COMMON), *low("mp_sgd_mom_update", [single(), single()], *momenta()),
    *steps("nag_mom_update", [SHAPE], *momenta()), *low("mp_nag_mom_update", [single(), single()], *momenta()),
    *steps("signsgd_update", [], *COMMON),
    *steps("signum_update", [SHAPE], *momenta(dict(lr=0.1, momentum=0.5, wd_lh=0.1, wd=0.2))),
    *steps("sgd_update", [], dict(lr=0.1, wd=0.1), dtypes=("float16",), rtol=2e-3, atol=1e-3),
]

ADAPTIVE = [
    *steps("adam_update", [SHAPE, SQUARES], *COMMON, dict(lr=0.1, wd=0.1, **BETAS)),
    *steps("_adamw_update", [SHAPE, SQUARES, ONE32], dict(lr=0.1, eta=0.5), dict(lr=0.1, eta=1.0, wd=0.1, **BETAS),
           dict(lr=0.1, eta=0.5, clip_gradient=0.3), dtypes=("float32",)),
    *low("_mp_adamw_update", [single(), single(), single(), ONE32], dict(lr=0.1, eta=0.5, wd=0.1),
         dict(lr=0.1, eta=0.5, clip_gradient=0.3, **BETAS)),
    *steps("ftml_update", [SQUARES, SQUARES, SHAPE], dict(lr=0.1, t=1), dict(
        lr=0.1, t=3, wd=0.1, rescale_grad=0.5, clip_grad=0.3, **BETAS)),
    *steps("lamb_update_phase1", [SHAPE, SQUARES], dict(t=1, wd=0.0), dict(t=3, wd=0.1, **BETAS),
           dict(t=2, wd=0.1, bias_correction=False, rescale_grad=0.5, clip_gradient=0.3)),
    *low("mp_lamb_update_phase1", [single(), single(), single()], dict(t=2, wd=0.1), dict(
        t=2, wd=0.1, bias_correction=False, rescale_grad=0.5, clip_gradient=0.3), dtypes=("float16",)),
    *steps("lamb_update_phase2", [ONE, ONE], dict(lr=0.1), dict(lr=0.1, lower_bound=1.2),
           dict(lr=0.1, upper_bound=0.7)),
    *steps("lamb_update_phase2", [given([0.0]), ONE], dict(lr=0.1)),
    *[Row("mp_lamb_update_phase2", [SHAPE, single(), single((1,)), single((1,)), single()],
          dict(lr=0.1, **bounds), **{**WHY, "rtol": 1e-3}, dtypes=("float16", "float32"))
      for bounds in ({}, dict(upper_bound=0.2))],
    *steps("rmsprop_update", [SQUARES], *COMMON, dict(lr=0.1, gamma1=0.5, epsilon=0.1, clip_weights=0.5)),
    *steps("rmspropalex_update", [between(1, 2, *SHAPE), between(0, 0.5, *SHAPE), SHAPE], *COMMON,
           dict(lr=0.1, gamma1=0.5, gamma2=0.7, epsilon=0.1, clip_weights=0.5)),
    *steps("ftrl_update", [SHAPE, SQUARES], *COMMON, dict(lr=0.1, lamda1=0.5, beta=2.0, wd=0.1)),
    *steps("_sparse_adagrad_update", [SQUARES], *COMMON, nd=False, why="MXNet takes sparse gradients only"),
    *steps("_contrib_group_adagrad_update", [between(0.1, 1, 3, 1)], COMMON[0], nd=False,
           why="MXNet takes sparse gradients only"),
]


def many(op, parts, attrs, extra=(), dtypes=("float32", "float64")):
    """A row for two parameters of different shapes; ``parts[k](shape)`` makes the arrays of one."""
    arrays = [part(shape) for shape in ((3, 4), (5,)) for part in parts]
    settings = {**WHY, "nd": False, "rtol": 1e-3 if "float16" in dtypes else WHY["rtol"]}
    return Row(op, [*arrays, *extra], attrs, dtypes=dtypes, **settings)


def any_shape(shape):
    return shape


def squares(shape):
    return between(0.1, 1, *shape)


TWO = dict(lrs=(0.1, 0.2), wds=(0.0, 0.05), num_weights=2)
HALF = dict(dtypes=("float16",))                     # with float32 weights MXNet leaves out the copies
CLIPPED = dict(rescale_grad=0.5, clip_gradient=0.3)
RATES = [given(0.1, 0.2, dtype="float32"), given(0.0, 0.05, dtype="float32")]
LAMB = dict(learning_rates=(0.1, 0.2), wds=(0.0, 0.05), step_count=(1, 3), num_tensors=2)
W, G = any_shape, any_shape

MANY = [
    *[many("multi_sgd_update", [W, G], dict(TWO, **more)) for more in ({}, CLIPPED)],
    *[many("multi_sgd_mom_update", [W, G, W], dict(TWO, momentum=0.9, **more)) for more in ({}, CLIPPED)],
    many("multi_mp_sgd_update", [W, G, single], dict(TWO, **CLIPPED), **HALF),
    many("multi_mp_sgd_mom_update", [W, G, single, single], dict(TWO, momentum=0.9, **CLIPPED), **HALF),
    many("preloaded_multi_sgd_update", [W, G], dict(num_weights=2, **CLIPPED), RATES, dtypes=("float32",)),
    many("preloaded_multi_sgd_mom_update", [W, G, W], dict(num_weights=2, momentum=0.9), RATES, dtypes=("float32",)),
    many("preloaded_multi_mp_sgd_update", [W, G, single], dict(num_weights=2), RATES, **HALF),
    many("preloaded_multi_mp_sgd_mom_update", [W, G, single, single], dict(num_weights=2, momentum=0.9), RATES, **HALF),
    *[many("_multi_adamw_update", [W, G, W, squares], dict(TWO, etas=(0.5, 1.0), **more), [ONE32], dtypes=("float32",))
      for more in ({}, dict(clip_gradient=0.3, **BETAS))],
    many("_multi_mp_adamw_update", [W, G, single, single, single], dict(TWO, etas=(0.5, 1.0)), [ONE32], **HALF),
    *[many("_multi_lamb_update", [W, G, W, squares], dict(LAMB, **more), dtypes=("float32",)) for more in (
        {}, dict(bias_correction=False, lower_bound=0.1, upper_bound=2.0, **CLIPPED, **BETAS))],
    many("_multi_mp_lamb_update", [W, G, single, single, single], LAMB, **HALF),
]

TESTS = [
    Row("multi_sum_sq", [(3, 4), (5,)], dict(num_arrays=2), **WHY),
    Row("multi_lars", [between(0, 1, 4), given(1.0, 0.0, 2.0, 3.0), given(1.0, 2.0, 0.0, 3.0), between(0, 1, 4)],
        dict(eta=0.5, eps=0.01, rescale_grad=0.5), dtypes=("float32",), **WHY),
    *[Row("all_finite", [values], {}, dtypes=("float32", "float64", "float16"), **WHY)
      for values in ((2, 3), given(1.0, float("nan")), given(float("-inf"), 1.0))],
    Row("multi_all_finite", [(2, 3), given(1.0, float("inf"))], dict(num_arrays=2), **WHY),
    Row("multi_all_finite", [(2, 3), (4,)], dict(num_arrays=2), **WHY),
    Row("reset_arrays", [(2, 3), (4,)], dict(num_arrays=2), **WHY),
]

ROWS = PLAIN + ADAPTIVE + MANY + TESTS
