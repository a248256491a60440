"""Scores of one ranking against the passages (or documents) known to be right. Average over questions yourself.

`ranked` holds ids, best first, none twice. A question without a known right id has no score: leave it out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import log2


def recall_at_k(ranked: Sequence[str], gold: Collection[str], k: int) -> float:
    """Share of the gold ids that are among the first k."""
    _check(gold, k)
    return len(set(ranked[:k]) & set(gold)) / len(set(gold))


def reciprocal_rank(ranked: Sequence[str], gold: Collection[str]) -> float:
    """1 / rank of the first gold id, 0 if there is none. Its mean over questions is the MRR."""
    _check(gold, 1)
    return next((1 / rank for rank, found in enumerate(ranked, start=1) if found in gold), 0.0)


def ndcg_at_k(ranked: Sequence[str], gold: Collection[str], k: int) -> float:
    """Discounted gain of the gold ids among the first k, as a share of the best possible (Järvelin & Kekäläinen 2002).

    The gain of a gold id is 1, its discount 1 / log2(rank + 1).
    """
    _check(gold, k)
    gained = sum(1 / log2(rank + 1) for rank, found in enumerate(ranked[:k], start=1) if found in gold)
    return gained / sum(1 / log2(rank + 1) for rank in range(1, min(k, len(set(gold))) + 1))


def _check(gold: Collection[str], k: int) -> None:
    if not gold or k < 1:
        raise ValueError(f"need at least one gold id and k >= 1, got {len(gold)} and {k}")
