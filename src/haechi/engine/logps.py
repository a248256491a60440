"""Log-probabilities of answer tokens, without ever holding the [tokens × vocabulary] matrix in full.

Legend: N learned tokens, V vocabulary, D width, C tokens of a chunk.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

CHUNK = 2048
Entropy = Literal["none", "measured", "learned"]


def answer_logps(
    hidden_ND: Tensor,
    targets_N: Tensor,
    weight_VD: Tensor,
    bias_V: Tensor | None = None,
    *,
    temperature: float = 1.0,
    entropy: Entropy = "none",
    chunk: int = CHUNK,
) -> tuple[Tensor, Tensor | None]:
    """Log-probability of each target [N] in float32, and the entropy of each prediction [N] if asked for: with a
    gradient where it is `learned`, without where it is only `measured`, as that gradient costs tensors of [N × V].

    Chunks are recomputed in the backward pass, so memory is O(chunk · V), not O(N · V).
    """

    def one_chunk(hidden_CD: Tensor, targets_C: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        logits_CV = F.linear(hidden_CD, weight, bias_V).float() / temperature
        logps_C = -F.cross_entropy(logits_CV, targets_C, reduction="none")
        if entropy == "none":
            return logps_C, logps_C.new_zeros(0)
        with torch.set_grad_enabled(torch.is_grad_enabled() and entropy == "learned"):
            logps_CV = logits_CV.log_softmax(-1)
            return logps_C, -(logps_CV.exp() * logps_CV).sum(-1)

    if hidden_ND.shape[0] == 0:
        empty = hidden_ND.sum() * hidden_ND.new_zeros(0, dtype=torch.float32)
        return empty, empty if entropy != "none" else None
    recompute = torch.is_grad_enabled() and hidden_ND.shape[0] > chunk
    parts = [
        checkpoint(one_chunk, hidden, target, weight_VD, use_reentrant=False)
        if recompute
        else one_chunk(hidden, target, weight_VD)
        for hidden, target in zip(hidden_ND.split(chunk), targets_N.split(chunk), strict=True)
    ]
    logps_N = torch.cat([logps for logps, _ in parts])
    return logps_N, torch.cat([values for _, values in parts]) if entropy != "none" else None
