"""The English words of generated worlds."""

from __future__ import annotations

from haechi.pretrain.worlds.words import word_lists


def listed(name: str) -> tuple[str, ...]:
    """The words under a heading of `assets/words/en.txt`."""
    return word_lists("en")[name]
