"""The reward head's first weights: the penalised optimum, chosen on questions left out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from haechi.methods.probe import _FOLDS, _PENALTIES, _solve, fit_probe


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def compared(known_AD: Tensor, reward_A: Tensor, a_question: int = 4) -> tuple[Tensor, Tensor]:
    """All pairs among the answers to each question, the better one first, and the questions' numbers."""
    pairs, questions = [], []
    for start in range(0, len(known_AD), a_question):
        for i in range(start, start + a_question):
            for j in range(start, start + a_question):
                if reward_A[i] > reward_A[j]:
                    pairs.append((i, j))
                    questions.append(start)
    return torch.tensor(pairs), torch.tensor(questions)


def test_a_linear_reward_is_found_again_whatever_the_scales() -> None:
    known, weight = drawn(400, 3) * torch.tensor([1.0, 100.0, 0.01]) + 5, torch.tensor([2.0, -0.01, 100.0])
    pairs, questions = compared(known, known @ weight.double())
    found = fit_probe(known.float(), pairs, questions, groups=[3])
    assert torch.nn.functional.cosine_similarity(found.weight_D * known.std(0), weight * known.std(0), dim=0) > 0.99
    assert found.accuracy > 0.97


def test_the_optimum_has_no_gradient() -> None:
    """d/dw of the weighted mean of -(1-s) log σ(x·w) - s log σ(-x·w), and of Σ λ_d w_d², by hand."""
    x, weights, penalty = drawn(60, 4), drawn(60, seed=1).abs() + 0.1, torch.tensor([0.01, 0.1, 0.5, 2.0]).double()
    for smoothing in (0.0, 0.2):
        w = _solve(x, weights, penalty, smoothing, start_D=drawn(4, seed=2))
        slope = torch.sigmoid(x @ w) - (1 - smoothing)
        gradient = (weights * slope) @ x / weights.sum() + 2 * penalty * w
        assert gradient.abs().max() < 1e-5
        assert w.abs().max() > 0.01


def test_labels_that_err_are_believed_less() -> None:
    known = drawn(80, 2)
    pairs, questions = compared(known, known[:, 0])
    sure, doubted = (fit_probe(known, pairs, questions, groups=[2], label_smoothing=s).weight_D for s in (0.0, 0.3))
    assert 0 < doubted[0] < 0.7 * sure[0]


def test_what_only_tells_questions_apart_is_not_believed() -> None:
    """Sixty numbers of chance fit most of eighty pairs; on questions left out they are worth a coin, though every pair
    is told four times."""
    known, reward = drawn(160, 60), drawn(160, seed=3)
    pairs, questions = (told.repeat_interleave(4, dim=0) for told in compared(known, reward, a_question=2))
    found = fit_probe(known, pairs, questions, groups=[60])
    by_heart = known.float() @ found.weight_D
    assert (by_heart[pairs[:, 0]] > by_heart[pairs[:, 1]]).float().mean() > 0.8
    assert found.accuracy < 0.65


def test_the_penalty_is_the_one_that_serves_new_questions_best() -> None:
    """One number of sixty tells something: with hardly a penalty the others, known by heart, drown it."""
    known = drawn(160, 60)
    pairs, questions = compared(known, known[:, 0] + 0.2 * drawn(160, seed=7), a_question=2)
    found = fit_probe(known, pairs, questions, groups=[60])
    assert found.penalty >= 0.1 and found.accuracy > 0.75


def test_a_small_group_costs_less_than_a_large_one() -> None:
    """The same number in a group of its own and among forty: the first takes nearly all of the weight."""
    signal = drawn(200, 1)
    known = torch.cat([signal, drawn(200, 39, seed=5), signal], dim=1)
    pairs, questions = compared(known, signal[:, 0] + 0.3 * drawn(200, seed=6))
    found = fit_probe(known, pairs, questions, groups=[40, 1])
    assert found.weight_D[40] > 20 * found.weight_D[0] > 0


def test_pairs_of_no_weight_say_nothing() -> None:
    known = drawn(120, 3)
    pairs, questions = compared(known, known[:, 0])
    wrong = pairs.flip(1)
    weights = torch.cat([torch.ones(len(pairs)), torch.zeros(len(wrong))])
    both = fit_probe(known, torch.cat([pairs, wrong]), questions.repeat(2), groups=[3], weights_P=weights)
    alone = fit_probe(known, pairs, questions, groups=[3])
    assert torch.allclose(both.weight_D, alone.weight_D, rtol=1e-3) and both.accuracy == pytest.approx(alone.accuracy)
    assert fit_probe(known, wrong, questions, groups=[3]).weight_D[0] < 0


def test_one_question_is_too_little_to_choose_by() -> None:
    known = drawn(4, 2)
    pairs, questions = compared(known, known[:, 0])
    found = fit_probe(known, pairs, questions, groups=[2])
    assert found.penalty == max(_PENALTIES) and found.accuracy == 0 and torch.isfinite(found.weight_D).all()


def test_a_number_that_never_changes_gets_no_weight() -> None:
    known = drawn(80, 2)
    known[:, 1] = 0.25
    pairs, questions = compared(known, known[:, 0])
    assert fit_probe(known, pairs, questions, groups=[1, 1]).weight_D[1] == 0


def test_groups_and_pairs_are_checked() -> None:
    known = drawn(4, 2)
    with pytest.raises(ValueError, match="groups"):
        fit_probe(known, torch.tensor([[0, 1]]), torch.tensor([0]), groups=[3])
    with pytest.raises(ValueError, match="0 pairs"):
        fit_probe(known, torch.zeros(0, 2, dtype=torch.long), torch.zeros(0), groups=[2])


def test_penalties_and_folds() -> None:
    assert _FOLDS == 10 and _PENALTIES[0] == 10 and _PENALTIES[-1] == 1e-3
