"""Verdict and tables: what the template prints, decided and formatted beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from haechi.report import numbers
from haechi.report.contract import Comparison, Number, Results, RewardModel
from haechi.report.figures import Figure, difference_figure
from haechi.report.verdicts import Judgement, best, compared, direction, hacking, headline_metric, judge, systems_of
from haechi.report.words import Words

# The questions a reader has, in the order of asking: (a, b) reads "is a better than b".
_QUESTIONS = (
    ("ppo", "sft"), ("ppo", "best_of_n"), ("ppo", "dpo"), ("dpo", "sft"), ("best_of_n", "sft"), ("sft", "base"),
)  # fmt: skip
_METRICS = (
    "correct", "abstention_precision", "abstention_recall", "over_refusal", "citation_precision", "citation_recall",
    "grounded", "reward", "kl", "length", "f1", "rouge_l", "bleu", "chrf",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence of the verdict. `tone` is better, worse, unclear, missing, warning or caution."""

    tone: str
    headline: str
    detail: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One system's number on one metric. `trend` says how it compares with SFT, "" if nothing can be said."""

    value: str
    interval: str
    is_best: bool
    trend: str


@dataclass(frozen=True, slots=True)
class MetricRow:
    """A metric with its cell for every system, None where the system was not measured."""

    title: str
    better: str
    about: str
    cells: list[Cell | None]


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One metric of a pair of systems."""

    title: str
    difference: str
    interval: str
    n: str
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Pair:
    """All comparisons of two systems."""

    a: str
    b: str
    rows: list[ComparisonRow]
    figure: Figure | None


def metric_titles(results: Results, words: Words) -> dict[str, str]:
    """What every metric of the run is called."""
    names = dict.fromkeys([*results.metrics, *(name for values in results.systems.values() for name in values)])
    names |= dict.fromkeys(comparison.metric for comparison in results.comparisons)
    return {name: words.known(f"metric.{name}", _recorded_title(results, name)) for name in names}


def verdict(results: Results, words: Words) -> list[Statement]:
    """The findings in words: reward hacking that is shown, who answers better than whom, hacking that may be chance."""
    systems = systems_of(results)
    found = (_warning(results, after, words) for after in ("ppo", "dpo", "best_of_n") if after in systems)
    warnings = [warning for warning in found if warning is not None]
    asked = [pair for pair in _QUESTIONS if pair[0] in systems and pair[1] in systems]
    findings = [one for a, b in asked if (one := _finding(results, a, b, words)) is not None]
    if not findings:
        findings = [Statement("missing", words("verdict.none"), "")]
    shown = [warning for warning in warnings if warning.tone == "warning"]
    return shown + findings + [warning for warning in warnings if warning not in shown]


def systems_table(results: Results, words: Words) -> list[MetricRow]:
    """Every metric on every system, in the order of `systems_of`."""
    titles = metric_titles(results, words)
    measured = {name for values in results.systems.values() for name in values}
    return [
        MetricRow(
            title=titles[metric],
            better=words(f"better.{direction(results, metric)}"),
            about=results.metrics[metric].about if metric in results.metrics else "",
            cells=_cells(results, metric),
        )
        for metric in _ordered(measured)
    ]


def pairs(results: Results, words: Words) -> list[Pair]:
    """Comparisons by pair of systems, the pairs of the verdict first; only the first has a figure."""
    titles = metric_titles(results, words)
    groups: dict[tuple[str, str], list[Comparison]] = {}
    for comparison in results.comparisons:
        a, b = comparison.a, comparison.b
        turn = (b, a) in _QUESTIONS or (b, a) in groups
        groups.setdefault((b, a) if turn else (a, b), []).append(comparison.reversed() if turn else comparison)
    ranks = {pair: index for index, pair in enumerate(_QUESTIONS)}
    found = []
    for a, b in sorted(groups, key=lambda pair: ranks.get(pair, len(ranks))):
        by_metric = {one.metric: one for one in groups[a, b]}
        ordered = [by_metric[metric] for metric in _ordered(by_metric)]
        rows = [_comparison_row(results, one, titles[one.metric], words) for one in ordered]
        figure = None if found else difference_figure(ordered, titles, words)
        found.append(Pair(words.system(a), words.system(b), rows, figure))
    return found


def reward_remarks(model: RewardModel, words: Words) -> list[str]:
    """What must be said about the reward model's accuracy."""
    remarks = []
    if model.ceiling.value is not None:
        remarks.append(words("reward.ceiling.said", ceiling=numbers.value("accuracy", model.ceiling)))
    if model.realised_ceiling.value is not None:
        remarks.append(words("reward.realised", ceiling=numbers.value("accuracy", model.realised_ceiling)))
    length, low, high = model.length_only_accuracy.value, model.accuracy.low, model.accuracy.high
    if length is not None and low is not None and high is not None and low <= length <= high:
        said = numbers.value("accuracy", model.length_only_accuracy)
        remarks.append(words("reward.no_better_than_length", length_only=said))
    return remarks


def retrieval_rows(results: Results, words: Words) -> list[tuple[str, str, str]]:
    """(name, value, interval) of the retrieval numbers."""
    found = results.retrieval or {}
    k = found.get("k", Number()).value
    rows = []
    for name, number in found.items():
        if name != "k":
            title = words.known(f"metric.{name}", name, k="k" if k is None else f"{k:g}")
            rows.append((title, numbers.value(name, number), numbers.interval(name, number)))
    return rows


def facts(results: Results, words: Words) -> list[tuple[str, str]]:
    """What ran, as (name, value)."""
    asked = [number.n for values in results.systems.values() for number in values.values() if number.n is not None]
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    rows = [
        ("hash", results.recipe_hash),
        ("seed", results.seed),
        ("questions", max(asked, default=None)),
        ("started", _moment(results.started)),
        ("threads", results.threads),
        ("versions", versions),
    ]
    return [(words(f"ran.{key}"), str(value)) for key, value in rows if value not in (None, "")]


def _moment(raw: str) -> str:
    """An ISO 8601 time as `2026-11-21 10:00 UTC`; anything else as it is."""
    try:
        return f"{datetime.fromisoformat(raw):%Y-%m-%d %H:%M %Z}".strip()
    except ValueError:
        return raw


def _recorded_title(results: Results, metric: str) -> str:
    known = results.metrics.get(metric)
    return known.title if known and known.title else metric


def _ordered(metrics: set[str] | dict[str, Comparison]) -> list[str]:
    ranks = {metric: index for index, metric in enumerate(_METRICS)}
    return sorted(metrics, key=lambda metric: (ranks.get(metric, len(ranks)), metric))


def _finding(results: Results, a: str, b: str, words: Words) -> Statement | None:
    names = {"a": words.system(a), "b": words.system(b)}
    metric = headline_metric(results)
    comparison = compared(results, metric, a, b)
    if comparison is None:
        # Only the question whether training paid must not pass in silence; the others need not have been asked.
        return Statement("missing", words("verdict.missing", **names), "") if (a, b) in _QUESTIONS[:2] else None
    judgement = judge(comparison, "higher")
    said = words(
        "verdict.difference",
        difference=numbers.difference(comparison, words("points")),
        interval=numbers.interval(metric, comparison, sign=True),
        n=numbers.MISSING if comparison.n is None else comparison.n,
    )
    return Statement(judgement, words.of(f"verdict.{judgement}", metric, **names), said)


def _warning(results: Results, after: str, words: Words) -> Statement | None:
    found = hacking(results, after)
    if found is None:
        return None
    metric = headline_metric(results)
    changes = {
        "reward": _change(results, "reward", after, words),
        "quality": _change(results, metric, after, words),
    }
    headline = words.of(f"hacking.{found}", metric, a=words.system(after), b=words.system("sft"))
    shown = found == "shown"
    detail = words.of("hacking.why" if shown else "hacking.suspected.why", metric, **changes)
    return Statement("warning" if shown else "caution", headline, detail)


def _change(results: Results, metric: str, after: str, words: Words) -> str:
    comparison = compared(results, metric, after, "sft")
    if comparison is None:
        one, two = (results.systems[system][metric].value or 0.0 for system in (after, "sft"))
        comparison = Comparison(metric=metric, a=after, b="sft", value=one - two)
    interval = numbers.interval(metric, comparison, sign=True)
    return f"{numbers.difference(comparison, words('points'))} {interval}".rstrip()


def _cells(results: Results, metric: str) -> list[Cell | None]:
    leader = best(results, metric)
    digits = numbers.decimals(*(values[metric].value for values in results.systems.values() if metric in values))
    cells: list[Cell | None] = []
    for system in systems_of(results):
        number = results.systems[system].get(metric)
        if number is None or number.value is None:
            cells.append(None)
            continue
        comparison = compared(results, metric, system, "sft")
        judgement = judge(comparison, direction(results, metric)) if comparison else "unclear"
        trend = "" if judgement == "unclear" else judgement
        value, interval = numbers.value(metric, number, digits), numbers.interval(metric, number, digits)
        cells.append(Cell(value, interval, system == leader, trend))
    return cells


def _comparison_row(results: Results, comparison: Comparison, title: str, words: Words) -> ComparisonRow:
    return ComparisonRow(
        title=title,
        difference=numbers.difference(comparison, words("points")),
        interval=numbers.interval(comparison.metric, comparison, sign=True),
        n=numbers.MISSING if comparison.n is None else str(comparison.n),
        judgement=judge(comparison, direction(results, comparison.metric)),
    )
