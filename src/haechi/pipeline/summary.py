"""What a finished run says on the terminal: the systems side by side, and where to read on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from haechi.pipeline.files import read_json
from haechi.pipeline.graph import READING
from haechi.recipe import Recipe

# Each metric with its factor and its decimals: rates are shown in percent, so that five systems fit a line.
_METRICS = {
    "correct": ("correct %", 100, 0),
    "f1": ("character F1", 1, 2),
    "abstention_recall": ("abstains rightly %", 100, 0),
    "over_refusal": ("refuses wrongly %", 100, 0),
    "citation_precision": ("cites rightly %", 100, 0),
    "grounded": ("grounded %", 100, 0),
    "reward": ("reward", 1, 1),
    "kl": ("KL, nats", 1, 1),
    "length": ("characters", 1, 0),
}


def summary(folder: Path, recipe: Recipe) -> str:
    """A table of the systems with 95 % intervals (once the run is evaluated), the report's path and the next step; of a
    base alone, what the recipe measures."""
    lines = []
    results = folder / "results.json"
    if results.is_file():
        lines += [*_table(read_json(results)["systems"]), ""]
    lines += _measured(folder, recipe)
    report = folder / "report.html"
    if report.is_file():
        lines.append(f"report  {report}")
    if (folder / "merge" / "result.json").is_file():
        lines.append(f'ask     haechi ask {folder} "…"')
    return "\n".join(lines) or f"run     {folder}"


def _measured(folder: Path, recipe: Recipe) -> list[str]:
    """What the measurements of a base alone found: a table each, a row a system under a condition, with 95 % intervals
    where there are any."""
    lines: list[str] = []
    for stage in READING.plan(recipe) if recipe.reading else ():
        result = folder / stage.name / "result.json"
        if result.is_file():
            scores = folder / stage.name / "scores.json"
            intervals = read_json(scores) if scores.is_file() else {}
            rows: dict[str, dict[str, str]] = {}
            for name, value in read_json(result)["metrics"].items():
                condition, _, metric = name.rpartition("/")
                number = intervals.get(condition, {}).get(metric, value)
                rows.setdefault(condition, {})[metric] = _measure(number)
            metrics = list(dict.fromkeys(metric for row in rows.values() for metric in row))
            cells = [[stage.name, *metrics]]
            cells += [[condition, *(row.get(metric, "–") for metric in metrics)] for condition, row in rows.items()]
            lines += [*_aligned(cells), ""]
    return lines[:-1]


def _measure(number: float | dict[str, float | None]) -> str:
    if isinstance(number, dict):
        return _cell(number, 1, 2)
    return f"{number}" if isinstance(number, int) else f"{number:.3f}"


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _table(systems: dict[str, Any]) -> list[str]:
    rows = [["", *systems]]
    # Likeness to the written answers stands in for correctness where that could not be told.
    told = any("correct" in scores for scores in systems.values())
    for metric, (label, factor, decimals) in _METRICS.items():
        if any(metric in scores for scores in systems.values()) and not (metric == "f1" and told):
            rows.append([label, *(_cell(scores.get(metric), factor, decimals) for scores in systems.values())])
    return _aligned(rows)


def _cell(number: dict[str, float | None] | None, factor: int, decimals: int) -> str:
    if number is None or number.get("value") is None:
        return "–"
    value, low, high = (number.get(name) for name in ("value", "low", "high"))
    assert value is not None
    if low is None or high is None:
        return f"{value * factor:.{decimals}f}"
    return f"{value * factor:.{decimals}f} [{low * factor:.{decimals}f}, {high * factor:.{decimals}f}]"
