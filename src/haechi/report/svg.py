"""A little SVG: elements, scales and axes. Colours come from the page's CSS through classes, so figures follow the
reader's light or dark theme; every string is escaped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

# One unit is one CSS pixel at the width of a phone, so that text in figures stays readable there.
WIDTH = 360


def element(tag: str, *children: str | Markup, **attributes: object) -> Markup:
    """An element. `class_` stands for `class`, other underscores for hyphens; numbers are written short."""
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(_short(raw))}"' for name, raw in attributes.items()
    )
    return Markup(f"<{tag}{written}>{join(children)}</{tag}>")


def join(parts: Iterable[str | Markup]) -> Markup:
    """Parts one after the other, plain strings escaped."""
    return Markup("").join(parts)


def drawing(slug: str, title: str, description: str, height: float, *parts: Markup) -> Markup:
    """A whole figure, named and described for those who do not see it. `slug` must be unique in the page."""
    return element(
        "svg",
        element("title", title, id=f"{slug}-title"),
        element("desc", description, id=f"{slug}-desc"),
        *parts,
        viewBox=f"0 0 {WIDTH} {_short(height)}",
        role="img",
        aria_labelledby=f"{slug}-title {slug}-desc",
    )


def text(words: str, x: float, y: float, *, anchor: str = "start", class_: str = "tick") -> Markup:
    """A line of text whose baseline starts, ends or is centred at x."""
    return element("text", words, x=x, y=y, text_anchor=anchor, class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def polyline(points: Sequence[tuple[float, float]], class_: str) -> Markup:
    """A line through points that are already in pixels."""
    return element("polyline", points=" ".join(f"{_short(x)},{_short(y)}" for x, y in points), class_=class_)


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear map of `low`..`high` to pixels `start`..`end`; a range without extent is widened around its value."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def over(cls, values: Iterable[float], start: float, end: float, *, margin: float = 0.06) -> Scale:
        """A scale over finite values with a margin at both ends, as a share of their extent."""
        found = list(values)
        low, high = min(found), max(found)
        room = (high - low) * margin or abs(high) * 0.1 or 1.0
        return cls(low - room, high + room, start, end)

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, count: int = 4) -> list[float]:
        """About `count` round numbers (1, 2 or 5 times a power of ten apart) inside the range."""
        rough = (self.high - self.low) / count
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [index * step for index in range(first, last + 1)]


def tick_labels(ticks: Sequence[float], *, percent: bool = False) -> list[str]:
    """Short labels that tell neighbouring ticks apart: `0.25`, `40%`, `12k`, `2e-5`."""
    if percent:
        return [f"{label}%" for label in tick_labels([100 * tick for tick in ticks])]
    alone = abs(ticks[0]) if ticks else 1.0
    step = min((b - a for a, b in pairwise(ticks)), default=alone) or 1.0
    largest = max((abs(tick) for tick in ticks), default=0.0)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if largest and largest < 0.005:
        places = max(0, math.floor(math.log10(largest)) - math.floor(math.log10(step) + 1e-9))
        labels = [f"{tick:.{places}e}".replace("e-0", "e-") if tick else "0" for tick in ticks]
    elif largest >= 10_000 and step >= 100:
        labels = [f"{tick / 1000:.{0 if step >= 1000 else 1}f}k" for tick in ticks]
    else:
        labels = [f"{tick:.{digits}f}" for tick in ticks]
    return [label.replace("-", "−", 1) if label.startswith("-") else label for label in labels]


@dataclass(frozen=True, slots=True)
class Frame:
    """The axes of a plot: two scales in pixels, with a grid and labels."""

    x: Scale
    y: Scale

    def axes(self, x_label: str, *, x_percent: bool = False, y_percent: bool = False, y_label: str = "") -> Markup:
        """Horizontal grid lines with their numbers, numbers below, the name of x at the lower right, of y on top."""
        left, right, bottom, top = self.x.start, self.x.end, self.y.start, self.y.end
        y_ticks, x_ticks = self.y.ticks(4), self.x.ticks(5)
        parts = [line(left, self.y(tick), right, self.y(tick), "grid") for tick in y_ticks]
        for tick, label in zip(y_ticks, tick_labels(y_ticks, percent=y_percent), strict=True):
            parts.append(text(label, left - 6, self.y(tick) + 3.5, anchor="end"))
        for tick, label in zip(x_ticks, tick_labels(x_ticks, percent=x_percent), strict=True):
            parts.append(text(label, self.x(tick), bottom + 14, anchor="middle"))
        parts.append(line(left, bottom, right, bottom, "axis"))
        parts.append(text(x_label, right, bottom + 28, anchor="end", class_="axis-name"))
        if y_label:
            parts.append(text(y_label, left, top - 8, class_="axis-name"))
        return join(parts)


def _short(raw: object) -> str:
    if not isinstance(raw, float):
        return str(raw)
    return f"{raw:.1f}".removesuffix(".0")
