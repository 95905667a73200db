"""Loss layers: their gradients are the loss's, whatever the head gradient."""
from tests.parity.rows import Row, between, given, whole

LOSS = dict(derivative=False, nd=True)


def softmax(data, label, **attrs):
    return Row("SoftmaxOutput", [data, label], attrs, rtol=1e-5, atol=1e-6, **LOSS)


CLASSES = whole(0, 3, 6)

ROWS = [
    softmax((6, 3), CLASSES), softmax((6, 3), CLASSES, grad_scale=0.5),
    softmax((6, 3), CLASSES, normalization="batch"), softmax((6, 3), CLASSES, normalization="valid"),
    softmax((6, 3), given([0, -1, 2, 1, -1, 0]), use_ignore=True),
    softmax((6, 3), given([0, 1, 2, 1, 2, 0]), use_ignore=True, ignore_label=1, normalization="valid"),
    softmax((6, 3), given([0, 1, 2, 1, 2, 0]), use_ignore=True, ignore_label=1, normalization="batch"),
    softmax((6, 3), CLASSES, smooth_alpha=0.1),
    Row("SoftmaxOutput", [(6, 3), CLASSES], dict(out_grad=True), grad=False, derivative=False,
        why="MXNet multiplies the gradient by the output in place of the head gradient"),
    softmax((6, 3), between(0, 1, 6, 3)), softmax((6, 3), between(0, 1, 6, 3), grad_scale=2.0),
    *[softmax((2, 3, 4, 5), whole(0, 3, 2, 20), multi_output=True, normalization=n)
      for n in ("null", "batch", "valid")],
    softmax((2, 3, 4, 5), whole(-1, 3, 2, 20), multi_output=True, use_ignore=True, normalization="valid"),
    softmax((2, 3, 4, 5), whole(-1, 3, 2, 20), multi_output=True, use_ignore=True),
    softmax((2, 3, 4), whole(0, 3, 2, 4), multi_output=True),
    softmax((2, 3, 4), whole(0, 4, 2, 3), preserve_shape=True),
    softmax((2, 3, 4), whole(0, 4, 2, 3), preserve_shape=True, normalization="batch"),
    softmax((2, 3, 4), whole(0, 12, 2, 3)),
    *[Row(f"{kind}RegressionOutput", [data, label], attrs, **LOSS)
      for kind in ("Linear", "Logistic", "MAE") for data, label, attrs in (
        ((4, 2), (4, 2), {}), ((4, 2), (4, 2), dict(grad_scale=0.25)), ((4, 1), (4,), {}), ((4, 1), (4, 1), {}),
        ((2, 3, 2), (2, 3, 2), {}), ((5,), (5,), {}))],
    Row("MAERegressionOutput", [whole(0, 2, 4, 3), whole(0, 2, 4, 3)], **LOSS),      # half of them right
    *[Row("MakeLoss", [shape], dict(normalization="batch"), **LOSS) for shape in ((3,), (3, 2, 2))],
    *[Row("MakeLoss", [(3, 4)], dict(normalization=n, grad_scale=2.0, valid_thresh=0.1), **LOSS)
      for n in ("null", "batch", "valid")],
    Row("make_loss", [(3, 4)], **LOSS),
    *[Row("SVMOutput", [(5, 3), whole(0, 3, 5)], attrs, **LOSS) for attrs in (
        {}, dict(use_linear=True), dict(margin=0.5, regularization_coefficient=2.0),
        dict(margin=0.5, regularization_coefficient=2.0, use_linear=True))],
    Row("softmax_cross_entropy", [(5, 3), whole(0, 3, 5)], grad=False, dtypes=("float32",),
        why="MXNet's gradient leaves out the head gradient"),
]
