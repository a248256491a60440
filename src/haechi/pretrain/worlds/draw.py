"""The random choices that a world is made of: seen or held-out words, bare facts or prose."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable

_HELD_OUT = 20  # one name or value in so many is never seen in training


class Draw(random.Random):
    """Random choices from a seed.

    Attributes:
        unseen: names and values are those that are held out of training, instead of the others.
        prose: 0 tells bare facts (*the height of … is …*), 1 tells them as prose does, in scenes and with words around
            a value that answer nothing; between them, so much of the one and of the other.
    """

    def __init__(self, seed: str, *, unseen: bool = False, prose: float = 1.0) -> None:
        super().__init__(seed)
        self.unseen, self.prose = unseen, prose

    def word(self, make: Callable[[], str]) -> str:
        """What `make` comes up with first that is held out, or first that is not."""
        while held_out(text := make()) is not self.unseen:
            pass
        return text

    def prosaic(self, share: float) -> bool:
        """Whether to do what prose does with a chance of `share`."""
        return self.random() < share * self.prose


def held_out(text: str) -> bool:
    """Whether training never sees this name or value: a property of the text alone, the same in every run."""
    return zlib.crc32(text.encode()) % _HELD_OUT == 0
