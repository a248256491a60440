"""Supervised fine-tuning: written answers, loss on their tokens only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from haechi.engine.forward import score_trees
from haechi.engine.loop import Stateless
from haechi.engine.trees import Tree, micro_batches
from haechi.engine.trunk import TrunkCache
from haechi.learners.batches import batch_at
from haechi.methods import sft
from haechi.models.base import SharedBase
from haechi.models.roles import Role


@dataclass(frozen=True, slots=True)
class Micro:
    """Trees computed at once, and the learned tokens of the whole update."""

    trees: list[Tree]
    num_tokens: int


class SupervisedLearner(Stateless):
    """SFT of a role on trees of one answer each.

    Args:
        validation: trees whose loss is measured every `validate_every` steps.
        token_budget: packed tokens computed at once; it bounds memory and does not change the update.
    """

    def __init__(
        self,
        base: SharedBase,
        role: Role,
        trees: Sequence[Tree],
        *,
        batch_size: int,
        token_budget: int,
        seed: int,
        validation: Sequence[Tree] = (),
        validate_every: int = 0,
    ) -> None:
        self.base, self.role, self.trees = base, role, trees
        self.batch_size, self.token_budget, self.seed = batch_size, token_budget, seed
        self.validation, self.validate_every = validation, validate_every
        self.trunk = TrunkCache(role.first_layer)

    def updates(self, step: int) -> Iterable[Sequence[Micro]]:
        batch = [self.trees[i] for i in batch_at(step, len(self.trees), self.batch_size, self.seed)]
        num_tokens = sum(len(answer) for tree in batch for answer in tree.answers)
        yield [Micro([batch[i] for i in group], num_tokens) for group in micro_batches(batch, self.token_budget)]

    def loss(self, micro: Micro) -> tuple[Tensor, Mapping[str, float]]:
        nll_A = self._nll(micro.trees)
        return sft.token_mean(nll_A, micro.num_tokens), {}

    def after(self, step: int, metrics: Mapping[str, float]) -> Mapping[str, float]:
        del metrics
        if not self.validation or not self.validate_every or (step + 1) % self.validate_every:
            return {}
        return {"validation/loss": self.validation_loss()}

    @torch.no_grad()
    def validation_loss(self) -> float:
        """Nats a token on the validation answers."""
        total = 0.0
        for group in micro_batches(self.validation, self.token_budget):
            total += float(self._nll([self.validation[i] for i in group]).sum())
        return total / sum(len(answer) for tree in self.validation for answer in tree.answers)

    def _nll(self, trees: Sequence[Tree]) -> Tensor:
        scored = score_trees(self.base, self.role, trees, trunk=self.trunk)
        return sft.negative_log_likelihood(scored.logps_N, scored.segments_N, scored.num_answers)
