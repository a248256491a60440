"""How English tells of a world and asks for it: entities, values, sentences and questions.

What is told are the scenes of frames, and labelled facts. English needs no particles that agree, and has one register.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from haechi.pretrain.draw import Draw
from haechi.pretrain.english_words import listed
from haechi.pretrain.facts import Asked, Fact, Scene, one_name
from haechi.pretrain.forms import grid
from haechi.pretrain.frames import Frame, Slot, frames
from haechi.pretrain.lexicon import ENTITY_KINDS, Kind
from haechi.prompt.template import Language

# A subject and what it is about, where names of one thing count as one.
Matter = tuple[str, str]

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_LABELLED: tuple[Kind, ...] = ("person", "thing", "place", "year", "length", "days", "colour", "season", "price")
_SAID = ("{V}.", "It is {V}.", "That would be {V}.", "I was told {V}.", "{V}, as far as I know.", "The sign says {V}.")
_TABLES = ("Overview", "At a glance", "Comparison", "Directory", "List")


class English:
    """One world's English: what it has told."""

    language: Language = "en"
    letters: Sequence[str] = _LETTERS

    def __init__(self, rng: Draw, unseen: bool) -> None:
        self._rng, self._unseen = rng, unseen
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
        cells = [[row[0].subject, *(fact.value for fact in row)] for row in rows]
        title = self._rng.choice(_TABLES)
        return title, [fact for row in rows for fact in row], grid(self._rng, ["name", *labels], cells)

    def sentences(self, facts: Sequence[Fact]) -> list[str]:
        return told(self._rng, facts, self._unseen)

    def heading(self, title: str, fact: Fact) -> str | None:
        return heading(title, fact)

    def ask(self, fact: Fact) -> str:
        return ask(self._rng, fact, self._unseen)

    def unanswerable(self, told: Sequence[Sequence[Fact]]) -> Asked:
        return unanswerable_question(self._rng, self._subjects, told, self._known, self._unseen)

    def close(self, value: str) -> str:
        return f"{value}."

    def say(self, value: str) -> str:
        return _sentence(self._rng.choice(_SAID).replace("{V}", value))

    def speaker(self) -> str:
        return self._rng.word(lambda: _name(self._rng))


def random_entity(rng: Draw) -> str:
    """What a passage may be about: a person, or a place, group, event, beast or thing with an invented name."""
    return rng.word(lambda: _entity(rng))


def random_facts(rng: Draw, entity: str, known: set[Matter], count: int, unseen: bool) -> list[Fact]:
    """`count` facts or a few more of an entity and its parts, on no matter that is `known` already; `known` grows."""
    facts: list[Fact] = []
    while len(facts) < count:
        subject = f"the {rng.choice(listed('parts'))} of {entity}" if rng.random() < 0.2 else entity
        found = _random_scene(rng, subject, unseen) if rng.prosaic(0.75) else [random_fact(rng, subject)]
        matters = {matter(fact) for fact in found}
        if not known & matters:
            known.update(matters)
            facts.extend(found)
    return facts


def random_fact(rng: Draw, subject: str, kind: Kind | None = None) -> Fact:
    """A labelled fact."""
    kind = kind or rng.choice(_LABELLED)
    return Fact(subject, None, rng.choice(listed(f"labels {kind}")), kind, value(rng, kind))


def matter(fact: Fact) -> Matter:
    """What a fact is about: two that are one are not asked for apart."""
    name = f"{fact.scene.frame.name}, {fact.part}" if fact.scene else fact.label
    return fact.subject, _matters().get(name, name)


def told(rng: Draw, facts: Sequence[Fact], unseen: bool) -> list[str]:
    """Sentences that tell the facts, a scene's in one, with what prose puts between them."""
    sentences: list[str] = []
    scenes: list[Scene] = []
    for fact in facts:
        if fact.scene and any(fact.scene is scene for scene in scenes):
            continue
        if fact.scene:
            scenes.append(fact.scene)
        sentences.append(_tell(rng, fact, unseen))
        if rng.prosaic(0.15):
            sentences.append(_sentence(with_noise(rng, rng.choice(listed("fillers"))).replace("{E}", fact.subject)))
    return sentences


def ask(rng: Draw, fact: Fact, unseen: bool) -> str:
    """A question for a fact."""
    patterns = fact.slot.questions if fact.scene else listed(f"label questions {fact.kind}")
    pattern = patterns[-1] if unseen else rng.choice(patterns[:-1])
    return pattern.replace("{E}", fact.subject).replace("{L}", fact.label)


def unanswerable_question(
    rng: Draw, subjects: Sequence[str], told: Sequence[Sequence[Fact]], known: set[Matter], unseen: bool
) -> Asked:
    """A question on an entity of the world (or, at times, a stranger) whose matter the world does not tell."""
    while True:
        fact = rng.choice(rng.choice(told))
        subject = rng.choice(subjects) if rng.random() < 0.85 else random_entity(rng)
        shape = rng.random()
        if shape < 0.4:  # what is told of another, asked of this one
            fact = replace(fact, subject=subject)
        elif shape < 0.5:  # what is told of a thing, asked of its part
            fact = replace(fact, subject=f"the {rng.choice(listed('parts'))} of {subject}")
        else:  # another matter
            subject = fact.subject if shape < 0.75 else subject
            fact = rng.choice(_random_scene(rng, subject, unseen)) if rng.prosaic(0.7) else random_fact(rng, subject)
        if matter(fact) not in known:
            return Asked(ask(rng, fact, unseen), fact.kind, None, None)


def heading(title: str, fact: Fact) -> str | None:
    """What a list on `title` calls the fact, if it has a short name: `height`, of a part `height of the roof`."""
    name = fact.label if fact.scene is None else next(iter(fact.slot.aliases), None)
    if fact.subject == title or not name:
        return name
    part = fact.subject.removesuffix(f" of {title}")
    return None if part == fact.subject else f"{name} of {part}"


def random_table(rng: Draw, known: set[Matter]) -> tuple[list[str], list[list[Fact]]]:
    """Two or three labels, and facts of several entities under each of them, a row an entity; `known` grows."""
    kinds = rng.sample(_LABELLED, rng.randint(2, 3))
    labels = [rng.choice(listed(f"labels {kind}")) for kind in kinds]
    rows: list[list[Fact]] = []
    for _ in range(rng.randint(3, 4)):
        entity = random_entity(rng)
        rows.append(
            [Fact(entity, None, label, kind, value(rng, kind)) for label, kind in zip(labels, kinds, strict=True)]
        )
        known.update(map(matter, rows[-1]))
    return labels, rows


def value(rng: Draw, kind: Kind) -> str:
    """A value of a kind; of colours, seasons and acts there are too few to hold some out."""
    if kind in ("colour", "season", "act"):
        return _value(rng, kind)
    return rng.word(lambda: _value(rng, kind))


def with_noise(rng: Draw, pattern: str) -> str:
    """The pattern with other names, things, years and numbers where its braces ask for noise."""
    for noise, text in (
        ("{O}", random_entity(rng)),
        ("{P}", rng.word(lambda: _person(rng))),
        ("{N}", rng.choice(listed("nouns"))),
        ("{Y}", _value(rng, "year")),
        ("{#}", str(rng.randint(2, 99))),
    ):
        pattern = pattern.replace(noise, text)
    return pattern


def _tell(rng: Draw, fact: Fact, unseen: bool) -> str:
    if fact.scene is None:
        sentence = listed("label sentences")[-1] if unseen else rng.choice(listed("label sentences")[:-1])
        sentence = sentence.replace("{L}", fact.label).replace("{V}", _introduced(rng, fact.kind, fact.value))
    else:
        sentence = fact.scene.sentence
        for slot, text in fact.scene.values:
            kind = fact.scene.frame.slots[slot].kind
            sentence = sentence.replace("{" + slot + "}", _introduced(rng, kind, text))
    sentence = sentence.replace("{E}", fact.subject)
    first = sentence.partition(" ")[0]
    if rng.prosaic(0.1) and first in listed("lower after an opening"):
        return f"{rng.choice(listed('openings'))} {first.lower()}{sentence.removeprefix(first)}"
    return _sentence(sentence)


def _introduced(rng: Draw, kind: Kind, text: str) -> str:
    return f"{rng.choice(listed('occupations'))} {text}" if kind == "person" and rng.prosaic(0.12) else text


def _sentence(text: str) -> str:
    start = 1 if text.startswith('"') else 0
    return text[:start] + text[start : start + 1].upper() + text[start + 1 :]


def _random_scene(rng: Draw, subject: str, unseen: bool) -> list[Fact]:
    frame = rng.choice(_frames_of(_kind_of(subject)))
    pattern = frame.sentences[-1] if unseen else rng.choice(frame.sentences[:-1])
    values = tuple((slot, _slot_value(rng, frame.slots[slot])) for slot in frame.told(pattern))
    scene = Scene(frame, with_noise(rng, pattern), values)
    return [Fact(subject, None, "", frame.slots[slot].kind, text, None, slot, scene) for slot, text in values]


def _slot_value(rng: Draw, slot: Slot) -> str:
    if slot.unit:
        return rng.word(lambda: f"{rng.randint(2, 999 if rng.random() < 0.5 else 99)} {slot.unit}")
    if slot.name_like:
        return rng.word(lambda: _given_name(rng))
    return value(rng, slot.kind)


@cache
def _frames_of(kind: str) -> tuple[Frame, ...]:
    return tuple(frame for frame in frames("en") if kind in frame.of)


@cache
def _matters() -> dict[str, str]:
    """One name for all that speaks of one thing: by slot and label, the first of the names that they share."""
    return one_name(
        {f"{frame.name}, {slot}", *told.aliases} for frame in frames("en") for slot, told in frame.slots.items()
    )


def _kind_of(subject: str) -> str:
    if subject.startswith("the "):
        return "part"
    return next((kind for kind in ENTITY_KINDS if subject.endswith(listed(f"endings {kind}"))), "person")


def _entity(rng: Draw) -> str:
    if rng.random() < 0.25:
        return _person(rng)
    ending = rng.choice(rng.choice([listed(f"endings {kind}") for kind in ENTITY_KINDS]))
    if rng.random() < 0.5:
        return f"{_name(rng)} {ending}"
    first = rng.choice(listed("modifiers"))
    return (
        f"{first} {_name(rng)} {ending}"
        if rng.random() < 0.4
        else f"{first} {rng.choice(listed('nouns')).title()} {ending}"
    )


def _name(rng: Draw) -> str:
    sounds = (
        rng.choice(listed("onsets")) + rng.choice(listed("vowels")) + rng.choice(listed("codas")) for _ in range(2)
    )
    return "".join(sounds).capitalize()


def _person(rng: Draw) -> str:
    return f"{_name(rng)} {_name(rng)}" if rng.random() < 0.7 else _name(rng)


def _given_name(rng: Draw) -> str:
    shape = rng.random()
    if shape < 0.4:
        return _name(rng)
    return (
        f"{rng.choice(listed('modifiers'))} {rng.choice(listed('nouns')).title()}"
        if shape < 0.8
        else f"{_name(rng)}'s Rest"
    )


def _value(rng: Draw, kind: Kind) -> str:
    match kind:
        case "person":
            return _person(rng)
        case "thing":
            noun = rng.choice(listed("nouns"))
            return (
                f"{rng.choice(listed('qualities'))} {noun}"
                if rng.random() < 0.7
                else f"{noun} {rng.choice(listed('nouns'))}"
            )
        case "place":
            return rng.choice(listed("spots")).replace("{O}", _entity(rng)) if rng.random() < 0.4 else _entity(rng)
        case "year":
            return f"Year {rng.randint(2, 999)}" if rng.random() < 0.3 else str(rng.randint(1001, 1999))
        case "length":
            return f"{rng.randint(2, 999)} {rng.choice(listed('lengths'))}"
        case "count":
            return str(rng.randint(3, 9999))
        case "days":
            return f"{rng.randint(2, 99)} {rng.choice(listed('times'))}"
        case "colour":
            return rng.choice(listed("colours"))
        case "season":
            day = f"the {rng.randint(4, 20)}th of {rng.choice(listed('months'))}"
            return rng.choice(listed("seasons")) if rng.random() < 0.5 else day
        case "price":
            return f"{rng.randint(2, 300)} {rng.choice(listed('coins'))}"
        case "act":
            return rng.choice(listed("acts")).replace("{N}", rng.choice(listed("nouns")))
