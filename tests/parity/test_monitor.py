"""Monitors under both libraries: what is seen, when, and how it is told."""
import pytest

from tests.parity.test_fit import data, logged, mlp, parameters


def network(mx):
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
    return mx.sym.SoftmaxOutput(mx.sym.Activation(net, act_type="relu", name="act"), name="softmax")


def bound(mx, np):
    """An executor with the same numbers in both libraries."""
    exe = network(mx).simple_bind(mx.cpu(), data=(2, 4))
    rng = np.random.RandomState(0)
    for name in sorted(exe.arg_dict):
        exe.arg_dict[name][:] = rng.randint(0, 3, exe.arg_dict[name].shape)
    return exe


def told(entries):
    """Statistics as numbers. MXNet calls the input of Activation input0 here, and data everywhere else."""
    return [[step, name.replace("input0", "data"), [float(value) for value in text.split()]]
            for step, name, text in entries]


SETTINGS = [dict(interval=1), dict(interval=2, sort=True), dict(interval=1, pattern=".*weight|act"),
            dict(interval=1, pattern="nothing"), dict(interval=3, monitor_all=True, sort=True)]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_forward(compare, settings):
    def case(mx, np, settings):
        monitor, exe = mx.mon.Monitor(**settings), bound(mx, np)
        monitor.install(exe)
        found = [told(monitor.toc())]
        for step in range(4):
            monitor.tic()
            exe.forward(is_train=step % 2 == 0)
            found.append(told(monitor.toc()))
        return [*found, monitor.step, monitor.activated]
    compare(case, {"settings": settings})


def test_statistics(compare):
    def case(mx, np):
        exe, found = bound(mx, np), []
        for function in (lambda x: x.max(), lambda x: [x.max(), x.min()], lambda x: x.sum(axis=0)[0:1]):
            monitor = mx.mon.Monitor(1, function, pattern="fc_w|.*output")
            monitor.install(exe)
            monitor.tic()
            exe.forward()
            found.append(told(monitor.toc()))
        return found
    compare(case)


def test_an_array_as_statistic(compare):
    def case(mx, np):
        exe, monitor = bound(mx, np), mx.mon.Monitor(1, lambda x: x, pattern="fc_bias")
        monitor.install(exe)
        monitor.tic()
        exe.forward()
        return monitor.toc()
    compare(case)


def test_a_number_is_no_statistic(compare):
    def case(mx, np):
        exe, monitor = bound(mx, np), mx.mon.Monitor(1, lambda x: 3.5)
        monitor.install(exe)
        monitor.tic()
        exe.forward()
        monitor.toc()
    compare(case, raises=True)


def test_in_fit(compare):
    """Messages of forward outputs and parameters; MXNet's also tell of the nodes of its backward graph."""
    def case(mx, np):
        net = mlp(mx)
        monitor = mx.mon.Monitor(3, pattern="fc2.*")
        messages = logged(lambda: mx.mod.Module(net).fit(
            data(mx, np, (10,), 0), num_epoch=1, monitor=monitor, arg_params=parameters(mx, np, net, (10,)),
            aux_params={}))
        kept = [text for text in messages if "_backward_" not in text and "Time" not in text]
        return [[text[:54] if "Batch:" in text else text.partition("=")[0],
                 [float(value) for value in text[54:].split()] if "Batch:" in text else []] for text in kept]
    compare(case, rtol=1e-4)
