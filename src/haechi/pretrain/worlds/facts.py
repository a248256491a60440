"""What generated worlds tell, in any language: facts about subjects, with what their sentences are made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from haechi.pretrain.worlds.frames import Frame, Slot
from haechi.pretrain.worlds.kinds import Kind

# A subject and what it is about, where names of one thing count as one: what a world tells, and what it does not.
Matter = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Relation:
    """A fact that prose tells with a verb rather than a label."""

    name: str
    kind: Kind
    sentences: tuple[str, ...]
    questions: tuple[str, ...]


class Verb(NamedTuple):
    """A verb with the stem of its past (`세웠`다, `세웠`나요?) and its past attributive (`세운` 사람)."""

    name: str
    past: str
    attributive: str


@dataclass(frozen=True, slots=True)
class Deed:
    """What was done, in one sentence of several values; the subject of its facts is one part of it.

    Attributes:
        verb: what was done.
        role: the part that the subject plays.
        parts: the other parts and their values.
    """

    verb: Verb
    role: str
    parts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """What a frame's sentence tells, in one of its ways.

    Attributes:
        frame: what is told.
        sentence: the way that was chosen, with its slots open and the words of no importance filled.
        values: the slots that it tells, and their values.
    """

    frame: Frame
    sentence: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """One value of one attribute of a subject: an entity, or a part of one. Where a relation tells it with a verb,
    `label` is what is counted, or empty. A deed and a scene are told in one sentence of several values, of which this
    is `part`."""

    subject: str
    relation: Relation | None
    label: str
    kind: Kind
    value: str
    deed: Deed | None = None
    part: str = ""
    scene: Scene | None = None

    @property
    def slot(self) -> Slot:
        """The slot of its scene that it fills."""
        assert self.scene is not None
        return self.scene.frame.slots[self.part]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question on a world, which asks for a `kind` of value. `passage` is the 1-based number of the passage that
    answers it, None if none does."""

    question: str
    kind: Kind
    answer: str | None
    passage: int | None


def one_name(alike: Iterable[set[str]], known: Mapping[str, str] | None = None) -> dict[str, str]:
    """One name for all that any two sets have in common, the first of them; on from names that are `known`."""
    name = dict(known or {})
    for joined in alike:
        old = {name[one] for one in joined if one in name}
        new = min(joined | old)
        name |= {one: new for one, called in name.items() if called in old}
        name |= dict.fromkeys(joined, new)
    return name
