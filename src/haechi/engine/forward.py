"""Trees to what losses need: log-probabilities, values, scores, all flat.

Legend: B rows, T tokens of a row, N learned tokens, A answers, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from haechi.engine.logps import Entropy, answer_logps
from haechi.engine.trees import Packed, Tree, pack, unshared
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
    if not base.shared_forward:
        trees = unshared(trees)
    packed = pack(trees, one_a_row=not base.shared_forward)
    with base.wearing(role):
        hidden_BTD = _hidden(base, packed, trees, trunk)
        flat_D = hidden_BTD.reshape(-1, hidden_BTD.shape[-1])
        states_ND = taken(flat_D, packed.source_N)
        if logps:
            weight, bias = base.output_weight()
            targets = packed.targets_N.to(flat_D.device)
            logps_N, entropy_N = answer_logps(
                states_ND, targets, weight, bias, temperature=temperature, entropy=entropy
            )
        else:
            logps_N, entropy_N = states_ND.new_zeros(0), None
    return Scored(
        logps_N=logps_N,
        entropy_N=entropy_N,
        states_ND=states_ND,
        last_AD=taken(flat_D, packed.last_A),
        segments_N=packed.segments_N.to(flat_D.device),
        num_answers=packed.num_answers,
    )


def taken(flat_D: Tensor, index_N: Tensor) -> Tensor:
    """The rows at some places, which may be named several times: the first tokens of a prompt's answers are all
    predicted from its last state.

    The gradients that meet in one row are added in one order every time, or a run could not be repeated to the bit. Of
    plain indexing that is true on a GPU, which sorts first, but not on a CPU, whose threads add as they come;
    `index_select` has it the other way round.
    """
    index_N = index_N.to(flat_D.device)
    return flat_D.index_select(0, index_N) if flat_D.device.type == "cpu" else flat_D[index_N]


def _hidden(base: SharedBase, packed: Packed, trees: Sequence[Tree], trunk: TrunkCache | None) -> Tensor:
    visible = packed.visible_BTT if base.shared_forward else None
    rows = (packed.tokens_BT, packed.positions_BT, visible)
    if trunk is None or trunk.layer == 0:
        return base.hidden(*rows)
    states_BTD = trunk.states(trees, packed, lambda tree: _trunk_of(base, tree, trunk.layer))
    return base.hidden(*rows, start=trunk.layer, states_BTD=states_BTD)


def _trunk_of(base: SharedBase, tree: Tree, layer: int) -> Tensor:
    """The states [T, D] of one tree below a layer."""
    packed = pack([tree])
    visible = packed.visible_BTT if base.shared_forward else None
    return base.trunk(packed.tokens_BT, packed.positions_BT, visible, stop=layer)[0]


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
