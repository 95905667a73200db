"""Symbol JSON of every generation under both libraries, and checkpoints from one into the other.

A file of an older generation is a fresh JSON of a small network that is rewritten here.
"""
import json
import pathlib

import numpy as np
import pytest

import ganmod
from ganmod.base import FileFormatError

from .oracle import here
from .test_files import before_1_0, file_of, version_1


def network(mx):
    """A classifier of images with the states of a batch normalisation."""
    net = mx.sym.Variable("data")
    net = mx.sym.Convolution(net, kernel=(3, 3), num_filter=4, pad=(1, 1), name="conv")
    net = mx.sym.BatchNorm(net, fix_gamma=False, eps=1e-3, name="bn", attr={"__mood__": "angry"})
    net = mx.sym.Activation(net, act_type="relu", name="act")
    net = mx.sym.Pooling(net, kernel=(2, 2), stride=(2, 2), pool_type="max", name="pool")
    net = mx.sym.FullyConnected(mx.sym.Flatten(net, name="flat"), num_hidden=3, name="fc")
    return mx.sym.SoftmaxOutput(net, name="softmax")


def parameters(mx, np, symbol):
    """Values for all arguments and states that depend on their names and shapes only."""
    shapes, _, states = symbol.infer_shape(data=(2, 3, 6, 6))
    names = symbol.list_arguments() + symbol.list_auxiliary_states()
    made = {}
    for name, shape in zip(names, shapes + states):
        random = np.random.RandomState(sum(map(ord, name)))
        made[name] = mx.nd.array(random.uniform(0.1, 1, shape) * (1 if "var" in name or "gamma" in name else 0.5))
    return made


def loaded(mx, np, text):
    """What a file says, what it becomes when it is written again, and what it computes."""
    symbol = mx.sym.load_json(text)
    values = parameters(mx, np, symbol)
    states = {name: values.pop(name) for name in symbol.list_auxiliary_states()}
    return {"arguments": symbol.list_arguments(), "outputs": symbol.list_outputs(), "states": list(states),
            "attributes": symbol.attr_dict(), "json": symbol.tojson(),
            "values": symbol.bind(mx.cpu(), values, aux_states=states).forward(is_train=False)}


# --- generations -----------------------------------------------------------------------------------------------------

def fresh():
    """The JSON of the network as it is written today, as Python objects."""
    return json.loads(network(ganmod).tojson())


def in_fields(graph, operators, users):
    """The operators' attributes in the field `operators`, users' in `users`; variables do not repeat operators'."""
    for node in graph["nodes"]:
        attrs = node.pop("attrs", {})
        mine = {k: v for k, v in attrs.items() if not k.startswith("__")} if node["op"] != "null" else {}
        own = {k: v for k, v in attrs.items() if k.startswith("__") and k != "__init__"}
        if operators == users:
            mine, own = {**mine, **own}, {}
        if mine or operators == "param":
            node[operators] = mine
        if own:
            node[users] = own
    return graph


def of_version(graph, version):
    graph["attrs"] = {"mxnet_version": ["int", version]}
    return graph


def without_inputs(graph, names):
    """Without the nodes called `names`, which are renumbered."""
    kept = [k for k, node in enumerate(graph["nodes"]) if node["name"] not in names]
    number = {old: new for new, old in enumerate(kept)}
    graph["nodes"] = [graph["nodes"][k] for k in kept]
    for node in graph["nodes"]:
        node["inputs"] = [[number[row[0]], *row[1:]] for row in node["inputs"] if row[0] in number]
    graph["arg_nodes"] = [number[k] for k in graph["arg_nodes"] if k in number]
    graph["heads"] = [[number[row[0]], *row[1:]] for row in graph["heads"]]
    return graph


def of_0_8(missing=("bn_moving_mean", "bn_moving_var")):
    """0.8: ``param`` and ``attr``, no states, entries of two numbers, ``backward_source_id``, no version."""
    graph = without_inputs(in_fields(fresh(), "param", "attr"), missing)
    del graph["attrs"], graph["node_row_ptr"]
    for node in graph["nodes"]:
        node["inputs"] = [row[:2] for row in node["inputs"]]
        node["backward_source_id"] = -1
    graph["heads"] = [row[:2] for row in graph["heads"]]
    return graph


def of_0_9():
    return of_version(in_fields(fresh(), "param", "attr"), 905)


def of_0_11():
    return of_version(in_fields(fresh(), "attr", "attr"), 1100)


def of_1_0():
    return of_version(in_fields(fresh(), "attrs", "attrs"), 10000)


def without_version():
    graph = fresh()
    del graph["attrs"]
    return graph


def without_several_inputs():
    return of_0_8(("bn_moving_mean", "bn_moving_var", "conv_bias", "fc_weight", "fc_bias"))


GENERATIONS = [fresh, of_0_8, of_0_9, of_0_11, of_1_0, without_version, without_several_inputs]


@pytest.mark.parametrize("generation", GENERATIONS, ids=lambda f: f.__name__)
def test_generation(compare, generation):
    compare(loaded, {"text": json.dumps(generation())})


# --- spellings -------------------------------------------------------------------------------------------------------

def changed(graph, field, changes):
    """With other attributes on some nodes, in a field of theirs."""
    for node in graph["nodes"]:
        node.setdefault(field, {}).update(changes.get(node["name"], {}))
    return graph


SPELLINGS = {
    "Julia": {"conv": {"kernel": "(3,3)", "pad": "(1,1)", "no_bias": "false"}, "bn": {"eps": "0.001"},
              "pool": {"kernel": "(2,2)", "stride": "(2,2)", "global_pool": "false"}},
    "Scala": {"conv": {"kernel": "(3, 3)", "no_bias": "false"}, "bn": {"eps": "1.0E-3", "momentum": "0.9"}},
    "R": {"conv": {"kernel": "[3,3]", "pad": "[1,1]"}, "bn": {"fix_gamma": "false"}},
    "Python 2": {"conv": {"kernel": "(3L, 3L)", "pad": "(1L, 1L)", "num_filter": "4"}},
    "numbers for booleans": {"conv": {"no_bias": "0"}, "bn": {"fix_gamma": "0", "use_global_stats": "1"}},
    "multipliers": {"conv": {"weight_lr_mult": "3", "lr_mult": "5", "bias_wd_mult": "0"},
                    "fc_weight": {"lr_mult": "7"}},
    "multipliers twice": {"fc": {"bias_lr_mult": "3", "lr_mult": "1", "__lr_mult__": "2"}, "fc_bias": {"lr_mult": "9"}},
    "groups": {"conv": {"ctx_group": "dev1", "weight_ctx_group": "dev2", "force_mirroring": "True"},
               "bn": {"mirror_stage": "True", "lr_mult": "3"}},
    "custom": {"data": {"foo": "bar", "shape": "(1,2)"}, "fc": {"__foo__": "bar"}},
}


@pytest.mark.parametrize("generation", [of_0_8, of_0_9, of_0_11], ids=lambda f: f.__name__)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spelling(compare, generation, spelling):
    compare(loaded, {"text": json.dumps(changed(generation(), "attr", SPELLINGS[spelling]))})


@pytest.mark.parametrize("changes", [{"conv": {"foo": "bar"}}, {"conv": {"foo_lr_mult": "3"}},
                                     {"conv": {"conv_weight_lr_mult": "3"}}, {"conv": {"kernel": "(3.5,3)"}},
                                     {"fc": {"num_hidden": "3x"}}], ids=str)
def test_wrong_attributes_are_refused(compare, changes):
    compare(loaded, {"text": json.dumps(changed(of_0_8(), "attr", changes))}, raises=True)


@pytest.mark.parametrize("version", [None, 800, 904, 905, 10000])
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_axis_of_argmax(compare, name, version):
    """Before 0.9.5, -1 stood for the array as a whole."""
    graph = json.loads(getattr(ganmod.sym, name)(ganmod.sym.Variable("data"), axis=-1, name="m").tojson())
    graph = without_version_or(graph, version)

    def case(mx, np, text):
        symbol = mx.sym.load_json(text)
        return {"attributes": symbol.attr_dict(), "shapes": symbol.infer_shape(data=(2, 3))}
    compare(case, {"text": json.dumps(graph)})


def without_version_or(graph, version):
    return {k: v for k, v in graph.items() if k != "attrs"} if version is None else of_version(graph, version)


def test_unknown_fields_are_passed_over():
    """MXNet refuses them; other tools add some."""
    graph = fresh()
    graph["producer"], graph["nodes"][0]["note"] = {"name": "a converter"}, "the images"
    assert ganmod.sym.load_json(json.dumps(graph)).tojson() == network(ganmod).tojson()


@pytest.mark.parametrize("missing", ["conv_bias", "bn_moving_mean"])
def test_missing_inputs_of_newer_files_are_refused(missing):
    text = json.dumps(without_inputs(fresh(), (missing,)))
    with pytest.raises(FileFormatError, match="has . inputs, expected .*: data, "):
        ganmod.sym.load_json(text)


# --- checkpoints -----------------------------------------------------------------------------------------------------

def captioned(mx):
    """Images and words into one output: convolution, batch normalisation, PReLU, embedding."""
    image = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=4, name="conv")
    image = mx.sym.LeakyReLU(mx.sym.BatchNorm(image, name="bn", fix_gamma=False), act_type="prelu", name="prelu")
    word = mx.sym.Embedding(mx.sym.Variable("word"), input_dim=7, output_dim=5, name="embedding")
    joined = mx.sym.Concat(mx.sym.Flatten(image), mx.sym.Flatten(word), name="joined")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(joined, num_hidden=3, name="fc"), name="softmax")


def batch(mx, np):
    random = np.random.RandomState(5)
    return mx.io.DataBatch([mx.nd.array(random.normal(size=(2, 3, 5, 5))), mx.nd.array([[1, 2], [6, 0]])],
                           [mx.nd.array([0, 2])])


def predictions(mx, np, module):
    module.forward(batch(mx, np), is_train=False)
    return module.get_outputs()


SHAPES = [("data", (2, 3, 5, 5)), ("word", (2, 2))]


def trained(mx, np, prefix):
    """Takes a step, writes a checkpoint and returns what the network says then."""
    module = mx.mod.Module(captioned(mx), data_names=["data", "word"], context=mx.cpu())
    module.bind(SHAPES, [("softmax_label", (2,))])
    values = {name: mx.nd.array(np.random.RandomState(sum(map(ord, name))).normal(0.1, 0.3, array.shape))
              for name, array in zip(module._exec_group.param_names,
                                     [arrays[0] for arrays in module._exec_group.param_arrays])}
    module.init_params(arg_params=values, aux_params={"bn_moving_mean": mx.nd.zeros((4,)),
                                                      "bn_moving_var": mx.nd.ones((4,))})
    module.init_optimizer(optimizer="sgd", optimizer_params={"learning_rate": 0.1})
    module.forward(batch(mx, np), is_train=True)
    module.backward()
    module.update()
    module.save_checkpoint(prefix, 3)
    return predictions(mx, np, module)


def resumed(mx, np, prefix):
    """Reads a checkpoint and returns what its network says, and everything it holds."""
    module = mx.mod.Module.load(prefix, 3, data_names=["data", "word"], context=mx.cpu())
    module.bind(SHAPES, [("softmax_label", (2,))], for_training=False)
    symbol, arguments, states = mx.model.load_checkpoint(prefix, 3)
    return {"predictions": predictions(mx, np, module), "symbol": symbol.tojson(), "attributes": symbol.attr_dict(),
            "arguments": arguments, "states": states}


def test_checkpoints_cross(oracle, compare, tmp_path):
    """Each library reads the other's files and says the same as the one that wrote them."""
    theirs, ours = str(tmp_path / "theirs"), str(tmp_path / "ours")
    their_words = oracle.run(trained, prefix=theirs)[0]
    our_words = here(trained, ganmod, {"prefix": ours})[0]
    for prefix, words in ((theirs, their_words), (ours, our_words)):
        found = compare(resumed, {"prefix": prefix}, rtol=1e-4)
        np.testing.assert_allclose(found["predictions"][0], words, rtol=1e-4)
    assert pathlib.Path(f"{theirs}-symbol.json").read_bytes() == pathlib.Path(f"{ours}-symbol.json").read_bytes()


@pytest.mark.parametrize("layout", [before_1_0, version_1], ids=lambda f: f.__name__)
def test_old_checkpoint(compare, tmp_path, layout):
    """A symbol of 0.8 and parameters of its time."""
    graph = of_0_8()
    (tmp_path / "old-symbol.json").write_text(json.dumps(graph))
    values = parameters(ganmod, np, network(ganmod))
    kept = {name: array.asnumpy() for name, array in values.items() if name not in ("data", "softmax_label")}
    names = [("aux:" if "moving" in name else "arg:") + name for name in kept]
    content = file_of([layout(array, 0) for array in kept.values()], [name.encode() for name in names])
    (tmp_path / "old-0007.params").write_bytes(content)

    def case(mx, np, prefix):
        symbol, arguments, states = mx.model.load_checkpoint(prefix, 7)
        images = mx.nd.array(np.random.RandomState(3).normal(size=(2, 3, 6, 6)))
        executor = symbol.bind(mx.cpu(), {**arguments, "data": images, "softmax_label": mx.nd.zeros((2,))},
                               aux_states=states)
        return {"values": executor.forward(is_train=False), "names": sorted(arguments), "states": sorted(states)}
    compare(case, {"prefix": str(tmp_path / "old")}, rtol=1e-4)
