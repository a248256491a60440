"""PPO's own prompts, SFT's examples beside them, and comparisons without gold passages, each where it belongs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny import RECIPE, write_base, write_world

import haechi.stages.ppo
from haechi.cli import main


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def ready(folder: Path, *, prompts: bool = False) -> list[str]:
    """The command that runs the tiny world in a folder, with a file of prompts in its recipe or without."""
    write_world(folder)
    write_base(folder / "base")
    recipe = RECIPE.replace("questions: {", "questions: {prompts: ./prompts.jsonl, ") if prompts else RECIPE
    (folder / "recipe.yaml").write_text(recipe, "utf-8")
    return ["run", str(folder / "recipe.yaml"), "--folder", str(folder / "run")]


def test_each_stage_reads_the_questions_that_are_meant_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    class Watched(haechi.stages.ppo.PPOLearner):
        def __init__(self, base: Any, policy: Any, prompts: Any, *args: Any, **kwargs: Any) -> None:
            seen["prompts"] = [base.codec.decode(prompt) for prompt in prompts]
            seen["ptx_examples"] = args[1].ptx_examples
            seen["supervised"] = [base.codec.decode(list(tree.prompt)) for tree in kwargs["supervised"]]
            super().__init__(base, policy, prompts, *args, **kwargs)

    def watched(base: Any, policy: Any, prompts: Any, *args: Any, **kwargs: Any) -> float:
        seen.setdefault("kl_prompts", []).append(len(prompts))
        return divergence(base, policy, prompts, *args, **kwargs)

    divergence = haechi.stages.ppo.divergence
    monkeypatch.setattr(haechi.stages.ppo, "PPOLearner", Watched)
    monkeypatch.setattr(haechi.stages.ppo, "divergence", watched)
    monkeypatch.setattr(haechi.stages.ppo, "_KL_PROMPTS", 3)
    command = ready(tmp_path, prompts=True)
    asked = [{"prompt": f"푸른 곳에 {thing}이 있나요?"} for thing in ("창문", "굴뚝", "마당", "지붕")]
    (tmp_path / "prompts.jsonl").write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in asked), "utf-8"
    )
    run, changes = tmp_path / "run", {
        "questions.sft_examples": 5, "sft.epochs": 1, "compare.without_gold": 1.0, "reward.epochs": 1,
        "ppo.iterations": 1, "ppo.prompts": 4, "ppo.ptx_coefficient": 0.5, "ppo.ptx_examples": 3,
    }  # fmt: skip
    options = [word for name, value in changes.items() for word in (f"--{name}", str(value))]
    assert main([*command, "--only", "ppo", *options]) == 0

    assert seen["kl_prompts"] == [3, 3]  # before the first iteration and after the last
    assert len(seen["prompts"]) == 4 and seen["ptx_examples"] == 3
    assert all(any(row["prompt"] in prompt for prompt in seen["prompts"]) for row in asked)
    learned = set(json.loads((run / "sft" / "examples.json").read_text("utf-8"))["ids"])
    texts = [row["question"]["text"] for row in rows(run / "split" / "train.jsonl") if row["question"]["id"] in learned]
    assert len(seen["supervised"]) == len(texts) == 5
    assert all(any(text in prompt for prompt in seen["supervised"]) for text in texts)
    held_out = {row["held_out"] for row in rows(run / "compare" / "pairs.jsonl") if row["case"]["dropped"]}
    assert held_out == {False}


def test_a_test_question_that_does_not_fit_is_refused_before_any_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = [*ready(tmp_path), "--only"]
    assert main([*run, "split"]) == 0
    asked = rows(tmp_path / "run" / "split" / "test.jsonl")[0]["question"]["id"]
    questions = rows(tmp_path / "questions.jsonl")
    for row in questions:
        row["text"] += " 정말로" * 80 * (row["id"] == asked)
    (tmp_path / "questions.jsonl").write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in questions), "utf-8"
    )
    capsys.readouterr()
    assert main([*run, "sft", "--prompt.max_prompt_tokens", "256"]) == 2
    line = 1 + [row["id"] for row in questions].index(asked)
    (said,) = [line for line in capsys.readouterr().err.splitlines() if "Fix:" in line]
    assert f"{tmp_path / 'questions.jsonl'}:{line}: question {asked}: a question of " in said
    assert not (tmp_path / "run" / "sft").exists()


def test_a_preference_that_is_none_is_refused_before_any_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ready(tmp_path)
    file = tmp_path / "preferences.jsonl"
    pair = {"prompt": "푸른 등대의 지기는 누구인가요?", "chosen": "오누리입니다. [1]", "rejected": "모릅니다."}
    file.write_text("\n".join(json.dumps(row) for row in (pair, pair | {"rejected": pair["chosen"]})), "utf-8")
    options = ["--compare.source", "file", "--compare.path", str(file)]
    capsys.readouterr()
    assert main([*run, *options]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and f"{file}:2: " in said[0] and "Fix:" in said[0]
    assert not [item for item in (tmp_path / "run").iterdir() if item.name != ".lock"]


@pytest.mark.parametrize("named", [True, False])
def test_a_prompt_that_does_not_fit_is_refused_before_any_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], named: bool
) -> None:
    run = ready(tmp_path, prompts=True)
    row = {"prompt": "푸른 곳에 창문이" + " 정말로" * 80 + " 있나요?"} | ({"id": "long"} if named else {})
    (tmp_path / "prompts.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n", "utf-8")
    assert main([*run, "--only", "sft", "--prompt.max_prompt_tokens", "256"]) == 2
    assert f"{tmp_path / 'prompts.jsonl'}{':1' if named else ''}: question " in capsys.readouterr().err
