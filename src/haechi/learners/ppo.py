"""PPO on prompt trees: roll out, learn for some epochs, keep the best; one iteration is one step of the loop.

Legend: A answers of a micro-batch, N their tokens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from haechi.engine.forward import answer_starts, answers_of, score_trees
from haechi.engine.trees import Tree, micro_batches
from haechi.errors import DivergedError
from haechi.learners.batches import batch_at, permutation
from haechi.learners.experience import Experience, PPORun, Rewards, Rollouts
from haechi.methods import kl, sft
from haechi.methods.ppo import ppo_losses, total_loss
from haechi.models.base import SharedBase
from haechi.models.roles import Role

# Validation of the policy: metrics, of which `reward` and `kl` decide on the best weights.
Validation = Callable[[Role], Mapping[str, float]]


@dataclass(slots=True)
class Micro:
    """Trees of the iteration computed at once (or supervised trees for ptx), and the update's number of tokens."""

    trees: list[int] = field(default_factory=list)
    supervised: list[Tree] = field(default_factory=list)
    num_tokens: int = 1


class PPOLearner:
    """The method that the loop runs."""

    def __init__(
        self,
        base: SharedBase,
        policy: Role,
        prompts: Sequence[Sequence[int]],
        rewards: Rewards,
        run: PPORun,
        controller: kl.FixedKL | kl.AdaptiveKL,
        *,
        supervised: Sequence[Tree] = (),
        validate: Validation | None = None,
    ) -> None:
        self.base, self.policy, self.run, self.controller = base, policy, run, controller
        self.supervised, self.validate = supervised, validate
        self.rollouts = Rollouts(base, policy, prompts, rewards, run)
        self.best: dict[str, Tensor] = {}
        self.best_reward = -math.inf
        self.best_iteration = 0  # iterations behind the best weights; 0 is the policy that training starts from
        self.start_reward: float | None = None
        self._experience: Experience | None = None
        self._fitted: float | None = None  # variance of the returns that the fitted value head explained
        self._largest_ratio = 0.0
        self._stopped_early = False

    # ── one iteration ─────────────────────────────────────────────────────────────────────────────────────────────

    def updates(self, step: int) -> Iterator[Sequence[Micro]]:
        self._largest_ratio, self._stopped_early = 0.0, False
        if step == 0 and self.validate:
            measured = self.validate(self.policy)
            self.start_reward = measured["reward"]
            self._keep_if_best(measured, 0)
        if step == 0 and self.run.critic_warmup:
            self._fitted = self.rollouts.start_values()
        self._experience = experience = self.rollouts.roll_out(step, self.controller.beta)
        for epoch in range(self.run.epochs):
            turn = step * self.run.epochs + epoch
            order = permutation(len(experience.trees), self.run.seed + 1, turn)
            for part, trees in enumerate(_parts(order, self.run.minibatches)):
                yield self._micros(trees, experience, turn * self.run.minibatches + part)
                if self._stopped_early:
                    experience.numbers["stopped_early"] = 1.0
                    return

    def wants(self, metrics: Mapping[str, float]) -> bool:
        """False from the first update on that finds the policy beyond `target_kl`."""
        self._stopped_early = self.run.target_kl is not None and metrics["approx_kl"] > self.run.target_kl
        return not self._stopped_early

    def loss(self, micro: Micro) -> tuple[Tensor, Mapping[str, float]]:
        if micro.supervised:
            scored = score_trees(self.base, self.policy, micro.supervised)
            nll_A = sft.negative_log_likelihood(scored.logps_N, scored.segments_N, scored.num_answers)
            loss = sft.token_mean(nll_A, micro.num_tokens)
            return self.run.ptx_coefficient * loss, {"ptx_loss": float(loss.detach())}
        experience = self._experience
        assert experience is not None
        answers = answers_of(micro.trees, answer_starts(experience.trees))
        logps_N, values_N, entropy_N = self.rollouts.forward([experience.trees[i] for i in micro.trees], learning=True)

        def of_these(values: Sequence[Tensor]) -> Tensor:
            return torch.cat([values[a] for a in answers]).to(logps_N.device)

        losses = ppo_losses(
            logps_N,
            of_these(experience.old_logps),
            of_these(experience.advantages),
            values_N,
            of_these(experience.old_values),
            of_these(experience.returns),
            self.run.losses,
            entropy_N=entropy_N,
        )
        share = len(logps_N) / micro.num_tokens
        numbers = {name.removeprefix("ppo/"): float(value) for name, value in losses.metrics.items()}
        self._largest_ratio = max(self._largest_ratio, numbers.pop("ratio_max"))
        del numbers["explained_variance"]  # no sum over micro-batches; `Experience` has that of the whole iteration
        loss = total_loss(losses, micro.num_tokens)
        if self.run.estimator != "k1":
            estimate_N = _ESTIMATORS[self.run.estimator](logps_N, of_these(experience.reference_logps))
            kl_N = kl.kl_loss(estimate_N, logps_N, of_these(experience.old_logps))
            loss = loss + self.controller.beta * kl_N.sum() / micro.num_tokens
            numbers["kl_loss"] = float(kl_N.detach().mean())
        return loss, {name: value * share for name, value in numbers.items()}

    def after(self, step: int, metrics: Mapping[str, float]) -> Mapping[str, float]:
        del metrics
        assert self._experience is not None
        numbers = dict(self._experience.numbers) | {"ratio_max": self._largest_ratio}
        if step == 0 and self._fitted is not None:
            numbers["critic_fit"] = self._fitted
        self.controller = self.controller.update(numbers["kl"], len(self._experience.old_logps))
        due = self.run.evaluate_every and (step + 1) % self.run.evaluate_every == 0
        if self.validate and (due or step + 1 == self.run.iterations):
            measured = self.validate(self.policy)
            numbers |= {f"validation/{name}": value for name, value in measured.items()}
            self._keep_if_best(measured, step + 1)
        return numbers

    def _keep_if_best(self, measured: Mapping[str, float], iterations: int) -> None:
        if not (math.isfinite(measured["reward"]) and math.isfinite(measured["kl"])):
            raise DivergedError(
                f"validation gives a reward of {measured['reward']} and a KL of {measured['kl']}. "
                "Fix: check the reward terms, or lower the learning rate."
            )
        allowed = self.run.max_kl is None or measured["kl"] <= self.run.max_kl
        if allowed and measured["reward"] > self.best_reward:
            self.best_reward, self.best_iteration = measured["reward"], iterations
            self.best = {name: weight.clone() for name, weight in self.policy.state().items()}

    def _micros(self, trees: Sequence[int], experience: Experience, update: int) -> list[Micro]:
        num_tokens = sum(len(answer) for i in trees for answer in experience.trees[i].answers)
        groups = micro_batches([experience.trees[i] for i in trees], self.run.token_budget)
        micros = [Micro(trees=[trees[i] for i in group], num_tokens=num_tokens) for group in groups]
        if self.run.ptx_coefficient and self.supervised:
            size = self.run.ptx_examples or -(-len(experience.trees) // self.run.minibatches)
            batch = [self.supervised[i] for i in batch_at(update, len(self.supervised), size, self.run.seed + 2)]
            tokens = sum(len(answer) for tree in batch for answer in tree.answers)
            for group in micro_batches(batch, self.run.token_budget):
                micros.append(Micro(supervised=[batch[i] for i in group], num_tokens=tokens))
        return micros

    # ── what a checkpoint holds beyond the weights ────────────────────────────────────────────────────────────────

    def state(self) -> dict[str, Any]:
        reward = None if math.isinf(self.best_reward) else self.best_reward
        return {
            "beta": self.controller.beta,
            "best_reward": reward,
            "best_iteration": self.best_iteration,
            "start_reward": self.start_reward,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        if isinstance(self.controller, kl.AdaptiveKL):
            self.controller = kl.AdaptiveKL(state["beta"], self.controller.target, self.controller.horizon)
        self.best_reward = -math.inf if state["best_reward"] is None else float(state["best_reward"])
        self.best_iteration, self.start_reward = state["best_iteration"], state["start_reward"]

    def tensors(self) -> dict[str, Tensor]:
        return self.best

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        self.best = dict(tensors)


_ESTIMATORS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {"k2": kl.k2, "k3": kl.k3}


def _parts(order: Sequence[int], count: int) -> Iterable[list[int]]:
    """The order cut into `count` parts of nearly equal size; none is empty."""
    count = min(count, len(order))
    for part in range(count):
        yield list(order[part * len(order) // count : (part + 1) * len(order) // count])
