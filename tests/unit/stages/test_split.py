"""What PPO practises on, and that nothing that is measured on is among it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tiny import RECIPE, write_world

from haechi.cli import main


def split(folder: Path, prompts: list[dict[str, Any]] | None, *options: str) -> int:
    """The split stage on the tiny world, with a file of prompts or without."""
    if not (folder / "documents").exists():
        write_world(folder)
    recipe = RECIPE.replace("./base", "saessak")  # nothing runs on it
    if prompts is not None:
        rows = [json.dumps(row, ensure_ascii=False) for row in prompts]
        (folder / "prompts.jsonl").write_text("\n".join(rows) + "\n", "utf-8")
        recipe = recipe.replace("questions: {", "questions: {prompts: ./prompts.jsonl, ")
    (folder / "recipe.yaml").write_text(recipe, "utf-8")
    return main(["run", str(folder / "recipe.yaml"), "--only", "split", "--folder", str(folder / "run"), *options])


def part(folder: Path, name: str) -> list[dict]:
    return [json.loads(line) for line in (folder / "run" / "split" / f"{name}.jsonl").read_text("utf-8").splitlines()]


def test_without_a_file_the_prompts_are_the_training_questions(tmp_path: Path) -> None:
    assert split(tmp_path, None) == 0
    assert part(tmp_path, "prompts") == part(tmp_path, "train")


def test_prompts_share_no_topic_and_no_wording_with_what_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert split(tmp_path, None) == 0

    def said(question: str, answer: str) -> list[dict[str, str]]:
        return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]

    first = {name: part(tmp_path, name)[0]["question"] for name in ("train", "validation", "test")}
    prompts = [
        {"prompt": "푸른 곳의 문은 어느 쪽으로 나 있나요?", "topic": first["train"]["topic"]},
        {"prompt": "푸른 곳은 언제 지어졌나요?", "topic": first["validation"]["topic"]},
        {"prompt": "푸른 곳을 지은 사람은 누구인가요?", "topic": first["test"]["topic"]},
        {"prompt": first["test"]["text"].replace(" ", "")},
        {"prompt": first["train"]["text"].replace(" ", ""), "topic": first["train"]["topic"]},
        {"prompt": [*said("안녕?", "네."), {"role": "user", "content": first["test"]["text"]}]},
        {"prompt": "문서와 상관없는 것도 물어봐도 돼?"},
        {"prompt": "문서와 상관없는 것도 물어봐도 돼?"},
    ]
    assert split(tmp_path, prompts) == 0
    found = part(tmp_path, "prompts")
    assert {row["question"]["text"] for row in found} == {prompts[0]["prompt"], prompts[6]["prompt"]}
    assert all(row["question"]["answer"] is None and row["gold_numbers"] == [] for row in found)
    assert found[0]["passages"] or found[1]["passages"], "they are asked with what the search finds"
    notes = capsys.readouterr().err
    assert "prompts left out: 5 (of topics that are measured on, or worded as another question)" in notes
    assert "prompts left out: 1 (" in notes


def test_prompts_that_are_all_measured_on_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert split(tmp_path, None) == 0
    topic = part(tmp_path, "test")[0]["question"]["topic"]
    assert split(tmp_path, [{"prompt": "푸른 곳은 언제 지어졌나요?", "topic": topic}]) == 2
    said = capsys.readouterr().err
    assert "prompts.jsonl" in said and "Fix:" in said


def test_practice_is_kept_from_sft_and_comparisons_and_measures_nothing(tmp_path: Path) -> None:
    assert split(tmp_path, None) == 0
    names = ("train", "validation", "test", "prompts")
    before = {name: part(tmp_path, name) for name in names}
    assert split(tmp_path, None, "--questions.practice", "0.4") == 0
    after = {name: part(tmp_path, name) for name in names}
    ids = {name: {row["question"]["id"] for row in rows} for name, rows in after.items()}
    assert after["test"] == before["test"] and after["validation"] == before["validation"]
    assert not ids["train"] & ids["prompts"]
    assert ids["train"] | ids["prompts"] == {row["question"]["id"] for row in before["train"]}
    assert len(ids["prompts"]) == round(0.4 * len(before["train"]))
    kept = {row["question"]["id"]: row["question"] for row in before["train"]}
    assert all(row["question"] == kept[row["question"]["id"]] for row in after["train"] + after["prompts"])


def test_three_questions_are_too_few_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As many as a starter shows the form with."""
    write_world(tmp_path)
    file = tmp_path / "questions.jsonl"
    lines = [line for line in file.read_text("utf-8").splitlines() if json.loads(line)["id"].endswith("a")]
    file.write_text("\n".join(lines[:3]), "utf-8")
    assert split(tmp_path, None) == 2
    (said,) = [line for line in capsys.readouterr().err.splitlines() if "Fix:" in line]
    assert f"{file}: of 3 questions 1 would be trained on" in said
    assert not (tmp_path / "run" / "split").exists()


def test_too_few_topics_for_a_verdict_are_told_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_world(tmp_path)
    assert split(tmp_path, None) == 0
    said = capsys.readouterr()
    topics = {row["question"]["topic"] or row["question"]["id"] for row in part(tmp_path, "test")}
    counts = [len(part(tmp_path, name)) for name in ("train", "validation", "test")]
    assert "questions: {} to learn from, {} to choose by, {} to measure on".format(*counts) in said.out + said.err
    assert (f"only {len(topics)} topics to measure on" in said.out + said.err) == (len(topics) < 10)
    file = tmp_path / "questions.jsonl"
    file.write_text("\n".join(file.read_text("utf-8").splitlines()[:12]), "utf-8")
    assert split(tmp_path, None) == 0
    said = capsys.readouterr()
    assert "no difference between systems can be told with fewer than 10. Add questions" in said.out + said.err


def test_four_training_questions_are_enough_and_three_are_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_world(tmp_path)
    file = tmp_path / "questions.jsonl"
    lines = file.read_text("utf-8").splitlines()
    found = {}
    for count in range(4, 14):
        file.write_text("\n".join(lines[:count]), "utf-8")
        if split(tmp_path, None) == 0:
            found[len(part(tmp_path, "train"))] = True
        elif said := re.search(r"of \d+ questions (\d+) would be trained on", capsys.readouterr().err):
            found[int(said[1])] = False
    assert {3, 4} <= found.keys()
    assert all(enough == (trained >= 4) for trained, enough in found.items())


def test_practice_and_prompts_come_together(tmp_path: Path) -> None:
    asked = [{"prompt": "문서와 상관없는 것도 물어봐도 돼?"}]
    assert split(tmp_path, asked, "--questions.practice", "0.4") == 0
    texts = [row["question"]["text"] for row in part(tmp_path, "prompts")]
    assert len(texts) > 1 and asked[0]["prompt"] in texts


def test_a_practice_question_leaves_out_prompts_in_its_words(tmp_path: Path) -> None:
    assert split(tmp_path, None, "--questions.practice", "0.4") == 0
    practised = part(tmp_path, "prompts")[0]["question"]["text"]
    asked = [{"prompt": practised.replace(" ", "")}, {"prompt": "문서와 상관없는 것도 물어봐도 돼?"}]
    assert split(tmp_path, asked, "--questions.practice", "0.4") == 0
    texts = [row["question"]["text"] for row in part(tmp_path, "prompts")]
    assert asked[0]["prompt"] not in texts and texts.count(practised) == 1


def test_practice_holds_no_fact_of_the_training_questions(tmp_path: Path) -> None:
    """Each height is asked for twice, in words that have little in common."""
    write_world(tmp_path)
    file = tmp_path / "questions.jsonl"
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    for row in [row for row in rows if row["id"].endswith("b")]:
        rows.append(row | {"id": f"{row['id']}-again", "text": f"몇 미터나 솟았나, {row['text'].split('의')[0]}?"})
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    assert split(tmp_path, None, "--questions.practice", "0.5") == 0
    evidence = [
        [row["question"]["evidence"] for row in part(tmp_path, name) if row["question"]["id"].endswith(("b", "again"))]
        for name in ("train", "prompts")
    ]
    assert all(len(found) == 2 * len(set(found)) > 0 for found in evidence)
    assert not set(evidence[0]) & set(evidence[1])
