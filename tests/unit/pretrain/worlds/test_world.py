"""Generated worlds: every answer stands where it should, and held-out patterns stay out of training."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

import pytest

from haechi.pretrain.worlds.draw import Draw, held_out
from haechi.pretrain.worlds.english import speech as english_speech
from haechi.pretrain.worlds.english.facts import LABELLED
from haechi.pretrain.worlds.english.speech import English
from haechi.pretrain.worlds.english.words import listed
from haechi.pretrain.worlds.facts import Verb
from haechi.pretrain.worlds.frames import frames
from haechi.pretrain.worlds.korean import speech as korean_speech
from haechi.pretrain.worlds.korean.lexicon import ADJECTIVE_QUESTIONS, APPOSED, LABEL_QUESTIONS
from haechi.pretrain.worlds.korean.relations import DEED_VERBS, HOLDINGS, NAMED, RELATIONS
from haechi.pretrain.worlds.korean.speech import Korean
from haechi.pretrain.worlds.world import World, _answerable, generate
from haechi.prompt.template import Language

WORLDS = 300
TABLES = {"ko": set(korean_speech._TABLES), "en": set(english_speech._TABLES)}
CLOSE: dict[Language, str] = {"ko": "입니다.", "en": "."}

both = pytest.mark.parametrize("language", ["ko", "en"])


@pytest.fixture(scope="module")
def made() -> dict[Language, list[World]]:
    languages: tuple[Language, ...] = ("ko", "en")
    return {
        language: [generate(Draw(f"{i}"), passages=1 + i % 5, language=language) for i in range(WORLDS)]
        for language in languages
    }


def stands(value: str, text: str) -> bool:
    """Whether a value stands in a text, as it is or, in English, at the start of a sentence."""
    return value in text or value[:1].upper() + value[1:] in text


@both
def test_a_world_is_a_function_of_its_random_numbers(language: Language) -> None:
    one, same, other = (generate(Draw(seed), passages=4, language=language) for seed in ("3", "3", "4"))
    assert one == same != other
    assert one.language == language


@both
@pytest.mark.parametrize(("passages", "questions", "mistakes"), [(1, 1, 0), (4, 6, 2), (7, 3, 5)])
def test_shape(language: Language, passages: int, questions: int, mistakes: int) -> None:
    world = generate(Draw("0"), passages=passages, language=language, questions=questions, mistakes=mistakes)
    assert (len(world.passages), len(world.asked), len(world.mistaken)) == (passages, questions, mistakes)


@both
@pytest.mark.parametrize(("share", "answered"), [(0.0, 1.0), (1.0, 0.0), (0.25, 0.75)])
def test_share_of_unanswerable_questions(language: Language, share: float, answered: float) -> None:
    rng = Draw("1")
    asked = [
        question
        for _ in range(100)
        for question in generate(rng, passages=3, language=language, unanswerable=share).asked
    ]
    found = sum(question.answer is not None for question in asked) / len(asked)
    assert found == pytest.approx(answered, abs=0.06)
    assert all((question.answer is None) == (question.passage is None) for question in asked)


@both
def test_half_of_the_worlds_are_pieces_of_one_page(language: Language) -> None:
    drawn = [generate(Draw(f"page-{i}"), passages=4, language=language).passages for i in range(500)]
    made = [titles for world in drawn if not TABLES[language] & (titles := {title for title, _ in world})]
    assert len(made) / 500 == pytest.approx(0.94**4, abs=0.08)  # a table in sixteen has a title of its own
    whole = sum(len(titles) == 1 for titles in made) / len(made)
    # Half, and 0.3³ of the others; a deviation of 0.025.
    assert whole == pytest.approx(0.5135, abs=0.1)
    assert any(len(titles) == 4 for titles in made)


@both
def test_every_answer_stands_in_the_passage_it_names(language: Language, made: dict[Language, list[World]]) -> None:
    answered = 0
    for world in made[language]:
        for asked in world.asked:
            if asked.answer is not None and asked.passage is not None:
                assert asked.answer.endswith(CLOSE[language])
                value = asked.answer.removesuffix(CLOSE[language])
                text = world.passages[asked.passage - 1][1]
                assert value and (value in text if language == "ko" else stands(value, text)), (asked, world.passages)
                answered += 1
    assert answered > 3 * WORLDS


@both
def test_every_text_is_finished(language: Language, made: dict[Language, list[World]]) -> None:
    """No slot is left open, no particle is left undecided, running text ends as a sentence, no line is empty."""
    for world in made[language]:
        for title, text in world.passages:
            assert title.strip() == title and title
            assert not re.search(r"[{}/()]", text), text
            assert text[-1] in '."' or "\n" in text or re.match(r"[-·*○]|\S.*:|\S.* \| |\| ", text), text
            assert all(line.strip() == line and line for line in text.split("\n")), text
        for asked in world.asked:
            assert not re.search(r"[{}/()\n]", asked.question) and asked.question[-1] in ".?", asked.question


@both
def test_all_layouts_occur(language: Language, made: dict[Language, list[World]]) -> None:
    """Three passages in four are prose; the others are dialogues, lists and tables, one in sixteen of many subjects."""
    passages = [passage for world in made[language] for passage in world.passages]
    lines = sum("\n" in text for _, text in passages) / len(passages)
    assert 0.15 < lines < 0.35
    tables = sum(title in TABLES[language] for title, _ in passages) / len(passages)
    assert tables == pytest.approx(0.06, abs=0.035)  # four deviations of √(0.06·0.94/900)
    assert any(text.startswith("Q: ") for _, text in passages)
    assert any(text.startswith("- ") for _, text in passages)


@both
def test_a_question_has_one_answer(language: Language, made: dict[Language, list[World]]) -> None:
    """Within a world the same question never has two answers, nor an answer and none."""
    for world in made[language]:
        seen: dict[str, tuple[str | None, int | None]] = {}
        for asked in world.asked:
            assert seen.setdefault(asked.question, (asked.answer, asked.passage)) == (asked.answer, asked.passage), (
                asked
            )


@both
def test_every_fact_is_asked_for_before_one_is_again(language: Language) -> None:
    for number in range(30):
        rng = Draw(f"turns-{number}")
        speech = (Korean if language == "ko" else English)(rng, False)
        told = [speech.facts(speech.entity(), 3), speech.table()[1]]
        expected = sorted(
            (speech.close(fact.value), passage) for passage, facts in enumerate(told, 1) for fact in facts
        )
        questions = _answerable(rng, told, speech)
        for _ in range(2):  # and then again, every one
            turn = list(islice(questions, len(expected)))
            assert sorted((str(asked.answer), asked.passage) for asked in turn) == expected


@both
@pytest.mark.parametrize("unseen", [False, True])
def test_a_world_is_of_names_on_its_side(language: Language, unseen: bool) -> None:
    """Every page is on a subject that training sees, or on one that it never does."""
    for number in range(15 if unseen else 150):
        world = generate(Draw(f"side-{number}", unseen=unseen), passages=4, language=language)
        titles = {title for title, _ in world.passages} - TABLES[language]
        assert all(held_out(title) is unseen for title in titles), titles


@both
def test_validation_asks_what_training_never_does(language: Language) -> None:
    """Of the answers that say a name, a year or a length, training and validation have none in common."""
    answers: list[set[str]] = []
    for unseen, count in ((False, 200), (True, 40)):
        worlds = [generate(Draw(f"v-{i}", unseen=unseen, prose=0), passages=3, language=language) for i in range(count)]
        answers.append(
            {
                asked.answer
                for world in worlds
                for asked in world.asked
                if asked.answer and asked.kind in ("person", "thing", "place", "year", "length", "days", "price")
            }
        )
    assert len(answers[0]) > 500 and len(answers[1]) > 100
    assert not answers[0] & answers[1]


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


@both
def test_held_out_questions_are_never_asked_in_training(language: Language, made: dict[Language, list[World]]) -> None:
    """Neither of the reader nor in a dialogue that a passage quotes."""
    if language == "ko":
        asking = [r.questions for r in (*RELATIONS, HOLDINGS, NAMED)] + list(LABEL_QUESTIONS.values())
    else:
        asking = [listed(f"label questions {kind}") for kind in LABELLED]
    asking += [slot.questions for frame in frames(language) for slot in frame.slots.values()]
    held = shapes(patterns[-1] for patterns in asking)
    seen = shapes(pattern for patterns in asking for pattern in patterns[:-1])
    if language == "ko":
        held += deed_shapes(unseen=True)
        seen += deed_shapes(unseen=False)
        seen += shapes(pattern for patterns in ADJECTIVE_QUESTIONS.values() for pattern in patterns)
    measured = [
        generate(Draw(f"m-{i}"), passages=3, language=language, unseen_templates=True) for i in range(WORLDS // 6)
    ]
    for worlds, shaped in ((made[language][: WORLDS // 3], seen), (measured, held)):
        asked = {asked.question for world in worlds for asked in world.asked}
        asked |= {
            question
            for world in worlds
            for _, text in world.passages
            if text.startswith("Q: ")
            for question in re.findall(r"^Q: (.+)$", text, re.MULTILINE)
        }
        for question in asked:
            assert any(shape.fullmatch(question) for shape in shaped), question


def test_all_ways_of_telling_and_asking_occur(made: dict[Language, list[World]]) -> None:
    worlds = made["ko"]
    told = " ".join(text for world in worlds for _, text in world.passages)
    asked = " ".join(one.question for world in worlds for one in world.asked)
    # Names, keepers, deaths, colours, registers.
    for sign in ("라고 불", "지기는", "세상을 떠", "물들어", "음. ", "야. ", "습니다. ", "어요. "):
        assert sign in told, sign
    assert any(tail.rsplit(" ", 1)[0] in told for tail in APPOSED if "{" not in tail), "a value as a topic"
    for sign in ("얼마나 높", "에 있는 ", "라고 부르나요", "어느 ", "어떤 "):
        assert sign in asked, sign
    share = sum(one.answer is None for world in worlds for one in world.asked) / sum(len(w.asked) for w in worlds)
    assert 0.18 < share < 0.26  # 0.22 with a deviation of 0.01
    deeds = re.findall(r"에 있는 [^?]+(?:했|었|았)(?:나요|어|습니까|어요)\?", asked)
    assert deeds, "deeds are asked of parts in other words too"
