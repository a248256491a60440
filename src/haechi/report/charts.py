"""The figures of the report: each takes plain numbers and words, and returns one SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from markupsafe import Markup

from haechi.report.run_files import Points
from haechi.report.svg import WIDTH, Frame, Scale, drawing, element, join, line, polyline, text, tick_labels

_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, WIDTH - 12.0, 20.0, 168.0
_HEIGHT = 204.0
_MOST_POINTS = 240
_SMOOTH_FROM = 40


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart. `tone` is the CSS class of its colour; `sparse` lines are dashed, with a dot a value."""

    name: str
    points: Points
    tone: str
    sparse: bool = False


@dataclass(frozen=True, slots=True)
class Interval:
    """One row of an interval chart: a dot at `value` with its interval, where it has one, and its numbers in words."""

    label: str
    value: float
    low: float | None
    high: float | None
    written: str
    tone: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical line to compare with. `style` is its CSS class; its words stand in the legend of the page."""

    value: float
    style: str


def line_chart(
    slug: str, title: str, about: str, series: Sequence[Series], x_label: str, *, percent: bool = False
) -> Markup:
    """Curves over steps. Long noisy curves show every step faintly and a moving mean on top."""
    everything = [point for one in series for point in one.points]
    frame = Frame(
        Scale.over((x for x, _ in everything), _LEFT, _RIGHT, margin=0.02),
        Scale.over((y for _, y in everything), _BOTTOM, _TOP),
    )
    alone = sum(not one.sparse for one in series) == 1
    drawn = [_curve(frame, one, smooth=alone) for one in series]
    return drawing(slug, title, about, _HEIGHT, frame.axes(x_label, y_percent=percent), *drawn)


def path_chart(
    slug: str, title: str, about: str, points: Points, x_label: str, *, tone: str, percent: bool = False
) -> Markup:
    """A walk through a plane in time: a thin line, dots that darken with time, its first and last place ringed."""
    frame = Frame(Scale.over((x for x, _ in points), _LEFT, _RIGHT), Scale.over((y for _, y in points), _BOTTOM, _TOP))
    places = [(frame.x(x), frame.y(y)) for x, y in thinned(points, by_order=True)]
    last = max(len(places) - 1, 1)
    dots = [
        element("circle", cx=x, cy=y, r=2.5, class_=f"fill {tone}", fill_opacity=f"{0.2 + 0.8 * index / last:.2f}")
        for index, (x, y) in enumerate(places)
    ]
    ends = [element("circle", cx=x, cy=y, r=5.5, class_=f"ring {tone}") for x, y in (places[0], places[-1])]
    start = element("circle", cx=places[0][0], cy=places[0][1], r=3.5, class_="hollow")
    parts = (frame.axes(x_label, y_percent=percent), polyline(places, f"faint {tone}"), *dots, *ends, start)
    return drawing(slug, title, about, _HEIGHT, *parts)


def interval_chart(
    slug: str, title: str, about: str, rows: Sequence[Interval], marks: Sequence[Mark] = (), *,
    full_range: bool = False, percent: bool = True,
) -> Markup:  # fmt: skip
    """Values with their intervals, one row each, its name and numbers above its track.

    `full_range` shows 0 to 1; otherwise the axis covers what there is.
    """
    ends = [end for row in rows for end in (row.low, row.value, row.high) if end is not None]
    ends += [mark.value for mark in marks]
    x = Scale(0.0, 1.0, 8.0, WIDTH - 16.0) if full_range else Scale.over(ends, 8.0, WIDTH - 16.0)
    pitch, bottom = 38.0, 38.0 * len(rows) + 4
    ticks = x.ticks(5)
    parts = [line(x(tick), 4, x(tick), bottom, "grid") for tick in ticks]
    parts += [
        text(label, x(tick), bottom + 15, anchor="middle")
        for tick, label in zip(ticks, tick_labels(ticks, percent=percent), strict=True)
    ]
    parts += [line(x(mark.value), 4, x(mark.value), bottom, f"mark {mark.style}") for mark in marks]
    for index, row in enumerate(rows):
        top = index * pitch
        parts.append(text(row.label, 0, top + 14, class_="row-name"))
        parts.append(text(row.written, WIDTH, top + 14, anchor="end", class_="row-value"))
        if row.low is not None and row.high is not None:
            parts.append(line(x(row.low), top + 26, x(row.high), top + 26, f"whisker {row.tone}"))
        parts.append(element("circle", cx=x(row.value), cy=top + 26, r=4.5, class_=f"fill {row.tone}"))
    return drawing(slug, title, about, bottom + 22, *parts)


def calibration_chart(
    slug: str, title: str, about: str, bins: Sequence[tuple[float, float, int]], x_label: str, y_label: str
) -> Markup:
    """Observed against predicted probability; the diagonal is perfect, a dot's area grows with its pairs."""
    low = min([0.5, *(end for predicted, observed, _ in bins for end in (predicted, observed))])
    floor = 0.5 if low >= 0.5 else 0.0
    frame = Frame(Scale(floor, 1.0, _LEFT, _RIGHT), Scale(floor, 1.0, _BOTTOM, _TOP))
    most = max(n for _, _, n in bins) or 1
    places = [(frame.x(predicted), frame.y(observed), n) for predicted, observed, n in bins]
    dots = [element("circle", cx=x, cy=y, r=2.5 + 5.0 * (n / most) ** 0.5, class_="fill c1 soft") for x, y, n in places]
    return drawing(
        slug, title, about, _HEIGHT,
        frame.axes(x_label, x_percent=True, y_percent=True, y_label=y_label),
        line(frame.x(floor), frame.y(floor), frame.x(1.0), frame.y(1.0), "mark ideal"),
        polyline([(x, y) for x, y, _ in places], "curve c1"),
        *dots,
    )  # fmt: skip


def histogram(
    slug: str, title: str, about: str, groups: Sequence[tuple[Sequence[float], str]], x_label: str, y_label: str
) -> Markup:
    """Distributions over common bins, drawn over each other; `groups` are (values, tone)."""
    everything = [value for values, _ in groups for value in values]
    x = Scale.over(everything, _LEFT, _RIGHT, margin=0.02)
    count = min(28, max(8, round(len(everything) ** 0.5)))
    heights = [(counted(values, x, count), tone) for values, tone in groups]
    tallest = max(height for bars, _ in heights for height in bars)
    frame = Frame(x, Scale(0.0, tallest * 1.08, _BOTTOM, _TOP))
    step = (_RIGHT - _LEFT) / count
    bars = [
        element(
            "rect", x=_LEFT + index * step + 0.5, y=frame.y(height), width=step - 1.0, height=_BOTTOM - frame.y(height),
            class_=f"bar see-through {tone}",
        )
        for hues, tone in heights for index, height in enumerate(hues) if height
    ]  # fmt: skip
    return drawing(slug, title, about, _HEIGHT, frame.axes(x_label, y_label=y_label), *bars)


def bar_chart(slug: str, title: str, about: str, rows: Sequence[tuple[str, float, str]], tone: str) -> Markup:
    """Horizontal bars from zero, as (name, value, the value in words)."""
    longest = max(value for _, value, _ in rows) or 1.0
    parts = []
    for index, (name, value, written) in enumerate(rows):
        top = 32.0 * index
        parts.append(text(name, 0, top + 13, class_="row-name"))
        parts.append(text(written, WIDTH, top + 13, anchor="end", class_="row-value"))
        parts.append(element("rect", x=0, y=top + 18, width=WIDTH, height=6, rx=3, class_="track"))
        width = max(2.0, WIDTH * value / longest)
        parts.append(element("rect", x=0, y=top + 18, width=width, height=6, rx=3, class_=f"bar {tone}"))
    return drawing(slug, title, about, 32.0 * len(rows), *parts)


def counted(values: Sequence[float], scale: Scale, count: int) -> list[int]:
    """How many values fall into each of `count` equal bins of the scale's range; the top edge belongs to the last."""
    heights = [0] * count
    for value in values:
        share = (value - scale.low) / (scale.high - scale.low)
        heights[min(count - 1, int(share * count))] += 1
    return heights


def moving_mean(points: Points, window: int) -> Points:
    """Centred mean over `window` neighbours (an odd number), over fewer at the ends."""
    sums = [0.0, *accumulate(y for _, y in points)]
    half = window // 2
    smooth = []
    for index, (x, _) in enumerate(points):
        first, last = max(0, index - half), min(len(points), index + half + 1)
        smooth.append((x, (sums[last] - sums[first]) / (last - first)))
    return smooth


def thinned(points: Points, most: int = _MOST_POINTS, *, by_order: bool = False) -> Points:
    """At most about `most` points: of each run of neighbours the lowest and the highest, so that spikes stay.

    `by_order` keeps every n-th point instead, for paths whose order is what matters; the last always stays.
    """
    if len(points) <= most:
        return points
    if by_order:
        stride = -(-len(points) // most)
        return [*points[:-1:stride], points[-1]]
    stride = -(-2 * len(points) // most)
    kept: Points = []
    for first in range(0, len(points), stride):
        run = range(first, min(first + stride, len(points)))
        ends = {min(run, key=lambda i: points[i][1]), max(run, key=lambda i: points[i][1])}
        kept.extend(points[index] for index in sorted(ends))
    return kept


def _curve(frame: Frame, series: Series, *, smooth: bool) -> Markup:
    def placed(points: Points) -> list[tuple[float, float]]:
        return [(frame.x(x), frame.y(y)) for x, y in thinned(points)]

    if series.sparse or len(series.points) == 1:
        dots = [element("circle", cx=x, cy=y, r=2.6, class_=f"fill {series.tone}") for x, y in placed(series.points)]
        return join([polyline(placed(series.points), f"curve dashed {series.tone}"), *dots])
    if not (smooth and _noisy(series.points)):
        return polyline(placed(series.points), f"curve {series.tone}")
    window = max(5, len(series.points) // 20) | 1
    return join([
        polyline(placed(series.points), f"faint {series.tone}"),
        polyline(placed(moving_mean(series.points, window)), f"curve {series.tone}"),
    ])  # fmt: skip


def _noisy(points: Points) -> bool:
    """Whether a curve is long and turns so often that its course is hard to see."""
    steps = [b - a for (_, a), (_, b) in pairwise(points)]
    turns = sum(one * two < 0 for one, two in pairwise(steps))
    return len(points) >= _SMOOTH_FROM and turns > 0.2 * len(points)
