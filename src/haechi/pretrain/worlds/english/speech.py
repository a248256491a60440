"""How English tells of a world and asks for it: `Speech` over the facts, tellings and questions of this room."""

from __future__ import annotations

from collections.abc import Sequence

from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.english.asking import ask, unanswerable_question
from haechi.pretrain.worlds.english.facts import heading, random_entity, random_facts, random_name, random_table
from haechi.pretrain.worlds.english.telling import sentence_of, told
from haechi.pretrain.worlds.facts import Asked, Fact, Matter
from haechi.pretrain.worlds.forms import table_of
from haechi.prompt.template import Language

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SAID = ("{V}.", "It is {V}.", "That would be {V}.", "I was told {V}.", "{V}, as far as I know.", "The sign says {V}.")
_TABLES = ("Overview", "At a glance", "Comparison", "Directory", "List")


class English:
    """One world's English: what it has told."""

    language: Language = "en"
    letters: Sequence[str] = _LETTERS

    def __init__(self, rng: Draw, unseen: bool) -> None:
        self._rng, self._unseen = rng, unseen
        self._known: set[Matter] = set()
        self._subjects: list[str] = []

    def entity(self) -> str:
        return random_entity(self._rng)

    def facts(self, title: str, count: int) -> list[Fact]:
        self._subjects.append(title)
        return random_facts(self._rng, title, self._known, count, self._unseen)

    def table(self) -> tuple[str, list[Fact], str]:
        labels, rows = random_table(self._rng, self._known)
        self._subjects += [row[0].subject for row in rows]
        title = self._rng.choice(_TABLES)
        facts, text = table_of(self._rng, "name", labels, rows)
        return title, facts, text

    def sentences(self, facts: Sequence[Fact]) -> list[str]:
        return told(self._rng, facts, self._unseen)

    def heading(self, title: str, fact: Fact) -> str | None:
        return heading(title, fact)

    def ask(self, fact: Fact) -> str:
        return ask(self._rng, fact, self._unseen)

    def unanswerable(self, told: Sequence[Sequence[Fact]]) -> Asked:
        return unanswerable_question(self._rng, self._subjects, told, self._known, self._unseen)

    def close(self, value: str) -> str:
        return f"{value}."

    def say(self, value: str) -> str:
        return sentence_of(self._rng.choice(_SAID).replace("{V}", value))

    def speaker(self) -> str:
        return self._rng.word(lambda: random_name(self._rng))
