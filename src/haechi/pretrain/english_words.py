"""The English words of generated worlds, as `assets/words/en.txt` lists them: a heading, then one a line."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


def listed(name: str) -> tuple[str, ...]:
    """The words under a heading, in their order; `-` stands for no letter at all."""
    return _lists()[name]


@cache
def _lists() -> dict[str, tuple[str, ...]]:
    lists: dict[str, list[str]] = {}
    name = ""
    for line in files("haechi").joinpath("assets", "words", "en.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            name = line[2:].strip()
        elif line.strip():
            lists.setdefault(name, []).append("" if line == "-" else line.strip())
    return {name: tuple(words) for name, words in lists.items()}
