"""Linear algebra."""
import numpy as np

from tests.parity.rows import Row, Values, between

STACK = (2, 3, 3)
WHY = dict(rtol=1e-4, atol=1e-5, why="another algorithm, another order of sums")
SHARED = dict(derivative=False, why="the gradient is shared by both triangles, of which one is read")


def definite(*shape: int, skew: float = 0.0) -> Values:
    """Symmetric positive definite matrices; `skew` is added to the upper triangle."""
    def make(rng):
        drawn = rng.standard_normal(shape)
        return drawn @ drawn.swapaxes(-1, -2) + np.eye(shape[-1]) + np.triu(np.full(shape, skew), 1)
    return Values(make)


def factor(*shape: int) -> Values:
    """Matrices with a diagonal that is far from 0."""
    return Values(lambda rng: rng.uniform(-0.5, 0.5, shape) + 1.5 * np.eye(shape[-1]))


PRODUCTS = [
    Row("linalg_gemm2", [(2, 3), (3, 4)]), Row("linalg_gemm2", [(2, 5, 3), (2, 3, 4)], dict(alpha=0.5)),
    Row("_linalg_gemm2", [(2, 3), (4, 3)], dict(transpose_b=True)),
    Row("linalg_gemm2", [(3, 2), (3, 4)], dict(transpose_a=True)),
    Row("linalg_gemm2", [(2, 3, 4, 5), (2, 3, 6, 4)], dict(transpose_a=True, transpose_b=True, alpha=-2.0)),
    Row("linalg_gemm2", [(2, 5, 3), (3, 5, 4)], dict(axis=0)),
    Row("linalg_gemm2", [(3, 5, 2), (4, 5, 3)], dict(axis=-3, transpose_a=True, transpose_b=True)),
    Row("linalg_gemm2", [(2, 4, 2, 3), (2, 3, 2, 4)], dict(axis=1)),
    Row("linalg_gemm", [(2, 3), (3, 4), (2, 4)]),
    Row("linalg_gemm", [(2, 3, 2), (2, 3, 4), (2, 2, 4)], dict(transpose_a=True, alpha=2.0, beta=0.5)),
    Row("linalg_gemm", [(2, 3), (4, 3), (2, 4)], dict(transpose_b=True, beta=0.0)),
    Row("linalg_gemm", [(2, 5, 3), (3, 5, 4), (2, 5, 4)], dict(axis=0)),
    Row("linalg_syrk", [(2, 3)]), Row("linalg_syrk", [(2, 3, 4)], dict(transpose=True, alpha=0.5)),
] + [Row(op, [factor(*batch, 3, 3), (*batch, *((2, 3) if right else (3, 2)))],
         dict(transpose=turn, rightside=right, lower=lower, alpha=0.5), rtol=1e-5, atol=1e-6,
         why="another order of sums")
     for op in ("linalg_trmm", "linalg_trsm") for batch in ((), (2,)) for turn in (False, True)
     for right in (False, True) for lower in (False, True)] + [
    Row("linalg_trmm", [(3, 3), (3, 4)]), Row("linalg_trsm", [factor(3, 3), (3, 4)], **WHY),
]

FACTORS = [
    *[Row("linalg_potrf", [definite(*shape)], derivative=False, rtol=1e-4, atol=1e-5, why=SHARED["why"])
      for shape in ((3, 3), STACK, (1, 1))],
    Row("linalg_potrf", [definite(3, 3, skew=0.5)], derivative=False, rtol=1e-4, atol=1e-5, why=SHARED["why"]),
    Row("linalg_potri", [factor(3, 3)], **WHY), Row("linalg_potri", [factor(*STACK)], **WHY),
    *[Row("linalg_gelqf", [shape], **WHY) for shape in ((2, 3), (2, 3, 5), (3, 3), (1, 4))],
    *[Row("_linalg_syevd", [definite(*shape, skew=skew)], derivative=False, rtol=1e-3, atol=1e-4, why=SHARED["why"])
      for shape, skew in (((3, 3), 0.0), (STACK, 0.0), ((4, 4), 0.5))],
    Row("linalg_inverse", [factor(3, 3)], **WHY), Row("linalg_inverse", [factor(*STACK)], **WHY),
    Row("linalg_det", [(3, 3)], **WHY), Row("linalg_det", [STACK], **WHY), Row("linalg_det", [(2, 2, 1, 1)], **WHY),
    Row("linalg_det", [Values(lambda rng: np.zeros((2, 3, 3)))], derivative=False,
        why="the gradient of a singular matrix is said to be 0"),
    Row("linalg_slogdet", [(3, 3)], **WHY), Row("linalg_slogdet", [STACK], **WHY),
    Row("linalg_slogdet", [Values(lambda rng: np.zeros((2, 3, 3)))], derivative=False,
        why="the logarithm of 0 is -inf, its gradient is said to be 0"),
]

TRIANGLES = [
    Row("linalg_sumlogdiag", [between(0.5, 2, 3, 3)]), Row("linalg_sumlogdiag", [between(0.5, 2, *STACK)]),
    *[Row("linalg_extractdiag", [shape], dict(offset=offset))
      for shape in ((3, 3), STACK, (2, 1, 4, 4)) for offset in (0, 1, -2)],
    *[Row("linalg_makediag", [shape], dict(offset=offset)) for shape in ((3,), (2, 3)) for offset in (0, 1, -2)],
    *[Row(f"linalg_{op}trian", [shape], dict(offset=offset, lower=lower))
      for op, shape in (("extract", (4, 4)), ("extract", (2, 4, 4)), ("make", (6,)), ("make", (2, 3)))
      for offset in (0, 1, -2) for lower in (True, False)],
    Row("linalg_extractdiag", [(3, 3)]), Row("linalg_makediag", [(3,)]),
    Row("linalg_extracttrian", [(3, 3)]), Row("linalg_maketrian", [(6,)]),
]

ROWS = PRODUCTS + FACTORS + TRIANGLES
