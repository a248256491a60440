"""First weights of a value head: ridge regression of returns on the policy's hidden states.

Legend: N answer tokens, D width.

An advantage is a return less a value. A head that starts at zero and learns at the policy's rate explains nothing for
hundreds of updates, more than a small run has; until then how hard a prompt is counts as what an answer did. The best
linear head for the policy as it stands has a closed form:

    w = argmin sum_t (R_t - w·z_t - b)^2 + lambda ||w||^2        (Hoerl and Kennard 1970; z standardised states)

lambda is the one that predicts returns on prompts left out best: the tokens of a prompt share one return or nearly so,
and folds that cut through prompts would choose a head that knows them by heart.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_FOLDS = 5
_PENALTIES = tuple(10 ** (exponent / 2) for exponent in range(-8, 9))  # lambda as a multiple of N


@dataclass(frozen=True, slots=True)
class ValueFit:
    """A linear value head.

    Attributes:
        weight_D, bias: value = weight · state + bias.
        explained_variance: of the returns on prompts left out; 0 if no state says anything of them (the head is then
            their mean).
    """

    weight_D: Tensor
    bias: float
    explained_variance: float


@torch.no_grad()
def fit_values(states_ND: Tensor, returns_N: Tensor, prompts_N: Tensor) -> ValueFit:
    """The head for some tokens' states and returns.

    Args:
        prompts_N: a number for the prompt that each token answers.
    """
    mean_D, scale_D = states_ND.double().mean(0), states_ND.double().std(0, correction=0).clamp(min=1e-8)
    z_ND, returns_N = (states_ND.double() - mean_D) / scale_D, returns_N.double()
    folds_N = torch.unique(prompts_N, return_inverse=True)[1] % _FOLDS
    error = dict.fromkeys(_PENALTIES, 0.0)
    for fold in folds_N.unique():
        left_out_N = folds_N == fold
        for penalty, (weight_D, bias) in _ridge(z_ND[~left_out_N], returns_N[~left_out_N]).items():
            predicted_N = z_ND[left_out_N] @ weight_D + bias
            error[penalty] += float((returns_N[left_out_N] - predicted_N).square().sum())
    best = min(error, key=lambda penalty: error[penalty])
    spread = float((returns_N - returns_N.mean()).square().sum())
    explained = 1 - error[best] / spread if spread else 0.0
    if not explained > 0:  # also where a single fold left nothing to learn from, and the error is not a number
        return ValueFit(torch.zeros(states_ND.shape[1]), float(returns_N.mean()), 0.0)
    weight_D, bias = _ridge(z_ND, returns_N)[best]
    weight_D = weight_D / scale_D
    return ValueFit(weight_D.float(), float(bias - weight_D @ mean_D), explained)


def _ridge(z_ND: Tensor, returns_N: Tensor) -> dict[float, tuple[Tensor, Tensor]]:
    """By penalty the weights and the bias, which is not penalised; one decomposition serves all penalties."""
    middle_D, mean = z_ND.mean(0), returns_N.mean()
    centred_ND = z_ND - middle_D
    values_D, vectors_DD = torch.linalg.eigh(centred_ND.T @ centred_ND)
    projected_D = vectors_DD.T @ (centred_ND.T @ (returns_N - mean))
    found = {}
    for penalty in _PENALTIES:
        weight_D = vectors_DD @ (projected_D / (values_D.clamp(min=0) + penalty * max(len(z_ND), 1)))
        found[penalty] = weight_D, mean - weight_D @ middle_D
    return found
