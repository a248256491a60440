"""What a Korean world is made of: entities and things invented at random, and facts and deeds told of them."""

from __future__ import annotations

from functools import cache

from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.facts import Deed, Fact, Matter, Scene, Verb
from haechi.pretrain.worlds.frames import Frame, Slot, frames
from haechi.pretrain.worlds.kinds import Kind
from haechi.pretrain.worlds.korean.grammar import SYLLABLES, agree
from haechi.pretrain.worlds.korean.lexicon import (
    COINED_LABELS,
    COLOURS,
    COUNT_UNITS,
    COUNTED,
    ENTITY_ENDINGS,
    ENTITY_KINDS,
    ERAS,
    LABELS,
    LARGEST,
    MODIFIERS,
    NAME_SYLLABLES,
    NAMED_THINGS,
    NOUNS,
    PARTS,
    SEASONS,
    SURNAMES,
)
from haechi.pretrain.worlds.korean.matters import matter
from haechi.pretrain.worlds.korean.phrases import spoken_values
from haechi.pretrain.worlds.korean.relations import (
    DEED_PARTS,
    DEED_VERBS,
    EVERYDAY_RELATIONS,
    HOLDINGS,
    NAMED,
    RELATIONS,
)


def random_facts(rng: Draw, entity: str, known: set[Matter], count: int, unseen: bool = False) -> list[Fact]:
    """`count` facts or a few more of an entity and its parts, on no matter that is `known` already; `known` grows.
    Scenes are told in their held-out sentence if `unseen`."""
    facts: list[Fact] = []
    while len(facts) < count:
        subject = f"{entity}의 {rng.choice(PARTS)}" if rng.random() < 0.25 else entity
        if rng.prosaic(0.75):
            found = random_scene(rng, subject, unseen)
        else:
            found = random_deed(rng, subject) if rng.prosaic(0.32) else [random_fact(rng, subject)]
        if not known & set(map(matter, found)):
            known.update(map(matter, found))
            facts.extend(found)
    return facts


def heading(title: str, fact: Fact) -> str | None:
    """What a list on `title` calls a fact, if it has a short name: `높이`, of a part `종탑의 높이`."""
    if fact.scene:
        names = [name for name in fact.slot.aliases if _is_korean(name)]
        name = names[0] if names else ""
    else:
        name = fact.label if fact.relation is None else ""
    if not name or fact.subject == title:
        return name or None
    owner, _, part = fact.subject.partition(f"{title}의 ")
    return None if owner or not part else f"{part}의 {name}"


def random_table(rng: Draw, known: set[Matter]) -> tuple[list[str], list[list[Fact]]]:
    """Two or three labels, and facts of several entities under each of them, a row an entity; `known` grows."""
    kinds: list[Kind] = rng.sample([kind for kind in LABELS if kind != "count"], rng.randint(2, 3))
    labels = [_label(rng, kind) for kind in kinds]
    rows: list[list[Fact]] = []
    while len(rows) < rng.randint(3, 4):
        entity = random_entity(rng)
        row = [
            Fact(entity, None, label, kind, _value(rng, kind, label)) for label, kind in zip(labels, kinds, strict=True)
        ]
        matters = set(map(matter, row))
        if len(matters) == len(row) and not matters & known:
            known.update(matters)
            rows.append(row)
        elif not rows:
            labels = [_label(rng, kind) for kind in kinds]
    return labels, rows


def random_scene(rng: Draw, subject: str, unseen: bool = False) -> list[Fact]:
    """A scene of any frame that is of such a subject; empty where none is."""
    fitting = _frames_of(_kind_of(subject))
    return scene_of(rng, rng.choice(fitting), subject, unseen) if fitting else []


def scene_of(rng: Draw, frame: Frame, subject: str, unseen: bool = False) -> list[Fact]:
    """What one sentence of the frame tells of a subject, a fact for each of its slots; the held-out one if `unseen`."""
    sentence = frame.sentences[-1] if unseen else rng.choice(frame.sentences[:-1])
    values = tuple((slot, _slot_value(rng, frame.slots[slot])) for slot in frame.told(sentence))
    sentence = with_noise(rng, sentence)
    scene = Scene(frame, sentence, values)
    return [Fact(subject, None, "", frame.slots[slot].kind, value, None, slot, scene) for slot, value in values]


def with_noise(rng: Draw, pattern: str) -> str:
    """The pattern with other names, things, years and numbers where its braces ask for noise."""
    for noise, value in (
        ("{O}", random_entity(rng)),
        ("{P}", random_person(rng)),
        ("{N}", rng.choice(NOUNS)),
        ("{Y}", _value(rng, "year", "")),
        ("{#}", str(rng.randint(2, 99))),
    ):
        pattern = pattern.replace(noise, value)
    return pattern


@cache
def _frames_of(kind: str) -> tuple[Frame, ...]:
    return tuple(frame for frame in frames() if kind in frame.of)


def _kind_of(subject: str) -> str:
    """What a subject is, by its name."""
    if "의 " in subject:
        return "part"
    return next((kind for kind, endings in ENTITY_KINDS.items() if subject.endswith(endings)), "person")


def _slot_value(rng: Draw, slot: Slot) -> str:
    if slot.unit:
        few = LARGEST.get(slot.unit, 9999) < 100  # too few numbers to hold some out
        return _counted(rng, slot.unit) if few else rng.word(lambda: _counted(rng, slot.unit))
    if slot.name_like:
        return _given_name(rng, "")
    return _value(rng, slot.kind, "")


def _counted(rng: Draw, unit: str) -> str:
    largest = LARGEST.get(unit, 9999)
    if largest == 9999 and rng.random() < 0.05:
        return f"{rng.randint(1, 9)}만 {rng.randint(1, 99)}00{unit}"
    return f"{rng.randint(2, largest if rng.random() < 0.6 else min(largest, 99))}{unit}"


def random_deed(rng: Draw, subject: str) -> list[Fact]:
    """A deed with one to three further parts, a fact each."""
    role = rng.choice(("agent", "object", "object", "place"))
    others = [part for part in DEED_PARTS if part != role]
    # Without its object, or what it was done by, a deed says nothing.
    kept = {"agent" if role == "object" else "object", *rng.sample(others, rng.randint(0, 2))}
    values = tuple((part, _value(rng, DEED_PARTS[part][0], "")) for part in others if part in kept)
    deed = Deed(_coined_verb(rng) if rng.random() < 0.3 else rng.choice(DEED_VERBS), role, values)
    return [Fact(subject, None, "", DEED_PARTS[part][0], value, deed, part) for part, value in values]


def _coined_verb(rng: Draw) -> Verb:
    stem = random_name(rng, 1, 2)
    return Verb(f"{stem}하다", f"{stem}했", f"{stem}한")


def random_fact(rng: Draw, subject: str) -> Fact:
    """One value: of a label, of a relation with a verb, of things that are counted or called something."""
    if rng.random() < 0.06:
        noun, counter = rng.choice(COUNTED)
        noun = random_name(rng, 1, 3) if rng.random() < 0.3 else noun
        return Fact(subject, HOLDINGS, noun, "count", rng.word(lambda: f"{rng.randint(2, 9999)}{counter}"))
    if rng.random() < 0.08:
        noun = random_name(rng, 1, 3) if rng.random() < 0.3 else rng.choice(NAMED_THINGS)
        return Fact(subject, NAMED, noun, "thing", _given_name(rng, noun))
    relation = None
    if rng.random() < 0.5:
        relation = rng.choice(EVERYDAY_RELATIONS if rng.random() < 0.5 else RELATIONS)
    kind: Kind = relation.kind if relation else rng.choices(list(LABELS), (6, 6, 3, 2, 2, 2, 1, 2, 1, 1))[0]
    label = "" if relation else _label(rng, kind)
    return Fact(subject, relation, label, kind, _value(rng, kind, label))


def random_entity(rng: Draw) -> str:
    """What a passage may be about: a person, or a place, group, beast or thing with an invented name."""
    return rng.word(lambda: _entity(rng))


def _entity(rng: Draw) -> str:
    shape = rng.random()
    if shape < 0.2:
        while _kind_of(person := _human_name(rng)) != "person":  # 오산 reads as a mountain
            pass
        return person
    ending = rng.choice(ENTITY_ENDINGS)
    if shape < 0.55:
        return random_name(rng, 2, 3) + (" " if rng.random() < 0.5 else "") + ending
    if shape < 0.8:
        return (
            f"{rng.choice(MODIFIERS)} {rng.choice(NOUNS)} {ending}"
            if rng.random() < 0.5
            else f"{rng.choice(MODIFIERS)} {ending}"
        )
    if rng.random() < 0.5:
        return f"{rng.choice(NOUNS)}{ending}"
    return f"{random_name(rng, 2, 3)} {rng.choice(NOUNS)} {ending}"


def random_name(rng: Draw, low: int, high: int) -> str:
    """`low` to `high` syllables, half of the time any that Korean has: a name whose tokens stood in no name of the
    training is not recognised, and what is told of it taken for untold."""
    syllables = NAME_SYLLABLES if rng.random() < 0.5 else SYLLABLES
    return "".join(rng.choice(syllables) for _ in range(rng.randint(low, high)))


def random_person(rng: Draw) -> str:
    """A person's name."""
    return rng.word(lambda: _human_name(rng))


def _human_name(rng: Draw) -> str:
    return rng.choice(SURNAMES) + random_name(rng, 1, 2) if rng.random() < 0.5 else random_name(rng, 2, 4)


def _thing(rng: Draw) -> str:
    shape = rng.random()
    if shape < 0.3:
        return rng.choice(NOUNS)
    if shape < 0.65:
        return f"{rng.choice(MODIFIERS)} {rng.choice(NOUNS)}"
    if shape < 0.8:
        return f"{random_name(rng, 2, 3)} {rng.choice(NOUNS)}"
    if shape < 0.9:
        return rng.choice(NOUNS) + rng.choice(NOUNS)
    return random_name(rng, 2, 4)


def _value(rng: Draw, kind: Kind, label: str) -> str:
    """A value of a kind; of colours and seasons there are too few to hold some out."""
    if kind in ("colour", "season", "act"):
        return _any_value(rng, kind, label)
    return rng.word(lambda: _any_value(rng, kind, label))


def _any_value(rng: Draw, kind: Kind, label: str) -> str:
    match kind:
        case "person":
            return _human_name(rng)
        case "thing":
            return _thing(rng)
        case "place":
            return _spoken(rng, "place") if rng.random() < 0.4 else _entity(rng)
        case "year":
            era = rng.choice(ERAS) if rng.random() < 0.5 else f"{random_name(rng, 2, 3)}력 "
            return f"{era}{rng.randint(2, 1999)}년"
        case "length":
            return f"{rng.randint(2, 999)}{rng.choice(('미터', '미터', '걸음', '뼘', '자', '킬로미터', '센티미터'))}"
        case "count":
            return f"{rng.randint(3, 9999)}{COUNT_UNITS.get(label, '명')}"
        case "days":
            return f"{rng.randint(2, 99)}{rng.choice(('일', '일', '시간', '년', '달', '분'))}"
        case "colour":
            return rng.choice(COLOURS) if rng.random() < 0.6 else rng.choice(NOUNS) + rng.choice(("색", "색", "빛"))
        case "season":
            return rng.choice(SEASONS) if rng.random() < 0.6 else f"{rng.randint(1, 12)}월 {rng.randint(1, 30)}일"
        case "price":
            return f"{rng.choice(('은화', '금화', '동전', '조개'))} {rng.randint(2, 300)}{rng.choice(('닢', '개'))}"
        case "act":
            return _spoken(rng, "act")


def _spoken(rng: Draw, kind: Kind) -> str:
    return agree(with_noise(rng, rng.choice(spoken_values()[kind])))


def _given_name(rng: Draw, noun: str) -> str:
    """What something is called; two names in five end in what it is, where that is known."""
    return rng.word(lambda: _any_name(rng, noun))


def _any_name(rng: Draw, noun: str) -> str:
    shape = rng.random()
    if shape < 0.4:
        first = (random_name(rng, 2, 3), rng.choice(NOUNS), rng.choice(MODIFIERS), rng.choice(MODIFIERS) + " ")
        return rng.choice(first) + (noun or rng.choice(NOUNS))
    return random_name(rng, 2, 4) if shape < 0.7 else rng.choice(NOUNS) + rng.choice(NOUNS)


def _label(rng: Draw, kind: Kind) -> str:
    """A word for an attribute; a third of them are coined, so that they have to be found, not known."""
    if rng.random() < 0.67:
        return rng.choice(LABELS[kind])
    stem = rng.choice(NOUNS) if rng.random() < 0.6 else random_name(rng, 1, 3)
    return stem + rng.choice(COINED_LABELS[kind])


def _is_korean(name: str) -> bool:
    """Whether a name of a matter is one that people use; the others are English and ours."""
    return any("가" <= char <= "힣" for char in name)
