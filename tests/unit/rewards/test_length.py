import pytest

from haechi.rewards.length import length_penalty


@pytest.mark.parametrize(("length", "penalty"), [(0, 0.0), (40, 0.0), (41, 0.025), (60, 0.5), (80, 1.0), (400, 1.0)])
def test_linear_above_the_budget_and_capped(length: int, penalty: float) -> None:
    assert length_penalty(length, 40) == pytest.approx(penalty)


def test_the_cap_can_be_set() -> None:
    assert length_penalty(400, 40, cap=3.0) == 3.0


@pytest.mark.parametrize(("length", "budget", "cap"), [(-1, 40, 1.0), (10, 0, 1.0), (10, 40, 0.0)])
def test_values_without_meaning_are_refused(length: int, budget: int, cap: float) -> None:
    with pytest.raises(ValueError, match=f"length {length}, budget {budget}"):
        length_penalty(length, budget, cap)
