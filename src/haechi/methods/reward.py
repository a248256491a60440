"""The reward model: Bradley-Terry loss on pairs of scores, and the scale of the scores afterwards.

Legend: P pairs, A answers. See docs/methods/reward.md.

    P(first better) = sigma(r_first - r_second)                                      (Bradley and Terry, 1952)
    L = -p log sigma(d - m) - (1 - p) log sigma(m - d) + c (r_first + r_second)^2,   d = r_first - r_second

With p = 1, m = 0, c = 0 this is InstructGPT's eq. 1 (arXiv 2203.02155); m is the margin of Llama 2's eq. 2 (arXiv
2307.09288); c is the regulariser of Eisenstein et al. (arXiv 2312.09244) that holds scores near 0, which the
comparisons alone leave free. Soft labels p are ours: with them the margin keeps its sign, so that exchanging the two
answers while p becomes 1 - p and m becomes -m changes nothing. InstructGPT divides the loss of K answers to one prompt
by the number of their pairs; here every pair counts the same unless its weight says otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from haechi.errors import DivergedError


def bradley_terry(
    first_P: Tensor,
    second_P: Tensor,
    *,
    preference_P: Tensor | None = None,
    margin_P: Tensor | None = None,
    weights_P: Tensor | None = None,
    centring: float = 0.0,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of each pair, already multiplied by its weight, and metrics.

    Args:
        first_P: scores of the first answers, the preferred ones unless `preference_P` says otherwise.
        second_P: scores of the second answers.
        preference_P: probability, 0 to 1, that the first answer is the better one; 1 where not given.
        margin_P: by how much the first should win, in units of reward; 0 where not given.
        weights_P: how much each pair counts; 1 where not given.
        centring: strength c of the pull of both scores towards 0 (the paper uses 0.01).

    Returns:
        The losses over P, and `reward/accuracy` (share of pairs that the scores order as the label does; a tie of
        scores counts half; pairs labelled exactly 0.5 have no right order and count half), `reward/margin` (mean
        score of the better minus the worse), `reward/first`, `reward/second` (mean scores). Metrics ignore weights.
    """
    difference_P = first_P - second_P
    label_P = torch.ones_like(difference_P) if preference_P is None else preference_P
    logit_P = difference_P if margin_P is None else difference_P - margin_P
    loss_P = -label_P * logsigmoid(logit_P) - (1 - label_P) * logsigmoid(-logit_P)
    if centring:
        loss_P = loss_P + centring * (first_P + second_P).square()
    if weights_P is not None:
        loss_P = loss_P * weights_P
    return loss_P, _metrics(first_P.detach(), second_P.detach(), label_P)


def _metrics(first_P: Tensor, second_P: Tensor, label_P: Tensor) -> dict[str, Tensor]:
    towards_P = torch.sign(label_P - 0.5) * (first_P - second_P)
    return {
        "reward/accuracy": (0.5 + 0.5 * torch.sign(towards_P)).mean(),
        "reward/margin": towards_P.mean(),
        "reward/first": first_P.mean(),
        "reward/second": second_P.mean(),
    }


@dataclass(frozen=True, slots=True)
class Normalisation:
    """The scale of a reward model's raw scores: `mean` and population standard deviation `std`, in raw units."""

    mean: float
    std: float

    def apply(self, scores_A: Tensor) -> Tensor:
        """Scores with mean 0 and standard deviation 1 over the answers that `normalisation` saw."""
        return (scores_A - self.mean) / self.std


def normalisation(scores_A: Tensor) -> Normalisation:
    """The scale of the scores of the reference policy's own answers (Ziegler et al., arXiv 1909.08593, section 2.1).

    Bradley-Terry fixes score differences only; without this step the KL coefficient would mean something else for
    every reward model.

    Raises:
        DivergedError: the scores are not finite, or all the same, so there is no scale.
    """
    scores_A = scores_A.detach().double()
    mean, std = scores_A.mean().item(), scores_A.std(correction=0).item()
    if not (math.isfinite(mean) and math.isfinite(std)) or std <= 1e-8 * max(1.0, abs(mean)):
        raise DivergedError(
            f"the reward model's scores of {scores_A.numel()} reference answers have mean {mean:.3g} and standard "
            f"deviation {std:.3g}: it does not tell answers apart. Train it longer or check the preferences."
        )
    return Normalisation(mean, std)
