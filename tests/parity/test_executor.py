"""Executors under both libraries: binding, handles, gradient requests, repeated and late backwards, monitors."""
import pytest


def network(mx):
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="fc1")
    net = mx.sym.Activation(net, act_type="tanh", name="act")
    return mx.sym.FullyConnected(net, num_hidden=2, name="fc2")


def filled(mx, np, executor, seed=0):
    """The executor, with the same random arguments in both libraries."""
    rng = np.random.RandomState(seed)
    for name in sorted(executor.arg_dict):
        executor.arg_dict[name][:] = mx.nd.array(rng.standard_normal(executor.arg_dict[name].shape))
    return executor


def heads(mx, np, executor, seed=1):
    rng = np.random.RandomState(seed)
    return [mx.nd.array(rng.standard_normal(out.shape)) for out in executor.outputs]


def gradients(executor):
    return {name: None if g is None else g.asnumpy() for name, g in executor.grad_dict.items()}


def test_simple_bind(compare):
    def case(mx, np):
        executor = filled(mx, np, network(mx).simple_bind(mx.cpu(), data=(3, 5)))
        outputs = executor.forward(is_train=True)
        executor.backward(heads(mx, np, executor))
        return {"outputs": [o.asnumpy() for o in outputs], "gradients": gradients(executor),
                "names": [list(executor.arg_dict), list(executor.aux_dict), list(executor.output_dict)],
                "arrays": [len(executor.arg_arrays), len(executor.grad_arrays), len(executor.aux_arrays)]}
    compare(case)


def test_output_handles_show_the_latest_forward(compare):
    def case(mx, np):
        executor = filled(mx, np, network(mx).simple_bind(mx.cpu(), data=(3, 5)))
        early = executor.outputs[0]
        executor.forward(is_train=False)
        first = early.asnumpy()
        executor.arg_dict["data"][:] = 1
        executor.forward(is_train=True)
        again = executor.forward(is_train=False, data=mx.nd.ones((3, 5)) * 2)
        return {"first": first, "latest": early.asnumpy(), "returned": again[0].asnumpy()}
    compare(case)


@pytest.mark.parametrize("request_", ["write", "add", "null"])
def test_gradient_requests(compare, request_):
    def case(mx, np, request):
        executor = filled(mx, np, network(mx).simple_bind(mx.cpu(), grad_req=request, data=(3, 5)))
        for _ in range(3):
            executor.forward(is_train=True)
            executor.backward(heads(mx, np, executor))
        return gradients(executor)
    compare(case, {"request": request_})


def test_gradient_requests_by_argument(compare):
    def case(mx, np):
        net = network(mx)
        by_name = {"data": "add", "fc1_weight": "write", "fc1_bias": "null"}
        in_order = ["write", "add", "write", "null", "null"]
        found = {}
        for key, request in (("by name", by_name), ("in order", in_order)):
            executor = filled(mx, np, net.simple_bind(mx.cpu(), grad_req=request, data=(3, 5)))
            for _ in range(2):
                executor.forward(is_train=True)
                executor.backward(heads(mx, np, executor))
            found[key] = gradients(executor)
        return found
    compare(case)


def test_bind_to_arrays_of_the_caller(compare):
    def case(mx, np):
        net = network(mx)
        shapes = dict(zip(net.list_arguments(), net.infer_shape(data=(3, 5))[0]))
        rng = np.random.RandomState(3)
        args = {name: mx.nd.array(rng.standard_normal(shape)) for name, shape in shapes.items()}
        grads = {name: mx.nd.zeros(shapes[name]) for name in ("data", "fc2_weight")}
        executor = net.bind(mx.cpu(), args, args_grad=grads)
        executor.forward(is_train=True)
        executor.backward(heads(mx, np, executor))
        args["data"][:] = 0
        inference = net.bind(mx.cpu(), list(args.values()), grad_req="null")
        return {"data": grads["data"].asnumpy(), "weight": grads["fc2_weight"].asnumpy(),
                "shared": executor.forward()[0].asnumpy(), "positional": inference.forward()[0].asnumpy()}
    compare(case)


def test_backward_again_and_later(compare):
    def case(mx, np):
        executor = filled(mx, np, network(mx).simple_bind(mx.cpu(), data=(3, 5)))
        found = {}
        executor.forward(is_train=True)
        executor.backward(heads(mx, np, executor, 5))
        executor.backward(heads(mx, np, executor, 6))
        found["twice"] = gradients(executor)
        executor.arg_dict["fc2_weight"][:] = 0.5
        executor.backward(heads(mx, np, executor, 6))
        found["after a change"] = gradients(executor)
        executor.forward(is_train=False)
        executor.backward(heads(mx, np, executor, 7))
        found["after inference"] = gradients(executor)
        return found
    compare(case)


def test_losses_need_no_head(compare):
    def case(mx, np):
        x = mx.sym.Variable("data")
        fc = mx.sym.FullyConnected(x, num_hidden=3, name="fc")
        found = {}
        nets = {"softmax": mx.sym.SoftmaxOutput(fc, name="softmax"), "make_loss": mx.sym.MakeLoss(mx.sym.square(fc)),
                "reshaped": mx.sym.Reshape(mx.sym.MakeLoss(fc * 2), shape=(-1,)),
                "group": mx.sym.Group([mx.sym.BlockGrad(fc), mx.sym.MakeLoss(fc * 3)]),
                "svm": mx.sym.SVMOutput(fc, name="svm")}
        for key, net in nets.items():
            executor = filled(mx, np, net.simple_bind(mx.cpu(), data=(4, 2)))
            for name in ("softmax_label", "svm_label"):
                if name in executor.arg_dict:
                    executor.arg_dict[name][:] = mx.nd.array([0, 2, 1, 1])
            executor.forward(is_train=True)
            executor.backward()
            found[key] = gradients(executor)
        return found
    compare(case)


def test_a_head_is_needed_where_the_output_is_no_loss(compare):
    def case(mx, np):
        executor = filled(mx, np, network(mx).simple_bind(mx.cpu(), data=(3, 5)))
        executor.forward(is_train=True)
        executor.backward()
    compare(case, raises=True)


def test_reshape(compare):
    def case(mx, np):
        executor = filled(mx, np, network(mx).simple_bind(mx.cpu(), data=(6, 5)))
        smaller = executor.reshape(data=(2, 5))
        smaller.arg_dict["data"][:] = 1
        smaller.forward(is_train=True)
        smaller.backward(heads(mx, np, smaller))
        shared = executor.grad_dict["fc1_weight"].asnumpy()
        smaller.arg_dict["fc1_weight"][:] = 0.25
        larger = smaller.reshape(allow_up_sizing=True, data=(7, 5))
        larger.arg_dict["data"][:] = 2
        return {"outputs": smaller.outputs[0].asnumpy(), "shared": shared,
                "weight": executor.arg_dict["fc1_weight"].asnumpy(), "larger": larger.forward()[0].asnumpy()}
    compare(case)


def test_shapes_of_what_is_no_input_are_ignored(compare):
    """A label's, in a network without its loss."""
    def case(mx, np):
        net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="fc")
        executor = net.simple_bind(mx.cpu(), data=(3, 5), softmax_label=(3,))
        return {name: array.shape for name, array in executor.arg_dict.items()}
    compare(case)


def test_copy_params_from(compare):
    def case(mx, np):
        net = mx.sym.BatchNorm(mx.sym.Variable("data"), name="bn", fix_gamma=False)
        executor = net.simple_bind(mx.cpu(), data=(3, 2))
        executor.copy_params_from({"bn_gamma": mx.nd.array([2, 3]), "extra": mx.nd.zeros((1,))},
                                  {"bn_moving_var": mx.nd.array([4, 9])}, allow_extra_params=True)
        return {"arguments": {k: v.asnumpy() for k, v in executor.arg_dict.items()},
                "states": {k: v.asnumpy() for k, v in executor.aux_dict.items()}}
    compare(case)


def test_copying_an_unknown_parameter(compare):
    def case(mx, np):
        network(mx).simple_bind(mx.cpu(), data=(3, 5)).copy_params_from({"extra": mx.nd.zeros((1,))})
    compare(case, raises=True)


@pytest.mark.parametrize("everything", [False, True])
def test_monitor(compare, everything):
    def case(mx, np, everything):
        executor = filled(mx, np, network(mx).simple_bind(mx.cpu(), data=(3, 5)))
        seen = {}

        def watch(name, array):
            if isinstance(array, int):                      # MXNet hands out bytes and a bare handle
                name, array = name.decode(), mx.nd.NDArray(mx.base.NDArrayHandle(array), writable=False)
            seen[name] = array.asnumpy()

        executor.set_monitor_callback(watch, monitor_all=everything)
        executor.forward(is_train=True)
        executor.outputs[0].wait_to_read()
        executor.backward(heads(mx, np, executor))
        forward = {k: v for k, v in seen.items() if k.endswith("_output") and "backward" not in k and "head" not in k}
        return {"outputs": forward, "gradients": gradients(executor)}
    compare(case, {"everything": everything})


def test_eval(compare):
    def case(mx, np):
        a, b = mx.sym.Variable("a"), mx.sym.Variable("b")
        return {"outputs": [o.asnumpy() for o in mx.sym.Group([a + b, a * 2]).eval(
            mx.cpu(), a=mx.nd.array([1, 2]), b=mx.nd.array([3, 4]))]}
    compare(case)


def test_a_variable_used_twice_gets_both_gradients(compare):
    def case(mx, np):
        x = mx.sym.Variable("x")
        executor = (x * x + x).simple_bind(mx.cpu(), x=(3,))
        executor.forward(is_train=True, x=mx.nd.array([1, 2, 3]))
        executor.backward(mx.nd.array([1, 10, 100]))
        return {"gradient": executor.grad_dict["x"].asnumpy()}
    compare(case)


def test_outputs_are_apart_from_arguments(compare):
    """Writing to an output leaves the argument that it is a view of as it was."""
    def case(mx, np):
        x = mx.sym.Variable("x")
        net = mx.sym.Group([mx.sym.Reshape(x, shape=(-1,)), mx.sym.identity(x), mx.sym.transpose(x)])
        executor = net.simple_bind(mx.cpu(), x=(2, 3))
        for output in executor.forward(is_train=True, x=mx.nd.ones((2, 3))):
            output[:] = 7
        return {"x": executor.arg_dict["x"].asnumpy(), "outputs": [o.asnumpy() for o in executor.outputs]}
    compare(case)


def test_dtypes(compare):
    def case(mx, np):
        executor = network(mx).simple_bind(mx.cpu(), type_dict={"data": "float64"}, data=(3, 5))
        filled(mx, np, executor).forward(is_train=True)
        executor.backward([mx.nd.ones((3, 2), dtype="float64")])
        return {"outputs": executor.outputs[0].asnumpy(), "gradients": gradients(executor)}
    compare(case)


def test_a_smaller_executor_shares_memory(compare):
    def case(mx, np):
        executor = filled(mx, np, network(mx).simple_bind(mx.cpu(), data=(4, 5)))
        smaller = executor.reshape(data=(2, 5))
        smaller.forward()
        found = [smaller.arg_dict["data"].asnumpy(), smaller.outputs[0].asnumpy()]
        smaller.arg_dict["data"][:] = 7
        return {"smaller": found, "data": executor.arg_dict["data"], "larger": executor.forward()[0]}
    compare(case)
