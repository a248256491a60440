import pytest

from haechi.rewards.grounded import grounded, support

KEEPER = "하늘고래 등대: 등대지기는 오누리이다. 높이는 37미터이다."
FERRY = "은빛 나루: 나루는 강 북쪽에 있다."


@pytest.mark.parametrize(
    ("claim", "passage"),
    [
        ("오누리입니다.", "등대지기는 오누리이다."),
        ("37미터입니다.", "높이는 37미터이다"),
        ("37 미터입니다.", "높이는 37미터이다"),
        ("37입니다.", "높이는 37미터이다"),
        ("등대 지기는 오누리입니다.", "등대지기는 오누리이다."),
        ("등대지기는 오누리입니다.", "등대 지기는 오누리이다."),
        ("새가 떠납니다.", "새가 떠난다."),
        ("1,037명입니다.", "모두 1037명이다."),
        ("The keeper is Ona.", "Ona keeps watch; keepers sleep."),
    ],
)
def test_the_same_content_in_another_form_is_supported(claim: str, passage: str) -> None:
    assert support(claim, passage) == 1.0


@pytest.mark.parametrize(
    ("claim", "passage"),
    [
        ("38미터입니다.", "높이는 37미터이다"),
        ("높이는 7미터입니다.", "높이는 37미터이다"),
        ("3입니다.", "값은 3.5이다"),
        ("37킬로미터입니다.", "높이는 37미터이다"),
        ("오누입니다.", "등대지기는 오누리이다."),
        ("누리입니다.", "등대지기는 오누리이다."),
        ("있습니다.", "나루는 강 북쪽에 있다."),
        ("", "등대지기는 오누리이다."),
        ("오누리입니다.", ""),
    ],
)
def test_a_wrong_number_a_part_of_a_name_and_an_empty_claim_have_no_support(claim: str, passage: str) -> None:
    assert support(claim, passage) == 0.0


def test_support_is_the_share_of_content_words() -> None:
    # 등대지기는 is found, 미르입니다 is not; then one of 하늘고래, 등대의, 등대지기는, 미르입니다 is missing.
    assert support("등대지기는 미르입니다.", KEEPER) == 1 / 2
    assert support("하늘고래 등대의 등대지기는 미르입니다.", KEEPER) == 3 / 4


def test_a_wrong_number_outweighs_every_word_that_is_right() -> None:
    assert support("하늘고래 등대의 높이는 38미터입니다.", KEEPER) == 0.0


def test_a_passage_supports_each_of_its_own_sentences() -> None:
    for sentence in ("등대지기는 오누리이다.", "높이는 37미터이다."):
        assert support(sentence, KEEPER) == 1.0


def test_negation_in_the_passage_is_not_seen() -> None:
    assert support("오누리입니다.", "등대지기는 오누리가 아니다.") == 1.0


def test_grounded_is_the_mean_over_claims_of_what_each_cites() -> None:
    answer = "등대지기는 오누리입니다. [1] 나루는 강 북쪽에 있습니다. [1]"
    # First claim 1; of the second (나루는, 강, 북쪽에) passage 1 holds nothing.
    assert grounded(answer, [KEEPER, FERRY]) == 1 / 2
    assert grounded(answer.replace("있습니다. [1]", "있습니다. [2]"), [KEEPER, FERRY]) == 1.0


def test_passages_cited_together_support_together() -> None:
    assert grounded("등대지기는 오누리이고 나루는 강 북쪽에 있습니다. [1][2]", [KEEPER, FERRY]) == 1.0


@pytest.mark.parametrize("answer", ["오누리입니다.", "오누리입니다. [0]", "오누리입니다. [3]", "오누리입니다. [1][3]"])
def test_a_claim_without_a_usable_citation_is_not_grounded(answer: str) -> None:
    assert grounded(answer, [KEEPER, FERRY]) == 0.0


def test_an_empty_answer_has_no_groundedness() -> None:
    assert grounded(" ", [KEEPER]) is None
