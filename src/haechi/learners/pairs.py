"""Learning from pairs: the reward model and DPO. A pair is one tree with two answers, the preferred one first.

Legend: P pairs, A answers = 2 P.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from haechi.engine.forward import answer_scores, score_trees, token_logps
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
    """A preferred and a rejected answer to one prompt.

    Attributes:
        tree: the prompt with [chosen, rejected].
        margin: by how much the first is better, in units of reward.
        weight: how much the pair counts.
    """

    tree: Tree
    margin: float = 0.0
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Micro:
    """Indices of pairs computed at once, and the number and summed weight of the pairs of the whole update."""

    pairs: list[int]
    num_pairs: int
    total_weight: float


class _PairLearner(Stateless):
    """Batches of pairs; what a pair's loss is, the two learners below say."""

    def __init__(
        self, base: SharedBase, role: Role, pairs: Sequence[Pair], *, batch_size: int, token_budget: int, seed: int
    ) -> None:
        self.base, self.role, self.pairs = base, role, pairs
        self.batch_size, self.token_budget, self.seed = batch_size, token_budget, seed
        self.trunk = TrunkCache(role.first_layer)

    def updates(self, step: int) -> Iterable[Sequence[Micro]]:
        batch = batch_at(step, len(self.pairs), self.batch_size, self.seed)
        total = sum(self.pairs[i].weight for i in batch)
        groups = micro_batches([self.pairs[i].tree for i in batch], self.token_budget)
        yield [Micro([batch[i] for i in group], len(batch), total) for group in groups]

    def _shares(self, metrics: Mapping[str, Tensor], micro: Micro) -> dict[str, float]:
        """Metrics, which ignore weights, as shares of the update, under their bare names."""
        share = len(micro.pairs) / micro.num_pairs
        return {name.split("/")[-1]: float(value) * share for name, value in metrics.items()}

    def _weights(self, micro: Micro) -> Tensor:
        return torch.tensor([self.pairs[i].weight for i in micro.pairs], device=self.base.device)

    def _margins(self, micro: Micro) -> Tensor:
        return torch.tensor([self.pairs[i].margin for i in micro.pairs], device=self.base.device)

    def after(self, step: int, metrics: Mapping[str, float]) -> Mapping[str, float]:
        del step, metrics
        return {}


class RewardLearner(_PairLearner):
    """A reward model: Bradley-Terry on the head's score of each answer's last token.

    Args:
        validation: pairs whose accuracy is measured every `validate_every` steps.
        centring: weight of (r_chosen + r_rejected)², which keeps scores near 0.
    """

    def __init__(
        self,
        base: SharedBase,
        role: Role,
        pairs: Sequence[Pair],
        *,
        batch_size: int,
        token_budget: int,
        seed: int,
        use_margin: bool = False,
        centring: float = 0.0,
        validation: Sequence[Pair] = (),
        validate_every: int = 0,
    ) -> None:
        super().__init__(base, role, pairs, batch_size=batch_size, token_budget=token_budget, seed=seed)
        self.use_margin, self.centring = use_margin, centring
        self.validation, self.validate_every = validation, validate_every

    def loss(self, micro: Micro) -> tuple[Tensor, Mapping[str, float]]:
        assert self.role.head is not None
        scored = score_trees(
            self.base, self.role, [self.pairs[i].tree for i in micro.pairs], logps=False, trunk=self.trunk
        )
        scores_P2 = self.role.head(scored.last_AD.float()).view(-1, 2)
        loss_P, metrics = bradley_terry(
            scores_P2[:, 0],
            scores_P2[:, 1],
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
        return {"validation/accuracy": float((scores_P2[:, 0] > scores_P2[:, 1]).float().mean())}

    def scores(self, pairs: Sequence[Pair]) -> Tensor:
        """Scores [P, 2] of chosen and rejected."""
        trees = [pair.tree for pair in pairs]
        groups = micro_batches(trees, self.token_budget)
        return answer_scores(self.base, self.role, trees, groups, TrunkCache(self.role.first_layer, 0)).view(-1, 2)


class DPOLearner(_PairLearner):
    """Direct preference optimisation against the role's parent, whose log-probabilities are computed once."""

    def __init__(
        self,
        base: SharedBase,
        role: Role,
        pairs: Sequence[Pair],
        *,
        batch_size: int,
        token_budget: int,
        seed: int,
        beta: float,
        kind: Kind = "sigmoid",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(base, role, pairs, batch_size=batch_size, token_budget=token_budget, seed=seed)
        self.beta, self.label_smoothing = beta, label_smoothing
        self.kind: Kind = kind
        trees = [pair.tree for pair in pairs]
        found = token_logps(base, role.parent, trees, micro_batches(trees, token_budget), trunk=self.trunk)
        self.reference_P2 = torch.tensor([float(logps.sum()) for logps in found]).view(-1, 2)

    def loss(self, micro: Micro) -> tuple[Tensor, Mapping[str, float]]:
        scored = score_trees(self.base, self.role, [self.pairs[i].tree for i in micro.pairs], trunk=self.trunk)
        logps_P2 = segment_sum(scored.logps_N, scored.segments_N, scored.num_answers).view(-1, 2)
        reference_P2 = self.reference_P2[micro.pairs].to(logps_P2.device)
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
