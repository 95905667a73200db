"""Metrics under both libraries, on the same labels and predictions."""
import numpy as np
import pytest

import ganmod

NAN = float("nan")


def batch(np, kind, size, rng):
    """(labels, predictions) of a kind: 'c' classes, 'b' binary, 'r' regression, 'l' losses."""
    def probabilities(*shape):
        return rng.dirichlet(np.ones(shape[-1]), shape[:-1]).astype("float32")
    return {
        "c": lambda: (rng.randint(0, 4, size), probabilities(size, 4)),
        "c1": lambda: (rng.randint(0, 4, (size, 1)), probabilities(size, 4)),
        "chosen": lambda: (rng.randint(0, 3, size), rng.randint(0, 3, size)),
        "pixels": lambda: (rng.randint(0, 4, (size, 3)), probabilities(size, 3, 4).transpose(0, 2, 1)),
        "last": lambda: (rng.randint(0, 4, (size, 3)), probabilities(size, 3, 4)),
        "b": lambda: (rng.randint(0, 2, size), probabilities(size, 2)),
        "r": lambda: (rng.standard_normal((size, 1)), rng.standard_normal((size, 1))),
        "r1": lambda: (rng.standard_normal(size), rng.standard_normal((size, 1))),
        "flat": lambda: (rng.standard_normal(size), rng.standard_normal(size)),
        "r3": lambda: (rng.standard_normal((size, 3)), rng.standard_normal((size, 3))),
        "spread": lambda: (rng.standard_normal(size), rng.standard_normal((size, 3))),
        "images": lambda: (rng.standard_normal((size, 2, 3)), rng.standard_normal((size, 2, 3))),
    }[kind]()


# name, arguments, kind of data, and whether the global value differs from MXNet's on purpose
TABLE = [
    ("acc", {}, "c"), ("acc", {}, "c1"), ("acc", {}, "chosen"), ("acc", {}, "pixels"), ("acc", {"axis": -1}, "last"),
    ("acc", {"name": "mine"}, "b"), ("top_k_acc", {"top_k": 2}, "c"), ("top_k_acc", {"top_k": 3}, "c1"),
    ("top_k_accuracy", {"top_k": 4}, "c"), ("topkaccuracy", {"top_k": 2, "name": "t"}, "c"),
    ("f1", {}, "b"), ("f1", {"average": "micro"}, "b"), ("mcc", {}, "b"), ("mcc", {"average": "micro"}, "b"),
    ("pcc", {}, "c"), ("pcc", {}, "b"), ("pcc", {}, "chosen"), ("pcc", {"has_global_stats": False}, "c"),
    ("perplexity", {"ignore_label": None}, "c"), ("perplexity", {"ignore_label": 0}, "c"),
    ("ce", {}, "c"), ("ce", {"eps": 0.1}, "c1"),
    ("crossentropy", {"name": "x"}, "b"), ("nll_loss", {}, "c"), ("negativeloglikelihood", {"eps": 0.01}, "c"),
    *((name, {}, kind) for name in ("mae", "mse", "rmse") for kind in ("r", "r1", "flat", "r3", "spread", "images")),
    ("pearsonr", {}, "r"), ("pearsoncorrelation", {}, "r3"), ("pearsonr", {}, "flat"),
    ("loss", {}, "r"), ("torch", {}, "r3"), ("caffe", {}, "images"),
]


def case(mx, np, rows):
    """After each of four batches: both values and counts; in between a local reset, at the end a full one."""
    found = {}
    for number, (name, settings, kind) in enumerate(rows):
        rng = np.random.RandomState(number)
        metric = mx.metric.create(name, **settings)
        seen = [[metric.get(), metric.get_global(), str(metric)]]
        for step, size in enumerate((5, 7, 4, 9)):
            labels, preds = ([mx.nd.array(a)] for a in batch(np, kind, size, rng))
            metric.update(labels, preds)
            seen.append([list(metric.get()), list(metric.get_global()), float(metric.num_inst),
                         float(metric.global_num_inst), float(metric.sum_metric), float(metric.global_sum_metric)])
            if step == 1:
                metric.reset_local()
                seen.append([list(metric.get()), list(metric.get_global())])
        labels, preds = (mx.nd.array(a) for a in batch(np, kind, 6, rng))
        metric.update([labels, labels], [preds, preds])                    # two outputs, and arrays that are no lists
        metric.update(labels, preds)
        seen.append([metric.get_name_value(), metric.get_global_name_value()])
        metric.reset()
        seen.append([list(metric.get()), list(metric.get_global())])
        found[f"{name} {settings} {kind}"] = seen
    return found


def test_table(compare):
    compare(case, {"rows": TABLE}, rtol=1e-5, atol=1e-6)


def test_micro_pearson(compare):
    """Only what get() says: MXNet's global value of it is 0."""
    def case(mx, np):
        metric, rng = mx.metric.PearsonCorrelation(average="micro"), np.random.RandomState(0)
        found = [metric.get()]
        for size in (5, 7, 4, 9):
            labels, preds = ([mx.nd.array(a)] for a in batch(np, "r3", size, rng))
            metric.update(labels, preds)
            found.append(list(metric.get()))
            if size == 7:
                metric.reset_local()
                found.append(list(metric.get()))
        metric.reset()
        return [*found, list(metric.get())]
    compare(case)


def test_edges(compare):
    """No positives, one class only, probabilities of 0, labels beyond the classes, constants."""
    def case(mx, np):
        nd, names = mx.nd, mx.metric
        tried = {
            "f1 none": (names.F1(), [0, 0], [[1, 0], [1, 0]]), "mcc none": (names.MCC(), [0, 0], [[1, 0], [1, 0]]),
            "f1 odd labels": (names.F1(average="micro"), [1, 3, 3], [[0, 1], [1, 0], [0, 1]]),
            "mcc odd labels": (names.MCC(average="micro"), [0, 3, 0], [[0, 1], [1, 0], [0, 1]]),
            "f1 three scores": (names.F1(average="micro"), [0, 1, 1], [[0, 1, 2], [1, 2, 0], [0, 0, 1]]),
            "pcc one class": (names.PCC(), [1, 1], [[0, 1], [0, 1]]), "pcc wrong": (names.PCC(), [0, 5], [[0, 1]] * 2),
            "ce zero": (names.CrossEntropy(), [0, 1], [[0, 1], [1, 0]]),
            "ce negative": (names.CrossEntropy(), [0, -1], [[.2, .8], [.7, .3]]),
            "perplexity zero": (names.Perplexity(None), [0, 1], [[0, 1], [1, 0]]),
            "perplexity beyond": (names.Perplexity(None), [-3, 9], [[.2, .8], [.7, .3]]),
            "perplexity ignored": (names.Perplexity(1), [1, 1], [[.2, .8], [.7, .3]]),
            "pearson constant": (names.PearsonCorrelation(), [1, 1], [1, 2]),
            "accuracy of fractions": (names.Accuracy(), [1.7, 0], [[.2, .8], [.7, .3]]),
            "accuracy of a column": (names.Accuracy(), [1, 0], [[.2], [.8]]),
            "loss of nothing": (names.Loss(), [0], []),
        }
        found = {}
        for name, (metric, labels, preds) in tried.items():
            metric.update([nd.array(labels)], [nd.array(preds)] if preds else [])
            found[name] = [list(metric.get()), float(metric.num_inst)]
        return found
    with np.errstate(all="ignore"):
        compare(case, rtol=1e-5)


WRONG = {
    "numbers of arrays": ("acc", {}, [[1], [2]], [[[0, 1]]]),
    "sizes": ("acc", {}, [[1, 0, 1]], [[[0, 1], [1, 0]]]),
    "top k sizes": ("top_k_acc", {"top_k": 2}, [[1]], [[[1, 2]] * 3]),
    "more classes than there are": ("top_k_acc", {"top_k": 5}, [[1]], [[[1, 2]]]),
    "scores of more axes": ("top_k_acc", {"top_k": 2}, [[1]], [[[[1, 2]]]]),
    "three labels": ("f1", {}, [[0, 1, 2]], [[[1, 0]] * 3]), "flat scores": ("mcc", {}, [[0, 1]], [[0, 1]]),
    "label out of range": ("ce", {}, [[7]], [[[1, 0]]]), "labels too few": ("nll_loss", {}, [[1]], [[[1, 0]] * 2]),
    "perplexity sizes": ("perplexity", {"ignore_label": 0}, [[1]], [[[1, 0]] * 2]),
    "regression shapes": ("mae", {}, [[1, 2, 3]], [[[1, 2], [3, 4]]]),
    "pearson shapes": ("pearsonr", {}, [[1, 2]], [[[1], [2]]]),
}


@pytest.mark.parametrize("key", WRONG)
def test_wrong(compare, key):
    def case(mx, np, name, settings, labels, preds):
        mx.metric.create(name, **settings).update([mx.nd.array(a) for a in labels], [mx.nd.array(a) for a in preds])
    compare(case, dict(zip(("name", "settings", "labels", "preds"), WRONG[key])), raises=True)


def test_custom(compare):
    def case(mx, np):
        def named(label, pred):
            return float(np.abs(label - pred).sum()), 3
        labels, preds = [mx.nd.array([1, 2, 3])], [mx.nd.array([1, 2, 5])]
        found = []
        for function in (named, lambda a, b: 2.0, lambda a, b: (4, 2), lambda a, b: str(a.dtype) == "float32"):
            for metric in (mx.metric.CustomMetric(function), mx.metric.np(function), mx.metric.create(function),
                           mx.metric.np(function, name="other", allow_extra_outputs=True)):
                metric.update(labels, preds)
                found.append([list(metric.get()), list(metric.get_global()), float(metric.num_inst)])
        extra = mx.metric.CustomMetric(named, allow_extra_outputs=True)
        extra.update(labels, preds + preds)
        return [*found, list(extra.get())]
    compare(case)


def test_subclasses(compare):
    """A program's own metric: registered, with its arguments in the config, without global numbers."""
    def case(mx, np):
        class Mine(mx.metric.EvalMetric):
            def __init__(self, factor=1, **kwargs):
                super().__init__("mine", factor=factor, **kwargs)
                self.factor = factor

            def update(self, labels, preds):
                for pred in preds:
                    self.sum_metric += self.factor * pred.sum().asnumpy()[0]
                    self.num_inst += pred.size
        mx.metric.register(Mine)
        metric = mx.metric.create("mine", factor=3, label_names=["y"], output_names=["b"])
        metric.update_dict({"x": mx.nd.ones((2,)), "y": mx.nd.ones((2,))},
                           {"a": mx.nd.ones((2,)), "b": mx.nd.ones((2, 2)) * 2})
        found = [metric.get(), metric.get_global(), metric.get_config(), str(metric)]
        metric.reset_local()
        return [*map(str, found), str(metric.get_global()), str(mx.metric.EvalMetric("q").get_config())]
    compare(case)


def test_composites(compare):
    def case(mx, np):
        metric = mx.metric.CompositeEvalMetric(["acc", mx.metric.MSE()], name="both")
        metric.add("mae")
        metric.add(["ce", mx.metric.F1()])
        rng = np.random.RandomState(0)
        for _ in range(2):
            labels, preds = ([mx.nd.array(a)] for a in batch(np, "b", 6, rng))
            metric.update(labels, preds)
        found = [str(metric.get_config()), metric.get_metric(0).name, repr(metric.get_metric(9))]
        values = [list(map(list, metric.get())), metric.get_name_value(), metric.get_global_name_value()]
        metric.reset_local()
        values.append([metric.get_name_value(), metric.get_global_name_value()])
        metric.reset()
        picky = mx.metric.CompositeEvalMetric([
            mx.metric.MSE(output_names=["x"], label_names=["a"], name="m1"),
            mx.metric.MSE(output_names=["y"], label_names=["b"], name="m2")])
        picky.update_dict({n: mx.nd.array([v]) for n, v in (("a", 1), ("b", 2), ("c", 7))},
                          {n: mx.nd.array([v]) for n, v in (("x", 1), ("y", 3))})
        outer = mx.metric.CompositeEvalMetric(["acc"], label_names=["a"], output_names=["b"])
        outer.update_dict({"a": mx.nd.array([1]), "z": mx.nd.array([0])},
                          {"b": mx.nd.array([1]), "c": mx.nd.array([2])})
        return [found, *values, metric.get_name_value(), picky.get_name_value(), outer.get_name_value()]
    compare(case)


CREATED = ["acc", "ACC", ["acc", "ce"], ["acc", ["mse", "mae"]], [], {"metric": "acc"},
           '["accuracy", {"axis": 0}]', '{"metric": "mse", "name": "n"}']


@pytest.mark.parametrize("given", CREATED, ids=str)
def test_create(compare, given):
    def case(mx, np, given):
        metric = mx.metric.create(given)
        return [type(metric).__name__, metric.get_name_value(), metric.get_config(),
                mx.metric.create(**metric.get_config()).get_config()]
    compare(case, {"given": given})


@pytest.mark.parametrize("given", ["nope", None, 3, ("acc", "ce"), "top_k_acc", "custom"], ids=str)
def test_create_refuses(compare, given):
    compare(lambda_case, {"given": given}, raises=True)


def lambda_case(mx, np, given):
    mx.metric.create(given)


def test_registered_names(oracle):
    def case(mx, np):
        return sorted(mx.registry.get_registry(mx.metric.EvalMetric))
    known = ganmod.registry.get_registry(ganmod.metric.EvalMetric)
    assert [name for name in oracle.run(case) if name not in known and not name.startswith("mine")] == []


def test_check_label_shapes(compare):
    def case(mx, np):
        check, ones = mx.metric.check_label_shapes, mx.nd.ones
        wrapped = check(ones((2, 3)), ones((2, 4)), wrap=True)
        return [check([1, 2], [1, 2]), [[a.shape for a in arrays] for arrays in wrapped]]
    compare(case)


@pytest.mark.parametrize("shape", [False, True])
def test_check_label_shapes_refuses(compare, shape):
    def case(mx, np, shape):
        mx.metric.check_label_shapes(mx.nd.ones((2 if shape else 3, 3)), mx.nd.ones((2, 4)), shape=shape)
    theirs, ours = compare(case, {"shape": shape}, raises=True)
    assert theirs.message == str(ours)
