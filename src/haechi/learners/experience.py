"""What PPO learns from: answers of the policy, under which probabilities they came, and what they earned.

Legend: A answers of an iteration, N their tokens, D width.

Policy, reference, value and reward share the base. The reference is the policy's parent role; the value head reads the
policy's own hidden states; the learned reward is handed in as a scoring function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from haechi.engine.forward import answer_starts, answers_of, score_trees, token_logps
from haechi.engine.rollout import Answer, Sampling, sample
from haechi.engine.trees import Tree, micro_batches
from haechi.engine.trunk import TrunkCache
from haechi.errors import DivergedError
from haechi.learners.batches import stream_at
from haechi.methods import kl
from haechi.methods.critic import fit_values
from haechi.methods.gae import gae, whiten
from haechi.methods.ppo import PPOSettings, token_rewards
from haechi.models.base import SharedBase
from haechi.models.roles import Role

# What an answer earns: (prompt indices, answers of each prompt) ▶ total per answer, and its parts by name.
Rewards = Callable[[Sequence[int], Sequence[Sequence[Answer]]], tuple[Tensor, Mapping[str, Tensor]]]


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

    def numbers(self) -> dict[str, float]:
        """What is worth logging of them."""
        lengths = [len(answer.ids) for answer in self.answers]
        return {
            "reward/total": float(self.scores_A.mean()),
            **{f"reward/{name}": float(part.mean()) for name, part in self.parts.items()},
            "reward/std": float(self.scores_A.std(correction=0)),
            "length": sum(lengths) / len(lengths),
            "eos_rate": sum(answer.ended for answer in self.answers) / len(lengths),
        }


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


class Rollouts:
    """Iterations of answers from a policy, each with its reward, advantages and returns."""

    def __init__(
        self, base: SharedBase, policy: Role, prompts: Sequence[Sequence[int]], rewards: Rewards, run: PPORun
    ) -> None:
        assert policy.parent is not None and policy.head is not None
        self.base, self.policy, self.reference, self.head = base, policy, policy.parent, policy.head
        self.prompts, self.rewards, self.run = prompts, rewards, run
        self.trunk = TrunkCache(policy.first_layer)

    @torch.no_grad()
    def roll_out(self, step: int, beta: float) -> Experience:
        """The answers of an iteration and what there is to learn from them.

        Args:
            beta: what a nat of KL to the reference costs; only k1 is paid as a reward.
        """
        run = self.run
        drawn = self._draw(step, seed=(run.seed * 7919 + step) % 2**40)
        trees, segments_N = drawn.trees, drawn.segments_N
        groups = micro_batches(trees, run.token_budget)
        old_logps, old_values = self._old(trees, groups)
        reference = token_logps(
            self.base, self.reference, trees, groups, temperature=run.sampling.temperature, trunk=self.trunk
        )
        values_N = torch.cat(old_values)
        kl_N = kl.k1(torch.cat(old_logps), torch.cat(reference))
        _refuse_non_finite(kl_N, "KL to the reference", step)
        paid = beta if run.estimator == "k1" else 0.0
        rewards_N = token_rewards(self._scaled(drawn.scores_A), kl_N, segments_N, paid)
        advantages_N, returns_N = gae(rewards_N, values_N, segments_N, gamma=run.gamma, lam=run.gae_lambda)
        unexplained = (returns_N - values_N).var(correction=0) / returns_N.var(correction=0).clamp(min=1e-8)
        sizes = [len(answer.ids) for answer in drawn.answers]
        return Experience(
            trees=trees,
            old_logps=old_logps,
            old_values=old_values,
            reference_logps=reference,
            advantages=list((whiten(advantages_N) if run.whiten_advantages else advantages_N).split(sizes)),
            returns=list(returns_N.split(sizes)),
            numbers={
                **drawn.numbers(),
                "kl": float(kl_N.sum()) / len(sizes),
                "kl_coefficient": beta,
                "advantage_std": float(advantages_N.std(correction=0)),
                "explained_variance": float(1 - unexplained),
            },
        )

    @torch.no_grad()
    def start_values(self) -> float:
        """Gives the value head its first weights (`methods.critic`); the variance of the returns that it explains.

        The policy is still its reference, so no KL is paid, and a token's return is its answer's score, discounted.
        """
        run = self.run
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
        self.head.weight.copy_(fit.weight_D[None])
        self.head.bias.fill_(fit.bias)
        return fit.explained_variance

    def forward(self, trees: Sequence[Tree], *, learning: bool) -> tuple[Tensor, Tensor, Tensor | None]:
        """Log-probabilities, values and (while learning) entropies of the policy at each answer token."""
        scored = score_trees(
            self.base,
            self.policy,
            trees,
            temperature=self.run.sampling.temperature,
            entropy=("learned" if self.run.losses.entropy_coefficient else "measured") if learning else "none",
            trunk=self.trunk,
        )
        values_N = self.head(scored.states_ND.float()).squeeze(-1)
        return scored.logps_N.float(), values_N, scored.entropy_N

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

    def _old(self, trees: Sequence[Tree], groups: Sequence[Sequence[int]]) -> tuple[list[Tensor], list[Tensor]]:
        """Log-probabilities and values of every answer under the policy as it sampled, by the training path."""
        starts = answer_starts(trees)
        logps: list[Tensor] = [torch.empty(0)] * starts[-1]
        values: list[Tensor] = [torch.empty(0)] * starts[-1]
        for group in groups:
            logps_N, values_N, _ = self.forward([trees[i] for i in group], learning=False)
            answers = answers_of(group, starts)
            sizes = [len(answer) for i in group for answer in trees[i].answers]
            for answer, piece, value in zip(
                answers, logps_N.cpu().split(sizes), values_N.cpu().split(sizes), strict=True
            ):
                logps[answer], values[answer] = piece, value
        return logps, values


def _refuse_non_finite(values: Tensor, what: str, step: int) -> None:
    if not torch.isfinite(values).all():
        index = int((~torch.isfinite(values)).nonzero()[0])
        raise DivergedError(
            f"iteration {step}: the {what} is {float(values[index])} at index {index}; training stopped before it "
            "could reach the weights. Fix: check the reward terms, or lower the learning rate."
        )
