"""How Korean tells of a world and asks for it: `Speech` over the facts, tellings and questions of this room."""

from __future__ import annotations

from collections.abc import Sequence

from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.facts import Asked, Fact, Matter
from haechi.pretrain.worlds.forms import table_of
from haechi.pretrain.worlds.korean.asking import ask, unanswerable_question
from haechi.pretrain.worlds.korean.facts import heading, random_entity, random_facts, random_person, random_table
from haechi.pretrain.worlds.korean.grammar import Register, agree
from haechi.pretrain.worlds.korean.lexicon import NAME_SYLLABLES
from haechi.pretrain.worlds.korean.telling import told
from haechi.prompt.template import Language

_REGISTERS: tuple[Register, ...] = ("plain", "formal", "polite", "nominal", "casual")
_SAID = (
    "{V}입니다.",
    "{V}(이에요/예요).",
    "{V}(이야/야).",
    "{V}(이라/라)고 들었어요.",
    "아마 {V}일 거예요.",
    "{V}(이라/라)고 적혀 있습니다.",
)
_TABLES = ("현황", "한눈에 보기", "비교표", "안내", "목록")


class Korean:
    """One world's Korean: its register, and what it has told."""

    language: Language = "ko"
    letters: Sequence[str] = NAME_SYLLABLES

    def __init__(self, rng: Draw, unseen: bool) -> None:
        self._rng, self._unseen = rng, unseen
        self._register: Register = rng.choices(_REGISTERS, (10, 4, 3, 1, 1))[0]
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
        facts, text = table_of(self._rng, "이름", labels, rows)
        return title, facts, text

    def sentences(self, facts: Sequence[Fact]) -> list[str]:
        return told(self._rng, facts, self._register, self._unseen)

    def heading(self, title: str, fact: Fact) -> str | None:
        return heading(title, fact)

    def ask(self, fact: Fact) -> str:
        return ask(self._rng, fact, self._unseen)

    def unanswerable(self, told: Sequence[Sequence[Fact]]) -> Asked:
        return unanswerable_question(self._rng, self._subjects, told, self._known, self._unseen)

    def close(self, value: str) -> str:
        return f"{value}입니다."

    def say(self, value: str) -> str:
        return agree(self._rng.choice(_SAID).replace("{V}", value))

    def speaker(self) -> str:
        return random_person(self._rng)
