"""Pre-training as the loop runs it, and what it is measured by.

Legend: N learned tokens, D width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from haechi.engine.forward import score_trees
from haechi.engine.loop import Stateless
from haechi.engine.trees import Tree, micro_batches
from haechi.models.base import SharedBase
from haechi.pretrain.mixture import Mixture, Row, world_tree
from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.world import generate
from haechi.prompt.template import Language


@dataclass(frozen=True, slots=True)
class Micro:
    """Some rows, and by how much their summed loss is divided."""

    rows: list[Row]
    weight: float


class Pretraining(Stateless):
    """The method that the loop runs."""

    def __init__(
        self,
        base: SharedBase,
        mixture: Mixture,
        *,
        token_budget: int,
        seed: int,
        validate_every: int,
        validation_worlds: int = 48,
        dtype: torch.dtype = torch.bfloat16,
    ) -> None:
        self.base, self.mixture, self.seed = base, mixture, seed
        self.token_budget, self.dtype = token_budget, dtype
        self.validate_every, self.validation_worlds = validate_every, validation_worlds
        self._seen_tokens = 0

    def updates(self, step: int) -> Iterable[Sequence[Micro]]:
        rows = self.mixture.rows(step)
        weight = sum(row.weight * learned(row.tree) for row in rows)
        self._seen_tokens += sum(row.tree.num_tokens for row in rows)
        groups = micro_batches([row.tree for row in rows], self.token_budget)
        yield [Micro([rows[i] for i in group], weight) for group in groups]

    def loss(self, micro: Micro) -> tuple[Tensor, Mapping[str, float]]:
        with torch.autocast(self.base.device.type, dtype=self.dtype, enabled=self.dtype is not torch.float32):
            scored = score_trees(self.base, None, [row.tree for row in micro.rows])
        weights_N = torch.cat([torch.full((learned(row.tree),), row.weight) for row in micro.rows])
        return -(scored.logps_N * weights_N.to(scored.logps_N)).sum() / micro.weight, {}

    def after(self, step: int, metrics: Mapping[str, float]) -> Mapping[str, float]:
        numbers = {"tokens": float(self._seen_tokens)}
        if self.validate_every and (step + 1) % self.validate_every == 0:
            numbers |= validate(self.base, self.validation_worlds, self.seed, dtype=self.dtype)
        return numbers

    def state(self) -> dict[str, Any]:
        return {"tokens": self._seen_tokens}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._seen_tokens = int(state["tokens"])


def learned(tree: Tree) -> int:
    """How many tokens of a tree are learned."""
    return sum(len(answer) - tree.skipped(number) for number, answer in enumerate(tree.answers))


@torch.no_grad()
def validate(
    base: SharedBase,
    worlds: int,
    seed: int,
    *,
    passages: int = 4,
    language: Language = "ko",
    prose: float = 1.0,
    dtype: torch.dtype = torch.float32,
) -> dict[str, float]:
    """Greedy answers on fresh worlds of held-out names and values, in seen and unseen templates: exact with the right
    citation, and right abstentions; the share of verdicts, on these answers and on wrong ones, that are right; and the
    loss [nats a learned token].

    An answer decoded greedily equals the reference exactly if every one of its tokens is the likeliest given the
    reference before it, so one forward pass decides it.
    """
    numbers: dict[str, float] = {}
    for name, unseen in (("seen", False), ("unseen", True)):
        rng = Draw(f"validation-{seed}-{name}", unseen=True, prose=prose)
        made = [generate(rng, passages=passages, language=language, unseen_templates=unseen) for _ in range(worlds)]
        chosen, loss = _likeliest(base, [world_tree(world, base.codec) for world in made], dtype)
        hits = iter(chosen)
        exact: list[bool] = []
        abstains: list[bool] = []
        judges: list[bool] = []
        for world in made:
            for asked in world.asked:
                *answer, verdict = next(hits)
                (abstains if asked.answer is None else exact).append(all(answer))
                judges.append(verdict)
            judges.extend(verdict for _ in world.mistaken for verdict in next(hits))
        for label, right in (("exact", exact), ("abstains", abstains), ("judges", judges)):
            numbers[f"validation/{name}_{label}"] = sum(right) / max(len(right), 1)
        numbers[f"validation/{name}_loss"] = loss
    return numbers


def _likeliest(base: SharedBase, trees: Sequence[Tree], dtype: torch.dtype) -> tuple[list[list[bool]], float]:
    """For each answer, which of its learned tokens greedy decoding would choose after the reference before them; and
    the mean loss of all of these."""
    chosen: list[list[bool]] = []
    nats = 0.0
    for start in range(0, len(trees), 8):
        some = trees[start : start + 8]
        with torch.autocast(base.device.type, dtype=dtype, enabled=dtype is not torch.float32):
            scored = score_trees(base, None, some)
            likeliest = iter(torch.nn.functional.linear(scored.states_ND, *base.output_weight()).argmax(-1).tolist())
        nats -= float(scored.logps_N.sum())
        chosen.extend(
            [token == next(likeliest) for token in answer[tree.skipped(i) :]]
            for tree in some
            for i, answer in enumerate(tree.answers)
        )
    return chosen, nats / max(sum(map(len, chosen)), 1)
