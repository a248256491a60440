"""Frames: what may be told of an entity in one sentence, in how many ways prose tells it, and in how many people ask.

They are written in plain text (`assets/frames/ko` and `en`), a block a frame:

    ## discovered
    of: place, thing
    who: person = 발견자
    year: year = 발견된 해
    + 길을 잃은 {who}(이/가) {year}에 {E}(을/를) 처음 발견했다.
    + {E}(을/를) 찾아낸 사람은 {who}이다.
    who? {E}(을/를) 발견한 사람은 누구인가요?
    year? {E}(은/는) 언제 알려졌나요?

`{E}` is the entity, the other braces are the frame's slots; a sentence tells some of them. `{O}` (another entity),
`{P}` (another person), `{N}` (an object), `{Y}` (a year) and `{#}` (a number) are filled at random and never asked for.
After `=` stand other names of the same matter. The last sentence, and the last question of each slot, are held out of
training.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path

from haechi.errors import InputError
from haechi.pretrain.worlds.kinds import ENTITIES, KINDS, Kind
from haechi.prompt.template import Language

NOISE = ("O", "P", "N", "Y", "#")

_KINDS: dict[str, Kind] = {**KINDS, "number": "count", "name": "thing"}
_BRACED = re.compile(r"\{(.+?)\}")


@dataclass(frozen=True, slots=True)
class Slot:
    """What a sentence of a frame tells.

    Attributes:
        kind: of its values.
        unit: the counter behind a number; empty for other kinds.
        name_like: its values are names that were given to things.
        aliases: names of the same matter, in other frames and among the labels.
        questions: ways to ask for it, the last of them held out.
    """

    kind: Kind
    unit: str
    name_like: bool
    aliases: tuple[str, ...]
    questions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """What may be told of entities of the kinds `of`; `sentences` are patterns, the last of them held out."""

    name: str
    of: frozenset[str]
    slots: dict[str, Slot]
    sentences: tuple[str, ...]

    def told(self, sentence: str) -> list[str]:
        """The slots that a sentence tells, in its order."""
        return [name for name in _BRACED.findall(sentence) if name in self.slots]


@cache
def frames(language: Language = "ko") -> tuple[Frame, ...]:
    """All frames that come along in a language."""
    folder = files("haechi").joinpath("assets", "frames", language)
    return tuple(
        frame
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        for frame in read_frames(Path(str(file)), file.read_text(encoding="utf-8"))
    )


def read_frames(path: Path, text: str) -> list[Frame]:
    """The frames of a file's text; `path` is for messages.

    Raises:
        InputError: a line has no form that frames have, or a frame does not hold together.
    """
    drafts: list[_Draft] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("## "):
            drafts.append(_Draft(path, number, line[3:].strip()))
        elif line.strip() and not drafts:
            raise InputError(path, "stands before the first frame", "begin with “## name”", line=number)
        elif line.strip():
            drafts[-1].read(number, line.strip())
    return [draft.frame() for draft in drafts]


@dataclass(slots=True)
class _Draft:
    """A frame of which some lines are read."""

    path: Path
    line: int
    name: str
    of: frozenset[str] = frozenset()
    declared: dict[str, tuple[Kind, str, bool, tuple[str, ...]]] = field(default_factory=dict)
    questions: dict[str, list[str]] = field(default_factory=dict)
    sentences: list[str] = field(default_factory=list)

    def read(self, number: int, line: str) -> None:
        if line.startswith("+ "):
            self.sentences.append(self._pattern(number, line[2:], {*NOISE, *self.declared}))
        elif asked := re.fullmatch(r"(\w+)\? (.+)", line):
            if asked[1] not in self.declared:
                raise InputError(self.path, f"asks for {asked[1]}, which no line declares", "declare it", line=number)
            self.questions.setdefault(asked[1], []).append(self._pattern(number, asked[2], set()))
        elif line.startswith("of:"):
            self.of = frozenset(name.strip() for name in line[3:].split(","))
            if strange := sorted(self.of - {*ENTITIES, "person", "part"}):
                known = ", ".join(("person", *ENTITIES, "part"))
                raise InputError(self.path, f"no entity is a {strange[0]}", f"choose from {known}", line=number)
        elif declared := re.fullmatch(r"(\w+): (\w+)(?: ([^=]+?))?(?: *= *(.*))?", line):
            aliases = tuple(name.strip() for name in (declared[4] or "").split(",") if name.strip())
            kind = self._kind(number, declared[2])
            if declared[1] in self.declared or bool(declared[3]) != (declared[2] == "number"):
                fix = "declare each slot once, numbers with what they count (number 명), others without"
                raise InputError(self.path, f"“{line[:40]}” declares no slot", fix, line=number)
            self.declared[declared[1]] = (kind, declared[3] or "", declared[2] == "name", aliases)
        else:
            problem = f"“{line[:40]}” is no line of a frame"
            raise InputError(self.path, problem, "see the head of frames.py", line=number)

    def frame(self) -> Frame:
        told = {name for sentence in self.sentences[:-1] for name in _BRACED.findall(sentence)}
        missing = [slot for slot in self.declared if len(self.questions.get(slot, ())) < 2 or slot not in told]
        if missing or not self.of or not self.declared or len(self.sentences) < 2:
            problem = f"frame {self.name} is not whole" + (f" ({', '.join(missing)})" if missing else "")
            fix = "say what it is of, two sentences, and for each slot a sentence and two questions"
            raise InputError(self.path, problem, fix, line=self.line)
        slots = {slot: Slot(*self.declared[slot], tuple(self.questions[slot])) for slot in self.declared}
        return Frame(self.name, self.of, slots, tuple(self.sentences))

    def _kind(self, number: int, name: str) -> Kind:
        if name not in _KINDS:
            raise InputError(self.path, f"no value is a {name}", f"choose from {', '.join(_KINDS)}", line=number)
        return _KINDS[name]

    def _pattern(self, number: int, pattern: str, allowed: set[str]) -> str:
        named = _BRACED.findall(pattern)
        if named.count("E") != 1:
            raise InputError(self.path, f"“{pattern}” does not name {{E}} once", "name it once", line=number)
        for name in named:
            if name != "E" and (name not in allowed or named.count(name) > 1):
                raise InputError(
                    self.path,
                    f"“{pattern}” names {{{name}}}, which is not declared or not to be named here",
                    "name slots that stand above, once, and in questions none",
                    line=number,
                )
        return pattern
