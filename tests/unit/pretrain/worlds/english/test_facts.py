"""English facts: each on a matter of its own, of its kind, with names on their side."""

from __future__ import annotations

import re

import pytest

from haechi.pretrain.worlds.draw import Draw, held_out
from haechi.pretrain.worlds.english.facts import (
    heading,
    matter,
    random_entity,
    random_fact,
    random_facts,
    random_scene,
    random_table,
)
from haechi.pretrain.worlds.english.words import listed
from haechi.pretrain.worlds.facts import Fact, Matter, Scene
from haechi.pretrain.worlds.frames import frames
from haechi.pretrain.worlds.kinds import ENTITIES


def test_held_out_names_and_values_are_drawn_in_measuring_and_never_in_training() -> None:
    for unseen, worlds in ((False, 400), (True, 60)):
        checked = 0
        for number in range(worlds):
            rng, known = Draw(f"side-{number}", unseen=unseen, prose=number % 2), set[Matter]()
            entity = random_entity(rng)
            rows = random_table(rng, known)[1]
            assert all(held_out(name) is unseen for name in (entity, *(row[0].subject for row in rows)))
            for fact in (*random_facts(rng, entity, known, 5, False), *(fact for row in rows for fact in row)):
                if fact.kind not in ("colour", "season", "act"):  # there are too few of them
                    assert held_out(fact.value) is unseen, fact
                    checked += 1
        assert checked > 5 * worlds


def test_a_scene_is_of_its_subjects_kind_and_every_frame_is_told() -> None:
    """Drawn so often that no frame is missed."""
    subjects = {"person": "Brietnoux Melmstut", "part": "the bell of Stroln Tower"} | {
        kind: f"Stroln {listed(f'endings {kind}')[0]}" for kind in ENTITIES
    }
    rng, drawn = Draw("frames"), set[str]()
    for kind, subject in subjects.items():
        scenes = [facts[0].scene for facts in (random_scene(rng, subject, False) for _ in range(500))]
        assert all(scene is not None and kind in scene.frame.of for scene in scenes)
        drawn.update(scene.frame.name for scene in scenes if scene)
    assert drawn == {frame.name for frame in frames("en")}


def test_no_two_facts_of_a_world_are_on_one_matter() -> None:
    for number in range(100):
        rng, known = Draw(f"matter-{number}"), set[Matter]()
        facts = [fact for _ in range(3) for fact in random_facts(rng, "Stroln Tower", known, 4, False)]
        facts += [fact for row in random_table(rng, known)[1] for fact in row]
        assert {matter(fact) for fact in facts} == known and len(known) == len(facts)


def test_a_label_and_a_scene_may_be_on_one_matter() -> None:
    frame = next(frame for frame in frames("en") if "location" in next(iter(frame.slots.values())).aliases)
    slot = next(iter(frame.slots))
    scene = Fact("Stroln Tower", None, "", "place", "the old well", None, slot, Scene(frame, "", ()))
    assert matter(scene) == matter(Fact("Stroln Tower", None, "location", "place", "the mill"))
    assert matter(scene) != matter(Fact("Kroth Inn", None, "location", "place", "the mill"))
    assert matter(scene) != matter(Fact("Stroln Tower", None, "birthplace", "place", "the mill"))


def test_a_table_has_a_fact_for_each_subject_under_each_label() -> None:
    for number in range(200):
        labels, rows = random_table(Draw(f"table-{number}"), set())
        assert 2 <= len(labels) <= 3 <= len(rows) <= 4 and len(set(labels)) == len(labels)
        assert len({row[0].subject for row in rows}) == len(rows)
        for row in rows:
            assert [fact.label for fact in row] == labels and len({fact.subject for fact in row}) == 1
            assert all(fact.scene is None and fact.value for fact in row)


@pytest.mark.parametrize(
    ("subject", "label", "expected"),
    [
        ("Stroln Tower", "height", "height"),
        ("the roof of Stroln Tower", "height", "height of the roof"),
        ("the roof of Kroth Inn", "height", None),  # of something else than the page
        ("Kroth Inn", "height", None),
    ],
)
def test_the_short_name_of_a_fact(subject: str, label: str, expected: str | None) -> None:
    assert heading("Stroln Tower", Fact(subject, None, label, "length", "3 feet")) == expected


def test_a_scene_has_a_short_name_where_its_slot_has_an_alias() -> None:
    for frame in frames("en"):
        for name, slot in frame.slots.items():
            fact = Fact("Stroln Tower", None, "", slot.kind, "", None, name, Scene(frame, "", ()))
            assert heading("Stroln Tower", fact) == (slot.aliases[0] if slot.aliases else None)


def test_values_are_of_their_kind() -> None:
    rng = Draw("kinds")
    shapes = {
        "year": r"Year \d{1,3}|1\d{3}",
        "length": r"\d{1,3} (metres|feet|paces|kilometres|miles|inches)",
        "days": r"\d{1,2} (hours|days|weeks|months|years|minutes)",
        "price": r"\d{1,3} \S.*",
        "season": r"[a-z].*|the \d+th of [A-Z][a-z]+",
        "person": r"[A-Z][a-z]+( [A-Z][a-z]+)?",
    }
    for _ in range(1500):
        fact = random_fact(rng, "Stroln Tower")
        assert fact.label in listed(f"labels {fact.kind}")
        assert re.fullmatch(shapes.get(fact.kind, r"\S.*"), fact.value), fact
