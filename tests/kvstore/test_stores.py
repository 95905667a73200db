"""Stores of one's own: registered, created by name, and driven by a module."""
import numpy as np
import pytest

import ganmod as mx


class Adding(mx.kvstore.KVStoreBase):
    """The least a store has to do."""

    type, rank, num_workers = "adding", 0, 1

    @staticmethod
    def is_capable(capability):
        return False

    def broadcast(self, key, value, out, priority=0):
        for first, arrays in zip(value, out):
            for array in arrays:
                first.copyto(array)

    def pushpull(self, key, value, out=None, priority=0):
        for arrays, targets in zip(value, out):
            total = mx.nd.add_n(*[array.as_in_context(mx.cpu(0)) for array in arrays])
            for target in targets:
                total.copyto(target)


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(mx.kvstore.KVStoreBase, "kv_registry", {})
    return mx.kvstore.KVStoreBase.register(Adding)


def trained(store):
    module = mx.mod.Module(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc"), label_names=None,
                           context=[mx.cpu(0), mx.cpu(1)])
    module.bind([("data", (4, 3))])
    module.init_params(mx.init.One())
    module.init_optimizer(store, "sgd", {"learning_rate": 0.5, "momentum": 0.9})
    for k in range(3):
        module.forward(mx.io.DataBatch([mx.nd.arange(12).reshape((4, 3)) * k]), is_train=True)
        module.backward([mx.nd.ones((4, 2))])
        module.update()
    return {name: array.asnumpy() for name, array in module.get_params()[0].items()}


def test_a_module_trains_with_it(registered):
    store = mx.kv.create("ADDING")
    assert type(store) is registered
    ours, local = trained(store), trained("local")
    for name in local:
        np.testing.assert_allclose(ours[name], local[name], rtol=1e-6)


def test_what_it_does_not_define_is_said(registered):
    with pytest.raises(NotImplementedError, match="Adding has to define save_optimizer_states"):
        registered().save_optimizer_states("file")
    with pytest.raises(mx.MXNetError, match="expected one of .*adding; did you mean 'adding'"):
        mx.kv.create("addin")
