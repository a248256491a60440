"""How facts are laid out: prose in five registers, lists, tables, records, dialogues.

A layout puts every fact that has a short name behind that name, and tells the others in sentences. Each line of a list
or a table carries the number of its passage, as each sentence of prose does (`haechi.prompt.template`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.facts import Asked, Fact
from haechi.prompt.template import Language

_BULLETS = ("- {name}: {value}", "{name}: {value}", "· {name} {value}", "* {name} – {value}", "○ {name} : {value}")
_STYLES = ("| {} |", "{}")
_HEADS: dict[Language, tuple[tuple[str, str], ...]] = {
    "ko": (("구분", "내용"), ("항목", "값"), ("이름", "설명"), ("사항", "기록")),
    "en": (("item", "value"), ("entry", "record"), ("name", "details")),
}


class Speech(Protocol):
    """How a language tells of the facts of one world, and asks for them. It remembers what was told."""

    language: Language
    letters: Sequence[str]
    """What a slip of the pen puts in a letter's place."""

    def entity(self) -> str:
        """What a passage may be about."""
        ...

    def facts(self, title: str, count: int) -> list[Fact]:
        """`count` facts or a few more of an entity and its parts, on matters that were not told yet."""
        ...

    def table(self) -> tuple[str, list[Fact], str]:
        """A table of several subjects: its title, its facts and its text."""
        ...

    def sentences(self, facts: Sequence[Fact]) -> list[str]:
        """The facts as prose tells them."""
        ...

    def heading(self, title: str, fact: Fact) -> str | None:
        """What a list on `title` calls the fact, if it has a short name."""
        ...

    def ask(self, fact: Fact) -> str:
        """A question for a fact."""
        ...

    def unanswerable(self, told: Sequence[Sequence[Fact]]) -> Asked:
        """A question on what no passage tells."""
        ...

    def close(self, value: str) -> str:
        """A value as an answer."""
        ...

    def say(self, value: str) -> str:
        """A value as somebody says it."""
        ...

    def speaker(self) -> str:
        """Who talks in a dialogue."""
        ...


def laid_out(rng: Draw, title: str, facts: Sequence[Fact], speech: Speech, *, unseen: bool = False) -> str:
    """The text of a passage that tells the facts; no dialogue if `unseen`: it would ask in the one held-out wording,
    and a question that stands on the page is no measure of reading."""
    shape = rng.random()
    if shape < (0.84 if unseen else 0.76):
        return " ".join(speech.sentences(facts))
    if shape < 0.84:
        return _dialogue(rng, facts, speech)
    rows = [(name, fact) for fact in facts if (name := speech.heading(title, fact))]
    if len({name for name, _ in rows}) < len(rows):  # two facts under one name cannot be told apart
        rows = []
    named = [fact for _, fact in rows]
    others = [fact for fact in facts if not any(fact is one for one in named)]
    cells = [(name, fact.value) for name, fact in rows]
    lines = _table(rng, cells, speech.language) if shape < 0.91 else _list(rng, cells)
    # What shares a sentence with another fact would be told there again.
    told = speech.sentences(others) if others else []
    return "\n".join([*told, *lines] if rng.random() < 0.5 else [*lines, *told])


def grid(rng: Draw, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with a row for each subject, and a column for each of what is told of all of them."""
    style = rng.choice(_STYLES)
    return "\n".join(_line(cells, style) for cells in (head, *rows))


def table_of(rng: Draw, name: str, labels: Sequence[str], rows: Sequence[Sequence[Fact]]) -> tuple[list[Fact], str]:
    """All facts of a table, a row a subject, and its text; `name` stands over the subjects."""
    cells = [[row[0].subject, *(fact.value for fact in row)] for row in rows]
    return [fact for row in rows for fact in row], grid(rng, [name, *labels], cells)


def _list(rng: Draw, rows: Sequence[tuple[str, str]]) -> list[str]:
    bullet = rng.choice(_BULLETS)
    return [bullet.format(name=name, value=value) for name, value in rows]


def _table(rng: Draw, rows: Sequence[tuple[str, str]], language: Language) -> list[str]:
    style = rng.choice(_STYLES)
    head = [_line(rng.choice(_HEADS[language]), style)] if rows and rng.random() < 0.7 else []
    return head + [_line(row, style) for row in rows]


def _line(cells: Sequence[str], style: str) -> str:
    return style.format(" | ".join(cells))


def _dialogue(rng: Draw, facts: Sequence[Fact], speech: Speech) -> str:
    """Two people, of whom one asks and the other knows."""
    asks, knows = (speech.speaker(), speech.speaker()) if rng.random() < 0.7 else ("Q", "A")
    lines: list[str] = []
    for fact in facts:
        lines += [f"{asks}: {speech.ask(fact)}", f"{knows}: {speech.say(fact.value)}"]
    return "\n".join(lines)
