"""Checkpoints: the files and what is in them."""
import pytest

import ganmod as mx
from ganmod.base import FileFormatError


def net():
    return mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")


def test_there_and_back(tmp_path):
    prefix = str(tmp_path / "net")
    mx.model.save_checkpoint(prefix, 7, net(), {"fc_weight": mx.nd.ones((3, 2))}, {"bn_moving_mean": mx.nd.zeros((2,))})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net-0007.params", "net-symbol.json"]
    assert sorted(mx.nd.load(prefix + "-0007.params")) == ["arg:fc_weight", "aux:bn_moving_mean"]
    symbol, args, auxs = mx.model.load_checkpoint(prefix, 7)
    assert symbol.list_arguments() == net().list_arguments()
    assert list(args) == ["fc_weight"] and list(auxs) == ["bn_moving_mean"] and (args["fc_weight"].asnumpy() == 1).all()


def test_without_a_network(tmp_path):
    prefix = str(tmp_path / "net")
    mx.model.save_checkpoint(prefix, 12345, None, {}, {})
    assert [p.name for p in tmp_path.iterdir()] == ["net-12345.params"]
    assert mx.model.load_params(prefix, 12345) == ({}, {})


@pytest.mark.parametrize("arrays, message", [
    ([1], "have no names"), ({"weight": 1}, "'weight' is neither"), ({"arg:": 1}, "'arg:' is neither")])
def test_other_files(tmp_path, arrays, message):
    filled = [mx.nd.ones((1,))] if isinstance(arrays, list) else {k: mx.nd.ones((1,)) for k in arrays}
    mx.nd.save(str(tmp_path / "net-0001.params"), filled)
    with pytest.raises(FileFormatError, match=message):
        mx.model.load_params(str(tmp_path / "net"), 1)


def test_batch_end_params_are_a_tuple():
    param = mx.model.BatchEndParam(epoch=1, nbatch=2, eval_metric=None, locals=None)
    assert param == (1, 2, None, None) and param.nbatch == 2
