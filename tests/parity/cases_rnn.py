"""Recurrent layers."""
from tests.parity.rows import Row, between

#: Parameters per layer of 3 units on inputs of size `i`, in gates.
GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
WHY = dict(rtol=1e-4, atol=1e-5, why="sums of many products over many steps, in another order")


def rnn(mode, layers=1, ways=1, steps=5, batch=2, size=4, dtypes=("float32", "float64"), **attrs):
    hidden = 3
    rows = [size if k == 0 else ways * hidden for k in range(layers)]
    number = sum(GATES[mode] * hidden * ways * (width + hidden + 2) for width in rows)
    state = (layers * ways, batch, hidden)
    inputs = [(steps, batch, size), between(-0.7, 0.7, number), state] + [state] * (mode == "lstm")
    attrs = dict(attrs, **({"bidirectional": True} if ways == 2 else {}))
    return Row("RNN", inputs, dict(mode=mode, state_size=hidden, num_layers=layers, **attrs), dtypes=dtypes, **WHY)


ROWS = [
    *[rnn(mode) for mode in GATES],
    *[rnn(mode, layers=2, ways=ways, state_outputs=True) for mode in GATES for ways in (1, 2)],
    *[rnn(mode, layers=3, steps=1, batch=1, size=1, state_outputs=True) for mode in ("lstm", "gru")],
    # In float64, MXNet's gradients of plain layers' parameters are wrong from the third layer on.
    *[rnn(mode, layers=3, steps=3, dtypes=("float32",)) for mode in ("rnn_tanh", "rnn_relu")],
    rnn("lstm", layers=2, ways=2),
]
