"""Splitting questions so that no paraphrase and no topic crosses from one part into another."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from haechi.errors import RecipeError, StageError
from haechi.records.conversations import user_turns
from haechi.records.similar import groups, normalised, resembling, similar_pairs
from haechi.records.types import Question


def clusters(questions: Sequence[Question], threshold: float = 0.8) -> list[list[Question]]:
    """Questions that belong together: connected by near-duplicate texts or by one topic that is not empty.

    The result does not depend on the order of the questions: clusters and their members are in order of id.

    Args:
        threshold: the Jaccard similarity of character 5-grams from which on two texts count as near-duplicates.
    """
    ordered = sorted(questions, key=lambda question: (question.id, question.text))
    by_text: dict[str, list[int]] = {}
    by_topic: dict[str, list[int]] = {}
    for number, question in enumerate(ordered):
        by_text.setdefault(normalised(question.text), []).append(number)
        if question.topic:
            by_topic.setdefault(question.topic, []).append(number)

    def links() -> Iterator[tuple[int, int]]:
        for same in (*by_text.values(), *by_topic.values()):
            yield from pairwise(same)
        texts, firsts = list(by_text), [same[0] for same in by_text.values()]
        for a, b in similar_pairs([(text,) for text in texts], threshold):
            yield firsts[a], firsts[b]

    return [[ordered[number] for number in members] for members in groups(len(ordered), links())]


def asking(prompts: Sequence[str], questions: Sequence[Question], threshold: float) -> set[int]:
    """Which prompts, by their place, ask one of the questions: in one of the user's turns, in its words or nearly."""
    turns = [(number, turn) for number, prompt in enumerate(prompts) for turn in user_turns(prompt)]
    close = resembling([turn for _, turn in turns], (question.text for question in questions), min(threshold, 0.999))
    return {turns[place][0] for place in close}


def split(
    questions: Sequence[Question], shares: Mapping[str, float], seed: int, *, threshold: float = 0.8
) -> dict[str, list[Question]]:
    """The questions in parts of about the given shares, whole clusters to one part, each part in order of id.

    Answerable and unanswerable questions are balanced as far as whole clusters allow. The same questions, shares and
    seed give the same parts, in whatever order the questions come.

    Args:
        shares: the name of each part to its share; above 0, together 1.
        threshold: see `clusters`.

    Raises:
        RecipeError: the shares are not valid.
        StageError: there are fewer clusters than parts, so that a part would be empty.
    """
    whole = math.isclose(sum(shares.values()), 1.0, abs_tol=1e-6)
    if not whole or any(share <= 0 for share in shares.values()):
        raise RecipeError(f"split shares {dict(shares)} must be above 0 and add up to 1")
    found = clusters(questions, threshold)
    if len(found) < len(shares):
        raise StageError(
            f"{len(questions)} questions form {len(found)} clusters of one topic or wording, too few for the "
            f"{len(shares)} parts {', '.join(shares)}. Fix: add questions, or ask for fewer parts."
        )
    parts = _assign(found, shares, random.Random(seed))
    _fill_empty(parts)
    return {
        name: sorted((question for cluster in part for question in cluster), key=lambda question: question.id)
        for name, part in parts.items()
    }


def _assign(
    found: Sequence[list[Question]], shares: Mapping[str, float], draw: random.Random
) -> dict[str, list[list[Question]]]:
    """Large clusters first, each to the part that lacks most of what it holds and has room for it."""
    order = list(found)
    draw.shuffle(order)
    order.sort(key=len, reverse=True)
    totals = [_counts(order, kind) for kind in (True, False)]
    targets = {name: [share * total for total in totals] for name, share in shares.items()}
    missing = {name: list(target) for name, target in targets.items()}
    parts: dict[str, list[list[Question]]] = {name: [] for name in shares}
    for cluster in order:
        held = [_counts([cluster], kind) for kind in (True, False)]
        roomy = [name for name in shares if sum(missing[name]) >= len(cluster)]

        def lack(name: str, held: Sequence[int] = held) -> float:
            """The share of its target that the part still lacks, over the questions of the cluster."""
            wanted = zip(held, missing[name], targets[name], strict=True)
            return sum(count * lacking / target for count, lacking, target in wanted if count)

        best = max(roomy, key=lack) if roomy else max(shares, key=lambda name: sum(missing[name]))
        parts[best].append(cluster)
        missing[best] = [lacking - count for lacking, count in zip(missing[best], held, strict=True)]
    return parts


def _fill_empty(parts: dict[str, list[list[Question]]]) -> None:
    """Gives every part without a cluster the smallest one of the part with the most."""
    for name in parts:
        if not parts[name]:
            richest = max(parts, key=lambda other: len(parts[other]))
            parts[name].append(parts[richest].pop())  # clusters were handed out by falling size


def _counts(found: Sequence[list[Question]], answerable: bool) -> int:
    return sum(question.answerable is answerable for cluster in found for question in cluster)
