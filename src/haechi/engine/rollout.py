"""Answers sampled from a role: each prompt computed once for all its samples, finished answers dropped from the batch.

Legend: P prompts, B rows (P prompts × n samples), T prompt places, V vocabulary.

The log-probability of every sampled token is recorded and equals the training path's to float precision, so PPO's first
ratio is 1. Every row draws from random numbers of its own: what one answer says never depends on which others were
sampled beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from haechi.engine.cache import PlainCache, RolloutCache
from haechi.models.base import SharedBase
from haechi.models.roles import Role


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
) -> list[list[Answer]]:
    """`samples` answers for each prompt, in the order of the prompts.

    Args:
        token_budget: keys and values held at once, in tokens; bounds memory and changes no answer.
        progress: told (prompts done, prompts in all).
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
                group, _sample_group(base, [prompts[i] for i in group], sampling, samples, noise), strict=True
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
    base: SharedBase, prompts: Sequence[Sequence[int]], sampling: Sampling, samples: int, noise: Tensor
) -> list[list[Answer]]:
    device = base.device
    cache: RolloutCache | PlainCache
    if base.shared_forward:
        cache = RolloutCache(base.num_layers, max(map(len, prompts)) + sampling.max_new_tokens)
    else:
        cache = PlainCache(config=base.model.config)
    hidden_BD, real_BT = _prefill(base, prompts, cache)
    rows = torch.arange(len(prompts), device=device).repeat_interleave(samples)
    if samples > 1:
        cache.take(rows)
    hidden_BD, real_BT = hidden_BD[rows], real_BT[rows]
    positions_B = real_BT.sum(-1)
    alive = torch.arange(len(rows))  # which answer each row of the cache belongs to
    ids: list[list[int]] = [[] for _ in rows]
    logps: list[list[float]] = [[] for _ in rows]
    ended = [False] * len(rows)
    weight, bias = base.output_weight()
    for step in range(sampling.max_new_tokens):
        logits_BV = F.linear(hidden_BD, weight, bias).float()
        token_B, logp_B = _draw(logits_BV, sampling, noise[alive, step].to(device))
        for row, token, logp in zip(alive.tolist(), token_B.tolist(), logp_B.tolist(), strict=True):
            ids[row].append(token)
            logps[row].append(logp)
            ended[row] = token == base.codec.eos
        going = (token_B != base.codec.eos).nonzero().squeeze(-1)
        if len(going) == 0 or step + 1 == sampling.max_new_tokens:
            break
        if len(going) < len(token_B):
            alive = alive[going.cpu()]
            cache.take(going)
            token_B, real_BT, positions_B = token_B[going], real_BT[going], positions_B[going]
        real_BT = F.pad(real_BT, (0, 1), value=True)
        output = base.body(
            input_ids=token_B[:, None],
            attention_mask=real_BT[:, None, None, :] if base.shared_forward else None,
            position_ids=positions_B[:, None],
            past_key_values=cache,
            use_cache=True,
        )
        hidden_BD = output.last_hidden_state[:, -1]
        positions_B = positions_B + 1
    answers = [Answer(i, torch.tensor(p), e) for i, p, e in zip(ids, logps, ended, strict=True)]
    return [answers[start : start + samples] for start in range(0, len(answers), samples)]


def _prefill(
    base: SharedBase, prompts: Sequence[Sequence[int]], cache: RolloutCache | PlainCache
) -> tuple[Tensor, Tensor]:
    """The last hidden state of each prompt [P, D], and which places are real [P, T]; prompts are padded on the left."""
    length = max(map(len, prompts))
    tokens_PT = torch.zeros(len(prompts), length, dtype=torch.long)
    real_PT = torch.zeros(len(prompts), length, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        tokens_PT[row, length - len(prompt) :] = torch.tensor(prompt)
        real_PT[row, length - len(prompt) :] = True
    tokens_PT, real_PT = tokens_PT.to(base.device), real_PT.to(base.device)
    causal = torch.ones(length, length, dtype=torch.bool, device=base.device).tril()
    itself = torch.eye(length, dtype=torch.bool, device=base.device)
    visible_PTT = (causal & real_PT[:, None, :]) | itself
    output = base.body(
        input_ids=tokens_PT,
        attention_mask=visible_PTT[:, None] if base.shared_forward else None,
        position_ids=(real_PT.cumsum(-1) - 1).clamp(min=0),
        past_key_values=cache,
        use_cache=True,
    )
    return output.last_hidden_state[:, -1], real_PT


def _draw(logits_BV: Tensor, sampling: Sampling, uniform_B: Tensor) -> tuple[Tensor, Tensor]:
    """A token for each row by inverting the distribution function at a uniform number, and its log-probability."""
    if sampling.temperature == 0:
        logps_BV = logits_BV.log_softmax(-1)
        token_B = logps_BV.argmax(-1)
        return token_B, logps_BV.gather(-1, token_B[:, None]).squeeze(-1)
    logps_BV = (logits_BV / sampling.temperature).log_softmax(-1)
    allowed_BV = _restrict(logps_BV, sampling)
    distribution_BV = allowed_BV.double().exp().cumsum(-1)
    threshold_B1 = uniform_B[:, None] * distribution_BV[:, -1:]
    token_B = (
        torch.searchsorted(distribution_BV, threshold_B1, right=True).squeeze(-1).clamp(max=logits_BV.shape[-1] - 1)
    )
    return token_B, logps_BV.gather(-1, token_B[:, None]).squeeze(-1)


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
