"""What a Korean fact is about: other words for one thing are one matter."""

from __future__ import annotations

from dataclasses import replace

import pytest

from haechi.pretrain.worlds.facts import Deed, Fact, Relation, Scene, Verb
from haechi.pretrain.worlds.frames import Frame, frames
from haechi.pretrain.worlds.korean.matters import _listed, matter
from haechi.pretrain.worlds.korean.relations import HOLDINGS, NAMED, RELATIONS


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
    assert matter(one) == matter(other)
    assert matter(one) != matter(replace(one, subject="나루"))


def test_what_is_listed_as_one_matter_is_listed_once() -> None:
    """A name in two lines would join them unseen; and an English name is that of a relation, or a misspelling."""
    listed = [name for names in _listed() for name in names]
    assert len(listed) == len(set(listed)) > 150
    relations = {relation.name for relation in RELATIONS}
    deeds = (" who", " what", " when")
    assert [name for name in listed if name.isascii() and name not in relations and not name.endswith(deeds)] == []
