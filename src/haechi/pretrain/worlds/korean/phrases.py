"""Phrases: what may stand before a value and is no part of it, and values that are more than a name.

They are written in plain text (`assets/phrases`), one a line, under the kind that they go with:

    # person
    물에 젖은 편지를 나르던
    {P}(이/가) 아끼던 막내 제자

with the noise of frames in braces (`haechi.pretrain.worlds.frames`).
"""

from __future__ import annotations

from collections.abc import Mapping

from haechi.pretrain.worlds.words import listed_in


def before_values() -> Mapping[str, tuple[str, ...]]:
    """Words that may stand before a value of a kind; `name` and `measure` are kinds here too."""
    return listed_in("phrases", "before_values.txt")


def spoken_values() -> Mapping[str, tuple[str, ...]]:
    """Values that are phrases: spots (`place`), and what one does (`act`)."""
    return listed_in("phrases", "values.txt")
