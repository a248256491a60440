"""From the rows of `evaluate/answers.jsonl` to the blocks of results.json that tell how the systems did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

import numpy as np

from haechi.evaluate.abstention import Ratio, abstention
from haechi.evaluate.metrics import METRICS, metrics_block
from haechi.evaluate.overlap import overlap
from haechi.evaluate.rows import AnswerRow, SystemAnswer
from haechi.evaluate.score import correctness_is_told
from haechi.evaluate.significance import (
    Interval,
    bootstrap,
    bootstrap_ratio,
    paired_difference,
    paired_ratio_difference,
    verdict,
)
from haechi.prompt.citations import without_citations
from haechi.prompt.template import Language

Values = list[float | None]
Series = Values | Ratio

_SCORED = ("correct", "citation_precision", "citation_recall", "grounded", "f1", "reward", "kl", "length")
_OVERLAPS = ("bleu", "rouge_l", "chrf")
_TITLES = {"sft": "SFT", "dpo": "DPO", "ppo": "PPO", "best_of_n": "best-of-n"}


class _Resampling(NamedTuple):
    """How intervals are found: the topic of each row, the number of resamples, the seed."""

    topics: list[str]
    samples: int
    seed: int


def summarise(
    rows: Sequence[AnswerRow],
    pairs: Sequence[tuple[str, str]],
    language: Language,
    *,
    samples: int = 10_000,
    seed: int = 0,
) -> dict[str, object]:
    """The blocks `systems`, `metrics` and `comparisons` of results.json.

    A metric that applies to no row of a system is absent from it, and a comparison that no row allows from the list.
    `correct` is absent where it cannot be told (`score.correctness_is_told`).

    Args:
        pairs: the systems (a, b) to compare as a − b, paired by question.

    Raises:
        ValueError: a pair names a system that no row has.
    """
    names = list(dict.fromkeys(name for row in rows for name in row["systems"]))
    if unknown := sorted({name for pair in pairs for name in pair} - set(names)):
        raise ValueError(f"no answers of {', '.join(unknown)} to compare; there are {', '.join(names) or 'none'}")
    series = {name: _all_series(rows, name) for name in names}
    resampling = _Resampling([row.get("topic") or row["question_id"] for row in rows], samples, seed)
    intervals = {
        name: {key: _interval(one, resampling) for key, one in by_metric.items()} for name, by_metric in series.items()
    }
    comparisons = [
        comparison for a, b in pairs for comparison in _comparisons(a, b, series[a], series[b], language, resampling)
    ]
    return {
        "systems": {
            name: {key: interval.as_dict() for key, interval in by_metric.items()}
            for name, by_metric in intervals.items()
        },
        "metrics": metrics_block(language),
        "comparisons": comparisons,
    }


def _all_series(rows: Sequence[AnswerRow], system: str) -> dict[str, Series]:
    """By metric, in the order of the report, what each row contributes; metrics without any are left out."""
    answers = [row["systems"].get(system) for row in rows]
    found: dict[str, Series] = {}
    for key in _SCORED:
        found[key] = [None if answer is None else _number(answer, key) for answer in answers]
    if not correctness_is_told((row["answerable"], row["accepted"]) for row in rows):
        found["correct"] = Values([None] * len(rows))
    found |= _overlap_series(rows, answers)
    found |= _abstention_series(rows, answers)
    return {metric.key: found[metric.key] for metric in METRICS if _is_defined(found[metric.key])}


def _number(answer: SystemAnswer, key: str) -> float | None:
    value = cast(Mapping[str, float | None], answer).get(key)
    return None if value is None else float(value)


def _overlap_series(rows: Sequence[AnswerRow], answers: Sequence[SystemAnswer | None]) -> dict[str, Series]:
    """Overlap with the gold answer on answerable questions; 0 for an abstention, as for F1."""
    gold: dict[int, tuple[SystemAnswer, str]] = {}
    for i, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        if answer is not None and row["answerable"] and row["gold"]:
            gold[i] = answer, row["gold"]
    found: dict[str, Values] = {key: [None] * len(rows) for key in _OVERLAPS}
    if gold:
        texts = ["" if answer["abstained"] else without_citations(answer["text"]) for answer, _ in gold.values()]
        each = overlap(texts, [reference for _, reference in gold.values()])
        for key in _OVERLAPS:
            for i, score in zip(gold, each[key], strict=True):
                found[key][i] = score
    return dict(found)


def _abstention_series(rows: Sequence[AnswerRow], answers: Sequence[SystemAnswer | None]) -> dict[str, Series]:
    """Abstention ratios over all rows; a row that the system did not answer counts in neither sum."""
    scores = abstention(
        [row["answerable"] for row in rows], [bool(answer and answer["abstained"]) for answer in answers]
    )
    answered = np.array([answer is not None for answer in answers], dtype=np.float64)
    ratios = {
        "abstention_precision": scores.precision,
        "abstention_recall": scores.recall,
        "over_refusal": scores.over_refusal,
    }
    return {key: Ratio(one.numerators * answered, one.denominators * answered) for key, one in ratios.items()}


def _is_defined(series: Series) -> bool:
    return series.value is not None if isinstance(series, Ratio) else any(value is not None for value in series)


def _interval(series: Series, how: _Resampling) -> Interval:
    topics, samples, seed = how
    if isinstance(series, Ratio):
        return bootstrap_ratio(series.numerators, series.denominators, topics, samples=samples, seed=seed)
    return bootstrap(series, topics, samples=samples, seed=seed)


def _difference(a: Series, b: Series, how: _Resampling) -> Interval | None:
    """a − b paired by question; None where no question has both."""
    topics, samples, seed = how
    if isinstance(a, Ratio) and isinstance(b, Ratio):
        first, second = (a.numerators, a.denominators), (b.numerators, b.denominators)
        return paired_ratio_difference(first, second, topics, samples=samples, seed=seed)
    if isinstance(a, Ratio) or isinstance(b, Ratio):
        raise TypeError("a ratio cannot be compared with a mean")
    if all(x is None or y is None for x, y in zip(a, b, strict=True)):
        return None
    return paired_difference(a, b, topics, samples=samples, seed=seed)


def _comparisons(
    a: str,
    b: str,
    first: Mapping[str, Series],
    second: Mapping[str, Series],
    language: Language,
    how: _Resampling,
) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for metric in METRICS:
        if metric.key not in first or metric.key not in second:
            continue
        interval = _difference(first[metric.key], second[metric.key], how)
        if interval is None:
            continue
        name_a, name_b = _TITLES.get(a, a), _TITLES.get(b, b)
        words = verdict(interval, metric.better, name_a, name_b, metric.title[language], language)
        found.append({"metric": metric.key, "a": a, "b": b, **interval.as_dict(), "verdict": words})
    return found
