"""Functions of one array, arithmetic of two, and what belongs to them."""
from tests.parity.rows import Row, between, given, whole

ANY = (2, 3, 4)
POSITIVE = between(0.2, 3, 2, 5)
UNIT = between(-0.9, 0.9, 2, 5)
INTEGERS = whole(-5, 6, 3, 4)
KINKS = given([-2.5, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.5])
NO_MKLDNN = {"MXNET_MKLDNN_ENABLED": "0"}                      # whose copies refuse other dtypes than float32
HALF = dict(dtypes=("float32",), rtol=1e-3, why="float16", env=NO_MKLDNN)
CONSTANT = dict(rtol=1e-6, why="MXNet multiplies by a float32 constant also in float64")

DOMAINS = {
    "abs": ANY, "sign": ANY, "round": ANY, "rint": ANY, "ceil": ANY, "floor": ANY, "trunc": ANY, "fix": ANY,
    "square": ANY, "negative": ANY, "identity": ANY, "BlockGrad": ANY, "stop_gradient": ANY, "zeros_like": ANY,
    "ones_like": ANY, "logical_not": ANY, "exp": ANY, "expm1": ANY, "sin": ANY, "cos": ANY, "tan": between(-1, 1, 3, 4),
    "arctan": ANY, "sinh": ANY, "cosh": ANY, "tanh": ANY, "arcsinh": ANY, "erf": ANY, "cbrt": ANY, "rcbrt": ANY,
    "reciprocal": POSITIVE, "sqrt": POSITIVE, "rsqrt": POSITIVE, "log": POSITIVE, "log10": POSITIVE, "log2": POSITIVE,
    "log1p": POSITIVE, "arccosh": between(1.2, 3, 2, 5), "arcsin": UNIT, "arccos": UNIT, "arctanh": UNIT,
    "erfinv": UNIT,
}
STEPS = ("sign", "round", "rint", "ceil", "floor", "trunc", "fix", "zeros_like", "ones_like", "logical_not")
STOPPED = ("BlockGrad", "stop_gradient")

UNARY = [Row(op, [domain], derivative=op not in STOPPED) for op, domain in DOMAINS.items()] + [
    Row(op, [KINKS], derivative=False) for op in (*STEPS, "abs", "square")] + [
    Row(op, [INTEGERS], dtypes=("int32", "int64", "int8"))
    for op in (*STEPS, "abs", "square", "negative", "identity")] + [
    Row(op, [whole(1, 5, 6)], dtypes=("int32", "uint8")) for op in ("sqrt", "exp", "log", "tanh", "erf", "cbrt",
                                                                     "arctan", "gamma", "sigmoid")] + [
    Row("degrees", [ANY], **CONSTANT), Row("radians", [ANY], **CONSTANT),
    Row("gamma", [between(0.3, 5, 2, 6)], rtol=1e-4, atol=1e-5, why="MXNet's digamma is that exact in float32 only"),
    Row("gamma", [given([-2.5, -1.5, -0.5])], rtol=1e-4, why="as above"),
    Row("gammaln", [between(0.3, 5, 2, 6)], rtol=1e-4, atol=1e-5, why="as above"),
]

# Pairs that both sides of every function take: a positive base, no ties.
PAIR = [between(0.3, 3, 2, 3), between(0.4, 2, 2, 3)]
SPREAD = [between(0.3, 3, 2, 1, 3), between(0.4, 2, 4, 1)]
TIES = [given([1.0, 2, 3, 0, -1]), given([1.0, 3, 2, 0, -1])]
NAMES = ("add", "sub", "mul", "div", "mod", "power", "maximum", "minimum", "hypot")
RELATIONS = ("equal", "not_equal", "greater", "greater_equal", "lesser", "lesser_equal", "logical_and", "logical_or",
             "logical_xor")
WHOLE = [whole(-7, 8, 3, 4), whole(1, 5, 3, 4)]
DIVISORS = [given([7, -7, 7, -7, 0, 6]), given([3, 3, -3, -3, 2, -2])]

BINARY = [
    Row(op, PAIR) for op in ("elemwise_add", "elemwise_sub", "elemwise_mul", "elemwise_div", "_mod", "_power",
                             "_maximum", "_minimum", "_hypot")] + [
    Row(f"_{op}", TIES, derivative=False) for op in (*RELATIONS, "maximum", "minimum")] + [
    Row(f"broadcast_{op}", SPREAD) for op in NAMES] + [
    Row(f"broadcast_{op}", [(2, 3), (1, 3)]) for op in ("add", "mul", "maximum")] + [
    Row(f"broadcast_{op}", TIES, derivative=False) for op in (*RELATIONS, "maximum", "minimum")] + [
    Row(f"broadcast_{op}", DIVISORS, derivative=False) for op in ("mod", "div", "hypot")] + [
    Row(f"broadcast_{op}", WHOLE, dtypes=("int32", "int64")) for op in (*NAMES, *RELATIONS)] + [
    Row(f"broadcast_{op}", [whole(1, 9, 5), whole(1, 4, 5)], dtypes=("uint8",)) for op in ("add", "sub", "mul", "div")
] + [
    Row("broadcast_plus", SPREAD), Row("broadcast_minus", SPREAD), Row("_grad_add", PAIR, grad=False),
    Row("_scatter_elemwise_div", PAIR),
    Row("broadcast_mod", [given([1.0, -2, 3]), given([0.0, 0, 2])], grad=False, derivative=False,
        why="the gradient of a modulus of 0 is infinite in MXNet"),
]

SCALAR = ("_plus_scalar", "_minus_scalar", "_rminus_scalar", "_mul_scalar", "_div_scalar", "_rdiv_scalar",
          "_mod_scalar", "_rmod_scalar", "_power_scalar", "_rpower_scalar", "_maximum_scalar", "_minimum_scalar",
          "_hypot_scalar")
SCALAR_RELATIONS = tuple(f"_{op}_scalar" for op in RELATIONS)

SCALARS = [
    Row(op, [between(0.3, 3, 2, 5)], dict(scalar=scalar)) for op in SCALAR for scalar in (1.7, 2)] + [
    Row(op, [given([-1.5, -0.7, 0.7, 1.5, 2.25])], dict(scalar=-1.5), derivative=False)
    for op in SCALAR if "power" not in op] + [
    Row(op, [KINKS], dict(scalar=1.5), derivative=False) for op in SCALAR_RELATIONS] + [
    Row(op, [given([-5, -1, 1, 2, 4])], dict(scalar=scalar), dtypes=("int32", "int8"))
    for op in SCALAR + SCALAR_RELATIONS for scalar in (2, 1.5)] + [
    Row("_plus_scalar", [given([1, 0], dtype="bool")], dict(scalar=2), dtypes=("bool",)),
    Row("_mul_scalar", [given([1, 0], dtype="bool")], dict(scalar=2.5, is_int=False), dtypes=("bool",)),
    Row("_scatter_plus_scalar", [KINKS], dict(scalar=2)), Row("_scatter_minus_scalar", [KINKS], dict(scalar=2)),
    Row("_power_scalar", [KINKS], dict(scalar=3)), Row("_power_scalar", [KINKS], dict(scalar=2)),
]

OTHERS = [
    Row("clip", [KINKS], dict(a_min=-1.0, a_max=1.5), derivative=False), Row("clip", [ANY], dict(a_min=0, a_max=0.5)),
    Row("clip", [INTEGERS], dict(a_min=-1.5, a_max=2.5), dtypes=("int32",)),
    Row("smooth_l1", [ANY], dict(scalar=1.0)), Row("smooth_l1", [KINKS], dict(scalar=2.0)),
    Row("smooth_l1", [INTEGERS], dict(scalar=1.0), dtypes=("int32",)),
    Row("Cast", [given([-1.7, -0.5, 0.0, 1.5, 100.9])], dict(dtype="int32"), grad=False),
    Row("Cast", [ANY], dict(dtype="float16"), rtol=1e-3, why="float16 output", derivative=False),
    Row("Cast", [ANY], dict(dtype="float64"), derivative=False), Row("cast", [ANY], dict(dtype="bool"), grad=False),
    Row("Cast", [INTEGERS], dict(dtype="float32"), dtypes=("int32", "uint8")),
    Row("amp_cast", [ANY], dict(dtype="float16"), derivative=False, **HALF),
    Row("amp_cast", [INTEGERS], dict(dtype="float16"), dtypes=("int32",), env=NO_MKLDNN),
    Row("amp_multicast", [(2, 3), (3,)], dict(num_outputs=2), dtypes=("float32",)),
    Row("amp_multicast", [given([1, 2.5], dtype="float16"), (3,)], dict(num_outputs=2), derivative=False, **HALF),
    Row("amp_multicast", [given([1, 2.5], dtype="float16"), (3,)], dict(num_outputs=2, cast_narrow=True),
        derivative=False, **HALF),
    Row("_identity_with_attr_like_rhs", [(2, 3), (2, 3)]),
    Row("add_n", [(2, 3)] * 3), Row("ElementWiseSum", [(4,)] * 2), Row("add_n", [INTEGERS] * 2, dtypes=("int32",)),
    Row("where", [given([[1, 0, 2], [0, 0, -1]]), (2, 3), (2, 3)]), Row("where", [given([1, 0]), (2, 3), (2, 3)]),
    Row("where", [given([1, 0], dtype="int32"), (2,), (2,)]),
]
ROWS = UNARY + BINARY + SCALARS + OTHERS
