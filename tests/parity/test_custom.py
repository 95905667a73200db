"""Operators of one's own under both libraries: the same classes, the same numbers, names, calls and files.

MXNet itself cannot bind an operator with two outputs and a state ("Storage type inconsistent"), and ends the process
where a constructor does not take its attributes.
"""
import functools
import warnings

import pytest


@pytest.fixture
def compare(oracle):
    """As everywhere, but under MXNet's own engine: the naive one tells Python operators that nothing is training."""
    return functools.partial(oracle.compare, env={"MXNET_ENGINE_TYPE": "ThreadedEnginePerDevice"})


def defined(mx, np):
    """The operators of these tests, registered; returns the log of their calls."""
    log = []

    class Softmax(mx.operator.CustomOp):
        def forward(self, is_train, req, in_data, out_data, aux):
            x = in_data[0].asnumpy()
            y = np.exp(x - x.max(axis=1, keepdims=True))
            self.assign(out_data[0], req[0], mx.nd.array(y / y.sum(axis=1, keepdims=True)))

        def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
            label = in_data[1].asnumpy().ravel().astype(int)
            y = out_data[0].asnumpy()
            y[np.arange(label.shape[0]), label] -= 1.0
            self.assign(in_grad[0], req[0], mx.nd.array(y))

    @mx.operator.register("softmax")
    class SoftmaxProp(mx.operator.CustomOpProp):
        def __init__(self, my_attr="1", other=2):
            super().__init__(need_top_grad=False)
            log.append(("prop", my_attr, other))

        def list_arguments(self):
            return ["data", "label"]

        def list_outputs(self):
            return ["output"]

        def infer_shape(self, in_shape):
            return [in_shape[0], (in_shape[0][0],)], [in_shape[0]], []

        def create_operator(self, ctx, shapes, dtypes):
            log.append(("create", str(ctx), shapes, dtypes))
            return Softmax()

    class Sigmoid(mx.operator.CustomOp):
        def __init__(self, prop):
            self.prop = prop

        def forward(self, is_train, req, in_data, out_data, aux):
            log.append(("forward", bool(is_train), list(req), mx.autograd.is_training(), len(aux)))
            for k in range(len(out_data)):
                self.assign(out_data[k], req[k], mx.nd.sigmoid(in_data[0]) * (k + 1))
            if aux and is_train:
                aux[0][:] = aux[0] * 0.5 + in_data[0].sum()

        def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
            log.append(("backward", list(req), [g.shape for g in out_grad]))
            y = out_data[0]
            top = out_grad[0] + 2 * out_grad[1] if len(out_grad) > 1 else out_grad[0]
            self.assign(in_grad[0], req[0], y * (1 - y) * top + (aux[0].asnumpy()[0] if aux else 0))

    @mx.operator.register("sigmoid")
    class SigmoidProp(mx.operator.CustomOpProp):
        def __init__(self, outputs="1", state="False"):
            super().__init__(need_top_grad=True)
            self.outputs, self.state = int(outputs), state == "True"

        def list_outputs(self):
            return ["one", "two"] if self.outputs == 2 else ["output"]

        def list_auxiliary_states(self):
            return ["moving_mean"] if self.state else []

        def infer_shape(self, in_shape):
            shapes = (in_shape, [in_shape[0]] * self.outputs)
            return shapes + ([(1,)],) if self.state else shapes

        def create_operator(self, ctx, shapes, dtypes):
            return Sigmoid(self)

    return log


def driven(mx, np, net, training=(True,), **shapes):
    """Every array after forwards and backwards from random arguments."""
    rng = np.random.RandomState(0)
    executor = net.simple_bind(mx.cpu(), **shapes)
    for name in sorted(executor.arg_dict):
        shape = executor.arg_dict[name].shape
        values = rng.randint(0, 3, shape) if "label" in name else rng.standard_normal(shape)
        executor.arg_dict[name][:] = mx.nd.array(values)
    heads = [mx.nd.array(rng.standard_normal(out.shape)) for out in executor.outputs]
    for mode in training:
        executor.forward(is_train=mode)
        mx.nd.waitall()
        executor.backward(heads)
        mx.nd.waitall()
    return {"outputs": executor.output_dict, "gradients": executor.grad_dict, "states": executor.aux_dict,
            "names": [net.list_arguments(), net.list_outputs(), net.list_auxiliary_states()],
            "json": net.tojson(), "attributes": net.attr_dict(), "type": net.infer_type(data="float32")}


def test_a_softmax_loss(compare):
    def case(mx, np):
        log = defined(mx, np)
        net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
        net = mx.sym.Custom(data=net, name="softmax", op_type="softmax", my_attr=3)
        found = driven(mx, np, net, data=(4, 5), softmax_label=(4,))
        executor = net.simple_bind(mx.cpu(), data=(4, 5))
        executor.forward(is_train=True)
        executor.backward()                                 # without head gradients
        found["zeros"] = executor.grad_dict
        found["log"] = log[:1] + [call for call in log if call[0] == "create"]
        return found
    with pytest.warns(UserWarning, match="Cannot decide type"):
        compare(case)


@pytest.mark.parametrize("attributes", [{}, {"outputs": 2}, {"state": True}], ids=str)
def test_a_sigmoid(compare, attributes):
    def case(mx, np, attributes):
        log = defined(mx, np)
        net = mx.sym.Custom(mx.sym.Variable("data") * 2, op_type="sigmoid", name="sig", **attributes)
        found = driven(mx, np, net, training=(True, True), data=(3, 4))
        if len(net) > 1:
            found["first"] = driven(mx, np, net[0] * 3, data=(3, 4))
        found["log"] = log
        return found
    compare(case, {"attributes": attributes})


def test_backward_after_prediction(compare):
    def case(mx, np):
        defined(mx, np)
        net = mx.sym.Custom(mx.sym.Variable("data"), op_type="sigmoid", state=True, name="sig")
        return driven(mx, np, net, training=(True, False), data=(3, 4))
    compare(case)


def test_twice_in_one_graph(compare):
    def case(mx, np):
        defined(mx, np)
        x = mx.sym.Variable("data")
        one = mx.sym.Custom(x, op_type="sigmoid", outputs=2)
        other = mx.sym.Custom(one[1], mx.sym.Variable("mean"), op_type="sigmoid", state=True)
        return driven(mx, np, mx.sym.Group([one[0] + other, mx.sym.BlockGrad(other)]), data=(3, 4))
    compare(case)


def test_gradients_as_asked_for(compare):
    def case(mx, np):
        defined(mx, np)
        net = mx.sym.Custom(mx.sym.Variable("data"), op_type="softmax", name="softmax")
        executor = net.simple_bind(mx.cpu(), data=(2, 3), grad_req={"data": "add", "softmax_label": "null"})
        for _ in range(3):
            executor.forward(is_train=True)
            executor.backward()
        mx.nd.waitall()
        return {"gradients": executor.grad_dict}
    compare(case)


def test_files(compare):
    def case(mx, np):
        log = defined(mx, np)
        net = mx.sym.Custom(mx.sym.Variable("data"), op_type="sigmoid", state="True", name="sig")
        again = mx.sym.load_json(net.tojson())
        return {"json": again.tojson(), "ran": driven(mx, np, again, data=(2, 2)), "log": log}
    compare(case)


def test_inferred_shapes(compare):
    def case(mx, np):
        defined(mx, np)
        net = mx.sym.Custom(mx.sym.Variable("data"), op_type="softmax", name="softmax")
        return {"all": net.infer_shape(data=(2, 3)), "partial": net.infer_shape_partial(data=(0, 3)),
                "both": net.infer_type(data="float64", softmax_label="float32")}
    compare(case)


@pytest.mark.parametrize("shapes", [{"data": (2, 3), "softmax_label": (3,)}])
def test_wrong_shapes(compare, shapes):
    def case(mx, np, shapes):
        defined(mx, np)
        return mx.sym.Custom(mx.sym.Variable("data"), op_type="softmax", name="softmax").infer_shape(**shapes)
    compare(case, {"shapes": shapes}, raises=True)


def test_arrays(compare):
    def case(mx, np):
        log = defined(mx, np)
        x, label, mean = mx.nd.array([[1, 2, 3], [4, 6, 5]]), mx.nd.array([0, 2]), mx.nd.array([0.5])
        x.attach_grad()
        found = []
        with mx.autograd.record():
            y = mx.nd.Custom(x, label, op_type="softmax", my_attr=7)
        y.backward()
        found += [y, x.grad.asnumpy()]
        with mx.autograd.record():
            one, two = mx.nd.Custom(x, op_type="sigmoid", outputs=2)
            z = one * two * mx.nd.Custom(x, mean, op_type="sigmoid", state=True)
        z.backward()
        found += [one, two, x.grad.asnumpy(), mean, mx.nd.Custom(x, op_type="sigmoid")]
        mx.nd.waitall()
        return {"found": found, "log": sorted(map(str, log))}
    compare(case)


def test_training(compare):
    def case(mx, np):
        defined(mx, np)
        net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=8, name="fc1")
        net = mx.sym.Custom(net, op_type="sigmoid", name="act")
        net = mx.sym.FullyConnected(net, num_hidden=3, name="fc2")
        net = mx.sym.Custom(net, op_type="softmax", name="softmax")
        rng = np.random.RandomState(3)
        x = rng.standard_normal((24, 5)).astype("float32")
        batches = mx.io.NDArrayIter(x, x[:, :3].argmax(axis=1).astype("float32"), batch_size=8)
        shapes = {"fc1_weight": (8, 5), "fc1_bias": (8,), "fc2_weight": (3, 8), "fc2_bias": (3,)}
        start = {name: mx.nd.array(rng.standard_normal(shape)) for name, shape in shapes.items()}
        module = mx.mod.Module(net, context=[mx.cpu(0), mx.cpu(1)])
        module.bind(batches.provide_data, batches.provide_label)
        module.init_params(arg_params=start)
        module.init_optimizer(optimizer_params={"learning_rate": 0.5})
        for _ in range(4):
            batches.reset()
            for batch in batches:
                module.forward_backward(batch)
                module.update()
        return module.get_params()[0]
    compare(case, rtol=1e-4, atol=1e-5)


def bound(mx, op, net, **shapes):
    """Every array after a forward and a backward, and what the symbol says of itself."""
    args = {name: mx.nd.array([0, 1, 1]) if shape == (3,) else mx.nd.arange(6).reshape(shape) / 3
            for name, shape in shapes.items()}
    grads = {name: mx.nd.zeros(shape) for name, shape in shapes.items()}
    executor = net.bind(mx.cpu(), args, grads)
    executor.forward(is_train=True)
    mx.nd.waitall()
    executor.backward(mx.nd.ones(executor.outputs[0].shape))
    mx.nd.waitall()
    found = {"output": executor.outputs[0].asnumpy(), "gradients": grads, "types": net.infer_type(data="float32"),
             "names": net.list_arguments() + net.list_outputs(), "keys": sorted(net.list_attr())}
    other = op.get_symbol(mx.sym.Variable("data"))      # last: in MXNet the callbacks of the first symbol end with it
    return {**found, "automatic": [other.name, *other.list_arguments()]}


def test_numpy_op(compare):
    def case(mx, np):
        class Softmax(mx.operator.NumpyOp):
            def __init__(self):
                super().__init__(False)

            def list_arguments(self):
                return ["data", "label"]

            def infer_shape(self, in_shape):
                return [in_shape[0], (in_shape[0][0],)], [in_shape[0]]

            def forward(self, in_data, out_data):
                out_data[0][:] = np.exp(in_data[0])
                out_data[0] /= out_data[0].sum(axis=1, keepdims=True)

            def backward(self, out_grad, in_data, out_data, in_grad):
                in_grad[0][:] = out_data[0]
                in_grad[0][np.arange(3), in_data[1].astype(int)] -= 1

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            op = Softmax()
        found = bound(mx, op, op(data=mx.sym.Variable("data") * 2, name="soft"), data=(3, 2), soft_label=(3,))
        return {**found, "warned": bool(caught)}
    compare(case)


def test_ndarray_op(compare):
    """Without numpy arrays, for which MXNet waits for ever here."""
    def case(mx, np):
        class Square(mx.operator.NDArrayOp):
            def forward(self, in_data, out_data):
                out_data[0][:] = in_data[0] * in_data[0]

            def backward(self, out_grad, in_data, out_data, in_grad):
                in_grad[0][:] = 2 * in_data[0] * out_grad[0]

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            op = Square()
        return bound(mx, op, op(mx.sym.Variable("data") * 2, name="square"), data=(3, 2))
    compare(case)


def test_defaults_of_the_base_classes(compare):
    def case(mx, np):
        prop, op = mx.operator.CustomOpProp(), mx.operator.CustomOp()
        assigned = []
        for request in ("write", "null", "add", "inplace"):
            array = mx.nd.array([1, 2])
            op.assign(array, request, mx.nd.array([10, 20]))
            assigned.append(array)
        return {"assigned": assigned, "lists": [prop.list_arguments(), prop.list_outputs(),
                                                prop.list_auxiliary_states()],
                "shapes": prop.infer_shape([[2], [3]]), "types": prop.infer_type([np.float64]),
                "storage": prop.infer_storage_type(["default"]),
                "needs": [prop.declare_backward_dependency([0], [1], [2]),
                          mx.operator.CustomOpProp(False).declare_backward_dependency([0], [1], [2])],
                "arguments": list(mx.operator.get_operator_arguments("Activation")),
                "operators": {"Custom", "Activation"} <= set(mx.operator.get_all_registered_operators())}
    compare(case)
