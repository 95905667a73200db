"""Modules under both libraries: binding, parameters, several contexts, batches of other sizes, checkpoints."""
import numpy as np
import pytest

import ganmod as mx


def network(mx):
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=6, name="fc1")
    net = mx.sym.BatchNorm(net, name="bn", fix_gamma=False)
    net = mx.sym.Activation(net, act_type="relu", name="act")
    net = mx.sym.FullyConnected(net, num_hidden=3, name="fc2")
    return mx.sym.SoftmaxOutput(net, name="softmax")


def started(mx, np, module, optimizer=("sgd", {"learning_rate": 0.1, "momentum": 0.9}), **bind):
    """The module, bound, with parameters that are the same in both libraries, and an optimizer."""
    bind.setdefault("data_shapes", [("data", (8, 4))])
    module.bind(**bind)
    module.init_params(mx.init.One())
    rng = np.random.RandomState(0)
    args, states = module.get_params()
    args = {name: mx.nd.array(rng.uniform(-0.5, 0.5, args[name].shape)) for name in sorted(args)}
    module.set_params(args, states)
    if optimizer:
        module.init_optimizer(optimizer=optimizer[0], optimizer_params=optimizer[1])
    return module


def batches(mx, np, count=4, size=8, seed=1):
    rng = np.random.RandomState(seed)
    return [mx.io.DataBatch([mx.nd.array(rng.standard_normal((size, 4)))],
                            [mx.nd.array(rng.randint(0, 3, size))]) for _ in range(count)]


def parameters(mx, module):
    mx.nd.waitall()                     # MXNet's moving statistics follow when they can
    args, states = module.get_params()
    return {name: array.asnumpy() for name, array in {**args, **states}.items()}


def trained(mx, np, module, steps):
    outputs = []
    for batch in steps:
        module.forward(batch, is_train=True)
        outputs.append(module.get_outputs()[0].asnumpy())
        module.backward()
        module.update()
    return {"outputs": outputs, "parameters": parameters(mx, module)}


LABELLED = dict(label_shapes=[("softmax_label", (8,))])


@pytest.mark.parametrize("devices", [1, 2, 3])
def test_training(compare, devices):
    """Uneven parts included: 8 samples over 3 contexts."""
    def case(mx, np, devices):
        module = mx.mod.Module(network(mx), context=[mx.cpu(k) for k in range(devices)])
        started(mx, np, module, **LABELLED)
        found = trained(mx, np, module, batches(mx, np))
        found["arrays"] = [[len(group) for group in arrays] for arrays in (
            module._exec_group.param_arrays, module._exec_group.grad_arrays, module._exec_group.aux_arrays)]
        found["slices"] = [[s.start, s.stop] for s in module._exec_group.slices]
        found["gradients"] = [[g.asnumpy() for g in group] for group in module._exec_group.grad_arrays]
        found["by device"] = [o.shape for o in module.get_outputs(merge_multi_context=False)[0]]
        return found
    compare(case, {"devices": devices}, rtol=1e-4, atol=1e-5)


def test_work_loads(compare):
    def case(mx, np):
        module = mx.mod.Module(network(mx), context=[mx.cpu(0), mx.cpu(1)], work_load_list=[1, 3])
        started(mx, np, module, **LABELLED)
        return {**trained(mx, np, module, batches(mx, np)),
                "slices": [[s.start, s.stop] for s in module._exec_group.slices]}
    compare(case, rtol=1e-4, atol=1e-5)


def test_what_a_module_says_of_itself(compare):
    def case(mx, np):
        module = mx.mod.Module(network(mx))
        before = [module.binded, module.params_initialized, module.optimizer_initialized]
        started(mx, np, module, inputs_need_grad=True, **LABELLED)
        return {"before": before, "after": [module.binded, module.params_initialized, module.optimizer_initialized],
                "names": [module.data_names, module.label_names, module.output_names, module._param_names,
                          module._aux_names, module._exec_group.param_names],
                "shapes": [list(module.output_shapes[0])] + [str(d) for d in module.data_shapes + module.label_shapes],
                "flags": [module.for_training, module.inputs_need_grad]}
    compare(case)


def test_input_gradients_and_heads(compare):
    def case(mx, np):
        net = mx.sym.Activation(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc"),
                                act_type="tanh")
        found = {}
        for devices in (1, 2):
            module = mx.mod.Module(net, label_names=None, context=[mx.cpu(k) for k in range(devices)])
            started(mx, np, module, inputs_need_grad=True)
            module.forward(batches(mx, np)[0], is_train=True)
            rng = np.random.RandomState(4)
            module.backward([mx.nd.array(rng.standard_normal((8, 2)))])
            found[str(devices)] = [g.asnumpy() for g in module.get_input_grads()]
        return found
    compare(case)


@pytest.mark.parametrize("size", [3, 8, 20])
def test_a_batch_of_another_size_rebinds(compare, size):
    def case(mx, np, size):
        module = started(mx, np, mx.mod.Module(network(mx)), **LABELLED)
        found = trained(mx, np, module, batches(mx, np, 1) + batches(mx, np, 2, size) + batches(mx, np, 1))
        return {**found, "shape": list(module.data_shapes[0].shape)}
    compare(case, {"size": size}, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("request_", ["write", "add", {"fc1_weight": "null", "fc1_bias": "null"}])
def test_gradient_requests(compare, request_):
    def case(mx, np, request):
        module = mx.mod.Module(network(mx))
        if isinstance(request, dict):
            request = dict(dict.fromkeys(network(mx).list_arguments(), "write"), **request)
        started(mx, np, module, grad_req=request, **LABELLED)
        return trained(mx, np, module, batches(mx, np))
    compare(case, {"request": request_}, rtol=1e-4, atol=1e-5)


def test_fixed_parameters(compare):
    def case(mx, np):
        module = mx.mod.Module(network(mx), fixed_param_names=["fc1_weight", "bn_gamma"])
        started(mx, np, module, **LABELLED)
        found = trained(mx, np, module, batches(mx, np))
        found["without"] = [group[0] is None for group in module._exec_group.grad_arrays]
        return found
    compare(case, rtol=1e-4, atol=1e-5)


def test_initializers_of_variables(compare):
    def case(mx, np):
        weight = mx.sym.Variable("w", init=mx.init.Constant(2.5))
        net = mx.sym.FullyConnected(mx.sym.Variable("data"), weight=weight, num_hidden=2, name="fc")
        module = mx.mod.Module(mx.sym.LeakyReLU(net, act_type="prelu", name="p"), label_names=None)
        module.bind([("data", (2, 3))])
        module.init_params(mx.init.Zero())
        return parameters(mx, module)
    compare(case)


def test_set_and_missing_params(compare):
    def case(mx, np):
        module = started(mx, np, mx.mod.Module(network(mx)), **LABELLED)
        args, states = module.get_params()
        some = {"fc2_bias": mx.nd.array([7, 8, 9])}
        module.init_params(mx.init.Constant(0.5), arg_params=some, allow_missing=True, force_init=True)
        return parameters(mx, module)
    compare(case)


@pytest.mark.parametrize("devices", [1, 2])
def test_setting_some_params_leaves_the_others_as_trained(compare, devices):
    def case(mx, np, devices):
        module = mx.mod.Module(network(mx), context=[mx.cpu(k) for k in range(devices)])
        started(mx, np, module, **LABELLED)                # which asks for the parameters, before they change
        for batch in batches(mx, np):
            module.forward(batch, is_train=True)
            module.backward()
            module.update()
        module.set_params({"fc2_bias": mx.nd.ones((3,))}, {}, allow_missing=True)
        return parameters(mx, module)
    compare(case, {"devices": devices}, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("extra", [False, True])
@pytest.mark.parametrize("surplus", [0, 1], ids=["parameter", "state"])
def test_values_without_a_parameter(compare, missing, extra, surplus):
    """They are ignored, but where only some are set and surplus ones are not allowed."""
    def case(mx, np, missing, extra, surplus):
        module = started(mx, np, mx.mod.Module(network(mx)), optimizer=None, **LABELLED)
        given = [{name: array + 1 for name, array in group.items()} for group in module.get_params()]
        given[surplus]["other"] = mx.nd.ones((1,))
        try:
            module.set_params(*given, allow_missing=missing, allow_extra=extra)
            found = "set"
        except ValueError:
            found = "refused"
        before = parameters(mx, module)
        module.init_params(mx.init.One(), *given, allow_missing=missing, allow_extra=extra, force_init=True)
        return found, before, parameters(mx, module)
    compare(case, {"missing": missing, "extra": extra, "surplus": surplus})


def test_parts_of_a_network_take_what_is_theirs(compare):
    def case(mx, np):
        whole = started(mx, np, mx.mod.Module(network(mx)), optimizer=None, **LABELLED)
        part = mx.mod.Module(network(mx).get_internals()["act_output"], label_names=None)
        part.bind([("data", (8, 4))], for_training=False)
        part.set_params(*whole.get_params())
        part.forward(batches(mx, np)[0])
        return part.get_outputs()[0].asnumpy()
    compare(case)


@pytest.mark.parametrize("asked", [False, True], ids=["by init_params", "by get_params"])
def test_parameters_outlast_another_bind(compare, asked):
    def case(mx, np, asked):
        module = mx.mod.Module(network(mx))
        module.bind([("data", (8, 4))], **LABELLED)
        module.init_params(mx.init.One())
        if asked:
            module.get_params()
        module.bind([("data", (2, 4))], [("softmax_label", (2,))], force_rebind=True)
        module.forward(batches(mx, np, size=2)[0])
        return module.get_outputs()[0].asnumpy(), parameters(mx, module)
    compare(case, {"asked": asked})


def test_trained_parameters_outlast_another_bind():
    """MXNet takes the ones that were asked for last."""
    module = started(mx, np, mx.mod.Module(network(mx)), **LABELLED)
    learnt = trained(mx, np, module, batches(mx, np))["parameters"]
    module.forward(batches(mx, np)[0], is_train=True)
    module.backward()
    module.update()
    changed = {**module._exec_group.execs[0].arg_dict}["fc1_weight"].asnumpy()
    assert not np.array_equal(changed, learnt["fc1_weight"])
    module.bind([("data", (2, 4))], [("softmax_label", (2,))], force_rebind=True)
    np.testing.assert_array_equal(module.get_params()[0]["fc1_weight"].asnumpy(), changed)
    with pytest.raises(ValueError, match="'fc1_weight' is bound with shape"):
        module.bind([("data", (2, 5))], [("softmax_label", (2,))], force_rebind=True)
    assert not module.binded
    module.bind([("data", (2, 4))], [("softmax_label", (2,))])
    np.testing.assert_array_equal(module.get_params()[0]["fc1_weight"].asnumpy(), changed)


def test_a_list_of_batches_is_one(compare):
    """In MXNet, one for each context."""
    def case(mx, np):
        module = mx.mod.Module(network(mx), context=[mx.cpu(0), mx.cpu(1)])
        started(mx, np, module, optimizer=None, **LABELLED)
        module.forward(batches(mx, np, count=2, size=4), is_train=False)
        return module.get_outputs()[0].asnumpy()
    compare(case)
    module = started(mx, np, mx.mod.Module(network(mx)), optimizer=None, **LABELLED)
    module.forward(batches(mx, np, count=2, size=3), is_train=False)
    found = module.get_outputs()[0].asnumpy()
    parts = []
    for batch in batches(mx, np, count=2, size=3):
        module.forward(batch, is_train=False)
        parts.append(module.get_outputs()[0].asnumpy())
    np.testing.assert_allclose(found, np.concatenate(parts), rtol=1e-5)
    for wrong in ([], [*batches(mx, np, 1), *batches(mx, np, 1, size=4)]):
        with pytest.raises(mx.base.ShapeError, match="list of batches"):
            module.forward(wrong)


def test_multipliers_and_decay(compare):
    """lr_mult and wd_mult of a variable; no decay for biases and betas."""
    def case(mx, np):
        weight = mx.sym.Variable("fc1_weight", lr_mult=0.1, wd_mult=3.0)
        net = mx.sym.FullyConnected(mx.sym.Variable("data"), weight=weight, num_hidden=3, name="fc1")
        module = mx.mod.Module(mx.sym.SoftmaxOutput(net, name="softmax"))
        started(mx, np, module, ("sgd", {"learning_rate": 0.1, "wd": 0.01, "momentum": 0.5}), **LABELLED)
        return trained(mx, np, module, batches(mx, np))
    compare(case, rtol=1e-4, atol=1e-5)


def test_optimizer_instance(compare):
    def case(mx, np):
        module = started(mx, np, mx.mod.Module(network(mx)), optimizer=None, **LABELLED)
        module.init_optimizer(optimizer=mx.optimizer.NAG(learning_rate=0.05, momentum=0.9, rescale_grad=1.0 / 8))
        return trained(mx, np, module, batches(mx, np))
    compare(case, rtol=1e-4, atol=1e-5)


def test_shared_module(compare):
    def case(mx, np):
        first = started(mx, np, mx.mod.Module(network(mx)), **LABELLED)
        second = mx.mod.Module(network(mx))
        second.bind(data_shapes=[("data", (4, 4))], label_shapes=[("softmax_label", (4,))], shared_module=first)
        trained(mx, np, second, batches(mx, np, 2, 4))
        first.forward(batches(mx, np)[0], is_train=False)
        return {"outputs": first.get_outputs()[0].asnumpy()}
    compare(case, rtol=1e-4, atol=1e-5)


def test_modules_that_share_give_the_same_params(compare):
    def case(mx, np):
        module = mx.mod.Module(network(mx))
        module.bind([("data", (8, 4))], **LABELLED)
        module.init_params(mx.init.One())
        other = mx.mod.Module(network(mx))
        other.bind([("data", (8, 4))], shared_module=module, **LABELLED)
        found = [parameters(mx, other)]
        module.init_optimizer()
        found.append(trained(mx, np, module, batches(mx, np)))
        found.append(parameters(mx, other))
        return {"found": found}
    compare(case, rtol=1e-4, atol=1e-5)


def test_borrow_optimizer(compare):
    """The borrower goes on with the lender's momenta, which the lender then takes up again."""
    def case(mx, np):
        first = started(mx, np, mx.mod.Module(network(mx)), **LABELLED)
        second = started(mx, np, mx.mod.Module(network(mx)), optimizer=None, **LABELLED)
        second.borrow_optimizer(first)
        return [trained(mx, np, module, batches(mx, np, 2, seed=turn))
                for turn, module in enumerate([first, second, first])]
    compare(case, rtol=1e-4, atol=1e-5)


def test_states(compare):
    def case(mx, np):
        net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc") + mx.sym.Variable("memory")
        module = mx.mod.Module(net, label_names=None, state_names=["memory"])
        module.bind([("data", (8, 4))])
        module.init_params(mx.init.One())
        found = [s[0].asnumpy() for s in module.get_states(merge_multi_context=False)]
        module.set_states(value=3)
        module.forward(batches(mx, np)[0], is_train=False)
        output = module.get_outputs()[0].asnumpy()
        module.set_states(states=[[mx.nd.ones((8, 3)) * 2]])
        after = [s[0].asnumpy() for s in module.get_states(merge_multi_context=False)]
        return {"before": found, "output": output, "after": after}
    compare(case)


def test_predict(compare):
    def case(mx, np):
        module = started(mx, np, mx.mod.Module(network(mx)), **LABELLED)
        rng = np.random.RandomState(5)
        data = mx.io.NDArrayIter(rng.standard_normal((19, 4)).astype("float32"), np.zeros(19), batch_size=8)
        found = {"merged": module.predict(data).asnumpy(), "two": module.predict(data, num_batch=2).asnumpy()}
        found["apart"] = [[o.asnumpy() for o in outputs] for outputs in module.predict(data, merge_batches=False)]
        found["list"] = [o.asnumpy() for o in module.predict(data, always_output_list=True)]
        found["steps"] = [[n, b.pad] for _, n, b in module.iter_predict(data)]
        return found
    compare(case, rtol=1e-4, atol=1e-5)


# --- files both ways -------------------------------------------------------------------------------------------------

def _write(mx, np, prefix):
    module = started(mx, np, mx.mod.Module(network(mx)), **LABELLED)
    trained(mx, np, module, batches(mx, np))
    module.save_checkpoint(prefix, 3)
    module.forward(batches(mx, np, seed=9)[0], is_train=False)
    return {"outputs": module.get_outputs()[0].asnumpy()}


def _read(mx, np, prefix):
    module = mx.mod.Module.load(prefix, 3)
    module.bind(data_shapes=[("data", (8, 4))], label_shapes=[("softmax_label", (8,))], for_training=False)
    module.forward(batches(mx, np, seed=9)[0], is_train=False)
    return {"outputs": module.get_outputs()[0].asnumpy(), "parameters": parameters(mx, module)}


def test_checkpoints_of_each_are_read_by_the_other(oracle, tmp_path):
    import ganmod

    from .oracle import here
    theirs, ours = str(tmp_path / "theirs"), str(tmp_path / "ours")
    written_there, written_here = oracle.run(_write, prefix=theirs), here(_write, ganmod, {"prefix": ours})
    read_here, read_there = here(_read, ganmod, {"prefix": theirs}), oracle.run(_read, prefix=ours)
    for written, read in ((written_there, read_here), (written_here, read_there)):
        np.testing.assert_allclose(written["outputs"], read["outputs"], rtol=1e-4, atol=1e-6)
    for name, value in read_here["parameters"].items():
        np.testing.assert_allclose(value, read_there["parameters"][name], rtol=1e-4, atol=1e-5)
    assert (tmp_path / "ours-symbol.json").read_text() == (tmp_path / "theirs-symbol.json").read_text()


@pytest.mark.parametrize("placed", [[(2, 3)], [(2, 3), (4, 5)]], ids=len)
def test_groups_on_contexts(compare, placed):
    """Two groups of nodes, on one device and on two: contexts and gradients."""
    def case(mx, np, placed):
        with mx.AttrScope(ctx_group="dev1"):
            a = mx.sym.Variable("a") * 2
        with mx.AttrScope(ctx_group="dev2"):
            net = a + mx.sym.Variable("b")
        module = mx.mod.Module(net, ("a", "b"), None, context=[mx.cpu(k) for k in range(len(placed))],
                               group2ctxs=[{"dev1": mx.cpu(j), "dev2": mx.cpu(k)} for j, k in placed])
        module.bind([("a", (4, 3)), ("b", (4, 3))], inputs_need_grad=True)
        module.init_params()
        module.forward(mx.io.DataBatch([mx.nd.ones((4, 3)), mx.nd.ones((4, 3)) * 5]), is_train=True)
        module.backward([mx.nd.ones((4, 3))])
        grads = module.get_input_grads(merge_multi_context=False)
        return {"output": module.get_outputs()[0], "grads": grads,
                "where": [[str(g.context) for g in gs] for gs in grads]}
    compare(case, {"placed": placed})
