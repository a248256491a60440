"""Answers sampled from a role: each prompt computed once for all its samples, finished answers dropped from the batch.

Legend: B answers being written, V vocabulary.

The log-probability of every sampled token is recorded and equals the training path's to float precision, so PPO's first
ratio is 1. Every row draws from random numbers of its own: what one answer says never depends on which others were
sampled beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from haechi.engine.cache import CachedDecoding
from haechi.models.base import SharedBase
from haechi.models.llama.decoding import Decoding, Memory
from haechi.models.roles import Role

_BLOCK = 256  # tokens of the vocabulary


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to draw an answer.

    Attributes:
        temperature: 0 takes the likeliest token.
        top_k: draw among the k likeliest only; 0 = all.
        top_p: draw among the likeliest that make up this probability; 1 = all.
        max_new_tokens: answers that have not ended by then are cut.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    max_new_tokens: int = 48


@dataclass(frozen=True, slots=True)
class Answer:
    """One sampled answer.

    Attributes:
        ids: its tokens; the end-of-sequence token is the last one if `ended`.
        logps: log-probability of each token at the sampling temperature (1 where that is 0), before top-k and top-p.
        ended: False if it was cut at `max_new_tokens`.
    """

    ids: list[int]
    logps: Tensor
    ended: bool


@torch.no_grad()
def sample(
    base: SharedBase,
    role: Role | None,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling,
    *,
    samples: int = 1,
    seed: int = 0,
    token_budget: int = 16384,
    progress: Callable[[int, int], None] = lambda done, total: None,
    memory: Memory | None = None,
) -> list[list[Answer]]:
    """`samples` answers for each prompt, in the order of the prompts.

    Args:
        token_budget: keys and values held at once, in tokens; bounds memory and changes no answer.
        progress: told (prompts done, prompts in all).
        memory: makes questions that are asked one by one faster; the role must not learn between them.
    """
    order = sorted(range(len(prompts)), key=lambda index: (len(prompts[index]), index))
    found: list[list[Answer]] = [[] for _ in prompts]
    done = 0
    with base.wearing(role):
        while done < len(order):
            waiting = order[done:]
            if not base.shared_forward:  # rows of one length need no mask, so the architecture's own holds
                waiting = [index for index in waiting if len(prompts[index]) == len(prompts[waiting[0]])]
            group = _next_group(waiting, prompts, samples, sampling.max_new_tokens, token_budget)
            noise = _noise(group, samples, sampling.max_new_tokens, seed)
            for index, answers in zip(
                group,
                _sample_group(base, [prompts[i] for i in group], sampling, samples, noise, memory and memory.of(role)),
                strict=True,
            ):
                found[index] = answers
            done += len(group)
            progress(done, len(order))
    return found


def _next_group(
    order: Sequence[int], prompts: Sequence[Sequence[int]], samples: int, new_tokens: int, budget: int
) -> list[int]:
    group: list[int] = []
    for index in order:
        if group and (len(group) + 1) * samples * (len(prompts[index]) + new_tokens) > budget:
            break
        group.append(index)
    return group


def _noise(group: Sequence[int], samples: int, length: int, seed: int) -> Tensor:
    """Uniform numbers [B, length], each row from a generator of its own."""
    rows = []
    for index in group:
        for number in range(samples):
            generator = torch.Generator().manual_seed((seed * 1_000_003 + index * 1_009 + number) % 2**63)
            rows.append(torch.rand(length, generator=generator, dtype=torch.float64))
    return torch.stack(rows)


def _sample_group(
    base: SharedBase,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling,
    samples: int,
    noise: Tensor,
    memory: Memory | None,
) -> list[list[Answer]]:
    decoding = _start(base, prompts, samples, sampling.max_new_tokens, memory)
    alive = torch.arange(len(prompts) * samples)  # which answer each row is
    ids: list[list[int]] = [[] for _ in alive]
    logps: list[list[float]] = [[] for _ in alive]
    ended = [False] * len(alive)
    for step in range(sampling.max_new_tokens):
        token_B, logp_B = _draw(decoding.logits().float(), sampling, noise[alive, step].to(base.device))
        for row, token, logp in zip(alive.tolist(), token_B.tolist(), logp_B.tolist(), strict=True):
            ids[row].append(token)
            logps[row].append(logp)
            ended[row] = token == base.codec.eos
        going = (token_B != base.codec.eos).nonzero().squeeze(-1)
        if len(going) == 0 or step + 1 == sampling.max_new_tokens:
            break
        if len(going) < len(token_B):
            alive, token_B = alive[going.cpu()], token_B[going]
            decoding.keep(going)
        decoding.step(token_B)
    answers = [Answer(i, torch.tensor(p), e) for i, p, e in zip(ids, logps, ended, strict=True)]
    return [answers[start : start + samples] for start in range(0, len(answers), samples)]


class _Decoding(Protocol):
    """Answers being written: what comes next in each, and how they go on."""

    def logits(self) -> Tensor: ...

    def step(self, tokens_B: Tensor) -> None: ...

    def keep(self, rows: Tensor) -> None: ...


def _start(
    base: SharedBase, prompts: Sequence[Sequence[int]], samples: int, new_tokens: int, memory: Memory | None
) -> _Decoding:
    if base.layout == "flat" and base.decoder is not None:
        memory = memory if len(prompts) == 1 else None
        return Decoding(base.decoder, base.adapters, base.output_weight(), prompts, samples, new_tokens, memory)
    return CachedDecoding(base, prompts, samples, new_tokens)


def _draw(logits_BV: Tensor, sampling: Sampling, uniform_B: Tensor) -> tuple[Tensor, Tensor]:
    """A token for each row by inverting the distribution function at a uniform number, and its log-probability."""
    if sampling.temperature == 0:
        logps_BV = logits_BV.log_softmax(-1)
        token_B = logps_BV.argmax(-1)
        return token_B, logps_BV.gather(-1, token_B[:, None]).squeeze(-1)
    if sampling.temperature != 1:
        logits_BV = logits_BV / sampling.temperature
    restricted = 0 < sampling.top_k < logits_BV.shape[-1] or sampling.top_p < 1
    allowed_BV = _restrict(logits_BV.log_softmax(-1), sampling) if restricted else logits_BV
    token_B = _inverted((allowed_BV - allowed_BV.amax(-1, keepdim=True)).exp_(), uniform_B)
    return token_B, logits_BV.gather(-1, token_B[:, None]).squeeze(-1) - logits_BV.logsumexp(-1)


def _inverted(weight_BV: Tensor, uniform_B: Tensor) -> Tensor:
    """The token of each row at which the sum of the weights so far passes its share, a uniform number, of them all.

    It is found in two stretches, the block of the vocabulary and the place in the block: the sums of a large vocabulary
    one by one would take longer than the model does.
    """
    blocks_BKW = F.pad(weight_BV, (0, -weight_BV.shape[-1] % _BLOCK)).unflatten(-1, (-1, _BLOCK))
    sums_BK = blocks_BKW.sum(-1, dtype=torch.float64)
    block_B, rest_B = _passed(sums_BK, uniform_B * sums_BK.sum(-1))
    within_B, _ = _passed(blocks_BKW[torch.arange(len(block_B)), block_B].double(), rest_B)
    return block_B * _BLOCK + within_B


def _passed(weight_BN: Tensor, threshold_B: Tensor) -> tuple[Tensor, Tensor]:
    """Where in each row the sum of weights passes a threshold, and what of the threshold is left there. It is a place
    with a weight even where the threshold is the whole sum, give or take its rounding."""
    sum_BN = weight_BN.cumsum(-1)
    at_B1 = torch.searchsorted(sum_BN, threshold_B[:, None], right=True)
    last_B1 = weight_BN.shape[-1] - 1 - (weight_BN > 0).flip(-1).int().argmax(-1, keepdim=True)
    at_B1 = torch.minimum(at_B1, last_B1)
    before_B1 = (sum_BN - weight_BN).gather(-1, at_B1)
    return at_B1.squeeze(-1), (threshold_B - before_B1.squeeze(-1)).clamp(min=0)


def _restrict(logps_BV: Tensor, sampling: Sampling) -> Tensor:
    """Log-probabilities with those outside top-k and top-p at minus infinity; not renormalised."""
    allowed_BV = logps_BV
    if 0 < sampling.top_k < logps_BV.shape[-1]:
        least = logps_BV.topk(sampling.top_k, dim=-1).values[:, -1:]
        allowed_BV = allowed_BV.masked_fill(logps_BV < least, float("-inf"))
    if sampling.top_p < 1:
        ordered, index = allowed_BV.sort(dim=-1, descending=True)
        before = ordered.exp().cumsum(-1) - ordered.exp()
        outside = torch.zeros_like(allowed_BV, dtype=torch.bool).scatter(-1, index, before >= sampling.top_p)
        allowed_BV = allowed_BV.masked_fill(outside, float("-inf"))
    return allowed_BV
