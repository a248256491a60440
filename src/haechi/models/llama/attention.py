"""The attention step of a layer, over trees that lie one after another without padding.

Legend: P places, Q asking rows, S keys that a block sees, H heads, G key heads, K size of a head, D width.

    x + out(softmax(q kᵀ / √K) v),   q, k turned by their positions    (arXiv 1706.03762, eq. 1; RoPE, arXiv 2104.09864)

A stretch of a prompt sees what stands before it in the prompt, and itself; a few answers see their whole prompt, and
each itself. So what a query sees is a run of places that its whole block sees, and a small square with a mask; nothing
else is ever computed. The backward pass computes the softmax once more: kept, it would be most of the memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from haechi.engine.trees import Packed
from haechi.models.llama.linear import Linear
from haechi.models.llama.norms import Norm

STRETCH = 128  # queries of a prompt in a block: more compute more of the masked half, fewer cost more calls
ANSWERS = 256  # places of the answers in a block; a single longer answer has a block of its own


@dataclass(frozen=True, slots=True)
class Block:
    """Queries that see the same run of places, and more as a mask says.

    Attributes:
        queries: the asking rows, from and to.
        seen: places that every query sees, from and to.
        own: places that a query sees where `mask_QO` is 0.
        mask_QO: 0, or minus infinity where a query must not look.
    """

    queries: tuple[int, int]
    seen: tuple[int, int]
    own: tuple[int, int]
    mask_QO: Tensor


@dataclass(frozen=True, slots=True)
class Plan:
    """Who asks, where they stand, and what they see.

    Attributes:
        asking_Q: the places that ask; None = all.
        blocks: cover every asking row once.
        cos_PK, sin_PK: of each place's position.
    """

    asking_Q: Tensor | None
    blocks: Sequence[Block]
    cos_PK: Tensor
    sin_PK: Tensor

    def of_asking(self, rows_P: Tensor) -> Tensor:
        """The asking places' rows."""
        return rows_P if self.asking_Q is None else rows_P[self.asking_Q]


def blocks_of(packed: Packed) -> list[Block]:
    """The blocks in which every place of flat trees asks."""
    blocks: list[Block] = []
    for tree, start in zip(packed.trees, packed.starts, strict=True):
        end = start + len(tree.prompt)
        blocks += blocks_of_prompt(start, end)
        lengths: list[int] = []
        at = end
        for answer in tree.answers:
            if lengths and sum(lengths) + len(answer) > ANSWERS:
                blocks.append(_answers((start, end), at, lengths))
                at, lengths = at + sum(lengths), []
            lengths.append(len(answer))
        blocks.append(_answers((start, end), at, lengths))
    return blocks


def blocks_of_prompt(start: int, end: int) -> list[Block]:
    """The blocks of a run of places of which each sees all that come before it."""
    found = []
    for at in range(start, end, STRETCH):
        own = (at, min(at + STRETCH, end))
        found.append(Block(own, (start, at), own, _triangle(own[1] - own[0])))
    return found


def behind(blocks: Sequence[Block], places: int) -> list[Block]:
    """The blocks of one prompt, where so many places of it have been computed already."""
    if places == 0:
        return list(blocks)
    return [
        Block(
            block.queries,
            (block.seen[0], block.seen[1] + places),
            (block.own[0] + places, block.own[1] + places),
            block.mask_QO,
        )
        for block in blocks
    ]


def only(blocks: Sequence[Block], asking_Q: Tensor) -> list[Block]:
    """The blocks, asked by some places alone (in ascending order)."""
    found = []
    for block in blocks:
        start, end = torch.searchsorted(asking_Q, torch.tensor(block.own)).tolist()
        if start < end:
            mask_QO = block.mask_QO[asking_Q[start:end] - block.own[0]]
            found.append(Block((start, end), block.seen, block.own, mask_QO))
    return found


def _answers(prompt: tuple[int, int], at: int, lengths: Sequence[int]) -> Block:
    own = (at, at + sum(lengths))
    if len(lengths) == 1:
        return Block(own, prompt, own, _triangle(lengths[0]))
    answer_O = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    others = answer_O[:, None] != answer_O[None, :]
    return Block(own, prompt, own, _triangle(len(answer_O)).masked_fill(others, float("-inf")))


@lru_cache(maxsize=256)
def _triangle(length: int) -> Tensor:
    return torch.full((length, length), float("-inf")).triu_(1)


# ── the core: one block ───────────────────────────────────────────────────────────────────────────────────────────


def attend(q_HQK: Tensor, k_GPK: Tensor, v_GPK: Tensor, blocks: Sequence[Block]) -> Tensor:
    """What the queries gather [Q, H, K]; they come scaled by 1/√K."""
    heads, queries, size = q_HQK.shape
    out_QHK = q_HQK.new_empty(queries, heads, size)
    for block in blocks:
        q, k, v = (_grouped(q_HQK, block.queries, k_GPK.shape[0]), _keys(k_GPK, block), _keys(v_GPK, block))
        gathered = _weights(q, k, block) @ v
        out_QHK[slice(*block.queries)] = gathered.view(heads, -1, size).transpose(0, 1)
    return out_QHK


def attend_backward(
    dout_QHK: Tensor, q_HQK: Tensor, k_GPK: Tensor, v_GPK: Tensor, blocks: Sequence[Block]
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of q, k and v, in their shapes."""
    dq_HQK, dk_GPK, dv_GPK = torch.empty_like(q_HQK), torch.zeros_like(k_GPK), torch.zeros_like(v_GPK)
    groups = k_GPK.shape[0]
    for block in blocks:
        q, k, v = (_grouped(q_HQK, block.queries, groups), _keys(k_GPK, block), _keys(v_GPK, block))
        dout = _grouped(dout_QHK.transpose(0, 1), block.queries, groups)
        weights = _weights(q, k, block)
        _add_keys(dv_GPK, block, weights.transpose(1, 2) @ dout)
        dweights = dout @ v.transpose(1, 2)
        dscores = torch.ops.aten._softmax_backward_data(dweights, weights, -1, weights.dtype)
        dq_HQK[:, slice(*block.queries)] = (dscores @ k).view(q_HQK.shape[0], -1, q_HQK.shape[2])
        _add_keys(dk_GPK, block, dscores.transpose(1, 2) @ q)
    return dq_HQK, dk_GPK, dv_GPK


def _weights(q: Tensor, k: Tensor, block: Block) -> Tensor:
    """The softmax [G, H/G · Q, S] over what a block sees."""
    scores = q @ k.transpose(1, 2)
    by_head = scores.view(len(scores), -1, len(block.mask_QO), scores.shape[-1])
    by_head[..., block.seen[1] - block.seen[0] :] += block.mask_QO
    return scores.softmax(-1, dtype=torch.float32).to(q.dtype)


def _grouped(rows_HQK: Tensor, queries: tuple[int, int], groups: int) -> Tensor:
    """A block's queries [G, H/G · Q, K], those of the heads that share keys one below another."""
    return rows_HQK[:, slice(*queries)].reshape(groups, -1, rows_HQK.shape[-1])


def _keys(rows_GPK: Tensor, block: Block) -> Tensor:
    (start, end), own = block.seen, block.own
    if end == own[0]:
        return rows_GPK[:, start : own[1]]
    return torch.cat([rows_GPK[:, start:end], rows_GPK[:, slice(*own)]], dim=1)


def _add_keys(total_GPK: Tensor, block: Block, rows_GSK: Tensor) -> None:
    (start, end), own = block.seen, block.own
    total_GPK[:, start:end] += rows_GSK[:, : end - start]
    total_GPK[:, slice(*own)] += rows_GSK[:, end - start :]


# ── the step ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Attention:
    """The step, as a role wears it.

    Attributes:
        query_norm, key_norm: norms over a head, in architectures that have them.
    """

    norm: Norm
    query: Linear
    key: Linear
    value: Linear
    out: Linear
    size: int
    query_norm: Norm | None = None
    key_norm: Norm | None = None

    def learned(self) -> list[Tensor]:
        """The tensors that want a gradient."""
        parts = (self.norm, self.query, self.key, self.value, self.out, self.query_norm, self.key_norm)
        return [tensor for part in parts if part is not None for tensor in part.learned()]

    def lay(self, rows: int, products: int) -> None:
        """Gets its linear layers ready for so many products with so many rows."""
        for linear in (self.query, self.key, self.value, self.out):
            linear.lay(rows, products)

    def __call__(self, x_PD: Tensor, plan: Plan) -> Tensor:
        """The states [Q, D] of the places that ask."""
        learned = self.learned() if torch.is_grad_enabled() else []
        if torch.is_grad_enabled() and (learned or x_PD.requires_grad):
            return _Step.apply(x_PD, self, plan, *learned)  # type: ignore[no-any-return]
        return self.forward(x_PD, plan)[0]

    def forward(self, x_PD: Tensor, plan: Plan) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The step's output, and what its backward pass needs."""
        q_QHK, k_PGK, v_PGK = self.project(x_PD, plan)
        turned = self.turned(q_QHK, k_PGK, plan)
        out_QHK = attend(*turned, v_PGK.transpose(0, 1), plan.blocks)
        y_QD = self.out.forward(out_QHK.flatten(1), onto=plan.of_asking(x_PD))
        return y_QD, (q_QHK, k_PGK, v_PGK, out_QHK)

    def project(self, x_PD: Tensor, plan: Plan) -> tuple[Tensor, Tensor, Tensor]:
        """Queries [Q, H, K] of those that ask, keys and values [P, G, K] of all."""
        normed_PD = self.norm.forward(x_PD)
        asking_QD = plan.of_asking(normed_PD)
        q_QE, k_PE, v_PE = self.query.forward(asking_QD), self.key.forward(normed_PD), self.value.forward(normed_PD)
        return tuple(rows.view(rows.shape[0], -1, self.size) for rows in (q_QE, k_PE, v_PE))  # type: ignore[return-value]

    def turned(self, q_QHK: Tensor, k_PGK: Tensor, plan: Plan) -> tuple[Tensor, Tensor]:
        """Queries [H, Q, K], scaled, and keys [G, P, K], normed and turned by their positions."""
        cos_QK, sin_QK = plan.of_asking(plan.cos_PK), plan.of_asking(plan.sin_PK)
        q_QHK = q_QHK if self.query_norm is None else self.query_norm.forward(q_QHK)
        k_PGK = k_PGK if self.key_norm is None else self.key_norm.forward(k_PGK)
        scale = self.size**-0.5
        return turn(q_QHK, cos_QK * scale, sin_QK * scale), turn(k_PGK, plan.cos_PK, plan.sin_PK)

    def backward(
        self, dy_QD: Tensor, x_PD: Tensor, kept: Sequence[Tensor], plan: Plan
    ) -> tuple[Tensor, list[Tensor]]:
        """The gradients of x and of `learned`."""
        q_QHK, k_PGK, v_PGK, out_QHK = kept
        of_out = self.out.gradients(dy_QD, out_QHK.flatten(1)) if self.out.learned() else []
        dout_QHK = self.out.backward(dy_QD).view(out_QHK.shape)
        q_HQK, k_GPK = self.turned(q_QHK, k_PGK, plan)
        dq_HQK, dk_GPK, dv_GPK = attend_backward(dout_QHK, q_HQK, k_GPK, v_PGK.transpose(0, 1), plan.blocks)
        scale = self.size**-0.5
        cos_QK, sin_QK = plan.of_asking(plan.cos_PK), plan.of_asking(plan.sin_PK)
        dq_QHK = turn(dq_HQK.transpose(0, 1), cos_QK * scale, sin_QK * -scale).transpose(0, 1)
        dk_PGK = turn(dk_GPK.transpose(0, 1), plan.cos_PK, -plan.sin_PK).transpose(0, 1)
        of_norms: list[Tensor] = []
        if self.query_norm is not None:
            dq_QHK, found = self.query_norm.backward(dq_QHK, q_QHK)
            of_norms += found
        if self.key_norm is not None:
            dk_PGK, found = self.key_norm.backward(dk_PGK, k_PGK)
            of_norms += found
        dq_QE, dk_PE, dv_PE = dq_QHK.flatten(1), dk_PGK.flatten(1), dv_GPK.transpose(0, 1).flatten(1)
        of_inputs: list[Tensor] = []
        if self.query.learned() or self.key.learned() or self.value.learned():
            normed_PD = self.norm.forward(x_PD)
            of_inputs = [
                *self.query.gradients(dq_QE, plan.of_asking(normed_PD)),
                *self.key.gradients(dk_PE, normed_PD),
                *self.value.gradients(dv_PE, normed_PD),
            ]
        dnormed_PD = self.value.backward(dv_PE, onto=self.key.backward(dk_PE))
        if plan.asking_Q is None:
            dnormed_PD = self.query.backward(dq_QE, onto=dnormed_PD)
            dx_PD, of_norm = self.norm.backward(dnormed_PD, x_PD)
            dx_PD += dy_QD
        else:
            dnormed_PD[plan.asking_Q] += self.query.backward(dq_QE)
            dx_PD, of_norm = self.norm.backward(dnormed_PD, x_PD)
            dx_PD[plan.asking_Q] += dy_QD
        return dx_PD, [*of_norm, *of_inputs, *of_out, *of_norms]


def turn(x_NHK: Tensor, cos_NK: Tensor, sin_NK: Tensor) -> Tensor:
    """Each pair (x_i, x_{i + K/2}) turned by its angle, heads first [H, N, K]."""
    half = x_NHK.shape[-1] // 2
    cos, sin = cos_NK[:, :half], sin_NK[:, :half]  # both halves are alike
    x_HNK = x_NHK.transpose(0, 1)
    first, second = x_HNK[..., :half], x_HNK[..., half:]
    turned = x_HNK.new_empty(x_HNK.shape)
    torch.mul(first, cos, out=turned[..., :half]).addcmul_(second, sin, value=-1)
    torch.mul(second, cos, out=turned[..., half:]).addcmul_(first, sin)
    return turned


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_PD: Tensor, step: Attention, plan: Plan, *learned: Tensor) -> Tensor:
        y_QD, kept = step.forward(x_PD, plan)
        ctx.step, ctx.plan = step, plan
        ctx.save_for_backward(x_PD, *kept)
        return y_QD

    @staticmethod
    def backward(ctx: Any, dy_QD: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x_PD, *kept = ctx.saved_tensors
        dx_PD, gradients = ctx.step.backward(dy_QD, x_PD, kept, ctx.plan)
        return dx_PD, None, None, *gradients
