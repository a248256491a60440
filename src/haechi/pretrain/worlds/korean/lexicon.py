"""The Korean words of generated worlds, most of them listed in `assets/words/ko.txt`.

In patterns `{E}` is the entity, `{L}` its label, `{V}` the value, `{O}` another thing, `(은/는)` an agreeing particle.
The last pattern of each list is held out of training and used only to measure unseen templates.
"""

from __future__ import annotations

from typing import get_args

from haechi.pretrain.worlds.kinds import ENTITIES, Kind
from haechi.pretrain.worlds.words import word_lists

_LISTS = word_lists("ko")


def _by_kind(heading: str) -> dict[Kind, tuple[str, ...]]:
    named: dict[Kind, tuple[str, ...]] = {kind: _LISTS.get(f"{heading} {kind}", ()) for kind in get_args(Kind)}
    return {kind: words for kind, words in named.items() if words}


def _spaced(heading: str) -> tuple[str, ...]:
    return tuple(f"{word} " if word else "" for word in _LISTS[heading])


# What an entity's name ends in, by what it then is; a person's name has no such ending.
ENTITY_KINDS: dict[str, tuple[str, ...]] = {kind: _LISTS[f"endings {kind}"] for kind in ENTITIES}
ENTITY_ENDINGS: tuple[str, ...] = tuple(ending for endings in ENTITY_KINDS.values() for ending in endings)

MODIFIERS = _LISTS["modifiers"]
NOUNS = _LISTS["nouns"]
COLOURS = _LISTS["colours"]
SEASONS = _LISTS["seasons"]
ERAS = _spaced("eras")
SURNAMES = _LISTS["surnames"]
NAME_SYLLABLES = "".join(_LISTS["name syllables"])
# What an entity has: `마을의 종탑` is a subject of its own, with facts of its own.
PARTS = _LISTS["parts"]
NAMED_THINGS = _LISTS["named things"]
# What is counted, and the counter it takes.
COUNTED: tuple[tuple[str, str], ...] = tuple((noun, counter) for noun, counter in map(str.split, _LISTS["counted"]))

LABELS = _by_kind("labels")
# Suffixes that make an invented word a label of its kind, so that no list of labels can be learned by heart.
COINED_LABELS: dict[Kind, tuple[str, ...]] = {
    "person": ("지기", "장이", "장", "사", "꾼", "지기 대표", "장 후보"),
    "thing": ("물", "제", "품", "돌", "패", "의 재료", "의 이름"),
    "place": ("터", "골", "의 자리", "가 있는 곳"),
    "year": ("이 열린 해", "이 놓인 해", " 연도"),
    "length": ("의 높이", "의 길이", "의 너비", "의 깊이"),
    "count": (" 수", "의 수"),
    "days": (" 기간", "에 드는 시간"),
    "colour": (" 색", "의 빛깔"),
    "season": (" 철", "이 열리는 때"),
    "price": (" 값", " 삯"),
}
COUNT_UNITS: dict[str, str] = {
    "인구": "명", "단원 수": "명", "주민 수": "명", "회원 수": "명", "학생 수": "명", "식구": "명", "계단 수": "개",
    "창문 수": "개", "방의 수": "개", "기둥 수": "개", "기둥의 수": "개",
}  # fmt: skip
# The largest number that a counter is drawn with, where thousands make no sense.
LARGEST: dict[str, int] = {
    "시": 24, "시간": 99, "분": 90, "살": 300, "번": 99, "남매": 12, "곳": 99, "단": 900, "줄": 60,
}  # fmt: skip

LABEL_SENTENCES = _LISTS["label sentences"]
LABEL_QUESTIONS = _by_kind("label questions")
# Lengths asked for with an adjective: `얼마나 높아요?` for `높이`.
ADJECTIVE_QUESTIONS: dict[str, tuple[str, ...]] = {
    label: tuple(f"{{E}}(은/는) 얼마나 {form}?" for form in forms)
    for label, forms in (
        ("높이", ("높나요", "높은가요", "높아요", "높습니까")),
        ("길이", ("긴가요", "길어요", "깁니까", "길어")),
        ("깊이", ("깊나요", "깊은가요", "깊어요", "깊습니까")),
        ("너비", ("넓나요", "넓은가요", "넓어요", "넓습니까")),
        ("폭", ("넓나요", "넓은가요", "넓어요", "넓습니까")),
        ("키", ("큰가요", "커요", "큽니까", "커")),
    )
}

FILLERS = _LISTS["fillers"]
OPENINGS = _spaced("openings")
# Said between the subject and the rest, with names and numbers that answer nothing.
ASIDES = _spaced("asides")
# What follows a fact in the same sentence. They answer nothing.
LINKED = _LISTS["linked"]
# Said of a value that is the topic of its sentence: `성의 정문인 물참문은 …`. They answer nothing.
APPOSED = _LISTS["apposed"]
# What is told, as what somebody says or a court finds; `{}` is the sentence up to its ending.
REPORTS = _LISTS["reports"]
# Clauses before a value, put together from what, how and a verb: `밤마다 등불을 닦던 오누리`. They answer nothing.
CLAUSE_ADVERBS = _spaced("clause adverbs")
CLAUSE_VERBS = _spaced("clause verbs")
OCCUPATIONS = _spaced("occupations")
# Told after a value that ends its sentence: something else, or a comparison for what is measured.
TAILS = _LISTS["tails"]
MEASURED_TAILS: dict[Kind, tuple[str, ...]] = {
    "length": ("높다", "낮다", "길다", "짧다", "크다", "작다"),
    "count": ("많다", "적다"),
    "days": ("길다", "짧다"),
    "price": ("비싸다", "싸다"),
}
