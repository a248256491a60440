"""English worlds: whole sentences, each value where it is told, questions in the patterns of their time."""

from __future__ import annotations

import re

import pytest

from haechi.pretrain.draw import Draw, held_out
from haechi.pretrain.english_words import listed
from haechi.pretrain.english_worlds import (
    English,
    Matter,
    _random_scene,
    ask,
    heading,
    matter,
    random_entity,
    random_fact,
    random_facts,
    random_table,
    told,
    unanswerable_question,
)
from haechi.pretrain.facts import Fact, Scene
from haechi.pretrain.frames import frames
from haechi.pretrain.lexicon import ENTITY_KINDS


def stands(value: str, text: str) -> bool:
    """Whether a value stands in a text, as it is or at the start of a sentence."""
    return value in text or value[:1].upper() + value[1:] in text


def _questions(fact: Fact) -> tuple[str, ...]:
    patterns = fact.slot.questions if fact.scene else listed(f"label questions {fact.kind}")
    return tuple(one.replace("{E}", fact.subject).replace("{L}", fact.label) for one in patterns)


@pytest.mark.parametrize("unseen", [False, True])
def test_sentences_are_whole_and_tell_every_value(unseen: bool) -> None:
    """Each begins with a capital letter, a number or a quotation, ends as a sentence, and has no brace open."""
    for number in range(200):
        rng = Draw(f"whole-{number}")
        entity = random_entity(rng)
        facts = random_facts(rng, entity, set(), 5, unseen)
        sentences = told(rng, facts, unseen)
        text = " ".join(sentences)
        for sentence in sentences:
            assert re.match(r'"?[A-Z0-9]', sentence) and sentence.endswith((".", '."')), sentence
            assert not re.search(r"[{}]|  | ,|\.\.", sentence), sentence
        assert all(stands(fact.subject, text) and stands(fact.value, text) for fact in facts), (text, facts)


def test_a_scene_is_told_once() -> None:
    for number in range(100):
        rng = Draw(f"once-{number}", prose=1)
        facts = random_facts(rng, "Stroln Tower", set(), 6, False)
        scenes = {id(fact.scene) for fact in facts if fact.scene}
        sentences = told(rng, facts, False)
        alone = len(scenes) + sum(fact.scene is None for fact in facts)
        fillers = [
            re.sub(r"\{.\}", ".+", re.escape(one).replace(r"\{", "{").replace(r"\}", "}")) for one in listed("fillers")
        ]
        assert sum(not any(re.fullmatch(one, said) for one in fillers) for said in sentences) == alone


@pytest.mark.parametrize("unseen", [False, True])
def test_bare_facts_are_labels_told_with_no_words_around(unseen: bool) -> None:
    patterns = listed("label sentences")[-1:] if unseen else listed("label sentences")[:-1]
    for number in range(150):
        rng = Draw(f"bare-{number}", prose=0)
        facts = random_facts(rng, random_entity(rng), set(), 4, unseen)
        sentences = told(rng, facts, unseen)
        assert len(sentences) == len(facts) == 4 and all(fact.scene is None for fact in facts)
        for fact, sentence in zip(facts, sentences, strict=True):
            filled = {
                one.replace("{L}", fact.label).replace("{V}", fact.value).replace("{E}", fact.subject)
                for one in patterns
            }
            assert sentence in {one[:1].upper() + one[1:] for one in filled}, sentence


def test_held_out_sentences_and_questions_are_for_measuring() -> None:
    for number in range(200):
        rng = Draw(f"held-{number}")
        for unseen in (False, True):
            for fact in random_facts(rng, "Stroln Tower", set(), 3, unseen):
                questions = _questions(fact)
                asked = ask(rng, fact, unseen)
                assert asked == questions[-1] if unseen else asked in questions[:-1]
                if fact.scene:
                    frame, slots = fact.scene.frame, [slot for slot, _ in fact.scene.values]
                    held = re.sub(r"\\\{[OPNY\\#]+\\\}", ".+", re.escape(frame.sentences[-1])).replace(r"\#", "#")
                    like_held = bool(re.fullmatch(held, fact.scene.sentence))
                    assert like_held == unseen, (frame.name, fact.scene.sentence, slots)


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
        kind: f"Stroln {listed(f'endings {kind}')[0]}" for kind in ENTITY_KINDS
    }
    rng, drawn = Draw("frames"), set[str]()
    for kind, subject in subjects.items():
        scenes = [facts[0].scene for facts in (_random_scene(rng, subject, False) for _ in range(500))]
        assert all(scene is not None and kind in scene.frame.of for scene in scenes)
        drawn.update(scene.frame.name for scene in scenes if scene)
    assert drawn == {frame.name for frame in frames("en")}


def test_what_is_called_unanswerable_is_not_told() -> None:
    """No question without an answer is one that something told could be asked by, in any of its words."""
    rng = Draw("untold")
    for _ in range(200):
        titles, known = [random_entity(rng) for _ in range(3)], set[Matter]()
        told_facts = [random_facts(rng, title, known, 3, False) for title in titles]
        _, rows = random_table(rng, known)
        told_facts.append([fact for row in rows for fact in row])
        subjects = [*titles, *(row[0].subject for row in rows)]
        could_ask = {question for facts in told_facts for fact in facts for question in _questions(fact)}
        for _ in range(6):
            asked = unanswerable_question(rng, subjects, told_facts, known, rng.random() < 0.5)
            assert asked.answer is None and asked.passage is None
            assert asked.question not in could_ask, asked


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


def test_what_is_said_holds_the_value_and_answers_end_in_a_full_stop() -> None:
    rng = Draw("said")
    speech = English(rng, unseen=False)
    said = {speech.say("oak wine") for _ in range(200)}
    assert said == {
        "Oak wine.",
        "It is oak wine.",
        "That would be oak wine.",
        "I was told oak wine.",
        "Oak wine, as far as I know.",
        "The sign says oak wine.",
    }
    assert speech.close("oak wine") == "oak wine."
    assert all(re.fullmatch(r"[A-Z][a-z]+", speech.speaker()) for _ in range(50))


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
