"""How far the policy has moved from its reference: estimators of the KL divergence, and its coefficient.

Legend: N answer tokens. All divergences are in nats.

The estimators (Schulman, "Approximating KL Divergence", joschu.net/blog/kl-approx.html) are for tokens drawn from the
policy itself and estimate KL(pi || pi_ref), with l = log pi - log pi_ref at the drawn token:

    k1 = l                     unbiased, high variance, may be negative
    k2 = l^2 / 2               biased, low variance; as a loss, its gradient is in the mean that of the KL at a token
    k3 = exp(-l) - 1 + l       unbiased, low variance, never negative

Only k1 may be paid as a reward: k2 and k3 also punish tokens that have become less likely than in the reference, so a
policy that is paid them makes those rarer still and can collapse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from torch import Tensor

from haechi.errors import DivergedError

LOG_RATIO_LIMIT = 20.0
"""Log-ratios are held within plus or minus this before exp, which overflows float32 at 88. A ratio of e^20 is a
policy that has already come apart; there the gradient is 0 instead of infinite."""


def bounded_log_ratio(logps_N: Tensor, other_logps_N: Tensor) -> Tensor:
    """log pi - log other at each token, within `LOG_RATIO_LIMIT`, safe to exponentiate. Exactly 0 where equal."""
    return (logps_N - other_logps_N).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)


def k1(logps_N: Tensor, reference_logps_N: Tensor) -> Tensor:
    """log(pi / pi_ref) at each token drawn from pi."""
    return logps_N - reference_logps_N


def k2(logps_N: Tensor, reference_logps_N: Tensor) -> Tensor:
    """Half the squared log-ratio at each token drawn from pi."""
    return 0.5 * (logps_N - reference_logps_N).square()


def k3(logps_N: Tensor, reference_logps_N: Tensor) -> Tensor:
    """k1 plus the control variate (pi_ref / pi - 1), whose mean is 0. Only the ratio is bounded, not the k1 term."""
    # expm1 keeps the digits of small divergences, where exp(-l) - 1 would cancel against l.
    return (-bounded_log_ratio(logps_N, reference_logps_N)).expm1() + (logps_N - reference_logps_N)


def kl_loss(estimate_N: Tensor, logps_N: Tensor, old_logps_N: Tensor) -> Tensor:
    """rho · estimate at each token, rho = pi / pi_old held constant: `k2` or `k3` as a loss on tokens that an earlier
    policy drew. k2's gradient is then in the mean that of each token's KL, given the tokens before it, after the first
    update too. What a token does to the KL of later ones is not in it; k1, paid as a reward, has that."""
    return bounded_log_ratio(logps_N, old_logps_N).detach().exp() * estimate_N


@dataclass(frozen=True, slots=True)
class FixedKL:
    """A KL coefficient that stays."""

    beta: float

    def update(self, observed_kl: float, num_steps: int) -> FixedKL:
        """Itself."""
        return self


@dataclass(frozen=True, slots=True)
class AdaptiveKL:
    """A KL coefficient steered towards a target KL (Ziegler et al., arXiv 1909.08593, section 2.2).

        e = clip((KL - target) / target, -0.2, 0.2),    beta <- beta (1 + e num_steps / horizon)

    The paper writes a constant gain K = 0.1 for num_steps / horizon; the form with the horizon is that of the paper's
    code, which makes the pace independent of the batch size.

    Attributes:
        beta: the coefficient now (the paper's code starts at 0.15).
        target: the wanted KL of a whole answer, in nats (6 there).
        horizon: in how many answers beta may change by 20 % (10000 there).
    """

    beta: float
    target: float
    horizon: float

    def __post_init__(self) -> None:
        if not (self.beta >= 0 and self.target > 0 and self.horizon > 0):
            raise ValueError(f"beta must not be negative, target and horizon must be positive: {self}")

    def update(self, observed_kl: float, num_steps: int) -> AdaptiveKL:
        """The controller after `num_steps` answers whose mean KL, summed over tokens, was `observed_kl` nats.

        Raises:
            DivergedError: `observed_kl` is not finite.
        """
        if not math.isfinite(observed_kl):
            raise DivergedError(f"the KL to the reference is {observed_kl}; the policy has diverged.")
        error = min(max(observed_kl / self.target - 1, -0.2), 0.2)
        # More answers than the horizon in one batch could otherwise turn beta negative.
        return replace(self, beta=self.beta * max(1 + error * num_steps / self.horizon, 0.0))
