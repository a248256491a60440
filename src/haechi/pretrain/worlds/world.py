"""Small worlds of invented facts: passages, and questions whose answers stand in one of them or in none.

A base model that has read enough of them has learned to find, copy, cite and abstain, and knows no fact by heart: every
entity and value is random. Several questions share the passages of a world, which trains reading far faster than one
question a context does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.english.speech import English
from haechi.pretrain.worlds.facts import Asked, Fact
from haechi.pretrain.worlds.forms import Speech, laid_out
from haechi.pretrain.worlds.korean.speech import Korean
from haechi.pretrain.worlds.mistakes import mistaken_reply
from haechi.prompt.template import Language

_TABLES = 0.06  # share of the passages that are a table of several subjects


@dataclass(frozen=True, slots=True)
class World:
    """Passages as (title, text), questions on them, and wrong replies to some of these, all in one language."""

    passages: tuple[tuple[str, str], ...]
    asked: tuple[Asked, ...]
    mistaken: tuple[Asked, ...]
    language: Language = "ko"


def generate(
    rng: Draw,
    *,
    passages: int,
    language: Language = "ko",
    questions: int = 8,
    unanswerable: float = 0.22,
    mistakes: int = 4,
    unseen_templates: bool = False,
) -> World:
    """One random world.

    Args:
        passages: how many passages the questions share.
        unanswerable: share of questions that no passage answers; some of them ask of one subject what is told of
            another.
        mistakes: how many wrong replies to these questions.
        unseen_templates: use only the held-out sentence and question patterns (for measuring), instead of only the
            others (for training).
    """
    speech: Speech = (Korean if language == "ko" else English)(rng, unseen_templates)
    titles = _titles(rng, passages, speech.entity)
    facts: list[list[Fact]] = []
    texts: list[str] = []
    for number, title in enumerate(titles):
        if rng.random() < _TABLES:
            titles[number], some, text = speech.table()
        else:
            some = speech.facts(title, rng.randint(2, 6))
            text = laid_out(rng, title, some, speech, unseen=unseen_templates)
        facts.append(some)
        texts.append(text)
    answerable = _answerable(rng, facts, speech)
    asked = tuple(
        speech.unanswerable(facts) if rng.random() < unanswerable else next(answerable) for _ in range(questions)
    )
    wrong = tuple(mistaken_reply(rng, rng.choice(asked), facts, texts, speech) for _ in range(mistakes))
    return World(tuple(zip(titles, texts, strict=True)), asked, wrong, language)


def _answerable(rng: Draw, told: Sequence[Sequence[Fact]], speech: Speech) -> Iterator[Asked]:
    """Questions on what was told, and where it stands: on every fact once, then again."""
    facts = [(fact, number) for number, some in enumerate(told, start=1) for fact in some]
    while True:
        rng.shuffle(facts)
        for fact, number in facts:
            yield Asked(speech.ask(fact), fact.kind, speech.close(fact.value), number)


def _titles(rng: Draw, count: int, entity: Callable[[], str]) -> list[str]:
    """Entities of the passages. A search finds several pieces of the page that a question is about, so half of the
    worlds are pieces of one page, and in the others titles repeat."""
    titles = [entity()]
    repeat = 1.0 if rng.random() < 0.5 else 0.3
    while len(titles) < count:
        titles.append(rng.choice(titles) if rng.random() < repeat else entity())
    rng.shuffle(titles)
    return titles
