import pytest

from haechi.evaluate.abstention import abstention


def test_values_of_a_confusion_table() -> None:
    # 3 unanswerable, 2 declined; 5 answerable, 1 declined: 3 abstentions, 2 of them right.
    answerable = [False, False, False, True, True, True, True, True]
    abstained = [True, True, False, True, False, False, False, False]
    found = abstention(answerable, abstained)
    assert found.precision.value == pytest.approx(2 / 3)
    assert found.recall.value == pytest.approx(2 / 3)
    assert found.over_refusal.value == pytest.approx(1 / 5)


def test_declining_everything() -> None:
    # One of four is rightly declined: precision 1/4, recall 1.
    found = abstention([False, True, True, True], [True] * 4)
    assert (found.precision.value, found.recall.value) == (0.25, 1.0)
    assert found.over_refusal.value == 1.0


def test_a_share_of_nothing_is_none() -> None:
    never = abstention([True, True], [False, False])
    assert never.precision.value is None
    assert never.recall.value is None
    assert never.over_refusal.value == 0.0


def test_uneven_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="2 questions and 1 answers"):
        abstention([True, False], [True])
