"""Reading an answer back: what it claims and which passages it cites."""

from __future__ import annotations

import re
from dataclasses import dataclass

from haechi.prompt.template import Template, sentences_of

_MARK = re.compile(r"\s*\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]")


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of an answer without its marks, and the 1-based passage numbers that it cites, in order."""

    text: str
    citations: tuple[int, ...]


def claims(answer: str) -> list[Claim]:
    """The sentences of an answer, each with the citations that stand in it or directly after it.

    `"값은 3이다. [2] 또 있다. [1][3]"` gives two claims citing (2,) and (1, 3).
    """
    # A mark after the full stop belongs to the sentence before it: move it inside, then split.
    inside = re.sub(r"([.!?。…][\"'”’)]?)((?:\s*\[\d{1,3}(?:\s*,\s*\d{1,3})*\])+)", r"\2\1", answer)
    found = []
    for sentence in sentences_of(inside):
        numbers = [int(n) for mark in _MARK.findall(sentence) for n in mark.split(",")]
        text = _MARK.sub("", sentence).strip()
        if text or numbers:
            found.append(Claim(text, tuple(dict.fromkeys(numbers))))
    return found


def citations(answer: str) -> tuple[int, ...]:
    """Every passage number an answer cites, in order of first mention."""
    return tuple(dict.fromkeys(n for claim in claims(answer) for n in claim.citations))


def without_citations(answer: str) -> str:
    """The answer's words alone."""
    return " ".join(_MARK.sub("", answer).split())


def abstains(answer: str, template: Template) -> bool:
    """Whether the answer is the template's abstention and nothing else (marks and final stop aside)."""
    return without_citations(answer).rstrip(". ") == template.abstention.rstrip(". ")
