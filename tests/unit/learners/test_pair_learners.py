"""Reward model and DPO: the update does not depend on how it is cut, and pairs are learned."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.nn.functional import logsigmoid

from haechi.learners.pairs import DPOLearner, Pair, RewardLearner
from haechi.models.base import SharedBase
from haechi.models.roles import Role, Trainable

LORA = Trainable("lora", rank=4, alpha=8.0)


def reward(base: SharedBase, role: Role, pairs: list[Pair], budget: int, **more: object) -> RewardLearner:
    return RewardLearner(base, role, pairs, batch_size=8, token_budget=budget, seed=0, **more)  # type: ignore[arg-type]


def dpo(base: SharedBase, role: Role, pairs: list[Pair], budget: int, **more: object) -> DPOLearner:
    return DPOLearner(base, role, pairs, batch_size=8, token_budget=budget, seed=0, beta=0.5, **more)  # type: ignore[arg-type]


def test_reward_update_is_the_same_however_it_is_cut(
    base: SharedBase, pairs: list[Pair], update_of: Callable, assert_same_update: Callable, disturb: Callable[..., Role]
) -> None:
    role = disturb(Role(base, LORA, head_outputs=1))
    whole, single = (
        update_of(reward(base, role, pairs, budget, use_margin=True, centring=0.01), role.parameters())
        for budget in (10_000, 1)
    )
    assert (whole[2]["micros"], single[2]["micros"]) == (1, 8)
    assert_same_update(single, whole)
    assert whole[2]["margin"] != 0


def test_dpo_update_is_the_same_however_it_is_cut(
    base: SharedBase, pairs: list[Pair], update_of: Callable, assert_same_update: Callable, disturb: Callable[..., Role]
) -> None:
    parent = disturb(Role(base, LORA), 1)
    role = disturb(Role(base, Trainable("top_layers", layers=1), parent), 2)
    whole, single = (
        update_of(dpo(base, role, pairs, budget, label_smoothing=0.1), role.parameters()) for budget in (10_000, 1)
    )
    assert (whole[2]["micros"], single[2]["micros"]) == (1, 8)
    assert_same_update(single, whole)


def test_reward_loss_by_hand(
    llama: SharedBase, pairs: list[Pair], update_of: Callable, disturb: Callable[..., Role]
) -> None:
    """Weighted mean of -log σ(r_chosen - r_rejected - margin), with scores from plain forward passes."""
    role = disturb(Role(llama, LORA, head_outputs=1))
    assert role.head is not None
    total = 0.0
    with torch.no_grad(), llama.wearing(role):
        for pair in pairs:
            scores = [
                float(
                    role.head(
                        llama.body(input_ids=torch.tensor([[*pair.tree.prompt, *answer]])).last_hidden_state[0, -1]
                    )
                )
                for answer in pair.tree.answers
            ]
            total -= pair.weight * float(logsigmoid(torch.tensor(scores[0] - scores[1] - pair.margin)))
    expected = total / sum(pair.weight for pair in pairs)
    assert update_of(reward(llama, role, pairs, 40, use_margin=True), role.parameters())[0] == pytest.approx(
        expected, rel=1e-4
    )


def test_dpo_starts_at_log_two_against_its_parent(
    base: SharedBase, pairs: list[Pair], update_of: Callable, disturb: Callable[..., Role]
) -> None:
    parent = disturb(Role(base, LORA), 1)
    role = Role(base, LORA, parent, seed=2)
    loss, _, numbers = update_of(dpo(base, role, pairs, 40), role.parameters())
    assert loss == pytest.approx(0.6931472, abs=1e-4)
    assert numbers["margin"] == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    "trainable", [LORA, Trainable("top_layers", layers=1), Trainable("full")], ids=lambda t: t.kind
)
def test_reward_accuracy_rises(llama: SharedBase, pairs: list[Pair], run: Callable, trainable: Trainable) -> None:
    role = Role(llama, trainable, head_outputs=1)
    rows = run(reward(llama, role, pairs, 40, validation=pairs, validate_every=1), role.parameters(), 20)
    assert rows[0]["accuracy"] < 1
    assert rows[-1]["validation/accuracy"] == 1
    assert rows[-1]["loss"] < 0.5 * rows[0]["loss"]


def test_a_head_alone_learns_from_the_trunk(llama: SharedBase, pairs: list[Pair], run: Callable) -> None:
    role = Role(llama, Trainable("head"), head_outputs=1)
    method = reward(llama, role, pairs, 10_000)
    rows = run(method, role.parameters(), 20, 5e-2)
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert method.trunk.hits == 8 * 19  # every step but the first reads all states from the cache


def test_dpo_margin_rises_and_the_reference_stays(
    llama: SharedBase, pairs: list[Pair], run: Callable, disturb: Callable[..., Role]
) -> None:
    parent = disturb(Role(llama, LORA), 1).freeze()
    before = {name: weight.clone() for name, weight in parent.state().items()}
    role = Role(llama, LORA, parent, seed=2)
    rows = run(dpo(llama, role, pairs, 40), role.parameters(), 15)
    assert rows[-1]["margin"] > rows[0]["margin"] + 1
    assert rows[-1]["accuracy"] == pytest.approx(1)
    assert all(torch.equal(weight, before[name]) for name, weight in parent.state().items())
