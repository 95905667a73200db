"""Densities of the random distributions."""
from tests.parity.rows import Row, between, given, whole

LOG = dict(is_log=True)
LOOSE = dict(rtol=2e-5, atol=1e-6, why="MXNet's log-gamma function is accurate to a few float32 steps")

ROWS = [Row(f"random_pdf_{name}", inputs, attrs, **LOOSE) for attrs in ({}, LOG) for name, inputs in (
    ("normal", [(2, 5), (2,), between(0.5, 2, 2)]), ("normal", [(3,), (3,), between(0.5, 2, 3)]),
    ("gamma", [between(0.1, 4, 2, 5), between(0.5, 3, 2), between(0.5, 3, 2)]),
    ("exponential", [between(0, 4, 2, 5), between(0.5, 3, 2)]),
    ("uniform", [between(0, 1, 2, 5), between(-2, 0, 2), between(1, 2, 2)]))] + [
    Row(f"random_pdf_{name}", inputs, attrs, derivative=False,
        **LOOSE) for attrs in ({}, LOG) for name, inputs in (
    ("poisson", [whole(0, 6, 2, 5), between(0.5, 3, 2)]),
    ("negative_binomial", [whole(0, 6, 2, 5), given(2, 5), between(0.2, 0.8, 2)]),
    ("generalized_negative_binomial", [whole(0, 6, 2, 5), between(0.5, 3, 2), between(0.2, 2, 2)]))] + [
    Row("random_pdf_dirichlet", inputs, attrs, derivative=False, **LOOSE) for attrs in ({}, LOG) for inputs in (
        [given([[0.2, 0.8], [0.5, 0.5]]), given([[2, 3], [1, 1.5]])],
        [given([[[0.2, 0.8], [0.5, 0.5], [0.1, 0.9]]]), given([[2, 3]])])]
