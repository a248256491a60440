"""PPO on a tiny model: the first ratio is 1, the update does not depend on how it is cut, a synthetic reward rises."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

import haechi.learners.experience
from haechi.engine.forward import answer_starts, answers_of
from haechi.engine.rollout import Answer, Sampling
from haechi.engine.trees import Tree
from haechi.errors import DivergedError
from haechi.learners.experience import PPORun
from haechi.learners.ppo import PPOLearner
from haechi.learners.sft import SupervisedLearner
from haechi.methods.critic import fit_values
from haechi.methods.kl import AdaptiveKL, FixedKL
from haechi.methods.ppo import PPOSettings
from haechi.models.base import SharedBase
from haechi.models.roles import Role, Trainable

LORA = Trainable("lora", rank=4, alpha=8.0)
RUN = PPORun(
    losses=PPOSettings(),
    prompts=4,
    samples=3,
    epochs=1,
    minibatches=1,
    sampling=Sampling(temperature=0.7, max_new_tokens=6),
    seed=0,
    token_budget=10_000,
)


def even_tokens(chosen: Sequence[int], answers: Sequence[Sequence[Answer]]) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Share of even ids in each answer."""
    del chosen
    shares = torch.tensor(
        [sum(token % 2 == 0 for token in answer.ids) / len(answer.ids) for group in answers for answer in group]
    )
    return shares, {"even": shares}


@pytest.fixture(scope="session")
def prompts(draw_trees: Callable[..., list[Tree]]) -> list[list[int]]:
    return [list(tree.prompt) for tree in draw_trees(tuple((length, (1,)) for length in (5, 9, 3, 7)))]


@pytest.fixture
def policy_of(disturb: Callable[..., Role]) -> Callable[..., Role]:
    """A fresh policy over a parent that is away from the base."""
    return lambda base, trainable=LORA: Role(
        base, trainable, disturb(Role(base, LORA), 1).freeze(), seed=2, head_outputs=1
    )


def learner(
    base: SharedBase,
    policy: Role,
    asked: list[list[int]],
    controller: FixedKL | AdaptiveKL | None = None,
    rewards: Any = even_tokens,
    more: Any = None,
    **changes: Any,
) -> PPOLearner:
    return PPOLearner(
        base, policy, asked, rewards, dataclasses.replace(RUN, **changes), controller or FixedKL(0.05), **(more or {})
    )


@pytest.mark.parametrize("trainable", [LORA, Trainable("top_layers", layers=1)], ids=lambda t: t.kind)
def test_the_first_ratio_is_one(
    base: SharedBase, prompts: list[list[int]], policy_of: Callable[..., Role], run: Callable, trainable: Trainable
) -> None:
    policy = policy_of(base, trainable)
    (row,) = run(learner(base, policy, prompts), policy.parameters(), 1)
    assert row["ratio_max"] == pytest.approx(1, abs=1e-5)
    assert row["ratio_mean"] == pytest.approx(1, abs=1e-5)
    assert row["approx_kl"] == pytest.approx(0, abs=1e-8)
    assert row["kl"] == pytest.approx(0, abs=1e-4)  # the policy starts as its reference
    assert row["clip_fraction"] == 0
    assert row["rejected"] == 0 if "rejected" in row else True


def test_sampled_and_recomputed_probabilities_are_one(
    base: SharedBase, prompts: list[list[int]], disturb: Callable[..., Role], policy_of: Callable[..., Role]
) -> None:
    """What PPO calls old is computed by the training path; the rollout's own record must be the same."""
    said: list[Sequence[Sequence[Answer]]] = []

    def listening(chosen: Sequence[int], answers: Sequence[Sequence[Answer]]) -> Any:
        said.append(answers)
        return even_tokens(chosen, answers)

    policy = disturb(policy_of(base), 3)
    method = learner(base, policy, prompts, rewards=listening)
    experience = method.rollouts.roll_out(0, 0.05)
    recorded = torch.cat([answer.logps for group in said[0] for answer in group])
    torch.testing.assert_close(torch.cat(experience.old_logps), recorded, rtol=1e-4, atol=1e-4)


def test_an_iteration_is_the_same_however_it_is_cut(
    base: SharedBase,
    prompts: list[list[int]],
    answers: list[Tree],
    policy_of: Callable[..., Role],
    disturb: Callable[..., Role],
    update_of: Callable,
    assert_same_update: Callable,
) -> None:
    policy = disturb(policy_of(base), 3)
    settings = {"losses": PPOSettings(entropy_coefficient=0.01, value_coefficient=0.5), "ptx_coefficient": 0.5}
    whole, single = (
        update_of(
            learner(base, policy, prompts, token_budget=budget, more={"supervised": answers}, **settings),
            policy.parameters(),
        )
        for budget in (10_000, 1)
    )
    assert (whole[2]["micros"], single[2]["micros"]) == (2, 8)
    assert_same_update(single, whole)


def test_ptx_adds_the_supervised_gradient(
    llama: SharedBase,
    prompts: list[list[int]],
    answers: list[Tree],
    policy_of: Callable[..., Role],
    disturb: Callable[..., Role],
    update_of: Callable,
) -> None:
    policy = disturb(policy_of(llama), 3)
    _, without, _ = update_of(learner(llama, policy, prompts), policy.parameters())
    _, with_ptx, _ = update_of(
        learner(llama, policy, prompts, ptx_coefficient=0.3, more={"supervised": answers[:4]}), policy.parameters()
    )
    supervised = SupervisedLearner(llama, policy, answers[:4], batch_size=4, token_budget=1000, seed=0)
    _, sft, _ = update_of(supervised, policy.parameters())
    for name, gradient in with_ptx.items():
        torch.testing.assert_close(gradient, without[name] + 0.3 * sft[name], rtol=1e-3, atol=1e-5)


def test_ptx_examples_go_round_at_their_own_pace(
    llama: SharedBase, prompts: list[list[int]], answers: list[Tree], policy_of: Callable[..., Role]
) -> None:
    method = learner(
        llama, policy_of(llama), prompts, ptx_coefficient=0.3, ptx_examples=2, more={"supervised": answers[:6]}
    )
    experience = method.rollouts.roll_out(0, 0.05)
    repeated = [
        [answers.index(tree) for micro in method._micros([0, 1], experience, update) for tree in micro.supervised]
        for update in range(3)
    ]
    assert [len(update) for update in repeated] == [2, 2, 2]
    assert sorted(place for update in repeated for place in update) == [0, 1, 2, 3, 4, 5]


def test_explained_variance_is_that_of_the_iteration(
    llama: SharedBase, prompts: list[list[int]], policy_of: Callable[..., Role], run: Callable
) -> None:
    policy = policy_of(llama)
    method = learner(llama, policy, prompts, token_budget=1)
    (row,) = run(method, policy.parameters(), 1)
    assert method._experience is not None
    values, returns = torch.cat(method._experience.old_values), torch.cat(method._experience.returns)
    assert row["explained_variance"] == pytest.approx(1 - float((returns - values).var() / returns.var()), rel=1e-4)


def test_the_reward_rises(
    llama: SharedBase, prompts: list[list[int]], policy_of: Callable[..., Role], run: Callable
) -> None:
    """Tokens whose embedding points one way are paid: a direction that the policy can find from what it samples."""
    paid = llama.output_weight()[0][:, 0] > 0  # tied to the embeddings

    def rewards(chosen: Sequence[int], answers: Sequence[Sequence[Answer]]) -> tuple[Tensor, Mapping[str, Tensor]]:
        del chosen
        shares = torch.stack([paid[answer.ids].float().mean() for group in answers for answer in group])
        return shares, {"paid": shares}

    policy = policy_of(llama)
    assert policy.parent is not None
    before = {name: weight.clone() for name, weight in policy.parent.state().items()}
    rows = run(
        learner(llama, policy, prompts, rewards=rewards, samples=8, epochs=2, minibatches=2, gae_lambda=1.0),
        policy.parameters(),
        16,
        2e-2,
    )
    first, last = (sum(row["reward/total"] for row in part) / 3 for part in (rows[:3], rows[-3:]))
    assert first < 0.65 and last > first + 0.12
    assert rows[-1]["kl"] > 0.5
    assert all(row["reward/paid"] == row["reward/total"] for row in rows)
    assert all(torch.equal(weight, before[name]) for name, weight in policy.parent.state().items())


@pytest.mark.parametrize("rounds", [0, 2])
def test_warm_up_fits_the_values_and_nothing_else(
    llama: SharedBase, prompts: list[list[int]], policy_of: Callable[..., Role], run: Callable, rounds: int
) -> None:
    """What is earned here depends on the prompt alone, so the state before an answer's first token tells it."""
    many = [prompt[:length] for prompt in prompts for length in range(2, len(prompt) + 1)]

    def by_prompt(chosen: Sequence[int], answers: Sequence[Sequence[Answer]]) -> tuple[Tensor, Mapping[str, Tensor]]:
        earned = torch.tensor([float(len(many[i])) for i, group in zip(chosen, answers, strict=True) for _ in group])
        return earned, {}

    policy = policy_of(llama)
    start = {name: weight.clone() for name, weight in policy.state().items()}
    changes = {"critic_warmup": rounds, "gae_lambda": 1.0, "prompts": len(many)}
    method = learner(llama, policy, many, FixedKL(0.0), by_prompt, **changes)
    (row,) = run(method, policy.parameters(), 1, 0.0)  # at a rate of 0 only the fit moves anything
    moved = {name for name, weight in policy.state().items() if not torch.equal(weight, start[name])}
    if rounds:
        assert moved == {"head.weight", "head.bias"}
        assert row["critic_fit"] > 0.3 and row["explained_variance"] > 0.5
    else:
        assert not moved
        assert "critic_fit" not in row and row["explained_variance"] < 0.1


def test_adaptive_kl_counts_the_answers_there_were(
    llama: SharedBase, prompts: list[list[int]], policy_of: Callable[..., Role], run: Callable
) -> None:
    """Three prompts an iteration, of three answers each, also where the prompts begin anew in the middle of one."""
    policy = policy_of(llama)
    method = learner(llama, policy, prompts, AdaptiveKL(0.1, 1e6, 90.0), prompts=3)
    rows = run(method, policy.parameters(), 3, 1e-4)
    betas = [row["kl_coefficient"] for row in rows]
    assert betas == pytest.approx([0.1, 0.1 * (1 - 0.2 * 9 / 90), 0.1 * (1 - 0.2 * 9 / 90) ** 2])


def test_learning_stops_early_at_the_target(
    llama: SharedBase, prompts: list[list[int]], policy_of: Callable[..., Role], run: Callable
) -> None:
    updates: list[int] = []
    policy = policy_of(llama)
    method = learner(llama, policy, prompts, epochs=4, minibatches=2, target_kl=1e-4)
    original = method._micros

    def counted(*args: Any) -> Any:
        updates.append(1)
        return original(*args)

    method._micros = counted  # type: ignore[method-assign]
    (row,) = run(method, policy.parameters(), 1, 5e-2)
    assert row["stopped_early"] == 1
    assert len(updates) < 8


def test_the_best_weights_within_the_allowed_distance_are_kept(
    llama: SharedBase, prompts: list[list[int]], policy_of: Callable[..., Role], run: Callable
) -> None:
    measured = iter([(0.3, 0.0), (0.5, 1.0), (0.9, 99.0), (0.6, 2.0), (0.4, 1.0)])  # the first: before training
    seen: list[Tensor] = []
    policy = policy_of(llama)

    def validate(role: Role) -> Mapping[str, float]:
        seen.append(next(iter(role.state().values())).clone())
        reward, kl = next(measured)
        return {"reward": reward, "kl": kl}

    method = learner(llama, policy, prompts, max_kl=10.0, evaluate_every=1, more={"validate": validate})
    rows = run(method, policy.parameters(), 4)
    assert [row["validation/reward"] for row in rows] == [0.5, 0.9, 0.6, 0.4]
    assert method.best_reward == 0.6 and method.best_iteration == 3 and method.start_reward == 0.3
    assert torch.equal(next(iter(method.best.values())), seen[3])
    assert not torch.equal(seen[3], seen[4])
    again = learner(llama, policy_of(llama), prompts)
    again.load_state(method.state())
    again.load_tensors(method.tensors())
    assert (again.best_reward, again.best_iteration, again.start_reward) == (0.6, 3, 0.3)
    assert again.best.keys() == method.best.keys()


def test_where_nothing_is_better_the_start_is_kept(
    llama: SharedBase, prompts: list[list[int]], policy_of: Callable[..., Role], run: Callable
) -> None:
    policy = policy_of(llama)
    start = {name: weight.clone() for name, weight in policy.state().items()}
    measured = iter([(0.5, 0.0), (0.4, 1.0), (0.9, 99.0)])

    def validate(role: Role) -> Mapping[str, float]:
        return dict(zip(("reward", "kl"), next(measured), strict=True))

    method = learner(llama, policy, prompts, max_kl=10.0, evaluate_every=1, more={"validate": validate})
    run(method, policy.parameters(), 2)
    assert method.best_iteration == 0
    assert all(torch.equal(weight, start[name]) for name, weight in method.best.items())


@pytest.mark.parametrize("estimator", ["k2", "k3"])
def test_only_k1_is_paid_as_a_reward(
    llama: SharedBase, prompts: list[list[int]], policy_of: Callable[..., Role], estimator: str
) -> None:
    """k2 and k3 stand in the loss, weighed by the coefficient, and not in the rewards."""
    from haechi.methods import kl

    policy = policy_of(llama)
    with torch.no_grad():  # away from the reference, so that the KL is not 0
        for weight in policy.parameters().values():
            weight.add_(0.05 * torch.randn_like(weight))
    method = learner(llama, policy, prompts, FixedKL(0.7), estimator=estimator)
    (micros, *_) = method.updates(0)
    experience = method._experience
    assert experience is not None
    plain = dataclasses.replace(method.run, estimator="k1")
    total = without = 0.0
    for micro in micros:
        total += float(method.loss(micro)[0].detach())
        method.run, kept = plain, method.run
        without += float(method.loss(micro)[0].detach())
        method.run = kept
    owned = [a for micro in micros for a in answers_of(micro.trees, answer_starts(experience.trees))]
    old_N = torch.cat([experience.old_logps[a] for a in owned])
    reference_N = torch.cat([experience.reference_logps[a] for a in owned])
    assert total - without == pytest.approx(0.7 * float(getattr(kl, estimator)(old_N, reference_N).mean()), rel=1e-3)
    assert total - without > 1e-6
    # Nothing of it in the rewards: returns do not change with the coefficient.
    other = learner(llama, policy, prompts, FixedKL(0.0), estimator=estimator)
    next(iter(other.updates(0)))
    assert other._experience is not None
    torch.testing.assert_close(torch.cat(other._experience.returns), torch.cat(experience.returns))
    # After an update the tokens are an earlier policy's: weighed by the ratio.
    with torch.no_grad():
        for weight in policy.parameters().values():
            weight.add_(0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    trees = [experience.trees[i] for micro in micros for i in micro.trees]
    now_N = method.rollouts.forward(trees, learning=False)[0].detach()
    moved = sum(float(method.loss(micro)[0].detach()) for micro in micros)
    method.run, kept = plain, method.run
    moved -= sum(float(method.loss(micro)[0].detach()) for micro in micros)
    method.run = kept
    weighed_N = (now_N - old_N).exp() * getattr(kl, estimator)(now_N, reference_N)
    assert moved == pytest.approx(0.7 * float(weighed_N.mean()), rel=1e-3)
    assert float(weighed_N.mean()) != pytest.approx(float(getattr(kl, estimator)(now_N, reference_N).mean()), rel=1e-2)


@pytest.mark.parametrize("estimator", ["k2", "k3"])
def test_a_divergence_in_the_loss_pulls_towards_the_reference(
    llama: SharedBase, prompts: list[list[int]], policy_of: Callable[..., Role], run: Callable, estimator: str
) -> None:
    """With no reward and no value to learn, nothing but the term moves the policy: back to the reference."""
    policy = policy_of(llama)
    with torch.no_grad():
        for weight in policy.parameters().values():
            weight.add_(0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)))

    def nothing(_: Sequence[int], answers: Sequence[Sequence[Answer]]) -> tuple[Tensor, dict[str, Tensor]]:
        return torch.zeros(sum(len(group) for group in answers)), {}

    losses = PPOSettings(value_coefficient=0.0)
    changes = {"estimator": estimator, "losses": losses, "whiten_advantages": False, "gae_lambda": 1.0}
    with torch.no_grad():
        assert policy.head is not None
        for weight in policy.head.parameters():
            weight.zero_()
    method = learner(llama, policy, prompts, FixedKL(1.0), rewards=nothing, **changes)
    before = method.rollouts.roll_out(0, 0.05).numbers["kl"]
    run(method, policy.parameters(), 20, rate=2e-3)
    assert method.rollouts.roll_out(0, 0.05).numbers["kl"] < 0.8 * before


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_reward_that_is_not_finite_stops_before_the_weights(
    llama: SharedBase, prompts: list[list[int]], policy_of: Callable[..., Role], run: Callable, bad: float
) -> None:
    def rewards(chosen: Sequence[int], answers: Sequence[Sequence[Answer]]) -> tuple[Tensor, dict[str, Tensor]]:
        totals, _ = even_tokens(chosen, answers)
        totals[5] = bad
        return totals, {}

    policy = policy_of(llama)
    before = {name: weight.clone() for name, weight in policy.state().items()}
    with pytest.raises(DivergedError, match=rf"iteration 0: the reward is {bad} at index 5.*Fix: "):
        run(learner(llama, policy, prompts, rewards=rewards), policy.parameters(), 2)
    assert all(torch.equal(weight, before[name]) for name, weight in policy.state().items())


def test_first_values_are_fitted_to_whole_returns_prompt_by_prompt(
    llama: SharedBase, prompts: list[list[int]], policy_of: Callable[..., Role], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever lambda says, and with the prompts' own numbers, by which the fit leaves some out."""
    seen: list[tuple[Tensor, list[int]]] = []

    def watched(states_ND: Tensor, returns_N: Tensor, prompts_N: Tensor) -> Any:
        seen.append((returns_N, prompts_N.tolist()))
        return fit_values(states_ND, returns_N, prompts_N)

    monkeypatch.setattr(haechi.learners.experience, "fit_values", watched)
    for lam in (1.0, 0.5):
        changes = {"critic_warmup": 2, "prompts": 2, "samples": 1, "gae_lambda": lam}
        learner(llama, policy_of(llama), prompts, **changes).rollouts.start_values()
    (returns, numbers), (others, _) = seen
    assert torch.equal(returns, others)
    assert set(numbers) == {0, 1, 2, 3}


def test_whitened_rewards_keep_their_mean(
    llama: SharedBase, prompts: list[list[int]], policy_of: Callable[..., Role]
) -> None:
    rollouts = learner(llama, policy_of(llama), prompts, whiten_rewards=True).rollouts
    scaled = rollouts._scaled(torch.tensor([3.0, 5.0, 7.0]))
    assert float(scaled.mean()) > 1 and float(scaled.std(correction=0)) == pytest.approx(1.0, rel=1e-3)


def test_max_kl_itself_is_allowed_and_a_tie_keeps_the_earlier(
    llama: SharedBase, prompts: list[list[int]], policy_of: Callable[..., Role]
) -> None:
    method = learner(llama, policy_of(llama), prompts, max_kl=10.0)
    method._keep_if_best({"reward": 0.5, "kl": 10.0}, 1)
    method._keep_if_best({"reward": 0.5, "kl": 0.0}, 2)
    assert method.best_iteration == 1
