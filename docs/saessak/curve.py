"""Draw docs/saessak/curve.svg from the curves of saessak's two parts: `python docs/saessak/curve.py`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from haechi.report.svg import WIDTH, Frame, Scale, drawing, element, join, line, polyline

FIGURE = Path(__file__).with_name("curve.svg")
PARTS = ("metrics.jsonl", "metrics_on.jsonl")  # recipes/saessak.yaml, recipes/saessak_on.yaml

# Legible on white and on black: the figure is an image, which knows nothing of the page that it stands in.
_STYLE = """
text { font: 10.5px sans-serif; fill: #808080; }
.grid, .axis, .border { stroke: #808080; stroke-opacity: 0.3; } .border { stroke-dasharray: 2 3; }
polyline { fill: none; stroke: var(--tone); stroke-width: 1.8; stroke-linejoin: round; }
.unseen { stroke-dasharray: 4 3; }
tspan { fill: var(--tone); }
.exact { --tone: #2f8f5b; } .abstains { --tone: #c8742a; } .judges, .loss { --tone: #5a7fd0; }
"""
_PANEL = 180.0
_HIGHEST = 1.2  # nats; the first validations lie above, and are left out
_NAMES = {
    "loss": "nats a learned token, held out",
    "exact": "right and cited",
    "abstains": "refuses rightly",
    "judges": "right verdicts",
}

Row = dict[str, float]
Points = list[tuple[float, float]]
Series = dict[str, list[Points]]  # by tone, a line for each part: their validations are on different worlds


def figure() -> str:
    """Held-out loss above, the validation's rates below, over tokens read; a dotted line begins the second part."""
    first, second = (_rows(FIGURE.with_name(name)) for name in PARTS)
    border = first[-1]["tokens"]
    parts = first, [row | {"tokens": border + row["tokens"]} for row in second]
    loss = {
        tone: [[point for point in part if point[1] <= _HIGHEST] for part in lines]
        for tone, lines in _series(parts, ["loss"]).items()
    }
    panels = [
        _panel(loss, border, 0.0),
        _panel(_series(parts, ["exact", "abstains", "judges"]), border, _PANEL + 36, percent=True),
    ]
    about = f"Loss (below {_HIGHEST}) and validation of both parts of saessak's training over millions of tokens."
    style = element("style", Markup(_STYLE))
    whole = drawing("saessak", "saessak's training", about, 2 * _PANEL + 52, style, *panels)
    return str(whole).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n"


def _rows(file: Path) -> list[Row]:
    """The rows of a part, `tokens` in millions."""
    rows = [json.loads(row) for row in file.read_text("utf-8").splitlines()]
    return [row | {"tokens": row["tokens"] / 1e6} for row in rows]


def _series(parts: Sequence[Sequence[Row]], names: Sequence[str]) -> Series:
    """What was validated under the names, in seen templates and, dashed, in unseen ones."""
    return {
        f"{name}{tone}": [
            [(row["tokens"], row[key]) for row in rows if (key := f"validation/{templates}_{name}") in row]
            for rows in parts
        ]
        for name in names
        for templates, tone in (("seen", ""), ("unseen", " unseen"))
    }


def _panel(series: Series, border: float, top: float, *, percent: bool = False) -> Markup:
    everything = [point for lines in series.values() for points in lines for point in points]
    frame = Frame(
        Scale(0.0, max(x for x, _ in everything), 40.0, WIDTH - 8.0),
        Scale.over((y for _, y in everything), top + _PANEL - 16, top + 24.0),
    )
    curves = [
        polyline([(frame.x(x), frame.y(y)) for x, y in points], tone)
        for tone, lines in series.items()
        for points in lines
    ]
    names = [element("tspan", f"{_NAMES[tone]}, ", class_=tone) for tone in dict.fromkeys(t.split()[0] for t in series)]
    legend = element("text", *names, "dashed: unseen", x=8, y=top + 12)
    at = frame.x(border)
    return join(
        [
            frame.axes("million tokens", y_percent=percent),
            line(at, frame.y.start, at, frame.y.end, "border"),
            *curves,
            legend,
        ]
    )


if __name__ == "__main__":
    FIGURE.write_text(figure(), "utf-8")
