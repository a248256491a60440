"""Generated worlds: every answer stands where it should, and held-out patterns stay out of training."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable

import pytest

from haechi.pretrain.asking import Asked, mistaken_reply
from haechi.pretrain.facts import Fact
from haechi.pretrain.frames import frames
from haechi.pretrain.lexicon import ADJECTIVE_QUESTIONS, DEED_VERBS, HOLDINGS, LABEL_QUESTIONS, NAMED, RELATIONS, Verb
from haechi.pretrain.worlds import World, generate

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


def test_half_of_the_worlds_are_pieces_of_one_page() -> None:
    rng = random.Random(6)
    made = [[title for title, _ in generate(rng, passages=4).passages] for _ in range(300)]
    whole = sum(len(set(titles)) == 1 for titles in made) / len(made)
    # Half, and 0.3³ of the others; a deviation of 0.03.
    assert whole == pytest.approx(0.51, abs=0.1)
    assert any(len(set(titles)) == 4 for titles in made)


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
    for verb in (*DEED_VERBS, Verb("", r"\S+했", r"\S+한")):  # the last for coined ones
        if unseen:
            found.append(re.compile(rf".+ {verb.attributive} (사람|때|곳|것)[을를] 알려 주세요\."))
        else:
            found.append(re.compile(rf".+ {verb.past}(나요|습니까|어|어요)\?"))
            asked = r"(누구|언제|어디|무엇|어느 \S+|어떤 \S+?)"
            found.append(re.compile(rf".+ {verb.attributive} \S.*[은는] {asked}(인가요|입니까|이?야|이에요|예요)\?"))
    return found


def test_held_out_questions_are_never_asked_in_training(worlds: list[World]) -> None:
    asking = [r.questions for r in (*RELATIONS, HOLDINGS, NAMED)] + list(LABEL_QUESTIONS.values())
    asking += [slot.questions for frame in frames() for slot in frame.slots.values()]
    held = shapes(patterns[-1] for patterns in asking) + deed_shapes(unseen=True)
    seen = shapes(pattern for patterns in asking for pattern in patterns[:-1]) + deed_shapes(unseen=False)
    seen += shapes(pattern for patterns in ADJECTIVE_QUESTIONS.values() for pattern in patterns)
    rng = random.Random(9)
    measured = [generate(rng, passages=3, unseen_templates=True) for _ in range(WORLDS // 3)]
    for asked in (asked for world in worlds for asked in world.asked):
        assert any(shape.fullmatch(asked.question) for shape in seen), asked.question
    for asked in (asked for world in measured for asked in world.asked):
        assert any(shape.fullmatch(asked.question) for shape in held), asked.question


def test_all_ways_of_telling_and_asking_occur(worlds: list[World]) -> None:
    told = " ".join(text for world in worlds for _, text in world.passages)
    asked = " ".join(one.question for world in worlds for one in world.asked)
    # Names, topics, keepers, deaths, colours.
    for sign in ("라고 불", "옛이야기에도 나", "지기는", "세상을 떠", "물들어"):
        assert sign in told, sign
    for sign in ("얼마나 높", "에 있는 ", "라고 부르나요", "어느 ", "어떤 "):
        assert sign in asked, sign
    share = sum(one.answer is None for world in worlds for one in world.asked) / sum(len(w.asked) for w in worlds)
    assert 0.18 < share < 0.26  # 0.22 with a deviation of 0.01
    deeds = re.findall(r"에 있는 [^?]+(?:했|었|았)(?:나요|어|습니까|어요)\?", asked)
    assert deeds, "deeds are asked of parts in other words too"


def test_a_mistaken_reply_is_wrong(worlds: list[World]) -> None:
    kinds: dict[str, int] = dict.fromkeys(("guess", "refusal", "uncited", "wrong passage", "other value"), 0)
    for world in worlds:
        assert len(world.mistaken) == 6
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


def test_a_scrap_is_no_value() -> None:
    """A piece of a text given for an answer: never right, and not always whole words."""
    texts = ["오누리 등대는 높이가 23미터이다.", "은빛 다리는 길이가 23미터인 등대보다 길어서, 날마다 수레가 다닌다."]
    asked = Asked("오누리 등대는 얼마나 높아요?", "length", "23미터입니다.", 1)
    fact = Fact("오누리 등대", None, "높이", "length", "23미터")
    rng = random.Random(4)
    drawn = [mistaken_reply(rng, asked, [[fact], []], texts) for _ in range(600)]
    scraps = {one.answer.removesuffix("입니다.") for one in drawn if one.answer and one.passage == 2} - {"23미터"}
    assert len(scraps) > 15 and all(scrap in texts[1] for scrap in scraps)
    assert not any("23미터" in scrap or scrap in "23미터" for scrap in scraps), scraps
    assert "날마다" in scraps and any(" " not in scrap and scrap not in texts[1].split() for scrap in scraps)
