"""Near-duplicates by the exact Jaccard similarity of character 5-grams.

The search is exact: every pair at or above the threshold is found, no other. It compares few pairs because of two
bounds (Bayardo, Ma & Srikant 2007, "Scaling up all pairs similarity search"; Xiao et al. 2008, "Efficient similarity
joins for near duplicate detection"). For sets x and y, with |x| <= |y|, in one fixed order of all grams and with
J(x, y) >= t:

* size:   |x| >= t |y|;
* prefix: the first |x| - ceil(2t/(1+t) |x|) + k grams of x and the first |y| - ceil(t |y|) + k grams of y share k of
  them, for every k up to |x and y| (Wang, Li & Feng 2012, "Can we beat the prefix filtering?").

With rare grams first, few sets share that many.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

GRAM = 5

_SAMPLED_GRAMS = 2_000_000
_SHARED = 4  # the k of the prefix bound


def normalised(text: str) -> str:
    """A text as it is compared: NFKC, without case and white space (spacing is the loosest part of written Korean)."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def grams(text: str) -> frozenset[str]:
    """The character 5-grams of a normalised text; of a shorter text itself, of an empty one nothing."""
    if len(text) <= GRAM:
        return frozenset([text]) if text else frozenset()
    return frozenset(map("".join, zip(*(text[i:] for i in range(GRAM)), strict=False)))


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """|a and b| / |a or b|; two empty sets are alike (1.0)."""
    if not a and not b:
        return 1.0
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared)


def similar_pairs(records: Sequence[Sequence[str]], threshold: float) -> Iterator[tuple[int, int]]:
    """All pairs (i, j), i < j, of records of which every part is similar to the same part of the other.

    Args:
        records: the normalised texts of each record; all records have the same number of parts.
        threshold: the least Jaccard similarity of each part, above 0 and up to 1.
    """
    if not 0.0 < threshold <= 1.0:
        raise ValueError(f"threshold must be above 0 and up to 1, not {threshold}")
    frequency = _frequency(records)
    # Longer after shorter, so that the index only ever holds the smaller set of a pair.
    order = sorted((len(_tagged(record)), number) for number, record in enumerate(records))
    index: dict[str, list[int]] = {}
    size_of, shared_of = dict[int, int](), dict[int, int]()
    for size, number in order:
        least_whole, least_half = _at_least(threshold * size), _at_least(2 * threshold / (1 + threshold) * size)
        prefix = _rarest(_tagged(records[number]), size - least_whole + _SHARED, frequency)
        shared: Counter[int] = Counter()
        for gram in prefix:
            shared.update(index.get(gram, ()))
        for other in sorted(other for other, count in shared.items() if count >= shared_of[other]):
            if size_of[other] >= least_whole and _alike(records[number], records[other], threshold):
                yield (other, number) if other < number else (number, other)
        for gram in prefix[: size - least_half + _SHARED]:
            index.setdefault(gram, []).append(number)
        size_of[number], shared_of[number] = size, min(_SHARED, least_half)


def resembling(texts: Sequence[str], known: Iterable[str], threshold: float) -> set[int]:
    """Which texts, by their place, are some `known` text, or similar to one from the threshold on; none need be
    normalised."""
    said = [normalised(text) for text in texts]
    others = sorted({normalised(text) for text in known})
    found = set[int]()
    for a, b in similar_pairs([(text,) for text in (*others, *said)], threshold):
        if a < len(others) <= b:
            found.add(b - len(others))
    return found


def groups(count: int, links: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The connected components of 0 … count-1 under `links`, each ascending, in order of their first member."""
    parent = list(range(count))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for a, b in links:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    members: dict[int, list[int]] = {}
    for node in range(count):
        members.setdefault(root(node), []).append(node)
    return list(members.values())


def _tagged(record: Sequence[str]) -> frozenset[str]:
    """The grams of all parts, those of different parts kept apart.

    Where each part has Jaccard similarity >= t, so has this union, as a mediant of fractions; it finds the candidates.
    An empty part stands as one gram, so that no set is empty.
    """
    if len(record) == 1:
        return grams(record[0]) or frozenset([""])
    return frozenset(f"{part}{gram}" for part, text in enumerate(record) for gram in grams(text) or ("",))


def _alike(a: Sequence[str], b: Sequence[str], threshold: float) -> bool:
    return all(jaccard(grams(x), grams(y)) >= threshold for x, y in zip(a, b, strict=True))


def _rarest(found: frozenset[str], count: int, frequency: Mapping[str, int]) -> list[str]:
    """The first `count` of some grams, by frequency and, where that is equal, by spelling."""
    unseen = found.difference(frequency)
    if len(unseen) >= count:
        return sorted(unseen)[:count]
    return sorted(unseen) + sorted(sorted(found - unseen), key=frequency.__getitem__)[: count - len(unseen)]


def _at_least(bound: float) -> int:
    """The least whole number of grams that reaches `bound`, forgiving the rounding of the product."""
    return max(1, math.ceil(bound - 1e-9))


def _frequency(records: Sequence[Sequence[str]]) -> dict[str, int]:
    """How often grams occur in an evenly spaced sample of the records.

    Any order of the grams gives the exact result; a sample finds the common ones in bounded memory.
    """
    total = sum(len(text) for record in records for text in record)
    step = max(1, math.ceil(total / _SAMPLED_GRAMS))
    found: Counter[str] = Counter()
    for record in records[::step]:
        found.update(_tagged(record))
    return dict(found)
