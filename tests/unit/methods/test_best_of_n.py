import itertools
import math

import pytest
import torch

from haechi.methods.best_of_n import best_of_n, kl_bound


def test_picks_the_best_of_each_group():
    scores = torch.tensor([0.1, -3.0, 0.7, -1.0, -2.0, 0.2])
    assert best_of_n(scores, torch.tensor([0, 1, 0, 1, 1, 0]), 2).tolist() == [2, 3]


def test_the_first_of_equals_wins_every_time():
    scores, groups = torch.ones(4000), torch.arange(4000) % 2
    assert best_of_n(scores, groups, 2).tolist() == [0, 1]
    assert best_of_n(torch.tensor([0.0, 2.0, 2.0, 2.0]), torch.zeros(4, dtype=torch.long), 1).tolist() == [1]


def test_infinite_scores_are_scores():
    scores = torch.tensor([-math.inf, -math.inf, math.inf, 5.0])
    assert best_of_n(scores, torch.tensor([0, 0, 1, 1]), 2).tolist() == [0, 2]


def test_what_cannot_be_ranked_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        best_of_n(torch.tensor([1.0, math.nan]), torch.tensor([0, 0]), 1)
    with pytest.raises(ValueError, match="no answer"):
        best_of_n(torch.tensor([1.0, 2.0]), torch.tensor([0, 2]), 3)


def test_kl_of_best_of_n_by_enumerating_every_draw():
    """All 9 draws of 2 from 3 equally likely answers: the best is drawn 1, 3 and 5 times."""
    draws = torch.tensor(list(itertools.product([0.0, 1.0, 2.0], repeat=2))).flatten()
    winners = draws[best_of_n(draws, torch.arange(9).repeat_interleave(2), 9)]
    assert winners.long().bincount().tolist() == [1, 3, 5]
    exact = sum(count / 9 * math.log(count / 9 / (1 / 3)) for count in (1, 3, 5))
    assert exact < kl_bound(2)


def test_kl_bound_is_tight_for_many_answers_and_zero_for_one_draw():
    assert kl_bound(1) == 0.0
    assert math.isclose(kl_bound(4), math.log(4) - 3 / 4)
    answers = 5000
    chances = [((i + 1) ** 4 - i**4) / answers**4 for i in range(answers)]
    exact = sum(chance * math.log(chance * answers) for chance in chances)
    assert exact < kl_bound(4) < exact + 1e-3
