"""First weights of a reward head: what comparisons say, as far as frozen states know it.

Legend: A answers, P pairs of them, D numbers known of an answer (its state, and what stands beside it).

A head that starts at random pulls the layers below it about before it means anything. The best linear head on the
states as they are is a convex problem; training that begins there keeps what the states know (linear probing, then
fine-tuning: Kumar et al. 2022, arXiv 2202.10054). It is Bradley and Terry's model with a penalty,

    w = argmin mean_P[ -log sigma(w.z_first - w.z_second) ] + lambda sum_d (n_d / D) w_d^2

where z are the standardised numbers and n_d is the size of the group that d belongs to: hundreds of dimensions of a
state overfit a few hundred pairs, a handful of numbers beside it does not. (The group's size as its price is ours; the
group lasso has its root.) lambda is the one that orders the comparisons of left-out questions best: a reward
is scaled afterwards, its order is what counts; and a question that is asked again with other passages is not new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

_FOLDS = 10
_PENALTIES = tuple(10 ** (exponent / 2) for exponent in range(2, -7, -1))  # lambda, the strictest first
_STEPS = 50
_FLAT = 1e-8


@dataclass(frozen=True, slots=True)
class Probe:
    """A linear reward.

    Attributes:
        weight_D: the reward of an answer is the product with its numbers, up to a constant.
        accuracy: share of the comparisons on questions left out that it orders as told; a tie counts half.
        penalty: lambda.
    """

    weight_D: Tensor
    accuracy: float
    penalty: float


@torch.no_grad()
def fit_probe(
    known_AD: Tensor,
    pairs_P2: Tensor,
    questions_P: Tensor,
    *,
    groups: Sequence[int],
    label_smoothing: float = 0.0,
    weights_P: Tensor | None = None,
) -> Probe:
    """The linear reward that explains some comparisons best.

    Args:
        known_AD: what is known of each answer.
        pairs_P2: the chosen and the rejected answer of each pair.
        questions_P: a number for the question of each pair.
        groups: sizes of the groups of numbers, in their order; they add up to D.
        label_smoothing: assumed share of wrong comparisons.
        weights_P: how much each pair counts; 1 where not given.

    Raises:
        ValueError: the groups are not the numbers, or there is no pair.
    """
    if sum(groups) != known_AD.shape[1] or not len(pairs_P2):
        raise ValueError(f"groups {list(groups)} of {known_AD.shape[1]} numbers, {len(pairs_P2)} pairs")
    known_AD = known_AD.double()
    scale_D = known_AD.std(0, correction=0).clamp(min=1e-8)
    z_AD = (known_AD - known_AD.mean(0)) / scale_D
    difference_PD = z_AD[pairs_P2[:, 0]] - z_AD[pairs_P2[:, 1]]
    price_D = torch.cat([torch.full((size,), size / sum(groups)) for size in groups]).double()
    weights_P = torch.ones(len(pairs_P2)) if weights_P is None else weights_P
    weights_P = weights_P.double()

    folds_P = torch.unique(questions_P, return_inverse=True)[1] % _FOLDS
    right = dict.fromkeys(_PENALTIES, 0.0)
    for fold in folds_P.unique() if len(folds_P.unique()) > 1 else ():
        out_P = folds_P == fold
        weight_D = torch.zeros_like(price_D)
        for penalty in _PENALTIES:
            # Each solution is where the next begins.
            weight_D = _solve(
                difference_PD[~out_P], weights_P[~out_P], penalty * price_D, label_smoothing, start_D=weight_D
            )
            sign_P = (difference_PD[out_P] @ weight_D).sign()
            right[penalty] += float((weights_P[out_P] * (0.5 + 0.5 * sign_P)).sum())
    best = max(_PENALTIES, key=lambda penalty: right[penalty])  # of equals the strictest, which comes first
    weight_D = _solve(difference_PD, weights_P, best * price_D, label_smoothing, start_D=torch.zeros_like(price_D))
    return Probe((weight_D / scale_D).float(), right[best] / float(weights_P.sum()), best)


def _solve(
    difference_PD: Tensor, weights_P: Tensor, penalty_D: Tensor, label_smoothing: float, *, start_D: Tensor
) -> Tensor:
    """The minimum, by Newton's method; a step that does not lead down is halved."""
    share_P = weights_P / weights_P.sum().clamp(min=1e-8)

    def loss(weight_D: Tensor) -> Tensor:
        reward_P = difference_PD @ weight_D
        losses_P = -(1 - label_smoothing) * logsigmoid(reward_P) - label_smoothing * logsigmoid(-reward_P)
        return share_P @ losses_P + penalty_D @ weight_D.square()

    weight_D = start_D
    for _ in range(_STEPS):
        chance_P = torch.sigmoid(difference_PD @ weight_D)
        gradient_D = difference_PD.T @ (share_P * (chance_P - (1 - label_smoothing))) + 2 * penalty_D * weight_D
        if gradient_D.abs().max() < _FLAT:
            break
        curvature_P = share_P * chance_P * (1 - chance_P)
        hessian_DD = (difference_PD.T * curvature_P) @ difference_PD + torch.diag(2 * penalty_D)
        step_D, now = torch.linalg.solve(hessian_DD, gradient_D), loss(weight_D)
        while loss(weight_D - step_D) > now and step_D.abs().max() > _FLAT:
            step_D = step_D / 2
        weight_D = weight_D - step_D
    return weight_D
