"""What a Korean fact is about, whatever words tell it: two that are of one matter are not asked for apart."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from haechi.pretrain.worlds.facts import Deed, Fact, Matter, one_name
from haechi.pretrain.worlds.frames import Frame, frames
from haechi.pretrain.worlds.korean.relations import HOLDINGS, NAMED


def matter(fact: Fact) -> Matter:
    """Subject and attribute, where synonyms count as one and `등대의 벽` and `색` are `등대` and `벽의 색`."""
    known = _matters()
    owner, attribute = fact.subject, _attribute(fact)
    if attribute not in known:  # `등대` and `열쇠의 길이` make the same words as `등대의 열쇠` and `길이`
        owner, _, attribute = f"{owner}의 {attribute}".rpartition("의 ")
    attribute = known.get(attribute, attribute)
    # And where `벽의 색` is spoken of as such, `등대의 벽` and `색` are `등대` and `벽의 색`.
    whole, _, part = owner.rpartition("의 ")
    for word in _names().get(attribute, [attribute]) if whole else ():
        if f"{part}의 {word}" in known:
            return whole, known[f"{part}의 {word}"]
    return owner, attribute


def _attribute(fact: Fact) -> str:
    if fact.scene:
        return _slot_name(fact.scene.frame, fact.part)
    if fact.deed:
        return _deed_name(fact.deed, fact.part)
    if fact.relation is HOLDINGS:
        return f"{fact.label}의 수"
    if fact.relation is NAMED:
        return f"{fact.label}의 이름"
    if fact.relation:
        return fact.relation.name
    attribute = _plain(fact.label)
    # A 열쇠지기 guards the 열쇠.
    return attribute if attribute in _matters() else re.sub(r"지기$", "의 guard", attribute)


def _plain(label: str) -> str:
    """`기둥 수` and `기둥의 수` are one label."""
    return re.sub(r"(?<!의) (수|색|이름)$", r"의 \1", label)


def _slot_name(frame: Frame, slot: str) -> str:
    return f"{frame.name}, {slot}"


@cache
def _matters() -> dict[str, str]:
    """One name for all that speaks of one thing: by attribute, the first of those that any two lists have in common."""
    known = {attribute: min(names) for names in _listed() for attribute in names}
    return one_name(
        (
            {_slot_name(frame, slot), *map(_plain, told.aliases)}
            for frame in frames()
            for slot, told in frame.slots.items()
        ),
        known,
    )


def _listed() -> list[list[str]]:
    """Names of one matter each, as `assets/relations/matters_ko.txt` lists them."""
    text = files("haechi").joinpath("assets", "relations", "matters_ko.txt").read_text("utf-8")
    return [line.split(" = ") for line in text.splitlines() if " = " in line]


@cache
def _names() -> dict[str, list[str]]:
    """The attributes that each matter of `_matters` goes by."""
    names: dict[str, list[str]] = {}
    for attribute, matter in _matters().items():
        names.setdefault(matter, []).append(attribute)
    return names


def _deed_name(deed: Deed, part: str) -> str:
    """The name of the relation that would tell the same, where there is one."""
    verb = deed.verb.name
    match deed.role, part:
        case "object", "agent":
            return f"{verb}, who"
        case "object", "year":
            return f"{verb.replace('하다', '되다')}, when"
        case (("agent" | "place"), "object"):
            return f"{verb}, what"
    return f"{verb}, {deed.role} {part}"
