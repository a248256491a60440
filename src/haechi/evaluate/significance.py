"""How sure is a mean, and is one system better than another? Bootstrap over topics.

Percentile intervals (Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13): resample the topics with
replacement, compute the statistic over their questions, and take the middle 95 %. Questions of one topic share their
documents and are hard or easy together, so whole topics are drawn (the cluster bootstrap; Davison and Hinkley 1997,
section 3.8), each with all that belongs to it, which makes comparisons paired and the intervals of ratios right.

Intervals tell of other questions of the same sort, not of another seed of the training, and are not widened for the
number of comparisons that a report makes.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from haechi.prompt.template import Language

Better = Literal["higher", "lower", "neither"]
Floats = NDArray[np.float64]
# The topic of each question; None = each question is a topic of its own.
Topics = Sequence[Hashable] | None

CONFIDENCE = 0.95
# With fewer topics percentile intervals are far too narrow: all of three equal signs give an interval without 0.
FEWEST_TOPICS = 10

_CELLS_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A statistic over questions with its 95 % bootstrap interval.

    Attributes:
        value: the statistic over all questions.
        low: lower end of the interval.
        high: upper end.
        n: questions it rests on.
        topics: topics that these questions belong to.
    """

    value: float
    low: float
    high: float
    n: int
    topics: int

    def as_dict(self) -> dict[str, float | int]:
        """The number with an interval of results.json."""
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n, "topics": self.topics}


def bootstrap(
    values: Sequence[float | None] | Floats, topics: Topics = None, *, samples: int = 10_000, seed: int = 0
) -> Interval:
    """The mean of the values that are neither None nor NaN.

    Raises:
        ValueError: no such value, an infinite one, or not one topic for each.
    """
    column = _floats(values)
    defined = ~np.isnan(column)
    if not defined.any() or np.isinf(column).any():
        raise ValueError("a mean needs at least one value, and finite ones")
    columns = np.stack([np.where(defined, column, 0.0), defined.astype(np.float64)], axis=1)
    return _of_ratios(columns, defined, topics, samples, seed)


def paired_difference(
    a: Sequence[float | None] | Floats,
    b: Sequence[float | None] | Floats,
    topics: Topics = None,
    *,
    samples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """The mean of a − b over the questions for which both are defined.

    Raises:
        ValueError: the lengths differ, or for no question both are defined.
    """
    first, second = _floats(a), _floats(b)
    _same_length(first, second)
    return bootstrap(first - second, topics, samples=samples, seed=seed)


def bootstrap_ratio(
    numerators: ArrayLike, denominators: ArrayLike, topics: Topics = None, *, samples: int = 10_000, seed: int = 0
) -> Interval:
    """Σ numerators / Σ denominators, one of each a question, as for precision over the questions that were attempted.

    All questions are resampled, so the interval knows that the denominator is random too. Resamples in which it is 0
    have no ratio and are left out. `n` counts the questions with a denominator.

    Raises:
        ValueError: the lengths differ, or the denominators sum to 0.
    """
    columns = _columns(numerators, denominators)
    return _of_ratios(columns, columns[:, 1] != 0, topics, samples, seed, every=True)


def paired_ratio_difference(
    a: tuple[ArrayLike, ArrayLike],
    b: tuple[ArrayLike, ArrayLike],
    topics: Topics = None,
    *,
    samples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """The difference of two ratios of (numerators, denominators) over the same questions, resampled together.

    `n` counts the questions with a denominator in either, `topics` the topics with one on the side that has fewer.

    Raises:
        ValueError: the lengths differ, or the denominators of one sum to 0.
    """
    columns = np.concatenate([_columns(*a), _columns(*b)], axis=1)
    return _of_ratios(columns, columns[:, 1] + columns[:, 3] != 0, topics, samples, seed, every=True)


def verdict(interval: Interval, better: Better, name_a: str, name_b: str, metric_title: str, language: Language) -> str:
    """What a paired difference a − b says, in one sentence.

    Significant means that the 95 % interval leaves out 0. Fewer than ten topics are never called significant.
    """
    words = _KOREAN if language == "ko" else _ENGLISH
    if interval.topics < FEWEST_TOPICS:
        outcome = words["few"]
    elif interval.low <= 0 <= interval.high:
        outcome = words["same"]
    elif better == "neither":
        outcome = words["more" if interval.value > 0 else "less"]
    else:
        outcome = words["better" if (interval.value > 0) == (better == "higher") else "worse"]
    sentence = outcome.format(a=name_a, b=name_b)
    numbers = {"value": interval.value, "low": interval.low, "high": interval.high, "n": interval.n}
    return words["frame"].format(title=metric_title, sentence=sentence, **numbers)


_KOREAN = {
    "frame": "{title}: {sentence} (차이 {value:+.3g}, 95% 구간 {low:.3g}~{high:.3g}, 질문 {n}개).",
    "few": "주제가 너무 적어 {a} 대 {b}의 차이를 판단할 수 없습니다",
    "same": "{a} 대 {b}의 차이는 통계적으로 유의하지 않습니다",
    "better": "{a}의 결과가 {b}보다 유의하게 좋습니다",
    "worse": "{a}의 결과가 {b}보다 유의하게 나쁩니다",
    "more": "{a}의 값이 {b}보다 유의하게 큽니다",
    "less": "{a}의 값이 {b}보다 유의하게 작습니다",
}
_ENGLISH = {
    "frame": "{title}: {sentence} (difference {value:+.3g}, 95% interval {low:.3g} to {high:.3g}, questions: {n}).",
    "few": "too few topics to compare {a} and {b}",
    "same": "{a} and {b} cannot be told apart",
    "better": "{a} is significantly better than {b}",
    "worse": "{a} is significantly worse than {b}",
    "more": "{a} is significantly higher than {b}",
    "less": "{a} is significantly lower than {b}",
}


def _floats(values: Sequence[float | None] | Floats) -> Floats:
    """One-dimensional floats, with NaN for None."""
    return np.asarray(values, dtype=np.float64).reshape(-1)


def _same_length(first: Floats, second: Floats) -> None:
    if first.size != second.size:
        raise ValueError(f"{first.size} and {second.size} values; both sides must have one for each question")


def _columns(numerators: ArrayLike, denominators: ArrayLike) -> Floats:
    above, below = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    _same_length(above, below)
    if not below.sum() > 0:
        raise ValueError("a ratio needs a denominator that is greater than 0")
    return np.stack([above, below], axis=1)


def _of_ratios(
    columns: Floats, counted: NDArray[np.bool_], topics: Topics, samples: int, seed: int, *, every: bool = False
) -> Interval:
    """The ratio of two columns' sums, or the difference of two such ratios in four columns, with its interval.

    Args:
        counted: the questions that the statistic rests on.
        every: resample all questions, not only those.
    """
    names = list(range(len(columns))) if topics is None else list(topics)
    if len(names) != len(columns):
        raise ValueError(f"{len(names)} topics for {len(columns)} questions; each question needs one")
    drawn = np.ones(len(columns), dtype=bool) if every else counted
    sums = _by_topic(columns[drawn], [name for name, one in zip(names, drawn, strict=True) if one])
    means = _resampled_means(sums, samples, seed)
    value, resampled = _ratio(columns[:, :2].sum(axis=0)), _ratios(means[:, :2])
    if columns.shape[1] == 4:
        value -= _ratio(columns[:, 2:].sum(axis=0))
        resampled = resampled - _ratios(means[:, 2:])
    # A difference rests on no more topics than the ratio that has fewer.
    rests_on = [columns[:, place] != 0 for place in range(1, columns.shape[1], 2)] if every else [counted]
    found = min(len({name for name, one in zip(names, side, strict=True) if one}) for side in rests_on)
    return _interval(value, resampled, int(counted.sum()), found)


def _by_topic(columns: Floats, topics: Sequence[Hashable]) -> Floats:
    """The columns' sums over each topic, topics in the order in which they appear."""
    rows: dict[Hashable, int] = {}
    index = np.array([rows.setdefault(topic, len(rows)) for topic in topics])
    sums = np.zeros((len(rows), columns.shape[1]))
    np.add.at(sums, index, columns)
    return sums


def _resampled_means(columns: Floats, samples: int, seed: int) -> Floats:
    """Column means of each resample of the rows, (samples, columns)."""
    if samples < 1:
        raise ValueError(f"{samples} resamples; need at least 1")
    generator = np.random.default_rng(seed)
    n = len(columns)
    means = np.empty((samples, columns.shape[1]))
    step = max(1, _CELLS_AT_ONCE // n)
    for start in range(0, samples, step):
        chosen = generator.integers(0, n, size=(min(step, samples - start), n), dtype=np.int32)
        for j in range(columns.shape[1]):
            means[start : start + len(chosen), j] = columns[:, j][chosen].mean(axis=1)
    return means


def _ratio(means: Floats) -> float:
    return float(means[0] / means[1])


def _ratios(means: Floats) -> Floats:
    """Ratios of the resamples; NaN where the denominator is 0."""
    return np.divide(means[:, 0], means[:, 1], out=np.full(len(means), np.nan), where=means[:, 1] > 0)


def _interval(value: float, resampled: Floats, n: int, topics: int) -> Interval:
    tail = (1 - CONFIDENCE) / 2
    resampled = resampled[~np.isnan(resampled)]
    if not resampled.size:
        return Interval(value, value, value, n, topics)
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return Interval(value, float(low), float(high), n, topics)
