"""Sparse arrays under both libraries: storage types, values, gradients, lazy updates, stores and training."""
import numpy as np
import pytest


def three(mx):
    """A csr matrix, rows, and dense matrices of both shapes."""
    csr = mx.nd.array([[1, 0, 2], [0, 0, 0], [0, 3, 0]]).tostype("csr")
    rows = mx.nd.array([[1, 2], [0, 0], [3, 4]]).tostype("row_sparse")
    return csr, rows, mx.nd.arange(6).reshape((3, 2)), mx.nd.arange(9).reshape((3, 3)) - 4


def seen(array):
    return [array.stype, array.shape, array.dtype.__name__, array.asnumpy()]


def parts(array):
    places = [array.indptr, array.indices] if array.stype == "csr" else [array.indices]
    return [p.asnumpy() for p in [array.data, *places]]


VALUEWISE = ("abs sign sqrt square relu sin tan arcsin arctan sinh tanh arcsinh arctanh expm1 log1p floor ceil trunc "
             "fix rint round negative degrees radians cbrt zeros_like exp cos sigmoid log reciprocal rsqrt").split()


@pytest.mark.parametrize("name", VALUEWISE)
def test_value_by_value(compare, name):
    def case(mx, np, name):
        csr, rows, _, _ = three(mx)
        return [seen(getattr(mx.nd, name)(a / 4)) for a in (csr, rows)]
    compare(case, {"name": name})


@pytest.mark.parametrize("name", ["elemwise_add", "elemwise_sub", "elemwise_mul", "elemwise_div"])
def test_two_arrays(compare, name):
    def case(mx, np, name):
        csr, rows, d, e = three(mx)
        d, e = d + 1, e + 9
        pairs = [(csr, csr), (csr, e), (rows, rows), (rows, d)] + [(e, csr), (d, rows)] * (name != "elemwise_div")
        return [seen(getattr(mx.nd, name)(*pair)) for pair in pairs]
    compare(case, {"name": name})


def test_arithmetic(compare):
    def case(mx, np):
        csr, rows, _, e = three(mx)
        return [seen(a) for a in (csr * 2, csr + 2, csr / 2, csr - csr, csr * e, csr + csr, csr + e, rows * 2, rows + 1,
                                  rows + rows, -csr, csr ** 2, csr > 0, csr == csr, csr * mx.nd.array([[1, 2, 3]]),
                                  mx.nd.clip(csr, 0, 1), mx.nd.clip(rows, -1, 2), mx.nd.sparse.add(csr, csr),
                                  mx.nd.sparse.multiply(csr, 2), mx.nd.broadcast_div(csr, mx.nd.array([[1, 2, 4]])),
                                  mx.nd.add_n(rows, rows))]
    compare(case)


def test_reductions_and_layers(compare):
    def case(mx, np):
        csr, rows, d, e = three(mx)
        found = [getattr(mx.nd, op)(a, **kw) for op in ("sum", "mean", "norm", "max") for a in (csr, rows)
                 for kw in ({}, {"axis": 0}, {"axis": 1}, {"axis": 1, "keepdims": True})]
        found += [mx.nd._internal._square_sum(rows, axis=1, keepdims=k) for k in (True, False)]
        found += [mx.nd.contrib.getnnz(csr), mx.nd.contrib.getnnz(csr, axis=1)]
        found += [mx.nd.FullyConnected(csr, e, mx.nd.ones((3,)), num_hidden=3), mx.nd.where(csr, e, e * 2),
                  mx.nd.sparse.Embedding(mx.nd.array([0, 2]), rows, input_dim=3, output_dim=2), mx.nd.ones_like(csr)]
        return [seen(a) for a in found]
    compare(case)


@pytest.mark.parametrize("settings", [{}, {"transpose_a": True}, {"transpose_b": True}], ids=str)
def test_dot(compare, settings):
    def case(mx, np, settings):
        csr, rows, d, e = three(mx)
        right = (rows, d) if "transpose_b" not in settings else ()
        found = [mx.nd.sparse.dot(csr, other, **settings) for other in right]
        found += [mx.nd.dot(csr, csr, **settings)] + [mx.nd.dot(e, csr)] * (not settings)
        return [seen(a) + (parts(a) if a.stype == "row_sparse" else []) for a in found]
    compare(case, {"settings": settings})


def test_parts_of_arrays(compare):
    def case(mx, np):
        csr, rows, d, _ = three(mx)
        kept = mx.nd.sparse.retain(rows, mx.nd.array([0, 1]))
        found = [csr[1:3], csr[0], csr[-1], csr[:], rows[:], mx.nd.slice(csr, begin=(0, 1), end=(2, 3)), kept,
                 mx.nd.concat(csr, csr, dim=0), csr.copy(), csr.astype("float64"), csr.as_in_context(mx.cpu(1)), csr.T,
                 rows.tostype("default"), mx.nd.cast_storage(d, "row_sparse"), mx.nd.cast_storage(d, "csr")]
        return {"found": [seen(a) for a in found], "parts": [parts(a) for a in (csr, rows, kept, csr[1:3])],
                "said": [repr(csr), repr(rows), len(csr)]}
    compare(case)


def test_making_them(compare):
    def case(mx, np):
        s = mx.nd.sparse
        found = [s.csr_matrix(([1, 2, 3], [0, 2, 1], [0, 2, 2, 3])), s.csr_matrix((2, 3)), s.csr_matrix(np.eye(3)),
                 s.row_sparse_array(([[1, 2], [3, 4]], [0, 2]), shape=(4, 2)), s.zeros("csr", (2, 3)),
                 s.row_sparse_array(([[1, 2], [3, 4]], [0, 2])), s.row_sparse_array((2, 3)),
                 s.empty("row_sparse", (2, 3)),
                 mx.nd.zeros((2, 3), stype="row_sparse", dtype="float64"), mx.nd.array(s.csr_matrix(np.eye(2)))]
        return [seen(a) + parts(a) for a in found]
    compare(case)


def test_writing(compare):
    def case(mx, np):
        csr, rows, d, e = three(mx)
        csr[:] = e
        d.copyto(rows)
        dense, other = mx.nd.zeros((3, 3)), mx.nd.sparse.zeros("csr", (3, 3))
        csr.copyto(dense)
        csr.copyto(other)
        grown, same = mx.nd.ones((3, 2)), rows.copy()
        grown += rows
        same += rows
        return [seen(a) for a in (csr, rows, dense, other, grown, same)]
    compare(case)


def test_writing_more_than_there_was(compare):
    """Also to arrays that were made of numpy's, whose memory does not grow."""
    def case(mx, np):
        one = np.ones(1, "float32"), np.zeros(1, "int64"), np.array([0, 1, 1])
        made = [mx.nd.sparse.csr_matrix(one, shape=(2, 3)) for _ in range(2)]
        made[0][:] = mx.nd.array([[1, 2, 3], [4, 5, 6]])
        made[1][:] = made[0]
        rows = [mx.nd.sparse.row_sparse_array((np.ones((1, 2), "float32"), np.array([1])), shape=(3, 2))
                for _ in range(3)]
        for array, value in zip(rows, (mx.nd.array([[1, 2], [3, 4], [5, 6]]), 3, 0)):
            array[:] = value
        return [a.asnumpy() for a in made + rows], [a.stype for a in made + rows]
    compare(case)


@pytest.mark.parametrize("mistake", ["rows[0]", "rows[0:1]", "csr[0:1].__setitem__(0, 1)", "csr.tostype('row_sparse')",
                                     "bool(csr)", "csr.size", "csr.reshape((9,))", "csr.__setitem__(slice(None), 3)"])
def test_mistakes(compare, mistake):
    def case(mx, np, mistake):
        csr, rows, _, _ = three(mx)
        return eval(mistake, {"csr": csr, "rows": rows})
    compare(case, {"mistake": mistake}, raises=True)


# --- gradients -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("stype", ["default", "row_sparse"])
def test_recorded_gradients(compare, stype):
    def case(mx, np, stype):
        csr, _, d, _ = three(mx)
        d.attach_grad(stype=stype)
        with mx.autograd.record():
            y = mx.nd.sparse.dot(csr, d)
            z = (y * y).sum()
        z.backward()
        return seen(d.grad)
    compare(case, {"stype": stype})


def networks(mx):
    s = mx.sym
    x, i = s.Variable("x", stype="csr"), s.Variable("i")
    w, v = s.Variable("w", stype="row_sparse", shape=(5, 2)), s.Variable("w", shape=(5, 2))
    return {"rows": s.sparse.dot(x, w), "dense": s.sparse.dot(x, v),
            "two": s.sparse.dot(x, w) + s.sparse.dot(s.square(x), w), "mixed": s.Group([s.dot(x, w), s.sum(w)]),
            "squares": s.sparse.dot(s.square(x), s._internal._square_sum(w, axis=1, keepdims=True)),
            "embedding": s.Embedding(i, w, input_dim=5, output_dim=2),
            "lookup": s.Embedding(i, v, input_dim=5, output_dim=2, sparse_grad=True),
            "contrib": s.contrib.SparseEmbedding(i, w, input_dim=5, output_dim=2)}


@pytest.mark.parametrize("name", ["rows", "dense", "two", "mixed", "squares", "embedding", "lookup", "contrib"])
def test_bound_gradients(compare, name):
    """Storage types, values and stored rows; MXNet does not add up rows (grad_req='add')."""
    def case(mx, np, name):
        net = networks(mx)[name]
        given = {"x": (4, 5)} if "x" in net.list_arguments() else {"i": (3,)}
        requests = {n: "write" if n == "w" else "null" for n in net.list_arguments()}
        executor = net.simple_bind(mx.cpu(), grad_req=requests, **given)
        if "x" in given:
            values = [[1, 0, 0, 0, 0], [0, 0, 2, 0, 0], [0, 0, 0, 0, 0], [3, 0, 0, 0, 0]]
            executor.arg_dict["x"][:] = mx.nd.array(values).tostype("csr")
        else:
            executor.arg_dict["i"][:] = mx.nd.array([3, 1, 3])
        weight = executor.arg_dict["w"]
        (mx.nd.arange(10).reshape((5, 2)) - 4).tostype(weight.stype).copyto(weight)
        for _ in range(2):
            outputs = executor.forward(is_train=True)
            executor.backward([mx.nd.ones(o.shape) for o in outputs])
        grad = executor.grad_dict["w"]
        return {"arguments": {n: a.stype for n, a in executor.arg_dict.items()}, "gradient": seen(grad),
                "rows": parts(grad) if grad.stype == "row_sparse" else None,
                "outputs": [o.asnumpy() for o in outputs]}
    compare(case, {"name": name})


# --- updates ---------------------------------------------------------------------------------------------------------

LAZY = [("sgd", {}), ("sgd", {"momentum": 0.9}), ("sgd", {"momentum": 0.9, "lazy_update": False}), ("adam", {}),
        ("adam", {"lazy_update": False}), ("adam", {"clip_gradient": 0.5}), ("adagrad", {"wd": 0.0}), ("ftrl", {}),
        ("rmsprop", {}), ("nag", {}), ("signum", {}), ("adadelta", {}), ("adamax", {})]


@pytest.mark.parametrize("stype", ["row_sparse", "default"])
@pytest.mark.parametrize("name, settings", LAZY, ids=str)
def test_optimizers(compare, name, settings, stype):
    def case(mx, np, name, settings, stype):
        optimizer = mx.optimizer.create(name, **{"learning_rate": 0.1, "wd": 0.1, **settings})
        updater, weight = mx.optimizer.get_updater(optimizer), (mx.nd.arange(8).reshape((4, 2)) + 1).tostype(stype)
        for k in range(5):
            rows = [[1, 3], [0], [2, 3], [1], [0, 1, 2]][k]
            values = mx.nd.arange(2 * len(rows)).reshape((len(rows), 2)) - 1
            updater(0, mx.nd.sparse.row_sparse_array((values, rows), shape=(4, 2)), weight)
        return weight.asnumpy()
    compare(case, {"name": name, "settings": settings, "stype": stype}, rtol=1e-4)


@pytest.mark.parametrize("lazy", [True, False])
@pytest.mark.parametrize("name, states", [("sgd_update", 0), ("sgd_mom_update", 1), ("adam_update", 2)])
def test_update_operators(compare, name, states, lazy):
    def case(mx, np, name, states, lazy):
        weight, kept = mx.nd.ones((4, 2)), [mx.nd.ones((4, 2)) * 0.5 for _ in range(states)]
        grad = mx.nd.sparse.row_sparse_array(([[1, 2], [3, 4]], [1, 3]), shape=(4, 2))
        getattr(mx.nd, name)(weight, grad, *kept, lr=0.1, wd=0.1, lazy_update=lazy, out=weight)
        return [weight, *kept]
    compare(case, {"name": name, "states": states, "lazy": lazy})


def test_stores(compare):
    def case(mx, np):
        kv = mx.kv.create("local")
        kv.init("w", mx.nd.ones((4, 2)).tostype("row_sparse"))
        out, dense = mx.nd.sparse.zeros("row_sparse", (4, 2)), mx.nd.zeros((4, 2))
        kv.row_sparse_pull("w", out=out, row_ids=mx.nd.array([1, 3, 1]))
        found = [parts(out)]
        kv.pull("w", out=out)
        kv.pull("w", out=dense)
        found += [parts(out), dense.asnumpy()]
        kv.pull("w", out=dense, ignore_sparse=False)
        kv.push("w", [mx.nd.sparse.row_sparse_array(([[1, 2]], [k]), shape=(4, 2)) for k in (1, 2)])
        kv.row_sparse_pull("w", out=out, row_ids=mx.nd.array([0, 1, 2]))
        return [*found, dense.asnumpy(), out.asnumpy()]
    compare(case)


# --- training --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("contexts", [1, 2])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_factorization_machine(compare, optimizer, contexts, tmp_path):
    """Interactions through a row_sparse matrix, its data from a LibSVM file."""
    def case(mx, np, path, optimizer, contexts):
        s, features = mx.sym, 12
        x = s.Variable("data", stype="csr")
        v = s.Variable("v", shape=(features, 3), stype="row_sparse")
        w = s.Variable("w", shape=(features, 1), stype="row_sparse")
        linear = s.broadcast_add(s.sparse.dot(x, w), s.Variable("b", shape=(1, 1)))
        pairs = 0.5 * s.sum(s.square(s.sparse.dot(x, v)), axis=1, keepdims=True)
        squares = 0.5 * s.sparse.dot(s.square(x), s._internal._square_sum(v, axis=1, keepdims=True))
        terms = linear + pairs - squares if contexts == 1 else linear + pairs     # else MXNet refuses the squares
        net = s.LinearRegressionOutput(s.Flatten(terms), s.Variable("softmax_label"), name="out")
        data = mx.io.LibSVMIter(data_libsvm=path, data_shape=(features,), batch_size=8)
        rng = np.random.RandomState(0)
        start = {name: mx.nd.array(rng.standard_normal((features, k)) / 9).tostype("row_sparse")
                 for name, k in (("v", 3), ("w", 1))}
        start["b"] = mx.nd.zeros((1, 1))
        module = mx.mod.Module(net, context=[mx.cpu(k) for k in range(contexts)])
        module.bind(data.provide_data, data.provide_label)
        module.init_params(arg_params=start)
        module.init_optimizer(mx.kv.create("local"), optimizer, {"learning_rate": 0.05, "wd": 0.01})
        metric = mx.metric.create("mse")
        for _ in range(3):
            data.reset()
            for batch in data:
                ids = batch.data[0].indices
                module.prepare(batch, sparse_row_id_fn=lambda _, ids=ids: {"v": ids, "w": ids})
                module.forward_backward(batch)
                module.update()
                module.update_metric(metric, batch.label)
        module.prepare(batch, sparse_row_id_fn=lambda _: {n: mx.nd.arange(features) for n in ("v", "w")})
        return {"metric": metric.get()[1], "params": {n: a.asnumpy() for n, a in module.get_params()[0].items()}}

    rng = np.random.RandomState(1)
    lines = []
    for _ in range(24):
        columns = np.sort(rng.choice(12, rng.randint(1, 5), replace=False))
        lines.append(f"{rng.rand():.3f} " + " ".join(f"{c}:{rng.rand():.3f}" for c in columns))
    (tmp_path / "data.libsvm").write_text("\n".join(lines) + "\n")
    compare(case, {"path": str(tmp_path / "data.libsvm"), "optimizer": optimizer, "contexts": contexts},
            rtol=1e-4, atol=1e-5)
