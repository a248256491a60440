"""Which figures a run has: their data, their words, their legends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from haechi.report import numbers
from haechi.report.charts import (
    Interval,
    Mark,
    Series,
    bar_chart,
    calibration_chart,
    histogram,
    interval_chart,
    line_chart,
    path_chart,
)
from haechi.report.contract import Comparison, Number, Results, RewardModel
from haechi.report.run_files import Curves, Points, in_order
from haechi.report.verdicts import headline_metric, systems_of
from haechi.report.words import Words

_TONES = ("c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9")
# The figures people look at first; names that are not here follow in the order of the file.
_FIRST = (
    "loss", "reward", "correct", "f1", "accuracy", "margin", "kl", "length", "clip_fraction", "entropy",
    "kl_coefficient", "policy_loss", "value_loss", "ratio_max", "eos_rate", "learning_rate", "tokens_per_second",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing with its title, one line that explains it, and a legend of (CSS classes, words)."""

    title: str
    about: str
    svg: Markup
    legend: list[tuple[str, str]] = field(default_factory=list)


def quality_figure(results: Results, words: Words) -> Figure | None:
    """How good every system's answers are."""
    metric = headline_metric(results)
    rows = [
        _interval(words.system(system), metric, results.systems[system][metric], f"s-{system}")
        for system in systems_of(results) if metric in results.systems[system]
    ]  # fmt: skip
    shown = [row for row in rows if row is not None]
    if not shown:
        return None
    title, about = words.of("headline", metric), words.of("headline.about", metric)
    svg = interval_chart("quality", title, _listed(shown), shown, percent=numbers.is_rate(metric))
    return Figure(title, about, svg)


def difference_figure(comparisons: Sequence[Comparison], titles: dict[str, str], words: Words) -> Figure | None:
    """Differences of the rates of one pair of systems."""
    rates = [one for one in comparisons if numbers.is_rate(one.metric) and one.value is not None]
    if not rates:
        return None
    rows = [
        Interval(
            titles[one.metric], one.value or 0.0, one.low, one.high,
            f"{numbers.difference(one, words('points'))} {numbers.interval(one.metric, one, sign=True)}", "c1",
        )
        for one in rates
    ]  # fmt: skip
    pair = {"a": words.system(rates[0].a), "b": words.system(rates[0].b)}
    title, about = words("comparisons.figure", **pair), words("comparisons.figure.about")
    return Figure(title, about, interval_chart("difference", title, _listed(rows), rows, [Mark(0.0, "zero")]))


def reward_figures(model: RewardModel, words: Words) -> list[Figure]:
    """Accuracy with its ceiling, calibration, score distributions."""
    figures = [_accuracy(model, words), _calibration(model, words), _scores(model, words)]
    return [figure for figure in figures if figure is not None]


def curve_figures(curves: Curves, words: Words) -> list[Figure]:
    """One figure a quantity: `group/name` share the figure of their group, `validation/x` joins the figure of x."""
    panels: dict[str, list[str]] = {}
    for name in curves.names():
        panels.setdefault(_panel(name), []).append(name)
    ranks = {name: index for index, name in enumerate(_FIRST)}
    ordered = sorted(panels, key=lambda panel: ranks.get(panel, len(ranks)))
    return [
        _curve_figure(curves, f"curve-{curves.stage}-{index}", panel, panels[panel], words)
        for index, panel in enumerate(ordered)
    ]


def kl_figures(curves: Sequence[Curves], words: Words) -> list[Figure]:
    """Reward, and how good the answers are, against KL along PPO; from validation questions where there are enough."""
    ppo = next((one for one in curves if one.stage == "ppo"), None)
    if ppo is None:
        return []
    reward = ppo.pairs("validation/kl", "validation/reward")
    if len(reward) < 3:
        reward = ppo.pairs("kl", "reward/total")
    walks = [
        ("reward", reward, "c1", False),
        *(
            (metric, ppo.pairs("validation/kl", f"validation/{metric}"), "c2", numbers.is_rate(metric))
            for metric in ("correct", "f1")
        ),
    ]
    return [_walk(name, points, tone, percent, words) for name, points, tone, percent in walks if len(points) > 1]


def cost_figures(results: Results, words: Words) -> list[Figure]:
    """Seconds and peak memory of the stages."""
    stages = [(words.stage(name), results.stages[name]) for name in in_order(list(results.stages))]
    seconds = [(name, one.seconds) for name, one in stages if one.seconds is not None]
    memory = [(name, one.peak_memory_mb) for name, one in stages if one.peak_memory_mb is not None]
    figures = []
    if seconds:
        total = numbers.duration(sum(took for _, took in seconds), words.units())
        bars = [(name, took, numbers.duration(took, words.units())) for name, took in seconds]
        figures.append(_bars("seconds", words("cost.seconds.about", total=total), bars, "c1", words))
    if memory:
        most = numbers.memory(max(peak for _, peak in memory))
        bars = [(name, peak, numbers.memory(peak)) for name, peak in memory]
        figures.append(_bars("memory", words("cost.memory.about", most=most), bars, "c3", words))
    return figures


def _bars(key: str, about: str, rows: list[tuple[str, float, str]], tone: str, words: Words) -> Figure:
    title = words(f"cost.{key}")
    described = "; ".join(f"{name} {written}" for name, _, written in rows)
    return Figure(title, about, bar_chart(f"cost-{key}", title, described, rows, tone))


def _interval(label: str, metric: str, number: Number, tone: str) -> Interval | None:
    if number.value is None:
        return None
    written = f"{numbers.value(metric, number)} {numbers.interval(metric, number)}".rstrip()
    return Interval(label, number.value, number.low, number.high, written, tone)


def _listed(rows: Sequence[Interval]) -> str:
    return "; ".join(f"{row.label} {row.written}" for row in rows)


def _accuracy(model: RewardModel, words: Words) -> Figure | None:
    named = [
        (words("reward.overall"), model.accuracy, "c1"),
        (words("reward.true_accuracy"), model.true_accuracy, "c1"),
        (words("reward.length_only"), model.length_only_accuracy, "c6"),
        *(
            (words("reward.kind", kind=words.known(f"kind.{kind}", kind)), number, "c2")
            for kind, number in model.by_kind.items()
        ),
    ]
    found = [_interval(label, "accuracy", number, tone) for label, number, tone in named]
    rows = [row for row in found if row is not None]
    if not rows:
        return None
    marks, legend = [Mark(0.5, "chance")], [("mark chance", f"{words('reward.chance')} 50.0%")]
    if model.ceiling.value is not None:
        marks.append(Mark(model.ceiling.value, "ceiling"))
        ceiling = numbers.value("accuracy", model.ceiling)
        legend.append(("mark ceiling", f"{words('reward.ceiling')} {ceiling}"))
    title = words("reward.accuracy")
    svg = interval_chart("rm-accuracy", title, _listed(rows), rows, marks, full_range=True)
    return Figure(title, words("reward.accuracy.about"), svg, legend)


def _calibration(model: RewardModel, words: Words) -> Figure | None:
    bins = [(one.predicted, one.observed, one.n) for one in model.calibration]
    if not bins:
        return None
    title, x, y = words("reward.calibration"), words("reward.predicted"), words("reward.observed")
    described = "; ".join(f"{x} {100 * p:.0f}%, {y} {100 * o:.0f}% (n = {n})" for p, o, n in bins)
    svg = calibration_chart("rm-calibration", title, described, bins, x, y)
    return Figure(title, words("reward.calibration.about"), svg)


def _scores(model: RewardModel, words: Words) -> Figure | None:
    sides = {"chosen": model.scores.chosen, "rejected": model.scores.rejected}
    groups = [([one for one in side if one is not None], f"t-{name}") for name, side in sides.items()]
    if not all(values for values, _ in groups):
        return None
    legend = [(f"swatch t-{name}", words(f"reward.{name}")) for name in sides]
    described = "; ".join(
        f"{label}: n = {len(values)}, {numbers.plain(sum(values) / len(values), 2)}"
        for (values, _), (_, label) in zip(groups, legend, strict=True)
    )
    title = words("reward.scores")
    svg = histogram("rm-scores", title, described, groups, words("reward.score"), words("reward.count"))
    return Figure(title, words("reward.scores.about"), svg, legend)


def _panel(name: str) -> str:
    group, _, rest = name.partition("/")
    return rest if group == "validation" and rest else group


def _curve_figure(curves: Curves, slug: str, panel: str, names: Sequence[str], words: Words) -> Figure:
    title = words.known(f"curve.{panel}", panel.replace("_", " "))
    about = words.known(f"about.{curves.stage}.{panel}", words.known(f"about.{panel}", ""))
    trained = [name for name in names if not name.startswith("validation/")]
    series = [
        Series(_series_name(name, words), curves.points(name), _TONES[index % len(_TONES)])
        for index, name in enumerate(trained)
    ]
    series += [
        Series(words("validation"), curves.points(name), "t-validation", sparse=True)
        for name in names if name not in trained
    ]  # fmt: skip
    percent = all(numbers.is_rate(name) for name in names)
    described = " ".join(_described(one.name if len(series) > 1 else title, one.points, words) for one in series)
    svg = line_chart(slug, title, described, series, words("step"), percent=percent)
    alone = len(series) == 1 and not series[0].sparse
    legend = [] if alone else [(f"line {'dashed ' if one.sparse else ''}{one.tone}", one.name) for one in series]
    return Figure(title, about, svg, legend)


def _series_name(name: str, words: Words) -> str:
    group, _, rest = name.partition("/")
    return words.known(f"series.{rest}", rest) if rest else words.known(f"curve.{group}", group.replace("_", " "))


def _described(name: str, points: Points, words: Words) -> str:
    values = [value for _, value in points]
    first, last = points[0], points[-1]
    numbers_of = {"first": first[1], "last": last[1], "low": min(values), "high": max(values)}
    written = {key: f"{value:.3g}" for key, value in numbers_of.items()}
    return words("curve.desc", name=name, first_step=f"{first[0]:g}", last_step=f"{last[0]:g}", **written)


def _walk(name: str, points: Points, tone: str, percent: bool, words: Words) -> Figure:
    title, (first_x, first), (last_x, last) = words(f"kl.{name}"), points[0], points[-1]
    ends = {"first": first, "first_x": first_x, "last": last, "last_x": last_x}
    described = words("kl.desc", n=len(points), **{key: f"{value:.3g}" for key, value in ends.items()})
    svg = path_chart(f"kl-{name}", title, described, points, words("kl.axis"), tone=tone, percent=percent)
    return Figure(title, words(f"kl.{name}.about"), svg)
