"""The reward stage's own steps: the head takes the probe, and the way from first to trained weights is cut short."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from haechi.engine.trees import Tree
from haechi.learners.pairs import ComparedPrompt, Pair, RewardLearner
from haechi.models.base import SharedBase
from haechi.models.load import load_base
from haechi.models.roles import Role, Trainable
from haechi.pipeline.reading import load_recipe
from haechi.rewards.evidence import NAMES
from haechi.stages.reward import _interpolate, _probe


@pytest.fixture(scope="module")
def saessak() -> SharedBase:
    return load_base("saessak", dtype="float32")


def task(folder: Path) -> Any:
    (folder / "questions.jsonl").write_text("{}\n")
    (folder / "recipe.yaml").write_text("documents: {paths: .}\nquestions: {path: questions.jsonl}\n")
    return SimpleNamespace(recipe=load_recipe(folder / "recipe.yaml"))


def compared(saessak: SharedBase, count: int = 40) -> list[ComparedPrompt]:
    """Prompts whose better answer ends in 1 and not in 2, and has more support in half of them."""
    found = []
    for number in range(count):
        texts = [f"{number}번 등대입니다. [{n}]" for n in (1, 2)]
        evidence = [[0.0] * (len(NAMES) - 1) + [float(number % 2)], [0.0] * len(NAMES)]
        prompt = saessak.codec.bos + saessak.codec.encode(str(number))
        tree = Tree(prompt, [saessak.codec.answer(text) for text in texts])
        found.append(ComparedPrompt(tree, [Pair(0, 1)], evidence, question=str(number)))
    return found


def test_the_head_begins_as_the_probe(saessak: SharedBase, tmp_path: Path) -> None:
    role, pairs = Role(saessak, Trainable("head"), head_outputs=1), compared(saessak)
    found = _probe(task(tmp_path), saessak, role, pairs)
    assert role.head is not None and role.head.bias.item() == 0
    assert torch.equal(role.head.weight[0], found.weight_D[: saessak.width])
    worth = found.weight_D[saessak.width :]
    assert worth[NAMES.index("support")] > 0 and worth.count_nonzero() == 1, "the other numbers never change"
    learner = RewardLearner(saessak, role, pairs, batch_size=8, token_budget=500, seed=0, evidence=worth)
    scores = learner.scores(pairs)
    assert (scores[:, 0] > scores[:, 1]).all() and found.accuracy == 1


def test_half_way_is_the_mean_of_first_and_trained_weights(saessak: SharedBase) -> None:
    role = Role(saessak, Trainable("top_layers", layers=1), head_outputs=1)
    first = {name: weight.clone() for name, weight in role.state().items()}
    trained = {name: weight + 1 + torch.arange(weight.numel()).view_as(weight) for name, weight in first.items()}
    for share in (0.25, 1.0):
        role.load({name: weight.clone() for name, weight in trained.items()}, "test")
        _interpolate(role, first, share)
        for name, weight in role.state().items():
            torch.testing.assert_close(weight, first[name] + share * (trained[name] - first[name]))
