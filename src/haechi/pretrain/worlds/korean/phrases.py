"""Phrases: what may stand before a value and is no part of it, and values that are more than a name.

They are written in plain text (`assets/phrases`), one a line, under the kind that they go with:

    # person
    물에 젖은 편지를 나르던
    {P}(이/가) 아끼던 막내 제자

with the noise of frames in braces (`haechi.pretrain.frames`).
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def before_values() -> dict[str, tuple[str, ...]]:
    """Words that may stand before a value of a kind; `name` and `measure` are kinds here too."""
    return _read("before_values.txt")


@cache
def spoken_values() -> dict[str, tuple[str, ...]]:
    """Values that are phrases: spots (`place`), and what one does (`act`)."""
    return _read("values.txt")


def _read(name: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    kind = ""
    for line in files("haechi").joinpath("assets", "phrases", name).read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            kind = line[2:].strip()
        elif line.strip():
            found.setdefault(kind, []).append(line.strip())
    return {kind: tuple(phrases) for kind, phrases in found.items()}
