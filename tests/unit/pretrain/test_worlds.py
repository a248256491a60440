"""Generated worlds: every answer stands where it should, and held-out patterns stay out of training."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import replace
from difflib import SequenceMatcher

import pytest

from haechi.pretrain.lexicon import (
    ADJECTIVE_QUESTIONS,
    DEED_PARTS,
    DEED_VERBS,
    HOLDINGS,
    LABEL_QUESTIONS,
    LABEL_SENTENCES,
    NAMED,
    RELATIONS,
    Relation,
    Verb,
)
from haechi.pretrain.worlds import (
    Deed,
    Fact,
    World,
    _ask_deed,
    _deed,
    _facts,
    _fill,
    _pick,
    _slip,
    _tell_deed,
    _titles,
    _unanswerable,
    generate,
    random_string,
)

WORLDS = 300


def _relation(name: str) -> Relation:
    return next(relation for relation in RELATIONS if relation.name == name)


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    rng = random.Random(5)
    return [generate(rng, passages=rng.randint(1, 5)) for _ in range(WORLDS)]


def test_a_world_is_a_function_of_its_random_numbers() -> None:
    assert generate(random.Random(3), passages=4) == generate(random.Random(3), passages=4)
    assert generate(random.Random(3), passages=4) != generate(random.Random(4), passages=4)


@pytest.mark.parametrize(("passages", "questions"), [(1, 1), (4, 6), (7, 3)])
def test_shape(passages: int, questions: int) -> None:
    world = generate(random.Random(0), passages=passages, questions=questions)
    assert len(world.passages) == passages and len(world.asked) == questions


@pytest.mark.parametrize(("share", "answered"), [(0.0, 1.0), (1.0, 0.0), (0.25, 0.75)])
def test_share_of_unanswerable_questions(share: float, answered: float) -> None:
    rng = random.Random(1)
    asked = [question for _ in range(100) for question in generate(rng, passages=3, unanswerable=share).asked]
    found = sum(question.answer is not None for question in asked) / len(asked)
    assert found == pytest.approx(answered, abs=0.06)
    assert all((question.answer is None) == (question.passage is None) for question in asked)


def test_every_answer_stands_in_the_passage_it_names(worlds: list[World]) -> None:
    answered = 0
    for world in worlds:
        for asked in world.asked:
            if asked.answer is not None and asked.passage is not None:
                value = asked.answer.removesuffix("입니다.")
                assert value and value in world.passages[asked.passage - 1][1], (asked, world.passages)
                answered += 1
    assert answered > 3 * WORLDS


def test_every_text_is_finished(worlds: list[World]) -> None:
    """No slot is left open, no particle is left undecided, every passage ends as a sentence."""
    texts = [text for world in worlds for _, text in world.passages] + [
        asked.question for world in worlds for asked in world.asked
    ]
    for text in texts:
        assert not re.search(r"[{}/()]", text), text
        assert text[-1] in ".?", text


def test_a_question_has_one_answer(worlds: list[World]) -> None:
    """Within a world the same question never has two answers, nor an answer and none."""
    for world in worlds:
        seen: dict[str, tuple[str | None, int | None]] = {}
        for asked in world.asked:
            assert seen.setdefault(asked.question, (asked.answer, asked.passage)) == (asked.answer, asked.passage), (
                asked
            )


def shapes(patterns: Iterable[str]) -> list[re.Pattern[str]]:
    """What a pattern looks like when filled: narrowed or not, particles either way."""
    found = []
    for pattern in patterns:
        escaped = re.sub(r"\\\((\S+?)/(\S+?)\\\)", r"(?:\1|\2)", re.escape(pattern))
        escaped = re.sub(r"\\\{[ELCV]\\\}", ".+", escaped)
        escaped = escaped.replace("사람(?:은|는)", r"\S.*(?:은|는)")
        for particle, either in (("을", "[을를]"), ("이", "[이가]"), ("으로", "(?:으로|로)"), ("", "")):
            escaped = re.sub(rf"무엇{particle}(?!\|)", rf"(?:무엇{particle}|어떤 \\S+{either})", escaped, count=1)
        found.append(re.compile(escaped.replace("어디", r"(?:어디|어느 \S+)")))
    return found


def deed_shapes(*, unseen: bool) -> list[re.Pattern[str]]:
    found = []
    for verb in DEED_VERBS:
        if unseen:
            found.append(re.compile(rf".+ {verb.attributive} (사람|때|곳|것)[을를] 알려 주세요\."))
        else:
            found.append(re.compile(rf".+ {verb.past}(나요|습니까|어|어요)\?"))
            asked = r"(누구|언제|어디|무엇|어느 \S+|어떤 \S+?)"
            found.append(re.compile(rf".+ {verb.attributive} \S.*[은는] {asked}(인가요|입니까|이?야|이에요|예요)\?"))
    return found


def test_held_out_questions_are_never_asked_in_training(worlds: list[World]) -> None:
    asking = [r.questions for r in (*RELATIONS, HOLDINGS, NAMED)] + list(LABEL_QUESTIONS.values())
    held = shapes(patterns[-1] for patterns in asking) + deed_shapes(unseen=True)
    seen = shapes(pattern for patterns in asking for pattern in patterns[:-1]) + deed_shapes(unseen=False)
    seen += shapes(pattern for patterns in ADJECTIVE_QUESTIONS.values() for pattern in patterns)
    rng = random.Random(9)
    measured = [generate(rng, passages=3, unseen_templates=True) for _ in range(WORLDS // 3)]
    for asked in (asked for world in worlds for asked in world.asked):
        assert any(shape.fullmatch(asked.question) for shape in seen), asked.question
    for asked in (asked for world in measured for asked in world.asked):
        assert any(shape.fullmatch(asked.question) for shape in held), asked.question


def _calls(subject: str) -> list[str]:
    """The ways in which a question names a subject."""
    return [between.join(subject.rsplit("의 ", 1)) for between in ("의 ", " ", "에 있는 ")]


def test_what_is_called_unanswerable_is_not_told() -> None:
    """No question without an answer is one that something told could be asked by, in any of its words."""
    rng = random.Random(4)
    unanswerable = 0
    for _ in range(WORLDS):
        titles, known = _titles(rng, 3), set[tuple[str, str]]()
        told = [_facts(rng, title, known, 3) for title in titles]
        could_ask: set[str] = set()
        for fact in (fact for facts in told for fact in facts if fact.deed is None):
            patterns = fact.relation.questions if fact.relation else LABEL_QUESTIONS[fact.kind]
            patterns += ADJECTIVE_QUESTIONS.get(fact.label, ())
            for subject in _calls(fact.subject):
                could_ask.update(_fill(pattern, replace(fact, subject=subject)) for pattern in patterns)
        for _ in range(6):
            asked = _unanswerable(rng, titles, told, known, rng.random() < 0.5)
            assert asked.answer is None and asked.passage is None
            assert asked.question not in could_ask, asked
            unanswerable += 1
    assert unanswerable == 6 * WORLDS


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Fact("등대", NAMED, "종", "thing", "놋종"), Fact("등대의 종", _relation("called"), "", "thing", "긴종")),
        (Fact("등대", None, "벽 색", "colour", "흰색"), Fact("등대의 벽", _relation("coloured"), "", "colour", "회색")),
        (Fact("등대", _relation("tall"), "", "length", "3미터"), Fact("등대", None, "높이", "length", "4미터")),
        (Fact("등대", None, "폭", "length", "3미터"), Fact("등대", None, "너비", "length", "4미터")),
        (Fact("등대", None, "열쇠의 길이", "length", "3자"), Fact("등대의 열쇠", None, "길이", "length", "4자")),
        (Fact("등대", None, "기둥 수", "count", "3개"), Fact("등대", HOLDINGS, "기둥", "count", "4개")),
        (
            Fact("등대", _relation("설계하다, who"), "", "person", "오누리"),
            Fact(
                "등대", None, "", "person", "한바라", Deed(Verb("설계하다", "설계했", "설계한"), "object", ()), "agent"
            ),
        ),
        (
            Fact("등대", _relation("founder"), "", "person", "오누리"),
            Fact("등대", None, "", "person", "한바라", Deed(Verb("세우다", "세웠", "세운"), "object", ()), "agent"),
        ),
        (
            Fact("등대", _relation("복원되다, when"), "", "year", "3년"),
            Fact("등대", None, "", "year", "4년", Deed(Verb("복원하다", "복원했", "복원한"), "object", ()), "year"),
        ),
    ],
)
def test_other_words_for_one_matter_are_one_matter(one: Fact, other: Fact) -> None:
    assert one.matter == other.matter
    assert one.matter != replace(one, subject="나루").matter


def test_a_deed_is_one_sentence_and_each_part_can_be_asked_for() -> None:
    rng = random.Random(7)
    parts: set[tuple[str, str]] = set()
    for _ in range(400):
        facts = _deed(rng, "등대")
        deed = facts[0].deed
        assert deed is not None and 1 <= len(facts) <= 3 and all(fact.deed is deed for fact in facts)
        for unseen in (False, True):
            sentence = _tell_deed(rng, "등대", deed, unseen)
            assert sentence.count(".") == 1
            assert "등대" in sentence and all(fact.value in sentence for fact in facts), sentence
            for fact in facts:
                question = _fill(_ask_deed(rng, fact, deed, unseen), fact)
                assert "등대" in question
                assert len(fact.value) < 4 or fact.value not in question, question
        parts.update((deed.role, fact.part) for fact in facts)
    assert parts == {(role, part) for role in ("agent", "object", "place") for part in DEED_PARTS if part != role}


def test_a_mistaken_reply_is_wrong(worlds: list[World]) -> None:
    kinds: dict[str, int] = dict.fromkeys(("guess", "refusal", "uncited", "wrong passage", "other value"), 0)
    for world in worlds:
        assert len(world.mistaken) == 4
        for reply in world.mistaken:
            (asked,) = {asked for asked in world.asked if asked.question == reply.question}
            assert (asked.answer, asked.passage) != (reply.answer, reply.passage)
            if asked.answer is None:
                kinds["guess"] += 1
                assert reply.answer and reply.passage
                assert reply.answer.removesuffix("입니다.") in world.passages[reply.passage - 1][1]
            elif reply.answer is None:
                kinds["refusal"] += 1
            elif reply.answer != asked.answer:
                kinds["other value"] += 1
            else:
                kinds["uncited" if reply.passage is None else "wrong passage"] += 1
    assert min(kinds.values()) > 60, kinds


def test_a_slip_changes_one_character() -> None:
    rng = random.Random(2)
    for _ in range(300):
        slipped = _slip(rng, "여울력 342년")
        assert slipped != "여울력 342년" and abs(len(slipped) - 8) <= 1
        assert sum(block.size for block in SequenceMatcher(None, slipped, "여울력 342년").get_matching_blocks()) >= 7
    assert _slip(rng, "가") not in ("가", "")


def test_held_out_sentences_are_never_told_in_training() -> None:
    """By the patterns that are picked: in training the last of a list never is, in measuring only the last."""
    rng = random.Random(0)
    for patterns in [LABEL_SENTENCES, *(r.sentences for r in (*RELATIONS, HOLDINGS, NAMED))]:
        assert {_pick(rng, patterns, False) for _ in range(300)} == set(patterns[:-1])
        assert {_pick(rng, patterns, True) for _ in range(20)} == {patterns[-1]}
        assert patterns[-1] not in patterns[:-1]


def test_random_strings() -> None:
    rng = random.Random(0)
    assert len(random_string(rng, [5, 6, 7], 50)) == 50 and set(random_string(rng, [5, 6, 7], 50)) == {5, 6, 7}
