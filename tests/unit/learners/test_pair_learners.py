"""Reward model and DPO: the update does not depend on how it is cut, and pairs are learned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import logsigmoid

from haechi.engine.trees import Tree
from haechi.learners.pairs import ComparedPrompt, DPOLearner, Pair, RewardLearner, evidence_of, paired
from haechi.models.base import SharedBase
from haechi.models.roles import Role, Trainable

LORA = Trainable("lora", rank=4, alpha=8.0)


def reward(base: SharedBase, role: Role, compared: list[ComparedPrompt], budget: int, **more: object) -> RewardLearner:
    return RewardLearner(base, role, compared, batch_size=8, token_budget=budget, seed=0, **more)  # type: ignore[arg-type]


def dpo(base: SharedBase, role: Role, compared: list[ComparedPrompt], budget: int, **more: object) -> DPOLearner:
    return DPOLearner(base, role, compared, batch_size=8, token_budget=budget, seed=0, beta=0.5, **more)  # type: ignore[arg-type]


def test_reward_update_is_the_same_however_it_is_cut(
    base: SharedBase,
    compared: list[ComparedPrompt],
    update_of: Callable,
    assert_same_update: Callable,
    disturb: Callable[..., Role],
) -> None:
    role = disturb(Role(base, LORA, head_outputs=1))
    whole, single = (
        update_of(reward(base, role, compared, budget, use_margin=True, centring=0.01), role.parameters())
        for budget in (10_000, 1)
    )
    assert (whole[2]["micros"], single[2]["micros"]) == (1, 8)
    assert_same_update(single, whole)
    assert whole[2]["margin"] != 0


def test_dpo_update_is_the_same_however_it_is_cut(
    base: SharedBase,
    compared: list[ComparedPrompt],
    update_of: Callable,
    assert_same_update: Callable,
    disturb: Callable[..., Role],
) -> None:
    parent = disturb(Role(base, LORA), 1)
    role = disturb(Role(base, Trainable("top_layers", layers=1), parent), 2)
    whole, single = (
        update_of(dpo(base, role, compared, budget, label_smoothing=0.1), role.parameters()) for budget in (10_000, 1)
    )
    assert (whole[2]["micros"], single[2]["micros"]) == (1, 8)
    assert_same_update(single, whole)


def test_reward_loss_by_hand(
    llama: SharedBase, compared: list[ComparedPrompt], update_of: Callable, disturb: Callable[..., Role]
) -> None:
    """Weighted mean of -log σ(r_chosen - r_rejected - margin), with scores from plain forward passes."""
    role = disturb(Role(llama, LORA, head_outputs=1))
    assert role.head is not None
    total = 0.0
    with torch.no_grad(), llama.wearing(role):
        for one in compared:
            (pair,) = one.pairs
            scores = [
                float(
                    role.head(
                        llama.body(input_ids=torch.tensor([[*one.tree.prompt, *answer]])).last_hidden_state[0, -1]
                    )
                )
                for answer in one.tree.answers
            ]
            total -= pair.weight * float(logsigmoid(torch.tensor(scores[0] - scores[1] - pair.margin)))
    expected = total / sum(pair.weight for one in compared for pair in one.pairs)
    assert update_of(reward(llama, role, compared, 40, use_margin=True), role.parameters())[0] == pytest.approx(
        expected, rel=1e-4
    )


def test_evidence_and_label_smoothing_by_hand(
    llama: SharedBase, compared: list[ComparedPrompt], update_of: Callable, disturb: Callable[..., Role]
) -> None:
    """A pair costs -0.9 log σ(d) - 0.1 log σ(-d), d the difference of the head's scores and of what the evidence is
    worth: 2 for the first number, -1 for the second."""
    role = disturb(Role(llama, LORA, head_outputs=1))
    known = [
        replace(one, evidence=[(0.1 * i + number, 0.5 * i) for i in range(len(one.tree.answers))])
        for number, one in enumerate(compared)
    ]
    plain = reward(llama, role, compared, 40).scores(compared)
    with_evidence = reward(llama, role, known, 40, worth=torch.tensor([2.0, -1.0]), label_smoothing=0.1)
    expected, total = 0.0, 0.0
    for row, one in zip(plain, known, strict=True):
        (pair,) = one.pairs
        difference = row[0] - row[1] + (0.2 - 0.5) * (pair.chosen - pair.rejected)
        expected -= pair.weight * float(0.9 * logsigmoid(difference) + 0.1 * logsigmoid(-difference))
        total += pair.weight
    assert update_of(with_evidence, role.parameters())[0] == pytest.approx(expected / total, rel=1e-4)
    moved = with_evidence.scores(known) - plain
    of_pair = [[one.evidence[i] for i in (one.pairs[0].chosen, one.pairs[0].rejected)] for one in known]
    assert moved.tolist() == [pytest.approx([2 * a - b for a, b in numbers], abs=1e-5) for numbers in of_pair]
    assert torch.equal(reward(llama, role, known, 40).scores(known), plain), "of no stated worth it counts nothing"


def test_evidence_lies_answer_by_answer(compared: list[ComparedPrompt]) -> None:
    first, second = (replace(one, evidence=[(n, i) for i in range(len(one.tree.answers))])
                     for n, one in enumerate(compared[:2]))  # fmt: skip
    expected = [[0, i] for i in range(len(first.tree.answers))] + [[1, i] for i in range(len(second.tree.answers))]
    assert evidence_of([first, second]).tolist() == expected
    assert evidence_of(compared[:2]).shape == (len(expected), 0)


def _together_and_apart(draw_trees: Callable[..., list[Tree]]) -> tuple[list[ComparedPrompt], list[ComparedPrompt]]:
    """Three prompts with all comparisons of their answers; and the same comparisons, a prompt of two answers each."""
    trees = draw_trees(((5, (4, 2, 3)), (3, (6, 1, 2, 5)), (8, (5, 2))))
    together = [
        ComparedPrompt(
            tree,
            [
                Pair(chosen, rejected, margin=0.1 * chosen, weight=1 + 0.5 * rejected)
                for chosen in range(len(tree.answers))
                for rejected in range(len(tree.answers))
                if rejected < chosen and (chosen + rejected) % 2
            ],
        )
        for tree in trees
    ]
    apart = [
        ComparedPrompt(
            Tree(one.tree.prompt, [one.tree.answers[pair.chosen], one.tree.answers[pair.rejected]]),
            [Pair(0, 1, margin=pair.margin, weight=pair.weight)],
        )
        for one in together
        for pair in one.pairs
    ]
    assert [len(one.pairs) for one in together] == [2, 4, 1]
    return together, apart


@pytest.mark.parametrize("learner", [reward, dpo], ids=["reward", "dpo"])
@pytest.mark.parametrize("budget", [10_000, 1])
def test_answers_of_a_prompt_learned_together_are_its_pairs_learned_apart(
    base: SharedBase,
    draw_trees: Callable[..., list[Tree]],
    update_of: Callable,
    assert_same_update: Callable,
    disturb: Callable[..., Role],
    learner: Callable,
    budget: int,
) -> None:
    together, apart = _together_and_apart(draw_trees)
    parent = disturb(Role(base, LORA), 1)
    role = disturb(Role(base, LORA, parent, head_outputs=1), 2)
    more = {"use_margin": True} if learner is reward else {}
    ours, theirs = (
        update_of(learner(base, role, compared, budget, **more), role.parameters()) for compared in (together, apart)
    )
    assert (ours[2]["micros"], theirs[2]["micros"]) == ((1, 1) if budget > 1 else (3, 7))
    assert_same_update(ours, theirs)


def test_paired_picks_the_answers_of_each_pair() -> None:
    tree = Tree([1], [[2], [3], [4]])
    compared = [ComparedPrompt(tree, [Pair(2, 0), Pair(1, 2)]), ComparedPrompt(tree, [Pair(0, 1)])]
    values_A = torch.tensor([10.0, 11.0, 12.0, 20.0, 21.0, 22.0])
    assert paired(values_A, compared).tolist() == [[12.0, 10.0], [11.0, 12.0], [20.0, 21.0]]


def test_dpo_starts_at_log_two_against_its_parent(
    base: SharedBase, compared: list[ComparedPrompt], update_of: Callable, disturb: Callable[..., Role]
) -> None:
    parent = disturb(Role(base, LORA), 1)
    role = Role(base, LORA, parent, seed=2)
    loss, _, numbers = update_of(dpo(base, role, compared, 40), role.parameters())
    assert loss == pytest.approx(0.6931472, abs=1e-4)
    assert numbers["margin"] == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    "trainable", [LORA, Trainable("top_layers", layers=1), Trainable("full")], ids=lambda t: t.kind
)
def test_reward_accuracy_rises(
    llama: SharedBase, compared: list[ComparedPrompt], run: Callable, trainable: Trainable
) -> None:
    role = Role(llama, trainable, head_outputs=1)
    rows = run(reward(llama, role, compared, 40, validation=compared, validate_every=1), role.parameters(), 20)
    assert rows[0]["accuracy"] < 1
    assert rows[-1]["validation/accuracy"] == 1
    assert rows[-1]["loss"] < 0.5 * rows[0]["loss"]


def test_a_head_alone_learns_from_the_trunk(llama: SharedBase, compared: list[ComparedPrompt], run: Callable) -> None:
    role = Role(llama, Trainable("head"), head_outputs=1)
    method = reward(llama, role, compared, 10_000)
    rows = run(method, role.parameters(), 20, 5e-2)
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert method.trunk.hits == 8 * 19  # every step but the first reads all states from the cache


def test_dpo_margin_rises_and_the_reference_stays(
    llama: SharedBase, compared: list[ComparedPrompt], run: Callable, disturb: Callable[..., Role]
) -> None:
    parent = disturb(Role(llama, LORA), 1).freeze()
    before = {name: weight.clone() for name, weight in parent.state().items()}
    role = Role(llama, LORA, parent, seed=2)
    rows = run(dpo(llama, role, compared, 40), role.parameters(), 15)
    assert rows[-1]["margin"] > rows[0]["margin"] + 1
    assert rows[-1]["accuracy"] == pytest.approx(1)
    assert all(torch.equal(weight, before[name]) for name, weight in parent.state().items())
