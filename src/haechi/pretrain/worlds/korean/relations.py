"""Facts that Korean tells with a verb: relations of a subject to a value, and deeds.

They are written in plain text (`assets/relations/ko.txt`). In patterns `{E}` is the entity, `{V}` the value, `{L}` what
is counted or called something and `{C}` its counter, `(은/는)` an agreeing particle.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files

from haechi.pretrain.worlds.facts import Relation, Verb
from haechi.pretrain.worlds.kinds import KINDS, Kind
from haechi.pretrain.worlds.words import word_lists

_LISTS = word_lists("ko")


def _read() -> Iterator[tuple[Relation, bool]]:
    """Each relation, and whether it is one of many that differ in their verb."""
    text = files("haechi").joinpath("assets", "relations", "ko.txt").read_text("utf-8")
    for block in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        name, *lines = block.strip().splitlines()
        settings = dict(line.split(": ", 1) for line in lines if line[0] not in "+?")
        verbs = _LISTS[settings["each"]] if "each" in settings else ("",)
        for verb in verbs:
            filled = [_filled(line, verb.split()) for line in (name, *lines)]
            yield _relation(filled[0], KINDS[settings["kind"]], filled[1:]), "each" in settings


def _filled(line: str, forms: list[str]) -> str:
    return re.sub(r"<(\d)>", lambda found: forms[int(found[1]) - 1], line)


def _relation(name: str, kind: Kind, lines: list[str]) -> Relation:
    sentences = tuple(line[2:] for line in lines if line.startswith("+ "))
    questions = tuple(line[2:] for line in lines if line.startswith("? "))
    return Relation(name, kind, sentences, questions)


_ALL = {relation.name: (relation, many) for relation, many in _read()}
# How many of something there are, and what something there is called: `{L}` is what it is.
HOLDINGS, NAMED = _ALL.pop("holds")[0], _ALL.pop("is named")[0]
RELATIONS = tuple(relation for relation, _ in _ALL.values())
# Told in many ways, and asked for in words that the passage does not use.
EVERYDAY_RELATIONS = tuple(relation for relation, many in _ALL.values() if not many)

# Deeds: somebody did something to something, somewhere, at some time.
DEED_VERBS: tuple[Verb, ...] = (
    *(
        Verb(f"{stem}하다", f"{stem}했", f"{stem}한")
        for stem in sorted({*_LISTS["verbs of people"], *_LISTS["verbs of places"]})
    ),
    *(Verb(*forms.split()) for forms in _LISTS["deed verbs"]),
)
# By part of the sentence: its kind of value, its particle, the words that ask for it, the noun that a cleft has for it.
DEED_PARTS: dict[str, tuple[Kind, str, str, str, str]] = {
    "agent": ("person", "(이/가)", "누가", "사람", "누구"),
    "year": ("year", "에", "언제", "때", "언제"),
    "place": ("place", "에서", "어디에서", "곳", "어디"),
    "object": ("thing", "(을/를)", "무엇을", "것", "무엇"),
}
