"""Attention over a dense mask in blocks of queries: on a CPU two to three times as fast as the fused kernel.

Legend: B rows, H heads, T queries and keys, D width of a head.

A place never sees a later one, in a prompt tree as in plain text, so a block of queries needs only the keys up to its
own end; and on a CPU matrix products, above all in bfloat16, outrun the fused kernel's backward pass over a mask.
Everything else (a cache, no mask, a mask that shows later places, another device) goes to
`scaled_dot_product_attention`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

NAME = "haechi_blocks"
_BLOCKS = 4  # of queries: more spare more of the upper triangle, and cost more calls


def register() -> str:
    """Makes the attention known to Transformers; returns the name to load a model with."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    return NAME


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Transformers' attention interface: query [B, H, T, D], key and value with H or fewer heads, boolean mask
    [B, 1, T, T]; returns [B, T, H, D]."""
    if attention_mask is None or query.shape[2] < 2 * _BLOCKS or not _in_blocks(query, key, attention_mask, kwargs):
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    return blockwise(query, key, value, attention_mask, scaling or query.shape[-1] ** -0.5).transpose(1, 2), None


def blockwise(query: Tensor, key: Tensor, value: Tensor, visible: Tensor, scaling: float) -> Tensor:
    """softmax(scaling · q kᵀ where visible) v [B, H, T, D], for a mask that hides what stands after a query's block."""
    hidden = torch.zeros(visible.shape, dtype=query.dtype, device=query.device)
    hidden.masked_fill_(~visible, torch.finfo(query.dtype).min)
    query, outputs = query * scaling, []
    for start, end in _blocks(query.shape[2]):
        scores = query[:, :, start:end] @ key[:, :, :end].transpose(-1, -2) + hidden[:, :, start:end, :end]
        outputs.append(scores.softmax(-1) @ value[:, :, :end])
    return torch.cat(outputs, dim=2)


def _blocks(length: int) -> list[tuple[int, int]]:
    size = -(-length // _BLOCKS)
    return [(start, min(start + size, length)) for start in range(0, length, size)]


def _in_blocks(query: Tensor, key: Tensor, mask: Tensor, kwargs: dict[str, Any]) -> bool:
    return (
        query.device.type == "cpu"
        and query.shape[2] == key.shape[2] == mask.shape[-1] == mask.shape[-2]
        and mask.dtype is torch.bool
        and not kwargs.get("dropout")
        and kwargs.get("position_bias") is None
        and kwargs.get("softcap") is None
        and not any(bool(mask[:, :, start:end, end:].any()) for start, end in _blocks(mask.shape[-1]))
    )
