"""Learning from comparisons: the reward model and DPO.

A prompt is one tree with all its answers, and all that was said of them is learned together (InstructGPT, arXiv
2203.02155, section 3.5): the prompt is computed once, and an answer that stands in several comparisons does not come
back as if it were new.

Legend: A answers, P pairs of them, F numbers of an answer beside its state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from haechi.engine.forward import answer_scores, answer_starts, answers_of, score_trees, token_logps
from haechi.engine.loop import Stateless
from haechi.engine.trees import Tree, micro_batches
from haechi.engine.trunk import TrunkCache
from haechi.learners.batches import batch_at
from haechi.methods.dpo import Kind, dpo
from haechi.methods.reward import bradley_terry
from haechi.methods.segments import segment_sum
from haechi.models.base import SharedBase
from haechi.models.roles import Role


@dataclass(frozen=True, slots=True)
class Pair:
    """A comparison of two answers to one prompt.

    Attributes:
        chosen, rejected: which answers of the prompt's tree.
        margin: by how much the first is better, in units of reward.
        weight: how much the pair counts.
    """

    chosen: int
    rejected: int
    margin: float = 0.0
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class ComparedPrompt:
    """A prompt with its answers, and the comparisons among them.

    Attributes:
        evidence: for each answer the numbers that a reward model reads beside its state; none by default.
        topic: what the prompt's question is about; prompts of one topic are not independent of each other.
    """

    tree: Tree
    pairs: Sequence[Pair]
    evidence: Sequence[Sequence[float]] = ()
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Micro:
    """Prompts computed at once, and the number and summed weight of the pairs of the whole update."""

    prompts: list[int]
    num_pairs: int
    total_weight: float


class _PairLearner(Stateless):
    """Batches of prompts; what a pair's loss is, the two learners below say."""

    def __init__(
        self,
        base: SharedBase,
        role: Role,
        compared: Sequence[ComparedPrompt],
        *,
        batch_size: int,
        token_budget: int,
        seed: int,
    ) -> None:
        self.base, self.role, self.compared = base, role, compared
        self.batch_size, self.token_budget, self.seed = batch_size, token_budget, seed
        self.trunk = TrunkCache(role.first_layer)

    def updates(self, step: int) -> Iterable[Sequence[Micro]]:
        batch = batch_at(step, len(self.compared), self.batch_size, self.seed)
        pairs = [pair for i in batch for pair in self.compared[i].pairs]
        total = sum(pair.weight for pair in pairs)
        groups = micro_batches([self.compared[i].tree for i in batch], self.token_budget)
        yield [Micro([batch[i] for i in group], len(pairs), total) for group in groups]

    def after(self, step: int, metrics: Mapping[str, float]) -> Mapping[str, float]:
        del step, metrics
        return {}

    def _prompts(self, micro: Micro) -> list[ComparedPrompt]:
        return [self.compared[i] for i in micro.prompts]

    def _pairs(self, micro: Micro) -> list[Pair]:
        return [pair for prompt in self._prompts(micro) for pair in prompt.pairs]

    def _shares(self, metrics: Mapping[str, Tensor], micro: Micro) -> dict[str, float]:
        """Metrics, which ignore weights, as shares of the update, under their bare names."""
        share = len(self._pairs(micro)) / micro.num_pairs
        return {name.split("/")[-1]: float(value) * share for name, value in metrics.items()}

    def _weights(self, micro: Micro) -> Tensor:
        return torch.tensor([pair.weight for pair in self._pairs(micro)], device=self.base.device)

    def _margins(self, micro: Micro) -> Tensor:
        return torch.tensor([pair.margin for pair in self._pairs(micro)], device=self.base.device)


def paired(values_A: Tensor, compared: Sequence[ComparedPrompt]) -> Tensor:
    """Values [P, 2] of the chosen and the rejected answer of each pair, from those of all answers."""
    starts = answer_starts([one.tree for one in compared])
    places = [
        (start + pair.chosen, start + pair.rejected)
        for start, one in zip(starts[:-1], compared, strict=True)
        for pair in one.pairs
    ]
    return values_A[torch.tensor(places, device=values_A.device)]


def evidence_of(compared: Sequence[ComparedPrompt]) -> Tensor:
    """The numbers of each answer beside its state [A, F]; F is 0 where there are none."""
    rows = [row for one in compared for row in one.evidence or [()] * len(one.tree.answers)]
    return torch.tensor(rows, dtype=torch.float32).reshape(len(rows), len(rows[0]) if rows else 0)


class RewardLearner(_PairLearner):
    """A reward model: Bradley-Terry on the head's score of each answer's last token, and what the evidence adds to it.

    Args:
        worth: what each number beside the state is worth [F]; fixed, the head learns what they leave over.
        label_smoothing: assumed share of wrong comparisons.
        validation: comparisons on which the accuracy is measured every `validate_every` steps.
        centring: weight of (r_chosen + r_rejected)², which keeps scores near 0.
    """

    def __init__(
        self,
        base: SharedBase,
        role: Role,
        compared: Sequence[ComparedPrompt],
        *,
        batch_size: int,
        token_budget: int,
        seed: int,
        worth: Tensor | None = None,
        use_margin: bool = False,
        centring: float = 0.0,
        label_smoothing: float = 0.0,
        validation: Sequence[ComparedPrompt] = (),
        validate_every: int = 0,
    ) -> None:
        super().__init__(base, role, compared, batch_size=batch_size, token_budget=token_budget, seed=seed)
        self.worth_F = worth
        self.use_margin, self.centring, self.label_smoothing = use_margin, centring, label_smoothing
        self.validation, self.validate_every = validation, validate_every

    def loss(self, micro: Micro) -> tuple[Tensor, Mapping[str, float]]:
        assert self.role.head is not None
        prompts = self._prompts(micro)
        trees = [prompt.tree for prompt in prompts]
        scored = score_trees(self.base, self.role, trees, logps=False, trunk=self.trunk)
        scores_A = self.role.head(scored.last_AD.float()).squeeze(-1)
        scores_P2 = paired(scores_A + self._by_evidence(prompts).to(scores_A.device), prompts)
        loss_P, metrics = bradley_terry(
            scores_P2[:, 0],
            scores_P2[:, 1],
            preference_P=torch.full_like(scores_P2[:, 0], 1 - self.label_smoothing) if self.label_smoothing else None,
            margin_P=self._margins(micro) if self.use_margin else None,
            weights_P=self._weights(micro),
            centring=self.centring,
        )
        return loss_P.sum() / micro.total_weight, self._shares(metrics, micro)

    def after(self, step: int, metrics: Mapping[str, float]) -> Mapping[str, float]:
        del metrics
        if not self.validation or not self.validate_every or (step + 1) % self.validate_every:
            return {}
        scores_P2 = self.scores(self.validation)
        # A tie is half right, as in the accuracy that is reported.
        return {"validation/accuracy": float((scores_P2[:, 0] - scores_P2[:, 1]).sign().add(1).div(2).mean())}

    def scores(self, compared: Sequence[ComparedPrompt]) -> Tensor:
        """Scores [P, 2] of chosen and rejected."""
        trees = [one.tree for one in compared]
        groups = micro_batches(trees, self.token_budget)
        scores_A = answer_scores(self.base, self.role, trees, groups, TrunkCache(self.role.first_layer, 0))
        return paired(scores_A + self._by_evidence(compared), compared)

    def _by_evidence(self, compared: Sequence[ComparedPrompt]) -> Tensor:
        """What the numbers beside the state add to each answer's score [A]."""
        if self.worth_F is None:
            return torch.zeros(sum(len(one.tree.answers) for one in compared))
        return evidence_of(compared) @ self.worth_F


class DPOLearner(_PairLearner):
    """Direct preference optimisation against the role's parent, whose log-probabilities are computed once."""

    def __init__(
        self,
        base: SharedBase,
        role: Role,
        compared: Sequence[ComparedPrompt],
        *,
        batch_size: int,
        token_budget: int,
        seed: int,
        beta: float,
        kind: Kind = "sigmoid",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(base, role, compared, batch_size=batch_size, token_budget=token_budget, seed=seed)
        self.beta, self.label_smoothing = beta, label_smoothing
        self.kind: Kind = kind
        trees = [one.tree for one in compared]
        found = token_logps(base, role.parent, trees, micro_batches(trees, token_budget), trunk=self.trunk)
        self.starts = answer_starts(trees)
        self.reference_A = torch.stack([logps.sum() for logps in found])

    def loss(self, micro: Micro) -> tuple[Tensor, Mapping[str, float]]:
        prompts = self._prompts(micro)
        scored = score_trees(self.base, self.role, [prompt.tree for prompt in prompts], trunk=self.trunk)
        logps_A = segment_sum(scored.logps_N, scored.segments_N, scored.num_answers)
        reference_A = self.reference_A[answers_of(micro.prompts, self.starts)].to(logps_A.device)
        logps_P2, reference_P2 = paired(logps_A, prompts), paired(reference_A, prompts)
        loss_P, metrics = dpo(
            logps_P2[:, 0],
            logps_P2[:, 1],
            reference_P2[:, 0],
            reference_P2[:, 1],
            beta=self.beta,
            kind=self.kind,
            label_smoothing=self.label_smoothing,
            weights_P=self._weights(micro),
        )
        return loss_P.sum() / micro.total_weight, self._shares(metrics, micro)
