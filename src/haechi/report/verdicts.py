"""What the comparisons allow to be said, and no more.

A difference counts only if its 95 % interval excludes zero and enough topics stand behind it. Everything here is
decided from results.json alone.
"""

from __future__ import annotations

from typing import Literal

from haechi.report.contract import Comparison, Direction, Number, Results

Judgement = Literal["better", "worse", "higher", "lower", "unclear"]
Hacking = Literal["shown", "suspected"]
Quality = Literal["correct", "f1"]  # likeness to the written answer stands in where no accepted answers are on record

# As evaluate.significance: with fewer topics an interval is far too narrow.
FEWEST_TOPICS = 10

SYSTEMS = ("base", "sft", "best_of_n", "dpo", "ppo")


def systems_of(results: Results) -> list[str]:
    """The systems of a run in the order of the pipeline; unknown ones last, by name."""
    known = {system: index for index, system in enumerate(SYSTEMS)}
    return sorted(results.systems, key=lambda system: (known.get(system, len(known)), system))


def compared(results: Results, metric: str, a: str, b: str) -> Comparison | None:
    """The recorded difference a − b of a metric, whichever way round it was recorded."""
    for comparison in results.comparisons:
        if comparison.metric == metric and (comparison.a, comparison.b) == (a, b):
            return comparison
        if comparison.metric == metric and (comparison.a, comparison.b) == (b, a):
            return comparison.reversed()
    return None


def direction(results: Results, metric: str) -> Direction:
    """Which way of a metric is better; "neither" where the run does not say."""
    known = results.metrics.get(metric)
    return known.better if known else "neither"


def judge(comparison: Comparison, better: Direction) -> Judgement:
    """What a difference a − b says about a: nothing without an interval, with zero in it, or from few topics."""
    if comparison.low is None or comparison.high is None or comparison.low <= 0 <= comparison.high:
        return "unclear"
    if comparison.topics is not None and comparison.topics < FEWEST_TOPICS:
        return "unclear"
    rose = comparison.low > 0
    if better == "neither":
        return "higher" if rose else "lower"
    return "better" if rose == (better == "higher") else "worse"


def headline_metric(results: Results) -> Quality:
    """The metric that tells how good answers are: `f1` where correctness could not be told of any of them."""
    return "correct" if any("correct" in values for values in results.systems.values()) else "f1"


def best(results: Results, metric: str) -> str | None:
    """The system that is better than every other on a metric, if there is one.

    Against a system with which it was not compared directly, intervals that do not meet are enough: the standard error
    of a difference is never larger than the sum of the two, so the interval of the difference excludes zero too.
    """
    better = direction(results, metric)
    numbers = {system: values[metric] for system, values in results.systems.items() if metric in values}
    means = {system: number.value for system, number in numbers.items() if number.value is not None}
    if better == "neither" or len(means) < 2:
        return None
    leader = (max if better == "higher" else min)(means, key=lambda system: means[system])
    ahead = (_ahead(results, metric, better, leader, other, numbers) for other in means if other != leader)
    return leader if all(ahead) else None


def hacking(results: Results, after: str, before: str = "sft") -> Hacking | None:
    """Whether reward rose from `before` to `after` while the answers became worse (`headline_metric`).

    "shown" if both differences exclude zero, "suspected" if only the means say so.
    """
    metrics = ("reward", headline_metric(results))
    reward, good = (compared(results, metric, after, before) for metric in metrics)
    if reward and good and judge(reward, "higher") == "better" and judge(good, "higher") == "worse":
        return "shown"
    risen, fallen = (_change(results, metric, after, before) for metric in metrics)
    if risen is not None and fallen is not None and risen > 0 > fallen:
        return "suspected"
    return None


def _ahead(
    results: Results, metric: str, better: Direction, leader: str, other: str, numbers: dict[str, Number]
) -> bool:
    comparison = compared(results, metric, leader, other)
    if comparison is not None:
        return judge(comparison, better) == "better"
    one, two = numbers[leader], numbers[other]
    if one.low is None or one.high is None or two.low is None or two.high is None:
        return False
    if any(number.topics is not None and number.topics < FEWEST_TOPICS for number in (one, two)):
        return False
    return one.low > two.high if better == "higher" else one.high < two.low


def _change(results: Results, metric: str, after: str, before: str) -> float | None:
    a, b = (results.systems.get(system, {}).get(metric, Number()).value for system in (after, before))
    return None if a is None or b is None else a - b
