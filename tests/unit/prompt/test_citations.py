"""Reading answers back."""

from __future__ import annotations

import pytest

from haechi.prompt.citations import Claim, abstains, citations, claims, without_citations
from haechi.prompt.template import template

KO, EN = template("ko"), template("en")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("오누리입니다. [1]", [("오누리입니다.", (1,))]),
        ("오누리입니다 [1].", [("오누리입니다.", (1,))]),
        ("값은 3이다. [2] 또 있다. [1][3]", [("값은 3이다.", (2,)), ("또 있다.", (1, 3))]),
        ("가 [1, 2] 나. [2]", [("가 나.", (1, 2))]),
        ("그는 “간다.” [1] 다음이다. [2]", [("그는 “간다.”", (1,)), ("다음이다.", (2,))]),
        ("(괄호다.) [3] 끝. [4]", [("(괄호다.)", (3,)), ("끝.", (4,))]),
        ("마침표 없음 [12]", [("마침표 없음", (12,))]),
        ("인용이 없다. 둘째도.", [("인용이 없다.", ()), ("둘째도.", ())]),
        ("값은 3.5이다. [1]", [("값은 3.5이다.", (1,))]),
        ("[1]", [("", (1,))]),
        ("연도 [1963]과 [a], []", [("연도 [1963]과 [a], []", ())]),
        ("", []),
    ],
)
def test_claims(answer: str, expected: list[tuple[str, tuple[int, ...]]]) -> None:
    assert claims(answer) == [Claim(text, numbers) for text, numbers in expected]


def test_citations_in_order_of_first_mention() -> None:
    assert citations("가. [3] 나. [1][3] 다. [2, 1]") == (3, 1, 2)
    assert citations("없다.") == ()


def test_without_citations() -> None:
    assert without_citations("가 [1]. 나.  [2, 3]\n다") == "가. 나. 다"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (KO.abstention, True),
        (f" {KO.abstention} [1]", True),
        (KO.abstention.rstrip("."), True),
        (KO.abstention + " 하지만 오누리입니다.", False),
        ("오누리입니다. " + KO.abstention, False),
        ("", False),
        (EN.abstention, False),
    ],
)
def test_abstention_is_those_words_and_nothing_else(answer: str, expected: bool) -> None:
    assert abstains(answer, KO) is expected
