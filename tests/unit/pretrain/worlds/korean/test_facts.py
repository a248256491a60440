"""Facts: other words for one matter are one matter; what is held out is drawn in measuring and never in training."""

from __future__ import annotations

import pytest

from haechi.pretrain.worlds.draw import Draw, held_out
from haechi.pretrain.worlds.facts import Fact, Matter, Scene
from haechi.pretrain.worlds.frames import frames
from haechi.pretrain.worlds.korean.facts import (
    heading,
    random_entity,
    random_facts,
    random_name,
    random_person,
    random_table,
)
from haechi.pretrain.worlds.korean.grammar import SYLLABLES
from haechi.pretrain.worlds.korean.lexicon import LARGEST
from haechi.pretrain.worlds.korean.matters import matter
from haechi.pretrain.worlds.korean.relations import HOLDINGS, NAMED, RELATIONS

_TALL = next(relation for relation in RELATIONS if relation.name == "tall")


def test_every_syllable_stands_in_names() -> None:
    """A name whose tokens stood in no name of the training is not recognised (docs/log.md)."""
    rng = Draw("3")
    assert {syllable for _ in range(40_000) for syllable in random_name(rng, 2, 3)} == set(SYLLABLES)


def _what(fact: Fact) -> str:
    """What sort of fact it is, in a word."""
    if fact.scene:
        return f"{fact.scene.frame.name}, {fact.part}"
    return "deed" if fact.deed else fact.relation.name if fact.relation else f"label {fact.kind}"


def _few(fact: Fact) -> bool:
    """Whether it has too few values to hold some of them out."""
    return fact.kind in ("colour", "season", "act") or bool(
        fact.scene and fact.slot.unit and LARGEST.get(fact.slot.unit, 9999) < 100
    )


@pytest.mark.parametrize("unseen", [False, True])
def test_held_out_names_and_values_are_drawn_in_measuring_and_never_in_training(unseen: bool) -> None:
    """At every second world bare facts, of which there are more kinds; that is where a kind is easily forgotten."""
    wrong: dict[str, str] = {}
    checked = 0
    for number in range(60 if unseen else 500):
        rng, known = Draw(f"side-{number}", unseen=unseen, prose=number % 2), set[Matter]()
        entity, person = random_entity(rng), random_person(rng)
        facts = random_facts(rng, entity, known, 5)
        rows = random_table(rng, known)[1]
        assert all(held_out(name) is unseen for name in (entity, person, *(row[0].subject for row in rows)))
        for fact in (*facts, *(fact for row in rows for fact in row)):
            checked += not _few(fact)
            if not _few(fact) and held_out(fact.value) is not unseen:
                wrong[_what(fact)] = fact.value
    assert wrong == {}
    assert checked > (300 if unseen else 3000)


def test_bare_facts_are_labels_and_relations() -> None:
    rng = Draw("bare", prose=0)
    facts = [fact for _ in range(100) for fact in random_facts(rng, random_entity(rng), set(), 5)]
    assert len(facts) == 500 and all(fact.scene is None and fact.deed is None for fact in facts)
    assert any(fact.relation for fact in facts) and any(fact.label and not fact.relation for fact in facts)


def test_no_two_facts_of_a_world_are_on_one_matter() -> None:
    for number in range(100):
        rng, known = Draw(f"matter-{number}"), set[Matter]()
        facts = [fact for _ in range(3) for fact in random_facts(rng, "오누리 등대", known, 4)]
        facts += [fact for row in random_table(rng, known)[1] for fact in row]
        assert set(map(matter, facts)) == known and len(known) == len(facts)


def test_a_table_has_a_fact_for_each_subject_under_each_label() -> None:
    for number in range(200):
        labels, rows = random_table(Draw(f"table-{number}"), set())
        assert 2 <= len(labels) <= 3 <= len(rows) <= 4 and len(set(labels)) == len(labels)
        assert len({row[0].subject for row in rows}) == len(rows)
        for row in rows:
            assert [fact.label for fact in row] == labels and len({fact.subject for fact in row}) == 1
            assert all(fact.relation is fact.scene is fact.deed is None and fact.value for fact in row)


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (Fact("등대", None, "높이", "length", "3미터"), "높이"),
        (Fact("등대의 종탑", None, "높이", "length", "3미터"), "종탑의 높이"),
        (Fact("나루의 종탑", None, "높이", "length", "3미터"), None),  # of something else than the page
        (Fact("등대", _TALL, "", "length", "3미터"), None),  # a verb is no heading
        (Fact("등대", NAMED, "종", "thing", "놋종"), None),
        (Fact("등대", HOLDINGS, "종", "count", "3개"), None),
    ],
)
def test_the_short_name_of_a_fact(fact: Fact, expected: str | None) -> None:
    assert heading("등대", fact) == expected


def test_the_short_name_of_a_scene_is_its_first_korean_alias() -> None:
    named = 0
    for frame in frames():
        for name, slot in frame.slots.items():
            fact = Fact("등대의 종탑", None, "", slot.kind, "", None, name, Scene(frame, "", ()))
            korean = [alias for alias in slot.aliases if any("가" <= char <= "힣" for char in alias)]
            assert heading("등대", fact) == (f"종탑의 {korean[0]}" if korean else None)
            named += bool(korean)
    assert named > 300
