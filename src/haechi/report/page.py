"""The report: one HTML page made of a run folder's files and nothing else.

The page asks the network for nothing, and its own policy forbids it to: style and script are named by their hashes, so
a script that came in with somebody's data would not run even if it were not escaped.
"""

from __future__ import annotations

import base64
import hashlib
import os
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from haechi.report import figures, numbers, sections
from haechi.report.run_files import Run, read_run
from haechi.report.samples import pieces, sort_samples
from haechi.report.verdicts import headline_metric, systems_of
from haechi.report.words import Language, Words


def build_report(run_folder: Path, language: Language = "ko") -> str:
    """The report of a run as one self-contained HTML page. The same files give the same page.

    Raises:
        StageError: the run has no results.json yet.
        InputError: one of its files breaks the contract of docs/architecture.md.
    """
    run, words = read_run(run_folder), Words(language)
    environment = Environment(
        loader=PackageLoader("haechi.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"pieces": pieces, "number": _number}
    return environment.get_template("report.html").render(**_assets(), **_context(run, words))


def write_report(run_folder: Path, language: Language = "ko") -> Path:
    """Write `report.html` into the run folder, whole or not at all, and return its path. Raises like `build_report`."""
    page = build_report(run_folder, language)
    path = run_folder / "report.html"
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        temporary.write_text(page, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _context(run: Run, words: Words) -> dict[str, Any]:
    results, model = run.results, run.results.reward_model
    return {
        "t": words,
        "results": results,
        "recipe": run.recipe,
        "systems": systems_of(results),
        "facts": sections.facts(results, words),
        "statements": sections.verdict(results, words),
        "metric": headline_metric(results),
        "headline": figures.quality_figure(results, words),
        "rows": sections.systems_table(results, words),
        "pairs": sections.pairs(results, words),
        "model": model,
        "remarks": sections.reward_remarks(model, words) if model else [],
        "margin": _with_interval(model.margin) if model and model.margin.value is not None else None,
        "reward_figures": figures.reward_figures(model, words) if model else [],
        "curves": [(words.stage(one.stage), figures.curve_figures(one, words)) for one in run.curves],
        "kl_figures": figures.kl_figures(run.curves, words),
        "samples": sort_samples(run.answers, systems_of(results), headline_metric(results)),
        "retrieval": sections.retrieval_rows(results, words),
        "costs": figures.cost_figures(results, words),
        "trained": [
            (words.stage(name), f"{cost.trained_parameters:,}")
            for name, cost in results.stages.items() if cost.trained_parameters
        ],
    }  # fmt: skip


def _with_interval(number: Any) -> str:
    return f"{numbers.value('margin', number)} {numbers.interval('margin', number)}".rstrip()


def _number(value: float | None, digits: int = 2, sign: bool = False) -> str:
    return numbers.plain(value, digits, sign=sign)


def _assets() -> dict[str, Markup | str]:
    folder = resources.files("haechi.report") / "templates"
    style, script = (folder.joinpath(name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    policy = (
        f"default-src 'none'; style-src 'sha256-{_digest(style)}'; script-src 'sha256-{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return {"style": Markup(style), "script": Markup(script), "policy": policy}


def _digest(content: str) -> str:
    return base64.b64encode(hashlib.sha256(content.encode("utf-8")).digest()).decode("ascii")
