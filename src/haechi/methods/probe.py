"""First weights of a reward head: what comparisons say, as far as frozen states know it.

Legend: A answers, P pairs of them, D features of an answer (its state, and what stands beside it), R <= D directions.

A head that starts at random pulls the layers below it about before it means anything. The best linear head on the
states as they are is a convex problem; training that begins there keeps what the states know (linear probing, then
fine-tuning: Kumar et al. 2022, arXiv 2202.10054). It is Bradley and Terry's model with a penalty,

    w = argmin mean_P[ -log sigma(w.z_first - w.z_second) ] + lambda sum_d (n_d / D) w_d^2

where z are the standardised features and n_d is the size of the group that d belongs to: hundreds of dimensions of a
state overfit a few hundred pairs, a handful of numbers beside it does not. (The price is ours; the group lasso,
Yuan and Lin 2006, weighs its norms by the root of the size.) lambda is the one that orders the comparisons on left-out
topics best: a reward is scaled afterwards, its order is what counts; and another question on the same page is not new.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from haechi.errors import DivergedError

_FOLDS = 10
_PENALTIES = tuple(10 ** (exponent / 2) for exponent in range(2, -7, -1))  # lambda, the strictest first
_STEPS = 50  # of Newton's method
_FLAT = 1e-8  # a gradient that is 0
_SHORT = 1e-8  # a step that is 0
_CONSTANT = 1e-6  # spread of a feature, relative to its size, that is rounding


@dataclass(frozen=True, slots=True)
class Probe:
    """A linear reward.

    Attributes:
        weight: one a feature [D]; the reward of an answer is the product with them, up to a constant.
        accuracy: share of the comparisons on topics left out that are ordered as told, by the best of the penalties; a
            tie counts half. None where all comparisons are on one topic.
        penalty: lambda.
    """

    weight: Tensor
    accuracy: float | None
    penalty: float


@torch.no_grad()
def fit_probe(
    features_AD: Tensor,
    pairs_P2: Tensor,
    topics_P: Tensor,
    *,
    groups: Sequence[int],
    label_smoothing: float = 0.0,
    weights_P: Tensor | None = None,
    on_fold: Callable[[], None] | None = None,
) -> Probe:
    """The linear reward that explains some comparisons best.

    Args:
        features_AD: what is known of each answer.
        pairs_P2: the chosen and the rejected answer of each pair.
        topics_P: a number for the topic of each pair; a topic is left out as a whole.
        groups: sizes of the groups of features, in their order; they add up to D.
        label_smoothing: assumed share of wrong comparisons.
        weights_P: how much each pair counts; 1 where not given.
        on_fold: called before each fold, and may raise to stop.

    Raises:
        ValueError: the groups are not the features, or there is no pair.
        DivergedError: a feature is not finite.
    """
    if sum(groups) != features_AD.shape[1] or not len(pairs_P2):
        raise ValueError(f"groups {list(groups)} of {features_AD.shape[1]} features, {len(pairs_P2)} pairs")
    if not torch.isfinite(features_AD).all():
        raise DivergedError("the states that the reward model begins with are not finite. Fix: run sft again.")
    features_AD = features_AD.double()
    spread_D = features_AD.std(0, correction=0)
    # A feature that never changes says nothing, whatever its last bit: it gets the weight 0.
    spread_D[spread_D <= _CONSTANT * features_AD.abs().amax(0)] = torch.inf
    price_D = torch.cat([torch.full((size,), size / sum(groups)) for size in groups]).double()
    # In units of its price every direction costs the same.
    scale_D = spread_D * price_D.sqrt()
    difference_PD = (features_AD[pairs_P2[:, 0]] - features_AD[pairs_P2[:, 1]]) / scale_D
    weights_P = (torch.ones(len(pairs_P2)) if weights_P is None else weights_P).double()

    penalty, accuracy = _best_penalty(difference_PD, weights_P, topics_P, label_smoothing, on_fold)
    weight_D = _optimum(difference_PD, weights_P, [penalty], label_smoothing)[0] / scale_D
    return Probe(weight_D.float(), accuracy, penalty)


def _best_penalty(
    difference_PD: Tensor,
    weights_P: Tensor,
    topics_P: Tensor,
    label_smoothing: float,
    on_fold: Callable[[], None] | None,
) -> tuple[float, float | None]:
    """The penalty whose rewards order most comparisons on topics left out, and their share; of equals the strictest."""
    folds_P = torch.unique(topics_P, return_inverse=True)[1] % _FOLDS
    folds = folds_P.unique().tolist()
    if len(folds) == 1:
        return _PENALTIES[0], None
    right = torch.zeros(len(_PENALTIES)).double()
    for fold in folds:
        if on_fold is not None:
            on_fold()
        out_P = folds_P == fold
        optima = _optimum(difference_PD[~out_P], weights_P[~out_P], _PENALTIES, label_smoothing)
        for number, weight_D in enumerate(optima):
            right[number] += weights_P[out_P] @ (0.5 + 0.5 * (difference_PD[out_P] @ weight_D).sign())
    best = int(right.argmax())
    return _PENALTIES[best], float(right[best] / weights_P.sum())


def _optimum(
    difference_PD: Tensor, weights_P: Tensor, penalties: Sequence[float], label_smoothing: float
) -> list[Tensor]:
    """The best weights [D] by each penalty, from the strictest on: each is where the next begins.

    They lie in the span of the differences, so where pairs are fewer than features it is there that they are sought.
    """
    basis_DR = torch.linalg.qr(difference_PD.T)[0] if len(difference_PD) < difference_PD.shape[1] else None
    difference_PR = difference_PD if basis_DR is None else difference_PD @ basis_DR
    share_P = weights_P / weights_P.sum().clamp(min=1e-8)  # all may be of no weight where a topic is left out
    weight_R = difference_PR.new_zeros(difference_PR.shape[1])
    found = []
    for penalty in penalties:
        weight_R = _newton(difference_PR, share_P, penalty, label_smoothing, start_R=weight_R)
        found.append(weight_R if basis_DR is None else basis_DR @ weight_R)
    return found


def _newton(
    difference_PR: Tensor, share_P: Tensor, penalty: float, label_smoothing: float, *, start_R: Tensor
) -> Tensor:
    """The minimum of share_P @ loss_P + penalty |w|^2 by Newton's method; steps that do not lead down are halved."""

    def loss(weight_R: Tensor) -> Tensor:
        reward_P = difference_PR @ weight_R
        losses_P = -(1 - label_smoothing) * logsigmoid(reward_P) - label_smoothing * logsigmoid(-reward_P)
        return share_P @ losses_P + penalty * weight_R.square().sum()

    weight_R = start_R
    for _ in range(_STEPS):
        chance_P = torch.sigmoid(difference_PR @ weight_R)
        gradient_R = difference_PR.T @ (share_P * (chance_P - (1 - label_smoothing))) + 2 * penalty * weight_R
        if gradient_R.abs().max() < _FLAT:
            break
        hessian_RR = (difference_PR.T * (share_P * chance_P * (1 - chance_P))) @ difference_PR
        hessian_RR.diagonal().add_(2 * penalty)
        step_R, now = torch.linalg.solve(hessian_RR, gradient_R), loss(weight_R)
        while loss(weight_R - step_R) > now and step_R.abs().max() > _SHORT:
            step_R = step_R / 2
        weight_R = weight_R - step_R
    return weight_R
