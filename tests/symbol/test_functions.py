"""What the functions and methods of symbols say about wrong calls, and what they add to MXNet's."""
import numpy as np
import pytest

from ganmod import nd, sym
from ganmod.base import AttributeValueError, InputError, MXNetError, NotImplementedForSymbol

A, B = sym.Variable("a"), sym.Variable("b")


@pytest.mark.parametrize("call, error, message", [
    (lambda: A.asnumpy(), NotImplementedForSymbol, r"asnumpy\(\) is a method of arrays only: <Symbol a> describes"),
    (lambda: A.backward(), NotImplementedForSymbol, r"bind\(\) or eval\(\) it, and use its outputs"),
    (lambda: A.gradient(["a"]), NotImplementedForSymbol, r"bind\(\) it with args_grad, and call backward\(\)"),
    (lambda: bool(A), NotImplementedForSymbol, "no truth value"),
    (lambda: A == "x", InputError, "a Symbol compares with symbols and numbers, not with str"),
    (lambda: A.reshape((2, 3), shape=(3, 2)), InputError, "the shape is given twice"),
    (lambda: sym.split_v2(A, 0), AttributeValueError, "cannot divide into 0 parts"),
    (lambda: sym.split_v2(A, "x"), InputError, "must be an int or a tuple of ints, got 'x'"),
    (lambda: sym.maximum(A, None), InputError, r"maximum\(\) takes Symbols and numbers, got Symbol and NoneType"),
    (lambda: sym.random.normal(A, 1), InputError, r"takes numbers, or Symbols, for all of its parameters alike; got "
                                                  r"loc: Symbol, scale: int"),
    (lambda: sym.random.exponential(0), InputError, "scale > 0 must hold, got 0"),
    (lambda: sym.Variable("v", mood="angry"), AttributeValueError, "e.g. __mood__"),
    (lambda: sym.Group([A, B])._set_attr(lr_mult="2"), MXNetError, "a group of 2 outputs")])
def test_message(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_reshape_takes_sizes_one_by_one():
    assert A.reshape(2, -1).attr("shape") == A.reshape((2, -1)).attr("shape") == "(2, -1)"


def test_split_v2_takes_a_list():
    assert sym.split_v2(A, [1, 3], axis=1, name="s").list_outputs() == ["s_output0", "s_output1", "s_output2"]


@pytest.mark.parametrize("symbol, low, high", [
    (sym.random.uniform(2, 3, (500,)), 2, 3), (sym.random.randint(2, 5, (500,)), 2, 4),
    (sym.random.uniform(A, B, 500), 4, 6)])
def test_draws(symbol, low, high):
    """Every evaluation draws anew, within the bounds."""
    given = {"a": nd.array([4]), "b": nd.array([6])} if symbol.list_inputs() else {}
    first, second = (symbol.eval(**given)[0].asnumpy() for _ in range(2))
    assert (first >= low).all() and (first <= high).all() and np.ptp(first) > 0.5 * (high - low)
    assert (first != second).any()
