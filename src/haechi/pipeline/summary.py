"""What a finished run says on the terminal: the systems side by side, and where to read on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from haechi.pipeline.files import read_json

_METRICS = ("correct", "abstention_recall", "citation_precision", "grounded", "reward", "kl", "length")


def summary(folder: Path) -> str:
    """A table of the systems with 95 % intervals (once the run is evaluated), the report's path and the next step."""
    lines = []
    results = folder / "results.json"
    if results.is_file():
        lines += [*_table(read_json(results)["systems"]), ""]
    report = folder / "report.html"
    if report.is_file():
        lines.append(f"report  {report}")
    if (folder / "merge" / "result.json").is_file():
        lines.append(f'ask     haechi ask {folder} "…"')
    return "\n".join(lines) or f"run     {folder}"


def _table(systems: dict[str, Any]) -> list[str]:
    rows = [["", *systems]]
    for metric in _METRICS:
        if any(metric in scores for scores in systems.values()):
            rows.append([metric, *(_cell(scores.get(metric)) for scores in systems.values())])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _cell(number: dict[str, float | None] | None) -> str:
    if number is None or number.get("value") is None:
        return "–"
    if number.get("low") is None or number.get("high") is None:
        return f"{number['value']:.2f}"
    return f"{number['value']:.2f} [{number['low']:.2f}, {number['high']:.2f}]"
