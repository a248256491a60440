"""Small worlds of invented facts: passages, and questions whose answers stand in one of them or in none.

A base model that has read enough of them has learned to find, copy, cite and abstain, and knows no fact by heart: every
entity and value is random. Several questions share the passages of a world, which trains reading far faster than one
question a context does.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from haechi.pretrain.asking import Asked, answerable_question, mistaken_reply, unanswerable_question
from haechi.pretrain.facts import Fact, Matter, random_entity, random_facts
from haechi.pretrain.korean import Register
from haechi.pretrain.telling import told_in_prose


@dataclass(frozen=True, slots=True)
class World:
    """Passages as (title, text), questions on them, and wrong replies to some of these."""

    passages: tuple[tuple[str, str], ...]
    asked: tuple[Asked, ...]
    mistaken: tuple[Asked, ...]


def generate(
    rng: random.Random,
    *,
    passages: int,
    questions: int = 8,
    unanswerable: float = 0.22,
    mistakes: int = 6,
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
    register: Register = rng.choices(("plain", "formal", "polite"), (6, 2, 1))[0]
    titles = _titles(rng, passages)
    told: list[list[Fact]] = []
    known: set[Matter] = set()
    for title in titles:
        told.append(random_facts(rng, title, known, rng.randint(2, 6), unseen_templates))
    texts = [told_in_prose(rng, facts, register, unseen_templates) for facts in told]
    asked = tuple(
        unanswerable_question(rng, titles, told, known, unseen_templates)
        if rng.random() < unanswerable
        else answerable_question(rng, told, unseen_templates)
        for _ in range(questions)
    )
    return World(
        passages=tuple(zip(titles, texts, strict=True)),
        asked=asked,
        mistaken=tuple(mistaken_reply(rng, rng.choice(asked), told, texts) for _ in range(mistakes)),
    )


def _titles(rng: random.Random, count: int) -> list[str]:
    """Entities of the passages. A search finds several pieces of the page that a question is about, so half of the
    worlds are pieces of one page, and in the others titles repeat."""
    titles = [random_entity(rng)]
    repeat = 1.0 if rng.random() < 0.5 else 0.3
    while len(titles) < count:
        titles.append(rng.choice(titles) if rng.random() < repeat else random_entity(rng))
    rng.shuffle(titles)
    return titles
