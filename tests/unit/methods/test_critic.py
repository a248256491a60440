"""The value head's first weights: exact where returns are linear in the states, modest where they are not."""

from __future__ import annotations

import torch
from torch import Tensor

from haechi.methods.critic import _FOLDS, _PENALTIES, _ridge, fit_values


def drawn(count: int, width: int, seed: int = 0) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_linear_returns_are_found_again() -> None:
    states, weight = drawn(600, 5) * torch.tensor([1.0, 3.0, 0.1, 20.0, 1.0]) + 4, torch.tensor([2.0, -1, 5, 0.1, 0])
    returns = states @ weight.double() - 7
    fit = fit_values(states.float(), returns.float(), torch.arange(600))
    assert torch.allclose(states.float() @ fit.weight_D + fit.bias, returns.float(), atol=5e-3)
    assert fit.explained_variance > 0.999


def test_ridge_solves_the_normal_equations() -> None:
    """Against the textbook's form, with a column of ones that is not penalised."""
    states, returns = drawn(40, 4), drawn(40, 1, seed=1)[:, 0]
    ones = torch.cat([states, torch.ones(40, 1, dtype=torch.float64)], dim=1)
    for penalty, (weight, bias) in _ridge(states, returns).items():
        shrunk = torch.diag(torch.tensor([penalty * 40] * 4 + [0.0], dtype=torch.float64))
        expected = torch.linalg.solve(ones.T @ ones + shrunk, ones.T @ returns)
        assert torch.allclose(torch.cat([weight, bias[None]]), expected, atol=1e-10)


def test_what_only_tells_prompts_apart_explains_nothing() -> None:
    """Each prompt has a state and a return of its own, repeated for its tokens: known by heart, useless elsewhere."""
    states, returns = drawn(60, 30).repeat_interleave(8, dim=0), drawn(60, 1, seed=2)[:, 0].repeat_interleave(8)
    prompts = torch.arange(60).repeat_interleave(8)
    by_heart = fit_values(states, returns, torch.arange(480))
    assert by_heart.explained_variance > 0.3
    fit = fit_values(states, returns, prompts)
    assert fit.explained_variance < 0.05
    assert fit.weight_D.norm() < by_heart.weight_D.norm() / 5


def test_returns_that_nothing_explains_get_their_mean() -> None:
    fit = fit_values(drawn(50, 6), torch.full((50,), 1.5), torch.arange(50))
    assert fit.weight_D.tolist() == [0.0] * 6 and (fit.bias, fit.explained_variance) == (1.5, 0.0)


def test_one_prompt_leaves_nothing_to_learn_from() -> None:
    fit = fit_values(drawn(20, 3), drawn(20, 1, seed=4)[:, 0], torch.zeros(20, dtype=torch.long))
    assert fit.weight_D.tolist() == [0.0] * 3 and fit.explained_variance == 0.0


def test_states_that_never_change_do_no_harm() -> None:
    states = drawn(200, 3)
    states[:, 1] = 0.25
    fit = fit_values(states, states[:, 0] * 2, torch.arange(200))
    assert torch.isfinite(fit.weight_D).all() and fit.explained_variance > 0.99


def test_penalties_and_folds() -> None:
    assert _FOLDS == 5 and _PENALTIES[0] == 1e-4 and _PENALTIES[-1] == 1e4
