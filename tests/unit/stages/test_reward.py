"""The reward stage: the head begins as the probe, training goes on from there, and the way is cut short as asked."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from haechi.engine.trees import Tree
from haechi.learners.pairs import ComparedPrompt, Pair, RewardLearner
from haechi.methods.probe import fit_probe
from haechi.models.base import SharedBase
from haechi.models.load import load_base
from haechi.models.roles import Role, Trainable
from haechi.models.saved import load_role, save_role
from haechi.pipeline.reading import load_recipe
from haechi.pipeline.task import Silent, StoppedError, Task
from haechi.prompt.template import template
from haechi.records.types import Passage, Question
from haechi.records.write import write_jsonl
from haechi.retrieval.contexts import Context
from haechi.rewards.evidence import NAMES
from haechi.stages import reward
from haechi.stages.cases import Case, case_row, prompt_of, save_cases
from haechi.stages.models import RewardModel

PLACES = ("등대", "부두", "서고", "종탑", "우물", "정원")
Made = Callable[..., Task]


@pytest.fixture(scope="module")
def saessak() -> SharedBase:
    return load_base("saessak", dtype="float32")


def cases() -> list[Case]:
    """Two questions on each place, by one topic, with a passage on it and one on another place."""
    found = []
    for number, place in enumerate(PLACES):
        other = PLACES[number - 1]
        passages = tuple(
            Passage(id=f"{name}#0", document_id=name, title=name, text=f"{name}의 높이는 {n}미터다.", start=0, end=9)
            for n, name in ((7, place), (8, other))
        )
        for asked in ("높이는 얼마인가요", "높이를 알려 주세요"):
            question = Question(id=f"{place}-{asked[:3]}", text=f"{place}의 {asked}?", topic=place)
            found.append(Case(question, Context(question.id, passages, (1,), retrieved=True)))
    return found


def answers(case: Case) -> list[str]:
    """Right, wrongly cited, another value, an abstention."""
    return ["7미터입니다. [1]", "7미터입니다. [2]", "9미터입니다.", template("ko", instructed=False).abstention]


@pytest.fixture
def made(saessak: SharedBase, tmp_path: Path) -> Made:
    """A reward stage's task on finished stages before it; its settings, and a change to each row of a comparison."""

    def make(
        name: str = "reward", change: Callable[[int, dict[str, Any]], None] = lambda *_: None, **settings: Any
    ) -> Task:
        inputs = {stage: tmp_path / stage for stage in ("split", "sft", "sample", "compare")}
        for folder in (*inputs.values(), tmp_path / name):
            folder.mkdir(exist_ok=True)
        (tmp_path / "questions.jsonl").write_text("{}\n")
        said = {"trainable": "{kind: top_layers, layers: 1}", "epochs": 1, "batch_size": 3, "learning_rate": 1e-3}
        said |= settings
        (tmp_path / "recipe.yaml").write_text(
            "base: {name_or_path: saessak, dtype: float32}\nprompt: {instructed: false}\nlanguage: ko\n"
            "documents: {paths: .}\nquestions: {path: questions.jsonl}\n"
            "reward:\n" + "".join(f"  {key}: {said[key]}\n" for key in said)
        )
        save_role(Role(saessak, Trainable("head")).freeze(), saessak, inputs["sft"])
        save_cases(inputs["split"] / "train.jsonl", cases())
        write_jsonl(
            inputs["sample"] / "answers.jsonl",
            [{"question_id": case.question.id, "answers": answers(case)} for case in cases()],
        )
        rows: list[dict[str, Any]] = []
        for case in cases():
            right, *wrong = answers(case)
            for other in wrong:
                rows.append({"case": case_row(case), "chosen": right, "rejected": other, "kind": "value",
                             "held_out": case.question.topic == PLACES[-1], "flipped": False, "margin": 0.0,
                             "weight": 1.0})  # fmt: skip
                change(len(rows) - 1, rows[-1])
        write_jsonl(inputs["compare"] / "pairs.jsonl", rows)
        return Task(load_recipe(tmp_path / "recipe.yaml"), tmp_path / name, inputs, Silent(), seed=0)

    return make


def weights(task: Task) -> dict[str, Tensor]:
    return load_file(task.folder / "role.safetensors")


def probe(task: Task) -> dict[str, Any]:
    return json.loads((task.folder / "probe.json").read_text("utf-8"))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the stage tells `fit_probe`, and what it makes of it."""
    calls: list[dict[str, Any]] = []

    def spy(features_AD: Tensor, pairs_P2: Tensor, topics_P: Tensor, **others: Any) -> Any:
        found = fit_probe(features_AD, pairs_P2, topics_P, **others)
        calls.append({"features": features_AD, "pairs": pairs_P2, "topics": topics_P, "found": found, **others})
        return found

    monkeypatch.setattr(reward, "fit_probe", spy)
    return calls


def test_without_epochs_the_probe_is_all_there_is(made: Made, told: list[dict[str, Any]], saessak: SharedBase) -> None:
    task = made(epochs=0)
    result = reward.run(task)
    (call,) = told
    found = call["found"]
    assert torch.equal(weights(task)["head.weight"][0], found.weight[: saessak.width])
    assert weights(task)["head.bias"].item() == 0
    assert list(result["worth"].values()) == pytest.approx(found.weight[saessak.width :].tolist())
    assert result["worth"].keys() == set(NAMES) and any(abs(worth) > 0.01 for worth in result["worth"].values())
    assert (result["probe_accuracy"], result["probe_penalty"]) == (found.accuracy, found.penalty)
    assert not (task.folder / "checkpoints").exists()


def test_the_probe_is_told_what_recipe_and_comparisons_say(
    made: Made, told: list[dict[str, Any]], saessak: SharedBase
) -> None:
    def weigh(number: int, row: dict[str, Any]) -> None:
        row["weight"] = 1 + number / 100

    reward.run(made(change=weigh, epochs=0, label_smoothing=0.2))
    (call,) = told
    # Ten prompts of five topics, with three comparisons each; the sixth topic is held out.
    assert call["topics"].tolist() == [topic for topic in range(5) for _ in range(6)]
    assert call["weights_P"].tolist() == pytest.approx([1 + number / 100 for number in range(30)])
    assert call["groups"] == [saessak.width, len(NAMES)] and call["label_smoothing"] == 0.2
    # Right answer and each wrong one, as `answers` has them.
    assert call["pairs"].tolist() == [[4 * prompt, 4 * prompt + wrong] for prompt in range(10) for wrong in (1, 2, 3)]
    cites = call["features"][:, saessak.width + NAMES.index("cites")]
    assert cites.tolist() == [1, 1, 0, 0] * 10


def test_labels_are_softened_in_training_too(made: Made) -> None:
    sure, doubted = made("sure"), made("doubted", label_smoothing=0.3)
    reward.run(sure)
    # The same first head for both: what is left of the difference is the training's.
    (doubted.folder / "probe.json").write_bytes((sure.folder / "probe.json").read_bytes())
    reward.run(doubted)
    lines = [json.loads((task.folder / "metrics.jsonl").read_text().splitlines()[0]) for task in (sure, doubted)]
    assert lines[0]["margin"] == pytest.approx(lines[1]["margin"], abs=1e-5)
    # -0.7 log σ(d) - 0.3 log σ(-d) is -log σ(d) + 0.3 d.
    assert lines[1]["loss"] == pytest.approx(lines[0]["loss"] + 0.3 * lines[0]["margin"], rel=1e-3)


@pytest.mark.parametrize("trainable", ["{kind: top_layers, layers: 1}", "{kind: lora, rank: 2, alpha: 4}"])
def test_half_way_is_half_of_what_training_added(made: Made, saessak: SharedBase, trainable: str) -> None:
    """Of an adapter what it adds to the layer, B A, is half, not B and A."""
    first, whole, half = (made(name, trainable=trainable, **settings) for name, settings in
                          (("first", {"epochs": 0}), ("whole", {}), ("half", {"interpolate": 0.5})))  # fmt: skip
    for task in (first, whole, half):
        reward.run(task)

    def added(task: Task) -> dict[str, Tensor]:
        role, _ = load_role(saessak, task.folder, Role(saessak, Trainable("head")).freeze())
        products = {name: b @ a for chained in role.lora_chain() for name, (a, b, _) in chained.items()}
        return products | {name: w for name, w in weights(task).items() if not name.startswith("lora")}

    at_first, at_last = added(first), added(whole)
    for name, weight in added(half).items():
        torch.testing.assert_close(weight, (at_first[name] + at_last[name]) / 2, atol=1e-6, rtol=1e-4)
    moved = {name for name in at_first if not torch.allclose(at_first[name], at_last[name], atol=1e-5)}
    assert len(moved) > 2 and "head.weight" in moved


def test_scores_of_sfts_answers_have_mean_0_and_deviation_1(made: Made, saessak: SharedBase) -> None:
    task = made(epochs=1)
    reward.run(task)
    model = RewardModel(replace(task, inputs={**task.inputs, "reward": task.folder}), saessak, 2000)
    asked = cases()
    prompts = [prompt_of(case, saessak.codec, model.words, task.recipe) for case in asked]
    given = [[saessak.codec.answer(text) for text in answers(case)] for case in asked]
    scores = model(asked, prompts, given)
    assert scores.mean().item() == pytest.approx(0, abs=1e-4)
    assert scores.std(correction=0).item() == pytest.approx(1, abs=1e-4)
    assert len(model([], [], [])) == 0


def test_an_interrupted_attempt_finds_its_probe_again(made: Made, told: list[dict[str, Any]]) -> None:
    """Otherwise what is interpolated might begin elsewhere than what was trained: another machine, other threads."""
    whole, again = made("whole", interpolate=0.5), made("again", interpolate=0.5)
    reward.run(whole)
    (again.folder / "probe.json").write_bytes((whole.folder / "probe.json").read_bytes())
    reward.run(again)
    assert len(told) == 1
    assert all(torch.equal(weight, weights(again)[name]) for name, weight in weights(whole).items())


def test_a_wish_to_stop_is_heard_while_the_probe_is_fitted(made: Made) -> None:
    task = replace(made(), received=lambda: 2)
    with pytest.raises(StoppedError):
        reward.run(task)
    assert not (task.folder / "probe.json").exists()


def test_without_a_probe_the_head_is_the_learners_own(made: Made, told: list[dict[str, Any]]) -> None:
    task = made(probe="false", evidence="false")
    result = reward.run(task)
    assert told == [] and result["probe_accuracy"] is None and result["worth"] == {}
    assert math.isfinite(result["accuracy"]["value"]) and not (task.folder / "probe.json").exists()


def test_the_learner_scores_as_the_probe_does(saessak: SharedBase, tmp_path: Path, made: Made) -> None:
    """The better answer ends in 1 and not in 2, and has more support in half of the prompts."""
    pairs = []
    for number in range(40):
        texts = [f"{number}번 등대입니다. [{n}]" for n in (1, 2)]
        evidence = [[0.0] * (len(NAMES) - 1) + [float(number % 2)], [0.0] * len(NAMES)]
        prompt = saessak.codec.bos + saessak.codec.encode(str(number))
        tree = Tree(prompt, [saessak.codec.answer(text) for text in texts])
        pairs.append(ComparedPrompt(tree, [Pair(0, 1)], evidence, topic=str(number)))
    role = Role(saessak, Trainable("head"), head_outputs=1)
    found = reward._probe(made(), saessak, role, pairs)
    worth = found.weight[saessak.width :]
    assert worth[NAMES.index("support")] > 0 and worth.count_nonzero() == 1, "the other numbers never change"
    learner = RewardLearner(saessak, role, pairs, batch_size=8, token_budget=500, seed=0, worth=worth)
    scores = learner.scores(pairs)
    assert (scores[:, 0] > scores[:, 1]).all() and found.accuracy == pytest.approx(1)
