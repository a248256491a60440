"""The whole loop in-process on a tiny base: every stage for real, and what a user can rely on afterwards."""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import PEOPLE, PLACES, RECIPE, write_base, write_world

from haechi.cli import main
from haechi.pipeline.reading import load_saved
from haechi.pipeline.task import Silent, Task
from haechi.records.write import read_rows
from haechi.stages.cases import case_of, prompt_of
from haechi.stages.models import RewardModel, base_of
from haechi.stages.pairs import load_pairs


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("loop")
    write_world(folder)
    write_base(folder / "base")
    (folder / "recipe.yaml").write_text(RECIPE, "utf-8")
    assert main(["run", str(folder / "recipe.yaml"), "--folder", str(folder / "run")]) == 0
    return folder / "run"


def metrics(run: Path, stage: str) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / stage / "metrics.jsonl").read_text("utf-8").splitlines()]


def results(run: Path) -> dict[str, Any]:
    return json.loads((run / "results.json").read_text("utf-8"))


def test_results_keep_the_contract(run_folder: Path) -> None:
    found = results(run_folder)
    assert found["schema"] == 1
    assert set(found["systems"]) == {"base", "sft", "best_of_n", "dpo", "ppo"}
    for metric in ("correct", "citation_precision", "grounded", "bleu", "rouge_l", "chrf", "reward", "length"):
        number = found["systems"]["ppo"][metric]
        assert set(number) == {"value", "low", "high", "n", "topics"}
        assert number["low"] <= number["value"] <= number["high"]
    assert {(c["a"], c["b"]) for c in found["comparisons"]} >= {("ppo", "sft"), ("ppo", "best_of_n")}
    assert all(c["verdict"] for c in found["comparisons"])
    assert found["reward_model"]["ceiling"] == 0.9
    retrieval = found["retrieval"]
    assert set(retrieval) == {"k", "recall@1", "recall@k", "ndcg@k", "mrr"}
    assert retrieval["recall@1"]["value"] <= retrieval["ndcg@k"]["value"] <= retrieval["recall@k"]["value"]
    assert found["stages"]["ppo"]["seconds"] > 0
    assert any("모의 평가자" in note and "10%" in note for note in found["notes"])


def test_the_reward_model_that_serves_is_the_one_that_was_measured(run_folder: Path) -> None:
    """PPO, best-of-n and the evaluation ask `RewardModel`; accuracy.json has the scores of the learner. The evidence is
    in both, and a reward model that left it out would differ."""
    inputs = {folder.name: folder for folder in run_folder.iterdir() if folder.is_dir()}
    task = Task(load_saved(run_folder / "recipe.json"), run_folder / "reward", inputs, Silent(), seed=0)
    base = base_of(task)
    model = RewardModel(task, base, 500)
    rows = load_pairs(task, base, 500).held_out_rows
    cases = [case_of(row["case"]) for row in rows]
    prompts = [prompt_of(case, base.codec, model.words, task.recipe) for case in cases]
    texts = [[row["chosen"], row["rejected"]] for row in rows]
    scores = model(cases, prompts, [[base.codec.answer(text) for text in pair] for pair in texts]).view(-1, 2)
    measured = json.loads((run_folder / "reward" / "accuracy.json").read_text("utf-8"))["scores"]
    assert scores[:, 0].tolist() == pytest.approx(measured["chosen"], abs=1e-4)
    assert scores[:, 1].tolist() == pytest.approx(measured["rejected"], abs=1e-4)
    assert any(abs(value) > 0.01 for value in model.worth.values())


def test_equal_answers_to_a_question_earn_the_same(run_folder: Path) -> None:
    """The reward of every system's answer belongs to that answer: all of a question's are scored at once. And each
    system that is a policy has its KL to SFT."""
    same = different = 0
    for row in read_rows(run_folder / "evaluate" / "answers.jsonl"):
        kls = {name: one["kl"] for name, one in row["systems"].items()}
        assert kls.pop("sft") == 0 and kls.pop("best_of_n") is None
        assert None not in kls.values() and kls["base"] != 0
        said = [(one["text"], one["reward"]) for one in row["systems"].values()]
        for (text, reward), (other, others) in combinations(said, 2):
            if text == other:
                same += 1
                assert reward == pytest.approx(others, abs=1e-3)
            else:
                different += abs(reward - others) > 1e-2
    assert same > 0 and different > 0


def test_learning_happens(run_folder: Path) -> None:
    """Loss falls in SFT and more is right after it, the reward model comes to order pairs, PPO's reward rises."""
    sft = [row["loss"] for row in metrics(run_folder, "sft")]
    assert sft[-1] < 0.7 * sft[0]
    systems = results(run_folder)["systems"]
    assert systems["sft"]["f1"]["value"] > systems["base"]["f1"]["value"]
    reward = [row["accuracy"] for row in metrics(run_folder, "reward")]
    assert sum(reward[-4:]) / 4 > max(0.7, sum(reward[:4]) / 4)
    ppo = [row["reward/total"] for row in metrics(run_folder, "ppo")]
    assert sum(ppo[-2:]) / 2 > sum(ppo[:2]) / 2


def test_ppo_starts_where_sft_ended(run_folder: Path) -> None:
    first = metrics(run_folder, "ppo")[0]
    assert first["kl"] == pytest.approx(0.0, abs=1e-4)


def test_a_killed_stage_ends_as_the_uninterrupted_one(run_folder: Path, tmp_path: Path) -> None:
    """SIGKILL in a process of its own, at whatever moment after a checkpoint; what follows the training counts, too."""
    copy = tmp_path / "run"
    shutil.copytree(run_folder, copy)
    shutil.rmtree(copy / "ppo")
    command = [sys.executable, "-m", "haechi", "ppo", str(copy), "--ppo.checkpoint_every", "1"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        while not list((copy / "ppo" / "checkpoints").glob("checkpoint-*4")):
            with pytest.raises(subprocess.TimeoutExpired):  # it must not end before
                process.wait(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL and not (copy / "ppo" / "result.json").exists()
    assert main(["ppo", str(copy)]) == 0
    assert (copy / "ppo" / "role.safetensors").read_bytes() == (run_folder / "ppo" / "role.safetensors").read_bytes()


def test_merged_folder_is_a_plain_model(run_folder: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(run_folder / "merge" / "model")
    tokenizer = AutoTokenizer.from_pretrained(run_folder / "merge" / "model")
    assert type(model).__name__ == "LlamaForCausalLM"
    assert tokenizer.decode(tokenizer.encode("오누리")) == "오누리"
    assert not list((run_folder / "merge").glob("**/*.bin"))


def test_no_prompt_of_training_meets_the_test_set(run_folder: Path) -> None:
    def topics(part: str) -> set[str]:
        lines = (run_folder / "split" / f"{part}.jsonl").read_text("utf-8").splitlines()
        return {json.loads(line)["question"]["topic"] for line in lines}

    parts = [topics(part) for part in ("train", "validation", "test")]
    assert all(parts)
    assert not (parts[0] & parts[2] or parts[1] & parts[2] or parts[0] & parts[1])


def test_a_second_run_does_nothing(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in run_folder.glob("*/*.safetensors")}
    assert main(["run", str(run_folder)]) == 0
    assert {path: path.stat().st_mtime_ns for path in run_folder.glob("*/*.safetensors")} == before
    assert "stands" in capsys.readouterr().err


def test_ask_answers_in_the_terminal(
    run_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = ["푸른 등대의 지기는 누구인가요?", "푸른 등대의 높이는?"]
    answers = []
    for question in questions:
        assert main(["ask", str(run_folder), question]) == 0
        answers.append(capsys.readouterr().out)
        assert answers[-1].strip()
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join([questions[0], "", questions[1]])))
    assert main(["ask", str(run_folder)]) == 0
    assert capsys.readouterr().out == "".join(f"{q}\n{a}\n" for q, a in zip(questions, answers, strict=True))


def test_report_stands_alone(run_folder: Path) -> None:
    page = (run_folder / "report.html").read_text("utf-8")
    assert "<svg" in page
    assert "https://" not in page.replace("http://www.w3.org/2000/svg", "")


def test_the_report_says_where_ppo_kept_the_weights_of_sft(run_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run_folder, copy)
    result = json.loads((copy / "ppo" / "result.json").read_text("utf-8"))
    says = "SFT의 가중치를 그대로 두었습니다"
    assert result["metrics"]["best_iteration"] > 0
    assert says not in (copy / "report.html").read_text("utf-8")
    result["metrics"]["best_iteration"] = 0
    (copy / "ppo" / "result.json").write_text(json.dumps(result), "utf-8")
    (copy / "report" / "result.json").unlink()
    assert main(["report", str(copy)]) == 0
    assert says in (copy / "report.html").read_text("utf-8")
    assert any(says in note for note in json.loads((copy / "results.json").read_text("utf-8"))["notes"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"questions.path": "missing.jsonl"}, "missing.jsonl"),
        ({"base.name_or_path": "./nowhere"}, "nowhere"),
        ({"ppo.cliip": "0.1"}, "Did you mean"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, str], says: str
) -> None:
    options = [word for key, value in change.items() for word in (f"--{key}", value)]
    recipe = run_folder.parent / "recipe.yaml"
    assert main(["run", str(recipe), "--folder", str(tmp_path / "bad"), *options]) == 2
    error = capsys.readouterr().err.strip()
    assert says in error
    assert "Traceback" not in error


def test_pairs_from_a_file_train_the_reward_model(run_folder: Path, tmp_path: Path) -> None:
    rows = [
        {"prompt": f"푸른 {place}의 지기는 누구인가요?", "chosen": f"{person}입니다. [1]", "rejected": "모릅니다."}
        for place, person in zip(PLACES, PEOPLE, strict=True)
    ]
    tests, held_out = (
        {row["question"]["text"] for row in read_rows(run_folder / "split" / f"{part}.jsonl")}
        for part in ("test", "validation")
    )
    seen_before = f"Human: 안녕하세요?\n\nAssistant: 네.\n\nHuman: {min(tests)}"
    more = sorted(held_out - {row["prompt"] for row in rows})
    rows += [{"prompt": text, "chosen": "오누리입니다. [1]", "rejected": "모릅니다."} for text in more]
    rows.append({"prompt": seen_before, "chosen": "오누리입니다. [1]", "rejected": "모릅니다."})
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    copy = tmp_path / "run"
    status = main([
        "run", str(run_folder.parent / "recipe.yaml"), "--folder", str(copy), "--only", "reward",
        "--compare.source", "file", "--compare.path", str(pairs), "--reward.held_out", "0.3", "--sft.epochs", "1",
        "--reward.epochs", "10",
    ])  # fmt: skip
    assert status == 0
    compared = list(read_rows(copy / "compare" / "pairs.jsonl"))
    asked = {row["case"]["question"]["text"]: row["held_out"] for row in compared}
    assert len(tests) > 1 and seen_before not in asked and not tests & asked.keys(), "tests are for the evaluation"
    assert held_out and all(asked[text] for text in held_out), "validation questions only measure"
    accuracy = json.loads((copy / "reward" / "accuracy.json").read_text("utf-8"))
    assert accuracy["ceiling"] is None
    assert accuracy["accuracy"]["value"] == 1.0
