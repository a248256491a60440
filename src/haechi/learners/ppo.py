"""PPO on prompt trees: roll out, reward, learn for some epochs; one iteration is one step of the loop.

Legend: A answers of an iteration, N their tokens.

Policy, reference, value and reward share the base. The reference is the policy's parent role; the value head reads the
policy's own hidden states; the learned reward is handed in as a scoring function.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from haechi.engine.forward import answer_starts, answers_of, score_trees, token_logps
from haechi.engine.rollout import Answer, Sampling, sample
from haechi.engine.trees import Tree, micro_batches
from haechi.engine.trunk import TrunkCache
from haechi.errors import DivergedError
from haechi.learners.batches import batch_at, permutation, stream_at
from haechi.methods import kl, sft
from haechi.methods.critic import fit_values
from haechi.methods.gae import gae, whiten
from haechi.methods.ppo import PPOSettings, ppo_losses, token_rewards, total_loss
from haechi.models.base import SharedBase
from haechi.models.roles import Role

# What an answer earns: (prompt indices, answers of each prompt) ▶ total per answer, and its parts by name.
Rewards = Callable[[Sequence[int], Sequence[Sequence[Answer]]], tuple[Tensor, Mapping[str, Tensor]]]
# Validation of the policy: metrics, of which `reward` and `kl` decide on the best weights.
Validation = Callable[[Role], Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PPORun:
    """How PPO goes; the constants of the loss are in `losses`.

    Attributes:
        prompts, samples: prompts an iteration, and answers a prompt.
        epochs, minibatches: passes over an iteration's answers, and updates a pass.
        ptx_examples: supervised answers an update; as many as it has prompts where None.
        estimator: k1 is paid as a reward; k2 and k3 are terms of the loss.
        target_kl: an iteration's learning ends before the first update that finds the policy this far (nats a token)
            from where it sampled.
        critic_warmup: before the first update the value head is fitted to the answers of this many iterations; 0
            leaves it as it comes.
        iterations: how many in all; the last one is always evaluated.
        max_kl: weights farther than this from the reference (nats an answer) cannot become the best. The policy that
            training starts from is the first best: nothing worse is ever kept.
    """

    losses: PPOSettings
    prompts: int
    samples: int
    epochs: int
    minibatches: int
    sampling: Sampling
    seed: int
    token_budget: int
    gamma: float = 1.0
    gae_lambda: float = 0.95
    estimator: Literal["k1", "k2", "k3"] = "k1"
    whiten_rewards: bool = False
    whiten_advantages: bool = True
    ptx_coefficient: float = 0.0
    ptx_examples: int | None = None
    target_kl: float | None = None
    critic_warmup: int = 0
    max_kl: float | None = None
    iterations: int = 0
    evaluate_every: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """An iteration's answers, and what they earn.

    Attributes:
        chosen: which prompts, by their place.
        trees: each prompt with its answers.
        answers: in the order of the trees, flat.
        segments_N: which answer each token belongs to.
        scores_A, parts: the total that each answer earns, and its parts by name.
    """

    chosen: Sequence[int]
    trees: list[Tree]
    answers: list[Answer]
    segments_N: Tensor
    scores_A: Tensor
    parts: Mapping[str, Tensor]


@dataclass(slots=True)
class Experience:
    """An iteration's answers, by answer: what was said, under which probabilities, and what it earned."""

    trees: list[Tree]
    old_logps: list[Tensor]
    old_values: list[Tensor]
    reference_logps: list[Tensor]
    advantages: list[Tensor]
    returns: list[Tensor]
    numbers: dict[str, float]


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
        assert policy.parent is not None and policy.head is not None
        self.base, self.policy, self.reference = base, policy, policy.parent
        self.prompts, self.rewards, self.run, self.controller = prompts, rewards, run, controller
        self.supervised, self.validate = supervised, validate
        self.trunk = TrunkCache(policy.first_layer)
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
            self._fit_values()
        self._experience = experience = self._roll_out(step)
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
        logps_N, values_N, entropy_N = self._forward([experience.trees[i] for i in micro.trees], learning=True)

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
        del numbers["explained_variance"]  # no sum over micro-batches; `_roll_out` has that of the whole iteration
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

    # ── parts of an iteration ─────────────────────────────────────────────────────────────────────────────────────

    @torch.no_grad()
    def _roll_out(self, step: int) -> Experience:
        run = self.run
        drawn = self._draw(step, seed=(run.seed * 7919 + step) % 2**40)
        trees, scores_A, segments_N = drawn.trees, drawn.scores_A, drawn.segments_N
        groups = micro_batches(trees, run.token_budget)
        old_logps, old_values = self._old(trees, groups)
        reference = token_logps(
            self.base, self.reference, trees, groups, temperature=run.sampling.temperature, trunk=self.trunk
        )
        logps_N, reference_N, values_N = torch.cat(old_logps), torch.cat(reference), torch.cat(old_values)
        kl_N = kl.k1(logps_N, reference_N)
        _refuse_non_finite(kl_N, "KL to the reference", step)
        earned = {
            "reward/total": float(scores_A.mean()),
            **{f"reward/{name}": float(part.mean()) for name, part in drawn.parts.items()},
            "reward/std": float(scores_A.std(correction=0)),
        }
        paid = self.controller.beta if run.estimator == "k1" else 0.0
        rewards_N = token_rewards(self._scaled(scores_A), kl_N, segments_N, paid)
        advantages_N, returns_N = gae(rewards_N, values_N, segments_N, gamma=run.gamma, lam=run.gae_lambda)
        advantage_std = float(advantages_N.std(correction=0))
        if run.whiten_advantages:
            advantages_N = whiten(advantages_N)
        sizes = [len(answer.ids) for answer in drawn.answers]
        return Experience(
            trees=trees,
            old_logps=old_logps,
            old_values=old_values,
            reference_logps=reference,
            advantages=list(advantages_N.split(sizes)),
            returns=list(returns_N.split(sizes)),
            numbers={
                **earned,
                "kl": float(kl_N.sum()) / len(sizes),
                "kl_coefficient": self.controller.beta,
                "length": sum(sizes) / len(sizes),
                "eos_rate": sum(answer.ended for answer in drawn.answers) / len(sizes),
                "advantage_std": advantage_std,
                "explained_variance": float(
                    1 - (returns_N - values_N).var(correction=0) / returns_N.var(correction=0).clamp(min=1e-8)
                ),
            },
        )

    def _draw(self, step: int, seed: int) -> Drawn:
        """An iteration's prompts, answers of the policy to each, and what these earn."""
        run = self.run
        chosen = stream_at(step, len(self.prompts), run.prompts, run.seed)
        answers = sample(
            self.base, self.policy, [self.prompts[i] for i in chosen], run.sampling, samples=run.samples, seed=seed
        )
        scores_A, parts = self.rewards(chosen, answers)
        _refuse_non_finite(scores_A, "reward", step)
        flat = [answer for group in answers for answer in group]
        lengths_A = torch.tensor([len(answer.ids) for answer in flat])
        return Drawn(
            chosen=chosen,
            trees=[Tree(self.prompts[i], [a.ids for a in group]) for i, group in zip(chosen, answers, strict=True)],
            answers=flat,
            segments_N=torch.repeat_interleave(torch.arange(len(flat)), lengths_A),
            scores_A=scores_A,
            parts=parts,
        )

    def _scaled(self, scores_A: Tensor) -> Tensor:
        # Scale only: the mean says which answers are worth giving at all.
        return whiten(scores_A, shift_mean=False) if self.run.whiten_rewards else scores_A

    @torch.no_grad()
    def _fit_values(self) -> None:
        """Gives the value head its first weights (`methods.critic`). The policy is still its reference, so no KL is
        paid, and a token's return is its answer's score, discounted."""
        run, head = self.run, self.policy.head
        assert head is not None
        states: list[Tensor] = []
        returns: list[Tensor] = []
        prompts: list[int] = []
        for turn in range(run.critic_warmup):
            drawn = self._draw(turn, seed=(run.seed * 7919 + turn) % 2**40 + 2**41)
            rewards_N = token_rewards(
                self._scaled(drawn.scores_A), torch.zeros(len(drawn.segments_N)), drawn.segments_N, 0.0
            )
            _, returns_N = gae(rewards_N, torch.zeros_like(rewards_N), drawn.segments_N, gamma=run.gamma, lam=1.0)
            by_answer = returns_N.split([len(answer.ids) for answer in drawn.answers])
            starts = answer_starts(drawn.trees)
            for group in micro_batches(drawn.trees, run.token_budget):
                trees = [drawn.trees[i] for i in group]
                scored = score_trees(self.base, self.policy, trees, logps=False, trunk=self.trunk)
                states.append(scored.states_ND.float().cpu())
                returns += [by_answer[answer] for answer in answers_of(group, starts)]
                for i in group:
                    prompts += [drawn.chosen[i]] * sum(len(answer) for answer in drawn.trees[i].answers)
        states_ND = torch.cat(states)
        _refuse_non_finite(states_ND.flatten(), "hidden state behind the first values", 0)
        fit = fit_values(states_ND, torch.cat(returns), torch.tensor(prompts))
        head.weight.copy_(fit.weight_D[None])
        head.bias.fill_(fit.bias)
        self._fitted = fit.explained_variance

    def _old(self, trees: Sequence[Tree], groups: Sequence[Sequence[int]]) -> tuple[list[Tensor], list[Tensor]]:
        """Log-probabilities and values of every answer under the policy as it sampled, by the training path."""
        starts = answer_starts(trees)
        logps: list[Tensor] = [torch.empty(0)] * starts[-1]
        values: list[Tensor] = [torch.empty(0)] * starts[-1]
        for group in groups:
            logps_N, values_N, _ = self._forward([trees[i] for i in group], learning=False)
            answers = answers_of(group, starts)
            sizes = [len(answer) for i in group for answer in trees[i].answers]
            for answer, piece, value in zip(
                answers, logps_N.cpu().split(sizes), values_N.cpu().split(sizes), strict=True
            ):
                logps[answer], values[answer] = piece, value
        return logps, values

    def _forward(self, trees: Sequence[Tree], *, learning: bool) -> tuple[Tensor, Tensor, Tensor | None]:
        """Log-probabilities, values and (while learning) entropies of the policy at each answer token."""
        assert self.policy.head is not None
        scored = score_trees(
            self.base,
            self.policy,
            trees,
            temperature=self.run.sampling.temperature,
            entropy=("learned" if self.run.losses.entropy_coefficient else "measured") if learning else "none",
            trunk=self.trunk,
        )
        values_N = self.policy.head(scored.states_ND.float()).squeeze(-1)
        return scored.logps_N.float(), values_N, scored.entropy_N

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


def _refuse_non_finite(values: Tensor, what: str, step: int) -> None:
    if not torch.isfinite(values).all():
        index = int((~torch.isfinite(values)).nonzero()[0])
        raise DivergedError(
            f"iteration {step}: the {what} is {float(values[index])} at index {index}; training stopped before it "
            "could reach the weights. Fix: check the reward terms, or lower the learning rate."
        )
