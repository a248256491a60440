"""Direct preference optimisation and its relatives: learning from pairs without a reward model.

Legend: P pairs. See docs/methods/dpo.md. With the implicit reward beta log(pi / pi_ref) of an answer, and

    z = beta [(log pi - log pi_ref)(chosen) - (log pi - log pi_ref)(rejected)] - margin

    sigmoid  -(1 - s) log sigma(z) - s log sigma(-z)    (DPO, Rafailov et al., arXiv 2305.18290, eq. 7)
    hinge    max(0, 1 - z)                              (SLiC-HF, arXiv 2305.10425, in the form of RSO, 2309.06657)
    ipo      (z / beta - 1 / (2 beta))^2                (IPO, Azar et al., arXiv 2310.12036, eq. 17, tau = beta)

s is label smoothing, the share of labels believed to be wrong (Mitchell's note on conservative DPO); the margin, in
units of reward, is the offset of ODPO (arXiv 2402.10571), and IPO takes it in the same unit, which its paper does not
have. Log-probabilities are summed over an answer's tokens; for IPO the paper's sum is kept too, while some libraries
average, where beta means something else.
"""

from __future__ import annotations

from typing import Literal, assert_never

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

Kind = Literal["sigmoid", "hinge", "ipo"]


def dpo(
    chosen_logps_P: Tensor,
    rejected_logps_P: Tensor,
    reference_chosen_logps_P: Tensor,
    reference_rejected_logps_P: Tensor,
    *,
    beta: float = 0.1,
    kind: Kind = "sigmoid",
    label_smoothing: float = 0.0,
    margin_P: Tensor | None = None,
    weights_P: Tensor | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of each pair, already multiplied by its weight, and metrics.

    Args:
        chosen_logps_P: log pi(chosen | prompt) in nats, summed over tokens; likewise the other three.
        beta: price of a nat of divergence from the reference, in units of reward.
        label_smoothing: 0 to 0.5; for the sigmoid loss only.
        margin_P: by how much the chosen answer should win, in units of reward; 0 where not given.
        weights_P: how much each pair counts; 1 where not given.

    Returns:
        The losses over P, and `dpo/reward_chosen`, `dpo/reward_rejected` (mean implicit rewards), `dpo/margin` (their
        difference), `dpo/accuracy` (share of pairs with the chosen answer ahead; a tie counts half, so an untrained
        policy scores 0.5). Metrics ignore margin and weights.

    Raises:
        ValueError: `beta` is not positive, or `label_smoothing` is out of range or does not go with `kind`.
    """
    if beta <= 0:
        raise ValueError(f"beta must be positive, not {beta}")
    if not 0 <= label_smoothing <= 0.5 or (label_smoothing and kind != "sigmoid"):
        raise ValueError(f"label_smoothing must lie in 0..0.5, for the sigmoid loss only: {label_smoothing}, {kind}")
    reward_chosen_P = beta * (chosen_logps_P - reference_chosen_logps_P)
    reward_rejected_P = beta * (rejected_logps_P - reference_rejected_logps_P)
    z_P = reward_chosen_P - reward_rejected_P
    if margin_P is not None:
        z_P = z_P - margin_P
    loss_P = _loss(z_P, kind, beta, label_smoothing)
    if weights_P is not None:
        loss_P = loss_P * weights_P
    return loss_P, _metrics(reward_chosen_P.detach(), reward_rejected_P.detach())


def _loss(z_P: Tensor, kind: Kind, beta: float, label_smoothing: float) -> Tensor:
    if kind == "sigmoid":
        return -(1 - label_smoothing) * logsigmoid(z_P) - label_smoothing * logsigmoid(-z_P)
    if kind == "hinge":
        return (1 - z_P).clamp(min=0)
    if kind == "ipo":
        return ((z_P - 0.5) / beta).square()
    assert_never(kind)


def _metrics(reward_chosen_P: Tensor, reward_rejected_P: Tensor) -> dict[str, Tensor]:
    margin_P = reward_chosen_P - reward_rejected_P
    return {
        "dpo/reward_chosen": reward_chosen_P.mean(),
        "dpo/reward_rejected": reward_rejected_P.mean(),
        "dpo/margin": margin_P.mean(),
        "dpo/accuracy": (0.5 + 0.5 * torch.sign(margin_P)).mean(),
    }
