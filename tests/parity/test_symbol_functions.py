"""The functions and methods of symbols under both libraries: names, attributes, inferred shapes and dtypes, values."""
import warnings

import pytest

import ganmod
from ganmod.ops.fluent import METHODS

from .oracle import here

SHAPES = {"a": (4, 4), "b": (4, 4)}


def made(mx, np, text):
    """What a line of Python makes of the variables a and b."""
    return eval(text, {"mx": mx, "np": np, "sym": mx.sym, "random": mx.sym.random, "a": mx.sym.Variable("a"),
                       "b": mx.sym.Variable("b")})


def said(symbol, shapes):
    """What a symbol says of itself, and what follows from the shapes of its inputs."""
    given = {name: shapes[name] for name in symbol.list_inputs()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inferred = symbol.infer_shape(**given)
        types = symbol.infer_type(**dict.fromkeys(given, "float32"))
    return {"json": symbol.tojson(), "outputs": symbol.list_outputs(), "inputs": symbol.list_inputs(),
            "attributes": symbol.attr_dict(), "shapes": inferred, "types": [[str(t) for t in g or ()] for g in types]}


def description(mx, np, text, shapes):
    return said(made(mx, np, text), shapes)


def evaluation(mx, np, text, shapes):
    """As `description`, with the values; b counts through 0, 1, 2, 3, and a has fractions of both signs."""
    symbol = made(mx, np, text)
    values = {"a": (np.arange(np.prod(shapes["a"]), dtype="float32").reshape(shapes["a"]) * 7 % 16 - 5) / 4,
              "b": np.arange(np.prod(shapes["b"]), dtype="float32").reshape(shapes["b"]) % 4}
    given = {name: mx.nd.array(values[name]) for name in symbol.list_inputs()}
    return {**said(symbol, shapes), "values": symbol.eval(ctx=mx.cpu(), **given)}


FUNCTIONS = """
    sym.zeros((2,))                 sym.zeros(3)                        sym.zeros(shape=(2, 3), dtype='int32')
    sym.zeros((2,), name='z')       sym.zeros([2, 3])                   sym.zeros((2,), ctx=mx.cpu())
    sym.zeros((2,), np.float64)     sym.zeros((2,), attr={'__a__': 'b'})  sym.zeros((2,), __layout__='NC')
    sym.zeros((0, 4)) + a           sym.ones((2,))                      sym.ones(4, dtype='float16')
    sym.ones((2,), name='o')        sym.full((2, 3), 7)                 sym.full((2,), 7.5, dtype='float64', name='f')
    sym.full(2, True)               sym.full(2, np.float32(3))          sym.arange(4)
    sym.arange(2, 10)               sym.arange(0, 10, 2, 3)             sym.arange(1, 9, step=2.5, dtype='float64')
    sym.arange(3, dtype='int32')    sym.arange(3, stop=None, name='r')  sym.linspace(0, 1, 5)
    sym.linspace(0, 1, 5, endpoint=False, dtype='float64', name='l')
    sym.eye(3)                      sym.eye(3, 4, 1)                    sym.eye(3, M=4, k=-1, dtype='int32', name='e')
    sym.pow(a, b)                   sym.pow(a, 2)                       sym.pow(2, a)
    sym.power(a, b)                 sym.power(b, 2.5)                   sym.maximum(a, b)
    sym.maximum(a, 2)               sym.maximum(0.5, a)                 sym.maximum(a, np.float32(0.5))
    sym.maximum(a, np.int32(1))     sym.minimum(a, b)                   sym.minimum(a, 0.5)
    sym.minimum(2, b)               sym.hypot(a, b)                     sym.hypot(a, 2)
    sym.hypot(2, b)                 sym.split_v2(a, 2)                  sym.split_v2(a, 2, axis=1)
    sym.split_v2(a, (1, 3), 1)      sym.split_v2(a, (1,), axis=1)       sym.split_v2(a, 4, 0, True)
    sym.split_v2(a, ())             sym.split_v2(ary=a, indices_or_sections=2)
    sym.stack(a, b)                 sym.add_n(a, b, name='n')           sym.ElementWiseSum(a, b)
    sym.concat(a, b, dim=0)         sym.where(b, a, b)                  sym.moments(a, axes=(0, 1))
    sym.stop_gradient(a)            sym.identity(a)                     sym.negative(a)
    sym._internal._plus(a, b)       sym._internal._mul_scalar(a, 2)     sym._internal._PlusScalar(a, scalar=2)
    a+np.float32(2)                 np.float32(2)+a                     np.float64(2)/b
    np.int64(2)>b                   sym.Group([a,b])                    a.as_nd_ndarray()
    """

METHOD_CALLS = """
    a.reshape((2, 8))               a.reshape(shape=(2, 8))             a.reshape((-1, 2, 8), reverse=True)
    a.reshape(-1)                   a.reshape((-1,))                    a.reshape([2, 8])
    a.astype('float16')             a.astype(np.float64)                a.astype(dtype='int32', name='x')
    a.sum()                         a.sum(axis=1)                       a.sum(1)
    a.sum(axis=None)                a.sum(axis=(0, 1), keepdims=True, name='x')
    a.mean(axis=1)                  a.max(1)                            a.min()
    a.prod(axis=0)                  a.nansum()                          a.nanprod(axis=0)
    a.norm()                        a.norm(ord=1, axis=0)               a.flatten()
    a.flatten(inplace=True)         a.expand_dims(1)                    a.expand_dims(axis=1, inplace=True)
    a.expand_dims(0).squeeze()      a.expand_dims(0).squeeze(axis=0)    a.expand_dims(0).squeeze(0, inplace=True)
    a.transpose()                   a.transpose((1, 0))                 a.transpose(axes=(1, 0))
    a.swapaxes(0, 1)                a.slice((0, 1), (1, 3))             a.slice(begin=(0,), end=(2,))
    a.slice_axis(0, 0, 1)           a.slice_like(b, axes=(0,))          a.take(b)
    b.one_hot(3)                    a.pick(b.sum(1), 1)                 a.sort()
    a.topk(k=2)                     a.topk(k=2, ret_typ='both')         a.argsort()
    a.argmax(axis=1)                a.argmin(axis=0)                    a.argmax_channel()
    a.clip(0, 1)                    a.clip(a_min=0, a_max=1)            a.flip(axis=0)
    a.split(num_outputs=2)          a.split(2, axis=1)                  a.split_v2(2)
    a.split_v2((1, 2), axis=1)      a.repeat(2)                         a.tile((2, 2))
    a.tile(reps=(2, 2))             a.diag()                            a.diag(1)
    a.diag(k=-1)                    a.round()                           a.rint()
    a.fix()                         a.floor()                           a.ceil()
    a.trunc()                       a.abs()                             a.sign()
    a.relu()                        a.sigmoid()                         a.tanh()
    a.softmax()                     a.softmax(axis=0)                   a.log_softmax()
    a.softmin()                     a.zeros_like()                      a.ones_like()
    a.exp()                         a.expm1()                           b.log1p()
    b.sqrt()                        a.square()                          a.cbrt()
    a.broadcast_like(b)             a.reshape_like(b)                   a.shape_array()
    a.size_array()                  a.sin()                             a.arctan()
    a.degrees()                     a.radians()
    """

WITH_SHAPES = {
    "a.pad(mode='constant', pad_width=(0, 0, 0, 0, 1, 1, 1, 1))": {"a": (1, 1, 2, 3)},
    "a.depth_to_space(2)": {"a": (1, 4, 2, 3)}, "a.space_to_depth(2)": {"a": (1, 1, 4, 2)},
    "a.broadcast_to((2, 3))": {"a": (1, 3)}, "a.broadcast_axes(axis=0, size=3)": {"a": (1, 3)},
    "a.expand_dims(2) + sym.ones((0, 4, 1))": {"a": (3, 4)}, "a.reshape((0, -1))": {"a": (3, 4, 2)}}

RANDOM = """
    random.uniform()                random.uniform(0, 1, (2,))          random.uniform(0, 1, shape=2)
    random.uniform(a, b)            random.uniform(a, b, shape=(2,))    random.uniform(0, 1, (2,), 'float64', name='u')
    random.uniform(0, 1, (2,), ctx=mx.cpu())                            random.uniform(0, 1, (2,), out=None)
    random.uniform(np.float32(0), np.float32(1))                        random.uniform(0, 1, 2, attr={'__a__': 'b'})
    random.normal()                 random.normal(0, 1.0, (2,))         random.normal(a, b, 3, 'float16')
    random.normal(0, 1, (2,), 'float16')                                random.randn(2, 3)
    random.randn(2, 3, loc=1, scale=2, dtype='float64')                 random.randn(2, loc=a, scale=b)
    random.poisson(3, (2,))         random.poisson(a, (2,))             random.exponential(2, (2,))
    random.exponential()            random.exponential(a)               random.exponential(4., (2,), name='e')
    random.gamma(2, 3, (2,))        random.gamma(a, b)                  random.negative_binomial(2, 0.5, (2,))
    random.negative_binomial(a, b)  random.generalized_negative_binomial(2, 0.5, (2,))
    random.generalized_negative_binomial(a, b, 2)                       random.multinomial(a)
    random.multinomial(a, 3)        random.multinomial(a, (3, 2), get_prob=False, dtype='float32', name='m')
    random.randint(0, 5)            random.randint(0, 5, (2,), dtype='int64', name='i')
    random.shuffle(a, name='s')     random.uniform_like(a)              random.normal_like(a, loc=1, scale=2)
    random.exponential_like(a)      random.gamma_like(a)                random.poisson_like(a, lam=3)
    random.negative_binomial_like(a, k=3, p=0.5)
    random.generalized_negative_binomial_like(a, mu=2., alpha=1.)
    sym.uniform(shape=(2, 3))       sym.normal(0, 1, (2,))              sym.random_uniform(0, 1, (2,))
    sym.sample_normal(mu=a, sigma=b, shape=3)                           sym.sample_multinomial(a, shape=2)
    sym.shuffle(a)                  sym.random_normal(loc=0, scale=1, shape=(2,)) + sym.random.normal(shape=(2,))
    """


def listed(table):
    """The expressions of a table, which are separated by two or more spaces."""
    return [text for line in table.splitlines() for text in line.split("  ") if text.strip()]


@pytest.mark.parametrize("text", map(str.strip, listed(FUNCTIONS + METHOD_CALLS)))
def test_values(compare, text):
    compare(evaluation, {"text": text, "shapes": SHAPES})


@pytest.mark.parametrize("text", WITH_SHAPES)
def test_values_with_shapes(compare, text):
    compare(evaluation, {"text": text, "shapes": {**SHAPES, **WITH_SHAPES[text]}})


@pytest.mark.parametrize("text", map(str.strip, listed(RANDOM)))
def test_random(compare, text):
    compare(description, {"text": text, "shapes": SHAPES})


@pytest.mark.parametrize("text", ["sym.pow(2, 3)", "sym.pow(2.0, 3)", "sym.maximum(2, 3)", "sym.maximum(2.5, 2)",
                                  "sym.minimum(2, 3)", "sym.hypot(3, 4)"])
def test_numbers_alone(compare, text):
    def case(mx, np):
        return {"number": made(mx, np, text)}
    compare(case)


@pytest.mark.parametrize("text", [
    "sym.zeros((2,), stype='default')", "sym.maximum(a, None)", "sym.maximum(a, 'x')", "sym.maximum(a, True)",
    "sym.split_v2(a, 'x')", "sym.split_v2(a, np.int32(2))", "random.uniform(a, 1)", "random.uniform(0, b, 2)",
    "random.uniform('a', 1)", "random.randn((2, 3))", "random.exponential(0)", "random.gamma(a, 1)",
    "random.randint(a, 5)", "a.reshape((2, 3), shape=(3, 2))", "a.asnumpy()", "a.asscalar()", "a.wait_to_read()",
    "a.copy()", "a.detach()", "a.as_in_context(mx.cpu())", "a.backward()", "a.gradient(['a'])", "bool(a)", "a == 'x'",
    "a != None", "a < 'x'", "a + 'x'", "a + None", "a + np.ones(2)", "np.ones(2) + a", "a - mx.nd.ones((2,))",
    "mx.nd.ones((2,)) - a", "a + True", "a // 2", "sym.moveaxis(a, 0, 1)", "sym.Variable('x', a='b')"])
def test_refused(compare, text):
    def case(mx, np):
        made(mx, np, text)
    compare(case, raises=True)


@pytest.mark.parametrize("name", ["asnumpy", "asscalar", "wait_to_read", "copy", "detach", "as_in_context", "backward",
                                  "__bool__"])
def test_methods_of_arrays_say_so(oracle, name):
    """The class of the error is MXNet's, under its name."""
    def case(mx, np):
        try:
            getattr(mx.sym.Variable("a"), name)()
        except mx.base.NotImplementedForSymbol as error:
            return {"class": type(error).__name__, "of MXNet": isinstance(error, mx.MXNetError)}
    assert here(case, ganmod) == oracle.run(case) == {"class": "NotImplementedForSymbol", "of MXNet": True}


def test_groups_have_no_attributes(compare):
    def case(mx, np):
        group = mx.sym.Group([mx.sym.Variable("a", lr_mult=2), mx.sym.Variable("b")])
        return {"attributes": group.list_attr(), "one": group.attr("lr_mult"), "first": group[0].attr("lr_mult")}
    compare(case)


def test_stored_types(compare):
    def case(mx, np):
        return {kind: mx.sym.Variable("x", stype=kind).attr_dict() for kind in ("default", "row_sparse", "csr")}
    compare(case)


def test_every_operator_method_is_there(oracle):
    """Symbols have the methods that MXNet's have, among those that are operators here."""
    def case(mx, np):
        return {"methods": [name for name in METHODS if hasattr(mx.sym.Symbol, name)]}
    assert set(oracle.run(case)["methods"]) <= set(dir(ganmod.sym.Symbol))


def test_names_of_features(oracle):
    def case(mx, np):
        return sorted(mx.runtime.Features())
    assert oracle.run(case) == case(ganmod, None)
