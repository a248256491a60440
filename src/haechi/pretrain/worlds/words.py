"""The words of generated worlds, as `assets/words` lists them: a heading, then one a line."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from haechi.prompt.template import Language


@cache
def word_lists(language: Language) -> Mapping[str, tuple[str, ...]]:
    """The words under each heading, in their order; `-` stands for no letter at all."""
    lists: dict[str, list[str]] = {}
    name = ""
    for line in files("haechi").joinpath("assets", "words", f"{language}.txt").read_text("utf-8").splitlines():
        if line.startswith("# "):
            name = line[2:].strip()
        elif line.strip():
            lists.setdefault(name, []).append("" if line == "-" else line.strip())
    return {name: tuple(words) for name, words in lists.items()}
