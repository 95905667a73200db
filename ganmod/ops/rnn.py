"""The recurrent layers: RNN, LSTM and GRU over whole sequences.

A layer is one opaque node of a program, whatever the number of time steps: ``torch.ops.ganmod.rnn_layer``, which calls
torch's fused kernels (cuDNN, oneDNN). It saves its inputs alone, and its backward runs it once more under autograd. The
time steps written out, :func:`unrolled`, are what it means, and what it does where the fused kernels lack something.
"""
from __future__ import annotations

import warnings
from typing import Any, Callable, Iterator, Literal, Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils import rnn as packing

from ..base import AttributeValueError, ShapeError, require
from .registry import Index, Params, Training, operator
from .shapes import product

__all__ = ["GATE_NAMES", "unrolled", "input_size", "parameter_slices"]

#: The parts of each layer's weights and biases, in the order of the rows.
GATE_NAMES = {"lstm": ("_i", "_f", "_c", "_o"), "gru": ("_r", "_z", "_o"), "rnn_tanh": ("",), "rnn_relu": ("",)}
_GATES = {mode: len(names) for mode, names in GATE_NAMES.items()}


# --- one layer, step by step -----------------------------------------------------------------------------------------

Step = Callable[[Tensor, Tensor, Tensor, Optional[Tensor], Optional[Sequence[float]]], tuple[Tensor, Optional[Tensor]]]


def _lstm_step(x: Tensor, h: Tensor, _: Tensor, cell: Any, clip: Any) -> tuple[Tensor, Optional[Tensor]]:
    i, f, g, o = (x + h).chunk(4, -1)
    cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
    if clip is not None:
        low, high, stop_nan = clip
        cell = torch.where(cell.isnan(), low, cell) if stop_nan else cell
        cell = cell.clamp(low, high)
    return o.sigmoid() * cell.tanh(), cell


def _gru_step(x: Tensor, h: Tensor, state: Tensor, _cell: Any, _clip: Any) -> tuple[Tensor, Optional[Tensor]]:
    (xr, xz, xn), (hr, hz, hn) = x.chunk(3, -1), h.chunk(3, -1)
    update = (xz + hz).sigmoid()
    return (1 - update) * (xn + (xr + hr).sigmoid() * hn).tanh() + update * state, None


_STEPS: dict[str, Step] = {"lstm": _lstm_step, "gru": _gru_step,
                           "rnn_tanh": lambda x, h, *_: ((x + h).tanh(), None),
                           "rnn_relu": lambda x, h, *_: ((x + h).relu(), None)}


def unrolled(inputs: Sequence[Tensor], lengths: Optional[Tensor], mode: str, bidirectional: bool,
             clip: Optional[Sequence[float]]) -> list[Tensor]:
    """One layer, its time steps written out; the meaning of ``torch.ops.ganmod.rnn_layer``.

    `inputs` are data (T, N, I), state (D, N, H), for an LSTM its cell state (D, N, H), and for each of the D directions
    the weights (G H, I) and (G H, H), their biases and, for an LSTM with projection, (P, H). Returns the output
    (T, N, D H) and the last states. From each sequence's length on, the output is 0 and the state stays; `clip` bounds
    an LSTM's cell state: (low, high, whether NaN becomes low).
    """
    data, state, cell, weights = _parted(inputs, mode)
    number = 2 if bidirectional else 1
    each = len(weights) // number
    results = [_direction(data, state[d], None if cell is None else cell[d], weights[d * each:(d + 1) * each], lengths,
                          mode, d == 1, clip) for d in range(number)]
    outputs, *last = zip(*results)
    return [torch.cat(outputs, -1), *(torch.stack(states) for states in last)]


def _direction(data: Tensor, state: Tensor, cell: Optional[Tensor], weights: Sequence[Tensor],
               lengths: Optional[Tensor], mode: str, backwards: bool, clip: Optional[Sequence[float]]) -> list[Tensor]:
    """The outputs of one direction, and its last states."""
    from_data, from_state, data_bias, state_bias, *projection = weights
    given = F.linear(data, from_data, data_bias)                       # for all steps at once
    outputs: list[Tensor] = []
    for t in reversed(range(len(data))) if backwards else range(len(data)):
        new, new_cell = _STEPS[mode](given[t], F.linear(state, from_state, state_bias), state, cell, clip)
        if projection:
            new = F.linear(new, projection[0])
        outputs.append(new)
        if lengths is not None:
            going = (t < lengths).unsqueeze(1)
            outputs[-1] = torch.where(going, new, 0)
            new = torch.where(going, new, state)
            new_cell = new_cell if new_cell is None or cell is None else torch.where(going, new_cell, cell)
        state, cell = new, new_cell
    output = torch.stack(outputs[::-1] if backwards else outputs)
    return [output, state] if cell is None else [output, state, cell]


def _parted(inputs: Sequence[Tensor], mode: str) -> tuple[Tensor, Tensor, Optional[Tensor], Sequence[Tensor]]:
    """data, state, cell state and weights."""
    if mode == "lstm":
        return inputs[0], inputs[1], inputs[2], inputs[3:]
    return inputs[0], inputs[1], None, inputs[2:]


# --- one layer, by the fused kernels ---------------------------------------------------------------------------------

def _fused(inputs: Sequence[Tensor], lengths: Optional[Tensor], mode: str, bidirectional: bool) -> list[Tensor]:
    data, state, cell, weights = _parted(inputs, mode)
    settings = True, 1, 0.0, True, bidirectional          # biases, layers, dropout, keep what backward needs
    kernel = getattr(torch._VF, mode)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="RNN module weights")   # cuDNN copies them together
        if lengths is None:
            return list(kernel(data, state if cell is None else (state, cell), weights, *settings, False))
        packed = packing.pack_padded_sequence(data, lengths.long().cpu(), enforce_sorted=False)
        order, back = torch.as_tensor(packed.sorted_indices), torch.as_tensor(packed.unsorted_indices)
        sorted_states = [s.index_select(1, order) for s in (state, cell) if s is not None]
        output, *last = kernel(packed.data, packed.batch_sizes,
                               sorted_states[0] if cell is None else sorted_states, weights, *settings)
    output, _ = packing.pad_packed_sequence(packed._replace(data=output), total_length=len(data))
    return [output, *(s.index_select(1, back) for s in last)]


def _layer(inputs: Sequence[Tensor], lengths: Optional[Tensor], mode: str, bidirectional: bool,
           clip: Optional[Sequence[float]]) -> list[Tensor]:
    if clip is not None:
        return unrolled(inputs, lengths, mode, bidirectional, clip)
    return _fused(inputs, lengths, mode, bidirectional)


_ARGUMENTS = "Tensor[] inputs, Tensor? lengths, str mode, bool bidirectional, float[]? clip"
_rnn_layer = torch.library.custom_op("ganmod::rnn_layer", _layer, mutates_args=(),
                                     schema=f"({_ARGUMENTS}) -> Tensor[]")


@_rnn_layer.register_fake
def _(inputs, _lengths, mode, bidirectional, _clip):
    data, state, cell, _ = _parted(inputs, mode)
    output = data.new_empty((*data.shape[:2], state.shape[2] * (2 if bidirectional else 1)))
    return [output, *(torch.empty_like(s, memory_format=torch.contiguous_format) for s in (state, cell)
                      if s is not None)]


@torch.library.custom_op("ganmod::rnn_layer_backward", mutates_args=(),
                         schema=f"(Tensor[] heads, {_ARGUMENTS}) -> Tensor[]")
def _rnn_layer_backward(heads: Sequence[Tensor], inputs: Sequence[Tensor], lengths: Optional[Tensor], mode: str,
                        bidirectional: bool, clip: Optional[Sequence[float]]) -> list[Tensor]:
    with _autograd_inside_an_operator(), torch.enable_grad():
        own = [i.detach().requires_grad_() for i in inputs]
        outputs = _layer(own, lengths, mode, bidirectional, clip)
        return [g.clone() for g in torch.autograd.grad(outputs, own, heads)]


@_rnn_layer_backward.register_fake
def _(_heads, inputs, _lengths, _mode, _bidirectional, _clip):
    return [torch.empty_like(i, memory_format=torch.contiguous_format) for i in inputs]


def _autograd_inside_an_operator() -> Any:
    """Torch runs custom operators below autograd; within this context what they call is differentiable again."""
    excluded = torch._C._dispatch_tls_local_exclude_set().remove(torch._C.DispatchKey.AutogradFunctionality)
    return torch._C._ForceDispatchKeyGuard(torch._C._dispatch_tls_local_include_set(), excluded)


def _keep(ctx: Any, inputs: Any, output: Any) -> None:
    tensors, lengths, *ctx.settings = inputs
    ctx.has_lengths = lengths is not None
    ctx.save_for_backward(*tensors, *([lengths] if ctx.has_lengths else []))


def _kept(ctx: Any) -> tuple[Any, ...]:
    tensors = list(ctx.saved_tensors)
    lengths = tensors.pop() if ctx.has_lengths else None
    return (tensors, lengths, *ctx.settings)


def _layer_gradient(ctx: Any, heads: Sequence[Tensor]) -> Any:
    return _rnn_layer_backward(list(heads), *_kept(ctx)), None, None, None, None


def _keep_with_heads(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.heads = len(inputs[0])
    _keep(ctx, ([*inputs[0], *inputs[1]], *inputs[2:]), output)


def _second_gradient(ctx: Any, grads: Sequence[Tensor]) -> Any:
    """The gradient of the gradient, which fused kernels lack, from the time steps written out."""
    tensors, *rest = _kept(ctx)
    with torch.enable_grad():
        own = [t if t.requires_grad else t.detach().requires_grad_() for t in map(torch.clone, tensors)]
        heads, inputs = own[:ctx.heads], own[ctx.heads:]
        first = torch.autograd.grad(unrolled(inputs, *rest), inputs, heads, create_graph=True)
        second = torch.autograd.grad(first, own, list(grads), create_graph=torch.is_grad_enabled(), allow_unused=True)
    filled = [torch.zeros_like(o) if g is None else g for g, o in zip(second, own)]
    return filled[:ctx.heads], filled[ctx.heads:], None, None, None, None


_rnn_layer.register_autograd(_layer_gradient, setup_context=_keep)
_rnn_layer_backward.register_autograd(_second_gradient, setup_context=_keep_with_heads)


# --- the operator ----------------------------------------------------------------------------------------------------

def _output_names(p: Params) -> Sequence[str]:
    if not p.state_outputs:
        return ("output",)
    return ("output", "state_output", "statecell_output") if p.mode == "lstm" else ("output", "state_output")


def _check(p: Params) -> None:
    require(0 <= p.p <= 1, f"RNN: p must be a probability, from 0 to 1, got {p.p}", AttributeValueError)
    require(p.state_size > 0 and p.num_layers > 0, "RNN: state_size and num_layers must be positive, got "
            f"{p.state_size} and {p.num_layers}", AttributeValueError)
    require(p.projection_size is None or p.mode == "lstm", "RNN: projection_size is for mode 'lstm' only, got mode "
            f"{p.mode!r}", AttributeValueError)


@operator("RNN", resolve=_check, outputs=_output_names,
          present={"state_cell": lambda p: p.mode == "lstm", "sequence_length": lambda p: p.use_sequence_length})
def rnn(data: Tensor, parameters: Tensor, state: Tensor, state_cell: Optional[Tensor] = None,
        sequence_length: Optional[Index] = None, *, state_size: int, num_layers: int, bidirectional: bool = False,
        mode: Literal["gru", "lstm", "rnn_relu", "rnn_tanh"], p: float = 0.0, state_outputs: bool = False,
        projection_size: Optional[int] = None, lstm_state_clip_min: Optional[float] = None,
        lstm_state_clip_max: Optional[float] = None, lstm_state_clip_nan: bool = False,
        use_sequence_length: bool = False, training: Training = False) -> tuple[Tensor, ...]:
    """Recurrent layers over a whole sequence, one on top of the other.

    With the state h of the step before (for an LSTM also the cell state c), each layer computes for each step x

    - ``rnn_tanh``, ``rnn_relu``: ``h = f(W x + b + U h + d)``;
    - ``lstm``: ``c = sigmoid(f) c + sigmoid(i) tanh(g)``, ``h = sigmoid(o) tanh(c)``, with i, f, g, o the parts of
      ``W x + b + U h + d`` [Hochreiter & Schmidhuber 1997];
    - ``gru``: ``h = (1 - z) n + z h``, ``n = tanh(W_n x + b_n + r (U_n h + d_n))``, with r, z the sigmoids of their
      parts [Cho et al. 2014].

    Shapes: data (T, N, I); state and state_cell (L D, N, H), for L = num_layers, D = 2 if bidirectional, else 1, and
    H = state_size; sequence_length (N,) -> output (T, N, D H) and, with state_outputs, the last states. With
    projection_size P, an LSTM's h has size P in place of H. parameters is one vector: for each layer and direction W,
    U (and the projection's weight), then for each b, d.

    A training forward sets the share `p` of what goes from one layer to the next to 0 and scales the rest by
    1 / (1 - p). With use_sequence_length, the output is 0 from each sequence's length on, the last state is that at its
    end, and the way back begins there. lstm_state_clip_min and lstm_state_clip_max bound c; with lstm_state_clip_nan
    NaN is replaced by the lower bound.

    >>> import ganmod as mx
    >>> net = mx.sym.RNN(mx.sym.Variable('x'), state_size=3, num_layers=1, mode='lstm', name='lstm')
    >>> net.infer_shape(x=(5, 2, 4))[0]
    [(5, 2, 4), (108,), (1, 2, 3), (1, 2, 3)]
    """
    require(data.is_floating_point(), f"RNN: the data must be of a floating dtype, got {data.dtype}",
            AttributeValueError)
    settings = Params(mode=mode, state_size=state_size, num_layers=num_layers, bidirectional=bidirectional,
                      projection_size=projection_size)
    bounds = (lstm_state_clip_min, lstm_state_clip_max)
    clip = None if mode != "lstm" or bounds == (None, None) else [
        -torch.inf if bounds[0] is None else bounds[0], torch.inf if bounds[1] is None else bounds[1],
        float(lstm_state_clip_nan)]
    last: list[list[Tensor]] = []
    number = 2 if bidirectional else 1
    states = [s for s in (state, state_cell) if s is not None]
    for k, weights in enumerate(_divided(parameters, settings, data.shape[2])):
        if k and p and training:
            data = torch.native_dropout(data, p, True)[0]
        own = [s[k * number:(k + 1) * number] for s in states]
        data, *own = _rnn_layer([data, *own, *weights], sequence_length, mode, bidirectional, clip)
        last.append(own)
    return (data, *(torch.cat(s) for s in zip(*last))) if state_outputs else (data,)


def _layout(p: Params, input_size: int) -> list[tuple[list[tuple[int, ...]], list[tuple[int, ...]]]]:
    """The shapes of the weights and of the biases of every layer and direction; 0 for an unknown size."""
    gates, number = _GATES[p.mode] * p.state_size, 2 if p.bidirectional else 1
    out = p.projection_size or p.state_size
    projection = [(p.projection_size, p.state_size)] if p.projection_size else []
    return [([(gates, number * out if k else input_size), (gates, out), *projection], [(gates,), (gates,)])
            for k in range(p.num_layers) for _ in range(number)]


def _divided(parameters: Tensor, p: Params, input_size: int) -> list[list[Tensor]]:
    """The weights of each layer, in the order of :func:`unrolled`, out of the vector of all."""
    layout = _layout(p, input_size)
    shapes = [s for weights, _ in layout for s in weights] + [s for _, biases in layout for s in biases]
    parts = iter(t.reshape(s) for t, s in zip(parameters.split([product(s) for s in shapes]), shapes))
    weights = [[next(parts) for _ in w] for w, _ in layout]
    each = [[*w[:2], next(parts), next(parts), *w[2:]] for w in weights]
    if not p.bidirectional:
        return each
    return [[*forth, *back] for forth, back in zip(each[::2], each[1::2])]


@rnn.shapes
def _(p, s):
    number, out = (2 if p.bidirectional else 1), p.projection_size or p.state_size
    require(s.data is None or len(s.data) == 3,
            f"{s.node}: data must have the axes (time, batch, input size), got the shape {s.data}", ShapeError)
    states = [name for name in s if name in ("state", "state_cell", "state_output", "statecell_output")]
    s.data = (0, 0, 0)
    s.output = (*s.data[:2], number * out)
    for name in states * 2:
        s[name] = (p.num_layers * number, s.output[1], p.state_size if "cell" in name else out)
        s.output = (0, s[name][1], 0)
    s.data = (*s.output[:2], 0)
    if p.use_sequence_length:
        s.sequence_length = (s.data[1],)
        s.data = s.output = (0, s.sequence_length[0], 0)
    if s.data[2]:
        s.parameters = (_number_of_parameters(p, s.data[2]),)
    elif s.parameters and s.parameters[0]:
        s.data = (0, 0, input_size(p, s.parameters[0]))


def _number_of_parameters(p: Params, size: int) -> int:
    return sum(product(shape) for group in _layout(p, size) for part in group for shape in part)


def input_size(p: Params, parameters: int) -> int:
    """The size I of each step's input, for which an RNN with the attributes `p` has so many parameters.

    Raises
    ------
    ShapeError
        If there is none.
    """
    step = _GATES[p.mode] * p.state_size * (2 if p.bidirectional else 1)
    fixed = _number_of_parameters(p, 1) - step
    size, rest = divmod(parameters - fixed, step)
    require(size > 0 and not rest, f"RNN: parameters of length {parameters} fit no input size; the length must be "
            f"{fixed} + {step} times that", ShapeError)
    return size


def parameter_slices(p: Params, input_size: int) -> Iterator[tuple[str, slice, tuple[int, ...]]]:
    """What the vector of parameters consists of, in order: name, place and shape of each gate's weights and biases.

    >>> p = Params(mode='gru', state_size=2, num_layers=1, bidirectional=False, projection_size=None)
    >>> [name for name, _, _ in parameter_slices(p, 3)][:4]
    ['l0_i2h_r_weight', 'l0_i2h_z_weight', 'l0_i2h_o_weight', 'l0_h2h_r_weight']
    """
    layout = _layout(p, input_size)
    ways, gates, at = ("l", "r") if p.bidirectional else ("l",), GATE_NAMES[p.mode], 0
    for kind in (0, 1):
        for k, group in enumerate(layout):
            for place, shape in zip(("i2h", "h2h"), group[kind]):
                part = (shape[0] // len(gates), *shape[1:])
                for gate in gates:
                    name = f"{ways[k % len(ways)]}{k // len(ways)}_{place}{gate}_{('weight', 'bias')[kind]}"
                    yield name, slice(at, at + product(part)), part
                    at += product(part)


@rnn.dtypes
def _(_p, types):
    own = next((t for name, t in types.items() if t is not None and name != "sequence_length"), None)
    for name in types:
        types[name] = types[name] or own
