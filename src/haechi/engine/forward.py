"""Trees to what losses need: log-probabilities, values, scores, all flat.

Legend: N learned tokens, A answers, R places that are read, T tokens of a tree, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from haechi.engine.logps import Entropy, answer_logps
from haechi.engine.trees import Packed, Tree, pack, taken, unshared
from haechi.engine.trunk import TrunkCache
from haechi.models.base import SharedBase
from haechi.models.roles import Role


@dataclass(frozen=True, slots=True)
class Scored:
    """One micro-batch, computed.

    Attributes:
        logps_N: log-probability of each learned token.
        entropy_N: entropy of each prediction, or None if not asked for.
        states_ND: the hidden states that predict the learned tokens (a value head reads them).
        last_AD: the hidden state of each answer's last token (a reward head reads it).
        segments_N: which answer each token belongs to, in the order of the trees.
        num_answers: A.
    """

    logps_N: Tensor
    entropy_N: Tensor | None
    states_ND: Tensor
    last_AD: Tensor
    segments_N: Tensor
    num_answers: int


def score_trees(
    base: SharedBase,
    role: Role | None,
    trees: Sequence[Tree],
    *,
    temperature: float = 1.0,
    entropy: Entropy = "none",
    logps: bool = True,
    trunk: TrunkCache | None = None,
) -> Scored:
    """Runs one micro-batch of trees as a role.

    Args:
        temperature: the logits are divided by it, as they are when sampling.
        entropy: whether entropies are computed, and learned from (`haechi.engine.logps`).
        logps: False leaves the vocabulary projection out (reward models do not need it).
        trunk: reuses the states below the lowest layer that the role changes.
    """
    layout = base.layout
    packed = pack(unshared(trees) if layout == "apart" else trees, layout)
    with base.wearing(role):
        hidden_RD = _hidden(base, packed, trunk)
        states_ND = taken(hidden_RD, packed.source_N)
        if logps:
            weight, bias = base.output_weight()
            targets = packed.targets_N.to(hidden_RD.device)
            logps_N, entropy_N = answer_logps(
                states_ND, targets, weight, bias, temperature=temperature, entropy=entropy
            )
        else:
            logps_N, entropy_N = states_ND.new_zeros(0), None
    return Scored(
        logps_N=logps_N,
        entropy_N=entropy_N,
        states_ND=states_ND,
        last_AD=taken(hidden_RD, packed.last_A),
        segments_N=packed.segments_N.to(hidden_RD.device),
        num_answers=packed.num_answers,
    )


def _hidden(base: SharedBase, packed: Packed, trunk: TrunkCache | None) -> Tensor:
    if trunk is None or trunk.layer == 0:
        return base.hidden(packed)
    states_PD = trunk.states(packed, lambda tree: base.trunk(pack([tree], packed.layout), stop=trunk.layer))
    return base.hidden(packed, start=trunk.layer, states_PD=states_PD)


@torch.no_grad()
def answer_scores(
    base: SharedBase,
    role: Role,
    trees: Sequence[Tree],
    groups: Sequence[Sequence[int]],
    trunk: TrunkCache | None = None,
) -> Tensor:
    """What a role's head says of each answer [A], in the order of the trees (groups: `micro_batches`)."""
    assert role.head is not None
    scores_A = torch.zeros(answer_starts(trees)[-1])
    for answers, last_AD in _last_states(base, role, trees, groups, trunk):
        scores_A[answers] = role.head(last_AD).squeeze(-1).cpu()
    return scores_A


@torch.no_grad()
def answer_states(
    base: SharedBase, role: Role, trees: Sequence[Tree], groups: Sequence[Sequence[int]]
) -> Tensor:
    """The state [A, D] of each answer's last token, in the order of the trees (groups: `micro_batches`)."""
    states_AD = torch.zeros(answer_starts(trees)[-1], base.width)
    for answers, last_AD in _last_states(base, role, trees, groups):
        states_AD[answers] = last_AD.cpu()
    return states_AD


def _last_states(
    base: SharedBase,
    role: Role,
    trees: Sequence[Tree],
    groups: Sequence[Sequence[int]],
    trunk: TrunkCache | None = None,
) -> Iterator[tuple[list[int], Tensor]]:
    """Group by group, which answers they are and the float32 state of the last token of each."""
    starts = answer_starts(trees)
    for group in groups:
        scored = score_trees(base, role, [trees[i] for i in group], logps=False, trunk=trunk)
        yield answers_of(group, starts), scored.last_AD.float()


@torch.no_grad()
def token_logps(
    base: SharedBase,
    role: Role | None,
    trees: Sequence[Tree],
    groups: Sequence[Sequence[int]],
    *,
    temperature: float = 1.0,
    trunk: TrunkCache | None = None,
) -> list[Tensor]:
    """Log-probabilities of every answer's learned tokens, one tensor an answer, in the order of the trees."""
    starts = answer_starts(trees)
    found: list[Tensor] = [torch.empty(0)] * starts[-1]
    for group in groups:
        scored = score_trees(base, role, [trees[i] for i in group], temperature=temperature, trunk=trunk)
        sizes = torch.bincount(scored.segments_N, minlength=scored.num_answers).tolist()
        for answer, logps in zip(answers_of(group, starts), scored.logps_N.float().cpu().split(sizes), strict=True):
            found[answer] = logps
    return found


def answer_starts(trees: Sequence[Tree]) -> list[int]:
    """Index of each tree's first answer among all answers; the last entry is the number of answers."""
    starts = [0]
    for tree in trees:
        starts.append(starts[-1] + len(tree.answers))
    return starts


def answers_of(group: Sequence[int], starts: Sequence[int]) -> list[int]:
    """Indices of the answers of some trees, in the order in which the engine returns them."""
    return [answer for index in group for answer in range(starts[index], starts[index + 1])]
