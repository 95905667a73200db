"""Shapes that are known in part: whatever MXNet infers, forwards and backwards, is inferred here too.

Each row names an operator, its attributes, what is known of its inputs ``d``, ``e``, and of its output through a sum
with the variable ``out``; 0 is an unknown size. Where MXNet raises, it is the knowledge that conflicts.
"""
import pytest

import ganmod
from tests.parity.oracle import here

ROWS = [
    ("broadcast_add", {}, dict(d=(0, 3), e=(1, 3))), ("broadcast_add", {}, dict(d=(2, 3))),
    ("broadcast_add", {}, dict(d=(0, 3), e=(2, 3), out=(2, 3))), ("broadcast_add", {}, dict(d=(2, 1), e=(0, 3))),
    ("elemwise_add", {}, dict(d=(0, 3), e=(2, 0))), ("elemwise_add", {}, dict(out=(2, 3))),
    ("elemwise_mul", {}, dict(d=(2, 3))), ("add_n", {}, dict(out=(2, 3))), ("exp", {}, dict(out=(2, 3))),
    ("clip", dict(a_min=0, a_max=1), dict(d=(0, 3), out=(2, 0))), ("where", {}, dict(d=(2,), e=(2, 3), f=(2, 3))),
    ("_identity_with_attr_like_rhs", {}, dict(e=(2, 3))), ("zeros_like", {}, dict(out=(2, 3))),
    ("Activation", dict(act_type="relu"), dict(out=(2, 3))), ("LeakyReLU", dict(act_type="elu"), dict(d=(0, 3))),
    ("LeakyReLU", dict(act_type="prelu"), dict(d=(2, 3, 4))), ("softmax", {}, dict(d=(0, 3))),
    ("softmax", dict(use_length=True, axis=1), dict(d=(2, 3, 4))), ("log_softmax", {}, dict(out=(2, 3))),
    ("SoftmaxActivation", {}, dict(out=(2, 3))), ("hard_sigmoid", {}, dict(out=(2, 3))),
] + [("Reshape", dict(shape=shape), known) for shape, known in (
    ((0, -1), dict(d=(0, 3, 4))), ((0, 12), dict(d=(0, 3, 4))), ((-1, 12), dict(d=(0, 3, 4))), ((-1, 12), {}),
    ((5, 12), dict(d=(0, 12))), ((5, 12), dict(d=(0, 3, 4))), ((5, -1), dict(d=(0, 3, 4))), ((-2,), dict(d=(0, 7, 4))),
    ((-3, 0), dict(d=(0, 7, 4))), ((0, -3), dict(d=(0, 7, 4))), ((-4, 2, -1, 0, 0), dict(d=(0, 7, 4))),
    ((0, -4, 1, 7, 0), dict(d=(0, 7, 4))), ((0, -1), dict(d=(0, 3, 4), out=(5, 12))),
    ((0, 3, 4), dict(d=(0, 12), out=(5, 3, 4))), ((-1, 3, 4), dict(d=(0, 12), out=(5, 3, 4))))] + [
    ("Reshape", dict(shape=(-1, 0), reverse=True), dict(d=(0, 3, 4))),
    ("Reshape", dict(target_shape=(0, 12)), dict(d=(5, 3, 4))),
    ("Flatten", {}, dict(d=(2,))), ("Flatten", {}, dict(d=(2, 3, 4))), ("Flatten", {}, dict(d=(0, 3, 4), out=(5, 12))),
    ("Concat", {}, dict(d=(2, 3), e=(0, 4))), ("Concat", dict(dim=-1), dict(d=(2, 0), e=(0, 4))),
    ("Concat", dict(dim=0), dict(d=(2, 3), e=(0, 4))), ("Concat", {}, dict(d=(0, 3), e=(0, 0), out=(2, 7))),
    ("Concat", {}, dict(d=(2, 3), e=(3, 4))), ("Concat", dict(dim=0), dict(d=(2,), e=(3,))),
    ("stack", dict(axis=1), dict(d=(0, 3), e=(2, 0))), ("stack", {}, dict(d=(2, 3))),
    ("SliceChannel", dict(num_outputs=2), dict(d=(2, 6))), ("SliceChannel", dict(num_outputs=2), dict(d=(0, 6))),
    ("SliceChannel", dict(num_outputs=4), dict(d=(2, 6))), ("split", dict(num_outputs=2, axis=-1), dict(d=(0, 6))),
    ("SliceChannel", dict(num_outputs=2, squeeze_axis=True), dict(d=(0, 2, 3))),
    ("SliceChannel", dict(num_outputs=2, squeeze_axis=True), dict(d=(0, 6))),
    ("SliceChannel", dict(num_outputs=2), dict(out=(2, 3))),
    ("_split_v2", dict(indices=(0, 2), axis=1), dict(d=(0, 3, 1))),
    ("transpose", {}, dict(d=(0, 3, 4))), ("transpose", dict(axes=(1, 0, 2)), dict(d=(0, 3, 4))),
    ("transpose", dict(axes=(1, 0, 2)), dict(out=(3, 4, 5))), ("transpose", dict(axes=(0, 1)), dict(d=(2, 3, 4))),
    ("SwapAxis", dict(dim1=0, dim2=1), dict(d=(0, 3, 1))), ("expand_dims", dict(axis=1), dict(d=(0, 3))),
    ("expand_dims", dict(axis=-1), dict(d=(0, 3))), ("expand_dims", dict(axis=1), dict(out=(2, 1, 3))),
    ("expand_dims", dict(axis=1), dict(out=(2, 3, 2))), ("squeeze", dict(axis=0), dict(d=(1, 3))),
    ("slice_axis", dict(axis=0, begin=1, end=None), dict(d=(0, 3))),
    ("slice_axis", dict(axis=1, begin=0, end=2), dict(d=(0, 3))),
    ("slice_axis", dict(axis=1, begin=0, end=2), dict(d=(2, 1))),
    ("slice_axis", dict(axis=-1, begin=-2, end=None), dict(d=(0, 3))),
    ("slice", dict(begin=(0, 1), end=(None, 3)), dict(d=(0, 3, 2))), ("slice_like", {}, dict(d=(3, 4), e=(2, 3))),
    ("Crop", dict(h_w=(2, 2), num_args=1), dict(d=(0, 4, 3, 3))),
    ("repeat", dict(repeats=2, axis=1), dict(d=(0, 3))), ("reverse", dict(axis=0), dict(out=(2, 3))),
    ("broadcast_to", dict(shape=(4, 3)), dict(d=(1, 3))), ("broadcast_like", {}, dict(d=(1, 3), e=(2, 3))),
    ("Pad", dict(mode="edge", pad_width=(0, 0, 0, 0, 1, 1, 1, 1)), dict(d=(0, 4, 2, 2))),
    ("depth_to_space", dict(block_size=2), dict(d=(0, 4, 2, 2))),
    ("space_to_depth", dict(block_size=2), dict(d=(0, 4, 2, 2))),
    ("UpSampling", dict(scale=2, sample_type="nearest", num_args=1), dict(d=(0, 4, 2, 2))),
    ("UpSampling", dict(scale=2, sample_type="bilinear", num_filter=3, num_args=2), dict(d=(2, 3, 4, 4))),
    ("sum", {}, dict(d=(0, 3))), ("sum", dict(axis=0), dict(d=(0, 3))),
    ("mean", dict(axis=1, keepdims=True), dict(d=(0, 3))),
    ("max", dict(axis=(0,), exclude=True), dict(d=(0, 3, 4))), ("sum", {}, dict(d=(2, 3), out=(2, 3))),
    ("argmax", dict(axis=1), dict(d=(0, 3))), ("moments", dict(axes=(0,)), dict(d=(0, 3, 1))),
    ("cumsum", dict(axis=0), dict(out=(2, 3))), ("L2Normalization", {}, dict(d=(0, 3, 1))),
    ("shape_array", {}, dict(d=(0, 3, 4))), ("size_array", {}, dict(d=(0, 3))),
    ("dot", {}, dict(d=(0, 3), e=(3, 0))), ("dot", {}, dict(d=(2, 3), e=(3, 4))), ("dot", {}, dict(d=(2, 3), e=(4, 5))),
    ("batch_dot", {}, dict(d=(2, 3, 4), e=(2, 4, 5))),
    ("linalg_gemm2", {}, dict(d=(0, 3), e=(3, 4))), ("linalg_gemm2", {}, dict(d=(2, 3))),
    ("linalg_gemm2", dict(transpose_b=True), dict(d=(2, 3), e=(3, 4))),
    ("linalg_gemm2", dict(axis=0), dict(d=(2, 5, 3), e=(3, 5, 4))), ("linalg_potrf", {}, dict(out=(3, 3))),
    ("linalg_gemm", {}, dict(d=(2, 3), e=(3, 4))), ("linalg_trmm", {}, dict(d=(3, 3), e=(3, 0))),
    ("linalg_trsm", {}, dict(d=(3, 3), e=(4, 3))), ("linalg_trsm", dict(rightside=True), dict(d=(3, 3), e=(4, 3))),
    ("linalg_syrk", {}, dict(d=(0, 3))), ("linalg_gelqf", {}, dict(d=(0, 3))), ("linalg_gelqf", {}, dict(d=(3, 2))),
    ("linalg_sumlogdiag", {}, dict(d=(0, 3, 3))), ("linalg_det", {}, dict(d=(3, 3))),
    ("linalg_makediag", dict(offset=1), dict(d=(0, 3))), ("linalg_extractdiag", dict(offset=-1), dict(d=(0, 3, 3))),
    ("linalg_maketrian", {}, dict(d=(0, 6))), ("linalg_maketrian", {}, dict(d=(0, 5))),
    ("linalg_extracttrian", dict(offset=1), dict(d=(0, 4, 4))), ("linalg_inverse", {}, dict(d=(3, 4))),
    ("_histogram", dict(bin_cnt=3, range=(0, 1)), dict(d=(0, 3))), ("_histogram", {}, dict(e=(4,))),
]


def inferred(mx, np, op, attrs, known):
    """The shapes of arguments and outputs as far as they can be inferred, or the fact that they conflict."""
    function = getattr(mx.sym, op) if hasattr(mx.sym, op) else getattr(mx.sym._internal, op)
    known = dict(known)
    out = known.pop("out", None)
    number = {"where": 3, "elemwise_add": 2, "elemwise_mul": 2, "add_n": 2, "Concat": 2, "stack": 2, "slice_like": 2,
              "broadcast_add": 2, "broadcast_like": 2, "dot": 2, "batch_dot": 2,
              "linalg_gemm2": 2, "linalg_gemm": 3, "linalg_trmm": 2, "linalg_trsm": 2,
              "_identity_with_attr_like_rhs": 2}.get(op, 2 if op == "_histogram" and not attrs else 1)
    symbol = function(*[mx.sym.Variable(name) for name in "def"[:number]], name="node", **attrs)
    if out is not None:
        symbol, known["out"] = symbol[0] + mx.sym.Variable("out"), out
    try:
        arguments, outputs, _ = symbol.infer_shape_partial(**known)
    except mx.base.MXNetError:
        return "conflict"
    return [list(arguments), list(outputs)]


def fits(theirs, ours) -> bool:
    """Whether `ours` says all that `theirs` says; unknown is () or 0."""
    if theirs == ():
        return True
    return len(theirs) == len(ours) and all(a in (0, b) for a, b in zip(theirs, ours))


@pytest.mark.parametrize("op, attrs, known", ROWS, ids=lambda value: str(value).replace(" ", ""))
def test_partial_shapes(oracle, op, attrs, known):
    request = dict(op=op, attrs=attrs, known=known)
    theirs, ours = oracle.run(inferred, request), here(inferred, ganmod, request)
    if theirs == "conflict" or ours == "conflict":
        assert theirs == ours
        return
    for their, our in zip(theirs, ours):
        assert len(their) == len(our) and all(map(fits, their, our)), f"MXNet {theirs}, ganmod {ours}"


RANGES = [({}, (5,)), (dict(step=3), (4,)), (dict(step=3, repeat=2), (5,)), (dict(step=-0.1), (7,)), ({}, (3, 2))]


@pytest.mark.parametrize("attrs, shape", RANGES, ids=str)
def test_a_range_is_as_long_as_its_use_wants_it(compare, attrs, shape):
    def case(mx, np, attrs, shape):
        symbol = mx.sym.arange(2, infer_range=True, name="r", **attrs) + mx.sym.Variable("x")
        return {"shapes": symbol.infer_shape(x=shape), "values": symbol.eval(x=mx.nd.zeros(shape)),
                "json": mx.sym.arange(2, infer_range=True, name="r", **attrs).tojson().split("\n")}
    compare(case, dict(attrs=attrs, shape=shape))


def test_a_range_without_a_use(compare):
    def case(mx, np):
        import warnings
        warnings.simplefilter("ignore")
        open_range = mx.sym.arange(2, infer_range=True)
        return [open_range.infer_shape(), open_range.infer_shape_partial(),
                mx.sym.arange(0, 6, infer_range=True).infer_shape(), mx.sym.arange(3).infer_shape()]
    compare(case)
