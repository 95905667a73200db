"""The likelihood of events that raise the probability of further ones."""
from __future__ import annotations

import torch
from torch import Tensor

from .registry import Index, operator

__all__: list[str] = []


@operator("_contrib_hawkesll", outputs=("output", "out_state"))
def hawkesll(lda: Tensor, alpha: Tensor, beta: Tensor, state: Tensor, lags: Tensor, marks: Index,
             valid_length: Tensor, max_time: Tensor) -> tuple[Tensor, Tensor]:
    """The logarithm of the likelihood of events under K self-exciting (Hawkes) processes, and their states at the end.

    An event of process k at time s raises its rate from then on: the rate at time t is
    ``lda_k + alpha_k * beta_k * sum(exp(-beta_k * (t - s)))`` over its events s before t. The state is that sum.

    Shapes: lda (N, K), rates without events; alpha (K,) and beta (K,), how much an event adds in all and how fast that
    fades; state (N, K), at the beginning; lags (N, T), the time from one event to the next; marks (N, T), whole
    numbers, the process of each; valid_length (N,), how many of the events count; max_time (N,), the end of what is
    observed -> (N,) and (N, K). What is differentiated are lda, alpha and beta.

    >>> import ganmod as mx
    >>> one = mx.nd.ones((1, 1))
    >>> mx.nd.contrib.hawkesll(one, one[0] * 0, one[0], one, one, mx.nd.zeros((1, 1), dtype='int32'), one[0],
    ...                        one[0] * 3)[0].asnumpy().tolist()
    [-3.0]
    """
    lags, max_time = lags.detach(), max_time.detach()
    level, last, now = state.detach(), torch.zeros_like(state), torch.zeros_like(max_time)
    total = torch.zeros_like(max_time)
    process = torch.arange(alpha.shape[0], device=lda.device)
    for step in range(lags.shape[1]):
        counts = step < valid_length
        here = (marks[:, step].long()[:, None] == process) & counts[:, None]
        now = now + torch.where(counts, lags[:, step], 0)
        passed = now[:, None] - last
        faded = torch.exp(-beta * passed)
        rate = lda + alpha * beta * level * faded
        gained = torch.log(torch.where(here, rate, 1)) - _expected(lda, alpha, level, faded, passed)
        total = total + torch.where(here, gained, 0).sum(1)
        level = torch.where(here, 1 + level * faded, level)
        last = torch.where(here, now[:, None], last)
    passed = max_time[:, None] - last
    faded = torch.exp(-beta * passed)
    return total - _expected(lda, alpha, level, faded, passed).sum(1), level * faded


def _expected(lda: Tensor, alpha: Tensor, level: Tensor, faded: Tensor, passed: Tensor) -> Tensor:
    """How many events are expected of each process in the time that passed."""
    return lda * passed + alpha * level * (1 - faded)


@hawkesll.shapes
def _(p, s):
    if s.lda:
        s.state = s.out_state = s.lda
        s.alpha = s.beta = s.lda[1:]
        s.valid_length = s.max_time = s.output = s.lda[:1]
    s.same(("lags", "marks"))


@hawkesll.dtypes
def _(p, types):
    known = next((t for name, t in types.items() if t is not None and name != "marks"), None)
    for name in types:
        types[name] = torch.int32 if name == "marks" and types[name] is None else types[name] or known
