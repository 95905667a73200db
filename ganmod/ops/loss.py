"""Loss layers: their forward is a prediction, their gradient that of a loss, whatever the head gradient.

The gradient of a label is zero.
"""
from __future__ import annotations

from typing import Callable, Literal

import torch
from torch import Tensor

from .registry import Index, Params, elementwise, operator
from .shapes import ShapeTable, product

__all__ = ["make_loss", "softmax_output", "svm_output"]

Normalization = Literal["null", "batch", "valid"]


# --- softmax ---------------------------------------------------------------------------------------------------------

def _as_classes(data: Tensor, p: Params) -> Tensor:
    """`data` as (N, classes, positions), a view."""
    if p.multi_output:
        return data.flatten(2) if data.dim() > 2 else data[..., None]
    if p.preserve_shape:
        return data.reshape(product(data.shape[:-1]), data.shape[-1], 1)
    return data.flatten(1)[..., None]


@operator("SoftmaxOutput", "Softmax", loss=lambda p: not p.out_grad)
def softmax_output(data: Tensor, label: Tensor, *, grad_scale: float = 1.0, ignore_label: float = -1.0,
                   multi_output: bool = False, use_ignore: bool = False, preserve_shape: bool = False,
                   normalization: Normalization = "null", out_grad: bool = False,
                   smooth_alpha: float = 0.0) -> Tensor:
    """Softmax whose gradient is that of the cross-entropy with `label`: ``softmax(data) - onehot(label)``.

    Shapes: data (N, K), label (N,) of class numbers -> (N, K); with multi_output data (N, K, ...) and label (N, ...);
    with preserve_shape the last axis holds the classes; a label of the data's shape holds probabilities.

    Attributes: the gradient is scaled by grad_scale, and divided by N (normalization ``'batch'``) or by the number of
    labels that count (``'valid'``). With use_ignore, labels equal to ignore_label have no gradient. smooth_alpha takes
    that share of the target and spreads it over the other classes. With out_grad the head gradient is a factor.
    """
    if multi_output:
        return torch.softmax(data, 1)
    return torch.softmax(data if preserve_shape else data.flatten(1), -1).reshape(data.shape)


@softmax_output.shapes
def _(p, s):
    s.same(("data", "output"))
    if s.data and s.label is None:
        if p.multi_output:
            s.label = (s.data[0], product(s.data[2:]))
        else:
            s.label = s.data[:-1]
    elif s.label and s.data:
        s.data = (s.label[0], *s.data[1:])
        if len(s.label) == len(s.data) - 1 and not p.multi_output:
            s.label = s.data[:-1]


@softmax_output.backward
def _(p, inputs, outputs, out_grads):
    data, label = inputs
    probabilities = _as_classes(outputs[0], p)
    if label.shape == data.shape:
        return [(outputs[0] - label) * p.grad_scale, None]
    classes, positions = probabilities.shape[1:]
    # MXNet asks for a label of all axes but the last, and without preserve_shape reads the first of them.
    target = label.reshape(-1)[:probabilities.shape[0] * positions].reshape(probabilities.shape[0], positions)
    off = p.smooth_alpha / (classes - 1) if classes > 1 else 0.0
    hit = torch.arange(classes, device=data.device)[None, :, None] == target.long()[:, None, :]
    gradient = probabilities - torch.where(hit, 1.0 - p.smooth_alpha, off).to(data.dtype)
    counts = (target != p.ignore_label) if p.use_ignore else torch.ones_like(target, dtype=torch.bool)
    gradient = (gradient * counts[:, None, :] * _softmax_scale(p, data, counts)).reshape(data.shape)
    return [gradient * out_grads[0] if p.out_grad else gradient, None]


def _softmax_scale(p: Params, data: Tensor, counts: Tensor) -> Tensor:
    scale = torch.full((), p.grad_scale, dtype=data.dtype, device=data.device)
    if p.normalization == "valid":
        return scale / counts.sum().clamp(min=1)
    if p.normalization == "batch":
        scale = scale / (counts.shape[0] if p.multi_output else counts.numel())
    return scale / counts.shape[1] if p.multi_output else scale


@operator("softmax_cross_entropy")
def softmax_cross_entropy(data: Tensor, label: Index) -> Tensor:
    """The sum over the batch of ``-log softmax(data)[label]``, as shape (1,).

    Shapes: data (N, K), label (N,) of class numbers -> (1,).
    """
    return -torch.log_softmax(data, 1).gather(1, label.long()[:, None]).sum().reshape(1)


@softmax_cross_entropy.shapes
def _(p, s):
    s.output = (1,)
    if s.data:
        s.label = s.data[:1]


@softmax_cross_entropy.dtypes
def _(p, types):
    types["data"] = types["output"] = types["data"] or types["output"]
    types["label"] = types["label"] or types["data"]


# --- regression ------------------------------------------------------------------------------------------------------

_REGRESSIONS: dict[str, tuple[str, Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "LinearRegressionOutput": ("``data``, with the gradient of half the squared error: ``p - label``",
                               lambda x: x, lambda error: error),
    "LogisticRegressionOutput": ("``sigmoid(data)``, with the gradient of the cross-entropy: ``p - label``",
                                 torch.sigmoid, lambda error: error),
    "MAERegressionOutput": ("``data``, with the gradient of the absolute error: 1 above the label, otherwise -1",
                            lambda x: x, lambda error: torch.where(error > 0, 1.0, -1.0).to(error.dtype)),
}

_REGRESSION_DOC = """{summary}, divided by the number of outputs per sample.

    Shapes: data (N, ...), label the same, or (N,) for data of shape (N, 1) -> as data. grad_scale multiplies the
    gradient; the head gradient has no effect.
    """


def _regression(name: str, summary: str, activate: Callable[[Tensor], Tensor], slope: Callable[[Tensor], Tensor]) \
        -> None:
    def forward(data: Tensor, label: Tensor, *, grad_scale: float = 1.0) -> Tensor:
        return activate(data)

    forward.__doc__ = _REGRESSION_DOC.format(summary=summary)
    made = operator(name, f"_sparse_{name}", loss=True)(forward)
    made.shapes(_regression_shapes)

    def gradient(p, inputs, outputs, out_grads):
        data, label = inputs
        per_sample = max(1, product(data.shape[1:]))
        return [slope(outputs[0] - label.reshape(data.shape)) * (p.grad_scale / per_sample), None]

    made.backward(gradient)


def _regression_shapes(p: Params, s: ShapeTable) -> None:
    s.same(("data", "output"))
    if not s.data:
        return
    if s.label is None:
        s.label = s.data[:1] if len(s.data) == 2 and s.data[1] == 1 else s.data
    elif len(s.label) == len(s.data):
        s.same(("data", "label", "output"))
    elif s.label[0]:
        s.data = (s.label[0], *s.data[1:])
        if product(s.label) != product(s.data) and product(s.data) and product(s.label):
            raise ValueError(f"the label {s.label} does not have one value for each of the data {s.data}")


for _name, _parts in _REGRESSIONS.items():
    _regression(_name, *_parts)


# --- any expression as a loss ----------------------------------------------------------------------------------------

@operator("MakeLoss", loss=True, shapes=elementwise)
def make_loss(data: Tensor, *, grad_scale: float = 1.0, valid_thresh: float = 0.0,
              normalization: Normalization = "null") -> Tensor:
    """`data` as a loss to be minimised: the identity, whose gradient is grad_scale everywhere.

    The gradient is divided by the product of all sizes but the last, which is the batch size of two axes (normalization
    ``'batch'``), or by the number of elements above valid_thresh (``'valid'``). Shapes: any -> the same.
    """
    return data.clone()


@make_loss.backward
def _(p, inputs, outputs, out_grads):
    data, = inputs
    scale = torch.full_like(data, p.grad_scale)
    if p.normalization == "batch":
        scale = scale / max(1, product(data.shape[:-1]))
    elif p.normalization == "valid":
        scale = scale / (data > p.valid_thresh).sum().clamp(min=1)
    return [scale]


@operator("make_loss", "_sparse_make_loss", loss=True, outputs=("loss",), shapes=elementwise)
def make_loss_plain(data: Tensor) -> Tensor:
    """`data` as a loss to be minimised: the identity, whose gradient is 1 everywhere. Shapes: any -> the same."""
    return data.clone()


@make_loss_plain.backward
def _(p, inputs, outputs, out_grads):
    return [torch.ones_like(inputs[0])]


@operator("SVMOutput", loss=True)
def svm_output(data: Tensor, label: Tensor, *, margin: float = 1.0, regularization_coefficient: float = 1.0,
               use_linear: bool = False) -> Tensor:
    """The identity, with the gradient of a multi-class hinge loss (squared unless use_linear; Tang 2013).

    The loss of a score is what it lacks to `margin`, above it for the label's class and below its negative for others,
    times regularization_coefficient.

    Shapes: data (N, K), label (N,) of class numbers -> (N, K).
    """
    return data.clone()


@svm_output.shapes
def _(p, s):
    s.same(("data", "output"))
    if s.data and (s.label is None or len(s.label) == 1):
        s.label = s.data[:1]


@svm_output.backward
def _(p, inputs, outputs, out_grads):
    data, label = inputs
    hit = torch.arange(data.shape[1], device=data.device)[None] == label.long()[:, None]
    sign = torch.where(hit, -1.0, 1.0).to(data.dtype)
    violation = p.margin + sign * data                     # how far each score is on the wrong side of its margin
    slope = (violation > 0).to(data.dtype) if p.use_linear else 2 * violation.clamp(min=0)
    return [sign * slope * p.regularization_coefficient, None]

