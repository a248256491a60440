"""What words say of an answer: each number worked by hand, and what must not move it."""

from __future__ import annotations

import unicodedata

import pytest

from haechi.prompt.template import template
from haechi.rewards.evidence import NAMES, evidence

WORDS = template("ko", instructed=False)
# The terms of the question are 등대 대의 높이 이는 (four bigrams).
QUESTION = "등대의 높이는?"
PASSAGES = ("등대: 등대는 낡았다.", "탑: 탑의 높이는 9미터이다.", "등대: 등대의 높이는 37미터이다.")


def of(answer: str, question: str = QUESTION, passages: tuple[str, ...] = PASSAGES) -> dict[str, float]:
    return dict(zip(NAMES, evidence(question, passages, answer, WORDS), strict=True))


def test_an_abstention_is_told_how_much_of_the_question_stands_there() -> None:
    """1 of 4 terms in the first passage (등대), 2 in the second (높이, 이는), all in the third."""
    found = of(WORDS.abstention)
    assert found == {"abstains": 1, "abstains_coverage": 1.0, "abstains_lead": 0.5} | dict.fromkeys(NAMES[3:], 0.0)
    assert of(WORDS.abstention, passages=PASSAGES[:2])["abstains_lead"] == 0.25
    assert of(WORDS.abstention, passages=PASSAGES[:1])["abstains_lead"] == 0.25
    assert of(WORDS.abstention, passages=())["abstains_coverage"] == 0


def test_an_attempt_is_told_what_its_citation_holds() -> None:
    right = of("37미터입니다. [3]")
    assert right == {"abstains": 0, "abstains_coverage": 0, "abstains_lead": 0, "coverage": 1.0, "cites": 1.0,
                     "cites_best": 1.0, "echo": 0.0, "support": 1.0}  # fmt: skip
    other = of("9미터입니다. [2]")
    assert (other["coverage"], other["cites_best"], other["support"]) == (0.5, 0.0, 1.0)
    assert of("37미터입니다. [2]")["support"] == 0


def test_citations_that_are_not_there_count_for_nothing() -> None:
    bare = of("37미터입니다.")
    assert {name: bare[name] for name in ("coverage", "cites", "cites_best", "support")} == dict.fromkeys(
        ("coverage", "cites", "cites_best", "support"), 0.0
    )
    assert of("37미터입니다. [9]") == bare
    assert of("37미터입니다. [9][3]") == of("37미터입니다. [3]")
    assert of("37미터입니다. [0]") == bare


def test_citing_every_passage_is_less_than_citing_the_best() -> None:
    """Means over the cited: (0.25 + 0.5 + 1) / 3 of the question's terms; one of three is best, and one supports."""
    found = of("37미터입니다. [1][2][3]")
    assert (found["coverage"], found["cites"]) == (pytest.approx(1.75 / 3), 1.0)
    assert (found["cites_best"], found["support"]) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert of("37미터입니다. [3][3]") == of("37미터입니다. [3]")


def test_of_equals_the_first_passage_is_best() -> None:
    twice = (PASSAGES[2], PASSAGES[2])
    assert of("37미터입니다. [1]", passages=twice)["cites_best"] == 1
    assert of("37미터입니다. [2]", passages=twice)["cites_best"] == 0


def test_where_no_passage_holds_a_term_none_is_best() -> None:
    assert of("37미터입니다. [1]", question="???")["cites_best"] == 0
    assert of("37미터입니다. [1]", question="누구인가요?")["cites_best"] == 0


def test_english_words_that_every_passage_holds_are_no_terms() -> None:
    """Of the question only what, height and lighthouse count: the first passage holds none of them, the second one."""
    passages = ("The bridge: The length of the bridge is 9 metres.", "Lighthouse: The lighthouse is 37 metres tall.")
    found = of("37 metres. [2]", "What is the height of the lighthouse?", passages)
    assert (found["coverage"], found["cites_best"], found["support"]) == (pytest.approx(1 / 3), 1.0, 1.0)
    assert of("9 metres. [1]", "What is the height of the lighthouse?", passages)["coverage"] == 0


def test_the_questions_words_said_back_are_an_echo() -> None:
    """등대 대의 높이 are the question's; 이입 입니 니다 are not."""
    assert of("등대의 높이입니다. [3]")["echo"] == pytest.approx(0.5)


def test_composed_and_decomposed_hangul_are_one() -> None:
    decomposed = unicodedata.normalize("NFD", QUESTION)
    assert evidence(decomposed, PASSAGES, "37미터입니다. [3]", WORDS) == evidence(
        QUESTION, PASSAGES, "37미터입니다. [3]", WORDS
    )


def test_an_empty_answer_has_no_number_that_is_not_finite() -> None:
    assert set(of("").values()) == {0.0}
    assert all(0 <= value <= 1 for value in of("[3]").values())
