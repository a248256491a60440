"""Generalised advantage estimation over answers that lie flat, and whitening.

Legend: N answer tokens of the whole batch. See docs/methods/ppo.md. Schulman et al., arXiv 1506.02438:

    delta_t = r_t + gamma V_{t+1} - V_t                          (the TD residual)
    A_t     = sum_l (gamma lambda)^l delta_{t+l}                 (eq. 16)

The value after an answer's last token is 0, also where the answer was cut at the length limit, as in the reference
implementations of RLHF. Advantages and returns are targets: no gradient flows through them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from haechi.methods.segments import is_last


@torch.no_grad()
def gae(
    rewards_N: Tensor, values_N: Tensor, segments_N: Tensor, *, gamma: float = 1.0, lam: float = 0.95
) -> tuple[Tensor, Tensor]:
    """Advantages and returns of every token, both over N.

    Args:
        rewards_N: what each token earned.
        values_N: the value before each token was chosen, V_t.
        gamma: discount; 1 means that an answer is one episode without discount.
        lam: lambda; 0 trusts the value function (A = delta), 1 trusts the rewards (A = Monte-Carlo return - V).

    Returns:
        (advantages, returns), where returns = advantages + values is what the value function should predict.
    """
    goes_on_N = (~is_last(segments_N)).to(values_N.dtype)
    next_values_N = _shift_left(values_N, 1) * goes_on_N
    delta_N = rewards_N + gamma * next_values_N - values_N
    advantages_N = _suffix_sums(delta_N, gamma * lam * goes_on_N)
    return advantages_N, advantages_N + values_N


def whiten(values_N: Tensor, *, shift_mean: bool = True) -> Tensor:
    """Values with variance 1, and with mean 0 unless `shift_mean` is False, which keeps their mean.

    The variance is the biased one (divided by N) and 1e-8 is added to it, as in the code of Ziegler et al. (see "The
    N+ Implementation Details of RLHF with PPO", arXiv 2403.17031). Advantages shift their mean, rewards do not.
    """
    mean = values_N.mean()
    white_N = (values_N - mean) * torch.rsqrt(values_N.var(correction=0) + 1e-8)
    return white_N if shift_mean else white_N + mean


def _suffix_sums(values_N: Tensor, carry_N: Tensor) -> Tensor:
    """Solve x_t = values_t + carry_t x_{t+1} for all t in log2(N) passes (a segmented scan).

    After a pass of stride s, x_t holds the terms t..t+2s-1 and carry_t their product of carries; a carry of 0 ends an
    answer, so nothing crosses into the next one.
    """
    stride = 1
    while stride < len(values_N):
        values_N = values_N + carry_N * _shift_left(values_N, stride)
        carry_N = carry_N * _shift_left(carry_N, stride)
        stride *= 2
    return values_N


def _shift_left(values_N: Tensor, by: int) -> Tensor:
    return torch.cat([values_N[by:], values_N.new_zeros(min(by, len(values_N)))])
