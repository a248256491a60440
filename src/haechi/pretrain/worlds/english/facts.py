"""What an English world is made of: entities and things invented at random, and facts told of them."""

from __future__ import annotations

from functools import cache

from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.english.words import listed
from haechi.pretrain.worlds.facts import Fact, Matter, Scene, one_name
from haechi.pretrain.worlds.frames import Frame, Slot, frames
from haechi.pretrain.worlds.kinds import ENTITIES, Kind

LABELLED: tuple[Kind, ...] = ("person", "thing", "place", "year", "length", "days", "colour", "season", "price")


def random_facts(rng: Draw, entity: str, known: set[Matter], count: int, unseen: bool) -> list[Fact]:
    """`count` facts or a few more of an entity and its parts, on no matter that is `known` already; `known` grows."""
    facts: list[Fact] = []
    while len(facts) < count:
        subject = f"the {rng.choice(listed('parts'))} of {entity}" if rng.random() < 0.2 else entity
        found = random_scene(rng, subject, unseen) if rng.prosaic(0.75) else [random_fact(rng, subject)]
        matters = {matter(fact) for fact in found}
        if not known & matters:
            known.update(matters)
            facts.extend(found)
    return facts


def random_fact(rng: Draw, subject: str, kind: Kind | None = None) -> Fact:
    """A labelled fact."""
    kind = kind or rng.choice(LABELLED)
    return Fact(subject, None, rng.choice(listed(f"labels {kind}")), kind, value(rng, kind))


def random_scene(rng: Draw, subject: str, unseen: bool) -> list[Fact]:
    """What one sentence of a frame tells of the subject, a fact for each of its slots; the held-out one if `unseen`."""
    frame = rng.choice(_frames_of(_kind_of(subject)))
    pattern = frame.sentences[-1] if unseen else rng.choice(frame.sentences[:-1])
    values = tuple((slot, _slot_value(rng, frame.slots[slot])) for slot in frame.told(pattern))
    scene = Scene(frame, with_noise(rng, pattern), values)
    return [Fact(subject, None, "", frame.slots[slot].kind, text, None, slot, scene) for slot, text in values]


def matter(fact: Fact) -> Matter:
    """What a fact is about: two that are one are not asked for apart."""
    name = f"{fact.scene.frame.name}, {fact.part}" if fact.scene else fact.label
    return fact.subject, _matters().get(name, name)


@cache
def _matters() -> dict[str, str]:
    """One name for all that speaks of one thing: by slot and label, the first of the names that they share."""
    return one_name(
        {f"{frame.name}, {slot}", *told.aliases} for frame in frames("en") for slot, told in frame.slots.items()
    )


def heading(title: str, fact: Fact) -> str | None:
    """What a list on `title` calls the fact, if it has a short name: `height`, of a part `height of the roof`."""
    name = fact.label if fact.scene is None else next(iter(fact.slot.aliases), None)
    if fact.subject == title or not name:
        return name
    part = fact.subject.removesuffix(f" of {title}")
    return None if part == fact.subject else f"{name} of {part}"


def random_table(rng: Draw, known: set[Matter]) -> tuple[list[str], list[list[Fact]]]:
    """Two or three labels, and facts of several entities under each of them, a row an entity; `known` grows."""
    kinds = rng.sample(LABELLED, rng.randint(2, 3))
    labels = [rng.choice(listed(f"labels {kind}")) for kind in kinds]
    rows: list[list[Fact]] = []
    for _ in range(rng.randint(3, 4)):
        entity = random_entity(rng)
        rows.append(
            [Fact(entity, None, label, kind, value(rng, kind)) for label, kind in zip(labels, kinds, strict=True)]
        )
        known.update(map(matter, rows[-1]))
    return labels, rows


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


def random_entity(rng: Draw) -> str:
    """What a passage may be about: a person, or a place, group, event, beast or thing with an invented name."""
    return rng.word(lambda: _entity(rng))


def random_name(rng: Draw) -> str:
    """Two invented syllables."""
    sounds = (
        rng.choice(listed("onsets")) + rng.choice(listed("vowels")) + rng.choice(listed("codas")) for _ in range(2)
    )
    return "".join(sounds).capitalize()


def value(rng: Draw, kind: Kind) -> str:
    """A value of a kind; of colours, seasons and acts there are too few to hold some out."""
    if kind in ("colour", "season", "act"):
        return _value(rng, kind)
    return rng.word(lambda: _value(rng, kind))


def _entity(rng: Draw) -> str:
    if rng.random() < 0.25:
        return _person(rng)
    ending = rng.choice(rng.choice([listed(f"endings {kind}") for kind in ENTITIES]))
    if rng.random() < 0.5:
        return f"{random_name(rng)} {ending}"
    first = rng.choice(listed("modifiers"))
    return (
        f"{first} {random_name(rng)} {ending}"
        if rng.random() < 0.4
        else f"{first} {rng.choice(listed('nouns')).title()} {ending}"
    )


def _person(rng: Draw) -> str:
    return f"{random_name(rng)} {random_name(rng)}" if rng.random() < 0.7 else random_name(rng)


def _given_name(rng: Draw) -> str:
    shape = rng.random()
    if shape < 0.4:
        return random_name(rng)
    return (
        f"{rng.choice(listed('modifiers'))} {rng.choice(listed('nouns')).title()}"
        if shape < 0.8
        else f"{random_name(rng)}'s Rest"
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


def _slot_value(rng: Draw, slot: Slot) -> str:
    if slot.unit:
        return rng.word(lambda: f"{rng.randint(2, 999 if rng.random() < 0.5 else 99)} {slot.unit}")
    if slot.name_like:
        return rng.word(lambda: _given_name(rng))
    return value(rng, slot.kind)


@cache
def _frames_of(kind: str) -> tuple[Frame, ...]:
    return tuple(frame for frame in frames("en") if kind in frame.of)


def _kind_of(subject: str) -> str:
    if subject.startswith("the "):
        return "part"
    return next((kind for kind in ENTITIES if subject.endswith(listed(f"endings {kind}"))), "person")
