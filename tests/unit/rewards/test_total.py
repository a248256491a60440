import math

import pytest

from haechi.rewards.total import RewardWeights, combine

WEIGHTS = RewardWeights(learned=1.0, grounded=0.5, cited=0.25, length=0.1, missing_eos=2.0)
TERMS = {
    "learned": [1.5, -0.5],
    "grounded": [1.0, 0.0],
    "cited": [0.5, 0.0],
    "length": [0.5, 0.0],
    "missing_eos": [0.0, 1.0],
}


def test_total_is_the_sum_of_signed_parts() -> None:
    total, parts = combine(TERMS, WEIGHTS)
    assert parts["learned"] == [1.5, -0.5]
    assert parts["grounded"] == [0.5, 0.0]
    assert parts["cited"] == [0.125, 0.0]
    assert parts["length"] == pytest.approx([-0.05, 0.0])
    assert parts["missing_eos"] == [0.0, -2.0]
    assert total == pytest.approx([1.5 + 0.5 + 0.125 - 0.05, -2.5])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_named_even_without_weight(bad: float) -> None:
    with pytest.raises(ValueError, match=r"grounded is .* index 1"):
        combine({"learned": [0.0, 0.0], "grounded": [1.0, bad]}, RewardWeights())


def test_a_weighted_term_without_values_is_refused() -> None:
    with pytest.raises(ValueError, match="cited have a weight"):
        combine({"learned": [0.0]}, RewardWeights(cited=0.5))


def test_unknown_terms_and_uneven_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown reward terms charm"):
        combine({"learned": [0.0], "charm": [1.0]}, RewardWeights())
    with pytest.raises(ValueError, match="differ in length"):
        combine({"learned": [0.0], "grounded": [1.0, 1.0]}, RewardWeights())


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_weights_are_finite_and_not_negative(weight: float) -> None:
    with pytest.raises(ValueError, match="weight of length"):
        RewardWeights(length=weight)


def test_no_answers_give_no_rewards() -> None:
    assert combine({"learned": []}, RewardWeights()) == ([], {"learned": []})
