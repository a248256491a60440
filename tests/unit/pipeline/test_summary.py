"""What a finished run says on the terminal."""

from __future__ import annotations

import json
from pathlib import Path

from haechi.pipeline.summary import summary
from haechi.recipe import Recipe

RECIPE = Recipe.model_validate({"documents": {"paths": ["documents"]}, "questions": {"path": "questions.jsonl"}})


def test_a_base_alone_is_told_in_a_table_a_measurement(tmp_path: Path) -> None:
    """A row a system under a condition, with intervals where there are any; what one of them has not is a dash."""
    for stage, metrics in (
        ("worlds", {"ko_seen/base/questions": 16, "ko_seen/base/exact": 0.5, "ko_seen/sft/questions": 0}),
        ("text", {"bits_per_character/ko": 2.25, "bits_per_character/en": 1.5}),
    ):
        (tmp_path / stage).mkdir()
        (tmp_path / stage / "result.json").write_text(json.dumps({"metrics": metrics}), "utf-8")
    for stage in ("demo", "prose"):  # of an earlier measurement, perhaps of another base
        (tmp_path / stage).mkdir()
        (tmp_path / stage / "result.json").write_text('{"metrics": {"base/exact": 0.9}}', "utf-8")
    scores = {"ko_seen/base": {"questions": 16, "exact": {"value": 0.5, "low": 0.25, "high": 0.754, "n": 12}}}
    (tmp_path / "worlds" / "scores.json").write_text(json.dumps(scores), "utf-8")
    recipe = Recipe.model_validate({"reading": {"text": ["some.jsonl"], "demo": False}})
    assert summary(tmp_path, recipe).splitlines() == [
        "worlds        questions  exact",
        "ko_seen/base  16         0.50 [0.25, 0.75]",
        "ko_seen/sft   0          –",
        "",
        "text                ko     en",
        "bits_per_character  2.250  1.500",
    ]


def test_a_folder_of_which_nothing_is_known_is_named(tmp_path: Path) -> None:
    assert summary(tmp_path, RECIPE) == f"run     {tmp_path}"
