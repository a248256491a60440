import pytest

from haechi.prompt.template import template
from haechi.rewards.cited import CitationScores, citation_precision_recall, cited, well_formed

KO = template("ko")
KEEPER = "하늘고래 등대: 등대지기는 오누리이다."
FERRY = "은빛 나루: 나루는 강 북쪽에 있다."
AGAIN = "등대 연감: 등대지기 오누리는 젊다."
PASSAGES = [KEEPER, FERRY, AGAIN]


def test_a_right_citation_scores_one_everywhere() -> None:
    scores = citation_precision_recall("등대지기는 오누리입니다. [1]", PASSAGES, [1])
    assert scores == CitationScores(precision=1.0, recall=1.0, gold_precision=1.0, gold_recall=1.0)


def test_a_citation_that_the_others_make_needless_lowers_precision_only() -> None:
    scores = citation_precision_recall("등대지기는 오누리입니다. [1][2]", PASSAGES, [1])
    assert scores == CitationScores(precision=1 / 2, recall=1.0, gold_precision=1 / 2, gold_recall=1.0)


def test_citations_that_are_needed_together_are_all_right() -> None:
    answer = "등대지기는 오누리이고 나루는 강 북쪽에 있습니다. [1][2]"
    assert citation_precision_recall(answer, PASSAGES, None) == CitationScores(1.0, 1.0, None, None)


def test_two_citations_that_each_support_are_both_right() -> None:
    assert citation_precision_recall("등대지기는 오누리입니다. [1][3]", PASSAGES, None).precision == 1.0


def test_all_citations_of_an_unsupported_claim_are_wrong() -> None:
    # One wrong name among four words is 0.75 of the words: below the threshold, as it must be.
    answer = "하늘고래 등대의 등대지기는 미르입니다. [1] 나루는 강 북쪽에 있습니다. [2]"
    scores = citation_precision_recall(answer, PASSAGES, [1])
    assert scores == CitationScores(precision=1 / 2, recall=1 / 2, gold_precision=1 / 2, gold_recall=1.0)


def test_a_citation_out_of_range_counts_against_precision_and_voids_recall() -> None:
    scores = citation_precision_recall("등대지기는 오누리입니다. [1][9]", PASSAGES, [1])
    assert scores == CitationScores(precision=1 / 2, recall=0.0, gold_precision=1 / 2, gold_recall=1.0)


def test_without_citations_precision_does_not_apply() -> None:
    assert citation_precision_recall("오누리입니다.", PASSAGES, [1]) == CitationScores(None, 0.0, None, 0.0)
    assert citation_precision_recall("", PASSAGES, [1]) == CitationScores(None, None, None, 0.0)


def test_with_no_gold_passage_at_hand_each_citation_is_wrong_and_recall_does_not_apply() -> None:
    scores = citation_precision_recall("등대지기는 오누리입니다. [1]", PASSAGES, [])
    assert (scores.gold_precision, scores.gold_recall) == (0.0, None)


@pytest.mark.parametrize(
    "answer",
    [
        "오누리입니다. [1]",
        "오누리입니다 [1].",
        "오누리입니다 [1]",
        "오누리입니다. [1] 나루는 강 북쪽에 있습니다. [2][3]",
        "오누리입니다. [1, 2]",
        "오누리입니다 [1]\n나루는 강 북쪽에 있습니다 [2]",
        KO.abstention,
    ],
)
def test_well_formed_answers(answer: str) -> None:
    assert well_formed(answer, 3, KO)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "오누리입니다.",
        "오누리입니다. [4]",
        "오누리입니다. [0]",
        "[1]",
        "오누리 [1] 입니다.",
        "등대지기는 [1] 오누리입니다. 나루는 강 북쪽에 있습니다. [2]",
        "오누리입니다. [1] 나루는 강 북쪽에 있습니다.",
        f"{KO.abstention} [1]",
        f"오누리입니다. [1] {KO.abstention}",
    ],
)
def test_malformed_answers(answer: str) -> None:
    assert not well_formed(answer, 3, KO)


def test_the_reward_is_f1_of_the_citations_that_support() -> None:
    # Both sentences stand in what they cite, and the second cites a passage too many: precision 2/3, recall 1.
    assert cited("등대지기는 오누리입니다. [1][3]", PASSAGES, KO) == 1.0
    assert cited("등대지기는 오누리입니다. [1] 나루는 강 북쪽에 있습니다. [2][1]", PASSAGES, KO) == pytest.approx(0.8)


def test_the_reward_of_an_abstention_does_not_apply_and_of_a_malformed_answer_is_zero() -> None:
    assert cited(KO.abstention, PASSAGES, KO) is None
    assert cited("등대지기는 [1] 오누리입니다.", PASSAGES, KO) == 0.0
    assert cited("등대지기는 오누리입니다. [2]", PASSAGES, KO) == 0.0
