"""Recurrent cells: what their symbols are called and compute, their weights in files, and batches of sentences."""
import numpy as np
import pytest

import ganmod
from tests.parity.oracle import here
from tests.parity.test_inference import fits

CELLS = {
    "rnn": "RNNCell(3)", "relu": "RNNCell(3, activation='relu', prefix='p_')", "lstm": "LSTMCell(3)",
    "forgetful": "LSTMCell(3, forget_bias=2, prefix='z_')", "gru": "GRUCell(3)",
    "dropout": "DropoutCell(0.0)", "residual": "ResidualCell(LSTMCell(4))",
    "zoneout": "ZoneoutCell(LSTMCell(3), 0.0, 0.0)",
    "stack": "stack(LSTMCell(3, prefix='l0_'), DropoutCell(0.0), GRUCell(2, prefix='l1_'))",
    "both ways": "BidirectionalCell(RNNCell(3, prefix='l_'), LSTMCell(2, prefix='r_'))",
    "named": "BidirectionalCell(GRUCell(3, prefix='l_'), GRUCell(2, prefix='r_'), output_prefix='q_')",
    "stacked ways": "stack(BidirectionalCell(RNNCell(3, prefix='l_'), RNNCell(3, prefix='r_')), LSTMCell(2))",
    "residual stack": "stack(RNNCell(4), ResidualCell(GRUCell(4)))",
    "shared": "stack(RNNCell(4, params=shared, prefix='a_'), RNNCell(4, params=shared, prefix='b_'))",
    **{f"fused {mode}": f"FusedRNNCell(3, mode='{mode}', get_next_state=True)"
       for mode in ("lstm", "gru", "rnn_tanh", "rnn_relu")},
    "fused": "FusedRNNCell(3, num_layers=2, bidirectional=True)",
    "fused stack": "stack(FusedRNNCell(4, mode='gru', get_next_state=True), ResidualCell(GRUCell(4, prefix='g_')))",
    **{f"unfused {mode}": f"FusedRNNCell(3, num_layers=2, mode='{mode}').unfuse()"
       for mode in ("lstm", "gru", "rnn_tanh", "rnn_relu")},
    "unfused ways": "FusedRNNCell(3, num_layers=2, mode='gru', bidirectional=True, prefix='f_').unfuse()",
}
DROPPING = {
    "dropout": "DropoutCell(0.5)", "zoneout": "ZoneoutCell(RNNCell(3), zoneout_outputs=0.2, zoneout_states=0.3)",
    "zoneout of states": "ZoneoutCell(LSTMCell(3), zoneout_states=0.3)",
    "unfused": "FusedRNNCell(3, num_layers=3, dropout=0.5, prefix='f_').unfuse()",
    "fused": "FusedRNNCell(3, num_layers=2, dropout=0.5, bidirectional=True)",
}
CONVOLUTIONS = {
    "conv rnn": "ConvRNNCell((1, 2, 6, 5), 4)", "conv lstm": "ConvLSTMCell((1, 2, 6, 5), 3)",
    "conv gru": "ConvGRUCell((1, 2, 6, 5), 3)",
    "conv strided": "ConvLSTMCell((1, 2, 6, 5), 3, i2h_kernel=(3, 5), i2h_stride=(2, 1), i2h_dilate=(1, 1), "
                    "h2h_kernel=(5, 3), h2h_dilate=(1, 2), activation='tanh', prefix='z_')",
}


def cell_of(mx, text):
    """The cell that a text describes; `stack` puts cells on one another, `shared` are common parameters."""
    def stack(*cells):
        sequential = mx.rnn.SequentialRNNCell()
        for cell in cells:
            sequential.add(cell)
        return sequential
    return eval(text, dict(vars(mx.rnn), stack=stack, shared=mx.rnn.RNNParams("shared_")))


def flattened(states):
    """The states as one list; those of a bidirectional cell are two lists."""
    return [s for state in states for s in (flattened(state) if isinstance(state, list) else [state])]


def unrolled(mx, cell, inputs, **settings):
    """One symbol with outputs and states, and how many of its outputs are outputs."""
    outputs, states = cell.unroll(inputs=inputs, **settings)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    return mx.sym.Group(outputs + flattened(states)), len(outputs)


def described(mx, np, text, inputs, settings):
    """Everything that a symbol of a cell says about itself, twice from the same cell."""
    import json
    import warnings
    warnings.simplefilter("ignore")
    cell = cell_of(mx, text)
    found = []
    for _ in range(2):
        data = [mx.sym.Variable(f"x{k}") for k in range(3)] if inputs == "list" else mx.sym.Variable("data")
        net, number = unrolled(mx, cell, data, length=3, **settings)
        nodes = json.loads(net.tojson())["nodes"]
        found += [number, net.list_arguments(), net.get_internals().list_outputs(), net.list_outputs(), nodes]
    return found + [cell._prefix, cell._counter, cell._init_counter, cell.state_shape, cell.state_info,
                    sorted(cell.params._params)]


SETTINGS = [("symbol", {}), ("symbol", dict(layout="TNC")), ("symbol", dict(merge_outputs=True)),
            ("symbol", dict(merge_outputs=False)), ("list", {}), ("list", dict(merge_outputs=True, layout="TNC")),
            ("list", dict(merge_outputs=False))]


@pytest.mark.parametrize("inputs, settings", SETTINGS, ids=str)
@pytest.mark.parametrize("text", [*CELLS.values(), *DROPPING.values(), *CONVOLUTIONS.values()])
def test_symbols(compare, text, inputs, settings):
    compare(described, dict(text=text, inputs=inputs, settings=settings))


def computed(mx, np, text, shape, settings):
    """Shapes, outputs and gradients of an unrolled cell on drawn parameters."""
    import warnings
    warnings.simplefilter("ignore")
    net, _ = unrolled(mx, cell_of(mx, text), mx.sym.Variable("data"), length=3, **settings)
    net = mx.sym.Group([output * 1 for output in net])       # MXNet loses heads of what is an output and a state
    shapes = dict(zip(net.list_arguments(), net.infer_shape(data=shape)[0]))
    random = np.random.RandomState(3)
    values = {name: mx.nd.array(random.uniform(-0.7, 0.7, shapes[name])) for name in sorted(shapes)}
    gradients = {name: mx.nd.zeros(array.shape) for name, array in values.items()}
    executor = net.bind(mx.cpu(), values, args_grad=gradients)
    outputs = executor.forward(is_train=True)
    executor.backward([mx.nd.array(random.standard_normal(output.shape)) for output in outputs])
    return {"shapes": shapes, "outputs": outputs, "gradients": gradients}


@pytest.mark.parametrize("settings", [dict(merge_outputs=True), dict(layout="TNC")], ids=str)
@pytest.mark.parametrize("text", CELLS.values())
def test_values(compare, text, settings):
    shape = (2, 3, 4) if "layout" not in settings else (3, 2, 4)
    compare(computed, dict(text=text, shape=shape, settings=settings), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("text", CONVOLUTIONS.values())
def test_values_of_convolutions(compare, text):
    compare(computed, dict(text=text, shape=(2, 3, 2, 6, 5), settings={}), rtol=1e-4, atol=1e-5)


# --- states and parameters --------------------------------------------------------------------------------------------

def beginnings(mx, np, text):
    """What begin_state makes, and the shapes that follow from its use."""
    import json
    cell = cell_of(mx, text)
    made = [cell.begin_state(), cell.begin_state(func=mx.sym.Variable),
            cell.begin_state(func=mx.sym.random.uniform, low=-1, high=1)]
    return [[json.loads(state.tojson())["nodes"] for state in flattened(states)] for states in made] + [
        cell._init_counter]


@pytest.mark.parametrize("text", [text for text in CELLS.values() if "Residual" not in text and "Zoneout" not in text])
def test_begin_state(compare, text):
    compare(beginnings, dict(text=text))


def attributes(mx, np, text):
    """The private parts of a cell that programs use."""
    cell = cell_of(mx, text)
    return {"params": {name: symbol.list_attr() for name, symbol in cell.params._params.items()},
            "own": {name: getattr(cell, name).name for name in ("_iW", "_iB", "_hW", "_hB", "_parameter")
                    if hasattr(cell, name)},
            "gates": list(cell._gate_names), "prefix": cell._prefix, "modified": cell._modified,
            "hidden": cell._num_hidden}


@pytest.mark.parametrize("text", [CELLS[name] for name in ("rnn", "lstm", "forgetful", "gru", "fused", "fused gru")] +
                         list(CONVOLUTIONS.values()))
def test_attributes(compare, text):
    compare(attributes, dict(text=text))


def packed(mx, np, text, shape):
    """The weights of a cell divided by gate, and put together again."""
    import warnings
    warnings.simplefilter("ignore")
    cell = cell_of(mx, text)
    net, _ = unrolled(mx, cell, mx.sym.Variable("data"), length=3, layout="TNC")
    shapes = dict(zip(net.list_arguments(), net.infer_shape(data=shape)[0]))
    arrays = {name: mx.nd.arange(int(np.prod(shape))).reshape(shape) for name, shape in shapes.items()}
    apart = cell.unpack_weights(arrays)
    together = cell.pack_weights(apart)
    return {"apart": apart, "together": together, "names": sorted(arrays) == sorted(together)}


@pytest.mark.parametrize("text", [text for name, text in CELLS.items() if name != "shared"] + [
    "FusedRNNCell(2, num_layers=3, mode='gru', bidirectional=True)", "FusedRNNCell(2, mode='rnn_relu')"])
def test_pack_and_unpack(compare, text):
    compare(packed, dict(text=text, shape=(3, 2, 4)))


def checkpointed(mx, np, text, folder):
    """What a checkpoint of a network holds, and what is read from it."""
    import os
    cell = cell_of(mx, text)
    net, _ = unrolled(mx, cell, mx.sym.Variable("data"), length=3, layout="TNC")
    shapes = dict(zip(net.list_arguments(), net.infer_shape(data=(3, 2, 4))[0]))
    arrays = {name: mx.nd.arange(int(np.prod(shape))).reshape(shape) for name, shape in shapes.items()}
    callback = mx.rnn.do_rnn_checkpoint(cell, folder + "/net", period=2)
    for epoch in range(4):
        callback(epoch, net, arrays, {})
    mx.rnn.save_rnn_checkpoint([cell], folder + "/other", 7, net, arrays, {})
    symbol, arguments, auxiliary = mx.rnn.load_rnn_checkpoint([cell], folder + "/other", 7)
    return [sorted(os.listdir(folder)), mx.nd.load(folder + "/net-0004.params"), symbol.list_arguments(), arguments,
            auxiliary]


@pytest.mark.parametrize("text", [CELLS[name] for name in ("lstm", "stack", "fused", "fused gru", "both ways")])
def test_checkpoints(oracle, tmp_path, text):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "ours").mkdir()
    theirs = oracle.run(checkpointed, dict(text=text, folder=str(tmp_path / "theirs")))
    ours = here(checkpointed, ganmod, dict(text=text, folder=str(tmp_path / "ours")))
    assert (tmp_path / "ours/net-symbol.json").read_text() == (tmp_path / "theirs/net-symbol.json").read_text()
    assert theirs[0] == ours[0] and theirs[2] == ours[2]
    for k in (1, 3, 4):
        assert theirs[k].keys() == ours[k].keys()
        for name, array in theirs[k].items():
            np.testing.assert_array_equal(ours[k][name], array)


def started(mx, np, forget, inner):
    """The parameters of a fused cell in a module."""
    outputs, _ = mx.rnn.FusedRNNCell(2, num_layers=2, mode="lstm", forget_bias=forget, prefix="f_").unroll(
        3, mx.sym.Variable("data"), layout="TNC")
    module = mx.mod.Module(outputs, label_names=None)
    module.bind([("data", (3, 2, 4))])
    module.init_params(mx.init.Constant(0.5))
    vector = mx.nd.zeros((52,))
    mx.init.FusedRNN(inner and mx.init.Constant(inner), 2, 1, "lstm", forget_bias=forget)._init_weight(
        mx.init.InitDesc("f_parameters", {}, mx.init.One()), vector[:48])
    return [module.get_params()[0], vector, mx.init.FusedRNN(mx.init.One(), 2, 1, "gru").dumps()]


@pytest.mark.parametrize("forget, inner", [(1.0, None), (3.0, 0.25)])
def test_initializer(compare, forget, inner):
    compare(started, dict(forget=forget, inner=inner))


# --- sentences --------------------------------------------------------------------------------------------------------

def encoded(mx, np, sentences, settings):
    """Sentences as numbers, and the vocabulary."""
    numbers, vocabulary = mx.rnn.encode_sentences(sentences, **settings)
    return [numbers, list(vocabulary.items())]


@pytest.mark.parametrize("settings", [
    {}, dict(start_label=1, invalid_label=0), dict(invalid_label=1, invalid_key="P"), dict(unknown_token="u"),
    dict(vocab={"a": 5, "b": 7, "c": 1}), dict(vocab={"a": 5, "b": 7}, unknown_token="u"),
    dict(vocab={"a": 5, "b": 7, "u": 2}, unknown_token="u", start_label=8)], ids=str)
def test_encode_sentences(compare, settings):
    compare(encoded, dict(sentences=[["a", "b"], ["b", "c", "a"], ["\n", "a"]][:3 if "vocab" not in settings else 2],
                          settings=settings))


def test_unknown_words(compare):
    compare(encoded, dict(sentences=[["a", "b"]], settings=dict(vocab={"a": 0})), raises=True)


def batches(mx, np, settings):
    """Two epochs of batches."""
    random = np.random.RandomState(0)
    sentences = [[int(word) for word in random.randint(1, 9, length)] for length in random.randint(1, 12, 60)]
    it = mx.rnn.BucketSentenceIter(sentences, 4, **settings)
    found = []
    for _ in range(2):
        for batch in it:
            found.append([batch.bucket_key, batch.pad, batch.data, batch.label,
                          [(d.name, d.shape, d.layout) for d in batch.provide_data + batch.provide_label]])
        it.reset()
    return [found, it.buckets, it.default_bucket_key, [(d.name, d.shape, d.layout) for d in it.provide_data],
            [(d.name, d.shape, d.layout) for d in it.provide_label], it.batch_size]


@pytest.mark.parametrize("settings", [
    {}, dict(buckets=[3, 5, 10]), dict(buckets=[50]), dict(buckets=[2, 30, 40]),
    dict(buckets=[10, 3], invalid_label=0, layout="TN", dtype="int32", data_name="x", label_name="y")], ids=str)
def test_batches(compare, settings):
    compare(batches, dict(settings=settings))


# --- what goes wrong, and what is inferred ----------------------------------------------------------------------------

MISTAKES = ["cell_of(mx, 'RNNCell(3)').unroll(2, [x])", "cell_of(mx, 'RNNCell(3)').unroll(2, mx.sym.Group([x, x]))",
            "cell_of(mx, 'FusedRNNCell(3)')(x, [])", "cell_of(mx, 'ZoneoutCell(FusedRNNCell(3))')",
            "cell_of(mx, 'BidirectionalCell(RNNCell(3), RNNCell(3))')(x, [])", "mx.rnn.DropoutCell('a')",
            "cell_of(mx, 'ZoneoutCell(BidirectionalCell(RNNCell(3), RNNCell(3)))')",
            "modified(mx).begin_state()", "mx.rnn.RNNCell(3).unroll(2, None)", "mx.rnn.BaseRNNCell().unroll(1, x)",
            "mx.rnn.ConvRNNCell((1, 3, 8, 8), 4, h2h_kernel=(2, 2))", "mx.rnn.RNNCell(3).unpack_weights({})",
            "mx.rnn.BucketSentenceIter([[1, 2]], 4)", "mx.rnn.BucketSentenceIter([[1, 2]], 1, layout='XX')",
            "mx.sym.RNN(x, mode='lstm', state_size=3, num_layers=1).infer_shape(x=(2, 3))",
            "mx.sym.RNN(x, mode='lstm', state_size=3, num_layers=1, p=1.5)", "mx.sym.RNN(x, mode='lstm', state_size=3)"]


def modified(mx):
    """A cell that is wrapped by another."""
    cell = mx.rnn.RNNCell(3)
    mx.rnn.ZoneoutCell(cell)
    return cell


def mistaken(mx, np, text):
    """Any of the mistakes."""
    return str(eval(text, dict(mx=mx, x=mx.sym.Variable("x"), cell_of=cell_of, modified=modified)))


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes(compare, text):
    compare(mistaken, dict(text=text), raises=True)


def inferred(mx, np, attrs, known):
    """The shapes of an RNN's arguments and outputs as far as they can be inferred, or the fact that they conflict."""
    net = mx.sym.RNN(mx.sym.Variable("d"), name="r", state_outputs=True, **attrs)
    try:
        return [list(shapes) for shapes in net.infer_shape_partial(**known)[:2]]
    except mx.base.MXNetError:
        return "conflict"


@pytest.mark.parametrize("known", [
    dict(d=(5, 2, 4)), dict(d=(0, 0, 4)), dict(d=(5, 0, 4)), {}, dict(r_state=(2, 2, 0)), dict(d=(5, 2)),
    dict(d=(5, 2, 4), r_state=(2, 1, 3)), dict(d=(5, 2, 4), r_parameters=(7,))], ids=str)
@pytest.mark.parametrize("attrs", [
    dict(mode="lstm", state_size=3, num_layers=2), dict(mode="gru", state_size=3, num_layers=2),
    dict(mode="lstm", state_size=3, num_layers=1, bidirectional=True, use_sequence_length=True),
    dict(mode="lstm", state_size=3, num_layers=2, projection_size=2)], ids=str)
def test_partial_shapes(oracle, attrs, known):
    request = dict(attrs=attrs, known=known)
    theirs, ours = oracle.run(inferred, request), here(inferred, ganmod, request)
    if theirs == "conflict" or ours == "conflict":
        assert theirs == ours
        return
    for their, our in zip(theirs, ours):
        assert len(their) == len(our) and all(map(fits, their, our)), f"MXNet {theirs}, ganmod {ours}"
