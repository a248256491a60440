"""The reward head's first weights: the penalised optimum, chosen on questions left out."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from haechi.errors import DivergedError
from haechi.methods.probe import _PENALTIES, _newton, fit_probe


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def compared(features_AD: Tensor, reward_A: Tensor, a_question: int = 4) -> tuple[Tensor, Tensor]:
    """All pairs among the answers to each question, the better one first, and the questions' numbers."""
    pairs, questions = [], []
    for start in range(0, len(features_AD), a_question):
        for i in range(start, start + a_question):
            for j in range(start, start + a_question):
                if reward_A[i] > reward_A[j]:
                    pairs.append((i, j))
                    questions.append(start)
    return torch.tensor(pairs), torch.tensor(questions)


def test_a_linear_reward_is_found_again_whatever_the_scales() -> None:
    features, weight = drawn(400, 3) * torch.tensor([1.0, 100.0, 0.01]) + 5, torch.tensor([2.0, -0.01, 100.0])
    pairs, questions = compared(features, features @ weight.double())
    found = fit_probe(features.float(), pairs, questions, groups=[3])
    assert torch.nn.functional.cosine_similarity(found.weight * features.std(0), weight * features.std(0), dim=0) > 0.99
    assert found.accuracy is not None and found.accuracy > 0.97


def gradient(x: Tensor, w: Tensor, share: Tensor, penalty: Tensor | float, smoothing: float) -> Tensor:
    """d/dw of Σ share (-(1-s) log σ(x·w) - s log σ(-x·w)) + Σ λ_d w_d², by hand."""
    return (share * (torch.sigmoid(x @ w) - (1 - smoothing))) @ x + 2 * penalty * w


def test_the_optimum_has_no_gradient() -> None:
    x, share = drawn(60, 4), drawn(60, seed=1).abs() + 0.1
    for smoothing in (0.0, 0.2):
        w = _newton(x, share, 0.1, smoothing, start_R=drawn(4, seed=2))
        assert gradient(x, w, share, 0.1, smoothing).abs().max() < 1e-7
        assert w.abs().max() > 0.01


def test_a_step_that_overshoots_is_halved() -> None:
    """One certain pair, from where the curve is flat: σ(30)(1 - σ(30)) is 1e-13, and a whole step goes 1e5 too far."""
    w = _newton(torch.ones(1, 1).double(), torch.ones(1).double(), 1e-8, 0.3, start_R=torch.full((1,), 30.0).double())
    assert w.item() == pytest.approx(math.log(0.7 / 0.3), rel=1e-4)


def test_what_is_found_is_the_optimum_of_the_docstring() -> None:
    """On the standardised features, at the price n / D of each group; also with fewer pairs than features."""
    for answers, in_states in ((200, 6), (24, 40)):
        features = drawn(answers, in_states + 2) * torch.linspace(0.5, 4, in_states + 2) + 3
        pairs, questions = compared(features, features[:, 0] + features[:, -1] + drawn(answers, seed=8), a_question=2)
        weights = drawn(len(pairs), seed=9).abs() + 0.1
        for smoothing in (0.0, 0.3):
            found = fit_probe(features, pairs, questions, groups=[in_states, 2], label_smoothing=smoothing,
                              weights_P=weights)  # fmt: skip
            spread = features.std(0, correction=0)
            z, w = features / spread, found.weight * spread
            price = torch.tensor([in_states / (in_states + 2)] * in_states + [2 / (in_states + 2)] * 2)
            x, share = z[pairs[:, 0]] - z[pairs[:, 1]], weights / weights.sum()
            slope = gradient(x, w, share, found.penalty * price, smoothing)
            assert slope.abs().max() < 1e-6 < 1e-3 < w.abs().max()


def test_the_penalty_is_chosen_by_what_is_fitted_with_the_same_doubts() -> None:
    """Left-out accuracy, computed again by plain loops from optima with and without smoothing."""
    features = drawn(48, 6)
    pairs, questions = compared(features, features[:, 0] + 1.5 * drawn(48, seed=4), a_question=2)
    accuracies = []
    for smoothing in (0.0, 0.4):
        best = 0.0
        for penalty in _PENALTIES:
            right = 0.0
            for fold in range(10):
                out = (questions // 2) % 10 == fold
                z = (features[pairs[:, 0]] - features[pairs[:, 1]]) / features.std(0, correction=0)
                share = torch.ones(int((~out).sum())).double() / int((~out).sum())
                w = _newton(z[~out], share, penalty, smoothing, start_R=torch.zeros(6).double())
                right += float((z[out] @ w > 0).sum())
            best = max(best, right / len(pairs))
        found = fit_probe(features, pairs, questions, groups=[6], label_smoothing=smoothing)
        assert found.accuracy == pytest.approx(best)
        accuracies.append(best)
    assert accuracies[0] != accuracies[1]


def test_labels_that_err_are_believed_less() -> None:
    features = drawn(80, 2)
    pairs, questions = compared(features, features[:, 0])
    sure, doubted = (fit_probe(features, pairs, questions, groups=[2], label_smoothing=s).weight for s in (0.0, 0.3))
    assert 0 < doubted[0] < 0.7 * sure[0]


def test_what_only_tells_questions_apart_is_not_believed() -> None:
    """Sixty numbers of chance fit most of eighty pairs; on questions left out they are worth a coin, though every pair
    is told four times."""
    features, reward = drawn(160, 60), drawn(160, seed=3)
    pairs, questions = (told.repeat_interleave(4, dim=0) for told in compared(features, reward, a_question=2))
    found = fit_probe(features, pairs, questions, groups=[60])
    by_heart = features.float() @ found.weight
    assert (by_heart[pairs[:, 0]] > by_heart[pairs[:, 1]]).float().mean() > 0.8
    assert found.accuracy is not None and found.accuracy < 0.65


def test_the_penalty_is_the_one_that_serves_new_questions_best() -> None:
    """One number of sixty tells something: with hardly a penalty the others, known by heart, drown it."""
    features = drawn(160, 60)
    pairs, questions = compared(features, features[:, 0] + 0.2 * drawn(160, seed=7), a_question=2)
    found = fit_probe(features, pairs, questions, groups=[60])
    assert found.penalty >= 0.1 and found.accuracy is not None and found.accuracy > 0.75


def test_a_small_group_costs_less_than_a_large_one() -> None:
    """The same number in a group of its own and among forty: the first takes nearly all of the weight."""
    signal = drawn(200, 1)
    features = torch.cat([signal, drawn(200, 39, seed=5), signal], dim=1)
    pairs, questions = compared(features, signal[:, 0] + 0.3 * drawn(200, seed=6))
    found = fit_probe(features, pairs, questions, groups=[40, 1])
    assert found.weight[40] > 20 * found.weight[0] > 0


def test_pairs_of_no_weight_say_nothing() -> None:
    features = drawn(120, 3)
    pairs, questions = compared(features, features[:, 0])
    wrong = pairs.flip(1)
    weights = torch.cat([torch.ones(len(pairs)), torch.zeros(len(wrong))])
    both = fit_probe(features, torch.cat([pairs, wrong]), questions.repeat(2), groups=[3], weights_P=weights)
    alone = fit_probe(features, pairs, questions, groups=[3])
    assert torch.allclose(both.weight, alone.weight, rtol=1e-3) and both.accuracy == pytest.approx(alone.accuracy)
    assert fit_probe(features, wrong, questions, groups=[3]).weight[0] < 0


def test_a_topic_may_have_all_the_weight() -> None:
    features = drawn(8, 2)
    pairs, questions = compared(features, features[:, 0])
    found = fit_probe(features, pairs, questions, groups=[2], weights_P=(questions == 0).double())
    assert found.weight[0] > 0 and found.accuracy == 0.5, "nothing is left to learn from, so nothing is known"


def test_one_topic_is_too_little_to_choose_by() -> None:
    features = drawn(4, 2)
    pairs, questions = compared(features, features[:, 0])
    found = fit_probe(features, pairs, questions, groups=[2])
    assert found.penalty == max(_PENALTIES) and found.accuracy is None and torch.isfinite(found.weight).all()


def test_a_feature_that_never_changes_gets_no_weight() -> None:
    """Nor one that changes by the last bit of its float32."""
    features = drawn(80, 3)
    features[:, 1] = 0.25
    features[:, 2] = 1000 + 1000 * 2.0**-23 * (features[:, 0] > 0)
    found = fit_probe(features, *compared(features, features[:, 0]), groups=[1, 2])
    assert found.weight[0] > 0.05 and found.weight[1:].tolist() == [0, 0]


def test_states_that_are_not_finite_are_refused() -> None:
    features = drawn(4, 2)
    features[1, 1] = torch.nan
    with pytest.raises(DivergedError, match="not finite"):
        fit_probe(features, torch.tensor([[0, 2]]), torch.tensor([0]), groups=[2])


def test_each_fold_may_stop_it() -> None:
    features = drawn(80, 2)
    pairs, questions = compared(features, features[:, 0])
    calls: list[None] = []
    fit_probe(features, pairs, questions, groups=[2], on_fold=lambda: calls.append(None))
    assert len(calls) == 10


def test_groups_and_pairs_are_checked() -> None:
    features = drawn(4, 2)
    with pytest.raises(ValueError, match="groups"):
        fit_probe(features, torch.tensor([[0, 1]]), torch.tensor([0]), groups=[3])
    with pytest.raises(ValueError, match="0 pairs"):
        fit_probe(features, torch.zeros(0, 2, dtype=torch.long), torch.zeros(0), groups=[2])
