"""A run folder as the report sees it: what is there is read, what is not there is left out."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from haechi.errors import StageError
from haechi.report.contract import AnswerRow, Results, read_answers, read_json, read_lines, read_results

# The order in which a run goes; anything else that trained follows by name.
STAGES = ("ingest", "split", "sft", "sample", "compare", "reward", "dpo", "ppo", "merge", "evaluate")

Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Curves:
    """The rows of one stage's metrics.jsonl."""

    stage: str
    rows: tuple[dict[str, Any], ...]

    def names(self) -> list[str]:
        """Names that hold a number somewhere, in order of first appearance, without the clock."""
        seen = dict.fromkeys(name for row in self.rows for name, value in row.items() if _number(value) is not None)
        return [name for name in seen if name not in {"step", "seconds", "epoch"}]

    def points(self, name: str) -> Points:
        """(step, value) of one name, in the file's order; rows without a finite value are left out."""
        found = []
        for index, row in enumerate(self.rows):
            value = _number(row.get(name))
            if value is not None:
                step = _number(row.get("step"))
                found.append((float(index) if step is None else step, value))
        return found

    def pairs(self, x: str, y: str) -> Points:
        """(x, y) of the rows that hold both, in the file's order."""
        both = ((_number(row.get(x)), _number(row.get(y))) for row in self.rows)
        return [(a, b) for a, b in both if a is not None and b is not None]


@dataclass(frozen=True, slots=True)
class Run:
    """Everything the report needs of a run folder."""

    results: Results
    recipe: str
    curves: tuple[Curves, ...]
    answers: tuple[AnswerRow, ...]


def read_run(folder: Path) -> Run:
    """Read a run folder.

    Raises:
        StageError: there is no results.json yet; the message names the command that writes it.
        InputError: a file is there and breaks its contract.
    """
    results = folder / "results.json"
    if not results.is_file():
        recipe = folder / "recipe.json"
        command = f"haechi run {recipe}" if recipe.is_file() else "haechi run RECIPE.yaml"
        raise StageError(f"{folder} holds no results.json: nothing was evaluated there. Run: {command}")
    answers = folder / "evaluate" / "answers.jsonl"
    return Run(
        results=read_results(results),
        recipe=_pretty(_optional(folder / "recipe.json")),
        curves=tuple(_curves(folder)),
        answers=tuple(read_answers(answers)) if answers.is_file() else (),
    )


def in_order(stages: Sequence[str]) -> list[str]:
    """Stages in the order of a run; unknown ones last, by name."""
    known = {stage: index for index, stage in enumerate(STAGES)}
    return sorted(stages, key=lambda stage: (known.get(stage, len(known)), stage))


def _curves(folder: Path) -> list[Curves]:
    files = {path.parent.name: path for path in folder.glob("*/metrics.jsonl")}
    found = [Curves(stage, tuple(row for _, row in read_lines(files[stage]))) for stage in in_order(list(files))]
    return [curves for curves in found if curves.names()]


def _optional(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def _pretty(raw: dict[str, Any]) -> str:
    return json.dumps(raw, ensure_ascii=False, indent=2) if raw else ""


def _number(raw: Any) -> float | None:
    usable = isinstance(raw, (int, float)) and not isinstance(raw, bool) and math.isfinite(raw)
    return float(raw) if usable else None
