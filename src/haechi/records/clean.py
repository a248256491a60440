"""Cleaning: which records a run should not learn from, and why each was left out.

Records are checked one by one (length, damage), then against each other (conflicts, duplicates, near-duplicates). Of
records that repeat one another the first stays. Nothing is ever changed, only left out and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from haechi.records.damage import Damage, DamageLimits, damage_of
from haechi.records.similar import normalised, similar_pairs
from haechi.records.types import Document, Preference, Question

R = TypeVar("R", Document, Question, Preference)

TOO_SHORT = "too short"
TOO_LONG = "too long"
DUPLICATE = "duplicate"
NEAR_DUPLICATE = "near-duplicate"
EQUAL_ANSWERS = "equal answers"
OUTVOTED = "outvoted"
CONFLICT = "conflict"

_EXAMPLES = 5
# What a file does to a text. The other kinds of damage may be the model's own doing, and worth disliking.
_FILE_DAMAGE = (Damage.MOJIBAKE, Damage.EXPORT_TAIL)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLimits:
    """What a document must keep to. Lengths are in characters; `near_duplicate` is a similarity, None for no check."""

    shortest: int = 20
    longest: int = 2_000_000
    near_duplicate: float | None = 0.9
    damage: DamageLimits = field(default_factory=DamageLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionLimits:
    """What a question and its answer, if it has one, must keep to; units as in `DocumentLimits`."""

    shortest: int = 2
    longest: int = 4_000
    shortest_answer: int = 1
    longest_answer: int = 8_000
    near_duplicate: float | None = 0.9
    damage: DamageLimits = field(default_factory=DamageLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceLimits:
    """What a preference must keep to; units as in `DocumentLimits`. A rejected answer may be of any shortness."""

    shortest_prompt: int = 2
    longest_prompt: int = 16_000
    shortest_chosen: int = 1
    longest_answer: int = 8_000
    near_duplicate: float | None = 0.9
    damage: DamageLimits = field(default_factory=DamageLimits)


@dataclass(frozen=True, slots=True)
class CleaningReport:
    """How many records came in and stayed, and of those left out how many and which, by reason.

    `examples` holds the ids of at most the first five of each reason.
    """

    read: int
    kept: int
    counts: Mapping[str, int]
    examples: Mapping[str, tuple[str, ...]]


def clean_documents(
    documents: Sequence[Document], limits: DocumentLimits | None = None
) -> tuple[list[Document], CleaningReport]:
    """The documents within the limits, each text once."""
    bounds = DocumentLimits() if limits is None else limits

    def fault(document: Document) -> str | None:
        return _length(document.text, bounds.shortest, bounds.longest) or damage_of(document.text, bounds.damage)

    def parts(document: Document) -> tuple[str, ...]:
        return (normalised(document.text),)

    sieve = _Sieve(documents)
    sieve.drop_each(fault)
    sieve.drop_repeated(parts)
    sieve.drop_similar(parts, bounds.near_duplicate)
    return sieve.result()


def clean_questions(
    questions: Sequence[Question], limits: QuestionLimits | None = None
) -> tuple[list[Question], CleaningReport]:
    """The questions within the limits, each asked once.

    Two questions about different gold documents are never duplicates ("What is the main cause?"). A near-duplicate is
    similar in question and answer: the same words about another name have another answer.
    """
    bounds = QuestionLimits() if limits is None else limits

    def fault(question: Question) -> str | None:
        found = _length(question.text, bounds.shortest, bounds.longest) or damage_of(question.text, bounds.damage)
        if found or question.answer is None:
            return found
        answer = question.answer
        return _length(answer, bounds.shortest_answer, bounds.longest_answer) or damage_of(answer, bounds.damage)

    def gold(question: Question) -> str:
        return "\0".join(sorted(question.gold_documents))

    sieve = _Sieve(questions)
    sieve.drop_each(fault)
    sieve.drop_repeated(lambda question: (normalised(question.text), gold(question)))
    sieve.drop_similar(
        lambda question: (normalised(question.text), normalised(question.answer or "")), bounds.near_duplicate, gold
    )
    return sieve.result()


def clean_preferences(
    preferences: Sequence[Preference], limits: PreferenceLimits | None = None
) -> tuple[list[Preference], CleaningReport]:
    """The preferences within the limits, each once, and none beside its opposite.

    Where A was preferred to B and B to A, the side with more weight stays ("outvoted" counts the other); if both weigh
    the same, neither does ("conflict"). Damage is looked for in prompt and chosen answer; in the rejected one only
    such damage as a file does, for what a model did wrong is there to be disliked.
    """
    bounds = PreferenceLimits() if limits is None else limits

    def fault(pair: Preference) -> str | None:
        rejected = damage_of(pair.rejected, bounds.damage)
        return (
            _length(pair.prompt, bounds.shortest_prompt, bounds.longest_prompt)
            or _length(pair.chosen, bounds.shortest_chosen, bounds.longest_answer)
            or _length(pair.rejected, 0, bounds.longest_answer)
            or (EQUAL_ANSWERS if normalised(pair.chosen) == normalised(pair.rejected) else None)
            or damage_of(pair.prompt, bounds.damage)
            or damage_of(pair.chosen, bounds.damage)
            or (rejected if rejected in _FILE_DAMAGE else None)
        )

    sieve = _Sieve(preferences)
    sieve.drop_each(fault)
    weights: dict[tuple[str, ...], float] = {}
    for pair in sieve.standing():
        weights[_sides(pair)] = weights.get(_sides(pair), 0.0) + pair.weight

    def conflict(pair: Preference) -> str | None:
        prompt, chosen, rejected = _sides(pair)
        for_it, against = weights[prompt, chosen, rejected], weights.get((prompt, rejected, chosen), 0.0)
        return None if for_it > against else CONFLICT if for_it == against else OUTVOTED

    sieve.drop_each(conflict)
    sieve.drop_repeated(_sides)
    sieve.drop_similar(_sides, bounds.near_duplicate)
    return sieve.result()


class _Sieve(Generic[R]):
    """Records in their order, and why some of them have been dropped."""

    def __init__(self, records: Sequence[R]) -> None:
        self._records = records
        self._dropped: dict[int, str] = {}

    def standing(self) -> list[R]:
        """The records that have not been dropped."""
        return [self._records[number] for number in self._numbers()]

    def drop_each(self, fault: Callable[[R], str | None]) -> None:
        """Drops the records that `fault` gives a reason for."""
        for number in self._numbers():
            if (reason := fault(self._records[number])) is not None:
                self._dropped[number] = str(reason)

    def drop_repeated(self, key: Callable[[R], Hashable]) -> None:
        """Drops every record whose key an earlier one has."""
        seen: set[Hashable] = set()
        for number in self._numbers():
            mark = key(self._records[number])
            if mark in seen:
                self._dropped[number] = DUPLICATE
            seen.add(mark)

    def drop_similar(
        self,
        parts: Callable[[R], Sequence[str]],
        threshold: float | None,
        same: Callable[[R], Hashable] = lambda _: None,
    ) -> None:
        """Drops a record if all its parts are similar to those of an earlier one that stays and has the same `same`."""
        if threshold is None:
            return
        numbers = self._numbers()
        earlier: dict[int, list[int]] = {}
        for a, b in similar_pairs([parts(self._records[number]) for number in numbers], threshold):
            earlier.setdefault(numbers[b], []).append(numbers[a])
        for number in sorted(earlier):
            mark = same(self._records[number])
            if any(other not in self._dropped and same(self._records[other]) == mark for other in earlier[number]):
                self._dropped[number] = NEAR_DUPLICATE

    def result(self) -> tuple[list[R], CleaningReport]:
        """What stands, and the account of what does not."""
        ids: dict[str, list[str]] = {}
        for number in sorted(self._dropped):
            ids.setdefault(self._dropped[number], []).append(self._records[number].id)
        kept = self.standing()
        report = CleaningReport(
            read=len(self._records),
            kept=len(kept),
            counts={reason: len(found) for reason, found in ids.items()},
            examples={reason: tuple(found[:_EXAMPLES]) for reason, found in ids.items()},
        )
        return kept, report

    def _numbers(self) -> list[int]:
        return [number for number in range(len(self._records)) if number not in self._dropped]


def _sides(pair: Preference) -> tuple[str, str, str]:
    return normalised(pair.prompt), normalised(pair.chosen), normalised(pair.rejected)


def _length(text: str, shortest: int, longest: int) -> str | None:
    length = len(text.strip())
    return TOO_SHORT if length < shortest else TOO_LONG if length > longest else None
