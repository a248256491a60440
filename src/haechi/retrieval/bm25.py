"""The BM25 index over our own terms: build, save, load, and the best passages of a query."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import bm25s
import numpy as np
from numpy.typing import NDArray

from haechi.errors import StageError

# bm25s sets its logger to DEBUG on import, which fills the log of any program that configures logging.
logging.getLogger("bm25s").setLevel(logging.WARNING)


class Bm25:
    """Lucene's BM25 (k1 = 1.5, b = 0.75; Kamphuis et al. 2020), scores computed when the index is built."""

    def __init__(self, index: bm25s.BM25) -> None:
        self._index = index

    @classmethod
    def build(cls, terms: Iterable[Sequence[str]]) -> Bm25:
        """Index texts given as lists of terms. Raises StageError if there is no term at all."""
        # Numbering terms by first occurrence, not by set order as bm25s does, makes equal input give equal files.
        vocabulary: dict[str, int] = {}
        numbered = [[vocabulary.setdefault(term, len(vocabulary)) for term in text] for text in terms]
        if not vocabulary:
            raise StageError("the documents hold no words. Fix: give documents with text.")
        index = bm25s.BM25(backend="numpy")
        # Without its "empty token", whose id lies outside the matrix.
        index.index((numbered, vocabulary), create_empty_token=False, show_progress=False)
        return cls(index)

    def save(self, folder: Path) -> None:
        """Write the index files into a folder."""
        self._index.save(folder, show_progress=False)

    @classmethod
    def load(cls, folder: Path) -> Bm25:
        """Map a saved index into memory. Raises OSError or ValueError if its files cannot be used."""
        return cls(bm25s.BM25.load(folder, mmap=True, show_progress=False))

    def top(self, terms: Sequence[str], k: int, *, among: NDArray[np.intp] | None = None) -> list[tuple[int, float]]:
        """Up to k (position, score), best first, equal scores by position; texts that share no term are left out.

        Args:
            among: the only positions to consider, ascending; None for all.
        """
        known = self._index.get_tokens_ids(list(terms))
        if not known:
            return []
        scores = self._index.get_scores_from_ids(known)
        positions = np.arange(len(scores)) if among is None else among
        scores = scores[positions]
        if len(scores) > k:
            # Everything that ties with the k-th score stays in, so that the sort below decides by position.
            kept = np.flatnonzero(scores >= np.partition(scores, -k)[-k])
            positions, scores = positions[kept], scores[kept]
        order = np.argsort(-scores, kind="stable")[:k]
        return [(int(positions[at]), float(scores[at])) for at in order if scores[at] > 0]
