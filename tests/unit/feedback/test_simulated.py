"""The simulated annotator: prefers what people would, errs as often as it says, and names the difference."""

from __future__ import annotations

import pytest

from haechi.feedback.simulated import Asked, compare, quality, spoil
from haechi.prompt.template import template
from haechi.records.types import Passage, Question

WORDS = template("ko", instructed=False)


TALL = Question(id="tall", text="등대는 얼마나 높나요?", answer="37미터입니다.", accepted=("37미터",))
ELSEWHERE = Question(id="else", text="무엇이 많이 나나요?", answer="소금입니다.", accepted=("소금",))


def passage(number: int, text: str) -> Passage:
    return Passage(id=f"d{number}#0", document_id=f"d{number}", title="등대", text=text, start=0, end=len(text))


def asked(**changes: object) -> Asked:
    values: dict[str, object] = {
        "question": Question(
            id="q1",
            text="등대지기는 누구인가요?",
            answer="오누리입니다.",
            accepted=("오누리",),
            gold_documents=("d2",),
        ),
        "passages": (passage(1, "등대는 높이가 37미터이다."), passage(2, "등대지기는 오누리이다.")),
        "gold_numbers": (2,),
        "should_abstain": False,
    }
    return Asked(**(values | changes))  # type: ignore[arg-type]


def test_quality_orders_answers_as_the_guideline_says() -> None:
    best_first = ["오누리입니다. [2]", "오누리입니다. [1]", "오누리입니다.", "37미터입니다. [1]"]
    values = [quality(asked(), answer, WORDS) for answer in best_first]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == len(values)
    assert quality(asked(), WORDS.abstention, WORDS) == values[-1] == 0


@pytest.mark.parametrize(
    ("worse", "margin"),
    [("37미터입니다. [2]", 3), (WORDS.abstention, 3), ("오누리입니다.", 2), ("오누리입니다. [1]", 2)],
)
def test_it_says_how_much_better(worse: str, margin: float) -> None:
    """6.5 for the right answer in good form; 0 for a wrong answer and for a refusal, 4 uncited, 4.5 cited wrongly. An
    annotator who errs says it of the wrong one."""
    flipped: set[bool] = set()
    for seed in range(20):
        judged = compare(asked(), "오누리입니다. [2]", worse, WORDS, error_rate=0.4, seed=seed)
        assert judged is not None and judged.margin == margin
        assert (judged.chosen == worse) == judged.flipped
        flipped.add(judged.flipped)
    assert flipped == {False, True}


def test_what_is_negligibly_better_has_no_margin() -> None:
    without = asked(passages=(passage(1, "등대는 높이가 37미터이다."),), gold_numbers=(), should_abstain=True)
    cited = f"{WORDS.abstention} [1]"
    judged = compare(without, WORDS.abstention, cited, WORDS, error_rate=0.0, seed=0)  # 4 and 3.5
    assert judged is not None and (judged.chosen, judged.margin, judged.kind) == (WORDS.abstention, 0, "form")


def test_padding_costs_less_than_a_missing_citation() -> None:
    concise = quality(asked(), "오누리입니다. [2]", WORDS)
    padded = quality(asked(), "물어보신 등대의 등대지기는 문서에 적혀 있듯이 다름 아닌 바로 오누리입니다. [2]", WORDS)
    bare = quality(asked(), "오누리입니다.", WORDS)
    assert bare < padded < concise


def test_where_the_answer_was_taken_away_abstaining_is_right_and_guessing_is_not() -> None:
    without = asked(passages=(passage(1, "등대는 높이가 37미터이다."),), gold_numbers=(), should_abstain=True)
    judged = compare(without, "오누리입니다. [1]", WORDS.abstention, WORDS, error_rate=0.0, seed=0)
    assert judged is not None
    assert judged.chosen == WORDS.abstention
    assert judged.kind == "guessing"


@pytest.mark.parametrize(
    ("worse", "kind"),
    [
        ("오누리입니다. [1]", "citation"),
        ("오누리입니다.", "missing_citation"),
        ("37미터입니다. [1]", "value"),
        (WORDS.abstention, "over_refusal"),
    ],
)
def test_kind_names_the_difference_whatever_the_order(worse: str, kind: str) -> None:
    good = "오누리입니다. [2]"
    for a, b in ((good, worse), (worse, good)):
        judged = compare(asked(), a, b, WORDS, error_rate=0.0, seed=3)
        assert judged is not None
        assert (judged.chosen, judged.rejected, judged.kind, judged.flipped) == (good, worse, kind, False)


def test_equally_good_answers_are_not_compared() -> None:
    """Of two wrong answers none is better, whatever they look like or cite, and be one a refusal."""
    for a, b in (
        ("36미터입니다. [1]", "37미터입니다. [1]"),
        ("36미터입니다. [2]", "37미터입니다"),
        ("37미터입니다. [1]", WORDS.abstention),
        (WORDS.abstention, f"{WORDS.abstention} [1]"),
    ):
        assert compare(asked(), a, b, WORDS, error_rate=0.5, seed=0) is None


def test_errs_at_the_stated_rate_and_the_same_way_each_time() -> None:
    def flipped(seed: int) -> bool:
        judged = compare(asked(), "오누리입니다. [2]", "오누리입니다.", WORDS, error_rate=0.2, seed=seed)
        assert judged is not None
        assert judged.flipped == (judged.chosen == "오누리입니다.")
        return judged.flipped

    errors = [flipped(seed) for seed in range(2000)]
    # Binomial(2000, 0.2): standard deviation 0.0089, so 0.04 is more than four of them.
    assert sum(errors) / 2000 == pytest.approx(0.2, abs=0.04)
    assert errors[:50] == [flipped(seed) for seed in range(50)]


def test_spoilt_answers_are_each_worse_than_the_written_one() -> None:
    written = "오누리입니다. [2]"
    spoilt = spoil(asked(), written, WORDS, [TALL, ELSEWHERE], seed=1)
    assert sorted(spoilt) == sorted([WORDS.abstention, "오누리입니다.", "오누리입니다. [1]", "37미터입니다. [1]"])
    for worse in spoilt:
        assert quality(asked(), worse, WORDS) < quality(asked(), written, WORDS)


def test_an_abstention_is_spoilt_by_a_guess() -> None:
    without = asked(gold_numbers=(), should_abstain=True)
    guesses = spoil(without, WORDS.abstention, WORDS, [ELSEWHERE, TALL], seed=1)
    assert guesses[0] == "37미터입니다. [1]"  # it stands in a passage, so it is what a reader would guess
    assert guesses[1] in ("소금입니다. [1]", "소금입니다. [2]") and len(guesses) == 2
    many = [Question(id=f"q{n}", text="?", answer=f"{n}명입니다.", accepted=(f"{n}명",)) for n in range(9)]
    assert len(set(spoil(without, WORDS.abstention, WORDS, many, seed=1))) == 2
    assert spoil(without, WORDS.abstention, WORDS, [], seed=1) == []


def test_without_accepted_strings_the_answer_nearer_to_the_written_one_is_better() -> None:
    free = asked(
        question=Question(id="q2", text="왜 꺼졌나요?", answer="바람이 세게 불어서 꺼졌습니다.", gold_documents=("d2",))
    )
    near, far = "바람이 세게 불어서 꺼졌습니다. [2]", "모릅니다. [2]"
    judged = compare(free, far, near, WORDS, error_rate=0.0, seed=0)
    assert judged is not None
    assert (judged.chosen, judged.kind) == (near, "value")


def test_an_answer_stands_where_one_of_its_accepted_spellings_does() -> None:
    other = Question(id="s", text="다리는 얼마나 긴가요?", answer="7미터입니다.", accepted=("일곱 미터", "37미터"))
    firsts = {
        spoil(asked(gold_numbers=(), should_abstain=True), WORDS.abstention, WORDS, [ELSEWHERE, other], seed=seed)[0]
        for seed in range(20)
    }
    assert firsts == {"7미터입니다. [1]"}


def test_a_part_of_a_number_does_not_stand_in_a_passage() -> None:
    short = Question(id="short", text="다리는 얼마나 긴가요?", answer="7미터입니다.", accepted=("7미터",))
    without = asked(gold_numbers=(), should_abstain=True)
    firsts = {spoil(without, WORDS.abstention, WORDS, [short, TALL], seed=seed)[0] for seed in range(20)}
    assert firsts == {"37미터입니다. [1]"}
