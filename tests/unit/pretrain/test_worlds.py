"""Generated worlds: every answer stands where it should, and held-out patterns stay out of training."""

from __future__ import annotations

import random
import re

import pytest

from haechi.pretrain.lexicon import LABEL_QUESTIONS, LABEL_SENTENCES, RELATIONS
from haechi.pretrain.worlds import World, generate, random_string

WORLDS = 300


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


def shapes(patterns: tuple[str, ...] | list[str]) -> list[re.Pattern[str]]:
    """What a pattern looks like when filled, whatever the register turns its ending into."""
    found = []
    for pattern in patterns:
        stem = re.sub(r"(이다|다|이었다)\.$", "", pattern)
        escaped = re.escape(stem)
        escaped = re.sub(r"\\\((\S+?)/(\S+?)\\\)", r"(?:\1|\2)", escaped)
        found.append(re.compile(re.sub(r"\\\{[ELV]\\\}", ".+", escaped)))
    return found


def test_held_out_questions_are_never_asked_in_training(worlds: list[World]) -> None:
    held = shapes([r.questions[-1] for r in RELATIONS] + [patterns[-1] for patterns in LABEL_QUESTIONS.values()])
    seen = shapes(
        [q for r in RELATIONS for q in r.questions[:-1]]
        + [q for patterns in LABEL_QUESTIONS.values() for q in patterns[:-1]]
    )
    rng = random.Random(9)
    measured = [generate(rng, passages=3, unseen_templates=True) for _ in range(WORLDS // 3)]
    for asked in (asked for world in worlds for asked in world.asked):
        assert any(shape.fullmatch(asked.question) for shape in seen), asked.question
    for asked in (asked for world in measured for asked in world.asked):
        assert any(shape.fullmatch(asked.question) for shape in held), asked.question


def test_held_out_sentences_are_never_told_in_training() -> None:
    """By the patterns that are picked: in training the last of a list never is, in measuring only the last."""
    from haechi.pretrain.worlds import _pick

    rng = random.Random(0)
    for patterns in [LABEL_SENTENCES, *(r.sentences for r in RELATIONS)]:
        assert {_pick(rng, patterns, False) for _ in range(300)} == set(patterns[:-1])
        assert {_pick(rng, patterns, True) for _ in range(20)} == {patterns[-1]}
        assert patterns[-1] not in patterns[:-1]


def test_random_strings() -> None:
    rng = random.Random(0)
    assert len(random_string(rng, [5, 6, 7], 50)) == 50 and set(random_string(rng, [5, 6, 7], 50)) == {5, 6, 7}
