"""Gaps in real prose: what fills one stands once in the passage that is named, or nowhere."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache

import pytest

from haechi.pretrain.spans import _GAP, _QUESTIONS, _gap, _passage, span_world
from haechi.pretrain.text import language_of
from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.korean.facts import random_entity
from haechi.pretrain.worlds.world import World, generate
from haechi.prompt.template import Language

both = pytest.mark.parametrize("language", ["ko", "en"])


@cache
def documents(language: Language, count: int = 30) -> tuple[str, ...]:
    """Pages with a title on the first line, of the sentences of generated worlds."""
    pages = []
    for number in range(count):
        rng = Draw(f"page-{number}")
        texts = [
            text
            for _ in range(6)
            for _, text in generate(rng, passages=1, language=language).passages
            if "\n" not in text
        ]
        pages.append(f"{random_entity(rng)}\n\n" + " ".join(texts) + "\n")
    return tuple(pages)


def worlds(texts: tuple[str, ...], count: int, unanswerable: float = 0.2) -> list[World]:
    drawn = [
        span_world(Draw(f"span-{number}"), texts, passages=1 + number % 3, unanswerable=unanswerable)
        for number in range(count)
    ]
    return [world for world in drawn if world]


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """By question, what fills its gap: written down as the gaps are made, for a world does not say it of all. The same
    words around may be those of two gaps."""
    filled: dict[str, set[str]] = defaultdict(set)

    def noted(rng: Draw, sentence: str, language: Language) -> tuple[str, str] | None:
        gap = _gap(rng, sentence, language)
        if gap:
            filled[gap[0]].add(gap[1])
        return gap

    monkeypatch.setattr("haechi.pretrain.spans._gap", noted)
    return filled


@both
def test_a_span_stands_once_where_it_is_said_to_or_nowhere(language: Language, spans: dict[str, set[str]]) -> None:
    answered = untold = 0
    for world in worlds(documents(language), 200):
        page = " ".join(text for _, text in world.passages)
        for asked in world.asked:
            filled = spans[asked.question]
            assert all(len(span) >= 2 and len(span.split()) <= 3 for span in filled)
            if asked.answer is None or asked.passage is None:
                assert (asked.answer, asked.passage) == (None, None)
                assert any(page.count(span) == 0 for span in filled), (asked, filled)
                untold += 1
            else:
                span = asked.answer.removesuffix(".")
                assert span in filled
                assert page.count(span) == 1 and span in world.passages[asked.passage - 1][1], (asked, world.passages)
                answered += 1
    # Of 200 worlds with up to six questions; unanswerable spans are seldom refused, answerable ones often repeat.
    assert answered > 500 and untold > 100


@both
def test_gaps_may_be_all_answerable(language: Language) -> None:
    drawn = worlds(documents(language), 60, unanswerable=0.0)
    assert len(drawn) > 50 and all(asked.answer and asked.passage for world in drawn for asked in world.asked)


def test_passages_of_a_world_are_of_one_language() -> None:
    mixed = documents("ko") + documents("en")
    found: set[str] = set()
    for world in worlds(mixed, 80):
        assert {language_of(text) for _, text in world.passages} == {world.language}
        patterns = [re.compile(re.escape(one).replace(r"\{\}", ".*")) for one in _QUESTIONS[world.language]]
        assert all(any(one.fullmatch(asked.question) for one in patterns) for asked in world.asked)
        found.add(world.language)
    assert found == {"ko", "en"}


@both
def test_passages_are_stretches_of_documents(language: Language) -> None:
    """One to four sentences, as they stand in a document, under its title or none."""
    texts = documents(language)
    titles: set[bool] = set()
    for world in worlds(texts, 80):
        for title, passage in world.passages:
            sources = [text for text in texts if passage in " ".join(text.split())]
            assert sources, passage
            assert not title or any(text.split("\n", 1)[0][:40] == title for text in sources)
            titles.add(bool(title))
    assert titles == {True, False}


@both
def test_questions_have_one_gap_and_leave_words_out(language: Language) -> None:
    sentence = " ".join(f"{'낱말' if language == 'ko' else 'word'}{number}" for number in range(20)) + "."
    rng = Draw("gap")
    dropped = around = 0
    for _ in range(300):
        gap = _gap(rng, sentence, language)
        assert gap is not None
        question, span = gap
        assert question.count(_GAP) == 1 and span in sentence and span not in question.split()
        numbers = [int(number) for number in re.findall(r"\d+", question.replace(_GAP, " "))]
        inside = [int(number) for number in re.findall(r"\d+", span)]
        assert not set(inside) & set(numbers), "the gap's own words are not in the question"
        assert all(inside[0] - 7 <= number <= inside[-1] + 7 for number in numbers), "seven words on each side, at most"
        possible = [n for n in range(inside[0] - 7, inside[-1] + 8) if 0 <= n < 20 and n not in inside]
        around += len(possible)
        dropped += len(possible) - len(numbers)
    assert dropped / around == pytest.approx(0.15, abs=0.03)  # four deviations of √(0.15·0.85/3500)


@pytest.mark.parametrize("sentence", ["낱말 넷 뿐이다 여기.", "", "– – – – – –"])
def test_a_sentence_may_have_no_gap(sentence: str) -> None:
    assert all(_gap(Draw(f"{i}"), sentence, "ko") is None for i in range(20))


def test_short_texts_give_no_world() -> None:
    short = ("한 문장뿐이다.", "두 문장이다. 그리고 끝이다.", "제목\n\n끝.")
    assert all(span_world(Draw(f"{i}"), short, passages=1) is None for i in range(30))
    # Long enough to show, with no sentence of five words to ask for.
    clipped = ("제목이 여기 있다.\n" + "네 낱말인 긴문장이라고 한다. " * 8,)
    assert all(span_world(Draw(f"{i}"), clipped, passages=1) is None for i in range(30))


def test_overlong_sentences_are_passed_over() -> None:
    endless = "첫 문장이다. " + " ".join(["낱말"] * 120) + ". 마지막 문장이다."
    assert all(_passage(Draw(f"{i}"), endless) == [] for i in range(20))


def test_a_world_is_a_function_of_its_random_numbers() -> None:
    texts = documents("ko")
    drawn = [span_world(Draw(seed), texts, passages=2) for seed in ("1", "1", "2")]
    assert drawn[0] == drawn[1] != drawn[2]


def test_blanks_do_not_hide_what_is_shown(spans: dict[str, set[str]]) -> None:
    """A page with doubled blanks, the only one there is: what fills an unanswerable gap is not shown."""
    sentences = " ".join(f"{number}번  등대지기가  오누리와  {number + 50}번  배를  탔다." for number in range(7))
    for world in worlds((f"여기서 시작한다. {sentences} 여기서 끝난다.",), 60, unanswerable=1.0):
        page = " ".join(" ".join(text for _, text in world.passages).split())
        for asked in world.asked:
            # With words left out, gaps of several worlds may be asked for alike.
            assert any(span not in page for span in spans[asked.question])


def test_titles_do_not_hold_what_fills_an_unanswerable_gap(spans: dict[str, set[str]]) -> None:
    """A reader sees the titles too (`Template.context`). Each page here speaks of the next one by its name."""
    names = ("오누리", "한바라", "서다온", "윤가람")
    pages = tuple(
        f"{name} 등대\n\n여기서 이야기가 시작된다. 뱃사람 모두가 밤마다 {after} 등대의 노래를 부른다. 여기서 끝난다."
        for name, after in zip(names, (*names[1:], names[0]), strict=True)
    )
    for world in worlds(pages, 150, unanswerable=1.0):
        titles = [title for title, _ in world.passages]
        for asked in world.asked:
            assert any(not any(span in title for title in titles) for span in spans[asked.question]), (asked, titles)
