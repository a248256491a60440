"""The words and phrases of generated worlds, as their files list them: a heading, then one a line."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from haechi.prompt.template import Language


@cache
def listed_in(folder: str, name: str) -> Mapping[str, tuple[str, ...]]:
    """What stands under each heading of a file of the assets, in its order; `-` stands for no letter at all."""
    lists: dict[str, list[str]] = {}
    heading = ""
    for line in files("haechi").joinpath("assets", folder, name).read_text("utf-8").splitlines():
        if line.startswith("# "):
            heading = line[2:].strip()
        elif line.strip():
            lists.setdefault(heading, []).append("" if line == "-" else line.strip())
    return {heading: tuple(words) for heading, words in lists.items()}


def word_lists(language: Language) -> Mapping[str, tuple[str, ...]]:
    """The words of a language under each heading."""
    return listed_in("words", f"{language}.txt")
