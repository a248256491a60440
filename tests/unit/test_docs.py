"""Pages and figures that are made are up to date."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
import yaml

DOCS = Path(__file__).parents[2] / "docs"
generate = runpy.run_path(str(DOCS / "generate.py"))
curve = runpy.run_path(str(DOCS / "saessak" / "curve.py"))


def test_the_page_about_recipes_is_up_to_date() -> None:
    text = (DOCS / "recipes.md").read_text(encoding="utf-8")
    assert generate["page"](text) == text, "run: python docs/generate.py"


@pytest.mark.parametrize(("recipe", "rows"), [("saessak", "metrics"), ("saessak_on", "metrics_on")])
def test_the_curves_of_saessak_are_whole(recipe: str, rows: str) -> None:
    steps = [json.loads(row)["step"] for row in (DOCS / "saessak" / f"{rows}.jsonl").read_text("utf-8").splitlines()]
    settings = yaml.safe_load((DOCS.parent / "recipes" / f"{recipe}.yaml").read_text("utf-8"))["pretrain"]
    assert steps == sorted(set(steps)) and steps[-1] == settings["steps"]


def test_the_curve_of_saessak_is_up_to_date() -> None:
    assert curve["figure"]() == (DOCS / "saessak" / "curve.svg").read_text("utf-8"), "run: python docs/saessak/curve.py"


@pytest.mark.parametrize(
    "line",
    [
        "| `learning_rate` | `0.00005` | number, > 0, ≤ 1 | Learning rate of AdamW. |",
        "| `steps` | must be given | whole number, ≥ 1 | Steps. |",
        "| `paths` | `[]` | list of: path | Files and folders with documents; "
        "`package:demo/documents` names some that come with haechi. |",
        "| `dual_clip` | `null` | number, > 1 or `null` | Upper bound of the ratio where the advantage is negative "
        "(Ye et al. 2020); null does not clip. |",
        "### `sft.trainable`, `reward.trainable`, `dpo.trainable`, `ppo.trainable`, `reading.sft.trainable`",
        "### `questions.split`",
        "### `pretrain.curriculum[]`",
    ],
)
def test_defaults_bounds_and_shared_sections(line: str) -> None:
    assert generate["reference"]().splitlines().count(line) == 1


def test_what_is_written_by_hand_stays() -> None:
    text = f"by hand\n{generate['MARKER']}old"
    assert generate["page"](text) == f"by hand\n{generate['MARKER']}\n{generate['reference']()}"
    with pytest.raises(ValueError, match="has no line"):
        generate["page"]("by hand\n")
