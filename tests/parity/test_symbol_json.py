"""The JSON of symbols, byte for byte MXNet's, and again after it was read."""
import pytest


def chained_states(mx, x):
    net = mx.sym.BatchNorm(x, name="one")
    return mx.sym.BatchNorm(mx.sym.BatchNorm(net, name="two"), name="three")


def shared_states(mx, x):
    """One pair of statistics for two normalisations, and other uses of it before, between and after."""
    mean, variance = mx.sym.Variable("mean"), mx.sym.Variable("variance")
    before = mean + 1
    one = mx.sym.BatchNorm(x, moving_mean=mean, moving_var=variance, name="one")
    between = mean * 2
    two = mx.sym.BatchNorm(one, moving_mean=mean, moving_var=variance, name="two")
    return mx.sym.Group([mean - 3, two, between, before, one, mean])


def internals_of_shared_states(mx, x):
    return shared_states(mx, x).get_internals()


def children_of_a_normalisation(mx, x):
    return mx.sym.BatchNorm(x, name="one").get_children()


def composed_over_states(mx, x):
    net = mx.sym.BatchNorm(x, name="one")
    return net(x=mx.sym.BatchNorm(mx.sym.Variable("y"), name="other"), name="again")


def initial_values_of_given_variables(mx, x):
    mean, variance = mx.sym.Variable("mean"), mx.sym.Variable("variance", init=mx.init.Constant(2))
    net = mx.sym.BatchNorm(x, moving_mean=mean, moving_var=variance, fix_gamma=False, name="bn")
    return mx.sym.LeakyReLU(net, gamma=mx.sym.Variable("slopes"), act_type="prelu")


def hidden_outputs(mx, x):
    nets = [mx.sym.Dropout(x), mx.sym.Pooling(x, kernel=(2, 2)), mx.sym.LRN(x, nsize=3), mx.sym.LayerNorm(x),
            mx.sym.InstanceNorm(x), mx.sym.L2Normalization(x), mx.sym.SoftmaxOutput(x), mx.sym.topk(x), mx.sym.sort(x),
            mx.sym.topk(x, ret_typ="both"), mx.sym.BatchNorm(x, output_mean_var=True), mx.sym.moments(x),
            mx.sym.softmax(x), mx.sym.Concat(x, x), mx.sym.norm(x), mx.sym.GroupNorm(x)]
    return mx.sym.Group(nets)


def heads_from_several_outputs(mx, x):
    parts = mx.sym.split(x, num_outputs=3, name="parts")
    return mx.sym.Group([x, parts[1], mx.sym.split(parts[2], num_outputs=2, name="more"), parts[0], x])


def ten_variables(mx, x):
    return mx.sym.Group([mx.sym.Variable(f"v{k}") for k in range(10)])


def eleven_variables(mx, x):
    return mx.sym.Concat(*[mx.sym.Variable(f"v{k}") for k in range(11)], name="joined")


def eleven_heads(mx, x):
    return mx.sym.Group([x + k for k in range(11)])


def letters(mx, x):
    """Quotes, backslashes, control characters and letters beyond ASCII."""
    data = mx.sym.Variable('dä"ta')
    return mx.sym.FullyConnected(data, num_hidden=3, name='fc\\é"\n\t\x01\x7f日',
                                 attr={"__quote__": 'a"b\\c\né/日\x02\b\f\r', "__é__": "🐱"})


def attributes(mx, x):
    """Sorted, the operator's among the user's; none, one and several are laid out differently."""
    with mx.AttrScope(ctx_group="dev1", __b__="2"):
        y = mx.sym.Variable("y", shape=(2, 0), dtype="float16", lr_mult=0.5, init="zeros", __z__="")
        net = mx.sym.Convolution(y, kernel=(3, 3), num_filter=4, pad=[1, 1], no_bias=True, layout=None, workspace=512)
    return mx.sym.Group([mx.sym.Flatten(net), mx.sym.Activation(net, act_type="relu", attr={"__a__": "1"})])


def without_inputs(mx, x):
    return mx.sym.zeros((2, 3)) + mx.sym.arange(3) * mx.sym.random.normal(0, 1, (2, 3)) - mx.sym.full((1,), 2)


def one_variable(mx, x):
    return x


def penalised(mx, x):
    """Losses among other outputs."""
    loss = mx.sym.MakeLoss(mx.sym.sum(mx.sym.square(x - 1), axis=(1, 2)), grad_scale=0.5, normalization="batch")
    return mx.sym.Group([loss, mx.sym.BlockGrad(x), mx.sym.LogisticRegressionOutput(x, name="l")])


def embedded(mx, x):
    words = mx.sym.Embedding(x, input_dim=9, output_dim=4, sparse_grad=True, name="words")
    net = mx.sym.Deconvolution(mx.sym.expand_dims(words, axis=0), kernel=(4, 4), num_filter=1, adj=(0, 0))
    return mx.sym.slice_axis(mx.sym.broadcast_add(net, x.reshape((0, -1))), axis=-1, begin=0, end=None)


SYMBOLS = [chained_states, shared_states, internals_of_shared_states, children_of_a_normalisation,
           composed_over_states, initial_values_of_given_variables, hidden_outputs, heads_from_several_outputs,
           ten_variables, eleven_variables, eleven_heads, letters, attributes, without_inputs, one_variable, penalised,
           embedded]


@pytest.mark.parametrize("build", SYMBOLS, ids=lambda f: f.__name__)
def test_json(compare, tmp_path, build):
    def case(mx, np, path):
        text = build(mx, mx.sym.Variable("x")).tojson()
        again = mx.sym.load_json(text)
        again.save(path)
        with open(path, "rb") as stream:
            written = stream.read()
        return {"text": text.split("\n"), "again": again.tojson() == text, "file": written == text.encode(),
                "from file": mx.sym.load(path).tojson() == text, "arguments": again.list_arguments(),
                "outputs": again.list_outputs(), "attributes": again.attr_dict()}
    compare(case, {"path": str(tmp_path / "net-symbol.json")})
