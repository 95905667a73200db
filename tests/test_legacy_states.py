"""Pickles that are not MXNet's: refused, named, and not executed. Those of MXNet itself: tests/parity/test_kvstore."""
from __future__ import annotations

import builtins
import functools
import os
import pickle
import struct
import subprocess
from collections import OrderedDict

import numpy as np
import pytest

import ganmod as mx
from ganmod.base import FileFormatError
from ganmod.optimizer import pickles


class Call:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


HOSTILE = {
    "os.system": (os.system, "touch executed"), "builtins.eval": (eval, "open('executed', 'w')"),
    "builtins.exec": (exec, "open('executed', 'w')"), "subprocess.Popen": (subprocess.Popen, ["touch", "executed"]),
    "builtins.getattr": (getattr, "a", "b"), "builtins.open": (open, "executed", "w"),
    "functools.partial": (functools.partial, print), "builtins.__import__": (builtins.__import__, "os"),
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("place", ["alone", "state", "key", "optimizer"])
def test_a_call_is_refused(tmp_path, monkeypatch, name, protocol, place):
    monkeypatch.chdir(tmp_path)
    call = Call(*HOSTILE[name])
    tree = {"alone": call, "state": {0: call}, "key": {("a", call): None}, "optimizer": ({}, call)}[place]
    content = pickle.dumps(tree, protocol)
    (tmp_path / "run.states").write_bytes(content)
    kv = mx.kv.create()
    kv.set_optimizer(mx.optimizer.SGD())
    with pytest.raises(FileFormatError, match="was refused|asks for") as caught:
        kv.load_optimizer_states(str(tmp_path / "run.states"))
    asked = name.rpartition(".")[2]
    assert asked in str(caught.value) and "run.states" in str(caught.value)
    assert not (tmp_path / "executed").exists() and kv._updater.states == {}


def named(module, name, rest=b"N\x85R."):
    """A pickle that begins with a class or function."""
    return b"\x80\x02c" + module.encode() + b"\n" + name.encode() + b"\n" + rest


@pytest.mark.parametrize("module, name", [
    ("mxnet.ndarray.ndarray", "NDArray.__class__"), ("mxnet.ndarray", "load"), ("mxnet.base", "check_call"),
    ("mxnet.optimizer.optimizer", "Optimizer.create_optimizer"), ("mxnet.optimizer", "os.system"), ("mxnet", "os"),
    ("ganmod.optimizer", "SGD"), ("numpy", "load"), ("numpy.core.multiarray", "fromfile"), ("__main__", "SGD"),
    ("copyreg", "__newobj__"), ("builtins", "object.__subclasses__"), ("pickle", "loads"), ("posix", "system")])
def test_a_name_is_refused(module, name):
    with pytest.raises(FileFormatError, match="asks for " + module.replace(".", r"\.")):
        pickles.read(named(module, name))


DOUBLED = b"\x80\x02]q\x00" + b"".join(b"](h%ch%ceq%c" % (k, k, k + 1) for k in range(60)) + b"."


@pytest.mark.parametrize("content", [
    b"\x80", b"\x80\x02", b"\x80\x02.", b"\x80\x02}", b"\x80\x02N.", b"\x80\x02}}.", b"\x80\x02]K\x00K\x00s.",
    b"(dp0\n", b"\x80\x02(e.", b"\x80\x02}K\x00s.", b"\x80\x02}(K\x00u.", b"\x80\x02}h\x05.", b"\x80\x02}]Ns.",
    b"\x80\x02K\x01)R.", b"\x80\x02}Kb}b.", b"\x80\x02Q.", b"\x80\x02P1\n.", b"\x80\x02\x82\x01.", b"\x80\x02}\x92.",
    b"\x80\x04B" + struct.pack("<I", 2**31) + b"x.", b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.",
    b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"x.", b"\x80\x02\x8b" + struct.pack("<i", 2**30) + b"x.",
    named("mxnet.optimizer.optimizer", "SGD", b")\x81."), named("mxnet.ndarray.ndarray", "NDArray", b"N\x85R."),
    named("numpy", "dtype", b"X\x01\x00\x00\x00OK\x00K\x01\x87R."), DOUBLED,
    b"\x80\x02}K\x00" + DOUBLED[2:-1] + b"s.", b"\x80\x02}K\x00" + b"]" * 5000 + b"a" * 4999 + b"s.",
    b"\x80\x02}K\x00]q\x00h\x00as.", b"\x80\x02}K\x00" + named("mxnet.ndarray.ndarray", "NDArray", b"N\x85R")[2:]
    + b"}X\x06\x00\x00\x00handleX\x01\x00\x00\x00abs."])
def test_what_is_damaged_is_refused_without_filling_the_memory(content):
    updater = mx.optimizer.get_updater(mx.optimizer.SGD())
    with pytest.raises(FileFormatError):
        updater.set_states(content)
    assert updater.states == {}


def test_every_truncation_and_change_of_a_byte_is_an_error_or_harmless(rng):
    good = pickle.dumps({0: None, "a": (1, [2.5, np.float32(3)]), "b": OrderedDict(x=1)}, 2)
    for cut in range(len(good)):
        with pytest.raises(FileFormatError):
            pickles.read(good[:cut])
    for place in range(len(good)):
        changed = bytearray(good)
        changed[place] ^= int(rng.integers(1, 256))
        try:
            pickles.read(bytes(changed))
        except FileFormatError:
            continue


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values(protocol):
    value = {0: None, "a": (1, -2, 2**70, [2.5, True, False]), "b": {"c": "ü", "d": ()}, "e": ([], {}, (1, 2, 3, 4)),
             "f": np.float32(3), "g": np.int64(-4), "h": OrderedDict(x=1, y=2), "i": b"\x00\xff"}
    assert pickles.read(pickle.dumps(value, protocol)) == value
    array = pickles.read(pickle.dumps(np.arange(6.0).reshape(2, 3), min(protocol, 4)))
    np.testing.assert_array_equal(array.array, np.arange(6.0).reshape(2, 3))
