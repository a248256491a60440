"""Scales, ticks, figures and formatted numbers."""

from __future__ import annotations

import re

import pytest
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # compiled, without stubs

from haechi.report import numbers
from haechi.report.charts import (
    Interval,
    Mark,
    Series,
    bar_chart,
    counted,
    histogram,
    interval_chart,
    line_chart,
    moving_mean,
    path_chart,
    thinned,
)
from haechi.report.contract import Comparison, Number
from haechi.report.english import ENGLISH
from haechi.report.korean import KOREAN
from haechi.report.svg import WIDTH, Scale, element, tick_labels
from haechi.report.words import Words


def drawn(markup: str) -> etree._Element:
    """The figure as XML: it must be well formed."""
    return etree.fromstring(str(markup))


def places(points: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in points.split())]


def test_an_element_escapes_text_and_attributes() -> None:
    assert element("text", "<b>", class_="a", text_anchor='"x"', x=1.04) == (
        '<text class="a" text-anchor="&#34;x&#34;" x="1">&lt;b&gt;</text>'
    )


def test_scale_maps_ends_and_middle() -> None:
    scale = Scale(10.0, 20.0, 0.0, 100.0)
    assert [scale(10), scale(15), scale(20)] == [0, 50, 100]


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0.0, 1.0, [0.0, 0.5, 1.0]),
        (-3.0, 9.0, [0.0, 5.0]),
        (0.0, 300.0, [0.0, 100.0, 200.0, 300.0]),
        (0.62, 0.71, [0.65, 0.70]),
    ],
)
def test_ticks_are_round_and_inside(low: float, high: float, wanted: list[float]) -> None:
    assert Scale(low, high, 0.0, 1.0).ticks(4) == pytest.approx(wanted)


@pytest.mark.parametrize("value", [0.0, 0.5, -7.0, 1e9])
def test_a_constant_still_has_a_scale_with_ticks(value: float) -> None:
    scale = Scale.over([value, value], 0.0, 100.0)
    assert 0 < scale(value) < 100
    assert scale.ticks()


@pytest.mark.parametrize(
    ("ticks", "percent", "wanted"),
    [
        ([0.0, 0.5, 1.0], False, ["0.0", "0.5", "1.0"]),
        ([0.0, 0.2, 0.4], True, ["0%", "20%", "40%"]),
        ([0.96, 0.98, 1.0], True, ["96%", "98%", "100%"]),
        ([-2.0, 0.0, 2.0], False, ["−2", "0", "2"]),
        ([0.0, 20_000.0, 40_000.0], False, ["0k", "20k", "40k"]),
        ([9500.0, 10_000.0], False, ["9.5k", "10.0k"]),
        ([0.0, 1e-4, 2e-4], False, ["0", "1e-4", "2e-4"]),
        ([0.0005, 0.001, 0.0015], False, ["5.0e-4", "1.0e-3", "1.5e-3"]),
        ([3.0], False, ["3"]),
    ],
)
def test_tick_labels_tell_neighbours_apart(ticks: list[float], percent: bool, wanted: list[str]) -> None:
    assert tick_labels(ticks, percent=percent) == wanted


def test_moving_mean_by_hand() -> None:
    points = [(0.0, 1.0), (1.0, 2.0), (2.0, 6.0), (3.0, 0.0)]
    # ends have two neighbours only: (1+2)/2, (1+2+6)/3, (2+6+0)/3, (6+0)/2
    assert moving_mean(points, 3) == [(0.0, 1.5), (1.0, 3.0), (2.0, pytest.approx(8 / 3)), (3.0, 3.0)]


def test_thinning_keeps_a_spike_and_the_order() -> None:
    points = [(float(i), 100.0 if i == 777 else 0.001 * i) for i in range(2000)]
    kept = thinned(points, 100)
    assert len(kept) <= 100
    assert (777.0, 100.0) in kept
    assert kept == sorted(kept)
    assert thinned(points[:50], 100) == points[:50]


def test_a_thinned_path_keeps_its_ends() -> None:
    points = [(float(i), float(-i)) for i in range(999)]
    kept = thinned(points, 100, by_order=True)
    assert len(kept) <= 101
    assert (kept[0], kept[-1]) == (points[0], points[-1])


def test_counted_puts_the_upper_edge_into_the_last_bin() -> None:
    assert counted([0.0, 0.4, 0.5, 1.0], Scale(0.0, 1.0, 0, 1), 2) == [2, 2]


def test_a_line_chart_rises_where_its_values_rise() -> None:
    series = [Series("up", [(0.0, 1.0), (1.0, 2.0), (2.0, 4.0)], "c1")]
    (curve,) = drawn(line_chart("a", "t", "d", series, "step")).findall("polyline")
    (x0, y0), (x1, y1), (x2, y2) = places(curve.get("points", ""))
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.11)
    assert y1 - y2 == pytest.approx(2 * (y0 - y1), abs=0.21)  # pixels grow downwards, the second rise is twice as high


def test_only_a_long_noisy_curve_is_smoothed() -> None:
    noisy = [(float(i), float(i % 2)) for i in range(60)]
    calm = [(float(i), float(i)) for i in range(60)]
    for points, wanted in ((noisy, ["faint c1", "curve c1"]), (calm, ["curve c1"]), (noisy[:20], ["curve c1"])):
        figure = drawn(line_chart("a", "t", "d", [Series("x", points, "c1")], "step"))
        assert [curve.get("class") for curve in figure.findall("polyline")] == wanted


def test_a_single_point_is_a_dot() -> None:
    figure = drawn(line_chart("a", "t", "d", [Series("x", [(1.0, 5.0)], "c1")], "step"))
    assert len(figure.findall("circle")) == 1


def test_intervals_and_marks_share_one_scale() -> None:
    rows = [Interval("r", 0.5, 0.25, 0.75, "50%", "c1")]
    figure = drawn(interval_chart("a", "t", "d", rows, [Mark(0.75, "ceiling")], full_range=True))
    lines = {line.get("class"): line for line in figure.findall("line")}
    dot, whisker, mark = figure.find("circle"), lines["whisker c1"], lines["mark ceiling"]
    assert dot is not None
    ends = float(whisker.get("x1", "")), float(whisker.get("x2", ""))
    assert float(dot.get("cx", "")) == pytest.approx(sum(ends) / 2, abs=0.11)
    assert float(mark.get("x1", "")) == ends[1]


def test_a_row_without_an_interval_has_no_whisker() -> None:
    figure = drawn(interval_chart("a", "t", "d", [Interval("r", 0.5, None, None, "50%", "c1")], full_range=True))
    assert not [line for line in figure.findall("line") if "whisker" in line.get("class", "")]


def test_bars_are_as_long_as_their_values() -> None:
    figure = drawn(bar_chart("a", "t", "d", [("x", 10.0, "10"), ("y", 5.0, "5")], "c1"))
    widths = [float(bar.get("width", "")) for bar in figure.findall("rect") if bar.get("class") == "bar c1"]
    assert widths == [WIDTH, WIDTH / 2]


def test_a_histogram_stands_on_its_axis() -> None:
    figure = drawn(histogram("a", "t", "d", [([0.0, 0.1, 1.0], "x"), ([0.5], "y")], "score", "n"))
    feet = {round(float(bar.get("y", "")) + float(bar.get("height", "")), 0) for bar in figure.findall("rect")}
    assert len(feet) == 1


def test_a_path_darkens_with_time() -> None:
    figure = drawn(path_chart("a", "t", "d", [(0.0, 0.0), (1.0, 2.0), (2.0, 1.0)], "x", tone="c1"))
    dots = [dot for dot in figure.findall("circle") if dot.get("fill-opacity")]
    assert [dot.get("fill-opacity") for dot in dots] == ["0.20", "0.60", "1.00"]


@pytest.mark.parametrize(
    ("metric", "number", "value", "interval"),
    [
        ("correct", Number(value=0.7843, low=0.72, high=0.8406), "78.4%", "[72.0, 84.1]"),
        ("reward", Number(value=-0.6214, low=-0.7, high=-0.5), "−0.621", "[−0.700, −0.500]"),
        ("length", Number(value=17.24, low=16.0, high=18.51), "17.2", "[16.0, 18.5]"),
        ("bleu", Number(value=9.1), "9.10", ""),
        ("kl", Number(value=0.0, low=-0.0, high=0.0), "0.000", "[0.000, 0.000]"),
        ("correct", Number(), "–", ""),
    ],
)
def test_numbers(metric: str, number: Number, value: str, interval: str) -> None:
    assert numbers.value(metric, number) == value
    assert numbers.interval(metric, number) == interval


def test_differences_carry_their_sign_and_unit() -> None:
    rate = Comparison(metric="correct", a="a", b="b", value=0.063, low=-0.002, high=0.12)
    assert numbers.difference(rate, "%p") == "+6.3%p"
    assert numbers.interval("correct", rate, sign=True) == "[−0.2, +12.0]"
    assert numbers.difference(Comparison(metric="kl", a="a", b="b", value=-3.4), "%p") == "−3.40"


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [(0.31, "0.3 s"), (42.4, "42 s"), (96.2, "1 min 36 s"), (119.6, "2 min 0 s"), (7290.0, "2 h 1 min"), (None, "–")],
)
def test_durations(seconds: float | None, wanted: str) -> None:
    assert numbers.duration(seconds, (" h", " min", " s")) == wanted
    if wanted == "1 min 36 s":
        assert numbers.duration(seconds, Words("ko").units()) == "1분 36초"


def test_memory_changes_its_unit_at_a_gigabyte() -> None:
    assert [numbers.memory(size) for size in (812.4, 1240.0, None)] == ["812 MB", "1.2 GB", "–"]


def test_the_dictionaries_hold_the_same_keys_and_the_same_gaps() -> None:
    assert list(KOREAN) == list(ENGLISH)
    for key, text in ENGLISH.items():
        assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", KOREAN[key])), key
