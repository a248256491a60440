"""Facts: other words for one matter are one matter."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from haechi.pretrain.facts import Deed, Fact, Scene, random_name
from haechi.pretrain.frames import Frame, frames
from haechi.pretrain.korean import SYLLABLES
from haechi.pretrain.lexicon import HOLDINGS, NAMED, RELATIONS, Relation, Verb


def _relation(name: str) -> Relation:
    return next(relation for relation in RELATIONS if relation.name == name)


def _frame(name: str) -> Frame:
    return next(frame for frame in frames() if frame.name == name)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Fact("등대", NAMED, "종", "thing", "놋종"), Fact("등대의 종", _relation("called"), "", "thing", "긴종")),
        (
            Fact("등대", None, "열쇠지기", "person", "오누리"),
            Fact("등대의 열쇠", _relation("guard"), "", "person", "한바라"),
        ),
        (Fact("등대", None, "벽 색", "colour", "흰색"), Fact("등대의 벽", _relation("coloured"), "", "colour", "회색")),
        (
            Fact("등대", None, "", "colour", "흰색", None, "wall", Scene(_frame("pl_roof_wall"), "", ())),
            Fact("등대의 벽", _relation("coloured"), "", "colour", "회색"),
        ),
        (
            Fact("등대", None, "", "person", "오누리", None, "who", Scene(_frame("pl_founded"), "", ())),
            Fact("등대", _relation("founder"), "", "person", "한바라"),
        ),
        (Fact("등대", _relation("tall"), "", "length", "3미터"), Fact("등대", None, "높이", "length", "4미터")),
        (Fact("등대", None, "폭", "length", "3미터"), Fact("등대", None, "너비", "length", "4미터")),
        (Fact("등대", None, "열쇠의 길이", "length", "3자"), Fact("등대의 열쇠", None, "길이", "length", "4자")),
        (Fact("등대", None, "기둥 수", "count", "3개"), Fact("등대", HOLDINGS, "기둥", "count", "4개")),
        (
            Fact("등대", _relation("설계하다, who"), "", "person", "오누리"),
            Fact(
                "등대", None, "", "person", "한바라", Deed(Verb("설계하다", "설계했", "설계한"), "object", ()), "agent"
            ),
        ),
        (
            Fact("등대", _relation("founder"), "", "person", "오누리"),
            Fact("등대", None, "", "person", "한바라", Deed(Verb("세우다", "세웠", "세운"), "object", ()), "agent"),
        ),
        (
            Fact("등대", _relation("복원되다, when"), "", "year", "3년"),
            Fact("등대", None, "", "year", "4년", Deed(Verb("복원하다", "복원했", "복원한"), "object", ()), "year"),
        ),
    ],
)
def test_other_words_for_one_matter_are_one_matter(one: Fact, other: Fact) -> None:
    assert one.matter == other.matter
    assert one.matter != replace(one, subject="나루").matter


def test_every_syllable_stands_in_names() -> None:
    """A name whose tokens stood in no name of the training is not recognised (docs/log.md)."""
    rng = random.Random(3)
    assert {syllable for _ in range(40_000) for syllable in random_name(rng, 2, 3)} == set(SYLLABLES)
