"""Frames: read from text, refused with the line where they do not hold together; each question asks for one matter."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from haechi.errors import InputError
from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.english.facts import LABELLED
from haechi.pretrain.worlds.english.facts import matter as english_matter
from haechi.pretrain.worlds.english.words import listed
from haechi.pretrain.worlds.facts import Fact, Scene
from haechi.pretrain.worlds.frames import frames, read_frames
from haechi.pretrain.worlds.korean.facts import random_scene, scene_of
from haechi.pretrain.worlds.korean.grammar import Register
from haechi.pretrain.worlds.korean.lexicon import (
    ADJECTIVE_QUESTIONS,
    COUNTED,
    ENTITY_KINDS,
    LABEL_QUESTIONS,
    LABELS,
    NAMED_THINGS,
    PARTS,
)
from haechi.pretrain.worlds.korean.matters import matter as korean_matter
from haechi.pretrain.worlds.korean.relations import HOLDINGS, NAMED, RELATIONS
from haechi.pretrain.worlds.korean.telling import fill, told
from haechi.prompt.template import Language

ANY = frozenset(("person", "part", *ENTITY_KINDS))
DISCOVERED = """## discovered
of: place, thing
who: person = 발견자
count: number 명
+ 길을 잃은 {who}(이/가) {P}(과/와) 함께 {E}(을/를) 찾아냈다.
+ {who}(은/는) {count}(을/를) 이끌고 {E}에 닿았다.
+ {E}에 닿은 {count} 앞에는 {who}(이/가) 있었다.
who? 누가 {E}(을/를) 찾아냈나요?
who? {E}의 발견자는 누구예요?
count? {E}에 닿은 사람은 몇 명인가요?
count? 몇 명이 {E}에 닿았어?
"""


def test_a_frame_is_read() -> None:
    (frame,) = read_frames(Path("f.txt"), DISCOVERED)
    assert frame.name == "discovered" and frame.of == {"place", "thing"}
    assert [frame.told(sentence) for sentence in frame.sentences] == [["who"], ["who", "count"], ["count", "who"]]
    who, count = frame.slots["who"], frame.slots["count"]
    assert (who.kind, who.unit, who.aliases) == ("person", "", ("발견자",))
    assert (count.kind, count.unit, count.aliases) == ("count", "명", ())
    assert who.questions == ("누가 {E}(을/를) 찾아냈나요?", "{E}의 발견자는 누구예요?")


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("## discovered\n", "", 1, "stands before the first frame"),
        ("place, thing", "place, ship", 2, "no entity is a ship"),
        ("who: person", "who: sailor", 3, "no value is a sailor"),
        ("who: person", "who: person 명", 3, "declares no slot"),
        ("number 명", "number", 4, "declares no slot"),
        ("count: number", "who: number", 4, "declares no slot"),
        ("{P}(과/와)", "{Q}(과/와)", 5, "names {Q}"),
        ("{count}(을/를) 이끌고", "{who}(을/를) 이끌고", 6, "names {who}"),
        ("+ {who}(은/는)", "{who}(은/는)", 6, "is no line of a frame"),
        ("누가 {E}(을/를)", "누가 그것을", 8, "does not name {E} once"),
        ("{E}에 닿은 사람은", "{E}에 닿은 {who}(은/는)", 10, "names {who}"),
        ("count? 몇", "number? 몇", 11, "asks for number"),
        ("count? 몇 명이 {E}에 닿았어?\n", "", 1, "is not whole (count)"),
        ("of: place, thing\n", "", 1, "is not whole"),
        ("+ {who}(은/는) {count}(을/를) 이끌고 {E}에 닿았다.\n", "", 1, "is not whole (count)"),
    ],
)
def test_what_does_not_hold_together_is_refused_with_its_line(old: str, new: str, line: int, message: str) -> None:
    assert DISCOVERED.count(old) == 1
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_frames(Path("f.txt"), DISCOVERED.replace(old, new))
    assert caught.value.line == line


@pytest.mark.parametrize(("language", "least"), [("ko", 300), ("en", 150)])
def test_frames_that_come_along(language: Language, least: int) -> None:
    found = frames(language)
    assert len(found) > least and len({frame.name for frame in found}) == len(found)
    for kind in ("person", "part", *ENTITY_KINDS):
        assert sum(kind in frame.of for frame in found) >= 10, kind
    ends = ("다.",) if language == "ko" else (".", '."')
    for frame in found:
        assert all(sentence.endswith(ends) for sentence in frame.sentences), frame.name
        assert frame.sentences[-1] not in frame.sentences[:-1]
        for slot in frame.slots.values():
            assert slot.questions[-1] not in slot.questions[:-1]


def _korean_questions() -> Iterator[tuple[str, bool, Fact, frozenset[str]]]:
    """Each question of frames, relations and labels about 등대, whether it is held out, a fact that answers it, and
    what kinds of entities it is asked of."""
    for frame in frames():
        for name, slot in frame.slots.items():
            fact = Fact("등대", None, "", slot.kind, "", None, name, Scene(frame, "", ()))
            yield from ((question, question == slot.questions[-1], fact, ANY) for question in slot.questions)
    for relation in RELATIONS:
        fact = Fact("등대", relation, "", relation.kind, "")
        yield from ((question, question == relation.questions[-1], fact, ANY) for question in relation.questions)
    for kind, questions in LABEL_QUESTIONS.items():
        for label in LABELS[kind]:
            for question in (*questions, *ADJECTIVE_QUESTIONS.get(label, ())):
                yield question, question == questions[-1], Fact("등대", None, label, kind, ""), ANY
    for noun, counter in COUNTED:
        for question in HOLDINGS.questions:
            yield (
                question,
                question == HOLDINGS.questions[-1],
                Fact("등대", HOLDINGS, noun, "count", f"3{counter}"),
                ANY,
            )
    for noun in NAMED_THINGS:
        for question in NAMED.questions:
            yield question, question == NAMED.questions[-1], Fact("등대", NAMED, noun, "thing", ""), ANY


def _english_questions() -> Iterator[tuple[str, bool, Fact, frozenset[str]]]:
    """The same of English frames and labels; a question may mean one thing of a place and another of a beast."""
    for frame in frames("en"):
        for name, slot in frame.slots.items():
            fact = Fact("Stroln Tower", None, "", slot.kind, "", None, name, Scene(frame, "", ()))
            yield from ((question, question == slot.questions[-1], fact, frame.of) for question in slot.questions)
    for kind in LABELLED:
        questions = listed(f"label questions {kind}")
        for label in listed(f"labels {kind}"):
            fact = Fact("Stroln Tower", None, label, kind, "")
            yield from ((question, question == questions[-1], fact, ANY) for question in questions)


@pytest.mark.parametrize("language", ["ko", "en"])
def test_a_question_asks_for_one_matter_and_is_held_out_or_not(language: Language) -> None:
    """Whatever it comes from, in the same words it asks for the same thing: else what is told of one would be called
    untold of the other. And what is held out in one place is not asked in another."""
    matters: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    held: dict[str, set[bool]] = defaultdict(set)
    for question, held_out, fact, of in _korean_questions() if language == "ko" else _english_questions():
        text = fill(question, fact)
        for kind in of:
            matters[kind, text].add(korean_matter(fact) if language == "ko" else english_matter(fact))
        held[text].add(held_out)
    assert len(held) > (3000 if language == "ko" else 1000)
    assert {asked: found for asked, found in matters.items() if len(found) > 1} == {}
    assert [text for text, found in held.items() if len(found) > 1] == []


@pytest.mark.parametrize("unseen", [False, True])
def test_a_scene_tells_its_values(unseen: bool) -> None:
    """Each value stands in the sentence, and no slot is left open, whatever is told of and in whatever register."""
    rng = Draw("8")
    subjects = {"person": "한바라", "part": "등대의 " + PARTS[0]} | {
        kind: f"오누리 {endings[0]}" for kind, endings in ENTITY_KINDS.items()
    }
    for frame in frames():
        for kind in sorted(frame.of):
            facts = scene_of(rng, frame, subjects[kind], unseen)
            scene = facts[0].scene
            assert scene is not None and scene.frame is frame
            assert all(fact.scene is scene and fact.subject == subjects[kind] for fact in facts)
            text = " ".join(told(rng, facts, rng.choice(get_args(Register)), unseen))
            assert not re.search(r"[{}/()]", text), text
            assert subjects[kind] in text and all(fact.value in text for fact in facts), (text, facts)


def test_a_scene_is_of_its_subjects_kind() -> None:
    rng = Draw("2")
    for subject, kind in (("한바라", "person"), ("오누리 마을", "place"), ("등대의 " + PARTS[0], "part")):
        drawn = {fact.scene.frame.name for _ in range(200) for fact in random_scene(rng, subject) if fact.scene}
        fitting = {frame.name for frame in frames() if kind in frame.of}
        assert drawn <= fitting and len(drawn) > 40, (kind, len(drawn))


def test_held_out_sentences_are_told_only_in_measuring() -> None:
    rng = Draw("1")
    for unseen in (False, True):
        for _ in range(500):
            (fact, *_) = random_scene(rng, "오누리 마을", unseen)
            assert fact.scene is not None
            frame, told = fact.scene.frame, tuple(slot for slot, _ in fact.scene.values)
            # The noise is filled, so the patterns are told apart by what stands between their braces.
            fitting = [
                number
                for number, pattern in enumerate(frame.sentences)
                if tuple(frame.told(pattern)) == told
                and re.fullmatch(
                    re.sub(r"\\\{[OPNY\\#]+\\\}", ".+", re.escape(pattern)).replace(r"\#", "#"), fact.scene.sentence
                )
            ]
            assert (len(frame.sentences) - 1 in fitting) == unseen, (frame.name, fact.scene.sentence, fitting)
