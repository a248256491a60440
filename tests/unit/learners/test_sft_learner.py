"""Supervised fine-tuning: the update does not depend on how it is cut, and the loss falls."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from haechi.engine.trees import Tree
from haechi.learners.sft import SupervisedLearner
from haechi.models.base import SharedBase
from haechi.models.roles import Role, Trainable

LORA = Trainable("lora", rank=4, alpha=8.0)


def learner(
    base: SharedBase, role: Role, trees: list[Tree], budget: int, batch: int = 8, **more: object
) -> SupervisedLearner:
    return SupervisedLearner(base, role, trees, batch_size=batch, token_budget=budget, seed=0, **more)  # type: ignore[arg-type]


def test_a_batch_of_eight_is_eight_accumulated(
    base: SharedBase,
    answers: list[Tree],
    update_of: Callable,
    assert_same_update: Callable,
    disturb: Callable[..., Role],
) -> None:
    role = disturb(Role(base, LORA))
    whole = update_of(learner(base, role, answers, 10_000), role.parameters())
    single = update_of(learner(base, role, answers, 1), role.parameters())
    assert (whole[2]["micros"], single[2]["micros"]) == (1, 8)
    assert_same_update(single, whole)


def test_the_loss_is_the_mean_over_answer_tokens(base: SharedBase, answers: list[Tree], update_of: Callable) -> None:
    total, tokens = 0.0, 0
    for tree in answers:
        ids = torch.tensor([[*tree.prompt, *tree.answers[0]]])
        labels = ids.clone()
        labels[0, : len(tree.prompt)] = -100
        with torch.no_grad():
            total += float(base.model(input_ids=ids, labels=labels).loss) * len(tree.answers[0])
        tokens += len(tree.answers[0])
    role = Role(base, LORA)
    method = learner(base, role, answers, 30, validation=answers, validate_every=2)
    assert update_of(method, role.parameters())[0] == pytest.approx(total / tokens, rel=1e-4)
    assert method.validation_loss() == pytest.approx(total / tokens, rel=1e-4)
    assert method.after(0, {}) == {}
    assert method.after(1, {}) == {"validation/loss": pytest.approx(total / tokens, rel=1e-4)}


@pytest.mark.parametrize(
    "trainable", [LORA, Trainable("top_layers", layers=1), Trainable("full")], ids=lambda t: t.kind
)
def test_the_loss_falls(llama: SharedBase, answers: list[Tree], run: Callable, trainable: Trainable) -> None:
    role = Role(llama, trainable)
    before = {name: weight.clone() for name, weight in llama.model.state_dict().items()}
    method = learner(llama, role, answers, 40, batch=4, validation=answers, validate_every=1)
    rows = run(method, role.parameters(), 24, 2e-2)
    assert rows[-1]["validation/loss"] < 0.6 * rows[0]["validation/loss"]
    assert all(torch.equal(weight, before[name]) for name, weight in llama.model.state_dict().items())
    if trainable.kind == "top_layers":
        assert method.trunk.hits > 0
