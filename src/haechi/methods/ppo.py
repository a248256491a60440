"""Proximal policy optimisation on the tokens of answers.

Legend: N answer tokens of the whole batch, A answers. See docs/methods/ppo.md. One iteration:

    scores ─▶ token_rewards ─▶ gae ─▶ whiten ─▶ ppo_losses, several epochs ─▶ total_loss

    r_t     = -beta kl_t + [t last] score                               (Ziegler et al., arXiv 1909.08593, eq. 2)
    L_clip  = -min(rho_t A_t, clip(rho_t, 1 - eps, 1 + eps) A_t)        (Schulman et al., arXiv 1707.06347, eq. 7)
    L_dual  = min(L_clip, -c A_t) where A_t < 0                         (Ye et al., arXiv 1912.09729)
    L_value = 1/2 max((V - R)^2, (clip(V, V_old - eps, V_old + eps) - R)^2)
    L       = L_clip + c_v L_value - c_e entropy                        (1707.06347, eq. 9)
    L_ptx   = L + gamma NLL of supervised answers                       (InstructGPT, arXiv 2203.02155, eq. 2)

Deviations: the value clip is OpenAI's code, not in the paper; rho_t = exp(log pi - log pi_old) has its exponent held
within `kl.LOG_RATIO_LIMIT`, so no loss is infinite.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from haechi.methods.kl import bounded_log_ratio, k3
from haechi.methods.segments import last_index


@dataclass(frozen=True, slots=True, kw_only=True)
class PPOSettings:
    """The constants of the loss.

    Attributes:
        clip: how far the ratio may move from 1 before a token stops teaching (eps).
        dual_clip: bound c > 1 on the loss of a token with negative advantage, in multiples of it; None = no bound.
        value_clip: how far a value may move from its old self, in units of reward; None = no bound.
        value_coefficient: weight c_v of the value loss.
        entropy_coefficient: weight c_e of the entropy bonus, per nat.
    """

    clip: float = 0.2
    dual_clip: float | None = None
    value_clip: float | None = 0.2
    value_coefficient: float = 0.1
    entropy_coefficient: float = 0.0

    def __post_init__(self) -> None:
        if self.dual_clip is not None and self.dual_clip <= 1:
            raise ValueError(f"dual_clip must be greater than 1, not {self.dual_clip}")


@dataclass(frozen=True, slots=True)
class PPOLosses:
    """What one pass over a minibatch found.

    Attributes:
        loss_N: the loss to minimise at each token: policy + c_v value - c_e entropy.
        policy_N: the policy's part.
        value_N: the value function's part, before its coefficient.
        metrics: detached scalars named `ppo/...`.
    """

    loss_N: Tensor
    policy_N: Tensor
    value_N: Tensor
    metrics: dict[str, Tensor]


@torch.no_grad()
def token_rewards(scores_A: Tensor, kl_N: Tensor, segments_N: Tensor, beta: float) -> Tensor:
    """What each token earned, over N: its KL penalty, and at an answer's last token also the answer's score.

    Args:
        scores_A: one score an answer.
        kl_N: `kl.k1` of policy and reference at each sampled token, in nats; no other estimator (see `kl`).
        beta: reward paid for a nat.
    """
    rewards_N = -beta * kl_N
    return rewards_N.index_add(0, last_index(segments_N, len(scores_A)), scores_A.to(rewards_N.dtype))


def policy_loss(
    logps_N: Tensor, old_logps_N: Tensor, advantages_N: Tensor, *, clip: float = 0.2, dual_clip: float | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """The clipped loss of each token, and metrics.

    Metrics: `ppo/clip_fraction` (share of tokens whose loss the clip decided), `ppo/approx_kl` (k3 estimate of
    KL(old || new) in nats per token), `ppo/ratio_mean`, `ppo/ratio_max`.
    """
    ratio_N = bounded_log_ratio(logps_N, old_logps_N).exp()
    unclipped_N = -advantages_N * ratio_N
    clipped_N = -advantages_N * ratio_N.clamp(1 - clip, 1 + clip)
    loss_N = torch.maximum(unclipped_N, clipped_N)
    if dual_clip is not None:
        loss_N = torch.where(advantages_N < 0, torch.minimum(loss_N, -dual_clip * advantages_N), loss_N)
    return loss_N, {
        "ppo/clip_fraction": (loss_N.detach() != unclipped_N.detach()).to(loss_N.dtype).mean(),
        "ppo/approx_kl": k3(old_logps_N, logps_N.detach()).mean(),
        "ppo/ratio_mean": ratio_N.detach().mean(),
        "ppo/ratio_max": ratio_N.detach().max(),
    }


def value_loss(
    values_N: Tensor, old_values_N: Tensor, returns_N: Tensor, *, clip: float | None = 0.2
) -> tuple[Tensor, dict[str, Tensor]]:
    """Half the squared error of each value, the worse of clipped and unclipped, and metrics.

    Metrics: `ppo/value_clip_fraction`, `ppo/value_mean`, `ppo/explained_variance` (1 = values equal returns, 0 = no
    better than their mean, negative = worse).
    """
    error_N = (values_N - returns_N).square()
    loss_N = error_N
    if clip is not None:
        moved_N = old_values_N + (values_N - old_values_N).clamp(-clip, clip)
        loss_N = torch.maximum(error_N, (moved_N - returns_N).square())
    residual = (returns_N - values_N.detach()).var(correction=0)
    return 0.5 * loss_N, {
        "ppo/value_clip_fraction": (loss_N.detach() > error_N.detach()).to(loss_N.dtype).mean(),
        "ppo/value_mean": values_N.detach().mean(),
        "ppo/explained_variance": 1 - residual / returns_N.var(correction=0).clamp(min=1e-8),
    }


def ppo_losses(
    logps_N: Tensor,
    old_logps_N: Tensor,
    advantages_N: Tensor,
    values_N: Tensor,
    old_values_N: Tensor,
    returns_N: Tensor,
    settings: PPOSettings,
    *,
    entropy_N: Tensor | None = None,
) -> PPOLosses:
    """The losses of a minibatch's tokens; only `logps_N`, `values_N` and `entropy_N` carry gradient.

    Args:
        entropy_N: entropy of the whole next-token distribution, in nats. It cannot be estimated by -logps_N, whose
            gradient is 0 in the mean.

    Raises:
        ValueError: an entropy bonus is asked for and `entropy_N` is missing.
    """
    policy_N, metrics = policy_loss(
        logps_N, old_logps_N, advantages_N, clip=settings.clip, dual_clip=settings.dual_clip
    )
    value_N, value_metrics = value_loss(values_N, old_values_N, returns_N, clip=settings.value_clip)
    loss_N = policy_N + settings.value_coefficient * value_N
    metrics |= value_metrics
    metrics |= {"ppo/policy_loss": policy_N.detach().mean(), "ppo/value_loss": value_N.detach().mean()}
    if entropy_N is not None:
        loss_N = loss_N - settings.entropy_coefficient * entropy_N
        metrics["ppo/entropy"] = entropy_N.detach().mean()
    elif settings.entropy_coefficient:
        raise ValueError("an entropy bonus needs entropy_N")
    return PPOLosses(loss_N, policy_N, value_N, metrics)


def total_loss(losses: PPOLosses, num_tokens: int) -> Tensor:
    """The scalar to differentiate: the mean over tokens.

    The supervised loss that keeps old skills (ptx) is added to it by the learner, as `sft.token_mean` times gamma; the
    paper's gamma of 27.8 belongs to its own normalisation and need not carry over.

    Args:
        num_tokens: answer tokens of the whole optimiser step, as in `sft.token_mean`.
    """
    return losses.loss_N.sum() / num_tokens
