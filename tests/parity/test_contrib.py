"""``mx.contrib.autograd`` and ``mx.contrib.text`` under both libraries."""
import collections

import numpy as np
import pytest
from scipy import stats

import ganmod


def test_old_autograd(compare):
    def case(mx, np):
        old = mx.contrib.autograd
        both = old.grad_and_loss(lambda x, y: x * x + 2 * y)
        a, b = mx.nd.array([1, 2]), mx.nd.array([3, 4])
        modes = []
        with old.train_section():
            modes.append((mx.autograd.is_training(), mx.autograd.is_recording()))
            with old.test_section():
                modes.append((mx.autograd.is_training(), mx.autograd.is_recording()))
            modes.append((mx.autograd.is_training(), mx.autograd.is_recording()))
        modes.append((old.set_is_training(True), old.set_is_training(False), mx.autograd.is_recording()))
        slope = mx.nd.zeros((2,))
        old.mark_variables([a], [slope])
        with old.train_section():
            y = a * a
        return {"both": both(a, b), "first": old.grad(lambda x, y: x * y, 0)(a, b), "modes": modes,
                "nothing": old.compute_gradient([y]), "slope": slope}
    compare(case)


@pytest.mark.parametrize("wrong", ["no list", "no array"])
def test_old_autograd_refuses(compare, wrong):
    def case(mx, np, wrong):
        if wrong == "no list":
            mx.contrib.autograd.backward(mx.nd.ones((1,)))
        mx.contrib.autograd.grad(lambda x: x)(3)
    compare(case, {"wrong": wrong}, raises=True)


def test_vocabulary(compare):
    def case(mx, np):
        words, text = collections.Counter("b a c a b <unk> d".split()), mx.contrib.text
        made = [text.vocab.Vocabulary(words, most_freq_count=2, reserved_tokens=["<pad>"]),
                text.vocab.Vocabulary(words, min_freq=2), text.vocab.Vocabulary(), text.vocab.Vocabulary(
                    words, most_freq_count=0, unknown_token="?"), text.vocab.Vocabulary(words, reserved_tokens=["a"])]
        counted = text.utils.count_tokens_from_str(" Life is great ! \n life is good . \n", to_lower=True)
        return {"made": [[v.idx_to_token, v.token_to_idx, len(v), v.unknown_token, v.reserved_tokens] for v in made],
                "indices": [made[0].to_indices("a"), made[0].to_indices(["a", "zz"])],
                "tokens": [made[0].to_tokens(1), made[0].to_tokens([0, 2])], "counted": dict(counted),
                "more": dict(text.utils.count_tokens_from_str("a*b;a", r"\*", ";", counter_to_update=counted))}
    compare(case)


def test_embedding(compare, tmp_path):
    (tmp_path / "one").write_text("2 3\na 10 20 30\nz 4 5 6\na 7 8 9\n<unk> 1 1 1\n")
    (tmp_path / "two").write_text("a;1;2\nb;4;5\n")

    def case(mx, np, folder):
        import warnings
        warnings.simplefilter("ignore")
        text = mx.contrib.text
        words = text.vocab.Vocabulary(collections.Counter("zzya"))
        one = text.embedding.CustomEmbedding(folder + "/one")
        two = text.embedding.CustomEmbedding(folder + "/two", ";", init_unknown_vec=mx.nd.ones)
        few = text.embedding.CustomEmbedding(folder + "/one", vocabulary=words)
        both = text.embedding.CompositeEmbedding(words, [one, two])
        found = [[e.idx_to_token, e.idx_to_vec.asnumpy(), e.vec_len] for e in (one, two, few, both)]
        looked = [one.get_vecs_by_tokens("a"), one.get_vecs_by_tokens(["A", "z"]),
                  one.get_vecs_by_tokens(["A", "z"], lower_case_backup=True)]
        one.update_token_vectors(["a", "z"], mx.nd.array([[1, 1, 1], [2, 2, 2]]))
        one.update_token_vectors("a", mx.nd.array([3, 3, 3]))
        return {"found": found, "looked": looked, "changed": one.idx_to_vec}
    compare(case, {"folder": str(tmp_path)})


def test_what_is_finite(compare):
    def case(mx, np):
        x = mx.nd.array([1, float("nan"), float("inf"), -float("inf"), 0])
        return {name: getattr(mx.nd.contrib, name)(x) for name in ("isnan", "isinf", "isfinite")}
    compare(case)


def test_ranked_classes(compare):
    def case(mx, np, classes):
        samples, wanted, expected = mx.nd.contrib.rand_zipfian(mx.nd.array(classes), 40, 1000)
        k = samples.asnumpy().astype("float64")
        own = np.log((k + 2) / (k + 1)) / np.log(1001) * 40
        symbols = mx.sym.contrib.rand_zipfian(mx.sym.Variable("classes"), 40, 1000)
        return {"wanted": wanted, "close": bool(np.allclose(own, expected.asnumpy())), "dtype": samples.dtype,
                "shape": samples.shape, "within": bool((k >= 0).all() and (k < 1000).all()),
                "json": mx.sym.Group(list(symbols)).tojson().split("\n")}
    compare(case, {"classes": np.array([3, 0, 100])}, rtol=1e-6)


def test_ranked_classes_are_drawn_by_rank():
    ganmod.random.seed(0)
    samples = ganmod.nd.contrib.rand_zipfian(ganmod.nd.array([0]), 20000, 50)[0].asnumpy()
    k = np.arange(50)
    expected = 20000 * np.log((k + 2) / (k + 1)) / np.log(51)
    assert stats.chisquare(np.bincount(samples, minlength=50), expected * 20000 / expected.sum()).pvalue > 1e-3


def test_operators_by_their_public_names(compare):
    def case(mx, np):
        return {"nd": mx.nd.op.FullyConnected(mx.nd.ones((2, 3)), mx.nd.ones((4, 3)), num_hidden=4, no_bias=True),
                "sym": mx.sym.op.Activation(mx.sym.Variable("x"), act_type="relu", name="a").list_outputs(),
                "private": hasattr(mx.sym.op, "_plus_scalar"), "listed": "Convolution" in dir(mx.nd.op)}
    compare(case)


def test_gradients_of_a_likelihood_of_events(compare):
    def case(mx, np):
        rng = np.random.RandomState(0)
        arrays = [mx.nd.array(value) for value in (rng.rand(2, 3), rng.rand(3), rng.rand(3) + 0.5, rng.rand(2, 3),
                                                   rng.rand(2, 4))]
        for array in arrays[:3]:
            array.attach_grad()
        with mx.autograd.record():
            total, _ = mx.nd.contrib.hawkesll(*arrays, mx.nd.array([[0, 2, 2, 1], [1, 1, 0, 0]], dtype="int32"),
                                              mx.nd.array([4, 3]), mx.nd.array([5, 6]))
            loss = (total * mx.nd.array([1, 2])).sum()
        loss.backward()
        return [array.grad for array in arrays[:3]]
    compare(case, rtol=1e-4, atol=1e-5)
