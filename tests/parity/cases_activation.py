"""Activations and the softmax family."""
from tests.parity.rows import Row, given, whole

ANY = (2, 3, 4)
KINKS = given([-2.5, -1.0, -0.5, 0.0, 0.5, 1.0, 2.5])
CONSTANT = dict(rtol=1e-6, why="MXNet keeps the attribute in float32 also for float64 data")

ROWS = [Row("Activation", [shape], dict(act_type=act_type), derivative=shape is ANY or act_type != "relu")
        for act_type in ("relu", "sigmoid", "softrelu", "softsign", "tanh") for shape in (ANY, KINKS)] + [
    Row(op, [shape], derivative=shape is ANY or op != "relu")
    for op in ("relu", "sigmoid", "softsign") for shape in (ANY, KINKS)] + [
    Row("hard_sigmoid", [ANY], **CONSTANT), Row("hard_sigmoid", [KINKS], dict(alpha=0.5, beta=0.25), derivative=False),
    Row("LeakyReLU", [ANY], **CONSTANT), Row("LeakyReLU", [KINKS], dict(slope=0.1), derivative=False, **CONSTANT),
    Row("LeakyReLU", [ANY], dict(act_type="leaky", slope=0.2), **CONSTANT),
    Row("LeakyReLU", [ANY], dict(act_type="elu")), Row("LeakyReLU", [KINKS], dict(act_type="elu", slope=1.5),
                                                       derivative=False),
    Row("LeakyReLU", [ANY], dict(act_type="selu"), grad=False, rtol=1e-6,
        why="MXNet's gradient of selu is wrong below 0: it multiplies by the scale twice"),
    Row("LeakyReLU", [ANY], dict(act_type="gelu"), rtol=1e-5, atol=1e-6, why="MXNet computes it in float32"),
    Row("LeakyReLU", [ANY, (3,)], dict(act_type="prelu"), **CONSTANT),
    Row("LeakyReLU", [ANY, (1,)], dict(act_type="prelu"), **CONSTANT),
    Row("LeakyReLU", [KINKS, (1,)], dict(act_type="prelu"), derivative=False, **CONSTANT),
    Row("SoftmaxActivation", [(3, 5)], dtypes=("float32",), why="MXNet has it for float32 only"),
    Row("SoftmaxActivation", [(2, 3, 2, 2)], dict(mode="channel"), dtypes=("float32",), why="as above"),
] + [Row(op, [(2, 3, 4)], dict(**axis, **temperature), atol=5e-6, rtol=1e-5, why="MXNet sums in float32")
     for op in ("softmax", "log_softmax", "softmin") for axis in ({}, dict(axis=1), dict(axis=0))
     for temperature in ({}, dict(temperature=0.5), dict(temperature=3.0))] + [
    Row("softmax", [(2, 3), given([1, 3], dtype="int32")], dict(use_length=True)),
    Row("softmax", [(2, 3), whole(1, 3, 3, dtype="int32")], dict(use_length=True, axis=0)),
    Row("softmax", [(2, 3, 4), whole(1, 4, 2, 4, dtype="int32")], dict(use_length=True, axis=1, temperature=2.0)),
    Row("softmax", [given([[1, 2], [3, 5]], dtype="float16")], dict(dtype="float32"), dtypes=("float16",), rtol=1e-3,
        atol=1e-3, why="MXNet computes it in float16"),
]
