"""``mx.test_utils`` beside MXNet's."""
import numpy as np
import pytest

CALLS = {
    "tolerances": """[tu.get_tols(np.ones(2, a), np.ones(2, b), None, None)
                      for a in ('float16', 'float32', 'float64', 'int32')
                      for b in ('float16', 'float32', 'float64', 'int64')]""",
    "defaults": "[sorted((str(k), v) for k, v in t.items()) for t in (tu.default_atols(), tu.default_rtols())]",
    "one": "[tu.get_rtol(), tu.get_atol(), tu.get_etol(), tu.get_rtol(0.5), tu.get_rtol(None, np.dtype('float16'))]",
    "tolerance": "[tu.get_tolerance(np.ones(2, 'float16'), t, tu.default_rtols()) for t in (None, 0.5)]",
    "almost": """[tu.almost_equal(np.ones(2), np.ones(2) + d) for d in (0, 1e-6, 1e-4, np.nan)]
                  + [tu.almost_equal(np.array([np.nan]), np.array([np.nan]), equal_nan=e) for e in (True, False)]""",
    "same": "[tu.same(np.ones(2), np.ones(2)), tu.same(np.ones(2), np.zeros(2))]",
    "shapes": """[tu.rand_shape_2d(), tu.rand_shape_3d(), tu.rand_shape_nd(4), tu.rand_shape_nd(3, 2, True),
                  tu.rand_coord_2d(0, 5, 0, 5)]""",
    "arrays": """[tu.random_arrays((2, 3)), tu.random_arrays((2,), (1, 2)), tu.random_arrays(()),
                  tu.random_uniform_arrays((2,), low=3, high=4), tu.rand_ndarray((2, 3)).asnumpy()]""",
    "sample": "[tu.random_sample([1, 2, 3, 4], 2), tu.random_sample(list('abcdef'), 4)]",
    "reduce": """[tu.np_reduce(np.arange(6).reshape(2, 3), axis, keep, np.sum)
                  for axis in (1, None, (0, 1)) for keep in (True, False)]""",
    "collapse": "[tu.collapse_sum_like(np.ones((2, 3, 4)), s) for s in ((3, 1), (1, 4), (2, 1, 4))]",
    "tensors": """[a.asnumpy() for a in (tu.create_vector(3), tu.create_2d_tensor(2, 3), tu.get_identity_mat(2),
                   tu.get_identity_mat_batch(2))]""",
    "shared": "(lambda a: [tu.same_array(a, a[:]), tu.same_array(a, a.copy())])(mx.nd.ones(2))",
    "runs": "[tu.is_op_runnable(), str(tu.default_context()), tu.default_dtype().__name__]",
    "forward": "[tu.simple_forward(net, **both), tu.simple_forward(mx.sym.Group([net, net * 2]), **both)]",
    "symbolic forward": """[a.asnumpy() for a in tu.check_symbolic_forward(net, both, [np.full((2, 3), 3.0)])
                            + tu.check_symbolic_forward(net, list(both.values()), [np.full((2, 3), 3.0)])]""",
    "symbolic backward": """[{k: v.asnumpy() for k, v in tu.check_symbolic_backward(net, both, [np.ones((2, 3))], e,
                              grad_req=r).items()} for e, r in (({'a': np.full((2, 3), 2.0)}, 'write'),
                              ([np.full((2, 3), 2.0), np.ones((2, 3))], 'write'),
                              ({'a': np.full((2, 3), 2.0)}, {'a': 'write', 'b': 'null'}))]""",
    "added": """sorted(tu.check_symbolic_backward(net, both, [np.ones((2, 3))], {'a': np.full((2, 3), 2.0)},
                grad_req='add'))""",
    "loss": "tu.check_symbolic_backward(mx.sym.MakeLoss(net), both, None, {'a': np.full((2, 3), 2.0)})['a'].asnumpy()",
    "numeric": """[tu.check_numeric_gradient(mx.sym.tanh(net), both),
                   tu.check_numeric_gradient(net, list(both.values())),
                   tu.check_numeric_gradient(net, both, grad_nodes=['a']),
                   tu.check_numeric_gradient(net, both, grad_nodes={'a': 'add'}),
                   tu.check_numeric_gradient(net, both, grad_nodes={'a': 'null'})]""",
    "differences": """{k: v.round(1) for k, v in tu.numeric_grad(net.bind(mx.cpu(), {k: mx.nd.array(v) for k, v in
                       both.items()}), both, eps=1e-2).items()}""",
    "consistency": "sorted(tu.check_consistency(fc, settings))",
    "forward only": "sorted(tu.check_consistency(fc, settings, grad_req='null'))",
    "speed": "[tu.check_speed(fc, N=1, typ=t, data=(2, 3)) > 0 for t in ('whole', 'forward')]",
    "same structure": "tu.same_symbol_structure(net, mx.sym.Variable('x') * 2 + mx.sym.Variable('y'))",
    "optimizers": """tu.compare_optimizer(mx.optimizer.Adam(), mx.optimizer.Adam(), (2, 3), 'float32')""",
    "with some errors": "tu.assert_almost_equal_with_err(np.ones(10), np.r_[np.ones(9), 2.0], etol=0.2)",
    "nan ignored": "tu.assert_almost_equal_ignore_nan(np.array([np.nan, 1]), np.array([2.0, 1]))",
    "raised": "tu.assert_exception(int, ValueError, 'x')",
    "moments": """[tu.mean_check(lambda n: np.random.normal(0, 1, n), 0, 1, 1000),
                   tu.var_check(lambda n: np.random.normal(0, 1, n), 1, 1000),
                   tu.mean_check(lambda n: np.random.normal(0, 1, n), 1, 1, 1000)]""",
}
PREPARED = """
tu = mx.test_utils
net = mx.sym.Variable('a') * 2 + mx.sym.Variable('b')
both = {'a': np.ones((2, 3)), 'b': np.ones((2, 3))}
fc = mx.sym.FullyConnected(mx.sym.Variable('data'), num_hidden=2, name='fc')
settings = [{'ctx': mx.cpu(), 'data': (2, 3), 'type_dict': {'data': t}} for t in ('float32', 'float64')]
"""


@pytest.mark.parametrize("key", CALLS)
def test_calls(compare, key):
    call = " ".join(line.strip() for line in CALLS[key].splitlines())
    compare(f"{PREPARED}\nresult = {call}", check_dtype=key not in ("shapes", "reduce"))


MISTAKES = {
    "unequal": "tu.assert_almost_equal(np.ones((2, 3)), np.ones((2, 3)) * 1.5)",
    "nan": "tu.assert_almost_equal(mx.nd.array([np.nan]), mx.nd.ones(1))",
    "numbers": "tu.assert_almost_equal(3, 3.5)", "shape": "tu.assert_almost_equal(np.ones(2), np.ones(3))",
    "no broadcasting": "tu.almost_equal(np.ones((2, 1)), np.ones((2, 2)), use_broadcast=False)",
    "close": "tu.assert_allclose(np.ones(2), np.zeros(2))", "not raised": "tu.assert_exception(abs, ValueError, 1)",
    "no retry": "tu.retry(0)", "forward": "tu.check_symbolic_forward(net, both, [np.ones((2, 3))])",
    "location": "tu.check_symbolic_forward(net, {'a': np.ones(2)}, [np.ones(2)])",
    "backward": "tu.check_symbolic_backward(net, both, [np.ones((2, 3))], {'a': np.ones((2, 3))})",
    "numeric": "tu.check_numeric_gradient(mx.sym.BlockGrad(net), both)",
    "speed": "tu.check_speed(fc, typ='x', data=(2, 3))",
    "optimizers": "tu.compare_optimizer(mx.optimizer.SGD(learning_rate=1.0), mx.optimizer.SGD(), (2, 3), 'float32')",
    "capability": "tu.get_cuda_compute_capability(mx.cpu())",
    "errors": "tu.assert_almost_equal_with_err(np.ones(10), np.r_[np.ones(7), 2.0, 2, 2], etol=0.2)",
}


@pytest.mark.parametrize("key", MISTAKES)
def test_mistakes(compare, key):
    theirs, ours = compare(PREPARED + MISTAKES[key], raises=True)
    assert theirs.type_name in {kind.__name__ for kind in type(ours).__mro__}


def test_surroundings(compare):
    def case(mx, np):
        import os
        tu = mx.test_utils
        with tu.environment("GANMOD_A", "2"):
            found = [os.environ["GANMOD_A"]]
        with tu.environment({"GANMOD_A": None, "GANMOD_B": "1"}):
            found += [os.environ.get("GANMOD_A"), tu.getenv("GANMOD_B")]
        real = mx.io.NDArrayIter(np.arange(8).reshape(4, 2), np.ones(4), batch_size=2)
        dummy = tu.DummyIter(real)
        batch = dummy.next()
        calls = []

        @tu.retry(3)
        def flaky():
            calls.append(1)
            assert len(calls) > 2
        flaky()
        return found + [os.environ.get("GANMOD_B"), batch is dummy.next(), batch.data[0].asnumpy(), dummy.batch_size,
                        len(calls)]
    compare(case)


def test_generators():
    import ganmod
    tu = ganmod.test_utils
    np.random.seed(0)
    buckets, probs = tu.gen_buckets_probs_with_ppf(lambda q: -1e9 if q == 0 else q, 5)
    assert min(tu.verify_generator(lambda n: np.random.uniform(0, 1, n), buckets, probs, 2000)) >= 0
    with pytest.raises(AssertionError, match="Chi-square"):
        tu.verify_generator(lambda n: np.random.uniform(0, 0.9, n), buckets, probs, 2000)
    value, counts, expected = tu.chi_square_check(lambda n: np.random.randint(0, 3, n), [0, 1, 2], [1 / 3] * 3, 3000)
    assert 0 < value <= 1 and sum(counts) == 3000 and expected.tolist() == [1000] * 3


def test_data_sets_without_a_network(tmp_path, monkeypatch):
    import ganmod
    monkeypatch.chdir(tmp_path)
    missing = "http://127.0.0.1:9/data.bin"
    with pytest.raises(ganmod.MXNetError, match="data.bin cannot be had"):
        ganmod.test_utils.download(missing, retries=1)
    (tmp_path / "data.bin").write_bytes(b"x")
    assert ganmod.test_utils.download(missing) == "data.bin"
    (tmp_path / "data").mkdir()
    for name, shape in (("train-images-idx3-ubyte", (4, 28, 28)), ("train-labels-idx1-ubyte", (4,)),
                        ("t10k-images-idx3-ubyte", (2, 28, 28)), ("t10k-labels-idx1-ubyte", (2,))):
        header = bytes([0, 0, 8, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)
        (tmp_path / "data" / name).write_bytes(header + bytes([255]) * int(np.prod(shape)))
    train, test = ganmod.test_utils.get_mnist_iterator(2, (784,))
    assert train.next().data[0].shape == (2, 784) and float(test.next().data[0][0, 0].asscalar()) == 1


@pytest.mark.parametrize("stype, parts", [("row_sparse", 2), ("csr", 3)])
def test_sparse_arrays(stype, parts):
    import ganmod
    tu = ganmod.test_utils
    np.random.seed(0)
    made, found = tu.rand_sparse_ndarray((40, 30), stype, density=0.5)
    values = made.asnumpy()
    zero = (values == 0).all(axis=1) if stype == "row_sparse" else values == 0
    assert made.stype == stype and len(found) == parts and 0.2 < zero.mean() < 0.8
    if stype == "row_sparse":
        np.testing.assert_array_equal(values[found[1]], found[0])
    else:
        starts, columns, data = (part.asnumpy() for part in found)
        for row in range(40):
            place = slice(starts[row], starts[row + 1])
            np.testing.assert_array_equal(values[row][columns[place]], data[place])
    assert tu.create_sparse_array_zd((6, 3), stype, density=0).asnumpy().sum() == 0
    assert tu.rand_ndarray((6, 3), stype, density=1.0).asnumpy().min() > 0
    with pytest.raises(ganmod.MXNetError, match="density"):
        tu.rand_sparse_ndarray((6, 3), stype, density=2)


def test_columns_in_another_order():
    sparse = pytest.importorskip("scipy.sparse")
    import ganmod
    np.random.seed(0)
    dense = np.random.rand(5, 9) * (np.random.rand(5, 9) < 0.6)
    csr = sparse.csr_matrix(dense)
    before = csr.indices.copy()
    ganmod.test_utils.shuffle_csr_column_indices(csr)
    np.testing.assert_array_equal(csr.toarray(), dense)
    assert (csr.indices != before).any()
