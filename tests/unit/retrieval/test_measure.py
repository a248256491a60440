from __future__ import annotations

from math import log2

import pytest

from haechi.retrieval.measure import ndcg_at_k, recall_at_k, reciprocal_rank

RANKED = ["c", "a", "d", "b"]


def test_recall_counts_gold_ids_among_the_first_k() -> None:
    assert [recall_at_k(RANKED, {"a", "b"}, k) for k in (1, 2, 4, 9)] == [0.0, 0.5, 1.0, 1.0]


def test_reciprocal_rank_is_that_of_the_first_gold_id() -> None:
    assert reciprocal_rank(RANKED, {"a", "b"}) == 0.5
    assert reciprocal_rank(RANKED, ["z"]) == 0.0
    assert reciprocal_rank([], ["z"]) == 0.0


def test_ndcg_by_hand() -> None:
    # Gold at ranks 2 and 4; the ideal has them at 1 and 2.
    ideal = 1 + 1 / log2(3)
    assert ndcg_at_k(RANKED, {"a", "b"}, 4) == pytest.approx((1 / log2(3) + 1 / log2(5)) / ideal)
    assert ndcg_at_k(RANKED, {"a", "b"}, 3) == pytest.approx((1 / log2(3)) / ideal)
    assert ndcg_at_k(RANKED, {"c", "a", "d"}, 2) == 1.0  # no ranking of two holds three
    assert ndcg_at_k(RANKED, {"z"}, 3) == 0.0


def test_repeated_gold_ids_count_once() -> None:
    assert recall_at_k(RANKED, ["c", "c"], 1) == ndcg_at_k(RANKED, ["c", "c"], 2) == 1.0


@pytest.mark.parametrize(("gold", "k"), [(set(), 1), ({"a"}, 0)])
def test_nothing_to_score(gold: set[str], k: int) -> None:
    with pytest.raises(ValueError, match="at least one gold id"):
        recall_at_k(RANKED, gold, k)
    with pytest.raises(ValueError, match="at least one gold id"):
        ndcg_at_k(RANKED, gold, k)
