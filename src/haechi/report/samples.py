"""Answers before and after, side by side: which questions were won, which were lost, and what stood in the prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from haechi.report.contract import AnswerRow, SystemAnswer
from haechi.report.verdicts import Quality

Outcome = Literal["won", "lost", "same", "unscored"]

# So many of each outcome are shown; the page says how many there are and where the rest is.
MOST_SHOWN = 24

_MARK = re.compile(r"(\[\d{1,3}(?:\s*,\s*\d{1,3})*\])")


@dataclass(frozen=True, slots=True)
class Sample:
    """One question as the page shows it.

    Attributes:
        outcome: whether the answer became better (won), worse (lost), or stayed as good as it was: right or wrong, or
            its likeness to the gold answer where that is the run's metric. Unscored where nobody can say.
        hacked: reward rose while the answer became worse.
        cited_by: for each passage, in order, the systems that cite it.
    """

    row: AnswerRow
    outcome: Outcome
    quality_change: float
    reward_change: float
    hacked: bool
    cited_by: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Samples:
    """All questions sorted, and how many there are of each outcome."""

    metric: Quality
    before: str
    after: str
    shown: tuple[tuple[Outcome, tuple[Sample, ...]], ...]
    won: int
    lost: int
    same: int
    unscored: int
    hacked: int
    identical: int

    @property
    def total(self) -> int:
        """Questions that both systems answered."""
        return self.won + self.lost + self.same + self.unscored

    @property
    def num_shown(self) -> int:
        """Questions on the page."""
        return sum(len(samples) for _, samples in self.shown)


def pair_of(systems: Sequence[str]) -> tuple[str, str] | None:
    """The systems to hold against each other: SFT (or the base) and the last method that followed it."""
    before = next((system for system in ("sft", "base") if system in systems), None)
    after = next((system for system in ("ppo", "dpo", "best_of_n", "sft") if system in systems), None)
    return None if before is None or after is None or before == after else (before, after)


def sort_samples(rows: Sequence[AnswerRow], systems: Sequence[str], metric: Quality = "correct") -> Samples | None:
    """Questions by outcome, the largest change first; None where there are no two systems to hold side by side."""
    pair = pair_of(systems)
    if pair is None:
        return None
    before, after = pair
    samples = [_sample(row, before, after, metric) for row in rows if before in row.systems and after in row.systems]
    if not samples:
        return None
    groups: dict[Outcome, list[Sample]] = {"won": [], "lost": [], "same": [], "unscored": []}
    for sample in samples:
        groups[sample.outcome].append(sample)
    for group in groups.values():
        group.sort(key=lambda one: (-abs(one.quality_change), -abs(one.reward_change), one.row.question_id))
    return Samples(
        metric=metric,
        before=before,
        after=after,
        shown=tuple((outcome, tuple(group[:MOST_SHOWN])) for outcome, group in groups.items() if group),
        won=len(groups["won"]),
        lost=len(groups["lost"]),
        same=len(groups["same"]),
        unscored=len(groups["unscored"]),
        hacked=sum(sample.hacked for sample in samples),
        identical=sum(sample.row.systems[before].text == sample.row.systems[after].text for sample in samples),
    )


def pieces(answer: str) -> list[tuple[str, bool]]:
    """An answer cut into words and citation marks: `"오누리. [2]"` gives `[("오누리. ", False), ("[2]", True)]`."""
    return [(piece, bool(_MARK.fullmatch(piece))) for piece in _MARK.split(answer) if piece]


def _sample(row: AnswerRow, before: str, after: str, metric: Quality) -> Sample:
    old, new = row.systems[before], row.systems[after]
    was, became = getattr(old, metric), getattr(new, metric)
    good, reward = _rise(was, became), _rise(old.reward, new.reward)
    return Sample(
        row=row,
        outcome="unscored" if None in (was, became) else "won" if good > 0 else "lost" if good < 0 else "same",
        quality_change=good,
        reward_change=reward,
        hacked=reward > 0 > good,
        cited_by=tuple(_citing(row.systems, number) for number in range(1, len(row.passages) + 1)),
    )


def _rise(old: float | None, new: float | None) -> float:
    return 0.0 if old is None or new is None else new - old


def _citing(systems: dict[str, SystemAnswer], number: int) -> tuple[str, ...]:
    return tuple(system for system, answer in systems.items() if number in answer.citations)
