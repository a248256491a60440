"""The loop on questions with gold answers and no accepted strings: likeness stands in for correctness throughout."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tiny import RECIPE, write_base, write_world

from haechi.cli import main


def test_likeness_stands_in_for_correctness(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    write_world(tmp_path, checkable=False)
    write_base(tmp_path / "base")
    (tmp_path / "recipe.yaml").write_text(RECIPE, "utf-8")
    run = tmp_path / "run"
    short = ["--sft.epochs", "1", "--reward.epochs", "1", "--dpo.enabled", "false", "--ppo.iterations", "3"]
    assert main(["run", str(tmp_path / "recipe.yaml"), "--folder", str(run), *short]) == 0

    results = json.loads((run / "results.json").read_text("utf-8"))
    for scores in results["systems"].values():
        # A third of the questions have no answer in the documents; they alone would make abstaining perfect.
        assert "correct" not in scores and "abstention_recall" in scores and 0 <= scores["f1"]["value"] <= 1
    assert "correct" not in {comparison["metric"] for comparison in results["comparisons"]}
    assert any("인정된 답이 등록되어 있지 않아" in note for note in results["notes"])
    measured = json.loads((run / "evaluate" / "result.json").read_text("utf-8"))["metrics"]
    assert {"sft_f1", "ppo_f1"} <= set(measured) and not any(name.endswith("_correct") for name in measured)
    steps = [json.loads(line) for line in (run / "ppo" / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert "validation/f1" in steps[-1] and "validation/correct" not in steps[-1]
    page = (run / "report.html").read_text("utf-8")
    assert "시스템별 모범 답과의 유사도" in page and "시스템별 정답률" not in page
